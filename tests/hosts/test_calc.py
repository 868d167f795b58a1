"""The LibreOffice add-in in a real Calc: stored formulas, typed formulas, the menu, the installation.

The values that Calc shows are compared with what was stored in the file, or with the registry called as
Excel would call it. Files are read here with a few lines of XML, independent of the product's reader.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import calc as calc_rig
import numpy as np
import pytest
from calc import Book, Calc, CellError
from lxml import etree

import xlkmv
from xlkmv.build import calc_addin
from xlkmv.errors import HostError
from xlkmv.functions import FUNCTIONS
from xlkmv.functions.cells import ExcelError
from xlkmv.hosts.calc import environment
from xlkmv.install import libreoffice
from xlkmv.language import catalogue
from xlkmv.refresh.run import read_book, refresh
from xlkmv.refresh.solving import solve_book
from xlkmv.workbook.address import address
from xlkmv.workbook.book import open_book
from xlkmv.workbook.layout import QUICK_STATE

pytestmark = pytest.mark.host
MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
LINK = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
CODES = {"#N/A": 32767, "#NUM!": 503, "#VALUE!": 519}
WRONG = 987654.0


@pytest.fixture(scope="module")
def office(calc: Calc, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calc]:
    """A Calc with the add-in; files open with their cached values. (``calc`` skips where there is none.)"""
    extension = calc_addin.build_addin(tmp_path_factory.mktemp("addin") / "xlkmv.oxt")
    with Calc(extensions=[extension]) as running:
        yield running


def said(office: Calc) -> str:
    """What the add-in has said in message boxes, which also goes to the terminal."""
    return (office.profile / "soffice.err").read_text("utf-8", "replace")


# ------------------------------------------------------------------------------- reading a file


@dataclass(frozen=True)
class Stored:
    """A cell as the file holds it."""

    formula: str | None
    kind: str
    value: str | None

    @property
    def number(self) -> float | None:
        """The value of a number or a truth value."""
        return float(self.value) if self.kind in ("n", "b") and self.value is not None else None


def sheet_parts(package: zipfile.ZipFile) -> dict[str, str]:
    links = {
        item.get("Id"): item.get("Target").removeprefix("/xl/")
        for item in etree.fromstring(package.read("xl/_rels/workbook.xml.rels"))
    }
    book = etree.fromstring(package.read("xl/workbook.xml"))
    return {item.get("name"): f"xl/{links[item.get(LINK)]}" for item in book.iter(f"{MAIN}sheet")}


def stored_cells(path: Path) -> dict[tuple[str, str], Stored]:
    """Every cell of a workbook file that holds something."""
    cells = {}
    with zipfile.ZipFile(path) as package:
        texts = [
            "".join(item.itertext(f"{MAIN}t"))
            for item in etree.fromstring(package.read("xl/sharedStrings.xml"))
        ]
        for sheet, part in sheet_parts(package).items():
            for cell in etree.fromstring(package.read(part)).iter(f"{MAIN}c"):
                formula, value = cell.find(f"{MAIN}f"), cell.find(f"{MAIN}v")
                kind, text = cell.get("t", "n"), None if value is None else value.text or ""
                if kind == "s":
                    kind, text = "str", texts[int(text)]
                if formula is not None or text is not None:
                    shown = None if formula is None else formula.text
                    cells[sheet, cell.get("r")] = Stored(shown, kind, text)
    return cells


def live_cells(path: Path) -> dict[tuple[str, str], Stored]:
    return {
        place: cell for place, cell in stored_cells(path).items() if cell.formula and "KMV_" in cell.formula
    }


def edit_sheets(path: Path, target: Path, change: Callable[[Any], None]) -> Path:
    """Copy a workbook, changing the XML of its sheets."""
    with zipfile.ZipFile(path) as package, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as out:
        sheets = set(sheet_parts(package).values())
        for name in package.namelist():
            data = package.read(name)
            if name in sheets:
                root = etree.fromstring(data)
                change(root)
                data = etree.tostring(root)
            out.writestr(name, data)
    return target


# --------------------------------------------------------------------------- the shipped template


def test_without_the_addin_the_template_shows_no_error(calc, template, tmp_path):
    with calc.open(template) as book:
        copy = book.save(tmp_path / "shown.xlsx")
    cells = stored_cells(template)
    errors = {place for place, cell in cells.items() if cell.kind == "e"}
    shown = {place for place, cell in stored_cells(copy).items() if cell.kind == "e"}
    assert sorted(f"{s}!{c}: {cells[s, c].formula or cells[s, c].value}" for s, c in shown - errors) == []
    assert not errors, "an error that is stored in the template"


@pytest.mark.parametrize("macros", [False, True])
def test_every_live_function_recalculates_to_its_stored_value(office, template, tmp_path, macros):
    """Also where macros may run: the extension comes before the VBA functions of the same names."""

    def spoil(root: Any) -> None:
        for cell in root.iter(f"{MAIN}c"):
            formula = cell.find(f"{MAIN}f")
            if formula is not None and "KMV_" in formula.text and cell.get("t", "n") in ("n", "str"):
                cell.find(f"{MAIN}v").text = "wrong" if cell.get("t") == "str" else repr(WRONG)

    right = live_cells(template)
    assert {name for name in FUNCTIONS if any(f"{name}(" in c.formula for c in right.values())} == set(
        FUNCTIONS
    )
    wrong = edit_sheets(template, tmp_path / "wrong.xlsm", spoil)
    with office.open(wrong, macros=macros) as book:
        before = live_cells(book.save(tmp_path / "before.xlsx"))
        book.recalculate()
        after = live_cells(book.save(tmp_path / "after.xlsx"))
    planted = [before[place] for place, cell in right.items() if cell.kind in ("n", "str")]
    assert len(planted) > 100
    assert all(cell.number == WRONG if cell.kind == "n" else cell.value == "wrong" for cell in planted)
    differ = {}
    for place, cell in right.items():
        found = after[place]
        if cell.number is not None:
            same = found.number == pytest.approx(cell.number, rel=1e-12, abs=1e-12)
        else:
            same = found.value == cell.value
        if not same:
            differ[place] = (cell, found)
    assert differ == {}


def test_saved_and_reopened_formulas_keep_their_names(office, template, tmp_path):
    right = live_cells(template)
    with office.open(template) as book:
        copy = book.save(tmp_path / "copy.xlsm")
    assert {place: cell.formula for place, cell in live_cells(copy).items()} == {
        place: cell.formula for place, cell in right.items()
    }
    with office.open(copy) as book:
        book.recalculate()
        again = live_cells(book.save(tmp_path / "again.xlsx"))
    for place, cell in right.items():
        assert again[place].formula == cell.formula
        if cell.number is not None:
            assert again[place].number == pytest.approx(cell.number, rel=1e-12, abs=1e-12)


def as_excel(value: Any) -> Any:
    """A worked example's argument as Excel hands it over."""
    if not isinstance(value, tuple):
        return value
    return [list(r) for r in value] if isinstance(value[0], tuple) else [list(value)]


