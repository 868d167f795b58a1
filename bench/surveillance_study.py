"""What surveillance makes of deals whose truth is known: ``python bench/surveillance_study.py [--deals N]``.

Of each kind of truth many deals are drawn and seen for two years, quarter by quarter. The rule of
xlkmv stands beside a conjugate one that takes every log ratio of collections to plan for a step of a
lognormal pool, whatever its size.
"""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import chdtri, ndtri

from xlkmv.deal.examples.patents import xingye_yuanrong
from xlkmv.deal.kmv import kmv_view
from xlkmv.deal.questions.surveillance import LEAST_RATIO, rerate, reratings
from xlkmv.deal.stress import BASE, apply
from xlkmv.deal.terms import Deal, Pool, Terms, Tranche, payment_dates

Array = npt.NDArray[np.float64]

# Dates of the plan and of those that are seen; sigma at closing, per annum; periods that closing is worth.
DATES, SEEN, CLOSING, STRENGTH = 20, 8, 0.02, 8.0
TIMES = np.arange(1, DATES + 1) / 4.0


@dataclass(frozen=True)
class Row:
    """One kind of truth: sigma in units of the true one, and how the rest came in beside what was forecast.

    `covered` is the share of deals whose interval of sigma, nominal 90 %, holds the truth; `median` and
    `high` are median and 95 % quantile of the sigma that deals are rated with; `old_median` and
    `old_high` those of the conjugate rule; `forecast` is the mean of what comes in later over the level.
    """

    truth: str
    covered: float
    median: float
    high: float
    old_median: float
    old_high: float
    forecast: float


def conjugate(ratios: Array, volatility: float) -> float:
    """Sigma by the normal-inverse-gamma rule with all log ratios counted in full, per annum."""
    x, step, n = np.log(np.maximum(ratios, LEAST_RATIO)), TIMES[0], ratios.size
    start = -0.5 * volatility**2 * step
    spread = ((x - x.mean()) ** 2).sum() + STRENGTH * n / (STRENGTH + n) * (x.mean() - start) ** 2
    return float(np.sqrt((STRENGTH * volatility**2 * step + spread) / (STRENGTH + n) / step))


def lognormal(rng: np.random.Generator, volatility: float) -> Array:
    """Collections over plan that are a random walk: accumulated ones have the volatility."""
    return np.exp(np.cumsum(rng.normal(0.0, volatility * np.sqrt(3.0 * TIMES[0]), DATES)))


def late(rng: np.random.Generator, paid: Array) -> Array:
    """Put off a tenth of every fourth payment, or so, to the next date."""
    held = np.where(rng.random(DATES) < 0.25, 0.1 * paid, 0.0)
    held[-1] = 0.0
    return paid - held + np.append(0.0, held[:-1])


def missed(rng: np.random.Generator, paid: Array) -> Array:
    """Leave out one of the payments that are seen."""
    out = paid.copy()
    out[rng.integers(SEEN)] = 0.0
    return out


OBLIGORS, PD, RHO = 40, 0.02, 0.2


def obligors() -> Deal:
    """Build a pool of equal obligors with one class: its sigma at closing is the one implied."""
    dates = payment_dates(dt.date(2020, 1, 1), "quarter", DATES)
    schedule = np.full((OBLIGORS, DATES), 1.0 / OBLIGORS)
    names = tuple(f"Obligor {k}" for k in range(OBLIGORS))
    pool = Pool(names, schedule.sum(axis=1), schedule, PD, 0.0, 0.0, RHO)
    return Deal(
        pool, (Tranche("A", 1, 16.0, 0.0, "straight-line", dates[-1]),), Terms(dt.date(2020, 1, 1), dates)
    )


def defaulting(rng: np.random.Generator) -> Array:
    """Collections over plan when obligors default by a one-factor Gaussian copula (Li 2000)."""
    latent = np.sqrt(RHO) * rng.normal() + np.sqrt(1.0 - RHO) * rng.normal(size=OBLIGORS)
    limits = ndtri(1.0 - (1.0 - PD) ** TIMES)
    return np.asarray((latent[:, None] > limits).mean(axis=0))


def judged(
    truth: str, deals: int, draw: Callable[[], tuple[Array, float, Array]], closing: float = CLOSING
) -> Row:
    """Draw deals as (collections over plan, true sigma, expected over plan) and see what is made of them."""
    found = []
    for _ in range(deals):
        paid, sigma, expected = draw()
        r = reratings(paid[:SEEN], expected[:SEEN], TIMES[:SEEN], closing, STRENGTH)[-1]
        old = conjugate(paid[:SEEN], closing)
        later = paid[SEEN:].sum() / (expected[SEEN - 1] * (DATES - SEEN) * r.level)
        found.append([r.low <= sigma <= r.high, r.volatility / sigma, old / sigma, later])
    covered, ours, theirs, later = np.array(found, float).T
    return Row(
        truth,
        float(covered.mean()),
        *(float(q) for q in np.quantile(ours, [0.5, 0.95])),
        *(float(q) for q in np.quantile(theirs, [0.5, 0.95])),
        float(later.mean()),
    )


