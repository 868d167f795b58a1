"""Build a workbook from text: its deal, tables, charts and live examples of every function.

``python -m xlkmv.build.template FILE`` writes the shipped one, the same bytes each time. XlsxWriter
makes the sheets with empty results; then the workbook is refreshed by the code that users run.

Nothing lies beneath a table that grows with classes, dates, conditions or claims: charts stand above
tables, tables side by side.
"""

from __future__ import annotations

import functools
import math
import operator
import os
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from xlsxwriter.utility import xl_rowcol_to_cell

from xlkmv.build.drawing import (
    ALL,
    BAD,
    CREATED,
    FONT,
    FRONTIER,
    GOOD,
    GREEN,
    GREY,
    GRID,
    INK,
    LIGHT,
    LISTED_TOP,
    LOG_RANGE,
    MONEY,
    NOT_COMPARED,
    OFF,
    SENIOR,
    SLANTED,
    WIDEST,
    Sheets,
    bars,
    both,
    dots,
    fold_columns,
    fold_rows,
    hatched,
    in_all_languages,
    line,
    pixels,
    put,
    widths,
)
from xlkmv.build.filling import Filled, Filling, blank, filling
from xlkmv.build.results import (
    COVENANT_TOP,
    by_date,
    cashflow,
    classes_by_date,
    conditions,
    controls,
    cover_chart,
    name_charts,
    payments,
    result,
    scenario,
    simulated,
    uncertainty,
    waterfall,
)
from xlkmv.build.ribbon import add_macros, add_ribbon, pack
from xlkmv.deal.answers import TOO_FEW_BRIEFLY, TOO_WIDE
from xlkmv.deal.examples import EXAMPLES, Example, example
from xlkmv.deal.questions.contributions import NAMED
from xlkmv.deal.questions.diversification import MOST_ASKED
from xlkmv.deal.questions.structure import SIZES as FRONTIER_ROWS
from xlkmv.deal.reading import ALARMS, READINGS
from xlkmv.deal.terms import Deal
from xlkmv.functions import FUNCTIONS
from xlkmv.functions.cells import ExcelError
from xlkmv.functions.registry import Function
from xlkmv.language import LANGUAGES
from xlkmv.phrase import Phrase, parts
from xlkmv.refresh.marks import mark_formula
from xlkmv.refresh.report import NO_RANGES, NOT_RUN, TARGET_MARK
from xlkmv.refresh.run import refresh
from xlkmv.refresh.solving import SMALLEST_FRONTIER, solve_book
from xlkmv.workbook import layout
from xlkmv.workbook.book import FileBook
from xlkmv.workbook.layout import Column, TableSpec

__all__ = ["build_template", "fixed_texts"]

SHIPPED = "patents"
STALE = Phrase("stale: refresh")


# ------------------------------------------------------------------------------------ sheets


def _state(s: Sheets) -> str:
    """Formula: any input that has changed since makes the results stale, with or without Python."""
    words = in_all_languages(layout.QUICK)
    quick = ",".join(f'LEFT(out_Scope,{len(word)})="{word}"' for word in words)
    fresh, quick_state, stale = (s.cell(x) for x in (layout.FRESH, layout.QUICK_STATE, STALE))
    return f"=IF({_same_as('At refresh')},IF(OR({quick}),{quick_state},{fresh}),{stale})"


# Names of the classes, for the list of the headline cell.
CLASSES = "lst_Classes"


# Figures of the headline class, for the user's own formulas.
HEADLINE_FIGURES = {
    "out_HeadlineCoverage": "coverage",
    "out_HeadlineDD": "dd",
    "out_HeadlinePD": "pd",
    "out_HeadlineAnydatePD": "anydate_pd",
}


# Home is read on one screen of some 1,400 by 760 pixels: what is frozen on top, the sentences, the answers,
# and what the last refresh did beside them. Nothing lies beneath the answers, which grow with the classes.
FROZEN = 3
PANEL = len(layout.ANSWER.columns) + 2  # first column of what stands beside the answers
STEPS = (
    (
        "1  Put your deal into the yellow cells of Pool, Tranche, Terms, Covenant, Scenario (orange: "
        "assumptions), its name into B2."
    ),
    (
        "2  Press Refresh, here or in the tab KMV; Quick look for a first answer in seconds.  Without Excel: "
        "save, then run  xlkmv refresh BOOK.xlsm  (--quick)."
    ),
    ("3  More answers on"),
)
STEP_WITHOUT_MACROS = (
    "2  Run the script refresh of xlwings Lite (tab Home), quick_look for a first answer in seconds.  "
    "Without Excel: save, then run  xlkmv refresh BOOK.xlsx  (--quick)."
)
# Links beside the last step and beneath, as the widths of the columns allow: to each sheet of answers.
LINKS = (
    "Result, By date, Surveillance, Conditions, Uncertainty, Drivers, Controls, Structure, "
    "Cashflow, Compare, Checks, Rating",
    "Simulated, Scenario, Classes by date, What moved, Payments, Today, Both views, Models, "
    "Solutions, Waterfall, History, Backtest",
    "Obligor, Sources, Prices",
)
ANSWER_RULES = (
    (
        "PD to quote: something due is missed on a date; simulated where 10 paths or more are short, "
        "else the larger of the KMV view and the 95 % bound of the simulation. Grade: yardstick on Curves, "
        "no rating."
    ),
    (
        "Coverage, DD: collections (senior: and reserve) against dues by the maturity.  Loss given default: "
        "expected loss / simulated any-date PD.  Yield at par: a year, of the expected payments."
    ),
)


def _home(s: Sheets, new: Filling) -> Any:
    ws = s.sheet("Home", "KMV credit risk of a securitisation plan", "资产证券化 KMV 信用风险", "", PANEL + 1)
    ws.write(1, 1, new.title, s.style(font_color=GREY, italic=True))
    s.keys_in_chinese(ws, 1, 1, 1, [layout.UNNAMED])
    s.book.define_name(layout.DEAL_NAME, "=Home!$B$2")
    widths(ws, 1, layout.ANSWER.columns)
    for column, width in ((PANEL - 1, 2), (PANEL, 17), (PANEL + 1, 23)):
        ws.set_column(column, column, width)
    for heading in (
        FROZEN,
        FROZEN + len(STEPS) + len(LINKS) - 1,
    ):  # said, or each spreadsheet has a height of its own for them
        ws.set_row(heading, 18)
    _state_and_buttons(s, ws, FROZEN - 1)
    for row, step in enumerate(STEPS, FROZEN):
        s.speak(ws, row, 1, step if s.macros or step != STEPS[1] else STEP_WITHOUT_MACROS)
    row = FROZEN + len(STEPS) + len(LINKS) - 1
    for at, sheets in enumerate(LINKS, row - len(LINKS)):
        for column, sheet in enumerate(sheets.split(", "), 2):
            s.link(ws, at, column, sheet)
    _readings(s, ws, row, new.headline)
    _last_refresh(s, ws, FROZEN, new)
    row += 1 + len(READINGS)
    for k, sentence in enumerate(ANSWER_RULES):
        s.speak(ws, row + k, 1, sentence, s.style(font_color=GREY, font_size=9))
    top, left = s.table(ws, row + len(ANSWER_RULES), 1, layout.ANSWER)
    interval = left + layout.ANSWER.index("pd_range")
    for word in in_all_languages(NO_RANGES, NOT_RUN, TOO_FEW_BRIEFLY, TOO_WIDE):
        shown = s.book.add_format({"font_color": "#A6A6A6"})
        rule = {"type": "cell", "criteria": "==", "value": f'"{word}"', "format": shown}
        ws.conditional_format(top, interval, top + 1200, interval, rule)
    for name, field in HEADLINE_FIGURES.items():
        header = layout.HEADLINE.column(field).header
        place = "MATCH(out_Headline,tbl_Headline[Class],0)"
        s.book.define_name(name, f"=INDEX(tbl_Headline[{header}],{place})")
    ws.freeze_panes(FROZEN, 0)
    ws.fit_to_pages(1, 1)
    return ws


