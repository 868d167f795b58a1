"""Laws that every plan obeys, whatever its terms: cash, rank, unit, count, and terms that mean the same."""

from __future__ import annotations

import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xlkmv.deal.kmv import kmv_view
from xlkmv.deal.paths.run import simulate
from xlkmv.deal.plan.stressed import pool_lognormal
from xlkmv.deal.plan.waterfall import Payment, PoolState, payments, planned_pool, waterfall
from xlkmv.deal.questions import breakeven
from xlkmv.deal.stress import BASE, Stress, apply, apply_all
from xlkmv.deal.terms import Controls, Covenant, Curve, Deal, Loans, Pool, Terms, Tranche, payment_dates

sys.path.insert(0, str(Path(__file__).parent))
from drawn import CLOSING, classes, deals, path_of, pay, plans, scaled, some_pool

PLAIN = Controls(reserve=False, support=False, triggers=False)
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def money_of(deal):
    return sum(t.amount for t in deal.tranches)


# --------------------------------------------------------------------------------- cash and rank


@given(plans())
@quick
def test_every_unit_of_cash_is_accounted_for(drawn):
    plan, paid = drawn.plan, drawn.waterfall()
    before = np.concatenate([np.full((4, 1), plan.reserve), (paid.account + paid.reserve)[:, :-1]], axis=1)
    came = paid.collections + paid.sale + paid.bought_less + paid.support_drawn + before
    went = paid.fees_paid + paid.residual + paid.account + paid.reserve
    went = went + paid.interest_paid.sum(axis=1) + paid.principal_paid.sum(axis=1)
    tolerance = 1e-9 * money_of(drawn.deal)
    np.testing.assert_allclose(went, came, atol=tolerance)
    amounts = np.array([t.amount for t in plan.deal.tranches])[:, None]
    np.testing.assert_allclose(
        paid.balance, amounts - np.cumsum(paid.principal_paid, axis=-1), atol=tolerance
    )
    moves = [paid.reserve_topped - paid.reserve_drawn - paid.reserve_released]
    np.testing.assert_allclose(paid.reserve, plan.reserve + np.cumsum(moves[0], axis=-1), atol=tolerance)


@given(plans())
@quick
def test_nobody_gets_more_than_is_due_and_nothing_is_negative(drawn):
    plan, paid = drawn.plan, drawn.waterfall()
    tolerance = 1e-9 * money_of(drawn.deal)
    signed = {"sale", "bought_less", "covenants"}
    for name in {f.name for f in fields(Payment)} - signed:
        assert (getattr(paid, name) >= -tolerance).all(), name
    assert (paid.fees_paid <= paid.fees_due + tolerance).all()
    assert (paid.interest_paid + paid.deferred <= paid.interest_due + tolerance).all()
    assert (paid.account[:, -1] <= tolerance).all() and (paid.reserve[:, -1] <= tolerance).all()
    # The undertaking pays while its payer lives, and up to its cap.
    alive = np.array([p.alive for p in drawn.paths])
    assert (paid.support_drawn[~alive] == 0.0).all()
    if plan.support_cap is not None:
        assert (paid.support_drawn.sum(axis=1) <= plan.support_cap + tolerance).all()
    elif plan.deal.controls.support:
        short = paid.short[:, plan.senior] & alive[:, None]
        assert not short.any()
    # Nobody misses anything beside a residual; but without subordination the reserve, which is for the
    # senior classes, is not for those that share with them.
    if drawn.deal.controls.subordination:
        beside = (paid.residual > tolerance) & (paid.missed > tolerance).any(axis=1)
        assert not beside.any()


