"""Every planted fault is found, and a right file is not blamed."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import xlsxwriter
from lint import lint

from xlkmv.build.ovba import WORKBOOK, WORKSHEET, build_project, document_module, load_module
from xlkmv.workbook.book import open_book

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:oletools")

Parts = dict[str, bytes]
ONE, TWO = "xl/worksheets/sheet1.xml", "xl/worksheets/sheet2.xml"
TABLE, BOOK, TYPES = "xl/tables/table1.xml", "xl/workbook.xml", "[Content_Types].xml"
RIBBON = b"""<customUI xmlns="http://schemas.microsoft.com/office/2009/07/customui"><ribbon><tabs>
<tab id="a"><group id="b"><button id="c" onAction="OnRefresh"/></group></tab></tabs></ribbon></customUI>"""


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    """A macro workbook that uses everything the lint looks at."""
    folder = tmp_path_factory.mktemp("lint")
    code = (
        'Attribute VB_Name = "Macros"\r\nPublic Sub Refresh()\r\nEnd Sub\r\n'
        "Sub OnRefresh(control As Object)\r\nEnd Sub\r\n"
    )
    modules = [
        document_module("ThisWorkbook", WORKBOOK),
        document_module("shtPool", WORKSHEET),
        document_module("shtResult", WORKSHEET),
        load_module(code),
    ]
    (folder / "vba.bin").write_bytes(build_project(modules, "Demo"))
    with xlsxwriter.Workbook(folder / "good.xlsm") as book:
        book.add_vba_project(str(folder / "vba.bin"))
        book.set_vba_name("ThisWorkbook")
        percent = book.add_format({"num_format": "0.00%"})
        pool, result = book.add_worksheet("Pool"), book.add_worksheet("Result 1")
        pool.set_vba_name("shtPool")
        result.set_vba_name("shtResult")
        pool.write_row("A1", [100, 0.25])
        pool.write_formula("C1", "=KMV_PD(A1,B1)", percent, 0.0123)
        pool.write("E1", "status 状态")
        pool.insert_button("G1", {"macro": "Refresh", "caption": "Refresh"})
        columns = [{"header": "Firm"}, {"header": "Equity"}, {"header": "PD"}]
        columns[2]["formula"] = "=KMV_PD(tbl_Pool[[#This Row],[Equity]],0.2)"
        pool.add_table("A4:C6", {"name": "tbl_Pool", "columns": columns, "data": [["a", 1], ["b", 2]]})
        pool.data_validation("B1", {"validate": "decimal", "criteria": "between", "minimum": 0, "maximum": 3})
        pool.conditional_format("B5:B6", {"type": "cell", "criteria": ">", "value": 1, "format": percent})
        pool.merge_range("A8:B8", "merged")
        book.define_name("in_rate", "=Pool!$I$1")
        book.define_name("'Result 1'!local", "='Result 1'!$A$1")
        pool.write("I1", 0.03)
        result.write_dynamic_array_formula("A2:A3", "=KMV_TERM(Pool!A1)", None, 0.01)
        result.write_number("A3", 0.02)
        result.write_formula("D4", "=NA()", None, "#N/A")
        result.write_formula("D5", "=1=1", None, True)
        result.write_comment("A1", "a note")
        result.write_url("A9", "https://example.org")
        chart = book.add_chart({"type": "line"})
        chart.add_series({"values": "=Pool!$B$5:$B$6"})
        result.insert_chart("H2", chart)
    with zipfile.ZipFile(folder / "good.xlsm") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["customUI/customUI14.xml"] = RIBBON
    return parts


def check(parts: Parts, folder: Path) -> list[str]:
    with zipfile.ZipFile(folder / "book.xlsm", "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return lint(folder / "book.xlsm")


def test_a_right_file_is_not_blamed(good: Parts, tmp_path: Path) -> None:
    assert check(good, tmp_path) == []


def test_patched_workbooks_are_right(good: Parts, tmp_path: Path) -> None:
    """The writer of workbook files leaves nothing that Excel would object to."""
    check(good, tmp_path)
    for rows in ([["a", 1.5, "#N/A"]] * 3, [["=b", None, float("nan")]]):
        book = open_book(tmp_path / "book.xlsm")
        columns = dict(zip(("Firm", "Equity", "PD"), zip(*rows, strict=True), strict=True))
        book.write_table("tbl_Pool", columns, resize=True)
        book.write_cell("Result 1", "A1", "_x0041_ \x07")
        book.save()
        assert lint(tmp_path / "book.xlsm") == []


def swap(part: str, old: str, new: str) -> Callable[[Parts], None]:
    def change(parts: Parts) -> None:
        assert old.encode() in parts[part], f"{old} is not in {part}"
        parts[part] = parts[part].replace(old.encode(), new.encode(), 1)

    return change


def drop(part: str) -> Callable[[Parts], None]:
    return lambda parts: parts.pop(part) and None


def move(parts: Parts) -> None:
    text = parts[ONE].decode()
    block = re.search(r"<dataValidations.*?</dataValidations>", text)[0]
    parts[ONE] = text.replace(block, "").replace("<sheetData>", f"{block}<sheetData>").encode()


def repeat_row(parts: Parts) -> None:
    parts[ONE] = re.sub(rb'(<row r="5".*?</row>)', rb"\1\1", parts[ONE])


def chain(parts: Parts) -> None:
    parts["xl/calcChain.xml"] = (
        b'<calcChain xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        b'<c r="C1" i="1"/><c r="A1"/></calcChain>'
    )
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/calcChain"
    link = f'<Relationship Id="rId99" Type="{kind}" Target="calcChain.xml"/></Relationships>'
    swap("xl/_rels/workbook.xml.rels", "</Relationships>", link)(parts)
    content = "application/vnd.openxmlformats-officedocument.spreadsheetml.calcChain+xml"
    swap(TYPES, "</Types>", f'<Override PartName="/xl/calcChain.xml" ContentType="{content}"/></Types>')(
        parts
    )


FORMULA = "<f>KMV_PD(A1,B1)</f>"
TABLE_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.table+xml"
FAULTS: dict[str, tuple[Callable[[Parts], None], str]] = {
    "element order": (move, "Pool: elements out of order"),
    "missing part": (drop(TABLE), "target xl/tables/table1.xml is missing"),
    "missing relationship": (swap(ONE, '<tablePart r:id="', '<tablePart r:id="x'), "relationship xrId"),
    "missing content type": (
        swap(TYPES, f'<Override PartName="/xl/tables/table1.xml" ContentType="{TABLE_TYPE}"/>', ""),
        "table1.xml: content type 'application/xml' for a table",
    ),
    "bad xml": (swap(ONE, "</sheetData>", ""), "xl/worksheets/sheet1.xml: "),
    "name twice": (swap(BOOK, 'name="local" localSheetId="1"', 'name="in_rate"'), "in_rate: defined twice"),
    "name of a table": (swap(BOOK, 'name="in_rate"', 'name="tbl_Pool"'), "tbl_Pool: is a table too"),
    "name on no sheet": (swap(BOOK, "Pool!$I$1", "Nope!$I$1"), "in_rate: sheet Nope does not exist"),
    "sheet twice": (swap(BOOK, 'sheet name="Result 1"', 'sheet name="POOL"'), "sheet names: pool twice"),
    "sheet name": (swap(BOOK, 'sheet name="Result 1"', 'sheet name="a/b"'), "'a/b': name not allowed"),
    "style": (swap(ONE, '<c r="C1" s="1">', '<c r="C1" s="99">'), "Pool!C1: style 99 does not exist"),
    "format": (swap(ONE, 'dxfId="0"', 'dxfId="9"'), "missing format 9"),
    "text number": (swap(ONE, '<c r="E1" t="s"><v>0<', '<c r="E1" t="s"><v>9<'), "'9' is no value"),
    "metadata": (drop("xl/metadata.xml"), "metadata 1 does not exist"),
    "number": (swap(ONE, "<v>0.03</v>", "<v>abc</v>"), "'abc' is no value of type n"),
    "nan": (swap(ONE, "<v>0.03</v>", "<v>nan</v>"), "'nan' is no value of type n"),
    "error": (swap(TWO, "<v>#N/A</v>", "<v>#FOO</v>"), "'#FOO' is no value of type e"),
    "boolean": (swap(TWO, 't="b"><f>1=1</f><v>1<', 't="b"><f>1=1</f><v>TRUE<'), "'TRUE' is no value"),
    "row twice": (repeat_row, "row 5 out of order"),
    "cells swapped": (swap(ONE, '<c r="B5"', '<c r="D5"'), "Pool!C5: out of order"),
    "merged twice": (
        swap(ONE, '<mergeCell ref="A8:B8"/>', '<mergeCell ref="A8:B8"/><mergeCell ref="B8:B9"/>'),
        "overlaps Pool!A8:B8",
    ),
    "open bracket": (swap(ONE, FORMULA, "<f>KMV_PD(A1,</f>"), "( and ) do not match"),
    "equals sign": (swap(ONE, FORMULA, "<f>=KMV_PD(A1)</f>"), "starts with ="),
    "at sign": (swap(ONE, FORMULA, "<f>tbl_Pool[@Equity]</f>"), "@ is written"),
    "spill sign": (swap(ONE, FORMULA, "<f>SUM(A2#)</f>"), "# is written"),
    "new function": (swap(ONE, FORMULA, "<f>UNIQUE(A1:A3)</f>"), "without _xlfn."),
    "unknown table": (swap(ONE, FORMULA, "<f>SUM(tbl_No[Equity])</f>"), "table tbl_No does not exist"),
    "shared formula": (swap(ONE, FORMULA, '<f t="shared" si="3"/>'), "shared formula 3 has no first cell"),
    "row column": (
        swap(TABLE, "KMV_PD(tbl_Pool[[#This Row],[Equity]]", "KMV_PD(tbl_Pool[[#This Row],Equity]"),
        "lacks its brackets",
    ),
    "column without table": (swap(TABLE, "tbl_Pool[[#This Row]", "[[#This Row]"), "lacks its table"),
    "table header": (swap(TABLE, 'name="Equity"', 'name="Equty"'), "header is 'Equity', column is 'Equty'"),
    "table column id": (swap(TABLE, 'id="2"', 'id="1"'), "column ids: 1 twice"),
    "table width": (swap(TABLE, 'ref="A4:C6"', 'ref="A4:D6"'), "3 columns in A4:D6"),
    "table height": (swap(TABLE, 'ref="A4:C6"', 'ref="A4:C4"'), "no row between"),
    "table filter": (swap(TABLE, '<autoFilter ref="A4:C6"', '<autoFilter ref="A4:C5"'), "filter on A4:C5"),
    "calculation order": (chain, "calcChain: no formula in Pool!A1"),
    "vba is garbage": (lambda parts: parts.update({"xl/vbaProject.bin": b"garbage" * 100}), "cannot be read"),
    "vba in a plain workbook": (
        swap(TYPES, "application/vnd.ms-excel.sheet.macroEnabled.main+xml",
             "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"),
        "VBA project in a workbook of type",
    ),
    "code name": (swap(ONE, 'codeName="shtPool"', 'codeName="shtNope"'), "code names ['This"),
    "button": (swap("xl/drawings/vmlDrawing1.vml", "Refresh</x:Fmla", "Gone</x:Fmla"), "macro [0]!Gone"),
    "ribbon": (swap("customUI/customUI14.xml", "OnRefresh", "OnGone"), "macro OnGone does not exist"),
    "ribbon ids": (swap("customUI/customUI14.xml", 'id="c"', 'id="a"'), "customUI14.xml: a twice"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault_is_found(good: Parts, tmp_path: Path, fault: str) -> None:
    change, message = FAULTS[fault]
    parts = dict(good)
    change(parts)
    assert message in "\n".join(check(parts, tmp_path))


def test_what_is_no_package_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_text("text")
    assert lint(tmp_path / "a.xlsx")[0].startswith("not a readable package")
