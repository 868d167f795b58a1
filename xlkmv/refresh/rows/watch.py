"""Rows of surveillance: the classes today, actual against plan, backtest and history."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import numpy as np

from xlkmv.deal.analysis import Analysis
from xlkmv.deal.questions.backtest import PlanBacktest
from xlkmv.deal.standing import ClassToday, alert
from xlkmv.deal.terms import Deal
from xlkmv.refresh.tables import NOT_RUN, SMALLEST_DRAWN, kept_rows
from xlkmv.workbook import layout
from xlkmv.workbook.book import Book, CellValue

__all__ = [
    "actual_rows",
    "backtest_rows",
    "history_rows",
    "measure_row",
    "rerating_rows",
    "today_row",
    "watch_rows",
]

HISTORY_ROWS = 2_000


def today_row(c: ClassToday) -> list[Any]:
    """One class on Today."""
    held = [c.grade, c.closing.quote.pd, c.quote.pd, c.quote.why]
    return [c.name, c.balance, c.closing.grade, *held, c.computed_grade, c.computed.pd, c.alert]


def rerating_rows(analysis: Analysis, today: Sequence[ClassToday]) -> list[list[Any]]:
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


def actual_rows(book: Book, deal: Deal, analysis: Analysis, today: Sequence[ClassToday]) -> list[list[Any]]:
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


def history_rows(
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
    return [*kept_rows(book, layout.HISTORY), *new][-HISTORY_ROWS:]


def watch_rows(
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
