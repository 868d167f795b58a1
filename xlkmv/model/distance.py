"""Distance to default and default probability, and the questions turned around.

Symbols: V asset value, DP default point (both money), sigma volatility and mu drift of ln V
(per annum), T horizon (years). All functions broadcast; money may be in any unit.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.special import log_ndtr, ndtr, ndtri

from xlkmv.errors import InputError
from xlkmv.model.domain import Array, check, check_all
from xlkmv.phrase import Phrase

__all__ = [
    "METHODS",
    "breakeven_volatility",
    "default_point",
    "default_probability",
    "distance_to_default",
    "first_passage_probability",
    "linear_distance_to_default",
    "log_distance",
    "log_ratio",
    "safe_issue",
]

# One block of float64 temporaries stays in the processor's second-level cache.
BLOCK = 16_384
_FIRM = "asset_value default_point volatility horizon drift"
_FLOAT = np.finfo(np.float64)


def _blockwise(formula: Callable[..., Array], *arguments: Array) -> Array:
    """Evaluate an elementwise `formula` in cache-sized blocks: same numbers, less memory traffic."""
    shape = np.broadcast_shapes(*(a.shape for a in arguments))
    size = int(np.prod(shape))
    if size <= BLOCK:
        out = np.asarray(formula(*arguments))
        # A formula need not depend on each argument, the shape of the answer does.
        return out if out.shape == shape else np.broadcast_to(out, shape).copy()
    flat = [a if a.ndim == 0 else np.broadcast_to(a, shape).reshape(-1) for a in arguments]
    out = np.empty(size)
    for start in range(0, size, BLOCK):
        stop = start + BLOCK
        out[start:stop] = formula(*(a if a.ndim == 0 else a[start:stop] for a in flat))
    return out.reshape(shape)


def log_ratio(numerator: Array, denominator: Array) -> Array:
    """ln(numerator/denominator), also where the quotient itself is beyond the range of floats.

    Parameters
    ----------
    numerator, denominator : ndarray
        Both >= 0, in one unit, broadcast.

    Returns
    -------
    ndarray
        Minus infinity where the numerator is 0, infinity where the denominator is, NaN where both are.
    """
    with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
        quotient = np.asarray(numerator / denominator)
        ordinary = (quotient >= _FLOAT.tiny) & (quotient <= _FLOAT.max)
        if ordinary.all():
            return np.asarray(np.log(quotient))
        return np.where(ordinary, np.log(quotient), np.log(numerator) - np.log(denominator))


def log_distance(
    log_coverage: Array | float,
    volatility: Array | float,
    horizon: Array | float,
    drift: Array | float,
) -> Array:
    """Distance to default of a log coverage: ``[ln(V/DP) + (mu - sigma^2/2) T] / (sigma sqrt T)``.

    The one place of the formula, for callers that know their arguments to be sound.

    Parameters
    ----------
    log_coverage : ndarray or float
        ln(V/DP).
    volatility, horizon, drift : ndarray or float
        As in :func:`distance_to_default`.

    Returns
    -------
    ndarray
        Standard deviations, broadcast; infinite where they are beyond the range of floats.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        growth = (drift - 0.5 * volatility * volatility) * horizon
        return np.asarray((log_coverage + growth) / (volatility * np.sqrt(horizon)))


def _distance(V: Array, DP: Array, sigma: Array, T: Array, mu: Array) -> Array:
    return log_distance(log_ratio(V, DP), sigma, T, mu)


def distance_to_default(
    asset_value: npt.ArrayLike,
    default_point: npt.ArrayLike,
    volatility: npt.ArrayLike,
    horizon: npt.ArrayLike = 1.0,
    drift: npt.ArrayLike = 0.0,
) -> Array:
    """Log distance to default, in standard deviations of ln V at the horizon.

    ``DD = [ln(V/DP) + (mu - sigma^2/2) T] / (sigma sqrt T)``

    Parameters
    ----------
    asset_value, default_point : array_like
        V and DP, > 0, in one currency unit.
    volatility : array_like
        sigma, per annum, a decimal, > 0.
    horizon : array_like
        T in years, > 0.
    drift : array_like
        mu per annum, a decimal. The risk-free rate gives the risk-neutral distance.

    Returns
    -------
    ndarray
        Distance, of the broadcast shape.

    Raises
    ------
    DomainError
        When an argument breaks its rule (:data:`xlkmv.model.domain.RULES`).

    Notes
    -----
    Merton (1974); Crosbie and Bohn (2003).
    """
    return _blockwise(_distance, *check_all(_FIRM, asset_value, default_point, volatility, horizon, drift))


