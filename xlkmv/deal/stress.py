"""One preset condition of a plan, and the deal as it stands under it.

A :class:`Stress` is a row of numbers; :func:`apply` turns a deal and a stress into what the
engines compute on, so that the view through accumulated cash and the simulation of obligors
mean the same thing by every column and by every control that is switched off.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from xlkmv.deal.plan.claims import Claims, Owed, needs_balance, planned_claims, summed
from xlkmv.deal.plan.dues import Dues, planned_dues
from xlkmv.deal.plan.stressed import Stressed, drawing
from xlkmv.deal.plan.timing import default_clock
from xlkmv.deal.plan.today import as_seen
from xlkmv.deal.plan.waterfall import settled
from xlkmv.deal.terms import CONTROLS, Controls, Curve, Deal, Fault, Pool, Terms, Tranche, without_risk
from xlkmv.deal.terms.faults import twice
from xlkmv.errors import DomainError, InputError, near
from xlkmv.kinds import altered, check_kinds
from xlkmv.model.domain import PROBABILITY, Array, Rule
from xlkmv.phrase import Phrase, joined
from xlkmv.shown import Shown

__all__ = [
    "ALL_OFF",
    "BASE",
    "DEFAULT_POINTS",
    "PRESETS",
    "STRESS_RULES",
    "TABLE",
    "Stress",
    "apply",
    "apply_all",
    "control_keys",
    "expected_recovery",
    "remark",
    "stress_faults",
    "stressed_pd",
    "stressed_recovery",
]

DEFAULT_POINTS = ("own", "all")
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
    "obligor_recovery": PROBABILITY,
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
    given = text.split(",") if isinstance(text, str) else text
    if not isinstance(given, Iterable) or not all(isinstance(name, str) for name in given):
        raise InputError("controls off", "must be a text or a list of texts", text)
    names = [name.strip() for name in given]
    known = {
        name.casefold(): key
        for key, control in CONTROLS.items()
        for name in (key, control.label, control.former)
        if name
    }
    chosen: set[str] = set()
    for name in filter(None, names):
        if name.casefold() == "all":
            chosen.update(CONTROLS)
        elif name.casefold() in known:
            chosen.add(known[name.casefold()])
        else:
            labels = ", ".join(control.label for control in CONTROLS.values())
            raise InputError(
                "controls off", Phrase("must be all or some of: {options}", options=labels), name
            )
    return tuple(key for key in CONTROLS if key in chosen)


@dataclass(frozen=True, slots=True, repr=False)
class Stress(Shown):
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
        Added per annum to every fixed coupon that is not 0 and to every base curve, and so to
        floating claims; what other obligors pay stays.
    obligor_recovery : float, "table" or None
        An obligor defaults at closing with this recovery rate ("table": its own); None: nobody does.
    obligor : str
        Name of that obligor; "": the one with the largest financed amount. Of a row that stands for
        several, one of them.
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
    obligor_recovery: float | str | None = None
    obligor: str = ""
    controls_off: tuple[str, ...] = ()
    default_point: str = "own"

    def __post_init__(self) -> None:
        check_kinds("scenario", self, but=["controls_off"])
        for fault in stress_faults([self]):
            kind = DomainError if isinstance(fault.value, (int, float)) else InputError
            raise kind(f"scenario '{self.name}' {fault.column.replace('_', ' ')}", fault.rule, fault.value)
        object.__setattr__(self, "controls_off", control_keys(self.controls_off))
        object.__setattr__(self, "delay", int(self.delay))


def stress_faults(rows: Sequence[Any]) -> Iterator[Fault]:
    """Yield everything that is wrong with the rows of a scenario table; None marks a reported cell."""
    yield from twice("scenario", [stress.name for stress in rows], Phrase("scenario"))
    for row, stress in enumerate(rows):
        for column, rule_of in STRESS_RULES.items():
            value = getattr(stress, column)
            if value is None or (column == "obligor_recovery" and value == TABLE):
                continue
            if isinstance(value, str):
                yield Fault(
                    "scenario",
                    row,
                    column,
                    value,
                    Phrase("must be blank, '{table}' or a number", table=TABLE),
                )
            elif not rule_of.holds(np.asarray(value, float)) or (column == "delay" and value != int(value)):
                yield Fault("scenario", row, column, value, rule_of.text)
        if stress.obligor and stress.obligor_recovery is None:
            rule = Phrase(
                "must come with what is recovered of it: a number from 0 to 1, or '{table}'", table=TABLE
            )
            yield Fault("scenario", row, "obligor", stress.obligor, rule)
        try:
            control_keys("" if stress.controls_off is None else stress.controls_off)
        except InputError as error:
            yield Fault("scenario", row, "controls_off", error.value, error.rule)
        if stress.default_point is not None and stress.default_point not in DEFAULT_POINTS:
            rule = Phrase("must be one of: {options}", options=", ".join(DEFAULT_POINTS))
            yield Fault("scenario", row, "default_point", stress.default_point, rule)


def apply(deal: Deal, stress: Stress, *, by_plan: bool = False) -> Stressed:
    """Put a deal under a stress.

    What is owed follows from the pool as planned, prepayments included. Then come, in this
    order: excess coverage off (what has come in is cut to what has fallen due), the
    haircut, the delay; PD, recovery (pledge off: at most the unpledged recovery) and
    correlation of the obligors. The balance of the claims knows of the delay alone: what a
    haircut or a cut takes away is not repaid.

    Parameters
    ----------
    deal : Deal
    stress : Stress
    by_plan : bool
        Whether only what the pool pays by plan is wanted, not who pays it: then its rows are summed
        up (:func:`~xlkmv.deal.plan.claims.summed`), and the size of the pool costs nothing.

    Returns
    -------
    Stressed

    Raises
    ------
    InputError
        When the obligor of the stress is not in the pool, or only what the pool pays is wanted of a
        deal that is seen from a later date.
    """
    return apply_all(deal, [stress], by_plan=by_plan)[0]


def apply_all(deal: Deal, stresses: Sequence[Stress], *, by_plan: bool = False) -> list[Stressed]:
    """Put a deal under each of some stresses, as :func:`apply` does; what is owed is found together."""
    if by_plan and deal.today is not None:
        raise InputError("deal", "must be as at closing: today it matters which claims are gone")
    planned = [_planned(deal, stress, by_plan) for stress in stresses]
    plans = []
    for stress, (owing, claims, gone), dues in zip(stresses, planned, _dues(planned), strict=True):
        plans.append(_under(deal, stress, owing, claims, gone, dues, by_plan))
    return plans


# A deal whose pool pays what its claims do by plan, these, and the row that a stress lets default.
_Planned = tuple[Deal, Claims, int | None]


def _planned(deal: Deal, stress: Stress, by_plan: bool) -> _Planned:
    controls = deal.controls.without(*stress.controls_off)
    planned = _shifted(deal, stress.rate_shift)
    if not controls.excess_coverage and (planned.terms.oc_target is not None or planned.terms.oc_floor > 0.0):
        planned = altered(planned, terms=altered(planned.terms, oc_target=None, oc_floor=0.0))
    gone = None
    if stress.obligor_recovery is not None:
        gone = _in_default(planned.pool, stress.obligor)
        planned = altered(planned, pool=_alone(planned.pool, gone))
    claims = planned_claims(planned)
    if by_plan:
        claims = summed(claims)
    if claims.pool is not planned.pool:
        # Worked in: nobody must prepay twice.
        done = altered(planned.terms, prepayment=0.0, prepayment_type="of schedule", prepayment_vector=())
        planned = altered(planned, pool=claims.pool, terms=done)
    return planned, claims, gone


def _dues(planned: Sequence[_Planned]) -> list[Dues]:
    if not planned[0][0].passes_through.any():
        return [planned_dues(deal, pool=_balance_before(claims.pool)) for deal, claims, _ in planned]
    owed = [(Owed(claims), deal.tranches, without_risk(deal.terms)) for deal, claims, _ in planned]
    # Plans that differ in their rates alone run together; what is bought is bought by each for itself.
    alike = {altered(terms, curves=()) for _, _, terms in owed}
    if len(alike) == 1 and all(claims.unbought is None for _, claims, _ in planned) and len(owed) > 1:
        return _settle(owed)
    return [_settled(*each) for each in owed]


def _under(
    deal: Deal, stress: Stress, planned: Deal, claims: Claims, gone: int | None, dues: Dues, by_plan: bool
) -> Stressed:
    controls = deal.controls.without(*stress.controls_off)
    pool, clock = claims.pool, None
    if not by_plan:
        pool, clock = default_clock(pool, deal.terms, deal.controls.unpledged_recovery)
    senior, times = deal.senior, deal.terms.times
    base = Stressed(
        deal=altered(planned, controls=controls),
        dues=dues,
        reserve=0.0,
        senior=senior,
        retained=np.full(times.size, np.inf),
        support_cap=_cap(deal, controls),
        needs_balance=needs_balance(deal) or bool(pool.balance is not None),
        row_purchases=claims.purchases,
        unbought=claims.unbought,
        clock=clock,
        volatility_multiplier=stress.volatility_multiplier,
        default_point=stress.default_point,
    )
    last = int(senior.sum()) - 1
    size, reserve = _reserve(base, float(dues.ahead(last, expected=True)[0]))

    schedule, retained = pool.schedule, base.retained
    kept = np.ones(times.size)
    if not controls.excess_coverage:
        kept, retained = _without_excess(schedule, dues.total(expected=True))
        schedule = schedule * kept
    schedule = _delayed(schedule * (1.0 - stress.pool_haircut), stress.delay)

    given = None
    if gone is not None and stress.obligor_recovery != TABLE:
        given = gone, float(stress.obligor_recovery or 0.0)
    stressed_pool = altered(
        pool,
        schedule=schedule,
        pd=stressed_pd(pool.pd, stress),
        correlation=np.clip(pool.correlation + stress.correlation_add, 0.0, HIGHEST_CORRELATION),
        **_late(pool, schedule, kept * (1.0 - stress.pool_haircut), stress.delay),
    )
    plan = replace(
        base,
        deal=altered(planned, pool=stressed_pool, controls=controls),
        dues=dues if controls.subordination else _without_ranks(dues),
        reserve=reserve,
        reserve_size=size,
        retained=retained,
        defaulted=gone,
        **_buying(claims, kept * (1.0 - stress.pool_haircut), stress.delay),
    )
    plan = _recovering(plan, pool, stress, given, drawn=not by_plan)
    if deal.today is None:
        return plan
    seen = as_seen(plan, deal.today.record, deal.today.level)
    return seen if plan.recovery_law is None else _recovering(seen, pool, stress, given)


def _recovering(
    plan: Stressed, pool: Pool, stress: Stress, given: tuple[int, float] | None, drawn: bool = True
) -> Stressed:
    """Work the recoveries of a pool into a plan; `given` is what one row brings whatever it has."""
    controls, law = plan.deal.controls, None
    if pool.recoveries is None or not drawn:
        recovery = stressed_recovery(pool.recovery, stress, controls)
    else:
        plan = drawing(plan, pool.recoveries, pool.recovery, stress.recovery_multiplier)
        recovery, law = plan.deal.pool.recovery.copy(), plan.recovery_law
        if not controls.pledge:
            # Of what comes in without the pledge no more than its rate is known.
            recovery, law = np.minimum(recovery, controls.unpledged_recovery), None
        elif plan.defaulted is not None and law is not None:
            at = np.array([plan.defaulted])
            recovery[at] = law.at_closing(at, plan.claim[at, 0])
    if given is not None:
        row, rate = given
        recovery[row] = rate if controls.pledge else min(rate, controls.unpledged_recovery)
    expecting = altered(plan.deal.pool, recovery=recovery, recoveries=None)
    return replace(plan, deal=altered(plan.deal, pool=expecting), recovery_law=law)


def expected_recovery(deal: Deal) -> Array:
    """Recovery rate that each claim is expected to bring, given default and the pledge.

    Parameters
    ----------
    deal : Deal

    Returns
    -------
    ndarray, shape (m,)
        Typed rates; of a claim with a pledge what follows from it as seen from closing.
    """
    drawn = deal.pool.recoveries
    if drawn is None or not drawn.pledged.any():
        return deal.pool.recovery
    pledged = replace(deal, controls=replace(deal.controls, pledge=True), today=None)
    return apply(pledged, BASE).deal.pool.recovery


def stressed_pd(pd: Array, stress: Stress) -> Array:
    """One-year PDs under a stress, but for its volatility multiplier.

    Parameters
    ----------
    pd : ndarray
    stress : Stress

    Returns
    -------
    ndarray
    """
    return np.minimum(pd * stress.pd_multiplier, HIGHEST_PD)


def stressed_recovery(recovery: Array, stress: Stress, controls: Controls) -> Array:
    """Recovery rates under a stress; without the pledge at most the unpledged recovery.

    Parameters
    ----------
    recovery : ndarray
    stress : Stress
    controls : Controls

    Returns
    -------
    ndarray
    """
    rates = np.clip(recovery * stress.recovery_multiplier, 0.0, 1.0)
    return rates if controls.pledge else np.minimum(rates, controls.unpledged_recovery)


def remark(deal: Deal, stress: Stress) -> str:
    """Say why a condition changes nothing in a deal, as far as its terms show it.

    Parameters
    ----------
    deal : Deal
    stress : Stress

    Returns
    -------
    str
        Sentences (:class:`~xlkmv.phrase.Phrase`); "" where the condition has a meaning.
    """
    controls, pool, terms = deal.controls, deal.pool, deal.terms
    idle = {key: text for key, text in _idle_controls(deal).items() if key in stress.controls_off}
    # Of several controls that are off together, those that do something speak for themselves.
    texts: list[str] = list(idle.values()) if len(stress.controls_off) == 1 else []
    if stress.default_point == "all" and len({t.rank for t in deal.tranches}) == 1:
        texts.append(Phrase("There is one rank: its dues are all dues."))
    if stress.pd_multiplier != 1.0 and not (pool.pd > 0.0).any() and terms.default_timing == "PD":
        texts.append(Phrase("No obligor has a PD."))
    recovery = expected_recovery(deal)
    if not controls.pledge:
        recovery = np.minimum(recovery, controls.unpledged_recovery)
    if stress.recovery_multiplier != 1.0 and not (recovery > 0.0).any():
        texts.append(Phrase("Nothing is recovered anyway."))
    if stress.rate_shift != 0.0 and not terms.curves and not any(t.coupon for t in deal.tranches):
        texts.append(Phrase("No class has a coupon, and nothing floats."))
    if terms.volatility_source == "user" and (stress.pd_multiplier, stress.recovery_multiplier) != (1.0, 1.0):
        texts.append(Phrase("With volatility from the user the KMV view does not see it."))
    return joined(texts) if texts else ""


def _idle_controls(deal: Deal) -> dict[str, str]:
    """Controls that do nothing in a deal, and why."""
    controls = deal.controls
    off = Phrase("It is off in this deal already.")
    out: dict[str, str] = {key: off for key in CONTROLS if not getattr(controls, key)}
    reasons = {
        "subordination": (len({t.rank for t in deal.tranches}) == 1, Phrase("There is one rank.")),
        "reserve": (
            controls.reserve_size == 0.0 == controls.reserve_floor,
            Phrase("The reserve has no size."),
        ),
        "support": (controls.support_cap == 0.0, Phrase("The undertaking is capped at nothing.")),
        "triggers": (
            all(c.consequence == "none" for c in deal.covenants),
            Phrase("No covenant has a consequence."),
        ),
        "repurchase": (controls.repurchase_share == 0.0, Phrase("Nothing is repurchased.")),
        "pledge": (
            not (expected_recovery(deal) > controls.unpledged_recovery).any(),
            Phrase("No recovery is above the unpledged one."),
        ),
    }
    for key, (holds, text) in reasons.items():
        if holds:
            out.setdefault(key, text)
    return out


def _shifted(deal: Deal, shift: float) -> Deal:
    """Add a shift to every fixed coupon that is not 0 and to every base curve."""
    if shift == 0.0:
        return deal
    tranches = tuple(_shifted_coupon(t, shift) for t in deal.tranches)
    if deal.terms.curves:
        curves = tuple(_shifted_curve(c, shift) for c in deal.terms.curves)
        deal = altered(deal, terms=altered(deal.terms, curves=curves))
    return altered(deal, tranches=tranches) if tranches != deal.tranches else deal


def _shifted_coupon(tranche: Tranche, shift: float) -> Tranche:
    if tranche.coupon == 0.0:
        return tranche
    return altered(tranche, coupon=float(np.clip(tranche.coupon + shift, 0.0, 1.0)))


def _shifted_curve(curve: Curve, shift: float) -> Curve:
    return altered(curve, rates=tuple(float(np.clip(r + shift, -1.0, 1.0)) for r in curve.rates))


def _in_default(pool: Pool, name: str) -> int:
    """Row of the obligor that a stress names; of the largest one where it names nobody."""
    if not name:
        return int(np.argmax(pool.amount / pool.obligors))
    for row, known in enumerate(pool.name):
        if known.casefold() == name.casefold():
            return row
    rule = near("must be the name of an obligor of the pool, or blank", name, pool.name)
    raise InputError("scenario obligor", rule, name)


def _alone(pool: Pool, row: int) -> Pool:
    """Part a row with Count: one of its obligors in the row's place, the others just after it."""
    count = pool.obligors
    if count[row] == 1.0:
        return pool
    rows = np.insert(np.arange(len(pool.name)), row, row)
    share = np.ones(rows.size)
    share[row], share[row + 1] = 1.0 / count[row], 1.0 - 1.0 / count[row]
    left = np.insert(count, row, 1.0)
    left[row + 1] -= 1.0
    return pool.pick(rows, share, left)


