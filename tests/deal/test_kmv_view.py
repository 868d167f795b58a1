"""The default point of every payment type in the KMV view, and an undertaking with a cap."""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate
from scipy.special import ndtr, ndtri

from xlkmv.deal.examples import example
from xlkmv.deal.examples.patents import xingye_yuanrong
from xlkmv.deal.kmv import Once, kmv_view, maturity_risk
from xlkmv.deal.plan.waterfall import waterfall
from xlkmv.deal.stress import BASE, PRESETS, Stress, apply
from xlkmv.deal.terms import Controls, Deal, Loans, Pool, Terms, Tranche, payment_dates
from xlkmv.model.plan import plan_risk

CLOSING = dt.date(2020, 1, 1)
DATES = payment_dates(CLOSING, "year", 4)
PLAIN = Controls(reserve=False, support=False, triggers=False)
# The claim pays 25 of principal a year and 8 % on what is outstanding: 33, 31, 29, 27.
CAME_IN = np.cumsum([33.0, 31.0, 29.0, 27.0])


def plan(*notes, controls=PLAIN, **terms):
    loans = Loans(np.array([48.0]), 0.08, ("linear",), payments_per_year=1.0)
    pool = Pool(("Claim",), [100.0], np.zeros((1, 4)), 0.02, 0.4, 0.0, 0.2, loans=loans)
    figures = {"volatility_source": "user", "volatility": 0.1} | terms
    return Deal(pool, notes, Terms(CLOSING, DATES, **figures), controls)


def through(name, rank, amount, coupon, **change):
    return Tranche(name, rank, amount, coupon, "pass-through", **change)


A, B = through("A", 1, 60.0, 0.05), through("B", 2, 30.0, 0.10)


def due(deal, k=0):
    return kmv_view(deal).tranches[k].risk.accumulated_due


# ------------------------------------------------------------------------------- default points
# The plan without defaults repays 22.5, 22.5, 15 of A and 7.5, 22.5 of B (10 % stay overcollateral).
# Interest of A: 3, 1.875, .75, 0; of B: 3, 3, 3, 2.25.


def test_principal_of_pass_through_classes_is_due_at_the_legal_final():
    view = kmv_view(plan(A, B))
    a, b = view.tranches
    np.testing.assert_allclose(a.risk.accumulated_due, [3.0, 4.875, 5.625, 65.625])
    np.testing.assert_allclose(b.risk.accumulated_due, [6.0, 10.875, 14.625, 106.875])
    np.testing.assert_allclose(a.risk.accumulated_in, CAME_IN)
    assert (a.maturity, b.maturity) == (3, 3)
    risk = plan_risk([33.0, 31.0, 29.0, 27.0], [3.0, 1.875, 0.75, 60.0], 0.1, [1.0, 2.0, 3.0, 4.0])
    np.testing.assert_allclose(a.risk.pd, risk.pd)
    assert a.pd_at_maturity == a.pd[3] and a.coverage_at_maturity == pytest.approx(120.0 / 65.625)


def test_a_legal_final_before_the_last_date():
    view = kmv_view(plan(replace(A, legal_final=dt.date(2021, 9, 1)), B)).tranches[0]
    np.testing.assert_allclose(view.risk.accumulated_due[1], 64.875)
    assert view.maturity == 1 and view.first_short == DATES[1]  # 64 have come in by then


def test_or_as_the_plan_without_defaults_pays_it():
    deal = plan(A, B, default_point="expected")
    view = kmv_view(deal)
    a, b = view.tranches
    np.testing.assert_allclose(a.risk.accumulated_due, [25.5, 49.875, 65.625, 65.625])
    np.testing.assert_allclose(b.risk.accumulated_due, np.cumsum([28.5, 27.375, 26.25, 24.75]))
    # A is repaid by the third date, B by the last.
    assert (a.maturity, b.maturity) == (2, 3) == (a.expected_maturity, b.expected_maturity)
    assert a.expected is None


