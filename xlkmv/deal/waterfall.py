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
5. the account, while any tranche is outstanding; without excess coverage only as much as
   later dates need by plan; the rest goes to the holder of the residual.

Principal due on a date is what brings the balance down to plan, so what was missed stays
due; missed interest and fees are carried forward without interest on them. A **trap** keeps
all cash after step 3 in the account while the first rank is outstanding; a **turbo** makes
the whole balance due, rank by rank, so nothing passes the first rank until it is repaid. A
trigger looks at its covenant on each date before anything is paid, and stays on for good
unless the terms allow a cure. The undertaking is not reimbursed; cash earns nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from xlkmv.deal.covenants import Observation, breached, metric_value
from xlkmv.deal.stress import Stressed, pool_lognormal
from xlkmv.deal.terms import TOLERANCE, Deal
from xlkmv.errors import InputError
from xlkmv.model.domain import NOT_NEGATIVE, Array, check

__all__ = ["NORMAL", "TRAP", "TURBO", "PoolState", "Waterfall", "payments", "waterfall"]

NORMAL, TRAP, TURBO = 0, 1, 2
# Less than this share of all that was scheduled is what rounding leaves.
DUST = 1e-12


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
    largest_share : ndarray, shape (n, p), or None
        Share of the largest obligor in what performing obligors still owe.
    active : ndarray of int, shape (n,), or None
        How many paths differ from each other up to each date: those come first, and only
        they are computed on that date. None: all.
    parent : ndarray of int, shape (p,), or None
        The path before, computed the date before, that each path is like until it is computed.
        None: the first.
    """

    collections: Array
    support_alive: npt.NDArray[np.bool_] | None = None
    default_ratio: Array | None = None
    largest_share: Array | None = None
    active: npt.NDArray[np.int64] | None = None
    parent: npt.NDArray[np.int64] | None = None


def grown(x: npt.NDArray[Any], parent: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """Lengthen the last axis to one entry per parent: each new one is a copy of its parent's."""
    new = parent[x.shape[-1] :]
    return np.concatenate([x, x.take(new, axis=-1)], axis=-1) if new.size else x


@dataclass(frozen=True, slots=True, eq=False)
class Payment:
    """Payments of one date, over paths; or of all dates, in :class:`Waterfall`. Money, unless said otherwise.

    Attributes
    ----------
    fees_due, fees_paid : ndarray, shape (p,)
    interest_due, interest_paid, principal_due, principal_paid : ndarray, shape (k, p)
        What is due includes what was missed before. Paid principal exceeds what was due
        under a turbo, which makes no principal due but pays all it can.
    balance : ndarray, shape (k, p)
        Principal outstanding after the date.
    account, reserve : ndarray, shape (p,)
        Cash kept after the date.
    reserve_drawn, reserve_topped, reserve_released, support_drawn, residual : ndarray
        Flows of the date, shape (p,).
    trigger : ndarray of int, shape (p,)
        0 normal, 1 trap, 2 turbo.
    covenants : ndarray, shape (c, p)
        Values of the covenants' metrics; NaN where a test does not apply.
    breaches : ndarray of bool, shape (c, p)
        Tests that fail on the date.
    """

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
        """Interest due and not paid; missed before and still unpaid included."""
        return np.asarray(self.interest_due - self.interest_paid)

    @property
    def principal_missed(self) -> Array:
        """Principal due and not paid."""
        return np.maximum(self.principal_due - self.principal_paid, 0.0)

    @property
    def missed(self) -> Array:
        """Interest and principal due and not paid."""
        return np.asarray(self.interest_missed + self.principal_missed)


@dataclass(frozen=True, slots=True, eq=False)
class Waterfall(Payment):
    """What happened on all dates; leading axes are those of the collections before their dates.

    For collections of shape (..., n): per plan (..., n), per tranche (..., k, n), per
    covenant (..., c, n).

    Attributes
    ----------
    collections : ndarray, shape (..., n)
    """

    collections: Array

    @property
    def short(self) -> npt.NDArray[np.bool_]:
        """Whether a tranche misses anything on a date, shape (..., k, n)."""
        amount = (self.balance + self.principal_paid)[..., :1]
        return np.asarray(self.missed > TOLERANCE * amount)


