"""Surveillance: laws of the update and of the re-rating, the re-rating against closing and by hand."""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlkmv.deal.examples import EXAMPLES, example
from xlkmv.deal.examples.patents import xingye_yuanrong
from xlkmv.deal.kmv import kmv_view
from xlkmv.deal.paths.run import simulate
from xlkmv.deal.plan.waterfall import waterfall
from xlkmv.deal.questions.surveillance import LEAST_RATIO, LEAST_SCALE, from_today, rerate, reratings
from xlkmv.deal.stress import BASE, Stress, apply
from xlkmv.deal.terms import Controls, Covenant, Deal, Loans, Pool, Record, Terms, Tranche, payment_dates
from xlkmv.errors import DomainError, InputError
from xlkmv.model.plan import plan_risk

YEARS = np.arange(1.0, 41.0)


def plan_of(build, **change):
    return apply(build(np.full((1, 6), 30.0), senior=120.0, coupon=0.05, **change), Stress("Base"))


# ---------------------------------------------------------------------------------- the update


def test_nothing_seen_leaves_the_view_of_closing():
    (r,) = reratings([], [], [], 0.12)
    assert (r.volatility, r.level, r.closing_weight) == (0.12, 1.0, 1.0)
    assert r.low < 0.12 < r.high


def test_what_comes_in_as_expected_changes_nothing_but_the_interval():
    found = reratings(np.full(12, 80.0), np.full(12, 80.0), YEARS[:12], 0.12)
    assert {(r.volatility, r.level) for r in found} == {(0.12, 1.0)}
    assert [r.closing_weight for r in found] == pytest.approx([8 / (8 + n) for n in range(13)])
    assert all(a.high > b.high for a, b in itertools.pairwise(found))


def test_a_lower_level_is_learnt_and_a_higher_one_is_not_counted_on():
    low = reratings(np.full(16, 90.0), np.full(16, 100.0), YEARS[:16], 0.05)
    # Three of the last five periods make a level, which counts n/(8 + n).
    assert [r.level for r in low[:3]] == [1.0] * 3
    assert [r.level for r in low[3:]] == pytest.approx([0.9 ** (n / (8 + n)) for n in range(3, 17)])
    # It has jumped once, by ln .9 = -2.1 units of .05, and stays there.
    assert low[1].volatility > 0.05 and low[-1].volatility == 0.05
    high = reratings(np.full(16, 110.0), np.full(16, 100.0), YEARS[:16], 0.05)
    assert {r.level for r in high} == {1.0}
    # A fall for good late in the life of a deal is seen as soon.
    late = reratings([100.0] * 12 + [75.0] * 3, [100.0] * 15, YEARS[:15], 0.05)
    assert [r.level for r in late[-2:]] == pytest.approx([1.0, 0.75 ** (15 / 23)])


def test_much_seen_finds_the_truth():
    """Collections that are a random walk of sqrt(3) x .03: accumulated ones have a volatility of .03."""
    x = np.exp(np.cumsum(np.random.default_rng(2).normal(0.0, 0.03 * np.sqrt(3.0 / 4.0), 4000)))
    found = reratings(x, np.ones(4000), np.arange(1, 4001) / 4.0, 0.01)[-1]
    assert found.volatility == pytest.approx(0.03, rel=0.05)
    assert found.low < found.volatility < found.high < 0.033


def test_one_payment_that_is_missed_is_no_volatility():
    """The issue that was seen: 100, 97 and 75 % of plan took sigma from 1.5 to 16.5 %."""
    quarters = YEARS / 4.0
    found = reratings([100.0, 97.0, 75.0], [100.0] * 3, quarters[:3], 0.015)[-1]
    assert 0.015 < found.volatility < 0.025 and found.level == 1.0
    missed = reratings([100.0, 100.0, 0.0], [100.0] * 3, quarters[:3], 0.015)[-1]
    assert 0.015 < missed.volatility < 0.0225 and missed.level == 1.0
    # Once payments go on it fades: a date that goes back is no surprise.
    after = reratings([100.0, 100.0, 0.0] + [100.0] * 3, [100.0] * 6, quarters[:6], 0.015)[-3:]
    assert missed.volatility > after[0].volatility > after[1].volatility >= after[2].volatility == 0.015
    # With normal tails all of it would be volatility.
    normal = reratings([100.0, 100.0, 0.0], [100.0] * 3, quarters[:3], 0.015, tail=1000.0)[-1]
    assert normal.volatility > 0.10
    # Once it is known to be a default, nothing was a surprise.
    known = reratings([100.0, 97.0, 75.0], [100.0, 97.0, 75.0], quarters[:3], 0.015)[-1]
    assert (known.volatility, known.level) == (0.015, 1.0)