def _without_ranks(dues: Dues) -> Dues:
    """All classes share alike; as none is better, no interest may wait for one."""
    return replace(dues, ranks=np.ones_like(dues.ranks), deferred=None)


def _cap(deal: Deal, controls: Controls) -> float | None:
    if controls.support_cap is None:
        return None
    notes = sum(t.amount for t in deal.tranches)
    return controls.support_cap * (notes if controls.support_cap_unit == "of notes" else 1.0)


def _balance_before(pool: Pool) -> Array | None:
    """Balance of the pool before each date, shape (n,); None where nobody asked for it."""
    if pool.balance is None:
        return None
    after = pool.balance.sum(axis=0)
    return np.concatenate([[float(pool.amount.sum())], after[:-1]])


@lru_cache(maxsize=8)  # conditions that differ in other things have the same dues
def _settled(owed: Owed, tranches: tuple[Tranche, ...], terms: Terms) -> Dues:
    return _settle([(owed, tranches, terms)])[0]


def _settle(owed: Sequence[tuple[Owed, tuple[Tranche, ...], Terms]]) -> list[Dues]:
    """Dues of plans with pass-through classes."""
    plans, controls = [], Controls(support=False, reserve=False)
    for each, tranches, terms in owed:
        claims = each.claims
        deal = Deal(claims.pool, tranches, terms, controls)
        plan = Stressed(
            deal=deal,
            dues=planned_dues(deal, pool=_balance_before(claims.pool)),
            reserve=0.0,
            senior=deal.senior,
            retained=np.full(len(terms.dates), np.inf),
            needs_balance=True,
            row_purchases=claims.purchases,
            unbought=claims.unbought,
        )
        plans.append(plan)
    return settled(plans)


