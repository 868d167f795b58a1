"""One wrong figure of a deal, and the rules that every figure goes through.

Each class of this room has a ``faults`` function beside it that lists everything that is
wrong at once; the class itself raises on the first fault. A reader of tables marks a cell
that it has reported by None or NaN and the functions pass over it; in `settled` data, which
nobody has looked at before, it is a fault like any other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xlkmv.errors import DomainError, InputError
from xlkmv.model.domain import (
    ASSET_CORRELATION,
    NOT_NEGATIVE,
    POSITIVE,
    PROBABILITY,
    RULES,
    SIGNED_RATE,
    Rule,
    numbers,
)
from xlkmv.model.pledge import PLEDGE_RULES
from xlkmv.phrase import Phrase

__all__ = ["COLUMN_RULES", "TOLERANCE", "Fault", "column_faults", "raise_first", "twice"]

# A payment is missed when more than this share of the tranche's amount is not paid.
TOLERANCE = 1e-9

# Obligors are simulated one by one.
MOST_OBLIGORS = 100_000
# A default within the year is never sure: PD 1 would leave no time at which it happens.
OBLIGOR_PD = Rule("must be >= 0 and < 1 (a decimal: 0.02 means 2 %)", 0.0, 1.0, high_open=True)
INTEREST = Rule("must be between 0 and 1 (a decimal: 0.04 means 4 %)", low=0.0, high=1.0)
FEE = Rule("must be between 0 and 1 (a decimal: 0.002 means 0.2 %)", low=0.0, high=1.0)
MONTHS = Rule("must be a whole number of months from 1 to 1200", low=1.0, high=1200.0)

# What each numeric column of the deal may hold; every number goes through this table.
COLUMN_RULES: dict[str, Rule] = {
    # claims
    "amount": POSITIVE,
    "count": Rule("must be a whole number of obligors from 1 to 100,000", low=1.0, high=float(MOST_OBLIGORS)),
    "pd": OBLIGOR_PD,
    "recovery": PROBABILITY,
    "lag": Rule("must be between 0 and 30 (years)", low=0.0, high=30.0),
    "spread": Rule("must be >= 0 and < 0.5 (a decimal: 0.2 means 20 %)", 0.0, 0.5, high_open=True),
    "pledge": NOT_NEGATIVE,
    "pledge_volatility": PLEDGE_RULES["volatility"],
    "pledge_growth": SIGNED_RATE,
    "sale_discount": PLEDGE_RULES["discount"],
    "tie": RULES["correlation"],
    "correlation": ASSET_CORRELATION,
    "schedule": NOT_NEGATIVE,
    "loan_rate": INTEREST,
    "loan_margin": SIGNED_RATE,
    "term": MONTHS,
    "interest_only": Rule("must be a whole number of months from 0 to 1200", low=0.0, high=1200.0),
    "payments_per_year": Rule("must be 1, 2, 4, 6 or 12 (payments a year)", low=1.0, high=12.0),
    "age": Rule("must be a whole number of months from 0 to 1200", low=0.0, high=1200.0),
    # notes
    "rank": Rule("must be a whole number from 1 on", low=1.0, high=100.0),
    "coupon": INTEREST,
    "margin": SIGNED_RATE,
    "cap": INTEREST,
    "floor": INTEREST,
    # terms and controls
    "fee_rate": FEE,
    "volatility": RULES["volatility"],
    "drift": RULES["drift"],
    "support_correlation": ASSET_CORRELATION,
    "reserve_size": Rule("must be >= 0 (periods, money or a share of the pool)", low=0.0, high=1e15),
    "reserve_floor": Rule("must be between 0 and 1 (a share of the pool at closing)", low=0.0, high=1.0),
    "support_pd": PROBABILITY,
    "support_cap": Rule("must be >= 0 (money, or a share of the notes)", low=0.0, high=1e15),
    "repurchase_share": PROBABILITY,
    "unpledged_recovery": PROBABILITY,
    "threshold": Rule("must be a number", low=-1e12, high=1e12),
    "curve_rate": SIGNED_RATE,
    "class_rate": Rule(
        "must be > 0 and < 1 (a decimal: 0.02 means 2 %)", 0.0, 1.0, low_open=True, high_open=True
    ),
}
WHOLE = {"rank", "count", "term", "interest_only", "age", "payments_per_year"}


@dataclass(frozen=True, slots=True)
class Fault:
    """One wrong figure of a deal.

    Attributes
    ----------
    part : str
        "pool", "tranche", "terms", "control", "covenant", "curve", "scale", "class scale" or
        "scenario".
    row : int or None
        Position within the part, from 0; None for a fault of the part as a whole.
    column : str
        Field name; for a schedule the ISO date of the column.
    value : object
        What was given.
    rule : str
        What it must be.
    """

    part: str
    row: int | None
    column: str
    value: Any
    rule: str


def raise_first(faults: Iterable[Fault], names: Sequence[str] = ()) -> None:
    """Raise on the first fault, if there is one."""
    for f in faults:
        place = f"{f.part} " + (f"'{names[f.row]}' " if f.row is not None and f.row < len(names) else "")
        kind = DomainError if isinstance(f.value, (int, float)) else InputError
        raise kind(place + f.column.replace("_", " "), f.rule, f.value)


def column_faults(
    part: str, column: str, values: Iterable[Any], label: str | None = None, settled: bool = False
) -> Iterator[Fault]:
    """Yield a fault for each value that breaks the rule of its column; NaN only if `settled`."""
    x = numbers(f"{part} {column.replace('_', ' ')}", values)
    rule = COLUMN_RULES[column]
    wrong = ~rule.holds(x)
    if column in WHOLE:
        wrong |= x != np.floor(x)
    if not settled:
        wrong &= ~np.isnan(x)
    for row in np.flatnonzero(wrong).tolist():
        yield Fault(part, row, label or column, float(x[row]), rule.text)


def twice(part: str, names: Sequence[Any], what: str) -> Iterator[Fault]:
    """Yield a fault for each name that an earlier row has too."""
    if len(set(names)) == len(names):
        return
    seen: Counter[Any] = Counter()
    for row, name in enumerate(names):
        if seen[name]:
            yield Fault(
                part,
                row,
                "name",
                name,
                Phrase("is there twice: every {what} needs a name of its own", what=what),
            )
        seen[name] += 1
