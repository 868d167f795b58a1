"""Excel's side of things on a real Windows interpreter: registry, COM, VBScript, under Wine.

VBScript calls the server as VBA does, late bound and with the same kinds of values. What Wine
cannot show is Excel itself; docs/excel.md lists it.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from pathlib import Path

import pytest
from fake_excel import hurry

import xlkmv
from xlkmv.build.ribbon import build_addin
from xlkmv.functions import FUNCTIONS
from xlkmv.hosts.server import CLSID

HERE = Path(__file__).parent
SHIPPED = HERE.parents[1] / "workbook" / "KMV_Template.xlsm"
INSTALL = (
    "import sys; from xlkmv.build.ribbon import build_addin; from xlkmv.install.windows import install; "
    "sys.exit(not install(build_addin(), b'template', all_users={all_users}))"
)
UNINSTALL = "import sys; from xlkmv.install.windows import uninstall; sys.exit(not uninstall())"
# Wine does not merge the classes of a user with those of the machine, so the calls need both.
KEYS = (
    r"HKCU\Software\Classes",
    rf"HKLM\Software\Classes\CLSID\{CLSID}",
    r"HKLM\Software\Classes\xlkmv.Server",
)
KNOWN = 0.27282668076807604  # PD of 120 against 100 at 25 %, mpmath

# What KmvServer.bas does with an answer, in VBScript: errors as text, everything on one line.
SHOW = """
Function Cell(v)
  If VarType(v) = 8 Then
    If Left(v, 1) = Chr(1) Then
      Cell = Mid(v, 2)
    Else
      Cell = "'" & v
    End If
  ElseIf VarType(v) = 11 Then
    Cell = "b" & CStr(CInt(v))
  Else
    Cell = CStr(v)
  End If
End Function
Function Show(answer)
  Dim i, j, first, text
  If Not IsArray(answer) Then
    Show = Cell(answer)
    Exit Function
  End If
  first = 0
  If VarType(answer(0, 0)) = 8 Then
    If Left(answer(0, 0), 1) = Chr(1) Then first = 1
  End If
  For i = first To UBound(answer, 1)
    If i > first Then text = text & ";"
    For j = 0 To UBound(answer, 2)
      If j > 0 Then text = text & ","
      text = text & Cell(answer(i, j))
    Next
  Next
  Show = text
End Function
Function Column(values)
  Dim out, k
  ReDim out(UBound(values), 0)
  For k = 0 To UBound(values)
    out(k, 0) = values(k)
  Next
  Column = out
