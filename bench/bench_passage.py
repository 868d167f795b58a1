"""Any-date probability by number of dates: lattices against panels, their slow twin.

Run: python bench/bench_passage.py

Both sides of each ratio are timed in turn, in this run; the median counts.
"""

from __future__ import annotations

import statistics
import time

import numpy as np

from xlkmv.model import passage
from xlkmv.model.passage import discrete_first_passage

# Number of dates, runs of the lattices, runs of the panels.
CALENDARS = [(20, 50, 5), (54, 50, 5), (120, 20, 3), (240, 20, 1)]


def seconds(few_dates: int, distance: np.ndarray, times: np.ndarray) -> float:
    passage.FEW_DATES = few_dates
    start = time.perf_counter()
    discrete_first_passage(distance, times)
    return time.perf_counter() - start


def main() -> None:
    rng = np.random.default_rng(1)
    print(f"{'dates':>5} {'lattices':>10} {'panels':>11} {'ratio':>7} {'differ by':>10}")
    for n, many, few in CALENDARS:
        # Months of 28 to 31 days; coverage that falls towards the end, other for every run.
        times = np.cumsum(rng.integers(28, 32, n)) / 365
        plans = [
            rng.uniform(1, 6) / np.sqrt(times / times[-1]) * rng.uniform(0.9, 1.1, n) for _ in range(many)
        ]
        slow = [seconds(n, plan, times) for plan in plans[:few]]
        fast = [seconds(0, plan, times) for plan in plans]
        passage.FEW_DATES = 0
        ours = discrete_first_passage(plans[0], times)
        passage.FEW_DATES = n
        twin = discrete_first_passage(plans[0], times)
        one, other = statistics.median(fast), statistics.median(slow)
        worst = np.abs(ours[twin > 0] / twin[twin > 0] - 1).max()
        print(f"{n:>5} {one * 1e3:>7.1f} ms {other * 1e3:>8.0f} ms {other / one:>7.0f} {worst:>10.0e}")


if __name__ == "__main__":
    main()
