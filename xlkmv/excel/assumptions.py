"""The assumptions of a workbook: what its orange cells hold."""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from xlkmv.excel import layout
from xlkmv.excel.address import Area
from xlkmv.excel.book import Book, Table
from xlkmv.excel.cells import is_blank
from xlkmv.excel.layout import TableSpec
from xlkmv.memo.content import Assumption

__all__ = ["read_assumptions"]

# Tables whose rows are things of their own, each with a label in the first column.
LABELLED = (layout.TERM, layout.CONTROL)


def read_assumptions(book: Book) -> tuple[Assumption, ...]:
    """List the orange cells of the tables of inputs.

    A row of a labelled table is a line; of other tables a column is, and columns without a heading of
    their own, such as those of dates, are one together.

    Parameters
    ----------
    book : Book

    Returns
    -------
    tuple of Assumption
        In the order of the layout: pool and classes first.
    """
    here = {name.casefold() for name in book.tables()}
    specs = [spec for spec in layout.TABLES.values() if spec.inputs and spec.name.casefold() in here]
    return tuple(line for spec in specs for line in _of_table(book, spec))


def _of_table(book: Book, spec: TableSpec) -> Iterator[Assumption]:
    table = book.table(spec.name)
    marked = book.coloured(spec.name, layout.ASSUMED_FILL)
    marked = {(row, k) for row, k in marked if not is_blank(table.rows[row][k])}
    if spec in LABELLED:
        groups = [[cell] for cell in sorted(marked)]
    else:
        by_column = sorted(marked, key=lambda cell: (cell[1], cell[0]))
        known = {k: _field(spec, header) for k, header in enumerate(table.header)}
        # Columns that are not of the layout are of money, by date.
        groups = [
            list(group)
            for _, group in itertools.groupby(by_column, key=lambda cell: known[cell[1]] or len(table.header))
        ]
    for cells in groups:
        yield _line(spec, table, cells)


def _field(spec: TableSpec, header: str) -> str:
    """Field of a column; "" where the layout has none of this heading. Horizons of a scale are one."""
    wanted = " ".join(header.split()).casefold()
    for c in spec.columns:
        if wanted in {name.casefold() for name in (c.header, *c.aliases)}:
            return "rates" if spec is layout.CLASS_SCALE and c.kind == "number" else c.field
    return ""


def _line(spec: TableSpec, table: Table, cells: list[tuple[int, int]]) -> Assumption:
    rows, columns = sorted({row for row, _ in cells}), sorted({k for _, k in cells})
    area = Area(table.top + rows[0], table.left + columns[0], table.top + rows[-1], table.left + columns[-1])
    first = table.header[columns[0]]
    if spec in LABELLED:
        label = str(table.rows[rows[0]][0])
    else:
        what = re.split("[:,]", spec.title)[0]
        label = f"{what}: {first}" + (f" – {table.header[columns[-1]]}" if len(columns) > 1 else "")
    shown = [_shown(table.rows[row][k], _format(spec, table, row, k)) for row, k in cells]
    numbers = [x for row, k in cells if isinstance(x := table.rows[row][k], float)]
    if len(numbers) == len(cells):
        low, high = min(numbers), max(numbers)
        kind = _format(spec, table, *cells[0])
        values = [_shown(low, kind), _shown(high, kind)]
    else:
        values = list(dict.fromkeys(shown))
    value = " – ".join(dict.fromkeys(values)) if len(values) <= 2 else f"{values[0]}, {values[1]}, …"
    unit = next((h for h in ("Unit", "Figure is") if spec in LABELLED and numbers and table.has(h)), "")
    if unit and not is_blank(said := table.column(unit)[rows[0]]):
        value = f"{value} {said}"
    return Assumption(f"{table.sheet}!{area}", label, value, _basis(table, rows), len(cells))


def _format(spec: TableSpec, table: Table, row: int, column: int) -> str:
    """Number format of a cell of inputs."""
    if spec is layout.TERM:
        label = str(table.rows[row][0]).strip().casefold()
        return next((item.format for item in layout.TERM_ROWS if item.label.casefold() == label), layout.TEXT)
    if spec is layout.CONTROL:
        label = str(table.rows[row][0]).strip().casefold()
        rows = layout.CONTROL_ROWS
        return next((item.format for item in rows if item.label.casefold() == label), layout.TEXT)
    wanted = " ".join(table.header[column].split()).casefold()
    found = (c.format for c in spec.columns if wanted in {n.casefold() for n in (c.header, *c.aliases)})
    return next(found, layout.MONEY)


def _shown(value: Any, shown: str) -> str:
    """Write a value much as its cell shows it."""
    if isinstance(value, dt.date):
        return f"{value:%Y-%m-%d}"
    if not isinstance(value, float):
        return str(value)
    if shown.endswith("%"):
        return f"{value:.2%}"
    return f"{value:,.0f}" if shown == layout.MONEY else f"{value:,.10g}"


def _basis(table: Table, rows: list[int]) -> str:
    """What the table says of the rows, or of most of them."""
    if not table.has("Basis"):
        return ""
    column = table.column("Basis")
    said = Counter(str(column[row]) for row in rows if not is_blank(column[row]))
    return next((f"{text} …" if len(said) > 1 else text for text, _ in said.most_common(1)), "")
