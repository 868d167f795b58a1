"""A workbook that is open in Excel, on fakes of Excel's objects: the same refresh, Excel's own rules."""

from __future__ import annotations

import datetime as dt
import shutil
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "hosts"))

import fake_excel
from fake_excel import AUTOMATIC, contents, hurry, open_fake

from xlkmv.errors import BookError, BookInputError
from xlkmv.refresh import live
from xlkmv.refresh.live import CancelledError, LiveBook, find_open, progress_of, quiet
from xlkmv.refresh.run import refresh
from xlkmv.workbook import layout
from xlkmv.workbook.address import Area, address, parse_area
from xlkmv.workbook.book import ErrorCell, FileBook

NOW = dt.datetime(2026, 1, 2, 3, 4, 5)
SHIPPED = Path(__file__).resolve().parents[2] / "workbook" / "KMV_Template.xlsm"


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("live") / "Book.xlsm"
    return shutil.copy(SHIPPED, path)


@pytest.fixture
def fake(template):
    return open_fake(template)


def live_book(fake) -> LiveBook:
    return LiveBook(SimpleNamespace(api=fake))


def test_reads_what_the_file_holds(template, fake):
    book, file = live_book(fake), FileBook(template)
    for name in file.tables():
        assert book.table(name) == file.table(name)
    assert book.names() == file.names()
    assert book.tables() == file.tables()
    for name in (*layout.NAMES, layout.HEADLINE_CLASS):
        assert book.name(name) == file.name(name)
    with pytest.raises(BookError, match=r"Book\.xlsm has no name out_Other"):
        book.name("out_Other")


@pytest.mark.parametrize("quick", [False, True])
def test_refresh_writes_what_the_file_gets(template, fake, tmp_path, quick):
    """One deal, two implementations of the interface: equal results in every table."""
    fake.sheet("Pool").values[_cell(fake, "tbl_Pool", 0, "Recovery")] = 0.123456
    hurry(fake)
    book = live_book(fake)
    before = contents(fake)
    refresh(book, now=NOW, quick=quick)
    assert contents(fake) == before  # nothing before save
    book.save()
    file = FileBook(template)
    hurry(file)
    old = file.table("tbl_Pool").column("Recovery")
    file.write_table("tbl_Pool", {"Recovery": [0.123456, *old[1:]]})
    refresh(file, now=NOW, quick=quick)
    file.save(tmp_path / "out.xlsm")
    saved, seen = FileBook(tmp_path / "out.xlsm"), live_book(fake)
    for name in saved.tables():
        assert seen.table(name) == saved.table(name), name
    for name in layout.NAMES:
        assert _named(fake, name) == saved.name(name).value


def test_names_are_asked_for_once(fake, monkeypatch):
    """Each question goes to another process: twenty thousand of them took longer than the simulation."""
    hurry(fake)
    asked: Counter[object] = Counter()

    def counted(thing):
        asked[thing] += 1
        return thing.__dict__["Name"]

    for cls in (fake_excel.Name, fake_excel.ListObject, fake_excel.Column):
        monkeypatch.setattr(cls, "Name", property(counted), raising=False)
    book = live_book(fake)
    refresh(book, now=NOW, quick=True)
    book.save()
    assert set(asked) == {*fake.Names, *(t for sheet in fake.Worksheets for t in sheet.ListObjects)}
    assert set(asked.values()) == {1}


def test_headings_that_are_not_shown(template, fake):
    table = next(t for t in fake.sheet("Pool").ListObjects if t.Name == "tbl_Pool")
    table.ShowHeaders, table.area = False, table.area._replace(top=table.area.top + 1)
    assert live_book(fake).table("tbl_Pool") == FileBook(template).table("tbl_Pool")


def test_a_heading_that_is_no_text_and_a_table_of_one_column(template, fake):
    """Excel makes texts of headings; whatever else stands there, the column knows its name."""
    table = next(t for t in fake.sheet("Pool").ListObjects if t.Name == "tbl_Pool")
    fake.sheet("Pool").values[table.area.top, table.area.left] = 45000.0
    found = live_book(fake).table("tbl_Pool")
    assert found == FileBook(template).table("tbl_Pool")
    one = table.area._replace(right=table.area.left, top=table.area.top + 1)
    fake.sheet("Pool").values[one.top, one.left] = "Text"
    fake.sheet("Pool").ListObjects.append(fake_excel.ListObject(fake.sheet("Pool"), "one", ("Text",), one))
    assert live_book(fake).table("one").header == ("Text",)


