"""The one call that a refresh makes: everything the workbook shows, from one deal.

Two views stand side by side. The KMV view sets accumulated collections against accumulated
dues, tranche by tranche, with one lognormal volatility for the pool; it needs no path. The
simulated view lets every obligor default and sends each path through the waterfall, so that
a lumpy pool, and controls that act along the path, are seen as they are.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri

from xlkmv.deal.covenants import CovenantPath, covenant_risk
from xlkmv.deal.plan.claims import pool_by_date
from xlkmv.deal.plan.priority import priority
from xlkmv.deal.scenarios import (
    Attribution,
    BreakEven,
    ScenarioResult,
    attribute_controls,
    expected_collections,
    reverse_stress,
    run_scenarios,
)
from xlkmv.deal.simulation import Executor, Simulation
from xlkmv.deal.stress import (
    ALL_OFF,
    BASE,
    CERTAIN,
    PRESETS,
    Stress,
    Stressed,
    apply,
    pool_lognormal,
    pool_risk,
    remark,
)
from xlkmv.deal.surveillance import Surveillance, rerate
from xlkmv.deal.terms import CONTROLS, TOLERANCE, Deal
from xlkmv.deal.waterfall import Waterfall, waterfall
from xlkmv.errors import InputError, XlkmvError
from xlkmv.model.comparison import compare_models
from xlkmv.model.copula import bivariate_normal_cdf, joint_default_probability
from xlkmv.model.distance import breakeven_volatility, safe_issue
from xlkmv.model.domain import RULES, Array
from xlkmv.model.loans import weighted_average_life
from xlkmv.model.losses import LEVELS, LossDistribution
from xlkmv.model.plan import PlanRisk, default_probability_by, minimum_coverage

if TYPE_CHECKING:
    import pandas

__all__ = [
    "Analysis",
    "Check",
    "KmvView",
    "TrancheView",
    "analyse",
    "kmv_view",
    "model_table",
    "portfolio_models",
    "support_default_probability",
]

# A pool that cannot default has no volatility; this much keeps the formulas defined.
LEAST_VOLATILITY = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class TrancheView:
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
        the default point of the terms.
    expected : PlanRisk or None
        As `risk`, with principal of pass-through classes due as the plan without defaults pays
        it; None where that is what `risk` says, too.
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


@dataclass(frozen=True, slots=True, eq=False)
class KmvView:
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


def support_default_probability(deal: Deal, times: Array) -> Array:
    """Probability that the payer of the shortfall undertaking has defaulted by each time; 1 if off.

    ``1 - (1 - PD_G)^t``
    """
    controls = deal.controls
    if not controls.support:
        return np.ones_like(times)
    return default_probability_by(controls.support_pd, times)


def kmv_view(deal: Deal, stress: Stress = BASE, *, both: bool = True) -> KmvView:
    """Distance to default and default probabilities of every tranche under one stress.

    Parameters
    ----------
    deal : Deal
    stress : Stress
        The base case by default.
    both : bool
        Whether to look at pass-through classes by their expected payments, too.

    Returns
    -------
    KmvView
    """
    stressed = apply(deal, stress)
    times = deal.terms.times
    volatility, drift = pool_lognormal(stressed)
    collections = stressed.collections
    support = support_default_probability(stressed.deal, times)
    early = deal.terms.default_point == "expected"
    tranches = []
    for k, tranche in enumerate(deal.tranches):
        dues = stressed.dues.total if stressed.default_point == "all" else stressed.dues.ahead(k, early)
        protected = bool(stressed.senior[k])
        reserve = stressed.reserve if protected else 0.0
        risk = pool_risk(collections, dues, volatility, times, drift, reserve)
        payer = support if protected else np.ones_like(times)
        rho = deal.terms.support_correlation
        joint = joint_default_probability(risk.pd, payer, rho)
        anydate = joint_default_probability(risk.anydate_pd, payer, rho)
        cap = np.inf
        if protected and stressed.support_cap is not None:
            cap = reserve + stressed.support_cap
            beyond = pool_risk(collections, dues, volatility, times, drift, cap)
            joint = _with_cap(joint, beyond.pd, payer, rho)
            anydate = _with_cap(anydate, beyond.anydate_pd, payer, rho)
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
        tranches.append(
            TrancheView(
                tranche.name,
                risk,
                joint,
                anydate,
                _expected_loss(due, own, forward, s, reserve, float(payer[m]), rho, cap),
                deal.terms.dates[int(short[0])] if short.size else None,
                m,
                _expected_risk(stressed, k, volatility, drift, reserve) if both else None,
                stressed.due_by(k, expected=True),
            )
        )
    return KmvView(stress, volatility, drift, tuple(tranches))


def _with_cap(joint: Array, beyond: Array, payer: Array, rho: float) -> Array:
    """Default probability where the undertaking pays up to a cap.

    Short, and the payer in default; or short by more than the cap, and the payer not.
    """
    return np.asarray(joint + beyond - joint_default_probability(beyond, payer, rho))


def _expected_risk(
    plan: Stressed, k: int, volatility: float, drift: float, reserve: float
) -> PlanRisk | None:
    """Risk of a tranche when pass-through principal is due as the plan without defaults pays it."""
    if plan.dues.expected is None or plan.default_point == "all":
        return None
    if plan.deal.terms.default_point == "expected":
        return None
    dues, times = plan.dues.ahead(k, expected=True), plan.deal.terms.times
    return pool_risk(plan.collections, dues, volatility, times, drift, reserve)


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

    if cap == np.inf:
        return missed(reserve, payer_pd)
    return missed(reserve, payer_pd) + max(missed(cap, 1.0) - missed(cap, payer_pd), 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Check:
    """One check: what, its figure, and how large that may be.

    A law that fails is a mistake of the program; a warning that fails is an input worth a
    second look.
    """

    name: str
    difference: float
    limit: float
    warning: bool = False

    @property
    def passed(self) -> bool:
        """Whether the figure is within the limit."""
        return abs(self.difference) <= self.limit

    @property
    def outcome(self) -> str:
        """Say it in a word: passed, look (a warning), or FAILED."""
        return "passed" if self.passed else "look" if self.warning else "FAILED"


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """Everything that the workbook shows.

    Attributes
    ----------
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
    attribution : Attribution or None
        What each control takes off the any-date PD; None when no control is on.
    reverse : tuple of BreakEven
    planned : Waterfall
        Payments when everybody pays on schedule.
    average_life : ndarray, shape (k,)
        Of each tranche when everybody pays, years; NaN where nothing is repaid.
    steps : tuple of str
        The priority of payments in sentences.
    remarks : tuple of str
        Why a preset condition changes nothing, one for each; "" where it does.
    pool_interest, pool_balance : ndarray, shape (n,)
        Interest that the pool pays on each date by plan, and its balance after it, money.
    covenants : tuple of CovenantPath
    models : dict
        Model name -> LossDistribution, or the error that says why there is none.
    scheduled : ndarray, shape (n,)
        Planned collections with their excess, money.
    surveillance : Surveillance
    sigma : ndarray, shape (s, 3)
        Volatility, PD and any-date PD of the headline class, from pool and reserve alone.
    breakeven : ndarray, shape (p, 4)
        Target PD, largest volatility, largest dues, least coverage, for the headline class;
        NaN where none exists.
    checks : tuple of Check
    """

    headline: int
    base: KmvView
    controls_off: KmvView
    scenarios: tuple[KmvView, ...]
    simulated: tuple[ScenarioResult, ...]
    simulated_base: Simulation
    simulated_off: Simulation
    simulated_unsupported: Simulation
    attribution: Attribution | None
    reverse: tuple[BreakEven, ...]
    planned: Waterfall
    average_life: Array
    steps: tuple[str, ...]
    remarks: tuple[str, ...]
    pool_interest: Array
    pool_balance: Array
    covenants: tuple[CovenantPath, ...]
    models: dict[str, LossDistribution | XlkmvError]
    scheduled: Array
    surveillance: Surveillance
    sigma: Array
    breakeven: Array
    checks: tuple[Check, ...]

    @property
    def pool_pays(self) -> bool:
        """Whether, by plan, pool and reserve cover what is due to the headline class by its maturity."""
        return self.base.tranches[self.headline].coverage_at_maturity >= 1.0 - TOLERANCE


# Volatilities and target PDs of the tables that show how the headline class depends on them.
SIGMAS = np.array([0.01, 0.02, 0.03, 0.04, 0.05, 0.075, 0.10, 0.15, 0.20, 0.30])
TARGET_PDS = np.array([0.0001, 0.001, 0.005, 0.01, 0.05])
UNSUPPORTED = Stress("Without the undertaking", controls_off=("support",))


def analyse(
    deal: Deal,
    stresses: Sequence[Stress] = PRESETS,
    progress: Callable[[str, float], None] = lambda what, share: None,
    *,
    actual: Sequence[float] | Array = (),
    executor: Executor | None = None,
) -> Analysis:
    """Compute everything that the workbook shows.

    Parameters
    ----------
    deal : Deal
    stresses : sequence of Stress
        Preset conditions; the first is the base that the others are compared with.
    progress : callable
        Called as ``progress(what, share_done)``; what it raises ends the computation.
    actual : sequence of float, length j
        Collections of the first j periods as they came in, money.
    executor : Executor, optional
        Where the paths are simulated; in this process when left out.

    Returns
    -------
    Analysis
    """
    progress("KMV view", 0.0)
    base, controls_off = kmv_view(deal), kmv_view(deal, ALL_OFF)
    scenarios = tuple(kmv_view(deal, stress, both=False) for stress in stresses)

    # The plan as it is, without controls and without the undertaking runs with the others, on the
    # same random numbers.
    conditions = [*stresses, BASE, ALL_OFF, *([UNSUPPORTED] if deal.controls.support else [])]
    runs = run_scenarios(
        deal,
        conditions,
        executor=executor,
        progress=_stage(progress, "Simulating the conditions", 0.05, 0.40),
    )
    attribution = None
    if any(getattr(deal.controls, control) for control in CONTROLS):
        attribution = attribute_controls(
            deal,
            "anydate_pd",
            executor=executor,
            progress=_stage(progress, "Attributing to the controls", 0.40, 0.85),
        )
    progress("Break-even stresses", 0.85)
    reverse = reverse_stress(deal)
    plan = apply(deal, BASE)
    planned = waterfall(plan, volatility=base.volatility, drift=base.drift)
    run, run_off, *unsupported = (r.simulation for r in runs[len(stresses) :])
    covenants = covenant_risk(
        deal.covenants,
        planned.covenants,
        deal.terms.times,
        base.volatility,
        base.drift,
        run.breach,
        run.anydate_breach,
    )
    progress("Four portfolio models", 0.92)
    models = portfolio_models(deal)
    progress("Surveillance", 0.98)
    # What came in is compared with all that was scheduled; of it, excess coverage off takes its share.
    scheduled = apply(replace(deal, controls=replace(deal.controls, excess_coverage=True)), BASE).collections
    counted = np.divide(plan.collections, scheduled, out=np.ones_like(scheduled), where=scheduled > 0.0)
    surveillance = rerate(plan, np.asarray(actual) * counted[: len(actual)], base.volatility, base.drift)
    return Analysis(
        deal.headline,
        base,
        controls_off,
        scenarios,
        runs[: len(stresses)],
        run,
        run_off,
        unsupported[0] if unsupported else run,
        attribution,
        reverse,
        planned,
        weighted_average_life(deal.terms.times, planned.principal_paid),
        tuple(step.text for step in priority(plan) if step.text),
        tuple(remark(deal, stress) for stress in stresses),
        *pool_by_date(deal),
        covenants,
        models,
        scheduled,
        surveillance,
        _against_sigma(plan, base),
        _breakeven(plan, base),
        (*_checks(plan, base, planned, run, attribution), *_warnings(plan, base, planned)),
    )


def portfolio_models(deal: Deal) -> dict[str, LossDistribution | XlkmvError]:
    """Loss of the pool over one year under the four models, borne first behind the headline class.

    Parameters
    ----------
    deal : Deal

    Returns
    -------
    dict
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
            lgd=1.0 - pool.recovery[each],
            attachment=sum(t.amount for t in deal.tranches if t.rank > deal.tranches[deal.headline].rank),
            seed=deal.terms.seed,
        )
    except InputError as error:  # a pool that cannot lose anything is no reason to show nothing else
        return dict.fromkeys(("KMV", "CreditMetrics", "CreditRisk+", "CreditPortfolioView"), error)


