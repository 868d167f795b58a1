"""The VBA of the workbook and of the add-in, generated from the registry of functions.

The hand-written lines are the text files in ``vba_src``: calling the server, the macros, the
event that sets help texts. Everything that knows a function by name is made here, so that
a new function needs no line of VBA. No Declare, no shell, no file access.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources

import xlkmv
from xlkmv.build.ovba import (
    RESERVED,
    WORKBOOK,
    WORKSHEET,
    Module,
    build_project,
    document_module,
    load_module,
)
from xlkmv.errors import InputError
from xlkmv.functions import FUNCTIONS
from xlkmv.functions.registry import Argument, Function

__all__ = [
    "CATEGORY",
    "addin_project",
    "function_module",
    "help_module",
    "modules",
    "said_texts",
    "template_project",
]

CATEGORY = "KMV"
LONGEST_TEXT = 255
"""Characters that Excel's function wizard takes of one text."""

WORKBOOK_NAME = "ThisWorkbook"
HAND_WRITTEN = ("KmvServer.bas", "KmvMacros.bas")

# The wizard's texts can be set for a visible workbook only; an add-in shows itself for that moment.
DESCRIBE_ALL = """
Public Sub KmvDescribeAll()
    Dim wasAddin As Boolean, wasSaved As Boolean
    On Error Resume Next
    wasSaved = ThisWorkbook.Saved
    wasAddin = ThisWorkbook.IsAddin
    If wasAddin Then
        Application.ScreenUpdating = False
        ThisWorkbook.IsAddin = False
    End If
{calls}
    If wasAddin Then
        ThisWorkbook.IsAddin = True
        Application.ScreenUpdating = True
    End If
    ThisWorkbook.Saved = wasSaved
End Sub

Private Sub KmvDescribe(ByVal name As String, ByVal text As String, ByVal arguments As Variant)
    If UBound(arguments) < 0 Then
        Application.MacroOptions Macro:="'" & ThisWorkbook.Name & "'!" & name, Description:=text, _
            Category:="{category}"
    Else
        Application.MacroOptions Macro:="'" & ThisWorkbook.Name & "'!" & name, Description:=text, _
            Category:="{category}", ArgumentDescriptions:=arguments
    End If
End Sub
"""


def function_module(functions: Mapping[str, Function] = FUNCTIONS) -> str:
    """Text of the module with one wrapper per worksheet function."""
    lines = [
        'Attribute VB_Name = "KmvFunctions"',
        "Option Explicit",
        "",
        f"Public Const KMV_BUILD As String = {_quoted(xlkmv.__version__)}",
    ]
    for function in functions.values():
        lines += ["", *_wrapper(function)]
    return "\n".join(lines) + "\n"


def _wrapper(function: Function) -> Iterator[str]:
    """One function: all arguments as Variants, their values to the server, its answer to the cell."""
    names = [_name(a) for a in function.arguments]
    declared = [
        f"Optional {n}" if not a.required else n for n, a in zip(names, function.arguments, strict=True)
    ]
    values = [f"KmvValue({n})" for n in names]
    if function.variadic:
        declared[-1] = f"ParamArray {names[-1]}()"
        values.pop()
    yield f"Public Function {function.name}({', '.join(declared)})"
    yield f"Attribute {function.name}.VB_Description = {_quoted(_text(function.name, function.text))}"
    yield f'Attribute {function.name}.VB_ProcData.VB_Invoke_Func = " \\n14"'
    if not function.variadic:
        yield f'    {function.name} = KmvCall("{function.name}", Array({", ".join(values)}))'
    else:
        # A ParamArray cannot be passed on; its values are copied.
        fixed = len(values)
        yield "    Dim values() As Variant, k As Long"
        yield f"    ReDim values(0 To {fixed} + UBound({names[-1]}))"
        for k, value in enumerate(values):
            yield f"    values({k}) = {value}"
        yield f"    For k = 0 To UBound({names[-1]})"
        yield f"        values({fixed} + k) = KmvValue({names[-1]}(k))"
        yield "    Next k"
        yield f'    {function.name} = KmvCall("{function.name}", values)'
    yield "End Function"


def help_module(functions: Mapping[str, Function] = FUNCTIONS) -> str:
    """Text of the module that gives the function wizard its texts."""
    calls = []
    for function in functions.values():
        texts = [_quoted(_text(f"{function.name}, {a.name}", a.text)) for a in function.arguments]
        calls.append(f'    KmvDescribe "{function.name}", {_quoted(function.text)}, _')
        if texts:
            joined = ", _\n            ".join(texts)
            calls.append(f"        Array( _\n            {joined})")
        else:
            calls.append("        Array()")
    body = DESCRIBE_ALL.format(calls="\n".join(calls), category=CATEGORY)
    return f'Attribute VB_Name = "KmvTexts"\nOption Explicit\nOption Private Module\n{body}'


def _name(argument: Argument) -> str:
    """Name of an argument as VBA allows it."""
    return f"{argument.name}_" if argument.name.lower() in RESERVED else argument.name


def _text(place: str, text: str) -> str:
    if len(text) > LONGEST_TEXT:
        raise InputError(f"text of {place}", f"must have {LONGEST_TEXT} characters at most", len(text))
    return text


def _quoted(text: str) -> str:
    return '"{}"'.format(text.replace('"', '""'))


def modules(functions: Mapping[str, Function] = FUNCTIONS) -> list[Module]:
    """Return the standard modules that the workbook and the add-in share."""
    source = resources.files("xlkmv.build") / "vba_src"
    texts = [function_module(functions), help_module(functions)]
    texts += [(source / name).read_text("utf-8") for name in HAND_WRITTEN]
    return [load_module(text) for text in texts]


def said_texts() -> list[str]:
    """List what the macros say, in the language of the workbook: ``KmvSaid`` looks it up on sheet Texts."""
    source = resources.files("xlkmv.build") / "vba_src"
    found = [re.findall(r'KmvSaid\("([^"]+)"\)', (source / name).read_text("utf-8")) for name in HAND_WRITTEN]
    commands = ["Refresh", "Quick look", "Solve", "Save case", "Compare", "Memo"]
    return list(dict.fromkeys([*commands, *itertools.chain(*found)]))


def _project(code_names: Iterable[str], name: str, description: str) -> bytes:
    event = (resources.files("xlkmv.build") / "vba_src" / "ThisWorkbook.cls").read_text("utf-8")
    documents = [document_module(WORKBOOK_NAME, WORKBOOK, event)]
    documents += [document_module(code_name, WORKSHEET) for code_name in code_names]
    return build_project([*documents, *modules()], name, description=description)


def template_project(code_names: Sequence[str]) -> bytes:
    """Build ``vbaProject.bin`` of the template.

    Parameters
    ----------
    code_names : sequence of str
        Code names of all sheets (worksheets and chart sheets have modules), in their order.

    Raises
    ------
    InputError
        If a code name is no VBA name or used twice, or a text of the registry is too long.
    """
    return _project(code_names, "KmvTemplate", f"xlkmv {xlkmv.__version__}: functions and refresh")


def addin_project(code_names: Sequence[str] = ("shtHelp",)) -> bytes:
    """Build ``vbaProject.bin`` of the add-in; see :func:`template_project`."""
    return _project(code_names, "KmvAddin", f"xlkmv {xlkmv.__version__}: functions for every workbook")
