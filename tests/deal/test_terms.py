"""A deal refuses what is wrong, by name, value and rule, and lists every fault of a table at once."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import FrozenInstanceError, replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlkmv.deal.stress import BASE, apply
from xlkmv.deal.terms import (
    CONTROLS,
    METRICS,
    Controls,
    Covenant,
    Deal,
    Pool,
    Terms,
    Tranche,
    column_faults,
    covenant_faults,
    pool_faults,
    terms_faults,
    tranche_faults,
    year_fraction,
)
from xlkmv.deal.waterfall import waterfall
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
        ({"amount": "much"}, InputError, r"^tranche amount must be a number"),
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
