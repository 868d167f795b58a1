"""How a figure is written, wherever words show it: the terminal, the memo, sentences of the sheets."""

from __future__ import annotations

import math

from xlkmv.phrase import Phrase

__all__ = [
    "LEAST",
    "TWO_DECIMALS",
    "change",
    "coupon",
    "distance",
    "figure",
    "points",
    "probability",
    "rounded_up",
]

# Below this no model can tell.
LEAST = 1e-10
# From here on a percentage of two decimals has two digits.
TWO_DECIMALS = 1e-3
# Nor beyond this many standard deviations.
FARTHEST = 100.0


def probability(p: float, simulated: bool = False) -> str:
    """Write a probability as a banker reads it: as a percentage, whatever its size.

    Two decimals and two digits at least: 0.013 %, not 0.01 %. Below 0.0001 % a power of ten, of per cent as
    well, so that all figures of a column have one unit.

    Parameters
    ----------
    p : float
    simulated : bool
        Whether 0 is a share of paths: that none was seen does not mean never.

    Returns
    -------
    str
    """
    if simulated and p == 0.0:
        return Phrase("none seen")
    if p < LEAST:
        return f"< {100.0 * LEAST:.0E}%"
    # As a sheet rounds: 48.635 % up, though its binary fraction lies below.
    return f"{points(p):{'.2f' if p >= TWO_DECIMALS else '#.2G'}}%"


def coupon(rate: float, base: str = "", margin: float = 0.0) -> str:
    """Write a coupon: of a floating one the curve and the margin over it.

    Parameters
    ----------
    rate : float
        Per annum, of a fixed one.
    base : str
        Curve of a floating one.
    margin : float
        Per annum.

    Returns
    -------
    str
    """
    if not base:
        return f"{rate:.2%}"
    return f"{base} {'-' if margin < 0.0 else '+'} {abs(margin):.2%}"


def change(x: float) -> str:
    """Write a change of a probability as :func:`probability` writes these, with its sign.

    Parameters
    ----------
    x : float

    Returns
    -------
    str
        In percentage points: "+0.014%", "-3.1E-07%".
    """
    size = abs(x)
    return "0" if size < LEAST else ("-" if x < 0.0 else "+") + probability(size)


def figure(x: float, shown: str) -> str:
    """Write a number as a sheet rounds it: half up, by the fifteen digits that it keeps.

    Parameters
    ----------
    x : float
    shown : str
        Python's format, such as ".2f".

    Returns
    -------
    str
    """
    return format(_as_kept(x), shown)


def distance(x: float) -> str:
    """Write a distance to default; beyond a hundred standard deviations nobody can tell.

    Parameters
    ----------
    x : float
        Finite.

    Returns
    -------
    str
    """
    return "> 100" if x > FARTHEST else figure(x, ".2f")


def rounded_up(p: float) -> str:
    """Write a bound in two digits, never below it.

    Parameters
    ----------
    p : float
        Above 0.

    Returns
    -------
    str
    """
    step = 10.0 ** (math.floor(math.log10(p)) - 1)
    return probability(float(f"{math.ceil(p / step - 1e-9) * step:.1E}"))


def points(change: float) -> float:
    """Change of a probability in percentage points, to be rounded as a sheet does: 35.505 up.

    Parameters
    ----------
    change : float

    Returns
    -------
    float
    """
    return _as_kept(100.0 * change)


def _as_kept(x: float) -> float:
    """Move a number that is half way by its first fifteen digits, which a sheet keeps, past the half."""
    return x * (1.0 + 1e-14)
