"""What the pool does on every pattern of defaults: collections, balances and the inputs of tests.

An obligor in default misses every instalment from the next date on; the originator pays the
repurchase share of them on schedule, the recovery rate of the rest arrives on the first date
not earlier than the missed date plus the lag.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from xlkmv.deal.paths.defaults import DefaultModel, Defaults, default_key
from xlkmv.deal.paths.draws import Ints
from xlkmv.deal.paths.patterns import Patterns
from xlkmv.deal.paths.sampling import Kept
from xlkmv.deal.plan.recovery import RecoveryLaw
from xlkmv.deal.plan.stressed import Stressed
from xlkmv.deal.plan.waterfall import DUST, PoolState, planned_state
from xlkmv.kinds import altered
from xlkmv.model.domain import Array
from xlkmv.model.plan import arrival_date
from xlkmv.shown import whole

__all__ = ["PoolEngine", "Sums", "matter_until", "pool_key", "with_shared"]

# Times that a table is cut to the dates that are left.
TAILS = 4
# Figures of a pool by row and date.
TABLES = ("schedule", "interest", "balance", "claim")


def pool_key(plan: Stressed) -> bytes:
    """Mark of all that the state of the pool depends on: equal marks, equal states.

    Tables count as themselves, so plans have to be :func:`with_shared`.
    """
    deal, pool, terms = plan.deal, plan.deal.pool, plan.deal.terms
    mark = hashlib.blake2b(default_key(plan), digest_size=20)
    for figure in (pool.recovery, pool.lag, plan.sure, plan.known_defaults):
        mark.update(b"-" if figure is None else np.ascontiguousarray(figure).tobytes())
    mark.update(b"-" if plan.recovery_law is None else plan.recovery_law.mark())
    tables = [id(table) for table in (*(getattr(pool, name) for name in TABLES), plan.row_purchases)]
    metrics = sorted({c.metric for c in deal.covenants})
    other = (
        deal.controls.support,
        plan.repurchase_share,
        plan.needs_balance,
        plan.known_claims,
        terms.accounts,
    )
    mark.update(whole((tables, metrics, other)).encode())
    return mark.digest()


def with_shared(plan: Stressed, known: dict[float, list[Array]]) -> Stressed:
    """Take a table that another plan has, too, from there: equal ones are held, and summed up, once.

    Parameters
    ----------
    plan : Stressed
    known : dict
        Those seen so far, by their sum; grows, and has to live as long as marks of the plans are compared.

    Returns
    -------
    Stressed
        The same plan.
    """

    def shared(table: Any) -> Any:
        if table is None:
            return None
        alike = known.setdefault(float(table.sum()), [])
        for other in alike:
            if other is table or np.array_equal(other, table):
                return other
        alike.append(table)
        return table

    pool = altered(plan.deal.pool, **{name: shared(getattr(plan.deal.pool, name)) for name in TABLES})
    bought, line = shared(plan.row_purchases), shared(plan.line)
    return replace(plan, deal=altered(plan.deal, pool=pool), row_purchases=bought, line=line)


def matter_until(plan: Stressed, claim: Array) -> Ints:
    """Date of each row from which on none of its figures is anything, shape (m,): nobody misses it then.

    Parameters
    ----------
    plan : Stressed
    claim : ndarray, shape (m, n)
        What is owed on each date, money.
    """
    pool, until = plan.deal.pool, np.zeros(len(claim), np.int64)
    figures = (getattr(pool, name) for name in TABLES if name != "claim")
    for table in (claim, *figures, plan.row_outstanding, plan.row_purchases):
        if table is not None:
            latest_first = table[:, ::-1] != 0.0
            last = np.where(latest_first.any(axis=1), table.shape[1] - latest_first.argmax(axis=1), 0)
            np.maximum(until, last, out=until)
    return until


class Sums:
    """Sums of figures of the obligors over those in default; each table is summed up once.

    Parameters
    ----------
    patterns : Patterns
    whole : Sums, optional
        Of all paths, where the patterns are some of these: what is known there is taken from there.
    """

    def __init__(self, patterns: Patterns, whole: Sums | None = None) -> None:
        self.patterns = patterns
        self.whole = whole
        self.dates: int = patterns.active.size
        self.size: int = patterns.parent.size
        # With their tables, so that keys stay taken.
        self._known: dict[tuple[str, int], tuple[Array, Array]] = {}
        self._gone: dict[int, tuple[Ints | None, list[tuple[int, csr_array]]]] = {}

    def hold_for(self, patterns: Patterns) -> bool:
        """Whether other patterns have the very same defaults."""
        return patterns.columns is self.patterns.columns

    def _once(self, what: Callable[..., Array], each: Array, *more: Ints | None) -> Array:
        key = what.__name__, id(each)
        if key not in self._known:
            if self.whole is not None and key in self.whole._known and key[0] != self._at_default.__name__:
                found = self.whole._known[key][1].take(self.patterns.rows, axis=1)
            else:
                found = what(each, *more)
            self._known[key] = each, found
        return self._known[key][1]

    def at_default(self, each: Array) -> Array:
        """Figure of each obligor in default on the date of its default: shape (m, n) to (events,)."""
        return self._once(self._at_default, each)

    def defaulted(self, each: Array) -> Array:
        """Sum of what :meth:`at_default` says by each date, dates in rows: shape (m, n) to (n, patterns)."""
        return self._once(self._defaulted, each)

    def total(self, each: Array, line: Ints | None = None) -> Array:
        """Sum over the obligors in default by each date, dates in rows: shape (m, n) to (n, patterns).

        Of obligors of one `line` (:attr:`~xlkmv.deal.plan.stressed.Stressed.line`) one row is read for all:
        a table of a hundred thousand is far from the processor.
        """
        return self._once(self._total, each, line)

    def _at_default(self, each: Array) -> Array:
        return each.take(self.patterns.columns * self.dates + self.patterns.first)

    def _defaulted(self, each: Array) -> Array:
        cell = self.patterns.first * self.size + self.patterns.owner
        new = np.bincount(cell, self.at_default(each), self.dates * self.size)
        out: Array = np.asarray(new, np.float64).reshape(self.dates, self.size)
        # Many times as fast as numpy's sum along the dates, which are far apart.
        for earlier, later in itertools.pairwise(out):
            later += earlier
        return out

    def _total(self, each: Array, line: Ints | None) -> Array:
        if line is not None:
            each = each[np.flatnonzero(np.diff(line, prepend=-1))]
        n, m, span = self.dates, len(each), self.patterns.span
        if id(line) not in self._gone:
            self._gone[id(line)] = line, [*self._spans(m, line)]
        out = np.zeros((self.size, n))
        start, left = 0, each
        for k, gone in self._gone[id(line)][1]:
            if span == 1:
                # Earlier dates are for nothing; cutting them off on each date would cost more than they do.
                if k >= start + n // TAILS:
                    start = k
                    left = np.ascontiguousarray(each[:, k:])
                out[:, k:] += (gone @ left)[:, k - start :]
                continue
            # Figures of each obligor from each date of the span on.
            after = np.arange(min(span, n - k))
            figures = np.where(np.arange(n - k) >= after[:, None, None], each[:, k:], 0.0)
            out[:, k:] += gone @ figures.reshape(m * after.size, -1)
        return np.ascontiguousarray(out.T)

    def _spans(self, m: int, line: Ints | None) -> Iterator[tuple[int, csr_array]]:
        """First date of each span, and who defaults on which date of it: (patterns, dates x rows)."""
        patterns, span = self.patterns, self.patterns.span
        start, ones = 0, np.ones(patterns.owner.size)
        for k, end in zip(range(0, self.dates, span), patterns.happened.tolist(), strict=True):
            if end > start:
                new = slice(start, end)
                rows = np.append(0, np.cumsum(np.bincount(patterns.owner[new], minlength=self.size)))
                code = patterns.columns[new] if line is None else line.take(patterns.columns[new])
                if span > 1:
                    code = (patterns.first[new] - k) * m + code
                shape = self.size, m * min(span, self.dates - k)
                yield k, csr_array((ones[new], code, rows), shape)
            start = end


class PoolEngine:
    """The pool of one or more plans, ready to turn default patterns into what it does on each date."""

    def __init__(self, plan: Stressed, model: DefaultModel | None = None, claim: Array | None = None) -> None:
        deal, pool = plan.deal, plan.deal.pool
        self.plan = plan
        # Which paths of a group, in order of severity, are paid whoever they are; None: all.
        self.kept: Kept | None = None
        self.model: DefaultModel = model or DefaultModel(plan)
        self.times: Array = deal.terms.times
        self.n: int = self.times.size
        self.support: bool = deal.controls.support
        self.schedule: Array = pool.schedule
        self.claim: Array = plan.claim if claim is None else claim
        self.claimed: float = plan.claimed
        # What a default costs by its date: pools of one run have one order of severity.
        self.costs: tuple[Array, Array] = 1.0 - pool.recovery, self.claim
        # By plan, and of each row.
        self.balance: tuple[Array, Array] | None = None
        self.outstanding: tuple[Array, Array] | None = None
        self.interest: tuple[Array, Array] | None = None
        self.purchases: tuple[Array, Array] | None = None
        if plan.needs_balance and pool.balance is not None:
            self.balance = plan.balance, pool.balance
        if plan.tests_outstanding and plan.row_outstanding is not None:
            self.outstanding = plan.outstanding, plan.row_outstanding
        if deal.terms.accounts == "two" and pool.interest is not None:
            self.interest = plan.collections - plan.principal, pool.interest
        if plan.row_purchases is not None and plan.purchases is not None:
            self.purchases = plan.purchases, plan.row_purchases
        lags, lag = np.unique(pool.lag, return_inverse=True)
        self.lag: Ints = lag
        self.arrival: Ints = arrival_date(self.times, lags[:, None])
        self.recovery: Array = (1.0 - plan.repurchase_share) * pool.recovery
        self.law: RecoveryLaw | None = plan.recovery_law
        # Whether equal defaults may bring different recoveries.
        self.drawn: bool = self.law is not None and self.law.random
        self.base: Array = plan.collections
        metrics = {c.metric for c in deal.covenants}
        self.needs_ratio: bool = "cumulative default ratio" in metrics
        self.needs_share: bool = "largest obligor share" in metrics
        self.ratio: Array = planned_state(plan)[0]
        self.performing: Array = self.claim[plan.performing].sum(axis=0)
        self.dust: float = DUST * self.claimed
        self.by_size: Ints | None = (
            np.argsort(-self.claim, axis=0, kind="stable") if self.needs_share else None
        )

    def pool_state(self, patterns: Patterns, sums: Sums | None = None) -> PoolState:
        """Collections and tests' inputs of every pattern, dates in rows."""
        n, size, share = self.n, patterns.parent.size, self.plan.repurchase_share
        columns, first, owner = patterns.columns, patterns.first, patterns.owner
        sums = sums or Sums(patterns)
        claimed = sums.at_default(self.claim)
        # In place, as defaults may be many. What comes back after the last date is left out.
        cell = self.lag.take(columns)
        cell *= n
        cell += first
        cell = self.arrival.take(cell)
        cell *= size
        cell += owner
        back = self.recovery.take(columns)
        if self.law is not None:
            back = (1.0 - share) * self.rates(patterns, claimed)
        back *= claimed
        arrived = np.bincount(cell, back, (n + 1) * size)
        del cell, back
        cash: Array = np.asarray(arrived[: n * size], np.float64).reshape(n, size)
        cash += self.base[:, None]
        state = PoolState(cash, active=patterns.active, parent=patterns.parent)
        lost = sums.total(self.schedule, self.plan.line)
        cash -= (1.0 - share) * lost
        # Sums of what is lost may pass what there was by rounding.
        np.maximum(cash, np.zeros(size), out=cash)
        if self.needs_ratio:
            state.default_ratio = sums.defaulted(self.claim) / (self.claimed or 1.0)
            state.default_ratio += self.ratio[:, None]
        if self.needs_share:
            # Date of default of every obligor in every pattern.
            when = np.full((len(self.schedule), size), n, np.int16)
            when[columns, owner] = first
            if self.plan.defaulted is not None:
                when[self.plan.defaulted] = 0
            gone = sums.total(self.claim, self.plan.line)
            state.largest_share = np.empty((n, size))
            for k in range(n):
                self._largest_share(k, when, gone[k], state.largest_share[k])
        if self.balance is not None:
            state.balance = self._performing(*self.balance, sums)
        if self.outstanding is not None:
            state.outstanding = self._performing(*self.outstanding, sums)
        if self.interest is not None:
            state.principal = cash - self._performing(*self.interest, sums, 1.0 - share)
        if self.purchases is not None:
            state.purchases = self._performing(*self.purchases, sums)
        if self.support:
            state.support_alive = np.arange(n)[:, None] < patterns.payer
        return state

    def rates(self, patterns: Patterns, claimed: Array) -> Array:
        """Recovery rate of each default, of which `claimed` is owed."""
        if self.law is None:
            return self.plan.deal.pool.recovery.take(patterns.columns)
        return self.law.rates(patterns.columns, patterns.first, claimed, patterns.returns)

    def severity(self, defaults: Defaults, paths: int) -> Array:
        """What is lost on each path in the end, money."""
        rows, columns, first = defaults
        share, claim = self.costs
        lost = share.take(columns) * claim.take(columns * self.n + first)
        return np.asarray(np.bincount(rows, lost, paths))

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

    def _performing(self, planned: Array, each: Array, sums: Sums, share: float = 1.0) -> Array:
        """Planned figure of the pool less (a share of) that of the obligors in default, dates in rows."""
        out = planned[:, None] - share * sums.total(each, self.plan.line)
        # What is left of a sum by rounding is no claim.
        np.putmask(out, out < DUST * max(float(planned.max()), 0.0), 0.0)
        return out
