"""CreditPortfolioView against regression by hand, closed forms and enumeration."""

from __future__ import annotations

import itertools
import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit, ndtri

from xlkmv.errors import DomainError, InputError
from xlkmv.model.creditmetrics import EXAMPLE_MATRIX, transition_matrix
from xlkmv.model.losses import conditional_pd_sd, uniforms
from xlkmv.model.portfolioview import (
    fit_macro,
    matched_sensitivity,
    portfolioview_losses,
    scenario_default_rates,
    shift_migration,
    simulate_default_rates,
)


def economy(periods, seed=1, noise=0.1):
    """Two AR(2) factors and the default rates of two sectors that they drive."""
    shocks = ndtri(uniforms(seed, 0, periods + 100, 4))
    x = np.zeros((periods + 100, 2))
    for t in range(2, len(x)):
        x[t] = (
            [0.3, -0.1] + np.array([0.5, 0.2]) * x[t - 1] + np.array([0.2, -0.3]) * x[t - 2] + shocks[t, :2]
        )
    x = x[100:]
    index = np.column_stack([-4 + x @ [0.5, -0.3], -3 + x @ [0.1, 0.4]]) + noise * shocks[100:, 2:]
    return expit(index), x


def test_regressions_by_the_textbook():
    """b = (X'X)^-1 X'y and se = sqrt(s^2 diag (X'X)^-1), for the index and for the lags."""
    rates, macro = economy(30)
    fit = fit_macro(rates, macro)
    design = np.column_stack([np.ones(30), macro])
    normal = np.linalg.inv(design.T @ design)
    for k in range(2):
        y = logit(rates[:, k])
        b = normal @ design.T @ y
        residual = y - design @ b
        np.testing.assert_allclose(fit.index_coefficients[k], b, rtol=1e-9)
        s2 = residual @ residual / 27
        np.testing.assert_allclose(fit.index_errors[k], np.sqrt(s2 * np.diag(normal)), rtol=1e-9)
        assert fit.covariance[k, k] == pytest.approx(s2)
        assert fit.index_r2[k] == pytest.approx(1 - residual @ residual / ((y - y.mean()) ** 2).sum())
        x = macro[:, k]
        lags = np.column_stack([np.ones(28), x[1:-1], x[:-2]])
        inverse = np.linalg.inv(lags.T @ lags)
        c = inverse @ lags.T @ x[2:]
        e = x[2:] - lags @ c
        np.testing.assert_allclose(fit.ar_coefficients[k], c, rtol=1e-9)
        np.testing.assert_allclose(fit.ar_errors[k], np.sqrt(e @ e / 25 * np.diag(inverse)), rtol=1e-9)
        assert fit.covariance[2 + k, 2 + k] == pytest.approx(e @ e / 25)
    assert (np.linalg.eigvalsh(fit.covariance) > 0).all()
    np.testing.assert_array_equal(fit.last, macro[-2:])
    assert fit.observations == 30


def test_long_series_find_the_truth():
    fit = fit_macro(*economy(20_000))
    np.testing.assert_allclose(fit.index_coefficients, [[-4, 0.5, -0.3], [-3, 0.1, 0.4]], atol=0.005)
    np.testing.assert_allclose(fit.ar_coefficients, [[0.3, 0.5, 0.2], [-0.1, 0.2, -0.3]], atol=0.04)
    np.testing.assert_allclose(fit.covariance, np.diag([0.01, 0.01, 1.0, 1.0]), atol=0.04)
    assert fit.stationary.all()


def test_a_random_walk_is_called_not_stationary():
    macro = np.cumsum(np.arange(20.0) % 3 - 0.5) * 1.1 ** np.arange(20)
    fit = fit_macro(expit(np.sin(np.arange(20.0)) - 3), macro)
    assert not fit.stationary[0]


def test_units_of_the_macro_series_do_not_matter():
    rates, macro = economy(25)
    one, two = fit_macro(rates, macro), fit_macro(rates, macro * [1e9, 1e-7])
    np.testing.assert_allclose(two.index_coefficients * [1, 1e9, 1e-7], one.index_coefficients, rtol=1e-8)
    np.testing.assert_allclose(
        simulate_default_rates(two, 3, scenarios=50), simulate_default_rates(one, 3, scenarios=50), rtol=0.5
    )