def _state_and_buttons(s: Sheets, ws: Any, row: int) -> None:
    """Say whether the results are fresh, beside the buttons; they stay in sight."""
    ws.set_row(row, 21)
    s.speak(ws, row, 1, layout.NAMES["out_State"][0], s.style(font_color=GREY))
    style = s.style(bold=True, align="left", shrink=True)
    ws.merge_range(row, 2, row, 4, None, style)
    ws.write_formula(row, 2, _state(s), style, STALE)
    s.book.define_name("out_State", f"=Home!{xl_rowcol_to_cell(row, 2, True, True)}")
    _red(s, ws, row, row)
    for column, width, macro, caption, what in (
        (PANEL, 118, "KmvRefresh", "Refresh 刷新", "Read the deal, check it, compute, write every result"),
        (PANEL + 1, 158, "KmvQuickLook", "Quick look 速览", "The KMV view and 10,000 paths only, in seconds"),
    ):
        button = {"macro": macro, "caption": caption, "width": width, "height": 40, "description": what}
        s.button(ws, row - 1, column, button | {"y_offset": 3})


def _red(s: Sheets, ws: Any, first: int, last: int) -> None:
    """Show what has to be seen in red, in the column of sentences and values."""
    for word in in_all_languages(*ALARMS, "stale", "FAILED", layout.QUICK):
        shown = s.book.add_format({"font_color": "#C00000", "bold": True})
        rule = {"type": "text", "criteria": "begins with", "value": word, "format": shown}
        ws.conditional_format(first, 2, last, 2, rule)


def _readings(s: Sheets, ws: Any, row: int, headline: str) -> None:
    """Lay out the sentences that are read first, and the cell that says of which class they speak."""
    last = PANEL - 2
    s.heading(ws, row, 1, "What the figures say", "结论")
    spoken = "Headlines speak of (blank: last senior class) "
    s.speak(ws, row, 6, spoken, s.style(font_color=GREY, align="right"))
    ws.merge_range(row, 7, row, last - 2, headline or None, s.input(layout.TEXT))
    cell = xl_rowcol_to_cell(row, 7, True, True)
    s.book.define_name(layout.HEADLINE_CLASS, f"=Home!{cell}")
    s.book.define_name(CLASSES, f"=tbl_Tranche[{layout.TRANCHE.column('name').header}]")
    rule = {"validate": "list", "source": f"={CLASSES}", "input_title": "Headline class 结论层级"}
    message = both("Any class of sheet Tranche. Blank: the last senior one. Refresh afterwards.")
    ws.data_validation(row, 7, row, 7, rule | {"input_message": message})
    _language(s, ws, row, last)
    for k, (key, name) in enumerate(layout.READING_NAMES.items(), row + 1):
        text, chinese = f"{READINGS[key]}  {layout.READINGS_CHINESE[key]}", layout.READINGS_CHINESE[key]
        s.speak(ws, k, 1, text, s.style(font_color=GREY, shrink=True), chinese)
        # What a long name makes longer shrinks; it is never cut.
        ws.merge_range(k, 2, k, last, None, s.style(shrink=True))
        s.book.define_name(name, f"=Home!{xl_rowcol_to_cell(k, 2, True, True)}")
    first = f"{STALE}. There are no results yet."
    ws.write(row + 1, 2, first, s.style(shrink=True))
    _red(s, ws, row + 1, row + len(READINGS))


def _language(s: Sheets, ws: Any, row: int, column: int) -> None:
    """Lay out the cell that says in which language sentences come."""
    ws.write(row, column - 1, "Language 语言 ", s.style(font_color=GREY, align="right", shrink=True))
    ws.write_blank(row, column, None, s.input(layout.TEXT))
    s.book.define_name(layout.LANGUAGE, f"=Home!{xl_rowcol_to_cell(row, column, True, True)}")
    rule = {"validate": "list", "source": [*LANGUAGES.values()], "input_title": "Language 语言"}
    note = "Texts change at once, results at a refresh. Blank: English. 固定文字即时切换，结果在刷新后切换。"
    ws.data_validation(row, column, row, column, rule | {"input_message": note})


def _last_refresh(s: Sheets, ws: Any, row: int, new: Filling) -> None:
    """Lay out what the last refresh did, right of the answers, and a chart beneath it."""
    s.heading(ws, row, PANEL, "Last refresh", "最近一次刷新")
    below = row + 1
    for name, (text, shown) in layout.NAMES.items():
        if name == "out_State":
            continue
        s.speak(ws, below, PANEL, text, s.style(font_color=GREY, shrink=True))
        s.book.define_name(name, f"=Home!{xl_rowcol_to_cell(below, PANEL + 1, True, True)}")
        if name == "out_WorstScenario":  # a sentence, more often than not
            style = s.style(bold=True, align="left", valign="top", text_wrap=True, font_size=9)
            ws.merge_range(below, PANEL + 1, below + 1, PANEL + 1, None, style)
            below += 2
            continue
        if shown == layout.SIMULATED:
            s.probabilities(ws, below, PANEL + 1, below, shown)
        style = s.style(num_format=shown, bold=True, align="left", shrink=True)
        ws.write_blank(below, PANEL + 1, None, style)
        below += 1
    for word in in_all_languages("FAILED", layout.QUICK):
        shown = s.book.add_format({"font_color": "#C00000", "bold": True})
        rule = {"type": "text", "criteria": "begins with", "value": word, "format": shown}
        ws.conditional_format(row + 1, PANEL + 1, below - 1, PANEL + 1, rule)
    chart = cover_chart(s, new)
    title = {"name": s.drawn("out_DrawnCover"), "name_font": {"name": FONT, "size": 11}}
    chart.set_title(title)
    chart.set_x_axis(s.dates_axis(new.dates) | {"name": ""})
    chart.set_y_axis(s.axis("", '[>=1000000000]0.0,,,"bn";[>=1000000]0.0,,"m";#,##0'))
    chart.set_size({"width": 290, "height": 290})
    ws.insert_chart(below, PANEL, chart, {"y_offset": 6})


def _inputs(s: Sheets, ws: Any, row: int, left: int, spec: TableSpec, filled: Filled | None) -> int:
    """Write a table of inputs, its columns folded away that the deal does not use; return its first row."""
    if filled is None:
        return s.table(ws, row, left, spec)[0]
    top, _ = s.table(ws, row, left, spec, filled.rows, filled.marks, filled.extra, filled.formats)
    return top


ORANGE = "Orange: assumption."


# Names of obligors are not cut up to as many characters.
LONGEST_NAME = 44


