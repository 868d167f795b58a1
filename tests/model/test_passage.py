"""Any-date probability against brute-force quadrature, a normal orthant, simulation and limits.

Every test runs on both grids, however few its dates.
"""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import ndtr
from scipy.stats import multivariate_normal

from xlkmv.errors import DomainError, InputError
from xlkmv.model import passage
from xlkmv.model.distance import first_passage_probability
from xlkmv.model.passage import discrete_first_passage

DIGITS = 30


@pytest.fixture(autouse=True, scope="module", params=["panels", "lattices"])
def grid(request):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passage, "FEW_DATES", {"panels": 10_000, "lattices": 0}[request.param])
        yield request.param


def barriers(dd, t):
    return [-mp.mpf(float(d)) * mp.sqrt(mp.mpf(float(u))) for d, u in zip(dd, t, strict=True)]


def density(w, variance):
    return mp.npdf(w / mp.sqrt(variance)) / mp.sqrt(variance)


def scaled_quad(f, points):
    """Quadrature with a relative goal: mpmath's own is absolute."""
    peak = max(f(p) for p in points)
    return peak * mp.quad(lambda x: f(x) / peak, points)


def mp_second_date(dd, t):
    """Probability of being short on the second date and not on the first."""
    b1, b2 = barriers(dd, t)
    t1, t2 = (mp.mpf(float(u)) for u in t)

    def joint(u):
        return density(u, t1) * mp.ncdf((b2 - u) / mp.sqrt(t2 - t1))

    # Without the first date the integrand is centred here, with this width.
    centre, width = b2 * t1 / t2, mp.sqrt(t1 * (t2 - t1) / t2)
    points = {b1, 12 * mp.sqrt(t1), *(centre + k * width for k in (-12, -6, -3, -1, 0, 1, 3, 6, 12))}
    return scaled_quad(joint, sorted(p for p in points if p >= b1))


@pytest.mark.parametrize(
    ("dd", "t"),
    [
        ((1, 1), (1, 2)),
        ((0.8, 0.5), (0.25, 1.0)),
        ((-0.5, 0.3), (0.25, 1.0)),
        ((-1, -3), (1, 2)),
        ((3, 3), (1, 1.0001)),
        ((3, 3), (1, 1.000001)),
        ((6, 6), (5, 5.0027)),
        ((1, 1.2), (0.001, 10)),
        ((1, 1.2), (1e-8, 10)),
        ((5, 5), (1, 2)),
        ((10, 10), (1, 2)),
        ((20, 15), (1, 2)),
        ((37, 30), (1, 2)),
        ((40, 10), (1, 2)),
        ((37, 37), (1, 1.5)),
    ],
)
def test_two_dates_against_many_digits(dd, t):
    """Relative accuracy, in the deepest tail and between the nearest of dates."""
    with mp.workdps(DIGITS):
        twin = mp.ncdf(-mp.mpf(dd[0])) + mp_second_date(dd, t)
        ours = discrete_first_passage(dd, t)
        assert abs(mp.mpf(ours[1]) / twin - 1) < 1e-12
        assert ours[0] == ndtr(-dd[0])