def test_one_period_ahead_is_normal_with_known_moments():
    fit = fit_macro(*economy(40))
    y = logit(simulate_default_rates(fit, 1, scenarios=40_000))
    c, b = fit.ar_coefficients, fit.index_coefficients
    x = c[:, 0] + c[:, 1] * fit.last[1] + c[:, 2] * fit.last[0]
    mean = b[:, 0] + b[:, 1:] @ x
    mixing = np.column_stack([np.eye(2), b[:, 1:]])
    covariance = mixing @ fit.covariance @ mixing.T
    sd = np.sqrt(np.diag(covariance))
    assert (abs(y.mean(axis=0) - mean) < 4 * sd / 200).all()
    np.testing.assert_allclose(np.cov(y.T), covariance, rtol=0.03)


def test_scenarios_are_one_table_and_cumulate():
    fit = fit_macro(*economy(40))
    rates = simulate_default_rates(fit, 4, scenarios=60)
    np.testing.assert_array_equal(simulate_default_rates(fit, 4, scenarios=10, start=30), rates[30:40])
    path = np.zeros((3, 2))
    still = fit_macro(*economy(40, noise=1e-9))
    fixed = simulate_default_rates(still, 3, macro_path=path, scenarios=5)
    once = scenario_default_rates(still, path)
    np.testing.assert_allclose(fixed, np.tile(1 - (1 - once).prod(axis=0), (5, 1)), rtol=1e-6)
    np.testing.assert_allclose(once, np.tile(expit([-4.0, -3.0]), (3, 1)), rtol=1e-6)


def test_a_worse_scenario_raises_default_rates():
    fit = fit_macro(*economy(40))
    good, bad = scenario_default_rates(fit, [[-2.0, 0.0], [2.0, 0.0]])
    assert (bad > good).all()


@given(st.floats(-4, 4))
def test_migration_shift_moves_every_logit(shift):
    table, moved = transition_matrix(EXAMPLE_MATRIX), shift_migration(EXAMPLE_MATRIX, shift)
    np.testing.assert_allclose(moved.sum(axis=1), 1.0, atol=1e-13)
    pd = table[2:, -1]
    np.testing.assert_allclose(logit(moved[2:, -1]), logit(pd) + shift, rtol=1e-9)
    np.testing.assert_array_equal(moved[:2, -1], 0.0)
    np.testing.assert_allclose(shift_migration(moved, -shift), table, atol=1e-12)


@pytest.mark.parametrize(("pd", "rho"), [(0.01, 0.2), (0.3, 0.5), (0.001, 0.1)])
def test_matched_sensitivity_against_mpmath(pd, rho):
    s = mpmath.mpf(float(matched_sensitivity(pd, rho)[0]))

    def moment(a, power):
        def integrand(z):
            return mpmath.npdf(z) / (1 + mpmath.exp(-(a - s * z))) ** power

        return mpmath.quad(integrand, [-10, -5, -2, 0, 2, 5, 10])

    a = mpmath.findroot(lambda x: moment(x, 1) - pd, float(logit(pd)) - float(s) ** 2 / 3)
    sd = mpmath.sqrt(moment(a, 2) - mpmath.mpf(pd) ** 2)
    assert float(sd) == pytest.approx(float(conditional_pd_sd(pd, rho)), rel=1e-7)


def test_matched_sensitivity_of_many_pds():
    pds = np.linspace(0.001, 0.3, 200)
    many = matched_sensitivity(pds, 0.2)
    alone = np.concatenate([matched_sensitivity(pds[k], 0.2) for k in (0, 7, 100, 199)])
    np.testing.assert_allclose(many[[0, 7, 100, 199]], alone, rtol=1e-7)
    np.testing.assert_array_equal(matched_sensitivity([0.01, 0.1], 0.0), 0.0)


@pytest.mark.parametrize(("low", "high"), [(0.03, 0.24), (0.0, 0.9)])
def test_matched_sensitivity_of_many_pds_and_correlations(low, high):
    rng = np.random.default_rng(1)
    pds, rho = rng.uniform(0.0005, 0.3, 120), np.linspace(low, high, 120)
    alone = [matched_sensitivity(pd, r)[0] for pd, r in zip(pds, rho, strict=True)]
    np.testing.assert_allclose(matched_sensitivity(pds, rho), alone, rtol=1e-9)


