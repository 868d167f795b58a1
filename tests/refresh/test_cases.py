"""Saved cases: copies beside the workbook, and what sheet Compare says of them."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import pytest

from xlkmv.build.template import build_template
from xlkmv.deal.answers import rate
from xlkmv.deal.examples import example
from xlkmv.deal.questions.compare import compare
from xlkmv.errors import BookError, BookInputError
from xlkmv.refresh.cases import HERE, compare_book, save_case
from xlkmv.refresh.run import read_book, refresh
from xlkmv.workbook import layout
from xlkmv.workbook.book import FileBook

NOW = dt.datetime(2026, 1, 2, 3, 4)


@pytest.fixture
def path(draft: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(draft, tmp_path / "Deal.xlsm"))


def kept(path: Path) -> Path:
    book = FileBook(path)
    made = save_case(book, lambda copy: shutil.copy2(path, copy), NOW)
    book.save()
    return made


def changed(path: Path) -> None:
    """Move 8 million from the senior to the subordinate class, and halve the reserve."""
    book = FileBook(path)
    amounts = book.table("tbl_Tranche").column("Amount")
    book.write_table("tbl_Tranche", {"Amount": [amounts[0] - 8e6, amounts[1] + 8e6]})
    controls = book.table("tbl_Control")
    figures = controls.column("Figure")
    figures[controls.column("Control").index("Reserve account")] = 0.5
    book.write_table("tbl_Control", {"Figure": figures})
    book.save()


def listed(path: Path) -> list[str]:
    return [x for x in FileBook(path).table("tbl_Case").column("Case") if x is not None]


def test_a_case_is_the_workbook_as_it_was(path: Path) -> None:
    before = path.read_bytes()
    first, second = kept(path), kept(path)
    assert [first.name, second.name] == [
        "Deal case 2026-01-02 0304.xlsm",
        "Deal case 2026-01-02 0304 (2).xlsm",
    ]
    assert first.read_bytes() == before
    assert listed(path) == [first.name, second.name]
    assert listed(second) == [first.name]


def test_a_table_of_cases_that_is_full_says_so_and_nothing_is_saved(path: Path) -> None:
    with pytest.raises(BookError, match="tbl_Case"):
        for _ in range(30):
            kept(path)
    names = listed(path)
    assert 10 <= len(names) < 30
    assert {p.name for p in path.parent.glob("*case*")} == set(names)


def test_sheet_compare_says_where_classes_stand_and_what_moved(path: Path) -> None:
    made = kept(path)
    changed(path)
    book = FileBook(path)
    found = compare_book(book, now=NOW)
    book.save()
    one, other = (read_book(FileBook(p)).deal for p in (made, path))
    written = FileBook(path)
    table = written.table("tbl_CaseResult")
    expected = {
        (label, a.name): [a.grade, a.quote.pd, a.quote.why, a.coverage]
        for label, deal in ((made.name, one), (HERE, other))
        for a in rate(deal)
    }
    rows = list(zip(*(table.column(h) for h in table.header[:6]), strict=True))
    assert {(row[0], row[1]): list(row[2:]) for row in rows} == expected
    way = compare(one, other)
    assert found.ways[0].steps == way.steps
    steps = written.table("tbl_Step")
    assert steps.column("Changed") == ["as it is", "Amounts of the classes", "Reserve account"]
    assert steps.column("What differs")[2] == "reserve size: 1 -> 0.5"
    assert steps.column("Simulated any-date PD then") == [s.simulated for s in way.steps]
    assert steps.column("Change")[1:] == [s.change for s in way.steps[1:]]
    assert steps.column("Change, KMV view")[1:] == [s.kmv_change for s in way.steps[1:]]
    assert written.table("tbl_Bridge").column("Changed") == ["Amounts of the classes", "Reserve account"]


def test_the_comparison_is_stale_once_an_input_has_changed(path: Path) -> None:
    def state() -> object:
        book = FileBook(path)
        refresh(book, now=NOW, quick=True)
        book.save()
        return FileBook(path).name("out_Comparison").value

    assert state() == layout.UNCOMPARED
    kept(path)
    book = FileBook(path)
    compare_book(book, now=NOW)
    book.save()
    assert FileBook(path).name("out_Comparison").value == layout.COMPARED
    assert FileBook(path).table("tbl_Bridge").column("Changed") == ["nothing has changed"]
    assert state() == layout.COMPARED
    changed(path)
    assert state() == layout.COMPARED_BEFORE


def test_cases_that_cannot_be_compared_are_named(path: Path) -> None:
    folder = path.parent
    with pytest.raises(BookError, match="there is no case to compare with: save one first"):
        compare_book(FileBook(path))
    (folder / "text.xlsm").write_text("no workbook")
    build_template(folder / "auto.xlsm", example("auto"), refreshed=False)
    wrong = Path(shutil.copy(path, folder / "wrong.xlsm"))
    book = FileBook(wrong)
    book.write_table("tbl_Pool", {"PD": [2.0] * len(book.table("tbl_Pool").rows)})
    book.save()
    names = ["gone.xlsm", "text.xlsm", "auto.xlsm", "wrong.xlsm"]
    book = FileBook(path)
    book.write_table("tbl_Case", {"Case": names}, resize=True)
    book.save()
    before = path.read_bytes()
    with pytest.raises(BookInputError) as caught:
        compare_book(FileBook(path))
    rules = {problem.value: problem.rule for problem in caught.value.problems}
    assert list(rules) == names
    assert rules["gone.xlsm"] == f"must be the name of a workbook in {folder}"
    assert rules["text.xlsm"].startswith("must be a workbook of this kind: ")
    assert rules["auto.xlsm"] == "must be a case of this deal: no obligor is in both"
    assert rules["wrong.xlsm"] == "has 11 wrong inputs: open it, and refresh it"
    assert {problem.sheet for problem in caught.value.problems} == {"Compare"}
    assert path.read_bytes() == before


def test_a_cancelled_comparison_writes_nothing(path: Path) -> None:
    kept(path)
    before = path.read_bytes()

    def stop(what: str, share: float) -> None:
        if share > 0.3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare_book(FileBook(path), stop)
    assert path.read_bytes() == before