def _pool(s: Sheets, new: Filling) -> Any:
    filled = new.tables[layout.POOL.name]
    text = f"A row: one obligor, or Count equal ones. Unused columns: unfold at +. {ORANGE}"
    first, *others = layout.POOL.columns
    longest = max((len(str(row[0])) for row in filled.rows), default=0)
    first = replace(first, width=min(max(first.width, longest), LONGEST_NAME))
    columns = (first, *others, *filled.extra)
    ws = s.sheet("Pool", "Pool", "资产池", new.note("Pool", text), len(columns), money=True)
    shown = filled.used | {c.field for c in (*filled.extra, *layout.POOL.results)}
    fold_columns(ws, 1, columns, shown)
    _all_rows(s, ws, 2, 1, columns, filled.rows)
    top = _inputs(s, ws, 3, 1, layout.POOL, filled.head(1) if _is_long(new) else filled)
    s.frozen(ws, top)
    if sum(map(pixels, (c.width for c in columns if c.field in shown))) > WIDEST:
        s.paged(ws, 70)
    return ws


def _obligor(s: Sheets, new: Filling) -> Any:
    spec = layout.OBLIGOR
    about = (
        "Only where PDs need a source: a claim whose Rating on Pool says source takes its PD from here. "
        "A row takes the inputs of its method and leaves the others blank. More on Sources and Prices."
    )
    ws = s.sheet(spec.sheet, "Obligor", "债务人", about, spec.columns, money=True)
    s.frozen(ws, _inputs(s, ws, 3, 1, spec, new.tables.get(spec.name)))
    # The answers beside the names, then what they follow from.
    s.paged(ws, 76, 1 + spec.index("pd"))
    return ws


def _sources(s: Sheets, new: Filling) -> Any:
    about = (
        "What PDs, correlations and recoveries rest on, beside what sheet Obligor says of each obligor. "
        "All of it may stay empty."
    )
    below = layout.RECOVERY, layout.GROUP
    count = sum(len(spec.columns) + 1 for spec in below)
    ws = s.sheet("Sources", "Sources", "数据来源", about, count, money=True)
    for spec, row in ((layout.CORRELATION, 3), (layout.SOURCE, 9)):  # of one row each
        _inputs(s, ws, row, 1, spec, new.tables.get(spec.name))
    _abreast(s, ws, 15, below, new)
    ws.freeze_panes(2, 2)
    ws.repeat_rows(16, 17)  # those of the tables that may be long
    return ws


def _prices(s: Sheets, new: Filling) -> Any:
    about = "For methods listed and comparables of sheet Obligor, and correlations from returns."
    specs = layout.PEER, layout.EDF, layout.PRICE
    count = sum(len(spec.columns) + 1 for spec in specs)
    ws = s.sheet("Prices", "Peers and prices", "可比公司与价格", about, count, money=True)
    _abreast(s, ws, 3, specs, new)
    s.frozen(ws, 6)
    return ws


def _abreast(s: Sheets, ws: Any, row: int, specs: Sequence[TableSpec], new: Filling) -> None:
    """Lay out tables of inputs beside one another, as each of them may be long."""
    left = 1
    for spec in specs:
        if left > 1:
            ws.set_column(left - 1, left - 1, 3)
        widths(ws, left, spec.columns)
        _inputs(s, ws, row, left, spec, new.tables.get(spec.name))
        left += len(spec.columns) + 1


# A pool of more rows is written by the way that tapes take: XlsxWriter holds every cell as an object.
LONG = 2_000


def _is_long(new: Filling) -> bool:
    return len(new.tables[layout.POOL.name].rows) > LONG


def _write_pool(book: FileBook, filled: Filled) -> None:
    """Write all rows of the pool, in the styles of the first."""
    columns = zip((*layout.POOL.columns, *filled.extra), zip(*filled.rows, strict=True), strict=True)
    cells = {c.header: [x[1] for x in column] if c.kind == "shown" else column for c, column in columns}
    book.write_table(layout.POOL.name, cells, resize=True)


# Columns of the pool of which a mean says something: weighted by the amount, where every row has a figure.
AVERAGED = {"pd", "recovery", "lag", "correlation", "term", "rate", "margin", "age"}


def _all_rows(
    s: Sheets, ws: Any, row: int, left: int, columns: Sequence[Column], rows: Sequence[Sequence[Any]]
) -> None:
    """Lay out what the rows of the pool come to: sums of money and counts, means of the rest."""
    spec, place = layout.POOL, layout.POOL.index("amount")
    amounts = [x[place] or 0.0 for x in rows]
    total = math.fsum(amounts)
    weights = f"{spec.name}[{spec.column('amount').header}]"
    s.speak(ws, row, left, "Sums; means by amount", s.style(font_color=GREY, italic=True))
    for k, c in enumerate(columns):
        cells, figures = f"{spec.name}[{c.header}]", [x[k] for x in rows]
        if c.field in ("amount", "count", "schedule"):
            formula = f"=SUM({cells})"
            value: float | str = math.fsum(x for x in figures if x is not None)
        elif c.field in AVERAGED:
            mean = f"SUMPRODUCT({cells},{weights})/{layout.POOL_AMOUNT}"
            formula = f'=IF(COUNT({cells})=ROWS({cells}),IFERROR({mean},"-"),"-")'
            full = total > 0.0 and None not in figures
            value = math.fsum(map(operator.mul, figures, amounts)) / total if full else "-"
        else:
            continue
        ws.write_formula(row, left + k, formula, s.result(c.format), value)
    cell = xl_rowcol_to_cell(row, left + place, True, True)
    s.book.define_name(layout.POOL_AMOUNT, f"={ws.name}!{cell}")


def _tranche(s: Sheets, new: Filling) -> Any:
    filled = new.tables[layout.TRANCHE.name]
    text = f"What the plan owes, class by class. Unused columns: unfold at +. {ORANGE}"
    columns = layout.TRANCHE.columns
    ws = s.sheet("Tranche", "Tranches", "分层", new.note("Tranche", text), len(columns), money=True)
    fold_columns(ws, 1, columns, filled.used)
    top = _inputs(s, ws, 3, 1, layout.TRANCHE, filled)
    s.frozen(ws, top)
    return ws


def _terms(s: Sheets, new: Filling) -> Any:
    spec, filled, controls = layout.TERM, new.tables[layout.TERM.name], new.tables[layout.CONTROL.name]
    text = f"Terms of the plan, and the controls with a switch each. Unused terms: unfold at +. {ORANGE}"
    ws = s.sheet("Terms", "Terms and controls", "条款与风险控制", new.note("Terms", text), 5, money=True)
    widths(ws, 1, layout.CONTROL.columns)
    ws.set_column(3, 3, 24)
    ws.set_column(4, 4, 44)
    _money(s, ws, 2, new)
    # Neither table grows: their rows are known by their labels.
    top = _inputs(s, ws, 3, 1, layout.CONTROL, controls)
    top = _inputs(s, ws, top + len(controls.rows) + 1, 1, spec, filled)
    for k, item in enumerate(layout.TERM_ROWS):
        column = Column(item.label, "", item.field, item.kind, rule=item.rule, choices=item.choices)
        s.validate(ws, column, top + k, top + k, 1 + spec.index("value"))
    fold_rows(ws, top, [item.field not in filled.used for item in layout.TERM_ROWS])
    if new.pages:
        below = top + len(layout.TERM_ROWS) + 1
        s.heading(ws, below, 1, "What was read", "资料来源")
        for k, page in enumerate(new.pages, below + 1):
            if isinstance(page, Phrase):  # no citation
                s.speak(ws, k, 1, page)
            else:
                ws.write_string(k, 1, page)
    return ws


