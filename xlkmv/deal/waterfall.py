"""The priority of payments: what each party gets on each date, whatever comes in.

On every payment date the cash in hand (collections of the period and what the account
kept) goes, in this order, to

1. senior fees;
2. the tranches of the first rank: interest, then principal that is due, pari passu within
   the rank. What they still miss is drawn from the reserve account, then from the shortfall
   undertaking while its payer is alive;
3. the reserve account, up to its size at closing, until the first rank is repaid, which
   releases it;
4. the following ranks in turn: interest, then principal due. With principal "pro rata" and
   no trigger on, interest of all ranks comes before principal of any, and principal is
   shared in proportion to what is due;
5. the account, while the first rank is outstanding, if excess coverage is on; otherwise,
   and once the first rank is repaid, the holder of the residual.

Principal due on a date is what brings the balance down to plan, so what was missed stays
due; missed interest and fees are carried forward without interest on them. A **trap** keeps
all cash after step 3 in the account while the first rank is outstanding; a **turbo** makes
the whole balance due, rank by rank, so nothing passes the first rank until it is repaid. A
trigger looks at its covenant on each date before anything is paid, and stays on for good
unless the terms allow a cure. The undertaking is not reimbursed; cash earns nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from xlkmv.deal.covenants import Observation, breached, metric_value
from xlkmv.deal.stress import Stressed
from xlkmv.errors import InputError
from xlkmv.model.domain import NOT_NEGATIVE, Array, check

__all__ = ["NORMAL", "TOLERANCE", "TRAP", "TURBO", "PoolState", "Waterfall", "payments", "waterfall"]

NORMAL, TRAP, TURBO = 0, 1, 2
# A payment is missed when more than this share of the tranche's amount is not paid.
TOLERANCE = 1e-9


@dataclass(slots=True)
class PoolState:
    """What the pool does on a set of paths, dates in rows and paths in columns.

    Attributes
    ----------
    collections : ndarray, shape (n, p)
        Per period, money.
    support_alive : ndarray of bool, shape (n, p), or None
        Whether the payer of the undertaking can pay; None: always.
    default_ratio : ndarray, shape (n, p), or None
        Accumulated defaults as a share of all scheduled collections; None: 0.
    largest_share : ndarray, shape (n, p) or (n, 1), or None
        Share of the largest obligor in what performing obligors still owe.
    """

    collections: Array
    support_alive: npt.NDArray[np.bool_] | None = None
    default_ratio: Array | None = None
    largest_share: Array | None = None


@dataclass(slots=True)
class Payment:
    """One date of the waterfall; money vectors over paths, tranches in rows where there are any."""

    fees_due: Array
    fees_paid: Array
    interest_due: Array
    interest_paid: Array
    principal_due: Array
    principal_paid: Array
    balance: Array
    account: Array
    reserve: Array
    reserve_drawn: Array
    reserve_topped: Array
    reserve_released: Array
    support_drawn: Array
    residual: Array
    trigger: npt.NDArray[np.int8]
    covenants: Array
    breaches: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Waterfall:
    """What happened; leading axes are those of the collections before their dates.

    For collections of shape (..., n): per tranche (..., k, n), per plan (..., n), per
    covenant (..., c, n). Money, unless said otherwise.

    Attributes
    ----------
    collections, fees_due, fees_paid : ndarray, shape (..., n)
    interest_due, interest_paid, principal_due, principal_paid : ndarray, shape (..., k, n)
        What is due includes what was missed before. Paid principal exceeds what was due
        under a turbo, which makes no principal due but pays all it can.
    balance : ndarray, shape (..., k, n)
        Principal outstanding after the date.
    account, reserve : ndarray, shape (..., n)
        Cash kept after the date.
    reserve_drawn, reserve_topped, reserve_released, support_drawn, residual : ndarray
        Flows of the date, shape (..., n).
    trigger : ndarray of int, shape (..., n)
        0 normal, 1 trap, 2 turbo.
    covenants : ndarray, shape (..., c, n)
        Values of the covenants' metrics; NaN where a test does not apply.
    breaches : ndarray of bool, shape (..., c, n)
        Tests that fail on the date.
    """

    collections: Array
    fees_due: Array
    fees_paid: Array
    interest_due: Array
    interest_paid: Array
    principal_due: Array
    principal_paid: Array
    balance: Array
    account: Array
    reserve: Array
    reserve_drawn: Array
    reserve_topped: Array
    reserve_released: Array
    support_drawn: Array
    residual: Array
    trigger: npt.NDArray[np.int8]
    covenants: Array
    breaches: npt.NDArray[np.bool_]

    @property
    def interest_missed(self) -> Array:
        """Interest due and not paid, shape (..., k, n); missed before and still unpaid included."""
        return np.asarray(self.interest_due - self.interest_paid)

    @property
    def principal_missed(self) -> Array:
        """Principal due and not paid, shape (..., k, n)."""
        return np.maximum(self.principal_due - self.principal_paid, 0.0)

    @property
    def short(self) -> npt.NDArray[np.bool_]:
        """Whether a tranche misses anything on a date, shape (..., k, n)."""
        amount = (self.balance + self.principal_paid)[..., :1]
        return np.asarray(self.interest_missed + self.principal_missed > TOLERANCE * amount)


def waterfall(
    plan: Stressed,
    collections: npt.ArrayLike | None = None,
    support_alive: npt.ArrayLike | None = None,
    default_ratio: npt.ArrayLike | None = None,
    largest_share: npt.ArrayLike | None = None,
    volatility: float = 0.1,
    drift: float = 0.0,
) -> Waterfall:
    """Run the priority of payments and keep everything.

    Parameters
    ----------
    plan : Stressed
        From :func:`~xlkmv.deal.stress.apply`.
    collections : array_like, shape (..., n), optional
        What comes in per period, money, >= 0; as planned when left out.
    support_alive : array_like of bool, default_ratio, largest_share : array_like, optional
        State of the payer of the undertaking and of the pool, of the shape of the
        collections: see :class:`PoolState`. As planned when left out.
    volatility, drift : float
        sigma and mu of the pool, used by a covenant on the senior DD only.

    Returns
    -------
    Waterfall

    Raises
    ------
    InputError, DomainError
        When the collections do not fit the payment dates, or are negative.
    """
    n = len(plan.deal.terms.dates)
    cash = check("collections", plan.collections if collections is None else collections, NOT_NEGATIVE)
    if cash.ndim == 0 or cash.shape[-1] != n:
        raise InputError("collections", f"must have one value per payment date ({n})", f"shape {cash.shape}")
    lead = cash.shape[:-1]

    def by_date(values: npt.ArrayLike | None) -> Array | None:
        if values is None:
            return None
        spread: Array = np.broadcast_to(np.asarray(values), cash.shape).reshape(-1, n)
        return np.ascontiguousarray(spread.T)

    planned_ratio, planned_share = planned_state(plan)
    alive = by_date(support_alive)
    state = PoolState(
        np.ascontiguousarray(cash.reshape(-1, n).T),
        None if alive is None else alive.astype(np.bool_),
        planned_ratio[:, None] if default_ratio is None else by_date(default_ratio),
        planned_share[:, None] if largest_share is None else by_date(largest_share),
    )
    dates = list(payments(plan, state, volatility, drift))

    def gather(name: str) -> Any:
        stacked = np.stack([getattr(p, name) for p in dates], axis=-1)  # ([rows,] paths, dates)
        if stacked.ndim == 3:
            stacked = np.moveaxis(stacked, 0, 1)
        return stacked.reshape(*lead, *stacked.shape[1:])

    return Waterfall(cash, **{name: gather(name) for name in Payment.__dataclass_fields__})


def planned_state(plan: Stressed) -> tuple[Array, Array]:
    """Default ratio and largest share per date when nobody defaults after closing, shape (n,) each."""
    owed = np.cumsum(plan.deal.pool.schedule[:, ::-1], axis=1)[:, ::-1]
    total = plan.deal.pool.schedule.sum()
    lost = 0.0 if plan.defaulted is None else float(owed[plan.defaulted, 0])
    performing = owed[plan.performing]
    remaining = performing.sum(axis=0)
    largest = performing.max(axis=0, initial=0.0)
    share = np.full(remaining.size, np.nan)
    np.divide(largest, remaining, out=share, where=remaining > 0.0)
    return np.asarray(np.full(remaining.size, lost / total if total > 0.0 else 0.0)), share


def _pay(cash: Array, due: Array) -> Array:
    """Pay what is due from the cash, pari passu over the rows of `due`; the cash is reduced."""
    if len(due) == 1:
        paid: Array = np.minimum(due, cash)
        cash -= paid[0]
        return paid
    total = due.sum(axis=0)
    share = np.divide(np.minimum(cash, total), total, out=np.zeros_like(total), where=total > 0.0)
    paid = due * share
    # The division may round a payment above the cash by a last digit.
    np.maximum(cash - paid.sum(axis=0), 0.0, out=cash)
    return paid


def _draw(source: Array, due: Array, paid: Array) -> Array:
    """Pay from `source` what is still missing, row by row; return what was drawn."""
    drawn = np.zeros_like(source)
    for row in range(len(due)):
        extra = np.minimum(np.maximum(due[row] - paid[row], 0.0), source)
        paid[row] += extra
        source -= extra
        drawn += extra
    return drawn


def payments(plan: Stressed, state: PoolState, volatility: float, drift: float) -> Iterator[Payment]:
    """Yield the payments date by date for many paths at once.

    Parameters
    ----------
    plan : Stressed
    state : PoolState
        Dates in rows, paths in columns.
    volatility, drift : float
        Of the pool, for a covenant on the senior DD.

    Yields
    ------
    Payment
        Its arrays are not touched again.
    """
    deal, dues = plan.deal, plan.dues
    terms, controls = deal.terms, deal.controls
    n, paths = state.collections.shape
    accrual = np.diff(terms.times, prepend=0.0)
    amount = np.array([t.amount for t in deal.tranches])
    coupon = np.array([t.coupon for t in deal.tranches])[:, None]
    closing = dues.opening - dues.principal
    closing[closing < TOLERANCE * amount[:, None]] = 0.0
    ranks = [np.flatnonzero(dues.ranks == r) for r in np.unique(dues.ranks)]
    first, others = ranks[0], ranks[1:]
    protected = np.flatnonzero(plan.senior)
    pro_rata = terms.principal == "pro rata" and bool(others)
    acting = [c.consequence != "none" and controls.triggers for c in deal.covenants]

    senior_due = dues.ahead(int(first[0]))
    accumulated_due = np.cumsum(senior_due)
    nothing = np.zeros(paths)
    balance = np.repeat(amount[:, None], paths, axis=1)
    interest_arrears, fee_arrears = np.zeros_like(balance), nothing
    account, reserve = np.zeros(paths), np.full(paths, plan.reserve)
    accumulated_in = np.zeros(paths)
    on = np.zeros((len(deal.covenants), paths), dtype=np.bool_)

    for k in range(n):
        last = k == n - 1
        accumulated_in = accumulated_in + state.collections[k]
        seen = Observation(
            time=float(terms.times[k]),
            collections=state.collections[k],
            accumulated_in=accumulated_in,
            due=float(senior_due[k]),
            accumulated_due=float(accumulated_due[k]),
            default_ratio=nothing if state.default_ratio is None else state.default_ratio[k],
            largest_share=nothing if state.largest_share is None else state.largest_share[k],
            reserve=reserve,
            reserve_target=plan.reserve,
            senior_outstanding=balance[protected].sum(axis=0) > 0.0,
            volatility=volatility,
            drift=drift,
        )
        values = np.empty((len(deal.covenants), paths))
        fails = np.empty(values.shape, np.bool_)
        trap, turbo = np.zeros(paths, np.bool_), np.zeros(paths, np.bool_)
        for c, covenant in enumerate(deal.covenants):
            values[c] = metric_value(covenant.metric, seen)
            fails[c] = breached(values[c], covenant.threshold, covenant.side)
            if acting[c]:
                on[c] = fails[c] if terms.cure else on[c] | fails[c]
                switched = trap if covenant.consequence == "trap" else turbo
                switched |= on[c]

        cash = account + state.collections[k]
        fees_due = terms.fee_rate * accrual[k] * balance.sum(axis=0) + fee_arrears
        interest_due = coupon * accrual[k] * balance + interest_arrears
        principal_due = np.maximum(balance - closing[:, k, None], 0.0)
        wanted = np.where(turbo, balance, principal_due) if turbo.any() else principal_due
        interest, principal = np.zeros_like(balance), np.zeros_like(balance)

        fees = _pay(cash, fees_due[None])
        interest[first] = _pay(cash, interest_due[first])
        if pro_rata:
            shared = ~(trap | turbo)
            common = np.where(shared, cash, 0.0)
            cash[shared] = 0.0
            for rank in others:
                interest[rank] = _pay(common, interest_due[rank])
            principal += _pay(common, np.where(shared, principal_due, 0.0))
            cash += common
            interest_left = np.maximum(interest_due - interest, 0.0)
            wanted = np.maximum(wanted - principal, 0.0)
            principal[first] += _pay(cash, np.where(shared, 0.0, wanted[first]))
        else:
            interest_left = interest_due
            principal[first] = _pay(cash, wanted[first])

        # Reserve, then undertaking: fees, interest and scheduled principal of the first rank.
        needs = np.concatenate([fees_due[None], interest_due[protected], principal_due[protected]])
        got = np.concatenate([fees, interest[protected], principal[protected]])
        reserve = reserve.copy()
        reserve_drawn = support_drawn = nothing
        if (needs > got).any():
            if plan.reserve > 0.0:
                reserve_drawn = _draw(reserve, needs, got)
            if controls.support:
                source = np.full(paths, np.inf)
                if state.support_alive is not None:
                    source = np.where(state.support_alive[k], np.inf, 0.0)
                support_drawn = _draw(source, needs, got)
            fees, count = got[:1], len(protected)
            interest[protected], principal[protected] = got[1 : 1 + count], got[1 + count :]

        balance = balance - principal
        balance[balance < TOLERANCE * 1e-3 * amount[:, None]] = 0.0
        interest_arrears = interest_due - interest
        outstanding = (balance[protected] + interest_arrears[protected]).sum(axis=0) > 0.0
        held = outstanding & (not last)
        released = np.where(held, 0.0, reserve)
        reserve -= released
        topped = np.where(held, np.minimum(np.maximum(plan.reserve - reserve, 0.0), cash), 0.0)
        reserve += topped
        cash += released - topped

        trapped = nothing
        if others:
            if trap.any():
                trapped = np.where(trap & held, cash, 0.0)
                cash -= trapped
            for rank in others:
                extra = _pay(cash, interest_left[rank])
                interest[rank] += extra
                repaid = _pay(cash, np.minimum(wanted[rank], balance[rank]))
                principal[rank] += repaid
                balance[rank] -= repaid
            balance[balance < TOLERANCE * 1e-3 * amount[:, None]] = 0.0
            interest_arrears = interest_due - interest
        kept = np.where((trap | controls.excess_coverage) & held, cash, 0.0)
        account = trapped + kept
        residual = cash - kept
        fee_arrears = fees_due - fees[0]
        yield Payment(
            fees_due=fees_due,
            fees_paid=fees[0],
            interest_due=interest_due,
            interest_paid=interest,
            principal_due=principal_due,
            principal_paid=principal,
            balance=balance.copy() if others else balance,
            account=account,
            reserve=reserve.copy(),
            reserve_drawn=reserve_drawn,
            reserve_topped=topped,
            reserve_released=released,
            support_drawn=support_drawn,
            residual=residual,
            trigger=np.where(turbo, TURBO, np.where(trap, TRAP, NORMAL)).astype(np.int8),
            covenants=values,
            breaches=fails,
        )
