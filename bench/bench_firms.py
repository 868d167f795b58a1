"""Assets from equity: speed and right answers of xlkmv and of its peers on the same draws.

    python bench/bench_firms.py [--count 1000000] [--sample 400] [--seed 1]

Needs the ``bench`` extra for the peers; one that is not installed is left out and named.
Every solver gets equity and equity volatility made from known assets. An answer is right when
assets and volatility come back within 1e-6 relative, wrong when it is given as an answer and is
not, refused when the solver says that it has none. Loops run on a sample and are extrapolated.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import time
import warnings
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

import numpy as np
from scipy.optimize import fsolve
from scipy.special import ndtr

from xlkmv.excel.functions import KMV_ASSETS
from xlkmv.model import merton

Arrays = tuple[np.ndarray, ...]
Solver = Callable[..., tuple[np.ndarray, np.ndarray]]


def typical(count: int, rng: np.random.Generator) -> Arrays:
    """Listed firms, in millions."""
    V = 10 ** rng.uniform(1, 5, count)
    F = V * rng.uniform(0.2, 1.1, count)
    return V, F, rng.uniform(0.05, 0.6, count), rng.uniform(0.5, 5, count), rng.uniform(0, 0.08, count)


def whole_range(count: int, rng: np.random.Generator) -> Arrays:
    """Everything the model promises: F/V 0.01..2, sigma 0.5..150 %, T 1 month..30 years, any unit."""
    V = 10 ** rng.uniform(-6, 9, count)
    F = V * np.exp(rng.uniform(np.log(0.01), np.log(2), count))
    sigma = np.exp(rng.uniform(np.log(0.005), np.log(1.5), count))
    T = np.exp(rng.uniform(np.log(1 / 12), np.log(30), count))
    return V, F, sigma, T, rng.uniform(-0.02, 0.15, count)


def black_scholes_pass(V, F, sigma, T, r):
    """One vectorised pass, as anyone writes it: equity and equity volatility."""
    s = sigma * np.sqrt(T)
    K = F * np.exp(-r * T)
    d1 = np.log(V / K) / s + 0.5 * s
    N1 = ndtr(d1)
    E = V * N1 - K * ndtr(d1 - s)
    return E, N1 * V * sigma / E


def ours(E, F, sigma_E, T, r):
    answer = merton.invert(E, F, sigma_E, T, r)
    return answer.asset_value, answer.volatility


def columns_of_cells(inputs: Arrays) -> list[list[list[float]]]:
    """Columns as Excel hands them over."""
    return [[[x] for x in column.tolist()] for column in inputs]


def numbers(rows) -> Arrays:
    """Cells back as two arrays; an error cell is no number."""
    cells = np.array([[x if isinstance(x, float) else np.nan for x in row] for row in rows])
    return cells[:, 0], cells[:, 1]


def textbook_loop(E, F, sigma_E, T, r):
    """The recipe as users write it: the normal distribution of scipy.stats."""
    from scipy.stats import norm

    return fsolve_loop(E, F, sigma_E, T, r, norm.cdf)


def fsolve_loop(E, F, sigma_E, T, r, ndtr=ndtr):
    """The usual recipe: both equations in money, from V = E + F and sigma = sigma_E E/V."""
    out = np.full((2, E.size), np.nan)
    for i in range(E.size):

        def gap(x, i=i):
            V, sigma = x
            s = sigma * T[i] ** 0.5
            d1 = np.log(V / F[i]) / s + r[i] * T[i] / s + 0.5 * s
            N1 = ndtr(d1)
            return (
                V * N1 - F[i] * np.exp(-r[i] * T[i]) * ndtr(d1 - s) - E[i],
                N1 * V * sigma - sigma_E[i] * E[i],
            )

        start = (E[i] + F[i], sigma_E[i] * E[i] / (E[i] + F[i]))
        x, _, flag, _ = fsolve(gap, start, full_output=True)
        if flag == 1:
            out[:, i] = x
    return out[0], out[1]


def merton_excel(E, F, sigma_E, T, r):
    """The functions behind =MERTON_ASSET_VALUE and =MERTON_ASSET_VOL, one solve for the pair."""
    from merton.calibration import jmr_iterative

    out = np.full((2, E.size), np.nan)
    for i in range(E.size):
        with contextlib.suppress(Exception):
            answer = jmr_iterative(
                equity=float(E[i]),
                equity_vol=float(sigma_E[i]),
                debt=float(F[i]),
                rf=float(r[i]),
                T=float(T[i]),
            )
            if getattr(answer, "converged", True):
                out[:, i] = answer.asset_value, answer.asset_vol
    return out[0], out[1]


def merton_batch(E, F, sigma_E, T, r):
    import pandas as pd
    from merton.batch import batch_fit

    columns = {
        "equity": E,
        "debt_short": F,
        "debt_long": 0.0 * F,
        "equity_vol": sigma_E,
        "rf": r,
        "horizon": T,
    }
    ids = {"ticker": [str(i) for i in range(E.size)]}
    table = batch_fit(pd.DataFrame(ids | columns), method="jmr_iterative")
    return tuple(np.asarray(table[name], dtype=float) for name in ("asset_value", "asset_vol"))


def financepy(E, F, sigma_E, T, r):
    from financepy.models.merton_firm_mkt import MertonFirmMkt

    out = np.full((2, E.size), np.nan)
    for i in range(E.size):
        with contextlib.suppress(ArithmeticError, ValueError):
            firm = MertonFirmMkt(*(float(a[i]) for a in (E, F, T, r, r, sigma_E)))
            out[:, i] = firm.asset_value()[0], firm.asset_vol()[0]
    return out[0], out[1]


def judge(V, sigma, answer) -> tuple[int, int, int]:
    """Right, wrong, refused."""
    value, vol = answer
    refused = ~(np.isfinite(value) & np.isfinite(vol))
    right = ~refused & (np.abs(value / V - 1) <= 1e-6) & (np.abs(vol / sigma - 1) <= 1e-6)
    return int(right.sum()), int((~right & ~refused).sum()), int(refused.sum())


def timed(function: Callable[..., object], *args: np.ndarray, repeat: int = 1) -> tuple[float, object]:
    best, result = np.inf, None
    for _ in range(repeat):
        start = time.perf_counter()
        result = function(*args)
        best = min(best, time.perf_counter() - start)
    return best, result


def label(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} (not installed)"


def row(
    units: tuple[float, float],
    name: str,
    seconds: float,
    size: int,
    counts: tuple[int, int, int],
    note: str = "",
) -> None:
    """One line of the table, in units of a Black-Scholes pass and of our inversion, per firm."""
    each = seconds / size
    print(
        f"{name:<42}{each * 1e6:>10.3f}{each / units[0]:>10.1f}{each / units[1]:>9.0f}"
        f"{counts[0]:>11,}{counts[1]:>8,}{counts[2]:>9,}{note}"
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--count", type=int, default=1_000_000)
    options.add_argument("--sample", type=int, default=400, help="firms for each loop")
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    peers: list[tuple[str, Solver, str]] = [
        ("scipy fsolve and stats.norm, in a loop", textbook_loop, "scipy"),
        ("scipy fsolve and special.ndtr, in a loop", fsolve_loop, "scipy"),
        (f"{label('merton')}: Excel function", merton_excel, "merton"),
        (f"{label('merton')}: batch", merton_batch, "merton"),
        (f"{label('financepy')}: MertonFirmMkt", financepy, "financepy"),
    ]
    for title, draw in (("Typical firms", typical), ("Whole range", whole_range)):
        V, F, sigma, T, r = draw(chosen.count, np.random.default_rng(chosen.seed))
        E, sigma_E = merton.equity(V, F, sigma, T, r)
        # Outside lies equity without information, or more volatile than any input may be.
        keep = (E > 1e-280 * F) & (sigma_E < 20)
        V, F, sigma, T, r, E, sigma_E = (a[keep] for a in (V, F, sigma, T, r, E, sigma_E))
        single, _ = timed(black_scholes_pass, V, F, sigma, T, r, repeat=7)
        total, answer = timed(ours, E, F, sigma_E, T, r, repeat=7)
        print(f"\n{title}: {V.size:,} firms; one Black-Scholes pass {single * 1e3:.1f} ms (best of 7)")
        print(f"{'':<42}{'us/firm':>10}{'passes':>10}{'slower':>9}{'right':>11}{'wrong':>8}{'refused':>9}")

        units = single / V.size, total / V.size
        row(units, "xlkmv.model.merton.invert", total, V.size, judge(V, sigma, answer))
        sheet = columns_of_cells([a[:100_000] for a in (E, F, sigma_E, T, r)])
        seconds, rows = timed(KMV_ASSETS, *sheet, repeat=5)
        found = judge(V[:100_000], sigma[:100_000], numbers(rows))
        row(units, "xlkmv: =KMV_ASSETS, 100,000 rows", seconds, len(rows), found)
        part = slice(0, chosen.sample)
        inputs = tuple(np.ascontiguousarray(a[part]) for a in (E, F, sigma_E, T, r))
        for name, solver, package in peers:
            if "not installed" in label(package):
                print(f"{name:<42}  left out")
                continue
            try:
                with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                    solver(*(a[:2] for a in inputs))  # imports and compiles
                    seconds, answer = timed(solver, *inputs)
            except Exception as error:  # a peer that raises has answered nobody
                print(f"{name:<42}  {type(error).__name__}: {str(error)[:70]}")
                continue
            row(units, name, seconds, inputs[0].size, judge(V[part], sigma[part], answer), "  (sample)")
        row(units, "xlkmv on the same sample", *_ours_on(inputs, V[part], sigma[part]), "  (sample)")


def _ours_on(inputs: Arrays, V: np.ndarray, sigma: np.ndarray) -> tuple[float, int, tuple[int, int, int]]:
    seconds, answer = timed(ours, *inputs, repeat=7)
    return seconds, V.size, judge(V, sigma, answer)


if __name__ == "__main__":
    main()
