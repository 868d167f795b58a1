"""The workbook on disk: what is read, what is written, what stays, and what is refused."""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import math
import os
import random
import re
import stat
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import pytest
import xlsxwriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xlkmv.errors import BookError, Problem
from xlkmv.workbook.address import runs, shift
from xlkmv.workbook.book import NO_VALUE, Book, ErrorCell, FileBook, Table, open_book

SHEETS = ["xl/worksheets/sheet1.xml", "xl/worksheets/sheet2.xml", "xl/worksheets/sheet3.xml"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A workbook with an input table, an output table, names, a chart, formulas and a user's own sheet."""
    file = tmp_path / "收益 deal.xlsx"
    make(file)
    return file


def make(file: Path) -> None:
    book = xlsxwriter.Workbook(file, {"in_memory": True})
    book.calc_on_load = False
    day = book.add_format({"num_format": 'yyyy"年"m"月"d"日"'})
    percent = book.add_format({"num_format": "0.00%", "bg_color": "#FFFFCC"})
    pool, result, own = (book.add_worksheet(name) for name in ("Pool", "It's a result", "我的表"))
    pool.add_table(
        "B3:F6",
        {
            "name": "tbl_Pool",
            "columns": [
                {"header": "企业"},
                {"header": "Amount"},
                {"header": "Volatility", "format": percent},
                {"header": "Due"},
                {"header": "PD", "format": percent},
            ],
        },
    )
    for row, (name, amount, volatility, due) in enumerate(
        [("甲公司", 1000, 0.25, 43830), ("B & <Co>", 2000.5, 0.3, 44196), ("=1+1", 0.1, 1e-17, 44561.5)], 3
    ):
        pool.write_string(row, 1, name)
        pool.write_number(row, 2, amount)
        pool.write_number(row, 3, volatility, percent)
        pool.write_number(row, 4, due, day)
        pool.write_formula(row, 5, f"=KMV_PD(C{row + 1},D{row + 1})", percent, 0.01 * row)
    pool.write("H1", 0.03)
    pool.write("H2", True)
    pool.write_formula("H3", "=NA()", None, "#N/A")
    pool.write_formula("H4", '="a"&"b"', None, "ab")
    pool.write_rich_string("H5", "plain ", book.add_format({"bold": True}), "bold")
    book.define_name("in_rate", "=Pool!$H$1")
    book.define_name("in_flag", "=Pool!$H$2")
    book.define_name("in_error", "=Pool!$H$3")
    book.define_name("in_text", "=Pool!$H$4")
    book.define_name("in_rich", "=Pool!$H$5")
    book.define_name("in_range", "=Pool!$H$1:$H$2")
    book.define_name("in_gone", "=Pool!#REF!")
    book.define_name("out_dd", "='It''s a result'!$F$1")
    book.define_name("out_column", "='It''s a result'!$B$4:$B$6")
    result.add_table(
        "A3:C6",
        {
            "name": "tbl_Result",
            "autofilter": True,
            "columns": [{"header": "Date"}, {"header": "PD"}, {"header": "Double"}],
        },
    )
    for row in range(3, 6):
        result.write_number(row, 0, 43800 + row, day)
        result.write_number(row, 1, row / 100, percent)
        result.write_formula(row, 2, "=tbl_Result[[#This Row],[PD]]*2", percent, row / 50)
    result.conditional_format("B4:B6", {"type": "data_bar"})
    result.data_validation("A4:A6", {"validate": "date", "criteria": ">", "value": dt.date(2000, 1, 1)})
    result.write_dynamic_array_formula("H4:I5", "=KMV_TERM(Pool!C4)", None, 1)
    for row in range(2):
        for column in range(2):
            if row or column:
                result.write_number(3 + row, 7 + column, 1)
    chart = book.add_chart({"type": "line"})
    chart.add_series({"categories": "='It''s a result'!$A$4:$A$6", "values": "='It''s a result'!$B$4:$B$6"})
    result.insert_chart("K2", chart)
    own.write("A1", "mine")
    own.write_formula("A2", "=Pool!H1*2", None, 0.06)
    own.write_formula("A3", "=A2+1", None, 1.06)
    own.write_formula("A4", "=SUM(1,2)", None, 3)
    own.insert_textbox("D4", "my notes")
    book.close()


def parts(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def mutate(file: Path, changes: dict[str, bytes | None]) -> None:
    """Replace, add or (None) remove parts."""
    content = {**parts(file), **changes}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            if data is not None:
                archive.writestr(name, data)


def edit(file: Path, part: str, old: str, new: str) -> None:
    data = parts(file)[part]
    assert old.encode() in data
    mutate(file, {part: data.replace(old.encode(), new.encode())})


def changed(before: dict[str, bytes], after: dict[str, bytes]) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def cell_xml(file: Path, part: str, cell: str) -> str:
    found = re.search(rf'<c r="{cell}"[^>]*?(?:/>|>.*?</c>)', parts(file)[part].decode(), re.DOTALL)
    return found[0] if found else ""


# -- reading --------------------------------------------------------------------------------------


def test_reads_tables_and_names(path: Path) -> None:
    book: Book = open_book(path)
    assert book.tables() == ["tbl_Pool", "tbl_Result"]
    pool = book.table("TBL_pool")
    assert (pool.sheet, pool.header) == ("Pool", ("企业", "Amount", "Volatility", "Due", "PD"))
    assert pool.rows == [
        ["甲公司", 1000.0, 0.25, dt.date(2019, 12, 31), 0.03],
        ["B & <Co>", 2000.5, 0.3, dt.date(2020, 12, 31), 0.04],
        ["=1+1", 0.1, 1e-17, dt.datetime(2021, 12, 31, 12), 0.05],
    ]
    assert type(pool.rows[0][3]) is dt.date
    assert pool.cell(1, " amount ") == "C5"
    assert pool.column("企业")[0] == "甲公司"
    assert str(pool.problem(0, "Volatility", "must be > 1")) == "Pool!D4: 0.25: must be > 1"
    assert book.name("in_rate").value == 0.03
    assert book.name("IN_FLAG").value is True
    assert book.name("in_error").value == ErrorCell("#N/A")
    assert book.name("in_text").value == "ab"
    assert book.name("in_rich").value == "plain bold"
    assert (book.name("out_dd").sheet, book.name("out_dd").cell) == ("It's a result", "F1")
    assert book.name("out_dd").value is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda b: b.table("tbl_None"), "has no table tbl_None"),
        (
            lambda b: b.table("tbl_Pool").index("Equity"),
            "table tbl_Pool on sheet Pool has no column 'Equity'",
        ),
        (lambda b: b.name("in_none"), "has no name in_none"),
        (
            lambda b: b.name("in_range"),
            r"in_range must point to one cell \(it points to Pool!\$H\$1:\$H\$2\)",
        ),
        (lambda b: b.name("in_gone"), "in_gone must point to one cell"),
        (lambda b: b.write_table("tbl_Pool", {"Equity": [1, 2, 3]}), "has no column 'Equity'"),
        (lambda b: b.write_table("tbl_Pool", {"PD": [1, 2]}), "has 3 rows"),
        (lambda b: b.write_table("tbl_Pool", {"PD": [1], "Due": [1, 2]}), "differ in length"),
        (lambda b: b.write_cell("None", "A1", 1), "has no sheet 'None'"),
    ],
)
def test_what_is_missing_has_its_sentence(path: Path, call, message: str) -> None:
    book = open_book(path)
    with pytest.raises(BookError, match=message):
        call(book)


