"""A firm without a price: worked by hand, simulated industries of known truth, laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr, stdtrit

from xlkmv.errors import DomainError, InputError
from xlkmv.model.private import MIN_PEERS_FOR_SIZE, Peers, private_firm

# Multiples 8, 10, 12, 9, 11: median 10. Volatilities: median 0.25.
FIVE = Peers([800, 1000, 1200, 900, 1100], [100] * 5, [0.20, 0.25, 0.30, 0.22, 0.28])


def test_five_peers_by_hand():
    firm = private_firm(50.0, 100.0, 300.0, FIVE)
    assert firm.asset_value == pytest.approx(500.0, rel=1e-14)  # 50 x 10
    assert firm.default_point == pytest.approx(250.0, rel=1e-14)  # 100 + 300/2
    assert firm.volatility == pytest.approx(0.25, rel=1e-14)
    distance = (np.log(2.0) - 0.03125) / 0.25
    assert firm.distance == pytest.approx(distance, rel=1e-12)
    assert firm.pd == pytest.approx(ndtr(-distance), rel=1e-12)
    # Median absolute deviations: of ln(multiple/10) those of 0.9 and 1.1, of ln(sigma/0.25) ln(0.28/0.25).
    # |ln| sorted: 0, .0953, .1054, .1823, .2231 and 0, .1133, .1278, .1823, .2231; the third is the median.
    of_one = np.sqrt(1.0 + np.pi / 10.0) / 0.6744897501960817
    assert firm.multiple_spread == pytest.approx(-np.log(0.9) * of_one, rel=1e-12)
    assert firm.volatility_spread == pytest.approx(np.log(0.25 / 0.22) * of_one, rel=1e-12)
    error = np.hypot(firm.multiple_spread / 0.25, firm.volatility_spread * (distance + 0.25))
    assert firm.distance_error == pytest.approx(error, rel=1e-12)
    assert firm.high == pytest.approx(ndtr(-distance + stdtrit(4, 0.95) * error), rel=1e-12)
    assert firm.low == pytest.approx(ndtr(-distance - stdtrit(4, 0.95) * error), rel=1e-12)
    # Of 1 for the firm itself and pi/10 for the median of five, the latter is that of the next firm, too.
    assert firm.shared == pytest.approx(1.0 - 1.0 / (1.0 + np.pi / 10.0), rel=1e-12)


def test_both_conventions_and_the_users_map():
    linear = private_firm(50.0, 100.0, 300.0, FIVE, convention="linear")
    assert linear.distance == pytest.approx((500.0 - 250.0) / (500.0 * 0.25), rel=1e-12)
    mapped = private_firm(50.0, 100.0, 300.0, FIVE, convention="linear", mapping=([1.0, 3.0], [0.04, 0.01]))
    assert mapped.pd == pytest.approx(0.02, rel=1e-12)  # half way, in logs
    assert mapped.low == pytest.approx(0.01, rel=1e-12)  # the map ends there


def test_distance_error_is_the_slope_of_the_distance():
    for convention in ("log", "linear"):
        way = {"convention": convention, "horizon": 2.0, "drift": 0.03}
        firm = private_firm(50.0, 100.0, 300.0, FIVE, **way)
        h = 1e-6
        more = Peers(FIVE.asset_value, FIVE.earnings * np.exp(-h), FIVE.volatility)
        wilder = Peers(FIVE.asset_value, FIVE.earnings, FIVE.volatility * np.exp(h))
        slopes = [
            (private_firm(50.0, 100.0, 300.0, peers, **way).distance - firm.distance) / h
            for peers in (more, wilder)
        ]
        error = np.hypot(slopes[0] * firm.multiple_spread, slopes[1] * firm.volatility_spread)
        assert firm.distance_error == pytest.approx(error, rel=1e-5)


def test_volatility_follows_size_from_enough_peers_on():
    size = np.array([10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 3e4])
    assert size.size == MIN_PEERS_FOR_SIZE
    peers = Peers(size, size / 10.0, 0.5 * size**-0.1)
    firms = private_firm([5.0, 200.0, 1e6, 0.01], 10.0, 0.0, peers)
    assert firms.size_slope == pytest.approx(-0.1, rel=1e-12)
    assert firms.volatility[:2] == pytest.approx(0.5 * np.array([50.0, 2000.0]) ** -0.1, rel=1e-12)
    # No further than the largest and the smallest peer.
    assert firms.volatility[2:] == pytest.approx(0.5 * np.array([3e4, 10.0]) ** -0.1, rel=1e-12)
    few = Peers(size[:7], size[:7] / 10.0, 0.5 * size[:7] ** -0.1)
    assert private_firm(5.0, 10.0, 0.0, few).size_slope == 0.0


def test_one_odd_peer_changes_little():
    odd = Peers([800, 1000, 1200, 900, 1100e3], [100] * 5, [0.20, 0.25, 0.30, 0.22, 4.0])
    assert private_firm(50.0, 100.0, 300.0, odd).distance == pytest.approx(
        private_firm(50.0, 100.0, 300.0, FIVE).distance, rel=1e-12
    )


@pytest.mark.parametrize(("count", "slope"), [(6, 0.0), (15, -0.1), (40, -0.1)])
def test_ninety_per_cent_ranges_hold_the_truth(count, slope):
    rng = np.random.default_rng(count)
    hits = 0
    for _ in range(500):
        size = rng.normal(5.0, 1.0, count + 1)
        earnings = np.exp(size - rng.normal(2.3, 0.35, count + 1))
        sigma = np.exp(np.log(0.25) + slope * (size - 5.0) + rng.normal(0.0, 0.25, count + 1))
        value = np.exp(size)
        firm = private_firm(
            earnings[0], 0.6 * value[0], 0.0, Peers(value[1:], earnings[1:], sigma[1:]), convention="linear"
        )
        hits += firm.low <= ndtr(-0.4 / sigma[0]) <= firm.high
    assert 0.85 <= hits / 500 <= 0.95


AMOUNT = st.floats(1.0, 1e4)


@settings(max_examples=50, deadline=None)
@given(AMOUNT, AMOUNT, AMOUNT, st.floats(1e-6, 1e9))
def test_laws(earnings, short, long, unit):
    firm = private_firm(earnings, short, long, FIVE)
    assert 0.0 <= firm.low <= firm.pd <= firm.high <= 1.0
    # The currency unit does not matter; more earnings and less debt are safer.
    other = Peers(FIVE.asset_value * unit, FIVE.earnings * unit, FIVE.volatility)
    same = private_firm(earnings * unit, short * unit, long * unit, other)
    assert same.distance == pytest.approx(firm.distance, rel=1e-9, abs=1e-9)
    assert private_firm(1.1 * earnings, short, long, FIVE).distance > firm.distance
    assert private_firm(earnings, short, 1.1 * long, FIVE).distance < firm.distance


def test_peers_that_agree_leave_no_range():
    alike = Peers([1000.0] * 4, [100.0] * 4, [0.25] * 4)
    firm = private_firm(50.0, 100.0, 300.0, alike)
    assert firm.low == firm.pd == firm.high


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: private_firm(-3.0, 1.0, 1.0, FIVE), "earnings must be > 0 (got -3)"),
        (lambda: private_firm(3.0, 0.0, 0.0, FIVE), "default_point must be > 0 (got 0)"),
        (
            lambda: private_firm(3.0, 1.0, 1.0, FIVE, convention="cubic"),
            "convention must be one of log, linear (got 'cubic')",
        ),
        (lambda: Peers([1.0, 2.0], [1.0, 1.0], [0.2, 0.3]), "peers must be 3 or more (got 2)"),
        (
            lambda: Peers([1.0, 2.0, 3.0], [1.0, -1.0, 1.0], [0.2, 0.3, 0.2]),
            "peers' earnings must be > 0 (got -1)",
        ),
        (
            lambda: Peers([1.0, 2.0, 3.0], [1.0, 1.0, 1.0], [0.2, 30.0, 0.2]),
            "peers' volatility must be > 0 and <= 5 (a decimal: 0.25 means 25 %) (got 30)",
        ),
    ],
)
def test_bad_input_is_one_sentence(make, sentence):
    with pytest.raises((InputError, DomainError)) as caught:
        make()
    assert str(caught.value) == sentence
