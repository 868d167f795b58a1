"""One pool through the four mainstream models, with the inputs of each matched to the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from xlkmv.errors import ConvergenceError, InputError, XlkmvError
from xlkmv.model.creditmetrics import creditmetrics
from xlkmv.model.creditriskplus import creditriskplus
from xlkmv.model.domain import ASSET_CORRELATION
from xlkmv.model.losses import (
    LEVELS,
    LossDistribution,
    check_attachment,
    check_levels,
    conditional_pd_sd,
    gaussian_copula_losses,
    obligors,
    per_obligor,
)
from xlkmv.model.portfolioview import fit_macro, matched_sensitivity, portfolioview_losses
from xlkmv.shown import Shown

__all__ = ["Models", "compare_models"]

# Obligors whose defaults alone CreditMetrics simulates: with more it takes long, and KMV has the same law.
MOST_SIMULATED = 100


class Models(dict[str, LossDistribution | XlkmvError], Shown):
    """Losses of one pool by the name of the model, or the error that says why one cannot take the pool."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Models({', '.join(self)})"


def compare_models(
    exposures: npt.ArrayLike,
    pds: npt.ArrayLike,
    correlation: npt.ArrayLike = 0.20,
    levels: npt.ArrayLike = LEVELS,
    *,
    lgd: npt.ArrayLike = 1.0,
    attachment: float | None = None,
    macro: npt.ArrayLike | None = None,
    default_rates: npt.ArrayLike | None = None,
    ratings: npt.ArrayLike | None = None,
    matrix: npt.ArrayLike | None = None,
    values: npt.ArrayLike | None = None,
    scenarios: int = 100_000,
    seed: int = 1997,
    contributions: bool = True,
    progress: Callable[[float], None] = lambda share: None,
) -> Models:
    """Loss distribution of one pool under KMV, CreditMetrics, CreditRisk+ and CreditPortfolioView.

    Parameters
    ----------
    exposures : (n,) array_like
        Exposure of each obligor (money), >= 0.
    pds : (n,) array_like or float
        Default probabilities over the horizon.
    correlation : (n,) array_like or float
        Asset correlation, used by KMV and CreditMetrics. CreditRisk+ gets the standard deviations of the PDs
        that it implies (:func:`~xlkmv.model.losses.conditional_pd_sd`: proportional to the PDs, in the
        ratio of their means weighted by loss amount), CreditPortfolioView the sensitivity that it implies
        (:func:`~xlkmv.model.portfolioview.matched_sensitivity`).
    levels : (k,) array_like
        Confidence levels, > 0 and < 1.
    lgd : (n,) array_like or float
        Loss given default as a share of the exposure.
    attachment : float, optional
        Loss amount at which the senior tranche is hit.
    macro, default_rates
        CreditPortfolioView, when both series are given: fitted and simulated for one period, instead of
        matched; the first column of the default rates drives every obligor.
    ratings, matrix, values
        CreditMetrics: when ratings and a matrix are given, a second run with migrations, marked to model
        by `values` (per unit of exposure, default last). The first run uses defaults alone, with the given
        PDs: the law of KMV. It is simulated for up to 100 obligors; for more the figures are those of KMV.
    scenarios, seed
        Settings of the simulations.
    contributions : bool
        Whether those of the obligors are wanted of KMV, CreditMetrics and CreditPortfolioView, which takes
        longer than the rest.
    progress : callable
        Called with the share that is done, many times; what it raises ends the computation.

    Returns
    -------
    Models
        Model name -> LossDistribution, in the order KMV, CreditMetrics, CreditMetrics (migration),
        CreditRisk+, CreditPortfolioView. A model that cannot take this pool (such as a PD of 1 in
        CreditRisk+) holds the error that says why; the other models are not affected.

    Raises
    ------
    InputError, DomainError
        When the pool itself, the correlation, the levels or the attachment is wrong for every model.
    """
    amounts, pd, loss_given_default = obligors(exposures, pds, lgd)
    n = amounts.size
    rho = per_obligor("correlation", correlation, n, ASSET_CORRELATION)
    level, attached = check_levels(levels), check_attachment(attachment)

    metrics = partial(
        creditmetrics,
        exposures,
        correlation=rho,
        levels=level,
        lgd=loss_given_default,
        attachment=attached,
        scenarios=scenarios,
        seed=seed,
        contributions=contributions,
    )
    computed: dict[str, Any] = {
        "lgd": loss_given_default,
        "attachment": attached,
        "contributions": contributions,
        "progress": lambda: progress(len(results) / len(runs)),
    }
    kmv = partial(gaussian_copula_losses, exposures, pd, rho, level, **computed)
    view = partial(portfolioview_losses, exposures, pd, level, **computed)

    def defaults_alone() -> LossDistribution:
        if n <= MOST_SIMULATED:
            return metrics(np.arange(n), np.column_stack([1.0 - pd, pd]))
        found = results["KMV"]
        if isinstance(found, XlkmvError):
            raise found
        note = f"with defaults alone it is KMV; not simulated beyond {MOST_SIMULATED} obligors"
        return replace(found, model="CreditMetrics", notes=(note,))

    def migration() -> LossDistribution:
        if ratings is None or matrix is None:
            raise InputError("ratings", "and matrix must be given together")
        return metrics(ratings, matrix, values=values)

    def actuarial() -> LossDistribution:
        # One sector has one relative deviation: the loss-weighted mean gives the pool the right one.
        mean = float(amounts @ pd)
        relative = float(amounts @ conditional_pd_sd(pd, rho)) / mean if mean > 0.0 else 0.0
        return creditriskplus(
            exposures, pd, relative * pd, level, lgd=loss_given_default, attachment=attached
        )

    def macro_driven() -> LossDistribution:
        if macro is None and default_rates is None:
            return view(sensitivity=matched_sensitivity(pd, rho))
        if macro is None or default_rates is None:
            raise InputError("macro", "and default_rates must be given together")
        return view(fit=fit_macro(default_rates, macro), scenarios=scenarios, seed=seed)

    runs: dict[str, Callable[[], LossDistribution]] = {
        "KMV": kmv,
        "CreditMetrics": defaults_alone,
    }
    if ratings is not None or matrix is not None:
        runs["CreditMetrics (migration)"] = migration
    runs |= {"CreditRisk+": actuarial, "CreditPortfolioView": macro_driven}
    results: Models = Models()
    for name, run in runs.items():
        progress(len(results) / len(runs))
        try:
            results[name] = run()
        except (InputError, ConvergenceError) as error:
            results[name] = error
    return results
