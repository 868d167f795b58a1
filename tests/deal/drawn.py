"""Plans drawn at random, with every term that a deal can say, and paths of what comes in."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, fields, replace

import numpy as np
from hypothesis import strategies as st
from twin import Path

from xlkmv.deal.plan.stressed import Stressed
from xlkmv.deal.plan.waterfall import waterfall
from xlkmv.deal.stress import Stress, apply
from xlkmv.deal.terms import (
    USUAL_RECOVERY,
    Controls,
    Covenant,
    Curve,
    Deal,
    Loans,
    Pool,
    Recoveries,
    Terms,
    Tranche,
    payment_dates,
)

CLOSING = dt.date(2020, 1, 1)
TESTS = {
    "coverage": ("min", (0.3, 1.5)),
    "period DSCR": ("min", (0.3, 1.5)),
    "cumulative default ratio": ("max", (0.1, 0.9)),
    "largest obligor share": ("max", (0.1, 0.9)),
    "reserve ratio": ("min", (0.2, 0.95)),
    "overcollateralisation": ("min", (-0.2, 0.4)),
    "pool factor": ("min", (0.1, 0.9)),
}
RANKS = ((1,), (1, 2), (1, 1), (1, 2, 3), (1, 1, 2), (1, 2, 2), (1, 2, 3, 4), (1, 2, 2, 3))
WORDS = ("with collections", "straight-line", "bullet", "schedule", "pass-through", "pass-through")


@st.composite
def classes(draw, dates, size):
    """One to four classes of every payment type, about as large as the pool together."""
    ranks = draw(st.sampled_from(RANKS))
    marked = draw(st.one_of(st.none(), st.sampled_from(sorted(set(ranks)))))
    share = draw(st.floats(0.4, 1.3)) * size / len(ranks)
    out = []
    for i, rank in enumerate(ranks):
        kind = draw(st.sampled_from(WORDS))
        amount = share * draw(st.floats(0.5, 1.5))
        maturity = draw(st.sampled_from(dates))
        terms = {}
        if kind == "schedule":
            parts = np.array([draw(st.floats(0.0, 1.0)) for _ in dates]) + 1e-3
            parts[dates.index(maturity) + 1 :] = 0.0
            terms["schedule"] = tuple((amount * parts / parts.sum()).tolist())
        if draw(st.booleans()):
            terms["legal_final"] = maturity + dt.timedelta(days=draw(st.sampled_from([0, 20, 400, 4000])))
        if draw(st.booleans()):
            terms |= {"base": "base", "margin": draw(st.floats(-0.02, 0.05))}
            terms["cap"] = draw(st.one_of(st.none(), st.floats(0.03, 0.06)))
            terms["floor"] = draw(st.one_of(st.none(), st.floats(0.0, 0.03)))
        if kind == "pass-through" and draw(st.booleans()):
            maturity = None
        coupon = draw(st.sampled_from([0.0, 0.03, 0.08]))
        senior = None if marked is None else rank <= marked
        out.append(
            Tranche(
                f"T{i}",
                rank,
                amount,
                coupon,
                kind,
                maturity,
                True,
                senior=senior,
                deferrable=draw(st.booleans()),
                **terms,
            )
        )
    return tuple(out)


@st.composite
def all_controls(draw):
    """Switches, and the reserve and the undertaking in all their units."""
    names = ("subordination", "excess_coverage", "reserve", "support", "triggers")
    unit = draw(st.sampled_from(["periods", "money", "of pool"]))
    sizes = {"periods": [0.0, 0.5, 2.0], "money": [0.0, 7.0, 40.0], "of pool": [0.0, 0.05, 0.2]}
    cap = draw(st.sampled_from([None, 0.0, 0.05, 0.3]))
    cap_unit = draw(st.sampled_from(["money", "of notes"]))
    return Controls(
        **{name: draw(st.sampled_from([True, True, False])) for name in names},
        reserve_unit=unit,
        reserve_size=draw(st.sampled_from(sizes[unit])),
        reserve_floor=draw(st.sampled_from([0.0, 0.03])),
        reserve_funding=draw(st.sampled_from(["cash", "built up"])),
        support_cap=cap if cap is None or cap_unit == "of notes" else 100.0 * cap,
        support_cap_unit=cap_unit,
    )


@st.composite
def covenants(draw):
    """Up to three tests with any consequence."""
    out = []
    for i in range(draw(st.integers(0, 3))):
        metric = draw(st.sampled_from(sorted(TESTS)))
        side, bounds = TESTS[metric]
        word = draw(st.sampled_from(["none", "trap", "turbo", "sequential", "amortise"]))
        out.append(Covenant(f"c{i}", metric, side, draw(st.floats(*bounds)), word))
    return tuple(out)


@st.composite
def drawn_recoveries(draw, rows):
    """Row by row a rate, a spread about it or a pledge; None where all are rates."""
    kinds = [draw(st.sampled_from(["rate", "rate", "spread", "pledge"])) for _ in range(rows)]
    if {*kinds} == {"rate"}:
        return None
    among = {
        "spread": ("spread", (0.05, 0.4)),
        "pledge": ("pledge", (1.0, 90.0)),
        "pledge_volatility": ("pledge", (0.0, 0.4)),
        "pledge_growth": ("pledge", (-0.1, 0.1)),
        "sale_discount": ("pledge", (0.0, 0.5)),
    }
    columns = {
        name: [draw(st.floats(*bounds)) if k == kind else USUAL_RECOVERY[name] for k in kinds]
        for name, (kind, bounds) in among.items()
    }
    tie = [0.0 if kind == "rate" else draw(st.floats(-0.9, 0.9)) for kind in kinds]
    return Recoveries(**columns, tie=tie)


def some_pool(dates, loans, rows, drawn=None):
    """Claims by loan terms or as a schedule, one to three rows that are not alike."""
    n = len(dates)
    amount = np.array([50.0, 90.0, 30.0])[:rows]
    schedule = np.array([[1.3 / n], [1.1 / n], [1.0 / n]])[:rows] * amount[:, None] * np.ones(n)
    schedule *= np.linspace(1.2, 0.8, n)[None, :] if rows > 1 else 1.0
    terms = None
    if loans:
        on = np.arange(rows) % 2 == 0
        schedule[on] = 0.0
        every = 12 * (dates[0].year - CLOSING.year) + dates[0].month - CLOSING.month
        term = np.where(on, float(every * max(n - 1, 1)), np.nan)
        terms = Loans(term, 0.06, ("annuity", "annuity", "linear")[:rows], payments_per_year=12.0 / every)
    names = tuple(f"Obligor {i}" for i in range(rows))
    return Pool(
        names, amount, schedule, [0.1, 0.05, 0.2][:rows], 0.4, 0.5, 0.2, loans=terms, recoveries=drawn
    )


@st.composite
def deals(draw, most=6, recoveries=True, **fixed):
    """A deal; `fixed` are terms that are not to be drawn, `recoveries` whether some may be."""
    n = draw(st.integers(1, most))
    dates = payment_dates(CLOSING, draw(st.sampled_from(["quarter", "half-year", "year"])), n)
    rows = draw(st.integers(1, 3))
    drawn = draw(st.one_of(st.none(), drawn_recoveries(rows))) if recoveries else None
    pool = some_pool(dates, draw(st.booleans()), rows, drawn)
    rates = [draw(st.floats(-0.02, 0.08)) for _ in range(3)]
    curve = Curve("base", (CLOSING, dt.date(2020, 8, 1), dt.date(2022, 1, 1)), tuple(rates))
    revolving = draw(st.sampled_from([None, None, *dates[:-1]]))
    terms = {
        "fee_rate": draw(st.sampled_from([0.0, 0.01])),
        "fee_amount": draw(st.sampled_from([0.0, 0.7])),
        "fee_base": draw(st.sampled_from(["notes", "pool"])),
        "principal": draw(st.sampled_from(["sequential", "pro rata"])),
        "interest": draw(st.sampled_from(["by rank", "first"])),
        "accounts": draw(st.sampled_from(["one", "two"])),
        "oc_target": draw(st.sampled_from([None, 0.0, 0.1, 0.3, "all"])),
        "oc_floor": draw(st.sampled_from([0.0, 0.05])),
        "cleanup": draw(st.sampled_from([0.0, 0.1, 0.5])),
        "cure": draw(st.booleans()),
        "revolving": revolving,
    } | fixed
    size = float(pool.amount.sum())
    return Deal(
        pool,
        draw(classes(dates, size)),
        Terms(CLOSING, dates, curves=(curve,), **terms),
        draw(all_controls()),
        draw(covenants()),
    )


def path_of(deal, rng):
    """What happens on one path: the pool runs off, some of it defaults, some comes back late."""
    n, size = len(deal.terms.dates), float(deal.pool.amount.sum())
    until = (
        -1 if deal.terms.revolving is None else sum(d <= deal.terms.revolving for d in deal.terms.dates) - 1
    )
    path = Path([], [], [], [], [], (np.arange(n) < rng.integers(0, n + 1)).tolist(), [], [])
    balance, gone = size, 0.0
    for k in range(n):
        lost = balance * float(rng.choice([0.0, 0.1, 0.5]) * rng.random())
        performing = balance - lost
        repaid = performing * float(rng.choice([rng.random(), rng.random() * 0.3, 1.0], p=[0.5, 0.4, 0.1]))
        bought = repaid * float(rng.random()) if k <= until else 0.0
        back = gone * 0.3 * float(rng.random())
        interest = performing * 0.1 * float(rng.random())
        gone += lost
        balance = performing - repaid + bought
        path.outstanding.append(performing)
        path.principal.append(repaid - bought + back)
        path.cash.append(path.principal[-1] + interest)
        path.balance.append(balance)
        path.purchases.append(bought)
        path.default_ratio.append(min(gone / size, 1.0))
        path.largest_share.append(float(rng.random()))
    return path


@dataclass
class Drawn:
    """A deal, its plan, and some paths."""

    deal: Deal
    plan: Stressed
    paths: list[Path]

    def waterfall(self, **change):
        """Pay all paths at once; `change` replaces figures of the paths, shape (paths, dates)."""
        return pay(self.plan, self.paths, **change)


def pay(plan, paths, **change):
    """Pay some paths through the waterfall of a plan."""
    given = {f.name: np.array([getattr(p, f.name) for p in paths]) for f in fields(Path)} | change
    given["collections"], given["support_alive"] = given.pop("cash"), given.pop("alive")
    return waterfall(plan, **given)


@st.composite
def plans(draw, paths=4, **fixed):
    """A deal drawn by :func:`deals`, its plan, and paths."""
    deal = draw(deals(**fixed))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    plan = apply(deal, Stress("drawn", rate_shift=draw(st.sampled_from([0.0, 0.01]))))
    return Drawn(deal, plan, [path_of(deal, rng) for _ in range(paths)])


def scaled(deal, unit):
    """The same deal in another unit of money."""
    pool, c = deal.pool, deal.controls
    money = {"amount": pool.amount * unit, "schedule": pool.schedule * unit}
    if pool.recoveries is not None:
        money["recoveries"] = replace(pool.recoveries, pledge=pool.recoveries.pledge * unit)
    notes = (
        replace(t, amount=t.amount * unit, schedule=tuple(x * unit for x in t.schedule))
        for t in deal.tranches
    )
    controls = replace(
        c,
        reserve_size=c.reserve_size * (unit if c.reserve_unit == "money" else 1.0),
        support_cap=c.support_cap * unit
        if c.support_cap and c.support_cap_unit == "money"
        else c.support_cap,
    )
    terms = replace(deal.terms, fee_amount=deal.terms.fee_amount * unit)
    return replace(deal, pool=replace(pool, **money), tranches=tuple(notes), terms=terms, controls=controls)
