"""A workbook as refresh sees it: tables and names to read, results to write, nothing else.

:class:`Book` is the interface, :class:`FileBook` its implementation on a file, without Excel. Data is
found by table name and header, never by address, so that users may insert rows, move columns, tables
and sheets, and add what they like.

What happens to formulas when a file is patched
-----------------------------------------------
A formula that gets a value keeps its text; only the saved value is new. Saved values of *other*
formulas that depend, directly or not, on a changed cell would be out of date. One that is nothing but
another cell takes the value of that cell. The others are removed, and the workbook asks Excel to
calculate everything when it loads: a reader that cannot calculate sees an empty cell, never an old
number. The request is made only then, because on a machine without Python it also turns the live KMV
functions into #NAME?; the file format has no request for single cells. A workbook whose formulas were
all given their values, or read none of the changed cells, is saved without it and opens as it is.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from lxml import etree

from xlkmv.errors import BookError, Problem, show
from xlkmv.phrase import Phrase
from xlkmv.workbook.address import LAST_ROW, QUOTED, Area, address, parse_area, runs, stretched
from xlkmv.workbook.package import MAIN, RELATIONSHIPS, Package
from xlkmv.workbook.sheet import Sheet
from xlkmv.workbook.stale import ANYTHING, References, stale_formulas
from xlkmv.workbook.stored import NO_VALUE, CellValue, ErrorCell, Shared, read_texts, unescape

__all__ = [
    "NO_VALUE",
    "Book",
    "CellValue",
    "ErrorCell",
    "FileBook",
    "NamedCell",
    "Table",
    "blocks",
    "fitted",
    "has_table",
    "no_name",
    "no_room",
    "no_table",
    "not_empty",
    "open_book",
    "totals_below",
]

_NO_VALUE_RULE = Phrase("formula has no saved value: open the workbook in Excel, recalculate and save")
_RANGES_NAMED = 3  # of the cells that share a fault
_RANGES_COMPARED = 1_000  # of array formulas, with each link
_CHARTS = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_CHART, _TITLE = f"{_CHARTS}f", f"{_CHARTS}tx"
# What a title or the name of a series shows: saved beside a link, or a text of its own.
_TITLED = (f"{_CHARTS}v", "{http://schemas.openxmlformats.org/drawingml/2006/main}t")
# Each takes time in proportion to the text, as those of `xlkmv.workbook.address` do.
_SAYS_NOTHING = re.compile(r""""[^"]*+(?:"|\Z)|\[(?![hms]++\])[^\]]*+(?:\]|\Z)|[\\_*].""", re.DOTALL)
_ON_SHEET = re.compile(
    rf"({QUOTED}|(?<![\w.])[^\W\d][\w.]*+)!(\$?[A-Z]{{1,3}}\$?\d++(?::\$?[A-Z]{{1,3}}\$?\d++)?)"
    rf"|{QUOTED}"
)
# A formula that is nothing but another cell.
_LINK = re.compile(r"=?(?:(?:'((?:[^']|'')++)'|([^\W\d][\w.]*+))!)?(\$?[A-Z]{1,3}\$?[1-9]\d*+)")


@dataclass(frozen=True, slots=True)
class NamedCell:
    """The one cell that a defined name points to."""

    name: str
    sheet: str
    cell: str
    value: CellValue


