"""The generated VBA, ribbon and add-in: what they hold, who can read them, and what they do in a Basic."""

from __future__ import annotations

import io
import re
import sys
import warnings
import zipfile
from pathlib import Path

import pytest
import xlsxwriter
from lxml import etree

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "hosts"))

from lint import lint

import xlkmv
from xlkmv.build.ribbon import (
    BUTTONS,
    HELP_SHEET,
    add_macros,
    add_ribbon,
    build_addin,
    help_rows,
    pack,
    ribbon,
)
from xlkmv.build.template import build_template
from xlkmv.build.vba import addin_project, function_module, help_module, modules, said_texts, template_project
from xlkmv.deal.examples import example
from xlkmv.errors import InputError
from xlkmv.functions import FUNCTIONS
from xlkmv.functions.registry import Function, Text
from xlkmv.language import catalogue
from xlkmv.workbook.book import FileBook

with warnings.catch_warnings():  # oletools uses old names of pyparsing
    warnings.simplefilter("ignore", DeprecationWarning)
    from oletools.olevba import VBA_Parser, VBA_Scanner

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:oletools")


def sources(data: bytes) -> dict[str, str]:
    """Modules as an independent reader finds them."""
    parser = VBA_Parser("x.bin", data=data)
    try:
        return {
            name.rsplit(".", 1)[0]: code.replace("\r\n", "\n") for _, _, name, code in parser.extract_macros()
        }
    finally:
        parser.close()


def test_one_wrapper_per_function():
    text = function_module()
    assert re.findall(r"^Public Function (\w+)\(", text, re.M) == list(FUNCTIONS)
    for function in FUNCTIONS.values():
        signature = re.search(rf"^Public Function {function.name}\((.*)\)$", text, re.M)[1]
        declared = [p for p in signature.split(", ") if p]
        assert len(declared) == len(function.arguments)
        for shown, argument in zip(declared, function.arguments, strict=True):
            *words, name = shown.split()
            assert name.rstrip("()").rstrip("_") == argument.name
            if function.variadic and argument is function.arguments[-1]:
                assert words == ["ParamArray"] and name.endswith("()")
            else:
                assert words == ([] if argument.required else ["Optional"])
        assert f'Attribute {function.name}.VB_Description = "' in text


def test_every_line_fits_the_editor():
    for module in modules():
        assert max(map(len, module.source.split("\r\n"))) < 1024
        # A procedure must stay below 64 KB of compiled code; its texts are the most of it.
        for procedure in re.split(r"\nEnd (?:Sub|Function)", module.source):
            assert len(procedure) < 40_000


def test_wizard_texts_fit_excel():
    text = help_module()
    for function in FUNCTIONS.values():
        call = re.search(rf'KmvDescribe "{function.name}", (.*?)\)\n', text, re.S)[1]
        shown = [t.replace('""', '"') for t in re.findall(r'"((?:[^"]|"")*)"', call)]
        assert shown == [function.text, *(a.text for a in function.arguments)]
        assert max(map(len, shown)) <= 255


def made(text: str, argument: str = "asset_value", about: str = "x") -> Function:
    space: dict[str, object] = {}
    exec(f"def KMV_X({argument}=1.0): return {argument}", space)
    return Function(space["KMV_X"], text, "table", (), (), {argument: Text(about)})


def test_a_text_beyond_the_limit_is_refused():
    with pytest.raises(InputError, match="text of KMV_X must have 255 characters at most"):
        function_module({"KMV_X": made("x" * 256)})
    with pytest.raises(InputError, match="text of KMV_X, asset_value must have 255"):
        help_module({"KMV_X": made("x", about="y" * 256)})


def test_quotes_and_reserved_words():
    text = function_module({"KMV_X": made('a "b" c', "scale")})
    assert 'VB_Description = "a ""b"" c"' in text
    assert "Function KMV_X(Optional scale_)" in text


def test_nothing_for_a_virus_scanner():
    code = "\n".join(m.source for m in modules()).lower()
    for word in ("declare", "shell", "kill", "filesystemobject", "environ", "sendkeys", "vbproject"):
        assert not re.search(rf"\b{word}\b", code), word
    assert code.count("createobject") == 1
    # The help texts of the functions are no code.
    code = "\n".join(m.source for m in modules() if m.name in ("KmvServer", "KmvMacros"))
    found = VBA_Scanner(code).scan()
    suspicious = {w for kind, w, _ in found if kind == "Suspicious" and not w.endswith("Strings")}
    assert suspicious == {"CreateObject", "Call", "Chr"}  # one object, the server; its method; the mark


def test_opening_a_file_never_starts_python():
    """From the open event only the help texts are reached, and they do not call the server."""
    project = sources(template_project(["shtA"]))
    assert re.findall(r"^    (\w+)$", project["ThisWorkbook"], re.M) == ["KmvDescribeAll"]
    assert not re.search(r"KmvCall|KmvAlive|KmvConnect|CreateObject", project["KmvTexts"])


def test_projects_are_read_back():
    for data, sheets in (
        (template_project(["shtHome", "shtPool"]), {"shtHome", "shtPool"}),
        (addin_project(), {"shtHelp"}),
    ):
        found = sources(data)
        assert set(found) == {"ThisWorkbook", "KmvFunctions", "KmvTexts", "KmvServer", "KmvMacros"} | sheets
        for module in modules():
            assert found[module.name].strip() == module.source.replace("\r\n", "\n").strip()
    assert template_project(["shtA"]) == template_project(["shtA"])


