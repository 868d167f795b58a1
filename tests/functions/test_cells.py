"""Cells: what a sheet hands over, and the error values it gets back."""

from __future__ import annotations

import datetime as dt
import decimal

import numpy as np
import pytest

from xlkmv.errors import BookError, ConvergenceError, DomainError, InputError, MissingError
from xlkmv.functions.cells import (
    ExcelError,
    Grid,
    cell_error,
    is_blank,
    number_cell,
    passed_on,
    reject,
    to_cell,
)
from xlkmv.functions.cells import to_rows as rows_of


@pytest.mark.parametrize("code", ["#VALUE!", "#NUM!", "#N/A"])
def test_error_shows_its_code_and_carries_its_reason(code: str) -> None:
    error = ExcelError(code, "volatility must be > 0 (got 0)")
    assert str(error) == code
    assert error.reason == "volatility must be > 0 (got 0)"
    assert error == ExcelError(code, "volatility must be > 0 (got 0)")
    assert error != ExcelError(code, "another")
    assert len({error, ExcelError(code, "volatility must be > 0 (got 0)")}) == 1


def test_error_of_another_code_is_refused() -> None:
    with pytest.raises(ValueError, match="#DIV/0!"):
        ExcelError("#DIV/0!", "")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MissingError("pd", "is needed", None), "#N/A"),
        (DomainError("pd", "must be > 0", 0), "#NUM!"),
        (ConvergenceError("no solution"), "#NUM!"),
        (InputError("pd", "must be a number", "x"), "#VALUE!"),
        (BookError("no"), "#VALUE!"),
        (ZeroDivisionError("division by zero"), "#VALUE!"),
    ],
)
def test_exceptions_become_error_values(error: Exception, code: str) -> None:
    cell = cell_error(error)
    assert str(cell) == code
    assert str(error) in cell.reason


@pytest.mark.parametrize(
    "value", [1, 1.5, -3, np.float64(2.0), np.float32(0.5), np.int64(7), decimal.Decimal("1.25"), None]
)
def test_numbers_and_blanks_are_not_rejected(value: object) -> None:
    assert reject("x", value) is None
    assert number_cell("x", value) == (None if value is None else float(value))


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (True, "TRUE or FALSE"),
        (np.bool_(False), "TRUE or FALSE"),
        (dt.date(2020, 1, 1), "a date"),
        (dt.datetime(2020, 1, 1, 12), "a date"),
        (dt.time(12), "a date"),
        ("ten", "text"),
        (1 + 2j, "a complex"),
        ([1.0], "a list"),
    ],
)
def test_other_kinds_are_value_errors_that_name_the_kind(value: object, kind: str) -> None:
    error = number_cell("drift", value)
    assert isinstance(error, ExcelError)
    assert str(error) == "#VALUE!"
    assert error.reason.startswith(f"drift must be a number, not {kind}")


def test_errors_pass_through_with_their_reason() -> None:
    first = number_cell("pd", ExcelError("#N/A", "asset_value is needed"))
    assert isinstance(first, ExcelError)
    assert str(first) == "#N/A"
    assert first.reason == "pd is #N/A (asset_value is needed)"
    assert passed_on("pd", ExcelError("#NUM!", "")) == ExcelError("#NUM!", "pd is #NUM!")
    assert passed_on("pd", " #N/A ") == ExcelError("#N/A", "pd is #N/A")
    assert passed_on("pd", "#DIV/0!") == ExcelError("#VALUE!", "pd is #DIV/0!")
    assert passed_on("pd", "N/A") is None


@pytest.mark.parametrize(
    ("value", "blank"), [(None, True), ("", True), (" ", True), (0, False), ("0", False)]
)
def test_blank_is_nothing_or_empty_text(value: object, blank: bool) -> None:
    assert is_blank(value) is blank


@pytest.mark.parametrize("value", [10**400, -(10**400), decimal.Decimal("sNaN")])
def test_numbers_that_no_float_holds_are_errors(value: object) -> None:
    assert isinstance(number_cell("x", value), ExcelError)


@pytest.mark.parametrize(
    ("value", "shape", "is_range"),
    [
        (1.0, (1, 1), False),
        (None, (1, 1), False),
        ([[1.0]], (1, 1), True),
        ([1.0, 2.0], (1, 2), True),
        ([[1.0], [2.0]], (2, 1), True),
        (((1.0, 2.0), (3.0, 4.0)), (2, 2), True),
        (np.arange(6.0).reshape(2, 3), (2, 3), True),
        (np.array(3.0), (1, 1), False),
    ],
)
def test_grid_shape(value: object, shape: tuple[int, int], is_range: bool) -> None:
    grid = Grid("x", value)
    assert grid.shape == shape
    assert grid.is_range is is_range
    assert len(list(grid.flat())) == shape[0] * shape[1]


@pytest.mark.parametrize("value", [[], [[]], [[1.0], [1.0, 2.0]], [[1.0], 2.0], [1.0, [2.0]], [[], [1.0]]])
def test_grid_refuses_what_is_no_rectangle(value: object) -> None:
    with pytest.raises(InputError, match="x must be a rectangular range of cells"):
        Grid("x", value)


def test_grid_gives_floats_only_for_plain_numbers() -> None:
    np.testing.assert_array_equal(Grid("x", [[1, 2.5]]).floats(), [[1.0, 2.5]])
    for cell in (True, None, "1", 10**400, dt.date(2020, 1, 1)):
        assert Grid("x", [[1.0, cell]]).floats() is None


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (1, 1),
        (np.int64(3), 3),
        (np.float64(0.5), 0.5),
        (np.array(0.25), 0.25),
        (np.bool_(True), True),
        ("text", "text"),
    ],
)
def test_results_become_plain_cells(value: object, cell: object) -> None:
    assert to_cell(value) == cell
    assert type(to_cell(value)) is type(cell)


@pytest.mark.parametrize(
    ("value", "code"), [(np.nan, "#NUM!"), (np.inf, "#NUM!"), (-np.inf, "#NUM!"), (None, "#N/A")]
)
def test_what_is_no_number_becomes_an_error_with_a_reason(value: object, code: str) -> None:
    cell = to_cell(value)
    assert isinstance(cell, ExcelError)
    assert str(cell) == code
    assert cell.reason


def test_rows_become_lists_of_cells() -> None:
    assert rows_of(np.array([[1.0, 2.0]])) == [[1.0, 2.0]]
    assert rows_of([("a", 1)]) == [["a", 1]]