def enumerate_logit(exposures, chances, weights, level):
    """VaR and ES of independent defaults mixed over nodes."""
    patterns = np.array(list(itertools.product([0, 1], repeat=len(exposures))))
    joint = np.array([weights @ np.where(d, chances, 1 - chances).prod(axis=1) for d in patterns])
    total = patterns @ exposures
    at_risk = next(x for x in np.unique(total) if joint[total <= x].sum() >= level)
    above = total > at_risk
    tail = joint[above] @ total[above] + at_risk * (1 - level - joint[above].sum())
    return total, joint, at_risk, tail / (1 - level)


def test_one_factor_pool_against_enumeration():
    exposures, pds, s = np.array([3.0, 5.0, 7.0, 10.0]), np.array([0.02, 0.1, 0.3, 0.05]), 1.3
    z, w = np.polynomial.hermite_e.hermegauss(100)
    w = w / w.sum()
    a = np.array(
        [float(mpmath.findroot(lambda x, p=p: w @ expit(float(x) - s * z) - p, logit(p))) for p in pds]
    )
    total, joint, at_risk, shortfall = enumerate_logit(exposures, expit(a - s * z[:, None]), w, 0.95)
    result = portfolioview_losses(exposures, pds, [0.95], sensitivity=s, attachment=10.0)
    mean = exposures @ pds
    assert result.value_at_risk[0] == at_risk
    assert result.expected_shortfall[0] == pytest.approx(shortfall, rel=1e-8)
    assert result.hit_probability == pytest.approx(joint[total > 10].sum(), rel=1e-8)
    assert result.expected_loss == pytest.approx(mean)
    assert result.unexpected_loss == pytest.approx(math.sqrt(joint @ (total - mean) ** 2), rel=1e-8)
    assert result.standard_errors is None


def test_fitted_economy_against_enumeration():
    rates, macro = economy(40)
    fit = fit_macro(rates, macro)
    exposures, pds, sectors = np.array([3.0, 5.0, 7.0]), np.array([0.02, 0.1, 0.3]), np.array([0, 1, 0])
    result = portfolioview_losses(
        exposures, pds, [0.9], fit=fit, sectors=sectors, attachment=6.0, scenarios=40_000
    )
    # The index one period ahead is normal in two sectors: integrate over both.
    c, b = fit.ar_coefficients, fit.index_coefficients
    mean = b[:, 0] + b[:, 1:] @ (c[:, 0] + c[:, 1] * fit.last[1] + c[:, 2] * fit.last[0])
    mixing = np.column_stack([np.eye(2), b[:, 1:]])
    root = np.linalg.cholesky(mixing @ fit.covariance @ mixing.T)
    z, w = np.polynomial.hermite_e.hermegauss(40)
    grid = np.array(list(itertools.product(z, z)))
    weights = np.outer(w, w).ravel() / w.sum() ** 2
    index = mean + grid @ root.T
    average = logit(rates).mean(axis=0)
    chances = expit(logit(pds) + (index - average)[:, sectors])
    total, joint, at_risk, shortfall = enumerate_logit(exposures, chances, weights, 0.9)
    errors = result.standard_errors
    assert abs(result.expected_loss - joint @ total) < 4 * errors.expected_loss
    sd = math.sqrt(joint @ total**2 - (joint @ total) ** 2)
    assert abs(result.unexpected_loss - sd) < 4 * errors.unexpected_loss
    assert abs(result.hit_probability - joint[total > 6].sum()) < 4 * errors.hit_probability
    assert abs(result.expected_shortfall[0] - shortfall) < 4 * errors.expected_shortfall[0]
    assert result.value_at_risk[0] == at_risk


