"""Bivariate normal and joint default against many digits, identities and laws."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri
from scipy.stats import multivariate_normal

from xlkmv.errors import DomainError, InputError
from xlkmv.model.copula import bivariate_normal_cdf, joint_default_probability


def mp_bivariate(h, k, rho):
    """Integral of phi(x) N((k - rho x)/s) over x < min(h, k), scaled so that a relative goal holds."""
    h, k, rho = mp.mpf(float(min(h, k))), mp.mpf(float(max(h, k))), mp.mpf(float(rho))
    s = mp.sqrt((1 - rho) * (1 + rho))

    def integrand(x):
        return mp.npdf(x) * mp.ncdf((k - rho * x) / s)

    low, high = mp.mpf(-100), h
    for _ in range(120):  # golden section: the integrand is log-concave
        left, right = low + (high - low) * 0.382, low + (high - low) * 0.618
        low, high = (left, high) if integrand(left) < integrand(right) else (low, right)
    mode = (low + high) / 2
    widths = [mp.mpf(10) ** e for e in (-8, -6, -4, -3, -2, -1.5, -1, -0.5, 0, 0.5)]
    points = {h, mode, mode - 12} | {mode + sign * w for w in widths for sign in (-1, 1)}
    if rho:
        points |= {k / rho + sign * w * s for w in (1, 3, 9) for sign in (-1, 0, 1)}
    points = sorted(p for p in points if mode - 12 <= p <= h)
    peak = max(map(integrand, points))
    return peak * mp.quad(lambda x: integrand(x) / peak, points)


TAILS = [
    (-1, -1, 0.5),
    (-1, -1, 0.999),
    (-1, -1, 0.999999999),
    (-2, -2.0001, 0.99999999),
    (-6, -6.1, 1 - 1e-13),
    (-1, 1, -0.999999),
    (-6, 6.1, -1 + 1e-12),
    (3, 3, -0.9999),
    (3, 2, 0.99999),
    (-5, -5, -0.5),
    (-20, -3, 0.3),
    (-30, -30, 0.9),
    (-37, 5, 0.5),
    (30, -30, -0.5),
    (8, 8, 0.5),
    (0, 0, 0.3),
    (-8, -8, 1e-12),
    (-8, -3, 1e-320),
    (0, 1, 1 - 2**-53),
    (-2, 3, -1 + 2**-53),
]


@pytest.mark.parametrize(("h", "k", "rho"), TAILS)
def test_tails_and_extreme_correlations(h, k, rho):
    with mp.workdps(30):
        assert abs(mp.mpf(float(bivariate_normal_cdf(h, k, rho))) / mp_bivariate(h, k, rho) - 1) < 1e-11


def test_random_draws():
    rng = np.random.default_rng(1999)
    h, k = rng.uniform(-9, 4, (2, 25))
    rho = np.tanh(rng.uniform(-3, 3, 25))
    ours = bivariate_normal_cdf(h, k, rho)
    with mp.workdps(25):
        for x, *given_ in zip(ours, h, k, rho, strict=True):
            twin = mp_bivariate(*given_)
            assert abs(mp.mpf(float(x)) - twin) < 1e-11 * twin + mp.mpf("1e-307")


def test_against_scipy():
    rng = np.random.default_rng(3)
    for _ in range(20):
        h, k, rho = *rng.uniform(-2, 2, 2), rng.uniform(-0.95, 0.95)
        theirs = multivariate_normal.cdf([h, k], cov=[[1, rho], [rho, 1]])
        assert bivariate_normal_cdf(h, k, rho) == pytest.approx(theirs, abs=1e-8)


def test_closed_forms():
    rho = np.array([-1.0, -0.9999999, -0.3, 0.0, 0.5, 0.9999999, 1.0])
    np.testing.assert_allclose(
        bivariate_normal_cdf(0.0, 0.0, rho), 0.25 + np.arcsin(rho) / (2 * np.pi), rtol=1e-12, atol=1e-17
    )
    np.testing.assert_array_equal(bivariate_normal_cdf(-1.0, 2.0, 1.0), ndtr(-1.0))
    np.testing.assert_allclose(bivariate_normal_cdf(-1.0, 2.0, -1.0), ndtr(-1.0) - ndtr(-2.0), rtol=1e-14)
    assert bivariate_normal_cdf(-1.0, 0.5, -1.0) == 0.0
    np.testing.assert_allclose(bivariate_normal_cdf(-7.0, -3.0, 0.0), ndtr(-7.0) * ndtr(-3.0), rtol=1e-15)


@pytest.mark.parametrize("rho", [-1.0, -0.5, 0.0, 0.5, 1.0])
def test_infinite_limits(rho):
    inf = np.inf
    assert bivariate_normal_cdf(-inf, 1.0, rho) == 0.0
    assert bivariate_normal_cdf(1.0, -inf, rho) == 0.0
    assert bivariate_normal_cdf(inf, inf, rho) == 1.0
    np.testing.assert_allclose(bivariate_normal_cdf([inf, -2.0], [-2.0, inf], rho), ndtr(-2.0), rtol=1e-13)


def test_beyond_the_smallest_double_is_zero():
    assert bivariate_normal_cdf(-37.0, -37.0, 0.1) == 0.0
    assert bivariate_normal_cdf(-3.0, -3.0, -0.9999) == 0.0


laws = settings(deadline=None, max_examples=60)
limit, correlation = st.floats(-12, 8), st.floats(-1, 1)


@laws
@given(limit, limit, correlation)
def test_symmetry_bounds_and_complement(h, k, rho):
    p = bivariate_normal_cdf(h, k, rho)
    assert bivariate_normal_cdf(k, h, rho) == p
    assert 0.0 <= p <= min(ndtr(h), ndtr(k))
    assert p >= (ndtr(h) - ndtr(-k)) - 1e-12
    # N2(h, k; rho) + N2(h, -k; -rho) = N(h)
    assert p + bivariate_normal_cdf(h, -k, -rho) == pytest.approx(ndtr(h), rel=1e-11)


@pytest.mark.parametrize("offset", ["far", "diagonal", "opposite"])
def test_complement_at_every_distance_from_one(offset):
    """|rho| up to 1 - 1e-16, limits all over the range of a double, and close to each other."""
    rng = np.random.default_rng(4)
    h, far = rng.uniform(-38, 38, (2, 2000))
    apart = 10.0 ** rng.uniform(-16, 0, 2000)
    rho = rng.choice([-1, 1], 2000) * (1 - apart)
    near = h + rng.normal(0, 1e-3, 2000) * np.sqrt(apart)
    k = {"far": far, "diagonal": near, "opposite": -near}[offset]
    total = bivariate_normal_cdf(h, k, rho) + bivariate_normal_cdf(h, -k, -rho)
    np.testing.assert_allclose(total, ndtr(h), rtol=1e-11)


@laws
@given(limit, limit, correlation, st.floats(0.001, 1.0))
def test_rises_in_every_argument(h, k, rho, up):
    p = bivariate_normal_cdf(h, k, rho) * (1 - 1e-11)
    assert bivariate_normal_cdf(h + up, k, rho) >= p
    assert bivariate_normal_cdf(h, k, min(rho + up, 1.0)) >= p


# ------------------------------------------------------------------------------ joint default


def test_joint_default_at_known_points():
    assert joint_default_probability(0.02, 0.005) == pytest.approx(1e-4, rel=1e-12)
    assert joint_default_probability(0.5, 0.5, 0.5) == pytest.approx(1 / 3, rel=1e-13)
    with mp.workdps(25):
        twin = mp_bivariate(ndtri(0.02), ndtri(0.005), 0.3)
    assert joint_default_probability(0.02, 0.005, 0.3) == pytest.approx(float(twin), rel=1e-11)
    # One driver: the smaller probability.
    assert joint_default_probability(1e-7, 0.01, 1.0) == pytest.approx(1e-7, rel=1e-12)
    assert joint_default_probability(0.3, 0.01, -1.0) == 0.0


def test_sure_default_and_no_default():
    p = np.array([0.0, 1e-300, 0.3, 1.0])
    np.testing.assert_array_equal(joint_default_probability(p, 1.0, 0.4), p)
    np.testing.assert_array_equal(joint_default_probability(1.0, p, 0.4), p)
    np.testing.assert_array_equal(joint_default_probability(p, 0.0, 0.4), 0.0)
    assert joint_default_probability(p[:, None], [[0.1, 0.2, 0.3]], 0.1).shape == (4, 3)


@laws
@given(st.floats(-300, 0).map(lambda e: 10.0**e), st.floats(0, 1), correlation)
def test_support_never_raises_a_probability(p, g, rho):
    joint = joint_default_probability(p, g, rho)
    assert 0.0 <= joint <= min(p, g)
    assert joint_default_probability(g, p, rho) == joint
    if rho >= 0:
        assert joint >= p * g * (1 - 1e-10) - 1e-300  # below 1e-308 digits go


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ((1.2, 0.1, 0.0), r"pd must be between 0 and 1 .*\(got 1.2\)"),
        ((0.1, -0.1, 0.0), r"support_pd must be between 0 and 1 .*\(got -0.1\)"),
        ((0.1, 0.1, 1.5), r"correlation must be between -1 and 1 \(got 1.5\)"),
    ],
)
def test_refusals(given_, message):
    with pytest.raises(DomainError, match=f"^{message}$"):
        joint_default_probability(*given_)


def test_limits_must_be_numbers():
    with pytest.raises(DomainError, match=r"^h must be a number \(got nan\)$"):
        bivariate_normal_cdf(np.nan, 0.0, 0.5)
    with pytest.raises(InputError, match=r"^k must be a number \(got 'x'\)$"):
        bivariate_normal_cdf(0.0, "x", 0.5)
