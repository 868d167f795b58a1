"""Build a workbook from text: its deal, tables, charts and live examples of every function.

``python -m xlkmv.build.template FILE`` writes the shipped one, the same bytes each time. XlsxWriter
makes the sheets with empty results; then the workbook is refreshed by the code that users run.

Nothing lies beneath a table that grows with classes, dates, conditions or claims: charts stand above
tables, tables side by side.
"""

from __future__ import annotations

import functools
import os
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from xlsxwriter.utility import xl_rowcol_to_cell

from xlkmv.build.drawing import BAD, CREATED, GOOD, GREY, GRID, INK, LISTED_TOP, THE_MONEY, Sheets, put
from xlkmv.build.filling import Filling, blank, filling
from xlkmv.build.home import home
from xlkmv.build.inputs import (
    covenant,
    curves,
    is_long,
    obligor,
    pool,
    prices,
    sources,
    terms,
    tranche,
    write_pool,
)
from xlkmv.build.questions import compare, drivers, models, moved, solutions, structure
from xlkmv.build.results import (
    by_date,
    cashflow,
    classes_by_date,
    conditions,
    controls,
    payments,
    result,
    scenario,
    simulated,
    uncertainty,
    waterfall,
)
from xlkmv.build.ribbon import add_macros, add_ribbon, pack
from xlkmv.build.watch import backtest, both_views, history, rating, surveillance, today
from xlkmv.deal.examples import EXAMPLES, Example, example
from xlkmv.deal.terms import Deal
from xlkmv.functions import FUNCTIONS
from xlkmv.functions.cells import ExcelError
from xlkmv.functions.registry import Function
from xlkmv.phrase import parts
from xlkmv.refresh.marks import mark_formula
from xlkmv.refresh.run import refresh
from xlkmv.refresh.solving import solve_book
from xlkmv.workbook import layout
from xlkmv.workbook.book import FileBook

__all__ = ["build_template", "fixed_texts"]

SHIPPED = "patents"


def _functions(s: Sheets) -> Any:
    ws = s.sheet(
        "Functions",
        "Functions",
        "工作表函数",
        "A live example of every KMV function: change a yellow cell and, "
        "where xlkmv is installed, the number follows.",
        12,
    )
    ws.set_column(1, 1, 26)
    ws.set_column(2, 14, 17)
    row = 3
    for function in FUNCTIONS.values():
        row = _example(s, ws, row, function)
    return ws


def _example(s: Sheets, ws: Any, row: int, function: Function) -> int:
    """Write one function: its text, its arguments in cells, and the formula that reads them."""
    names = [a.name if a.required else f"[{a.name}]" for a in function.arguments]
    ws.write(row, 1, f"{function.name}({', '.join(names)})", s.style(bold=True, font_size=11, font_color=INK))
    s.speak(ws, row + 1, 1, function.text, s.style(font_color=GREY))
    row += 2
    references = []
    for k, value in enumerate(function.example):
        argument = function.arguments[min(k, len(function.arguments) - 1)]
        ws.write(row, 1, argument.name, s.style(font_color="#595959"))
        grid = [list(r) for r in value] if isinstance(value, tuple) and isinstance(value[0], tuple) else None
        grid = grid or [list(value) if isinstance(value, tuple) else [value]]
        for i, cells in enumerate(grid):
            for j, cell in enumerate(cells):
                put(ws, row + i, 2 + j, cell, s.input("General"))
        first = xl_rowcol_to_cell(row, 2, True, True)
        end = xl_rowcol_to_cell(row + len(grid) - 1, 1 + len(grid[0]), True, True)
        references.append(first if first == end else f"{first}:{end}")
        row += len(grid)
    formula = f"={function.name}({','.join(references)})"
    ws.write_string(row, 1, formula, s.style(font_name="Consolas", font_size=9))
    value = _worked(function)
    if not isinstance(value, list):
        _live(s, ws, row + 1, 2, formula, value)
        return row + 3
    anchor = xl_rowcol_to_cell(row + 1, 2, True, True)
    for i, cells in enumerate(value):
        for j, cell in enumerate(cells):
            # INDEX shows the table in every spreadsheet, also in those where results do not spill.
            here = xl_rowcol_to_cell(row + 1 + i, 2 + j)
            picked = f"INDEX({formula[1:]},ROWS({anchor}:{here}),COLUMNS({anchor}:{here}))"
            _live(s, ws, row + 1 + i, 2 + j, f"={picked}", cell, heading=i == 0 and function.shape == "table")
    return row + 2 + len(value)


@functools.cache
def _worked(function: Function) -> Any:
    """What the example of a function gives: the same in every workbook."""
    return function(*(_as_excel(v) for v in function.example))


def _as_excel(value: Any) -> Any:
    """An example argument as Excel hands it over: a range is a list of rows."""
    if not isinstance(value, tuple):
        return value
    return [list(r) for r in value] if isinstance(value[0], tuple) else [list(value)]


def _live(s: Sheets, ws: Any, row: int, column: int, formula: str, value: Any, heading: bool = False) -> None:
    # Calc leaves a saved TRUE or FALSE aside and wants to compute it; it takes 1 and 0.
    cached = str(value) if isinstance(value, ExcelError) else int(value) if isinstance(value, bool) else value
    side = "center" if heading else "left" if isinstance(value, str) else "right"
    style = s.style(
        border=1, border_color=GRID, align=side, bold=heading, shrink=heading, num_format=_digits(value)
    )
    ws.write_formula(row, column, formula, style, cached)


