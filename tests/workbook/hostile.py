"""Workbooks made to hurt their reader: each case is named, and written from a small one that is sound."""

from __future__ import annotations

import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import xlsxwriter

SHEET, STYLES = "xl/worksheets/sheet1.xml", "xl/styles.xml"
WORKBOOK, TABLE, TEXTS = "xl/workbook.xml", "xl/tables/table1.xml", "xl/sharedStrings.xml"
LONG = 130_000  # letters: a file that anybody would open


def sound(path: Path) -> None:
    """A table, formulas, a name, a chart, merged cells, a folded column, formats and validations."""
    with xlsxwriter.Workbook(path) as book:
        book.calc_on_load = False
        day = book.add_format({"num_format": 'yyyy"-"mm'})
        sheet, other = book.add_worksheet("S"), book.add_worksheet("Other")
        sheet.set_column("F:G", None, None, {"level": 1, "hidden": True})
        columns = [{"header": header} for header in ("Name", "Amount", "Due")]
        sheet.add_table("A1:C4", {"name": "t", "columns": columns})
        for row in range(1, 4):
            sheet.write_row(row, 0, [f"n{row}", row / 7])
            sheet.write(row, 2, 43830 + row, day)
        sheet.write_formula("E1", "=SUM(t[Amount])", None, 1)
        sheet.write_formula("E2", "='Other'!A1+x", None, 2)
        sheet.write_array_formula("E3:E4", "{=B2:B3*2}", None, 1)
        sheet.merge_range("H1:I2", "merged")
        sheet.conditional_format("B2:B4", {"type": "data_bar"})
        sheet.data_validation("C2:C4", {"validate": "date", "criteria": ">", "value": 1})
        other.write("A1", 1)
        book.define_name("x", "=Other!$A$1")
        chart = book.add_chart({"type": "line"})
        chart.add_series({"values": "=S!$B$2:$B$4"})
        other.insert_chart("C3", chart)