def test_formula_without_a_saved_value_is_reported(path: Path) -> None:
    edit(path, SHEETS[0], "<f>KMV_PD(C5,D5)</f><v>0.04</v>", "<f>KMV_PD(C5,D5)</f>")
    pool = open_book(path).table("tbl_Pool")
    assert pool.rows[1][4] is NO_VALUE
    problem = pool.problem(1, "PD", "must be a probability")
    assert problem.cell == "F5"
    assert problem.rule == "formula has no saved value: open the workbook in Excel, recalculate and save"


@given(st.sets(st.integers(1, 60)))
def test_runs_cover_their_numbers_and_touch_nowhere(numbers: set[int]) -> None:
    found = runs(numbers)
    assert [n for first, last in found for n in range(first, last + 1)] == sorted(numbers)
    assert all(after[0] - before[1] > 1 for before, after in itertools.pairwise(found))


def test_cells_that_are_wrong_alike_are_one_problem() -> None:
    table = Table("t", "Pool", ("Name", "PD", "Due"), [[f"n{k}", k, None] for k in range(300)], 7, 6)
    rule = "must not be blank"
    assert table.problem(4, "PD", rule) == Problem("Pool", "G11", 4, rule, 1, "G11")
    assert table.problem(range(300), "PD", rule) == Problem("Pool", "G7", 0, rule, 300, "G7:G306")
    gap = table.problem([k for k in range(300) if k not in (100, 101)], "Due", rule)
    assert (gap.cells, gap.count) == ("H7:H106, H109:H306", 298)
    four = table.problem([9, 8, 1, 3, 5], "PD", rule)
    assert (four.cell, four.cells, four.value, four.count) == ("G8", "G8, G10, G12 and 1 more", 1, 5)
    assert table.problem([0, 1], "PD", rule, width=2) == Problem("Pool", "G7", 0, rule, 4, "G7:H8")


def test_some_rows_of_a_table_keep_their_addresses() -> None:
    table = Table("t", "Pool", ("Name", " Due  date "), [["a", 1], ["b", 2], ["c", 3], ["d", 4]], 7, 2)
    some = table.only([1, 3])
    assert some.column("due DATE") == [2, 4]
    assert [some.cell(row, "Name") for row in (0, 1)] == ["B8", "B10"]
    assert some.only([1]).cell(0, "Due date") == "C10"
    assert some.problem([0, 1], "Due date", "rule").cells == "C8, C10"
    assert table.only([]).rows == []


def test_prefixed_markup_comments_and_missing_addresses_read_the_same(path: Path) -> None:
    """Other writers use a namespace prefix, leave out addresses, or put CDATA and comments in."""
    expected = open_book(path).table("tbl_Pool").rows
    sheet = parts(path)[SHEETS[0]].decode()
    prefixed = re.sub(r"<(/?)([A-Za-z]+)(?=[\s/>])", r"<\1x:\2", sheet).replace("xmlns=", "xmlns:x=")
    head, body = sheet.split("<sheetData>")
    bare = head + "<!-- <row r='9'> --><sheetData>" + re.sub(r"<v>0.3</v>", "<v><![CDATA[0.3]]></v>", body)
    utf16 = sheet.replace('encoding="UTF-8"', 'encoding="UTF-16"').encode("utf-16")
    for text in (prefixed.encode(), bare.encode(), utf16):
        mutate(path, {SHEETS[0]: text})
        book = open_book(path)
        assert book.table("tbl_Pool").rows == expected
        book.write_table("tbl_Pool", {"Amount": ["x", 2.0, None]})
        book.save()
        assert open_book(path).table("tbl_Pool").column("amount") == ["x", 2.0, None]
        for column in ("企业", "Volatility", "Due"):
            place = open_book(path).table("tbl_Pool").index(column)
            assert open_book(path).table("tbl_Pool").column(column) == [row[place] for row in expected]