@pytest.mark.parametrize(
    ("dd", "t"),
    [((0.8, 0.6, 0.5), (0.25, 0.5, 1.5)), ((6.0, 5.0, 4.5), (1.0, 1.3, 4.0)), ((-1, 2, 0), (1, 3, 4))],
)
def test_three_dates_against_nested_adaptive_quadrature(dd, t):
    (b1, b2, b3), (s1, s2, s3) = -np.array(dd) * np.sqrt(t), np.sqrt(np.diff(t, prepend=0.0))
    far = 9 * np.sqrt(t[2])

    def integral(f, low):
        goal = {"epsabs": 0.0, "epsrel": 1e-10, "limit": 200}
        return quad(f, low, low + far / 4, **goal)[0] + quad(f, low + far / 4, low + 2 * far, **goal)[0]

    def normal(x, s):
        return math.exp(-0.5 * (x / s) ** 2) / (s * math.sqrt(2 * math.pi))

    def third(u):
        return integral(lambda w: normal(w - u, s2) * ndtr((b3 - w) / s3), b2)

    second = integral(lambda u: normal(u, s1) * ndtr((b2 - u) / s2), b1)
    expected = np.cumsum([ndtr(-dd[0]), second, integral(lambda u: normal(u, s1) * third(u), b1)])
    np.testing.assert_allclose(discrete_first_passage(dd, t), expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("dd", "t"),
    [
        ((0.79885793, 0.66, 0.57, 0.49676247), (0.25, 0.5, 0.75, 1.0)),
        ((2.0, 3.0, 1.5, 2.5), (0.1, 1.0, 1.2, 3.0)),
        ((7.0, 6.0, 6.5, 5.5), (0.5, 1.0, 1.5, 4.0)),
    ],
)
def test_four_dates_against_brute_force(dd, t):
    """One dense tensor grid over the positions on the first three dates, no recursion."""
    dd, t = np.array(dd), np.array(t)
    b, s = -dd * np.sqrt(t), np.sqrt(np.diff(t, prepend=0.0))
    node, weight = np.polynomial.legendre.leggauss(110)

    def axis(low, high):
        return 0.5 * (high - low) * (node + 1) + low, 0.5 * (high - low) * weight

    (x, wx), (y, wy), (z, wz) = (axis(b[i], b[i] + 9 * np.sqrt(t[i]) + max(-b[i], 0)) for i in range(3))
    x, y, z = x[:, None, None], y[None, :, None], z[None, None, :]

    def kernel(step, sd):
        return np.exp(-0.5 * (step / sd) ** 2) / (sd * np.sqrt(2 * np.pi))

    paths = kernel(x, s[0]) * kernel(y - x, s[1]) * kernel(z - y, s[2]) * ndtr((b[3] - z) / s[3])
    fourth = np.einsum("ijk,i,j,k->", paths, wx, wy, wz)
    inner = kernel(x[..., 0], s[0]) * kernel(y[..., 0] - x[..., 0], s[1]) * ndtr((b[2] - y[..., 0]) / s[2])
    third = np.einsum("ij,i,j->", inner, wx, wy)
    second = (kernel(x[:, 0, 0], s[0]) * ndtr((b[1] - x[:, 0, 0]) / s[1])) @ wx
    expected = np.cumsum([ndtr(-dd[0]), second, third, fourth])
    np.testing.assert_allclose(discrete_first_passage(dd, t), expected, rtol=1e-8)


def test_five_irregular_dates_against_a_normal_orthant():
    t = np.array([0.1, 0.5, 0.6, 2.0, 5.0])
    for dd in ([1.0, 0.8, 1.2, 0.3, 0.9], [-0.2, 0.5, 0.1, 1.0, 2.0]):
        upper = np.array(dd) * np.sqrt(t)
        survival = multivariate_normal(cov=np.minimum.outer(t, t), seed=1, maxpts=2_000_000, abseps=1e-8).cdf(
            upper
        )
        assert discrete_first_passage(dd, t)[-1] == pytest.approx(1 - survival, abs=2e-6)


def test_twelve_dates_against_simulation():
    rng = np.random.default_rng(12)
    t = np.cumsum(rng.uniform(0.05, 0.6, 12))
    dd = rng.uniform(1.2, 3.0, 12)
    paths = 200_000
    W = np.cumsum(rng.standard_normal((paths, 12)) * np.sqrt(np.diff(t, prepend=0.0)), axis=1)
    short = np.less(W, -dd * np.sqrt(t))
    share = np.logical_or.accumulate(short, axis=1).mean(axis=0)
    ours = discrete_first_passage(dd, t)
    assert (np.abs(share - ours) < 5 * np.sqrt(ours * (1 - ours) / paths)).all()


# ------------------------------------------------------------------------------------ limits


def test_one_date_is_the_terminal_probability():
    for dd in (-3.0, 0.0, 2.0, 37.0):
        np.testing.assert_array_equal(discrete_first_passage(dd, 0.7), [ndtr(-dd)])


@pytest.mark.parametrize(("V", "sigma", "mu"), [(120.0, 0.25, 0.0), (110.0, 0.15, 0.05), (160.0, 0.3, -0.1)])
def test_many_dates_approach_the_continuous_first_passage(V, sigma, mu):
    """Broadie, Glasserman and Kou (1997): n dates act like a barrier lower by 0.5826 sigma sqrt(dt)."""
    continuous = float(first_passage_probability(V, 100.0, sigma, 1.0, mu))
    found = []
    for n in (25, 100, 400):
        t = np.arange(1, n + 1) / n
        dd = (np.log(V / 100.0) + (mu - sigma**2 / 2) * t) / (sigma * np.sqrt(t))
        found.append(discrete_first_passage(dd, t)[-1])
        shifted = 100.0 * np.exp(-0.5825971579 * sigma * np.sqrt(1 / n))
        assert found[-1] == pytest.approx(
            float(first_passage_probability(V, shifted, sigma, 1.0, mu)), abs=0.1 / n
        )
    assert found[0] < found[1] < found[2] < continuous
    assert continuous - found[2] < 0.03


