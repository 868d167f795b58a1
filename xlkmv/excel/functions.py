"""The worksheet functions: what a user types into a cell.

Each function below is plain Python on clean numbers; :mod:`xlkmv.excel.registry` turns it
into the callable behind ``=KMV_...``. The model does the mathematics.
"""

from __future__ import annotations

import datetime as dt
import functools
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.special import ndtr

import xlkmv
from xlkmv.errors import ConvergenceError, DomainError, InputError, MissingError
from xlkmv.excel import selftest
from xlkmv.excel.cells import ExcelError, Grid, cell_error, is_blank
from xlkmv.excel.registry import (
    FUNCTIONS,
    WHOLE,
    Fault,
    Function,
    Step,
    Text,
    elementwise,
    needed_number,
    needed_text,
    table,
)
from xlkmv.model import (
    calibration,
    copula,
    correlation,
    creditmetrics,
    creditriskplus,
    distance,
    history,
    largepool,
    losses,
    merton,
    plan,
    pledge,
    portfolioview,
    private,
    sensitivity,
    validation,
)
from xlkmv.model.domain import ASSET_CORRELATION, FINITE, NOT_NEGATIVE, POSITIVE, PROBABILITY, RULES, Rule

ONE = np.ones(1)
# Half a year of weekly equity values of one firm, for the example of KMV_FIT.
EQUITY_SERIES = (
    43.3, 43.9, 44.7, 44.1, 42.6, 42.9, 41.7, 42.8, 44.2, 43.5, 44.9, 45.8, 44.6,
    45.3, 46.4, 45.1, 43.8, 44.4, 45.9, 46.8, 46.1, 47.2, 45.7, 46.3, 47.5, 47.0,
)  # fmt: skip

# ------------------------------------------------------------------------- distance and PD


@elementwise("Log distance to default of assets against a default point.", (120.0, 100.0, 0.25))
def KMV_DD(asset_value, default_point, volatility, horizon=1.0, drift=0.0):
    return distance.distance_to_default(asset_value, default_point, volatility, horizon, drift)


@KMV_DD.explain
def _dd_steps(asset_value, default_point, volatility, horizon=1.0, drift=0.0) -> Iterator[Step]:
    V, DP, sigma, T, mu = asset_value, default_point, volatility, horizon, drift
    coverage, growth, deviation = np.log(V / DP), (mu - 0.5 * sigma**2) * T, sigma * np.sqrt(T)
    yield Step("Log coverage", "ln(V/DP)", coverage)
    yield Step("Growth of ln V", "(mu - sigma^2/2) T", growth)
    yield Step("Standard deviation of ln V", "sigma sqrt(T)", deviation)
    dd = (coverage + growth) / deviation
    yield Step("Distance to default (log)", "[ln(V/DP) + (mu - sigma^2/2) T] / (sigma sqrt(T))", dd)


@elementwise("Default probability of assets against a default point.", (120.0, 100.0, 0.25))
def KMV_PD(asset_value, default_point, volatility, horizon=1.0, drift=0.0, method="terminal"):
    return distance.default_probability(asset_value, default_point, volatility, horizon, drift, method)


@KMV_PD.explain
def _pd_steps(
    asset_value, default_point, volatility, horizon=1.0, drift=0.0, method="terminal"
) -> Iterator[Step]:
    V, DP, sigma, T, mu = asset_value, default_point, volatility, horizon, drift
    pd = distance.default_probability(V, DP, sigma, T, mu, method)
    if method == "linear":
        yield from _linear_steps(V, DP, sigma)
        yield Step("Default probability (linear)", "N(-DD)", pd)
        return
    yield from _dd_steps(V, DP, sigma, T, mu)
    terminal = distance.default_probability(V, DP, sigma, T, mu)
    yield Step("Default probability (terminal)", "N(-DD)", terminal)
    if method == "anytime":
        b, nu = np.log(DP / V), mu - 0.5 * sigma**2
        yield Step("Distance of the barrier", "b = ln(DP/V)", b)
        yield Step("Drift of ln V", "nu = mu - sigma^2/2", nu)
        yield Step("First-passage probability", "N((b - nu T)/s) + e^(2 nu b/sigma^2) N((b + nu T)/s)", pd)


@elementwise("Linear (Crosbie-Bohn) distance to default over one year.", (12.6, 3.4, 0.15))
def KMV_LINEAR_DD(asset_value, default_point, volatility):
    return distance.linear_distance_to_default(asset_value, default_point, volatility)


@KMV_LINEAR_DD.explain
def _linear_steps(asset_value, default_point, volatility) -> Iterator[Step]:
    V, DP, sigma = asset_value, default_point, volatility
    yield Step("Net worth", "V - DP", V - DP)
    yield Step("One standard deviation of V", "V sigma", V * sigma)
    yield Step(
        "Distance to default (linear)",
        "(V - DP)/(V sigma)",
        distance.linear_distance_to_default(V, DP, sigma),
    )


@elementwise("Default point of a firm: short-term debt plus a share of long-term debt.", (60.0, 80.0))
def KMV_DEFAULT_POINT(short_term, long_term, weight=0.5):
    return distance.default_point(short_term, long_term, weight)


@KMV_DEFAULT_POINT.explain
def _default_point_steps(short_term, long_term, weight=0.5) -> Iterator[Step]:
    yield Step("Long-term debt that counts", "w x long-term", weight * long_term)
    yield Step(
        "Default point", "short-term + w x long-term", distance.default_point(short_term, long_term, weight)
    )


# ------------------------------------------------------------------------ the question turned


@elementwise("Largest default point that keeps the PD within a target.", (354.6, 0.01, 0.05, 5.0))
def KMV_SAFE_ISSUE(asset_value, target_pd, volatility, horizon=1.0, drift=0.0):
    return distance.safe_issue(asset_value, target_pd, volatility, horizon, drift)


@KMV_SAFE_ISSUE.explain
def _safe_issue_steps(asset_value, target_pd, volatility, horizon=1.0, drift=0.0) -> Iterator[Step]:
    V, p, sigma, T, mu = asset_value, target_pd, volatility, horizon, drift
    issue = distance.safe_issue(V, p, sigma, T, mu)
    yield Step("Distance that the target asks for", "-N^-1(p*)", -distance.ndtri(p))
    yield Step("Growth of ln V", "(mu - sigma^2/2) T", (mu - 0.5 * sigma**2) * T)
    yield Step("Largest default point", "V exp[(mu - sigma^2/2) T + N^-1(p*) sigma sqrt(T)]", issue)
    if issue > 0.0:  # else it is smaller than any number
        yield Step("Check: its PD", "N(-DD)", distance.default_probability(V, issue, sigma, T, mu))


@elementwise("Largest volatility that keeps the PD within a target.", (120.0, 100.0, 0.01))
def KMV_BREAKEVEN_VOL(asset_value, default_point, target_pd, horizon=1.0, drift=0.0):
    sigma = distance.breakeven_volatility(asset_value, default_point, target_pd, horizon, drift)
    reason = "no volatility keeps the PD within target_pd: asset_value does not cover default_point"
    return sigma, [Fault(np.isnan(sigma), reason)]


