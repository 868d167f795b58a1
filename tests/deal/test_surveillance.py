"""Surveillance: the update against a textbook's and against simulation, the re-rating against closing."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlkmv.deal.examples.patents import xingye_yuanrong
from xlkmv.deal.kmv import kmv_view
from xlkmv.deal.plan.waterfall import waterfall
from xlkmv.deal.questions.surveillance import LEAST_RATIO, rerate, update_lognormal
from xlkmv.deal.stress import BASE, Stress, apply
from xlkmv.deal.terms import Controls, Covenant, Deal, Loans, Pool, Terms, Tranche, payment_dates
from xlkmv.errors import DomainError, InputError
from xlkmv.model.plan import plan_risk


def plan_of(build):
    return apply(build(np.full((1, 6), 30.0), senior=120.0, coupon=0.05), Stress("Base"))


def test_update_by_hand():
    # Prior worth 4 years: sigma .1, mu .005, so m0 = 0. Two years of -.1 and -.3: mean -.2.
    r = update_lognormal([-0.1, -0.3], 1.0, 0.1, 0.005, 4.0)
    assert r.prior_weight == pytest.approx(4 / 6)
    # 6 s^2 = 4 x .01 + .02 + (4 x 2/6) x .04 = .04 + .02 + .0533...; m = -.4/6
    variance = (0.04 + 0.02 + 8 / 6 * 0.04) / 6
    assert r.volatility == pytest.approx(np.sqrt(variance))
    assert r.drift == pytest.approx(-0.4 / 6 + variance / 2)


def test_nothing_seen_leaves_the_prior():
    r = update_lognormal([], 0.25, 0.12, -0.01, 8.0)
    assert (r.volatility, r.drift, r.prior_weight) == pytest.approx((0.12, -0.01, 1.0))


def test_much_seen_finds_the_truth():
    sigma, mu, dt = 0.2, -0.05, 0.25
    x = np.random.default_rng(1).normal((mu - sigma**2 / 2) * dt, sigma * np.sqrt(dt), 200_000)
    r = update_lognormal(x, dt, 0.05, 0.1, 8.0)
    assert r.volatility == pytest.approx(sigma, rel=0.01)
    assert r.drift == pytest.approx(mu, abs=5 * sigma / np.sqrt(200_000 * dt))


@given(st.lists(st.floats(-1.0, 1.0), max_size=10), st.floats(0.5, 50.0))
def test_the_order_of_the_periods_does_not_matter(x, strength):
    a = update_lognormal(x, 0.25, 0.1, 0.0, strength)
    b = update_lognormal(x[::-1], 0.25, 0.1, 0.0, strength)
    assert a.volatility == pytest.approx(b.volatility)
    assert a.drift == pytest.approx(b.drift)


def test_at_closing_it_is_the_plans_own_risk(build):
    plan = plan_of(build)
    s = rerate(plan, [], 0.1, 0.01)
    for i in range(2):
        risk = plan_risk(
            plan.collections,
            plan.dues.ahead(i),
            0.1,
            plan.deal.terms.times,
            0.01,
            plan.reserve if i == 0 else 0.0,
        )
        np.testing.assert_allclose(s.now[i].pd, risk.pd)
        assert s.pd[i, 0] == pytest.approx(risk.anydate_pd[-1])
        assert s.distance[i, 0] == pytest.approx(risk.distance.min())


def test_as_planned_it_gets_safer_and_worse_than_planned_raises_the_alarm(build):
    plan = plan_of(build)
    good = rerate(plan, plan.collections[:4], 0.04)
    assert (np.diff(good.pd[0]) < 0.0).all()
    assert not good.alert.any()
    np.testing.assert_allclose(good.accumulated_ratio, 1.0)
    bad = rerate(plan, plan.collections[:4] * [1.0, 0.8, 0.6, 0.5], 0.04)
    assert bad.pd[0, -1] > 0.5 > 0.05 > bad.pd[0, 0]
    assert bad.band[0, 0] < bad.band[0, -1] == 5
    assert not good.behind.any()
    # 100, 90, 80, 72.5 % of the plan so far.
    assert bad.behind.tolist() == [False, True, True, True]
    rating = bad.reratings[-1]
    assert rating.median_growth == pytest.approx(rating.drift - rating.volatility**2 / 2)
    assert bad.alert[0].tolist()[::4] == [False, True]
    assert bad.reratings[-1].volatility > 0.04
    assert bad.reratings[-1].drift < 0.0
    weights = [r.prior_weight for r in bad.reratings]
    np.testing.assert_allclose(weights, 8.0 / (8.0 + np.arange(5)))


def test_collections_ahead_of_plan_are_no_alarm():
    plan = apply(xingye_yuanrong(), Stress("Base"))
    ahead = rerate(plan, 1.1 * plan.collections[:1], 0.013)
    # The surprise widens sigma, and with it the band; that is no bad news.
    assert ahead.reratings[-1].volatility > 0.05
    assert ahead.band[0, -1] > ahead.band[0, 0]
    assert not ahead.alert.any() and not ahead.missed.any()


def test_what_pool_and_reserve_left_unpaid_is_missed(build):
    plan = plan_of(build)
    s = rerate(plan, [0.0, 0.0, 2.5 * plan.collections[2]], 0.1)
    # Half a period of reserve does not cover the first date; a catch-up does not undo it.
    assert s.missed.tolist() == [[False, True, True, True], [False] * 4]
    assert s.pd[0].tolist()[1:] == [1.0, 1.0, 1.0] and (s.distance[0, 1:] == -np.inf).all()
    assert s.alert[0, 1:].all()


def test_what_was_missed_is_due_next(build):
    plan = plan_of(build)
    s = rerate(plan, [0.0], 0.1, prior_strength=1e6)
    due = plan.dues.ahead(0)
    late = due[1:].copy()
    late[0] += due[0] - plan.reserve
    risk = plan_risk(
        plan.collections[1:], late, s.reratings[1].volatility, np.arange(1.0, 6.0), s.reratings[1].drift
    )
    np.testing.assert_allclose(s.now[0].pd, risk.pd)


def test_a_period_without_cash_counts_as_the_least_ratio(build):
    plan = plan_of(build)
    a = rerate(plan, [0.0], 0.1).reratings[-1]
    b = update_lognormal([np.log(LEAST_RATIO)], 1.0, 0.1, 0.0, 8.0)
    assert a == b or (a.volatility, a.drift) == (b.volatility, b.drift)


def test_after_the_last_date_it_is_known(build):
    plan = plan_of(build)
    paid = rerate(plan, plan.collections, 0.1)
    assert paid.pd[:, -1].tolist() == [0.0, 0.0]
    assert paid.now == (None, None)
    short = rerate(plan, 0.7 * plan.collections, 0.1)
    assert short.pd[:, -1].tolist() == [1.0, 1.0]


def test_what_does_not_fit_is_refused(build):
    plan = plan_of(build)
    with pytest.raises(InputError, match="at most one value per payment date"):
        rerate(plan, np.ones(7), 0.1)
    with pytest.raises(DomainError, match="actual must be >= 0"):
        rerate(plan, [-1.0], 0.1)
    with pytest.raises(DomainError, match="bands must increase"):
        rerate(plan, [], 0.1, bands=(0.1, 0.01))


def test_cash_that_was_paid_out_is_not_held(build):
    dates = build(np.full((1, 8), 1.0)).terms.dates
    tranches = (
        Tranche("Senior", 1, 1100.0, 0.04, "straight-line", dates[-1]),
        Tranche("Mezzanine", 2, 250.0, 0.06, "straight-line", dates[-1]),
    )
    controls = Controls(reserve=False, support=False)
    deal = build([[30.0] * 8] * 8, tranches=tranches, pd=0.03, recovery=0.4, controls=controls, fee_rate=0.0)
    plan = apply(deal, Stress("Base"))
    s = rerate(plan, plan.collections[:5], 0.05)
    run = waterfall(plan)
    # The mezzanine has taken its part: less is left than the senior alone would have.
    assert not run.short.any()
    assert run.account[4] < (plan.collections - plan.dues.ahead(0))[:5].sum()
    for k in range(2):
        due = plan.dues.ahead(k)[5:]
        coverage = (np.cumsum(plan.collections[5:]) + run.account[4]) / np.cumsum(due)
        np.testing.assert_allclose(s.now[k].coverage, coverage)


def test_a_tranche_is_judged_up_to_its_maturity(build):
    dates = build(np.full((1, 10), 1.0)).terms.dates
    tranches = (
        Tranche("Senior", 1, 700.0, 0.04, "with collections", dates[4]),
        Tranche("Junior", 2, 100.0, 0.0, "bullet", dates[9]),
    )
    deal = build([[30.0] * 5 + [10.0] * 5] * 6, tranches=tranches, pd=0.02, recovery=0.4, lag=1.0)
    plan, view = apply(deal, Stress("Base")), kmv_view(deal)
    s = rerate(plan, plan.collections[:6], view.volatility, view.drift)
    for k, (tranche, end) in enumerate(zip(view.tranches, (5, 10), strict=True)):
        assert s.pd[k, 0] == pytest.approx(tranche.risk.anydate_pd[end - 1])
        assert s.distance[k, 0] == pytest.approx(tranche.risk.distance[:end].min())
    # The senior matured after five dates, and was paid.
    assert s.now[0] is None and s.pd[0, 5:].tolist() == [0.0, 0.0]
    assert s.now[1] is not None and s.now[1].times.size == 4
    missed = rerate(plan, 0.5 * plan.collections[:6], view.volatility, view.drift)
    assert missed.pd[0, 5:].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("consequence", ["turbo", "trap"])
def test_what_a_trigger_withheld_at_the_maturity_is_missed(build, consequence):
    dates = build(np.full((1, 6), 1.0)).terms.dates
    tranches = (
        Tranche("Senior", 1, 500.0, 0.0, "straight-line", dates[-1]),
        Tranche("Junior", 2, 60.0, 0.0, "bullet", dates[2]),
    )
    test = Covenant("coverage", "coverage", "min", 5.0, consequence)
    controls = Controls(reserve=False, support=False)
    deal = build([[30.0] * 6] * 4, tranches=tranches, covenants=[test], controls=controls, fee_rate=0.0)
    plan = apply(deal, Stress("Base"))
    s = rerate(plan, plan.collections[:4], 0.05)
    assert s.missed[1].tolist() == [False, False, False, True, True]
    assert s.pd[1, 3:].tolist() == [1.0, 1.0] and s.now[1] is None
    assert not s.missed[0].any()


def test_what_was_late_and_paid_leaves_no_cash_behind(build):
    tranches = (Tranche("Note", 1, 500.0, 0.10, "straight-line", build([[1.0] * 6]).terms.dates[-1]),)
    controls = Controls(reserve=False, support=False)
    deal = build([[30.0] * 6] * 4, tranches=tranches, controls=controls, fee_rate=0.0)
    plan, actual = apply(deal, Stress("Base")), [0.0, 0.0, 400.0, 120.0]
    s, run = rerate(plan, actual, 0.05), waterfall(plan, [*actual, 120.0, 120.0])
    behind = run.balance[0, 3] - (plan.dues.opening - plan.dues.principal)[0, 3] + run.interest_missed[0, 3]
    late = np.array([max(behind - run.account[3], 0.0), 0.0])
    due = plan.dues.ahead(0)[4:] + late
    np.testing.assert_allclose(s.now[0].accumulated_due, np.cumsum(due))


def test_a_pool_that_cannot_default_stays_certain(build):
    tranches = (Tranche("Note", 1, 720.0, 0.0, "straight-line", build([[1.0] * 6]).terms.dates[-1]),)
    controls = Controls(reserve=False, support=False)
    deal = build([[30.0] * 6] * 4, tranches=tranches, controls=controls, fee_rate=0.0)
    plan, view = apply(deal, Stress("Base")), kmv_view(deal)
    s = rerate(plan, plan.collections[:3], view.volatility, view.drift)
    assert view.volatility == 0.0 and (s.pd == 0.0).all() and (s.distance == np.inf).all()


def pass_through_plan(**change):
    """A claim of 100 that repays 25 a year at 8 %; A 60 at 5 %, B 30 at 10 %, passed through."""
    dates = payment_dates(dt.date(2020, 1, 1), "year", 4)
    loans = Loans(np.array([48.0]), 0.08, ("linear",), payments_per_year=1.0)
    pool = Pool(("Claim",), [100.0], np.zeros((1, 4)), 0.02, 0.4, 0.0, 0.2, loans=loans)
    notes = (
        Tranche("A", 1, 60.0, 0.05, "pass-through"),
        Tranche("B", 2, 30.0, 0.10, "pass-through", deferrable=change.pop("deferrable", False)),
    )
    terms = Terms(dt.date(2020, 1, 1), dates, **change)
    return Deal(pool, notes, terms, Controls(reserve=False, support=False, triggers=False))


def test_interest_that_may_wait_but_was_paid_is_not_due_again():
    """While everything is paid on its dates, it makes no difference that interest could wait."""
    firm, may_wait = (apply(pass_through_plan(deferrable=d), BASE) for d in (False, True))
    # At closing and after each date what is still to be paid is the same at the last date.
    for seen in range(4):
        a, b = (rerate(plan, plan.collections[:seen], 0.1).now[1] for plan in (firm, may_wait))
        assert a.pd[-1] == pytest.approx(b.pd[-1], rel=1e-9)


def test_principal_that_was_passed_through_is_not_due_again():
    """Judged by all dues of the plan, it makes no difference when principal falls due at last."""
    stress = Stress("all", default_point="all")
    plans = [apply(pass_through_plan(default_point=p), stress) for p in ("legal final", "expected")]
    one, other = (rerate(plan, plan.collections[:3], 0.1) for plan in plans)
    # A's maturity differs, B's does not.
    np.testing.assert_allclose(one.pd[1], other.pd[1])
    assert 0.0 < one.pd[1, 3] < 1.0
