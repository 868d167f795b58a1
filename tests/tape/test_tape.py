"""Loan tapes: what is read, mended, refused, grouped, and what reaches the pool of a workbook."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import math
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from xlkmv import cli
from xlkmv.deal.terms import RANGE_NUMBERS, SOURCE_NUMBERS
from xlkmv.environment import add
from xlkmv.errors import BookError, InputError
from xlkmv.refresh.run import read_book
from xlkmv.tape import group, import_tape, read_map, read_tape, workbook_terms
from xlkmv.tape.figures import Cells, as_dates, as_numbers, decimal_mark
from xlkmv.tape.headings import FIELDS, dated_with_unit, fold, heading_date, recognise
from xlkmv.workbook import layout
from xlkmv.workbook.book import FileBook, Table

CLOSING = dt.date(2025, 1, 15)
REST: dict[str, Any] = {"recovery": 0.4, "lag": 1.0, "correlation": 0.2}
HEADINGS = ("Loan id", "Balance", "Rate", "Remaining term", "PD")
LOANS = (("A1", "1000.5", "0.05", "36", "0.02"), ("A2", "2000", "0.06", "24", "0.01"))
CHINESE = ("合同编号", "未偿本金余额", "利率(%)", "剩余期限", "还款方式", "还款频率", "违约概率")
CHINESE_LOANS = (
    ("甲一", "1000.5", "5", "36", "等额本息", "按月", "2%"),
    ("乙二", "2000", "6", "24", "等额本金", "按季", "1%"),
)


def text(headings: Sequence[str], rows: Sequence[Sequence[object]], mark: str = ",") -> str:
    stream = io.StringIO()
    csv.writer(stream, delimiter=mark).writerows([headings, *rows])
    return stream.getvalue()


@pytest.fixture
def tape(tmp_path: Path):
    """Write rows, or a text, as a file and read it as a tape."""

    def read(headings: Sequence[str] | str, *rows: Sequence[object], **options: Any):
        file = tmp_path / "tape.csv"
        content = headings if isinstance(headings, str) else text(headings, rows)
        file.write_text(content, encoding=options.pop("written", "utf-8"), newline="")
        return read_tape(file, **{"closing": CLOSING, **REST, **options})

    return read


def column(tape: Any, field: str) -> list[Any]:
    return [None if v != v else v for v in tape.rows[field].tolist()]


def refusals(tape: Any) -> list[tuple[int, str, Any]]:
    return [(r.row, r.heading, r.value) for r in tape.report.refused]


def mended(tape: Any) -> dict[str, int]:
    return {m.heading: m.cells for m in tape.report.mended}


# ------------------------------------------------------------------------------------ formats


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "UTF-8"),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16"),
        ("utf-16-be", "UTF-16"),
        ("gb18030", "GB18030"),
        ("gbk", "GB18030"),
    ],
)
def test_text_in_every_encoding_and_with_every_separator(
    tmp_path: Path, encoding: str, shown: str, mark: str
) -> None:
    file = tmp_path / "贷款.csv"
    file.write_bytes(text(CHINESE, CHINESE_LOANS, mark).encode(encoding))
    read = read_tape(file, **REST)
    assert column(read, "name") == ["甲一", "乙二"]
    assert column(read, "amount") == [1000.5, 2000.0]
    assert column(read, "rate") == [0.05, 0.06]
    assert column(read, "amortisation") == ["annuity", "linear"]
    assert column(read, "payments_per_year") == [12.0, 4.0]
    assert column(read, "pd") == [0.02, 0.01]
    assert f"text in {shown}" in read.report.source
    assert read.report.refused == []


def test_western_text_is_windows_1252_and_not_chinese(tmp_path: Path) -> None:
    file = tmp_path / "tape.csv"
    names = ["Société Générale", "Müller & Söhne", "Peña"]
    rows = [(name, 100 + k, 0.05, 36, 0.02) for k, name in enumerate(names)]
    file.write_bytes(text(("Obligor", *HEADINGS[1:]), rows).encode("cp1252"))
    read = read_tape(file, **REST)
    assert column(read, "name") == names
    assert "Windows-1252" in read.report.source
    # The user's word goes before what is found.
    assert "cp1252" in read_tape(file, encoding="cp1252", **REST).report.source
    with pytest.raises(BookError, match="not in utf-8"):
        read_tape(file, encoding="utf-8", **REST)
    with pytest.raises(BookError, match="no encoding 'klingon'"):
        read_tape(file, encoding="klingon", **REST)


def test_a_decimal_comma_goes_with_semicolons(tape) -> None:
    rows = ["A1;1.234.567,50;5,25%;36;0,02", "A2;2.000;6,5 %;24;0,01"]
    read = tape("\r\n".join(["Loan id;Balance;Rate;Remaining term;PD", *rows]))
    assert column(read, "amount") == [1234567.5, 2000.0]
    assert column(read, "rate") == [0.0525, 0.065]
    assert column(read, "pd") == [0.02, 0.01]


def test_quoted_texts_blank_lines_and_titles_above_the_headings(tape) -> None:
    lines = [
        "Pool of 2025,,,,",
        "",
        ",".join(HEADINGS),
        '"A,',
        '1",1000,5%,36,2%',
        ",,,,",
        "A2,1,5%,12,2%",
        "",
    ]
    read = tape("\r\n".join(lines))
    assert column(read, "name") == ["A,\r\n1", "A2"]
    assert read.rows.index.tolist() == [5, 7]  # lines of the file; the first row ends in line 5
    assert "headings in line 3" in read.report.source


def excel(file: Path, sheets: Mapping[str, Sequence[Sequence[Any]]]) -> Path:
    with xlsxwriter.Workbook(file) as book:
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for i, row in enumerate(rows):
                for j, value in enumerate(row):
                    if isinstance(value, dt.date):
                        sheet.write_datetime(i, j, dt.datetime(value.year, value.month, value.day), day)
                    elif value is not None:
                        sheet.write(i, j, value)
    return file


def test_excel_finds_the_sheet_and_the_headings(tmp_path: Path) -> None:
    rows = [
        ["Loans at the cut-off date"],
        [],
        ["Loan id", "Balance", "Rate", "Maturity date", "PD", "Active"],
        [1001, 1000.5, 0.05, dt.date(2028, 1, 15), 0.02, True],
        [1002, "2,000", "6%", dt.date(2027, 1, 20), 0.01, False],
    ]
    file = excel(tmp_path / "tape.xlsx", {"Notes": [["Balance is in RMB"]], "Tape": rows, "Old": rows[2:4]})
    read = read_tape(file, closing=CLOSING, **REST)
    assert column(read, "name") == ["1001", "1002"]
    assert column(read, "amount") == [1000.5, 2000.0]
    assert column(read, "rate") == [0.05, 0.06]
    assert column(read, "term") == [36.0, 25.0]
    assert read.rows.index.tolist() == [4, 5]
    assert "sheet 'Tape', headings in row 3" in read.report.source
    assert read.report.left_out == ["Active"]
    assert len(read_tape(file, closing=CLOSING, sheet="old", **REST).rows) == 1
    with pytest.raises(BookError, match=r"no sheet 'New': its sheets are Notes, Tape, Old"):
        read_tape(file, sheet="New", **REST)


def test_old_excel_files_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "tape.xls"
    file.write_bytes(b"\xd0\xcf\x11\xe0" + bytes(600))
    with pytest.raises(BookError, match=r"old \.xls format: save it as \.xlsx"):
        read_tape(file, **REST)


def test_parquet(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    file = tmp_path / "tape.parquet"
    frame = pd.DataFrame(
        {
            "loan_id": [1, 2],
            "balance": [1000.5, 2000.0],
            "rate": [0.05, None],
            "maturity": pd.to_datetime(["2028-01-15", "2027-01-20"]),
            "pd": ["2%", "1%"],
            "grade of nobody": pd.Categorical(["a", None]),
        }
    )
    frame.to_parquet(file)
    read = read_tape(file, closing=CLOSING, **REST)
    assert column(read, "amount") == [1000.5]
    assert column(read, "term") == [36.0]
    assert refusals(read) == [(2, "rate", None)]
    file.write_bytes(b"PAR1" + bytes(100))
    with pytest.raises(BookError, match="broken Parquet"):
        read_tape(file, **REST)


def test_parquet_without_pyarrow_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    file = tmp_path / "tape.parquet"
    file.write_bytes(b"PAR1 whatever")
    with pytest.raises(BookError, match=re.escape(add("parquet"))):
        read_tape(file, **REST)


# ------------------------------------------------------------------------------------ headings


@pytest.mark.parametrize(
    ("heading", "field", "scale"),
    [
        ("Current Balance", "amount", 1.0),
        ("current_balance", "amount", 1.0),
        ("CURRENT  BALANCE (RMB)", "amount", 1.0),
        ("Outstanding principal (RMB million)", "amount", 1e6),
        ("Balance ('000)", "amount", 1e3),
        ("未偿本金余额（万元）", "amount", 1e4),
        ("未偿本金余额（万美元）", "amount", 1e4),
        ("余额（亿港元）", "amount", 1e8),
        ("余额（美元）", "amount", 1.0),
        ("Balance (Mio. EUR)", "amount", 1e6),
        ("Principal balance (in Mrd. EUR)", "amount", 1e9),
        ("Balance in tsd. EUR", "amount", 1e3),
        ("贷款余额【亿元】", "amount", 1e8),
        ("贷款余额（截至2024-12-31）", "amount", 1.0),
        ("剩余本金", "amount", 1.0),
        ("Ｒａｔｅ", "rate", 1.0),
        ("年利率％", "rate", 0.01),
        ("Interest rate p.a. (%)", "rate", 0.01),
        ("Spread (bp)", "margin", 0.0001),
        ("Remaining term (years)", "term", 12.0),
        ("RemainingTermInMonths", "term", 1.0),
        ("剩余期限（天）", "term", 12.0 / 365.25),
        ("Recovery lag (months)", "lag", 1.0 / 12.0),
        ("PD (1Y)", "pd", 1.0),
        ("Payments p.a.", "payments_per_year", 1.0),
        ("Interest-only (months)", "interest_only", 1.0),
        ("借款人名称", "name", 1.0),
        ("New Underlying Exposure Identifier", "loan_id", 1.0),
        ("New Obligor Identifier", "obligor_id", 1.0),
        ("Current Interest Rate Index", "base", 1.0),
        ("Current Interest Rate Margin (%)", "margin", 0.01),
        ("Account Status", "status", 1.0),
        ("Receivable balance (k)", "amount", 1e3),
    ],
)
def test_headings_are_recognised_whatever_their_dress(heading: str, field: str, scale: float) -> None:
    match = recognise(heading)
    assert match is not None
    assert (match.field.name, match.scale) == (field, scale)


@pytest.mark.parametrize(
    "heading", ["Balance (original)", "余额（初始）", "Borrower age", "备注", "LTV", "", "index"]
)
def test_other_headings_are_not(heading: str) -> None:
    assert recognise(heading) is None


def test_every_column_of_the_pool_can_be_recognised() -> None:
    no_loans = {"invention", "utility", "share", "basis", "sales", *RANGE_NUMBERS, *SOURCE_NUMBERS}
    for c in layout.POOL.columns:
        if c.field not in no_loans and c.kind != "result":
            assert recognise(c.header).field.name == c.field


def test_two_columns_for_one_field_are_refused_by_name(tape) -> None:
    with pytest.raises(BookError, match=r"'Rate' \(column 3\) and 'Coupon' \(column 4\) both mean Rate"):
        tape(("Loan id", "Balance", "Rate", "Coupon", "Remaining term", "PD"), ("A", 1, 0.05, 0.05, 12, 0.02))
    with pytest.raises(BookError, match=r"'Rate' \(column 3\) and 'Rate' \(column 4\) both mean Rate"):
        tape(("Loan id", "Balance", "Rate", "Rate", "Remaining term", "PD"), ("A", 1, 0.05, 0.05, 12, 0.02))


def test_a_map_says_what_headings_mean(tape, tmp_path: Path) -> None:
    headings = ("Nr", "Saldo", "Rate", "Coupon", "Laufzeit", "PD")
    rows = [("A1", 1, 0.05, 0.07, 12, 0.02), ("A2", 2, 0.05, 0.07, 24, 0.02)]
    file = tmp_path / "map.csv"
    file.write_text(
        "tape heading,pool heading\nnr,Obligor\nSaldo,Financed amount\nRate,\nLaufzeit,剩余期限\n",
        encoding="utf-8",
    )
    read = tape(headings, *rows, mapping=read_map(file))
    assert column(read, "amount") == [1.0, 2.0]
    assert column(read, "rate") == [0.07, 0.07]
    assert column(read, "term") == [12.0, 24.0]
    assert read.report.left_out == ["Rate"]
    file.write_text(
        json.dumps({"Nr": "Obligor", "Saldo": "balance", "Coupon": None, "Laufzeit": "Remaining term"})
    )
    assert column(tape(headings, *rows, mapping=read_map(file)), "rate") == [0.05, 0.05]
    # A column that the map names goes before one that is known.
    read = tape(
        headings,
        *rows,
        mapping={"Nr": "Obligor", "Saldo": "Balance", "Coupon": "Rate", "Laufzeit": "Remaining term"},
    )
    assert column(read, "rate") == [0.07, 0.07]
    assert read.report.left_out == ["Rate"]


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"Saldo": "Balance"}, "the map names 'Saldo', which is neither a heading of the tape"),
        ({"Balance": "Money"}, "says that 'Balance' means 'Money', but it must be one of: Obligor"),
    ],
)
def test_a_map_that_fits_nothing_is_refused(tape, mapping: dict[str, str], message: str) -> None:
    with pytest.raises(BookError, match=message):
        tape(HEADINGS, *LOANS, mapping=mapping)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b,c\n", "two columns"),
        ("a\n", "two columns"),
        ('{"a": 1}', "with a text"),
        ('{"a"', "no JSON"),
        ("a,b\nA,c\n", "twice"),
    ],
)
def test_a_broken_map_is_refused(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "map.csv"
    file.write_text(content)
    with pytest.raises(BookError, match=message):
        read_map(file)
    with pytest.raises(BookError, match="cannot be read"):
        read_map(tmp_path / "none.csv")


# ----------------------------------------------------------------------------------- percentages


@pytest.mark.parametrize("written", ["5.25%", "5.25 %", "５.２５％", "0.0525"])
def test_percent_signs_speak_for_themselves(tape, written: str) -> None:
    assert column(tape(HEADINGS, ("A1", 1, written, 12, 0.02)), "rate") == [0.0525]


def test_plain_numbers_above_one_are_a_question(tape) -> None:
    rows = [("A1", 1, "5.25", 12, "0.8"), ("A2", 1, "0.9", 12, "0.5")]
    with pytest.raises(BookError, match=r"'Rate' holds plain numbers above 1 \(largest 5.25\).*--percent"):
        tape(HEADINGS, *rows)
    read = tape(HEADINGS, *rows, percent=True)
    assert column(read, "rate") == pytest.approx([0.0525, 0.009], rel=1e-15)
    assert column(read, "pd") == [0.8, 0.5]
    assert any("'PD' (up to 0.8)" in note and "--percent-in" in note for note in read.report.notes)
    both = tape(HEADINGS, *rows, percent_in=["rate", "PD"])
    assert column(both, "pd") == [0.008, 0.005]
    with pytest.raises(BookError, match="no column of percentages 'Balance'"):
        tape(HEADINGS, *rows, percent_in=["Balance"])


def test_each_column_in_question_is_asked_about_once(tape) -> None:
    rows = [("A1", 1, "5.25", 12, "2"), ("A2", 1, "6", 12, "0.5")]
    asked: list[str] = []

    def yes_to_rates(question: str) -> bool:
        asked.append(question)
        return "'Rate'" in question

    read = tape(HEADINGS, *rows, ask=yes_to_rates)
    assert len(asked) == 2
    assert column(read, "rate") == [0.06]
    assert refusals(read) == [(2, "PD", "2")]  # no: it is a PD of 200 %


def test_a_column_with_and_without_signs(tape) -> None:
    read = tape(HEADINGS, ("A1", 1, "5%", 12, 0.02), ("A2", 1, "0.04", 12, 0.02))
    assert column(read, "rate") == [0.05, 0.04]
    assert mended(read) == {"Rate": 1}


def test_a_unit_in_the_heading_is_an_answer(tape) -> None:
    read = tape(("Loan id", "Balance", "Rate (%)", "Remaining term", "PD (bps)"), ("A1", 1, "0.9", 12, "150"))
    assert column(read, "rate") == pytest.approx([0.009], rel=1e-15)
    assert column(read, "pd") == [0.015]


# ---------------------------------------------------------------------------------- mended figures


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("1,234.50", 1234.5),
        ("1 234.50", 1234.5),
        ("1\u00a0234,50", 1234.5),
        ("1'234.50", 1234.5),
        ("1.234.567,5", 1234567.5),
        ("12,34,567", 1234567.0),
        ("１２３４．５", 1234.5),
        ("￥1,234", 1234.0),
        ("RMB 1,234", 1234.0),
        ("1,234 元", 1234.0),
        ("$-5", -5.0),
        ("(1,000)", -1000.0),
        ("1,000-", -1000.0),
        ("−4", -4.0),
        ("120万", 1200000.0),
        ("1.2亿元", 120000000.0),
        ("1.5e3", 1500.0),
    ],
)
def test_numbers_that_people_write(written: str, number: float) -> None:
    cells = Cells(np.array([written, None], dtype=object))
    mark = decimal_mark([cells])
    assert isinstance(mark, str)
    read = as_numbers(cells, mark)
    assert read.values[0] == number
    assert not read.bad.any()
    assert read.mended.tolist() == [written != "1.5e3", False]


@pytest.mark.parametrize(
    "written", ["abc", "1,23,4", "1 23", "12-13", "1.2.3", "TRUE", "inf", "1_000", "0x10", "#N/A", "5%%"]
)
def test_other_texts_are_no_numbers(written: str) -> None:
    read = as_numbers(Cells(np.array([written], dtype=object)))
    assert read.bad.tolist() == [True]
    assert math.isnan(read.values[0])


@given(st.floats(min_value=0.01, max_value=1e12), st.sampled_from([",", " ", "'", ""]), st.booleans())
def test_separators_of_thousands_do_not_change_a_number(number: float, mark: str, negative: bool) -> None:
    rounded = round(-number if negative else number, 2)
    written = f"{rounded:,.2f}".replace(",", mark)
    read = as_numbers(Cells(np.array([written], dtype=object)), ".")
    assert read.values[0] == rounded


@given(st.floats(min_value=0.01, max_value=1e12))
def test_a_decimal_comma_does_not_change_a_number(number: float) -> None:
    written = f"{number:,.2f}".translate(str.maketrans(",.", ".,"))
    cells = Cells(np.array([written], dtype=object))
    assert decimal_mark([cells]) == ","
    assert as_numbers(cells, ",").values[0] == round(number, 2)


def test_points_and_commas_for_decimals_are_a_contradiction(tape) -> None:
    with pytest.raises(BookError, match=r"decimal points and with decimal commas \('1,234\.5', '0,05'\)"):
        tape(HEADINGS, ("A1", "1,234.5", "0,05", 12, 0.02))
    with pytest.raises(BookError, match=r"decimal points and with decimal commas \('0.02', '0,05'\)"):
        tape(HEADINGS, ("A1", "1000", "0,05", 12, 0.02))


def test_mended_cells_are_reported_with_the_first_of_them(tape) -> None:
    rows = [(f"A{k}", f"1,{k}00.00", 0.05, 12, 0.02) for k in range(1, 6)]
    (found,) = tape(HEADINGS, *rows).report.mended
    assert (found.heading, found.cells) == ("Balance", 5)
    assert found.examples == ((2, "'1,100.00'", "1100"), (3, "'1,200.00'", "1200"), (4, "'1,300.00'", "1300"))


@pytest.mark.parametrize(
    "written",
    [
        "2025-02-20",
        "2025/2/20",
        "2025.2.20",
        "20250220",
        "2025年2月20日",
        "20-Feb-25",
        "Feb 20, 2025",
        "20/02/2025",
        "45708",
        "2025-02-20 00:00:00",
        "2025-02-20T10:00:00Z",
    ],
)
def test_dates_that_people_write(tape, written: str) -> None:
    read = tape((*HEADINGS, "First payment"), (*LOANS[0], written))
    assert column(read, "first") == [dt.date(2025, 2, 20)]


def test_days_and_months_that_cannot_be_told_apart(tape) -> None:
    headings = (*HEADINGS, "First payment")
    assert refusals(tape(headings, (*LOANS[0], "1/2/2025"))) == [(2, "First payment", "1/2/2025")]
    assert column(tape(headings, (*LOANS[0], "1/2/2025"), (*LOANS[1], "25/2/2025")), "first")[0] == dt.date(
        2025, 2, 1
    )
    assert column(tape(headings, (*LOANS[0], "2/1/2025"), (*LOANS[1], "2/25/2025")), "first")[0] == dt.date(
        2025, 2, 1
    )
    with pytest.raises(BookError, match="day first and with the month first"):
        tape(headings, (*LOANS[0], "25/2/2025"), (*LOANS[1], "2/25/2025"))


def test_bad_dates() -> None:
    read = as_dates(Cells(np.array(["2025-02-30", "x", "", None], dtype=object)))
    assert read.bad.tolist() == [True, True, False, False]
    assert np.isnat(read.values).all()


# ----------------------------------------------------------------------------- what follows from others


def test_remaining_term_and_age_follow_from_dates(tape) -> None:
    headings = ("Loan id", "Balance", "Rate", "PD", "Origination date", "Maturity")
    read = tape(
        headings,
        ("A1", 1, 0.05, 0.02, "2023-01-15", "2027-01-15"),
        ("A2", 1, 0.05, 0.02, "2023-01-16", "2027-01-16"),
    )
    assert column(read, "term") == [24.0, 25.0]  # the month that has begun counts
    assert column(read, "age") == [24.0, 23.0]  # and does not
    taken = {t.pool: t for t in read.report.taken}
    assert taken["Remaining term"].heading == "Maturity"
    assert str(CLOSING) in taken["Remaining term"].how
    late = tape(headings, ("A1", 1, 0.05, 0.02, "2025-02-15", "2025-01-15"))
    assert refusals(late) == [(2, "Origination date", "2025-02-15"), (2, "Maturity", "2025-01-15")]
    with pytest.raises(BookError, match="closing date, which is not known"):
        tape(headings, ("A1", 1, 0.05, 0.02, "2023-01-15", "2027-01-15"), closing=None)


def test_remaining_term_follows_from_original_term_and_age_or_from_payments(tape) -> None:
    head = ("Loan id", "Balance", "Rate", "PD")
    loan = ("A1", 1, 0.05, 0.02)
    assert column(tape((*head, "Original term", "Age"), (*loan, 60, 13)), "term") == [47.0]
    over = tape((*head, "Original term", "Age"), (*loan, 60, 60))
    assert [(r.heading, r.value, str(r.reason)) for r in over.report.refused] == [
        ("Original term", "60", "must be longer than the age: nothing remains of it")
    ]
    assert column(tape((*head, "期限（年）", "放款日"), (*loan, 5, "2023-12-10")), "term") == [47.0]
    assert column(tape((*head, "Remaining payments", "Frequency"), (*loan, 5, "quarterly")), "term") == [15.0]
    with pytest.raises(BookError, match="'Term' is read as original term"):
        tape((*head, "Term"), (*loan, 60))


def test_a_given_term_goes_before_the_maturity(tape) -> None:
    read = tape(
        (*HEADINGS, "Maturity"),
        ("A1", 1, 0.05, 30, 0.02, "2027-01-15"),
        ("A2", 1, 0.05, "", 0.02, "2027-01-15"),
    )
    assert column(read, "term") == [30.0, 24.0]
    assert mended(read) == {"Remaining term": 1}
    # A maturity that is not needed need not be readable.
    assert column(tape((*HEADINGS, "Maturity"), ("A1", 1, 0.05, 30, 0.02, "open")), "term") == [30.0]
    assert refusals(tape((*HEADINGS, "Maturity"), ("A1", 1, 0.05, "", 0.02, "open"))) == [
        (2, "Maturity", "open")
    ]


def test_terms_become_whole_payment_periods_by_the_first_payment(tape) -> None:
    head = (*HEADINGS, "Payments p.a.")
    read = tape(
        head, ("A1", 1, 0.05, 35, 0.02, 4), ("A2", 1, 0.05, 36, 0.02, 4), ("A3", 1, 0.05, 35.2, 0.02, 12)
    )
    assert column(read, "term") == [36.0, 36.0, 36.0]
    # Twelve payments, the last one 35 months after closing.
    assert column(read, "first") == [dt.date(2025, 3, 15), None, None]
    moved = tape((*head, "First payment"), ("A1", 1, 0.05, 35, 0.02, 4, "2023-05-31"))
    assert column(moved, "first") == [dt.date(2025, 2, 28)]
    assert column(moved, "term") == [36.0]


def test_amortisation_and_interest_alone(tape) -> None:
    head = (*HEADINGS, "还款方式", "宽限期")
    words = ["等额本息", "先息后本", "先息后本", "annuity", "bullet", "equal principal", "随便"]
    months = ["", "", 6, 6, 6, 6, ""]
    rows = [(f"A{k}", 1, 0.05, 36, 0.02, w, m) for k, (w, m) in enumerate(zip(words, months, strict=True))]
    read = tape(head, *rows)
    assert column(read, "amortisation") == ["annuity", "bullet", "interest-only", "interest-only", "bullet"]
    assert column(read, "interest_only") == [None, None, 6.0, 6.0, 0.0]
    assert refusals(read) == [(7, "宽限期", "6"), (8, "还款方式", "随便")]


def test_loans_are_named_by_what_is_different(tape) -> None:
    head = ("Borrower", "Loan id", "Balance", "Rate", "Remaining term", "PD")
    loans = [("甲", "A1", 1, 0.05, 12, 0.02), ("乙", "A2", 1, 0.05, 12, 0.02)]
    assert column(tape(head, *loans), "name") == ["甲", "乙"]
    again = tape(head, *loans, ("甲", "A3", 1, 0.05, 12, 0.02))
    assert column(again, "name") == ["A1", "A2", "A3"]
    assert any("'Borrower' names some more than once" in note for note in again.report.notes)
    assert column(tape(HEADINGS[1:], *(loan[1:] for loan in LOANS)), "name") == ["Loan 1", "Loan 2"]
    ids = ("合同编号", "借据号", *HEADINGS[1:])
    assert column(tape(ids, ("C1", *LOANS[0]), ("C1", *LOANS[1])), "name") == ["A1", "A2"]
    assert column(tape(ids, ("C1", "A1", *LOANS[0][1:]), ("C2", "A1", *LOANS[1][1:])), "name") == ["C1", "C2"]
    # One loan that is there twice does not take the second loan of another borrower with it.
    least = tape(head, *loans, ("甲", "A3", 1, 0.05, 12, 0.02), ("甲", "A4", 1, 0.05, 12, 0.02), loans[1])
    assert column(least, "name") == ["A1", "A2", "A3", "A4"]
    assert refusals(least) == [(6, "Loan id", "A2")]
    twice = tape(HEADINGS, *LOANS, LOANS[0])
    assert refusals(twice) == [(4, "Loan id", "A1")]
    assert "twice" in twice.report.refused[0].reason


@pytest.mark.parametrize(
    ("borrowers", "loans", "names", "refused"),
    [
        # A blank loses its row as a name that comes again does.
        ("甲甲甲乙", ["", "", "x1", "x1"], ["甲", "乙"], [3, 4]),
        ("甲甲甲乙", ["x1", "", "x2", "x2"], ["甲", "乙"], [3, 4]),
        ("甲甲甲乙", ["", "x1", "x2", "x2"], ["甲", "乙"], [3, 4]),
        ("甲甲甲乙", ["x1", "x2", "x3", "x3"], ["x1", "x2", "x3"], [5]),
        # Nothing comes twice: the better name counts, though it has blanks.
        (["甲", "", "乙", "丙"], ["x1", "x2", "x3", "x4"], ["甲", "乙", "丙"], [3]),
        ("甲甲甲乙", ["x1", "x2", "x3", ""], ["x1", "x2", "x3"], [5]),
        # A column without a value names nothing.
        ("甲甲丙乙", ["", "", "", ""], ["甲", "丙", "乙"], [3]),
    ],
)
def test_blanks_count_with_repeats(
    tape, borrowers: Sequence[str], loans: list[str], names: list[str], refused: list[int]
) -> None:
    head = ("Borrower", "Loan id", *HEADINGS[1:])
    read = tape(head, *((b, k, *LOANS[0][1:]) for b, k in zip(borrowers, loans, strict=True)))
    assert column(read, "name") == names
    assert [row for row, _, _ in refusals(read)] == refused


def test_loss_given_default_and_values_for_all(tape) -> None:
    head = ("Loan id", "Balance", "Rate", "Remaining term", "LGD", "Rating")
    rows = [("A1", 1, 0.05, 12, "60%", "BBB"), ("A2", 1, 0.05, 12, "", "")]
    read = tape(head, *rows, pd=0.03, grades=("AAA", "bbb"))
    assert column(read, "recovery") == [0.4, 0.4]
    assert column(read, "pd") == [None, 0.03]
    assert column(read, "rating") == ["BBB", None]
    assert column(read, "lag") == [1.0, 1.0]
    with pytest.raises(InputError, match="pd must be >= 0 and < 1"):
        tape(HEADINGS, *LOANS, pd=2.0)


def test_missing_columns_are_named_with_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "tape.csv"
    file.write_text("Loan id,Original balance\nA1,1\n")
    with pytest.raises(BookError) as caught:
        read_tape(file)
    message = str(caught.value)
    assert "no column of balances ('Original balance' is read as original balance" in message
    assert "remaining terms" in message
    assert "no column of rates" in message
    assert "PD or Rating, Recovery, Recovery lag, Correlation" in message
    assert "--pd, --recovery, --lag, --correlation" in message


def test_missing_columns_come_with_the_headings_that_nobody_knows(tape) -> None:
    with pytest.raises(BookError) as caught:
        tape(("Darlehen", "Restsaldo (EUR)", "Rate", "Remaining term", "PD"), ("A1", 1, 0.05, 36, 0.02))
    assert "headings that nobody knows: Darlehen, Restsaldo (EUR); a map (--map)" in str(caught.value)


def test_a_tape_of_corporate_loans_says_issuer_and_par(tape) -> None:
    read = tape(
        ("Issuer", "Par amount (USD)", *HEADINGS[2:]), ("Acme Holdings", "3,023,000.00", *LOANS[0][2:])
    )
    assert column(read, "name") == ["Acme Holdings"] and column(read, "amount") == [3_023_000.0]


@pytest.mark.parametrize(
    ("heading", "scale"),
    [
        ("2025-10-15（万元）", 1e4),
        ("2025-10-15 (in Mio. EUR)", 1e6),
        ("2025-10-15（美元）", 1.0),
        ("2025-10-15 (RMB million)", 1e6),
        ("2025-10-15 (USD '000)", 1e3),
        ("2025-10-15 (EUR)", 1.0),
        ("2025-10-15 (days late)", None),
        ("2025-10-15 (balance)", None),
        ("2025-10-15（利率）", None),
        ("2025-10-15 (rating)", None),
        ("2025-10-15 (%)", None),
        ("2025-10-15 (万元) (balance)", None),
    ],
)
def test_a_date_with_a_remark_is_collections_where_it_speaks_of_money_alone(
    heading: str, scale: float | None
) -> None:
    found = dated_with_unit(heading)
    if scale is None:
        assert found is None
    else:
        assert found is not None and (found[0], found[1].scale) == (dt.date(2025, 10, 15), scale)


def test_a_heading_that_the_map_sends_to_a_date_keeps_its_unit(tape) -> None:
    head = ("Obligor", "Balance", "PD", "2025-04-15（万元）", "July (RMB '000)")
    sent = {"2025-04-15（万元）": "2025-04-15", "July (RMB '000)": "2025-07-15"}
    read = tape(head, ("甲", 40_000, 0.02, 3, 8), mapping=sent)
    assert read.schedule.to_numpy().tolist() == [[30_000.0, 8_000.0]]


def test_yuan_behind_a_number_is_its_unit(tape) -> None:
    head = ("Loan id", "余额（万元）", *HEADINGS[2:])
    cells = ["12000元", "1,200.5 圆", "１２０００元", "1.2万元", "￥3", "3"]
    read = tape(head, *((f"A{k}", cell, *LOANS[0][2:]) for k, cell in enumerate(cells)))
    assert column(read, "amount") == [12_000.0, 1_200.5, 12_000.0, 12_000.0, 30_000.0, 30_000.0]


def test_issuer_and_par_count_where_no_other_column_means_the_field(tape) -> None:
    rest = LOANS[0][2:]
    read = tape(("Issuer", "Borrower", "Par amount", "Balance", *HEADINGS[2:]), ("I", "B", 9, 7, *rest))
    assert column(read, "name") == ["B"] and column(read, "amount") == [7.0]
    assert read.report.left_out == ["Issuer", "Par amount"]
    # In percent it is a price or a share, and no balance.
    read = tape(("Loan id", "Par %", "Balance", *HEADINGS[2:]), ("A1", "99.5", 7, *rest))
    assert column(read, "amount") == [7.0] and read.report.left_out == ["Par %"]
    with pytest.raises(BookError, match=r"no column of balances(.|\n)*headings that nobody knows: Par %"):
        tape(("Loan id", "Par %", *HEADINGS[2:]), ("A1", "99.5", *rest))
    # Two of them do not say which counts: neither does, as before they were known.
    read = tape(("Issuer", "Issuer name", *HEADINGS), ("I", "J", *LOANS[0]))
    assert column(read, "name") == ["A1"] and read.report.left_out == ["Issuer", "Issuer name"]
    # The issuer of the whole deal names no loan.
    read = tape(("Issuer", *HEADINGS[1:]), ("I", 9, *rest), ("I", 7, *rest))
    assert column(read, "name") == ["Loan 1", "Loan 2"] and read.report.left_out == ["Issuer"]
    read = tape(("Issuer", *HEADINGS), ("I", *LOANS[0]), ("", *LOANS[1]))
    assert column(read, "name") == ["A1", "A2"] and read.report.left_out == ["Issuer"]
    read = tape(("Issuer", "Par", *HEADINGS[2:]), ("I", 9, *rest), mapping={"Par": "Balance"})
    assert column(read, "name") == ["I"] and column(read, "amount") == [9.0]


@pytest.mark.parametrize(
    "share", ["Balance %", "Balance (% of pool)", "余额（%）", "Current balance (pct)", "余额（百分比）"]
)
def test_a_balance_in_percent_is_a_share_and_no_money(tape, share: str) -> None:
    read = tape((share, *HEADINGS), ("12.5", *LOANS[0]))
    assert column(read, "amount") == column(tape(HEADINGS, LOANS[0]), "amount")
    assert read.report.left_out == [share]
    with pytest.raises(BookError, match=r"no column of balances(.|\n)*headings that nobody knows"):
        tape(("Loan id", share, *HEADINGS[2:]), ("A1", "12.5", *LOANS[0][2:]))
    assert recognise("Count (%)") is None and recognise("Remaining term %") is None


def test_a_tape_in_the_form_of_the_eu_is_read(tape) -> None:
    head = (
        "Original Underlying Exposure Identifier",
        "New Underlying Exposure Identifier",
        "Maturity Date",
        "Current Principal Balance",
        "Amortisation Type",
        "Scheduled Principal Payment Frequency",
        "Current Interest Rate Index",
        "Current Interest Rate",
        "Current Interest Rate Margin",
        "Account Status",
        "Default Date",
    )
    rows = [
        ("O1", "N1", "2030-01-15", 100, "FRXX", "MNTH", "SONIA", "7.2%", "2.7%", "PERF", ""),
        ("O1", "N2", "2030-01-15", 100, "FIXE", "QUTR", "", "5%", "", "ARRE", ""),
        ("O1", "N3", "2030-01-15", 100, "BLLT", "SEMI", "SONIA", "", "", "DFLT", "2024-11-30"),
    ]
    read = tape(head, *rows, mapping={head[5]: "Payments p.a."}, pd=0.02, recovery=0.8)
    assert not read.report.refused
    assert column(read, "name") == ["N1", "N2", "N3"]
    assert column(read, "amortisation") == ["annuity", "linear", "bullet"]
    assert column(read, "payments_per_year") == [12.0, 4.0, 2.0]
    assert column(read, "status") == ["performing", "late", "defaulted"]
    notes = [str(note) for note in read.report.notes]
    assert "1 row with a base: base and margin count, not the rate." in notes
    assert "1 row with a base and no margin: the base alone." in notes
    # The German way of these templates begins with interest alone: no linear loan.
    (refused,) = tape(head, (*rows[0][:4], "DEXX", *rows[0][5:]), pd=0.02, recovery=0.8).report.refused
    assert refused.heading == "Amortisation Type"


def test_a_map_translates_words_of_the_tape(tape) -> None:
    head = (*HEADINGS, "Amortisation", "Payments p.a.", "Status")
    rows = [
        (*LOANS[0], "Annuität", "monatlich", "in Verzug"),
        (*LOANS[1], "annuity", "quarterly", "performing"),
    ]
    words = {"ANNUITÄT": "annuity", "monatlich": "monthly", "in Verzug": "late"}
    read = tape(head, *rows, mapping=words)
    assert not read.report.refused
    assert column(read, "amortisation") == ["annuity", "annuity"]
    assert column(read, "payments_per_year") == [12.0, 4.0]
    assert column(read, "status") == ["late", "performing"]
    # A line that is neither a heading nor a word stays a mistake, and a heading goes before a word.
    for word, meaning in [
        ("Anuität", "Tilgung"),
        ("Annuitat", "annuity"),  # in no cell
        ("Tilgungsfreie Mon", "Interest-only"),  # a mistyped heading, whose meaning is a word too
        ("A1", "late"),  # in a cell that holds no word
        ("monatlich", "monatelang"),  # in a cell, for a word that is not known
    ]:
        with pytest.raises(BookError, match=f"names {word!r}, which is neither a heading .* nor a word"):
            tape(head, *rows, mapping={**words, word: meaning})
    other = ("Loan id", "Balance", "Rate", "Remaining term", "PD", "Tilgungsfrei")
    alone = tape(other, (*LOANS[0], "6"), mapping={"Tilgungsfrei": "Interest-only"})
    assert column(alone, "interest_only") == [6.0]


# ----------------------------------------------------------------------------------- refused rows


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        (0, "", "must not be blank"),
        (1, "", "must not be blank"),
        (1, "-5", "must be > 0"),
        (1, "lots", "must be a number"),
        (1, "5%", "must be a number"),
        (2, "", "must not be blank"),
        (2, "-1%", "between 0 and 1"),
        (3, "", "must not be blank"),
        (3, "0", "from 1 to 1200"),
        (3, "1300", "from 1 to 1200"),
        (4, "", "must not be blank"),
        (4, "100%", "< 1"),
        (4, "#N/A", "must be a number"),
    ],
)
def test_rows_that_cannot_be_used(tape, place: int, value: str, reason: str) -> None:
    row = [*LOANS[0]]
    row[place] = value
    read = tape(HEADINGS, LOANS[1], row)
    (refused,) = read.report.refused
    assert (refused.row, refused.heading, refused.value) == (3, HEADINGS[place], value or None)
    assert reason in refused.reason
    assert column(read, "name") == ["A2"]
    assert read.report.refused_rows == 1
    assert read.report.refused_money == (1000.5 if place != 1 else -5.0 if value == "-5" else 0.0)


def test_unknown_words_and_grades_are_refused(tape) -> None:
    head = ("Loan id", "Balance", "Rate", "Remaining term", "Rating", "Frequency", "Status", "Since", "Count")
    good = ("A1", 10, 0.05, 12, "aaa", "按月", "逾期", "2024-06-01", 3)
    rows = [
        good,
        ("A2", *good[1:4], "D", *good[5:]),
        ("A3", *good[1:5], "fortnightly", *good[6:]),
        ("A4", *good[1:6], "odd", *good[7:]),
        ("A5", *good[1:6], "违约", "", 1),
        ("A6", *good[1:8], 2.5),
    ]
    read = tape(head, *rows, grades=("AAA", "BB"))
    assert column(read, "status") == ["late"]
    assert column(read, "count") == [3.0]
    assert refusals(read) == [
        (3, "Rating", "D"),
        (4, "Frequency", "fortnightly"),
        (5, "Status", "odd"),
        (6, "Since", None),
        (7, "Count", "2.5"),
    ]
    assert "AAA, BB" in read.report.refused[0].reason
    with pytest.raises(BookError, match="no rating scale"):
        tape(head, good, grades=())


def test_torn_rows_sums_and_what_is_paid_off(tape) -> None:
    read = tape(
        text(HEADINGS, [*LOANS, ("A3", 0, "", "", ""), ("A4", 7, 0.05, 12, 0.02, "x, y"), ("合 计", 3000.5)])
    )
    assert column(read, "name") == ["A1", "A2"]
    assert [(r.row, "more cells" in r.reason) for r in read.report.refused] == [(5, True)]
    notes = " ".join(read.report.notes)
    assert "row 6 ('合 计')" in notes
    assert "balance 0): 1 row" in notes


def test_a_borrower_may_be_called_what_is_a_sum_elsewhere(tape) -> None:
    rows = [("Suma", *LOANS[0][1:]), ("Gesamt", *LOANS[1][1:]), ("Somme", *LOANS[1][1:]), ("Summe", 5000.5)]
    assert column(tape(("Borrower", *HEADINGS[1:]), *rows), "name") == ["Suma", "Gesamt", "Somme"]


def test_floating_loans_need_no_rate(tape) -> None:
    read = tape(
        (*HEADINGS, "Base", "利差"), ("A1", 1, "", 12, 0.02, "LPR", "0.5%"), ("A2", 1, "", 12, 0.02, "", "")
    )
    assert column(read, "base") == ["LPR"]
    assert column(read, "margin") == [0.005]
    assert refusals(read) == [(3, "Rate", None)]


def test_a_loan_at_a_fixed_rate_has_no_margin(tape) -> None:
    rows = [("A1", 1, "", 12, 0.02, "LPR", "0.5%"), ("A2", 1, 0.06, 12, 0.02, "", "1.5%")]
    read = tape((*HEADINGS, "Base", "利差"), *rows, ("A3", 1, 0.05, 12, 0.02, "", ""))
    assert column(read, "margin") == [0.005, None, None]
    assert "1 row at a fixed rate, without a base: no margin there." in read.report.notes
    assert not refusals(read)


def test_a_pd_goes_before_a_rating(tape) -> None:
    read = tape((*HEADINGS, "Rating"), (*LOANS[0], "AA"), (*LOANS[1][:4], "", "BB"))
    assert column(read, "pd") == [0.02, None]
    assert column(read, "rating") == [None, "BB"]


# ------------------------------------------------------------------------------- scheduled collections

DATED = ("Obligor", "Balance", "Rate", "PD", "2025-04-15", "2025/7/15")


def test_a_unit_in_the_cell_goes_before_that_of_the_heading(tape) -> None:
    head = ("合同编号", "未偿本金余额（万元）", *HEADINGS[2:])
    rest = LOANS[0][2:]
    read = tape(head, ("A1", "1.2亿", *rest), ("A2", "9000", *rest), ("A3", "50万", *rest))
    assert column(read, "amount") == [1.2e8, 9e7, 5e5]
    assert ("in the unit of the cell, not that of the heading", 2) in [
        (m.what, m.cells) for m in read.report.mended
    ]
    assert column(tape(("A", "Balance", *HEADINGS[2:]), ("A1", "1.2亿", *rest)), "amount") == [1.2e8]


def test_dates_with_a_unit_head_scheduled_collections(tape) -> None:
    head = ("债务人", "余额（万元）", "PD", "2025/4/15（万元）", "2025-07-15 (RMB million)", "2025年10月15日")
    read = tape(head, ("甲", "9", "2%", "3.5", "0.04", "12345"))
    assert read.schedule.columns.tolist() == [
        dt.date(2025, 4, 15),
        dt.date(2025, 7, 15),
        dt.date(2025, 10, 15),
    ]
    assert read.schedule.to_numpy().tolist() == [[35000.0, 40000.0, 12345.0]]
    assert column(read, "amount") == [90000.0]


def test_columns_of_dates_are_scheduled_collections(tape) -> None:
    read = tape(DATED, ("甲", 100, 0.05, 0.02, "60", "50"), ("乙", 50, 0.05, 0.02, "", "1,051"))
    assert read.schedule.columns.tolist() == [dt.date(2025, 4, 15), dt.date(2025, 7, 15)]
    assert read.schedule.to_numpy().tolist() == [[60.0, 50.0], [0.0, 1051.0]]
    assert column(read, "rate") == [None, None]  # the schedule says it all
    bad = tape(DATED, ("甲", 100, 0.05, 0.02, "", ""), ("乙", 50, 0.05, 0.02, "-1", "x"))
    assert [(r.row, r.heading) for r in bad.report.refused] == [
        (2, "2025-04-15"),
        (3, "2025/7/15"),
        (3, "2025-04-15"),
    ]


def test_rows_by_terms_and_rows_by_dates_in_one_tape(tape) -> None:
    head = (*DATED, "Remaining term")
    read = tape(
        head,
        ("甲", 100, 0.05, 0.02, "60", "50", ""),
        ("乙", 50, 0.05, 0.02, "", "", 12),
        ("丙", 50, 0.05, 0.02, 1, "", 12),
    )
    assert column(read, "rate") == [None, 0.05]
    assert column(read, "term") == [None, 12.0]
    assert refusals(read) == [(4, "2025-04-15", "1")]


# --------------------------------------------------------------------------------------- bad tapes


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"Loan id,Balance,Rate\n", "no rows beneath"),
        (
            b"A1,1000,0.05,36\nA2,2000,0.06,24\n",
            r"no row of known headings \(the first begins with 'A1', '1000'",
        ),
        (b"\n\n", "no row of known headings"),
        (
            b"Nr,Saldo,Von,Bis\nA1,1000,2023-01-15,2027-01-15\n",
            "no row of known headings",
        ),  # dates are no headings
        (
            b"Loan id,Saldo,Von,Bis\nA1,1000,2023-01-15,2027-01-15\n",
            "no row of known headings",
        ),  # one is not enough
        (b"%PDF-1.7\n\x81\x8d\x00\x01", "neither Excel nor Parquet nor text"),
        (bytes(range(256)), "neither Excel nor Parquet nor text"),
        ("Obligor,Balance\né".encode("cp1252") + b"\x81,1\n", "neither Excel nor Parquet nor text"),
        (b"PK\x03\x04 no zip", "broken"),
        (b'Loan id,Balance,Rate\n"A1,1000,5%\n', "quotation marks that do not match"),
    ],
)
def test_files_that_are_no_tapes(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "tape.csv"
    file.write_bytes(content)
    with pytest.raises(BookError, match=message):
        read_tape(file, **REST)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(BookError, match="cannot be read"):
        read_tape(tmp_path / "none.csv")
    with pytest.raises(BookError, match="cannot be read"):
        read_tape(tmp_path)
    (tmp_path / "tape.csv").write_text(text(HEADINGS, LOANS))
    with pytest.raises(BookError, match="no Excel file: it has no sheet"):
        read_tape(tmp_path / "tape.csv", sheet="Tape")


# ----------------------------------------------------------------------------------------- grouping

KINDS = st.sampled_from(["annuity", "linear", "bullet", ""])
LOAN = st.tuples(
    st.integers(1, 4_000_000).map(lambda quarters: quarters / 4.0),  # sums of quarters have no rounding
    st.integers(0, 1200).map(lambda bp: bp / 10_000.0),
    st.integers(1, 120),
    st.sampled_from([12, 4, 2, ""]),
    KINDS,
    st.integers(0, 2000).map(lambda bp: bp / 10_000.0),
    st.integers(0, 100).map(lambda pct: pct / 100.0),
    st.sampled_from(["", 1, 2, 25]),
    st.sampled_from(["", "制造业", "服务业"]),
)
GROUPED = (
    "Balance",
    "Rate",
    "Remaining term",
    "Payments p.a.",
    "Amortisation",
    "PD",
    "Recovery",
    "Count",
    "Industry",
)


def average(rows: pd.DataFrame, field: str) -> float:
    return float(np.average(rows[field], weights=rows["amount"]))


@settings(deadline=None, max_examples=60)
@given(st.lists(LOAN, min_size=1, max_size=40))
def test_lines_keep_totals_and_averages(
    tmp_path_factory: pytest.TempPathFactory, loans: list[tuple[Any, ...]]
) -> None:
    file = tmp_path_factory.mktemp("group") / "tape.csv"
    file.write_text(text(GROUPED, loans), encoding="utf-8")
    read = read_tape(file, closing=CLOSING, lag=1.0, correlation=0.2)
    assert read.report.refused == []
    lines = group(read)
    before, after = read.rows, lines.rows
    assert after["amount"].sum() == before["amount"].sum()
    assert after["count"].sum() == before["count"].fillna(1.0).sum()
    for field in ("rate", "pd", "recovery", "lag", "correlation"):
        assert average(after, field) == pytest.approx(average(before, field), rel=1e-12, abs=1e-15)
    # The balance that is expected to default stays what it is.
    defaulted = (before["amount"] * before["pd"]).sum()
    assert (after["amount"] * after["pd"]).sum() == pytest.approx(defaulted, rel=1e-12)
    step = 12.0 / after["payments_per_year"]
    assert (after["term"] % step == 0.0).all()
    assert (after["term"] >= step).all()
    # Rounding to whole periods moves no line's term by more than half of one.
    assert average(after, "term") == pytest.approx(average(before, "term"), abs=float(step.max()) / 2.0)
    assert after["name"].is_unique
    # Once grouped, nothing is left to group.
    assert len(group(lines).rows) <= len(after)


def test_lines_average_what_is_alike(tape) -> None:
    head = (*HEADINGS, "Amortisation", "First payment", "Industry")
    rows = [
        ("A1", 300, 0.050, 13, 0.020, "annuity", "2025-02-05", "制造业"),
        ("A2", 100, 0.0508, 17, 0.021, "", "2025-02-25", "制造业"),
        ("A3", 100, 0.050, 13, 0.020, "linear", "2025-02-05", "制造业"),
        ("A4", 100, 0.050, 13, 0.100, "annuity", "2025-02-05", "制造业"),
        ("A5", 100, 0.050, 13, 0.020, "annuity", "2025-03-05", "制造业"),
        ("A6", 100, 0.050, 19, 0.020, "annuity", "2025-02-05", "制造业"),
        ("A7", 100, 0.058, 13, 0.020, "annuity", "2025-02-05", "制造业"),
        ("A8", 100, 0.050, 13, 0.020, "annuity", "2025-02-05", "服务业"),
    ]
    lines = group(tape(head, *rows))
    assert len(lines.rows) == 7
    first = lines.rows.iloc[0]
    assert first["amount"] == 400.0
    assert first["count"] == 2.0
    assert first["rate"] == pytest.approx((300 * 0.050 + 100 * 0.0508) / 400)
    assert first["pd"] == pytest.approx((300 * 0.020 + 100 * 0.021) / 400)
    assert first["term"] == 14.0
    assert first["first"] == dt.date(2025, 2, 10)
    assert first["name"] == "Line 001: 2 loans, 5.02%, 14 months, annuity, 制造业"
    averages = {measure: (loans, line) for measure, loans, line in lines.report.averages}
    assert averages["Rows"] == ("8", "7")
    assert averages["Obligors"] == ("8", "8")
    assert averages["Balance"] == ("1,000.00", "1,000.00")
    assert averages["PD"][0] == averages["PD"][1]


def test_lines_of_scheduled_collections_keep_every_date(tape) -> None:
    rows = [(f"A{k}", 100 + k, 0.05, 0.02, 10 * k, 110) for k in range(1, 9)]
    read = tape(DATED, *rows)
    lines = group(read)
    assert len(lines.rows) == 1
    assert lines.schedule.sum().tolist() == read.schedule.sum().tolist()
    assert column(lines, "name") == ["Line 001: 8 claims"]


def test_lines_of_rated_and_floating_loans(tape) -> None:
    head = (
        "Loan id",
        "Balance",
        "Base",
        "Margin",
        "Remaining term",
        "Interest-only",
        "Rating",
        "Status",
        "Since",
    )
    rows = [
        ("A1", 100, "LPR", 0.01, 24, 6, "A", "", ""),
        ("A2", 300, "LPR", 0.011, 23, 5, "A", "", ""),
        ("A3", 100, "SHIBOR", 0.01, 24, 6, "A", "", ""),
        ("A4", 100, "LPR", 0.01, 24, 6, "B", "", ""),
        ("A5", 100, "LPR", 0.01, 24, 6, "A", "逾期", "2024-12-01"),
    ]
    lines = group(tape(head, *rows))
    assert len(lines.rows) == 4
    first = lines.rows.iloc[0]
    assert (first["base"], first["rating"], first["amortisation"]) == ("LPR", "A", "interest-only")
    assert first["margin"] == pytest.approx(0.01075)
    assert (first["term"], first["interest_only"]) == (23.0, 5.0)
    late = lines.rows[lines.rows["status"] == "late"].iloc[0]
    assert late["since"] == dt.date(2024, 12, 1)


# ---------------------------------------------------------------------------------------- workbooks

POOL = (
    *("Obligor", "Industry", "Count", "Financed amount", "Share", "PD", "Rating", "Recovery", "Recovery lag"),
    *("Correlation", "Remaining term (months)", "Rate", "Base", "Margin", "Amortisation"),
    *("Interest-only (months)", "First payment", "Payments p.a.", "Age (months)", "Status", "Since"),
    *("Basis", "My remark"),
)
DATES = ("2025-04-15", "2025-07-15")


def workbook(file: Path, pool: Sequence[str] = (*POOL, *DATES), rows: int = 3) -> Path:
    """A workbook with the tables that an import knows."""
    with xlsxwriter.Workbook(file) as book:
        sheet, terms = book.add_worksheet("Pool"), book.add_worksheet("Tranche")
        sheet.add_table(
            3, 1, 3 + rows, len(pool), {"name": "tbl_Pool", "columns": [{"header": h} for h in pool]}
        )
        for row in range(4, 4 + rows):
            for k, heading in enumerate(pool, 1):
                sheet.write(row, k, f"old {row}" if heading in ("Obligor", "Basis", "My remark") else 1.0)
            if "Share" in pool:
                share = pool.index("Share") + 1
                sheet.write_formula(
                    row,
                    share,
                    "=tbl_Pool[[#This Row],[Financed amount]]/SUM(tbl_Pool[Financed amount])",
                    None,
                    1.0,
                )
        terms.add_table("B2:C3", {"name": "tbl_Term", "columns": [{"header": "Term"}, {"header": "Value"}]})
        terms.write("B3", "Closing date")
        terms.write_datetime("C3", dt.datetime(2025, 1, 15), book.add_format({"num_format": "yyyy-mm-dd"}))
        terms.add_table("E2:F4", {"name": "tbl_Scale", "columns": [{"header": "Grade"}, {"header": "PD"}]})
        terms.write_column("E3", ["AAA", "BBB"])
    return file


def pool_of(file: Path, heading: str) -> list[Any]:
    return FileBook(file).table("tbl_Pool").column(heading)


def test_the_workbook_says_closing_and_grades(tmp_path: Path) -> None:
    assert workbook_terms(FileBook(workbook(tmp_path / "deal.xlsx"))) == (CLOSING, ("AAA", "BBB"))
    bare = excel(tmp_path / "bare.xlsx", {"Sheet": [["x"]]})
    assert workbook_terms(FileBook(bare)) == (None, ())


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_a_tape_replaces_the_pool(tape, tmp_path: Path, rows: int) -> None:
    file = workbook(tmp_path / "deal.xlsx", rows=rows)
    read = tape(
        (*HEADINGS, "行业", "First payment"), (*LOANS[0], "制造业", "2025-02-20"), (*LOANS[1], "", "")
    )
    book = FileBook(file)
    assert import_tape(read, book) == 2
    assert pool_of(file, "Obligor") == [
        f"old {row}" for row in range(4, 4 + rows)
    ]  # nothing before it is saved
    book.save()
    assert pool_of(file, "Obligor") == ["A1", "A2"]
    assert pool_of(file, "Financed amount") == [1000.5, 2000.0]
    assert pool_of(file, "Share") == pytest.approx([1000.5 / 3000.5, 2000.0 / 3000.5])
    assert pool_of(file, "Remaining term (months)") == [36.0, 24.0]
    assert pool_of(file, "Rate") == [0.05, 0.06]
    assert pool_of(file, "PD") == [0.02, 0.01]
    assert pool_of(file, "Recovery") == [0.4, 0.4]
    assert pool_of(file, "Industry") == ["制造业", None]
    assert [
        v if v is None else dt.date(1899, 12, 30) + dt.timedelta(v) for v in pool_of(file, "First payment")
    ] == [
        dt.date(2025, 2, 20),
        None,
    ]
    # Nothing of the earlier rows stays, but for what the user added.
    for heading in ("Count", "Rating", "Base", "Margin", "Amortisation", "Status", "Basis", *DATES):
        assert pool_of(file, heading) == [None, None], heading
    assert pool_of(file, "My remark")[0] == "old 4"
    assert any("My remark" in note for note in read.report.notes)


def test_scheduled_collections_go_to_their_dates(tape, tmp_path: Path) -> None:
    file = workbook(tmp_path / "deal.xlsx", pool=(*POOL, "2025/04/15", "2025-07-15", "2025-10-15"))
    read = tape(
        (*DATED, "Remaining term"),
        ("甲", 100, 0.05, 0.02, "60", "50", ""),
        ("乙", 50, 0.05, 0.02, "", "", 12),
    )
    book = FileBook(file)
    import_tape(read, book)
    book.save()
    assert pool_of(file, "2025/04/15") == [60.0, None]
    assert pool_of(file, "2025-07-15") == [50.0, None]
    assert pool_of(file, "2025-10-15") == [0.0, None]
    late = tape((*DATED[:4], "2026-01-15"), ("甲", 100, 0.05, 0.02, "60"))
    with pytest.raises(
        BookError, match=r"no column for collections on 2026-01-15 \(it has 2025-04-15 to 2025-10-15\)"
    ):
        import_tape(late, FileBook(file))


def test_refused_rows_stop_an_import_unless_they_are_left_out(tape, tmp_path: Path) -> None:
    file = workbook(tmp_path / "deal.xlsx")
    read = tape(HEADINGS, *LOANS, ("A3", 700, "", 12, 0.02))
    with pytest.raises(
        BookError, match=r"1 row of the tape tape.csv cannot be used, with a balance of 700.00"
    ):
        import_tape(read, FileBook(file))
    assert import_tape(read, FileBook(file), skip_bad=True) == 2
    nothing = tape(HEADINGS, ("A3", 700, "", 12, 0.02))
    with pytest.raises(BookError, match="no row of the tape"):
        import_tape(nothing, FileBook(file), skip_bad=True)


def test_columns_that_the_pool_lacks_are_named(tape, tmp_path: Path) -> None:
    old = ("Obligor", "Financed amount", "PD", "Recovery", "Recovery lag", "Correlation", *DATES)
    file = workbook(tmp_path / "deal.xlsx", pool=old)
    before = file.read_bytes()
    with pytest.raises(
        BookError, match=r"tbl_Pool on sheet Pool has no column 'Rate', 'Remaining term', which the tape"
    ):
        import_tape(tape(HEADINGS, *LOANS), FileBook(file))
    assert file.read_bytes() == before


class Shelf:
    """The least that a Book is: what an import uses of it, a live workbook has too."""

    def __init__(self, *headings: str) -> None:
        self.pool = Table("tbl_Pool", "Pool", headings, [[None] * len(headings)], 2, 1)
        self.written: dict[str, Sequence[Any]] = {}

    def table(self, name: str) -> Table:
        if name == "tbl_Pool":
            return self.pool
        raise BookError(f"no table {name}")

    def write_table(self, name: str, columns: Mapping[str, Sequence[Any]], *, resize: bool = False) -> None:
        assert (name, resize) == ("tbl_Pool", True)
        self.written = dict(columns)


def test_an_import_needs_only_the_interface_of_a_book(tape) -> None:
    book = Shelf(*POOL)
    assert workbook_terms(book) == (None, ())
    assert import_tape(tape(HEADINGS, *LOANS), book) == 2
    assert book.written["Obligor"] == ["A1", "A2"]
    assert {len(values) for values in book.written.values()} == {2}
    kinds = {type(v) for values in book.written.values() for v in values}
    assert kinds <= {str, float, type(None), dt.date}


def thousand(file: Path) -> float:
    """Write an invented tape of 1,000 loans; returns their balance."""
    random = np.random.default_rng(20250115)
    balance = np.round(random.lognormal(12.0, 1.0, 1000), 2)
    kinds = np.array(["等额本息", "等额本金", "到期一次还本"])[random.integers(0, 3, 1000)]
    rows = [
        (f"HT{k:05d}", f"{b:,.2f}", f"{r:.2f}%", t, kind, "按月", f"{p:.2f}%", "BBB")
        for k, (b, r, t, kind, p) in enumerate(
            zip(
                balance,
                random.uniform(3, 8, 1000),
                random.integers(1, 60, 1000),
                kinds,
                random.uniform(0.2, 4, 1000),
                strict=True,
            )
        )
    ]
    file.write_text(
        text(
            (
                "合同编号",
                "未偿本金余额",
                "年利率",
                "剩余期限（月）",
                "还款方式",
                "还款频率",
                "违约概率",
                "评级",
            ),
            rows,
        ),
        encoding="gb18030",
    )
    return math.fsum(balance)


def test_a_thousand_loans_into_a_workbook(tmp_path: Path) -> None:
    total = thousand(tmp_path / "tape.csv")
    file = workbook(tmp_path / "deal.xlsx")
    book = FileBook(file)
    closing, grades = workbook_terms(book)
    read = read_tape(tmp_path / "tape.csv", closing=closing, grades=grades, **REST)
    assert import_tape(read, book) == 1000
    book.save()
    assert math.fsum(pool_of(file, "Financed amount")) == pytest.approx(total, rel=1e-15)
    assert pool_of(file, "Obligor")[-1] == "HT00999"
    lines = group(read)
    assert import_tape(lines, book) < 1000
    book.save()
    assert round(math.fsum(pool_of(file, "Financed amount")), 2) == round(total, 2)
    assert sum(pool_of(file, "Count")) == 1000.0


def test_a_thousand_loans_become_the_pool_of_the_template(draft: Path, tmp_path: Path) -> None:
    total = thousand(tmp_path / "tape.csv")
    file = Path(shutil.copy(draft, tmp_path / "deal.xlsm"))
    book = FileBook(file)
    closing, grades = workbook_terms(book)
    read = read_tape(tmp_path / "tape.csv", closing=closing, grades=grades, **REST)
    import_tape(read, book)
    book.save()
    pool = read_book(FileBook(file)).deal.pool
    assert pool.amount.sum() == pytest.approx(total, rel=1e-12)
    assert pool.name[-1] == "HT00999"
    loans = pool.loans
    assert loans.term.tolist() == column(read, "term")
    assert loans.rate.tolist() == column(read, "rate")
    assert list(loans.amortisation) == column(read, "amortisation")
    assert pool.schedule.sum() == 0.0
    # Grouped: the same money and obligors in fewer rows, some with a Count.
    import_tape(group(read), book)
    book.save()
    lines = read_book(FileBook(file)).deal.pool
    assert lines.amount.sum() == pytest.approx(total, rel=1e-12)
    assert lines.obligors.sum() == 1000.0
    assert len(lines.name) < 1000


def test_scheduled_collections_become_the_pool_of_the_template(draft: Path, tmp_path: Path) -> None:
    file = Path(shutil.copy(draft, tmp_path / "deal.xlsm"))
    dates = [h for h in FileBook(file).table("tbl_Pool").header if heading_date(h) is not None]
    rows = [
        ("甲", 300, "2%", "制造业", *([20] * len(dates))),
        ("乙", 100, "1%", "", "", *([7] * (len(dates) - 1))),
    ]
    (tmp_path / "tape.csv").write_text(text(("债务人", "余额", "PD", "行业", *dates), rows), encoding="utf-8")
    book = FileBook(file)
    import_tape(read_tape(tmp_path / "tape.csv", **REST), book)
    book.save()
    pool = read_book(FileBook(file)).deal.pool
    assert pool.loans is None
    assert pool.collections.tolist() == [20.0, *([27.0] * (len(dates) - 1))]
    assert pool.industry == ("制造业", "")


# ------------------------------------------------------------------------------------------- report


def test_the_report_as_a_file(tape, tmp_path: Path) -> None:
    read = tape((*HEADINGS, "Remark"), (*LOANS[0], "x"), ("A2", "(2,000)", "6%", "", 0.01, ""))
    file = read.report.write_csv(tmp_path / "report.csv")
    lines = list(csv.reader(file.read_text(encoding="utf-8-sig").splitlines()))
    assert lines[0] == ["Kind", "Row", "Column", "Value", "What"]
    assert ["left out", "", "Remark", "", ""] in lines
    assert ["refused", "3", "Balance", "(2,000)", "must be > 0"] in lines
    assert ["refused", "3", "Remaining term", "", "must not be blank"] in lines
    assert ["mended", "3", "Rate", "'6%'", "0.06"] in lines
    with pytest.raises(BookError, match="cannot be written"):
        read.report.write_csv(tmp_path / "no" / "report.csv")


def test_the_report_shows_some_of_many_refusals(tape) -> None:
    read = tape(HEADINGS, *((f"A{k}", -1, 0.05, 12, 0.02) for k in range(50)))
    (refused,) = (s for s in read.report.sections(refused=20) if s.title.startswith("Refused"))
    assert refused.title == "Refused: 50 rows with -50.00; 50 cells, by reason"
    assert refused.rows == [("Balance", "must be > 0", "50", "row 2: '-1'")]
    # What is wrong once is not lost behind what is wrong a thousand times.
    rows = [(f"A{k}", 1 if k == 49 else -1 - k % 4, "x" if k == 49 else 0.05, 12, 0.02) for k in range(50)]
    (refused,) = (
        s for s in tape(HEADINGS, *rows).report.sections(refused=20) if s.title.startswith("Refused")
    )
    assert refused.rows == [
        ("Balance", "must be > 0", "49", "row 2: '-1'; row 3: '-2'; row 4: '-3'"),
        ("Rate", "must be a number", "1", "row 51: 'x'"),
    ]


def test_the_page_names_headings_that_are_known() -> None:
    page = (Path(__file__).parents[2] / "docs" / "tapes.md").read_text(encoding="utf-8")
    rows = [line.strip("|").split("|") for line in page.splitlines() if line.startswith("| ")]
    seen = set()
    for title, headings, _ in rows[1:]:
        for heading in headings.split(","):
            if title.strip() == "a date":
                assert heading_date(heading) == dt.date(2025, 4, 15)
            else:
                assert recognise(heading).field is recognise(title).field, heading
                seen.add(recognise(title).field.name)
    assert seen == {field.name for field in FIELDS.values() if not field.helps}


def test_synonyms_are_unique_and_folded_words_know_themselves() -> None:
    for field in FIELDS.values():
        for heading in (field.title, *field.synonyms):
            assert recognise(heading).field is field, heading
    assert fold("  Ｒａｔｅ_(p.a.) ") == "ratepa"


# ----------------------------------------------------------------------------------------- terminal


@pytest.fixture
def terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Run ``xlkmv import`` on a tape and a workbook."""
    monkeypatch.setenv("COLUMNS", "200")
    deal = workbook(tmp_path / "deal.xlsx")

    def run(rows: Sequence[Sequence[object]], *arguments: object, headings: Sequence[str] = HEADINGS):
        file = tmp_path / "tape.csv"
        file.write_text(text(headings, rows), encoding="utf-8")
        rest = ("--recovery", "40%", "--lag", "1", "--correlation", "0.2")
        code = cli.main(["import", str(file), str(deal), *rest, *map(str, arguments)])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err, deal

    return run


