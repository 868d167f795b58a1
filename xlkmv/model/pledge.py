"""Recovery from a pledged asset: what its sale is expected to cover of the claim, given default.

At default the claim C meets an asset worth V_T, sold after a while with a discount delta on its value::

    recovery = min(1, e^U),    U = ln[(1 - delta) V_T/C] ~ N(m, s^2)
    m = ln[(1 - delta) V/C] + (mu - sigma^2/2) T,    s = sigma sqrt T

T is the time to default and from there to the sale. The asset is worth less where the obligor defaults
if its value moves with the obligor's: U = m + s Z and the obligor's asset return X, which defaults
below x = N^{-1}(PD), are bivariate normal with correlation r. The same law that shifts Z by r E[X |
default] on average gives the whole expectation in closed form::

    E[min(1, e^U) | X < x] = {N2(m/s, x; -r) + e^{m + s^2/2} N2(-m/s - s, x - r s; r)}/PD

The first term is the chance that the sale covers all, the second what it brings when it does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import betaincinv, ndtr, ndtri

from xlkmv.errors import DomainError
from xlkmv.model.copula import bivariate_normal_cdf
from xlkmv.model.domain import FINITE, NOT_NEGATIVE, POSITIVE, PROBABILITY, Array, Rule, check, check_all
from xlkmv.phrase import Phrase
from xlkmv.shown import Shown

__all__ = ["MAX_DEVIATION", "PLEDGE_RULES", "BetaRecovery", "beta_recovery", "pledge_recovery"]

MAX_DEVIATION = 10.0
"""Largest sigma sqrt(T): beyond, the lognormal law says nothing, and its terms leave double precision."""

PLEDGE_RULES: dict[str, Rule] = {
    "pledge_value": NOT_NEGATIVE,
    "claim": POSITIVE,
    "volatility": PROBABILITY,
    "discount": Rule("must be >= 0 and < 1 (a decimal: 0.2 means 20 %)", 0.0, 1.0, high_open=True),
    "sale_time": Rule("must be >= 0 and <= 100 (years)", 0.0, 100.0),
    "pd": Rule("must be > 0 and <= 1 (a decimal: 0.02 means 2 %)", 0.0, 1.0, low_open=True),
}
"""What the arguments of :func:`pledge_recovery` may be, where that is their own."""


def pledge_recovery(
    pledge_value: Any,
    claim: Any,
    volatility: Any,
    horizon: Any = 1.0,
    drift: Any = 0.0,
    discount: Any = 0.0,
    sale_time: Any = 0.0,
    pd: Any = 1.0,
    correlation: Any = 0.0,
) -> Array:
    """Expected share of the claim that the sale of a pledged asset covers, given default.

    Parameters
    ----------
    pledge_value : array_like
        Value V of the asset now, money, >= 0.
    claim : array_like
        What is owed at default, same money, > 0.
    volatility : array_like
        sigma of ln V, per annum, decimal, 0 to 1.
    horizon : array_like
        Years from now to default, > 0.
    drift : array_like
        Growth mu of the value, per annum, decimal, E[V_t] = V e^{mu t}; negative where it wears out.
    discount : array_like
        delta, what a forced sale loses and costs, a share of the value, 0 to below 1.
    sale_time : array_like
        Years from default to the sale, >= 0.
    pd : array_like
        Default probability of the obligor by the horizon, > 0; 1 gives the unconditional expectation.
    correlation : array_like
        Of ln V and the obligor's asset return over the same time, -1 to 1. What happens after default
        is news of the asset alone: r = correlation sqrt(horizon/T).

    Returns
    -------
    ndarray
        Between 0 and 1, of the broadcast shape.

    Raises
    ------
    DomainError
        When an input breaks its rule, or sigma sqrt(T) is above :data:`MAX_DEVIATION`.
    """
    V, C, sigma, delta, lag, p = (
        check(name, value, PLEDGE_RULES[name])
        for name, value in (
            ("pledge_value", pledge_value),
            ("claim", claim),
            ("volatility", volatility),
            ("discount", discount),
            ("sale_time", sale_time),
            ("pd", pd),
        )
    )
    H, mu, rho = check_all("horizon drift correlation", horizon, drift, correlation)
    T = H + lag
    s, r = sigma * np.sqrt(T), rho * np.sqrt(H / T)
    if (s > MAX_DEVIATION).any():
        rule = Phrase(
            "must be at most {max_deviation:g}/sqrt(years to the sale)", max_deviation=MAX_DEVIATION
        )
        raise DomainError(
            "volatility", rule, float(np.broadcast_to(sigma, s.shape)[s > MAX_DEVIATION].flat[0])
        )
    with np.errstate(divide="ignore"):  # a pledge worth nothing covers nothing
        m = np.log(V * (1.0 - delta)) - np.log(C) + (mu - 0.5 * sigma * sigma) * T
    m, s, p, r = np.broadcast_arrays(m, s, p, r)
    out = np.array(np.exp(np.minimum(m, 0.0)))  # at no volatility
    moves = (s > 0.0) & np.isfinite(m)
    if moves.any():
        out[moves] = _covered(m[moves], s[moves], p[moves], r[moves])
    return np.asarray(out)


def _covered(m: Array, s: Array, p: Array, r: Array) -> Array:
    x = ndtri(p)  # infinite where default is certain: N2 becomes N
    k = m / s
    part = bivariate_normal_cdf(-k - s, x - r * s, r)
    # Where the exponential overflows, the probability has long been 0.
    partly = np.exp(np.minimum(m + 0.5 * s * s, 700.0)) * part
    return np.asarray(np.minimum((bivariate_normal_cdf(k, x, -r) + partly) / p, 1.0))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class BetaRecovery(Shown):
    """A recovery rate that is low + (high - low) B, B of the beta distribution.

    Attributes
    ----------
    a, b : ndarray
        Parameters of the beta distribution, of one shape.
    low, high : ndarray
        Least and largest recovery.
    """

    a: Array
    b: Array
    low: Array
    high: Array

    def quantile(self, level: Any) -> Array:
        """Recovery that is not exceeded with a probability.

        Parameters
        ----------
        level : array_like
            0 to 1, broadcast against the parameters.

        Returns
        -------
        ndarray
            Shares of the claim.

        Raises
        ------
        InputError, DomainError
            When an argument is no number or breaks its rule.
        """
        share = betaincinv(self.a, self.b, check("level", level, PROBABILITY))
        return np.asarray(self.low + (self.high - self.low) * share)

    def at_factor(self, z: Any) -> Array:
        """Recovery where a standard normal factor is z: N(z) is its level.

        Parameters
        ----------
        z : array_like
            Broadcast against the parameters.

        Returns
        -------
        ndarray
            Shares of the claim.

        Raises
        ------
        InputError, DomainError
            When an argument is no number or breaks its rule.
        """
        return self.quantile(ndtr(check("z", z, FINITE)))


def beta_recovery(mean: Any, sd: Any, low: Any = 0.0, high: Any = 1.0) -> BetaRecovery:
    """Beta distribution of a recovery rate from its mean and standard deviation, by moments.

    With the mean m and variance v in units of the range, a = m k and b = (1 - m) k, k = m (1 - m)/v - 1.

    Parameters
    ----------
    mean : array_like
        Between `low` and `high` exclusive, decimal.
    sd : array_like
        > 0, and less than sqrt((mean - low)(high - mean)), that of a coin between the two ends.
    low, high : array_like
        Bounds of the recovery, 0 <= low < high <= 1.

    Returns
    -------
    BetaRecovery

    Raises
    ------
    DomainError
        When an input breaks its rule.
    """
    lo, hi = check("low", low, PROBABILITY), check("high", high, PROBABILITY)
    mu, deviation = check("mean", mean, PROBABILITY), check("sd", sd, POSITIVE)
    lo, hi, mu, deviation = np.broadcast_arrays(lo, hi, mu, deviation)
    for name, value, wrong, rule in (
        ("high", hi, lo >= hi, "must be above low"),
        ("mean", mu, (mu <= lo) | (mu >= hi), "must be between low and high"),
        (
            "sd",
            deviation,
            np.minimum(deviation, 1.0) ** 2 >= (mu - lo) * (hi - mu),  # of shares none is above 1
            "must be below sqrt((mean - low)(high - mean))",
        ),
    ):
        if wrong.any():
            raise DomainError(name, rule, float(value[wrong].flat[0]))
    m = (mu - lo) / (hi - lo)
    k = (mu - lo) * (hi - mu) / deviation**2 - 1.0
    return BetaRecovery(m * k, (1.0 - m) * k, lo, hi)
