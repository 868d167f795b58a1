"""Series of equity values from a file into table tbl_Prices: one row a price, or one column a firm."""

from __future__ import annotations

import itertools
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from xlkmv.deal.sources import Prices
from xlkmv.errors import BookError
from xlkmv.phrase import LIST, Phrase, joined, some
from xlkmv.tape.figures import Cells, Read, as_dates, as_numbers, as_texts, day_first, decimal_mark
from xlkmv.tape.files import RawTape, read_file
from xlkmv.tape.headings import fold
from xlkmv.workbook import layout
from xlkmv.workbook.book import Book

__all__ = ["PriceFile", "import_prices", "listed_obligors", "read_prices"]


def _folded(words: str) -> frozenset[str]:
    return frozenset(fold(word) for word in words.split(","))


DATES = _folded("date, day, trading date, trading day, price date, 日期, 交易日, 交易日期, 截止日期")
FIRMS = _folded(
    "obligor, firm, company, issuer, name, ticker, 债务人, 公司, 公司名称, 名称, 证券简称, 简称, 发行人"
)
VALUES = _folded(
    "equity, equity value, market value, market cap, market capitalisation, market capitalization, "
    "股权市值, 股权价值, 市值, 总市值"
)
HINT = Phrase("name columns as Date, Obligor, Equity, or head a column by each obligor of table tbl_Obligor")

Days = npt.NDArray[np.datetime64]


@dataclass(frozen=True, slots=True)
class PriceFile:
    """What a file of prices holds.

    Attributes
    ----------
    series : tuple of Prices
        In the order in which the file names the obligors.
    strangers : tuple of str
        Firms of the file that the table of obligors does not have; they are left out.
    blanks : int
        Days without a price.
    how : str
        Format, encoding, separator and form of the file.
    """

    series: tuple[Prices, ...]
    strangers: tuple[str, ...]
    blanks: int
    how: str


def read_prices(
    path: str | os.PathLike[str],
    names: Sequence[str],
    *,
    sheet: str | None = None,
    encoding: str | None = None,
) -> PriceFile:
    """Read series of equity values from a file, with the care of a loan tape.

    A file has a column of dates, and either a column of names and one of values, or a column of values for
    each firm, headed by its name. Rows may stand in any order.

    Parameters
    ----------
    path : path-like
        CSV in any common encoding, Excel or Parquet.
    names : sequence of str
        Obligors that may have prices.
    sheet, encoding : str, optional
        As of a tape: :func:`~xlkmv.tape.files.read_file`.

    Returns
    -------
    PriceFile

    Raises
    ------
    BookError
        Naming the file, the row and the rule; nothing of a file with a fault is used.
    """
    known, file = {fold(name): name for name in names}, Path(path).name
    words = DATES | FIRMS | VALUES | set(known)
    raw = read_file(path, lambda text: fold(text) in words, sheet, encoding, HINT)
    heads = [fold(str(h)) if h is not None else "" for h in raw.headings]
    dates = _only(file, heads, DATES, Phrase("dates"))
    days, blanks = _dates(file, raw, dates), 0
    columns, strangers = _long(file, raw, heads), dict[str, None]()
    how = Phrase("a row a price") if columns else Phrase("a column a firm")
    if not columns:
        firms = {k: str(h) for k, h in enumerate(raw.headings) if k != dates and h is not None}
        columns = {k: [name] * days.size for k, name in firms.items() if fold(name) in known}
        strangers |= dict.fromkeys(name for k, name in firms.items() if k not in columns)
    found: dict[str, list[tuple[np.datetime64, float, int]]] = {}
    for said, read in zip(columns.values(), _numbers(file, raw, [*columns]), strict=True):
        for row, (name, day, value) in enumerate(zip(said, days, read.values.tolist(), strict=True)):
            place = f"{file}, row {raw.rows[row]}"
            if name is None:
                if value == value:
                    raise BookError(Phrase("{place}: a price without the name of its obligor", place=place))
            elif fold(name) not in known:
                strangers[name] = None
            elif value != value:
                blanks += 1
            elif np.isnat(day):
                raise BookError(Phrase("{place}: a price of {name} without its date", place=place, name=name))
            elif value <= 0.0:
                raise BookError(
                    Phrase(
                        "{place}: the equity value of {name} must be > 0 (got {value:g})",
                        place=place,
                        name=name,
                        value=value,
                    )
                )
            else:
                found.setdefault(known[fold(name)], []).append((day, value, row))
    if not found:
        raise BookError(
            Phrase(
                "{file} has no price of an obligor of table {table}: {there}",
                file=file,
                table=layout.OBLIGOR.name,
                there=_some(strangers),
            )
        )
    series = tuple(_series(file, raw, name, rows) for name, rows in found.items())
    return PriceFile(series, tuple(strangers), blanks, joined([raw.how, how], LIST))


