"""Surveillance: what has come in so far re-rates the plan, in the KMV view and for the simulation.

Three questions are kept apart. What is known to be gone (by status, or by the record) is a default
or a prepayment, and no volatility. Where most of the last periods brought less than was expected, the
rest is expected at their level, too. How far collections jump from date to date says whether the
volatility at closing was too low. One late payment is one late payment: the level is a median, and
jumps are judged with heavy tails. Neither is ever taken to be better than at closing, as claims cannot
pay more than they owe, and some calm periods do not prove that nobody will default.

Time alone lowers a PD. While cash is missing that nothing known explains, it is not left to do so: each
class is held at its figures of closing, and what was computed stands beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from xlkmv.deal.plan.dues import outstanding_dues
from xlkmv.deal.plan.stressed import Stressed, pool_risk
from xlkmv.deal.plan.today import Outlook, as_seen, buying_ended, buying_until, fitting, owing
from xlkmv.deal.plan.waterfall import Waterfall, waterfall
from xlkmv.deal.terms import TOLERANCE, Deal, Record, Today
from xlkmv.errors import DomainError
from xlkmv.kinds import altered
from xlkmv.model.copula import joint_default_probability
from xlkmv.model.domain import FINITE, NOT_NEGATIVE, RULES, Array, check, check_number
from xlkmv.model.plan import PlanRisk, default_probability_by
from xlkmv.model.robust import scale_update
from xlkmv.shown import Shown

__all__ = [
    "BANDS",
    "BEHIND",
    "HAIR",
    "LEAST_RATIO",
    "LEAST_SCALE",
    "LEVEL_PERIODS",
    "Rerating",
    "Surveillance",
    "from_today",
    "rerate",
    "reratings",
]

# PDs that part the bands, from investment grade to as good as in default: a judgement.
BANDS = (0.001, 0.01, 0.05, 0.20, 0.50)
# Accumulated collections below this share of the plan are behind it.
BEHIND = 0.95
# Collections that are less by no more than this share of what was to come in are complete: figures are
# typed as they are rounded.
HAIR = 1e-4
# A period that brings in next to nothing would have an infinite log ratio: it counts as this much.
LEAST_RATIO = 0.01
# The level is the median of as many periods; those before closing count as on plan.
LEVEL_PERIODS = 5
# The smaller of the two steps of a random walk is this much of one, as judged with the usual tail: simulated.
SMALLER = 0.82
# Surprises are measured in units of the volatility at closing, but of no less than this, per annum.
LEAST_SCALE = 0.001


@dataclass(frozen=True, slots=True, repr=False)
class Rerating(Shown):
    """What some periods have taught.

    Attributes
    ----------
    volatility : float
        sigma to rate with, per annum: never below that at closing.
    low, high : float
        Bounds between which sigma lies by closing and record together, with probability
        :data:`~xlkmv.model.robust.INTERVAL`.
    level : float
        Share of what is still scheduled that is expected to come in, defaults apart: at most 1.
    closing_weight : float
        Weight of the view at closing, 0 to 1.
    """

    volatility: float
    low: float
    high: float
    level: float
    closing_weight: float


def reratings(
    actual: npt.ArrayLike,
    expected: npt.ArrayLike,
    times: npt.ArrayLike,
    volatility: float,
    strength: float = 8.0,
    tail: float = 4.0,
) -> tuple[Rerating, ...]:
    """Volatility and level of the collections at closing and after each date.

    With x_i the log ratio of the collections of a period to what was expected of it: sigma follows from
    the scale of the steps x_i - x_(i-1) in units of sqrt(3) sigma sqrt(dt_i)
    (:func:`~xlkmv.model.robust.scale_update`), as collections that are a random walk of volatility
    s sum up to ones of s/sqrt(3), ``Var ln integral_0^T e^(s W) dt = s^2 T/3`` to first order. A date
    that goes back to the median of the last :data:`LEVEL_PERIODS` x_i is no new surprise: the step from
    there counts where it is smaller. The logarithm of the level is that median times n/(k0 + n), and 0
    where it is positive.

    Parameters
    ----------
    actual, expected : array_like, shape (j,)
        What came in on each date, and what was to come in given what is known to be gone, money.
        A date on which nothing was expected teaches nothing.
    times : array_like, shape (j,)
        Years from closing.
    volatility : float
        sigma at closing, per annum.
    strength : float
        Periods that the view at closing is worth.
    tail : float
        Degrees of freedom of a surprise: the smaller, the less a single one counts.

    Returns
    -------
    tuple of Rerating, length j + 1

    Raises
    ------
    DomainError
        When an argument breaks its rule.
    """
    paid, due = check("actual", actual, NOT_NEGATIVE), check("expected", expected, NOT_NEGATIVE)
    # The pool's own figure: 0 if nobody can default, and beyond what a person would type.
    sigma = check_number("volatility", volatility, NOT_NEGATIVE)
    told = due > 0.0
    steps = np.diff(check("times", times, NOT_NEGATIVE), prepend=0.0)
    unit = max(sigma, LEAST_SCALE)
    with np.errstate(divide="ignore", invalid="ignore"):
        x = np.log(np.maximum(paid / due, LEAST_RATIO))[told]
    last = np.lib.stride_tricks.sliding_window_view(np.append(np.zeros(LEVEL_PERIODS), x), LEVEL_PERIODS)
    median = np.median(last, axis=1)
    jumps = np.minimum(np.abs(np.diff(x, prepend=0.0)), np.abs(x - median[:-1]))
    spread = scale_update(jumps / (SMALLER * unit * np.sqrt(3.0 * steps[told])), strength, tail)
    out = []
    for seen in range(told.size + 1):
        n = int(told[:seen].sum())
        wider = max(float(spread.scale[n]), 1.0)
        closing = strength / (strength + n)
        out.append(
            Rerating(
                volatility=sigma if wider == 1.0 else wider * unit,
                low=float(spread.low[n]) * unit,
                high=float(spread.high[n]) * unit,
                level=float(np.exp(min((1.0 - closing) * median[n], 0.0))),
                closing_weight=closing,
            )
        )
    return tuple(out)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Surveillance(Shown):
    """The plan as it stands after j of its n dates, in the KMV view.

    Attributes
    ----------
    record : Record
    planned, expected : ndarray, shape (j,)
        Collections of each period by plan, and given what is known to be gone, money; without claims that
        a trigger has kept the plan from buying.
    accumulated_ratio : ndarray, shape (j,)
        Accumulated actual over accumulated planned collections.
    behind : ndarray of bool, shape (j,)
        Whether that is below :data:`BEHIND`.
    missing : ndarray of bool, shape (j,)
        Whether cash is missing that nothing known explains: accumulated collections are less than was
        to come in given what is known to be gone, by more than :data:`HAIR` of it.
    reratings : tuple of Rerating, length j + 1
        At closing and after each date.
    coverage, distance, pd : ndarray, shape (k, j + 1)
        Over the dates still to come, at closing and after each date: coverage and distance to default
        at the tranche's maturity, and any-date PD up to it; at the next date where a class is late of what
        was expected by its maturity. Once it is repaid infinite and 0; once a payment was missed 0, minus
        infinity and 1. Distance and PD are held at those of closing where :attr:`holds` says so and they
        would be better.
    computed_distance, computed_pd : ndarray, shape (k, j + 1)
        The same before they are held.
    holds : ndarray of bool, shape (k, j + 1)
        Whether a class may not be rated better than at closing: cash is missing, and it is not repaid.
    on_plan : ndarray, shape (k, j + 1)
        The same PD had everything come in as planned: what time alone has done.
    band : ndarray of int, shape (k, j + 1)
        Band of the PD: 0 below the first limit.
    missed : ndarray of bool, shape (k, j + 1)
        Whether pool and reserve have left something unpaid that was due to it so far.
    alert : ndarray of bool, shape (k, j + 1)
        Whether the band is worse than at closing, and collections are not ahead of plan.
    limit : ndarray, shape (k,)
        PD from which on the band is worse than at closing; NaN where there is no worse one.
    now : tuple of PlanRisk or None
        Per tranche, date by date up to its maturity, or the next date where it is late; None once it is
        repaid, or has missed its maturity, and after the last date.
    supported_pd : ndarray, shape (k,)
        PD now with what is left of the undertaking counted, where it is on and protects the tranche; held
        at that of closing, too.
    computed_supported_pd : ndarray, shape (k,)
        The same before it is held.
    balance : ndarray, shape (k,)
        Principal outstanding now, money; what the undertaking has paid is repaid.
    """

    record: Record
    planned: Array
    expected: Array
    accumulated_ratio: Array
    behind: npt.NDArray[np.bool_]
    missing: npt.NDArray[np.bool_]
    reratings: tuple[Rerating, ...]
    coverage: Array
    distance: Array
    pd: Array
    computed_distance: Array
    computed_pd: Array
    holds: npt.NDArray[np.bool_]
    on_plan: Array
    band: npt.NDArray[np.int64]
    missed: npt.NDArray[np.bool_]
    alert: npt.NDArray[np.bool_]
    limit: Array
    now: tuple[PlanRisk | None, ...]
    supported_pd: Array
    computed_supported_pd: Array
    balance: Array

    @property
    def seen(self) -> int:
        """Dates that have passed."""
        return len(self.record)

    @property
    def held(self) -> npt.NDArray[np.bool_]:
        """Whether distance or PD stand as at closing because cash is missing, shape (k, j + 1)."""
        return np.asarray((self.pd > self.computed_pd) | (self.distance < self.computed_distance))


def from_today(deal: Deal, record: Record, level: float = 1.0) -> Deal:
    """See a deal from the last date of a record: simulated, its paths begin there.

    Parameters
    ----------
    deal : Deal
        As at closing.
    record : Record
    level : float
        Share of what is still scheduled that is expected to come in: that of a :class:`Rerating`.

    Returns
    -------
    Deal
        The deal itself while nothing has been seen. See :func:`~xlkmv.deal.plan.today.as_seen`.
    """
    return replace(deal, today=Today(record, level)) if len(record) else deal


def rerate(
    plan: Stressed,
    actual: Record | npt.ArrayLike,
    volatility: float,
    drift: float = 0.0,
    strength: float = 8.0,
    tail: float = 4.0,
    bands: Sequence[float] = BANDS,
) -> Surveillance:
    """Re-rate a plan from what came in so far.

    What came in goes through the waterfall, without the undertaking. Seen from date j, cash in
    the account counts for every tranche, the reserve for those that it protects; what was paid
    ahead of the plan lowers what is due next, and bears no interest, and what was missed raises it.
    What is still scheduled
    by claims that are not known to be gone comes in at the level, and moves with the volatility, that
    the record suggests (:func:`reratings`), up to the tranche's maturity.

    While cash is missing that nothing known explains, no class is rated better than at closing; and while
    nothing else is known, none better than on plan.

    Parameters
    ----------
    plan : Stressed
        From :func:`~xlkmv.deal.stress.apply`; usually the base case.
    actual : Record, or array_like of shape (j,)
        Of the first j periods; collections alone in money, >= 0; j from 0 to n.
    volatility, drift : float
        sigma and mu at closing, per annum.
    strength, tail : float
        As in :func:`reratings`.
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
    check("drift", drift, FINITE)
    times, record = plan.deal.terms.times, fitting(plan, Record.of(actual))
    limits = np.asarray(check("bands", bands, RULES["pd"]))
    if (np.diff(limits) <= 0.0).any():
        raise DomainError("bands", "must increase", float(limits[int(np.argmin(np.diff(limits)))]))
    # Once a trigger has ended the revolving period the plan is another one.
    j, ended = len(record), buying_ended(plan, record)
    views = [plan, owing(buying_until(plan, ended))] if ended < j else [plan]
    outlooks = [Outlook(view, record) for view in views]
    planned, outlook = views[-1].collections, outlooks[-1]
    paid_in = np.array(record.collections)
    ratings = reratings(paid_in, outlook.expected, times[:j], volatility, strength, tail)
    today = as_seen(plan, record)
    alone, run = waterfall(_unsupported(today)), waterfall(today)
    so_far = [_so_far(view, alone, j) for view in views]
    missed = so_far[-1][1]
    runs_on_plan = [waterfall(_unsupported(view)) for view in views]
    on_plan_so_far = [_so_far(view, each, j)[0] for view, each in zip(views, runs_on_plan, strict=True)]
    repaid, repaid_on_plan = _repaid(alone, j), [_repaid(each, j) for each in runs_on_plan]
    shape = (3, *missed.shape)
    found, on_plan, held, now = np.empty(shape), np.empty(shape[1:]), np.empty(shape[1:]), []
    for seen, rating in enumerate(ratings):
        by_then = -1 if seen > ended else 0
        scheduled, sure = outlooks[by_then].coming(seen)
        coming = scheduled * rating.level + sure
        view, held[:, seen] = _owing_now(views[by_then], alone, seen, today), so_far[by_then][0][:, seen]
        now = [
            None
            if repaid[k, seen] or (missed[k, seen] and seen > view.due_by(k))
            else _seen_from(view, k, seen, cash, coming, rating.volatility, drift)
            for k, cash in enumerate(held[:, seen])
        ]
        found[:, :, seen] = np.array([_final(risk) for risk in now]).T
        view = _owing_now(views[by_then], runs_on_plan[by_then], seen)
        for k, cash in enumerate(on_plan_so_far[by_then][:, seen]):
            gone = repaid_on_plan[by_then][k, seen]
            risk = None if gone else _seen_from(view, k, seen, cash, view.collections, volatility, drift)
            on_plan[k, seen] = _final(risk)[2]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.cumsum(paid_in) / np.cumsum(planned[:j])
    coverage, distance, pd = found
    if record.collections_only and not outlook.rows.size:
        # More cash may be kept when less comes in, and a wider pool may lift a class that is under water.
        less = (ratio < 1.0) & ~repaid[:, 1:]
        pd[:, 1:] = np.where(less, np.maximum(pd, on_plan)[:, 1:], pd[:, 1:])
    coverage, distance, pd = (
        np.where(missed, bad, x) for x, bad in zip((coverage, distance, pd), (0.0, -np.inf, 1.0), strict=True)
    )
    amounts = np.array([t.amount for t in plan.deal.tranches])
    balances = np.column_stack([amounts, run.balance[:, :j]])
    missing = np.cumsum(paid_in) < (1.0 - HAIR) * np.cumsum(outlook.expected)
    holds = np.append(False, missing) & (balances > TOLERANCE * amounts[:, None])
    computed_distance, computed_pd = distance, pd
    distance, pd = _held(distance, holds, np.minimum), _held(pd, holds, np.maximum)

    def supported(pds: Array, seen: int, scheduled: Array) -> Array:
        view = _owing_now(views[-1 if seen > ended else 0], alone, seen, today)
        return _with_undertaking(view, run, held[:, seen], pds, scheduled, ratings[seen], drift, seen)

    computed_supported = supported(computed_pd[:, j], j, coming)
    at_closing = supported(pd[:, 0], 0, plan.collections) if holds[:, j].any() else computed_supported
    band = np.searchsorted(limits, pd, side="right")
    return Surveillance(
        record=record,
        planned=planned[:j],
        expected=outlook.expected,
        accumulated_ratio=ratio,
        behind=ratio < BEHIND,
        missing=missing,
        reratings=ratings,
        coverage=coverage,
        distance=distance,
        pd=pd,
        computed_distance=computed_distance,
        computed_pd=computed_pd,
        holds=holds,
        on_plan=on_plan,
        band=band,
        missed=missed,
        alert=(band > band[:, :1]) & np.append(False, ratio < 1.0),
        limit=np.append(limits, np.nan)[band[:, 0]],
        now=tuple(now),
        supported_pd=np.where(holds[:, j], np.maximum(computed_supported, at_closing), computed_supported),
        computed_supported_pd=computed_supported,
        balance=balances[:, j],
    )


