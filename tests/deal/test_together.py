"""Runs that are paid together, and deals that share what they have in common, against each by itself."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xlkmv.deal.examples import example
from xlkmv.deal.paths import together
from xlkmv.deal.paths.run import Run, Wanted, measured_together
from xlkmv.deal.plan.waterfall import PoolState
from xlkmv.deal.stress import BASE, PRESETS, Stress
from xlkmv.deal.terms import Covenant
from xlkmv.deal.terms.ranges import INPUTS, varied

sys.path.insert(0, str(Path(__file__).parent))
from drawn import deals

quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def runs(some, paths=300, tilt=True):
    return [Run(d, Wanted(brief=(BASE,)), paths=paths, seed=7 + j, tilt=tilt) for j, d in enumerate(some)]


def alone(some, **options):
    return [run.results()[1][0] for run in runs(some, **options)]


def bits(measured):
    of_classes = [
        (t.pd, t.pd_error, t.anydate_pd, t.anydate_pd_error, t.expected_loss, t.expected_loss_error)
        for t in measured.tranches
    ]
    return of_classes, measured.replicates.tolist(), measured.paths, measured.seed


@st.composite
def looks(draw):
    """A deal as several draws of its inputs see it, of which some have a plan of their own."""
    deal = draw(deals(prepayment=draw(st.sampled_from([0.0, 0.2]))))
    acting = [name for name, item in INPUTS.items() if item.acts(deal)]
    names = draw(st.lists(st.sampled_from(acting), min_size=1, unique=True))
    shift = st.floats(-1.5, 1.5)
    return [varied(deal, {name: draw(shift) for name in names}) for _ in range(draw(st.integers(1, 4)))] + [
        deal
    ]


@given(looks(), st.booleans())
@quick
def test_runs_together_are_what_each_is_alone_to_the_last_bit(some, tilt):
    found = [bits(each) for each in measured_together(runs(some, tilt=tilt))]
    assert found == [bits(each) for each in alone(some, tilt=tilt)]


@given(looks())
@quick
def test_a_deal_that_shares_its_tables_is_one_that_has_its_own(some):
    # Made anew, each table is a copy, and each figure is checked.
    own = [
        replace(d, pool=replace(d.pool), terms=replace(d.terms), controls=replace(d.controls)) for d in some
    ]
    assert all(a.pool.schedule is not b.pool.schedule for a, b in zip(some, own, strict=True))
    assert [bits(each) for each in alone(some)] == [bits(each) for each in alone(own)]


@pytest.mark.parametrize("most", [1, 200, 1 << 14])
def test_however_many_are_paid_together(monkeypatch, most):
    monkeypatch.setattr(together, "MOST_TOGETHER", most)
    deal = example("patents").deal
    some = [varied(deal, {"pd": x, "support_correlation": -x}) for x in (0.0, 0.5, -0.5, 1.0)]
    # One of another deal, in between, and one of many blocks.
    some.insert(2, example("auto").deal)
    mixed = runs(some, paths=500)
    mixed[3] = Run(some[3], Wanted(brief=(BASE,)), paths=600_000, seed=10)
    assert mixed[3].layout.bundles > 1
    found = [bits(each) for each in measured_together(mixed)]
    expected = alone(some, paths=500)
    expected[3] = Run(some[3], Wanted(brief=(BASE,)), paths=600_000, seed=10).results()[1][0]
    assert found == [bits(each) for each in expected]


def test_what_pays_alike_is_paid_once(monkeypatch):
    counted = []
    pay = together.PlanEngine.outcome
    monkeypatch.setattr(
        together.PlanEngine, "outcome", lambda self, *more: counted.append(1) or pay(self, *more)
    )
    deal = example("patents").deal
    assert len(list(measured_together(runs([varied(deal, {"pd": x}) for x in np.linspace(-1, 1, 9)])))) == 9
    assert len(counted) == 1


def test_a_test_on_the_distance_sees_the_pool_of_its_own_run():
    deal = example("patents").deal
    deal = replace(deal, covenants=(Covenant("DD", "senior DD", "min", 4.0, "turbo"),))
    some = [varied(deal, {"correlation": x}) for x in (-1.0, 0.0, 1.0)]
    found = [bits(each) for each in measured_together(runs(some, paths=2000))]
    assert found == [bits(each) for each in alone(some, paths=2000)]


def test_claims_that_are_not_bought_are_those_of_its_own_run():
    deal = example("patents").deal
    dates = deal.terms.dates
    deal = replace(
        deal,
        tranches=tuple(replace(t, payment="bullet", maturity=dates[-1]) for t in deal.tranches),
        terms=replace(deal.terms, revolving=dates[-4], prepayment=0.2),
        covenants=(Covenant("Defaults", "cumulative default ratio", "max", 0.02, "amortise"),),
    )
    some = [varied(deal, {"prepayment": x}) for x in (-1.0, 0.0, 1.0)]
    found = [bits(each) for each in measured_together(runs(some, paths=2000))]
    assert found == [bits(each) for each in alone(some, paths=2000)]


@pytest.mark.parametrize("paths", [100, 20_000])
def test_conditions_and_sets_of_controls_paid_together_are_the_same_to_the_bit(paths, monkeypatch):
    deal = example("patents").deal
    deal = replace(deal, terms=replace(deal.terms, paths=paths))
    plans = [*PRESETS, *(Stress("off", controls_off=off) for off in (("triggers",), ("reserve", "triggers")))]
    woven = []
    weave = PoolState.woven
    monkeypatch.setattr(PoolState, "woven", lambda parts: woven.append(len(parts)) or weave(parts))

    def replicates():
        with Run(deal, Wanted(brief=tuple(plans))) as run:
            return [found.replicates.tobytes() for found in run.results()[1]]

    at_once = replicates()
    assert sum(woven) > 8
    monkeypatch.setattr(together, "MOST_TOGETHER", 0)
    count = len(woven)
    assert replicates() == at_once
    assert len(woven) == count
