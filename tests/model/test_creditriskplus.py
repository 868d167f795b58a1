"""CreditRisk+ against the CSFB document, closed forms, enumeration and its own second method."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import gammaln

from xlkmv.errors import DomainError, InputError
from xlkmv.model.creditriskplus import creditriskplus, panjer, transform
from xlkmv.model.losses import conditional_pd_sd, gaussian_copula_losses

# CSFB, CreditRisk+ (1997), example 1A: 25 obligors; PD standard deviations are half the PDs; one sector.
EXPOSURES_1A = [
    358475, 1089819, 1799710, 1933116, 2317327, 2410929, 2652184, 2957685, 3137989, 3204044, 4727724, 4830517,
    4912097, 4928989, 5042312, 5320364, 5435457, 5517586, 5764596, 5847845, 6466533, 6480322, 7727651,
    15410906, 20238895,
]  # fmt: skip
CLASSES_1A = "HHFGGGHGDDADDHFEDCECHHBFE"
PD_1A = {"A": 0.015, "B": 0.016, "C": 0.03, "D": 0.05, "E": 0.075, "F": 0.1, "G": 0.15, "H": 0.3}
PDS_1A = np.array([PD_1A[c] for c in CLASSES_1A])


@pytest.mark.parametrize("method", ["panjer", "transform", "auto"])
def test_example_1a_to_the_unit(method):
    result = creditriskplus(EXPOSURES_1A, PDS_1A, PDS_1A / 2, [0.99, 0.995], unit=202389, method=method)
    assert sum(EXPOSURES_1A) == 130_513_072
    assert round(result.expected_loss) == 14_221_863
    np.testing.assert_array_equal(np.round(result.value_at_risk), [55_311_503, 62_033_181])
    np.testing.assert_allclose(
        result.contributions.value_at_risk.sum(axis=1), result.value_at_risk, rtol=1e-12
    )
    # The rounded bands keep the expected loss.
    assert result.losses @ result.probabilities == pytest.approx(result.expected_loss, rel=1e-12)


@pytest.mark.parametrize("method", ["panjer", "transform"])
def test_equal_exposures_are_negative_binomial(method):
    n, pd, v = 60, 0.03, 0.7
    result = creditriskplus(np.ones(n), pd, pd * v, unit=1.0, method=method)
    shape, mean = v**-2, n * pd
    k = np.arange(40)
    q = mean / (mean + shape)
    closed = np.exp(
        gammaln(k + shape) - gammaln(shape) - gammaln(k + 1) + k * np.log(q) + shape * np.log1p(-q)
    )
    np.testing.assert_allclose(result.probabilities[:40], closed, rtol=1e-9, atol=1e-15)
    assert result.unexpected_loss == pytest.approx(math.sqrt(mean + (v * mean) ** 2))


@pytest.mark.parametrize("method", ["panjer", "transform"])
def test_the_distribution_ends_where_losses_do(method):
    result = creditriskplus([3.0, 5.0, 7.0], [0.02, 0.1, 0.3], [0.0, 0.0, 0.0], [0.9], method=method)
    assert result.probabilities[-1] > 0.0


def test_poisson_pool_whose_first_probability_underflows():
    """2,000 expected defaults: P(no loss) = e^-2000 is no float; the recursion must rescale."""
    mean = 2000.0
    k = np.arange(1500, 2600)
    closed = np.exp(k * math.log(mean) - mean - gammaln(k + 1.0))
    computed = panjer(np.array([[0.0, mean], [0.0, 0.0]]), np.array([np.inf]), 2600)
    np.testing.assert_allclose(computed[1500:], closed, rtol=1e-9)
    assert computed.sum() == pytest.approx(1.0, abs=1e-10)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_recursion_against_transform(seed):
    rng = np.random.default_rng(seed)
    severities = rng.uniform(0, 0.3, (3, 8))  # some of it in band 0, which costs nothing
    shapes = rng.uniform(0.3, 5.0, 2)
    for extra in (None, 0, 1):
        one, two = panjer(severities, shapes, 1024, extra), transform(severities, shapes, 1024, extra)
        np.testing.assert_allclose(one, two, atol=1e-13)


def enumerate_pool(bands, rates, weights, deviations, top=14):
    """Losses and probabilities of a pool of 3, by counting defaults and integrating the gammas."""
    nodes = [np.array([1.0]), np.array([1.0])]
    chances = [np.array([1.0]), np.array([1.0])]
    for k, v in enumerate(deviations):
        # Gauss-Laguerre with weight s^(a-1) e^-s: Golub-Welsch.
        a, m = v**-2, 60
        diagonal = 2 * np.arange(m) + a
        off = np.sqrt(np.arange(1, m) * (np.arange(1, m) + a - 1))
        x, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(off, 1) + np.diag(off, -1))
        nodes[k], chances[k] = x / a, vectors[0] ** 2
    s1, s2 = (g.ravel() for g in np.meshgrid(*nodes, indexing="ij"))
    chance = np.outer(*chances).ravel()
    mixed = (1 - weights.sum(axis=1)) + np.outer(s1, weights[:, 0]) + np.outer(s2, weights[:, 1])
    means = rates * mixed
    counts = np.array(list(np.ndindex(top, top, top)))
    logs = gammaln(counts + 1.0).sum(axis=1)
    probability = np.array(
        [chance @ np.exp((c * np.log(means)).sum(axis=1) - means.sum(axis=1)) for c in counts]
    ) * np.exp(-logs)
    return counts * bands, probability


def test_three_obligors_two_sectors_against_enumeration():
    bands, rates = np.array([1, 2, 4]), np.array([0.30, 0.15, 0.10])
    weights = np.array([[0.5, 0.3], [0.2, 0.8], [0.0, 0.6]])
    sds = np.array([0.25, 0.12, 0.09])
    deviations = (sds @ weights) / (rates @ weights)
    losses, chances = enumerate_pool(bands, rates, weights, deviations)
    total = losses.sum(axis=1)
    # The first loss at risk is less than the largest of the three can cause.
    levels = [0.65, 0.95, 0.99]
    result = creditriskplus(bands, rates, sds, levels, sector_weights=weights, unit=1.0, attachment=4.0)
    for x in range(10):
        assert result.probabilities[x] == pytest.approx(chances[total == x].sum(), rel=1e-8)
    assert result.hit_probability == pytest.approx(chances[total > 4].sum(), rel=1e-8)
    for k, level in enumerate(levels):
        index = next(x for x in range(40) if chances[total <= x].sum() >= level)
        fraction = (level - chances[total < index].sum()) / chances[total == index].sum()

        def given(x):
            return chances[total == x] @ losses[total == x] / chances[total == x].sum()

        expected = fraction * given(index) + (1 - fraction) * given(index - 1)
        assert result.value_at_risk[k] == pytest.approx(index - 1 + fraction, rel=1e-7)
        np.testing.assert_allclose(result.contributions.value_at_risk[k], expected, rtol=1e-6)
        share = 1 - level - chances[total > index].sum()
        tail = (chances[total > index] @ losses[total > index] + share * given(index)) / (1 - level)
        np.testing.assert_allclose(result.contributions.expected_shortfall[k], tail, rtol=1e-5)
    mean = chances @ losses
    covariance = (losses - mean).T @ (chances * (losses - mean).sum(axis=1))
    np.testing.assert_allclose(
        result.contributions.unexpected_loss, covariance / math.sqrt(covariance.sum()), rtol=1e-6
    )


@pytest.mark.parametrize(("rho", "gap"), [(0.01, 0.02), (0.03, 0.04), (0.1, 0.06)])
def test_large_homogeneous_pool_agrees_with_kmv_matched_on_two_moments(rho, gap):
    """Gamma and probit-normal default rates with the same mean and sd part only as they spread out."""
    n, pd = 5000, 0.02
    sd = float(conditional_pd_sd(pd, rho))
    actuarial = creditriskplus(np.ones(n), pd, sd, [0.9, 0.99], unit=1.0)
    kmv = gaussian_copula_losses(np.ones(n), pd, rho, [0.9, 0.99])
    assert actuarial.expected_loss == pytest.approx(kmv.expected_loss, rel=1e-12)
    # A Poisson count varies more than a Bernoulli one, by n E[p(Z)^2].
    excess = n * (pd**2 + sd**2)
    assert actuarial.unexpected_loss**2 == pytest.approx(kmv.unexpected_loss**2 + excess, rel=1e-9)
    np.testing.assert_allclose(actuarial.value_at_risk, kmv.value_at_risk, rtol=gap)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-6, 1e3, 1e8]))
def test_order_and_currency_do_not_matter(seed, unit):
    rng = np.random.default_rng(seed)
    n = 12
    exposures, pds = rng.lognormal(0, 1, n), rng.uniform(0.001, 0.1, n)
    weights = rng.dirichlet([1, 1, 1], n)[:, :2]
    order = rng.permutation(n)
    one = creditriskplus(exposures, pds, pds, sector_weights=weights, attachment=2.0)
    two = creditriskplus(
        exposures[order] * unit, pds[order], pds[order], sector_weights=weights[order], attachment=2.0 * unit
    )
    np.testing.assert_allclose(two.value_at_risk / unit, one.value_at_risk, rtol=1e-9)
    np.testing.assert_allclose(two.expected_shortfall / unit, one.expected_shortfall, rtol=1e-9)
    assert two.hit_probability == pytest.approx(one.hit_probability, rel=1e-9)
    np.testing.assert_allclose(
        two.contributions.expected_shortfall / unit, one.contributions.expected_shortfall[:, order], rtol=1e-8
    )
    np.testing.assert_allclose(one.contributions.expected_shortfall.sum(axis=1), one.expected_shortfall)
    assert (one.expected_shortfall >= one.value_at_risk).all()


def test_the_unit_is_part_of_the_definition_but_not_of_the_mean():
    fine = creditriskplus(EXPOSURES_1A, PDS_1A, PDS_1A / 2, [0.99], unit=50_000)
    coarse = creditriskplus(EXPOSURES_1A, PDS_1A, PDS_1A / 2, [0.99], unit=202389)
    assert fine.value_at_risk[0] != coarse.value_at_risk[0]
    assert fine.value_at_risk[0] == pytest.approx(coarse.value_at_risk[0], rel=0.01)
    assert (fine.expected_loss, fine.unexpected_loss) == (coarse.expected_loss, coarse.unexpected_loss)


def test_huge_and_zero_exposures():
    result = creditriskplus([1.0, 0.0, 1e6], [0.02, 0.5, 0.03], [0.01, 0.2, 0.01], [0.9, 0.99])
    assert result.value_at_risk[1] == pytest.approx(1e6, rel=0.02)
    assert (result.contributions.value_at_risk[:, 1] == 0).all()
    assert (result.contributions.expected_shortfall[:, 1] == 0).all()
    # Poisson: the one obligor can default twice, and the answer says so.
    assert "default twice" in result.notes[0]
    assert creditriskplus([1.0, 2.0], 0.0, 0.0).value_at_risk.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("method", ["panjer", "transform"])
def test_a_small_deviation_is_close_to_none(method):
    exposures, pds = np.array([1.0, 2.0, 3.0]), np.array([0.02, 0.03, 0.05])
    poisson = creditriskplus(exposures, pds, 0.0, method=method)
    for relative in (1e-3, 1e-5, 1e-8, 1e-200):
        near = creditriskplus(exposures, pds, relative * pds, method=method)
        assert near.probabilities.sum() == pytest.approx(1.0, abs=1e-14)
        # What a gamma law does to the law of rare defaults grows with the square of its deviation.
        miss = np.abs(near.probabilities[:40] - poisson.probabilities[:40]).max()
        assert miss < 0.01 * relative**2 + 1e-15


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (([], [], []), {}, InputError, "exposures must hold at least one obligor"),
        (([0.0], 0.1, 0.1), {}, DomainError, "add up to more than 0"),
        (([1.0, 2.0], [0.1, 1.0], 0.1), {}, DomainError, "pds .*Poisson law.*certain default.*got 1"),
        (([1.0], 0.1, -0.1), {}, DomainError, r"pd_sds must be >= 0 \(got -0.1\)"),
        # No unit is coarse enough for the tail of such a sector.
        (([1.0, 2.0], 0.02, 50.0), {}, DomainError, "pd_sds must leave a loss grid.*got 2500"),
        (([1.0, 2.0], 0.02, 1e160), {}, DomainError, "pd_sds must leave a loss grid"),
        (([1.0, 2.0], [0.02, 0.03], 1.7e308), {}, DomainError, "pd_sds must leave a loss grid.*got inf"),
        (([1.0, 2.0], [0.0, 0.02], [1e200, 0.01]), {}, DomainError, "pd_sds must leave a loss grid"),
        (([1.0], 0.1, 0.1), {"unit": 1e-320}, DomainError, "unit must leave a loss grid"),
        (([1.0], 0.1, 0.1), {"unit": 0.0}, DomainError, r"unit must be > 0 \(got 0\)"),
        (([1.0], 0.1, 0.1), {"unit": 1e-9}, DomainError, "unit must leave a loss grid"),
        (([1.0], 0.1, 0.1), {"method": "fft"}, InputError, "method must be"),
        (([1.0, 1.0], 0.1, 0.1), {"sector_weights": [[0.5, 0.6], [0.1, 0.1]]}, DomainError, "row 1.*1.1"),
        (([1.0, 1.0], 0.1, 0.1), {"sector_weights": [[0.5]]}, InputError, "2 rows"),
    ],
)
def test_wrong_inputs_name_themselves(arguments, options, error, message):
    with pytest.raises(error, match=message):
        creditriskplus(*arguments, **options)
