"""Write an analysis into the workbook's tables, in one go."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

import xlkmv
from xlkmv.deal.analysis import MODELS, NOT_IN_QUICK, Analysis
from xlkmv.deal.answers import (
    SMALLEST_END,
    TOO_FEW,
    TOO_WIDE,
    ClassAnswer,
    class_answers,
    condition_quotes,
    range_of,
    strongest_conditions,
    upper_bound,
)
from xlkmv.deal.figures import LEAST
from xlkmv.deal.kmv import LEAST_VOLATILITY, TrancheView
from xlkmv.deal.paths.run import Simulation
from xlkmv.deal.plan.covenants import CovenantPath
from xlkmv.deal.plan.waterfall import Waterfall
from xlkmv.deal.questions.backtest import PlanBacktest
from xlkmv.deal.questions.conditions import MEASURES
from xlkmv.deal.questions.contributions import NAMED, Contributions
from xlkmv.deal.questions.diversification import telling_class, why_not
from xlkmv.deal.questions.layers import loss_layers
from xlkmv.deal.questions.uncertainty import LEAST_FOREMOST, OBLIGORS
from xlkmv.deal.reading import read, riskiest
from xlkmv.deal.sources import ObligorPd
from xlkmv.deal.standing import ClassToday, alert, classes_today
from xlkmv.deal.stress import expected_recovery
from xlkmv.deal.terms import CONTROLS, INPUTS, Deal, Ranges
from xlkmv.errors import BookError, XlkmvError
from xlkmv.functions.cells import is_blank
from xlkmv.model.losses import LossDistribution
from xlkmv.model.plan import coverage_quantile
from xlkmv.phrase import CLAUSES, LIST, Phrase, Say, joined, said
from xlkmv.refresh.marks import input_mark
from xlkmv.refresh.reader import filled
from xlkmv.refresh.sources import Sourced
from xlkmv.refresh.wording import remember, said_again, speaker, write_texts
from xlkmv.workbook import layout
from xlkmv.workbook.book import Book, CellValue, Table, has_table
from xlkmv.workbook.layout import TableSpec
from xlkmv.workbook.layout.column import CHANGE

__all__ = [
    "AT_COMPARE",
    "AT_SOLVE",
    "CONDITIONS_SHOWN",
    "NOT_RUN",
    "NO_RANGES",
    "SMALLEST_DRAWN",
    "TARGET_MARK",
    "UNITS",
    "backtest_rows",
    "measure_row",
    "model_rows",
    "not_moved",
    "scope",
    "target_mark",
    "write_name",
    "write_report",
    "write_rows",
    "write_title",
]

# Column of the marks that the last solve was of, the cell for that of the targets, and how close equal
# marks are.
AT_SOLVE, TARGET_MARK, SAME = layout.INPUT.column("solved").header, "out_TargetMark", 1e-12
AT_COMPARE = layout.INPUT.column("compared").header
LOG_ROWS = 200
HISTORY_ROWS = 2_000
# Probabilities below this are drawn as this: a logarithmic axis has no zero.
SMALLEST_DRAWN = 1e-10
# The band of coverage in its chart, and the most that it draws: more is drawn as that.
BAND, MOST_COVERAGE = (0.05, 0.95), 4.0
# Conditions of the chart of those that matter most.
CONDITIONS_SHOWN = 10
# In place of a figure that a quick look leaves out.
NOT_RUN = Phrase("not run")
# In place of an interval where no input has a range.
NO_RANGES, NO_RANGE = Phrase("no ranges"), Phrase("no input has a range")
# There is no such date, size or figure.
NONE = Phrase("none")


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
    if not any(_table(book, spec) for spec in layout.TABLES.values() if not spec.inputs):
        rule = Phrase(
            "it has none of the tables of results, such as tbl_Headline: take them from a new workbook"
        )
        raise BookError(Phrase("the results cannot be written: {rule}", rule=rule))
    sources = sources or Sourced()
    write_texts(book)
    _say_again(book)
    answers, today = class_answers(deal, analysis), classes_today(deal, analysis)
    history = _history(book, deal, analysis, today, entry)
    checks = [
        [c.name, Phrase(c.outcome), *map(_four_digits, (c.difference, c.limit))] for c in analysis.checks
    ]
    for spec, rows in (
        (layout.ANSWER, _answers(analysis, answers, today)),
        (layout.HEADLINE, _headline(deal, analysis)),
        (layout.RISK, _risk(deal, analysis)),
        (layout.CHART, _curve(deal, analysis)),
        (layout.SIGMA, analysis.sigma.tolist()),
        (layout.BREAKEVEN, analysis.breakeven.tolist()),
        (layout.SIMULATION, _simulation(deal, analysis.simulated_base)),
        (layout.SCENARIO_RESULT, _scenario_results(analysis)),
        (layout.ATTRIBUTION, _attribution(analysis)),
        (layout.REVERSE, _reverse(deal, analysis)),
        (layout.CONCENTRATION, [_concentration(analysis)]),
        (layout.DIVERSIFICATION, _diversification(analysis)),
        (layout.DRIVER, _drivers(deal, analysis)),
        (layout.DRIVER_ALL, _all_drivers(deal, analysis)),
        (layout.TORNADO, _tornado(analysis)),
        (layout.WATERFALL, _waterfall(analysis)),
        (layout.ACCOUNT, _account(deal, analysis)),
        (layout.CASHFLOW, _cashflow(deal, analysis)),
        (layout.PRIORITY, [[k, text] for k, text in enumerate(analysis.steps, 1)]),
        (layout.MODEL, model_rows(analysis.models)),
        (layout.LAYER, _layers(deal, analysis)),
        (layout.CORRELATION, [_correlated(deal, sources)]),
        (layout.MATTER, _matter(analysis)),
        (layout.INTERVAL, _intervals(analysis, answers)),
        (layout.TODAY, [_standing(c) for c in today]),
        (layout.RERATE, _rerated(analysis, today)),
        (layout.WATCH, _watched(deal, analysis, today, history)),
        (layout.MEASURE, [measure_row(analysis.backtest)]),
        (layout.BACKTEST, backtest_rows(deal, analysis.backtest)),
        (layout.CHECK, checks),
    ):
        write_rows(book, spec, rows)
    headline = [
        [*_scenario(analysis, row, analysis.headline)[:9], text or None]
        for row, text in enumerate(analysis.remarks)
    ]
    _write_beside(book, layout.SCENARIO, headline)
    _write_beside(book, layout.COVENANT, [_covenant(deal, c) for c in analysis.covenants])
    _write_in_pool(book, deal, analysis)
    write_rows(book, layout.ACTUAL, _surveillance(book, deal, analysis, today), False)
    if (given := _table(book, layout.RANGE)) is not None:
        write_rows(book, layout.RANGE, _ranged(given, deal, ranges or Ranges()), False)
    if _table(book, layout.OBLIGOR) is not None:
        _write_beside(book, layout.OBLIGOR, [_sourced(found) for found in sources.rows])
    if _table(book, layout.GROUP) is not None:
        _write_beside(book, layout.GROUP, [[found.pd, found.low, found.high] for found in sources.groups])
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
        table = _table(book, spec)
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
    worst, worst_pd = _worst_stress(analysis)
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
        spread = deal.tranches[_spread_class(analysis)].name
        values["out_TitleDiversification"] = layout.DIVERSIFICATION.heading(spread, say)
        driven = deal.tranches[_driven_class(analysis)].name
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
        "out_DrawnSpread": quick or deal.tranches[_spread_class(analysis)].name,
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
    targets = _table(book, layout.TARGET)
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


def _worst_stress(analysis: Analysis) -> tuple[str, float | str]:
    """Condition with the largest simulated any-date PD of the headline class, if any has one, and that PD."""
    if analysis.quick:
        return NOT_IN_QUICK, NOT_RUN
    # A control that is off and another default point are no stress.
    stresses = [
        r for r in analysis.simulated[1:] if not r.stress.controls_off and r.stress.default_point == "own"
    ] or analysis.simulated
    found = [(r.simulation.tranches[analysis.headline].anydate_pd, Phrase(r.stress.name)) for r in stresses]
    pd, name = max(found, key=lambda pair: pair[0])
    return name if pd > 0.0 else NONE, pd


def _table(book: Book, spec: TableSpec) -> Table | None:
    """Find the table of a layout, also under an earlier name; None when the workbook has none."""
    for name in (spec.name, spec.formerly):
        if has_table(book, name):
            table = book.table(name)
            if spec.describes(table.header):
                return table
    return None


def _write_log(book: Book, entry: Sequence[Any]) -> None:
    """Add a line to the log."""
    write_rows(book, layout.LOG, [*_kept(book, layout.LOG), list(entry)][-LOG_ROWS:])


def _kept(book: Book, spec: TableSpec) -> list[list[Any]]:
    """Rows of results that earlier refreshes have left; none where the table is gone."""
    found = _table(book, spec)
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
    found = _table(book, spec)
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


def _write_beside(book: Book, spec: TableSpec, rows: Sequence[Sequence[Any]]) -> None:
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


def _final(tranche: TrancheView) -> list[float]:
    """Coverage, distance, PD and any-date PD when the tranche has to be repaid."""
    return [
        tranche.coverage_at_maturity,
        tranche.distance_at_maturity,
        tranche.pd_at_maturity,
        tranche.anydate_pd_at_maturity,
    ]


# Stands where there is nothing to say.
NOTHING = "-"


def _answers(
    analysis: Analysis, answers: Sequence[ClassAnswer], today: Sequence[ClassToday]
) -> list[list[Any]]:
    """Each class on Home; its grade now once something has been seen."""
    no_range = NOT_RUN if analysis.quick else NO_RANGES
    seen = bool(analysis.surveillance.seen)
    return [_answer(a, c.grade if seen else None, no_range) for a, c in zip(answers, today, strict=True)]


def _answer(a: ClassAnswer, grade_now: str | None, no_range: Phrase) -> list[Any]:
    """One class on Home; in place of an interval that is not known it says why."""
    alone = NOTHING if a.alone is None else a.alone.pd
    lgd = NOTHING if np.isnan(a.loss_given_default) else a.loss_given_default
    kept = [a.coverage, a.distance, a.expected_loss, lgd, a.average_life, a.yield_at_par]
    interval = range_of(a) or no_range
    grades = [a.grade, grade_now]
    return [a.name, *grades, a.quote.pd, interval, a.quote.why, alone, *kept]


def _headline(deal: Deal, analysis: Analysis) -> list[list[Any]]:
    rows: list[list[Any]] = []
    runs = zip(analysis.simulated_base.tranches, analysis.simulated_unsupported.tranches, strict=True)
    views = zip(analysis.base.tranches, analysis.controls_off.tranches, strict=True)
    for (base, off), (run, unsupported), senior in zip(views, runs, deal.senior, strict=True):
        by_pool, alone = float(base.risk.anydate_pd[base.maturity]), unsupported.anydate_pd
        without = alone if deal.controls.support and senior else NOTHING
        simulated = [by_pool, run.anydate_pd, without, run.expected_loss]
        rows.append([base.name, *_final(base), *simulated, *_final(off)[1:]])
    return [[*row, life] for row, life in zip(rows, analysis.average_life.tolist(), strict=True)]


def _risk(deal: Deal, analysis: Analysis) -> list[list[Any]]:
    return [
        [
            tranche.name,
            date,
            *(
                series[k]
                for series in (
                    tranche.risk.times,
                    tranche.risk.accumulated_in,
                    tranche.risk.accumulated_due,
                    tranche.risk.coverage,
                    tranche.risk.distance,
                    tranche.risk.pd,
                    tranche.risk.anydate_pd,
                    tranche.pd,
                    tranche.anydate_pd,
                )
            ),
            *_expected(tranche, k),
        ]
        for tranche in analysis.base.tranches
        for k, date in enumerate(deal.terms.dates)
    ]


def _expected(tranche: TrancheView, k: int) -> list[Any]:
    """Coverage, distance and any-date PD by expected payments; blank where nothing else is due."""
    risk = tranche.expected
    return [None] * 3 if risk is None else [risk.coverage[k], risk.distance[k], risk.anydate_pd[k]]


def _curve(deal: Deal, analysis: Analysis) -> list[list[Any]]:
    k = analysis.headline
    on, last, off = analysis.base.tranches[k], analysis.base.tranches[-1], analysis.controls_off.tranches[k]
    simulated, simulated_off = (
        np.maximum(np.cumsum(run.tranches[k].first_short), upper_bound(0, run.paths))
        for run in (analysis.simulated_base, analysis.simulated_off)
    )
    drawn = (on.anydate_pd, simulated, off.anydate_pd, simulated_off)
    # Of a pass-through class next to nothing falls due before its legal final.
    faced, all_due = on.expected or on.risk, last.expected or last.risk
    sigma, mu = max(analysis.base.volatility, LEAST_VOLATILITY), analysis.base.drift
    low, high = (coverage_quantile(faced, p, sigma, mu) for p in BAND)
    series = (
        faced.accumulated_in,
        faced.accumulated_due,
        all_due.accumulated_due,
        *(np.maximum(p, SMALLEST_DRAWN) for p in drawn),
        *(np.minimum(c, MOST_COVERAGE) for c in (faced.coverage, low, high)),
    )
    return [[date, *(s[k] for s in series)] for k, date in enumerate(deal.terms.dates)]


def _scenario(analysis: Analysis, row: int, k: int) -> list[Any]:
    """One tranche under one condition: KMV view, then simulated."""
    tranche = analysis.scenarios[row].tranches[k]
    view = [
        *_final(tranche),
        tranche.expected_loss,
        tranche.first_short or NONE,
        tranche.anydate_pd_at_maturity - analysis.scenarios[0].tranches[k].anydate_pd_at_maturity,
    ]
    if analysis.quick:
        return [*view, *[NOT_RUN] * 5]
    run, measure = analysis.simulated[row], MEASURES.index("anydate_pd")
    simulated = run.simulation.tranches[k]
    return [
        *view,
        simulated.anydate_pd,
        simulated.anydate_pd_error,
        simulated.expected_loss,
        run.change[measure, k],
        run.change_error[measure, k],
    ]


def _scenario_results(analysis: Analysis) -> list[list[Any]]:
    return [
        [Phrase(view.stress.name), tranche.name, *_scenario(analysis, row, k)]
        for row, view in enumerate(analysis.scenarios)
        for k, tranche in enumerate(view.tranches)
    ]


def _simulation(deal: Deal, run: Simulation) -> list[list[Any]]:
    rows = []
    for t in run.tranches:
        likely = int(np.argmax(t.first_short))
        rows.append(
            [
                t.name,
                t.pd,
                t.pd_error,
                t.anydate_pd,
                t.anydate_pd_error,
                t.expected_loss,
                t.expected_loss_error,
                t.wal,
                t.loss_quantile(0.999),
                deal.terms.dates[likely] if t.first_short[likely] > 0.0 else NONE,
            ]
        )
    return rows


def _attribution(analysis: Analysis) -> list[list[Any]]:
    """Each control for the headline class, and for the riskiest other one."""
    if analysis.quick:
        return _left_out(layout.ATTRIBUTION)
    found, losses = analysis.attribution, analysis.loss_attribution
    k, other = analysis.headline, riskiest(analysis)
    if found is None or losses is None:
        return []
    return [
        [
            Phrase(CONTROLS[control].label),
            found.off_alone[c, k],
            found.on_alone[c, k],
            found.stacked[c + 1, k],
            found.shapley[c, k],
            found.shapley_error[c, k],
            losses.off_alone[c, k],
            losses.shapley[c, k],
            found.off_alone[c, other],
            found.shapley[c, other],
        ]
        for c, control in enumerate(found.controls)
    ]


def _concentration(analysis: Analysis) -> list[Any]:
    found = analysis.concentration
    largest = found.industries[0] if found.industries else (Phrase("none named"), None)
    return [
        *largest,
        found.obligors,
        found.effective_number,
        found.herfindahl,
        found.largest,
        found.five_largest,
        found.ten_largest,
        len(found.industries),
        found.industry_herfindahl,
    ]


def _diversification(analysis: Analysis) -> list[list[Any]]:
    if analysis.quick:
        return _left_out(layout.DIVERSIFICATION)
    k = _spread_class(analysis)
    rows = []
    for d in analysis.diversification:
        # Where no path is short the chart shows what the PD is below.
        drawn = max(d.kmv[k], SMALLEST_DRAWN), d.simulated[k] or upper_bound(0, d.paths)
        figures = (d.kmv[k], d.simulated[k], d.simulated_error[k], d.distance[k], *drawn)
        rows.append([d.label, d.obligors, d.effective_number, d.largest, *figures])
    return rows


def _write_asked(book: Book, deal: Deal) -> None:
    """Beside the pools that are asked about: why some are not among the answers."""
    spec, table = layout.OTHERWISE, _table(book, layout.OTHERWISE)
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
        remarks.append([joined(found, CLAUSES) if found else None])
    _write_beside(book, spec, remarks)


def _spread_class(analysis: Analysis) -> int:
    """Class whose PD on pools that are spread otherwise is shown."""
    return telling_class(analysis.diversification, analysis.headline)


def _driven_class(analysis: Analysis) -> int:
    """Class whose drivers are shown: the headline class; if that loses nothing, the most senior that does."""
    found, order = analysis.contributions, (analysis.headline, *range(len(analysis.base.tranches)))
    if found is None:
        return analysis.headline
    # Shares in a loss that there is not are NaN.
    return next((k for k in order if np.isfinite(found.obligors.loss_share[:, k]).any()), analysis.headline)


def _drivers(deal: Deal, analysis: Analysis) -> list[list[Any]]:
    """The obligors that count most for one class."""
    found, pool = analysis.contributions, deal.pool
    if found is None:
        return _left_out(layout.DRIVER)
    share, k = pool.share, _driven_class(analysis)
    return [
        [
            pool.name[i],
            pool.industry[i] or None,
            share[i],
            pool.pd[i],
            found.obligors.pool_share[i],
            *found.obligors.of_class(i, k),
            *_without(analysis, found, i, k),
        ]
        for i in found.obligors.order(k)[:NAMED]
    ]


def _without(analysis: Analysis, found: Contributions, row: int, k: int) -> list[Any]:
    """Class k if a row of the pool could not default; blank where that was not asked."""
    now = analysis.simulated_unsupported.tranches[k]
    pd, pd_error, loss, loss_error = found.left_out.of_class(row, k)
    if pd != pd:
        return [None] * 5
    # Of fewer paths than the class now it may say a little less than nothing.
    then = [max(now.anydate_pd - pd, 0.0), max(now.expected_loss - loss, 0.0)]
    return [then[0], -pd, pd_error, then[1], loss_error]


def _write_in_pool(book: Book, deal: Deal, analysis: Analysis) -> None:
    """Beside each row of the pool: what it has to do with the losses of the headline class."""
    spec, found, k = layout.POOL, analysis.contributions, analysis.headline
    if found is not None:
        columns = [found.obligors.loss_share[:, k].tolist(), found.obligors.in_default[:, k].tolist()]
        rows = [[_known(x) for x in row] for row in zip(*columns, strict=True)]
        _write_beside(book, spec, rows)
        return
    table = book.table(spec.name)
    there = [table.column(c.header) for c in spec.results if table.has(c.header)]
    # A long pool that says nothing need not be written to say so.
    if any(x is not None for column in there for x in column):
        write_rows(book, spec, [[None] * len(spec.results)] * len(table.rows), resize=False)


def _known(x: float) -> float | None:
    return None if x != x else x


def _all_drivers(deal: Deal, analysis: Analysis) -> list[list[Any]]:
    """Industries and obligors that count most for each class; one line for a class that is never hurt."""
    found, pool = analysis.contributions, deal.pool
    if found is None:
        return _left_out(layout.DRIVER_ALL)
    by_industry = dict(analysis.concentration.industries)
    kinds = (
        (Phrase("industry"), found.industries, [by_industry[name] for name in found.industries.name]),
        (Phrase("obligor"), found.obligors, pool.share),
    )
    rows: list[list[Any]] = []
    for k, tranche in enumerate(deal.tranches):
        if not found.short[k]:
            never = Phrase("never short on {paths:,} paths", paths=found.paths)
            rows.append([tranche.name, never, *[None] * (len(layout.DRIVER_ALL.columns) - 2)])
            continue
        for kind, drivers, share in kinds:
            for i in drivers.order(k)[:NAMED]:
                said = [share[i], drivers.pool_share[i], *drivers.of_class(i, k)]
                said += _without(analysis, found, i, k) if drivers is found.obligors else [None] * 5
                rows.append([tranche.name, drivers.name[i], kind, *said])
    return rows


def _tornado(analysis: Analysis) -> list[list[Any]]:
    """The conditions that matter most to the headline class."""
    if analysis.quick:
        return _left_out(layout.TORNADO)
    quotes = condition_quotes(analysis, analysis.headline)
    return [
        [Phrase(analysis.simulated[row].stress.name), quotes[row].pd, quotes[0].pd, quotes[row].why]
        for row in strongest_conditions(quotes, CONDITIONS_SHOWN)
    ]


def _waterfall(analysis: Analysis) -> list[list[Any]]:
    """Bars of the chart from all controls off to all on."""
    if analysis.quick:
        return _left_out(layout.WATERFALL)
    found, k = analysis.attribution, analysis.headline
    if found is None:
        return [[Phrase("no control is on"), *[None] * (len(layout.WATERFALL.columns) - 1)]]
    levels = found.levels(k)
    rows: list[list[Any]] = [[Phrase("All off"), levels[0], None, None, None, levels[0]]]
    for control, before, after in zip(found.controls, levels, levels[1:], strict=False):
        less, more = max(before - after, 0.0), max(after - before, 0.0)
        bar = [min(before, after), less or None, more or None, None]
        rows.append([Phrase(CONTROLS[control].label), after, *bar])
    return [*rows, [Phrase("As it is"), found.with_all[k], None, None, None, found.with_all[k]]]


def _layers(deal: Deal, analysis: Analysis) -> list[list[Any]]:
    """How likely losses of the pool are that reach into the classes."""
    if analysis.quick:
        return _left_out(layout.LAYER)
    kmv = analysis.models[MODELS[0]]
    if isinstance(kmv, Exception):
        return [[NONE, *[None] * (len(layout.LAYER.columns) - 1)]]
    pool, rows = deal.pool.amount.sum(), []
    points, more, layers, bearers = loss_layers(deal, kmv)
    headline = deal.tranches[deal.headline].name
    own = next(k for k, names in enumerate(bearers) if headline in names)
    before = -1
    for loss, exceeded, layer in zip(points, more, layers, strict=True):
        # Once, as axes take what is blank under a name for more of the same.
        bearer = None
        if layer != before:
            bearer = joined(bearers[layer], LIST) if layer < len(bearers) else Phrase("no class is left")
        before = layer
        # Layers that touch are told apart: the class's own, and two colours in turn on either side of it.
        # A logarithmic axis has no zero.
        color = 0 if layer == own else 1 + (layer - own + 1) % 2
        drawn = [max(exceeded, SMALLEST_DRAWN) if k == color else None for k in range(3)]
        rows.append([bearer, loss / pool, loss, exceeded, *drawn])
    return rows


def _ranged(table: Table, deal: Deal, ranges: Ranges) -> list[list[Any]]:
    """Beside each input that may have a range: whether its range counts, and what it is now."""
    known = {item.label.casefold(): name for name, item in INPUTS.items()}
    rows: list[list[Any]] = []
    label_of, low_of, error_of = (layout.RANGE.column(field).header for field in ("label", "low", "error"))
    errors = table.column(error_of) if table.has(error_of) else [None] * len(table.rows)
    for label, low, error in zip(table.column(label_of), table.column(low_of), errors, strict=True):
        name = known.get(str(label or "").strip().casefold())
        if name is None:
            rows.append([None, None])
            continue
        if not INPUTS[name].acts(deal):
            rows.append([UNUSED[name], None])
            continue
        counts = None
        if name in ranges.acting(deal):
            typed = not (is_blank(low) and is_blank(error))
            counts = Phrase("yes") if typed else Phrase("yes: s.e. of its source")
        elif not is_blank(low):
            counts = Phrase("no: figure outside")
        elif not is_blank(error):
            counts = Phrase("no: s.e. does not fit")
        rows.append([counts, INPUTS[name].figure(deal)])
    return rows


# Why an input is not used, and a range of it would not count.
UNUSED = {
    "recovery": Phrase("no: pledges say it"),
    "volatility": Phrase("no: the volatility is implied"),
    "drift": Phrase("no: the drift is implied"),
    "prepayment": Phrase("no: prepayment by a vector"),
    "support_pd": Phrase("no: the undertaking is off"),
    "support_correlation": Phrase("no: the undertaking is off"),
    "industry_correlation": Phrase("no: no industry is named"),
    "between_industries": Phrase("no: no industry is named"),
    "lag": Phrase("no: recovered at once"),
    "pledge": Phrase("no: there is no pledge"),
    "pledge_volatility": Phrase("no: there is no pledge"),
    "sale_discount": Phrase("no: there is no pledge"),
}


def _matter(analysis: Analysis) -> list[list[Any]]:
    """Shares of the inputs in the variance of the headline class, the largest first."""
    found = analysis.uncertainty
    if analysis.quick:
        return _left_out(layout.MATTER)
    if found is None:
        return [[NO_RANGE, *[None] * 6]]
    each = dict(zip(found.labels, found.groups, strict=True))
    name, share = found.foremost or ("", 0.0)
    most = (share, name) if share >= LEAST_FOREMOST else (None, None)
    rows = [
        [label, first, total, first_error, total_error, *(most if each[label] == OBLIGORS else (None, None))]
        for label, first, first_error, total, total_error in found.ranked(analysis.headline)
    ]
    why = Phrase("nothing moves the class")
    if found.classes[analysis.headline].pd is None:
        why = TOO_FEW
    elif found.vague(analysis.headline):
        why = TOO_WIDE
    return rows or [[why, *[None] * 6]]


def _intervals(analysis: Analysis, answers: Sequence[ClassAnswer]) -> list[list[Any]]:
    """Each class with its intervals; without ranges the figures alone."""
    if analysis.quick:
        return _left_out(layout.INTERVAL)
    found, rows = analysis.uncertainty, []
    for k, a in enumerate(answers):
        run, none = analysis.simulated_base.tranches[k], (None, None)
        pd, distance, loss, pd_error, loss_error = (
            x or none
            for x in (a.pd_range, a.distance_range, a.loss_range, a.pd_range_error, a.loss_range_error)
        )
        drawn: list[float | None] = [None, None]
        if a.pd_range is not None:
            low, high = (max(p, SMALLEST_END) for p in a.pd_range)
            drawn = [low, high - low]
        most = None
        if found is not None and (ranked := found.ranked(k)):
            label, *_, share, _error = ranked[0]
            most = Phrase("{input} ({share:.0%})", input=label, share=share)
        rows.append(
            [
                *(a.name, a.quote.pd, *pd, most, *pd_error, a.pd_range_of or None, run.anydate_pd_error),
                *(a.distance, *distance, a.expected_loss, *loss, *loss_error, run.expected_loss_error),
                *(*drawn, max(a.quote.pd, SMALLEST_END)),
            ]
        )
    return rows


UNITS = {
    "pool_haircut": Phrase("of all collections"),
    "volatility_multiplier": Phrase("times"),
    "pd_multiplier": Phrase("times"),
    "recovery_multiplier": Phrase("times"),
    "rate_shift": Phrase("added to coupons"),
    "delay": Phrase("payment periods"),
    "largest obligors": Phrase("obligors in default"),
}


def _sourced(found: ObligorPd | None) -> list[Any]:
    if found is None:
        return [None] * len(layout.OBLIGOR.results)
    return [found.pd, found.low, found.high, found.distance, found.note]


def _correlated(deal: Deal, sources: Sourced) -> list[Any]:
    """Where the asset correlation comes from, and what it comes to."""
    used, found = deal.pool.correlation, sources.correlation
    source, error = "typed", None
    note: str = Phrase("sheet Pool, column Correlation")
    if found is not None and found.source != source:
        source, error, note = found.source, found.error, found.note
    return [Phrase(source), float(deal.pool.share @ used), used.min(), used.max(), error, note]


def _write_recoveries(book: Book, deal: Deal) -> None:
    """Write what a default of each obligor of table tbl_Recovery is expected to bring."""
    table = _table(book, layout.RECOVERY)
    if table is None:
        return
    known = dict(zip(map(str.casefold, deal.pool.name), expected_recovery(deal).tolist(), strict=True))
    names = filled(table, layout.RECOVERY).column(layout.RECOVERY.column("name").header)
    _write_beside(book, layout.RECOVERY, [[known[str(name).strip().casefold()]] for name in names])


def _left_out(spec: TableSpec) -> list[list[Any]]:
    """One row that says why a table has no figures."""
    return [[NOT_IN_QUICK, *[None] * (len(spec.results) - 1)]]


def _reverse(deal: Deal, analysis: Analysis) -> list[list[Any]]:
    if analysis.quick:
        return _left_out(layout.REVERSE)
    labels = {c.field: c.header for c in layout.SCENARIO.columns}
    return [
        [
            Phrase(labels.get(b.column, b.column.capitalize())),
            NONE if b.size is None else b.size,
            UNITS[b.column],
            NONE if b.date is None else deal.terms.dates[b.date],
        ]
        for b in analysis.reverse
    ]


TRIGGERS = (Phrase("normal"), Phrase("trap"), Phrase("turbo"))


def _account(deal: Deal, analysis: Analysis) -> list[list[Any]]:
    w = analysis.planned
    paid, senior = w.interest_paid + w.principal_paid, deal.senior
    series = (
        w.collections,
        analysis.pool_interest,
        analysis.pool_balance,
        w.sale,
        w.fees_paid,
        paid[senior].sum(axis=0),
        paid[~senior].sum(axis=0),
        w.residual,
        w.account,
        w.reserve,
        w.support_drawn,
    )
    expected = analysis.simulated_base.expected_collections
    return [
        [date, *(s[k] for s in series), TRIGGERS[int(w.trigger[k])], expected[k]]
        for k, date in enumerate(deal.terms.dates)
    ]


def _cashflow(deal: Deal, analysis: Analysis) -> list[list[Any]]:
    w, rows = analysis.planned, []
    for k, tranche in enumerate(deal.tranches):
        expected = analysis.simulated_base.tranches[k].expected_paid
        for n, date in enumerate(deal.terms.dates):
            missed = w.interest_missed[k, n] + w.principal_missed[k, n]
            due = (w.interest_due[k, n], w.interest_paid[k, n], w.principal_due[k, n], w.principal_paid[k, n])
            rows.append([tranche.name, date, *due, missed, w.balance[k, n], expected[n]])
    return rows


def _covenant(deal: Deal, path: CovenantPath) -> list[Any]:
    """What the test looks like by plan on the date closest to a breach; its probability up to the end."""
    tested = np.flatnonzero(~np.isnan(path.probability))
    broken = None if path.first_breach is None else deal.terms.dates[path.first_breach]
    if not tested.size:
        return [NONE, np.nan, np.nan, Phrase("not tested"), np.nan, np.nan, broken or NONE]
    tightest = int(tested[np.argmax(path.probability[tested])])
    return [
        deal.terms.dates[tightest],
        path.values[tightest],
        path.headroom[tightest],
        Phrase("breach") if broken else Phrase("ok"),
        path.distance[tightest],
        path.anydate_probability[-1],
        broken or NONE,
    ]


def model_rows(models: Mapping[str, LossDistribution | XlkmvError]) -> list[list[Any]]:
    """Write portfolio models as rows of table tbl_Model.

    Parameters
    ----------
    models : mapping
        From :func:`~xlkmv.deal.analysis.portfolio_models`.

    Returns
    -------
    list of list
    """
    rows: list[list[Any]] = []
    for name, found in models.items():
        if isinstance(found, XlkmvError):
            rows.append([name, *[NONE] * 8, found.sentence])
            continue
        errors = found.standard_errors
        unseen = errors is not None and found.hit_probability == 0.0
        rows.append(
            [
                name,
                found.expected_loss,
                found.unexpected_loss,
                found.value_at_risk[0],
                found.expected_shortfall[0],
                found.value_at_risk[1],
                found.expected_shortfall[1],
                0.0 if errors is None else errors.value_at_risk[1],
                Phrase("none seen") if unseen else found.hit_probability,
                joined([_noted(text) for text in found.method.split("; ")], CLAUSES),
            ]
        )
    return rows


def _noted(text: str) -> str:
    """Note of a model, which knows no language; a figure in it comes last."""
    what, _, figure = text.partition(" = ")
    return Phrase("{what} = {figure}", what=Phrase(what), figure=figure) if figure else Phrase(what)


def _standing(c: ClassToday) -> list[Any]:
    """One class on Today."""
    held = [c.grade, c.closing.quote.pd, c.quote.pd, c.quote.why]
    return [c.name, c.balance, c.closing.grade, *held, c.computed_grade, c.computed.pd, c.alert]


def _rerated(analysis: Analysis, today: Sequence[ClassToday]) -> list[list[Any]]:
    s, then = analysis.surveillance, analysis.simulated_base
    now = analysis.simulated_now or then
    return [
        [
            c.name,
            c.balance,
            s.coverage[k, -1],
            s.distance[k, 0],
            s.distance[k, -1],
            s.computed_distance[k, -1],
            s.pd[k, 0],
            s.pd[k, -1],
            s.computed_pd[k, -1],
            then.tranches[k].anydate_pd,
            c.simulated,
            c.computed_simulated,
            now.tranches[k].anydate_pd_error,
            now.tranches[k].expected_loss,
        ]
        for k, c in enumerate(today)
    ]


def measure_row(found: PlanBacktest) -> list[Any]:
    """Write how predictions did as the row of table tbl_Measure; blank where a measure needs a default.

    Parameters
    ----------
    found : PlanBacktest

    Returns
    -------
    list
    """
    if found.measures is None:
        return [found.verdict, *[None] * (len(layout.MEASURE.columns) - 1)]
    figures = (getattr(found.measures, c.field) for c in layout.MEASURE.columns[1:])
    return [found.verdict, *(None if x != x else x for x in figures)]


def backtest_rows(deal: Deal, found: PlanBacktest) -> list[list[Any]]:
    """Write what was predicted and seen, date by date, as rows of table tbl_Backtest.

    Parameters
    ----------
    deal : Deal
    found : PlanBacktest
        Of the deal.

    Returns
    -------
    list of list
        While nothing has come in, a row that says so.
    """
    if found.measures is None:
        return [[found.verdict, *[None] * (len(layout.BACKTEST.columns) - 1)]]
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = [x / found.planned for x in (found.expected, found.low, found.high, found.collected)]
    columns = (
        *(found.planned, found.expected, found.collected, *shares, found.level),
        *(found.defaults_expected, found.defaults_seen, found.money_expected, found.money_seen),
    )
    return [
        [deal.terms.dates[k], *(None if x != x else x for x in row)]
        for k, row in enumerate(np.array(columns).T.tolist())
    ]


def _alert(analysis: Analysis, today: Sequence[ClassToday], dates: int) -> str:
    """What is wrong with the headline class after some dates; on the last one, in either view."""
    k, seen = analysis.headline, analysis.surveillance
    return today[k].alert if dates == seen.seen else alert(seen, k, dates)


def _surveillance(book: Book, deal: Deal, analysis: Analysis, today: Sequence[ClassToday]) -> list[list[Any]]:
    """Beside each date of the table: the headline class as seen from it, blank where nothing is known."""
    s, h, rows = analysis.surveillance, analysis.headline, []
    place: dict[CellValue, int] = {date: k for k, date in enumerate(deal.terms.dates)}
    for given in book.table(layout.ACTUAL.name).column("Payment date"):
        date = given.date() if isinstance(given, dt.datetime) else given
        k = place.get(date, len(place))
        if k >= s.seen:
            blank: list[Any] = [None] * (len(layout.ACTUAL.results) - 1)
            rows.append([analysis.scheduled[k] if k < len(place) else None, *blank])
            continue
        r = s.reratings[k + 1]
        # Once a payment was missed its PD is a fact, and no estimate is worth showing.
        estimate = [np.nan] * 4 if s.missed[h, k + 1] else [r.level, r.volatility, r.low, r.high]
        rating = [s.distance, s.computed_distance, s.pd, s.computed_pd, s.on_plan]
        figures = [*estimate, r.closing_weight, *(x[h, k + 1] for x in rating)]
        rows.append([analysis.scheduled[k], s.accumulated_ratio[k], *figures, _alert(analysis, today, k + 1)])
    return rows


def _history(
    book: Book, deal: Deal, analysis: Analysis, today: Sequence[ClassToday], entry: Sequence[Any]
) -> list[list[Any]]:
    """Return the lines of earlier refreshes and those of this one, the oldest left out beyond a bound.

    A quick look has too few paths for a grade that could be held against others: it leaves none.
    """
    s, paths = analysis.surveillance, (analysis.simulated_now or analysis.simulated_base).paths
    as_of = deal.terms.dates[s.seen - 1] if s.seen else deal.terms.closing
    new: list[list[Any]] = []
    for k, c in enumerate(today):
        rating = [NOT_RUN, NOT_RUN] if analysis.quick else [c.grade, c.quote.pd]
        figures = [c.simulated, s.pd[k, -1], s.coverage[k, -1], s.distance[k, -1]]
        new.append([entry[0], as_of, c.name, *rating, *figures, c.alert, paths, entry[3]])
    return [*_kept(book, layout.HISTORY), *new][-HISTORY_ROWS:]


def _watched(
    deal: Deal, analysis: Analysis, today: Sequence[ClassToday], history: Sequence[Sequence[Any]]
) -> list[list[Any]]:
    """Rating over time: the headline class as seen from closing and from each date.

    Grade and PD to quote from an earlier date are those of the last refresh that ended there; a quick
    look left none.
    """
    s, h, closing = analysis.surveillance, analysis.headline, today[analysis.headline].closing
    date, name, grade, quote = (
        layout.HISTORY.index(field) for field in ("as_of", "tranche", "grade", "quote")
    )
    rated: dict[Any, tuple[Any, float]] = {}
    for row in history:
        if row[name] == closing.name and isinstance(row[quote], (int, float)):
            day = row[date].date() if isinstance(row[date], dt.datetime) else row[date]
            rated[day] = row[grade], row[quote]
    if not analysis.quick:
        rated[deal.terms.closing] = closing.grade, closing.quote.pd
    limit = None if np.isnan(s.limit[h]) else s.limit[h]
    rows = []
    for k, day in enumerate((deal.terms.closing, *deal.terms.dates)):
        found, pd = rated.get(day, (None, None))
        views = (s.pd[h, k], s.computed_pd[h, k]) if k <= s.seen else (None, None)
        drawn = (None if p is None else max(float(p), SMALLEST_DRAWN) for p in (pd, *views))
        word = _alert(analysis, today, k) if 0 < k <= s.seen else None
        left = closing.horizon - (float(deal.terms.times[k - 1]) if k else 0.0)
        rows.append([day, found, word, *drawn, limit, _grade_limit(deal, closing.grade, left)])
    return rows


def _grade_limit(deal: Deal, grade: str, years: float) -> float | None:
    """Largest PD that a grade allows over some years; None for what is below the scale, or over."""
    scale = deal.terms.class_scale
    return scale.limit(grade, years) if grade in scale.grades and years > 0.0 else None
