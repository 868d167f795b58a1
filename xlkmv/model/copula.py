"""Joint default of two parties under the Gaussian copula."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
from scipy.special import log_ndtr, ndtr, ndtri

from xlkmv.errors import DomainError
from xlkmv.model.domain import Array, check, numbers
from xlkmv.model.normal import inverse_mills

__all__ = ["bivariate_normal_cdf", "joint_default_probability"]


def _tanh_sinh(step: float = 1 / 16, reach: float = 3.5) -> tuple[Array, Array]:
    """Nodes in (0, 1), their complements to the right end folded in, and weights."""
    t = np.arange(-round(reach / step), round(reach / step) + 1) * step
    u = 0.5 * np.pi * np.sinh(t)
    node = 1.0 / (1.0 + np.exp(-2.0 * u))  # (1 + tanh u)/2
    weight = step * 0.25 * np.pi * np.cosh(t) / np.cosh(u) ** 2
    return node, weight


NODE, WEIGHT = _tanh_sinh()
FAR = 50.0


def bivariate_normal_cdf(h: npt.ArrayLike, k: npt.ArrayLike, rho: npt.ArrayLike) -> Array:
    """Bivariate standard normal distribution ``N2(h, k; rho)``, accurate far into the tails.

    ``N2 = integral over x < h of phi(x) N((k - rho x)/sqrt(1 - rho^2)) dx``. The integrand
    is positive and log-concave: it is integrated by tanh-sinh quadrature between its mode,
    its kink and the point beyond which nothing is left, so that no digits cancel.

    Parameters
    ----------
    h, k : array_like
        Upper limits; infinities are allowed.
    rho : array_like
        Correlation, -1 to 1.

    Returns
    -------
    ndarray
        Probability, of the broadcast shape.

    Raises
    ------
    DomainError
        When a limit is NaN, or the correlation outside its range.
    """
    a, b, r = np.broadcast_arrays(_limit("h", h), _limit("k", k), check("correlation", rho))
    # Integrating over the variable with the smaller limit keeps the mode near that limit.
    low, high = np.minimum(a, b), np.maximum(a, b)
    out = np.empty(r.shape)
    plus, minus, zero = r >= 1.0, r <= -1.0, np.abs(r) < 1e-200
    out[plus] = ndtr(low[plus])
    out[minus] = np.maximum(ndtr(low[minus]) - ndtr(-high[minus]), 0.0)
    out[zero] = ndtr(low[zero]) * ndtr(high[zero])
    rest = ~(plus | minus | zero)
    if rest.any():
        out[rest] = _integrate(low[rest], high[rest], r[rest])
    return np.asarray(np.minimum(out, ndtr(low)))


def _limit(name: str, value: npt.ArrayLike) -> Array:
    x = numbers(name, value)
    if np.isnan(x).any():
        raise DomainError(name, "must be a number", float("nan"))
    # N(-40) underflows, so nothing changes beyond; infinities become ordinary limits.
    return np.clip(x, -FAR, FAR)


def _integrate(h: Array, k: Array, rho: Array) -> Array:
    s = np.sqrt((1.0 - rho) * (1.0 + rho))

    def log_integrand(x: Array) -> Array:
        z = (k[:, None] - rho[:, None] * x) / s[:, None]
        return np.asarray(-0.5 * x * x + log_ndtr(z))

    def slope(x: Array) -> Array:
        z = (k - rho * x) / s
        return np.asarray(-x - rho / s * inverse_mills(z))

    # The mode, by bisection on the decreasing slope; everything of weight lies within 40 of it.
    low = -(np.abs(h) + np.abs(k)) / np.maximum(s, 1e-8) - 40.0
    low = np.maximum(low, -1e4)
    high = np.minimum(h, 40.0)
    for _ in range(60):
        mid = 0.5 * (low + high)
        rising = slope(mid) > 0.0
        low, high = np.where(rising, mid, low), np.where(rising, high, mid)
    mode = np.minimum(0.5 * (low + high), h)
    # N(z) goes from 0 to 1 within 9 standard deviations of the kink: narrow when |rho| is near 1.
    kink, width = k / rho, 9.0 * s / np.abs(rho)
    points = [mode - 40.0, mode - 9.0, mode, mode + 9.0, kink - width, kink, kink + width, h]
    ends = np.sort(np.clip(np.stack(points), mode - 40.0, h), axis=0)
    peak = log_integrand(mode[:, None])
    total = np.zeros(h.shape)
    for left, right in itertools.pairwise(ends):
        width = right - left
        x = left[:, None] + width[:, None] * NODE
        # Above the mode there is only the rounding of logarithms beyond 1e15, of results that are 0.
        total += width * (np.exp(np.minimum(log_integrand(x) - peak, 0.0)) @ WEIGHT)
    return np.asarray(total * np.exp(peak[:, 0]) / np.sqrt(2.0 * np.pi))


def joint_default_probability(
    pd: npt.ArrayLike, support_pd: npt.ArrayLike, correlation: npt.ArrayLike = 0.0
) -> Array:
    """Probability that a payer and the one who supports it both default.

    ``N2(N^{-1}(PD), N^{-1}(PD_G); rho)``

    Parameters
    ----------
    pd, support_pd : array_like
        Default probabilities of the payer and of its support over the same period, 0 to 1.
    correlation : array_like
        rho between the two normal drivers, -1 to 1.

    Returns
    -------
    ndarray
        Probability; equal to `pd` when the support is sure to default.

    Raises
    ------
    InputError, DomainError
        When an argument is no number or breaks its rule.
    """
    p, g, rho = np.broadcast_arrays(
        check("pd", pd), check("support_pd", support_pd), check("correlation", correlation)
    )
    out = np.where(p >= 1.0, g, np.where(g >= 1.0, p, 0.0))
    inside = (p > 0.0) & (p < 1.0) & (g > 0.0) & (g < 1.0)
    if inside.any():
        out[inside] = bivariate_normal_cdf(ndtri(p[inside]), ndtri(g[inside]), rho[inside])
    # The way through the quantiles rounds; two defaults are never likelier than one.
    return np.asarray(np.minimum(out, np.minimum(p, g)))
