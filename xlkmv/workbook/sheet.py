"""One worksheet part, read and patched row by row.

The XML of the cells is cut at its rows; only the rows that are asked for are parsed, and only those
that change are written anew, so that a sheet of millions of cells costs what is used of it and all
other bytes stay as they were. Rows of cells as spreadsheets usually write them are read and written as
text, any others as trees.
"""

from __future__ import annotations

import bisect
import datetime as dt
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from typing import Any
from xml.sax.saxutils import quoteattr

from lxml import etree

from xlkmv.errors import BookError, show
from xlkmv.phrase import Phrase
from xlkmv.workbook.address import (
    LAST_COLUMN,
    LAST_ROW,
    Area,
    address,
    column_number,
    parse_area,
    shift,
    stretched,
)
from xlkmv.workbook.markup import PREFIX, attributes, is_plain, renewed, tags
from xlkmv.workbook.package import MAIN, parse_xml
from xlkmv.workbook.plain import COLUMNS, Model, PlainCells, PlainRows
from xlkmv.workbook.stale import ANYTHING
from xlkmv.workbook.stored import NO_VALUE, CellValue, ErrorCell, Shared, encode, escape, rich_text, unescape

__all__ = ["Formula", "Sheet"]

C, F, IS, T, V = (f"{{{MAIN}}}{tag}" for tag in ("c", "f", "is", "t", "v"))
_SPACE = "{http://www.w3.org/XML/1998/namespace}space"
_CHUNK, _CHUNK_BYTES = 500, 2**22  # rows that are parsed, or held parsed, at a time
_LARGEST_AREA = 2**25  # cells that are read at once: 100,000 rows with 240 dates have 25 million
_MOST_SHARED = 2**23  # characters of formulas that cells share, written out for each
_SPACES_BYTES = 2**16  # of the namespaces that stand before each row that is parsed


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula cell: its text without ``=``, and the cells that its result fills."""

    text: str
    area: Area
    kind: str = ""


def _inside(cell: tuple[int, int], area: Area) -> bool:
    row, column = cell
    return area.top <= row <= area.bottom and area.left <= column <= area.right


@dataclass
class Sheet:
    """A worksheet part.

    Parameters
    ----------
    name : str
        Name on the tab.
    part : str
        Name of the part in the package.
    data : bytes
        Its XML.
    shared : Shared
        Texts and date styles of the workbook.
    """

    name: str
    part: str
    data: InitVar[bytes]
    shared: Shared
    changed: dict[int, list[tuple[int, int]]] = field(default_factory=dict)  # column -> runs of changed rows
    written: set[tuple[int, int]] = field(default_factory=set)  # formula cells that were given a value
    added: set[tuple[int, int]] = field(default_factory=set)  # new formula cells
    formula_gone: bool = False

    def __post_init__(self, data: bytes) -> None:
        if not is_plain(data):
            parser = etree.XMLParser(
                resolve_entities=False,
                no_network=True,
                remove_comments=True,
                remove_pis=True,
                strip_cdata=True,
            )
            parse_xml(data)  # refuses a document type
            data = b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n' + etree.tostring(
                etree.fromstring(data, parser), encoding="UTF-8"
            )
        start = tags(b"(" + PREFIX + b")sheetData").search(data)
        if start is None:
            raise BookError(
                Phrase("the workbook is broken: sheet {sheet} has no cells part", sheet=self.name)
            )
        prefix = start[1]
        close = b"</" + prefix + b"sheetData>"
        if start[3]:
            self._head = data[: start.start()] + b"<" + prefix + b"sheetData>"
            first = end = start.end()
            self._tail = close + data[end:]
        else:
            first, end = start.end(), data.rfind(close)
            if end < first:
                raise BookError(Phrase("the workbook is broken: sheet {sheet} is cut off", sheet=self.name))
            self._head, self._tail = data[:first], data[end:]
        root = parse_xml(self._head + self._tail)
        if root.tag != f"{{{MAIN}}}worksheet":
            raise BookError(Phrase("the workbook is broken: sheet {sheet} is no worksheet", sheet=self.name))
        spaces = "".join(
            f" xmlns{f':{key}' if key else ''}={quoteattr(uri)}" for key, uri in root.nsmap.items()
        ).encode()
        self._prefix = prefix
        if len(spaces) > _SPACES_BYTES:
            raise BookError(
                Phrase(
                    "the workbook is broken: sheet {sheet} has {count:,} namespaces",
                    sheet=self.name,
                    count=len(root.nsmap),
                )
            )
        self._open = b"<" + prefix + b"sheetData" + spaces + b">"
        self._close = close
        self._raw: dict[int, bytes] = {}
        self._parsed: dict[int, Any] = {}
        self._touched: set[int] = set()  # parsed rows that differ from their bytes
        self._patched = False
        self._plain = PlainRows(prefix, self.shared.date_styles)
        self._created: Area | None = None  # around all new cells
        # The row that was written last and its cells by column: rows are written cell by cell.
        self._in_hand: tuple[Any, dict[int, Any]] = (None, {})
        self._held = 0  # bytes of the rows that are held parsed
        self._forgotten = 0  # rows of array formulas so far
        self._count: int | None = None  # of the cells
        self._old_tail = self._tail
        self._merged: list[Area] | None = None
        self._cut(data, first, end)

    def _cut(self, data: bytes, first: int, end: int) -> None:
        tag = tags(re.escape(self._prefix) + rb"row")
        last, opened, count = 0, first, 0
        for start in tag.finditer(data, first, end):
            count += 1
            number = _ROW_NUMBER.search(start[1])
            digits = number[1].decode() if number else str(last + 1)
            row = int(digits[:9])
            if len(digits) > 9 or not last < row <= LAST_ROW:
                raise BookError(
                    Phrase(
                        "the workbook is broken: row {row} of sheet {sheet} is out of order",
                        row=digits[:60],
                        sheet=self.name,
                    )
                )
            if last:
                self._raw[last] = data[opened : start.start()]
            else:
                self._head += data[first : start.start()]
            last, opened = row, start.start()
        if last:
            self._raw[last] = data[opened:end]
        else:
            self._head += data[first:end]
        if count != data.count(b"<" + self._prefix + b"row", first, end):
            raise BookError(
                Phrase("the workbook is broken: bad XML in a row of sheet {sheet}", sheet=self.name)
            )
        self._order = list(self._raw)

    # -- reading ----------------------------------------------------------------------------------

    def _parse(self, rows: Sequence[int]) -> Any:
        data = self._open + b"".join(self._raw[row] for row in rows) + self._close
        try:
            root = parse_xml(data)
        except etree.XMLSyntaxError as error:
            where = Phrase(
                "sheet {sheet}, rows {first} to {last}", sheet=self.name, first=rows[0], last=rows[-1]
            )
            raise BookError(
                Phrase(
                    "the workbook is broken: bad XML in {where} ({reason})",
                    where=where,
                    reason=" ".join(str(error).split()),
                )
            ) from error
        if len(root) != len(rows):
            raise BookError(
                Phrase("the workbook is broken: sheet {sheet} has a row inside a row", sheet=self.name)
            )
        return root

    def _rows(self, top: int, bottom: int) -> Iterator[tuple[int, Any]]:
        """Elements of the existing rows from `top` to `bottom`."""
        return self._parse_all(self._between(top, bottom))

    def _between(self, top: int, bottom: int) -> list[int]:
        return self._order[bisect.bisect_left(self._order, top) : bisect.bisect_right(self._order, bottom)]

    def _parse_all(self, rows: Sequence[int]) -> Iterator[tuple[int, Any]]:
        for chunk in self._chunks(rows):
            raw = [row for row in chunk if row not in self._parsed]
            fresh = dict(zip(raw, self._parse(raw), strict=True)) if raw else {}
            for row in chunk:
                yield row, fresh[row] if row in fresh else self._parsed[row]

    def _chunks(self, rows: Iterable[int]) -> Iterator[list[int]]:
        """Rows in runs that may be held parsed."""
        chunk: list[int] = []
        size = 0
        for row in rows:
            chunk.append(row)
            size += len(self._raw[row])
            if len(chunk) == _CHUNK or size > _CHUNK_BYTES:
                yield chunk
                chunk, size = [], 0
        if chunk:
            yield chunk

    @staticmethod
    def _cells(row: Any) -> Iterator[tuple[int, Any]]:
        column = 0
        for cell in row.iterchildren(C):
            reference = cell.get("r")
            column = COLUMNS[reference.rstrip("0123456789")] if reference else column + 1
            if column > LAST_COLUMN:
                raise BookError("the workbook is broken: a row has more cells than a sheet has columns")
            yield column, cell

    def values(self, area: Area) -> list[list[CellValue]]:
        """Values of a rectangle, row by row; BookError when it is too large to be read at once."""
        width = area.right - area.left + 1
        if (count := width * (area.bottom - area.top + 1)) > _LARGEST_AREA:
            raise BookError(
                Phrase(
                    "{sheet}!{area} has {count:,} cells, more than the {largest_area:,} that are "
                    "read at once",
                    sheet=self.name,
                    area=area,
                    count=count,
                    largest_area=_LARGEST_AREA,
                )
            )
        table: list[list[CellValue]] = [[None] * width for _ in range(area.bottom - area.top + 1)]
        slow = []
        for number in self._between(area.top, area.bottom):
            cells = self._plain_cells(number)
            if cells is None:
                slow.append(number)
                continue
            out = table[number - area.top]
            try:
                for k, ((column, _, _, is_number), text) in enumerate(
                    zip(cells.places, cells.values, strict=True)
                ):
                    if area.left <= column <= area.right:
                        if is_number and text:
                            out[column - area.left] = value = float(text)
                            if not math.isfinite(value):
                                raise ValueError
                        else:
                            out[column - area.left] = self._plain_value(cells, k, number)
            except ValueError:  # the slow way says what is wrong
                slow.append(number)
        for number, row in self._parse_all(slow):
            for column, cell in self._cells(row):
                if area.left <= column <= area.right:
                    table[number - area.top][column - area.left] = self._value(cell, number)
        return table

    def _plain_cells(self, row: int) -> PlainCells | None:
        """Cells of a row; None when it is held parsed, or something in it is unusual."""
        return None if row in self._parsed else self._plain.cells(self._raw[row])

    def _plain_value(self, cells: PlainCells, k: int, row: int) -> CellValue:
        """Value of the cell in place `k`."""
        _, kind, style, _ = cells.places[k]
        if kind == "inlineStr":
            return unescape(cells.texts[k].decode()) if cells.texts[k] else None
        if not cells.values[k]:
            return NO_VALUE if cells.formulas[k] else None
        return self._decode(kind, style, cells.values[k].decode(), row)

    def used(self) -> tuple[int, int]:
        """Last row and last column of the cells that hold something; zeros when none does."""
        self._seal()
        mark = b"<" + self._prefix + b"c"
        reference = re.compile(re.escape(mark) + rb"""(?=\s)[^<>]*?\sr\s*+=\s*+["']([A-Z]{1,3})\d""")
        holds = re.compile(rb"<" + re.escape(self._prefix) + rb"(?:v|is|f)[\s/>]")
        letters: set[bytes] = set()
        bottom = right = 0
        for row in self._order:
            if holds.search(self._raw[row]):
                letters.update(reference.findall(self._raw[row]))
                # Cells without a reference follow each other.
                bottom, right = row, max(right, self._raw[row].count(mark))
        return bottom, max([right, *(column_number(found.decode()) for found in letters)])

    def value(self, row: int, column: int) -> CellValue:
        """Value of one cell."""
        return self.values(Area(row, column, row, column))[0][0]

    def styles(self, area: Area) -> Iterator[tuple[int, int, str]]:
        """Row, column and style of the cells of a rectangle that have one."""
        for chunk in self._chunks(self._between(area.top, area.bottom)):
            plain = {row: self._plain_cells(row) for row in chunk}
            trees = dict(self._parse_all([row for row, cells in plain.items() if cells is None]))
            for row, found in plain.items():
                if found is not None:
                    cells: Iterable[tuple[int, str]] = ((place.column, place.style) for place in found.places)
                else:
                    cells = ((column, cell.get("s", "")) for column, cell in self._cells(trees[row]))
                yield from ((row, k, style) for k, style in cells if style and area.left <= k <= area.right)

    def _number(self, text: str | bytes, row: int) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if math.isfinite(number):
            return number
        said = show(text.decode() if isinstance(text, bytes) else text)
        raise BookError(
            Phrase(
                "the workbook is broken: sheet {sheet}, row {row}, holds the number {text}",
                sheet=self.name,
                row=row,
                text=said,
            )
        )

    def _value(self, cell: Any, row: int) -> CellValue:
        kind = cell.get("t", "n")
        if kind == "inlineStr":
            inline = cell.find(IS)
            return rich_text(inline) if inline is not None else None
        leaf = cell.find(V)
        if leaf is None or (not leaf.text and kind != "str"):
            return NO_VALUE if cell.find(F) is not None else None
        return self._decode(kind, cell.get("s", ""), leaf.text or "", row)

    def _decode(self, kind: str, style: str, text: str, row: int) -> CellValue:
        if kind == "n":
            number = self._number(text, row)
            return self.shared.date(number) if style in self.shared.date_styles else number
        if kind == "s":
            return self.shared.text(text)
        if kind == "str":
            return unescape(text)
        if kind == "b":
            return text.strip() in ("1", "true")
        if kind == "e":
            return ErrorCell(text)
        if kind == "d":
            try:
                moment = dt.datetime.fromisoformat(text.strip())
            except ValueError:
                return text
            return moment.date() if moment.time() == dt.time() else moment
        raise BookError(
            Phrase(
                "the workbook is broken: sheet {sheet}, row {row}, has a cell of type {kind}",
                sheet=self.name,
                row=row,
                kind=show(kind),
            )
        )

    def formulas(self, area: Area | None = None) -> Iterator[Formula]:
        """All formulas, children of a shared formula written out; in the order of the rows.

        Where children would come to too much text they read as :data:`~xlkmv.workbook.stale.ANYTHING`.
        """
        area = area or Area(1, 1, LAST_ROW, LAST_COLUMN)
        shared: dict[str, tuple[str, int, int]] = {}
        left = _MOST_SHARED
        # From the first row on: the text of a shared formula stands in its first cell.
        for row, column, text, said in self._formula_cells(area.bottom):
            kind = said.get("t", "")
            if kind == "shared" and text:
                shared[said.get("si", "")] = (text, row, column)
            if not (area.top <= row and area.left <= column <= area.right):
                continue
            if kind == "shared" and not text and said.get("si") in shared:
                text, first_row, first_column = shared[said["si"]]
                left -= len(text)
                text = shift(text, row - first_row, column - first_column) if left >= 0 else ANYTHING
            fills = Area(row, column, row, column)
            if kind == "array" and said.get("ref"):
                fills = parse_area(said["ref"])
            yield Formula(text, fills, kind)

    def _formula_cells(self, bottom: int) -> Iterator[tuple[int, int, str, Mapping[str, str]]]:
        """Row, column, text and attributes of the formulas down to a row."""
        for chunk in self._chunks(self._between(1, bottom)):
            plain = {
                row: None if row in self._parsed else self._plain.formulas(self._raw[row]) for row in chunk
            }
            trees = dict(self._parse_all([row for row, found in plain.items() if found is None]))
            for row, found in plain.items():
                if found is not None:
                    for column, text, said in found:
                        yield row, column, text, said
                    continue
                for column, cell in self._cells(trees[row]):
                    formula = cell.find(F)
                    if formula is not None:
                        yield row, column, formula.text or "", formula.attrib

    def merged(self) -> list[Area]:
        """Merged ranges of the sheet."""
        if self._merged is None:
            self._merged = [parse_area(attributes(m[1]).get("ref")) for m in _MERGED.finditer(self._tail)]
        return self._merged

    def filled(self, area: Area) -> tuple[Area, str, CellValue] | None:
        """Filled cells of a rectangle: the rectangle around them, the first, and its value; None if empty."""
        found = [
            (number, column)
            for number, row in self._rows(area.top, area.bottom)
            for column, cell in self._cells(row)
            if area.left <= column <= area.right and any(child.tag in (F, V, IS) for child in cell)
        ]
        if not found:
            return None
        columns = [column for _, column in found]
        around = Area(found[0][0], min(columns), found[-1][0], max(columns))
        return around, address(*found[0]), self.value(*found[0])

    # -- writing ----------------------------------------------------------------------------------

    def _row(self, row: int, create: bool = False) -> Any:
        """Element of a row, to be changed in place before the next row is asked for."""
        if row not in self._parsed:
            if len(self._parsed) >= _CHUNK or self._held > _CHUNK_BYTES:
                self._seal()
            if row not in self._raw:
                if not create:
                    return None
                self._raw[row] = b"<" + self._prefix + b'row r="%d"/>' % row
                bisect.insort(self._order, row)
            element = self._parse([row])[0]
            element.set("r", str(row))
            for column, cell in self._cells(element):
                if cell.get("r") is None:
                    cell.set("r", address(row, column))
            self._parsed[row] = element
            self._held += len(self._raw[row])
        return self._parsed[row]

    def _take(self, row: int, create: bool = False) -> tuple[Any, dict[int, Any]]:
        """Element of a row and its cells by column; None and none when there is no such row."""
        element = self._row(row, create)
        if element is None:
            return None, {}
        if self._in_hand[0] is not element:
            self._in_hand = element, dict(self._cells(element))
        return self._in_hand

    def _cell(self, row: int, column: int, create: bool = False) -> Any:
        element, cells = self._take(row, create)
        if element is None:
            return None
        if column in cells or not create:
            return cells.get(column)
        cell = etree.Element(C, r=address(row, column), nsmap=element.nsmap)
        before = max((found for found in cells if found < column), default=None)
        if before is None:
            element.insert(0, cell)
        else:
            cells[before].addnext(cell)
        cells[column] = cell
        self._touched.add(row)
        self._create(Area(row, column, row, column))
        spans = re.fullmatch(r"(\d{1,5}):(\d{1,5})", element.get("spans", ""))
        if spans:
            element.set("spans", f"{min(int(spans[1]), column)}:{max(int(spans[2]), column)}")
        return cell

    def set(self, row: int, column: int, value: Any) -> None:
        """Write a value; a formula in the cell stays and only its saved value changes.

        The same value again leaves the bytes of the cell as they are.
        """
        kind, text = encode(value, self.shared)
        cell = self._cell(row, column, create=kind != "")
        if cell is None:
            return
        formula = cell.find(F)
        if formula is not None:
            self.written.add((row, column))
            if kind == "":  # a formula always has some value; without one it would count as never calculated
                kind, text = "str", ""
        if self._holds(cell, kind, text):
            return
        for child in list(cell):
            if child.tag in (V, IS):
                cell.remove(child)
        for name in ("t", "vm"):
            cell.attrib.pop(name, None)
        if kind == "str" and formula is None:
            cell.set("t", "inlineStr")
            holder = etree.Element(IS)
            leaf = etree.SubElement(holder, T)
            cell.insert(0, holder)
        elif kind:
            if kind != "n":
                cell.set("t", kind)
            leaf = etree.Element(V)
            if formula is not None:
                formula.addnext(leaf)
            else:
                cell.insert(0, leaf)
        if kind:
            leaf.text = escape(text)
            if text != text.strip():
                leaf.set(_SPACE, "preserve")
        self._touched.add(row)
        self._mark([column], row, row)

    def _holds(self, cell: Any, kind: str, text: str) -> bool:
        """Tell whether a cell holds this very value already."""
        stored = cell.get("t", "n")
        leaf = cell.find(V)
        if stored == "s":
            return kind == "str" and leaf is not None and self.shared.text(leaf.text) == text
        if stored == "inlineStr":
            inline = cell.find(IS)
            return kind == "str" and inline is not None and rich_text(inline) == text
        if leaf is None or (not leaf.text and stored != "str"):
            return kind == ""
        if stored == "str":
            return kind == "str" and unescape(leaf.text or "") == text
        if kind == "n" and stored == "n":
            try:
                return float(leaf.text) == float(text)
            except ValueError:  # no number was there
                return False
        held: str = leaf.text
        return kind == stored and held == text

    def put(self, top: int, columns: Mapping[int, Sequence[Any]]) -> None:
        """Write columns of values from row `top` down, as :meth:`set` does cell by cell."""
        places = sorted(columns)
        cells = zip(*(columns[place] for place in places), strict=True)
        bottom = top + len(columns[places[0]]) - 1
        # The same cells of many rows change: they are marked as one run.
        fresh: tuple[int, ...] | None = ()
        since = top
        for row, values in enumerate(cells, top):
            told = [encode(value, self.shared) for value in values]
            try:
                found = self._put_plain(row, places, told)
            except UnicodeDecodeError:  # the slow way says what is wrong
                found = None
            if found is None:
                for place, value in zip(places, values, strict=True):
                    self.set(row, place, value)
            if found != fresh:
                self._mark(fresh or (), since, row - 1)
                fresh, since = found, row
        self._mark(fresh or (), since, bottom)

    def _put_plain(
        self, row: int, places: Sequence[int], told: Sequence[tuple[str, str]]
    ) -> tuple[int, ...] | None:
        """Write types and texts into the cells of a row; columns that change, None when it is unusual."""
        cells = self._plain_cells(row) if row in self._raw else None
        around = None if cells is None else self._plain.around(self._raw[row], cells)
        if cells is None or around is None:
            return None
        here = {place.column: k for k, place in enumerate(cells.places)}
        pieces: dict[int, bytes] = {}
        for column, (kind, text) in zip(places, told, strict=True):
            k = here.get(column)
            if k is None:
                if kind:
                    pieces[column] = self._plain.cell(row, column, kind, text)
                continue
            if cells.formulas[k]:
                if not kind:
                    return None
                self.written.add((row, column))
            if not self._holds_plain(cells, k, kind, text, row):
                style, formula = cells.places[k].style, cells.formulas[k]
                pieces[column] = self._plain.cell(row, column, kind, text, style, formula)
        if not pieces:
            return ()
        start, end = around
        if added := [column for column in pieces if column not in here]:
            self._create(Area(row, min(added), row, max(added)))
            start = _SPANS.sub(
                lambda m: b'spans="%d:%d"' % (min(int(m[1]), *added), max(int(m[2]), *added)), start
            )
        whole = dict(zip(here, cells.whole, strict=True)) | pieces
        order = sorted(whole) if added else whole
        self._raw[row] = start + b"".join([whole[column] for column in order]) + end
        self._patched = True
        return tuple(pieces)

    def _holds_plain(self, cells: PlainCells, k: int, kind: str, text: str, row: int) -> bool:
        """Tell whether the cell in place `k` holds this very value already."""
        stored = cells.places[k].kind
        if kind == "str":
            return stored in ("s", "str", "inlineStr") and self._plain_value(cells, k, row) == text
        if kind == "n":
            try:
                return stored == "n" and bool(cells.values[k]) and float(cells.values[k]) == float(text)
            except ValueError:  # no number was there
                return False
        if not kind:
            return not (cells.values[k] or cells.texts[k])
        return kind == stored and cells.values[k] == text.encode()

    def _mark(self, columns: Iterable[int], first: int, last: int) -> None:
        """Take notice of cells whose value changed."""
        for column in columns:
            self.changed.setdefault(column, []).append((first, last))

    def mark_area(self, area: Area) -> None:
        """Count all cells of a rectangle as changed, for formulas that depend on its size."""
        self._mark(range(area.left, area.right + 1), area.top, area.bottom)

    def _create(self, area: Area) -> None:
        """Take notice of new cells."""
        old = self._created or area
        self._created = Area(*map(min, old[:2], area[:2]), *map(max, old[2:], area[2:]))

    def forget(self, area: Area) -> None:
        """Drop the saved values of cells whose formula is out of date."""
        rows = self._between(area.top, area.bottom)
        if not area.one:
            # A cell is in one array formula only, so that all of them have no more rows than there are cells.
            if self._count is None:
                self._count = sum(self._raw[row].count(b"<" + self._prefix + b"c") for row in self._order)
            self._forgotten += len(rows)
            if self._forgotten > 2 * self._count:
                raise BookError(
                    Phrase("the workbook is broken: array formulas of sheet {sheet} overlap", sheet=self.name)
                )
        for row in rows:
            if area.one and row not in self._parsed and self._forget_plain(row, area.left):
                return
            _, cells = self._take(row)
            places = [area.left] if area.left == area.right else list(cells)
            for column in places:
                if column in cells and area.left <= column <= area.right:
                    self._forget(row, cells[column])

    def _forget_plain(self, row: int, column: int) -> bool:
        """Drop the saved value of one cell; False when its row is unusual."""
        cells = self._plain.cells(self._raw[row])
        around = None if cells is None else self._plain.around(self._raw[row], cells)
        if cells is None or around is None:
            return False
        whole = list(cells.whole)
        for k, place in enumerate(cells.places):
            if place.column == column and (cells.values[k] or cells.texts[k] or place.kind != "n"):
                whole[k] = self._plain.cell(row, column, "", "", place.style, cells.formulas[k])
                self._raw[row] = around[0] + b"".join(whole) + around[1]
                self._patched = True
        return True

    def _forget(self, row: int, cell: Any) -> None:
        for child in list(cell):
            if child.tag in (V, IS):
                cell.remove(child)
                self._touched.add(row)
        for name in ("t", "vm"):
            cell.attrib.pop(name, None)

    def extend(self, area: Area, bottom: int) -> None:
        """Lay out new rows beneath `area` down to `bottom`: styles of its first row, formulas of its last."""
        last = Area(area.bottom, area.left, area.bottom, area.right)
        formulas = {formula.area.left: formula for formula in self.formulas(last)}
        models: dict[int, Model] = {}
        for column in range(area.left, area.right + 1):
            first = self._cell(area.top, column)
            style = None if first is None else first.get("s")
            above = self._cell(area.bottom, column)
            if style is not None or column in formulas:
                kind = formulas[column].kind if column in formulas else ""
                models[column] = Model(style, kind, None if above is None else above.get("cm"))
        texts = {column: formula.text for column, formula in formulas.items()}
        alike = all(shift(text, 1, 0) == text for text in texts.values())
        made = self._plain.row("\0", models, texts) if alike else b""
        there = self._between(area.bottom + 1, bottom)
        fresh = sorted({*range(area.bottom + 1, bottom + 1)}.difference(there))
        for row in fresh if models else ():
            if alike:
                self._raw[row] = made.replace(b"\0", b"%d" % row)
            else:
                moved = {column: shift(text, row - area.bottom, 0) for column, text in texts.items()}
                self._raw[row] = self._plain.row(str(row), models, moved)
            self.added.update((row, column) for column in formulas)
        if models and fresh:
            self._order = sorted([*self._order, *fresh])
            self._create(Area(fresh[0], min(models), fresh[-1], max(models)))
            self._patched = True
        for row in there:
            for column, (style, _, metadata) in models.items():
                cell = self._cell(row, column, create=True)
                cell.attrib.pop("s", None)
                if style is not None:
                    cell.set("s", style)
                self._touched.add(row)
                if column in formulas:
                    formula = etree.SubElement(cell, F)
                    formula.text = shift(formulas[column].text, row - area.bottom, 0)
                    self.added.add((row, column))
                    if formulas[column].kind == "array":
                        formula.set("t", "array")
                        formula.set("ref", address(row, column))
                        if metadata is not None:
                            cell.set("cm", metadata)
        self.mark_area(area._replace(top=area.bottom + 1, bottom=bottom))

    def clear(self, area: Area) -> None:
        """Remove the cells of a rectangle, formulas and styles included."""
        for *_, said in self._formula_cells(LAST_ROW):
            if said.get("t") == "array" and said.get("ref"):
                fills = parse_area(said["ref"])
                alone = area.top <= fills.top and fills.bottom <= area.bottom
                if fills.overlaps(area) and not alone:
                    raise BookError(
                        Phrase(
                            "{sheet}!{area} cuts through the array formula in {fills}",
                            sheet=self.name,
                            area=area,
                            fills=fills,
                        )
                    )
        gone = {row for row in self._between(area.top, area.bottom) if self._clear_row(row, area)}
        self._order = [row for row in self._order if row not in gone]
        self.written = {cell for cell in self.written if not _inside(cell, area)}
        self.mark_area(area)

    def _clear_row(self, row: int, area: Area) -> bool:
        """Remove the cells of a row between two columns; True when nothing is left of it."""
        cells = self._plain_cells(row)
        around = None if cells is None else self._plain.around(self._raw[row], cells)
        if cells is None or around is None:
            return self._clear_tree(row, area)
        kept = []
        for whole, formula, (column, *_) in zip(cells.whole, cells.formulas, cells.places, strict=True):
            if area.left <= column <= area.right:
                if formula:
                    self._formula_goes(row, column, b't="shared"' in formula and not formula.endswith(b"/>"))
            else:
                kept.append(whole)
        self._patched |= len(kept) < len(cells.whole)
        self._raw[row] = around[0] + b"".join(kept) + around[1]
        if kept or set(_ATTRIBUTES.findall(around[0])) - {b"r", b"spans"}:
            return False
        del self._raw[row]
        self._patched = True
        return True

    def _formula_goes(self, row: int, column: int, shared: bool) -> None:
        if shared:
            raise BookError(
                Phrase(
                    "{sheet}!{cell} holds a formula that other cells share: overwrite it or copy the "
                    "column down again",
                    sheet=self.name,
                    cell=address(row, column),
                )
            )
        self.formula_gone = True

    def _clear_tree(self, row: int, area: Area) -> bool:
        element = self._row(row)
        for column, cell in list(self._cells(element)):
            if area.left <= column <= area.right:
                formula = cell.find(F)
                if formula is not None:
                    self._formula_goes(row, column, formula.get("t") == "shared" and bool(formula.text))
                element.remove(cell)
                self._in_hand = (None, {})
                self._touched.add(row)
        if len(element) or set(element.attrib) - {"r", "spans"}:
            return False
        del self._raw[row], self._parsed[row]
        self._touched.discard(row)
        self._patched = True
        return True

    def _update_dimension(self) -> None:
        """State the used range anew: wide enough for new cells, and no longer than the last filled row."""
        found = _DIMENSION.search(self._head)
        if found is None or not self._order:
            return
        old = parse_area(attributes(found[1]).get("ref"))
        mark = b"<" + self._prefix + b"c"
        last = next((row for row in reversed(self._order) if mark in self._raw[row]), old.top)
        new = self._created or old
        top, left = min(old.top, last, new.top), min(old.left, new.left)
        new = Area(top, left, max(last, top), max(old.right, new.right))
        self._head = (
            self._head[: found.start()] + renewed(found[0], "ref", str(new)) + self._head[found.end() :]
        )

    def folded(self) -> list[int]:
        """Columns that are folded away in an outline group."""
        columns: list[int] = []
        last = 0
        for match in _LAYOUT.finditer(self._head):
            first, end = _span(match)
            if not last < first <= end <= LAST_COLUMN:
                raise BookError(
                    Phrase(
                        "the workbook is broken: widths of sheet {sheet} are out of order", sheet=self.name
                    )
                )
            last = end
            if _is_folded(match):
                columns += range(first, end + 1)
        return columns

    def unfold(self, column: int) -> None:
        """Show a column that is folded away; others of its group stay as they are."""

        def shown(match: re.Match[bytes]) -> bytes:
            first, last = _span(match)
            if not (first <= column <= last and _is_folded(match)):
                return match[0]
            spans = ((first, column - 1), (column, column), (column + 1, last))
            items = [(low, high, _spanning(match[0], low, high)) for low, high in spans if low <= high]
            # Out of its group, too: Calc hides whatever stands in a group that is folded.
            return b"".join(_FOLDED.sub(b"", item) if low == column else item for low, _, item in items)

        self._head = _LAYOUT.sub(shown, self._head)
        self._patched = True

    def stretch(self, old: Area, bottom: int) -> None:
        """Let conditional formats and data validations of the whole of `old` reach down to `bottom`."""

        def follow(item: str) -> str:
            new = stretched(item, old, bottom)
            return item if new == item else str(parse_area(new))

        def areas(text: str) -> str:
            items = text.split()
            moved = [*map(follow, items)]
            return text if moved == items else " ".join(moved)

        def tag(match: re.Match[bytes]) -> bytes:
            return renewed(match[0], "sqref", areas(attributes(match[1]).get("sqref", "")))

        self._tail = _FOLLOWING.sub(tag, self._tail)
        self._tail = re.sub(
            rb"(<xm:sqref>)([^<]++)", lambda m: m[1] + areas(m[2].decode()).encode(), self._tail
        )

    def _seal(self) -> None:
        """Turn parsed rows back into bytes."""
        for row in self._touched:
            data = etree.tostring(self._parsed[row].getparent(), encoding="UTF-8")
            self._raw[row] = data[data.index(b">", data.index(b"sheetData")) + 1 : data.rindex(b"</")]
        self._patched |= bool(self._touched)
        self._touched.clear()
        self._parsed.clear()
        self._held = 0

    @property
    def touched(self) -> bool:
        """Whether anything of the part changed."""
        return self._patched or bool(self._touched) or self._tail != self._old_tail

    def to_bytes(self) -> bytes:
        """XML of the part with all changes."""
        self._seal()
        self._update_dimension()
        return self._head + b"".join(self._raw[row] for row in self._order) + self._tail


