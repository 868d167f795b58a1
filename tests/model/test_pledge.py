"""Recovery from a pledge: forty digits, simulation, limits, laws."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from xlkmv.errors import DomainError
from xlkmv.model.pledge import beta_recovery, pledge_recovery


def exact(V, C, sigma, H, mu, delta, lag, pd, rho):
    """E[min(1, e^U) | X < x] by integration over Z: P(X < x | Z) = N((x - r z)/sqrt(1 - r^2))."""
    with mp.workdps(40):
        V, C, sigma, H, mu, delta, lag, pd, rho = (
            mp.mpf(repr(float(a))) for a in (V, C, sigma, H, mu, delta, lag, pd, rho)
        )
        T = H + lag
        s, r = sigma * mp.sqrt(T), rho * mp.sqrt(H / T)
        m = mp.log((1 - delta) * V / C) + (mu - sigma**2 / 2) * T
        x = mp.sqrt(2) * mp.erfinv(2 * pd - 1)

        def term(z):
            return mp.npdf(z) * min(mp.mpf(1), mp.exp(m + s * z)) * mp.ncdf((x - r * z) / mp.sqrt(1 - r**2))

        points = sorted([mp.mpf(-14), mp.mpf(-4), min(max(-m / s, -13), 13), mp.mpf(4), mp.mpf(14)])
        return mp.quad(term, points) / pd


CASES = [
    (100.0, 100.0, 0.3, 1.0, 0.0, 0.0, 0.0, 0.02, 0.4),
    (60.0, 100.0, 0.4, 2.5, -0.1, 0.25, 1.5, 0.015, 0.3),
    (250.0, 100.0, 0.6, 5.0, 0.02, 0.3, 1.0, 0.1, 0.7),
    (40.0, 100.0, 0.2, 1.0, 0.05, 0.1, 0.5, 1e-6, 0.2),
    (150.0, 100.0, 0.35, 3.0, 0.0, 0.2, 0.0, 0.4, -0.5),
]


@pytest.mark.parametrize("case", CASES)
def test_against_forty_digits(case):
    assert float(pledge_recovery(*case)) == pytest.approx(float(exact(*case)), rel=1e-12)


def test_against_a_simulation_of_both_values():
    V, C, sigma, H, mu, delta, lag, _, rho = CASES[1]
    rng = np.random.default_rng(3)
    n = 2_000_000
    x = rng.standard_normal(n)
    x = x[x < ndtri(0.1)]  # a PD of 10 % gives the simulation defaults enough
    until = rho * x + np.sqrt(1.0 - rho**2) * rng.standard_normal(x.size)
    after = rng.standard_normal(x.size)
    log_value = np.log(V) + (mu - 0.5 * sigma**2) * (H + lag)
    log_value = log_value + sigma * (np.sqrt(H) * until + np.sqrt(lag) * after)
    covered = np.minimum(1.0, (1.0 - delta) * np.exp(log_value) / C)
    found = pledge_recovery(V, C, sigma, H, mu, delta, lag, 0.1, rho)
    assert found == pytest.approx(covered.mean(), abs=4.0 * covered.std() / np.sqrt(x.size))


VALUES = st.floats(1.0, 1e4)
PLEDGES = st.tuples(VALUES, VALUES, st.floats(0.01, 1.0), st.floats(0.1, 10.0), st.floats(-0.3, 0.3))


@settings(max_examples=50, deadline=None)
@given(PLEDGES, st.floats(0.0, 0.9), st.floats(0.0, 5.0), st.floats(1e-6, 1.0), st.floats(-0.99, 0.99))
def test_laws(pledge, discount, lag, pd, rho):
    V, C, *rest = pledge
    found = pledge_recovery(V, C, *rest, discount, lag, pd, rho)
    assert 0.0 <= found <= 1.0
    # The currency unit does not matter; more pledge covers more; a deeper discount covers less.
    assert pledge_recovery(V * 1e6, C * 1e6, *rest, discount, lag, pd, rho) == pytest.approx(found, rel=1e-9)
    assert pledge_recovery(1.1 * V, C, *rest, discount, lag, pd, rho) >= found - 1e-12
    assert pledge_recovery(V, C, *rest, 0.5 + 0.5 * discount, lag, pd, rho) <= found + 1e-12
    # An asset that falls with its owner covers less than one that does not, and that less than a hedge.
    alone = pledge_recovery(V, C, *rest, discount, lag)
    assert (found - alone) * np.sign(rho) <= 1e-9
    # Over default and survival together it is the unconditional expectation.
    assert pledge_recovery(V, C, *rest, discount, lag, pd, 0.0) == pytest.approx(alone, rel=1e-9)


@given(VALUES, VALUES, st.floats(0.001, 1.0), st.floats(-0.99, 0.99))
def test_without_volatility_it_is_value_over_claim(V, C, pd, rho):
    assert pledge_recovery(V, C, 0.0, pd=pd, correlation=rho) == pytest.approx(min(1.0, V / C), rel=1e-14)
    assert pledge_recovery(V, C, 1e-9, pd=pd, correlation=rho) == pytest.approx(min(1.0, V / C), rel=1e-7)


def test_a_pledge_worth_nothing_and_shapes():
    found = pledge_recovery([0.0, 100.0, 1e9], 100.0, 0.3, pd=0.02, correlation=0.4)
    assert found.shape == (3,)
    assert found[[0, 2]] == pytest.approx([0.0, 1.0], abs=1e-12)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"claim": 0.0}, "claim must be > 0 (got 0)"),
        ({"pledge_value": -1.0}, "pledge_value must be >= 0 (got -1)"),
        ({"volatility": 1.5}, "volatility must be between 0 and 1 (a decimal: 0.02 means 2 %) (got 1.5)"),
        ({"discount": 1.0}, "discount must be >= 0 and < 1 (a decimal: 0.2 means 20 %) (got 1)"),
        ({"pd": 0.0}, "pd must be > 0 and <= 1 (a decimal: 0.02 means 2 %) (got 0)"),
        (
            {"volatility": 1.0, "horizon": 90.0, "sale_time": 60.0},
            "volatility must be at most 10/sqrt(years to the sale) (got 1)",
        ),
    ],
)
def test_bad_input_is_one_sentence(change, sentence):
    with pytest.raises(DomainError) as caught:
        pledge_recovery(**{"pledge_value": 50.0, "claim": 100.0, "volatility": 0.3} | change)
    assert str(caught.value) == sentence


# --- mean and spread ------------------------------------------------------------------------


@given(st.floats(0.05, 0.95), st.floats(0.05, 0.95), st.floats(0.0, 0.3), st.floats(0.7, 1.0))
def test_beta_recovery_has_the_moments_asked_for(share, tightness, low, high):
    mean = low + share * (high - low)
    sd = tightness * np.sqrt((mean - low) * (high - mean))
    found = beta_recovery(mean, sd, low, high)
    # Moments of the beta distribution, a textbook's.
    a, b = float(found.a), float(found.b)
    assert low + (high - low) * a / (a + b) == pytest.approx(mean, rel=1e-9)
    spread = (high - low) * np.sqrt(a * b / (a + b + 1.0)) / (a + b)
    assert spread == pytest.approx(sd, rel=1e-6)
    assert low <= found.quantile(0.1) <= found.at_factor(0.0) <= found.quantile(0.9) <= high


def test_the_uniform_distribution_is_a_beta():
    found = beta_recovery(0.5, np.sqrt(1.0 / 12.0))
    assert (float(found.a), float(found.b)) == pytest.approx((1.0, 1.0), rel=1e-12)
    assert found.quantile([0.1, 0.75]) == pytest.approx([0.1, 0.75], rel=1e-12)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((0.4, 0.5), "sd must be below sqrt((mean - low)(high - mean)) (got 0.5)"),
        ((0.4, 0.1, 0.5), "mean must be between low and high (got 0.4)"),
        ((0.4, 0.1, 0.8, 0.2), "high must be above low (got 0.2)"),
    ],
)
def test_a_spread_that_no_recovery_has(arguments, sentence):
    with pytest.raises(DomainError) as caught:
        beta_recovery(*arguments)
    assert str(caught.value) == sentence
