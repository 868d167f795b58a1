"""How cells store their values: types, texts, dates and errors of the file format."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xlkmv.errors import BookError, show
from xlkmv.phrase import Phrase
from xlkmv.workbook.markup import is_plain
from xlkmv.workbook.package import MAIN, parse_items

__all__ = [
    "ERRORS",
    "NO_VALUE",
    "CellValue",
    "ErrorCell",
    "Shared",
    "encode",
    "escape",
    "read_texts",
    "rich_text",
    "unescape",
]

R, T = f"{{{MAIN}}}r", f"{{{MAIN}}}t"
ERRORS = {"#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A", "#GETTING_DATA"}
_LONGEST_TEXT = 32_767
_SMALLEST_NORMAL = 2.2250738585072014e-308
_DAYS = {False: dt.datetime(1899, 12, 30), True: dt.datetime(1904, 1, 1)}


@dataclass(frozen=True, slots=True)
class ErrorCell:
    """What an error cell holds: ``str()`` gives the text that Excel shows, such as ``#DIV/0!``."""

    code: str

    def __str__(self) -> str:
        return self.code


NO_VALUE = ErrorCell("a formula without a saved value")
"""Stands for the value of a formula that was never calculated."""

CellValue = float | str | bool | dt.date | ErrorCell | None
"""What a cell holds; a date cell gives a date, or a datetime when it has a time of day."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What cells of all sheets share: texts, styles that show a date, and the first day of time."""

    texts: Sequence[str]
    date_styles: frozenset[str]
    from_1904: bool

    def text(self, index: str | None) -> str:
        """Shared text by its number, as a cell stores it."""
        try:
            place = int(index or "")
            return self.texts[place if place >= 0 else len(self.texts)]
        except (ValueError, IndexError):
            raise BookError(
                Phrase(
                    "the workbook is broken: a cell points to the missing text {index}",
                    index=show(index or ""),
                )
            ) from None

    def date(self, serial: float) -> dt.date | float:
        """Date of a serial number; the number itself where Excel has no such date."""
        first, last = (0, 2_957_004) if self.from_1904 else (1, 2_958_466)
        if not first <= serial < last or (not self.from_1904 and math.floor(serial) == 60):
            return serial
        if not self.from_1904 and serial < 60:
            serial += 1  # Excel counts a 29 February 1900 that never was
        moment = _DAYS[self.from_1904] + dt.timedelta(milliseconds=round(serial * 86_400_000))
        return moment.date() if moment.time() == dt.time() else moment

    def serial(self, date: dt.date) -> float:
        """Serial number of a date, the inverse of :meth:`date`."""
        moment = date if isinstance(date, dt.datetime) else dt.datetime(date.year, date.month, date.day)
        days: float = (moment.replace(tzinfo=None) - _DAYS[self.from_1904]) / dt.timedelta(days=1)
        return days - 1 if not self.from_1904 and days < 61 else days


def encode(value: Any, shared: Shared) -> tuple[str, str]:
    """Type and text of a value as a cell stores it: ``("", "")`` for blank.

    Types are those of the file: n number, b boolean, e error, and str for text. Numbers that are not
    finite become #NUM!; anything whose text is an Excel error becomes that error.
    """
    if value is None:
        return "", ""
    if type(value) is float and 1e-300 < abs(value) < 1e15:  # most cells
        return "n", str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool):
        return "b", "1" if value else "0"
    if isinstance(value, dt.date):
        if value != value:  # pandas' "not a time" is a datetime too
            return "e", "#NUM!"
        value = shared.serial(value)
    if isinstance(value, (int, float)):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            return "e", "#NUM!"
        if abs(number) < _SMALLEST_NORMAL:
            number = 0.0  # Excel knows no denormal numbers
        return "n", str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
    text = str(value)
    if text in ERRORS:
        return "e", text
    if isinstance(value, ErrorCell):
        return "e", "#N/A"
    if len(text) > _LONGEST_TEXT:
        raise BookError(
            Phrase(
                "a text of {count} characters does not fit into a cell ({text!r}...)",
                count=len(text),
                text=text[:30],
            )
        )
    return "str", text


def escape(text: str) -> str:
    """Write characters that XML cannot hold as ``_x000B_``, as Excel does."""
    text = re.sub(r"_(?=x[0-9A-Fa-f]{4}_)", "_x005F_", text)
    return re.sub(
        "[\x00-\x08\x0b-\x1f\ufffe\uffff\ud800-\udfff]", lambda match: f"_x{ord(match[0]):04X}_", text
    )


def unescape(text: str) -> str:
    """Undo :func:`escape`."""
    if "_x" not in text:
        return text
    return re.sub(r"_x([0-9A-Fa-f]{4})_", lambda match: chr(int(match[1], 16)), text)


_PLAIN_TEXT = re.compile(rb'<si><t(?: xml:space="preserve")?+>([^<&\r]*+)</t></si>')


def read_texts(data: bytes) -> list[str]:
    """Texts that cells share, from the part that holds them."""
    plain = _PLAIN_TEXT.findall(data) if is_plain(data) else []
    if len(plain) == data.count(b"<si") and plain:
        return [unescape(text.decode()) for text in plain]
    return [rich_text(item) for item in parse_items(data, f"{{{MAIN}}}si")]


def rich_text(holder: Any) -> str:
    """Text of a string item: plain or in runs, without the phonetic guide of East Asian text."""
    pieces = []
    for child in holder:
        if child.tag == T:
            pieces.append(child.text or "")
        elif child.tag == R:
            pieces.extend(leaf.text or "" for leaf in child.iterchildren(T))
    return unescape("".join(pieces))
