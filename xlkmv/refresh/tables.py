"""Write rows and figures into the tables and named cells of a workbook, where it has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from xlkmv.deal.analysis import NOT_IN_QUICK
from xlkmv.phrase import Phrase, Say, said
from xlkmv.refresh.reader import filled
from xlkmv.refresh.wording import said_again, speaker
from xlkmv.workbook import layout
from xlkmv.workbook.book import Book, Table, has_table
from xlkmv.workbook.layout import TableSpec

__all__ = [
    "NONE",
    "NOT_RUN",
    "SMALLEST_DRAWN",
    "kept_rows",
    "left_out",
    "table_of",
    "write_beside",
    "write_name",
    "write_rows",
    "write_title",
]

# Probabilities below this are drawn as this: a logarithmic axis has no zero.
SMALLEST_DRAWN = 1e-10

# In place of a figure that a quick look leaves out.
NOT_RUN = Phrase("not run")

# There is no such date, size or figure.
NONE = Phrase("none")


def write_title(book: Book, name: str, more: str | None = None) -> None:
    """Write the title of a chart that says more than what it is, in the language of the workbook.

    Parameters
    ----------
    book : Book
    name : str
        Of :data:`xlkmv.workbook.layout.DRAWN`.
    more : str, optional
        Why it has nothing to draw, or of whom it is.
    """
    if name in book.names():
        before, now = book.name(name).value, said(layout.drawn_title(name, more), speaker(book))
        if before != now:
            book.write_name(name, now)
            book.retitle({str(before): now})


def write_name(book: Book, name: str, value: Any) -> None:
    """Write the cell of a name in the language of the workbook; one that the user deleted is not wanted."""
    if name in book.names():
        book.write_name(name, _cell(value, speaker(book)))


def table_of(book: Book, spec: TableSpec) -> Table | None:
    """Find the table of a layout, also under an earlier name; None when the workbook has none."""
    for name in (spec.name, spec.formerly):
        if has_table(book, name):
            table = book.table(name)
            if spec.describes(table.header):
                return table
    return None


def kept_rows(book: Book, spec: TableSpec) -> list[list[Any]]:
    """Rows of results that earlier refreshes have left; none where the table is gone."""
    found = table_of(book, spec)
    if found is None:
        return []
    # By heading: the user may have moved, added or deleted columns.
    headings = [c.heading(found.has) for c in spec.results]
    kept = [found.column(h) if found.has(h) else [None] * len(found.rows) for h in headings]
    again = said_again(book)
    return [
        [again.get(x, x) for x in row] for row in zip(*kept, strict=True) if any(x is not None for x in row)
    ]


def write_rows(book: Book, spec: TableSpec, rows: Iterable[Sequence[Any]], resize: bool = True) -> None:
    """Write rows of results; none where the table is gone, nor columns that the user has deleted.

    Parameters
    ----------
    book : Book
    spec : TableSpec
    rows : iterable of sequence
        In the order of the table's columns of results.
    resize : bool
        Whether the table takes as many rows; otherwise it keeps its own.
    """
    found = table_of(book, spec)
    if found is None:
        return
    say = speaker(book)
    cells = [[_cell(value, say) for value in row] for row in rows]
    columns: list[Sequence[Any]] = list(zip(*cells, strict=True)) if cells else [()] * len(spec.results)
    headings = [c.heading(found.has) for c in spec.results]
    wanted = {h: column for h, column in zip(headings, columns, strict=True) if found.has(h)}
    # What nobody fills any more must not stand beside new figures.
    wanted |= {h: [None] * len(cells) for h in spec.retired if found.has(h)}
    book.write_table(found.name, wanted, resize=resize)


def write_beside(book: Book, spec: TableSpec, rows: Sequence[Sequence[Any]]) -> None:
    """Write results beside the inputs they belong to; the table keeps its rows, the blank ones too."""
    table = book.table(spec.name)
    cells: list[Sequence[Any]] = [[None] * len(spec.results)] * len(table.rows)
    for place, row in zip(filled(table, spec).places, rows, strict=True):
        cells[place] = row
    write_rows(book, spec, cells, resize=False)


def _cell(value: Any, say: Say) -> Any:
    """Turn a result into a cell; a distance or coverage without end is said in a word."""
    if isinstance(value, (float, np.floating)) and not np.isfinite(value):
        value = NONE if np.isnan(value) else Phrase("covered") if value > 0 else Phrase("short")
    if isinstance(value, Phrase):
        return said(value, say)
    return value.item() if isinstance(value, np.generic) else value


def left_out(spec: TableSpec) -> list[list[Any]]:
    """One row that says why a table has no figures."""
    return [[NOT_IN_QUICK, *[None] * (len(spec.results) - 1)]]
