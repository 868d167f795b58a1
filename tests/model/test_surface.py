"""Surfaces: exact where the truth is one, and the likelihood's maximum by another optimiser."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import binom, norm

from xlkmv.model.sobol import sobol_points
from xlkmv.model.surface import (
    FARTHEST,
    count_terms,
    distance_of,
    evenness,
    fit_rates,
    fit_values,
    quadratic_terms,
)


def inputs(count, dimensions=2, seed=4):
    return norm.ppf(sobol_points(count, dimensions, seed))


def test_terms_by_hand():
    assert quadratic_terms(np.array([[2.0, 3.0]])) == pytest.approx(np.array([[1, 2, 3, 4, 6, 9]]))
    assert quadratic_terms(np.array([[2.0, 3.0, 5.0]]), flat=1).tolist() == [[1, 2, 3, 5, 4, 6, 9]]
    assert quadratic_terms(np.empty((2, 0))).tolist() == [[1.0], [1.0]]
    assert [count_terms(2), count_terms(3, flat=1), count_terms(0)] == [6, 7, 1]


def test_distances_have_ends():
    assert distance_of(np.array([0.0, 0.5, 1.0])).tolist() == [FARTHEST, 0.0, -FARTHEST]
    assert distance_of(0.01) == pytest.approx(norm.isf(0.01))


def test_values_of_second_degree_are_met():
    z = inputs(16)
    truth = np.array([3.0, -0.8, 0.4, 0.1, -0.05, 0.02])
    assert fit_values(z, quadratic_terms(z) @ truth).coefficients == pytest.approx(truth, abs=1e-3)


def test_where_values_are_few_slopes_come_before_curvatures():
    """Four values, six terms: least squares of the misses and, in units of their priors, the coefficients."""
    z = inputs(4)
    values = np.array([1.0, -2.0, 0.5, 3.0])
    rows = np.vstack([quadratic_terms(z) / 0.01, np.diag([0.0, 0.5, 0.5, 2.5, 2.5, 2.5])])
    least, *_ = np.linalg.lstsq(rows, np.append(values / 0.01, np.zeros(6)), rcond=None)
    assert fit_values(z, values).coefficients == pytest.approx(least, rel=1e-6)


def test_a_surface_of_nothing_is_a_constant():
    assert fit_values(np.empty((3, 0)), np.array([1.0, 2.0, 6.0])).coefficients == pytest.approx([3.0])
    rates, counts = np.array([0.1, 0.3]), np.array([100.0, 300.0])
    assert fit_rates(np.empty((2, 0)), rates, counts).coefficients == pytest.approx([norm.isf(0.25)])


def test_rates_find_the_truth_that_made_them():
    z, rng = inputs(32), np.random.default_rng(1)
    truth = np.array([2.5, -0.5, 0.3, 0.08, 0.05, -0.04])
    counts = np.full(32, 200_000.0)
    rates = binom.rvs(200_000, norm.sf(quadratic_terms(z) @ truth), random_state=rng) / counts
    assert fit_rates(z, rates, counts).coefficients == pytest.approx(truth, abs=0.02)


def test_without_curvature_rates_are_probit_regression():
    """Two inputs, one of which means nothing: the plain maximum of the likelihood, by scipy's minimiser."""
    rng = np.random.default_rng(2)
    z, counts = inputs(24, 1), np.full(24, 1_000_000.0)
    p = norm.sf(1.0 + 0.5 * z[:, 0])
    rates = binom.rvs(1_000_000, p, random_state=rng) / counts

    def minus(b):
        d = quadratic_terms(z) @ b
        return -(counts @ (rates * norm.logsf(d) + (1.0 - rates) * norm.logcdf(d))) / counts.sum()

    best = minimize(minus, [1.0, 0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-14})
    assert fit_rates(z, rates, counts).coefficients == pytest.approx(best.x, abs=1e-4)


def test_few_events_bend_no_surface():
    """Of 13 events on 100,000 paths a slope can be seen, and curvatures stay a small part of it."""
    z, rng = inputs(12), np.random.default_rng(3)
    counts = np.full(12, 100_000.0)
    rates = binom.rvs(100_000, norm.sf(3.6 - 0.3 * z[:, 0]), random_state=rng) / counts
    found = fit_rates(z, rates, counts).coefficients
    assert found[1] == pytest.approx(-0.3, abs=0.1)
    assert np.abs(found[2:]).max() < 0.1


