"""A tape on its way from cells to figures: what each step of the reading works on."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from xlkmv.errors import show
from xlkmv.phrase import Phrase
from xlkmv.tape.figures import Cells, Read
from xlkmv.tape.headings import FIELDS, Key
from xlkmv.tape.result import EXAMPLES, Mended, Report

__all__ = ["DATE", "NO_DATE", "NUMBER", "Source", "Work", "counted", "plain", "scaled"]

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
# Rules of cells, and a date that is not there.
NUMBER, DATE = Phrase("must be a number"), Phrase("must be a date, such as 2025-01-15")
NO_DATE = np.datetime64("NaT", "D")


@dataclass(slots=True)
class Source:
    """Where a field comes from: a heading of the tape or an option, its cells, and how they were read."""

    heading: str
    cells: Array | None = None  # of the rows, shape (m,)
    how: str = ""


@dataclass(slots=True)
class Work:
    """Rows of a tape, column by column.

    Attributes
    ----------
    report : Report
    rows : ndarray of int, shape (m,)
        Their numbers in the file.
    sources : dict of (str or date) to Source
        By field, or by date of scheduled collections.
    figures : dict of (str or date) to ndarray, shape (m,)
        Numbers (NaN where blank or wrong), dates (NaT) or objects (None).
    bad : dict of (str or date) to ndarray of bool, shape (m,)
        Cells that have been refused already.
    faults : list of (int, key, str)
        Place of the row in `rows`, field or date, and reason of each refusal.
    problems : list of str
        Why the tape as a whole cannot be taken.
    rules : dict of str to str
        What cells of fields that only help must be; they are refused where something follows from them.
    used : set of str
        Fields that something followed from.
    """

    report: Report
    rows: Array
    sources: dict[Key, Source]
    figures: dict[Key, Array] = field(default_factory=dict)
    bad: dict[Key, Mask] = field(default_factory=dict)
    faults: list[tuple[int, Key, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    rules: dict[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    @property
    def size(self) -> int:
        """Number of rows, m."""
        return int(self.rows.size)

    @property
    def dates(self) -> list[dt.date]:
        """Dates of scheduled collections, in their order."""
        return sorted(key for key in self.figures if isinstance(key, dt.date))

    def keep(self, mask: Mask) -> None:
        """Go on with some of the rows; only before anything has been read."""
        self.rows = self.rows[mask]
        for source in self.sources.values():
            source.cells = None if source.cells is None else source.cells[mask]

    def cells(self) -> dict[Key, Cells]:
        """Cells of each column of the tape, by its field or date."""
        return {key: Cells(s.cells) for key, s in self.sources.items() if s.cells is not None}

    def get(self, key: Key, blank: Any = np.nan) -> Array:
        """Figures of a field, blank where the tape has no such column."""
        return self.figures[key] if key in self.figures else np.full(self.size, blank)

    def is_bad(self, key: Key) -> Mask:
        """Cells of a field that have been refused."""
        return self.bad.get(key, np.zeros(self.size, np.bool_))

    def take(self, key: Key, read: Read, rule: str) -> None:
        """Take the figures of a column; cells that hold something else break the rule."""
        self.figures[key] = read.values
        if isinstance(key, str) and FIELDS[key].helps:  # wrong only where it is needed
            self.bad[key], self.rules[key] = read.bad, rule
        else:
            self.refuse(read.bad, key, rule)
        self.mend(read.mended, key, Phrase("written as text"))

    def put(self, key: Key, values: Array, source: Source) -> None:
        """Give a field figures that follow from something else."""
        self.figures[key], self.sources[key] = values, source

    def fill(self, key: str, origin: str, values: Array, how: str) -> None:
        """Fill the blanks of a field with what follows from another one."""
        blank = ~np.isfinite(self.get(key)) & ~self.is_bad(key)
        wrong = blank & self.is_bad(origin)
        self.refuse(wrong, origin, self.rules[origin])
        self.bad[key] = self.is_bad(key) | wrong
        filled = blank & np.isfinite(values)
        if blank.any():
            self.used.add(origin)
        source = self.sources[origin]
        if key in self.figures:
            self.figures[key] = np.where(filled, values, self.figures[key])
            self.mend(filled, key, Phrase("blank: {how} ({heading})", how=how, heading=source.heading))
        else:
            self.put(key, np.where(filled, values, np.nan), Source(source.heading, source.cells, how))

    def clear(self, key: Key, mask: Mask) -> None:
        """Blank some figures of a field."""
        figures = self.figures[key].copy()
        figures[mask] = {"M": NO_DATE, "O": None}.get(figures.dtype.kind, np.nan)
        self.figures[key] = figures

    def refuse(self, mask: Mask, key: Key, reason: str) -> None:
        """Refuse the rows of a mask for their cell of a field."""
        self.bad[key] = self.is_bad(key) | mask
        self.faults += [(place, key, reason) for place in np.flatnonzero(mask).tolist()]

    def refuse_row(self, place: int, key: Key, reason: str) -> None:
        """Refuse one row for its cell of a field, unless that has been done."""
        bad = self.bad.setdefault(key, np.zeros(self.size, np.bool_))
        if not bad[place]:
            bad[place] = True
            self.faults.append((place, key, reason))

    def mend(self, mask: Mask, key: Key, what: str) -> None:
        """Report cells of a field that were interpreted; its figures say how."""
        places = np.flatnonzero(mask & ~self.is_bad(key))
        if not places.size:
            return
        source, figures = self.sources[key], self.figures[key]
        first = places[:EXAMPLES].tolist()
        held = (None if source.cells is None else source.cells[p] for p in first)
        examples = tuple(
            (int(self.rows[p]), show(cell), show(plain(figures[p])))
            for p, cell in zip(first, held, strict=True)
        )
        self.report.mended.append(Mended(source.heading, what, int(places.size), examples))


def scaled(values: Array, scale: float) -> Array:
    """Figures times a scale; 5.25 % is 0.0525 to the last bit, which a product would miss."""
    if scale == 1.0:
        return values
    return np.asarray(values * scale if scale > 1.0 else values / round(1.0 / scale, 6))


def plain(value: Any) -> Any:
    """A figure as Python's own number, date or text."""
    return value.item() if isinstance(value, np.generic) else value


def counted(mask: Mask) -> str:
    """Number of rows of a mask, in words."""
    count = int(mask.sum())
    return Phrase("1 row") if count == 1 else Phrase("{count:,} rows", count=count)
