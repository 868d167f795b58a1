"""A securitisation plan seen as a firm: accumulated collections against accumulated dues.

At payment date t_k, ``A_k`` is what the pool should have paid in so far, and ``DP_k`` what
had to be paid out so far to a tranche and to everything that ranks ahead of it. A is
observed, so no option has to be inverted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from xlkmv.errors import InputError
from xlkmv.model.conditional import NARROW, step_edges, step_nodes
from xlkmv.model.distance import log_distance, log_ratio
from xlkmv.model.domain import (
    FINITE,
    INSIDE_PROBABILITY,
    NOT_NEGATIVE,
    POSITIVE,
    PROBABILITY,
    Array,
    Rule,
    check,
    check_all,
    check_number,
)
from xlkmv.model.passage import discrete_first_passage
from xlkmv.phrase import Phrase
from xlkmv.shown import Shown

__all__ = [
    "PlanRisk",
    "accumulated_distance",
    "arrival_date",
    "coverage_quantile",
    "default_probability_by",
    "implied_lognormal",
    "minimum_coverage",
    "payment_times",
    "plan_risk",
    "pool_moments",
]

BELOW_ONE = Rule("must be >= 0 and < 1", 0.0, 1.0, high_open=True)
# Share of what is due that is a rounding of its sums.
_DUST = 1e-9
# The factor outside [-12, 12] has probability 4e-33.
_REACH = 12.0
# Steps of the conditional PD cut out of the integral, times obligors and dates, at most.
_MOST_WORK = 2_000_000
# More obligors than this take the series, unless a correlation is above what it takes in reasonable time.
# It is as exact for fewer; these keep the integral, which gives the figures of earlier editions bit by bit.
_FEW, _STRONG = 64, 0.99
# Log of what the terms of the series may leave out, and the most that counts of a squared threshold: an
# obligor beyond it has a PD of 6e-16.
_LEFT_LOG, _FAR = 39.0, 64.0
# Numbers of a chunk of obligors and dates, small enough to stay near the processor.
_CHUNK = 2**15


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PlanRisk(Shown):
    """Risk of one tranche of a plan, date by date; every field has shape (n,).

    Attributes
    ----------
    times : ndarray
        t_k, years from closing.
    accumulated_in, accumulated_due : ndarray
        A_k and DP_k, money.
    coverage : ndarray
        ``(A_k + reserve) / DP_k``; infinite while nothing is due.
    distance : ndarray
        DD_k; infinite where nothing can fall short, minus infinity where a shortfall is sure.
    pd : ndarray
        Terminal default probability ``N(-DD_k)``: short on date k.
    anydate_pd : ndarray
        Probability of being short on at least one date up to k.
    """

    times: Array
    accumulated_in: Array
    accumulated_due: Array
    coverage: Array
    distance: Array
    pd: Array
    anydate_pd: Array


COUNT = Rule("must be a number of dates from 0 to 100,000", 0.0, 1e5)


def payment_times(count: int, periods_per_year: float) -> Array:
    """Times of `count` equally spaced payment dates, ``t_k = k / periods_per_year`` years.

    Parameters
    ----------
    count : int
        0 to 100,000.
    periods_per_year : float

    Returns
    -------
    ndarray, shape (count,)
        Years.

    Raises
    ------
    InputError, DomainError
        When an argument is no number or breaks its rule.
    """
    number = check_number("count", count, COUNT)
    return np.arange(1, int(number) + 1) / check_number("periods_per_year", periods_per_year)


def default_probability_by(pd: npt.ArrayLike, times: npt.ArrayLike) -> Array:
    """Probability of default up to each time at a constant yearly rate, ``F(t) = 1 - (1 - PD)^t``.

    Parameters
    ----------
    pd : array_like
        One-year default probability, 0 to 1: one number, or shape (m, 1) for m obligors.
    times : array_like, shape (n,)
        Years, >= 0.

    Returns
    -------
    ndarray
        Probabilities, broadcast ((m, n) for m obligors); small ones keep their digits.

    Raises
    ------
    InputError, DomainError
        When an argument is no number or breaks its rule.
    """
    p, t = check("pd", pd), check("times", times, NOT_NEGATIVE)
    with np.errstate(divide="ignore"):
        # A bound on ln(1 - PD) for PD = 1, so that nobody has defaulted at time 0.
        log_survival = np.maximum(np.log1p(-p), -1e100)
    return np.asarray(-np.expm1(t * log_survival))


def arrival_date(times: npt.ArrayLike, lag: npt.ArrayLike) -> npt.NDArray[np.intp]:
    """Position of the payment date on which the recovery of an instalment missed on each date arrives.

    The first date not earlier than the missed date plus the lag; n where the plan ends before.

    Parameters
    ----------
    times : array_like, shape (n,)
        Payment dates, years, increasing.
    lag : array_like
        Recovery lag in years, >= 0: one number, or shape (m, 1) for m obligors.

    Returns
    -------
    ndarray of int
        Shape (n,), or (m, n) for m obligors.

    Raises
    ------
    InputError, DomainError
        When an argument is no number or breaks its rule.
    """
    t = check("times", times, NOT_NEGATIVE)
    # A lag of whole periods ends on a date; the rounding of the sum must not miss it.
    return np.asarray(np.searchsorted(t, t + check("lag", lag, NOT_NEGATIVE) - 1e-9))


def plan_risk(
    collections: npt.ArrayLike,
    dues: npt.ArrayLike,
    volatility: float,
    times: npt.ArrayLike,
    drift: float = 0.0,
    reserve: float = 0.0,
) -> PlanRisk:
    """Distance to default and default probability of a tranche on every payment date.

    ``DD_k = [ln(A_k/DP_k) + (mu - sigma^2/2) t_k] / (sigma sqrt t_k)``, ``PD_k = N(-DD_k)``;
    the any-date probability is :func:`~xlkmv.model.passage.discrete_first_passage` of DD.

    Parameters
    ----------
    collections : array_like, shape (n,)
        Planned collections of the pool per period (not accumulated), money, >= 0.
    dues : array_like, shape (n,)
        Principal, interest and senior fees due per period to the tranche and to everything
        that ranks ahead of it, money, >= 0.
    volatility : float
        sigma of ln A, per annum.
    times : array_like, shape (n,)
        Years from closing, increasing.
    drift : float
        mu per annum: expected growth of A against the plan.
    reserve : float
        Cash held from closing on, money. It is certain, so it lowers what the pool must
        pay: DP_k - reserve takes the place of DP_k.

    Returns
    -------
    PlanRisk

    Raises
    ------
    InputError, DomainError
        When shapes differ or an argument breaks its rule.
    """
    c = np.atleast_1d(check("collections", collections))
    d = np.atleast_1d(check("dues", dues))
    t = np.atleast_1d(check("times", times, POSITIVE))
    if c.ndim != 1 or c.size == 0 or c.shape != d.shape or c.shape != t.shape:
        raise InputError(
            "dues",
            Phrase("must have one value per collection ({count})", count=c.size),
            f"{d.size} dues, {t.size} times",
        )
    # Stressed and implied figures may leave the range that a person would type.
    sigma, mu = check_number("volatility", volatility, POSITIVE), check_number("drift", drift, FINITE)
    held = check_number("reserve", reserve, NOT_NEGATIVE)
    paid_in, due = np.cumsum(c), np.cumsum(d)
    distance = accumulated_distance(paid_in, due, sigma, t, mu, held)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        coverage = np.where(due > 0.0, (paid_in + held) / due, np.inf)
    return PlanRisk(
        t, paid_in, due, coverage, distance, np.asarray(ndtr(-distance)), discrete_first_passage(distance, t)
    )


def accumulated_distance(
    paid_in: Array, due: Array, volatility: float, times: Array, drift: float, reserve: Array | float
) -> Array:
    """Distance to default of accumulated figures, each on a date of its own: that of :func:`plan_risk`.

    Parameters
    ----------
    paid_in, due : ndarray
        A_k and DP_k, money.
    volatility : float
    times : ndarray
        t_k, years.
    drift : float
    reserve : ndarray or float
        Money.

    Returns
    -------
    ndarray
        Infinite where nothing can fall short but 1e-9 of what is due, which is rounding.
    """
    open_due = np.maximum(due - reserve, 0.0)
    # Sums that are equal on paper differ by roundings, which nobody can miss, not even an empty pool.
    log_coverage = np.where(open_due > _DUST * due, log_ratio(paid_in, open_due), np.inf)
    return log_distance(log_coverage, volatility, times, drift)


def coverage_quantile(risk: PlanRisk, probability: float, volatility: float, drift: float = 0.0) -> Array:
    """Coverage that is not exceeded with some probability on each date.

    ``(A_k exp((mu - sigma^2/2) t_k + sigma sqrt(t_k) N^-1(p)) + reserve) / DP_k``: what pays in is
    lognormal around the plan, as in :func:`plan_risk`.

    Parameters
    ----------
    risk : PlanRisk
    probability : float
        Inside 0 to 1.
    volatility, drift : float
        With which `risk` was computed, per annum.

    Returns
    -------
    ndarray, shape (n,)
        Infinite while nothing is due.

    Raises
    ------
    DomainError
        When the probability is not inside 0 to 1, or the volatility not positive.
    """
    z = float(ndtri(check("probability", probability, INSIDE_PROBABILITY)))
    sigma, mu, t = check_number("volatility", volatility, POSITIVE), check_number("drift", drift), risk.times
    due = np.isfinite(risk.coverage)
    out = np.full(t.shape, np.inf)
    with np.errstate(over="ignore"):  # next to nothing is due: infinite
        moved = risk.accumulated_in * np.expm1((mu - 0.5 * sigma * sigma) * t + sigma * np.sqrt(t) * z)
        out[due] = risk.coverage[due] + moved[due] / risk.accumulated_due[due]
    return out


def minimum_coverage(
    target_pd: npt.ArrayLike, volatility: npt.ArrayLike, horizon: npt.ArrayLike, drift: npt.ArrayLike = 0.0
) -> Array:
    """Least coverage A/DP whose terminal PD does not exceed the target.

    ``(A/DP)* = exp[-(mu - sigma^2/2) T - N^{-1}(p*) sigma sqrt T]``

    Parameters
    ----------
    target_pd, volatility, horizon, drift : array_like
        As in :func:`~xlkmv.model.distance.safe_issue`.

    Returns
    -------
    ndarray
        Ratio, >= 0.

    Raises
    ------
    InputError, DomainError
        When an argument is no number or breaks its rule.
    """
    names = "target_pd volatility horizon drift"
    p, sigma, T, mu = check_all(names, target_pd, volatility, horizon, drift)
    return np.asarray(np.exp((0.5 * sigma * sigma - mu) * T - ndtri(p) * sigma * np.sqrt(T)))


def pool_moments(
    schedule: npt.ArrayLike,
    times: npt.ArrayLike,
    pds: npt.ArrayLike,
    recoveries: npt.ArrayLike,
    lags: npt.ArrayLike,
    correlations: npt.ArrayLike,
    claims: npt.ArrayLike | None = None,
    counts: npt.ArrayLike | None = None,
    clock: npt.ArrayLike | None = None,
) -> tuple[float, float]:
    """Mean and variance of what a pool pays in up to the last date, obligors defaulting.

    Default times follow ``F_i(t) = 1 - (1 - PD_i)^t`` under a one-factor Gaussian copula. An
    obligor that defaults between two dates misses every later instalment; `recoveries` of
    them come back at the first date not earlier than its next date plus the lag.
    Given the factor the obligors are independent, so the variance is a sum over obligors,
    integrated over the factor numerically; nothing is simulated.

    Parameters
    ----------
    schedule : array_like, shape (m, n)
        Scheduled collections of m obligors on n dates, money.
    times : array_like, shape (n,)
        Years, increasing.
    pds, recoveries, lags, correlations : array_like, shape (m,)
        One-year PD (0 to < 1), recovery rate, recovery lag in years, asset correlation (0 to
        < 1); one each, or one for all.
    claims : array_like, shape (m, n), optional
        What the recovery of a default before each date is counted on, money; all that is still
        scheduled when left out.
    counts : array_like, shape (m,), optional
        Equal, separate obligors that each row stands for; one when left out.
    clock : array_like, shape (n,), optional
        Times in place of `times` in F_i, where obligors do not default at a constant rate.

    Returns
    -------
    mean, variance : float
        Of the accumulated collections at the last date, money and money squared.

    Raises
    ------
    InputError, DomainError
        When shapes differ or an argument breaks its rule.

    Notes
    -----
    Conditional independence given the factor: Vasicek (2002); Li (2000) for the copula of
    default times. A pool of up to 64 rows, or with a correlation near 1, is integrated over the factor.
    The trapezoidal rule converges geometrically on a density like this one
    once its step is below the width of the conditional PD, sqrt((1 - rho)/rho). Where that is
    narrow the PD is close to a step, and Gauss-Legendre rules between the steps take its place;
    so the work is bounded. Larger pools take the tetrachoric series, which is the same number at a
    fraction of the work (:func:`_series_variance`).
    """
    c, t = check("schedule", schedule, NOT_NEGATIVE), check("times", times, POSITIVE)
    if c.ndim != 2 or t.shape != c.shape[1:] or t.size == 0:
        raise InputError(
            "schedule", Phrase("must have one column per date ({count})", count=t.size), f"shape {c.shape}"
        )
    given = {"pds": (pds, BELOW_ONE), "recoveries": (recoveries, PROBABILITY)}
    given |= {"lags": (lags, NOT_NEGATIVE), "correlations": (correlations, BELOW_ONE)}
    columns = []
    for name, (values, rule) in given.items():
        x = check(name, values, rule)
        if x.ndim and x.shape != c.shape[:1]:
            raise InputError(
                name, Phrase("must have one value per obligor ({count})", count=len(c)), f"shape {x.shape}"
            )
        columns.append(np.broadcast_to(x, c.shape[:1]))
    pd, recovery, lag, rho = columns
    claim = None if claims is None else check("claims", claims, FINITE)
    waits, wait_of = np.unique(lag, return_inverse=True)
    in_time = arrival_date(t, waits[:, None]) < t.size

    def losses(rows: slice | npt.NDArray[np.intp]) -> Array:
        """What is lost of some obligors when their first missed date is j."""
        missed = np.cumsum(c[rows, ::-1], axis=1)[:, ::-1]
        back, comes = recovery[rows, None], in_time[wait_of[rows]]
        if claim is None:
            return np.asarray(missed * np.where(comes, 1.0 - back, 1.0))
        return np.asarray(missed - np.where(comes, back * claim[rows], 0.0))

    by = t if clock is None else np.asarray(clock)
    number = np.ones(len(c)) if counts is None else np.asarray(counts)
    if len(c) > _FEW and rho.max() <= _STRONG:
        expected, variance = _series_variance(losses, pd, rho, number, by)
    else:
        expected, variance = _integrated_variance(losses(slice(None)), pd, rho, number, by)
    return float(c.sum()) - expected, max(variance, 0.0)


def _integrated_variance(
    loss: Array, pd: Array, rho: Array, counts: Array, times: Array
) -> tuple[float, float]:
    """Mean and variance of what is lost, integrated over the factor."""
    by_date = default_probability_by(pd[:, None], times)
    threshold = ndtri(by_date)
    expected = float((np.diff(by_date, axis=1, prepend=0.0) * loss).sum())
    root, rest = np.sqrt(rho)[:, None], np.sqrt(1.0 - rho)[:, None]
    slope = np.maximum(root, 1e-150)
    width = rest / slope
    if loss.size and width.min() < NARROW:
        sizes = np.broadcast_to(loss.max(axis=1, keepdims=True), loss.shape)
        widths = np.broadcast_to(width, loss.shape)
        most = int(np.clip(_MOST_WORK // loss.size, 8, 512))
        edges = step_edges((threshold / slope).ravel(), widths.ravel(), sizes.ravel(), _REACH, most)
        nodes, weights = step_nodes(edges)
    else:
        step = 0.25 * min(float(width.min(initial=1.0)), 1.0)
        nodes = np.arange(-np.ceil(_REACH / step), np.ceil(_REACH / step) + 1) * step
        weights = np.exp(-0.5 * nodes * nodes)
        weights /= weights.sum()
    means, variances = np.empty(nodes.size), np.empty(nodes.size)
    some, squares = max(_CHUNK // max(loss.size, 1), 1), loss**2
    for at in (slice(start, start + some) for start in range(0, nodes.size, some)):
        cumulative = ndtr((threshold - root * nodes[at, None, None]) / rest)
        defaulted = np.diff(cumulative, axis=2, prepend=0.0)
        first = (defaulted * loss).sum(axis=2)
        means[at] = first.sum(axis=1)
        each = (defaulted * squares).sum(axis=2) - first**2
        variances[at] = (each / counts).sum(axis=1)
    return expected, float(weights @ (variances + (means - expected) ** 2))


def _series_variance(
    losses: Callable[[npt.NDArray[np.intp]], Array], pd: Array, rho: Array, counts: Array, times: Array
) -> tuple[float, float]:
    """Mean and variance of what is lost, by the tetrachoric series.

    With a_k the threshold of date k and d_k = loss_k - loss_{k+1}, the expected loss of obligor i
    given the factor has the coefficients ``c_in = -rho_i^(n/2)/sqrt(n!) sum_k d_ik phi(a_ik)
    He_{n-1}(a_ik)``, n >= 1, in the orthonormal Hermite polynomials of the factor. So the variance is

    ``sum_i (E[loss_i^2] - E[loss_i]^2 - sum_n c_in^2)/count_i + sum_n (sum_i c_in)^2``.

    Pearson (1900). Cramer's bound ``|He_n(a)| <= 1.09 e^(a^2/4) sqrt(n!)`` says how many terms count.
    """
    kinds, kind_of = np.unique(pd, return_inverse=True)
    by_date = default_probability_by(kinds[:, None], times)
    step = np.diff(by_date, axis=1, prepend=0.0)
    # Beyond 37 the density of a threshold is below all numbers.
    threshold = np.clip(ndtri(by_date), -37.0, 37.0)
    expected = variance = 0.0
    common = np.zeros(_terms(float(rho.max()), _FAR))
    order = np.argsort(rho, kind="stable")  # weakly correlated obligors need few terms
    for rows in np.array_split(order, -(-rho.size * times.size // _CHUNK)):
        loss, a, jump = losses(rows), threshold[kind_of[rows]], step[kind_of[rows]]
        mean = np.einsum("ij,ij->i", jump, loss)
        own = np.einsum("ij,ij,ij->i", jump, loss, loss) - mean * mean
        drop = loss - np.pad(loss[:, 1:], ((0, 0), (0, 1)))
        root = np.sqrt(rho[rows])
        power = np.ones(rows.size)
        # Hermite functions He_n phi/sqrt(n!), n = 0, 1, ..., each from the two before.
        current = np.exp(-0.5 * a * a) / np.sqrt(2.0 * np.pi)
        before, after = np.zeros_like(a), np.empty_like(a)
        for n in range(_terms(float(root[-1] ** 2), float((a * a).max()))):
            power *= root
            coefficient = np.einsum("ij,ij->i", drop, current) * power / np.sqrt(n + 1.0)
            own -= coefficient * coefficient
            common[n] += coefficient.sum()
            np.multiply(a, current, out=after)
            before *= np.sqrt(n)
            after -= before
            after /= np.sqrt(n + 1.0)
            current, before, after = after, current, before
        expected += float(mean.sum())
        variance += float((own / counts[rows]).sum())
    return expected, variance + float(common @ common)


def _terms(rho: float, square: float) -> int:
    """How many terms of the series count at a correlation, for thresholds up to a square."""
    return int(np.ceil((_LEFT_LOG + 0.5 * min(square, _FAR)) / -np.log(rho))) if rho > 0.0 else 0


def implied_lognormal(planned: float, mean: float, variance: float, horizon: float) -> tuple[float, float]:
    """Volatility and drift of the lognormal pool that has the given moments at the horizon.

    ``sigma = sqrt[ln(1 + variance/mean^2)/T]``, ``mu = ln(mean/planned)/T``.

    Parameters
    ----------
    planned : float
        Accumulated collections of the plan at the horizon, money.
    mean, variance : float
        Moments of what really comes in, as from :func:`pool_moments`.
    horizon : float
        T in years.

    Returns
    -------
    volatility, drift : float
        Per annum.

    Raises
    ------
    DomainError
        When planned, mean or horizon is not positive, or the variance negative.
    """
    for name, value in {"planned": planned, "mean": mean, "horizon": horizon}.items():
        check(name, value, POSITIVE)
    check("variance", variance, NOT_NEGATIVE)
    return (
        float(np.sqrt(np.log1p(variance / (mean * mean)) / horizon)),
        float(np.log(mean / planned) / horizon),
    )