def _money(s: Sheets, ws: Any, row: int, new: Filling) -> None:
    """Lay out currency and unit, and what the titles and axes of money say of them."""
    s.speak(ws, row, 1, "Currency, unit (labels)", s.style(font_color=GREY))
    for column, name, text in ((2, layout.CURRENCY, new.currency), (3, layout.UNIT, new.unit)):
        put(ws, row, column, text or None, s.input(layout.TEXT))
        s.book.define_name(name, f"=Terms!{xl_rowcol_to_cell(row, column, True, True)}")
    formula = f'=TRIM({layout.CURRENCY}&" "&{layout.UNIT})'
    ws.write_formula(row, 4, formula, s.style(font_color=GREY, italic=True), s.money)
    s.book.define_name(layout.MONEY_LABEL, f"=Terms!{xl_rowcol_to_cell(row, 4, True, True)}")


# What the grades are, and whose figures they come from.
GRADES_TEXT = (
    "A yardstick, no rating: a class has the best grade whose default rate by its maturity is not below the "
    "PD to quote.",
    "Rates increase downwards and to the right. Between horizons defaults come at one rate; beyond the last "
    "at the average up to it.",
    "Shipped: averages of rated companies, Moody's Annual Default Study 1920-2013, letter ratings 1970-2013 "
    "(Aaa, Aa, A, Baa, Ba, B, Caa-C),",
    "as in Hull, Risk Management and Financial Institutions, 4th ed., table 19.1. Orange: printed as "
    "0.000 %, taken as half of the last digit.",
)


BETWEEN = Column("", "", "between", width=3)


def _curves(s: Sheets, new: Filling) -> Any:
    specs = (layout.CLASS_SCALE, layout.SCHEDULE, layout.CURVE, layout.SCALE, layout.VECTOR)
    ws = s.sheet(
        "Curves",
        "Scales, curves and schedules",
        "等级、曲线与计划",
        "Grades that Home gives to classes. Unfold at +: schedules of classes, floating rates, ratings of "
        "obligors, figures by period.",
        sum(len(spec.columns) + 1 for spec in specs),
        money=True,
    )
    for row, text in enumerate(GRADES_TEXT, 2):
        s.speak(ws, row, 1, text, s.style(font_color=GREY, font_size=9))
    left, used = 1, set[str]()
    columns: list[Column] = []
    for spec in specs:
        _inputs(s, ws, 3 + len(GRADES_TEXT), left, spec, new.tables.get(spec.name))
        left += len(spec.columns) + 1
        here = [replace(c, field=f"{spec.name} {c.field}") for c in (*spec.columns, BETWEEN)]
        columns += here
        if spec is layout.CLASS_SCALE or spec.name in new.tables:
            used |= {c.field for c in here}
    fold_columns(ws, 1, columns, used)
    s.frozen(ws, 6 + len(GRADES_TEXT))
    if sum(pixels(c.width) for c in columns if c.field in used) > WIDEST:
        s.paged(ws, 70, 2 + len(specs[0].columns))
    return ws


def _covenant(s: Sheets, new: Filling) -> Any:
    spec, filled = layout.COVENANT, new.tables.get(layout.COVENANT.name)
    text = (
        "Tests on each payment date; coverage and DSCR count collections, not the reserve. Consequence: "
        "none, trap (subordinate cash is held), turbo (all cash to senior), sequential or amortise."
    )
    ws = s.sheet("Covenant", "Covenants", "契约测试", new.note("Covenant", text), spec.columns)
    _inputs(s, ws, COVENANT_TOP - 3, 1, spec, filled)
    top = COVENANT_TOP
    s.frozen(ws, top)
    s.mark(ws, top, 1 + spec.index("status"), top + 400, ok=GOOD, breach=BAD)
    return ws


def _same_as(column: str) -> str:
    """Formula: whether the marks of all inputs are what a column of table tbl_Input kept of them."""
    then = f"tbl_Input[{column}]"
    return f"SUMPRODUCT(--(ABS(tbl_Input[Now]-{then})>0.000000000001*(1+ABS({then}))))=0"


STRUCTURE_TOP = 26
STRUCTURE_RULES = (
    "Target: largest any-date PD up to the maturity of the class, simulated; a PD or a grade.",
    "Answer: all else as the deal has it, only the PD of the class itself looked at, the same paths for all.",
    "From, to: answers for two standard errors of the PD less and more (open: the paths show no end).",
    "Size: the pool stays. What a class gains comes from those below, the most junior first; what it loses",
    "goes to the most junior. All notes stay, until nothing is left below: then they grow.",
    "Class after class: the most senior first, each given the sizes of those before.",
    "Reserve: at closing; enter it in its own unit. Pool over notes: classes in proportion; enter all notes.",
    "Reserve and undertaking are asked about for senior classes, which they protect.",
)
STRUCTURE_CELLS = {
    "out_Structure": "State of the answers",
    "out_Solved": "Solved",
    "out_Issuable": "Issuable, class after class",
}


