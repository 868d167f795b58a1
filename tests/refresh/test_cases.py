"""Saved cases: copies beside the workbook, and what sheet Compare says of them."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import pytest

from xlkmv.build.template import build_template
from xlkmv.deal.answers import rate
from xlkmv.deal.examples import example
from xlkmv.deal.questions.compare import Comparison, Step, compare
from xlkmv.errors import BookError, BookInputError
from xlkmv.refresh.cases import HERE, Case, Compared, bridge, compare_book, save_case
from xlkmv.refresh.report import not_moved
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
    book = FileBook(path)
    table = book.table("tbl_Case")
    book.write_cell(table.sheet, f"{table.cell(0, 'Case').rstrip('0123456789')}{table.top + 12}", "mine")
    book.save()
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
    assert len(steps.rows) == 3 * len(other.tranches)
    rows = dict(
        zip(zip(steps.column("Class"), steps.column("Changed"), strict=True), steps.rows, strict=True)
    )
    for step in way.steps:
        row = dict(zip(steps.header, rows[step.name, step.label], strict=True))
        assert row["Simulated any-date PD then"] == step.simulated
        assert row["KMV view then"] == step.kmv
        if step.label != "as it is":
            assert (row["Change"], row["Change, KMV view"]) == (step.change, step.kmv_change)
    # The first and the last PD to quote are those of the cases, and the changes lead from one to the other.
    for tranche in other.tranches:
        mine = [rows[tranche.name, s.label] for s in way.of_class(tranche.name)]
        quotes, moves = (
            [row[steps.index(h)] for row in mine] for h in ("PD to quote then", "Change of that")
        )
        assert quotes[0] == expected[made.name, tranche.name][1]
        assert quotes[-1] == expected[HERE, tranche.name][1]
        assert moves[0] is None and sum(moves[1:]) == pytest.approx(quotes[-1] - quotes[0], abs=1e-15)
    told = rows[other.tranches[0].name, "Reserve account"][steps.index("What differs")]
    assert told == "reserve size: 1 -> 0.5"
    drawn = written.table("tbl_Bridge").column("Changed")
    assert drawn == [f"Since {made.name}:", "Amounts of the classes", "Reserve account"]
    assert written.name("out_ComparedPaths").value is None
    assert written.name("out_ChartsMoved").value == f"In the chart: {other.tranches[other.headline].name}"


def test_cases_of_fewer_paths_are_compared_on_as_many_as_the_others(path: Path) -> None:
    made = kept(path)
    book = FileBook(path)
    terms = book.table("tbl_Term")
    values = terms.column("Value")
    place = terms.column("Term").index("Simulated paths")
    values[place] = 2.0 * float(str(values[place]))
    book.write_table("tbl_Term", {"Value": values})
    book.save()
    book = FileBook(path)
    found = compare_book(book, now=NOW)
    assert found.paths == values[place] and found.fewer == (made.name,)
    assert found.cases[0].answers == found.cases[1].answers
    book.save()
    remark = str(FileBook(path).name("out_ComparedPaths").value)
    assert f"{found.paths:,} paths" in remark and made.name in remark


def way(name: str, *changes: float) -> Comparison:
    steps = [Step("A", "as it is", 100, 0.5, 0.0, 0.5, 0.0, float("nan"), float("nan"), float("nan"))]
    steps += [Step("A", f"c{k}", 100, 0.5, 0.0, 0.5, 0.0, x, 0.0, -2.0 * x) for k, x in enumerate(changes)]
    return Comparison((), tuple(steps), "A")


def test_the_chart_has_room_for_the_last_cases_and_their_largest_changes() -> None:
    many = way("many", 0.1, 0.01, -0.3, 0.02, 0.4, 0.05, -0.06)
    cases = tuple(Case(name, ()) for name in ("one", "two", "three", "four", HERE))
    found = Compared(cases, (way("one", 0.1), way("two"), way("three", 0.2, 0.1), many), 0.0, 100)
    rows = bridge(found)
    assert [row[0] for row in rows] == [
        *("Since two:", "nothing has changed"),
        *("Since three:", "c0", "c1"),
        *("Since four:", "c0", "c2", "c4", "c5", "c6", "2 others"),
    ]
    assert rows[1][1:] == [0.0, 0.0]
    assert rows[-1][1:] == pytest.approx([0.03, -0.06])
    assert sum(row[1] for row in rows[-6:]) == pytest.approx(0.22)


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
    assert FileBook(path).table("tbl_Bridge").column("Changed")[1:] == ["nothing has changed"]
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


def test_a_comparison_says_when_nothing_moved() -> None:
    # A change below 1E-10 is none: no model can tell it.
    assert not_moved([None, 0.0, -1e-12]) == "nothing moved it"
    assert not_moved([None, 0.0, 1e-9]) is None
