"""Paths that stand for others: chosen without bias, where it makes no difference which one is paid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlkmv.deal.examples import example
from xlkmv.deal.paths import engines
from xlkmv.deal.paths.run import Run, Wanted, simulate_stresses
from xlkmv.deal.paths.sampling import PILOT, sampled, severe, telling
from xlkmv.deal.questions.conditions import measures
from xlkmv.deal.stress import ALL_OFF, BASE, PRESETS, Stress


def test_thinned_paths_stand_for_all_of_them():
    rng = np.random.default_rng(1)
    severity = rng.exponential(size=2 * 1024 + 100)
    chosen, stands = sampled(severity, 1024, severe(1024), rng)
    assert (np.diff(chosen) > 0).all()
    for group in (slice(0, 1024), slice(1024, 2048), slice(2048, None)):
        inside = (chosen >= group.start) & (chosen < (group.stop or severity.size))
        assert stands[inside].sum() == severity[group].size
    assert (stands[chosen >= 2048] == 1.0).all()  # what is left over is kept
    few, each = sampled(severity[:100], 1024, severe(1024), rng)
    assert few.tolist() == list(range(100))
    assert (each == 1.0).all()
    worst = np.sort(severity[:1024])[-32:]
    assert set(worst) <= set(severity[chosen[(stands == 1.0) & (chosen < 1024)]])
    # Without bias: over many draws each path is there as often as it stands for others.
    count = np.zeros(1024)
    for _ in range(4000):
        one, weight = sampled(severity[:1024], 1024, severe(1024), rng)
        count[one] += weight
    np.testing.assert_allclose(count / 4000, 1.0, atol=0.25)


def test_a_thinned_run_agrees_with_the_full_one():
    deal = example("auto").deal
    stresses = [BASE, Stress("off", controls_off="all"), Stress("x5", pd_multiplier=5.0)]
    full = simulate_stresses(deal, stresses, paths=65_536)
    thin = simulate_stresses(deal, stresses, paths=65_536, thin=True)
    for a, b in zip(full, thin, strict=True):
        assert b.waterfalls < 0.2 * a.waterfalls
        for one, other in zip(a.tranches, b.tranches, strict=True):
            for name in ("pd", "anydate_pd", "expected_loss"):
                error = getattr(other, f"{name}_error")
                assert abs(getattr(one, name) - getattr(other, name)) <= 4.5 * error + 1e-15, name


def test_paths_are_kept_around_those_that_fare_otherwise():
    # On the 100 most severe paths of 2,048 the class loses, each time something else.
    severity = np.random.default_rng(2).permutation(PILOT).astype(float)
    loss = np.maximum(severity - (PILOT - 101), 0.0) / 100
    kept = telling(severity, [loss[None]], 1024)
    # The last change is between places 99 and 100; 128 more are kept, two of them to a place of a group.
    assert kept.tolist() == [True] * 114 + [False] * (1024 - 114)
    # Nobody loses: only the worst ones remain.
    assert telling(severity, [np.zeros((3, PILOT))], 1024).tolist() == severe(1024).tolist()
    # Nor is it a difference that all lose the same, or that digits are rounded.
    same = 0.3 + 1e-12 * np.sin(severity)
    assert telling(severity, [same[None]], 1024).tolist() == severe(1024).tolist()
    # Where all paths differ, all are kept; one plan that differs is enough.
    assert telling(severity, [loss[None], severity[None]], 1024) is None


def test_changes_that_are_scattered_tell_of_more():
    severity = np.arange(float(PILOT))[::-1].copy()  # in the order of the places

    def kept(*short):
        fares = np.zeros((1, PILOT))
        fares[0, list(short)] = 1.0
        return telling(severity, [fares], PILOT)

    # One path among the mild ones is short: there may be others anywhere.
    assert kept(1000) is None
    assert kept(900, 1500) is None
    # Short on the worst ones, with a border that is not sharp: 128 paths, or 4 times the longer of its last
    # two stretches (40 paths).
    assert np.flatnonzero(kept(*range(100), 110)).max() == 110 + 128
    assert np.flatnonzero(kept(*range(100), 140)).max() == 140 + 4 * 40
    # A sharp border is no path apart; of the many before it that fare alike a few will do, too.
    sharp = kept(*range(1000))
    assert np.flatnonzero(~sharp).tolist() == [*range(64, 1000 - 128), *range(1000 + 128, PILOT)]


@given(st.data())
def test_whoever_is_kept_weights_are_those_of_all_paths(data):
    group = 1 << data.draw(st.integers(8, 10))
    kept = np.array(data.draw(st.lists(st.booleans(), min_size=group, max_size=group)))
    paths = data.draw(st.integers(1, 3 * group))
    severity = np.array(data.draw(st.lists(st.integers(0, 9), min_size=paths, max_size=paths)), float)
    chosen, stands = sampled(severity, group, kept, np.random.default_rng(1))
    assert (np.diff(chosen) > 0).all()
    for start in range(0, paths, group):
        inside = (chosen >= start) & (chosen < start + group)
        assert stands[inside].sum() == min(group, paths - start)
    # Of each group as many stand for themselves as are kept, and what does not fill a stride.
    others = np.count_nonzero(~kept)
    whole = paths // group
    alone = whole * (group - others + others % 8) + paths - whole * group
    assert np.count_nonzero(stands == 1.0) == alone


PATHS = 32_768


@pytest.fixture(scope="module")
def auto():
    """A deal of 300 obligors whose classes are rarely short; its conditions with riskier ones between."""
    deal = example("auto").deal
    return replace(deal, terms=replace(deal.terms, paths=PATHS))


CONDITIONS = (
    *PRESETS,
    Stress("PD x 10", pd_multiplier=10.0),
    Stress("PD x 40", pd_multiplier=40.0),
    Stress("nothing recovered", pd_multiplier=10.0, recovery_multiplier=0.0),
)


def both(deal, wanted, **options):
    """The same run with all paths paid, and with a pilot run."""
    for piloted in (False, True):
        with Run(deal, wanted, piloted=piloted, **options) as run:
            yield run.results()


def test_a_pilot_run_saves_paths_and_no_digit(auto):
    wanted = Wanted((BASE, ALL_OFF), CONDITIONS)
    (whole, full), (again, few) = both(auto, wanted)
    for a, b in zip(whole, again, strict=True):
        assert a.waterfalls == b.waterfalls == PATHS
        np.testing.assert_allclose(measures(a), measures(b), rtol=1e-12)
        np.testing.assert_allclose(a.expected_collections, b.expected_collections, rtol=1e-12)
    paid = sum(run.waterfalls for run in few)
    assert paid < 0.5 * sum(run.waterfalls for run in full)
    moved = weak = 0
    for stress, a, b in zip(CONDITIONS, full, few, strict=True):
        for one, other in zip(a.tranches, b.tranches, strict=True):
            for name in ("pd", "anydate_pd", "expected_loss"):
                value, error = getattr(one, name), getattr(one, f"{name}_error")
                moved += not np.isclose(value, getattr(other, name), rtol=1e-9, atol=1e-12)
                assert abs(value - getattr(other, name)) <= 2.0 * error + 1e-12, (stress.name, name)
                assert getattr(other, f"{name}_error") <= 1.1 * error + 1e-12, (stress.name, name)
            assert one.effective_paths == PATHS
            if other.anydate_pd == 0.0:
                # Of some plans all paths are paid, if only those of another that pays alike; else one that
                # is short could have been any of eight.
                assert other.effective_paths in (PATHS, PATHS / 8), stress.name
                weak += other.effective_paths < PATHS
            else:
                assert PATHS / 8 <= other.effective_paths <= PATHS
    assert weak > 10
    # Mostly the figures are those of all paths.
    assert moved <= 6


def test_a_condition_that_is_the_base_is_the_base(auto):
    (_, _), (whole, few) = both(auto, Wanted((BASE, ALL_OFF), CONDITIONS))
    at = {stress.name: run for stress, run in zip(CONDITIONS, few, strict=True)}
    assert (at["Base"].replicates == whole[0].replicates).all()
    assert (at["All controls off"].replicates == whole[1].replicates).all()


def test_a_short_run_or_one_of_few_defaults_pays_all_paths(auto):
    wanted = Wanted((BASE,), (Stress("x2", pd_multiplier=2.0),))
    small = example("patents").deal
    for deal, paths in ((auto, 16_383), (small, 20_000)):
        (_, full), (_, few) = both(deal, wanted, paths=paths)
        assert (full[0].replicates == few[0].replicates).all()
    (_, full), (_, few) = both(auto, wanted, paths=16_384)
    assert few[0].waterfalls < 0.3 * full[0].waterfalls


def test_a_pilot_run_can_be_stopped(auto, monkeypatch):
    told = []
    monkeypatch.setattr(engines.Engines, "run", lambda *of: pytest.fail("more than the pilot has run"))

    def stop(done, paths):
        told.append((done, paths))
        if len(told) == len(CONDITIONS) + 10:  # all plans are made, and some have run
            raise KeyboardInterrupt

    with (
        Run(auto, Wanted((BASE,), CONDITIONS), piloted=True) as run,
        pytest.raises(KeyboardInterrupt),
    ):
        run.results(stop)
    assert set(told) == {(0, PATHS)}


def test_where_neighbours_never_fare_alike_all_paths_are_paid(auto, monkeypatch):
    monkeypatch.setattr(engines, "telling", lambda *of: None)
    wanted = Wanted((BASE,), (Stress("x2", pd_multiplier=2.0), Stress("recovery", recovery_multiplier=0.5)))
    (_, full), (_, few) = both(auto, wanted, paths=20_000)
    for a, b in zip(full, few, strict=True):
        np.testing.assert_allclose(a.replicates, b.replicates, rtol=1e-12)


def test_what_is_paid_stands_for_all_where_paths_are_left_out_at_random(auto, monkeypatch):
    # Far too little is kept: estimates stay unbiased, and say so by their errors.
    monkeypatch.setattr(engines, "telling", lambda severity, fares, group: severe(group))
    stress = Stress("PD x 40", pd_multiplier=40.0)
    wanted, z = Wanted((BASE,), (stress,)), []
    for seed in range(6):
        (_, full), (_, few) = both(auto, wanted, paths=16_384, seed=seed)
        a, b = full[0].tranches[-1], few[0].tranches[-1]
        assert few[0].waterfalls < 0.2 * full[0].waterfalls
        assert b.anydate_pd_error > 1.2 * a.anydate_pd_error
        # A share of as many paths as that, each for itself, has about the error that this one has.
        share, paths = b.anydate_pd, b.effective_paths
        assert 2_048 < paths < 16_384
        seen = share * paths
        assert abs(seen - round(seen)) < share  # paths are counted whole
        assert b.anydate_pd_error == pytest.approx(np.sqrt(share * (1.0 - share) / paths), rel=0.6)
        z.append((b.anydate_pd - a.anydate_pd) / b.anydate_pd_error)
    assert abs(np.mean(z)) < 4.5 / np.sqrt(len(z))
    assert max(map(abs, z)) < 4.5
