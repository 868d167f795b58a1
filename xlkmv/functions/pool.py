"""Large pools in closed form, concentration, backtest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.special import ndtri

from xlkmv.functions.registry import Answer, Fault, Figures, Step, Text, elementwise, table
from xlkmv.model import largepool, validation
from xlkmv.model.domain import ASSET_CORRELATION, Array

__all__ = ["KMV_BACKTEST", "KMV_CONCENTRATION", "KMV_LOSS_QUANTILE", "KMV_TRANCHE_EL"]


POOL_CORRELATION = Text("Asset correlation, 0 to below 1.", rule=ASSET_CORRELATION)


@elementwise(
    "Quantile of the default rate of a large uniform pool (Vasicek).",
    (0.02, 0.1, 0.999),
    texts={"correlation": POOL_CORRELATION, "level": Text("Confidence level, such as 0.999.")},
)
def KMV_LOSS_QUANTILE(pd: Figures, correlation: Figures, level: Figures) -> Answer:
    return largepool.loss_quantile(pd, correlation, level)


@KMV_LOSS_QUANTILE.explain
def _quantile_steps(pd: float, correlation: float, level: float) -> Iterator[Step]:
    yield Step("Default threshold", "N^-1(p)", ndtri(pd))
    yield Step("Bad state of the factor", "N^-1(level)", ndtri(level))
    yield Step(
        "Quantile of the default rate",
        "N[(N^-1(p) + sqrt(rho) N^-1(level)) / sqrt(1 - rho)]",
        largepool.loss_quantile(pd, correlation, level),
    )


@elementwise(
    "Expected loss of a tranche of a large uniform pool, as a share of the tranche.",
    (0.0, 0.03, 0.05, 0.2, 0.6),
    texts={
        "attach": Text("Loss of the pool at which the tranche starts to lose, a share."),
        "detach": Text("Loss of the pool at which nothing of it is left, a share above attach."),
        "correlation": POOL_CORRELATION,
        "lgd": Text("Loss given default, 0 to 1. Blank: 0.45."),
    },
)
def KMV_TRANCHE_EL(
    attach: Figures, detach: Figures, pd: Figures, correlation: Figures, lgd: Figures = 0.45
) -> Answer:
    attach, detach, pd, correlation, lgd = (np.asarray(x) for x in (attach, detach, pd, correlation, lgd))
    wrong = detach <= attach
    safe = np.where(wrong, np.nextafter(attach, 2.0), detach)
    loss = np.full(np.shape(attach), np.nan)
    right = ~wrong
    if right.any():
        loss[right] = largepool.tranche_expected_loss(
            attach[right], safe[right], pd[right], correlation[right], lgd[right]
        )
    return loss, [Fault(wrong, "detach must be above attach", value=detach)]


@KMV_TRANCHE_EL.explain
def _tranche_steps(attach: float, detach: float, pd: float, correlation: float, lgd: float) -> Iterator[Step]:
    def first_loss(point: float) -> float:
        """Expected loss of all up to a point, a share of the pool."""
        part = largepool.tranche_expected_loss(0.0, point, pd, correlation, lgd) if point else 0.0
        return point * float(part)

    yield Step("Expected loss of the pool", "PD x LGD", pd * lgd)
    yield Step("Expected loss up to detach", "E[min(L, D)], L = LGD p(Z)", first_loss(detach))
    yield Step("Expected loss up to attach", "E[min(L, A)]", first_loss(attach))
    yield Step("Thickness", "D - A", detach - attach)
    yield Step(
        "Expected loss of the tranche",
        "{E[min(L, D)] - E[min(L, A)]}/(D - A), computed without the difference",
        largepool.tranche_expected_loss(attach, detach, pd, correlation, lgd),
    )


@table(
    "Concentration of a pool: HHI, effective number, largest share, top 5.",
    ((45.0, 42.0, 38.0, 36.0, 32.0, 28.0, 23.0, 22.0, 18.0, 14.0, 3.0),),
)
def KMV_CONCENTRATION(exposures: Array) -> Any:
    found = largepool.concentration(exposures)
    return [
        ["Measure", "Value"],
        ["HHI", found.hhi],
        ["Effective number", found.effective_number],
        ["Largest share", found.largest_share],
        ["Top 5 share", found.top5_share],
    ]


@KMV_CONCENTRATION.explain
def _concentration_steps(exposures: Array) -> Iterator[Step]:
    found = largepool.concentration(exposures)
    yield Step("Pool", "sum of the exposures", exposures.sum())
    yield Step("Sum of squares", "sum of exposure^2", exposures @ exposures)
    yield Step("HHI", "sum of (exposure/pool)^2", found.hhi)
    yield Step("Effective number", "1/HHI", found.effective_number)
    yield Step("Largest exposure", "of all", exposures.max())
    yield Step("Largest share", "largest exposure / pool", found.largest_share)
    yield Step("Five largest", "their sum", np.sort(exposures)[-5:].sum())
    yield Step("Top 5 share", "five largest / pool", found.top5_share)


METRICS = {
    "auc": "AUC",
    "accuracy_ratio": "Accuracy ratio",
    "ks": "Kolmogorov-Smirnov",
    "brier": "Brier score",
    "hosmer_lemeshow": "Hosmer-Lemeshow",
    "p_value": "Hosmer-Lemeshow p-value",
}


@table(
    "Backtest of default probabilities against what happened.",
    ((0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.3), (0, 0, 0, 1, 0, 0, 1, 1)),
    {
        "pds": Text("Default probabilities given beforehand.", "series"),
        "defaults": Text("1 where the obligor defaulted, 0 where not.", "series"),
        "metric": Text(
            "Blank: all. Or one of: all, " + ", ".join(METRICS) + ".", "option", ("all", *METRICS)
        ),
    },
)
def KMV_BACKTEST(pds: Array, defaults: Array, metric: str = "all") -> Any:
    # One measure asks for its own conditions only.
    if metric in ("auc", "accuracy_ratio"):
        auc = validation.area_under_curve(pds, defaults)
        return auc if metric == "auc" else 2.0 * auc - 1.0
    if metric == "ks":
        return validation.kolmogorov_smirnov(pds, defaults)
    if metric == "brier":
        return validation.brier_score(pds, defaults)
    if metric != "all":
        statistic, p_value, _ = validation.hosmer_lemeshow(pds, defaults)
        return statistic if metric == "hosmer_lemeshow" else p_value
    found = validation.backtest(pds, defaults)
    rows = [[label, getattr(found, name)] for name, label in METRICS.items()]
    return [["Measure", "Value"], ["Observations", found.observations], ["Defaults", found.defaults], *rows]


@KMV_BACKTEST.explain
def _backtest_steps(pds: Array, defaults: Array, metric: str) -> Iterator[Step]:
    found = validation.backtest(pds, defaults)
    pairs = found.defaults * (found.observations - found.defaults)
    yield Step("Observations", "n", found.observations)
    yield Step("Defaults", "m", found.defaults)
    yield Step("Pairs of a defaulter and a survivor", "m (n - m)", pairs)
    won = "in which the defaulter had the higher PD; equal PDs count one half"
    yield Step("Pairs that are in order", won, found.auc * pairs)
    yield Step("AUC", "pairs in order / pairs", found.auc)
    yield Step("Accuracy ratio", "2 AUC - 1", found.accuracy_ratio)
    gap = "largest gap between the shares of survivors and of defaulters at or below a PD"
    yield Step("Kolmogorov-Smirnov", gap, found.ks)
    yield Step("Sum of squared errors", "sum of (PD - default)^2", found.brier * found.observations)
    yield Step("Brier score", "sum of squared errors / n", found.brier)
    yield Step("Expected defaults", "sum of the PDs", pds.sum())
    yield Step("Groups", "by PD, about equal in size, equal PDs together", found.groups)
    chi2 = "sum over groups of (O - E)^2/[E (1 - E/n)]"
    yield Step("Hosmer-Lemeshow", chi2, found.hosmer_lemeshow)
    tail = "chance of more by a chi-square law, a degree of freedom per group"
    yield Step("Hosmer-Lemeshow p-value", tail, found.p_value)
    if metric != "all":
        yield Step("Asked for", METRICS[metric], getattr(found, metric))
