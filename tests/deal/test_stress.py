"""Each column of a stress does what it says, and nothing else."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlkmv.deal.examples.patents import xingye_yuanrong
from xlkmv.deal.paths.run import simulate
from xlkmv.deal.plan.dues import planned_dues
from xlkmv.deal.plan.stressed import pool_lognormal
from xlkmv.deal.plan.waterfall import waterfall
from xlkmv.deal.stress import PRESETS, Stress, apply, control_keys, remark, stress_faults
from xlkmv.deal.terms import (
    CONTROLS,
    Controls,
    Covenant,
    Curve,
    Deal,
    Loans,
    Pool,
    Terms,
    Tranche,
    payment_dates,
)
from xlkmv.errors import DomainError, InputError

TWO = [[60.0, 30.0, 10.0], [20.0, 20.0, 20.0]]


def test_base_changes_nothing(build):
    deal = build(TWO, pd=0.02, recovery=0.4)
    plan = apply(deal, Stress("Base"))
    np.testing.assert_array_equal(plan.deal.pool.schedule, deal.pool.schedule)
    np.testing.assert_array_equal(plan.dues.total(), planned_dues(deal).total())
    assert plan.reserve == 0.5 * plan.dues.ahead(0)[0]


def test_cash_comes_less_and_later_while_dues_stay(build):
    deal = build(TWO)
    plan = apply(deal, Stress("x", pool_haircut=0.1, delay=1))
    np.testing.assert_allclose(plan.collections, [0.0, 72.0, 45.0])
    np.testing.assert_array_equal(plan.dues.total(), planned_dues(deal).total())
    assert apply(deal, Stress("x", delay=5)).collections.tolist() == [0.0, 0.0, 0.0]
    assert apply(deal, Stress("x", pool_haircut=1.0)).collections.tolist() == [0.0, 0.0, 0.0]


def test_obligors_get_worse_within_bounds(build):
    deal = build(TWO, pd=[0.02, 0.6], recovery=[0.4, 0.9], correlation=[0.2, 0.95])
    pool = apply(deal, Stress("x", pd_multiplier=2, recovery_multiplier=1.5, correlation_add=0.1)).deal.pool
    np.testing.assert_allclose(pool.pd, [0.04, 1.0])
    assert pool.pd[1] < 1.0
    np.testing.assert_allclose(pool.recovery, [0.6, 1.0])
    np.testing.assert_allclose(pool.correlation, [0.3, 1.0])
    assert pool.correlation[1] < 1.0
    # N^-1(.02) = -2.053748910631823, by half: N(-1.026874455315911).
    doubled = apply(deal, Stress("x", volatility_multiplier=2.0)).obligor_pd[0]
    assert doubled == pytest.approx(float(mpmath.ncdf("-1.0268744553159114")), rel=1e-12)


def test_coupons_shift_where_there_is_one(build):
    plan = apply(build(), Stress("x", rate_shift=0.02))
    assert [t.coupon for t in plan.deal.tranches] == pytest.approx([0.12, 0.0])
    assert apply(build(), Stress("x", rate_shift=-0.5)).deal.tranches[0].coupon == 0.0


def test_the_largest_obligor_defaults_at_closing(build):
    controls = Controls(repurchase_share=0.25, unpledged_recovery=0.1)
    deal = build(TWO, recovery=0.4, lag=1.0, controls=controls)
    # 100 owed: a quarter on schedule, 40 % of the rest a year after the first date.
    table = apply(deal, Stress("x", obligor_recovery="table"))
    np.testing.assert_allclose(table.collections, [15.0 + 20.0, 7.5 + 20.0 + 30.0, 2.5 + 20.0])
    none = apply(deal, Stress("x", obligor_recovery=0.0))
    np.testing.assert_allclose(none.collections, [35.0, 27.5, 22.5])
    unpledged = apply(deal, Stress("x", obligor_recovery="table", controls_off=("pledge",)))
    np.testing.assert_allclose(unpledged.collections, [35.0, 27.5 + 7.5, 22.5])
    no_buyer = apply(deal, Stress("x", obligor_recovery="table", controls_off="repurchase"))
    np.testing.assert_allclose(no_buyer.collections, [20.0, 60.0, 20.0])
    assert table.performing.tolist() == [False, True]


def test_any_obligor_may_be_the_one_in_default(build):
    deal = build(TWO, recovery=0.4, lag=1.0, controls=Controls(repurchase=False))
    small, large = deal.pool.name[::-1]
    # 60 owed in thirds; 40 % of it comes a year after the first date.
    plan = apply(deal, Stress("x", obligor=small.upper(), obligor_recovery="table"))
    np.testing.assert_allclose(plan.collections, [60.0, 30.0 + 24.0, 10.0])
    assert plan.performing.tolist() == [True, False]
    np.testing.assert_array_equal(
        apply(deal, Stress("x", obligor=large, obligor_recovery=0.1)).collections,
        apply(deal, Stress("x", obligor_recovery=0.1)).collections,
    )
    with pytest.raises(InputError, match=r"an obligor of the pool, or blank \(got 'Z'"):
        apply(deal, Stress("x", obligor="Z", obligor_recovery=0.1))
    second = apply(lines(), Stress("x", obligor="One", obligor_recovery=0.5))
    assert second.deal.pool.name[second.defaulted] == "One"


def test_controls_off(build):
    deal = build(TWO, recovery=0.4, controls=Controls(repurchase_share=0.25, unpledged_recovery=0.1))
    plan = apply(deal, Stress("x", controls_off="all"))
    assert plan.reserve == 0.0
    assert plan.dues.ranks.tolist() == [1.0, 1.0]
    assert plan.senior.tolist() == [True, False]
    assert plan.repurchase_share == 0.0
    np.testing.assert_allclose(plan.deal.pool.recovery, 0.1)
    # Without over-collateralisation the pool pays just what is due in all.
    assert plan.collections.sum() == pytest.approx(plan.dues.total().sum())
    assert apply(deal, Stress("x")).repurchase_share == 0.25
    np.testing.assert_allclose(apply(deal, Stress("x")).deal.pool.recovery, 0.4)


@given(st.floats(0.0, 1.0))
def test_prepayment_moves_cash_forward_and_loses_none(build, rate):
    deal, slow = build(TWO, prepayment=rate), build(TWO)
    early, late = apply(deal, Stress("x")), apply(slow, Stress("x"))
    np.testing.assert_allclose(early.deal.pool.schedule.sum(axis=1), [100.0, 60.0])
    assert (np.cumsum(early.collections) >= np.cumsum(late.collections) - 1e-9).all()


def test_prepayment_worked_out(build):
    # 10 % a year: year 1 pays 60 and a tenth of the 40 left; year 2 .9 x 30 and a tenth of .9 x 10.
    plan = apply(build(TWO[:1], prepayment=0.1), Stress("x"))
    np.testing.assert_allclose(plan.collections, [64.0, 27.9, 8.1])


def test_names_of_controls():
    assert control_keys("all") == tuple(CONTROLS)
    assert control_keys("Reserve account, SUPPORT , ") == ("reserve", "support")
    assert control_keys("Patent pledge") == control_keys("pledge") == ("pledge",)  # as older workbooks say
    assert control_keys(()) == ()
    with pytest.raises(InputError, match="controls off must be all or some of"):
        control_keys("reserve; support")


@pytest.mark.parametrize(
    ("field", "error", "match"),
    [
        ({"pool_haircut": 1.5}, DomainError, "pool haircut must be between 0 and 1"),
        ({"delay": 1.5}, DomainError, "delay must be a whole number"),
        ({"volatility_multiplier": 0.0}, DomainError, "volatility multiplier must be > 0"),
        ({"obligor_recovery": "some"}, InputError, "must be blank, 'table' or a number"),
        ({"obligor": "A"}, InputError, "obligor must come with what is recovered of it"),
        ({"default_point": "mine"}, InputError, "default point must be one of: own, all"),
        ({"controls_off": "brakes"}, InputError, "controls off must be all or some"),
    ],
)
def test_wrong_rows_are_refused(field, error, match):
    with pytest.raises(error, match=match):
        Stress("x", **field)


def test_presets_are_a_valid_table_with_one_row_per_control():
    assert not list(stress_faults(PRESETS))
    assert len({s.name for s in PRESETS}) == len(PRESETS)
    assert {s.controls_off for s in PRESETS} >= {(c,) for c in CONTROLS}
    deal = xingye_yuanrong()
    for stress in PRESETS:
        sigma, mu = pool_lognormal(apply(deal, stress))
        assert 0.0 < sigma < 1.0
        assert -1.0 < mu <= 0.0
    twice = [PRESETS[0], PRESETS[0]]
    assert [f.rule for f in stress_faults(twice)] == [
        "is there twice: every scenario needs a name of its own"
    ]


@st.composite
def schedules(draw):
    m, n = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    cell = st.sampled_from([0.0, 0.0, 1.0, 5.0, 20.0])
    rows = draw(st.lists(st.lists(cell, min_size=n, max_size=n), min_size=m, max_size=m))
    payment = draw(st.sampled_from(["bullet", "straight-line", "with collections"]))
    return np.array(rows) + 1e-3, draw(st.floats(0.2, 1.5)), payment


@given(schedules())
def test_excess_is_taken_as_it_comes_in_and_nothing_moves(build, drawn):
    schedule, share, payment = drawn
    notes = share * schedule.sum()
    deal = build(schedule, senior=0.9 * notes, junior=0.1 * notes, payment=payment)
    on, off = apply(deal, Stress("on")), apply(deal, Stress("off", controls_off=("excess_coverage",)))
    cut = off.deal.pool.schedule
    # No obligor pays more than it owes, nor on another date.
    assert (cut <= schedule * (1 + 1e-12)).all() and (cut >= 0.0).all()
    came, owed = np.cumsum(on.collections), np.cumsum(on.dues.total(expected=True))
    left = np.cumsum(off.collections)
    # What fell due can be paid as well as before; at the end nothing is left over.
    tolerance = 1e-9 * schedule.sum()
    assert (left >= np.minimum(came, owed) - tolerance).all()
    assert left[-1] <= max(owed[-1], 0.0) + tolerance
    # The least that does it: what is kept beyond the dues is needed by a later date.
    for k, extra in enumerate(left - owed):
        if extra > tolerance:
            assert (left[k:] - owed[k:]).min() <= tolerance
            assert off.retained[k] >= extra - tolerance


def test_without_excess_a_late_catch_up_stays_with_its_obligor(build):
    schedule = np.zeros((10, 5))
    schedule[:9, :4], schedule[9] = 25.0, 1.0
    deal = build(schedule, pd=[1e-6] * 9 + [0.2], senior=700.0, junior=100.0, coupon=0.02, payment="bullet")
    off = apply(deal, Stress("off", controls_off=("excess_coverage",)))
    # Nothing is due but interest before the last date, so that nearly all is needed.
    assert off.deal.pool.schedule[9].sum() <= 5.0
    assert pool_lognormal(off)[0] < 0.02
    assert waterfall(off).short.any() == waterfall(apply(deal, Stress("on"))).short.any()


def test_prepayment_leaves_no_dust(build):
    schedule = np.random.default_rng(1).uniform(5, 30, (4, 20)).round(2)
    schedule[:, 18:] = 0.0
    share = Covenant("largest", "largest obligor share", "max", 0.8, "turbo")
    deal = build(schedule, senior=900.0, junior=200.0, pd=0.01, prepayment=0.1, covenants=[share])
    plan = apply(deal, Stress("x"))
    assert (plan.deal.pool.schedule[:, 18:] == 0.0).all()
    assert np.isnan(waterfall(plan).covenants[0, 18:]).all()
    assert (simulate(deal, paths=2000).breach[0, 18:] == 0.0).all()


@pytest.mark.parametrize(
    ("change", "stress", "text"),
    [
        (
            {"controls": Controls(reserve=False)},
            {"controls_off": "reserve"},
            "It is off in this deal already.",
        ),
        ({"controls": Controls(reserve_size=0.0)}, {"controls_off": "reserve"}, "The reserve has no size."),
        ({}, {"controls_off": "triggers"}, "No covenant has a consequence."),
        (
            {"controls": Controls(repurchase_share=0.0)},
            {"controls_off": "repurchase"},
            "Nothing is repurchased.",
        ),
        ({"controls": Controls(repurchase_share=0.2)}, {"controls_off": "repurchase"}, ""),
        ({"pd": 0.0}, {"pd_multiplier": 2.0}, "No obligor has a PD."),
        ({"recovery": 0.0}, {"recovery_multiplier": 0.5}, "Nothing is recovered anyway."),
        ({"coupon": 0.0}, {"rate_shift": 0.01}, "No class has a coupon, and nothing floats."),
        ({"pd": 0.1, "recovery": 0.4}, {"pd_multiplier": 2.0, "recovery_multiplier": 0.5}, ""),
        ({}, {"pool_haircut": 0.1}, ""),
    ],
)
def test_a_condition_without_meaning_says_why(build, change, stress, text):
    assert remark(build(**change), Stress("x", **stress)) == text


# ---------------------------------------------------------------------- conditions on any deal
# Lines of 4 and 1 obligors: 100 and 20, repaid in equal parts of 25 and 5, at 8 % and at base + 2 %.

CLOSING = dt.date(2020, 1, 1)
YEARS = payment_dates(CLOSING, "year", 4)


def lines(**terms):
    loans = Loans(
        np.array([48.0, 48.0]),
        np.array([0.08, 0.0]),
        ("linear", "linear"),
        payments_per_year=1.0,
        base=("", "base"),
        margin=np.array([0.0, 0.02]),
    )
    pool = Pool(
        ("Line", "One"), [100.0, 20.0], np.zeros((2, 4)), 0.02, 0.4, 1.0, 0.2, count=[4, 1], loans=loans
    )
    notes = (
        Tranche("A", 1, 60.0, 0.0, "pass-through", base="base", margin=0.01),
        Tranche("B", 2, 30.0, 0.06, "pass-through"),
        Tranche("C", 3, 10.0, 0.0, "pass-through"),
    )
    curve = Curve("base", (CLOSING,), (0.03,))
    controls = Controls(reserve=False, support=False, triggers=False)
    return Deal(pool, notes, Terms(CLOSING, YEARS, curves=(curve,), **terms), controls)


def test_a_haircut_takes_cash_and_leaves_what_is_outstanding():
    base, cut = apply(lines(), Stress("x")), apply(lines(), Stress("x", pool_haircut=0.2))
    np.testing.assert_allclose(base.deal.pool.schedule, [[33, 31, 29, 27], [6, 5.75, 5.5, 5.25]])
    np.testing.assert_allclose(cut.deal.pool.schedule, 0.8 * base.deal.pool.schedule)
    np.testing.assert_allclose(cut.deal.pool.interest, 0.8 * base.deal.pool.interest)
    np.testing.assert_array_equal(cut.deal.pool.balance, base.deal.pool.balance)
    np.testing.assert_array_equal(cut.deal.pool.claim, base.deal.pool.claim)
    np.testing.assert_array_equal(cut.dues.total(), base.dues.total())
    np.testing.assert_allclose(cut.principal, [24.0] * 4)


def test_a_delay_leaves_claims_outstanding_for_longer():
    late = apply(lines(), Stress("x", delay=1))
    np.testing.assert_allclose(late.deal.pool.schedule, [[0, 33, 31, 29], [0, 6, 5.75, 5.5]])
    np.testing.assert_allclose(late.balance, [120.0, 90.0, 60.0, 30.0])
    np.testing.assert_allclose(late.outstanding, [120.0, 120.0, 90.0, 60.0])
    np.testing.assert_allclose(late.claim[0], [100.0, 100.0, 75.0, 50.0])


def test_a_shift_of_rates_reaches_coupons_and_floating_claims():
    base, shifted = apply(lines(), Stress("x")), apply(lines(), Stress("x", rate_shift=0.01))
    assert [float(c) for c in (shifted.dues.coupons - base.dues.coupons)[:, 0]] == pytest.approx(
        [0.01, 0.01, 0]
    )
    more = shifted.deal.pool.interest - base.deal.pool.interest
    np.testing.assert_allclose(more, [[0.0] * 4, [0.2, 0.15, 0.1, 0.05]], atol=1e-12)


def test_the_largest_obligor_may_be_one_of_a_line():
    plan = apply(lines(), Stress("x", obligor_recovery=0.5))
    pool = plan.deal.pool
    assert pool.name == ("Line", "Line (2)", "One") and plan.defaulted == 0
    np.testing.assert_array_equal(pool.count, [1.0, 3.0, 1.0])
    np.testing.assert_allclose(pool.amount, [25.0, 75.0, 20.0])
    # A quarter of the line is gone; half of its balance of 25 comes a year after the first date.
    np.testing.assert_allclose(
        plan.collections, [0.75 * 33 + 6, 0.75 * 31 + 5.75 + 12.5, 0.75 * 29 + 5.5, 0.75 * 27 + 5.25]
    )
    np.testing.assert_allclose(plan.balance, [71.25, 47.5, 23.75, 0.0], atol=1e-12)
    assert plan.claimed == pytest.approx(120.0)
    # What the plan owes is as if nothing had happened.
    np.testing.assert_allclose(plan.dues.total(), apply(lines(), Stress("y")).dues.total())
    bought = apply(lines(revolving=YEARS[1]), Stress("x", obligor_recovery=0.5))
    np.testing.assert_allclose(bought.purchases[0], 0.75 * 25.0 + 5.0)


def test_without_excess_coverage_the_target_is_that_of_closing():
    deal = lines(oc_target="all", oc_floor=0.1)
    off = apply(deal, Stress("x", controls_off="excess_coverage"))
    assert (off.deal.terms.oc_target, off.deal.terms.oc_floor) == (None, 0.0)
    assert off.collections.sum() == pytest.approx(off.dues.total().sum())
    on = apply(deal, Stress("y"))
    assert on.deal.terms.oc_target == "all"
    assert on.dues.expected[0, 0] > off.dues.expected[0, 0]


def test_haircut_and_delay_reach_what_is_bought():
    deal = lines(revolving=YEARS[1])
    base = apply(deal, Stress("x"))
    cut, late = apply(deal, Stress("x", pool_haircut=0.2)), apply(deal, Stress("x", delay=1))
    np.testing.assert_allclose(cut.purchases, 0.8 * base.purchases)
    np.testing.assert_allclose(late.purchases, [0.0, *base.purchases[:3]])
    # What is bought after the end of the revolving period is not bought: its cash comes instead.
    paid = waterfall(late)
    assert paid.bought_less[:2].tolist() == [0.0, 0.0]
    assert paid.bought_less[2] == pytest.approx(late.purchases[2])
    shorter = apply(lines(revolving=YEARS[0]), Stress("x", delay=1))
    np.testing.assert_allclose(late.collections + paid.bought_less, shorter.collections)
    assert apply(replace(deal, terms=replace(deal.terms, revolving=None)), Stress("x")).purchases is None
