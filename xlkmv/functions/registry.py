"""The registry of worksheet functions: one entry each, the single source of everything generated.

A function is written once, as plain Python on clean arrays, and registered by
:func:`elementwise` or :func:`table`. The registered object is what a sheet calls: it takes
raw cells, applies defaults, turns every offending cell into an :class:`ExcelError` with a
reason, and never raises. Names, argument order and defaults come from the signature; texts,
rules and units come from :data:`ARGUMENTS`. VBA wrappers, wizard texts, the LibreOffice
add-in and ``docs/functions.md`` are generated from :data:`FUNCTIONS`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xlkmv.errors import DomainError, InputError, MissingError, show
from xlkmv.functions.cells import (
    ExcelError,
    Grid,
    cell_error,
    is_blank,
    number_cell,
    passed_on,
    to_cell,
    to_rows,
)
from xlkmv.model.domain import NOT_NEGATIVE, POSITIVE, RULES, Array, Rule
from xlkmv.phrase import Phrase

__all__ = [
    "ARGUMENTS",
    "FUNCTIONS",
    "WHOLE",
    "Answer",
    "Argument",
    "Fault",
    "Figures",
    "Function",
    "Rows",
    "Step",
    "Text",
    "elementwise",
    "needed_number",
    "needed_text",
    "one_or_each",
    "table",
]

REQUIRED = inspect.Parameter.empty

# What an elementwise function is given (an array of the good cells, or the default), and what it answers
# (an array, one for each heading, and faults).
Figures = Array | float
Answer = Array | tuple[Any, ...]
# A rectangle of raw cells.
Rows = list[list[Any]]


@dataclass(frozen=True, slots=True)
class Text:
    """What every argument of one name means, whatever function takes it."""

    text: str
    kind: str = "number"
    choices: tuple[str, ...] = ()
    rule: Rule | None = None


# kind: number (cell by cell), option (one of the choices), series (a row or column of numbers),
# scalar (one number), word (one text), words (a row or column of texts), grid (a rectangle of
# raw cells), any (whatever comes).
WHOLE = frozenset({"series", "scalar", "word", "words", "grid", "any"})

ARGUMENTS: dict[str, Text] = {
    "asset_value": Text("Assets that pay: V, or the pool's accumulated collections. Money, > 0."),
    "default_point": Text("What must be paid: debt, or accumulated dues. Money, > 0."),
    "volatility": Text("Volatility of ln(asset value) per annum, a decimal: 0.25 means 25 %."),
    "horizon": Text("Years, > 0. Blank: 1."),
    "drift": Text("Growth of the assets per annum, a decimal. Blank: 0. The risk-free rate gives Q."),
    "rate": Text("Risk-free rate per annum, continuously compounded, a decimal. Blank: 0."),
    "method": Text(
        "What default means: terminal (short at the horizon), anytime (at any time before), linear "
        "(one year, no drift: horizon and drift change nothing).",
        "option",
        ("terminal", "anytime", "linear"),
    ),
    "equity": Text("Market value of the equity. Money, > 0."),
    "equity_volatility": Text("Volatility of the equity per annum, a decimal: 0.8 means 80 %."),
    "debt": Text("Debt due. Money, > 0."),
    "horizons": Text("Years, increasing: a row or column.", "series"),
    "equity_values": Text(
        "Equity values, oldest first, evenly spaced: a row or column.", "series", (), POSITIVE
    ),
    "flows": Text(
        "Money that came in in each period, not accumulated, oldest first.", "series", (), POSITIVE
    ),
    "exposures": Text("Amount of each obligor, money: a row or column.", "series", (), NOT_NEGATIVE),
    "short_term": Text("Debt due within a year. Money, >= 0."),
    "long_term": Text("Debt due later. Money, >= 0."),
    "weight": Text("Share of the long-term debt that counts, 0 to 1. Blank: 0.5."),
    "collections": Text("Planned collections per period, not accumulated: one row or column.", "series"),
    "dues": Text("Principal, interest and fees due per period to the tranche and all ahead of it.", "series"),
    "periods_per_year": Text("Payment dates per year. Blank: 4.", "scalar"),
    "target_pd": Text("Default probability that must not be exceeded, a decimal between 0 and 1."),
    "pd": Text("Default probability, a decimal: 0.02 means 2 %."),
    "support_pd": Text("Default probability of the support payer over the same period, a decimal."),
    "correlation": Text("Correlation of the two normal drivers, -1 to 1. Blank: 0."),
    "scenarios": Text(
        "Range with a heading row: Scenario and any of Pool haircut, Volatility x, Delay, Dues x.", "grid"
    ),
    "function_name": Text("Name of a KMV function, such as KMV_PD.", "word"),
    "arguments": Text("The arguments as that function takes them.", "any"),
}


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of one worksheet function."""

    name: str
    text: str
    kind: str
    default: Any
    rule: Rule | None
    choices: tuple[str, ...]

    @property
    def required(self) -> bool:
        """Whether the argument has no default."""
        return self.default is REQUIRED and self.kind != "any"


