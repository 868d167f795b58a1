"""Which saved formula values are out of date after some cells have changed.

The references of every formula are read conservatively: what cannot be followed (``INDIRECT``,
``OFFSET``, a spilled range, a range between two functions) counts as a reference to everything.
"""

from __future__ import annotations

import bisect
import functools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from xlkmv.workbook.address import LAST_COLUMN, LAST_ROW, Area, column_number, parse_area

__all__ = ["References", "Region", "stale_formulas"]

_BEYOND = re.compile(r"\b(?:INDIRECT|OFFSET|ANCHORARRAY)\s*\(", re.IGNORECASE)
_SHEET = r"(?:'(?:[^']|'')+'|[^\W\d][\w.]*(?::[^\W\d][\w.]*)?)"
_REFERENCE = re.compile(
    rf"""(?P<text>"(?:[^"]|"")*")
    |(?P<external>(?:'[^']*\[(?:[^']|'')*'|\[\d+\](?:{_SHEET})?)!\$?[\w.$:]+)
    |(?:(?P<sheet>{_SHEET})!)?(?:
        (?P<area>\$?[A-Z]{{1,3}}\$?[1-9]\d{{0,6}}(?::\$?[A-Z]{{1,3}}\$?[1-9]\d{{0,6}})?(?![\w.(\[!]))
       |(?P<columns>\$?[A-Z]{{1,3}}:\$?[A-Z]{{1,3}}(?![\w.(]))
       |(?P<rows>\$?[1-9]\d{{0,6}}:\$?[1-9]\d{{0,6}}(?![\w.(]))
       |(?P<table>[^\W\d][\w.]*)\[(?P<inner>(?:[^\[\]']|'.|\[(?:[^\[\]']|'.)*\])*)\]
       |(?P<name>[^\W\d\\][\w.?\\]*)(?![\w.]*[(!])
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle on a sheet; sheet names are held in one case."""

    sheet: str
    area: Area


@dataclass(frozen=True)
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

    sheets: list[str]
    tables: Mapping[str, tuple[str, Area, list[str]]]
    names: Mapping[str, str]

    def of(self, formula: str, sheet: str, seen: frozenset[str] = frozenset()) -> list[Region] | None:
        """Rectangles that a formula on `sheet` refers to; None when it may refer to anything."""
        if _BEYOND.search(formula):
            return None
        found: list[Region] = []
        rest, position = [], 0
        for match in _REFERENCE.finditer(formula):
            rest.append(formula[position : match.start()])
            position = match.end()
            if match["text"] or match["external"]:
                continue
            regions = self._regions(match, sheet, seen)
            if regions is None:
                return None
            found += regions
        rest.append(formula[position:])
        # A colon or a bracket that is left over joins things that were read one by one.
        return None if re.search(r"[:\[]", "".join(rest)) else found

    def _regions(self, match: re.Match[str], sheet: str, seen: frozenset[str]) -> list[Region] | None:
        if match["table"]:
            return self._table(match["table"], match["inner"])
        if match["name"]:
            name = match["name"].casefold()
            if name in self.tables:
                return self._table(name, "")
            # A name that is not defined refers to nothing: a variable of LET, or #NAME?.
            if name in seen or name not in self.names:
                return []
            return self.of(self.names[name], sheet, seen | {name})
        if match["area"]:
            area = parse_area(match["area"])
        elif match["columns"]:
            first, last = (column_number(part) for part in match["columns"].replace("$", "").split(":"))
            area = Area(1, min(first, last), LAST_ROW, max(first, last))
        else:
            first, last = (int(part) for part in match["rows"].replace("$", "").split(":"))
            area = Area(min(first, last), 1, max(first, last), LAST_COLUMN)
        return [Region(name, area) for name in self._sheets(match["sheet"] or sheet)]

    def _sheets(self, text: str) -> list[str]:
        name = (text[1:-1].replace("''", "'") if text.startswith("'") else text).casefold()
        order = [item.casefold() for item in self.sheets]
        if name in order:
            return [name]
        ends = name.split(":")  # a range of sheets, first:last
        if len(ends) == 2 and ends[0] in order and ends[1] in order:
            low, high = sorted(map(order.index, ends))
            return order[low : high + 1]
        return []

    def _table(self, name: str, inner: str) -> list[Region] | None:
        entry = self.tables.get(name.casefold())
        if entry is None:
            return None
        sheet, area, columns = entry
        places = {column.casefold(): area.left + i for i, column in enumerate(columns)}
        items = re.findall(r"\[((?:[^\[\]']|'.)*)\]", inner) or [inner]
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

    def add(self, sheet: str, column: int, first: int, last: int) -> None:
        columns = self._runs.setdefault(sheet.casefold(), {})
        starts, ends = columns.setdefault(column, ([], []))
        low, high = bisect.bisect_left(ends, first - 1), bisect.bisect_right(starts, last + 1)
        if low < high:
            first, last = min(first, starts[low]), max(last, ends[high - 1])
        starts[low:high], ends[low:high] = [first], [last]

    def any(self) -> bool:
        return any(self._runs.values())

    def touches(self, region: Region) -> bool:
        columns, area = self._runs.get(region.sheet, {}), region.area
        for column, (starts, ends) in columns.items():
            if area.left <= column <= area.right:
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
        still = []
        for sheet, area, regions in waiting:
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