def _reserve(plan: Stressed, senior_dues: float) -> tuple[float, float]:
    """Size of the reserve as it is at closing, and what of it is there then, money."""
    controls = plan.deal.controls
    if not controls.reserve:
        return 0.0, 0.0
    if controls.reserve_unit == "periods":
        size = controls.reserve_size * senior_dues
    elif controls.reserve_unit == "money":
        size = controls.reserve_size
    else:
        size = max(controls.reserve_size, controls.reserve_floor) * plan.balance_at_closing
    return size, size if controls.reserve_funding == "cash" else 0.0


def _late(pool: Pool, schedule: Array, share: Array, delay: int) -> dict[str, Any]:
    """Interest, balance and claim of a pool that pays a share of everything, some periods late.

    `schedule` is what it pays then: the claims of rows without loan terms.
    """
    if pool.balance is None or pool.interest is None:
        return {}
    claim = pool.claim
    if claim is not None and pool.loans is not None:
        claim = _held(claim, claim[:, :1], delay)
        by_schedule = np.flatnonzero(~pool.loans.given)
        if by_schedule.size:
            claim = claim.copy()
            claim[by_schedule] = np.cumsum(schedule[by_schedule, ::-1], axis=1)[:, ::-1]
    start = pool.balance[:, :1] + (pool.schedule - pool.interest)[:, :1] if delay else 0.0
    interest = _delayed(pool.interest * share, delay)
    return {"interest": interest, "balance": _held(pool.balance, start, delay), "claim": claim}