def model_table(models: dict[str, LossDistribution | XlkmvError]) -> pandas.DataFrame:
    """Put the models side by side.

    Parameters
    ----------
    models : dict
        From :func:`portfolio_models`.

    Returns
    -------
    DataFrame
        One row per model: losses in money, NaN for a model that refused the pool; the column
        "note" says how the figures were made, or why there are none.
    """
    import pandas

    rows: dict[str, dict[str, Any]] = {}
    for name, found in models.items():
        if isinstance(found, XlkmvError):
            rows[name] = {"note": str(found)}
            continue
        errors = found.standard_errors
        row: dict[str, Any] = {"EL": found.expected_loss, "UL": found.unexpected_loss}
        for k, level in enumerate(found.levels):
            row[f"VaR {100 * level:.10g} %"] = found.value_at_risk[k]
            row[f"ES {100 * level:.10g} %"] = found.expected_shortfall[k]
        row["loss above junior notes"] = found.hit_probability
        rows[name] = row | {"note": "exact" if errors is None else "simulated"}
    return pandas.DataFrame.from_dict(rows, orient="index")


def _stage(
    progress: Callable[[str, float], None], what: str, start: float, end: float
) -> Callable[[int, int], None]:
    """Progress of one stage, from paths done to the share of the whole."""
    return lambda done, total: progress(what, start + (end - start) * done / total)


