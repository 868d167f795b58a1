"""A plan as a firm: the fixture with known answers, enumerated pools, laws."""

from __future__ import annotations

import itertools

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import ndtr, ndtri

from xlkmv.errors import DomainError, InputError
from xlkmv.model import plan
from xlkmv.model.copula import bivariate_normal_cdf
from xlkmv.model.distance import default_probability
from xlkmv.model.plan import (
    arrival_date,
    coverage_quantile,
    default_probability_by,
    implied_lognormal,
    minimum_coverage,
    payment_times,
    plan_risk,
    pool_moments,
)


def fixture_plan():
    """Pool of 301 m, 12 level quarterly payments at 6.5 %; senior 95 % straight-line, 1 % a quarter."""
    r = 0.065 / 4
    level = 301e6 * r / (1 - (1 + r) ** -12)
    senior = 0.95 * 301e6
    opening = senior * (1 - np.arange(12) / 12)
    return np.full(12, level), senior / 12 + 0.01 * opening


def test_known_answers_of_the_fixture():
    collections, dues = fixture_plan()
    times = payment_times(12, 4)
    known = {0.05: (1.63521587, 1.06852494), 0.10: (0.79885793, 0.49676247), 0.15: (0.51173862, 0.28950831)}
    for sigma, distances in known.items():
        risk = plan_risk(collections, dues, sigma, times)
        np.testing.assert_allclose(risk.distance[[0, 3]], distances, rtol=0, atol=1e-7)
    risk = plan_risk(collections, dues, 0.10, times)
    np.testing.assert_allclose(risk.accumulated_in[[0, 3]], [27_811_007.694862, 111_244_030.78], atol=5e-3)
    np.testing.assert_allclose(risk.accumulated_due[[0, 3]], [26_688_666.67, 105_324_916.67], atol=5e-3)
    np.testing.assert_allclose(risk.coverage[[0, 3]], [1.042053, 1.056199], atol=5e-7)
    assert risk.pd[3] == pytest.approx(0.309678282, abs=1e-7)
    assert risk.anydate_pd[3] == pytest.approx(0.47190796, abs=1e-7)


def test_every_date_against_40_digits():
    collections, dues = fixture_plan()
    sigma, mu, reserve = 0.08, 0.03, 5e6
    risk = plan_risk(collections, dues, sigma, payment_times(12, 4), mu, reserve)
    with mp.workdps(40):
        paid = due = mp.mpf(0)
        for k in range(12):
            paid, due = paid + mp.mpf(float(collections[k])), due + mp.mpf(float(dues[k]))
            t, s = mp.mpf(k + 1) / 4, mp.mpf(sigma)
            dd = (mp.log(paid / (due - mp.mpf(reserve))) + (mp.mpf(mu) - s**2 / 2) * t) / (s * mp.sqrt(t))
            assert risk.distance[k] == pytest.approx(float(dd), rel=1e-12)
            assert risk.pd[k] == pytest.approx(float(mp.ncdf(-dd)), rel=1e-11)
            assert risk.coverage[k] == pytest.approx(float((paid + reserve) / due), rel=1e-14)


def test_terminal_is_the_firm_at_accumulated_cash():
    collections, dues = fixture_plan()
    t = payment_times(12, 4)
    risk = plan_risk(collections, dues, 0.1, t, 0.02)
    firm = default_probability(np.cumsum(collections), np.cumsum(dues), 0.1, t, 0.02)
    np.testing.assert_allclose(risk.pd, firm, rtol=1e-14)


def test_what_cannot_fall_short_and_what_must():
    t = [1.0, 2.0, 3.0]
    risk = plan_risk([0.0, 0.0, 90.0], [0.0, 10.0, 70.0], 0.2, t)
    np.testing.assert_array_equal(risk.coverage[:2], [np.inf, 0.0])
    np.testing.assert_array_equal(risk.distance[:2], [np.inf, -np.inf])
    np.testing.assert_array_equal(risk.pd[:2], [0.0, 1.0])
    np.testing.assert_array_equal(risk.anydate_pd, [0.0, 1.0, 1.0])
    # The reserve pays for the second date by itself.
    risk = plan_risk([0.0, 0.0, 90.0], [0.0, 10.0, 70.0], 0.2, t, reserve=10.0)
    np.testing.assert_array_equal(risk.anydate_pd[:2], 0.0)
    np.testing.assert_allclose(risk.anydate_pd[2], default_probability(90.0, 70.0, 0.2, 3.0), rtol=1e-13)
    assert risk.coverage[1] == 1.0


