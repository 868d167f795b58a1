"""Density and inverse Mills ratio against 40 digits, and at the ends of the line."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from xlkmv.model.normal import density, inverse_mills

POINTS = [-1e8, -300.0, -38.5, -8.0, -1.0, 0.0, 0.3, 5.0, 8.3, 30.0, 37.0]


@pytest.mark.parametrize("z", POINTS)
def test_against_40_digits(z):
    with mp.workdps(40):
        n = mp.npdf(mp.mpf(z))
        # erfc keeps the tail below, where the distribution is smaller than the least double.
        quotient = n / (mp.erfc(-mp.mpf(z) / mp.sqrt(2)) / 2)
    # Rounding z^2/2 costs z^2/2 rounding units.
    tolerance = 1e-15 * max(1.0, min(z * z, 1400.0))
    assert density(z) == pytest.approx(float(n), rel=tolerance, abs=1e-320)
    assert inverse_mills(z) == pytest.approx(float(quotient), rel=tolerance if z > 0.0 else 1e-15)


def test_ends_and_shape():
    assert inverse_mills(np.array([[1e200], [np.inf]])).tolist() == [[0.0], [0.0]]
    assert inverse_mills(-1e200) == pytest.approx(1e200, rel=1e-15)
    np.testing.assert_array_equal(density(np.array([-np.inf, np.inf])), [0.0, 0.0])
    z = np.linspace(-50.0, 37.0, 400)
    assert (np.diff(inverse_mills(z)) < 0.0).all()
