"""The shipped VBA in a real Basic: LibreOffice runs the wrappers, with the server stubbed.

What a wrapper hands over (values of ranges, blanks, missing arguments, any number of arguments) and what
it makes of an answer. Calc's Basic knows no CVErr, so the stub module has one that tells its code.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import xlsxwriter

from xlkmv.build.ovba import WORKBOOK, WORKSHEET, build_project, document_module, load_module
from xlkmv.build.vba import function_module
from xlkmv.functions import FUNCTIONS

SOURCE = Path(__file__).resolve().parents[2] / "xlkmv" / "build" / "vba_src" / "KmvServer.bas"

# In place of the server's module: says what arrived.
STUB = """Attribute VB_Name = "KmvServer"
Option Explicit

' Calc's Basic cannot assign a missing argument, which VBA can.
Public Function KmvValue(Optional ByVal argument As Variant) As Variant
    If IsMissing(argument) Then
        KmvValue = "missing"
    ElseIf IsObject(argument) Then
        KmvValue = argument.Value2
    Else
        KmvValue = argument
    End If
End Function

Public Function KmvCall(ByVal functionName As String, ByVal arguments As Variant) As Variant
    Dim k As Long, text As String
    text = functionName
    For k = LBound(arguments) To UBound(arguments)
        text = text & "|" & Told(arguments(k))
    Next k
    KmvCall = text
End Function

Private Function Told(ByVal value As Variant) As String
    Dim i As Long, j As Long, text As String
    If IsArray(value) Then
        For i = LBound(value, 1) To UBound(value, 1)
            For j = LBound(value, 2) To UBound(value, 2)
                text = text & "," & Told(value(i, j))
            Next j
            text = text & ";"
        Next i
        Told = "[" & text & "]"
    ElseIf IsEmpty(value) Then
        Told = "blank"
    Else
        Told = TypeName(value) & " " & CStr(value)
    End If
End Function
"""

TRIALS = """Attribute VB_Name = "Trials"
Option Explicit

Public Function Scalars() As Variant
    Scalars = KMV_PD(120.5, 100, 0.25)
End Function

Public Function Ranges() As Variant
    Dim s As Object
    Set s = ThisWorkbook.Worksheets("Data")
    Ranges = KMV_PD(s.Range("A1"), s.Range("A1:B2"), s.Range("C1:C3"), , s.Range("D9"))
End Function

Public Function Several() As Variant
    Several = KMV_EXPLAIN("KMV_PD", ThisWorkbook.Worksheets("Data").Range("A1"), "x", 0.5)
End Function

Public Function Alone() As Variant
    Alone = KMV_EXPLAIN("KMV_PD")
End Function

Public Function Nothing_() As Variant
    Nothing_ = KMV_VERSION()
End Function
"""

ANSWERS = """
Public Function Untouched() As Variant
    Dim a(0 To 1, 0 To 0) As Variant, out As Variant
    a(0, 0) = 0.5
    a(1, 0) = "text"
    out = KmvCells(a)
    Untouched = LBound(out, 1) & " " & UBound(out, 1) & " " & out(0, 0) & " " & out(1, 0)
End Function

Public Function Marked() As Variant
    Dim a(0 To 2, 0 To 1) As Variant, out As Variant
    a(0, 0) = Chr$(1)
    a(0, 1) = ""
    a(1, 0) = 0.5
    a(1, 1) = Chr$(1) & "#NUM!"
    a(2, 0) = Chr$(1) & "#N/A"
    a(2, 1) = Chr$(1) & "#VALUE!"
    out = KmvCells(a)
    Marked = LBound(out, 1) & " " & UBound(out, 1) & " " & UBound(out, 2)
    Marked = Marked & " " & out(1, 1) & " " & out(1, 2) & " " & out(2, 1) & " " & out(2, 2)
End Function

Public Function Lone() As Variant
    Lone = KmvCells(Chr$(1) & "#NUM!") & " " & KmvCells(0.25) & " " & KmvCells("plain")
End Function

Private Function ErrorOf(ByVal code As Long) As Variant
    ErrorOf = "error" & code