def _structure(s: Sheets, new: Filling) -> Any:
    left = 2 + len(layout.TARGET.columns)
    ws = s.sheet(
        "Structure",
        "Structure",
        "结构求解",
        "What the deal could be for a target PD of each class. Enter targets, press Solve; without Excel: "
        "xlkmv solve BOOK.xlsm  (or  xlkmv solve BOOK.xlsm --target 0.001).  Answers: Solutions.",
        left + len(layout.FRONTIER.columns) - 1,
        money=True,
    )
    button = {"macro": "KmvSolve", "caption": "Solve 求解", "width": 150, "height": 44}
    s.button(ws, 2, 1, button | {"description": "Solve the deal for the targets of its classes"})
    marks = "+".join(mark_formula(layout.TARGET.name, c.header)[1:] for c in layout.TARGET.inputs)
    # The inputs, or the targets, have changed since the last solve: with or without Python.
    targets = f"ABS(({marks})-out_TargetMark)<=0.000000000001*(1+ABS(out_TargetMark))"
    same = f"AND({_same_as('At solve')},{targets})"
    unsolved, solved, before = (s.cell(x) for x in (layout.UNSOLVED, layout.SOLVED, layout.SOLVED_BEFORE))
    state = f"=IF(ISBLANK(out_Solved),{unsolved},IF({same},{solved},{before}))"
    for row, (name, text) in enumerate(STRUCTURE_CELLS.items(), 5):
        s.speak(ws, row, 1, text, s.style(font_color=GREY))
        # What can be issued may need to say of whom, and for which PD.
        room = {"text_wrap": True, "valign": "top"} if name == "out_Issuable" else {"shrink": True}
        style = s.style(bold=True, align="left", **room)
        ws.merge_range(row, 2, row + (2 if name == "out_Issuable" else 0), 6, None, style)
        if name == "out_Structure":
            ws.write_formula(row, 2, state, style, layout.UNSOLVED)
        s.book.define_name(name, f"=Structure!{xl_rowcol_to_cell(row, 2, True, True)}")
    # The mark of the targets, which tells the state: nothing to look at.
    ws.write_blank(10, 2, None, s.style(num_format=";;;"))
    s.book.define_name(TARGET_MARK, f"=Structure!{xl_rowcol_to_cell(10, 2, True, True)}")
    for row, rule in enumerate(STRUCTURE_RULES, 11):
        s.speak(ws, row, 1, rule, s.style(font_color=GREY, font_size=9))
    for word in in_all_languages("stale", "not solved"):
        red = s.book.add_format({"font_color": "#C00000", "bold": True})
        ws.conditional_format(
            5, 2, 5, 2, {"type": "text", "criteria": "begins with", "value": word, "format": red}
        )
    widths(ws, 1, layout.TARGET.columns)
    ws.set_column(left - 1, left - 1, 3)
    widths(ws, left, layout.FRONTIER.columns)
    top = _inputs(s, ws, STRUCTURE_TOP - 3, 1, layout.TARGET, new.tables.get(layout.TARGET.name))
    ws.data_validation(top, 1, top + 99, 1, {"validate": "list", "source": f"={CLASSES}"})
    frontier = [[None] * len(layout.FRONTIER.columns)] * FRONTIER_ROWS
    s.table(ws, STRUCTURE_TOP - 3, left, layout.FRONTIER, frontier)
    last = left + len(layout.FRONTIER.columns) - 1
    ws.set_row(2, 18)
    s.named_heading(ws, 2, left, last, FRONTIER, "out_TitleFrontier")
    chart = s.book.add_chart({"type": "scatter", "subtype": "straight_with_markers"})
    unmarked = {"marker": {"type": "none"}}
    s.draw(
        chart,
        (layout.FRONTIER, top, left, FRONTIER_ROWS),
        "share",
        ("reserve_0", "No reserve", line(OFF) | dots(OFF, "circle")),
        ("reserve_2", "Reserve 2 % of notes", line(ALL) | dots(ALL, "square")),
        ("reserve_5", "Reserve 5 % of notes", line(GREEN) | dots(GREEN, "triangle")),
        ("reserve_now", "Reserve as it is", line(SENIOR) | dots(SENIOR, "diamond")),
        ("kmv", "KMV view, reserve as it is", line(SENIOR, "dash") | unmarked),
        ("target", "Target", line(OFF, "square_dot") | unmarked),
    )
    s.finish(chart, "out_DrawnFrontier", s.scale(chart))
    chart.set_x_axis(s.axis("Size of the class, share of all notes now", "0%"))
    bottom = {"min": SMALLEST_FRONTIER, "max": 1, "crossing": SMALLEST_FRONTIER}
    chart.set_y_axis(s.axis("Probability (log scale)", "0E+00", log_base=10, **bottom))
    chart.set_size({"width": 715, "height": 390})
    ws.insert_chart(3, left, chart)
    ws.freeze_panes(2, 0)
    ws.repeat_rows(STRUCTURE_TOP - 2, STRUCTURE_TOP - 1)
    return ws


def _solutions(s: Sheets) -> Any:
    return s.listed(
        layout.STRUCTURE,
        "Solutions",
        "求解结果",
        "What a target of sheet Structure allows, question by question, all else as the deal has it.",
        labels=2,
    )


# Losses less likely than one in a million are off the picture of the layers.
SMALLEST_LAYER = 1e-7
MODEL_NEEDS = (
    ("KMV", "exposure, PD, recovery, asset correlation", "rating changes short of default"),
    (
        "CreditMetrics",
        "the same; for migration a rating matrix",
        "rating changes, here; with defaults alone it is KMV",
    ),
    ("CreditRisk+", "exposure, PD and the PD's standard deviation", "asset values; PDs have to be small"),
    (
        "CreditPortfolioView",
        "PD and a macro index, or past default rates",
        "asset values: obligors differ by PD and sensitivity",
    ),
)


def _models(s: Sheets) -> Any:
    spec = layout.MODEL
    ws = s.sheet(
        "Models",
        "Models",
        "四种主流模型",
        "The same obligors through four models, one year ahead. Loss above junior notes: by subordination "
        "alone; spread, reserve and undertaking, which protect senior classes too, are not counted.",
        spec.columns,
        money=True,
    )
    top, _ = s.table(ws, 2, 1, spec)
    row = top + 6
    s.heading(ws, row, 1, "What each model needs and leaves out", "输入与局限")
    for k, (model, needs, leaves) in enumerate(MODEL_NEEDS):
        ws.write(row + 1 + k, 1, model, s.style(bold=True))
        s.speak(ws, row + 1 + k, 2, f"needs: {needs}")
        s.speak(ws, row + 1 + k, 6, f"leaves out: {leaves}")
    charts = row + 6
    layers, _ = s.table(ws, charts + 21, 1, layout.LAYER)
    chart = s.book.add_chart({"type": "column"})
    s.draw(
        chart,
        (spec, top, 1, 1),
        "model",
        ("expected_loss", "Expected loss", bars(LIGHT, 80)),
        ("var_low", "VaR 99 %", bars(SENIOR, 80)),
        ("var_high", "VaR 99.9 %", hatched(OFF, 80)),
    )
    s.finish(chart, "Loss of the pool over one year")
    chart.set_x_axis(s.axis("Model", "General") | {"major_gridlines": {"visible": False}})
    chart.set_y_axis(s.axis(MONEY, "#,##0"))
    deep = s.book.add_chart({"type": "column"})
    together = {"overlap": 100}
    s.draw(
        deep,
        (layout.LAYER, layers, 1, 1),
        ("bearer", "share"),  # losses, and beneath them, with a bracket, who bears them
        ("own", "Borne by the class and its equals", bars(SENIOR, 10) | together),
        ("others", "By other classes", bars(LIGHT, 10) | together),
        ("in_turn", "By other classes, in turn", hatched(OFF, 10) | together),
    )
    s.finish(deep, "How likely the pool loses more, and who bears it (KMV)")
    deep.set_x_axis(
        s.axis("Loss of the pool in one year, and who bears it", "0.0%", major_gridlines={"visible": False})
        | {"num_font": SLANTED | {"size": 8, "rotation": -90}}
    )
    bottom = {"min": SMALLEST_LAYER, "max": 1, "crossing": SMALLEST_LAYER}
    deep.set_y_axis(s.axis("Probability of more (log scale)", "0E+00", log_base=10, **bottom))
    for drawn, place in ((chart, {}), (deep, {"x_offset": 700})):
        drawn.set_size({"width": 690, "height": 400})
        ws.insert_chart(charts, 1, drawn, place)
    ws.freeze_panes(2, 0)
    return ws


DRIVERS_TOP = 26


# First row of the pools to ask about, beneath the charts.
OTHERWISE_TOP = DRIVERS_TOP + 5
WHAT_IF = (
    "What if one defaults?  Type its name into column Obligor of a condition on Scenario, what is recovered "
    "into Obligor recovery, and refresh; or run  xlkmv whatif BOOK.xlsm --default NAME."
)


