"""Asset correlation with a source: the supervisor's formula, or the returns of the listed.

References
----------
Basel Committee, "International convergence of capital measurement and capital standards" (June 2006),
paragraphs 272 and 273; Basel Framework (effective 2023), CRE31.5, CRE31.6 and CRE31.8.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from xlkmv.errors import DomainError, InputError
from xlkmv.model.domain import FINITE, NOT_NEGATIVE, Array, Rule, check
from xlkmv.model.largepool import loss_quantile
from xlkmv.shown import Shown

__all__ = [
    "LARGE_SALES",
    "RISK_WEIGHT_RULES",
    "SMALL_SALES",
    "ReturnCorrelation",
    "basel_correlation",
    "basel_risk_weight",
    "maturity_slope",
    "return_correlation",
]

LARGE_SALES = 50.0
"""Annual sales in million euro from which a firm is no small or medium enterprise."""
SMALL_SALES = 5.0
"""Annual sales in million euro below which the adjustment for size no longer grows."""


def basel_correlation(pd: Any, sales: Any = LARGE_SALES) -> Array:
    """Asset correlation of a corporate with the one common factor, by Basel's formula.

    R = 0.12 w + 0.24 (1 - w) - 0.04 (1 - (S - 5)/45),  w = (1 - e^{-50 PD})/(1 - e^{-50})

    Parameters
    ----------
    pd : array_like
        Annual default probability, decimal.
    sales : array_like
        Annual sales S of the firm's group in million euro, >= 0, taken between 5 and 50. At 50, the
        default, there is no adjustment for size.

    Returns
    -------
    ndarray
        0.08 to 0.24, of the broadcast shape.

    Raises
    ------
    DomainError
        When an input breaks its rule.
    """
    p = check("pd", pd)
    S = np.clip(check("sales", sales, NOT_NEGATIVE), SMALL_SALES, LARGE_SALES)
    w = np.expm1(-50.0 * p) / np.expm1(-50.0)
    return np.asarray(0.12 * w + 0.24 * (1.0 - w) - 0.04 * (LARGE_SALES - S) / (LARGE_SALES - SMALL_SALES))


RISK_WEIGHT_RULES = {
    "pd": Rule("must be >= 0.0003 and < 1 (a decimal: 0.02 means 2 %)", 0.0003, 1.0, high_open=True),
    "maturity": Rule("must be between 1 and 5 (years)", 1.0, 5.0),
}
"""What the PD and the maturity of :func:`basel_risk_weight` may be: the floor and the range of Basel II.

The Basel Framework has a floor of 0.0005 (CRE32.4); a bank puts it in where it applies."""


def maturity_slope(pd: Any) -> Array:
    """Slope of Basel's maturity adjustment, b = (0.11852 - 0.05478 ln PD)^2.

    Parameters
    ----------
    pd : array_like
        Annual default probability, decimal, at least 0.0003.

    Returns
    -------
    ndarray

    Raises
    ------
    DomainError
        When the PD breaks its rule.
    """
    return np.asarray((0.11852 - 0.05478 * np.log(check("pd", pd, RISK_WEIGHT_RULES["pd"]))) ** 2)


def basel_risk_weight(pd: Any, lgd: Any = 0.45, maturity: Any = 2.5, sales: Any = LARGE_SALES) -> Array:
    """Risk weight of a corporate exposure by Basel's formula (foundation and advanced IRB).

    K = LGD {N[(N^{-1}(PD) + sqrt(R) N^{-1}(0.999))/sqrt(1 - R)] - PD} [1 + (M - 2.5) b]/(1 - 1.5 b),
    RW = 12.5 K, with R of :func:`basel_correlation` and b of :func:`maturity_slope`.

    Parameters
    ----------
    pd : array_like
        Annual default probability, decimal, at least 0.0003.
    lgd : array_like
        Loss given default, a share, 0 to 1.
    maturity : array_like
        M, years, 1 to 5.
    sales : array_like
        As in :func:`basel_correlation`.

    Returns
    -------
    ndarray
        1.00 means 100 %, of the broadcast shape. Without the factor 1.06 of Basel II.

    Raises
    ------
    DomainError
        When an input breaks its rule.
    """
    b = maturity_slope(pd)
    M = check("maturity", maturity, RISK_WEIGHT_RULES["maturity"])
    unexpected = check("lgd", lgd) * (loss_quantile(pd, basel_correlation(pd, sales), 0.999) - pd)
    return np.asarray(12.5 * unexpected * (1.0 + (M - 2.5) * b) / (1.0 - 1.5 * b))


@dataclass(frozen=True, slots=True, repr=False)
class ReturnCorrelation(Shown):
    """Average correlation of every two of several series.

    Attributes
    ----------
    average, standard_error : float
    pairs, observations : int
    """

    average: float
    standard_error: float
    pairs: int
    observations: int


def return_correlation(returns: Any) -> ReturnCorrelation:
    """Average pairwise correlation of asset returns, with its standard error.

    The error is that of the delta method (the infinitesimal jackknife): date t moves the correlation
    of firms i and j by u_i u_j - r_ij (u_i^2 + u_j^2)/2, u the standardised returns, and these moves,
    averaged over the pairs, vary from date to date.

    Parameters
    ----------
    returns : array_like, shape (n, m)
        Log returns of m >= 2 firms on the same n >= 10 dates, independent from date to date.

    Returns
    -------
    ReturnCorrelation

    Raises
    ------
    InputError, DomainError
        When there are too few dates or firms, or a series never moves.

    Notes
    -----
    Returns of equity stand for those of assets: leverage scales the two alike over short times. The
    average is the correlation of a pool with one common factor.
    """
    x = check("returns", returns, FINITE)
    if x.ndim != 2 or x.shape[0] < 10 or x.shape[1] < 2:
        raise InputError("returns", "must have 10 dates or more (rows) of 2 firms or more", f"{x.shape}")
    n, m = x.shape
    u = x - x.mean(axis=0)
    scale = np.sqrt(np.mean(u * u, axis=0))
    if (scale <= 1e-12 * np.abs(x).max(axis=0)).any():
        raise DomainError(
            "returns", "must move in every column: one series is constant in column", int(scale.argmin()) + 1
        )
    u = u / scale
    r = u.T @ u / n
    pairs = m * (m - 1) // 2
    average = (r.sum() - m) / (2 * pairs)
    # Sums over the pairs i < j, by date: of u_i u_j, and of r_ij (u_i^2 + u_j^2)/2.
    products = 0.5 * (u.sum(axis=1) ** 2 - (u * u).sum(axis=1))
    moves = (products - 0.5 * (u * u) @ (r.sum(axis=1) - 1.0)) / pairs
    return ReturnCorrelation(float(average), float(np.sqrt(np.mean(moves**2) / n)), pairs, n)
