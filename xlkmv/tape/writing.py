"""A tape into the pool of a workbook, by table and heading."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from xlkmv.errors import BookError, show
from xlkmv.phrase import Phrase
from xlkmv.tape.headings import FIELDS, fold, heading_date, recognise
from xlkmv.tape.result import Tape
from xlkmv.workbook import layout
from xlkmv.workbook.book import Book, Table

__all__ = ["WorkbookTerms", "import_tape", "workbook_terms"]

SHARE = layout.POOL.column("share").header


class WorkbookTerms(NamedTuple):
    """What a workbook says that the reading of a tape needs.

    Attributes
    ----------
    closing : date or None
    grades : tuple of str
        Of its rating scale.
    """

    closing: dt.date | None
    grades: tuple[str, ...]


def workbook_terms(book: Book) -> WorkbookTerms:
    """Read closing date and rating scale of a workbook; None or empty where it has none."""
    closing = next((item.label for item in layout.TERM_ROWS if item.field == "closing"), "")
    terms = _table(book, layout.TERM.name)
    found = None
    if terms is not None and terms.has("Term") and terms.has("Value"):
        values = {
            fold(str(label)): value
            for label, value in zip(terms.column("Term"), terms.column("Value"), strict=True)
        }
        found = values.get(fold(closing))
    scale, grade = _table(book, layout.SCALE.name), layout.SCALE.column("grade").header
    grades = scale.column(grade) if scale is not None and scale.has(grade) else []
    date = found.date() if isinstance(found, dt.datetime) else found
    return WorkbookTerms(
        date if isinstance(date, dt.date) else None,
        tuple(str(grade).strip() for grade in grades if grade not in (None, "")),
    )


def _table(book: Book, name: str) -> Table | None:
    try:
        return book.table(name)
    except BookError:
        return None


def import_tape(tape: Tape, book: Book, *, skip_bad: bool = False) -> int:
    """Replace all rows of a workbook's pool by those of a tape; the caller saves the workbook.

    Columns of the pool that the tape does not have are cleared, those that the user has added stay.

    Parameters
    ----------
    tape : Tape
        From :func:`~xlkmv.tape.reading.read_tape` or :func:`~xlkmv.tape.lines.group`.
    book : Book
    skip_bad : bool
        Whether rows that were refused are left out; otherwise one of them stops the import.

    Returns
    -------
    int
        Number of rows that were written.

    Raises
    ------
    BookError
        Rows were refused, none is left, or the pool lacks a column that the tape needs; nothing has
        been written.
    """
    report = tape.report
    if report.refused and not skip_bad:
        what = Phrase("row") if report.refused_rows == 1 else Phrase("rows")
        raise BookError(
            Phrase(
                "{refused_rows:,} {what} of the tape {tape} cannot be used, with a balance of "
                "{refused_money:,.2f}: mend them, or leave them out (--skip-bad)",
                refused_rows=report.refused_rows,
                what=what,
                tape=tape.name,
                refused_money=report.refused_money,
            )
        )
    if tape.rows.empty:
        raise BookError(Phrase("no row of the tape {tape} can be used", tape=tape.name))
    table = book.table(layout.POOL.name)
    columns = _columns(tape, table)
    book.write_table(table.name, columns, resize=True)
    left = [heading for heading in table.header if heading not in columns]
    if left:
        report.notes.append(
            Phrase(
                "Columns of the pool that are the user's own keep what they hold: {options}.",
                options=", ".join(left),
            )
        )
    return len(tape.rows)


def _columns(tape: Tape, table: Table) -> dict[str, list[Any]]:
    """Values of all columns of the pool's table that an import fills or clears."""
    blank: list[Any] = [None] * len(tape.rows)
    columns = {heading: blank for heading in table.header if _is_pools(heading)}
    places = _places(table)
    given = {field: _cells(tape.rows[field]) for field in tape.rows}
    _refuse_missing([f for f, values in given.items() if f not in places and values != blank], table)
    for field, values in given.items():
        if field in places:
            columns[places[field]] = values
    dates = {heading_date(heading): heading for heading in table.header if heading_date(heading) is not None}
    _refuse_other_dates([d for d in tape.schedule if d not in dates], sorted(d for d in dates if d), table)
    by_terms = (
        tape.rows["term"].notna().to_numpy() if "term" in tape.rows else np.zeros(len(tape.rows), np.bool_)
    )
    for date, heading in dates.items():
        flows = tape.schedule[date].to_numpy() if date in tape.schedule else np.zeros(len(tape.rows))
        # What a loan pays follows from its terms; who pays by dates pays nothing on the others.
        columns[heading] = [None if loan else x for loan, x in zip(by_terms, flows.tolist(), strict=True)]
    if table.has(SHARE):
        amounts = tape.rows["amount"]
        columns[table.header[table.index(SHARE)]] = (amounts / amounts.sum()).tolist()
    return columns


def _is_pools(heading: str) -> bool:
    """Whether a column belongs to the pool, so that nothing of the earlier rows may stay in it."""
    known = {fold(c.header) for c in layout.POOL.columns}
    return fold(heading) in known or recognise(heading) is not None


def _places(table: Table) -> dict[str, str]:
    """Heading of each field in the table; another name of a field counts where its own is not there."""
    found: dict[str, str] = {}
    for heading in table.header:
        match = recognise(heading)
        if match is not None and (match.field.name not in found or fold(heading) == fold(match.field.title)):
            found[match.field.name] = heading
    return found


def _cells(column: Any) -> list[Any]:
    return [None if value != value else value for value in column.astype(object)]


def _refuse_missing(fields: Sequence[str], table: Table) -> None:
    if fields:
        names = ", ".join(show(FIELDS[f].title) for f in fields)
        raise BookError(
            Phrase(
                "table {table} on sheet {sheet} has no column {names}, which the tape fills: add "
                "it, start from a fresh workbook (xlkmv new), or leave the column of the tape "
                "out by a map",
                table=table.name,
                sheet=table.sheet,
                names=names,
            )
        )


def _refuse_other_dates(dates: Sequence[dt.date], there: Sequence[dt.date], table: Table) -> None:
    if dates:
        listed = ", ".join(map(str, dates[:4])) + (" ..." if len(dates) > 4 else "")
        has = Phrase("it has none")
        if there:
            has = Phrase("it has {first} to {last}", first=there[0], last=there[-1])
        raise BookError(
            Phrase(
                "table {table} on sheet {sheet} has no column for collections on {listed} "
                "({has}): add columns headed by these dates, or start from a workbook that has one for each "
                "payment date (xlkmv new, with --schedule)",
                table=table.name,
                sheet=table.sheet,
                listed=listed,
                has=has,
            )
        )