@given(plans(interest="by rank", principal="sequential", accounts="one"))
@quick
def test_a_later_rank_is_paid_once_the_earlier_ones_miss_nothing(drawn):
    plan, paid = drawn.plan, drawn.waterfall()
    tolerance = 1e-9 * money_of(drawn.deal)
    got = paid.interest_paid + paid.principal_paid
    behind = np.maximum(paid.interest_due - paid.interest_paid, 0.0) + paid.principal_missed
    for row, rank in enumerate(plan.dues.ranks):
        earlier = (plan.dues.ranks < rank) & ~(plan.senior & plan.senior[row])
        paid_beside = (got[:, row] > tolerance) & (behind[:, earlier] > tolerance).any(axis=1)
        assert not paid_beside.any()


@given(plans(interest="by rank", principal="sequential", accounts="one", oc_target="all", revolving=None))
@quick
def test_under_a_full_turbo_principal_comes_in_order_of_rank(drawn):
    """With every class passed through an earlier rank is repaid before a later one gets any."""
    through = replace(
        drawn.deal,
        tranches=tuple(
            replace(t, payment="pass-through", schedule=(), legal_final=None) for t in drawn.deal.tranches
        ),
        controls=replace(drawn.deal.controls, excess_coverage=True, reserve=False, support=False),
    )
    plan = apply(through, BASE)
    paid = pay(plan, drawn.paths)
    tolerance = 1e-9 * money_of(through)
    for row, rank in enumerate(plan.dues.ranks):
        open_before = (paid.balance[:, plan.dues.ranks < rank] > tolerance).any(axis=1)
        assert (paid.principal_paid[:, row][open_before] <= tolerance).all()


# ------------------------------------------------------------------------------ more is not less


@st.composite
def passed_through(draw):
    """Sequential pass-through classes alone, without tests, support, call or buying; and paths."""
    n = draw(st.integers(2, 6))
    dates = payment_dates(CLOSING, "half-year", n)
    pool = some_pool(dates, loans=True, rows=2)
    size = float(pool.amount.sum())
    # A legal final before the last date would give one of equals more than its part.
    alike = {"payment": "pass-through", "schedule": (), "legal_final": None, "deferrable": False}
    notes = tuple(
        replace(t, **alike, base="", margin=0.0, cap=None, floor=None) for t in draw(classes(dates, size))
    )
    terms = Terms(
        CLOSING,
        dates,
        fee_rate=draw(st.sampled_from([0.0, 0.01])),
        interest=draw(st.sampled_from(["by rank", "first"])),
        oc_target=draw(st.sampled_from([None, 0.0, 0.2])),
        oc_floor=draw(st.sampled_from([0.0, 0.05])),
    )
    deal = Deal(pool, notes, terms, PLAIN)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return deal, [path_of(deal, rng) for _ in range(4)]


def owed(paid):
    """Principal, and interest that is late, after each date."""
    return paid.balance, paid.interest_due - paid.interest_paid


@given(passed_through())
@quick
def test_a_full_turbo_never_pays_later(drawn):
    deal, paths = drawn
    slow = pay(apply(deal, BASE), paths)
    turbo = pay(apply(replace(deal, terms=replace(deal.terms, oc_target="all")), BASE), paths)
    assert (turbo.balance <= slow.balance + 1e-9 * money_of(deal)).all()


@given(passed_through(), st.integers(0, 2**32))
@quick
def test_more_collections_never_hurt_a_pass_through_class(drawn, seed):
    deal, paths = drawn
    plan = apply(deal, BASE)
    rng = np.random.default_rng(seed)
    cash = np.array([p.cash for p in paths])
    more = cash + rng.choice([0.0, 0.0, 5.0], cash.shape) * rng.random(cash.shape)
    for less_owed, more_owed in zip(owed(pay(plan, paths, cash=more)), owed(pay(plan, paths)), strict=True):
        assert (less_owed <= more_owed + 1e-9 * money_of(deal)).all()


# ---------------------------------------------------------------------- units, and counts of obligors


