"""Any-date probability by number of dates: lattices against panels, their slow twin.

Run: python bench/bench_passage.py
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator
from functools import partial

import numpy as np
from table import Row, main, seconds

from xlkmv.model import passage
from xlkmv.model.passage import discrete_first_passage

# Number of dates, runs of the lattices, runs of the panels, largest ratio that is wanted.
CALENDARS = ((20, 50, 5, 1.0), (54, 50, 5, 0.1), (120, 20, 3, 0.05), (240, 20, 1, 0.05))


def found(few_dates: int, distance: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Compute by panels up to so many dates, by lattices beyond."""
    passage.FEW_DATES = few_dates
    return discrete_first_passage(distance, times)


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """Measure each calendar on plans whose coverage falls towards the end; the medians count."""
    rng = np.random.default_rng(1)
    for n, many, few, aim in CALENDARS:
        times = np.cumsum(rng.integers(28, 32, n)) / 365  # months
        fall = np.sqrt(times / times[-1])
        plans = [rng.uniform(1, 6) / fall * rng.uniform(0.9, 1.1, n) for _ in range(many)]
        np.testing.assert_allclose(found(0, plans[0], times), found(n, plans[0], times), rtol=1e-11)
        slow = statistics.median(seconds(partial(found, n, p, times)) for p in plans[:few])
        fast = statistics.median(seconds(partial(found, 0, p, times)) for p in plans)
        yield Row(f"Any-date PD over {n} dates, by lattices", fast, "s", "by panels", slow, aim)


if __name__ == "__main__":
    main(rows, __doc__)