def _held(figures: Array, holds: npt.NDArray[np.bool_], worse: np.ufunc) -> Array:
    """Figures at closing and after each date, none better than at closing where they are held."""
    return np.where(holds, worse(figures, figures[:, :1]), figures)


def _unsupported(plan: Stressed) -> Stressed:
    """The plan without the undertaking."""
    return replace(plan, deal=altered(plan.deal, controls=plan.deal.controls.without("support")))


def _so_far(plan: Stressed, run: Waterfall, j: int) -> tuple[Array, npt.NDArray[np.bool_]]:
    """After 0 to j dates, per tranche: cash in hand less what is behind, and whether it missed anything.

    In hand are the account, and the reserve where it protects the tranche. Principal of it and
    those ahead that is paid before its date counts too, and so does interest that may wait until
    the legal final; principal, interest and fees that are late or wait count against it. Where
    interest of all ranks comes first, that of later ranks counts as it does in what is still due.
    """
    dues = plan.dues
    # What waits is owed as much as what is missed, with interest on it.
    target, interest = dues.opening - dues.principal, run.interest_paid - run.interest_due
    by_plan = _expected(plan)
    if by_plan and dues.expected is not None:
        target = dues.opening[:, :1] - np.cumsum(dues.expected, axis=1)
    if not by_plan and dues.deferred is not None:
        interest = interest + np.cumsum(dues.interest - dues.deferred, axis=1)
    principal = target - run.balance
    held, missed = [], []
    for k, protected in enumerate(plan.senior):
        counted = dues.ranks <= dues.ranks[k] if plan.default_point == "own" else slice(None)
        before = slice(None) if dues.interest_first else counted
        early = principal[counted].sum(axis=0) + interest[before].sum(axis=0)
        cash = run.account + run.reserve * protected + run.fees_paid - run.fees_due
        held.append(np.append(plan.reserve * protected, (cash + early)[:j]))
        missed.append(np.append(False, np.logical_or.accumulate(run.short[k])[:j]))
    return np.array(held), np.array(missed)


