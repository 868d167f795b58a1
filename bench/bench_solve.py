"""What solving a deal for the targets of its classes costs: against a limit, in simulations of the plan.

Run: python bench/bench_solve.py [--quick] [--large]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

from deals import sequential
from table import Row, main, seconds

from xlkmv.deal.examples.patents import xingye_yuanrong
from xlkmv.deal.paths.run import simulate
from xlkmv.deal.questions.structure import solve
from xlkmv.deal.terms import Deal

TARGET = 0.001
# Deals, and the seconds that a user may have to wait on one processor.
DEALS: dict[str, tuple[Callable[[], Deal], float]] = {
    "the shipped deal": (xingye_yuanrong, 20.0),
    "300 obligors, 48 dates, 5 classes": (lambda: sequential(300, 48, 5), 60.0),
}
LARGE: dict[str, tuple[Callable[[], Deal], float]] = {
    "200 obligors, 240 dates, 10 classes": (lambda: sequential(200, 240, 10), 300.0),
    "20,000 obligors, 60 dates, 3 classes": (lambda: sequential(20_000, 60, 3), 300.0),
}


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """Measure the shipped deal, then larger ones."""
    for name, (make, limit) in (DEALS | LARGE if options.large else DEALS).items():
        deal = make()
        took = seconds(lambda deal=deal: solve(deal, TARGET))
        yield Row(f"Solve, {name}", took, "s", "limit", limit, 1.0)
        one = min(seconds(lambda deal=deal: simulate(deal)) for _ in range(2))
        yield Row(f"Solve, {name}", took, "s", "one simulation of the plan", one)
        if options.quick:
            return


if __name__ == "__main__":
    main(rows, __doc__)
