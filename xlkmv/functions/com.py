"""What crosses COM between Excel and Python: cells in, results out.

Excel hands over a number as float, a blank as None, an error cell and a missing argument as
an int that no number in a cell can be, a range as a tuple of rows. Python cannot hand an
error value back, so it goes out as an :class:`ErrorText`: plain xlwings shows the text, and
our own server (:func:`marked`) marks it for the VBA wrapper, which turns it into a true error.
Nothing here needs Windows.
"""

from __future__ import annotations

import datetime as dt
import decimal
import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from xlkmv.functions.cells import ExcelError

__all__ = ["ERROR_CODES", "MARK", "MISSING", "ErrorText", "from_com", "marked", "to_com"]

MISSING = -2147352572
"""DISP_E_PARAMNOTFOUND: an optional argument that was not given."""

ERROR_CODES = {
    -2146826288: "#NULL!",
    -2146826281: "#DIV/0!",
    -2146826273: "#VALUE!",
    -2146826265: "#REF!",
    -2146826259: "#NAME?",
    -2146826252: "#NUM!",
    -2146826246: "#N/A",
}

MARK = "\x01"
"""Begins a text that stands for an error value; no cell can hold this character by typing."""

# What both sides understand as it is.
_PLAIN_IN = {float, str, type(None), bool}
_PLAIN_OUT = {float, str, bool}


class ErrorText(str):
    """Text of an error value on its way to Excel."""

    __slots__ = ()


def from_com(value: Any) -> Any:
    """Turn an argument as COM delivers it into raw cells, as the registry reads them.

    Parameters
    ----------
    value : object
        One value, a tuple of rows (a range), or a tuple of values (an array made in VBA).

    Returns
    -------
    object
        Float, text, bool, datetime, None (blank or missing), ExcelError. A range comes back as it
        came, or in lists when any of its cells had to be converted.
    """
    if type(value) in _PLAIN_IN:
        return value
    if isinstance(value, (tuple, list)):
        rows: Iterable[Any] = value
        nested = bool(value) and isinstance(value[0], (tuple, list))
        if set(map(type, itertools.chain.from_iterable(value) if nested else value)) <= _PLAIN_IN:
            return value
        return [[_cell(cell) for cell in row] for row in rows] if nested else [_cell(cell) for cell in rows]
    return _cell(value)


def _cell(value: Any) -> Any:
    if type(value) in _PLAIN_IN:
        return value
    if isinstance(value, int):
        if value == MISSING:
            return None
        code = ERROR_CODES.get(value)
        if code is None:
            return float(value)
        # Error values without a class of their own are told by their text.
        return ExcelError(code, "") if code in ExcelError.CODES else code
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=None)
    return value


def to_com(result: Any) -> list[list[Any]]:
    """Turn the result of a worksheet function into rows that COM can carry."""
    rows = result if isinstance(result, list) else [[result]]
    if set(map(type, itertools.chain.from_iterable(rows))) <= _PLAIN_OUT:
        return rows
    return [[_out(cell) for cell in row] for row in rows]


def _out(value: Any) -> Any:
    if isinstance(value, ExcelError):
        return ErrorText(value.code)
    if isinstance(value, (bool, str)):
        return value
    return ErrorText("#N/A") if value is None else float(value)


def marked(rows: Sequence[Sequence[Any]]) -> Any:
    """Answer of the server: one value, rows, or marked rows when an error value is among them.

    Marked rows have one row more at the top, whose first cell is :data:`MARK` alone; error
    values are their text behind a :data:`MARK`. Rows without errors pass untouched, so that
    the wrapper need not look at their cells.
    """
    if len(rows) == 1 and len(rows[0]) == 1:
        value = rows[0][0]
        return MARK + value if type(value) is ErrorText else value
    if ErrorText not in set(map(type, itertools.chain.from_iterable(rows))):
        return rows
    head = [MARK, *[""] * (len(rows[0]) - 1)]
    return [head, *([MARK + c if type(c) is ErrorText else c for c in row] for row in rows)]