def test_a_cell_that_was_written_is_read_anew(fake):
    book = live_book(fake)
    before = book.name("out_State").value
    book.write_name("out_State", "new")
    assert book.name("out_State").value == before  # nothing is written before save
    book.save()
    assert book.name("out_State").value == "new"


def _named(fake, name):
    cells = next(n.RefersToRange for n in fake.Names if n.Name == name)
    return fake.sheet(cells.Worksheet.Name).values[cells.Row, cells.Column]


def _cell(fake, table, row, header):
    found = live_book(fake).table(table)
    return found.top + row, found.left + found.index(header)


def test_wrong_inputs_change_nothing(fake):
    row, column = _cell(fake, "tbl_Pool", 1, "PD")
    fake.sheet("Pool").values[row, column] = 7.0
    fake.sheet("Pool").values[row + 1, column] = fake_excel.SCODES["#DIV/0!"]
    before = contents(fake)
    with pytest.raises(BookInputError) as caught:
        refresh(live_book(fake), now=NOW)
    assert len(caught.value.problems) == 2
    assert {7.0, ErrorCell("#DIV/0!")} == {p.value for p in caught.value.problems}
    assert contents(fake) == before


def test_settings_come_back_also_after_a_failure(fake):
    excel = fake.Application
    with quiet(excel):
        assert (excel.ScreenUpdating, excel.EnableEvents, excel.Calculation) == (False, False, live.MANUAL)
    assert (excel.ScreenUpdating, excel.EnableEvents, excel.Calculation) == (True, True, AUTOMATIC)
    excel.Calculation = live.MANUAL  # a user who calculates by hand keeps that
    with pytest.raises(ZeroDivisionError), quiet(excel):
        raise ZeroDivisionError
    assert (excel.ScreenUpdating, excel.EnableEvents, excel.Calculation) == (True, True, live.MANUAL)


def test_a_refused_write_is_taken_back(fake):
    book = live_book(fake)
    table = book.table("tbl_Breakeven")
    before = contents(fake)
    book.write_name("out_State", "new")
    log = book.table("tbl_Log")
    book.write_table("tbl_Log", {"Message": ["a", "b", "c"], "Refreshed": ["x", "y", "z"]}, resize=True)
    book.write_table("tbl_Breakeven", {"Target PD": [0.5] * len(table.rows)})
    fake.sheet(table.sheet).refuse = parse_area(table.cell(0, "Target PD"))
    with pytest.raises(BookError, match=r"Excel refused to write Controls!.*Unable to write"):
        book.save()
    assert contents(fake) == before
    assert len(live_book(fake).table("tbl_Log").rows) == len(log.rows)
    assert fake.Application.Calculation == AUTOMATIC


def test_tables_grow_and_shrink(fake):
    book = live_book(fake)
    shown = [f"m{k}" for k in range(7)]
    book.write_table("tbl_Log", {"Message": shown}, resize=True)
    book.save()
    assert live_book(fake).table("tbl_Log").column("Message") == shown
    table = live_book(fake).table("tbl_Log")
    row, column = table.top + 6, table.left
    assert fake.sheet(table.sheet).formats[row, column] == fake.sheet(table.sheet).formats.get(
        (table.top, column), "General"
    )
    book = live_book(fake)
    neighbour = table.header[table.index("Message") - 1]
    book.write_table("tbl_Log", {neighbour: ["two"], "Message": ["one"]}, resize=True)
    book.save()
    assert live_book(fake).table("tbl_Log").column("Message") == ["one"]
    assert live_book(fake).table("tbl_Log").column(neighbour) == ["two"]
    assert fake.sheet(table.sheet).values.get((row, table.left + table.index("Message"))) is None