@pytest.mark.parametrize("unit", [2.0**20, 2.0**-20])
def test_the_currency_unit_changes_no_ratio_and_no_probability(unit):
    """A power of 2 near a million moves no rounding: everything is the same to the last bit."""

    @given(plans(), st.booleans())
    @settings(quick, max_examples=15)
    def law(drawn, look_further):
        large = apply(scaled(drawn.deal, unit), BASE)
        small = apply(drawn.deal, BASE)
        in_unit = {
            name: unit * np.array([getattr(p, name) for p in drawn.paths])
            for name in ("cash", "principal", "balance", "outstanding", "purchases")
        }
        a, b = pay(small, drawn.paths), pay(large, drawn.paths, **in_unit)
        for name in {f.name for f in fields(Payment)} - {"trigger", "covenants", "breaches"}:
            np.testing.assert_allclose(
                getattr(b, name) / unit, getattr(a, name), rtol=1e-12, atol=1e-12 * money_of(drawn.deal)
            )
        np.testing.assert_array_equal(a.trigger, b.trigger)
        np.testing.assert_allclose(b.covenants, a.covenants, rtol=1e-10)
        if look_further:
            one, other = kmv_view(drawn.deal), kmv_view(scaled(drawn.deal, unit))
            assert other.volatility == pytest.approx(one.volatility, rel=1e-10)
            for x, y in zip(one.tranches, other.tranches, strict=True):
                np.testing.assert_allclose(y.pd, x.pd, rtol=1e-9, atol=1e-15)
                assert y.expected_loss == pytest.approx(x.expected_loss, rel=1e-8, abs=1e-12)
            runs = [simulate(d, paths=128) for d in (drawn.deal, scaled(drawn.deal, unit))]
            for x, y in zip(*(r.tranches for r in runs), strict=True):
                assert (x.pd, x.anydate_pd) == (y.pd, y.anydate_pd)
                assert y.expected_loss == pytest.approx(x.expected_loss, abs=1e-12)

    law()


def counted(loans, **terms):
    """A deal of three lines, of 3, 1 and 2 obligors; and the same with a row for each of the six."""
    dates = payment_dates(CLOSING, "half-year", 5)
    lines = replace(some_pool(dates, loans, 3), count=np.array([3.0, 1.0, 2.0]), industry=("a", "b", "a"))
    rows = np.repeat(np.arange(3), [3, 1, 2])
    single = lines.pick(rows, 1.0 / lines.count[rows])
    notes = (
        Tranche("A", 1, 100.0, 0.04, "pass-through"),
        Tranche("B", 2, 40.0, 0.06, "pass-through", deferrable=True),
    )
    tests = (
        Covenant("share", "largest obligor share", "max", 0.4, "sequential"),
        Covenant("ratio", "cumulative default ratio", "max", 0.3, "amortise"),
        Covenant("OC", "overcollateralisation", "min", 0.0, "turbo"),
    )
    options = {"fee_rate": 0.01, "accounts": "two", "principal": "pro rata", "oc_target": 0.1, "seed": 5}
    options["industry_correlation"] = 0.1
    plan = Terms(CLOSING, dates, **(options | terms))
    controls = Controls(reserve_size=0.05, reserve_unit="of pool", support_cap=10.0, support_pd=0.01)
    return tuple(Deal(pool, notes, plan, controls, tests) for pool in (lines, single))


