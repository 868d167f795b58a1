"""The one call that a refresh makes: everything the workbook shows, from one deal.

The KMV view sets accumulated collections against accumulated dues, tranche by tranche, with
one volatility for the pool; it needs no path.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from xlkmv.deal.stress import PRESETS, Stress, Stressed, apply
from xlkmv.deal.terms import Deal
from xlkmv.model.copula import joint_default_probability
from xlkmv.model.domain import Array
from xlkmv.model.plan import PlanRisk, implied_lognormal, plan_risk, pool_moments

__all__ = ["KmvView", "TrancheRisk", "kmv_view", "pool_lognormal", "support_default_probability"]

# A pool that cannot default has no volatility; this much keeps the formulas defined.
LEAST_VOLATILITY = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class TrancheRisk:
    """Risk of one tranche in the KMV view.

    Attributes
    ----------
    name : str
    risk : PlanRisk
        From the pool (and the reserve, where it protects the tranche) alone, date by date.
    pd, anydate_pd : ndarray, shape (n,)
        Default probabilities with the shortfall undertaking counted, where it is on and
        protects the tranche; those of `risk` elsewhere.
    expected_loss : float
        Expected shortfall of the accumulated dues at the last date, as a share of what is
        due to the tranche itself.
    first_short : date or None
        First date on which even the planned collections do not cover the dues.
    """

    name: str
    risk: PlanRisk
    pd: Array
    anydate_pd: Array
    expected_loss: float
    first_short: dt.date | None


@dataclass(frozen=True, slots=True, eq=False)
class KmvView:
    """The plan under one stress in the KMV view.

    Attributes
    ----------
    stress : Stress
    volatility, drift : float
        Of the pool, per annum, after the stress.
    tranches : tuple of TrancheRisk
        In the order of ``deal.tranches``.
    """

    stress: Stress
    volatility: float
    drift: float
    tranches: tuple[TrancheRisk, ...]


def support_default_probability(deal: Deal, times: Array) -> Array:
    """Probability that the payer of the shortfall undertaking has defaulted by each time; 1 if off.

    ``1 - (1 - PD_G)^t``
    """
    controls = deal.controls
    if not controls.support:
        return np.ones_like(times)
    return np.asarray(
        -np.expm1(times * np.log1p(-controls.support_pd)) if controls.support_pd < 1 else times**0
    )


def pool_lognormal(stressed: Stressed) -> tuple[float, float]:
    """Volatility and drift per annum of the pool's accumulated collections under a stress.

    The user's figures, or those of the lognormal that has the mean and the variance which
    the obligors' own default risk gives at the last date
    (:func:`~xlkmv.model.plan.pool_moments`). The volatility stress multiplies either.
    """
    terms, pool = stressed.deal.terms, stressed.deal.pool
    if terms.volatility_source == "user":
        return terms.volatility * stressed.volatility_multiplier, terms.drift
    times, alive = terms.times, stressed.performing
    planned = float(stressed.collections.sum())
    certain = planned - float(pool.schedule[alive].sum())
    mean, variance = pool_moments(
        pool.schedule[alive],
        times,
        pool.pd[alive],
        stressed.effective_recovery[alive],
        pool.lag[alive],
        pool.correlation[alive],
    )
    if planned <= 0.0 or mean + certain <= 0.0:
        return LEAST_VOLATILITY, 0.0
    volatility, drift = implied_lognormal(planned, mean + certain, variance, float(times[-1]))
    return max(volatility, LEAST_VOLATILITY) * stressed.volatility_multiplier, drift


def kmv_view(deal: Deal, stress: Stress = PRESETS[0]) -> KmvView:
    """Distance to default and default probabilities of every tranche under one stress.

    Parameters
    ----------
    deal : Deal
    stress : Stress
        The base case by default.

    Returns
    -------
    KmvView
    """
    stressed = apply(deal, stress)
    times = deal.terms.times
    volatility, drift = pool_lognormal(stressed)
    collections = stressed.collections
    support = support_default_probability(stressed.deal, times)
    tranches = []
    for k, tranche in enumerate(deal.tranches):
        dues = stressed.dues.total if stressed.default_point == "all" else stressed.dues.ahead(k)
        protected = bool(stressed.senior[k])
        reserve = stressed.reserve if protected else 0.0
        risk = plan_risk(collections, dues, volatility, times, drift, reserve)
        payer = support if protected else np.ones_like(times)
        rho = deal.terms.support_correlation
        joint = joint_default_probability(risk.pd, payer, rho)
        anydate = joint_default_probability(risk.anydate_pd, payer, rho)
        own = float((stressed.dues.interest + stressed.dues.principal)[k].sum())
        loss = _expected_shortfall(risk, own, volatility, drift, reserve)
        unprotected = float(risk.pd[-1])
        short = np.flatnonzero(risk.coverage < 1.0)
        tranches.append(
            TrancheRisk(
                tranche.name,
                risk,
                joint,
                anydate,
                loss * (float(joint[-1]) / unprotected if unprotected > 0.0 else 1.0),
                deal.terms.dates[int(short[0])] if short.size else None,
            )
        )
    return KmvView(stress, volatility, drift, tuple(tranches))


def _expected_shortfall(risk: PlanRisk, own: float, sigma: float, mu: float, reserve: float) -> float:
    """Expected share of its own dues that a tranche misses at the last date.

    ``E[min(max(DP - A, 0), own)]/own``: a spread of two undiscounted puts on A, struck at
    what is due to the tranche and all ahead of it, and at what is due ahead of it.
    """
    if own <= 0.0:
        return 0.0
    T = float(risk.times[-1])
    forward = float(risk.accumulated_in[-1]) * float(np.exp(mu * T))
    s = sigma * float(np.sqrt(T))

    def put(strike: float) -> float:
        if strike <= 0.0:
            return 0.0
        if forward <= 0.0:
            return strike
        d2 = (np.log(forward / strike) - 0.5 * s * s) / s
        return float(strike * ndtr(-d2) - forward * ndtr(-d2 - s))

    due = float(risk.accumulated_due[-1])
    return max(put(due - reserve) - put(due - own - reserve), 0.0) / own


def scenario_views(deal: Deal, stresses: Sequence[Stress] = PRESETS) -> tuple[KmvView, ...]:
    """The KMV view of a deal under each stress, in order."""
    return tuple(kmv_view(deal, stress) for stress in stresses)