def linear_distance_to_default(
    asset_value: npt.ArrayLike, default_point: npt.ArrayLike, volatility: npt.ArrayLike
) -> Array:
    """Linear (Crosbie-Bohn) distance to default over one year, ``(V - DP) / (V sigma)``.

    Parameters
    ----------
    asset_value, default_point : array_like
        V and DP, > 0, in one currency unit.
    volatility : array_like
        sigma, per annum, a decimal, > 0.

    Returns
    -------
    ndarray
        Distance in units of the one-year standard deviation of V. It is not the log
        distance: the two can give default probabilities orders of magnitude apart.

    Raises
    ------
    InputError, DomainError
        When an argument is no number or breaks its rule.

    Notes
    -----
    Crosbie and Bohn (2003); Crouhy, Galai and Mark (2000).
    """
    return _linear_distance(
        *check_all("asset_value default_point volatility", asset_value, default_point, volatility)
    )


def _linear_distance(V: Array, DP: Array, sigma: Array) -> Array:
    with np.errstate(over="ignore"):  # V next to nothing: minus infinity
        # V sigma could overflow.
        return np.asarray((V - DP) / V / sigma)


def first_passage_probability(
    asset_value: npt.ArrayLike,
    default_point: npt.ArrayLike,
    volatility: npt.ArrayLike,
    horizon: npt.ArrayLike = 1.0,
    drift: npt.ArrayLike = 0.0,
) -> Array:
    """Probability that V touches a flat barrier DP at any time up to the horizon.

    ``PD = N((b - nu T)/(sigma sqrt T)) + exp(2 nu b/sigma^2) N((b + nu T)/(sigma sqrt T))``
    with ``b = ln(DP/V)`` and ``nu = mu - sigma^2/2``; 1 where V <= DP.

    Parameters
    ----------
    asset_value, default_point, volatility, horizon, drift : array_like
        As in :func:`distance_to_default`.

    Returns
    -------
    ndarray
        Probability between 0 and 1, never less than the terminal one.

    Raises
    ------
    InputError, DomainError
        When an argument is no number or breaks its rule.

    Notes
    -----
    Black and Cox (1976). The exponential is combined with the logarithm of the normal
    distribution, so neither factor overflows.
    """
    return _blockwise(
        _first_passage, *check_all(_FIRM, asset_value, default_point, volatility, horizon, drift)
    )


def _first_passage(V: Array, DP: Array, sigma: Array, T: Array, mu: Array) -> Array:
    b = log_ratio(DP, V)
    nu = mu - 0.5 * sigma * sigma
    s = sigma * np.sqrt(T)
    # Overflow: where V <= DP, which is answered below, or without a volatility to speak of, where nothing
    # is reflected and the logarithms are infinities of opposite signs.
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        reflected = np.exp(2.0 * nu * b / (sigma * sigma) + log_ndtr((b + nu * T) / s))
        touched = ndtr((b - nu * T) / s) + np.where(np.isnan(reflected), 0.0, reflected)
    return np.where(b >= 0.0, 1.0, np.minimum(touched, 1.0))


def _terminal(V: Array, DP: Array, sigma: Array, T: Array, mu: Array) -> Array:
    return np.asarray(ndtr(-_distance(V, DP, sigma, T, mu)))


def _linear(V: Array, DP: Array, sigma: Array, T: Array, mu: Array) -> Array:
    return np.asarray(ndtr(-_linear_distance(V, DP, sigma)))


# What "default" means, by the name a user gives it.
METHODS: dict[str, Callable[..., Array]] = {
    "terminal": _terminal,
    "anytime": _first_passage,
    "linear": _linear,
}