def test_a_table_does_not_grow_over_cells(fake):
    book = live_book(fake)
    table = book.table("tbl_Log")
    row = table.top + len(table.rows)
    sheet = fake.sheet(table.sheet)
    sheet.values[row + 1, table.left + 1] = "my note"
    sheet.put(row + 3, table.left, "=1")
    first, last = address(row + 1, table.left + 1), address(row + 3, table.left + 1)
    around = f"{table.sheet}!{address(row + 1, table.left)}:{last}"
    with pytest.raises(BookError) as caught:
        book.write_table("tbl_Log", {"Message": ["x"] * 9}, resize=True)
    assert str(caught.value) == (
        f"table tbl_Log cannot grow to 9 rows: {around} beneath it is not empty (first: {first} 'my note'); "
        "move those cells or the table, then refresh again"
    )
    # A formula that shows nothing is in the way, too.
    del sheet.values[row + 1, table.left + 1]
    sheet.values[row + 3, table.left] = ""
    with pytest.raises(BookError, match=rf"{address(row + 3, table.left)} beneath it is not empty \(first"):
        book.write_table("tbl_Log", {"Message": ["x"] * 9}, resize=True)


def test_a_table_does_not_grow_over_tables_and_merged_cells(fake, monkeypatch):
    book = live_book(fake)
    table = book.table("tbl_Log")
    below = table.top + len(table.rows) + 1
    monkeypatch.setattr(fake_excel.Range, "MergeCells", None, raising=False)  # as Excel says: some are
    with pytest.raises(BookError, match=rf"merged cells lie beneath it in {table.sheet}!.*; move those"):
        book.write_table("tbl_Log", {"Message": ["x"] * 9}, resize=True)
    area = Area(below, table.left, below + 2, table.left + 1)
    sheet = fake.sheet(table.sheet)
    sheet.ListObjects.append(fake_excel.ListObject(sheet, "mine", ("a", "b"), area))
    with pytest.raises(BookError, match=rf"table mine, {table.sheet}!{area}, lies beneath it; move"):
        live_book(fake).write_table("tbl_Log", {"Message": ["x"] * 9}, resize=True)


def test_protected_sheets_are_named(fake):
    fake.sheet("Controls").ProtectContents = True
    with pytest.raises(BookError, match="sheet Controls is protected"):
        live_book(fake).write_table("tbl_Breakeven", {"Target PD": [0.5]}, resize=True)


def test_formulas_stay(fake):
    book = live_book(fake)
    table = book.table("tbl_Sigma")
    sheet = fake.sheet(table.sheet)
    row, column = table.top + 1, table.left
    sheet.put(row, column, "=1+1")
    count = len(table.rows)
    book.write_table("tbl_Sigma", {"Volatility": [0.5] * count, "PD by pool and reserve": [0.25] * count})
    book.save()
    assert sheet.formulas == {(row, column): "=1+1"}
    values = [sheet.values[table.top + k, column] for k in range(count) if k != 1]
    assert values == [0.5] * (count - 1)
    assert sheet.values[row, column + 1] == 0.25


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-x", "@SUM(A1)", "2019-12-11", "1e5", "TRUE", "#N/A", "May 5", "'", "12%", " =1"]
)
def test_text_is_written_as_text(fake, text):
    book = live_book(fake)
    book.write_name("out_State", text)
    book.save()
    assert _named(fake, "out_State") == text
    assert all(sheet.formulas == {} for sheet in fake.Worksheets)


def test_missing_things_are_named(fake):
    book = live_book(fake)
    with pytest.raises(BookError, match=r"Book\.xlsm has no table tbl_X"):
        book.table("tbl_X")
    with pytest.raises(BookError, match=r"tbl_Tranche has 2 rows \(got 1 values\)"):
        book.write_table("tbl_Tranche", {"Tranche": ["one"]})
    with pytest.raises(BookError, match="has no name in_X"):
        book.write_name("in_X", 1)
    with pytest.raises(BookError, match="save a copy"):
        book.save("other.xlsm")
    fake.Names[0].RefersToRange.area = parse_area("A1:B2")
    with pytest.raises(BookError, match="must point to one cell"):
        book.write_name(fake.Names[0].Name, 1)


def test_progress_and_cancel(fake):
    excel = fake.Application
    report = progress_of(excel, lambda: False)
    report("Scenarios", 0.5)
    report("Scenarios", 0.6)  # too soon to be shown
    assert excel.messages == ["KMV: Scenarios ... 50% (Esc cancels)"]
    before = contents(fake)
    with pytest.raises(CancelledError, match="nothing has been changed"):
        refresh(live_book(fake), progress_of(excel, lambda: True))
    assert contents(fake) == before


def test_nothing_is_open_without_windows(template, monkeypatch):
    monkeypatch.setattr(live.os, "name", "posix")
    assert find_open(template) is None
