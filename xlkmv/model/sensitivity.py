"""What the distance to default and the default probability owe to each input: first derivatives.

Of the log distance DD = [ln(V/DP) + (mu - sigma^2/2) T]/(sigma sqrt T) and of its terminal
probability PD = N(-DD), whose derivatives are -n(DD) times those of DD.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from xlkmv.model.distance import log_distance, log_ratio
from xlkmv.model.domain import Array, check_all
from xlkmv.model.normal import density
from xlkmv.shown import Shown

__all__ = ["Sensitivities", "distance_sensitivities", "probability_sensitivities"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Sensitivities(Shown):
    """Change of a result per unit of each input, all of the broadcast shape.

    Attributes
    ----------
    asset_value, default_point : ndarray
        Per unit of money.
    volatility, drift : ndarray
        Per 1.00 of annual volatility or drift; times 0.01 for a percentage point.
    horizon : ndarray
        Per year.
    """

    asset_value: Array
    default_point: Array
    volatility: Array
    horizon: Array
    drift: Array


def distance_sensitivities(
    asset_value: Any, default_point: Any, volatility: Any, horizon: Any = 1.0, drift: Any = 0.0
) -> Sensitivities:
    """Derivatives of the log distance to default.

    dDD/dV = 1/(V s),  dDD/dDP = -1/(DP s),  dDD/dmu = sqrt(T)/sigma,
    dDD/dsigma = -DD/sigma - sqrt(T),
    dDD/dT = [(mu - sigma^2/2) T - ln(V/DP)]/(2 s T),  with s = sigma sqrt(T).

    Parameters
    ----------
    asset_value, default_point : array_like
        V and DP, money.
    volatility, drift : array_like
        sigma and mu, per annum, decimals.
    horizon : array_like
        T, years.

    Returns
    -------
    Sensitivities

    Raises
    ------
    DomainError
        When an input breaks the rule of its name.
    """
    return _derivatives(asset_value, default_point, volatility, horizon, drift)[1]


def probability_sensitivities(
    asset_value: Any, default_point: Any, volatility: Any, horizon: Any = 1.0, drift: Any = 0.0
) -> Sensitivities:
    """Derivatives of the terminal default probability, -n(DD) times those of DD.

    Parameters
    ----------
    asset_value, default_point, volatility, horizon, drift : array_like
        As in :func:`distance_sensitivities`.

    Returns
    -------
    Sensitivities

    Raises
    ------
    DomainError
        When an input breaks the rule of its name.
    """
    dd, of_distance = _derivatives(asset_value, default_point, volatility, horizon, drift)
    factor = -density(dd)
    return Sensitivities(*(factor * getattr(of_distance, f.name) for f in fields(Sensitivities)))


def _derivatives(
    asset_value: Any, default_point: Any, volatility: Any, horizon: Any, drift: Any
) -> tuple[Array, Sensitivities]:
    names = "asset_value default_point volatility horizon drift"
    args = check_all(names, asset_value, default_point, volatility, horizon, drift)
    V, DP, sigma, T, mu = np.broadcast_arrays(*args)
    root_T = np.sqrt(T)
    s = sigma * root_T
    leverage = log_ratio(V, DP)
    growth = (mu - 0.5 * sigma * sigma) * T
    dd = log_distance(leverage, sigma, T, mu)
    return dd, Sensitivities(
        asset_value=1.0 / (V * s),
        default_point=-1.0 / (DP * s),
        volatility=-dd / sigma - root_T,
        horizon=(growth - leverage) / (2.0 * s * T),
        drift=root_T / sigma,
    )