def test_payment_times():
    np.testing.assert_array_equal(payment_times(5, 4), [0.25, 0.5, 0.75, 1.0, 1.25])
    with pytest.raises(DomainError, match=r"^periods_per_year must be > 0"):
        payment_times(5, 0)


def test_default_probability_by_keeps_small_pds_and_knows_certainty():
    times = np.array([0.0, 0.25, 1.0, 7.5])
    pds = np.array([0.0, 1e-300, 1e-18, 0.02, 1.0])[:, None]
    found = default_probability_by(pds, times)
    with mp.workdps(40):
        exact = [[float(1 - (1 - mp.mpf(float(p))) ** mp.mpf(t)) for t in times] for p in pds[2:4, 0]]
    assert found[2:4] == pytest.approx(np.array(exact), rel=1e-14)
    assert found[1] == pytest.approx(1e-300 * times, rel=1e-14)
    assert found[0].tolist() == [0.0] * 4
    assert found[4].tolist() == [0.0, 1.0, 1.0, 1.0]
    assert np.array_equal(default_probability_by(0.02, times), found[3])


def test_arrival_date_is_the_first_date_not_earlier():
    times = payment_times(5, 10)  # 0.1 + 0.2 is above 0.3 in doubles
    assert arrival_date(times, 0.2).tolist() == [2, 3, 4, 5, 5]
    lags = np.array([0.0, 0.1, 0.15, 9.0])[:, None]
    assert arrival_date(times, lags).tolist() == [
        [0, 1, 2, 3, 4],
        [1, 2, 3, 4, 5],
        [2, 3, 4, 5, 5],
        [5, 5, 5, 5, 5],
    ]


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: default_probability_by(1.1, [1.0]), "pd"),
        (lambda: default_probability_by(0.1, [-1.0]), "times"),
        (lambda: arrival_date([1.0], -1.0), "lag"),
    ],
)
def test_dates_of_default_and_recovery_refuse(call, name):
    with pytest.raises(DomainError, match=name):
        call()


# -------------------------------------------------------------------------------------- laws

flows = st.integers(1, 8).flatmap(
    lambda n: st.tuples(
        st.lists(st.floats(0.2, 3.0), min_size=n, max_size=n),
        st.lists(st.floats(0.2, 2.0), min_size=n, max_size=n),
        st.floats(0.02, 0.8),
        st.floats(-0.1, 0.1),
        st.floats(0.0, 0.5),
    )
)
laws = settings(deadline=None, max_examples=50)


def risk_of(plan, money=1.0, sigma=1.0, mu=0.0, reserve=0.0, paid=1.0, due=1.0):
    c, d, s, m, r = plan
    c, d = np.array(c) * money * paid, np.array(d) * money * due
    return plan_risk(c, d, s * sigma, payment_times(len(c), 4), m + mu, (r + reserve) * money)


@laws
@given(flows, st.integers(-40, 40), st.sampled_from([1e6, 1e-6]))
def test_unit_of_money_does_not_matter(plan, power, unit):
    base, doubled, other = risk_of(plan), risk_of(plan, 2.0**power), risk_of(plan, unit)
    for name in ("times", "coverage", "distance", "pd", "anydate_pd"):
        np.testing.assert_array_equal(getattr(doubled, name), getattr(base, name))
    finite = np.isfinite(base.distance) & (np.abs(base.distance) < 50)
    for name in ("coverage", "distance", "pd", "anydate_pd"):
        np.testing.assert_allclose(
            getattr(other, name)[finite], getattr(base, name)[finite], rtol=1e-9, atol=1e-12
        )
    for name in ("accumulated_in", "accumulated_due"):
        np.testing.assert_allclose(getattr(other, name), unit * getattr(base, name), rtol=1e-12)