def in_calc(value: Any) -> Any:
    """A result of the registry as Calc has to show it."""
    if isinstance(value, ExcelError):
        return CellError(CODES[str(value)], str(value))
    return float(value) if isinstance(value, bool) else value


def nudged(value: Any) -> Any:
    """Move the first number of an example's argument a little; None when there is none."""
    if isinstance(value, tuple):
        first = nudged(value[0])
        return None if first is None else (first, *value[1:])
    return None if isinstance(value, str) else value * 0.99 or 0.001


def test_changed_inputs_change_results(office, template):
    """Move the first input of every function that has a number there; the registry says what follows."""
    live = live_cells(template)
    with office.open(template) as book:
        for name, function in FUNCTIONS.items():
            moved = nudged(function.example[0]) if function.example else None
            first = re.compile(rf"(?:INDEX\()?{name}\(\$([A-Z]+)\$(\d+)[:,)]")
            places = [(p, m) for p, cell in live.items() if (m := first.match(cell.formula))]
            if moved is None:
                continue
            book.write(f"Functions!{places[0][1][1]}{places[0][1][2]}", np.ravel(moved)[0])
            result = function(*map(as_excel, (moved, *function.example[1:])))
            wanted = [x for row in result for x in row] if isinstance(result, list) else [result]
            old = [live[place].number for place, _ in places]
            for (place, _), cell in zip(places, wanted, strict=True):
                value = in_calc(cell)
                found = book.value(f"Functions!{place[1]}")
                close = pytest.approx(value, rel=1e-12, abs=1e-12) if isinstance(value, float) else value
                assert found == close, (place, live[place].formula)
            numbers = [x for x in wanted if isinstance(x, float)]
            assert not numbers or numbers != [x for x in old if x is not None], name


