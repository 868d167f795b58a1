"""Cell addresses: A1 notation to numbers and back. Rows and columns count from 1, as in Excel.

Formulas are text of strangers. Every pattern here takes time in proportion to what it reads: repeats give
nothing back (``*+``), and what is opened and never closed ends with the text.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from typing import NamedTuple

from xlkmv.errors import BookError, show
from xlkmv.phrase import Phrase

__all__ = [
    "LAST_COLUMN",
    "LAST_ROW",
    "QUOTED",
    "TEXT",
    "Area",
    "address",
    "column_letters",
    "column_number",
    "parse_area",
    "runs",
    "shift",
    "stretched",
]

LAST_ROW = 1_048_576
LAST_COLUMN = 16_384
TEXT = r"""(?:"(?:[^"]|"")*+(?:"|\Z))"""
"""Pattern of a text in a formula."""
QUOTED = r"""(?:'(?:[^']|'')*+(?:'|\Z))"""
"""Pattern of the name of a sheet in a formula, in quotation marks."""
_COLUMN = re.compile("[A-Z]{1,3}")
_AREA = re.compile(r"\$?([A-Z]{1,3})\$?([1-9]\d{0,6})(?::\$?([A-Z]{1,3})\$?([1-9]\d{0,6}))?")


class Area(NamedTuple):
    """A rectangle of cells, both corners included."""

    top: int
    left: int
    bottom: int
    right: int

    def __str__(self) -> str:
        first, last = address(self.top, self.left), address(self.bottom, self.right)
        return first if first == last else f"{first}:{last}"

    @property
    def one(self) -> bool:
        """Whether it is a single cell."""
        return (self.top, self.left) == (self.bottom, self.right)

    @property
    def beneath(self) -> Area:
        """The row right beneath it, as wide."""
        return self._replace(top=self.bottom + 1, bottom=self.bottom + 1)

    def overlaps(self, other: Area) -> bool:
        """Tell whether the two rectangles share a cell."""
        return (
            self.top <= other.bottom
            and other.top <= self.bottom
            and self.left <= other.right
            and other.left <= self.right
        )


def column_number(letters: str) -> int:
    """Number of a column: A is 1, XFD is 16384; BookError for anything else than one to three letters."""
    if not _COLUMN.fullmatch(letters):
        raise BookError(Phrase("{text} is no column", text=show(letters)))
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number


def column_letters(number: int) -> str:
    """Letters of a column, the inverse of :func:`column_number`."""
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def address(row: int, column: int) -> str:
    """Address of a cell, relative: ``address(3, 2)`` is ``"B3"``."""
    return f"{column_letters(column)}{row}"


def parse_area(text: str | None) -> Area:
    """Read ``B3`` or ``$B$3:$D$9``; BookError for anything else."""
    match = _AREA.fullmatch(text or "")
    if match is None:
        raise BookError(Phrase("{text} is no cell address", text=show(text or "")))
    column, row, column_2, row_2 = match.groups()
    top, left = int(row), column_number(column)
    bottom, right = (int(row_2), column_number(column_2)) if row_2 else (top, left)
    area = Area(min(top, bottom), min(left, right), max(top, bottom), max(left, right))
    if area.bottom > LAST_ROW or area.right > LAST_COLUMN:
        raise BookError(Phrase("{text!r} lies outside a worksheet", text=text))
    return area


def runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """First and last of each run of neighbours: ``runs([2, 3, 5])`` is ``[(2, 3), (5, 5)]``."""
    order = sorted(set(numbers))
    starts = [k for k, n in enumerate(order) if k == 0 or n > order[k - 1] + 1]
    return [(order[k], order[after - 1]) for k, after in itertools.pairwise([*starts, len(order)])]


_TOKEN = re.compile(
    # Text, name of a sheet, column of a table.
    rf"({TEXT}|{QUOTED}|\[(?:[^\[\]]|\[[^\[\]]*+(?:\]|\Z))*+(?:\]|\Z))"
    r"""|(?<![\w.$])(\$?)([A-Z]{1,3})(\$?)([1-9]\d{0,6})(?![\w.(!])"""  # cell
)


def shift(formula: str, rows: int, columns: int) -> str:
    """Formula as it reads when copied `rows` down and `columns` to the right."""

    def move(match: re.Match[str]) -> str:
        if match[1] is not None:
            return match[0]
        column = column_number(match[3]) + (0 if match[2] else columns)
        row = int(match[5]) + (0 if match[4] else rows)
        if not (1 <= row <= LAST_ROW and 1 <= column <= LAST_COLUMN):
            return "#REF!"
        return f"{match[2]}{column_letters(column)}{match[4]}{row}"

    return _TOKEN.sub(move, formula)


def stretched(reference: str, old: Area, bottom: int) -> str:
    """Reference with a new last row if it covers all rows of `old` within its columns, else unchanged."""
    try:
        area = parse_area(reference)
    except BookError:
        return reference
    inside = old.left <= area.left and area.right <= old.right
    if not inside or (area.top, area.bottom) != (old.top, old.bottom):
        return reference
    first = reference.split(":")[0]
    last = re.sub(r"\d+$", str(bottom), reference.split(":")[-1])
    return first if first == last and ":" not in reference else f"{first}:{last}"
