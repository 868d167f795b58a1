"""The robust update of a scale: against other integrals, the conjugate posterior, and its purpose."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from xlkmv.errors import DomainError
from xlkmv.model.robust import normal_scale, scale_update

K0, NU = 8.0, 4.0


@pytest.mark.parametrize("freedom", [1.0, 4.0, 30.0])
def test_the_scale_is_right_where_the_truth_is_normal(freedom):
    c = normal_scale(freedom)

    def weighted(z):
        return (freedom + 1.0) * z * z / (freedom * c * c + z * z) * stats.norm.pdf(z)

    assert 2.0 * integrate.quad(weighted, 0.0, 40.0)[0] == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("x", [[], [-1.3], [0.2, -0.4, -2.5], [0.0, -4.0, -38.0]])
def test_against_integrals_by_another_rule(x):
    found, q = scale_update(x, K0, NU), stats.chi2.median(K0)

    def density(r):
        prior = stats.invgamma.pdf(r * r, K0 / 2.0, scale=q / 2.0) * 2.0 * r
        return prior * np.prod(stats.t.pdf(x, NU, 0.0, r * normal_scale(NU)))

    def up_to(r):
        return integrate.quad(density, 0.05, r, epsabs=0.0, epsrel=1e-10, limit=200)[0]

    for value, share in ((found.low, 0.05), (found.scale, 0.5), (found.high, 0.95)):
        assert up_to(value[-1]) / up_to(80.0) == pytest.approx(share, abs=3e-4)


def test_without_tails_it_is_the_conjugate_posterior():
    x = np.array([0.3, -1.0, -0.2, 0.9, -2.0])
    found, spread = scale_update(x, K0, 1000.0), stats.chi2.median(K0) + (x**2).sum()
    for value, share in ((found.low, 0.05), (found.scale, 0.5), (found.high, 0.95)):
        assert value[-1] == pytest.approx(np.sqrt(spread / stats.chi2.isf(share, K0 + 5)), rel=3e-3)


def test_much_seen_finds_the_truth():
    found = scale_update(np.random.default_rng(1).normal(0.0, 2.5, 4000), K0, NU)
    # The estimate is somewhat wider than that of a normal likelihood, sd/sqrt(2 n).
    assert found.scale[-1] == pytest.approx(2.5, abs=4 * 1.3 * 2.5 / np.sqrt(8000))


@settings(max_examples=30, deadline=None)
@given(st.floats(5.0, 1e6), st.integers(3, 12))
def test_one_surprise_is_one_surprise_however_large(size, quiet):
    calm = scale_update(np.zeros(quiet), K0, NU)
    assert calm.scale[-1] < scale_update([*np.zeros(quiet), -size], K0, NU).scale[-1] < 1.35


def test_the_same_surprise_again_and_again_is_believed():
    found = scale_update(np.tile([30.0, -30.0], 100), K0, NU)
    assert 25.0 < found.scale[-1] < 40.0
    assert found.scale[1] < 1.6 < found.scale[6]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-50.0, 50.0), max_size=8), st.floats(2.0, 40.0), st.floats(1.0, 100.0))
def test_neither_the_order_nor_the_sign_matters(x, strength, freedom):
    one, other = scale_update(x, strength, freedom), scale_update(x[::-1], strength, freedom)
    turned = scale_update([-v for v in x], strength, freedom)
    for name in ("scale", "low", "high"):
        assert getattr(one, name)[-1] == pytest.approx(getattr(other, name)[-1], rel=1e-9)
        np.testing.assert_allclose(getattr(turned, name), getattr(one, name), rtol=1e-9)


@pytest.mark.parametrize(("strength", "freedom"), [(1.0, 4.0), (8.0, 0.5), (1001.0, 4.0), (8.0, np.nan)])
def test_what_breaks_a_rule_is_refused(strength, freedom):
    with pytest.raises(DomainError, match="must be between"):
        scale_update([0.0], strength, freedom)
