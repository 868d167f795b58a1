"""Rows of ordinary cells are read and written as text, others as trees: both ways say the same."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from lxml import etree

from xlkmv.errors import BookError
from xlkmv.workbook.address import Area
from xlkmv.workbook.book import NO_VALUE, ErrorCell
from xlkmv.workbook.sheet import Formula, Sheet
from xlkmv.workbook.stored import Shared

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
SHARED = Shared(["shared", "B & <Co>"], frozenset({"3"}), False)
# One cell of each kind: number, date, shared text, text of its own, formulas with and without a value.
CELLS = (
    '<c r="B{0}" s="1"><v>1.50</v></c><c r="C{0}" s="3"><v>43831</v></c><c r="D{0}" t="s"><v>1</v></c>'
    '<c r="E{0}" t="inlineStr"><is><t>资产_x000D_</t></is></c><c r="F{0}" s="2"><f>B{0}&lt;2</f><v>7</v></c>'
    '<c r="G{0}"><f>H1</f></c><c r="H{0}" t="str"><f>"a"</f><v>a</v></c><c r="I{0}" t="b"><v>1</v></c>'
    '<c r="J{0}" t="e"><v>#N/A</v></c><c r="K{0}" s="1"/>'
)
VALUES = [
    1.5, dt.date(2020, 1, 1), "B & <Co>", "资产\r", 7.0, NO_VALUE, "a", True, ErrorCell("#N/A"), None
]  # fmt: skip


def rows(numbers: range, extra: str = "", cells: str = CELLS) -> str:
    return "".join(
        f'<row r="{k}" spans="2:11">{cells.format(k).replace(" s=", f"{extra} s=")}</row>' for k in numbers
    )


def sheet(body: str) -> Sheet:
    data = f'<worksheet xmlns="{MAIN}"><dimension ref="B1:K9"/><sheetData>{body}</sheetData></worksheet>'
    return Sheet("S", "s.xml", data.encode(), SHARED)


def canonical(made: Sheet) -> str:
    """What a sheet says, whatever the way it is spelled."""
    text = re.sub(rb' cm="0"', b"", made.to_bytes())
    return str(etree.tostring(etree.fromstring(text), method="c14n").decode())


@pytest.fixture(params=["", ' cm="0"'], ids=["text", "tree"])
def made(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Sheet]]:
    """Make a sheet of rows that are read as text, or, for an unusual attribute, as trees."""

    def make(cells: str = CELLS) -> Sheet:
        return sheet(rows(range(2, 6), request.param, cells))

    yield make


def test_cells_of_each_kind(made: Callable[..., Sheet]) -> None:
    assert made().values(Area(1, 2, 2, 11)) == [[None] * 10, VALUES]
    assert list(made().formulas(Area(3, 1, 3, 20))) == [
        Formula("B3<2", Area(3, 6, 3, 6)),
        Formula("H1", Area(3, 7, 3, 7)),
        Formula('"a"', Area(3, 8, 3, 8)),
    ]


@pytest.mark.parametrize("prefix", ["", "x:"])
def test_a_sheet_without_cells_takes_some(prefix: str) -> None:
    space = f"xmlns:{prefix[:-1]}" if prefix else "xmlns"
    data = f'<{prefix}worksheet {space}="{MAIN}"><{prefix}sheetData/></{prefix}worksheet>'
    empty = Sheet("S", "s.xml", data.encode(), SHARED)
    empty.set(3, 2, 1.5)
    root = etree.fromstring(empty.to_bytes())
    assert [(c.get("r"), c.findtext("*")) for c in root.iter(f"{{{MAIN}}}c")] == [("B3", "1.5")]
    assert root[0].tag == f"{{{MAIN}}}sheetData" and root[0][0].get("r") == "3"


def test_rows_end_where_a_sheet_ends() -> None:
    last = '<row r="{0}"><c r="B{0}"><v>1.5</v></c></row>'
    assert sheet(last.format(2**20)).value(2**20, 2) == 1.5
    with pytest.raises(BookError, match="row 1048577 of sheet S is out of order"):
        sheet(last.format(2**20 + 1))


NEW: list[list[Any]] = [
    VALUES,
    [2, dt.date(2021, 1, 1), "shared", " x ", 1e-17, 3.0, "b", False, ErrorCell("#REF!"), "=1+1"],
    [None, None, None, None, 1.0, 2.0, 3.0, None, None, None],
    ["1", 5e20, "B & <Co>", "", "<&>", True, "a", "TRUE", float("nan"), -0.0],
    VALUES,
]


@pytest.mark.parametrize("places", [range(2, 12), range(4, 14), range(1, 11)], ids=str)
def test_columns_are_put_as_cells_are_set(made: Callable[..., Sheet], places: range) -> None:
    one, other = made(), made()
    columns = {place: [row[k] for row in NEW] for k, place in enumerate(places)}
    one.put(2, columns)
    for place, values in columns.items():
        for row, value in enumerate(values, 2):
            other.set(row, place, value)
    assert canonical(one) == canonical(other)
    assert one.values(Area(2, 1, 6, 14)) == other.values(Area(2, 1, 6, 14))
    assert (one.written, one.touched) == (other.written, other.touched)

    def changed(of: Sheet) -> set[tuple[int, int]]:
        return {(c, row) for c, runs in of.changed.items() for a, b in runs for row in range(a, b + 1)}

    assert changed(one) == changed(other)


def test_the_same_values_leave_the_bytes(made: Callable[..., Sheet]) -> None:
    one = made()
    before = one.to_bytes()
    kept = [value if value is not NO_VALUE else None for value in VALUES]
    columns = {k: [value] * 4 for k, value in enumerate(kept, 2) if k != 7}
    one.put(2, columns)
    assert not one.touched and one.to_bytes() == before and not one.changed


def test_new_rows_take_styles_formulas_and_places(made: Callable[..., Sheet]) -> None:
    beside = '<c r="D{0}" s="2"><v>4</v></c>'
    one = made('<c r="B{0}" s="1"><v>1</v></c><c r="C{0}" s="2"><f>B{0}*2</f><v>2</v></c>' + beside)
    one.extend(Area(2, 2, 5, 3), 7)
    assert [(f.text, f.area) for f in one.formulas(Area(6, 1, 9, 9))] == [
        ("B6*2", Area(6, 3, 6, 3)),
        ("B7*2", Area(7, 3, 7, 3)),
    ]
    one.put(6, {2: [8.0, 9.0], 3: [16.0, 18.0]})
    assert one.values(Area(5, 2, 7, 3)) == [[1.0, 2.0], [8.0, 16.0], [9.0, 18.0]]
    assert b'<c r="B7" s="1"><v>9</v></c><c r="C7" s="2"><f>B7*2</f><v>18</v></c></row>' in one.to_bytes()
    assert b'ref="B1:K7"' in one.to_bytes()


def test_one_column_of_a_folded_group_is_shown() -> None:
    group = '<cols><col min="2" max="4" width="9" outlineLevel="1" hidden="1"/><col min="5" max="5"/></cols>'
    one = Sheet("S", "s.xml", f'<worksheet xmlns="{MAIN}">{group}<sheetData/></worksheet>'.encode(), SHARED)
    assert one.folded() == [2, 3, 4]
    one.unfold(3)
    assert one.folded() == [2, 4]
    spans = [(c.get("min"), c.get("max")) for c in etree.fromstring(one.to_bytes())[0]]
    assert spans == [("2", "2"), ("3", "3"), ("4", "4"), ("5", "5")]


@pytest.mark.parametrize("there", [False, True], ids=["new rows", "rows that are there"])
@pytest.mark.parametrize("metadata", ["", ' cm="1"'], ids=["plain", "dynamic"])
def test_new_rows_keep_what_tells_an_array_formula_apart(metadata: str, there: bool) -> None:
    """Excel takes an array formula for a dynamic one by the cell metadata, and only then."""
    cell = f'<c r="C{{0}}"{metadata}><f t="array" ref="C{{0}}">SUM(B{{0}}:B9)</f><v>2</v></c>'
    one = sheet(rows(range(2, 4), "", cell) + '<row r="4"><c r="K4"><v>5</v></c></row>' * there)
    one.extend(Area(2, 3, 3, 3), 4)
    (formula,) = one.formulas(Area(4, 1, 4, 9))
    assert formula == Formula("SUM(B4:B10)", Area(4, 3, 4, 3), "array")
    (made,) = etree.fromstring(one.to_bytes()).findall(f".//{{{MAIN}}}c[@r='C4']")
    assert made.get("cm") == (metadata.strip(' cm="') or None)


def test_rows_are_cleared_within_the_columns(made: Callable[..., Sheet]) -> None:
    one = made()
    one.clear(Area(3, 2, 5, 11))
    assert [row for row in one.values(Area(2, 1, 9, 12)) if any(x is not None for x in row)] == [
        [None, *VALUES, None]
    ]
    assert one.to_bytes().count(b"<row") == 1 and one.formula_gone
    other = made()
    other.clear(Area(3, 2, 5, 9))
    assert other.values(Area(5, 9, 5, 11)) == [[None, ErrorCell("#N/A"), None]]
    assert other.to_bytes().count(b"<row") == 4


def test_a_formula_that_others_share_is_not_cleared(made: Callable[..., Sheet]) -> None:
    one = made('<c r="B{0}"><f t="shared" si="0" ref="B2:B5">A{0}</f><v>1</v></c>')
    with pytest.raises(BookError, match="B3 holds a formula that other cells share"):
        one.clear(Area(3, 2, 5, 2))


@pytest.mark.parametrize(
    "cells",
    ['<c r="C{0}"><v>1</v></c><c r="B{0}"><v>2</v></c>', '<c r="B{0}"><v>2</v></c><c r="B{0}"><v>3</v></c>'],
    ids=["out of order", "twice"],
)
def test_cells_in_a_wrong_order_are_written_all_the_same(cells: str) -> None:
    one = sheet(rows(range(2, 4), "", cells))
    one.put(2, {2: [7.0, 8.0]})
    assert 7.0 in one.values(Area(2, 2, 2, 3))[0]


def test_a_number_takes_the_place_of_what_was_none(made: Callable[..., Sheet]) -> None:
    one = made('<c r="B{0}" s="1"><v>x</v></c>')
    one.put(2, {2: [1.0, 2.0, 3.0, 4.0]})
    assert one.values(Area(2, 2, 5, 2)) == [[1.0], [2.0], [3.0], [4.0]]


@pytest.mark.parametrize("text", ["nan", "1e999", "x"])
def test_a_broken_number_is_named(made: Callable[..., Sheet], text: str) -> None:
    one = made('<c r="B{0}" s="1"><v>' + text + "</v></c>")
    with pytest.raises(BookError, match=f"sheet S, row 2, holds the number '{text}'"):
        one.values(Area(2, 2, 2, 2))
