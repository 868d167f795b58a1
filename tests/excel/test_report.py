"""The marks by which a sheet knows, without Python, that an input has changed."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from xlkmv.excel.report import input_mark, table_mark

HEADER = ("Obligor", "Amount", "2019-12-11", "2020-03-11")
ROWS: list[list[Any]] = [["A", 10.0, 3.0, 4.0], ["B", 20.0, 5.0, 6.0]]


def test_marks_worked_by_hand() -> None:
    # 1 x 2.5 + 2 x day 43 831 + 3 x (length 2 + 7 x 65 + 13 x 66) + 4 x nothing + 5 x nothing
    column = [2.5, dt.date(2020, 1, 1), "AB", None, True]
    assert input_mark(column) == 2.5 + 2 * 43_831 + 3 * (2 + 7 * 65 + 13 * 66)
    # Heading "1": 1 x 49 and nine spaces, (2 + ... + 10) x 32; rows count 1 and 2.
    assert table_mark(("1",), [[3.0], [5.0]]) == (49 + 54 * 32) * (3.0 + 2 * 5.0)


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        pytest.param(HEADER, [["A", 10.0, 4.0, 3.0], ROWS[1]], id="money on another date"),
        pytest.param(HEADER, [["A", 10.0, 0.0, 7.0], ROWS[1]], id="payment late"),
        pytest.param(HEADER, [["A", 10.0, 5.0, 4.0], ["B", 20.0, 3.0, 6.0]], id="of another obligor"),
        pytest.param((*HEADER[:3], "2020-04-11"), ROWS, id="another date"),
        pytest.param(HEADER, [ROWS[0]], id="a row less"),
    ],
)
def test_what_changes_the_plan_changes_the_mark(header: tuple[str, ...], rows: list[list[Any]]) -> None:
    assert table_mark(header, rows) != table_mark(HEADER, ROWS)


def test_columns_may_change_places() -> None:
    order = (2, 0, 3, 1)
    moved = [[row[k] for k in order] for row in ROWS]
    assert table_mark([HEADER[k] for k in order], moved) == table_mark(HEADER, ROWS)


def test_what_a_formula_shows_is_no_input() -> None:
    header, shares = (*HEADER, "Share"), [[*row, share] for row, share in zip(ROWS, (0.3, None), strict=True)]
    assert table_mark(header, shares) == table_mark(HEADER, ROWS)
    # The first edition asked for them.
    assert table_mark(header, shares, "") != table_mark(HEADER, ROWS)