def test_home_is_stale_as_soon_as_an_input_changes(office, template):
    """Also when money only moves to another date, a date to another day, a PD by a basis point."""
    file = open_book(template)
    pool, found = file.table("tbl_Pool"), file.name("out_State")
    state = f"{found.sheet}!{found.cell}"
    dates = [heading for heading in pool.header if heading[:1].isdigit()]
    one, other = (f"Pool!{pool.cell(0, date)}" for date in dates[:2])
    heading = f"Pool!{address(pool.top - 1, pool.left + pool.index(dates[-1]))}"
    name, pd = (f"Pool!{pool.cell(1, heading)}" for heading in ("Obligor", "PD"))
    with office.open(template) as book:
        assert book.value(state) == "fresh"
        for cells in (
            {one: 1_000_000.0, other: book.value(one) + book.value(other) - 1_000_000.0},
            {heading: "2024-10-11"},
            {name: "Licensee 99"},
            {pd: book.value(pd) + 0.0001},
        ):
            before = {cell: book.value(cell) for cell in cells}
            for cell, value in cells.items():
                book.write(cell, value)
            assert book.value(state) == "stale: refresh", cells
            for cell, value in before.items():
                book.write(cell, value)
            assert book.value(state) == "fresh", cells


def test_a_sheet_reads_in_the_language_of_the_workbook_as_soon_as_that_is_another(office, template):
    """Also the words that inputs are read by, which stay in their cells."""
    found = open_book(template).name("in_Language")
    words = {
        "English": ("Subordination", "Senior fees", "sequential"),
        "中文": ("超额覆盖", "优先费用", "顺序"),
    }
    with office.open(template) as book:
        for language, shown in words.items():
            book.write(f"{found.sheet}!{found.cell}", language)
            printed = book.printed("Terms")
            assert all((word in printed) is (here is shown) for here in words.values() for word in here)
            assert book.value("Terms!B7") == "Subordination"


def test_a_formula_that_shows_nothing_is_no_input(office, template):
    file = open_book(template)
    found, pool = file.name("out_State"), file.table("tbl_Pool")
    with office.open(template) as book:
        book.write(f"Pool!{pool.cell(0, 'Rating')}", '=""')
        assert book.value(f"{found.sheet}!{found.cell}") == "fresh"
        book.write(f"Pool!{pool.cell(0, 'Rating')}", '="A"')
        assert book.value(f"{found.sheet}!{found.cell}") == "stale: refresh"


def test_names_give_the_figures_of_the_headline_class(office, template):
    file = open_book(template)
    headline, named = file.table("tbl_Headline"), file.name("out_Headline")
    headline_cell = f"{named.sheet}!{named.cell}"
    with office.open(template) as book:
        for name, header in (
            ("out_HeadlineCoverage", "Coverage"),
            ("out_HeadlineDD", "DD"),
            ("out_HeadlinePD", "PD"),
            ("out_HeadlineAnydatePD", "Any-date PD"),
        ):
            book.write("Home!Z1", f"={name}")
            for row in (1, 0):
                book.write(headline_cell, headline.column("Class")[row])
                assert book.value("Home!Z1") == headline.column(header)[row], name


# ------------------------------------------------------------------------------- typed formulas

SHEET = [
    # A      B       C          D         E
    [120.0, 100.0, 0.25, None, "资产"],
    [90.0, 80.0, 0.30, "anytime", "=1/0"],
    [70.0, None, -1.0, '=""', "=NA()"],
]


@pytest.fixture
def sheet(office: Calc) -> Iterator[Book]:
    with office.open() as book:
        book.write(f"{book.sheets[0]}!A1", SHEET)
        yield book


def typed(book: Book, formula: str) -> Any:
    place = f"{book.sheets[0]}!H1"
    book.write(place, formula)
    assert book.formulas(place) == [[formula]]
    return book.value(place)


