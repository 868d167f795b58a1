"""Refresh: read the whole workbook, check everything, compute, write everything in one go.

The button in Excel, the ribbon and ``xlkmv refresh`` all come here. Nothing is written when
an input is wrong: the user gets every wrong cell at once.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import itertools
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, dataclass, fields
from types import SimpleNamespace
from typing import Any

import numpy as np

import xlkmv
from xlkmv.deal.analysis import Analysis, analyse
from xlkmv.deal.simulation import dask_executor
from xlkmv.deal.stress import TABLE as FROM_TABLE
from xlkmv.deal.stress import Stress, stress_faults
from xlkmv.deal.terms import (
    CONTROLS,
    POOL_NUMBERS,
    Controls,
    Covenant,
    Deal,
    Fault,
    Pool,
    Terms,
    Tranche,
    covenant_faults,
    pool_faults,
    terms_faults,
    tranche_faults,
)
from xlkmv.errors import BookError, BookInputError, Problem
from xlkmv.excel import layout
from xlkmv.excel.address import address
from xlkmv.excel.book import NO_VALUE, Book, ErrorCell, Table
from xlkmv.excel.layout import Column, TableSpec, TermRow
from xlkmv.excel.report import write_report

__all__ = ["Refreshed", "read_book", "refresh"]

Progress = Callable[[str, float], None]
SHARE_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a workbook asks for: deal, preset conditions, collections so far, where to simulate.

    `digest` marks everything that moves a number; where the paths run does not.
    """

    deal: Deal
    stresses: tuple[Stress, ...]
    actual: tuple[float, ...]
    scheduler: str | None
    digest: str


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a refresh did."""

    inputs: Inputs
    analysis: Analysis
    seconds: float


def refresh(
    book: Book,
    progress: Progress | None = None,
    now: dt.datetime | None = None,
    message: str = "refreshed",
    scheduler: str | None = None,
) -> Refreshed:
    """Read, check, compute and write one workbook; the caller saves it.

    Parameters
    ----------
    book : Book
    progress : callable, optional
        Called as ``progress(what, share_done)``; may raise to cancel, and nothing is written.
    now : datetime, optional
        Time stamp of the log; the clock by default.
    message : str
        For the log.
    scheduler : str, optional
        Address of a Dask scheduler, in place of the one in the workbook; without either the
        paths are simulated in this process. The numbers are the same.

    Returns
    -------
    Refreshed

    Raises
    ------
    BookInputError
        With every wrong cell; nothing is written.
    BookError
        When the workbook cannot be used.
    """
    started = time.perf_counter()
    report = progress or (lambda what, share: None)
    report("Reading and checking", 0.0)
    inputs = read_book(book)
    address = scheduler or inputs.scheduler
    with dask_executor(address) if address else contextlib.nullcontext() as executor:
        analysis = analyse(inputs.deal, inputs.stresses, report, actual=inputs.actual, executor=executor)
    report("Writing", 1.0)
    # A given time stamp means that the file must come out the same each time.
    seconds = 0.0 if now else time.perf_counter() - started
    stamp = (now or dt.datetime.now()).strftime("%Y-%m-%d %H:%M:%S")
    entry = [stamp, round(seconds, 3), xlkmv.__version__, inputs.digest, inputs.deal.terms.seed, message]
    write_report(book, inputs.deal, analysis, entry)
    return Refreshed(inputs, analysis, seconds)


# ---------------------------------------------------------------------------------- reading


class _Reader:
    """Reads cells by table and heading, and keeps every problem that it meets."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.problems: list[Problem] = []

    def table(self, spec: TableSpec) -> Table | None:
        """Read a table that must be there, with all input columns that cannot be blank."""
        try:
            found = self.book.table(spec.name)
        except BookError:
            rule = f"the table is missing: it holds {spec.title[0].lower()}{spec.title[1:]}"
            self.problems.append(Problem(spec.sheet, spec.name, None, rule))
            return None
        for column in spec.inputs:
            # The figures of the controls are needed, though not in every row.
            needed = not column.blank or column.field == "figure"
            if not found.has(column.header) and needed:
                where = address(found.top - 1, found.left)
                rule = f"table {spec.name} has no column '{column.header}'"
                self.problems.append(Problem(found.sheet, where, None, rule))
        return found

    def values(self, table: Table, column: Column) -> list[Any]:
        """Read one column: clean values, with None where a cell is wrong and has been reported."""
        if not table.has(column.header):
            return [None] * len(table.rows)
        return [self.value(table, row, column.header, column) for row in range(len(table.rows))]

    def value(self, table: Table, row: int, header: str, column: Column | TermRow) -> Any:
        """Read one cell by the kind of its column (or of its row, for the terms)."""
        raw = table.rows[row][table.index(header)]
        if raw is NO_VALUE and column.field == "share":
            # A program without formulas wrote the amounts: they say what the share is.
            return None
        if isinstance(raw, str) and not raw.strip():
            raw = None
        if raw is NO_VALUE or isinstance(raw, ErrorCell):
            return self.fail(table, row, header, "must hold a value, not an error")
        if raw is None:
            return None if column.blank else self.fail(table, row, header, "must not be blank")
        kind = column.kind
        if kind == "text":
            return (
                raw.strip() if isinstance(raw, str) else f"{raw:.15g}" if isinstance(raw, float) else str(raw)
            )
        if kind in ("choice", "yesno"):
            return self._choice(table, row, header, raw, column.choices)
        if kind == "date":
            if isinstance(raw, dt.datetime):
                raw = raw.date()
            return raw if isinstance(raw, dt.date) else self.fail(table, row, header, "must be a date")
        if kind == "any" and isinstance(raw, str):
            return raw.strip()
        if isinstance(raw, bool) or not isinstance(raw, (int, float)):
            return self.fail(table, row, header, "must be a number")
        if column.rule is not None and not column.rule.holds(np.asarray(raw, float)):
            return self.fail(table, row, header, column.rule.text)
        return float(raw)

    def _choice(self, table: Table, row: int, header: str, raw: Any, choices: Sequence[str]) -> Any:
        word = {True: "yes", False: "no"}[raw] if isinstance(raw, bool) else raw
        for option in choices:
            if isinstance(word, str) and word.strip().casefold() == option.casefold():
                return option
        return self.fail(table, row, header, f"must be one of: {', '.join(choices)}")

    def fail(self, table: Table, row: int, header: str, rule: str) -> None:
        """Report a cell; a column that is not there has been reported as a whole."""
        if table.has(header):
            self.problems.append(table.problem(row, header, rule))

    def faults(self, table: Table | None, spec: TableSpec, faults: Iterator[Fault]) -> None:
        """Report faults of a part of the deal at the cells they come from."""
        for fault in faults:
            if table is None:
                continue
            if fault.row is None or not table.rows:
                where = Problem(table.sheet, address(table.top, table.left), fault.value, fault.rule)
                self.problems.append(where)
                continue
            header = next((c.header for c in spec.columns if c.field == fault.column), fault.column)
            self.fail(table, fault.row, header, fault.rule)


