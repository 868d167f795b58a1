"""Refresh: read the whole workbook, check everything, compute, write everything in one go.

The button in Excel, the ribbon and ``xlkmv refresh`` all come here. Nothing is written when
an input is wrong: the user gets every wrong cell at once, those that are wrong alike in one line.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from types import SimpleNamespace

import numpy as np

import xlkmv
from xlkmv.deal.analysis import Analysis, analyse
from xlkmv.deal.checks import Check
from xlkmv.deal.paths.executors import Executor, can_start_processes, dask_executor, process_executor
from xlkmv.deal.paths.run import pays_for_processes, steps_are_quick
from xlkmv.deal.plan.timing import plan_faults
from xlkmv.deal.plan.today import record_limits
from xlkmv.deal.questions.diversification import MOST_ASKED, OTHERWISE_RULES, Otherwise
from xlkmv.deal.stress import BASE, Stress, apply, stress_faults
from xlkmv.deal.stress import TABLE as FROM_TABLE
from xlkmv.deal.terms import (
    CONTROLS,
    VECTORS,
    Controls,
    Covenant,
    Deal,
    Fault,
    Ranges,
    Record,
    Terms,
    covenant_faults,
    record_faults,
    terms_faults,
)
from xlkmv.errors import BookInputError, Problem, show
from xlkmv.functions.cells import is_blank
from xlkmv.language import LANGUAGES
from xlkmv.model.domain import Rule
from xlkmv.phrase import LIST, Phrase, joined
from xlkmv.refresh.claims import pd_methods, read_pool
from xlkmv.refresh.correlation import correlation_source, read_correlation
from xlkmv.refresh.digest import digest
from xlkmv.refresh.lookups import read_class_scale, read_curves, read_scale, read_vectors
from xlkmv.refresh.marks import read_marks
from xlkmv.refresh.notes import read_tranches
from xlkmv.refresh.ranges import read_ranges
from xlkmv.refresh.reader import Reader
from xlkmv.refresh.recoveries import read_recoveries
from xlkmv.refresh.report import scope, write_report
from xlkmv.refresh.sources import Sourced, read_sources
from xlkmv.refresh.targets import target_warnings
from xlkmv.refresh.terms import PayDates, TermCells, labelled, read_payment_dates, read_term_cells
from xlkmv.refresh.wording import language_of
from xlkmv.workbook import layout
from xlkmv.workbook.address import address
from xlkmv.workbook.book import Book, Table
from xlkmv.workbook.layout import Column

__all__ = ["Inputs", "Refreshed", "compute", "read_book", "refresh"]

Progress = Callable[[str, float], None]
SHARE_OF_POOL = Rule("must be between 0 and 1 (a share of the pool: 0.012 means 1.2 %)", low=0.0, high=1.0)


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a workbook asks for: deal, preset conditions, collections so far, where to simulate.

    `digest` marks everything that moves a number; where the paths run does not. `marks` are those of
    sheet Changes: table, column, mark; `sources` are what the sources of PDs and correlation come to,
    `ranges` how well the inputs are known, `otherwise` the other ways to spread the pool that are asked
    about, `noticed` what is rarely meant of the sources, and targets that are none.
    """

    deal: Deal
    stresses: tuple[Stress, ...]
    actual: Record
    scheduler: str | None
    digest: str
    marks: tuple[tuple[str, str, float], ...]
    sources: Sourced
    ranges: Ranges
    otherwise: Otherwise
    noticed: tuple[Check, ...]


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
    *,
    quick: bool = False,
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
        paths are simulated on this machine, in processes of their own where that pays for their
        start. The numbers are the same.
    quick : bool
        Whether a quick look is enough: see :func:`~xlkmv.deal.analysis.analyse`.

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
    inputs, analysis = compute(book, report, scheduler, quick=quick)
    report(Phrase("Writing"), 1.0)
    # A given time stamp means that the file must come out the same each time.
    seconds = 0.0 if now else time.perf_counter() - started
    stamp = (now or dt.datetime.now()).strftime("%Y-%m-%d %H:%M:%S")
    told = Phrase(message)
    said = joined([told, scope(analysis)], LIST) if quick else told
    entry = [stamp, round(seconds, 3), xlkmv.__version__, inputs.digest, inputs.deal.terms.seed, said]
    write_report(book, inputs.deal, analysis, entry, inputs.marks, inputs.sources, inputs.ranges)
    return Refreshed(inputs, analysis, seconds)


