"""KMV loss distribution and the common result, against enumeration, closed forms and slow twins."""

from __future__ import annotations

import itertools
import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import bdtr, ndtr, ndtri

from xlkmv.errors import DomainError, InputError
from xlkmv.model import conditional
from xlkmv.model.conditional import loss_bands
from xlkmv.model.losses import (
    conditional_pd_sd,
    gaussian_copula_losses,
    grid_tail,
    simulated_losses,
    uniforms,
)

POOL_4 = ([3.0, 5.0, 7.0, 10.0], [0.02, 0.10, 0.30, 0.05], [0.2, 0.3, 0.1, 0.4])
POOL_3 = ([2.0, 2.0, 9.0], [0.01, 0.01, 0.03], [0.15, 0.15, 0.6])


def enumerate_defaults(pds, correlation):
    """All 2^n default patterns and their probabilities, by Gauss-Hermite over the factor."""
    pds, rho = np.asarray(pds), np.broadcast_to(correlation, len(pds))
    z, w = np.polynomial.hermite_e.hermegauss(240)
    p = ndtr((ndtri(pds) - np.sqrt(rho) * z[:, None]) / np.sqrt(1 - rho))
    patterns = np.array(list(itertools.product([0, 1], repeat=len(pds))))
    chances = np.array([(np.where(d, p, 1 - p).prod(axis=1) * w).sum() / w.sum() for d in patterns])
    return patterns, chances


def slow_figures(losses, chances, level):
    """VaR, ES and their contributions by sorting all outcomes: (patterns, n) losses."""
    total = losses.sum(axis=1)
    points = np.unique(total)
    at_risk = next(x for x in points if chances[total <= x].sum() >= level - 1e-13)
    here, above = total == at_risk, total > at_risk
    given_here = chances[here] @ losses[here] / chances[here].sum()
    share = 1 - level - chances[above].sum()
    return at_risk, given_here, (chances[above] @ losses[above] + share * given_here) / (1 - level)


@pytest.mark.parametrize("pool", [POOL_4, POOL_3])
@pytest.mark.parametrize("level", [0.5, 0.9, 0.99, 0.999])
def test_small_pool_against_enumeration(pool, level):
    exposures, pds, rho = map(np.array, pool)
    patterns, chances = enumerate_defaults(pds, rho)
    losses = patterns * exposures
    result = gaussian_copula_losses(exposures, pds, rho, level, attachment=9.0)
    for amount, p in zip(result.losses, result.probabilities, strict=True):
        assert p == pytest.approx(chances[losses.sum(axis=1) == amount].sum(), abs=1e-11)
    at_risk, at_risk_parts, shortfall_parts = slow_figures(losses, chances, level)
    assert result.value_at_risk[0] == at_risk
    assert result.expected_shortfall[0] == pytest.approx(shortfall_parts.sum(), rel=1e-8)
    np.testing.assert_allclose(result.contributions.expected_shortfall[0], shortfall_parts, atol=1e-7)
    if at_risk > 0:
        np.testing.assert_allclose(result.contributions.value_at_risk[0], at_risk_parts, atol=1e-6)
    mean = chances @ losses
    covariance = (losses - mean).T @ (chances * (losses - mean).sum(axis=1))
    sd = math.sqrt(covariance.sum())
    assert result.expected_loss == pytest.approx(exposures @ pds, rel=1e-14)
    assert result.unexpected_loss == pytest.approx(sd, rel=1e-9)
    np.testing.assert_allclose(result.contributions.unexpected_loss, covariance / sd, rtol=1e-8)
    assert result.hit_probability == pytest.approx(chances[losses.sum(axis=1) > 9].sum(), rel=1e-9)
    assert result.standard_errors is None