_SPANS = re.compile(rb'\bspans="(\d{1,5}):(\d{1,5})"')
_ATTRIBUTES = re.compile(rb"\s([\w:.-]++)=")
_ROW_NUMBER = re.compile(rb"""\sr\s*+=\s*+["'](\d++)["']""")
_DIMENSION, _MERGED, _LAYOUT = (tags(PREFIX + name) for name in (b"dimension", b"mergeCell", b"col"))
_FOLLOWING = tags(PREFIX + rb"(?:conditionalFormatting|dataValidation)")
_FOLDED = re.compile(rb"""\s(?:hidden="(?:1|true)"|outlineLevel="\d++")""")


def _span(layout: re.Match[bytes]) -> tuple[int, int]:
    """First and last of the columns that a layout is for; zeros when it does not say."""
    said = attributes(layout[1])
    first, last = (said.get(name, "") for name in ("min", "max"))
    known = all(re.fullmatch(r"\d{1,5}", text) for text in (first, last))
    return (int(first), int(last)) if known else (0, 0)


def _is_folded(layout: re.Match[bytes]) -> bool:
    said = attributes(layout[1])
    return "outlineLevel" in said and said.get("hidden") in ("1", "true")


def _spanning(item: bytes, first: int, last: int) -> bytes:
    """The same layout for other columns."""
    return renewed(renewed(item, "min", str(first)), "max", str(last))