@pytest.mark.parametrize("loans", [True, False], ids=["loans", "schedule"])
@pytest.mark.parametrize(
    "stress",
    [BASE, Stress("gone", obligor_recovery=0.1), Stress("late", delay=1, pool_haircut=0.1)],
    ids=lambda s: s.name,
)
def test_a_line_of_n_obligors_is_n_rows(loans, stress):
    lines, rows = counted(loans, revolving=payment_dates(CLOSING, "half-year", 2)[0])
    a, b = simulate(lines, stress, paths=1000), simulate(rows, stress, paths=1000)
    for x, y in zip(a.tranches, b.tranches, strict=True):
        for name in ("pd", "anydate_pd", "expected_loss", "wal", "pd_error"):
            assert getattr(x, name) == pytest.approx(getattr(y, name), rel=1e-12, abs=1e-12, nan_ok=True), (
                name
            )
    np.testing.assert_allclose(a.breach, b.breach, rtol=1e-12)
    np.testing.assert_allclose(a.expected_collections, b.expected_collections, rtol=1e-12)
    assert ((a.breach > 0.0) & (a.breach < 1.0)).any() and 0.0 < a.tranches[0].expected_loss < 1.0
    one, other = apply(lines, stress), apply(rows, stress)
    assert pool_lognormal(one) == pytest.approx(pool_lognormal(other), rel=1e-12)
    np.testing.assert_allclose(one.dues.total(), other.dues.total(), rtol=1e-12)
    mine, theirs = waterfall(one), waterfall(other)
    np.testing.assert_allclose(mine.principal_paid, theirs.principal_paid, rtol=1e-12)
    np.testing.assert_allclose(mine.covenants, theirs.covenants, rtol=1e-12)


# --------------------------------------------------------------------- terms that mean the same thing


def same(a, b, **tolerance):
    """Two plans pay the same on every date."""
    for name in {f.name for f in fields(Payment)}:
        np.testing.assert_allclose(
            getattr(a, name).astype(float), getattr(b, name).astype(float), err_msg=name, **tolerance
        )


def both(deal, other, seed=0):
    """Payments of two deals along the same paths."""
    rng = np.random.default_rng(seed)
    paths = [path_of(deal, rng) for _ in range(4)]
    return pay(apply(deal, BASE), paths), pay(apply(other, BASE), paths)


def every(deal, **change):
    return replace(deal, tranches=tuple(replace(t, **change) for t in deal.tranches))


@given(deals(), st.integers(0, 2**32))
@quick
def test_a_coupon_over_a_level_base_is_a_fixed_coupon(deal, seed):
    level = replace(deal, terms=replace(deal.terms, curves=(Curve("base", (CLOSING,), (0.015625,)),)))
    floating = every(level, base="base", margin=0.015625, cap=None, floor=None)
    fixed = {"base": "", "margin": 0.0, "cap": None, "floor": None, "coupon": 0.03125}
    same(*both(floating, every(level, **fixed), seed), rtol=1e-12)
    # At its cap, or at its floor, it is fixed too.
    same(
        *both(
            every(level, base="base", margin=0.5, cap=0.03125, floor=None),
            every(level, **fixed),
            seed,
        ),
        rtol=1e-12,
    )
    same(
        *both(
            every(level, base="base", margin=-0.5, cap=None, floor=0.03125),
            every(level, **fixed),
            seed,
        ),
        rtol=1e-12,
    )


@given(deals(), st.integers(0, 2**32))
@quick
def test_payment_types_are_schedules(deal, seed):
    """Straight-line and bullet principal typed in date by date."""
    dates = deal.terms.dates
    for kind in ("straight-line", "bullet"):
        notes, typed = [], []
        for t in deal.tranches:
            last = deal.expected(t)
            each = np.zeros(len(dates))
            each[: last + 1] = t.amount / (last + 1) if kind == "straight-line" else 0.0
            each[last] += t.amount if kind == "bullet" else 0.0
            plain = replace(t, payment=kind, maturity=dates[last], legal_final=None, schedule=())
            notes.append(plain)
            typed.append(replace(plain, payment="schedule", schedule=tuple(each.tolist())))
        a, b = replace(deal, tranches=tuple(notes)), replace(deal, tranches=tuple(typed))
        same(*both(a, b, seed), rtol=1e-9, atol=1e-9 * money_of(deal))


@given(deals(), st.integers(0, 2**32))
@quick
def test_an_undertaking_between_none_and_one_without_limit(deal, seed):
    def capped(cap, **change):
        return replace(
            deal, controls=replace(deal.controls, support_cap=cap, support_cap_unit="money", **change)
        )

    off, nothing = both(capped(None, support=False), capped(0.0, support=True), seed)
    same(off, nothing)
    same(*both(capped(None, support=True), capped(1e12, support=True), seed))
    share = capped(0.25, support=True)
    share = replace(share, controls=replace(share.controls, support_cap_unit="of notes"))
    same(*both(share, capped(0.25 * money_of(deal), support=True), seed), rtol=1e-12)


