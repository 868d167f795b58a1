"""The edition for xlwings Lite: its script, a refresh through Lite's objects, a Python without processes."""

from __future__ import annotations

import datetime as dt
import inspect
import subprocess
import sys
import types
import zipfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from fake_lite import Book

from xlkmv.build import lite as build
from xlkmv.build.template import build_template
from xlkmv.deal.examples import example
from xlkmv.errors import BookError
from xlkmv.functions import FUNCTIONS
from xlkmv.functions.cells import ExcelError
from xlkmv.hosts.lite import LiteBook, answer, refresh_open
from xlkmv.refresh.run import refresh
from xlkmv.workbook.book import FileBook
from xlkmv.workbook.stored import ErrorCell

NOW = dt.datetime(2026, 1, 2, 3, 4, 5)


@pytest.fixture(scope="module")
def auto(tmp_path_factory):
    """A deal whose tables take another length, without macros, stale."""
    return build_template(tmp_path_factory.mktemp("lite") / "auto.xlsx", example("auto"), refreshed=False)


def same(one, other):
    """Cells alike: numbers to the last bit, dates with and without a time."""

    def plain(value):
        if isinstance(value, dt.datetime):
            return value.isoformat()
        if isinstance(value, dt.date):
            return f"{value.isoformat()}T00:00:00"
        return str(value) if isinstance(value, ErrorCell) else value

    return plain(one) == plain(other) or (one in (None, "") and other in (None, ""))


def test_a_refresh_through_lite_writes_what_a_refresh_of_the_file_writes(auto, tmp_path):
    held, file = Book(auto), FileBook(auto)
    lite = LiteBook(held)
    refresh(lite, now=NOW, quick=True)
    assert not held.actions  # nothing reaches the workbook before it is saved
    lite.save()
    held.end()
    refresh(file, now=NOW, quick=True)
    file.save(tmp_path / "file.xlsx")
    read = FileBook(tmp_path / "file.xlsx")
    for name in read.tables():
        table, shown = read.table(name), held.table(name)
        assert len(shown) == len(table.rows) + 1, name
        for mine, theirs in zip(shown[1:], table.rows, strict=True):
            for header, one, other in zip(table.header, mine, theirs, strict=True):
                # A formula of the sheet shows its old value in both until a spreadsheet computes it.
                assert same(one, other) or isinstance(other, ErrorCell), (name, header, one, other)
    for name in ("out_Scope", "out_Digest", "out_Seed"):
        if name in read.names():
            assert LiteBook(held).name(name).value == read.name(name).value


def test_wrong_cells_are_shown_and_nothing_is_written(auto):
    held = Book(auto)
    table = next(t for s in held.sheets for t in s.tables if t.name == "tbl_Tranche")
    column = table.body.left + table.header.index("Coupon")
    table.sheet.cells[table.body.top, column] = 4.0
    said = refresh_open(held, quick=True)
    assert held.alerts == [("KMV", said)] and "must be between 0 and 1" in said
    assert not held.actions


def test_a_table_does_not_grow_over_what_lies_beneath(auto):
    held = Book(auto)
    table = next(t for s in held.sheets for t in s.tables if t.name == "tbl_Headline")
    table.sheet.cells[table.body.bottom + 1, table.body.left] = "mine"
    lite = LiteBook(held)
    rows = len(held.table("tbl_Headline"))
    with pytest.raises(BookError, match="mine"):
        lite.write_table("tbl_Headline", {table.header[0]: ["x"] * rows}, resize=True)


def test_texts_stay_texts_and_odd_numbers_are_errors(auto):
    held = Book(auto)
    lite = LiteBook(held)
    lite.write_name("out_Scope", "=1+1")
    lite.write_table("tbl_Headline", {"PD": [float("nan")] * (len(held.table("tbl_Headline")) - 1)})
    lite.save()
    assert [rows[0][0] for _, rows in held.actions] == ["'=1+1", "#NUM!"]


