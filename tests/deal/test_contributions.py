"""Who drives the risk, and what a better spread pool would do: hand-worked pools, laws, the run itself."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlkmv.deal.examples import example
from xlkmv.deal.paths.measures import ENOUGH
from xlkmv.deal.paths.run import simulate
from xlkmv.deal.questions.contributions import Drivers, concentration, contributions
from xlkmv.deal.questions.diversification import (
    Diversified,
    Otherwise,
    capped,
    diversification,
    divided,
    telling_class,
    why_not,
)
from xlkmv.deal.stress import BASE, Stress
from xlkmv.deal.terms import Controls, Tranche
from xlkmv.errors import DomainError

UNSUPPORTED = Stress("x", controls_off=("support",))
BARE = Controls().without("reserve", "support", "repurchase", "pledge", "triggers")
PD_A, PD_B = 0.2, 0.1


def test_two_obligors_by_hand(two):
    found = contributions(two)
    a, b = range(2)
    figures = {f.name: getattr(found.obligors, f.name)[:, 0] for f in fields(Drivers)[2:]}
    # A alone in default costs the class 10, both cost it 50, of which A's part is 60 of 100.
    alone, both = 10.0 * (1.0 - PD_B), 50.0 * PD_B
    truth = {
        "loss_share": (1.0 - 0.4 * both / (alone + both), 0.4 * both / (alone + both)),
        "in_default": (1.0, PD_B),
        "short_given": (1.0, PD_A),
    }
    for name, values in truth.items():
        for i in (a, b):
            error = figures[f"{name}_error"][i]
            assert abs(figures[name][i] - values[i]) <= 4.0 * error + 1e-12
            assert error < 0.01
    assert figures["in_default_error"][a] == figures["short_given_error"][a] == 0.0
    assert found.short[0] == pytest.approx(PD_A * found.paths, rel=0.03)
    costs = np.array([60.0 * PD_A, 40.0 * PD_B])
    np.testing.assert_allclose(found.obligors.pool_share, costs / costs.sum(), atol=0.01)
    # An industry of one obligor is that obligor.
    for f in fields(Drivers)[1:]:
        np.testing.assert_array_equal(getattr(found.industries, f.name), getattr(found.obligors, f.name))


def test_standard_errors_are_those_of_repeated_runs(two):
    runs = [contributions(replace(two, terms=replace(two.terms, seed=k)), paths=2_000) for k in range(60)]
    for name in ("loss_share", "in_default", "short_given"):
        spread = np.std([getattr(r.obligors, name)[1, 0] for r in runs], ddof=1)
        said = np.mean([getattr(r.obligors, f"{name}_error")[1, 0] for r in runs])
        assert 0.7 < spread / said < 1.3  # the sd of 60 figures has an error of 9 %


@pytest.mark.parametrize("name", ["patents", "mortgage", "auto"])
@pytest.mark.parametrize("stress", [BASE, UNSUPPORTED, Stress("y", pd_multiplier=5.0, obligor_recovery=0.0)])
def test_shares_add_up_to_what_the_simulation_loses(name, stress):
    deal = example(name).deal
    found = contributions(deal, stress, paths=10_000)
    run = simulate(deal, stress, paths=10_000)
    assert found.paths == 10_000
    np.testing.assert_allclose(found.short / 10_000, [t.anydate_pd for t in run.tranches], rtol=1e-12)
    # Of fewer short paths than make a figure nothing is said.
    told = np.array([t.expected_loss > 0.0 for t in run.tranches]) & (found.short > ENOUGH - 0.5)
    lost = told.tolist()
    total = found.obligors.loss_share.sum(axis=0) + found.unallocated
    np.testing.assert_allclose(total[lost], 1.0, rtol=1e-12)
    assert np.isnan(found.obligors.loss_share[:, ~np.array(lost)]).all()
    assert found.obligors.pool_share.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(
        found.industries.loss_share[:, lost].sum(axis=0), found.obligors.loss_share[:, lost].sum(axis=0)
    )


def test_of_a_few_short_paths_nothing_is_said_of_who_was_in_default(two):
    """Ten paths make a figure; of fewer there is none, nor an error that is rounding."""
    rare = replace(two, pool=replace(two.pool, pd=np.array([1e-6, PD_B])))
    few, enough = contributions(rare, paths=100_000), contributions(two, paths=1_000)
    assert 0.0 <= few.short[0] < 10.0 <= enough.short[0]
    for name in ("loss_share", "in_default"):
        for column in (name, f"{name}_error"):
            assert np.isnan(getattr(few.obligors, column)).all(), column
            assert np.isfinite(getattr(enough.obligors, column)).all(), column
    # Obligors stand in the order of what they cost the pool.
    assert few.obligors.order(0) == [1, 0]


def test_a_loss_that_nobody_causes_is_nobodys(build):
    # Nobody defaults, and half of what is due is there.
    found = contributions(build([[25.0, 25.0]], controls=BARE, paths=1_000))
    assert found.unallocated[0] == 1.0
    assert (found.obligors.loss_share == 0.0).all()
    assert (found.obligors.in_default == 0.0).all()
    assert np.isnan(found.obligors.short_given).all() and np.isnan(found.obligors.pool_share).all()


def test_a_row_of_several_is_the_mean_of_its_obligors(build):
    rows = [[10.0] * 3] * 6
    each = build(rows, pd=0.1, senior=120.0, controls=BARE, paths=20_000)
    line = build([[50.0] * 3, [10.0] * 3], pd=0.1, senior=120.0, controls=BARE, paths=20_000)
    line = replace(line, pool=replace(line.pool, count=np.array([5.0, 1.0])))
    a, b = contributions(each), contributions(line)
    np.testing.assert_array_equal(a.short, b.short)
    np.testing.assert_allclose(b.obligors.loss_share[0], a.obligors.loss_share[:5].sum(axis=0))
    np.testing.assert_allclose(b.obligors.in_default[0], a.obligors.in_default[:5].mean(axis=0))
    np.testing.assert_allclose(b.obligors.loss_share[1], a.obligors.loss_share[5])


def test_errors_of_a_row_of_several_know_that_its_obligors_default_together(build):
    """A bad path has dozens of the defaults and is short of all of them: it is one path all the same."""
    line = build([[50.0] * 3, [10.0] * 3], pd=0.05, correlation=0.3, senior=175.0, controls=BARE)
    line = replace(line, pool=replace(line.pool, count=np.array([100.0, 1.0])))
    runs = [contributions(replace(line, terms=replace(line.terms, seed=k)), paths=2_000) for k in range(60)]
    for name in ("in_default", "short_given"):
        spread = np.std([getattr(r.obligors, name)[:, 0] for r in runs], axis=0, ddof=1)
        said = np.mean([getattr(r.obligors, f"{name}_error")[:, 0] for r in runs], axis=0)
        # The sd of 60 figures has an error of 9 %; strata make it smaller, more so for the line.
        assert (spread < 1.3 * said).all() and (spread > 0.3 * said).all(), name


def test_defaults_after_the_maturity_of_a_class_say_nothing_of_those_before_it(build):
    """A pays on the first date, by which the class is expected to be repaid; if it is gone, B later."""
    notes = (Tranche("Notes", 1, 100.0, 0.0, "pass-through"),)
    options = {"correlation": 0.0, "controls": BARE, "fee_rate": 0.0, "paths": 20_000, "oc_target": "all"}
    claims = [[100.0, 0.0], [0.0, 100.0]]
    deal = build(claims, pd=[0.6, 0.1], tranches=notes, default_point="expected", **options)
    found = contributions(deal).obligors
    # Short at the legal final where A has gone by the first date and B by the second.
    for row, truth in ((0, 1.0 - 0.9**2), (1, 0.6)):
        error = found.short_given_error[row, 0]
        assert abs(found.short_given[row, 0] - truth) < 4.5 * error < 0.1


# ------------------------------------------------------------------------------ concentration


def test_concentration_by_hand(build):
    deal = build([[50.0], [30.0], [20.0]], industry=("x", "", "x"))
    found = concentration(deal.pool)
    assert found.herfindahl == pytest.approx(0.25 + 0.09 + 0.04)
    assert found.effective_number == pytest.approx(1.0 / 0.38)
    assert (found.largest, found.five_largest) == pytest.approx((0.5, 1.0))
    assert found.industries == (("x", pytest.approx(0.7)),)
    assert found.industry_herfindahl == pytest.approx(0.49 + 0.09)
    line = replace(deal.pool, count=np.array([5.0, 1.0, 4.0]))
    # Single shares .1 five times, .3, .05 four times.
    spread = concentration(line)
    assert spread.obligors == 10
    assert spread.herfindahl == pytest.approx(5 * 0.01 + 0.09 + 4 * 0.0025)
    assert (spread.largest, spread.five_largest) == pytest.approx((0.3, 0.3 + 4 * 0.1))
    assert np.isnan(concentration(build([[50.0]]).pool).industry_herfindahl)


@given(st.lists(st.floats(1.0, 100.0), min_size=2, max_size=9), st.floats(0.0, 1.0))
@settings(max_examples=60)
def test_a_cap_holds_and_moves_no_money(build, amounts, part):
    deal = build([[0.3 * a, 0.7 * a] for a in amounts])
    cap = 1.0 / len(amounts) + part * (1.0 - 1.0 / len(amounts))
    pool, before = capped(deal, cap).pool, deal.pool
    assert pool.share.max() <= cap * (1.0 + 1e-9)
    assert pool.amount.sum() == pytest.approx(before.amount.sum())
    np.testing.assert_allclose(pool.collections, before.collections)
    # Those below the cap keep their proportions.
    free = pool.share < cap * (1.0 - 1e-9)
    ratio = pool.share[free] / before.share[free]
    np.testing.assert_allclose(ratio, ratio[0] if ratio.size else 1.0)
    if before.share.max() <= cap:
        np.testing.assert_allclose(pool.share, before.share)


def test_a_cap_that_cannot_be_met_is_refused(build):
    with pytest.raises(DomainError, match=r"cap must be between 0\.5 \(1 / obligors\) and 1"):
        capped(build([[1.0], [1.0]]), 0.4)
    with pytest.raises(DomainError, match="times must be a whole number from 1 on"):
        divided(build(), 0)


def test_dividing_changes_the_number_of_obligors_alone(build):
    deal = build([[50.0, 10.0], [30.0, 5.0]], industry=("x", "y"), industry_correlation=0.1)
    more = divided(deal, 3)
    assert concentration(more.pool).effective_number == pytest.approx(
        3.0 * concentration(deal.pool).effective_number
    )
    np.testing.assert_allclose(more.pool.collections, deal.pool.collections)
    elsewhere = divided(deal, 2, "z").pool
    assert elsewhere.industry == ("x", "z", "y", "z")
    np.testing.assert_allclose(elsewhere.collections, deal.pool.collections)
    assert elsewhere.amount.sum() == pytest.approx(deal.pool.amount.sum())


def test_a_better_spread_pool_makes_the_patents_senior_class_safer():
    deal = example("patents").deal
    found = diversification(deal, UNSUPPORTED, paths=20_000)
    assert found[0].label == "as it is"
    assert [d.obligors for d in found] == [11, 11, 22, 44, 22]
    run = simulate(deal, UNSUPPORTED, paths=20_000)
    assert found[0].simulated.tolist() == [t.anydate_pd for t in run.tranches]
    half, quarter = found[2], found[3]
    assert found[0].simulated[0] > half.simulated[0] + 2.0 * half.simulated_error[0]
    assert (quarter.kmv < half.kmv).all() and (half.kmv < found[0].kmv).all()


def test_what_is_asked_about_is_what_is_answered(build):
    deal = build(np.ones((20, 1)) * np.arange(1.0, 21.0)[:, None], pd=0.1, paths=500)
    asked = Otherwise((0.08, 0.06, 0.5, 0.01), (3,), None)
    found = diversification(deal, asked=asked)
    assert [d.label for d in found] == [
        "as it is",
        "largest share at most 8 %",
        "largest share at most 6 %",
        "3 times as many obligors",
    ]
    assert [d.largest for d in found[1:3]] == pytest.approx([0.08, 0.06])
    assert found[3].obligors == 60
    # 20 of 210 is the largest, and twenty obligors have a twentieth each at least.
    assert why_not(deal, "cap", 0.5) == "50 %: no obligor has more"
    assert why_not(deal, "cap", 0.01) == "1 %: takes 100 obligors"
    assert [why_not(deal, "cap", 0.08), why_not(deal, "times", 3), why_not(deal, "between", 0.5)] == [""] * 3
    known = replace(deal, terms=replace(deal.terms, industry_correlation=0.1))
    known = replace(known, pool=replace(known.pool, industry=("x",) * 20))
    assert why_not(known, "between", 0.5) == "new industry: correlated as the terms say"
    assert (
        diversification(known, asked=Otherwise((), (), None))[1].label == "as many again, in a new industry"
    )
    many = divided(deal, 200)
    assert why_not(many, "times", 2) == "more obligors: their size no longer matters"
    assert len(diversification(many, asked=Otherwise((), (2,)), paths=100)) == 1


# A correlation inside industries is nothing to a pool that names none.
@pytest.mark.parametrize("inside", [0.0, 0.3])
def test_a_new_industry_is_worth_more_the_less_it_has_in_common(build, inside):
    ten, terms = np.full((10, 1), 10.0), {"paths": 20_000, "industry_correlation": inside}
    deal = build(ten, pd=0.1, correlation=0.6, senior=60.0, controls=BARE, **terms)
    nothing, half, all_of_it = (
        diversification(deal, asked=Otherwise((), (), between))[1] for between in (0.0, 0.5, 1.0)
    )
    for less, more in ((nothing, half), (half, all_of_it)):
        error = np.hypot(less.simulated_error[0], more.simulated_error[0])
        assert less.simulated[0] < more.simulated[0] - 2.0 * error
    # With all in common it is no other industry.
    (twice,) = diversification(deal, asked=Otherwise((), (2,), None))[1:]
    error = np.hypot(twice.simulated_error[0], all_of_it.simulated_error[0])
    assert abs(twice.simulated[0] - all_of_it.simulated[0]) < 4.0 * error


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"caps": (0.0,)}, "otherwise cap must be > 0 and <= 1"),
        ({"caps": (5.0,)}, "otherwise cap must be > 0 and <= 1"),
        ({"times": (1,)}, "otherwise times must be a whole number from 2 to 1,000"),
        ({"times": (2.5,)}, "otherwise times must be a whole number"),
        ({"between": 1.5}, "otherwise between must be between 0 and 1"),
        ({"caps": (0.1,) * 7}, "caps and times must be no more than 8 together"),
    ],
)
def test_pools_that_cannot_be_asked_about_are_refused(given, sentence):
    with pytest.raises(DomainError, match=sentence):
        Otherwise(**given)


def spread_so(simulated, distance, paths):
    k = len(simulated)
    nothing = np.zeros(k)
    figures = np.array(distance), nothing, np.array(simulated), nothing, nothing
    return Diversified("x", 1, 1.0, 1.0, paths, *figures)


def test_the_class_that_is_shown_is_one_that_says_something():
    """The headline class where 10 of its paths are short, else the next that is, else the riskiest."""
    few = spread_so([0.0, 0.0, 0.0], [9.0, 8.0, 7.0], 10_000)
    for simulated, shown in (
        ([0.001, 0.2, 0.5], 0),
        ([0.0005, 0.002, 0.5], 1),
        ([0.0, 0.0, 0.3], 2),
        ([0.0, 0.0, 0.0], 2),
    ):
        assert telling_class([spread_so(simulated, [9.0, 8.0, 7.0], 100_000), few], 0) == shown
    # Of the headline class first of all, wherever it stands.
    assert telling_class([spread_so([0.3, 0.3, 0.3], [1.0, 1.0, 1.0], 10_000)], 1) == 1