def _numeric(values: Sequence[Any]) -> np.ndarray:
    return np.array([np.nan if v is None else v for v in values], float)


def read_book(book: Book) -> Inputs:
    """Read the deal and the preset conditions of a workbook.

    Raises
    ------
    BookInputError
        Listing every wrong cell as sheet, cell, value and rule.
    """
    reader = _Reader(book)
    dates, header_problems = _payment_dates(reader)
    pool = _pool(reader, dates)
    tranches = _tranches(reader, dates)
    terms, scheduler = _terms(reader, dates, header_problems)
    controls = _controls(reader)
    covenants = _covenants(reader)
    stresses = _stresses(reader)
    actual = _actual(reader, [date for _, date in dates])
    if reader.problems:
        raise BookInputError(sorted(set(reader.problems), key=reader.problems.index))
    deal = Deal(pool(), tranches(), terms(), controls(), covenants())
    made = stresses()
    return Inputs(deal, made, actual, scheduler, _digest(deal, made, actual))


def _payment_dates(reader: _Reader) -> tuple[list[tuple[str, dt.date]], Table | None]:
    """Headings of the pool table that are dates, in the order of the table."""
    try:
        table = reader.book.table(layout.POOL.name)
    except BookError:
        return [], None
    known = {c.header.casefold() for c in layout.POOL.columns}
    dates = []
    for heading in table.header:
        if heading.strip().casefold() in known or not heading[:1].isdigit():
            continue
        try:
            # East Asian Excel writes a date that is typed into a heading with strokes.
            dates.append((heading, dt.date(*map(int, re.split(r"[-/.]", heading.strip())))))
        except (ValueError, TypeError, OverflowError):
            rule = "a payment date heads its column as year-month-day, such as 2019-12-11"
            cell = address(table.top - 1, table.left + table.index(heading))
            reader.problems.append(Problem(table.sheet, cell, heading, rule))
    if not dates:
        cell = address(table.top - 1, table.left)
        rule = "the pool needs a column of scheduled collections headed by its date, such as 2019-12-11"
        reader.problems.append(Problem(table.sheet, cell, None, rule))
    return dates, table


