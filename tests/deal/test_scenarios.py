"""Scenario table, break-even stresses and the attribution against what can be known otherwise."""

from __future__ import annotations

import itertools
from dataclasses import replace
from math import factorial

import numpy as np
import pytest

from xlkmv.deal.example import xingye_yuanrong
from xlkmv.deal.scenarios import (
    MEASURES,
    attribute_controls,
    expected_collections,
    reverse_stress,
    run_scenarios,
)
from xlkmv.deal.simulation import simulate
from xlkmv.deal.stress import PRESETS, Stress, apply
from xlkmv.deal.terms import CONTROLS, Controls
from xlkmv.deal.waterfall import waterfall
from xlkmv.errors import InputError


@pytest.fixture(scope="module")
def table():
    return {r.stress.name: r for r in run_scenarios(xingye_yuanrong(), paths=20_000)}


def test_the_whole_table_runs_against_its_first_row(table):
    assert list(table) == [s.name for s in PRESETS]
    assert (table["Base"].change == 0.0).all()
    assert (table["Base"].change_error == 0.0).all()
    base, off = table["Base"], table["All controls off"]
    for row, measure in enumerate(MEASURES):
        for i in range(2):
            a, b = (getattr(r.simulation.tranches[i], measure) for r in (base, off))
            assert off.change[row, i] == pytest.approx(b - a)


def test_removing_controls_raises_the_senior_pd(table):
    off = table["All controls off"]
    assert off.change[0, 0] > 0.1
    assert off.change[2, 0] > 10.0 * off.change_error[2, 0] > 0.0
    alone = table["Shortfall undertaking off"]
    assert alone.change[0, 0] > 4.0 * alone.change_error[0, 0] > 0.0
    for label in CONTROLS.values():
        row = table[f"{label} off"]
        assert row.change[0, 0] >= 0.0
        # Subordination is what the junior gives; every other control protects it or leaves it alone.
        if label != "Subordination":
            assert row.change[0, 1] >= 0.0


def test_each_stress_makes_it_worse(table):
    worse = ("Pool haircut 10 %", "Volatility x 2", "PD x 2", "Combined severe")
    for name, column in itertools.product(worse, (0, 2)):
        assert table[name].change[column, 1] > 0.0, name
    pd = [table[n].simulation.tranches[1].pd for n in ("Base", "Volatility x 1.5", "Volatility x 2")]
    assert pd == sorted(pd)


def test_a_row_alone_is_the_row_of_the_table(table):
    alone = simulate(xingye_yuanrong(), PRESETS[13], paths=20_000)
    row = table[PRESETS[13].name].simulation
    assert (alone.replicates == row.replicates).all()


def test_expected_collections_are_the_simulated_mean(build):
    deal = build(
        [[30.0, 20.0, 10.0], [10.0, 20.0, 30.0]],
        pd=[0.1, 0.2],
        recovery=[0.5, 0.3],
        lag=[0.0, 1.0],
        controls=Controls(repurchase_share=0.2),
    )
    for stress in (Stress("Base"), Stress("x", largest_obligor_recovery=0.4, volatility_multiplier=1.2)):
        run = simulate(deal, stress, paths=1 << 18)
        expected = expected_collections(apply(deal, stress))
        np.testing.assert_allclose(run.expected_collections, expected, rtol=2e-3)
    # By hand, no stress: date 1 gets .92 x 30 + .5 x .08 x 60 from the one (20 % is bought back)...
    first = 30.0 * (0.2 + 0.8 * 0.9) + 0.8 * 0.5 * 0.1 * 60.0 + 10.0 * (0.2 + 0.8 * 0.8)
    assert expected_collections(apply(deal, Stress("Base")))[0] == pytest.approx(first)


def test_break_even_haircut_by_hand(build):
    # No reserve: 50 (1 - h) a year against 40, 36.7, 33.4, surplus kept: short once 50 (1 - h) < 40.
    deal = build(controls=Controls(reserve=False, triggers=False))
    found = {b.column: b for b in reverse_stress(deal)}
    assert found["pool_haircut"].size == pytest.approx(0.2, abs=1e-6)
    assert found["pool_haircut"].date == 0
    assert found["delay"].size == 1.0
    assert found["largest obligors"].size == 1.0
    # Interest of 9 at 10 % leaves 10 of the first 50: at most 10/90 more in year 1.
    assert found["rate_shift"].size == pytest.approx(10.0 / 90.0, abs=1e-6)
    # Nobody can default: no multiple of nothing hurts.
    assert found["pd_multiplier"].size is None
    assert found["recovery_multiplier"].size is None


def test_break_even_is_where_the_senior_first_misses():
    deal = xingye_yuanrong()
    found = {b.column: b for b in reverse_stress(deal)}
    bare = replace(deal, controls=deal.controls.without("support"))
    for column, expected in (("pool_haircut", False), ("pd_multiplier", True)):
        for factor, short in ((0.999, False), (1.001, True)):
            plan = apply(bare, Stress("x", **{column: found[column].size * factor}))
            flows = expected_collections(plan) if expected else plan.collections
            assert waterfall(plan, flows).short[0].any() == short
    gone = int(found["largest obligors"].size)
    assert 1 < gone <= len(deal.pool.name)


@pytest.fixture(scope="module")
def attribution():
    deal = xingye_yuanrong()
    return deal, attribute_controls(deal, "expected_loss", paths=2000)


def test_shares_of_the_controls_sum_to_the_total(attribution):
    _, a = attribution
    np.testing.assert_allclose(a.shapley.sum(axis=0), a.without - a.with_all, atol=1e-14)
    assert a.shapley.shape == (7, 2)
    assert (a.shapley_error >= 0.0).all()
    assert a.without[0] > a.with_all[0]
    np.testing.assert_array_equal(a.stacked[[0, -1]], [a.without, a.with_all])


def test_shares_are_the_mean_over_all_orders(attribution):
    deal, a = attribution
    # Three controls only, so that the orders can be gone through one by one.
    deal = replace(deal, controls=deal.controls.without("support", "triggers", "repurchase", "pledge"))
    a = attribute_controls(deal, "pd", paths=2000)
    names, total = a.controls, np.zeros((3, 2))
    assert names == ("subordination", "excess_coverage", "reserve")

    def value(on):
        off = tuple(c for c in names if c not in on)
        run = simulate(deal, Stress("x", controls_off=off), paths=2000)
        return np.array([t.pd for t in run.tranches])

    values = {frozenset(s): value(s) for r in range(4) for s in itertools.combinations(names, r)}
    for order in itertools.permutations(names):
        for i, name in enumerate(order):
            gain = values[frozenset(order[:i])] - values[frozenset(order[: i + 1])]
            total[names.index(name)] += gain / factorial(3)
    np.testing.assert_allclose(a.shapley, total, atol=1e-14)
    np.testing.assert_allclose(a.off_alone[2], values[frozenset(names[:2])])
    np.testing.assert_allclose(a.on_alone[0], values[frozenset(names[:1])])


def test_what_cannot_be_attributed_is_refused(build):
    with pytest.raises(InputError, match="measure must be one of"):
        attribute_controls(build(), "luck")
    deal = build(controls=Controls().without(*CONTROLS))
    with pytest.raises(InputError, match="at least one that is on"):
        attribute_controls(deal)