@dataclass(frozen=True, slots=True)
class Table:
    """The body of an Excel table, or some of its rows.

    Attributes
    ----------
    name, sheet : str
        Name of the table and of the sheet it is on.
    header : tuple of str
        Names of the columns, from left to right.
    rows : list of list
        Values, row by row, as wide as the header.
    top, left : int
        Row and column of the first cell of the body.
    places : sequence of int
        Where the rows stand in the body, from 0.
    """

    name: str
    sheet: str
    header: tuple[str, ...]
    rows: list[list[CellValue]]
    top: int
    left: int
    places: Sequence[int] = ()
    _columns: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        columns = {_plain(header): k for k, header in reversed([*enumerate(self.header)])}
        object.__setattr__(self, "_columns", columns)
        object.__setattr__(self, "places", self.places or range(len(self.rows)))

    def only(self, rows: Sequence[int]) -> Table:
        """Return the table with some of its rows; they keep their addresses."""
        if len(rows) == len(self.rows):
            return self
        return replace(self, rows=[self.rows[k] for k in rows], places=[self.places[k] for k in rows])

    def has(self, header: str) -> bool:
        """Whether the table has a column of this name; case and extra spaces do not count."""
        return _plain(header) in self._columns

    def index(self, header: str) -> int:
        """Position of a column, counted from 0."""
        if self.has(header):
            return self._columns[_plain(header)]
        raise _no_column(self, header)

    def column(self, header: str) -> list[CellValue]:
        """Values of a column, from top to bottom."""
        position = self.index(header)
        return [row[position] for row in self.rows]

    def cell(self, row: int, header: str) -> str:
        """A1 address of the cell in one of the rows, counted from 0."""
        return address(self.top + self.places[row], self.left + self.index(header))

    def problem(
        self, row: int | Sequence[int], header: str, rule: str, width: int = 1, who: str = ""
    ) -> Problem:
        """Report that a value breaks a rule; several rows, and columns from this one on, in one."""
        rows = [row] if isinstance(row, int) else row
        position = self.index(header)
        value = self.rows[min(rows)][position]
        rule = _NO_VALUE_RULE if value is NO_VALUE else rule
        left = self.left + position
        found = runs(self.top + self.places[k] for k in rows)
        areas = [str(Area(first, left, last, left + width - 1)) for first, last in found[:_RANGES_NAMED]]
        more = f" and {len(found) - _RANGES_NAMED:,} more" if len(found) > _RANGES_NAMED else ""
        cells = ", ".join(areas) + more
        cell, count = self.cell(min(rows), header), len(set(rows)) * width
        return Problem(self.sheet, cell, value, rule, count, cells, who)


class Book(Protocol):
    """What refresh needs of a workbook, on disk or open in Excel.

    Nothing reaches the workbook of the user before :meth:`save`.

    Attributes
    ----------
    blanked : list of (str, str)
        Sheet and first cell of the formulas of whose values the last save took away those that had
        become wrong: they show none until a spreadsheet computes them.
    """

    blanked: list[tuple[str, str]]

    @property
    def path(self) -> Path:
        """The file, as it is or as Excel knows it."""

    def table(self, name: str) -> Table:
        """Read a table; BookError when there is none of this name."""

    def beneath(self, name: str) -> list[CellValue]:
        """Read the row right beneath a table, as wide as it; nothing beneath a row of totals."""

    def tables(self) -> list[str]:
        """Names of all tables."""

    def names(self) -> list[str]:
        """Defined names of the whole workbook."""

    def name(self, name: str) -> NamedCell:
        """Read the one cell of a defined name; BookError when it has none."""

    def coloured(self, name: str, color: str) -> set[tuple[int, int]]:
        """Row and column, from 0, of the cells in the body of a table that have this fill: ``"#FCE8D2"``."""

    def write_table(self, name: str, columns: Mapping[str, Sequence[Any]], *, resize: bool = False) -> None:
        """Replace the values of some columns of a table, given by header.

        With `resize` the table takes the length of the columns, growing or shrinking at its lower
        end; otherwise they must have the length of the table.
        """

    def write_name(self, name: str, value: Any) -> None:
        """Write the one cell of a defined name."""

    def retitle(self, texts: Mapping[str, str]) -> None:
        """Put other texts in the place of those that charts show as titles and names of series."""

    def save(self, path: str | os.PathLike[str] | None = None, *, backup: bool = False) -> Path:
        """Put all writes into the workbook in one stroke."""


def has_table(book: Book, name: str) -> bool:
    """Whether a workbook has a table of a name, in any spelling."""
    return name.casefold() in {table.casefold() for table in book.tables()}