def _against_sigma(plan: Stressed, base: KmvView) -> Array:
    k = plan.deal.headline
    m, dues = base.tranches[k].maturity, plan.dues.ahead(k, plan.deal.terms.default_point == "expected")
    reserve = plan.reserve if plan.senior[k] else 0.0
    rows = []
    for sigma in np.unique(np.append(SIGMAS, base.volatility)):
        risk = pool_risk(plan.collections, dues, sigma, plan.deal.terms.times, base.drift, reserve)
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


def _checks(
    plan: Stressed, base: KmvView, planned: Waterfall, run: Simulation, attribution: Attribution | None
) -> tuple[Check, ...]:
    """Laws that every result must obey, whatever the inputs."""
    deal, dues = plan.deal, plan.dues
    money = sum(t.amount for t in deal.tranches)
    last = base.tranches[-1].risk
    flow = planned.collections.sum() + planned.support_drawn.sum() + plan.reserve
    flow += planned.sale.sum() + planned.bought_less.sum()
    paid = planned.fees_paid.sum() + planned.interest_paid.sum() + planned.principal_paid.sum()
    kept = planned.residual.sum() + planned.account[-1] + planned.reserve[-1]
    shares = 0.0
    if attribution is not None:
        gained = attribution.without - attribution.with_all
        shares = float(np.abs(attribution.shapley.sum(axis=0) - gained).max())
    return (
        Check("Cash in equals cash out along the planned waterfall", float(flow - paid - kept) / money, 1e-9),
        Check("Shapley shares sum to what the controls take off", shares, 1e-9),
        Check(
            "Simulated volatility against the exact one, in standard errors",
            _standard_errors(deal, base, run),
            5.0,
        ),
        Check(
            "Simulated collections against their expectation, in standard errors",
            _errors_of_mean(plan, base, run),
            5.0,
        ),
        Check("Principal due sums to the notes", float(dues.principal.sum() - money) / money, 1e-9),
        Check(
            "Every balance ends at zero",
            float(np.abs((dues.opening - dues.principal)[:, -1]).max()) / money,
            1e-9,
        ),
        Check(
            "Dues of the last rank are all dues",
            float(last.accumulated_due[-1] - dues.total.sum()) / float(dues.total.sum()),
            1e-9,
        ),
        Check(
            "Any-date PD is never below the terminal PD",
            max(0.0, *(float((t.risk.pd - t.risk.anydate_pd).max()) for t in base.tranches)),
            1e-12,
        ),
        Check(
            "A later rank is never safer by the pool alone",
            max(
                [
                    0.0,
                    *(
                        float((a.risk.anydate_pd - b.risk.anydate_pd)[-1])
                        for a, b in itertools.pairwise(base.tranches)
                    ),
                ]
            ),
            1e-12,
        ),
    )


