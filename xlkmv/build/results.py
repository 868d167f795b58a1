"""Sheets of results: where the classes stand, date by date and under conditions, and the plan's cash.

A table that grows with classes, dates or conditions ends its sheet. Long ones have a sheet of their own,
whose headings stay in sight; charts by date stand together.
"""

from __future__ import annotations

from typing import Any

from xlkmv.build.drawing import (
    ALL,
    FONT,
    GREEN,
    HIGH,
    LIGHT,
    LISTED_TOP,
    LOG_RANGE,
    OFF,
    ROWS,
    SENIOR,
    SLANTED,
    THE_MONEY,
    Sheets,
    bars,
    dots,
    hatched,
    line,
)
from xlkmv.build.filling import Filling
from xlkmv.deal.analysis import SIGMAS, TARGET_PDS
from xlkmv.deal.answers import SMALLEST_END
from xlkmv.deal.terms import CONTROLS, INPUTS
from xlkmv.refresh.rows.conditions import CONDITIONS_SHOWN, UNITS
from xlkmv.workbook import layout

__all__ = [
    "COVENANT_TOP",
    "by_date",
    "cashflow",
    "classes_by_date",
    "conditions",
    "controls",
    "cover_chart",
    "name_charts",
    "payments",
    "result",
    "scenario",
    "simulated",
    "uncertainty",
    "waterfall",
]

# Standard deviations that a chart draws.
FAR = 8
# No fewer paths than ten million could bound a PD by less.
QUOTED_RANGE: dict[str, Any] = {"min": 1e-7, "max": 1, "crossing": 1e-7}
# An end of an interval below a ten thousandth of a percent is said to be that.
INTERVAL_RANGE: dict[str, Any] = {"min": SMALLEST_END, "max": 1, "crossing": SMALLEST_END}


def name_charts(s: Sheets, ws: Any, name: str = "") -> None:
    """Say over the charts of which class they speak: their own titles cannot, in every spreadsheet."""
    name = name or f"out_Charts{ws.name}"
    s.named_heading(ws, 2, 1, 8, layout.CHARTS[name], name)
    ws.set_row(2, 18)


# ------------------------------------------------------------------------------- where the classes stand

RESULT_TOP = 3 + ROWS + 3


def result(s: Sheets) -> None:
    """Lay out each class by its maturity."""
    spec, top = layout.HEADLINE, RESULT_TOP
    ws = s.sheet(
        "Result",
        "Result",
        "各层级结果",
        "Collections against dues, accumulated, by the maturity of each class. For senior classes "
        "the reserve counts, too, and in PD and any-date PD the undertaking. No bar: covered, or none seen.",
        spec.columns,
        least=len(spec.columns) + 1,  # the charts are wider than the table
    )
    s.table(ws, top - 3, 1, spec)
    s.frozen(ws, 2)
    ws.repeat_rows(top - 2, top - 1)
    place = (spec, top, 1, 1)
    distance = s.book.add_chart({"type": "column"})
    s.draw(
        distance,
        place,
        "tranche",
        ("dd", "As it is", bars(SENIOR, 80)),
        ("dd_off", "All controls off", hatched(OFF, 80)),
    )
    s.finish(distance, "Distance to default of each class")
    names = s.axis("", "General") | {"major_gridlines": {"visible": False}, "label_position": "low"}
    distance.set_x_axis(names)
    distance.set_y_axis(s.axis("Standard deviations", "0.0"))
    pd = s.book.add_chart({"type": "column"})
    s.draw(
        pd,
        place,
        "tranche",
        ("anydate_pd", "KMV view", bars(SENIOR, 80)),
        ("simulated", "Simulated", bars(LIGHT, 80)),
        ("anydate_off", "KMV view, all controls off", hatched(OFF, 80)),
    )
    s.finish(pd, "Any-date default probability of each class")
    pd.set_x_axis(names)
    pd.set_y_axis(s.axis("Probability (log scale)", "0E+00", log_base=10, **LOG_RANGE))
    s.abreast(ws, 2, distance, pd)


