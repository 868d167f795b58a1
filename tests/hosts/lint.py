"""What Excel checks when it loads a workbook, and the schema validators do not.

A file that breaks one of these rules is offered for "repair", loses a feature, or does not open. Used
beside Microsoft's Open XML SDK validator, which knows the schema but few of the links between parts::

    python tests/hosts/lint.py workbook/KMV_Template.xlsm
"""

from __future__ import annotations

import io
import posixpath
import re
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import olefile
from lxml import etree

with warnings.catch_warnings():  # oletools uses old names of pyparsing
    warnings.simplefilter("ignore", DeprecationWarning)
    from oletools.olevba import decompress_stream

__all__ = ["lint"]

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
LINK = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
ERRORS = {
    "#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A", "#GETTING_DATA", "#SPILL!", "#CALC!",
    "#FIELD!", "#BLOCKED!", "#UNKNOWN!", "#CONNECT!",
}  # fmt: skip
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
LITERAL = re.compile(r""""(?:[^"]|"")*"|'(?:[^']|'')*'""")
# Excel reads the children of a worksheet in this order and no other.
ORDER = (
    "sheetPr dimension sheetViews sheetFormatPr cols sheetData sheetCalcPr sheetProtection "
    "protectedRanges scenarios autoFilter sortState dataConsolidate customSheetViews mergeCells "
    "phoneticPr conditionalFormatting dataValidations hyperlinks printOptions pageMargins pageSetup "
    "headerFooter rowBreaks colBreaks customProperties cellWatches ignoredErrors smartTags drawing "
    "legacyDrawing legacyDrawingHF drawingHF picture oleObjects controls webPublishItems tableParts "
    "extLst"
)
# How the content type of a part ends, by the kind of relationship that leads to it.
KINDS = {
    "worksheet": "worksheet+xml", "table": "table+xml", "styles": "styles+xml", "chart": "chart+xml",
    "sharedStrings": "sharedStrings+xml", "drawing": "drawing+xml", "theme": "theme+xml",
    "comments": "comments+xml", "calcChain": "calcChain+xml", "sheetMetadata": "sheetMetadata+xml",
    "vbaProject": "vbaProject", "vmlDrawing": "vmlDrawing", "officeDocument": "main+xml",
}  # fmt: skip


