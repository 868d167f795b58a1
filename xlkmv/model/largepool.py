"""A pool of very many small obligors under one common factor, and how far a pool is from it.

Given the factor Z, the defaulting share of an infinitely fine pool is certain (Vasicek 1987)::

    p(Z) = N[(N^{-1}(pd) - sqrt(rho) Z)/sqrt(1 - rho)]

References
----------
O. Vasicek, "Loan portfolio value", Risk (December 2002).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import log_ndtr, ndtr, ndtri

from xlkmv.errors import DomainError, InputError
from xlkmv.model.domain import ASSET_CORRELATION, NOT_NEGATIVE, Array, check
from xlkmv.model.normal import inverse_mills
from xlkmv.shown import Shown

__all__ = ["Concentration", "concentration", "loss_quantile", "tranche_expected_loss"]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(40)


def loss_quantile(pd: Any, correlation: Any, level: Any) -> Array:
    """Quantile of the defaulting share of a large homogeneous pool.

    q = N[(N^{-1}(pd) + sqrt(rho) N^{-1}(level))/sqrt(1 - rho)]  (Vasicek 2002; Basel II)

    Parameters
    ----------
    pd : array_like
        Default probability of each obligor over the period, 0 to 1.
    correlation : array_like
        Asset correlation rho, 0 <= rho < 1.
    level : array_like
        Confidence level, such as 0.999.

    Returns
    -------
    ndarray
        Share of the pool, 0 to 1, broadcast; times the loss given default it is the loss.

    Raises
    ------
    DomainError
        When an input breaks its rule.
    """
    p = check("pd", pd)
    rho = check("correlation", correlation, ASSET_CORRELATION)
    a = check("level", level)
    # The inverse normal of 0 and of 1 is infinite, and stays so: a pool that cannot or must default.
    return np.asarray(ndtr((ndtri(p) + np.sqrt(rho) * ndtri(a)) / np.sqrt(1.0 - rho)))


def tranche_expected_loss(attach: Any, detach: Any, pd: Any, correlation: Any, lgd: Any = 0.45) -> Array:
    """Expected loss of a tranche of a large homogeneous pool, as a share of the tranche.

    With L = lgd p(Z) the loss of the pool,

        EL = 1/(D - A) integral from A to D of P(L > x) dx
           = lgd/(D - A) integral of N[(N^{-1}(pd) - sqrt(1 - rho) u)/sqrt(rho)] n(u) du,

    where x = lgd N(u). The integrand is positive and log-concave; Gauss-Legendre panels around
    its step keep the relative accuracy of senior tranches, which the closed form with the
    bivariate normal distribution loses in a difference.

    Parameters
    ----------
    attach, detach : array_like
        Attachment and detachment point A < D, shares of the pool, 0 to 1.
    pd : array_like
        Default probability of each obligor over the period, 0 to 1.
    correlation : array_like
        Asset correlation rho, 0 <= rho < 1.
    lgd : array_like
        Loss given default, a share, 0 to 1.

    Returns
    -------
    ndarray
        Share of the tranche, 0 to 1, broadcast.

    Raises
    ------
    DomainError
        When an input breaks its rule, or detach is not above attach.
    """
    A, D, p, rho, loss = np.broadcast_arrays(
        check("attach", attach),
        check("detach", detach),
        check("pd", pd),
        check("correlation", correlation, ASSET_CORRELATION),
        check("lgd", lgd),
    )
    if not (D > A).all():
        raise DomainError("detach", "must be > attach", float(D[~(D > A)].flat[0]))
    out = np.empty(p.shape)
    # Below this correlation the loss is certain to the last digit.
    certain = (rho < 1e-30) | (p == 0.0) | (p == 1.0) | (loss == 0.0)
    out[certain] = (np.clip(loss * p, A, D) - A)[certain]
    rest = ~certain & (loss > A)
    out[~certain & ~rest] = 0.0
    if rest.any():
        a, d, ell = A[rest], D[rest], loss[rest]
        low, high = ndtri(a / ell), ndtri(np.minimum(d / ell, 1.0))
        out[rest] = ell * _survival_integral(low, high, ndtri(p[rest]), rho[rest])
    return np.asarray(np.clip(out / (D - A), 0.0, 1.0))


def _survival_integral(low: Array, high: Array, c: Array, rho: Array) -> Array:
    """Integral from low to high of N[(c - sqrt(1 - rho) u)/sqrt(rho)] n(u) du."""
    alpha, beta = c / np.sqrt(rho), np.sqrt((1.0 - rho) / rho)
    # The peak of the log-concave integrand: n(v)/N(v) beta = -u at v = alpha - beta u, by bisection.
    left, right = np.maximum(low, -40.0), np.minimum(high, 40.0)
    ends = left, right
    for _ in range(60):
        middle = 0.5 * (left + right)
        v = alpha - beta * middle
        rising = -middle - beta * inverse_mills(v) > 0.0
        left, right = np.where(rising, middle, left), np.where(rising, right, middle)
    peak = 0.5 * (left + right)
    # n(u) alone makes the integrand fall below 1e-18 of its peak within 9 of it.
    start, stop = np.maximum(ends[0], peak - 9.0), np.minimum(ends[1], peak + 9.0)
    step, width = alpha / beta, 8.0 / beta
    breaks = [start, *(np.clip(b, start, stop) for b in (step - width, step, step + width, peak)), stop]
    grid = np.sort(np.stack(breaks), axis=0)
    half = 0.5 * np.diff(grid, axis=0)[..., None]
    u = 0.5 * (grid[1:] + grid[:-1])[..., None] + half * _NODES
    integrand = np.exp(log_ndtr(alpha[:, None] - beta[:, None] * u) - 0.5 * u * u) / np.sqrt(2 * np.pi)
    return np.asarray((half * _WEIGHTS * integrand).sum(axis=(0, 2)))


@dataclass(frozen=True, slots=True, repr=False)
class Concentration(Shown):
    """How much of a pool hangs on few names.

    Attributes
    ----------
    hhi : float
        Herfindahl-Hirschman index, the sum of squared shares: 1/n for n equal exposures.
    effective_number : float
        1/HHI: the number of equal exposures that would be as concentrated.
    largest_share, top5_share : float
        Share of the largest exposure, and of the five largest together.
    """

    hhi: float
    effective_number: float
    largest_share: float
    top5_share: float


def concentration(exposures: Any) -> Concentration:
    """Concentration measures of a pool.

    Parameters
    ----------
    exposures : array_like
        Amounts by obligor, money, >= 0, not all zero.

    Returns
    -------
    Concentration

    Raises
    ------
    DomainError, InputError
        When an exposure is negative, or none is positive.
    """
    x = check("exposures", exposures, NOT_NEGATIVE).ravel()
    if x.size == 0 or x.max() == 0.0:
        raise InputError("exposures", "must hold at least one amount above zero")
    shares = np.sort(x / x.max())[::-1]  # by the largest first, so that no unit of money overflows
    shares = shares / shares.sum()
    hhi = float(shares @ shares)
    return Concentration(hhi, 1.0 / hhi, float(shares[0]), float(shares[:5].sum()))
