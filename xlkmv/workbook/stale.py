"""Which saved formula values are out of date after some cells have changed.

The references of every formula are read conservatively: what cannot be followed (``INDIRECT``,
``OFFSET``, a spilled range, a range between two functions) counts as a reference to everything. So does
what is more than :data:`MOST_TEXT` and :data:`MOST_STEPS` allow: a saved value that is taken away without
need is computed again, one that is wrong is believed.
"""

from __future__ import annotations

import bisect
import functools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import InitVar, dataclass

from xlkmv.errors import BookError
from xlkmv.workbook.address import LAST_COLUMN, LAST_ROW, QUOTED, TEXT, Area, column_number, parse_area

__all__ = ["ANYTHING", "MOST_TEXT", "References", "Region", "stale_formulas"]

ANYTHING = "INDIRECT()"
"""A formula that may read any cell: stands for one that is not followed."""
MOST_TEXT = 2**25
"""Characters of formulas that are read: 100,000 rows may have ten formulas of thirty characters."""
MOST_STEPS = 5_000_000
"""Comparisons of a reference with a column of changed cells."""
_MOST_REFERENCES = 1_000_000
_DEEPEST = 50  # names that are defined by names

_BEYOND = re.compile(r"\b(?:INDIRECT|OFFSET|ANCHORARRAY)\s*\(", re.IGNORECASE)
_SHEET = rf"(?:{QUOTED}|(?<![\w.\\?])[^\W\d][\w.]*+(?::[^\W\d][\w.]*+)?+)"
_REFERENCE = re.compile(
    rf"""(?P<text>{TEXT})
    |(?P<external>(?:'[^'\[]*+\[(?:[^']|'')*+'|\[\d++\](?:{_SHEET})?+)!\$?[\w.$:]++)
    |(?:(?P<sheet>{_SHEET})!)?(?:
        (?P<area>\$?[A-Z]{{1,3}}\$?[1-9]\d{{0,6}}(?::\$?[A-Z]{{1,3}}\$?[1-9]\d{{0,6}})?(?![\w.(\[!]))
       |(?P<columns>\$?[A-Z]{{1,3}}:\$?[A-Z]{{1,3}}(?![\w.(]))
       |(?P<rows>\$?[1-9]\d{{0,6}}:\$?[1-9]\d{{0,6}}(?![\w.(]))
       |(?<![\w.\\?])(?P<table>[^\W\d][\w.]*+)\[(?P<inner>(?:[^\[\]']|'.|\[(?:[^\[\]']|'.)*+\])*+)\]
       |(?<![\w.\\?])(?P<name>[^\W\d\\][\w.?\\]*+)(?![(!])
    )
    |(?P<rest>{QUOTED})""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle on a sheet; sheet names are held in one case."""

    sheet: str
    area: Area


@dataclass
class References:
    """Finds the cells that a formula reads.

    Parameters
    ----------
    sheets : list of str
        Sheets in the order of their tabs.
    tables : mapping
        Table name -> sheet, whole range with header, names of the columns.
    names : mapping
        Defined name -> its formula.
    """

    sheets: InitVar[list[str]]
    tables: Mapping[str, tuple[str, Area, list[str]]]
    names: Mapping[str, str]

    def __post_init__(self, sheets: list[str]) -> None:
        self._order = {name.casefold(): place for place, name in enumerate(sheets)}
        self._tabs = list(self._order)
        self._named: dict[tuple[str, str], list[Region] | None] = {}
        self._columns: dict[str, dict[str, int]] = {}
        self._text_left, self._left = MOST_TEXT, _MOST_REFERENCES

    def of(self, formula: str, sheet: str, depth: int = 0) -> list[Region] | None:
        """Rectangles that a formula on `sheet` refers to; None when it may refer to anything."""
        self._text_left -= len(formula)
        if self._text_left < 0 or self._left < 0 or depth > _DEEPEST or _BEYOND.search(formula):
            return None
        found: dict[Region, None] = {}
        seen: set[str] = set()
        rest, position = [], 0
        for match in _REFERENCE.finditer(formula):
            rest.append(formula[position : match.start()])
            position = match.end()
            if match[0] in seen or match["text"] or match["external"] or match["rest"]:
                continue
            seen.add(match[0])
            regions = self._regions(match, sheet, depth)
            if regions is None or self._left < len(found) + len(regions):
                return None
            found.update(dict.fromkeys(regions))
        rest.append(formula[position:])
        self._left -= len(found)
        # A colon or a bracket that is left over joins things that were read one by one.
        return None if re.search(r"[:\[]", "".join(rest)) else list(found)

    def _regions(self, match: re.Match[str], sheet: str, depth: int) -> list[Region] | None:
        if match["table"]:
            return self._table(match["table"], match["inner"])
        if match["name"]:
            return self._name(match["name"], sheet, depth)
        if match["area"]:
            try:
                area = parse_area(match["area"])
            except BookError:  # beyond the last column: a name, then
                return self._name(match["area"], sheet, depth)
        elif match["columns"]:
            first, last = (column_number(part) for part in match["columns"].replace("$", "").split(":"))
            area = Area(1, min(first, last), LAST_ROW, max(first, last))
        else:
            first, last = (int(part) for part in match["rows"].replace("$", "").split(":"))
            area = Area(min(first, last), 1, max(first, last), LAST_COLUMN)
        return [Region(name, area) for name in self._sheets(match["sheet"] or sheet)]

    def _name(self, text: str, sheet: str, depth: int) -> list[Region] | None:
        name = text.casefold()
        if name in self.tables:
            return self._table(name, "")
        # A name that is not defined refers to nothing: a variable of LET, or #NAME?.
        if name not in self.names:
            return []
        if (name, sheet) not in self._named:
            self._named[name, sheet] = None  # while it is read: a name within itself says nothing
            self._named[name, sheet] = self.of(self.names[name], sheet, depth + 1)
        return self._named[name, sheet]

    def _sheets(self, text: str) -> list[str]:
        name = (text[1:-1].replace("''", "'") if text.startswith("'") else text).casefold()
        if name in self._order:
            return [name]
        ends = name.split(":")  # a range of sheets, first:last
        if len(ends) == 2 and ends[0] in self._order and ends[1] in self._order:
            low, high = sorted(self._order[end] for end in ends)
            return self._tabs[low : high + 1]
        return []

    def _table(self, name: str, inner: str) -> list[Region] | None:
        entry = self.tables.get(name.casefold())
        if entry is None:
            return None
        sheet, area, columns = entry
        if name.casefold() not in self._columns:
            places = {column.casefold(): area.left + i for i, column in enumerate(columns)}
            self._columns[name.casefold()] = places
        places = self._columns[name.casefold()]
        items = re.findall(r"\[((?:[^\[\]']|'.)*+)\]", inner) or [inner]
        items = [re.sub(r"'(.)", r"\1", item).strip().casefold() for item in items if item]
        wanted = [places[item] for item in items if item in places]
        if any(item not in places and not item.startswith(("#", "@")) for item in items):
            return None
        if wanted:
            area = area._replace(left=min(wanted), right=max(wanted))
        return [Region(sheet.casefold(), area)]


class _Changed:
    """Changed cells in runs of rows, asked by rectangle."""

    def __init__(self) -> None:
        # Sheet -> column -> first and last rows of the runs, which neither touch nor overlap.
        self._runs: dict[str, dict[int, tuple[list[int], list[int]]]] = {}
        self.steps = 0

    def add(self, sheet: str, column: int, first: int, last: int) -> None:
        columns = self._runs.setdefault(sheet.casefold(), {})
        starts, ends = columns.setdefault(column, ([], []))
        self.steps += 3 + len(starts) // 1000  # which move to make room
        low, high = bisect.bisect_left(ends, first - 1), bisect.bisect_right(starts, last + 1)
        if low < high:
            first, last = min(first, starts[low]), max(last, ends[high - 1])
        starts[low:high], ends[low:high] = [first], [last]

    def any(self) -> bool:
        return any(self._runs.values())

    def touches(self, region: Region) -> bool:
        columns, area = self._runs.get(region.sheet, {}), region.area
        narrow = area.right - area.left < len(columns)
        places: Iterable[int] = range(area.left, area.right + 1) if narrow else columns
        self.steps += min(area.right - area.left + 1, len(columns))
        for column in places:
            if column in columns and area.left <= column <= area.right:
                starts, ends = columns[column]
                place = bisect.bisect_left(ends, area.top)
                if place < len(ends) and starts[place] <= area.bottom:
                    return True
        return False


def stale_formulas(
    changed: Mapping[str, Mapping[int, Iterable[tuple[int, int]]]],
    formulas: Callable[[], Iterable[tuple[str, str, Area]]],
    references: References,
) -> list[tuple[str, Area]]:
    """Formulas whose saved value may be wrong, directly or through other formulas.

    Parameters
    ----------
    changed : mapping
        Sheet -> column -> first and last row of each run of cells whose value changed.
    formulas : callable
        Gives sheet, text and filled range of every formula whose saved value was not renewed.
    references : References
        Resolves the texts.

    Returns
    -------
    list of (str, Area)
        Sheet and filled range of each such formula.
    """
    cells = _Changed()
    for sheet, columns in changed.items():
        for column, runs in columns.items():
            for first, last in runs:
                cells.add(sheet, column, first, last)
    if not cells.any():
        return []
    of = functools.cache(references.of)  # a column of a table has one formula
    waiting = [(sheet, area, of(text, sheet)) for sheet, text, area in formulas()]
    order = {(sheet, area): place for place, (sheet, area, _) in enumerate(waiting)}
    stale: list[tuple[str, Area]] = []
    while True:
        still: list[tuple[str, Area, list[Region] | None]] = []
        for sheet, area, regions in waiting:
            if cells.steps > MOST_STEPS:
                return list(order)
            if regions is None or any(map(cells.touches, regions)):
                stale.append((sheet, area))
                for column in range(area.left, area.right + 1):
                    cells.add(sheet, column, area.top, area.bottom)
            else:
                still.append((sheet, area, regions))
        if len(still) == len(waiting):
            return sorted(stale, key=order.__getitem__)
        # Chains of formulas run down a sheet or up it: each way is walked in turn.
        waiting = still[::-1]