def test_deviations_add_up_to_the_covariance_of_textbooks():
    """Of n values and their mean s^2/n, the variance of a mean."""
    values = np.array([1.0, 2.0, 6.0, 4.5])
    moved = fit_values(np.empty((4, 0)), values).deviations
    assert np.sum(moved**2) == pytest.approx(values.var(ddof=1) / 4.0)


def test_deviations_say_how_surfaces_scatter():
    """600 sets of 24 runs, of which one in four is far noisier than it is said to be."""
    z, rng = inputs(24), np.random.default_rng(5)
    truth, counts = np.array([2.0, -0.5, 0.3, 0.05, 0.0, 0.0]), np.full(24, 4000.0)
    d = quadratic_terms(z) @ truth
    found, variance = [], []
    for _ in range(600):
        rates = norm.sf(d + rng.standard_normal(24) * np.where(np.arange(24) % 4, 0.01, 0.05))
        fitted = fit_rates(z, rates, counts)
        found.append(fitted.coefficients[:3])
        variance.append((fitted.deviations[:, :3] ** 2).sum(axis=0))
    assert np.sqrt(np.mean(variance, axis=0)) == pytest.approx(np.std(found, axis=0), rel=0.2)


@pytest.mark.parametrize("lack", [0.0, 0.04])
def test_deviations_are_what_runs_do_not_know_and_what_the_surface_misses(lack):
    """600 sets of 24 runs with known errors of different sizes, which lie about the surface besides."""
    z, rng = inputs(24), np.random.default_rng(7)
    truth, counts = np.array([2.0, -0.5, 0.3, 0.05, 0.0, 0.0]), np.full(24, 4000.0)
    d = quadratic_terms(z) @ truth
    own = np.where(np.arange(24) % 4, 0.02, 0.05)
    found, variance, missed = [], [], []
    for _ in range(600):
        seen = norm.sf(d + own * rng.standard_normal(24) + lack * rng.standard_normal(24))
        fitted = fit_rates(z, seen, counts, errors=own * norm.pdf(d))
        found.append(fitted.coefficients[:3])
        variance.append((fitted.deviations[:, :3] ** 2).sum(axis=0))
        missed.append(fitted.lack)
    assert np.sqrt(np.mean(variance, axis=0)) == pytest.approx(np.std(found, axis=0), rel=0.25)
    # Below the errors of the runs themselves little of it can be seen.
    assert np.median(missed) == pytest.approx(lack, rel=0.15, abs=own.min())


def test_errors_count_where_rates_are_weighted():
    """Rates that are all known to a tenth, as importance sampling has them, the rare ones too.

    The spread of the slope over 300 sets is near that of weighted least squares, the best there is, and far
    below that of a fit that knows of no weights.
    """
    z, rng = inputs(16, 1), np.random.default_rng(6)
    d = 3.0 + 0.7 * z[:, 0]
    p, hazard = norm.sf(d), norm.pdf(d) / norm.sf(d)
    spread = 0.1 * p  # of every rate a tenth
    terms = quadratic_terms(z)[:, :2] * (hazard / 0.1)[:, None]
    best = np.sqrt(np.linalg.inv(terms.T @ terms)[1, 1])
    slopes = []
    for _ in range(300):
        rates, counts = p + spread * rng.standard_normal(16), np.full(16, 10_000.0)
        errors = spread * np.exp(0.1 * rng.standard_normal(16))
        fits = (fit_rates(z, rates, counts, errors=errors), fit_rates(z, rates, counts))
        slopes.append([fitted.coefficients[1] for fitted in fits])
    known, plain = np.std(slopes, axis=0)
    assert known < 1.25 * best
    assert known < 0.7 * plain
    assert np.mean(slopes, axis=0)[0] == pytest.approx(0.7, abs=0.01)


def test_even_designs_tell_more():
    """Two points on either side of 0 and at it, against three close to each other."""
    z = np.array([[-1.5], [0.0], [1.5]])
    assert evenness(z) > evenness(np.array([[0.1], [0.0], [0.2]]))
    # The mean variance of what is read where the input is normal, by quadrature.
    x, weights = np.polynomial.hermite_e.hermegauss(20)
    prior = np.diag([0.0, 0.5**2, 2.5**2])
    inverse = np.linalg.inv(quadratic_terms(z).T @ quadratic_terms(z) * 100.0**2 + prior)
    read = quadratic_terms(x[:, None])
    variance = np.sum((read @ inverse) * read, axis=1) @ weights / weights.sum()
    assert evenness(z) == pytest.approx(-np.log(variance))