def _drivers(s: Sheets, new: Filling) -> Any:
    """Lay out who drives the risk; no table here but the last has more rows than are kept free for it."""
    ws = s.sheet(
        "Drivers",
        "Who drives the risk",
        "风险来源与分散化",
        "From the simulated paths, the undertaking not called. A class's loss on a path is shared among the "
        "obligors in default in proportion to what each costs the pool: the shares add up. If it cannot "
        "default: it pays on schedule, all else as it is.",
        len(layout.DRIVER.columns),
    )
    widths(ws, 1, layout.DRIVER.columns)
    name_charts(s, ws)
    s.table(ws, DRIVERS_TOP, 1, layout.CONCENTRATION)
    asked = new.tables[layout.OTHERWISE.name]
    _inputs(s, ws, OTHERWISE_TOP, 1, layout.OTHERWISE, asked)
    spread_top = OTHERWISE_TOP + 3 + len(asked.rows) + 1
    diversified, left = s.table(ws, spread_top, 1, layout.DIVERSIFICATION)
    obligors_top = spread_top + 3 + MOST_ASKED + 2 + 2
    s.speak(ws, obligors_top - 1, 1, WHAT_IF, s.style(font_color=GREY))
    top, _ = s.table(ws, obligors_top, 1, layout.DRIVER)
    below, _ = s.table(ws, obligors_top + 3 + NAMED + 1, 1, layout.DRIVER_ALL)
    for row in (DRIVERS_TOP + 2, OTHERWISE_TOP + 2, spread_top + 2, top - 1, below - 1):
        ws.set_row(row, 42)
    ws.repeat_rows(below - 2, below - 1)
    share = s.book.add_chart({"type": "bar"})
    s.draw(
        share,
        (layout.DRIVER, top, 1, 1),
        "name",
        ("share", "Share of the pool", bars(LIGHT, 60)),
        ("pool_share", "Share of the pool's expected loss", bars(SENIOR, 60)),
        ("loss_share", "Share of the class's expected loss", bars(OFF, 60)),
    )
    s.finish(share, "The obligors that count most")
    share.set_x_axis(s.axis("Share", "0%", min=0))
    share.set_y_axis(s.axis("", "General", reverse=True, major_gridlines={"visible": False}))
    share.set_size({"width": 640, "height": 450})
    ws.insert_chart(3, 1, share)
    chart = s.book.add_chart({"type": "scatter"})
    s.draw(
        chart,
        (layout.DIVERSIFICATION, diversified, left, 1),
        "effective_number",
        ("kmv_drawn", "KMV view, no undertaking", dots(SENIOR, "circle")),
        ("simulated_drawn", "Simulated, no undertaking (none seen: its bound)", dots(GREEN, "diamond")),
        ("distance", "Distance to default (right)", dots(OFF, "triangle") | {"y2_axis": True}),
    )
    s.finish(chart, "out_DrawnSpread")
    chart.set_y2_axis(s.axis("Standard deviations", "0.0", min=0, major_gridlines={"visible": False}))
    chart.set_x_axis(s.axis("Effective number of obligors", "#,##0"))
    chart.set_y_axis(s.axis("Probability (log scale)", "0E+00", log_base=10, **LOG_RANGE))
    chart.set_size({"width": 560, "height": 450})
    ws.insert_chart(3, 1, chart, {"x_offset": 650})
    ws.freeze_panes(2, 2)
    return ws


def _surveillance(s: Sheets, new: Filling) -> Any:
    spec, filled = layout.ACTUAL, new.tables[layout.ACTUAL.name]
    text = (
        "Enter what came in, and what else is known; refresh re-rates the plan from there. Status of "
        "single obligors: Pool. Alert: the PD is in a worse band than at closing. "
        "Missed: something due is unpaid. Each class, charts: Today."
    )
    columns = spec.columns
    ws = s.sheet(
        "Surveillance", "Surveillance", "存续期跟踪", new.note(spec.sheet, text), columns, money=True
    )
    _inputs(s, ws, LISTED_TOP - 3, 1, spec, filled)
    s.frozen(ws, LISTED_TOP)
    s.mark(ws, LISTED_TOP, 1 + spec.index("alert"), LISTED_TOP + 1200, alert=BAD, missed=BAD)
    return ws


TODAY_TOP = 27
# Marks of more dates would hide the lines.
MARKED = 60


def _today(s: Sheets, new: Filling) -> Any:
    spec, rows = layout.TODAY, len(new.tables[layout.ACTUAL.name].rows)
    ws = s.sheet(
        "Today",
        "Today",
        "设立时与当前",
        "Each class as rated from the last date with collections, and at closing. While cash is missing that "
        "nothing known explains, none is better than at closing; beside it: as computed.",
        spec.columns,
        money=True,
        least=len(spec.columns) + 3,  # the charts are wider than the table
    )
    name_charts(s, ws, "out_ChartsSurveillance")
    top, _ = s.table(ws, TODAY_TOP - 3, 1, spec)
    marker = len(new.dates) <= MARKED
    chart = s.book.add_chart({"type": "line"})
    s.draw(
        chart,
        (layout.ACTUAL, LISTED_TOP, 1, rows),
        "date",
        ("planned", "Planned", line(ALL, "dash", marker=marker)),
        ("collections", "Actual", line(SENIOR, marker=marker)),
    )
    s.finish(chart, "Collections: actual against plan")
    chart.set_x_axis(s.dates_axis(new.dates))
    chart.set_y_axis(s.axis(MONEY, "#,##0", min=0))
    rating = s.book.add_chart({"type": "line"})
    thin = {"line": {"color": ALL, "width": 1.0, "dash_type": "long_dash_dot"}}
    s.draw(
        rating,
        (layout.WATCH, LISTED_TOP, 1, 1),
        "date",
        ("quote", "PD to quote, as refreshed", line(GREEN, "dash", marker=True)),
        ("pd", "KMV view, by pool and reserve", line(SENIOR, marker=True)),
        ("computed", "The same, as computed", line(SENIOR, "round_dot")),
        ("limit", "Alert (KMV view) from here on", line(OFF, "dash")),
        ("grade_limit", "Grade at closing up to here (PD to quote)", thin),
    )
    s.finish(rating, "out_DrawnRating")
    rating.set_x_axis(s.dates_axis(new.dates))
    rating.set_y_axis(s.axis("Probability (log scale)", "0E+00", log_base=10, **LOG_RANGE))
    for drawn, place in ((chart, {}), (rating, {"x_offset": 700})):
        drawn.set_size({"width": 690, "height": 390})
        ws.insert_chart(3, 1, drawn, place)
    s.mark(ws, top, 1 + spec.index("alert"), top + 1200, alert=BAD, missed=BAD)
    ws.freeze_panes(2, 2)
    ws.repeat_rows(top - 2, top - 1)
    return ws


BACKTEST_TOP = 8


def _backtest(s: Sheets, new: Filling) -> Any:
    spec, rows = layout.BACKTEST, len(new.tables[layout.ACTUAL.name].rows)
    ws = s.sheet(
        "Backtest",
        "Backtest",
        "预测检验",
        "What the view at closing predicted, against what came in (Surveillance) and who defaulted since "
        "(Status on Pool). Area to KS: whether higher PDs defaulted; blank until somebody has.",
        spec.columns,
        money=True,
        least=len(spec.columns) + 2,  # the charts are wider than the table
    )
    verdict, _ = s.table(ws, 3, 1, layout.MEASURE)
    ws.set_row(verdict, 40)  # of three lines
    chart = s.book.add_chart({"type": "line"})
    top = BACKTEST_TOP + 24
    place, marker = (spec, top, 1, rows), len(new.dates) <= MARKED
    s.draw(
        chart,
        place,
        "date",
        ("high_share", "1 in 20 is more", line(ALL, "dash")),
        ("expected_share", "Expected at closing", line(SENIOR, "long_dash")),
        ("low_share", "1 in 20 is less", line(OFF, "square_dot")),
        ("seen_share", "Came in", line(GREEN, marker=marker)),
    )
    s.finish(chart, "out_DrawnCollections", s.scale(chart))
    chart.set_x_axis(s.dates_axis(new.dates))
    chart.set_y_axis(s.axis("Share of the plan", "0%"))
    defaults = s.book.add_chart({"type": "line"})
    s.draw(
        defaults,
        place,
        "date",
        ("defaults_expected", "Expected at closing", line(SENIOR, "long_dash")),
        ("defaults_seen", "Seen", line(OFF, marker=marker)),
    )
    s.finish(defaults, "out_DrawnDefaults")
    defaults.set_x_axis(s.dates_axis(new.dates))
    defaults.set_y_axis(s.axis("Obligors", "0.0", min=0))
    for drawn, offset in ((chart, {}), (defaults, {"x_offset": 700})):
        drawn.set_size({"width": 690, "height": 390})
        ws.insert_chart(BACKTEST_TOP, 1, drawn, offset)
    s.table(ws, top - 3, 1, spec)
    ws.freeze_panes(2, 2)
    ws.repeat_rows(top - 2, top - 1)
    return ws


