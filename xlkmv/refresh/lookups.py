"""Tables that others refer to: base curves, rating scales, figures by payment period.

All of them may be missing from a workbook or blank. A reference to what is not there is wrong where
it is made, on the sheet of the claim or of the class.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from xlkmv.deal.terms import (
    HORIZONS,
    LONG_RUN,
    ClassScale,
    Curve,
    class_scale_faults,
    curve_faults,
    horizon_field,
    scale_faults,
)
from xlkmv.phrase import Phrase
from xlkmv.refresh.reader import Reader
from xlkmv.workbook import layout
from xlkmv.workbook.book import Table

__all__ = ["Curves", "Scale", "read_class_scale", "read_curves", "read_scale", "read_vectors"]


@dataclass(frozen=True)
class Curves:
    """Base curves of a workbook: rows of (name, date, rate); None where a cell is wrong and reported."""

    rows: tuple[tuple[str, Any, Any], ...] = ()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names, in the order of the table."""
        return tuple(dict.fromkeys(name for name, _, _ in self.rows))

    @cached_property
    def _known(self) -> dict[str, str]:
        return {name.casefold(): name for name in self.names}

    def named(self, text: str | None) -> str:
        """Name of a curve as the table writes it; the text itself where there is no such curve."""
        return self._known.get((text or "").casefold(), text or "")

    def made(self) -> tuple[Curve, ...]:
        """Build the curves of a table without a fault."""
        points = {name: [(d, r) for n, d, r in self.rows if n == name] for name in self.names}
        return tuple(
            Curve(name, tuple(d for d, _ in found), tuple(r for _, r in found))
            for name, found in points.items()
        )


def read_curves(reader: Reader) -> Curves:
    """Read the base curves.

    Parameters
    ----------
    reader : Reader
        Keeps the problems.

    Returns
    -------
    Curves
    """
    spec = layout.CURVE
    table = reader.rows(spec)
    if table is None or not table.rows:
        return Curves()
    names, dates, rates = (reader.values(table, spec.column(f)) for f in ("curve", "date", "rate"))
    # One name in two spellings is one curve; what has no name has been reported.
    first: dict[str, str] = {}
    named = [first.setdefault((n or "").casefold(), n or "") for n in names]
    rows = tuple(zip(named, dates, rates, strict=True))
    reader.faults(table, spec, curve_faults(rows))
    return Curves(tuple(row for row in rows if row[0]))


@dataclass(frozen=True)
class Scale:
    """The user's rating scale: PD by grade, best grade first; grades in one case."""

    pds: dict[str, float] = field(default_factory=dict)
    grades: tuple[str, ...] = ()

    @property
    def rule(self) -> str:
        """What a rating must be."""
        known = ", ".join(self.grades) or Phrase("it is empty")
        return Phrase("must be a grade of table {table} ({known})", table=layout.SCALE.name, known=known)


def read_scale(reader: Reader) -> Scale:
    """Read the rating scale.

    Parameters
    ----------
    reader : Reader
        Keeps the problems.

    Returns
    -------
    Scale
    """
    spec = layout.SCALE
    table = reader.rows(spec)
    if table is None or not table.rows:
        return Scale()
    grades = reader.values(table, spec.column("grade"))
    pds = reader.numbers(table, spec.column("pd")).tolist()
    rows = list(zip(grades, pds, strict=True))
    reader.faults(table, spec, scale_faults(rows))
    known = {grade.casefold(): pd for grade, pd in rows if grade is not None}
    return Scale(known, tuple(grade for grade in grades if grade is not None))


def read_class_scale(reader: Reader) -> Callable[[], ClassScale]:
    """Read the scale of the classes.

    Parameters
    ----------
    reader : Reader
        Keeps the problems.

    Returns
    -------
    callable
        Makes the scale of a workbook without a fault; the shipped one where its table is blank or missing.
    """
    spec = layout.CLASS_SCALE
    table = reader.rows(spec)
    if table is None or not table.rows:
        return lambda: LONG_RUN
    count = len(table.rows)
    grades = reader.values(table, spec.column("grade"))
    # A horizon that no grade has a rate for is not used; the others need all of them.
    used: list[float] = []
    for years in HORIZONS:
        header = spec.column(horizon_field(years)).header
        blank = [row for row in range(count) if reader.is_blank(table, row, header)]
        if len(blank) < count:
            used.append(years)
            for row in blank:
                reader.fail(
                    table, row, header, Phrase("must not be blank: other grades have a rate in this column")
                )
    if not used:
        for row in range(count):
            reader.fail(
                table, row, spec.column("grade").header, Phrase("needs default rates by horizon beside it")
            )
    columns = [reader.numbers(table, spec.column(horizon_field(years))) for years in used]
    rates = np.array(columns).reshape(len(used), count).T.tolist()
    reader.faults(table, spec, class_scale_faults(grades, used, rates))
    return lambda: ClassScale(tuple(grades), tuple(used), tuple(map(tuple, rates)))


def read_vectors(reader: Reader) -> tuple[Table | None, dict[str, tuple[float | None, ...]]]:
    """Read the figures by payment period.

    Parameters
    ----------
    reader : Reader
        Keeps the problems.

    Returns
    -------
    Table or None
        Where they stand.
    dict
        Figures by field of the terms, up to the last one that is filled; None where a cell is
        wrong and reported.
    """
    spec = layout.VECTOR
    table = reader.rows(spec)
    if table is None:
        return None, {}
    period, *columns = spec.columns
    for row, number in enumerate(reader.values(table, period), 1):
        if number is not None and number != row:
            reader.fail(
                table, row - 1, period.header, Phrase("periods must count 1, 2, 3 ... (here {row})", row=row)
            )
    vectors: dict[str, tuple[float | None, ...]] = {}
    for column in columns:
        values = reader.values(table, column)
        blank = [reader.is_blank(table, row, column.header) for row in range(len(values))]
        count = max((row for row, nothing in enumerate(blank, 1) if not nothing), default=0)
        for row in (row for row in range(count) if blank[row]):
            rule = Phrase("must not be blank between two figures: only after the last one it may be")
            reader.fail(table, row, column.header, rule)
        vectors[column.field] = tuple(values[:count])
    return table, vectors
