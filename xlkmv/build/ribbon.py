"""Ribbon, help sheet and packaging of the add-in ``KMV.xlam`` and of macro workbooks."""

from __future__ import annotations

import datetime as dt
import io
import os
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import xlsxwriter

import xlkmv
from xlkmv.build.vba import CATEGORY, WORKBOOK_NAME, addin_project, said_texts, template_project
from xlkmv.functions import FUNCTIONS
from xlkmv.functions.registry import Function
from xlkmv.language import LANGUAGES, catalogue
from xlkmv.workbook import layout

__all__ = ["HELP_SHEET", "add_macros", "add_ribbon", "build_addin", "help_rows", "pack", "ribbon"]

HELP_SHEET = "_IntelliSense_"
CREATED = dt.datetime(2026, 1, 1)
EARLIEST = (1980, 1, 1, 0, 0, 0)
RIBBON_PART = "customUI/customUI14.xml"
RIBBON_LINK = (
    '<Relationship Id="rIdRibbon" Type="http://schemas.microsoft.com/office/2007/relationships/ui/'
    f'extensibility" Target="{RIBBON_PART}"/>'
)
MACRO_BOOK = b"application/vnd.ms-excel.sheet.macroEnabled.main+xml"
ADDIN = b"application/vnd.ms-excel.addin.macroEnabled.main+xml"

# id, label, picture, text when pointed at; each in both languages, as the tab belongs to no one workbook.
BUTTONS = (
    ("Refresh", "Refresh", "RefreshAll", "Read the deal, check it, compute, write every result."),
    ("QuickLook", "Quick look", "ControlWizards", "The KMV view and 10,000 paths only, in seconds."),
    ("Solve", "Solve", "GoalSeek", "What the deal could be for the targets on sheet Structure."),
    ("SaveCase", "Save case", "FileSaveAs", "Keep this workbook as it is as a case beside it."),
    ("Compare", "Compare", "ReviewCompareMenu", "Hold the saved cases against this workbook."),
    ("Memo", "Memo", "FilePrintPreview", "Two pages for a committee, as a file beside the workbook."),
    ("Scenario", "Scenario", "ScenarioManager", "Go to the table of preset conditions."),
    ("NewWorkbook", "New workbook", "FileNew", "A new workbook from the KMV template."),
    ("Import", "Import tape", "ImportTextFile", "Put the loans of a CSV or Excel file into the pool."),
    ("Check", "Check installation", "Spelling", "Ask the Python server for its version and a known answer."),
    ("Help", "Help", "Help", "Every KMV function with its arguments, in a new workbook."),
)


def ribbon(*, addin: bool) -> bytes:
    """Return the tab KMV; that of a workbook hides itself where the add-in shows the same one."""
    visible = "" if addin else ' getVisible="KmvTabVisible"'
    say = catalogue("zh").gettext
    buttons = [
        (key, f"{label} {say(label)}", picture, f"{tip} {say(tip)}") for key, label, picture, tip in BUTTONS
    ]
    drawn = "".join(
        f'<button id="kmv{key}" label="{label}" size="{"large" if key == "Refresh" else "normal"}"'
        f' imageMso="{picture}" screentip="{label}" supertip="{tip}" onAction="KmvOn{key}"/>'
        for key, label, picture, tip in buttons
    )
    return (
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
        '<customUI xmlns="http://schemas.microsoft.com/office/2009/07/customui"><ribbon><tabs>'
        f'<tab id="kmvTab" label="KMV"{visible}><group id="kmvGroup" label="KMV {xlkmv.__version__}">'
        f"{drawn}</group></tab></tabs></ribbon></customUI>"
    ).encode()


def help_rows(functions: Mapping[str, Function] = FUNCTIONS) -> list[list[str]]:
    """Rows that Excel-DNA IntelliSense reads: name, text, help topic, then each argument and its text."""
    rows = [["FunctionInfo", "1.0", ""]]
    for function in functions.values():
        row = [function.name, function.text, ""]
        for argument in function.arguments:
            row += [argument.name, argument.text]
        rows.append(row)
    return rows


def add_help_sheet(book: xlsxwriter.Workbook, code_name: str = "shtHelp") -> None:
    """Add the hidden help sheet as the last one of a workbook under construction."""
    sheet = book.add_worksheet(HELP_SHEET)
    sheet.set_vba_name(code_name)
    for k, row in enumerate(help_rows()):
        for column, text in enumerate(row):
            sheet.write_string(k, column, text)
    sheet.hide()


def add_macros(book: xlsxwriter.Workbook) -> None:
    """Give a workbook under construction the help sheet, code names and the template's VBA.

    Call it when all other sheets are there, before ``close()``; add the ribbon to the file then.
    """
    add_help_sheet(book)
    names = []
    for number, sheet in enumerate(book.worksheets(), 1):
        if not sheet.vba_codename:
            letters = re.sub(r"[^A-Za-z0-9]", "", sheet.get_name())[:24]
            sheet.set_vba_name(f"sht{letters or number}")
        names.append(sheet.vba_codename)
    book.set_vba_name(WORKBOOK_NAME)
    book.add_vba_project(io.BytesIO(template_project(names)), True)


def add_ribbon(parts: Mapping[str, bytes], *, addin: bool = False) -> dict[str, bytes]:
    """Add the ribbon to the parts of a package; with `addin` make it an add-in, too."""
    out = dict(parts)
    links = out["_rels/.rels"].decode()
    out["_rels/.rels"] = links.replace("</Relationships>", f"{RIBBON_LINK}</Relationships>").encode()
    out[RIBBON_PART] = ribbon(addin=addin)
    if addin:
        out["[Content_Types].xml"] = out["[Content_Types].xml"].replace(MACRO_BOOK, ADDIN)
    return out


def pack(parts: Mapping[str, bytes]) -> bytes:
    """Pack the parts of a package; equal parts give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in parts.items():
            info = zipfile.ZipInfo(name, EARLIEST)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 0  # the same bytes on every system
            package.writestr(info, content)
    return buffer.getvalue()


def build_addin(path: str | os.PathLike[str] | None = None) -> bytes:
    """Build ``KMV.xlam``; equal sources give equal bytes.

    Parameters
    ----------
    path : path-like, optional
        Where to write it, too.

    Returns
    -------
    bytes
        The file.
    """
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True})
    book.set_properties(
        {
            "title": CATEGORY,
            "comments": f"Functions of the KMV model, xlkmv {xlkmv.__version__}",
            "created": CREATED,
        }
    )
    # Excel wants one visible sheet, also in an add-in, of which none is seen.
    front = book.add_worksheet("KMV")
    front.set_vba_name("shtFront")
    front.write_string(0, 0, f"xlkmv {xlkmv.__version__}")
    add_help_sheet(book)
    texts = book.add_worksheet(layout.TEXTS.sheet)
    texts.set_vba_name("shtTexts")
    texts.hide()
    rows = [tuple(LANGUAGES.values()), *((text, catalogue("zh").gettext(text)) for text in said_texts())]
    for k, row in enumerate(rows):
        texts.write_row(k, 1, row)
    book.set_vba_name(WORKBOOK_NAME)
    book.add_vba_project(io.BytesIO(addin_project(["shtFront", "shtHelp", "shtTexts"])), True)
    book.close()
    with zipfile.ZipFile(buffer) as package:
        parts = {name: package.read(name) for name in package.namelist()}
    data = pack(add_ribbon(parts, addin=True))
    if path is not None:
        Path(path).write_bytes(data)
    return data