PD = FUNCTIONS["KMV_PD"]
TYPED: dict[str, Callable[[], Any]] = {
    "=KMV_PD(120,100,0.25)": lambda: PD(120.0, 100.0, 0.25),
    "=KMV_PD(A1,B1,C1)": lambda: PD(120.0, 100.0, 0.25),
    "=KMV_PD(A1,B1,C1,2,0.05)": lambda: PD(120.0, 100.0, 0.25, 2.0, 0.05),
    '=KMV_PD(A1,B1,C1,2,0.05,"anytime")': lambda: PD(120.0, 100.0, 0.25, 2.0, 0.05, "anytime"),
    "=KMV_PD(A1,B1,C1,,,D2)": lambda: PD(120.0, 100.0, 0.25, None, None, "anytime"),
    "=KMV_PD(A1,B1,C1,,0.05)": lambda: PD(120.0, 100.0, 0.25, None, 0.05),
    "=KMV_PD(A1,B1,C1,D3)": lambda: PD(120.0, 100.0, 0.25, ""),
    "=KMV_PD(A1,B1)": lambda: PD(120.0, 100.0),
    "=KMV_PD(A1,,C1)": lambda: PD(120.0, None, 0.25),
    "=KMV_PD(A1,B1,C3)": lambda: PD(120.0, 100.0, -1.0),
    "=KMV_PD(A1,E1,C1)": lambda: PD(120.0, "资产", 0.25),
    '=KMV_PD(A1,B1,C1,1,0,"任意")': lambda: PD(120.0, 100.0, 0.25, 1.0, 0.0, "任意"),
    "=KMV_PD(A1,B1,KMV_PD(A1,B1,C1))": lambda: PD(120.0, 100.0, PD(120.0, 100.0, 0.25)),
    "=SUM(KMV_PD(A1:A3,100,0.25))": lambda: sum(x for (x,) in PD([[120.0], [90.0], [70.0]], 100.0, 0.25)),
    "=INDEX(KMV_PD(A1:B2,100,C1:C2),2,1)": lambda: PD(90.0, 100.0, 0.3),
    "=INDEX(KMV_PD(A1:A3,B1:B3,0.2),3)": lambda: PD(70.0, None, 0.2),
    "=INDEX(KMV_PD(A1:A3,100,C1:C3),3)": lambda: PD(70.0, 100.0, -1.0),
    "=INDEX(KMV_PD(A1:A3,100,C1:C3),2)": lambda: PD(90.0, 100.0, 0.3),
    "=KMV_PD({120,90},100,0.25)": lambda: PD(120.0, 100.0, 0.25),
    "=KMV_VERSION()": lambda: xlkmv.__version__,
    '=INDEX(KMV_EXPLAIN("KMV_PD",A1,B1,C1),8,3)': lambda: (
        FUNCTIONS["KMV_DD"](120.0, 100.0, 0.25) * 0.0
        + FUNCTIONS["KMV_EXPLAIN"]("KMV_PD", 120.0, 100.0, 0.25)[7][2]
    ),
    '=INDEX(KMV_EXPLAIN("KMV_PD",A1,E1,C1),3,3)': lambda: "资产",
}


@pytest.mark.parametrize("formula", TYPED)
def test_typed_formula_means_what_it_means_in_excel(sheet, formula):
    wanted, found = in_calc(TYPED[formula]()), typed(sheet, formula)
    assert found == (pytest.approx(wanted, rel=1e-14) if isinstance(wanted, float) else wanted)


# What Calc does not let through, as the documentation says.
LIMITS = {
    "=KMV_PD(A1,B1,C1,D1)": CellError(503, "#NUM!"),  # a blank cell alone is 0, and a horizon is above 0
    "=KMV_DEFAULT_POINT(A1,B1,D1)": 120.0,
    "=KMV_PD(A1,E2,C1)": CellError(532, "#DIV/0!"),  # an error cell is the result as it is
    "=KMV_PD(A1,E3,C1)": CellError(32767, "#N/A"),
    "=INDEX(KMV_PD(A1:A3,E1:E3,C1),1)": CellError(504, "Err:504"),  # one error in a range spoils all
    "=KMV_PD(1,2,3,4,5,6,7)": CellError(504, "Err:504"),
}


@pytest.mark.parametrize("formula", LIMITS)
def test_limits_of_calc_are_those_documented(sheet, formula):
    assert typed(sheet, formula) == LIMITS[formula]


def test_array_formulas_fill_their_range(sheet):
    name = sheet.sheets[0]
    sheet.array_formula(f"{name}!K1:K4", "=KMV_PD(A1:A3,B1:B3,0.2)")
    column = [in_calc(x) for (x,) in PD([[120.0], [90.0], [70.0]], [[100.0], [80.0], [None]], 0.2)]
    assert sheet.read(f"{name}!K1:K4") == [[x] for x in [*column, CellError(32767, "#N/A")]]
    table = FUNCTIONS["KMV_POOL"]([[120.0], [90.0], [70.0]], [[100.0, 80.0, 70.0]], 0.2)
    sheet.array_formula(f"{name}!M1:T4", "=KMV_POOL(A1:A3,{100,80,70},0.2)")
    assert sheet.read(f"{name}!M1:T4") == [[in_calc(x) for x in row] for row in table]


