"""The workbook's tables: sheet, name, columns, units. One description for all who need it.

The template is built from it, refresh reads and writes by it, and the messages about wrong
cells quote it. Users may move tables and columns, insert rows and add sheets: data is found
by table name and heading only.
"""

from __future__ import annotations

# ruff: noqa: F403, F405
from collections.abc import Sequence

from xlkmv.deal.reading import READINGS
from xlkmv.phrase import Phrase
from xlkmv.workbook.layout import (
    column,
    notes,
    pool,
    questions,
    results,
    surveillance,
    terms,
    uncertainty,
    upkeep,
)
from xlkmv.workbook.layout.column import *
from xlkmv.workbook.layout.notes import *
from xlkmv.workbook.layout.pool import *
from xlkmv.workbook.layout.questions import *
from xlkmv.workbook.layout.results import *
from xlkmv.workbook.layout.surveillance import *
from xlkmv.workbook.layout.terms import *
from xlkmv.workbook.layout.uncertainty import *
from xlkmv.workbook.layout.upkeep import *

__all__ = [
    "ALL_NUMBERS",
    "CHARTS",
    "COMPARED",
    "COMPARED_BEFORE",
    "CURRENCY",
    "DEAL_NAME",
    "DRAWN",
    "FRESH",
    "FRONTIER_TITLE",
    "HEADLINE_CLASS",
    "LABELLED",
    "LANGUAGE",
    "MONEY_LABEL",
    "NAMES",
    "ONE_CELL",
    "OTHER_NUMBERS",
    "POOL_AMOUNT",
    "QUICK",
    "QUICK_STATE",
    "READINGS_CHINESE",
    "READING_NAMES",
    "SOLVED",
    "SOLVED_BEFORE",
    "TABLES",
    "TITLES",
    "UNCOMPARED",
    "UNIT",
    "UNNAMED",
    "UNSOLVED",
    "drawn_title",
    "input_columns",
]
__all__ += (
    column.__all__
    + pool.__all__
    + notes.__all__
    + terms.__all__
    + results.__all__
    + questions.__all__
    + surveillance.__all__
    + uncertainty.__all__
    + upkeep.__all__
)

# Tables whose rows are those of the layout, each with its label in the first column.
LABELLED: dict[str, Sequence[TermRow | ControlRow]] = {
    TERM.name: TERM_ROWS,
    CONTROL.name: CONTROL_ROWS,
    RANGE.name: RANGE_ROWS,
}

TABLES: dict[str, TableSpec] = {
    t.name: t
    for t in (
        POOL,
        OBLIGOR,
        RECOVERY,
        CORRELATION,
        SOURCE,
        GROUP,
        PEER,
        EDF,
        PRICE,
        TRANCHE,
        TERM,
        CONTROL,
        COVENANT,
        SCENARIO,
        SCHEDULE,
        CURVE,
        SCALE,
        CLASS_SCALE,
        VECTOR,
        RANGE,
        SCENARIO_RESULT,
        ANSWER,
        HEADLINE,
        RISK,
        CHART,
        SIGMA,
        BREAKEVEN,
        SIMULATION,
        ATTRIBUTION,
        REVERSE,
        CONCENTRATION,
        DIVERSIFICATION,
        DRIVER,
        DRIVER_ALL,
        TORNADO,
        WATERFALL,
        ACCOUNT,
        CASHFLOW,
        PRIORITY,
        MODEL,
        LAYER,
        MATTER,
        INTERVAL,
        ACTUAL,
        TODAY,
        RERATE,
        HISTORY,
        WATCH,
        MEASURE,
        BACKTEST,
        CASE,
        CASE_RESULT,
        STEP,
        BRIDGE,
        TARGET,
        STRUCTURE,
        FRONTIER,
        OTHERWISE,
        CHECK,
        INPUT,
        LOG,
        TEXTS,
        SAID,
    )
}

# In the place of a heading: numbers of columns that have no line of their own (in the first edition all
# numbers), the cell of a name.
OTHER_NUMBERS, ALL_NUMBERS, ONE_CELL = "other numbers", "all numbers", "the cell"


# The cell over the pool that adds up its amounts: shares by a sum of their own would take a time that grows
# with the square of the rows.
POOL_AMOUNT = "out_PoolAmount"

# The cell of Home that says which class headlines speak of.
HEADLINE_CLASS = "in_Headline"

# The cell of Home that says in which language sentences come. It moves no number: no mark is of it.
LANGUAGE = "in_Language"

# The cell of Home that says what the deal is, and what a new workbook has there.
DEAL_NAME, UNNAMED = "in_Deal", Phrase("Name of the deal")

# Tables that a user may give further columns of money, those of dates above all.
OPEN_TABLES = (POOL, TRANCHE, SCHEDULE)


