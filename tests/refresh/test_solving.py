"""Solving a workbook: what is read, what is written, when the answers are stale, and what is refused."""

from __future__ import annotations

import datetime as dt
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "hosts"))

from fake_excel import contents, hurry, open_fake

from xlkmv.deal.questions.structure import QUESTIONS, RESERVES, SIZES, solve
from xlkmv.errors import BookError, BookInputError, InputError
from xlkmv.hosts.server import Server
from xlkmv.refresh.live import LiveBook
from xlkmv.refresh.report import AT_SOLVE
from xlkmv.refresh.run import read_book, refresh
from xlkmv.refresh.solving import solve_book
from xlkmv.workbook import layout
from xlkmv.workbook.book import FileBook, open_book

SENIOR, JUNIOR = "Senior (优先级)", "Subordinate (次级)"
NOW = dt.datetime(2026, 1, 2, 3, 4, 5)
SHIPPED = Path(__file__).resolve().parents[2] / "workbook" / "KMV_Template.xlsm"


@pytest.fixture
def book(draft: Path, tmp_path: Path) -> FileBook:
    return open_book(shutil.copy(draft, tmp_path / "deal.xlsm"))


def put(book: FileBook, name: str, row: int, header: str, value: Any) -> None:
    table = book.table(name)
    book.write_cell(table.sheet, table.cell(row, header), value)


def state(book: FileBook) -> Any:
    return book.name("out_Structure").value


def test_a_refresh_names_the_targets_that_solve_would_refuse(book: FileBook) -> None:
    assert not any("Targets" in check.name for check in read_book(book).noticed)
    put(book, "tbl_Target", 1, "Tranche", "Mezzanine")
    put(book, "tbl_Target", 0, "Target", "AAAA")
    table = book.table("tbl_Target")
    where = f"Structure {table.cell(0, 'Target')}: AAAA, Structure {table.cell(1, 'Tranche')}: Mezzanine"
    (found,) = (check for check in read_book(book).noticed if "Targets" in check.name)
    assert (found.difference, found.outcome) == (2.0, "look")
    assert found.name == f"Targets that Solve would refuse ({where})"
    with pytest.raises(BookInputError, match="Mezzanine"):
        solve_book(book)


# ------------------------------------------------------------------------------ what is written


def test_the_sheet_says_what_python_answers(book: FileBook) -> None:
    done = solve_book(book, now=NOW)
    written = FileBook(book.save())
    found = solve(read_book(written).deal, {SENIOR: 0.001})
    table = written.table("tbl_Structure")
    assert table.column("Question") == [QUESTIONS[a.question] for a in found.answers]
    for field, header in (("value", "Answer"), ("low", "From"), ("high", "To"), ("kmv", "KMV view")):
        for answer, cell in zip(found.answers, table.column(header), strict=True):
            x = getattr(answer, field)
            assert cell == (x if x is not None else "out of reach" if answer.value is None else "open")
    assert table.column("Enter in the deal") == [a.setting for a in found.answers]
    assert [x or "" for x in table.column("Remark")] == [
        f"{a.unshown} {a.remark}".strip() for a in found.answers
    ]
    assert table.column("For a PD of") == [0.1] * len(found.answers)  # ten of 100 paths
    # The targets: as PDs, and how each class stands now; blank where none was asked for.
    targets = written.table("tbl_Target")
    assert [row[2:] for row in targets.rows] == [
        [figure[SENIOR] for figure in (found.targets, found.pd, found.pd_error, found.kmv)],
        [None] * 4,
    ]
    assert written.name("out_Solved").value == (
        f"2026-01-02 03:04:05, inputs {done.inputs.digest}, 100 paths, seed 2019"
    )
    issuable = str(written.name("out_Issuable").value)
    assert issuable.startswith(f"{found.issuable:,.0f}, ")
    assert issuable.endswith("; for a PD of 10.00%, which is above the target")
    assert SENIOR in str(written.name("out_TitleFrontier").value)


def test_the_frontier_has_a_column_per_reserve_and_blanks_for_what_no_path_shows(book: FileBook) -> None:
    done = solve_book(book)
    table, found = FileBook(book.save()).table("tbl_Frontier"), done.structure.frontier
    assert len(table.rows) == SIZES
    columns = ["No reserve", *(f"Reserve {share:.0%} of notes".replace("%", " %") for share in RESERVES[1:])]
    columns += ["Reserve as it is", "KMV view, as it is"]
    for header, pds in zip(columns, (*found.pd, found.kmv), strict=True):
        assert table.column(header) == [p if p >= 1e-8 else None for p in pds]
    assert table.column("Size") == found.size.tolist()
    assert set(table.column("Target")) == {0.001}


