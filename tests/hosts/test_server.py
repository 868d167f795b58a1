"""What the COM server answers, and what crosses COM; everything but COM itself."""

from __future__ import annotations

import datetime as dt
import decimal
import importlib
import logging
import math
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xlwings.conversion import ConversionContext

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "hosts"))

from fake_excel import contents, hurry, open_fake

import xlkmv
from xlkmv.build.filling import blank
from xlkmv.build.template import build_template
from xlkmv.functions import FUNCTIONS
from xlkmv.functions.cells import ExcelError
from xlkmv.functions.com import ERROR_CODES, MARK, MISSING, ErrorText, from_com, marked, to_com
from xlkmv.functions.converter import CellsAccessor
from xlkmv.functions.registry import Function
from xlkmv.hosts import server
from xlkmv.hosts.server import Server, _hidden
from xlkmv.refresh.live import LiveBook
from xlkmv.workbook.address import address

# PD = N(-DD) for 120 against 100 at 25 %: mpmath at 40 digits.
KNOWN = 0.27282668076807604
NA, NUM, DIV0 = -2146826246, -2146826252, -2146826281
SHIPPED = Path(__file__).resolve().parents[2] / "workbook" / "KMV_Template.xlsm"


def test_error_codes_are_those_of_excel():
    """CVErr(2000 + n) is 0x800A07D0 + n as a signed 32-bit number."""
    numbers = {"#NULL!": 2000, "#DIV/0!": 2007, "#VALUE!": 2015, "#REF!": 2023, "#NAME?": 2029, "#NUM!": 2036}
    numbers["#N/A"] = 2042
    assert {code + 2**32 - 0x800A0000: text for code, text in ERROR_CODES.items()} == {
        n: text for text, n in numbers.items()
    }
    assert MISSING + 2**32 == 0x80020004  # DISP_E_PARAMNOTFOUND


def test_arguments_become_raw_cells():
    moment = dt.datetime(2019, 12, 11, 10, 30, tzinfo=dt.UTC)
    assert from_com(MISSING) is None
    assert from_com(None) is None
    assert from_com(1.5) == 1.5
    assert from_com(3) == 3.0 and type(from_com(3)) is float
    assert from_com(True) is True
    assert from_com("资产") == "资产"
    assert from_com(decimal.Decimal("1234567.12345")) == 1234567.12345
    assert from_com(moment) == dt.datetime(2019, 12, 11, 10, 30)
    assert from_com(NA) == ExcelError("#N/A", "")
    assert from_com(NUM) == ExcelError("#NUM!", "")
    assert from_com(DIV0) == "#DIV/0!"
    assert from_com(((1.0, NA), (None, "x"))) == [[1.0, ExcelError("#N/A", "")], [None, "x"]]
    assert from_com((1.0, 2)) == [1.0, 2.0]
    assert from_com(()) == ()


def test_clean_ranges_pass_untouched():
    rows = ((1.0, None), ("x", True))
    assert from_com(rows) is rows
    out = [[1.0, 2.0], ["x", False]]
    assert to_com(out) is out
    assert marked(out) is out


cells = st.one_of(st.floats(allow_nan=False), st.text(), st.none(), st.booleans())


@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.tuples(*[cells] * n), min_size=1).map(tuple)))
def test_ranges_keep_shape_and_values(rows):
    seen = from_com(rows)
    assert [tuple(row) for row in seen] == list(rows)


results = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(alphabet="aé资=1"),
    st.booleans(),
    st.sampled_from([ExcelError(code, "why") for code in ExcelError.CODES]),
)


@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(results, min_size=n, max_size=n), min_size=1)))
def test_the_wrapper_can_undo_the_marks(rows):
    """The same steps as in KmvServer.bas."""

    def cell(value):
        if isinstance(value, str) and value[:1] == MARK:
            return ExcelError(value[1:], "why")
        return value

    answer = marked(to_com(rows))
    if not isinstance(answer, list):
        undone = [[cell(answer)]]
    elif isinstance(answer[0][0], str) and answer[0][0][:1] == MARK:
        assert any(isinstance(c, ExcelError) for row in rows for c in row)
        undone = [[cell(c) for c in row] for row in answer[1:]]
    else:
        undone = answer
    assert undone == rows


def test_results_are_what_com_can_carry():
    rows = to_com([[3, None, ExcelError("#NUM!", "x")]])
    assert rows == [[3.0, "#N/A", "#NUM!"]]
    assert [type(c) for c in rows[0]] == [float, ErrorText, ErrorText]
    assert to_com("text") == [["text"]]


def test_the_converter_of_xlwings():
    """Reads from values, and from ranges by Value2; writes rows."""
    context = ConversionContext.__new__(ConversionContext)
    context.range, context.value = None, ((1.0, NA),)
    CellsAccessor.reader({})(context)
    assert context.value == [[1.0, ExcelError("#N/A", "")]]
    context.range = SimpleNamespace(api=SimpleNamespace(Value2=((0.123456789,),)))
    CellsAccessor.reader({})(context)
    assert context.value == ((0.123456789,),)
    context.value = ExcelError("#NUM!", "why")
    CellsAccessor.writer({})(context)
    assert context.value == [["#NUM!"]]


