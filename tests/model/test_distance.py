"""Distances and default probabilities against published values, 40-digit twins and laws."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from xlkmv.errors import DomainError, InputError
from xlkmv.model import distance as module
from xlkmv.model.calibration import naive_asset_volatility, naive_distance_to_default
from xlkmv.model.distance import (
    METHODS,
    breakeven_volatility,
    default_point,
    default_probability,
    distance_to_default,
    first_passage_probability,
    linear_distance_to_default,
    log_ratio,
    safe_issue,
)
from xlkmv.model.merton import spread

DIGITS = 40


def draws(count=60):
    """Firms of all kinds: far from default, under water, short and long horizons."""
    rng = np.random.default_rng(1974)
    V = np.exp(rng.uniform(-5, 25, count))
    return (
        V,
        V * np.exp(-rng.uniform(-0.7, 2.5, count)),
        np.exp(rng.uniform(np.log(0.02), np.log(1.5), count)),
        np.exp(rng.uniform(np.log(0.05), np.log(30.0), count)),
        rng.uniform(-0.2, 0.3, count),
    )


def exact(values):
    return [mp.mpf(float(x)) for x in values]


def mp_distance(V, DP, sigma, T, mu):
    V, DP, sigma, T, mu = exact((V, DP, sigma, T, mu))
    return (mp.log(V / DP) + (mu - sigma**2 / 2) * T) / (sigma * mp.sqrt(T))


def mp_first_passage(V, DP, sigma, T, mu):
    V, DP, sigma, T, mu = exact((V, DP, sigma, T, mu))
    b, nu, s = mp.log(DP / V), mu - sigma**2 / 2, sigma * mp.sqrt(T)
    if b >= 0:
        return mp.mpf(1)
    return mp.ncdf((b - nu * T) / s) + mp.exp(2 * nu * b / sigma**2) * mp.ncdf((b + nu * T) / s)


def agree(ours, twins, rtol):
    """Relative agreement with twins that may be below the smallest double."""
    for x, twin in zip(np.ravel(ours), twins, strict=True):
        assert abs(mp.mpf(float(x)) - twin) <= rtol * abs(twin) + mp.mpf("1e-307"), (x, mp.nstr(twin, 17))


# ------------------------------------------------------------------------- published values


@pytest.mark.parametrize(
    ("k", "paid_in", "due", "at_5", "at_10", "at_15"),
    [
        (1, 27_811_007.694862, 26_688_666.6666667, 1.63521587, 0.79885793, 0.51173862),
        (4, 111_244_030.779448, 105_324_916.6666667, 1.06852494, 0.49676247, 0.28950831),
    ],
)
def test_plan_fixture(k, paid_in, due, at_5, at_10, at_15):
    dd = distance_to_default(paid_in, due, [0.05, 0.10, 0.15], k / 4)
    np.testing.assert_allclose(dd, [at_5, at_10, at_15], rtol=0, atol=1e-7)


@pytest.mark.parametrize(("dd", "pd"), [(5, 2.866515719e-7), (10, 7.619853024e-24), (37, 5.725571223e-300)])
def test_tails(dd, pd):
    # ln(V/DP) = dd sigma + sigma^2/2 makes the distance dd.
    V = np.exp(0.1 * dd + 0.005)
    assert distance_to_default(V, 1.0, 0.1) == pytest.approx(dd, rel=1e-13)
    # 37 standard deviations magnify the rounding of the distance by 37^2.
    assert default_probability(V, 1.0, 0.1) == pytest.approx(pd, rel=1e-9)
    assert default_probability(1.0 + 0.1 * dd, 1.0, 0.1 * dd / (1.0 + 0.1 * dd) / dd, method="linear") == (
        pytest.approx(pd, rel=1e-9)
    )


def test_crouhy_galai_mark():
    """Crouhy, Galai and Mark (2000), FedEx, November 1997 and February 1998."""
    np.testing.assert_allclose(
        linear_distance_to_default([12.6, 12.2], [3.4, 3.5], [0.15, 0.17]), [4.8677, 4.1948], atol=5e-5
    )


def test_black_cox():
    args = (100.0, 70.0, 0.25, 1.0, 0.05)
    assert first_passage_probability(*args) == pytest.approx(0.13782391768, abs=5e-12)
    assert default_probability(*args, method="anytime") == first_passage_probability(*args)
    assert default_probability(*args) == pytest.approx(0.06658733092, abs=5e-12)


def test_default_point():
    assert default_point(60.0, 80.0) == 100.0
    np.testing.assert_array_equal(default_point([10.0, 0.0], 20.0, [[0.0], [1.0]]), [[10, 0], [30, 20]])


# ---------------------------------------------------------------------------- 40-digit twins


def test_twins_on_random_draws():
    with mp.workdps(DIGITS):
        firms = draws()
        dd = [mp_distance(*f) for f in zip(*firms, strict=True)]
        agree(distance_to_default(*firms), dd, 5e-13)
        # d(ln PD) = DD d(DD) magnifies rounding in the tail.
        loose = 1e-14 * (1 + max(float(abs(x)) for x in dd if x < 37)) ** 2
        agree(default_probability(*firms), [mp.ncdf(-x) for x in dd], loose)
        agree(
            first_passage_probability(*firms), [mp_first_passage(*f) for f in zip(*firms, strict=True)], loose
        )
        V, DP, sigma, _, _ = firms
        linear = [(v - d) / (v * s) for v, d, s in zip(exact(V), exact(DP), exact(sigma), strict=True)]
        agree(linear_distance_to_default(V, DP, sigma), linear, 1e-13)
        agree(default_probability(*firms, method="linear"), [mp.ncdf(-x) for x in linear], 1e-11)


def test_first_passage_without_a_drift_and_within_a_year():
    twin = mp_first_passage(120.0, 100.0, 0.25, 1.0, 0.0)
    assert first_passage_probability(120.0, 100.0, 0.25) == pytest.approx(float(twin), rel=1e-14)


def test_first_passage_where_the_exponential_overflows():
    """exp(2 nu b/sigma^2) alone is beyond 1e308 here; the product is a probability."""
    firms = [(100.0, 70.0, 0.02, 1.0, -0.5), (100.0, 99.0, 0.001, 0.1, -0.9), (100.0, 20.0, 0.05, 3.0, -0.5)]
    with mp.workdps(DIGITS):
        twins = [mp_first_passage(*f) for f in firms]
        agree([first_passage_probability(*f) for f in firms], twins, 1e-9)
    assert max(2 * (mu - s * s / 2) * np.log(d / v) / s**2 for v, d, s, _, mu in firms) > 709


def test_first_passage_at_and_below_the_barrier():
    V = np.array([100.0, 50.0, 1e-300])
    np.testing.assert_array_equal(first_passage_probability(V, 100.0, 0.2, 1.0, -1.0), 1.0)


def test_safe_issue_twin():
    with mp.workdps(DIGITS):
        V, _, sigma, T, mu = draws()
        p = np.random.default_rng(5).uniform(-12, -0.1, V.size)
        p = 10.0**p
        twins = []
        for v, q, s, t, m in zip(*map(exact, (V, p, sigma, T, mu)), strict=True):
            quantile = mp.sqrt(2) * mp.erfinv(1 - 2 * q)  # N^{-1}(1 - p)
            twins.append(v * mp.exp((m - s**2 / 2) * t - quantile * s * mp.sqrt(t)))
        agree(safe_issue(V, p, sigma, T, mu), twins, 3e-11)


def test_breakeven_volatility_twin():
    """An independent search: at our answer the PD is the target, and just above it is higher."""

    def mp_root(V, DP, p, T, mu, start):
        V, DP, T, mu = exact((V, DP, T, mu))

        def excess(s):
            return mp.ncdf(-(mp.log(V / DP) + (mu - s**2 / 2) * T) / (s * mp.sqrt(T))) - p

        return mp.findroot(excess, start)

    with mp.workdps(DIGITS):
        rng = np.random.default_rng(6)
        for _ in range(40):
            V, DP = 100.0, 100.0 * np.exp(-rng.uniform(1e-6, 1.5))
            T, mu, p = rng.uniform(0.1, 10.0), rng.uniform(0.0, 0.1), 10.0 ** rng.uniform(-8, -0.01)
            ours = float(breakeven_volatility(V, DP, p, T, mu))
            assert abs(mp_root(V, DP, p, T, mu, ours) / ours - 1) < 1e-11
            assert default_probability(V, DP, ours * 1.001, T, mu) > p


def test_breakeven_volatility_exists_or_is_nan():
    # Not covered at all: any volatility leaves the PD above 1 %.
    assert np.isnan(breakeven_volatility(90.0, 100.0, 0.01))
    assert np.isnan(breakeven_volatility(100.0, 100.0, 0.01))
    # Growth covers what coverage does not.
    assert breakeven_volatility(100.0, 100.0, 0.01, 1.0, 0.05) > 0
    # A target above one half allows a shortfall on average: q < 0.
    assert default_probability(90.0, 100.0, breakeven_volatility(90.0, 100.0, 0.7)) == pytest.approx(0.7)
    # p = 1/2: s^2/2 = m.
    assert breakeven_volatility(120.0, 100.0, 0.5, 2.0) == pytest.approx(np.sqrt(np.log(1.2)))


# ------------------------------------------------------------------- beyond the range of floats

EXTREME = [(1e300, 1e-300), (1e-300, 1e300), (1e200, 1e-150), (2e-310, 1e300), (3e-308, 1.7e308)]


@pytest.mark.parametrize(("V", "DP"), EXTREME)
def test_quotients_beyond_the_range_of_floats(V, DP):
    """ln(V/DP) is an ordinary number where V/DP is none: no infinity, no NaN, no warning."""
    with mp.workdps(DIGITS):
        agree(log_ratio(V, DP), [mp.log(mp.mpf(V) / mp.mpf(DP))], 1e-13)
        agree(distance_to_default(V, DP, 0.2, 2.0, 0.03), [mp_distance(V, DP, 0.2, 2.0, 0.03)], 1e-13)
        agree(
            first_passage_probability(V, DP, 0.2, 2.0, 0.03), [mp_first_passage(V, DP, 0.2, 2.0, 0.03)], 1e-9
        )
        agree(spread(V, DP, 0.2, 2.0, 0.03), [mp_spread(V, DP, 0.2, 2.0, 0.03)], 1e-12)
        if V > DP:
            s = breakeven_volatility(V, DP, 0.01, 2.0)
            assert (
                abs(mp_distance(V, DP, s, 2.0, 0.0) + mp.sqrt(2) * mp.erfinv(2 * mp.mpf("0.01") - 1)) < 1e-9
            )
        one = mp.log(1 + mp.mpf(V) / mp.mpf(DP))
        sigma = naive_asset_volatility(V, DP, 0.4)
        twin = (one - mp.mpf(float(sigma)) ** 2 / 2) / mp.mpf(float(sigma))
        agree(naive_distance_to_default(V, DP, 0.4), [twin], 1e-12)


def mp_spread(V, F, sigma, T, r):
    with mp.workdps(700):
        V, F, sigma, T, r = exact((V, F, sigma, T, r))
        K, s = F * mp.exp(-r * T), sigma * mp.sqrt(T)
        d1 = mp.log(V / K) / s + s / 2
        return -mp.log((V * mp.ncdf(-d1) + K * mp.ncdf(d1 - s)) / K) / T


def test_without_a_volatility_to_speak_of_a_path_is_certain():
    # ln 1.2 = 0.182: a drift of -0.3 takes the assets below, none does not.
    np.testing.assert_array_equal(first_passage_probability(120.0, 100.0, 1e-200, 1.0, [0.0, -0.3]), [0, 1])


def test_linear_distance_where_a_product_overflows():
    assert linear_distance_to_default(1e308, 1e307, 5.0) == pytest.approx(0.18, rel=1e-15)
    assert default_probability(1e308, 1e307, 5.0, method="linear") == pytest.approx(float(mp.ncdf(-0.18)))


# ------------------------------------------------------------------------------------ shapes


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("block", [1, module.BLOCK])
def test_the_shape_is_that_of_all_arguments(method, block, monkeypatch):
    """Also of those that a method does not look at."""
    monkeypatch.setattr(module, "BLOCK", block)
    firms = [[120.0], [100.0], [0.25], [1.0, 2.0, 5.0], [[0.0], [0.1]]]
    pd = default_probability(*firms, method=method)
    assert pd.shape == (2, 3) and pd.flags.writeable
    for i, mu in enumerate((0.0, 0.1)):
        for j, T in enumerate((1.0, 2.0, 5.0)):
            assert pd[i, j] == default_probability(120.0, 100.0, 0.25, T, mu, method)
    assert default_probability(120.0, 100.0, 0.25, np.empty(0), method=method).shape == (0,)
    if method == "linear":
        # Crosbie and Bohn: (V - DP)/(V sigma) = 2/3, whatever horizon and drift.
        np.testing.assert_allclose(pd, np.full((2, 3), float(mp.ncdf(-mp.mpf(2) / 3))), rtol=1e-14)


def test_broadcasting():
    V, DP, sigma = np.array([[120.0], [150.0], [90.0]]), np.array([[100.0, 80.0]]), 0.2
    for function in (distance_to_default, first_passage_probability, default_probability):
        grid = function(V, DP, sigma)
        assert grid.shape == (3, 2)
        assert grid[1, 1] == function(150.0, 80.0, 0.2)
        assert function(120.0, 100.0, 0.2).shape == ()
        assert function(np.empty((0, 3)), 100.0, 0.2).shape == (0, 3)


@pytest.mark.parametrize("method", METHODS)
def test_blocks_change_nothing(method, monkeypatch):
    rng = np.random.default_rng(2)
    V, sigma = rng.uniform(50, 200, (41, 1)), rng.uniform(0.01, 1, (1, 13))
    T = rng.uniform(0.1, 5, (41, 13))
    whole = default_probability(V, 100.0, sigma, T, 0.03, method)
    monkeypatch.setattr(module, "BLOCK", 50)
    np.testing.assert_array_equal(default_probability(V, 100.0, sigma, T, 0.03, method), whole)


def test_arguments_are_not_changed():
    V = np.array([120.0, 90.0])
    default_probability(V, 100.0, 0.2)
    np.testing.assert_array_equal(V, [120.0, 90.0])


# -------------------------------------------------------------------------------------- laws

firm = st.tuples(st.floats(0.5, 3.0), st.floats(0.01, 1.5), st.floats(0.05, 20.0), st.floats(-0.2, 0.3))
laws = settings(deadline=None, max_examples=60)


@laws
@given(firm, st.integers(-60, 60), st.sampled_from([1e6, 1e-6, 1e12]))
def test_unit_of_money_does_not_matter(f, power, unit):
    cover, sigma, T, mu = f
    for method in METHODS:
        one = default_probability(cover, 1.0, sigma, T, mu, method)
        two = 2.0**power
        assert default_probability(cover * two, two, sigma, T, mu, method) == one
        assert default_probability(cover * unit, unit, sigma, T, mu, method) == pytest.approx(one, rel=1e-10)
    dd = distance_to_default(cover, 1.0, sigma, T, mu)
    assert distance_to_default(cover * unit, unit, sigma, T, mu) == pytest.approx(dd, rel=1e-12, abs=1e-12)
    issue = safe_issue(cover, 0.01, sigma, T, mu)
    assert safe_issue(cover * unit, 0.01, sigma, T, mu) == pytest.approx(issue * unit, rel=1e-12)


@laws
@given(firm, st.floats(1.001, 2.0))
def test_direction_of_each_argument(f, up):
    cover, sigma, T, mu = f
    for method in METHODS:
        pd = default_probability(cover, 1.0, sigma, T, mu, method)
        assert default_probability(cover * up, 1.0, sigma, T, mu, method) <= pd
        assert default_probability(cover, up, sigma, T, mu, method) >= pd
        assert default_probability(cover, 1.0, sigma, T, mu + 0.5 * (up - 1.0), method) <= pd
    # First passage rises with the horizon whatever the drift, the terminal PD need not.
    assert first_passage_probability(cover, 1.0, sigma, T * up, mu) >= first_passage_probability(
        cover, 1.0, sigma, T, mu
    ) * (1 - 1e-12)
    if cover > 1.0 and np.log(cover) + mu * T > 0.0:
        assert default_probability(cover, 1.0, sigma * up, T, mu) >= default_probability(
            cover, 1.0, sigma, T, mu
        )


@laws
@given(firm)
def test_anytime_is_never_less_than_terminal_nor_more_than_one(f):
    cover, sigma, T, mu = f
    terminal, anytime = (default_probability(cover, 1.0, sigma, T, mu, m) for m in ("terminal", "anytime"))
    assert terminal <= anytime * (1 + 1e-12) and anytime <= 1.0


@laws
@given(firm, st.floats(1e-9, 0.49))
def test_questions_turned_around_come_back(f, p):
    cover, sigma, T, mu = f
    issue = safe_issue(cover, p, sigma, T, mu)
    assert default_probability(cover, issue, sigma, T, mu) == pytest.approx(p, rel=1e-9)
    s = breakeven_volatility(cover, 1.0, p, T, mu)
    m = np.log(cover) + mu * T
    assert np.isnan(s) == (m <= 0.0)
    assume(not np.isnan(s) and 1e-6 < s <= 5.0)
    assert default_probability(cover, 1.0, s, T, mu) == pytest.approx(p, rel=1e-6)


# ----------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("function", "given", "message"),
    [
        (distance_to_default, (0.0, 100.0, 0.2), r"asset_value must be > 0 \(got 0\)"),
        (distance_to_default, (120.0, -1.0, 0.2), r"default_point must be > 0 \(got -1\)"),
        (default_probability, (120.0, 100.0, 25.0), r"volatility must be > 0 and <= 5 .*\(got 25\)"),
        (first_passage_probability, (120.0, 100.0, 0.2, 0.0), r"horizon must be > 0 .*\(got 0\)"),
        (distance_to_default, (120.0, 100.0, 0.2, 1.0, 3.0), r"drift must be between -1 and 1 .*\(got 3\)"),
        (linear_distance_to_default, (120.0, 100.0, 0.0), r"volatility must be > 0 .*\(got 0\)"),
        (default_point, (-1.0, 2.0), r"short_term must be >= 0 \(got -1\)"),
        (default_point, (1.0, 2.0, 50.0), r"weight must be between 0 and 1 \(got 50\)"),
        (safe_issue, (120.0, 0.0, 0.2), r"target_pd must be > 0 and < 1 .*\(got 0\)"),
        (breakeven_volatility, (120.0, 100.0, 1.0), r"target_pd must be > 0 and < 1 .*\(got 1\)"),
        (breakeven_volatility, (120.0, np.nan, 0.1), r"default_point must be > 0 \(got nan\)"),
    ],
)
def test_refusals(function, given, message):
    with pytest.raises(DomainError, match=f"^{message}$"):
        function(*given)


def test_unknown_method():
    with pytest.raises(
        InputError, match=r"^method must be one of terminal, anytime, linear \(got 'never'\)$"
    ):
        default_probability(120.0, 100.0, 0.2, method="never")


def test_shapes_that_do_not_broadcast():
    with pytest.raises(ValueError, match="broadcast"):
        distance_to_default([1.0, 2.0], [1.0, 2.0, 3.0], 0.2)
