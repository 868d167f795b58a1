"""Marks of the inputs: figures that change when an input does.

Sheet Changes lists them. A formula of the sheet computes each one now, refresh writes what it was then:
where the two differ, the results are stale, with or without Python. Formula and function stand side by
side here.

A pool may have millions of numbers, so the money of a table, on however many dates, has one mark, of one
product a cell; what is small beside money has a mark a column, or its changes would be lost in the last
digits of the sum.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from xlkmv.refresh.reader import Reader
from xlkmv.workbook import layout

__all__ = ["input_mark", "mark_formula", "read_marks", "table_mark"]

# Heading of the columns that a formula of the sheet fills.
SHOWN = layout.POOL.column("share").header
# Characters of a heading that count.
CHARACTERS = 10
# Places are spread over [PRIME, 2 PRIME): all about as heavy, none as heavy as its neighbours.
PRIME, STEP = 99_991, 61_803


def input_mark(values: Sequence[Any], *, spread: bool = True) -> float:
    """Mark a column.

    Sum over rows of ``spread(row) x number``, and for a text ``spread(row) x (length + 7 first
    character + 13 last character)``, characters as Unicode points.

    Parameters
    ----------
    values : sequence
        Cells.
    spread : bool
        False: rows count as 1, 2, 3 ..., as they did in the first edition.

    Returns
    -------
    float
    """
    return float(np.dot(_places(len(values), spread), np.array([_figure(x) for x in values], float)))


def table_mark(
    header: Sequence[str], rows: Sequence[Sequence[Any]], apart: Iterable[str] = (), *, spread: bool = True
) -> float:
    """Mark the numbers of a table: one that changes or moves, and a heading that changes, changes it.

    Sum over rows and columns of ``spread(row) x spread(heading) x number``. A heading counts as the
    sum over its first characters of ``place x Unicode point``, padded with spaces: columns may change
    places.

    Parameters
    ----------
    header : sequence of str
        Headings, as the workbook has them.
    rows : sequence of sequence
        Cells.
    apart : iterable of str
        Headings of columns that count nothing.
    spread : bool
        False: rows count as 1, 2, 3 ... and headings as they are, as they did in the first edition.

    Returns
    -------
    float
    """
    places, left_out = _places(len(rows), spread), {text.casefold() for text in apart}
    total = 0.0
    for k, text in enumerate(header):
        if text.casefold() not in left_out:
            points = sum(p * ord(c) for p, c in enumerate(text[:CHARACTERS].ljust(CHARACTERS), 1))
            numbers = np.array([0.0 if isinstance(x := row[k], str) else _figure(x) for row in rows], float)
            total += (_spread(points) if spread else points) * float(np.dot(places, numbers))
    return total


def _places(count: int, spread: bool) -> npt.NDArray[np.float64]:
    rows = np.arange(1, count + 1)
    return np.asarray(_spread(rows) if spread else rows, float)


def _spread(k: Any) -> Any:
    return PRIME + k * STEP % PRIME


def _figure(value: Any) -> float:
    """Figure of a cell: its number, what stands for its text, or 0."""
    if type(value) is float:
        return value
    if value is None or isinstance(value, bool):
        return 0.0
    if isinstance(value, str):
        length = len(value.encode("utf-16-le")) // 2
        return float(length + 7 * ord(value[0]) + 13 * ord(value[-1])) if value else 0.0
    if isinstance(value, dt.datetime):
        return (value - dt.datetime(1899, 12, 30)) / dt.timedelta(days=1)
    if isinstance(value, dt.date):
        return float((value - dt.date(1899, 12, 30)).days)
    return float(value) if isinstance(value, (int, float)) else 0.0


def _apart(name: str) -> list[str]:
    """Headings of a table that have a mark of their own, or none: what follows from the others."""
    results = [c.header for c in layout.TABLES[name].results] if name in layout.TABLES else []
    return [
        *(SHOWN, *results),
        *(header for table, header in layout.input_columns() if table == name and header),
    ]


def mark_formula(name: str, header: str) -> str:
    """Write a mark as a formula.

    Parameters
    ----------
    name : str
        Of the table, or of the one cell.
    header : str
        Of the column; "": numbers of the table that have no mark of their own.

    Returns
    -------
    str
    """
    if not header:
        headings, cells = f"{name}[#Headers]", f"{name}[#Data]"  # the bare name has the headings for Calc
        padded = f'{headings}&REPT(" ",{CHARACTERS})'
        points = "+".join(f"{p}*_xlfn.UNICODE(MID({padded},{p},1))" for p in range(1, CHARACTERS + 1))
        counted = "*".join(f'({headings}<>"{text}")' for text in _apart(name))
        # Headings first: only one product has the size of the table.
        return f"=SUMPRODUCT({_row_formula(cells)}*({_spread_formula(points)}*{counted}),{cells})"
    cells = name if header == layout.ONE_CELL else f"{name}[{header}]"
    row = _row_formula(cells)
    first, last = f'_xlfn.UNICODE({cells}&" ")', f'_xlfn.UNICODE(RIGHT(" "&{cells},1))'
    # A formula may show a text of no characters: that is nothing, as in a blank cell.
    texts = f"ISTEXT({cells})*(LEN({cells})>0)"
    words = f"SUMPRODUCT({texts}*(LEN({cells})+7*{first}+13*{last})*{row})"
    words = f"IF(COUNTA({cells})=COUNT({cells}),0,{words})"
    # A column that has been deleted, or is blank, costs nothing.
    return f"=IF(ISERROR(ROWS({cells})),0,IF(COUNTA({cells})=0,0,SUMPRODUCT({cells},{row})+{words}))"


def _row_formula(cells: str) -> str:
    return _spread_formula(f"ROW({cells})-MIN(ROW({cells}))+1")


def _spread_formula(k: str) -> str:
    return f"({PRIME}+MOD(({k})*{STEP},{PRIME}))"


def read_marks(reader: Reader) -> list[tuple[str, str, float]]:
    """Read the marks that a workbook lists: one of another edition lists others.

    Parameters
    ----------
    reader : Reader

    Returns
    -------
    list of (str, str, float)
        Table, column and mark; none when the workbook has no such list.
    """
    listed = reader.as_is(layout.INPUT.name)
    if listed is None or not (listed.has("Table") and listed.has("Column")):
        return []
    lines = [(str(a), str(b)) for a, b in zip(listed.column("Table"), listed.column("Column"), strict=True)]
    # The first edition asked for shares, and marked them with the other numbers.
    first = (layout.POOL.name, SHOWN) in lines
    return [(name, header, _mark(reader, name, header, first)) for name, header in lines]


def _mark(reader: Reader, name: str, header: str, first: bool) -> float:
    """Mark of one line; 0 for what is not there."""
    if header == layout.ONE_CELL:
        there = name in reader.book.names()
        return input_mark([reader.book.name(name).value], spread=not first) if there else 0.0
    found, table = reader.found(name), reader.as_is(name)
    if found is None or table is None:
        return 0.0
    if header == layout.OTHER_NUMBERS:
        return table_mark(table.header, table.rows, _apart(name))
    if header == layout.ALL_NUMBERS:
        return table_mark(table.header, table.rows, () if first else (SHOWN,), spread=False)
    return input_mark(found.column(header), spread=not first) if found.has(header) else 0.0