def test_a_module_is_hidden_from_what_is_imported_meanwhile():
    assert "this" not in sys.modules
    with _hidden("this"), pytest.raises(ImportError):
        importlib.import_module("this")
    assert "this" not in sys.modules
    with _hidden("json"):  # is loaded: whoever uses it keeps it
        assert importlib.import_module("json") is sys.modules["json"]


# ------------------------------------------------------------------------------------ the server


def test_calls():
    call = Server().Call
    assert call("KMV_PD", (120.0, 100.0, 0.25)) == pytest.approx(KNOWN, rel=1e-14)
    assert call("KMV_PD", (120.0, 100.0, 0.25, MISSING, None, MISSING)) == call(
        "KMV_PD", (120, 100, decimal.Decimal("0.25"))
    )
    assert call("KMV_PD", (120.0, 100.0, ((0.25,), (NA,), (None,), (-1.0,), ("x",)))) == [
        [MARK],
        [pytest.approx(KNOWN, rel=1e-14)],
        [MARK + "#N/A"],
        [MARK + "#N/A"],
        [MARK + "#NUM!"],
        [MARK + "#VALUE!"],
    ]
    assert call("KMV_PD", (120.0, 100.0, NUM)) == MARK + "#NUM!"
    assert call("KMV_VERSION", None) == xlkmv.__version__


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=lambda f: f.name)
def test_every_example_goes_through(function: Function):
    answer = Server().Call(function.name, function.example)
    plain = answer if isinstance(answer, list) else [[answer]]
    for row in plain:
        for value in row:
            assert type(value) in (float, str, bool)
            assert not isinstance(value, float) or math.isfinite(value)


def test_nothing_raises_into_excel(caplog):
    with caplog.at_level(logging.ERROR):
        assert Server().Call("os.system", ("x",)) == MARK + "#VALUE!"
        assert Server().Call("KMV_EXPLAIN.__init__", ()) == MARK + "#VALUE!"
    assert "call of os.system failed" in caplog.text
    [[outcome, message, _]] = Server().Refresh(SimpleNamespace())
    assert outcome == "failed"
    assert "nothing was changed" in message and len(message) < 1024


def test_only_what_the_sheets_need_is_public():
    public = {name for name in vars(Server) if not name.startswith("_")}
    assert set(Server._public_methods_) == public
    assert not {"Eval", "Exec", "Module", "CallUDF"} & public


def test_check_says_version_and_mismatch(monkeypatch, tmp_path):
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    text = Server().Check(xlkmv.__version__)
    assert "is right" in text and "install" not in text
    assert "of version 0.0.1: run  xlkmv install" in Server().Check("0.0.1")
    assert Server().Template() == ""
    (tmp_path / "xlkmv").mkdir()
    (tmp_path / "xlkmv" / server.TEMPLATE).write_bytes(b"x")
    assert Server().Template() == str(tmp_path / "xlkmv" / server.TEMPLATE)


def test_log_rotates(monkeypatch, tmp_path):
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    root.handlers.clear()
    raising = logging.raiseExceptions
    try:
        server.start_log()
        for k in range(3000):
            server.log.info("%04d %s", k, "x" * 500)
        for handler in root.handlers:
            handler.close()
    finally:
        root.handlers[:] = before
        root.setLevel(level)
        logging.raiseExceptions = raising
    files = sorted(p.name for p in (tmp_path / "xlkmv").iterdir())
    assert files == ["server.log", "server.log.1", "server.log.2"]
    assert all(p.stat().st_size <= 500_000 for p in (tmp_path / "xlkmv").iterdir())


# ----------------------------------------------------------------------------------- the refresh


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("server") / "Book 'one'.xlsm"
    return shutil.copy(SHIPPED, path)


def test_refresh_of_an_open_workbook(template):
    fake = open_fake(template)
    hurry(fake)
    [[outcome, message, _]] = Server().Refresh(SimpleNamespace(api=fake))
    assert (outcome, "all checks passed" in message) == ("done", True)
    assert any("Esc cancels" in str(m) for m in fake.Application.messages)


def test_quick_look_at_an_open_workbook(template):
    fake = open_fake(template)
    hurry(fake)
    [[outcome, message, _]] = Server().Refresh(SimpleNamespace(api=fake), True)
    assert outcome == "done"
    assert message.startswith("KMV: quick look, 1,000 paths, in ")
    cell = next(n.RefersToRange for n in fake.Names if n.Name == "out_Scope")
    assert cell.Value2 == "quick look, 1,000 paths"


