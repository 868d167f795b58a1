"""The few objects of xlwings that a script in xlwings Lite is given, with Lite's limits, and nothing else.

Values are those of the start; what is written is kept as a list of actions, which Excel carries out when the
script has ended. Made from a workbook file.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from xlkmv.workbook.address import Area, parse_area
from xlkmv.workbook.book import FileBook
from xlkmv.workbook.stored import ErrorCell


class Range:
    """A rectangle of cells: its values are Python's, dates are datetimes."""

    def __init__(self, sheet: Sheet, area: Area, options: dict[str, Any] | None = None) -> None:
        self.sheet, self._area, self._options = sheet, area, options or {}

    @property
    def row(self) -> int:
        return self._area.top

    @property
    def column(self) -> int:
        return self._area.left

    @property
    def shape(self) -> tuple[int, int]:
        a = self._area
        return a.bottom - a.top + 1, a.right - a.left + 1

    def options(self, **options: Any) -> Range:
        return Range(self.sheet, self._area, options)

    @property
    def value(self) -> Any:
        assert self._options == {"ndim": 2, "err_to_str": True} or self._options == {"ndim": 2}
        a = self._area
        return [
            [self.sheet.cells.get((row, column)) for column in range(a.left, a.right + 1)]
            for row in range(a.top, a.bottom + 1)
        ]

    @value.setter
    def value(self, rows: list[list[Any]]) -> None:
        assert (len(rows), len(rows[0])) == self.shape
        for row in rows:
            for cell in row:
                # What Office.js takes; numpy's numbers and dates of other kinds are not among it.
                assert cell is None or type(cell) in (float, int, str, bool) or isinstance(cell, dt.date), (
                    cell
                )
        self.sheet.book.actions.append((self, rows))

    def clear_contents(self) -> None:
        self.sheet.book.actions.append((self, [[None] * self.shape[1]] * self.shape[0]))


class Table:
    def __init__(self, sheet: Sheet, name: str, header: tuple[str, ...], body: Area) -> None:
        self.sheet, self.name, self.header, self.body = sheet, name, header, body
        self.show_headers, self.show_totals = True, False

    @property
    def range(self) -> Range:
        return Range(self.sheet, self.body._replace(top=self.body.top - 1))

    @property
    def header_row_range(self) -> Range:
        return Range(self.sheet, self.body._replace(top=self.body.top - 1, bottom=self.body.top - 1))

    def resize(self, whole: Range) -> None:
        self.sheet.book.actions.append((self, whole._area))


class Sheet:
    def __init__(self, book: Book, name: str) -> None:
        self.book, self.name = book, name
        self.cells: dict[tuple[int, int], Any] = {}
        self.tables: list[Table] = []

    def range(self, first: tuple[int, int], last: tuple[int, int]) -> Range:
        return Range(self, Area(*first, *last))


class Book:
    def __init__(self, path: Path) -> None:
        file = FileBook(path)
        self.name = path.name
        self.actions: list[tuple[Any, Any]] = []
        self.alerts: list[tuple[str, str]] = []
        self.app = SimpleNamespace(alert=lambda prompt, title: self.alerts.append((title, prompt)))
        sheets = {name: Sheet(self, name) for name in file.sheets()}
        for name, sheet in sheets.items():
            for i, row in enumerate(file.cells(name), 1):
                for j, value in enumerate(row, 1):
                    sheet.cells[i, j] = _given(value)
        for name in file.tables():
            table = file.table(name)
            right, bottom = table.left + len(table.header) - 1, table.top + len(table.rows) - 1
            body = Area(table.top, table.left, bottom, right)
            sheets[table.sheet].tables.append(Table(sheets[table.sheet], table.name, table.header, body))
        self.sheets = list(sheets.values())
        self.names = []
        for name in file.names():
            try:
                cell = file.name(name)
            except Exception:  # a formula or several cells: Lite has no range for it
                self.names.append(NoRange(name))
            else:
                place = Range(sheets[cell.sheet], parse_area(cell.cell))
                self.names.append(SimpleNamespace(name=name, refers_to_range=place))

    def end(self) -> None:
        """What Excel does when the script has ended."""
        for target, what in self.actions:
            if isinstance(target, Table):
                target.body = what._replace(top=what.top + 1)
                continue
            for i, row in enumerate(what):
                for j, value in enumerate(row):
                    text = value[1:] if isinstance(value, str) and value.startswith("'") else value
                    target.sheet.cells[target.row + i, target.column + j] = text
        self.actions.clear()

    def table(self, name: str) -> list[list[Any]]:
        """Header and body of a table as Excel has it now."""
        found = next(table for sheet in self.sheets for table in sheet.tables if table.name == name)
        return [list(found.header), *Range(found.sheet, found.body, {"ndim": 2}).value]


class NoRange:
    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def refers_to_range(self) -> Any:
        raise ValueError(f"Name '{self.name}' does not refer to a single range.")


def _given(value: Any) -> Any:
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return dt.datetime.combine(value, dt.time())
    return str(value) if isinstance(value, ErrorCell) else value
