"""The worksheet functions: the contract that each of them keeps, and published values."""

from __future__ import annotations

import datetime as dt
import inspect
import math
import re
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import xlkmv
from xlkmv import functions
from xlkmv.functions import (
    KMV_ANYDATE_PD,
    KMV_BREAKEVEN_VOL,
    KMV_DD,
    KMV_DEFAULT_POINT,
    KMV_EXPLAIN,
    KMV_LINEAR_DD,
    KMV_PD,
    KMV_POOL,
    KMV_SAFE_ISSUE,
    KMV_SCENARIO,
    KMV_SUPPORT_PD,
    KMV_VERSION,
)
from xlkmv.functions.cells import ExcelError
from xlkmv.functions.registry import FUNCTIONS, Function

# What was promised: name, arguments in order, defaults. After "..." further arguments may follow.
CONTRACT = """
KMV_DD(asset_value, default_point, volatility, horizon=1, drift=0)
KMV_PD(asset_value, default_point, volatility, horizon=1, drift=0, method=terminal)
KMV_LINEAR_DD(asset_value, default_point, volatility)
KMV_NAIVE_DD(equity, debt, equity_volatility, horizon=1, drift=0)
KMV_DEFAULT_POINT(short_term, long_term, weight=0.5)
KMV_ASSET_VALUE(equity, default_point, equity_volatility, horizon=1, rate=0)
KMV_ASSET_VOL(equity, default_point, equity_volatility, horizon=1, rate=0)
KMV_ASSETS(equity, default_point, equity_volatility, horizon=1, rate=0)
KMV_EQUITY(asset_value, default_point, volatility, horizon=1, rate=0)
KMV_SPREAD(asset_value, default_point, volatility, horizon=1, rate=0)
KMV_RECOVERY(asset_value, default_point, volatility, horizon=1, rate=0)
KMV_TERM(asset_value, default_point, volatility, horizons, drift=0, method=terminal)
KMV_FIT(equity_values, default_point, rate=0, periods_per_year=250, horizon=1, method=mle)
KMV_VOLATILITY(flows, periods_per_year=1, plan=None)
KMV_EDF(dd, mapping)
KMV_RATING(pd, scale)
KMV_POOL(collections, dues, volatility, periods_per_year=4, drift=0)
KMV_ANYDATE_PD(collections, dues, volatility, periods_per_year=4, drift=0)
KMV_SAFE_ISSUE(asset_value, target_pd, volatility, horizon=1, drift=0)
KMV_BREAKEVEN_VOL(asset_value, default_point, target_pd, horizon=1, drift=0)
KMV_SUPPORT_PD(pd, support_pd, correlation=0)
KMV_GUARANTEE(asset_value, default_point, volatility, horizon=1, rate=0)
KMV_SCENARIO(collections, dues, volatility, scenarios, periods_per_year=4, drift=0)
KMV_COVENANT(values, threshold, volatility, periods_per_year=4, drift=0, side=min)
KMV_LOSS_QUANTILE(pd, correlation, level)
KMV_TRANCHE_EL(attach, detach, pd, correlation, lgd=0.45)
KMV_CONCENTRATION(exposures)
KMV_WATERFALL(collections, tranches, options=None)
KMV_CREDITRISKPLUS(exposures, pds, pd_sds, levels=(0.99, 0.999), unit=None)
KMV_CREDITMETRICS(exposures, ...)
KMV_PORTFOLIOVIEW(exposures, ...)
KMV_LOSSES(exposures, ...)
KMV_BACKTEST(pds, defaults, metric=all)
KMV_PRIVATE_PD(earnings, short_term, long_term, peers, horizon=1, drift=0, weight=0.5, ...)
KMV_HISTORY_PD(defaults, obligor_years, level=0.9)
KMV_LOW_DEFAULT_PD(obligors, defaults, confidence, correlation=0, years=1, time_correlation=0)
KMV_PLEDGE_RECOVERY(pledge_value, claim, volatility, horizon=1, drift=0, discount=0, sale_time=0, pd=1, ...)
KMV_ASSET_CORRELATION(pd, sales=50)
KMV_RISK_WEIGHT(pd, lgd=0.45, maturity=2.5, sales=50)
KMV_LELAND(asset_value, volatility, rate=0.06, bankruptcy_cost=0.5, tax=0.35)
KMV_EXPLAIN(function_name, arguments)
KMV_VERSION()
KMV_SELFTEST()
"""
PROMISED = {line.split("(")[0]: line for line in CONTRACT.split("\n") if line}
BY_CELL = [f for f in FUNCTIONS.values() if f.shape != "table"]
TABLES = [f for f in FUNCTIONS.values() if f.shape == "table"]
# A function whose first argument is used cell by cell, and whose arguments are all numbers or options.
PLAIN = [f for f in BY_CELL if {a.kind for a in f.arguments} <= {"number", "option"} and f.shape == "cells"]


