"""The mainstream portfolio models, side by side."""

from __future__ import annotations

from typing import Any

import numpy as np

from xlkmv.errors import InputError, MissingError
from xlkmv.functions.registry import Rows, Text, needed_number, one_or_each, table
from xlkmv.model import creditmetrics, creditriskplus, losses, portfolioview
from xlkmv.model.domain import ASSET_CORRELATION, NOT_NEGATIVE, POSITIVE, PROBABILITY, Array

__all__ = ["KMV_CREDITMETRICS", "KMV_CREDITRISKPLUS", "KMV_LOSSES", "KMV_PORTFOLIOVIEW"]

ONE = np.ones(1)


POOL_EXPOSURES = (45.0, 42.0, 38.0, 36.0, 32.0, 28.0, 23.0, 22.0, 18.0, 14.0, 3.0)
POOL_PDS = (0.012, 0.014, 0.016, 0.010, 0.012, 0.016, 0.010, 0.018, 0.022, 0.020, 0.025)
POOL_TEXTS = {
    "exposures": Text("Amount of each obligor, money.", "series", rule=NOT_NEGATIVE),
    "pds": Text("Default probability of each obligor over the horizon.", "series"),
    "pd_sds": Text("Standard deviation of each default probability.", "series", rule=PROBABILITY),
    "correlation": Text(
        "Asset correlation: one number, or one per obligor.", "series", rule=ASSET_CORRELATION
    ),
    "levels": Text("Confidence levels. Blank: 0.99 and 0.999.", "series"),
    "lgd": Text("Loss given default: one number, or one per obligor. Blank: 1.", "series"),
    "unit": Text("Loss unit of the bands, money. Blank: 1/100 of the largest loss.", "scalar", rule=POSITIVE),
    "ratings": Text("Rating of each obligor: " + ", ".join(creditmetrics.EXAMPLE_RATINGS) + ".", "words"),
    "sensitivity": Text(
        "Standard deviation of the default index: one number or one per obligor.", "series", rule=POSITIVE
    ),
    "default_rates": Text("Default rates of past periods, oldest first, to fit the index to.", "series"),
    "macro": Text("Macro factors of the same periods, one column each.", "grid"),
    "seed": Text("Seed of the simulation. Blank: 1997.", "scalar", rule=NOT_NEGATIVE),
}


Levels = Array | tuple[float, ...]


def _loss_table(found: losses.LossDistribution) -> Rows:
    rows: Rows = [["Expected loss", found.expected_loss], ["Unexpected loss", found.unexpected_loss]]
    for level, var, shortfall in zip(
        found.levels, found.value_at_risk, found.expected_shortfall, strict=True
    ):
        rows += [[f"VaR {level:.10g}", var], [f"Expected shortfall {level:.10g}", shortfall]]
    return [["Measure", found.model], *rows]


@table(
    "KMV portfolio model: exact loss distribution under one common factor.",
    (POOL_EXPOSURES, POOL_PDS, (0.2,), (0.99, 0.999), (0.6,)),
    POOL_TEXTS,
)
def KMV_LOSSES(
    exposures: Array, pds: Array, correlation: Array, levels: Levels = losses.LEVELS, lgd: Array = ONE
) -> Any:
    return _loss_table(
        losses.gaussian_copula_losses(exposures, pds, one_or_each(correlation), levels, lgd=one_or_each(lgd))
    )


@table(
    "CreditRisk+: exact loss distribution with gamma default rates (one sector).",
    (POOL_EXPOSURES, POOL_PDS, tuple(p / 2 for p in POOL_PDS), (0.99, 0.999)),
    POOL_TEXTS,
)
def KMV_CREDITRISKPLUS(
    exposures: Array, pds: Array, pd_sds: Array, levels: Levels = losses.LEVELS, unit: float | None = None
) -> Any:
    return _loss_table(creditriskplus.creditriskplus(exposures, pds, pd_sds, levels, unit=unit))


@table(
    "CreditMetrics: losses from defaults by the one-year matrix of the 1997 document (simulated).",
    ((40.0, 30.0, 20.0, 10.0), ("A", "BBB", "BB", "B"), (0.2,), (0.99, 0.999), (0.6,)),
    POOL_TEXTS,
)
def KMV_CREDITMETRICS(
    exposures: Array,
    ratings: list[str],
    correlation: Array,
    levels: Levels = losses.LEVELS,
    lgd: Array = ONE,
    seed: Any = 1997.0,
) -> Any:
    rows = creditmetrics.rating_rows(ratings)
    return _loss_table(
        creditmetrics.creditmetrics(
            exposures,
            rows,
            creditmetrics.EXAMPLE_MATRIX,
            one_or_each(correlation),
            levels,
            lgd=one_or_each(lgd),
            seed=seed,
        )
    )


@table(
    "CreditPortfolioView: losses when default rates follow a macro index, given or fitted to series.",
    (POOL_EXPOSURES, POOL_PDS, (0.5,), (0.99, 0.999), (0.6,)),
    POOL_TEXTS,
)
def KMV_PORTFOLIOVIEW(
    exposures: Array,
    pds: Array,
    sensitivity: Array | None = None,
    levels: Levels = losses.LEVELS,
    lgd: Array = ONE,
    default_rates: Array | None = None,
    macro: Rows | None = None,
    seed: Any = 1997.0,
) -> Any:
    if (default_rates is None) != (macro is None):
        raise InputError("default_rates", "and macro must be given together")
    fit = None
    if default_rates is not None and macro is not None:
        factors = [[needed_number("macro", cell) for cell in row] for row in macro]
        fit = portfolioview.fit_macro(default_rates, np.array(factors))
        sensitivity = None
    elif sensitivity is None:
        raise MissingError("sensitivity", "is needed, unless default_rates and macro are given", None)
    return _loss_table(
        portfolioview.portfolioview_losses(
            exposures,
            pds,
            levels,
            lgd=one_or_each(lgd),
            sensitivity=None if sensitivity is None else one_or_each(sensitivity),
            fit=fit,
            seed=seed,
        )
    )
