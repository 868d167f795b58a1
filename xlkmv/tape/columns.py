"""Which column of a tape is which field of the pool: by the known headings, and by the user's own map."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from xlkmv.errors import BookError, show
from xlkmv.phrase import LIST, Phrase, joined
from xlkmv.tape.figures import Cells
from xlkmv.tape.files import Cell, RawTape, decode
from xlkmv.tape.headings import (
    AMORTISATION_WORDS,
    FIELDS,
    FREQUENCY_WORDS,
    STATUS_WORDS,
    Field,
    Key,
    Match,
    as_field,
    dated_with_unit,
    field_of,
    fold,
    heading_date,
    recognise,
)

__all__ = ["Columns", "Matcher", "read_map"]

KNOWN_WORDS = AMORTISATION_WORDS.keys() | FREQUENCY_WORDS.keys() | STATUS_WORDS.keys()


@dataclass(slots=True)
class Columns:
    """Places of the columns that a tape has, from 0.

    Attributes
    ----------
    fields : dict of str to (int, Match)
        By name of the field.
    dates : dict of date to int
        Columns of scheduled collections.
    units : dict of date to Match
        Units that headings of dates name.
    words : dict of str to str
        Words of the tape, and the known ones that the user's map says they mean; both folded.
    left_out : list of str
        Headings that mean nothing, or that the user's map leaves out.
    unknown : list of str
        Those of them that mean nothing.
    problems : list of str
        Sentences: two columns that mean one thing, lines of the map that fit nothing.
    """

    fields: dict[str, tuple[int, Match]] = field(default_factory=dict)
    dates: dict[dt.date, int] = field(default_factory=dict)
    units: dict[dt.date, Match] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class Matcher:
    """Says what headings mean.

    Parameters
    ----------
    mapping : mapping of str to str
        Heading of the tape -> heading of the pool (or a synonym, or a date); blank: leave the column out.
        Word of the tape -> word that is known, such as annuity, monthly or late.
    """

    def __init__(self, mapping: Mapping[str, str]) -> None:
        self.mapping: dict[str, str] = {fold(heading): meaning for heading, meaning in mapping.items()}
        self.written: dict[str, str] = {fold(heading): heading for heading in mapping}

    def known(self, heading: str) -> bool:
        """Whether a heading means something."""
        return (
            fold(heading) in self.mapping
            or recognise(heading) is not None
            or dated_with_unit(heading) is not None
        )

    def match(self, raw: RawTape) -> Columns:
        """Find the fields of all columns; a heading of the map goes before known ones, and before a word."""
        found = Columns()
        headings = raw.headings
        chosen: dict[Key, list[int]] = {}
        asked: set[Key] = set()
        matches: dict[int, Match] = {}
        for place, heading in enumerate(headings):
            target, match, mapped = self._meaning(heading)
            if target is None:
                if heading is not None:
                    found.left_out.append(str(heading))
                    found.unknown += [] if mapped else [str(heading)]
                continue
            if match is not None:
                matches[place] = match
            if mapped and target not in asked:
                found.left_out += [str(headings[other]) for other in chosen.pop(target, [])]
                asked.add(target)
            elif not mapped and target in asked:
                found.left_out.append(str(heading))
                continue
            chosen.setdefault(target, []).append(place)
        for target, columns in chosen.items():
            weak = [p for p in columns if len(columns) > 1 and p in matches and matches[p].weak]
            found.left_out += [str(headings[p]) for p in weak]
            found.unknown += [str(headings[p]) for p in weak]
            places = [p for p in columns if p not in weak]
            if not places:
                continue
            if len(places) > 1:
                found.problems.append(_twice(target, [(headings[p], p) for p in places]))
            if isinstance(target, dt.date):
                found.dates[target] = places[0]
                if places[0] in matches:
                    found.units[target] = matches[places[0]]
            else:
                found.fields[target] = places[0], matches[places[0]]
        there = {fold(h) for h in headings if isinstance(h, str)}
        folded = {key: fold(meaning) for key, meaning in self.mapping.items() if key not in there}
        if folded:
            places = [place for place, match in found.fields.values() if match.field.kind == "word"]
            used = {word for place in places for word in Cells(raw.columns[place]).words}
            found.words = {k: word for k, word in folded.items() if word in KNOWN_WORDS and k in used}
        found.problems[:0] = self._wrong_lines(headings, there, found.words)
        return found

    def _meaning(self, heading: Cell) -> tuple[Key | None, Match | None, bool]:
        """Field or date of a heading (None: leave it out), its match, and whether the map says so."""
        if isinstance(heading, str) and fold(heading) in self.mapping:
            meaning = self.mapping[fold(heading)].strip()
            target = _target(meaning) if meaning else None
            if isinstance(target, Field):
                return target.name, as_field(heading, target), True
            return target, as_field(heading, FIELDS["amount"]) if target else None, True
        date = heading_date(heading) if heading is not None else None
        if date is not None:
            return date, None, False
        if isinstance(heading, str) and (dated := dated_with_unit(heading)) is not None:
            return *dated, False
        match = recognise(heading) if isinstance(heading, str) else None
        return (match.field.name, match, False) if match is not None else (None, None, False)

    def _wrong_lines(
        self, headings: Sequence[Cell], there: set[str], words: Mapping[str, str]
    ) -> Iterator[str]:
        for key, meaning in self.mapping.items():
            if key in words:
                continue
            if key not in there:
                shown = ", ".join(str(h) for h in headings if h is not None)
                yield Phrase(
                    "the map names {heading}, which is neither a heading of the tape ({shown}) nor a word in "
                    "its cells for one that is known, such as annuity, monthly or late",
                    heading=show(self.written[key]),
                    shown=shown,
                )
            elif meaning.strip() and _target(meaning) is None:
                names = ", ".join(f.title for f in FIELDS.values())
                yield (
                    Phrase(
                        "the map says that {heading} means {meaning}, but it must be one of: {names}, a "
                        "date such as 2025-01-15, or blank to leave the column out",
                        heading=show(self.written[key]),
                        meaning=show(meaning),
                        names=names,
                    )
                )


def _target(meaning: str) -> Field | dt.date | None:
    return field_of(meaning) or heading_date(meaning)


def _twice(target: Key, columns: Sequence[tuple[Cell, int]]) -> str:
    found = [
        Phrase("{heading} (column {column})", heading=show(str(heading)), column=place + 1)
        for heading, place in columns
    ]
    meaning = FIELDS[target].title if isinstance(target, str) else target.isoformat()
    if len(found) == 2:
        return Phrase("{one} and {other} both mean {meaning}", one=found[0], other=found[1], meaning=meaning)
    return Phrase("{names} all mean {meaning}", names=joined(found, LIST), meaning=meaning)


def read_map(path: str | os.PathLike[str]) -> dict[str, str]:
    """Read the user's map of headings.

    Parameters
    ----------
    path : path-like
        CSV with two columns, heading of the tape and heading of the pool, or a JSON object of the
        same. A second column that is blank leaves the column of the tape out. A line may also have a word of
        the tape and a word that is known.

    Returns
    -------
    dict of str to str

    Raises
    ------
    BookError
        When the file cannot be read or is none of the two, or names a heading twice.
    """
    file = Path(path)
    try:
        text, _ = decode(file.read_bytes(), file.name)
    except OSError as error:
        raise BookError(
            Phrase("the map {file} cannot be read: {reason}", file=file, reason=error.strerror)
        ) from error
    pairs = _json_pairs(file, text) if text.lstrip().startswith("{") else _csv_pairs(file, text)
    found: dict[str, str] = {}
    for heading, meaning in pairs:
        if fold(heading) in map(fold, found):
            raise BookError(Phrase("the map {file} names {value} twice", file=file.name, value=show(heading)))
        found[heading] = meaning
    return found


def _json_pairs(file: Path, text: str) -> list[tuple[str, str]]:
    try:
        pairs = json.loads(text, object_pairs_hook=list)
    except ValueError as error:
        raise BookError(
            Phrase("the map {file} is no JSON: {reason}", file=file.name, reason=str(error))
        ) from None
    wrong = [key for key, meaning in pairs if not (meaning is None or isinstance(meaning, str))]
    if wrong:
        raise BookError(
            Phrase(
                "the map {file} must say with a text what {value} means", file=file.name, value=show(wrong[0])
            )
        )
    return [(key, meaning or "") for key, meaning in pairs]


def _csv_pairs(file: Path, text: str) -> list[tuple[str, str]]:
    mark = max(",;\t", key=text.partition("\n")[0].count)
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=mark) if any(row)]
    except csv.Error as error:
        raise BookError(
            Phrase("the map {file} is no CSV: {reason}", file=file.name, reason=str(error))
        ) from None
    for number, row in enumerate(rows, 1):
        if len(row) != 2 or not row[0].strip():
            raise BookError(
                Phrase(
                    "the map {file} must have two columns, heading of the tape and heading of the "
                    "pool (row {number} has {value})",
                    file=file.name,
                    number=number,
                    value=show(mark.join(row)),
                )
            )
    pairs = [(heading.strip(), meaning.strip()) for heading, meaning in rows]
    return pairs[1:] if pairs and tuple(map(fold, pairs[0])) == ("tapeheading", "poolheading") else pairs
