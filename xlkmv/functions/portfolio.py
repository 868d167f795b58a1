"""The mainstream portfolio models, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import expit, ndtri

from xlkmv.errors import InputError, MissingError
from xlkmv.functions.cells import is_blank
from xlkmv.functions.registry import Rows, Step, Text, needed_number, needed_text, one_or_each, table
from xlkmv.model import creditmetrics, creditriskplus, largepool, losses, portfolioview
from xlkmv.model.domain import ASSET_CORRELATION, NOT_NEGATIVE, POSITIVE, PROBABILITY, Array

__all__ = ["KMV_CREDITMETRICS", "KMV_CREDITRISKPLUS", "KMV_LOSSES", "KMV_PORTFOLIOVIEW"]

ONE = np.ones(1)
SCENARIOS = 100_000


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
    "ratings": Text(
        "Rating of each obligor, as the matrix names it: "
        + ", ".join(creditmetrics.EXAMPLE_RATINGS)
        + " where it is blank.",
        "words",
    ),
    "values": Text(
        "Value at the end of the year per unit of exposure: one per rating, best first, then default; or a "
        "row per obligor. Blank: 1, and 1 - lgd in default, so that downgrades cost nothing.",
        "grid",
    ),
    "matrix": Text(
        "One-year matrix: a row per rating, a column per rating and one for default; its ratings as headings "
        "above or on the left. Blank: that of the 1997 document.",
        "grid",
    ),
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


def _loss_steps(
    found: losses.LossDistribution, expected: str, unexpected: str, at_risk: str
) -> Iterator[Step]:
    """The figures of the table, each with its formula and, where it is simulated, its error."""
    errors = found.standard_errors
    yield Step("Method", "exact, or simulated with the standard errors below", found.method)
    yield Step("Expected loss", expected, found.expected_loss)
    yield Step("Unexpected loss", unexpected, found.unexpected_loss)
    if errors is not None:
        yield Step("Standard error of the unexpected loss", "of the simulation", errors.unexpected_loss)
    for k, level in enumerate(found.levels.tolist()):
        yield Step(f"VaR {level:.10g}", at_risk, found.value_at_risk[k])
        if errors is not None:
            yield Step(f"Standard error of VaR {level:.10g}", "of the simulation", errors.value_at_risk[k])
        tail = "mean loss of the worst 1 - level"
        yield Step(f"Expected shortfall {level:.10g}", tail, found.expected_shortfall[k])


SMALLEST = "smallest loss that is not exceeded with at least the level's probability"


@table(
    "KMV portfolio model: exact loss distribution under one common factor.",
    (POOL_EXPOSURES, POOL_PDS, (0.2,), (0.99, 0.999), (0.6,)),
    POOL_TEXTS,
)
def KMV_LOSSES(
    exposures: Array, pds: Array, correlation: Array, levels: Levels = losses.LEVELS, lgd: Array = ONE
) -> Any:
    return _loss_table(_copula(exposures, pds, correlation, levels, lgd))


def _copula(
    exposures: Array, pds: Array, correlation: Array, levels: Levels, lgd: Array
) -> losses.LossDistribution:
    return losses.gaussian_copula_losses(
        exposures, pds, one_or_each(correlation), levels, lgd=one_or_each(lgd)
    )


@KMV_LOSSES.explain
def _copula_steps(
    exposures: Array, pds: Array, correlation: Array, levels: Levels, lgd: Array
) -> Iterator[Step]:
    amounts, pd, _ = losses.obligors(exposures, one_or_each(pds), one_or_each(lgd))
    level, rho = np.asarray(levels)[0], correlation[0]
    yield Step("All that can be lost", "sum of exposure x LGD", amounts.sum())
    yield Step("Default threshold, first obligor", "N^-1(PD)", ndtri(pd[0]))
    bad = f"N[(N^-1(PD) + sqrt(rho) N^-1({level:.10g}))/sqrt(1 - rho)]"
    yield Step("Its PD in a bad state of the factor", bad, largepool.loss_quantile(pd[0], rho, level))
    alone = np.sqrt(amounts**2 @ (pd * (1.0 - pd)))
    yield Step("Unexpected loss if independent", "sqrt(sum of (exposure x LGD)^2 PD (1 - PD))", alone)
    yield from _loss_steps(
        _copula(exposures, pds, correlation, levels, lgd),
        "sum of exposure x LGD x PD",
        "sqrt(the same + sum over pairs of both amounts x [N2(N^-1(PD), N^-1(PD'); rho) - PD PD'])",
        SMALLEST + "; losses given the factor by generating function, averaged over it",
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


@KMV_CREDITRISKPLUS.explain
def _plus_steps(
    exposures: Array, pds: Array, pd_sds: Array, levels: Levels, unit: float | None
) -> Iterator[Step]:
    found = creditriskplus.creditriskplus(exposures, pds, pd_sds, levels, unit=unit)
    amounts, pd, _ = losses.obligors(exposures, pds, 1.0)
    sd = losses.per_obligor("pd_sds", pd_sds, pd.size, NOT_NEGATIVE)
    if found.losses.size > 1:
        size = found.losses[1]
        yield Step("Loss unit L", "as given, or 1/100 of the largest loss", size)
        yield Step("Largest band", "loss / L, rounded up", np.ceil(amounts.max() / size - 1e-9))
    yield Step("Expected defaults", "mu = sum of the PDs", pd.sum())
    if pd.sum() > 0.0:
        deviation = sd.sum() / pd.sum()
        yield Step("Relative deviation of the sector", "v = sum of the sds / mu", deviation)
        if deviation > 0.0:
            yield Step("Shape of its gamma law", "alpha = 1/v^2", deviation**-2.0)
    algorithm = "Panjer recursion over multiples of L (Fourier transform beyond 4096 of them)"
    yield Step("Losses of the grid", algorithm, found.losses.size)
    yield from _loss_steps(
        found,
        "sum of exposure x PD",
        "sqrt(sum of exposure^2 PD + (v x expected loss)^2)",
        "(i - 1 + f) L, where the probability of at most i L passes the level at its fraction f",
    )


@table(
    "CreditMetrics (simulated): losses from defaults alone, or marked to model, downgrades included, where "
    "values are given; by the one-year matrix of the 1997 document or the user's.",
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
    values: Rows | None = None,
    matrix: Rows | None = None,
) -> Any:
    return _loss_table(_migrated(exposures, ratings, correlation, levels, lgd, seed, values, matrix))


def _migrated(
    exposures: Array,
    ratings: list[str],
    correlation: Array,
    levels: Levels,
    lgd: Array,
    seed: Any,
    values: Rows | None,
    matrix: Rows | None,
) -> losses.LossDistribution:
    if values is not None and lgd is not ONE:
        raise InputError("lgd", "must be blank where values are given: the last of them is that in default")
    names, moves = _matrix(matrix)
    found = creditmetrics.creditmetrics(
        exposures,
        creditmetrics.rating_rows(ratings, names),
        moves,
        one_or_each(correlation),
        levels,
        values=None if values is None else _worth(values),
        lgd=one_or_each(lgd),
        scenarios=SCENARIOS,
        seed=seed,
    )
    return found if values is None else replace(found, model="CreditMetrics (migration)")


def _worth(values: Rows) -> Array:
    worth = np.array([[needed_number("values", cell) for cell in row] for row in values])
    return worth.ravel() if 1 in worth.shape else worth


def _matrix(rows: Rows | None) -> tuple[tuple[str, ...], Array]:
    """Ratings and numbers of the user's matrix, whose headings may stand above it, on its left, or both."""
    if rows is None:
        return creditmetrics.EXAMPLE_RATINGS, np.array(creditmetrics.EXAMPLE_MATRIX)
    across = down = None
    if _heading(rows[0][-1]):
        above, *rows = rows
        across = above
    if rows and _heading(rows[0][0]):
        down = [row[0] for row in rows]
        rows = [row[1:] for row in rows]
        across = across and across[1:]
    named = [needed_text("matrix, a rating,", cell) for cell in down or (across or [])[:-1]]
    if not named and len(rows) == len(creditmetrics.EXAMPLE_RATINGS):
        named = list(creditmetrics.EXAMPLE_RATINGS)
    same = not (down and across) or named == [str(cell or "").strip() for cell in across[:-1]]
    if not rows or len(named) != len(rows) or len({name.upper() for name in named}) != len(named) or not same:
        raise InputError(
            "matrix", "must have its ratings, all different, as headings above or on the left", named or None
        )
    return tuple(named), np.array([[needed_number("matrix", cell) for cell in row] for row in rows])