def test_import_writes_and_reports(terminal, tmp_path: Path) -> None:
    rows = [(*LOANS[0], "x"), ("A2", "2,000", "6%", "24", "0.01", "y")]
    report = tmp_path / "report.csv"
    code, out, err, deal = terminal(rows, "--report", report, "--backup", headings=(*HEADINGS, "Note"))
    assert (code, err) == (0, "")
    assert pool_of(deal, "Obligor") == ["A1", "A2"]
    assert pool_of(tmp_path / "deal.backup.xlsx", "Obligor") == ["old 4", "old 5", "old 6"]
    for said in (
        "text in UTF-8",
        "Financed amount",
        "--recovery",
        "row 3: '2,000' -> 2000",
        "Note",
        "Taken: 2 rows with 3,000.50",
    ):
        assert said in out
    assert "refused" not in out.casefold()
    assert report.read_text(encoding="utf-8-sig").startswith("Kind,Row,Column,Value,What")


def test_import_of_bad_rows_changes_nothing(terminal, tmp_path: Path) -> None:
    rows = [*LOANS, ("A3", "[/red]", "5%", "24", "0.01"), ("A4", "700", "", "24", "0.01")]
    before = (tmp_path / "deal.xlsx").read_bytes()
    code, out, err, deal = terminal(rows)
    assert code == 2
    assert "2 rows of the tape tape.csv cannot be used, with a balance of 700.00" in err
    assert "'[/red]'" in out
    assert "must not be blank" in out
    assert deal.read_bytes() == before
    code, out, err, deal = terminal(rows, "--skip-bad")
    assert (code, err) == (0, "")
    assert "Refused: 2 rows with 700.00" in out
    assert pool_of(deal, "Obligor") == ["A1", "A2"]