def test_ribbon_calls_what_is_there():
    procedures = set(re.findall(r"^Public Sub (\w+)\(", "\n".join(m.source for m in modules()), re.M | re.I))
    procedures |= {m.strip() for m in re.findall(r"Public Sub (\w+)", "\n".join(m.source for m in modules()))}
    for addin in (True, False):
        root = etree.fromstring(ribbon(addin=addin))
        names = {v for e in root.iter() for k, v in e.attrib.items() if k.startswith(("on", "get"))}
        assert names <= procedures
        assert ("KmvTabVisible" in names) is not addin
        labels = [e.get("label") for e in root.iter("{*}button")]
        say = catalogue("zh").gettext
        assert labels == [f"{b[1]} {say(b[1])}" for b in BUTTONS]
        assert [label.rsplit(" ", 1)[0] for label in labels] == [
            "Refresh",
            "Quick look",
            "Solve",
            "Save case",
            "Compare",
            "Memo",
            "Scenario",
            "New workbook",
            "Import tape",
            "Check installation",
            "Help",
        ]
        assert max(len(e.get("supertip", "")) for e in root.iter("{*}button")) <= 1024


def test_help_sheet_follows_the_registry():
    head, *rows = help_rows()
    assert head == ["FunctionInfo", "1.0", ""]
    assert [row[0] for row in rows] == list(FUNCTIONS)
    for row, function in zip(rows, FUNCTIONS.values(), strict=True):
        assert row[3::2] == [a.name for a in function.arguments]
        assert row[4::2] == [a.text for a in function.arguments]


def test_addin_is_a_right_package(tmp_path):
    path = tmp_path / "KMV.xlam"
    data = build_addin(path)
    assert data == build_addin() == path.read_bytes()
    assert lint(path) == []
    with zipfile.ZipFile(path) as package:
        types = package.read("[Content_Types].xml").decode()
        assert "ms-excel.addin.macroEnabled.main+xml" in types and "sheet.macroEnabled" not in types
        assert b"customUI14.xml" in package.read("_rels/.rels")
        book = package.read("xl/workbook.xml").decode()
        assert f'name="{HELP_SHEET}"' in book and 'state="hidden"' in book
    assert xlkmv.__version__ in sources(data)["KmvFunctions"]


def test_what_macros_say_can_be_looked_up_in_chinese(tmp_path):
    """``KmvSaid`` looks a text up in column B of sheet Texts, and takes column C; * and ? match more."""
    say, wanted = catalogue("zh").gettext, said_texts()
    asked = re.findall(r'KmvSaid\("([^"]*)"\)', "\n".join(m.source for m in modules()))
    assert set(asked) < set(wanted) and len(set(asked)) > 10
    assert [
        text for text in wanted if say(text) == text or re.search(r"[*?~]", text) or len(text) > 255
    ] == []
    with zipfile.ZipFile(io.BytesIO(build_addin())) as package:
        shared = etree.fromstring(package.read("xl/sharedStrings.xml"))
    held = [item.findtext(".//{*}t") for item in shared]
    assert {"English", "中文", *wanted, *map(say, wanted)} <= {*held}
    template = build_template(tmp_path / "new.xlsm", example("lease"), refreshed=False)
    held = dict(row[1:3] for row in FileBook(template).cells("Texts") if row[1])
    assert {"English": "中文", **{text: say(text) for text in wanted}}.items() <= held.items()


@pytest.fixture(scope="module")
def small_book(tmp_path_factory) -> Path:
    """A workbook as the template makes one."""
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True})
    sheet = book.add_worksheet("Home")
    sheet.insert_button("B2", {"macro": "KmvRefresh", "caption": "Refresh"})
    book.add_worksheet("Pool & more")
    add_macros(book)
    book.close()
    with zipfile.ZipFile(buffer) as package:
        parts = {name: package.read(name) for name in package.namelist()}
    path = tmp_path_factory.mktemp("book") / "Small.xlsm"
    path.write_bytes(pack(add_ribbon(parts)))
    return path


def test_macros_for_a_workbook_under_construction(small_book):
    assert lint(small_book) == []
    found = sources(small_book.read_bytes())
    assert {"shtHome", "shtPoolmore", "shtHelp", "ThisWorkbook"} <= set(found)


def test_lint_sees_a_button_without_macro(small_book, tmp_path):
    """The check of the check: a planted fault in the ribbon and one in the code names."""
    with zipfile.ZipFile(small_book) as package:
        parts = {name: package.read(name) for name in package.namelist()}
    broken = dict(parts)
    broken["customUI/customUI14.xml"] = parts["customUI/customUI14.xml"].replace(b"KmvOnHelp", b"KmvOnHalp")
    (tmp_path / "a.xlsm").write_bytes(pack(broken))
    assert any("KmvOnHalp" in problem for problem in lint(tmp_path / "a.xlsm"))
    broken = dict(parts)
    sheet = "xl/worksheets/sheet1.xml"
    broken[sheet] = parts[sheet].replace(b'codeName="shtHome"', b'codeName="shtHoma"')
    (tmp_path / "b.xlsm").write_bytes(pack(broken))
    assert any("shtHoma" in problem for problem in lint(tmp_path / "b.xlsm"))
