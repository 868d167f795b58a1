"""How well the inputs are known: table tbl_Range, columns of the pool, and the sources of sheet Obligor."""

from __future__ import annotations

from typing import Any

import numpy as np

from xlkmv.deal.sources import source_ranges
from xlkmv.deal.terms import (
    INPUTS,
    RANGE_NUMBERS,
    SOURCE_NUMBERS,
    Deal,
    Ranges,
    obligor_range_faults,
    range_faults,
    source_faults,
)
from xlkmv.model.domain import Array
from xlkmv.refresh.reader import Reader
from xlkmv.refresh.sources import Sources
from xlkmv.refresh.terms import PayDates, labelled
from xlkmv.workbook import layout
from xlkmv.workbook.book import has_table

__all__ = ["read_ranges"]


def read_ranges(
    reader: Reader, deal: Deal, plan: PayDates, sources: Sources, correlation_error: float | None = None
) -> Ranges:
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
    correlation_error : float, optional
        Standard error of the asset correlation by its source; counts where the table has none.

    Returns
    -------
    Ranges
        To be used where the reader has no problem.
    """
    columns = _of_obligors(reader, deal, plan, sources)
    known: dict[str, Any] = {name: x for name, x in columns.items() if not np.isnan(x).all()}
    plan_wide = _of_plan(reader, deal)
    if correlation_error is not None and "correlation" not in plan_wide:
        item = INPUTS["correlation"]
        if not any(item.faults(np.nan, np.nan, correlation_error, deal)):
            plan_wide["correlation"] = correlation_error
    return Ranges(**plan_wide, **known)


def _of_obligors(reader: Reader, deal: Deal, plan: PayDates, sources: Sources) -> dict[str, Array]:
    """Columns of :class:`Ranges` of the rows of the pool by name, NaN where they say nothing."""
    spec = layout.POOL
    table = reader.rows(spec, plan.headings)
    if table is None:
        return {}
    names = (*RANGE_NUMBERS, *SOURCE_NUMBERS)
    columns = {name: reader.numbers(table, spec.column(name)) for name in names}
    low, high, error, *more = columns.values()
    reader.faults(table, spec, obligor_range_faults(low, high, error, deal.pool.pd))
    reader.faults(table, spec, source_faults(low, high, *more))
    rated = [str(x).casefold() == layout.FROM_SOURCE for x in reader.values(table, spec.column("rating"))]
    sourced = np.array(rated) & np.isnan([low, high, error]).all(axis=0)
    rows = [sources.of(name) if s else None for name, s in zip(deal.pool.name, sourced, strict=True)]
    by_source = source_ranges(rows, sources.terms.level)
    # Groups of sources are others than those of the table.
    by_source["pd_group"] += np.nanmax(columns["pd_group"], initial=0.0)
    return columns | {name: np.where(sourced, said, columns[name]) for name, said in by_source.items()}


def _of_plan(reader: Reader, deal: Deal) -> dict[str, Any]:
    """Ends or standard errors of the inputs of the plan as a whole that fit their figures, by their names."""
    spec, found = layout.RANGE, dict[str, Any]()
    if not has_table(reader.book, spec.name):
        return found
    table, rows = labelled(reader, spec, ())
    if table is None or not all(table.has(spec.column(field).header) for field in ("low", "high")):
        return found
    columns = [reader.numbers(table, spec.column(field)) for field in ("low", "high", "error")]
    for item in layout.RANGE_ROWS:
        row = rows.get(item.label.casefold())
        if row is None or all(np.isnan(values[row]) for values in columns):
            continue
        low, high, error = (float(values[row]) for values in columns)
        known = INPUTS[item.field]
        for fault in range_faults(low, high, error, np.nan, known.scale.rule):
            reader.fail(table, row, spec.column(fault.column).header, fault.rule)
        # Whoever tries another figure need not touch its range: the sheet says that it does not count.
        if not any(known.faults(low, high, error, deal)):
            found[item.field] = (low, high) if np.isnan(error) else error
    return found