def test_both_are_shown_where_they_differ():
    legal, early = kmv_view(plan(A, B)), kmv_view(plan(A, B, default_point="expected"))
    for one, other in zip(legal.tranches, early.tranches, strict=True):
        np.testing.assert_array_equal(one.expected.accumulated_due, other.risk.accumulated_due)
        np.testing.assert_array_equal(one.expected.pd, other.risk.pd)
        # What is due sooner is harder to pay, up to the date by which both are due.
        assert (one.expected.pd >= one.risk.pd - 1e-15).all()
        assert one.expected.pd[-1] == pytest.approx(one.risk.pd[-1])
        assert one.expected_maturity == other.maturity
        # And where the terms ask for the plan's dates, the legal final stands beside them.
        np.testing.assert_array_equal(other.legal.accumulated_due, one.risk.accumulated_due)
        np.testing.assert_array_equal(other.legal.pd, one.risk.pd)
        assert one.legal is None and other.expected is None
    scheduled = Tranche("A", 1, 60.0, 0.05, "straight-line", DATES[3])
    assert kmv_view(plan(scheduled)).tranches[0].expected is None
    assert kmv_view(plan(scheduled, default_point="expected")).tranches[0].legal is None
    assert kmv_view(plan(A, B), both=False).tranches[0].expected is None
    assert kmv_view(plan(A, B, default_point="expected"), both=False).tranches[0].legal is None


def test_where_another_class_makes_the_difference_only_what_it_is_ahead_of_has_both():
    first = Tranche("A", 1, 60.0, 0.05, "straight-line", DATES[3])
    a, b = kmv_view(plan(first, B)).tranches
    assert a.expected is None
    np.testing.assert_allclose(b.expected.accumulated_due[0], 15.0 + 3.0 + 3.0 + 7.5)
    # Interest that may wait differs though no principal is passed through: of 30 a year's 10 % each.
    waits = Tranche("B", 2, 30.0, 0.10, "bullet", DATES[3], deferrable=True)
    late, early = (
        kmv_view(plan(first, waits, default_point=by)).tranches for by in ("legal final", "expected")
    )
    assert late[0].expected is None and early[0].legal is None
    ahead = np.cumsum([15.0 + 3.0, 15.0 + 2.25, 15.0 + 1.5, 15.0 + 0.75])
    np.testing.assert_allclose(late[1].risk.accumulated_due, ahead + np.array([0.0, 0.0, 0.0, 42.0]))
    np.testing.assert_allclose(late[1].expected.accumulated_due, ahead + np.array([3.0, 6.0, 9.0, 42.0]))
    np.testing.assert_array_equal(early[1].legal.accumulated_due, late[1].risk.accumulated_due)


@pytest.mark.parametrize("default_point", ["legal final", "expected"])
@pytest.mark.parametrize("deferrable", [False, True])
def test_judged_by_all_dues_the_last_rank_is_judged_by_its_own(default_point, deferrable):
    """Whenever they fall due: judged by all dues a class does not lose the time that its terms give it."""
    deal = plan(A, replace(B, deferrable=deferrable), default_point=default_point)
    own, judged = kmv_view(deal), kmv_view(deal, Stress("all", default_point="all"))
    for attribute in ("accumulated_due", "coverage", "distance", "pd", "anydate_pd"):
        for view in ("risk", "expected"):
            one, other = (getattr(found.tranches[-1], view) for found in (own, judged))
            if one is None:
                assert other is None
            else:
                np.testing.assert_array_equal(getattr(one, attribute), getattr(other, attribute))
    # The first rank is judged as the last one is, but by its own maturity.
    first, last = judged.tranches
    np.testing.assert_array_equal(first.risk.accumulated_due, last.risk.accumulated_due)