def test_the_weight_of_closing_is_the_users():
    weak, strong = (reratings([90.0] * 6, [100.0] * 6, YEARS[:6], 0.05, strength=k)[-1] for k in (2.0, 50.0))
    assert weak.level < strong.level < 1.0
    assert (weak.closing_weight, strong.closing_weight) == (0.25, 50.0 / 56.0)


def test_a_period_without_cash_counts_as_the_least_ratio():
    none = reratings([0.0, 100.0], [100.0] * 2, YEARS[:2], 0.1)[1]
    least = reratings([100.0 * LEAST_RATIO, 100.0], [100.0] * 2, YEARS[:2], 0.1)[1]
    assert none == least


def test_a_date_on_which_nothing_was_expected_teaches_nothing():
    found = reratings([100.0, 5.0, 90.0], [100.0, 0.0, 100.0], [1.0, 1.5, 2.0], 0.1)
    assert [r.closing_weight for r in found] == [1.0, 8 / 9, 8 / 9, 8 / 10]
    assert found[2] == found[1]


def test_a_pool_that_cannot_default_may_surprise_all_the_same():
    assert reratings([100.0], [100.0], [1.0], 0.0)[-1].volatility == 0.0
    found = reratings([90.0], [100.0], [1.0], 0.0)[-1]
    assert LEAST_SCALE < found.volatility < 2.0 * LEAST_SCALE


shares = st.lists(st.floats(0.0, 1.6), min_size=1, max_size=6)


@settings(max_examples=40, deadline=None)
@given(shares, st.floats(0.0, 0.5), st.floats(2.0, 50.0), st.floats(1.0, 50.0))
def test_sigma_and_level_are_never_better_than_at_closing(x, sigma, strength, tail):
    found = reratings(100.0 * np.array(x), np.full(len(x), 100.0), YEARS[: len(x)], sigma, strength, tail)
    for r in found:
        assert r.volatility >= sigma and r.level <= 1.0
        assert 0.0 < r.low < r.high


PLANS = {
    "patents": lambda five: xingye_yuanrong(),
    "five classes": lambda five: five(),
    "one class": lambda five: pass_through(1),
    "triggers": lambda five: five(covenants=[Covenant("c", "coverage", "min", 1.1, "trap")]),
}


@pytest.mark.parametrize("name", PLANS)
@settings(max_examples=12, deadline=None)
@given(x=shares)
def test_no_class_is_better_than_on_plan_while_cash_is_missing(five, name, x):
    deal = PLANS[name](five)
    plan, view = apply(deal, BASE), kmv_view(deal)
    x = np.array(x[: len(deal.terms.dates)])
    s = rerate(plan, plan.collections[: x.size] * x, view.volatility, view.drift)
    missing = np.append(False, s.accumulated_ratio < 1.0)
    assert (s.pd >= s.on_plan)[:, missing].all()
    on_plan = rerate(plan, plan.collections[: x.size], view.volatility, view.drift)
    np.testing.assert_array_equal(s.on_plan, on_plan.on_plan)
    # On plan it is time alone that lowers the PD.
    np.testing.assert_array_equal(on_plan.pd, np.where(on_plan.missed, 1.0, on_plan.on_plan))


# ---------------------------------------------------------------------------------- the re-rating


CAPPED = Controls(reserve_size=0.1, support_pd=0.02, support_cap=20.0)
AT_CLOSING = {"five classes": {}, "a capped undertaking": {"controls": CAPPED}}


@pytest.mark.parametrize("name", [*EXAMPLES, *AT_CLOSING])
def test_at_closing_it_is_the_plans_own_view(five, name):
    deal = five(**AT_CLOSING[name]) if name in AT_CLOSING else example(name).deal
    view = kmv_view(deal)
    s = rerate(apply(deal, BASE), [], view.volatility, view.drift)
    for k, t in enumerate(view.tranches):
        assert s.distance[k, 0] == t.distance_at_maturity
        assert s.coverage[k, 0] == t.coverage_at_maturity
        assert s.pd[k, 0] == pytest.approx(t.risk.anydate_pd[t.maturity], rel=1e-12)
        assert s.supported_pd[k] == pytest.approx(t.anydate_pd_at_maturity, rel=1e-12)
    assert s.seen == 0 and s.balance.tolist() == [t.amount for t in deal.tranches]