@laws
@given(flows, st.floats(1.01, 2.0))
def test_direction_of_each_argument(plan, up):
    base = risk_of(plan)
    for better in (risk_of(plan, paid=up), risk_of(plan, mu=up - 1), risk_of(plan, reserve=up - 1)):
        assert (better.pd <= base.pd * (1 + 1e-11)).all()
        assert (better.anydate_pd <= base.anydate_pd * (1 + 1e-11)).all()
    worse = risk_of(plan, due=up)
    assert (worse.anydate_pd >= base.anydate_pd * (1 - 1e-11)).all()
    assert (base.anydate_pd >= base.pd * (1 - 1e-12)).all()
    assert (np.diff(base.anydate_pd) >= 0).all()


@laws
@given(flows, st.floats(1.01, 3.0))
def test_volatility_raises_risk_where_plan_and_growth_cover_the_dues(plan, up):
    """With ln(A_k/DP_k) + mu t_k >= 0 on all dates each barrier moves towards the path as sigma rises."""
    base = risk_of(plan)
    c, d, _, mu, r = plan
    open_due = np.maximum(np.cumsum(d) - r, 0.0)
    growth = np.exp(mu * base.times)
    covered = bool((np.cumsum(c) * growth >= open_due).all())
    if covered:
        assert (risk_of(plan, sigma=up).anydate_pd >= base.anydate_pd * (1 - 1e-11)).all()


@laws
@given(st.floats(1e-10, 0.4), st.floats(0.01, 0.8), st.floats(0.1, 10), st.floats(-0.1, 0.1))
def test_minimum_coverage_meets_the_target(p, sigma, T, mu):
    cover = minimum_coverage(p, sigma, T, mu)
    assert default_probability(cover, 1.0, sigma, T, mu) == pytest.approx(p, rel=1e-10)
    with mp.workdps(40):
        s, t = mp.mpf(sigma), mp.mpf(T)
        quantile = mp.sqrt(2) * mp.erfinv(1 - 2 * mp.mpf(p))
        twin = mp.exp((s**2 / 2 - mp.mpf(mu)) * t + quantile * s * mp.sqrt(t))
    assert cover == pytest.approx(float(twin), rel=1e-12)


# -------------------------------------------------------------------------------- pool moments


def paid_by(schedule, times, first_missed, recovery, lag):
    """Cash of one obligor up to the last date, payment by payment."""
    cash = sum(schedule[:first_missed])
    if first_missed < len(schedule):
        back = times[first_missed] + lag
        if any(t >= back - 1e-9 for t in times):
            cash += recovery * sum(schedule[first_missed:])
    return cash


def enumerated_moments(schedule, times, pds, recoveries, lags, correlations):
    """Mean and variance over all patterns of first missed dates, each with its own integral."""
    m, n = np.shape(schedule)
    mean = square = total = 0.0
    # Narrow steps of the conditional PDs are told to the integrator.
    steps = [
        (ndtri(1 - (1 - pd) ** t) + k * np.sqrt(1 - rho)) / np.sqrt(rho)
        for pd, rho in zip(pds, correlations, strict=True)
        for t in times
        for k in (-7, -2, 0, 2, 7)
        if rho > 0.9
    ]
    for pattern in itertools.product(range(n + 1), repeat=m):

        def chance(z, pattern=pattern):
            product = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
            for i, j in enumerate(pattern):

                def by(t, i=i):
                    x = ndtri(1 - (1 - pds[i]) ** t)
                    return ndtr((x - np.sqrt(correlations[i]) * z) / np.sqrt(1 - correlations[i]))

                upper = by(times[j]) if j < n else 1.0
                product *= upper - (by(times[j - 1]) if j else 0.0)
            return product

        cuts = sorted(c for c in steps if -9 < c < 9)
        probability = quad(chance, -9, 9, epsabs=1e-14, limit=400, points=cuts or None)[0]
        cash = sum(paid_by(schedule[i], times, j, recoveries[i], lags[i]) for i, j in enumerate(pattern))
        mean, square, total = mean + probability * cash, square + probability * cash**2, total + probability
    assert total == pytest.approx(1.0, abs=1e-10)
    return mean, square - mean**2


