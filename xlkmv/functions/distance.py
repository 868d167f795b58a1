"""Distance to default and default probability, and the question turned: what a target PD leaves room for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.special import ndtri

from xlkmv.functions.registry import Answer, Fault, Figures, Step, elementwise
from xlkmv.model import copula, distance
from xlkmv.model.domain import RULES

__all__ = [
    "KMV_BREAKEVEN_VOL",
    "KMV_DD",
    "KMV_DEFAULT_POINT",
    "KMV_LINEAR_DD",
    "KMV_PD",
    "KMV_SAFE_ISSUE",
    "KMV_SUPPORT_PD",
    "dd_steps",
    "pd_steps",
]


@elementwise("Log distance to default of assets against a default point.", (120.0, 100.0, 0.25))
def KMV_DD(
    asset_value: Figures,
    default_point: Figures,
    volatility: Figures,
    horizon: Figures = 1.0,
    drift: Figures = 0.0,
) -> Answer:
    return distance.distance_to_default(asset_value, default_point, volatility, horizon, drift)


@KMV_DD.explain
def dd_steps(
    asset_value: float, default_point: float, volatility: float, horizon: float, drift: float
) -> Iterator[Step]:
    V, DP, sigma, T, mu = asset_value, default_point, volatility, horizon, drift
    coverage = distance.log_ratio(np.asarray(V), np.asarray(DP))
    growth, deviation = (mu - 0.5 * sigma**2) * T, sigma * np.sqrt(T)
    yield Step("Log coverage", "ln(V/DP)", coverage)
    yield Step("Growth of ln V", "(mu - sigma^2/2) T", growth)
    yield Step("Standard deviation of ln V", "sigma sqrt(T)", deviation)
    dd = distance.log_distance(coverage, sigma, T, mu)
    yield Step("Distance to default (log)", "[ln(V/DP) + (mu - sigma^2/2) T] / (sigma sqrt(T))", dd)


@elementwise("Default probability of assets against a default point.", (120.0, 100.0, 0.25))
def KMV_PD(
    asset_value: Figures,
    default_point: Figures,
    volatility: Figures,
    horizon: Figures = 1.0,
    drift: Figures = 0.0,
    method: str = "terminal",
) -> Answer:
    return distance.default_probability(asset_value, default_point, volatility, horizon, drift, method)


@KMV_PD.explain
def pd_steps(
    asset_value: float,
    default_point: float,
    volatility: float,
    horizon: float,
    drift: float,
    method: str,
) -> Iterator[Step]:
    V, DP, sigma, T, mu = asset_value, default_point, volatility, horizon, drift
    pd = distance.default_probability(V, DP, sigma, T, mu, method)
    if method == "linear":
        yield from _linear_steps(V, DP, sigma)
        yield Step("Horizon and drift", "one year, no drift by definition: those given change nothing", "")
        yield Step("Default probability (linear)", "N(-DD)", pd)
        return
    yield from dd_steps(V, DP, sigma, T, mu)
    terminal = distance.default_probability(V, DP, sigma, T, mu)
    yield Step("Default probability (terminal)", "N(-DD)", terminal)
    if method == "anytime":
        b, nu = distance.log_ratio(np.asarray(DP), np.asarray(V)), mu - 0.5 * sigma**2
        yield Step("Distance of the barrier", "b = ln(DP/V)", b)
        yield Step("Drift of ln V", "nu = mu - sigma^2/2", nu)
        yield Step("First-passage probability", "N((b - nu T)/s) + e^(2 nu b/sigma^2) N((b + nu T)/s)", pd)


@elementwise("Linear (Crosbie-Bohn) distance to default over one year.", (12.6, 3.4, 0.15))
def KMV_LINEAR_DD(asset_value: Figures, default_point: Figures, volatility: Figures) -> Answer:
    return distance.linear_distance_to_default(asset_value, default_point, volatility)


@KMV_LINEAR_DD.explain
def _linear_steps(asset_value: float, default_point: float, volatility: float) -> Iterator[Step]:
    V, DP, sigma = asset_value, default_point, volatility
    yield Step("Net worth", "V - DP", V - DP)
    yield Step("One standard deviation of V", "V sigma", V * sigma)
    yield Step(
        "Distance to default (linear)",
        "(V - DP)/(V sigma)",
        distance.linear_distance_to_default(V, DP, sigma),
    )


@elementwise("Default point of a firm: short-term debt plus a share of long-term debt.", (60.0, 80.0))
def KMV_DEFAULT_POINT(short_term: Figures, long_term: Figures, weight: Figures = 0.5) -> Answer:
    return distance.default_point(short_term, long_term, weight)


@KMV_DEFAULT_POINT.explain
def _default_point_steps(short_term: float, long_term: float, weight: float) -> Iterator[Step]:
    yield Step("Long-term debt that counts", "w x long-term", weight * long_term)
    yield Step(
        "Default point", "short-term + w x long-term", distance.default_point(short_term, long_term, weight)
    )


# ------------------------------------------------------------------------ the question turned


@elementwise("Largest default point that keeps the PD within a target.", (354.6, 0.01, 0.05, 5.0))
def KMV_SAFE_ISSUE(
    asset_value: Figures,
    target_pd: Figures,
    volatility: Figures,
    horizon: Figures = 1.0,
    drift: Figures = 0.0,
) -> Answer:
    return distance.safe_issue(asset_value, target_pd, volatility, horizon, drift)


@KMV_SAFE_ISSUE.explain
def _safe_issue_steps(
    asset_value: float, target_pd: float, volatility: float, horizon: float, drift: float
) -> Iterator[Step]:
    V, p, sigma, T, mu = asset_value, target_pd, volatility, horizon, drift
    issue = distance.safe_issue(V, p, sigma, T, mu)
    yield Step("Distance that the target asks for", "-N^-1(p*)", -ndtri(p))
    yield Step("Growth of ln V", "(mu - sigma^2/2) T", (mu - 0.5 * sigma**2) * T)
    yield Step("Largest default point", "V exp[(mu - sigma^2/2) T + N^-1(p*) sigma sqrt(T)]", issue)
    if issue > 0.0:  # else it is smaller than any number
        yield Step("Check: its PD", "N(-DD)", distance.default_probability(V, issue, sigma, T, mu))


@elementwise("Largest volatility that keeps the PD within a target.", (120.0, 100.0, 0.01))
def KMV_BREAKEVEN_VOL(
    asset_value: Figures,
    default_point: Figures,
    target_pd: Figures,
    horizon: Figures = 1.0,
    drift: Figures = 0.0,
) -> Answer:
    sigma = distance.breakeven_volatility(asset_value, default_point, target_pd, horizon, drift)
    m = distance.log_ratio(np.asarray(asset_value), np.asarray(default_point)) + drift * horizon
    # A target above one half leaves room for assets that are expected to fall short: q^2 + 2 m >= 0.
    least = -0.5 * np.minimum(-ndtri(target_pd), 0.0) ** 2

    def reason(k: int) -> str:
        rule = f"must be >= {least[k]:.6g}" if least[k] < 0.0 else "must be > 0"
        return (
            "no volatility keeps the PD within target_pd: "
            f"ln(asset_value/default_point) + drift x horizon {rule} (got {m[k]:.6g})"
        )

    return sigma, [Fault(np.isnan(sigma), reason)]


@KMV_BREAKEVEN_VOL.explain
def _breakeven_steps(
    asset_value: float, default_point: float, target_pd: float, horizon: float, drift: float
) -> Iterator[Step]:
    V, DP, p, T, mu = asset_value, default_point, target_pd, horizon, drift
    sigma = distance.breakeven_volatility(V, DP, p, T, mu)
    coverage = distance.log_ratio(np.asarray(V), np.asarray(DP))
    yield Step("Log coverage with growth", "m = ln(V/DP) + mu T", coverage + mu * T)
    yield Step("Distance that the target asks for", "q = -N^-1(p*)", -ndtri(p))
    yield Step("Largest volatility", "[-q + sqrt(q^2 + 2 m)] / sqrt(T)", sigma)
    if RULES["volatility"].holds(sigma):
        yield Step("Check: its PD", "N(-DD)", distance.default_probability(V, DP, sigma, T, mu))


@elementwise("Joint default probability of a payer and the one who supports it.", (0.02, 0.005, 0.3))
def KMV_SUPPORT_PD(pd: Figures, support_pd: Figures, correlation: Figures = 0.0) -> Answer:
    return copula.joint_default_probability(pd, support_pd, correlation)


@KMV_SUPPORT_PD.explain
def _support_steps(pd: float, support_pd: float, correlation: float) -> Iterator[Step]:
    yield Step("Driver of the payer", "N^-1(PD)", ndtri(pd))
    yield Step("Driver of the support", "N^-1(PD_G)", ndtri(support_pd))
    yield Step("If they were independent", "PD x PD_G", pd * support_pd)
    yield Step(
        "Both default",
        "N2(N^-1(PD), N^-1(PD_G); rho)",
        copula.joint_default_probability(pd, support_pd, correlation),
    )