def _digits(value: Any) -> str:
    """Six decimals, or powers of ten where they would say nothing; whole numbers as they are."""
    if not isinstance(value, float) or value.is_integer():
        return layout.TEXT
    return "0.000000" if 1e-4 <= abs(value) < 1e9 else "0.0000E+00"


def _same(s: Sheets) -> str:
    """Formula: whether the mark of an input is still the one of the last refresh."""
    now, then = (f"tbl_Input[[#This Row],[{column}]]" for column in ("Now", "At refresh"))
    return f"=IF(ABS({now}-{then})<=0.000000000001*(1+ABS({then})),{s.cell('yes')},{s.cell('no')})"


def _checks(s: Sheets) -> Any:
    about = "Laws that every result obeys, and inputs in their usual range (look: worth another look)."
    ws = s.listed(layout.CHECK, "Checks", "校验", about)
    outcome = 1 + layout.CHECK.index("outcome")
    colors = {"passed": GOOD, "look": layout.ASSUMED_FILL, "FAILED": BAD}
    s.mark(ws, LISTED_TOP, outcome, LISTED_TOP + 400, **colors)
    return ws


def _changes(s: Sheets) -> Any:
    about = (
        "A mark of each column of inputs, now and when answers were last computed: where the two differ, "
        "something has changed since."
    )
    same = _same(s)
    marks = [
        [
            *(name, header or layout.OTHER_NUMBERS),
            *((mark_formula(name, header), 0.0), None, (same, "no"), None, None),
        ]
        for name, header in layout.input_columns()
    ]
    ws = s.listed(layout.INPUT, "Changed inputs", "输入变动", about, marks, labels=2)
    outcome = 1 + layout.INPUT.index("same")
    s.mark(ws, LISTED_TOP, outcome, LISTED_TOP + len(marks) - 1, no=layout.ASSUMED_FILL)
    return ws


def _log(s: Sheets) -> Any:
    return s.listed(layout.LOG, "Log", "刷新日志", "A line for each refresh, the last 200 of them.")


def _shipped(source: Path, macros: bool) -> Path:
    """Copy a package with fixed time stamps, and the ribbon where it has macros."""
    with zipfile.ZipFile(source) as package:
        parts = {name: package.read(name) for name in package.namelist()}
    target = source.with_name(f"shipped{source.suffix}")
    target.write_bytes(pack(add_ribbon(parts) if macros else parts))
    return target


def _draft(path: Path, new: Filling, macros: bool = True) -> Sheets:
    """Lay out a workbook with inputs and without results, which is written when it is closed."""
    s = Sheets(path, new.money_label, macros)
    home(s, new).activate()
    pool(s, new)
    obligor(s, new)
    sources(s, new)
    prices(s, new)
    tranche(s, new)
    terms(s, new)
    curves(s, new)
    covenant(s, new)
    waterfall(s)
    cashflow(s)
    payments(s)
    result(s)
    by_date(s, new)
    classes_by_date(s)
    simulated(s)
    scenario(s, new)
    conditions(s)
    controls(s)
    structure(s, new)
    solutions(s)
    drivers(s, new)
    uncertainty(s, new)
    models(s)
    surveillance(s, new)
    today(s, new)
    both_views(s)
    rating(s)
    history(s)
    backtest(s, new)
    compare(s)
    moved(s)
    _functions(s)
    _checks(s)
    _changes(s)
    _log(s)
    s.spoken()
    return s


@functools.cache
def fixed_texts() -> tuple[str, ...]:
    """List the texts that workbooks say without a refresh, for catalogues; those beside their Chinese not.

    Returns
    -------
    tuple of str
    """
    found: list[str] = []
    for new in (*(filling(example(name)) for name in EXAMPLES), blank(CREATED.date(), "quarter", 4)):
        for macros in (True, False):
            texts = _draft(Path("never-written.xlsm"), new, macros).texts
            alone = [text for text, chinese in texts if not chinese and text != THE_MONEY]
            found += [part for text in alone for part in parts(text)]
    return tuple(dict.fromkeys(found))


def build_template(
    path: str | os.PathLike[str], deal: Deal | Example | Filling | None = None, *, refreshed: bool = True
) -> Path:
    """Write a workbook with a deal in it.

    Parameters
    ----------
    path : path-like
        Where to write; an existing file is replaced. A name that ends in ``.xlsx`` gives a workbook
        without macros and buttons.
    deal : Deal, Example or Filling, optional
        The shipped deal when left out. Figures of an example are marked as facts and assumptions.
    refreshed : bool
        Whether to compute the results, too; otherwise the workbook says that it is stale. Sheet Structure
        of another deal than the shipped one waits for its button.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        When the deal holds something for which a workbook has no cells.
    """
    target = Path(path)
    macros = target.suffix.lower() != ".xlsx"
    given = example(SHIPPED) if deal is None else deal
    new = given if isinstance(given, Filling) else filling(given)
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / f"draft{'.xlsm' if macros else '.xlsx'}"
        drawn = _draft(draft, new, macros).book
        if macros:
            add_macros(drawn)
        drawn.close()
        book = FileBook(_shipped(draft, macros))
        if is_long(new):
            write_pool(book, new.tables[layout.POOL.name])
        if refreshed:
            refresh(book, now=CREATED, message="as shipped")
            # The history is the user's: it begins with the first refresh of their own.
            book.write_table(layout.HISTORY.name, {c.header: () for c in layout.HISTORY.columns}, resize=True)
            if deal is None:  # the answers to other deals' targets take as long as a button is for
                solve_book(book, now=CREATED)
        book.save(target)
    return target


if __name__ == "__main__":
    print(build_template(sys.argv[1]))
