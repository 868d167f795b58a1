"""Importance sampling against the laws that are drawn from, and against plain paths."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2, norm, t

from xlkmv.deal.examples import example
from xlkmv.deal.paths.defaults import DefaultModel
from xlkmv.deal.paths.draws import draw, layout_of
from xlkmv.deal.paths.importance import DEAD, MOST, tilt_of, tilted
from xlkmv.deal.paths.run import Run, Wanted, simulate
from xlkmv.deal.stress import BASE, apply
from xlkmv.deal.terms import Controls

BARE = Controls().without("reserve", "repurchase", "pledge", "triggers")
PATHS = 1 << 16


@pytest.fixture(scope="module")
def pool(build):
    """Three obligors in two industries, one without, and a payer of the undertaking; one year."""
    deal = build(
        [[60.0], [40.0], [20.0]],
        pd=0.02,
        correlation=0.2,
        controls=replace(BARE, support=True, support_pd=0.004),
        support_correlation=0.3,
    )
    return replace(
        deal,
        pool=replace(deal.pool, industry=("a", "b", "")),
        terms=replace(deal.terms, industry_correlation=0.1),
    )


def moved(deal, copula="gaussian", freedom=5):
    deal = replace(deal, terms=replace(deal.terms, copula=copula, degrees_of_freedom=freedom))
    layout = replace(layout_of(deal, PATHS, 3), tilt=tilt_of(deal))
    draws = [tilted(draw(layout, block), layout, block) for block in range(layout.blocks)]
    return deal, layout, draws


def mean(values, weight):
    """Weighted mean and its standard error, of paths that are independent."""
    return (values * weight).mean(), (values * weight).std() / np.sqrt(weight.size)


def test_the_direction_is_that_of_the_loadings(pool):
    """Squared loadings .2 on Z, .1 on Y_a and Y_b; expected losses 60, 40 and 20 parts."""
    loads = -np.array([120.0 * np.sqrt(0.2), 60.0 * np.sqrt(0.1), 40.0 * np.sqrt(0.1)])
    assert tilt_of(pool) == pytest.approx(loads / np.linalg.norm(loads))
    assert tilt_of(replace(pool, pool=replace(pool.pool, correlation=np.zeros(3), industry=("",) * 3))) == ()


def test_weighted_factors_have_their_own_law(pool):
    _, layout, draws = moved(pool)
    z, y, w = (np.concatenate([getattr(d, name) for d in draws]) for name in ("common", "industry", "weight"))
    along = np.column_stack([z, y]) @ np.array(layout.tilt)
    assert w.min() > 0.0 and w.max() <= MOST * (1.0 - DEAD) * (1.0 + 1e-12)
    for values, expected in (
        (np.ones(PATHS), 1.0),
        (z, 0.0),
        (z**2, 1.0),
        (y[:, 0], 0.0),
        (y[:, 1] ** 2, 1.0),
        (z * y[:, 0], 0.0),
        (along > 4.0, norm.sf(4.0)),
    ):
        found, error = mean(values, w)
        assert abs(found - expected) < 4.5 * error
    # Of 65,536 plain paths two lie there.
    found, error = mean(along > 4.0, w)
    assert error < 0.03 * found


@pytest.mark.parametrize("freedom", [3, 5, 30])
def test_under_a_t_copula_scales_have_theirs_too(pool, freedom):
    _, layout, draws = moved(pool, "t", freedom)
    z, y, s, w = (
        np.concatenate([getattr(d, name) for d in draws])
        for name in ("common", "industry", "scale", "weight")
    )
    latent = np.column_stack([z, y]) @ np.array(layout.tilt) / s
    low = chi2.ppf(0.001, freedom) / freedom
    far = t.isf(1e-5, freedom)
    for values, expected in ((np.ones(PATHS), 1.0), (s**2, 1.0), (s**2 < low, 0.001), (latent > far, 1e-5)):
        found, error = mean(values, w)
        assert abs(found - expected) < 4.5 * error
    # Two thirds of a plain path lie there.
    found, error = mean(latent > far, w)
    assert error < 0.2 * found


@pytest.mark.parametrize("copula", ["gaussian", "t"])
def test_the_payer_dies_as_often_as_it_does(pool, copula):
    deal, _, draws = moved(pool, copula)
    model = DefaultModel(apply(deal, BASE))
    dead, weight = [], []
    for each in draws:
        first = model.payer_default(each)
        dead.append(first < model.times.size)
        weight.append(each.weight * model.payer_weight(each, first, DEAD))
    dead, weight = np.concatenate(dead), np.concatenate(weight)
    assert dead.mean() > DEAD
    assert weight.max() <= MOST * (1.0 + 1e-12)
    found, error = mean(dead, weight)
    expected = 1.0 - (1.0 - 0.004) ** deal.terms.times[-1]
    assert abs(found - expected) < 4.5 * error
    assert error < 0.03 * expected


def test_the_senior_class_that_plain_paths_hardly_see():
    """The shipped deal: 20,000 paths that are moved against 2,000,000 that are not."""
    deal = example("patents").deal
    plain = simulate(deal, paths=2_000_000, seed=5).tranches
    found = Run(deal, Wanted(brief=(BASE,)), paths=20_000, seed=6, tilt=True).results()[1][0].tranches
    for a, b in zip(plain, found, strict=True):
        for name in ("pd", "anydate_pd", "expected_loss"):
            error = np.hypot(getattr(a, f"{name}_error"), getattr(b, f"{name}_error"))
            assert abs(getattr(a, name) - getattr(b, name)) < 4.5 * error
    # Two of 20,000 plain paths would be short.
    assert found[0].anydate_pd_error < 0.12 * found[0].anydate_pd
    assert found[1].anydate_pd_error < np.sqrt(found[1].anydate_pd / 20_000)


def test_classes_that_are_short_for_sure_have_no_error(build):
    """Weights that do not add up group by group are no error of what is the same on every path."""
    deal = build([[60.0], [40.0]], pd=0.05, correlation=0.2, senior=200.0, junior=10.0, controls=BARE)
    found = Run(deal, Wanted(brief=(BASE,)), paths=5000, tilt=True).results()[1][0].tranches
    assert found[1].anydate_pd == pytest.approx(1.0, abs=1e-12)
    assert found[1].anydate_pd_error < 1e-12
