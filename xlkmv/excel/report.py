"""Write an analysis into the workbook's tables, in one go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

import xlkmv
from xlkmv.deal.analysis import Analysis, KmvView, TrancheRisk
from xlkmv.deal.terms import Deal
from xlkmv.excel import layout
from xlkmv.excel.book import Book
from xlkmv.excel.layout import TableSpec

__all__ = ["SMALLEST_DRAWN", "write_report"]

LOG_ROWS = 200
# Probabilities below this are drawn as this: a logarithmic axis has no zero.
SMALLEST_DRAWN = 1e-10


def write_report(book: Book, deal: Deal, analysis: Analysis, entry: Sequence[Any]) -> None:
    """Write every result; the book keeps the writes until it is saved.

    Parameters
    ----------
    book : Book
    deal : Deal
    analysis : Analysis
    entry : sequence
        The row for the log: time, seconds, version, input hash, seed, message.
    """
    passed = all(c.passed for c in analysis.checks)
    _write(book, layout.HEADLINE, _headline(analysis))
    _write(book, layout.RISK, _risk(deal, analysis))
    _write(book, layout.CURVE, _curve(deal, analysis))
    _write(book, layout.SIGMA, analysis.sigma.tolist())
    _write(book, layout.BREAKEVEN, analysis.breakeven.tolist())
    _write(book, layout.SCENARIO, [_scenario(v, analysis.scenarios[0], 0) for v in analysis.scenarios], False)
    _write(book, layout.SCENARIO_RESULT, _scenario_results(analysis))
    _write(
        book,
        layout.CHECK,
        [[c.name, "passed" if c.passed else "FAILED", c.difference, c.limit] for c in analysis.checks],
    )
    log = [list(row) for row in book.table(layout.LOG.name).rows if row[0] is not None]
    _write(book, layout.LOG, [*log, list(entry)][-LOG_ROWS:])
    worst = max(analysis.scenarios, key=lambda view: _last(view.tranches[0])[1])
    for name, value in {
        "out_State": "fresh",
        "out_Checks": "all passed" if passed else "FAILED: see sheet Checks",
        "out_Refreshed": entry[0],
        "out_Volatility": analysis.base.volatility,
        "out_Drift": analysis.base.drift,
        "out_WorstScenario": worst.stress.name,
        "out_WorstPD": _last(worst.tranches[0])[1],
        "out_Version": xlkmv.__version__,
        "out_InputHash": entry[3],
    }.items():
        if name in book.names():
            book.write_name(name, value)


def _write(book: Book, spec: TableSpec, rows: Iterable[Sequence[Any]], resize: bool = True) -> None:
    """Write rows of results, in the order of the table's result columns."""
    cells = [[_cell(value) for value in row] for row in rows]
    columns = list(zip(*cells, strict=True)) if cells else [()] * len(spec.results)
    found = book.table(spec.name)
    wanted = {
        c.header: column
        for c, column in zip(spec.results, columns, strict=True)
        # A result column that the user has deleted is not wanted.
        if found.has(c.header)
    }
    book.write_table(spec.name, wanted, resize=resize)


def _cell(value: Any) -> Any:
    """Turn a result into a cell; a distance or coverage without end is said in a word."""
    if isinstance(value, (float, np.floating)) and not np.isfinite(value):
        return "none" if np.isnan(value) else "covered" if value > 0 else "short"
    return value.item() if isinstance(value, np.generic) else value


def _last(tranche: TrancheRisk) -> tuple[float, float]:
    return float(tranche.pd[-1]), float(tranche.anydate_pd[-1])


def _headline(analysis: Analysis) -> list[list[Any]]:
    rows = []
    for base, off in zip(analysis.base.tranches, analysis.controls_off.tranches, strict=True):
        risk = base.risk
        rows.append(
            [
                base.name,
                risk.coverage[-1],
                risk.distance[-1],
                *_last(base),
                off.risk.distance[-1],
                *_last(off),
            ]
        )
    return rows


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
        ]
        for tranche in analysis.base.tranches
        for k, date in enumerate(deal.terms.dates)
    ]


def _curve(deal: Deal, analysis: Analysis) -> list[list[Any]]:
    senior, junior = analysis.base.tranches[0], analysis.base.tranches[-1]
    off = analysis.controls_off.tranches[0]
    series = (
        senior.risk.accumulated_in,
        senior.risk.accumulated_due,
        junior.risk.accumulated_due,
        *(np.maximum(p, SMALLEST_DRAWN) for p in (senior.pd, senior.anydate_pd, off.pd, off.anydate_pd)),
    )
    return [[date, *(s[k] for s in series)] for k, date in enumerate(deal.terms.dates)]


def _scenario(view: KmvView, base: KmvView, k: int) -> list[Any]:
    tranche = view.tranches[k]
    pd, anydate = _last(tranche)
    return [
        tranche.risk.coverage[-1],
        tranche.risk.distance[-1],
        pd,
        anydate,
        tranche.expected_loss,
        tranche.first_short or "none",
        anydate - _last(base.tranches[k])[1],
    ]


def _scenario_results(analysis: Analysis) -> list[list[Any]]:
    return [
        [view.stress.name, tranche.name, *_scenario(view, analysis.scenarios[0], k)]
        for view in analysis.scenarios
        for k, tranche in enumerate(view.tranches)
    ]
