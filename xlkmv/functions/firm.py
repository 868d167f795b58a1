"""A firm and its equity: assets and volatility that a price implies, and what follows from them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.special import ndtr

from xlkmv.errors import ConvergenceError, InputError
from xlkmv.functions.distance import dd_steps, pd_steps
from xlkmv.functions.registry import Answer, Fault, Figures, Step, Text, elementwise, one_or_each, table
from xlkmv.model import calibration, distance, leland, merton, sensitivity
from xlkmv.model.domain import Array
from xlkmv.model.merton import Inversion
from xlkmv.model.normal import density
from xlkmv.phrase import Phrase

__all__ = [
    "KMV_ASSETS",
    "KMV_ASSET_VALUE",
    "KMV_ASSET_VOL",
    "KMV_EQUITY",
    "KMV_FIT",
    "KMV_GUARANTEE",
    "KMV_LELAND",
    "KMV_NAIVE_DD",
    "KMV_RECOVERY",
    "KMV_SENSITIVITY",
    "KMV_SPREAD",
    "KMV_TERM",
]

# Half a year of weekly equity values of one firm, for the example of KMV_FIT.
EQUITY_SERIES = (
    43.3, 43.9, 44.7, 44.1, 42.6, 42.9, 41.7, 42.8, 44.2, 43.5, 44.9, 45.8, 44.6,
    45.3, 46.4, 45.1, 43.8, 44.4, 45.9, 46.8, 46.1, 47.2, 45.7, 46.3, 47.5, 47.0,
)  # fmt: skip


def _inverted(inversion: Inversion, *answers: Array) -> tuple[Any, ...]:
    """Answers of an inversion, with the reason of each row that has none."""
    return *answers, [Fault(~inversion.converged, lambda k: str(inversion.error(k)))]


@elementwise("Asset value of a firm that its equity implies (Merton).", (3.0, 10.0, 0.8, 1.0, 0.05))
def KMV_ASSET_VALUE(
    equity: Figures,
    default_point: Figures,
    equity_volatility: Figures,
    horizon: Figures = 1.0,
    rate: Figures = 0.0,
) -> Answer:
    inversion = merton.invert(equity, default_point, equity_volatility, horizon, rate)
    return _inverted(inversion, inversion.asset_value)


@elementwise("Asset volatility of a firm that its equity implies (Merton).", (3.0, 10.0, 0.8, 1.0, 0.05))
def KMV_ASSET_VOL(
    equity: Figures,
    default_point: Figures,
    equity_volatility: Figures,
    horizon: Figures = 1.0,
    rate: Figures = 0.0,
) -> Answer:
    inversion = merton.invert(equity, default_point, equity_volatility, horizon, rate)
    return _inverted(inversion, inversion.volatility)


@elementwise(
    "Asset value and asset volatility of a firm that its equity implies (Merton).",
    (3.0, 10.0, 0.8, 1.0, 0.05),
    ("asset value", "asset volatility"),
)
def KMV_ASSETS(
    equity: Figures,
    default_point: Figures,
    equity_volatility: Figures,
    horizon: Figures = 1.0,
    rate: Figures = 0.0,
) -> Answer:
    inversion = merton.invert(equity, default_point, equity_volatility, horizon, rate)
    return _inverted(inversion, inversion.asset_value, inversion.volatility)


@KMV_ASSETS.explain
def _inversion_steps(
    equity: float, default_point: float, equity_volatility: float, horizon: float, rate: float
) -> Iterator[Step]:
    E, F, T, r = equity, default_point, horizon, rate
    inversion = merton.invert(E, F, equity_volatility, T, r)
    V, sigma = float(inversion.asset_value), float(inversion.volatility)
    yield Step("Equations", "E = V N(d1) - F e^(-rT) N(d2);  sigma_E E = N(d1) sigma V", "")
    yield Step("Asset value", "V, solved in logs and scaled", V)
    yield Step("Asset volatility", "sigma", sigma)
    yield Step("Iterations", "Householder, third order", int(inversion.iterations))
    yield Step("Repricing error", "largest relative error of E and sigma_E", float(inversion.residual))
    of_value, of_volatility = merton.condition_number(V, F, sigma, T, r)
    yield Step("Condition of V", "its relative change per relative change of an input", of_value)
    yield Step("Condition of sigma", "its relative change per relative change of an input", of_volatility)
    dd = distance.distance_to_default(V, F, sigma, T, r)
    yield Step("Risk-neutral distance to default", "d2", dd)
    yield Step("Risk-neutral PD", "N(-d2)", ndtr(-dd))


KMV_ASSET_VALUE.explain(_inversion_steps)
KMV_ASSET_VOL.explain(_inversion_steps)


@elementwise(
    "Equity value and equity volatility of a firm with these assets (Merton).",
    (140.0, 100.0, 0.25, 1.0, 0.05),
    ("equity", "equity volatility"),
)
def KMV_EQUITY(
    asset_value: Figures,
    default_point: Figures,
    volatility: Figures,
    horizon: Figures = 1.0,
    rate: Figures = 0.0,
) -> Answer:
    value, vol = merton.equity(asset_value, default_point, volatility, horizon, rate)
    return value, vol, [Fault(~(value > 0.0), "equity must be > 0: it is smaller than any number")]


@KMV_EQUITY.explain
def _equity_steps(
    asset_value: float, default_point: float, volatility: float, horizon: float, rate: float
) -> Iterator[Step]:
    V, F, sigma, T, r = asset_value, default_point, volatility, horizon, rate
    value, vol = merton.equity(V, F, sigma, T, r)
    yield from _d_steps(V, F, sigma, T, r)
    yield Step("Equity", "V N(d1) - F e^(-rT) N(d2)", value)
    yield Step("Equity volatility", "sigma V N(d1) / E", vol)


def _d_steps(V: float, F: float, sigma: float, T: float, r: float) -> Iterator[Step]:
    s = sigma * np.sqrt(T)
    d1 = (distance.log_ratio(np.asarray(V), np.asarray(F)) + r * T) / s + 0.5 * s
    yield Step("Discounted default point", "F e^(-rT)", F * np.exp(-r * T))
    yield Step("d1", "[ln(V/F) + (r + sigma^2/2) T] / (sigma sqrt(T))", d1)
    yield Step("d2", "d1 - sigma sqrt(T)", d1 - s)


@elementwise(
    "Credit spread of the debt, continuously compounded.", (12.3953871886, 10.0, 0.212304713423, 1.0, 0.05)
)
def KMV_SPREAD(
    asset_value: Figures,
    default_point: Figures,
    volatility: Figures,
    horizon: Figures = 1.0,
    rate: Figures = 0.0,
) -> Answer:
    return merton.spread(asset_value, default_point, volatility, horizon, rate)


@KMV_SPREAD.explain
def _spread_steps(
    asset_value: float, default_point: float, volatility: float, horizon: float, rate: float
) -> Iterator[Step]:
    firm = (asset_value, default_point, volatility, horizon, rate)
    yield from _d_steps(*firm)
    yield Step("Debt", "F e^(-rT) - guarantee", merton.debt_value(*firm))
    yield Step("Credit spread", "-ln(D/F)/T - r", merton.spread(*firm))


@elementwise(
    "Expected recovery rate of the debt on default, under Q.",
    (12.3953871886, 10.0, 0.212304713423, 1.0, 0.05),
)
def KMV_RECOVERY(
    asset_value: Figures,
    default_point: Figures,
    volatility: Figures,
    horizon: Figures = 1.0,
    rate: Figures = 0.0,
) -> Answer:
    return merton.expected_recovery(asset_value, default_point, volatility, horizon, rate)


@KMV_RECOVERY.explain
def _recovery_steps(
    asset_value: float, default_point: float, volatility: float, horizon: float, rate: float
) -> Iterator[Step]:
    firm = (asset_value, default_point, volatility, horizon, rate)
    yield from _d_steps(*firm)
    yield Step(
        "Expected recovery",
        "E[V_T/F | V_T < F] = V e^(rT) N(-d1) / (F N(-d2))",
        merton.expected_recovery(*firm),
    )


@elementwise("Value today of a guarantee of the full amount due.", (140.0, 100.0, 0.25, 1.0, 0.05))
def KMV_GUARANTEE(
    asset_value: Figures,
    default_point: Figures,
    volatility: Figures,
    horizon: Figures = 1.0,
    rate: Figures = 0.0,
) -> Answer:
    return merton.guarantee_value(asset_value, default_point, volatility, horizon, rate)


@KMV_GUARANTEE.explain
def _guarantee_steps(
    asset_value: float, default_point: float, volatility: float, horizon: float, rate: float
) -> Iterator[Step]:
    firm = (asset_value, default_point, volatility, horizon, rate)
    yield from _d_steps(*firm)
    yield Step("Guarantee", "F e^(-rT) N(-d2) - V N(-d1)", merton.guarantee_value(*firm))


@elementwise(
    "Naive distance to default (Bharath-Shumway): no equation is solved.", (3.0, 10.0, 0.8, 1.0, 0.05)
)
def KMV_NAIVE_DD(
    equity: Figures, debt: Figures, equity_volatility: Figures, horizon: Figures = 1.0, drift: Figures = 0.0
) -> Answer:
    return calibration.naive_distance_to_default(equity, debt, equity_volatility, horizon, drift)


@KMV_NAIVE_DD.explain
def _naive_steps(
    equity: float, debt: float, equity_volatility: float, horizon: float, drift: float
) -> Iterator[Step]:
    E, F = equity, debt
    firm = (E, F, equity_volatility, horizon, drift)
    sigma = calibration.naive_asset_volatility(E, F, equity_volatility)
    yield Step("Debt volatility", "0.05 + 0.25 sigma_E", 0.05 + 0.25 * equity_volatility)
    yield Step("Asset volatility", "E/(E+F) sigma_E + F/(E+F) sigma_D", sigma)
    yield from dd_steps(E + F, F, float(sigma), horizon, drift)
    yield Step("Naive PD", "N(-DD)", ndtr(-calibration.naive_distance_to_default(*firm)))


@table(
    "Term structure: DD, PD, marginal PD and hazard rate at each horizon.",
    (120.0, 100.0, 0.25, (1.0, 2.0, 5.0)),
)
def KMV_TERM(
    asset_value: float,
    default_point: float,
    volatility: float,
    horizons: Array,
    drift: float = 0.0,
    method: str = "terminal",
) -> Any:
    if (np.diff(horizons) <= 0.0).any():
        late = int(np.argmax(np.diff(horizons) <= 0.0)) + 1
        raise InputError("horizons", "must increase", float(horizons[late]))
    firm = (asset_value, default_point, volatility)
    pd = distance.default_probability(*firm, horizons, drift, method)
    if method == "linear":  # the same at every horizon: it has none
        dd = np.broadcast_to(distance.linear_distance_to_default(*firm), pd.shape)
    else:
        dd = distance.distance_to_default(*firm, horizons, drift)
    before, step = np.concatenate([[0.0], pd[:-1]]), np.diff(horizons, prepend=0.0)
    # A terminal PD is no running total: it may fall with the horizon, and the margin with it.
    hazard = (np.log1p(-before) - np.log1p(-pd)) / step
    header = ["Horizon", "DD", "PD", "Marginal PD", "Hazard rate"]
    return [header, *zip(horizons, dd, pd, pd - before, hazard, strict=True)]


@KMV_TERM.explain
def _term_steps(
    asset_value: float,
    default_point: float,
    volatility: float,
    horizons: Array,
    drift: float,
    method: str,
) -> Iterator[Step]:
    """The first horizon in full, and what the second adds to it."""
    _, first, *later = KMV_TERM.compute(asset_value, default_point, volatility, horizons, drift, method)
    yield Step("First horizon", "T, years", first[0])
    yield from pd_steps(asset_value, default_point, volatility, first[0], drift, method)
    yield Step("Marginal PD", "PD(T) less 0 before the first horizon", first[3])
    yield Step("Hazard rate", "-ln(1 - PD)/T", first[4])
    for horizon, _, pd, marginal, hazard in later[:1]:
        yield Step("Second horizon", "T2, years", horizon)
        yield Step("Its default probability", "as that of the first", pd)
        yield Step("Its marginal PD", "PD(T2) - PD(T)", marginal)
        yield Step("Its hazard rate", "ln[(1 - PD(T))/(1 - PD(T2))]/(T2 - T)", hazard)


@table(
    "Asset value, volatility and drift from a series of equity values (KMV iteration or maximum likelihood).",
    (EQUITY_SERIES, 100.0, 0.03, 52.0),
    {
        "default_point": Text("Debt due at the horizon: one number, or one per date.", "series"),
        "periods_per_year": Text("Equity values per year: 250 when daily, 52 weekly. Blank: 250.", "scalar"),
        "method": Text("mle (Duan 1994) or iterative (KMV). Blank: mle.", "option", ("mle", "iterative")),
    },
)
def KMV_FIT(
    equity_values: Array,
    default_point: Array,
    rate: float = 0.0,
    periods_per_year: float = 250.0,
    horizon: float = 1.0,
    method: str = "mle",
) -> Any:
    fit = _fit(equity_values, default_point, rate, periods_per_year, horizon, method)
    if not fit.converged:
        raise ConvergenceError(
            Phrase(
                "equity_values must determine the assets (stopped after {iterations} steps)",
                iterations=fit.iterations,
            )
        )
    return [
        ["Figure", "Value", "Standard error"],
        ["Asset value", fit.asset_value, fit.asset_value_error],
        ["Volatility", fit.volatility, fit.volatility_error],
        ["Drift", fit.drift, fit.drift_error],
        ["Distance to default", fit.distance_to_default, fit.distance_error],
        ["Default probability", fit.default_probability, fit.probability_error],
        ["Converged", fit.converged, f"after {fit.iterations} steps"],
    ]


def _fit(
    equity_values: Array, default_point: Array, rate: float, per_year: float, horizon: float, method: str
) -> calibration.SeriesFit:
    return calibration.fit_series(equity_values, one_or_each(default_point), rate, per_year, horizon, method)


@KMV_FIT.explain
def _fit_steps(
    equity_values: Array,
    default_point: Array,
    rate: float,
    periods_per_year: float,
    horizon: float,
    method: str,
) -> Iterator[Step]:
    fit = _fit(equity_values, default_point, rate, periods_per_year, horizon, method)
    start = np.std(np.diff(np.log(equity_values)), ddof=1) * np.sqrt(periods_per_year)
    x = np.log(fit.asset_values)
    yield Step("Start: equity volatility", "sd of ln(E_(t+1)/E_t) x sqrt(periods per year)", start)
    search = {
        "mle": "until the slope of the log likelihood is 0 (Duan 1994)",
        "iterative": "invert each date at sigma, sigma from ln V, until it moves by less than 1e-6 (KMV)",
    }
    yield Step(f"Steps of the search ({method})", search[method], fit.iterations)
    yield Step("Volatility", "where the search ends", fit.volatility)
    yield Step(
        "sd of the asset values per annum",
        "sd of ln(V_(t+1)/V_t) x sqrt(periods per year)",
        np.std(np.diff(x), ddof=1) * np.sqrt(periods_per_year),
    )
    yield Step("Log likelihood", "of ln V, less sum ln V and sum ln N(d1)", fit.log_likelihood)
    yield Step("Asset value, first date", "V at which equity is worth what it was", fit.asset_values[0])
    yield Step("Asset value, last date", "V at which equity is worth what it is", fit.asset_value)
    yield Step("Drift", "mean of ln(V_(t+1)/V_t) x periods per year + sigma^2/2", fit.drift)
    yield from pd_steps(
        fit.asset_value, float(default_point[-1]), fit.volatility, horizon, fit.drift, "terminal"
    )


@table("How DD and PD change with each input, per unit of it.", (120.0, 100.0, 0.25))
def KMV_SENSITIVITY(
    asset_value: float, default_point: float, volatility: float, horizon: float = 1.0, drift: float = 0.0
) -> Any:
    firm = (asset_value, default_point, volatility, horizon, drift)
    dd, pd = sensitivity.distance_sensitivities(*firm), sensitivity.probability_sensitivities(*firm)
    names = ("asset_value", "default_point", "volatility", "horizon", "drift")
    return [["Input", "Change of DD", "Change of PD"], *([n, getattr(dd, n), getattr(pd, n)] for n in names)]


@KMV_SENSITIVITY.explain
def _sensitivity_steps(
    asset_value: float, default_point: float, volatility: float, horizon: float, drift: float
) -> Iterator[Step]:
    firm = (asset_value, default_point, volatility, horizon, drift)
    yield from pd_steps(*firm, "terminal")
    dd = float(distance.distance_to_default(*firm))
    yield Step("Normal density", "n(DD) = e^(-DD^2/2)/sqrt(2 pi)", density(dd))
    formulas = {
        "asset_value": "1/(V s), s = sigma sqrt(T)",
        "default_point": "-1/(DP s)",
        "volatility": "-DD/sigma - sqrt(T)",
        "horizon": "[(mu - sigma^2/2) T - ln(V/DP)]/(2 s T)",
        "drift": "sqrt(T)/sigma",
    }
    for name, of_distance, of_pd in KMV_SENSITIVITY.compute(*firm)[1:]:
        yield Step(f"Change of DD with {name}", formulas[name], of_distance)
        yield Step(f"Change of PD with {name}", "-n(DD) x change of DD", of_pd)


@table(
    "Debt that a firm should choose, and when its owners default on it (Leland 1994: perpetual debt).",
    (100.0, 0.2),
    {
        "asset_value": Text("Value of the assets without debt: V. Money, > 0."),
        "rate": Text(
            "Risk-free rate per annum, continuously compounded, a decimal. Blank: 0.06.",
            rule=leland.LELAND_RULES["rate"],
        ),
        "bankruptcy_cost": Text(
            "Share of the assets that default destroys, 0 to 1. Blank: 0.5.",
            rule=leland.LELAND_RULES["bankruptcy_cost"],
        ),
        "tax": Text(
            "Tax that a coupon saves, a decimal: 0.35 means 35 %. Blank: 0.35.",
            rule=leland.LELAND_RULES["tax"],
        ),
    },
)
def KMV_LELAND(
    asset_value: float,
    volatility: float,
    rate: float = 0.06,
    bankruptcy_cost: float = 0.5,
    tax: float = 0.35,
) -> Any:
    found = leland.optimal_debt(asset_value, volatility, rate, bankruptcy_cost, tax)
    return [
        ["Figure", "Value"],
        ["Optimal coupon", found.coupon],
        ["Default boundary", found.boundary],
        ["Debt", found.debt],
        ["Firm value", found.firm_value],
        ["Leverage", found.leverage],
        ["Spread", found.spread],
    ]


@KMV_LELAND.explain
def _leland_steps(
    asset_value: float, volatility: float, rate: float, bankruptcy_cost: float, tax: float
) -> Iterator[Step]:
    found = leland.optimal_debt(asset_value, volatility, rate, bankruptcy_cost, tax)
    price = "q = (V/V_B)^-X, at the best coupon 1/[1 + X (1 + alpha (1 - tau)/tau)]"
    yield Step("Exponent", "X = 2 r/sigma^2", 2.0 * rate / volatility**2)
    yield Step("Value of 1 paid at default", price, found.default_price)
    yield Step("Default boundary", "V_B = V q^(1/X)", found.boundary)
    yield Step("Optimal coupon", "C = V_B (r + sigma^2/2)/(1 - tau)", found.coupon)
    yield Step("Debt", "C/r (1 - q) + (1 - alpha) V_B q", found.debt)
    yield Step("Firm value", "V + tau C/r (1 - q) - alpha V_B q", found.firm_value)
    yield Step("Equity", "firm value - debt", found.firm_value - found.debt)
    yield Step("Leverage", "debt / firm value", found.leverage)
    yield Step("Spread", "C/D - r", found.spread)
