"""Default probability of a firm without a price, by the listed firms that are like it.

The way of Crosbie and Bohn (2003) for private firms: the market gives no equity value, so the assets
are worth what the earnings (or book assets) of listed peers are worth, and move as the peers' assets
move, smaller firms more than large ones. Then distance and PD as for any firm.

References
----------
P. Crosbie and J. Bohn, "Modeling default risk", Moody's KMV (2003).
H. Theil (1950) and P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau",
Journal of the American Statistical Association 63 (1968).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr, stdtrit

from xlkmv.errors import InputError
from xlkmv.model.calibration import edf
from xlkmv.model.distance import default_point, distance_to_default, linear_distance_to_default
from xlkmv.model.domain import POSITIVE, Array, check, check_number
from xlkmv.phrase import Phrase
from xlkmv.shown import Shown

__all__ = ["DISTANCES", "MIN_PEERS", "MIN_PEERS_FOR_SIZE", "Peers", "PrivateFirm", "private_firm"]

MIN_PEERS = 3
"""Peers below which there is no median worth the name."""
MIN_PEERS_FOR_SIZE = 8
"""Peers from which the volatility follows the size of the firm."""
DISTANCES = ("log", "linear")
"""The two conventions of the distance to default that exist."""

# Median absolute deviation of a standard normal; variance of a median against that of a mean.
_MAD = 0.6744897501960817
_MEDIAN_VARIANCE = 0.5 * np.pi


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Peers(Shown):
    """Listed firms of one industry.

    Attributes
    ----------
    asset_value : array_like, shape (n,)
        Market value of the assets, money, > 0: equity and debt, or what equity implies
        (:func:`xlkmv.model.merton.assets`).
    earnings : array_like, shape (n,)
        EBITDA, or book assets, same money, > 0: what the multiple is taken of.
    volatility : array_like, shape (n,)
        Of the assets, de-levered, per annum, decimal.
    """

    asset_value: Any
    earnings: Any
    volatility: Any

    def __post_init__(self) -> None:
        for name, rule in (("asset_value", POSITIVE), ("earnings", POSITIVE), ("volatility", None)):
            try:
                object.__setattr__(self, name, check(name, getattr(self, name), rule).ravel())
            except InputError as error:
                raise type(error)(f"peers' {name}", error.rule, error.value) from None
        sizes = {self.asset_value.size, self.earnings.size, self.volatility.size}
        if len(sizes) > 1:
            raise InputError(
                "peers", "must have an asset value, earnings and a volatility each", sorted(sizes)
            )
        if self.asset_value.size < MIN_PEERS:
            raise InputError(
                "peers", Phrase("must be {min_peers} or more", min_peers=MIN_PEERS), self.asset_value.size
            )


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PrivateFirm(Shown):
    """A firm as its peers see it; arrays of one shape.

    Attributes
    ----------
    asset_value, default_point : ndarray
        Money.
    volatility : ndarray
        Per annum.
    distance : ndarray
        To default, by the convention asked for.
    distance_error : ndarray
        Its standard error: how far peers lie apart, by the delta method.
    pd, low, high : ndarray
        Default probability and the ends of the interval that holds it with probability `level`.
    multiple : float
        Median of asset value over earnings of the peers.
    multiple_spread, volatility_spread : float
        Standard error of ln(asset value) and of ln(volatility) of one firm.
    size_slope : float
        Change of ln(volatility) per unit of ln(asset value); 0 where peers are too few to tell.
    peers : int
    level : float
    shared : float
        Share of the variance of the distance that is the same error for all firms of these peers: that of
        their medians, pi/2 over their number, against that of one firm around the median.
    """

    asset_value: Array
    default_point: Array
    volatility: Array
    distance: Array
    distance_error: Array
    pd: Array
    low: Array
    high: Array
    multiple: float
    multiple_spread: float
    volatility_spread: float
    size_slope: float
    peers: int
    level: float
    shared: float


def private_firm(
    earnings: Any,
    short_term: Any,
    long_term: Any,
    peers: Peers,
    horizon: Any = 1.0,
    drift: Any = 0.0,
    weight: Any = 0.5,
    convention: str = "log",
    mapping: tuple[Sequence[float], Sequence[float]] | None = None,
    level: float = 0.9,
) -> PrivateFirm:
    """Distance to default and PD of firms without a price, from their peers.

    * asset value: earnings times the median multiple of the peers;
    * asset volatility: the median of the peers; from 8 peers on, ln sigma = a + b ln V with the median of
      all slopes between two peers (Theil-Sen), V no further than the smallest and the largest peer;
    * default point: short-term debt and `weight` of the long-term debt;
    * medians are of logs: of an even number of peers the geometric mean of the two in the middle;
    * range: both spreads are those of one firm around the median, by the median absolute deviation and
      the Student distribution of as many peers.

    Parameters
    ----------
    earnings : array_like
        EBITDA, or book assets where the peers give these, money, > 0.
    short_term, long_term : array_like
        Debt due within a year and later, same money, >= 0; not both 0.
    peers : Peers
    horizon : array_like
        T, years.
    drift : array_like
        Growth mu of the assets per annum, decimal; the linear distance does not use it.
    weight : array_like
        Share of the long-term debt that counts, 0 to 1.
    convention : {"log", "linear"}
        Distance in logs at the horizon, or Crosbie and Bohn's (V - DP)/(V sigma) over one year.
    mapping : pair of sequences, optional
        Distances and PDs of the user's own EDF map (:func:`xlkmv.model.calibration.edf`), made for
        that convention. Without it the PD is N(-DD).
    level : float
        Probability that the range holds, > 0 and < 1.

    Returns
    -------
    PrivateFirm
        Arrays of the shape of the inputs broadcast together.

    Raises
    ------
    InputError, DomainError
        When an input breaks its rule.
    """
    if convention not in DISTANCES:
        raise InputError(
            "convention", Phrase("must be one of {options}", options=", ".join(DISTANCES)), convention
        )
    amount = check("earnings", earnings, POSITIVE)
    DP = check("default_point", default_point(short_term, long_term, weight))
    T, mu = check("horizon", horizon), check("drift", drift)
    confidence = check_number("level", level)
    count = peers.asset_value.size
    ln_multiple = np.log(peers.asset_value / peers.earnings)
    multiple, spread = _median_and_spread(ln_multiple)
    ln_size, ln_sigma = np.log(peers.asset_value), np.log(peers.volatility)
    slope = _theil_sen(ln_size, ln_sigma) if count >= MIN_PEERS_FOR_SIZE else 0.0
    centre = float(np.median(ln_size))
    middle, sigma_spread = _median_and_spread(ln_sigma - slope * (ln_size - centre))

    V = amount * np.exp(multiple)
    within = np.clip(np.log(V), ln_size.min(), ln_size.max())
    sigma = np.exp(middle + slope * (within - centre))
    V, DP, sigma, T, mu = np.broadcast_arrays(V, DP, sigma, T, mu)
    # Elasticities of the distance in V and in sigma.
    if convention == "log":
        distance = distance_to_default(V, DP, sigma, T, mu)
        s = sigma * np.sqrt(T)
        by_value, by_sigma = 1.0 / s, -(distance + s)
    else:
        distance = linear_distance_to_default(V, DP, sigma)
        by_value, by_sigma = DP / (V * sigma), -distance
    error = np.hypot(by_value * spread, by_sigma * sigma_spread)
    reach = float(stdtrit(count - 1, 0.5 * (1.0 + confidence))) * error

    def probability(dd: Array) -> Array:
        return np.asarray(ndtr(-dd)) if mapping is None else edf(dd, *mapping)

    return PrivateFirm(
        asset_value=V,
        default_point=DP,
        volatility=sigma,
        distance=distance,
        distance_error=error,
        pd=probability(distance),
        low=probability(distance + reach),
        high=probability(distance - reach),
        multiple=float(np.exp(multiple)),
        multiple_spread=spread,
        volatility_spread=sigma_spread,
        size_slope=slope,
        peers=count,
        level=confidence,
        shared=float(_MEDIAN_VARIANCE / (count + _MEDIAN_VARIANCE)),
    )


def _median_and_spread(x: Array) -> tuple[float, float]:
    """Median, and the standard error of one more value around it: its own spread and the median's."""
    middle = float(np.median(x))
    deviation = float(np.median(np.abs(x - middle))) / _MAD
    return middle, deviation * float(np.sqrt(1.0 + _MEDIAN_VARIANCE / x.size))


def _theil_sen(x: Array, y: Array) -> float:
    """Median of the slopes between every two points that differ in x; 0 where none do."""
    i, j = np.triu_indices(x.size, 1)
    apart = x[i] != x[j]
    return float(np.median((y[j] - y[i])[apart] / (x[j] - x[i])[apart])) if apart.any() else 0.0