End Function
"""


def registered(wine) -> list[list[str]]:
    """Everything below the keys; an empty key is as good as none."""
    return [[line for line in wine.registry(key).splitlines()[2:] if line] for key in KEYS]


@pytest.fixture(scope="module")
def registry_before(wine):
    return registered(wine)


@pytest.fixture(scope="module")
def installed(wine, registry_before):
    """The server for this user and for all, the add-in, the template; returns what install said."""
    said = wine.python("-c", INSTALL.format(all_users=True), timeout=180).output
    return said + _install_for_user(wine)


@pytest.fixture(scope="module", autouse=True)
def keeper(wine, installed):
    """One client that keeps the server alive, so that the tests need not start it again and again.

    It must be the first: the server inherits the output pipe of the client that starts it.
    """
    keep, ready = (wine.prefix / "drive_c" / name for name in ("keep", "ready"))
    keep.touch()
    code = (
        "import time; from pathlib import Path; from win32com.client import Dispatch; "
        "s = Dispatch('xlkmv.Server'); s.Version(); Path('C:/ready').touch()\n"
        "while Path('C:/keep').exists(): time.sleep(0.2)\ndel s"
    )
    process = wine.start(wine.python_exe, "-c", code)
    deadline = time.monotonic() + 90
    while not ready.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert ready.exists()
    yield keep
    keep.unlink(missing_ok=True)
    wine.finish(process, check=False)


def _install_for_user(wine):
    code = (
        "from xlkmv.install.windows import register; from xlkmv.install.machine import Machine; "
        "register(Machine())"
    )
    return wine.python("-c", code).output


def test_install_registers_and_ends_with_a_self_test(wine, installed):
    assert re.search(r"Self-test: (\d+) of \1 published known answers agree", installed)
    assert "Done. Close and open Excel" in installed
    for root in ("HKCU", "HKLM"):
        text = wine.registry(rf"{root}\Software\Classes\CLSID\{CLSID}")
        assert re.search(r'pythonw\.exe\\" -P -m xlkmv\.hosts\.server"', text)
        assert f'"xlkmv"="{xlkmv.__version__}"' in text
    assert CLSID in wine.registry(rf"HKLM\Software\Classes\Wow6432Node\CLSID\{CLSID}")  # for 32-bit Excel
    startup = wine.unix_path(r"C:\users") / "root" / "AppData" / "Roaming" / "Microsoft" / "Excel" / "XLSTART"
    assert (startup / "KMV.xlam").read_bytes() == build_addin()


def test_install_runs_twice(wine, installed):
    before = wine.registry(rf"HKCU\Software\Classes\CLSID\{CLSID}")
    _install_for_user(wine)
    assert wine.registry(rf"HKCU\Software\Classes\CLSID\{CLSID}") == before


def test_doctor_finds_and_mends(wine, installed):
    """A class whose Python is gone, an older add-in, and the cure for both."""
    code = """