def every(group: list[Function]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("function", group, ids=lambda f: f.name)


def as_excel(function: Function) -> list[Any]:
    """Arguments of the example as a sheet hands them over: a range is a list of rows."""
    out: list[Any] = []
    for value in function.example:
        if not isinstance(value, tuple):
            out.append(value)
        else:
            out.append([list(r) for r in value] if isinstance(value[0], tuple) else [list(value)])
    return out


def cells_of(result: Any) -> list[Any]:
    return [cell for row in result for cell in row] if isinstance(result, list) else [result]


def assert_sound(result: Any) -> None:
    """A cell, or a rectangle of cells; no NaN, no infinity, no blank, nothing else."""
    if isinstance(result, list):
        assert result
        assert all(isinstance(row, list) and len(row) == len(result[0]) > 0 for row in result)
    for cell in cells_of(result):
        assert isinstance(cell, (ExcelError, str, bool, int, float, dt.date)), repr(cell)
        if isinstance(cell, float):
            assert math.isfinite(cell)
        if isinstance(cell, ExcelError):
            assert cell.reason
            assert str(cell) in {"#VALUE!", "#NUM!", "#N/A"}


# ---------------------------------------------------------------------------- the promise


@pytest.mark.parametrize("name", PROMISED)
def test_names_order_and_defaults_are_those_promised(name: str) -> None:
    shown = [
        a.name
        if a.default is inspect.Parameter.empty
        else f"{a.name}={a.default:g}"
        if isinstance(a.default, (int, float))
        else f"{a.name}={a.default}"
        for a in FUNCTIONS[name].arguments
    ]
    start, more, _ = PROMISED[name].partition("...")
    found = f"{name}({', '.join(shown)})"
    assert found.startswith(start) if more else found == start


@every(list(FUNCTIONS.values()))
def test_texts_name_the_defaults_that_blanks_take(function: Function) -> None:
    for argument in function.arguments:
        said = re.search(r"Blank: (.+?)\.(?:$| )", argument.text)
        default = argument.default
        if said and isinstance(default, (int, float, str)):
            assert said[1] == (default if isinstance(default, str) else f"{default:g}")


@every(list(FUNCTIONS.values()))
def test_module_exports_the_registered_object(function: Function) -> None:
    assert getattr(functions, function.name) is function
    assert function.name in functions.__all__


# ------------------------------------------------------------------------ shapes and kinds


@every(list(FUNCTIONS.values()))
def test_example_computes_without_error(function: Function) -> None:
    result = function(*as_excel(function))
    assert_sound(result)
    assert not [c for c in cells_of(result) if isinstance(c, ExcelError)]
    assert isinstance(result, list) == (function.shape != "cells" and function.name not in SINGLE)


SINGLE = {f.name for f in TABLES if not isinstance(f(*as_excel(f)), list)}


@every(PLAIN)
def test_shapes_follow_the_inputs(function: Function) -> None:
    first, second, *rest = function.example
    one = function(first, second, *rest)
    assert not isinstance(one, (list, ExcelError))
    if isinstance(one, float):  # some processors round the last digit of few numbers otherwise than of one
        one = pytest.approx(one, rel=1e-13, abs=0.0)
    assert function([[first]], second, *rest) == [[one]]
    assert function([[first, first]], second, *rest) == [[one, one]]
    assert function([[first], [first]], second, *rest) == [[one], [one]]
    table = function([[first, first, first]], [[second], [second]], *rest)
    assert table == [[one] * 3] * 2
    assert function([[first, first]], [[second, second]], *[[[x]] for x in rest]) == [[one, one]]


@every(PLAIN)
def test_ranges_that_do_not_fit_are_one_error(function: Function) -> None:
    first, second, *rest = function.example
    for ranges in (
        ([[first, first]], [[second, second, second]]),
        ([[first], [first]], [[second], [second], [second]]),
        ([[first, first], [first, first]], [[second], [second], [second]]),
    ):
        result = function(*ranges, *rest)
        assert isinstance(result, ExcelError)
        assert str(result) == "#VALUE!"
        assert function.arguments[1].name in result.reason


@every(BY_CELL)
def test_whole_numbers_and_numpy_numbers_count_as_numbers(function: Function) -> None:
    plain = as_excel(function)
    wanted = function(*plain)
    numpy = [np.float64(x) if isinstance(x, float) else x for x in plain]
    assert function(*numpy) == wanted
    whole = [int(x) if isinstance(x, float) and x == int(x) else x for x in plain]
    assert function(*whole) == wanted
    arrays = [np.array([[x]]) if isinstance(x, float) else x for x in plain]
    assert cells_of(function(*arrays)) == cells_of(wanted)


@every(list(FUNCTIONS.values()))
def test_one_cell_ranges_and_keywords_change_nothing(function: Function) -> None:
    plain = as_excel(function)
    wanted = cells_of(function(*plain))
    assert cells_of(function(*[x if isinstance(x, list) else [[x]] for x in plain])) == wanted
    if not function.variadic:
        names = [a.name for a in function.arguments]
        assert cells_of(function(**dict(zip(names, plain, strict=False)))) == wanted


@every(list(FUNCTIONS.values()))
@pytest.mark.parametrize("blank", [None, "", [[None]], [[""]]])
def test_blank_optional_arguments_take_their_defaults(function: Function, blank: Any) -> None:
    if function.variadic:
        pytest.skip("takes whatever comes")
    plain = as_excel(function)
    wanted = cells_of(function(*plain))
    given = plain + [blank] * (len(function.arguments) - len(plain))
    assert cells_of(function(*given)) == wanted


@every([f for f in FUNCTIONS.values() if any(a.required for a in f.arguments)])
@pytest.mark.parametrize("blank", [None, "", [[None]]])
def test_blank_needed_arguments_are_not_available(function: Function, blank: Any) -> None:
    plain = as_excel(function)
    for k, argument in enumerate(function.arguments[: len(plain)]):
        if not argument.required:
            continue
        result = function(*plain[:k], blank, *plain[k + 1 :])
        errors = [c for c in cells_of(result) if isinstance(c, ExcelError)]
        assert errors, argument.name
        assert {str(e) for e in errors} == {"#N/A"}
        assert argument.name in errors[0].reason


def test_missing_arguments_are_not_available() -> None:
    for result in (KMV_DD(), KMV_DD(120.0), KMV_POOL([[1.0]])):
        assert str(result) == "#N/A"
    assert KMV_DD(120.0).reason == "default_point is needed (got blank)"


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("ten", "text"),
        (True, "TRUE or FALSE"),
        (dt.datetime(2020, 1, 1), "a date"),
        (dt.date(2020, 1, 1), "a date"),
    ],
)
@every([f for f in FUNCTIONS.values() if any(a.kind in ("number", "series", "scalar") for a in f.arguments)])
def test_text_and_truth_and_dates_are_value_errors(function: Function, value: Any, kind: str) -> None:
    plain = as_excel(function)
    for k, argument in enumerate(function.arguments[: len(plain)]):
        if argument.kind in ("number", "series", "scalar"):
            result = function(*plain[:k], [[value]], *plain[k + 1 :])
            errors = [c for c in cells_of(result) if isinstance(c, ExcelError)]
            assert {str(e) for e in errors} == {"#VALUE!"}, argument.name
            assert f"must be a number, not {kind}" in errors[0].reason
            assert argument.name in errors[0].reason


@every([f for f in FUNCTIONS.values() if any(a.kind in ("number", "series", "scalar") for a in f.arguments)])
@pytest.mark.parametrize("code", ["#N/A", "#NUM!", "#VALUE!"])
def test_error_cells_pass_through(function: Function, code: str) -> None:
    plain = as_excel(function)
    for k, argument in enumerate(function.arguments[: len(plain)]):
        if argument.kind in ("number", "series", "scalar", "option", "word"):
            for cell in (ExcelError(code, "why"), code):
                result = function(*plain[:k], [[cell]], *plain[k + 1 :])
                errors = [c for c in cells_of(result) if isinstance(c, ExcelError)]
                assert {str(e) for e in errors} == {code}, argument.name