def fitted(
    table: str,
    count: int,
    columns: Mapping[str, Sequence[Any]],
    place: Callable[[str], int],
    resize: bool,
) -> tuple[dict[int, Sequence[Any]], int]:
    """Check columns that are to be written into a table, and say how long it has to be.

    Parameters
    ----------
    table : str
    count : int
        Rows of the table.
    columns : mapping of str to sequence
        By header; an empty column of a table that is resized is one blank row.
    place : callable
        Header -> position in the table; BookError where there is none.
    resize : bool

    Returns
    -------
    dict of int to sequence
        The columns by position; none when there are none.
    int
        Rows that the table will have.

    Raises
    ------
    BookError
        A column is missing, or their lengths do not fit.
    """
    if len({len(values) for values in columns.values()}) > 1:
        raise BookError(Phrase("the columns for table {table} differ in length", table=table))
    places = {place(header): values if len(values) else [None] for header, values in columns.items()}
    given = len(next(iter(places.values()), ()))
    wanted = given if resize and places else count
    if places and given != wanted:
        raise BookError(
            Phrase(
                "table {table} has {wanted} rows (got {count} values)",
                table=table,
                wanted=wanted,
                count=given,
            )
        )
    return places, wanted


def blocks(places: Mapping[int, Sequence[Any]]) -> Iterator[tuple[int, list[tuple[Any, ...]]]]:
    """Yield neighbouring columns together: position of the first, and their rows."""
    for _, group in itertools.groupby(enumerate(sorted(places)), lambda item: item[1] - item[0]):
        block = [position for _, position in group]
        yield block[0], list(zip(*(places[position] for position in block), strict=True))


@dataclass
class _TablePart:
    """Where a table lies, as its part says."""

    part: str
    name: str
    sheet: str
    header: tuple[str, ...]
    area: Area  # body only
    has_header: bool
    has_totals: bool


def open_book(path: str | os.PathLike[str]) -> FileBook:
    """Open a workbook file; BookError with one clear sentence when it cannot be used."""
    return FileBook(path)