def test_addresses_may_be_left_out(tmp_path: Path) -> None:
    file = tmp_path / "b.xlsx"
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet()
        sheet.add_table("A1:B3", {"name": "t", "data": [[1, 2], [3, 4]]})
    text = re.sub(r'<(c|row) r="[A-Z]*\d+"', r"<\1", parts(file)[SHEETS[0]].decode())
    mutate(file, {SHEETS[0]: text.encode()})
    book = open_book(file)
    assert book.table("t").rows == [[1, 2], [3, 4]]
    book.write_table("t", {"Column2": [5, "six"]})
    book.save()
    assert open_book(file).table("t").rows == [[1, 5], [3, "six"]]


def test_strings_in_all_their_forms(path: Path) -> None:
    phonetic = "<si><r><t>東</t></r><r><t>京</t></r><rPh sb='0' eb='1'><t>トウ</t></rPh></si>"
    strings = parts(path)["xl/sharedStrings.xml"].decode()
    mutate(path, {"xl/sharedStrings.xml": strings.replace("<si><t>甲公司</t></si>", phonetic).encode()})
    edit(
        path, SHEETS[0],
        cell_xml(path, SHEETS[0], "B5"),
        '<c r="B5" t="inlineStr"><is><r><t>a</t></r>'
        '<r><t xml:space="preserve"> b_x000A_c_x005F_x0041_</t></r></is></c>',
    )  # fmt: skip
    assert open_book(path).table("tbl_Pool").column("企业") == ["東京", "a b\nc_x0041_", "=1+1"]


@pytest.mark.parametrize(
    ("code", "is_date"),
    [
        ("yyyy-mm-dd", True), ("d/m", True), ('m"月"', True), ("[$-804]yyyy/m/d;@", True), ("mmm", True),
        ("h:mm:ss", False), ("[h]:mm", False), ("0.00E+00", False), ('0 "days"', False), ("0\\d", False),
        ("[Red]0.0", False), ("_d0", False), ("#,##0 元", False), ("General", False),
    ],
)  # fmt: skip
def test_dates_are_told_by_their_number_format(tmp_path: Path, code: str, is_date: bool) -> None:
    file = tmp_path / "b.xlsx"
    with xlsxwriter.Workbook(file) as book:
        book.add_worksheet("S").write_number("A1", 44927, book.add_format({"num_format": code}))
        book.define_name("n", "=S!$A$1")
    assert open_book(file).name("n").value == (dt.date(2023, 1, 1) if is_date else 44927)


@pytest.mark.parametrize("from_1904", [False, True])
def test_dates_of_both_calendars(tmp_path: Path, from_1904: bool) -> None:
    """XlsxWriter's own conversion is the witness."""
    dates = [dt.date(1904, 1, 2), dt.date(1999, 12, 31), dt.date(2024, 2, 29), dt.date(9999, 12, 31)]
    dates += [] if from_1904 else [dt.date(1900, 1, 1), dt.date(1900, 2, 28), dt.date(1900, 3, 1)]
    moments = [dt.datetime(2024, 2, 29, 23, 59, 59), dt.datetime(2001, 9, 9, 1, 46, 40)]
    file = tmp_path / "b.xlsx"
    with xlsxwriter.Workbook(file, {"date_1904": from_1904}) as book:
        style = book.add_format({"num_format": 14})
        sheet = book.add_worksheet("S")
        sheet.add_table(0, 0, len(dates) + 2, 1, {"name": "t"})
        for row, value in enumerate(dates + moments, 1):
            sheet.write_datetime(row, 0, value, style)
            sheet.write_blank(row, 1, None, style)
    book = open_book(file)
    assert book.table("t").column("Column1")[: len(dates) + 2] == dates + moments
    book.write_table("t", {"Column2": book.table("t").column("Column1")})
    book.save()
    saved = open_book(file).table("t")
    assert saved.column("Column2") == saved.column("Column1")


def test_moved_and_renamed_things_are_found(tmp_path: Path) -> None:
    file = tmp_path / "b.xlsx"
    with xlsxwriter.Workbook(file) as book:
        book.add_chartsheet("Chart").set_chart(chart := book.add_chart({"type": "line"}))
        sheet = book.add_worksheet("my 池 & co")
        chart.add_series({"values": ["my 池 & co", 11, 27, 12, 27]})
        sheet.add_table("AA11:AB13", {"name": "t", "columns": [{"header": "b\nb"}, {"header": "a"}]})
        sheet.write_column("AB12", [1, 2])
    book = open_book(file)
    table = book.table("t")
    assert (table.sheet, table.cell(0, "A"), table.column("b b")) == ("my 池 & co", "AB12", [None, None])
    book.write_table("t", {"B B": ["x", "y"]})
    book.save()
    assert open_book(file).table("t").rows == [["x", 1], ["y", 2]]


# -- writing --------------------------------------------------------------------------------------


def test_only_touched_parts_change(path: Path) -> None:
    before, order = parts(path), zipfile.ZipFile(path).namelist()
    book = open_book(path)
    book.write_table("tbl_Pool", {"PD": [0.1, 0.2, 0.3]})
    book.save()
    after = parts(path)
    assert changed(before, after) == {SHEETS[0]}
    assert zipfile.ZipFile(path).namelist() == order
    rows = [re.findall(rb"<row .*?</row>", data[SHEETS[0]], re.DOTALL) for data in (before, after)]
    assert [a == b for a, b in zip(*rows, strict=True)] == [True, True, True, False, False, False]
    assert cell_xml(path, SHEETS[0], "F5") == '<c r="F5" s="1"><f>KMV_PD(C5,D5)</f><v>0.2</v></c>'


