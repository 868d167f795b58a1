"""Columns of rates, PDs and recoveries: decimals, percentages with their sign, and plain percentages."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from xlkmv.errors import show
from xlkmv.phrase import LIST, Phrase, joined
from xlkmv.tape.figures import Read
from xlkmv.tape.headings import FIELDS, Match, field_of, fold
from xlkmv.tape.work import NUMBER, Work, scaled

__all__ = ["Ask", "Percent"]

Array = npt.NDArray[Any]
Ask = Callable[[str], bool]


class Percent:
    """Reads columns of ratios, which may be written as 0.05, 5 or 5 %.

    Cells with a percent sign say what they are, and so does a heading. Plain numbers above 1 are
    percentages only if the user says so.

    Parameters
    ----------
    work : Work
        Takes the columns.
    percent : bool
        The user's word for all columns with plain numbers above 1.
    percent_in : collection of str
        Columns whose plain numbers are percentages, whatever they are.
    ask : callable, optional
        Asks the user about one column.
    """

    def __init__(self, work: Work, percent: bool, percent_in: Collection[str], ask: Ask | None) -> None:
        self.work = work
        self.all = percent
        self.ask = ask
        self.named: set[str] = set(self._fields(percent_in))
        self.converted: list[str] = []
        self.decimal: list[str] = []

    def _fields(self, names: Collection[str]) -> Iterator[str]:
        """Fields of the columns that the user names, by heading of the tape or of the pool."""
        headings = {fold(source.heading): key for key, source in self.work.sources.items()}
        for name in names:
            field = field_of(name)
            key = headings.get(fold(name), field.name if field else None)
            if key in self.work.sources and isinstance(key, str) and FIELDS[key].kind == "ratio":
                yield key
            else:
                self.work.problems.append(Phrase("there is no column of percentages {name!r}", name=name))

    def take(self, key: str, read: Read, match: Match) -> None:
        """Take one column."""
        source = self.work.sources[key]
        number = np.isfinite(read.values) & ~read.percent
        values = read.values
        if match.unit and key not in self.named:
            values = np.where(number, scaled(values, match.scale), values)
            source.how = Phrase("in {unit}", unit=match.unit)
            if match.unit == "%":
                source.how = Phrase("percentages, says the heading")
        elif key in self.named or self._above_one(key, source.heading, np.abs(values[number])):
            values = np.where(number, values / 100.0, values)
            source.how = Phrase("plain numbers are percentages")
            self.converted.append(source.heading)
        elif (values[number] != 0.0).any():
            self.decimal.append(
                Phrase(
                    "{heading!r} (up to {most})",
                    heading=source.heading,
                    most=show(float(values[number].max())),
                )
            )
        if read.percent.any() and not number.any():
            source.how = Phrase("percent signs")
            read = read._replace(mended=np.zeros(read.bad.size, np.bool_))
        self.work.take(key, read._replace(values=values), NUMBER)

    def _above_one(self, key: str, heading: str, plain: Array) -> bool:
        """Whether the plain numbers of a column exceed 1 and are percentages."""
        if not (plain > 1.0).any():
            return False
        if self.all:
            return True
        largest = show(float(plain.max()))
        if self.ask is not None:
            question = Phrase(
                "Column {heading!r} holds plain numbers above 1 (largest {largest}): are they percentages?",
                heading=heading,
                largest=largest,
            )
            return self.ask(question)
        self.work.problems.append(
            Phrase(
                "column {heading!r} holds plain numbers above 1 (largest {largest}): write five "
                "percent as 0.05 or 5%, or say that plain numbers are percentages (--percent)",
                heading=heading,
                largest=largest,
            )
        )
        return False

    def note_decimals(self) -> None:
        """Say which columns were left as decimals while others were percentages."""
        if self.converted and self.decimal:
            self.work.report.notes.append(
                Phrase(
                    "Read as decimals, because no number is above 1: {columns}. If they are "
                    "percentages too, say so with --percent-in.",
                    columns=joined(self.decimal, LIST),
                )
            )