def _long(file: str, raw: RawTape, heads: Sequence[str]) -> dict[int, list[str | None]]:
    """Column of values, and the obligor of each row; empty where no column says whose price it is."""
    if not FIRMS.intersection(heads):
        return {}
    names = as_texts(Cells(raw.columns[_only(file, heads, FIRMS, Phrase("obligors"))]))
    return {_only(file, heads, VALUES, Phrase("values")): list(names.values)}


def _some(names: Collection[str]) -> str:
    if not names:
        return Phrase("its cells are blank")
    return Phrase("it has {names}", names=some(list(names), 4))


def _only(file: str, heads: Sequence[str], kind: frozenset[str], what: str) -> int:
    places = [k for k, head in enumerate(heads) if head in kind]
    if len(places) != 1:
        raise BookError(
            Phrase(
                "{file} must have one column of {what}, and has {count}: {hint}",
                file=file,
                what=what,
                count=len(places),
                hint=HINT,
            )
        )
    return places[0]


def _refuse(file: str, raw: RawTape, column: int, read: Read, rule: str) -> None:
    for row in np.flatnonzero(read.bad).tolist()[:1]:
        shown = raw.columns[column][row]
        raise BookError(
            Phrase(
                "{file}, row {row}, column {heading}: {rule} (got {shown!r})",
                file=file,
                row=raw.rows[row],
                heading=raw.headings[column],
                rule=rule,
                shown=shown,
            )
        )


def _dates(file: str, raw: RawTape, column: int) -> Days:
    cells = Cells(raw.columns[column])
    first = day_first([cells])
    if isinstance(first, tuple):
        raise BookError(
            Phrase(
                "{file} has dates that contradict each other: {one} and {other}",
                file=file,
                one=first[0],
                other=first[1],
            )
        )
    read = as_dates(cells, first)
    rule = Phrase("must be a date, such as 2025-01-15")
    if first is None:
        rule = Phrase("{rule}, day and month told apart", rule=rule)
    _refuse(file, raw, column, read, rule)
    return read.values


def _numbers(file: str, raw: RawTape, columns: Sequence[int]) -> Iterator[Read]:
    cells = [Cells(raw.columns[k]) for k in columns]
    mark = decimal_mark(cells)
    if isinstance(mark, tuple):
        raise BookError(
            Phrase(
                "{file} has numbers that contradict each other: {one} and {other}",
                file=file,
                one=mark[0],
                other=mark[1],
            )
        )
    for k, each in zip(columns, cells, strict=True):
        read = as_numbers(each, mark)
        _refuse(file, raw, k, read, Phrase("must be a number"))
        yield read


def _series(file: str, raw: RawTape, name: str, rows: list[tuple[np.datetime64, float, int]]) -> Prices:
    rows.sort(key=lambda row: row[0])
    for (before, _, one), (day, _, other) in itertools.pairwise(rows):
        if day == before:
            twice = Phrase("rows {one} and {other}", one=raw.rows[one], other=raw.rows[other])
            raise BookError(
                Phrase(
                    "{file}: {name} has two prices of {day}: {twice}",
                    file=file,
                    name=name,
                    day=day,
                    twice=twice,
                )
            )
    days, values, _ = zip(*rows, strict=True)
    return Prices(name, np.array(days), np.array(values))


def listed_obligors(book: Book) -> list[str]:
    """Names in the table of obligors of a workbook.

    Raises
    ------
    BookError
        When it has no such table, or no name in it.
    """
    table = book.table(layout.OBLIGOR.name)
    names = table.column(layout.OBLIGOR.column("name").header)
    found = [str(name).strip() for name in names if name not in (None, "")]
    if not found:
        raise BookError(
            Phrase(
                "table {table} of sheet {sheet} names no obligor yet: enter the listed ones, "
                "method listed, before their prices",
                table=layout.OBLIGOR.name,
                sheet=layout.OBLIGOR.sheet,
            )
        )
    return found


def import_prices(prices: PriceFile, book: Book) -> int:
    """Put series into a workbook's table of prices; the caller saves the workbook.

    They take the place of what the table had of the same obligors; prices of others stay.

    Parameters
    ----------
    prices : PriceFile
    book : Book

    Returns
    -------
    int
        Prices that were written.
    """
    spec = layout.PRICE
    name, date, value = (spec.column(field).header for field in ("name", "date", "equity"))
    table, new = book.table(spec.name), {fold(series.name) for series in prices.series}
    rows = [
        (who, day, worth)
        for who, day, worth in zip(*(table.column(h) for h in (name, date, value)), strict=True)
        if who not in (None, "") and fold(str(who)) not in new
    ]
    for series in prices.series:
        days = series.dates.astype("datetime64[D]").tolist()
        rows += [(series.name, day, worth) for day, worth in zip(days, series.values.tolist(), strict=True)]
    cells = dict(zip((name, date, value), map(list, zip(*rows, strict=True)), strict=True))
    book.write_table(spec.name, cells, resize=True)
    return sum(series.values.size for series in prices.series)