@given(deals(), st.integers(0, 2**32))
@quick
def test_a_reserve_in_periods_is_one_in_money(deal, seed):
    # Without subordination what a constant reserve gives back waits until the next date.
    periods = replace(
        deal.controls, subordination=True, reserve=True, reserve_unit="periods", reserve_size=0.7
    )
    size = apply(replace(deal, controls=periods), BASE).reserve_size
    money = replace(periods, reserve_unit="money", reserve_size=size)
    same(*both(replace(deal, controls=periods), replace(deal, controls=money), seed))
    # One of 0 % of the pool with a floor is one in money, too, once the floor is that.
    floor = replace(periods, reserve_unit="of pool", reserve_size=0.0, reserve_floor=0.1)
    level = replace(money, reserve_size=0.1 * float(deal.pool.amount.sum()))
    same(*both(replace(deal, controls=floor), replace(deal, controls=level), seed), rtol=1e-12)


@given(deals(oc_target="all"), st.integers(0, 2**32))
@quick
def test_a_target_that_nothing_meets_is_a_full_turbo(deal, seed):
    whole = replace(deal, terms=replace(deal.terms, oc_target=1.0))
    if deal.controls.excess_coverage:
        same(*both(deal, whole, seed), rtol=1e-12, atol=1e-12)


@given(deals(), st.integers(0, 2**32))
@quick
def test_tests_without_consequence_change_nothing(deal, seed):
    seen = replace(deal, covenants=tuple(replace(c, consequence="none") for c in deal.covenants))
    off = replace(deal, controls=replace(deal.controls, triggers=False))
    same(*both(seen, off, seed))


def test_a_trap_or_a_turbo_does_what_the_milder_triggers_do():
    """Under pro rata classes and a revolving pool: in order of rank, and no more buying."""
    for word in ("trap", "turbo"):
        lines, _ = counted(True, revolving=payment_dates(CLOSING, "half-year", 4)[-1], accounts="one")
        hard, soft = (
            replace(lines, covenants=(Covenant("f", "pool factor", "max", 0.5, w),))
            for w in (word, "amortise")
        )
        a, b = (waterfall(apply(d, BASE)) for d in (hard, soft))
        np.testing.assert_array_equal(a.bought_less, b.bought_less)
        assert (a.bought_less[:3] > 0.0).all()
        assert (a.principal_paid[1, :2] == 0.0).all() and (b.principal_paid[1, :2] > 0.0).all()


def test_claims_by_terms_are_claims_by_their_schedule():
    dates = payment_dates(CLOSING, "quarter", 8)
    by_terms = some_pool(dates, loans=True, rows=3)
    notes = (
        Tranche("A", 1, 100.0, 0.04, "pass-through"),
        Tranche("B", 2, 50.0, 0.05, "straight-line", dates[6]),
    )
    options = {"accounts": "two", "cleanup": 0.1, "fee_base": "pool", "fee_rate": 0.01}
    deal = Deal(by_terms, notes, Terms(CLOSING, dates, **options), Controls(reserve_size=0.5))
    planned = apply(deal, BASE).deal.pool
    typed = replace(
        by_terms,
        loans=None,
        schedule=planned.schedule,
        interest=planned.interest,
        balance=planned.balance,
        recovery=0.0,
    )
    deal = replace(deal, pool=replace(by_terms, recovery=0.0))
    same(waterfall(apply(deal, BASE)), waterfall(apply(replace(deal, pool=typed), BASE)))
    a, b = simulate(deal, paths=400), simulate(replace(deal, pool=typed), paths=400)
    np.testing.assert_array_equal(a.replicates, b.replicates)


# -------------------------------------------------------------- the early end of the revolving period


