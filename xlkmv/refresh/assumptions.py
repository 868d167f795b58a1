"""The assumptions of a workbook: what its orange cells hold."""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from xlkmv.deal.figures import TWO_DECIMALS, figure
from xlkmv.functions.cells import is_blank
from xlkmv.language import ENGLISH, catalogue
from xlkmv.memo.content import Assumption
from xlkmv.phrase import Phrase, Say, said
from xlkmv.workbook import layout
from xlkmv.workbook.address import Area
from xlkmv.workbook.book import Book, Table, has_table
from xlkmv.workbook.layout import Column, TableSpec

__all__ = ["read_assumptions"]

# Units of one, by those of several.
OF_ONE = {"periods": Phrase("period")}


def read_assumptions(book: Book, language: str = ENGLISH) -> tuple[Assumption, ...]:
    """List the orange cells of the tables of inputs.

    A row of a labelled table is a line; of other tables a column is, and columns that differ by their date
    or horizon only are one together.

    Parameters
    ----------
    book : Book
    language : str
        A key of :data:`~xlkmv.language.LANGUAGES`, of the words of the product; what else a cell holds stays
        as it is.

    Returns
    -------
    tuple of Assumption
        In the order of the layout: pool and classes first.
    """
    specs = [spec for spec in layout.TABLES.values() if spec.inputs and has_table(book, spec.name)]
    return tuple(line for spec in specs for line in _of_table(book, spec, language))


def _of_table(book: Book, spec: TableSpec, language: str) -> Iterator[Assumption]:
    table = book.table(spec.name)
    rows = range(len(table.rows))
    orange = {(row, k) for row, k in book.coloured(spec.name, layout.ASSUMED_FILL) if row in rows}
    marked = [(row, k) for row, k in orange if not is_blank(table.rows[row][k])]
    kinds = [_kind(spec, header) for header in table.header]
    first = [kinds.index(kind) for kind in kinds]

    def by(cell: tuple[int, int]) -> int:
        """Row of a labelled table; of others the first column of the kind."""
        row, k = cell
        return row if spec.name in layout.LABELLED else first[k]

    marked.sort(key=lambda cell: (by(cell), cell))
    for _, cells in itertools.groupby(marked, key=by):
        yield _line(spec, table, list(cells), language)


def _column(spec: TableSpec, header: str) -> Column | None:
    """Column of a layout under one of its headings; None: it is the user's, or of a date."""
    wanted = " ".join(header.split()).casefold()
    return next((c for c in spec.columns if wanted in map(str.casefold, (c.header, *c.aliases))), None)


def _kind(spec: TableSpec, header: str) -> str:
    """What a column is about: its field; "" for amounts by date, and one word for all horizons."""
    column = _column(spec, header)
    if column is None:
        return ""
    return "rates" if spec is layout.CLASS_SCALE and column.kind == "number" else column.field


def _line(spec: TableSpec, table: Table, cells: list[tuple[int, int]], language: str) -> Assumption:
    rows, columns = sorted({row for row, _ in cells}), sorted({k for _, k in cells})
    area = Area(table.top + rows[0], table.left + columns[0], table.top + rows[-1], table.left + columns[-1])
    values = [table.rows[row][k] for row, k in cells]
    say = catalogue(language).gettext
    unit, words = "", True
    if spec.name in layout.LABELLED:
        label = str(table.rows[rows[0]][0]).strip()
        items = (item for item in layout.LABELLED[spec.name] if item.label.casefold() == label.casefold())
        item = next(items, None)
        label, shown = (label, layout.TEXT) if item is None else (say(item.label), item.format)
        header = next((h for h in ("Unit", "Figure is") if table.has(h)), "")
        if header and isinstance(values[0], float) and not is_blank(table.column(header)[rows[0]]):
            named = str(table.column(header)[rows[0]])
            unit = f" {say(OF_ONE.get(named, named) if values[0] == 1.0 else named)}"
    else:
        ends = [(table.header[k], _column(spec, table.header[k])) for k in (columns[0], columns[-1])]
        column = ends[0][1]
        shown = layout.MONEY if column is None else column.format
        words = column is not None and bool(column.choices)
        first, last = (header if column is None else column.spoken(language) for header, column in ends)
        what = re.split("[:,：，]", spec.spoken(language))[0]
        which = f"{first} – {last}" if len(columns) > 1 else first
        label = said(Phrase("{table}: {column}", table=what, column=which), say)
    if words:
        values = [say(x) if isinstance(x, str) else x for x in values]
    value = _range(values, shown) + unit
    return Assumption(f"{table.sheet}!{area}", label, value, _basis(table, rows, say), len(cells))


def _range(values: Sequence[Any], shown: str) -> str:
    """Write numbers as least and largest, words as the first of them."""
    if all(isinstance(x, float) for x in values):
        values = [min(values), max(values)]
    words = list(dict.fromkeys(_shown(x, shown) for x in values))
    return " – ".join(words) if len(words) <= 2 else f"{words[0]}, {words[1]}, …"


def _shown(value: Any, shown: str) -> str:
    """Write a value much as its cell shows it."""
    if isinstance(value, dt.date):
        return f"{value:%Y-%m-%d}"
    if not isinstance(value, float):
        return str(value)
    if shown.endswith("%"):  # what two decimals would make 0.00 % keeps the digits that were typed
        return f"{figure(100.0 * value, '.2f' if value == 0.0 or abs(value) >= TWO_DECIMALS else '.3G')}%"
    return f"{value:,.0f}" if shown == layout.MONEY else f"{value:,.10g}"


def _basis(table: Table, rows: list[int], say: Say) -> str:
    """What the table says of the rows, or of most of them."""
    if not table.has("Basis"):
        return ""
    column = table.column("Basis")
    found = Counter(say(str(column[row])) for row in rows if not is_blank(column[row]))
    return next((f"{text} …" if len(found) > 1 else text for text, _ in found.most_common(1)), "")
