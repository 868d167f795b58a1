"""xlwings Lite: Python inside Excel on Windows, Mac and the web, with nothing to install.

What the script that :mod:`xlkmv.build.lite` writes calls: the worksheet functions, and a refresh of the
open workbook. Lite hands over all values when a script starts, and carries out what was written when it
has ended; formats and formulas cannot be asked for on the way.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xlkmv.errors import BookError, XlkmvError
from xlkmv.functions import FUNCTIONS
from xlkmv.functions.cells import ExcelError
from xlkmv.functions.com import to_com
from xlkmv.phrase import Phrase, said
from xlkmv.refresh.run import refresh
from xlkmv.refresh.wording import speaker
from xlkmv.workbook.address import LAST_ROW, Area, address
from xlkmv.workbook.book import (
    NamedCell,
    Table,
    blocks,
    fitted,
    no_name,
    no_room,
    no_table,
    not_empty,
    totals_below,
)
from xlkmv.workbook.stored import ERRORS, CellValue, ErrorCell
from xlkmv.workbook.typed import typed

__all__ = ["LiteBook", "answer", "refresh_open"]

# What a message box holds.
LONGEST_MESSAGE = 1_000


def answer(name: str, *cells: Any) -> Any:
    """Answer a worksheet function.

    Parameters
    ----------
    name : str
        Of the function.
    *cells
        As Lite hands them over with ``ndim=2``: rows of cells, error values as their text.

    Returns
    -------
    list of list
        Rows of cells, error values as their text.
    """
    return to_com(FUNCTIONS[name](*map(_given, cells)))


def _given(rows: Any) -> Any:
    """Cells of an argument: one alone, or rows."""
    if not isinstance(rows, list):
        return _cell(rows)
    cells = [[_cell(x) for x in (row if isinstance(row, list) else [row])] for row in rows]
    return cells[0][0] if len(cells) == 1 and len(cells[0]) == 1 else cells


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value in ERRORS:
        return ExcelError(value, "") if value in ExcelError.CODES else value
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def refresh_open(book: Any, *, quick: bool = False) -> str:
    """Refresh the workbook that a script was started on; what is wrong is shown in a message.

    Parameters
    ----------
    book : xlwings.Book
        As Lite hands it over.
    quick : bool
        Whether a quick look is enough.

    Returns
    -------
    str
        What was done, or why nothing was.
    """
    lite = LiteBook(book)
    say = speaker(lite)
    try:
        done = refresh(lite, quick=quick)
        lite.save()
    except XlkmvError as error:
        wrong = error.said(say)
        book.app.alert(wrong if len(wrong) <= LONGEST_MESSAGE else f"{wrong[:LONGEST_MESSAGE]} ...", "KMV")
        return wrong
    return said(Phrase("refreshed in {seconds:.0f} s", seconds=done.seconds), say)


class LiteBook:
    """A workbook in xlwings Lite: read as it was when the script started, written in :meth:`save`.

    Parameters
    ----------
    book : xlwings.Book
    """

    def __init__(self, book: Any) -> None:
        self.blanked: list[tuple[str, str]] = []  # Excel computes at once
        self._book = book
        self._tables = {
            table.name.casefold(): (sheet, table) for sheet in book.sheets for table in sheet.tables
        }
        self._names = {name.name.casefold(): name for name in book.names if "!" not in name.name}
        self._areas: dict[str, Area] = {}
        self._resized: dict[str, tuple[Area, Area]] = {}
        self._values: list[tuple[Any, Area, list[list[Any]]]] = []

    @property
    def path(self) -> Path:
        """Name of the workbook; Lite knows no folder."""
        return Path(self._book.name)

    # -- reading ----------------------------------------------------------------------------------

    def _table(self, name: str) -> tuple[Any, Any]:
        try:
            return self._tables[name.casefold()]
        except KeyError:
            raise no_table(self._book.name, name) from None

    def _area(self, name: str) -> Area:
        """Body of a table as it will be after the writes so far."""
        key = name.casefold()
        if key not in self._areas:
            _, table = self._table(name)
            whole = table.range
            rows, columns = whole.shape
            top, bottom = whole.row, whole.row + rows - 1
            self._areas[key] = Area(
                top + bool(table.show_headers),
                whole.column,
                bottom - bool(table.show_totals),
                whole.column + columns - 1,
            )
        return self._areas[key]

    def _header(self, table: Any) -> tuple[str, ...]:
        (cells,) = table.header_row_range.options(ndim=2).value
        return tuple(
            cell.date().isoformat() if isinstance(cell, dt.datetime) else str(cell) for cell in cells
        )

    def tables(self) -> list[str]:
        """Names of all tables."""
        return [table.name for _, table in self._tables.values()]

    def table(self, name: str) -> Table:
        """Read a table; BookError when there is none of this name."""
        sheet, table = self._table(name)
        area = self._area(name)
        return Table(table.name, sheet.name, self._header(table), _read(sheet, area), area.top, area.left)

    def beneath(self, name: str) -> list[CellValue]:
        """Read the row right beneath a table, as wide as it; nothing beneath a row of totals."""
        sheet, table = self._table(name)
        return [] if table.show_totals else _read(sheet, self._area(name).beneath)[0]

    def names(self) -> list[str]:
        """Defined names of the whole workbook."""
        return [name.name for name in self._names.values()]

    def _place(self, name: str) -> tuple[str, Any, Area]:
        """Spelling, sheet and cell of a name that points to one cell."""
        found = self._names.get(name.casefold())
        if found is None:
            raise no_name(self._book.name, name)
        try:
            cells = found.refers_to_range
        except Exception:  # of xlwings, by its version
            cells = None
        if cells is None:
            raise BookError(Phrase("the name {name} must point to one cell", name=found.name))
        return found.name, cells.sheet, Area(cells.row, cells.column, cells.row, cells.column)

    def name(self, name: str) -> NamedCell:
        """Read the one cell of a defined name; BookError when it has none."""
        shown, sheet, area = self._place(name)
        ((value,),) = _read(sheet, area)
        return NamedCell(shown, sheet.name, str(area), value)

    def coloured(self, name: str, color: str) -> set[tuple[int, int]]:
        """Nothing: Lite tells no colours while a script runs."""
        self._table(name)
        return set()

    # -- writing ----------------------------------------------------------------------------------

    def write_table(self, name: str, columns: Mapping[str, Sequence[Any]], *, resize: bool = False) -> None:
        """Replace the values of some columns of a table; see :class:`xlkmv.workbook.book.Book`.

        Raises
        ------
        BookError
            A column is missing, the columns differ in length, or the table has no room to grow.
        """
        sheet, table = self._table(name)
        header = Table(table.name, "", self._header(table), [], 1, 1)
        area = self._area(name)
        count = area.bottom - area.top + 1
        places, wanted = fitted(table.name, count, columns, header.index, resize)
        if wanted != count:
            area = self._fit(sheet, table, area, wanted)
        for first, rows in blocks(places):
            left = area.left + first
            cells = Area(area.top, left, area.bottom, left + len(rows[0]) - 1)
            self._values.append((sheet, cells, [[typed(x) for x in row] for row in rows]))

    def _fit(self, sheet: Any, table: Any, area: Area, rows: int) -> Area:
        """Note the new length of a table; what lies beneath it must be empty."""
        if table.show_totals:
            raise totals_below(table.name)
        new, key = area._replace(bottom=area.top + rows - 1), table.name.casefold()
        if new.bottom > area.bottom:
            delta = area._replace(top=area.bottom + 1, bottom=new.bottom)
            if delta.bottom > LAST_ROW:
                raise no_room(table.name, rows)
            for i, row in enumerate(_read(sheet, delta)):
                for j, value in enumerate(row):
                    if value is not None:
                        cell = Area(delta.top + i, delta.left + j, delta.top + i, delta.left + j)
                        place = address(cell.top, cell.left)
                        raise no_room(table.name, rows, not_empty(sheet.name, cell, place, value))
        first, _ = self._resized.get(key, (area, new))
        self._resized[key] = first, new
        self._areas[key] = new
        return new

    def write_name(self, name: str, value: Any) -> None:
        """Write the one cell of a defined name."""
        _, sheet, area = self._place(name)
        self._values.append((sheet, area, [[typed(value)]]))

    def retitle(self, texts: Mapping[str, str]) -> None:
        """Leave the charts as they are: in Excel their titles are links, which follow by themselves."""

    def save(self, path: str | os.PathLike[str] | None = None, *, backup: bool = False) -> Path:
        """Hand all writes to Lite; saving the file is left to the user.

        Raises
        ------
        BookError
            Another file was asked for.
        """
        if path is not None or backup:
            raise BookError("the workbook is open in Excel: save a copy or a backup there")
        for key, (old, new) in self._resized.items():
            sheet, table = self._tables[key]
            table.resize(_range(sheet, new._replace(top=new.top - bool(table.show_headers))))
            if new.bottom < old.bottom:
                _range(sheet, old._replace(top=new.bottom + 1)).clear_contents()
        for sheet, area, rows in self._values:
            _range(sheet, area).value = rows
        self._resized.clear()
        self._values.clear()
        return self.path


def _range(sheet: Any, area: Area) -> Any:
    return sheet.range((area.top, area.left), (area.bottom, area.right))


def _read(sheet: Any, area: Area) -> list[list[CellValue]]:
    rows = _range(sheet, area).options(ndim=2, err_to_str=True).value
    return [[_value(cell) for cell in row] for row in rows]


def _value(cell: Any) -> CellValue:
    if isinstance(cell, str):
        return ErrorCell(cell) if cell in ERRORS else cell or None
    if isinstance(cell, dt.datetime):
        day = cell.replace(tzinfo=None)
        return day.date() if day.time() == dt.time() else day
    if isinstance(cell, int) and not isinstance(cell, bool):
        return float(cell)
    plain: float | bool | None = cell
    return plain