def _warnings(plan: Stressed, base: KmvView, planned: Waterfall) -> tuple[Check, ...]:
    """What is rarely meant: figures of another unit, a plan that fails by itself."""
    deal, pool = plan.deal, plan.deal.pool
    notes, financed = sum(t.amount for t in deal.tranches), float(pool.amount.sum())
    by_period = deal.controls.reserve and deal.controls.reserve_unit == "periods"
    reserve = deal.controls.reserve_size if by_period else 0.0
    # Of a schedule all is collected; loans may run on after the last date.
    left = float(plan.balance[-1]) if pool.loans is not None else 0.0
    scheduled = max(float(pool.collections.sum()), 1e-300)
    headline = base.tranches[deal.headline]
    figures = (
        ("Notes / financed amount", notes / financed, 1.2),
        ("Financed amount / notes", financed / notes, 2.0),
        ("Financed amount / scheduled collections", financed / scheduled, 1.0 + 1e-9),
        ("Share of the pool that falls due after the last payment date", left / financed, 1e-6),
        ("Largest one-year PD of an obligor", float(pool.pd.max()), 0.2),
        ("Obligors with a PD of 0", float((pool.pd == 0.0).sum()), 0.0),
        ("Largest coupon p.a.", max(t.coupon for t in deal.tranches), 0.15),
        ("Senior fees p.a.", deal.terms.fee_rate, 0.03),
        ("Reserve in periods", reserve, 4.0),
        (f"Coverage of {headline.name}", headline.coverage_at_maturity, 3.0),
        ("Tranches short although everybody pays", float(planned.short.any(axis=-1).sum()), 0.0),
        ("Covenants in breach although everybody pays", float(planned.breaches.any(axis=-1).sum()), 0.0),
    )
    return tuple(Check(name, float(figure), limit, warning=True) for name, figure, limit in figures)


