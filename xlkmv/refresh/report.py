"""Write an analysis into the workbook's tables, in one go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

import xlkmv
from xlkmv.deal.analysis import NOT_IN_QUICK, Analysis
from xlkmv.deal.answers import class_answers
from xlkmv.deal.figures import LEAST
from xlkmv.deal.plan.waterfall import Waterfall
from xlkmv.deal.questions.diversification import why_not
from xlkmv.deal.reading import read
from xlkmv.deal.standing import ClassToday, classes_today
from xlkmv.deal.stress import expected_recovery
from xlkmv.deal.terms import Deal, Ranges
from xlkmv.errors import BookError
from xlkmv.functions.cells import is_blank
from xlkmv.phrase import CLAUSES, Phrase, joined
from xlkmv.refresh.marks import input_mark
from xlkmv.refresh.reader import filled
from xlkmv.refresh.rows.cash import account_rows, cashflow_rows, covenant_row
from xlkmv.refresh.rows.classes import answer_rows, curve_rows, headline_rows, risk_rows, simulation_rows
from xlkmv.refresh.rows.conditions import (
    attribution_rows,
    condition_row,
    condition_rows,
    reverse_rows,
    step_rows,
    tornado_rows,
    worst_condition,
)
from xlkmv.refresh.rows.drivers import (
    all_driver_rows,
    concentration_row,
    diversification_rows,
    driven_class,
    driver_rows,
    layer_rows,
    model_rows,
    spread_class,
)
from xlkmv.refresh.rows.uncertainty import (
    NO_RANGE,
    correlation_row,
    interval_rows,
    matter_rows,
    range_rows,
    source_row,
)
from xlkmv.refresh.rows.watch import (
    actual_rows,
    backtest_rows,
    history_rows,
    measure_row,
    rerating_rows,
    today_row,
    watch_rows,
)
from xlkmv.refresh.sources import Sourced
from xlkmv.refresh.tables import kept_rows, table_of, write_beside, write_name, write_rows, write_title
from xlkmv.refresh.wording import remember, said_again, speaker, write_texts
from xlkmv.workbook import layout
from xlkmv.workbook.book import Book, has_table
from xlkmv.workbook.layout.column import CHANGE

__all__ = ["AT_COMPARE", "AT_SOLVE", "TARGET_MARK", "not_moved", "scope", "target_mark", "write_report"]

# Column of the marks that the last solve was of, the cell for that of the targets, and how close equal
# marks are.
AT_SOLVE, TARGET_MARK, SAME = layout.INPUT.column("solved").header, "out_TargetMark", 1e-12

AT_COMPARE = layout.INPUT.column("compared").header

LOG_ROWS = 200


def write_report(
    book: Book,
    deal: Deal,
    analysis: Analysis,
    entry: Sequence[Any],
    marks: Sequence[tuple[str, str, float]],
    sources: Sourced | None = None,
    ranges: Ranges | None = None,
) -> None:
    """Write every result; the book keeps the writes until it is saved.

    Parameters
    ----------
    book : Book
    deal : Deal
    analysis : Analysis
    entry : sequence
        The row for the log: time, seconds, version, input hash, seed, message.
    marks : sequence of (str, str, float)
        What was read: table, column, mark; see :func:`xlkmv.refresh.marks.read_marks`.
    sources : Sourced, optional
        What the sources of inputs come to.
    ranges : Ranges, optional
        How well the inputs are known.
    """
    if not any(table_of(book, spec) for spec in layout.TABLES.values() if not spec.inputs):
        rule = Phrase(
            "it has none of the tables of results, such as tbl_Headline: take them from a new workbook"
        )
        raise BookError(Phrase("the results cannot be written: {rule}", rule=rule))
    sources = sources or Sourced()
    write_texts(book)
    _say_again(book)
    answers, today = class_answers(deal, analysis), classes_today(deal, analysis)
    history = history_rows(book, deal, analysis, today, entry)
    checks = [
        [c.name, Phrase(c.outcome), *map(_four_digits, (c.difference, c.limit))] for c in analysis.checks
    ]
    for spec, rows in (
        (layout.ANSWER, answer_rows(analysis, answers, today)),
        (layout.HEADLINE, headline_rows(deal, analysis)),
        (layout.RISK, risk_rows(deal, analysis)),
        (layout.CHART, curve_rows(deal, analysis)),
        (layout.SIGMA, analysis.sigma.tolist()),
        (layout.BREAKEVEN, analysis.breakeven.tolist()),
        (layout.SIMULATION, simulation_rows(deal, analysis.simulated_base)),
        (layout.SCENARIO_RESULT, condition_rows(analysis)),
        (layout.ATTRIBUTION, attribution_rows(analysis)),
        (layout.REVERSE, reverse_rows(deal, analysis)),
        (layout.CONCENTRATION, [concentration_row(analysis)]),
        (layout.DIVERSIFICATION, diversification_rows(analysis)),
        (layout.DRIVER, driver_rows(deal, analysis)),
        (layout.DRIVER_ALL, all_driver_rows(deal, analysis)),
        (layout.TORNADO, tornado_rows(analysis)),
        (layout.WATERFALL, step_rows(analysis)),
        (layout.ACCOUNT, account_rows(deal, analysis)),
        (layout.CASHFLOW, cashflow_rows(deal, analysis)),
        (layout.PRIORITY, [[k, text] for k, text in enumerate(analysis.steps, 1)]),
        (layout.MODEL, model_rows(analysis.models)),
        (layout.LAYER, layer_rows(deal, analysis)),
        (layout.CORRELATION, [correlation_row(deal, sources)]),
        (layout.MATTER, matter_rows(analysis)),
        (layout.INTERVAL, interval_rows(analysis, answers)),
        (layout.TODAY, [today_row(c) for c in today]),
        (layout.RERATE, rerating_rows(analysis, today)),
        (layout.WATCH, watch_rows(deal, analysis, today, history)),
        (layout.MEASURE, [measure_row(analysis.backtest)]),
        (layout.BACKTEST, backtest_rows(deal, analysis.backtest)),
        (layout.CHECK, checks),
    ):
        write_rows(book, spec, rows)
    headline = [
        [*condition_row(analysis, row, analysis.headline)[:9], text or None]
        for row, text in enumerate(analysis.remarks)
    ]
    write_beside(book, layout.SCENARIO, headline)
    write_beside(book, layout.COVENANT, [covenant_row(deal, c) for c in analysis.covenants])
    _write_in_pool(book, deal, analysis)
    write_rows(book, layout.ACTUAL, actual_rows(book, deal, analysis, today), False)
    if (given := table_of(book, layout.RANGE)) is not None:
        write_rows(book, layout.RANGE, range_rows(given, deal, ranges or Ranges()), False)
    if table_of(book, layout.OBLIGOR) is not None:
        write_beside(book, layout.OBLIGOR, [source_row(found) for found in sources.rows])
    if table_of(book, layout.GROUP) is not None:
        write_beside(book, layout.GROUP, [[found.pd, found.low, found.high] for found in sources.groups])
    _write_recoveries(book, deal)
    _write_asked(book, deal)
    if marks:
        write_rows(book, layout.INPUT, [[*line, line[-1], Phrase("yes")] for line in marks], False)
        _write_structure_state(book, [mark for *_, mark in marks])
        _write_comparison_state(book, [mark for *_, mark in marks])
    _write_log(book, entry)
    write_rows(book, layout.HISTORY, history)
    remember(book, [*entry, *(cell for row in history for cell in row)])
    _write_names(book, deal, analysis, today, entry)


# What a refresh leaves as it is: answers to Solve and Compare.
STAYING = (layout.STRUCTURE, layout.CASE_RESULT, layout.STEP, layout.BRIDGE)

STAYING_NAMES = (
    *("out_Solved", "out_Issuable", "out_TitleFrontier"),
    *("out_Compared", "out_ComparedPaths", "out_ChartsMoved"),
)


def _say_again(book: Book) -> None:
    """Say what a refresh leaves as it is in the language of the workbook."""
    again, there = said_again(book), set(book.names())
    for spec in STAYING:
        table = table_of(book, spec)
        if table is None:
            continue
        for header in [h for h in (c.heading(table.has) for c in spec.results) if table.has(h)]:
            column = table.column(header)
            now = [again.get(cell, cell) for cell in column]
            if now != column:
                book.write_table(table.name, {header: now})
    for name in STAYING_NAMES:
        if name in there and (value := book.name(name).value) in again:
            book.write_name(name, again[value])


def _write_names(
    book: Book, deal: Deal, analysis: Analysis, today: Sequence[ClassToday], entry: Sequence[Any]
) -> None:
    """Write the cells that have a name; those that the user has deleted are not wanted."""
    name = deal.tranches[analysis.headline].name
    worst, worst_pd = worst_condition(analysis)
    there, lines, say = set(book.names()), read(deal, analysis), speaker(book)
    if layout.READING_NAMES["pool"] not in there and not analysis.pool_pays:
        lines["actual"] = lines["pool"]  # an older workbook has no line of its own for that
    compared = "out_Compared" in there and book.name("out_Compared").value is not None
    done, outcome = scope(analysis), _outcome(analysis)
    if analysis.quick and "out_Scope" not in there:
        outcome = joined([done, outcome], CLAUSES)  # nor for this
    values = {
        "out_State": layout.QUICK_STATE if analysis.quick else layout.FRESH,
        "out_Scope": done,
        "out_Checks": outcome,
        "out_Refreshed": entry[0],
        "out_Volatility": analysis.base.volatility,
        "out_Drift": analysis.base.drift,
        "out_Headline": name,
        "out_WorstScenario": worst,
        "out_WorstPD": worst_pd,
        "out_PlanShort": _short_by_plan(deal, analysis.planned),
        "out_Version": xlkmv.__version__,
        "out_InputHash": entry[3],
        **{layout.READING_NAMES[key]: text for key, text in lines.items()},
        **{cell: spec.heading(name, say) for cell, spec in layout.TITLES.items()},
        **{
            cell: layout.of_class(text, name)
            for cell, text in layout.CHARTS.items()
            if cell not in STAYING_NAMES or not compared
        },
    }
    if not analysis.quick:
        spread = deal.tranches[spread_class(analysis)].name
        values["out_TitleDiversification"] = layout.DIVERSIFICATION.heading(spread, say)
        driven = deal.tranches[driven_class(analysis)].name
        values["out_TitleDriver"] = layout.DRIVER.heading(driven, say)
        values["out_ChartsDrivers"] = layout.of_class(layout.CHARTS["out_ChartsDrivers"], driven)
    for cell, value in values.items():
        write_name(book, cell, value)
    for cell, more in _drawn(book, deal, analysis, today[analysis.headline]).items():
        write_title(book, cell, more)


def _drawn(book: Book, deal: Deal, analysis: Analysis, today: ClassToday) -> dict[str, str | None]:
    """What titles of charts add, by their cell: the grade, of whom it is, or why there is nothing to draw."""
    there = set(book.names())
    quick = NOT_IN_QUICK if analysis.quick else None
    record = None if analysis.backtest.measures else analysis.backtest.verdict
    rating = Phrase("grade {then} at closing", then=today.closing.grade)
    if analysis.surveillance.seen:
        rating = Phrase("grade {then} at closing, {now} now", then=today.closing.grade, now=today.grade)
    kept = analysis.planned.account.any() or analysis.planned.reserve.any()

    def asked(name: str, not_yet: str) -> str | None:
        return not_yet if name in there and book.name(name).value is None else None

    return {
        "out_DrawnCover": None,
        "out_DrawnKept": None if kept else Phrase("no cash stays"),
        "out_DrawnRating": rating,
        "out_DrawnCollections": record,
        "out_DrawnDefaults": record,
        "out_DrawnFrontier": asked("out_Solved", layout.UNSOLVED),
        "out_DrawnControls": quick or (None if analysis.attribution else Phrase("no control is on")),
        "out_DrawnConditions": quick,
        "out_DrawnSpread": quick or deal.tranches[spread_class(analysis)].name,
        "out_DrawnMatter": quick or (None if analysis.uncertainty else NO_RANGE),
        "out_DrawnMoved": asked("out_Compared", layout.UNCOMPARED) or _not_moved(book),
    }


def _not_moved(book: Book) -> str | None:
    """Say so if no change of the last comparison has moved the class."""
    if not has_table(book, layout.BRIDGE.name):
        return None
    bridge = book.table(layout.BRIDGE.name)
    headings = (c.header for c in layout.BRIDGE.columns if c.format == CHANGE and bridge.has(c.header))
    return not_moved([x for heading in headings for x in bridge.column(heading)])


def not_moved(changes: Iterable[Any]) -> str | None:
    """Say so if all of some changes of a probability are too small to be any.

    Parameters
    ----------
    changes : iterable
        Blank ones are passed over.

    Returns
    -------
    str or None
    """
    small = all(abs(x) < LEAST for x in changes if isinstance(x, float))
    return Phrase("nothing moved it") if small else None


def _write_comparison_state(book: Book, marks: Sequence[float]) -> None:
    """Say whether sheet Compare is still of these inputs."""
    there, listed = set(book.names()), book.table(layout.INPUT.name)
    if {"out_Comparison", "out_Compared"} <= there and listed.has(AT_COMPARE):
        fresh = _alike(listed.column(AT_COMPARE), marks)
        compared = book.name("out_Compared").value is not None
        state = layout.COMPARED if fresh else layout.COMPARED_BEFORE
        write_name(book, "out_Comparison", state if compared else layout.UNCOMPARED)


def _alike(then: Sequence[Any], now: Sequence[float]) -> bool:
    """Whether marks are those of before."""
    return len(then) == len(now) and all(
        isinstance(a, float) and abs(a - b) <= SAME * (1.0 + abs(a)) for a, b in zip(then, now, strict=True)
    )


def _write_structure_state(book: Book, marks: Sequence[float]) -> None:
    """Say whether sheet Structure is still of these inputs: its formula would, but has to be computed."""
    there, listed = set(book.names()), book.table(layout.INPUT.name)
    if not {"out_Structure", "out_Solved", TARGET_MARK} <= there or not listed.has(AT_SOLVE):
        return
    targets = table_of(book, layout.TARGET)
    then = [*listed.column(AT_SOLVE), book.name(TARGET_MARK).value]
    now = list(marks)
    if targets is not None:
        now.append(target_mark(*(targets.column(c.header) for c in layout.TARGET.inputs)))
    same = _alike(then, now)
    state = layout.SOLVED if same else layout.SOLVED_BEFORE
    write_name(book, "out_Structure", layout.UNSOLVED if book.name("out_Solved").value is None else state)


def target_mark(names: Sequence[Any], targets: Sequence[Any]) -> float:
    """Mark the classes and their targets, as the formula on sheet Structure does.

    Parameters
    ----------
    names, targets : sequence
        Cells.

    Returns
    -------
    float
    """
    return input_mark(names) + input_mark(targets)


def scope(analysis: Analysis) -> str:
    """Say how much was computed: everything, or a quick look, and on how many paths."""
    paths = analysis.simulated_base.paths
    if analysis.quick:
        return Phrase("quick look, {paths:,} paths", paths=paths)
    return Phrase("everything, {paths:,} paths", paths=paths)


def _write_log(book: Book, entry: Sequence[Any]) -> None:
    """Add a line to the log."""
    write_rows(book, layout.LOG, [*kept_rows(book, layout.LOG), list(entry)][-LOG_ROWS:])


def _four_digits(x: float) -> float:
    return float(f"{x:.4g}") if abs(x) > 1e-15 else 0.0


def _outcome(analysis: Analysis) -> str:
    failed, odd = ([c for c in analysis.checks if c.outcome == word] for word in ("FAILED", "look"))
    if failed:
        return Phrase("FAILED: see sheet Checks")
    return Phrase("all passed, {count} to look at", count=len(odd)) if odd else Phrase("all passed")


def _short_by_plan(deal: Deal, planned: Waterfall) -> str:
    """Which tranche misses a payment although everybody pays, when first, and how many more do."""
    short: list[str] = [
        Phrase("{name}, {date}", name=tranche.name, date=deal.terms.dates[int(np.argmax(row))])
        for tranche, row in zip(deal.tranches, planned.short, strict=True)
        if row.any()
    ]
    if not short:
        return Phrase("no class")
    more = len(short) - 1
    return Phrase("{first} and {more} more", first=short[0], more=more) if more else short[0]


def _write_asked(book: Book, deal: Deal) -> None:
    """Beside the pools that are asked about: why some are not among the answers."""
    spec, table = layout.OTHERWISE, table_of(book, layout.OTHERWISE)
    if table is None:
        return
    rows = filled(table, spec)
    columns = [
        [(c.field, x) for x in (rows.column(c.header) if rows.has(c.header) else [None] * len(rows.rows))]
        for c in spec.inputs
    ]
    remarks = []
    for row in zip(*columns, strict=True):
        found = [text for name, x in row if not is_blank(x) and (text := why_not(deal, name, x))]
        remarks.append([joined([*dict.fromkeys(found)], CLAUSES) if found else None])
    write_beside(book, spec, remarks)


def _write_in_pool(book: Book, deal: Deal, analysis: Analysis) -> None:
    """Beside each row of the pool: what it has to do with the losses of the headline class."""
    spec, found, k = layout.POOL, analysis.contributions, analysis.headline
    if found is not None:
        columns = [found.obligors.loss_share[:, k].tolist(), found.obligors.in_default[:, k].tolist()]
        rows = [[_known(x) for x in row] for row in zip(*columns, strict=True)]
        write_beside(book, spec, rows)
        return
    table = book.table(spec.name)
    there = [table.column(c.header) for c in spec.results if table.has(c.header)]
    # A long pool that says nothing need not be written to say so.
    if any(x is not None for column in there for x in column):
        write_rows(book, spec, [[None] * len(spec.results)] * len(table.rows), resize=False)


def _known(x: float) -> float | None:
    return None if x != x else x


def _write_recoveries(book: Book, deal: Deal) -> None:
    """Write what a default of each obligor of table tbl_Recovery is expected to bring."""
    table = table_of(book, layout.RECOVERY)
    if table is None:
        return
    known = dict(zip(map(str.casefold, deal.pool.name), expected_recovery(deal).tolist(), strict=True))
    names = filled(table, layout.RECOVERY).column(layout.RECOVERY.column("name").header)
    write_beside(book, layout.RECOVERY, [[known[str(name).strip().casefold()]] for name in names])
