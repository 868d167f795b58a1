"""Covenants against the published plan fixture, closed forms, and the any-date law."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlkmv.deal.paths.run import simulate
from xlkmv.deal.plan.covenants import Observation, breached, covenant_path, covenant_risk, metric_value
from xlkmv.deal.plan.waterfall import waterfall
from xlkmv.deal.stress import Stress, apply
from xlkmv.deal.terms import Controls, Covenant, Deal, Loans, Pool, Terms, Tranche, payment_dates
from xlkmv.errors import DomainError, InputError
from xlkmv.model.plan import plan_risk

CLOSING = dt.date(2020, 1, 1)
TIMES = np.arange(1, 13) / 4.0


def fixture_coverage():
    """Pool 301 m, 12 level payments at 6.5 %; senior 95 % straight-line, 1 % a quarter."""
    opening = 285.95 * (1.0 - np.arange(12) / 12.0)
    dues = 285.95 / 12.0 + 0.01 * opening
    return 27.811007694862 * np.arange(1, 13) / np.cumsum(dues)


def test_coverage_of_one_is_the_published_distance_to_default():
    path = covenant_path(fixture_coverage(), 1.0, 0.10, TIMES)
    assert path.distance[[0, 3]] == pytest.approx([0.79885793, 0.49676247], abs=1e-8)
    assert path.probability[3] == pytest.approx(0.309678282, abs=1e-9)
    assert path.anydate_probability[3] == pytest.approx(0.47190796, abs=1e-8)
    assert path.headroom[0] == pytest.approx(0.042053, abs=1e-6)
    assert path.status == ("ok",) * 12
    assert path.first_breach is None


def test_distance_by_high_precision():
    with mpmath.workdps(40):
        exact = (mpmath.log(mpmath.mpf("1.3") / mpmath.mpf("1.1")) + (0.02 - 0.045) * 2) / (
            mpmath.mpf("0.3") * mpmath.sqrt(2)
        )
        tail = mpmath.ncdf(-exact)
    path = covenant_path([1.3], 1.1, 0.3, [2.0], drift=0.02)
    assert path.distance[0] == pytest.approx(float(exact), rel=1e-13)
    assert path.probability[0] == pytest.approx(float(tail), rel=1e-13)


@given(
    st.lists(st.floats(0.01, 10.0), min_size=1, max_size=6),
    st.floats(0.01, 10.0),
    st.floats(0.01, 1.0),
    st.floats(-0.3, 0.3),
)
def test_a_ceiling_is_a_floor_seen_from_above(values, threshold, sigma, mu):
    t = np.arange(1.0, len(values) + 1)
    floor = covenant_path(values, threshold, sigma, t, mu, "min")
    ceiling = covenant_path(values, threshold, sigma, t, mu, "max")
    np.testing.assert_allclose(floor.distance, -ceiling.distance)
    np.testing.assert_allclose(floor.probability + ceiling.probability, 1.0)
    np.testing.assert_allclose(floor.headroom, -ceiling.headroom)
    for path in (floor, ceiling):
        assert (path.anydate_probability >= path.probability - 1e-9).all()
        assert (np.diff(path.anydate_probability) >= -1e-12).all()


def test_edges_of_the_value():
    path = covenant_path([0.0, np.nan, np.inf, 2.0], 1.0, 0.2, [1, 2, 3, 4])
    assert path.status == ("breach", "not tested", "ok", "ok")
    assert path.first_breach == 0
    assert path.distance[0] == -np.inf
    assert path.distance[2] == np.inf
    assert np.isnan(path.probability[1])
    assert path.probability[[0, 2]].tolist() == [1.0, 0.0]
    # A value that is always positive cannot fall below a threshold of 0, nor stay below it.
    assert covenant_path([1.0], 0.0, 0.2, [1.0]).probability[0] == 0.0
    assert covenant_path([1.0], 0.0, 0.2, [1.0], side="max").probability[0] == 1.0


@pytest.mark.parametrize(
    ("kwargs", "error", "match"),
    [
        ({"side": "above"}, InputError, "side must be min or max"),
        ({"values": [-1.0, 1.0]}, DomainError, "values must be >= 0"),
        ({"values": [1.0]}, InputError, "one value per date"),
        ({"volatility": 0.0}, DomainError, "volatility must be > 0"),
    ],
)
def test_what_does_not_fit_is_refused(kwargs, error, match):
    args = {"values": [1.0, 1.0], "threshold": 1.0, "volatility": 0.2, "times": [1.0, 2.0]} | kwargs
    with pytest.raises(error, match=match):
        covenant_path(**args)


def test_every_metric_of_a_plan(build):
    covenants = (
        Covenant("coverage", "coverage", "min", 1.2),
        Covenant("dscr", "period DSCR", "min", 1.2),
        Covenant("defaults", "cumulative default ratio", "max", 0.1),
        Covenant("share", "largest obligor share", "max", 0.5),
        Covenant("reserve", "reserve ratio", "min", 0.9),
        Covenant("dd", "senior DD", "min", 2.0),
    )
    deal = build([[40.0, 20.0, 20.0], [10.0, 30.0, 30.0]], covenants=covenants)
    plan = apply(deal, Stress("Base"))
    values = waterfall(plan, volatility=0.2, drift=0.01).covenants
    # Senior dues are 40, 36.7, 33.4 (see the waterfall's tests).
    np.testing.assert_allclose(values[0], [50 / 40, 100 / 76.7, 150 / 110.1])
    np.testing.assert_allclose(values[1], [50 / 40, 50 / 36.7, 50 / 33.4])
    np.testing.assert_allclose(values[2], 0.0)
    np.testing.assert_allclose(values[3], [80 / 150, 60 / 100, 30 / 50])
    np.testing.assert_allclose(values[4], 1.0)
    dues = plan.dues.ahead(0)
    np.testing.assert_allclose(
        values[5], plan_risk([50.0] * 3, dues, 0.2, [1.0, 2.0, 3.0], 0.01, plan.reserve).distance
    )
    frequency = np.tile([0.1, 0.2, 0.5], (6, 1))
    risk = covenant_risk(covenants, values, deal.terms.times, 0.2, 0.01, frequency, frequency)
    assert [r.source for r in risk] == ["lognormal", "lognormal"] + ["simulation"] * 3 + ["lognormal"]
    np.testing.assert_allclose(risk[0].distance[0], (np.log(1.25 / 1.2) - 0.01) / 0.2)
    np.testing.assert_allclose(risk[2].probability, [0.1, 0.2, 0.5])
    np.testing.assert_allclose(risk[2].distance, [1.2815515655446004, 0.8416212335729143, 0.0], atol=1e-14)
    # Mean of a realised DD: ln A_k has the mean ln(planned A_k) + (mu - sigma^2/2) t.
    growth = (0.01 - 0.02) * np.sqrt([1.0, 2.0, 3.0]) / 0.2
    np.testing.assert_allclose(risk[5].distance, values[5] + growth - 2.0)
    assert risk[3].first_breach == 0
    assert np.isnan(covenant_risk(covenants, values, deal.terms.times, 0.2)[2].probability).all()


@pytest.mark.parametrize("side", ["min", "max"])
def test_every_lognormal_covenant_is_breached_as_often_as_its_metric_says(build, side):
    """The slow twin: lognormal pools through the waterfall's own metrics."""
    volatility, drift, paths = 0.3, -0.1, 20_000
    covenants = (Covenant("coverage", "coverage", side, 1.2), Covenant("dd", "senior DD", side, 0.5))
    plan = apply(build([[40.0, 20.0, 20.0], [10.0, 30.0, 30.0]], covenants=covenants), Stress("Base"))
    times, due, nothing = plan.deal.terms.times, np.cumsum(plan.dues.ahead(0)), np.zeros(paths)
    planned = waterfall(plan, volatility=volatility, drift=drift).covenants
    risk = covenant_risk(covenants, planned, times, volatility, drift)
    steps = np.sqrt(np.diff(times, prepend=0.0))
    walk = np.cumsum(np.random.default_rng(7).standard_normal((paths, times.size)) * steps, axis=1)
    paid_in = np.cumsum(plan.collections) * np.exp((drift - 0.5 * volatility**2) * times + volatility * walk)
    for k, t in enumerate(times):
        seen = Observation(
            time=float(t),
            collections=nothing,
            accumulated_in=paid_in[:, k],
            due=0.0,
            accumulated_due=float(due[k]),
            default_ratio=nothing,
            largest_share=nothing,
            reserve=nothing,
            reserve_target=plan.reserve,
            senior_outstanding=np.ones(paths, bool),
            volatility=volatility,
            drift=drift,
            reserve_at_closing=plan.reserve,
            pool=nothing,
            claims=nothing,
            pool_at_closing=0.0,
            notes=nothing[None],
        )
        for covenant, path in zip(covenants, risk, strict=True):
            share = breached(metric_value(covenant.metric, seen), covenant.threshold, side).mean()
            assert path.probability[k] == pytest.approx(share, abs=4.5 * 0.5 / np.sqrt(paths))