def _pool(reader: _Reader, dates: Sequence[tuple[str, dt.date]]) -> Callable[[], Pool]:
    spec = layout.POOL
    table = reader.table(spec)
    if table is None:
        return _nothing
    columns = {c.field: reader.values(table, c) for c in spec.columns}
    cell = Column("", "", "schedule", "number")
    flows = [
        [reader.value(table, row, heading, cell) for heading, _ in dates] for row in range(len(table.rows))
    ]
    schedule = np.array([[np.nan if v is None else v for v in row] for row in flows], float)
    schedule = schedule.reshape(len(table.rows), len(dates))
    names = [n if n is not None else f"row {row + 1}" for row, n in enumerate(columns["name"])]
    numbers = {field: _numeric(columns[field]) for field in POOL_NUMBERS}
    reader.faults(table, spec, pool_faults(names, numbers, schedule, [heading for heading, _ in dates]))
    _shares(reader, table, columns["share"], columns["amount"])
    return lambda: Pool(
        tuple(names), schedule=schedule, industry=tuple(i or "" for i in columns["industry"]), **numbers
    )


def _shares(reader: _Reader, table: Table, shares: Sequence[Any], amounts: Sequence[Any]) -> None:
    """Shares must sum to 1 and agree with the amounts; one that was not read is right."""
    given, amount = _numeric(shares), _numeric(amounts)
    if not amount.size or not (amount > 0.0).all():
        return
    right = amount / amount.sum()
    share = np.where(np.isnan(given), right, given)
    if abs(share.sum() - 1.0) > SHARE_TOLERANCE:
        rule = f"shares must sum to 1 (they sum to {share.sum():.6g})"
        reader.fail(table, int(np.isfinite(given).argmax()), "Share", rule)
        return
    for row in np.flatnonzero(np.abs(share - right) > SHARE_TOLERANCE).tolist():
        reader.fail(table, row, "Share", f"must be the amount's share ({right[row]:.6g})")


def _tranches(reader: _Reader, dates: Sequence[tuple[str, dt.date]]) -> Callable[[], tuple[Tranche, ...]]:
    table, rows = _rows(reader, layout.TRANCHE)
    if table is None:
        return _nothing
    for row in rows:
        for field, usual in _defaults(Tranche).items():
            if getattr(row, field, None) is None:
                setattr(row, field, usual)
        row.pari_passu = row.pari_passu == "yes"
        for field in ("rank", "amount", "coupon"):
            setattr(row, field, np.nan if getattr(row, field) is None else getattr(row, field))
    reader.faults(table, layout.TRANCHE, tranche_faults(rows, [date for _, date in dates]))
    _shares(reader, table, [row.share for row in rows], [row.amount for row in rows])
    for row in rows:
        del row.share, row.basis
    return lambda: tuple(Tranche(**{**vars(row), "rank": int(row.rank)}) for row in rows)


