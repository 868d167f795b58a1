"""What the plan owes on each date if everything goes to plan."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from xlkmv.deal.terms import SCHEDULE, TOLERANCE, Deal, Tranche
from xlkmv.model.domain import Array

__all__ = ["Dues", "coupon_rates", "outstanding_dues", "planned_dues", "settled_dues"]


@dataclass(frozen=True, slots=True, eq=False)
class Dues:
    """Scheduled payments; tranches in the order of ``deal.tranches``, dates in columns.

    Attributes
    ----------
    fees : ndarray, shape (n,)
        Senior fees, money.
    opening : ndarray, shape (k, n)
        Largest balance of each tranche before the payment of the date that is not too large, money.
    interest, principal : ndarray, shape (k, n)
        Due to each tranche on each date, money; principal of pass-through classes at their legal
        final.
    ranks : ndarray, shape (k,)
    coupons : ndarray, shape (k, n)
        Rate of each period, per annum.
    expected : ndarray, shape (k, n), or None
        Principal as the plan without defaults pays it; None where that is when it falls due.
    deferred : ndarray, shape (k, n), or None
        Interest when it falls due at last: that of deferrable classes at their legal final;
        None where no class is deferrable.
    interest_first : bool
        Whether interest of all ranks comes before principal of any:
        :attr:`~xlkmv.deal.terms.Terms.interest_leads`.
    """

    fees: Array
    opening: Array
    interest: Array
    principal: Array
    ranks: Array
    coupons: Array
    expected: Array | None = None
    deferred: Array | None = None
    interest_first: bool = False

    def due(self, expected: bool = False) -> tuple[Array, Array]:
        """Interest and principal per tranche and date, shape (k, n) each.

        Parameters
        ----------
        expected : bool
            As the plan without defaults pays them, in place of when they fall due at last.
        """
        if expected:
            return self.interest, self.principal if self.expected is None else self.expected
        return self.interest if self.deferred is None else self.deferred, self.principal

    def ahead(self, tranche: int, expected: bool = False) -> Array:
        """Fees, interest and principal due per date to a tranche and all that ranks with or ahead of it.

        Where interest of all ranks comes before principal of any, all of it is ahead.

        Parameters
        ----------
        tranche : int
            Position in ``deal.tranches``.
        expected : bool
            As in :meth:`due`.

        Returns
        -------
        ndarray, shape (n,)
            Money per date, not accumulated.
        """
        counted = self.ranks <= self.ranks[tranche]
        interest, principal = self.due(expected)
        if self.interest_first:
            return np.asarray(self.fees + interest.sum(axis=0) + principal[counted].sum(axis=0))
        return np.asarray(self.fees + (interest + principal)[counted].sum(axis=0))

    def total(self, expected: bool = False) -> Array:
        """Fees, interest and principal due per date to all tranches, shape (n,), money.

        Parameters
        ----------
        expected : bool
            As in :meth:`due`.
        """
        interest, principal = self.due(expected)
        return np.asarray(self.fees + (interest + principal).sum(axis=0))


def coupon_rates(deal: Deal) -> Array:
    """Rate of every class in every period, shape (k, n), per annum.

    A floating coupon is ``base + margin`` with the base rate in force at the start of the period,
    within its floor and cap, and never below 0.
    """
    starts = (deal.terms.closing, *deal.terms.dates[:-1])
    rates = np.empty((len(deal.tranches), len(starts)))
    for row, t in enumerate(deal.tranches):
        rates[row] = t.coupon
        if t.base:
            floating = deal.terms.curve(t.base).at(starts) + t.margin
            rates[row] = np.clip(floating, max(t.floor or 0.0, 0.0), 1.0 if t.cap is None else t.cap)
    return rates


def planned_dues(deal: Deal, collections: Array | None = None, pool: Array | None = None) -> Dues:
    """Schedule of fees, interest and principal of every tranche.

    Interest is ``coupon x opening balance x year fraction``; fees are ``fee rate x
    outstanding notes (or pool) x year fraction``, and the fee in money; principal falls due by
    the payment type of the tranche (:class:`~xlkmv.deal.terms.Tranche`). Of pass-through classes
    this is the schedule by which they must have been repaid: :func:`settled_dues` has the other.

    Parameters
    ----------
    deal : Deal
    collections : ndarray, shape (n,), optional
        Planned collections; those of the pool's own schedule when left out.
    pool : ndarray, shape (n,), optional
        Balance of the pool before each date, for fees on it.

    Returns
    -------
    Dues
    """
    terms = deal.terms
    accrual = np.diff(terms.times, prepend=0.0)
    flows = deal.pool.collections if collections is None else collections
    principal = np.array([_principal(deal, t, flows) for t in deal.tranches])
    amounts = np.array([t.amount for t in deal.tranches])
    coupons = coupon_rates(deal)
    opening = amounts[:, None] - np.cumsum(principal, axis=1) + principal
    # The last instalment leaves nothing but rounding behind.
    opening = np.where(opening < 1e-9 * amounts[:, None], 0.0, opening)
    interest = coupons * opening * accrual
    return Dues(
        fees=_fees(deal, opening, pool, accrual),
        opening=opening,
        interest=interest,
        principal=principal,
        ranks=np.array([float(t.rank) for t in deal.tranches]),
        coupons=coupons,
        deferred=_deferred(deal, interest),
        interest_first=terms.interest_leads,
    )


def settled_dues(deal: Deal, dues: Dues, opening: Array, paid: Array, pool: Array | None) -> Dues:
    """Dues of a plan with pass-through classes, given how it runs without defaults.

    Parameters
    ----------
    deal : Deal
    dues : Dues
        From :func:`planned_dues`.
    opening, paid : ndarray, shape (k, n)
        Balance before each date, and principal paid on it, without defaults.
    pool : ndarray, shape (n,), or None
        Balance of the pool before each date.

    Returns
    -------
    Dues
    """
    accrual = np.diff(deal.terms.times, prepend=0.0)
    through = deal.passes_through[:, None]
    balance = np.where(through, opening, dues.opening)
    interest = dues.coupons * balance * accrual
    expected = np.where(through, paid, dues.principal)
    for row in np.flatnonzero(deal.passes_through).tolist():
        # What the plan has not repaid by then is due.
        last = deal.legal_final(deal.tranches[row])
        rest = deal.tranches[row].amount - expected[row, : last + 1].sum()
        expected[row, last] += rest if abs(rest) > TOLERANCE * deal.tranches[row].amount else 0.0
        expected[row, last + 1 :] = 0.0
    return replace(
        dues,
        fees=_fees(deal, balance, pool, accrual),
        interest=interest,
        expected=np.maximum(expected, 0.0),
        deferred=_deferred(deal, interest),
    )


def outstanding_dues(deal: Deal, dues: Dues, seen: int, notes: Array, pool: Array | None = None) -> Dues:
    """Dues of a plan as seen from a later date: what is repaid ahead of it bears no interest and no fees.

    Parameters
    ----------
    deal : Deal
    dues : Dues
        Of the plan.
    seen : int
        Dates that have passed: what was due on these stays.
    notes : ndarray, shape (k,)
        Outstanding now, money. Principal falls due as by plan, so that what is ahead of it is repaid next.
    pool : ndarray, shape (n,), optional
        By how much the pool before each date is smaller than by plan, money, for fees on it.

    Returns
    -------
    Dues
    """
    terms, opening = deal.terms, dues.opening
    accrual, amount = np.diff(terms.times, prepend=0.0), dues.opening[:, :1]
    if dues.expected is not None:
        by_plan = amount - np.cumsum(dues.expected, axis=1) + dues.expected
        opening = np.where(deal.passes_through[:, None], by_plan, opening)
    spared = opening - notes[:, None]
    spared[(spared <= TOLERANCE * amount) | (np.arange(accrual.size) < seen)] = 0.0
    fees = spared.sum(axis=0) if terms.fee_base == "notes" else pool
    less = 0.0 if fees is None else terms.fee_rate * accrual * fees
    interest = np.maximum(dues.interest - dues.coupons * spared * accrual, 0.0)
    return replace(
        dues,
        fees=np.maximum(dues.fees - less, 0.0),
        interest=interest,
        deferred=None if dues.deferred is None else _deferred(deal, interest),
    )


def _fees(deal: Deal, opening: Array, pool: Array | None, accrual: Array) -> Array:
    terms = deal.terms
    base = opening.sum(axis=0) if terms.fee_base == "notes" or pool is None else pool
    fees = np.asarray(terms.fee_rate * base * accrual)
    return fees + terms.fee_amount if terms.fee_amount > 0.0 else fees


def _deferred(deal: Deal, interest: Array) -> Array | None:
    """Interest by the dates on which it can no longer wait; a class of the first rank never may."""
    rows = [i for i, t in enumerate(deal.tranches) if t.deferrable and t.rank > deal.tranches[0].rank]
    if not rows:
        return None
    out = interest.copy()
    for row in rows:
        last = deal.legal_final(deal.tranches[row])
        out[row, last] = interest[row, : last + 1].sum()
        out[row, :last] = 0.0
    return out


def _principal(deal: Deal, tranche: Tranche, collections: Array) -> Array:
    due = np.zeros(collections.size)
    last = deal.expected(tranche)
    if tranche.passes_through:
        due[deal.legal_final(tranche)] = tranche.amount
    elif tranche.payment == SCHEDULE:
        due[:] = tranche.schedule
        # The sum may differ from the amount by what a sheet rounds.
        due *= tranche.amount / due.sum()
    elif tranche.payment == "bullet":
        due[last] = tranche.amount
    elif tranche.payment == "straight-line":
        due[: last + 1] = tranche.amount / (last + 1)
    elif (total := collections[: last + 1].sum()) > 0.0:
        due[: last + 1] = tranche.amount * (collections[: last + 1] / total)
    else:  # nothing is collected up to the maturity, so that only the maturity is left
        due[last] = tranche.amount
    return due
