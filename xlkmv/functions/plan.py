"""A plan in cells: collections against dues, its scenarios, its waterfall, its covenants."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtr

from xlkmv.errors import DomainError, InputError
from xlkmv.functions.cells import is_blank
from xlkmv.functions.distance import dd_steps
from xlkmv.functions.registry import Rows, Step, Text, needed_number, needed_text, table
from xlkmv.model import plan
from xlkmv.model.domain import NOT_NEGATIVE, POSITIVE, Array, Rule
from xlkmv.phrase import Phrase

if TYPE_CHECKING:
    from xlkmv.deal.plan.covenants import CovenantPath
    from xlkmv.deal.plan.waterfall import Waterfall
    from xlkmv.deal.terms import Deal

__all__ = ["KMV_ANYDATE_PD", "KMV_COVENANT", "KMV_POOL", "KMV_SCENARIO", "KMV_WATERFALL"]


LEVEL_POOL = (27.811,) * 4
LEVEL_DUES = (26.689, 26.451, 26.212, 25.974)


@table(
    "Plan, date by date: accumulated in and due, coverage, DD, PD and any-date PD.",
    (LEVEL_POOL, LEVEL_DUES, 0.1),
)
def KMV_POOL(
    collections: Array, dues: Array, volatility: float, periods_per_year: float = 4.0, drift: float = 0.0
) -> Any:
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
def _pool_steps(
    collections: Array, dues: Array, volatility: float, periods_per_year: float, drift: float
) -> Iterator[Step]:
    t = len(collections) / periods_per_year
    paid_in, due = np.sum(collections), np.sum(dues)
    risk = plan.plan_risk(
        collections, dues, volatility, plan.payment_times(len(collections), periods_per_year), drift
    )
    yield Step("Years to the last date", "n / periods per year", t)
    yield Step("Accumulated collections", "A = sum of collections", paid_in)
    yield Step("Accumulated dues", "DP = sum of dues", due)
    yield from dd_steps(paid_in, due, volatility, t, drift)
    yield Step("Terminal default probability", "N(-DD)", ndtr(-risk.distance[-1]))
    yield Step(
        "Any-date default probability", "P(short on at least one date), by quadrature", risk.anydate_pd[-1]
    )


@table(
    "Probability that a plan is short on at least one payment date up to the last.",
    (LEVEL_POOL, LEVEL_DUES, 0.1),
)
def KMV_ANYDATE_PD(
    collections: Array, dues: Array, volatility: float, periods_per_year: float = 4.0, drift: float = 0.0
) -> Any:
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


def _stressed(
    collections: Array, dues: Array, volatility: float, stress: Mapping[str, float]
) -> tuple[Array, Array, float]:
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
        raise InputError(
            "scenarios",
            Phrase("must have the headings Scenario and any of: {known}", known=known),
            scenarios[0],
        )
    if all(is_blank(cell) for row in scenarios[1:] for cell in row):
        raise InputError("scenarios", "must have a row below the headings")
    for row in scenarios[1:]:
        if all(map(is_blank, row)):
            continue
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
def KMV_SCENARIO(
    collections: Array,
    dues: Array,
    volatility: float,
    scenarios: Rows,
    periods_per_year: float = 4.0,
    drift: float = 0.0,
) -> Any:
    times = plan.payment_times(len(collections), periods_per_year)
    rows: list[list[Any]] = []
    for name, stress in _stress_rows(scenarios):
        moved, due, sigma = _stressed(collections, dues, volatility, stress)
        risk = plan.plan_risk(moved, due, sigma, times, drift)
        rows.append([name, risk.distance[-1], risk.pd[-1], risk.anydate_pd[-1]])
    base = rows[0]
    header = ["Scenario", "DD", "PD", "Any-date PD", "Change in PD", "Change in any-date PD"]
    return [header, *([*row, row[2] - base[2], row[3] - base[3]] for row in rows)]


@KMV_SCENARIO.explain
def _scenario_steps(
    collections: Array,
    dues: Array,
    volatility: float,
    scenarios: Rows,
    periods_per_year: float,
    drift: float,
) -> Iterator[Step]:
    """The first row in full, and what the second changes."""
    for name, stress in itertools.islice(_stress_rows(scenarios), 1):
        moved, due, sigma = _stressed(collections, dues, volatility, stress)
        changed = ", ".join(f"{heading} {value:g}" for heading, value in stress.items())
        yield Step("First scenario", changed, name)
        yield Step("Volatility", "sigma x volatility x", sigma)
        yield from _pool_steps(moved, due, sigma, periods_per_year, drift)
    found = KMV_SCENARIO.compute(collections, dues, volatility, scenarios, periods_per_year, drift)
    for name, dd, pd, anydate, change, anydate_change in found[2:3]:
        yield Step("Second scenario", "by the same steps", name)
        yield Step("Its distance to default", "as that of the first", dd)
        yield Step("Its terminal PD", "N(-DD)", pd)
        yield Step("Its any-date PD", "by quadrature", anydate)
        yield Step("Change in PD", "its PD - that of the first", change)
        yield Step("Change in any-date PD", "its any-date PD - that of the first", anydate_change)


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
def KMV_WATERFALL(collections: Array, tranches: Rows, options: Rows | None = None) -> Any:
    deal, flow, _ = _paid(collections, tranches, options)
    header: list[Any] = [
        "Date",
        "Tranche",
        "Interest due",
        "Interest paid",
        "Principal due",
        "Principal paid",
        "Missed",
        "Balance",
    ]
    paid = (flow.interest_due, flow.interest_paid, flow.principal_due, flow.principal_paid)
    columns = (*paid, flow.missed, flow.balance)
    dates, classes = range(len(collections)), list(enumerate(deal.tranches))
    return [header, *([n + 1, c.name, *(x[k, n] for x in columns)] for n in dates for k, c in classes)]


def _paid(
    collections: Array, tranches: Rows, options: Rows | None
) -> tuple[Deal, Waterfall, dict[str, float]]:
    """The deal that the ranges describe, what it pays, and its options."""
    from xlkmv.deal.plan.waterfall import waterfall
    from xlkmv.deal.stress import BASE, apply

    chosen = dict(WATERFALL_OPTIONS)
    for row in options or ():
        name = str(row[0] or "").strip().lower()
        if len(row) != 2 or name not in chosen:
            raise InputError(
                "options", Phrase("must be name and value, of: {options}", options=", ".join(chosen)), row[0]
            )
        if not is_blank(row[1]):
            chosen[name] = needed_number(f"options, {name},", row[1])
    per_year = chosen["periods per year"]
    if per_year not in (1, 2, 3, 4, 6, 12):
        raise DomainError("options, periods per year,", "must be 1, 2, 3, 4, 6 or 12", per_year)
    deal = _small_deal(collections, tranches, int(12 / per_year), chosen)
    return deal, waterfall(apply(deal, BASE)), chosen


@KMV_WATERFALL.explain
def _waterfall_steps(collections: Array, tranches: Rows, options: Rows | None) -> Iterator[Step]:
    """The first date: what there is, whom it pays in turn, what is left."""
    deal, flow, chosen = _paid(collections, tranches, options)
    yield Step("Collections", "of the first date", collections[0])
    yield Step("Drawn from the reserve", "for what the senior classes still miss", flow.reserve_drawn[0])
    fees = f"first of all: senior fees x amount of all tranches / {chosen['periods per year']:g}"
    yield Step("Senior fees paid", fees, flow.fees_paid[0])
    for k in np.argsort([t.rank for t in deal.tranches], kind="stable").tolist():
        name = deal.tranches[k].name
        interest = f"amount x coupon / {chosen['periods per year']:g}"
        yield Step(f"{name}: interest due", interest, flow.interest_due[k, 0])
        yield Step(f"{name}: interest paid", "from what better ranks leave", flow.interest_paid[k, 0])
        principal = f"by payment type: {deal.tranches[k].payment}"
        yield Step(f"{name}: principal due", principal, flow.principal_due[k, 0])
        yield Step(f"{name}: principal paid", "from what is left", flow.principal_paid[k, 0])
        yield Step(f"{name}: missed", "due less paid", flow.missed[k, 0])
        yield Step(f"{name}: balance", "amount - principal paid", flow.balance[k, 0])
    yield Step("Put into the reserve", "up to its size", flow.reserve_topped[0])
    yield Step("Released from the reserve", "what it no longer needs to hold", flow.reserve_released[0])
    yield Step("Kept in the account", "for later dates", flow.account[0])
    left = "collections + drawn + released - fees - interest - principal - put in - kept"
    yield Step("Left to the residual", left, flow.residual[0])


def _small_deal(collections: Array, tranches: Rows, months: int, chosen: Mapping[str, float]) -> Deal:
    """A deal of one obligor that cannot default, its dates `months` apart."""
    from xlkmv.deal.terms import Controls, Deal, Pool, Terms, Tranche

    columns = [c for c in zip(*tranches, strict=True) if not all(map(is_blank, c))]
    headings = [str(c[0] or "").strip().lower() for c in columns]
    wanted = ["tranche", "rank", "amount", "coupon", "payment type"]
    if sorted(headings) != sorted(wanted) or len(tranches) < 2:
        # A column that is not known, or comes twice, would count for nothing.
        twice = {h for h in headings if headings.count(h) > 1}
        odd = [c[0] for c, h in zip(columns, headings, strict=True) if h in twice or h not in wanted]
        raise InputError(
            "tranches",
            Phrase(
                "must have the headings {options}, each once and no other, and a row below",
                options=", ".join(wanted),
            ),
            odd[0] if odd else tranches[0],
        )
    steps = [months * (k + 1) for k in range(len(collections))]
    dates = tuple(dt.date(2000 + m // 12, m % 12 + 1, 1) for m in steps)
    rows = []
    for row in zip(*(c[1:] for c in columns), strict=True):
        cell = dict(zip(headings, row, strict=True))
        numbers = {w: needed_number(f"tranches, {w},", cell[w]) for w in ("rank", "amount", "coupon")}
        rows.append(
            Tranche(
                needed_text("tranches, a name,", cell["tranche"]),
                numbers["rank"],  # type: ignore[arg-type]  # that it is whole is the tranche's rule
                numbers["amount"],
                numbers["coupon"],
                str(cell["payment type"] or "").strip().lower(),
                dates[-1],
            )
        )
    financed, none = np.array(float(collections.sum()) or 1.0), np.zeros(())
    pool = Pool(("Pool",), financed, collections[None, :], none, none, none, none)
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
def KMV_COVENANT(
    values: Array,
    threshold: float,
    volatility: float,
    periods_per_year: float = 4.0,
    drift: float = 0.0,
    side: str = "min",
) -> Any:
    path, times = _tested(values, threshold, volatility, periods_per_year, drift, side)
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


def _tested(
    values: Array, threshold: float, volatility: float, per_year: float, drift: float, side: str
) -> tuple[CovenantPath, Array]:
    from xlkmv.deal.plan.covenants import covenant_path

    times = plan.payment_times(len(values), per_year)
    return covenant_path(values, threshold, volatility, times, drift, side), times


@KMV_COVENANT.explain
def _covenant_steps(
    values: Array, threshold: float, volatility: float, periods_per_year: float, drift: float, side: str
) -> Iterator[Step]:
    """The first date in full, and the last of the any-date probabilities."""
    path, times = _tested(values, threshold, volatility, periods_per_year, drift, side)
    floor, t = side == "min", times[0]
    growth, deviation = (drift - 0.5 * volatility**2) * t, volatility * np.sqrt(t)
    yield Step("Years to the first date", "t = 1 / periods per year", t)
    yield Step("Headroom", "value - threshold" if floor else "threshold - value", path.headroom[0])
    yield Step("Status", "ok while the headroom is not below 0", path.status[0])
    if values[0] > 0.0:
        yield Step("Log ratio", "ln(value/threshold)", np.log(values[0] / threshold))
    yield Step("Growth of ln value", "(mu - sigma^2/2) t", growth)
    yield Step("Standard deviation of ln value", "sigma sqrt(t)", deviation)
    if np.isfinite(path.distance[0]):
        formula = "[ln(value/threshold) + (mu - sigma^2/2) t] / (sigma sqrt(t))"
        yield Step("Distance to breach", formula if floor else f"-{formula}", path.distance[0])
    yield Step("Probability of a breach", "N(-distance)", path.probability[0])
    yield Step(
        "Any-date probability at the last date",
        "P(breach on at least one date), by quadrature",
        path.anydate_probability[-1],
    )
