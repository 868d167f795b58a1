"""Cells of a tape as figures: numbers, percentages, dates and words that people wrote in many ways.

Each different value of a column is looked at once, so that a long column costs little more than its
different values.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from xlkmv.functions.cells import ERROR_TEXTS
from xlkmv.tape.headings import fold, heading_date

__all__ = ["Cells", "Read", "as_dates", "as_numbers", "as_texts", "as_words", "day_first", "decimal_mark"]

Mask = npt.NDArray[np.bool_]

# What people write where there is nothing.
BLANKS = frozenset(("", "-", "--", "—", "——", "/", "n/a", "na", "nan", "null", "none", "nil", "无", "不适用"))


class Read(NamedTuple):
    """A column as figures, each of shape (rows,).

    Attributes
    ----------
    values : ndarray
        Numbers (NaN), dates (NaT), or objects (None); in brackets what stands for a blank or wrong cell.
    bad : ndarray of bool
        Cells that hold something else.
    mended : ndarray of bool
        Cells that are written in a way that had to be interpreted.
    percent : ndarray of bool
        Numbers with a percent sign; their values are decimals.
    multiple : ndarray of bool
        Numbers with a unit of their own, such as 万 or 元; their values are in ones.
    """

    values: npt.NDArray[Any]
    bad: Mask
    mended: Mask
    percent: Mask
    multiple: Mask


class Cells:
    """The cells of one column, and its different values.

    Parameters
    ----------
    cells : ndarray of object, shape (rows,)
        Text, float, date or None.
    """

    def __init__(self, cells: npt.NDArray[Any]) -> None:
        self.cells = cells
        self.places: npt.NDArray[np.intp]
        self.different: npt.NDArray[Any]
        self.places, self.different = pd.factorize(cells)

    @cached_property
    def plain(self) -> npt.NDArray[np.float64]:
        """Different values that are numbers, or read like one in Python; NaN for the others."""
        numbers = pd.to_numeric(pd.Series(self.different, dtype=object), errors="coerce").to_numpy(float)
        return np.where(np.isfinite(numbers), numbers, np.nan)

    @cached_property
    def parts(self) -> dict[int, _Parts]:
        """Those that show a number in another way, by their place."""
        found = ((k, _parts(self.different[k])) for k in np.flatnonzero(np.isnan(self.plain)).tolist())
        return {k: parts for k, parts in found if parts is not None}

    @cached_property
    def words(self) -> list[str | None]:
        """Different values as words, folded; None where there is nothing."""
        return [None if _is_blank(v) else fold(_shown(v)) for v in self.different]

    def spread(self, values: Iterable[Any], blank: Any, kind: Any) -> npt.NDArray[Any]:
        """Give every row the value of its cell; None is the last place, -1."""
        return np.array([*values, blank], dtype=kind)[self.places]

    def read(
        self, values: Iterable[Any], blank: Any, kind: Any, bad: Any, mended: Any = None, *more: Any
    ) -> Read:
        """Figures of all rows from those of the different values; `more`: percent signs, own units."""
        none = np.zeros(len(self.different), np.bool_)
        given = (bad, mended, *more, None, None)[:4]
        masks = (self.spread(none if m is None else m, False, np.bool_) for m in given)
        return Read(self.spread(values, blank, kind), *masks)


def _is_blank(value: Any) -> bool:
    return isinstance(value, str) and value.casefold() in BLANKS


# --------------------------------------------------------------------------------------- numbers

_MINUS = str.maketrans({"−": "-", "–": "-", "’": "'", "`": "'"})
_MONEY_SIGNS = re.compile(r"人民币|rmb|cny|usd|eur|gbp|hkd|jpy|chf|[¥$€£元圆]")
_IN_ONES = re.compile(r"[\d.]\s*[元圆]")
_MULTIPLES = {None: 1.0, "万": 1e4, "百万": 1e6, "亿": 1e8}
_NUMBER = re.compile(r"([-+]?)\s*(\d[\d.,' ]*|[.,]\d+)(e[-+]?\d{1,3})?\s*(万|百万|亿)?\s*(%?)\s*(-?)")
_SPACED = re.compile(r"\d{1,3}(?:[ ']\d{3})+([.,]\d+)?")
# Groups of three digits, or of two and three as in India.
_GROUPED = {
    mark: re.compile(rf"[1-9]\d{{0,2}}(?:{re.escape(mark)}\d{{2,3}})*{re.escape(mark)}\d{{3}}")
    for mark in ",."
}


class _Parts(NamedTuple):
    """A text that shows one number."""

    digits: str  # with their separators
    factor: float  # sign and multiple
    exponent: str
    percent: bool
    multiple: bool  # whether it names its unit: 万, or 元 behind the number


def _parts(value: Any) -> _Parts | None:
    """Take a text apart; None when it shows no number."""
    if not isinstance(value, str):
        return None
    text = value if value.isascii() else unicodedata.normalize("NFKC", value).translate(_MINUS)
    ones = _IN_ONES.search(text) is not None
    text = _MONEY_SIGNS.sub("", text.casefold()).strip()
    sign = 1.0
    if text.startswith("(") and text.endswith(")"):  # as accountants write what is negative
        sign, text = -1.0, text[1:-1]
    found = _NUMBER.fullmatch(text.strip())
    if found is None:
        return None
    minus, digits, exponent, multiple, percent, minus_behind = found.groups()
    if "-" in (minus, minus_behind):
        sign = -sign
    digits = digits.strip()
    if " " in digits or "'" in digits:
        if _SPACED.fullmatch(digits) is None:
            return None
        digits = re.sub(r"[ ']", "", digits)
    own = ones or multiple is not None
    return _Parts(digits, sign * _MULTIPLES[multiple], exponent or "", bool(percent), own)


def _mark_of(digits: str) -> str | None:
    """Decimal mark that digits prove; None when they fit both."""
    last = max(digits.rfind("."), digits.rfind(","))
    if last < 0:
        return None
    mark = digits[last]
    other = "," if mark == "." else "."
    if other in digits:
        return mark
    if digits.count(mark) > 1:
        return other
    return None if _GROUPED[mark].fullmatch(digits) else mark


def _value(parts: _Parts, mark: str) -> float:
    """Value of a number with a decimal mark; NaN when the other mark does not make groups of digits."""
    whole, _, fraction = parts.digits.partition(mark)
    other = "," if mark == "." else "."
    if other in whole and _GROUPED[other].fullmatch(whole):
        whole = whole.replace(other, "")
    try:
        return float(f"{whole}.{fraction}{parts.exponent}") * parts.factor
    except ValueError:
        return np.nan


def decimal_mark(columns: Iterable[Cells]) -> tuple[str, str] | str:
    """Find the decimal mark of a tape, by the numbers that can be read in one way only.

    Parameters
    ----------
    columns : iterable of Cells
        All columns that should hold numbers.

    Returns
    -------
    str or tuple of str
        ``"."`` or ``","``; two texts that contradict each other when there is no single mark.
    """
    proofs: dict[str, str] = {}
    points: list[str] = []
    for cells in columns:
        for place, parts in cells.parts.items():
            mark = _mark_of(parts.digits)
            if mark is not None:
                proofs.setdefault(mark, cells.different[place])
        plain = cells.different[~np.isnan(cells.plain)]
        points += [value for value in plain if isinstance(value, str) and "." in value]
    if "," in proofs:
        # Among numbers with a comma, "1.234" may be a thousand; what else has a point is a decimal.
        proof = next((text for text in points if _mark_of(text.lstrip("+-")) == "."), None)
        if proof is not None:
            proofs.setdefault(".", proof)
    return (proofs["."], proofs[","]) if len(proofs) == 2 else next(iter(proofs), ".")


def as_numbers(cells: Cells, mark: str = ".") -> Read:
    """Read a column of numbers.

    Parameters
    ----------
    cells : Cells
    mark : {".", ","}
        Decimal mark.

    Returns
    -------
    Read
        Separators of thousands, currency signs, brackets and trailing signs of negative numbers,
        full-width digits, percent signs and 万 (10,000) are understood, and marked as mended.
    """
    values = cells.plain.copy()
    parts = cells.parts
    if mark == ",":  # what looks like a decimal point separates thousands
        odd = [k for k, value in enumerate(cells.different) if isinstance(value, str) and "." in value]
        parts = parts | {k: found for k in odd if (found := _parts(cells.different[k])) is not None}
    mended, percent, multiple = np.zeros((3, len(values)), np.bool_)
    for k, found in parts.items():
        values[k] = _value(found, mark) / (100.0 if found.percent else 1.0)
        percent[k], mended[k], multiple[k] = found.percent, True, found.multiple
    values[~np.isfinite(values)] = np.nan
    bad = np.isnan(values)
    for k in np.flatnonzero(bad).tolist():
        bad[k] = not _is_blank(cells.different[k])
    return cells.read(values, np.nan, float, bad, mended & ~bad, percent & ~bad, multiple & ~bad)


# ----------------------------------------------------------------------------------------- dates

_MONTH_NAMES = "janfebmaraprmayjunjulaugsepoctnovdec"
_MONTHS = {_MONTH_NAMES[k : k + 3]: k // 3 + 1 for k in range(0, 36, 3)}
_TWO_WAYS = re.compile(r"(\d{1,2})\s*[-/. ]\s*(\d{1,2})\s*[-/. ]\s*(\d{4})")
_NAMED = re.compile(r"(\d{1,2})[\s.-]*([a-z]{3})[a-z]*[\s.,-]*(\d{4}|\d{2})")
_NAMED_FIRST = re.compile(r"([a-z]{3})[a-z]*[\s.]*(\d{1,2})[\s.,]+(\d{4})")
# Numbers of days as Excel counts them, from 1954 to 2119.
_SERIALS = (20_000, 80_000)
_EXCEL_DAY_0 = dt.date(1899, 12, 30)


def _date_text(value: Any) -> str:
    text = unicodedata.normalize("NFKC", str(value)).strip().casefold()
    return re.sub(r"[ t]\d{1,2}:\d{2}.*$", "", text)


def day_first(columns: Iterable[Cells]) -> tuple[str, str] | bool | None:
    """Find whether 1/2/2025 is a day in February in a tape, by the dates that can be read in one way only.

    Parameters
    ----------
    columns : iterable of Cells
        All columns that should hold dates.

    Returns
    -------
    bool, None or tuple of str
        None when no date tells; two dates that contradict each other.
    """
    proofs: dict[bool, str] = {}
    for cells in columns:
        for value in cells.different:
            found = _TWO_WAYS.fullmatch(_date_text(value)) if isinstance(value, str) else None
            if found is not None and (int(found[1]) > 12) != (int(found[2]) > 12):
                proofs.setdefault(int(found[1]) > 12, value)
    return (proofs[True], proofs[False]) if len(proofs) == 2 else next(iter(proofs), None)


def _date(value: Any, days_first: bool | None) -> dt.date | None:
    if isinstance(value, dt.date):
        return value
    text = f"{value:.0f}" if isinstance(value, float) and value.is_integer() else _date_text(value)
    if re.fullmatch(r"\d{5}", text) and _SERIALS[0] <= int(text) < _SERIALS[1]:
        return _EXCEL_DAY_0 + dt.timedelta(int(text))
    if re.fullmatch(r"(19|20|21)\d{6}", text):
        text = f"{text[:4]}-{text[4:6]}-{text[6:]}"
    if (plain := heading_date(text)) is not None:
        return plain
    if found := _TWO_WAYS.fullmatch(text):
        a, b, year = map(int, found.groups())
        if days_first is None and a != b:
            return None
        day, month = (a, b) if days_first else (b, a)
    elif found := _NAMED.fullmatch(text):
        day, month, year = int(found[1]), _MONTHS.get(found[2], 0), int(found[3])
        year += 2000 if year < 100 else 0
    elif found := _NAMED_FIRST.fullmatch(text):
        day, month, year = int(found[2]), _MONTHS.get(found[1], 0), int(found[3])
    else:
        return None
    try:
        return dt.date(year, month, day)
    except ValueError:
        return None


def as_dates(cells: Cells, days_first: bool | None = None) -> Read:
    """Read a column of dates.

    Parameters
    ----------
    cells : Cells
    days_first : bool, optional
        Whether 1/2/2025 is in February; None: such dates are bad.

    Returns
    -------
    Read
        Dates as datetime64[D]; numbers of days as Excel counts them are marked as mended.
    """
    dates = [None if _is_blank(v) else _date(v, days_first) for v in cells.different]
    bad = [d is None and not _is_blank(v) for d, v in zip(dates, cells.different, strict=True)]
    mended = [
        d is not None and re.fullmatch(r"\d{5}(\.0)?", str(v)) is not None
        for d, v in zip(dates, cells.different, strict=True)
    ]
    return cells.read(dates, None, "datetime64[D]", bad, mended)


# ----------------------------------------------------------------------------------------- words


def _shown(value: Any) -> str:
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def as_texts(cells: Cells) -> Read:
    """Read a column of texts; numbers and dates as they look, and error values as bad."""
    texts = [None if _is_blank(v) else _shown(v) for v in cells.different]
    return cells.read(texts, None, object, [text in ERROR_TEXTS for text in texts])


def as_words(cells: Cells, words: Mapping[str, Any]) -> Read:
    """Read a column of words that mean something: folded word -> meaning."""
    found = [None if word is None else words.get(word) for word in cells.words]
    bad = [f is None and word is not None for f, word in zip(found, cells.words, strict=True)]
    return cells.read(found, None, object, bad)
