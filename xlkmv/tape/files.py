"""The file of a loan tape as columns of cells: text in any common encoding, Excel, Parquet.

What a file is, its content says, not its name. Text is decoded by the first of these that fits:

1. a byte order mark: UTF-8, UTF-16;
2. UTF-16 without a mark, when there are zero bytes and most of them are every other one;
3. UTF-8;
4. GB18030 (which contains GBK and GB2312), when at least half of the characters beyond ASCII are those of
   everyday Chinese (GB2312);
5. Windows-1252.
"""

from __future__ import annotations

import codecs
import csv
import datetime as dt
import decimal
import io
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from xlkmv.environment import add
from xlkmv.errors import BookError, show
from xlkmv.phrase import Phrase
from xlkmv.tape.headings import heading_date
from xlkmv.workbook.book import FileBook

__all__ = ["RawTape", "decode", "read_file"]

# A heading of a tape, or a cell: what the file holds, without what it means.
Cell = str | float | dt.date | None
Known = Callable[[str], bool]

HINT = Phrase("name columns as Balance, Rate, Remaining term, or say by a map what its headings mean")
TOP_ROWS = 30  # titles and remarks may stand above the headings
SEPARATORS = {
    ",": Phrase("commas"),
    ";": Phrase("semicolons"),
    "\t": Phrase("tabs"),
    "|": Phrase("bars"),
}
_SAMPLE = 100_000  # characters that tell the separator
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x19\x1b-\x1f]")  # no text has them
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)


@dataclass(frozen=True, slots=True)
class RawTape:
    """Columns of a tape as its file holds them.

    Attributes
    ----------
    headings : tuple
        Text or date; None for a column without heading.
    columns : tuple of ndarray of object
        One for each heading: text without spaces around it, float, date or None.
    rows : ndarray of int
        Number of each row in the file: of the line for text, of the row for Excel.
    torn : dict of int to int
        Rows with more cells than there are headings, and how many they have.
    how : str
        Format, encoding, separator, sheet and place of the headings, for the report.
    """

    headings: tuple[Cell, ...]
    columns: tuple[npt.NDArray[Any], ...]
    rows: npt.NDArray[np.int64]
    torn: dict[int, int]
    how: str


def read_file(
    path: str | os.PathLike[str],
    known: Known,
    sheet: str | None = None,
    encoding: str | None = None,
    hint: str = HINT,
) -> RawTape:
    """Read the file of a tape.

    Parameters
    ----------
    path : path-like
    known : callable
        Whether a text is a heading that means something. The headings are in the row with most of
        them and of dates, and the separator is the one that shows most of them.
    sheet : str, optional
        Sheet of an Excel file; by default the one with most known headings.
    encoding : str, optional
        Of a text file, in place of the one that is found.
    hint : str
        What to do where no row of headings is known.

    Returns
    -------
    RawTape

    Raises
    ------
    BookError
        The file cannot be read, has no known headings, or no rows beneath them.
    """
    file = Path(path)
    try:
        with file.open("rb") as stream:
            start = stream.read(8)
    except OSError as error:
        raise BookError(
            Phrase("the tape {file} cannot be read: {reason}", file=file, reason=error.strerror)
        ) from error
    if not start:
        raise BookError(Phrase("the tape {file} is empty", file=file.name))
    excel = start.startswith((b"PK", b"\xd0\xcf\x11\xe0"))
    if sheet is not None and not excel:
        raise BookError(
            Phrase("{file} is no Excel file: it has no sheet {sheet!r}", file=file.name, sheet=sheet)
        )
    if encoding is not None and (excel or start.startswith(b"PAR1")):
        raise BookError(Phrase("{file} is no text file: an encoding has no meaning for it", file=file.name))
    if excel:
        raw = _read_excel(file, known, sheet, hint)
    elif start.startswith(b"PAR1"):
        raw = _read_parquet(file)
    else:
        raw = _read_text(file, known, encoding, hint)
    if not raw.rows.size:
        raise BookError(Phrase("the tape {file} has headings and no rows beneath them", file=file.name))
    return raw


# ------------------------------------------------------------------------------------------ text


