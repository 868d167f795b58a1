"""What a more diversified pool would do: the largest share capped, more obligors, a new industry."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from xlkmv.deal.kmv import KmvView, kmv_view, view_of
from xlkmv.deal.paths.draws import Ints
from xlkmv.deal.paths.measures import ENOUGH, Measured
from xlkmv.deal.paths.run import Run, Wanted, simulate
from xlkmv.deal.plan.factors import industries
from xlkmv.deal.questions.contributions import concentration
from xlkmv.deal.stress import BASE, Stress, apply
from xlkmv.deal.terms import Deal
from xlkmv.errors import DomainError
from xlkmv.kinds import altered, check_kinds
from xlkmv.model.domain import PROBABILITY, Array, Rule
from xlkmv.phrase import Phrase
from xlkmv.shown import Shown

__all__ = [
    "MOST_ASKED",
    "OTHERWISE_RULES",
    "Diversified",
    "Otherwise",
    "capped",
    "diversification",
    "divided",
    "rated",
    "spread_otherwise",
    "telling_class",
    "why_not",
]

# From this effective number on the size of the obligors no longer matters.
GRANULAR = 1_000.0
# Uniform numbers of one simulation: beyond that fewer paths say as much.
MOST_NUMBERS, FEWEST_PATHS = 30_000_000, 10_000
THE_POOL, NEW_INDUSTRY = "the pool", "a new industry"
# Pools that may be asked about: as many as their table has room for.
MOST_ASKED = 8
OTHERWISE_RULES = {
    "cap": Rule("must be > 0 and <= 1 (a share: 0.05 means 5 %)", 0.0, 1.0, low_open=True),
    "times": Rule("must be a whole number from 2 to 1,000", 2.0, 1_000.0),
    "between": PROBABILITY,
}


@dataclass(frozen=True, slots=True, repr=False)
class Otherwise(Shown):
    """Other ways to spread a pool that are asked about.

    Attributes
    ----------
    caps : tuple of float
        On the share of the largest obligor.
    times : tuple of int
        How many obligors like it are in the place of one: k more than the n of the pool are (n + k)/n times.
    between : float or None
        Correlation of the factor of a new industry with that of the pool, where the terms of the deal know no
        industries (an assumption, half of what obligors have in common); None: no new industry is
        asked about.
    """

    caps: tuple[float, ...] = (0.10, 0.05, 0.02, 0.01)
    times: tuple[int, ...] = (2, 4)
    between: float | None = 0.5

    def __post_init__(self) -> None:
        check_kinds("otherwise", self)
        object.__setattr__(self, "caps", tuple(map(float, self.caps)))
        for name, values in (("cap", self.caps), ("times", self.times), ("between", (self.between,))):
            rule = OTHERWISE_RULES[name]
            for value in values:
                if value is not None and not (rule.holds(np.asarray(value, float)) and _whole(name, value)):
                    raise DomainError(f"otherwise {name}", rule.text, value)
        object.__setattr__(self, "times", tuple(map(int, self.times)))
        if len(self.caps) + len(self.times) > MOST_ASKED:
            rule_text = Phrase("caps and times must be no more than {most} together", most=MOST_ASKED)
            raise DomainError("otherwise", rule_text, len(self.caps) + len(self.times))


def _whole(name: str, value: float) -> bool:
    return name != "times" or value == int(value)


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
    distance, kmv : ndarray, shape (k,)
        Distance to default and any-date PD of each class at its maturity, KMV view: the distance says
        something where no model can tell the PDs.
    simulated, simulated_error : ndarray, shape (k,)
        The same simulated, and its standard error.
    effective_paths : ndarray of int, shape (k,)
        As in :class:`~xlkmv.deal.paths.measures.TrancheMeasures`.
    """

    label: str
    obligors: int
    effective_number: float
    largest: float
    paths: int
    distance: Array
    kmv: Array
    simulated: Array
    simulated_error: Array
    effective_paths: Ints