def _buying(claims: Claims, share: Array, delay: int) -> dict[str, Any]:
    """Claims bought from a share of the principal, some periods late, and what is missing without them."""
    if claims.purchases is None or claims.unbought is None:
        return {}
    dates, ends = np.arange(claims.purchases.shape[1]), np.arange(claims.purchases.shape[1] + 1)
    before = dates[:, None] < delay
    at = np.maximum(dates - delay, 0)[:, None], np.maximum(ends - delay, 0)
    return {
        "row_purchases": _delayed(claims.purchases * share, delay),
        "unbought": tuple(np.where(before, 0.0, table[at]) for table in claims.unbought),
    }


def _without_excess(schedule: Array, due: Array) -> tuple[Array, Array]:
    """Take out of a schedule, as it comes in, what no later date will need by plan.

    With accumulated collections A_k and dues DP_k of all tranches the excess is ``S_k = max(0,
    min over j >= k of (A_j - DP_j))``: it never falls, and rises on a date by no more than what
    comes in. Every obligor gives up the same share of the date. Returns the share that is kept,
    and what later dates need to find in the account, ``A_k - DP_k - min over j >= k of (A_j - DP_j)``.
    """
    planned = schedule.sum(axis=0)
    surplus = np.cumsum(planned) - np.cumsum(due)
    least = np.minimum.accumulate(surplus[::-1])[::-1]
    excess = np.maximum(least, 0.0)
    taken = np.divide(np.diff(excess, prepend=0.0), planned, out=np.zeros_like(planned), where=planned > 0.0)
    return 1.0 - np.clip(taken, 0.0, 1.0), surplus - least


def _delayed(schedule: Array, periods: int) -> Array:
    """Pay some periods late, and nothing before."""
    return _held(schedule, 0.0, periods)


def _held(values: Array, start: Array | float, periods: int) -> Array:
    """Move figures some periods on; before them stands what holds from the start."""
    if periods == 0:
        return values
    late = np.empty_like(values)
    late[:, :periods] = start
    late[:, periods:] = values[:, :-periods]
    return late


BASE = Stress("Base")
ALL_OFF = Stress("All controls off", controls_off=tuple(CONTROLS))

PRESETS: tuple[Stress, ...] = (
    BASE,
    *(Stress(f"{control.label} off", controls_off=(key,)) for key, control in CONTROLS.items()),
    ALL_OFF,
    Stress("Default point: dues of all classes", default_point="all"),
    Stress("Largest obligor defaults, nothing recovered", obligor_recovery=0.0),
    Stress("Largest obligor defaults, recovery of the table", obligor_recovery=TABLE),
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
