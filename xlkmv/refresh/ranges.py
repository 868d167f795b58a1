"""How well the inputs are known: table tbl_Range, columns of the pool, and the sources of sheet Obligor."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from xlkmv.deal.terms import INPUTS, Deal, Ranges, obligor_range_faults, range_faults
from xlkmv.model.domain import Array
from xlkmv.refresh.reader import Reader
from xlkmv.refresh.sources import Sources
from xlkmv.refresh.terms import PayDates, labelled
from xlkmv.workbook import layout
from xlkmv.workbook.book import has_table

__all__ = ["read_ranges"]


def read_ranges(reader: Reader, deal: Deal, plan: PayDates, sources: Sources) -> Ranges:
    """Read the ranges of the inputs of a deal.

    Parameters
    ----------
    reader : Reader
        Keeps the problems.
    deal : Deal
        Whose figures they are about.
    plan : PayDates
    sources : Sources
        Their ranges count where a claim has its PD from there, and no ends of its own.

    Returns
    -------
    Ranges
        To be used where the reader has no problem.
    """
    low, high = _of_obligors(reader, deal, plan, sources)
    found = _of_plan(reader, deal)
    return found if np.isnan(low).all() else replace(found, pd_low=low, pd_high=high)


def _of_obligors(reader: Reader, deal: Deal, plan: PayDates, sources: Sources) -> tuple[Array, Array]:
    """Ends of the PD of each row of the pool, NaN where there are none."""
    spec = layout.POOL
    table = reader.rows(spec, plan.headings)
    if table is None:
        return np.full((2, len(deal.pool.name)), np.nan)[0], np.full(len(deal.pool.name), np.nan)
    low, high = (reader.numbers(table, spec.column(field)) for field in ("pd_low", "pd_high"))
    reader.faults(table, spec, obligor_range_faults(low, high, deal.pool.pd))
    for row, rating in enumerate(reader.values(table, spec.column("rating"))):
        sourced = rating is not None and str(rating).casefold() == layout.FROM_SOURCE
        if sourced and np.isnan(low[row]) and np.isnan(high[row]):
            found = sources.range(deal.pool.name[row])
            if found is not None:
                low[row], high[row] = found
    return low, high


def _of_plan(reader: Reader, deal: Deal) -> Ranges:
    """Ranges of the inputs of the plan as a whole, as far as they hold their figures."""
    spec = layout.RANGE
    if not has_table(reader.book, spec.name):
        return Ranges()
    table, rows = labelled(reader, spec, ())
    if table is None or not all(table.has(c.header) for c in spec.inputs):
        return Ranges()
    columns = {field: reader.numbers(table, spec.column(field)) for field in ("low", "high")}
    found: dict[str, Any] = {}
    for item in layout.RANGE_ROWS:
        row = rows.get(item.label.casefold())
        if row is None or all(np.isnan(ends[row]) for ends in columns.values()):
            continue
        low, high = (float(ends[row]) for ends in columns.values())
        known = INPUTS[item.field]
        for fault in range_faults(low, high, np.nan, known.scale.rule):
            reader.fail(table, row, spec.column(fault.column).header, fault.rule)
        # Whoever tries another figure need not touch its range: the sheet says that it does not count.
        if low <= known.figure(deal) <= high:
            found[item.field] = low, high
    return Ranges(**found)
