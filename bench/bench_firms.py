"""Assets from equity: speed and right answers of xlkmv and of its peers on the same draws.

    python bench/bench_firms.py [--peer PACKAGE]

Every solver gets equity and equity volatility made from known assets. An answer is right when
assets and volatility come back within 1e-6 relative. Loops run on a sample; a firm is what counts.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import time
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

import numpy as np
from scipy.optimize import fsolve
from scipy.special import ndtr
from table import Row, main

from xlkmv.functions import KMV_ASSETS
from xlkmv.model import merton

COUNT, SAMPLE, ON_SHEET = 1_000_000, 400, 100_000

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


def judge(V: np.ndarray, sigma: np.ndarray, answer: Any) -> float:
    """Share of right answers."""
    value, vol = answer
    right = (np.abs(value / V - 1) <= 1e-6) & (np.abs(vol / sigma - 1) <= 1e-6)
    return float(right.mean())


# Name, solver, package that it needs.
LOOPS: tuple[tuple[str, Solver, str], ...] = (
    ("scipy fsolve, stats.norm", textbook_loop, "scipy"),
    ("scipy fsolve, special.ndtr", fsolve_loop, "scipy"),
    ("its Excel function", merton_excel, "merton"),
    ("its batch", merton_batch, "merton"),
    ("MertonFirmMkt", financepy, "financepy"),
)


def timed(function: Callable[..., Any], *args: np.ndarray, repeat: int = 1) -> tuple[float, Any]:
    """Least seconds, and the answer."""
    best, result = np.inf, None
    for _ in range(repeat):
        start = time.perf_counter()
        result = function(*args)
        best = min(best, time.perf_counter() - start)
    return best, result


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """Measure our inversion against one pass of the formula and, firm by firm, against loops and peers."""
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    package = options.peer or "scipy"
    for title, draw in (("typical firms", typical), ("whole range", whole_range)):
        V, F, sigma, T, r = draw(COUNT, np.random.default_rng(1))
        E, sigma_E = merton.equity(V, F, sigma, T, r)
        # Outside lies equity without information, or more volatile than any input may be.
        keep = (E > 1e-280 * F) & (sigma_E < 20)
        V, F, sigma, T, r, E, sigma_E = (a[keep] for a in (V, F, sigma, T, r, E, sigma_E))
        total, answer = timed(ours, E, F, sigma_E, T, r, repeat=7)
        right = judge(V, sigma, answer)
        name = f"Assets from equity, {title}"
        if not options.peer:
            single, _ = timed(black_scholes_pass, V, F, sigma, T, r, repeat=7)
            a_pass = "one Black-Scholes pass"
            yield Row(f"{name}, {V.size:,}", total, "s", a_pass, single, 10.0)
            sheet = columns_of_cells([a[:ON_SHEET] for a in (E, F, sigma_E, T, r)])
            cells, _ = timed(KMV_ASSETS, *sheet, repeat=5)
            yield Row(
                f"=KMV_ASSETS, {title}, {ON_SHEET:,}", cells, "s", a_pass, single * ON_SHEET / V.size, 40.0
            )
        part = slice(0, SAMPLE)
        inputs = tuple(np.ascontiguousarray(a[part]) for a in (E, F, sigma_E, T, r))
        for solver_name, solver, needed in LOOPS:
            if needed != package:
                continue
            peer = f"{needed} {version(needed)}: {solver_name}" if options.peer else solver_name
            try:
                with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                    solver(*(a[:2] for a in inputs))  # imports and compiles
                    loop, answer = timed(solver, *inputs)
            except Exception as error:  # a peer that raises has answered nobody
                why = f"{type(error).__name__}: {str(error)[:70]}"
                yield Row(f"{name}, a firm", total / V.size, "s", peer, np.nan, why=why)
                continue
            yield Row(f"{name}, a firm", total / V.size, "s", peer, loop / SAMPLE, 0.01)
            theirs = judge(V[part], sigma[part], answer)
            if theirs < 1.0:
                yield Row(
                    "... not right to 1e-6", 100.0 * (1.0 - right), "%", peer, 100.0 * (1.0 - theirs), 0.0
                )


if __name__ == "__main__":
    main(rows, __doc__)