def diversification(
    deal: Deal,
    stress: Stress = BASE,
    asked: Otherwise | None = None,
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
    asked : Otherwise, optional
        Which pools; the usual ones when left out.
    paths : int, optional
        In place of those of the terms; of the other pools fewer where obligors are many.
    progress : callable
        Called with the share that is done; what it raises ends the computation.

    Returns
    -------
    tuple of Diversified
    """
    others = spread_otherwise(deal, stress, asked, paths=paths, progress=progress)
    view, run = kmv_view(deal, stress, both=False), simulate(deal, stress, paths=paths)
    return rated(Phrase("as it is"), deal, view, run), *others


def spread_otherwise(
    deal: Deal,
    stress: Stress = BASE,
    asked: Otherwise | None = None,
    *,
    paths: int | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> tuple[Diversified, ...]:
    """Rate the notes on pools of the same size that are spread otherwise.

    First with the largest obligor capped (:func:`capped`), where the cap binds and enough obligors
    are there; then, unless it is granular already (an effective number from 1,000 on), with each claim
    divided among several obligors like it (:func:`divided`), and with as many again in a new industry: by
    the terms where these know industries, else correlated with the pool as `asked` assumes.

    Parameters
    ----------
    deal, stress, asked, paths, progress
        As in :func:`diversification`.

    Returns
    -------
    tuple of Diversified
    """
    pools = [*_variants(deal, asked or Otherwise())]
    wanted = deal.terms.paths if paths is None else int(paths)
    found = []
    for place, (label, other) in enumerate(pools):

        def tick(done: int, total: int, place: int = place) -> None:
            progress((place + done / total) / len(pools))

        count = int(min(wanted, max(MOST_NUMBERS // int(other.pool.obligors.sum()), FEWEST_PATHS)))
        with Run(other, Wanted(brief=(stress,)), paths=count, piloted=True) as run:
            _, (measured,) = run.results(tick)
        found.append(rated(label, other, view_of(apply(other, stress), stress, both=False), measured))
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
        np.array([t.distance_at_maturity for t in view.tranches]),
        np.array([t.anydate_pd_at_maturity for t in view.tranches]),
        np.array([t.anydate_pd for t in measured.tranches]),
        np.array([t.anydate_pd_error for t in measured.tranches]),
        np.array([t.effective_paths for t in measured.tranches]),
    )


def telling_class(found: Sequence[Diversified], headline: int) -> int:
    """Class of which other spreads say most: the headline class, if enough paths are short to see a change.

    Parameters
    ----------
    found : sequence of Diversified
        The pool as it is first.
    headline : int
        Position of the headline class.

    Returns
    -------
    int
        Where too few of its paths are short, the most senior class of which
        :data:`~xlkmv.deal.paths.measures.ENOUGH` would be on the fewest paths of any pool; without one that
        with the least distance to default.
    """
    short = found[0].simulated * min(d.paths for d in found)
    distance: list[float] = found[0].distance.tolist()
    order = (headline, *range(len(distance)))
    seen = (k for k in order if short[k] >= ENOUGH - 0.5)
    shown: int = next(seen, min(order, key=distance.__getitem__))  # of equals the headline class
    return shown


def why_not(deal: Deal, name: str, value: float) -> str:
    """Say why what was asked about has no answer of its own.

    Parameters
    ----------
    deal : Deal
    name : {"cap", "times", "between"}
    value : float
        One of those of :class:`Otherwise`.

    Returns
    -------
    str
        "" where it has one.
    """
    spread = concentration(deal.pool)
    if name == "cap":
        cap = 100.0 * value
        if spread.largest <= value:
            return Phrase("{cap:.6g} %: no obligor has more", cap=cap)
        if value * spread.obligors < 1.0:
            least = math.ceil(1.0 / value - 1e-9)
            return Phrase("{cap:.6g} %: takes {least:,} obligors", cap=cap, least=least)
    elif spread.effective_number >= GRANULAR:
        return Phrase("more obligors: their size no longer matters")
    elif name == "between" and industries(deal.pool, deal.terms):
        return Phrase("new industry: correlated as the terms say")
    return ""


def _variants(deal: Deal, asked: Otherwise) -> Iterator[tuple[str, Deal]]:
    for cap in asked.caps:
        if not why_not(deal, "cap", cap):
            yield Phrase("largest share at most {cap:.6g} %", cap=100.0 * cap), capped(deal, cap)
    if concentration(deal.pool).effective_number >= GRANULAR:
        return
    for times in asked.times:
        yield Phrase("{times} times as many obligors", times=times), divided(deal, times)
    if industries(deal.pool, deal.terms):
        yield Phrase("as many again, in a new industry"), divided(deal, 2, NEW_INDUSTRY)
    elif asked.between is not None:
        label = Phrase("as many again, in a new industry ({between:.6g} %)", between=100.0 * asked.between)
        yield label, _apart(divided(deal, 2, NEW_INDUSTRY), asked.between)


def _apart(deal: Deal, between: float) -> Deal:
    """Let a new industry have a factor of its own, all others one of theirs."""
    words = tuple(word if word == NEW_INDUSTRY else THE_POOL for word in deal.pool.industry)
    # What obligors of the pool have in common stays.
    terms = altered(deal.terms, between_industries=between, industry_correlation=0.0)
    return altered(deal, pool=altered(deal.pool, industry=words), terms=terms)


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
