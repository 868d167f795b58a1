"""The KMV view: accumulated collections against accumulated dues, tranche by tranche, without a path."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

from xlkmv.deal.plan.stressed import CERTAIN, Stressed, pool_distance, pool_lognormal, pool_risk
from xlkmv.deal.plan.timing import plan_faults
from xlkmv.deal.stress import BASE, Stress, apply
from xlkmv.deal.terms import TOLERANCE, Deal
from xlkmv.deal.terms.faults import raise_first
from xlkmv.errors import InputError
from xlkmv.model.copula import bivariate_normal_cdf, joint_default_probability
from xlkmv.model.domain import Array
from xlkmv.model.plan import PlanRisk, default_probability_by
from xlkmv.shown import Shown

__all__ = [
    "LEAST_VOLATILITY",
    "KmvView",
    "Once",
    "TrancheView",
    "kmv_view",
    "maturity_risk",
    "support_default_probability",
    "tranche_view",
    "view_of",
]

# A pool that cannot default has no volatility; this much keeps the formulas defined.
LEAST_VOLATILITY = 1e-12


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TrancheView(Shown):
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
        Expected shortfall of the accumulated dues at the maturity, undiscounted, as a share
        of what is due to the tranche itself; with the shortfall undertaking counted.
    first_short : date or None
        First date up to the maturity on which even the planned collections do not cover the dues.
    maturity : int
        Position of the tranche's maturity among the dates: what comes later is not its risk. Of
        a pass-through class its legal final, or when the plan without defaults has repaid it, by
        the default point of the terms. Of a scheduled class whose interest may wait until the
        legal final, that.
    expected : PlanRisk or None
        As `risk`, with principal of pass-through classes and deferrable interest due as the plan
        without defaults pays them; None where that is what `risk` says, too.
    legal : PlanRisk or None
        As `risk`, with both due at the legal final; None where that is what `risk` says, too. By
        the default point of the terms `risk` is one of the two.
    expected_maturity : int
        Position of the date by which the plan without defaults has repaid the tranche.
    """

    name: str
    risk: PlanRisk
    pd: Array
    anydate_pd: Array
    expected_loss: float
    first_short: dt.date | None
    maturity: int
    expected: PlanRisk | None = None
    legal: PlanRisk | None = None
    expected_maturity: int = 0

    @property
    def coverage_at_maturity(self) -> float:
        """Coverage when the tranche has to be repaid."""
        return float(self.risk.coverage[self.maturity])

    @property
    def distance_at_maturity(self) -> float:
        """Distance to default when the tranche has to be repaid."""
        return float(self.risk.distance[self.maturity])

    @property
    def pd_at_maturity(self) -> float:
        """Probability of being short when the tranche has to be repaid, undertaking counted."""
        return float(self.pd[self.maturity])

    @property
    def anydate_pd_at_maturity(self) -> float:
        """Probability of being short on at least one date up to the maturity, undertaking counted."""
        return float(self.anydate_pd[self.maturity])


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class KmvView(Shown):
    """The plan under one stress in the KMV view.

    Attributes
    ----------
    stress : Stress
    volatility, drift : float
        Of the pool, per annum, after the stress.
    tranches : tuple of TrancheView
        In the order of ``deal.tranches``.
    """

    stress: Stress
    volatility: float
    drift: float
    tranches: tuple[TrancheView, ...]


