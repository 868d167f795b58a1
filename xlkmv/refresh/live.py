"""A workbook that is open in Excel, as refresh sees it.

:class:`LiveBook` is the second implementation of :class:`xlkmv.workbook.book.Book`; Excel is
reached through xlwings. Only addresses as text and members without optional arguments are
used, because those mean the same whether or not Windows holds a cache of Excel's types.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import itertools
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from xlkmv.errors import BookError, XlkmvError
from xlkmv.functions.com import ERROR_CODES
from xlkmv.phrase import LIST, Phrase, Say, joined, said
from xlkmv.refresh.timeleft import TimeLeft
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
from xlkmv.workbook.stored import CellValue, ErrorCell, Shared
from xlkmv.workbook.typed import cell_text, typed

__all__ = ["CancelledError", "LiveBook", "escape_pressed", "find_open", "progress_of", "quiet"]

MANUAL = -4135  # xlCalculationManual
ESCAPE = 0x1B
SECONDS_BETWEEN_MESSAGES = 0.2


class CancelledError(XlkmvError):
    """The user pressed Esc; nothing has been written."""


@contextlib.contextmanager
def quiet(excel: Any) -> Iterator[None]:
    """Keep Excel from redrawing, recalculating and firing events; restore its settings whatever happens."""
    settings = {"ScreenUpdating": False, "EnableEvents": False, "Calculation": MANUAL}
    before = {name: getattr(excel, name) for name in settings}
    try:
        for name, value in settings.items():
            setattr(excel, name, value)
        yield
    finally:
        # Redrawing comes last, or the user sees every step; one failure must not keep the others back.
        for name in reversed(settings):
            with contextlib.suppress(Exception):
                setattr(excel, name, before[name])


def progress_of(
    excel: Any, escape: Callable[[], bool] | None = None, say: Say = str
) -> Callable[[str, float], None]:
    """Return a progress report into Excel's status bar, which Esc turns into a :class:`CancelledError`."""
    shown, time_left = -SECONDS_BETWEEN_MESSAGES, TimeLeft()

    def report(what: str, share: float) -> None:
        nonlocal shown
        if escape is not None and escape():
            raise CancelledError("Cancelled with Esc: nothing has been changed.")
        now = time.monotonic()
        if now - shown >= SECONDS_BETWEEN_MESSAGES:
            shown = now
            told: str = Phrase("{what} ... {share:.0%}", what=what, share=share)
            if left := time_left(share):
                told = joined([told, left], LIST)
            # A status bar is no reason to fail.
            with contextlib.suppress(Exception):
                excel.StatusBar = said(Phrase("KMV: {told} (Esc cancels)", told=told), say)

    return report


def escape_pressed(excel: Any) -> Callable[[], bool]:
    """Return a check whether Esc was pressed since the last check, with Excel in front (Windows)."""
    import win32api
    import win32gui

    window = excel.Hwnd
    win32api.GetAsyncKeyState(ESCAPE)  # forget what was pressed before

    def pressed() -> bool:
        return bool(win32api.GetAsyncKeyState(ESCAPE)) and win32gui.GetForegroundWindow() == window

    return pressed