POOLS = {
    "two obligors": (
        [[10.0, 10.0], [5.0, 7.0]],
        [0.5, 1.0],
        [0.10, 0.05],
        [0.4, 0.0],
        [0.5, 0.25],
        [0.3, 0.2],
    ),
    "three obligors, irregular dates": (
        [[3.0, 4.0], [10.0, 0.0], [1.0, 9.0]],
        [0.3, 1.7],
        [0.3, 0.02, 0.15],
        [1.0, 0.5, 0.7],
        [0.0, 1.4, 5.0],
        [0.0, 0.6, 0.9],
    ),
    "nearly one driver": (
        [[6.0, 4.0], [5.0, 5.0]],
        [1.0, 2.0],
        [0.05, 0.05],
        [0.3, 0.3],
        [1.0, 1.0],
        [0.98, 0.98],
    ),
    "one driver but for a trace": (
        [[6.0, 4.0], [5.0, 5.0]],
        [1.0, 2.0],
        [0.05, 0.07],
        [0.3, 0.1],
        [1.0, 1.0],
        [0.999, 1 - 1e-6],
    ),
    "one driver, and one obligor apart": (
        [[6.0, 4.0], [5.0, 5.0], [2.0, 3.0]],
        [1.0, 2.0],
        [0.05, 0.05, 0.2],
        [0.3, 0.1, 0.5],
        [1.0, 1.0, 0.0],
        [1 - 1e-9, 0.99999, 0.2],
    ),
}


@pytest.mark.parametrize("few", [64, 0], ids=["integral", "series"])
@pytest.mark.parametrize("pool", POOLS.values(), ids=POOLS)
def test_pool_moments_against_enumeration(pool, few, monkeypatch):
    monkeypatch.setattr(plan, "_FEW", few)
    np.testing.assert_allclose(pool_moments(*pool), enumerated_moments(*pool), rtol=1e-8)


def test_pool_moments_against_simulation():
    rng = np.random.default_rng(8)
    m, times, paths = 6, np.array([0.25, 0.5, 1.0, 1.5, 2.5]), 200_000
    schedule, pds = rng.uniform(1, 10, (m, 5)), rng.uniform(0.01, 0.2, m)
    recoveries, lags, rho = rng.uniform(0, 1, m), rng.uniform(0, 1.2, m), rng.uniform(0.05, 0.7, m)
    factor, own = rng.standard_normal((paths, 1)), rng.standard_normal((paths, m))
    u = ndtr(np.sqrt(rho) * factor + np.sqrt(1 - rho) * own)
    default = np.log1p(-u) / np.log1p(-pds)  # F(t) = 1 - (1 - PD)^t, solved for t
    cash = np.zeros(paths)
    for i in range(m):
        pays = default[:, i, None] > times
        first = pays.sum(axis=1)
        cash += (schedule[i] * pays).sum(axis=1)
        back = np.append(times, np.inf)[first] + lags[i]
        cash += np.where(back <= times[-1], recoveries[i] * (schedule[i] * ~pays).sum(axis=1), 0.0)
    mean, variance = pool_moments(schedule, times, pds, recoveries, lags, rho)
    assert abs(cash.mean() - mean) < 5 * np.sqrt(variance / paths)
    fourth = ((cash - mean) ** 4).mean()
    assert abs(((cash - mean) ** 2).mean() - variance) < 5 * np.sqrt((fourth - variance**2) / paths)


@pytest.mark.parametrize(("obligors", "dates"), [(11, 20), (60, 40)])
def test_pool_moments_of_one_driver(obligors, dates):
    """Full correlation: one uniform number U decides; obligor i is in default by t when U < F_i(t)."""
    rng = np.random.default_rng(3)
    schedule, times = rng.uniform(1, 10, (obligors, dates)), np.arange(1, dates + 1) / 4
    pds, recoveries, lags = rng.uniform(0.005, 0.05, obligors), rng.uniform(0, 1, obligors), 0.5
    by = 1 - (1 - pds[:, None]) ** times
    edges = np.unique(np.append(by, [0.0, 1.0]))
    middles = 0.5 * (edges[1:] + edges[:-1])
    cash = np.zeros(middles.size)
    for i in range(obligors):
        first = np.searchsorted(by[i], middles)
        outcome = [paid_by(schedule[i], times, j, recoveries[i], lags) for j in range(dates + 1)]
        cash += np.array(outcome)[first]
    mean = np.diff(edges) @ cash
    variance = np.diff(edges) @ (cash - mean) ** 2
    found = pool_moments(schedule, times, pds, recoveries, lags, 1 - 1e-15)
    # Where nearly all of many steps cannot be cut out, the integral keeps four digits.
    assert found == (
        pytest.approx(mean, rel=1e-12),
        pytest.approx(variance, rel=1e-7 if obligors == 11 else 1e-4),
    )