class FileBook:
    """A workbook file, patched without Excel: only what is written changes.

    Implements :class:`Book`. Writes are collected; the file itself changes only in :meth:`save`,
    which replaces it as a whole or not at all.

    Parameters
    ----------
    path : path-like
        A workbook: .xlsx or .xlsm.

    Raises
    ------
    BookError
        The file is open elsewhere, encrypted, signed, of another format or broken.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.blanked: list[tuple[str, str]] = []
        self._package = Package(path)
        self._path = self._package.path
        workbook = self._package.xml(self._package.workbook)
        related = self._package.related(self._package.workbook)
        self._parts: dict[str, str] = {}
        for item in workbook.iter(f"{{{MAIN}}}sheet"):
            kind, part = related.get(item.get(f"{{{RELATIONSHIPS}}}id"), ("", ""))
            if kind == "worksheet":
                if part in self._parts.values():
                    raise BookError(
                        Phrase("{book} is broken: two of its sheets are one part", book=self._path.name)
                    )
                self._parts[_attribute(item, "name")] = part
        self._tabs = [_attribute(item, "name") for item in workbook.iter(f"{{{MAIN}}}sheet")]
        self._names = {
            name.casefold(): (name, (item.text or "").strip())
            for item in workbook.iter(f"{{{MAIN}}}definedName")
            if not (name := _attribute(item, "name")).startswith("_xlnm.")
            and item.get("localSheetId") is None
        }
        self._shared = self._read_shared(workbook, dict(related.values()))
        self._sheets: dict[str, Sheet] = {}
        self._drawn_from: dict[str, set[str]] = {}
        self._tables = self._read_tables()

    # -- structure --------------------------------------------------------------------------------

    def _read_shared(self, workbook: Any, parts: Mapping[str, str]) -> Shared:
        properties = workbook.find(f"{{{MAIN}}}workbookPr")
        from_1904 = properties is not None and properties.get("date1904") in ("1", "true")
        texts: list[str] = []
        if "sharedStrings" in parts:
            part = parts["sharedStrings"]
            texts = self._package.checked(lambda: read_texts(self._package.read(part)), part)
        dates: set[str] = set()
        if "styles" in parts:
            styles = self._package.xml(parts["styles"])
            codes = {
                item.get("numFmtId"): item.get("formatCode", "") for item in styles.iter(f"{{{MAIN}}}numFmt")
            }
            formats = styles.find(f"{{{MAIN}}}cellXfs")
            shown: dict[str, bool] = {}
            for number, style in enumerate(() if formats is None else formats.iterchildren("*")):
                code = style.get("numFmtId", "0")
                if code not in shown:
                    shown[code] = _shows_date(code, codes)
                if shown[code]:
                    dates.add(str(number))
        return Shared(texts, frozenset(dates), from_1904)

    def _read_tables(self) -> dict[str, _TablePart]:
        tables: dict[str, _TablePart] = {}
        parts: set[str] = set()
        for sheet, part in self._parts.items():
            for kind, target in self._package.related(part).values():
                if kind != "table":
                    continue
                if target in parts:
                    raise BookError(
                        Phrase(
                            "{book} is broken: its part {target} is a table twice",
                            book=self._path.name,
                            target=target,
                        )
                    )
                parts.add(target)
                root = self._package.xml(target)
                area = parse_area(root.get("ref"))
                header = root.get("headerRowCount", "1") != "0"
                totals = root.get("totalsRowCount", "0") != "0"
                found = _TablePart(
                    part=target,
                    name=_attribute(root, "displayName"),
                    sheet=sheet,
                    header=tuple(
                        unescape(_attribute(item, "name")) for item in root.iter(f"{{{MAIN}}}tableColumn")
                    ),
                    area=area._replace(top=area.top + header, bottom=area.bottom - totals),
                    has_header=header,
                    has_totals=totals,
                )
                if len(found.header) != area.right - area.left + 1 or found.area.bottom < found.area.top:
                    raise BookError(
                        Phrase(
                            "{book} is broken: table {name} does not fit its range",
                            book=self._path.name,
                            name=found.name,
                        )
                    )
                tables[found.name.casefold()] = found
        return tables

    def _sheet(self, name: str) -> Sheet:
        if name not in self._sheets:
            if name not in self._parts:
                raise BookError(Phrase("{book} has no sheet {name!r}", book=self._path.name, name=name))
            part = self._parts[name]
            self._sheets[name] = self._package.checked(
                lambda: Sheet(name, part, self._package.read(part), self._shared), part
            )
        return self._sheets[name]

    def _part_of(self, name: str) -> _TablePart:
        try:
            return self._tables[name.casefold()]
        except KeyError:
            raise no_table(self._path.name, name) from None

    def _place(self, name: str) -> tuple[str, Area]:
        if name.casefold() not in self._names:
            raise no_name(self._path.name, name)
        shown, text = self._names[name.casefold()]
        match = re.fullmatch(r"(?:'((?:[^']|'')+)'|([^'!]+))!([$A-Z0-9:]+)", text)
        sheet = (match[1] or match[2]).replace("''", "'") if match else ""
        try:
            area = parse_area(match[3] if match else "")
        except BookError:
            area = Area(0, 0, 0, 0)
        found = next((tab for tab in self._parts if tab.casefold() == sheet.casefold()), None)
        if found is not None and area.top and (area.one or area in self._sheet(found).merged()):
            return found, area
        text = text if len(text) <= 60 else text[:57] + "..."
        raise BookError(
            Phrase("the name {shown} must point to one cell (it points to {text})", shown=shown, text=text)
        )

    # -- reading ----------------------------------------------------------------------------------

    @property
    def path(self) -> Path:
        """The file that was opened."""
        return self._path

    def tables(self) -> list[str]:
        """Names of all tables."""
        return [table.name for table in self._tables.values()]

    def table(self, name: str) -> Table:
        """Read a table; BookError when there is none of this name."""
        found = self._part_of(name)
        rows = self._sheet(found.sheet).values(found.area)
        return Table(found.name, found.sheet, found.header, rows, found.area.top, found.area.left)

    def beneath(self, name: str) -> list[CellValue]:
        """Read the row right beneath a table, as wide as it; nothing beneath a row of totals."""
        found = self._part_of(name)
        if found.has_totals:
            return []
        return self._sheet(found.sheet).values(found.area.beneath)[0]

    def names(self) -> list[str]:
        """Defined names of the whole workbook."""
        return [name for name, _ in self._names.values()]

    def name(self, name: str) -> NamedCell:
        """Read the one cell of a defined name."""
        sheet, area = self._place(name)
        shown = self._names[name.casefold()][0]
        value = self._sheet(sheet).value(area.top, area.left)
        return NamedCell(shown, sheet, address(area.top, area.left), value)

    def sheets(self) -> list[str]:
        """Names of the worksheets, in the order of their tabs."""
        return list(self._parts)

    def cells(self, sheet: str, rows: int | None = None) -> list[list[CellValue]]:
        """Values of a sheet from A1 on, row by row; of its first rows only, if `rows` says so."""
        found = self._sheet(sheet)
        bottom, right = found.used()
        bottom = bottom if rows is None else min(bottom, rows)
        return found.values(Area(1, 1, bottom, right)) if bottom and right else []

    def coloured(self, name: str, color: str) -> set[tuple[int, int]]:
        """Row and column, from 0, of the cells in the body of a table that have this fill: ``"#FCE8D2"``."""
        table, styles = self._part_of(name), self._filled_with(color.removeprefix("#").upper())
        top, left = table.area.top, table.area.left
        cells = self._sheet(table.sheet).styles(table.area) if styles else ()
        return {(row - top, column - left) for row, column, style in cells if style in styles}

    def _filled_with(self, color: str) -> set[str]:
        """Styles of cells whose fill is plain and of this colour."""
        parts = dict(self._package.related(self._package.workbook).values())
        if "styles" not in parts:
            return set()
        styles = self._package.xml(parts["styles"])
        path = f"{{{MAIN}}}patternFill[@patternType='solid']/{{{MAIN}}}fgColor"
        wanted = set()
        for number, fill in enumerate(styles.iterfind(f"{{{MAIN}}}fills/{{{MAIN}}}fill")):
            shown = fill.find(path)
            # The first two digits say how opaque it is, which no spreadsheet heeds.
            if shown is not None and shown.get("rgb", "")[-6:].upper() == color:
                wanted.add(str(number))
        formats = styles.iterfind(f"{{{MAIN}}}cellXfs/{{{MAIN}}}xf")
        return {str(number) for number, style in enumerate(formats) if style.get("fillId") in wanted}

    # -- writing ----------------------------------------------------------------------------------

    def write_table(self, name: str, columns: Mapping[str, Sequence[Any]], *, resize: bool = False) -> None:
        """Replace the values of some columns of a table, given by header.

        A formula in a written cell stays, with the new saved value. With `resize` the table takes
        the length of the columns (at least one row, blank if they are empty): new rows get the
        styles of its first and the formulas of its last row, surplus rows are cleared, and charts,
        conditional formats, data validations and names that span all its rows follow. A column that is
        folded away in an outline group, was blank and gets values is shown.

        Raises
        ------
        BookError
            A column is missing, or there is no room for the table to grow.
        """
        table = self._part_of(name)
        count = table.area.bottom - table.area.top + 1
        cells, wanted = fitted(table.name, count, columns, lambda header: _position(table, header), resize)
        if not cells:
            return
        if resize:
            self._resize(table, wanted)
        sheet = self._sheet(table.sheet)
        self._unfold(table, cells)
        sheet.put(table.area.top, {table.area.left + place: values for place, values in cells.items()})

    def _unfold(self, table: _TablePart, columns: Mapping[int, Sequence[Any]]) -> None:
        """Show columns that were folded away while they were blank, and get values now."""
        sheet, left = self._sheet(table.sheet), table.area.left
        for column in sheet.folded():
            if any(value is not None for value in columns.get(column - left, ())):
                before = sheet.values(table.area._replace(left=column, right=column))
                if all(cell is None for (cell,) in before):
                    sheet.unfold(column)

    def write_name(self, name: str, value: Any) -> None:
        """Write the one cell of a defined name."""
        sheet, area = self._place(name)
        self._sheet(sheet).set(area.top, area.left, value)

    def write_cell(self, sheet: str, cell: str, value: Any) -> None:
        """Write one cell; a formula in it stays and gets the value as its saved one."""
        area = parse_area(cell)
        self._sheet(sheet).set(area.top, area.left, value)

    def _resize(self, table: _TablePart, rows: int) -> None:
        sheet, old = self._sheet(table.sheet), table.area
        new = old._replace(bottom=old.top + rows - 1)
        if new == old:
            return
        if table.has_totals:
            raise totals_below(table.name)
        if new.bottom > old.bottom:
            delta = old._replace(top=old.bottom + 1, bottom=new.bottom)
            self._refuse_growth(table, delta, rows)
            sheet.extend(old, new.bottom)
        else:
            sheet.clear(old._replace(top=new.bottom + 1))
        sheet.stretch(old, new.bottom)
        self._stretch_charts_and_names(table.sheet, old, new.bottom)
        root = self._package.xml(table.part)
        for item in root.iter():
            if _is(item, "table") or _is(item, "autoFilter") or _is(item, "sortState"):
                area = parse_area(item.get("ref"))
                if area.bottom == old.bottom:
                    item.set("ref", str(area._replace(bottom=new.bottom)))
        self._package.replace_xml(table.part, root)
        table.area = new

    def _refuse_growth(self, table: _TablePart, delta: Area, rows: int) -> None:
        sheet = self._sheet(table.sheet)
        if delta.bottom > LAST_ROW:
            raise no_room(table.name, rows)
        for other in self._tables.values():
            whole = other.area._replace(top=other.area.top - other.has_header)
            if other.sheet == table.sheet and whole.overlaps(delta):
                raise no_room(
                    table.name,
                    rows,
                    Phrase(
                        "table {other}, {sheet}!{whole}, lies beneath it",
                        other=other.name,
                        sheet=table.sheet,
                        whole=whole,
                    ),
                )
        for area in sheet.merged():
            if area.overlaps(delta):
                raise no_room(
                    table.name,
                    rows,
                    Phrase("the merged cells {sheet}!{area} lie beneath it", sheet=table.sheet, area=area),
                )
        if found := sheet.filled(delta):
            raise no_room(table.name, rows, not_empty(table.sheet, *found))

    def _stretch_charts_and_names(self, sheet: str, old: Area, bottom: int) -> None:
        """Let chart series and defined names that span all rows of a table follow its size."""

        def follow(text: str, single: bool) -> str:
            def move(match: re.Match[str]) -> str:
                if match[1] is None or _named(match[1]) != sheet.casefold():
                    return match[0]
                if not single and ":" not in match[2]:
                    return match[0]
                return f"{match[1]}!{stretched(match[2], old, bottom)}"

            return _ON_SHEET.sub(move, text)

        for part in (part for part in self._charts() if sheet.casefold() in self._charted(part)):
            root = self._package.xml(part)
            texts = {item: follow(item.text or "", single=True) for item in root.iter(_CHART)}
            self._put_texts(part, root, texts)
        root, texts = self._package.xml(self._package.workbook), {}
        for item in root.iter(f"{{{MAIN}}}definedName"):
            # A name of one cell means that cell, also when the table has one row only.
            texts[item] = follow(item.text or "", single=False)
            if item.get("localSheetId") is None and item.get("name").casefold() in self._names:
                self._names[item.get("name").casefold()] = (item.get("name"), texts[item].strip())
        self._put_texts(self._package.workbook, root, texts)

    def _charted(self, part: str) -> set[str]:
        """Sheets that a chart is drawn from, which no change of their tables changes."""
        if part not in self._drawn_from:
            texts = (item.text or "" for item in self._package.xml(part).iter(_CHART))
            found = {_named(match[1]) for text in texts for match in _ON_SHEET.finditer(text) if match[1]}
            self._drawn_from[part] = found
        return self._drawn_from[part]

    def _put_texts(self, part: str, root: Any, texts: Mapping[Any, str]) -> None:
        """Give elements of a part other texts; a part that stays as it is keeps its bytes."""
        changed = {item: text for item, text in texts.items() if text != (item.text or "")}
        for item, text in changed.items():
            item.text = text
        if changed:
            self._package.replace_xml(part, root)

    def retitle(self, texts: Mapping[str, str]) -> None:
        """Put other texts in the place of those that charts show as titles and names of series.

        Titles are links, with what they show saved beside them; LibreOffice saves plain texts.

        Parameters
        ----------
        texts : mapping of str to str
            Text as it is -> as it is to be; any other stays.
        """
        for part in self._charts():
            root = self._package.xml(part)
            said = [item for item in (*root.iter(_TITLED[0]), *root.iter(_TITLED[1])) if item.text in texts]
            inside = [item for item in said if any(True for _ in item.iterancestors(_TITLE))]
            self._put_texts(part, root, {item: texts[item.text] for item in inside})

    def _charts(self) -> list[str]:
        """Parts of the package that are charts."""
        parts = self._package.parts()
        return [part for part in parts if re.search(r"/charts/chart[^/]*\.xml$", part, re.IGNORECASE)]

    # -- saving -----------------------------------------------------------------------------------

    def stale(self) -> list[tuple[str, str]]:
        """Sheet and cell of each formula whose saved value is out of date through the writes so far."""
        return [(sheet, address(area.top, area.left)) for sheet, area in self._stale()]

    def _stale(self) -> list[tuple[str, Area]]:
        changed = {name: sheet.changed for name, sheet in self._sheets.items() if sheet.changed}

        def formulas() -> Any:
            for name in self._parts:
                sheet = self._sheet(name)
                for formula in sheet.formulas():
                    if (formula.area.top, formula.area.left) not in sheet.written:
                        # What-if tables read cells that their formula text does not name.
                        text = ANYTHING if formula.kind == "dataTable" else formula.text
                        yield name, text, formula.area

        tables = {}
        for key, table in self._tables.items():
            whole = table.area._replace(top=table.area.top - table.has_header)
            tables[key] = (table.sheet, whole, list(table.header))
        names: dict[str, str] = {}
        for item in self._package.xml(self._package.workbook).iter(f"{{{MAIN}}}definedName"):
            # Several sheets may each have a name of this spelling: any of them counts.
            key = item.get("name").casefold()
            names[key] = ",".join(filter(None, (names.get(key), item.text)))
        return stale_formulas(changed, formulas, References(self._tabs, tables, names))

    def save(self, path: str | os.PathLike[str] | None = None, *, backup: bool = False) -> Path:
        """Write the file in one stroke, by default over the one that was opened.

        Raises
        ------
        BookError
            The target is open elsewhere, changed since it was read, or cannot be written; it is
            then as it was.
        """
        stale = self._stale()
        followed = self._followed(stale)
        stale = [place for place in stale if place not in followed]
        self.blanked = [(name, address(area.top, area.left)) for name, area in stale]
        for name, area in stale:
            self._sheet(name).forget(area)
        added = any(sheet.added - sheet.written for sheet in self._sheets.values())
        for sheet in self._sheets.values():
            if sheet.touched:
                self._package.replace(sheet.part, sheet.to_bytes())
        if stale or added:
            self._calculate_on_load()
        if any(sheet.formula_gone for sheet in self._sheets.values()):
            # The order of calculation must not name cells without formula; Excel makes it anew.
            self._package.remove(self._package.workbook, "calcChain")
        return self._package.save(path, backup=backup)

    def _followed(self, stale: Sequence[tuple[str, Area]]) -> set[tuple[str, Area]]:
        """Give formulas that are nothing but another cell the value of that cell; return those formulas."""
        waiting = set(stale)
        unknown = {(name, area.top, area.left) for name, area in stale if area.one}
        ranges = [(name, area) for name, area in stale if not area.one]
        if len(ranges) > _RANGES_COMPARED:
            return set()
        links: dict[tuple[str, int], list[tuple[int, str, Area]]] = {}  # by sheet and row that they lead to
        for name in dict.fromkeys(name for name, _ in stale):
            for formula in self._sheet(name).formulas():
                found = _LINK.fullmatch(formula.text) if (name, formula.area) in waiting else None
                if found is None:
                    continue
                there = (found[1] or found[2] or name).replace("''", "'")
                try:
                    cell = parse_area(found[3])
                except BookError:  # beyond the last column: a name
                    continue
                if (
                    there in self._parts
                    and (there, cell.top, cell.left) not in unknown
                    and not any(there == s and cell.overlaps(a) for s, a in ranges)
                ):
                    links.setdefault((there, cell.top), []).append((cell.left, name, formula.area))
        done = set()
        for (there, row), found_in in links.items():
            columns = [column for column, *_ in found_in]
            (values,) = self._sheet(there).values(Area(row, min(columns), row, max(columns)))
            for column, name, area in found_in:
                value = values[column - min(columns)]
                if value is not None and value is not NO_VALUE:
                    self._sheet(name).set(area.top, area.left, value)
                    done.add((name, area))
        return done

    def _calculate_on_load(self) -> None:
        root = self._package.xml(self._package.workbook)
        settings = root.find(f"{{{MAIN}}}calcPr")
        if settings is None:
            settings = etree.Element(f"{{{MAIN}}}calcPr")
            before = ("sheets", "functionGroups", "externalReferences", "definedNames")
            if not (last := [item for item in root if any(_is(item, tag) for tag in before)]):
                raise BookError(
                    Phrase(
                        "{book} is broken: its part {workbook} has no sheets",
                        book=self._path.name,
                        workbook=self._package.workbook,
                    )
                )
            last[-1].addnext(settings)
        settings.set("fullCalcOnLoad", "1")
        self._package.replace_xml(self._package.workbook, root)


def no_table(book: str, name: str) -> BookError:
    """Error for a table that a workbook does not have."""
    return BookError(Phrase("{book} has no table {name}", book=book, name=name))


def no_name(book: str, name: str) -> BookError:
    """Error for a defined name that a workbook does not have."""
    return BookError(Phrase("{book} has no name {name}", book=book, name=name))


def totals_below(table: str) -> BookError:
    """Error for a table that cannot take another length, because a row of totals ends it."""
    return BookError(Phrase("table {table} has a totals row: switch it off, then refresh again", table=table))


def no_room(table: str, rows: int, obstacle: str = "") -> BookError:
    """Error for a table that cannot grow: what is in the way (by default the sheet ends), what to do."""
    what = Phrase("the sheet ends before; move it up")
    if obstacle:
        what = Phrase("{obstacle}; move those cells or the table", obstacle=obstacle)
    return BookError(
        Phrase(
            "table {table} cannot grow to {rows:,} rows: {what}, then refresh again",
            table=table,
            rows=rows,
            what=what,
        )
    )


def not_empty(sheet: str, area: Area, cell: str, value: CellValue) -> str:
    """Say which cells beneath a table are filled: the rectangle around them, and the first of them."""
    return Phrase(
        "{sheet}!{area} beneath it is not empty (first: {cell} {value})",
        sheet=sheet,
        area=area,
        cell=cell,
        value=show(value),
    )


def _position(table: _TablePart, header: str) -> int:
    for position, found in enumerate(table.header):
        if _plain(found) == _plain(header):
            return position
    raise _no_column(table, header)


def _no_column(table: Table | _TablePart, header: str) -> BookError:
    return BookError(
        Phrase(
            "table {table} on sheet {sheet} has no column {header!r}",
            table=table.name,
            sheet=table.sheet,
            header=header,
        )
    )


def _named(sheet: str) -> str:
    """A sheet as a formula names it, perhaps in quotes: its name, to be compared."""
    return (sheet[1:-1].replace("''", "'") if sheet.startswith("'") else sheet).casefold()


def _plain(header: str) -> str:
    return " ".join(header.split()).casefold()


def _attribute(item: Any, name: str) -> str:
    value = item.get(name)
    if value is None:
        raise BookError(
            Phrase(
                "the workbook is broken: <{tag}> has no {name}",
                tag=etree.QName(item).localname,
                name=name,
            )
        )
    return str(value)


def _is(item: Any, tag: str) -> bool:
    return bool(item.tag == f"{{{MAIN}}}{tag}")


def _shows_date(number: str, codes: Mapping[str, str]) -> bool:
    """Whether a number format shows a day; times and durations alone stay numbers."""
    if number in codes:
        # Quoted and escaped characters, colours and conditions say nothing; [h] is a duration.
        code = _SAYS_NOTHING.sub("", codes[number].lower())
        return bool(re.search(r"[yd]", code)) or ("m" in code and not re.search(r"[hs]", code))
    # Built in: for every language, and those that East Asian versions add. A time of day alone is
    # below 1 and no date, so it stays a number.
    return number in {*map(str, range(14, 23)), *map(str, range(27, 37)), *map(str, range(50, 59))}
