"""A deal refuses what is wrong, by name, value and rule, and lists every fault of a table at once."""

from __future__ import annotations

import datetime as dt
import math
import pickle
from dataclasses import FrozenInstanceError, replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlkmv.deal.plan.waterfall import waterfall
from xlkmv.deal.stress import BASE, apply
from xlkmv.deal.terms import (
    CONTROLS,
    METRICS,
    Controls,
    Covenant,
    Curve,
    Deal,
    Loans,
    Pool,
    Terms,
    Tranche,
    column_faults,
    covenant_faults,
    curve_faults,
    graded,
    loan_faults,
    months_after,
    payment_dates,
    pool_faults,
    scale_faults,
    status_faults,
    terms_faults,
    tranche_faults,
    year_fraction,
)
from xlkmv.errors import DomainError, InputError

DATES = (dt.date(2020, 4, 15), dt.date(2020, 7, 15))
POOL = {
    "name": ("A", "B"),
    "amount": (70.0, 30.0),
    "schedule": [[40.0, 30.0], [20.0, 10.0]],
    "pd": 0.01,
    "recovery": 0.4,
    "lag": 0.5,
    "correlation": 0.2,
}
TRANCHE = {"name": "S", "rank": 1, "amount": 90.0, "coupon": 0.04, "payment": "bullet", "maturity": DATES[1]}
TERMS = {"closing": dt.date(2020, 1, 15), "dates": DATES}
COVENANT = {"name": "C", "metric": "coverage", "side": "min", "threshold": 1.0, "consequence": "trap"}
nan = math.nan


def refused(build, kind, message):
    with pytest.raises(InputError, match=message) as error:
        build()
    assert type(error.value) is kind


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"amount": (70.0, 0.0)}, DomainError, r"^pool 'B' amount must be > 0 \(got 0\)$"),
        ({"pd": (0.1, 1.0)}, DomainError, r"^pool 'B' pd must be >= 0 and < 1 .*\(got 1\)$"),
        ({"pd": (2.0, 0.1)}, DomainError, r"^pool 'A' pd must be >= 0 and < 1 .*\(got 2\)$"),
        ({"pd": nan}, DomainError, r"^pool 'A' pd must be .*\(got nan\)$"),
        ({"pd": "high"}, InputError, r"^pool pd must be a number \(got 'high'\)$"),
        ({"pd": (0.1, 0.2, 0.3)}, InputError, r"^pool pd must have one value per obligor \(2\)"),
        ({"recovery": (0.4, 40.0)}, DomainError, r"^pool 'B' recovery must be between 0 and 1 .*\(got 40\)$"),
        ({"lag": (31.0, 0.0)}, DomainError, r"^pool 'A' lag must be between 0 and 30 \(years\) \(got 31\)$"),
        ({"correlation": 1.0}, DomainError, r"^pool 'A' correlation must be >= 0 and < 1 .*\(got 1\)$"),
        ({"correlation": -0.1}, DomainError, r"^pool 'A' correlation must be >= 0 and < 1 .*\(got -0.1\)$"),
        ({"schedule": [[1.0, -5.0], [1, 1]]}, DomainError, r"^pool 'A' date 2 must be >= 0 \(got -5\)$"),
        ({"schedule": [[1.0, nan], [1, 1]]}, DomainError, r"^pool 'A' date 2 must be >= 0 \(got nan\)$"),
        ({"schedule": [[1.0, 2.0]]}, InputError, r"^pool schedule must have one row per obligor \(2\)"),
        ({"schedule": [1.0, 2.0]}, InputError, r"^pool schedule must have one row per obligor \(2\)"),
        ({"schedule": [[1.0, 2.0], [1.0]]}, InputError, r"^pool schedule must be a number"),
        ({"name": ("A", "A")}, InputError, r"^pool 'A' name is there twice"),
        ({"name": ()}, InputError, r"^pool name the pool needs at least one obligor"),
        ({"industry": ("x",)}, InputError, r"^pool industry must have one value per obligor \(2\)"),
    ],
)
def test_pool_refuses(change, kind, message):
    refused(lambda: Pool(**{**POOL, **change}), kind, message)


def test_pool():
    given = np.array(POOL["schedule"])
    pool = Pool(**{**POOL, "schedule": given})
    np.testing.assert_array_equal(pool.pd, [0.01, 0.01])
    np.testing.assert_array_equal(pool.collections, [60.0, 40.0])
    np.testing.assert_array_equal(pool.share, [0.7, 0.3])
    assert pool.industry == ("", "")
    given[0, 0] = -1.0  # what the caller does later to its own array changes nothing
    assert pool.schedule[0, 0] == 40.0
    with pytest.raises(FrozenInstanceError):
        pool.pd = 0.5
    # Late payments may leave an obligor with nothing to pay within the plan.
    assert Pool(**{**POOL, "schedule": [[0.0, 0.0], [1.0, 1.0]]}).collections.sum() == 2.0


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"rank": 0}, DomainError, r"^tranche 'S' rank must be a whole number from 1 on \(got 0\)$"),
        ({"rank": 1.5}, DomainError, r"^tranche 'S' rank must be a whole number from 1 on \(got 1.5\)$"),
        ({"amount": -1.0}, DomainError, r"^tranche 'S' amount must be > 0 \(got -1\)$"),
        ({"amount": nan}, DomainError, r"^tranche 'S' amount must be > 0 \(got nan\)$"),
        ({"amount": "much"}, InputError, r"^tranche .S. amount must be a number"),
        ({"coupon": 4.0}, DomainError, r"^tranche 'S' coupon must be between 0 and 1 .*\(got 4\)$"),
        (
            {"payment": "balloon"},
            InputError,
            r"^tranche 'S' payment must be one of: with .*\(got 'balloon'\)$",
        ),
        ({"payment": None}, InputError, r"^tranche 'S' payment must be one of: .*\(got blank\)$"),
    ],
)
def test_tranche_refuses(change, kind, message):
    refused(lambda: Tranche(**{**TRANCHE, **change}), kind, message)


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (
            {"reserve_size": -1.0},
            DomainError,
            r"^control reserve size must be >= 0 .*-1\)$",
        ),
        ({"support_pd": 1.1}, DomainError, r"^control support pd must be between 0 and 1 .*\(got 1.1\)$"),
        ({"support_pd": nan}, DomainError, r"^control support pd must be .*\(got nan\)$"),
        ({"repurchase_share": 25.0}, DomainError, r"^control repurchase share must be .*\(got 25\)$"),
        ({"unpledged_recovery": -0.1}, DomainError, r"^control unpledged recovery must be .*\(got -0.1\)$"),
    ],
)
def test_controls_refuse(change, kind, message):
    refused(lambda: Controls(**change), kind, message)


