"""Response surfaces: how a probability moves with a few inputs, from few and noisy runs.

A probability is put on the scale of distances, d = -N^{-1}(p), on which one that moves by orders of
magnitude, and one that fills half of the unit interval, are both close to a polynomial of low degree:

``d(z) = b_0 + sum_i b_i z_i + sum_{i <= j} b_ij z_i z_j``

with the inputs z centred at 0 and of spread 1. Inputs that do little may be flat: without the second sum.
"""

from __future__ import annotations

import numpy as np
from scipy.special import log_ndtr, ndtri

from xlkmv.model.domain import Array

__all__ = ["FARTHEST", "count_terms", "distance_of", "fit_rates", "fit_values", "quadratic_terms"]

# No double is as improbable as what lies farther away.
FARTHEST = 37.0
# Slopes that are no surprise, and what a surface of second degree misses of a function that is known
# exactly, distances; curvatures that are no surprise, in units of the slopes. Standard deviations of
# normal priors.
SLOPE, LACK, CURVATURE = 2.0, 0.01, 0.2
NONE = 1e-6
STEPS = 100


def distance_of(probability: Array | float) -> Array:
    """Distance of a probability, -N^{-1}(p), no farther than :data:`FARTHEST`."""
    return np.asarray(np.clip(-ndtri(probability), -FARTHEST, FARTHEST))


def count_terms(inputs: int, flat: int = 0) -> int:
    """How many terms a surface over some inputs has, of which the last ones are flat."""
    return 1 + inputs + (inputs - flat) * (inputs - flat + 1) // 2


def quadratic_terms(inputs: Array, flat: int = 0) -> Array:
    """Terms of a polynomial of second degree: a constant, the inputs, their squares and products.

    Parameters
    ----------
    inputs : ndarray, shape (n, p)
    flat : int
        How many of the inputs, from the last one, have neither squares nor products.

    Returns
    -------
    ndarray, shape (n, q)
        q as :func:`count_terms` says.
    """
    one, two = np.triu_indices(inputs.shape[1] - flat)
    return np.hstack([np.ones((len(inputs), 1)), inputs, inputs[:, one] * inputs[:, two]])


def fit_values(inputs: Array, values: Array, flat: int = 0) -> Array:
    """Fit a surface to values that are known exactly, such as distances.

    Parameters
    ----------
    inputs : ndarray, shape (n, p)
    values : ndarray, shape (n,)
    flat : int
        As in :func:`quadratic_terms`.

    Returns
    -------
    ndarray, shape (q,)
        Coefficients of the :func:`quadratic_terms`.
    """
    terms = quadratic_terms(inputs, flat)
    precision = _precision(terms, inputs.shape[1], CURVATURE * SLOPE)
    centre = values.mean()
    found = _solved(terms, np.full(len(terms), LACK**-2.0), values - centre, precision)
    found[0] += centre
    return found


def fit_rates(inputs: Array, rates: Array, counts: Array, flat: int = 0) -> Array:
    """Fit a surface to rates seen in samples: a probit regression, posterior mode.

    ``max_b sum_j n_j [y_j ln N(-d_j) + (1 - y_j) ln N(d_j)] - sum (b/s)^2/2``

    The rates may be means of fractions, such as losses: what is maximised is then a quasi-likelihood
    (Papke and Wooldridge 1996).

    Parameters
    ----------
    inputs : ndarray, shape (n, p)
    rates : ndarray, shape (n,)
        y, 0 to 1; not all of them 0, nor all of them 1.
    counts : ndarray, shape (n,)
        n, size of the sample behind each rate.
    flat : int
        As in :func:`quadratic_terms`.

    Returns
    -------
    ndarray, shape (q,)
        Coefficients of the :func:`quadratic_terms`.
    """
    terms, p = quadratic_terms(inputs, flat), inputs.shape[1]
    start = np.zeros(terms.shape[1])
    start[0] = distance_of(float(counts @ rates / counts.sum()))
    # A plane first, whose slopes say what curvature is likely.
    plane = _mode(terms, rates, counts, _precision(terms, p, NONE), start)
    steepness = float(np.sqrt(np.mean(plane[1 : p + 1] ** 2))) if p else 0.0
    return _mode(terms, rates, counts, _precision(terms, p, max(CURVATURE * steepness, NONE)), plane)


def _mode(terms: Array, rates: Array, counts: Array, precision: Array, start: Array) -> Array:
    """Most likely coefficients, by Fisher's scoring."""

    def loss(b: Array) -> float:
        d = _dot(terms, b)
        seen = counts @ (rates * log_ndtr(-d) + (1.0 - rates) * log_ndtr(d))
        return float(0.5 * (precision @ b**2) - seen)

    found, current = start, loss(start)
    for _ in range(STEPS):
        d = _dot(terms, found)
        # Densities over tails by logarithms, which last.
        log_density = -0.5 * (d * d + np.log(2.0 * np.pi))
        short, alive = np.exp(log_density - log_ndtr(-d)), np.exp(log_density - log_ndtr(d))
        slope = counts * ((1.0 - rates) * alive - rates * short)
        weight = counts * short * alive
        step = _solved(terms, weight, slope / weight, precision, found)
        size = 1.0
        while (new := loss(found + size * step)) > current and size > 1e-10:
            size *= 0.5
        if new > current:
            break
        found = found + size * step
        if current - new <= 1e-12 * (1.0 + abs(new)):
            break
        current = new
    return found


def _precision(terms: Array, inputs: int, curvature: float) -> Array:
    """Of the prior of each coefficient, given how large curvatures are; none of the constant's."""
    out = np.full(terms.shape[1], curvature**-2.0)
    out[0], out[1 : inputs + 1] = 0.0, SLOPE**-2.0
    return out


def _solved(
    terms: Array, weight: Array, target: Array, precision: Array, start: Array | None = None
) -> Array:
    """Solve ``(X'WX + P) b = X'W y - P b_0``."""
    matrix = np.einsum("jq,jp->qp", weight[:, None] * terms, terms) + np.diag(precision)
    right = np.einsum("jq,j->q", terms, weight * target)
    if start is not None:
        right -= precision * start
    return np.linalg.solve(matrix, right)


def _dot(terms: Array, coefficients: Array) -> Array:
    """Product of matrices, not by BLAS, whose digits depend on its threads."""
    return np.asarray(np.einsum("jq,q...->j...", terms, coefficients))