import winreg
from pathlib import Path
from xlkmv.install.doctor import doctor
from xlkmv.install.machine import Machine, USER
from xlkmv.install.windows import CLASS_KEY, ADDIN
from xlkmv.build.ribbon import build_addin
machine = Machine()
addin = build_addin()
# Wine runs everything as administrator.
print(not any(found.state == "wrong" for found in doctor(addin=addin)))
path = machine.startup_folder() / ADDIN
path.write_bytes(b"old")
machine.write(USER, CLASS_KEY + r"\\LocalServer32", r'"C:\\moved\\pythonw.exe" -P -m xlkmv.hosts.server')
print(not any(found.state == "wrong" for found in doctor(addin=addin)))
print(not any(found.state == "wrong" for found in doctor(addin=addin, fix=True)))
assert path.read_bytes() == addin
"""
    said = wine.python("-c", code, timeout=500).output
    verdicts = [line for line in said.splitlines() if line in ("True", "False")]
    assert verdicts == ["True", "False", "True"], said
    assert r"points to a Python that is gone: C:\moved\pythonw.exe" in said
    assert "KMV.xlam is of another version" in said
    assert said.count("All is well.") == 2


def vbs(value) -> str:
    """A Python value as VBScript."""
    if isinstance(value, str):
        return '"{}"'.format(value.replace('"', '""'))
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, (list, tuple)):
        if value and isinstance(value[0], (list, tuple)):
            return f"Array({', '.join(vbs(v) for v in value)})"
        return f"Column(Array({', '.join(vbs(v) for v in value)}))"
    return repr(float(value))


@pytest.fixture(scope="module")
def answers(wine, installed):
    """One client session: every function with its example, and the kinds of values that cells have."""
    lines = ['Set s = CreateObject("xlkmv.Server")']

    def ask(name, call):
        lines.append(f'WScript.Echo "{name}=" & Show(s.Call({call}))')

    for function in FUNCTIONS.values():
        if all(map(_sendable, function.example)):
            ask(function.name, f'"{function.name}", Array({", ".join(map(vbs, function.example))})')
    pd = '"KMV_PD", Array(120, 100, '
    ask("scalar", f"{pd}0.25)")
    ask("column", f"{pd}Column(Array(0.25, 0.3)))")
    ask("blanks", f"{pd}0.25, Empty, Empty, Empty)")
    ask("blank cell", f"{pd}Column(Array(0.25, Empty)))")
    ask("text", f'{pd}Column(Array(0.25, "abc")))')
    ask("domain", f"{pd}Column(Array(0.25, -1)))")
    ask("lone error", f"{pd}-1)")
    ask("true", f"{pd}True)")
    ask("integer", '"KMV_PD", Array(CLng(120), CInt(100), CCur(0.25))')
    ask("unknown", '"KMV_NOTHING", Array(1)')
    ask("none", '"KMV_VERSION", Array()')
    ask("row and column", '"KMV_DD", Array(Column(Array(120, 130)), Row, 0.25)')
    ask("explained", '"KMV_EXPLAIN", Array("KMV_PD", 120, 100, 0)')
    lines.insert(1, "Dim Row(0, 2)\nRow(0, 0) = 100\nRow(0, 1) = 90\nRow(0, 2) = 80")
    lines.append("Dim big(99999, 0)\nFor k = 0 To 99999\nbig(k, 0) = 100 + k / 1000\nNext")
    lines.append('r = s.Call("KMV_PD", Array(big, 100, 0.25))')
    lines.append('WScript.Echo "big=" & UBound(r, 1) & "," & UBound(r, 2) & "," & r(20000, 0)')
    said = wine.cscript("\n".join(lines), SHOW, timeout=180).output
    return dict(line.split("=", 1) for line in said.splitlines() if "=" in line)


def _sendable(value) -> bool:
    if isinstance(value, (list, tuple)):
        return all(not isinstance(v, (list, tuple)) for v in value)
    return isinstance(value, (str, int, float, bool))


def test_every_function_answers_through_com(answers):
    """The server on Windows and the functions here give the same cells."""
    from xlkmv.functions.com import ErrorText, to_com

    asked = [f for f in FUNCTIONS.values() if all(map(_sendable, f.example))]
    assert len(asked) > len(FUNCTIONS) / 2
    for function in asked:
        example = [[[v] for v in a] if isinstance(a, (list, tuple)) else a for a in function.example]
        rows = to_com(function(*example))
        seen = [row.split(",") for row in answers[function.name].split(";")]
        if any(isinstance(c, str) and set(",;=\n") & set(c) for row in rows for c in row):
            assert len(answers[function.name]) > 10
            continue
        assert [len(r) for r in seen] == [len(r) for r in rows], function.name
        for there, here in zip(seen, rows, strict=True):
            for text, cell in zip(there, here, strict=True):
                if isinstance(cell, bool):
                    assert text == f"b{-int(cell)}"
                elif isinstance(cell, ErrorText):
                    assert text == cell
                elif isinstance(cell, str):
                    assert text == f"'{cell}"
                else:  # VBScript shows 15 digits
                    assert float(text) == pytest.approx(cell, rel=1e-9, abs=1e-13), function.name


def test_kinds_of_cells(answers):
    assert float(answers["scalar"]) == pytest.approx(KNOWN, rel=1e-13)
    assert answers["column"].split(";")[0] == answers["scalar"]
    assert answers["blanks"] == answers["scalar"]
    assert answers["integer"] == answers["scalar"]
    assert answers["blank cell"] == f"{answers['scalar']};#N/A"
    assert answers["text"] == f"{answers['scalar']};#VALUE!"
    assert answers["domain"] == f"{answers['scalar']};#NUM!"
    assert answers["lone error"] == "#NUM!"
    assert answers["true"] == "#VALUE!"
    assert answers["unknown"] == "#VALUE!"
    assert answers["none"] == f"'{xlkmv.__version__}"
    table = [row.split(",") for row in answers["row and column"].split(";")]
    assert [len(row) for row in table] == [3, 3]
    assert "volatility must be > 0" in answers["explained"]


def test_a_hundred_thousand_rows(answers):
    last, columns, value = answers["big"].split(",")
    assert (last, columns) == ("99999", "0")
    assert float(value) == pytest.approx(KNOWN, rel=1e-13)  # row 20000 is 120


def test_errors_and_missing_arguments_as_excel_sends_them(wine, installed):
    """Error cells and missing arguments are VARIANTs that only hand-made calls can send."""
    missing, na, div0 = {"error": -2147352572}, {"error": -2146826246}, {"error": -2146826281}
    calls = [
        ["KMV_PD", [120, 100, 0.25, missing, missing, missing]],
        ["KMV_PD", [120, 100, 0.25, None, None, None]],
        ["KMV_PD", [120, 100, na]],
        ["KMV_PD", [120, 100, div0]],
        ["KMV_PD", [120, 100, [[0.25], [na], [div0], [None], ["x"], [True]]]],
        ["KMV_EXPLAIN", ["KMV_PD", 120, 100, div0]],
        ["KMV_RATING", [0.5, [["资产", 0.1], ["好", 0.9]]]],
    ]
    said = wine.python(HERE / "raw_com.py", CLSID, json.dumps(calls)).output
    good, blanks, one, other, column, explained, rating = json.loads(said)
    assert good == blanks == pytest.approx(KNOWN, rel=1e-14)
    assert (one, other) == ("\x01#N/A", "\x01#VALUE!")
    assert column == [
        ["\x01"],
        [good],
        *([f"\x01{e}"] for e in ("#N/A", "#VALUE!", "#N/A", "#VALUE!", "#VALUE!")),
    ]
    assert explained[-1] == ["Error", "volatility is #DIV/0!", "#VALUE!"]
    assert rating == FUNCTIONS["KMV_RATING"](0.5, [["资产", 0.1], ["好", 0.9]])


def test_only_what_the_sheets_need_is_callable(wine, installed):
    body = """