class Once:
    """Results of functions of series and numbers, each worked out once while this lives.

    Most conditions leave the KMV view of some class as it is, and classes of one rank share theirs.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], Any] = {}

    def __call__(self, function: Callable[..., Any], *figures: Array | float) -> Any:
        """Result of a function that depends on its arguments alone: arrays of one axis, floats and all."""
        key = (function, *(x.tobytes() if isinstance(x, np.ndarray) else x for x in figures))
        if key not in self._known:
            self._known[key] = function(*figures)
        return self._known[key]


def support_default_probability(deal: Deal, times: Array) -> Array:
    """Probability that the payer of the shortfall undertaking has defaulted by each time; 1 if off.

    ``1 - (1 - PD_G)^t``
    """
    controls = deal.controls
    if not controls.support:
        return np.ones_like(times)
    return default_probability_by(controls.support_pd, times)


def kmv_view(deal: Deal, stress: Stress = BASE, *, both: bool = True, once: Once | None = None) -> KmvView:
    """Distance to default and default probabilities of every tranche under one stress.

    Parameters
    ----------
    deal : Deal
    stress : Stress
        The base case by default.
    both : bool
        Whether to look at each class by the default point that the terms do not take, too.
    once : Once, optional
        What is known from views of other plans: given to several, it keeps what they have in common.

    Returns
    -------
    KmvView

    Raises
    ------
    InputError, DomainError
        When the deal is seen from a later date, or its plan has a fault.
    """
    if deal.today is not None:
        raise InputError("deal", "must be as at closing: the KMV view of later dates is surveillance.rerate")
    raise_first(plan_faults(deal))
    return view_of(apply(deal, stress), stress, both=both, once=once)


def view_of(plan: Stressed, stress: Stress = BASE, *, both: bool = True, once: Once | None = None) -> KmvView:
    """:func:`kmv_view` of a deal under a stress, whatever its plan is like.

    Parameters
    ----------
    plan : Stressed
        The deal under the stress.
    stress, both, once
        As there.

    Returns
    -------
    KmvView
    """
    once = once or Once()
    sigma, mu = pool_lognormal(plan)
    classes = range(len(plan.deal.tranches))
    tranches = (tranche_view(plan, k, sigma, mu, both=both, once=once) for k in classes)
    return KmvView(stress, sigma, mu, tuple(tranches))


def tranche_view(
    stressed: Stressed,
    k: int,
    volatility: float,
    drift: float,
    *,
    both: bool = True,
    once: Once | None = None,
) -> TrancheView:
    """Look at one tranche of a plan.

    Parameters
    ----------
    stressed : Stressed
        Sums over the rows of its pool will do.
    k : int
        Position of the tranche.
    volatility, drift : float
        Of the pool, per annum.
    both : bool
        As in :func:`kmv_view`.
    once : Once, optional
        As in :func:`kmv_view`.

    Returns
    -------
    TrancheView
    """
    once = once or Once()
    deal = stressed.deal
    tranche, times = deal.tranches[k], deal.terms.times
    collections, early = stressed.collections, deal.terms.default_point == "expected"
    faced = _faced(stressed, k)
    reserve, cap, payer, rho = faced.reserve, faced.cap, faced.payer, deal.terms.support_correlation
    risk: PlanRisk = once(pool_risk, collections, faced.dues, volatility, times, drift, reserve)
    joint: Array = once(joint_default_probability, risk.pd, payer, rho)
    anydate: Array = once(joint_default_probability, risk.anydate_pd, payer, rho)
    if cap < np.inf:
        beyond: PlanRisk = once(pool_risk, collections, faced.dues, volatility, times, drift, cap)
        joint = once(_with_cap, joint, beyond.pd, payer, rho)
        anydate = once(_with_cap, anydate, beyond.anydate_pd, payer, rho)
    # What a rank misses its tranches share in proportion to what is due to them.
    peers = stressed.dues.ranks == stressed.dues.ranks[k]
    m = stressed.due_by(k)
    until, T = slice(m + 1), float(times[m])
    interest, principal = stressed.dues.due(early)
    own = float((interest + principal)[peers, until].sum())
    due = float(stressed.dues.ahead(k, early)[until].sum())
    lift = TOLERANCE if volatility < CERTAIN else 0.0
    forward = float((1.0 + lift) * collections[until].sum() * np.exp(drift * T))
    s = float(max(volatility, LEAST_VOLATILITY) * np.sqrt(T))
    short = np.flatnonzero(risk.coverage[until] < 1.0 - TOLERANCE)
    other = _other_risk(stressed, k, volatility, drift, reserve, once) if both else None
    return TrancheView(
        tranche.name,
        risk,
        joint,
        anydate,
        once(_expected_loss, due, own, forward, s, reserve, float(payer[m]), rho, cap),
        deal.terms.dates[int(short[0])] if short.size else None,
        m,
        None if early else other,
        other if early else None,
        stressed.due_by(k, expected=True),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Faced:
    """What a tranche faces: dues up to it, reserve, most that both guards pay, PD of the payer."""

    dues: Array
    reserve: float
    cap: float
    payer: Array


def _faced(stressed: Stressed, k: int) -> _Faced:
    deal, protected = stressed.deal, bool(stressed.senior[k])
    early, times = deal.terms.default_point == "expected", deal.terms.times
    dues = _dues(stressed, k, early)
    reserve = stressed.reserve if protected else 0.0
    cap = np.inf
    if protected and stressed.support_cap is not None:
        cap = reserve + stressed.support_cap
    payer = support_default_probability(deal, times) if protected else np.ones_like(times)
    return _Faced(dues, reserve, cap, payer)


def _dues(stressed: Stressed, k: int, expected: bool) -> Array:
    """What has to be paid per date for a tranche not to be short, by the default point of the condition."""
    dues = stressed.dues
    return dues.total(expected) if stressed.default_point == "all" else dues.ahead(k, expected)


def maturity_risk(deal: Deal, anydate: Sequence[bool]) -> tuple[float, Array, Array]:
    """Volatility of the pool, distances and any-date PDs at maturity: part of a :func:`kmv_view`.

    Parameters
    ----------
    deal : Deal
    anydate : sequence of bool, length k
        Of which classes the any-date PD, which takes its time, is wanted.

    Returns
    -------
    volatility : float
        Per annum.
    distance, anydate_pd : ndarray, shape (k,)
        Of each class: from the pool and the reserve alone, and with the undertaking counted; NaN where
        it is not wanted.
    """
    stressed = apply(deal, BASE)
    volatility, drift = pool_lognormal(stressed)
    collections, rho, times = stressed.collections, deal.terms.support_correlation, deal.terms.times
    faced = [_faced(stressed, k) for k in range(len(deal.tranches))]
    at = [stressed.due_by(k) for k in range(len(faced))]
    due = np.array([np.cumsum(x.dues)[m] for x, m in zip(faced, at, strict=True)])
    reserve = np.array([x.reserve for x in faced])
    distance = pool_distance(np.cumsum(collections)[at], due, volatility, times[at], drift, reserve)
    found = np.full(len(faced), np.nan)
    for k, (wanted, x, m) in enumerate(zip(anydate, faced, at, strict=True)):
        if not wanted:
            continue
        # Later dates are not its risk.
        paid_in, owed, dates = collections[: m + 1], x.dues[: m + 1], times[: m + 1]
        risk = pool_risk(paid_in, owed, volatility, dates, drift, x.reserve)
        found[k] = joint_default_probability(risk.anydate_pd[m], x.payer[m], rho)
        if x.cap < np.inf:
            beyond = pool_risk(paid_in, owed, volatility, dates, drift, x.cap).anydate_pd[m]
            found[k] = _with_cap(found[k], beyond, x.payer[m], rho)
    return volatility, distance, found


def _with_cap(joint: Array, beyond: Array, payer: Array, rho: float) -> Array:
    """Default probability where the undertaking pays up to a cap.

    Short, and the payer in default; or short by more than the cap, and the payer not.
    """
    return np.asarray(joint + beyond - joint_default_probability(beyond, payer, rho))


def _other_risk(
    plan: Stressed, k: int, volatility: float, drift: float, reserve: float, once: Once
) -> PlanRisk | None:
    """Risk of a tranche by the default point that the terms do not take; None where its dues are the same."""
    early, times = plan.deal.terms.default_point == "expected", plan.deal.terms.times
    dues = _dues(plan, k, not early)
    if np.array_equal(dues, _dues(plan, k, early)):
        return None
    found: PlanRisk = once(pool_risk, plan.collections, dues, volatility, times, drift, reserve)
    return found


def _expected_loss(
    due: float, own: float, forward: float, s: float, reserve: float, payer_pd: float, rho: float, cap: float
) -> float:
    """Expected share of its own dues that a rank misses at the last date.

    ``E[min(max(DP - A, 0), own); payer in default]/own``: a spread of two undiscounted puts on
    A, struck at what is due to the rank and all ahead of it, and at what is due ahead of it.
    With ``a = ln(K/F)/s + s/2`` and ``g = N^{-1}(PD_G)`` a put that pays only if the payer of
    the undertaking has defaulted is ``K N2(a, g; rho) - F N2(a - s, g - rho s; rho)``. Up to
    `cap`, reserve and undertaking together, a payer that lives pays; what is beyond is missed.
    """
    if own <= 0.0:
        return 0.0

    def put(strike: float, pd: float) -> float:
        if strike <= 0.0:
            return 0.0
        if forward <= 0.0:
            return strike * pd
        g = ndtri(pd)
        a = np.log(strike / forward) / s + 0.5 * s
        below = bivariate_normal_cdf([a, a - s], [g, g - rho * s], rho)
        return float(strike * below[0] - forward * below[1])

    def missed(paid: float, pd: float) -> float:
        return max(put(due - paid, pd) - put(due - own - paid, pd), 0.0) / own

    beyond = 0.0 if cap == np.inf else max(missed(cap, 1.0) - missed(cap, payer_pd), 0.0)
    # Where all is missed for sure, rounding may go beyond it.
    return min(missed(reserve, payer_pd) + beyond, 1.0)