@pytest.mark.parametrize("end", [0, 1, 3])
@pytest.mark.parametrize(
    "stress",
    [BASE, Stress("haircut", pool_haircut=0.25), Stress("delay", delay=2)],
    ids=lambda s: s.name,
)
def test_buying_that_a_trigger_ends_is_buying_until_then(end, stress):
    """Without defaults, claims that were not bought are as if nobody had meant to buy them."""
    dates = payment_dates(CLOSING, "half-year", 8)
    pool = some_pool(dates, loans=True, rows=3)
    notes = (Tranche("A", 1, 120.0, 0.04, "pass-through"), Tranche("B", 2, 40.0, 0.05, "pass-through"))
    ends = Covenant("ratio", "cumulative default ratio", "max", 0.5, "amortise")
    deal = Deal(pool, notes, Terms(CLOSING, dates, revolving=dates[5]), PLAIN, (ends,))
    deal = replace(deal, controls=replace(PLAIN, triggers=True))
    ratio = np.where(np.arange(8) >= end, 0.6, 0.0)  # the test fails from this date on
    plan = apply(deal, stress)
    ended = waterfall(plan, default_ratio=ratio)
    # What is collected late comes too late to buy anything.
    until = end - 1 - stress.delay
    before = None if until < 0 else dates[until]
    meant = apply(replace(deal, terms=replace(deal.terms, revolving=before)), stress)
    np.testing.assert_allclose(plan.collections + ended.bought_less, meant.collections, atol=1e-9)
    assert np.abs(ended.bought_less).max() > 1.0
    # So are balances, and all that is paid; but for the classes' own wait until the end.
    free = replace(deal, controls=PLAIN, terms=replace(deal.terms, revolving=before))
    other = waterfall(apply(free, stress))
    for name in ("principal_paid", "interest_paid", "residual"):
        ours, theirs = getattr(ended, name)[..., end:], getattr(other, name)[..., end:]
        if end == 0 or stress is BASE:
            np.testing.assert_allclose(ours, theirs, atol=1e-9, err_msg=name)


def test_what_was_not_bought_takes_its_part_of_what_comes_in_and_no_more():
    dates = payment_dates(CLOSING, "year", 5)
    pool = Pool(
        ("a", "b"),
        [100.0, 100.0],
        np.zeros((2, 5)),
        0.1,
        0.4,
        0.0,
        0.2,
        loans=Loans(np.full(2, 60.0), 0.06, payments_per_year=1.0),
    )
    notes = (Tranche("A", 1, 180.0, 0.04, "pass-through"),)
    ends = (Covenant("ratio", "cumulative default ratio", "max", 0.5, "amortise"),)
    controls = replace(PLAIN, triggers=True)
    deal = Deal(pool, notes, Terms(CLOSING, dates, revolving=dates[2]), controls, ends)
    plan = apply(deal, BASE)
    # Both are as planned up to the second date; then nothing comes in.
    shape = (plan.collections, plan.balance, plan.purchases)
    flows, balance, bought = (np.where(np.arange(5) < 2, x, 0.0) for x in shape)
    paid = waterfall(plan, flows, default_ratio=[0.6] * 5, balance=balance, purchases=bought)
    np.testing.assert_allclose(paid.bought_less[2:], 0.0, atol=1e-12)
    assert (paid.interest_paid >= 0.0).all() and (paid.principal_paid >= 0.0).all()
    # One of two equal obligors defaults: half of what comes in without the end comes in with it.
    half = waterfall(
        plan,
        plan.collections / 2,
        default_ratio=[0.6] * 5,
        balance=plan.balance / 2,
        purchases=plan.purchases / 2,
    )
    whole = waterfall(plan, default_ratio=[0.6] * 5)
    np.testing.assert_allclose(half.bought_less, whole.bought_less / 2, rtol=1e-12)


# ------------------------------------------------------------- sums in place of the rows of a pool


STATES = ("balance", "outstanding", "principal", "purchases", "collections")


