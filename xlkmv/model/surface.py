"""Response surfaces: how a probability moves with a few inputs, from few and noisy runs.

A probability is put on the scale of distances, d = -N^{-1}(p), on which one that moves by orders of
magnitude, and one that fills half of the unit interval, are both close to a polynomial of low degree:

``d(z) = b_0 + sum_i b_i z_i + sum_{i <= j} b_ij z_i z_j``

with the inputs z centred at 0 and of spread 1. Inputs that do little may be flat: without the second sum.
How well a surface is known follows from how far the runs lie from it, whether by chance or because
it is no surface of second degree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr, ndtri

from xlkmv.model.domain import Array

__all__ = [
    "FARTHEST",
    "Surface",
    "count_terms",
    "distance_of",
    "evenness",
    "fit_rates",
    "fit_values",
    "quadratic_terms",
]

# No double is as improbable as what lies farther away.
FARTHEST = 37.0
# Slopes that are no surprise, and what a surface of second degree misses of a function that is known
# exactly, distances; curvatures that are no surprise, in units of the slopes. Standard deviations of
# normal priors.
SLOPE, LACK, CURVATURE = 2.0, 0.01, 0.2
NONE = 1e-6
STEPS = 100
# How often what rates are worth is looked at anew.
REPEATED = 2


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """A surface that was fitted to n runs.

    Attributes
    ----------
    coefficients : ndarray, shape (q,)
        Of the :func:`quadratic_terms`.
    deviations : ndarray, shape (n, q)
        What each run moves the coefficients by: the covariance of these is their product
        ``deviations' deviations``.
    lack : float
        Standard deviation of what a surface of second degree misses, distance.

    Notes
    -----
    Deviations are ``H^{-1} x_j w_j s_j``, w_j the weight of a run. Where the standard errors of runs are
    known, ``s_j^2 = 1/w_j + b`` is what a run does not know by itself, and what the surface misses, as much
    on all of them: with the distances e_j of the runs from it and their leverages h_j

    ``b = max(0, sum w_j e_j^2 - sum (1 - h_j))/sum w_j (1 - h_j)``,

    the square of the lack, the estimate by moments of DerSimonian and Laird (1986); else ``s_j^2 = phi/w_j``,
    ``phi = sum w_j e_j^2/sum (1 - h_j)``. One figure of all runs is steadier than one of each: there are
    hardly more of them than coefficients.
    """

    coefficients: Array
    deviations: Array
    lack: float


def distance_of(probability: Array | float) -> Array:
    """Distance of a probability, -N^{-1}(p), no farther than :data:`FARTHEST`.

    Parameters
    ----------
    probability : ndarray or float

    Returns
    -------
    ndarray
        Of its shape.
    """
    return np.asarray(np.clip(-ndtri(probability), -FARTHEST, FARTHEST))


def count_terms(inputs: int, flat: int = 0) -> int:
    """How many terms a surface over some inputs has, of which the last ones are flat.

    Parameters
    ----------
    inputs : int
    flat : int
        As in :func:`quadratic_terms`.

    Returns
    -------
    int
    """
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


def evenness(inputs: Array, flat: int = 0) -> float:
    """How well runs at some inputs tell a surface: -ln tr[(X'X + P)^{-1} M], X the terms.

    M are the moments of the terms where inputs are independent and standard normal, so that this
    is the mean variance of what is read; what is largest is an I-optimal design. P, of slopes of 1, keeps
    it finite.

    Parameters
    ----------
    inputs : ndarray, shape (n, p)
    flat : int
        As in :func:`quadratic_terms`.

    Returns
    -------
    float
    """
    terms = quadratic_terms(inputs, flat)
    p = inputs.shape[1]
    prior = _precision(terms, p, CURVATURE * SLOPE)
    spread = np.linalg.inv(_gram(terms, np.full(len(terms), LACK**-2.0)) + np.diag(prior))
    moments = np.eye(terms.shape[1])
    one, two = np.triu_indices(p - flat)
    squares = np.append(0, 1 + p + np.flatnonzero(one == two))
    moments[np.ix_(squares, squares)] = 1.0 + 2.0 * np.eye(squares.size)
    moments[0, 0] = 1.0
    return -float(np.log(np.einsum("pq,pq->", spread, moments)))


def fit_values(inputs: Array, values: Array, flat: int = 0) -> Surface:
    """Fit a surface to values that are known exactly, such as distances.

    Parameters
    ----------
    inputs : ndarray, shape (n, p)
    values : ndarray, shape (n,)
    flat : int
        As in :func:`quadratic_terms`.

    Returns
    -------
    Surface
    """
    terms = quadratic_terms(inputs, flat)
    precision, weight = _precision(terms, inputs.shape[1], CURVATURE * SLOPE), np.full(len(terms), LACK**-2.0)
    centre = values.mean()
    found = _solved(terms, weight, values - centre, precision)
    found[0] += centre
    return _surface(found, terms, weight, values - _dot(terms, found), precision)


def fit_rates(
    inputs: Array,
    rates: Array,
    counts: Array,
    flat: int = 0,
    *,
    errors: Array | None = None,
) -> Surface:
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
    errors : ndarray, shape (n,), optional
        Standard errors of the rates, NaN where it is that of the count. Counts are then taken for those of
        plain samples that would tell as much.

    Returns
    -------
    Surface
    """
    terms, p = quadratic_terms(inputs, flat), inputs.shape[1]
    start = np.zeros(terms.shape[1])
    start[0] = distance_of(float(counts @ rates / counts.sum()))
    # A plane first, whose slopes say what curvature is likely.
    plane = _mode(terms, rates, counts, _precision(terms, p, NONE), start)
    steepness = float(np.sqrt(np.mean(plane[1 : p + 1] ** 2))) if p else 0.0
    precision = _precision(terms, p, max(CURVATURE * steepness, NONE))
    found, sizes = plane, counts
    for _ in range(1 if errors is None else REPEATED):
        if errors is not None:
            sizes = _worth(_dot(terms, found), rates, counts, errors)
        found = _mode(terms, rates, sizes, precision, found)
    short, alive = _hazards(_dot(terms, found))
    miss = rates / alive - (1.0 - rates) / short
    known = errors is not None
    return _surface(found, terms, sizes * short * alive, -miss, precision, known)


def _worth(distance: Array, rates: Array, counts: Array, errors: Array) -> Array:
    """Sizes of plain samples whose rates would be known as well, n exp(a + b d).

    ``p (1 - p)/s^2`` itself knows no more than few events do, and is large where by chance p is small: a
    line through its logarithm over the distances of a first fit is neither. Where paths are
    weighted, what is rare is known better than by as many plain ones, so b is not negative; how much
    better what is rarer still, no run has shown.
    """
    seen = np.flatnonzero((errors > 0.0) & (rates > 0.0) & (rates < 1.0))
    if not seen.size:
        return counts
    p, s, d = rates[seen], errors[seen], distance[seen]
    gain, weight = np.log(p * (1.0 - p) / (s * s * counts[seen])), (p / s) ** 2
    centre, middle = (np.average(x, weights=weight) for x in (d, gain))
    spread = float(weight @ (d - centre) ** 2)
    slope = max(float(weight @ ((d - centre) * (gain - middle))) / spread, 0.0) if spread > 0.0 else 0.0
    worth = np.exp(middle + slope * (np.minimum(distance, d.max()) - centre))
    return np.where(np.isnan(errors), counts, counts * worth)


def _hazards(d: Array) -> tuple[Array, Array]:
    """Densities over tails, phi(d)/N(-d) and phi(d)/N(d), by logarithms, which last."""
    log_density = -0.5 * (d * d + np.log(2.0 * np.pi))
    return np.exp(log_density - log_ndtr(-d)), np.exp(log_density - log_ndtr(d))


def _mode(terms: Array, rates: Array, counts: Array, precision: Array, start: Array) -> Array:
    """Most likely coefficients, by Fisher's scoring."""

    def loss(b: Array) -> float:
        d = _dot(terms, b)
        seen = counts @ (rates * log_ndtr(-d) + (1.0 - rates) * log_ndtr(d))
        return float(0.5 * (precision @ b**2) - seen)

    found, current = start, loss(start)
    for _ in range(STEPS):
        d = _dot(terms, found)
        short, alive = _hazards(d)
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
    matrix = _gram(terms, weight) + np.diag(precision)
    right = np.einsum("jq,j->q", terms, weight * target)
    if start is not None:
        right -= precision * start
    return np.linalg.solve(matrix, right)


def _surface(
    found: Array, terms: Array, weight: Array, missed: Array, precision: Array, known: bool = False
) -> Surface:
    """Say how well coefficients are known, as :class:`Surface` has it; `known` are the errors of the runs."""
    each = np.linalg.solve(_gram(terms, weight) + np.diag(precision), (weight[:, None] * terms).T).T
    free, seen = 1.0 - np.einsum("jq,jq->j", each, terms), float(weight @ missed**2)
    lack = max(seen - float(free.sum()) * known, 0.0) / float(weight @ free)
    variance = 1.0 / weight + lack if known else seen / float(free.sum()) / weight
    return Surface(found, np.asarray(each * np.sqrt(variance)[:, None]), lack**0.5)


def _gram(terms: Array, weight: Array) -> Array:
    return np.asarray(np.einsum("jq,jp->qp", weight[:, None] * terms, terms))


def _dot(terms: Array, coefficients: Array) -> Array:
    """Product of matrices, not by BLAS, whose digits depend on its threads."""
    return np.asarray(np.einsum("jq,q...->j...", terms, coefficients))