def test_controls_without():
    off = Controls().without("reserve", "pledge")
    assert [name for name in CONTROLS if not getattr(off, name)] == ["reserve", "pledge"]
    assert Controls().without() == Controls()
    refused(lambda: Controls().without("hope"), InputError, r"^control must be one of .*\(got 'hope'\)$")


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"fee_rate": 2.0}, DomainError, r"^terms fee rate must be between 0 and 1 .*\(got 2\)$"),
        ({"fee_rate": "x"}, InputError, r"^terms fee rate must be a number \(got 'x'\)$"),
        ({"fee_rate": None}, InputError, r"^terms fee rate must be .*\(got blank\)$"),
        ({"volatility": 25.0}, DomainError, r"^terms volatility must be > 0 and <= 5 .*\(got 25\)$"),
        ({"drift": 2.0}, DomainError, r"^terms drift must be between -1 and 1 .*\(got 2\)$"),
        (
            {"support_correlation": 1.0},
            DomainError,
            r"^terms support correlation must be >= 0 and < 1 .*1\)$",
        ),
        (
            {"paths": 99},
            DomainError,
            r"^terms paths must be a whole number from 100 to 10,000,000 \(got 99\)$",
        ),
        ({"paths": 1000.5}, DomainError, r"^terms paths must be a whole number .*\(got 1000.5\)$"),
        ({"paths": math.inf}, DomainError, r"^terms paths must be a whole number .*\(got inf\)$"),
        ({"seed": -1}, DomainError, r"^terms seed must be a whole number from 0 on \(got -1\)$"),
        (
            {"degrees_of_freedom": 2},
            DomainError,
            r"^terms degrees of freedom must be .* 3 to 1000 \(got 2\)$",
        ),
        ({"industry_correlation": -0.1}, DomainError, r"^terms industry correlation must be .*\(got -0.1\)$"),
        ({"prepayment": 5.0}, DomainError, r"^terms prepayment must be between 0 and 1 .*\(got 5\)$"),
        (
            {"day_count": "Act/Act"},
            InputError,
            r"^terms day count must be one of: 30/360, Act/365, Act/360 \(got 'A",
        ),
        (
            {"volatility_source": "guess"},
            InputError,
            r"^terms volatility source must be one of: implied, user",
        ),
        ({"copula": "clayton"}, InputError, r"^terms copula must be one of: gaussian, t \(got 'clayton'\)$"),
        ({"principal": "none"}, InputError, r"^terms principal must be one of: sequential, pro rata"),
        ({"dates": ()}, InputError, r"^terms dates the plan needs at least one payment date"),
        ({"dates": DATES[::-1]}, InputError, r"^terms dates payment dates must increase \(2020-07-15 comes"),
        ({"dates": (DATES[0], DATES[0])}, InputError, r"^terms dates payment dates must increase"),
        (
            {"closing": DATES[0]},
            InputError,
            r"^terms dates must be after the closing date \(2020-04-15 comes",
        ),
        (
            {"closing": dt.date(2020, 1, 30), "dates": (dt.date(2020, 1, 31),)},
            InputError,
            r"^terms dates is not later than 2020-01-30 by the day count: 30/360 sees no day between",
        ),
    ],
)
def test_terms_refuse(change, kind, message):
    refused(lambda: Terms(**{**TERMS, **change}), kind, message)


def test_times():
    np.testing.assert_allclose(Terms(**TERMS).times, [0.25, 0.5], rtol=1e-15)
    np.testing.assert_allclose(Terms(**TERMS, day_count="Act/365").times, [91 / 365, 182 / 365], rtol=1e-15)
    Terms(dt.date(2020, 1, 30), (dt.date(2020, 1, 31),), day_count="Act/365")  # one day is one day


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        ((2019, 9, 11), (2019, 12, 11), 90),
        ((2019, 9, 11), (2024, 9, 11), 1800),
        ((2007, 1, 15), (2007, 1, 30), 15),
        ((2007, 9, 30), (2008, 3, 31), 180),  # both ends count as the 30th
        ((2008, 2, 29), (2009, 2, 28), 359),  # February is not stretched in 30E/360
        ((2007, 2, 28), (2007, 3, 5), 7),
        ((2007, 10, 31), (2007, 11, 28), 28),
    ],
)
def test_30e_360(start, end, days):
    assert year_fraction(dt.date(*start), dt.date(*end)) == pytest.approx(days / 360, abs=1e-15)


def test_unknown_day_count():
    with pytest.raises(
        InputError, match=r"^day_count must be one of: 30/360, Act/365, Act/360 \(got '30/365'\)$"
    ):
        year_fraction(*DATES, "30/365")


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"metric": "mood"}, InputError, r"^covenant 'C' metric must be one of: coverage, .*\(got 'mood'\)$"),
        ({"side": "both"}, InputError, r"^covenant 'C' side must be one of: min, max \(got 'both'\)$"),
        ({"consequence": "jail"}, InputError, r"^covenant 'C' consequence must be one of: none, trap, turbo"),
        ({"threshold": nan}, DomainError, r"^covenant 'C' threshold must be a number \(got nan\)$"),
        (
            {"metric": "overcollateralisation", "threshold": 104.0},
            DomainError,
            r"0.03846 for claims of 1.04 x the notes \(got 104\)$",
        ),
        (
            {"metric": "overcollateralisation", "threshold": 1.04},
            DomainError,
            r"must be at most 1: .*/claims, 0.03846 for claims of 1.04 x the notes \(got 1.04\)$",
        ),
        ({"threshold": math.inf}, DomainError, r"^covenant 'C' threshold must be a number \(got inf\)$"),
    ],
)
def test_covenant_refuses(change, kind, message):
    refused(lambda: Covenant(**{**COVENANT, **change}), kind, message)


# ------------------------------------------------------------------------------ the whole deal