@quick
@given(
    deals(),
    st.sampled_from(
        [BASE, Stress("cut", pool_haircut=0.2), Stress("late", delay=2), Stress("up", rate_shift=0.01)]
    ),
)
def test_by_plan_a_pool_pays_what_its_rows_pay(deal, stress):
    tests = tuple(c for c in deal.covenants if c.metric != "largest obligor share")
    deal = replace(deal, covenants=tests)
    plan, summed = apply(deal, stress), apply(deal, stress, by_plan=True)
    assert len(summed.deal.pool.name) <= 2
    for name in (*STATES, "claimed", "reserve", "reserve_size", "retained", "balance_at_closing"):
        one, other = getattr(plan, name), getattr(summed, name)
        assert (one is None) == (other is None), name
        if one is not None:
            np.testing.assert_allclose(other, one, rtol=1e-12, atol=1e-12, err_msg=name)
    assert summed.needs_balance == plan.needs_balance
    for field in fields(Payment):
        one, other = (getattr(waterfall(x), field.name) for x in (plan, summed))
        np.testing.assert_allclose(other, one, atol=1e-9, err_msg=field.name)


@quick
@given(
    deals(recoveries=False),  # what parts of a pledge bring differs in the last digit
    st.floats(0.1, 0.9),
    st.floats(1.0, 30.0),
    st.floats(0.0, 1.0),
    st.floats(1.0, 3.0),
)
def test_rows_that_default_alike_are_expected_to_pay_like_one(deal, share, pd, recovery, volatility):
    deal = replace(deal, covenants=())
    rows = np.repeat(np.arange(len(deal.pool.name)), 2)
    split = deal.pool.pick(rows, np.resize([share, 1.0 - share], rows.size))
    stress = Stress("worse", pd_multiplier=pd, recovery_multiplier=recovery, volatility_multiplier=volatility)
    trials = [breakeven._Trials(d) for d in (deal, replace(deal, pool=split))]
    assert trials[1].rows.pd.size == len(deal.pool.name)
    # Row by row, of the deal put under the stress as a whole.
    plan = apply(deal, stress)
    slow = breakeven._expected(plan, plan.obligor_pd)
    for trial in trials:
        _, state = trial._tried(stress, True)
        for name in {*STATES, "default_ratio"} & set(slow):
            np.testing.assert_allclose(state[name], slow[name], rtol=1e-11, atol=1e-11, err_msg=name)


@quick
@given(deals(), st.lists(st.floats(-0.05, 0.6), min_size=2, max_size=5), st.booleans())
def test_shifts_of_rates_are_worked_out_and_paid_together_as_one_by_one(deal, shifts, by_plan):
    """Bit by bit, whatever classes, claims and tests there are."""
    stresses = [Stress("shifted", rate_shift=shift) for shift in shifts]
    together = apply_all(deal, stresses, by_plan=by_plan)
    alone = [apply(deal, stress, by_plan=by_plan) for stress in stresses]
    for one, other in zip(together, alone, strict=True):
        for name in ("opening", "interest", "principal", "coupons", "expected", "deferred", "fees"):
            np.testing.assert_array_equal(getattr(one.dues, name), getattr(other.dues, name), err_msg=name)
        assert (one.reserve, one.reserve_size) == (other.reserve, other.reserve_size)
        np.testing.assert_array_equal(one.retained, other.retained)
    if deal.terms.revolving is not None:
        return  # what is bought is of each plan alone
    pools = [planned_pool(plan) for plan in together]
    paid = payments(together, PoolState.side_by_side(pools), 0.1, 0.02)
    each = [payments(plan, PoolState.side_by_side([planned_pool(plan)]), 0.1, 0.02) for plan in alone]
    for date in paid:
        for path, single in enumerate(map(next, each)):
            for field in fields(Payment):
                one, other = (getattr(x, field.name) for x in (date, single))
                np.testing.assert_array_equal(one[..., path], other[..., 0], err_msg=field.name)
