"""Marks of the inputs: what changes the plan changes a mark, whatever the size of money and rates."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from xlkmv.refresh.marks import input_mark, mark_formula, read_marks, table_mark
from xlkmv.refresh.reader import Reader
from xlkmv.workbook import layout
from xlkmv.workbook.book import FileBook

HEADER = ("Obligor", "Financed amount", "2019-12-11", "2020-03-11")
ROWS: list[list[Any]] = [["A", 10.0, 3.0, 4.0], ["B", 20.0, 5.0, 6.0]]
TOLERANCE = 1e-12  # of a mark, on sheet Checks


def test_marks_worked_by_hand() -> None:
    # Rows weigh 99 991 + (row x 61 803 mod 99 991).
    first, second = 99_991 + 61_803, 99_991 + 123_606 - 99_991
    text = 2 + 7 * 65 + 13 * 66
    assert input_mark([2.5, "AB", None, True]) == first * 2.5 + second * text
    assert input_mark([dt.date(2020, 1, 1)]) == first * 43_831
    assert input_mark([dt.datetime(2020, 1, 1, 12)]) == first * 43_831.5
    # Heading "1": 1 x 49 and nine spaces, (2 + ... + 10) x 32 make 1777, spread 99 991 + 33 813.
    assert 1777 * 61_803 % 99_991 == 33_813
    assert table_mark(("1",), [[3.0], [5.0]]) == 133_804 * (first * 3.0 + second * 5.0)
    assert table_mark(("1", "PD"), [[3.0, 0.5]], ["pd"]) == 133_804 * first * 3.0


def test_marks_of_the_first_edition_worked_by_hand() -> None:
    column = [2.5, dt.date(2020, 1, 1), "AB", None, True]
    assert input_mark(column, spread=False) == 2.5 + 2 * 43_831 + 3 * (2 + 7 * 65 + 13 * 66)
    assert table_mark(("1",), [[3.0], [5.0]], spread=False) == 1777 * (3.0 + 2 * 5.0)


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        pytest.param(HEADER, [["A", 10.0, 4.0, 3.0], ROWS[1]], id="money on another date"),
        pytest.param(HEADER, [["A", 10.0, 0.0, 7.0], ROWS[1]], id="payment late"),
        pytest.param(HEADER, [["A", 10.0, 5.0, 4.0], ["B", 20.0, 3.0, 6.0]], id="of another"),
        pytest.param((*HEADER[:3], "2020-04-11"), ROWS, id="another date"),
        pytest.param(HEADER, [ROWS[0]], id="a row less"),
    ],
)
def test_what_changes_the_plan_changes_the_mark(header: tuple[str, ...], rows: list[list[Any]]) -> None:
    assert table_mark(header, rows) != pytest.approx(table_mark(HEADER, ROWS), rel=TOLERANCE)


@pytest.mark.parametrize("money", [0.1, 1e5, 1e9])
@pytest.mark.parametrize("count", [11, 100_000])
def test_a_small_change_of_one_obligor_counts(money: float, count: int) -> None:
    """One basis point of its PD, and a thousandth of one of its payments, whatever the unit of money."""
    pds = [0.004 * (1 + k % 7) for k in range(count)]
    rows = [[money * (1 + k % 7), money, money] for k in range(count)]
    mark, pd_mark = table_mark(HEADER[1:], rows), input_mark(pds)
    for row in (0, count // 2, count - 1):
        moved = list(pds)
        moved[row] += 1e-4
        assert input_mark(moved) != pytest.approx(pd_mark, rel=TOLERANCE)
        paid = list(rows)
        paid[row] = [rows[row][0], money, money * 1.001]
        assert table_mark(HEADER[1:], paid) != pytest.approx(mark, rel=TOLERANCE)


def test_columns_may_change_places() -> None:
    order = (2, 0, 3, 1)
    moved = [[row[k] for k in order] for row in ROWS]
    assert table_mark([HEADER[k] for k in order], moved) == table_mark(HEADER, ROWS)


def test_a_mark_costs_one_product_a_cell_and_a_blank_column_nothing() -> None:
    numbers = mark_formula("tbl_Pool", "")
    assert numbers.count("*(ROW") == 0 and numbers.count("ROW(tbl_Pool[#Data])") == 2
    assert all(f'(tbl_Pool[#Headers]<>"{text}")' in numbers for text in ("Share", "PD", "Obligor"))
    assert '"Financed amount"' not in numbers
    words = mark_formula("tbl_Pool", "Rating")
    assert words.startswith("=IF(ISERROR(ROWS(tbl_Pool[Rating])),0,IF(COUNTA(tbl_Pool[Rating])=0,0,")


def test_one_cell_has_the_mark_of_a_column_with_one_row(shipped_book: Path) -> None:
    book = FileBook(shipped_book)
    book.write_name(layout.HEADLINE_CLASS, "Senior")
    marks = {(table, column): mark for table, column, mark in read_marks(Reader(book))}
    for name, header in layout.input_columns():
        if header == layout.ONE_CELL:
            assert marks[name, header] == input_mark(["Senior"])
