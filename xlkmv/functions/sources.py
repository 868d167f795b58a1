"""Where inputs come from: PDs, recoveries and correlations by a documented method."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.special import bdtr

from xlkmv.errors import InputError
from xlkmv.functions.cells import is_blank
from xlkmv.functions.registry import (
    Answer,
    Fault,
    Figures,
    Rows,
    Step,
    Text,
    elementwise,
    needed_number,
    table,
)
from xlkmv.model import correlation, history, largepool, pledge, private
from xlkmv.model.domain import ASSET_CORRELATION, NOT_NEGATIVE, POSITIVE, RULES, Array

__all__ = [
    "KMV_ASSET_CORRELATION",
    "KMV_HISTORY_PD",
    "KMV_LOW_DEFAULT_PD",
    "KMV_PLEDGE_RECOVERY",
    "KMV_PRIVATE_PD",
    "KMV_RISK_WEIGHT",
]


PEERS_EXAMPLE = (
    ("Asset value", "EBITDA", "Asset volatility"),
    (800.0, 100.0, 0.20),
    (1000.0, 100.0, 0.25),
    (1200.0, 100.0, 0.30),
    (900.0, 100.0, 0.22),
    (1100.0, 100.0, 0.28),
)
RANGE_LEVEL = Text("Probability that the range holds. Blank: 0.9.", "scalar", rule=RULES["level"])


def _peers(rows: Rows) -> private.Peers:
    """Peers of a range of three columns; headings may stand above them, blank rows do not count."""
    if any(len(row) != 3 for row in rows):
        raise InputError("peers", "must have three columns: asset value, earnings, asset volatility")
    rows = [row for row in rows[isinstance(rows[0][1], str) :] if not all(map(is_blank, row))]
    names = ("asset value", "earnings", "asset volatility")
    columns = [[needed_number(f"peers, {name},", row[k]) for row in rows] for k, name in enumerate(names)]
    return private.Peers(*map(np.array, columns))


@elementwise(
    "PD of a firm without a price, by its listed peers: PD, DD, and the range of the PD (two ends).",
    (50.0, 100.0, 300.0, PEERS_EXAMPLE),
    ("PD", "DD", "low", "high"),
    {
        "earnings": Text(
            "EBITDA of the firm, or book assets where the peers give these. Money, > 0.", rule=POSITIVE
        ),
        "peers": Text(
            "Listed peers, three columns: asset value, EBITDA (or book assets), asset volatility.", "grid"
        ),
        "drift": Text("Growth of the assets per annum, a decimal. Blank: 0."),
        "convention": Text("Distance to default: log or linear. Blank: log.", "option", private.DISTANCES),
        "level": RANGE_LEVEL,
    },
)
def KMV_PRIVATE_PD(
    earnings: Figures,
    short_term: Figures,
    long_term: Figures,
    peers: Rows,
    horizon: Figures = 1.0,
    drift: Figures = 0.0,
    weight: Figures = 0.5,
    convention: str = "log",
    level: float = 0.9,
) -> Answer:
    no_debt = short_term + weight * long_term <= 0.0
    firm = private.private_firm(
        earnings,
        np.where(no_debt, 1.0, short_term),
        long_term,
        _peers(peers),
        horizon,
        drift,
        weight,
        convention,
        level=level,
    )
    reason = "short_term and long_term must leave a default point > 0: no debt, no default"
    return firm.pd, firm.distance, firm.low, firm.high, [Fault(no_debt, reason)]


@KMV_PRIVATE_PD.explain
def _private_steps(
    earnings: float,
    short_term: float,
    long_term: float,
    peers: Rows,
    horizon: float,
    drift: float,
    weight: float,
    convention: str,
    level: float,
) -> Iterator[Step]:
    firm = private.private_firm(
        earnings, short_term, long_term, _peers(peers), horizon, drift, weight, convention, level=level
    )
    yield Step("Multiple", f"median of asset value / earnings of {firm.peers} peers", firm.multiple)
    yield Step("Asset value", "earnings x multiple", firm.asset_value)
    yield Step("Asset volatility", "median of the peers, by size from 8 peers on", firm.volatility)
    yield Step("Default point", "short-term + w x long-term", firm.default_point)
    yield Step(f"Distance to default ({convention})", "as KMV_DD or KMV_LINEAR_DD", firm.distance)
    yield Step(
        "its standard error", "spread of multiples and volatilities, delta method", firm.distance_error
    )
    yield Step("Default probability", "N(-DD)", firm.pd)
    yield Step("Range, low", "N(-DD - t x standard error)", firm.low)
    yield Step("Range, high", "N(-DD + t x standard error)", firm.high)


@elementwise(
    "Annual PD from history (Jeffreys' prior): mean, median, and the range (two ends).",
    (2.0, 350.0),
    ("PD", "median", "low", "high"),
    {
        "defaults": Text("Defaults observed, a whole number.", rule=NOT_NEGATIVE),
        "obligor_years": Text(
            "Obligors at the start of each year, summed over the years, > 0.", rule=POSITIVE
        ),
        "level": RANGE_LEVEL,
    },
)
def KMV_HISTORY_PD(defaults: Figures, obligor_years: Figures, level: float = 0.9) -> Answer:
    part, above = defaults % 1.0 > 0.0, defaults > obligor_years
    found = history.history_pd(np.where(part | above, 0.0, defaults), obligor_years, level)
    faults = [
        Fault(part, "defaults must be a whole number, >= 0", value=defaults),
        Fault(above, "defaults must not be above obligor_years", value=defaults),
    ]
    return found.mean, found.median, found.low, found.high, faults


@KMV_HISTORY_PD.explain
def _history_steps(defaults: float, obligor_years: float, level: float) -> Iterator[Step]:
    d, n = defaults, obligor_years
    found = history.history_pd(d, n, level)
    yield Step("Observed rate", "d/n", d / n)
    yield Step("Posterior", "Beta(d + 1/2, n - d + 1/2)", f"Beta({d + 0.5:g}, {n - d + 0.5:g})")
    yield Step("Posterior mean", "(d + 1/2)/(n + 1)", found.mean)
    yield Step("Posterior median", "quantile 1/2", found.median)
    yield Step("Range, low", "quantile (1 - level)/2", found.low)
    yield Step("Range, high", "quantile (1 + level)/2", found.high)


@table(
    "Upper bound of the PD of each grade of a pool with few or no defaults (Pluto and Tasche).",
    ((100.0, 400.0, 300.0), (0.0, 0.0, 0.0), 0.9),
    {
        "obligors": Text("Obligors of each grade at the start, best grade first: a row or column.", "series"),
        "defaults": Text("Defaults of each grade over the years.", "series"),
        "confidence": Text(
            "0.5 to 0.75 for an estimate, 0.9 and more for a bound.", "scalar", rule=RULES["level"]
        ),
        "correlation": Text(
            "Asset correlation with one common factor. Blank: 0.", "scalar", rule=ASSET_CORRELATION
        ),
        "years": Text("Years of the history, a whole number. Blank: 1.", "scalar"),
        "time_correlation": Text("Correlation of the factor from year to year. Blank: 0.", "scalar"),
    },
)
def KMV_LOW_DEFAULT_PD(
    obligors: Array,
    defaults: Array,
    confidence: float,
    correlation: float = 0.0,
    years: Any = 1.0,
    time_correlation: float = 0.0,
) -> Any:
    bounds = history.most_prudent_pds(obligors, defaults, confidence, correlation, years, time_correlation)
    pooled = (np.cumsum(x[::-1])[::-1] for x in (obligors, defaults))
    header = ["Grade", "Obligors, this grade and worse", "Defaults, this grade and worse", "PD, upper bound"]
    return [header, *([k, *row] for k, row in enumerate(zip(*pooled, bounds, strict=True), 1))]


@KMV_LOW_DEFAULT_PD.explain
def _low_default_steps(
    obligors: Array,
    defaults: Array,
    confidence: float,
    correlation: float,
    years: Any,
    time_correlation: float,
) -> Iterator[Step]:
    """The best grade, whose bound looks at all grades."""
    table = KMV_LOW_DEFAULT_PD.compute(obligors, defaults, confidence, correlation, years, time_correlation)
    _, n, d, bound = table[1]
    yield Step("Obligors, first grade and worse", "n", n)
    yield Step("Defaults, first grade and worse", "d", d)
    yield Step("Chance left to so few defaults", "1 - confidence", 1.0 - confidence)
    if correlation == 0.0:
        ever = -np.expm1(years * np.log1p(-bound)) if bound < 1.0 else 1.0
        yield Step("PD over all years", "1 - (1 - PD)^years", ever)
        yield Step("Check: chance of at most d defaults", "binomial, n obligors, PD", bdtr(d, int(n), ever))
    given = "" if correlation == 0.0 else ", averaged over the common factor of each year"
    yield Step("PD, upper bound", f"PD at which P(at most d of n) = 1 - confidence{given}", bound)
    for grade, n, d, bound in table[2:]:
        yield Step(f"PD, upper bound, grade {grade}", f"the same for {n:g} obligors, {d:g} defaults", bound)


PLEDGE_TEXTS = {
    name: Text(text, rule=pledge.PLEDGE_RULES.get(name))
    for name, text in {
        "pledge_value": "Value of the pledged asset now. Money, >= 0.",
        "claim": "What is owed at default. Money, > 0.",
        "volatility": "Volatility of ln(value of the asset) per annum, a decimal.",
        "horizon": "Years to default, > 0. Blank: 1.",
        "drift": "Growth of the asset's value per annum, a decimal; negative where it wears out. Blank: 0.",
        "discount": "What a forced sale loses and costs, a share of the value. Blank: 0.",
        "sale_time": "Years from default to the sale. Blank: 0.",
        "pd": "PD of the obligor by the horizon; 1: default or not, needs correlation 0. Blank: 1.",
        "correlation": "Of the asset's value with the obligor's assets, -1 to 1. Blank: 0.",
    }.items()
}


@elementwise(
    "Expected share of a claim that a pledged asset covers at default.",
    (60.0, 100.0, 0.4, 2.5, -0.1, 0.25, 1.5, 0.015, 0.3),
    texts=PLEDGE_TEXTS,
)
def KMV_PLEDGE_RECOVERY(
    pledge_value: Figures,
    claim: Figures,
    volatility: Figures,
    horizon: Figures = 1.0,
    drift: Figures = 0.0,
    discount: Figures = 0.0,
    sale_time: Figures = 0.0,
    pd: Figures = 1.0,
    correlation: Figures = 0.0,
) -> Answer:
    wide = volatility * np.sqrt(horizon + sale_time) > pledge.MAX_DEVIATION
    undefined = (pd >= 1.0) & (correlation != 0.0)
    share = pledge.pledge_recovery(
        pledge_value,
        claim,
        np.where(wide, 0.0, volatility),
        horizon,
        drift,
        discount,
        sale_time,
        pd,
        correlation,
    )
    faults = [
        Fault(
            wide,
            f"volatility must be at most {pledge.MAX_DEVIATION:g}/sqrt(years to the sale)",
            value=volatility,
        ),
        Fault(undefined, "pd must be given and < 1 where correlation is not 0", value=pd),
    ]
    return share, faults


@KMV_PLEDGE_RECOVERY.explain
def _pledge_steps(
    pledge_value: float,
    claim: float,
    volatility: float,
    horizon: float,
    drift: float,
    discount: float,
    sale_time: float,
    pd: float,
    correlation: float,
) -> Iterator[Step]:
    V, T = pledge_value, horizon + sale_time
    asset = (V, claim, volatility, horizon, drift, discount, sale_time)
    yield Step("Years to the sale", "T = horizon + sale time", T)
    yield Step("Expected proceeds", "(1 - discount) V e^(mu T)", (1.0 - discount) * V * np.exp(drift * T))
    yield Step(
        "Proceeds over claim", "expected proceeds / C", (1.0 - discount) * V * np.exp(drift * T) / claim
    )
    yield Step("Standard deviation of ln V", "s = sigma sqrt(T)", volatility * np.sqrt(T))
    yield Step("Correlation at the sale", "r = rho sqrt(horizon/T)", correlation * np.sqrt(horizon / T))
    yield Step("Covered whoever defaults", "E[min(1, e^U)]", pledge.pledge_recovery(*asset))
    yield Step(
        "Covered given default",
        "{N2(m/s, x; -r) + e^(m + s^2/2) N2(-m/s - s, x - r s; r)}/PD, x = N^-1(PD)",
        pledge.pledge_recovery(*asset, pd, correlation),
    )


SALES = Text(
    "Annual sales of the group, million euro; 50 or more: no adjustment. Blank: 50.", rule=NOT_NEGATIVE
)


@elementwise(
    "Asset correlation of a corporate by Basel's formula, with the adjustment for smaller firms.",
    (0.01, 25.0),
    texts={"sales": SALES},
)
def KMV_ASSET_CORRELATION(pd: Figures, sales: Figures = 50.0) -> Answer:
    return correlation.basel_correlation(pd, sales)


@KMV_ASSET_CORRELATION.explain
def _correlation_steps(pd: float, sales: float) -> Iterator[Step]:
    large = correlation.basel_correlation(pd)
    found = correlation.basel_correlation(pd, sales)
    yield Step(
        "Weight of the low end", "w = (1 - e^(-50 PD))/(1 - e^-50)", np.expm1(-50.0 * pd) / np.expm1(-50.0)
    )
    yield Step("Correlation of a large firm", "0.12 w + 0.24 (1 - w)", large)
    yield Step("Adjustment for size", "-0.04 (1 - (S - 5)/45), S from 5 to 50", found - large)
    yield Step("Asset correlation", "sum of the two", found)


@elementwise(
    "Risk weight of a corporate exposure by Basel's IRB formula: 1 means 100 %.",
    (0.01, 0.45),
    texts={
        "pd": Text("Annual PD, at least 0.0003.", rule=correlation.RISK_WEIGHT_RULES["pd"]),
        "lgd": Text("Loss given default, 0 to 1. Blank: 0.45."),
        "maturity": Text("Years, 1 to 5. Blank: 2.5.", rule=correlation.RISK_WEIGHT_RULES["maturity"]),
        "sales": SALES,
    },
)
def KMV_RISK_WEIGHT(
    pd: Figures, lgd: Figures = 0.45, maturity: Figures = 2.5, sales: Figures = 50.0
) -> Answer:
    return correlation.basel_risk_weight(pd, lgd, maturity, sales)


@KMV_RISK_WEIGHT.explain
def _risk_weight_steps(pd: float, lgd: float, maturity: float, sales: float) -> Iterator[Step]:
    R, b = correlation.basel_correlation(pd, sales), correlation.maturity_slope(pd)
    bad = "q = N[(N^-1(PD) + sqrt(R) N^-1(0.999))/sqrt(1 - R)]"
    yield Step("Asset correlation", "R, as KMV_ASSET_CORRELATION", R)
    yield Step("Default rate, 99.9 %", bad, largepool.loss_quantile(pd, R, 0.999))
    yield Step("Slope of maturity", "b = (0.11852 - 0.05478 ln PD)^2", b)
    yield Step(
        "Factor of maturity", "[1 + (M - 2.5) b]/(1 - 1.5 b)", (1.0 + (maturity - 2.5) * b) / (1.0 - 1.5 * b)
    )
    weight = correlation.basel_risk_weight(pd, lgd, maturity, sales)
    yield Step("Capital", "K = LGD (q - PD) x factor of maturity", weight / 12.5)
    yield Step("Risk weight", "12.5 K", weight)