def test_one_bad_row_leaves_the_others_right() -> None:
    cells = [120.0, None, "x", -1.0, True, dt.date(2020, 1, 1), math.nan, math.inf, 10**400, "#N/A", 90]
    result = KMV_PD([[c] for c in cells], 100.0, 0.25)
    assert [row[0] if isinstance(row[0], float) else str(row[0]) for row in result] == [
        KMV_PD(120.0, 100.0, 0.25),
        "#N/A",
        "#VALUE!",
        "#NUM!",
        "#VALUE!",
        "#VALUE!",
        "#NUM!",
        "#NUM!",
        "#NUM!",
        "#N/A",
        KMV_PD(90, 100.0, 0.25),
    ]


def test_options_vary_cell_by_cell() -> None:
    words = ["terminal", " AnyTime ", None, "linear", "monthly", 3, ExcelError("#N/A", "why")]
    result = [row[0] for row in KMV_PD(120.0, 100.0, 0.25, 1.0, 0.0, [[w] for w in words])]
    assert result[:4] == [KMV_PD(120.0, 100.0, 0.25, method=m) for m in ("terminal", "anytime", "", "linear")]
    assert [str(e) for e in result[4:]] == ["#VALUE!", "#VALUE!", "#N/A"]
    assert result[4].reason == "method must be one of terminal, anytime, linear (got 'monthly')"


@pytest.mark.parametrize(
    ("result", "means"),
    [
        (KMV_PD(120.0, 100.0, 25), "0.25 means 25 %"),
        (KMV_SUPPORT_PD(2, 0.5), "0.02 means 2 %"),
        (KMV_SAFE_ISSUE(354.6, 1, 0.05), "0.02 means 2 %"),
        (KMV_DD(120.0, 100.0, 0.25, 1, 3), "0.05 means 5 %"),
        (KMV_POOL([[10.0]], [[9.0]], 10), "0.25 means 25 %"),
    ],
)
def test_percentages_typed_as_whole_numbers_are_refused(result: Any, means: str) -> None:
    assert str(result) == "#NUM!"
    assert means in result.reason


def test_too_many_and_unknown_arguments_are_one_error() -> None:
    for function in FUNCTIONS.values():
        if function.variadic:
            continue
        result = function(*[1.0] * (len(function.arguments) + 1))
        assert str(result) == "#VALUE!"
        assert function.name in result.reason
        result = function(nonsense=1)
        assert str(result) == "#VALUE!"
    assert str(KMV_DD(120.0, asset_value=100.0)) == "#VALUE!"


def test_table_functions_give_one_error_with_its_reason() -> None:
    assert KMV_POOL([[1.0, None]], [[1.0, 1.0]], 0.1).reason.startswith("collections, value 2, is needed")
    assert KMV_POOL([[1.0, 2.0]], [[1.0, -1.0]], 0.1).reason == "dues, value 2, must be >= 0 (got -1)"
    mismatch = KMV_POOL([[1.0, 2.0]], [[1.0]], 0.1)
    assert (str(mismatch), "dues" in mismatch.reason) == ("#VALUE!", True)
    assert "one cell" in KMV_POOL([[1.0]], [[1.0]], [[0.1, 0.2]]).reason


@every([f for f in FUNCTIONS.values() if any(a.kind in ("series", "words") for a in f.arguments)])
@pytest.mark.parametrize(("rows", "columns"), [(2, 2), (3, 2), (2, 5)])
def test_a_rectangle_where_a_row_or_column_is_asked_for_is_refused(
    function: Function, rows: int, columns: int
) -> None:
    plain = as_excel(function) + [None] * len(function.arguments)
    for k, argument in enumerate(function.arguments):
        if argument.kind in ("series", "words"):
            cell = "BBB" if argument.kind == "words" else 1.0
            given = [*plain[:k], [[cell] * columns] * rows, *plain[k + 1 : len(function.arguments)]]
            shape = f"{rows} x {columns} cells"
            reason = f"{argument.name} must be one row or one column (got {shape!r})"
            assert function(*given) == ExcelError("#VALUE!", reason)
            assert KMV_EXPLAIN(function.name, *given)[-1] == ["Error", reason, "#VALUE!"]


# ---------------------------------------------------------------------- nothing gets through

NASTY = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.integers(),
    st.sampled_from([10**400, -(10**400), 2**63]),
    st.floats(),
    st.floats(0.01, 2.0),
    st.floats(1e-3, 1e3),
    st.sampled_from([5e-324, 1e-300, 1e-17, 1e17, 1e300, 1.7e308, math.nan, math.inf, -math.inf, -0.0]),
    st.text(max_size=4),
    st.sampled_from(
        ["#N/A", "#REF!", "terminal", "linear", "anytime", "KMV_PD", "=1+1", "table", "max", " "]
    ),
    st.sampled_from([dt.date(2020, 1, 1), dt.datetime(1900, 1, 1), dt.time(1, 2)]),
    st.sampled_from([ExcelError("#NUM!", "why"), ExcelError("#N/A", "")]),
    st.sampled_from([np.float64(0.5), np.int32(2), np.bool_(True), np.float32("nan"), np.float64("inf")]),
)
RANGES = st.one_of(
    NASTY,
    st.lists(st.lists(NASTY, min_size=1, max_size=3), min_size=1, max_size=3),  # often ragged
    st.integers(1, 3).flatmap(
        lambda n: st.lists(st.lists(NASTY, min_size=n, max_size=n), min_size=1, max_size=4)
    ),
    st.lists(NASTY, max_size=4),
    st.lists(st.lists(st.floats(0.05, 3.0), min_size=4, max_size=4), min_size=1, max_size=1),
    st.sampled_from([[], [[]], [[[1.0]]], [[], []], {}, object(), np.zeros((2, 2)), np.zeros(0), b"x", 1j]),
)


@every(list(FUNCTIONS.values()))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_nothing_but_sound_cells_comes_out(function: Function, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, len(function.arguments) + 1))
    arguments = [data.draw(RANGES) for _ in range(count)]
    assert_sound(function(*arguments))