def _labelled(reader: _Reader, spec: TableSpec, wanted: Sequence[str]) -> tuple[Table | None, dict[str, int]]:
    """Find the rows of a table of labelled rows; report those that are missing."""
    table = reader.table(spec)
    if table is None or not table.has(spec.columns[0].header):
        return None, {}
    labels = table.column(spec.columns[0].header)
    rows = {str(label).strip().casefold(): row for row, label in enumerate(labels) if label is not None}
    for row, label in enumerate(labels):
        if label is not None and rows[str(label).strip().casefold()] != row:
            reader.fail(
                table, row, spec.columns[0].header, "is there twice: only one row may bear this label"
            )
    for label in wanted:
        if label.casefold() not in rows:
            cell = address(table.top, table.left)
            reader.problems.append(
                Problem(table.sheet, cell, None, f"table {spec.name} has no row '{label}'")
            )
    return table, rows


def _terms(
    reader: _Reader, dates: Sequence[tuple[str, dt.date]], pool: Table | None
) -> tuple[Callable[[], Terms], str | None]:
    table, rows = _labelled(reader, layout.TERM, [r.label for r in layout.TERM_ROWS if not r.blank])
    if table is None or not table.has("Value"):
        return _nothing, None
    values: dict[str, Any] = {}
    for item in layout.TERM_ROWS:
        row = rows.get(item.label.casefold())
        values[item.field] = None if row is None else reader.value(table, row, "Value", item)
    scheduler = values.pop("scheduler")
    given = SimpleNamespace(**_defaults(Terms) | values, dates=tuple(date for _, date in dates))
    place = {item.field: rows.get(item.label.casefold()) for item in layout.TERM_ROWS}
    for fault in terms_faults(given):
        if fault.column == "dates":
            if pool is not None and fault.row is not None:
                heading = dates[fault.row][0]
                cell = address(pool.top - 1, pool.left + pool.index(heading))
                reader.problems.append(Problem(pool.sheet, cell, heading, fault.rule))
        elif place[fault.column] is not None:
            reader.fail(table, place[fault.column], "Value", fault.rule)

    def made() -> Terms:
        whole = {name: int(values[name]) for name in ("paths", "seed", "degrees_of_freedom")}
        return Terms(**{**vars(given), **whole, "cure": given.cure == "yes"})

    return made, scheduler


def _controls(reader: _Reader) -> Callable[[], Controls]:
    table, rows = _labelled(reader, layout.CONTROL, list(CONTROLS.values()))
    if table is None or not (table.has("On") and table.has("Figure")):
        return _nothing
    values: dict[str, Any] = {}
    for item in layout.CONTROL_ROWS:
        row = rows.get(item.label.casefold())
        if row is None:
            continue
        values[item.field] = reader.value(table, row, "On", layout.CONTROL.column("on")) == "yes"
        if item.figure:
            number = reader.value(table, row, "Figure", Column("", "", "", "number"))
            if number is not None and item.rule is not None and not item.rule.holds(np.asarray(number)):
                reader.fail(table, row, "Figure", item.rule.text)
            values[item.figure] = number
    return lambda: Controls(**values)


def _rows(reader: _Reader, spec: TableSpec) -> tuple[Table | None, list[SimpleNamespace]]:
    table = reader.table(spec)
    if table is None:
        return None, []
    columns = {c.field: reader.values(table, c) for c in spec.inputs}
    rows = [
        SimpleNamespace(**dict(zip(columns, values, strict=True)))
        for values in zip(*columns.values(), strict=True)
    ]
    if "name" in columns:
        # A blank name has been reported; another takes its place that is not there twice.
        for number, row in enumerate(rows, 1):
            row.name = row.name if row.name is not None else f"row {number}"
    return table, rows