def test_fitted_pool_same_bits_and_stress():
    fit = fit_macro(*economy(40))
    arguments = ([3.0, 5.0, 7.0], [0.02, 0.1, 0.3])
    one = portfolioview_losses(*arguments, fit=fit, scenarios=2000, block_size=1)
    two = portfolioview_losses(*arguments, fit=fit, scenarios=2000, block_size=999)
    np.testing.assert_array_equal(one.losses, two.losses)
    assert one.unexpected_loss == two.unexpected_loss
    np.testing.assert_array_equal(one.contributions.unexpected_loss, two.contributions.unexpected_loss)
    stressed = portfolioview_losses(*arguments, fit=fit, scenarios=2000, macro_path=[[4.0, 0.0]])
    assert stressed.expected_loss > one.expected_loss


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([1e-6, 1e4]))
def test_order_and_currency_do_not_matter(seed, unit):
    rng = np.random.default_rng(seed)
    exposures, pds = rng.integers(1, 50, 6).astype(float), rng.uniform(0.005, 0.2, 6)
    order = rng.permutation(6)
    one = portfolioview_losses(exposures, pds, sensitivity=0.9, attachment=9.5)
    two = portfolioview_losses(exposures[order] * unit, pds[order], sensitivity=0.9, attachment=9.5 * unit)
    assert two.hit_probability == pytest.approx(one.hit_probability, rel=1e-9)
    np.testing.assert_allclose(two.expected_shortfall / unit, one.expected_shortfall, rtol=1e-9)
    np.testing.assert_allclose(
        two.contributions.expected_shortfall / unit, one.contributions.expected_shortfall[:, order], rtol=1e-7
    )


GOOD = economy(20)


@pytest.mark.parametrize(("periods", "factors"), [(6, 1), (6, 4), (9, 7)])
def test_the_least_number_of_periods_is_enough(periods, factors):
    """One degree of freedom is left: of the index at 6 and 4, 9 and 7; of the lags at 6."""
    shocks = ndtri(uniforms(5, 0, periods, factors + 1))
    index, macro = -3.0 + 0.3 * shocks[:, 0], shocks[:, 1:]
    fit = fit_macro(expit(index), macro)
    assert fit.observations == periods
    design = np.column_stack([np.ones(periods), macro])
    np.testing.assert_allclose(fit.index_coefficients[0], np.linalg.lstsq(design, index)[0], rtol=1e-6)


@pytest.mark.parametrize(
    ("rates", "macro", "error", "message"),
    [
        (GOOD[0][:5, 0], GOOD[1][:5, 0], InputError, r"macro must hold at least 6 periods .*\(got 5\)"),
        (GOOD[0][:8], np.ones((8, 7)), InputError, "at least 9 periods to fit 7 factor"),
        (
            GOOD[0],
            np.column_stack([GOOD[1], GOOD[1].sum(axis=1)]),
            DomainError,
            "macro must hold factors that vary",
        ),
        (GOOD[0], np.ones(20), DomainError, "macro must hold factors that vary"),
        (np.zeros(20), GOOD[1], DomainError, "default_rates must be > 0 and < 1 .*infinite.*got 0"),
        (GOOD[0][:19], GOOD[1], InputError, "default_rates must cover the same 20 periods"),
        (GOOD[0], np.full((20, 1), np.nan), DomainError, "macro must be a finite number"),
    ],
)
def test_series_that_cannot_be_fitted(rates, macro, error, message):
    with pytest.raises(error, match=message):
        fit_macro(rates, macro)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (([], []), {"sensitivity": 1.0}, InputError, "exposures must hold at least one obligor"),
        (([1.0], 0.0), {"sensitivity": 1.0}, DomainError, "pds must be > 0 and < 1 .*logit.*got 0"),
        (([1.0], 1.0), {"sensitivity": 1.0}, DomainError, "pds must be > 0 and < 1"),
        (([0.0], 0.1), {"sensitivity": 1.0}, DomainError, "add up to more than 0"),
        (([1.0], 0.1), {}, InputError, "sensitivity or fit must be given"),
        (([1.0], 0.1), {"sensitivity": -1.0}, DomainError, "sensitivity must be between 0 and 20"),
        (
            ([1.0], 0.1),
            {"fit": fit_macro(*GOOD), "sectors": 2},
            DomainError,
            "sectors must be a column .*0 to 1",
        ),
        (([1.0], 0.1), {"fit": fit_macro(*GOOD), "periods": 0}, DomainError, "periods must be between 1"),
        (
            ([1.0], 0.1),
            {"fit": fit_macro(*GOOD), "macro_path": [[1.0]]},
            InputError,
            "macro_path must have 2 columns",
        ),
    ],
)
def test_wrong_inputs_name_themselves(arguments, options, error, message):
    with pytest.raises(error, match=message):
        portfolioview_losses(*arguments, **options)