def test_a_thousand_rows_at_once(sheet):
    name = sheet.sheets[0]
    assets = [[100.0 + k / 10] for k in range(1000)]
    sheet.write(f"{name}!Z1", assets)
    found = typed(sheet, "=SUM(KMV_PD(Z1:Z1000,100,0.25))")
    assert found == pytest.approx(sum(x for (x,) in PD(assets, 100.0, 0.25)), rel=1e-12)


# --------------------------------------------------------------------------------------- the menu

TIMELESS = (
    "out_AnydatePD",
    "out_WorstPD",
    "out_WorstScenario",
    "out_Volatility",
    "out_Drift",
    "out_InputHash",
)


def results(path: Path, folder: Path) -> dict[str, Any]:
    """Headline and tranche results in a file, without time stamps; the file may be open in Calc."""
    book = open_book(shutil.copy2(path, folder / f"look-{path.name}"))
    named = {name: book.name(name).value for name in book.names() if name in TIMELESS}
    assert len(named) >= 4
    return named | {table: book.table(table).rows for table in ("tbl_Headline", "tbl_Chart", "tbl_Scenario")}


def riskier(path: Path, target: Path, pd: float) -> Path:
    book = open_book(path)
    pool = book.table("tbl_Pool")
    book.write_table("tbl_Pool", {"PD": [pd] * len(pool.rows)})
    return book.save(target)


def test_refresh_from_the_menu_does_what_the_command_line_does(office, template, tmp_path):
    mine = riskier(template, tmp_path / "mine.xlsm", 0.05)
    twin = open_book(shutil.copy2(mine, tmp_path / "twin.xlsm"))
    refresh(twin)
    twin.save()
    assert results(mine, tmp_path) != results(tmp_path / "twin.xlsm", tmp_path)
    with zipfile.ZipFile(mine) as package:
        untouched = package.read("xl/theme/theme1.xml"), package.read("xl/styles.xml")
    book = office.open(mine)
    book.dispatch("org.xlkmv.menu:refresh")
    assert results(mine, tmp_path) == results(tmp_path / "twin.xlsm", tmp_path)
    with zipfile.ZipFile(mine) as package:  # nothing was edited, so Calc did not write the file
        assert untouched == (package.read("xl/theme/theme1.xml"), package.read("xl/styles.xml"))
    # The window shows the new file.
    with office.open(mine) as again:
        log = again.read("tbl_Log")
        assert log[-1][-1] == "refreshed in LibreOffice" or log[1][-1] == "refreshed in LibreOffice"
    assert not list(tmp_path.glob(".mine.xlsm.*"))


def test_a_quick_look_from_the_menu_is_marked_until_an_input_changes(office, template, tmp_path):
    mine = Path(shutil.copy2(template, tmp_path / "quick.xlsm"))
    office.open(mine).dispatch("org.xlkmv.menu:quick")
    file = open_book(shutil.copy2(mine, tmp_path / "look.xlsm"))
    state, scope = file.name("out_State"), file.name("out_Scope")
    assert scope.value == "quick look, 2,000 paths"
    pool = file.table("tbl_Pool")
    with office.open(mine) as book:
        book.recalculate()
        assert book.value(f"{state.sheet}!{state.cell}") == state.value == QUICK_STATE
        book.write(f"Pool!{pool.cell(0, 'PD')}", 0.123)
        assert book.value(f"{state.sheet}!{state.cell}") == "stale: refresh"