class LiveBook:
    """An open workbook: reads at once, writes only in :meth:`save`.

    Parameters
    ----------
    book : xlwings.Book
        Its ``api`` is Excel's own Workbook.
    """

    def __init__(self, book: Any) -> None:
        self.blanked: list[tuple[str, str]] = []  # Excel computes at once
        self._book = book.api
        self._excel = self._book.Application
        self._shared = Shared((), frozenset(), bool(self._book.Date1904))
        self._tables = {
            table.name.casefold(): table for sheet in self._book.Worksheets for table in _tables_of(sheet)
        }
        self._names: dict[str, tuple[str, Any]] | None = None
        self._places: dict[str, tuple[str, Any, Area]] = {}
        self._cells: dict[str, NamedCell] = {}  # as they are until the writes are done
        self._writes: list[_Write] = []

    # -- reading ----------------------------------------------------------------------------------

    @property
    def path(self) -> Path:
        """The file, as Excel knows it."""
        return Path(self._book.FullName)

    def _table(self, name: str) -> _OpenTable:
        try:
            return self._tables[name.casefold()]
        except KeyError:
            raise no_table(self._book.Name, name) from None

    def tables(self) -> list[str]:
        """Names of all tables."""
        return [table.name for table in self._tables.values()]

    def table(self, name: str) -> Table:
        """Read a table; BookError when there is none of this name."""
        table = self._table(name)
        area = table.area
        rows: list[list[CellValue]] = []
        if table.excel.DataBodyRange is not None:
            rows = self._values(table.sheet.Range(str(area)))
        return Table(table.name, table.sheet_name, table.header, rows, area.top, area.left)

    def beneath(self, name: str) -> list[CellValue]:
        """Read the row right beneath a table, as wide as it; nothing beneath a row of totals."""
        table = self._table(name)
        if table.has_totals:
            return []
        return self._values(table.sheet.Range(str(table.area.beneath)))[0]

    def coloured(self, name: str, color: str) -> set[tuple[int, int]]:
        """Row and column, from 0, of the cells in the body of a table that have this fill: ``"#FCE8D2"``."""
        table = self._table(name)
        red, green, blue = bytes.fromhex(color.removeprefix("#"))
        body, wanted = table.area, red + (green << 8) + (blue << 16)
        found: set[tuple[int, int]] = set()

        def look(area: Area) -> None:
            """Ask for the fill of a rectangle; where it is mixed, for that of its halves."""
            fill = table.sheet.Range(str(area)).Interior.Color
            if fill is None and area.top < area.bottom:
                middle = (area.top + area.bottom) // 2
                look(area._replace(bottom=middle))
                look(area._replace(top=middle + 1))
            elif fill is not None and int(fill) == wanted:
                found.update(
                    (row - body.top, area.left - body.left) for row in range(area.top, area.bottom + 1)
                )

        for column in range(body.left, body.right + 1):
            look(body._replace(left=column, right=column))
        return found

    def _values(self, cells: Any) -> list[list[CellValue]]:
        # Value2 has every number in full; Value knows which of them are dates.
        exact, shown = _rows(cells.Value2), _rows(cells.Value)
        return [
            [self._value(x, y) for x, y in zip(*pair, strict=True)] for pair in zip(exact, shown, strict=True)
        ]

    def _value(self, exact: Any, shown: Any) -> CellValue:
        if isinstance(exact, bool) or exact is None or isinstance(exact, str):
            return exact
        if isinstance(exact, int) and exact in ERROR_CODES:
            return ErrorCell(ERROR_CODES[exact])
        return self._shared.date(float(exact)) if isinstance(shown, dt.date) else float(exact)

    def _named(self) -> dict[str, tuple[str, Any]]:
        """Spelling and object of each defined name of the whole workbook."""
        if self._names is None:
            spelled = ((str(name.Name), name) for name in self._book.Names)
            # Names of one sheet only are spelled with it, as in Pool!total.
            self._names = {text.casefold(): (text, name) for text, name in spelled if "!" not in text}
        return self._names

    def names(self) -> list[str]:
        """Defined names of the whole workbook."""
        return [text for text, _ in self._named().values()]

    # -- writing ----------------------------------------------------------------------------------

    def write_table(self, name: str, columns: Mapping[str, Sequence[Any]], *, resize: bool = False) -> None:
        """Replace the values of some columns of a table; see :meth:`FileBook.write_table`.

        Raises
        ------
        BookError
            A column is missing, the sheet is protected, or the table has no room to grow.
        """
        table = self._table(name)
        area = table.area
        header = Table(table.name, "", table.header, [], 1, 1)
        count = area.bottom - area.top + 1
        places, wanted = fitted(table.name, count, columns, header.index, resize)
        if wanted != count:
            area = table.area = self._resize(table, wanted)
        for first, rows in blocks(places):
            left = area.left + first
            cells = Area(area.top, left, area.bottom, left + len(rows[0]) - 1)
            self._queue(table.sheet, cells, rows)

    def _resize(self, table: _OpenTable, rows: int) -> Area:
        self._writable(table.sheet)
        if table.has_totals:
            raise totals_below(table.name)
        area = table.area
        new = area._replace(bottom=area.top + rows - 1)
        if new.bottom > area.bottom:
            self._refuse_growth(table, area._replace(top=area.bottom + 1, bottom=new.bottom), rows)
        self._writes.append(_Resize(table.sheet, table.excel, area, new))
        return new

    def _refuse_growth(self, table: _OpenTable, delta: Area, rows: int) -> None:
        if delta.bottom > LAST_ROW:
            raise no_room(table.name, rows)
        for other in self._tables.values():
            if other.sheet is table.sheet and other is not table and other.whole.overlaps(delta):
                obstacle = Phrase(
                    "table {other}, {sheet}!{whole}, lies beneath it",
                    other=other.name,
                    sheet=other.sheet_name,
                    whole=other.whole,
                )
                raise no_room(table.name, rows, obstacle)
        cells = table.sheet.Range(str(delta))
        if cells.MergeCells is not False:  # None where only some are
            raise no_room(
                table.name,
                rows,
                Phrase("merged cells lie beneath it in {sheet}!{area}", sheet=table.sheet_name, area=delta),
            )
        if found := self._filled(cells, delta):
            raise no_room(table.name, rows, not_empty(table.sheet_name, *found))

    def _filled(self, cells: Any, area: Area) -> tuple[Area, str, CellValue] | None:
        """See :meth:`xlkmv.workbook.sheet.Sheet.filled`."""
        # A formula may show nothing; its text is there all the same.
        texts = enumerate(_rows(cells.Formula))
        found = [(i, j) for i, row in texts for j, text in enumerate(row) if text not in (None, "")]
        if not found:
            return None
        (top, left), (bottom, _) = found[0], found[-1]
        columns = [area.left + j for _, j in found]
        around = Area(area.top + top, min(columns), area.top + bottom, max(columns))
        return around, address(area.top + top, area.left + left), self._values(cells)[top][left]

    def _writable(self, sheet: Any) -> None:
        if sheet.ProtectContents:
            raise BookError(
                Phrase(
                    "sheet {sheet} is protected: unprotect it (Review), then refresh again", sheet=sheet.Name
                )
            )

    def _queue(self, sheet: Any, area: Area, rows: Sequence[Sequence[Any]]) -> None:
        self._writable(sheet)
        self._writes.append(_Values(sheet, area, [tuple(self._out(v) for v in row) for row in rows]))

    def _out(self, value: Any) -> Any:
        value = typed(value)
        if isinstance(value, dt.date):
            return self._shared.serial(value)
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value

    def _place(self, name: str) -> tuple[str, Any, Area]:
        """Spelling, sheet and cell of a name that points to one cell."""
        key = name.casefold()
        if key in self._places:
            return self._places[key]
        if key not in self._named():
            raise no_name(self._book.Name, name)
        shown, found = self._named()[key]
        try:
            cells = found.RefersToRange
            row, column = int(cells.Row), int(cells.Column)
            one = bool(cells.MergeCells) or (cells.Rows.Count, cells.Columns.Count) == (1, 1)
            sheet = cells.Worksheet
        except Exception:
            one = False
        if not one:
            raise BookError(
                Phrase(
                    "the name {shown} must point to one cell (it points to {text})",
                    shown=shown,
                    text=found.RefersTo,
                )
            )
        self._places[key] = shown, sheet, Area(row, column, row, column)
        return self._places[key]

    def name(self, name: str) -> NamedCell:
        """Read the one cell of a defined name; BookError when it has none."""
        key = name.casefold()
        if key not in self._cells:
            shown, sheet, area = self._place(name)
            ((value,),) = self._values(sheet.Range(str(area)))
            self._cells[key] = NamedCell(shown, sheet.Name, str(area), value)
        return self._cells[key]

    def write_name(self, name: str, value: Any) -> None:
        """Write the one cell of a defined name."""
        _, sheet, area = self._place(name)
        self._queue(sheet, area, [[value]])

    def retitle(self, texts: Mapping[str, str]) -> None:
        """Leave the charts as they are: in Excel their titles are links, which follow by themselves."""

    def save(self, path: str | os.PathLike[str] | None = None, *, backup: bool = False) -> Path:
        """Put all writes into the open workbook; saving the file is left to the user.

        If Excel refuses one of them, those before it are taken back.

        Raises
        ------
        BookError
            Excel refused a write, or another file was asked for.
        """
        if path is not None or backup:
            raise BookError("the workbook is open in Excel: save a copy or a backup there")
        done: list[_Write] = []
        with quiet(self._excel):
            try:
                for write in self._writes:
                    done.append(write)
                    write.apply()
            except Exception as error:
                for earlier in reversed(done):
                    with contextlib.suppress(Exception):
                        earlier.undo()
                raise BookError(
                    Phrase("Excel refused to write {write}: {reason}", write=write, reason=_reason(error))
                ) from error
        self._writes.clear()
        self._cells.clear()
        return self.path


