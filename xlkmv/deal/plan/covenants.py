"""Covenants: the value of each test, its headroom, and how far in standard deviations a breach is.

The KMV idea applied to a test: where the tested value moves as the pool does, its distance
to the threshold in standard deviations gives the probability of a breach. Where it jumps
with single defaults, the simulated frequency of breaches gives the distance instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from xlkmv.deal.plan.stressed import CERTAIN
from xlkmv.deal.terms import Covenant
from xlkmv.errors import InputError
from xlkmv.model.distance import log_distance
from xlkmv.model.domain import RULES, Array, Rule, check, check_number, numbers
from xlkmv.model.passage import discrete_first_passage
from xlkmv.phrase import Phrase
from xlkmv.shown import Shown

__all__ = [
    "LOGNORMAL_METRICS",
    "CovenantPath",
    "Observation",
    "breached",
    "covenant_path",
    "covenant_risk",
    "metric_value",
]

# Metrics that move with the pool's cash; the others jump with single defaults.
LOGNORMAL_METRICS = ("coverage", "period DSCR", "senior DD")

# Sums of many payments that should meet a threshold miss it by less than this share of it.
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """What a test sees on one date, before anything is paid; vectors over paths or scalars.

    Attributes
    ----------
    time : float
        Years from closing.
    collections, accumulated_in : ndarray
        Of the period, and since closing, money.
    due, accumulated_due : ndarray, shape (p,) or (1,), or float
        Fees and senior interest and principal by plan, of the period and since closing.
    default_ratio : ndarray
        Claims on defaulted obligors, outstanding at default, as a share of all claims at
        closing: what is scheduled, or the balance of loans.
    largest_share : ndarray
        Share of the largest performing obligor in the claims on performing obligors.
    reserve : ndarray
        Held before the date's draws, money.
    reserve_target : ndarray or float
        Size of the reserve, money.
    senior_outstanding : ndarray of bool
    volatility, drift : ndarray or float
    reserve_at_closing : ndarray, shape (p,) or (1,), or float
        Money; what was there then.
    pool : ndarray
        Performing pool after the collections of the date, money.
    claims : ndarray
        The same before the collections of the date, money.
    pool_at_closing : float
    notes : ndarray, shape (k, p)
        Principal outstanding per class, money.
    """

    time: float
    collections: Array
    accumulated_in: Array
    due: Array | float
    accumulated_due: Array | float
    default_ratio: Array
    largest_share: Array
    reserve: Array
    reserve_target: Array | float
    senior_outstanding: npt.NDArray[np.bool_]
    volatility: Array | float
    drift: Array | float
    reserve_at_closing: Array | float
    pool: Array
    claims: Array
    pool_at_closing: float
    notes: Array


def metric_value(metric: str, seen: Observation) -> Array:
    """Value of a covenant's metric on one date.

    - coverage: ``accumulated collections / accumulated dues``
    - period DSCR: ``collections of the period / dues of the period``
    - cumulative default ratio, largest obligor share: as in :class:`Observation`
    - reserve ratio: ``reserve / size of the reserve``, while a senior class is outstanding
    - senior DD: ``[ln(A_k/(DP_k - reserve at closing)) + (mu - sigma^2/2) t_k]/(sigma sqrt t_k)``
    - overcollateralisation: ``(claims - notes)/claims``, claims that perform on the date and notes,
      both before what is collected and paid on it
    - pool factor: ``pool / pool at closing``

    Dues are senior fees and what the senior classes are owed by plan: accumulated as they fall
    due, by the default point of the terms; those of a period as the plan without defaults pays them.

    Parameters
    ----------
    metric : str
        One of :data:`~xlkmv.deal.terms.METRICS`.
    seen : Observation

    Returns
    -------
    ndarray
        Shape of the observation's vectors; infinite where nothing is due, NaN where the
        test does not apply.
    """
    if metric == "coverage":
        return _ratio(seen.accumulated_in, seen.accumulated_due)
    if metric == "period DSCR":
        return _ratio(seen.collections, seen.due)
    if metric == "cumulative default ratio":
        return np.asarray(seen.default_ratio, float)
    if metric == "largest obligor share":
        return np.asarray(seen.largest_share, float)
    if metric == "reserve ratio":
        applies = seen.senior_outstanding & (seen.reserve_target > 0.0)
        return np.where(applies, seen.reserve / np.where(applies, seen.reserve_target, 1.0), np.nan)
    if metric == "overcollateralisation":
        notes = seen.notes.sum(axis=0)
        applies = (seen.claims > 0.0) & (notes > 0.0)
        share = np.where(applies, 1.0 - notes / np.where(applies, seen.claims, 1.0), np.nan)
        # As many claims as notes: a test of parity does not hang on the last digit.
        share[np.abs(share) <= ROUNDING] = 0.0
        return share
    if metric == "pool factor":
        return np.asarray(seen.pool / max(seen.pool_at_closing, 1e-300))
    if metric == "senior DD":
        sigma, t = seen.volatility, seen.time
        ratio = _ratio(seen.accumulated_in, np.maximum(seen.accumulated_due - seen.reserve_at_closing, 0.0))
        # Without volatility, coverage of 1 has no distance: NaN, which breaches nothing.
        with np.errstate(divide="ignore", invalid="ignore"):
            log = np.log(ratio)
            log[np.abs(log) <= ROUNDING] = 0.0
            return log_distance(log, sigma, t, seen.drift)
    raise InputError("metric", "is not known", metric)


def _ratio(numerator: Array, denominator: Array | float) -> Array:
    out = np.full(numerator.shape, np.inf)
    np.divide(numerator, denominator, out=out, where=denominator > 0.0)
    return out


def breached(values: Array, threshold: float, side: str) -> npt.NDArray[np.bool_]:
    """Whether a value is beyond its threshold by more than rounding; NaN, no test, never is.

    Parameters
    ----------
    values : ndarray
    threshold : float
    side : {"min", "max"}
        "min": the threshold is a floor.
    """
    slack = ROUNDING * abs(threshold)
    return np.asarray(values < threshold - slack if side == "min" else values > threshold + slack)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CovenantPath(Shown):
    """One covenant date by date; every array has shape (n,).

    Attributes
    ----------
    name : str
    values : ndarray
        NaN where the test does not apply.
    threshold : float
    headroom : ndarray
        Distance to the threshold in the units of the metric, negative in breach.
    status : tuple of str
        "ok", "breach" or "not tested".
    distance : ndarray
        Distance to breach in standard deviations.
    probability : ndarray
        Of a breach on the date.
    anydate_probability : ndarray
        Of a breach on at least one date so far.
    first_breach : int or None
        Position of the first date in breach.
    source : str
        "lognormal" or "simulation": where distance and probability come from.
    """

    name: str
    values: Array
    threshold: float
    headroom: Array
    status: tuple[str, ...]
    distance: Array
    probability: Array
    anydate_probability: Array
    first_breach: int | None
    source: str


def covenant_path(
    values: npt.ArrayLike,
    threshold: float,
    volatility: float,
    times: npt.ArrayLike,
    drift: float = 0.0,
    side: str = "min",
    name: str = "",
) -> CovenantPath:
    """Headroom, status, distance to breach and its probability for a lognormal test value.

    Seen from closing the value on date k is ``v_k exp[(mu - sigma^2/2) t_k + sigma W(t_k)]``
    with v_k as planned, so that

    ``distance = [ln(v_k/threshold) + (mu - sigma^2/2) t_k] / (sigma sqrt t_k)`` for a floor,
    with the opposite sign for a ceiling; probability ``N(-distance)``. The any-date
    probability is that of the same Brownian path
    (:func:`~xlkmv.model.passage.discrete_first_passage`).

    Parameters
    ----------
    values : array_like, shape (n,)
        Planned values, >= 0, by date; NaN where the test does not apply.
    threshold : float
    volatility, drift : float
        sigma and mu of the value, per annum.
    times : array_like, shape (n,)
        Years from now, > 0 and increasing.
    side : {"min", "max"}
        Whether the threshold is a floor or a ceiling.
    name : str

    Returns
    -------
    CovenantPath

    Raises
    ------
    InputError, DomainError
        When shapes differ, `side` is unknown or an argument breaks its rule.
    """
    v, t = np.atleast_1d(numbers("values", values)), np.atleast_1d(numbers("times", times))
    limit = check_number("threshold", threshold, Rule("must be a number"))
    sigma, mu = check_number("volatility", volatility), check_number("drift", drift)
    check("values", v[~np.isnan(v) & (v != np.inf)], RULES["collections"])
    if v.ndim != 1 or v.shape != t.shape:
        raise InputError(
            "values", Phrase("must have one value per date ({count} dates)", count=t.size), f"shape {v.shape}"
        )
    if side not in ("min", "max"):
        raise InputError("side", "must be min or max", side)
    return _lognormal(name, v, limit, side, sigma, mu, t)


def _lognormal(
    name: str, v: Array, limit: float, side: str, sigma: float, mu: float, t: Array
) -> CovenantPath:
    """:func:`covenant_path` for figures that follow from a pool: sigma may be 0, mu any number."""
    if sigma < CERTAIN:
        return _sure(name, v, limit, side, t)
    # A lognormal value is never at or below 0, and v = 0 never leaves it.
    with np.errstate(divide="ignore", invalid="ignore"):
        log_ratio = np.log(v) - np.log(max(limit, 0.0))
        log_ratio = np.where((v == 0.0) & (limit > 0.0), -np.inf, log_ratio)
        log_ratio = np.where((v >= 0.0) & (limit <= 0.0), np.inf, log_ratio)
        above = log_distance(log_ratio, sigma, t, mu)
    return _path(name, v, limit, side, above if side == "min" else -above, t)


def _sure(name: str, values: Array, threshold: float, side: str, times: Array) -> CovenantPath:
    """A value that comes as planned: in breach or not, without doubt."""
    distance = np.where(breached(values, threshold, side), -np.inf, np.inf)
    return _path(name, values, threshold, side, np.where(np.isnan(values), np.nan, distance), times)


def _path(
    name: str, values: Array, threshold: float, side: str, distance: Array, times: Array
) -> CovenantPath:
    anydate = discrete_first_passage(np.where(np.isnan(distance), np.inf, distance), times)
    return _result(name, values, threshold, side, distance, np.asarray(ndtr(-distance)), anydate, "lognormal")


def _result(
    name: str,
    values: Array,
    threshold: float,
    side: str,
    distance: Array,
    probability: Array,
    anydate: Array,
    source: str,
) -> CovenantPath:
    bad, untested = breached(values, threshold, side), np.isnan(values)
    first = np.flatnonzero(bad)
    return CovenantPath(
        name=name,
        values=values,
        threshold=threshold,
        headroom=values - threshold if side == "min" else threshold - values,
        status=tuple(
            "not tested" if u else "breach" if b else "ok" for u, b in zip(untested, bad, strict=True)
        ),
        distance=distance,
        probability=probability,
        anydate_probability=anydate,
        first_breach=int(first[0]) if first.size else None,
        source=source,
    )


def covenant_risk(
    covenants: Sequence[Covenant],
    values: npt.ArrayLike,
    times: npt.ArrayLike,
    volatility: float,
    drift: float = 0.0,
    frequency: npt.ArrayLike | None = None,
    anydate_frequency: npt.ArrayLike | None = None,
) -> tuple[CovenantPath, ...]:
    """Risk of every covenant of a plan along its planned values.

    Coverage and period DSCR move with the pool: :func:`covenant_path` with its sigma and
    mu. The senior DD of what has come in by date k is its planned value, plus the growth of
    the pool beyond its plan in standard deviations, plus W(t_k)/sqrt(t_k):
    ``distance = DD_k + (mu - sigma^2/2) sqrt(t_k)/sigma - threshold`` for a floor. The
    default ratio, the largest share and the reserve ratio jump with single defaults: their
    probability is the simulated frequency p, and ``distance = -N^{-1}(p)``; NaN without a
    simulation.

    Parameters
    ----------
    covenants : sequence of Covenant
        c of them.
    values : array_like, shape (c, n)
        Planned values, as in :attr:`~xlkmv.deal.plan.waterfall.Waterfall.covenants`.
    times : array_like, shape (n,)
    volatility, drift : float
        sigma and mu of the pool, per annum.
    frequency, anydate_frequency : array_like, shape (c, n), optional
        Simulated share of paths in breach on each date, and on at least one date so far.

    Returns
    -------
    tuple of CovenantPath
    """
    t = np.asarray(times, float)
    v = np.asarray(values, float).reshape(len(covenants), t.size)
    out = []
    for c, covenant in enumerate(covenants):
        if covenant.metric == "senior DD" and volatility < CERTAIN:
            out.append(_sure(covenant.name, v[c], covenant.threshold, covenant.side, t))
        elif covenant.metric == "senior DD":
            # The planned value counts the growth from today's plan; what comes in has grown already.
            expected = v[c] + (drift - 0.5 * volatility**2) * np.sqrt(t) / volatility
            gap = expected - covenant.threshold if covenant.side == "min" else covenant.threshold - expected
            out.append(_path(covenant.name, v[c], covenant.threshold, covenant.side, gap, t))
        elif covenant.metric in LOGNORMAL_METRICS:
            limit, side = covenant.threshold, covenant.side
            out.append(_lognormal(covenant.name, v[c], limit, side, volatility, drift, t))
        else:
            p = np.full(t.size, np.nan) if frequency is None else np.asarray(frequency, float)[c]
            ever = p if anydate_frequency is None else np.asarray(anydate_frequency, float)[c]
            d, name = -ndtri(p), covenant.name
            out.append(_result(name, v[c], covenant.threshold, covenant.side, d, p, ever, "simulation"))
    return tuple(out)
