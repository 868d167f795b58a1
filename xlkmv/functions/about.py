"""What the functions say of themselves: version, self-test, the steps behind a number."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import xlkmv
from xlkmv.errors import InputError
from xlkmv.functions import selftest
from xlkmv.functions.cells import ExcelError, Grid, cell_error, is_blank
from xlkmv.functions.registry import FUNCTIONS, WHOLE, Argument, Function, Rows, table

__all__ = ["KMV_EXPLAIN", "KMV_SELFTEST", "KMV_VERSION"]


@table("Version of xlkmv.", ())
def KMV_VERSION() -> Any:
    return xlkmv.__version__


@table("Published known answers: expected, computed, and whether they agree.", ())
def KMV_SELFTEST() -> Any:
    return _self_test()


@functools.cache
def _self_test() -> list[list[Any]]:
    # A sheet asks for the table cell by cell; its answers never change.
    rows: Rows = [["Source", "What", "Function", "Expected", "Computed", "Relative difference", "Agrees"]]
    for answer in selftest.KNOWN_ANSWERS:
        value = selftest.computed(answer, FUNCTIONS[answer.function])
        if isinstance(value, ExcelError):
            rows.append([answer.source, answer.what, answer.function, answer.expected, str(value), "", False])
            continue
        miss = value / answer.expected - 1.0
        agrees = abs(miss) <= answer.tolerance
        rows.append([answer.source, answer.what, answer.function, answer.expected, value, miss, agrees])
    return rows


@table(
    "The steps from the inputs of a KMV function to its number, or the reason of its error.",
    ("KMV_PD", 120.0, 100.0, 0.25),
)
def KMV_EXPLAIN(function_name: str, *arguments: Any) -> Any:
    function = FUNCTIONS.get(function_name.upper())
    if function is None or function is KMV_EXPLAIN:
        raise InputError("function_name", "must be the name of a KMV function", function_name)
    rows: Rows = [["Step", "Formula", "Value"]]
    try:
        values = function.bind(*arguments)
        rows += [
            [f"Input: {a.name}", a.text, _shown(a, value)]
            for a, value in zip(function.arguments, values, strict=True)
        ]
    except InputError as error:
        wrong = cell_error(error)
        return [*rows, ["Error", wrong.reason, str(wrong)]]
    result = function(*arguments)
    # A table may hold an error in one cell, as where nothing is due yet, and still be explained.
    fault = _first_error([] if function.shape == "table" and isinstance(result, list) else result)
    if fault is not None:
        return [*rows, ["Error", fault.reason, str(fault)]]
    if function.steps is not None:
        rows += [[step.label, step.formula, step.value] for step in function.steps(*_clean(function, values))]
    elif isinstance(result, list):
        rows.append(["Result", function.text, f"{len(result)} rows x {len(result[0])} columns"])
    else:
        rows.append(["Result", function.text, result])
    return rows


def _shown(argument: Argument, value: Any) -> Any:
    cells = list(Grid(argument.name, value).flat())
    if len(cells) > 1:
        return f"{len(cells)} cells"
    if is_blank(cells[0]):
        return "needed, not given" if argument.required else f"{argument.default} (default)"
    return cells[0] if isinstance(cells[0], (str, bool, int, float)) else str(cells[0])


def _first_error(result: Any) -> ExcelError | None:
    cells = itertools.chain.from_iterable(result) if isinstance(result, list) else [result]
    return next((c for c in cells if isinstance(c, ExcelError)), None)


def _clean(function: Function, values: list[Any]) -> list[Any]:
    """Arguments as the computation gets them; of a range only the first cell is explained."""
    if function.shape == "table":
        return function.read(values)
    first = [
        value if a.kind in WHOLE else next(iter(Grid(a.name, value).flat()))
        for a, value in zip(function.arguments, values, strict=True)
    ]
    return function.read(first)