def default_probability(
    asset_value: npt.ArrayLike,
    default_point: npt.ArrayLike,
    volatility: npt.ArrayLike,
    horizon: npt.ArrayLike = 1.0,
    drift: npt.ArrayLike = 0.0,
    method: str = "terminal",
) -> Array:
    """Default probability of one asset against one default point.

    Parameters
    ----------
    asset_value, default_point, volatility, horizon, drift : array_like
        As in :func:`distance_to_default`.
    method : {"terminal", "anytime", "linear"}
        ``terminal``: V below DP at the horizon, ``N(-DD)``. ``anytime``: V touches DP at
        any time up to the horizon. ``linear``: ``N(-DD)`` of the linear distance, a
        convention: over one year and without a drift by definition, so that neither horizon
        nor drift changes it.

    Returns
    -------
    ndarray
        Probability under P (under Q when `drift` is the risk-free rate).

    Raises
    ------
    DomainError
        When an argument breaks its rule.
    InputError
        When `method` is unknown.
    """
    if not isinstance(method, str) or method not in METHODS:
        raise InputError("method", Phrase("must be one of {options}", options=", ".join(METHODS)), method)
    return _blockwise(
        METHODS[method], *check_all(_FIRM, asset_value, default_point, volatility, horizon, drift)
    )


def default_point(short_term: npt.ArrayLike, long_term: npt.ArrayLike, weight: npt.ArrayLike = 0.5) -> Array:
    """Default point of a firm: short-term debt plus a share of long-term debt.

    Parameters
    ----------
    short_term, long_term : array_like
        Debt due within a year and after it, >= 0, in one currency unit.
    weight : array_like
        Share of the long-term debt that counts, 0 to 1; 0.5 by convention.

    Returns
    -------
    ndarray
        Money, in the unit of the debts.

    Raises
    ------
    InputError, DomainError
        When an argument is no number or breaks its rule.

    Notes
    -----
    Crosbie and Bohn (2003).
    """
    short = check("short_term", short_term)
    return np.asarray(short + check("weight", weight) * check("long_term", long_term))


def safe_issue(
    asset_value: npt.ArrayLike,
    target_pd: npt.ArrayLike,
    volatility: npt.ArrayLike,
    horizon: npt.ArrayLike = 1.0,
    drift: npt.ArrayLike = 0.0,
) -> Array:
    """Largest default point whose terminal PD does not exceed the target.

    ``DP* = V exp[(mu - sigma^2/2) T - N^{-1}(1 - p*) sigma sqrt T]``

    Parameters
    ----------
    asset_value, volatility, horizon, drift : array_like
        As in :func:`distance_to_default`.
    target_pd : array_like
        p*, between 0 and 1 exclusive.

    Returns
    -------
    ndarray
        Money, in the unit of `asset_value`.

    Raises
    ------
    InputError, DomainError
        When an argument is no number or breaks its rule.
    """
    names = "asset_value target_pd volatility horizon drift"
    V, p, sigma, T, mu = check_all(names, asset_value, target_pd, volatility, horizon, drift)
    # N^{-1}(1 - p) = -N^{-1}(p), without losing a small p.
    return np.asarray(V * np.exp((mu - 0.5 * sigma * sigma) * T + ndtri(p) * sigma * np.sqrt(T)))


def breakeven_volatility(
    asset_value: npt.ArrayLike,
    default_point: npt.ArrayLike,
    target_pd: npt.ArrayLike,
    horizon: npt.ArrayLike = 1.0,
    drift: npt.ArrayLike = 0.0,
) -> Array:
    """Largest volatility whose terminal PD does not exceed the target.

    With ``s = sigma sqrt T``, ``m = ln(V/DP) + mu T`` and ``q = -N^{-1}(p*)``, the condition
    ``DD >= q`` reads ``s^2/2 + q s - m <= 0``, so ``s* = -q + sqrt(q^2 + 2 m)``.

    Parameters
    ----------
    asset_value, default_point, horizon, drift : array_like
        As in :func:`distance_to_default`.
    target_pd : array_like
        p*, between 0 and 1 exclusive.

    Returns
    -------
    ndarray
        Volatility per annum, a decimal. NaN where no volatility at all keeps the PD
        within the target.

    Raises
    ------
    InputError, DomainError
        When an argument is no number or breaks its rule.
    """
    names = "asset_value default_point target_pd horizon drift"
    V, DP, p, T, mu = check_all(names, asset_value, default_point, target_pd, horizon, drift)
    m = log_ratio(V, DP) + mu * T
    q = -ndtri(p)
    disc = q * q + 2.0 * m
    root = np.sqrt(np.maximum(disc, 0.0))
    # For q > 0 the difference of two near numbers is avoided: s* = 2 m / (q + root).
    with np.errstate(divide="ignore", invalid="ignore"):
        s = np.where(q > 0.0, 2.0 * m / (q + root), root - q)
    return np.where((disc >= 0.0) & (s > 0.0), s / np.sqrt(T), np.nan)
