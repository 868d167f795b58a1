"""Payments of one plan on all patterns of some blocks, added up over their paths."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from xlkmv.deal.paths.cash import PoolEngine, pool_key
from xlkmv.deal.paths.draws import Layout
from xlkmv.deal.paths.patterns import Patterns
from xlkmv.deal.plan.stressed import Stressed
from xlkmv.deal.plan.waterfall import NORMAL, TRAP, TURBO, Payment, PoolState, grown, payments
from xlkmv.deal.terms import TOLERANCE
from xlkmv.model.domain import Array

__all__ = ["LOSS_BINS", "PlanEngine", "Tally", "group_error", "plan_key"]

# Losses are counted in bins of a tenth of a percent of the tranche, apart from no loss at all.
LOSS_BINS = 1000


@dataclass(slots=True, eq=False)
class Tally:
    """Sums over the paths of one bundle of blocks."""

    first_short: Array  # (k, n)
    loss_bins: Array  # (k, LOSS_BINS + 1)
    breach: Array  # (c, n)
    first_breach: Array  # (c, n)
    trigger: Array  # (3, n)
    collections: Array  # (n,)
    support: Array  # (n,)
    paid: Array  # (k, n)
    sums: Array  # (q,)
    groups: Array  # (groups, q)
    waterfalls: int


def plan_key(plan: Stressed) -> bytes:
    """Mark of all that a simulation of the plan depends on: plans of equal marks have equal results."""
    deal, dues, controls = plan.deal, plan.dues, plan.deal.controls
    mark = hashlib.blake2b(pool_key(plan), digest_size=20)
    figures = (dues.fees, dues.opening, dues.interest, dues.principal, dues.ranks, dues.coupons)
    for figure in (*figures, dues.expected, dues.deferred, plan.retained, plan.senior, plan.known_reserve):
        mark.update(b"-" if figure is None else np.ascontiguousarray(figure).tobytes())
    acting = controls.triggers and any(c.consequence != "none" for c in deal.covenants)
    reserve = (
        (controls.reserve_unit, controls.reserve_size, controls.reserve_floor) if controls.reserve else ()
    )
    money = (plan.reserve, plan.reserve_size, plan.support_cap, plan.balance_at_closing)
    views = (plan.default_point, plan.volatility_multiplier, dues.interest_first)
    mark.update(repr((deal.tranches, deal.terms, deal.covenants, acting, reserve, money, views)).encode())
    return mark.digest()


class PlanEngine:
    """One plan, ready to turn the state of its pool into what every tranche gets."""

    def __init__(self, plan: Stressed, pool: PoolEngine, volatility: float, drift: float) -> None:
        deal = plan.deal
        self.plan, self.pool, self.volatility, self.drift = plan, pool, volatility, drift
        self.times, self.n = pool.times, pool.n
        self.planned = float(pool.base.sum())
        self.amount = np.array([t.amount for t in deal.tranches])
        self.maturity = np.array([deal.legal_final(t) for t in deal.tranches])
        self.floor, self.waits = TOLERANCE * self.amount[:, None], any(t.deferrable for t in deal.tranches)

    def run(self, patterns: Patterns, state: PoolState, layout: Layout, bundle: int) -> Tally:
        """Pay every pattern through the waterfall and add up over the paths of the bundle."""
        n, k, parent = self.n, self.amount.size, patterns.parent
        weight, covenants = patterns.weights[-1], len(self.plan.deal.covenants)
        served = np.ones((k, 1), np.bool_)
        defaulted = np.zeros((k, 1), np.bool_)
        dated = np.zeros((k, 1))
        balance = np.zeros((k, 1))
        collected = np.zeros(1)
        never = np.ones((covenants, 1), np.bool_)
        together = self.plan.default_point == "all"
        tally = Tally(
            first_short=np.zeros((k, n)),
            loss_bins=np.zeros((k, LOSS_BINS + 1)),
            breach=np.zeros((covenants, n)),
            first_breach=np.zeros((covenants, n)),
            trigger=np.zeros((3, n)),
            collections=np.zeros(n),
            support=np.zeros(n),
            paid=np.zeros((k, n)),
            sums=np.zeros(0),
            groups=np.zeros(0),
            waterfalls=parent.size,
        )
        for date, p in enumerate(payments(self.plan, state, self.volatility, self.drift)):
            weight, like = patterns.weights[date], parent[: patterns.active[date]]
            served, defaulted = grown(served, like), grown(defaulted, like)
            dated, never = grown(dated, like), grown(never, like)
            unpaid, short = self._missed(p)
            if unpaid.any():
                defaulted = np.asarray(defaulted | unpaid)
            if short.any():
                tally.first_short[:, date] = _over_paths(short & served, weight)
                served = np.asarray(served & ~short)
            at_maturity = np.asarray(self.maturity == date)
            if at_maturity.any():
                defaulted |= at_maturity[:, None] & (p.balance > self.floor)
            dated = dated + self.times[date] * p.principal_paid
            balance = p.balance
            came_in = state.collections[date, : weight.size]
            tally.collections[date] = _over_paths(came_in, weight)
            collected = grown(collected, like) + came_in
            tally.support[date] = _over_paths(p.support_drawn, weight)
            tally.paid[:, date] = _over_paths(p.interest_paid + p.principal_paid, weight)
            for mode in (TRAP, TURBO):
                on = p.trigger == mode
                if on.any():
                    tally.trigger[mode, date] = _over_paths(on, weight)
            tally.trigger[NORMAL, date] = weight.sum() - tally.trigger[:, date].sum()
            for c, bad in enumerate(p.breaches):
                if bad.any():
                    tally.breach[c, date] = _over_paths(bad, weight)
                    tally.first_breach[c, date] = _over_paths(bad & never[c], weight)
                    never[c] &= ~bad
        if together:
            defaulted = np.repeat(defaulted.any(axis=0, keepdims=True), k, axis=0)
        loss = balance / self.amount[:, None]
        bins = np.ceil(np.minimum(loss, 1.0) * LOSS_BINS - 1e-9).astype(np.int64)
        for i in range(k):
            tally.loss_bins[i] = np.bincount(np.maximum(bins[i], 0), weight, LOSS_BINS + 1)
        total = collected / (self.planned or 1.0)
        values = np.concatenate(
            [defaulted, ~served, loss, dated / self.amount[:, None], total[None], total[None] ** 2]
        )
        tally.sums = _over_paths(values, weight)
        tally.groups = _group_sums(values, patterns, layout, bundle)
        return tally

    def _missed(self, p: Payment) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Whether each class misses interest, and whether anything due by schedule, shape (k, paths)."""
        late = p.interest_missed if self.waits else p.interest_due - p.interest_paid
        unpaid = np.asarray(late > self.floor)
        short = np.asarray(late + p.principal_missed > self.floor) if p.principal_due.any() else unpaid
        if self.plan.default_point == "all" and short.any():
            short = np.repeat(short.any(axis=0, keepdims=True), self.amount.size, axis=0)
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
        first_short, balance = np.full((k, 1), self.n), np.zeros((k, 1))
        for date, p in enumerate(payments(self.plan, state, self.volatility, self.drift)):
            first_short = grown(first_short, parent[: patterns.active[date]])
            _, short = self._missed(p)
            first_short = np.where(short, np.minimum(first_short, date), first_short)
            balance = p.balance
        return first_short, balance / self.amount[:, None]


def _over_paths(values: npt.NDArray[Any], weight: Array) -> Array:
    """Sum over paths in the last axis; not by BLAS, whose digits depend on its threads."""
    return np.asarray(np.einsum("...u,u->...", values, weight, dtype=np.float64))


def _group_sums(values: Array, patterns: Patterns, layout: Layout, bundle: int) -> Array:
    """Means of each value over the groups of paths of the bundle, shape (groups, q)."""
    sizes = layout.group_sizes(bundle)
    sums = np.zeros((sizes.size, len(values)))
    # Rows are increasing, so the paths of a group stand together.
    group = patterns.rows // layout.group
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    for column, row in enumerate(values - values[:, :1]):
        if row.any():
            each = row.take(patterns.index)
            if patterns.stands is not None:
                each *= patterns.stands
            sums[group[starts], column] = np.add.reduceat(each, starts)
    return np.asarray(sums / sizes[:, None] + values[:, 0])


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
