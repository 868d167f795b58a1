"""What a few observations say of a scale when some of them may be far off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import chdtri, erfcx, ndtri

from xlkmv.model.domain import FINITE, Array, Rule, check, check_number
from xlkmv.shown import Shown

__all__ = ["FREEDOM", "INTERVAL", "STRENGTH", "ScaleUpdate", "normal_scale", "scale_update"]

STRENGTH = Rule("must be between 2 and 1000 (periods)", 2.0, 1000.0)
FREEDOM = Rule("must be between 1 and 1000 (degrees of freedom of Student's t)", 1.0, 1000.0)
# The scale lies between its bounds with this probability.
INTERVAL = 0.90
# Nodes per standard deviation of ln r; the trapezoidal rule needs no more.
_FINE = 10.0


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ScaleUpdate(Shown):
    """Posterior of the scale after 0, 1, ..., n observations.

    Attributes
    ----------
    scale, low, high : ndarray, shape (n + 1,)
        Posterior median, and the bounds of the central :data:`INTERVAL`.
    """

    scale: Array
    low: Array
    high: Array


def scale_update(x: npt.ArrayLike, strength: float, freedom: float) -> ScaleUpdate:
    """Posterior of the scale from observations with heavy tails, one after the other.

    ``x_i ~ r c t_nu``; prior ``r^2 ~ q/chi^2_k0``, q the median of chi^2 with k0 degrees of freedom, so
    that 1 is the prior median of r. The factor c is :func:`normal_scale`.

    Parameters
    ----------
    x : array_like, shape (n,)
        In units of the scale that was expected.
    strength : float
        k0, what the prior is worth, observations.
    freedom : float
        nu; the smaller, the less a single observation far off counts. 1000 is the normal distribution.

    Returns
    -------
    ScaleUpdate

    Raises
    ------
    DomainError
        When an argument breaks its rule.

    Notes
    -----
    Lange, Little and Taylor (1989) for the likelihood, Gelman et al., Bayesian Data Analysis (2013),
    section 2.6, for the prior. By the trapezoidal rule over ln r: nothing is sampled.
    """
    u = np.atleast_1d(check("x", x, FINITE)) if np.size(x) else np.zeros(0)
    k0, nu = check_number("strength", strength, STRENGTH), check_number("freedom", freedom, FREEDOM)
    step = 1.0 / (_FINE * np.sqrt(2.0 * (k0 + u.size)))
    log_r = np.arange(-4.0, np.log(100.0 + 3.0 * np.abs(u).max(initial=0.0)), step)
    log_density = -k0 * log_r - 0.5 * float(chdtri(k0, 0.5)) * np.exp(-2.0 * log_r)
    z = u[:, None] / (normal_scale(nu) * np.exp(log_r))
    told = np.cumsum(-0.5 * (nu + 1.0) * np.log1p(z * z / nu) - log_r, axis=0)
    log_density = log_density + np.vstack([np.zeros_like(log_r), told])
    weight = np.exp(log_density - log_density.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    # ln r is near to normal: between nodes it is linear in the normal quantile of its distribution.
    reached = ndtri(np.clip(np.cumsum(weight, axis=1) - 0.5 * weight, 0.0, 1.0))
    tail = (1.0 - INTERVAL) / 2.0
    wanted = ndtri([0.5, tail, 1.0 - tail])
    scale, low, high = np.exp([np.interp(wanted, row, log_r) for row in reached]).T
    scale[0] = 1.0  # but for rounding
    return ScaleUpdate(scale, low, high)


def normal_scale(freedom: float) -> float:
    """Scale c of Student's t whose estimate is right where the truth is standard normal.

    ``E[(nu + 1) z^2/(nu c^2 + z^2)] = 1``: with ``a = nu c^2`` the mean of ``z^2/(a + z^2)``, which is
    ``1 - sqrt(pi a/2) erfcx(sqrt(a/2))`` and falls in a, has to be ``1/(nu + 1)``.

    Parameters
    ----------
    freedom : float
        Degrees of freedom nu, > 0.

    Returns
    -------
    float
    """
    low, high = 0.0, freedom
    for _ in range(100):
        a = 0.5 * (low + high)
        mean = 1.0 - np.sqrt(0.5 * np.pi * a) * erfcx(np.sqrt(0.5 * a))
        low, high = (a, high) if mean > 1.0 / (freedom + 1.0) else (low, a)
    return float(np.sqrt(high / freedom))
