"""Spreadsheet values: what a cell may hand to Python, and the errors it may get back."""

from __future__ import annotations

import contextlib
import datetime as dt
import decimal
import itertools
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from xlkmv.errors import ConvergenceError, DomainError, InputError, MissingError, XlkmvError
from xlkmv.phrase import Phrase

__all__ = [
    "ExcelError",
    "Grid",
    "cell_error",
    "is_blank",
    "number_cell",
    "passed_on",
    "reject",
    "to_cell",
    "to_rows",
]


# Some hosts hand an error cell over as its text.
ERROR_TEXTS = frozenset({"#N/A", "#NUM!", "#VALUE!", "#DIV/0!", "#REF!", "#NAME?", "#NULL!"})
# Currency cells may come as decimals.
NUMBERS = (int, float, np.integer, np.floating, decimal.Decimal)


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

    CODES: ClassVar[tuple[str, ...]] = ("#VALUE!", "#NUM!", "#N/A")

    def __init__(self, code: str, reason: str) -> None:
        if code not in self.CODES:
            raise ValueError(f"code must be one of {', '.join(self.CODES)} (got {code!r})")
        self.code: str = code
        self.reason: str = reason

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


def passed_on(name: str, value: Any) -> ExcelError | None:
    """Return the error that a cell already holds, to be shown by what depends on it, or None."""
    if isinstance(value, ExcelError):
        return ExcelError(value.code, f"{name} is {value}" + (f" ({value.reason})" if value.reason else ""))
    if isinstance(value, str) and (text := value.strip()) in ERROR_TEXTS:
        return ExcelError(text if text in ExcelError.CODES else "#VALUE!", f"{name} is {text}")
    return None


def reject(name: str, value: Any) -> ExcelError | None:
    """Tell why a single cell is no usable number, or None when it is one.

    Blank cells are not judged here: a default may take their place.
    """
    if value is None or (isinstance(value, NUMBERS) and not isinstance(value, bool)):
        return None
    error = passed_on(name, value)
    if error is not None:
        return error
    if isinstance(value, (bool, np.bool_)):
        kind = "TRUE or FALSE"
    elif isinstance(value, (dt.date, dt.time, dt.timedelta, np.datetime64)):
        kind = "a date"
    elif isinstance(value, str):
        kind = "text"
    else:
        kind = f"a {type(value).__name__}"
    return cell_error(InputError(name, Phrase("must be a number, not {kind}", kind=kind), value))


def is_blank(value: Any) -> bool:
    """Tell whether a cell holds nothing; empty text, as formulas leave it, counts as nothing."""
    return value is None or (isinstance(value, str) and not value.strip())


def number_cell(name: str, value: Any) -> float | ExcelError | None:
    """One cell as a number, as an error, or None when it is blank (empty text counts as blank)."""
    if is_blank(value):
        return None
    rejected = reject(name, value)
    if rejected is not None:
        return rejected
    try:
        return float(value)
    except OverflowError:  # an integer beyond every float
        return cell_error(DomainError(name, "must be a finite number"))
    except (TypeError, ValueError):
        return cell_error(InputError(name, "must be a number", value))


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
        self.is_range: bool = isinstance(value, (list, tuple))
        if not self.is_range:
            self.cells: Sequence[Sequence[Any]] = [[value]]
            return
        rows = value if any(isinstance(row, (list, tuple)) for row in value) else [value]
        widths = set(map(len, rows)) if set(map(type, rows)) <= {list, tuple} else set()
        if len(widths) != 1 or widths == {0}:
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
            with contextlib.suppress(OverflowError):  # an integer beyond every float
                # One pass over the cells is several times faster than numpy's search for nesting.
                return np.fromiter(self.flat(), np.float64).reshape(self.shape)
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
    number = float(value)
    if np.isfinite(number):
        return number
    return ExcelError("#NUM!", "the result is infinite" if np.isinf(number) else "no number results")


def to_rows(table: Iterable[Iterable[Any]]) -> list[list[Any]]:
    """Rows of results as rows of cells."""
    return [[to_cell(value) for value in row] for row in table]