def test_a_dry_run_checks_everything_and_writes_nothing(terminal, tmp_path: Path) -> None:
    before = (tmp_path / "deal.xlsx").read_bytes()
    code, out, _, deal = terminal(LOANS, "--dry-run", "--group")
    assert code == 0
    assert "2 rows would be written; nothing was" in out
    assert "averages by balance" in out
    assert deal.read_bytes() == before
    dated = ("Obligor", "Balance", "PD", "2029-01-15")
    code, _, err, deal = terminal([("A1", 1, 0.02, "100")], "--dry-run", headings=dated)
    assert code == 2
    assert "no column for collections on 2029-01-15 (it has 2025-04-15 to 2025-07-15)" in err


def test_import_into_another_file_with_a_map(terminal, tmp_path: Path) -> None:
    before = (tmp_path / "deal.xlsx").read_bytes()
    (tmp_path / "map.csv").write_text("Saldo,Balance\n")
    headings = ("Loan id", "Saldo", *HEADINGS[2:])
    other = tmp_path / "other.xlsx"
    code, _, _, deal = terminal(LOANS, "--map", tmp_path / "map.csv", "--out", other, headings=headings)
    assert code == 0
    assert deal.read_bytes() == before
    assert pool_of(other, "Financed amount") == [1000.5, 2000.0]