def deal(**change):
    parts = {"pool": Pool(**POOL), "tranches": (Tranche(**TRANCHE),), "terms": Terms(**TERMS)}
    return Deal(**{**parts, **change})


def tranche(name, rank, **change):
    return Tranche(**{**TRANCHE, "name": name, "rank": rank, **change})


RANKS = st.lists(st.tuples(st.sampled_from([1.0, 2.0, math.nan]), st.booleans()), min_size=1, max_size=8)


@given(RANKS)
def test_a_rank_is_shared_only_by_classes_that_all_say_so(classes):
    """In one pass, as by comparing every two classes."""
    rows = [
        SimpleNamespace(**{**TRANCHE, "name": f"T{k}", "rank": rank, "pari_passu": shared, "senior": None})
        for k, (rank, shared) in enumerate(classes)
    ]
    found = [f.row for f in tranche_faults(rows, ()) if f.column == "rank"]
    assert found == [
        k
        for k, (rank, shared) in enumerate(classes)
        if any(rank == other and not (shared and too) for other, too in classes[:k])
    ]


def test_deal_orders_by_rank():
    built = deal(tranches=(tranche("J", 2), tranche("S", 1)), covenants=[Covenant(**COVENANT)])
    assert [t.name for t in built.tranches] == ["S", "J"]
    assert built.tranches[0].name == "S" and isinstance(built.covenants, tuple)


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (
            {"pool": Pool(**{**POOL, "schedule": [[1.0], [1.0]]})},
            InputError,
            r"^schedule must have one column per payment date \(2\) \(got 1\)$",
        ),
        ({"tranches": ()}, InputError, "^tranche name the plan needs at least one tranche"),
        (
            {"tranches": (tranche("S", 1), tranche("T", 1))},
            DomainError,
            r"^tranche 'T' rank is there twice: only tranches that are all marked pari passu .*\(got 1\)$",
        ),
        (
            {"tranches": (tranche("S", 1, pari_passu=True), tranche("T", 1))},
            DomainError,
            "^tranche 'T' rank is there twice",
        ),
        ({"tranches": (tranche("S", 1), tranche("S", 2))}, InputError, "^tranche 'S' name is there twice"),
        (
            {"tranches": (tranche("S", 1, maturity=dt.date(2020, 7, 16)),)},
            InputError,
            r"^tranche 'S' maturity must be one of the payment dates \(got 2020-07-16\)$",
        ),
        (
            {"covenants": (Covenant(**COVENANT), Covenant(**COVENANT))},
            InputError,
            r"^covenant 'C' name is there twice: every test needs a name of its own",
        ),
    ],
)
def test_deal_refuses(change, kind, message):
    refused(lambda: deal(**change), kind, message)


def test_marked_tranches_share_a_rank():
    built = deal(tranches=(tranche("S", 1, pari_passu=True), tranche("T", 1, pari_passu=True)))
    assert len(built.tranches) == 2


# ------------------------------------------------------- tables: every fault at once, reported cells apart


def seen(faults):
    return [(f.part, f.row, f.column, f.value) for f in faults]


def test_every_fault_of_a_pool_and_none_for_reported_cells():
    columns = {"amount": np.array([-1.0, nan, 3.0]), "pd": np.array([0.1, 1.0, 25.0])}
    schedule = np.array([[1.0, nan], [0.0, 0.0], [-2.0, 5.0]])
    assert seen(pool_faults(("A", "B", "A"), columns, schedule, ("2020-04-15", "2020-07-15"))) == [
        ("pool", 2, "name", "A"),
        ("pool", 0, "amount", -1.0),
        ("pool", 1, "pd", 1.0),
        ("pool", 2, "pd", 25.0),
        ("pool", 2, "2020-04-15", -2.0),
        ("pool", 1, "2020-04-15", 0.0),
    ]


def test_column_faults_pass_over_blanks_only():
    assert seen(column_faults("tranche", "rank", [1.0, nan, 1.5, 0.0])) == [
        ("tranche", 2, "rank", 1.5),
        ("tranche", 3, "rank", 0.0),
    ]
    assert len(seen(column_faults("tranche", "rank", [nan], settled=True))) == 1


def test_every_fault_of_the_other_tables():
    blank = SimpleNamespace(
        name="S", rank=nan, amount=nan, coupon=nan, payment=None, maturity=None, pari_passu=False
    )
    wrong = SimpleNamespace(
        name="S",
        rank=2.0,
        amount=-1.0,
        coupon=4.0,
        payment="x",
        maturity=dt.date(2000, 1, 1),
        pari_passu=False,
    )
    assert [f[1:3] for f in seen(tranche_faults([blank, wrong], DATES))] == [
        (1, "amount"),
        (1, "coupon"),
        (1, "name"),
        (1, "payment"),
        (1, "maturity"),
    ]
    given = Terms(**TERMS)
    fields = {name: getattr(given, name) for name in given.__dataclass_fields__}
    assert not seen(terms_faults(SimpleNamespace(**{**fields, "fee_rate": None, "copula": None})))
    many = SimpleNamespace(**{**fields, "fee_rate": 2.0, "paths": 1, "copula": "x", "dates": DATES[::-1]})
    assert [f[2] for f in seen(terms_faults(many))] == ["fee_rate", "paths", "copula", "dates"]
    rows = [
        SimpleNamespace(name="C", metric=None, side=None, threshold=nan, consequence=None),
        SimpleNamespace(name="C", metric="x", side="x", threshold=1e13, consequence="x"),
    ]
    assert [f[1:3] for f in seen(covenant_faults(rows))] == [
        (1, "threshold"),
        (1, "name"),
        (1, "metric"),
        (1, "side"),
        (1, "consequence"),
    ]


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_is_accepted(metric):
    assert replace(Covenant(**COVENANT), metric=metric).metric == metric


def test_whole_amounts_are_paid_like_any(build):
    tranches = [(Tranche("S", 1, a, c, "bullet", dt.date(2023, 1, 1)),) for a, c in ((90, 0), (90.0, 0.0))]
    whole, real = (waterfall(apply(build(tranches=t), BASE)) for t in tranches)
    np.testing.assert_array_equal(whole.principal_paid, real.principal_paid)


def test_a_switch_is_true_or_false():
    with pytest.raises(InputError, match=r"control reserve must be True or False.*no"):
        Controls(reserve="no")


