"""Sheets of questions: structure, who drives the risk, portfolio models, what differs between cases."""

from __future__ import annotations

from typing import Any

from xlsxwriter.utility import xl_rowcol_to_cell

from xlkmv.build.drawing import (
    ALL,
    FRONTIER,
    GREEN,
    GREY,
    LIGHT,
    LOG_RANGE,
    NOT_COMPARED,
    OFF,
    SENIOR,
    SLANTED,
    SMALL_SHARES,
    THE_MONEY,
    Sheets,
    bars,
    dots,
    hatched,
    in_all_languages,
    line,
    put,
    widths,
)
from xlkmv.build.filling import Filling
from xlkmv.build.home import CLASSES, same_as
from xlkmv.build.inputs import inputs
from xlkmv.build.results import name_charts
from xlkmv.deal.questions.contributions import NAMED
from xlkmv.deal.questions.diversification import MOST_ASKED
from xlkmv.deal.questions.structure import SIZES as FRONTIER_ROWS
from xlkmv.refresh.marks import mark_formula
from xlkmv.refresh.report import TARGET_MARK
from xlkmv.refresh.solving import SMALLEST_FRONTIER
from xlkmv.workbook import layout

__all__ = ["compare", "drivers", "models", "moved", "solutions", "structure"]

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
    "Recovery: the mean of the rates by amount, all moved alike; enter the factor on them.",
)

STRUCTURE_CELLS = {
    "out_Structure": "State of the answers",
    "out_Solved": "Solved",
    "out_Issuable": "Issuable, class after class",
}


def structure(s: Sheets, new: Filling) -> Any:
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
    same = f"AND({same_as('At solve')},{targets})"
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
    top = inputs(s, ws, STRUCTURE_TOP - 3, 1, layout.TARGET, new.tables.get(layout.TARGET.name))
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
    chart.set_x_axis(s.axis("Size of the class, share of all notes now", "0.0%"))
    bottom = {"min": SMALLEST_FRONTIER, "max": 1, "crossing": SMALLEST_FRONTIER}
    chart.set_y_axis(s.axis("Probability (log scale)", "0E+00", log_base=10, **bottom))
    chart.set_size({"width": 715, "height": 390})
    ws.insert_chart(3, left, chart)
    ws.freeze_panes(2, 0)
    ws.repeat_rows(STRUCTURE_TOP - 2, STRUCTURE_TOP - 1)
    return ws


def solutions(s: Sheets) -> Any:
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


def models(s: Sheets) -> Any:
    spec = layout.MODEL
    ws = s.sheet(
        "Models",
        "Models",
        "四种主流模型",
        "The same obligors through four models, one year ahead. Loss above junior notes: by subordination "
        "alone; claims beyond the notes, spread, reserve and undertaking, which protect senior classes too, "
        "are not counted.",
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
    chart.set_y_axis(s.axis(THE_MONEY, "#,##0"))
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
    s.abreast(ws, charts, chart, deep, high=400)
    ws.freeze_panes(2, 0)
    return ws


DRIVERS_TOP = 26

# First row of the pools to ask about, beneath the charts.
OTHERWISE_TOP = DRIVERS_TOP + 5

WHAT_IF = (
    "What if one defaults?  Type its name into column Obligor of a condition on Scenario, what is recovered "
    "into Obligor recovery, and refresh; or run  xlkmv whatif BOOK.xlsm --default NAME."
)


def drivers(s: Sheets, new: Filling) -> Any:
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
    inputs(s, ws, OTHERWISE_TOP, 1, layout.OTHERWISE, asked)
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
    share.set_x_axis(s.axis("Share", SMALL_SHARES, min=0))
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


COMPARE_TOP = 12

COMPARE_CELLS = {"out_Comparison": "State", "out_Compared": "Compared", "out_ComparedPaths": "Remark"}


def compare(s: Sheets) -> Any:
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
    state = f"=IF(ISBLANK(out_Compared),{uncompared},IF({same_as('At compare')},{compared},{before}))"
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


def moved(s: Sheets) -> Any:
    specs, top = (layout.STEP, layout.BRIDGE), MOVED_TOP
    ws = s.sheet(
        "What moved",
        "What moved",
        "变动原因",
        "From each case to this workbook, one change after the other; the changes of a class add up. In "
        "percentage points. Blank until cases are compared on Compare.",
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
    chart.set_x_axis(s.axis("Change of the probability", "0.0##%"))
    chart.set_y_axis(
        s.axis("", "General", reverse=True, label_position="low", major_gridlines={"visible": False})
    )
    chart.set_size({"width": 1200, "height": 500})
    ws.insert_chart(3, 1, chart)
    ws.freeze_panes(2, 4)
    ws.repeat_rows(top - 2, top - 1)
    s.paged(ws, 60, left - 1)
    return ws
