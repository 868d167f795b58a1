"""The few objects of Excel that a live refresh touches, with Excel's rules, and nothing else.

Plain Python, so that tests run on any machine; :func:`exported` hands them over COM on
Windows, where the server sees them as it sees Excel. Made from a workbook file.
"""

# ruff: noqa: N802  (named as in Excel)

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from xlkmv.errors import BookError
from xlkmv.functions.com import ERROR_CODES
from xlkmv.refresh.live import LiveBook
from xlkmv.workbook import layout
from xlkmv.workbook.address import Area, address, parse_area
from xlkmv.workbook.book import FileBook
from xlkmv.workbook.layout.column import DATE
from xlkmv.workbook.stored import ErrorCell, Shared

AUTOMATIC = -4105
WHITE = 16777215.0
SCODES = {text: code for code, text in ERROR_CODES.items()}
SHARED = Shared((), frozenset(), False)


class ExcelRefusedError(RuntimeError):
    """What Excel raises when it cannot do something."""


class Application:
    """Settings, and a list of all that was shown in the status bar."""

    def __init__(self) -> None:
        self.ScreenUpdating = True
        self.EnableEvents = True
        self.Calculation = AUTOMATIC
        self.Hwnd = 1
        self.messages: list[Any] = []

    @property
    def StatusBar(self) -> Any:
        return self.messages[-1] if self.messages else False

    @StatusBar.setter
    def StatusBar(self, text: Any) -> None:
        self.messages.append(text)


class Workbook:
    def __init__(self, path: Path) -> None:
        self.Application = Application()
        self.FullName = str(path)
        self.Name = path.name
        self.Date1904 = False
        self.Worksheets: list[Worksheet] = []
        self.Names: list[Name] = []

    def sheet(self, name: str) -> Worksheet:
        for sheet in self.Worksheets:
            if sheet.Name == name:
                return sheet
        self.Worksheets.append(Worksheet(self, name))
        return self.Worksheets[-1]


