"""Scenario table, break-even stresses and the attribution against what can be known otherwise."""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import replace
from math import factorial
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from xlkmv.deal.analysis import analyse
from xlkmv.deal.examples import example
from xlkmv.deal.examples.patents import xingye_yuanrong
from xlkmv.deal.kmv import kmv_view
from xlkmv.deal.paths.run import simulate
from xlkmv.deal.plan.stressed import pool_lognormal
from xlkmv.deal.plan.waterfall import planned_pool, waterfall
from xlkmv.deal.questions import breakeven
from xlkmv.deal.questions.attribution import Attribution, attribute_controls, attribute_measures
from xlkmv.deal.questions.breakeven import BreakEven, expected_collections, reverse_stress
from xlkmv.deal.questions.conditions import MEASURES, run_scenarios, views_part
from xlkmv.deal.stress import BASE, PRESETS, TABLE, Stress, apply
from xlkmv.deal.terms import CONTROLS, Controls, Covenant, Tranche
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


def test_where_the_views_part_for_sure_it_is_said_why():
    """Nothing comes in on the first date: the reserve pays the senior coupon, the only one there is."""
    deal, late = example("auto").deal, Stress("Late", delay=1)
    (found,), view = run_scenarios(deal, [late], paths=200), kmv_view(deal, late)
    junior = view.tranches[1]
    assert junior.risk.coverage[0] == 0.0 and junior.anydate_pd_at_maturity == 1.0
    assert found.simulation.tranches[1].anydate_pd == 0.0
    first = deal.terms.dates[0]
    assert views_part(deal, view, found) == (
        "Short in the KMV view alone, which counts what is due ahead of the class and no reserve: "
        f"{deal.tranches[1].name} on {first}."
    )
    # With its own coupon missed, both views say so.
    paid = replace(deal, tranches=(deal.tranches[0], replace(deal.tranches[1], coupon=0.05)))
    (both,), view = run_scenarios(paid, [late], paths=200), kmv_view(paid, late)
    assert view.tranches[1].first_short == first and both.first_short[1] == 0
    assert views_part(paid, view, both) == ""


def test_removing_controls_raises_the_senior_pd(table):
    off = table["All controls off"]
    assert off.change[0, 0] > 0.1
    assert off.change[2, 0] > 10.0 * off.change_error[2, 0] > 0.0
    alone = table["Shortfall undertaking off"]
    assert alone.change[0, 0] > 4.0 * alone.change_error[0, 0] > 0.0
    for label in (control.label for control in CONTROLS.values()):
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
    for stress in (Stress("Base"), Stress("x", obligor_recovery=0.4, volatility_multiplier=1.2)):
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


def test_a_delay_by_hand_where_a_trigger_ends_the_buying_of_claims(build):
    # Nothing is bought: 40, 0, 20, 40 come in, as late as the delay, and a bullet of 40 is met up to 3 years.
    dates = build([[1.0] * 4]).terms.dates
    deal = build(
        [[40.0, 0.0, 20.0, 40.0]],
        tranches=[Tranche("Senior", 1, 40.0, 0.0, "bullet", dates[-1])],
        controls=PLAIN,
        covenants=[Covenant("From the start", "pool factor", "min", 1.2, "amortise")],
        fee_rate=0.0,
        revolving=dates[0],
    )
    found = {b.column: b for b in reverse_stress(deal)}["delay"]
    assert (found.size, found.date) == (4.0, 3)


def test_expected_defaults_set_off_a_trap_on_the_default_ratio(build):
    # 100 a year, nothing recovered, 60 and 60 to the junior before a bullet of 150 to the senior: met while
    # q + q^2 + q^3 >= 2.7, and down to 1.5 where 4 % of expected defaults trap the cash of the junior.
    dates = build().terms.dates
    tranches = [
        Tranche("Senior", 1, 150.0, 0.0, "bullet", dates[-1]),
        Tranche("Junior", 2, 120.0, 0.0, "straight-line", dates[1]),
    ]
    trap = Covenant("Defaults", "cumulative default ratio", "max", 0.04, "trap")
    deal = build([[100.0] * 3], pd=0.01, tranches=tranches, controls=PLAIN, covenants=[trap], fee_rate=0.0)
    for tested, times in ((deal, 1.5), (replace(deal, covenants=()), 2.7)):
        q = optimize.brentq(lambda q, times=times: q + q * q + q**3 - times, 0.0, 1.0, xtol=1e-14)
        found = {b.column: b for b in reverse_stress(tested)}["pd_multiplier"]
        assert found.size == pytest.approx(100.0 * (1.0 - q), rel=1e-8)
        assert found.date == 2