def test_the_memo_of_an_open_workbook_is_written_beside_its_file(template):
    fake = open_fake(template)
    hurry(fake)
    before = contents(fake)
    [[outcome, message, _]] = Server().Memo(SimpleNamespace(api=fake))
    page = template.with_suffix(".html")
    assert outcome == "done"
    assert message.startswith("KMV: memo written in ") and message.endswith(f" s: {page}")
    assert "1,000 paths" in page.read_text(encoding="utf-8")  # as they are now, saved or not
    assert contents(fake) == before


@pytest.mark.parametrize("name", ["Book1", "https://cloud.example/Documents/Deal.xlsm"])
def test_a_workbook_that_is_not_on_this_computer_has_no_memo_yet(template, name):
    fake = open_fake(template)
    fake.FullName = name
    [[outcome, message, _]] = Server().Memo(SimpleNamespace(api=fake))
    assert outcome == "failed"
    assert message == "the memo is written beside the workbook: save that on this computer first"


def test_wrong_inputs_are_listed_with_links(template):
    fake = open_fake(template)
    pool = next(t for t in fake.sheet("Pool").ListObjects if t.Name == "tbl_Pool")
    header = [c.Name for c in pool.ListColumns]
    for k in range(1, pool.area.bottom - pool.area.top + 1):
        fake.sheet("Pool").values[pool.area.top + k, pool.area.left + header.index("PD")] = "=evil"
    before = contents(fake)
    head, *rows = Server().Refresh(SimpleNamespace(api=fake))
    count = pool.area.bottom - pool.area.top
    assert head[0] == "wrong"
    assert head[1].startswith(f"{count} inputs are wrong; nothing was changed.\n\nPool!")
    assert len(head[1]) < 1024  # a message box shows no more
    # One line for all of them; its link leads to the first.
    [[link, holds, rule]] = rows
    first, last = (address(pool.area.top + k, pool.area.left + header.index("PD")) for k in (1, count))
    assert link == f"=HYPERLINK(\"#'[Book ''one''.xlsm]Pool'!{first}\",\"Pool!{first}:{last}\")"
    assert holds == f"'{count} cells, the first holds '=evil'"
    assert rule.startswith(("'", "must"))
    after = contents(fake)
    state = next(n for n in fake.Names if n.Name == "out_State").RefersToRange
    assert fake.sheet("Home").values[state.Row, state.Column] == f"stale: {count} wrong inputs"
    after["Home"][0].pop(str(state.area))
    before["Home"][0].pop(str(state.area))
    assert after == before


TAPE = "Loan,Current balance,Interest rate,Remaining term,PD,Recovery,Lag,Correlation\n"


def test_a_tape_comes_into_an_open_workbook_and_a_bad_one_changes_nothing(tmp_path):
    path = build_template(tmp_path / "blank.xlsm", blank(dt.date(2025, 1, 15), "month", 48), refreshed=False)
    fake = open_fake(path)
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text(TAPE + 'L1,"1,000.50",5.5%,36,1%,40%,1,0.1\nL2,2000,6%,24,2%,40%,1,0.1\n')
    bad.write_text(TAPE + "L1,-5,5.5%,36,1%,40%,1,0.1\n")
    [[outcome, message, _]] = Server().Import(SimpleNamespace(api=fake), str(bad))
    assert outcome == "failed" and message.startswith("Nothing was changed.") and len(message) < 1024
    pool = LiveBook(SimpleNamespace(api=fake)).table("tbl_Pool")
    assert set(pool.column("Obligor")) == {None}
    [[outcome, message, _]] = Server().Import(SimpleNamespace(api=fake), str(good))
    assert outcome == "done" and message.startswith("2 rows are in the pool.")
    pool = LiveBook(SimpleNamespace(api=fake)).table("tbl_Pool")
    assert pool.column("Obligor") == ["L1", "L2"]
    assert pool.column("Financed amount") == [1000.5, 2000.0]
    assert pool.column("Rate") == [0.055, 0.06]
    # A file that is no tape is one sentence, too.
    [[outcome, message, _]] = Server().Import(SimpleNamespace(api=fake), str(tmp_path / "none.csv"))
    assert outcome == "failed" and "none.csv" in message


def test_a_case_of_an_open_workbook_is_saved_and_compared(tmp_path):
    path = Path(shutil.copy(SHIPPED, tmp_path / "Deal.xlsm"))
    fake = open_fake(path)
    hurry(fake)
    fake.SaveCopyAs = lambda target: shutil.copy2(path, target)
    opened = SimpleNamespace(api=fake)
    [[outcome, message, _]] = Server().SaveCase(opened)
    (saved,) = tmp_path.glob("Deal case *.xlsm")
    assert (outcome, message) == ("done", f"KMV: saved as {saved.name}")
    [[outcome, message, _]] = Server().Compare(opened)
    assert outcome == "done" and message.startswith("KMV: compared with 1 cases in ")
    saved.unlink()
    answer = Server().Compare(opened)
    assert answer[0][0] == "wrong" and f"must be the name of a workbook in {tmp_path}" in answer[1][2]