def large_pool(rows, dates, seed):
    """A pool beyond the integral: correlations from none to 0.9, recoveries in time or not, counts."""
    rng = np.random.default_rng(seed)
    return {
        "schedule": rng.uniform(0, 10, (rows, dates)),
        "times": np.cumsum(rng.uniform(0.1, 0.6, dates)),
        "pds": rng.choice([0.0, 1e-9, 0.002, 0.03, 0.4], rows),
        "recoveries": rng.uniform(0, 1, rows),
        "lags": rng.choice([0.0, 0.3, 1.0, 9.0], rows),
        "correlations": rng.choice([0.0, 0.05, 0.2, 0.9], rows),
        "claims": rng.uniform(0, 20, (rows, dates)),
        "counts": rng.integers(1, 40, rows).astype(float),
    }


def pairwise_moments(schedule, times, pds, recoveries, lags, correlations, claims, counts):
    """Mean and variance, pair by pair, by the probability that both are in default by two dates."""
    m, n = schedule.shape
    loss = np.cumsum(schedule[:, ::-1], axis=1)[:, ::-1]
    for i, j in itertools.product(range(m), range(n)):
        if times[j] + lags[i] <= times[-1] + 1e-9:
            loss[i, j] -= recoveries[i] * claims[i, j]
    # What is lost changes by `drop` with each date by which the obligor is in default.
    drop = loss - np.column_stack([loss[:, 1:], np.zeros(m)])
    by = 1 - (1 - pds[:, None]) ** times
    x, single = ndtri(by), np.diff(by, axis=1, prepend=0.0)
    mean = (single * loss).sum(axis=1)
    variance = (((single * loss**2).sum(axis=1) - mean**2) / counts).sum()
    for i in range(m):
        rho = np.sqrt(correlations[i] * correlations)
        joint = bivariate_normal_cdf(x[i, None, :, None], x[:, None, :], rho[:, None, None])
        covariance = np.einsum("k,jl,jkl->j", drop[i], drop, joint - by[i, None, :, None] * by[:, None, :])
        covariance[i] *= 1.0 - 1.0 / counts[i]  # of different obligors of one row
        variance += covariance.sum()
    return schedule.sum() - mean.sum(), variance


@pytest.mark.parametrize("seed", [1, 2])
def test_pool_moments_of_many_against_pairs(seed):
    pool = large_pool(70, 4, seed)
    np.testing.assert_allclose(pool_moments(**pool), pairwise_moments(**pool), rtol=1e-11)


@pytest.mark.parametrize("rho", [0.3, 0.9])
def test_pool_moments_of_many_against_40_digits(rho):
    # 70 obligors that owe 1 each on one date: a binomial number of defaults, given the factor.
    m, pd, t = 70, 0.02, 1.5
    with mp.workdps(40):
        by = 1 - (1 - mp.mpf(pd)) ** mp.mpf(t)
        root, rest = mp.sqrt(mp.mpf(rho)), mp.sqrt(1 - mp.mpf(rho))
        x = mp.sqrt(2) * mp.erfinv(2 * by - 1)
        joint = mp.quad(lambda z: mp.npdf(z) * mp.ncdf((x - root * z) / rest) ** 2, list(range(-14, 15)))
        variance = m * by * (1 - by) + m * (m - 1) * (joint - by**2)
    found = pool_moments(np.ones((m, 1)), [t], pd, 0.0, 0.0, rho)
    assert found == (pytest.approx(float(m * (1 - by)), rel=1e-14), pytest.approx(float(variance), rel=1e-13))


@laws
@given(st.integers(0, 2**32 - 1))
def test_pool_moments_of_many_know_the_integral_the_order_the_unit_and_counts(seed):
    rng = np.random.default_rng(seed)
    pool = large_pool(65, 3, seed)
    mean, variance = pool_moments(**pool)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "_FEW", 65)
        np.testing.assert_allclose((mean, variance), pool_moments(**pool), rtol=1e-11)
    order = rng.permutation(65)
    mixed = {k: v if k == "times" else v[order] for k, v in pool.items()}
    np.testing.assert_allclose(pool_moments(**mixed), (mean, variance), rtol=1e-12)
    larger = pool | {"schedule": 1024.0 * pool["schedule"], "claims": 1024.0 * pool["claims"]}
    assert pool_moments(**larger) == (1024.0 * mean, 1024.0**2 * variance)
    # A line of n obligors is n lines of one.
    rows = np.repeat(np.arange(65), pool["counts"].astype(int))
    single = {k: v if k == "times" else v[rows] for k, v in pool.items()}
    for money in ("schedule", "claims"):
        single[money] = single[money] / pool["counts"][rows, None]
    single["counts"] = None
    np.testing.assert_allclose(pool_moments(**single), (mean, variance), rtol=1e-11)


