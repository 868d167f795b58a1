"""The shipped files as packages: Microsoft's Open XML validator and our own lint find nothing in them.

The validator (the Open XML SDK, brought by ``install.sh``) knows the schema of every part but few links
between parts; the lint knows those. Both must be silent on our files, and faults that are planted into a
right file must be found by the one, the other, or both.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import _need
from lint import lint
from lxml import etree

from xlkmv.build.filling import blank
from xlkmv.build.ribbon import build_addin
from xlkmv.build.template import build_template
from xlkmv.refresh.run import refresh
from xlkmv.workbook.book import open_book

pytestmark = [pytest.mark.host, pytest.mark.filterwarnings("ignore::DeprecationWarning:oletools")]

ROOT = Path(__file__).resolve().parents[2]
TOOL = Path(os.environ.get("XLKMV_HOSTS") or ROOT / ".hosts") / "validator/node_modules/.bin/ooxml-validator"
CHART = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
CHART_2017 = "{http://schemas.microsoft.com/office/drawing/2017/03/chart}"
Parts = dict[str, bytes]


@pytest.fixture(scope="module", autouse=True)
def validator() -> None:
    """Skip (or fail, where hosts are required) without the validator."""
    _need(None if TOOL.exists() else f"no Open XML validator in {TOOL} (tests/hosts/install.sh brings it)")


def read(path: Path) -> Parts:
    with zipfile.ZipFile(path) as package:
        return {name: package.read(name) for name in package.namelist()}


def write(parts: Parts, path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        for name, data in parts.items():
            package.writestr(name, data)
    return path


def without_blanks_option(parts: Parts) -> Parts:
    """Take out the one thing that the validator misreads.

    "Show #N/A as empty" is, in the files that Excel writes and in its published schema, the element
    dataDisplayOptions16 inside an extension of the chart. The SDK takes the extension itself for that
    element. Only an extension of exactly this form is taken out.
    """
    out = dict(parts)
    for name in parts:
        if name.startswith("xl/charts/chart"):
            root = etree.fromstring(parts[name])
            for extension in list(root.iter(f"{CHART}ext")):
                form = [(item.tag, dict(item.attrib)) for item in extension.iter()]
                if form == [
                    (f"{CHART}ext", {"uri": "{56B9EC1D-385E-4148-901F-78D8002777C0}"}),
                    (f"{CHART_2017}dataDisplayOptions16", {}),
                    (f"{CHART_2017}dispNaAsBlank", {"val": "1"}),
                ]:
                    holder = extension.getparent()
                    holder.remove(extension)
                    if not len(holder):
                        holder.getparent().remove(holder)
            out[name] = etree.tostring(root)
    return out


def validate(path: Path, folder: Path) -> list[str]:
    """What the Open XML SDK says against a file."""
    copy = write(without_blanks_option(read(path)), folder / f"validated-{path.name}")
    done = subprocess.run([TOOL, copy], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode in (0, 1), done.stderr
    answer = json.loads(done.stdout)
    found = [f"{e['path']} {e['xPath']}: {e['description']}" for e in answer["errors"]]
    assert answer["ok"] == (not found)
    return found


def faults(path: Path, folder: Path) -> list[str]:
    return [*validate(path, folder), *lint(path)]


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with nothing wrong in it, and no more than faults are planted into."""
    new = blank(dt.date(2025, 1, 15), "quarter", 4)
    return build_template(tmp_path_factory.mktemp("packages") / "blank.xlsm", new, refreshed=False)


def test_blank_template(right, tmp_path):
    assert faults(right, tmp_path) == []


def test_template(template, tmp_path):
    assert faults(template, tmp_path) == []


def test_shipped_template(tmp_path):
    assert faults(ROOT / "workbook/KMV_Template.xlsm", tmp_path) == []


def test_addin(tmp_path):
    build_addin(tmp_path / "KMV.xlam")
    assert faults(tmp_path / "KMV.xlam", tmp_path) == []


