"""What the checked default probability costs against the bare expression, and starting against its imports.

Run: python bench/bench_pd.py
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy.special import ndtr
from table import Row, in_turn, main

from xlkmv.model.distance import default_probability

ROWS = 1_000_000
ROUNDS, STARTS = 15, 9
AIM = 1.25


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """Measure the function on many rows, the command, and the module of the worksheet functions."""
    rng = np.random.default_rng(1)
    V, DP = rng.uniform(80, 200, ROWS), rng.uniform(50, 120, ROWS)
    sigma, T, mu = rng.uniform(0.05, 0.6, ROWS), rng.uniform(0.25, 10, ROWS), rng.uniform(-0.05, 0.1, ROWS)

    def bare() -> np.ndarray:
        return ndtr(-(np.log(V / DP) + (mu - sigma**2 / 2) * T) / (sigma * np.sqrt(T)))

    def checked() -> np.ndarray:
        return default_probability(V, DP, sigma, T, mu)

    np.testing.assert_allclose(checked(), bare(), rtol=1e-12)
    yield _row(f"PD of {ROWS:,} rows, checked", ROUNDS, checked, "bare numpy", bare)
    command = _python("-m", "xlkmv", "pd", "120", "100", "0.25")
    needed = "import numpy, scipy.special"
    yield _row("xlkmv pd 120 100 0.25", STARTS, command, needed, _python("-c", needed))
    functions = "import xlkmv.functions"
    yield _row(functions, STARTS, _python("-c", functions), needed, _python("-c", needed))


def _row(work: str, rounds: int, ours: Callable[[], Any], against: str, theirs: Callable[[], Any]) -> Row:
    one, other = in_turn(rounds, ours, theirs)
    return Row(work, one, "s", against, other, AIM)


def _python(*arguments: str) -> Callable[[], Any]:
    return lambda: subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main(rows, __doc__)
