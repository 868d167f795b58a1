"""Inputs of the model from data: volatility from flows, assets from an equity series, user's maps.

References
----------
S. Bharath and T. Shumway, "Forecasting default with the Merton distance to default model",
Review of Financial Studies 21 (2008).
J.-C. Duan, "Maximum likelihood estimation using price data of the derivative contract",
Mathematical Finance 4 (1994); correction 10 (2000).
M. Vassalou and Y. Xing, "Default risk in equity returns", Journal of Finance 59 (2004).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import log_ndtr, ndtr

from xlkmv.errors import DomainError, InputError
from xlkmv.model.distance import log_distance, log_ratio
from xlkmv.model.domain import FINITE, POSITIVE, PROBABILITY, RULES, Array, Rule, check, check_number
from xlkmv.model.merton import MAX_ASSET_VOLATILITY, asset_value_at_volatility
from xlkmv.model.normal import density, inverse_mills
from xlkmv.phrase import Phrase
from xlkmv.shown import Shown

__all__ = [
    "FEWEST_VALUES",
    "MAPPED_PD",
    "FlowVolatility",
    "SeriesFit",
    "edf",
    "fit_series",
    "is_cumulative",
    "naive_asset_volatility",
    "naive_distance_to_default",
    "rating",
    "volatility_from_flows",
]

MAPPED_PD = Rule("must be > 0 and <= 1 (a decimal: 0.02 means 2 %)", 0.0, 1.0, low_open=True)
"""What a PD of the table of :func:`edf` may be: ln PD is interpolated."""

_LOWEST_VOLATILITY = 1e-6
FEWEST_VALUES = 3
"""Equity values below which :func:`fit_series` has nothing to fit."""
_MAX_ITERATIONS = 500


# --- one firm, without solving --------------------------------------------------------------


def naive_asset_volatility(equity: Any, debt: Any, equity_volatility: Any) -> Array:
    """Naive asset volatility of Bharath and Shumway (2008).

    sigma_V = E/(E + F) sigma_E + F/(E + F) (0.05 + 0.25 sigma_E)

    Parameters
    ----------
    equity, debt : array_like
        Market value E of the equity and face value F of the debt, same money.
    equity_volatility : array_like
        sigma_E, per annum, decimal.

    Returns
    -------
    ndarray
        Per annum, broadcast.

    Raises
    ------
    DomainError
        When an input breaks the rule of its name.
    """
    E, F = check("equity", equity), check("debt", debt)
    sigma_E = check("equity_volatility", equity_volatility)
    with np.errstate(over="ignore"):
        share = 1.0 / (1.0 + F / E)
    return np.asarray(share * sigma_E + (1.0 - share) * (0.05 + 0.25 * sigma_E))


def naive_distance_to_default(
    equity: Any, debt: Any, equity_volatility: Any, horizon: Any = 1.0, drift: Any = 0.0
) -> Array:
    """Naive distance to default of Bharath and Shumway (2008).

    DD = [ln((E + F)/F) + (mu - sigma_V^2/2) T]/(sigma_V sqrt T)

    Parameters
    ----------
    equity, debt, equity_volatility : array_like
        As in :func:`naive_asset_volatility`.
    horizon : array_like
        T, years.
    drift : array_like
        mu, per annum, decimal; the authors use the stock's return over the year before.

    Returns
    -------
    ndarray
        In standard deviations, broadcast; the PD is N(-DD).

    Raises
    ------
    DomainError
        When an input breaks the rule of its name.
    """
    sigma = naive_asset_volatility(equity, debt, equity_volatility)
    T, mu = check("horizon", horizon), check("drift", drift)
    E, F = check("equity", equity), check("debt", debt)
    with np.errstate(over="ignore"):
        quotient = E / F
    # Beyond the range of floats the debt does not add to E + F.
    cushion = np.where(np.isfinite(quotient), np.log1p(quotient), log_ratio(E, F))
    return log_distance(cushion, sigma, T, mu)


# --- a series of equity values --------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SeriesFit(Shown):
    """Assets fitted to a series of equity values.

    The standard errors come from the observed information (``mle``), or from the sampling of a
    lognormal path as if its assets were observed (``iterative``). That of the drift is close to
    sigma / sqrt(years) whatever the number of observations: a year of daily data says little
    about the drift.

    Attributes
    ----------
    method : str
    asset_value, volatility, drift : float
        At the last date; per annum.
    asset_value_error, volatility_error, drift_error : float
        Standard errors of these.
    distance_to_default, default_probability : float
        Log distance at the last date with the fitted drift, and N(-DD).
    distance_error, probability_error : float
        Their standard errors by the delta method.
    log_likelihood : float
        Of the equity series, by Duan's transformed data.
    iterations : int
    converged : bool
    asset_values : ndarray, shape (n,)
        The fitted path.
    """

    method: str
    asset_value: float
    volatility: float
    drift: float
    asset_value_error: float
    volatility_error: float
    drift_error: float
    distance_to_default: float
    distance_error: float
    default_probability: float
    probability_error: float
    log_likelihood: float
    iterations: int
    converged: bool
    asset_values: Array


@dataclass(frozen=True, slots=True, eq=False)
class _Series:
    """An equity series, and what is needed of it at a trial volatility."""

    E: Array
    F: Array
    r: Array
    T: float
    dt: float

    def path(self, sigma: float) -> Array:
        """ln V by date."""
        return np.log(asset_value_at_volatility(self.E, self.F, sigma, self.T, self.r))

    def d1(self, x: Array, sigma: float) -> Array:
        s = sigma * np.sqrt(self.T)
        return np.asarray((x - np.log(self.F) + self.r * self.T) / s + 0.5 * s)

    def log_likelihood(self, sigma: float, mu: float) -> float:
        """Duan (1994): the density of ln V by increments, less the Jacobian of E in ln V.

        ln L = -m/2 ln(2 pi sigma^2 dt) - sum (dx - (mu - sigma^2/2) dt)^2/(2 sigma^2 dt)
               - sum ln V_t - sum ln N(d1_t), the sums over the m dates after the first.
        """
        x = self.path(sigma)
        variance = sigma * sigma * self.dt
        z = np.diff(x) - (mu - 0.5 * sigma * sigma) * self.dt
        jacobian = x[1:] + log_ndtr(self.d1(x, sigma)[1:])
        return float(-0.5 * np.sum(np.log(2 * np.pi * variance) + z * z / variance) - jacobian.sum())

    def score(self, sigma: float, mu: float | None = None) -> tuple[Array, float, Array]:
        """Gradient of ln L in (sigma, mu), the drift used, and ln V; the best drift when none is given.

        At constant equity dx/dsigma = -sqrt(T) n(d1)/N(d1).
        """
        x = self.path(sigma)
        dx = np.diff(x)
        if mu is None:
            mu = float(dx.mean()) / self.dt + 0.5 * sigma * sigma
        root_T, variance = np.sqrt(self.T), sigma * sigma * self.dt
        d1 = self.d1(x, sigma)
        ratio = inverse_mills(d1)
        slope = -root_T * ratio
        z = dx - (mu - 0.5 * sigma * sigma) * self.dt
        d1_slope = slope / (sigma * root_T) - (d1 - sigma * root_T) / sigma
        by_sigma = np.sum(
            (z * z / variance - 1.0) / sigma - z * (np.diff(slope) + sigma * self.dt) / variance
        ) - np.sum((slope + ratio * d1_slope)[1:])
        by_mu = np.sum(z) / (sigma * sigma)
        return np.array([by_sigma, by_mu]), mu, x


def fit_series(
    equity_values: Any,
    default_point: Any,
    rate: Any = 0.0,
    periods_per_year: float = 250.0,
    horizon: float = 1.0,
    method: str = "mle",
) -> SeriesFit:
    """Asset value, volatility and drift of a firm from its series of equity values.

    ``iterative`` (KMV; Vassalou and Xing 2004): from the equity's volatility, invert every
    date, take the volatility of the asset returns, and repeat until it moves by less than 1e-6.
    ``mle`` (Duan 1994): maximise the likelihood of the equity series.

    Parameters
    ----------
    equity_values : array_like, shape (n,)
        Market value of the equity by date, money, oldest first; at least 3. A pandas Series is put
        in the order of its index.
    default_point : array_like
        Amount due at the horizon: one, or one per date; a Series is taken by the dates of the
        equity's.
    rate : array_like
        Continuously compounded risk-free rate per annum: one, or one per date, in the same way.
    periods_per_year : float
        Observations per year.
    horizon : float
        T, years, the same at every date.
    method : {"mle", "iterative"}

    Returns
    -------
    SeriesFit
        Its ``converged`` is False when the search ended without meeting its criterion.

    Raises
    ------
    InputError, DomainError
        When an input breaks its rule, lengths differ, or the equity never moves.
    ConvergenceError
        When an equity value carries no information about the assets.
    """
    if method not in ("mle", "iterative"):
        raise InputError("method", "must be one of mle, iterative", method)
    equity_values, default_point, rate = _in_order(
        equity_values=equity_values, default_point=default_point, rate=rate
    )
    E = check("equity_values", equity_values, POSITIVE).ravel()
    if E.size < FEWEST_VALUES:
        raise InputError(
            "equity_values", Phrase("must hold at least {least} values", least=FEWEST_VALUES), E.size
        )
    series = _Series(
        E,
        _by_date("default_point", default_point, E.size),
        _by_date("rate", rate, E.size),
        check_number("horizon", horizon),
        1.0 / check_number("periods_per_year", periods_per_year),
    )
    moves = np.diff(np.log(E))
    start = float(moves.std(ddof=1) / np.sqrt(series.dt))
    if start < _LOWEST_VOLATILITY:
        raise InputError("equity_values", "must move: a constant series has no volatility")
    if start > RULES["equity_volatility"].high:
        raise DomainError("equity_values", "must have a volatility below 2000 % per annum", start)
    search = _iterate if method == "iterative" else _maximise
    sigma, iterations, converged = search(series, min(start, MAX_ASSET_VOLATILITY))
    return _fitted(series, method, sigma, iterations, converged)


def _in_order(**series: Any) -> list[Any]:
    """Put series with an index of their own (pandas) in its order; the first one says which dates there are.

    Read off its attributes: the mathematics needs no pandas.
    """
    (first, leading), *others = series.items()
    if not hasattr(getattr(leading, "index", None), "is_monotonic_increasing"):
        return list(series.values())
    if not leading.index.is_unique:
        raise InputError(first, "must have every date of its index once")
    if not leading.index.is_monotonic_increasing:
        if any(isinstance(date, str) and not _is_iso(date) for date in leading.index):
            raise InputError(
                first, "must have dates in its index, or text such as 2024-12-31, to be put in order"
            )
        leading = leading.sort_index()
    out = [leading]
    for name, other in others:
        if hasattr(getattr(other, "index", None), "is_monotonic_increasing"):
            missing = leading.index.difference(other.index)
            if len(missing):
                raise InputError(
                    name,
                    Phrase("must have a value for every date of {first}", first=first),
                    f"none for {missing[0]}",
                )
            other = other.reindex(leading.index)
        out.append(other)
    return out


def _is_iso(date: str) -> bool:
    """Whether a text begins as 2024-12-31 does: by letters such texts are in order of time."""
    parts = date[:4], date[4:5], date[5:7], date[7:8], date[8:10]
    return parts[1] == parts[3] == "-" and all(part.isdigit() for part in parts[::2])


def _iterate(series: _Series, sigma: float) -> tuple[float, int, bool]:
    for iteration in range(1, _MAX_ITERATIONS + 1):
        last = sigma
        sigma = float(np.diff(series.path(last)).std(ddof=1) / np.sqrt(series.dt))
        if not _LOWEST_VOLATILITY < sigma < MAX_ASSET_VOLATILITY:
            return last, iteration, False
        if abs(sigma - last) < 1e-6:
            return sigma, iteration, True
    return sigma, _MAX_ITERATIONS, False


def _maximise(series: _Series, equity_volatility: float) -> tuple[float, int, bool]:
    """Volatility where the profile score crosses zero from above, by bracketing and Illinois steps."""
    # From the iterative answer, which is near the maximum.
    sigma, iterations, _ = _iterate(series, equity_volatility)

    def slope(sigma: float) -> float:
        return float(series.score(sigma)[0][0]) * sigma

    low = high = sigma
    at_low = at_high = slope(sigma)
    for _ in range(80):
        if at_low >= 0.0 >= at_high:
            break
        iterations += 1
        if at_low < 0.0:
            low = low / 1.1
            if low < _LOWEST_VOLATILITY:
                return sigma, iterations, False
            at_low = slope(low)
        else:
            high = high * 1.1
            if high > MAX_ASSET_VOLATILITY:
                return sigma, iterations, False
            at_high = slope(high)
    else:
        return sigma, iterations, False
    for _ in range(100):
        if high - low <= 1e-12 * high or at_low == at_high:
            break
        iterations += 1
        middle = high - at_high * (high - low) / (at_high - at_low)
        value = slope(middle)
        if value == 0.0 or abs(middle - sigma) <= 1e-13 * middle:
            return middle, iterations, True
        if value > 0.0:
            low, at_low, at_high = middle, value, 0.5 * at_high if middle > sigma else at_high
        else:
            high, at_high, at_low = middle, value, 0.5 * at_low if middle < sigma else at_low
        sigma = middle
    return 0.5 * (low + high), iterations, high - low <= 1e-9 * high


def _fitted(series: _Series, method: str, sigma: float, iterations: int, converged: bool) -> SeriesFit:
    _, mu, x = series.score(sigma)
    m = x.size - 1
    if method == "mle":
        covariance, informative = _observed_covariance(series, sigma, mu)
        converged = converged and informative
    else:
        by_sigma = sigma * sigma / (2.0 * m)
        # mu = mean/dt + sigma^2/2
        covariance = np.array(
            [
                [by_sigma, sigma * by_sigma],
                [sigma * by_sigma, sigma * sigma / (m * series.dt) + sigma * sigma * by_sigma],
            ]
        )
    T, root_T = series.T, float(np.sqrt(series.T))
    d1 = float(series.d1(x, sigma)[-1])
    x_slope = -root_T * float(inverse_mills(d1))
    distance = float(log_distance(x[-1] - np.log(series.F[-1]), sigma, T, mu))
    gradient = np.array([x_slope / (sigma * root_T) - distance / sigma - root_T, root_T / sigma])
    distance_error = float(np.sqrt(gradient @ covariance @ gradient))
    volatility_error, drift_error = (float(e) for e in np.sqrt(np.diag(covariance)))
    value = float(np.exp(x[-1]))
    return SeriesFit(
        method=method,
        asset_value=value,
        volatility=sigma,
        drift=mu,
        asset_value_error=value * abs(x_slope) * volatility_error,
        volatility_error=volatility_error,
        drift_error=drift_error,
        distance_to_default=distance,
        distance_error=distance_error,
        default_probability=float(ndtr(-distance)),
        probability_error=float(density(distance)) * distance_error,
        log_likelihood=series.log_likelihood(sigma, mu),
        iterations=iterations,
        converged=converged,
        asset_values=np.exp(x),
    )


def _observed_covariance(series: _Series, sigma: float, mu: float) -> tuple[Array, bool]:
    """Inverse of minus the Hessian of ln L, by central differences of its gradient."""
    h_sigma, h_mu = 1e-4 * sigma, 1e-4 * max(abs(mu), sigma)
    by_sigma = (series.score(sigma + h_sigma, mu)[0] - series.score(sigma - h_sigma, mu)[0]) / (2 * h_sigma)
    by_mu = (series.score(sigma, mu + h_mu)[0] - series.score(sigma, mu - h_mu)[0]) / (2 * h_mu)
    cross = 0.5 * (by_sigma[1] + by_mu[0])
    information = -np.array([[by_sigma[0], cross], [cross, by_mu[1]]])
    determinant = information[0, 0] * information[1, 1] - cross * cross
    if not (information[0, 0] > 0.0 and determinant > 0.0):
        return np.full((2, 2), np.nan), False
    return np.linalg.inv(information), True


def _by_date(name: str, value: Any, size: int) -> Array:
    x = check(name, value).ravel()
    if x.size not in (1, size):
        raise InputError(name, Phrase("must be one value or one per date ({size})", size=size), x.size)
    return np.broadcast_to(x, (size,))


# --- a series of flows ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, repr=False)
class FlowVolatility(Shown):
    """Volatility and drift of period flows, each with its standard error.

    Attributes
    ----------
    volatility, drift : float
        Per annum, decimals.
    volatility_error, drift_error : float
        Standard errors, per annum.
    changes : int
        How many log changes (or log deviations from plan) they rest on.
    """

    volatility: float
    drift: float
    volatility_error: float
    drift_error: float
    changes: int


def volatility_from_flows(flows: Any, periods_per_year: float = 1.0, plan: Any = None) -> FlowVolatility:
    """Annual volatility and drift from period collections.

    x_i = ln(actual_i/plan_i), or without a plan ln(C_{i+1}/C_i);
    sigma = sd(x)/sqrt(dt), mu = mean(x)/dt + sigma^2/2, dt = 1/periods_per_year.
    Standard errors: sigma/sqrt(2(n - 1)) and sqrt(sigma^2/(n dt) + sigma^2 SE(sigma)^2).

    Parameters
    ----------
    flows : array_like, shape (n,)
        What came in during each period, money, > 0, oldest first: not the total so far.
    periods_per_year : float
    plan : array_like, shape (n,), optional
        What was planned for each period, > 0.

    Returns
    -------
    FlowVolatility

    Raises
    ------
    InputError, DomainError
        When a flow is not positive, lengths differ, there are fewer than two changes, or the
        series is cumulative (:func:`is_cumulative`): its volatility would be an artefact.
    """
    C = check("flows", flows, POSITIVE).ravel()
    dt = 1.0 / check_number("periods_per_year", periods_per_year)
    P = None if plan is None else check("plan", plan, POSITIVE).ravel()
    if P is not None and P.size != C.size:
        raise InputError(
            "plan", Phrase("must have as many values as flows, which has {count}", count=C.size), P.size
        )
    if is_cumulative(C, P):
        raise InputError(
            "flows",
            "must be the amount of each period, not a cumulative total: this series never falls, as a "
            "running total does, which shows a volatility where there is no risk; give flows that really "
            "rise together with the plan of each period",
        )
    if P is None:
        x = np.diff(np.log(C))
    else:
        x = log_ratio(C, P)
    if x.size < 2:
        raise InputError(
            "flows", Phrase("must hold at least {least} values", least=2 if plan is not None else 3), C.size
        )
    sigma = float(x.std(ddof=1) / np.sqrt(dt))
    mu = float(x.mean() / dt + 0.5 * sigma * sigma)
    sigma_error = float(sigma / np.sqrt(2.0 * (x.size - 1)))
    mu_error = float(np.sqrt(sigma * sigma / (x.size * dt) + (sigma * sigma_error) ** 2))
    return FlowVolatility(sigma, mu, sigma_error, mu_error, x.size)


def is_cumulative(flows: Any, plan: Any = None) -> bool:
    """Tell whether a series looks like a running total rather than the flow of each period.

    A running total never falls. Period flows hardly ever rise all the time by chance (six in one
    order of 720), and where they do, nothing tells them from a running total, which need not begin at
    closing, nor slow down where a last payment is large: both are called cumulative. So a series is
    called cumulative when no value is below the one before, most are above it, and there are six values
    or more, or the median step is at least half of the first value (fewer can rise by chance).
    Flows that rise as their plan does are no total: with a plan, a total is also 1.5 times what was
    planned for the last period, or more.

    Parameters
    ----------
    flows : array_like, shape (n,)
        Positive amounts, oldest first.
    plan : array_like, shape (n,), optional
        What was planned for each period, not accumulated.

    Returns
    -------
    bool
        False for fewer than three values, which show no shape.
    """
    C = np.asarray(flows, dtype=np.float64).ravel()
    if C.size < 3:
        return False
    steps = np.diff(C)
    if (steps < 0.0).any():
        return False
    if plan is not None and C[-1] < 1.5 * np.ravel(plan)[-1]:
        return False
    step = float(np.median(steps))
    return bool(step > 0.0 and (C.size >= 6 or step >= 0.5 * C[0]))


# --- the user's maps ------------------------------------------------------------------------


def edf(dd: Any, mapping_dd: Any, mapping_pd: Any) -> Array:
    """Expected default frequency by the user's own table of distances and frequencies.

    ln PD is interpolated linearly in DD, so the map stays monotone; beyond the ends of the table
    its end values hold.

    Parameters
    ----------
    dd : array_like
        Distances to default.
    mapping_dd, mapping_pd : array_like, shape (k,)
        The table, in any order: different distances, PDs > 0 and <= 1 that do not rise with them.

    Returns
    -------
    ndarray
        Probabilities, the shape of `dd`.

    Raises
    ------
    InputError, DomainError
        When the table is not such a table.
    """
    d = check("dd", dd, FINITE)
    grid = check("mapping_dd", mapping_dd, FINITE).ravel()
    p = check("mapping_pd", mapping_pd, MAPPED_PD).ravel()
    if grid.size != p.size or grid.size < 2:
        raise InputError("mapping", "must have two columns of equal length, DD and PD, and two rows or more")
    order = np.argsort(grid)
    grid, p = grid[order], p[order]
    if (np.diff(grid) <= 0.0).any():
        raise InputError("mapping", "must have different distances", float(grid[1:][np.diff(grid) <= 0.0][0]))
    if (np.diff(p) > 0.0).any():
        worst = float(p[1:][np.diff(p) > 0.0][0])
        raise InputError("mapping", "must have PDs that do not rise with the distance", worst)
    return np.asarray(np.exp(np.interp(d, grid, np.log(p))))


def rating(pd: Any, grades: Sequence[str], highest_pd: Any) -> Any:
    """Grade of each PD on the user's own scale.

    Parameters
    ----------
    pd : array_like
        Default probabilities.
    grades : sequence of str, length k
        Names, best first.
    highest_pd : array_like, shape (k,)
        Largest PD that still earns each grade, rising. The last grade takes all above it.

    Returns
    -------
    str or ndarray of object
        Grades, the shape of `pd`.

    Raises
    ------
    InputError, DomainError
        When the scale is not such a scale.
    """
    p = check("pd", pd)
    limits = check("highest_pd", highest_pd, PROBABILITY).ravel()
    if len(grades) != limits.size or limits.size == 0:
        raise InputError("scale", "must have two columns of equal length, grade and highest PD")
    if (np.diff(limits) <= 0.0).any():
        worst = float(limits[1:][np.diff(limits) <= 0.0][0])
        raise InputError("scale", "must have limits that rise from the best grade to the worst", worst)
    index = np.minimum(np.searchsorted(limits, p, side="left"), limits.size - 1)
    names = np.array(list(grades), dtype=object)[index]
    return names if p.ndim else str(names)