def decode(data: bytes, name: str, encoding: str | None = None) -> tuple[str, str]:
    """Decode a text file.

    Parameters
    ----------
    data : bytes
    name : str
        Of the file, for messages.
    encoding : str, optional
        By default found as the head of this module says.

    Returns
    -------
    text, encoding : str

    Raises
    ------
    BookError
        When the encoding is unknown, does not fit, or the file is no text.
    """
    if encoding is not None:
        try:
            return data.decode(encoding).removeprefix("\ufeff"), encoding
        except LookupError:
            raise BookError(
                Phrase(
                    "there is no encoding {encoding!r}: utf-8, gb18030 or cp1252, for instance",
                    encoding=encoding,
                )
            ) from None
        except UnicodeError as error:
            raise BookError(
                Phrase(
                    "the tape {name} is not in {encoding}: {reason}",
                    name=name,
                    encoding=encoding,
                    reason=str(error),
                )
            ) from None
    for codec, shown in _codecs(data):
        try:
            text = data.decode(codec)
        except UnicodeError:
            continue
        if _CONTROL.search(text) is None and (codec != "gb18030" or _reads_chinese(text)):
            return text, shown
    raise BookError(
        Phrase(
            "the tape {name} is neither Excel nor Parquet nor text in UTF-8, UTF-16, GB18030 "
            "or Windows-1252: save it as CSV in UTF-8, or name its encoding",
            name=name,
        )
    )


def _codecs(data: bytes) -> Iterator[tuple[str, str]]:
    for mark, codec, shown in _MARKS:
        if data.startswith(mark):
            yield codec, shown
            return
    even, odd = data[0:_SAMPLE:2].count(0), data[1:_SAMPLE:2].count(0)
    if max(even, odd) > 4 * min(even, odd):  # some Chinese characters have a zero byte too
        yield ("utf-16-le" if odd > even else "utf-16-be"), "UTF-16"
    yield from (("utf-8", "UTF-8"), ("gb18030", "GB18030"), ("cp1252", "Windows-1252"))


def _reads_chinese(text: str) -> bool:
    """Whether what is not ASCII is everyday Chinese: bytes of other texts give rare characters."""
    beyond = [c for c in text[:_SAMPLE] if c > "\x7f"] or [c for c in text if c > "\x7f"]
    common = sum(len(c.encode("gb2312", errors="ignore")) > 0 for c in beyond)
    return 2 * common >= len(beyond)


def _read_text(file: Path, known: Known, encoding: str | None, hint: str) -> RawTape:
    text, codec = decode(file.read_bytes(), file.name, encoding)
    sample = text[:_SAMPLE]
    tops = {mark: _top(sample, mark) for mark in SEPARATORS}

    def rank(mark: str) -> tuple[int, int]:
        """Known headings; then rows as wide as the widest, which a wrong separator does not give."""
        widths = [len(cells) for _, cells in tops[mark] if len(cells) > 1]
        usual = max(map(widths.count, widths), default=0)
        return _most_known([cells for _, cells in tops[mark]], known)[1], usual

    mark = max(SEPARATORS, key=rank)
    place = _headings_at(file, [cells for _, cells in tops[mark]], known, hint)
    try:
        lines = list(_lines(text, mark))
    except csv.Error as error:
        raise BookError(
            Phrase(
                "the tape {file} has quotation marks that do not match ({reason})",
                file=file.name,
                reason=str(error),
            )
        ) from None
    number, headings = lines[place]
    while headings and not headings[-1].strip():
        headings = headings[:-1]
    width = len(headings)
    body = lines[place + 1 :]
    torn = {
        n: len(cells) for n, cells in body if len(cells) > width and any(c.strip() for c in cells[width:])
    }
    cells = [(c + [""] * (width - len(c)))[:width] if len(c) != width else c for _, c in body]
    columns = tuple(
        np.array([v.strip() or None for v in column], dtype=object) for column in zip(*cells, strict=True)
    )
    return RawTape(
        tuple(h.strip() or None for h in headings),
        columns or tuple(np.empty(0, object) for _ in headings),
        np.array([n for n, _ in body], dtype=np.int64),
        torn,
        Phrase(
            "text in {codec}, separated by {mark}, headings in line {number}",
            codec=codec,
            mark=SEPARATORS[mark],
            number=number,
        ),
    )