class _OpenTable:
    """A table in Excel. What stays as it is is asked for once: each question goes to another process."""

    def __init__(self, sheet: Any, sheet_name: str, excel: Any) -> None:
        self.sheet, self.sheet_name, self.excel = sheet, sheet_name, excel
        self.name = str(excel.Name)

    @functools.cached_property
    def header(self) -> tuple[str, ...]:
        if self.has_header:
            above = self.whole._replace(bottom=self.whole.top)
            (texts,) = _rows(self.sheet.Range(str(above)).Value2)
            if all(isinstance(text, str) for text in texts):
                return texts
        return tuple(str(column.Name) for column in self.excel.ListColumns)

    @functools.cached_property
    def has_header(self) -> bool:
        return bool(self.excel.ShowHeaders)

    @functools.cached_property
    def has_totals(self) -> bool:
        return bool(self.excel.ShowTotals)

    @functools.cached_property
    def area(self) -> Area:
        """Body of the table as it will be after the writes so far."""
        whole = self.excel.Range
        top, left = int(whole.Row), int(whole.Column)
        bottom, right = top + int(whole.Rows.Count) - 1, left + int(whole.Columns.Count) - 1
        return Area(top + self.has_header, left, bottom - self.has_totals, right)

    @property
    def whole(self) -> Area:
        """The body, and the headings above it."""
        return self.area._replace(top=self.area.top - self.has_header)


