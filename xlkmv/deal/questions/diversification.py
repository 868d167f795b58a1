"""What a more diversified pool would do: the largest share capped, more obligors, a new industry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from xlkmv.deal.kmv import KmvView, kmv_view
from xlkmv.deal.paths.run import Measured, Run, Wanted, simulate
from xlkmv.deal.plan.factors import industries
from xlkmv.deal.questions.contributions import concentration
from xlkmv.deal.stress import BASE, Stress
from xlkmv.deal.terms import Deal
from xlkmv.errors import DomainError
from xlkmv.model.domain import Array
from xlkmv.phrase import Phrase
from xlkmv.shown import Shown

__all__ = ["Diversified", "capped", "diversification", "divided", "rated", "spread_otherwise"]

# Caps on the share of one obligor, and how many times as many obligors.
CAPS = (0.10, 0.05, 0.02, 0.01)
TIMES = {2: "twice", 4: "four times"}
# From this effective number on the size of the obligors no longer matters.
GRANULAR = 1_000.0
# Uniform numbers of one simulation: beyond that fewer paths say as much.
MOST_NUMBERS, FEWEST_PATHS = 30_000_000, 10_000
NEW_INDUSTRY = "a new industry"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Diversified(Shown):
    """The notes on a pool of the same size, spread otherwise.

    Attributes
    ----------
    label : str
    obligors : int
    effective_number : float
        Of its obligors, by amount.
    largest : float
        Share of the largest one.
    paths : int
        Simulated for it.
    kmv : ndarray, shape (k,)
        Any-date PD of each class at its maturity, KMV view.
    simulated, simulated_error : ndarray, shape (k,)
        The same simulated, and its standard error.
    """

    label: str
    obligors: int
    effective_number: float
    largest: float
    paths: int
    kmv: Array
    simulated: Array
    simulated_error: Array


def diversification(
    deal: Deal,
    stress: Stress = BASE,
    *,
    paths: int | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> tuple[Diversified, ...]:
    """Spread the pool over its obligors in other ways, and rate the notes on each.

    First comes the pool as it is, then :func:`spread_otherwise`.

    Parameters
    ----------
    deal : Deal
    stress : Stress
    paths : int, optional
        In place of those of the terms; of the other pools fewer where obligors are many.
    progress : callable
        Called with the share that is done; what it raises ends the computation.

    Returns
    -------
    tuple of Diversified
    """
    others = spread_otherwise(deal, stress, paths=paths, progress=progress)
    return rated(
        "as it is", deal, kmv_view(deal, stress, both=False), simulate(deal, stress, paths=paths)
    ), *others


def spread_otherwise(
    deal: Deal,
    stress: Stress = BASE,
    *,
    paths: int | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> tuple[Diversified, ...]:
    """Rate the notes on pools of the same size that are spread otherwise.

    First with the largest obligor capped (:func:`capped`), where the cap binds and enough obligors
    are there; then, unless it is granular already (an effective number from 1,000 on), with each claim
    divided among several obligors like it (:func:`divided`), and with as many again in a new industry,
    where claims of one industry hang together.

    Parameters
    ----------
    deal, stress, paths, progress
        As in :func:`diversification`.

    Returns
    -------
    tuple of Diversified
    """
    pools = [*_variants(deal)]
    wanted = deal.terms.paths if paths is None else int(paths)
    found = []
    for place, (label, other) in enumerate(pools):

        def tick(done: int, total: int, place: int = place) -> None:
            progress((place + done / total) / len(pools))

        count = int(min(wanted, max(MOST_NUMBERS // int(other.pool.obligors.sum()), FEWEST_PATHS)))
        with Run(other, Wanted(brief=(stress,)), paths=count) as run:
            _, (measured,) = run.results(tick)
        found.append(rated(label, other, kmv_view(other, stress, both=False), measured))
    return tuple(found)


def rated(label: str, deal: Deal, view: KmvView, measured: Measured) -> Diversified:
    """Put the PDs of the notes on one pool together.

    Parameters
    ----------
    label : str
    deal : Deal
    view : KmvView
    measured : Measured
        Both under the same stress.

    Returns
    -------
    Diversified
    """
    spread = concentration(deal.pool)
    return Diversified(
        label,
        spread.obligors,
        spread.effective_number,
        spread.largest,
        measured.paths,
        np.array([t.anydate_pd_at_maturity for t in view.tranches]),
        np.array([t.anydate_pd for t in measured.tranches]),
        np.array([t.anydate_pd_error for t in measured.tranches]),
    )


def _variants(deal: Deal) -> Iterator[tuple[str, Deal]]:
    spread = concentration(deal.pool)
    for cap in CAPS:
        if spread.largest > cap and cap * spread.obligors >= 1.0:
            yield f"largest share at most {cap:.0%}", capped(deal, cap)
    if spread.effective_number >= GRANULAR:
        return
    for times, word in TIMES.items():
        yield f"{word} as many obligors", divided(deal, times)
    if industries(deal.pool, deal.terms):
        yield "as many again, in a new industry", divided(deal, 2, NEW_INDUSTRY)


def capped(deal: Deal, cap: float) -> Deal:
    """Cap the share of every obligor in the financed amount; the others grow in proportion.

    What the pool is scheduled to collect on each date stays, as far as claims are typed by date; of
    loans it follows from their terms and new amounts.

    Parameters
    ----------
    deal : Deal
    cap : float
        Largest share of one obligor, at least 1 / number of obligors.

    Returns
    -------
    Deal

    Raises
    ------
    DomainError
        When the obligors cannot make up a whole at this cap.
    """
    pool = deal.pool
    count, single = pool.obligors, pool.share / pool.obligors
    if cap * count.sum() * (1.0 + 1e-12) < 1.0 or not cap <= 1.0:
        raise DomainError(
            "cap", Phrase("must be between {least:.4g} (1 / obligors) and 1", least=1.0 / count.sum()), cap
        )
    over, scale = np.zeros(single.size, np.bool_), 1.0
    while (more := ~over & (single * scale > cap)).any():
        over |= more
        rest = float((count * single)[~over].sum())
        scale = (1.0 - cap * float(count[over].sum())) / rest if rest > 0.0 else 1.0
    factor = np.where(over, cap, single * scale) / single
    schedule = pool.schedule * factor[:, None]
    if pool.loans is None and pool.interest is None:
        now = schedule.sum(axis=0)
        schedule *= np.divide(pool.collections, now, out=np.ones_like(now), where=now > 0.0)
    money: dict[str, Any] = {"amount": pool.amount * factor, "schedule": schedule}
    for name in ("interest", "balance", "claim"):
        table = getattr(pool, name)
        money[name] = None if table is None else table * factor[:, None]
    if pool.recoveries is not None:
        money["recoveries"] = pool.recoveries.pick(np.arange(factor.size), factor)
    return replace(deal, pool=replace(pool, **money))


def divided(deal: Deal, times: int, industry: str = "") -> Deal:
    """Divide every claim among several separate obligors like its own.

    Parameters
    ----------
    deal : Deal
    times : int
        How many in the place of one, at least 1.
    industry : str
        Where given, all but the first of each belong to this one.

    Returns
    -------
    Deal
    """
    if times < 1 or times != int(times):
        raise DomainError("times", "must be a whole number from 1 on", times)
    pool = deal.pool
    if not industry or times == 1:
        return replace(deal, pool=replace(pool, count=pool.obligors * times))
    rows = np.repeat(np.arange(len(pool.name)), 2)
    share = np.tile([1.0 / times, 1.0 - 1.0 / times], len(pool.name))
    count = np.repeat(pool.obligors, 2) * np.tile([1.0, times - 1.0], len(pool.name))
    parted = pool.pick(rows, share, count)
    words = tuple(industry if k % 2 else word for k, word in enumerate(parted.industry))
    return replace(deal, pool=replace(parted, industry=words))