@every([f for f in FUNCTIONS.values() if f.example])
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_one_nasty_argument_in_the_example(function: Function, data: st.DataObject) -> None:
    arguments = as_excel(function)
    k = data.draw(st.integers(0, len(arguments) - 1))
    value = arguments[k]
    if isinstance(value, list) and data.draw(st.booleans()):
        rows = [list(row) for row in value]
        i = data.draw(st.integers(0, len(rows) - 1))
        rows[i][data.draw(st.integers(0, len(rows[i]) - 1))] = data.draw(NASTY)
        arguments[k] = rows
    else:
        arguments[k] = data.draw(RANGES)
    assert_sound(function(*arguments))
    if function is not KMV_EXPLAIN:
        assert_sound(KMV_EXPLAIN(function.name, *arguments))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(NASTY, NASTY, NASTY), min_size=1, max_size=6),
    st.sampled_from(PLAIN),
)
@example([(120.0, 100.0, 0.25), (10**400, "x", None)], FUNCTIONS["KMV_PD"])
def test_a_range_gives_row_by_row_what_single_cells_give(
    rows: list[tuple[Any, ...]], function: Function
) -> None:
    needed = sum(a.required for a in function.arguments)
    columns = [[[row[k % 3]] for row in rows] for k in range(needed)]
    result = function(*columns)
    for i, row in enumerate(result):
        alone = function(*(column[i][0] for column in columns))
        if isinstance(alone, float):
            assert row[0] == pytest.approx(alone, rel=1e-12, abs=1e-300)
        else:
            assert row[0] == alone


# -------------------------------------------------------------------------------- explain


@every([f for f in FUNCTIONS.values() if f is not KMV_EXPLAIN])
def test_explain_ends_in_the_number(function: Function) -> None:
    arguments = as_excel(function)
    table = KMV_EXPLAIN(function.name.lower(), *arguments)
    assert_sound(table)
    assert table[0] == ["Step", "Formula", "Value"]
    inputs = [row for row in table if row[0].startswith("Input: ")]
    assert [row[0] for row in inputs] == [f"Input: {a.name}" for a in function.arguments]
    assert len(table) > 1 + len(inputs)
    assert not [c for c in cells_of(table) if isinstance(c, ExcelError)]
    result = function(*arguments)
    if function.shape == "cells" and function.steps is not None and not isinstance(result, str):
        assert any(row[2] == pytest.approx(result, rel=1e-12) for row in table[1 + len(inputs) :])


@pytest.mark.parametrize(
    ("call", "steps"),
    [
        (
            ("KMV_EQUITY", 120.0, 100.0, 0.25, 2.0, 0.03),
            {
                "Discounted default point": 100.0 * math.exp(-0.06),
                "d1": (math.log(1.2) + (0.03 + 0.03125) * 2.0) / (0.25 * math.sqrt(2.0)),
                "d2": (math.log(1.2) + (0.03 - 0.03125) * 2.0) / (0.25 * math.sqrt(2.0)),
            },
        ),
        (
            ("KMV_VOLATILITY", [[27.0], [28.0], [26.0]], 4.0),
            {
                "Log changes": 2,
                "Standard deviation per period": math.log(28.0 / 27.0 / (26.0 / 28.0)) / math.sqrt(2.0),
            },
        ),
        (
            ("KMV_HISTORY_PD", 1.0, 10.0),
            {"Observed rate": 0.1, "Posterior mean": 1.5 / 11.0},
        ),
    ],
)
def test_the_steps_between_are_those_of_the_formulas(call: tuple[Any, ...], steps: dict[str, Any]) -> None:
    shown = {row[0]: row[2] for row in KMV_EXPLAIN(*call)}
    assert {name: shown[name] for name in steps} == pytest.approx(steps, rel=1e-12)


# What says something of itself, not of arguments.
ABOUT = ("KMV_VERSION", "KMV_SELFTEST", "KMV_EXPLAIN")


@every([f for f in FUNCTIONS.values() if f.name not in ABOUT])
def test_every_result_is_among_its_steps(function: Function) -> None:
    """Of a table by date or class the first rows are explained, of a plan that stands for all the last."""
    arguments = as_excel(function)
    assert function.steps is not None
    shown = [row[2] for row in KMV_EXPLAIN(function.name, *arguments)[1 + len(function.arguments) :]]
    result = function(*arguments)
    if function.shape != "table" or function.name in SINGLE:
        wanted = cells_of(result)
    else:
        rows = result[-1:] if function.name == "KMV_POOL" else result[1:2]
        whole = {"Measure", "Figure", "Input"} & {result[0][0]}
        rows = result[1:] if whole or function.name == "KMV_LOW_DEFAULT_PD" else rows
        # Errors of the fit, and how far it went, are of the table alone.
        width = 2 if function.name == "KMV_FIT" else None
        columns = {"KMV_POOL": slice(1, None), "KMV_WATERFALL": slice(2, None), "KMV_COVENANT": slice(3, 7)}
        first = columns.get(function.name, slice(1, width))
        if function.name == "KMV_LOW_DEFAULT_PD":
            first = slice(3, None)
        if function.name == "KMV_SCENARIO":
            rows, first = result[1:], slice(1, None)
        wanted = [cell for row in rows for cell in row[first] if cell is not True and cell != 0.0]
        if function.name == "KMV_POOL":
            wanted.remove(result[-1][4])  # of which the logarithm is shown
            assert pytest.approx(math.log(result[-1][4]), rel=1e-12) in shown
    assert wanted
    for cell in wanted:
        assert cell in shown if isinstance(cell, str) else any(x == pytest.approx(cell) for x in shown)


BOND = [[1.0937, 1.0919, 1.0866, 1.0755, 1.0202, 0.9810, 0.8364, 0.5113]]
BOND_CHANCES = (0.0002, 0.0033, 0.0595, 0.8693, 0.0530, 0.0117, 0.0012, 0.0018)
BOND_MEAN = sum(100.0 * p * v for p, v in zip(BOND_CHANCES, BOND[0], strict=True))
CDF, INVERSE = NormalDist().cdf, NormalDist().inv_cdf