def simulated(s: Sheets) -> None:
    """Lay out the simulation of every class."""
    s.listed(
        layout.SIMULATION,
        "Simulated",
        "模拟结果",
        "Every obligor may default, controls and triggers act along each path, and the undertaking may fail.",
    )


def by_date(s: Sheets, new: Filling) -> None:
    """Lay out the charts by date, and the figures of the headline class beneath them."""
    spec, top = layout.CHART, 3 + 3 * ROWS + 3
    ws = s.sheet(
        "By date",
        "By date",
        "逐日图表",
        "Every class on every date is on Classes by date, the plan's cash on Cashflow and Payments. "
        "Pass-through principal: due here as the plan pays it.",
        spec.columns,
        money=True,
        least=16,
    )
    name_charts(s, ws, "out_ChartsResult")
    s.table(ws, top - 3, 1, spec)
    ws.freeze_panes(2, 0)
    ws.repeat_rows(top - 2, top - 1)
    ws.set_h_pagebreaks([2 + 2 * ROWS, 2 + 3 * ROWS])
    account = (layout.ACCOUNT, LISTED_TOP, 1, 1)
    charts = [
        cover_chart(s, new),
        _coverage_chart(s, new),
        _pd_chart(s, new),
        _paid_chart(s, account),
        _kept_chart(s, new, account),
    ]
    if tests := new.tables.get(layout.COVENANT.name):
        charts.append(_covenant_chart(s, len(tests.rows)))
    s.abreast(ws, 3, *charts)


# First row of the tests on their sheet.
COVENANT_TOP = 6
CURVES = (layout.CHART, 3 + 3 * ROWS + 3, 1, 1)


def cover_chart(s: Sheets, new: Filling) -> Any:
    """Draw what comes in against what is due."""
    chart = s.book.add_chart({"type": "line"})
    s.draw(
        chart,
        CURVES,
        "date",
        ("accumulated_in", "Accumulated in (pool)", line(GREEN)),
        ("due_senior", "Due to the class", line(SENIOR, "long_dash")),
        ("due_all", "Due to all classes", line(ALL, "dash")),
    )
    s.finish(chart, "What comes in against what is due, accumulated")
    chart.set_x_axis(s.dates_axis(new.dates))
    chart.set_y_axis(s.axis(THE_MONEY, "#,##0"))
    return chart


def _coverage_chart(s: Sheets, new: Filling) -> Any:
    chart = s.book.add_chart({"type": "line"})
    s.draw(
        chart,
        CURVES,
        "date",
        ("coverage_high", "1 in 20 is more", line(ALL, "dash")),
        ("coverage", "By plan", line(SENIOR)),
        ("coverage_low", "1 in 20 is less", line(OFF, "square_dot")),
    )
    s.finish(chart, "Coverage of the class and its band (KMV view, no undertaking)")
    # The axis of dates lies where the dues are just covered.
    chart.set_x_axis(s.dates_axis(new.dates))
    chart.set_y_axis(s.axis("Times the dues (short below 1; 4: or more)", "0.0", crossing=1))
    return chart


def _pd_chart(s: Sheets, new: Filling) -> Any:
    chart = s.book.add_chart({"type": "line"})
    s.draw(
        chart,
        CURVES,
        "date",
        ("anydate_pd", "KMV view", line(SENIOR)),
        ("simulated", "Simulated (none seen: its bound)", line(SENIOR, "dash")),
        ("anydate_off", "KMV view, all controls off", line(OFF)),
        ("simulated_off", "Simulated, all controls off", line(OFF, "dash")),
    )
    s.finish(chart, "Any-date default probability up to each date")
    chart.set_x_axis(s.dates_axis(new.dates))
    chart.set_y_axis(s.axis("Probability (log scale)", "0E+00", log_base=10, **LOG_RANGE))
    return chart


def _paid_chart(s: Sheets, account: tuple[Any, ...]) -> Any:
    chart = s.book.add_chart({"type": "column", "subtype": "stacked"})
    s.draw(
        chart,
        account,
        "date",
        ("fees", "Fees", bars(ALL, 40)),
        ("senior", "Paid to senior", bars(SENIOR, 40)),
        ("others", "Paid to others", hatched(SENIOR, 40)),
        ("residual", "Residual", bars(GREEN, 40)),
    )
    s.finish(chart, "What is paid on each date, by plan")
    chart.set_x_axis(
        s.axis("Payment date", "yyyy-mm", text_axis=True)
        | {"num_font": SLANTED, "major_gridlines": {"visible": False}}
    )
    chart.set_y_axis(s.axis(THE_MONEY, "#,##0"))
    return chart


