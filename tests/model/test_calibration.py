"""Calibration: published values, slow twins, simulated series, and the cumulative trap."""

from __future__ import annotations

import itertools

import mpmath as mp
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlkmv.errors import ConvergenceError, DomainError, InputError
from xlkmv.model import merton
from xlkmv.model.calibration import (
    edf,
    fit_series,
    is_cumulative,
    naive_asset_volatility,
    naive_distance_to_default,
    rating,
    volatility_from_flows,
)


def test_bharath_shumway():
    assert naive_asset_volatility(3, 10, 0.8) == pytest.approx(0.376923077, abs=5e-10)
    distance = naive_distance_to_default(3, 10, 0.8, 1, 0.05)
    assert distance == pytest.approx(0.640259980, abs=5e-10)
    assert float(mp.ncdf(-float(distance))) == pytest.approx(0.261001797, abs=5e-10)


# --- series ---------------------------------------------------------------------------------


def series(seed, count=300, sigma=0.25, mu=0.08, start=140.0):
    rng = np.random.default_rng(seed)
    steps = rng.normal((mu - sigma**2 / 2) / 250, sigma / np.sqrt(250), count - 1)
    V = start * np.exp(np.concatenate([[0.0], np.cumsum(steps)]))
    return V, merton.equity(V, 100, sigma, 1, 0.03)[0]


def slow_log_likelihood(E, sigma, mu):
    """Duan's likelihood date by date in 30 digits, each asset value by its own root search."""
    with mp.workdps(30):
        sigma, mu, dt, r = mp.mpf(sigma), mp.mpf(mu), mp.mpf(1) / 250, mp.mpf(0.03)

        def d1(V):
            return mp.log(V / 100) / sigma + r / sigma + sigma / 2

        def call(V):
            return V * mp.ncdf(d1(V)) - 100 * mp.exp(-r) * mp.ncdf(d1(V) - sigma)

        V = [mp.findroot(lambda v, e=e: call(v) - e, float(e) + 97) for e in map(mp.mpf, map(float, E))]
        total = mp.mpf(0)
        for before, after in itertools.pairwise(V):
            z = mp.log(after / before) - (mu - sigma**2 / 2) * dt
            variance = sigma**2 * dt
            density = mp.exp(-(z**2) / (2 * variance)) / mp.sqrt(2 * mp.pi * variance)
            total += mp.log(density / (after * mp.ncdf(d1(after))))
        return total


def test_likelihood_maximum_and_standard_errors_against_a_slow_twin():
    _, E = series(0, 40)
    fit = fit_series(E, 100, 0.03)
    assert fit.converged
    s, m = fit.volatility, fit.drift
    hs, hm = 1e-3 * s, 1e-2
    L = {(i, j): slow_log_likelihood(E, s + i * hs, m + j * hm) for i in (-1, 0, 1) for j in (-1, 0, 1)}
    assert fit.log_likelihood == pytest.approx(float(L[0, 0]), abs=1e-8)
    # A stationary point in both directions ...
    assert abs(float((L[1, 0] - L[-1, 0]) / (2 * hs))) * fit.volatility_error < 1e-3
    assert abs(float((L[0, 1] - L[0, -1]) / (2 * hm))) * fit.drift_error < 1e-6
    # ... where the inverse of minus the Hessian gives the standard errors.
    hessian = np.array(
        [
            [(L[1, 0] - 2 * L[0, 0] + L[-1, 0]) / hs**2, 0],
            [0, (L[0, 1] - 2 * L[0, 0] + L[0, -1]) / hm**2],
        ],
        dtype=float,
    )
    hessian[0, 1] = hessian[1, 0] = (L[1, 1] - L[1, -1] - L[-1, 1] + L[-1, -1]) / (4 * hs * hm)
    covariance = np.linalg.inv(-hessian)
    errors = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose([fit.volatility_error, fit.drift_error], errors, rtol=1e-4)
    assert fit.distance_error == pytest.approx(slow_distance_error(E[-1], s, m, covariance), rel=1e-4)


