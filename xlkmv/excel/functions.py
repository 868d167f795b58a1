"""The worksheet functions: what a user types into a cell.

Each function below is plain Python on clean numbers; :mod:`xlkmv.excel.registry` turns it
into the callable behind ``=KMV_...``. The model does the mathematics.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.special import ndtr

import xlkmv
from xlkmv.errors import InputError
from xlkmv.excel.cells import ExcelError, Grid
from xlkmv.excel.registry import FUNCTIONS, Fault, Function, Step, elementwise, table
from xlkmv.model import copula, distance, plan

# ------------------------------------------------------------------------- distance and PD


@elementwise("Log distance to default of assets against a default point.", (120.0, 100.0, 0.25))
def KMV_DD(asset_value, default_point, volatility, horizon=1.0, drift=0.0):
    return distance.distance_to_default(asset_value, default_point, volatility, horizon, drift)


@KMV_DD.explain
def _dd_steps(asset_value, default_point, volatility, horizon=1.0, drift=0.0) -> Iterator[Step]:
    V, DP, sigma, T, mu = asset_value, default_point, volatility, horizon, drift
    yield Step("Log coverage", "ln(V/DP)", np.log(V / DP))
    yield Step("Growth of ln V", "(mu - sigma^2/2) T", (mu - 0.5 * sigma**2) * T)
    yield Step("Standard deviation of ln V", "sigma sqrt(T)", sigma * np.sqrt(T))
    yield Step(
        "Distance to default (log)",
        "[ln(V/DP) + (mu - sigma^2/2) T] / (sigma sqrt(T))",
        distance.distance_to_default(V, DP, sigma, T, mu),
    )


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
    if np.isfinite(sigma):
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
    paid_in, due = float(np.sum(collections)), float(np.sum(dues))
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

# Heading of a stress -> its name below; the value that changes nothing.
STRESSES = {"pool haircut": 0.0, "volatility x": 1.0, "delay": 0.0, "dues x": 1.0}


def _stressed(collections, dues, volatility, stress):
    """Plan figures under one row of stresses: a delay moves every collection back by whole periods."""
    shift = int(stress["delay"])
    moved = np.concatenate([np.zeros(shift), collections])[: len(collections)]
    if shift and shift < len(collections):
        moved[-1] += collections[len(collections) - shift :].sum() * 0.0
    return (
        moved * (1.0 - stress["pool haircut"]),
        dues * stress["dues x"],
        volatility * stress["volatility x"],
    )


def _stress_rows(scenarios: list[list[Any]]) -> Iterator[tuple[str, dict[str, float]]]:
    """Names and stresses of a scenario range whose first row holds the headings."""
    headings = [str(h or "").strip().lower() for h in scenarios[0]]
    if headings[0] != "scenario" or not set(headings[1:]) <= set(STRESSES):
        known = ", ".join(h.capitalize() for h in STRESSES)
        raise InputError("scenarios", f"must have the headings Scenario and any of: {known}", scenarios[0])
    if len(scenarios) < 2:
        raise InputError("scenarios", "must have a row below the headings")
    for row in scenarios[1:]:
        stress = dict(STRESSES)
        for heading, cell in zip(headings[1:], row[1:], strict=True):
            if cell is None:
                continue
            place = f"scenarios, {row[0]}, {heading}"
            if isinstance(cell, bool) or not isinstance(cell, (int, float)):
                raise InputError(place, "must be a number", cell)
            stress[heading] = float(cell)
        checks = {
            "pool haircut": ("must be >= 0 and < 1 (a decimal: 0.1 means 10 %)", lambda x: 0 <= x < 1),
            "volatility x": ("must be > 0 and <= 100", lambda x: 0 < x <= 100),
            "delay": ("must be a whole number of periods, >= 0", lambda x: x >= 0 and x == int(x)),
            "dues x": ("must be > 0 and <= 100", lambda x: 0 < x <= 100),
        }
        for heading, (rule, holds) in checks.items():
            if not holds(stress[heading]):
                raise xlkmv.errors.DomainError(f"scenarios, {row[0]}, {heading}", rule, stress[heading])
        yield str(row[0]), stress


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


# ----------------------------------------------------------------------------- about itself


@table("Version of xlkmv.", ())
def KMV_VERSION():
    return xlkmv.__version__


@table(
    "The steps from the inputs of a KMV function to its number, or the reason of its error.",
    ("KMV_PD", 120.0, 100.0, 0.25),
)
def KMV_EXPLAIN(function_name, *arguments):
    function = FUNCTIONS.get(function_name.upper())
    if function is None or function is KMV_EXPLAIN:
        raise InputError("function_name", "must be the name of a KMV function", function_name)
    values = function.bind(*arguments)
    rows = [["Step", "Formula", "Value"]]
    for argument, value in zip(function.arguments, values, strict=True):
        rows.append([f"Input: {argument.name}", argument.text, _shown(argument, value)])
    result = function(*arguments)
    fault = _first_error(result)
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
    if value is None:
        return "needed, not given" if argument.required else f"{argument.default} (default)"
    cells = list(Grid(argument.name, value).flat())
    if len(cells) == 1:
        return str(cells[0]) if isinstance(cells[0], ExcelError) or cells[0] is None else cells[0]
    return f"{len(cells)} cells"


def _first_error(result) -> ExcelError | None:
    cells = Grid("result", result).flat() if isinstance(result, list) else [result]
    return next((c for c in cells if isinstance(c, ExcelError)), None)


def _clean(function: Function, values):
    """Arguments as the computation gets them; of a range only the first cell is explained."""
    if function.shape == "table":
        return function.read(values)
    first = [next(iter(Grid(a.name, v).flat())) for a, v in zip(function.arguments, values, strict=True)]
    out = []
    for argument, cell in zip(function.arguments, first, strict=True):
        if cell is None:
            cell = argument.default
        out.append(cell if argument.kind == "option" else float(cell))
    return out


__all__ = sorted(FUNCTIONS)