def _kept_chart(s: Sheets, new: Filling, account: tuple[Any, ...]) -> Any:
    chart = s.book.add_chart({"type": "line"})
    s.draw(
        chart,
        account,
        "date",
        ("account", "Cash kept", line(GREEN, "dash")),
        ("reserve", "Reserve", line(SENIOR)),
    )
    s.finish(chart, "out_DrawnKept")
    chart.set_x_axis(s.dates_axis(new.dates))
    # Of nothing a spreadsheet has a scale of its own, up to 1.
    chart.set_y_axis(s.axis(THE_MONEY, '[=0]0;[<=1]"";#,##0'))
    return chart


def _covenant_chart(s: Sheets, tests: int) -> Any:
    chart = s.book.add_chart({"type": "bar"})
    labels = {"value": True, "num_format": '[<=100]0.0;"> 100"', "position": "inside_base"}
    look = bars(LIGHT, 60) | {"data_labels": labels}
    place = (layout.COVENANT, COVENANT_TOP, 1, tests)
    s.draw(chart, place, "name", ("distance", "Distance to breach on its tightest date", look))
    s.finish(chart, "Covenants: how far each test is from a breach")
    # Beyond FAR a test is far from a breach: a longer bar would leave no room for those that are near.
    chart.set_x_axis(s.axis("Standard deviations (0: as likely as not)", "0.0", max=FAR))
    chart.set_y_axis(
        s.axis("", "General", reverse=True, label_position="low", major_gridlines={"visible": False})
    )
    return chart


def classes_by_date(s: Sheets) -> None:
    """Lay out the risk of every class on every date."""
    s.listed(
        layout.RISK,
        "Classes by date",
        "各层级逐日结果",
        "Collections against dues, accumulated. By pool and reserve: reserve counted for senior classes, no "
        "undertaking. Default points: pass-through principal due at the legal final or, by expected dates, "
        "as the plan pays it (later is no default); the terms take one.",
        labels=2,
        money=True,
    )


# -------------------------------------------------------------------------------------- the plan's cash


def waterfall(s: Sheets) -> None:
    """Lay out the priority of payments in words."""
    s.listed(
        layout.PRIORITY,
        "Waterfall",
        "支付顺序",
        "What is paid on each payment date, first to last, as the terms and controls make it.",
    )


def cashflow(s: Sheets) -> None:
    """Lay out the plan's cash on each date."""
    s.listed(
        layout.ACCOUNT,
        "Cashflow",
        "现金流",
        "The waterfall when everybody pays on schedule; in the last column what is expected when obligors "
        "may default. Clean-up call: the price of the pool; later, less what its buyer collects. "
        "Charts: By date. Each class: Payments. The order of payments in words: Waterfall.",
        money=True,
    )


def payments(s: Sheets) -> None:
    """Lay out what each class gets and misses."""
    s.listed(
        layout.CASHFLOW,
        "Payments",
        "各层级兑付",
        "By plan, when everybody pays on schedule; in the last column what is expected when obligors may "
        "default.",
        labels=2,
        money=True,
    )


# ------------------------------------------------------------------------------- how well it is known

# First row of the ranges, and of the classes, which may be many; what matters stands beside the ranges,
# where a column of the classes is as wide as its names.
UNCERTAINTY_TOPS = (3 + ROWS, 3 + ROWS + 4 + len(INPUTS) + 1)
BESIDE_RANGES = 1 + layout.INTERVAL.index("source")


