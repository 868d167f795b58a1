"""Refresh: read the whole workbook, check everything, compute, write everything in one go.

The button in Excel, the ribbon and ``xlkmv refresh`` all come here. Nothing is written when
an input is wrong: the user gets every wrong cell at once, those that are wrong alike in one line.
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
    COLUMN_RULES,
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
from xlkmv.errors import BookError, BookInputError, Problem, show
from xlkmv.excel import layout
from xlkmv.excel.address import address
from xlkmv.excel.book import Book, Table
from xlkmv.excel.cells import is_blank
from xlkmv.excel.layout import Column, TableSpec
from xlkmv.excel.reader import Reader
from xlkmv.excel.report import write_report

__all__ = ["Refreshed", "read_book", "refresh"]

Progress = Callable[[str, float], None]
# A column of the pool that is headed by a payment date.
SCHEDULED = Column("", "", "schedule", "number", rule=COLUMN_RULES["schedule"])


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


def read_book(book: Book) -> Inputs:
    """Read the deal and the preset conditions of a workbook.

    Raises
    ------
    BookInputError
        Listing every wrong cell as sheet, cell, value and rule.
    """
    reader = Reader(book)
    dates, header_problems = _payment_dates(reader)
    pool = _pool(reader, dates)
    tranches = _tranches(reader, dates)
    terms, scheduler = _terms(reader, dates, header_problems)
    controls = _controls(reader)
    covenants = _covenants(reader)
    stresses = _stresses(reader)
    actual = _actual(reader, [date for _, date in dates])
    if problems := reader.problems():
        raise BookInputError(problems)
    deal = Deal(pool(), tranches(), terms(), controls(), covenants())
    made = stresses()
    return Inputs(deal, made, actual, scheduler, _digest(deal, made, actual))


def _payment_dates(reader: Reader) -> tuple[list[tuple[str, dt.date]], Table | None]:
    """Headings of the pool table that are dates, in the order of the table."""
    table = reader.found(layout.POOL.name)
    if table is None:
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
            reader.report(Problem(table.sheet, cell, heading, rule))
    if not dates:
        cell = address(table.top - 1, table.left)
        rule = "the pool needs a column of scheduled collections headed by its date, such as 2019-12-11"
        reader.report(Problem(table.sheet, cell, None, rule))
    return dates, table


def _pool(reader: Reader, dates: Sequence[tuple[str, dt.date]]) -> Callable[[], Pool]:
    spec, headings = layout.POOL, [heading for heading, _ in dates]
    table = reader.rows(spec, headings)
    if table is None:
        return _nothing
    numbers = {c.field: reader.numbers(table, c) for c in spec.inputs if c.kind == "number"}
    words = {c.field: reader.values(table, c) for c in spec.inputs if c.kind != "number"}
    schedule = np.empty((len(table.rows), len(dates)))
    for k, heading in enumerate(headings):
        schedule[:, k] = reader.numbers(table, SCHEDULED, heading)
    names = _named(words["name"])
    columns = {field: numbers[field] for field in POOL_NUMBERS}
    reader.faults(table, spec, pool_faults(names, columns, schedule, headings))
    industry = tuple(i or "" for i in words["industry"])
    return lambda: Pool(tuple(names), schedule=schedule, industry=industry, **columns)


def _named(names: Sequence[str | None]) -> list[str]:
    """Names of rows; a blank one has been reported, and another that is not there twice takes its place."""
    return [f"row {number}" if name is None else name for number, name in enumerate(names, 1)]


def _tranches(reader: Reader, dates: Sequence[tuple[str, dt.date]]) -> Callable[[], tuple[Tranche, ...]]:
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
    for row in rows:
        del row.basis
    return lambda: tuple(Tranche(**{**vars(row), "rank": int(row.rank)}) for row in rows)


def _labelled(reader: Reader, spec: TableSpec, wanted: Sequence[str]) -> tuple[Table | None, dict[str, int]]:
    """Find the rows of a table of labelled rows; report those that are missing."""
    table = reader.table(spec)
    if table is None or not table.has(spec.columns[0].header):
        return None, {}
    header = spec.columns[0].header
    labels = [None if is_blank(label) else str(label).strip().casefold() for label in table.column(header)]
    rows = {label: row for row, label in enumerate(labels) if label is not None}
    for row, label in enumerate(labels):
        if label is not None and rows[label] != row:
            reader.fail(table, row, header, "is there twice: only one row may bear this label")
    for label in wanted:
        if label.casefold() not in rows:
            cell = address(table.top, table.left)
            reader.report(Problem(table.sheet, cell, None, f"table {spec.name} has no row '{label}'"))
    return table, rows


def _terms(
    reader: Reader, dates: Sequence[tuple[str, dt.date]], pool: Table | None
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
                reader.report(Problem(pool.sheet, cell, heading, fault.rule))
        elif place[fault.column] is not None:
            reader.fail(table, place[fault.column], "Value", fault.rule)

    def made() -> Terms:
        whole = {name: int(values[name]) for name in ("paths", "seed", "degrees_of_freedom")}
        return Terms(**{**vars(given), **whole, "cure": given.cure == "yes"})

    return made, scheduler


def _controls(reader: Reader) -> Callable[[], Controls]:
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
            figure = Column("Figure", "", item.figure, "number", rule=item.rule)
            values[item.figure] = reader.value(table, row, "Figure", figure)
    return lambda: Controls(**values)


def _rows(reader: Reader, spec: TableSpec) -> tuple[Table | None, list[SimpleNamespace]]:
    """Rows of a table that say something, with a field for each of its inputs."""
    table = reader.rows(spec)
    if table is None:
        return None, []
    columns = {c.field: reader.values(table, c) for c in spec.inputs}
    if "name" in columns:
        columns["name"] = _named(columns["name"])
    rows = [
        SimpleNamespace(**dict(zip(columns, values, strict=True)))
        for values in zip(*columns.values(), strict=True)
    ]
    return table, rows


def _covenants(reader: Reader) -> Callable[[], tuple[Covenant, ...]]:
    table, rows = _rows(reader, layout.COVENANT)
    for row in rows:
        row.threshold = np.nan if row.threshold is None else row.threshold
    reader.faults(table, layout.COVENANT, covenant_faults(rows))
    return lambda: tuple(Covenant(**vars(row)) for row in rows)


def _stresses(reader: Reader) -> Callable[[], tuple[Stress, ...]]:
    table, rows = _rows(reader, layout.SCENARIO)
    for row in rows:
        if isinstance(row.largest_obligor_recovery, str):
            row.largest_obligor_recovery = row.largest_obligor_recovery.casefold()
            if row.largest_obligor_recovery != FROM_TABLE:
                continue
        row.controls_off = row.controls_off or ""
    faults = list(stress_faults(rows))
    if rows:
        wrong = {fault.column for fault in faults if fault.row == 0}
        faults += [fault for fault in _base_faults(rows[0]) if fault.column not in wrong]
    reader.faults(table, layout.SCENARIO, faults)
    if table is not None and not rows:
        cell = address(table.top, table.left)
        reader.report(Problem(table.sheet, cell, None, "the table needs a base scenario in its first row"))
    return lambda: tuple(Stress(**vars(row)) for row in rows)


def _base_faults(base: SimpleNamespace) -> Iterator[Fault]:
    """Yield what stresses the base, the first row of the table; cells that are None have been reported."""
    for field in fields(Stress):
        given, unstressed = getattr(base, field.name), field.default
        if field.name != "name" and given not in (None, "", unstressed):
            rule = (
                f"must be {show(None if unstressed == () else unstressed)} in the first row, the base that "
                "the others are compared with: put a stress into a row of its own"
            )
            yield Fault("scenario", 0, field.name, given, rule)


def _actual(reader: Reader, dates: Sequence[dt.date]) -> tuple[float, ...]:
    """Collections that came in so far: the plan's dates in order, filled from the first without a gap."""
    table, rows = _rows(reader, layout.ACTUAL)
    date, actual = (layout.ACTUAL.column(field).header for field in ("date", "actual"))
    if table is None or not table.has(date):
        return ()
    place = {day: k for k, day in enumerate(dates)}
    places = [place.get(row.date, -1) for row in rows]
    wrong = [
        row
        for row, (before, k) in enumerate(itertools.pairwise([-1, *places]))
        if k <= before and not (rows[row].date is None and _holds_something(table, row, date))
    ]
    if wrong:  # once: when the plan's dates have changed, they are all wrong
        due = [0, *(k + 1 for k in places)][wrong[0]]
        here = f"here {dates[due].isoformat()}" if due < len(dates) else "no further one here"
        rows_too = f"; {len(wrong)} rows differ" if len(wrong) > 1 else ""
        rule = (
            f"must be the plan's payment dates in order ({here}{rows_too}); "
            "clear dates and collections here while nothing has come in"
        )
        reader.fail(table, wrong[0], date, rule)
    found: list[float] = []
    for row, (k, given) in enumerate(zip(places, rows, strict=True)):
        if given.actual is None:
            found += [np.nan] * _holds_something(table, row, actual)
            continue
        if len(found) < k:
            reader.fail(table, row, actual, "must follow on: an earlier date is still blank")
        elif given.actual < 0.0:
            reader.fail(table, row, actual, "must be >= 0")
        found.append(given.actual)
    return tuple(found)


def _holds_something(table: Table, row: int, header: str) -> bool:
    """Whether a cell is not blank; if nothing was read from it all the same, it has been reported."""
    return table.has(header) and not is_blank(table.rows[row][table.index(header)])


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
