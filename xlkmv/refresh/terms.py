"""The table of terms, and the payment dates: from its rows, or from the headings of the pool.

Rows are found by their label, in any order. A row of a later edition may be missing: its term is
then what it was before there was such a row.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from xlkmv.deal.terms import payment_dates
from xlkmv.errors import InputError, Problem
from xlkmv.functions.cells import is_blank
from xlkmv.phrase import Phrase
from xlkmv.refresh.reader import Reader
from xlkmv.workbook import layout
from xlkmv.workbook.address import address
from xlkmv.workbook.book import Table
from xlkmv.workbook.layout import TableSpec

__all__ = ["PayDates", "TermCells", "defaults", "labelled", "read_payment_dates", "read_term_cells"]

VALUE = layout.TERM.column("value").header


def defaults(part: type) -> dict[str, Any]:
    """Values of the fields of a part of the deal that may be left out."""
    return {f.name: f.default for f in fields(part) if f.default is not MISSING}


def labelled(
    reader: Reader, spec: TableSpec, wanted: Iterable[str], former: Mapping[str, str] | None = None
) -> tuple[Table | None, dict[str, int]]:
    """Find the rows of a table of labelled rows; report those that are missing or there twice.

    Parameters
    ----------
    reader : Reader
        Keeps the problems.
    spec : TableSpec
        Its first column holds the labels.
    wanted : iterable of str
        Labels that must be there.
    former : mapping of str to str, optional
        Labels of now by those of older workbooks, both in one case.

    Returns
    -------
    Table or None
    dict
        Row by label, in one case.
    """
    table = reader.table(spec)
    if table is None or not table.has(spec.columns[0].header):
        return None, {}
    header = spec.columns[0].header
    rows: dict[str, int] = {}
    for row, label in enumerate(table.column(header)):
        key = "" if is_blank(label) else str(label).strip().casefold()
        key = (former or {}).get(key, key)
        if key in rows:
            reader.fail(table, row, header, Phrase("is there twice: only one row may bear this label"))
        elif key:
            rows[key] = row
    for label in wanted:
        if label.casefold() not in rows:
            cell = address(table.top, table.left)
            reader.report(
                Problem(
                    table.sheet,
                    cell,
                    None,
                    Phrase("table {table} has no row '{label}'", table=spec.name, label=label),
                )
            )
    return table, rows


@dataclass(frozen=True)
class TermCells:
    """Values of the table of terms by field; None where a cell is blank, or wrong and reported."""

    reader: Reader
    table: Table | None = None
    rows: dict[str, int] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)

    def given(self, part: type) -> dict[str, Any]:
        """Fields of a part of the deal: what the cells say, defaults where a row may be left blank."""
        usual = defaults(part)
        names = {f.name for f in fields(part)}
        later = {item.field for item in layout.TERM_ROWS if item.blank}
        found = {
            name: value
            for name, value in self.values.items()
            if name in names and not (value is None and name in later)
        }
        return usual | found

    def filled(self, name: str) -> bool:
        """Whether the cell of a field holds anything."""
        row = self.rows.get(name)
        return self.table is not None and row is not None and not self.reader.is_blank(self.table, row, VALUE)

    def fail(self, name: str, rule: str) -> bool:
        """Report the cell of a field; False when its row is missing."""
        row = self.rows.get(name)
        if self.table is None or row is None:
            return False
        self.reader.fail(self.table, row, VALUE, rule)
        return True


def read_term_cells(reader: Reader) -> TermCells:
    """Read every row of the table of terms.

    Parameters
    ----------
    reader : Reader
        Keeps the problems.

    Returns
    -------
    TermCells
        Without a table when it is missing.
    """
    table, found = labelled(reader, layout.TERM, [r.label for r in layout.TERM_ROWS if not r.blank])
    if table is None or not table.has(VALUE):
        return TermCells(reader)
    rows = {r.field: found[r.label.casefold()] for r in layout.TERM_ROWS if r.label.casefold() in found}
    values: dict[str, Any] = {}
    for item in layout.TERM_ROWS:
        values[item.field] = None
        if item.field in rows:
            values[item.field] = reader.value(table, rows[item.field], VALUE, item)
    if isinstance(values["oc_target"], str):
        values["oc_target"] = values["oc_target"].casefold()
    return TermCells(reader, table, rows, values)


# ---------------------------------------------------------------------------- payment dates


@dataclass(frozen=True, slots=True)
class PayDates:
    """Payment dates of the plan.

    Attributes
    ----------
    dates : tuple of date
        All of them, in order; none when nobody can say.
    columns : tuple of (str, date)
        Headings of the pool that are dates, in the order of its table.
    pool : Table or None
        The table with these headings.
    """

    dates: tuple[dt.date, ...] = ()
    columns: tuple[tuple[str, dt.date], ...] = ()
    pool: Table | None = None

    @property
    def headings(self) -> list[str]:
        """Headings of the pool that are dates."""
        return [heading for heading, _ in self.columns]

    @property
    def places(self) -> list[int]:
        """Position among the payment dates of each heading."""
        place = {date: k for k, date in enumerate(self.dates)}
        return [place[date] for _, date in self.columns]

    def report(self, reader: Reader, date: dt.date, rule: str) -> None:
        """Report a payment date at its heading; one that follows from the terms has none."""
        for heading, found in self.columns:
            if found == date and self.pool is not None:
                cell = address(self.pool.top - 1, self.pool.left + self.pool.index(heading))
                reader.report(Problem(self.pool.sheet, cell, heading, rule))


def read_payment_dates(reader: Reader, terms: TermCells) -> PayDates:
    """Payment dates by the terms, or by the headings of the pool where the terms leave them blank.

    Parameters
    ----------
    reader : Reader
        Keeps the problems.
    terms : TermCells

    Returns
    -------
    PayDates
    """
    table = reader.found(layout.POOL.name)
    columns = _dated_columns(reader, table)
    if any(terms.filled(name) for name in ("every", "first", "count")):
        found = PayDates(_dates_by_terms(terms), columns, table)
        for _, date in columns if found.dates else ():
            if date not in found.dates:
                rule = Phrase(
                    "is none of the payment dates that follow from the terms ({dates})",
                    dates=_few(found.dates),
                )
                found.report(reader, date, rule)
                return PayDates((), columns, table)
        return found
    if table is not None and not columns:
        rule = Phrase(
            "the plan needs payment dates: columns of scheduled collections headed by a "
            "date, such as 2019-12-11, or the terms '{every}' and '{count}'",
            every=_label("every"),
            count=_label("count"),
        )
        reader.report(Problem(table.sheet, address(table.top - 1, table.left), None, rule))
    return PayDates(tuple(date for _, date in columns), columns, table)


def _dated_columns(reader: Reader, table: Table | None) -> tuple[tuple[str, dt.date], ...]:
    """Headings of the pool that are dates, in the order of the table."""
    if table is None:
        return ()
    known = {c.header.casefold() for c in layout.POOL.columns}
    columns = []
    for heading in table.header:
        if heading.strip().casefold() in known or not heading[:1].isdigit():
            continue
        try:
            # East Asian Excel writes a date that is typed into a heading with strokes.
            columns.append((heading, dt.date(*map(int, re.split(r"[-/.]", heading.strip())))))
        except (ValueError, TypeError, OverflowError):
            rule = Phrase("a payment date heads its column as year-month-day, such as 2019-12-11")
            cell = address(table.top - 1, table.left + table.index(heading))
            reader.report(Problem(table.sheet, cell, heading, rule))
    return tuple(columns)


def _dates_by_terms(terms: TermCells) -> tuple[dt.date, ...]:
    """Payment dates that follow from the terms; none when one of these is missing or wrong."""
    closing, every, first, count = (terms.values.get(name) for name in ("closing", "every", "first", "count"))
    for name in ("every", "count"):
        if not terms.filled(name):
            other = next(n for n in ("every", "count", "first") if n != name and terms.filled(n))
            if not terms.fail(
                name, Phrase("must not be blank where '{since}' is filled", since=_label(other))
            ):
                terms.fail(
                    other,
                    Phrase(
                        "needs a row '{label}' in table {table}", label=_label(name), table=layout.TERM.name
                    ),
                )
    if count is not None and count != int(count):
        terms.fail("count", layout.COUNT_OF_DATES.text)
        return ()
    if closing is None or every is None or count is None or (first is None and terms.filled("first")):
        return ()
    try:
        return payment_dates(closing, every, int(count), first)
    except InputError as error:
        terms.fail("first" if error.argument.startswith("first") else "count", error.rule)
        return ()


def _label(name: str) -> str:
    return next(item.label for item in layout.TERM_ROWS if item.field == name)


def _few(dates: Sequence[dt.date]) -> str:
    shown = ", ".join(map(str, dates[:3]))
    return f"{shown}, ... {dates[-1]}" if len(dates) > 3 else shown
