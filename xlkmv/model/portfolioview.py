"""CreditPortfolioView (Wilson 1997): default rates driven by the economy.

    PD_t = 1 / (1 + exp(-y_t)),   y_t = b_0 + b' x_t + v_t,   x_t = k_0 + k_1 x_(t-1) + k_2 x_(t-2) + e_t

for the default rate of each sector and each macro factor, with correlated normal shocks (v, e). The
sign is that of the logit: a larger index is a larger default rate (Wilson writes exp(+y) with the opposite
sign).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit, ndtri

from xlkmv.errors import ConvergenceError, DomainError, InputError
from xlkmv.model.creditmetrics import transition_matrix
from xlkmv.model.domain import FINITE, NOT_NEGATIVE, Array, Rule, check, check_number, numbers
from xlkmv.model.losses import (
    LEVELS,
    LossDistribution,
    check_attachment,
    check_levels,
    conditional_pd_sd,
    factor_losses,
    obligors,
    per_obligor,
    simulated_losses,
    simulation_size,
    uniforms,
)
from xlkmv.phrase import Phrase
from xlkmv.shown import Shown

__all__ = [
    "MacroFit",
    "fit_macro",
    "intercepts",
    "matched_sensitivity",
    "portfolioview_losses",
    "scenario_default_rates",
    "shift_migration",
    "simulate_default_rates",
]

LOGIT_PD = Rule(
    "must be > 0 and < 1 (a decimal: 0.02 means 2 %; the logit of 0 or 1 is infinite)",
    low=0.0,
    high=1.0,
    low_open=True,
    high_open=True,
)
_PERIODS = Rule("must be between 1 and 1000", 1, 1000)
_SENSITIVITY = Rule("must be between 0 and 20", 0.0, 20.0)
# Beyond so many different PDs or correlations the sensitivity is interpolated, between so many correlations.
_FEW_KINDS, _KNOTS = 48, 32
# The trapezoidal rule over the standard normal factor.
_NODES = np.linspace(-8.0, 8.0, 129)
_WEIGHTS = np.exp(-0.5 * _NODES**2)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MacroFit(Shown):
    """Default index and macro dynamics fitted by ordinary least squares, for s sectors and m macro factors.

    Attributes
    ----------
    index_coefficients, index_errors : (s, m + 1) arrays
        Constant and slopes of the index of each sector, and their standard errors.
    index_r2 : (s,) array
        Share of the index's variance that the macro factors explain.
    ar_coefficients, ar_errors : (m, 3) arrays
        Constant, first and second lag of each factor, and their standard errors.
    covariance : (s + m, s + m) array
        Covariance of the shocks: indices first, then factors.
    last : (2, m) array
        The two last values of the factors, older first.
    mean_index : (s,) array
        Average index over the sample.
    stationary : (m,) bool array
        Whether each fitted factor returns to a mean.
    observations : int
        Number of periods.
    """

    index_coefficients: Array
    index_errors: Array
    index_r2: Array
    ar_coefficients: Array
    ar_errors: Array
    covariance: Array
    last: Array
    mean_index: Array
    stationary: npt.NDArray[np.bool_]
    observations: int


def _series(name: str, value: npt.ArrayLike, rule: Rule) -> Array:
    x = check(name, value, rule)
    x = x[:, None] if x.ndim == 1 else x
    if x.ndim != 2:
        raise InputError(name, "must be one column per series, one row per period", x.shape)
    return x


def fit_macro(default_rates: npt.ArrayLike, macro: npt.ArrayLike) -> MacroFit:
    """Fit the default index on macro factors, and each factor on its own two lags.

    Parameters
    ----------
    default_rates : (t,) or (t, s) array_like
        Default rate of each period, oldest first; one column per sector; > 0 and < 1.
    macro : (t,) or (t, m) array_like
        Macro factors of the same periods.

    Returns
    -------
    MacroFit

    Raises
    ------
    InputError
        When the series differ in length or are too short: at least max(6, m + 2) periods leave each
        regression one degree of freedom.
    DomainError
        When a rate is 0 or 1, or the factors are collinear or constant.
    """
    rates = _series("default_rates", default_rates, LOGIT_PD)
    factors = _series("macro", macro, FINITE)
    t, m = factors.shape
    if rates.shape[0] != t:
        raise InputError(
            "default_rates", Phrase("must cover the same {count} periods as macro", count=t), rates.shape[0]
        )
    need = max(6, m + 2)
    if t < need:
        raise InputError(
            "macro",
            Phrase(
                "must hold at least {need} periods to fit {count} factor(s) with two lags", need=need, count=m
            ),
            t,
        )
    index = logit(rates)
    design = np.column_stack([np.ones(t), factors])
    coefficients, errors, residuals = _least_squares(design, index)
    spread = ((index - index.mean(axis=0)) ** 2).sum(axis=0)
    r2 = 1.0 - np.divide((residuals**2).sum(axis=0), spread, out=np.ones(spread.size), where=spread > 0.0)
    ar = [_least_squares(np.column_stack([np.ones(t - 2), x[1:-1], x[:-2]]), x[2:, None]) for x in factors.T]
    ar_coefficients = np.concatenate([a[0] for a in ar])
    k1, k2 = ar_coefficients[:, 1], ar_coefficients[:, 2]
    shocks = np.column_stack([residuals[2:] / np.sqrt(t - m - 1), *(a[2] / np.sqrt(t - 5) for a in ar)])
    # The index residuals cover two periods more than the factors': scale to their own variance.
    own = (residuals**2).sum(axis=0) / (t - m - 1)
    seen = (shocks[:, : own.size] ** 2).sum(axis=0)
    shocks[:, : own.size] *= np.sqrt(np.divide(own, seen, out=np.zeros(own.size), where=seen > 0.0))
    return MacroFit(
        coefficients,
        errors,
        r2,
        ar_coefficients,
        np.concatenate([a[1] for a in ar]),
        shocks.T @ shocks,
        factors[-2:].copy(),
        index.mean(axis=0),
        (k1 + k2 < 1.0) & (k2 - k1 < 1.0) & (np.abs(k2) < 1.0),
        t,
    )


def _least_squares(design: Array, target: Array) -> tuple[Array, Array, Array]:
    """Return coefficients (q, p), their standard errors (q, p), and residuals (t, q)."""
    # Columns on one scale: the rank then does not depend on the units of the series.
    scale = np.sqrt((design**2).sum(axis=0))
    if not (scale > 0.0).all() or np.linalg.matrix_rank(design / scale, tol=1e-9) < design.shape[1]:
        raise DomainError("macro", "must hold factors that vary, and none may be a combination of the others")
    inverse = np.linalg.pinv(design / scale)
    coefficients = (inverse @ target) / scale[:, None]
    residuals = target - design @ coefficients
    freedom = design.shape[0] - design.shape[1]
    variance = (residuals**2).sum(axis=0) / freedom
    leverage = (inverse**2).sum(axis=1) / scale**2
    return coefficients.T, np.sqrt(np.outer(variance, leverage)), residuals


def _macro_path(fit: MacroFit, macro_path: npt.ArrayLike) -> Array:
    m = fit.last.shape[1]
    path = check("macro_path", macro_path, FINITE)
    path = path.reshape(-1, m) if path.ndim < 2 and path.size % m == 0 else path
    if path.ndim != 2 or path.shape[1] != m or path.shape[0] < 1:
        raise InputError(
            "macro_path", Phrase("must have {count} columns, one per macro factor", count=m), path.shape
        )
    return path


def scenario_default_rates(fit: MacroFit, macro_path: npt.ArrayLike) -> Array:
    """Default rates of a macro scenario without index shocks.

    Parameters
    ----------
    fit : MacroFit
    macro_path : (periods, m) array_like
        Macro factors of the scenario.

    Returns
    -------
    ndarray, shape (periods, s)

    Raises
    ------
    InputError, DomainError
        When the scenario has not the factors of the fit.
    """
    path = _macro_path(fit, macro_path)
    return np.asarray(expit(fit.index_coefficients[:, 0] + path @ fit.index_coefficients[:, 1:].T))


def simulate_default_rates(
    fit: MacroFit,
    periods: int = 1,
    *,
    macro_path: npt.ArrayLike | None = None,
    scenarios: int = 10_000,
    seed: int = 1997,
    start: int = 0,
) -> Array:
    """Simulate the economy, and the cumulative default rates that follow.

    Parameters
    ----------
    fit : MacroFit
    periods : int
        Periods of the series in the horizon; the rate is 1 - prod (1 - PD_t).
    macro_path : (periods, m) array_like, optional
        Macro scenario: the factors follow it and only the indices are random.
    scenarios, seed : int
        Same seed, same bits.
    start : int
        First scenario wanted: rows `start` to `start + scenarios` of one endless table.

    Returns
    -------
    ndarray, shape (scenarios, s)

    Raises
    ------
    InputError, DomainError
        When the scenario has not a row for each period, or an argument breaks its rule.
    """
    periods = int(check_number("periods", periods, _PERIODS))
    s, m = fit.index_coefficients.shape[0], fit.last.shape[1]
    path = None if macro_path is None else _macro_path(fit, macro_path)
    if path is not None and path.shape[0] != periods:
        raise InputError(
            "macro_path", Phrase("must have {periods} rows, one per period", periods=periods), path.shape
        )
    size, turn = np.linalg.eigh(fit.covariance)
    root = (turn * np.sqrt(np.maximum(size, 0.0))) @ turn.T
    normal = ndtri(uniforms(seed, start, scenarios, periods * (s + m))).reshape(scenarios, periods, s + m)
    older, newer = (np.broadcast_to(row, (scenarios, m)) for row in fit.last)
    survival = np.ones((scenarios, s))
    for k in range(periods):
        # Column by column, so that a row's bits do not depend on how many rows there are.
        shock = sum((normal[:, k, j, None] * root[j] for j in range(s + m)), np.zeros(s + m))
        if path is None:
            c = fit.ar_coefficients
            older, newer = newer, c[:, 0] + c[:, 1] * newer + c[:, 2] * older + shock[:, s:]
        else:
            newer = np.broadcast_to(path[k], (scenarios, m))
        index = fit.index_coefficients[:, 0] + shock[:, :s]
        for j in range(m):
            index = index + newer[:, j, None] * fit.index_coefficients[:, j + 1]
        survival *= expit(-index)
    return np.asarray(1.0 - survival)


# c'_j = 1 / (1 + exp(-(logit c_j + shift))), c_j = P(state j or worse)
def shift_migration(matrix: npt.ArrayLike, shift: npt.ArrayLike) -> Array:
    """Shift a transition matrix with the state of the economy.

    Parameters
    ----------
    matrix : (r, s) array_like
        Transition matrix, default last, rows summing to 1.
    shift : (r,) array_like or float
        Change of the default index (logit scale): above 0 is a recession, with more downgrades and defaults.

    Returns
    -------
    (r, s) array
        Rows sum to 1; the logit of every "this state or worse" moves by the shift, so the PD's does too.
    """
    table = transition_matrix(matrix)
    move = per_obligor("shift", shift, table.shape[0], FINITE)
    worse = np.minimum(np.cumsum(table[:, ::-1], axis=1)[:, ::-1], 1.0)
    worse[:, 0] = 1.0
    moved = expit(logit(worse) + move[:, None])
    return np.asarray(np.maximum(moved - np.column_stack([moved[:, 1:], np.zeros(table.shape[0])]), 0.0))


def intercepts(pds: Array, sensitivity: Array) -> Array:
    """Constants of default indices: solve E[1/(1 + exp(-(a - s Z)))] = pd for a.

    Parameters
    ----------
    pds : (n,) array
        Default probabilities, > 0 and < 1.
    sensitivity : (n,) array
        Standard deviation s of each index, 0 to 20.

    Returns
    -------
    (n,) array
        By Newton steps kept inside a bracket.

    Raises
    ------
    ConvergenceError
    """
    # The mean of a logistic of a + s Z lies between the logit itself and the far side of the shocks.
    low, high = logit(pds) - sensitivity * 8.0 - 1.0, logit(pds) + sensitivity * 8.0 + 1.0
    a = logit(pds)
    for _ in range(100):
        p = expit(a[:, None] - sensitivity[:, None] * _NODES)
        miss = p @ _WEIGHTS - pds
        if float((np.abs(miss) / pds).max()) < 1e-13:
            return np.asarray(a)
        low, high = np.where(miss < 0.0, a, low), np.where(miss > 0.0, a, high)
        step = a - miss / ((p * (1.0 - p)) @ _WEIGHTS)
        fresh = np.where((step > low) & (step < high), step, 0.5 * (low + high))
        if (np.abs(fresh - a) <= 4e-16 * np.maximum(np.abs(a), 1.0)).all():
            return np.asarray(fresh)
        a = fresh
    raise ConvergenceError("the intercept of the default index did not converge")


def _conditional_sd(pds: Array, sensitivity: Array) -> Array:
    p = expit(intercepts(pds, sensitivity)[:, None] - sensitivity[:, None] * _NODES)
    return np.asarray(np.sqrt(((p - pds[:, None]) ** 2) @ _WEIGHTS))


def matched_sensitivity(pds: npt.ArrayLike, correlation: npt.ArrayLike) -> Array:
    """Sensitivity of the default index that gives the default correlation of an asset correlation.

    Parameters
    ----------
    pds : (n,) array_like
        Default probabilities, > 0 and < 1.
    correlation : (n,) array_like or float
        Asset correlation, 0 to 0.9.

    Returns
    -------
    (n,) array
        Standard deviation s of the index a - s Z whose PD has the standard deviation of
        :func:`~xlkmv.model.losses.conditional_pd_sd`.

    Raises
    ------
    InputError, DomainError
        When the lengths differ, or an argument breaks its rule.
    """
    pd = np.atleast_1d(check("pds", pds, LOGIT_PD))
    rho = per_obligor("correlation", correlation, pd.size, Rule("must be between 0 and 0.9", 0.0, 0.9))
    out = np.zeros(pd.size)
    kinds, kind_of = np.unique(rho, return_inverse=True)
    if kinds.size > _FEW_KINDS:
        out[rho > 0.0] = _matched_pairs(pd[rho > 0.0], rho[rho > 0.0])
        return out
    for k, one_rho in enumerate(kinds.tolist()):
        mine = np.asarray(kind_of).reshape(-1) == k
        if one_rho > 0.0:
            out[mine] = _matched(pd[mine], one_rho)
    return out


def _matched(pd: Array, rho: float) -> Array:
    """Match many PDs at one correlation: by interpolation on the logit scale when that is less work."""
    distinct, kind_of = np.unique(pd, return_inverse=True)
    if distinct.size <= _FEW_KINDS:
        return np.asarray(_solve_sensitivity(distinct, rho)[np.asarray(kind_of).reshape(-1)])
    low, high = float(logit(distinct[0])), float(logit(distinct[-1]))
    curve = np.polynomial.Chebyshev.interpolate(
        lambda x: _solve_sensitivity(np.asarray(expit(x)), rho), 32, domain=[low, high]
    )
    return np.asarray(curve(logit(pd)))


def _matched_pairs(pd: Array, rho: Array) -> Array:
    """Match many PDs at as many correlations: by interpolation between those that :func:`_matched` solves.

    In the angle whose sine is the loading of the factor 32 Chebyshev points leave an error of 3e-10.
    """
    angle = np.arcsin(np.sqrt(rho))
    middle, half = 0.5 * (angle.max() + angle.min()), 0.5 * (angle.max() - angle.min())
    knots = np.polynomial.chebyshev.chebpts1(_KNOTS)
    table = np.array([_matched(pd, float(np.sin(middle + half * x) ** 2)) for x in knots])
    coefficients = np.linalg.solve(np.polynomial.chebyshev.chebvander(knots, _KNOTS - 1), table)
    at = np.polynomial.chebyshev.chebvander((angle - middle) / half, _KNOTS - 1)
    return np.asarray((at.T * coefficients).sum(axis=0))


def _solve_sensitivity(p: Array, rho: float) -> Array:
    target = conditional_pd_sd(p, rho)
    low, high = np.zeros(p.size), np.full(p.size, 20.0)
    # First guess: the delta method. Then secant steps kept inside a bracket.
    slope = p * (1.0 - p)
    s, last = np.clip(target / slope, 1e-6, 5.0), np.zeros(p.size)
    last_miss = -target
    for _ in range(100):
        miss = _conditional_sd(p, s) - target
        if float((np.abs(miss) / target).max()) < 1e-10:
            return s
        low, high = np.where(miss < 0.0, s, low), np.where(miss > 0.0, s, high)
        moved = (s != last) & (miss != last_miss)
        slope = np.where(moved, (miss - last_miss) / np.where(moved, s - last, 1.0), slope)
        step = s - miss / slope
        last, last_miss = s, miss
        s = np.where((step > low) & (step < high), step, 0.5 * (low + high))
    raise ConvergenceError("the index sensitivity did not converge")


# p(z) = 1 / (1 + exp(-(a - s z)))
def _conditional_pd(parameter: Array, z: float) -> Array:
    return np.asarray(expit(parameter[0] - parameter[1] * z))


def portfolioview_losses(
    exposures: npt.ArrayLike,
    pds: npt.ArrayLike,
    levels: npt.ArrayLike = LEVELS,
    *,
    lgd: npt.ArrayLike = 1.0,
    sensitivity: npt.ArrayLike | None = None,
    fit: MacroFit | None = None,
    sectors: npt.ArrayLike = 0,
    periods: int = 1,
    macro_path: npt.ArrayLike | None = None,
    attachment: float | None = None,
    scenarios: int = 100_000,
    seed: int = 1997,
    block_size: int | None = None,
    contributions: bool = True,
    progress: Callable[[], None] = lambda: None,
) -> LossDistribution:
    """CreditPortfolioView: loss distribution with macro-conditional PDs.

    Give either `sensitivity`, the standard deviation of each obligor's index: one macro factor, intercepts
    set so that the mean PD is the given one, computed exactly. Or `fit`: the fitted economy is simulated from
    today and moves each PD on the logit scale by the distance of its sector's default rate from the sample
    average.

    Parameters
    ----------
    exposures : (n,) array_like
        Exposure of each obligor (money), >= 0.
    pds : (n,) array_like or float
        Default probabilities over the horizon, > 0 and < 1; with `fit` those of an average economy.
    levels : (k,) array_like
        Confidence levels, > 0 and < 1.
    lgd : (n,) array_like or float
        Loss given default as a share of the exposure.
    sensitivity : (n,) array_like or float, optional
        0 to 20; :func:`matched_sensitivity` derives it from an asset correlation.
    fit : MacroFit, optional
        From :func:`fit_macro`.
    sectors : (n,) array_like of int
        With `fit`: column of the default rates that drives each obligor, from 0.
    periods, macro_path
        With `fit`: as in :func:`simulate_default_rates`.
    attachment : float, optional
        Loss amount at which the senior tranche is hit.
    scenarios, seed, block_size
        With `fit`: settings of the simulation; the block size has no effect on the result.
    contributions : bool
        Whether those of the obligors are wanted; they take longer than the rest.
    progress : callable
        With `sensitivity`: called many times; what it raises ends the computation.

    Returns
    -------
    LossDistribution
        Standard errors when simulated, None when computed.

    Raises
    ------
    InputError, DomainError
        Naming the argument, its rule and the value.
    """
    amounts, pd, _ = obligors(exposures, pds, lgd, LOGIT_PD)
    n = amounts.size
    level, attached = check_levels(levels), check_attachment(attachment)
    if (sensitivity is None) == (fit is None):
        raise InputError("sensitivity", "or fit must be given, and not both")
    if fit is None:
        s = per_obligor("sensitivity", numbers("sensitivity", sensitivity), n, _SENSITIVITY)
        kinds, kind_of = np.unique(np.stack([pd, s]), axis=1, return_inverse=True)
        a = intercepts(kinds[0], kinds[1])[np.asarray(kind_of).reshape(-1)]
        return factor_losses(
            "CreditPortfolioView",
            amounts,
            pd,
            _conditional_pd,
            (a, s),
            level,
            attached,
            contributions=contributions,
            progress=progress,
        )

    count = fit.mean_index.size
    sector = per_obligor("sectors", sectors, n, NOT_NEGATIVE)
    wrong = (sector >= count) | (sector != np.floor(sector))
    if wrong.any():
        raise DomainError(
            "sectors",
            Phrase("must be a column of the default rates, 0 to {count}", count=count - 1),
            float(sector[wrong][0]),
        )
    column = sector.astype(np.int64)
    total, block, seed = simulation_size(scenarios, block_size, seed, n)
    periods = int(check_number("periods", periods, _PERIODS))
    average = 1.0 - expit(-fit.mean_index) ** periods
    base = logit(pd)

    def scenario_losses(start: int, rows: int) -> Array:
        rates = simulate_default_rates(
            fit, periods, macro_path=macro_path, scenarios=rows, seed=seed, start=start
        )
        # An extreme scenario may round to a rate of 0 or 1: keep its logit finite.
        shift = logit(np.clip(rates, 1e-300, 1.0 - 1e-16)) - logit(average)
        defaults = uniforms(seed + 2**64, start, rows, n) < expit(base + shift[:, column])
        return np.asarray(defaults * amounts)

    return simulated_losses(
        "CreditPortfolioView",
        scenario_losses,
        n,
        level,
        attached,
        scenarios=total,
        block_size=block,
        contributions=contributions,
    )