def uncertainty(s: Sheets, new: Filling) -> None:
    """Lay out how well the inputs are known, and so the answers."""
    text = (
        "Enter low and high ends, or a standard error, of what is not known for sure (PDs one by one: Pool), "
        "and Refresh. Ends hold the figure 9 times out of 10; so do the intervals."
    )
    ws = s.sheet(
        "Uncertainty",
        "How well it is known",
        "不确定性",
        new.note("Uncertainty", text),
        layout.INTERVAL.columns,
    )
    name_charts(s, ws)
    ranges, classes = UNCERTAINTY_TOPS
    filled = new.tables[layout.RANGE.name]
    s.table(ws, ranges, 1, layout.RANGE, filled.rows, filled.marks, formats=filled.formats)
    matter, _ = s.table(ws, ranges, BESIDE_RANGES, layout.MATTER)
    classes, _ = s.table(ws, classes, 1, layout.INTERVAL)
    ws.repeat_rows(classes - 2, classes - 1)
    share = s.book.add_chart({"type": "bar"})
    labels = {"value": True, "num_format": "0%;;", "font": {"name": FONT, "size": 9}}
    s.draw(
        share,
        (layout.MATTER, matter, BESIDE_RANGES, 1),
        "input",
        ("first", "By itself", bars(SENIOR, 50) | {"data_labels": labels}),
        ("total", "Together with the others", bars(LIGHT, 50)),
    )
    s.finish(share, "out_DrawnMatter")
    share.set_x_axis(s.axis("Share of the uncertainty of the class", "0%", min=0, max=1))
    share.set_y_axis(s.axis("", "General", reverse=True, major_gridlines={"visible": False}))
    # A bar from the low end to the high one: what stands below it is not seen.
    chart, figure = (
        s.book.add_chart({"type": "column", "subtype": "stacked"}),
        s.book.add_chart({"type": "line"}),
    )
    of_class = (layout.INTERVAL, classes, 1, 1)
    unseen = {"fill": {"none": True}, "border": {"none": True}, "gap": 400}
    s.draw(chart, of_class, "name", ("low_drawn", "1 in 20 is lower", unseen))
    s.draw(chart, of_class, "name", ("range_drawn", "90 % interval", bars(LIGHT, 400)))
    said = {"value": True, "position": "right", "font": {"name": FONT, "size": 9}}
    said |= {"num_format": "[<0.0001]0.0000%;[<0.001]0.000%;0.00%"}
    look = {"line": {"none": True}, "data_labels": said} | dots(SENIOR, "diamond")
    s.draw(figure, of_class, "name", ("pd_drawn", "PD to quote", look))
    chart.combine(figure)
    s.finish(chart, "Each class: PD to quote and its 90 % interval", 0)
    chart.set_x_axis(s.axis("", "General", label_position="low") | {"major_gridlines": {"visible": False}})
    shown = "[<0.01]0.0###%;0%"
    chart.set_y_axis(s.axis("Probability (log scale)", shown, log_base=10, **INTERVAL_RANGE))
    s.abreast(ws, 3, share, chart)
    ws.freeze_panes(2, 2)


# ------------------------------------------------------------------------------- conditions and controls


def scenario(s: Sheets, new: Filling) -> None:
    """Lay out the conditions, to edit, and what they do to the headline class."""
    spec = layout.SCENARIO
    ws = s.listed(
        spec,
        "Scenario",
        "预设情景",
        "Edit, add or delete rows; the first row is the base. Credit triggers act along the path: only the "
        "simulated view sees them. Every class: Conditions. The largest moves in a chart: Controls.",
        new.tables[spec.name].rows,
    )
    s.paged(ws, 68, 1 + len(spec.inputs))


def conditions(s: Sheets) -> None:
    """Lay out every class under every condition."""
    s.listed(
        layout.SCENARIO_RESULT,
        "Conditions",
        "各层级情景结果",
        "Conditions are edited on Scenario. Changes are against its first row, the base, in percentage "
        "points.",
        labels=2,
    )


# Widths of sheet Controls, which serve all of its tables.
CONTROLS_WIDTHS = (42, 16, 19, 32, 12, 12, 12, 14, 16, 16)


