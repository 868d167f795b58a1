"""Payments of one plan on all patterns of some blocks, added up over their paths."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from xlkmv.deal.paths.cash import PoolEngine, pool_key
from xlkmv.deal.paths.draws import Ints, Layout
from xlkmv.deal.paths.patterns import Patterns
from xlkmv.deal.paths.sampling import Kept
from xlkmv.deal.plan.stressed import Stressed
from xlkmv.deal.plan.waterfall import NORMAL, TRAP, TURBO, Payment, PoolState, grown, payments
from xlkmv.deal.terms import TOLERANCE, Covenant, Terms, Tranche, without_risk
from xlkmv.kinds import altered
from xlkmv.model.domain import Array
from xlkmv.shown import whole

__all__ = [
    "LOSS_BINS",
    "Flows",
    "Outcome",
    "PlanEngine",
    "Tally",
    "group_error",
    "payment_key",
    "plan_key",
]

# Losses are counted in bins of a tenth of a percent of the tranche, apart from no loss at all.
LOSS_BINS = 1000


@dataclass(slots=True, eq=False)
class Flows:
    """Sums over the paths of one bundle of blocks, date by date, and of losses by their size."""

    first_short: Array  # (k, n)
    loss_bins: Array  # (k, LOSS_BINS + 1)
    breach: Array  # (c, n)
    first_breach: Array  # (c, n)
    trigger: Array  # (3, n)
    collections: Array  # (n,)
    support: Array  # (n,)
    paid: Array  # (k, n)

    def add(self, other: Flows) -> None:
        """Add those of other paths."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


@dataclass(slots=True, eq=False)
class Tally:
    """Sums over the paths of one bundle of blocks.

    The q values of a path are whether each class defaults, whether it is ever short, and its loss;
    with flows also when each class is repaid, on average, and the collections and their square.
    """

    sums: Array  # (q,)
    groups: Array  # (groups, q)
    short: Array  # (k,): paths that were paid on which each class is ever short
    heaviest: float  # the most paths that one of those that were paid stands for
    waterfalls: int
    flows: Flows | None  # None where nobody asks for them


def payment_key(plan: Stressed) -> bytes:
    """Mark of all that payments depend on but triggers: plans of equal marks pay alike where none is on."""
    mark = hashlib.blake2b(pool_key(plan), digest_size=20)
    mark.update(_rules(plan, plan.deal.terms))
    return mark.digest()


def _rules(plan: Stressed, terms: Terms) -> bytes:
    """Mark of the terms, and of what they make of a plan without its pool and triggers."""
    deal, dues, controls = plan.deal, plan.dues, plan.deal.controls
    mark = hashlib.blake2b(digest_size=20)
    figures = (dues.fees, dues.opening, dues.interest, dues.principal, dues.ranks, dues.coupons)
    for figure in (*figures, dues.expected, dues.deferred, plan.retained, plan.senior, plan.known_reserve):
        mark.update(b"-" if figure is None else np.ascontiguousarray(figure).tobytes())
    reserve = (
        (controls.reserve_unit, controls.reserve_size, controls.reserve_floor) if controls.reserve else ()
    )
    money = (plan.reserve, plan.reserve_size, plan.support_cap, plan.balance_at_closing)
    views = (plan.volatility_multiplier, dues.interest_first)
    for said in (*deal.tranches, terms, *deal.covenants):
        mark.update(_written(said))
    mark.update(whole((reserve, money, views)).encode())
    return mark.digest()


@lru_cache(maxsize=256)  # plans of one deal share their terms
def _written(said: Tranche | Terms | Covenant) -> bytes:
    return whole(said).encode()


def plan_key(plan: Stressed) -> bytes:
    """Mark of all that a simulation of the plan depends on: plans of equal marks have equal results."""
    return payment_key(plan) + repr((bool(plan.deal.acting), plan.default_point)).encode()


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """How each class fares on every pattern.

    Attributes
    ----------
    defaulted, short : ndarray of bool, shape (k, u)
        Whether it defaults, and whether it is ever short of anything due by schedule.
    loss : ndarray, shape (k, u)
        Principal never repaid, as a share of the tranche.
    fired : ndarray of bool, shape (u,)
        Whether a covenant with a consequence is ever in breach.
    waterfalls : int
        Patterns that were paid for it.
    """

    defaulted: npt.NDArray[np.bool_]
    short: npt.NDArray[np.bool_]
    loss: Array
    fired: npt.NDArray[np.bool_]
    waterfalls: int

    @property
    def values(self) -> Array:
        """Measures of each pattern, as they are added up, shape (3 k, u)."""
        return np.concatenate([self.defaulted, self.short, self.loss])

    def picked(self, at: Ints) -> Outcome:
        """How each class fares on some of the patterns."""
        defaulted, short = self.defaulted.take(at, axis=1), self.short.take(at, axis=1)
        return Outcome(defaulted, short, self.loss.take(at, axis=1), self.fired.take(at), at.size)


