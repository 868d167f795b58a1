"""Refresh: every wrong input is named and nothing is written; what users move is still found."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import shutil
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xlkmv.build import template as template_module
from xlkmv.deal.stress import Stress
from xlkmv.deal.terms import Record
from xlkmv.errors import BookError, BookInputError
from xlkmv.refresh.digest import digest
from xlkmv.refresh.marks import input_mark
from xlkmv.refresh.run import read_book, refresh
from xlkmv.workbook import layout
from xlkmv.workbook.address import Area, address
from xlkmv.workbook.book import NO_VALUE, ErrorCell, FileBook, open_book
from xlkmv.workbook.layout import TABLES, Column, TableSpec, input_columns

Edit = tuple[str, int, str, Any]


def put(source: Path, target: Path, *edits: Edit) -> Path:
    """A copy of a workbook with some cells changed: table, row of its body, heading, value."""
    book = FileBook(source)
    for name, row, header, value in edits:
        table = book.table(name)
        book.write_cell(table.sheet, table.cell(row, header), value)
    return book.save(target)


def rewrite(source: Path, target: Path, table: str, old: str, new: str) -> Path:
    """A copy in which the part of one table has some text replaced."""
    with zipfile.ZipFile(source) as old_zip, zipfile.ZipFile(target, "w") as new_zip:
        for info in old_zip.infolist():
            data = old_zip.read(info)
            if info.filename.startswith("xl/tables/") and f'displayName="{table}"'.encode() in data:
                assert old.encode() in data
                data = data.replace(old.encode(), new.encode())
            new_zip.writestr(info, data)
    return target


def problems_of(path: Path) -> list[tuple[str, str, Any, str]]:
    """What is wrong with a workbook; asserts that the file stays as it is."""
    before, stamp = path.read_bytes(), path.stat().st_mtime_ns
    with pytest.raises(BookInputError) as caught:
        refresh(open_book(path))
    assert path.read_bytes() == before
    assert path.stat().st_mtime_ns == stamp
    return [(p.sheet, p.cell, p.value, p.rule) for p in caught.value.problems]


def row_of(source: Path, table: str, label: str) -> int:
    found = FileBook(source).table(table)
    return found.column(found.header[0]).index(label)


# ------------------------------------------------------------------------------ one wrong cell

DAY = "2020-03-11"
WRONG: dict[str, tuple[list[tuple[str, int | str, str, Any]], str]] = {
    "text in a number": ([("tbl_Pool", 2, "PD", "two")], "must be a number"),
    "text that looks like a number": (
        [("tbl_Pool", 1, DAY, "1,234")],
        "is text that looks like a number: enter it as a number (in Excel: Data > Text to Columns",
    ),
    "a percentage as text": ([("tbl_Term", "Senior fees", "Value", "０.2％")], "looks like a number"),
    "text that looks like a recovery": (
        [("tbl_Scenario", 1, "Obligor recovery", "0,5")],
        "looks like a number",
    ),
    "text that looks like a date": (
        [("tbl_Tranche", 0, "Maturity", "2024-09-11")],
        "is text that looks like a date: enter it as a date (in Excel: Data > Text to Columns",
    ),
    "text that looks like a date of actual collections": (
        [("tbl_Actual", 0, "Payment date", "2019年12月11日")],
        "looks like a date",
    ),
    "markup in a number": ([("tbl_Pool", 2, "PD", "[/red]")], "must be a number"),
    "truth in a number": ([("tbl_Pool", 2, "Recovery", True)], "must be a number"),
    "a date in a number": ([("tbl_Pool", 2, "Recovery", dt.date(2020, 1, 1))], "must be"),
    "negative money": ([("tbl_Pool", 1, DAY, -5.0)], "must be >= 0"),
    "PD 2 meaning 2 %": ([("tbl_Pool", 0, "PD", 2)], "0.02 means 2 %"),
    "negative PD": ([("tbl_Pool", 0, "PD", -0.01)], "0.02 means 2 %"),
    "recovery 40 meaning 40 %": ([("tbl_Pool", 0, "Recovery", 40)], "0.02 means 2 %"),
    "negative patents": ([("tbl_Pool", 0, "Utility patents", -1)], "must be >= 0"),
    "correlation 1": ([("tbl_Pool", 3, "Correlation", 1)], "must be >= 0 and < 1"),
    "blank cell": ([("tbl_Pool", 4, DAY, None)], "must not be blank"),
    "blank text": ([("tbl_Pool", 4, "Recovery lag", "  ")], "must not be blank"),
    "blank name": ([("tbl_Pool", 4, "Obligor", None)], "must not be blank"),
    "duplicate rank": ([("tbl_Tranche", 1, "Rank", 1)], "is there twice: only tranches that are all marked"),
    "rank one and a half": ([("tbl_Tranche", 1, "Rank", 1.5)], "must be a whole number from 1 on"),
    "coupon 4 meaning 4 %": ([("tbl_Tranche", 0, "Coupon", 4)], "0.04 means 4 %"),
    "unknown payment type": ([("tbl_Tranche", 0, "Payment type", "monthly")], "must be one of: "),
    "maturity between dates": (
        [("tbl_Tranche", 0, "Maturity", dt.date(2020, 1, 1))],
        "must be one of the payment dates",
    ),
    "maturity in words": ([("tbl_Tranche", 0, "Maturity", "soon")], "must be a date"),
    "unknown day count": ([("tbl_Term", "Day count", "Value", "Act/Act")], "must be one of: 30/360, Act/365"),
    "closing after the first date": (
        [("tbl_Term", "Closing date", "Value", dt.date(2019, 12, 11))],
        "must be after the closing date",
    ),
    "half a path": ([("tbl_Term", "Simulated paths", "Value", 100.5)], "must be a whole number from 100"),
    "too many paths": ([("tbl_Term", "Simulated paths", "Value", 1e9)], "must be a whole number from 100"),
    "blank term": ([("tbl_Term", "Senior fees", "Value", None)], "must not be blank"),
    "switch between": ([("tbl_Control", 0, "On", "perhaps")], "must be one of: yes, no"),
    "figure of a control": ([("tbl_Control", "Reserve account", "Figure", -1)], "must be >= 0"),
    "blank figure": ([("tbl_Control", "Reserve account", "Figure", None)], "must not be blank"),
    "unknown metric": ([("tbl_Covenant", 0, "Metric", "LTV")], "must be one of: coverage"),
    "threshold in words": ([("tbl_Covenant", 0, "Threshold", "high")], "must be a number"),
    "unknown control": (
        [("tbl_Scenario", 1, "Controls off", "Reserve account, insurance")],
        "must be all or some of: Subordination",
    ),
    "half a delay": ([("tbl_Scenario", 1, "Delay", 0.5)], "must be a whole number of periods"),
    "haircut 10 meaning 10 %": ([("tbl_Scenario", 1, "Pool haircut", 10)], "must be between 0 and 1"),
    "largest obligor in words": (
        [("tbl_Scenario", 1, "Obligor recovery", "some")],
        "must be blank, 'table' or a number",
    ),
    "an obligor without a recovery": (
        [("tbl_Scenario", 1, "Obligor", "Nobody")],
        "must come with what is recovered of it",
    ),
    "a stress over the base": (
        [("tbl_Scenario", 0, "Pool haircut", 0.1)],
        "must be 0 in the first row, the base that the others are compared with: "
        "put a stress into a row of its own",
    ),
    "a multiplier over the base": ([("tbl_Scenario", 0, "PD x", 2)], "must be 1 in the first row"),
    "a default over the base": (
        [("tbl_Scenario", 0, "Obligor recovery", 0)],
        "must be blank in the first row",
    ),
    "a control off in the base": (
        [("tbl_Scenario", 0, "Controls off", "Reserve account")],
        "must be blank in the first row",
    ),
    "another default point of the base": (
        [("tbl_Scenario", 0, "Default point", "all")],
        "must be 'own' in the first row",
    ),
    "text in front of other actual collections": (
        [("tbl_Actual", 0, "Actual collections", "1,234")],
        "looks like a number",
    ),
    "what is no stress over the base": ([("tbl_Scenario", 0, "Delay", 0.5)], "must be a whole number"),
    "negative actual collections": ([("tbl_Actual", 0, "Actual collections", -1.0)], "must be >= 0"),
    "actual collections with a gap": (
        [("tbl_Actual", 19, "Actual collections", 1.0)],
        "an earlier date is still blank",
    ),
    "defaults below nothing": ([("tbl_Actual", 1, "Defaults", -1.0)], "must be >= 0"),
    "more in the pool than at closing": (
        [("tbl_Actual", 1, "Pool balance", 1e12)],
        "must not be above the pool at closing (301,000,000): leave it blank where claims were added",
    ),
    "more in the reserve than it can hold": (
        [("tbl_Actual", 1, "Reserve held", 1e9)],
        "must not be above the size of the reserve (",
    ),
    "something of a date without collections": (
        [("tbl_Actual", 19, "Prepayments", 1.0)],
        "must be blank while the collections of the date are",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_cell_is_named_and_nothing_is_written(draft: Path, tmp_path: Path, case: str) -> None:
    edits, rule = WRONG[case]
    ((name, row, header, value),) = edits
    row = row if isinstance(row, int) else row_of(draft, name, row)
    path = put(draft, tmp_path / "wrong.xlsm", (name, row, header, value))
    table = FileBook(path).table(name)
    found = problems_of(path)
    if case == "closing after the first date":  # reported where the date is: in the heading
        assert [(sheet, shown) for sheet, _, shown, _ in found] == [("Pool", "2019-12-11")]
    else:
        shown = table.rows[row][table.index(header)]
        assert [p[:3] for p in found] == [(table.sheet, table.cell(row, header), shown)]
    assert rule in found[0][3]


def test_dates_of_another_plan_are_one_problem_and_cleared_ones_none(draft: Path, tmp_path: Path) -> None:
    table = FileBook(draft).table("tbl_Actual")
    count = len(table.rows)
    other = [("tbl_Actual", k, "Payment date", dt.date(2030, 1, 1) + dt.timedelta(k)) for k in range(count)]
    ((sheet, cell, _, rule),) = problems_of(put(draft, tmp_path / "other.xlsm", *other))
    assert (sheet, cell) == ("Surveillance", table.cell(0, "Payment date"))
    assert "here 2019-12-11; 20 rows differ" in rule and "clear dates and collections" in rule
    cleared = [
        ("tbl_Actual", k, h, None) for k in range(count) for h in ("Payment date", "Actual collections")
    ]
    book = FileBook(put(draft, tmp_path / "cleared.xlsm", *cleared))
    assert refresh(book).inputs.actual == Record()
    # Collections beside a date that is not there belong to no date.
    half = put(draft, tmp_path / "half.xlsm", ("tbl_Actual", 0, "Payment date", None))
    ((_, cell, _, rule),) = problems_of(half)
    assert cell == table.cell(0, "Payment date") and "here 2019-12-11)" in rule


def test_a_condition_speaks_of_obligors_of_the_pool(draft: Path, tmp_path: Path) -> None:
    stranger = [("tbl_Scenario", 1, "Obligor", "Nobody"), ("tbl_Scenario", 1, "Obligor recovery", 0)]
    ((_, _, shown, rule),) = problems_of(put(draft, tmp_path / "stranger.xlsm", *stranger))
    assert (shown, rule) == ("Nobody", "must be blank, or an obligor of table tbl_Pool")
    name = FileBook(draft).table("tbl_Pool").column("Obligor")[3]
    known = [("tbl_Scenario", 1, "Obligor", f" {name.upper()} "), stranger[1]]
    stress = read_book(FileBook(put(draft, tmp_path / "known.xlsm", *known))).stresses[1]
    assert (stress.obligor.casefold(), stress.obligor_recovery) == (name.casefold(), 0.0)


def test_a_plan_without_tests_is_refreshed(draft: Path, tmp_path: Path) -> None:
    table = FileBook(draft).table("tbl_Covenant")
    inputs = [c.header for c in TABLES["tbl_Covenant"].inputs]
    blank = [("tbl_Covenant", k, header, None) for k in range(len(table.rows)) for header in inputs]
    book = FileBook(put(draft, tmp_path / "untested.xlsm", *blank))
    assert refresh(book).inputs.deal.covenants == ()
    book.save()
    found = FileBook(tmp_path / "untested.xlsm").table("tbl_Covenant")
    assert all(value is None for value in found.column("Status by plan"))


def test_volatility_25_meaning_25_percent(draft: Path, tmp_path: Path) -> None:
    row, source = (row_of(draft, "tbl_Term", x) for x in ("Volatility", "Volatility source"))
    path = put(
        draft, tmp_path / "b.xlsm", ("tbl_Term", source, "Value", "user"), ("tbl_Term", row, "Value", 25)
    )
    table = FileBook(path).table("tbl_Term")
    ((sheet, cell, value, rule),) = problems_of(path)
    assert (sheet, cell, value) == ("Terms", table.cell(row, "Value"), 25)
    assert rule == "must be > 0 and <= 5 (a decimal: 0.25 means 25 %)"


def test_the_base_may_have_any_name(draft: Path, tmp_path: Path) -> None:
    path = put(draft, tmp_path / "b.xlsm", ("tbl_Scenario", 0, "Scenario", "As planned"))
    assert read_book(open_book(path)).stresses[0] == Stress("As planned")


@pytest.mark.parametrize("share", [0.5, "a third", ErrorCell("#DIV/0!"), None])
def test_shares_are_shown_and_never_read(draft: Path, tmp_path: Path, share: Any) -> None:
    edits = [(name, row, "Share", share) for name in ("tbl_Pool", "tbl_Tranche") for row in (0, 1)]
    path = put(draft, tmp_path / "b.xlsm", *edits)
    assert read_book(open_book(path)).digest == read_book(open_book(draft)).digest
    for name in ("tbl_Pool", "tbl_Tranche"):
        path = rewrite(path, tmp_path / f"{name}.xlsm", name, 'name="Share"', 'name="My own"')
    assert read_book(open_book(path)).digest == read_book(open_book(draft)).digest
    assert ("tbl_Pool", "Share") not in input_columns()


def test_shares_follow_amounts_that_another_program_wrote(draft: Path, tmp_path: Path) -> None:
    """Such a program saves no values of formulas; what a share is, the amounts say."""
    book = FileBook(draft)
    for name, header in (("tbl_Pool", "Financed amount"), ("tbl_Tranche", "Amount")):
        first, *others = book.table(name).column(header)
        book.write_table(name, {header: [2 * first, *others]})
    path = book.save(tmp_path / "b.xlsm")
    for name in ("tbl_Pool", "tbl_Tranche"):
        assert set(FileBook(path).table(name).column("Share")) == {NO_VALUE}
    old, new = read_book(open_book(draft)).deal, read_book(open_book(path)).deal
    assert new.pool.amount[0] == 2 * old.pool.amount[0]
    assert new.pool.share.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("amount", [0.0, -1.0])
def test_amounts_of_nothing(draft: Path, tmp_path: Path, amount: float) -> None:
    book = FileBook(draft)
    shares = book.table("tbl_Tranche").column("Share")
    book.write_table("tbl_Tranche", {"Amount": [amount, amount], "Share": shares})
    path = book.save(tmp_path / "b.xlsm")
    table = FileBook(path).table("tbl_Tranche")
    found = problems_of(path)
    assert found == [("Tranche", table.cell(0, "Amount"), amount, "must be > 0")]


@pytest.mark.parametrize(("table", "header"), [("tbl_Pool", "Obligor"), ("tbl_Scenario", "Scenario")])
def test_a_name_that_is_there_twice(draft: Path, tmp_path: Path, table: str, header: str) -> None:
    first = FileBook(draft).table(table).column(header)[0]
    path = put(draft, tmp_path / "b.xlsm", (table, 3, header, first))
    found = FileBook(path).table(table)
    ((sheet, cell, value, rule),) = problems_of(path)
    assert (sheet, cell, value) == (found.sheet, found.cell(3, header), first)
    assert rule.startswith("is there twice")


def test_an_obligor_that_never_pays(draft: Path, tmp_path: Path) -> None:
    dates = [h for h in FileBook(draft).table("tbl_Pool").header if h[:2] == "20"]
    path = put(draft, tmp_path / "b.xlsm", *(("tbl_Pool", 5, h, 0.0) for h in dates))
    ((sheet, cell, value, rule),) = problems_of(path)
    assert (sheet, cell) == ("Pool", FileBook(path).table("tbl_Pool").cell(5, dates[0]))
    assert (value, rule) == (0, "the obligor has no scheduled collections")


def test_two_blank_names_are_blank_not_twice(draft: Path, tmp_path: Path) -> None:
    for table, header in (("tbl_Covenant", "Test"), ("tbl_Scenario", "Scenario"), ("tbl_Tranche", "Tranche")):
        path = put(draft, tmp_path / f"{table}.xlsm", (table, 0, header, None), (table, 1, header, None))
        ((_, cell, _, rule),) = problems_of(path)
        assert cell == FileBook(path).table(table).cell(0, header)
        assert rule == "must not be blank: fill it, or clear the whole row"


def test_an_error_cell_must_become_a_value(draft: Path, tmp_path: Path) -> None:
    path = put(draft, tmp_path / "b.xlsm", ("tbl_Pool", 0, "PD", ErrorCell("#DIV/0!")))
    ((_, _, value, rule),) = problems_of(path)
    assert str(value) == "#DIV/0!"
    assert rule == "must hold a value, not an error: mend its formula, or type a value"


# ------------------------------------------------------------------- headings, rows and tables


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("2020-03-11", "2019-03-11", "payment dates must increase"),
        ("2019-12-11", "2019-09-11", "must be after the closing date"),
        ("2020-03-11", "2020-13-11", "a payment date heads its column as year-month-day"),
        ("2020-03-11", "2020 spring", "a payment date heads its column as year-month-day"),
    ],
)
def test_dates_out_of_order(draft: Path, tmp_path: Path, old: str, new: str, rule: str) -> None:
    table = FileBook(draft).table("tbl_Pool")
    cell = re.sub(r"\d+", str(table.top - 1), table.cell(0, old))
    path = rewrite(draft, tmp_path / "b.xlsm", "tbl_Pool", f'"{old}"', f'"{new}"')
    found = [p for p in problems_of(path) if p[0] == "Pool"]
    assert found[0][:3] == ("Pool", cell, new)
    assert rule in found[0][3]


def test_dates_as_east_asian_excel_writes_them_are_dates(draft: Path, tmp_path: Path) -> None:
    path = rewrite(draft, tmp_path / "b.xlsm", "tbl_Pool", '"2020-03-11"', '"2020/3/11"')
    assert read_book(open_book(path)).digest == read_book(open_book(draft)).digest


@pytest.mark.parametrize("name", [t.name for t in TABLES.values() if t.inputs and not t.optional])
def test_a_missing_table_is_named(draft: Path, tmp_path: Path, name: str) -> None:
    path = rewrite(draft, tmp_path / "b.xlsm", name, f'displayName="{name}"', 'displayName="tbl_Other"')
    found = [p for p in problems_of(path) if p[1] == name]
    assert [(p[0], p[2]) for p in found] == [(TABLES[name].sheet, None)]
    assert found[0][3].startswith("the table is missing")


# Targets are for a solve, of which a refresh does not ask.
READ = [t for t in TABLES.values() if t.name != "tbl_Target"]
NEEDED = [(t.name, c.header) for t in READ for c in t.inputs if c.required or not c.blank]


@pytest.mark.parametrize(("name", "header"), NEEDED)
def test_a_missing_column_is_named(draft: Path, tmp_path: Path, name: str, header: str) -> None:
    path = rewrite(draft, tmp_path / "b.xlsm", name, f'name="{header}"', 'name="Something else"')
    found = problems_of(path)
    assert [p[3] for p in found] == [f"table {name} has no column '{header}'"]
    assert found[0][0] == TABLES[name].sheet


@pytest.mark.parametrize(("name", "label"), [("tbl_Term", "Seed"), ("tbl_Control", "Pledge")])
def test_a_missing_or_doubled_row_is_named(draft: Path, tmp_path: Path, name: str, label: str) -> None:
    row, header = row_of(draft, name, label), FileBook(draft).table(name).header[0]
    path = put(draft, tmp_path / "missing.xlsm", (name, row, header, "Something else"))
    assert [p[3] for p in problems_of(path)] == [f"table {name} has no row '{label}'"]
    path = put(draft, tmp_path / "twice.xlsm", (name, 0 if row else 1, header, label))
    assert "is there twice" in " ".join(p[3] for p in problems_of(path))


def test_a_row_may_bear_the_label_of_an_older_workbook(draft: Path, tmp_path: Path) -> None:
    row = row_of(draft, "tbl_Control", "Pledge")
    older = put(draft, tmp_path / "older.xlsm", ("tbl_Control", row, "Control", "Patent pledge"))
    assert read_book(FileBook(older)).deal.controls == read_book(FileBook(draft)).deal.controls
    twice = put(draft, tmp_path / "twice.xlsm", ("tbl_Control", 0, "Control", "Patent pledge"))
    assert "is there twice" in " ".join(p[3] for p in problems_of(twice))


def test_all_wrong_cells_are_listed_at_once(draft: Path, tmp_path: Path) -> None:
    seed = row_of(draft, "tbl_Term", "Seed")
    edits: list[Edit] = [
        ("tbl_Pool", 0, "PD", 2),
        ("tbl_Pool", 1, DAY, "x"),
        ("tbl_Tranche", 1, "Rank", 1),
        ("tbl_Term", seed, "Value", -1),
        ("tbl_Control", 0, "On", 3),
        ("tbl_Covenant", 0, "Side", "left"),
        ("tbl_Scenario", 4, "Volatility x", 0),
    ]
    path = put(draft, tmp_path / "b.xlsm", *edits)
    book = FileBook(path)
    wanted = [(book.table(t).sheet, book.table(t).cell(row, header)) for t, row, header, _ in edits]
    assert sorted(p[:2] for p in problems_of(path)) == sorted(wanted)


def test_equal_faults_of_a_column_are_one_line(draft: Path, tmp_path: Path) -> None:
    table = FileBook(draft).table("tbl_Pool")
    edits = [("tbl_Pool", k, "PD", None) for k in range(len(table.rows)) if k != 4]
    path = put(draft, tmp_path / "b.xlsm", *edits, ("tbl_Pool", 4, "PD", 7), ("tbl_Pool", 2, DAY, -1.0))
    first, before, after, last = (table.cell(k, "PD") for k in (0, 3, 5, len(table.rows) - 1))
    names = table.column("Obligor")
    with pytest.raises(BookInputError) as caught:
        read_book(open_book(path))
    assert sorted(str(caught.value).splitlines()) == sorted(
        [
            "12 inputs are wrong:",
            f"Pool!{first}:{before}, {after}:{last}: 10 cells are blank; "
            "must not be blank: fill it, or clear the whole row",
            f"Pool!{table.cell(4, 'PD')} ({names[4]}): 7: must be >= 0 and < 1 (a decimal: 0.02 means 2 %)",
            f"Pool!{table.cell(2, DAY)} ({names[2]}): -1: must be >= 0",
        ]
    )


def test_a_row_with_a_name_alone_is_one_line(
    draft: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def named(spec: TableSpec, rows: Any) -> tuple[TableSpec, Any]:
        just = rows and ["Nobody", *[None] * (len(rows[0]) - 1)]
        return spec, [*rows, just] if spec.name == "tbl_Pool" else rows

    path = variant(tmp_path / "b.xlsm", few_paths(named), monkeypatch)
    table = FileBook(path).table("tbl_Pool")
    found = problems_of(path)
    # The amount, PD, recovery to correlation, and the dates: what lies between them may be blank.
    first = next(h for h in table.header if h[:1].isdigit())
    assert [p[1] for p in found] == [table.cell(11, h) for h in ("Financed amount", "PD", "Recovery", first)]


def test_many_wrong_cells_name_the_count(draft: Path, tmp_path: Path) -> None:
    path = put(draft, tmp_path / "b.xlsm", ("tbl_Pool", 0, "PD", 2), ("tbl_Pool", 1, "PD", 3))
    with pytest.raises(BookInputError, match="2 inputs are wrong:\nPool!"):
        read_book(open_book(path))


# ------------------------------------------------------------------------- files of other kinds


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("plain.xlsm", b"hello", "no Excel workbook"),
        ("table.csv", b"a,b\n1,2\n", "CSV|csv|no Excel workbook"),
        ("locked.xlsm", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "encrypted|format|old|broken"),
        ("empty.xlsm", b"", "empty|not a workbook|broken"),
    ],
)
def test_what_is_no_workbook_is_refused_in_one_sentence(
    tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BookError, match=sentence) as caught:
        refresh(open_book(path))
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == content


def test_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BookError, match="does not exist"):
        open_book(tmp_path / "none.xlsm")


# --------------------------------------------------------------------- what users may do freely

Hook = Callable[[TableSpec, list[list[Any]] | None], tuple[TableSpec, list[list[Any]] | None]]


def variant(
    target: Path, hook: Hook, monkeypatch: pytest.MonkeyPatch, offset: tuple[int, int] = (0, 0)
) -> Path:
    """The template before its first refresh, each table changed by `hook` and moved by `offset`."""
    place = template_module.Sheets.table

    def table(
        self: Any, ws: Any, row: int, column: int, spec: TableSpec, rows: Any = None, *more: Any, **named: Any
    ) -> Any:
        named.pop("assumed", None)
        more = (None, *more[1:])
        spec, rows = hook(spec, rows)
        return place(self, ws, row + offset[0], column + offset[1], spec, rows, *more, **named)

    with monkeypatch.context() as patch:
        patch.setattr(template_module.Sheets, "table", table)
        patch.setattr(template_module, "refresh", lambda *a, **k: None)
        patch.setattr(template_module, "solve_book", lambda *a, **k: None)
        return template_module.build_template(target)


def unchanged(spec: TableSpec, rows: Any) -> tuple[TableSpec, Any]:
    return spec, rows


def shuffled(spec: TableSpec, rows: Any) -> tuple[TableSpec, Any]:
    """Columns from right to left, with one of the user's own; the columns of dates stay behind them."""
    own = Column("My own", "", "own", "text", blank=True)
    columns = (*spec.columns[::-1], own)
    n = len(spec.columns)
    rows = rows and [[*row[:n][::-1], "mine", *row[n:]] for row in rows]
    return dataclasses.replace(spec, columns=columns), rows