def test_only_answers_are_written(book: FileBook) -> None:
    before = {name: book.table(name) for name in book.tables()}
    solve_book(book)
    after = FileBook(book.save())
    changed = {name for name, table in before.items() if after.table(name).rows != table.rows}
    assert changed == {"tbl_Target", "tbl_Structure", "tbl_Frontier", "tbl_Input", "tbl_Said"}
    marks, old = after.table("tbl_Input"), before["tbl_Input"]
    for header in {*marks.header} - {AT_SOLVE}:
        assert marks.column(header) == old.column(header), header


def test_an_open_workbook_gets_what_the_file_gets(tmp_path: Path) -> None:
    path = Path(shutil.copy(SHIPPED, tmp_path / "Book.xlsm"))
    fake, file = open_fake(path), FileBook(path)
    hurry(fake)
    hurry(file)
    live = LiveBook(SimpleNamespace(api=fake))
    before = contents(fake)
    solve_book(live, now=NOW)
    assert contents(fake) == before  # nothing before save
    live.save()
    solve_book(file, now=NOW)
    saved = FileBook(file.save(tmp_path / "out.xlsm"))
    seen = LiveBook(SimpleNamespace(api=fake))
    for name in ("tbl_Target", "tbl_Structure", "tbl_Frontier", "tbl_Said"):
        assert seen.table(name) == saved.table(name), name
    assert seen.table("tbl_Input").column("At solve") == saved.table("tbl_Input").column("At solve")
    for name in ("out_Structure", "out_Solved", "out_Issuable", "out_TargetMark"):
        assert seen.name(name).value == saved.name(name).value, name


# ------------------------------------------------------------------------------ fresh or stale


def test_a_refresh_says_whether_the_answers_are_of_the_same_inputs(book: FileBook) -> None:
    refresh(book)
    assert state(FileBook(book.save())) == "not solved yet: press Solve"
    solve_book(book)
    assert state(FileBook(book.save())) == "fresh"
    refresh(book)
    assert state(FileBook(book.save())) == "fresh"
    answers = book.table("tbl_Structure").rows
    # A recovery moves by a basis point; a target does.
    changes = (("tbl_Pool", 3, "Recovery", 0.4001), ("tbl_Target", 0, "Target", 0.0011))
    for name, row, header, value in changes:
        other = open_book(book.path)
        old = other.table(name).column(header)[row]
        put(other, name, row, header, value)
        refresh(other)
        assert state(other) == "stale: solve again", name
        assert other.table("tbl_Structure").rows == answers
        put(other, name, row, header, old)
        refresh(other, quick=True)
        assert state(other) == "fresh"


def test_targets_do_not_make_the_refresh_stale(book: FileBook) -> None:
    first = read_book(book)
    put(book, "tbl_Target", 0, "Target", 0.02)
    second = read_book(book)
    assert (first.digest, first.marks) == (second.digest, second.marks)


# ------------------------------------------------------------------------------ what is asked


def test_a_target_from_the_terminal_goes_into_the_sheet(book: FileBook) -> None:
    done = solve_book(book, target="bbb")
    written = FileBook(book.save())
    assert written.table("tbl_Target").column("Target") == ["bbb", None]
    limit = done.inputs.deal.terms.class_scale.limit("BBB", float(done.inputs.deal.terms.times[-1]))
    assert written.table("tbl_Target").column("As a PD") == [limit, None]
    assert {a.target for a in done.structure.answers} == {limit}
    # The sheet asks for the same again, and the state knows it.
    again = solve_book(written)
    assert again.structure.answers == done.structure.answers
    refresh(written)
    assert state(written) == "fresh"


def test_what_can_be_issued_is_qualified_for_those_classes_alone_whose_target_no_path_shows(
    book: FileBook,
) -> None:
    solve_book(book, target={SENIOR: 0.05, JUNIOR: 0.3})
    assert str(book.name("out_Issuable").value).endswith(
        f"; of {SENIOR} for a PD of 10.00%, which is above the target"
    )
    solve_book(book, target={SENIOR: 0.2, JUNIOR: 0.3})
    assert "above the target" not in str(book.name("out_Issuable").value)


def test_one_class_may_be_asked_for(book: FileBook) -> None:
    done = solve_book(book, target=0.3, name="subordinate (次级)")
    assert solve_book(book, target=0.3, name="sub").structure.targets == done.structure.targets
    assert done.structure.targets == {JUNIOR: 0.3}
    written = FileBook(book.save())
    assert written.table("tbl_Target").column("Target") == [None, 0.3]
    # Without a target of its own it takes that of the sheet.
    assert solve_book(written, name=JUNIOR).structure.targets == {JUNIOR: 0.3}
    sentence = r"Senior .* has no target: enter a PD or a grade in column 'Target'"
    with pytest.raises(BookError, match=sentence):
        solve_book(written, name=SENIOR)