def controls(s: Sheets) -> None:
    """Lay out what protects the headline class and what breaks it; no table here grows without end."""
    ws = s.sheet(
        "Controls",
        "What protects, what breaks",
        "增信贡献与临界点",
        "What each control takes off (simulated; shares: percentage points), the conditions that matter "
        "most, and how far each stress can go before something is missed.",
        len(CONTROLS_WIDTHS),
        money=True,
    )
    for k, width in enumerate(CONTROLS_WIDTHS, 1):
        ws.set_column(k, k, width)
    name_charts(s, ws, "out_ChartsScenario")
    charts = 3
    attribution, _ = s.table(ws, charts + ROWS, 1, layout.ATTRIBUTION)
    tornado, _ = s.table(ws, attribution + len(CONTROLS) + 1, 1, layout.TORNADO)
    reverse, size = s.table(ws, tornado + CONDITIONS_SHOWN + 1, 1, layout.REVERSE)
    s.whole(ws, reverse, size + layout.REVERSE.index("size"))
    limits, _ = s.table(ws, reverse + len(UNITS) + 1, 1, layout.BREAKEVEN)
    sigma, _ = s.table(ws, limits + len(TARGET_PDS) + 1, 1, layout.SIGMA)
    steps, _ = s.table(ws, sigma + len(SIGMAS) + 2, 1, layout.WATERFALL)
    ws.set_h_pagebreaks([tornado - 4, limits - 4])

    bridge = s.book.add_chart({"type": "column", "subtype": "stacked"})
    s.draw(
        bridge,
        (layout.WATERFALL, steps, 1, 1),
        "label",
        ("low", "", {"fill": {"none": True}, "border": {"none": True}, "gap": 30}),
        ("end", "All off, all on", bars(ALL, 30)),
        ("less", "Taken off", bars(GREEN, 30)),
        ("more", "Added", hatched(OFF, 30)),
    )
    s.finish(bridge, "out_DrawnControls", 0)
    bridge.set_x_axis(s.axis("", "General") | {"major_gridlines": {"visible": False}})
    # Without figures the scale is a spreadsheet's own: what is no probability is not labelled.
    bridge.set_y_axis(s.axis("Probability", '[<1.01]0%;""', min=0))
    chart = s.book.add_chart({"type": "bar"})
    labels = {
        "value": True,
        "position": "inside_end",
        "num_format": "[<0.0001]0.0000%;[<0.001]0.000%;0.00%",
        "font": {"name": FONT, "size": 9},
    }
    s.draw(
        chart,
        (layout.TORNADO, tornado, 1, 1),
        "condition",
        ("pd", "Under the condition", bars(LIGHT, 40) | {"data_labels": labels}),
        ("base", "As it is", hatched(SENIOR, 40)),
    )
    s.finish(chart, "out_DrawnConditions")
    # XlsxWriter swaps the axes of a bar chart: x is the horizontal one, here the values.
    chart.set_x_axis(s.axis("Probability (log scale)", "0E+00", log_base=10, **QUOTED_RANGE))
    chart.set_y_axis(s.axis("", "General", reverse=True, major_gridlines={"visible": False}))
    against = s.book.add_chart({"type": "scatter", "subtype": "straight"})
    s.draw(
        against,
        (layout.SIGMA, sigma, 1, 1),
        "volatility",
        ("pd", "PD by pool and reserve", line(SENIOR)),
        ("anydate_pd", "Any-date PD by pool and reserve", line(SENIOR, "dash")),
    )
    s.draw(
        against,
        (layout.BREAKEVEN, limits, 1, 1),
        "volatility",
        ("target", "Largest volatility for a PD", {"line": {"none": True}} | dots(OFF, "diamond")),
    )
    s.finish(against, "PD against the volatility of the pool, and the break-evens")
    against.set_x_axis(s.axis("Volatility per annum (log scale)", "0.0%", log_base=10, min=0.001, max=1))
    against.set_y_axis(s.axis("Probability (log scale)", "0E+00", log_base=10, **LOG_RANGE))
    for drawn, row, column, place in (
        (bridge, charts, 1, {}),
        (chart, charts, 1, {"x_offset": 670}),
        (against, tornado - 3, 1 + len(layout.TORNADO.columns), {"x_offset": 10}),
    ):
        drawn.set_size({"width": 590 if drawn is against else 660, "height": HIGH})
        ws.insert_chart(row, column, drawn, place)
    ws.freeze_panes(2, 0)