def waterfall(
    plan: Stressed,
    collections: npt.ArrayLike | None = None,
    support_alive: npt.ArrayLike | None = None,
    default_ratio: npt.ArrayLike | None = None,
    largest_share: npt.ArrayLike | None = None,
    volatility: float | None = None,
    drift: float | None = None,
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
    volatility, drift : float, optional
        sigma and mu of the pool, used by a covenant on the senior DD only; those of
        :func:`~xlkmv.deal.stress.pool_lognormal` when left out.

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

    def as_planned(values: Array) -> Array:
        return np.repeat(values[:, None], cash.size // n, axis=1)

    planned_ratio, planned_share = planned_state(plan)
    alive = by_date(support_alive)
    state = PoolState(
        np.ascontiguousarray(cash.reshape(-1, n).T),
        None if alive is None else alive.astype(np.bool_),
        as_planned(planned_ratio) if default_ratio is None else by_date(default_ratio),
        as_planned(planned_share) if largest_share is None else by_date(largest_share),
    )
    sigma, mu = (0.0, 0.0)
    if any(c.metric == "senior DD" for c in plan.deal.covenants):
        sigma, mu = pool_lognormal(plan) if volatility is None else (volatility, drift or 0.0)
    dates = list(payments(plan, state, sigma, mu))

    def gather(name: str) -> Any:
        stacked = np.stack([getattr(p, name) for p in dates], axis=-1)  # ([rows,] paths, dates)
        if stacked.ndim == 3:
            stacked = np.moveaxis(stacked, 0, 1)
        return stacked.reshape(*lead, *stacked.shape[1:])

    return Waterfall(collections=cash, **{name: gather(name) for name in Payment.__dataclass_fields__})


def planned_state(plan: Stressed) -> tuple[Array, Array]:
    """Default ratio and largest share per date when nobody defaults after closing, shape (n,) each."""
    owed = plan.deal.pool.owed
    total = plan.deal.pool.schedule.sum()
    lost = 0.0 if plan.defaulted is None else float(owed[plan.defaulted, 0])
    performing = owed[plan.performing]
    remaining = performing.sum(axis=0)
    largest = performing.max(axis=0, initial=0.0)
    share = np.full(remaining.size, np.nan)
    np.divide(largest, remaining, out=share, where=remaining > DUST * total)
    return np.asarray(np.full(remaining.size, lost / total if total > 0.0 else 0.0)), share


def _pay(cash: Array, due: Array, paid: Array) -> None:
    """Pay what is due from the cash, pari passu over the rows; add to `paid`, reduce the cash."""
    if len(due) == 1:
        given = np.minimum(due, cash)
        paid += given
        cash -= given[0]
        return
    total = due.sum(axis=0)
    short = total > cash
    share = np.divide(cash, total, out=np.ones_like(total), where=short)
    paid += due * share
    cash -= total
    cash[short] = 0.0  # to the last digit


def _draw(source: Array, due: Array, paid: Array) -> Array:
    """Pay from `source` what is still missing, row by row; return what was drawn."""
    drawn = np.zeros_like(source)
    for row in range(len(due)):
        extra = np.minimum(np.maximum(due[row] - paid[row], 0.0), source)
        paid[row] += extra
        source -= extra
        drawn += extra
    return drawn


def _tested(
    deal: Deal, seen: Observation, on: npt.NDArray[np.bool_]
) -> tuple[Array, npt.NDArray[np.bool_], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Test every covenant, and update where it is `on`; values, breaches, paths in a trap and in a turbo."""
    paths = on.shape[1]
    values = np.empty((len(deal.covenants), paths))
    fails = np.empty(values.shape, np.bool_)
    trap, turbo = np.zeros(paths, np.bool_), np.zeros(paths, np.bool_)
    for c, covenant in enumerate(deal.covenants):
        values[c] = metric_value(covenant.metric, seen)
        fails[c] = breached(values[c], covenant.threshold, covenant.side)
        if covenant.consequence != "none" and deal.controls.triggers:
            on[c] = fails[c] if deal.terms.cure else on[c] | fails[c]
            switched = trap if covenant.consequence == "trap" else turbo
            switched |= on[c]
    return values, fails, trap, turbo


def _helped(
    plan: Stressed,
    needy: npt.NDArray[np.int64],
    rows: Sequence[tuple[Array, Array]],
    reserve: Array,
    alive: npt.NDArray[np.bool_] | None,
) -> tuple[Array, Array]:
    """Pay what needy paths still miss of rows of (due, paid) from reserve and undertaking; the draws."""
    due, paid = (np.array([row[side][needy] for row in rows]) for side in (0, 1))
    reserve_drawn, support_drawn = np.zeros_like(reserve), np.zeros_like(reserve)
    left = reserve[needy]
    reserve_drawn[needy] = _draw(left, due, paid)
    reserve[needy] = left
    if plan.deal.controls.support:
        purse = np.full(needy.size, np.inf)
        if alive is not None:
            purse[~alive[needy]] = 0.0
        support_drawn[needy] = _draw(purse, due, paid)
    for (_, row), got in zip(rows, paid, strict=True):
        row[needy] = got
    return reserve_drawn, support_drawn


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
    n, everyone = state.collections.shape
    active = np.full(n, everyone) if state.active is None else state.active
    parent = np.zeros(everyone, np.int64) if state.parent is None else state.parent
    times = terms.times
    accrual = np.diff(times, prepend=0.0)
    amount = np.array([t.amount for t in deal.tranches])
    coupon = np.array([t.coupon for t in deal.tranches])[:, None]
    closing = dues.opening - dues.principal
    closing[closing < TOLERANCE * amount[:, None]] = 0.0
    # Tranches come ordered by rank, so that the rows of a rank are a slice.
    edges = [0, *np.flatnonzero(np.diff(dues.ranks)) + 1, amount.size]
    first, *others = [slice(int(a), int(b)) for a, b in itertools.pairwise(edges)]
    protected = slice(0, int(plan.senior.sum()))
    rounding = 1e-3 * TOLERANCE * amount[:, None]
    pro_rata = terms.principal == "pro rata" and bool(others)

    senior_due = dues.ahead(0)
    accumulated_due = np.cumsum(senior_due)
    balance = amount[:, None]
    interest_arrears, fee_arrears = np.zeros_like(balance), np.zeros(1)
    account, reserve = np.zeros(1), np.full(1, plan.reserve)
    accumulated_in = np.zeros(1)
    on = np.zeros((len(deal.covenants), 1), dtype=np.bool_)

    for k in range(n):
        last, paths = k == n - 1, int(active[k])
        like = parent[:paths]
        balance, interest_arrears = grown(balance, like), grown(interest_arrears, like)
        fee_arrears, account = grown(fee_arrears, like), grown(account, like)
        reserve = grown(reserve, like).copy()
        on, nothing = grown(on, like), np.zeros(paths)
        collected = state.collections[k, :paths]
        accumulated_in = grown(accumulated_in, like) + collected
        seen = Observation(
            time=float(times[k]),
            collections=collected,
            accumulated_in=accumulated_in,
            due=float(senior_due[k]),
            accumulated_due=float(accumulated_due[k]),
            default_ratio=nothing if state.default_ratio is None else state.default_ratio[k, :paths],
            largest_share=nothing if state.largest_share is None else state.largest_share[k, :paths],
            reserve=reserve,
            reserve_target=plan.reserve,
            senior_outstanding=balance[protected].sum(axis=0) > 0.0,
            volatility=volatility,
            drift=drift,
        )
        values, fails, trap, turbo = _tested(deal, seen, on)

        cash = account + collected
        fees_due = terms.fee_rate * accrual[k] * balance.sum(axis=0) + fee_arrears
        interest_due = coupon * accrual[k] * balance + interest_arrears
        principal_due = np.maximum(balance - closing[:, k, None], 0.0)
        wanted = np.where(turbo, balance, principal_due) if turbo.any() else principal_due
        interest, principal = np.zeros_like(balance), np.zeros_like(balance)

        # 1. Senior fees.
        fees = np.minimum(fees_due, cash)
        cash -= fees
        # 2. The first rank; pro rata, with the interest of all and the principal of all.
        _pay(cash, interest_due[first], interest[first])
        if pro_rata:
            shared = ~(trap | turbo)
            common = np.where(shared, cash, 0.0)
            cash[shared] = 0.0
            for rank in others:
                _pay(common, interest_due[rank], interest[rank])
            _pay(common, np.where(shared, principal_due, 0.0), principal)
            cash += common
            interest_left = np.maximum(interest_due - interest, 0.0)
            wanted = np.maximum(wanted - principal, 0.0)
            _pay(cash, np.where(shared, 0.0, wanted[first]), principal[first])
        else:
            interest_left = interest_due
            _pay(cash, wanted[first], principal[first])

        # What is still missed of it: reserve, then undertaking.
        reserve_drawn = support_drawn = nothing
        missing = (interest_due[protected] > interest[protected]) | (
            principal_due[protected] > principal[protected]
        )
        needy = np.flatnonzero(missing.any(axis=0) | (fees_due > fees))
        if needy.size and (plan.reserve > 0.0 or controls.support):
            rows = [(fees_due, fees), *zip(interest_due[protected], interest[protected], strict=True)]
            rows += zip(principal_due[protected], principal[protected], strict=True)
            alive = None if state.support_alive is None else state.support_alive[k]
            reserve_drawn, support_drawn = _helped(plan, needy, rows, reserve, alive)

        # 3. The reserve account. The first rank is outstanding while principal or interest of it is.
        owed = balance[protected] - principal[protected] + (interest_due[protected] - interest[protected])
        held = (owed > rounding[protected]).any(axis=0) if not last else np.zeros(paths, np.bool_)
        released = topped = nothing
        if plan.reserve > 0.0:
            released = np.where(held, 0.0, reserve)
            topped = np.where(held, np.minimum(plan.reserve - reserve, cash), 0.0)
            reserve = reserve + (topped - released)
            cash += released - topped

        # 4. The following ranks, unless their cash is trapped.
        trapped = nothing
        if others:
            if trap.any():
                trapped = np.where(trap & held, cash, 0.0)
                cash -= trapped
            for rank in others:
                _pay(cash, interest_left[rank], interest[rank])
                _pay(cash, wanted[rank], principal[rank])
        balance = balance - principal
        balance[balance < rounding] = 0.0
        interest_arrears = np.maximum(interest_due - interest, 0.0)
        # 5. The account, then the residual: cash of early dates is for all who have still to be paid.
        kept = np.zeros(paths)
        if not last:
            owed_later = ((balance > 0.0) | (interest_arrears > rounding)).any(axis=0)
            kept = np.where(held | owed_later, np.minimum(cash, plan.retained[k]), 0.0)
            if trap.any():
                kept = np.where(trap & held, cash, kept)
        account = trapped + kept
        residual = cash - kept
        fee_arrears = fees_due - fees
        yield Payment(
            fees_due=fees_due,
            fees_paid=fees,
            interest_due=interest_due,
            interest_paid=interest,
            principal_due=principal_due,
            principal_paid=principal,
            balance=balance,
            account=account,
            reserve=reserve,
            reserve_drawn=reserve_drawn,
            reserve_topped=topped,
            reserve_released=released,
            support_drawn=support_drawn,
            residual=residual,
            trigger=np.where(turbo, TURBO, np.where(trap, TRAP, NORMAL)).astype(np.int8),
            covenants=values,
            breaches=fails,
        )