def test_the_script_has_every_function_with_its_arguments_and_help(monkeypatch):
    seen = {}

    def func(function):
        seen[function.__name__] = function
        return function

    def arg(name, **options):
        def mark(function):
            function.__dict__.setdefault("helps", {})[name] = options
            return function

        return mark

    fake = types.ModuleType("xlwings")
    fake.func, fake.arg, fake.script, fake.Book = func, arg, lambda function: function, object
    monkeypatch.setitem(sys.modules, "xlwings", fake)
    names: dict = {}
    exec(compile(build.script(), "main.py", "exec"), names)
    assert list(seen) == list(FUNCTIONS)
    for name, function in FUNCTIONS.items():
        made = seen[name]
        parameters = inspect.signature(made).parameters
        assert list(parameters) == [a.name for a in function.arguments]
        for a in function.arguments:
            optional = parameters[a.name].default is not inspect.Parameter.empty
            assert optional == (a.default is not inspect.Parameter.empty)
            assert made.helps[a.name]["doc"].split() == a.text.split()
        assert made.__doc__.split() == function.text.split()
    assert {"refresh", "quick_look"} <= set(names)
    assert seen["KMV_PD"]([[120.0]], [[100.0]], [[0.25]]) == [[FUNCTIONS["KMV_PD"](120.0, 100.0, 0.25)]]


def test_an_answer_is_in_its_own_place():
    found = answer("KMV_PD", [[120.0], [None], ["#NUM!"]], [[100]], [[0.25]], None)
    direct = FUNCTIONS["KMV_PD"]([[120.0], [None], [ExcelError("#NUM!", "")]], 100.0, 0.25)
    assert found[0][0] == direct[0][0]
    assert [str(x) for (x,) in found[1:]] == [cell.code for (cell,) in direct[1:]] == ["#N/A", "#NUM!"]


def test_the_edition_is_script_requirements_and_a_workbook_without_macros(tmp_path):
    script, requirements, book = build.write_lite(tmp_path / "new" / "lite")
    assert script.read_text(encoding="utf-8") == build.script()
    assert "xlkmv==" in requirements.read_text()
    with zipfile.ZipFile(book) as package:
        parts = {name: package.read(name) for name in package.namelist()}
    assert not [name for name in parts if "vba" in name.lower() or "customui" in name.lower()]
    assert b"macroEnabled" not in parts["[Content_Types].xml"]
    assert FileBook(book).name("out_State").value == "fresh"


WALL = """
import sys, threading
import numpy, pandas, scipy.special, xml.sax.saxutils  # bring along what the standard library has of these
GONE = {"multiprocessing", "_multiprocessing", "concurrent.futures.process", "subprocess", "_posixsubprocess"}
GONE |= {"socket", "_socket", "select", "ctypes", "_ctypes", "fcntl", "msvcrt", "mmap"}
GONE |= {"dask", "distributed", "xlwings", "win32com", "pythoncom"}

class Wall:
    def find_spec(self, name, path=None, target=None):
        if name in GONE or name.split(".")[0] in GONE:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

for name in [name for name in sys.modules if name in GONE or name.split(".")[0] in GONE]:
    del sys.modules[name]
sys.meta_path.insert(0, Wall())
sys.platform = "emscripten"

def start(self):
    raise RuntimeError("can't start new thread")

threading.Thread.start = start
"""


def test_the_core_runs_where_no_process_thread_socket_or_ctypes_exists(auto, tmp_path):
    code = WALL + (
        "import xlkmv\n"
        "from dataclasses import replace\n"
        "from pathlib import Path\n"
        f"sys.path.insert(0, {str(Path(__file__).resolve().parent)!r})\n"
        "deal = xlkmv.xingye_yuanrong()\n"
        "deal = replace(deal, terms=replace(deal.terms, paths=2000))\n"
        "print(repr(deal.analyse().to_frame()['quote_pd'].tolist()))\n"
        "from fake_lite import Book\n"
        "from xlkmv.hosts.lite import refresh_open\n"
        f"book = Book(Path({str(auto)!r}))\n"
        "print(refresh_open(book), len(book.actions) > 50, book.alerts)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    quotes, refreshed = done.stdout.splitlines()
    assert refreshed.startswith("refreshed in ") and refreshed.endswith("True []")
    import xlkmv

    deal = xlkmv.xingye_yuanrong()
    deal = xlkmv.Deal.from_frames(
        deal.pool,
        deal.tranches,
        controls=deal.controls,
        covenants=deal.covenants,
        **{
            name: getattr(deal.terms, name)
            for name in ("closing", "dates", "fee_rate", "support_correlation")
        },
        seed=deal.terms.seed,
        paths=2000,
    )
    assert quotes == repr(deal.analyse().to_frame()["quote_pd"].tolist())  # the same bits as with all of it