def compute(
    book: Book, progress: Progress, scheduler: str | None = None, *, quick: bool = False
) -> tuple[Inputs, Analysis]:
    """Read, check and compute one workbook; nothing is written.

    Parameters
    ----------
    book, progress, scheduler, quick
        As in :func:`refresh`.

    Returns
    -------
    Inputs, Analysis
    """
    progress(Phrase("Reading and checking"), 0.0)
    inputs = read_book(book)
    with _executor(scheduler or inputs.scheduler, inputs.deal, quick) as executor:
        return inputs, analyse(
            inputs.deal,
            inputs.stresses,
            progress,
            actual=inputs.actual,
            ranges=inputs.ranges,
            otherwise=inputs.otherwise,
            noticed=inputs.noticed,
            executor=executor,
            quick=quick,
        )


def _executor(
    scheduler: str | None, deal: Deal, quick: bool
) -> contextlib.AbstractContextManager[Executor | None]:
    """Where to simulate: on a cluster, in other processes where that pays for their start, or here."""
    if scheduler:
        return dask_executor(scheduler)
    if quick or not pays_for_processes(deal) or not can_start_processes():
        return contextlib.nullcontext()
    return process_executor(helps=steps_are_quick(deal))


# ---------------------------------------------------------------------------------- reading


def read_book(book: Book) -> Inputs:
    """Read the deal and the preset conditions of a workbook.

    Raises
    ------
    BookInputError
        Listing every wrong cell as sheet, cell, value and rule.
    """
    reader = Reader(book)
    cells = read_term_cells(reader)
    plan = read_payment_dates(reader, cells)
    _language(reader)
    curves, scale = read_curves(reader), read_scale(reader)
    closing = cells.values.get("closing")
    sources = read_sources(reader, scale, closing)
    drawn = read_recoveries(reader)
    typed = correlation_source(cells) == "typed"
    pool = read_pool(reader, plan, closing, curves, scale, sources, drawn, typed=typed)
    names, tranches = read_tranches(reader, plan.dates, curves)
    terms = _terms(reader, cells, plan, _headline(reader, names))
    controls = _controls(reader, cells)
    covenants = _covenants(reader)
    stresses = _stresses(reader)
    grades, otherwise = read_class_scale(reader), _otherwise(reader)
    if problems := reader.problems():
        raise BookInputError(problems)
    said = replace(terms(), curves=curves.made(), class_scale=grades())
    claims = pool()
    found = read_correlation(reader, cells, claims, plan, sources)
    claims = claims if typed else replace(claims, correlation=found.values)
    deal = Deal(claims, tranches(), said, controls(), covenants())
    _plan(reader, deal, plan)
    actual, ranges = _record(reader, deal), read_ranges(reader, deal, plan, sources, found.error)
    if problems := reader.problems():
        raise BookInputError(problems)
    made = stresses()
    # A record of collections alone has the mark that it had before there was more to know.
    told = actual.collections if actual.collections_only else actual
    # Nor has a deal of which nobody says how well it is known.
    spread = otherwise()
    more = [*([ranges] if ranges.any_acts(deal) else []), *([spread] if spread != Otherwise() else [])]
    mark = digest(deal, made, told, *more)
    marks = tuple(read_marks(reader))
    noticed = (
        *sources.warnings(claims.name, deal.terms.closing, correlated=found.source == "returns"),
        *target_warnings(book, deal),
    )
    methods = pd_methods(reader, plan, claims.name, sources)
    worked = Sourced(sources.rows, sources.groups, found, methods)
    return Inputs(deal, made, actual, cells.values["scheduler"], mark, marks, worked, ranges, spread, noticed)


def _otherwise(reader: Reader) -> Callable[[], Otherwise]:
    """Other ways to spread the pool; the usual ones where a workbook has no table of them."""
    spec = layout.OTHERWISE
    table, rows = reader.records(spec)
    if table is None:
        return Otherwise
    asked = {c.field: [x for row in rows if (x := getattr(row, c.field)) is not None] for c in spec.inputs}
    for k, row in enumerate(rows):
        if row.times is not None and row.times != int(row.times):
            reader.fail(table, k, spec.column("times").header, OTHERWISE_RULES["times"].text)
    between = spec.column("between").header
    for k in [k for k, row in enumerate(rows) if row.between is not None][1:]:
        reader.fail(table, k, between, Phrase("must be said once: there is one new industry"))
    if len(asked["cap"]) + len(asked["times"]) > MOST_ASKED:
        rule = Phrase("caps and times must be no more than {most} together", most=MOST_ASKED)
        reader.fail(table, len(rows) - 1, spec.columns[0].header, rule)

    def made() -> Otherwise:
        only = asked["between"][0] if asked["between"] else None
        return Otherwise(tuple(asked["cap"]), tuple(map(int, asked["times"])), only)

    return made