def test_nothing_written_or_the_same_values_again_changes_no_byte(path: Path) -> None:
    before = parts(path)
    book = open_book(path)
    for name in book.tables():
        table = book.table(name)
        book.write_table(name, {header: table.column(header) for header in table.header}, resize=True)
    for name in ("in_rate", "in_flag", "in_error", "in_text", "in_rich"):
        book.write_name(name, book.name(name).value)
    book.save()
    assert parts(path) == before


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False),
    st.text(st.characters(exclude_categories=()), max_size=40),
    st.sampled_from(["=1+1", "+1", "-1", "@SUM(A1)", "_x0041_", " a ", "\r\n\t", "甲", "]]>", "", "#N/A"]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(values=st.lists(VALUES, min_size=3, max_size=3))
def test_values_come_back_as_they_were_written(path: Path, values: list) -> None:
    book = open_book(path)
    book.write_table("tbl_Pool", {"Amount": values, "企业": values, "PD": values})
    saved = open_book(book.save(path.with_name("out.xlsx"))).table("tbl_Pool")
    expected = [ErrorCell(value) if value == "#N/A" else value for value in values]
    assert saved.column("Amount") == expected
    assert saved.column("企业") == expected
    # A formula cell always has a value: blank becomes an empty text.
    assert saved.column("PD") == ["" if value is None else value for value in expected]


class Shown:
    """An error value of another module: only its text tells."""

    def __str__(self) -> str:
        return "#VALUE!"


@pytest.mark.parametrize(
    ("value", "xml"),
    [
        ("=1+1", '<c r="H1" t="inlineStr"><is><t>=1+1</t></is></c>'),
        ("+x", '<c r="H1" t="inlineStr"><is><t>+x</t></is></c>'),
        (" a", '<c r="H1" t="inlineStr"><is><t xml:space="preserve"> a</t></is></c>'),
        (math.nan, '<c r="H1" t="e"><v>#NUM!</v></c>'),
        (-math.inf, '<c r="H1" t="e"><v>#NUM!</v></c>'),
        (np.float64("nan"), '<c r="H1" t="e"><v>#NUM!</v></c>'),
        (10**400, '<c r="H1" t="e"><v>#NUM!</v></c>'),
        (Shown(), '<c r="H1" t="e"><v>#VALUE!</v></c>'),
        (ErrorCell("#DIV/0!"), '<c r="H1" t="e"><v>#DIV/0!</v></c>'),
        (NO_VALUE, '<c r="H1" t="e"><v>#N/A</v></c>'),
        (np.bool_(True), '<c r="H1" t="b"><v>1</v></c>'),
        (np.int64(7), '<c r="H1"><v>7</v></c>'),
        (np.float32(0.5), '<c r="H1"><v>0.5</v></c>'),
        (-0.0, '<c r="H1"><v>0</v></c>'),
        (5e-324, '<c r="H1"><v>0</v></c>'),
        (1 / 3, '<c r="H1"><v>0.3333333333333333</v></c>'),
        (dt.date(2020, 1, 1), '<c r="H1"><v>43831</v></c>'),
        (None, '<c r="H1"/>'),
    ],
)
def test_how_values_are_stored(path: Path, value: object, xml: str) -> None:
    book = open_book(path)
    book.write_name("in_rate", value)
    book.save()
    assert cell_xml(path, SHEETS[0], "H1") == xml


def test_too_long_a_text_is_refused(path: Path) -> None:
    book = open_book(path)
    book.write_name("in_rate", "x" * 32767)
    with pytest.raises(BookError, match="32768 characters"):
        book.write_name("in_rate", "x" * 32768)


def test_new_cells_widen_the_sheet(path: Path) -> None:
    book = open_book(path)
    book.write_cell("我的表", "C50", "far")
    book.write_cell("我的表", "B1", "near")
    book.save()
    sheet = parts(path)[SHEETS[2]].decode()
    assert '<dimension ref="A1:C50"/>' in sheet
    assert re.search(r'<row r="1" spans="1:2"[^>]*><c r="A1".*?<c r="B1"', sheet)
    assert '<row r="50"><c r="C50"' in sheet


# -- tables that grow and shrink ------------------------------------------------------------------


def test_table_grows(path: Path) -> None:
    before = parts(path)
    book = open_book(path)
    dates = [dt.date(2024, month, 1) for month in range(1, 7)]
    book.write_table("tbl_Result", {"PD": [month / 10 for month in range(6)], "date": dates}, resize=True)
    book.save()
    after = parts(path)
    assert changed(before, after) == {
        SHEETS[1],
        "xl/tables/table2.xml",
        "xl/charts/chart1.xml",
        "xl/workbook.xml",
    }
    table = open_book(path).table("tbl_Result")
    assert table.column("Date") == dates
    assert table.column("PD") == [0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert after["xl/tables/table2.xml"].count(b'ref="A3:C9"') == 2  # table and filter
    sheet = after[SHEETS[1]].decode()
    assert 'conditionalFormatting sqref="B4:B9"' in sheet
    assert 'sqref="A4:A9"' in sheet
    assert "$B$4:$B$9</c:f>" in after["xl/charts/chart1.xml"].decode()
    assert "$A$4:$A$9</c:f>" in after["xl/charts/chart1.xml"].decode()
    assert "'It''s a result'!$B$4:$B$9</definedName>" in after["xl/workbook.xml"].decode()
    # New rows: style of the first row, formula of the last; its value is Excel's to find.
    style = re.search(r'<c r="B4" s="(\d+)"', sheet)[1]
    assert f'<c r="B9" s="{style}"><v>0.5</v></c>' in sheet
    assert "<f>tbl_Result[[#This Row],[PD]]*2</f></c>" in cell_xml(path, SHEETS[1], "C9")
    assert b'fullCalcOnLoad="1"' in after["xl/workbook.xml"]


def test_table_shrinks(path: Path) -> None:
    book = open_book(path)
    book.write_table("tbl_Result", {"PD": [0.9], "Date": [None], "Double": [1.8]}, resize=True)
    book.save()
    after = parts(path)
    assert open_book(path).table("tbl_Result").rows == [[None, 0.9, 1.8]]
    assert after["xl/tables/table2.xml"].count(b'ref="A3:C4"') == 2
    sheet = after[SHEETS[1]].decode()
    assert not re.search('<c r="[ABC][56]"', sheet)
    assert '<row r="5"' in sheet  # the array formula beside still needs its row
    assert '<row r="6"' not in sheet
    assert re.search(r'<dimension ref="A3:[A-Z]+5"/>', sheet)
    assert "$B$4:$B$4</c:f>" in after["xl/charts/chart1.xml"].decode()


def test_table_without_rows_keeps_a_blank_one(path: Path) -> None:
    book = open_book(path)
    book.write_table("tbl_Result", {"PD": [], "Date": [], "Double": []}, resize=True)
    book.save()
    assert open_book(path).table("tbl_Result").rows == [[None, None, ""]]


def test_growing_and_shrinking_back_gives_the_same_cells(path: Path) -> None:
    book = open_book(path)
    first = book.table("tbl_Result")
    columns = {header: first.column(header) for header in first.header}
    book.write_table("tbl_Result", {header: [1] * 700 for header in columns}, resize=True)
    book.write_table("tbl_Result", columns, resize=True)
    book.save()
    again = open_book(path).table("tbl_Result")
    assert again.rows == first.rows
    assert f'<dimension ref="A3:I{6}"/>' in parts(path)[SHEETS[1]].decode()


def test_removed_formulas_leave_the_calculation_order(path: Path) -> None:
    chain = f'<calcChain xmlns="{SPACE}"><c r="C6" i="2"/></calcChain>'
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/calcChain"
    content = "application/vnd.openxmlformats-officedocument.spreadsheetml.calcChain+xml"
    edit(path, "xl/_rels/workbook.xml.rels", "</Relationships>",
         f'<Relationship Id="rId99" Type="{kind}" Target="calcChain.xml"/></Relationships>')  # fmt: skip
    edit(path, "[Content_Types].xml", "</Types>",
         f'<Override PartName="/xl/calcChain.xml" ContentType="{content}"/></Types>')  # fmt: skip
    mutate(path, {"xl/calcChain.xml": chain.encode()})
    book = open_book(path)
    book.write_table("tbl_Pool", {"Amount": [1, 2, 3]})
    book.save()
    assert "xl/calcChain.xml" in parts(path)
    book = open_book(path)
    book.write_table("tbl_Result", {"PD": [0.9]}, resize=True)
    book.save()
    after = parts(path)
    assert "xl/calcChain.xml" not in after
    assert b"calcChain" not in after["[Content_Types].xml"] + after["xl/_rels/workbook.xml.rels"]


def build(file: Path, change) -> FileBook:
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet("S")
        sheet.add_table("A1:B3", {"name": "t", **(change(sheet) or {})})
    return open_book(file)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.write("B5", "x") and None, r"S!B5 beneath it is not empty \(first: B5 'x'\); move"),
        (
            lambda s: s.write("B4", "note") or s.write("A6", 3) or s.write("C5", "beside") or None,
            r"cannot grow to 5 rows: S!A4:B6 beneath it is not empty \(first: B4 'note'\); "
            "move those cells or the table, then refresh again",
        ),
        (lambda s: s.write_formula("A4", "=1") and None, r"S!A4 beneath it is not empty \(first: A4 0\)"),
        (
            lambda s: s.add_table("B5:C7", {"name": "u"}) and None,
            "table u, S!B5:C7, lies beneath it; move those cells or the table",
        ),
        (lambda s: s.merge_range("B5:D5", "") and None, "merged cells S!B5:D5 lie beneath it; move"),
        (lambda s: {"total_row": True}, "has a totals row"),
    ],
)
def test_no_room_to_grow(tmp_path: Path, change, message: str) -> None:
    file = tmp_path / "b.xlsx"
    book = build(file, change)
    digest = hashlib.sha256(file.read_bytes()).digest()
    with pytest.raises(BookError, match=message):
        book.write_table("t", {"Column1": range(5)}, resize=True)
    assert hashlib.sha256(file.read_bytes()).digest() == digest