@pytest.mark.parametrize(
    ("call", "steps"),
    [
        (
            ("KMV_TERM", 120.0, 100.0, 0.25, [[2.0, 3.0]]),
            {
                "Growth of ln V": -0.0625,
                "Distance to default (log)": (math.log(1.2) - 0.0625) / (0.25 * math.sqrt(2.0)),
                "Hazard rate": -math.log(CDF((math.log(1.2) - 0.0625) / (0.25 * math.sqrt(2.0)))) / 2.0,
            },
        ),
        (
            ("KMV_TERM", 120.0, 100.0, 0.25, 1.0, 0.0, "linear"),
            {
                "Net worth": 20.0,
                "Distance to default (linear)": 20.0 / 30.0,
                "Marginal PD": CDF(-20.0 / 30.0),
            },
        ),
        (
            ("KMV_FIT", [[5.0], [6.0], [5.0], [6.0]], 1e-9, 0.0, 1.0, 1.0, "iterative"),
            {
                "Start: equity volatility": math.log(1.2) * math.sqrt(4.0 / 3.0),
                "Asset value, last date": 6.0,
                "Drift": math.log(1.2) / 3.0 + math.log(1.2) ** 2 * 2.0 / 3.0,
            },
        ),
        (
            ("KMV_SENSITIVITY", 120.0, 100.0, 0.25),
            {
                "Normal density": NormalDist().pdf((math.log(1.2) - 0.03125) / 0.25),
                "Change of DD with asset_value": 1.0 / 30.0,
                "Change of DD with drift": 4.0,
            },
        ),
        (
            (
                "KMV_SCENARIO",
                [[30.0, 30.0]],
                [[25.0, 25.0]],
                0.1,
                [["Scenario", "Pool haircut"], ["a", 0.1]],
                2.0,
            ),
            {"Accumulated collections": 54.0, "Accumulated dues": 50.0, "Log coverage": math.log(1.08)},
        ),
        (
            (
                "KMV_WATERFALL",
                [[60.0, 50.0]],
                [
                    ["Tranche", "Rank", "Amount", "Coupon", "Payment type"],
                    ["Junior", 2, 5.0, 0.0, "bullet"],
                    ["Senior", 1, 100.0, 0.10, "straight-line"],
                ],
                [["Periods per year", 1], ["Senior fees", 0.02]],
            ),
            {
                "Collections": 60.0,
                "Senior fees paid": 2.1,
                "Senior: interest paid": 10.0,
                "Senior: principal due": 50.0,
                "Senior: principal paid": 47.9,
                "Senior: missed": 2.1,
                "Senior: balance": 52.1,
                "Junior: balance": 5.0,
            },
        ),
        (
            ("KMV_COVENANT", [[1.05, 0.98]], 1.0, 0.05, 2, 0.01, "max"),
            {
                "Headroom": -0.05,
                "Log ratio": math.log(1.05),
                "Standard deviation of ln value": 0.05 * math.sqrt(0.5),
                "Distance to breach": -(math.log(1.05) + 0.004375) / (0.05 * math.sqrt(0.5)),
                "Probability of a breach": CDF((math.log(1.05) + 0.004375) / (0.05 * math.sqrt(0.5))),
            },
        ),
        (
            ("KMV_EDF", 2.5, [["DD", "EDF"], [4.0, 0.004], [2.0, 0.03]]),
            {
                "Point below": 2.0,
                "PD of the point above": 0.004,
                "Share of the way": 0.25,
                "Expected default frequency": 0.03**0.75 * 0.004**0.25,
            },
        ),
        (("KMV_EDF", 9.0, [[2.0, 0.03], [4.0, 0.004]]), {"End of the map": 4.0}),
        (("KMV_EDF", 1.0, [[2.0, 0.03], [4.0, 0.004]]), {"Expected default frequency": 0.03}),
        (
            ("KMV_RATING", 0.02, [["A", 0.001], ["B", 0.05], ["C", 0.2]]),
            {"PD above": 0.001, "PD at most": 0.05, "Grade": "B"},
        ),
        (("KMV_RATING", 0.0, [["A", 0.001], ["B", 0.05]]), {"PD at most": 0.001, "Grade": "A"}),
        (
            # 40-digit arithmetic: 0-3 % loses 0.627703421 of itself; all loses PD x LGD.
            ("KMV_TRANCHE_EL", 0.03, 1.0, 0.05, 0.2, 0.6),
            {
                "Expected loss up to attach": 0.03 * 0.627703421,
                "Expected loss up to detach": 0.03,
                "Expected loss of the tranche": (0.03 - 0.03 * 0.627703421) / 0.97,
            },
        ),
        (
            ("KMV_CONCENTRATION", [[5.0, 1.0, 1.0, 1.0, 1.0, 1.0]]),
            {"Pool": 10.0, "Sum of squares": 30.0, "HHI": 0.3, "Five largest": 9.0, "Top 5 share": 0.9},
        ),
        (
            ("KMV_BACKTEST", [[0.01, 0.02, 0.02, 0.05, 0.2]], [[0, 0, 1, 0, 1]], "brier"),
            {
                "Pairs of a defaulter and a survivor": 6,
                "Pairs that are in order": 4.5,
                "AUC": 0.75,
                "Expected defaults": 0.3,
                "Sum of squared errors": 0.0001 + 0.0004 + 0.9604 + 0.0025 + 0.64,
                "Asked for": 1.6034 / 5.0,
            },
        ),
        (
            ("KMV_LOSSES", [[10.0, 20.0]], [[0.1, 0.2]], 0.0, 0.95, 0.5),
            {
                "All that can be lost": 15.0,
                "Default threshold, first obligor": INVERSE(0.1),
                "Unexpected loss if independent": math.sqrt(25 * 0.09 + 100 * 0.16),
                "Unexpected loss": math.sqrt(25 * 0.09 + 100 * 0.16),
                "Expected loss": 2.5,
                "VaR 0.95": 10.0,
            },
        ),
        (
            ("KMV_CREDITRISKPLUS", [[10.0, 20.0]], [[0.1, 0.2]], [[0.05, 0.1]], 0.95, 4.0),
            {
                "Loss unit L": 4.0,
                "Largest band": 5.0,
                "Relative deviation of the sector": 0.5,
                "Shape of its gamma law": 4.0,
                "Expected loss": 5.0,
                "Unexpected loss": math.sqrt(10.0 + 80.0 + 2.5**2),
            },
        ),
        (
            ("KMV_CREDITMETRICS", 100.0, "BBB", 0.0, 0.99, None, None, BOND),
            {
                "Downgrades": "cost what values say",
                "Mean value, first obligor": BOND_MEAN,
                "Expected loss": 107.55 - BOND_MEAN,
                "Default threshold, first obligor": INVERSE(0.0018),
                "Scenarios": 100_000,
            },
        ),
        (
            ("KMV_CREDITMETRICS", 100.0, "BBB", 0.0, 0.99, 0.6),
            {"Downgrades": "cost nothing", "Mean value, first obligor": 99.892, "Expected loss": 0.108},
        ),
        (
            ("KMV_LOW_DEFAULT_PD", [[100.0, 400.0]], [[0.0, 0.0]], 0.9),
            {
                "Obligors, first grade and worse": 500.0,
                "Check: chance of at most d defaults": 0.1,
                "PD, upper bound": 1.0 - 0.1 ** (1 / 500),
                "PD, upper bound, grade 2": 1.0 - 0.1 ** (1 / 400),
            },
        ),
        (
            ("KMV_LELAND", 100.0, 0.2),
            {"Exponent": 3.0, "Value of 1 paid at default": 0.52820375**3, "Equity": 128.441740 - 96.274221},
        ),
    ],
)
def test_the_steps_are_those_of_a_pocket_calculator(call: tuple[Any, ...], steps: dict[str, Any]) -> None:
    shown = {row[0]: row[2] for row in KMV_EXPLAIN(*call)}
    for name, value in steps.items():
        assert shown[name] == (value if isinstance(value, str) else pytest.approx(value, rel=1e-8, abs=1e-8))


