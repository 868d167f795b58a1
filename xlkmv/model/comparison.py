"""One pool through the four mainstream models, with the inputs of each matched to the others."""

from __future__ import annotations

from collections.abc import Callable

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

__all__ = ["compare_models"]


def compare_models(
    exposures: npt.ArrayLike,
    pds: npt.ArrayLike,
    correlation: npt.ArrayLike = 0.20,
    levels: npt.ArrayLike = LEVELS,
    *,
    lgd: npt.ArrayLike = 1.0,
    attachment: float | None = None,
    pd_sds: npt.ArrayLike | None = None,
    unit: float | None = None,
    sensitivity: npt.ArrayLike | None = None,
    macro: npt.ArrayLike | None = None,
    default_rates: npt.ArrayLike | None = None,
    sectors: npt.ArrayLike = 0,
    periods: int = 1,
    ratings: npt.ArrayLike | None = None,
    matrix: npt.ArrayLike | None = None,
    values: npt.ArrayLike | None = None,
    scenarios: int = 100_000,
    seed: int = 1997,
) -> dict[str, LossDistribution | XlkmvError]:
    """Loss distribution of one pool under KMV, CreditMetrics, CreditRisk+ and CreditPortfolioView.

    Parameters
    ----------
    exposures : (n,) array_like
        Exposure of each obligor (money), >= 0.
    pds : (n,) array_like or float
        Default probabilities over the horizon.
    correlation : (n,) array_like or float
        Asset correlation, used by KMV and CreditMetrics, and by the defaults below.
    levels : (k,) array_like
        Confidence levels, > 0 and < 1.
    lgd : (n,) array_like or float
        Loss given default as a share of the exposure.
    attachment : float, optional
        Loss amount at which the senior tranche is hit.
    pd_sds, unit
        CreditRisk+: standard deviations of the PDs, by default proportional to the PDs, with the ratio that
        the asset correlation implies for the pool (:func:`~xlkmv.model.losses.conditional_pd_sd`, weighted by
        loss amount); loss unit, by default 1/100 of the largest loss amount.
    sensitivity
        CreditPortfolioView: standard deviation of the default index, by default the one that the asset
        correlation implies (:func:`~xlkmv.model.portfolioview.matched_sensitivity`).
    macro, default_rates, sectors, periods
        CreditPortfolioView, when both series are given: fitted and simulated instead (`sensitivity` is then
        not used).
    ratings, matrix, values
        CreditMetrics: when ratings and a matrix are given, a second run with migrations, marked to model
        by `values` (per unit of exposure, default last). The first run uses defaults alone, with the given
        PDs.
    scenarios, seed
        Settings of the simulations.

    Returns
    -------
    dict
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

    def kmv() -> LossDistribution:
        return gaussian_copula_losses(exposures, pd, rho, level, lgd=loss_given_default, attachment=attached)

    def defaults_only() -> LossDistribution:
        two_states = np.column_stack([1.0 - pd, pd])
        return creditmetrics(
            exposures,
            np.arange(n),
            two_states,
            rho,
            level,
            lgd=loss_given_default,
            attachment=attached,
            scenarios=scenarios,
            seed=seed,
        )

    def migration() -> LossDistribution:
        if ratings is None or matrix is None:
            raise InputError("ratings", "and matrix must be given together")
        return creditmetrics(
            exposures,
            ratings,
            matrix,
            rho,
            level,
            values=values,
            lgd=loss_given_default,
            attachment=attached,
            scenarios=scenarios,
            seed=seed,
        )

    def actuarial() -> LossDistribution:
        # One sector has one relative deviation: the loss-weighted mean gives the pool the right one.
        mean = float(amounts @ pd)
        relative = float(amounts @ conditional_pd_sd(pd, rho)) / mean if mean > 0.0 else 0.0
        sds = relative * pd if pd_sds is None else pd_sds
        return creditriskplus(
            exposures, pd, sds, level, lgd=loss_given_default, unit=unit, attachment=attached
        )

    def macro_driven() -> LossDistribution:
        if macro is not None or default_rates is not None:
            if macro is None or default_rates is None:
                raise InputError("macro", "and default_rates must be given together")
            return portfolioview_losses(
                exposures,
                pd,
                level,
                lgd=loss_given_default,
                fit=fit_macro(default_rates, macro),
                sectors=sectors,
                periods=periods,
                attachment=attached,
                scenarios=scenarios,
                seed=seed,
            )
        matched = matched_sensitivity(pd, rho) if sensitivity is None else sensitivity
        return portfolioview_losses(
            exposures, pd, level, lgd=loss_given_default, sensitivity=matched, attachment=attached
        )

    runs: dict[str, Callable[[], LossDistribution]] = {"KMV": kmv, "CreditMetrics": defaults_only}
    if ratings is not None or matrix is not None:
        runs["CreditMetrics (migration)"] = migration
    runs |= {"CreditRisk+": actuarial, "CreditPortfolioView": macro_driven}
    results: dict[str, LossDistribution | XlkmvError] = {}
    for name, run in runs.items():
        try:
            results[name] = run()
        except (InputError, ConvergenceError) as error:
            results[name] = error
    return results
