"""The rigs themselves: each host really runs, really computes, and goes away afterwards."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest
import xlsxwriter
from calc import Calc, CalcError, CellError
from wine import Wine, WineError

from xlkmv.build.ovba import WORKBOOK, WORKSHEET, build_project, document_module, load_module

HERE = Path(__file__).parent
VBA = """Attribute VB_Name = "Numbers"
Option Explicit

Public Function Twice(ByVal x As Variant) As Variant
    Twice = 2 * x
End Function

Public Sub Fill()
    ThisWorkbook.Worksheets("Data").Range("E1").Value = Twice(21)
End Sub
"""


@pytest.fixture(scope="module")
def book_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small macro workbook whose cached values are wrong on purpose."""
    folder = tmp_path_factory.mktemp("rigs")
    path = folder / "small.xlsm"
    (folder / "vbaProject.bin").write_bytes(
        build_project(
            [
                document_module("ThisWorkbook", WORKBOOK),
                document_module("shtData", WORKSHEET),
                document_module("shtPlain", WORKSHEET),
                load_module(VBA),
            ],
            "Small",
        )
    )
    book = xlsxwriter.Workbook(path)
    book.add_vba_project(str(folder / "vbaProject.bin"))
    book.set_vba_name("ThisWorkbook")
    sheet = book.add_worksheet("Data")
    sheet.set_vba_name("shtData")
    sheet.write_row("A1", ["资产", 1.5])
    sheet.write_string("D1", "=text")
    sheet.write_formula("A2", "=B1*2", None, 99)
    sheet.write_formula("B2", "=NA()", None, "#N/A")
    sheet.write_formula("C2", '=""', None, "")
    sheet.write_number("D2", 0.25, book.add_format({"num_format": "0%"}))
    chart = book.add_chart({"type": "column"})
    chart.add_series({"values": "=Data!$B$1:$B$1", "fill": {"color": "#C00000"}})
    sheet.insert_chart("H20", chart)
    plain = book.add_worksheet("Plain")
    plain.set_vba_name("shtPlain")
    plain.hide_gridlines(2)
    plain.write("A1", "x")
    hidden = book.add_worksheet("Hidden")
    hidden.hide()
    book.define_name("in_number", "=Data!$B$1")
    book.close()
    return path


# ------------------------------------------------------------------------------------------------ Calc


def test_calc_shows_cached_values_until_it_computes(calc, book_path):
    with calc.open(book_path) as book:
        assert book.sheets == ["Data", "Plain", "Hidden"]
        assert book.read("Data!A1:D1") == [["资产", 1.5, None, "=text"]]
        assert book.read("Data!A2:C2") == [[99.0, CellError(32767, "#N/A"), ""]]
        book.recalculate()
        assert book.value("Data!A2") == 3.0
        book.write("in_number", 4)
        assert book.value("Data!A2") == 8.0
        book.write("Data!A3", [["=SUM(B1,D2)", "=1/0"], [None, "word"]])
        assert book.read("Data!A3:B4") == [[4.25, CellError(532, "#DIV/0!")], [None, "word"]]
        assert book.formulas("Data!A2:A3") == [["=B1*2"], ["=SUM(B1,D2)"]]
        book.array_formula("Data!A6:A7", "={1;2}*B1")
        assert book.formulas("Data!A6") == [["{={1;2}*B1}"]]
        assert book.read("Data!A6:A7") == [[4.0], [8.0]]
        assert book.text("Data!D2") == [["25%"]]
        assert book.used("Data") == (4, 7)


def test_calc_saves_what_it_shows(calc, book_path, tmp_path):
    with calc.open(book_path) as book:
        book.write("in_number", 10)
        copy = book.save(tmp_path / "copy.xlsx")
    with calc.open(copy) as book:
        assert book.value("Data!A2") == 20.0
        assert book.formulas("Data!A2") == [["=B1*2"]]


def test_calc_runs_the_vba_that_we_wrote(calc, book_path):
    """A third reader of our vbaProject.bin, and one that runs it."""
    with calc.open(book_path, macros=True) as book:
        assert book.run_macro("Numbers.Twice", 1.25) == 2.5
        book.run_macro("Numbers.Fill")
        assert book.value("Data!E1") == 42.0


def test_calc_says_what_is_wrong(calc, tmp_path):
    with pytest.raises(FileNotFoundError):
        calc.open(tmp_path / "none.xlsx")
    with calc.open() as book, pytest.raises(CalcError, match="NoSuchElement"):
        book.read("Nowhere!A1")
    with calc.open() as book:
        assert book.used(book.sheets[0]) == (0, 0)


def test_calc_version_is_recent(calc):
    assert tuple(map(int, calc.version().split(".")[:2])) >= (25, 2)