def test_infinite_distances():
    t = [1.0, 2.0, 3.0]
    inf = np.inf
    np.testing.assert_array_equal(discrete_first_passage([inf, inf, inf], t), 0.0)
    np.testing.assert_array_equal(discrete_first_passage([2.0, -inf, 1.0], t), [ndtr(-2.0), 1.0, 1.0])
    np.testing.assert_array_equal(discrete_first_passage([-inf, inf, 5.0], t), 1.0)
    # A date on which nothing can fall short is as good as absent.
    with_gap = discrete_first_passage([2.0, inf, 1.5], t)
    np.testing.assert_array_equal(with_gap[[0, 2]], discrete_first_passage([2.0, 1.5], [1.0, 3.0]))
    assert with_gap[1] == with_gap[0]
    # Distances that are merely huge behave like infinite ones.
    np.testing.assert_allclose(discrete_first_passage([2.0, 1e6, 1.5], t), with_gap, rtol=1e-12)
    np.testing.assert_allclose(
        discrete_first_passage([2.0, -1e6, 1.5], t), [ndtr(-2.0), 1.0, 1.0], rtol=1e-12
    )


# -------------------------------------------------------------------------------------- laws

plans = st.integers(1, 8).flatmap(
    lambda n: st.tuples(
        st.lists(st.floats(-2.0, 8.0), min_size=n, max_size=n),
        st.lists(st.floats(0.02, 2.0), min_size=n, max_size=n).map(np.cumsum),
    )
)
laws = settings(deadline=None, max_examples=60)


@laws
@given(plans)
def test_bounds(plan):
    """Between the largest terminal probability and their sum; never falling."""
    dd, t = plan
    p, terminal = discrete_first_passage(dd, t), ndtr(-np.array(dd))
    slack = 1 + 1e-12
    assert (np.maximum.accumulate(terminal) <= p * slack).all()
    assert (p <= np.minimum(np.cumsum(terminal), 1.0) * slack).all()
    assert (np.diff(p) >= 0).all()


@laws
@given(plans, st.integers(-20, 20), st.floats(0.1, 10.0))
def test_unit_of_time_does_not_matter(plan, power, unit):
    dd, t = plan
    p = discrete_first_passage(dd, t)
    np.testing.assert_array_equal(discrete_first_passage(dd, t * 4.0**power), p)
    np.testing.assert_allclose(discrete_first_passage(dd, t * unit), p, rtol=1e-11)


@laws
@given(plans, st.data())
def test_nearer_is_never_safer_and_fewer_dates_never_riskier(plan, data):
    dd, t = plan
    p, k = discrete_first_passage(dd, t), data.draw(st.integers(0, len(dd) - 1))
    nearer = list(dd)
    nearer[k] -= data.draw(st.floats(0.01, 3.0))
    assert (discrete_first_passage(nearer, t) >= p * (1 - 1e-12)).all()
    if len(dd) > 1:
        fewer = discrete_first_passage(np.delete(dd, k), np.delete(t, k))
        assert fewer[-1] <= p[-1] * (1 + 1e-12)


def test_order_one_bonferroni_in_the_deep_tail():
    """Far out the events hardly overlap: nearly the sum, with every digit of it."""
    p = discrete_first_passage([30.0, 30.0], [1.0, 100.0])
    assert p[1] == pytest.approx(2 * ndtr(-30.0), rel=1e-12)


# ----------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("dd", "t", "kind", "message"),
    [
        ([1.0, 2.0], [1.0], InputError, r"distance must have one value per date \(1 dates\)"),
        ([[1.0, 2.0]], [[1.0, 2.0]], InputError, "distance must have one value per date"),
        ([1.0, np.nan], [1.0, 2.0], DomainError, r"distance must be a number \(got nan\)"),
        ([1.0, 2.0], [1.0, 1.0], DomainError, r"times must be > 0 and increasing \(got 1\)"),
        ([1.0, 2.0], [2.0, 1.0], DomainError, r"times must be > 0 and increasing \(got 1\)"),
        ([1.0, 2.0], [0.0, 1.0], DomainError, r"times must be > 0 and increasing \(got 0\)"),
        ([1.0, 2.0], [1.0, np.inf], DomainError, "times must be > 0 and increasing"),
        ([1.0, 2.0], [np.nan, 1.0], DomainError, "times must be > 0 and increasing"),
        (["a"], [1.0], InputError, "distance must be a number"),
        (np.ones(26), [*range(1, 26), 25.0 + 1e-9], DomainError, "times must lie further apart"),
    ],
)
def test_refusals(dd, t, kind, message):
    with pytest.raises(kind, match=f"^{message}"):
        discrete_first_passage(dd, t)
