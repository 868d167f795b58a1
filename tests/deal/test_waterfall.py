"""The priority of payments against figures worked out by hand and a slow obvious twin."""

from __future__ import annotations

import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from xlkmv.deal.examples import example
from xlkmv.deal.paths.cash import PoolEngine
from xlkmv.deal.paths.draws import layout_of
from xlkmv.deal.paths.engines import pool_states
from xlkmv.deal.plan.stressed import pool_lognormal, separate
from xlkmv.deal.plan.waterfall import TRAP, TURBO, Payment, PoolState, payments, waterfall
from xlkmv.deal.stress import Stress, apply
from xlkmv.deal.terms import Controls, Covenant, Tranche
from xlkmv.errors import DomainError, InputError

sys.path.insert(0, str(Path(__file__).parent))
from drawn import plans
from twin import Twin

BASE = Stress("Base")
PLAIN = Controls(reserve=False, support=False, triggers=False)


def close(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


# The small deal: senior 90 at 10 %, 30 a year; junior 10 at the end; fees 1 % of the notes.
# By plan: fees 1, .7, .4; senior interest 9, 6, 3; so senior dues 40, 36.7, 33.4.


def test_a_bad_year_is_bridged_by_account_and_reserve(build):
    paid = waterfall(apply(build(), BASE), [50.0, 20.0, 50.0])
    # Year 1 leaves 10. Year 2 has 30 for 36.7: the reserve of 20 gives 6.7. Year 3 has 50, pays
    # 33.4, gets the reserve's 13.3 back, repays the junior 10 and leaves 19.9.
    close(paid.fees_paid, [1.0, 0.7, 0.4])
    close(paid.interest_paid, [[9.0, 6.0, 3.0], [0.0, 0.0, 0.0]])
    close(paid.principal_paid, [[30.0, 30.0, 30.0], [0.0, 0.0, 10.0]])
    close(paid.account, [10.0, 0.0, 0.0])
    close(paid.reserve, [20.0, 13.3, 0.0])
    close(paid.reserve_drawn, [0.0, 6.7, 0.0])
    close(paid.reserve_released, [0.0, 0.0, 13.3])
    close(paid.residual, [0.0, 0.0, 19.9])
    assert not paid.short.any()


def test_the_reserve_is_topped_up_before_the_account(build):
    paid = waterfall(apply(build(), BASE), [30.0, 50.0, 40.0])
    close(paid.reserve_drawn, [10.0, 0.0, 0.0])
    close(paid.reserve_topped, [0.0, 10.0, 0.0])
    close(paid.reserve, [10.0, 20.0, 0.0])
    close(paid.account, [0.0, 3.3, 0.0])


def test_the_undertaking_pays_while_its_payer_lives(build):
    plan = apply(build(controls=Controls(reserve=False, triggers=False)), BASE)
    alive = waterfall(plan, [50.0, 20.0, 50.0])
    close(alive.support_drawn, [0.0, 6.7, 0.0])
    assert not alive.short[0].any()
    dead = waterfall(plan, [50.0, 20.0, 50.0], support_alive=[True, False, False])
    close(dead.support_drawn, [0.0, 0.0, 0.0])
    # 23.3 of 30 are repaid in year 2, so year 3 owes interest on 36.7, fees on 46.7, and all
    # 36.7: 9.163 of the junior's 10 are left.
    close(dead.principal_missed[:, 1], [6.7, 0.0])
    close(dead.interest_due[0], [9.0, 6.0, 3.67])
    close(dead.fees_due, [1.0, 0.7, 0.467])
    close(dead.principal_paid[:, 2], [36.7, 9.163])
    close(dead.balance[:, 2], [0.0, 0.837])
    assert dead.short.tolist() == [[False, True, False], [False, False, True]]


def test_missed_fees_and_interest_are_carried_forward(build):
    paid = waterfall(apply(build(controls=PLAIN), BASE), [0.5, 5.0, 100.0])
    close(paid.fees_due, [1.0, 0.5 + 1.0, 1.0])
    close(paid.fees_paid, [0.5, 1.5, 1.0])
    close(paid.interest_due[0], [9.0, 18.0, 9.0 + 14.5])
    close(paid.interest_paid[0], [0.0, 3.5, 23.5])
    close(paid.principal_paid[:, 2], [75.5, 0.0])
    close(paid.balance[:, 2], [14.5, 10.0])


COVERAGE = Covenant("Coverage", "coverage", "min", 1.0, "turbo")


def test_turbo_sends_everything_to_the_senior_until_it_is_repaid(build):
    controls = Controls(reserve=False, support=False)
    paid = waterfall(apply(build(controls=controls, covenants=[COVERAGE]), BASE), [30.0, 80.0, 50.0])
    # 30 < 40 due: turbo for good. Year 2: fees .8, interest 7, the whole 70, then 2.2 to the junior.
    assert paid.trigger.tolist() == [TURBO] * 3
    close(paid.principal_paid, [[20.0, 70.0, 0.0], [0.0, 2.2, 7.8]])
    close(paid.residual, [0.0, 0.0, 50.0 - 0.078 - 7.8])


def test_a_trigger_is_cured_only_if_the_terms_say_so(build):
    controls = Controls(reserve=False, support=False)
    deal = build(controls=controls, covenants=[COVERAGE], cure=True)
    paid = waterfall(apply(deal, BASE), [30.0, 80.0, 50.0])
    assert paid.trigger.tolist() == [TURBO, 0, 0]
    # Cured, only the schedule is due: 70 less the 30 still planned, and the rest is kept.
    close(paid.principal_paid[0], [20.0, 40.0, 30.0])
    close(paid.account[1], 80.0 - 0.8 - 7.0 - 40.0)
    off = replace(deal, controls=controls.without("triggers"))
    assert waterfall(apply(off, BASE), [30.0, 80.0, 50.0]).trigger.tolist() == [0, 0, 0]


def test_trap_holds_the_juniors_cash_back(build):
    dates = build().terms.dates
    tranches = (
        Tranche("Senior", 1, 90.0, 0.10, "straight-line", dates[-1]),
        Tranche("Junior", 2, 10.0, 0.05, "bullet", dates[-1]),
    )
    trap = Covenant("DSCR", "period DSCR", "min", 1.2, "trap")
    controls = Controls(reserve=False, support=False, excess_coverage=False)
    paid = waterfall(
        apply(build(tranches=tranches, controls=controls, covenants=[trap]), BASE), [60.0, 40.0, 60.0]
    )
    # 60/40 = 1.5 passes: the junior gets .5, 19.5 are released. 40/36.7 < 1.2 traps 3.3.
    assert paid.trigger.tolist() == [0, TRAP, TRAP]
    close(paid.interest_paid[1], [0.5, 0.0, 1.0])
    close(paid.residual, [19.5, 0.0, 60.0 + 3.3 - 33.4 - 1.0 - 10.0])
    close(paid.account, [0.0, 3.3, 0.0])


def test_excess_is_kept_with_excess_coverage_and_released_without(build):
    kept = waterfall(apply(build(controls=PLAIN), BASE), [50.0, 50.0, 50.0])
    released = waterfall(apply(build(controls=PLAIN.without("excess_coverage")), BASE), [50.0, 50.0, 50.0])
    close(kept.account, [10.0, 23.3, 0.0])
    close(kept.residual, [0.0, 0.0, 29.9])
    close(released.account, [0.0, 0.0, 0.0])
    close(released.residual, [10.0, 13.3, 6.6])


def test_pari_passu_shares_in_proportion_to_what_is_due(build):
    dates = build().terms.dates
    tranches = (
        Tranche("A1", 1, 60.0, 0.10, "straight-line", dates[-1], pari_passu=True),
        Tranche("A2", 1, 30.0, 0.10, "straight-line", dates[-1], pari_passu=True),
        Tranche("B", 2, 10.0, 0.0, "bullet", dates[-1]),
    )
    paid = waterfall(apply(build(tranches=tranches, controls=PLAIN), BASE), [25.0, 0.0, 0.0])
    close(paid.interest_paid[:2, 0], [6.0, 3.0])
    close(paid.principal_paid[:, 0], [10.0, 5.0, 0.0])


@pytest.mark.parametrize("source", ["reserve", "support"])
def test_reserve_and_undertaking_serve_one_rank_pari_passu(build, source):
    first = build().terms.dates[0]
    tranches = [
        Tranche(s, 1, m, 0.1, "bullet", first, pari_passu=True) for s, m in (("A1", 60.0), ("A2", 30.0))
    ]
    controls = Controls(
        reserve=source == "reserve",
        reserve_unit="money",
        reserve_size=12.0,
        support=source == "support",
        support_cap=12.0,
        triggers=False,
    )
    plan = apply(build(tranches=tranches, controls=controls, fee_rate=0.0), BASE)
    paid = waterfall(plan, [39.0, 0.0, 0.0])
    # 9 of interest, then 30 and 12 of principal: two thirds of each are A1's.
    close(paid.interest_paid[:, 0], [6.0, 3.0])
    close(paid.principal_paid[:, 0], [28.0, 14.0])
    # 3 of interest, then 6 of interest and 6 of principal.
    dry = waterfall(plan, [3.0, 0.0, 0.0])
    close(dry.interest_paid[:, 0], [6.0, 3.0])
    close(dry.principal_paid[:, 0], [4.0, 2.0])


def test_without_subordination_all_share_alike(build):
    paid = waterfall(apply(build(controls=PLAIN.without("subordination")), BASE), [60.0, 20.0, 10.4])
    # Year 2 left 13.4 + ... : see each step. Y1: 60 - 40 = 20 kept. Y2: 40 - 36.7 = 3.3 kept.
    close(paid.account, [20.0, 3.3, 0.0])
    # Y3: 13.7 - .4 fees - 3 interest = 10.3 for 30 + 10 of principal.
    close(paid.principal_paid[:, 2], [10.3 * 0.75, 10.3 * 0.25])


def test_pro_rata_shares_principal_over_the_ranks_until_a_trigger_ends_it(build):
    dates = build().terms.dates
    tranches = (
        Tranche("Senior", 1, 90.0, 0.10, "straight-line", dates[-1]),
        Tranche("Junior", 2, 30.0, 0.0, "straight-line", dates[-1]),
    )
    deal = build(tranches=tranches, controls=PLAIN, principal="pro rata")
    # Year 1: fees 1.2, interest 9; 20 of the 40 due: 15 and 5.
    paid = waterfall(apply(deal, BASE), [30.2, 100.0, 100.0])
    close(paid.principal_paid[:, 0], [15.0, 5.0])
    turbo = replace(deal, controls=replace(PLAIN, triggers=True), covenants=(COVERAGE,))
    close(waterfall(apply(turbo, BASE), [30.2, 100.0, 100.0]).principal_paid[:, 0], [20.0, 0.0])


def test_what_does_not_fit_is_refused(build):
    plan = apply(build(), BASE)
    with pytest.raises(InputError, match="one value per payment date"):
        waterfall(plan, [1.0, 2.0])
    with pytest.raises(DomainError, match="collections must be >= 0"):
        waterfall(plan, [1.0, -2.0, 1.0])


# ------------------------------------------------------------------------------------- a twin


@given(plans())
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_slow_obvious_twin_agrees(drawn):
    plan, twin, fast = drawn.plan, Twin(drawn.plan, drawn.deal), drawn.waterfall()
    money = sum(t.amount for t in plan.deal.tranches)
    for at, path in enumerate(drawn.paths):
        for k, payment in enumerate(twin.run(path)):
            assert set(payment) == {f.name for f in fields(Payment)}
            for name, slow in payment.items():
                np.testing.assert_allclose(
                    getattr(fast, name)[at][..., k].astype(float),
                    np.array(slow, float),
                    rtol=1e-9,
                    atol=1e-9 * money,
                    err_msg=f"{name} on date {k}",
                )


def test_many_paths_at_once_are_each_path_alone(build):
    rng = np.random.default_rng(3)
    deal = build(np.full((1, 5), 50.0), covenants=[COVERAGE], senior=150.0)
    plan, cash = apply(deal, BASE), rng.uniform(0.0, 80.0, (4, 3, 5))
    together = waterfall(plan, cash)
    assert together.principal_paid.shape == (4, 3, 2, 5)
    alone = waterfall(plan, cash[2, 1])
    for name in ("interest_paid", "principal_paid", "residual", "trigger", "covenants"):
        np.testing.assert_array_equal(getattr(together, name)[2, 1], getattr(alone, name))


def test_cash_of_early_dates_serves_the_later_ranks(build):
    dates = build(np.full((1, 6), 1.0)).terms.dates
    tranches = (
        Tranche("Senior", 1, 300.0, 0.0, "with collections", dates[2]),
        Tranche("Mezzanine", 2, 100.0, 0.0, "bullet", dates[5]),
    )
    deal = build([[30.0] * 3 + [5.0] * 3] * 4, tranches=tranches, controls=PLAIN, fee_rate=0.0)
    paid = waterfall(apply(deal, BASE))
    # 120, 120, 120, 20, 20, 20 came in: 300 for the senior, 60 are kept, and 20 are left at the end.
    close(paid.account, [20.0, 40.0, 60.0, 80.0, 100.0, 0.0])
    close(paid.residual, [0.0, 0.0, 0.0, 0.0, 0.0, 20.0])
    close(paid.balance[:, -1], [0.0, 0.0])
    assert not paid.short.any()


def test_a_distance_covenant_is_tested_with_the_pools_own_volatility(build):
    covenant = Covenant("dd", "senior DD", "min", 1.5, "trap")
    deal = build([[30.0] * 5] * 4, pd=0.002, recovery=0.5, senior=400.0, covenants=[covenant], controls=PLAIN)
    plan = apply(deal, BASE)
    own = waterfall(plan, volatility=pool_lognormal(plan)[0], drift=pool_lognormal(plan)[1])
    close(waterfall(plan).covenants, own.covenants)
    assert (waterfall(plan, volatility=0.3).covenants != own.covenants).all()


def test_without_excess_coverage_what_a_later_deficit_needs_is_kept(build):
    dates = build(np.full((1, 4), 1.0)).terms.dates
    tranches = (
        Tranche("S", 1, 300.0, 0.0, "straight-line", dates[2]),
        Tranche("J", 2, 120.0, 0.0, "bullet", dates[3]),
    )
    controls = Controls(support=False, excess_coverage=False, reserve_size=1.0)
    deal = build([[30.0, 30.0, 30.0, 5.0]] * 4, tranches=tranches, controls=controls, fee_rate=0.0)
    plan = apply(deal, BASE)
    # The pool brings 380 for 420: all of it, and the reserve of 100, is needed.
    close(plan.retained, [60.0, 80.0, 100.0, 0.0])
    assert not waterfall(plan).short.any()


def test_paths_that_are_left_out_take_those_with_them_that_come_from_them_later():
    # By date 2, 3, 5 and 6 paths are computed; 3 comes from 0, 2 from 1, 4 from 2, and 5 from 4.
    money = np.arange(24.0).reshape(4, 6)
    state = PoolState(money, active=np.array([2, 3, 5, 6]), parent=np.array([0, 0, 1, 0, 2, 4]))
    paths, left = state.going_on(1, np.array([False, True, True]))
    assert paths.tolist() == [1, 2, 4, 5]
    np.testing.assert_array_equal(left.collections, money[:, [1, 2, 4, 5]])
    assert left.active.tolist() == [1, 2, 3, 4]
    assert left.parent[2:].tolist() == [1, 2]
    # Once more, counted among those that are there now.
    paths, left = left.going_on(2, np.array([True, False, False]))
    assert paths.tolist() == [0]
    assert left.active.tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("alike", [True, False])
@pytest.mark.parametrize("key", ["patents", "auto", "lease"])
def test_paths_go_on_alone_as_they_do_among_others(key, alike):
    """Whichever are left out, and after whichever date: all that the others are paid stays, bit by bit."""
    plan = separate(apply(example(key).deal, BASE))
    pool, layout = PoolEngine(plan), layout_of(plan.deal, 2_000, 3)
    ((_, _, state),) = pool_states([pool], layout, 0, lambda: None)
    if not alike:
        state.active = state.parent = None
    sigma, mu = pool_lognormal(plan)
    together = list(payments(plan, state, sigma, mu))
    rng = np.random.default_rng(7)
    paying, sent, there = payments(plan, state, sigma, mu), None, np.arange(state.collections.shape[1])
    for date, whole in enumerate(together):
        part = paying.send(sent)
        sent, on = None, there[: part.balance.shape[1]]
        assert on.size
        for name in ("balance", "interest_due", "interest_paid", "fees_paid", "reserve", "support_drawn"):
            np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[..., on])
        np.testing.assert_array_equal(part.breaches, whole.breaches[:, on])
        if date % 3 == 1 and date < len(together) - 1:
            goes_on = rng.random(on.size) < 0.7
            goes_on[0] = True
            paths, state = sent = state.going_on(date, goes_on)
            there = there[paths]
    assert there.size < together[-1].balance.shape[1]
