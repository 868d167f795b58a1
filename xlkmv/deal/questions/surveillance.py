"""Surveillance: actual collections, date by date, re-rate the plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from xlkmv.deal.plan.stressed import Stressed, pool_risk
from xlkmv.deal.plan.waterfall import waterfall
from xlkmv.errors import DomainError, InputError
from xlkmv.model.domain import FINITE, NOT_NEGATIVE, POSITIVE, RULES, Array, check
from xlkmv.model.plan import PlanRisk, arrival_date

__all__ = [
    "BANDS",
    "BEHIND",
    "LEAST_RATIO",
    "Rerating",
    "Surveillance",
    "rerate",
    "survivors",
    "update_lognormal",
]

# PDs that part the bands, from investment grade to as good as in default: a judgement.
BANDS = (0.001, 0.01, 0.05, 0.20, 0.50)
# Claims of these statuses pay nothing more.
GONE = ("defaulted", "prepaid", "repurchased")
# Accumulated collections below this share of the plan are behind it.
BEHIND = 0.95
# A period that brings in next to nothing would have an infinite log ratio: it counts as this much.
LEAST_RATIO = 0.01


@dataclass(frozen=True, slots=True)
class Rerating:
    """Volatility and drift after some periods.

    Attributes
    ----------
    volatility, drift : float
        Posterior sigma and mu, per annum.
    prior_weight : float
        Weight of the prior in the mean, 0 to 1.
    """

    volatility: float
    drift: float
    prior_weight: float

    @property
    def median_growth(self) -> float:
        """Growth of the median against the plan, per annum; the mean may rise by uncertainty alone."""
        return self.drift - 0.5 * self.volatility**2


def update_lognormal(
    log_ratios: npt.ArrayLike, dt: float, volatility: float, drift: float, prior_strength: float
) -> Rerating:
    """Posterior sigma and mu from log ratios of actual to planned period collections.

    ``x_i ~ N(m, s^2)``, ``m = (mu - sigma^2/2) dt``, ``s^2 = sigma^2 dt``. The conjugate
    normal-inverse-gamma prior is worth k0 periods; after n of them, with mean xbar,

    ``m_n = (k0 m_0 + n xbar)/(k0 + n)``, ``s_n^2 = [k0 s_0^2 + sum (x - xbar)^2
    + k0 n/(k0 + n) (xbar - m_0)^2]/(k0 + n)``; the prior's weight is ``k0/(k0 + n)``.

    Parameters
    ----------
    log_ratios : array_like, shape (n,)
        ``ln(actual_i/plan_i)`` per period; n may be 0.
    dt : float
        Years per period.
    volatility, drift : float
        Prior sigma and mu, per annum.
    prior_strength : float
        k0 > 0, periods.

    Returns
    -------
    Rerating

    Notes
    -----
    Gelman et al., Bayesian Data Analysis (2013), section 3.3.
    """
    x = np.atleast_1d(np.asarray(log_ratios, float))
    # The pool's own figures: 0 if nobody can default, and beyond what a person would type.
    sigma, mu = float(check("volatility", volatility, NOT_NEGATIVE)), float(check("drift", drift, FINITE))
    k0 = float(check("prior_strength", prior_strength, POSITIVE))
    step = float(check("dt", dt, POSITIVE))
    n = x.size
    weight = k0 / (k0 + n)
    m0 = (mu - 0.5 * sigma**2) * step
    mean = float(x.mean()) if n else m0
    scatter = float(((x - mean) ** 2).sum())
    variance = (k0 * sigma**2 * step + scatter + weight * n * (mean - m0) ** 2) / (k0 + n)
    posterior = float(np.sqrt(variance / step))
    location = weight * m0 + (1.0 - weight) * mean
    return Rerating(posterior, location / step + 0.5 * posterior**2, weight)


@dataclass(frozen=True, slots=True, eq=False)
class Surveillance:
    """The plan as it stands after j of its n dates.

    Attributes
    ----------
    actual, planned : ndarray, shape (j,)
        Collections of each period, money.
    accumulated_ratio : ndarray, shape (j,)
        Accumulated actual over accumulated planned collections.
    behind : ndarray of bool, shape (j,)
        Whether that is below :data:`BEHIND`.
    reratings : tuple of Rerating, length j + 1
        At closing (the prior) and after each date.
    distance, pd : ndarray, shape (k, j + 1)
        Smallest distance to default over the dates still to come up to the tranche's maturity,
        and any-date PD over all of them, at closing and after each date. From the maturity on
        infinite and 0; minus infinity and 1 once a payment was missed.
    band : ndarray of int, shape (k, j + 1)
        Band of the PD: 0 below the first limit.
    missed : ndarray of bool, shape (k, j + 1)
        Whether pool and reserve have left something unpaid that was due to it so far.
    alert : ndarray of bool, shape (k, j + 1)
        Whether the band is worse than at closing, and collections are not ahead of plan: a
        surplus, too, widens sigma.
    now : tuple of PlanRisk or None
        Per tranche, date by date up to its maturity; None after that.
    """

    actual: Array
    planned: Array
    accumulated_ratio: Array
    behind: npt.NDArray[np.bool_]
    reratings: tuple[Rerating, ...]
    distance: Array
    pd: Array
    band: npt.NDArray[np.int64]
    missed: npt.NDArray[np.bool_]
    alert: npt.NDArray[np.bool_]
    now: tuple[PlanRisk | None, ...]


def rerate(
    plan: Stressed,
    actual: npt.ArrayLike,
    volatility: float,
    drift: float = 0.0,
    prior_strength: float = 8.0,
    bands: Sequence[float] = BANDS,
) -> Surveillance:
    """Re-rate a plan from what came in so far.

    What came in goes through the waterfall, without the undertaking. Seen from date j, cash in
    the account counts for every tranche, the reserve for those that it protects; what was paid
    ahead of the plan lowers what is due next, and what was missed raises it. The collections
    still planned move with the updated sigma and mu over the time left, up to the maturity.
    Claims that are defaulted, prepaid or repurchased by then bring nothing more, but for the
    recovery of those in default.

    Parameters
    ----------
    plan : Stressed
        From :func:`~xlkmv.deal.stress.apply`; usually the base case.
    actual : array_like, shape (j,)
        Collections of the first j periods, money, >= 0; j from 0 to n.
    volatility, drift : float
        sigma and mu at closing, per annum: the prior.
    prior_strength : float
        Periods that the prior is worth.
    bands : sequence of float
        Increasing PDs that part the bands.

    Returns
    -------
    Surveillance

    Raises
    ------
    InputError, DomainError
        When there are more actual figures than dates, or a figure breaks its rule.
    """
    times = plan.deal.terms.times
    paid_in = np.atleast_1d(check("actual", actual, NOT_NEGATIVE)) if np.size(actual) else np.zeros(0)
    limits = np.asarray(check("bands", bands, RULES["pd"]))
    if paid_in.size > times.size:
        raise InputError(
            "actual", f"must have at most one value per payment date ({times.size})", paid_in.size
        )
    if (np.diff(limits) <= 0.0).any():
        raise DomainError("bands", "must increase", float(limits[int(np.argmin(np.diff(limits)))]))
    j, planned = paid_in.size, plan.collections
    # Dates without planned collections say nothing about the pool.
    told = planned[:j] > 0.0
    ratios = np.full(j, np.nan)
    ratios[told] = np.log(np.maximum(paid_in[told] / planned[:j][told], LEAST_RATIO))
    step = float(times[-1] / times.size)
    held, missed = _so_far(plan, paid_in)
    reratings, risks = [], []
    for seen in range(j + 1):
        x = ratios[:seen]
        rating = update_lognormal(x[~np.isnan(x)], step, volatility, drift, prior_strength)
        reratings.append(rating)
        risks.append([_seen_from(plan, k, seen, held[k, seen], rating) for k in range(len(held))])
    distance = np.where(missed, -np.inf, np.array([[d for _, d, _ in row] for row in risks]).T)
    pd = np.where(missed, 1.0, np.array([[p for _, _, p in row] for row in risks]).T)
    band = np.searchsorted(limits, pd, side="right")
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.cumsum(paid_in) / np.cumsum(planned[:j])
    return Surveillance(
        actual=paid_in,
        planned=planned[:j],
        accumulated_ratio=ratio,
        behind=ratio < BEHIND,
        reratings=tuple(reratings),
        distance=distance,
        pd=pd,
        band=band,
        missed=missed,
        alert=(band > band[:, :1]) & np.append(False, ratio < 1.0),
        now=tuple(risk for risk, _, _ in risks[-1]),
    )


def _so_far(plan: Stressed, paid_in: Array) -> tuple[Array, npt.NDArray[np.bool_]]:
    """After 0 to j dates, per tranche: cash in hand less what is behind, and whether it missed anything.

    In hand are the account, and the reserve where it protects the tranche. Principal of it and
    those ahead that is paid before its date counts too, and so does interest that may wait until
    the legal final; principal, interest and fees that are late count against it.
    """
    deal, dues, j = plan.deal, plan.dues, paid_in.size
    alone = replace(plan, deal=replace(deal, controls=deal.controls.without("support")))
    run = waterfall(alone, np.concatenate([paid_in, plan.collections[j:]]))
    target, interest = dues.opening - dues.principal, -run.interest_missed
    by_plan = _expected(plan) or plan.default_point == "all"
    if by_plan and dues.expected is not None:
        target = dues.opening[:, :1] - np.cumsum(dues.expected, axis=1)
    if not by_plan and dues.deferred is not None:
        ahead = np.cumsum(run.interest_paid - dues.deferred, axis=1)
        interest = np.where((dues.deferred != dues.interest).any(axis=1)[:, None], ahead, interest)
    early = target - run.balance + interest
    held, missed = [], []
    for k, protected in enumerate(plan.senior):
        counted = dues.ranks <= dues.ranks[k] if plan.default_point == "own" else slice(None)
        cash = run.account + run.reserve * protected + run.fees_paid - run.fees_due
        held.append(np.append(plan.reserve * protected, (cash + early[counted].sum(axis=0))[:j]))
        missed.append(np.append(False, np.logical_or.accumulate(run.short[k])[:j]))
    return np.array(held), np.array(missed)


def _due_to(plan: Stressed, tranche: int) -> Array:
    return plan.dues.total if plan.default_point == "all" else plan.dues.ahead(tranche, _expected(plan))


def _expected(plan: Stressed) -> bool:
    """Whether pass-through principal counts as due when the plan without defaults pays it."""
    return plan.deal.terms.default_point == "expected"


def survivors(plan: Stressed, seen: int) -> Array:
    """Planned collections per date without the claims that are known to be gone after some dates.

    Parameters
    ----------
    plan : Stressed
    seen : int
        Dates that have passed.

    Returns
    -------
    ndarray, shape (n,)
        Money. What a claim in default recovers arrives its lag after the first date from then on.
    """
    pool, dates, times = plan.deal.pool, plan.deal.terms.dates, plan.deal.terms.times
    today = dates[seen - 1] if seen else plan.deal.terms.closing
    flows = plan.collections
    for row, (word, since) in enumerate(zip(pool.status, pool.since, strict=False)):
        if word not in GONE or since is None or since > today:
            continue
        first = next((k for k, date in enumerate(dates) if date >= since), len(dates))
        flows[first:] -= pool.schedule[row, first:]
        if word == "defaulted" and first < len(dates):
            arrives = int(arrival_date(times, pool.lag[row])[first])
            if arrives < times.size:
                flows[arrives] += pool.recovery[row] * plan.claim[row, first]
    return np.maximum(flows, 0.0)


def _seen_from(
    plan: Stressed, tranche: int, seen: int, held: float, rating: Rerating
) -> tuple[PlanRisk | None, float, float]:
    """Risk over the dates still to come, its smallest distance, and its any-date PD."""
    times, dues = plan.deal.terms.times, _due_to(plan, tranche)
    end = plan.due_by(tranche) + 1
    if seen >= end:  # paid, unless it has missed something
        return None, np.inf, 0.0
    now = float(times[seen - 1]) if seen else 0.0
    coming = dues[seen:end].copy()
    coming[0] += max(-held, 0.0)
    risk = pool_risk(
        survivors(plan, seen)[seen:end],
        coming,
        rating.volatility,
        times[seen:end] - now,
        rating.drift,
        max(held, 0.0),
    )
    return risk, float(risk.distance.min()), float(risk.anydate_pd[-1])