def test_percentages_are_asked_for_at_a_terminal_only(terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [("A1", 1, "5.25", 12, 0.02)]
    code, _, err, _ = terminal(rows)
    assert code == 2
    assert "'Rate' holds plain numbers above 1 (largest 5.25)" in err
    code, _, _, deal = terminal(rows, "--percent")
    assert code == 0
    assert pool_of(deal, "Rate") == [0.0525]
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    answers = iter(["what?", "Y"])
    monkeypatch.setattr("builtins.input", lambda question: next(answers))
    code, _, _, deal = terminal(rows)
    assert code == 0
    assert next(answers, "both were asked for") == "both were asked for"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--pd", "2"), "pd must be >= 0 and < 1"),
        (("--sheet", "Tape"), "no Excel file"),
        (("--encoding", "klingon"), "no encoding 'klingon'"),
        (("--map", "none.csv"), "the map none.csv cannot be read"),
    ],
)
def test_wrong_options_end_with_one_sentence(terminal, arguments: tuple[str, ...], message: str) -> None:
    code, out, err, _ = terminal(LOANS, *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_a_share_that_is_no_number_ends_with_the_usage(terminal, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        terminal(LOANS, "--pd", "two")
    assert caught.value.code == 2
    assert "usage: xlkmv import" in capsys.readouterr().err