def test_what_is_left_of_the_undertaking_stands_behind_the_class_now(five):
    """A payer with a PD of 10 %: alive today, it fails with 1 - .9^t over the years that are left."""
    controls = Controls(reserve=False, support_pd=0.1)
    deal = five(controls=controls, support_correlation=0.0)
    plan, view = apply(deal, BASE), kmv_view(deal)
    s = rerate(plan, plan.collections[:2] * 0.8, view.volatility, view.drift)
    # A-4 matures four years after closing; B is not protected.
    assert s.supported_pd[3] == pytest.approx(s.pd[3, -1] * (1.0 - 0.9**2), rel=1e-9)
    assert s.supported_pd[4] == s.pd[4, -1]
    # Once the cap is drawn it protects no longer.
    spent = five(controls=Controls(reserve=False, support_pd=0.1, support_cap=1.0), support_correlation=0.0)
    s = rerate(apply(spent, BASE), [0.0, 0.0], view.volatility, view.drift)
    assert s.supported_pd[3] == pytest.approx(1.0)


def test_the_issue_that_was_seen():
    deal = xingye_yuanrong()
    plan, view = apply(deal, BASE), kmv_view(deal)

    def after(*x):
        return rerate(plan, plan.collections[: len(x)] * x, view.volatility, view.drift)

    bad, late = after(1.0, 0.97, 0.75), after(1.0, 0.97, 1.0)
    # The senior class is still far from default, and worse than on plan.
    assert bad.on_plan[0, -1] < bad.pd[0, -1] < 1e-3
    assert late.on_plan[0, -1] < late.pd[0, -1] < bad.pd[0, -1]
    assert not bad.alert[0].any() and bad.pd[1, -1] > bad.pd[1, 0]


def test_as_planned_it_gets_safer_and_worse_than_planned_raises_the_alarm(build):
    plan = plan_of(build)
    good = rerate(plan, plan.collections[:4], 0.04)
    assert (np.diff(good.pd[0]) < 0.0).all()
    assert not good.alert.any()
    np.testing.assert_allclose(good.accumulated_ratio, 1.0)
    better = rerate(plan, plan.collections[:4] * [1.02, 1.02, 1.02, 1.02], 0.04)
    assert better.pd[0, -1] < better.on_plan[0, -1] and not better.alert.any()
    bad = rerate(plan, plan.collections[:4] * [1.0, 0.8, 0.6, 0.5], 0.04)
    assert bad.pd[0, -1] > 0.5 > 0.05 > bad.pd[0, 0]
    assert bad.band[0, 0] < bad.band[0, -1] == 5
    assert not good.behind.any()
    # 100, 90, 80, 72.5 % of the plan so far.
    assert bad.behind.tolist() == [False, True, True, True]
    assert bad.alert[0].tolist()[::4] == [False, True]
    assert bad.limit[0] == 0.01
    # The median of 100, 100, 80, 60, 50 % counts 4/12.
    assert bad.reratings[-1].level == pytest.approx(0.8 ** (4 / 12))


def test_collections_ahead_of_plan_are_no_alarm():
    plan = apply(xingye_yuanrong(), Stress("Base"))
    ahead = rerate(plan, 1.1 * plan.collections[:1], 0.013)
    # The surprise widens sigma; that is no bad news.
    assert 0.013 < ahead.reratings[-1].volatility < 0.02
    assert not ahead.alert.any() and not ahead.missed.any()


def test_a_known_default_is_no_surprise(five):
    deal = five()
    plan, view = apply(deal, BASE), kmv_view(deal)
    short = plan.collections[:2] * [1.0, 0.75]
    blind = rerate(plan, short, view.volatility, view.drift)
    told = rerate(plan, Record(tuple(short), defaults=(None, 120.0)), view.volatility, view.drift)
    # One of four claims: 120 of 480 before the second date, 40 % of which come back.
    assert told.expected[1] == pytest.approx(short[1] + 0.4 * 120.0, rel=0.1)
    assert blind.reratings[-1].volatility > view.volatility
    assert blind.expected[1] == plan.collections[1]


