"""Sheet Obligor: the data of obligors, and the default probabilities that follow from them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace

from xlkmv.deal.sources import ObligorPd, ObligorSource, PeerFirm, SourceTerms, obligor_pd
from xlkmv.deal.terms.ranges import LEVEL, range_at_level
from xlkmv.errors import ConvergenceError, InputError, MissingError
from xlkmv.model.calibration import edf
from xlkmv.phrase import Phrase
from xlkmv.refresh.lookups import Scale
from xlkmv.refresh.reader import Reader
from xlkmv.workbook import layout
from xlkmv.workbook.book import Table

__all__ = ["Sources", "read_sources"]

DAYS_PER_YEAR = 365.25


@dataclass(frozen=True)
class Sources:
    """What sheet Obligor gives.

    Attributes
    ----------
    rows : tuple of ObligorPd or None
        By filled row of the table; None where a row is wrong and reported.
    names : tuple of str
        Of the obligors, in one case.
    level : float
        Probability that their ranges hold.
    """

    rows: tuple[ObligorPd | None, ...] = ()
    names: tuple[str, ...] = ()
    level: float = LEVEL

    def pd(self, name: str) -> float | None:
        """PD of an obligor, None where the table has none; NaN where its row is wrong and reported."""
        if name.casefold() not in self.names:
            return None
        row = self.rows[self.names.index(name.casefold())]
        return float("nan") if row is None else row.pd

    def range(self, name: str) -> tuple[float, float] | None:
        """90 % range of the PD of an obligor; None where its source gives none."""
        row = self.rows[self.names.index(name.casefold())]
        if row is None or row.low is None or row.high is None:
            return None
        return range_at_level(row.pd, row.low, row.high, self.level)


def read_sources(reader: Reader, scale: Scale) -> Sources:
    """Read the data of obligors and work out their PDs.

    Parameters
    ----------
    reader : Reader
        Keeps the problems.
    scale : Scale
        That grades refer to.

    Returns
    -------
    Sources
    """
    table, rows = reader.records(layout.OBLIGOR)
    names = tuple(row.name.casefold() for row in rows)
    terms, prices = _terms(reader, scale), _prices(reader, names)
    if table is None:
        return Sources()
    header = layout.OBLIGOR.column("name").header
    for k, name in enumerate(names):
        if name in names[:k]:
            reader.fail(table, k, header, Phrase("is there twice: every obligor needs one row"))
    worked = tuple(_worked(reader, table, k, row, terms, prices) for k, row in enumerate(rows))
    return Sources(worked, names, LEVEL if terms is None else terms.level)


def _terms(reader: Reader, scale: Scale) -> SourceTerms | None:
    """What all obligors share; None where a peer or a term is wrong and reported."""
    table, shared = reader.records(layout.SOURCE)
    for row in range(1, len(shared)):
        reader.fail(
            table, row, layout.SOURCE.columns[0].header, Phrase("must be blank: the table has one row")
        )
    said = {name: value for name, value in vars(shared[0]).items() if value is not None} if shared else {}
    _, peers = reader.records(layout.PEER)
    if any(value is None for peer in peers for value in vars(peer).values()):
        return None
    if (mapping := _mapping(reader)) is not None:
        said["mapping"] = mapping
    grades = tuple((grade, scale.pds[grade.casefold()]) for grade in scale.grades)
    return SourceTerms(scale=grades, peers=tuple(PeerFirm(**vars(peer)) for peer in peers), **said)


def _mapping(reader: Reader) -> tuple[list[float], list[float]] | None:
    """The user's map from distances to PDs; None where there is none, or it is wrong and reported."""
    table, rows = reader.records(layout.EDF)
    if not rows or any(row.distance is None or row.pd is None for row in rows):
        return None
    mapping = [row.distance for row in rows], [row.pd for row in rows]
    try:
        edf(0.0, *mapping)
    except InputError as error:
        at = [k for k, row in enumerate(rows) if error.value in (row.distance, row.pd)]
        header = layout.EDF.column("distance" if at and rows[at[-1]].distance == error.value else "pd").header
        reader.fail(table, at[-1] if at else 0, header, error.rule)
        return None
    return mapping


def _prices(reader: Reader, names: Sequence[str]) -> dict[str, tuple[list[dt.date], list[float]]]:
    """Dates and equity values by obligor; those that are wrong have been reported."""
    table, rows = reader.records(layout.PRICE)
    found: dict[str, tuple[list[dt.date], list[float]]] = {}
    for k, row in enumerate(rows):
        name = row.name.casefold()
        if name not in names:
            rule = Phrase("must be an obligor of table {table}", table=layout.OBLIGOR.name)
            reader.fail(table, k, layout.PRICE.column("name").header, rule)
        dates, values = found.setdefault(name, ([], []))
        if row.date is None or row.equity is None:
            continue
        if dates and row.date <= dates[-1]:
            rule = Phrase(
                "dates of an obligor's prices must increase ({date} comes before it)", date=dates[-1]
            )
            reader.fail(table, k, layout.PRICE.column("date").header, rule)
        dates.append(row.date)
        values.append(row.equity)
    return found


def _worked(
    reader: Reader,
    table: Table,
    k: int,
    row: SimpleNamespace,
    terms: SourceTerms | None,
    prices: dict[str, tuple[list[dt.date], list[float]]],
) -> ObligorPd | None:
    """PD of one row; what its method cannot use is reported at the cell it stands in."""
    if row.method is None or (terms is None and row.method == "comparables"):
        return None  # it has been reported
    said = {name: value for name, value in vars(row).items() if value is not None}
    dates, values = prices.get(row.name.casefold(), ((), ()))
    if dates and (years := (dates[-1] - dates[0]).days / DAYS_PER_YEAR) > 0.0:
        said |= {"prices": tuple(values), "periods_per_year": (len(dates) - 1) / years}
    headers = {c.field: c.header for c in layout.OBLIGOR.inputs}
    try:
        return obligor_pd(ObligorSource(**said), terms or SourceTerms())
    except InputError as error:
        header = headers.get(error.argument)
        if not (isinstance(error, MissingError) and header and not reader.is_blank(table, k, header)):
            rule = error.rule if header else error.sentence
            reader.fail(table, k, header or headers["method"], rule)  # else its cell has been reported
    except ConvergenceError as error:
        reader.fail(table, k, headers["method"], error.sentence)
    return None
