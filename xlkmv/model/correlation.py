"""Asset correlation with a source: the supervisor's formula, or the returns of the listed.

References
----------
Basel Committee, "International convergence of capital measurement and capital standards" (June 2006),
paragraphs 272 and 273; Basel Framework, CRE31.5 and CRE31.9.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from xlkmv.errors import DomainError, InputError
from xlkmv.model.domain import FINITE, NOT_NEGATIVE, Array, check
from xlkmv.shown import Shown

__all__ = ["LARGE_SALES", "SMALL_SALES", "ReturnCorrelation", "basel_correlation", "return_correlation"]

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