def _headline(reader: Reader, classes: Sequence[str]) -> str:
    """Class that headlines speak of; "" where the cell is blank, or the workbook has no such cell."""
    if layout.HEADLINE_CLASS not in reader.book.names():
        return ""
    cell = reader.book.name(layout.HEADLINE_CLASS)
    text = "" if is_blank(cell.value) else str(cell.value).strip()
    found = {"": "", **{name.casefold(): name for name in classes}}.get(text.casefold())
    if found is None:
        rule = Phrase(
            "must be blank, or a class of table {table} ({options})",
            table=layout.TRANCHE.name,
            options=", ".join(classes),
        )
        reader.report(Problem(cell.sheet, cell.cell, cell.value, rule))
    return found or ""


def _language(reader: Reader) -> None:
    """Report a language that there is not."""
    if language_of(reader.book) is None:
        cell = reader.book.name(layout.LANGUAGE)
        rule = Phrase("must be blank, or one of: {options}", options=", ".join(LANGUAGES.values()))
        reader.report(Problem(cell.sheet, cell.cell, cell.value, rule))


def _terms(reader: Reader, cells: TermCells, plan: PayDates, headline: str) -> Callable[[], Terms]:
    place, vectors = read_vectors(reader)
    whole = ("paths", "seed", "degrees_of_freedom")
    said = {**cells.given(Terms), **vectors, "dates": plan.dates, "headline": headline}
    given = SimpleNamespace(**said)
    for fault in terms_faults(given) if cells.table is not None else ():
        if fault.column == "dates":
            if fault.row is not None:  # that there is none has been reported
                plan.report(reader, plan.dates[fault.row], fault.rule)
        elif fault.column in VECTORS and fault.row is not None:
            reader.faults(place, layout.VECTOR, [fault])
        elif fault.column in VECTORS:
            header = layout.VECTOR.column(fault.column).header
            choice, _ = VECTORS[fault.column]
            cells.fail(
                choice,
                Phrase(
                    "needs figures in column '{header}' of table {table}",
                    header=header,
                    table=layout.VECTOR.name,
                ),
            )
        else:
            cells.fail(fault.column, fault.rule)

    def made() -> Terms:
        numbers = {name: int(said[name]) for name in whole}
        return Terms(**{**said, **numbers, "cure": said["cure"] == "yes"})

    return made


def _controls(reader: Reader, cells: TermCells) -> Callable[[], Controls]:
    former = {c.former.casefold(): c.label.casefold() for c in CONTROLS.values() if c.former}
    table, rows = labelled(reader, layout.CONTROL, (c.label for c in CONTROLS.values()), former)
    if table is None or not (table.has("On") and table.has("Figure")):
        return Controls
    # Units and floors of the figures are terms.
    values = cells.given(Controls)
    for item in layout.CONTROL_ROWS:
        row = rows.get(item.label.casefold())
        if row is None:
            continue
        values[item.field] = reader.value(table, row, "On", layout.CONTROL.column("on")) == "yes"
        if item.figure:
            of_pool = item.field == "reserve" and values["reserve_unit"] == "of pool"
            figure = Column("Figure", "", item.figure, "number", rule=SHARE_OF_POOL if of_pool else item.rule)
            values[item.figure] = reader.value(table, row, "Figure", figure)
    return lambda: Controls(**values)


def _covenants(reader: Reader) -> Callable[[], tuple[Covenant, ...]]:
    table, rows = reader.records(layout.COVENANT)
    for row in rows:
        row.threshold = np.nan if row.threshold is None else row.threshold
    reader.faults(table, layout.COVENANT, covenant_faults(rows))
    return lambda: tuple(Covenant(**vars(row)) for row in rows)


def _stresses(reader: Reader) -> Callable[[], tuple[Stress, ...]]:
    table, rows = reader.records(layout.SCENARIO)
    for row in rows:
        if isinstance(row.obligor_recovery, str):
            row.obligor_recovery = row.obligor_recovery.casefold()
            if row.obligor_recovery != FROM_TABLE:
                continue
        row.controls_off = row.controls_off or ""
        row.obligor = row.obligor or ""
    faults = [*stress_faults(rows), *_strangers(reader, rows)]
    if rows:
        wrong = {fault.column for fault in faults if fault.row == 0}
        faults += [fault for fault in _base_faults(rows[0]) if fault.column not in wrong]
    reader.faults(table, layout.SCENARIO, faults)
    if table is not None and not rows:
        cell = address(table.top, table.left)
        reader.report(Problem(table.sheet, cell, None, "the table needs a base scenario in its first row"))
    return lambda: tuple(Stress(**vars(row)) for row in rows)