def parts(path: Path) -> dict[str, bytes]:
    """Parts of a file, by name."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(path: Path, content: dict[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> None:
    """Write parts into a file."""
    with zipfile.ZipFile(path, "w", kind, compresslevel=1) as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def swap(part: str, pattern: str, new: str | Callable[[], str]) -> Callable[[Path], None]:
    """Case in which the first match of a pattern in a part reads otherwise."""

    def write(path: Path) -> None:
        sound(path)
        content = parts(path)
        text = content[part].decode()
        found = re.search(pattern, text)
        assert found, (part, pattern)
        said = new if isinstance(new, str) else new()
        content[part] = (text[: found.start()] + said + text[found.end() :]).encode()
        pack(path, content)

    return write


def _rows(formula: Callable[[int], str], count: int, value: str = "<v>1</v>") -> Callable[[], str]:
    """The end of the cells, with a column of formulas before it."""
    return lambda: (
        "".join(f'<row r="{k}"><c r="J{k}">{formula(k)}{value}</c></row>' for k in range(10, 10 + count))
        + "</sheetData>"
    )


def _formula(text: str) -> Callable[[Path], None]:
    return swap(SHEET, r"<f>'Other'!A1\+x</f>", f"<f>{text}</f>")


def _many_sums(row: int) -> str:
    return f"<f>{'+'.join(f'B{(row * 7 + k) % 1_000_000 + 1}' for k in range(1000))}</f>"


def _zigzag(row: int) -> str:
    """A chain of formulas that a walk down or up follows by a few links only."""
    after = 10 + (row - 10) * 7919 % 20_000
    return f"<f>J{after}+B2</f>" if row != 10 else "<f>B2</f>"


def _wide_table(path: Path) -> None:
    sound(path)
    content = parts(path)
    columns = "".join(f'<tableColumn id="{k}" name="c{k}"/>' for k in range(1, 16_385))
    table = re.sub(r"<tableColumns.*</tableColumns>", columns, content[TABLE].decode())
    table = table.replace(columns, f'<tableColumns count="16384">{columns}</tableColumns>')
    content[TABLE] = table.replace('ref="A1:C4"', 'ref="A1:XFD100000"').encode()
    pack(path, content)


def _names(path: Path) -> None:
    """Each of forty names reads the next one twice; another chain is 5,000 names long."""
    sound(path)
    content = parts(path)
    names = "".join(f'<definedName name="n{k}">n{k + 1}+n{k + 1}</definedName>' for k in range(40))
    names += "".join(f'<definedName name="m{k}">m{k + 1}</definedName>' for k in range(5000))
    text = content[WORKBOOK].decode().replace("</definedNames>", names + "</definedNames>")
    content[WORKBOOK] = text.encode()
    content[SHEET] = content[SHEET].replace(b"</f>", b"+n0+m0</f>", 1)
    pack(path, content)


def _one_part_often(path: Path) -> None:
    sound(path)
    content = parts(path)
    tabs = "".join(f'<sheet name="s{k}" sheetId="{k + 9}" r:id="rId1"/>' for k in range(1000))
    content[WORKBOOK] = content[WORKBOOK].replace(b"</sheets>", tabs.encode() + b"</sheets>")
    rows = "".join(f'<row r="{k}"><c r="J{k}"><f>B2</f></c></row>' for k in range(10, 30_000))
    content[SHEET] = content[SHEET].replace(b"</sheetData>", rows.encode() + b"</sheetData>")
    pack(path, content)


def _longer_than_it_says(path: Path) -> None:
    """A part that unpacks to 400 MB and says that it has 100 bytes."""
    sound(path)
    content = parts(path)
    content[SHEET] += bytes(400 * 2**20)
    pack(path, content)
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        place = data.index(mark)
        while data[place + (30 if offset == 22 else 46) :][: len(SHEET)] != SHEET.encode():
            place = data.index(mark, place + 1)
        data[place + offset : place + offset + 4] = struct.pack("<I", 100)
    path.write_bytes(bytes(data))


def _long_tail(path: Path) -> None:
    """Written in pieces: whoever makes it needs no memory for it."""
    sound(path)
    content = parts(path)
    sheet = content.pop(SHEET).removesuffix(b"</worksheet>")
    pack(path, content)
    archive = zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED, compresslevel=1)
    with archive, archive.open(SHEET, "w") as file:
        for piece in (sheet, *[b" " * 2**20] * 900, b"</worksheet>"):
            file.write(piece)


def _packed_otherwise(path: Path) -> None:
    sound(path)
    pack(path, {**parts(path), "xl/media/a": bytes(200 * 2**20)}, zipfile.ZIP_BZIP2)


def _many_entries(path: Path) -> None:
    sound(path)
    with zipfile.ZipFile(path, "a") as archive:
        for k in range(20_000):
            archive.writestr(f"a{k}", b"")


def _namespaces(path: Path) -> None:
    sound(path)
    content = parts(path)
    spaces = "".join(f' xmlns:a{k}="u{k}"' for k in range(20_000)).encode()
    content[SHEET] = content[SHEET].replace(b"<worksheet ", b"<worksheet" + spaces + b" ")
    pack(path, content)


CASES: dict[str, Callable[[Path], None]] = {
    "sound": sound,
    "blanks in a row": swap(SHEET, '<row r="2"', "<row" + " r" * 20_000 + " " * LONG),
    "rows that do not close": swap(SHEET, '<row r="2"', "<row " * (LONG // 5)),
    "cells that do not close": swap(SHEET, '<c r="B2"', '<c r="B2"><f' * (LONG // 12)),
    "cell parts that do not close": swap(SHEET, '<c r="B2"', "<sheetData" * (LONG // 10)),
    "formulas without a cell": swap(SHEET, "</row>", "<f/>" * 2_000_000 + "</row>"),
    "blanks in a conditional format": swap(SHEET, "<conditionalFormatting ",
        "<conditionalFormatting" + " sqref" * 5_000 + " " * LONG),
    "conditional formats that do not close": swap(SHEET, "<conditionalFormatting ",
        "<conditionalFormatting " * (LONG // 23)),
    "widths that do not close": swap(SHEET, "<col ", "<col " * (LONG // 5)),
    "sheet without cells": swap(SHEET, "<sheetData>.*</sheetData>", "<a:" * (LONG // 3)),
    "single quotes in a formula": _formula("'" * (LONG + 1)),
    "double quotes in a formula": _formula('"' * (LONG + 1)),
    "brackets after a quote": _formula("'" + "[" * LONG),
    "brackets in a formula": _formula("[" * LONG),
    "tables in a formula": _formula("t[" * (LONG // 2)),
    "one long function": _formula("A" * LONG + "("),
    "one long word": _formula("a" * LONG),
    "letters among attributes of a formula": swap(SHEET, "<f>'Other", f'<f {"a" * LONG}="">\'Other'),
    "quotes in a name": swap(WORKBOOK, r"Other!\$A\$1", "'" * (LONG + 1)),
    "one long name": swap(WORKBOOK, r"Other!\$A\$1", "a" * LONG),
    "brackets in a number format": swap(STYLES, 'formatCode="[^"]*"', f'formatCode="{"[" * LONG}"'),
    "quotes in a number format": swap(STYLES, 'formatCode="[^"]*"', f'formatCode="{"&quot;" * 130_001}"'),
    "row number of 5,000 digits": swap(SHEET, '<row r="2"', f'<row r="{"9" * 5000}"'),
    "span of 5,000 digits": swap(SHEET, 'spans="1:', f'spans="{"9" * 5000}:'),
    "column of 5,000 digits": swap(SHEET, 'min="6"', f'min="{"9" * 5000}"'),
    "column beyond all": swap(SHEET, 'max="7"', 'max="99999999999"'),
    "cell of 100,000 letters": swap(SHEET, 'r="B2"', f'r="{"A" * 100_000}2"'),
    "cell beyond the last column": swap(SHEET, 'r="B2"', 'r="ZZZ2"'),
    "cell beyond the table": swap(SHEET, "</sheetData>",
        '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'),
    "text of 5,000 digits": swap(SHEET, 't="s"><v>', f't="s"><v>{"9" * 5000}'),
    "text before the first": swap(SHEET, 't="s"><v>', 't="s"><v>-1'),
    "number of 5,000,000 digits": swap(SHEET, "<v>43831</v>", f"<v>{'9' * 5_000_000}</v>"),
    "table of 100,000 rows and 16,384 columns": _wide_table,
    "table to the end of the sheet": swap(TABLE, 'ref="A1:C4"', 'ref="A1:C1048576"'),
    "array formula over a sheet": swap(SHEET, 'ref="E3:E4"', 'ref="A1:XFD1048576"'),
    "array formulas over each other": swap(SHEET, "</sheetData>",
        _rows(lambda k: f'<f t="array" ref="J2:XFD{k + 1000000}">B2</f>', 20_000)),
    "long formulas in 20,000 cells": swap(SHEET, "</sheetData>", _rows(_many_sums, 20_000)),
    "a long formula that 200,000 cells share": swap(SHEET, "</sheetData>",
        lambda: f'<row r="9"><c r="J9"><f t="shared" si="0" ref="J9:J1000000">{"+".join(["B2"] * 2600)}</f>'
        "</c></row>" + _rows(lambda k: '<f t="shared" si="0"/>', 200_000, "")()),
    "a chain of 20,000 formulas in disorder": swap(SHEET, "</sheetData>", _rows(_zigzag, 20_000)),
    "names that read names": _names,
    "3,000,000 texts": swap(TEXTS, "</sst>", lambda: "<si><t>x</t></si>" * 3_000_000 + "</sst>"),
    "900 MB after the cells": _long_tail,
    "100 MB after the cells": swap(SHEET, "</worksheet>", lambda: "<a/>" * (25 * 2**20) + "</worksheet>"),
    "a row of 100 MB": swap(SHEET, "</row>", lambda: "<c><x/></c>" * (10 * 2**20) + "</row>"),
    "100 MB of styles": swap(STYLES, "</styleSheet>", lambda: "<a/>" * (25 * 2**20) + "</styleSheet>"),
    "a comment in a sheet of 100 MB": swap(SHEET, "</sheetData>",
        lambda: "<!-- -->" + "<row><c><v>1</v></c></row>" * 1_000_000 + "</sheetData>"),
    "100,000 elements within each other": swap(SHEET, "<v>", "<v>" + "<a>" * 100_000),
    "an attribute of 11 MB": swap("xl/_rels/workbook.xml.rels", 'Target="',
        lambda: f'Target="{"a" * 11_000_000}'),
    "20,000 namespaces": _namespaces,
    "an instruction among relationships": swap("xl/_rels/workbook.xml.rels", "<Relationship ",
        "<?a?><!-- --><Relationship "),
    "an instruction among types": swap("[Content_Types].xml", "<Override ", "<?a?><!-- --><Override "),
    "one part for 1,000 sheets": _one_part_often,
    "longer than it says": _longer_than_it_says,
    "packed in another way": _packed_otherwise,
    "20,000 parts": _many_entries,
}  # fmt: skip

# Those that take seconds to make or to read: `make fuzz` runs them, the tests do not.
LARGE = {
    "array formulas over each other",
    "long formulas in 20,000 cells",
    "a long formula that 200,000 cells share",
    "a chain of 20,000 formulas in disorder",
    "3,000,000 texts",
    "900 MB after the cells",
    "100 MB after the cells",
    "a row of 100 MB",
    "100 MB of styles",
    "a comment in a sheet of 100 MB",
    "formulas without a cell",
    "longer than it says",
}
