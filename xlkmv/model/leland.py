"""A firm that chooses its debt and when to default on it (Leland 1994).

Debt is perpetual and pays the coupon C; owners pay it as long as equity is worth something, so that
default comes when assets fall to V_B, which follows from C. Of all coupons the best one makes the
firm, debt and equity together, worth most: tax saved against what bankruptcy costs.

References
----------
H. E. Leland, "Corporate debt value, bond covenants, and optimal capital structure", Journal of
Finance 49(4) (1994).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from xlkmv.model.domain import PROBABILITY, Array, Rule, check
from xlkmv.shown import Shown

__all__ = ["LELAND_RULES", "OptimalDebt", "optimal_debt"]

LELAND_RULES = {
    "rate": Rule("must be >= 0.0001 and <= 1 (a decimal: 0.06 means 6 %)", 0.0001, 1.0),
    "bankruptcy_cost": PROBABILITY,
    "tax": Rule("must be >= 0.0001 and < 1 (a decimal: 0.35 means 35 %)", 0.0001, 1.0, high_open=True),
}
"""What the arguments of :func:`optimal_debt` may be: without interest or tax no debt is best."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class OptimalDebt(Shown):
    """The best debt of a firm; arrays of one shape.

    Attributes
    ----------
    coupon : ndarray
        C*, money a year.
    boundary : ndarray
        V_B, asset value at which the owners default, money.
    default_price : ndarray
        (V/V_B)^-X, value today of 1 paid at default.
    debt, firm_value : ndarray
        D*, v*, money; equity is what they differ by.
    leverage : ndarray
        D*/v*.
    spread : ndarray
        C*/D* - r, per annum.
    """

    coupon: Array
    boundary: Array
    default_price: Array
    debt: Array
    firm_value: Array
    leverage: Array
    spread: Array


def optimal_debt(
    asset_value: Any, volatility: Any, rate: Any = 0.06, bankruptcy_cost: Any = 0.5, tax: Any = 0.35
) -> OptimalDebt:
    """Best coupon, and the firm under it (Leland 1994).

    With X = 2r/sigma^2 and q = (V/V_B)^-X::

        D   = C/r + [(1 - alpha) V_B - C/r] q
        v   = V + tau C/r (1 - q) - alpha V_B q
        V_B = (1 - tau) C/(r + sigma^2/2)
        C*  = V [(1 + X) h]^(-1/X)
        h   = [1 + X + alpha (1 - tau) X/tau] m,  m = [(1 - tau) X/(r (1 + X))]^X/(1 + X)

    C* in V_B leaves q* = 1/[1 + X (1 + alpha (1 - tau)/tau)] and V_B* = V q*^(1/X), which is computed.

    Parameters
    ----------
    asset_value : array_like
        V, money.
    volatility : array_like
        sigma, per annum, decimal.
    rate : array_like
        r, per annum, continuously compounded; 0.0001 to 1.
    bankruptcy_cost : array_like
        alpha, share of the assets that default destroys, 0 to 1.
    tax : array_like
        tau, rate at which the coupon saves tax; 0.0001 to below 1.

    Returns
    -------
    OptimalDebt
        Of the broadcast shape. The defaults are Leland's base case.

    Raises
    ------
    DomainError
        When an input breaks its rule.
    """
    V, sigma, r, alpha, tau = np.broadcast_arrays(
        check("asset_value", asset_value),
        check("volatility", volatility),
        *(
            check(name, value, LELAND_RULES[name])
            for name, value in (("rate", rate), ("bankruptcy_cost", bankruptcy_cost), ("tax", tax))
        ),
    )
    half = 0.5 * sigma * sigma
    a = 1.0 + alpha * (1.0 - tau) / tau
    q = half / (half + a * r)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_q = np.where(q < 0.5, np.log(q), np.log1p(-a * r / (half + a * r)))
        boundary = V * np.exp(np.where(half > 0.0, half / r * log_q, 0.0))
    coupon = boundary * (r + half) / (1.0 - tau)
    annuity = a / (half + a * r)  # (1 - q)/r, value of 1 a year until default
    # By unit of the boundary, which may be smaller than any number.
    worth = (r + half) / (1.0 - tau) * annuity + q * (1.0 - alpha)
    debt = boundary * worth
    value = V + tau * coupon * annuity - q * alpha * boundary
    # C/D - r = (C - r D)/D, without the difference of two that are nearly equal.
    spread = q * ((r + half) / (1.0 - tau) - r * (1.0 - alpha)) / worth
    return OptimalDebt(coupon, boundary, q, debt, value, debt / value, spread)