# --------------------------------------------------------------------------------- terms of any deal


LOANS = {"term": (24.0, nan), "rate": (0.05, nan)}
BY_TERMS = {**POOL, "schedule": [[0.0, 0.0], [20.0, 10.0]]}
PASSED = {"name": "P", "rank": 1, "amount": 90.0, "coupon": 0.04, "payment": "pass-through"}
SCHEDULED = {**TRANCHE, "payment": "schedule", "schedule": (40.0, 50.0)}
CURVE = Curve("LPR", (dt.date(2020, 1, 1),), (0.03,))


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (
            {"term": (0.0, nan)},
            DomainError,
            r"^pool term must be a whole number of months from 1 to 1200 .*0",
        ),
        ({"term": (6.5, nan)}, DomainError, r"^pool term must be a whole number of months .*\(got 6.5\)$"),
        (
            {"term": (math.inf, nan)},
            DomainError,
            r"^pool term must be a whole number of months .*\(got inf\)$",
        ),
        ({"term": ("long", nan)}, InputError, r"^pool term must be a number"),
        ({"rate": (5.0, 0.0)}, DomainError, r"^pool rate must be between 0 and 1 .*\(got 5\)$"),
        ({"rate": nan}, DomainError, r"^pool rate must be between 0 and 1 .*\(got nan\)$"),
        ({"rate": (0.1, 0.1, 0.1)}, InputError, r"^pool rate must have one value per row \(2\) .*\(3,\)"),
        ({"margin": -2.0}, DomainError, r"^pool margin must be between -1 and 1 .*\(got -2\)$"),
        (
            {"age": 1.5},
            DomainError,
            r"^pool age must be a whole number of months from 0 to 1200 \(got 1.5\)$",
        ),
        (
            {"amortisation": ("balloon", "")},
            InputError,
            r"^pool amortisation must be one of: annuity, linear, bullet, interest-only \(got 'balloon'\)$",
        ),
        ({"amortisation": ("annuity",)}, InputError, r"^pool amortisation must have one value per row \(2\)"),
        (
            {"first": (None,)},
            InputError,
            r"^pool first must have one value per row \(2\) \(got '1 values'\)$",
        ),
        ({"payments_per_year": 3.0}, DomainError, r"^pool payments per year must be 1, 2, 4, 6 or 12 .*3\)$"),
        ({"payments_per_year": 24.0}, DomainError, r"^pool payments per year must be 1, 2, 4, .*\(got 24\)$"),
        (
            {"term": (25.0, nan), "payments_per_year": 4.0},
            DomainError,
            r"^pool term must be a whole number of payment periods \(3 months each\) \(got 25\)$",
        ),
        (
            {"interest_only": 24.0, "amortisation": ("interest-only", "annuity")},
            DomainError,
            r"^pool interest only must be shorter than the remaining term \(24 months\) \(got 24\)$",
        ),
        (
            {"interest_only": 5.0, "amortisation": ("interest-only", "annuity"), "payments_per_year": 2.0},
            DomainError,
            r"^pool interest only must be a whole number of payment periods \(6 months each\) \(got 5\)$",
        ),
    ],
)
def test_loans_refuse(change, kind, message):
    refused(lambda: Loans(**{**LOANS, **change}), kind, message)


def test_loans():
    loans = Loans(**LOANS)
    assert loans.given.tolist() == [True, False]
    assert loans.amortisation == ("annuity", "annuity") and loans.first == (None, None)
    np.testing.assert_array_equal(loans.payments_per_year, [12.0, 12.0])
    # Of a floating claim the rate is ignored; of a row with a schedule everything is.
    Loans((24.0, nan), (nan, 7.0), base=("LPR", ""))
    picked = loans.pick(np.array([1, 0, 0]))
    assert picked.given.tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (
            {"count": 0.0},
            DomainError,
            r"^pool 'A' count must be a whole number of obligors from 1 to 100,000 \(got 0\)$",
        ),
        ({"count": (1.0, 2.5)}, DomainError, r"^pool 'B' count must be a whole number of .*\(got 2.5\)$"),
        (
            {"count": (60_000.0, 60_000.0)},
            DomainError,
            r"the lines stand for 120,000 obligors: at most 100,000",
        ),
        ({"count": nan}, DomainError, r"^pool 'A' count must be a whole number of .*\(got nan\)$"),
        ({"count": (1.0,)}, InputError, r"^pool count must have one value per obligor \(2\)"),
        (
            {"loans": Loans((24.0,), 0.05)},
            InputError,
            r"^pool loans must have one row per obligor \(2\) \(got '1 rows'\)$",
        ),
        (
            {"loans": Loans((nan, 24.0), 0.05)},
            DomainError,
            r"^pool 'B' date 1 must be blank: the row has loan terms, from which its .*\(got 20\)$",
        ),
        (
            {"interest": [[1.0, 1.0]]},
            InputError,
            r"^pool interest must have the shape of the schedule \(2, 2\)",
        ),
        (
            {"interest": np.ones((2, 2))},
            InputError,
            r"^pool balance must not be blank: interest and balance come together \(got blank\)$",
        ),
        (
            {"interest": np.full((2, 2), nan), "balance": np.ones((2, 2))},
            InputError,
            r"^pool interest must be a number on every date$",
        ),
        (
            {"status": ("late", "sold")},
            InputError,
            r"^pool 'B' status must be one of: performing, late, defaulted, prepaid, .*'sold'\)$",
        ),
        (
            {"status": ("", "prepaid"), "since": (None, None)},
            InputError,
            r"^pool 'B' since a claim that is prepaid needs the date since when \(got blank\)$",
        ),
        ({"status": ("",)}, InputError, r"^pool status must have one value per obligor \(2\)"),
    ],
)
def test_claims_refuse(change, kind, message):
    refused(lambda: Pool(**{**BY_TERMS, **change}), kind, message)