def _empty(reader: _Reader, spec: TableSpec) -> bool:
    """Whether all inputs of a table are blank."""
    try:
        table = reader.book.table(spec.name)
    except BookError:
        return False
    columns = [table.column(c.header) for c in spec.inputs if table.has(c.header)]
    return all(value is None or value == "" for column in columns for value in column)


def _covenants(reader: _Reader) -> Callable[[], tuple[Covenant, ...]]:
    if _empty(reader, layout.COVENANT):  # a table keeps a row, also in a plan without tests
        return tuple
    table, rows = _rows(reader, layout.COVENANT)
    for row in rows:
        row.threshold = np.nan if row.threshold is None else row.threshold
    reader.faults(table, layout.COVENANT, covenant_faults(rows))
    return lambda: tuple(Covenant(**vars(row)) for row in rows)


def _stresses(reader: _Reader) -> Callable[[], tuple[Stress, ...]]:
    table, rows = _rows(reader, layout.SCENARIO)
    for row in rows:
        if isinstance(row.largest_obligor_recovery, str):
            row.largest_obligor_recovery = row.largest_obligor_recovery.casefold()
            if row.largest_obligor_recovery != FROM_TABLE:
                continue
        row.controls_off = row.controls_off or ""
    reader.faults(table, layout.SCENARIO, stress_faults(rows))
    if table is not None and not rows:
        cell = address(table.top, table.left)
        reader.problems.append(
            Problem(table.sheet, cell, None, "the table needs a base scenario in its first row")
        )
    return lambda: tuple(Stress(**vars(row)) for row in rows)


def _actual(reader: _Reader, dates: Sequence[dt.date]) -> tuple[float, ...]:
    """Collections that came in so far: the plan's dates in order, filled from the first without a gap."""
    table, rows = _rows(reader, layout.ACTUAL)
    if table is None:
        return ()
    found: list[float] = []
    wrong = [
        k
        for k, row in enumerate(rows)
        if (k >= len(dates) or row.date != dates[k]) and (row.date, row.actual) != (None, None)
    ]
    if wrong:  # once: when the plan's dates have changed, they are all wrong
        k, count = wrong[0], len(wrong)
        due = f"here {dates[k].isoformat()}" if k < len(dates) else "no further one here"
        rows_too = f"; {count} rows differ" if count > 1 else ""
        rule = (
            f"must be the plan's payment dates in order ({due}{rows_too}); "
            "clear dates and collections here while nothing has come in"
        )
        reader.fail(table, k, "Payment date", rule)
    for k, row in enumerate(rows):
        if row.actual is None:
            continue
        if len(found) < k:
            reader.fail(table, k, "Actual collections", "must follow on: an earlier date is still blank")
        elif row.actual < 0.0:
            reader.fail(table, k, "Actual collections", "must be >= 0")
        found.append(row.actual)
    return tuple(found)


def _defaults(part: type) -> dict[str, Any]:
    """Values of the fields of a part of the deal that may be left out."""
    return {f.name: f.default for f in fields(part) if f.default is not MISSING}


def _nothing() -> Any:
    raise BookError("a table is missing")


def _digest(deal: Deal, stresses: Sequence[Stress], actual: Sequence[float]) -> str:
    """Short mark of all inputs: equal inputs, equal mark, on any machine."""
    pool = deal.pool
    numbers = [pool.schedule, *(getattr(pool, field) for field in POOL_NUMBERS)]
    words = [
        pool.name,
        pool.industry,
        deal.tranches,
        deal.terms,
        deal.controls,
        deal.covenants,
        stresses,
        actual,
    ]
    digest = hashlib.sha256()
    for chunk in itertools.chain(
        (np.ascontiguousarray(x).tobytes() for x in numbers), (repr(w).encode() for w in words)
    ):
        digest.update(chunk)
    return digest.hexdigest()[:12]