def test_what_pool_and_reserve_left_unpaid_is_missed(build):
    plan = plan_of(build)
    s = rerate(plan, [0.0, 0.0, 2.5 * plan.collections[2]], 0.1)
    # Half a period of reserve does not cover the first date; a catch-up does not undo it.
    assert s.missed.tolist() == [[False, True, True, True], [False] * 4]
    assert s.pd[0].tolist()[1:] == [1.0, 1.0, 1.0] and (s.distance[0, 1:] == -np.inf).all()
    assert s.alert[0, 1:].all()


def test_what_was_missed_is_due_next(build):
    plan = plan_of(build)
    s = rerate(plan, [0.0], 0.1, strength=1000.0)
    due = plan.dues.ahead(0)
    late = due[1:].copy()
    late[0] += due[0] - plan.reserve
    risk = plan_risk(plan.collections[1:], late, s.reratings[1].volatility, np.arange(1.0, 6.0))
    np.testing.assert_allclose(s.now[0].pd, risk.pd)


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
    with pytest.raises(DomainError, match="actual collections must be >= 0"):
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
        assert s.distance[k, 0] == pytest.approx(tranche.risk.distance[end - 1])
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


@pytest.mark.parametrize("interest", ["by rank", "first"])
def test_interest_that_may_wait_but_was_paid_is_not_due_again(interest):
    """While everything is paid on its dates, it makes no difference that interest could wait."""
    firm, may_wait = (apply(pass_through_plan(deferrable=d, interest=interest), BASE) for d in (False, True))
    # At closing and after each date what is still to be paid is the same at the last date, also to A
    # where the interest of B comes before its principal.
    for seen in range(4):
        for k in range(2):
            a, b = (rerate(plan, plan.collections[:seen], 0.1).now[k] for plan in (firm, may_wait))
            # A is repaid with the third.
            assert (a is None) == (b is None) == ((seen, k) == (3, 0))
            if a is not None:
                assert a.pd[-1] == pytest.approx(b.pd[-1], rel=1e-9)


def late_interest(**change):
    """30 a year for four years; 3 a year of interest on A, 3 on B, and principal after the fourth."""
    dates = payment_dates(dt.date(2020, 1, 1), "year", 4)
    pool = Pool(("Claim",), [100.0], np.full((1, 4), 30.0), 0.02, 0.4, 0.0, 0.2)
    wait = change.pop("deferrable", False)
    notes = (
        Tranche("A", 1, 60.0, 0.05, "bullet", dates[3]),
        Tranche("B", 2, 30.0, 0.10, "bullet", dates[3], deferrable=wait),
    )
    terms = Terms(dt.date(2020, 1, 1), dates, **change)
    plan = apply(Deal(pool, notes, terms, Controls(reserve=False, support=False, triggers=False)), BASE)
    np.testing.assert_allclose(plan.collections, 30.0)
    return plan


def left_to_pay(found, k, seen, due, cash=0.0):
    """Whether a class stands as a plan that owes `due` on the dates to come and holds some cash."""
    times = np.arange(1.0, 5.0 - seen)
    risk = plan_risk(np.full(4 - seen, 30.0), due, found.reratings[seen].volatility, times, 0.0, cash)
    np.testing.assert_allclose(found.now[k].pd, risk.pd, rtol=1e-9)
    np.testing.assert_allclose(found.now[k].distance, risk.distance, rtol=1e-9)


def test_what_later_ranks_missed_of_interest_comes_before_principal_where_theirs_does():
    found = rerate(late_interest(interest="first"), [3.0], 0.1)
    assert found.missed[:, 1].tolist() == [False, True]
    left_to_pay(found, 0, 1, [9.0, 6.0, 66.0])
    # By rank it is no matter of A.
    left_to_pay(rerate(late_interest(), [3.0], 0.1), 0, 1, [3.0, 3.0, 63.0])


def test_interest_that_waits_is_still_owed():
    found = rerate(late_interest(deferrable=True, default_point="expected"), [3.0], 0.1)
    assert not found.missed[:, 1].any()
    left_to_pay(found, 1, 1, [9.0, 6.0, 96.0])
    # By the legal final it is due then, as all of it is.
    left_to_pay(rerate(late_interest(deferrable=True), [3.0], 0.1), 1, 1, [3.0, 3.0, 105.0])


def test_interest_on_interest_that_waited_pays_nothing_ahead():
    """Of 30 on the second date A gets 3, B twice 3 and .3 for waiting: 20.7 stay in the account."""
    found = rerate(late_interest(deferrable=True), [3.0, 30.0], 0.1)
    left_to_pay(found, 1, 2, [3.0, 99.0], 20.7)