def test_the_index_of_portfolioview_has_the_pd_on_average() -> None:
    shown = {r[0]: r[2] for r in KMV_EXPLAIN("KMV_PORTFOLIOVIEW", [[10.0, 20.0]], [[0.1, 0.2]], 0.5, 0.95)}
    z = np.random.default_rng(1).standard_normal(400_000)
    index = shown["Constant of the index, first obligor"] - 0.5 * z
    assert (1.0 / (1.0 + np.exp(-index))).mean() == pytest.approx(0.1, abs=4 * 0.05 / math.sqrt(400_000))
    # 95 % of the economies are better than this one.
    bad = shown["Its PD in a bad state of the economy"]
    assert np.mean(1.0 / (1.0 + np.exp(-index)) > bad) == pytest.approx(0.05, abs=0.002)


def test_the_fitted_economy_of_portfolioview_is_shown() -> None:
    macro = [4.0, 4.2, 4.9, 5.8, 6.1, 5.5, 5.0, 4.6]
    logits = [-6.0 + 0.5 * x + e for x, e in zip(macro, (0.1, -0.1) * 4, strict=True)]
    rates = [[1.0 / (1.0 + math.exp(-y))] for y in logits]
    call = ("KMV_PORTFOLIOVIEW", [[10.0, 20.0]], [[0.1, 0.2]], None, 0.95, None, rates, [[x] for x in macro])
    shown = {r[0]: r[2] for r in KMV_EXPLAIN(*call)}
    slope, constant = np.polyfit(macro, logits, 1)
    assert [shown["Coefficient b0"], shown["Coefficient b1"]] == pytest.approx([constant, slope], rel=1e-9)
    average = 1.0 / (1.0 + math.exp(-sum(logits) / 8))
    assert shown["Default rate of an average economy"] == pytest.approx(average, rel=1e-9)
    assert shown["Method"] == "simulated" and "Standard error of VaR 0.95" in shown


def test_explain_names_the_posterior_of_a_history() -> None:
    shown = {row[0]: row[2] for row in KMV_EXPLAIN("KMV_HISTORY_PD", 1.0, 10.0)}
    assert shown["Posterior"] == "Beta(1.5, 9.5)"


def test_explain_takes_blanks_options_and_one_cell_of_a_range() -> None:
    table = KMV_EXPLAIN("KMV_PD", [[120.0], [90.0]], [[100.0]], 0.25, "", None, " AnyTime ")
    assert table[-1][0] == "First-passage probability"
    assert table[-1][2] == pytest.approx(KMV_PD(120.0, 100.0, 0.25, method="anytime"))
    shown = {row[0]: row[2] for row in table}
    assert shown["Input: horizon"] == "1.0 (default)"
    assert shown["Input: drift"] == "0.0 (default)"
    assert shown["Input: asset_value"] == "2 cells"


def test_explain_says_why_a_cell_is_an_error() -> None:
    for call, code, reason in (
        ((120.0, 100.0, 25.0), "#NUM!", "volatility must be > 0 and <= 5"),
        ((120.0, 100.0), "#N/A", "volatility is needed"),
        (("x", 100.0, 0.2), "#VALUE!", "asset_value must be a number, not text"),
        (([[1.0, 2.0]], [[1.0, 2.0, 3.0]], 0.2), "#VALUE!", "must fit the other ranges"),
        ((120.0, 100.0, 0.25, 1.0, 0.0, "x", 9.0, 9.0), "#VALUE!", "takes the arguments"),
        (([[1.0], [1.0, 2.0]], 100.0, 0.25), "#VALUE!", "rectangular"),
    ):
        table = KMV_EXPLAIN("KMV_PD", *call)
        assert_sound(table)
        assert table[-1][0] == "Error"
        assert reason in table[-1][1]
        assert table[-1][2] == code


@pytest.mark.parametrize(
    "call",
    [
        ("KMV_BREAKEVEN_VOL", 1000.0, 1.0, 0.9999),  # a volatility of 898 %
        ("KMV_SAFE_ISSUE", 1.0, 1e-300, 5.0, 100.0),  # less than the smallest number
        ("KMV_POOL", [[0.0, 0.0]], [[1.0, 1.0]], 0.1),  # nothing comes in
        ("KMV_ANYDATE_PD", [[1.0, 1.0]], [[0.0, 0.0]], 0.1),  # nothing is due
        ("KMV_ANYDATE_PD", [[1.0, 1.0]], [[1.0, 1.0]], 0.1, 0.01),  # over two hundred years
    ],
)
def test_what_has_an_answer_has_steps(call: tuple[Any, ...]) -> None:
    assert not isinstance(FUNCTIONS[call[0]](*call[1:]), ExcelError)
    table = KMV_EXPLAIN(*call)
    assert_sound(table)
    assert table[-1][0] != "Error"


def test_explain_of_what_is_no_function() -> None:
    for name in ("KMV_NOTHING", "KMV_EXPLAIN", 3.0, None):
        assert isinstance(KMV_EXPLAIN(name), ExcelError)
    assert KMV_EXPLAIN("SUM", 1.0).reason == "function_name must be the name of a KMV function (got 'SUM')"


