"""Sheet Backtest and the command: what a refresh writes is what Python finds."""

from __future__ import annotations

import datetime as dt
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from xlkmv import cli
from xlkmv.deal.analysis import backtested
from xlkmv.refresh.run import read_book, refresh
from xlkmv.workbook.book import FileBook

DEFAULTED = ("Licensee 03", dt.date(2020, 1, 15))


def change(book: FileBook, table: str, row: int, **cells: Any) -> None:
    found = book.table(table)
    for header, value in cells.items():
        book.write_cell(found.sheet, found.cell(row, header), value)


@pytest.fixture
def defaulted(draft: Path, tmp_path: Path) -> Path:
    """The shipped deal, one of its obligors in default since the second quarter."""
    path = Path(shutil.copy(draft, tmp_path / "deal.xlsm"))
    book = FileBook(path)
    row = book.table("tbl_Pool").column("Obligor").index(DEFAULTED[0])
    change(book, "tbl_Pool", row, Status="defaulted", Since=DEFAULTED[1])
    return book.save()


def test_refresh_writes_predicted_and_seen(defaulted: Path) -> None:
    book = FileBook(defaulted)
    inputs = refresh(book, quick=True).inputs
    found = backtested(inputs.deal, inputs.actual)
    table, measures = book.table("tbl_Backtest"), book.table("tbl_Measure")
    assert len(table.rows) == len(inputs.actual) == 10
    assert table.column("In default, seen") == [0.0] + [1.0] * 9
    assert table.column("In default, expected") == pytest.approx(found.defaults_expected.tolist())
    assert table.column("Came in / plan") == pytest.approx((found.collected / found.planned).tolist())
    assert table.column("Chance of less") == pytest.approx(found.level.tolist())
    assert measures.column("Defaults seen") == [1.0]
    assert measures.column("Area under ROC") == pytest.approx([found.measures.auc])
    assert measures.column("Verdict") == [str(found.verdict)]


def test_nothing_seen_leaves_one_row_and_no_figure(draft: Path, tmp_path: Path) -> None:
    book = FileBook(Path(shutil.copy(draft, tmp_path / "deal.xlsm")))
    for row in range(len(book.table("tbl_Actual").rows)):
        change(book, "tbl_Actual", row, **{"Actual collections": None})
    refresh(book, quick=True)
    (row,) = book.table("tbl_Measure").rows
    assert row[0] == "nothing has come in yet"
    assert set(row[1:]) == {None}
    (row,) = book.table("tbl_Backtest").rows
    assert set(row[1:]) == {None}


def test_the_command_prints_it_and_writes_nothing(
    defaulted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = defaulted.read_bytes()
    assert cli.main(["backtest", str(defaulted)]) == 0
    out = capsys.readouterr().out
    inputs = read_book(FileBook(defaulted))
    found = backtested(inputs.deal, inputs.actual)
    assert f"seen: {found.verdict}." in out
    assert len(re.findall(r"^ 20\d\d-\d\d-\d\d ", out, re.MULTILINE)) == 10
    assert re.search(rf"^ Defaults expected +{found.measures.expected:.2f}", out, re.MULTILINE)
    assert defaulted.read_bytes() == before