def test_principal_that_was_passed_through_is_not_due_again():
    """Judged by all dues, the last class stands as by its own, before and after some of it was repaid."""
    for point in ("legal final", "expected"):
        deal = pass_through_plan(default_point=point)
        plans = [apply(deal, Stress(p, default_point=p)) for p in ("own", "all")]
        one, other = (rerate(plan, plan.collections[:3], 0.1) for plan in plans)
        np.testing.assert_allclose(one.pd[1], other.pd[1], rtol=1e-12)
        assert 0.0 < one.pd[1, 3] < 1.0


def pass_through(classes):
    """The same claim with one class, or more, passed through."""
    dates = payment_dates(dt.date(2020, 1, 1), "year", 4)
    loans = Loans(np.array([48.0]), 0.08, ("linear",), payments_per_year=1.0)
    pool = Pool(("Claim",), [100.0], np.zeros((1, 4)), 0.02, 0.4, 0.0, 0.2, loans=loans)
    notes = tuple(Tranche(f"N{k}", k + 1, 90.0 / classes, 0.05, "pass-through") for k in range(classes))
    return Deal(pool, notes, Terms(dt.date(2020, 1, 1), dates), Controls(reserve=False, support=False))


@pytest.mark.parametrize("fees", [None, "notes", "pool"])
@pytest.mark.parametrize("point", ["legal final", "expected"])
def test_principal_that_is_paid_ahead_of_plan_bears_no_interest(point, fees):
    """By hand: of claims of 100 that repay 25 a year 55 are prepaid, A is repaid and 18 of B are left."""
    deal = pass_through(1)
    notes = (Tranche("A", 1, 60.0, 0.05, "pass-through"), Tranche("B", 2, 30.0, 0.06, "pass-through"))
    rate = 0.01 if fees else 0.0
    terms = replace(deal.terms, default_point=point, fee_rate=rate, fee_base=fees or "notes")
    plan = apply(replace(deal, tranches=notes, terms=terms), BASE)
    # 25 and 55 of principal, and 8 of interest; the rest of it, and fees, leave the plan.
    found = rerate(plan, Record((88.0,), prepayments=(55.0,)), 0.1)
    np.testing.assert_allclose(found.balance, [0.0, 18.0], atol=1e-12)
    assert (found.coverage[0, 1], found.distance[0, 1], found.pd[0, 1]) == (np.inf, np.inf, 0.0)
    # B bears 6 % on 18, as long as by plan it had not been less; of the claims 20 are left of 75.
    left = [18.0, 18.0, 18.0]
    charged = {None: [0.0] * 3, "notes": left, "pool": [20.0, 40.0 / 3.0, 20.0 / 3.0]}[fees]
    due = 0.06 * np.array(left) + rate * np.array(charged)
    # By plan A has 37.5, 15 and 0 after the dates, B 30, 30 and 22.5, which the cash paid ahead covers.
    repaid = [22.5, 22.5, 22.5] if point == "expected" else [0.0, 0.0, 90.0]
    ahead = 72.0 - 22.5 if point == "expected" else 72.0
    coming = np.array([31.0, 29.0, 27.0]) * 20.0 / 75.0
    risk = plan_risk(coming, due + repaid, found.reratings[1].volatility, [1.0, 2.0, 3.0], 0.0, ahead)
    np.testing.assert_allclose(found.now[1].anydate_pd, risk.anydate_pd, rtol=1e-9)
    np.testing.assert_allclose(found.now[1].coverage, risk.coverage, rtol=1e-9)


def test_a_class_that_is_late_at_its_expected_maturity_is_not_taken_for_repaid():
    """By plan A is repaid with the third date; half of the cash of that date leaves 1.25 of it, due next."""
    deal = pass_through(1)
    notes = (Tranche("A", 1, 60.0, 0.05, "pass-through"), Tranche("B", 2, 30.0, 0.06, "pass-through"))
    plan = apply(replace(deal, tranches=notes, terms=replace(deal.terms, default_point="expected")), BASE)
    found = rerate(plan, plan.collections[:3] * np.array([1.0, 1.0, 0.5]), 0.1)
    assert found.balance[0] == pytest.approx(1.25) and not found.missed[0].any()
    now = found.reratings[-1]
    risk = plan_risk([27.0 * now.level], [1.25], now.volatility, [1.0], 0.0, 0.0)
    assert found.computed_distance[0, -1] == pytest.approx(risk.distance[0], rel=1e-9)
    assert found.coverage[0, -1] == pytest.approx(27.0 * now.level / 1.25)