def test_independent_obligors_are_binomial():
    result = gaussian_copula_losses(np.ones(50), 0.03, 0.0)
    binomial = [math.comb(50, k) * 0.03**k * 0.97 ** (50 - k) for k in range(51)]
    np.testing.assert_allclose(result.probabilities, binomial[: result.losses.size], atol=1e-15)
    np.testing.assert_array_equal(result.losses, np.arange(result.losses.size))


def test_large_homogeneous_pool_reaches_vasicek():
    # Hull: p = 2 %, rho = 0.1, 99.9 % -> 0.1282371073. A pool of 10,000 adds a little granularity.
    result = gaussian_copula_losses(np.ones(10_000), 0.02, 0.1, [0.999])
    assert result.value_at_risk[0] / 10_000 == pytest.approx(0.1282371073, rel=2.5e-3)
    assert result.value_at_risk[0] / 10_000 > 0.1282371073


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_many_pds_against_plain_recursion(seed):
    """More PDs than the product of powers takes: the series, against obligor-by-obligor recursion."""
    rng = np.random.default_rng(seed)
    n = 90
    pds, exposures = rng.uniform(0.001, 0.4, n), rng.integers(1, 6, n).astype(float)
    rho = rng.uniform(0.05, 0.4, n)
    result = gaussian_copula_losses(exposures, pds, rho)
    z = np.linspace(-7.5, 7.5, 301)
    weights = np.exp(-z * z / 2)
    weights /= weights.sum()
    p = ndtr((ndtri(pds) - np.sqrt(rho) * z[:, None]) / np.sqrt(1 - rho))
    density = np.zeros((z.size, int(exposures.sum()) + 1))
    density[:, 0] = 1.0
    for i in range(n):
        shift = int(exposures[i])
        moved = np.zeros_like(density)
        moved[:, shift:] = density[:, :-shift]
        density = (1 - p[:, i, None]) * density + p[:, i, None] * moved
    plain = weights @ density
    np.testing.assert_allclose(result.probabilities, plain[: result.losses.size], atol=1e-9)
    np.testing.assert_allclose(
        np.cumsum(result.probabilities), np.cumsum(plain)[: result.losses.size], atol=1e-8
    )


def test_dot_of_long_vectors():
    a, b = np.random.default_rng(2).uniform(-1, 1, (2, 20_001))
    assert conditional.dot(a, b) == pytest.approx(float(np.longdouble(a) @ np.longdouble(b)), rel=1e-12)
    assert conditional.dot(a[:11], b[:11]) == a[:11] @ b[:11]


