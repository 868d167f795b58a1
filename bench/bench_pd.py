"""Cost of the checked default probability against the bare expression, and of importing the functions.

Run: python bench/bench_pd.py

Both sides of each ratio are timed in turn, round by round, and the best round of each counts: a
machine that is busy for a moment then slows neither side alone.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import ndtr

from xlkmv.model.distance import default_probability

ROWS = 1_000_000
ROUNDS = 15
IMPORT_ROUNDS = 9


def best(rounds: int, *sides: Callable[[], Any]) -> list[float]:
    """Best time of each side, in seconds, the sides taking turns."""
    times = [[] for _ in sides]
    for _ in range(rounds):
        for side, kept in zip(sides, times, strict=True):
            start = time.perf_counter()
            side()
            kept.append(time.perf_counter() - start)
    return [min(kept) for kept in times]


def main() -> None:
    rng = np.random.default_rng(1)
    V, DP = rng.uniform(80, 200, ROWS), rng.uniform(50, 120, ROWS)
    sigma, T, mu = rng.uniform(0.05, 0.6, ROWS), rng.uniform(0.25, 10, ROWS), rng.uniform(-0.05, 0.1, ROWS)

    def bare() -> np.ndarray:
        return ndtr(-(np.log(V / DP) + (mu - sigma**2 / 2) * T) / (sigma * np.sqrt(T)))

    def checked() -> np.ndarray:
        return default_probability(V, DP, sigma, T, mu)

    np.testing.assert_allclose(checked(), bare(), rtol=1e-12)
    one, other = best(ROUNDS, checked, bare)
    print(
        f"PD of {ROWS:,} rows: {one * 1e3:.1f} ms, bare numpy {other * 1e3:.1f} ms, ratio {one / other:.2f}"
    )

    def fresh(code: str) -> Callable[[], Any]:
        return lambda: subprocess.run([sys.executable, "-c", code], check=True)

    ours, base, empty = best(
        IMPORT_ROUNDS,
        fresh("import xlkmv.excel.functions"),
        fresh("import xlwings, scipy.special"),
        fresh("pass"),
    )
    print(
        f"import xlkmv.excel.functions: {ours * 1e3:.0f} ms, xlwings and scipy.special {base * 1e3:.0f} ms, "
        f"ratio {ours / base:.2f} (interpreter alone {empty * 1e3:.0f} ms)"
    )


if __name__ == "__main__":
    main()