def test_obligors_of_a_line_get_names_of_their_own():
    names = ("A", "A (2)", "A (3)", "B")
    pool = Pool(names, 10.0 * np.ones(4), np.ones((4, 2)), 0.1, 0.4, 0.5, 0.2, count=[3, 1, 1, 2])
    rows = np.array([0, 0, 0, 1, 2, 3, 3])
    apart = pool.pick(rows, 1.0 / pool.count[rows])
    assert apart.name == ("A", "A (4)", "A (5)", "A (2)", "A (3)", "B", "B (2)")
    np.testing.assert_allclose(apart.amount, [10 / 3] * 3 + [10.0, 10.0, 5.0, 5.0])
    assert apart.count is None and apart.obligors.tolist() == [1.0] * 7


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        (
            {**PASSED, "payment": "bullet"},
            InputError,
            r"^tranche 'P' maturity must not be blank: only pass-through classes need no maturity",
        ),
        (
            {**PASSED, "margin": 3.0},
            DomainError,
            r"^tranche 'P' margin must be between -1 and 1 .*\(got 3\)$",
        ),
        ({**PASSED, "cap": 1.5}, DomainError, r"^tranche 'P' cap must be between 0 and 1 .*\(got 1.5\)$"),
        (
            {**PASSED, "floor": -0.1},
            DomainError,
            r"^tranche 'P' floor must be between 0 and 1 .*\(got -0.1\)$",
        ),
        (
            {**PASSED, "base": "LPR", "cap": 0.02, "floor": 0.03},
            DomainError,
            r"^tranche 'P' cap must not be below the floor \(0.03\) \(got 0.02\)$",
        ),
        (
            {**TRANCHE, "legal_final": DATES[0]},
            InputError,
            r"^tranche 'S' legal final must not be before the expected maturity \(2020-07-15\)",
        ),
        (
            {**TRANCHE, "schedule": (40.0, 50.0)},
            InputError,
            r"^tranche 'S' payment has a schedule of principal: its payment type must be 'schedule'",
        ),
        (
            {**SCHEDULED, "schedule": (40.0, 49.0)},
            DomainError,
            r"^tranche 'S' schedule must sum to the amount of the class \(90\) \(got 89\)$",
        ),
        (
            {**SCHEDULED, "schedule": ()},
            DomainError,
            r"^tranche 'S' schedule must sum to the amount of the class",
        ),
        (
            {**SCHEDULED, "schedule": (-1.0, 91.0)},
            DomainError,
            r"^tranche 'S' schedule must be >= 0 on every date \(got -1\)$",
        ),
        (
            {**SCHEDULED, "schedule": (nan, 90.0)},
            DomainError,
            r"^tranche 'S' schedule must be >= 0 .*\(got nan\)$",
        ),
        (
            {**PASSED, "deferrable": "no"},
            InputError,
            r"^tranche 'P' deferrable must be True or False \(got 'no'\)$",
        ),
        ({**PASSED, "senior": 1}, InputError, r"^tranche 'P' senior must be True or False \(got 1\)$"),
        (
            {**PASSED, "pari_passu": None},
            InputError,
            r"^tranche 'P' pari passu must be True or False .*blank",
        ),
    ],
)
def test_a_class_refuses(given, kind, message):
    refused(lambda: Tranche(**given), kind, message)


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"support_cap": -1.0}, DomainError, r"^control support cap must be >= 0 .*\(got -1\)$"),
        ({"support_cap": nan}, DomainError, r"^control support cap must be >= 0 .*\(got nan\)$"),
        (
            {"support_cap_unit": "of pool"},
            InputError,
            r"^control support cap unit must be one of: money, of notes \(got 'of pool'\)$",
        ),
        (
            {"reserve_unit": "months"},
            InputError,
            r"^control reserve unit must be one of: periods, money, of pool \(got 'months'\)$",
        ),
        (
            {"reserve_funding": "later"},
            InputError,
            r"^control reserve funding must be one of: cash, built up \(got 'later'\)$",
        ),
        (
            {"reserve_floor": 1.2},
            DomainError,
            r"^control reserve floor must be between 0 and 1 .*\(got 1.2\)$",
        ),
        (
            {"reserve_unit": "of pool", "reserve_size": 1.2},
            DomainError,
            r"^control reserve size must be between 0 and 1 \(a share .*0.012 means 1.2 %\) \(got 1.2\)$",
        ),
    ],
)
def test_reserve_and_undertaking_refuse(change, kind, message):
    refused(lambda: Controls(**change), kind, message)


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"fee_amount": -1.0}, DomainError, r"^terms fee amount must be >= 0 \(got -1\)$"),
        ({"fee_base": "cash"}, InputError, r"^terms fee base must be one of: notes, pool \(got 'cash'\)$"),
        ({"interest": "last"}, InputError, r"^terms interest must be one of: by rank, first \(got 'last'\)$"),
        ({"accounts": "three"}, InputError, r"^terms accounts must be one of: one, two \(got 'three'\)$"),
        (
            {"default_point": "sooner"},
            InputError,
            r"^terms default point must be one of: legal final, expected \(got 'sooner'\)$",
        ),
        (
            {"oc_target": 1.5},
            DomainError,
            r"^terms oc target must be between 0 and 1 \(a share of the pool\), 'all' or blank \(got 1.5\)$",
        ),
        ({"oc_target": "full"}, InputError, r"^terms oc target must be between 0 and 1 .*\(got 'full'\)$"),
        ({"oc_floor": -0.1}, DomainError, r"^terms oc floor must be between 0 and 1 .*\(got -0.1\)$"),
        (
            {"cleanup": 1.0},
            DomainError,
            r"^terms cleanup must be >= 0 and < 1 \(a share of the pool at closing\) \(got 1\)$",
        ),
        (
            {"revolving": DATES[1]},
            InputError,
            r"^terms revolving must end before the last payment date \(2020-07-15\): nobody would be repaid",
        ),
        (
            {"revolving": dt.date(2020, 1, 15)},
            InputError,
            r"^terms revolving must be after closing \(2020-01-15\) \(got 2020-01-15\)$",
        ),
        (
            {"prepayment_type": "SMM"},
            InputError,
            r"^terms prepayment type must be one of: of schedule, CPR, ABS, PSA, vector \(got 'SMM'\)$",
        ),
        (
            {"prepayment_type": "CPR", "prepayment": 1.0},
            DomainError,
            r"^terms prepayment must be >= 0 and < 1 .*\(got 1\)$",
        ),
        (
            {"prepayment_type": "ABS", "prepayment": 1.5},
            DomainError,
            r"^terms prepayment must be between 0 and 1 .*\(got 1.5\)$",
        ),
        (
            {"prepayment_type": "PSA", "prepayment": 165.0},
            DomainError,
            r"^terms prepayment must be between 0 and 16 \(.*1.65 means 165 PSA\) \(got 165\)$",
        ),
        (
            {"prepayment_type": "vector"},
            InputError,
            r"^terms prepayment vector must not be blank: prepayment type is 'vector' \(got blank\)$",
        ),
        (
            {"prepayment_vector": (0.1, 1.0)},
            DomainError,
            r"^terms prepayment vector must be >= 0 and < 1 .*\(got 1\)$",
        ),
        (
            {"default_timing": "CDR"},
            InputError,
            r"^terms cdr must not be blank: default timing is 'CDR' \(got blank\)$",
        ),
        ({"cdr": (None, 0.02)}, InputError, r"^terms cdr must be a number \(got blank\)$"),
        ({"cdr": ("x",)}, InputError, r"^terms cdr must be a number \(got 'x'\)$"),
        (
            {"default_timing": "hazard"},
            InputError,
            r"^terms default timing must be one of: PD, CDR, loss curve \(got 'hazard'\)$",
        ),
        (
            {"default_timing": "loss curve"},
            InputError,
            r"^terms loss curve must not be blank: default timing is 'loss curve' \(got blank\)$",
        ),
        (
            {"loss_curve": (0.02, 0.01)},
            DomainError,
            r"^terms loss curve must never fall: losses accumulate \(got 0.01\)$",
        ),
        (
            {"curves": (CURVE, CURVE)},
            InputError,
            r"^curve name is there twice: every curve needs a name of its own \(got 'LPR'\)$",
        ),
    ],
)
def test_terms_of_any_deal_refuse(change, kind, message):
    refused(lambda: Terms(**{**TERMS, **change}), kind, message)


