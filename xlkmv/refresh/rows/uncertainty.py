"""Rows of what the inputs rest on, how well they are known, and what that makes of the answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xlkmv.deal.analysis import Analysis
from xlkmv.deal.answers import SMALLEST_END, TOO_FEW, TOO_WIDE, ClassAnswer
from xlkmv.deal.questions.uncertainty import LEAST_FOREMOST, OBLIGORS
from xlkmv.deal.sources import ObligorPd
from xlkmv.deal.terms import INPUTS, Deal, Ranges
from xlkmv.functions.cells import is_blank
from xlkmv.phrase import Phrase
from xlkmv.refresh.sources import Sourced
from xlkmv.refresh.tables import left_out
from xlkmv.workbook import layout
from xlkmv.workbook.book import Table

__all__ = [
    "NO_RANGE",
    "NO_RANGES",
    "correlation_row",
    "interval_rows",
    "matter_rows",
    "range_rows",
    "source_row",
]

# In place of an interval where no input has a range.
NO_RANGES, NO_RANGE = Phrase("no ranges"), Phrase("no input has a range")


def range_rows(table: Table, deal: Deal, ranges: Ranges) -> list[list[Any]]:
    """Beside each input that may have a range: whether its range counts, and what it is now."""
    known = {item.label.casefold(): name for name, item in INPUTS.items()}
    rows: list[list[Any]] = []
    label_of, low_of, high_of, error_of = (
        layout.RANGE.column(field).header for field in ("label", "low", "high", "error")
    )
    errors = table.column(error_of) if table.has(error_of) else [None] * len(table.rows)
    columns = *(table.column(header) for header in (label_of, low_of, high_of)), errors
    for label, low, high, error in zip(*columns, strict=True):
        name = known.get(str(label or "").strip().casefold())
        if name is None:
            rows.append([None, None])
            continue
        if not INPUTS[name].acts(deal):
            rows.append([UNUSED[name], None])
            continue
        counts, figure = None, INPUTS[name].figure(deal)
        if name in ranges.acting(deal):
            typed = not (is_blank(low) and is_blank(error))
            counts = Phrase("yes") if typed else Phrase("yes: s.e. of its source")
        elif not is_blank(low):
            inside = isinstance(low, float) and isinstance(high, float) and low <= figure <= high
            counts = Phrase("no: an end out of reach") if inside else Phrase("no: figure outside")
        elif not is_blank(error):
            counts = Phrase("no: s.e. does not fit")
        rows.append([counts, figure])
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


def matter_rows(analysis: Analysis) -> list[list[Any]]:
    """Shares of the inputs in the variance of the headline class, the largest first."""
    found = analysis.uncertainty
    if analysis.quick:
        return left_out(layout.MATTER)
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


def interval_rows(analysis: Analysis, answers: Sequence[ClassAnswer]) -> list[list[Any]]:
    """Each class with its intervals; without ranges the figures alone."""
    if analysis.quick:
        return left_out(layout.INTERVAL)
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


def source_row(found: ObligorPd | None) -> list[Any]:
    if found is None:
        return [None] * len(layout.OBLIGOR.results)
    return [found.pd, found.low, found.high, found.distance, found.note]


def correlation_row(deal: Deal, sources: Sourced) -> list[Any]:
    """Where the asset correlation comes from, and what it comes to."""
    used, found = deal.pool.correlation, sources.correlation
    source, error = "typed", None
    note: str = Phrase("sheet Pool, column Correlation")
    if found is not None and found.source != source:
        source, error, note = found.source, found.error, found.note
    return [Phrase(source), float(deal.pool.share @ used), used.min(), used.max(), error, note]
