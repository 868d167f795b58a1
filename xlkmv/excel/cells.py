"""Spreadsheet values: what a cell may hand to Python, and the errors it may get back."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from xlkmv.errors import ConvergenceError, DomainError, InputError, MissingError, XlkmvError

__all__ = ["ExcelError", "Grid", "cell_error", "number_cell", "reject", "to_cell", "to_rows"]


# Some hosts hand an error cell over as its text.
ERROR_TEXTS = frozenset({"#N/A", "#NUM!", "#VALUE!", "#DIV/0!", "#REF!", "#NAME?", "#NULL!"})


class ExcelError:
    """An Excel error value with the reason for it.

    Parameters
    ----------
    code : {"#VALUE!", "#NUM!", "#N/A"}
        What the cell shows.
    reason : str
        Why, in one sentence that names the argument, the rule and the value.
    """

    __slots__ = ("code", "reason")

    CODES = ("#VALUE!", "#NUM!", "#N/A")

    def __init__(self, code: str, reason: str) -> None:
        if code not in self.CODES:
            raise ValueError(f"code must be one of {', '.join(self.CODES)} (got {code!r})")
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return self.code

    def __repr__(self) -> str:
        return f"ExcelError({self.code!r}, {self.reason!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ExcelError) and (self.code, self.reason) == (other.code, other.reason)

    def __hash__(self) -> int:
        return hash((self.code, self.reason))


def cell_error(error: BaseException) -> ExcelError:
    """Translate an exception into the error value that a cell shows."""
    if isinstance(error, MissingError):
        return ExcelError("#N/A", str(error))
    if isinstance(error, (DomainError, ConvergenceError)):
        return ExcelError("#NUM!", str(error))
    if isinstance(error, (InputError, XlkmvError)):
        return ExcelError("#VALUE!", str(error))
    return ExcelError("#VALUE!", f"{type(error).__name__}: {error}")


def reject(name: str, value: Any) -> ExcelError | None:
    """Tell why a single cell is no usable number, or None when it is one.

    Blank cells are not judged here: a default may take their place.
    """
    if value is None or (isinstance(value, (int, float, np.number)) and not isinstance(value, bool)):
        return None
    if isinstance(value, ExcelError):
        return ExcelError(
            value.code, f"{name} is {value} ({value.reason})" if value.reason else f"{name} is {value}"
        )
    if isinstance(value, str) and value.strip() in {
        "#N/A",
        "#NUM!",
        "#VALUE!",
        "#DIV/0!",
        "#REF!",
        "#NAME?",
        "#NULL!",
    }:
        text = value.strip()
        return ExcelError(text if text in ExcelError.CODES else "#VALUE!", f"{name} is {text}")
    if isinstance(value, (bool, np.bool_)):
        kind = "TRUE or FALSE"
    elif isinstance(value, (dt.date, dt.datetime)):
        kind = "a date"
    else:
        kind = "text"
    return cell_error(InputError(name, f"must be a number, not {kind}", value))


def number_cell(name: str, value: Any) -> float | ExcelError | None:
    """One cell as a number, as an error, or None when it is blank (empty text counts as blank)."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    return reject(name, value) or float(value)


class Grid:
    """One argument of a worksheet function as a rectangle of cells.

    Attributes
    ----------
    cells : list of list
        Rows of raw values; one row with one cell for a scalar.
    is_range : bool
        Whether the argument came as a range: the result then has to be one too.
    """

    __slots__ = ("cells", "is_range")

    def __init__(self, name: str, value: Any) -> None:
        if isinstance(value, np.ndarray):
            value = value.tolist()
        self.is_range = isinstance(value, (list, tuple))
        if not self.is_range:
            self.cells: Sequence[Sequence[Any]] = [[value]]
            return
        rows = value if value and isinstance(value[0], (list, tuple)) else [value]
        if not rows or not rows[0] or any(len(row) != len(rows[0]) for row in rows):
            raise InputError(name, "must be a rectangular range of cells")
        self.cells = rows

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns."""
        return len(self.cells), len(self.cells[0])

    def flat(self) -> Iterable[Any]:
        """All cells, row by row."""
        return itertools.chain.from_iterable(self.cells)

    def floats(self) -> np.ndarray | None:
        """Return the cells as a float array when every one is a plain number, else None."""
        # bool is a number to numpy but not to a reader of the sheet, so types are looked at.
        if set(map(type, self.flat())) <= {float, int, np.float64}:
            return np.array(self.cells, dtype=np.float64)
        return None


def to_cell(value: Any) -> Any:
    """One result as a cell: never NaN, infinity or blank."""
    if isinstance(value, (ExcelError, str, bool)):
        return value
    if value is None:
        return ExcelError("#N/A", "no value")
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (dt.date, dt.datetime)):
        return value
    number = float(value)
    if np.isfinite(number):
        return number
    return ExcelError(
        "#N/A" if np.isinf(number) else "#NUM!", "infinite" if np.isinf(number) else "no number results"
    )


def to_rows(table: Iterable[Iterable[Any]]) -> list[list[Any]]:
    """Rows of results as rows of cells."""
    return [[to_cell(value) for value in row] for row in table]