ISO = ("2020-01-15", "2021-01-15", "2022-01-15")


@pytest.mark.parametrize(
    "taken",
    [
        dt.date.fromisoformat,
        str,
        dt.datetime.fromisoformat,
        np.datetime64,
        lambda text: np.datetime64(f"{text}T00:00:00.000000000"),
        pd.Timestamp,
    ],
)
def test_dates_are_taken_as_they_come(taken):
    closing, *dates = map(taken, ISO)
    terms = Terms(closing, dates, revolving=dates[0])
    assert (terms.closing, terms.dates, terms.revolving) == (
        dt.date(2020, 1, 15),
        (dt.date(2021, 1, 15), dt.date(2022, 1, 15)),
        dt.date(2021, 1, 15),
    )
    assert {type(day) for day in (terms.closing, *terms.dates)} == {dt.date}
    tranche = Tranche("S", 1, 90.0, 0.04, "pass-through", dates[0], legal_final=dates[1])
    assert (tranche.maturity, tranche.legal_final) == terms.dates
    assert Curve("c", dates, (0.01, 0.02)).dates == terms.dates
    assert payment_dates(closing, "year", 2) == payment_dates(closing, "year", 2, dates[0]) == terms.dates
    pool = Pool(**POOL, status=("defaulted", ""), since=(dates[0], None))
    assert pool.since == (terms.dates[0], None)
    assert Loans(np.array([12.0]), 0.05, first=(dates[0],)).first == terms.dates[:1]


@pytest.mark.parametrize(
    "value", ["soon", "15/01/2020", 43845.0, None, pd.NaT, dt.datetime(2020, 1, 15, 10, 30)]
)
def test_what_is_no_date_is_refused(value):
    refused(lambda: Terms(value, DATES), InputError, "^terms closing must be a date, such as 2025-01-15")


def test_columns_of_a_frame_make_a_pool():
    frame = pd.DataFrame({"name": ["A", "B"], "amount": [70, 30], "pd": [0.01, 0.02]}, index=[7, 3])
    pool = Pool(**POOL | {column: frame[column] for column in frame})
    assert pool == Pool(**POOL | {"pd": (0.01, 0.02)})
    refused(lambda: Pool(**POOL | {"name": (None, "B")}), InputError, "^pool name must be a text")


def test_equal_deals_are_equal_and_so_is_a_pickled_copy():
    def deal(**change):
        return Deal(Pool(**POOL | change), (Tranche(**TRANCHE),), Terms(**TERMS))

    loans = Loans(np.array([12.0, np.nan]), np.array([0.05, np.nan]))
    one, same = deal(), deal()
    assert one == same and hash(one) == hash(same)
    assert pickle.loads(pickle.dumps(one)) == one
    assert one != deal(pd=0.02) and one != "deal" and one.pool != one.terms
    assert loans == Loans(np.array([12.0, np.nan]), np.array([0.05, np.nan]))
    assert hash(loans) == hash(replace(loans)) and loans != replace(loans, rate=0.06)
    assert replace(one, terms=replace(one.terms, seed=2)) != one
    assert deal(count=(2.0, 1.0)) != one and one != deal(count=(2.0, 1.0))


def test_numbers_of_a_class_are_no_texts():
    for name, value in (("rank", "1"), ("amount", "90"), ("coupon", None), ("cap", "0.05")):
        refused(lambda n=name, v=value: Tranche(**TRANCHE | {n: v}), InputError, f"{name} must be a number")


