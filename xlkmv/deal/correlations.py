"""Asset correlation of a pool, with its source: typed, Basel's formula, or the returns of the listed.

======= ======================================== ================================ =================
source  needs                                    gives                            standard error
======= ======================================== ================================ =================
typed   a figure for each obligor                that                             none
Basel   PD; sales, where they are below 50       each obligor its own             none
        million euro
returns equity values of two listed firms or     one figure for all: the average  of the average
        more on common dates; their debt         of every two firms' correlation
======= ======================================== ================================ =================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np

from xlkmv.deal.sources import ObligorSource, Prices, SourceTerms, asset_fit
from xlkmv.errors import DomainError, InputError
from xlkmv.model.correlation import LARGE_SALES, basel_correlation, return_correlation
from xlkmv.model.domain import ASSET_CORRELATION, NOT_NEGATIVE, Array, Rule, check, check_number, numbers
from xlkmv.phrase import Phrase, some
from xlkmv.shown import Shown

__all__ = [
    "CORRELATION_SOURCES",
    "FEWEST_DATES",
    "PoolCorrelation",
    "basel_correlations",
    "correlation_of_returns",
    "typed_correlations",
]

CORRELATION_SOURCES = ("typed", "Basel", "returns")
"""Where the asset correlation of a pool can come from, by the name a user gives it."""
FEWEST_DATES = 11
"""Common dates below which there is no correlation of returns: ten returns."""
ROWS = Rule("must be a whole number from 1 to 10,000,000", 1.0, 1e7)
# Names that a note lists.
NAMED = 4


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PoolCorrelation(Shown):
    """Asset correlation of each row of a pool with the common factor, and where it comes from.

    Attributes
    ----------
    source : str
        One of :data:`CORRELATION_SOURCES`.
    values : ndarray, shape (m,)
    error : float or None
        Standard error, where the source has one: the same for all rows.
    note : str
        What the figures rest on.
    """

    source: str
    values: Array
    error: float | None
    note: str


def typed_correlations(values: Any) -> PoolCorrelation:
    """Correlations that somebody else answers for.

    Parameters
    ----------
    values : array_like, shape (m,)
        Decimals, >= 0 and < 1.

    Returns
    -------
    PoolCorrelation

    Raises
    ------
    DomainError
        When one is not.
    """
    typed = np.atleast_1d(check("correlation", values, ASSET_CORRELATION))
    return PoolCorrelation("typed", typed, None, Phrase("typed"))


def basel_correlations(pd: Any, sales: Any = None) -> PoolCorrelation:
    """Correlation of each obligor by :func:`~xlkmv.model.correlation.basel_correlation`.

    Parameters
    ----------
    pd : array_like, shape (m,)
        Annual default probabilities, decimals.
    sales : array_like, shape (m,), optional
        Annual sales of the obligor's group, million euro; NaN where they are unknown or 50 and more,
        which is the same: no adjustment for size.

    Returns
    -------
    PoolCorrelation

    Raises
    ------
    DomainError
        When a PD is no probability, or sales are negative.
    """
    p = np.atleast_1d(check("pd", pd))
    # NaN is no number to check: what is not known is large.
    said = np.full(p.shape, np.nan) if sales is None else numbers("sales", sales)
    if said.shape not in ((), (1,), p.shape):
        raise InputError("sales", Phrase("must be as many as the PDs ({count})", count=p.size), said.size)
    given = check("sales", np.where(np.isnan(said), LARGE_SALES, said), NOT_NEGATIVE)
    size = np.broadcast_to(given, p.shape)
    small = int((size < LARGE_SALES).sum())
    note = Phrase("Basel's formula; {count:,} of {rows:,} lower for their sales", count=small, rows=p.size)
    return PoolCorrelation("Basel", basel_correlation(p, size), None, note)


def correlation_of_returns(
    prices: Sequence[Prices],
    rows: int,
    firms: Sequence[ObligorSource] = (),
    terms: SourceTerms | None = None,
) -> PoolCorrelation:
    """One correlation for all obligors: the average of that of every two firms' returns on common dates.

    Where the firm's debt is known, its assets follow from its equity values
    (:func:`~xlkmv.deal.sources.asset_fit`), and their log returns are taken; of a firm without debt, or
    whose debt nobody knows, those of the equity.

    Parameters
    ----------
    prices : sequence of Prices
        Of two firms or more.
    rows : int
        Obligors of the pool, m.
    firms : sequence of ObligorSource
        Debt of the firms, found by name; their own prices are not used.
    terms : SourceTerms, optional
        Rate, and weight of the long-term debt.

    Returns
    -------
    PoolCorrelation
        With the standard error of :func:`~xlkmv.model.correlation.return_correlation`.

    Raises
    ------
    InputError, DomainError
        When there are fewer than two firms, or than :data:`FEWEST_DATES` dates on which all have a price; a
        series never moves; or the average is no correlation with a common factor, as it is below 0.
    ConvergenceError
        When a firm's equity says nothing about its assets.
    """
    if check_number("rows", rows, ROWS) % 1.0:
        raise InputError("rows", ROWS.text, rows)
    if len(prices) < 2:
        rule = Phrase("must be of 2 listed obligors or more, and are of {count}", count=len(prices))
        raise InputError("prices", rule)
    days = reduce(np.intersect1d, (each.dates for each in prices))
    names = some([each.name for each in prices], NAMED)
    if days.size < FEWEST_DATES:
        rule = Phrase(
            "must have {fewest} dates or more in common, and have {count} ({names})",
            fewest=FEWEST_DATES,
            count=days.size,
            names=names,
        )
        raise InputError("prices", rule)
    known = {firm.name.strip().casefold(): firm for firm in firms}
    levels, levered = [], 0
    for each in prices:
        firm, values = known.get(each.name.strip().casefold()), each.values
        if firm is not None and (firm.short_term or 0.0) + (firm.long_term or 0.0) > 0.0:
            said = replace(firm, prices=tuple(values.tolist()), periods_per_year=each.per_year)
            try:
                values = asset_fit(said, terms).asset_values
            except InputError as error:
                raise type(error)(f"{each.name}: {error.argument}", error.rule, error.value) from None
            levered += 1
        levels.append(np.log(values[np.isin(each.dates, days)]))
    found = return_correlation(np.diff(np.array(levels).T, axis=0))
    if not ASSET_CORRELATION.holds(np.asarray(found.average)):
        raise DomainError("average correlation of the returns", ASSET_CORRELATION.text, found.average)
    note = Phrase(
        "{count} listed, {dates:,} common dates; by assets {levered}, by equity {plain}",
        count=len(prices),
        dates=days.size,
        levered=levered,
        plain=len(prices) - levered,
    )
    return PoolCorrelation("returns", np.full(int(rows), found.average), found.standard_error, note)