def test_refreshed_book(template, tmp_path):
    """Longer and shorter tables, new figures, text that looks like a formula."""
    mine = shutil.copy2(template, tmp_path / "mine.xlsm")
    book = open_book(mine)
    pool = book.table("tbl_Pool")
    names = [f"=许可人 <{k}> & co" for k in range(len(pool.rows))]
    book.write_table("tbl_Pool", {"Obligor": names, "PD": [0.03] * len(pool.rows)})
    stresses = book.table("tbl_Scenario")
    kept = {header: stresses.column(header)[:3] for header in stresses.header}
    book.write_table("tbl_Scenario", kept, resize=True)
    refresh(book)
    book.save()
    again = open_book(mine)
    refresh(again)
    again.save()
    assert faults(mine, tmp_path) == []
    assert [row[0] for row in open_book(mine).table("tbl_Pool").rows] == names


# ------------------------------------------------------------------------------- planted faults


def swap(part: str, old: str, new: str) -> Callable[[Parts], None]:
    def change(parts: Parts) -> None:
        assert old.encode() in parts[part], f"{old} is not in {part}"
        parts[part] = parts[part].replace(old.encode(), new.encode(), 1)

    return change


SHEET, TABLE, CHART_PART = "xl/worksheets/sheet2.xml", "xl/tables/table2.xml", "xl/charts/chart1.xml"
STYLES, BOOK = "xl/styles.xml", "xl/workbook.xml"
# Name of the fault: how it is planted, whether the validator finds it, whether the lint does.
PLANTED: dict[str, tuple[Callable[[Parts], None], bool, bool]] = {
    "unknown element": (swap(SHEET, "<sheetData>", "<nonsense/><sheetData>"), True, False),
    "unknown attribute": (swap(SHEET, "<sheetData>", '<sheetData nonsense="1">'), True, False),
    "bad value of an attribute": (swap(SHEET, 'r:id="', 'bad="x" r:id="'), True, False),
    "chart element": (swap(CHART_PART, "<c:plotArea>", "<c:plotArea><c:nonsense/>"), True, False),
    "chart value": (swap(CHART_PART, '<c:grouping val="standard"/>', '<c:grouping val="odd"/>'), True, False),
    "font size": (swap(STYLES, '<sz val="10"/>', '<sz val="ten"/>'), True, False),
    "cell type": (swap(SHEET, 't="s"', 't="text"'), True, True),
    "cell address": (swap(SHEET, '<c r="B', '<c r="#'), False, True),
    "table without a name": (swap(TABLE, " displayName=", " shownName="), True, True),
    "style that does not exist": (swap(SHEET, ' s="', ' s="99'), True, True),
    "relationship that does not exist": (swap(SHEET, '<tablePart r:id="', '<tablePart r:id="x'), False, True),
    "name on no sheet": (swap(BOOK, ">Home!$", ">Nowhere!$"), False, True),
    "table header": (swap(TABLE, 'name="Obligor"', 'name="Oblgor"'), False, True),
    "not XML": (swap(SHEET, "</sheetData>", ""), True, True),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_planted_fault_is_found(right, tmp_path, fault):
    change, by_validator, by_lint = PLANTED[fault]
    parts = read(right)
    change(parts)
    path = write(parts, tmp_path / "faulty.xlsm")
    assert (bool(validate(path, tmp_path)), bool(lint(path))) == (by_validator, by_lint)


def test_only_the_misread_option_is_forgiven(right, tmp_path):
    """A wrong value in that very extension is still reported."""
    charts: Iterator[str] = (n for n, d in read(right).items() if b"dispNaAsBlank" in d)
    parts = read(right)
    swap(next(charts), 'dispNaAsBlank val="1"', 'dispNaAsBlank val="perhaps"')(parts)
    assert validate(write(parts, tmp_path / "faulty.xlsm"), tmp_path)
