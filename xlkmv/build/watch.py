"""Sheets of surveillance: actual against plan, where the classes stand today, history and backtest."""

from __future__ import annotations

from typing import Any

from xlkmv.build.drawing import ALL, BAD, GREEN, LISTED_TOP, LOG_RANGE, OFF, SENIOR, THE_MONEY, Sheets, line
from xlkmv.build.filling import Filling
from xlkmv.build.inputs import inputs
from xlkmv.build.results import name_charts
from xlkmv.workbook import layout

__all__ = ["backtest", "both_views", "history", "rating", "surveillance", "today"]


def surveillance(s: Sheets, new: Filling) -> Any:
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
    inputs(s, ws, LISTED_TOP - 3, 1, spec, filled)
    s.frozen(ws, LISTED_TOP)
    s.mark(ws, LISTED_TOP, 1 + spec.index("alert"), LISTED_TOP + 1200, alert=BAD, missed=BAD)
    return ws


TODAY_TOP = 27

# Marks of more dates would hide the lines.
MARKED = 60


def today(s: Sheets, new: Filling) -> Any:
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
    chart.set_y_axis(s.axis(THE_MONEY, "#,##0", min=0))
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
    s.abreast(ws, 3, chart, rating)
    s.mark(ws, top, 1 + spec.index("alert"), top + 1200, alert=BAD, missed=BAD)
    ws.freeze_panes(2, 2)
    ws.repeat_rows(top - 2, top - 1)
    return ws


BACKTEST_TOP = 8


def backtest(s: Sheets, new: Filling) -> Any:
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
    chart.set_y_axis(s.axis("Share of the plan", "0.0%"))
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
    s.abreast(ws, BACKTEST_TOP, chart, defaults)
    s.table(ws, top - 3, 1, spec)
    ws.freeze_panes(2, 2)
    ws.repeat_rows(top - 2, top - 1)
    return ws


def both_views(s: Sheets) -> Any:
    return s.listed(
        layout.RERATE,
        "Both views",
        "两种视角",
        "What stands behind the rating of today: KMV view and simulation, at closing and from the last date "
        "with collections, and as computed before a class is held at closing.",
        money=True,
    )


def rating(s: Sheets) -> Any:
    ws = s.listed(
        layout.WATCH,
        "Rating",
        "评级走势",
        "The chart on Today draws these figures, none below 1E-10. Grade and PD to quote: of the last full "
        "refresh that ended on the date.",
    )
    s.mark(ws, LISTED_TOP, 1 + layout.WATCH.index("alert"), LISTED_TOP + 1200, alert=BAD, missed=BAD)
    return ws


def history(s: Sheets) -> Any:
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
