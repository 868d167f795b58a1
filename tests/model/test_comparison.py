"""One pool through four models."""

from __future__ import annotations

import numpy as np
import pytest

from xlkmv.errors import DomainError, InputError
from xlkmv.model.comparison import compare_models
from xlkmv.model.creditmetrics import (
    EXAMPLE_FORWARD_RATES,
    EXAMPLE_MATRIX,
    bond_values,
    creditmetrics,
)
from xlkmv.model.losses import LossDistribution, conditional_pd_sd

EXPOSURES = np.array([45, 42, 38, 36, 32, 28, 23, 22, 18, 14, 3.0])
PDS = np.linspace(0.01, 0.03, 11)
MODELS = ["KMV", "CreditMetrics", "CreditRisk+", "CreditPortfolioView"]


def test_matched_models_agree_on_two_moments():
    results = compare_models(EXPOSURES, PDS, 0.2, lgd=0.6, attachment=15.05, scenarios=50_000)
    assert list(results) == MODELS
    kmv = results["KMV"]
    for name, result in results.items():
        assert isinstance(result, LossDistribution)
        assert result.model == name
        assert result.expected_loss == pytest.approx(0.6 * EXPOSURES @ PDS, rel=1e-12)
        assert result.unexpected_loss == pytest.approx(kmv.unexpected_loss, rel=0.03)
        assert result.hit_probability == pytest.approx(kmv.hit_probability, abs=0.01)
        assert result.contributions.expected_shortfall.shape == (2, 11)
    # Defaults are matched on their variance exactly; the models differ in the law of the rate alone.
    logit = results["CreditPortfolioView"]
    assert logit.unexpected_loss == pytest.approx(kmv.unexpected_loss, rel=1e-3)


def test_fine_grained_pool_matches_more_closely():
    n = 3000
    results = compare_models(np.ones(n), 0.02, 0.05, [0.99], scenarios=2000)
    kmv = results["KMV"]
    systematic = n * float(conditional_pd_sd(0.02, 0.05))
    for name in ("CreditRisk+", "CreditPortfolioView"):
        assert results[name].unexpected_loss == pytest.approx(kmv.unexpected_loss, rel=2e-3)
        assert results[name].value_at_risk[0] == pytest.approx(kmv.value_at_risk[0], rel=0.06)
    assert systematic < kmv.unexpected_loss < systematic * 1.1


def test_beyond_a_hundred_obligors_defaults_alone_are_those_of_kmv():
    exposures = np.linspace(1.0, 9.0, 101)
    few = compare_models(exposures[:-1], 0.03, 0.2, [0.99], lgd=0.6, scenarios=20_000)
    assert few["CreditMetrics"].standard_errors is not None and few["CreditMetrics"].notes == ()
    many = compare_models(exposures, 0.03, 0.2, [0.99], lgd=0.6)
    kmv, found = many["KMV"], many["CreditMetrics"]
    assert found.model == "CreditMetrics" and found.standard_errors is None
    assert found.notes == ("with defaults alone it is KMV; not simulated beyond 100 obligors",)
    assert (found.value_at_risk, found.expected_shortfall) == (kmv.value_at_risk, kmv.expected_shortfall)
    # As the simulation of the obligors themselves says, too.
    drawn = creditmetrics(exposures, np.zeros(101), [[0.97, 0.03]], 0.2, [0.99], lgd=0.6, scenarios=40_000)
    for figure in ("value_at_risk", "expected_shortfall"):
        error = getattr(drawn.standard_errors, figure)[0]
        assert abs(getattr(found, figure)[0] - getattr(drawn, figure)[0]) < 4.0 * error


def test_contributions_are_left_out_where_nobody_wants_them():
    full, bare = (compare_models(EXPOSURES, PDS, scenarios=500, contributions=c) for c in (True, False))
    for name in ("KMV", "CreditMetrics", "CreditPortfolioView"):
        assert bare[name].contributions is None
        assert (bare[name].probabilities == full[name].probabilities).all()
        for figure in ("expected_loss", "unexpected_loss", "value_at_risk", "expected_shortfall"):
            assert np.all(getattr(bare[name], figure) == getattr(full[name], figure))
    for figure in ("expected_loss", "unexpected_loss", "value_at_risk", "expected_shortfall"):
        of_bare, of_full = (getattr(x["CreditMetrics"].standard_errors, figure) for x in (bare, full))
        assert np.all(of_bare == of_full)


def test_progress_is_told_and_may_stop_the_models():
    shares = []
    compare_models(EXPOSURES, PDS, scenarios=500, progress=shares.append)
    assert shares == sorted(shares) and set(shares) == {0.0, 0.25, 0.5, 0.75}
    assert len(shares) > 100

    def stop(share):
        if share >= 0.75:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare_models(EXPOSURES, PDS, scenarios=500, progress=stop)


def test_migration_and_macro_series_are_used_when_given():
    t = np.arange(24.0)
    macro = np.sin(t) + 0.3 * np.cos(2.3 * t)
    rates = 0.02 * np.exp(0.4 * macro + 0.05 * np.cos(7 * t))
    results = compare_models(
        EXPOSURES,
        PDS,
        matrix=EXAMPLE_MATRIX,
        ratings=np.full(11, 4),
        values=bond_values(0.06, EXAMPLE_FORWARD_RATES, 0.4),
        macro=macro,
        default_rates=rates,
        scenarios=5000,
    )
    assert list(results) == [MODELS[0], MODELS[1], "CreditMetrics (migration)", *MODELS[2:]]
    assert results["CreditMetrics (migration)"].losses[0] < 0
    assert results["CreditPortfolioView"].standard_errors is not None
    assert results["KMV"].standard_errors is None


def test_a_model_that_refuses_spoils_no_other():
    results = compare_models(
        EXPOSURES, np.where(PDS > 0.029, 1.0, PDS), 0.2, matrix=[[0.5, 0.4]], ratings=[0] * 11, scenarios=1000
    )
    assert "Poisson" in str(results["CreditRisk+"])
    assert "logit" in str(results["CreditPortfolioView"])
    assert "matrix must sum to 1" in str(results["CreditMetrics (migration)"])
    for name in ("KMV", "CreditMetrics"):
        assert isinstance(results[name], LossDistribution)
    assert "together" in str(compare_models([1.0], 0.1, macro=[1.0], scenarios=100)["CreditPortfolioView"])


def test_a_wrong_pool_is_an_error():
    with pytest.raises(InputError, match="empty"):
        compare_models([], [])
    with pytest.raises(DomainError, match="correlation"):
        compare_models([1.0], 0.1, 1.5)
    with pytest.raises(DomainError, match="attachment"):
        compare_models([1.0], 0.1, attachment=-1.0)