def test_lists_and_arrays_are_terms_like_tuples():
    terms = Terms(**{**TERMS, "dates": list(DATES)}, cdr=np.array([0.01, 0.02]), curves=[CURVE])
    assert terms == Terms(**TERMS, cdr=(0.01, 0.02), curves=(CURVE,))
    assert hash(terms) == hash(Terms(**TERMS, cdr=(0.01, 0.02), curves=(CURVE,)))


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (
            {"tranches": (tranche("S", 1, base="SHIBOR"),)},
            InputError,
            r"^tranche 'S' base must be the name of a curve \(there is none\) \(got 'SHIBOR'\)$",
        ),
        (
            {"tranches": (tranche("S", 1, base="SHIBOR"),), "terms": Terms(**TERMS, curves=(CURVE,))},
            InputError,
            r"^tranche 'S' base must be the name of a curve \(LPR\) \(got 'SHIBOR'\)$",
        ),
        (
            {"pool": Pool(**BY_TERMS, loans=Loans(**LOANS, base=("SHIBOR", "")))},
            InputError,
            r"^pool 'A' base must be the name of a curve \(there is none\) \(got 'SHIBOR'\)$",
        ),
        (
            {"pool": Pool(**BY_TERMS, loans=Loans(**LOANS, first=(dt.date(2020, 1, 15), None)))},
            InputError,
            r"^pool 'A' first must be after the closing date \(2020-01-15\) \(got 2020-01-15\)$",
        ),
        (
            {"tranches": (Tranche(**PASSED, legal_final=dt.date(2020, 3, 1)),)},
            InputError,
            r"^tranche 'P' legal final must not be before the first payment date \(2020-04-15\)",
        ),
        (
            {"tranches": (Tranche(**{**SCHEDULED, "schedule": (40.0, 30.0, 20.0)}),)},
            InputError,
            r"^tranche 'S' schedule must have one figure per payment date \(2\) \(got '3 figures'\)$",
        ),
        (
            {"tranches": (Tranche(**{**SCHEDULED, "maturity": DATES[0]}),)},
            DomainError,
            r"^tranche 'S' schedule must pay nothing after the expected maturity \(2020-04-15\) \(got 50\)$",
        ),
        (
            {"tranches": (tranche("S", 1), tranche("T", 2, senior=True))},
            InputError,
            r"^tranche 'S' senior ranks with or ahead of a class that is marked senior, so it must be",
        ),
        (
            {"terms": Terms(**TERMS, headline="Z")},
            InputError,
            r"^terms headline must be one of: S \(got 'Z'\)$",
        ),
    ],
)
def test_any_deal_refuses(change, kind, message):
    refused(lambda: deal(**change), kind, message)


def test_senior_and_headline():
    notes = (tranche("A-1", 1, senior=True), tranche("A-2", 2, senior=True), tranche("B", 3))
    marked = deal(tranches=notes)
    assert marked.senior.tolist() == [True, True, False] and marked.headline == 1
    plain = deal(tranches=tuple(replace(t, senior=None) for t in notes))
    assert plain.senior.tolist() == [True, False, False] and plain.headline == 0
    named = replace(marked, terms=replace(marked.terms, headline="B"))
    assert named.headline == 2
    # "No" for all of them is as if nobody had said anything.
    assert deal(tranches=tuple(replace(t, senior=False) for t in notes)).senior.tolist() == [
        True,
        False,
        False,
    ]


def test_expected_and_legal_maturities():
    plan = deal(tranches=(Tranche(**PASSED),))

    def at(**change):
        t = Tranche(**{**PASSED, **change})
        return plan.expected(t), plan.legal_final(t)

    assert at() == (1, 1)
    assert at(maturity=DATES[0]) == (0, 1)
    assert at(legal_final=DATES[0]) == (1, 0)
    assert at(legal_final=dt.date(2020, 4, 16)) == (1, 1)  # the first payment date from then on
    assert at(legal_final=dt.date(2049, 1, 1)) == (1, 1)  # after the last one: tested on that
    # A class with a schedule has to be repaid by its maturity, or by its legal final.
    assert at(payment="bullet", maturity=DATES[0]) == (0, 0)
    assert at(payment="bullet", maturity=DATES[0], legal_final=dt.date(2020, 7, 1)) == (0, 1)


def test_blank_says_what_the_first_edition_did():
    t, c = Tranche(**TRANCHE), Controls()
    assert (t.legal_final, t.base, t.deferrable, t.senior, t.schedule) == (None, "", False, None, ())
    assert (c.reserve_unit, c.reserve_funding, c.support_cap) == ("periods", "cash", None)
    terms = Terms(**TERMS)
    assert (terms.interest, terms.accounts, terms.fee_base, terms.fee_amount) == (
        "by rank",
        "one",
        "notes",
        0.0,
    )
    assert (terms.revolving, terms.cleanup, terms.default_timing) == (None, 0.0, "PD")
    assert (terms.prepayment_type, terms.oc_target, terms.curves) == ("of schedule", None, ())


def test_every_fault_of_loans_and_none_for_reported_cells():
    columns = {
        "term": [nan, 25.0, nan, 12.0],
        "rate": [nan, 5.0, 7.0, nan],
        "margin": [0.0, 0.0, 9.0, 0.0],
        "interest_only": [nan, 30.0, 0.0, 0.0],
        "payments_per_year": [nan, 4.0, 0.0, 12.0],
        "age": [-1.0, 0.5, 0.0, 0.0],
        "amortisation": ["", "x", "x", ""],
        "first": [dt.date(2019, 1, 1), None, None, None],
        "base": ["", "", "", "LPR"],
    }
    found = list(loan_faults(columns, [True, True, False, True], dt.date(2020, 1, 15)))
    assert seen(found) == [
        ("pool", 1, "rate", 5.0),
        ("pool", 0, "age", -1.0),
        ("pool", 1, "age", 0.5),
        ("pool", 0, "first", dt.date(2019, 1, 1)),
        ("pool", 1, "amortisation", "x"),
        ("pool", 1, "term", 25.0),
        ("pool", 1, "interest_only", 30.0),
    ]


def test_every_figure_of_a_schedule_in_a_row_of_loan_terms():
    columns = {"amount": np.array([1.0, 1.0])}
    schedule = np.array([[1.0, 2.0], [3.0, 0.0]])
    found = list(pool_faults(("A", "B"), columns, schedule, ("d1", "d2"), loans=[True, False]))
    assert seen(found) == [("pool", 0, "d1", 1.0), ("pool", 0, "d2", 2.0)]


def test_statuses_and_their_dates():
    last = dt.date(2021, 1, 1)
    words = ["", None, "late", "defaulted", "repurchased", "lost"]
    since = [None, None, None, None, dt.date(2022, 1, 1), None]
    found = list(status_faults(words, since, last))
    assert seen(found) == [
        ("pool", 3, "since", None),
        ("pool", 4, "since", dt.date(2022, 1, 1)),
        ("pool", 5, "status", "lost"),
    ]
    assert found[1].rule == "must not be after the last payment date (2021-01-01)"


# ------------------------------------------------------------------------------- curves and scales