def test_a_solve_from_the_menu_is_fresh_until_a_target_or_an_input_changes(office, template, tmp_path):
    mine = Path(shutil.copy2(template, tmp_path / "solve.xlsm"))
    file = open_book(shutil.copy2(mine, tmp_path / "look.xlsm"))
    target = f"Structure!{file.table('tbl_Target').cell(0, 'Target')}"
    pd = f"Pool!{file.table('tbl_Pool').cell(0, 'PD')}"
    book = office.open(mine)
    book.write(target, 0.004)
    book.dispatch("org.xlkmv.menu:solve")
    file = open_book(shutil.copy2(mine, tmp_path / "solved.xlsm"))
    twin = open_book(mine)
    solve_book(twin)
    assert file.table("tbl_Structure").rows == twin.table("tbl_Structure").rows
    assert file.table("tbl_Structure").rows != open_book(template).table("tbl_Structure").rows
    state = file.name("out_Structure")
    with office.open(mine) as book:
        place = f"{state.sheet}!{state.cell}"
        book.recalculate()
        assert book.value(place) == state.value == "fresh"
        for cell, changed in ((target, 0.0041), (pd, 0.0151)):
            before = book.value(cell)
            book.write(cell, changed)
            assert book.value(place) == "stale: solve again"
            book.write(cell, before)
            assert book.value(place) == "fresh"


def test_the_memo_from_the_menu_is_written_beside_the_workbook(office, template, tmp_path):
    mine = Path(shutil.copy2(template, tmp_path / "mine.xlsm"))
    book = office.open(mine)
    before = mine.read_bytes()
    book.dispatch("org.xlkmv.menu:memo")
    page = mine.with_suffix(".html").read_text(encoding="utf-8")
    assert f"inputs {read_book(open_book(template)).digest}" in page
    assert mine.read_bytes() == before


def test_refresh_saves_what_was_typed(office, template, tmp_path):
    mine = Path(shutil.copy2(template, tmp_path / "typed.xlsm"))
    pool = open_book(template).table("tbl_Pool")
    book = office.open(mine)
    for row in range(len(pool.rows)):
        book.write(f"Pool!{pool.cell(row, 'PD')}", 0.05)
    book.dispatch("org.xlkmv.menu:refresh")
    twin = open_book(riskier(template, tmp_path / "twin.xlsm", 0.05))
    refresh(twin)
    twin.save()
    assert (
        results(mine, tmp_path)["tbl_Headline"] == results(tmp_path / "twin.xlsm", tmp_path)["tbl_Headline"]
    )


def test_refresh_with_wrong_inputs_names_the_cells_and_changes_nothing(office, template, tmp_path):
    mine = riskier(template, tmp_path / "faulty.xlsm", 1.5)
    pool = open_book(mine).table("tbl_Pool")
    first, last = (pool.cell(row, "PD") for row in (0, len(pool.rows) - 1))
    content = mine.read_bytes()
    with office.open(mine) as book:
        book.dispatch("org.xlkmv.menu:refresh")
        assert book.sheets[0] == "Home"  # the window was not loaded anew
    assert f"Pool!{first}:{last}: {len(pool.rows)} cells, the first holds 1.5; must be" in said(office)
    assert mine.read_bytes() == content


def test_refresh_asks_for_a_saved_workbook(office):
    with office.open() as book:
        book.dispatch("org.xlkmv.menu:refresh")
    assert "save it as one first" in said(office)


def test_menu_tells_what_serves_the_functions(office):
    with office.open() as book:
        book.dispatch("org.xlkmv.menu:check")
    assert f"xlkmv {xlkmv.__version__} works: {len(FUNCTIONS)} functions." in said(office)
    assert "other functions" not in said(office)


def broken(**changes: Any) -> dict[str, Any]:
    return environment() | changes


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (broken(python="3.99"), "was installed for it by Python 3.99"),
        (broken(folders=["/nowhere"]), "xlkmv cannot be loaded from /nowhere"),
    ],
    ids=["another Python", "moved environment"],
)
def test_an_environment_that_does_not_fit_is_said_clearly(calc, tmp_path, place, message):
    extension = calc_addin.build_addin(tmp_path / "xlkmv.oxt", place)
    with Calc(extensions=[extension]) as lame:
        with lame.open() as book:
            assert typed(book, "=KMV_PD(120,100,0.25)") == CellError(525, "#NAME?")
            book.dispatch("org.xlkmv.menu:check")
        assert message in said(lame)
        assert "xlkmv install --libreoffice" in said(lame)


# ------------------------------------------------------------------------------------ the extension