def test_pool_moments_of_many_that_hardly_default_keep_their_digits():
    schedule = np.full((80, 2), 50.0)
    _, variance = pool_moments(schedule, [1.0, 2.0], 1e-12, 0.0, 0.0, 0.0)
    assert variance == pytest.approx(80 * (1e-12 * 100**2 + 1e-12 * 50**2), rel=1e-9)
    assert pool_moments(schedule, [1.0, 2.0], 0.0, 0.0, 0.0, 0.5) == (8000.0, 0.0)


def test_pool_moments_of_small_probabilities_keep_their_digits():
    schedule, times = np.full((3, 2), 50.0), [1.0, 2.0]
    mean, variance = pool_moments(schedule, times, 1e-12, 0.0, 0.0, 0.0)
    # Independent and rare: variance is the sum of p L^2, by date.
    assert variance == pytest.approx(3 * (1e-12 * 100**2 + 1e-12 * 50**2), rel=1e-9)
    assert 300.0 - mean == pytest.approx(3 * 1e-12 * 150, abs=6e-14)
    assert pool_moments(schedule, times, 0.0, 0.0, 0.0, 0.5) == (300.0, 0.0)


@laws
@given(st.permutations(range(3)), st.integers(-30, 30), st.floats(0, 0.95))
def test_pool_moments_order_and_unit(order, power, rho):
    schedule, times, pds, recoveries, lags, _ = map(np.array, POOLS["three obligors, irregular dates"])
    mean, variance = pool_moments(schedule, times, pds, recoveries, lags, rho)
    o = list(order)
    again = pool_moments(schedule[o], times, pds[o], recoveries[o], lags[o], rho)
    np.testing.assert_allclose(again, (mean, variance), rtol=1e-12)
    unit = 2.0**power
    assert pool_moments(schedule * unit, times, pds, recoveries, lags, rho) == (
        mean * unit,
        variance * unit**2,
    )
    # Correlation leaves the mean alone and raises the variance.
    free = pool_moments(schedule, times, pds, recoveries, lags, 0.0)
    assert mean == pytest.approx(free[0], rel=1e-12) and variance >= free[1] * (1 - 1e-9)


def test_implied_lognormal_has_the_moments():
    sigma, mu = implied_lognormal(100.0, 97.0, 12.0, 5.0)
    s2 = sigma**2 * 5.0
    forward = 100.0 * np.exp(mu * 5.0)
    assert forward == pytest.approx(97.0, rel=1e-14)
    assert forward**2 * np.expm1(s2) == pytest.approx(12.0, rel=1e-12)
    assert implied_lognormal(100.0, 100.0, 0.0, 1.0) == (0.0, 0.0)


