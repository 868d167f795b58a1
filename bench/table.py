"""What every benchmark answers, row by row, and the one table that the rows become."""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Row", "in_turn", "main", "seconds", "show"]


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement against a peer or a limit, both of this run.

    Attributes
    ----------
    work : str
    ours, theirs : float
        In the same unit; NaN: not measured.
    unit : {"s", "MB", "%"}
    against : str
        The peer or the limit.
    aim : float, optional
        Largest ``ours / theirs`` that is wanted.
    why : str
        Why something was not measured.
    """

    work: str
    ours: float
    unit: str
    against: str
    theirs: float
    aim: float | None = None
    why: str = ""

    @property
    def ratio(self) -> float:
        """Ours to theirs."""
        return self.ours / self.theirs if self.theirs else math.nan

    @property
    def met(self) -> str:
        """Whether the aim is met, or why nobody knows."""
        if self.why:
            return self.why
        return "" if self.aim is None else "yes" if self.ratio <= self.aim else "NO"


def seconds(work: Callable[[], Any]) -> float:
    """Time one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_turn(rounds: int, *sides: Callable[[], Any]) -> list[float]:
    """Least seconds of each side, the sides taking turns: a busy moment then slows neither alone."""
    times = [[seconds(side) for side in sides] for _ in range(rounds)]
    return [min(column) for column in zip(*times, strict=True)]


def main(rows: Callable[[argparse.Namespace], Iterable[Row]], text: str | None) -> None:
    """Run one benchmark as a program: its own table, or a line of JSON a row for ``run.py``."""
    parser = argparse.ArgumentParser(description=(text or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, small sizes only")
    parser.add_argument("--large", action="store_true", help="the largest size, too")
    parser.add_argument("--peer", help="only what this package answers")
    parser.add_argument("--json", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    found = []
    for row in rows(options):
        found.append(row)
        if options.json:
            print(json.dumps(asdict(row)), flush=True)
    if not options.json:
        show(found)


def show(rows: Sequence[Row]) -> None:
    """Print the table."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("work", "ours", "peer or limit", "theirs", "ratio", "aim", "met"):
        right = heading in ("ours", "theirs", "ratio", "aim")
        # The last column takes what room there is, and is what the table is there for.
        least = 20 if heading == "met" else None
        table.add_column(
            heading, justify="right" if right else "left", no_wrap=heading != "met", min_width=least
        )
    for row in rows:
        ours, theirs = (_quantity(x, row.unit) for x in (row.ours, row.theirs))
        aim = "" if row.aim is None else f"at most {_ratio(row.aim)}"
        table.add_row(row.work, ours, row.against, theirs, _ratio(row.ratio), aim, row.met)
    console = Console(width=180, highlight=False, markup=False)
    console.print(table)
    judged = [row.met for row in rows if row.aim is not None]
    console.print(f"{judged.count('yes')} of {len(judged)} aims are met. Ratio: ours to theirs.")


def _quantity(x: float, unit: str) -> str:
    if math.isnan(x):
        return ""
    if unit != "s":
        return f"{x:,.0f} {unit}" if unit == "MB" else f"{x:.3g} {unit}"
    if x >= 10_000.0:
        return f"{x / 3600.0:,.0f} h"
    size, name = next((u for u in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")) if x >= u[0]), (1e-9, "ns"))
    return f"{x / size:,.3g} {name}" if x < 1000.0 * size else f"{x / size:,.0f} {name}"


def _ratio(x: float) -> str:
    if math.isnan(x):
        return ""
    if x >= 0.1 or x == 0.0:
        return f"{x:.3g}"
    return f"1/{float(f'{1.0 / x:.2g}'):,.0f}" if x >= 1e-6 else "< 1/1,000,000"