def _strangers(reader: Reader, rows: Sequence[SimpleNamespace]) -> Iterator[Fault]:
    """Yield the obligors of conditions that are not in the pool."""
    pool, header = reader.found(layout.POOL.name), layout.POOL.column("name").header
    if pool is None or not pool.has(header) or not any(row.obligor for row in rows):
        return  # that they are missing has been reported
    known = {str(name).strip().casefold() for name in pool.column(header)}
    for k, row in enumerate(rows):
        named = row.obligor and row.obligor_recovery is not None  # else that is at fault
        if named and row.obligor.casefold() not in known:
            rule = Phrase("must be blank, or an obligor of table {table}", table=layout.POOL.name)
            yield Fault("scenario", k, "obligor", row.obligor, rule)


def _base_faults(base: SimpleNamespace) -> Iterator[Fault]:
    """Yield what stresses the base, the first row of the table; cells that are None have been reported."""
    for field in fields(Stress):
        given, unstressed = getattr(base, field.name), field.default
        if field.name != "name" and given not in (None, "", unstressed):
            rule = Phrase(
                "must be {value} in the first row, the base that the others are compared with: "
                "put a stress into a row of its own",
                value=show(None if unstressed == () else unstressed),
            )
            yield Fault("scenario", 0, field.name, given, rule)


def _plan(reader: Reader, deal: Deal, plan: PayDates) -> None:
    """Report what only the plan of a deal shows to be wrong."""
    for fault in plan_faults(deal):
        spec = layout.VECTOR if fault.part == "terms" else layout.POOL
        reader.faults(reader.rows(spec, plan.headings if spec is layout.POOL else ()), spec, [fault])


def _record(reader: Reader, deal: Deal) -> Record:
    """What came in so far: the plan's dates in order, filled from the first without a gap."""
    spec, dates = layout.ACTUAL, deal.terms.dates
    table, rows = reader.records(spec)
    date, actual = (spec.column(field).header for field in ("date", "collections"))
    if table is None or not table.has(date):
        return Record()
    place = {day: k for k, day in enumerate(dates)}
    places = [place.get(row.date, -1) for row in rows]
    wrong = [
        row
        for row, (before, k) in enumerate(itertools.pairwise([-1, *places]))
        # What is no date at all has been reported.
        if k <= before and (rows[row].date is not None or reader.is_blank(table, row, date))
    ]
    if wrong:  # once: when the plan's dates have changed, they are all wrong
        due = [0, *(k + 1 for k in places)][wrong[0]]
        here = Phrase("no further one here")
        if due < len(dates):
            here = Phrase("here {date}", date=dates[due].isoformat())
        if len(wrong) > 1:
            here = Phrase("{here}; {count} rows differ", here=here, count=len(wrong))
        rule = Phrase(
            "must be the plan's payment dates in order ({here}); clear dates and "
            "collections here while nothing has come in",
            here=here,
        )
        reader.fail(table, wrong[0], date, rule)
    found: list[SimpleNamespace] = []
    for row, (k, given) in enumerate(zip(places, rows, strict=True)):
        if given.collections is None:
            _nothing_beside(reader, table, row, given)
            if not reader.is_blank(table, row, actual):  # it has been reported
                found.append(given)
            continue
        if len(found) < k:
            reader.fail(table, row, actual, Phrase("must follow on: an earlier date is still blank"))
        found.append(given)
    columns = {name: [getattr(row, name) for row in rows] for name in ("collections", *Record.more())}
    more = any(x is not None for name in Record.more() for x in columns[name])
    limits = record_limits(apply(deal, BASE)) if more else None
    reader.faults(table, spec, record_faults(columns, limits))
    if reader.problems():
        return Record()
    return Record(**{name: tuple(values[: len(found)]) for name, values in columns.items()})


def _nothing_beside(reader: Reader, table: Table, row: int, given: SimpleNamespace) -> None:
    """Report what is known of a date whose collections are not."""
    if reader.is_blank(table, row, layout.ACTUAL.column("collections").header):
        for name in Record.more():
            if getattr(given, name) is not None:
                header = layout.ACTUAL.column(name).header
                reader.fail(table, row, header, Phrase("must be blank while the collections of the date are"))