Set s = CreateObject("xlkmv.Server")
On Error Resume Next
For Each name In Array("Eval", "Exec", "Module", "CallUDF", "Builtin", "GetAttr")
  Err.Clear
  Execute "x = s." & name & "(""1+1"")"
  WScript.Echo name & " " & Err.Number
Next
Err.Clear
WScript.Echo "Version " & s.Version()
"""
    lines = wine.cscript(body).output.split("\n")
    assert lines[-2] == f"Version {xlkmv.__version__}"
    for line in lines[:-2]:
        assert line.split()[1] in ("438", "445"), line  # no such method


def test_two_clients_at_once(wine, installed):
    code = """
import sys, time
from win32com.client import Dispatch
s = Dispatch("xlkmv.Server")
seen = {s.Call("KMV_PD", (120.0, 100.0, 0.2 + k / 1000)) for k in range(100)}
time.sleep(1)
number = s.ProcessId()
del s
print(len(seen), number)
"""
    both = [wine.start(wine.python_exe, "-u", "-c", code) for _ in range(2)]
    said = [wine.finish(process).output.split() for process in both]
    assert [count for count, _ in said] == ["100", "100"]


def test_live_refresh_over_com(wine, installed, tmp_path):
    """Excel's objects as fakes in another process; the server finds tables, writes, restores settings."""
    shutil.copy(SHIPPED, tmp_path / "Book.xlsm")
    code = f"""
import sys, json
sys.path.insert(0, {wine.windows_path(HERE)!r})
import pythoncom
from pathlib import Path
from win32com.client import Dispatch
import fake_excel
from fake_excel import open_fake, exported
s = Dispatch("xlkmv.Server")
fake = open_fake(Path({wine.windows_path(tmp_path / "Book.xlsm")!r}))
pool = next(t for t in fake.sheet("Pool").ListObjects if t.Name == "tbl_Pool")
header = [c.Name for c in pool.ListColumns]
place = pool.area.top + 1, pool.area.left + header.index("PD")
fake_excel.hurry(fake)
book = exported(fake)
fake.sheet("Pool").values[place] = 7.0
wrong = s.Refresh(book)
fake.sheet("Pool").values[place] = 0.5
done = s.Refresh(book)
quick = s.Refresh(book, True)
excel = fake.Application
headline = next(t for t in fake.sheet("Result").ListObjects if t.Name == "tbl_Headline")
row = [fake.sheet("Result").values[headline.area.top + 1, headline.area.left + k] for k in range(1, 5)]
settings = [excel.Calculation, excel.ScreenUpdating, excel.EnableEvents]
print(json.dumps([wrong, done, quick, row, settings, len(excel.messages)]))
"""
    path = tmp_path / "refresh.py"
    path.write_text(code, "utf-8")
    said = wine.python(path, timeout=500).output
    wrong, done, quick, row, settings, messages = json.loads(said.splitlines()[-1])
    assert (wrong[0][0], len(wrong)) == ("wrong", 2), wrong
    assert "HYPERLINK" in wrong[1][0]
    assert done[0][0] == "done", done
    assert quick[0][1].startswith("KMV: quick look, 1,000 paths, in "), quick
    assert settings == [-4105, True, True]
    assert messages > 0
    from xlkmv.refresh.run import refresh
    from xlkmv.workbook.book import FileBook

    file = FileBook(tmp_path / "Book.xlsm")
    hurry(file)
    rows = file.table("tbl_Pool").column("PD")
    file.write_table("tbl_Pool", {"PD": [0.5, *rows[1:]]})
    refresh(file)
    expected = FileBook(file.save(tmp_path / "out.xlsm")).table("tbl_Headline").rows[0][1:5]
    assert row == pytest.approx(expected, rel=1e-9)