def _standard_errors(deal: Deal, base: KmvView, run: Simulation) -> float:
    """How far the simulated volatility lies from the exact one; 0 where no exact one was computed."""
    exact = deal.terms.volatility_source == "implied" and deal.terms.copula == "gaussian"
    if not exact or deal.terms.industry_correlation > 0.0 or run.volatility_error <= 0.0:
        return 0.0
    # An event that nobody drew is not in the simulated error: defaults of single obligors add theirs,
    # var[v] about sum F l^4 / paths for what they lose.
    pool, T = deal.pool, float(deal.terms.times[-1])
    share = deal.controls.repurchase_share if deal.controls.repurchase else 0.0
    loss = (1.0 - share) * (1.0 - pool.recovery) * pool.owed[:, 0] / float(pool.schedule.sum())
    fourth = float((default_probability_by(pool.pd, np.array(T)) * loss**4).sum())
    variance = float(np.expm1(base.volatility**2 * T))
    unseen = 0.5 * base.volatility * np.sqrt(fourth / run.paths) / max(variance, 1e-300)
    return (run.volatility - base.volatility) / max(run.volatility_error, float(unseen))


def _errors_of_mean(plan: Stressed, base: KmvView, run: Simulation) -> float:
    """How far the simulated mean of all collections lies from the exact one, which no copula moves."""
    exact, planned = float(expected_collections(plan).sum()), float(plan.collections.sum())
    if exact <= 0.0 or not run.drift_error > 0.0:
        return 0.0
    T = float(plan.deal.terms.times[-1])
    # Of a rare default that nobody drew the simulated error knows nothing: the exact one does.
    error = max(run.drift_error, float(np.sqrt(np.expm1(base.volatility**2 * T) / run.paths)) / T, 1e-12)
    return float((run.drift - np.log(exact / planned) / T) / error)
