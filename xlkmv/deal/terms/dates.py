"""Day counts, and the dates of a plan that pays at regular intervals."""

from __future__ import annotations

import calendar
import contextlib
import datetime as dt
from typing import Any

import numpy as np

from xlkmv.errors import InputError
from xlkmv.phrase import Phrase

__all__ = ["DAY_COUNTS", "INTERVALS", "Day", "as_date", "months_after", "payment_dates", "year_fraction"]

Day = dt.date | str | np.datetime64
"""A date as it comes."""

DAY_COUNTS = ("30/360", "Act/365", "Act/360")
# Months between two payments.
INTERVALS = {"month": 1, "2 months": 2, "quarter": 3, "half-year": 6, "year": 12}


def as_date(name: str, value: Any) -> dt.date:
    """Take a date as it comes: a date, a time stamp of midnight (pandas, numpy) or an ISO text.

    Parameters
    ----------
    name : str
        What it is, for the error.
    value : date, datetime, numpy.datetime64 or str

    Returns
    -------
    date

    Raises
    ------
    InputError
        When it is none of them.
    """
    found = value
    if isinstance(found, np.datetime64):
        found = found.astype("datetime64[us]").item()
    if isinstance(found, str):
        with contextlib.suppress(ValueError):
            found = dt.datetime.fromisoformat(found.strip())
    if isinstance(found, dt.datetime):
        # Of pandas' NaT, which is one, nothing is a date.
        found = found.date() if found == found and found.time() == dt.time() else None
    if not isinstance(found, dt.date):
        raise InputError(name, "must be a date, such as 2025-01-15", value)
    return found


def year_fraction(start: dt.date, end: dt.date, day_count: str = "30/360") -> float:
    """Years between two dates.

    Parameters
    ----------
    start, end : date
    day_count : {"30/360", "Act/365", "Act/360"}
        Months of 30 days in a year of 360 (30E/360, ISDA 2006 section 4.16(g)), or actual
        days over 365 or 360.

    Returns
    -------
    float

    Raises
    ------
    InputError
        When the day count is unknown.
    """
    if day_count not in DAY_COUNTS:
        raise InputError(
            "day_count", Phrase("must be one of: {options}", options=", ".join(DAY_COUNTS)), day_count
        )
    if day_count != "30/360":
        return (end - start).days / float(day_count[-3:])
    days = min(end.day, 30) - min(start.day, 30)
    return (end.year - start.year) + (end.month - start.month) / 12.0 + days / 360.0


def months_after(start: dt.date, months: int, day: int | None = None) -> dt.date:
    """Same day some months later, or the last day of a month that is too short.

    Parameters
    ----------
    start : date
    months : int
    day : int, optional
        Day of the month to aim at; that of `start` when left out.

    Returns
    -------
    date

    Raises
    ------
    InputError
        When the date lies after the year 9999.
    """
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise InputError("payment dates", "must lie before the year 10000", f"{months} months after {start}")
    last = calendar.monthrange(year, month + 1)[1]
    return dt.date(year, month + 1, min(day or start.day, last))


def payment_dates(closing: Day, every: str, count: int, first: Day | None = None) -> tuple[dt.date, ...]:
    """Payment dates at equal intervals.

    Parameters
    ----------
    closing : date, or what :func:`as_date` takes for one
    every : str
        A key of :data:`INTERVALS`.
    count : int
        How many, from 1 on.
    first : the same, optional
        The first of them; one interval after closing when left out. A first date at the end of
        its month keeps the others there.

    Returns
    -------
    tuple of date

    Raises
    ------
    InputError
        When `every` is unknown, `count` is below 1 or the first date is not after closing.
    """
    if every not in INTERVALS:
        raise InputError(
            "payment every", Phrase("must be one of: {options}", options=", ".join(INTERVALS)), every
        )
    if not isinstance(count, (int, np.integer)) or count < 1:
        raise InputError("payment dates", "must be a whole number from 1 on", count)
    closing = as_date("closing date", closing)
    first = None if first is None else as_date("first payment date", first)
    step = INTERVALS[every]
    start = first or months_after(closing, step)
    if start <= closing:
        raise InputError(
            "first payment date", Phrase("must be after the closing date ({closing})", closing=closing), start
        )
    anchor = first or closing
    month_end = anchor.day == calendar.monthrange(anchor.year, anchor.month)[1]
    day = 31 if month_end else anchor.day
    return tuple(months_after(start, step * k, day) for k in range(count))
