"""What the plan owes on each date if everything goes to plan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xlkmv.deal.terms import Deal, Tranche
from xlkmv.model.domain import Array

__all__ = ["Dues", "planned_dues"]


@dataclass(frozen=True, slots=True, eq=False)
class Dues:
    """Scheduled payments; tranches in the order of ``deal.tranches``, dates in columns.

    Attributes
    ----------
    fees : ndarray, shape (n,)
        Senior fees, money.
    opening : ndarray, shape (k, n)
        Balance of each tranche before the payment of the date, money.
    interest, principal : ndarray, shape (k, n)
        Due to each tranche on each date, money.
    ranks : ndarray, shape (k,)
    """

    fees: Array
    opening: Array
    interest: Array
    principal: Array
    ranks: Array

    def ahead(self, tranche: int) -> Array:
        """Fees, interest and principal due per date to a tranche and all that ranks with or ahead of it.

        Parameters
        ----------
        tranche : int
            Position in ``deal.tranches``.

        Returns
        -------
        ndarray, shape (n,)
            Money per date, not accumulated.
        """
        counted = self.ranks <= self.ranks[tranche]
        return np.asarray(self.fees + (self.interest + self.principal)[counted].sum(axis=0))

    @property
    def total(self) -> Array:
        """Everything due per date, shape (n,)."""
        return np.asarray(self.fees + (self.interest + self.principal).sum(axis=0))


def planned_dues(deal: Deal) -> Dues:
    """Schedule of fees, interest and principal of every tranche.

    Interest is ``coupon x opening balance x year fraction``; fees are ``fee rate x
    outstanding notes x year fraction``; principal falls due by the payment type of the
    tranche (:class:`~xlkmv.deal.terms.Tranche`).

    Parameters
    ----------
    deal : Deal

    Returns
    -------
    Dues
    """
    accrual = np.diff(deal.terms.times, prepend=0.0)
    collections = deal.pool.collections
    principal = np.array(
        [_principal(t, deal.terms.dates.index(t.maturity), collections) for t in deal.tranches]
    )
    amounts = np.array([t.amount for t in deal.tranches])
    coupons = np.array([t.coupon for t in deal.tranches])
    opening = amounts[:, None] - np.cumsum(principal, axis=1) + principal
    # The last instalment leaves nothing but rounding behind.
    opening = np.where(opening < 1e-9 * amounts[:, None], 0.0, opening)
    return Dues(
        fees=deal.terms.fee_rate * opening.sum(axis=0) * accrual,
        opening=opening,
        interest=coupons[:, None] * opening * accrual,
        principal=principal,
        ranks=np.array([float(t.rank) for t in deal.tranches]),
    )


def _principal(tranche: Tranche, last: int, collections: Array) -> Array:
    due = np.zeros(collections.size)
    if tranche.payment == "bullet":
        due[last] = tranche.amount
    elif tranche.payment == "straight-line":
        due[: last + 1] = tranche.amount / (last + 1)
    elif (total := collections[: last + 1].sum()) > 0.0:
        due[: last + 1] = tranche.amount * (collections[: last + 1] / total)
    else:  # nothing is collected up to the maturity, so that only the maturity is left
        due[last] = tranche.amount
    return due
