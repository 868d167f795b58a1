"""Sheet Obligor: the data of obligors, and the default probabilities that follow from them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np

from xlkmv.deal.checks import Check, source_warnings
from xlkmv.deal.correlations import PoolCorrelation
from xlkmv.deal.sources import (
    DEBT,
    LOW_DEFAULT,
    FewDefaults,
    ObligorPd,
    ObligorSource,
    PeerFirm,
    Prices,
    SourceTerms,
    group_pds,
    obligor_pd,
)
from xlkmv.errors import ConvergenceError, InputError, MissingError
from xlkmv.model.calibration import FEWEST_VALUES, edf
from xlkmv.phrase import Phrase
from xlkmv.refresh.lookups import Scale
from xlkmv.refresh.reader import Reader
from xlkmv.workbook import layout
from xlkmv.workbook.book import Table
from xlkmv.workbook.layout import TableSpec

__all__ = ["Sourced", "Sources", "read_sources"]


@dataclass(frozen=True, slots=True)
class Sourced:
    """What the sources of inputs come to.

    Attributes
    ----------
    rows : tuple of ObligorPd or None
        By filled row of sheet Obligor.
    groups : tuple of ObligorPd
        Of the groups with few defaults.
    correlation : PoolCorrelation or None
    methods : tuple of str
        Where the PD of each row of the pool comes from: "typed", or a method of
        :data:`~xlkmv.deal.sources.METHODS`.
    """

    rows: tuple[ObligorPd | None, ...] = ()
    groups: tuple[ObligorPd, ...] = ()
    correlation: PoolCorrelation | None = None
    methods: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sources:
    """What sheet Obligor gives.

    Attributes
    ----------
    rows : tuple of ObligorPd or None
        By filled row of the table; None where a row is wrong and reported.
    names : tuple of str
        Of the obligors, in one case.
    terms : SourceTerms
    firms : tuple of ObligorSource
        The data of the obligors; those whose method is wrong are left out.
    prices : tuple of Prices
        All series, also after closing.
    groups : tuple of ObligorPd
        Of the groups with few defaults; none where one is wrong and reported.
    """

    rows: tuple[ObligorPd | None, ...] = ()
    names: tuple[str, ...] = ()
    terms: SourceTerms = field(default_factory=SourceTerms)
    firms: tuple[ObligorSource, ...] = ()
    prices: tuple[Prices, ...] = ()
    groups: tuple[ObligorPd, ...] = ()

    def method(self, name: str) -> str:
        """Method of an obligor whose row is right."""
        row = self.of(name)
        return "" if row is None else row.method

    def pd(self, name: str) -> float | None:
        """PD of an obligor, None where the table has none; NaN where its row is wrong and reported."""
        if name.casefold() not in self.names:
            return None
        row = self.of(name)
        return float("nan") if row is None else row.pd

    def of(self, name: str) -> ObligorPd | None:
        """What the source of an obligor comes to; None where its row is wrong and reported."""
        return self.rows[self.names.index(name.casefold())]

    def warnings(self, pool: Sequence[str], closing: dt.date, *, correlated: bool) -> tuple[Check, ...]:
        """What is rarely meant of all this: :func:`~xlkmv.deal.checks.source_warnings`."""
        methods = {firm.name: firm.method for firm in self.firms}
        return source_warnings(methods, pool, self.prices, closing, correlated=correlated)


def read_sources(reader: Reader, scale: Scale, closing: dt.date | None = None) -> Sources:
    """Read the data of obligors and work out their PDs.

    Parameters
    ----------
    reader : Reader
        Keeps the problems.
    scale : Scale
        That grades refer to.
    closing : date, optional
        Prices after it are not used; None where nobody knows it, and all are.

    Returns
    -------
    Sources
    """
    table, rows = reader.records(layout.OBLIGOR)
    names = tuple(row.name.casefold() for row in rows)
    shared, wrong = _terms(reader, scale)
    found = _Prices.read(reader, names, closing)
    groups = () if LOW_DEFAULT in wrong else _groups(reader, shared)
    if table is None:
        return Sources(terms=shared, groups=groups)
    header = layout.OBLIGOR.column("name").header
    for k, name in enumerate(names):
        if name in names[:k]:
            reader.fail(table, k, header, Phrase("is there twice: every obligor needs one row"))
    if shared.groups and not groups:
        wrong |= {LOW_DEFAULT}
    firms = [_firm(row, found) for row in rows]
    worked = tuple(
        None if firm is None or firm.method in wrong else _worked(reader, table, k, firm, shared, found)
        for k, firm in enumerate(firms)
    )
    known = tuple(firm for firm in firms if firm is not None)
    return Sources(worked, names, shared, known, tuple(found.series.values()), groups)


def _terms(reader: Reader, scale: Scale) -> tuple[SourceTerms, set[str]]:
    """What all obligors share, and the methods of which a part is wrong and reported."""
    table, shared = reader.records(layout.SOURCE)
    for row in range(1, len(shared)):
        reader.fail(
            table, row, layout.SOURCE.columns[0].header, Phrase("must be blank: the table has one row")
        )
    said = {name: value for name, value in vars(shared[0]).items() if value is not None} if shared else {}
    wrong = set()
    for spec, kind, part, method in (
        (layout.PEER, PeerFirm, "peers", "comparables"),
        (layout.GROUP, FewDefaults, "groups", LOW_DEFAULT),
    ):
        _, rows = reader.records(spec)
        if any(value is None for row in rows for value in vars(row).values()):
            wrong.add(method)
        else:
            said[part] = tuple(kind(**vars(row)) for row in rows)
    if (mapping := _mapping(reader)) is not None:
        said["mapping"] = mapping
    grades = tuple((grade, scale.pds[grade.casefold()]) for grade in scale.grades)
    return SourceTerms(scale=grades, **said), wrong


def _groups(reader: Reader, terms: SourceTerms) -> tuple[ObligorPd, ...]:
    """Bounds of the groups with few defaults; none where one is wrong and reported."""
    try:
        return group_pds(terms)
    except InputError as error:
        who, _, argument = error.argument.rpartition(": ")
        table, _ = reader.records(layout.GROUP)
        k = next(k for k, group in enumerate(terms.groups) if group.name == who)
        if not _shared_fault(reader, argument, error.rule):
            reader.fail(table, k, _header(layout.GROUP, argument, "obligors"), error.rule)
    return ()


def _shared_fault(reader: Reader, argument: str, rule: str) -> bool:
    """Report what is wrong with a figure of table tbl_Source; False where it is none of these."""
    table, _ = reader.records(layout.SOURCE)
    if argument not in [c.field for c in layout.SOURCE.inputs]:
        return False
    reader.fail(table, 0, layout.SOURCE.column(argument).header, rule)
    return True


def _header(spec: TableSpec, argument: str, other: str) -> str:
    """Heading of the column of an argument, or of another where it has none."""
    fields = [c.field for c in spec.inputs]
    return spec.column(argument if argument in fields else other).header


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


@dataclass(frozen=True)
class _Prices:
    """Table of prices: series by obligor, in one case, and the row where each begins."""

    table: Table | None
    closing: dt.date | None
    series: dict[str, Prices]
    first: dict[str, int]

    @classmethod
    def read(cls, reader: Reader, names: Sequence[str], closing: dt.date | None) -> _Prices:
        """Read the series; what is wrong has been reported."""
        table, rows = reader.records(layout.PRICE)
        found: dict[str, list[SimpleNamespace]] = {}
        first: dict[str, int] = {}
        for k, row in enumerate(rows):
            name = row.name.casefold()
            if name not in names:
                rule = Phrase("must be an obligor of table {table}", table=layout.OBLIGOR.name)
                reader.fail(table, k, layout.PRICE.column("name").header, rule)
            before = found.setdefault(name, [])
            first.setdefault(name, k)
            if row.date is None or row.equity is None:
                continue
            if before and row.date <= before[-1].date:
                rule = Phrase(
                    "dates of the prices of an obligor must increase ({date} comes before it)",
                    date=before[-1].date,
                )
                reader.fail(table, k, layout.PRICE.column("date").header, rule)
            before.append(row)
        series = {
            name: Prices(
                rows[0].name,
                np.array([row.date for row in rows], "datetime64[D]"),
                np.array([row.equity for row in rows], float),
            )
            for name, rows in found.items()
            if rows
        }
        return cls(table, closing, series, first)

    def known(self, name: str) -> Prices | None:
        """Prices of an obligor up to closing."""
        series = self.series.get(name.casefold())
        return series if series is None or self.closing is None else series.until(self.closing)

    def fail(self, reader: Reader, name: str, rule: str) -> None:
        """Report the series of an obligor at its first price."""
        reader.fail(self.table, self.first[name.casefold()], layout.PRICE.column("equity").header, rule)


def _firm(row: SimpleNamespace, found: _Prices) -> ObligorSource | None:
    """Data of a row with the prices of the obligor; None where its method has been reported."""
    if row.method is None:
        return None
    said = {name: value for name, value in vars(row).items() if value is not None}
    series = found.known(row.name)
    if series is not None and not np.isnan(series.per_year):
        said |= {"prices": tuple(series.values.tolist()), "periods_per_year": series.per_year}
    return ObligorSource(**said)


def _worked(
    reader: Reader, table: Table, k: int, firm: ObligorSource, terms: SourceTerms, found: _Prices
) -> ObligorPd | None:
    """PD of one row; what its method cannot use is reported at the cell it stands in."""
    series = found.known(firm.name)
    if firm.method == "listed" and series is not None and series.values.size < FEWEST_VALUES:
        rule = Phrase(
            "must be one of {least} prices or more up to closing, and there are {count}",
            least=FEWEST_VALUES,
            count=series.values.size,
        )
        found.fail(reader, firm.name, rule)
        return None
    headers = {c.field: c.header for c in layout.OBLIGOR.inputs}
    try:
        return obligor_pd(firm, terms)
    except InputError as error:
        header = headers.get(error.argument)
        if error.argument == "prices":
            found.fail(reader, firm.name, error.sentence)
        elif error.argument == DEBT:
            reader.fail(table, k, headers["short_term"], error.rule)
        elif header is not None:
            blank = reader.is_blank(table, k, header)
            if not isinstance(error, MissingError) or blank:  # else its cell has been reported
                reader.fail(table, k, header, error.rule)
        elif not _shared_fault(reader, error.argument, error.rule):
            reader.fail(table, k, headers["method"], error.sentence)
    except ConvergenceError as error:
        reader.fail(table, k, headers["method"], error.sentence)
    return None