def _both_views(s: Sheets) -> Any:
    return s.listed(
        layout.RERATE,
        "Both views",
        "两种视角",
        "What stands behind the rating of today: KMV view and simulation, at closing and from the last date "
        "with collections, and as computed before a class is held at closing.",
        money=True,
    )


def _rating(s: Sheets) -> Any:
    ws = s.listed(
        layout.WATCH,
        "Rating",
        "评级走势",
        "The chart on Today draws these figures, none below 1E-10. Grade and PD to quote: of the last full "
        "refresh that ended on the date.",
    )
    s.mark(ws, LISTED_TOP, 1 + layout.WATCH.index("alert"), LISTED_TOP + 1200, alert=BAD, missed=BAD)
    return ws


def _history(s: Sheets) -> Any:
    ws = s.listed(
        layout.HISTORY,
        "History",
        "评级历史",
        "Each refresh adds a line for each class: what it found, as of the last date with collections. "
        "A quick look has too few paths for a grade.",
        labels=3,
    )
    s.mark(ws, LISTED_TOP, 1 + layout.HISTORY.index("alert"), LISTED_TOP + 2000, alert=BAD, missed=BAD)
    return ws


COMPARE_TOP = 12
COMPARE_CELLS = {"out_Comparison": "State", "out_Compared": "Compared", "out_ComparedPaths": "Remark"}


def _compare(s: Sheets) -> Any:
    specs = layout.CASE_RESULT, layout.CASE
    ws = s.sheet(
        "Compare",
        "Compare",
        "情形对比",
        "Save case keeps this workbook as it is beside it; change the deal, press Compare. Without Excel: "
        "xlkmv case BOOK.xlsm, then xlkmv compare --write BOOK.xlsm.  Why it moved: What moved.",
        sum(len(spec.columns) + 1 for spec in specs) - 1,
    )
    for column, macro, caption, what in (
        (1, "KmvSaveCase", "Save case 保存情形", "Keep the workbook as it is as a case beside it"),
        (2, "KmvCompare", "Compare 对比", "Hold the saved cases against this workbook"),
    ):
        button = {"macro": macro, "caption": caption, "width": 150, "height": 40, "description": what}
        s.button(ws, 2, column, button)
    words = (layout.UNCOMPARED, layout.COMPARED, layout.COMPARED_BEFORE)
    uncompared, compared, before = (s.cell(x) for x in words)
    state = f"=IF(ISBLANK(out_Compared),{uncompared},IF({_same_as('At compare')},{compared},{before}))"
    for row, (name, text) in enumerate(COMPARE_CELLS.items(), 5):
        s.speak(ws, row, 1, text, s.style(font_color=GREY))
        # A sentence has the cells beside it.
        style = s.style(bold=True, align="left", shrink=name == "out_Comparison")
        ws.write_blank(row, 2, None, style)
        if name == "out_Comparison":
            ws.write_formula(row, 2, state, style, layout.UNCOMPARED)
        s.book.define_name(name, f"=Compare!{xl_rowcol_to_cell(row, 2, True, True)}")
    # Side by side, as either grows with the cases.
    s.beside(ws, COMPARE_TOP - 3, 1, specs)
    ws.freeze_panes(2, 3)
    ws.repeat_rows(COMPARE_TOP - 2, COMPARE_TOP - 1)
    return ws


MOVED_TOP = 31


def _moved(s: Sheets) -> Any:
    specs, top = (layout.STEP, layout.BRIDGE), MOVED_TOP
    ws = s.sheet(
        "What moved",
        "What moved",
        "变动原因",
        "From each case to this workbook, one change after the other; the changes of a class add up. In "
        "percentage points, small ones as a probability. Blank until cases are compared on Compare.",
        sum(len(spec.columns) + 1 for spec in specs) - 1,
    )
    name_charts(s, ws, "out_ChartsMoved")
    _, left = s.beside(ws, top - 3, 1, specs)
    ws.set_row(top - 1, 42)
    # A chart of nothing would have a scale of its own.
    for k, value in enumerate((NOT_COMPARED, 0.0, 0.0)):
        put(ws, top, left + k, value, s.result(layout.BRIDGE.columns[k].format))
    chart = s.book.add_chart({"type": "bar"})
    s.draw(
        chart,
        (layout.BRIDGE, top, left, 1),
        "label",
        ("change", "Change of the simulated any-date PD", bars(SENIOR, 60)),
        ("kmv_change", "Change in the KMV view", hatched(LIGHT, 60)),
    )
    s.finish(chart, "out_DrawnMoved")
    chart.set_x_axis(s.axis("Change of the probability", "[>=0.1]0%;[<=-0.1]-0%;0.000%"))
    chart.set_y_axis(
        s.axis("", "General", reverse=True, label_position="low", major_gridlines={"visible": False})
    )
    chart.set_size({"width": 1200, "height": 500})
    ws.insert_chart(3, 1, chart)
    ws.freeze_panes(2, 4)
    ws.repeat_rows(top - 2, top - 1)
    s.paged(ws, 60, left - 1)
    return ws


def _functions(s: Sheets) -> Any:
    ws = s.sheet(
        "Functions",
        "Functions",
        "工作表函数",
        "A live example of every KMV function: change a yellow cell and, "
        "where xlkmv is installed, the number follows.",
        12,
    )
    ws.set_column(1, 1, 26)
    ws.set_column(2, 14, 17)
    row = 3
    for function in FUNCTIONS.values():
        row = _example(s, ws, row, function)
    return ws


def _example(s: Sheets, ws: Any, row: int, function: Function) -> int:
    """Write one function: its text, its arguments in cells, and the formula that reads them."""
    names = [a.name if a.required else f"[{a.name}]" for a in function.arguments]
    ws.write(row, 1, f"{function.name}({', '.join(names)})", s.style(bold=True, font_size=11, font_color=INK))
    s.speak(ws, row + 1, 1, function.text, s.style(font_color=GREY))
    row += 2
    references = []
    for k, value in enumerate(function.example):
        argument = function.arguments[min(k, len(function.arguments) - 1)]
        ws.write(row, 1, argument.name, s.style(font_color="#595959"))
        grid = [list(r) for r in value] if isinstance(value, tuple) and isinstance(value[0], tuple) else None
        grid = grid or [list(value) if isinstance(value, tuple) else [value]]
        for i, cells in enumerate(grid):
            for j, cell in enumerate(cells):
                put(ws, row + i, 2 + j, cell, s.input("General"))
        first = xl_rowcol_to_cell(row, 2, True, True)
        end = xl_rowcol_to_cell(row + len(grid) - 1, 1 + len(grid[0]), True, True)
        references.append(first if first == end else f"{first}:{end}")
        row += len(grid)
    formula = f"={function.name}({','.join(references)})"
    ws.write_string(row, 1, formula, s.style(font_name="Consolas", font_size=9))
    value = function(*(_as_excel(v) for v in function.example))
    if not isinstance(value, list):
        _live(s, ws, row + 1, 2, formula, value)
        return row + 3
    anchor = xl_rowcol_to_cell(row + 1, 2, True, True)
    for i, cells in enumerate(value):
        for j, cell in enumerate(cells):
            # INDEX shows the table in every spreadsheet, also in those where results do not spill.
            here = xl_rowcol_to_cell(row + 1 + i, 2 + j)
            picked = f"INDEX({formula[1:]},ROWS({anchor}:{here}),COLUMNS({anchor}:{here}))"
            _live(s, ws, row + 1 + i, 2 + j, f"={picked}", cell, heading=i == 0 and function.shape == "table")
    return row + 2 + len(value)


