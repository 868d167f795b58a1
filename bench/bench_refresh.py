"""Whole refreshes by size of the deal, and the analysis in units that hold on any machine.

Run: python bench/bench_refresh.py [--quick] [--large]

A refresh is ``xlkmv refresh`` from start to end, in a process of its own. The analysis (all
conditions and sets of controls, covenants, stresses, models) is set against one simulation of
the plan as it is, from 10,000 obligors on also against drawing a uniform number for every
obligor on every path (float64, numpy's Philox), all in one process and in its processor time. What
takes far longer than it should is ended.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from process import measure
from table import Row, main

HERE = Path(__file__).resolve().parent
SIMULATIONS, DRAWS = 20.0, 12.0  # most of each that an analysis may cost
MANY = 10_000  # obligors from which on the draws count


@dataclass(frozen=True, slots=True)
class Size:
    """Size of a deal, and what a refresh of it may take on two cores."""

    obligors: int
    dates: int
    classes: int
    seconds: float
    megabytes: float

    @property
    def deal(self) -> str:
        """Code that makes the deal; the smallest is the one that ships."""
        if self == SIZES[0]:
            return "from xlkmv.deal.examples.patents import xingye_yuanrong as make; deal = make()"
        made = f"sequential({self.obligors}, {self.dates}, {self.classes})"
        return f"from deals import sequential; deal = {made}"

    @property
    def patience(self) -> float:
        """Seconds after which nobody waits any longer."""
        return max(30.0, 5.0 * self.seconds)

    def __str__(self) -> str:
        return f"{self.obligors:,} obligors x {self.dates} dates x {self.classes} classes"


SIZES = (
    Size(11, 20, 2, 2.0, 300.0),
    Size(300, 48, 5, 10.0, 600.0),
    Size(1_000, 60, 5, 20.0, 1_000.0),
    Size(10_000, 60, 5, 60.0, 1_500.0),
)
LARGE = Size(100_000, 60, 5, 300.0, 3_000.0)

HEAD = f"import sys; sys.path.insert(0, {str(HERE)!r})"
BUILD = """
from xlkmv.build.template import build_template
build_template({!r}, deal, refreshed=False)
"""
ANALYSIS = """
import numpy as np
from time import process_time
from xlkmv.deal.analysis import analyse
from xlkmv.deal.paths.run import simulate

def taken(work):
    start = process_time()
    work()
    return process_time() - start

def draw():
    rng, block = np.random.Generator(np.random.Philox(1)), 1000
    for _ in range(0, deal.terms.paths, block):
        rng.random((block, len(deal.pool.name)))

print(min(taken(lambda: simulate(deal)) for _ in range(2)), flush=True)
print(taken(draw), flush=True)
print(taken(lambda: analyse(deal)), flush=True)
"""


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """Measure every size; the analysis of the largest one is in its refresh."""
    sizes = SIZES[:2] if options.quick else SIZES
    for size in (*sizes, LARGE) if options.large else sizes:
        yield from _refresh(size)
    for size in sizes:
        yield from _analysis(size)


def _refresh(size: Size) -> Iterator[Row]:
    work = f"Refresh, {size}"
    with tempfile.TemporaryDirectory() as folder:
        book = str(Path(folder) / "book.xlsm")
        try:
            built = measure(["-c", "\n".join((HEAD, size.deal, BUILD.format(book)))], limit=300.0)
            if built.stopped:
                raise RuntimeError("its workbook took more than 300 s to make")
            done = measure(["-m", "xlkmv", "refresh", book], limit=size.patience)
        except RuntimeError as error:
            yield Row(work, math.nan, "s", "limit", size.seconds, 1.0, f"failed: {error}")
            return
    why = f"NO: ended after {size.patience:.0f} s" if done.stopped else ""
    yield Row(work, math.nan if why else done.seconds, "s", "limit", size.seconds, 1.0, why)
    yield Row("... its memory", done.megabytes, "MB", "limit", size.megabytes, 1.0, why and "ended early")


def _analysis(size: Size) -> Iterator[Row]:
    work = f"Analysis, {size}"
    # The simulations and the draws come on top.
    limit = size.patience + 60.0
    done = measure(["-c", "\n".join((HEAD, size.deal, ANALYSIS))], limit)
    why = f"NO: ended after {limit:.0f} s" if done.stopped else ""
    simulation, draw, analysis = (*map(float, done.output.split()), *[math.nan] * 3)[:3]
    yield Row(work, analysis, "s", "one simulation of the plan", simulation, SIMULATIONS, why)
    if size.obligors >= MANY:
        yield Row(work, analysis, "s", "drawing its uniforms once", draw, DRAWS, why)


if __name__ == "__main__":
    main(rows, __doc__)