def test_largest_obligors_default_counts_in_the_ratio_and_the_share(build):
    covenants = (
        Covenant("defaults", "cumulative default ratio", "max", 0.1),
        Covenant("share", "largest obligor share", "max", 0.5),
    )
    deal = build([[40.0] * 3, [20.0] * 3, [20.0] * 3], covenants=covenants)
    values = waterfall(apply(deal, Stress("x", obligor_recovery=0.0))).covenants
    np.testing.assert_allclose(values, [[0.5] * 3, [0.5] * 3])


def test_parity_of_claims_and_notes_does_not_hang_on_rounding():
    """Three classes as large as the pool, repaid as it runs off: overcollateralisation is 0 throughout."""
    dates = payment_dates(CLOSING, "month", 24)
    loans = Loans(np.full(4, 24.0), 0.06)
    pool = Pool(("a", "b", "c", "d"), np.arange(100.0, 104.0) / 3.0, np.zeros((4, 24)), 0.1, 0.4, 0, 0.2)
    pool = replace(pool, loans=loans)
    size = float(pool.amount.sum())
    parts = (0.61 * size, 0.23 * size, size - 0.61 * size - 0.23 * size)
    notes = tuple(Tranche(f"T{i}", i + 1, a, 0.04, "pass-through") for i, a in enumerate(parts))
    test = Covenant("par", "overcollateralisation", "min", 0.0, "turbo")
    terms = Terms(CLOSING, dates, principal="pro rata")
    paid = waterfall(apply(Deal(pool, notes, terms, Controls(), (test,)), Stress("Base")))
    assert not paid.breaches.any()
    np.testing.assert_array_equal(paid.covenants[0], 0.0)
    # A hair less is a breach.
    below = replace(notes[2], amount=parts[2] + 1e-9 * size)
    deal = Deal(pool, (*notes[:2], below), terms, Controls(), (test,))
    assert waterfall(apply(deal, Stress("Base"))).breaches[0, 0]


