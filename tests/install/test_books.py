"""What doctor says of a workbook: format, tables, deal, state, version; every fault in one line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import xlsxwriter

import xlkmv
from xlkmv.install.books import examine_books
from xlkmv.refresh.run import refresh
from xlkmv.workbook import layout
from xlkmv.workbook.book import FileBook

ALL = len(layout.TABLES)


def said(path: Path) -> list[tuple[str, str]]:
    findings = examine_books([path])
    assert {f.name for f in findings} == {path.name}
    return [(f.state, f.found) for f in findings]


@pytest.fixture
def book(shipped_book: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(shipped_book, tmp_path / "Deal.xlsm"))


def test_a_fresh_workbook(book: Path) -> None:
    before = book.read_bytes()
    assert said(book) == [
        ("ok", f"xlsm, {ALL} of {ALL} tables of a KMV workbook"),
        (
            "ok",
            "11 obligors, 301,000,000 financed; 2 classes, 301,000,000; "
            "20 payment dates, 2019-12-11 to 2024-09-11",
        ),
        ("ok", "fresh: everything, 100,000 paths"),
        ("ok", f"results are of this version, {xlkmv.__version__}"),
    ]
    assert book.read_bytes() == before


def changed(path: Path, value: float) -> Path:
    file = FileBook(path)
    pool = file.table("tbl_Pool")
    file.write_cell(pool.sheet, pool.cell(0, "PD"), value)
    return file.save()


def test_an_input_that_has_changed_makes_it_stale(book: Path) -> None:
    assert ("note", "stale: inputs have changed since the last refresh") in said(changed(book, 0.5))


def test_wrong_inputs_are_counted_and_the_first_is_named(book: Path) -> None:
    (state, found), *more = [x for x in said(changed(book, 7.0)) if x[0] == "wrong"]
    assert state == "wrong" and not more
    assert "must be >= 0 and < 1" in found and "Pool" in found


def test_a_quick_look_and_no_refresh_at_all(draft: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(draft, tmp_path / "Deal.xlsm"))
    assert ("note", "has not been refreshed yet") in said(path)
    file = FileBook(path)
    refresh(file, quick=True)
    assert ("note", "fresh, but quick look, 100 paths") in said(file.save())


def test_an_older_workbook_says_which_tables_it_lacks() -> None:
    path = Path(__file__).parents[1] / "data" / "first_edition.xlsm"
    first = examine_books([path])[0]
    assert first.state == "note" and f"of {ALL} tables" in first.found
    assert "tbl_Answer" in first.cure and "tbl_Headline" not in first.cure


def test_what_is_no_workbook_of_ours(tmp_path: Path) -> None:
    text = tmp_path / "notes.md"
    text.write_text("a deal")
    [(state, found)] = said(text)
    assert state == "wrong" and "notes.md" in found
    [(state, found)] = said(tmp_path / "gone.xlsm")
    assert state == "wrong" and "gone.xlsm" in found
    with xlsxwriter.Workbook(tmp_path / "other.xlsx") as other:
        other.add_worksheet()
    assert said(tmp_path / "other.xlsx") == [("wrong", f"xlsx, 0 of {ALL} tables of a KMV workbook")]