def test_the_largest_obligor_is_one_of_its_row(build):
    # 50 a year against 40: it does without one of four that bring 8, not without the one that brings 18.
    deal = build([[32.0] * 3, [18.0] * 3], recovery=0.0, controls=Controls(reserve=False, triggers=False))
    pool = replace(deal.pool, amount=np.array([96.0, 54.0]), count=np.array([4, 1]))
    found = {b.column: b for b in reverse_stress(replace(deal, pool=pool))}["largest obligors"]
    assert (found.size, found.date) == (1.0, 0)
    even = replace(pool, amount=np.array([216.0, 54.0]))  # as large, each: those of the first row go first
    assert {b.column: b for b in reverse_stress(replace(deal, pool=even))}["largest obligors"].size == 2.0


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


PLAIN = Controls(reserve=False, support=False, repurchase=False)


def first_miss(deal, stress, expected=False):
    """First date that the senior misses, by the whole waterfall of one plan; the slow twin."""
    plan = apply(deal, stress)
    short = waterfall(plan, expected_collections(plan) if expected else None).short[0]
    return int(short.argmax()) if short.any() else None


def scanned(deal, column, sizes, expected=False):
    """Position of the first of the sizes under which the senior misses a date."""
    misses = (first_miss(deal, Stress("x", **{column: float(size)}), expected) for size in sizes)
    return next((at for at, date in enumerate(misses) if date is not None), None)


@pytest.fixture(scope="module")
def by_distance(build):
    dates = build([[1.0] * 5]).terms.dates
    tranches = [
        Tranche("Senior", 1, 400.0, 0.04, "straight-line", dates[-1]),
        Tranche("Junior", 2, 60.0, 0.05, "straight-line", dates[-1]),
    ]
    trap = Covenant("Distance", "senior DD", "min", 1.5, "trap")
    pool = {"schedule": [[30.0] * 5] * 4, "pd": 0.002, "recovery": 0.5}
    return build(**pool, tranches=tranches, controls=PLAIN, covenants=[trap], fee_rate=0.0)


def test_a_test_of_the_distance_sees_the_volatility_of_the_pool(by_distance):
    assert pool_lognormal(apply(by_distance, BASE))[0] == pytest.approx(0.0077, abs=5e-5)
    # At 10 % the distance would fall below 1.5 on date 3, and trap what is due to the junior.
    assert run_scenarios(by_distance, [BASE], paths=1000)[0].first_short == (None, None)
    found = {b.column: b for b in reverse_stress(by_distance)}
    expected = found["volatility_multiplier"]
    sizes = np.geomspace(1.0, 100.0, 1001)
    at = scanned(by_distance, "volatility_multiplier", sizes, expected=True)
    assert sizes[at - 1] < expected.size <= sizes[at]
    assert expected.date == first_miss(by_distance, Stress("x", volatility_multiplier=expected.size), True)


def test_a_larger_haircut_may_set_off_the_trap_that_saves_the_senior(build):
    schedule = [[91.34, 98.88, 21.4, 41.56, 48.36, 79.23]]
    dates = build(schedule).terms.dates
    tranches = [
        Tranche("Senior", 1, 208.36, 0.03, "with collections", dates[-1]),
        Tranche("Junior", 2, 141.95, 0.05, "straight-line", dates[2]),
    ]
    trap = Covenant("Coverage", "coverage", "min", 1.1, "trap")
    deal = build(schedule, tranches=tranches, controls=PLAIN, covenants=[trap], cure=True, fee_rate=0.0)
    missing = [h for h in range(41) if first_miss(deal, Stress("x", pool_haircut=h / 100)) is not None]
    assert missing == [31, 32, 33, 39, 40]
    found = reverse_stress(deal)[0]
    sizes = np.arange(3000, 3101) / 1e4
    at = scanned(deal, "pool_haircut", sizes)
    assert sizes[at - 1] < found.size <= sizes[at]
    assert found.size == pytest.approx(0.3066, abs=1e-4)
    assert found.date == first_miss(deal, Stress("x", pool_haircut=found.size))


money = st.integers(5, 100).map(float)