@dataclass(frozen=True, slots=True)
class Fault:
    """Where a computed answer is no number, and why.

    Attributes
    ----------
    where : ndarray of bool
    reason : str or callable
        The sentence that the cell's error carries, or how to get it from the position.
    code : str
    value : array_like, optional
        What broke the rule; it ends the sentence.
    """

    where: Any
    reason: str | Callable[[int], str]
    code: str = "#NUM!"
    value: Any = None


@dataclass(frozen=True, slots=True)
class Step:
    """One line of an explanation: what it is, how it is computed, its value."""

    label: str
    formula: str
    value: Any


Explain = Callable[..., Iterator[Step]]


class Function:
    """A worksheet function: callable as Excel calls it, and described for the generators.

    Attributes
    ----------
    name : str
    text : str
        One sentence for the wizard, at most 255 characters.
    arguments : tuple of Argument
    shape : {"cells", "columns", "table"}
        One result per cell, one row of results per row, or a table with a heading row.
    headings : tuple of str
        Of a "columns" result, for the documentation only.
    example : tuple
        Arguments of the worked example in the documentation.
    """

    def __init__(
        self,
        compute: Callable[..., Any],
        text: str,
        shape: str,
        example: tuple[Any, ...],
        headings: tuple[str, ...] = (),
        texts: Mapping[str, Text] | None = None,
    ) -> None:
        functools.update_wrapper(self, compute)
        self.compute = compute
        self.name: str = compute.__name__
        self.text = text
        self.shape = shape
        self.example = example
        self.headings = headings
        self.steps: Explain | None = None
        self.variadic: bool = False
        self.arguments: tuple[Argument, ...] = tuple(self._describe(texts or {}))

    def _describe(self, texts: Mapping[str, Text]) -> Iterator[Argument]:
        for name, parameter in inspect.signature(self.compute).parameters.items():
            meaning = texts.get(name) or ARGUMENTS[name]
            self.variadic |= parameter.kind is parameter.VAR_POSITIONAL
            yield Argument(
                name,
                meaning.text,
                meaning.kind,
                parameter.default,
                meaning.rule or RULES.get(name),
                meaning.choices,
            )

    def __getattr__(self, name: str) -> Any:
        """What xlwings finds a function by, described when it looks (Windows): nobody else loads xlwings."""
        if name != "__xlfunc__":
            raise AttributeError(f"a worksheet function has no attribute {name!r}", name=name, obj=self)
        import xlwings as xw

        from xlkmv.functions.converter import CellsAccessor

        compute: Any = self.compute  # to which xlwings adds an attribute
        described: Any = xw.func  # takes the function and its options at once
        described(compute, category="KMV", call_in_wizard=False)
        xw.ret(convert=CellsAccessor)(compute)
        for argument in self.arguments:
            xw.arg(argument.name, convert=CellsAccessor, doc=argument.text)(compute)
        self.__xlfunc__: Any = compute.__xlfunc__
        self.__xlfunc__["ret"]["doc"] = self.text
        return self.__xlfunc__

    def explain(self, steps: Explain) -> Explain:
        """Register the steps from the inputs to the number, for KMV_EXPLAIN."""
        self.steps = steps
        return steps

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Compute as a cell would: raw values in, numbers, texts and ExcelErrors out."""
        try:
            raw = self.bind(*args, **kwargs)
            with np.errstate(all="ignore"):
                return self._table(raw) if self.shape == "table" else self._cells(raw)
        except _ForwardedError as forwarded:
            return forwarded.error
        except Exception as error:  # whatever happens, a cell gets an error value
            return cell_error(error)

    def bind(self, *args: Any, **kwargs: Any) -> list[Any]:
        """Put raw arguments into the order of the signature; those not given are None."""
        names = [a.name for a in self.arguments]
        if self.variadic:
            fixed = len(names) - 1
            args = (*args[:fixed], list(args[fixed:]))
        if len(args) > len(names) or not set(kwargs) <= set(names[len(args) :]):
            raise InputError(self.name, Phrase("takes the arguments {options}", options=", ".join(names)))
        given = dict(zip(names, args, strict=False)) | dict(kwargs)
        return [given.get(name) for name in names]

    # ------------------------------------------------------------------ one result per cell

    def _cells(self, raw: list[Any]) -> Any:
        by_cell = [k for k, a in enumerate(self.arguments) if a.kind not in WHOLE]
        grids = {k: Grid(self.arguments[k].name, raw[k]) for k in by_cell}
        shape = _broadcast([self.arguments[k] for k in by_cell], list(grids.values()))
        if self.shape == "columns" and shape[1] != 1:
            wide = self.arguments[next(k for k in by_cell if grids[k].shape[1] != 1)].name
            raise InputError(wide, "must be one column: each row gives one row of results")
        errors: dict[tuple[int, int], ExcelError] = {}
        inputs: list[Any] = list(raw)
        for k, argument in enumerate(self.arguments):
            if k not in grids:
                inputs[k] = _read_whole(argument, raw[k])
                continue
            values, faults = _read(argument, grids[k])
            inputs[k] = np.broadcast_to(values, shape)
            for (i, j), fault in faults.items():
                for row in range(shape[0]) if grids[k].shape[0] == 1 else (i,):
                    for column in range(shape[1]) if grids[k].shape[1] == 1 else (j,):
                        errors.setdefault((row, column), fault)
        good = np.ones(shape, bool)
        for place in errors:
            good[place] = False
        for k in by_cell:
            inputs[k] = inputs[k][good]
        rows, failures = self._compute(inputs, int(good.sum()))
        out: list[list[Any]]
        if not errors and not failures and rows.dtype == np.float64 and np.isfinite(rows).all():
            out = rows.tolist() if self.shape == "columns" else rows.reshape(shape).tolist()
        else:
            cells = np.empty((*shape, self.width), dtype=object)
            results = np.empty(rows.shape, dtype=object)
            for index, row in enumerate(rows.tolist()):
                results[index] = [to_cell(x) for x in row]
            for index, failure in failures.items():
                results[index] = failure
            cells[good] = results
            for place, error in errors.items():
                cells[place] = error
            out = [list(row) for row in cells.reshape(shape[0], -1)]
        if any(g.is_range for g in grids.values()) or self.shape == "columns":
            return out
        return out[0][0]

    @property
    def width(self) -> int:
        """Number of results per row."""
        return len(self.headings) or 1

    def _compute(self, inputs: list[Any], count: int) -> tuple[Any, dict[int, ExcelError]]:
        """Run the function on the good rows, once per combination of options."""
        rows: Any = np.empty((count, self.width))
        failures: dict[int, ExcelError] = {}
        if not count:
            return rows, failures
        options = [k for k, a in enumerate(self.arguments) if a.kind == "option"]
        chosen = list(zip(*(inputs[k].tolist() for k in options), strict=True)) if options else []
        for combination in dict.fromkeys(chosen) or [()]:
            here = np.array([c == combination for c in chosen]) if len(set(chosen)) > 1 else slice(None)
            call = [x if a.kind in WHOLE else x[here] for a, x in zip(self.arguments, inputs, strict=True)]
            for k, option in zip(options, combination, strict=True):
                call[k] = option
            answer = self.compute(*call)
            faults: Sequence[Fault] = ()
            if isinstance(answer, tuple) and isinstance(answer[-1], list):
                *parts, faults = answer
                answer = tuple(parts) if len(parts) > 1 else parts[0]
            block = np.column_stack(answer) if self.width > 1 else np.reshape(answer, (-1, 1))
            rows = rows.astype(block.dtype, copy=False)
            rows[here] = block
            index = np.arange(count)[here]
            for fault in faults:
                values = np.broadcast_to(fault.value, index.shape)
                for place in np.flatnonzero(np.broadcast_to(fault.where, index.shape)).tolist():
                    k = int(index[place])
                    reason = fault.reason if isinstance(fault.reason, str) else fault.reason(k)
                    if fault.value is not None:
                        reason = f"{reason} (got {show(float(values[place]))})"
                    failures.setdefault(k, ExcelError(fault.code, reason))
        return rows, failures

    # ------------------------------------------------------------------------- a whole table

    def _table(self, raw: list[Any]) -> Any:
        values = self.read(raw)
        result = self.compute(*values[:-1], *values[-1]) if self.variadic else self.compute(*values)
        return to_rows(result) if isinstance(result, (list, tuple)) else to_cell(result)

    def read(self, raw: Sequence[Any]) -> list[Any]:
        """Turn the raw arguments of a table function into clean ones, or raise.

        Raises
        ------
        InputError, DomainError, MissingError
        """
        return [_read_whole(a, value) for a, value in zip(self.arguments, raw, strict=True)]


FUNCTIONS: dict[str, Function] = {}


def _register(function: Function) -> Function:
    FUNCTIONS[function.name] = function
    function.__doc__ = function.text
    return function


def elementwise(
    text: str,
    example: tuple[Any, ...],
    headings: tuple[str, ...] = (),
    texts: Mapping[str, Text] | None = None,
) -> Callable[[Callable[..., Any]], Function]:
    """Register a function of numbers that works cell by cell.

    The decorated function gets one-dimensional float arrays that obey the rules (options as
    one text) and returns an array, or one array per heading; a last element that is a list
    of :class:`Fault` marks answers that are no numbers.
    """
    return lambda compute: _register(
        Function(compute, text, "columns" if headings else "cells", example, headings, texts)
    )


def table(
    text: str, example: tuple[Any, ...], texts: Mapping[str, Text] | None = None
) -> Callable[[Callable[..., Any]], Function]:
    """Register a function whose result is one table (or one value) of all its arguments.

    The decorated function gets clean arrays and returns rows; one bad input is one error.
    """
    return lambda compute: _register(Function(compute, text, "table", example, (), texts))


# --------------------------------------------------------------------------- reading arguments


def _broadcast(arguments: Sequence[Argument], grids: Sequence[Grid]) -> tuple[int, int]:
    rows, columns = 1, 1
    for argument, grid in zip(arguments, grids, strict=True):
        r, c = grid.shape
        if (r not in (1, rows) and rows != 1) or (c not in (1, columns) and columns != 1):
            raise InputError(
                argument.name,
                Phrase("must fit the other ranges ({rows} x {columns} cells)", rows=rows, columns=columns),
                f"{r} x {c} cells",
            )
        rows, columns = max(rows, r), max(columns, c)
    return rows, columns


def _read(argument: Argument, grid: Grid) -> tuple[Any, dict[tuple[int, int], ExcelError]]:
    """Read an argument that is used cell by cell: an array, and the error of each bad cell."""
    if argument.kind == "option":
        return _read_options(argument, grid)
    rule = argument.rule or RULES[argument.name]
    x = grid.floats()
    if x is not None and rule.holds_all(x):
        return x, {}
    errors: dict[tuple[int, int], ExcelError] = {}
    x = np.empty(grid.shape)
    for i, row in enumerate(grid.cells):
        for j, cell in enumerate(row):
            value = number_cell(argument.name, cell)
            if value is None:
                if argument.required:
                    value = cell_error(MissingError(argument.name, "is needed", None))
                else:
                    value = float(argument.default)
            if isinstance(value, ExcelError):
                errors[i, j], value = value, 1.0
            x[i, j] = value
    for i, j in zip(*(k.tolist() for k in np.nonzero(~rule.holds(x))), strict=True):
        errors.setdefault((i, j), cell_error(DomainError(argument.name, rule.text, float(x[i, j]))))
    return x, errors


def _read_options(argument: Argument, grid: Grid) -> tuple[Any, dict[tuple[int, int], ExcelError]]:
    errors: dict[tuple[int, int], ExcelError] = {}
    out = np.empty(grid.shape, dtype=object)
    for i, row in enumerate(grid.cells):
        for j, cell in enumerate(row):
            out[i, j] = argument.choices[0]
            try:
                out[i, j] = _option(argument, cell)
            except InputError as error:
                errors[i, j] = cell_error(error)
            except _ForwardedError as forwarded:
                errors[i, j] = forwarded.error
    return out, errors


def _option(argument: Argument, cell: Any) -> str:
    if is_blank(cell):
        if argument.required:
            raise MissingError(argument.name, "is needed", None)
        return str(argument.default)
    _forward(argument, cell)
    word = cell.strip().lower() if isinstance(cell, str) else cell
    if word not in argument.choices:
        raise InputError(
            argument.name, Phrase("must be one of {options}", options=", ".join(argument.choices)), cell
        )
    return str(word)


def _read_whole(argument: Argument, value: Any) -> Any:
    """Read an argument of a table function."""
    if argument.kind == "any":
        return value or []
    grid = Grid(argument.name, value)
    cells = list(grid.flat())
    # One blank cell is an argument that is not given, also when it comes as a range.
    if len(cells) == 1 and is_blank(cells[0]):
        if argument.required:
            raise MissingError(argument.name, "is needed", None)
        return argument.default
    if argument.kind == "grid":
        return [list(row) for row in grid.cells]
    if argument.kind in ("series", "words") and 1 not in grid.shape:
        # Row by row would be as likely as column by column.
        rows, columns = grid.shape
        raise InputError(argument.name, "must be one row or one column", f"{rows} x {columns} cells")
    if argument.kind == "words":
        return [_word(argument, cell) for cell in cells]
    if argument.kind in ("scalar", "number", "option", "word"):
        if len(cells) != 1:
            raise InputError(argument.name, "must be one cell", f"{len(cells)} cells")
        if argument.kind == "option":
            return _option(argument, cells[0])
        if argument.kind == "word":
            return _word(argument, cells[0])
    numbers = np.empty(len(cells))
    for k, cell in enumerate(cells):
        place = argument.name if len(cells) == 1 else f"{argument.name}, value {k + 1},"
        numbers[k] = needed_number(place, cell)
    if argument.rule is not None and not argument.rule.holds_all(numbers):
        k = int(np.argmin(argument.rule.holds(numbers)))
        place = argument.name if len(cells) == 1 else f"{argument.name}, value {k + 1},"
        raise DomainError(place, argument.rule.text, float(numbers[k]))
    return float(numbers[0]) if argument.kind in ("scalar", "number") else numbers


def needed_number(place: str, cell: Any) -> float:
    """Read a cell of a range as a number; what it raises becomes the error of the whole result."""
    number = number_cell(place, cell)
    if number is None:
        raise MissingError(place, "is needed", None)
    if isinstance(number, ExcelError):
        raise _ForwardedError(number)
    return number


def needed_text(place: str, cell: Any) -> str:
    """Read a cell of a range as a name; what it raises becomes the error of the whole result."""
    if is_blank(cell):
        raise MissingError(place, "is needed", None)
    error = passed_on(place, cell)
    if error is not None:
        raise _ForwardedError(error)
    return f"{cell:.15g}" if isinstance(cell, float) else str(cell).strip()


def _word(argument: Argument, cell: Any) -> Any:
    if is_blank(cell):
        if argument.required:
            raise MissingError(argument.name, "is needed", None)
        return argument.default
    _forward(argument, cell)
    if not isinstance(cell, str):
        raise InputError(argument.name, "must be text", cell)
    return cell.strip()


def _forward(argument: Argument, cell: Any) -> None:
    """Raise the error that an input cell of text holds, so that the result shows it too."""
    error = passed_on(argument.name, cell)
    if error is not None:
        raise _ForwardedError(error)


class _ForwardedError(Exception):
    """Carries the error value of an input cell up to the result."""

    def __init__(self, error: ExcelError) -> None:
        self.error = error
        super().__init__(error.reason)


def one_or_each(values: Array) -> Array | float:
    """Take one number for all, or one for each."""
    return float(values[0]) if values.size == 1 else values