@KMV_BREAKEVEN_VOL.explain
def _breakeven_steps(asset_value, default_point, target_pd, horizon=1.0, drift=0.0) -> Iterator[Step]:
    V, DP, p, T, mu = asset_value, default_point, target_pd, horizon, drift
    sigma = distance.breakeven_volatility(V, DP, p, T, mu)
    yield Step("Log coverage with growth", "m = ln(V/DP) + mu T", np.log(V / DP) + mu * T)
    yield Step("Distance that the target asks for", "q = -N^-1(p*)", -distance.ndtri(p))
    yield Step("Largest volatility", "[-q + sqrt(q^2 + 2 m)] / sqrt(T)", sigma)
    if RULES["volatility"].holds(sigma):
        yield Step("Check: its PD", "N(-DD)", distance.default_probability(V, DP, sigma, T, mu))


@elementwise("Joint default probability of a payer and the one who supports it.", (0.02, 0.005, 0.3))
def KMV_SUPPORT_PD(pd, support_pd, correlation=0.0):
    return copula.joint_default_probability(pd, support_pd, correlation)


@KMV_SUPPORT_PD.explain
def _support_steps(pd, support_pd, correlation=0.0) -> Iterator[Step]:
    yield Step("Driver of the payer", "N^-1(PD)", distance.ndtri(pd))
    yield Step("Driver of the support", "N^-1(PD_G)", distance.ndtri(support_pd))
    yield Step("If they were independent", "PD x PD_G", pd * support_pd)
    yield Step(
        "Both default",
        "N2(N^-1(PD), N^-1(PD_G); rho)",
        copula.joint_default_probability(pd, support_pd, correlation),
    )


# ------------------------------------------------------------------------------- the plan

LEVEL_POOL = (27.811,) * 4
LEVEL_DUES = (26.689, 26.451, 26.212, 25.974)


@table(
    "Plan, date by date: accumulated in and due, coverage, DD, PD and any-date PD.",
    (LEVEL_POOL, LEVEL_DUES, 0.1),
)
def KMV_POOL(collections, dues, volatility, periods_per_year=4.0, drift=0.0):
    risk = plan.plan_risk(
        collections, dues, volatility, plan.payment_times(len(collections), periods_per_year), drift
    )
    header = ["k", "t", "Accumulated in", "Accumulated due", "Coverage", "DD", "PD", "Any-date PD"]
    columns = (
        risk.times,
        risk.accumulated_in,
        risk.accumulated_due,
        risk.coverage,
        risk.distance,
        risk.pd,
        risk.anydate_pd,
    )
    return [header, *([k, *row] for k, row in enumerate(zip(*columns, strict=True), 1))]


@KMV_POOL.explain
def _pool_steps(collections, dues, volatility, periods_per_year=4.0, drift=0.0) -> Iterator[Step]:
    t = len(collections) / periods_per_year
    paid_in, due = np.sum(collections), np.sum(dues)
    risk = plan.plan_risk(
        collections, dues, volatility, plan.payment_times(len(collections), periods_per_year), drift
    )
    yield Step("Years to the last date", "n / periods per year", t)
    yield Step("Accumulated collections", "A = sum of collections", paid_in)
    yield Step("Accumulated dues", "DP = sum of dues", due)
    yield from _dd_steps(paid_in, due, volatility, t, drift)
    yield Step("Terminal default probability", "N(-DD)", ndtr(-risk.distance[-1]))
    yield Step(
        "Any-date default probability", "P(short on at least one date), by quadrature", risk.anydate_pd[-1]
    )


@table(
    "Probability that a plan is short on at least one payment date up to the last.",
    (LEVEL_POOL, LEVEL_DUES, 0.1),
)
def KMV_ANYDATE_PD(collections, dues, volatility, periods_per_year=4.0, drift=0.0):
    times = plan.payment_times(len(collections), periods_per_year)
    return plan.plan_risk(collections, dues, volatility, times, drift).anydate_pd[-1]


KMV_ANYDATE_PD.explain(_pool_steps)

# Heading of a stress -> the value that changes nothing, and the rule for any other.
STRESSES = {"pool haircut": 0.0, "volatility x": 1.0, "delay": 0.0, "dues x": 1.0}
STRESS_RULES = {
    "pool haircut": Rule("must be >= 0 and < 1 (a decimal: 0.1 means 10 %)", 0.0, 1.0, high_open=True),
    "volatility x": Rule("must be > 0 and <= 100", 0.0, 100.0, low_open=True),
    "delay": Rule("must be a whole number of periods, >= 0", 0.0),
    "dues x": Rule("must be > 0 and <= 100", 0.0, 100.0, low_open=True),
}


def _stressed(collections, dues, volatility, stress):
    """Plan figures under one row of stresses: a delay moves every collection back by whole periods."""
    shift = int(stress["delay"])
    moved = np.concatenate([np.zeros(min(shift, len(collections))), collections])[: len(collections)]
    return (
        moved * (1.0 - stress["pool haircut"]),
        dues * stress["dues x"],
        volatility * stress["volatility x"],
    )


def _stress_rows(scenarios: list[list[Any]]) -> Iterator[tuple[str, dict[str, float]]]:
    """Names and stresses of a scenario range whose first row holds the headings."""
    headings = [str(h or "").strip().lower() for h in scenarios[0]]
    known_once = set(headings[1:]) <= set(STRESSES) and len(set(headings)) == len(headings)
    if headings[0] != "scenario" or not known_once:
        known = ", ".join(h.capitalize() for h in STRESSES)
        raise InputError("scenarios", f"must have the headings Scenario and any of: {known}", scenarios[0])
    if len(scenarios) < 2:
        raise InputError("scenarios", "must have a row below the headings")
    for row in scenarios[1:]:
        stress = dict(STRESSES)
        name = needed_text("scenarios, a name,", row[0])
        for heading, cell in zip(headings[1:], row[1:], strict=True):
            if not is_blank(cell):
                stress[heading] = needed_number(f"scenarios, {name}, {heading}", cell)
        for heading, rule in STRESS_RULES.items():
            value = stress[heading]
            if not rule.holds(np.asarray(value)) or (heading == "delay" and value % 1):
                raise DomainError(f"scenarios, {name}, {heading}", rule.text, value)
        yield name, stress


@table(
    "Plan under the scenarios of a range: DD, PD, any-date PD, change against the first row.",
    (
        LEVEL_POOL,
        LEVEL_DUES,
        0.1,
        (("Scenario", "Pool haircut", "Volatility x"), ("Base", 0.0, 1.0), ("Haircut", 0.05, 1.0)),
    ),
)
def KMV_SCENARIO(collections, dues, volatility, scenarios, periods_per_year=4.0, drift=0.0):
    times = plan.payment_times(len(collections), periods_per_year)
    rows: list[list[Any]] = []
    for name, stress in _stress_rows(scenarios):
        risk = plan.plan_risk(*_stressed(collections, dues, volatility, stress), times, drift)
        rows.append([name, risk.distance[-1], risk.pd[-1], risk.anydate_pd[-1]])
    base = rows[0]
    header = ["Scenario", "DD", "PD", "Any-date PD", "Change in PD", "Change in any-date PD"]
    return [header, *([*row, row[2] - base[2], row[3] - base[3]] for row in rows)]


