"""One preset condition of a plan, and the deal as it stands under it.

A :class:`Stress` is a row of numbers; :func:`apply` turns a deal and a stress into what the
engines compute on, so that the view through accumulated cash and the simulation of obligors
mean the same thing by every column and by every control that is switched off.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from xlkmv.deal.dues import Dues, planned_dues
from xlkmv.deal.terms import CONTROLS, TOLERANCE, Deal, Fault, Tranche
from xlkmv.errors import DomainError, InputError
from xlkmv.model.domain import PROBABILITY, Array, Rule
from xlkmv.model.plan import PlanRisk, arrival_date, implied_lognormal, plan_risk, pool_moments

__all__ = [
    "ALL_OFF",
    "BASE",
    "CERTAIN",
    "DEFAULT_POINTS",
    "PRESETS",
    "STRESS_RULES",
    "TABLE",
    "Stress",
    "Stressed",
    "apply",
    "control_keys",
    "pool_lognormal",
    "pool_risk",
    "stress_faults",
]

DEFAULT_POINTS = ("own", "all")
# Below this a volatility is rounding: nobody can default.
CERTAIN = 1e-7
# The word that stands for "the recovery that the pool table gives this obligor".
TABLE = "table"

STRESS_RULES: dict[str, Rule] = {
    "pool_haircut": PROBABILITY,
    "volatility_multiplier": Rule("must be > 0 and <= 100", 0.0, 100.0, low_open=True),
    "pd_multiplier": Rule("must be between 0 and 10,000", 0.0, 10_000.0),
    "recovery_multiplier": Rule("must be between 0 and 100", 0.0, 100.0),
    "correlation_add": Rule("must be between -1 and 1 (a decimal: 0.2 means 20 %)", -1.0, 1.0),
    "delay": Rule("must be a whole number of periods from 0 to 1000", 0.0, 1000.0),
    "rate_shift": Rule("must be between -1 and 1 (a decimal: 0.01 means 1 %)", -1.0, 1.0),
    "largest_obligor_recovery": PROBABILITY,
}
# Bounds of what a stress may make of a pool: default within a year stays short of certain.
HIGHEST_PD = 1.0 - 1e-9
HIGHEST_CORRELATION = 1.0 - 1e-9


def control_keys(text: str | Iterable[str]) -> tuple[str, ...]:
    """Keys of :data:`~xlkmv.deal.terms.CONTROLS` from keys or labels, a list or comma-separated.

    Parameters
    ----------
    text : str or iterable of str
        "all", or keys or labels in any case: "Reserve account, support".

    Returns
    -------
    tuple of str
        In the order of CONTROLS, each once.

    Raises
    ------
    InputError
        When a name is no control.
    """
    names = [n.strip() for n in (text.split(",") if isinstance(text, str) else text)]
    known = {label.casefold(): key for key, label in CONTROLS.items()} | {key: key for key in CONTROLS}
    chosen: set[str] = set()
    for name in filter(None, names):
        if name.casefold() == "all":
            chosen.update(CONTROLS)
        elif name.casefold() in known:
            chosen.add(known[name.casefold()])
        else:
            raise InputError("controls off", f"must be all or some of: {', '.join(CONTROLS.values())}", name)
    return tuple(key for key in CONTROLS if key in chosen)


@dataclass(frozen=True, slots=True)
class Stress:
    """A preset condition; the defaults change nothing.

    Attributes
    ----------
    name : str
    pool_haircut : float
        Share of every scheduled collection that never comes, 0 to 1.
    volatility_multiplier : float
        Factor on the volatility of the pool. The obligors of the simulation have their
        one-year distance to default divided by it: ``PD' = N(N^{-1}(PD)/multiplier)``.
    pd_multiplier : float
        Factor on the one-year PD of every obligor (the product stays below 1).
    recovery_multiplier : float
        Factor on every recovery rate (the product stays within 0 and 1).
    correlation_add : float
        Added to every asset correlation (the sum stays from 0 to below 1).
    delay : int
        Payment periods by which all scheduled collections come late. What would come
        after the last payment date comes too late for the plan.
    rate_shift : float
        Added per annum to every coupon that is not 0; what obligors pay is fixed.
    largest_obligor_recovery : float, "table" or None
        The obligor with the largest financed amount defaults at closing with this recovery
        rate ("table": its own); None: it does not.
    controls_off : tuple of str
        Keys of the controls switched off; labels, a comma-separated text and "all" are
        understood.
    default_point : {"own", "all"}
        Whether a tranche is judged by what is due to it and ahead of it, or by everything
        that the plan owes.
    """

    name: str
    pool_haircut: float = 0.0
    volatility_multiplier: float = 1.0
    pd_multiplier: float = 1.0
    recovery_multiplier: float = 1.0
    correlation_add: float = 0.0
    delay: int = 0
    rate_shift: float = 0.0
    largest_obligor_recovery: float | str | None = None
    controls_off: tuple[str, ...] = ()
    default_point: str = "own"

    def __post_init__(self) -> None:
        for fault in stress_faults([self]):
            kind = DomainError if isinstance(fault.value, (int, float)) else InputError
            raise kind(f"scenario '{self.name}' {fault.column.replace('_', ' ')}", fault.rule, fault.value)
        object.__setattr__(self, "controls_off", control_keys(self.controls_off))
        object.__setattr__(self, "delay", int(self.delay))


def stress_faults(rows: Sequence[Any]) -> Iterator[Fault]:
    """Yield everything that is wrong with the rows of a scenario table; None marks a reported cell."""
    for row, stress in enumerate(rows):
        if any(stress.name == other.name for other in rows[:row]):
            rule = "is there twice: every scenario needs a name of its own"
            yield Fault("scenario", row, "name", stress.name, rule)
        for column, rule_of in STRESS_RULES.items():
            value = getattr(stress, column)
            if value is None or (column == "largest_obligor_recovery" and value == TABLE):
                continue
            if isinstance(value, str):
                yield Fault("scenario", row, column, value, f"must be blank, '{TABLE}' or a number")
            elif not rule_of.holds(np.asarray(value, float)) or (column == "delay" and value != int(value)):
                yield Fault("scenario", row, column, value, rule_of.text)
        try:
            control_keys(stress.controls_off or ())
        except InputError as error:
            yield Fault("scenario", row, "controls_off", error.value, error.rule)
        if stress.default_point is not None and stress.default_point not in DEFAULT_POINTS:
            rule = f"must be one of: {', '.join(DEFAULT_POINTS)}"
            yield Fault("scenario", row, "default_point", stress.default_point, rule)


@dataclass(frozen=True, slots=True, eq=False)
class Stressed:
    """A deal under a stress, with every control turned into figures.

    Attributes
    ----------
    deal : Deal
        Pool as it is expected to pay (prepayment, excess coverage, haircut, delay, PD,
        recovery, pledge and correlation worked in), coupons shifted, controls switched.
    dues : Dues
        What the plan owes; unchanged by haircut and delay. Without subordination all
        ranks are 1.
    reserve : float
        Reserve account at closing, money; 0 when off.
    senior : ndarray of bool, shape (k,)
        Tranches of the first rank by the documents, which reserve and undertaking protect.
    retained : ndarray, shape (n,)
        Cash that may stay in the account after each date, money: all of it with excess
        coverage, else what later dates need by plan.
    volatility_multiplier : float
    default_point : {"own", "all"}
    defaulted : int or None
        Obligor that is in default from closing on.
    """

    deal: Deal
    dues: Dues
    reserve: float
    senior: npt.NDArray[np.bool_]
    retained: Array
    volatility_multiplier: float = 1.0
    default_point: str = "own"
    defaulted: int | None = None

    @property
    def performing(self) -> npt.NDArray[np.bool_]:
        """Obligors that are not in default at closing, shape (m,)."""
        alive = np.ones(len(self.deal.pool.name), dtype=np.bool_)
        if self.defaulted is not None:
            alive[self.defaulted] = False
        return alive

    @property
    def repurchase_share(self) -> float:
        """Share of defaulted claims that the originator pays; 0 when off."""
        return self.deal.controls.repurchase_share if self.deal.controls.repurchase else 0.0

    @property
    def obligor_pd(self) -> Array:
        """One-year PD per obligor with the volatility multiplier m, ``N(N^{-1}(PD)/m)``, shape (m,)."""
        pd = self.deal.pool.pd
        if self.volatility_multiplier == 1.0:
            return pd
        return np.asarray(ndtr(ndtri(pd) / self.volatility_multiplier))

    @property
    def collections(self) -> Array:
        """Planned collections per date, shape (n,), money.

        An obligor in default from closing pays the repurchase share on schedule and its
        recovery on the first date not earlier than the first date plus the lag.
        """
        pool, times = self.deal.pool, self.deal.terms.times
        flows = pool.schedule.copy()
        if self.defaulted is not None:
            i, share = self.defaulted, self.repurchase_share
            flows[i] *= share
            arrives = int(arrival_date(times, pool.lag[i])[0])
            if arrives < times.size:
                flows[i, arrives] += (1.0 - share) * pool.recovery[i] * pool.schedule[i].sum()
        return np.asarray(flows.sum(axis=0))


def apply(deal: Deal, stress: Stress) -> Stressed:
    """Put a deal under a stress.

    What is owed follows from the pool as planned, prepayments included. Then come, in this
    order: excess coverage off (what has come in is cut to what has fallen due), the
    haircut, the delay; PD, recovery (pledge off: at most the unpledged recovery) and
    correlation of the obligors.

    Parameters
    ----------
    deal : Deal
    stress : Stress

    Returns
    -------
    Stressed
    """
    controls = deal.controls.without(*stress.controls_off)
    times, pool = deal.terms.times, deal.pool
    tranches = tuple(_shifted(t, stress.rate_shift) for t in deal.tranches)
    schedule = _prepaid(pool.schedule, times, deal.terms.prepayment)
    planned = deal
    if deal.terms.prepayment != 0.0:
        terms = replace(deal.terms, prepayment=0.0)
        planned = replace(planned, pool=replace(pool, schedule=schedule), terms=terms)
    if tranches != deal.tranches:
        planned = replace(planned, tranches=tranches)
    dues = planned_dues(planned)
    senior = deal.senior
    reserve = controls.reserve_size * float(dues.ahead(int(senior.sum()) - 1)[0]) if controls.reserve else 0.0
    retained = np.full(times.size, np.inf)
    if not controls.excess_coverage:
        schedule, retained = _without_excess(schedule, dues.total)
    schedule = _delayed(schedule * (1.0 - stress.pool_haircut), stress.delay)

    recovery = np.clip(pool.recovery * stress.recovery_multiplier, 0.0, 1.0)
    largest = int(np.argmax(pool.amount)) if stress.largest_obligor_recovery is not None else None
    if largest is not None and stress.largest_obligor_recovery != TABLE:
        recovery[largest] = float(stress.largest_obligor_recovery or 0.0)
    if not controls.pledge:
        recovery = np.minimum(recovery, controls.unpledged_recovery)
    stressed_pool = replace(
        pool,
        schedule=schedule,
        pd=np.minimum(pool.pd * stress.pd_multiplier, HIGHEST_PD),
        recovery=recovery,
        correlation=np.clip(pool.correlation + stress.correlation_add, 0.0, HIGHEST_CORRELATION),
    )
    return Stressed(
        deal=replace(planned, pool=stressed_pool, controls=controls),
        dues=dues if controls.subordination else replace(dues, ranks=np.ones_like(dues.ranks)),
        reserve=reserve,
        senior=senior,
        retained=retained,
        volatility_multiplier=stress.volatility_multiplier,
        default_point=stress.default_point,
        defaulted=largest,
    )


def pool_lognormal(plan: Stressed) -> tuple[float, float]:
    """Volatility and drift of the pool, by the source that the terms name.

    The user's figures, or those of the lognormal that has the mean and variance of what the
    obligors pay up to the last date (:func:`~xlkmv.model.plan.pool_moments`); the
    volatility times the multiplier of the stress.

    Parameters
    ----------
    plan : Stressed

    Returns
    -------
    volatility, drift : float
        Per annum; volatility 0 when nobody can default, or nothing comes in.
    """
    terms, pool = plan.deal.terms, plan.deal.pool
    if terms.volatility_source == "user":
        return terms.volatility * plan.volatility_multiplier, terms.drift
    on, planned = plan.performing, plan.collections
    schedule = pool.schedule[on]
    mean, variance = pool_moments(
        schedule, terms.times, pool.pd[on], pool.recovery[on], pool.lag[on], pool.correlation[on]
    )
    # The repurchase share of everything is paid on schedule, whoever defaults.
    share = plan.repurchase_share
    certain = float(planned.sum() - schedule.sum())
    mean = certain + share * float(schedule.sum()) + (1.0 - share) * mean
    variance *= (1.0 - share) ** 2
    if mean <= 0.0:
        return 0.0, 0.0
    horizon = float(terms.times[-1])
    volatility, drift = implied_lognormal(float(planned.sum()), mean, variance, horizon)
    return volatility * plan.volatility_multiplier, drift


def pool_risk(
    collections: Array, dues: Array, volatility: float, times: Array, drift: float, reserve: float
) -> PlanRisk:
    """:func:`~xlkmv.model.plan.plan_risk`, also of a pool that cannot default and has no volatility.

    Such a pool is short where it misses more than :data:`~xlkmv.deal.terms.TOLERANCE`, for
    sure, and nowhere else; its distances are infinite.

    Parameters
    ----------
    collections, dues, volatility, times, drift, reserve
        As there; the volatility may be 0.

    Returns
    -------
    PlanRisk
    """
    if volatility >= CERTAIN:
        return plan_risk(collections, dues, volatility, times, drift, reserve)
    risk = plan_risk(collections * (1.0 + TOLERANCE), dues, 1e-3 * TOLERANCE, times, drift, reserve)
    return replace(risk, distance=np.copysign(np.inf, risk.distance))


def _shifted(tranche: Tranche, shift: float) -> Tranche:
    if tranche.coupon == 0.0 or shift == 0.0:
        return tranche
    return replace(tranche, coupon=float(np.clip(tranche.coupon + shift, 0.0, 1.0)))


def _prepaid(schedule: Array, times: Array, rate: float) -> Array:
    """Schedule when a share of what remains, `rate` per annum, is paid early on each date."""
    if rate == 0.0:
        return schedule
    kept = (1.0 - rate) ** times
    kept_before = np.concatenate([[1.0], kept[:-1]])
    total = schedule.sum(axis=1, keepdims=True)
    remaining = np.maximum(total - np.cumsum(schedule, axis=1), 0.0)
    # What is left of a sum by rounding is no claim.
    remaining[remaining < 1e-12 * total] = 0.0
    return np.asarray(kept_before * schedule + (kept_before - kept) * remaining)


def _without_excess(schedule: Array, due: Array) -> tuple[Array, Array]:
    """Take out of a schedule, as it comes in, what no later date will need by plan.

    With accumulated collections A_k and dues DP_k of all tranches the excess is ``S_k = max(0,
    min over j >= k of (A_j - DP_j))``: it never falls, and rises on a date by no more than what
    comes in. Every obligor gives up the same share of the date. Returns the schedule, and what
    later dates need to find in the account, ``A_k - DP_k - min over j >= k of (A_j - DP_j)``.
    """
    planned = schedule.sum(axis=0)
    surplus = np.cumsum(planned) - np.cumsum(due)
    least = np.minimum.accumulate(surplus[::-1])[::-1]
    excess = np.maximum(least, 0.0)
    taken = np.divide(np.diff(excess, prepend=0.0), planned, out=np.zeros_like(planned), where=planned > 0.0)
    return schedule * (1.0 - np.clip(taken, 0.0, 1.0)), surplus - least


def _delayed(schedule: Array, periods: int) -> Array:
    if periods == 0:
        return schedule
    late = np.zeros_like(schedule)
    if periods < schedule.shape[1]:
        late[:, periods:] = schedule[:, :-periods]
    return late


BASE = Stress("Base")
ALL_OFF = Stress("All controls off", controls_off=tuple(CONTROLS))

PRESETS: tuple[Stress, ...] = (
    BASE,
    *(Stress(f"{label} off", controls_off=(key,)) for key, label in CONTROLS.items()),
    ALL_OFF,
    Stress("Default point: dues of all tranches", default_point="all"),
    Stress("Largest obligor defaults, nothing recovered", largest_obligor_recovery=0.0),
    Stress("Largest obligor defaults, recovery of the table", largest_obligor_recovery=TABLE),
    Stress("Pool haircut 10 %", pool_haircut=0.10),
    Stress("Volatility x 1.5", volatility_multiplier=1.5),
    Stress("Volatility x 2", volatility_multiplier=2.0),
    Stress("Payments 1 period late", delay=1),
    Stress("Payments 2 periods late", delay=2),
    Stress("PD x 2", pd_multiplier=2.0),
    Stress("Recovery halved", recovery_multiplier=0.5),
    Stress("Correlation + 0.2", correlation_add=0.2),
    Stress("Coupons + 1 %", rate_shift=0.01),
    Stress(
        "Combined severe",
        pool_haircut=0.10,
        volatility_multiplier=1.5,
        pd_multiplier=2.0,
        recovery_multiplier=0.5,
        correlation_add=0.1,
        delay=1,
        rate_shift=0.01,
    ),
)
