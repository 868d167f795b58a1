"""When obligors default: by CDR, or so that the pool loses what a curve says; exact, and simulated."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlkmv.deal.analysis import analyse
from xlkmv.deal.kmv import kmv_view
from xlkmv.deal.paths.cash import PoolEngine
from xlkmv.deal.paths.draws import layout_of
from xlkmv.deal.paths.engines import patterns_of
from xlkmv.deal.paths.run import simulate
from xlkmv.deal.plan.stressed import pool_lognormal
from xlkmv.deal.plan.timing import default_clock, plan_faults
from xlkmv.deal.questions.attribution import attribute_measures
from xlkmv.deal.questions.breakeven import expected_collections, reverse_stress
from xlkmv.deal.questions.contributions import contributions
from xlkmv.deal.questions.leaveout import leave_one_out
from xlkmv.deal.questions.structure import solve
from xlkmv.deal.questions.uncertainty import uncertainty
from xlkmv.deal.stress import BASE, PRESETS, Stress, apply
from xlkmv.deal.terms import Controls, Deal, Loans, Pool, Ranges, Terms, Tranche, payment_dates
from xlkmv.errors import DomainError, InputError
from xlkmv.kinds import altered

CLOSING = dt.date(2020, 1, 1)
PLAIN = Controls(reserve=False, support=False, triggers=False, repurchase=False)
PATHS = 1 << 15


def deal(m=40, every="half-year", n=6, *, pd=None, recovery=0.4, revolving=None, **terms):
    """Loans of 100 down to 60 with PDs from 1 to 8 %, one of them a schedule."""
    dates = payment_dates(CLOSING, every, n)
    amount = np.linspace(100.0, 60.0, m)
    term = np.full(m, 36.0)
    schedule = np.zeros((m, n))
    term[-1], schedule[-1] = np.nan, 1.1 * amount[-1] / n
    loans = Loans(term, 0.06, payments_per_year=2.0)
    pds = np.linspace(0.01, 0.08, m) if pd is None else pd
    names = tuple(f"Loan {i}" for i in range(m))
    pool = Pool(names, amount, schedule, pds, recovery, 0.5, 0.15, loans=loans)
    note = Tranche("A", 1, 0.8 * float(amount.sum()), 0.03, "pass-through")
    return Deal(pool, (note,), Terms(CLOSING, dates, revolving=revolving, **terms), PLAIN)


def outstanding(plan):
    """Balance of each row before each date."""
    pool = plan.deal.pool
    return pool.balance + pool.schedule - pool.interest


def expected_loss(plan):
    """Accumulated expected loss by date, as a share of the pool at closing: balances less recoveries."""
    first = np.diff(plan.default_by, axis=1, prepend=0.0)
    lost = first * outstanding(plan) * (1.0 - plan.deal.pool.recovery)[:, None]
    return np.cumsum(lost.sum(axis=0)) / plan.deal.pool.amount.sum()


def simulated_loss(plan, paths=PATHS):
    """The same from simulated defaults, with its standard errors."""
    layout = layout_of(plan.deal, paths, 11)
    engine = PoolEngine(plan)
    n, total = engine.n, plan.deal.pool.amount.sum()
    lost = outstanding(plan) * (1.0 - plan.deal.pool.recovery)[:, None] / total
    sums = []
    for block in range(layout.blocks):
        found = next(patterns_of([engine], layout, block))[1]
        size = found.parent.size
        by_pattern = np.zeros((n, size))
        np.add.at(by_pattern, (found.first, found.owner), lost[found.columns, found.first])
        each = np.zeros((n, layout.size(block)))
        each[:, found.rows] = np.cumsum(by_pattern, axis=0)[:, found.index]
        sums.append(each)
    losses = np.concatenate(sums, axis=1)
    return losses.mean(axis=1), losses.std(axis=1, ddof=1) / np.sqrt(paths)


# ------------------------------------------------------------------------------------------- PD


def test_a_constant_rate_is_the_clock_of_the_dates():
    plan = apply(deal(), BASE)
    assert plan.clock is None
    np.testing.assert_allclose(plan.default_by[0], 1 - 0.99**plan.deal.terms.times, rtol=1e-12)


# ------------------------------------------------------------------------------------------ CDR


def test_a_cdr_is_the_pd_of_everybody_period_by_period():
    plan = apply(deal(default_timing="CDR", cdr=(0.04, 0.01, 0.0, 0.10)), BASE)
    # Half a year at each rate, the last one holding on.
    survival = np.cumprod([0.96, 0.99, 1.0, 0.90, 0.90, 0.90]) ** 0.5
    np.testing.assert_allclose(plan.default_by, np.tile(1 - survival, (40, 1)), rtol=1e-12)
    level = apply(deal(default_timing="CDR", cdr=(0.03,)), BASE)
    assert level.clock is None
    np.testing.assert_array_equal(level.deal.pool.pd, 0.03)
    none = apply(deal(default_timing="CDR", cdr=(0.0,)), BASE)
    assert (none.default_by == 0.0).all()
    assert simulate(none.deal, paths=200).tranches[0].expected_loss == 0.0


def test_a_cdr_is_simulated_as_it_is_expected():
    plan = apply(deal(default_timing="CDR", cdr=(0.10, 0.02, 0.0, 0.08)), BASE)
    mean, error = simulated_loss(plan)
    exact = expected_loss(plan)
    assert (np.abs(mean - exact) <= 4.0 * error).all()
    assert exact[2] == exact[1] and mean[2] == mean[1]  # nobody defaults in a period of 0
    # Rates are annual rates of default of what performs: half of a half-year of 10 %.
    assert plan.default_by[0, 0] == pytest.approx(1 - 0.9**0.5)


def test_stresses_keep_their_meaning_under_a_cdr():
    given = deal(default_timing="CDR", cdr=(0.02, 0.04))
    twice = apply(given, Stress("x", pd_multiplier=2.0))
    np.testing.assert_allclose(twice.deal.pool.pd, 0.08)
    # ln(1 - .02)/ln(1 - .04) of half a year, then all of it.
    steps = np.array([np.log(0.98) / np.log(0.96), 1.0, 1.0, 1.0, 1.0, 1.0]) / 2
    np.testing.assert_allclose(twice.clock, np.cumsum(steps), rtol=1e-12)


# ----------------------------------------------------------------------------------- loss curves


CURVE = (0.005, 0.011, 0.011, 0.02, 0.022, 0.025)


@pytest.mark.parametrize("revolving", [None, dt.date(2021, 1, 1)])
def test_the_expected_loss_follows_the_curve(revolving):
    plan = apply(deal(default_timing="loss curve", loss_curve=CURVE, revolving=revolving), BASE)
    np.testing.assert_allclose(expected_loss(plan), CURVE, rtol=1e-10)
    assert (np.diff(plan.clock) >= 0.0).all() and plan.clock[2] == plan.clock[1]
    # PDs keep their order: who has the higher one defaults first.
    assert (np.diff(plan.default_by[:, -1]) > 0.0).all()


def test_the_simulated_loss_follows_the_curve():
    plan = apply(deal(default_timing="loss curve", loss_curve=CURVE), BASE)
    mean, error = simulated_loss(plan)
    assert (np.abs(mean - CURVE) <= 4.0 * error).all()
    assert (error > 0.0).all() and (error < 0.1 * np.array(CURVE)).all()
    # So do collections, which the exact expectation knows, too.
    run = simulate(deal(default_timing="loss curve", loss_curve=CURVE), paths=PATHS)
    exact = expected_collections(plan).sum()
    sigma = pool_lognormal(plan)[0] * np.sqrt(plan.deal.terms.times[-1])
    assert run.expected_collections.sum() == pytest.approx(exact, rel=4.0 * sigma / np.sqrt(PATHS))


def test_the_last_figure_of_a_curve_holds_on():
    plan = apply(deal(default_timing="loss curve", loss_curve=(0.01, 0.03)), BASE)
    np.testing.assert_allclose(expected_loss(plan), [0.01] + [0.03] * 5, rtol=1e-10)


@given(st.lists(st.floats(0.0, 0.02), min_size=1, max_size=6), st.floats(0.0, 0.9))
@settings(max_examples=25, deadline=None)
def test_any_curve_within_reach_is_met(steps, recovery):
    curve = tuple(np.cumsum(steps) * (1.0 - recovery) / 2.0)
    plan = apply(deal(6, recovery=recovery, default_timing="loss curve", loss_curve=curve), BASE)
    whole = [curve[min(k, len(curve) - 1)] for k in range(6)]
    np.testing.assert_allclose(expected_loss(plan), whole, rtol=1e-9, atol=1e-14)


def test_a_curve_of_losses_by_hand():
    """One obligor repays 50 and 50, nothing is recovered: 6 % of 100 are lost, then 4 % of 50."""
    dates = payment_dates(CLOSING, "year", 2)
    loans = Loans(np.array([24.0]), 0.0, ("linear",), payments_per_year=1.0)
    pool = Pool(("A",), [100.0], np.zeros((1, 2)), 0.1, 0.0, 0.0, 0.2, loans=loans)
    note = Tranche("A", 1, 50.0, 0.0, "pass-through")
    terms = Terms(CLOSING, dates, default_timing="loss curve", loss_curve=(0.06, 0.08))
    plan = apply(Deal(pool, (note,), terms), BASE)
    np.testing.assert_allclose(plan.default_by, [[0.06, 0.10]], rtol=1e-12)
    np.testing.assert_allclose(plan.clock, np.log([0.94, 0.90]) / np.log(0.9), rtol=1e-12)


def test_a_stress_on_pds_moves_what_the_curve_says():
    given = deal(default_timing="loss curve", loss_curve=CURVE)
    base, twice = apply(given, BASE), apply(given, Stress("x", pd_multiplier=2.0))
    np.testing.assert_array_equal(base.clock, twice.clock)
    ratio = expected_loss(twice) / expected_loss(base)
    assert (ratio > 1.8).all() and (ratio < 2.2).all()
    # Less is recovered than the curve was made with: half of .4 more is lost of each default.
    worse = apply(given, Stress("x", recovery_multiplier=0.5))
    np.testing.assert_allclose(expected_loss(worse), np.array(CURVE) * 0.8 / 0.6, rtol=1e-10)


def test_a_curve_out_of_reach_is_refused():
    doors = (
        kmv_view,
        partial(simulate, paths=200),
        partial(analyse, stresses=PRESETS, quick=True),
        partial(contributions, paths=200),
        partial(leave_one_out, rows=[0], paths=200),
        partial(attribute_measures, paths=200),
        partial(solve, target=0.01, paths=200),
        reverse_stress,
    )
    for door in doors:
        with pytest.raises(
            DomainError, match=r"^terms loss curve asks for a loss of .* up to 2021-01-01, more than"
        ):
            door(deal(default_timing="loss curve", loss_curve=(0.3, 0.9)))
    with pytest.raises(DomainError, match=r"up to 2021-01-01, more than .* \(got 0\.9\)$"):
        kmv_view(deal(default_timing="loss curve", loss_curve=(0.01, 0.9)))
    # Half of the pool owes .56 of it and can lose .34; the other half cannot default.
    half = np.where(np.arange(40) < 20, 0.05, 0.0)
    with pytest.raises(DomainError, match=r"obligors that can default .* \(got 0\.35\)$"):
        kmv_view(deal(pd=half, default_timing="loss curve", loss_curve=(0.35,)))
    with pytest.raises(InputError, match=r"^terms loss curve needs obligors with a PD"):
        kmv_view(deal(pd=0.0, default_timing="loss curve", loss_curve=(0.01,)))
    flat = deal(pd=0.0, default_timing="loss curve", loss_curve=(0.0,))
    assert (apply(flat, BASE).default_by == 0.0).all()


def test_what_only_a_change_of_the_inputs_puts_out_of_reach_takes_all_there_is():
    """Half recovered, .38 may be lost; but .6 may be recovered by a range, a condition, of another pool."""
    given = deal(recovery=0.5, default_timing="loss curve", loss_curve=(0.01, 0.38))
    assert not [*plan_faults(given)]
    better = altered(given, pool=altered(given.pool, recovery=np.full(40, 0.6)))
    (fault,) = plan_faults(better)
    assert (fault.part, fault.row, fault.column, fault.value) == ("terms", 1, "loss_curve", 0.38)
    plan = apply(better, BASE)
    owed, F = outstanding(plan) / plan.deal.pool.amount.sum(), plan.default_by
    # Of the first period as the curve says: 1 % of the pool at .4 of each default. Then all default.
    np.testing.assert_allclose(F[:, 0] @ owed[:, 0] * 0.4, 0.01, rtol=1e-10)
    np.testing.assert_allclose(F[:, 1:], 1.0, rtol=1e-7)
    lost = 0.01 + (1.0 - F[:, 0]) @ owed[:, 1] * 0.4
    np.testing.assert_allclose(expected_loss(plan)[1:], lost, rtol=1e-7)
    mean, error = simulated_loss(plan)
    assert (np.abs(mean - expected_loss(plan)) <= 4.0 * error + 1e-9).all()
    # Ranges draw recoveries from .4 to .6 about the .5 that the curve is within reach of.
    known = uncertainty(replace(given, terms=replace(given.terms, paths=100)), Ranges(recovery=(0.4, 0.6)))
    assert known.classes[0].name == given.tranches[0].name


def test_obligors_that_cannot_default_bear_no_part_of_the_curve():
    pds = np.where(np.arange(40) % 2, 0.04, 0.0)
    plan = apply(deal(pd=pds, default_timing="loss curve", loss_curve=CURVE), BASE)
    np.testing.assert_allclose(expected_loss(plan), CURVE, rtol=1e-10)
    assert (plan.default_by[pds == 0.0] == 0.0).all()


def test_the_clock_of_a_pool_is_worked_out_once():
    given = deal(default_timing="loss curve", loss_curve=CURVE)
    pool = apply(given, BASE).deal.pool
    _, first = default_clock(pool, given.terms)
    _, again = default_clock(pool, given.terms)
    assert first is again
    _, other = default_clock(pool, replace(given.terms, loss_curve=(0.01,)))
    assert not np.array_equal(first, other)


# ------------------------------------------------------------------- what only the plan shows


@pytest.mark.parametrize(
    ("first", "often", "column"), [(dt.date(2030, 1, 1), 2.0, "first"), (None, 1.0, "term")]
)
def test_claims_that_pay_after_the_last_payment_date_alone_are_refused(first, often, column):
    """Bullets without interest, or a first payment years after the plan: nothing comes in."""
    dates = payment_dates(CLOSING, "year", 2)
    loans = Loans(np.array([60.0]), 0.0, ("bullet",), first=(first,), payments_per_year=often)
    pool = Pool(("A",), [100.0], np.zeros((1, 2)), 0.1, 0.4, 0.0, 0.2, loans=loans)
    given = Deal(pool, (Tranche("A", 1, 50.0, 0.0, "pass-through"),), Terms(CLOSING, dates))
    with pytest.raises(
        InputError, match=rf"^pool {column} must let a claim pay something up to .* \(2022-01-01\): none does"
    ):
        kmv_view(given)
    # A condition may take everything: then the class is short for sure, whatever is recovered of claims.
    paying = replace(given, pool=replace(pool, loans=replace(loans, term=np.array([24.0]), first=(None,))))
    assert not [*plan_faults(paying)]
    assert kmv_view(paying, Stress("x", pool_haircut=1.0)).tranches[0].risk.pd[-1] == 1.0