def pixels(path: Path) -> list[list[tuple[int, ...]]]:
    """Read an 8-bit RGB PNG without filters."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, body, size = 8, b"", (0, 0)
    while at < len(data):
        length, name = struct.unpack(">I4s", data[at : at + 8])
        chunk = data[at + 8 : at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length : at + 12 + length])[0] == zlib.crc32(name + chunk)
        if name == b"IHDR":
            size = struct.unpack(">II", chunk[:8])
            assert chunk[8:] == bytes([8, 2, 0, 0, 0])
        body += chunk if name == b"IDAT" else b""
        at += 12 + length
    raw, (width, height) = zlib.decompress(body), size
    rows = [raw[i * (3 * width + 1) + 1 : (i + 1) * (3 * width + 1)] for i in range(height)]
    return [[tuple(row[3 * x : 3 * x + 3]) for x in range(width)] for row in rows]


def test_pictures_show_charts_and_the_grid_as_the_screen_does(calc, book_path, tmp_path):
    with calc.open(book_path) as book:
        paths = book.pictures(tmp_path)
    assert [p.name for p in paths] == ["01_Data.png", "02_Plain.png"]
    data, plain = (pixels(p) for p in paths)
    assert sum(p == (0xC0, 0, 0) for row in data for p in row) > 5000  # the chart, far from the cells
    assert sum(p == (212, 212, 212) for row in data for p in row) > 1000
    assert sum(p == (212, 212, 212) for row in plain for p in row) < 50  # the edges of letters
    assert len(data) > 10 * len(plain) / 2


def test_render_is_a_command(calc, book_path, tmp_path):
    script = HERE / "render.py"
    done = subprocess.run(
        [sys.executable, script, book_path, tmp_path, "--sheet", "Plain"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == [str(tmp_path / "02_Plain.png")]
    assert (tmp_path / "02_Plain.png").stat().st_size > 100


def processes(word: str) -> list[int]:
    """Ids of living processes with a word in their command line or environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if word.encode() in text and state != "Z":
                found.append(int(entry.name))
    return found


def gone(word: str, seconds: float = 30) -> bool:
    """Whether the processes go away soon; polls, since ends are not instant."""
    deadline = time.monotonic() + seconds
    while processes(word):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_calc_leaves_nothing_behind(calc):
    with Calc() as office:
        profile = office.profile
        assert processes(str(profile))
    assert gone(str(profile))
    assert not profile.exists()


def test_calc_ends_with_a_killed_test_run(calc, tmp_path):
    """The driver dies without a word; the office must not stay."""
    code = (
        f"import os, sys; sys.path.insert(0, {str(HERE)!r})\n"
        "from calc import Calc\n"
        "office = Calc(); print(office.profile, flush=True); os._exit(9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 9
    profile = done.stdout.strip()
    assert profile
    assert gone(profile)


# ------------------------------------------------------------------------------------------------ Wine


def test_wine_runs_a_windows_python(wine):
    done = wine.python("-c", "import sys, xlkmv; print(sys.platform, sys.version_info[:2], ascii('资产'))")
    assert done.output == "win32 (3, 11) '\\u8d44\\u4ea7'\n"


def test_wine_python_has_what_the_product_needs(wine):
    modules = "numpy, scipy.special, pandas, xlwings, lxml.etree, rich, xlsxwriter, win32com.client"
    assert wine.python("-c", f"import {modules}; print(1)").output == "1\n"


def test_wine_python_calls_com(wine):
    code = (
        "import win32com.client as c; d = c.Dispatch('Scripting.Dictionary'); "
        "d.Add('pd', 0.25); print(d.Item('pd'), d.Count)"
    )
    assert wine.python("-c", code).output == "0.25 1\n"


def test_wine_reports_failures(wine):
    assert wine.python("-c", "raise SystemExit(3)", check=False).code == 3
    with pytest.raises(WineError, match=r"(?s)code 1.*ValueError: no"):
        wine.python("-c", "raise ValueError('no')")
    with pytest.raises(WineError, match="did not end within 1 s"):
        wine.python("-c", "import time; time.sleep(30)", timeout=1)


def test_cscript_runs_vbscript_with_com(wine):
    body = 'Set d = CreateObject("Scripting.Dictionary")\nd.Add "a", Half(3)\nWScript.Echo d.Item("a")'
    assert wine.cscript(body, "Function Half(x)\nHalf = x / 2\nEnd Function").output == "1.5\n"


def test_cscript_failures_are_not_silent(wine):
    assert wine.cscript('Err.Raise 1004, "x", "told"', check=False).output == "error 1004: told\n"
    with pytest.raises(WineError, match="before its end"):
        wine.cscript("this is (( not VBScript")
    assert wine.cscript("WScript.Quit 4", check=False).code == 4


def test_cscript_in_a_chinese_windows(wine):
    body = 'WScript.Echo Len("资产")\nWScript.Echo "资产"'
    assert wine.cscript(body, chinese=True).output == "2\n资产\n"


def test_wine_registry_and_folders_are_private(wine):
    key = r"HKCU\Software\xlkmv-rig"
    assert wine.registry(key) == ""
    wine.run("reg", "add", key, "/v", "x", "/d", "资产", "/f")
    assert '"x"="资产"' in wine.registry(key)
    with Wine() as other:
        assert other.registry(key) == ""
        prefix = other.prefix
        assert processes(str(prefix))
    assert not prefix.exists()
    assert gone(str(prefix))
    wine.run("reg", "delete", key, "/f")
    assert wine.registry(key) == ""


def test_wine_ends_with_a_killed_test_run(wine):
    code = (
        f"import os, sys; sys.path.insert(0, {str(HERE)!r})\n"
        "from wine import Wine\n"
        "windows = Wine(); print(windows.prefix, flush=True)\n"
        "windows.start(windows.python_exe, '-c', 'import time; time.sleep(100)'); os._exit(9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 9
    prefix = done.stdout.strip()
    assert prefix
    assert gone(prefix)


def test_paths_go_both_ways(wine):
    assert wine.windows_path("/home/a b/c.txt") == r"Z:\home\a b\c.txt"
    assert wine.unix_path(r"Z:\home\a b\c.txt") == Path("/home/a b/c.txt")
    assert wine.unix_path(r"C:\users") == wine.prefix / "drive_c" / "users"
    assert (wine.unix_path(r"C:\windows") / "system32").is_dir()