def test_scheduled_classes_are_due_as_scheduled_beside_pass_through_ones():
    notes = (Tranche("A", 1, 60.0, 0.0, "schedule", DATES[2], schedule=(10.0, 0.0, 50.0, 0.0)), B)
    deal = plan(*notes)
    np.testing.assert_allclose(due(deal), np.cumsum([10.0, 0.0, 50.0, 0.0]))
    # B's legal final is the last date; as the plan pays it gets what is distributable beyond A.
    paid = apply(deal, BASE).dues.expected[1]
    np.testing.assert_allclose(paid, [12.5, 17.5, 0.0, 0.0])
    np.testing.assert_allclose(due(deal, 1)[2], 60.0 + 3.0 + 1.75)


def test_a_deferrable_coupon_counts_at_the_legal_final():
    deal = plan(A, replace(B, deferrable=True))
    np.testing.assert_allclose(due(deal, 1), [3.0, 4.875, 5.625, 106.875])
    np.testing.assert_allclose(due(deal), due(plan(A, B)))
    # Of the best class it may never wait, nor where nobody is better.
    first = replace(A, deferrable=True)
    np.testing.assert_allclose(due(plan(first, B)), due(plan(A, B)))
    alike = plan(A, replace(B, deferrable=True), controls=PLAIN.without("subordination"))
    np.testing.assert_allclose(due(alike, 1), due(plan(A, B, controls=PLAIN.without("subordination")), 1))
    # As the plan pays it is due on every date.
    expected = kmv_view(deal).tranches[1].expected.accumulated_due
    np.testing.assert_allclose(expected[0], 6.0 + 22.5)


def test_interest_of_all_ranks_is_ahead_where_it_comes_first():
    by_rank, first = due(plan(A, B)), due(plan(A, B, interest="first"))
    np.testing.assert_allclose(first - by_rank, np.cumsum([3.0, 3.0, 3.0, 2.25]))
    np.testing.assert_allclose(due(plan(A, B, accounts="two")), first)
    np.testing.assert_allclose(due(plan(A, B), 1), due(plan(A, B, interest="first"), 1))


def test_interest_of_all_ranks_is_ahead_where_principal_is_shared_over_them():
    """The payments are the same whatever the order of interest says, and so are the dues."""
    shared = [plan(A, B, principal="pro rata", interest=order) for order in ("by rank", "first")]
    paid = [waterfall(apply(deal, BASE), [20.0, 30.0, 30.0, 30.0]) for deal in shared]
    np.testing.assert_array_equal(paid[0].interest_paid, paid[1].interest_paid)
    np.testing.assert_array_equal(paid[0].principal_paid, paid[1].principal_paid)
    np.testing.assert_array_equal(due(shared[0]), due(shared[1]))
    # All that is due but principal of B, which is due at its legal final.
    owed = due(shared[0], 1) - [0.0, 0.0, 0.0, B.amount]
    np.testing.assert_allclose(due(shared[0]), owed, rtol=1e-14)


def test_fees_are_ahead_of_everybody():
    fees = {"fee_rate": 0.01, "fee_base": "pool", "fee_amount": 0.5}
    np.testing.assert_allclose(due(plan(A, B, **fees)) - due(plan(A, B)), np.cumsum([1.5, 1.25, 1.0, 0.75]))


def test_the_reserve_protects_every_senior_class():
    notes = (replace(A, senior=True), replace(B, senior=True), through("C", 3, 5.0, 0.0))
    controls = replace(PLAIN, reserve=True, reserve_unit="money", reserve_size=8.0)
    with_it, without = kmv_view(plan(*notes, controls=controls)), kmv_view(plan(*notes))
    for one, other, protected in zip(with_it.tranches, without.tranches, (True, True, False), strict=True):
        assert (one.risk.pd[-1] < other.risk.pd[-1]) == protected


# ----------------------------------------------------------------------- undertaking with a cap


def supported(cap, note=None, **terms):
    controls = replace(PLAIN, support=True, support_pd=0.02, support_cap=cap)
    note = note or through("A", 1, 105.0, 0.04)
    return kmv_view(plan(note, controls=controls, **terms)).tranches[0]


