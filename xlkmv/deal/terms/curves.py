"""Rates and grades that others refer to by name: base curves, rating scale."""

from __future__ import annotations

import datetime as dt
import itertools
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xlkmv.deal.terms.dates import as_date
from xlkmv.deal.terms.faults import Fault, column_faults, raise_first
from xlkmv.errors import InputError
from xlkmv.kinds import check_kind, check_kinds
from xlkmv.model.domain import Array
from xlkmv.phrase import Phrase
from xlkmv.shown import Shown

__all__ = ["Curve", "curve_faults", "graded", "scale_faults"]


@dataclass(frozen=True, slots=True, repr=False)
class Curve(Shown):
    """A base rate by date: each rate is in force from its date until the next one.

    Attributes
    ----------
    name : str
    dates : tuple of date
        Increasing.
    rates : tuple of float
        Per annum, one per date. The first holds before its date, the last for good.
    """

    name: str
    dates: tuple[dt.date, ...]
    rates: tuple[float, ...]

    def __post_init__(self) -> None:
        check_kinds("curve", self)
        days = (as_date(f"curve '{self.name}' date", day) for day in self.dates)
        object.__setattr__(self, "dates", tuple(days))
        object.__setattr__(self, "rates", tuple(float(r) for r in self.rates))
        if len(self.dates) != len(self.rates):
            raise InputError(
                f"curve '{self.name}'", "must have one rate per date", f"{len(self.rates)} rates"
            )
        rows = [(self.name, d, r) for d, r in zip(self.dates, self.rates, strict=True)]
        raise_first(curve_faults(rows, settled=True))

    def at(self, dates: Sequence[dt.date]) -> Array:
        """Rate in force on each date, shape (len(dates),).

        Raises
        ------
        InputError
            When they are not a list of dates.
        """
        check_kind("dates", Sequence[dt.date], dates)
        days = [as_date("dates", day) for day in dates]
        places = [max(bisect_right(self.dates, day) - 1, 0) for day in days]
        return np.array([self.rates[p] for p in places])


def curve_faults(rows: Sequence[tuple[Any, dt.date | None, Any]], settled: bool = False) -> Iterator[Fault]:
    """Yield everything that is wrong with rows of (curve, date, rate); dates increase curve by curve."""
    if not rows:
        yield Fault("curve", None, "date", None, "a curve needs at least one date")
    yield from column_faults(
        "curve", "curve_rate", [np.nan if r is None else r for _, _, r in rows], "rate", settled
    )
    last: dict[Any, dt.date] = {}
    for row, (name, date, _) in enumerate(rows):
        if date is None:
            continue
        if name in last and date <= last[name]:
            yield Fault(
                "curve",
                row,
                "date",
                date,
                Phrase("dates of a curve must increase ({date} comes before it)", date=last[name]),
            )
        last[name] = date


def scale_faults(rows: Sequence[tuple[str | None, float]], settled: bool = False) -> Iterator[Fault]:
    """Yield everything that is wrong with a rating scale, rows of (grade, PD), best grade first."""
    yield from column_faults("scale", "pd", [pd for _, pd in rows], settled=settled)
    seen: set[str] = set()
    for row, (grade, _) in enumerate(rows):
        if grade is not None and grade.casefold() in seen:
            yield Fault("scale", row, "grade", grade, "is there twice: every grade needs one PD")
        seen.add((grade or "").casefold())
    pds = [pd for _, pd in rows]
    for row, (before, after) in enumerate(itertools.pairwise(pds), 1):
        if after < before:
            yield Fault(
                "scale",
                row,
                "pd",
                after,
                Phrase("must not be below the PD of the better grade above ({before:g})", before=before),
            )


def graded(ratings: Sequence[str], scale: Sequence[tuple[str, float]]) -> Array:
    """One-year PD of each rating by the user's scale.

    Parameters
    ----------
    ratings : sequence of str
        Upper and lower case mean the same.
    scale : sequence of (str, float)
        Grade and PD, best grade first.

    Returns
    -------
    ndarray, shape (len(ratings),)

    Raises
    ------
    InputError, DomainError
        When the scale breaks a rule, or a rating is not on it.
    """
    rows = scale if isinstance(scale, (tuple, list)) else ()
    if not rows or not all(isinstance(row, (tuple, list)) and len(row) == 2 for row in rows):
        raise InputError("scale", "must be a list of grades, each with its PD", scale)
    raise_first(scale_faults(scale, settled=True))
    known = {grade.casefold(): pd for grade, pd in scale}
    for rating in ratings:
        if rating.casefold() not in known:
            raise InputError(
                "rating",
                Phrase("must be a grade of the scale: {options}", options=", ".join((g for g, _ in scale))),
                rating,
            )
    return np.array([known[r.casefold()] for r in ratings])
