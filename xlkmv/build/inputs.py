"""Sheets of inputs: claims and where their figures come from, classes, terms, curves, covenants."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from xlsxwriter.utility import xl_rowcol_to_cell

from xlkmv.build.drawing import (
    BAD,
    GOOD,
    GREY,
    NO_MONEY,
    WIDEST,
    Sheets,
    fold_columns,
    fold_rows,
    pixels,
    put,
    widths,
)
from xlkmv.build.filling import Filled, Filling
from xlkmv.build.results import COVENANT_TOP
from xlkmv.phrase import Phrase
from xlkmv.workbook import layout
from xlkmv.workbook.book import FileBook
from xlkmv.workbook.layout import Column, TableSpec

__all__ = [
    "covenant",
    "curves",
    "inputs",
    "is_long",
    "obligor",
    "pool",
    "prices",
    "sources",
    "terms",
    "tranche",
    "write_pool",
]


def inputs(s: Sheets, ws: Any, row: int, left: int, spec: TableSpec, filled: Filled | None) -> int:
    """Write a table of inputs, its columns folded away that the deal does not use; return its first row."""
    if filled is None:
        return s.table(ws, row, left, spec)[0]
    top, _ = s.table(ws, row, left, spec, filled.rows, filled.marks, filled.extra, filled.formats)
    return top


ORANGE = "Orange: assumption."

# Names of obligors are not cut up to as many characters.
LONGEST_NAME = 44


def pool(s: Sheets, new: Filling) -> Any:
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
    top = inputs(s, ws, 3, 1, layout.POOL, filled.head(1) if is_long(new) else filled)
    s.frozen(ws, top)
    if sum(map(pixels, (c.width for c in columns if c.field in shown))) > WIDEST:
        s.paged(ws, 70)
    return ws


def obligor(s: Sheets, new: Filling) -> Any:
    spec = layout.OBLIGOR
    about = (
        "Only where PDs need a source: a claim whose Rating on Pool says source takes its PD from here. "
        "A row takes the inputs of its method and leaves the others blank. More on Sources and Prices."
    )
    ws = s.sheet(spec.sheet, "Obligor", "债务人", about, spec.columns, money=True)
    s.frozen(ws, inputs(s, ws, 3, 1, spec, new.tables.get(spec.name)))
    # The answers beside the names, then what they follow from.
    s.paged(ws, 76, 1 + spec.index("pd"))
    return ws


def sources(s: Sheets, new: Filling) -> Any:
    about = (
        "What PDs, correlations and recoveries rest on, beside what sheet Obligor says of each obligor. "
        "All of it may stay empty."
    )
    below = layout.RECOVERY, layout.GROUP
    count = sum(len(spec.columns) + 1 for spec in below)
    ws = s.sheet("Sources", "Sources", "数据来源", about, count, money=True)
    for spec, row in ((layout.CORRELATION, 3), (layout.SOURCE, 9)):  # of one row each
        inputs(s, ws, row, 1, spec, new.tables.get(spec.name))
    _abreast(s, ws, 15, below, new)
    ws.freeze_panes(2, 2)
    ws.repeat_rows(16, 17)  # those of the tables that may be long
    return ws


def prices(s: Sheets, new: Filling) -> Any:
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
        inputs(s, ws, row, left, spec, new.tables.get(spec.name))
        left += len(spec.columns) + 1


# A pool of more rows is written by the way that tapes take: XlsxWriter holds every cell as an object.
LONG = 2_000


def is_long(new: Filling) -> bool:
    return len(new.tables[layout.POOL.name].rows) > LONG


def write_pool(book: FileBook, filled: Filled) -> None:
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
    names, who = f"{spec.name}[{spec.column('name').header}]", spec.index("name")
    s.speak(ws, row, left, "Sums; means by amount", s.style(font_color=GREY, italic=True))
    for k, c in enumerate(columns):
        cells, figures = f"{spec.name}[{c.header}]", [x[k] for x in rows]
        if c.field in ("amount", "schedule"):
            formula = f"=SUM({cells})"
            value: float | str = math.fsum(x for x in figures if x is not None)
        elif c.field == "count":  # a row that does not say is one obligor
            formula = f'=SUM({cells})+SUMPRODUCT(({names}<>"")*({cells}=""))'
            value = math.fsum(
                1.0 if x is None else x for x, row in zip(figures, rows, strict=True) if row[who]
            )
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


def tranche(s: Sheets, new: Filling) -> Any:
    filled = new.tables[layout.TRANCHE.name]
    text = f"What the plan owes, class by class. Unused columns: unfold at +. {ORANGE}"
    columns = layout.TRANCHE.columns
    ws = s.sheet("Tranche", "Tranches", "分层", new.note("Tranche", text), len(columns), money=True)
    fold_columns(ws, 1, columns, filled.used)
    top = inputs(s, ws, 3, 1, layout.TRANCHE, filled)
    s.frozen(ws, top)
    return ws


def terms(s: Sheets, new: Filling) -> Any:
    spec, filled, controls = layout.TERM, new.tables[layout.TERM.name], new.tables[layout.CONTROL.name]
    text = f"Terms of the plan, and the controls with a switch each. Unused terms: unfold at +. {ORANGE}"
    ws = s.sheet("Terms", "Terms and controls", "条款与风险控制", new.note("Terms", text), 5, money=True)
    widths(ws, 1, layout.CONTROL.columns)
    ws.set_column(3, 3, 24)
    ws.set_column(4, 4, 44)
    _money(s, ws, 2, new)
    # Neither table grows: their rows are known by their labels.
    top = inputs(s, ws, 3, 1, layout.CONTROL, controls)
    top = inputs(s, ws, top + len(controls.rows) + 1, 1, spec, filled)
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
    label = f'TRIM({layout.CURRENCY}&" "&{layout.UNIT})'
    # Never blank: a formula of no text would be one without a saved value.
    formula = f'=IF({label}="","{NO_MONEY}",{label})'
    ws.write_formula(row, 4, formula, s.style(font_color=GREY, italic=True), s.money or NO_MONEY)
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


def curves(s: Sheets, new: Filling) -> Any:
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
        inputs(s, ws, 3 + len(GRADES_TEXT), left, spec, new.tables.get(spec.name))
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


def covenant(s: Sheets, new: Filling) -> Any:
    spec, filled = layout.COVENANT, new.tables.get(layout.COVENANT.name)
    text = (
        "Tests on each payment date; coverage and DSCR count collections, not the reserve. Consequence: "
        "none, trap (subordinate cash is held), turbo (all cash to senior), sequential or amortise."
    )
    ws = s.sheet("Covenant", "Covenants", "契约测试", new.note("Covenant", text), spec.columns)
    inputs(s, ws, COVENANT_TOP - 3, 1, spec, filled)
    top = COVENANT_TOP
    s.frozen(ws, top)
    s.mark(ws, top, 1 + spec.index("status"), top + 400, ok=GOOD, breach=BAD)
    return ws