class Worksheet:
    """A grid of cells: values as Value2 has them, formulas, and the cells that hold dates."""

    def __init__(self, book: Workbook, name: str) -> None:
        self.book = book
        self.Name = name
        self.ProtectContents = False
        self.ListObjects: list[ListObject] = []
        self.values: dict[tuple[int, int], Any] = {}
        self.formulas: dict[tuple[int, int], str] = {}
        self.formats: dict[tuple[int, int], str] = {}
        self.fills: dict[tuple[int, int], float] = {}
        self.refuse: Area | None = None  # writing here fails
        self.writes = 0

    def Range(self, place: str) -> Range:
        return Range(self, parse_area(place))

    def put(self, row: int, column: int, value: Any) -> None:
        """Take an assigned value as Excel does."""
        key = row, column
        self.formulas.pop(key, None)
        if isinstance(value, str):
            if value.startswith("'"):
                value = value[1:]
            elif value.startswith(("=", "+", "-", "@")):
                self.formulas[key] = value if value.startswith("=") else f"={value}"
                value = 0.0
            elif value in SCODES:
                value = SCODES[value]
            elif re.fullmatch(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?", value):
                value = SHARED.serial(dt.datetime.fromisoformat(value))
                self.formats[key] = "yyyy-mm-dd"
            elif re.fullmatch(r"[-\d.eE]+%?", value):
                value = float(value.rstrip("%"))
        elif isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        self.values[key] = value


class Range:
    MergeCells: bool | None = False

    def __init__(self, sheet: Worksheet, area: Area) -> None:
        self.Worksheet = sheet
        self.area = area
        self.Row, self.Column = area.top, area.left

    @property
    def Rows(self) -> Count:
        return Count(self.area.bottom - self.area.top + 1)

    @property
    def Columns(self) -> Count:
        return Count(self.area.right - self.area.left + 1)

    def _read(self, read: Any) -> Any:
        rows = tuple(
            tuple(read((i, j)) for j in range(self.area.left, self.area.right + 1))
            for i in range(self.area.top, self.area.bottom + 1)
        )
        return rows if len(rows) > 1 or len(rows[0]) > 1 else rows[0][0]

    def _write(self, rows: Any) -> None:
        sheet = self.Worksheet
        if sheet.ProtectContents or (sheet.refuse is not None and sheet.refuse.overlaps(self.area)):
            raise ExcelRefusedError(f"Unable to write {sheet.Name}!{self.area}")
        sheet.writes += 1
        if not isinstance(rows, (list, tuple)):
            height, width = self.Rows.Count, self.Columns.Count
            rows = [[rows] * width] * height
        if len(rows) != self.Rows.Count or {len(row) for row in rows} != {self.Columns.Count}:
            raise ExcelRefusedError(f"{len(rows)} rows do not fit {self.area}")
        for i, row in enumerate(rows, self.area.top):
            for j, value in enumerate(row, self.area.left):
                sheet.put(i, j, value)

    @property
    def Value2(self) -> Any:
        return self._read(self.Worksheet.values.get)

    @Value2.setter
    def Value2(self, rows: Any) -> None:
        self._write(rows)

    @property
    def Value(self) -> Any:
        def read(key: tuple[int, int]) -> Any:
            value = self.Worksheet.values.get(key)
            if isinstance(value, float) and re.search("[yd]", self.Worksheet.formats.get(key, "")):
                date = SHARED.date(value)
                if isinstance(date, dt.date):
                    moment = date if isinstance(date, dt.datetime) else dt.datetime.combine(date, dt.time())
                    return moment.replace(tzinfo=dt.UTC)
            # As .Value cuts currency to four decimals.
            return round(value, 4) if isinstance(value, float) else value

        return self._read(read)

    @property
    def Formula(self) -> Any:
        def read(key: tuple[int, int]) -> Any:
            if key in self.Worksheet.formulas:
                return self.Worksheet.formulas[key]
            value = self.Worksheet.values.get(key)
            return "" if value is None else value if isinstance(value, str) else str(value)

        return self._read(read)

    @Formula.setter
    def Formula(self, rows: Any) -> None:
        self._write(rows)

    @property
    def Interior(self) -> SimpleNamespace:
        """The fill; its colour is None where it is mixed."""
        found = self._read(lambda key: self.Worksheet.fills.get(key, WHITE))
        colors = {color for row in found for color in row} if isinstance(found, tuple) else {found}
        return SimpleNamespace(Color=colors.pop() if len(colors) == 1 else None)

    @property
    def NumberFormat(self) -> str:
        return self.Worksheet.formats.get((self.Row, self.Column), "General")

    @NumberFormat.setter
    def NumberFormat(self, shown: str) -> None:
        for i in range(self.area.top, self.area.bottom + 1):
            for j in range(self.area.left, self.area.right + 1):
                self.Worksheet.formats[i, j] = shown

    def ClearContents(self) -> None:
        for i in range(self.area.top, self.area.bottom + 1):
            for j in range(self.area.left, self.area.right + 1):
                self.Worksheet.values.pop((i, j), None)
                self.Worksheet.formulas.pop((i, j), None)


class Count:
    def __init__(self, count: int) -> None:
        self.Count = count


class Column:
    def __init__(self, name: str) -> None:
        self.Name = name


class ListObject:
    def __init__(self, sheet: Worksheet, name: str, header: tuple[str, ...], area: Area) -> None:
        self.sheet, self.Name, self.area = sheet, name, area
        self.ListColumns = [Column(h) for h in header]
        self.ShowHeaders, self.ShowTotals = True, False

    @property
    def Range(self) -> Range:
        return Range(self.sheet, self.area)

    @property
    def DataBodyRange(self) -> Range:
        return Range(self.sheet, self.area._replace(top=self.area.top + 1))

    def Resize(self, cells: Range) -> None:
        if cells.area._replace(bottom=0) != self.area._replace(bottom=0):
            raise ExcelRefusedError("the header of a table must stay where it is")
        self.area = cells.area


class Name:
    def __init__(self, name: str, cells: Range | None) -> None:
        self.Name, self.cells = name, cells
        self.RefersTo = f"={cells.Worksheet.Name}!{cells.area}" if cells else "=a formula"

    @property
    def RefersToRange(self) -> Range:
        if self.cells is None:
            raise ExcelRefusedError(f"{self.Name} is a formula: it refers to no range")
        return self.cells


FEW = 1000.0


def hurry(book: FileBook | Workbook) -> None:
    """Ask for so few simulated paths that a refresh takes no time."""
    reader = book if isinstance(book, FileBook) else LiveBook(SimpleNamespace(api=book))
    terms = reader.table("tbl_Term")
    row = terms.column("Term").index("Simulated paths")
    if isinstance(book, FileBook):
        values = terms.column("Value")
        values[row] = FEW
        book.write_table("tbl_Term", {"Value": values})
    else:
        book.sheet(terms.sheet).values[terms.top + row, terms.left + terms.index("Value")] = FEW


def open_fake(path: Path) -> Workbook:
    """Make the open workbook of a file: its tables and names."""
    source = FileBook(path)
    book = Workbook(Path(path))
    for name in source.tables():
        table = source.table(name)
        sheet = book.sheet(table.sheet)
        right = table.left + len(table.header) - 1
        area = Area(table.top - 1, table.left, table.top + len(table.rows) - 1, right)
        sheet.ListObjects.append(ListObject(sheet, name, table.header, area))
        for j, text in enumerate(table.header):
            sheet.values[area.top, table.left + j] = text
        spec = layout.TABLES.get(name)
        dates = {c.header for c in spec.columns if c.format == DATE} if spec else set()
        for i, row in enumerate(table.rows):
            for j, value in enumerate(row):
                if table.header[j] in dates:  # also where there is none yet
                    sheet.formats[table.top + i, table.left + j] = "yyyy-mm-dd"
                _load(sheet, table.top + i, table.left + j, value)
    for name in source.names():
        try:
            cell = source.name(name)
        except BookError:
            book.Names.append(Name(name, None))
            continue
        sheet = book.sheet(cell.sheet)
        cells = sheet.Range(cell.cell)
        _load(sheet, cells.Row, cells.Column, cell.value)
        book.Names.append(Name(name, cells))
    return book


def _load(sheet: Worksheet, row: int, column: int, value: Any) -> None:
    if isinstance(value, dt.date):
        sheet.formats[row, column] = "yyyy-mm-dd"
        value = SHARED.serial(value)
    elif isinstance(value, ErrorCell):
        value = SCODES[str(value)]
    sheet.values[row, column] = value


def contents(book: Workbook) -> dict[str, Any]:
    """Everything in the workbook that a user sees."""
    return {
        sheet.Name: (
            {address(*k): v for k, v in sheet.values.items() if v is not None},
            dict(sheet.formulas),
            {t.Name: t.area for t in sheet.ListObjects},
        )
        for sheet in book.Worksheets
    }


# ------------------------------------------------------------------------------- over COM


def exported(thing: Any) -> Any:
    """Wrap a fake for COM; other values pass (Windows)."""
    import win32com.server.policy
    import win32com.server.util

    if isinstance(thing, list) and thing and isinstance(thing[0], (Worksheet, ListObject, Name, Column)):
        return win32com.server.util.wrap(_Adapter(thing), usePolicy=win32com.server.policy.DynamicPolicy)
    if type(thing).__module__ == __name__:
        return win32com.server.util.wrap(_Adapter(thing), usePolicy=win32com.server.policy.DynamicPolicy)
    if isinstance(thing, list) and not thing:
        return win32com.server.util.wrap(_Adapter(thing), usePolicy=win32com.server.policy.DynamicPolicy)
    return [list(row) for row in thing] if isinstance(thing, tuple) else thing


class _Adapter:
    """Answers COM's questions by name with what the fake has."""

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def _dynamic_(self, name: str, lcid: int, flags: int, arguments: Any) -> Any:
        import pythoncom
        import win32com.server.util
        import winerror
        from win32com.server.exception import COMException

        if name == "_NewEnum":
            items = [exported(item) for item in self.thing]
            return win32com.server.util.NewEnum(items)
        if flags & (pythoncom.DISPATCH_PROPERTYPUT | pythoncom.DISPATCH_PROPERTYPUTREF):
            setattr(self.thing, name, arguments[-1])
            return None
        # A blank cell has a value, which is None.
        there = hasattr(self.thing, name)
        member = getattr(self.thing, name, None)
        if not there and name == "Count":
            return len(self.thing)
        if not there:
            raise COMException(scode=winerror.DISP_E_MEMBERNOTFOUND, desc=f"no member {name}")
        if callable(member):
            if not flags & pythoncom.DISPATCH_METHOD:
                raise COMException(scode=winerror.DISP_E_MEMBERNOTFOUND, desc=f"{name} is a method")
            if name == "Range" and not arguments:
                raise COMException(scode=winerror.DISP_E_BADPARAMCOUNT, desc="Range of what?")
            try:
                return exported(member(*map(_own, arguments)))
            except ExcelRefusedError as error:
                raise COMException(scode=winerror.DISP_E_EXCEPTION, desc=str(error)) from error
        return exported(member)


def _own(value: Any) -> Any:
    """Return the fake behind a COM object that comes back."""
    import win32com.server.util

    try:
        return win32com.server.util.unwrap(value).thing
    except Exception:
        return value