def slow_distance_error(E, sigma, mu, covariance):
    """By the delta method: differences of the distance, its asset value found anew, in 30 digits."""
    with mp.workdps(30):

        def distance(sigma, mu):
            def call(V):
                d1 = (mp.log(V / 100) + mp.mpf(0.03) + sigma**2 / 2) / sigma
                return V * mp.ncdf(d1) - 100 * mp.exp(-mp.mpf(0.03)) * mp.ncdf(d1 - sigma)

            V = mp.findroot(lambda v: call(v) - mp.mpf(float(E)), float(E) + 97)
            return (mp.log(V / 100) + mu - sigma**2 / 2) / sigma

        slope = np.array(
            [
                float(mp.diff(lambda s: distance(s, mp.mpf(mu)), mp.mpf(sigma), h=mp.mpf(10) ** -9)),
                float(mp.diff(lambda m: distance(mp.mpf(sigma), m), mp.mpf(mu), h=mp.mpf(10) ** -9)),
            ]
        )
    return np.sqrt(slope @ covariance @ slope)


def test_iterative_errors_are_those_of_the_mean_and_the_deviation_of_normal_returns():
    # Independent: Var s^2 = 2 s^4 / m, Var mean = s^2 dt / m; drift = mean / dt + s^2 / 2. Yearly, so that
    # the second part of the drift's variance shows.
    E = merton.equity(100 * np.exp([0.5, 1.1, 0.2, 0.9, 0.4, 1.3]), 100, 0.9, 1, 0.03)[0]
    fit = fit_series(E, 100, 0.03, periods_per_year=1, method="iterative")
    s, m = fit.volatility, 5
    assert fit.volatility_error == pytest.approx(s / np.sqrt(2 * m), rel=1e-12)
    covariance = np.array([[s**2 / (2 * m), s**3 / (2 * m)], [s**3 / (2 * m), s**2 / m + s**4 / (2 * m)]])
    assert fit.drift_error == pytest.approx(np.sqrt(covariance[1, 1]), rel=1e-12)
    assert fit.distance_error == pytest.approx(slow_distance_error(E[-1], s, fit.drift, covariance), rel=1e-9)


@pytest.mark.parametrize("method", ["mle", "iterative"])
def test_series_recovers_what_made_it(method):
    V, E = series(1, 1500)
    fit = fit_series(E, 100, 0.03, method=method)
    assert fit.converged
    assert abs(fit.volatility - 0.25) < 4 * fit.volatility_error
    assert abs(fit.drift - 0.08) < 4 * fit.drift_error
    # The drift is barely identified: its error is about sigma / sqrt(years).
    assert fit.drift_error == pytest.approx(fit.volatility / np.sqrt(1499 / 250), rel=0.02)
    np.testing.assert_allclose(fit.asset_values, V, rtol=0.02)
    back = merton.equity(fit.asset_values, 100, fit.volatility, 1, 0.03)[0]
    np.testing.assert_allclose(back, E, rtol=1e-10)


def test_iterative_fit_is_a_fixed_point():
    _, E = series(2)
    fit = fit_series(E, 100, 0.03, method="iterative")
    returns = np.diff(np.log(fit.asset_values))
    assert returns.std(ddof=1) * np.sqrt(250) == pytest.approx(fit.volatility, abs=1e-6)
    assert fit.drift == pytest.approx(returns.mean() * 250 + fit.volatility**2 / 2, abs=1e-12)


def test_unit_of_money_does_not_matter_and_rates_may_differ_by_date():
    _, E = series(3, 60)
    one, other = fit_series(E, 100, 0.03), fit_series(E * 1e6, 1e8, np.full(60, 0.03))
    assert other.volatility == pytest.approx(one.volatility, rel=1e-9)
    assert other.distance_to_default == pytest.approx(one.distance_to_default, rel=1e-9)
    assert other.asset_value_error == pytest.approx(1e6 * one.asset_value_error, rel=1e-5)


def test_a_series_is_put_in_the_order_of_its_dates():
    rng = np.random.default_rng(3)
    equity = 3.0 * np.exp(np.cumsum(0.02 * rng.standard_normal(60)))
    days = pd.bdate_range("2024-01-01", periods=60)
    debt = pd.Series(np.linspace(9.0, 11.0, 60), index=days)
    newest_first = pd.Series(equity, index=days)[::-1]
    expected = fit_series(equity, debt.to_numpy(), 0.05)
    for shuffled in (debt, debt.sample(frac=1.0, random_state=1)):
        found = fit_series(newest_first, shuffled, 0.05)
        assert (found.volatility, found.drift) == (expected.volatility, expected.drift)
        assert found.distance_to_default == expected.distance_to_default
    with pytest.raises(InputError, match=r"default_point must have a value for every date of equity_values"):
        fit_series(newest_first, debt[1:], 0.05)
    with pytest.raises(InputError, match="must have every date of its index once"):
        fit_series(pd.concat([newest_first, newest_first[:1]]), 10.0)