def _lines(text: str, mark: str) -> Iterator[tuple[int, list[str]]]:
    """Rows with the number of the line that they end in."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    for cells in reader:
        yield reader.line_num, cells


def _top(sample: str, mark: str) -> list[tuple[int, list[str]]]:
    found = []
    try:
        for row in _lines(sample, mark):
            found.append(row)
            if len(found) == TOP_ROWS:
                break
    except csv.Error:  # the sample may end within quotation marks
        pass
    return found


# -------------------------------------------------------------------------------------- headings


def _most_known(rows: Sequence[Sequence[object]], known: Known) -> tuple[int, int]:
    """Place of the row with most known headings, the first of several, and how many it has."""

    def count(row: Sequence[object]) -> int:
        names = sum(isinstance(cell, str) and known(cell) for cell in row)
        # Dates head columns of scheduled collections, but dates alone are those of a loan.
        return names and names + sum(heading_date(cell) is not None for cell in row)

    counts = [count(row) for row in rows] or [0]
    return counts.index(max(counts)), max(counts)


def _headings_at(file: Path, rows: Sequence[Sequence[object]], known: Known, hint: str) -> int:
    place, count = _most_known(rows, known)
    if count >= 2:  # one alone may be a word in a cell
        return place
    first = next((row for row in rows if any(row)), ())
    shown = ", ".join(show(cell) for cell in list(first)[:4])
    raise BookError(
        Phrase(
            "the tape {file} has no row of known headings (the first begins with {shown}): {hint}",
            file=file.name,
            shown=shown,
            hint=hint,
        )
    )


# ----------------------------------------------------------------------------------------- Excel


def _read_excel(file: Path, known: Known, sheet: str | None, hint: str) -> RawTape:
    book = FileBook(file)
    names = book.sheets()
    if sheet is not None:
        wanted = [name for name in names if name.casefold() == sheet.strip().casefold()]
        if not wanted:
            raise BookError(
                Phrase(
                    "{file} has no sheet {sheet!r}: its sheets are {options}",
                    file=file.name,
                    sheet=sheet,
                    options=", ".join(names),
                )
            )
        names = wanted
    tops = {name: book.cells(name, TOP_ROWS) for name in names}
    name = max(names, key=lambda name: _most_known(tops[name], known)[1])
    place = _headings_at(file, tops[name], known, hint)
    rows = book.cells(name)
    headings = [
        None if h is None else h if isinstance(h, dt.date) else str(h).strip() or None for h in rows[place]
    ]
    while headings and headings[-1] is None:
        headings.pop()
    body = rows[place + 1 :]
    columns = tuple(
        np.array([_cell(v) for v in column], dtype=object)
        for column in list(zip(*body, strict=True))[: len(headings)]
    )
    return RawTape(
        tuple(headings),
        columns,
        np.arange(place + 2, len(rows) + 1),
        {},
        Phrase("Excel, sheet {sheet!r}, headings in row {row}", sheet=name, row=place + 1),
    )


def _cell(value: Any) -> Cell:
    """One of the kinds of cells that the readers of figures know."""
    if isinstance(value, (float, str)):
        return value if isinstance(value, float) else value.strip() or None
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    if isinstance(value, (bool, np.bool_)):  # to numpy, TRUE would equal 1
        return "TRUE" if value else "FALSE"
    if isinstance(value, (int, decimal.Decimal, np.integer, np.floating)):
        return float(value)
    if isinstance(value, np.datetime64):
        day: dt.date = pd.Timestamp(value).date()
        return day
    return str(value)


# --------------------------------------------------------------------------------------- Parquet


def _read_parquet(file: Path) -> RawTape:
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise BookError(
            Phrase(
                "{file} is a Parquet file, and pyarrow is not installed: {command}, or save the "
                "tape as CSV or Excel",
                file=file.name,
                command=add("parquet"),
            )
        ) from None
    try:
        frame = pd.read_parquet(file, engine="pyarrow")
    except Exception as error:  # pyarrow has errors of its own for every way in which a file can be broken
        raise BookError(
            Phrase("the tape {file} is a broken Parquet file: {reason}", file=file.name, reason=str(error))
        ) from error
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    columns = []
    for position in range(frame.shape[1]):
        column = frame.iloc[:, position]
        cells = column.astype(object).where(column.notna(), None).to_numpy(dtype=object)
        columns.append(np.array([_cell(v) for v in cells], dtype=object))
    headings = tuple(_cell(h) for h in frame.columns)
    return RawTape(headings, tuple(columns), np.arange(1, len(frame) + 1), {}, "Parquet")