TRANCHES_EXAMPLE = (
    ("Tranche", "Rank", "Amount", "Coupon", "Payment type"),
    ("Senior", 1.0, 95.0, 0.04, "straight-line"),
    ("Junior", 2.0, 5.0, 0.0, "bullet"),
)
WATERFALL_OPTIONS = {"periods per year": 4.0, "senior fees": 0.0, "reserve periods": 0.0}


@table(
    "Waterfall of a plan: what each tranche is due, gets and misses on each date.",
    ((26.5, 26.5, 20.0, 26.5), TRANCHES_EXAMPLE, (("Periods per year", 4.0), ("Reserve periods", 0.0))),
    {
        "collections": Text("What comes in per period: one row or column.", "series"),
        "tranches": Text("Range with the headings Tranche, Rank, Amount, Coupon, Payment type.", "grid"),
        "options": Text(
            "Two columns, name and value: Periods per year (4), Senior fees (0), Reserve periods (0).", "grid"
        ),
    },
)
def KMV_WATERFALL(collections, tranches, options=None):
    # The deal room is loaded by the functions that need it: every other cell starts faster.
    from xlkmv.deal.plan.waterfall import waterfall
    from xlkmv.deal.stress import BASE, apply

    chosen = dict(WATERFALL_OPTIONS)
    for row in options or ():
        name = str(row[0] or "").strip().lower()
        if len(row) != 2 or name not in chosen:
            raise InputError("options", f"must be name and value, of: {', '.join(chosen)}", row[0])
        if not is_blank(row[1]):
            chosen[name] = needed_number(f"options, {name},", row[1])
    per_year = chosen["periods per year"]
    if per_year not in (1, 2, 3, 4, 6, 12):
        raise DomainError("options, periods per year,", "must be 1, 2, 3, 4, 6 or 12", per_year)
    deal = _small_deal(collections, tranches, int(12 / per_year), chosen)
    flow = waterfall(apply(deal, BASE))
    header = [
        "Date",
        "Tranche",
        "Interest due",
        "Interest paid",
        "Principal due",
        "Principal paid",
        "Missed",
        "Balance",
    ]
    rows = [header]
    for n in range(len(collections)):
        for k, tranche in enumerate(deal.tranches):
            missed = flow.interest_missed[k, n] + flow.principal_missed[k, n]
            due = (flow.interest_due, flow.interest_paid, flow.principal_due, flow.principal_paid)
            rows.append([n + 1, tranche.name, *(x[k, n] for x in due), missed, flow.balance[k, n]])
    return rows