@st.composite
def small_deals(draw, metrics):
    """What to build: up to four obligors, four yearly dates, two tranches and a trigger per metric."""
    m = draw(st.integers(1, 4))
    schedule = np.array(draw(st.lists(st.lists(money, min_size=4, max_size=4), min_size=m, max_size=m)))
    dates = [dt.date(year, 1, 1) for year in range(2021, 2025)]
    total = float(schedule.sum())
    payment = st.sampled_from(["with collections", "straight-line"])
    senior, junior = draw(st.floats(0.3, 0.8)), draw(st.floats(0.1, 0.5))
    tranches = [
        Tranche("Senior", 1, senior * total, draw(st.floats(0.0, 0.05)), draw(payment), dates[-1]),
        Tranche(
            "Junior",
            2,
            junior * total,
            draw(st.floats(0.0, 0.1)),
            draw(payment),
            draw(st.sampled_from(dates)),
        ),
    ]
    covenants = [
        Covenant(metric, metric, side, draw(threshold), draw(st.sampled_from(["trap", "turbo"])))
        for metric, (side, threshold) in metrics.items()
    ]
    controls = Controls(
        reserve=draw(st.booleans()),
        reserve_size=0.5,
        repurchase_share=draw(st.sampled_from([0.0, 0.3])),
        excess_coverage=draw(st.booleans()),
    )
    return {
        "schedule": schedule,
        "pd": 0.01,
        "recovery": draw(st.sampled_from([0.0, 0.3, 0.6])),
        "lag": draw(st.sampled_from([0.0, 1.0, 2.0])),
        "tranches": tranches,
        "controls": controls,
        "covenants": covenants,
        "cure": draw(st.booleans()),
        "principal": draw(st.sampled_from(["sequential", "pro rata"])),
    }


@settings(max_examples=25, deadline=None)
@given(
    case=small_deals({"coverage": ("min", st.floats(0.8, 1.3)), "period DSCR": ("min", st.floats(0.8, 1.3))})
)
def test_no_smaller_haircut_of_the_scan_misses(build, case):
    deal = build(**case)
    found = reverse_stress(deal)[0]
    deal = replace(deal, controls=deal.controls.without("support"))
    sizes = np.linspace(0.0, 1.0, 101)
    at = scanned(deal, "pool_haircut", sizes)
    if at in (None, 0):
        assert found.size == (None if at is None else 0.0)
        return
    assert sizes[at - 1] < found.size <= sizes[at]
    assert first_miss(deal, Stress("x", pool_haircut=found.size)) == found.date
    assert first_miss(deal, Stress("x", pool_haircut=max(found.size - 1e-9, 0.0))) is None


