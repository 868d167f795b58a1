"""Sobol points against scipy's, variance shares against functions whose shares are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import qmc

from xlkmv.errors import DomainError
from xlkmv.model.sobol import MOST_DIMENSIONS, sobol_points, variance_shares


@pytest.mark.parametrize("dimensions", [1, 2, 7, MOST_DIMENSIONS])
def test_points_are_those_of_scipy_up_to_the_shift(dimensions):
    ours = sobol_points(1024, dimensions, seed=5)
    theirs = qmc.Sobol(dimensions, scramble=False, bits=32).random(1024)
    digits = np.floor(ours * 2.0**32).astype(np.uint64)
    # The first point of the sequence is the origin: there stands the shift alone.
    assert np.array_equal(digits ^ digits[0], (theirs * 2.0**32).astype(np.uint64))


def test_points_are_inside_even_and_the_same_bits_for_a_seed():
    points = sobol_points(256, 6, seed=1)
    assert np.array_equal(points, sobol_points(256, 6, seed=1))
    assert not np.array_equal(points, sobol_points(256, 6, seed=2))
    assert points.min() > 0.0 and points.max() < 1.0
    # One point in each of 256 slices of every coordinate.
    assert np.array_equal(np.sort(np.floor(points * 256.0), axis=0), np.tile(np.arange(256.0)[:, None], 6))


@pytest.mark.parametrize("dimensions", [0, MOST_DIMENSIONS + 1])
def test_dimensions_that_nobody_has_numbers_for(dimensions):
    with pytest.raises(DomainError, match=f"dimensions must be from 1 to {MOST_DIMENSIONS}"):
        sobol_points(8, dimensions, seed=0)


def halves(count, dimensions, seed=3):
    points = sobol_points(count, 2 * dimensions, seed)
    return points[:, :dimensions], points[:, dimensions:]


def test_ishigami():
    """Ishigami and Homma (1990), a = 7, b = .1; shares in closed form (Saltelli and others 2000)."""
    a, b = 7.0, 0.1

    def ishigami(u):
        x = np.pi * (2.0 * u - 1.0)
        return (np.sin(x[:, 0]) + a * np.sin(x[:, 1]) ** 2 + b * x[:, 2] ** 4 * np.sin(x[:, 0]))[:, None]

    one = 0.5 * (1.0 + b * np.pi**4 / 5.0) ** 2
    two, both = a**2 / 8.0, b**2 * np.pi**8 * (1.0 / 18.0 - 1.0 / 50.0)
    whole = one + two + both
    found = variance_shares(ishigami, *halves(1 << 14, 3), [[0], [1], [2]])
    assert found.first[:, 0] == pytest.approx([one / whole, two / whole, 0.0], abs=5e-3)
    assert found.total[:, 0] == pytest.approx([(one + both) / whole, two / whole, both / whole], abs=5e-3)


def test_a_linear_model_has_its_squared_weights_as_shares_and_groups_add_up():
    weights = np.array([[3.0, 1.0], [2.0, 0.0], [1.0, 4.0]])
    found = variance_shares(lambda u: u @ weights, *halves(1 << 12, 3), [[0, 2], [1]])
    expected = np.array([[10.0, 17.0], [4.0, 0.0]]) / np.array([14.0, 17.0])
    assert found.first == pytest.approx(expected, abs=2e-3)
    assert found.total == pytest.approx(expected, abs=2e-3)


def test_a_result_that_never_moves_has_no_shares():
    found = variance_shares(lambda u: np.full((len(u), 1), 0.3), *halves(64, 2), [[0], [1]])
    assert np.isnan(found.first).all() and np.isnan(found.total).all()