# ------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("header", "value", "rule"),
    [
        ("Target", 1.0, "must be > 0 and < 1 (a decimal: 0.02 means 2 %)"),
        ("Target", 0.0, "must be > 0 and < 1 (a decimal: 0.02 means 2 %)"),
        ("Target", "0.1%", "is text that looks like a number: enter it as a number"),
        ("Target", "AAAA", "must be a probability above 0 and below 1, or a grade (AAA, AA, A, BBB, BB, "),
        ("Tranche", "Mezzanine", f"must be a class of table tbl_Tranche ({SENIOR}, {JUNIOR})"),
        ("Tranche", JUNIOR, "is there twice: one target is enough"),
    ],
)
def test_wrong_targets_are_listed_and_nothing_is_written(
    book: FileBook, header: str, value: Any, rule: str
) -> None:
    put(book, "tbl_Target", 0, header, value)
    table, before = book.table("tbl_Target"), state(book)
    with pytest.raises(BookInputError) as caught:
        solve_book(book)
    [problem] = caught.value.problems
    assert problem.sheet == "Structure"
    assert problem.rule.startswith(rule)
    assert problem.cell == table.cell(1 if "twice" in rule else 0, header)
    assert state(book) == before
    assert set(book.table("tbl_Structure").column("Question")) == {None}


def test_no_target_at_all_is_one_sentence(book: FileBook) -> None:
    put(book, "tbl_Target", 0, "Target", None)
    with pytest.raises(BookError, match="no class has a target: enter a PD or a grade"):
        solve_book(book)


def test_an_unknown_class_is_one_sentence(book: FileBook) -> None:
    for unknown in ("B", "S", ""):  # S begins both
        sentence = rf"class must be one of: Senior .*, Subordinate .* \(got '{unknown}'\)"
        with pytest.raises(InputError, match=sentence):
            solve_book(book, target=0.01, name=unknown)


def test_a_workbook_without_the_sheet_is_one_sentence(
    book: FileBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = [name for name in book.tables() if name != "tbl_Structure"]
    monkeypatch.setattr(book, "tables", lambda: there)
    sentence = "it has no table tbl_Structure: take sheet Structure from a new workbook"
    with pytest.raises(BookError, match=sentence):
        solve_book(book)


def test_wrong_inputs_of_the_deal_come_first(book: FileBook) -> None:
    put(book, "tbl_Pool", 0, "PD", 7.0)
    with pytest.raises(BookInputError, match="Pool!"):
        solve_book(book)


def test_cancelling_changes_nothing(book: FileBook) -> None:
    def stop(what: str, share: float) -> None:
        if what == "Solving":
            raise KeyboardInterrupt

    solve_book(book, target=0.01)
    before = {name: book.table(name) for name in book.tables()}
    put(book, "tbl_Pool", 0, "PD", 0.5)
    with pytest.raises(KeyboardInterrupt):
        solve_book(book, stop, target=0.02)
    after = {name: book.table(name) for name in book.tables()}
    assert {name for name in after if after[name] != before[name]} == {"tbl_Pool"}


# ------------------------------------------------------------------------------ the button


def test_the_button_solves_an_open_workbook_and_says_what_is_wrong(tmp_path: Path) -> None:
    fake = open_fake(Path(shutil.copy(SHIPPED, tmp_path / "Book.xlsm")))
    hurry(fake)
    [[outcome, message, _]] = Server().Solve(SimpleNamespace(api=fake))
    assert outcome == "done"
    assert message.startswith("KMV: solved in ") and message.endswith(" answers on sheet Structure")
    targets = LiveBook(SimpleNamespace(api=fake)).table("tbl_Target")
    place = targets.top, targets.left + targets.index("Target")
    fake.sheet("Structure").values[place] = 3.0
    before = contents(fake)
    head, *rows = Server().Solve(SimpleNamespace(api=fake))
    assert head[0] == "wrong" and head[1].startswith("1 input is wrong; nothing was changed.")
    assert len(rows) == 1
    assert contents(fake) == before  # a wrong target makes no other result stale
    fake.sheet("Structure").values[place] = None
    [[outcome, message, _]] = Server().Solve(SimpleNamespace(api=fake))
    assert outcome == "failed" and message.startswith("no class has a target")
    [[outcome, message, _]] = Server().Solve(SimpleNamespace())
    assert outcome == "failed" and message.startswith("Solve failed; nothing was changed.")


def test_probabilities_of_the_shipped_workbook_meet_their_targets() -> None:
    table = FileBook(SHIPPED).table("tbl_Structure")
    pds = np.array(table.column("Simulated PD then"), float)
    assert (pds <= 0.001).all()
    assert set(table.column("For a PD of")) == {0.001}
    assert FileBook(SHIPPED).name("out_Structure").value == layout.SOLVED
