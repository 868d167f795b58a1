"""Sheet Home: the answers on one screen, what to do next, and whether the results are of these inputs."""

from __future__ import annotations

from typing import Any

from xlsxwriter.utility import xl_rowcol_to_cell

from xlkmv.build.drawing import FONT, GREY, Sheets, both, in_all_languages, widths
from xlkmv.build.filling import Filling
from xlkmv.build.results import cover_chart
from xlkmv.deal.answers import TOO_FEW_BRIEFLY, TOO_WIDE
from xlkmv.deal.reading import ALARMS, READINGS
from xlkmv.language import LANGUAGES
from xlkmv.phrase import Phrase
from xlkmv.refresh.rows.uncertainty import NO_RANGES
from xlkmv.refresh.tables import NOT_RUN
from xlkmv.workbook import layout

__all__ = ["CLASSES", "home", "same_as"]

STALE = Phrase("stale: refresh")


def _state(s: Sheets) -> str:
    """Formula: any input that has changed since makes the results stale, with or without Python."""
    words = in_all_languages(layout.QUICK)
    quick = ",".join(f'LEFT(out_Scope,{len(word)})="{word}"' for word in words)
    fresh, quick_state, stale = (s.cell(x) for x in (layout.FRESH, layout.QUICK_STATE, STALE))
    return f"=IF({same_as('At refresh')},IF(OR({quick}),{quick_state},{fresh}),{stale})"


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


def home(s: Sheets, new: Filling) -> Any:
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


def same_as(column: str) -> str:
    """Formula: whether the marks of all inputs are what a column of table tbl_Input kept of them."""
    then = f"tbl_Input[{column}]"
    return f"SUMPRODUCT(--(ABS(tbl_Input[Now]-{then})>0.000000000001*(1+ABS({then}))))=0"
