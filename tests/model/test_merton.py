"""The firm: published examples, 50-digit arithmetic, laws, and the edges of double precision."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlkmv.errors import ConvergenceError, DomainError, InputError
from xlkmv.model import merton

EPS = np.finfo(float).eps


# --- a slow twin in 50 digits ---------------------------------------------------------------


def exact(V, F, sigma, T, r):
    """Equity, equity volatility, guarantee, spread, recovery: textbook formulas in 50 digits."""
    with mp.workdps(50):
        V, F, sigma, T, r = (mp.mpf(float(a)) for a in (V, F, sigma, T, r))
        s = sigma * mp.sqrt(T)
        d1 = (mp.log(V / F) + (r + sigma**2 / 2) * T) / s
        d2 = d1 - s

        def cdf(z):
            return mp.erfc(-z / mp.sqrt(2)) / 2

        K = F * mp.exp(-r * T)
        E = V * cdf(d1) - K * cdf(d2)
        P = K * cdf(-d2) - V * cdf(-d1)
        return {
            "E": E,
            "sigma_E": sigma * V * cdf(d1) / E,
            "P": P,
            "D": K - P,
            "spread": -mp.log1p(-P / K) / T,
            "recovery": V / K * cdf(-d1) / cdf(-d2),
        }


def firms(count, seed):
    """Draws over the range that the model promises, equity not below 1e-280 of the assets."""
    rng = np.random.default_rng(seed)
    V = 10 ** rng.uniform(-6, 9, count)
    F = V * np.exp(rng.uniform(np.log(0.01), np.log(2), count))
    sigma = np.exp(rng.uniform(np.log(0.005), np.log(1.5), count))
    T = np.exp(rng.uniform(np.log(1 / 12), np.log(30), count))
    r = rng.uniform(-0.02, 0.15, count)
    E, sigma_E = merton.equity(V, F, sigma, T, r)
    keep = (E > 1e-280 * V) & (sigma_E < 20)
    return tuple(a[keep] for a in (V, F, sigma, T, r, E, sigma_E))


# --- published ------------------------------------------------------------------------------


def test_hull_example():
    # Hull, Options, Futures and Other Derivatives, the Merton example; digits by 40-digit arithmetic.
    V, sigma = merton.assets(3, 10, 0.8, 1, 0.05)
    assert pytest.approx(12.3953871886, abs=5e-11) == V
    assert sigma == pytest.approx(0.212304713423, abs=5e-13)
    assert merton.debt_value(V, 10, sigma, 1, 0.05) == pytest.approx(9.395387, abs=5e-7)
    assert merton.spread(V, 10, sigma, 1, 0.05) == pytest.approx(0.012366, abs=5e-7)
    assert merton.expected_recovery(V, 10, sigma, 1, 0.05) == pytest.approx(0.9032, abs=5e-5)


# MathWorks, Risk Management Toolbox, mertonmodel: E, sigma_E, F, drift, PD, DD, V, sigma.
MATHWORKS = np.array(
    [
        [2.6406e7, 0.7103, 4e7, 0.0306, 0.0638, 1.5237, 6.4210e7, 0.3010],
        [2.6817e7, 0.3929, 3.5e7, 0.0300, 0.0008, 3.1679, 6.0109e7, 0.1753],
        [3.977e7, 0.3121, 3.5e7, 0.0310, 0.0000, 4.4298, 7.3063e7, 0.1699],
        [2.947e7, 0.4595, 3.2e7, 0.0302, 0.0026, 2.7916, 5.9906e7, 0.2263],
        [2.528e7, 0.6181, 4e7, 0.0305, 0.0344, 1.8196, 6.3231e7, 0.2511],
    ]
)


def test_mathworks_example():
    E, sigma_E, F, mu, PD, DD, V, sigma = MATHWORKS.T
    answer = merton.invert(E, F, sigma_E, 1, 0.05)
    assert answer.converged.all()
    # The inputs are printed with four or five digits.
    np.testing.assert_allclose(answer.asset_value, V, rtol=2e-5)
    np.testing.assert_allclose(answer.volatility, sigma, atol=1.01e-4)
    distance = (np.log(answer.asset_value / F) + mu - answer.volatility**2 / 2) / answer.volatility
    np.testing.assert_allclose(distance, DD, atol=2e-3)
    np.testing.assert_allclose([float(mp.ncdf(-d)) for d in distance], PD, atol=1.01e-4)


# V, sigma, F, r, T, E, sigma_E by 40-digit arithmetic.
ROUND_TRIPS = [
    (140, 0.25, 100, 0.05, 1, 45.6336337095747, 0.730645009466743),
    (110, 0.01, 100, 0.03, 1, 12.9554466451492, 0.0849063741397033),
    (100, 0.02, 99, 0.03, 0.25, 1.75555611113901, 1.09458072889368),
    (60, 0.15, 100, 0.02, 1, 0.00162267026237914, 3.84873140908192),
    (140, 0.25, 100, -0.01, 1, 40.3244017817855, 0.801795259833825),
]


@pytest.mark.parametrize(("V", "sigma", "F", "r", "T", "E", "sigma_E"), ROUND_TRIPS)
def test_published_round_trips(V, sigma, F, r, T, E, sigma_E):
    value, vol = merton.equity(V, F, sigma, T, r)
    assert value == pytest.approx(E, rel=5e-13)
    assert vol == pytest.approx(sigma_E, rel=5e-13)
    back, back_sigma = merton.assets(E, F, sigma_E, T, r)
    assert back == pytest.approx(V, rel=1e-12)
    assert back_sigma == pytest.approx(sigma, rel=1e-11)


# --- against 50 digits ----------------------------------------------------------------------


def test_forward_and_debt_against_50_digits():
    V, F, sigma, T, r, E, sigma_E = firms(400, 1)
    P = merton.guarantee_value(V, F, sigma, T, r)
    D = merton.debt_value(V, F, sigma, T, r)
    spread = merton.spread(V, F, sigma, T, r)
    recovery = merton.expected_recovery(V, F, sigma, T, r)
    s = sigma * np.sqrt(T)
    d1 = (np.log(V / F) + r * T) / s + s / 2
    for i in range(V.size):
        twin = exact(V[i], F[i], sigma[i], T[i], r[i])
        # x = ln(V/K) is rounded: relative errors grow with the elasticity to x and with 1/s.
        noise = 20 * EPS * (1 + abs(d1[i])) * (1 + abs(d1[i]) / s[i] + 1 / s[i])
        assert float(abs(E[i] / twin["E"] - 1)) < noise
        assert float(abs(sigma_E[i] / twin["sigma_E"] - 1)) < noise
        assert float(abs(D[i] / twin["D"] - 1)) < 20 * EPS
        if twin["P"] > twin["D"] * mp.mpf(10) ** -280:
            assert float(abs(P[i] / twin["P"] - 1)) < noise
            assert float(abs(recovery[i] / twin["recovery"] - 1)) < noise
            # A spread of the debt: absolute 1e-16/T from rT, else as accurate as the guarantee.
            assert float(abs(spread[i] - twin["spread"])) < noise * float(twin["spread"]) + 1e-290


def test_inversion_against_50_digits():
    # Equity and its volatility are rounded to double from 50 digits; the inversion may lose no
    # more than the condition number of that rounding.
    V, F, sigma, T, r, *_ = firms(300, 2)
    twins = [exact(*row) for row in zip(V, F, sigma, T, r, strict=True)]
    E = np.array([float(t["E"]) for t in twins])
    sigma_E = np.array([float(t["sigma_E"]) for t in twins])
    keep = sigma_E < 20
    V, F, sigma, T, r, E, sigma_E = (a[keep] for a in (V, F, sigma, T, r, E, sigma_E))
    answer = merton.invert(E, F, sigma_E, T, r)
    assert answer.converged.all()
    value_condition, vol_condition = merton.condition_number(V, F, sigma, T, r)
    # Inside, two Mills functions that agree to sigma_E/sigma digits are subtracted.
    inner = 1 + sigma_E / sigma * (np.abs(np.log(V / F) + r * T) / (sigma * np.sqrt(T)) < 40)
    assert (np.abs(answer.asset_value / V - 1) < 8 * EPS * (1 + value_condition * inner)).all()
    assert (np.abs(answer.volatility / sigma - 1) < 8 * EPS * (1 + vol_condition * inner)).all()


def test_round_trip_over_the_whole_range():
    V, F, sigma, T, r, E, sigma_E = firms(40_000, 3)
    answer = merton.invert(E, F, sigma_E, T, r)
    assert answer.converged.all()
    assert np.abs(answer.asset_value / V - 1).max() < 1e-8
    assert np.abs(answer.volatility / sigma - 1).max() < 1e-6
    assert answer.residual.max() < 1e-10
    assert answer.iterations.max() <= 6
    assert answer.iterations.mean() < 2.0


def test_condition_number_is_that_of_the_inverse_jacobian():
    V, F, sigma, T, r = 100.0, 90.0, 0.2, 2.0, 0.03
    with mp.workdps(50):

        def logs(x, y):
            twin = exact_mp(mp.exp(x), F, mp.exp(y), T, r)
            return mp.log(twin[0]), mp.log(twin[1])

        at = (mp.log(V), mp.log(mp.mpf(sigma)))
        J = mp.matrix(2, 2)
        for i in range(2):
            for j in range(2):
                order = (1, 0) if j == 0 else (0, 1)
                J[i, j] = mp.diff(lambda x, y, i=i: logs(x, y)[i], at, order)
        inverse = J**-1
        expected = [float(abs(inverse[i, 0]) + abs(inverse[i, 1])) for i in range(2)]
    np.testing.assert_allclose(merton.condition_number(V, F, sigma, T, r), expected, rtol=1e-11)


def exact_mp(V, F, sigma, T, r):
    s = sigma * mp.sqrt(T)
    d1 = (mp.log(V / F) + (r + sigma**2 / 2) * T) / s
    E = V * mp.ncdf(d1) - F * mp.exp(-mp.mpf(r) * T) * mp.ncdf(d1 - s)
    return E, sigma * V * mp.ncdf(d1) / E


# --- laws -----------------------------------------------------------------------------------

leverage = st.floats(0.01, 2.0)
volatility = st.floats(0.005, 1.5)
horizon = st.floats(1 / 12, 30.0)
rate = st.floats(-0.02, 0.15)


@settings(max_examples=150, deadline=None)
@given(leverage, volatility, horizon, rate, st.integers(-20, 30))
def test_powers_of_two_change_no_bit(F, sigma, T, r, power):
    E, sigma_E = merton.equity(1.0, F, sigma, T, r)
    if not (E > 1e-250 and sigma_E < 20):
        return
    unit = 2.0**power
    one, other = merton.invert(E, F, sigma_E, T, r), merton.invert(E * unit, F * unit, sigma_E, T, r)
    assert other.volatility == one.volatility
    assert other.asset_value == one.asset_value * unit
    assert merton.equity(unit, F * unit, sigma, T, r)[0] == E * unit
    assert merton.spread(unit, F * unit, sigma, T, r) == merton.spread(1.0, F, sigma, T, r)


@settings(max_examples=150, deadline=None)
@given(st.floats(0.05, 1.1), st.floats(0.05, 1.0), st.floats(0.25, 10), rate, st.floats(1e-6, 1e9))
def test_any_unit_changes_only_the_last_bits(F, sigma, T, r, unit):
    E, sigma_E = merton.equity(1.0, F, sigma, T, r)
    if not (E > 1e-6 and sigma_E < 20):
        return
    one, other = merton.invert(E, F, sigma_E, T, r), merton.invert(E * unit, F * unit, sigma_E, T, r)
    bound = 50 * EPS * (1 + float(merton.condition_number(1.0, F, sigma, T, r)[1])) * (sigma_E / sigma)
    assert abs(other.volatility / one.volatility - 1) < bound
    assert abs(other.asset_value / (one.asset_value * unit) - 1) < bound


@settings(max_examples=150, deadline=None)
@given(leverage, volatility, horizon, rate)
def test_bounds_and_parity(F, sigma, T, r):
    E, sigma_E = merton.equity(1.0, F, sigma, T, r)
    K = F * np.exp(-r * T)
    P = merton.guarantee_value(1.0, F, sigma, T, r)
    assert max(1 - K, 0) * (1 - 1e-12) - 1e-15 <= E <= 1
    assert pytest.approx(1 - K, abs=1e-13 * max(1, K)) == E - P  # put-call parity
    if E > 0:
        assert sigma_E >= sigma * (1 - 1e-12)
    assert 0 <= merton.expected_recovery(1.0, F, sigma, T, r) <= 1
    assert merton.spread(1.0, F, sigma, T, r) >= 0


@settings(max_examples=100, deadline=None)
@given(st.floats(0.5, 1.2), st.floats(0.2, 1.0), st.floats(0.25, 10), rate)
def test_monotone_in_assets_and_volatility(F, sigma, T, r):
    E = merton.equity(np.array([1.0, 1.01]), F, sigma, T, r)[0]
    assert E[1] > E[0]
    P = merton.guarantee_value(1.0, F, np.array([sigma, sigma * 1.02]), T, r)
    assert P[1] > P[0]
    spread = merton.spread(np.array([1.0, 0.98]), F, sigma, T, r)
    assert spread[1] > spread[0]


@settings(max_examples=200, deadline=None)
@given(st.floats(1e-5, 1e6), st.floats(1e-3, 19.9), horizon, rate)
def test_any_equity_is_answered_or_refused(E, sigma_E, T, r):
    # Also pairs that no draw of assets has made.
    answer = merton.invert(E, 1.0, sigma_E, T, r)
    if answer.converged:
        value, vol = merton.equity(answer.asset_value, 1.0, answer.volatility, T, r)
        assert value == pytest.approx(E, rel=1e-9)
        assert vol == pytest.approx(sigma_E, rel=1e-9)
        assert answer.error() is None
    else:
        assert np.isnan(answer.asset_value) and np.isnan(answer.volatility)
        assert answer.error() is not None


@settings(max_examples=100, deadline=None)
@given(leverage, volatility, horizon, rate)
def test_asset_value_at_known_volatility(F, sigma, T, r):
    E, sigma_E = merton.equity(1.0, F, sigma, T, r)
    if not (E > 1e-250 and sigma_E < 20):
        return
    assert merton.asset_value_at_volatility(E, F, sigma, T, r) == pytest.approx(1.0, abs=1e-11)


# --- shapes, blocks, errors -----------------------------------------------------------------


def test_broadcast_and_blocks_agree_with_single_calls():
    V, F, _sigma, T, r, E, sigma_E = firms(20_000, 4)
    whole = merton.invert(E, F, sigma_E, T, r)
    for i in (0, 8191, 8192, V.size - 1):
        one = merton.invert(E[i], F[i], sigma_E[i], T[i], r[i])
        assert one.asset_value == pytest.approx(whole.asset_value[i], rel=1e-12)
        assert one.volatility.shape == ()
    grid = merton.invert(np.array([[3.0], [4.0]]), 10, [0.5, 0.8, 0.9], 1, 0.05)
    assert grid.asset_value.shape == (2, 3)
    assert grid.volatility[0, 1] == pytest.approx(0.212304713423, abs=5e-13)
    empty = merton.invert(np.array([]), 10.0, 0.5)
    assert empty.asset_value.shape == (0,)


@pytest.mark.parametrize("sigma_E", [25, 80, 19.5])
def test_percentage_typed_as_whole_number(sigma_E):
    with pytest.raises(DomainError, match=r"equity_volatility must be .*decimal.*0\.25 means 25 %.*got"):
        merton.assets(3, 10, sigma_E, 1, 0.05)


def test_equity_without_information():
    # Equity underflows: assets half of what is due, half a percent of volatility, one month.
    E, sigma_E = merton.equity(1.0, 2.0, 0.005, 1 / 12)
    assert E == 0.0 and np.isnan(sigma_E)
    with pytest.raises(ConvergenceError, match="no information"):
        merton.assets(1e-295, 1.0, 0.5)
    with pytest.raises(ConvergenceError, match="no information"):
        merton.assets(1e-12, 1.0, 0.01)


def test_one_bad_row_spares_the_others():
    answer = merton.invert([3, 3, 1e-300], 10, [0.8, 19.5, 0.8], 1, 0.05)
    assert answer.converged.tolist() == [True, False, False]
    assert answer.asset_value[0] == pytest.approx(12.3953871886, abs=5e-11)
    assert np.isnan(answer.asset_value[1:]).all() and np.isnan(answer.volatility[1:]).all()
    assert answer.error(0) is None
    assert isinstance(answer.error(1), DomainError) and "19.5" in str(answer.error(1))
    assert isinstance(answer.error(2), ConvergenceError)


REFUSED = [
    ((0, 10, 0.5), "equity"),
    ((3, -1, 0.5), "default_point"),
    ((3, 10, 0), "equity_volatility"),
    ((3, 10, float("nan")), "equity_volatility"),
    ((3, 10, 0.5, 0), "horizon"),
    ((3, 10, 0.5, 1, 5), "rate"),
]


@pytest.mark.parametrize(("args", "name"), REFUSED)
def test_a_row_that_breaks_a_rule_spares_the_others_and_is_named(args, name):
    good = (3.0, 10.0, 0.8, 1.0, 0.05)
    rows = [np.full(4, x) for x in good]
    for row, bad in zip(rows, args, strict=False):
        row[2] = bad
    found, alone = merton.invert(*rows), merton.invert(*good)
    assert found.converged.tolist() == [True, True, False, True]
    np.testing.assert_array_equal(found.asset_value[[0, 1, 3]], alone.asset_value)
    assert np.isnan(found.asset_value[2]) and np.isnan(found.volatility[2]) and np.isnan(found.residual[2])
    assert found.error(2).argument == name and found.error(0) is None
    with pytest.raises(DomainError, match=rf"^{name} \[2\] must be"):
        found.raise_first()


@pytest.mark.parametrize(("args", "name"), [*REFUSED, (("x", 10, 0.5), "equity")])
def test_inputs_are_refused_by_name(args, name):
    with pytest.raises(InputError) as caught:
        merton.invert(*args)
    assert caught.value.argument == name