def _small_deal(collections, tranches, months, chosen):
    """A deal of one obligor that cannot default, its dates `months` apart."""
    from xlkmv.deal.terms import Controls, Deal, Pool, Terms, Tranche

    headings = [str(h or "").strip().lower() for h in tranches[0]]
    wanted = ["tranche", "rank", "amount", "coupon", "payment type"]
    missing = [w for w in wanted if w not in headings]
    if missing or len(tranches) < 2:
        raise InputError(
            "tranches", f"must have the headings {', '.join(wanted)} and a row below", tranches[0]
        )
    steps = [months * (k + 1) for k in range(len(collections))]
    dates = tuple(dt.date(2000 + m // 12, m % 12 + 1, 1) for m in steps)
    rows = []
    for row in tranches[1:]:
        cell = {w: row[headings.index(w)] for w in wanted}
        numbers = {w: needed_number(f"tranches, {w},", cell[w]) for w in ("rank", "amount", "coupon")}
        rows.append(
            Tranche(
                needed_text("tranches, a name,", cell["tranche"]),
                numbers["rank"],
                numbers["amount"],
                numbers["coupon"],
                str(cell["payment type"] or "").strip().lower(),
                dates[-1],
            )
        )
    pool = Pool(("Pool",), float(collections.sum()) or 1.0, collections[None, :], 0.0, 0.0, 0.0, 0.0)
    terms = Terms(dt.date(2000, 1, 1), dates, fee_rate=chosen["senior fees"])
    reserve = chosen["reserve periods"]
    controls = Controls(
        reserve=reserve > 0,
        reserve_size=reserve,
        support=False,
        triggers=False,
        repurchase=False,
        pledge=False,
    )
    return Deal(pool, tuple(rows), terms, controls)


@table(
    "A covenant on each date: headroom, status, distance to breach and its probability.",
    ((1.05, 1.07, 1.09, 1.12), 1.0, 0.05),
    {
        "values": Text(
            "Value of the test on each date, as planned: a row or column.", "series", rule=NOT_NEGATIVE
        ),
        "threshold": Text("Floor or ceiling of the value.", "scalar", rule=POSITIVE),
        "volatility": Text("Volatility of ln(value) per annum, a decimal: 0.05 means 5 %.", "scalar"),
        "side": Text("min: the threshold is a floor; max: a ceiling. Blank: min.", "option", ("min", "max")),
    },
)
def KMV_COVENANT(values, threshold, volatility, periods_per_year=4.0, drift=0.0, side="min"):
    from xlkmv.deal.plan.covenants import covenant_path

    times = plan.payment_times(len(values), periods_per_year)
    path = covenant_path(values, threshold, volatility, times, drift, side)
    header = [
        "k",
        "t",
        "Value",
        "Headroom",
        "Status",
        "Distance to breach",
        "Probability",
        "Any-date probability",
    ]
    columns = (
        times,
        path.values,
        path.headroom,
        path.status,
        path.distance,
        path.probability,
        path.anydate_probability,
    )
    return [header, *([k, *row] for k, row in enumerate(zip(*columns, strict=True), 1))]


# --------------------------------------------------------------------- a firm and its equity


def _inverted(inversion, *answers):
    """Answers of an inversion, with the reason of each row that has none."""
    return *answers, [Fault(~inversion.converged, lambda k: str(inversion.error(k)))]


@elementwise("Asset value of a firm that its equity implies (Merton).", (3.0, 10.0, 0.8, 1.0, 0.05))
def KMV_ASSET_VALUE(equity, default_point, equity_volatility, horizon=1.0, rate=0.0):
    inversion = merton.invert(equity, default_point, equity_volatility, horizon, rate)
    return _inverted(inversion, inversion.asset_value)


@elementwise("Asset volatility of a firm that its equity implies (Merton).", (3.0, 10.0, 0.8, 1.0, 0.05))
def KMV_ASSET_VOL(equity, default_point, equity_volatility, horizon=1.0, rate=0.0):
    inversion = merton.invert(equity, default_point, equity_volatility, horizon, rate)
    return _inverted(inversion, inversion.volatility)


@elementwise(
    "Asset value and asset volatility of a firm that its equity implies (Merton).",
    (3.0, 10.0, 0.8, 1.0, 0.05),
    ("asset value", "asset volatility"),
)
def KMV_ASSETS(equity, default_point, equity_volatility, horizon=1.0, rate=0.0):
    inversion = merton.invert(equity, default_point, equity_volatility, horizon, rate)
    return _inverted(inversion, inversion.asset_value, inversion.volatility)


@KMV_ASSETS.explain
def _inversion_steps(equity, default_point, equity_volatility, horizon=1.0, rate=0.0) -> Iterator[Step]:
    E, F, T, r = equity, default_point, horizon, rate
    inversion = merton.invert(E, F, equity_volatility, T, r)
    V, sigma = float(inversion.asset_value), float(inversion.volatility)
    yield Step("Equations", "E = V N(d1) - F e^(-rT) N(d2);  sigma_E E = N(d1) sigma V", "")
    yield Step("Asset value", "V, solved in logs and scaled", V)
    yield Step("Asset volatility", "sigma", sigma)
    yield Step("Iterations", "Householder, third order", int(inversion.iterations))
    yield Step("Repricing error", "largest relative error of E and sigma_E", float(inversion.residual))
    of_value, of_volatility = merton.condition_number(V, F, sigma, T, r)
    yield Step("Condition of V", "its relative change per relative change of an input", of_value)
    yield Step("Condition of sigma", "its relative change per relative change of an input", of_volatility)
    dd = distance.distance_to_default(V, F, sigma, T, r)
    yield Step("Risk-neutral distance to default", "d2", dd)
    yield Step("Risk-neutral PD", "N(-d2)", ndtr(-dd))


KMV_ASSET_VALUE.explain(_inversion_steps)
KMV_ASSET_VOL.explain(_inversion_steps)


@elementwise(
    "Equity value and equity volatility of a firm with these assets (Merton).",
    (140.0, 100.0, 0.25, 1.0, 0.05),
    ("equity", "equity volatility"),
)
def KMV_EQUITY(asset_value, default_point, volatility, horizon=1.0, rate=0.0):
    value, vol = merton.equity(asset_value, default_point, volatility, horizon, rate)
    return value, vol, [Fault(~(value > 0.0), "equity must be > 0: it is smaller than any number")]


@KMV_EQUITY.explain
def _equity_steps(asset_value, default_point, volatility, horizon=1.0, rate=0.0) -> Iterator[Step]:
    V, F, sigma, T, r = asset_value, default_point, volatility, horizon, rate
    value, vol = merton.equity(V, F, sigma, T, r)
    yield from _d_steps(V, F, sigma, T, r)
    yield Step("Equity", "V N(d1) - F e^(-rT) N(d2)", value)
    yield Step("Equity volatility", "sigma V N(d1) / E", vol)


def _d_steps(V, F, sigma, T, r) -> Iterator[Step]:
    s = sigma * np.sqrt(T)
    d1 = (np.log(V / F) + r * T) / s + 0.5 * s
    yield Step("Discounted default point", "F e^(-rT)", F * np.exp(-r * T))
    yield Step("d1", "[ln(V/F) + (r + sigma^2/2) T] / (sigma sqrt(T))", d1)
    yield Step("d2", "d1 - sigma sqrt(T)", d1 - s)


@elementwise(
    "Credit spread of the debt, continuously compounded.", (12.3953871886, 10.0, 0.212304713423, 1.0, 0.05)
)
def KMV_SPREAD(asset_value, default_point, volatility, horizon=1.0, rate=0.0):
    return merton.spread(asset_value, default_point, volatility, horizon, rate)


@KMV_SPREAD.explain
def _spread_steps(asset_value, default_point, volatility, horizon=1.0, rate=0.0) -> Iterator[Step]:
    firm = (asset_value, default_point, volatility, horizon, rate)
    yield from _d_steps(*firm)
    yield Step("Debt", "F e^(-rT) - guarantee", merton.debt_value(*firm))
    yield Step("Credit spread", "-ln(D/F)/T - r", merton.spread(*firm))


@elementwise(
    "Expected recovery rate of the debt on default, under Q.",
    (12.3953871886, 10.0, 0.212304713423, 1.0, 0.05),
)
def KMV_RECOVERY(asset_value, default_point, volatility, horizon=1.0, rate=0.0):
    return merton.expected_recovery(asset_value, default_point, volatility, horizon, rate)


@KMV_RECOVERY.explain
def _recovery_steps(asset_value, default_point, volatility, horizon=1.0, rate=0.0) -> Iterator[Step]:
    firm = (asset_value, default_point, volatility, horizon, rate)
    yield from _d_steps(*firm)
    yield Step(
        "Expected recovery",
        "E[V_T/F | V_T < F] = V e^(rT) N(-d1) / (F N(-d2))",
        merton.expected_recovery(*firm),
    )


@elementwise("Value today of a guarantee of the full amount due.", (140.0, 100.0, 0.25, 1.0, 0.05))
def KMV_GUARANTEE(asset_value, default_point, volatility, horizon=1.0, rate=0.0):
    return merton.guarantee_value(asset_value, default_point, volatility, horizon, rate)


@KMV_GUARANTEE.explain
def _guarantee_steps(asset_value, default_point, volatility, horizon=1.0, rate=0.0) -> Iterator[Step]:
    firm = (asset_value, default_point, volatility, horizon, rate)
    yield from _d_steps(*firm)
    yield Step("Guarantee", "F e^(-rT) N(-d2) - V N(-d1)", merton.guarantee_value(*firm))


@elementwise(
    "Naive distance to default (Bharath-Shumway): no equation is solved.", (3.0, 10.0, 0.8, 1.0, 0.05)
)
def KMV_NAIVE_DD(equity, debt, equity_volatility, horizon=1.0, drift=0.0):
    return calibration.naive_distance_to_default(equity, debt, equity_volatility, horizon, drift)


@KMV_NAIVE_DD.explain
def _naive_steps(equity, debt, equity_volatility, horizon=1.0, drift=0.0) -> Iterator[Step]:
    E, F = equity, debt
    sigma = calibration.naive_asset_volatility(E, F, equity_volatility)
    yield Step("Debt volatility", "0.05 + 0.25 sigma_E", 0.05 + 0.25 * equity_volatility)
    yield Step("Asset volatility", "E/(E+F) sigma_E + F/(E+F) sigma_D", sigma)
    yield from _dd_steps(E + F, F, float(sigma), horizon, drift)


@table(
    "Term structure: DD, PD, marginal PD and hazard rate at each horizon.",
    (120.0, 100.0, 0.25, (1.0, 2.0, 5.0)),
)
def KMV_TERM(asset_value, default_point, volatility, horizons, drift=0.0, method="terminal"):
    if (np.diff(horizons) <= 0.0).any():
        raise InputError("horizons", "must increase")
    pd = distance.default_probability(asset_value, default_point, volatility, horizons, drift, method)
    if method == "linear":
        dd = np.broadcast_to(
            distance.linear_distance_to_default(asset_value, default_point, volatility), pd.shape
        )
    else:
        dd = distance.distance_to_default(asset_value, default_point, volatility, horizons, drift)
    before, step = np.concatenate([[0.0], pd[:-1]]), np.diff(horizons, prepend=0.0)
    # A terminal PD is no running total: it may fall with the horizon, and the margin with it.
    hazard = (np.log1p(-before) - np.log1p(-pd)) / step
    header = ["Horizon", "DD", "PD", "Marginal PD", "Hazard rate"]
    return [header, *zip(horizons, dd, pd, pd - before, hazard, strict=True)]


@table(
    "Asset value, volatility and drift from a series of equity values (KMV iteration or maximum likelihood).",
    (EQUITY_SERIES, 100.0, 0.03, 52.0),
    {
        "default_point": Text("Debt due at the horizon: one number, or one per date.", "series"),
        "periods_per_year": Text("Equity values per year: 250 when daily, 52 weekly. Blank: 250.", "scalar"),
        "method": Text("mle (Duan 1994) or iterative (KMV). Blank: mle.", "option", ("mle", "iterative")),
    },
)
def KMV_FIT(equity_values, default_point, rate=0.0, periods_per_year=250.0, horizon=1.0, method="mle"):
    fit = calibration.fit_series(
        equity_values, _one_or_each(default_point), rate, periods_per_year, horizon, method
    )
    if not fit.converged:
        raise ConvergenceError(
            f"equity_values must determine the assets (stopped after {fit.iterations} steps)"
        )
    return [
        ["Figure", "Value", "Standard error"],
        ["Asset value", fit.asset_value, fit.asset_value_error],
        ["Volatility", fit.volatility, fit.volatility_error],
        ["Drift", fit.drift, fit.drift_error],
        ["Distance to default", fit.distance_to_default, fit.distance_error],
        ["Default probability", fit.default_probability, fit.probability_error],
        ["Converged", fit.converged, f"after {fit.iterations} steps"],
    ]


@table(
    "How DD and PD change with each input, per unit of it.",
    (120.0, 100.0, 0.25),
)
def KMV_SENSITIVITY(asset_value, default_point, volatility, horizon=1.0, drift=0.0):
    firm = (asset_value, default_point, volatility, horizon, drift)
    dd, pd = sensitivity.distance_sensitivities(*firm), sensitivity.probability_sensitivities(*firm)
    names = ("asset_value", "default_point", "volatility", "horizon", "drift")
    return [["Input", "Change of DD", "Change of PD"], *([n, getattr(dd, n), getattr(pd, n)] for n in names)]


# --------------------------------------------------------------------------- series and maps


@table(
    "Volatility per annum of the flows of each period; refuses a cumulative series.",
    ((27.1, 28.4, 26.9, 27.8, 28.9, 27.2), 4.0),
    {
        "periods_per_year": Text("Flows per year. Blank: 1.", "scalar"),
        "plan": Text("What was planned for each period, if the flows are to be set against it.", "series"),
    },
)
def KMV_VOLATILITY(flows, periods_per_year=1.0, plan=None):
    return calibration.volatility_from_flows(flows, periods_per_year, plan).volatility


@KMV_VOLATILITY.explain
def _volatility_steps(flows, periods_per_year=1.0, plan=None) -> Iterator[Step]:
    fit = calibration.volatility_from_flows(flows, periods_per_year, plan)
    x = np.diff(np.log(flows)) if plan is None else np.log(flows / plan)
    yield Step("Log changes", "ln(C_(i+1)/C_i)" if plan is None else "ln(actual/plan)", fit.changes)
    yield Step("Standard deviation per period", "sd(x)", x.std(ddof=1))
    yield Step("Volatility per annum", "sd(x) sqrt(periods per year)", fit.volatility)
    yield Step("its standard error", "sigma / sqrt(2 (n - 1))", fit.volatility_error)
    yield Step("Drift per annum", "mean(x) periods per year + sigma^2/2", fit.drift)
    yield Step("its standard error", "about sigma / sqrt(years)", fit.drift_error)


def _two_columns(name, rows, first):
    """Columns of a user's table of two columns; a heading row of texts may stand above it."""
    if any(len(row) != 2 for row in rows):
        raise InputError(name, "must have two columns")
    if isinstance(rows[0][1], str):
        rows = rows[1:]
    rows = [row for row in rows if not all(map(is_blank, row))]
    columns = []
    for k in (0, 1):
        cells = [row[k] for row in rows]
        if k == 0 and first == "text":
            columns.append([needed_text(f"{name}, a name,", cell) for cell in cells])
        else:
            columns.append(np.array([needed_number(f"{name}, a number,", cell) for cell in cells]))
    return columns


EDF_EXAMPLE = (("DD", "EDF"), (1.0, 0.12), (2.0, 0.03), (4.0, 0.004), (6.0, 0.0004))
SCALE_EXAMPLE = (("Grade", "Highest PD"), ("A", 0.001), ("BBB", 0.005), ("BB", 0.02), ("B", 0.08), ("C", 1.0))


@elementwise(
    "Expected default frequency of a distance to default by the user's own table.",
    (3.0, EDF_EXAMPLE),
    texts={
        "dd": Text("Distance to default.", rule=FINITE),
        "mapping": Text("Two columns, DD and PD: the user's map. Between its rows ln PD is linear.", "grid"),
    },
)
def KMV_EDF(dd, mapping):
    return calibration.edf(dd, *_two_columns("mapping", mapping, "number"))


@elementwise(
    "Grade of a default probability on the user's own scale.",
    (0.012, SCALE_EXAMPLE),
    texts={"scale": Text("Two columns, grade and its highest PD, best grade first.", "grid")},
)
def KMV_RATING(pd, scale):
    grades, highest = _two_columns("scale", scale, "text")
    beyond = f"pd must be within the scale, which ends at {highest.max(initial=0.0):g}"
    return calibration.rating(pd, grades, highest), [Fault(pd > highest.max(initial=0.0), beyond)]


# -------------------------------------------------------------------------------- large pools

POOL_CORRELATION = Text("Asset correlation, 0 to below 1.", rule=ASSET_CORRELATION)


@elementwise(
    "Quantile of the default rate of a large uniform pool (Vasicek).",
    (0.02, 0.1, 0.999),
    texts={"correlation": POOL_CORRELATION, "level": Text("Confidence level, such as 0.999.")},
)
def KMV_LOSS_QUANTILE(pd, correlation, level):
    return largepool.loss_quantile(pd, correlation, level)


@KMV_LOSS_QUANTILE.explain
def _quantile_steps(pd, correlation, level) -> Iterator[Step]:
    yield Step("Default threshold", "N^-1(p)", distance.ndtri(pd))
    yield Step("Bad state of the factor", "N^-1(level)", distance.ndtri(level))
    yield Step(
        "Quantile of the default rate",
        "N[(N^-1(p) + sqrt(rho) N^-1(level)) / sqrt(1 - rho)]",
        largepool.loss_quantile(pd, correlation, level),
    )


@elementwise(
    "Expected loss of a tranche of a large uniform pool, as a share of the tranche.",
    (0.0, 0.03, 0.05, 0.2, 0.6),
    texts={
        "attach": Text("Loss of the pool at which the tranche starts to lose, a share."),
        "detach": Text("Loss of the pool at which nothing of it is left, a share above attach."),
        "correlation": POOL_CORRELATION,
        "lgd": Text("Loss given default, 0 to 1. Blank: 0.45."),
    },
)
def KMV_TRANCHE_EL(attach, detach, pd, correlation, lgd=0.45):
    wrong = detach <= attach
    safe = np.where(wrong, np.nextafter(attach, 2.0), detach)
    loss = np.full(np.shape(attach), np.nan)
    right = ~wrong
    if right.any():
        loss[right] = largepool.tranche_expected_loss(
            attach[right], safe[right], pd[right], correlation[right], lgd[right]
        )
    return loss, [Fault(wrong, "detach must be above attach")]


@table(
    "Concentration of a pool: HHI, effective number, largest share, top 5.",
    ((45.0, 42.0, 38.0, 36.0, 32.0, 28.0, 23.0, 22.0, 18.0, 14.0, 3.0),),
)
def KMV_CONCENTRATION(exposures):
    found = largepool.concentration(exposures)
    return [
        ["Measure", "Value"],
        ["HHI", found.hhi],
        ["Effective number", found.effective_number],
        ["Largest share", found.largest_share],
        ["Top 5 share", found.top5_share],
    ]


METRICS = {
    "auc": "AUC",
    "accuracy_ratio": "Accuracy ratio",
    "ks": "Kolmogorov-Smirnov",
    "brier": "Brier score",
    "hosmer_lemeshow": "Hosmer-Lemeshow",
    "p_value": "Hosmer-Lemeshow p-value",
}


@table(
    "Backtest of default probabilities against what happened.",
    ((0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.3), (0, 0, 0, 1, 0, 0, 1, 1)),
    {
        "pds": Text("Default probabilities given beforehand.", "series"),
        "defaults": Text("1 where the obligor defaulted, 0 where not.", "series"),
        "metric": Text(
            "Blank: all. Or one of: all, " + ", ".join(METRICS) + ".", "option", ("all", *METRICS)
        ),
    },
)
def KMV_BACKTEST(pds, defaults, metric="all"):
    found = validation.backtest(pds, defaults)
    if metric != "all":
        return getattr(found, metric)
    rows = [[label, getattr(found, name)] for name, label in METRICS.items()]
    return [["Measure", "Value"], ["Observations", found.observations], ["Defaults", found.defaults], *rows]


# -------------------------------------------------------------------------- portfolio models

POOL_EXPOSURES = (45.0, 42.0, 38.0, 36.0, 32.0, 28.0, 23.0, 22.0, 18.0, 14.0, 3.0)
POOL_PDS = (0.012, 0.014, 0.016, 0.010, 0.012, 0.016, 0.010, 0.018, 0.022, 0.020, 0.025)
POOL_TEXTS = {
    "exposures": Text("Amount of each obligor, money.", "series", rule=NOT_NEGATIVE),
    "pds": Text("Default probability of each obligor over the horizon.", "series"),
    "pd_sds": Text("Standard deviation of each default probability.", "series", rule=PROBABILITY),
    "correlation": Text(
        "Asset correlation: one number, or one per obligor.", "series", rule=ASSET_CORRELATION
    ),
    "levels": Text("Confidence levels. Blank: 0.99 and 0.999.", "series"),
    "lgd": Text("Loss given default: one number, or one per obligor. Blank: 1.", "series"),
    "unit": Text("Loss unit of the bands, money. Blank: 1/100 of the largest loss.", "scalar", rule=POSITIVE),
    "ratings": Text("Rating of each obligor: " + ", ".join(creditmetrics.EXAMPLE_RATINGS) + ".", "words"),
    "sensitivity": Text(
        "Standard deviation of the default index: one number or one per obligor.", "series", rule=POSITIVE
    ),
    "default_rates": Text("Default rates of past periods, oldest first, to fit the index to.", "series"),
    "macro": Text("Macro factors of the same periods, one column each.", "grid"),
    "seed": Text("Seed of the simulation. Blank: 1997.", "scalar", rule=NOT_NEGATIVE),
}


def _loss_table(found):
    rows = [["Expected loss", found.expected_loss], ["Unexpected loss", found.unexpected_loss]]
    for level, var, shortfall in zip(
        found.levels, found.value_at_risk, found.expected_shortfall, strict=True
    ):
        rows += [[f"VaR {level:.10g}", var], [f"Expected shortfall {level:.10g}", shortfall]]
    return [["Measure", found.model], *rows]


def _one_or_each(values):
    return float(values[0]) if values.size == 1 else values


@table(
    "KMV portfolio model: exact loss distribution under one common factor.",
    (POOL_EXPOSURES, POOL_PDS, (0.2,), (0.99, 0.999), (0.6,)),
    POOL_TEXTS,
)
def KMV_LOSSES(exposures, pds, correlation, levels=losses.LEVELS, lgd=ONE):
    return _loss_table(
        losses.gaussian_copula_losses(
            exposures, pds, _one_or_each(correlation), levels, lgd=_one_or_each(lgd)
        )
    )


@table(
    "CreditRisk+: exact loss distribution with gamma default rates (one sector).",
    (POOL_EXPOSURES, POOL_PDS, tuple(p / 2 for p in POOL_PDS), (0.99, 0.999)),
    POOL_TEXTS,
)
def KMV_CREDITRISKPLUS(exposures, pds, pd_sds, levels=losses.LEVELS, unit=None):
    return _loss_table(creditriskplus.creditriskplus(exposures, pds, pd_sds, levels, unit=unit))


@table(
    "CreditMetrics: losses from defaults by the one-year matrix of the 1997 document (simulated).",
    ((40.0, 30.0, 20.0, 10.0), ("A", "BBB", "BB", "B"), (0.2,), (0.99, 0.999), (0.6,)),
    POOL_TEXTS,
)
def KMV_CREDITMETRICS(exposures, ratings, correlation, levels=losses.LEVELS, lgd=ONE, seed=1997.0):
    rows = creditmetrics.rating_rows(ratings)
    return _loss_table(
        creditmetrics.creditmetrics(
            exposures,
            rows,
            creditmetrics.EXAMPLE_MATRIX,
            _one_or_each(correlation),
            levels,
            lgd=_one_or_each(lgd),
            seed=seed,
        )
    )


@table(
    "CreditPortfolioView: losses when default rates follow a macro index, given or fitted to series.",
    (POOL_EXPOSURES, POOL_PDS, (0.5,), (0.99, 0.999), (0.6,)),
    POOL_TEXTS,
)
def KMV_PORTFOLIOVIEW(
    exposures,
    pds,
    sensitivity=None,
    levels=losses.LEVELS,
    lgd=ONE,
    default_rates=None,
    macro=None,
    seed=1997.0,
):
    if (default_rates is None) != (macro is None):
        raise InputError("default_rates", "and macro must be given together")
    fit = None
    if default_rates is not None:
        factors = [[needed_number("macro", cell) for cell in row] for row in macro]
        fit = portfolioview.fit_macro(default_rates, np.array(factors))
        sensitivity = None
    elif sensitivity is None:
        raise MissingError("sensitivity", "is needed, unless default_rates and macro are given", None)
    return _loss_table(
        portfolioview.portfolioview_losses(
            exposures,
            pds,
            levels,
            lgd=_one_or_each(lgd),
            sensitivity=None if sensitivity is None else _one_or_each(sensitivity),
            fit=fit,
            seed=seed,
        )
    )


# ------------------------------------------------------------------- where inputs come from

PEERS_EXAMPLE = (
    ("Asset value", "EBITDA", "Asset volatility"),
    (800.0, 100.0, 0.20),
    (1000.0, 100.0, 0.25),
    (1200.0, 100.0, 0.30),
    (900.0, 100.0, 0.22),
    (1100.0, 100.0, 0.28),
)
RANGE_LEVEL = Text("Probability that the range holds. Blank: 0.9.", "scalar", rule=RULES["level"])


def _peers(rows):
    """Peers of a range of three columns; headings may stand above them, blank rows do not count."""
    if any(len(row) != 3 for row in rows):
        raise InputError("peers", "must have three columns: asset value, earnings, asset volatility")
    rows = [row for row in rows[isinstance(rows[0][1], str) :] if not all(map(is_blank, row))]
    names = ("asset value", "earnings", "asset volatility")
    columns = [[needed_number(f"peers, {name},", row[k]) for row in rows] for k, name in enumerate(names)]
    return private.Peers(*map(np.array, columns))


@elementwise(
    "PD of a firm without a price, by its listed peers: PD, DD, and the range of the PD (two ends).",
    (50.0, 100.0, 300.0, PEERS_EXAMPLE),
    ("PD", "DD", "low", "high"),
    {
        "earnings": Text(
            "EBITDA of the firm, or book assets where the peers give these. Money, > 0.", rule=POSITIVE
        ),
        "peers": Text(
            "Listed peers, three columns: asset value, EBITDA (or book assets), asset volatility.", "grid"
        ),
        "drift": Text("Growth of the assets per annum, a decimal. Blank: 0."),
        "convention": Text("Distance to default: log or linear. Blank: log.", "option", private.DISTANCES),
        "level": RANGE_LEVEL,
    },
)
def KMV_PRIVATE_PD(
    earnings, short_term, long_term, peers, horizon=1.0, drift=0.0, weight=0.5, convention="log", level=0.9
):
    no_debt = short_term + weight * long_term <= 0.0
    firm = private.private_firm(
        earnings,
        np.where(no_debt, 1.0, short_term),
        long_term,
        _peers(peers),
        horizon,
        drift,
        weight,
        convention,
        level=level,
    )
    reason = "short_term and long_term must leave a default point > 0: no debt, no default"
    return firm.pd, firm.distance, firm.low, firm.high, [Fault(no_debt, reason)]


@KMV_PRIVATE_PD.explain
def _private_steps(
    earnings, short_term, long_term, peers, horizon=1.0, drift=0.0, weight=0.5, convention="log", level=0.9
) -> Iterator[Step]:
    firm = private.private_firm(
        earnings, short_term, long_term, _peers(peers), horizon, drift, weight, convention, level=level
    )
    yield Step("Multiple", f"median of asset value / earnings of {firm.peers} peers", firm.multiple)
    yield Step("Asset value", "earnings x multiple", firm.asset_value)
    yield Step("Asset volatility", "median of the peers, by size from 8 peers on", firm.volatility)
    yield Step("Default point", "short-term + w x long-term", firm.default_point)
    yield Step(f"Distance to default ({convention})", "as KMV_DD or KMV_LINEAR_DD", firm.distance)
    yield Step(
        "its standard error", "spread of multiples and volatilities, delta method", firm.distance_error
    )
    yield Step("Default probability", "N(-DD)", firm.pd)
    yield Step("Range, low", "N(-DD - t x standard error)", firm.low)
    yield Step("Range, high", "N(-DD + t x standard error)", firm.high)


@elementwise(
    "Annual PD from history (Jeffreys' prior): mean, median, and the range (two ends).",
    (2.0, 350.0),
    ("PD", "median", "low", "high"),
    {
        "defaults": Text("Defaults observed, a whole number.", rule=NOT_NEGATIVE),
        "obligor_years": Text(
            "Obligors at the start of each year, summed over the years, > 0.", rule=POSITIVE
        ),
        "level": RANGE_LEVEL,
    },
)
def KMV_HISTORY_PD(defaults, obligor_years, level=0.9):
    part, above = defaults % 1.0 > 0.0, defaults > obligor_years
    found = history.history_pd(np.where(part | above, 0.0, defaults), obligor_years, level)
    faults = [
        Fault(part, "defaults must be a whole number, >= 0"),
        Fault(above, "defaults must not be above obligor_years"),
    ]
    return found.mean, found.median, found.low, found.high, faults


@KMV_HISTORY_PD.explain
def _history_steps(defaults, obligor_years, level=0.9) -> Iterator[Step]:
    d, n = defaults, obligor_years
    found = history.history_pd(d, n, level)
    yield Step("Observed rate", "d/n", d / n)
    yield Step("Posterior", "Beta(d + 1/2, n - d + 1/2)", f"Beta({d + 0.5:g}, {n - d + 0.5:g})")
    yield Step("Posterior mean", "(d + 1/2)/(n + 1)", found.mean)
    yield Step("Posterior median", "quantile 1/2", found.median)
    yield Step("Range, low", "quantile (1 - level)/2", found.low)
    yield Step("Range, high", "quantile (1 + level)/2", found.high)


@table(
    "Upper bound of the PD of each grade of a pool with few or no defaults (Pluto and Tasche).",
    ((100.0, 400.0, 300.0), (0.0, 0.0, 0.0), 0.9),
    {
        "obligors": Text("Obligors of each grade at the start, best grade first: a row or column.", "series"),
        "defaults": Text("Defaults of each grade over the years.", "series"),
        "confidence": Text(
            "0.5 to 0.75 for an estimate, 0.9 and more for a bound.", "scalar", rule=RULES["level"]
        ),
        "correlation": Text(
            "Asset correlation with one common factor. Blank: 0.", "scalar", rule=ASSET_CORRELATION
        ),
        "years": Text("Years of the history, a whole number. Blank: 1.", "scalar"),
        "time_correlation": Text("Correlation of the factor from year to year. Blank: 0.", "scalar"),
    },
)
def KMV_LOW_DEFAULT_PD(obligors, defaults, confidence, correlation=0.0, years=1.0, time_correlation=0.0):
    bounds = history.most_prudent_pds(obligors, defaults, confidence, correlation, years, time_correlation)
    pooled = (np.cumsum(x[::-1])[::-1] for x in (obligors, defaults))
    header = ["Grade", "Obligors, this grade and worse", "Defaults, this grade and worse", "PD, upper bound"]
    return [header, *([k, *row] for k, row in enumerate(zip(*pooled, bounds, strict=True), 1))]


PLEDGE_TEXTS = {
    name: Text(text, rule=pledge.PLEDGE_RULES.get(name))
    for name, text in {
        "pledge_value": "Value of the pledged asset now. Money, >= 0.",
        "claim": "What is owed at default. Money, > 0.",
        "volatility": "Volatility of ln(value of the asset) per annum, a decimal.",
        "horizon": "Years to default, > 0. Blank: 1.",
        "drift": "Growth of the asset's value per annum, a decimal; negative where it wears out. Blank: 0.",
        "discount": "What a forced sale loses and costs, a share of the value. Blank: 0.",
        "sale_time": "Years from default to the sale. Blank: 0.",
        "pd": "PD of the obligor by the horizon; 1: default or not, needs correlation 0. Blank: 1.",
        "correlation": "Of the asset's value with the obligor's assets, -1 to 1. Blank: 0.",
    }.items()
}


@elementwise(
    "Expected share of a claim that a pledged asset covers at default.",
    (60.0, 100.0, 0.4, 2.5, -0.1, 0.25, 1.5, 0.015, 0.3),
    texts=PLEDGE_TEXTS,
)
def KMV_PLEDGE_RECOVERY(
    pledge_value,
    claim,
    volatility,
    horizon=1.0,
    drift=0.0,
    discount=0.0,
    sale_time=0.0,
    pd=1.0,
    correlation=0.0,
):
    wide = volatility * np.sqrt(horizon + sale_time) > pledge.MAX_DEVIATION
    undefined = (pd >= 1.0) & (correlation != 0.0)
    share = pledge.pledge_recovery(
        pledge_value,
        claim,
        np.where(wide, 0.0, volatility),
        horizon,
        drift,
        discount,
        sale_time,
        pd,
        correlation,
    )
    faults = [
        Fault(wide, f"volatility must be at most {pledge.MAX_DEVIATION:g}/sqrt(years to the sale)"),
        Fault(undefined, "pd must be given and < 1 where correlation is not 0"),
    ]
    return share, faults


@KMV_PLEDGE_RECOVERY.explain
def _pledge_steps(
    pledge_value,
    claim,
    volatility,
    horizon=1.0,
    drift=0.0,
    discount=0.0,
    sale_time=0.0,
    pd=1.0,
    correlation=0.0,
) -> Iterator[Step]:
    V, T = pledge_value, horizon + sale_time
    asset = (V, claim, volatility, horizon, drift, discount, sale_time)
    yield Step("Years to the sale", "T = horizon + sale time", T)
    yield Step("Expected proceeds", "(1 - discount) V e^(mu T)", (1.0 - discount) * V * np.exp(drift * T))
    yield Step(
        "Proceeds over claim", "expected proceeds / C", (1.0 - discount) * V * np.exp(drift * T) / claim
    )
    yield Step("Standard deviation of ln V", "s = sigma sqrt(T)", volatility * np.sqrt(T))
    yield Step("Correlation at the sale", "r = rho sqrt(horizon/T)", correlation * np.sqrt(horizon / T))
    yield Step("Covered whoever defaults", "E[min(1, e^U)]", pledge.pledge_recovery(*asset))
    yield Step(
        "Covered given default",
        "{N2(m/s, x; -r) + e^(m + s^2/2) N2(-m/s - s, x - r s; r)}/PD, x = N^-1(PD)",
        pledge.pledge_recovery(*asset, pd, correlation),
    )


@elementwise(
    "Asset correlation of a corporate by Basel's formula, with the adjustment for smaller firms.",
    (0.01, 25.0),
    texts={
        "sales": Text(
            "Annual sales of the group, million euro; 50 or more: no adjustment. Blank: 50.",
            rule=NOT_NEGATIVE,
        )
    },
)
def KMV_ASSET_CORRELATION(pd, sales=50.0):
    return correlation.basel_correlation(pd, sales)


@KMV_ASSET_CORRELATION.explain
def _correlation_steps(pd, sales=50.0) -> Iterator[Step]:
    large = correlation.basel_correlation(pd)
    found = correlation.basel_correlation(pd, sales)
    yield Step(
        "Weight of the low end", "w = (1 - e^(-50 PD))/(1 - e^-50)", np.expm1(-50.0 * pd) / np.expm1(-50.0)
    )
    yield Step("Correlation of a large firm", "0.12 w + 0.24 (1 - w)", large)
    yield Step("Adjustment for size", "-0.04 (1 - (S - 5)/45), S from 5 to 50", found - large)
    yield Step("Asset correlation", "sum of the two", found)


# ----------------------------------------------------------------------------- about itself


@table("Version of xlkmv.", ())
def KMV_VERSION():
    return xlkmv.__version__


@table("Published known answers: expected, computed, and whether they agree.", ())
def KMV_SELFTEST():
    return _self_test()


@functools.cache
def _self_test() -> list[list[Any]]:
    # A sheet asks for the table cell by cell; its answers never change.
    rows = [["Source", "What", "Function", "Expected", "Computed", "Relative difference", "Agrees"]]
    for answer in selftest.KNOWN_ANSWERS:
        value = selftest.computed(answer, FUNCTIONS[answer.function])
        if isinstance(value, ExcelError):
            rows.append([answer.source, answer.what, answer.function, answer.expected, str(value), "", False])
            continue
        miss = value / answer.expected - 1.0
        agrees = abs(miss) <= answer.tolerance
        rows.append([answer.source, answer.what, answer.function, answer.expected, value, miss, agrees])
    return rows


@table(
    "The steps from the inputs of a KMV function to its number, or the reason of its error.",
    ("KMV_PD", 120.0, 100.0, 0.25),
)
def KMV_EXPLAIN(function_name, *arguments):
    function = FUNCTIONS.get(function_name.upper())
    if function is None or function is KMV_EXPLAIN:
        raise InputError("function_name", "must be the name of a KMV function", function_name)
    rows = [["Step", "Formula", "Value"]]
    try:
        values = function.bind(*arguments)
        rows += [
            [f"Input: {a.name}", a.text, _shown(a, value)]
            for a, value in zip(function.arguments, values, strict=True)
        ]
    except InputError as error:
        fault = cell_error(error)
        return [*rows, ["Error", fault.reason, str(fault)]]
    result = function(*arguments)
    # A table may hold an error in one cell, as where nothing is due yet, and still be explained.
    fault = _first_error([] if function.shape == "table" and isinstance(result, list) else result)
    if fault is not None:
        return [*rows, ["Error", fault.reason, str(fault)]]
    if function.steps is not None:
        rows += [[step.label, step.formula, step.value] for step in function.steps(*_clean(function, values))]
    elif isinstance(result, list):
        rows.append(["Result", function.text, f"{len(result)} rows x {len(result[0])} columns"])
    else:
        rows.append(["Result", function.text, result])
    return rows


def _shown(argument, value):
    cells = list(Grid(argument.name, value).flat())
    if len(cells) > 1:
        return f"{len(cells)} cells"
    if is_blank(cells[0]):
        return "needed, not given" if argument.required else f"{argument.default} (default)"
    return cells[0] if isinstance(cells[0], (str, bool, int, float)) else str(cells[0])


def _first_error(result) -> ExcelError | None:
    cells = itertools.chain.from_iterable(result) if isinstance(result, list) else [result]
    return next((c for c in cells if isinstance(c, ExcelError)), None)


def _clean(function: Function, values):
    """Arguments as the computation gets them; of a range only the first cell is explained."""
    if function.shape == "table":
        return function.read(values)
    first = [
        value if a.kind in WHOLE else next(iter(Grid(a.name, value).flat()))
        for a, value in zip(function.arguments, values, strict=True)
    ]
    return function.read(first)


__all__ = sorted(FUNCTIONS)