def _repaid(run: Waterfall, j: int) -> npt.NDArray[np.bool_]:
    """Whether nothing is left that is owed to a class, at closing and after each date, shape (k, j + 1)."""
    amount = (run.balance + run.principal_paid)[:, :1]
    owed = run.balance + run.interest_due - run.interest_paid
    return np.hstack([np.zeros(amount.shape, np.bool_), (owed <= TOLERANCE * amount)[:, :j]])


def _owing_now(plan: Stressed, run: Waterfall, seen: int, today: Stressed | None = None) -> Stressed:
    """The plan with what is due from a date on, given the notes, and the pool, that are left then."""
    if not seen:
        return plan
    pool = None
    if today is not None and (by_plan := float(plan.balance[seen - 1])) > 0.0:
        pool = plan.outstanding * max(1.0 - float(today.balance[seen - 1]) / by_plan, 0.0)
    return replace(plan, dues=outstanding_dues(plan.deal, plan.dues, seen, run.balance[:, seen - 1], pool))


def _with_undertaking(
    plan: Stressed,
    run: Waterfall,
    held: Array,
    pd: Array,
    coming: Array,
    rating: Rerating,
    drift: float,
    seen: int,
) -> Array:
    """Any-date PDs now, given those by pool and reserve, when the payer of the undertaking counts, too."""
    controls, terms, out = plan.deal.controls, plan.deal.terms, pd.copy()
    for k in np.flatnonzero(plan.senior).tolist() if controls.support else ():
        end = max(plan.due_by(k), seen)
        # Nothing to miss; or missed at the maturity, when all that is known has happened.
        if end >= terms.times.size or pd[k] == 0.0 or (pd[k] == 1.0 and seen > plan.due_by(k)):
            continue
        payer = default_probability_by(controls.support_pd, terms.times[end] - _now(plan, seen))
        beyond = 0.0
        if plan.support_cap is not None:
            cash = held[k] + max(plan.support_cap - float(run.support_drawn[:seen].sum()), 0.0)
            beyond = _final(_seen_from(plan, k, seen, cash, coming, rating.volatility, drift))[2]
        # Short, and the payer in default; or short by more than the cap, and the payer not.
        joint = joint_default_probability([pd[k], beyond], payer, terms.support_correlation)
        out[k] = joint[0] + beyond - joint[1]
    return out