@given(st.lists(st.floats(0.0, 60.0), min_size=2, max_size=4), st.floats(0.0, 0.9))
@settings(max_examples=20, deadline=None)
def test_a_cap_lies_between_nothing_and_no_limit(caps, rho):
    free = supported(None, support_correlation=rho)
    alone = kmv_view(plan(through("A", 1, 105.0, 0.04), support_correlation=rho)).tranches[0]
    views = [alone, *(supported(cap, support_correlation=rho) for cap in sorted(caps)), free]
    for less, more in itertools.pairwise(views):
        assert (more.pd <= less.pd + 1e-12).all()
        assert (more.anydate_pd <= less.anydate_pd + 1e-9).all()
        assert more.expected_loss <= less.expected_loss + 1e-9
        # What the pool alone can do does not depend on it.
        np.testing.assert_array_equal(less.risk.pd, more.risk.pd)


@pytest.mark.parametrize(("cap", "like"), [(0.0, "none"), (1e6, "unlimited")])
def test_limits_of_the_cap(cap, like):
    given = supported(cap, support_correlation=0.3)
    alone = kmv_view(plan(through("A", 1, 105.0, 0.04), support_correlation=0.3)).tranches[0]
    limit = alone if like == "none" else supported(None, support_correlation=0.3)
    np.testing.assert_allclose(given.pd, limit.pd, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(given.anydate_pd, limit.anydate_pd, rtol=1e-7, atol=1e-12)
    assert given.expected_loss == pytest.approx(limit.expected_loss, rel=1e-9)


def test_a_cap_by_hand():
    """Uncorrelated payer: short and it is dead, or short by more than the cap."""
    view, cap, sigma, T = supported(9.0), 9.0, 0.1, 4.0
    total, dp = 120.0, float(view.risk.accumulated_due[-1])

    def below(strike):
        return float(ndtr((np.log(strike / total) + 0.5 * sigma**2 * T) / (sigma * np.sqrt(T))))

    dead = 1.0 - 0.98**4
    assert view.pd[-1] == pytest.approx(below(dp) * dead + below(dp - cap) * (1.0 - dead), rel=1e-9)

    def loss(z, paid):
        came = total * np.exp(-0.5 * sigma**2 * T + sigma * np.sqrt(T) * z)
        return min(max(dp - came - paid, 0.0), dp) * np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)

    def expected(paid):
        kink = (np.log((dp - paid) / total) + 0.5 * sigma**2 * T) / (sigma * np.sqrt(T))
        return integrate.quad(loss, -12.0, kink, args=(paid,), epsabs=1e-12)[0]

    own = dp  # everything that is due is the class's own
    by_hand = (dead * expected(0.0) + (1.0 - dead) * expected(cap)) / own
    assert view.expected_loss == pytest.approx(by_hand, rel=1e-6)


def test_a_cap_with_a_payer_that_falls_with_the_pool():
    """Simulated pairs of pool and payer."""
    view, rho, cap = supported(9.0, support_correlation=0.6), 0.6, 9.0
    z, e = np.random.default_rng(5).standard_normal((2, 400_000))
    came = 120.0 * np.exp(-0.02 + 0.2 * z)
    dead = rho * z + np.sqrt(1.0 - rho**2) * e <= ndtri(1.0 - 0.98**4)
    short = float(view.risk.accumulated_due[-1]) - came
    failed = np.where(dead, short > 0.0, short > cap)
    assert abs(view.pd[-1] - failed.mean()) < 4.5 * failed.std() / np.sqrt(z.size)


def test_reserve_and_cap_add_up():
    controls = Controls(
        reserve_unit="money", reserve_size=4.0, triggers=False, support_pd=0.0, support_cap=5.0
    )
    note = through("A", 1, 105.0, 0.04)
    together = kmv_view(plan(note, controls=controls)).tranches[0]
    one = kmv_view(plan(note, controls=replace(controls, support=False, reserve_size=9.0))).tranches[0]
    np.testing.assert_allclose(together.pd, one.pd, rtol=1e-12)