# ------------------------------------------------------------------------ published values


def test_version() -> None:
    assert KMV_VERSION() == xlkmv.__version__


@pytest.mark.parametrize(("firm", "dd"), [((12.6, 3.4, 0.15), 4.8677), ((12.2, 3.5, 0.17), 4.1948)])
def test_linear_distance_of_crouhy_galai_mark(firm: tuple[float, ...], dd: float) -> None:
    assert KMV_LINEAR_DD(*firm) == pytest.approx(dd, abs=5e-5)


@pytest.mark.parametrize(
    ("V", "sigma", "F", "mu", "pd", "dd"),
    [
        # MathWorks Risk Management Toolbox, mertonmodel, T = 1
        (6.4210e7, 0.3010, 4e7, 0.0306, 0.0638, 1.5237),
        (6.0109e7, 0.1753, 3.5e7, 0.0300, 0.0008, 3.1679),
        (7.3063e7, 0.1699, 3.5e7, 0.0310, 0.0000, 4.4298),
        (5.9906e7, 0.2263, 3.2e7, 0.0302, 0.0026, 2.7916),
        (6.3231e7, 0.2511, 4e7, 0.0305, 0.0344, 1.8196),
    ],
)
def test_distance_of_the_mathworks_example(
    V: float, sigma: float, F: float, mu: float, pd: float, dd: float
) -> None:
    # V and sigma are printed with four digits.
    assert KMV_DD(V, F, sigma, 1, mu) == pytest.approx(dd, abs=2e-3)
    assert KMV_PD(V, F, sigma, 1, mu) == pytest.approx(pd, abs=3e-4)


@pytest.mark.parametrize(
    ("firm", "pd"),
    [
        # 40-digit arithmetic: N(-d2)
        ((140, 100, 0.25, 1, 0.05), 0.0776745234578),
        ((110, 100, 0.01, 1, 0.03), 2.6898319724e-36),
        ((100, 99, 0.02, 0.25, 0.03), 0.040056259295),
        ((60, 100, 0.15, 1, 0.02), 0.99959179558),
        ((140, 100, 0.25, 1, -0.01), 0.118823421492),
        ((12.3953871886, 10, 0.212304713423, 1, 0.05), 0.1269712411),  # Hull
    ],
)
def test_terminal_pd(firm: tuple[float, ...], pd: float) -> None:
    assert KMV_PD(*firm) == pytest.approx(pd, rel=1e-9)


def test_first_passage_of_black_and_cox() -> None:
    assert KMV_PD(100, 70, 0.25, 1, 0.05, "anytime") == pytest.approx(0.13782391768, rel=1e-9)
    assert KMV_PD(100, 70, 0.25, 1, 0.05) == pytest.approx(0.06658733092, rel=1e-9)


@pytest.mark.parametrize(("dd", "pd"), [(5, 2.866515719e-7), (10, 7.619853024e-24), (37, 5.725571223e-300)])
def test_tails_keep_their_digits(dd: float, pd: float) -> None:
    # ln(V/DP) = dd + 1/2 at sigma = T = 1
    assert KMV_PD(math.exp(dd + 0.5), 1.0, 1.0) == pytest.approx(pd, rel=1e-9)


def test_default_point() -> None:
    assert KMV_DEFAULT_POINT(60, 80) == 100.0
    assert KMV_DEFAULT_POINT(60, 80, 1) == 140.0


POOL = [[301e6 * 0.065 / 4 / (1 - (1 + 0.065 / 4) ** -12)] * 12]
NOTES = 301e6 * 0.95
DUES = [[NOTES / 12 + 0.01 * NOTES * (1 - k / 12) for k in range(12)]]


@pytest.mark.parametrize(
    ("sigma", "first", "fourth"),
    [(0.05, 1.63521587, 1.06852494), (0.10, 0.79885793, 0.49676247), (0.15, 0.51173862, 0.28950831)],
)
def test_plan_fixture(sigma: float, first: float, fourth: float) -> None:
    table = KMV_POOL(POOL, DUES, sigma)
    assert table[0] == ["k", "t", "Accumulated in", "Accumulated due", "Coverage", "DD", "PD", "Any-date PD"]
    assert table[1][:5] == pytest.approx([1, 0.25, 27_811_007.694862, 26_688_666.67, 1.042053], rel=1e-6)
    assert table[4][:5] == pytest.approx([4, 1.0, 111_244_030.78, 105_324_916.67, 1.056199], rel=1e-6)
    assert table[1][5] == pytest.approx(first, abs=1e-7)
    assert table[4][5] == pytest.approx(fourth, abs=1e-7)
    if sigma == 0.10:
        assert table[4][6:] == pytest.approx([0.309678282, 0.47190796], abs=1e-7)


def test_anydate_pd_is_the_last_of_the_pool_table() -> None:
    wanted = KMV_POOL(POOL, DUES, 0.1)[-1][-1]
    assert KMV_ANYDATE_PD(POOL, DUES, 0.1) == wanted
    column = [[x] for x in POOL[0]]
    assert KMV_ANYDATE_PD(column, [[x] for x in DUES[0]], [[0.1]], 4, 0) == wanted


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_money_unit_changes_no_risk(scale: float) -> None:
    table = KMV_POOL(POOL, DUES, 0.1)
    other = KMV_POOL([[x * scale for x in POOL[0]]], [[x * scale for x in DUES[0]]], 0.1)
    for row, same in zip(table[1:], other[1:], strict=True):
        assert same[4:] == pytest.approx(row[4:], rel=1e-9)


def test_dates_on_which_nothing_is_due_or_paid_stay_cells_of_their_own() -> None:
    table = KMV_POOL([[0.0, 30.0, 30.0]], [[0.0, 25.0, 25.0]], 0.1)
    assert isinstance(table[1][4], ExcelError)
    assert table[1][6:] == [0.0, 0.0]
    assert all(isinstance(x, float) for row in table[2:] for x in row[1:])
    sure = KMV_POOL([[0.0, 60.0]], [[25.0, 25.0]], 0.1)
    assert sure[1][6:] == [1.0, 1.0]


@pytest.mark.parametrize(("p", "sigma", "T", "mu"), [(0.01, 0.05, 5.0, 0.0), (0.001, 0.3, 0.5, 0.04)])
def test_questions_turned_around(p: float, sigma: float, T: float, mu: float) -> None:
    issue = KMV_SAFE_ISSUE(100.0, p, sigma, T, mu)
    assert KMV_PD(100.0, issue, sigma, T, mu) == pytest.approx(p, rel=1e-9)
    assert KMV_BREAKEVEN_VOL(100.0, issue, p, T, mu) == pytest.approx(sigma, rel=1e-9)


