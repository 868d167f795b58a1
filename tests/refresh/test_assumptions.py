"""The assumptions of a workbook are its orange cells, each told once."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "hosts"))

import fake_excel

from xlkmv.build.filling import filling
from xlkmv.build.template import build_template
from xlkmv.deal.examples import EXAMPLES, example
from xlkmv.refresh.assumptions import read_assumptions
from xlkmv.refresh.live import LiveBook
from xlkmv.workbook import layout
from xlkmv.workbook.book import FileBook

ORANGE = layout.ASSUMED_FILL


@pytest.fixture(scope="module")
def lines(draft):
    return {(line.place, line.label): line for line in read_assumptions(FileBook(draft))}


def test_a_term_is_a_line_with_its_unit_and_basis(lines):
    (fees,) = (line for line in lines.values() if line.label == "Senior fees")
    assert (fees.value, fees.basis, fees.count) == ("0.20% p.a. of fee basis", "assumption", 1)
    (reserve,) = (line for line in lines.values() if line.label == "Reserve account")
    assert reserve.value == "1 period"


def test_two_periods_are_several(draft, tmp_path):
    book = FileBook(shutil.copy(draft, tmp_path / "deal.xlsm"))
    table = book.table("tbl_Control")
    row = table.column("Control").index("Reserve account")
    book.write_cell(table.sheet, table.cell(row, "Figure"), 2.0)
    (reserve,) = (line for line in read_assumptions(book) if line.label == "Reserve account")
    assert reserve.value == "2 periods"


def test_a_tiny_target_is_written_as_tiny_probabilities_are(draft, tmp_path):
    book = FileBook(shutil.copy(draft, tmp_path / "deal.xlsm"))
    table = book.table("tbl_Target")
    book.write_cell(table.sheet, table.cell(0, "Target"), 1.25e-7)
    (target,) = (line for line in read_assumptions(book) if line.place.startswith("Structure"))
    assert target.value == "1.25E-05%"


def test_a_small_percentage_keeps_its_digits(lines):
    # Half of the last digit of the printed 0.000 %.
    (best,) = (line for line in lines.values() if line.label == "Grades of classes: 1 y")
    assert best.value == "0.0005%"


def test_a_column_of_the_pool_is_a_line_from_its_least_to_its_largest(lines, draft):
    (pds,) = (line for line in lines.values() if line.label == "Claims: PD")
    table = FileBook(draft).table("tbl_Pool")
    column = table.column("PD")
    assert pds.value == f"{min(column):.2%} – {max(column):.2%}"
    assert pds.count == len(column) == 11
    assert pds.place == f"Pool!{table.cell(0, 'PD')}:{table.cell(10, 'PD')}"
    assert pds.basis.startswith("assumption")


def test_in_chinese_the_words_of_the_product_are_chinese_and_those_of_the_deal_stay(lines, draft):
    found = read_assumptions(FileBook(draft), "zh")
    assert [(line.place, line.count) for line in found] == [(x.place, x.count) for x in lines.values()]
    said = {line.place: line for line in found}
    english = {line.label: line for line in lines.values()}
    fees = said[english["Senior fees"].place]
    assert (fees.label, fees.value, fees.basis) == ("优先费用", "0.20% 每年，占计费基础", "假设")
    assert said[english["Order of principal"].place].value == "顺序"
    assert said[english["Claims: PD"].place].label == "债权：违约概率"
    assert said[english["Reserve account"].place].basis == "假设：优先级一期应付，以现金持有"
    assert said[english["Claims: Industry"].place].value == english["Claims: Industry"].value
    assert said[english["Tranches: Payment type"].place].value == "随回款还本 – 到期一次还本"


def test_what_is_a_fact_is_no_line(lines):
    assert not any("Coupon" in label and "F7" in place for place, label in lines)
    assert "Closing date" not in {label for _, label in lines}


@pytest.mark.parametrize("key", [*EXAMPLES])
def test_every_orange_cell_that_holds_something_is_counted_once(key, tmp_path):
    """Against what the filling marked when the workbook was made."""
    new = filling(example(key))
    path = tmp_path / "deal.xlsm"
    build_template(path, new, refreshed=False)
    marked = sum(
        mark and cell is not None
        for table in new.tables.values()
        for row, marks in zip(table.rows, table.marks, strict=True)
        for cell, mark in zip(row, marks, strict=True)
    )
    found = read_assumptions(FileBook(path))
    assert sum(line.count for line in found) == marked > 0
    assert len({line.place for line in found}) == len(found)


def test_cells_that_are_cleared_are_no_assumptions(draft, tmp_path):
    book = FileBook(draft)
    table = book.table("tbl_Term")
    row = table.column("Term").index("Senior fees")
    book.write_cell(table.sheet, table.cell(row, "Value"), None)
    found = read_assumptions(FileBook(book.save(tmp_path / "cleared.xlsm")))
    assert "Senior fees" not in {line.label for line in found}


def test_a_workbook_may_lack_tables(draft):
    book = FileBook(draft)
    some = SimpleNamespace(tables=lambda: ["tbl_Control"], table=book.table, coloured=book.coloured)
    assert {line.place.split("!")[0] for line in read_assumptions(some)} == {"Terms"}


# ------------------------------------------------------------------------- where the colour is


CELLS = st.sets(st.tuples(st.integers(0, 11), st.integers(0, 3)))


@settings(max_examples=25, deadline=None)
@given(orange=CELLS, other=CELLS)
def test_a_file_and_an_open_workbook_find_the_cells_of_a_colour(tmp_path_factory, orange, other):
    path = tmp_path_factory.mktemp("colours") / "colours.xlsx"
    book = xlsxwriter.Workbook(path)
    sheet = book.add_worksheet("Sheet")
    columns = [{"header": name} for name in "abcd"]
    sheet.add_table(2, 1, 14, 4, {"name": "tbl", "columns": columns, "style": None})
    fills = {True: book.add_format({"bg_color": ORANGE}), False: book.add_format({"bg_color": "#FFFBE6"})}
    stripes = book.add_format({"bg_color": ORANGE, "fg_color": "#FFFFFF", "pattern": 4})
    for row in range(12):
        for column in range(4):
            here = (row, column)
            look = fills[here in orange] if here in orange or here in other else None
            sheet.write(3 + row, 1 + column, 1.0 if row % 2 else None, look)
    sheet.write(20, 1, 1.0, stripes)
    sheet.write(20, 2, 1.0, fills[True])  # outside of the table
    book.close()
    assert FileBook(path).coloured("tbl", ORANGE) == orange
    fake = fake_excel.open_fake(path)
    (shown,) = fake.Worksheets
    shown.fills = {(4 + row, 2 + column): float(0xFCE8D2) for row, column in other - orange}
    # Excel's colours have red last.
    shown.fills |= {(4 + row, 2 + column): float(0xD2E8FC) for row, column in orange}
    assert LiveBook(SimpleNamespace(api=fake)).coloured("tbl", ORANGE) == orange