def test_grows_to_the_end_of_the_sheet_only(tmp_path: Path) -> None:
    with pytest.raises(BookError, match="grow to 1,048,576 rows: the sheet ends before; move it up, then"):
        build(tmp_path / "b.xlsx", lambda s: None).write_table(
            "t", {"Column1": range(1_048_576)}, resize=True
        )


def test_user_columns_and_cells_beside_a_table_stay(tmp_path: Path) -> None:
    file = tmp_path / "b.xlsx"
    book = build(file, lambda s: s.write("D3", "beside") and None)
    book.write_table("t", {"Column1": [1, 2]})
    book.write_table("t", {"Column2": [9]}, resize=True)
    book.save()
    assert open_book(file).table("t").rows == [[1, 9]]
    assert re.fullmatch(r'<c r="D3" t="s"><v>\d+</v></c>', cell_xml(file, SHEETS[0], "D3"))
    assert cell_xml(file, SHEETS[0], "A3") == ""


# -- formulas -------------------------------------------------------------------------------------


def test_outdated_values_are_removed_and_recalculation_is_asked_for(path: Path) -> None:
    book = open_book(path)
    book.write_name("in_rate", 0.05)
    assert book.stale() == [("我的表", "A2"), ("我的表", "A3")]
    book.save()
    assert cell_xml(path, SHEETS[2], "A2") == '<c r="A2"><f>Pool!H1*2</f></c>'
    assert cell_xml(path, SHEETS[2], "A3") == '<c r="A3"><f>A2+1</f></c>'
    assert cell_xml(path, SHEETS[2], "A4") == '<c r="A4"><f>SUM(1,2)</f><v>3</v></c>'
    assert b'fullCalcOnLoad="1"' in parts(path)["xl/workbook.xml"]


