"""The KMV view of a plan: worked by hand, against integrals, and by the laws it must obey."""

from __future__ import annotations

import datetime as dt
import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import ndtr, ndtri

from xlkmv.deal.analysis import analyse, portfolio_models
from xlkmv.deal.examples.patents import LICENSEES, xingye_yuanrong
from xlkmv.deal.kmv import kmv_view, support_default_probability
from xlkmv.deal.paths.run import simulate
from xlkmv.deal.plan.stressed import pool_risk
from xlkmv.deal.plan.waterfall import waterfall
from xlkmv.deal.reading import read
from xlkmv.deal.stress import BASE, PRESETS, Stress, apply
from xlkmv.deal.terms import CONTROLS, Controls, Covenant, Deal, Pool, Ranges, Terms, Tranche
from xlkmv.model.comparison import compare_models
from xlkmv.model.losses import LEVELS
from xlkmv.model.plan import implied_lognormal, pool_moments

QUARTERS = tuple(dt.date(2021 + k // 4, 3 * (k % 4) + 1, 10) for k in range(1, 9))


def small_deal(**terms):
    """Four quarters, user's volatility: every number can be worked out on paper."""
    dates = QUARTERS[:4]
    pool = Pool(("A", "B"), (60.0, 40.0), np.full((2, 4), [[16.0], [11.0]]), 0.02, 0.4, 0.25, 0.2)
    tranches = (
        Tranche("senior", 1, 80.0, 0.04, "straight-line", dates[3]),
        Tranche("junior", 2, 20.0, 0.0, "bullet", dates[3]),
    )
    given_ = {"fee_rate": 0.01, "volatility_source": "user", "volatility": 0.10, "drift": 0.02}
    given_ |= {"support_correlation": 0.3} | terms
    controls = Controls(reserve_size=0.5, support_pd=0.03)
    return Deal(pool, tranches, Terms(dt.date(2021, 1, 10), dates, **given_), controls)


def test_terminal_risk_by_hand():
    view = kmv_view(small_deal())
    senior, junior = view.tranches
    # Per quarter 27 comes in; senior principal 20, interest 1 % of 80, 60, 40, 20, fees 0.25 % of all notes.
    fees = [0.25, 0.2, 0.15, 0.1]
    due = np.cumsum([20 + 0.8, 20 + 0.6, 20 + 0.4, 20 + 0.2]) + np.cumsum(fees)
    np.testing.assert_allclose(senior.risk.accumulated_due, due, rtol=1e-14)
    np.testing.assert_allclose(junior.risk.accumulated_due - due, [0, 0, 0, 20], atol=1e-14)
    reserve = 0.5 * (20.8 + 0.25)
    for k in range(4):
        t, paid = (k + 1) / 4, 27.0 * (k + 1)
        for tranche, held in ((senior, reserve), (junior, 0.0)):
            owed = tranche.risk.accumulated_due[k]
            dd = (math.log(paid / (owed - held)) + (0.02 - 0.005) * t) / (0.1 * math.sqrt(t))
            assert tranche.risk.distance[k] == pytest.approx(dd, rel=1e-13)
            assert tranche.risk.pd[k] == pytest.approx(ndtr(-dd), rel=1e-12)
            assert tranche.risk.coverage[k] == pytest.approx((paid + held) / owed, rel=1e-14)
    assert (view.volatility, view.drift) == (0.10, 0.02)
    assert senior.first_short is None
    # The undertaking protects the first rank only.
    np.testing.assert_array_equal(junior.pd, junior.risk.pd)
    np.testing.assert_array_equal(junior.anydate_pd, junior.risk.anydate_pd)


def integral(function, bend):
    """Expectation over the pool's driver, cut where its payoffs bend."""
    edges = sorted([-12.0, *np.linspace(-6, 6, 25), 12.0, *bend])
    return sum(
        quad(lambda x: function(x) * math.exp(-0.5 * x * x) / math.sqrt(2 * math.pi), a, b, epsrel=1e-12)[0]
        for a, b in itertools.pairwise(edges)
    )


def test_support_and_expected_loss_against_integrals():
    deal = small_deal()
    payer, rho, s = 1 - 0.97, 0.3, 0.10
    reserve = 0.5 * (20.8 + 0.25)
    dues = [82.0 + 0.7, 102.0 + 0.7]
    own = [82.0, 20.0]

    def assets(x):
        return 108.0 * math.exp(0.02 - 0.5 * s * s + s * x)

    def payer_gone(x):
        return ndtr((ndtri(payer) - rho * x) / math.sqrt(1 - rho * rho))

    def driver(strike):
        return (math.log(strike / 108.0) - 0.02 + 0.5 * s * s) / s

    strikes = (dues[0] - reserve, dues[1], dues[1] - own[1])
    bend = [driver(k) for k in strikes]
    senior, junior = kmv_view(deal).tranches
    pd = integral(lambda x: payer_gone(x) * (x < bend[0]), bend)
    assert senior.pd[-1] == pytest.approx(pd, rel=1e-8)
    loss = integral(lambda x: payer_gone(x) * max(strikes[0] - assets(x), 0.0), bend) / own[0]
    assert senior.expected_loss == pytest.approx(loss, rel=1e-8)
    loss = integral(lambda x: min(max(dues[1] - assets(x), 0.0), own[1]), bend) / own[1]
    assert junior.expected_loss == pytest.approx(loss, rel=1e-8)
    # Without subordination one shortfall is shared by all, and by each in the same proportion.
    shared = kmv_view(deal, Stress("x", controls_off=("subordination", "support", "reserve"))).tranches
    loss = integral(lambda x: max(dues[1] - assets(x), 0.0), bend) / 102.0
    for tranche in shared:
        assert tranche.expected_loss == pytest.approx(loss, rel=1e-8)
    # What counts as default does not change what is lost.
    judged = kmv_view(deal, Stress("x", default_point="all")).tranches[0]
    assert judged.expected_loss == senior.expected_loss and judged.pd[-1] > senior.pd[-1]


def test_support_default_probability():
    times = np.array([0.5, 1.0, 2.0])
    deal = small_deal()
    np.testing.assert_allclose(support_default_probability(deal, times), 1 - 0.97**times, rtol=1e-13)
    off = replace(deal, controls=deal.controls.without("support"))
    np.testing.assert_array_equal(support_default_probability(off, times), 1.0)
    sure = replace(deal, controls=replace(deal.controls, support_pd=1.0))
    np.testing.assert_array_equal(support_default_probability(sure, times), 1.0)


def test_first_short_date():
    """16.2 a quarter and 10.525 held, against 21.05, 41.85, 62.4, 82.7 due in all."""
    deal = small_deal()
    senior, junior = kmv_view(deal, Stress("x", pool_haircut=0.4)).tranches
    assert senior.first_short == deal.terms.dates[2]
    assert junior.first_short == deal.terms.dates[0]
    assert [t.first_short for t in kmv_view(deal).tranches] == [None, None]


def test_implied_volatility_counts_the_repurchase_on_schedule():
    """A share bought back at its scheduled amount is certain: it scales the moments of the rest."""
    deal = small_deal(volatility_source="implied")
    deal = replace(deal, controls=replace(deal.controls, repurchase_share=0.25))
    pool, times = deal.pool, deal.terms.times
    mean, variance = pool_moments(pool.schedule, times, pool.pd, pool.recovery, pool.lag, pool.correlation)
    expected = implied_lognormal(108.0, 0.25 * 108.0 + 0.75 * mean, 0.75**2 * variance, 1.0)
    view = kmv_view(deal)
    np.testing.assert_allclose((view.volatility, view.drift), expected, rtol=1e-12)
    doubled = kmv_view(deal, Stress("x", volatility_multiplier=2.0))
    np.testing.assert_allclose(
        (doubled.volatility, doubled.drift), (2 * expected[0], expected[1]), rtol=1e-12
    )


@pytest.mark.parametrize(
    "stress", [Stress("x", pool_haircut=1.0), Stress("x", delay=4), Stress("x", delay=999)]
)
@pytest.mark.parametrize("source", ["user", "implied"])
def test_a_pool_that_pays_nothing(stress, source):
    senior, junior = kmv_view(small_deal(volatility_source=source), stress).tranches
    payer = 1 - 0.97 ** np.array([0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(senior.pd, payer, rtol=1e-13)
    np.testing.assert_array_equal(junior.anydate_pd, 1.0)
    assert junior.expected_loss == 1.0


def test_a_pool_that_cannot_default():
    deal = small_deal(volatility_source="implied")
    view = kmv_view(replace(deal, pool=replace(deal.pool, pd=0.0)))
    assert all((t.anydate_pd == 0.0).all() and t.expected_loss == 0.0 for t in view.tranches)
    assert view.volatility <= 1e-6 and view.drift == 0.0


def test_a_pool_that_cannot_default_and_pays_exactly_the_dues_is_never_short(build):
    # 3 x 0.1 and 0.3 differ in their last digit.
    deal = build(
        np.full((3, 4), 0.1),
        pd=0.0,
        fee_rate=0.0,
        controls=Controls(reserve=False, support=False, triggers=False),
        covenants=(Covenant("covered", "coverage", "min", 1.0, "turbo"),),
    )
    note = Tranche("Note", 1, 1.2, 0.0, "with collections", deal.terms.dates[-1])
    deal = replace(deal, tranches=(note,))
    for collections in (deal.pool.schedule, deal.pool.schedule * (1 - 1e-15)):
        exact = replace(deal, pool=replace(deal.pool, schedule=collections))
        (view,) = kmv_view(exact).tranches
        np.testing.assert_allclose(view.risk.coverage, 1.0)
        assert (view.anydate_pd == 0.0).all() and view.expected_loss == 0.0 and view.first_short is None
        assert (view.risk.distance == np.inf).all()
        plan = waterfall(apply(exact, Stress("Base")))
        assert not plan.breaches.any() and (plan.trigger == 0).all()
        haircut = kmv_view(exact, Stress("x", pool_haircut=1e-6)).tranches[0]
        assert (haircut.anydate_pd == 1.0).all()


# ------------------------------------------------------------------------------- the real deal


def test_public_facts_of_the_deal():
    deal = xingye_yuanrong()
    assert deal.pool.amount.sum() == 301e6 and len(LICENSEES) == 11
    assert (sum(x.invention for x in LICENSEES), sum(x.utility for x in LICENSEES)) == (103, 37)
    assert (deal.pool.amount.min(), deal.pool.amount.max()) == (3e6, 45e6)
    assert round(deal.pool.share.max(), 3) == 0.150
    named = {x.name: x for x in LICENSEES}
    huayin, vtron = named["Huayin Medical (华银医学)"], named["Vtron Group (威创集团)"]
    assert (huayin.amount, huayin.invention, vtron.invention) == (23.0, 4, 22)
    assert deal.tranches[0].coupon == 0.04 and deal.tranches[0].amount == pytest.approx(285.95e6)
    assert deal.terms.closing == dt.date(2019, 9, 11) and len(deal.terms.dates) == 20
    # A level annuity at 6.5 % nominal repays what was financed.
    discount = (1 + 0.065 / 4) ** -np.arange(1.0, 21.0)
    np.testing.assert_allclose(deal.pool.schedule @ discount, deal.pool.amount, rtol=1e-7)


def test_removing_controls_raises_the_probability_of_default():
    deal = xingye_yuanrong()
    base = kmv_view(deal).tranches[0]
    off = kmv_view(deal, Stress("x", controls_off=tuple(CONTROLS))).tranches[0]
    assert base.pd[-1] < 1e-6 and off.pd[-1] > 0.1
    assert off.anydate_pd[-1] > off.pd[-1]
    for control in CONTROLS:
        one = kmv_view(deal, Stress("x", controls_off=(control,))).tranches[0]
        assert one.anydate_pd[-1] >= base.anydate_pd[-1]
        assert off.anydate_pd[-1] >= one.anydate_pd[-1]


def test_every_preset_is_a_probability_and_base_is_base():
    deal = xingye_yuanrong()
    base = kmv_view(deal)
    for stress in PRESETS:
        for tranche in kmv_view(deal, stress).tranches:
            for p in (tranche.pd, tranche.anydate_pd, tranche.expected_loss):
                assert ((np.asarray(p) >= 0) & (np.asarray(p) <= 1)).all()
            assert (tranche.anydate_pd >= tranche.pd * (1 - 1e-12)).all()
    again = kmv_view(deal, PRESETS[0])
    for one, other in zip(base.tranches, again.tranches, strict=True):
        np.testing.assert_array_equal(one.anydate_pd, other.anydate_pd)
        assert one.expected_loss == other.expected_loss


# -------------------------------------------------------------------------------------- laws


@st.composite
def deals(draw):
    """Small plans whose scheduled collections cover the dues; implied volatility."""
    m, n = draw(st.integers(2, 4)), draw(st.integers(2, 6))

    def column(low, high):
        return np.array(draw(st.lists(st.floats(low, high), min_size=m, max_size=m)))

    amount = column(5.0, 50.0)
    notes = float(amount.sum())
    schedule = np.repeat((amount * draw(st.floats(1.05, 1.3)) / n)[:, None], n, axis=1)
    share = draw(st.floats(0.6, 0.95))
    dates = QUARTERS[:n]
    payment = draw(st.sampled_from(["with collections", "straight-line", "bullet"]))
    return Deal(
        Pool(
            tuple("ABCD"[:m]),
            amount,
            schedule,
            column(0.001, 0.1),
            column(0, 1),
            column(0, 0.5),
            column(0, 0.6),
        ),
        (
            Tranche("senior", 1, notes * share, draw(st.floats(0.0, 0.06)), payment, dates[-1]),
            Tranche("junior", 2, notes * (1 - share), 0.0, "bullet", dates[-1]),
        ),
        Terms(dt.date(2021, 1, 10), dates, fee_rate=0.002, support_correlation=draw(st.floats(0, 0.9))),
        Controls(
            reserve_size=draw(st.floats(0, 1)),
            support_pd=draw(st.floats(0.001, 0.5)),
            repurchase_share=draw(st.floats(0, 0.5)),
        ),
    )


laws = settings(deadline=None, max_examples=20)
SLACK = 1e-9


def anydate(deal, tranche=0, **stress):
    return kmv_view(deal, Stress("x", **stress)).tranches[tranche].anydate_pd


def covered(deal, **stress):
    """Whether the expected collections cover the senior dues on all dates: then risk raises the PD."""
    view = kmv_view(deal, Stress("x", **stress))
    risk = view.tranches[0].risk
    reserve = risk.coverage[0] * risk.accumulated_due[0] - risk.accumulated_in[0]
    return bool(
        (risk.accumulated_in * np.exp(view.drift * risk.times) + reserve >= risk.accumulated_due).all()
    )


@laws
@given(deals(), st.floats(0.01, 0.5))
def test_haircut_raises_every_probability(deal, haircut):
    for k in (0, 1):
        assert (anydate(deal, k, pool_haircut=haircut) >= anydate(deal, k) * (1 - SLACK)).all()


@laws
@given(deals(), st.floats(1.01, 3.0))
def test_more_risk_raises_the_probability_of_a_covered_plan(deal, up):
    base = anydate(deal) * (1 - SLACK) - 1e-300
    for stress in (
        {"volatility_multiplier": up},
        {"pd_multiplier": min(up, 1.5)},
        {"recovery_multiplier": 1 / up},
        {"correlation_add": 0.1 * (up - 1)},
    ):
        if covered(deal) and covered(deal, **stress):
            assert (anydate(deal, **stress) >= base).all(), stress


@laws
@given(deals(), st.sampled_from(list(CONTROLS)))
def test_no_control_makes_a_covered_plan_riskier(deal, control):
    if covered(deal) and covered(deal, controls_off=(control,)):
        with_it, without = anydate(deal), anydate(deal, controls_off=(control,))
        assert (without >= with_it * (1 - SLACK) - 1e-300).all()


@laws
@given(deals())
def test_order_within_the_view(deal):
    view = kmv_view(deal)
    senior, junior = view.tranches
    for t in view.tranches:
        assert (t.anydate_pd >= t.pd * (1 - 1e-12)).all()
        assert (t.pd <= t.risk.pd).all() and (t.anydate_pd <= t.risk.anydate_pd).all()
        assert (np.diff(t.risk.anydate_pd) >= 0).all()
    assert (junior.risk.anydate_pd >= senior.risk.anydate_pd * (1 - 1e-12)).all()
    assert junior.expected_loss >= senior.expected_loss * (1 - 1e-9)


@laws
@given(deals(), st.randoms(), st.sampled_from([2.0**20, 2.0**-20, 1e6, 1e-6]))
def test_neither_unit_nor_order_of_obligors_matters(deal, random, unit):
    pool, order = deal.pool, list(range(len(deal.pool.name)))
    random.shuffle(order)
    shuffled = Pool(
        tuple(pool.name[i] for i in order),
        *(getattr(pool, c)[order] for c in ("amount", "schedule", "pd", "recovery", "lag", "correlation")),
    )
    scaled = replace(pool, amount=pool.amount * unit, schedule=pool.schedule * unit)
    tranches = tuple(replace(t, amount=t.amount * unit) for t in deal.tranches)
    base = kmv_view(deal)
    other = kmv_view(replace(deal, pool=scaled, tranches=tranches))
    for view in (kmv_view(replace(deal, pool=shuffled)), other):
        for one, two in zip(base.tranches, view.tranches, strict=True):
            np.testing.assert_allclose(two.risk.coverage, one.risk.coverage, rtol=1e-12)
            # Rounding of the inputs, a few 1e-16, is divided by sigma sqrt(t) and by what is left open.
            near = np.abs(one.risk.distance) < 30
            np.testing.assert_allclose(
                two.risk.distance[near], one.risk.distance[near], rtol=1e-9, atol=1e-11
            )
            np.testing.assert_allclose(two.anydate_pd[near], one.anydate_pd[near], rtol=1e-8, atol=1e-14)
    if unit in (2.0**20, 2.0**-20):
        for one, two in zip(base.tranches, other.tranches, strict=True):
            np.testing.assert_array_equal(two.anydate_pd, one.anydate_pd)
            # Numbers below 2.2e-308 have fewer digits.
            assert two.expected_loss == pytest.approx(one.expected_loss, rel=1e-15, abs=1e-300)


@pytest.mark.parametrize("off", [*((c,) for c in CONTROLS), tuple(CONTROLS)], ids="-".join)
def test_every_law_holds_whichever_control_is_off(off):
    deal = xingye_yuanrong()
    deal = replace(deal, terms=replace(deal.terms, paths=2000), controls=deal.controls.without(*off))
    found = analyse(deal, [BASE], actual=deal.pool.collections[:4])
    assert [c.name for c in found.checks if c.outcome == "FAILED"] == []
    # Collections as scheduled are on plan, excess coverage or not.
    np.testing.assert_allclose(found.surveillance.accumulated_ratio, 1.0)
    np.testing.assert_allclose(found.scheduled, deal.pool.collections)


def test_a_plan_without_tests_and_a_pool_that_fails_by_the_first_date(build):
    for schedule, pd in (([[60.0, 60.0]], 0.9), ([[100.0]], 0.7)):
        deal = build(schedule, senior=25.0, junior=5.0, pd=pd, covenants=(), paths=1000)
        found = analyse(deal, [BASE])
        assert found.base.drift < -1.0 and found.covenants == ()
        assert np.isnan(found.breakeven[:, 1:]).all()
        assert all(c.passed for c in found.checks if not c.warning)


def test_a_rare_default_that_no_path_shows_is_no_mistake(build):
    deal = build(
        [[990.0] * 5] + [[1.0] * 5] * 10, pd=[1e-6] + [0.02] * 10, senior=4000.0, junior=500.0, paths=5000
    )
    assert all(c.passed for c in analyse(deal, [BASE]).checks if not c.warning)


def test_covenants_of_a_pool_that_cannot_default_are_sure(build):
    tests = (Covenant("coverage", "coverage", "min", 1.0), Covenant("dd", "senior DD", "min", 1.0, "trap"))
    note = (Tranche("Note", 1, 4.2, 0.0, "with collections", build([[1.0] * 5]).terms.dates[-1]),)
    deal = build([[0.1, 0.2, 0.3, 0.1, 0.7]] * 3, tranches=note, covenants=tests, fee_rate=0.0, paths=1000)
    deal = replace(deal, controls=Controls(reserve=False, support=False))
    found = analyse(deal, [BASE])
    assert all((c.anydate_probability == 0.0).all() for c in found.covenants)
    assert (found.simulated_base.trigger[0] == 1.0).all()


# ------------------------------------------------------------------------------ the headline class


@pytest.mark.parametrize(
    ("headline", "k"),
    [("", 3), ("A-1", 0), ("A-2", 1), ("A-4", 3), ("B", 4)],
    ids=lambda x: str(x) or "blank",
)
def test_what_an_analysis_says_first_it_says_of_the_headline_class(five, headline, k):
    deal = five(headline)
    found = analyse(deal, [BASE])
    assert found.headline == k == deal.headline
    tranche, plan = found.base.tranches[k], apply(deal, BASE)
    m, times = tranche.maturity, deal.terms.times
    # Against volatility: on the row of the pool's own it is what the KMV view says of the class.
    row = found.sigma[found.sigma[:, 0] == found.base.volatility][0]
    assert row[1:].tolist() == [tranche.risk.pd[m], tranche.risk.anydate_pd[m]]
    # Limits: at the largest volatility the class has the target PD, at its own maturity.
    reserve = plan.reserve if k < 4 else 0.0
    for target, volatility, dues, coverage in found.breakeven:
        if np.isnan(volatility):
            continue
        risk = pool_risk(plan.collections, plan.dues.ahead(k), volatility, times, found.base.drift, reserve)
        assert risk.pd[m] == pytest.approx(target, rel=1e-9)
        assert dues > 0.0 and coverage > 0.0
    assert np.isfinite(found.breakeven[:, 1]).any()
    # What ranks behind it bears losses first.
    behind = sum(t.amount for t in deal.tranches[k + 1 :])
    pool = deal.pool
    models = compare_models(
        pool.amount, pool.pd, pool.correlation, LEVELS, lgd=0.6, attachment=behind, seed=deal.terms.seed
    )
    hit = {name: model.hit_probability for name, model in portfolio_models(deal).items()}
    assert hit == {name: model.hit_probability for name, model in models.items()}
    (check,) = (c for c in found.checks if c.name.startswith("Coverage of "))
    assert (check.name, check.difference) == (f"Coverage of {tranche.name}", tranche.coverage_at_maturity)


@pytest.mark.parametrize("point", ["legal final", "expected"])
def test_a_class_that_is_passed_through_may_be_the_headline(build, point):
    end = build([[1.0] * 5]).terms.dates[-1]
    tranches = [
        Tranche("A", 1, 150.0, 0.03, "pass-through", legal_final=end, senior=True),
        Tranche("B", 2, 50.0, 0.05, "pass-through", legal_final=end),
    ]
    deal = build(
        [[26.0] * 5] * 2, pd=0.02, recovery=0.3, tranches=tranches, headline="B", default_point=point
    )
    deal = replace(
        deal, pool=replace(deal.pool, amount=[110.0, 110.0]), terms=replace(deal.terms, paths=1000)
    )
    found = analyse(deal, [BASE])
    tranche = found.base.tranches[1]
    row = found.sigma[found.sigma[:, 0] == found.base.volatility][0]
    m = tranche.maturity
    assert row[1:].tolist() == [tranche.risk.pd[m], tranche.risk.anydate_pd[m]]
    assert 0.0 < row[2] < 1.0


def test_beside_the_simulation_stands_the_one_without_the_undertaking(five):
    deal = five("A-3")
    found = analyse(deal, [BASE, Stress("Haircut", pool_haircut=0.1)])
    alone = simulate(deal, Stress("x", controls_off=("support",)))
    np.testing.assert_array_equal(found.simulated_unsupported.replicates, alone.replicates)
    helped, without = (run.tranches[2].anydate_pd for run in (found.simulated_base, alone))
    assert without > helped
    # No other number knows of it.
    off = replace(deal, controls=deal.controls.without("support"))
    np.testing.assert_array_equal(
        analyse(off, [BASE]).simulated_base.replicates, found.simulated_unsupported.replicates
    )
    assert [r.stress.name for r in found.simulated] == ["Base", "Haircut"]
    np.testing.assert_array_equal(found.simulated[0].simulation.replicates, found.simulated_base.replicates)
    same = analyse(off, [BASE])
    assert same.simulated_unsupported is same.simulated_base


def test_a_quick_look_simulates_the_plan_only(five):
    deal = five("A-3", paths=30_000)
    stresses = [BASE, Stress("Haircut", pool_haircut=0.1)]
    found = analyse(deal, stresses, quick=True)
    assert (found.quick, found.simulated, found.attribution, found.reverse) == (True, (), None, ())
    assert [str(error) for error in found.models.values()] == ["not in a quick look"] * 4
    assert [view.stress.name for view in found.scenarios] == ["Base", "Haircut"]
    plan = simulate(deal, paths=10_000)
    assert found.simulated_base.paths == 10_000
    np.testing.assert_array_equal(found.simulated_base.replicates, plan.replicates)
    # A deal that asks for fewer gets fewer; all the rest is what the whole analysis has.
    few = five("A-3", paths=200)
    quick, full = analyse(few, stresses, quick=True), analyse(few, stresses)
    assert (quick.simulated_base.paths, full.quick) == (200, False)
    for run in ("simulated_base", "simulated_off", "simulated_unsupported"):
        np.testing.assert_array_equal(getattr(quick, run).replicates, getattr(full, run).replicates)
    np.testing.assert_array_equal(quick.sigma, full.sigma)
    laws = [c.name for c in full.checks if "Shapley" not in c.name]
    assert [c.name for c in quick.checks] == laws
    said, whole = read(few, quick), read(few, full)
    assert {key for key in said if said[key] != whole[key]} == {"controls", "breaks"}
    assert said["controls"] == said["breaks"] == "Not in a quick look: refresh for everything."


@pytest.mark.parametrize(
    ("scale", "reserve", "pays"), [(0.8, True, True), (0.79, True, False), (0.8, False, False)]
)
def test_a_pool_pays_if_it_covers_the_headline_class_with_the_reserve(five, scale, reserve, pays):
    """100, 2 of interest and 4.6 of fees, against 120 and a tenth of what is due to A-1 to A-4."""
    deal = five("A-1")
    poor = replace(deal, pool=replace(deal.pool, schedule=deal.pool.schedule * scale))
    poor = replace(poor, controls=replace(deal.controls, reserve=reserve))
    found = analyse(poor, [BASE])
    coverage = (scale * 120.0 + reserve * 0.1 * (106.6 + 6.0)) / 106.6
    assert found.base.tranches[0].coverage_at_maturity == pytest.approx(coverage, rel=1e-12)
    # The undertaking is on, and makes no difference.
    assert found.pool_pays == pays == (coverage >= 1.0)


def test_progress_rises_and_stops_every_stage():
    deal = small_deal(paths=1000)
    told = []
    asked = {"actual": deal.pool.collections[:1], "ranges": Ranges(recovery=(0.3, 0.5))}
    analyse(deal, PRESETS[:3], lambda what, share: told.append((what, share)), **asked)
    shares = [share for _, share in told]
    assert shares == sorted(shares) and shares[0] == 0.0 and shares[-1] <= 1.0
    stages = list(dict.fromkeys(what for what, _ in told))
    assert stages[:3] == ["KMV view", "Simulating the conditions", "Surveillance"]
    assert stages[-2:] == ["Four portfolio models", "How well the answers are known"]
    # The stages that take long on a large pool are told of many times.
    counts = {what: sum(what == other for other, _ in told) for what in stages}
    assert counts["KMV view"] == 5 and counts["Break-even stresses"] > 300
    for stage in stages:

        def stop(what, share, stage=stage):
            if what == stage:
                raise KeyboardInterrupt(stage)

        with pytest.raises(KeyboardInterrupt, match=stage):
            analyse(deal, PRESETS[:3], stop, **asked)