def _now(plan: Stressed, seen: int) -> float:
    return float(plan.deal.terms.times[seen - 1]) if seen else 0.0


def _due_to(plan: Stressed, tranche: int) -> Array:
    dues, expected = plan.dues, _expected(plan)
    return dues.total(expected) if plan.default_point == "all" else dues.ahead(tranche, expected)


def _expected(plan: Stressed) -> bool:
    """Whether pass-through principal counts as due when the plan without defaults pays it."""
    return plan.deal.terms.default_point == "expected"


def _seen_from(
    plan: Stressed, tranche: int, seen: int, held: float, coming: Array, volatility: float, drift: float
) -> PlanRisk | None:
    """Risk over the dates still to come up to the maturity, or the next one; None after the last."""
    times, dues = plan.deal.terms.times, _due_to(plan, tranche)
    # What is late of an expected principal that was to be there by now is due next, as all that is late.
    end = max(plan.due_by(tranche), seen) + 1
    if end > times.size:
        return None
    now = _now(plan, seen)
    due = dues[seen:end].copy()
    due[0] += max(-held, 0.0)
    return pool_risk(coming[seen:end], due, volatility, times[seen:end] - now, drift, max(held, 0.0))


def _final(risk: PlanRisk | None) -> tuple[float, float, float]:
    """Coverage and distance at the maturity, any-date PD up to it; a class that has matured was paid."""
    if risk is None:
        return np.inf, np.inf, 0.0
    return float(risk.coverage[-1]), float(risk.distance[-1]), float(risk.anydate_pd[-1])