def test_classes_that_are_not_senior_are_not_supported():
    controls = replace(PLAIN, support=True, support_cap=5.0)
    a, b = kmv_view(plan(A, B, controls=controls)).tranches
    assert a.pd[-1] < a.risk.pd[-1]
    np.testing.assert_array_equal(b.pd, b.risk.pd)


@pytest.mark.parametrize("cap", [None, 0.02])
@pytest.mark.parametrize("name", ["patents", "auto", "mortgage"])
def test_the_figures_at_maturity_alone(name, cap):
    deal = example(name).deal
    controls = replace(deal.controls, support_cap=cap, support_cap_unit="of notes")
    deal = replace(deal, controls=controls)
    view = kmv_view(deal)
    wanted = [k != 1 for k in range(len(deal.tranches))]
    volatility, distance, anydate = maturity_risk(deal, wanted)
    assert volatility == view.volatility
    assert distance.tolist() == [t.distance_at_maturity for t in view.tranches]
    assert np.isnan(anydate[1])
    expected = np.array([t.anydate_pd_at_maturity for t in view.tranches])
    assert anydate[wanted] == pytest.approx(expected[wanted], rel=1e-9)


def test_views_that_share_what_they_have_in_common_are_those_by_themselves():
    deal, once = xingye_yuanrong(), Once()
    for stress in PRESETS:
        alone, shared = kmv_view(deal, stress), kmv_view(deal, stress, once=once)
        assert (shared.stress, shared.volatility, shared.drift) == (stress, alone.volatility, alone.drift)
        for one, other in zip(alone.tranches, shared.tranches, strict=True):
            assert other.expected_loss == one.expected_loss
            for name in ("pd", "anydate_pd"):
                np.testing.assert_array_equal(getattr(other, name), getattr(one, name))
            for name in ("distance", "coverage", "anydate_pd"):
                np.testing.assert_array_equal(getattr(other.risk, name), getattr(one.risk, name))


def test_what_is_known_is_not_worked_out_again():
    asked, once = [], Once()

    def total(values, factor):
        asked.append(factor)
        return factor * values.sum()

    values = np.array([1.0, 2.0])
    assert [once(total, values, 2.0), once(total, values.copy(), 2.0), once(total, values, 3.0)] == [6, 6, 9]
    assert once(total, np.array([1.0, 2.5]), 2.0) == 7.0
    assert asked == [2.0, 3.0, 2.0]


def test_a_scheduled_class_whose_coupon_may_wait_is_judged_at_its_legal_final():
    """Its principal is due after two years, its coupon at last after four: both are its risk."""
    first = Tranche("A", 1, 60.0, 0.05, "bullet", DATES[3])
    second = Tranche("B", 2, 30.0, 0.10, "bullet", DATES[1], legal_final=DATES[3], deferrable=True)
    late, early = (
        kmv_view(plan(first, second, default_point=p)).tranches[1] for p in ("legal final", "expected")
    )
    assert (late.maturity, late.expected_maturity, early.maturity) == (3, 1, 1)
    np.testing.assert_allclose(late.risk.accumulated_due, [3.0, 36.0, 39.0, 108.0])
    assert late.coverage_at_maturity == pytest.approx(120.0 / 108.0)
    # Where nothing waits there is nothing after the maturity: in one rank, or without a coupon.
    one_rank = kmv_view(plan(first, second), Stress("one rank", controls_off=("subordination",)))
    assert one_rank.tranches[1].maturity == 1
    assert kmv_view(plan(first, replace(second, coupon=0.0))).tranches[1].maturity == 1


def test_an_expected_loss_is_never_beyond_everything():
    for coupon in (0.0, 0.01, 0.02):
        nothing = kmv_view(plan(A, replace(B, coupon=coupon)), Stress("Nothing", pool_haircut=0.95))
        assert nothing.tranches[1].expected_loss == 1.0
