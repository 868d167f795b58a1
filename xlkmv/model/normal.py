"""The standard normal density, alone and over its distribution; N itself is scipy.special.ndtr."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import erfcx

from xlkmv.model.domain import Array

__all__ = ["density", "inverse_mills"]

_SQRT_HALF = np.sqrt(0.5)
_SQRT_2PI = np.sqrt(2 * np.pi)
_SQRT_2_OVER_PI = np.sqrt(2 / np.pi)


def density(z: npt.ArrayLike) -> Array:
    """Standard normal density, n(z) = exp(-z^2/2)/sqrt(2 pi).

    Parameters
    ----------
    z : array_like

    Returns
    -------
    ndarray
        Of the shape of `z`.
    """
    x = np.asarray(z)
    return np.asarray(np.exp(-0.5 * x * x) / _SQRT_2PI)


def inverse_mills(z: npt.ArrayLike) -> Array:
    """Quotient n(z)/N(z), which tends to 0 above and to -z below.

    n(z)/N(z) = sqrt(2/pi)/erfcx(-z/sqrt 2): density and distribution underflow far below, their
    quotient does not.

    Parameters
    ----------
    z : array_like

    Returns
    -------
    ndarray
        Of the shape of `z`.
    """
    return np.asarray(_SQRT_2_OVER_PI / erfcx(-np.asarray(z) * _SQRT_HALF))