def test_obligors_of_few_kinds_are_summed_up_like_single_ones():
    """What is summed by kind, against a pool in which hardly two obligors are quite alike."""
    rng = np.random.default_rng(4)
    exposures, kind = rng.integers(1, 6, 300).astype(float), rng.integers(3, size=300)
    pds, rho = np.array([0.0, 0.01, 0.07])[kind], np.array([0.3, 0.1, 0.1])[kind]
    alike = gaussian_copula_losses(exposures, pds, rho)
    apart = gaussian_copula_losses(exposures, pds, rho * (1.0 - 1e-9 * rng.random(300)))
    grid = np.arange(exposures.sum())
    np.testing.assert_allclose(alike.exceedance(grid), apart.exceedance(grid), atol=1e-9)
    for figure in ("value_at_risk", "expected_shortfall", "unexpected_loss"):
        np.testing.assert_allclose(getattr(alike, figure), getattr(apart, figure), rtol=1e-7, atol=1e-9)
    for parts in ("unexpected_loss", "expected_shortfall"):
        one, other = (getattr(x.contributions, parts) for x in (alike, apart))
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("high", [0.05, 0.3, 0.45])
def test_series_and_product_agree(high):
    rng = np.random.default_rng(5)
    n, size = 40, 96
    p, bands = rng.uniform(0, high, n), rng.integers(1, 4, n)
    distinct, band_of = np.unique(bands, return_inverse=True)
    pgf, other = (conditional._Pgf(distinct, band_of, np.arange(n)) for _ in range(2))
    other.few = False
    plain, series = pgf(p, size), other(p, size)
    w = np.exp(-2j * np.pi * np.arange(size // 2 + 1) / size)
    direct = np.prod(1 + p[:, None] * (w ** bands[:, None] - 1), axis=0)
    np.testing.assert_allclose(plain, direct, atol=1e-13)
    np.testing.assert_allclose(series, direct, atol=1e-11)


def test_certain_and_impossible_defaults():
    result = gaussian_copula_losses([5.0, 3.0, 2.0], [1.0, 0.0, 0.1], 0.3, [0.5, 0.95])
    possible = result.probabilities > 1e-12
    np.testing.assert_array_equal(result.losses[possible], [5.0, 7.0])
    np.testing.assert_allclose(result.probabilities[possible], [0.9, 0.1], atol=1e-12)
    np.testing.assert_allclose(result.contributions.expected_shortfall[1], [5, 0, 2], atol=1e-9)


def stepped_patterns(pds, correlation):
    """As enumerate_defaults, with an integrator that is told where narrow conditional PDs jump."""
    pds, rho = np.asarray(pds), np.broadcast_to(correlation, len(pds))
    t, a, b = ndtri(pds), np.sqrt(rho), np.sqrt(1 - rho)
    cuts = np.sort(((t + b * np.array([[-7.0], [-2.0], [0.0], [2.0], [7.0]])) / a).ravel())
    patterns = np.array(list(itertools.product([0, 1], repeat=len(pds))))

    def chance(z, d):
        p = ndtr(np.where(d, 1.0, -1.0) * (t - a * z) / b)
        return math.exp(-z * z / 2) / math.sqrt(2 * math.pi) * p.prod()

    found = [
        quad(chance, -9, 9, (d,), points=cuts[abs(cuts) < 9], limit=400, epsabs=1e-14)[0] for d in patterns
    ]
    return patterns, np.array(found)


@pytest.mark.parametrize("rho", [0.0, 0.2, 0.9, 0.999])
@pytest.mark.parametrize("amounts", [(744747665454.72, 3.3499451938, 401923728257.21), (3.3, 0.1, 7.7)])
def test_a_certain_loss_has_no_variance(amounts, rho):
    found = gaussian_copula_losses(amounts, [1.0, 0.0, 1.0], rho, [0.9])
    assert found.expected_loss == pytest.approx(amounts[0] + amounts[2], rel=1e-12)
    assert found.unexpected_loss == 0.0
    # Nearly certain: PD (1 - PD) of one obligor, by hand.
    rare = gaussian_copula_losses(amounts, [1.0, 0.0, 1e-12], rho, [0.9])
    assert rare.unexpected_loss == pytest.approx(1e-6 * amounts[2], rel=1e-6)


@pytest.mark.parametrize("rho", [0.995, 0.9999, 1 - 1e-6, 1 - 1e-9, [0.2, 0.9999, 1 - 1e-7, 0.5]])
def test_correlation_close_to_one(rho):
    exposures, pds = np.array([3.0, 5.0, 7.0, 10.0]), np.array([0.02, 0.10, 0.30, 0.1])
    patterns, chances = stepped_patterns(pds, rho)
    losses = patterns * exposures
    result = gaussian_copula_losses(exposures, pds, rho, [0.8, 0.95], attachment=9.0)
    for amount, p in zip(result.losses, result.probabilities, strict=True):
        assert p == pytest.approx(chances[losses.sum(axis=1) == amount].sum(), abs=1e-10)
    mean = chances @ losses
    covariance = (losses - mean).T @ (chances * (losses - mean).sum(axis=1))
    assert result.unexpected_loss == pytest.approx(math.sqrt(covariance.sum()), rel=1e-9)
    np.testing.assert_allclose(
        result.contributions.unexpected_loss, covariance / math.sqrt(covariance.sum()), rtol=1e-8
    )
    for k, level in enumerate([0.8, 0.95]):
        at_risk, at_risk_parts, shortfall_parts = slow_figures(losses, chances, level)
        assert result.value_at_risk[k] == at_risk
        np.testing.assert_allclose(result.contributions.expected_shortfall[k], shortfall_parts, atol=1e-7)
        np.testing.assert_allclose(result.contributions.value_at_risk[k], at_risk_parts, atol=1e-6)
    assert result.hit_probability == pytest.approx(chances[losses.sum(axis=1) > 9].sum(), rel=1e-9)


def test_one_driver_of_a_mixed_pool():
    """Full correlation: whoever has the higher PD defaults first, so the outcomes are as many as PDs."""
    exposures, pds = np.array([4.0, 1.0, 3.0, 7.0, 2.0, 9.0]), np.array([0.3, 0.05, 0.2, 0.01, 0.07, 0.002])
    result = gaussian_copula_losses(exposures, pds, 1 - 1e-15, [0.95])
    order = np.argsort(-pds)
    outcomes = np.append(0.0, np.cumsum(exposures[order]))
    chances = -np.diff(np.concatenate([[1.0], pds[order], [0.0]]))
    for amount, chance in zip(outcomes, chances, strict=True):
        assert result.probabilities[int(amount)] == pytest.approx(chance, abs=2e-8)
    assert result.probabilities.sum() == pytest.approx(1.0, abs=1e-12)
    mean = chances @ outcomes
    assert result.unexpected_loss == pytest.approx(math.sqrt(chances @ (outcomes - mean) ** 2), rel=1e-7)


def test_large_pool_with_a_narrow_step():
    """A sum of binomials over 20,001 values of the factor, all within the step."""
    n, pd, rho = 2000, 0.05, 0.9999
    result = gaussian_copula_losses(np.ones(n), pd, rho, [0.97])
    centre, width = ndtri(pd) / math.sqrt(rho), math.sqrt((1 - rho) / rho)
    z = np.linspace(centre - 9 * width, centre + 9 * width, 20_001)
    weights = np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi) * (z[1] - z[0])
    p = ndtr((ndtri(pd) - math.sqrt(rho) * z) / math.sqrt(1 - rho))
    for amount in (0, 1, 10, 500, 1000, 1500, 1999):
        below = weights @ bdtr(amount, n, p) + ndtr(-z[-1] - 0.5 * (z[1] - z[0]))
        assert result.probabilities[: amount + 1].sum() == pytest.approx(below, abs=1e-9)


@pytest.mark.parametrize("power", [-990, -500, 400, 1000])
def test_amounts_of_any_size(power):
    exposures, pds = np.array([3.0, 5.0, 7.0]), [0.02, 0.1, 0.3]
    one = gaussian_copula_losses(exposures, pds, 0.2, attachment=6.0)
    two = gaussian_copula_losses(exposures * 2.0**power, pds, 0.2, attachment=6.0 * 2.0**power)
    assert two.unexpected_loss == one.unexpected_loss * 2.0**power
    assert two.hit_probability == one.hit_probability
    np.testing.assert_array_equal(two.losses, one.losses * 2.0**power)
    np.testing.assert_array_equal(two.probabilities, one.probabilities)
    np.testing.assert_array_equal(
        two.contributions.expected_shortfall, one.contributions.expected_shortfall * 2.0**power
    )


def test_one_huge_obligor_decides():
    exposures = np.append(np.full(200, 1.0), 1e6)
    pds = np.append(np.full(200, 0.02), 0.004)
    result = gaussian_copula_losses(exposures, pds, 0.2, [0.99, 0.999], attachment=5e5)
    assert result.hit_probability == pytest.approx(0.004, rel=1e-9)
    assert result.value_at_risk[0] < 300
    assert result.value_at_risk[1] == pytest.approx(1e6, rel=1e-3)
    assert result.contributions.value_at_risk[1, -1] > 0.999 * 1e6


def test_zero_exposure_changes_nothing_else():
    base = gaussian_copula_losses([3.0, 5.0, 7.0], [0.02, 0.1, 0.3], 0.2)
    more = gaussian_copula_losses([3.0, 0.0, 5.0, 7.0], [0.02, 0.9, 0.1, 0.3], 0.2)
    np.testing.assert_allclose(more.probabilities, base.probabilities, atol=1e-12)
    np.testing.assert_allclose(
        more.contributions.expected_shortfall[:, [0, 2, 3]], base.contributions.expected_shortfall, rtol=1e-9
    )
    assert (more.contributions.expected_shortfall[:, 1] == 0).all()


pools = st.integers(2, 9).flatmap(
    lambda n: st.tuples(
        st.lists(st.floats(0.1, 100), min_size=n, max_size=n),
        st.lists(st.floats(1e-4, 0.5), min_size=n, max_size=n),
        st.permutations(range(n)),
    )
)


@settings(max_examples=8, deadline=None)
@given(pools)
def test_order_of_obligors_does_not_matter(pool):
    exposures, pds, order = np.array(pool[0]), np.array(pool[1]), list(pool[2])
    one = gaussian_copula_losses(exposures, pds, 0.25, grid_points=500)
    two = gaussian_copula_losses(exposures[order], pds[order], 0.25, grid_points=500)
    np.testing.assert_array_equal(one.probabilities, two.probabilities)
    np.testing.assert_array_equal(one.expected_shortfall, two.expected_shortfall)
    np.testing.assert_allclose(
        one.contributions.expected_shortfall[:, order], two.contributions.expected_shortfall, rtol=1e-12
    )


@settings(max_examples=8, deadline=None)
@given(pools, st.sampled_from([1e-6, 1e-3, 7.3, 1e6, 1e9]))
def test_currency_unit_does_not_matter(pool, unit):
    exposures, pds = np.round(pool[0], 1), np.array(pool[1])
    attachment = 0.3137 * exposures.sum()
    one = gaussian_copula_losses(exposures, pds, 0.25, attachment=attachment)
    two = gaussian_copula_losses(exposures * unit, pds, 0.25, attachment=attachment * unit)
    assert two.hit_probability == pytest.approx(one.hit_probability, rel=1e-9, abs=1e-14)
    assert two.unexpected_loss == pytest.approx(one.unexpected_loss * unit, rel=1e-10)
    np.testing.assert_allclose(two.value_at_risk, one.value_at_risk * unit, rtol=1e-9)
    np.testing.assert_allclose(two.expected_shortfall, one.expected_shortfall * unit, rtol=1e-9)


@settings(max_examples=8, deadline=None)
@given(pools)
def test_laws_of_the_result(pool):
    exposures, pds = np.array(pool[0]), np.array(pool[1])
    result = gaussian_copula_losses(exposures, pds, 0.25, [0.9, 0.99, 0.999], grid_points=1000)
    assert result.probabilities.sum() == pytest.approx(1.0, abs=1e-11)
    assert (np.diff(result.value_at_risk) >= 0).all()
    assert (result.expected_shortfall >= result.value_at_risk - 1e-9).all()
    # The grid only rounds: its mean is within one unit of the exact one.
    assert abs(result.losses @ result.probabilities - result.expected_loss) < exposures.sum() / 1000
    np.testing.assert_allclose(result.contributions.value_at_risk.sum(axis=1), result.value_at_risk)
    np.testing.assert_allclose(result.contributions.expected_shortfall.sum(axis=1), result.expected_shortfall)
    assert result.contributions.unexpected_loss.sum() == pytest.approx(result.unexpected_loss)


@pytest.mark.parametrize(
    ("pd", "rho"), [(0.01, 0.2), (0.3, 0.5), (1e-4, 0.9), (0.9, 0.05), (1e-9, 1e-4), (0.02, 0.9999)]
)
def test_pd_sd_against_mpmath(pd, rho):
    with mpmath.workdps(30):
        t = mpmath.mpf(float(ndtri(pd)))

        def square(z):
            return mpmath.npdf(z) * mpmath.ncdf((t - mpmath.sqrt(rho) * z) / mpmath.sqrt(1 - rho)) ** 2

        # Where the conditional PD falls from 1 to 0.
        step, width = t / mpmath.sqrt(rho), mpmath.sqrt((1 - rho) / mpmath.mpf(rho))
        breaks = [step + k * width for k in (-12, -4, 0, 4, 12) if abs(step + k * width) < 12]
        joint = mpmath.quad(square, sorted([-12, -6, -3, 0, 3, 6, 12, *breaks]))
        expected = mpmath.sqrt(joint - mpmath.ncdf(t) ** 2)
    assert conditional_pd_sd(pd, rho) == pytest.approx(float(expected), rel=1e-10)


def test_pd_sd_broadcasts():
    assert conditional_pd_sd([[0.01], [0.02]], [0.0, 0.1, 0.2]).shape == (2, 3)
    np.testing.assert_allclose(conditional_pd_sd([0.01, 1.0, 0.0], [0.0, 0.2, 0.2]), 0.0, atol=1e-15)


def test_common_unit_is_found():
    assert loss_bands(np.array([1.2, 3.0, 4.5]), 1000)[0] == pytest.approx(0.3)
    np.testing.assert_array_equal(loss_bands(np.array([1.2, 3.0, 4.5]), 1000)[1], [4, 10, 15])
    unit, bands = loss_bands(np.array([1.0, math.pi, math.e]), 1000)
    assert unit == pytest.approx((1 + math.pi + math.e) / 1000)
    assert bands.sum() == 1000


def test_quantile_and_exceedance_invert():
    result = gaussian_copula_losses([3.0, 5.0, 7.0, 10.0], 0.1, 0.2, [0.9])
    assert result.quantile(0.9) == result.value_at_risk[0]
    assert result.exceedance(-1.0) == pytest.approx(1.0)
    assert result.exceedance(25.0) == pytest.approx(0.0, abs=1e-15)
    assert result.exceedance([10.0])[0] == pytest.approx(result.probabilities[11:].sum())


def test_grid_tail_by_hand():
    # 1 % at 10 and 1 % at 4: the worst 1.5 % average (1 x 10 + 0.5 x 4)/1.5 = 8.
    index, share, shortfall = grid_tail(np.array([0.0, 4.0, 10.0]), np.array([0.98, 0.01, 0.01]), 0.985)
    assert (index, shortfall) == (1, pytest.approx(8.0))
    assert share == pytest.approx(0.005)
    assert grid_tail(np.array([0.0, 4.0, 10.0]), np.array([0.98, 0.01, 0.01]), 0.99)[0] == 1


def test_uniforms_are_one_table():
    table = uniforms(3, 0, 40, 7)
    np.testing.assert_array_equal(uniforms(3, 13, 5, 7), table[13:18])
    assert (uniforms(4, 0, 40, 7) != table).all()
    assert abs(uniforms(3, 0, 20_000, 5).mean() - 0.5) < 5 * math.sqrt(1 / 12 / 100_000)


def test_worst_scenarios_by_hand():
    """The worst 1.5 of four scenarios: 10, and half of 4. VaR is 4; near it lie 1, 4 and 10."""
    table = np.array([[9.0, 1.0], [0.0, 0.0], [1.0, 3.0], [1.0, 0.0]])
    found = simulated_losses(
        "test",
        lambda start, count: table[start : start + count],
        2,
        np.array([0.625]),
        None,
        scenarios=4,
        block_size=4,
    )
    assert (found.value_at_risk[0], found.expected_shortfall[0]) == (4.0, pytest.approx(8.0))
    np.testing.assert_allclose(
        found.contributions.expected_shortfall[0], [(9 + 0.5 * 1) / 1.5, (1 + 0.5 * 3) / 1.5]
    )
    np.testing.assert_allclose(found.contributions.value_at_risk[0], np.array([11 / 3, 4 / 3]) * 4 / 5)
    assert found.standard_errors.value_at_risk[0] == pytest.approx((10 - 1) / 2)
    # Manistre and Hancock: (variance in the tail 8 + 0.625 (8 - 4)^2)/1.5.
    assert found.standard_errors.expected_shortfall[0] == pytest.approx(np.sqrt(12.0))


def test_simulation_summary_of_a_known_law():
    """Exponential losses split 3 : 1: mean 1, sd 1, VaR -ln(1 - a), ES = VaR + 1."""

    def scenario_losses(start, count):
        return -np.log(uniforms(11, start, count, 1)) * np.array([0.75, 0.25])

    levels = np.array([0.9, 0.99])
    results = [
        simulated_losses("test", scenario_losses, 2, levels, 3.0, scenarios=40_000, block_size=size)
        for size in (1, 7_777, 40_000)
    ]
    one = results[0]
    for other in results[1:]:
        np.testing.assert_array_equal(one.losses, other.losses)
        np.testing.assert_array_equal(one.contributions.unexpected_loss, other.contributions.unexpected_loss)
        np.testing.assert_array_equal(
            one.contributions.expected_shortfall, other.contributions.expected_shortfall
        )
    errors = one.standard_errors
    exact = -np.log(1 - levels)
    assert abs(one.expected_loss - 1) < 4 * errors.expected_loss
    assert abs(one.unexpected_loss - 1) < 4 * errors.unexpected_loss
    assert (abs(one.value_at_risk - exact) < 4 * errors.value_at_risk).all()
    assert (abs(one.expected_shortfall - exact - 1) < 4 * errors.expected_shortfall).all()
    assert abs(one.hit_probability - math.exp(-3)) < 4 * errors.hit_probability
    # The standard errors themselves: sd of an exponential's estimators.
    assert errors.expected_loss == pytest.approx(1 / 200, rel=0.05)
    assert errors.value_at_risk[0] == pytest.approx(math.sqrt(0.9 * 0.1) / 0.1 / 200, rel=0.25)
    assert errors.expected_shortfall[0] == pytest.approx(math.sqrt(1.9 / 0.1) / 200, rel=0.1)
    for parts, total in (
        (one.contributions.value_at_risk, one.value_at_risk),
        (one.contributions.expected_shortfall, one.expected_shortfall),
    ):
        np.testing.assert_allclose(parts, total[:, None] * [0.75, 0.25], rtol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([], [], 0.2), InputError, "exposures must hold at least one obligor"),
        (([0.0, 0.0], 0.1, 0.2), DomainError, "exposures times lgd must add up to more than 0"),
        (([1.0, -2.0], 0.1, 0.2), DomainError, r"exposures must be >= 0 \(got -2\)"),
        (([1.0, 2.0], 1.2, 0.2), DomainError, r"pds must be between 0 and 1 .*got 1.2"),
        (([1.0, 2.0], [0.1, 0.2, 0.3], 0.2), InputError, "pds must be one number or 2, one per obligor"),
        (([1.0, 2.0], 0.1, 1.0), DomainError, r"correlation must be >= 0 and < 1 .a decimal.* \(got 1\)"),
        (([1.0, 2.0], 0.1, 0.2, [0.99, 99.0]), DomainError, r"levels must be > 0 and < 1.*got 99"),
        (([1.0, float("nan")], 0.1, 0.2), DomainError, "exposures must be >= 0"),
        ((["a"], 0.1, 0.2), InputError, "exposures must be a number"),
        (([[1.0, 2.0]], 0.1, 0.2), InputError, "exposures must be one list"),
    ],
)
def test_wrong_inputs_name_themselves(arguments, error, message):
    with pytest.raises(error, match=message):
        gaussian_copula_losses(*arguments)