def _heading(cell: Any) -> bool:
    return isinstance(cell, str) and not is_blank(cell)


@KMV_CREDITMETRICS.explain
def _migration_steps(
    exposures: Array,
    ratings: list[str],
    correlation: Array,
    levels: Levels,
    lgd: Array,
    seed: Any,
    values: Rows | None,
    matrix: Rows | None,
) -> Iterator[Step]:
    found = _migrated(exposures, ratings, correlation, levels, lgd, seed, values, matrix)
    names, moves = _matrix(matrix)
    row = int(creditmetrics.rating_rows(ratings[:1], names)[0])
    chances, thresholds = (
        f(moves)[row] for f in (creditmetrics.transition_matrix, creditmetrics.migration_thresholds)
    )
    states = chances.size
    worth = np.append(np.ones(states - 1), 1.0 - lgd[0]) if values is None else _worth(values)
    worth = worth if worth.ndim == 1 else worth[0]
    mean, sd = (exposures[0] * float(x) for x in creditmetrics.migration_moments(chances, worth))
    stays = exposures[0] * worth[0 if states == 2 else row]
    if values is None:
        yield Step("Downgrades", "no values given: 1 in every rating, 1 - LGD in default", "cost nothing")
    else:
        yield Step("Downgrades", "marked to model: each end rating has its value", "cost what values say")
    yield Step("PD, first obligor", f"matrix, row {names[row]}, last column", chances[-1])
    yield Step("Default threshold, first obligor", "N^-1(PD)", thresholds[-1])
    yield Step("Value unchanged, first obligor", f"exposure x value in {names[row]}", stays)
    yield Step("Mean value, first obligor", "exposure x sum of p x value", mean)
    spread = "exposure x sqrt(sum of p x (value - mean)^2)"
    yield Step("Standard deviation, first obligor", spread, sd)
    yield Step("Expected loss, first obligor", "value unchanged - mean value", stays - mean)
    yield Step("Scenarios", "asset returns sqrt(rho) Z + sqrt(1 - rho) e", SCENARIOS)
    yield Step("Seed", "of the random numbers", seed)
    yield from _loss_steps(
        found,
        "sum over obligors of value unchanged - mean value, exact",
        "standard deviation over the scenarios",
        SMALLEST,
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
    found, _ = _economy(exposures, pds, sensitivity, levels, lgd, default_rates, macro, seed)
    return _loss_table(found)


def _economy(
    exposures: Array,
    pds: Array,
    sensitivity: Array | None,
    levels: Levels,
    lgd: Array,
    default_rates: Array | None,
    macro: Rows | None,
    seed: Any,
) -> tuple[losses.LossDistribution, portfolioview.MacroFit | None]:
    if (default_rates is None) != (macro is None):
        raise InputError("default_rates", "and macro must be given together")
    fit = None
    if default_rates is not None and macro is not None:
        factors = [[needed_number("macro", cell) for cell in row] for row in macro]
        fit = portfolioview.fit_macro(default_rates, np.array(factors))
        sensitivity = None
    elif sensitivity is None:
        raise MissingError("sensitivity", "is needed, unless default_rates and macro are given", None)
    found = portfolioview.portfolioview_losses(
        exposures,
        pds,
        levels,
        lgd=one_or_each(lgd),
        sensitivity=None if sensitivity is None else one_or_each(sensitivity),
        fit=fit,
        scenarios=SCENARIOS,
        seed=seed,
    )
    return found, fit


@KMV_PORTFOLIOVIEW.explain
def _economy_steps(
    exposures: Array,
    pds: Array,
    sensitivity: Array | None,
    levels: Levels,
    lgd: Array,
    default_rates: Array | None,
    macro: Rows | None,
    seed: Any,
) -> Iterator[Step]:
    found, fit = _economy(exposures, pds, sensitivity, levels, lgd, default_rates, macro, seed)
    amounts, _, _ = losses.obligors(exposures, pds, one_or_each(lgd))
    yield Step("All that can be lost", "sum of exposure x LGD", amounts.sum())
    if fit is None and sensitivity is not None:
        s = sensitivity[:1]
        a = portfolioview.intercepts(pds[:1], s)[0]
        level = np.asarray(levels)[0]
        yield Step("Constant of the index, first obligor", "a with E[1/(1 + e^(-(a - s Z)))] = PD", a)
        bad = f"1/(1 + e^(-(a + s N^-1({level:.10g}))))"
        yield Step("Its PD in a bad state of the economy", bad, expit(a + s[0] * ndtri(level)))
    elif fit is not None:
        for k, b in enumerate(fit.index_coefficients[0].tolist()):
            yield Step(f"Coefficient b{k}", "y = b0 + b1 x1 + ..., y = ln(rate/(1 - rate)), least squares", b)
        yield Step("Share explained", "R^2", fit.index_r2[0])
        average = expit(fit.mean_index[0])
        yield Step("Default rate of an average economy", "1/(1 + e^-mean(y))", average)
        moved = "the economy of the next period, from today's; each PD moves as its logit does"
        yield Step("Scenarios", moved, SCENARIOS)
        yield Step("Seed", "of the random numbers", seed)
    yield from _loss_steps(
        found,
        "sum of exposure x LGD x PD" if fit is None else "mean loss of the scenarios",
        "standard deviation of the loss",
        SMALLEST,
    )