End Function
"""
ERRORS = {"xlErrNum": 2036, "xlErrNA": 2042, "xlErrValue": 2015}


def answers_module() -> str:
    """The shipped module, with error constants by number and a stand-in for CVErr, which Calc has not."""
    text = SOURCE.read_text("utf-8").replace("Option Private Module\n", "")
    text = text.replace("CVErr(", "ErrorOf(")
    for name, code in ERRORS.items():
        text = text.replace(name, str(code))
    return text + ANSWERS


def make_book(folder: Path, *codes: str) -> Path:
    modules = [document_module("ThisWorkbook", WORKBOOK), document_module("shtData", WORKSHEET)]
    project = folder / "vbaProject.bin"
    project.write_bytes(build_project([*modules, *map(load_module, codes)], "Trial"))
    book = xlsxwriter.Workbook(folder / "trial.xlsm")
    book.add_vba_project(str(project))
    book.set_vba_name("ThisWorkbook")
    sheet = book.add_worksheet("Data")
    sheet.set_vba_name("shtData")
    for row, values in enumerate([(1.5, 2.5, 0.1), (3.5, "text", 0.2), (None, None, None)]):
        for column, value in enumerate(values):
            if value is not None:
                sheet.write(row, column, value)
    book.close()
    return folder / "trial.xlsm"


@pytest.fixture(scope="module")
def wrapped(calc, tmp_path_factory):
    path = make_book(tmp_path_factory.mktemp("wrapped"), STUB, function_module(), TRIALS)
    with calc.open(path, macros=True) as book:
        yield {
            name: book.run_macro(f"Trials.{name}")
            for name in ("Scalars", "Ranges", "Several", "Alone", "Nothing_")
        }


def test_wrappers_hand_values_over(wrapped):
    pd = FUNCTIONS["KMV_PD"]
    name, *arguments = wrapped["Scalars"].split("|")
    assert name == "KMV_PD"
    assert len(arguments) == len(pd.arguments)
    assert [a.split()[-1] for a in arguments[:3]] == ["120.5", "100", "0.25"]
    assert arguments[3:] == ["String missing"] * 3


def test_ranges_become_values(wrapped):
    _, one, block, column, missing, blank, _ = wrapped["Ranges"].split("|")
    assert one == "Double 1.5"
    assert block == "[,Double 1.5,Double 2.5;,Double 3.5,String text;]"
    assert column.startswith("[,Double 0.1;,Double 0.2;,") and column.count(";") == 3
    assert missing == "String missing"
    assert blank in ("blank", "Empty ")


def test_any_number_of_arguments(wrapped):
    assert wrapped["Several"].split("|") == [
        "KMV_EXPLAIN",
        "String KMV_PD",
        "Double 1.5",
        "String x",
        "Double 0.5",
    ]
    assert wrapped["Alone"].split("|") == ["KMV_EXPLAIN", "String KMV_PD"]
    assert wrapped["Nothing_"] == "KMV_VERSION"


def test_answers_become_cells(calc, tmp_path):
    with calc.open(make_book(tmp_path, answers_module()), macros=True) as book:
        run = {name: book.run_macro(f"KmvServer.{name}") for name in ("Untouched", "Marked", "Lone")}
    assert run["Untouched"] == "0 1 0.5 text"
    assert run["Marked"] == "1 2 2 0.5 error2036 error2042 error2015"
    assert run["Lone"] == "error2036 0.25 plain"


CONFIRM = """Attribute VB_Name = "Confirm"
Option Explicit

Public Function Confirmed() As String
    Dim row As Long
    KmvConfirm
    For row = 1 To mRow - 1
        Confirmed = Confirmed & mReport.Cells(row, 1).Value & "|" & mReport.Cells(row, 2).Value & "|"
        Confirmed = Confirmed & mReport.Cells(row, 3).Value & "|" & mReport.Cells(row, 4).Value & Chr$(10)
    Next row
    Confirmed = Confirmed & ThisWorkbook.Worksheets.Count
End Function

Private Function ErrorOf(ByVal code As Long) As Variant
    ErrorOf = "error" & code
End Function
"""


def test_the_confirm_macro_runs_to_its_end(calc, tmp_path):
    """Without a server nothing is confirmed, and each check says what it saw instead."""
    source = (SOURCE.parent / "KmvProof.bas").read_text("utf-8").replace("CVErr(", "ErrorOf(")
    for name, code in ERRORS.items():
        source = source.replace(name, str(code))
    source = source.replace("xlWBATWorksheet", "-4167")
    source += CONFIRM.split("Option Explicit")[1]
    alive = "\nPublic Function KmvAlive() As Object\n    Set KmvAlive = Nothing\nEnd Function\n"
    with calc.open(make_book(tmp_path, STUB + alive, function_module(), source), macros=True) as book:
        said = book.run_macro("KmvProof.Confirmed")
    *lines, sheets = said.split("\n")
    assert sheets == "1"  # the sheet of trials is gone
    heading, program, *checks = [line.split("|", 3) for line in lines]
    assert heading == ["Check", f"{sum(how == 'failed' for _, how, *_ in checks)} failed", "Expected", "Seen"]
    assert program[0] == "Program" and program[3]
    seen = {what: (how, expected, got) for what, how, expected, got in checks}
    assert all((how == "passed") == (expected == got) for how, expected, got in seen.values())
    assert len(seen) == len(checks) == 16
    # What a formula hands over arrives: numbers, a date as its number, a list.
    assert seen["A known number"][2].startswith("KMV_PD|Double 120|Double 100|Double 0.25|")
    assert seen["A cell with a date counts as its number"][2].startswith("KMV_PD|Double 43831|Double 43831|")
    assert seen["... its first value"][2].startswith("KMV_PD|[,Double 100;,Double -1;,Double 120;]|")
    assert seen["Python answers, and is of the version of these macros"][2] == "no answer"
    assert seen["INDEX gives the same as the spilled table"][0] == "passed"
    assert seen["A workbook made from the template is in front"] == ("failed", "yes", "no")