def study(deals: int, seed: int = 1) -> Iterator[Row]:
    """Yield one row for each kind of truth."""
    whole = np.ones(DATES)

    def kind(truth: str, one: Callable[[np.random.Generator], tuple[Array, float, Array]], closing=CLOSING):
        rng = np.random.default_rng([seed, len(truth)])
        return judged(truth, deals, lambda: one(rng), closing)

    def drawn(rng: np.random.Generator) -> float:
        return float(CLOSING * np.sqrt(chdtri(STRENGTH, 0.5) / rng.chisquare(STRENGTH)))

    def at(sigma: float, change=lambda rng, paid: paid):
        return lambda rng: (change(rng, lognormal(rng, sigma)), sigma, whole)

    def by_prior(rng: np.random.Generator) -> tuple[Array, float, Array]:
        sigma = drawn(rng)
        return lognormal(rng, sigma), sigma, whole

    yield kind("lognormal, sigma from the prior", by_prior)
    yield kind("lognormal, sigma as at closing", at(CLOSING))
    yield kind("lognormal, sigma twice as large", at(2.0 * CLOSING))
    yield kind("as at closing, payments late and caught up", at(CLOSING, late))
    yield kind("as at closing, one payment missed", at(CLOSING, missed))
    implied = kmv_view(obligors()).volatility

    def blind(rng: np.random.Generator) -> tuple[Array, float, Array]:
        return defaulting(rng), implied, whole

    def told(rng: np.random.Generator) -> tuple[Array, float, Array]:
        paid = defaulting(rng)
        return paid, implied, paid

    yield kind("40 obligors default, nobody says so", blind, implied)
    yield kind("40 obligors default, their status is known", told, implied)


@dataclass(frozen=True)
class Reaction:
    """What some quarters make of the shipped deal: sigma, the conjugate rule's, level, any-date PDs.

    Those of the two classes as they stand, as computed before they are held at closing, and on plan.
    """

    seen: str
    volatility: float
    conjugate: float
    level: float
    senior: float
    senior_computed: float
    senior_on_plan: float
    subordinate: float
    subordinate_computed: float
    subordinate_on_plan: float


def reactions() -> Iterator[Reaction]:
    """Yield one row for each way in which collections may come in, senior and subordinate class."""
    deal = xingye_yuanrong()
    plan, view = apply(deal, BASE), kmv_view(deal)
    for seen in (
        "",
        "100 100 100",
        "100 97 100",
        "100 97 75",
        "100 100 0",
        "100 100 0 100",
        "95 95 95 95 95 95",
    ):
        shares = np.array(seen.split(), float) / 100.0
        s = rerate(plan, plan.collections[: shares.size] * shares, view.volatility, view.drift)
        r, old = s.reratings[-1], conjugate(shares, view.volatility) if shares.size else view.volatility
        pds = (x[k, -1] for k in range(2) for x in (s.pd, s.computed_pd, s.on_plan))
        yield Reaction(seen, r.volatility, old, r.level, *map(float, pds))


def main() -> None:
    """Print the study as a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--deals", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print("| truth | interval holds it | sigma: median | 95 % below ", end="")
    print("| conjugate: median | 95 % below | later/forecast |\n|---|---|---|---|---|---|---|")
    for r in study(options.deals, options.seed):
        figures = (r.median, r.high, r.old_median, r.old_high, r.forecast)
        print(
            f"| {r.truth} | {r.covered:.1%} | " + " | ".join(f"{x:.2f}" for x in figures) + " |", flush=True
        )
    print("\n| % of plan | sigma | conjugate | level ", end="")
    print("| senior PD | computed | on plan | subordinate PD | computed | on plan |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for x in reactions():
        rates = " | ".join(f"{rate:.2%}" for rate in (x.volatility, x.conjugate, x.level))
        pds = (
            *(x.senior, x.senior_computed, x.senior_on_plan),
            *(x.subordinate, x.subordinate_computed, x.subordinate_on_plan),
        )
        print(f"| {x.seen or 'at closing'} | {rates} | " + " | ".join(f"{pd:.1E}" for pd in pds) + " |")


if __name__ == "__main__":
    main()