def _as_excel(value: Any) -> Any:
    """An example argument as Excel hands it over: a range is a list of rows."""
    if not isinstance(value, tuple):
        return value
    return [list(r) for r in value] if isinstance(value[0], tuple) else [list(value)]


def _live(s: Sheets, ws: Any, row: int, column: int, formula: str, value: Any, heading: bool = False) -> None:
    # Calc leaves a saved TRUE or FALSE aside and wants to compute it; it takes 1 and 0.
    cached = str(value) if isinstance(value, ExcelError) else int(value) if isinstance(value, bool) else value
    side = "center" if heading else "left" if isinstance(value, str) else "right"
    style = s.style(
        border=1, border_color=GRID, align=side, bold=heading, shrink=heading, num_format=_digits(value)
    )
    ws.write_formula(row, column, formula, style, cached)


def _digits(value: Any) -> str:
    """Six decimals, or powers of ten where they would say nothing; whole numbers as they are."""
    if not isinstance(value, float) or value.is_integer():
        return layout.TEXT
    return "0.000000" if 1e-4 <= abs(value) < 1e9 else "0.0000E+00"


def _same(s: Sheets) -> str:
    """Formula: whether the mark of an input is still the one of the last refresh."""
    now, then = (f"tbl_Input[[#This Row],[{column}]]" for column in ("Now", "At refresh"))
    return f"=IF(ABS({now}-{then})<=0.000000000001*(1+ABS({then})),{s.cell('yes')},{s.cell('no')})"


def _checks(s: Sheets) -> Any:
    about = "Laws that every result obeys, and inputs in their usual range (look: worth another look)."
    ws = s.listed(layout.CHECK, "Checks", "校验", about)
    outcome = 1 + layout.CHECK.index("outcome")
    colors = {"passed": GOOD, "look": layout.ASSUMED_FILL, "FAILED": BAD}
    s.mark(ws, LISTED_TOP, outcome, LISTED_TOP + 400, **colors)
    return ws


def _changes(s: Sheets) -> Any:
    about = (
        "A mark of each column of inputs, now and when answers were last computed: where the two differ, "
        "something has changed since."
    )
    same = _same(s)
    marks = [
        [
            *(name, header or layout.OTHER_NUMBERS),
            *((mark_formula(name, header), 0.0), None, (same, "no"), None, None),
        ]
        for name, header in layout.input_columns()
    ]
    ws = s.listed(layout.INPUT, "Changed inputs", "输入变动", about, marks, labels=2)
    outcome = 1 + layout.INPUT.index("same")
    s.mark(ws, LISTED_TOP, outcome, LISTED_TOP + len(marks) - 1, no=layout.ASSUMED_FILL)
    return ws


def _log(s: Sheets) -> Any:
    return s.listed(layout.LOG, "Log", "刷新日志", "A line for each refresh, the last 200 of them.")


def _shipped(source: Path, macros: bool) -> Path:
    """Copy a package with fixed time stamps, and the ribbon where it has macros."""
    with zipfile.ZipFile(source) as package:
        parts = {name: package.read(name) for name in package.namelist()}
    target = source.with_name(f"shipped{source.suffix}")
    target.write_bytes(pack(add_ribbon(parts) if macros else parts))
    return target


def _draft(path: Path, new: Filling, macros: bool = True) -> Sheets:
    """Write a workbook with inputs and without results."""
    s = Sheets(path, new.money_label, macros)
    _home(s, new).activate()
    _pool(s, new)
    _obligor(s, new)
    _sources(s, new)
    _prices(s, new)
    _tranche(s, new)
    _terms(s, new)
    _curves(s, new)
    _covenant(s, new)
    waterfall(s)
    cashflow(s)
    payments(s)
    result(s)
    by_date(s, new)
    classes_by_date(s)
    simulated(s)
    scenario(s, new)
    conditions(s)
    controls(s)
    _structure(s, new)
    _solutions(s)
    _drivers(s, new)
    uncertainty(s, new)
    _models(s)
    _surveillance(s, new)
    _today(s, new)
    _both_views(s)
    _rating(s)
    _history(s)
    _backtest(s, new)
    _compare(s)
    _moved(s)
    _functions(s)
    _checks(s)
    _changes(s)
    _log(s)
    s.spoken()
    if macros:
        add_macros(s.book)
    s.book.close()
    return s


@functools.cache
def fixed_texts() -> tuple[str, ...]:
    """List the texts that workbooks say without a refresh, for catalogues; those beside their Chinese not.

    Returns
    -------
    tuple of str
    """
    found: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for new in (*(filling(example(name)) for name in EXAMPLES), blank(CREATED.date(), "quarter", 4)):
            for macros in (True, False):
                texts = _draft(Path(folder) / "draft.xlsm", new, macros).texts
                alone = [text for text, chinese in texts if not chinese and text != MONEY]
                found += [part for text in alone for part in parts(text)]
    return tuple(dict.fromkeys(found))


def build_template(
    path: str | os.PathLike[str], deal: Deal | Example | Filling | None = None, *, refreshed: bool = True
) -> Path:
    """Write a workbook with a deal in it.

    Parameters
    ----------
    path : path-like
        Where to write; an existing file is replaced. A name that ends in ``.xlsx`` gives a workbook
        without macros and buttons.
    deal : Deal, Example or Filling, optional
        The shipped deal when left out. Figures of an example are marked as facts and assumptions.
    refreshed : bool
        Whether to compute the results, too; otherwise the workbook says that it is stale. Sheet Structure
        of another deal than the shipped one waits for its button.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        When the deal holds something for which a workbook has no cells.
    """
    target = Path(path)
    macros = target.suffix.lower() != ".xlsx"
    given = example(SHIPPED) if deal is None else deal
    new = given if isinstance(given, Filling) else filling(given)
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / f"draft{'.xlsm' if macros else '.xlsx'}"
        _draft(draft, new, macros)
        book = FileBook(_shipped(draft, macros))
        if _is_long(new):
            _write_pool(book, new.tables[layout.POOL.name])
        if refreshed:
            refresh(book, now=CREATED, message="as shipped")
            # The history is the user's: it begins with the first refresh of their own.
            book.write_table(layout.HISTORY.name, {c.header: () for c in layout.HISTORY.columns}, resize=True)
            if deal is None:  # the answers to other deals' targets take as long as a button is for
                solve_book(book, now=CREATED)
        book.save(target)
    return target


if __name__ == "__main__":
    print(build_template(sys.argv[1]))
