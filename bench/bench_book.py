"""What a workbook of 100,000 rows and 60 dates costs to make, to import, to read and to write.

``python bench/bench_book.py [--quick]`` prints one table. Rows have loan terms, or a schedule typed into 60
columns of dates. A refresh is measured without its computation. Every step has a process of its own,
so that peaks of memory do not mix; its seconds are those of the processor.
"""

from __future__ import annotations

import argparse
import csv
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from deals import sequential
from table import Row, main

import xlkmv.refresh.run
from xlkmv.build.template import build_template
from xlkmv.cli import main as xlkmv_command
from xlkmv.deal.analysis import Analysis, analyse
from xlkmv.deal.terms import Deal
from xlkmv.workbook.book import open_book

DATES, CLASSES = 60, 5
SHAPES = {"terms": "by loan terms", "dates": f"typed on {DATES} dates"}
LIMIT_SECONDS, LIMIT_MEMORY = 30.0, 1_500.0
STEP = "--step"


def peak_memory() -> float:
    """Peak resident memory of this process in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count what the parent held before exec
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return float(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def deal_of(shape: str, rows: int) -> Deal:
    deal = sequential(rows, DATES, CLASSES, paths=500)
    if shape == "terms":
        return deal
    level = deal.pool.amount[:, None] / DATES * np.linspace(1.3, 1.0, DATES)
    return replace(deal, pool=replace(deal.pool, schedule=np.round(level, 2), loans=None))


def write_tape(deal: Deal, path: Path) -> Path:
    """A CSV of the claims, one row each."""
    pool = deal.pool
    columns = {
        "Obligor": pool.name,
        "Balance": pool.amount,
        "PD": pool.pd,
        "Recovery": pool.recovery,
        "Recovery lag": pool.lag,
        "Correlation": pool.correlation,
    }
    if pool.loans is None:
        columns |= {
            day.isoformat(): flows for day, flows in zip(deal.terms.dates, pool.schedule.T, strict=True)
        }
    else:
        loans = pool.loans
        columns |= {
            "Remaining term (months)": loans.term,
            "Rate": loans.rate,
            "Amortisation": loans.amortisation,
        }
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


# ------------------------------------------------------------------------------------- steps


def prepare_build(shape: str, rows: int, folder: Path) -> Callable[[], object]:
    deal = deal_of(shape, rows)
    return lambda: build_template(folder / f"{shape}.xlsm", deal, refreshed=False)


def prepare_import(shape: str, rows: int, folder: Path) -> Callable[[], object]:
    deal = deal_of(shape, rows)
    book = build_template(folder / "small.xlsm", deal_of(shape, 1), refreshed=False)
    tape = write_tape(deal, folder / "tape.csv")
    return lambda: xlkmv_command(["import", str(tape), str(book), "--out", str(folder / "imported.xlsm")])


def prepare_read(shape: str, rows: int, folder: Path) -> Callable[[], object]:
    return lambda: xlkmv.refresh.run.read_book(open_book(folder / f"{shape}.xlsm"))


def _as_many(part: Any, rows: int) -> Any:
    """Repeat the arrays and names of a result until they have so many rows."""
    figures = {field.name: getattr(part, field.name) for field in fields(part)}
    longer: dict[str, Any] = {
        name: np.resize(x, (rows, *x.shape[1:])) for name, x in figures.items() if isinstance(x, np.ndarray)
    }
    if "name" in figures:
        longer["name"] = tuple(map(str, range(rows)))
    return replace(part, **longer)


def prepare_refresh(shape: str, rows: int, folder: Path) -> Callable[[], object]:
    """Everything that a refresh does but its computation, whose place the figures of a small pool take."""
    found = analyse(deal_of(shape, 30))
    drivers = found.contributions
    assert drivers is not None
    # Who drives the risk stands beside each claim.
    parts = {name: _as_many(getattr(drivers, name), rows) for name in ("obligors", "left_out")}
    found = replace(found, contributions=replace(drivers, **parts))

    def known(*_: object, **__: object) -> Analysis:
        return found

    xlkmv.refresh.run.analyse = known  # type: ignore[attr-defined]

    def work() -> None:
        book = open_book(folder / f"{shape}.xlsm")
        xlkmv.refresh.run.refresh(book)
        book.save(folder / "refreshed.xlsm")

    return work


STEPS: dict[str, tuple[str, Callable[[str, int, Path], Callable[[], object]]]] = {
    "build": ("made from a deal", prepare_build),
    "import": ("imported from a CSV into a template", prepare_import),
    "read": ("read", prepare_read),
    "refresh": ("read, results written and saved", prepare_refresh),
}


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """Every step of both shapes, in a process of its own."""
    count = 10_000 if options.quick else 100_000
    with tempfile.TemporaryDirectory() as folder:
        for shape, said in SHAPES.items():
            for step, (what, _) in STEPS.items():
                command = [sys.executable, __file__, STEP, step, shape, str(count), folder]
                out = subprocess.run(command, check=True, capture_output=True, text=True)
                taken, peak = map(float, out.stdout.split()[-2:])
                yield Row(f"{count:,} rows {said}, {what}", taken, "s", "limit", LIMIT_SECONDS, 1.0)
                yield Row("... its memory", peak, "MB", "limit", LIMIT_MEMORY, 1.0)


def run_step(step: str, shape: str, count: str, folder: str) -> None:
    """One step, which prints its seconds and its peak of memory."""
    _, prepare = STEPS[step]
    work = prepare(shape, int(count), Path(folder))
    start = time.process_time()  # one process, nothing to wait for: other load does not count
    work()
    print("\n", time.process_time() - start, peak_memory())


if __name__ == "__main__":
    if STEP in sys.argv:
        run_step(*sys.argv[2:])
    else:
        main(rows, __doc__)