def linked(file: Path) -> None:
    """A text, links to it near and far, one to a link, one that does more, and a chart that shows it."""
    book = xlsxwriter.Workbook(str(file))
    here, far = book.add_worksheet("It's here"), book.add_worksheet("Far")
    here.write("A1", "one")
    here.write_formula("A2", "=$A$1", None, "one")
    far.write_formula("A1", "='It''s here'!$A$1", None, "one")
    far.write_formula("A2", "=A1", None, "one")
    far.write_formula("A3", '=A1&"!"', None, "one!")
    far.write_column("B1", [1, 2])
    chart = book.add_chart({"type": "column"})
    chart.add_series({"name": "='It''s here'!$A$1", "values": "=Far!$B$1:$B$2"})
    chart.set_title({"name": "='It''s here'!$A$1"})
    chart.set_x_axis({"name": "one"})
    chart.set_y_axis({"name": "another one"})
    far.insert_chart("D1", chart)
    book.close()


def test_a_formula_that_is_nothing_but_another_cell_takes_its_value(tmp_path: Path) -> None:
    linked(tmp_path / "links.xlsx")
    book = open_book(tmp_path / "links.xlsx")
    book.write_cell("It's here", "A1", "two")
    book.save()
    assert book.blanked == [("Far", "A2"), ("Far", "A3")]
    found = open_book(tmp_path / "links.xlsx")
    assert [row[0] for row in found.cells("It's here")] == ["two", "two"]
    assert [row[0] for row in found.cells("Far")] == ["two", NO_VALUE, NO_VALUE]
    assert b"'It''s here'!$A$1" in parts(tmp_path / "links.xlsx")["xl/worksheets/sheet2.xml"]


def test_a_name_that_looks_like_a_cell_beyond_the_last_column_is_a_name(tmp_path: Path) -> None:
    file = tmp_path / "b.xlsx"
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet("S")
        sheet.write("A1", 1)
        sheet.write_formula("B1", "=X", None, 1)
        book.define_name("ZZY", "=S!$A$1")
    edit(file, SHEETS[0], "<f>X</f>", "<f>ZZZ1</f>")
    edit(file, "xl/workbook.xml", 'name="ZZY"', 'name="ZZZ1"')
    book = open_book(file)
    book.write_cell("S", "A1", 2)
    assert book.stale() == [("S", "B1")]
    book.save()
    assert cell_xml(file, SHEETS[0], "B1") == '<c r="B1"><f>ZZZ1</f></c>'


def test_titles_of_charts_are_changed_as_links_and_as_plain_texts(tmp_path: Path) -> None:
    linked(tmp_path / "links.xlsx")
    before = parts(tmp_path / "links.xlsx")
    book = open_book(tmp_path / "links.xlsx")
    book.retitle({"two": "one"})
    book.save()
    assert parts(tmp_path / "links.xlsx") == before
    book = open_book(tmp_path / "links.xlsx")
    book.retitle({"one": "zwei", "1": "3"})
    book.save()
    after = parts(tmp_path / "links.xlsx")
    assert changed(before, after) == {"xl/charts/chart1.xml"}
    chart = after["xl/charts/chart1.xml"].decode()
    assert re.findall(r"<c:v>([^<]*)</c:v>|<a:t>([^<]*)</a:t>", chart) == [
        ("zwei", ""),
        ("zwei", ""),
        ("1", ""),
        ("2", ""),
        ("", "zwei"),
        ("", "another one"),
    ]


def test_no_recalculation_is_asked_for_when_every_value_was_given(path: Path) -> None:
    assert b"fullCalcOnLoad" not in parts(path)["xl/workbook.xml"]
    book = open_book(path)
    book.write_name("in_rate", 0.05)
    book.write_cell("我的表", "A2", 0.1)
    book.write_cell("我的表", "A3", 1.1)
    assert book.stale() == []
    book.save()
    assert b"fullCalcOnLoad" not in parts(path)["xl/workbook.xml"]
    assert cell_xml(path, SHEETS[2], "A3") == '<c r="A3"><f>A2+1</f><v>1.1</v></c>'


@pytest.mark.parametrize(
    ("formula", "depends"),
    [
        ("Pool!$H$1", True), ("SUM(Pool!A1:Z9)", True), ("SUM(Pool!H:H)", True), ("SUM(Pool!1:1)", True),
        ("in_rate", True), ("SUM(Pool:Own!H1)", True), ('INDIRECT("Pool!H1")', True),
        ("OFFSET(A9,1,1)", True),
        ("pool!h1".upper(), True), ("Pool!G1:INDEX(A:A,1)", True), ("SUM(in_range)", True),
        ("SUM(tbl_Pool[Amount])", True), ("tbl_Pool[[#This Row],[Amount]]", True), ("SUM(tbl_Pool)", True),
        ("SUM(tbl_Pool[[Amount]:[PD]])", True), ("COUNTA(tbl_Pool[#All])", True), ("unknown[Amount]", True),
        ("SUM(tbl_Pool[Due])", False), ("Pool!H2", False), ("H1", False), ('"Pool!H1"', False),
        ("SUM('It''s a result'!A1:Z99)", False), ("SUM(Pool!I1:Z9)", False), ("[1]Pool!H1", False),
        ("LOG10(100)+in_flag", False), ("SUM(tbl_Result[PD])", False), ("'[x.xlsx]Pool'!H1", False),
    ],
)  # fmt: skip
def test_which_formulas_depend_on_a_change(tmp_path: Path, formula: str, depends: bool) -> None:
    file = tmp_path / "b.xlsx"
    with xlsxwriter.Workbook(file) as book:
        pool, result, own = (book.add_worksheet(name) for name in ("Pool", "It's a result", "Own"))
        headers = [{"header": header} for header in ("Name", "Amount", "Due", "PD")]
        pool.add_table("A3:D5", {"name": "tbl_Pool", "columns": headers})
        result.add_table("A1:B3", {"name": "tbl_Result", "columns": [{"header": "PD"}, {"header": "x"}]})
        pool.write("H1", 1)
        book.define_name("in_rate", "=Pool!$H$1")
        book.define_name("in_range", "=Pool!$G$1:$H$2")
        book.define_name("in_flag", "=Pool!$H$2")
        own.write_formula("A1", "=X1", None, 5)
    edit(file, SHEETS[2], "<f>X1</f>", f"<f>{escape(formula)}</f>")
    book = open_book(file)
    book.write_name("in_rate", 2)
    book.write_table("tbl_Pool", {"Amount": [1, 2]})
    assert book.stale() == ([("Own", "A1")] if depends else [])


