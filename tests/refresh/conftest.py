"""Workbooks in memory: the tables of the template, or of a deal of loans, to be changed cell by cell."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from xlkmv.errors import BookError, BookInputError
from xlkmv.language import catalogue
from xlkmv.phrase import Phrase
from xlkmv.refresh.run import Inputs, read_book
from xlkmv.workbook import layout
from xlkmv.workbook.book import FileBook, NamedCell, Table

TERM = "Remaining term (months)"
CLOSING = dt.date(2025, 1, 15)

# Words of an English sentence: where one of them stands in what is filled in, that is no name or value.
SENTENCE = re.compile(
    r"\b(is|are|has|have|must|the|it|its|needs?|not|where|so|but|here|there|comes|in|is|cells?)\b"
)


def untranslated(text: str) -> Iterator[str]:
    """Yield what a text still says in English where the language is Chinese."""
    if not isinstance(text, Phrase):
        if SENTENCE.search(text):
            yield text
        return
    named = re.sub(r"{[^}]*}", "", text.pattern)
    if catalogue("zh").gettext(text.pattern) == text.pattern and re.search("[a-z]", named):
        yield text.pattern
    for value in text.values.values():
        if isinstance(value, str):
            yield from untranslated(value)


@pytest.fixture(autouse=True)
def _every_wrong_input_is_said_in_chinese(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever wrong workbook a test reads: what it is told has a Chinese text, names and values apart."""
    met: list[BookInputError] = []
    made = BookInputError.__init__

    def kept(error: BookInputError, problems: Any) -> None:
        made(error, problems)
        met.append(error)

    monkeypatch.setattr(BookInputError, "__init__", kept)
    yield
    for error in met:
        for problem in error.problems:
            assert [*untranslated(problem.rule)] == []


class MemoryBook:
    """What reading needs of a workbook."""

    def __init__(self, source: FileBook) -> None:
        self._tables = {name: source.table(name) for name in source.tables()}
        self.headline: Any = None

    def tables(self) -> list[str]:
        return list(self._tables)

    def beneath(self, name: str) -> list[Any]:
        return []

    def table(self, name: str) -> Table:
        if name not in self._tables:
            raise BookError(f"there is no table {name}")
        return self._tables[name]

    def names(self) -> list[str]:
        return [layout.HEADLINE_CLASS]

    def name(self, name: str) -> NamedCell:
        return NamedCell(name, "Home", "K9", self.headline)

    def rows(self, name: str, rows: Iterable[Mapping[str, Any]], header: Iterable[str] = ()) -> None:
        """Give a table other rows, and other headings; what a row does not name is blank."""
        old = self._tables[name]
        titles = tuple(header) or old.header
        cells = [[row.get(title) for title in titles] for row in rows]
        self._tables[name] = Table(name, old.sheet, titles, cells, old.top, old.left)

    def put(self, name: str, row: int | str, header: str, value: Any) -> None:
        """Change a cell; a text for the row is the label in the first column."""
        table = self._tables[name]
        at = row if isinstance(row, int) else table.column(table.header[0]).index(row)
        table.rows[at][table.index(header)] = value

    def term(self, label: str, value: Any) -> None:
        self.put("tbl_Term", label, "Value", value)

    def rename(self, name: str, **headings: str) -> None:
        """Give columns other headings; keys have strokes for spaces."""
        old = self._tables[name]
        new = {key.replace("_", " "): value for key, value in headings.items()}
        titles = tuple(new.get(title, title) for title in old.header)
        self._tables[name] = Table(name, old.sheet, titles, old.rows, old.top, old.left)

    def drop(self, name: str, *headers: str) -> None:
        """Take columns out of a table, or the table out of the workbook."""
        if not headers:
            del self._tables[name]
            return
        old = self._tables[name]
        kept = [title for title in old.header if title not in headers]
        self.rows(name, [dict(zip(old.header, row, strict=True)) for row in old.rows], kept)

    def labels(self, name: str, *labels: str) -> None:
        """Take rows with these labels out of a table."""
        old = self._tables[name]
        rows = [dict(zip(old.header, row, strict=True)) for row in old.rows if row[0] not in labels]
        self.rows(name, rows)

    def read(self) -> Inputs:
        return read_book(self)

    def wrong(self) -> list[tuple[str, Any, str]]:
        """Place, value and rule of everything that is wrong."""
        with pytest.raises(BookInputError) as caught:
            read_book(self)
        return [(f"{p.sheet}!{p.cells}", p.value, p.rule) for p in caught.value.problems]

    def place(self, name: str, row: int | str, header: str) -> str:
        table = self._tables[name]
        at = row if isinstance(row, int) else table.column(table.header[0]).index(row)
        return f"{table.sheet}!{table.cell(at, header)}"