PROCESSES = """
from xlkmv.deal.examples import example
from xlkmv.deal.paths.executors import process_executor
from xlkmv.deal.paths.run import simulate_stresses
from xlkmv.deal.stress import ALL_OFF, BASE

if __name__ == "__main__":
    deal = example("auto").deal
    with process_executor(2) as executor:
        for thin in (False, True):
            runs = [
                simulate_stresses(deal, [BASE, ALL_OFF], paths=40_000, thin=thin, executor=where)
                for where in (executor, None)
            ]
            print([(a.replicates == b.replicates).all().item() for a, b in zip(*runs, strict=True)])
"""


def test_processes_give_the_same_bits(wine, tmp_path):
    """Pipes and new interpreters of Windows: what a refresh of a large pool uses."""
    path = tmp_path / "processes.py"
    path.write_text(PROCESSES, "utf-8")
    assert wine.python(path).output == "[True, True]\n" * 2


def test_a_pipe_of_the_code_page_that_this_windows_has(wine):
    """Python writes to pipes as Windows does, which here knows no Chinese: no crash."""
    asked = "import locale, sys; print(sys.flags.utf8_mode, locale.getpreferredencoding())"
    assert wine.python("-c", asked).output == "0 cp1252\n"
    told = wine.python("-m", "xlkmv", "show", wine.windows_path(SHIPPED)).output
    assert "\nSenior (???)\n" in told and "\n  Grade: AAA\n" in told


