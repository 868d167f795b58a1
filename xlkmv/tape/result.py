"""A loan tape after reading: rows that can be used, and a report of what was taken, mended and refused."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from xlkmv.errors import BookError, show
from xlkmv.phrase import CLAUSES, Phrase, joined

__all__ = ["EXAMPLES", "Mended", "Refused", "Report", "Section", "Taken", "Tape"]

EXAMPLES = 3  # cells that stand for others


class Taken(NamedTuple):
    """A column that was taken: heading in the tape and in the pool, values, how they were read."""

    heading: str
    pool: str
    values: str
    how: str


class Mended(NamedTuple):
    """Cells of a column that had to be interpreted: what was done, to how many, and the first of them."""

    heading: str
    what: str
    cells: int
    examples: tuple[tuple[int, str, str], ...]  # row, what it holds, what was taken


class Refused(NamedTuple):
    """A cell for which its row cannot be used."""

    row: int
    heading: str
    value: Any
    reason: str


class Section(NamedTuple):
    """One table of the report as texts."""

    title: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def _example(row: int, before: str, after: str) -> Phrase:
    return Phrase("row {row}: {before} -> {after}", row=row, before=before, after=after)


@dataclass(slots=True)
class Report:
    """What became of a tape.

    Attributes
    ----------
    source : str
        File, format, encoding, separator, sheet, place of the headings.
    taken : list of Taken
    left_out : list of str
        Headings of columns that were not taken, with the reason where it is not that nobody knows them.
    mended : list of Mended
    refused : list of Refused
        Every cell for which a row was refused.
    refused_rows : int
        How many rows that are.
    refused_money : float
        Sum of their balances, as far as they can be read.
    notes : list of str
        What else was decided, in sentences.
    averages : list of tuple
        Measure, before, after: of the lines that loans were grouped into.
    """

    source: str
    taken: list[Taken] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    mended: list[Mended] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    refused_rows: int = 0
    refused_money: float = 0.0
    notes: list[str] = field(default_factory=list)
    averages: list[tuple[str, str, str]] = field(default_factory=list)

    def sections(self, refused: int | None = None) -> Iterator[Section]:
        """Yield the tables of the report that have rows; more refused cells than told stand by reason."""
        taken = Section(
            Phrase("Taken"),
            (Phrase("Column of the tape"), Phrase("Column of the pool"), Phrase("Values"), Phrase("How")),
            self.taken,
        )
        left = Section(
            Phrase("Left out"), (Phrase("Column of the tape"),), [(heading,) for heading in self.left_out]
        )
        rows = [
            (m.heading, m.what, f"{m.cells:,}", joined([_example(*x) for x in m.examples], CLAUSES))
            for m in self.mended
        ]
        mended = Section(
            Phrase("Mended"),
            (Phrase("Column of the tape"), Phrase("What"), Phrase("Cells"), Phrase("First of them")),
            rows,
        )
        count = (
            Phrase("{count:,} rows", count=self.refused_rows) if self.refused_rows > 1 else Phrase("1 row")
        )
        title = Phrase("Refused: {rows} with {money:,.2f}", rows=count, money=self.refused_money)
        column, reason = Phrase("Column of the tape"), Phrase("Reason")
        if refused is None or len(self.refused) <= refused:
            lines = [(f"{r.row}", r.heading, show(r.value), r.reason) for r in self.refused]
            wrong = Section(title, (Phrase("Row"), column, Phrase("Value"), reason), lines)
        else:
            more = Phrase("{count:,} cells, by reason", count=len(self.refused))
            wrong = Section(
                Phrase(CLAUSES, first=title, then=more),
                (column, reason, Phrase("Cells"), Phrase("First of them")),
                self._by_reason(),
            )
        averages = Section(
            Phrase("Grouped: averages by balance"),
            (Phrase("Measure"), Phrase("Loans"), Phrase("Lines")),
            self.averages,
        )
        yield from (section for section in (taken, left, mended, wrong, averages) if section.rows)

    def _by_reason(self) -> list[tuple[str, ...]]:
        """Refused cells of a column that break one rule, with the first different values; most first."""
        found: dict[tuple[str, str], list[Refused]] = {}
        for cell in self.refused:
            found.setdefault((cell.heading, cell.reason), []).append(cell)
        lines: list[tuple[str, ...]] = []
        for (heading, reason), cells in sorted(found.items(), key=lambda item: -len(item[1])):
            first = {show(cell.value): cell.row for cell in reversed(cells)}
            few = sorted(first.items(), key=lambda item: item[1])[:EXAMPLES]
            examples = [Phrase("row {row}: {was}", row=row, was=value) for value, row in few]
            lines.append((heading, reason, f"{len(cells):,}", joined(examples, CLAUSES)))
        return lines

    def write_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write the whole report as CSV in UTF-8: kind, row, column, value, what.

        Raises
        ------
        BookError
            When the file cannot be written.
        """
        target = Path(path)
        try:
            with target.open("w", encoding="utf-8-sig", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(("Kind", "Row", "Column", "Value", "What"))
                writer.writerows(self._lines())
        except OSError as error:
            raise BookError(
                Phrase(
                    "the report {target} cannot be written: {reason}", target=target, reason=error.strerror
                )
            ) from error
        return target

    def _lines(self) -> Iterator[Sequence[Any]]:
        yield "source", "", "", "", self.source
        for t in self.taken:
            yield "taken", "", t.heading, t.values, f"{t.pool}{f' ({t.how})' if t.how else ''}"
        for heading in self.left_out:
            yield "left out", "", heading, "", ""
        for m in self.mended:
            yield "mended", "", m.heading, m.cells, f"{m.what} (cells)"
            for row, before, after in m.examples:
                yield "mended", row, m.heading, before, after
        for r in self.refused:
            yield "refused", r.row, r.heading, r.value, r.reason
        for measure, before, after in self.averages:
            yield "average", "", measure, before, after
        for note in self.notes:
            yield "note", "", "", "", note


@dataclass(frozen=True, slots=True, eq=False)
class Tape:
    """A loan tape, cleaned.

    Attributes
    ----------
    name : str
        Of its file.
    rows : DataFrame
        One row per loan or line that can be used, indexed by its row in the file; one column per
        field that the tape has (:data:`~xlkmv.tape.headings.FIELDS`), in the units of the pool's
        table: money, decimals, months, years. NaN or None is blank.
    schedule : DataFrame
        Scheduled collections of the same rows, one column per date, money; no columns without them.
    report : Report
    """

    name: str
    rows: pd.DataFrame
    schedule: pd.DataFrame
    report: Report