def largest_gone(deal):
    """The break-even of the largest obligors alone: what else a reverse stress finds is not asked here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(breakeven, "_break_even", lambda trials, column, *_: BreakEven(column, None, None))
        return reverse_stress(deal)[-1]


METRICS = {
    "cumulative default ratio": ("max", st.floats(0.0, 0.6)),
    "largest obligor share": ("max", st.floats(0.3, 0.9)),
    "senior DD": ("min", st.floats(-2.0, 4.0)),
}


@settings(max_examples=25, deadline=None)
@given(case=st.sampled_from(list(METRICS)).flatmap(lambda m: small_deals({m: METRICS[m]})))
def test_largest_obligors_gone_are_one_large_obligor_in_default(build, case):
    deal = build(**case)
    found = largest_gone(deal)
    assert found.column == "largest obligors"
    order = np.argsort(-deal.pool.amount, kind="stable")
    dates = [first_miss(deal, Stress("x", controls_off=("support",)))]
    for count in range(1, len(order) + 1):
        gone, left = order[:count], order[count:]
        schedule = np.vstack([deal.pool.schedule[gone].sum(axis=0), deal.pool.schedule[left]])
        keep = [gone[0], *left]
        pool = replace(
            deal.pool,
            name=tuple(deal.pool.name[i] for i in keep),
            industry=(),
            schedule=schedule,
            **{c: getattr(deal.pool, c)[keep] for c in ("amount", "pd", "recovery", "lag", "correlation")},
        )
        stress = Stress("x", obligor_recovery=TABLE, controls_off=("support",))
        dates.append(first_miss(replace(deal, pool=pool), stress))
    expected = next(((float(at), date) for at, date in enumerate(dates) if date is not None), (None, None))
    assert (found.size, found.date) == expected


@settings(max_examples=25, deadline=None)
@given(
    case=st.sampled_from(list(METRICS)[:2]).flatmap(lambda m: small_deals({m: METRICS[m]})),
    counts=st.lists(st.integers(1, 4), min_size=4, max_size=4),
    batch=st.sampled_from([1, 3, 250]),
)
def test_a_row_of_several_obligors_is_as_many_rows(build, case, counts, batch):
    deal = build(**case)
    pool = deal.pool
    n = np.array(counts[: len(pool.name)])
    row = np.repeat(np.arange(n.size), n)
    single = replace(
        pool,
        name=tuple(f"{pool.name[i]}.{k}" for k, i in enumerate(row)),
        industry=(),
        amount=(pool.amount / n)[row],
        schedule=(pool.schedule / n[:, None])[row],
        **{c: getattr(pool, c)[row] for c in ("pd", "recovery", "lag", "correlation")},
    )
    together = replace(deal, pool=replace(pool, count=n))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(breakeven, "OBLIGORS", batch)
        found = largest_gone(together)
    assert found == largest_gone(replace(deal, pool=single))


@settings(max_examples=25, deadline=None)
@given(case=small_deals({}), counts=st.lists(st.integers(1, 4), min_size=4, max_size=4))
def test_a_pool_without_its_largest_obligors_brings_what_is_expected_of_it(build, case, counts):
    deal = build(**case)
    pool = replace(deal.pool, count=np.array(counts[: len(deal.pool.name)]))
    plan = apply(replace(deal, pool=pool), BASE)
    descending = breakeven._Descending(plan)
    gone = np.arange(descending.obligors + 1)
    assert gone[-1] == pool.obligors.sum()
    whole = descending.state(gone).collections.T
    for g, collections in zip(gone, whole, strict=True):
        rest = descending.without(g)
        np.testing.assert_allclose(rest.collections, collections, rtol=1e-12)
        # Those that are there can default, and nobody else.
        there = rest.deal.pool.schedule[rest.deal.pool.pd > 0.0].sum()
        share = np.clip((descending.before[1:] - g) / np.diff(descending.before), 0.0, 1.0)
        assert there == pytest.approx(share @ plan.deal.pool.schedule[descending.order].sum(axis=1))
    np.testing.assert_allclose(whole[0], plan.collections)


@pytest.fixture(scope="module")
def passed_through(build):
    """Equal claims of four sizes, two accounts, and classes that are paid what there is."""
    sizes = np.array([400.0, 300.0, 200.0, 100.0])
    dates = build([[1.0] * 5]).terms.dates
    tranches = [
        Tranche("A", 1, 700.0, 0.03, "pass-through", legal_final=dates[-1], senior=True),
        Tranche("B", 2, 200.0, 0.05, "pass-through", legal_final=dates[-1]),
    ]
    tests = [Covenant("Cover", "overcollateralisation", "min", 0.05, "trap")]
    deal = build(
        np.outer(sizes, [0.30, 0.28, 0.25, 0.22, 0.18]),
        pd=0.02,
        recovery=0.3,
        tranches=tranches,
        covenants=tests,
        controls=Controls(support=False, repurchase_share=0.2, reserve_size=0.02, reserve_unit="of pool"),
        accounts="two",
        fee_base="pool",
    )
    return replace(deal, pool=replace(deal.pool, amount=sizes))


def test_stresses_know_the_balance_and_both_accounts_of_the_pool(passed_through):
    for headline in ("A", "B"):
        deal = replace(passed_through, terms=replace(passed_through.terms, headline=headline))
        k, found = deal.headline, {b.column: b for b in reverse_stress(deal)}
        for column in ("pool_haircut", "rate_shift"):
            for factor, short in ((0.999, False), (1.001, True)):
                run = waterfall(apply(deal, Stress("x", **{column: found[column].size * factor})))
                assert run.short[k].any() == short, (headline, column)
        # As a plan in which the largest are one obligor in default.
        dates = []
        for gone in range(1, 5):
            pool = deal.pool
            schedule = np.vstack([pool.schedule[:gone].sum(axis=0), pool.schedule[gone:]])
            amount = np.append(pool.amount[:gone].sum(), pool.amount[gone:])
            rest = {c: getattr(pool, c)[gone - 1 :] for c in ("pd", "recovery", "lag", "correlation")}
            merged = replace(
                pool, name=pool.name[gone - 1 :], industry=(), schedule=schedule, amount=amount, **rest
            )
            run = waterfall(apply(replace(deal, pool=merged), Stress("x", obligor_recovery=TABLE)))
            dates.append(int(run.short[k].argmax()) if run.short[k].any() else None)
        first = next((k for k, date in enumerate(dates) if date is not None), None)
        expected = (None, None) if first is None else (first + 1.0, dates[first])
        assert (found["largest obligors"].size, found["largest obligors"].date) == expected


def test_what_is_expected_of_the_pool_is_what_survivors_owe(passed_through):
    plan = apply(passed_through, BASE)
    state, planned = breakeven._expected(plan, plan.obligor_pd), planned_pool(plan)
    assert set(state) == {
        "collections", "default_ratio", "largest_share", "balance", "outstanding", "principal"
    }  # fmt: skip
    # Everybody has the same PD.
    survival = 0.98 ** np.arange(1.0, 6.0)
    np.testing.assert_allclose(state["balance"], plan.balance * survival)
    np.testing.assert_allclose(state["outstanding"], plan.outstanding * survival)
    interest = (plan.collections - plan.principal) * (0.2 + 0.8 * survival)
    np.testing.assert_allclose(state["collections"] - state["principal"], interest)
    for name in ("balance", "outstanding", "principal", "collections"):
        np.testing.assert_allclose(planned[name], getattr(plan, name))


@pytest.mark.parametrize("headline", ["A-1", "A-3", "A-4"])
def test_a_stress_breaks_the_headline_class(five, headline):
    deal = five(headline)
    k = deal.headline
    found = {b.column: b for b in reverse_stress(deal)}
    bare = replace(deal, controls=deal.controls.without("support"))
    for column in ("pool_haircut", "rate_shift"):
        for factor, short in ((0.999, False), (1.001, True)):
            run = waterfall(apply(bare, Stress("x", **{column: found[column].size * factor})))
            assert run.short[k].any() == short
            if short:
                assert int(run.short[k].argmax()) == found[column].date


def test_large_plans_are_tried_a_few_at_a_time(monkeypatch):
    """A test of the senior DD asks for all rows; of a large pool not a hundred copies are held."""
    deal = xingye_yuanrong()
    assert any(covenant.metric == "senior DD" for covenant in deal.covenants)
    whole, size = reverse_stress(deal), deal.pool.schedule.size
    monkeypatch.setattr(breakeven, "HELD", 3 * size)
    trials = breakeven._Trials(deal)
    assert {trials.batch(column) for column in ("pool_haircut", "rate_shift", "delay")} == {3}
    few = reverse_stress(deal)
    for one, other in zip(whole, few, strict=True):
        assert (one.column, one.date) == (other.column, other.date)
        assert one.size == (None if other.size is None else pytest.approx(other.size, rel=1e-9))


def test_each_class_breaks_at_its_own_size(five):
    sizes = [reverse_stress(five(headline))[0].size for headline in ("A-1", "A-2", "A-3", "A-4")]
    assert len(set(sizes)) == 4
    assert reverse_stress(five())[0].size == sizes[-1]


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


def test_two_measures_of_one_simulation_are_those_of_two(attribution):
    deal, loss = attribution
    both = attribute_measures(deal, ("anydate_pd", "expected_loss"), paths=2000)
    for found, alone in zip(both, (attribute_controls(deal, "anydate_pd", paths=2000), loss), strict=True):
        assert found.measure == alone.measure
        for name in ("without", "with_all", "shapley", "shapley_error", "off_alone", "on_alone", "stacked"):
            np.testing.assert_array_equal(getattr(found, name), getattr(alone, name), name)


def test_levels_end_at_nothing_and_keep_what_is_small():
    """0.3 less 0.1 and 0.2 leaves -5.6E-17 in binary figures; what leaves a billionth leaves that."""
    none = np.zeros((2, 2))
    shares = np.array([[0.1, 0.1], [0.2, 0.2 - 1e-9]])
    found = Attribution(
        "anydate_pd", ("reserve", "support"), np.full(2, 0.3), np.array([0.0, 1e-9]), shares, *[none] * 4
    )
    assert 0.3 - (0.1 + 0.2) != 0.0 and found.levels(0)[-1] == 0.0
    assert found.levels(1) == pytest.approx([0.3, 0.2, 1e-9], rel=1e-6)


def _told(pd, loss):
    return SimpleNamespace(
        tranches=[
            SimpleNamespace(pd=0.0, anydate_pd=p, expected_loss=q) for p, q in zip(pd, loss, strict=True)
        ]
    )


def test_an_attribution_is_held_to_runs_of_more_paths():
    """By hand, of two controls: v(none) .30, v(a) .20, v(b) .25, v(both) .10; all paths say .36 and .12."""
    value = np.array([[0.30], [0.20], [0.25], [0.10]])
    found = Attribution(
        "anydate_pd",
        ("a", "b"),
        without=value[0],
        with_all=value[3],
        shapley=np.array([[0.125], [0.075]]),
        shapley_error=np.array([[0.01], [0.02]]),
        off_alone=value[[2, 1]],
        on_alone=value[[1, 2]],
        stacked=value[[0, 1, 3]],
    )
    both, none = frozenset("ab"), frozenset[str]()
    zero = [9.9]
    runs = {both: _told([0.36], zero), none: _told([0.12], zero), frozenset("a"): _told([0.29], zero)}
    held = found.held_to(runs)
    assert (held.without, held.with_all) == (0.36, 0.12)
    # Twenty hundredths have become twenty-four.
    np.testing.assert_allclose(held.shapley, [[0.15], [0.09]], rtol=1e-14)
    np.testing.assert_allclose(held.shapley_error, [[0.012], [0.024]], rtol=1e-14)
    # Without a, with b alone: its run says so.
    np.testing.assert_allclose(held.on_alone, [[0.24], [0.29]], rtol=1e-14)
    np.testing.assert_allclose(held.off_alone, [[0.29], [0.24]], rtol=1e-14)
    np.testing.assert_allclose(held.stacked, [[0.36], [0.24], [0.12]], rtol=1e-14)
    with_b = found.held_to(runs | {frozenset("b"): _told([0.25], zero)})
    assert with_b.stacked[1] == with_b.off_alone[1] == with_b.on_alone[0] == 0.25
    # b harms: with a alone nothing is left, and less than nothing is nothing.
    harm = replace(found, without=np.array([0.02]), with_all=np.array([0.01]), stacked=value[[0, 1, 3]] * 0.0)
    harm = harm.held_to({both: _told([0.024], zero), none: _told([0.006], zero)})
    np.testing.assert_array_equal(harm.stacked, [[0.024], [0.0], [0.006]])
    # What says less than half is not told what the rest would be.
    far = found.held_to(runs | {both: _told([0.53], zero)})
    for name in ("without", "with_all", "shapley", "shapley_error", "off_alone", "on_alone", "stacked"):
        np.testing.assert_array_equal(getattr(far, name), getattr(found, name), name)


def test_controls_and_conditions_say_the_same(monkeypatch):
    """Sets of controls are paid on fewer paths than conditions where nearly all paths differ, as if here."""
    monkeypatch.setattr("xlkmv.deal.paths.draws.CROWDED", 0)
    monkeypatch.setattr("xlkmv.deal.paths.engines.SMALLEST_THINNED", 1)
    deal = xingye_yuanrong()
    controls = deal.controls.without("triggers", "repurchase", "pledge", "excess_coverage")
    deal = replace(deal, controls=controls, terms=replace(deal.terms, paths=4096))
    on = [c for c in CONTROLS if getattr(deal.controls, c)]
    raw = attribute_controls(deal, "anydate_pd")
    found = analyse(deal, (BASE, *(s for s in PRESETS if len(s.controls_off) == 1)))
    a, k = found.attribution, np.arange(len(deal.tranches))
    assert a.controls == tuple(on)
    assert not np.array_equal(raw.without, a.without)
    np.testing.assert_array_equal(a.without, [t.anydate_pd for t in found.simulated_off.tranches])
    np.testing.assert_array_equal(a.with_all, [t.anydate_pd for t in found.simulated_base.tranches])
    of = {s.stress.controls_off: s.simulation.tranches for s in found.simulated}
    for control, row in zip(a.controls, a.off_alone, strict=True):
        np.testing.assert_array_equal(row, [of[control,][i].anydate_pd for i in k])
    np.testing.assert_allclose(a.shapley.sum(axis=0), a.without - a.with_all, atol=1e-14)
    np.testing.assert_array_equal(a.shapley == 0.0, raw.shapley == 0.0)


def test_what_cannot_be_attributed_is_refused(build):
    with pytest.raises(InputError, match="measure must be one of"):
        attribute_controls(build(), "luck")
    deal = build(controls=Controls().without(*CONTROLS))
    with pytest.raises(InputError, match="at least one that is on"):
        attribute_controls(deal)
