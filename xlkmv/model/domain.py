"""What each argument of the model may be: one rule per name, checked at every door.

The same table serves the Python functions (which raise) and the worksheet functions
(which turn each offending cell into an error and compute the others).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from xlkmv.errors import DomainError, InputError

__all__ = ["RULES", "Array", "Rule", "check", "check_all", "check_number", "numbers"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rule:
    """An interval that a finite number must lie in, and the sentence that says so.

    Attributes
    ----------
    text : str
        The rule, as the end of a sentence: ``"must be > 0"``.
    low, high : float
        Ends of the interval.
    low_open, high_open : bool
        Whether an end is no part of it.
    """

    text: str
    low: float = -np.inf
    high: float = np.inf
    low_open: bool = False
    high_open: bool = False

    def holds(self, x: Array | float) -> npt.NDArray[np.bool_]:
        """Tell, element by element, whether the rule holds; false for NaN and infinities.

        Parameters
        ----------
        x : ndarray or float

        Returns
        -------
        ndarray of bool
            Of the shape of `x`.
        """
        above = x > self.low if self.low_open else x >= self.low
        below = x < self.high if self.high_open else x <= self.high
        return np.asarray(above & below & np.isfinite(x))

    def holds_all(self, x: Array) -> bool:
        """Tell whether the rule holds everywhere, in two passes and without a temporary.

        Parameters
        ----------
        x : ndarray

        Returns
        -------
        bool
            True where there is nothing to break it.
        """
        if x.size == 0:
            return True
        # NaN spreads through min and max, and every comparison with it is false.
        extremes = np.array([x.min(), x.max()])
        return bool(self.holds(extremes).all())


FINITE = Rule("must be a finite number")
POSITIVE = Rule("must be > 0", low=0.0, low_open=True)
NOT_NEGATIVE = Rule("must be >= 0", low=0.0)
PROBABILITY = Rule("must be between 0 and 1 (a decimal: 0.02 means 2 %)", low=0.0, high=1.0)
INSIDE_PROBABILITY = Rule(
    "must be > 0 and < 1 (a decimal: 0.02 means 2 %)", 0.0, 1.0, low_open=True, high_open=True
)
ASSET_CORRELATION = Rule("must be >= 0 and < 1 (a decimal: 0.2 means 20 %)", 0.0, 1.0, high_open=True)
SIGNED_RATE = Rule("must be between -1 and 1 (a decimal: 0.05 means 5 %)", low=-1.0, high=1.0)

RULES: dict[str, Rule] = {
    "asset_value": POSITIVE,
    "default_point": POSITIVE,
    "equity": POSITIVE,
    "debt": POSITIVE,
    "short_term": NOT_NEGATIVE,
    "long_term": NOT_NEGATIVE,
    "weight": Rule("must be between 0 and 1", low=0.0, high=1.0),
    "volatility": Rule("must be > 0 and <= 5 (a decimal: 0.25 means 25 %)", low=0.0, high=5.0, low_open=True),
    # Equity of a firm deep under water really is this volatile; a percentage typed as a
    # whole number is caught by this bound or by the asset volatility that it implies.
    "equity_volatility": Rule(
        "must be > 0 and < 20 (a decimal: 0.25 means 25 %)", 0.0, 20.0, low_open=True, high_open=True
    ),
    "horizon": Rule("must be > 0 and <= 100 (years)", low=0.0, high=100.0, low_open=True),
    "horizons": Rule("must be > 0 and <= 100 (years)", low=0.0, high=100.0, low_open=True),
    "drift": SIGNED_RATE,
    "rate": SIGNED_RATE,
    "periods_per_year": Rule("must be > 0 and <= 366", low=0.0, high=366.0, low_open=True),
    "collections": NOT_NEGATIVE,
    "dues": NOT_NEGATIVE,
    "pd": PROBABILITY,
    "pds": PROBABILITY,
    "support_pd": PROBABILITY,
    "target_pd": INSIDE_PROBABILITY,
    "level": INSIDE_PROBABILITY,
    "levels": INSIDE_PROBABILITY,
    "correlation": Rule("must be between -1 and 1", low=-1.0, high=1.0),
    "lgd": PROBABILITY,
    "recovery": PROBABILITY,
    "attach": PROBABILITY,
    "detach": PROBABILITY,
}


def numbers(name: str, value: Any) -> Array:
    """Turn what a caller passed into a float array.

    Parameters
    ----------
    name : str
        Of the argument.
    value : array_like
        What the caller passed.

    Returns
    -------
    ndarray
        `value` itself where it is a float array already.

    Raises
    ------
    InputError
        When it is no number.
    """
    try:
        if value is None or isinstance(value, (bool, np.bool_)):  # numpy makes NaN, 1 and 0 of them
            raise TypeError
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise InputError(name, "must be a number", value) from None


def check(name: str, value: Any, rule: Rule | None = None) -> Array:
    """Return `value` as a float array once every element obeys the rule of its name.

    Parameters
    ----------
    name : str
        Argument name; also the key into :data:`RULES` when `rule` is not given.
    value : array_like
        What the caller passed.
    rule : Rule, optional
        Overrides the rule of the name.

    Returns
    -------
    ndarray
        Of the shape of `value`.

    Raises
    ------
    InputError
        When `value` is not numeric.
    DomainError
        When an element breaks the rule; the message shows the first one.
    """
    x = numbers(name, value)
    rule = rule or RULES[name]
    if not rule.holds_all(x):
        raise DomainError(name, rule.text, x[~rule.holds(x)].flat[0].item() if x.ndim else x.item())
    return x


def check_number(name: str, value: Any, rule: Rule | None = None) -> float:
    """Return one number once it obeys the rule of its name.

    Parameters
    ----------
    name, value, rule
        As in :func:`check`; `value` is one number.

    Returns
    -------
    float

    Raises
    ------
    InputError, DomainError
        When it is not one number, or breaks the rule.
    """
    x = check(name, value, rule)
    if x.ndim:
        raise InputError(name, "must be one number", value)
    return float(x)


def check_all(names: str, *values: Any) -> tuple[Array, ...]:
    """Check each value by the rule of its name, as :func:`check` does.

    Parameters
    ----------
    names : str
        Separated by spaces.
    *values : array_like
        One for each name.

    Returns
    -------
    tuple of ndarray

    Raises
    ------
    InputError, DomainError
        For the first that is no number or breaks its rule.
    """
    return tuple(check(name, value) for name, value in zip(names.split(), values, strict=True))
