"""Asset correlation of the pool, by the choice of sheet Terms."""

from __future__ import annotations

from typing import Any

import numpy as np

from xlkmv.deal.correlations import (
    PoolCorrelation,
    basel_correlations,
    correlation_of_returns,
    typed_correlations,
)
from xlkmv.deal.terms import Pool
from xlkmv.errors import ConvergenceError, InputError
from xlkmv.phrase import Phrase
from xlkmv.refresh.reader import Reader
from xlkmv.refresh.sources import Sources
from xlkmv.refresh.terms import PayDates, TermCells
from xlkmv.workbook import layout

__all__ = ["correlation_source", "read_correlation"]

FIELD = "correlation_source"


def correlation_source(cells: TermCells) -> str:
    """Where the correlation comes from, by the table of terms; "typed" where it does not say."""
    return cells.values.get(FIELD) or "typed"


def read_correlation(
    reader: Reader, cells: TermCells, pool: Pool, plan: PayDates, sources: Sources
) -> PoolCorrelation:
    """Read the asset correlation of a pool that is right otherwise.

    Parameters
    ----------
    reader : Reader
        Keeps the problems.
    cells : TermCells
    pool : Pool
        With the typed correlations, where these are wanted.
    plan : PayDates
    sources : Sources
        Whose prices and debt returns are made of.

    Returns
    -------
    PoolCorrelation
        The typed ones where the reader has a problem.
    """
    source = correlation_source(cells)
    try:
        if source == "Basel":
            return basel_correlations(pool.pd, _sales(reader, plan))
        if source == "returns":
            closing: Any = cells.values["closing"]
            known = [series.until(closing) for series in sources.prices]
            used = [series for series in known if series.dates.size]
            return correlation_of_returns(used, len(pool.name), sources.firms, sources.terms)
    except (InputError, ConvergenceError) as error:
        cells.fail(FIELD, Phrase("cannot be used: {reason}", reason=error.sentence))
    return typed_correlations(pool.correlation)


def _sales(reader: Reader, plan: PayDates) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    table = reader.rows(layout.POOL, plan.headings)
    return None if table is None else reader.numbers(table, layout.POOL.column("sales"))