def lint(path: str | Path) -> list[str]:
    """List everything in a workbook file that Excel would object to; empty when all is well."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            parts = {name: archive.read(name) for name in names}
    except (OSError, zipfile.BadZipFile) as error:
        return [f"not a readable package: {error}"]
    book = _Lint(parts)
    if len({name.lower() for name in names}) != len(names):
        book.found("two parts have one name")
    try:
        book.run()
    except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
        # What is too broken to be followed is a problem too.
        book.found(f"cannot be followed further: {type(error).__name__}: {error}")
    return book.problems


@dataclass
class _Lint:
    parts: dict[str, bytes]
    problems: list[str] = field(default_factory=list)
    trees: dict[str, Any] = field(default_factory=dict)

    def found(self, problem: str) -> None:
        self.problems.append(problem)

    def run(self) -> None:
        for name, data in self.parts.items():
            if name.lower().endswith((".xml", ".rels", ".vml")):
                try:
                    self.trees[name] = etree.fromstring(data, etree.XMLParser(resolve_entities=False))
                except etree.XMLSyntaxError as error:
                    self.found(f"{name}: {error}")
        links = {name: self.links(name) for name in ["", *self.parts] if not name.endswith(".rels")}
        kinds = self.content_types()
        for kind, part in (target for found in links.values() for target in found.values()):
            if part in kinds and not kinds[part].endswith(KINDS.get(kind, "")):
                self.found(f"{part}: content type {kinds[part]!r} for a {kind}")
        main = next(part for kind, part in links[""].values() if kind == "officeDocument")
        self.book, self.sheets = self.trees[main], {}
        self.from_book = dict(links[main].values())
        for item in self.book.find(MAIN + "sheets"):
            kind, part = links[main].get(item.get(LINK + "id"), ("", ""))
            if part not in self.parts:
                self.found(f"sheet {item.get('name')}: no part")
            elif kind == "worksheet":
                self.sheets[item.get("name")] = part
        self.tabs = [item.get("name") for item in self.book.find(MAIN + "sheets")]
        self.tables = {
            part: name
            for name, sheet in self.sheets.items()
            for kind, part in links[sheet].values()
            if kind == "table" and part in self.trees
        }
        self.table_names = [self.trees[part].get("displayName").lower() for part in self.tables]
        self.sheet_names()
        self.shared()
        self.defined_names()
        self.values: dict[tuple[str, int, int], str] = {}
        self.formula_cells: set[tuple[str, str]] = set()
        for name, part in self.sheets.items():
            self.worksheet(name, self.trees[part], set(links[part]))
        for part, sheet in self.tables.items():
            self.table(part, sheet)
        self.unique("table names", self.table_names)
        self.unique("table ids", [self.trees[part].get("id") for part in self.tables])
        self.calculation_order()
        self.macros(kinds.get(main, ""))
        self.ribbon_ids()

    def unique(self, what: str, items: list[Any]) -> None:
        for item in sorted({str(item) for item in items if items.count(item) > 1}):
            self.found(f"{what}: {item} twice")

    # -- package ----------------------------------------------------------------------------------

    def links(self, part: str) -> dict[str, tuple[str, str]]:
        """Relationships of a part, each target checked: id -> (kind, part)."""
        folder, name = posixpath.split(part)
        rels = posixpath.join(folder, "_rels", f"{name}.rels")
        result = {}
        for item in self.trees.get(rels, ()):
            target, kind = item.get("Target"), item.get("Type").rsplit("/", 1)[1]
            if item.get("TargetMode") != "External":
                target = posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")
                if target not in self.parts:
                    self.found(f"{rels}: target {target} is missing")
            if item.get("Id") in result:
                self.found(f"{rels}: id {item.get('Id')} twice")
            result[item.get("Id")] = kind, target
        return result

    def content_types(self) -> dict[str, str]:
        overrides, defaults = {}, {}
        for item in self.trees["[Content_Types].xml"]:
            if item.get("PartName"):
                overrides[item.get("PartName").lstrip("/")] = item.get("ContentType")
            else:
                defaults[item.get("Extension").lower()] = item.get("ContentType")
        for name in overrides.keys() - self.parts.keys():
            self.found(f"content type for the missing part {name}")
        kinds = {}
        for name in self.parts.keys() - {"[Content_Types].xml"}:
            kind = overrides.get(name) or defaults.get(name.rsplit(".", 1)[-1].lower())
            if kind is None:
                self.found(f"{name}: no content type")
            kinds[name] = kind or ""
        return kinds

    def shared(self) -> None:
        """What cells point to by number: texts, styles, metadata of formulas."""

        def tree(kind: str) -> Any:
            return self.trees.get(self.from_book.get(kind, ""))

        strings, styles, metadata = tree("sharedStrings"), tree("styles"), tree("sheetMetadata")
        self.texts = [] if strings is None else [_text(item) for item in strings]
        self.styles = len(styles.find(MAIN + "cellXfs"))
        differential = styles.find(MAIN + "dxfs")
        self.dxfs = 0 if differential is None else len(differential)
        cells = None if metadata is None else metadata.find(MAIN + "cellMetadata")
        self.metadata = 0 if cells is None else len(cells)

    # -- workbook ---------------------------------------------------------------------------------

    def sheet_names(self) -> None:
        self.unique("sheet names", [name.lower() for name in self.tabs])
        self.unique("sheet ids", [item.get("sheetId") for item in self.book.find(MAIN + "sheets")])
        for name in self.tabs:
            if not 0 < len(name) <= 31 or re.search(r"[\[\]:*?/\\]|^'|'$", name):
                self.found(f"sheet {name!r}: name not allowed")

    def defined_names(self) -> None:
        seen = set()
        known = {name.lower() for name in self.tabs}
        for item in self.book.iter(MAIN + "definedName"):
            name, text = item.get("name"), item.text or ""
            key = name.lower(), item.get("localSheetId")
            if key in seen:
                self.found(f"name {name}: defined twice")
            seen.add(key)
            if name.lower() in self.table_names:
                self.found(f"name {name}: is a table too")
            if int(item.get("localSheetId", "0")) >= len(self.tabs):
                self.found(f"name {name}: on a sheet that does not exist")
            self.formula(f"name {name}", text)
            for quoted, plain in re.findall(r"(?:'((?:[^']|'')+)'|(?<![#\w.])([^\W\d][\w.]*))!", text):
                sheet = quoted.replace("''", "'") or plain
                if sheet.lower() not in known and "[" not in sheet:
                    self.found(f"name {name}: sheet {sheet} does not exist")

    # -- formulas ---------------------------------------------------------------------------------

    def formula(self, where: str, text: str | None) -> None:
        """A formula as the file stores it, which differs from what the formula bar shows."""
        if not text:
            return
        bare = LITERAL.sub("''", text)
        if text.startswith("="):
            self.found(f"{where}: formula starts with =")
        for first, last in ("()", "[]", "{}"):
            if bare.count(first) != bare.count(last):
                self.found(f"{where}: {first} and {last} do not match in {text!r}")
        if bare.replace("''", "").count('"') or len(text) > 8192:
            self.found(f"{where}: open text, or longer than 8192 characters")
        if "@" in bare:
            self.found(f"{where}: @ is written [#This Row] in a file: {text!r}")
        if re.search(r"\[#This Row\],\s*[^\[\s]", bare):
            self.found(f"{where}: column after [#This Row] lacks its brackets: {text!r}")
        if re.search(r"[A-Z]\d#", bare):
            self.found(f"{where}: # is written _xlfn.ANCHORARRAY in a file: {text!r}")
        if re.search(r"(?<![.\w])(?:LET|LAMBDA|FILTER|UNIQUE|SORT|SEQUENCE|XLOOKUP|TEXTJOIN|CONCAT)\(", bare):
            self.found(f"{where}: new function without _xlfn.: {text!r}")
        if re.search(r",\)$|\(,?$|[-+*/^&=<>]$", bare.strip()) or bare.strip().endswith(","):
            self.found(f"{where}: formula is cut off: {text!r}")
        for name in re.findall(r"(?<![\]'\w.])([^\W\d][\w.]*)\[", bare):
            if name.lower() not in self.table_names:
                self.found(f"{where}: table {name} does not exist")
        if re.search(r"(?:^|[(,+\-*/^&=<> ])\[\[?#", bare):
            self.found(f"{where}: [#...] lacks its table: {text!r}")

    # -- worksheets -------------------------------------------------------------------------------

    def worksheet(self, name: str, tree: Any, links: set[str]) -> None:
        order = ORDER.split()
        places = [order.index(tag) for item in tree if (tag := _tag(item)) in order]
        if places != sorted(places):
            self.found(f"{name}: elements out of order")
        for item in tree.iter(etree.Element):
            if item.get(LINK + "id") and item.get(LINK + "id") not in links:
                self.found(
                    f"{name}: <{_tag(item)}> points to the missing relationship {item.get(LINK + 'id')}"
                )
            if item.get("dxfId") and int(item.get("dxfId")) >= self.dxfs:
                self.found(f"{name}: <{_tag(item)}> has the missing format {item.get('dxfId')}")
            if _tag(item) in ("formula", "formula1", "formula2"):
                self.formula(f"{name}: <{_tag(item)}>", item.text)
        last_row = 0
        arrays: list[tuple[str, _Area]] = []
        shared: set[str] = set()
        for row in tree.find(MAIN + "sheetData"):
            number = int(row.get("r"))
            if number <= last_row:
                self.found(f"{name}: row {number} out of order")
            last_row, last_column = number, 0
            for cell in row.iterchildren(MAIN + "c"):
                where = f"{name}!{cell.get('r')}"
                area = _area(cell.get("r"))
                if area.top != number or area.left <= last_column:
                    self.found(f"{where}: out of order")
                last_column = area.left
                self.cell(where, (name, area.top, area.left), cell)
                formula = cell.find(MAIN + "f")
                if formula is None:
                    continue
                self.formula_cells.add((name, cell.get("r")))
                self.formula(where, formula.text)
                if formula.get("t") == "array":
                    arrays.append((where, _area(formula.get("ref"))))
                elif formula.get("t") == "shared":
                    if formula.text:
                        shared.add(formula.get("si"))
                    elif formula.get("si") not in shared:
                        self.found(f"{where}: shared formula {formula.get('si')} has no first cell")
        merged = [
            (f"{name}!{item.get('ref')}", _area(item.get("ref"))) for item in tree.iter(MAIN + "mergeCell")
        ]
        self.apart(merged)
        self.apart(arrays)

    def cell(self, where: str, key: tuple[str, int, int], cell: Any) -> None:
        kind, leaf = cell.get("t", "n"), cell.find(MAIN + "v")
        text = None if leaf is None else leaf.text or ""
        if int(cell.get("s", "0")) >= self.styles:
            self.found(f"{where}: style {cell.get('s')} does not exist")
        if int(cell.get("cm", "0")) > self.metadata:
            self.found(f"{where}: metadata {cell.get('cm')} does not exist")
        if kind == "inlineStr":
            self.values[key] = _text(cell)
            if text is not None:
                self.found(f"{where}: inline text and a value")
        if text is None or kind == "inlineStr":
            return
        known = kind == "s" and text.isdigit() and int(text) < len(self.texts)
        right: dict[str, Callable[[], object]] = {
            "n": lambda: not text or NUMBER.fullmatch(text),
            "b": lambda: text in ("0", "1"),
            "e": lambda: text in ERRORS,
            "s": lambda: known,
            "str": lambda: len(text) <= 32767,
            "d": lambda: True,
        }
        if kind not in right or not right[kind]():
            self.found(f"{where}: {text!r} is no value of type {kind}")
        self.values[key] = self.texts[int(text)] if known else text

    def apart(self, areas: list[tuple[str, _Area]]) -> None:
        for i, (where, area) in enumerate(areas):
            for other, second in areas[:i]:
                if area.overlaps(second):
                    self.found(f"{where} overlaps {other}")

    def table(self, part: str, sheet: str) -> None:
        tree = self.trees[part]
        area, columns = _area(tree.get("ref")), list(tree.find(MAIN + "tableColumns"))
        where = f"table {tree.get('displayName')}"
        if len(columns) != area.right - area.left + 1:
            self.found(f"{where}: {len(columns)} columns in {tree.get('ref')}")
        header, totals = int(tree.get("headerRowCount", "1")), int(tree.get("totalsRowCount", "0"))
        if area.bottom - area.top + 1 - header - totals < 1:
            self.found(f"{where}: no row between header and end")
        self.unique(f"{where}, column ids", [item.get("id") for item in columns])
        self.unique(f"{where}, columns", [item.get("name").lower() for item in columns])
        for place, item in enumerate(columns, area.left):
            shown = self.values.get((sheet, area.top, place))
            if header and shown != _unescape(item.get("name")):
                self.found(f"{where}: header is {shown!r}, column is {item.get('name')!r}")
            for tag in ("calculatedColumnFormula", "totalsRowFormula"):
                self.formula(f"{where}, {item.get('name')}", item.findtext(MAIN + tag))
        if header and (filtered := tree.find(MAIN + "autoFilter")) is not None:
            wanted = area if not totals else _Area(area.top, area.left, area.bottom - totals, area.right)
            if _area(filtered.get("ref")) != wanted:
                self.found(f"{where}: filter on {filtered.get('ref')}")
        others = [other for other in self.tables if other < part and self.tables[other] == sheet]
        for other in others:
            if _area(self.trees[other].get("ref")).overlaps(area):
                self.found(f"{where}: overlaps another table")

    def calculation_order(self) -> None:
        chain = self.trees.get(self.from_book.get("calcChain", ""))
        ids = {item.get("sheetId"): item.get("name") for item in self.book.find(MAIN + "sheets")}
        sheet = None
        for item in () if chain is None else chain:
            sheet = item.get("i", sheet)
            if (ids.get(sheet), item.get("r")) not in self.formula_cells:
                self.found(f"calcChain: no formula in {ids.get(sheet)}!{item.get('r')}")

    # -- macros -----------------------------------------------------------------------------------

    def macros(self, kind: str) -> None:
        data = self.parts.get(self.from_book.get("vbaProject", ""))
        if data is not None and "macroEnabled" not in kind:
            self.found(f"VBA project in a workbook of type {kind}")
        if data is None:
            return
        try:
            with olefile.OleFileIO(io.BytesIO(data)) as project:
                documents, procedures = _read_project(project)
        except (OSError, ValueError) as error:
            self.found(f"VBA project cannot be read: {error}")
            return
        coded = [self.book.find(MAIN + "workbookPr"), *(
            self.trees[part].find(MAIN + "sheetPr") for part in self.sheets.values()
        )]  # fmt: skip
        names = {None if item is None else item.get("codeName") for item in coded}
        if documents != names:
            self.found(f"document modules {sorted(documents)} but code names {sorted(map(str, names))}")
        for part, name in self.callbacks():
            if name.rsplit("!")[-1].rsplit(".")[-1].lower() not in procedures:
                self.found(f"{part}: macro {name} does not exist")

    def callbacks(self) -> Iterator[tuple[str, str]]:
        """Names of the procedures that buttons, shapes and the ribbon call."""
        for part, tree in self.trees.items():
            for item in tree.iter(etree.Element):
                if _tag(item) == "FmlaMacro" and item.text:
                    yield part, item.text.strip()
                if part.startswith("xl/drawings/") and item.get("macro"):
                    yield part, item.get("macro")
                if part.startswith("customUI/") and not part.endswith(".rels"):
                    for attribute, value in item.attrib.items():
                        if attribute.startswith(("on", "get", "loadImage")):
                            yield part, value

    def ribbon_ids(self) -> None:
        for part, tree in self.trees.items():
            if part.startswith("customUI/") and not part.endswith(".rels"):
                self.unique(part, [item.get("id") for item in tree.iter(etree.Element) if item.get("id")])


@dataclass(frozen=True)
class _Area:
    top: int
    left: int
    bottom: int
    right: int

    def overlaps(self, other: _Area) -> bool:
        rows = self.top <= other.bottom and other.top <= self.bottom
        return rows and self.left <= other.right and other.left <= self.right


def _area(reference: str) -> _Area:
    corners = []
    for corner in reference.split(":"):
        match = re.fullmatch(r"([A-Z]{1,3})([1-9]\d{0,6})", corner)
        if match is None:
            raise ValueError(f"{reference!r} is no range")
        column = 0
        for letter in match[1]:
            column = column * 26 + ord(letter) - 64
        corners.append((int(match[2]), column))
    return _Area(*corners[0], *corners[-1])


def _tag(item: Any) -> str:
    return etree.QName(item).localname


def _text(item: Any) -> str:
    """Text of a string item, without its phonetic guide."""
    return _unescape(
        "".join(leaf.text or "" for leaf in item.iter(MAIN + "t") if _tag(leaf.getparent()) != "rPh")
    )


def _unescape(text: str) -> str:
    return re.sub("_x([0-9A-Fa-f]{4})_", lambda match: chr(int(match[1], 16)), text)


def _read_project(project: Any) -> tuple[set[str | None], set[str]]:
    """Document modules of a VBA project, and the procedures of its other modules in lower case."""
    lines = project.openstream("PROJECT").read().decode("cp1252").splitlines()
    pairs = [line.split("=", 1) for line in lines if "=" in line]
    procedures = set()
    for key, module in pairs:
        if key == "Module":
            code = project.openstream(["VBA", module]).read()
            source = bytes(decompress_stream(bytearray(code))).decode("cp1252")
            declared = r"(?im)^\s*(?:Public\s+)?(?:Static\s+)?(?:Sub|Function)\s+(\w+)"
            procedures |= {name.lower() for name in re.findall(declared, source)}
    return {value.split("/")[0] for key, value in pairs if key == "Document"}, procedures


if __name__ == "__main__":
    lists = {file: lint(file) for file in sys.argv[1:]}
    for file, problems in lists.items():
        print(f"{file}: {len(problems) or 'no'} problems", *problems, sep="\n  ")
    sys.exit(any(lists.values()))