@pytest.fixture
def shipped(draft: Path) -> MemoryBook:
    """The shipped deal."""
    return MemoryBook(FileBook(draft))


@pytest.fixture
def loans(shipped: MemoryBook) -> MemoryBook:
    """Two fixed loans and a floating line of a hundred, three classes, a year of months."""
    header = [h for h in shipped.table("tbl_Pool").header if not h[:1].isdigit()]
    usual = {"Recovery": 0.4, "Recovery lag": 1.0, "Correlation": 0.2}
    rows = [
        {"Obligor": "A", "Financed amount": 600.0, "PD": 0.01, "Rate": 0.06, "Remaining term (months)": 12.0},
        {
            "Obligor": "B",
            "Financed amount": 300.0,
            "Rating": "bb",
            "Rate": 0.05,
            "Remaining term (months)": 6.0,
        },
        {
            "Obligor": "C",
            "Count": 100.0,
            "Financed amount": 100.0,
            "Rating": "A",
            "Base": "shibor",
            "Margin": 0.01,
            TERM: 12.0,
            "Amortisation": "Interest-only",
            "Interest-only (months)": 3.0,
            "First payment": dt.date(2025, 2, 15),
            "Age (months)": 5.0,
            "Status": "late",
            "Since": dt.date(2025, 3, 1),
        },
    ]
    shipped.rows("tbl_Pool", [usual | row for row in rows], header)
    shipped.rows(
        "tbl_Tranche",
        [
            {"Tranche": "A-1", "Rank": 1.0, "Amount": 500.0, "Coupon": 0.03, "Payment type": "pass-through"},
            {
                "Tranche": "A-2",
                "Rank": 2.0,
                "Amount": 400.0,
                "Payment type": "schedule",
                "Maturity": dt.date(2026, 1, 15),
                "Base": "SHIBOR",
                "Margin": 0.02,
                "Cap": 0.05,
                "Floor": 0.0,
                "Legal final": dt.date(2027, 1, 15),
            },
            {
                "Tranche": "B",
                "Rank": 3.0,
                "Amount": 100.0,
                "Coupon": 0.0,
                "Payment type": "pass-through",
                "Deferrable": "yes",
            },
        ],
    )
    shipped.rows("tbl_Schedule", [schedule("A-2", 6, 150.0), schedule("a-2", 12, 250.0)])
    shipped.rows("tbl_Curve", [curve("SHIBOR", 1, 0.02), curve("Shibor", 7, 0.025), curve("LPR", 1, 0.03)])
    shipped.rows("tbl_Scale", [{"Grade": "A", "PD": 0.002}, {"Grade": "BB", "PD": 0.02}])
    for label, value in {
        "Closing date": CLOSING,
        "Payment every": "month",
        "Payment dates": 12.0,
    }.items():
        shipped.term(label, value)
    shipped.rows("tbl_Actual", [{}])
    return shipped


def day(month: int) -> dt.date:
    """The payment date of a month, from 2 on; 13 is January of the next year."""
    return dt.date(2025 + (month - 1) // 12, (month - 1) % 12 + 1, 15)


def schedule(tranche: str, number: int, amount: float) -> dict[str, Any]:
    """A row of the table of schedules, for the payment date of a number."""
    return {"Tranche": tranche, "Date": day(number + 1), "Amount": amount}


def curve(name: str, month: int, rate: float) -> dict[str, Any]:
    """A row of the table of curves."""
    return {"Curve": name, "Date": dt.date(2025, month, 1), "Rate": rate}
