"""Reading tables: what a cell may hold, which rows say nothing, and how faults that are alike are told."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlkmv.deal.terms import Fault
from xlkmv.errors import BookError, Problem
from xlkmv.model.domain import Rule
from xlkmv.refresh import reader as reader_module
from xlkmv.refresh.reader import Reader, Wrong, clean, filled, looks_like_a_date, looks_like_a_number
from xlkmv.workbook.book import NO_VALUE, ErrorCell, Table
from xlkmv.workbook.layout import Column, TableSpec

NAME = Column("Name", "", "name", "text")
SHARE = Column("Share", "", "share", "shown")
PD = Column("PD", "", "pd", "number", rule=Rule("must be between 0 and 1", 0.0, 1.0))
DUE = Column("Due", "", "due", "date")
TYPE = Column("Type", "", "type", "choice", choices=("bullet", "annuity"))
NOTE = Column("Note", "", "note", "text", blank=True)
SIZE = Column("Size", "", "size", "any", blank=True)
DD = Column("DD", "", "dd")
SPEC = TableSpec("tbl_T", "Sheet", "Things", "", (NAME, SHARE, PD, DUE, TYPE, NOTE, SIZE, DD))
HEADER = tuple(c.header for c in SPEC.columns)
DAY = dt.date(2019, 12, 11)
GOOD = ["a", 0.5, 0.02, DAY, "bullet", None, None, 3.0]
BLANK = [None] * len(HEADER)
ERROR = ErrorCell("#DIV/0!")


def table_of(*rows: list[Any], header: tuple[str, ...] = HEADER) -> Table:
    return Table("tbl_T", "Sheet", header, [list(row) for row in rows], 7, 2)


def reader_of(*tables: Table) -> Reader:
    """A reader of a workbook that has these tables."""

    def find(name: str) -> Table:
        for table in tables:
            if table.name == name:
                return table
        raise BookError(f"no table {name}")

    names = [table.name for table in tables]
    return Reader(SimpleNamespace(table=find, tables=lambda: names, beneath=lambda name: []))


def row(**changes: Any) -> list[Any]:
    """A good row with some cells changed, by field."""
    return [changes.get(c.field, value) for c, value in zip(SPEC.columns, GOOD, strict=True)]


# ------------------------------------------------------------------------------------ cells

TEXT_NUMBER = (
    "is text that looks like a number: enter it as a number "
    "(in Excel: Data > Text to Columns, or multiply by 1)"
)
TEXT_DATE = (
    "is text that looks like a date: enter it as a date (in Excel: Data > Text to Columns, or multiply by 1)"
)


@pytest.mark.parametrize(
    ("raw", "column", "value"),
    [
        (" a ", NAME, "a"),
        (12345671.0, NAME, "12345671"),
        (0.25, PD, 0.25),
        (1, PD, 1.0),
        (dt.datetime(2019, 12, 11, 9), DUE, DAY),
        (" Bullet", TYPE, "bullet"),
        (True, Column("", "", "", "yesno", choices=("yes", "no")), "yes"),
        (" table ", SIZE, "table"),
        (0.5, SIZE, 0.5),
    ],
)
def test_right_cells(raw: Any, column: Column, value: Any) -> None:
    found = clean(raw, column)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    ("raw", "column", "rule"),
    [
        (ERROR, NAME, "must hold a value, not an error: mend its formula, or type a value"),
        ("two", PD, "must be a number"),
        (True, PD, "must be a number"),
        (DAY, PD, "must be a number"),
        (2.0, PD, "must be between 0 and 1"),
        ("5%", PD, TEXT_NUMBER),
        ("0.5 ", SIZE, TEXT_NUMBER),
        (False, SIZE, "must be a number"),
        ("monthly", TYPE, "must be one of: bullet, annuity"),
        (3.0, TYPE, "must be one of: bullet, annuity"),
        ("soon", DUE, "must be a date, such as 2019-12-11"),
        (43810.0, DUE, "must be a date, such as 2019-12-11"),
        ("2019-12-11", DUE, TEXT_DATE),
    ],
)
def test_wrong_cells(raw: Any, column: Column, rule: str) -> None:
    found = clean(raw, column)
    assert isinstance(found, Wrong)
    assert found.rule == rule


LIKE_NUMBERS = "1,234|0.05 |5%|１２３|１，２３４．５|1 234,5|1\u202f234,5|1.234,56|(1,234)|−3|- 5|+.5|7.|1e5"
LIKE_NUMBERS += "|¥ 1,234|$5|5 ％|'5|1'234.5|\u300042"
NO_NUMBERS = "two|| |-|%|$|1-2|1.2.3|11.12.2019|2019-12-11|5 apples|x5|1e|(5|nan"


@pytest.mark.parametrize("text", LIKE_NUMBERS.split("|"))
def test_texts_that_look_like_numbers(text: str) -> None:
    assert looks_like_a_number(text)


@pytest.mark.parametrize("text", NO_NUMBERS.split("|"))
def test_texts_that_do_not(text: str) -> None:
    assert not looks_like_a_number(text)


FULL_WIDTH = str.maketrans("0123456789.,-%", "０１２３４５６７８９．，－％")
CONTINENTAL = str.maketrans(",.", ".,")


@given(st.floats(-1e15, 1e15), st.integers(0, 6))
def test_numbers_look_like_numbers_however_they_are_written(x: float, digits: int) -> None:
    plain = f"{x:,.{digits}f}"
    for text in (repr(x), plain, f"{plain}%", f" {plain} ", plain.replace(",", " ")):
        for written in (text, text.translate(CONTINENTAL), text.translate(FULL_WIDTH)):
            assert looks_like_a_number(written), written


@given(st.dates(dt.date(1900, 1, 1), dt.date(2199, 12, 31)))
def test_dates_look_like_dates_however_they_are_written(date: dt.date) -> None:
    year, month, day = date.year, date.month, date.day
    texts = [f"{year}{c}{month}{c}{day}" for c in "-/."] + [f"{day}{c}{month:02}{c}{year}" for c in "-/."]
    texts += [date.isoformat(), f"{date} 00:00:00", f"{year}年{month}月{day}日", f"{date:%d %b %Y}"]
    texts += [f"{date:%B} {day}, {year}", f"{date:%d-%b-%y}", f" {date} "]
    for text in texts:
        assert looks_like_a_date(text), text
        assert not looks_like_a_number(text), text


@pytest.mark.parametrize("text", ["soon", "", "12", "1,234", "2019", "2019-12", "1-2-3-4", "Q4 2019"])
def test_texts_that_are_no_dates(text: str) -> None:
    assert not looks_like_a_date(text)


# -------------------------------------------------------------------------------- blank rows


@pytest.mark.parametrize(
    "cells",
    [
        {},
        {"name": "  ", "note": ""},
        {"share": 0.0, "dd": 4.5},  # formulas and results only
        {"share": ERROR},
        {"pd": 0.0, "type": "", "due": ERROR},  # inputs by formula, of a row that is not there
        {"pd": NO_VALUE},
    ],
)
def test_rows_that_say_nothing(cells: dict[str, Any]) -> None:
    nothing = [cells.get(c.field) for c in SPEC.columns]
    table = filled(table_of(GOOD, nothing, GOOD, nothing), SPEC)
    assert list(table.places) == [0, 2]
    assert table.cell(1, "PD") == "D9"


@pytest.mark.parametrize(
    "cells",
    [
        {"name": "a"},
        {"note": "ask"},
        {"due": DAY},
        {"pd": 0.02},
        {"pd": False},
        # A row of errors alone is a broken link, and no blank row: it is named, not dropped.
        {"name": ERROR, "share": ERROR, "pd": ERROR, "due": ERROR, "type": ERROR},
        {"name": 0.0, "share": 0.0, "pd": 0.0, "due": 0.0, "type": 0.0},
    ],
)
def test_rows_that_say_something(cells: dict[str, Any]) -> None:
    something = [cells.get(c.field) for c in SPEC.columns]
    assert list(filled(table_of(something), SPEC).places) == [0]


def test_a_zero_is_something_where_no_input_is_needed() -> None:
    spec = TableSpec("tbl_T", "Sheet", "", "", (dataclasses.replace(PD, blank=True), NOTE))
    table = table_of([0.0, None], [None, None], header=("PD", "Note"))
    assert list(filled(table, spec).places) == [0]


def test_columns_of_the_user_make_no_row_filled_unless_they_are_asked_for() -> None:
    table = table_of([*BLANK, 5.0], header=(*HEADER, "2019-12-11"))
    assert filled(table, SPEC).rows == []
    assert len(filled(table, SPEC, ["2019-12-11"]).rows) == 1


CELLS = st.sampled_from([None, "", 0.02, 1.5, -3.0, "5%", "two", True, ERROR, NO_VALUE, DAY, 0.0])


@given(st.lists(st.integers(0, 8), max_size=6), st.lists(CELLS, min_size=1, max_size=8))
def test_blank_rows_change_neither_values_nor_faults(places: list[int], cells: list[Any]) -> None:
    """Blank rows put anywhere: the same values, and the same faults further down."""
    rows = [row(name=f"n{k}", pd=cell) for k, cell in enumerate(cells)]
    spread: list[tuple[int, list[Any]]] = list(enumerate(rows))
    for place in places:
        spread.insert(min(place, len(spread)), (-1, BLANK))
    moved = {old: new for new, (old, _) in enumerate(spread) if old >= 0}
    told = []
    for table in (table_of(*rows), table_of(*(r for _, r in spread))):
        reader = reader_of(table)
        found = reader.rows(SPEC)
        assert found is not None
        values = reader.values(found, PD)
        for k in range(len(rows)):
            reader.faults(found, SPEC, [Fault("thing", k, "due", None, f"rule {k}")])
        told.append((values, reader.problems(), {found.cell(k, "Due") for k in range(len(rows))}))
    (values, problems, _), (again, others, cells_there) = told
    assert again == values
    assert sum(p.count for p in others) == sum(p.count for p in problems)
    assert cells_there == {f"E{7 + moved[k]}" for k in range(len(rows))}
    assert {p.cell for p in others if p.rule.startswith("rule")} == cells_there


# ------------------------------------------------------------------------------ whole columns


@given(st.lists(CELLS, min_size=1, max_size=30), st.booleans())
def test_columns_read_together_as_cell_by_cell(cells: list[Any], blank: bool) -> None:
    """The slow twin of `numbers`: every cell by itself."""
    column = dataclasses.replace(PD, blank=blank)
    table = table_of(*(row(pd=cell) for cell in cells))
    whole, single = reader_of(table), reader_of(table)
    together = whole.numbers(whole.found("tbl_T"), column)
    found = single.found("tbl_T")
    alone = [single.value(found, k, "PD", column) for k in range(len(cells))]
    np.testing.assert_array_equal(together, np.array(alone, float))
    assert whole.values(found, column) == alone
    counts = [sum(p.count for p in r.problems()) for r in (whole, single)]
    assert (
        counts[0]
        == counts[1]
        == sum(x is None for x in alone) - blank * sum(x is None or x == "" for x in cells)
    )


def test_plain_columns_are_read_without_a_call_per_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(reader_module, "clean", lambda *a: calls.append(a))
    table = table_of(*(row(pd=k / 1000.0) for k in range(1000)))
    found = reader_of(table).numbers(table, PD)
    assert calls == []
    assert found.tolist() == [k / 1000.0 for k in range(1000)]


def test_a_column_that_is_not_there_is_blank() -> None:
    table = table_of(["a"], header=("Name",))
    reader = reader_of(table)
    assert math.isnan(reader.numbers(table, PD)[0])
    assert reader.values(table, DUE) == [None]
    assert reader.problems() == []


# --------------------------------------------------------------------------------- problems


def problems_of(*rows: list[Any], columns: tuple[Column, ...] = SPEC.inputs) -> list[Problem]:
    reader = reader_of(table_of(*rows))
    table = reader.rows(SPEC)
    assert table is not None
    for column in columns:
        reader.values(table, column)
    return reader.problems()


def test_equal_faults_of_a_column_are_one_line() -> None:
    blank = "must not be blank: fill it, or clear the whole row"
    assert problems_of(*[row(pd=None)] * 300) == [Problem("Sheet", "D7", None, blank, 300, "D7:D306")]
    # A gap parts the range, a blank row does so too; the first three ranges are named.
    rows = [row(), BLANK, row(pd=" ")] + [row(pd=None), row()] * 3
    (found,) = problems_of(*rows)
    assert (found.cells, found.count) == ("D9:D10, D12, D14", 4)
    (found,) = problems_of(*[row(pd=None), row()] * 1500)
    assert str(found) == f"Sheet!D7, D9, D11 and 1,497 more: 1,500 cells are blank; {blank}"


def test_different_values_show_the_first_and_the_count() -> None:
    (found,) = problems_of(row(pd=7.0), row(), row(pd=-1.0))
    assert found == Problem("Sheet", "D7", 7.0, "must be between 0 and 1", 2, "D7, D9")


def test_different_kinds_of_values_are_told_apart() -> None:
    found = problems_of(row(pd="two"), row(pd=True), row(pd="three"), row(pd=ERROR), row(pd=NO_VALUE))
    assert [(p.cells, p.value) for p in found] == [
        ("D7, D9", "two"),
        ("D8", True),
        ("D10", ERROR),
        ("D11", NO_VALUE),
    ]
    assert "no saved value" in found[-1].rule


def test_neighbouring_columns_of_the_same_rows_are_one_line() -> None:
    """A row that has no more than its name is one thing to mend."""
    just_named = [value if column is NAME else None for column, value in zip(SPEC.columns, GOOD, strict=True)]
    found = problems_of(row(), just_named, just_named)
    assert [(p.cells, p.count, p.rule) for p in found] == [
        ("D8:F9", 6, "must not be blank: fill it, or clear the whole row")
    ]
    # Other rows, another line.
    found = problems_of(row(pd=None), row(pd=None, due=None))
    assert [(p.cells, p.count) for p in found] == [("D7:D8", 2), ("E8", 1)]


def test_a_cell_is_named_once_for_the_same_rule() -> None:
    table = table_of(row(pd=2.0))
    reader = reader_of(table)
    for _ in range(2):
        reader.numbers(table, PD)
        reader.fail(table, 0, "PD", "another rule")
    assert [(p.cell, p.count, p.rule) for p in reader.problems()] == [
        ("D7", 1, "must be between 0 and 1"),
        ("D7", 1, "another rule"),
    ]


def test_what_is_missing_comes_first() -> None:
    reader = reader_of(table_of(["a", "two"], header=("Name", "PD")))
    table = reader.table(SPEC)
    assert table is not None
    reader.numbers(table, PD)
    assert reader.table(TableSpec("tbl_U", "Other", "Some things", "", (NAME,))) is None
    assert [(p.cell, p.rule) for p in reader.problems()] == [
        ("B6", "table tbl_T has no column 'Due'"),
        ("B6", "table tbl_T has no column 'Type'"),
        (
            "tbl_U",
            "the table is missing (Some things): name it so again, or take it from a new workbook",
        ),
        ("C7", "must be a number"),
    ]


def test_a_single_cell_that_is_needed_has_no_row_to_clear() -> None:
    table = table_of(row(pd=None))
    reader = reader_of(table)
    assert reader.value(table, 0, "PD", PD) is None
    assert [p.rule for p in reader.problems()] == ["must not be blank: enter a value"]
