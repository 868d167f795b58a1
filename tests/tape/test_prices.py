"""Series of equity values from files as people have them, into table tbl_Prices."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from xlkmv import cli
from xlkmv.errors import BookError
from xlkmv.refresh.run import read_book
from xlkmv.tape import import_prices, listed_obligors, read_prices
from xlkmv.workbook.book import FileBook

VTRON, HUAYIN = "Vtron Group (威创集团)", "Huayin Medical (华银医学)"
NAMES = [VTRON, HUAYIN]
LONG = f"""日期,公司,总市值
2020-01-31,{VTRON},"3,400"
2020-01-17,{VTRON},"3,300"
2020-01-24,{VTRON},"3,350"
2020-01-17,{HUAYIN},900
2020-01-24,Somebody,12
"""
WIDE = f"""Date;{VTRON};{HUAYIN};Index
17.01.2020;3300,5;900;4100
24.01.2020;;910;4150
31.01.2020;3400;920,25;4200
"""


def told(found):
    return {
        s.name: dict(zip(s.dates.astype(str).tolist(), s.values.tolist(), strict=True)) for s in found.series
    }


@pytest.fixture
def file(tmp_path: Path):
    def write(text: str, encoding: str = "utf-8", name: str = "prices.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return path

    return write


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_a_row_a_price_in_any_encoding_and_order(file, encoding):
    found = read_prices(file(LONG, encoding), NAMES)
    assert told(found) == {
        VTRON: {"2020-01-17": 3300.0, "2020-01-24": 3350.0, "2020-01-31": 3400.0},
        HUAYIN: {"2020-01-17": 900.0},
    }
    assert found.strangers == ("Somebody",)
    assert found.how.endswith("a row a price")


def test_a_column_a_firm_with_holidays_and_decimal_commas(file):
    found = read_prices(file(WIDE), [name.upper() for name in NAMES])
    assert told(found) == {
        VTRON.upper(): {"2020-01-17": 3300.5, "2020-01-31": 3400.0},
        HUAYIN.upper(): {"2020-01-17": 900.0, "2020-01-24": 910.0, "2020-01-31": 920.25},
    }
    assert (found.strangers, found.blanks) == (("Index",), 1)


def test_an_excel_file(tmp_path):
    days = pd.date_range("2020-01-03", periods=3, freq="W-FRI")
    frame = pd.DataFrame({"Date": days, VTRON: [1.5, 2.5, 3.5]})
    frame.to_excel(tmp_path / "p.xlsx", index=False, sheet_name="Prices")
    found = read_prices(tmp_path / "p.xlsx", NAMES, sheet="prices")
    assert told(found) == {VTRON: {"2020-01-03": 1.5, "2020-01-10": 2.5, "2020-01-17": 3.5}}


def test_a_hole_is_told(file):
    days = [*range(2, 12), 29]
    text = "Date,Obligor,Equity\n" + "".join(f"2020-01-{d:02},{VTRON},{d}\n" for d in days)
    (series,) = read_prices(file(text), NAMES).series
    assert series.hole == "nothing between 2020-01-11 and 2020-01-29, where steps are of 1 days"
    (even,) = read_prices(file("Date,Obligor,Equity\n2020-01-01,vtron group (威创集团),1\n"), NAMES).series
    assert even.hole == ""


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (
            LONG.replace('"3,400"', "-3"),
            "row 2: the equity value of Vtron Group (威创集团) must be > 0 (got -3)",
        ),
        (LONG.replace('"3,400"', "soon"), "row 2, column 总市值: must be a number (got 'soon')"),
        (LONG.replace("2020-01-31", "yesterday"), "row 2, column 日期: must be a date"),
        (LONG.replace("2020-01-31", ""), "row 2: a price of Vtron Group (威创集团) without its date"),
        (LONG.replace(f",{HUAYIN},", ",,"), "row 5: a price without the name of its obligor"),
        (LONG.replace("2020-01-31", "2020-01-17"), "two prices of 2020-01-17: rows 2 and 3"),
        (LONG.replace(VTRON, "A").replace(HUAYIN, "B"), "tbl_Obligor: it has A, B, Somebody"),
        ("Date,Date,Obligor,Equity\n2020-01-01,2020-01-01,A,1\n", "one column of dates, and has 2"),
        ("Obligor,Equity\nA,1\n", "one column of dates, and has 0"),
        ("Date,Obligor\n2020-01-01,A\n", "one column of values, and has 0"),
        ("a,b\n1,2\n", "name columns as Date, Obligor, Equity"),
        (WIDE.replace("24.01.2020", "01/24/2020"), "dates that contradict each other"),
        (LONG.replace('"3,400"', '"3.400,5"').replace('"3,300"', '"3,300.5"'), "numbers that contradict"),
        (LONG.replace("2020-01-31", "01/02/2020"), "day and month told apart"),
    ],
)
def test_a_fault_is_told_at_its_row(file, text, rule):
    with pytest.raises(BookError) as caught:
        read_prices(file(text), NAMES)
    assert rule in str(caught.value)


@pytest.fixture
def book(draft: Path, tmp_path: Path) -> Path:
    path = Path(shutil.copy(draft, tmp_path / "deal.xlsm"))
    opened = FileBook(path)
    rows = {"Obligor": NAMES, "Method": ["listed"] * 2, "Short-term debt": [800.0, 320.0]}
    opened.write_table("tbl_Obligor", rows, resize=True)
    return opened.save()


def weekly(count: int, seed: int) -> list[tuple[dt.date, float]]:
    walk = 1000.0 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0.0, 0.05, count)))
    return [(dt.date(2019, 1, 4) + dt.timedelta(7 * k), float(x)) for k, x in enumerate(walk)]


def test_the_command_fills_the_table_and_a_refresh_uses_it(book, tmp_path, file, capsys):
    one, other = weekly(60, 1), weekly(60, 2)
    text = f"Date,{VTRON},{HUAYIN}\n" + "".join(
        f"{d},{x!r},{y!r}\n" for (d, x), (_, y) in zip(reversed(one), reversed(other), strict=True)
    )
    assert cli.main(["import", "--prices", str(file(text)), str(book)]) == 0
    out = capsys.readouterr().out
    assert "120 prices" in out
    table = FileBook(book).table("tbl_Prices")
    assert table.column("Obligor") == [VTRON] * 60 + [HUAYIN] * 60
    assert [d.strftime("%Y-%m-%d") for d in table.column("Date")[:60]] == [d.isoformat() for d, _ in one]
    assert table.column("Equity") == [x for _, x in one + other]
    inputs = read_book(FileBook(book))
    before = sum(day <= inputs.deal.terms.closing for day, _ in one)  # later prices are not used
    assert 0 < before < 60
    assert all(x.method == "listed" and f"{before} prices" in x.note for x in inputs.sources.rows)
    # A later file takes the place of what was there of the same firm, and of no other.
    again = file(f"Date,Obligor,Equity\n2021-01-01,{VTRON},5\n", name="later.csv")
    opened = FileBook(book)
    assert import_prices(read_prices(again, listed_obligors(opened)), opened) == 1
    assert opened.table("tbl_Prices").column("Obligor") == [HUAYIN] * 60 + [VTRON]


def test_a_dry_run_writes_nothing(book, file, capsys):
    before = book.read_bytes()
    assert cli.main(["import", "--prices", str(file(LONG)), str(book), "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "4 prices would be written; nothing was." in out
    assert "left out: Somebody." in out
    assert book.read_bytes() == before


def test_a_workbook_without_obligors_is_told(draft, file, capsys):
    assert cli.main(["import", "--prices", str(file(LONG)), str(draft)]) == 2
    assert "names no obligor yet" in capsys.readouterr().err


def test_a_tape_and_prices_are_two_imports(book, file, capsys):
    assert cli.main(["import", str(file(WIDE)), str(book), "--prices", str(file(LONG))]) == 2
    assert "import one after the other" in capsys.readouterr().err
    assert cli.main(["import", str(book)]) == 2
    assert "xlkmv import TAPE BOOK" in capsys.readouterr().err