def test_series_refusals():
    with pytest.raises(InputError, match="must move"):
        fit_series([50, 50, 50, 50], 100)
    with pytest.raises(InputError, match="at least 3"):
        fit_series([50, 51], 100)
    with pytest.raises(InputError, match="one per date"):
        fit_series([50, 51, 52], [100, 100])
    with pytest.raises(InputError, match="method"):
        fit_series([50, 51, 52], 100, method="guess")
    with pytest.raises(DomainError, match="equity_values"):
        fit_series([50, -1, 52], 100)
    with pytest.raises(ConvergenceError, match="no information"):
        fit_series([1e-295, 1.1e-295, 1e-295], 100)


# --- flows ----------------------------------------------------------------------------------


def test_volatility_of_flows_by_hand():
    got = volatility_from_flows([100, 110, 99], periods_per_year=4)
    x = [np.log(1.1), np.log(0.9)]
    sd = abs(x[0] - x[1]) / np.sqrt(2)
    assert got.volatility == pytest.approx(2 * sd)
    assert got.drift == pytest.approx(4 * sum(x) / 2 + got.volatility**2 / 2)
    assert got.volatility_error == pytest.approx(got.volatility / np.sqrt(2))
    assert got.changes == 2


def test_volatility_against_plan():
    got = volatility_from_flows([95, 105, 100, 90], 4, [100, 100, 100, 100])
    x = np.log([0.95, 1.05, 1.0, 0.9])
    assert got.volatility == pytest.approx(2 * np.std(x, ddof=1))
    assert got.changes == 4
    with pytest.raises(InputError, match="plan must have as many"):
        volatility_from_flows([95, 105], 4, [100, 100, 100])


def test_volatility_recovers_a_lognormal_path():
    rng = np.random.default_rng(4)
    C = 100 * np.exp(np.cumsum(rng.normal((0.1 - 0.02) / 12, 0.2 / np.sqrt(12), 4000)))
    got = volatility_from_flows(C, 12)
    assert abs(got.volatility - 0.2) < 4 * got.volatility_error
    assert abs(got.drift - 0.1) < 4 * got.drift_error


@pytest.mark.parametrize("count", [3, 4, 6, 12, 40])
@pytest.mark.parametrize("payment", [1.0, 27_811_007.69])
def test_running_total_of_equal_payments_is_refused(count, payment):
    total = payment * np.arange(1, count + 1)
    with pytest.raises(InputError, match="not a cumulative total"):
        volatility_from_flows(total, 4)


def test_the_trap_it_refuses_is_the_published_one():
    # Twelve equal payments, added up: sd of log increments 0.1823541 a quarter, 36 % a year.
    assert np.std(np.diff(np.log(np.arange(1, 13))), ddof=1) == pytest.approx(0.1823541, abs=1e-7)
    assert is_cumulative(np.arange(1, 13))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(0.8, 1.25), min_size=8, max_size=40))
def test_running_total_of_uneven_payments_is_found(payments):
    assert is_cumulative(np.cumsum(payments))


@pytest.mark.parametrize(
    "flows",
    [
        [100, 110, 120, 130],
        [100.0] * 12,
        [100.0] * 9 + [105.0] * 3,
        [100, 90, 95, 130, 140, 150],
        [100, 104],
    ],
)
def test_period_flows_that_rise_are_not_refused(flows):
    assert not is_cumulative(flows)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**6), st.integers(5, 40), st.floats(0.01, 0.4), st.floats(-0.05, 0.0))
def test_noisy_flows_are_hardly_ever_refused(seed, count, noise, growth):
    rng = np.random.default_rng(seed)
    hits = sum(
        is_cumulative(np.exp(growth * np.arange(count) + noise * rng.standard_normal(count)))
        for _ in range(20)
    )
    assert hits <= 1


def test_a_quarter_of_the_first_value_is_a_step_where_six_values_tell_it_from_chance():
    # Steps of 0.3, 0.3, 0.3, 0.05 and 0.04 of the first value; five values must step by half of it.
    assert is_cumulative([100, 130, 160, 190, 195, 199])
    assert not is_cumulative([100, 130, 160, 190, 195])
    assert is_cumulative([100, 150, 200, 250, 260])