def test_after_the_call_nothing_is_tested():
    """50 of 100 are left after two of four years, and bought back: nothing is due, and nothing in breach."""
    dates = payment_dates(dt.date(2020, 1, 1), "year", 4)
    loans = Loans(np.array([48.0]), 0.08, ("linear",), payments_per_year=1.0)
    pool = Pool(("Claim",), [100.0], np.zeros((1, 4)), 0.02, 0.4, 0.0, 0.2, loans=loans)
    covenants = (
        Covenant("coverage", "coverage", "min", 0.5),
        Covenant("DSCR", "period DSCR", "min", 0.5),
        Covenant("factor", "pool factor", "min", 0.1),
        Covenant("DD", "senior DD", "min", -100.0),
    )
    notes = (Tranche("A", 1, 60.0, 0.05, "pass-through"),)
    terms = Terms(dt.date(2020, 1, 1), dates, cleanup=0.5)
    deal = Deal(pool, notes, terms, Controls(reserve=False, support=False), covenants)
    run = waterfall(apply(deal, Stress("Base")), volatility=0.1)
    assert run.balance[0].tolist() == [pytest.approx(45.0), 0.0, 0.0, 0.0]
    assert np.isfinite(run.covenants[:, :2]).all() and np.isnan(run.covenants[:, 2:]).all()
    for path in covenant_risk(covenants, run.covenants, terms.times, 0.1):
        assert path.status == ("ok", "ok", "not tested", "not tested") and path.first_breach is None
    # Simulated, the pool is bought back unless the claim has defaulted.
    assert (simulate(deal, paths=500).breach[:, 2:] < 0.1).all()


def test_a_large_reserve_of_no_size_has_no_ratio():
    """Of a pool that has been repaid; in yuan, too, where a quotient by next to nothing is none."""
    paths, nothing = 1, np.zeros(1)
    seen = Observation(
        1.0,
        nothing,
        nothing,
        0.0,
        0.0,
        nothing,
        nothing,
        np.full(paths, 1e9),
        nothing,
        np.ones(paths, bool),
        0.1,
        0.0,
        1e9,
        nothing,
        nothing,
        1e10,
        nothing[None],
    )
    assert np.isnan(metric_value("reserve ratio", seen)).all()
