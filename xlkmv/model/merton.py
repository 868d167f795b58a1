"""A firm whose equity is a call on its assets (Merton 1974): forward, inverted, and its debt.

Everything is written in four scale-free quantities, so that no result but a money amount
depends on the currency unit::

    K  = F e^{-rT}               discounted default point
    x  = ln(V/K)                 log leverage
    s  = sigma sqrt(T)           volatility over the horizon
    d1 = x/s + s/2,  d2 = x/s - s/2

and in the Mills function M(z) = N(z)/n(z), which stays smooth where N underflows. The identity
e^x n(d1) = n(d2) turns every difference of two small tails into n(d2) times a difference of M.

References
----------
R. C. Merton, "On the pricing of corporate debt", Journal of Finance 29 (1974).
P. Crosbie and J. Bohn, "Modeling default risk", Moody's KMV (2003).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import erfcx, log_ndtr, ndtr

from xlkmv.errors import ConvergenceError, DomainError, XlkmvError
from xlkmv.model.distance import log_ratio
from xlkmv.model.domain import RULES, Array, check_all, numbers
from xlkmv.model.normal import density, inverse_mills
from xlkmv.phrase import Phrase
from xlkmv.shown import Shown

__all__ = [
    "MAX_ASSET_VOLATILITY",
    "Inversion",
    "asset_value_at_volatility",
    "assets",
    "condition_number",
    "debt_value",
    "equity",
    "expected_recovery",
    "guarantee_value",
    "invert",
    "spread",
]

MAX_ASSET_VOLATILITY = 5.0
"""An implied asset volatility above this (500 %) means a percentage typed as a whole number."""

_SQRT_HALF = np.sqrt(0.5)
_SQRT_HALF_PI = np.sqrt(0.5 * np.pi)

# Fifteen temporaries of this many doubles stay inside a second-level cache.
_BLOCK = 8192
_MAX_ITERATIONS = 40
# Equity worth less than this share of the default point is a rounding error of the firm.
_LEAST_EQUITY = 1e-290
# Equity that moves this many times as much as the assets is a difference of two equal numbers.
_MOST_ELASTICITY = 1e6
# A repricing error above this is not an answer.
_RESIDUAL_LIMIT = 1e-9

# V/K may be beyond the range of floats: such branches are computed, and not taken.
_BEYOND = np.errstate(over="ignore", divide="ignore", invalid="ignore")
_FIRM = "asset_value default_point volatility horizon rate"
_OK, _PERCENTAGE, _NO_INFORMATION, _NOT_CONVERGED, _BREAKS_A_RULE = range(5)
_INPUTS = ("equity", "default_point", "equity_volatility", "horizon", "rate")


# --- forward --------------------------------------------------------------------------------


def equity(
    asset_value: Any, default_point: Any, volatility: Any, horizon: Any = 1.0, rate: Any = 0.0
) -> tuple[Array, Array]:
    """Equity value and equity volatility of a firm.

    E = V N(d1) - F e^{-rT} N(d2),  sigma_E = sigma V N(d1) / E  (Merton 1974).

    Parameters
    ----------
    asset_value : array_like
        Market value V of the assets, money.
    default_point : array_like
        Amount F due at the horizon, same money.
    volatility : array_like
        Volatility sigma of ln V, per annum, decimal.
    horizon : array_like
        T, years.
    rate : array_like
        Continuously compounded risk-free rate r, per annum, decimal.

    Returns
    -------
    equity, equity_volatility : ndarray
        Money, and per annum; the shape of the inputs broadcast together. Where the equity is
        less than the smallest double, it is 0 and its volatility is NaN.

    Raises
    ------
    DomainError
        When an input breaks the rule of its name.
    """
    args = check_all(_FIRM, asset_value, default_point, volatility, horizon, rate)
    shape = np.broadcast_shapes(*(a.shape for a in args))
    size = int(np.prod(shape))
    columns = [_column(a, shape) for a in args]
    value, vol = np.empty(size), np.empty(size)
    for start in range(0, size, _BLOCK):
        part = slice(start, start + _BLOCK)
        value[part], vol[part] = _equity(*(c if c.ndim == 0 else c[part] for c in columns))
    return value.reshape(shape), vol.reshape(shape)


def _equity(V: Array, F: Array, sigma: Array, T: Array, r: Array) -> tuple[Array, Array]:
    K, _, d1, d2 = _terms(V, F, sigma, T, r)
    delta_value = V * ndtr(d1)
    value = delta_value - K * ndtr(d2)
    deep = d1 < 0.0
    if deep.any():
        # Out of the money the two terms agree to many digits: subtract Mills functions instead.
        # V N(d1) = K n(d2) M(d1) keeps the error of n(d2) out of the quotient.
        scale = K * density(d2)
        m1, m2 = _mills(np.where(deep, -d1, 0.0)), _mills(np.where(deep, -d2, 0.0))
        value = np.where(deep, scale * (m1 - m2), value)
        delta_value = np.where(deep, scale * m1, delta_value)
    live = value > 0.0
    if not live.all():
        value = np.where(live, value, 0.0)
        delta_value = np.where(live, delta_value, np.nan)
    return value, sigma * (delta_value / np.where(live, value, 1.0))


def _terms(V: Array, F: Array, sigma: Array, T: Array, r: Array) -> tuple[Array, Array, Array, Array]:
    """K, s, d1, d2."""
    s = sigma * np.sqrt(T)
    ratio = (log_ratio(V, F) + r * T) / s
    return F * np.exp(-r * T), s, ratio + 0.5 * s, ratio - 0.5 * s


def _mills(a: Array) -> Array:
    """M(-a) = N(-a)/n(a) for a >= 0; between 0 and sqrt(pi/2)."""
    return np.asarray(erfcx(a * _SQRT_HALF) * _SQRT_HALF_PI)


# --- debt -----------------------------------------------------------------------------------


def guarantee_value(
    asset_value: Any, default_point: Any, volatility: Any, horizon: Any = 1.0, rate: Any = 0.0
) -> Array:
    """Value today of a guarantee of the full amount due: a put on the assets.

    P = F e^{-rT} N(-d2) - V N(-d1)  (Merton 1977).

    Parameters
    ----------
    asset_value, default_point, volatility, horizon, rate : array_like
        As in :func:`equity`.

    Returns
    -------
    ndarray
        Money, broadcast.

    Raises
    ------
    DomainError
        When an input breaks the rule of its name.
    """
    V, F, sigma, T, r = check_all(_FIRM, asset_value, default_point, volatility, horizon, rate)
    return F * np.exp(-r * T) * _expected_loss(V, F, sigma, T, r)


def debt_value(
    asset_value: Any, default_point: Any, volatility: Any, horizon: Any = 1.0, rate: Any = 0.0
) -> Array:
    """Value today of the debt: riskless debt less the guarantee it lacks, F e^{-rT} - P.

    Parameters
    ----------
    asset_value, default_point, volatility, horizon, rate : array_like
        As in :func:`equity`.

    Returns
    -------
    ndarray
        Money, broadcast.

    Raises
    ------
    DomainError
        When an input breaks the rule of its name.
    """
    V, F, sigma, T, r = check_all(_FIRM, asset_value, default_point, volatility, horizon, rate)
    K, _, d1, d2 = _terms(V, F, sigma, T, r)
    return np.asarray(V * ndtr(-d1) + K * ndtr(d2))


@_BEYOND
def spread(
    asset_value: Any, default_point: Any, volatility: Any, horizon: Any = 1.0, rate: Any = 0.0
) -> Array:
    """Credit spread of the debt over the risk-free rate, continuously compounded.

    spread = -ln(D/F)/T - r = -ln(1 - P/K)/T, with D the debt and P the guarantee value.

    Parameters
    ----------
    asset_value, default_point, volatility, horizon, rate : array_like
        As in :func:`equity`.

    Returns
    -------
    ndarray
        Decimal per annum, broadcast; relative accuracy is kept down to the smallest double.

    Raises
    ------
    DomainError
        When an input breaks the rule of its name.
    """
    V, F, sigma, T, r = check_all(_FIRM, asset_value, default_point, volatility, horizon, rate)
    K, _, d1, d2 = _terms(V, F, sigma, T, r)
    loss = _expected_loss(V, F, sigma, T, r)
    # Small losses by log1p; large ones from what is left, which cannot be a difference.
    small = loss < 0.5
    left = (V / K) * ndtr(-d1) + ndtr(d2)
    log_left = np.where(small, np.log1p(-np.where(small, loss, 0.0)), np.log(np.where(left > 0.0, left, 1.0)))
    # V/K below the smallest float: N(d2) is smaller by far.
    lost = ~small & (left <= 0.0)
    log_left = np.where(lost, log_ratio(V, K) + log_ndtr(-d1), log_left)
    return np.asarray(-log_left / T)


@_BEYOND
def expected_recovery(
    asset_value: Any, default_point: Any, volatility: Any, horizon: Any = 1.0, rate: Any = 0.0
) -> Array:
    """Expected recovery rate on default, under the pricing measure.

    E^Q[V_T / F | V_T < F] = (V/K) N(-d1) / N(-d2) = M(-d1) / M(-d2).

    Parameters
    ----------
    asset_value, default_point, volatility, horizon, rate : array_like
        As in :func:`equity`.

    Returns
    -------
    ndarray
        Share of the amount due, between 0 and 1, broadcast.

    Raises
    ------
    DomainError
        When an input breaks the rule of its name.
    """
    V, F, sigma, T, r = check_all(_FIRM, asset_value, default_point, volatility, horizon, rate)
    K, _, d1, d2 = _terms(V, F, sigma, T, r)
    safe = d2 > 0.0
    m1, m2 = _mills(np.where(safe, d1, 0.0)), _mills(np.where(safe, d2, 0.0))
    return np.where(safe, m1 / m2, (V / K) * ndtr(-d1) / np.where(safe, 1.0, ndtr(-d2)))


@_BEYOND
def _expected_loss(V: Array, F: Array, sigma: Array, T: Array, r: Array) -> Array:
    """Guarantee value per unit of K: N(-d2) - (V/K) N(-d1)."""
    K, _, d1, d2 = _terms(V, F, sigma, T, r)
    safe = d2 > 0.0
    tails = density(d2) * (_mills(np.where(safe, d2, 0.0)) - _mills(np.where(safe, d1, 0.0)))
    return np.where(safe, tails, ndtr(-d2) - (V / K) * ndtr(-d1))


# --- inverted -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Inversion(Shown):
    """Asset values and volatilities implied by equity, with the quality of each.

    Attributes
    ----------
    asset_value, volatility : ndarray
        The answer, money and per annum; NaN where there is none.
    iterations : ndarray of int
        Evaluations of the equation that the element took.
    residual : ndarray
        Largest relative repricing error: the answer put back through :func:`equity` and
        compared with the equity and the equity volatility that were given.
    status : ndarray of int
        0 where the answer can be trusted; :meth:`error` tells the rest in words.
    """

    asset_value: Array
    volatility: Array
    iterations: npt.NDArray[np.int_]
    residual: Array
    status: npt.NDArray[np.int_]
    _equity: Array
    _default_point: Array
    _equity_volatility: Array
    _horizon: Array
    _rate: Array

    @property
    def converged(self) -> npt.NDArray[np.bool_]:
        """Where the answer can be trusted."""
        return np.asarray(self.status == _OK)

    def error(self, index: int = 0) -> XlkmvError | None:
        """Error of one element, or None when its answer holds.

        Parameters
        ----------
        index : int
            Flat: as if the arrays had one dimension.

        Returns
        -------
        XlkmvError or None
            DomainError where an input is wrong, ConvergenceError where no answer can be trusted.
        """
        status = int(np.asarray(self.status).flat[index])
        if status == _BREAKS_A_RULE:
            given = (self._equity, self._default_point, self._equity_volatility, self._horizon, self._rate)
            for name, values in zip(_INPUTS, given, strict=True):
                value = values.flat[index]
                if not RULES[name].holds(np.asarray(value)):
                    return DomainError(name, RULES[name].text, float(value))
        if status == _PERCENTAGE:
            return DomainError(
                "equity_volatility",
                "must be a decimal (0.25 means 25 %): this one implies an asset volatility above 500 %",
                float(self._equity_volatility.flat[index]),
            )
        if status == _NO_INFORMATION:
            return ConvergenceError(
                Phrase(
                    "equity carries no information about the assets: it is {equity:.3g} against a "
                    "default_point of {debt:.3g}",
                    equity=float(self._equity.flat[index]),
                    debt=float(self._default_point.flat[index]),
                )
            )
        if status == _NOT_CONVERGED:
            return ConvergenceError(
                Phrase(
                    "equity and equity_volatility must imply an asset value that reprices them (got "
                    "within {figure:.1e} after {count} iterations)",
                    figure=float(self.residual.flat[index]),
                    count=int(self.iterations.flat[index]),
                )
            )
        return None

    def raise_first(self) -> None:
        """Raise the error of the first element without an answer; do nothing when all have one.

        Raises
        ------
        DomainError, ConvergenceError
            What :meth:`error` gives of that element; of several the message says which it is.
        """
        wrong = np.flatnonzero(self.status)
        if wrong.size:
            error = self.error(int(wrong[0]))
            assert error is not None
            if self.status.size > 1 and isinstance(error, DomainError):
                place = ", ".join(map(str, np.unravel_index(wrong[0], self.status.shape)))
                raise DomainError(f"{error.argument} [{place}]", error.rule, error.value)
            raise error


def assets(
    equity: Any, default_point: Any, equity_volatility: Any, horizon: Any = 1.0, rate: Any = 0.0
) -> tuple[Array, Array]:
    """Asset value and asset volatility implied by equity; raises unless every element has one.

    Parameters
    ----------
    equity, default_point, equity_volatility, horizon, rate : array_like
        As in :func:`invert`.

    Returns
    -------
    asset_value, volatility : ndarray
        Money, and per annum; the shape of the inputs broadcast together.

    Raises
    ------
    DomainError
        When an input breaks the rule of its name, or an equity volatility was typed as a percentage.
    ConvergenceError
        When an element has no answer that can be trusted.
    """
    answer = invert(equity, default_point, equity_volatility, horizon, rate)
    answer.raise_first()
    return answer.asset_value, answer.volatility


def invert(
    equity: Any, default_point: Any, equity_volatility: Any, horizon: Any = 1.0, rate: Any = 0.0
) -> Inversion:
    """Solve the two Merton equations for the assets, element by element.

    With e = E/K and q = sigma_E sqrt(T), the two equations

        e = e^x N(d1) - N(d2),    q e = e^x N(d1) s

    leave s = q e / (e + N(d2)), and one increasing equation in y = d2:

        h(y) = ln[e^{s(y + s/2)} N(y + s)] - ln[e + N(y)] = 0,

    solved by Householder's third-order iteration from a closed-form start.

    Parameters
    ----------
    equity : array_like
        Market value E of the equity, money.
    default_point : array_like
        Amount F due at the horizon, same money.
    equity_volatility : array_like
        Volatility sigma_E of the equity, per annum, decimal.
    horizon : array_like
        T, years.
    rate : array_like
        Continuously compounded risk-free rate r, per annum, decimal.

    Returns
    -------
    Inversion
        Arrays of the shape of the inputs broadcast together. An element without a trustworthy
        answer, or with an input that breaks a rule, has a status and NaN, and does not disturb
        the others.

    Raises
    ------
    InputError
        When an input is not numeric.
    DomainError
        When there is one firm only, and an input breaks the rule of its name.
    """
    values = (equity, default_point, equity_volatility, horizon, rate)
    given = [numbers(name, x) for name, x in zip(_INPUTS, values, strict=True)]
    shape = np.broadcast_shapes(*(a.shape for a in given))
    if not shape:
        check_all(" ".join(_INPUTS), *given)
    size = int(np.prod(shape))
    holds = [RULES[name].holds(a) for name, a in zip(_INPUTS, given, strict=True)]
    # What breaks a rule is solved with a stand-in, whose answer is thrown away below.
    args = [a if good.all() else np.where(good, a, 1.0) for good, a in zip(holds, given, strict=True)]
    columns = [_column(a, shape) for a in args]
    value, vol, residual = np.empty(size), np.empty(size), np.empty(size)
    iterations, status = np.empty(size, dtype=np.int_), np.empty(size, dtype=np.int_)
    for start in range(0, size, _BLOCK):
        part = slice(start, start + _BLOCK)
        value[part], vol[part], iterations[part], residual[part], status[part] = _invert(
            *np.broadcast_arrays(*(np.atleast_1d(c) if c.ndim == 0 else c[part] for c in columns))
        )
    broken = ~np.logical_and.reduce(np.broadcast_arrays(*holds)).reshape(-1)
    if broken.any():
        status[broken] = _BREAKS_A_RULE
        for figure in (value, vol, residual):
            figure[broken] = np.nan
    return Inversion(
        value.reshape(shape),
        vol.reshape(shape),
        iterations.reshape(shape),
        residual.reshape(shape),
        status.reshape(shape),
        *(np.broadcast_to(a, shape) for a in given),
    )


def _invert(
    E: Array, F: Array, sigma_E: Array, T: Array, r: Array
) -> tuple[Array, Array, npt.NDArray[np.int_], Array, npt.NDArray[np.int_]]:
    """Invert one block of 1-D arrays: V, sigma, iterations, residual, status."""
    root_T = np.sqrt(T)
    rT = r * T
    with np.errstate(over="ignore"):
        e = (E / F) * np.exp(rT)
    known = (e > _LEAST_EQUITY) & (e < 1.0 / _LEAST_EQUITY)
    informative = bool(known.all())
    if not informative:
        # A solvable stand-in, whose answer is thrown away below.
        e, E = np.where(known, e, 1.0), np.where(known, E, F * np.exp(-rT))
    # Elements without information wander into 0/0; their status catches them.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        y, s, iterations = _solve(e, sigma_E * root_T)
        sigma = s / root_T
        V = F * np.exp(s * (y + 0.5 * s) - rT)
        value, vol = _equity(V, F, sigma, T, r)
        residual = np.maximum(np.abs(value / E - 1.0), np.abs(vol / sigma_E - 1.0))
        status = np.where(residual <= _RESIDUAL_LIMIT, _OK, _NOT_CONVERGED)
        status[~(sigma * _MOST_ELASTICITY > sigma_E)] = _NO_INFORMATION
    status[sigma > MAX_ASSET_VOLATILITY] = _PERCENTAGE
    if not informative:
        status[~known] = _NO_INFORMATION
    wrong = status != _OK
    if wrong.any():
        V[wrong] = sigma[wrong] = np.nan
        residual[status == _NO_INFORMATION] = np.nan
    return V, sigma, iterations, residual, status


def _start(e: Array, q: Array) -> tuple[Array, Array]:
    """Closed-form start for y = d2, and a floor under it, from three limits of h(y) = 0.

    Safe firm, N(d2) -> 1:      y = a/q - q e/(2 (1 + e)),  a = (1 + 1/e) ln(1 + e)
    Little equity, e -> 0:      y = a c/q - q,  c from 1 (small q) through pi/2 (y = 0) to 2
    Nothing but equity, s -> q: y = ln(e)/q - q/2, and never below -q
    """
    share = e / (1.0 + e)
    a_over_q = np.log1p(e) / (share * q)
    safe = a_over_q - 0.5 * q * share
    z = 1.3 * q * q / (1.0 + 0.4 * q)  # fits c within 0.01
    little = a_over_q * ((1.0 + 2.0 * z) / (1.0 + z)) - q
    floor = np.maximum(np.log(e) / q - 0.5 * q, -q)
    return np.maximum(np.minimum(safe, little), floor), floor


def _solve(e: Array, q: Array) -> tuple[Array, Array, npt.NDArray[np.int_]]:
    """Solve h(y) = 0; return y = d2, s, and the evaluations used."""
    y, floor = _start(e, q)
    floor = floor - 1.0
    s = np.empty_like(y)
    iterations = np.ones(y.shape, dtype=np.int_)
    left: npt.NDArray[np.intp] | None = None  # indices still iterating; None stands for all
    z, ze, zq, zfloor = y, e, q, floor
    for _ in range(_MAX_ITERATIONS):
        step, D, n2 = _householder(z, ze, zq)
        # Steps of this size leave an error of the order of their fourth power.
        size = np.abs(z)
        going = np.abs(step) * (1.0 + np.minimum(size, 38.0)) > 1e-4 + 1e-12 * size
        new = np.maximum(z + step, zfloor)
        # D = e + N(y) follows the step by Taylor, which saves an evaluation at the answer.
        cubic = 1.0 - step * (0.5 * z - step * (z * z - 1.0) / 6.0)
        new_s = zq * (ze / (D + n2 * step * cubic))
        if left is None:
            y, s = new, new_s
            left = np.flatnonzero(going)
        else:
            y[left], s[left] = new, new_s
            left = left[going]
        if left.size == 0:
            break
        iterations[left] += 1
        z, ze, zq, zfloor = y[left], e[left], q[left], floor[left]
    return y, s, iterations


def _householder(y: Array, e: Array, q: Array) -> tuple[Array, Array, Array]:
    """One Householder step of the third order for h at y, with D = e + N(y) and n(y).

    In g = n(y)/D, k = y + g, p = d(d1)/dy = 1 - s g and B = d1 + n(d1)/N(d1), the derivatives
    in y (a digit counts them) are

        h1 = p B - k,    h2 = p1 B + p B1 - k1,    h3 = p2 B + 2 p1 B1 + p B2 - k2,

    with g1 = -g k, k1 = 1 + g1 and k2 = -(g1 k + g k1).
    """
    n2 = density(y)
    m2 = _mills(np.abs(y))
    tail2 = n2 * m2
    D = e + np.where(y < 0.0, tail2, 1.0 - tail2)
    s = q * (e / D)
    d1 = y + s
    n1 = density(d1)
    m1 = _mills(np.abs(d1))
    tail1 = n1 * m1
    N1 = 1.0 - tail1
    x = s * (y + 0.5 * s)
    h = x + np.log(N1 / D)
    inverse_mills = n1 / N1
    deep = d1 < 0.0
    if deep.any():
        # e^x N(d1) = n(d2) M(d1): the factor n(d2) cancels that of D to the last bit.
        h = np.where(deep, np.log(np.where(deep, n2 * m1, 1.0) / D), h)
        inverse_mills = np.where(deep, 1.0 / m1, inverse_mills)
    thin = (y > 0.0) & (e < 0.01)
    if thin.any():
        # Assets just above a sure payment: the logarithm of a number near 1.
        h = np.where(thin, x + np.log1p(np.where(thin, (tail2 - tail1 - e) / D, 0.0)), h)
    g = n2 / D
    k = y + g
    g1 = -g * k
    sg = s * g
    p = 1.0 - sg
    p1 = sg * (k + g)
    p2 = sg * (1.0 + 2.0 * g1 - (k + g) ** 2)
    B = d1 + inverse_mills
    c = 1.0 - inverse_mills * B
    B1 = p * c
    B2 = p1 * c + p * inverse_mills * (p * B * B - B1)
    slope = p * B - k
    second = p1 * B + p * B1 - g1 - 1.0
    third = p2 * B + 2.0 * p1 * B1 + p * B2 + g1 * k + g * (1.0 + g1)
    newton = h / slope
    u = newton * second / slope
    v = newton * newton * third / slope
    return -newton * np.clip((1.0 - 0.5 * u) / (1.0 - u + v / 6.0), 0.5, 2.0), D, n2


def asset_value_at_volatility(
    equity: Any, default_point: Any, volatility: Any, horizon: Any = 1.0, rate: Any = 0.0
) -> Array:
    """Asset value whose call is worth the equity, at a known asset volatility.

    ln E is increasing and concave in x = ln(V/K), with slope V N(d1)/E, so Newton's iteration
    from x = ln(1 + E/K), which is never too small, overshoots once and then climbs to the answer.
    The overshoot stops at the bound d2 > -sqrt(-2 ln(E/K)), where the call is not yet worth E.

    Parameters
    ----------
    equity, default_point, horizon, rate : array_like
        As in :func:`invert`.
    volatility : array_like
        Asset volatility, per annum, decimal.

    Returns
    -------
    ndarray
        Money, of the broadcast shape.

    Raises
    ------
    DomainError
        When an input breaks the rule of its name.
    ConvergenceError
        When an element has no answer that can be trusted.
    """
    names = "equity default_point volatility horizon rate"
    args = check_all(names, equity, default_point, volatility, horizon, rate)
    E, F, sigma, T, r = np.broadcast_arrays(*args)
    s, K = sigma * np.sqrt(T), F * np.exp(-r * T)
    with np.errstate(over="ignore"):
        e = E / K
    if ((e > _LEAST_EQUITY) & (e < 1.0 / _LEAST_EQUITY)).all():
        depth = np.sqrt(-2.0 * np.log(np.minimum(e, 1.0)))
        floor = K * np.exp(np.minimum(-0.5 * s * s, s * (0.5 * s - depth)))
        V = E + K
        for _ in range(_MAX_ITERATIONS):
            value, vol = _equity(V, F, sigma, T, r)
            step = np.log(value / E) * sigma / vol
            V = np.maximum(V * np.exp(-step), floor)
            # Newton squares the error; below this size only the rounding of E is left.
            if (np.abs(step) <= 1e-9).all():
                return np.asarray(V)
    raise ConvergenceError("equity carries no information about the assets at this volatility")


def condition_number(
    asset_value: Any, default_point: Any, volatility: Any, horizon: Any = 1.0, rate: Any = 0.0
) -> tuple[Array, Array]:
    """How much the inversion magnifies relative errors of equity and equity volatility.

    The largest relative change of V, and of sigma, per unit of relative change of E or sigma_E:
    the rows of the inverse of the Jacobian of (ln E, ln sigma_E) in (ln V, ln sigma),

        d ln E       = eta dx + nu dln s,          eta = V N(d1)/E,  nu = V n(d1) s/E
        d ln sigma_E = (1 + a - eta) dx + (1 + b - nu) dln s

    where a = n(d1)/(s N(d1)) and b = a s (-d2) are the elasticities of N(d1). Times the double
    rounding unit 1.1e-16, it bounds the accuracy that any solver can reach.

    Parameters
    ----------
    asset_value, default_point, volatility, horizon, rate : array_like
        As in :func:`equity`.

    Returns
    -------
    value_condition, volatility_condition : ndarray
        Pure numbers, broadcast; infinite where the equity is less than the smallest double.

    Raises
    ------
    DomainError
        When an input breaks the rule of its name.
    """
    V, F, sigma, T, r = check_all(_FIRM, asset_value, default_point, volatility, horizon, rate)
    _, s, d1, d2 = _terms(V, F, sigma, T, r)
    E, sigma_E = _equity(V, F, sigma, T, r)
    live = E > 0.0
    eta = np.where(live, sigma_E, 1.0) / sigma
    ratio = inverse_mills(d1)
    nu = eta * ratio * s
    a = ratio / s
    e11, e12, e21, e22 = eta, nu, 1.0 + a - eta, 1.0 - ratio * d2 - nu
    det = e11 * e22 - e12 * e21
    usable = live & (det != 0.0)
    det = np.where(usable, det, 1.0)
    value = np.where(usable, (np.abs(e22) + np.abs(e12)) / np.abs(det), np.inf)
    vol = np.where(usable, (np.abs(e21) + np.abs(e11)) / np.abs(det), np.inf)
    return value, vol


def _column(a: Array, shape: tuple[int, ...]) -> Array:
    """One number as it is; anything else as a flat array of the common shape."""
    return a.reshape(()) if a.size == 1 else np.broadcast_to(a, shape).reshape(-1)
