"""The one call that a refresh makes: everything the workbook shows, from one deal.

Two views stand side by side. The KMV view sets accumulated collections against accumulated
dues, tranche by tranche, with one lognormal volatility for the pool; it needs no path. The
simulated view lets every obligor default and sends each path through the waterfall, so that
a lumpy pool, and controls that act along the path, are seen as they are.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from xlkmv.deal.checks import Check, laws, record_warnings, unused, warnings
from xlkmv.deal.kmv import LEAST_VOLATILITY, KmvView, Once, kmv_view
from xlkmv.deal.paths.executors import Executor, Questions
from xlkmv.deal.paths.measures import Measured, Simulation
from xlkmv.deal.paths.run import Run, Wanted, simulate
from xlkmv.deal.plan.claims import pool_by_date
from xlkmv.deal.plan.covenants import CovenantPath, covenant_risk
from xlkmv.deal.plan.priority import priority
from xlkmv.deal.plan.stressed import Stressed, pool_risk
from xlkmv.deal.plan.timing import plan_faults
from xlkmv.deal.plan.today import buying_ended, buying_until, fitting
from xlkmv.deal.plan.waterfall import Waterfall, waterfall
from xlkmv.deal.questions.attribution import Attributing, Attribution
from xlkmv.deal.questions.backtest import PlanBacktest, backtest
from xlkmv.deal.questions.breakeven import BreakEven, reverse_stress
from xlkmv.deal.questions.conditions import ScenarioResult, scenario_results, views_part
from xlkmv.deal.questions.contributions import Concentration, Contributions, concentration, contributions
from xlkmv.deal.questions.diversification import Diversified, Otherwise, rated, spread_otherwise
from xlkmv.deal.questions.surveillance import Surveillance, from_today, rerate
from xlkmv.deal.questions.uncertainty import Uncertainty, uncertainty
from xlkmv.deal.stress import ALL_OFF, BASE, PRESETS, Stress, apply, expected_recovery, remark
from xlkmv.deal.terms import CONTROLS, TOLERANCE, Deal, Ranges, Record
from xlkmv.deal.terms.faults import raise_first
from xlkmv.errors import InputError, XlkmvError
from xlkmv.model.comparison import Models, compare_models
from xlkmv.model.distance import breakeven_volatility, safe_issue
from xlkmv.model.domain import RULES, Array
from xlkmv.model.loans import weighted_average_life
from xlkmv.model.losses import LEVELS, LossDistribution
from xlkmv.model.plan import minimum_coverage
from xlkmv.phrase import Phrase, joined
from xlkmv.shown import Shown

if TYPE_CHECKING:
    import pandas

__all__ = [
    "NOT_IN_QUICK",
    "UNSUPPORTED",
    "Analysis",
    "analyse",
    "backtested",
    "model_table",
    "portfolio_models",
]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Analysis(Shown):
    """Everything that the workbook shows.

    Attributes
    ----------
    deal : Deal
    headline : int
        Position of the class that headlines speak of; its figures without the undertaking are
        those of :attr:`TrancheView.risk`.
    base, controls_off : KmvView
        The plan as it is, and with every control off.
    scenarios : tuple of KmvView
        One per preset condition, in order; the first is what the others are compared with.
    simulated : tuple of ScenarioResult
        The same conditions, simulated.
    simulated_base, simulated_off : Simulation
        The plan as it is, and with every control off, simulated.
    simulated_unsupported : Simulation
        The plan without the shortfall undertaking; as it is, when that is off.
    attribution, loss_attribution : Attribution or None
        What each control takes off the any-date PD, and off the expected loss; None when no control
        is on.
    reverse : tuple of BreakEven
    concentration : Concentration
    contributions : Contributions or None
        Who drives the risk, the undertaking not called; None in a quick look.
    diversification : tuple of Diversified
        The pool spread otherwise, the undertaking not called; the first is the pool as it is.
    uncertainty : Uncertainty or None
        How well the answers are known; None where no input in use has a range, and in a quick look.
    planned : Waterfall
        Payments when everybody pays on schedule.
    average_life : ndarray, shape (k,)
        Of each tranche when everybody pays, years; NaN where nothing is repaid.
    steps : tuple of str
        The priority of payments in sentences.
    remarks : tuple of str
        Why a preset condition changes nothing, or why the two views part under it; "" where neither.
    pool_interest, pool_balance : ndarray, shape (n,)
        Interest that the pool pays on each date by plan, and its balance after it, money; without claims
        that are not bought because a trigger ends the revolving period though everybody pays.
    covenants : tuple of CovenantPath
    models : dict
        Model name -> LossDistribution, or the error that says why there is none.
    scheduled : ndarray, shape (n,)
        Planned collections with their excess, money; without claims that a trigger has kept the plan from
        buying, as the record has it.
    surveillance : Surveillance
        The KMV view since closing.
    backtest : PlanBacktest
        What was predicted at closing, against what has been seen since.
    simulated_now : Simulation or None
        The plan as seen from the last date of the record, simulated; None while nothing has been seen.
    sigma : ndarray, shape (s, 3)
        Volatility, PD and any-date PD of the headline class, from pool and reserve alone.
    breakeven : ndarray, shape (p, 4)
        Target PD, largest volatility, largest dues, least coverage, for the headline class;
        NaN where none exists.
    checks : tuple of Check
    quick : bool
        Whether it is a quick look: what needs more than the base case was left out.
    """

    deal: Deal
    headline: int
    base: KmvView
    controls_off: KmvView
    scenarios: tuple[KmvView, ...]
    simulated: tuple[ScenarioResult, ...]
    simulated_base: Simulation
    simulated_off: Simulation
    simulated_unsupported: Simulation
    attribution: Attribution | None
    loss_attribution: Attribution | None
    reverse: tuple[BreakEven, ...]
    concentration: Concentration
    contributions: Contributions | None
    diversification: tuple[Diversified, ...]
    uncertainty: Uncertainty | None
    planned: Waterfall
    average_life: Array
    steps: tuple[str, ...]
    remarks: tuple[str, ...]
    pool_interest: Array
    pool_balance: Array
    covenants: tuple[CovenantPath, ...]
    models: Models
    scheduled: Array
    surveillance: Surveillance
    backtest: PlanBacktest
    simulated_now: Simulation | None
    sigma: Array
    breakeven: Array
    checks: tuple[Check, ...]
    quick: bool = False

    @property
    def pool_pays(self) -> bool:
        """Whether, by plan, pool and reserve cover what is due to the headline class by its maturity."""
        return self.base.tranches[self.headline].coverage_at_maturity >= 1.0 - TOLERANCE


# Volatilities and target PDs of the tables that show how the headline class depends on them.
SIGMAS = np.array([0.01, 0.02, 0.03, 0.04, 0.05, 0.075, 0.10, 0.15, 0.20, 0.30])
TARGET_PDS = np.array([0.0001, 0.001, 0.005, 0.01, 0.05])
UNSUPPORTED = Stress("Without the undertaking", controls_off=("support",))
# Column of their table: how likely the headline class is hit.
HIT = "loss above junior notes"
MODELS = ("KMV", "CreditMetrics", "CreditRisk+", "CreditPortfolioView")
# Most paths of a quick look.
QUICK_PATHS = 10_000
# Stands where a quick look has no figures.
NOT_IN_QUICK = Phrase("not in a quick look")


def analyse(
    deal: Deal,
    stresses: Sequence[Stress] = PRESETS,
    progress: Callable[[str, float], None] = lambda what, share: None,
    *,
    actual: Record | Sequence[float] | Array = (),
    ranges: Ranges | None = None,
    otherwise: Otherwise | None = None,
    noticed: Sequence[Check] = (),
    executor: Executor | None = None,
    quick: bool = False,
) -> Analysis:
    """Compute everything that the workbook shows.

    Parameters
    ----------
    deal : Deal
    stresses : sequence of Stress
        Preset conditions; the first is the base that the others are compared with.
    progress : callable
        Called as ``progress(what, share_done)``; what it raises ends the computation.
    actual : Record, or sequence of float of length j
        What is known of the first j periods; collections alone as they came in, money.
    ranges : Ranges, optional
        How well the inputs are known; as figures that are certain when left out.
    otherwise : Otherwise, optional
        Other ways to spread the pool that are asked about; the usual ones when left out.
    noticed : sequence of Check
        Checks of what the inputs come from (:func:`~xlkmv.deal.checks.source_warnings`), to stand behind
        those of the deal.
    executor : Executor, optional
        Where the paths are simulated; in this process when left out.
    quick : bool
        Whether the KMV view and at most 10,000 paths of the plan as it is, without controls and
        without the undertaking are enough.

    Returns
    -------
    Analysis

    Raises
    ------
    InputError, DomainError
        When the plan of the deal has a fault.
    """
    raise_first(plan_faults(deal))
    presets, record = () if quick else tuple(stresses), Record.of(actual)
    # The plan as it is, without controls and without the undertaking runs with the others, on the
    # same random numbers.
    wanted = Wanted((BASE, ALL_OFF, *([UNSUPPORTED] if deal.controls.support else [])), presets)
    paths = min(deal.terms.paths, QUICK_PATHS) if quick else None
    # Of a quick look the simulation from today is one of four; of a refresh, one of many.
    simulated_end = 0.95 if quick else 0.60
    conditions_end = simulated_end - (0.25 if quick else 0.02) * bool(len(record))
    with contextlib.ExitStack() as begun:
        # An executor begins with all of it at once, in the order in which the answers are awaited below.
        conditions = begun.enter_context(Run(deal, wanted, paths=paths, executor=executor, piloted=True))
        deeper = None if quick else begun.enter_context(_Deeper(deal, otherwise, executor))
        views, seen, once = [], _share(progress, Phrase("KMV view"), 0.0, 0.05), Once()
        for at, stress in enumerate([BASE, ALL_OFF, *stresses]):
            seen(at / (len(stresses) + 2))
            views.append(kmv_view(deal, stress, both=at < 2, once=once))
        base, controls_off, *scenarios = views
        (run, run_off, *others), measured = conditions.results(
            _stage(progress, Phrase("Simulating the conditions"), 0.05, conditions_end)
        )
        unsupported = others[0] if others else run
        plan = apply(deal, BASE)
        record = _counted(deal, plan, record)
        ended = buying_ended(plan, record)
        surveillance, simulated_now = _since_closing(
            deal,
            plan,
            base,
            record,
            paths=paths,
            executor=executor,
            progress=_stage(progress, Phrase("Surveillance"), conditions_end, simulated_end),
        )
        progress(Phrase("The plan when everybody pays"), simulated_end)
        planned = waterfall(plan, volatility=base.volatility, drift=base.drift)
        answers = _Answers() if deeper is None else deeper.answers(progress, unsupported)
    if answers.attribution is not None and answers.loss_attribution is not None:
        runs = _by_controls_off(answers.attribution.controls, run, run_off, presets, measured)
        attributions = (answers.attribution.held_to(runs), answers.loss_attribution.held_to(runs))
        answers = replace(answers, attribution=attributions[0], loss_attribution=attributions[1])
    known: Uncertainty | None = None
    if not quick and ranges is not None and ranges.any_acts(deal):
        seen = _share(progress, Phrase("How well the answers are known"), 0.98, 1.0)
        known = uncertainty(deal, ranges, base=base, run=run, executor=executor, progress=seen)
    covenants = covenant_risk(
        deal.covenants,
        planned.covenants,
        deal.terms.times,
        base.volatility,
        base.drift,
        run.breach,
        run.anydate_breach,
    )
    simulated = scenario_results(deal, presets, measured)
    return Analysis(
        deal,
        deal.headline,
        base,
        controls_off,
        tuple(scenarios),
        simulated,
        run,
        run_off,
        unsupported,
        answers.attribution,
        answers.loss_attribution,
        answers.reverse,
        concentration(deal.pool),
        answers.drivers,
        answers.spread,
        known,
        planned,
        weighted_average_life(deal.terms.times, planned.principal_paid),
        tuple(step.text for step in priority(plan) if step.text),
        _remarks(deal, stresses, scenarios, simulated),
        *_pool_as_paid(deal, planned),
        covenants,
        answers.models,
        _scheduled(deal, ended),
        surveillance,
        backtest(buying_until(plan, ended), record, base.volatility),
        simulated_now,
        _against_sigma(plan, base, once),
        _breakeven(plan, base),
        (
            *laws(plan, base, planned, run, answers.attribution),
            *warnings(plan, base, planned),
            *unused(deal),
            *record_warnings(record.collections, surveillance.expected),
            *noticed,
        ),
        quick,
    )


@dataclass(frozen=True, slots=True)
class _Answers:
    """What a refresh says beyond a quick look, whose answers these are."""

    attribution: Attribution | None = None
    loss_attribution: Attribution | None = None
    reverse: tuple[BreakEven, ...] = ()
    drivers: Contributions | None = None
    spread: tuple[Diversified, ...] = ()
    models: Models = field(default_factory=lambda: Models(dict.fromkeys(MODELS, XlkmvError(NOT_IN_QUICK))))


class _Deeper(contextlib.ExitStack):
    """The questions of a refresh beyond a quick look; an executor begins with them at once."""

    def __init__(self, deal: Deal, otherwise: Otherwise | None, executor: Executor | None) -> None:
        super().__init__()
        self.deal, self.attributing = deal, None
        if any(getattr(deal.controls, control) for control in CONTROLS):
            asked = Attributing(deal, ("anydate_pd", "expected_loss"), executor=executor)
            self.attributing = self.enter_context(asked)
        questions = self.enter_context(Questions(deal, executor))
        self.spread = questions.ask(spread_otherwise, UNSUPPORTED, otherwise)
        self.reverse = questions.ask(reverse_stress)
        self.drivers = questions.ask(contributions, UNSUPPORTED)
        self.models = questions.ask(portfolio_models)

    def answers(self, progress: Callable[[str, float], None], unsupported: Simulation) -> _Answers:
        """Wait for the answers; the pool as it is has been simulated without the undertaking."""
        attribution = loss_attribution = None
        if self.attributing is not None:
            attribution, loss_attribution = self.attributing.results(
                _stage(progress, Phrase("Attributing to the controls"), 0.60, 0.80)
            )
        view = kmv_view(self.deal, UNSUPPORTED, both=False)
        otherwise = self.spread(_share(progress, Phrase("The pool spread otherwise"), 0.80, 0.90))
        return _Answers(
            attribution,
            loss_attribution,
            self.reverse(_share(progress, Phrase("Break-even stresses"), 0.90, 0.94)),
            self.drivers(_share(progress, Phrase("Who drives the risk"), 0.94, 0.97)),
            (rated(Phrase("as it is"), self.deal, view, unsupported), *otherwise),
            self.models(_share(progress, Phrase("Four portfolio models"), 0.97, 0.98)),
        )


def _by_controls_off(
    controls: Sequence[str],
    run: Measured,
    run_off: Measured,
    stresses: Sequence[Stress],
    measured: Sequence[Measured],
) -> dict[frozenset[str], Measured]:
    """Runs that differ from the plan in nothing but the controls that are off, by these."""
    runs = {frozenset(controls): run_off, frozenset[str](): run}
    for stress, found in zip(stresses, measured, strict=True):
        if replace(stress, name=BASE.name, controls_off=()) == BASE:
            runs.setdefault(frozenset(controls) & frozenset(stress.controls_off), found)
    return runs


def _remarks(
    deal: Deal, stresses: Sequence[Stress], views: Sequence[KmvView], runs: Sequence[ScenarioResult]
) -> tuple[str, ...]:
    """What has to be said of each preset condition; of a quick look, which simulates none, less."""
    found: list[str] = []
    for stress, view, run in itertools.zip_longest(stresses, views, runs):
        texts = [remark(deal, stress), "" if run is None else views_part(deal, view, run)]
        found.append(joined(said) if (said := [text for text in texts if text]) else "")
    return tuple(found)


def _scheduled(deal: Deal, ended: int | None = None) -> Array:
    """Planned collections with their excess, shape (n,), money; without what is bought from a date on."""
    plan = apply(replace(deal, controls=replace(deal.controls, excess_coverage=True)), BASE)
    return plan.collections if ended is None else buying_until(plan, ended).collections


def _pool_as_paid(deal: Deal, planned: Waterfall) -> tuple[Array, Array]:
    """Interest and balance of the pool by date, without claims that the plan was kept from buying."""
    kept = np.flatnonzero(planned.bought_less > 0.0)
    if kept.size:  # what is not bought is as if nobody had meant to buy it
        before = deal.terms.dates[kept[0] - 1] if kept[0] else None
        deal = replace(deal, terms=replace(deal.terms, revolving=before))
    return pool_by_date(deal)


def _counted(deal: Deal, plan: Stressed, record: Record) -> Record:
    """What of a record counts: all that was scheduled came in; excess coverage off takes its share."""
    scheduled = _scheduled(deal)
    counted = np.divide(plan.collections, scheduled, out=np.ones_like(scheduled), where=scheduled > 0.0)
    paid_in = np.asarray(fitting(plan, record).collections) * counted[: len(record)]
    return replace(record, collections=tuple(paid_in.tolist()))


def backtested(deal: Deal, actual: Record | npt.ArrayLike) -> PlanBacktest:
    """Hold what a deal predicted at closing against what has been seen since.

    Parameters
    ----------
    deal : Deal
        As at closing, with the status of its claims as known today.
    actual : Record or array_like
        As of :func:`analyse`.

    Returns
    -------
    PlanBacktest
    """
    plan, view = apply(deal, BASE), kmv_view(deal, both=False)
    record = _counted(deal, plan, Record.of(actual))
    return backtest(buying_until(plan, buying_ended(plan, record)), record, view.volatility)


def _since_closing(
    deal: Deal,
    plan: Stressed,
    base: KmvView,
    record: Record,
    *,
    paths: int | None,
    executor: Executor | None,
    progress: Callable[[int, int], None],
) -> tuple[Surveillance, Simulation | None]:
    """Both views from the last date of the record."""
    terms = deal.terms
    found = rerate(plan, record, base.volatility, base.drift, terms.closing_periods, terms.surprise_tail)
    if not len(record):
        return found, None
    today = from_today(deal, record, found.reratings[-1].level)
    return found, simulate(today, paths=paths, executor=executor, progress=progress)


def portfolio_models(deal: Deal, progress: Callable[[float], None] = lambda share: None) -> Models:
    """Loss of the pool over one year under the four models, borne first behind the headline class.

    Parameters
    ----------
    deal : Deal
    progress : callable
        Called with the share that is done, many times; what it raises ends the computation.

    Returns
    -------
    Models
        Model name -> distribution, or the error that says why a model cannot take this pool.
    """
    pool = deal.pool
    each = np.repeat(np.arange(len(pool.name)), pool.obligors.astype(np.int64))
    try:
        return compare_models(
            (pool.amount / pool.obligors)[each],
            pool.pd[each],
            pool.correlation[each],
            LEVELS,
            lgd=1.0 - expected_recovery(deal)[each],
            attachment=sum(t.amount for t in deal.tranches if t.rank > deal.tranches[deal.headline].rank),
            seed=deal.terms.seed,
            contributions=False,
            progress=progress,
        )
    except InputError as error:  # a pool that cannot lose anything is no reason to show nothing else
        return Models(dict.fromkeys(MODELS, error))


def model_table(models: Mapping[str, LossDistribution | XlkmvError]) -> pandas.DataFrame:
    """Put the models side by side.

    Parameters
    ----------
    models : mapping
        From :func:`portfolio_models`.

    Returns
    -------
    DataFrame
        One row per model: losses in money, NaN for a model that refused the pool; the column
        "note" says how the figures were made, or why there are none.
    """
    import pandas

    if wrong := [x for x in models.values() if not isinstance(x, (LossDistribution, XlkmvError))]:
        raise InputError("models", "must map models to their losses", wrong[0])
    rows: dict[str, dict[str, Any]] = {}
    for name, found in models.items():
        if isinstance(found, XlkmvError):
            rows[name] = {"note": found.sentence}
            continue
        row: dict[str, Any] = {"EL": found.expected_loss, "UL": found.unexpected_loss}
        for k, level in enumerate(found.levels):
            row[f"VaR {100 * level:.10g} %"] = found.value_at_risk[k]
            row[f"ES {100 * level:.10g} %"] = found.expected_shortfall[k]
        row[HIT] = found.hit_probability
        rows[name] = row | {"note": found.method}
    return pandas.DataFrame.from_dict(rows, orient="index")


def _share(
    progress: Callable[[str, float], None], what: str, start: float, end: float
) -> Callable[[float], None]:
    """Progress of one stage, from the share of it to that of the whole."""
    return lambda share: progress(what, start + (end - start) * share)


def _stage(
    progress: Callable[[str, float], None], what: str, start: float, end: float
) -> Callable[[int, int], None]:
    """Progress of one stage, from paths done to the share of the whole."""
    share = _share(progress, what, start, end)
    return lambda done, total: share(done / total)


def _against_sigma(plan: Stressed, base: KmvView, once: Once) -> Array:
    k = plan.deal.headline
    m, dues = base.tranches[k].maturity, plan.dues.ahead(k, plan.deal.terms.default_point == "expected")
    reserve = plan.reserve if plan.senior[k] else 0.0
    rows = []
    for sigma in np.unique(np.append(SIGMAS, base.volatility)):
        risk = once(
            pool_risk, plan.collections, dues, float(sigma), plan.deal.terms.times, base.drift, reserve
        )
        rows.append([sigma, risk.pd[m], risk.anydate_pd[m]])
    return np.array(rows)


def _breakeven(plan: Stressed, base: KmvView) -> Array:
    """For the headline class at its maturity, from the pool and the reserve alone."""
    k = plan.deal.headline
    risk, m = base.tranches[k].risk, base.tranches[k].maturity
    T, reserve = float(plan.deal.terms.times[m]), plan.reserve if plan.senior[k] else 0.0
    paid_in, due = float(risk.accumulated_in[m]), float(risk.accumulated_due[m])
    p, sigma = TARGET_PDS, max(base.volatility, LEAST_VOLATILITY)
    # A pool of which next to nothing comes in drifts further than these formulas go.
    if due <= reserve or paid_in <= 0.0 or not RULES["drift"].holds(np.asarray(base.drift)):
        return np.column_stack([p, *np.full((3, p.size), np.nan)])
    return np.column_stack(
        [
            p,
            breakeven_volatility(paid_in, due - reserve, p, T, base.drift),
            safe_issue(paid_in, p, sigma, T, base.drift) + reserve,
            # As coverage is shown: the reserve counts on both sides of the last date.
            (minimum_coverage(p, sigma, T, base.drift) * (due - reserve) + reserve) / due,
        ]
    )
