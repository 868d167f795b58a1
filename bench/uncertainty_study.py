"""How often 90 % intervals hold a truth that is known: ``python bench/uncertainty_study.py [--deals N]``.

For each deal data are drawn, such as defaults of a history, then the truth from what they leave open, by
beta distributions. The deal is answered for with the figures and ranges that the data give; its true
answers are those with the true inputs, simulated on other random numbers. Shares are printed with the
standard error of so many deals.
"""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

from xlkmv.deal.kmv import kmv_view
from xlkmv.deal.paths.run import simulate
from xlkmv.deal.questions.uncertainty import uncertainty
from xlkmv.deal.terms import Controls, Deal, Pool, Terms, Tranche, payment_dates
from xlkmv.deal.terms.ranges import Ranges
from xlkmv.model.history import history_pd

Array = npt.NDArray[np.float64]

OBLIGORS, DATES, PATHS, TRUE_PATHS = 40, 12, 60_000, 200_000
BARE = Controls().without("support", "reserve")
CLASSES = ("Senior", "Mezzanine")
# Means of the inputs over deals, and what their betas are worth: over deals, then within one.
RECOVERY, CORRELATION = (0.4, 30.0, 30.0), (0.15, 60.0, 80.0)
PD, SCATTER = 0.02, 0.4
# Of the history of all obligors together, and of one obligor's own.
ALL_YEARS, OWN_YEARS = 400, 60


@dataclass(frozen=True)
class Row:
    """Share of the deals of one kind whose interval holds the truth, for one class."""

    kind: str
    name: str
    pd: float
    expected_loss: float
    distance: float
    deals: int


def deal_of(pd: Array, recovery: float, correlation: float, seed: int, paths: int = PATHS) -> Deal:
    """Build a pool of forty obligors of several sizes that pays two classes."""
    closing = dt.date(2020, 1, 1)
    dates = payment_dates(closing, "quarter", DATES)
    size = np.linspace(0.5, 1.5, OBLIGORS)
    schedule = np.repeat(size[:, None] / DATES, DATES, axis=1)
    names = tuple(f"Obligor {k + 1}" for k in range(OBLIGORS))
    pool = Pool(names, size, schedule, pd, recovery, 0.5, correlation)
    notes = (
        Tranche(CLASSES[0], 1, 36.0, 0.0, "bullet", dates[-1]),
        Tranche(CLASSES[1], 2, 2.0, 0.0, "bullet", dates[-1]),
    )
    return Deal(pool, notes, Terms(closing, dates, paths=paths, seed=seed), BARE)


def known(rng: np.random.Generator, input: tuple[float, float, float]) -> tuple[float, float, float, float]:
    """Draw the beta that says what is known of an input: its median, its ends, and the truth from it."""
    mean, over, within = input
    m = rng.beta(mean * over, (1.0 - mean) * over)
    a, b = m * within, (1.0 - m) * within
    low, median, high = (float(betaincinv(a, b, q)) for q in (0.05, 0.5, 0.95))
    return median, low, high, float(rng.beta(a, b))


def drawn(rng: np.random.Generator, own: bool, seed: int, paths: int) -> tuple[Deal, Deal, Ranges]:
    """Draw a deal with its true inputs, as an analyst sees it, and how well it is known."""
    recovery, *ends_r, true_recovery = known(rng, RECOVERY)
    correlation, *ends_c, true_correlation = known(rng, CORRELATION)
    middle, n = PD * np.exp(SCATTER * rng.standard_normal()), OWN_YEARS if own else ALL_YEARS
    d = rng.binomial(n, middle, OBLIGORS if own else 1).astype(float)
    history = history_pd(d, float(n))
    true_pd = rng.beta(d + 0.5, n - d + 0.5)
    by_row: dict[str, object] = {"pd_low": history.low, "pd_high": history.high}
    for_all: dict[str, object] = {"pd": (history.low.item(0), history.high.item(0))}
    ranges = Ranges(recovery=tuple(ends_r), correlation=tuple(ends_c), **(by_row if own else for_all))
    pds = (np.broadcast_to(pd, OBLIGORS).copy() for pd in (true_pd, history.mean))
    truth = deal_of(next(pds), true_recovery, true_correlation, seed)
    return truth, deal_of(next(pds), recovery, correlation, seed, paths), ranges


def study(deals: int, seed: int = 1, paths: int = PATHS, true_paths: int = TRUE_PATHS) -> Iterator[Row]:
    """Yield one row for each kind of deal and class."""
    for own, kind in ((False, "one history for all"), (True, "a history of each obligor")):
        held: list[list[list[bool]]] = []
        for k in range(deals):
            rng = np.random.default_rng([seed, int(own), k])
            truth, deal, ranges = drawn(rng, own, k, paths)
            base, run = kmv_view(deal, both=False), simulate(deal)
            found = uncertainty(deal, ranges, base=base, run=run)
            true_view = kmv_view(truth, both=False)
            true_run = simulate(truth, paths=true_paths, seed=10**6 + k)
            held.append([])
            for c, answer, t, view in zip(
                found.classes, run.tranches, true_run.tranches, true_view.tranches, strict=True
            ):
                ends = [
                    c.pd.around(answer.anydate_pd) if c.simulated else (0.0, 1.0),
                    (0.0, 1.0) if c.expected_loss is None else c.expected_loss.around(answer.expected_loss),
                    c.distance,
                ]
                truths = (t.anydate_pd, t.expected_loss, view.distance_at_maturity)
                held[-1].append([low <= x <= high for (low, high), x in zip(ends, truths, strict=True)])
        for name, shares in zip(CLASSES, np.mean(np.array(held, float), axis=0).tolist(), strict=True):
            yield Row(kind, name, *shares, deals)


def main() -> None:
    """Print the study as a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--deals", type=int, default=250, help="of each of two kinds")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print("| deals | class | PD held | EL held | DD held |\n|---|---|---|---|---|")
    for r in study(options.deals, options.seed):
        shares = np.array([r.pd, r.expected_loss, r.distance])
        errors = np.sqrt(shares * (1.0 - shares) / r.deals)
        figures = " | ".join(f"{x:.1%} ± {e:.1%}" for x, e in zip(shares, errors, strict=True))
        print(f"| {r.deals}, {r.kind} | {r.name} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