def _tables_of(sheet: Any) -> list[_OpenTable]:
    name = str(sheet.Name)
    return [_OpenTable(sheet, name, table) for table in sheet.ListObjects]


class _Write:
    """One change of the workbook that can be taken back."""

    sheet: Any
    area: Area

    def __str__(self) -> str:
        return f"{self.sheet.Name}!{self.area}"

    def apply(self) -> None:
        raise NotImplementedError

    def undo(self) -> None:
        raise NotImplementedError


class _Values(_Write):
    """Values of a rectangle; cells with formulas keep them."""

    def __init__(self, sheet: Any, area: Area, rows: list[tuple[Any, ...]]) -> None:
        self.sheet, self.area, self.rows = sheet, area, rows
        self.before: list[tuple[Any, ...]] = []
        self.formula: list[list[bool]] = []

    def apply(self) -> None:
        cells = self.sheet.Range(str(self.area))
        values, formulas = _rows(cells.Value2), _rows(cells.Formula)
        # A text that looks like a formula has itself as its value.
        self.formula = [
            [isinstance(f, str) and f.startswith("=") and v != f for v, f in zip(*pair, strict=True)]
            for pair in zip(values, formulas, strict=True)
        ]
        self.before = [tuple(_as_written(v) for v in row) for row in values]
        self._put(self.rows)

    def undo(self) -> None:
        if self.before:
            self._put(self.before)

    def _put(self, rows: list[tuple[Any, ...]]) -> None:
        area = self.area
        if not any(map(any, self.formula)):
            self._write(area, rows)
            return
        for j in range(area.right - area.left + 1):
            formulas = [row[j] for row in self.formula]
            for has_formula, run in itertools.groupby(range(len(rows)), formulas.__getitem__):
                if not has_formula:
                    lines, column = list(run), area.left + j
                    part = Area(area.top + lines[0], column, area.top + lines[-1], column)
                    self._write(part, [(rows[i][j],) for i in lines])

    def _write(self, area: Area, rows: list[tuple[Any, ...]]) -> None:
        self.sheet.Range(str(area)).Value2 = rows if len(rows) > 1 or len(rows[0]) > 1 else rows[0][0]


class _Resize(_Write):
    """A new number of rows for a table."""

    def __init__(self, sheet: Any, table: Any, old: Area, new: Area) -> None:
        self.sheet, self.table, self.old, self.area = sheet, table, old, new
        self.before: Any = None

    def _fit(self, area: Area) -> None:
        top = area.top - bool(self.table.ShowHeaders)
        self.table.Resize(self.sheet.Range(str(area._replace(top=top))))

    def apply(self) -> None:
        if self.area.bottom < self.old.bottom:
            gone = self.sheet.Range(str(self.old._replace(top=self.area.bottom + 1)))
            self.before = [tuple(row) for row in _rows(gone.Formula)]
            self._fit(self.area)
            gone.ClearContents()
            return
        self._fit(self.area)
        for column in range(self.old.left, self.old.right + 1):
            shown = self.sheet.Range(address(self.old.top, column)).NumberFormat
            added = Area(self.old.bottom + 1, column, self.area.bottom, column)
            self.sheet.Range(str(added)).NumberFormat = shown

    def undo(self) -> None:
        self._fit(self.old)
        if self.before is not None:
            gone = self.old._replace(top=self.area.bottom + 1)
            self.sheet.Range(str(gone)).Formula = self.before


def _rows(value: Any) -> list[tuple[Any, ...]]:
    """Rows of what a range holds; one cell comes as its value alone."""
    return [tuple(row) for row in value] if isinstance(value, (tuple, list)) else [(value,)]


def _as_written(value: Any) -> Any:
    if isinstance(value, str):
        return cell_text(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return ERROR_CODES.get(value, value)
    return value


def _reason(error: BaseException) -> str:
    """What Excel said: the third part of a COM error, or the message."""
    details = getattr(error, "excepinfo", None)
    return str(details[2] if details and details[2] else error)


def find_open(path: str | os.PathLike[str]) -> LiveBook | None:
    """Return the workbook if it is open in Excel on this machine, else None (always so without Windows)."""
    if os.name != "nt":
        return None
    import xlwings as xw

    wanted = os.path.normcase(Path(path).resolve())
    for app in xw.apps:
        for book in app.books:
            if os.path.normcase(str(book.fullname)) == wanted:
                return LiveBook(book)
    return None
