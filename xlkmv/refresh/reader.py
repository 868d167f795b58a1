"""Reading tables of a workbook: rows that say something, values by the kind of their column, problems.

What a cell may hold is said by its :class:`~xlkmv.workbook.layout.Column`; nothing here knows a deal. A
wrong cell is reported and read as None or NaN, and reading goes on, so that all are named at once.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from types import SimpleNamespace
from typing import Any

import numpy as np

from xlkmv.deal.terms import Fault
from xlkmv.errors import Problem
from xlkmv.functions.cells import is_blank
from xlkmv.model.domain import Array
from xlkmv.phrase import Phrase
from xlkmv.workbook.address import address, runs
from xlkmv.workbook.book import NO_VALUE, Book, CellValue, ErrorCell, Table, has_table
from xlkmv.workbook.layout import LABELLED, TABLES, Column, TableSpec, TermRow

__all__ = ["Reader", "Wrong", "clean", "filled", "looks_like_a_date", "looks_like_a_number", "named"]

MEND_TEXT = Phrase("(in Excel: Data > Text to Columns, or multiply by 1)")


# -------------------------------------------------------------------------------- one cell


@dataclass(frozen=True, slots=True)
class Wrong:
    """The rule that a cell breaks."""

    rule: str


def clean(raw: CellValue, column: Column | TermRow) -> Any:
    """Value of a cell that is not blank, by the kind of its column.

    Parameters
    ----------
    raw : object
        What the cell holds.
    column : Column or TermRow
        Kind, rule and choices.

    Returns
    -------
    object
        Float, text or date; :class:`Wrong` when the cell breaks a rule.
    """
    if isinstance(raw, ErrorCell):
        return Wrong(Phrase("must hold a value, not an error: mend its formula, or type a value"))
    return _CLEANERS[column.kind](raw, column)


def _text(raw: CellValue, column: Column | TermRow) -> str:
    return raw.strip() if isinstance(raw, str) else f"{raw:.15g}" if isinstance(raw, float) else str(raw)


def _choice(raw: CellValue, column: Column | TermRow) -> str | Wrong:
    word = {True: "yes", False: "no"}[raw] if isinstance(raw, bool) else raw
    for option in column.choices:
        if isinstance(word, str) and word.strip().casefold() == option.casefold():
            return option
    return Wrong(Phrase("must be one of: {options}", options=", ".join(column.choices)))


def _date(raw: CellValue, column: Column | TermRow) -> dt.date | Wrong:
    if isinstance(raw, dt.datetime):
        return raw.date()
    if isinstance(raw, dt.date):
        return raw
    if isinstance(raw, str) and looks_like_a_date(raw):
        return Wrong(Phrase("is text that looks like a date: enter it as a date {mend}", mend=MEND_TEXT))
    return Wrong(Phrase("must be a date, such as 2019-12-11"))


def _number(raw: CellValue, column: Column | TermRow) -> float | Wrong:
    if isinstance(raw, str) and looks_like_a_number(raw):
        return Wrong(Phrase("is text that looks like a number: enter it as a number {mend}", mend=MEND_TEXT))
    if isinstance(raw, bool) or not isinstance(raw, (int, float)):
        return Wrong(Phrase("must be a number"))
    if column.rule is not None and not column.rule.holds(np.float64(raw)):
        return Wrong(column.rule.text)
    return float(raw)


def _any(raw: CellValue, column: Column | TermRow) -> str | float | Wrong:
    """A number, or a word that is left to its table."""
    word = isinstance(raw, str) and not looks_like_a_number(raw)
    return _text(raw, column) if word else _number(raw, column)


_CLEANERS: dict[str, Callable[[CellValue, Column | TermRow], str | float | dt.date | Wrong]] = {
    "text": _text,
    "choice": _choice,
    "yesno": _choice,
    "date": _date,
    "number": _number,
    "any": _any,
}

# Thousands apart by a comma, a point, a space or an apostrophe; either mark of decimals; or in brackets.
_DIGITS = r"(?:\d{1,3}(?:[ ,.'’]\d{3})+|\d+)?(?:[.,]\d*)?(?:e[+-]?\d+)?"
_NUMBER = re.compile(rf"[+-]? ?(?=[.,]?\d){_DIGITS} ?%?|\((?=[.,]?\d){_DIGITS}\)", re.IGNORECASE)
_NO_CURRENCY = str.maketrans("", "", "$¢£¥€₩₹₽฿")
_DATE = re.compile(
    r"(?:\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}日?|\d{1,2}([-/.])\d{1,2}\1(?:\d{4}|\d{2})"
    r"|\d{1,2}[- ][a-z]{3,9}\.?[-, ]+\d{2,4}|[a-z]{3,9}\.? \d{1,2},? \d{4})(?:[ t]\d{1,2}:\d\d(?::\d\d)?)?",
    re.IGNORECASE,
)


def _typed(text: str) -> str:
    """Text as a Western keyboard would give it: no full-width characters, odd spaces and minus signs."""
    return " ".join(unicodedata.normalize("NFKC", text).replace("−", "-").split())


def looks_like_a_number(text: str) -> bool:
    """Whether a text would be a number to a reader: ``1,234``, ``5%``, ``(3.5)``, ``¥ 10``, full width.

    Parameters
    ----------
    text : str

    Returns
    -------
    bool
    """
    return _NUMBER.fullmatch(_typed(text).translate(_NO_CURRENCY).strip(" '")) is not None


def looks_like_a_date(text: str) -> bool:
    """Whether a text would be a date to a reader: ``2019-12-11``, ``11.12.2019``, ``11 Dec 2019``.

    Parameters
    ----------
    text : str

    Returns
    -------
    bool
    """
    return _DATE.fullmatch(_typed(text).strip(" '")) is not None


# -------------------------------------------------------------------------- rows that say something


def filled(table: Table, spec: TableSpec, more: Sequence[str] = ()) -> Table:
    """Return a table without its blank rows, which are neither claims nor faults.

    A row is blank when its inputs are. Formulas that the user has put into inputs may show 0 or an
    error for want of what they read: in a row that needs an input and has none, they count as blank.

    Parameters
    ----------
    table : Table
    spec : TableSpec
        Its inputs; other columns make no row filled.
    more : sequence of str
        Headings of further inputs.

    Returns
    -------
    Table
        Its rows keep their addresses.
    """
    inputs = [(c.header, not c.blank) for c in spec.inputs] + [(heading, True) for heading in more]
    here = [(table.index(header), needed) for header, needed in inputs if table.has(header)]
    if not here:
        return table
    pick = itemgetter(*(position for position, _ in here), here[0][0])  # two at least: always a tuple
    needed = [k for k, (_, needed) in enumerate(here) if needed]
    return table.only([k for k, row in enumerate(table.rows) if not _is_blank_row(pick(row), needed)])


def _is_blank_row(cells: Sequence[CellValue], needed: Sequence[int]) -> bool:
    if any(map(_says_something, cells)):
        return False
    return any(is_blank(cells[k]) for k in needed) or all(map(is_blank, cells))


def _says_something(cell: CellValue) -> bool:
    return not (is_blank(cell) or isinstance(cell, ErrorCell) or (type(cell) is float and cell == 0.0))


def named(names: Sequence[str | None]) -> list[str]:
    """Name rows: a blank one has been reported, and another that is not there twice takes its place."""
    return [f"row {number}" if name is None else name for number, name in enumerate(names, 1)]


# --------------------------------------------------------------------------------- the reader


class Reader:
    """Reads cells by table and heading, and keeps every problem that it meets.

    Parameters
    ----------
    book : Book
    """

    def __init__(self, book: Book) -> None:
        self.book = book
        self._tables: dict[str, Table | None] = {}
        self._found: dict[str, Table | None] = {}
        self._whole: list[Problem] = []
        self._looked: set[str] = set()
        # Faults that are alike: table, position of the column, rule, kind of value -> places of the rows.
        self._cells: dict[tuple[str, int, str, Any], list[int]] = {}

    # -- tables and columns

    def as_is(self, name: str) -> Table | None:
        """Return a table under the headings that it has, None when it is missing."""
        key = name.casefold()
        if key not in self._tables:
            self._tables[key] = self.book.table(name) if has_table(self.book, name) else None
        return self._tables[key]

    def found(self, name: str) -> Table | None:
        """Return a table with the headings of its layout, None when it is missing."""
        key = name.casefold()
        if key not in self._found:
            self._found[key] = self._look_up(name)
        return self._found[key]

    def _look_up(self, name: str) -> Table | None:
        table, spec = self.as_is(name), TABLES.get(name)
        if table is None or spec is None:
            return table
        # The first edition had a table of results under the name of an optional one.
        strange = spec.optional and not spec.describes(table.header)
        return None if strange else replace(table, header=spec.headings(table.header))

    def table(self, spec: TableSpec) -> Table | None:
        """Return a table that must be there unless it is optional, with all columns that it needs."""
        table = self.found(spec.name)
        if table is None and spec.optional:
            return None
        if table is None:
            rule = Phrase(
                "the table is missing ({title}): name it so again, or take it from a new workbook",
                title=Phrase(spec.title),
            )
            self.report(Problem(spec.sheet, spec.name, None, rule))
            return None
        for column in spec.inputs:
            if not table.has(column.header) and (column.required or not column.blank):
                where = address(table.top - 1, table.left)
                rule = Phrase("table {table} has no column '{column}'", table=spec.name, column=column.header)
                self.report(Problem(table.sheet, where, None, rule))
            for twin in (alias for alias in column.aliases if table.has(alias)):
                where = address(table.top - 1, table.left + table.index(twin))
                rule = Phrase("is the same as column '{column}': keep one of the two", column=column.header)
                self.report(Problem(table.sheet, where, twin, rule))
        self._look_beneath(table, spec)
        return table

    def _look_beneath(self, table: Table, spec: TableSpec) -> None:
        """Refuse what was typed right beneath a table that has not grown with it, as it does not in Calc."""
        # Nobody adds to the rows of the layout, which have others beneath.
        if spec.name in self._looked or spec.name in LABELLED:
            return
        self._looked.add(spec.name)
        row = self.book.beneath(spec.name)
        asked = {table.index(c.header) for c in spec.inputs if table.has(c.header)}
        filled_in = [k for k, cell in enumerate(row) if k in asked and _says_something(cell)]
        if filled_in:
            where = address(table.top + len(table.rows), table.left + filled_in[0])
            rule = Phrase(
                "stands beneath table {table}, which ends above it: insert rows inside the table "
                "and fill those, or leave a row blank between",
                table=spec.name,
            )
            self.report(Problem(table.sheet, where, row[filled_in[0]], rule))

    def rows(self, spec: TableSpec, more: Sequence[str] = ()) -> Table | None:
        """Return the rows of a needed table that say something; see :func:`filled`."""
        table = self.table(spec)
        return None if table is None else filled(table, spec, more)

    def records(self, spec: TableSpec) -> tuple[Table | None, list[SimpleNamespace]]:
        """Return the rows of a needed table, and for each of them its inputs by field."""
        table = self.rows(spec)
        if table is None:
            return None, []
        columns = {c.field: self.values(table, c) for c in spec.inputs}
        if "name" in columns:
            columns["name"] = named(columns["name"])
        rows = zip(*columns.values(), strict=True)
        return table, [SimpleNamespace(**dict(zip(columns, row, strict=True))) for row in rows]

    def values(self, table: Table, column: Column, header: str = "") -> list[Any]:
        """Read one column: clean values, with None where a cell is blank, or wrong and reported."""
        header = header or column.header
        if column.kind == "number":
            return [None if math.isnan(x) else x for x in self.numbers(table, column, header).tolist()]
        if not table.has(header):
            return [None] * len(table.rows)
        found: list[Any] = [None] * len(table.rows)
        for row, value in self._clean(table, column, header, range(len(table.rows))):
            found[row] = value
        return found

    def numbers(self, table: Table, column: Column, header: str = "") -> Array:
        """Read one column of numbers: NaN where a cell is blank, or wrong and reported."""
        header = header or column.header
        if not table.has(header):
            return np.full(len(table.rows), np.nan)
        cells = table.column(header)
        # Pools have millions of cells: those that hold a number are judged together.
        found = np.array([cell if type(cell) is float else np.nan for cell in cells], float)
        others = [row for row, cell in enumerate(cells) if type(cell) is not float]
        if column.rule is not None and not column.rule.holds_all(found):
            wrong = ~column.rule.holds(found)
            wrong[others] = False
            self._fail(table, np.flatnonzero(wrong).tolist(), header, column.rule.text)
            found[wrong] = np.nan
        for row, value in self._clean(table, column, header, others):
            found[row] = value
        return found

    def value(self, table: Table, row: int, header: str, column: Column | TermRow) -> Any:
        """Read one cell; None where it is blank, or wrong and reported."""
        raw = table.rows[row][table.index(header)]
        if is_blank(raw):
            rule = Phrase("must not be blank: enter a value")
            return None if column.blank else self.fail(table, row, header, rule)
        value = clean(raw, column)
        return self.fail(table, row, header, value.rule) if isinstance(value, Wrong) else value

    def _clean(
        self, table: Table, column: Column, header: str, rows: Iterable[int]
    ) -> Iterator[tuple[int, Any]]:
        """Yield the cells of some rows that hold something right, and report the others."""
        position, blank = table.index(header), []
        for row in rows:
            raw = table.rows[row][position]
            if is_blank(raw):
                blank.append(row)
                continue
            value = clean(raw, column)
            if isinstance(value, Wrong):
                self._fail(table, [row], header, value.rule)
            else:
                yield row, value
        if blank and not column.blank:
            self._fail(table, blank, header, Phrase("must not be blank: fill it, or clear the whole row"))

    def is_blank(self, table: Table, row: int, header: str) -> bool:
        """Whether a cell holds nothing, or its column is not there."""
        return not table.has(header) or is_blank(table.rows[row][table.index(header)])

    # -- problems

    def report(self, problem: Problem) -> None:
        """Keep a problem of a table as a whole, or of a heading."""
        self._whole.append(problem)

    def fail(self, table: Table | None, row: int, header: str, rule: str) -> None:
        """Report a cell; a table or a column that is not there has been reported as a whole."""
        if table is not None and table.has(header):
            self._fail(table, [row], header, rule)

    def _fail(self, table: Table, rows: Sequence[int], header: str, rule: str) -> None:
        """Report cells of one column that hold values of one kind."""
        if rows:
            position = table.index(header)
            value = table.rows[rows[0]][position]
            kind = None if is_blank(value) else value if value is NO_VALUE else type(value)
            places = self._cells.setdefault((table.name, position, rule, kind), [])
            places.extend(table.places[row] for row in rows)

    def faults(self, table: Table | None, spec: TableSpec, faults: Iterable[Fault]) -> None:
        """Report faults of a part of the deal at the cells they come from."""
        if table is None:
            return
        headers = {c.field: c.header for c in spec.columns}
        for fault in faults:
            if fault.row is None or not table.rows:
                where = address(table.top, table.left)
                self.report(Problem(table.sheet, where, fault.value, fault.rule))
            else:
                self.fail(table, fault.row, headers.get(fault.column, fault.column), fault.rule)

    def problems(self) -> list[Problem]:
        """Everything that is wrong: tables and headings first, then cells.

        Cells of a column that are wrong alike are one problem, and so are neighbouring columns where
        the same rows are.
        """
        alike: dict[tuple[str, str, Any, tuple[int, ...]], list[int]] = {}
        for (name, position, rule, kind), places in self._cells.items():
            alike.setdefault((name, rule, kind, tuple(sorted(set(places)))), []).append(position)
        found = list(dict.fromkeys(self._whole))
        for (name, rule, _, rows), positions in alike.items():
            if (table := self.found(name)) is not None:
                who = self._who(table, rows[0]) if len(rows) == 1 else ""
                for first, last in runs(positions):
                    header = table.header[first]
                    known = "" if str(table.rows[rows[0]][first]).strip() == who else who
                    found.append(table.problem(rows, header, rule, last - first + 1, known))
        return found

    @staticmethod
    def _who(table: Table, row: int) -> str:
        """Name of a row of obligors, classes or the like, or of an input; "" where it has none."""
        spec = TABLES.get(table.name)
        if (
            spec is None
            or spec.columns[0].field not in ("name", "label")
            or not table.has(spec.columns[0].header)
        ):
            return ""
        name = table.rows[row][table.index(spec.columns[0].header)]
        return "" if is_blank(name) or isinstance(name, ErrorCell) else str(name).strip()