def test_import_functions_of_plain_xlwings(wine, tmp_path):
    """xlwings' own way: its import finds the same functions, its dispatch computes them."""
    code = """
import io, json
import xlwings
from xlwings import udfs
from types import SimpleNamespace
import xlkmv.functions as functions
text = io.StringIO()
udfs.generate_vba_wrapper("xlkmv.functions", functions, text, SimpleNamespace(Name="Book1.xlsm"))
call = lambda name, *args: udfs.call_udf("xlkmv.functions", name, args)
out = [
    text.getvalue(),
    call("KMV_PD", 120.0, 100.0, 0.25),
    call("KMV_PD", 120.0, 100.0, 0.25, -2147352572, -2147352572, -2147352572),
    call("KMV_PD", 120.0, 100.0, ((0.25,), (-2146826246,), (-1.0,))),
    call("KMV_EXPLAIN", "KMV_PD", 120.0, 100.0, 0.25),
    [[a["doc"] for a in functions.KMV_PD.__xlfunc__["args"]], functions.KMV_PD.__xlfunc__["ret"]["doc"]],
]
print(json.dumps(out))
"""
    vba, scalar, missing, column, explained, docs = json.loads(wine.python("-c", code).output)
    found = set(re.findall(r"^Function (\w+)\(", vba, re.M))
    assert found == set(FUNCTIONS)
    assert "Function KMV_PD(asset_value, default_point, volatility, Optional horizon, Optional drift" in vba
    assert "Function KMV_EXPLAIN(function_name, ParamArray arguments())" in vba
    assert scalar == missing == [[pytest.approx(KNOWN, rel=1e-14)]]
    assert column == [[pytest.approx(KNOWN, rel=1e-14)], ["#N/A"], ["#NUM!"]]
    assert explained[0] == ["Step", "Formula", "Value"]
    assert docs == [[a.text for a in FUNCTIONS["KMV_PD"].arguments], FUNCTIONS["KMV_PD"].text]


def test_the_server_ends_with_its_last_client(wine, installed, keeper):
    keeper.unlink()
    code = """
import gc, win32api, win32con, win32event
from win32com.client import Dispatch
s = Dispatch("xlkmv.Server")
process = win32api.OpenProcess(win32con.SYNCHRONIZE, False, s.ProcessId())
del s
gc.collect()
print(win32event.WaitForSingleObject(process, 60000) == win32event.WAIT_OBJECT_0)
"""
    assert wine.python("-c", code).output == "True\n"


# As in KmvServer.bas: the object is kept, and asked for anew once when the call fails.
RETRY = """
Dim server
Function Ask()
  On Error Resume Next
  If IsEmpty(server) Then Set server = CreateObject("xlkmv.Server")
  Ask = server.Call("KMV_PD", Array(120, 100, 0.25))
  If Err.Number <> 0 Then
    WScript.Echo "failed once"
    Err.Clear
    Set server = CreateObject("xlkmv.Server")
    Ask = server.Call("KMV_PD", Array(120, 100, 0.25))
    If Err.Number <> 0 Then Ask = Err.Description
  End If
End Function
"""


def test_the_next_call_works_after_the_server_was_killed(wine, installed):
    """Windows forgets the class of a dead process; Wine does with its registrar, which it starts anew."""
    body = """
WScript.Echo Ask()
first = server.ProcessId()
Set shell = CreateObject("WScript.Shell")
shell.Run "taskkill /f /pid " & first, 0, True
shell.Run "taskkill /f /im rpcss.exe", 0, True
WScript.Echo Ask()
WScript.Echo CStr(first <> server.ProcessId())
"""
    lines = wine.cscript(body, RETRY, timeout=90).output.split()
    wine.kill("pythonw.exe")  # the new registrar may not tell the server that its client has gone
    assert lines[1:3] == ["failed", "once"]
    assert float(lines[0]) == float(lines[3]) == pytest.approx(KNOWN, rel=1e-13)
    assert lines[4] in ("True", "-1")


def test_uninstall_leaves_no_trace(wine, installed, registry_before):
    """Last, as everything above needs the server."""
    said = wine.python("-c", UNINSTALL).output
    assert "Nothing of xlkmv is left" in said
    left = [lines for lines in registered(wine) if len(lines) > 1]
    assert left == [lines for lines in registry_before if len(lines) > 1]
    home = wine.unix_path(r"C:\users") / "root" / "AppData"
    assert not (home / "Local" / "xlkmv").exists()
    assert not list(home.rglob("KMV*"))
    again = wine.python("-c", UNINSTALL).output
    assert again == said.splitlines()[-1] + "\n"