def test_shared_formulas_are_followed(tmp_path: Path) -> None:
    file = tmp_path / "b.xlsx"
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet("S")
        sheet.write_column("A1", [1, 2, 3])
        for row in range(3):
            sheet.write_formula(row, 1, "=X", None, 0)
    text = (
        parts(file)[SHEETS[0]].decode().replace("<f>X</f>", '<f t="shared" ref="B1:B3" si="0">A1*$A$9</f>', 1)
    )
    mutate(file, {SHEETS[0]: text.replace("<f>X</f>", '<f t="shared" si="0"/>').encode()})
    book = open_book(file)
    book.write_cell("S", "A3", 7)
    assert book.stale() == [("S", "B3")]
    book.write_cell("S", "B3", 49)
    book.save()
    assert cell_xml(file, SHEETS[0], "B3") == '<c r="B3"><f t="shared" si="0"/><v>49</v></c>'


def test_formulas_are_copied_as_a_spreadsheet_does() -> None:
    formula = """A1+$A1+A$1+$A$1+tbl[[#This Row],[A1]]+'A1'!B2+"A1"+LOG10(C3)+A1B+_A1+Sheet1!XFD9"""
    assert shift(formula, 2, 0) == (
        """A3+$A3+A$1+$A$1+tbl[[#This Row],[A1]]+'A1'!B4+"A1"+LOG10(C5)+A1B+_A1+Sheet1!XFD11"""
    )
    assert shift("B2:C3", -2, 1) == "#REF!:D1"


# -- the file -------------------------------------------------------------------------------------


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def swap(part: str, old: str, new: str):
    return lambda path: edit(path, part, old, new)


def rewrite(**changes):
    return lambda path: mutate(path, {key.replace("__", "/"): value for key, value in changes.items()})


def encrypt_flag(path: Path) -> None:
    data = bytearray(path.read_bytes())
    place = data.rindex(b"PK\x01\x02")
    data[place + 8] |= 1
    path.write_bytes(bytes(data))


def bad_crc(path: Path) -> None:
    data = bytearray(path.read_bytes())
    place = data.index(b"xl/workbook.xml") + 40
    data[place] ^= 0xFF
    path.write_bytes(bytes(data))


def twice(path: Path) -> None:
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("XL/workbook.xml", b"")


SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
BINARY = "application/vnd.ms-excel.sheet.binary.macroEnabled.main"
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
STRICT = "http://purl.oclc.org/ooxml/spreadsheetml/main"
SPACE = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
TYPES = "[Content_Types].xml"
REFUSALS = {
    "empty": (lambda p: p.write_bytes(b""), "is empty"),
    "text": (lambda p: p.write_text("a;b;c"), "is no Excel workbook"),
    "old excel": (lambda p: p.write_bytes(b"\xd0\xcf\x11\xe0" + bytes(600)), r"old \.xls format"),
    "encrypted": (
        lambda p: p.write_bytes(b"\xd0\xcf\x11\xe0" + "EncryptedPackage".encode("utf-16-le") + bytes(600)),
        "is encrypted",
    ),
    "encrypted zip": (encrypt_flag, "is encrypted"),
    "truncated": (cut, "is broken or truncated"),
    "changed bytes": (bad_crc, "is broken"),
    "binary": (swap(TYPES, SHEET, BINARY), "binary workbook"),
    "word": (swap(TYPES, SHEET, WORD), "is no Excel workbook"),
    "open document": (rewrite(mimetype=b"application/vnd.oasis.opendocument.spreadsheet"), "OpenDocument"),
    "plain zip": (rewrite(**{TYPES: None}), "is no Excel workbook"),
    "signed": (rewrite(_xmlsignatures__sig1=b"<a/>"), "digitally signed"),
    "strict": (swap("xl/workbook.xml", SPACE, STRICT), "Strict Open XML"),
    "two of a name": (twice, "two parts of one name"),
    "missing sheet": (rewrite(**{SHEETS[0]: None}), "part xl/worksheets/sheet1.xml is missing"),
    "bad xml": (swap("xl/workbook.xml", "</workbook>", "</workbok>"), "bad XML in its part xl/workbook.xml"),
    "bad sheet": (swap(SHEETS[0], "</sheetData>", ""), "sheet Pool is cut off"),
    "rows out of order": (swap(SHEETS[0], '<row r="5"', '<row r="3"'), "row 3 of sheet Pool is out of order"),
    "bad number": (swap(SHEETS[0], "<v>2000.5</v>", "<v>two</v>"), "holds the number"),
    "not a number": (swap(SHEETS[0], "<v>2000.5</v>", "<v>nan</v>"), "holds the number"),
    "bad text": (swap(SHEETS[0], 't="s"><v>5</v>', 't="s"><v>555</v>'), "missing text '555'"),
    "entities": (
        swap("xl/sharedStrings.xml", "<sst ", '<!DOCTYPE sst [<!ENTITY a "aaaa">]><sst '), "document type"
    ),
    "entities in a sheet": (
        swap(SHEETS[0], "<worksheet ", '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]><worksheet '),
        "document type",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_refused(path: Path, case: str) -> None:
    change, message = REFUSALS[case]
    change(path)
    before = path.read_bytes()
    with pytest.raises(BookError, match=message) as caught:
        book = open_book(path)
        book.table("tbl_Pool")
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_damaged_file_works_or_is_refused(path: Path) -> None:
    """Small damage anywhere in the XML: never another error than BookError, never a half-written file."""
    dice = random.Random(1)
    whole = parts(path)
    refused = 0
    for _ in range(200):
        part = dice.choice([name for name in whole if "theme" not in name and "docProps" not in name])
        text = whole[part].decode()
        pattern = dice.choice([r'\s[\w:]+="[^"]*"', r"<[^>]+>", r'(?<==")[^"]*(?=")', r"(?<=>)[^<]+(?=<)"])
        places = list(re.finditer(pattern, text)) or [re.search("", text)]
        place = dice.choice(places)
        new = dice.choice(["", "", "-1", "x", "9" * 9, "A1:B2", "nan", "é"])
        mutate(path, {**whole, part: (text[: place.start()] + new + text[place.end() :]).encode()})
        before = path.read_bytes()
        try:
            book = open_book(path)
            book.write_table("tbl_Pool", {"Amount": [7, 8, 9]})
            book.write_table("tbl_Result", {"PD": [1] * 5}, resize=True)
            book.write_table("tbl_Result", {"PD": [1]}, resize=True)
            book.save()
            open_book(path).table("tbl_Result")
        except BookError:
            refused += 1
            assert path.read_bytes() == before
    assert 20 < refused < 180


def test_long_chains_of_formulas_are_followed_both_ways(tmp_path: Path) -> None:
    file = tmp_path / "b.xlsx"
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet("S")
        for row in range(1, 2000):
            sheet.write_formula(row, 0, f"=A{row}+1", None, row)
            sheet.write_formula(row, 1, f"=B{row + 2}+1", None, row)
    book = open_book(file)
    book.write_cell("S", "A1", 7)
    assert len(book.stale()) == 1999
    book.write_cell("S", "B2001", 7)
    assert len(book.stale()) == 3998


def test_refused_when_it_unpacks_to_too_much(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xlkmv.workbook.package.MAX_CONTENT", 10_000)
    with pytest.raises(BookError, match="unpacks to more"):
        open_book(path)
    monkeypatch.setattr("xlkmv.workbook.package.MAX_FILE", 100)
    with pytest.raises(BookError, match="too large"):
        open_book(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BookError, match="does not exist"):
        open_book(tmp_path / "none.xlsx")
    with pytest.raises(BookError, match="is a folder"):
        open_book(tmp_path)


@pytest.mark.parametrize(("lock", "program"), [("~${}", "Excel"), (".~lock.{}#", "LibreOffice")])
def test_open_elsewhere(path: Path, lock: str, program: str) -> None:
    book = open_book(path)
    book.write_name("in_rate", 1)
    before = path.read_bytes()
    path.with_name(lock.format(path.name)).write_text("me")
    with pytest.raises(BookError, match=f"is open in {program}: close it there first"):
        book.save()
    with pytest.raises(BookError, match=f"is open in {program}"):
        open_book(path)
    assert path.read_bytes() == before


def test_changed_by_another_program_meanwhile(path: Path) -> None:
    book = open_book(path)
    book.write_name("in_rate", 1)
    other = open_book(path)
    other.write_name("in_rate", 2)
    other.save()
    with pytest.raises(BookError, match="changed by another program"):
        book.save()
    assert open_book(path).name("in_rate").value == 2


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_save_leaves_the_file_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: str, error: BaseException
) -> None:
    before = path.read_bytes()
    book = open_book(path)
    book.write_name("in_rate", 1)

    def fail(*args: object) -> None:
        raise error

    monkeypatch.setattr(os, call, fail)
    with pytest.raises((BookError, KeyboardInterrupt)) as caught:
        book.save()
    if isinstance(error, OSError):
        assert "cannot be written (No space left on device); it is as it was" in str(caught.value)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    monkeypatch.undo()
    book.save()
    assert open_book(path).name("in_rate").value == 1


def test_backup_mode_and_link(path: Path, tmp_path: Path) -> None:
    before = path.read_bytes()
    path.chmod(0o640)
    link = tmp_path / "link.xlsx"
    link.symlink_to(path)
    book = open_book(link)
    book.write_name("in_rate", 1)
    assert book.save(backup=True) == path
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert path.with_name("收益 deal.backup.xlsx").read_bytes() == before


def test_saving_elsewhere_leaves_the_original(path: Path) -> None:
    before = path.read_bytes()
    book = open_book(path)
    book.write_name("in_rate", 1)
    target = book.save(path.with_name("new.xlsx"))
    assert path.read_bytes() == before
    assert open_book(target).name("in_rate").value == 1
    with pytest.raises(BookError, match=r"must end in \.xlsx"):
        book.save(path.with_name("new.xlsm"))


def test_the_same_writes_give_the_same_bytes(path: Path) -> None:
    digests = set()
    for name in ("a.xlsx", "b.xlsx"):
        book = open_book(path)
        book.write_table("tbl_Result", {"PD": np.linspace(0, 1, 9)}, resize=True)
        digests.add(hashlib.sha256(book.save(path.with_name(name)).read_bytes()).digest())
    assert len(digests) == 1


def test_changes_that_lie_apart_or_touch_are_told_apart(tmp_path: Path) -> None:
    """Formulas over rows that changed are out of date, those between them are not."""
    file = tmp_path / "b.xlsx"
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet("S")
        for row in range(1, 10):
            sheet.write_formula(row - 1, 1, f"=SUM(A{row}:A{row})", None, 0)
    for order in itertools.permutations((2, 3, 5, 8)):
        book = open_book(file)
        for row in order:
            book.write_cell("S", f"A{row}", 7)
        assert book.stale() == [("S", f"B{row}") for row in (2, 3, 5, 8)], order