class PlanEngine:
    """One plan, ready to turn the state of its pool into what every tranche gets.

    `brief`: nothing is asked but the measures of each class. Covenants without a consequence, which
    change no payment, are then not tested.
    """

    def __init__(
        self, plan: Stressed, pool: PoolEngine, volatility: float, drift: float, brief: bool = False
    ) -> None:
        deal = plan.deal
        if brief:
            deal = altered(deal, covenants=deal.acting)
            plan = replace(plan, deal=deal)
        self.plan: Stressed = plan
        self.pool = pool
        self.volatility = volatility
        self.drift = drift
        self.brief = brief
        # As of a pool, where that is paid to other plans on all paths.
        self.kept: Kept | None = None
        self.acts: bool = bool(deal.acting)
        self.together: bool = plan.default_point == "all"
        self.acting: npt.NDArray[np.bool_] = np.array([c in deal.acting for c in deal.covenants], np.bool_)
        self.times: Array = pool.times
        self.n: int = pool.n
        self.planned: float = float(pool.base.sum())
        self.amount: Array = np.array([t.amount for t in deal.tranches])
        self.maturity: Ints = np.array([deal.legal_final(t) for t in deal.tranches])
        self.floor: Array = TOLERANCE * self.amount[:, None]
        self.waits: bool = any(t.deferrable for t in deal.tranches)

    def run(
        self,
        patterns: Patterns,
        state: PoolState,
        layout: Layout,
        bundle: int,
        alike: tuple[PlanEngine, Outcome] | None = None,
    ) -> tuple[Tally, Outcome]:
        """Pay every pattern through the waterfall and add up over the paths of the bundle.

        `alike`: a plan of the same :func:`payment_key`, by whose outcome this one's measures follow.
        """
        flows = None if self.brief else _Flowing(self, state)
        if alike is None:
            outcome = self.outcome(patterns, state, flows)
        else:
            outcome = self._by(*alike, patterns, state)
        return self.tally(outcome, patterns, layout, bundle, flows), outcome

    @property
    def key(self) -> bytes:
        """Mark of all that payments depend on but what the pool does: engines of equal marks pay alike."""
        plan, controls = self.plan, self.plan.deal.controls
        # Who prepays has done so in what comes in.
        terms = altered(without_risk(plan.deal.terms), prepayment=0.0)
        mark = hashlib.blake2b(_rules(plan, terms), digest_size=20)
        for table in plan.unbought or ():
            mark.update(np.ascontiguousarray(table).tobytes())
        mark.update(whole((self.volatility, self.drift, self.acts, self.brief, controls.support)).encode())
        return mark.digest()

    def tally(
        self, outcome: Outcome, patterns: Patterns, layout: Layout, bundle: int, flows: _Flowing | None = None
    ) -> Tally:
        """Add up over the paths of the bundle how each class fares on every pattern."""
        defaulted, short, loss = outcome.defaulted, outcome.short, outcome.loss
        if self.together:
            defaulted, short = (
                np.repeat(x.any(axis=0, keepdims=True), len(x), axis=0) for x in (defaulted, short)
            )
        weight = patterns.weights[-1]
        more = [] if flows is None else flows.values(loss, weight)
        values = np.concatenate([defaulted, short, loss, *more])
        sums = _over_paths(values, weight)
        # Where weights differ, groups do from the mean of all.
        centre = values[:, 0] if patterns.stands is None else sums / layout.bundle_size(bundle)
        return Tally(
            sums=sums,
            short=_over_paths(short, patterns.paid),
            heaviest=1.0 if patterns.stands is None else float(patterns.stands.max()),
            groups=_group_sums(values, centre, patterns, layout, bundle),
            waterfalls=outcome.waterfalls,
            flows=None if flows is None else flows.sums,
        )

    def outcome(self, patterns: Patterns, state: PoolState, flows: _Flowing | None = None) -> Outcome:
        """Pay every pattern; what each class misses is its own, whatever the default point."""
        k, parent = self.amount.size, patterns.parent
        served, defaulted = np.ones((k, 1), np.bool_), np.zeros((k, 1), np.bool_)
        fired = np.zeros(1, np.bool_)
        for date, on, p in self._paid(state, whole=flows is not None):
            like = parent[: patterns.active[date]]
            served, defaulted, fired = grown(served, like), grown(defaulted, like), grown(fired, like)
            unpaid, short = self._missed(p)
            if unpaid.any():
                defaulted[:, on] |= unpaid
            if flows is not None:
                together = self.together
                new = short.any(axis=0) & served.all(axis=0) if together else short & served
                flows.add(date, p, np.broadcast_to(new, short.shape), patterns.weights[date], like)
            if short.any():
                served[:, on] &= ~short
            at_maturity = np.asarray(self.maturity == date)
            if at_maturity.any():
                defaulted[:, on] |= at_maturity[:, None] & (p.balance > self.floor)
            if self.acts:
                fired[on] |= p.breaches[self.acting].any(axis=0)
        served, defaulted, fired = (_to_the_end(x, patterns) for x in (served, defaulted, fired))
        return Outcome(defaulted, ~served, self._lost(on, p, parent.size), fired, parent.size)

    def _paid(self, state: PoolState, whole: bool = False) -> Iterator[tuple[int, Ints | slice, Payment]]:
        """Yield dates with their payments, and on which patterns they are made.

        Once all classes are repaid nothing more happens to them: unless the `whole` is wanted, such patterns
        are left out as soon as they are half of those that are there.
        """
        paying = payments(self.plan, state, self.volatility, self.drift)
        there: Ints | None = None
        sent = None
        for date in range(self.n):
            p = paying.send(sent)
            sent = None
            now = p.balance.shape[1]
            yield date, slice(now) if there is None else there[:now], p
            # The last class is a cheap first look.
            if whole or 2 * np.count_nonzero(p.balance[-1]) > now:
                continue
            open_ = np.asarray(((p.balance > 0.0) | (p.interest_due > p.interest_paid)).any(axis=0))
            if 2 * np.count_nonzero(open_) > now:
                continue
            paths, state = sent = state.going_on(date, open_)
            there = paths if there is None else there.take(paths)
            if not paths.size:
                return

    def _lost(self, on: Ints | slice, p: Payment, size: int) -> Array:
        """Principal never repaid, as a share of each class, after the last payments that were made."""
        lost = np.zeros((self.amount.size, size))
        lost[:, on] = p.balance / self.amount[:, None]
        return lost

    def differs(self, other: PlanEngine, found: Outcome) -> bool:
        """Whether any pattern may fare otherwise than with a plan that differs in its triggers at most."""
        return self.acts != other.acts and bool(found.fired.any())

    def _by(self, other: PlanEngine, found: Outcome, patterns: Patterns, state: PoolState) -> Outcome:
        """Outcome by that of a plan which differs in its triggers at most.

        Where no test with a consequence fails, no trigger is ever on, and every step of the waterfall
        does the same to the path, number by number. Only the others are paid.
        """
        fired = np.flatnonzero(found.fired)
        if not self.differs(other, found):
            return replace(found, waterfalls=0)
        if (patterns.active < patterns.parent.size).any() or 2 * fired.size > patterns.parent.size:
            return self.outcome(patterns, state)
        part = self.outcome(patterns.apart(fired.size), state.picked(fired))
        names = ("defaulted", "short", "loss")
        copies: dict[str, Any] = {name: getattr(found, name).copy() for name in names}
        for name in names:
            copies[name][:, fired] = getattr(part, name)
        return replace(found, **copies, waterfalls=fired.size)

    def _missed(self, p: Payment) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Whether each class misses interest, and whether anything due by schedule, shape (k, paths)."""
        late = p.interest_missed if self.waits else p.interest_due - p.interest_paid
        unpaid = np.asarray(late > self.floor)
        short = np.asarray(late + p.principal_missed > self.floor) if p.principal_due.any() else unpaid
        return unpaid, short

    def outcomes(self, patterns: Patterns, state: PoolState) -> tuple[npt.NDArray[np.int64], Array]:
        """Pay every pattern through the waterfall; return how each class fares on each of them.

        Parameters
        ----------
        patterns : Patterns
        state : PoolState
            Of the patterns.

        Returns
        -------
        first_short : ndarray of int, shape (k, u)
            First date on which anything due by schedule is missed; the number of dates: on none.
        loss : ndarray, shape (k, u)
            Principal never repaid, as a share of the tranche.
        """
        k, parent = self.amount.size, patterns.parent
        first_short = np.full((k, 1), self.n)
        for date, on, p in self._paid(state):
            first_short = grown(first_short, parent[: patterns.active[date]])
            _, short = self._missed(p)
            if self.together and short.any():
                short = np.repeat(short.any(axis=0, keepdims=True), k, axis=0)
            if short.any():
                first_short[:, on] = np.where(short, np.minimum(first_short[:, on], date), first_short[:, on])
        return _to_the_end(first_short, patterns), self._lost(on, p, parent.size)


class _Flowing:
    """Flows of a plan, added up as its dates go by."""

    def __init__(self, engine: PlanEngine, state: PoolState) -> None:
        self.engine, self.state = engine, state
        n, k, covenants = engine.n, engine.amount.size, len(engine.plan.deal.covenants)
        self.dated, self.collected = np.zeros((k, 1)), np.zeros(1)
        self.never = np.ones((covenants, 1), np.bool_)
        self.sums = Flows(
            first_short=np.zeros((k, n)),
            loss_bins=np.zeros((k, LOSS_BINS + 1)),
            breach=np.zeros((covenants, n)),
            first_breach=np.zeros((covenants, n)),
            trigger=np.zeros((3, n)),
            collections=np.zeros(n),
            support=np.zeros(n),
            paid=np.zeros((k, n)),
        )

    def add(
        self, date: int, p: Payment, first_short: npt.NDArray[np.bool_], weight: Array, parent: Ints
    ) -> None:
        """Add a date; `parent` is that of every pattern computed on it."""
        sums, never = self.sums, grown(self.never, parent)
        if first_short.any():
            sums.first_short[:, date] = _over_paths(first_short, weight)
        self.dated = grown(self.dated, parent) + self.engine.times[date] * p.principal_paid
        came_in = self.state.collections[date, : weight.size]
        # Principal that buys nothing comes in; volatility and drift are those of the pool by its claims.
        sums.collections[date] = _over_paths(came_in + p.bought_less, weight)
        self.collected = grown(self.collected, parent) + came_in
        sums.support[date] = _over_paths(p.support_drawn, weight)
        sums.paid[:, date] = _over_paths(p.interest_paid + p.principal_paid, weight)
        for mode in (TRAP, TURBO):
            on = p.trigger == mode
            if on.any():
                sums.trigger[mode, date] = _over_paths(on, weight)
        sums.trigger[NORMAL, date] = weight.sum() - sums.trigger[:, date].sum()
        for c, bad in enumerate(p.breaches):
            if bad.any():
                sums.breach[c, date] = _over_paths(bad, weight)
                sums.first_breach[c, date] = _over_paths(bad & never[c], weight)
                never[c] &= ~bad
        self.never = never

    def values(self, loss: Array, weight: Array) -> list[Array]:
        """Values of each pattern beside the measures, once all dates have gone by; count the losses."""
        bins = np.ceil(np.minimum(loss, 1.0) * LOSS_BINS - 1e-9).astype(np.int64)
        for i, of_class in enumerate(bins):
            self.sums.loss_bins[i] = np.bincount(np.maximum(of_class, 0), weight, LOSS_BINS + 1)
        total = self.collected / (self.engine.planned or 1.0)
        return [self.dated / self.engine.amount[:, None], total[None], total[None] ** 2]


def _to_the_end(x: npt.NDArray[Any], patterns: Patterns) -> npt.NDArray[Any]:
    """Give patterns that part from others once these are left out what the others have."""
    for upto in patterns.active.tolist():
        x = grown(x, patterns.parent[:upto])
    return x


def _over_paths(values: npt.NDArray[Any], weight: Array) -> Array:
    """Sum over paths in the last axis; not by BLAS, whose digits depend on its threads."""
    return np.asarray(np.einsum("...u,u->...", values, weight, dtype=np.float64))


def _group_sums(values: Array, centre: Array, patterns: Patterns, layout: Layout, bundle: int) -> Array:
    """Means of each value over the groups of paths of the bundle, shape (groups, q).

    `centre` is the value of paths that are not named; any figure will do where all are.
    """
    sizes = layout.group_sizes(bundle)
    sums = np.zeros((sizes.size, len(values)))
    # Rows are increasing, so the paths of a group stand together.
    group = patterns.rows // layout.group
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    for column, row in enumerate(values - centre[:, None]):
        if row.any():
            each = row.take(patterns.index)
            if patterns.stands is not None:
                each *= patterns.stands
            sums[group[starts], column] = np.add.reduceat(each, starts)
    return np.asarray(sums / sizes[:, None] + centre)


def group_error(groups: Array, sizes: Array) -> Array:
    """Standard error of the mean over all paths, from the means of independent groups.

    ``sqrt[G/(G - 1) sum w_g^2 (x_g - xbar)^2]``, w_g the share of the paths in group g; for
    equal groups the usual ``sd/sqrt(G)``.

    Parameters
    ----------
    groups : ndarray, shape (G,) or (G, q)
    sizes : ndarray, shape (G,)
        Paths of each group.

    Returns
    -------
    ndarray, shape () or (q,)
    """
    w = sizes / sizes.sum()
    x = groups - groups[0]  # equal groups have no error, not one of rounding
    spread = np.einsum("g,g...->...", w**2, (x - np.einsum("g,g...->...", w, x)) ** 2)
    return np.asarray(np.sqrt(spread * w.size / (w.size - 1)))
