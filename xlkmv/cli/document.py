"""Answers for programs: JSON, and CSV with a line a figure.

The tables are those of the workbook, under their names (:mod:`xlkmv.workbook.layout`), each figure under the
key of its column; docs/terminal.md lists them with their units.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import xlkmv

if TYPE_CHECKING:
    from xlkmv.workbook.book import Book
    from xlkmv.workbook.layout import TableSpec

__all__ = ["SCHEMA", "Answer", "as_csv", "as_json", "keys", "of_book", "of_rows", "plain", "tables_of"]

# Goes up when a key goes or changes its meaning; new keys may come at any time.
SCHEMA = 2


@dataclass(frozen=True, slots=True)
class Answer:
    """A table: its name, key and unit of each column, rows."""

    name: str
    columns: tuple[tuple[str, str], ...]
    rows: Sequence[Sequence[Any]]


def tables_of(command: str) -> tuple[TableSpec, ...]:
    """Tables that a command answers with.

    Parameters
    ----------
    command : str

    Returns
    -------
    tuple of TableSpec
        None for a command whose answers are on no sheet.
    """
    from xlkmv.workbook import layout

    results = (
        *(layout.ANSWER, layout.HEADLINE, layout.SCENARIO_RESULT, layout.SIMULATION, layout.ATTRIBUTION),
        *(layout.BREAKEVEN, layout.CHECK, layout.TODAY, layout.HISTORY),
        *(layout.CONCENTRATION, layout.DRIVER, layout.DRIVER_ALL, layout.OTHERWISE, layout.DIVERSIFICATION),
        *(layout.OBLIGOR, layout.MATTER, layout.INTERVAL),
    )
    compared = (layout.CASE_RESULT, layout.STEP)
    return {
        "refresh": results,
        "show": (*results, *compared),
        "solve": (layout.TARGET, layout.STRUCTURE),
        "compare": compared,
        "models": (layout.MODEL,),
        "backtest": (layout.MEASURE, layout.BACKTEST),
    }.get(command, ())


def keys(spec: TableSpec) -> tuple[tuple[str, str], ...]:
    """Key and unit (none for words) of each column of a table; formulas of the sheet are no answers."""
    from xlkmv.workbook.layout import column

    units = {
        **dict.fromkeys((column.PROBABILITY, column.SIMULATED, column.ERROR, column.CHANGE), "probability"),
        column.RATE: "decimal",
        column.MONEY: "money",
        column.DATE: "date",
        column.TEXT: "",
    }
    return tuple((c.field, units.get(c.format, "number")) for c in spec.columns if c.kind != "shown")


def of_rows(spec: TableSpec, rows: Iterable[Sequence[Any]]) -> Answer:
    """Answer with rows as they are written into a table."""
    return Answer(spec.name, keys(spec), [*rows])


def of_book(book: Book, specs: Iterable[TableSpec]) -> Iterator[Answer]:
    """Answer with what stands in tables of a workbook, as far as it has them."""
    from xlkmv.workbook.book import has_table

    for spec in specs:
        if has_table(book, spec.name):
            found, columns = book.table(spec.name), [c for c in spec.columns if c.kind != "shown"]
            headings = [c.heading(found.has) for c in columns]
            cells = [found.column(h) if found.has(h) else [None] * len(found.rows) for h in headings]
            yield of_rows(spec, (row for row in zip(*cells, strict=True) if any(x is not None for x in row)))


def plain(value: Any) -> Any:
    """Write a cell as JSON can: a number, a text, a date as text; null where it is blank or an error."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return str(value)
    return value.isoformat() if isinstance(value, dt.date) else None


def as_json(
    command: str,
    answers: Sequence[tuple[dict[str, Any], Sequence[Answer]]],
    errors: Sequence[dict[str, Any]],
) -> str:
    """Write answers and errors as one document, in ASCII whatever the console knows.

    Parameters
    ----------
    command : str
    answers : sequence of (dict, sequence of Answer)
        Facts and tables, of a workbook each.
    errors : sequence of dict

    Returns
    -------
    str
    """
    told = [
        {key: plain(value) for key, value in facts.items()}
        | {"tables": {found.name: [dict(row) for row in _rows(found)] for found in tables}}
        for facts, tables in answers
    ]
    units = {found.name: dict(found.columns) for _, tables in answers for found in tables}
    document = {"schema": SCHEMA, "xlkmv": xlkmv.__version__, "command": command}
    return json.dumps({**document, "answers": told, "units": units, "errors": [*errors]}, indent=2)


def as_csv(answers: Sequence[tuple[dict[str, Any], Sequence[Answer]]]) -> str:
    """Write answers as CSV: book, table, row, key, value, unit; facts have no table.

    Parameters
    ----------
    answers : sequence of (dict, sequence of Answer)

    Returns
    -------
    str
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("book", "table", "row", "key", "value", "unit"))
    for facts, tables in answers:
        book = facts.get("book", "")
        for key, value in facts.items():
            if key != "book":
                writer.writerow((book, "", "", key, plain(value), ""))
        for found in tables:
            units = dict(found.columns)
            for number, row in enumerate(_rows(found), 1):
                writer.writerows((book, found.name, number, key, x, units[key]) for key, x in row)
    return text.getvalue()


def _rows(found: Answer) -> Iterator[list[tuple[str, Any]]]:
    for row in found.rows:
        yield [(key, plain(x)) for (key, _), x in zip(found.columns, row, strict=True)]