def few_paths(hook: Hook) -> Hook:
    def changed(spec: TableSpec, rows: Any) -> tuple[TableSpec, Any]:
        if spec.name == "tbl_Term":
            rows = [[r[0], 100, *r[2:]] if r[0] == "Simulated paths" else r for r in rows]
        return hook(spec, rows)

    return changed


def gappy(spec: TableSpec, rows: Any) -> tuple[TableSpec, Any]:
    """Blank rows after the first and at the end; formulas that show something stand in them."""
    if spec.name not in ("tbl_Pool", "tbl_Tranche", "tbl_Covenant", "tbl_Scenario", "tbl_Actual"):
        return spec, rows
    blank = [None] * len(rows[0])
    for k, c in enumerate(spec.columns):
        if c.kind == "shown":
            blank[k] = ("=0*1", 0.0)
    if spec.name == "tbl_Pool":  # inputs by formula, which have nothing to read here
        for field, value in (("industry", ""), ("pd", 0.0), ("recovery", "#N/A")):
            blank[spec.index(field)] = ("=NA()", value)
    end = [] if spec.name == "tbl_Tranche" else [blank, blank]  # other tables lie beneath that one
    return spec, [rows[0], blank, *rows[1:], *end]


RESULTS = ("tbl_Headline", "tbl_Result", "tbl_Scenario", "tbl_ScenarioResult", "tbl_Breakeven", "tbl_Sigma")
MONEY = {"Accumulated in", "Accumulated due", "Largest dues"}