# ----------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"collections": [-1.0, 1.0]}, DomainError, r"collections must be >= 0 \(got -1\)"),
        ({"dues": [1.0, np.nan]}, DomainError, r"dues must be >= 0 \(got nan\)"),
        ({"dues": [1.0]}, InputError, r"dues must have one value per collection \(2\)"),
        ({"times": [1.0]}, InputError, r"dues must have one value per collection \(2\)"),
        ({"collections": [], "dues": [], "times": []}, InputError, "dues must have one value"),
        ({"volatility": 0.0}, DomainError, r"volatility must be > 0 \(got 0\)"),
        ({"drift": np.inf}, DomainError, r"drift must be a finite number \(got inf\)"),
        ({"reserve": -5.0}, DomainError, r"reserve must be >= 0 \(got -5\)"),
        ({"times": [2.0, 1.0]}, DomainError, "times must be > 0 and increasing"),
        ({"times": [-1.0, 1.0]}, DomainError, r"times must be > 0 \(got -1\)"),
    ],
)
def test_plan_risk_refuses(change, kind, message):
    plan = {"collections": [1.0, 1.0], "dues": [0.9, 0.9], "volatility": 0.1, "times": [1.0, 2.0]}
    with pytest.raises(kind, match=f"^{message}"):
        plan_risk(**{**plan, **change})


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"schedule": [1.0, 1.0]}, InputError, "schedule must have one column per date"),
        ({"schedule": [[1.0, -1.0]]}, DomainError, r"schedule must be >= 0 \(got -1\)"),
        ({"times": [0.0, 1.0]}, DomainError, r"times must be > 0 \(got 0\)"),
        ({"pds": 1.0}, DomainError, r"pds must be >= 0 and < 1 \(got 1\)"),
        ({"pds": [0.1, 0.2]}, InputError, r"pds must have one value per obligor \(1\)"),
        ({"recoveries": 40.0}, DomainError, r"recoveries must be between 0 and 1"),
        ({"lags": -1.0}, DomainError, r"lags must be >= 0 \(got -1\)"),
        ({"correlations": 1.0}, DomainError, r"correlations must be >= 0 and < 1 \(got 1\)"),
        ({"correlations": np.nan}, DomainError, r"correlations must be >= 0 and < 1 \(got nan\)"),
    ],
)
def test_pool_moments_refuses(change, kind, message):
    pool = {"schedule": [[1.0, 1.0]], "times": [1.0, 2.0]}
    pool |= {"pds": 0.1, "recoveries": 0.4, "lags": 1.0, "correlations": 0.2}
    with pytest.raises(kind, match=f"^{message}"):
        pool_moments(**{**pool, **change})


def test_implied_lognormal_refuses():
    with pytest.raises(DomainError, match=r"^mean must be > 0 \(got 0\)$"):
        implied_lognormal(100.0, 0.0, 1.0, 1.0)
    with pytest.raises(DomainError, match=r"^variance must be >= 0 \(got -1\)$"):
        implied_lognormal(100.0, 90.0, -1.0, 1.0)


@given(
    st.lists(st.floats(0.0, 100.0), min_size=1, max_size=8),
    st.floats(0.02, 0.9),
    st.floats(-0.2, 0.2),
    st.floats(0.0, 50.0),
)
@settings(max_examples=60)
def test_coverage_is_one_with_the_probability_of_being_short(dues, sigma, mu, reserve):
    # PD_k is the probability that A_k and the reserve do not cover the dues: that quantile is 1.
    n = len(dues)
    risk = plan_risk(np.full(n, 30.0), dues, sigma, np.arange(1.0, n + 1), mu, reserve)
    for k in range(n):
        if 1e-12 < risk.pd[k] < 1 - 1e-12:
            found = coverage_quantile(risk, float(risk.pd[k]), sigma, mu)[k]
            assert found == pytest.approx(1.0, rel=1e-3)


def test_coverage_quantile_by_hand():
    # 110 against 100 in a year: the median with mu = sigma^2/2 is the plan, one sigma less is e^-0.1 of it.
    risk = plan_risk([110.0], [100.0], 0.1, [1.0], 0.005)
    assert coverage_quantile(risk, 0.5, 0.1, 0.005) == pytest.approx([1.1], rel=1e-14)
    low = coverage_quantile(risk, float(ndtr(-1.0)), 0.1, 0.005)
    assert low == pytest.approx([1.1 * np.exp(-0.1)], rel=1e-12)
    assert coverage_quantile(plan_risk([1.0], [0.0], 0.1, [1.0]), 0.5, 0.1)[0] == np.inf
    with pytest.raises(DomainError, match="probability"):
        coverage_quantile(risk, 0.0, 0.1)


def test_cash_that_covers_the_dues_but_for_rounding_covers_them():
    """.1 + .2 is more than .3 by rounding, which an empty pool does not miss; 1e-6 of it is missed."""
    risk = plan_risk([0.0, 0.0], [0.1 + 0.2, 0.0], 0.1, [1.0, 2.0], reserve=0.3)
    assert (risk.distance == np.inf).all() and not risk.pd.any() and not risk.anydate_pd.any()
    assert plan_risk([0.0], [0.3 * (1.0 + 1e-6)], 0.1, [1.0], reserve=0.3).pd.tolist() == [1.0]