def test_a_class_that_is_repaid_is_at_no_risk_whatever_the_plan_still_says():
    """All claims are prepaid at once: what the plan meant to pay on the notes is not due."""
    plan = apply(pass_through(2), BASE)
    found = rerate(plan, Record((108.0,), prepayments=(75.0,)), 0.1)
    assert found.balance.tolist() == [0.0, 0.0] and found.now == (None, None)
    assert found.pd[:, 1].tolist() == found.supported_pd.tolist() == [0.0, 0.0]
    assert not found.alert.any()


# ---------------------------------------------------------------- a revolving period that a trigger has ended


def revolving(until, schedules=False, **terms):
    """Claims of two years that buy others up to a date, unless more than 3 % of all is in default."""
    dates = payment_dates(dt.date(2020, 1, 1), "quarter", 12)
    loans, flows = Loans(np.full(3, 24.0), 0.08), np.zeros((3, 12))
    if schedules:
        loans, flows = None, np.array([[60.0], [30.0], [10.0]]) * np.array([*[0.14] * 8, *[0.0] * 4])
    pool = Pool(("a", "b", "c"), [60.0, 30.0, 10.0], flows, 0.02, 0.4, 1.0, 0.2, loans=loans)
    notes = (Tranche("A", 1, 80.0, 0.04, "pass-through"), Tranche("B", 2, 15.0, 0.06, "pass-through"))
    ends = Covenant("Defaults", "cumulative default ratio", "max", 0.03, "amortise")
    controls = Controls(reserve_size=2.0, reserve_unit="money", repurchase=False)
    last = None if until < 0 else dates[until]
    return Deal(
        pool, notes, Terms(dt.date(2020, 1, 1), dates, revolving=last, paths=400, **terms), controls, (ends,)
    )


@pytest.mark.parametrize("point", ["legal final", "expected"])
@pytest.mark.parametrize("schedules", [False, True], ids=["loans", "schedules"])
@pytest.mark.parametrize("end", [0, 2, 4])
def test_once_a_trigger_has_ended_buying_the_deal_is_one_that_buys_until_then(end, schedules, point):
    """All that came in is there, what was not bought is not to come, and nothing counts twice."""
    deal, other = (revolving(until, schedules, default_point=point) for until in (7, end - 1))
    came = apply(other, BASE).collections[: end + 2] * np.where(np.arange(end + 2) >= end, 0.93, 1.0)
    record = Record(tuple(came), defaults=(*[0.0] * end, 6.0, 0.0), balance=(*[None] * (end + 1), 70.0))
    one, two = (rerate(apply(d, BASE), record, 0.05, -0.001) for d in (deal, other))
    for name in ("expected", "planned", "balance", "computed_supported_pd"):
        np.testing.assert_allclose(getattr(one, name), getattr(two, name), rtol=1e-9, err_msg=name)
    for name in ("computed_pd", "computed_distance", "coverage", "on_plan", "missed"):
        ours, theirs = getattr(one, name)[:, end + 1 :], getattr(two, name)[:, end + 1 :]
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, err_msg=name)
    # Up to then nobody knew.
    known = rerate(apply(deal, BASE), Record(record.collections[:end]), 0.05, -0.001)
    np.testing.assert_array_equal(one.computed_pd[:, : end + 1], known.computed_pd)
    # The waterfall has what came in, and from today on both deals are one.
    ours, theirs = (apply(from_today(d, record), BASE) for d in (deal, other))
    paid, same = waterfall(ours), waterfall(theirs)
    np.testing.assert_allclose((paid.collections + paid.bought_less)[: end + 2], came, rtol=1e-12)
    for name in ("collections", "principal_paid", "interest_paid", "balance", "residual", "reserve"):
        np.testing.assert_allclose(getattr(paid, name), getattr(same, name), atol=1e-9, err_msg=name)
    runs = [simulate(from_today(d, record)) for d in (deal, other)]
    np.testing.assert_allclose(*(r.expected_collections for r in runs), rtol=1e-9)
    for a, b in zip(*(r.tranches for r in runs), strict=True):
        assert a.anydate_pd == b.anydate_pd
        assert a.expected_loss == pytest.approx(b.expected_loss, rel=1e-9)