def numbers(path: Path, names: Sequence[str] = RESULTS) -> dict[tuple[str, str], list[Any]]:
    """Results by table and heading, without those that are money or may be blank."""
    book = FileBook(path)
    return {
        (name, c.header): book.table(name).column(c.header)
        for name in names
        for c in TABLES[name].results
        if c.header not in MONEY and not c.blank
    }


def assert_same(one: dict[Any, list[Any]], other: dict[Any, list[Any]], rel: float) -> None:
    assert one.keys() == other.keys()
    for key, values in one.items():
        for a, b in zip(values, other[key], strict=True):
            if isinstance(a, float) and isinstance(b, (int, float)):
                assert b == pytest.approx(a, rel=rel, abs=1e-300 if rel == 0 else 1e-12), key
            else:
                assert a == b, key


@pytest.fixture(scope="module")
def refreshed(draft: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("refreshed") / "book.xlsm"
    book = open_book(draft)
    refresh(book, now=dt.datetime(2026, 1, 1))
    return book.save(target)


def test_refresh_twice_gives_the_same_numbers(refreshed: Path, tmp_path: Path) -> None:
    book = open_book(refreshed)
    again = refresh(book, now=dt.datetime(2026, 1, 2))
    path = book.save(tmp_path / "again.xlsm")
    assert_same(numbers(refreshed), numbers(path), rel=0)
    log = FileBook(path).table("tbl_Log")
    assert log.column("Refreshed")[-1] == "2026-01-02 00:00:00"
    assert len(log.rows) == len(FileBook(refreshed).table("tbl_Log").rows) + 1
    assert log.column("Input hash")[-2:] == [again.inputs.digest] * 2


def test_a_quick_look_says_so_and_leaves_no_figure_of_another_run(refreshed: Path, tmp_path: Path) -> None:
    book = open_book(refreshed)
    done = refresh(book, now=dt.datetime(2026, 1, 2), quick=True)
    quick, full = FileBook(book.save(tmp_path / "quick.xlsm")), FileBook(refreshed)
    paths = done.analysis.simulated_base.paths
    assert quick.name("out_State").value == "quick look: Refresh for everything"
    assert quick.name("out_Scope").value == f"quick look, {paths:,} paths"
    assert full.name("out_Scope").value == f"everything, {paths:,} paths"
    assert quick.name("out_WorstScenario").value == "not in a quick look"
    assert quick.name("out_WorstPD").value == "not run"
    for name in ("tbl_Attribution", "tbl_Reverse", "tbl_Tornado"):
        [[first, *rest]] = quick.table(name).rows
        assert first == "not in a quick look"
        assert set(rest) == {None}
    for spec in (layout.SCENARIO, layout.SCENARIO_RESULT):
        found, before = quick.table(spec.name), full.table(spec.name)
        for column in spec.results:
            values = found.column(column.header)
            if column.field.startswith("simulated") or column.field == "change_error":
                assert set(values) == {"not run"}, column.header
            elif column.field == "remark":
                # Where the two views part takes the waterfall of the condition.
                said = [
                    x and not str(x).startswith("Short in the KMV view alone")
                    for x in before.column("Remark")
                ]
                assert values == [
                    x if keep else None for x, keep in zip(before.column("Remark"), said, strict=True)
                ]
            else:
                assert values == before.column(column.header), column.header
    models = quick.table("tbl_Model")
    assert models.column("Model") == full.table("tbl_Model").column("Model")
    assert set(models.column("Method")) == {"not in a quick look"}
    assert set(models.column("VaR 99 %")) == {"none"}
    # What was computed is what a refresh on as many paths has.
    same = (
        "tbl_Answer",
        "tbl_Headline",
        "tbl_Result",
        "tbl_Chart",
        "tbl_Simulation",
        "tbl_Account",
        "tbl_Rerate",
    )
    for name in same:
        found, before = quick.table(name), full.table(name)
        for k, header in enumerate(found.header):
            # How well it is known takes simulations of its own.
            expected = ["not run"] * len(found.rows) if header == "90 % interval" else before.column(header)
            assert [row[k] for row in found.rows] == expected, (name, header)
    assert quick.table("tbl_Log").column("Message")[-1] == f"refreshed, quick look, {paths:,} paths"
    assert set(quick.table("tbl_Input").column("Same")) == {"yes"}
    # A refresh afterwards leaves nothing of it.
    book = open_book(tmp_path / "quick.xlsm")
    refresh(book, now=dt.datetime(2026, 1, 2))
    again = FileBook(book.save())
    # But for its lines in the log and in the history, and how they are said.
    for name in layout.TABLES.keys() - {"tbl_Log", "tbl_History", "tbl_Said"}:
        assert again.table(name).rows == full.table(name).rows, name
    assert again.name("out_State").value == "fresh"


def test_a_quick_look_at_a_workbook_without_a_cell_for_it(draft: Path, tmp_path: Path) -> None:
    first = Path(__file__).parents[1] / "data" / "first_edition.xlsm"
    paths = row_of(first, "tbl_Term", "Simulated paths")
    book = open_book(put(first, tmp_path / "first.xlsm", ("tbl_Term", paths, "Value", 100)))
    refresh(book, quick=True)
    checks = FileBook(book.save()).name("out_Checks").value
    assert checks == "quick look, 100 paths; all passed"


def test_results_fill_every_row(refreshed: Path) -> None:
    for (name, header), values in numbers(refreshed).items():
        assert all(v is not None for v in values), (name, header)


@pytest.mark.parametrize("scale", [1e6, 1e-6])
def test_the_unit_of_money_moves_no_number(
    refreshed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scale: float
) -> None:
    def money(spec: TableSpec, rows: Any) -> tuple[TableSpec, Any]:
        headers = [c.header for c in spec.columns]
        if spec.name == "tbl_Pool":
            k, n = headers.index("Financed amount"), len(headers)
            rows = [[*r[:k], r[k] * scale, *r[k + 1 : n], *(x * scale for x in r[n:])] for r in rows]
        if spec.name == "tbl_Tranche":
            k = headers.index("Amount")
            rows = [[*r[:k], r[k] * scale, *r[k + 1 :]] for r in rows]
        return spec, rows

    path = variant(tmp_path / "scaled.xlsm", few_paths(money), monkeypatch)
    book = open_book(path)
    refresh(book)
    book.save()
    assert_same(numbers(refreshed), numbers(path), rel=1e-7)


def test_tables_may_move_and_columns_change_places(
    refreshed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = variant(tmp_path / "moved.xlsm", few_paths(shuffled), monkeypatch, offset=(4, 3))
    book = open_book(path)
    done = refresh(book)
    book.save()
    assert done.inputs.digest == read_book(open_book(refreshed)).digest
    assert_same(numbers(refreshed), numbers(path), rel=0)
    assert FileBook(path).table("tbl_Pool").column("My own") == ["mine"] * 11
    # The next refresh finds the log that this one has left.
    book = open_book(path)
    refresh(book)
    book.save()
    assert len(FileBook(path).table("tbl_Log").rows) == 2


def test_blank_rows_are_neither_claims_nor_faults(
    refreshed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = variant(tmp_path / "gaps.xlsm", few_paths(gappy), monkeypatch)
    book = open_book(path)
    done = refresh(book)
    book.save()
    assert done.inputs.digest == read_book(open_book(refreshed)).digest
    others = [name for name in RESULTS if name != "tbl_Scenario"]
    assert_same(numbers(refreshed, others), numbers(path, others), rel=0)
    # Results stand in the rows of their inputs, and nothing beside a blank row.
    for name in ("tbl_Covenant", "tbl_Scenario", "tbl_Actual"):
        table, tight = FileBook(path).table(name), FileBook(refreshed).table(name)
        assert len(table.rows) == len(tight.rows) + 3
        gaps = {1, len(tight.rows) + 1, len(tight.rows) + 2}
        assert [row for k, row in enumerate(table.rows) if k not in gaps] == tight.rows
        assert all(value is None for k in gaps for value in table.rows[k])
    # A fault is named where it is.
    for name, header in (("tbl_Pool", "PD"), ("tbl_Tranche", "Coupon"), ("tbl_Scenario", "PD x")):
        wrong = put(path, tmp_path / "wrong.xlsm", (name, 2, header, -1))
        table = FileBook(wrong).table(name)
        ((sheet, cell, value, _),) = problems_of(wrong)
        assert (sheet, cell, value) == (table.sheet, table.cell(2, header), -1)
    same = [("tbl_Pool", k, "Obligor", "Same") for k in (3, 4)]
    twice = put(path, tmp_path / "twice.xlsm", *same)
    ((_, cell, _, rule),) = problems_of(twice)
    assert cell == FileBook(twice).table("tbl_Pool").cell(4, "Obligor") and "there twice" in rule


def test_rows_without_a_label_are_no_terms(draft: Path, tmp_path: Path) -> None:
    table = FileBook(draft).table("tbl_Control")
    count, width = len(table.rows), len(table.header)
    top = table.top - 1
    old, new = (
        f'ref="{Area(top, table.left, top + rows, table.left + width - 1)}"' for rows in (count, count + 2)
    )
    path = rewrite(draft, tmp_path / "b.xlsm", "tbl_Control", old, new)
    path = put(path, path, *(("tbl_Control", count + k, table.header[0], " ") for k in (0, 1)))
    assert len(FileBook(path).table("tbl_Control").rows) == count + 2
    assert read_book(open_book(path)).digest == read_book(open_book(draft)).digest


def test_tables_of_blank_rows_only_hold_nothing(draft: Path, tmp_path: Path) -> None:
    for name, sentence in (
        ("tbl_Pool", "the pool needs at least one obligor"),
        ("tbl_Tranche", "the plan needs at least one tranche"),
        ("tbl_Scenario", "the table needs a base scenario in its first row"),
    ):
        table = FileBook(draft).table(name)
        blank = [(name, k, h, None) for k in range(len(table.rows)) for h in table.header]
        found = problems_of(put(draft, tmp_path / f"{name}.xlsm", *blank))
        assert [p[3] for p in found] == [sentence]
        assert found[0][:2] == (table.sheet, table.cell(0, table.header[0]))


def test_actual_collections_may_skip_rows_but_no_dates(draft: Path, tmp_path: Path) -> None:
    table = FileBook(draft).table("tbl_Actual")
    # A date that is not there yet leaves no gap as long as nothing came in on it or later.
    fewer = put(draft, tmp_path / "fewer.xlsm", *(("tbl_Actual", 10, h, None) for h in table.header[:2]))
    assert read_book(open_book(fewer)).actual == read_book(open_book(draft)).actual
    swapped = [("tbl_Actual", k, "Payment date", table.rows[other][0]) for k, other in ((12, 13), (13, 12))]
    ((_, cell, _, rule),) = problems_of(put(draft, tmp_path / "swapped.xlsm", *swapped))
    assert cell == table.cell(13, "Payment date")
    assert "must be the plan's payment dates in order" in rule


def test_what_is_known_besides_the_collections_is_read(draft: Path, tmp_path: Path) -> None:
    known = [("tbl_Actual", 1, "Pool balance", 2e8), ("tbl_Actual", 2, "Defaults", 5e6)]
    path = put(draft, tmp_path / "known.xlsm", *known)
    record, usual = read_book(open_book(path)).actual, read_book(open_book(draft)).actual
    assert record.collections == usual.collections and usual.collections_only
    assert record.balance[:3] == (None, 2e8, None) and record.defaults[:3] == (None, None, 5e6)
    assert (len(record.balance), record.prepayments, record.reserve) == (10, (), ())
    # What moves a number moves the mark of the inputs; collections alone have the mark that they had.
    assert read_book(open_book(path)).digest != read_book(open_book(draft)).digest
    first = Path(__file__).parents[1] / "data" / "first_edition.xlsm"
    again = read_book(open_book(first))
    assert again.digest == digest(again.deal, again.stresses, again.actual.collections)


def test_a_workbook_of_another_version_keeps_its_list_of_inputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first edition counted shares among the inputs; its workbooks are refreshed all the same."""
    listed = [*input_columns()[:4], ("tbl_Pool", "Share"), ("tbl_Pool", "No longer there"), ("tbl_Pool", "")]
    with monkeypatch.context() as patch:
        patch.setattr(layout, "input_columns", lambda: listed)
        path = variant(tmp_path / "old.xlsm", few_paths(unchanged), monkeypatch)
    book = open_book(path)
    refresh(book)
    book.save()
    marks = FileBook(path).table("tbl_Input")
    assert marks.column("Column") == [header or layout.OTHER_NUMBERS for _, header in listed]
    assert marks.column("Now") == marks.column("At refresh")
    pool = FileBook(path).table("tbl_Pool")
    assert marks.column("Now")[4:6] == [input_mark(pool.column("Share"), spread=False), 0.0]
    assert FileBook(path).name("out_State").value == "fresh"


def test_more_obligors_scenarios_and_tranches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def more(spec: TableSpec, rows: Any) -> tuple[TableSpec, Any]:
        headers = [c.header for c in spec.columns]
        if spec.name == "tbl_Pool":
            extra = list(rows[0])
            extra[0] = "=1+1"
            rows = [*rows, extra]
        if spec.name == "tbl_Tranche":
            senior, junior = list(rows[0]), list(rows[1])
            middle = list(senior)
            amount, rank = (headers.index(h) for h in ("Amount", "Rank"))
            middle[0], middle[rank], junior[rank] = "Mezzanine", 2, 3
            middle[amount], senior[amount] = senior[amount] * 0.1, senior[amount] * 0.9
            rows = [senior, middle, junior]
        if spec.name == "tbl_Scenario":
            mine = list(rows[0])
            mine[0], mine[headers.index("Pool haircut")] = "[/b] +mine", 0.03
            rows = [*rows, mine]
        return spec, rows

    path = variant(tmp_path / "more.xlsm", few_paths(more), monkeypatch)
    book = open_book(path)
    done = refresh(book)
    book.save()
    book = FileBook(path)
    assert done.inputs.deal.pool.name[-1] == "=1+1"
    assert book.table("tbl_Pool").column("Obligor")[-1] == "=1+1"
    tranches = book.table("tbl_Headline").column("Class")
    assert len(tranches) == 3
    assert tranches[1] == "Mezzanine"
    assert len(book.table("tbl_Result").rows) == 3 * len(done.inputs.deal.terms.dates)
    scenarios = book.table("tbl_Scenario")
    assert scenarios.column("Scenario")[-1] == "[/b] +mine"
    assert book.table("tbl_ScenarioResult").column("Scenario")[-1] == "[/b] +mine"
    assert isinstance(scenarios.column("Any-date PD")[-1], float)
    # Later ranks are never safer by the pool alone.
    pd = np.array(book.table("tbl_Headline").column("DD"))
    assert (np.diff(pd) <= 0).all()


def test_text_that_starts_like_a_formula_stays_text(draft: Path, tmp_path: Path) -> None:
    names = ["=1+1", "+cmd|' /C calc'!A0", "-2", "@SUM(A1)"]
    path = put(
        draft, tmp_path / "b.xlsm", *(("tbl_Scenario", k + 1, "Scenario", n) for k, n in enumerate(names))
    )
    book = open_book(path)
    refresh(book)
    book.save()
    book = FileBook(path)
    assert book.table("tbl_Scenario").column("Scenario")[1:5] == names
    assert set(names) <= set(book.table("tbl_ScenarioResult").column("Scenario"))
    with zipfile.ZipFile(path) as package:
        sheets = b"".join(package.read(n) for n in package.namelist() if n.startswith("xl/worksheets/sheet"))
    formulas = re.findall(rb"<f[^>]*>([^<]*)</f>", sheets)
    assert formulas
    assert not [f for f in formulas if b"calc" in f or f in (b"1+1", b"-2") or b"SUM(A1)" in f]


def test_names_that_are_numbers_stay_apart(draft: Path, tmp_path: Path) -> None:
    path = put(
        draft,
        tmp_path / "b.xlsm",
        ("tbl_Pool", 0, "Obligor", 12345671),
        ("tbl_Pool", 1, "Obligor", 12345672),
    )
    assert read_book(open_book(path)).deal.pool.name[:2] == ("12345671", "12345672")


def test_other_sheets_and_parts_stay_as_they_were(draft: Path, refreshed: Path) -> None:
    with zipfile.ZipFile(draft) as before, zipfile.ZipFile(refreshed) as after:
        assert before.namelist() == after.namelist()
        for name in before.namelist():
            if name.startswith(("xl/drawings/", "xl/styles", "xl/theme", "[Content", "_rels", "docProps")):
                assert before.read(name) == after.read(name), name


def test_inputs_stay_as_they_were(draft: Path, refreshed: Path) -> None:
    before, after = FileBook(draft), FileBook(refreshed)
    for spec in TABLES.values():
        for column in spec.inputs:
            if before.table(spec.name).has(column.header):
                one, two = (b.table(spec.name).column(column.header) for b in (before, after))
                assert one == two, (spec.name, column.header)


def test_cancelled_at_any_point_changes_nothing(draft: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(draft, tmp_path / "b.xlsm"))
    before = path.read_bytes()
    for stop in (1, 2, 5):
        calls = []

        def progress(what: str, share: float, calls: list[Any] = calls, stop: int = stop) -> None:
            calls.append((what, share))
            if len(calls) == stop:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            refresh(open_book(path), progress)
        assert len(calls) == stop
        assert path.read_bytes() == before
        assert [p.name for p in tmp_path.iterdir()] == ["b.xlsm"]


def test_result_tables_that_are_not_there_are_not_written(draft: Path, tmp_path: Path) -> None:
    path = draft
    for name in ("tbl_Sigma", "tbl_Log", "tbl_Input"):
        target = tmp_path / f"{name}.xlsm"
        path = rewrite(path, target, name, f'displayName="{name}"', f'displayName="my_{name}"')
    book = open_book(path)
    refresh(book)
    book.save()
    others = [name for name in RESULTS if name != "tbl_Sigma"]
    assert all(None not in values for values in numbers(path, others).values())
    assert set(FileBook(path).table("my_tbl_Sigma").column("PD by pool and reserve")) == {None}


def test_a_workbook_without_a_table_of_results_is_one_sentence(draft: Path, tmp_path: Path) -> None:
    path = draft
    for name in (t.name for t in TABLES.values() if not t.inputs):
        target = tmp_path / f"{name}.xlsm"
        path = rewrite(path, target, name, f'displayName="{name}"', f'displayName="my_{name}"')
    before = path.read_bytes()
    with pytest.raises(BookError, match="it has none of the tables of results, such as tbl_Headline: take"):
        refresh(open_book(path))
    assert path.read_bytes() == before


def test_a_workbook_of_the_first_edition_is_refreshed(tmp_path: Path, refreshed: Path) -> None:
    """It lacks the tables, columns and terms that came later, and has other results in tbl_Curve."""
    first = Path(__file__).parents[1] / "data" / "first_edition.xlsm"
    paths = row_of(first, "tbl_Term", "Simulated paths")
    path = put(first, tmp_path / "first.xlsm", ("tbl_Term", paths, "Value", 100))
    # Conditions are the user's: they keep the names that they had.
    today = FileBook(refreshed).table("tbl_Scenario").column("Scenario")
    named = FileBook(path).table("tbl_Scenario").column("Scenario")
    assert [(a, b) for a, b in zip(named, today, strict=True) if a != b] == [
        ("Patent pledge off", "Pledge off"),
        ("Default point: dues of all tranches", "Default point: dues of all classes"),
    ]
    put(path, path, *[("tbl_Scenario", k, "Scenario", name) for k, name in enumerate(today)])
    book = open_book(path)
    done = refresh(book)
    book.save()
    # It knows of no ranges.
    rows = FileBook(refreshed).table(layout.RANGE.name).rows
    ends = [(layout.RANGE.name, k, end, None) for k in range(len(rows)) for end in ("Low", "High")]
    assert done.inputs.digest == read_book(open_book(put(refreshed, tmp_path / "known.xlsm", *ends))).digest
    old, new, compared = FileBook(path), FileBook(refreshed), 0
    for name in (*RESULTS, "tbl_Chart"):
        spec = TABLES[name]
        table = old.table(spec.formerly or name)
        # Headings have changed, and some columns have come later.
        kept = [c for c in spec.results if any(table.has(h) for h in (c.header, *c.aliases))]
        for c in kept:
            here = next(h for h in (c.header, *c.aliases) if table.has(h))
            assert table.column(here) == new.table(name).column(c.header), (name, c.header)
        compared += len(kept)
    assert compared > 50
    marks = FileBook(path).table("tbl_Input")
    assert set(marks.column("Same")) == {"yes"}
    assert marks.column("Now") == marks.column("At refresh")


def test_result_columns_may_be_deleted(draft: Path, tmp_path: Path) -> None:
    path = rewrite(
        draft, tmp_path / "b.xlsm", "tbl_Headline", 'name="Simulated expected loss"', 'name="Mine"'
    )
    book = open_book(path)
    refresh(book)
    book.save()
    assert len(FileBook(path).table("tbl_Headline").rows) == 2


@pytest.mark.parametrize(
    ("edits"),
    [
        [
            ("tbl_Scenario", 1, "Pool haircut", 1),
            ("tbl_Scenario", 2, "Delay", 1000),
            ("tbl_Scenario", 3, "PD x", 0),
            ("tbl_Scenario", 4, "PD x", 10000),
            ("tbl_Scenario", 5, "Correlation add", -1),
            ("tbl_Scenario", 6, "Correlation add", 0.75),
            ("tbl_Scenario", 7, "Recovery x", 0),
            ("tbl_Scenario", 8, "Rate shift", -1),
            ("tbl_Pool", 0, "Recovery lag", 30),
            ("tbl_Pool", 1, "Industry", None),
        ],
        [("tbl_Pool", k, "PD", 0) for k in range(11)],
        [("tbl_Control", k, "On", "no") for k in range(7)],
    ],
)
def test_extreme_but_allowed_inputs_give_results(draft: Path, tmp_path: Path, edits: list[Edit]) -> None:
    path = put(draft, tmp_path / "b.xlsm", *edits)
    book = open_book(path)
    refresh(book)
    book.save()
    for key, values in numbers(path).items():
        assert all(v is not None for v in values), key
        if "PD" in key[1]:
            assert all(isinstance(v, str) or -1 <= v <= 1 for v in values), key


def test_what_is_typed_beneath_a_table_that_has_not_grown_is_refused(draft: Path) -> None:
    """As in spreadsheets whose tables do not grow: a class would be left out without a word."""
    book = FileBook(draft)
    table = book.table("tbl_Tranche")
    row = table.top + len(table.rows)
    book.write_cell("Tranche", address(row, table.left), "Mezzanine")
    with pytest.raises(BookInputError) as found:
        read_book(book)
    (problem,) = found.value.problems
    assert (problem.sheet, problem.cell, problem.value) == ("Tranche", address(row, table.left), "Mezzanine")
    assert "stands beneath table tbl_Tranche" in problem.rule
    # A row apart it is the user's own.
    book = FileBook(draft)
    book.write_cell("Tranche", address(row + 1, table.left), "Mezzanine")
    assert len(read_book(book).deal.tranches) == 2
