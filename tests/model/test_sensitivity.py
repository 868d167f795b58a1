"""Sensitivities against 50-digit differentiation of the definition."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from xlkmv.errors import DomainError
from xlkmv.model.sensitivity import distance_sensitivities, probability_sensitivities

NAMES = ("asset_value", "default_point", "volatility", "horizon", "drift")


def distance(V, DP, sigma, T, mu):
    return (mp.log(V / DP) + (mu - sigma**2 / 2) * T) / (sigma * mp.sqrt(T))


def probability(*args):
    return mp.erfc(distance(*args) / mp.sqrt(2)) / 2


@pytest.mark.parametrize("seed", range(25))
def test_every_derivative_against_50_digits(seed):
    rng = np.random.default_rng(seed)
    args = (
        10 ** rng.uniform(-3, 6),
        0.0,
        rng.uniform(0.03, 1.2),
        rng.uniform(0.1, 20),
        rng.uniform(-0.1, 0.2),
    )
    args = (args[0], args[0] * np.exp(rng.uniform(-3, 0.5)), *args[2:])
    of_distance, of_probability = distance_sensitivities(*args), probability_sensitivities(*args)
    with mp.workdps(50):
        point = tuple(mp.mpf(float(a)) for a in args)
        dd = float(distance(*point))
        for i, name in enumerate(NAMES):
            order = tuple(int(j == i) for j in range(5))
            # Relative to the terms that the derivative adds up.
            size = abs(dd) / args[2] + np.sqrt(args[3]) if name == "volatility" else 0.0
            got = float(getattr(of_distance, name))
            exact = float(mp.diff(distance, point, order))
            assert got == pytest.approx(exact, rel=1e-12, abs=1e-14 * size)
            density = np.exp(-dd * dd / 2)
            got, exact = float(getattr(of_probability, name)), float(mp.diff(probability, point, order))
            assert got == pytest.approx(exact, rel=1e-12 * (1 + dd * dd), abs=1e-14 * size * density)


def test_broadcast_and_refusal():
    assert distance_sensitivities([[1.0], [2.0]], [0.5, 0.6, 0.7], 0.2).drift.shape == (2, 3)
    with pytest.raises(DomainError, match="volatility"):
        distance_sensitivities(1, 1, 25)
