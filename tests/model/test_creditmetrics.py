"""CreditMetrics against the technical document, enumeration and the KMV model."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri

from xlkmv.errors import DomainError, InputError
from xlkmv.model.creditmetrics import (
    EXAMPLE_DEFAULT_VALUE,
    EXAMPLE_FORWARD_RATES,
    EXAMPLE_MATRIX,
    EXAMPLE_RATINGS,
    bond_values,
    creditmetrics,
    migration_moments,
    migration_thresholds,
    rating_rows,
    transition_matrix,
)
from xlkmv.model.losses import gaussian_copula_losses

# CreditMetrics Technical Document (1997), chapter 1: the 5-year 6 % BBB bond.
BBB = [0.0002, 0.0033, 0.0595, 0.8693, 0.0530, 0.0117, 0.0012, 0.0018]
BBB_VALUES = [109.37, 109.19, 108.66, 107.55, 102.02, 98.10, 83.64, 51.13]


def test_single_bond_of_the_document():
    mean, sd = migration_moments(BBB, BBB_VALUES)
    assert (round(float(mean), 2), round(float(sd), 2)) == (107.09, 2.99)
    assert round(float(migration_moments(BBB, BBB_VALUES, [0] * 7 + [25.45])[1]), 2) == 3.18


def test_moments_broadcast():
    mean, sd = migration_moments(EXAMPLE_MATRIX, BBB_VALUES)
    assert mean.shape == sd.shape == (7,)
    scaled = np.array(EXAMPLE_MATRIX)[5] / 0.9999
    assert mean[5] == pytest.approx(scaled @ BBB_VALUES)


def test_example_tables():
    matrix = np.array(EXAMPLE_MATRIX)
    np.testing.assert_array_equal(matrix[3], BBB)
    # As printed: two rows miss 1 by their rounding.
    np.testing.assert_allclose(matrix.sum(axis=1), [1, 1, 1, 1, 1, 0.9999, 1.0001], atol=1e-12)
    np.testing.assert_allclose(transition_matrix(matrix).sum(axis=1), 1.0, atol=1e-15)
    assert EXAMPLE_DEFAULT_VALUE == (0.5113, 0.2545)
    # The printed curves reproduce the printed values to 0.025.
    values = 100 * bond_values(0.06, EXAMPLE_FORWARD_RATES, EXAMPLE_DEFAULT_VALUE[0])
    np.testing.assert_allclose(values, BBB_VALUES, atol=0.025)


def test_bond_value_by_hand():
    # One year left after the horizon: c + (1 + c)/(1 + f).
    np.testing.assert_allclose(
        bond_values(0.05, [[0.03], [0.10]], 0.4), [0.05 + 1.05 / 1.03, 0.05 + 1.05 / 1.1, 0.4]
    )


def test_thresholds_of_the_document():
    # Technical Document, chapter 8: asset return thresholds of a BB obligor.
    printed = [3.43, 2.93, 2.39, 1.37, -1.23, -2.04, -2.30]
    np.testing.assert_allclose(migration_thresholds(EXAMPLE_MATRIX)[4], printed, atol=0.006)


@given(st.lists(st.lists(st.floats(0, 1), min_size=4, max_size=4), min_size=1, max_size=5))
def test_thresholds_give_the_probabilities_back(rows):
    table = np.array(rows) + 1e-6
    table /= table.sum(axis=1, keepdims=True)
    thresholds = migration_thresholds(table)
    worse = np.column_stack([np.ones(len(rows)), ndtr(thresholds), np.zeros(len(rows))])
    np.testing.assert_allclose(worse[:, :-1] - worse[:, 1:], table, atol=1e-13)


def test_rating_names():
    np.testing.assert_array_equal(rating_rows([" bbb", "AAA", "Ccc"]), [3, 0, 6])
    assert EXAMPLE_RATINGS[3] == "BBB"
    with pytest.raises(InputError, match=r"ratings must be one of AAA.*'D'"):
        rating_rows(["AAA", "D"])


def test_defaults_alone_are_the_kmv_model():
    exposures = np.array([45, 42, 38, 36, 32, 28, 23, 22, 18, 14, 3.0])
    pds = np.linspace(0.01, 0.03, 11)
    two_states = np.column_stack([1 - pds, pds])
    np.testing.assert_allclose(migration_thresholds(two_states)[:, 0], ndtri(pds), rtol=1e-12)
    options = {"lgd": 0.6, "attachment": 20.0}
    kmv = gaussian_copula_losses(exposures, pds, 0.2, [0.9, 0.99], **options)
    simulated = creditmetrics(exposures, np.arange(11), two_states, 0.2, [0.9, 0.99], **options)
    errors = simulated.standard_errors
    assert simulated.expected_loss == pytest.approx(kmv.expected_loss, rel=1e-12)
    assert abs(simulated.unexpected_loss - kmv.unexpected_loss) < 4 * errors.unexpected_loss
    assert abs(simulated.hit_probability - kmv.hit_probability) < 4 * errors.hit_probability
    assert (abs(simulated.expected_shortfall - kmv.expected_shortfall) < 4 * errors.expected_shortfall).all()
    assert (abs(simulated.value_at_risk - kmv.value_at_risk) <= 4 * errors.value_at_risk + 0.6).all()
    np.testing.assert_allclose(
        simulated.contributions.unexpected_loss, kmv.contributions.unexpected_loss, atol=0.06
    )
    assert simulated.contributions.unexpected_loss.sum() == pytest.approx(simulated.unexpected_loss)
    np.testing.assert_allclose(
        simulated.contributions.expected_shortfall.sum(axis=1), simulated.expected_shortfall
    )


def enumerate_migrations(rows, correlation):
    """All end states of a small portfolio and their probabilities, by Gauss-Hermite over the factor."""
    z, w = np.polynomial.hermite_e.hermegauss(160)
    thresholds = migration_thresholds(EXAMPLE_MATRIX)[rows]
    below = ndtr((thresholds - math.sqrt(correlation) * z[:, None, None]) / math.sqrt(1 - correlation))
    edges = np.concatenate([np.ones_like(below[..., :1]), below, np.zeros_like(below[..., :1])], axis=2)
    chance = edges[..., :-1] - edges[..., 1:]
    states = np.array(list(itertools.product(range(8), repeat=len(rows))))
    joint = np.array([(chance[:, np.arange(len(rows)), s].prod(axis=1) * w).sum() / w.sum() for s in states])
    return states, joint


def test_joint_probability_of_the_document():
    # Technical Document, chapter 8: BB and A, asset correlation 20 %: both stay with probability 73.65 %
    # (thresholds rounded to two digits; 73.64 % without).
    states, joint = enumerate_migrations([4, 2], 0.2)
    assert joint[(states == [4, 2]).all(axis=1)][0] == pytest.approx(0.7365, abs=2e-4)


def test_three_bonds_against_enumeration():
    rows, exposures, correlation = [3, 4, 5], np.array([100.0, 50.0, 80.0]), 0.3
    worth = bond_values(0.06, EXAMPLE_FORWARD_RATES, 0.5113)
    states, joint = enumerate_migrations(rows, correlation)
    losses = exposures * (worth[rows] - worth[states])
    total = losses.sum(axis=1)
    mean, sd = joint @ total, math.sqrt(joint @ (total - joint @ total) ** 2)
    result = creditmetrics(
        exposures, rows, EXAMPLE_MATRIX, correlation, [0.95, 0.99], values=worth, attachment=20.0
    )
    errors = result.standard_errors
    assert errors.expected_loss == 0.0
    assert result.expected_loss == pytest.approx(mean, rel=1e-9)
    assert abs(result.unexpected_loss - sd) < 4 * errors.unexpected_loss
    assert abs(result.hit_probability - joint[total > 20].sum()) < 4 * errors.hit_probability
    order = np.argsort(total)
    for k, level in enumerate([0.95, 0.99]):
        cumulated = np.cumsum(joint[order])
        at_risk = total[order][np.searchsorted(cumulated, level)]
        above = total > at_risk
        tail = (joint[above] @ total[above] + at_risk * (1 - level - joint[above].sum())) / (1 - level)
        assert abs(result.value_at_risk[k] - at_risk) <= 4 * errors.value_at_risk[k] + 1e-9
        assert abs(result.expected_shortfall[k] - tail) < 4 * errors.expected_shortfall[k]
    covariance = (losses - joint @ losses).T @ (joint * (total - mean))
    np.testing.assert_allclose(result.contributions.unexpected_loss, covariance / sd, atol=0.15)
    # Upgrades are gains: the smallest loss seen is below zero.
    assert result.losses[0] < 0


def test_same_bits_whatever_the_block_size():
    values = bond_values(0.06, EXAMPLE_FORWARD_RATES, 0.5)
    exposures = np.arange(1.0, 10.0)

    def run(block, seed=5):
        return creditmetrics(
            exposures,
            np.arange(9) % 7,
            EXAMPLE_MATRIX,
            0.2,
            values=values,
            scenarios=3000,
            seed=seed,
            block_size=block,
        )

    one = run(1)
    for block in (300, 1024, 3000, 10**6, None):
        other = run(block)
        np.testing.assert_array_equal(one.losses, other.losses)
        assert one.unexpected_loss == other.unexpected_loss
        for name in ("unexpected_loss", "value_at_risk", "expected_shortfall"):
            np.testing.assert_array_equal(
                getattr(one.contributions, name), getattr(other.contributions, name)
            )
    assert run(None, seed=6).unexpected_loss != one.unexpected_loss


def test_loadings_on_one_factor_are_the_correlation():
    options = {"scenarios": 2000}
    one = creditmetrics([1.0, 2.0], [4, 5], EXAMPLE_MATRIX, [0.16, 0.25], **options)
    two = creditmetrics([1.0, 2.0], [4, 5], EXAMPLE_MATRIX, [[0.4], [0.5]], **options)
    np.testing.assert_array_equal(one.losses, two.losses)
    np.testing.assert_array_equal(one.probabilities, two.probabilities)


def test_two_factors_that_do_not_meet_are_independent():
    matrix, loadings = [[0.7, 0.3]], [[0.9, 0.0], [0.0, 0.9]]
    result = creditmetrics([1.0, 1.0], 0, matrix, loadings, [0.5])
    assert abs(result.unexpected_loss - math.sqrt(0.42)) < 4 * result.standard_errors.unexpected_loss
    together = creditmetrics([1.0, 1.0], 0, matrix, [[1.0, 0.0], [1.0, 0.0]], [0.5])
    np.testing.assert_array_equal(together.losses, [0.0, 2.0])


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([1e-6, 1e3, 7.7]))
def test_currency_unit_does_not_matter(seed, unit):
    rng = np.random.default_rng(seed)
    exposures, rows = rng.uniform(1, 50, 6), rng.integers(0, 7, 6)
    options = {"values": bond_values(0.06, EXAMPLE_FORWARD_RATES, 0.5), "scenarios": 1000}
    one = creditmetrics(exposures, rows, EXAMPLE_MATRIX, 0.2, attachment=5.0, **options)
    two = creditmetrics(exposures * unit, rows, EXAMPLE_MATRIX, 0.2, attachment=5.0 * unit, **options)
    assert one.hit_probability == two.hit_probability
    np.testing.assert_allclose(two.expected_shortfall / unit, one.expected_shortfall, rtol=1e-9)
    np.testing.assert_allclose(two.value_at_risk / unit, one.value_at_risk, rtol=1e-9, atol=1e-12)


def test_order_of_obligors_moves_only_the_draws():
    exposures, rows = np.array([10.0, 20.0, 30.0]), np.array([3, 5, 6])
    one = creditmetrics(exposures, rows, EXAMPLE_MATRIX, 0.2)
    two = creditmetrics(exposures[::-1], rows[::-1], EXAMPLE_MATRIX, 0.2)
    assert two.expected_loss == pytest.approx(one.expected_loss, rel=1e-14)
    np.testing.assert_allclose(two.contributions.expected_loss[::-1], one.contributions.expected_loss)
    spread = math.hypot(one.standard_errors.unexpected_loss, two.standard_errors.unexpected_loss)
    assert abs(one.unexpected_loss - two.unexpected_loss) < 4 * spread


def test_zero_huge_and_certain():
    matrix = [[0.98, 0.02], [0.0, 1.0], [1.0, 0.0]]
    result = creditmetrics([1e6, 1.0, 1.0, 0.0], [0, 1, 2, 0], matrix, 0.2, [0.9, 0.99], scenarios=20_000)
    np.testing.assert_array_equal(result.value_at_risk, [1.0, 1e6 + 1])
    assert result.losses[0] == 1.0
    np.testing.assert_array_equal(result.contributions.expected_loss, [2e4, 1.0, 0.0, 0.0])


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (
            ([1.0], 0, [[0.9, 0.2]], 0.2),
            {},
            DomainError,
            r"matrix must sum to 1 in each row \(row 1\) \(got 1.1\)",
        ),
        (([1.0], 0, [[0.9, 0.1], [0.5, 0.4997]], 0.2), {}, DomainError, r"matrix .*\(row 2\) \(got 0.9997\)"),
        (([1.0], 0, [[1.1, -0.1]], 0.2), {}, DomainError, "matrix must be between 0 and 1"),
        (([1.0], 0, [0.9, 0.1], 0.2), {}, InputError, "matrix must be a table"),
        (([], [], [[0.9, 0.1]], 0.2), {}, InputError, "exposures must hold at least one obligor"),
        (([0.0], 0, [[0.9, 0.1]], 0.2), {}, DomainError, "add up to more than 0"),
        (
            ([1.0], 1, [[0.9, 0.1]], 0.2),
            {},
            DomainError,
            r"ratings must be a row of the matrix, 0 to 0 \(got 1\)",
        ),
        (([1.0], 0.5, [[0.9, 0.1]], 0.2), {}, DomainError, "ratings must be a row"),
        (([1.0, 2.0], [0, 0, 0], [[0.9, 0.1]], 0.2), {}, InputError, "ratings must be 2 numbers"),
        (([1.0], 0, [[0.9, 0.1]], 1.0), {}, DomainError, "correlation must be >= 0 and < 1"),
        (([1.0], 0, [[0.9, 0.1]], [[0.8, 0.8]]), {}, DomainError, r"squares .*row 1.*1.28"),
        (
            ([1.0], 0, [[0.9, 0.1]], 0.2),
            {"values": [1.0, 0.5, 0.1]},
            InputError,
            "values must have 2 columns",
        ),
        (
            ([1.0], 0, [[0.8, 0.1, 0.1]], 0.2),
            {},
            InputError,
            "matrix must have a column for each of its rows",
        ),
        (([1.0], 0, [[0.9, 0.1]], 0.2), {"scenarios": 5}, DomainError, "scenarios must be between 100"),
        (([1.0], 0, [[0.9, 0.1]], 0.2), {"seed": 1.5}, InputError, "seed must be a whole number"),
    ],
)
def test_wrong_inputs_name_themselves(arguments, options, error, message):
    with pytest.raises(error, match=message):
        creditmetrics(*arguments, **options)