def input_columns() -> tuple[tuple[str, str], ...]:
    """Return table and heading of every column that moves a number; no heading: its other numbers.

    Money of an open table is marked as a whole; what is small beside it, column by column.
    """
    notes = {"basis", "unit", "meaning"}
    columns = [
        (spec, c)
        for spec in (
            *(POOL, TRANCHE, TERM, CONTROL, COVENANT, SCENARIO, ACTUAL),
            *(SCHEDULE, CURVE, SCALE, CLASS_SCALE, VECTOR, RANGE),
            *(OBLIGOR, RECOVERY, SOURCE, GROUP, PEER, EDF, PRICE),
            OTHERWISE,
        )
        for c in spec.inputs
        if c.field not in notes
    ]
    found = [(spec.name, c.header) for spec, c in columns if spec not in OPEN_TABLES or c.format != MONEY]
    return (*found, *((spec.name, "") for spec in OPEN_TABLES), (HEADLINE_CLASS, ONE_CELL))


# How cell out_Scope begins after a quick look, and the state of its results.
QUICK = "quick look"
QUICK_STATE = Phrase("quick look: Refresh for everything")
FRESH = Phrase("fresh")

# What sheets Compare and Structure say of their answers.
COMPARED, COMPARED_BEFORE = FRESH, Phrase("stale: compare again")
UNCOMPARED = Phrase("not compared yet: press Compare")
SOLVED, SOLVED_BEFORE, UNSOLVED = FRESH, Phrase("stale: solve again"), Phrase("not solved yet: press Solve")
FRONTIER_TITLE = "Frontier: size of {name} against its any-date PD, reserve by reserve"

# One-cell names: what refresh writes on the Home sheet, and the format it is shown in.
NAMES: dict[str, tuple[str, str]] = {
    "out_State": ("State of the results", TEXT),
    "out_Scope": ("Computed", TEXT),
    "out_Checks": ("Checks", TEXT),
    "out_Refreshed": ("Refreshed", TEXT),
    "out_Volatility": ("Pool volatility p.a.", RATE),
    "out_Drift": ("Pool drift p.a.", RATE),
    "out_Version": ("xlkmv version", TEXT),
    "out_Headline": ("Headline class", TEXT),
    "out_WorstScenario": ("Worst stress", TEXT),
    "out_WorstPD": ("Short then (paths)", SIMULATED),
    "out_PlanShort": ("Short by plan", TEXT),
    "out_InputHash": ("Input hash", TEXT),
}

# Titles that name the class, by the name of their cell; and lines over the charts that speak of it.
TITLES = {f"out_Title{name.removeprefix('tbl_')}": t for name, t in TABLES.items() if THE_CLASS in t.title}
CHARTS = {f"out_Charts{x}": f"In the charts: {THE_CLASS}" for x in ("Result", "Scenario", "Surveillance")} | {
    "out_ChartsDrivers": f"In the first chart: {THE_CLASS}",
    "out_ChartsUncertainty": f"In the first chart: {THE_CLASS}",
    "out_ChartsMoved": f"In the chart: {THE_CLASS}",
}

# Titles of charts that may have nothing to draw, by the name of the cell that holds them.
DRAWN = {
    "out_DrawnCover": "Accumulated in against due",
    "out_DrawnKept": "Cash that stays in the plan after each date, by plan",
    "out_DrawnRating": "Any-date PD from each date",
    "out_DrawnCollections": "Accumulated collections, as a share of the plan",
    "out_DrawnDefaults": "Obligors in default",
    "out_DrawnFrontier": "Any-date PD (simulated) against the size of the class",
    "out_DrawnControls": "From all controls off to the deal as it is: any-date PD",
    "out_DrawnConditions": "The conditions that move the PD to quote most",
    "out_DrawnSpread": "The same money spread over more obligors: any-date PD",
    "out_DrawnMatter": "Which input matters: share of the uncertainty of the class",
    "out_DrawnMoved": "What moved the class, case by case",
}


def drawn_title(name: str, more: str | None = None) -> Phrase:
    """Title of a chart of :data:`DRAWN`, and what it adds: why it has nothing to draw, or of whom."""
    title = Phrase(DRAWN[name])
    return title if more is None else Phrase("{title} - {more}", title=title, more=more)


# Currency and unit of money: labels that titles and axes show, and that no figure depends on.
CURRENCY, UNIT, MONEY_LABEL = "in_Currency", "in_Unit", "out_Money"

# The lines of Home that say in words what the figures mean, and their labels in Chinese.
READING_NAMES = {key: f"out_Reading{key.capitalize()}" for key in READINGS}
READINGS_CHINESE = {
    "pool": "资产池",
    "actual": "设立以来",
    "senior": "所选层级",
    "others": "其他层级",
    "controls": "主要增信",
    "breaks": "首先失守",
    "look": "请复核",
}