def test_a_curve_holds_from_each_date_until_the_next():
    curve = Curve("LPR", [dt.date(2020, 1, 1), dt.date(2020, 7, 1)], [0.03, 0.02])
    days = [
        dt.date(2019, 1, 1),
        dt.date(2020, 1, 1),
        dt.date(2020, 6, 30),
        dt.date(2020, 7, 1),
        dt.date(2030, 1, 1),
    ]
    np.testing.assert_array_equal(curve.at(days), [0.03, 0.03, 0.03, 0.02, 0.02])


@pytest.mark.parametrize(
    ("dates", "rates", "kind", "message"),
    [
        ((), (), InputError, r"^curve date a curve needs at least one date \(got blank\)$"),
        (DATES, (0.01,), InputError, r"^curve 'LPR' must have one rate per date \(got '1 rates'\)$"),
        (DATES[:1], (3.0,), DomainError, r"^curve rate must be between -1 and 1 .*\(got 3\)$"),
        (DATES[:1], (nan,), DomainError, r"^curve rate must be between -1 and 1 .*\(got nan\)$"),
        (
            DATES[::-1],
            (0.01, 0.02),
            InputError,
            r"^curve date dates of a curve must increase \(2020-07-15 comes before it\) \(got 2020-04-15\)$",
        ),
    ],
)
def test_a_curve_refuses(dates, rates, kind, message):
    refused(lambda: Curve("LPR", dates, rates), kind, message)


def test_every_fault_of_a_table_of_curves():
    rows = [
        ("a", DATES[1], 0.01),
        ("b", DATES[0], None),
        ("a", DATES[0], 9.0),
        ("a", None, 0.01),
        (None, DATES[1], nan),
    ]
    assert seen(curve_faults(rows)) == [("curve", 2, "rate", 9.0), ("curve", 2, "date", DATES[0])]


SCALE = (("AAA", 0.0001), ("AA", 0.001), ("BB", 0.02))


def test_ratings_are_looked_up_in_the_users_scale():
    np.testing.assert_array_equal(graded(["bb", "AAA", "Aa"], SCALE), [0.02, 0.0001, 0.001])
    assert graded([], SCALE).size == 0


@pytest.mark.parametrize(
    ("ratings", "scale", "kind", "message"),
    [
        (["B"], SCALE, InputError, r"^rating must be a grade of the scale: AAA, AA, BB \(got 'B'\)$"),
        (
            ["A"],
            (("A", 0.1), ("a", 0.2)),
            InputError,
            r"^scale grade is there twice: every grade needs one PD \(got 'a'\)$",
        ),
        (
            ["A"],
            (("A", 0.1), ("B", 0.05)),
            DomainError,
            r"^scale pd must not be below the PD of the better grade above \(0.1\) \(got 0.05\)$",
        ),
        (["A"], (("A", 1.0),), DomainError, r"^scale pd must be >= 0 and < 1 .*\(got 1\)$"),
    ],
)
def test_a_scale_refuses(ratings, scale, kind, message):
    refused(lambda: graded(ratings, scale), kind, message)


def test_every_fault_of_a_scale():
    rows = [("AAA", 0.1), ("AA", nan), ("aaa", 0.05), (None, 2.0)]
    assert seen(scale_faults(rows)) == [("scale", 3, "pd", 2.0), ("scale", 2, "grade", "aaa")]


# ------------------------------------------------------------------------------------------ dates


def test_payment_dates():
    closing = dt.date(2020, 1, 31)
    assert payment_dates(closing, "month", 3) == (
        dt.date(2020, 2, 29),
        dt.date(2020, 3, 31),
        dt.date(2020, 4, 30),
    )
    assert payment_dates(dt.date(2020, 1, 30), "month", 2) == (dt.date(2020, 2, 29), dt.date(2020, 3, 30))
    # From a first date at the end of its month on they stay there.
    first = dt.date(2020, 2, 29)
    assert payment_dates(closing, "quarter", 2, first) == (first, dt.date(2020, 5, 31))
    assert payment_dates(closing, "half-year", 2, dt.date(2020, 3, 5))[1] == dt.date(2020, 9, 5)
    assert months_after(closing, 13) == dt.date(2021, 2, 28)
    assert months_after(dt.date(2020, 2, 29), 1, 31) == dt.date(2020, 3, 31)


@pytest.mark.parametrize(
    ("every", "count", "first", "message"),
    [
        (
            "week",
            3,
            None,
            r"^payment every must be one of: month, 2 months, quarter, half-year, year \(got 'week'\)$",
        ),
        ("month", 0, None, r"^payment dates must be a whole number from 1 on \(got 0\)$"),
        (
            "month",
            3,
            dt.date(2020, 1, 1),
            r"^first payment date must be after the closing date \(2020-01-31\) \(got 2020-01-01\)$",
        ),
        ("year", 9000, None, r"^payment dates must lie before the year 10000"),
    ],
)
def test_payment_dates_refuse(every, count, first, message):
    with pytest.raises(InputError, match=message):
        payment_dates(dt.date(2020, 1, 31), every, count, first)


@pytest.mark.parametrize("kind", ["annuity", "linear", "bullet"])
def test_months_of_interest_alone_need_their_amortisation(kind):
    with pytest.raises(
        DomainError,
        match=r"^pool interest only must be blank unless the amortisation is 'interest-only' .* \(got 12\)$",
    ):
        Loans(np.array([24.0]), np.array([0.05]), (kind,), interest_only=np.array([12.0]))


def test_a_margin_needs_a_base():
    with pytest.raises(
        DomainError,
        match=r"^pool margin must be blank: the rate is fixed while the base is blank \(got 0.01\)$",
    ):
        Loans(np.array([24.0]), np.array([0.05]), margin=np.array([0.01]))
    for bounds in ({"margin": 0.01}, {"cap": 0.05}, {"floor": 0.0}):
        ((name, value),) = bounds.items()
        with pytest.raises(
            DomainError,
            match=rf"^tranche 'P' {name} must be blank: the coupon is fixed while the base is blank "
            rf"\(got {value:g}\)$",
        ):
            Tranche("P", 1, 1.0, 0.03, "pass-through", **bounds)


def test_interest_alone_needs_its_months():
    with pytest.raises(
        DomainError, match=r"^pool interest only must say for how many months .*'bullet'\) \(got 0\)$"
    ):
        Loans(np.array([24.0]), np.array([0.05]), ("interest-only",))
