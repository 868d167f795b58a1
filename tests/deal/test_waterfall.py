"""The priority of payments against figures worked out by hand and a slow obvious twin."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlkmv.deal.stress import Stress, apply, pool_lognormal
from xlkmv.deal.terms import Controls, Covenant, Tranche
from xlkmv.deal.waterfall import TRAP, TURBO, waterfall
from xlkmv.errors import DomainError, InputError

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


# ---------------------------------------------------------------------------- laws and a twin

MONEY = st.floats(0.0, 80.0)


@st.composite
def runs(draw):
    """Everything that varies a plan, and what comes in."""
    n = draw(st.integers(1, 6))
    controls = Controls(
        **{name: draw(st.booleans()) for name in ("subordination", "excess_coverage", "reserve", "support")},
        triggers=draw(st.booleans()),
        reserve_size=draw(st.sampled_from([0.0, 0.5, 2.0])),
    )
    covenants = [
        Covenant("a", "coverage", "min", draw(st.floats(0.5, 1.5)), draw(st.sampled_from(["trap", "turbo"]))),
        Covenant("b", "reserve ratio", "min", draw(st.floats(0.2, 1.0)), "trap"),
        Covenant("c", "cumulative default ratio", "max", 0.3, "turbo"),
    ]
    return {
        "n": n,
        "controls": controls,
        "covenants": covenants,
        "payments": [
            draw(st.sampled_from(["straight-line", "bullet", "with collections"])) for _ in range(3)
        ],
        "amounts": [draw(st.floats(5.0, 80.0)) for _ in range(3)],
        "ranks": draw(st.sampled_from([(1, 2, 3), (1, 1, 2), (1, 2, 2)])),
        "principal": draw(st.sampled_from(["sequential", "pro rata"])),
        "cure": draw(st.booleans()),
        "cash": draw(st.lists(MONEY, min_size=n, max_size=n)),
        "alive": draw(st.integers(0, n)),
        "ratio": sorted(draw(st.lists(st.floats(0.0, 1.0), min_size=n, max_size=n))),
    }


def plan_of(build, run, principal=None):
    n = run["n"]
    dates = build(np.full((1, n), 50.0), payment="bullet").terms.dates
    tranches = [
        Tranche(f"T{i}", run["ranks"][i], run["amounts"][i], 0.04 * i, run["payments"][i], dates[-1], True)
        for i in range(3)
    ]
    return apply(
        build(
            np.full((1, n), 50.0 * run.get("unit", 1.0)),
            tranches=tranches,
            controls=run["controls"],
            covenants=run["covenants"],
            principal=principal or run["principal"],
            cure=run["cure"],
        ),
        BASE,
    )


def pay_out(plan, run):
    return waterfall(
        plan, run["cash"], support_alive=np.arange(run["n"]) < run["alive"], default_ratio=run["ratio"]
    )


@given(runs())
@settings(max_examples=150, deadline=None)
def test_every_unit_of_cash_is_accounted_for(build, run):
    plan = plan_of(build, run)
    paid = pay_out(plan, run)
    before = np.concatenate([[plan.reserve], (paid.account + paid.reserve)[:-1]])
    came = np.array(run["cash"]) + paid.support_drawn + before
    went = (
        paid.fees_paid
        + paid.interest_paid.sum(axis=0)
        + paid.principal_paid.sum(axis=0)
        + paid.residual
        + paid.account
        + paid.reserve
    )
    np.testing.assert_allclose(went, came, rtol=1e-12, atol=1e-9)
    amounts = np.array([t.amount for t in plan.deal.tranches])[:, None]
    np.testing.assert_allclose(paid.balance, amounts - np.cumsum(paid.principal_paid, axis=1), atol=1e-9)
    for name in ("fees_paid", "interest_paid", "principal_paid", "balance", "account", "reserve", "residual"):
        assert (getattr(paid, name) >= -1e-9).all(), name
    assert (paid.fees_paid <= paid.fees_due + 1e-9).all()
    assert (paid.interest_paid <= paid.interest_due + 1e-9).all()
    assert (paid.reserve <= plan.reserve + 1e-9).all()
    assert paid.account[-1] == 0.0
    assert paid.reserve[-1] == 0.0
    # The undertaking pays for the first rank only, and only while its payer lives.
    assert (paid.support_drawn[run["alive"] :] == 0.0).all()
    if run["controls"].support:
        assert not paid.short[plan.senior, : run["alive"]].any()


@given(runs(), st.floats(1e-6, 1e6))
@settings(max_examples=30, deadline=None)
def test_the_currency_unit_scales_money_and_nothing_else(build, run, unit):
    small, large = plan_of(build, run), None
    run_large = run | {
        "cash": [c * unit for c in run["cash"]],
        "amounts": [a * unit for a in run["amounts"]],
        "unit": unit,
    }
    large = plan_of(build, run_large)
    a, b = pay_out(small, run), pay_out(large, run_large)
    # A value on its threshold may fall to either side by rounding.
    if (a.trigger == b.trigger).all():
        for name in ("interest_paid", "principal_paid", "account", "reserve", "residual", "support_drawn"):
            np.testing.assert_allclose(getattr(b, name) / unit, getattr(a, name), rtol=1e-9, atol=1e-7)


def twin(plan, run):
    """One path, one unit of code per rule, no arrays; sequential principal only."""
    deal, dues, controls = plan.deal, plan.dues, plan.deal.controls
    n, k = len(deal.terms.dates), len(deal.tranches)
    closing = dues.opening - dues.principal
    balance = [t.amount for t in deal.tranches]
    arrears, fee_arrears, account, reserve = [0.0] * k, 0.0, 0.0, plan.reserve
    senior_due, got_in, switched = 0.0, 0.0, [False] * len(deal.covenants)
    paid = np.zeros((k, n, 2))
    residual = []
    for d in range(n):
        got_in += run["cash"][d]
        first_rank = [i for i in range(k) if dues.ranks[i] == dues.ranks[0]]
        senior_due += dues.fees[d] + sum(dues.interest[i, d] + dues.principal[i, d] for i in first_rank)
        alive = sum(balance[i] for i in range(k) if plan.senior[i]) > 1e-9
        values = {
            "coverage": got_in / senior_due if senior_due > 0 else np.inf,
            "reserve ratio": reserve / plan.reserve if plan.reserve > 0 and alive else np.nan,
            "cumulative default ratio": run["ratio"][d],
        }
        trap = turbo = False
        for c, test in enumerate(deal.covenants):
            v = values[test.metric]
            bad = v < test.threshold if test.side == "min" else v > test.threshold
            switched[c] = bad or (switched[c] and not deal.terms.cure)
            trap |= controls.triggers and switched[c] and test.consequence == "trap"
            turbo |= controls.triggers and switched[c] and test.consequence == "turbo"
        cash = account + run["cash"][d]
        fee = deal.terms.fee_rate * sum(balance) + fee_arrears
        interest = [t.coupon * b + a for t, b, a in zip(deal.tranches, balance, arrears, strict=True)]
        due = [max(b - closing[i, d], 0.0) for i, b in enumerate(balance)]
        wanted = list(balance) if turbo else list(due)
        pays = min(fee, cash)
        cash -= pays
        gave = np.zeros((k, 2))

        def share(rows, column, amounts, cash, gave=gave):
            total = sum(amounts[i] for i in rows)
            for i in rows:
                gave[i, column] += amounts[i] * min(1.0, cash / total) if total > 0 else 0.0
            return max(cash - total, 0.0)

        cash = share(first_rank, 0, interest, cash)
        cash = share(first_rank, 1, wanted, cash)
        protected = [i for i in range(k) if plan.senior[i]]
        for source in ("reserve", "support"):
            called = controls.support and d < run["alive"]
            purse = reserve if source == "reserve" else (np.inf if called else 0.0)
            extra = min(fee - pays, purse)
            pays, purse, used = pays + extra, purse - extra, extra
            for column, amounts in ((0, interest), (1, due)):
                for i in protected:
                    extra = min(max(amounts[i] - gave[i, column], 0.0), purse)
                    gave[i, column] += extra
                    purse, used = purse - extra, used + extra
            if source == "reserve":
                reserve -= used
        open_after = any(
            balance[i] - gave[i, 1] + interest[i] - gave[i, 0] > 1e-9 * deal.tranches[i].amount
            for i in protected
        )
        held = open_after and d < n - 1
        if not held:
            cash, reserve = cash + reserve, 0.0
        else:
            top = min(plan.reserve - reserve, cash)
            cash, reserve = cash - top, reserve + top
        account = 0.0
        if trap and held:
            account, cash = cash, 0.0
        for rank in sorted(set(dues.ranks)):
            rows = [i for i in range(k) if dues.ranks[i] == rank and i not in first_rank]
            cash = share(rows, 0, interest, cash)
            cash = share(rows, 1, wanted, cash)
        fee_arrears = fee - pays
        for i in range(k):
            arrears[i] = interest[i] - gave[i, 0]
            balance[i] -= gave[i, 1]
            paid[i, d] = gave[i]
        owing = any(balance[i] + arrears[i] > 1e-9 * deal.tranches[i].amount for i in range(k))
        if d < n - 1 and owing:
            kept = min(cash, np.inf if controls.excess_coverage else plan.retained[d])
            account, cash = account + kept, cash - kept
        residual.append(cash)
    return paid, residual


@given(runs())
@settings(max_examples=150, deadline=None)
def test_the_slow_obvious_twin_agrees(build, run):
    plan = plan_of(build, run, principal="sequential")
    fast = pay_out(plan, run)
    slow, residual = twin(plan, run)
    np.testing.assert_allclose(fast.interest_paid, slow[:, :, 0], atol=1e-7)
    np.testing.assert_allclose(fast.principal_paid, slow[:, :, 1], atol=1e-7)
    np.testing.assert_allclose(fast.residual, residual, atol=1e-7)


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