@pytest.mark.parametrize(
    "total", [[1, 2, 3, 4, 20], [100, 110, 120, 130, 140, 150], 27.8 * np.arange(20, 32)]
)
def test_other_running_totals_are_refused(total):
    """With a balloon at the end; not from closing."""
    with pytest.raises(InputError, match="not a cumulative total"):
        volatility_from_flows(total, 4)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(0.5, 2.0), min_size=6, max_size=30), st.floats(0.0, 100.0))
def test_running_totals_from_any_date_are_refused(payments, before):
    total = before + np.cumsum(payments)
    for plan in (None, np.full(total.size, 1.0)):
        with pytest.raises(InputError, match="not a cumulative total"):
            volatility_from_flows(total, 4, plan)


def test_a_ramp_that_follows_its_plan_is_no_total():
    actual, plan = [10, 20, 28, 34, 38, 40], [10, 21, 27, 35, 37, 41]
    got = volatility_from_flows(actual, 4, plan)
    assert got.volatility == pytest.approx(2 * np.std(np.log(np.divide(actual, plan)), ddof=1), rel=1e-12)
    assert is_cumulative(actual) and not is_cumulative(actual, plan)


@pytest.mark.parametrize(("last", "total"), [(26.6, True), (26.7, False)])
def test_a_total_is_a_multiple_of_the_plan_of_its_last_period(last, total):
    actual, plan = [10, 20, 28, 34, 38, 40], [10, 20, 25, 26, 26.5, last]  # 40/1.5 = 26.67
    assert is_cumulative(actual, plan) is total
    if total:
        with pytest.raises(InputError, match="not a cumulative total"):
            volatility_from_flows(actual, 4, plan)
    else:
        assert volatility_from_flows(actual, 4, plan).changes == 6


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.floats(1.0, 100.0), st.floats(0.8, 1.25)), min_size=2, max_size=30), st.booleans()
)
def test_flows_around_a_plan_are_never_refused(drawn, ramp):
    plan, moved = np.array(drawn).T
    if ramp:
        plan = np.sort(plan)
    assert volatility_from_flows(plan * moved, 4, plan).changes == len(drawn)


# --- maps -----------------------------------------------------------------------------------


def test_edf_interpolates_in_log_pd():
    table = [4, 1, 2], [0.001, 0.1, 0.02]  # any order
    assert edf(1.5, *table) == pytest.approx(np.sqrt(0.1 * 0.02))
    assert edf(3, *table) == pytest.approx(np.sqrt(0.02 * 0.001))
    np.testing.assert_allclose(edf([0, 1, 2, 4, 9], *table), [0.1, 0.1, 0.02, 0.001, 0.001])
    values = edf(np.linspace(0, 6, 200), *table)
    assert (np.diff(values) <= 0).all()
    with pytest.raises(InputError, match="do not rise"):
        edf(1, [1, 2], [0.01, 0.02])
    with pytest.raises(InputError, match="different distances"):
        edf(1, [1, 1], [0.02, 0.01])
    with pytest.raises(DomainError, match="mapping_pd"):
        edf(1, [1, 2], [0.02, 0.0])


def test_rating_takes_the_best_grade_that_allows_the_pd():
    scale = ["AAA", "BBB", "C"], [0.001, 0.03, 0.2]
    assert rating(0.001, *scale) == "AAA"
    assert rating([[0.0], [0.0010001], [0.03], [0.2], [0.9]], *scale).ravel().tolist() == [
        "AAA", "BBB", "BBB", "C", "C",
    ]  # fmt: skip
    with pytest.raises(InputError, match="rise"):
        rating(0.1, ["A", "B"], [0.2, 0.1])
    with pytest.raises(DomainError, match="pd"):
        rating(2, *scale)


def test_text_dates_that_do_not_sort_as_dates_are_refused():
    days = pd.date_range("2024-01-29", periods=40, freq="D")
    values = pd.Series(np.exp(0.01 * np.sin(np.arange(40.0))) * 100.0, index=days)
    truth = fit_series(values, 80.0)
    iso = values.set_axis(days.strftime("%Y-%m-%d"))
    assert fit_series(iso[::-1], 80.0).volatility == pytest.approx(truth.volatility)
    with pytest.raises(InputError, match=r"equity_values must have dates in its index, or text such as"):
        fit_series(values.set_axis(days.strftime("%d.%m.%Y")), 80.0)