def test_no_breakeven_volatility_is_an_error_that_says_so() -> None:
    result = KMV_BREAKEVEN_VOL([[120.0], [90.0]], 100.0, 0.01)
    assert isinstance(result[0][0], float)
    assert str(result[1][0]) == "#NUM!"
    assert "no volatility keeps the PD within target_pd" in result[1][0].reason


@pytest.mark.parametrize(
    ("firm", "rule"),
    [
        # ln 1.2 - 0.5: the drift takes more than the coverage leaves.
        ((120.0, 100.0, 0.01, 1.0, -0.5), "must be > 0 (got -0.317678)"),
        ((100.0, 100.0, 0.01), "must be > 0 (got 0)"),
        # N^-1(0.7)^2/2 = 0.137498, ln 0.5 = -0.693147
        ((50.0, 100.0, 0.7), "must be >= -0.137498 (got -0.693147)"),
    ],
)
def test_why_there_is_no_breakeven_volatility(firm: tuple[float, ...], rule: str) -> None:
    got = KMV_BREAKEVEN_VOL(*firm)
    assert str(got) == "#NUM!"
    assert got.reason.endswith("ln(asset_value/default_point) + drift x horizon " + rule)


def test_distances_whose_quotient_is_beyond_the_range_of_numbers() -> None:
    # 600 ln 10 = 1381.5510557964274
    assert KMV_DD(1e300, 1e-300, 0.25) == pytest.approx((1381.5510557964274 - 0.03125) / 0.25, rel=1e-14)
    assert KMV_PD(1e300, 1e-300, 0.25, 1.0, 0.0, "anytime") == 0.0
    assert KMV_POOL([[1e300]], [[1e-300]], 0.1, 1.0)[1][5] == pytest.approx(
        (1381.5510557964274 - 0.005) / 0.1, rel=1e-14
    )


def test_support_multiplies_when_independent() -> None:
    assert KMV_SUPPORT_PD(0.02, 0.005) == pytest.approx(1e-4, rel=1e-12)
    assert KMV_SUPPORT_PD(0.02, 0.005, 1.0) == pytest.approx(0.005, rel=1e-9)


# ------------------------------------------------------------------------------- scenarios

HEADINGS = ["Scenario", "Pool haircut", "Volatility x", "Delay", "Dues x"]


def test_scenarios_do_what_their_columns_say() -> None:
    scenarios = [
        HEADINGS,
        ["Base", None, None, None, None],
        ["Haircut", 0.1, 1, 0, 1],
        ["Volatility", 0, 2, 0, 1],
        ["Dues", 0, 1, 0, 1.1],
        ["Late", 0, 1, 1, 1],
    ]
    table = KMV_SCENARIO(POOL, DUES, 0.1, scenarios)
    assert_sound(table)
    base = KMV_POOL(POOL, DUES, 0.1)[-1]
    wanted = [
        base,
        KMV_POOL([[0.9 * x for x in POOL[0]]], DUES, 0.1)[-1],
        KMV_POOL(POOL, DUES, 0.2)[-1],
        KMV_POOL(POOL, [[1.1 * x for x in DUES[0]]], 0.1)[-1],
        KMV_POOL([[0.0, *POOL[0][:-1]]], DUES, 0.1)[-1],
    ]
    for row, last, name in zip(table[1:], wanted, (r[0] for r in scenarios[1:]), strict=True):
        assert row[0] == name
        assert row[1:4] == pytest.approx(last[5:], rel=1e-12)
        assert row[4:] == pytest.approx([last[6] - base[6], last[7] - base[7]], abs=1e-15)


def test_scenario_columns_may_stand_in_any_order() -> None:
    one = KMV_SCENARIO(POOL, DUES, 0.1, [["Scenario", "Pool haircut", "Delay"], ["a", 0.1, 1]])
    two = KMV_SCENARIO(POOL, DUES, 0.1, [["scenario ", " DELAY", "pool haircut"], ["a", 1, 0.1]])
    assert one == two


@pytest.mark.parametrize(
    ("scenarios", "code", "reason"),
    [
        ([["Scenario", "Haircut"], ["a", 0.1]], "#VALUE!", "must have the headings"),
        ([["Scenario", "Delay", "Delay"], ["a", 1, 2]], "#VALUE!", "must have the headings"),
        ([["Scenario", "Delay"]], "#VALUE!", "must have a row below the headings"),
        (
            [["Scenario", "Pool haircut"], ["a", "ten"]],
            "#VALUE!",
            "scenarios, a, pool haircut must be a number",
        ),
        ([["Scenario", "Pool haircut"], ["a", 10]], "#NUM!", "0.1 means 10 %"),
        ([["Scenario", "Delay"], ["a", 0.5]], "#NUM!", "must be a whole number of periods"),
        ([["Scenario", "Delay"], ["a", math.inf]], "#NUM!", "must be a whole number of periods"),
        ([["Scenario", "Delay"], ["a", ExcelError("#N/A", "why")]], "#N/A", "why"),
        ([["Scenario", "Delay"], [None, 1]], "#N/A", "name"),
        (None, "#N/A", "scenarios is needed"),
        (3.0, "#VALUE!", "must have the headings"),
    ],
)
def test_wrong_scenarios_are_one_error_with_its_reason(scenarios: Any, code: str, reason: str) -> None:
    result = KMV_SCENARIO(POOL, DUES, 0.1, scenarios)
    assert str(result) == code
    assert reason in result.reason


def test_a_delay_beyond_the_last_date_leaves_nothing() -> None:
    for delay in (12, 1e300):
        table = KMV_SCENARIO(POOL, DUES, 0.1, [["Scenario", "Delay"], ["late", delay]])
        assert table[1][2:4] == [1.0, 1.0]


def test_the_argument_that_is_too_wide_is_named():
    found = FUNCTIONS["KMV_HISTORY_PD"](2.0, ((100.0, 200.0),))
    assert found.reason == "obligor_years must be one column: each row gives one row of results"
    assert FUNCTIONS["KMV_HISTORY_PD"](((1.0, 2.0),), 100.0).reason.startswith("defaults must be one column")