def test_extension_holds_the_registry(tmp_path):
    path = calc_addin.build_addin(tmp_path / "a.oxt")
    assert calc_addin.build_addin(tmp_path / "b.oxt").read_bytes() == path.read_bytes()
    with zipfile.ZipFile(path) as package:
        root = etree.fromstring(package.read("CalcAddIns.xcu"))
        menu = etree.fromstring(package.read("Addons.xcu"))
        known = json.loads(package.read("environment.json"))
    name = "{http://openoffice.org/2001/registry}name"
    texts = {
        kind: [node.findtext("value") for node in root.iter("prop") if node.get(name) == kind]
        for kind in ("DisplayName", "Description", "CompatibilityName")
    }
    assert texts["CompatibilityName"] == list(FUNCTIONS)
    arguments = [argument for function in FUNCTIONS.values() for argument in function.arguments]
    assert sorted(texts["DisplayName"]) == sorted([*FUNCTIONS, *(a.name for a in arguments)])
    described = [x.text for x in [*FUNCTIONS.values(), *arguments]]
    assert sorted(texts["Description"]) == sorted(described)
    said = [
        value.text
        for node in root.iter("prop")
        if node.get(name) == "Description"
        for value in node.iter("value")
        if value.get("{http://www.w3.org/XML/1998/namespace}lang") == "zh-CN"
    ]
    assert sorted(said) == sorted(map(catalogue("zh").gettext, described))
    assert list(known["functions"].values()) == list(FUNCTIONS)
    urls = [node.findtext("value") for node in menu.iter("prop") if node.get(name) == "URL"]
    commands = ("refresh", "quick", "solve", "case", "compare", "memo", "check")
    assert urls == [f"org.xlkmv.menu:{command}" for command in commands]


@pytest.fixture
def private(tmp_path: Path) -> tuple[list[str], Path]:
    """Options that keep ``unopkg`` inside a folder, whoever runs it."""
    (tmp_path / "shared").mkdir()
    options = [
        f"-env:UserInstallation={(tmp_path / 'user').as_uri()}",
        f"-env:UNO_SHARED_PACKAGES_CACHE={(tmp_path / 'shared').as_uri()}",
    ]
    return options, tmp_path


@pytest.mark.usefixtures("calc")
def test_install_and_uninstall_can_be_repeated(private):
    options, folder = private
    kept = "uno_packages/*/*/calc_component.py"  # LibreOffice also leaves temporary copies
    assert "not installed" in libreoffice.uninstall(options)
    assert [c.state for c in libreoffice.checks(options)] == ["ok", "note"]
    for _ in range(2):
        message = libreoffice.install(calc_addin.build_addin, options)
        assert f"{len(FUNCTIONS)} worksheet functions of xlkmv {xlkmv.__version__}" in message
        assert ("all users" in message) == (os.geteuid() == 0)
        assert all(c.state == "ok" for c in libreoffice.checks(options))
    assert len(list(folder.rglob(kept))) == 1
    assert "removed" in libreoffice.uninstall(options)
    assert libreoffice.installed(options) is None
    assert list(folder.rglob(kept)) == []


@pytest.mark.usefixtures("calc")
def test_doctor_names_another_environment(private, monkeypatch):
    options, _ = private
    libreoffice.install(calc_addin.build_addin, options)
    monkeypatch.setattr(libreoffice, "environment", lambda: broken(folders=["/moved"]))
    check = libreoffice.checks(options)[1]
    assert check.state == "wrong"
    assert "is another one" in check.found
    assert check.cure == "run 'xlkmv install --libreoffice'"


@pytest.mark.usefixtures("calc")
@pytest.mark.parametrize(
    ("python", "message"), [("3.99", "runs Python 3.99, xlkmv is installed for"), (None, "python3-uno")]
)
def test_install_refuses_a_python_that_does_not_fit(private, monkeypatch, python, message):
    options, _ = private
    office = libreoffice.find_office()
    assert office is not None
    assert office.python == environment()["python"]
    monkeypatch.setattr(libreoffice, "find_office", lambda: replace(office, python=python))
    with pytest.raises(HostError, match=message):
        libreoffice.install(calc_addin.build_addin, options)
    first = libreoffice.checks(options)[0]
    assert first.state == "wrong"
    assert message in first.cure


def test_without_libreoffice_install_says_so(monkeypatch):
    monkeypatch.setattr(libreoffice, "find_office", lambda: None)
    assert libreoffice.checks() == []
    for action in (lambda: libreoffice.install(calc_addin.build_addin), libreoffice.uninstall):
        with pytest.raises(HostError, match="LibreOffice is not on this machine"):
            action()


def test_the_rig_finds_the_same_office():
    if calc_rig.missing() is None:
        assert libreoffice.find_office() is not None
