"""What the pool does on every pattern of defaults: collections, balances and the inputs of tests.

An obligor in default misses every instalment from the next date on; the originator pays the
repurchase share of them on schedule, the recovery rate of the rest arrives on the first date
not earlier than the missed date plus the lag.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from xlkmv.deal.paths.defaults import DefaultModel, Defaults, default_key
from xlkmv.deal.paths.draws import Ints
from xlkmv.deal.paths.patterns import Patterns
from xlkmv.deal.plan.stressed import Stressed
from xlkmv.deal.plan.waterfall import DUST, PoolState, planned_state
from xlkmv.model.domain import Array
from xlkmv.model.plan import arrival_date

__all__ = ["PoolEngine", "Sums", "pool_key", "with_shared"]


def pool_key(plan: Stressed) -> bytes:
    """Mark of all that the state of the pool depends on: equal marks, equal states."""
    deal, pool, terms = plan.deal, plan.deal.pool, plan.deal.terms
    mark = hashlib.blake2b(default_key(plan), digest_size=20)
    given = (pool.schedule, pool.recovery, pool.lag)
    optional = (pool.interest, pool.balance, pool.claim, plan.row_purchases, plan.sure, plan.known_defaults)
    for figure in (*given, *optional):
        mark.update(b"-" if figure is None else np.ascontiguousarray(figure).tobytes())
    metrics = sorted({c.metric for c in deal.covenants})
    other = (deal.controls.support, plan.repurchase_share, plan.needs_balance, terms.accounts)
    mark.update(repr((metrics, other)).encode())
    return mark.digest()


def with_shared(plan: Stressed, tables: dict[bytes, Array]) -> Stressed:
    """Take a table that another plan has, too, from there: equal ones are held, and summed up, once.

    Parameters
    ----------
    plan : Stressed
    tables : dict
        Those seen so far, by mark; grows.

    Returns
    -------
    Stressed
        The same plan.
    """

    def shared(figure: Array | None) -> Array | None:
        if figure is None:
            return None
        mark = hashlib.blake2b(np.ascontiguousarray(figure).tobytes(), digest_size=20).digest()
        return tables.setdefault(mark, figure)

    pool = plan.deal.pool
    found: dict[str, Any] = {
        name: shared(getattr(pool, name)) for name in ("schedule", "interest", "balance", "claim")
    }
    deal = replace(plan.deal, pool=replace(pool, **found))
    return replace(plan, deal=deal, row_purchases=shared(plan.row_purchases))


class Sums:
    """Sums of figures of the obligors over those in default; each table is summed up once.

    Parameters
    ----------
    patterns : Patterns
    """

    def __init__(self, patterns: Patterns) -> None:
        self.patterns = patterns
        self.dates = patterns.active.size
        # With their tables, so that keys stay taken.
        self._known: dict[int, tuple[Array, Array]] = {}
        self._picked: dict[int, tuple[Array, Array]] = {}

    def at_default(self, each: Array) -> Array:
        """Figure of each obligor in default on the date of its default: shape (m, n) to (events,)."""
        if id(each) not in self._picked:
            at = self.patterns.columns * self.dates + self.patterns.first
            self._picked[id(each)] = each, each.take(at)
        return self._picked[id(each)][1]

    def total(self, each: Array) -> Array:
        """Sum over the obligors in default by each date, dates in rows: shape (m, n) to (n, patterns)."""
        if id(each) not in self._known:
            self._known[id(each)] = each, self._total(each)
        return self._known[id(each)][1]

    def _total(self, each: Array) -> Array:
        patterns, n, m = self.patterns, self.dates, len(each)
        size, span = patterns.parent.size, patterns.span
        out = np.zeros((size, n))
        start = 0
        for k, end in zip(range(0, n, span), patterns.happened.tolist(), strict=True):
            if end == start:
                continue
            new, after = slice(start, end), np.arange(min(span, n - k))
            counts = np.bincount(patterns.owner[new], minlength=size)
            rows, figures, start = np.append(0, np.cumsum(counts)), each, end
            # Figures of each obligor from each date of the span on.
            if span > 1:
                figures = np.where(np.arange(n - k) >= after[:, None, None], each[:, k:], 0.0)
            codes = (patterns.first[new] - k) * m + patterns.columns[new]
            gone = csr_array((np.ones(codes.size), codes, rows), (size, m * after.size))
            out[:, k:] += (gone @ figures.reshape(m * after.size, -1))[:, k if span == 1 else 0 :]
        return np.ascontiguousarray(out.T)


class PoolEngine:
    """The pool of one or more plans, ready to turn default patterns into what it does on each date."""

    def __init__(self, plan: Stressed, model: DefaultModel | None = None, claim: Array | None = None) -> None:
        deal, pool = plan.deal, plan.deal.pool
        self.plan = plan
        self.model = model or DefaultModel(plan)
        self.times = deal.terms.times
        self.n = self.times.size
        self.support = deal.controls.support
        self.schedule = pool.schedule
        self.claim, self.claimed = plan.claim if claim is None else claim, plan.claimed
        self.balance = pool.balance if plan.needs_balance else None
        self.outstanding = plan.row_outstanding if plan.tests_outstanding else None
        self.interest = pool.interest if deal.terms.accounts == "two" else None
        lags, self.lag = np.unique(pool.lag, return_inverse=True)
        self.arrival = arrival_date(self.times, lags[:, None])
        self.recovery = (1.0 - plan.repurchase_share) * pool.recovery
        self.base = plan.collections
        metrics = {c.metric for c in deal.covenants}
        self.needs_ratio = "cumulative default ratio" in metrics
        self.needs_share = "largest obligor share" in metrics
        self.ratio, _ = planned_state(plan)
        self.performing = self.claim[plan.performing].sum(axis=0)
        self.dust = DUST * self.claimed
        self.by_size = np.argsort(-self.claim, axis=0, kind="stable") if self.needs_share else None

    def pool_state(self, patterns: Patterns, sums: Sums | None = None) -> PoolState:
        """Collections and tests' inputs of every pattern, dates in rows."""
        n, size, share = self.n, patterns.parent.size, self.plan.repurchase_share
        columns, first, owner = patterns.columns, patterns.first, patterns.owner
        sums = sums or Sums(patterns)
        claimed = sums.at_default(self.claim)
        arrival = self.arrival.take(self.lag.take(columns) * n + first)
        # What comes back after the last date is left out.
        arrived = np.bincount(arrival * size + owner, self.recovery.take(columns) * claimed, (n + 1) * size)
        cash: Array = np.asarray(arrived[: n * size], np.float64).reshape(n, size)
        cash += self.base[:, None]
        state = PoolState(cash, active=patterns.active, parent=patterns.parent)
        lost = sums.total(self.schedule)
        cash -= (1.0 - share) * lost
        # Sums of what is lost may pass what there was by rounding.
        np.maximum(cash, 0.0, out=cash)
        if self.needs_ratio:
            new = np.bincount(first * size + owner, claimed, n * size).reshape(n, size)
            state.default_ratio = np.cumsum(new, axis=0, dtype=np.float64)
            state.default_ratio /= self.claimed or 1.0
            state.default_ratio += self.ratio[:, None]
        if self.needs_share:
            # Date of default of every obligor in every pattern.
            when = np.full((len(self.schedule), size), n, np.int16)
            when[columns, owner] = first
            if self.plan.defaulted is not None:
                when[self.plan.defaulted] = 0
            gone = sums.total(self.claim)
            state.largest_share = np.empty((n, size))
            for k in range(n):
                self._largest_share(k, when, gone[k], state.largest_share[k])
        if self.balance is not None:
            state.balance = self._performing(self.plan.balance, self.balance, sums)
        if self.outstanding is not None:
            state.outstanding = self._performing(self.plan.outstanding, self.outstanding, sums)
        if self.interest is not None:
            interest = self.plan.collections - self.plan.principal
            state.principal = cash - self._performing(interest, self.interest, sums, 1.0 - share)
        if self.plan.row_purchases is not None and self.plan.purchases is not None:
            state.purchases = self._performing(self.plan.purchases, self.plan.row_purchases, sums)
        if self.support:
            state.support_alive = np.arange(n)[:, None] < patterns.payer
        return state

    def severity(self, defaults: Defaults, paths: int) -> Array:
        """What is lost on each path in the end, money."""
        rows, columns, first = defaults
        lost = (1.0 - self.plan.deal.pool.recovery)[columns] * self.claim[columns, first]
        return np.asarray(np.bincount(rows, lost, paths))

    def _performing(self, planned: Array, each: Array, sums: Sums, share: float = 1.0) -> Array:
        """Planned figure of the pool less (a share of) that of the obligors in default, dates in rows."""
        out = planned[:, None] - share * sums.total(each)
        # What is left of a sum by rounding is no claim.
        out[out < DUST * max(float(planned.max()), 0.0)] = 0.0
        return out

    def _largest_share(self, k: int, when: npt.NDArray[np.int16], gone: Array, share: Array) -> None:
        """Write the share of the largest performing obligor in what performing obligors owe on date k."""
        # The largest that performs is found by going down the list until everyone has one.
        largest = np.empty(gone.size)
        waiting: slice | Ints = slice(None)
        assert self.by_size is not None
        for obligor in self.by_size[:, k]:
            largest[waiting] = self.claim[obligor, k]
            gone_too = np.flatnonzero(when[obligor, waiting] <= k)
            waiting = gone_too if isinstance(waiting, slice) else waiting[gone_too]
            if not waiting.size:
                break
        largest[waiting] = 0.0
        left = self.performing[k] - gone
        # Where little is left, the difference has lost its digits.
        little = np.flatnonzero(left < 1e-3 * self.performing[k])
        left[little] = np.where(when[:, little] > k, self.claim[:, k, None], 0.0).sum(axis=0)
        share.fill(np.nan)
        np.divide(largest, left, out=share, where=left > self.dust)
