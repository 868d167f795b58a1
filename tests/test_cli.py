"""The terminal: what it prints, what it writes, how it ends."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.cells import cell_len
from rich.console import Console

import xlkmv
from xlkmv import cli
from xlkmv.cli.completion import SHELLS, script, words
from xlkmv.cli.deals import _shown
from xlkmv.cli.document import SCHEMA, keys, tables_of
from xlkmv.cli.firm import UNITS
from xlkmv.cli.machine import FINDINGS
from xlkmv.cli.output import BAD_INPUT, Output, console, table
from xlkmv.cli.questions import WHATIF
from xlkmv.cli.results import print_results
from xlkmv.deal.analysis import analyse
from xlkmv.deal.answers import quoted_pd
from xlkmv.deal.examples import example
from xlkmv.deal.examples.patents import xingye_yuanrong
from xlkmv.deal.figures import FARTHEST, change, figure, probability
from xlkmv.deal.questions.whatif import what_if
from xlkmv.deal.stress import BASE
from xlkmv.errors import OUT_OF_MEMORY
from xlkmv.functions import KMV_DD, KMV_LINEAR_DD, KMV_PD
from xlkmv.install import libreoffice, windows
from xlkmv.install.machine import Finding
from xlkmv.refresh.digest import digest
from xlkmv.refresh.run import read_book
from xlkmv.workbook import layout
from xlkmv.workbook.book import FileBook


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = cli.main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return code, out, err


@pytest.fixture
def book(draft: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(draft, tmp_path / "deal.xlsm"))


def broken(book: Path, value: object) -> Path:
    opened = FileBook(book)
    table = opened.table("tbl_Pool")
    opened.write_cell("Pool", table.cell(0, "PD"), value)
    return opened.save()


# ------------------------------------------------------------------------------------- pd


def shown(out: str) -> dict[str, float]:
    return {name: float(x) for name, x in re.findall(r"^(PD|DD) (\S+)", out, re.MULTILINE)}


@pytest.mark.parametrize("method", ["terminal", "anytime", "linear"])
def test_pd_prints_what_the_worksheet_functions_give(capsys: pytest.CaptureFixture[str], method: str) -> None:
    code, out, err = run(capsys, "pd", 120, 100, 0.25, "--horizon", 2, "--drift", "-0.01", "--method", method)
    dd = KMV_LINEAR_DD(120, 100, 0.25) if method == "linear" else KMV_DD(120, 100, 0.25, 2, -0.01)
    assert (code, err) == (0, "")
    assert shown(out) == pytest.approx({"PD": KMV_PD(120, 100, 0.25, 2, -0.01, method), "DD": dd}, rel=1e-9)
    assert method in out


def test_pd_says_that_the_linear_distance_has_no_horizon(capsys: pytest.CaptureFixture[str]) -> None:
    firm = ("pd", 120, 100, 0.25, "--method", "linear")
    notice = "--horizon and --drift change nothing"
    assert notice not in run(capsys, *firm)[1]
    for more in (("--horizon", 5), ("--drift", 0.1)):
        _, out, _ = run(capsys, *firm, *more)
        assert notice in out
        assert shown(out)["DD"] == pytest.approx(2 / 3)
    assert notice not in run(capsys, *firm[:4], "--horizon", 5)[1]
    assert notice not in run(capsys, *firm, "--horizon", 5, "--json")[1]


def test_pd_where_a_quotient_is_beyond_the_range_of_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "pd", 1e300, 1e-300, 0.2, "--method", "anytime")
    assert (code, err) == (0, "")
    # 600 ln 10 = 1381.5510557964274
    assert shown(out) == pytest.approx({"PD": 0.0, "DD": (1381.5510557964274 - 0.02) / 0.2}, rel=1e-9)
    for form in ((), ("--json",)):
        code, out, err = run(capsys, "pd", 120, 100, 1e-310, *form)
        assert code == 2
        assert "distance to default must be a finite number" in err
        assert "DD" not in out


def test_pd_of_a_published_example(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "pd", 12.3953871886, 10, 0.212304713423, "--drift", 0.05)  # Hull
    assert shown(out)["PD"] == pytest.approx(0.1269712411, rel=1e-8)


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ((120, 100, 25), "volatility must be > 0 and <= 5 (a decimal: 0.25 means 25 %) (got 25)"),
        ((-120, 100, 0.25), "asset_value must be > 0 (got -120)"),
        (("nan", 100, 0.25), "asset_value must be > 0"),
        (("inf", 100, 0.25), "asset_value must be > 0"),
        ((120, 100, 0.25, "--horizon", 0), "horizon must be > 0"),
        ((120, 100, 0.25, "--method", "monthly"), "terminal"),
    ],
)
def test_pd_refuses_bad_numbers(
    capsys: pytest.CaptureFixture[str], arguments: tuple[object, ...], rule: str
) -> None:
    code, out, err = run(capsys, "pd", *arguments)
    assert (code, out) == (2, "")
    assert rule in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["pd"], ["pd", "ten", "1", "1"], ["refresh"], ["frobnicate"]])
def test_wrong_calls_end_with_the_usage(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert "usage: xlkmv" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"xlkmv {xlkmv.__version__}\n"


def test_the_module_runs_as_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "xlkmv", "pd", "120", "100", "25"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


# -------------------------------------------------------------------------------- refresh


def test_refresh_reports_the_numbers_that_it_writes(
    capsys: pytest.CaptureFixture[str], book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    before = book.read_bytes()
    target = tmp_path / "out.xlsm"
    code, out, err = run(capsys, "refresh", book, "--out", target)
    assert (code, err) == (0, "")
    assert book.read_bytes() == before
    assert str(target) in out
    written = FileBook(target)
    headline, answers = written.table("tbl_Headline"), written.table("tbl_Answer")
    for row in range(len(headline.rows)):
        cells = {h: headline.rows[row][headline.index(h)] for h in headline.header}
        lines = [line for line in out.splitlines() if line.strip().startswith(cells["Class"])]
        answered, today, views, *_ = lines
        for value in (f"{cells['Coverage']:.3f}", f"{cells['DD']:.2f}", probability(cells["Any-date PD"])):
            assert value in views
        answer = dict(zip(answers.header, answers.rows[row], strict=True))
        for value in (answer["Grade"], probability(answer["PD to quote"]), answer["Why"]):
            assert value in answered
        now = dict(zip(written.table("tbl_Today").header, written.table("tbl_Today").rows[row], strict=True))
        for value in (now["Grade now"], probability(now["PD to quote now"]), now["Why now"], now["Alert"]):
            assert value in today
        assert (
            f"{answer['Yield at par']:.2%}" in answered
            and f"{figure(answer['Average life by plan'], '.2f')}" in answered
        )
    scenarios = written.table("tbl_Scenario")
    for name, dd in zip(scenarios.column("Scenario"), scenarios.column("DD"), strict=True):
        assert name in out
        if isinstance(dd, float):
            assert re.search(re.escape(name) + r"\s+" + re.escape(f"{dd:.2f}"), out), name
    assert written.name("out_InputHash").value in out
    assert written.name("out_State").value == "fresh"

    # A quick look at another copy says so, and shows no simulated condition.
    code, out, _ = run(capsys, "refresh", "--quick", book, "--out", tmp_path / "quick.xlsm")
    assert (code, "A quick look: refresh without --quick for everything." in out) == (0, True)
    [scenario] = [line for line in out.splitlines() if line.strip().startswith("Scenario")]
    assert scenario.split() == ["Scenario", "DD", "PD", "Any", "date"]
    assert FileBook(tmp_path / "quick.xlsm").name("out_State").value == layout.QUICK_STATE

    # In place, with a backup of what was there.
    code, _, _ = run(capsys, "refresh", book, "--backup")
    assert code == 0
    assert before in [p.read_bytes() for p in tmp_path.iterdir() if p != book]
    assert FileBook(book).table("tbl_Headline").rows == headline.rows


def test_the_terminal_speaks_the_language_that_is_asked_for(
    capsys: pytest.CaptureFixture[str], book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    code, out, err = run(capsys, "refresh", book, "--quick", "--lang", "zh", "--out", tmp_path / "a.xlsm")
    assert (code, err) == (0, "")
    assert "资产池（按计划）：截至 2024-09-11，回款与储备账户对" in out
    assert "速览：不加 --quick 刷新以获得全部结果。" in out
    # The workbook keeps its own language; without the option the terminal speaks it.
    written = FileBook(tmp_path / "a.xlsm")
    assert written.name("out_ReadingPool").value.startswith("Collections and reserve cover")
    written.write_name(layout.LANGUAGE, "中文")
    chinese = written.save(tmp_path / "b.xlsm")
    assert "回款与储备账户对" in run(capsys, "refresh", chinese, "--quick")[1]
    assert FileBook(chinese).name("out_ReadingPool").value.startswith("截至 2024-09-11")
    before = chinese.read_bytes()
    code, out, err = run(capsys, "refresh", chinese, "--lang", "fr")
    assert (code, out) == (BAD_INPUT, "")
    assert err == "xlkmv: language must be one of: en (English), zh (中文) (got 'fr')\n"
    assert chinese.read_bytes() == before


RED = re.compile(r"\x1b\[1;31m(.*?)\x1b\[0m", re.DOTALL)


def coloured(stderr: bool = False) -> Console:
    """What a person sees in a terminal; progress goes elsewhere."""
    colours = {} if stderr else {"force_terminal": True, "color_system": "standard", "width": 200}
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, **colours)


def test_a_pool_that_cannot_pay_is_said_first_and_in_red(
    capsys: pytest.CaptureFixture[str], book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A schedule typed in millions; the undertaking makes up for nearly all of it."""
    opened = FileBook(book)
    pool = opened.table("tbl_Pool")
    for heading in (h for h in pool.header if h[:1].isdigit()):
        for row, value in enumerate(pool.column(heading)):
            opened.write_cell("Pool", pool.cell(row, heading), value / 1e6)
    dates = FileBook(book).table("tbl_Actual")
    for row in range(len(dates.rows)):
        opened.write_cell(dates.sheet, dates.cell(row, "Actual collections"), None)
    path = opened.save(tmp_path / "millions.xlsm")
    monkeypatch.setattr("xlkmv.cli.output.console", coloured)
    code, out, _ = run(capsys, "refresh", path)
    assert code == 0
    first, again, *_ = (found.rstrip() for found in RED.findall(out))
    start = "POOL CANNOT PAY: collections and reserve cover 5.4% of what is due to Senior"
    assert out.startswith("\x1b[1;31mPOOL CANNOT PAY") and first.startswith(start)
    assert first.endswith("look at the units of the schedule and the amounts.")
    # Then again, first of all sentences.
    assert again == f"Pool, by plan: {first}"
    written = FileBook(path)
    assert written.name("out_ReadingPool").value == first
    assert written.table("tbl_Headline").column("PD")[0] < 0.2
    # A sound pool is in nobody's way.
    code, out, _ = run(capsys, "refresh", book)
    assert code == 0
    assert "POOL CANNOT PAY" not in out and not RED.findall(out)
    assert "Pool, by plan: Collections and reserve cover 117.2% of what is due to Senior" in out


@pytest.mark.parametrize("undertaking", [True, False])
def test_the_terminal_speaks_of_the_headline_class(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, undertaking: bool
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    deal = xingye_yuanrong()
    first, last = deal.tranches
    classes = (
        replace(first, name="A-1", amount=0.5 * first.amount, senior=True),
        replace(first, name="A-2", rank=2, amount=0.5 * first.amount, senior=True),
        replace(last, rank=3),
    )
    controls = deal.controls if undertaking else deal.controls.without("support")
    for headline, k in (("A-1", 0), ("", 1)):
        terms = replace(deal.terms, headline=headline, paths=400)
        plan = replace(deal, tranches=classes, terms=terms, controls=controls)
        found = analyse(plan, [BASE])
        print_results(plan, found, Output(SimpleNamespace(form="text", level=0)))
        out, _ = capsys.readouterr()
        name, view = plan.tranches[k].name, found.base.tranches[k]
        assert f"{name} under each preset condition" in out
        (row,) = (line for line in out.splitlines() if line.strip().startswith("Base "))
        assert probability(view.anydate_pd_at_maturity) in row
        # Beside the PDs with the undertaking those without.
        lines = [line.split() for line in out.splitlines()]
        at = next(i for i, words in enumerate(lines) if words[:3] == [name, "as", "is"])
        alone = lines[at + 1]
        assert " ".join(alone).startswith("by pool and reserve " if undertaking else "all off ")
        if undertaking:
            run_alone = found.simulated_unsupported.tranches[k].anydate_pd
            pool_pd = view.risk.anydate_pd[view.maturity]
            shown = f"{probability(pool_pd)} {probability(run_alone, simulated=True)}"
            assert " ".join(alone).endswith(shown)
        else:
            assert "undertaking" not in out and "pool and reserve" not in out


def test_refresh_says_which_formulas_of_the_users_have_no_value(
    capsys: pytest.CaptureFixture[str], book: Path, tmp_path: Path
) -> None:
    own, part = tmp_path / "own.xlsm", FileBook(book)._parts["Log"]
    cell = b'<row r="900"><c r="B900"><f>2*out_HeadlinePD</f><v>1</v></c></row></sheetData>'
    with zipfile.ZipFile(book) as old, zipfile.ZipFile(own, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, data.replace(b"</sheetData>", cell) if name == part else data)
    code, out, _ = run(capsys, "refresh", own, "--quick")
    assert code == 0
    assert "1 formula has no value until Excel or Calc opens the workbook: Log!B900" in out
    code, out, _ = run(capsys, "refresh", book, "--quick")
    assert code == 0 and "no value" not in out


@pytest.mark.parametrize("value", [2, "two", "[/red]", "[bold]x", ":smile:", -1])
def test_refresh_of_bad_input_lists_it_and_leaves_the_file(
    capsys: pytest.CaptureFixture[str], book: Path, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    path = broken(book, value)
    before = path.read_bytes()
    code, out, err = run(capsys, "refresh", path)
    assert (code, out) == (2, "")
    assert path.read_bytes() == before
    cell = FileBook(path).table("tbl_Pool").cell(0, "PD")
    line = next(line for line in err.splitlines() if line.strip().startswith("Pool"))
    assert cell in line
    assert str(value) in line
    assert "must be" in line
    assert "1 input is wrong; nothing was written" in err


def test_inputs_that_are_wrong_alike_are_one_line(
    capsys: pytest.CaptureFixture[str], book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    opened = FileBook(book)
    table = opened.table("tbl_Pool")
    opened.write_table("tbl_Pool", {"PD": [None] * len(table.rows)})
    code, out, err = run(capsys, "refresh", opened.save())
    assert (code, out) == (2, "")
    assert f"{len(table.rows)} inputs are wrong; nothing was written" in err
    (line,) = (line for line in err.splitlines() if line.strip().startswith("Pool"))
    assert f"{table.cell(0, 'PD')}:{table.cell(len(table.rows) - 1, 'PD')}" in line
    assert f"{len(table.rows)} cells are blank" in line
    assert "must not be blank: fill it, or clear the whole row" in line


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"a,b\n1,2\n", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"]
)
def test_refresh_of_what_is_no_workbook(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "file.xlsm"
    path.write_bytes(content)
    code, out, err = run(capsys, "refresh", path)
    assert (code, out) == (2, "")
    assert err.startswith("xlkmv: ")
    assert err.count("\n") == 1
    assert path.read_bytes() == content


def test_refresh_of_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = run(capsys, "refresh", tmp_path / "none.xlsm")
    assert code == 2
    assert "does not exist" in err
    code, _, err = run(capsys, "refresh", tmp_path)
    assert code == 2
    assert err.count("\n") == 1


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437", "cp936"])
def test_a_pipe_of_few_letters_ends_no_command(book: Path, encoding: str) -> None:
    command = [sys.executable, "-X", "utf8=0", "-m", "xlkmv", "refresh", "--quick", str(book)]
    done = subprocess.run(
        command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": encoding}, check=False
    )
    said = done.stdout.decode(encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "Written: " in said and ("优先级" in said or "(???)" in said)


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_reader_that_goes_early_ends_a_command_without_a_word(form: list[str]) -> None:
    book = Path(__file__).parents[1] / "workbook" / "KMV_Template.xlsm"
    command = [sys.executable, "-m", "xlkmv", "show", *form, str(book)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_a_narrow_terminal_keeps_names_and_figures(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, book: Path
) -> None:
    monkeypatch.setenv("COLUMNS", "110")
    wide = run(capsys, "refresh", "--quick", book)[1]
    monkeypatch.setenv("COLUMNS", "48")
    code, narrow, _ = run(capsys, "refresh", "--quick", book)
    assert code == 0 and "…" not in narrow
    lines = narrow.splitlines()
    start = lines.index("Senior (优先级)")
    assert max(map(len, lines[: start + 20])) <= 48
    assert lines[start + 1].startswith("  Grade: ") and lines[start + 2].startswith("  PD to quote: ")
    # Every figure of the wide table is there.
    row = next(line for line in wide.splitlines() if line.lstrip().startswith("Senior (优先级)"))
    assert {word for word in row.split()[2:] if word[0].isdigit()} <= set(" ".join(lines[start:]).split())


@pytest.mark.parametrize("width", [40, 60, 76, 77, 78, 79, 80, 81, 82, 90, 120])
def test_what_a_line_is_about_is_never_squeezed_out_of_a_table(width: int) -> None:
    asked, name = "Largest size, class after class from the top (of all notes now)", "Senior (优先级)"
    figures = ("72.64%", "129.68%", "128.06%", "129.93%", "130.84%", "1,279,649,784")
    shown = table("Title", "Question", "Class", "Now", "Answer", "From", "To", "KMV view", "Enter")
    shown.add_row(asked, name, *figures)
    screen = console(width=width, file=io.StringIO())
    screen.print(shown)
    said = screen.file.getvalue()
    assert "…" not in said and {*asked.split(), *name.split(), *figures} <= set(said.split())


@pytest.mark.parametrize("width", range(40, 120, 3))
@pytest.mark.parametrize("name", ["Subordinate (次级)", "Largest obligor defaults, recovery of the table"])
def test_no_figure_is_cut_where_two_columns_break(name: str, width: int) -> None:
    figures = ("1.067", "-0.61", "1.2E-07", "94.03%", "48.64%")
    shown = table("Title", "Class", "Controls", "Coverage", "DD", "PD", "Any date", "Simulated")
    shown.columns[1].no_wrap = False
    shown.add_row(name, "by pool and reserve", *figures)
    screen = console(width=width, file=io.StringIO())
    screen.print(shown)
    said = screen.file.getvalue()
    assert {*name.split(), *figures} <= set(said.split())
    assert max(map(cell_len, said.splitlines())) <= width


@pytest.mark.parametrize("width", range(60, 100))
def test_no_word_of_a_rule_is_cut_behind_wide_characters(width: int) -> None:
    rule = "优先级: must be between 0 and 1 (a decimal: 0.04 means 4 %)"
    shown = table("Title", "Sheet", "Cell", "Value", "Rule", words=True)
    shown.add_row("Tranche", "F7", "4.8", rule)
    screen = console(width=width, file=io.StringIO())
    screen.print(shown)
    said = screen.file.getvalue()
    assert set(rule.split()) <= set(said.split())
    assert max(map(cell_len, said.splitlines())) <= width


def narrow(*rows: tuple[str, ...]) -> list[str]:
    """A table in a terminal that is too narrow for it."""
    shown = table("Title", "Largest\nindustry", "Share of the pool", "Number of obligors")
    for row in rows:
        shown.add_row(*row)
    screen = console(width=30, file=io.StringIO())
    screen.print(shown)
    return [line.rstrip() for line in screen.file.getvalue().splitlines() if line.strip()]


def test_a_single_row_says_what_its_first_cell_is_in_a_narrow_terminal_too() -> None:
    lines = [
        "Title",
        "Largest industry: Electronics",
        "  Share of the pool: 14.95%",
        "  Number of obligors: 11",
    ]
    assert narrow(("Electronics", "14.95%", "11")) == lines


def test_several_rows_are_named_by_their_first_cells_and_figures_stand_deeper() -> None:
    lines = ["Title", "A", "  1 of two", "    Share of the pool: 3%", "    Number of obligors: 4"]
    assert narrow(("A", "", ""), ("  1 of two", "3%", "4")) == lines


def test_headings_of_two_lines_are_joined_as_their_language_does() -> None:
    shown = table("Title", "层级", "采用的\n违约概率", "KMV\nview")
    shown.add_row("优先级", "1,279,649", "1,279,649")
    screen = console(width=28, file=io.StringIO())
    screen.print(shown)
    said = screen.file.getvalue()
    assert "  采用的违约概率: " in said and "  KMV view: " in said


def test_install_where_there_is_no_excel_says_so_and_fails(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "supported", lambda: False)
    code, out, _ = run(capsys, "install")
    assert code == 1 and out.startswith("Nothing was installed: ") and "xlkmv install --libreoffice" in out


def test_ctrl_c_changes_nothing(
    capsys: pytest.CaptureFixture[str], book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("xlkmv.refresh.run.analyse", interrupted)
    before = book.read_bytes()
    code, out, err = run(capsys, "refresh", book)
    assert (code, out) == (130, "")
    assert "Cancelled: nothing was changed." in err
    assert book.read_bytes() == before
    assert [p.name for p in book.parent.iterdir()] == [book.name]


def test_the_end_of_memory_is_one_sentence(
    capsys: pytest.CaptureFixture[str], book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("xlkmv.refresh.run.analyse", full)
    before = book.read_bytes()
    code, out, err = run(capsys, "refresh", book)
    assert (code, out) == (2, "")
    assert err == f"xlkmv: {OUT_OF_MEMORY}\n"
    assert book.read_bytes() == before


# ---------------------------------------------------------------------------------- solve


def test_solve_prints_the_answers_that_it_writes(
    capsys: pytest.CaptureFixture[str], book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "220")
    before, target = book.read_bytes(), tmp_path / "out.xlsm"
    code, out, err = run(capsys, "solve", book, "--target", "20%", "--out", target)
    assert (code, err) == (0, "")
    assert book.read_bytes() == before
    written = FileBook(target)
    table = written.table("tbl_Structure")
    assert len(table.rows) == 7
    for row in table.rows:
        cells = dict(zip(table.header, row, strict=True))
        [line] = [x for x in out.splitlines() if x.strip().startswith(f"{cells['Question']} (")]
        for header in ("Now", "Answer", "From", "To", "KMV view"):
            assert (cells[header] if isinstance(cells[header], str) else f"{cells[header]:.2%}") in line
        if cells["Remark"]:
            assert f"{cells['Question']}, {cells['Class']}: {cells['Remark']}" in out
    assert written.table("tbl_Target").column("Target") == [0.2, None]
    assert written.name("out_InputHash").value is None  # a solve is no refresh
    assert read_book(written).digest in out
    # In place, for the targets that the sheet has now.
    code, again, _ = run(capsys, "solve", target, "--class", "Senior (优先级)")
    assert code == 0
    assert FileBook(target).table("tbl_Structure").rows == table.rows
    assert again.split("Written")[0] == out.split("Written")[0]
    # Who has typed a target may not know that it stays there.
    assert out.splitlines()[-1] == "Sheet Structure now asks for 20.00% of Senior (优先级)."
    assert "now asks" not in again


def test_solve_takes_a_target_for_each_class(
    capsys: pytest.CaptureFixture[str], book: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out.xlsm"
    wanted = ("--target", "senior (优先级)=ccc/c", "--target", "Subordinate (次级)=30%", "--out", target)
    code, out, err = run(capsys, "solve", book, *wanted)
    assert (code, err) == (0, "")
    written = FileBook(target)
    assert written.table("tbl_Target").column("Target") == ["ccc/c", 0.3]
    scale = read_book(written).deal.terms.class_scale
    maturity = float(read_book(written).deal.terms.times[-1])
    senior, junior = written.table("tbl_Target").column("As a PD")
    assert (senior, junior) == (scale.limit("CCC/C", maturity), 0.3)
    asked = f"{senior:.2%} (CCC/C)"  # a grade has its PD beside it
    assert f"What the deal could be for a PD of {asked} of Senior (优先级), all" in " ".join(out.split())
    assert out.splitlines()[-1] == (
        f"Sheet Structure now asks for {asked} of Senior (优先级); 30.00% of Subordinate (次级)."
    )


def test_solve_says_which_pd_an_answer_is_for_where_the_paths_cannot_show_the_target(
    capsys: pytest.CaptureFixture[str], book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "220")
    code, out, _ = run(capsys, "solve", book, "--target", "AA", "--out", tmp_path / "out.xlsm")
    scale, maturity = read_book(FileBook(book)).deal.terms.class_scale, read_book(FileBook(book)).deal.terms
    asked = f"{scale.limit('AA', float(maturity.times[-1])):.2%} (AA)"
    least = 10 / maturity.paths
    assert code == 0
    assert f"for a PD of {least:.2%}, in place of {asked}, of Senior (优先级), all else as it is" in out
    assert f"of the pool; for a PD of {least:.2%}, which is above the target." in out


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (("--target", "1.5"), "target must be a probability above 0 and below 1, or a grade (AAA, AA, A, "),
        (("--target", "AAAA"), "(got 'AAAA')"),
        (("--target", "0.01", "--class", "Mezzanine"), "class must be one of: Senior (优先级), Subordinate"),
        (("--class", "Subordinate (次级)"), "Subordinate (次级) has no target: enter a PD or a grade"),
        (("--target", "Mezzanine=AA"), "class must be one of: Senior (优先级), Subordinate"),
        (("--target", "Senior (优先级)=7"), "target must be a probability above 0 and below 1, or a grade"),
        (
            ("--target", "AA", "--target", "Senior (优先级)=A"),
            "must be one for all, or CLASS=TARGET for each",
        ),
        (("--target", "Senior (优先级)=A", "--target", "senior (优先级)=B"), "must be given once for each"),
        (
            ("--target", "Senior (优先级)=A", "--class", "Senior (优先级)"),
            "class must be left out where each",
        ),
    ],
)
def test_solve_refuses_what_is_no_target(
    capsys: pytest.CaptureFixture[str], book: Path, arguments: tuple[str, ...], rule: str
) -> None:
    before = book.read_bytes()
    code, out, err = run(capsys, "solve", book, *arguments)
    assert (code, out) == (2, "")
    assert rule in err
    assert err.count("\n") == 1
    assert book.read_bytes() == before


# ----------------------------------------------------------------------------------- report


def test_report_writes_what_is_asked_for(capsys: pytest.CaptureFixture[str], book: Path) -> None:
    page, word = book.with_name("a.html"), book.with_name("a.docx")
    wanted = ("--html", page, "--docx", word, "--lang", "zh", "--quick")
    code, out, err = run(capsys, "report", book, *wanted)
    assert (code, err) == (0, "")
    assert out.splitlines()[:2] == [f"已写入：{page}", f"已写入：{word}"]
    assert digest_of(book) in out
    text = page.read_text(encoding="utf-8")
    assert '<html lang="zh">' in text and "速览" in text
    assert word.read_bytes().startswith(b"PK")


def digest_of(book: Path) -> str:
    return read_book(FileBook(book)).digest


def test_report_without_a_file_writes_the_page_beside_the_book(
    capsys: pytest.CaptureFixture[str], book: Path
) -> None:
    code, out, _ = run(capsys, "report", book, "--quick")
    assert code == 0
    assert out.startswith(f"Written: {book.with_suffix('.html')}")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--lang", "fr"), "xlkmv: language must be one of: en (English), zh (中文) (got 'fr')"),
        (
            ("--html", "/nowhere/a.html"),
            "xlkmv: html must be in a folder that exists (got '/nowhere/a.html')",
        ),
        (("--docx", "a.pdf"), "xlkmv: docx must be a file that ends in .docx"),
    ],
)
def test_report_refuses_in_a_sentence(
    capsys: pytest.CaptureFixture[str], book: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    code, out, err = run(capsys, "report", book, *arguments)
    assert (code, out) == (BAD_INPUT, "")
    assert err.startswith(sentence)


def test_report_lists_wrong_cells_as_refresh_does(capsys: pytest.CaptureFixture[str], book: Path) -> None:
    wrong = broken(book, 2.0)
    code, _, err = run(capsys, "report", wrong)
    assert (code, err) == (BAD_INPUT, run(capsys, "refresh", wrong)[2])
    assert not wrong.with_suffix(".html").exists()


# ------------------------------------------------------------------------------ uninstall


@pytest.mark.parametrize("office", [True, False])
@pytest.mark.parametrize("clean", [True, False])
def test_uninstall_removes_it_from_every_spreadsheet(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, office: bool, clean: bool
) -> None:
    monkeypatch.setattr(libreoffice, "find_office", lambda: object() if office else None)
    monkeypatch.setattr(libreoffice, "uninstall", lambda: "removed from Calc")
    monkeypatch.setattr(windows, "uninstall", lambda say: say("removed from Excel") or clean)
    code, out, _ = run(capsys, "uninstall")
    assert code == (0 if clean else 1)
    assert "removed from Excel" in out
    assert ("removed from Calc" in out) == office
    assert ("Nothing of xlkmv is left but the Python package" in out) == clean
    code, out, _ = run(capsys, "uninstall", "--libreoffice")
    assert (code, out) == (0, "removed from Calc\n")


# ------------------------------------------------------------------------------------ new


def test_new_makes_a_workbook_without_macros_by_its_name_or_the_option(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    dates = ("--blank", "--closing", "2025-01-15", "--every", "quarter", "--dates", "8")
    for given in (("named.xlsx",), ("asked.xlsm", "--no-macros")):
        path, *more = given
        assert run(capsys, "new", tmp_path / path, *more, *dates)[0] == 0
        with zipfile.ZipFile((tmp_path / path).with_suffix(".xlsx")) as package:
            assert not [name for name in package.namelist() if "vba" in name.lower()]


def test_new_refuses_a_file_that_exists_a_wrong_suffix_and_a_missing_folder(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    taken = tmp_path / "taken.xlsm"
    taken.write_bytes(b"mine")
    for path, why in (
        (taken, "exists"),
        (tmp_path / "book.xlsb", "must end in .xlsm, or in .xlsx"),
        (tmp_path / "book", "must end in .xlsm"),
        (tmp_path / "none" / "book.xlsm", "there is no folder"),
    ):
        code, out, err = run(capsys, "new", path)
        assert (code, out) == (2, "")
        assert why in err
    assert taken.read_bytes() == b"mine"
    assert [p.name for p in tmp_path.iterdir()] == ["taken.xlsm"]


def test_new_makes_a_workbook_that_can_be_refreshed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "book.XLSM"
    code, out, _ = run(capsys, "new", path)
    assert code == 0
    assert str(path) in out
    assert len(read_book(FileBook(path)).deal.pool.name) == 11


def test_new_makes_a_workbook_in_the_language_that_is_asked_for(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "book.xlsm"
    assert run(capsys, "new", path, "--lang", "zh")[0] == 0
    book = FileBook(path)
    texts = book.table("tbl_Text")
    assert book.name("in_Language").value == "中文"
    assert "资产池" in "".join(map(str, texts.column("Shown")))
    assert texts.column("Shown") == texts.column("中文")


def test_new_builds_the_workbook_where_none_is_shipped(
    capsys: pytest.CaptureFixture[str], draft: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xlkmv.cli.making.shipped_template", lambda: None)
    monkeypatch.setattr("xlkmv.build.template.build_template", lambda path: shutil.copy(draft, path))
    code, out, _ = run(capsys, "new", tmp_path / "book.xlsm")
    path = tmp_path / "book.xlsm"
    assert (code, out) == (0, f"Made {path}: now run xlkmv refresh {path}\n")
    assert path.read_bytes() == draft.read_bytes()


@pytest.mark.parametrize("key", ["auto", "mortgage"])
def test_new_makes_a_workbook_of_an_example(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, key: str
) -> None:
    path = tmp_path / "book.xlsm"
    code, out, _ = run(capsys, "new", path, "--example", key)
    assert (code, out) == (0, f"Made {path}: now run xlkmv refresh {path}\n")
    assert digest(read_book(FileBook(path)).deal) == digest(example(key).deal)


BLANK = ("--blank", "--closing", "2025-01-15", "--every", "month", "--dates", "48")


def test_new_makes_a_blank_workbook_and_refresh_says_what_to_fill_in(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "book.xlsm"
    code, out, _ = run(capsys, "new", path, *BLANK)
    assert code == 0
    assert "fill in pool, classes and terms" in out
    before = path.read_bytes()
    code, _, err = run(capsys, "refresh", path)
    assert code == 2
    assert "2 inputs are wrong" in err
    assert "the pool needs at least one obligor" in err
    assert len(err.splitlines()) < 12
    assert path.read_bytes() == before


def test_new_makes_a_pool_of_scheduled_collections_that_a_tape_fills(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path, tape = tmp_path / "book.xlsm", tmp_path / "tape.csv"
    dates = [f"{2025 + m // 12}-{m % 12 + 1:02d}-15" for m in range(3, 15, 3)]
    tape.write_text(f"债务人,余额,PD,{','.join(dates)}\n甲,300,2%,80,80,80,90\n", encoding="utf-8")
    rest = ("--recovery", "0.4", "--lag", "1", "--correlation", "0.2")
    assert run(capsys, "new", path, *BLANK[:4], "quarter", "--dates", "4")[0] == 0
    code, _, err = run(capsys, "import", tape, path, *rest)
    assert code == 2 and "add columns headed by these dates" in err and "--schedule" in err
    path.unlink()
    assert run(capsys, "new", path, *BLANK[:4], "quarter", "--dates", "4", "--schedule")[0] == 0
    assert run(capsys, "import", tape, path, *rest)[0] == 0
    pool = FileBook(path).table("tbl_Pool")
    assert [h for h in pool.header if h[:2] == "20"] == dates
    assert [pool.column(d) for d in dates] == [[80.0], [80.0], [80.0], [90.0]]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--schedule",), "--schedule belongs to --blank: add it"),
        (("--example", "cars"), "example must be one of: patents, auto, mortgage, lease (got 'cars')"),
        (("--example", "auto", "--blank"), "leave out --blank"),
        (("--example", "auto", "--dates", "4"), "leave out --dates"),
        (("--dates", "4"), "--dates belongs to --blank: add it"),
        (("--blank",), "--blank needs --closing and --every and --dates, too"),
        ((*BLANK[:2], "15.1.2025", *BLANK[3:]), "--closing must be a date, such as 2025-01-15"),
        ((*BLANK[:4], "week", *BLANK[5:]), "must be one of: month, 2 months, quarter, half-year, year"),
        ((*BLANK[:6], "0"), "must be a whole number from 1 to 1200"),
        ((*BLANK[:6], "2.5"), "--dates must be a whole number from 1 to 1200"),
        ((*BLANK[:2], "9999-12-01", *BLANK[3:]), "must lie before the year 10000"),
    ],
)
def test_new_refuses_options_that_do_not_fit_in_one_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, options: tuple[str, ...], sentence: str
) -> None:
    code, out, err = run(capsys, "new", tmp_path / "book.xlsm", *options)
    assert (code, out) == (2, "")
    assert sentence in err
    assert len(err.splitlines()) == 1
    assert not [*tmp_path.iterdir()]


# ------------------------------------------------------------------------------------- cases


def test_a_case_is_kept_and_compared_in_the_terminal(
    capsys: pytest.CaptureFixture[str], book: Path, tmp_path: Path
) -> None:
    code, out, _ = run(capsys, "case", book)
    (saved,) = tmp_path.glob("deal case *.xlsm")
    assert code == 0 and str(saved) in out and "xlkmv compare --write deal.xlsm" in out
    opened = FileBook(book)
    rates = opened.table("tbl_Pool").column("PD")
    opened.write_table("tbl_Pool", {"PD": [2.0 * x for x in rates]})
    opened.save()
    code, out, err = run(capsys, "compare", "--write", book)
    assert (code, err) == (0, "")
    assert "PDs of the obligors: PD" in out and "Written: " in out
    table = FileBook(book).table("tbl_Step")
    assert table.column("Changed") == ["as it is", "PDs of the obligors"] * 2  # of two classes
    # Two files give the same, and write nothing.
    before = book.read_bytes()
    code, again, _ = run(capsys, "compare", saved, book)
    assert code == 0 and "PDs of the obligors: PD" in again
    assert book.read_bytes() == before
    same = run(capsys, "compare", saved, saved)[1]
    assert "is the same deal as" in same
    for wrong in (["compare", book], ["compare", "--write", book, saved]):
        code, _, err = run(capsys, *wrong)
        assert code == 2 and "books must be one with --write" in err


# ------------------------------------------------------------------------------------- whatif


def test_whatif_rates_every_class_with_and_without_an_obligor(
    capsys: pytest.CaptureFixture[str], book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    before, deal = book.read_bytes(), read_book(FileBook(book)).deal
    found = what_if(deal, "licensee 02")
    code, out, err = run(capsys, "whatif", book, "--default", "licensee 02")
    assert (code, err) == (0, "") and "What if: Licensee 02" in out
    said = out.splitlines()
    code, out, _ = run(capsys, "whatif", book, "--default", "licensee 02", "--json")
    (answer,) = json.loads(out)["answers"]
    assert answer["obligor"] == "Licensee 02"
    rows = {(row["tranche"], row["condition"]): row for row in answer["tables"]["whatif"]}
    assert len(rows) == 4 * len(deal.tranches)
    lines = [line for line in said if any(line.strip().startswith(case.label) for case in found)]
    for line, row in zip(lines, answer["tables"]["whatif"], strict=True):
        assert f" {probability(row['pd'])}  {row['why']} " in line  # why beside what is quoted, as elsewhere
    for case in found:
        for view, measured in zip(case.view.tranches, case.simulation.tranches, strict=True):
            row = rows[view.name, case.label]
            assert (row["simulated"], row["expected_loss"]) == (measured.anydate_pd, measured.expected_loss)
            assert row["anydate_pd"] == view.anydate_pd_at_maturity
            short = round(measured.anydate_pd * case.simulation.paths)
            assert row["pd"] == quoted_pd(short, case.simulation.paths, row["anydate_pd"]).pd
    some = run(capsys, "whatif", book, "--recovery", "40%")[1]
    assert "it defaults, 40 % recovered" in some and "nothing recovered" not in some
    code, _, err = run(capsys, "whatif", book, "--default", "Licensee 01", "--default", "Licensee 02")
    sentence = "xlkmv: default must be one obligor at a time (got 'Licensee 01, Licensee 02')\n"
    assert (code, err) == (2, sentence)
    code, _, err = run(capsys, "whatif", book, "--default", "nobody")
    assert (code, err) == (2, "xlkmv: obligor must be the name of an obligor of the pool (got 'nobody')\n")
    code, _, err = run(capsys, "whatif", book, "--default", "huayin")
    rule = "obligor must be the name of an obligor of the pool; did you mean 'Huayin Medical (华银医学)'?"
    assert (code, err) == (2, f"xlkmv: {rule} (got 'huayin')\n")
    assert book.read_bytes() == before


# ---------------------------------------------------------------------- several workbooks, for programs


def test_one_bad_book_stops_none_of_the_others(
    capsys: pytest.CaptureFixture[str], book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    other = Path(shutil.copy(book, tmp_path / "other.xlsm"))
    wrong = broken(Path(shutil.copy(book, tmp_path / "wrong.xlsm")), 2.0)
    (tmp_path / "~$gone.xlsm").write_bytes(b"")  # the lock of an open workbook
    before = wrong.read_bytes()
    code, out, err = run(capsys, "refresh", "--quick", tmp_path / "*.xlsm")
    assert code == BAD_INPUT
    lines = {Path(line.split()[0]).name: line for line in out.splitlines() if ".xlsm" in line}
    assert {*lines} == {"deal.xlsm", "other.xlsm", "wrong.xlsm"}
    answer = FileBook(book).table("tbl_Answer")
    first = dict(zip(answer.header, answer.rows[0], strict=True))
    assert "1 input is wrong" in lines["wrong.xlsm"]
    for name in ("deal.xlsm", "other.xlsm"):
        assert first["Grade"] in lines[name] and probability(first["PD to quote"]) in lines[name]
        assert first["Class"] in lines[name]  # whose grade it is
    assert err.startswith(f"xlkmv: {wrong}\n1 input is wrong; nothing was written")
    assert wrong.read_bytes() == before
    assert FileBook(other).name("out_InputHash").value == FileBook(book).name("out_InputHash").value
    code, out, _ = run(capsys, "refresh", "-q", "--quick", book, other)
    assert (code, out) == (0, "")
    for arguments, sentence in (
        (("refresh", tmp_path / "none*.xlsm"), "no file is named like "),
        (("refresh", book, other, "--out", tmp_path / "a.xlsm"), "--out is for one workbook"),
    ):
        code, out, err = run(capsys, *arguments)
        assert (code, out) == (BAD_INPUT, "") and sentence in err


def test_of_many_books_the_grade_now_stands_beside_that_at_closing(
    capsys: pytest.CaptureFixture[str], book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    late, unseen = book, Path(shutil.copy(book, tmp_path / "unseen.xlsm"))
    for path, share in ((late, 0.3), (unseen, None)):
        opened = FileBook(path)
        paid = opened.table("tbl_Actual").column("Actual collections")
        collections = [None if x is None or share is None else share * x for x in paid]
        opened.write_table("tbl_Actual", {"Actual collections": collections})
        headline = opened.name(layout.HEADLINE_CLASS)
        opened.write_cell(headline.sheet, headline.cell, opened.table("tbl_Tranche").column("Tranche")[-1])
        opened.save()
    out = run(capsys, "refresh", "--quick", late, unseen)[1]
    today = FileBook(late).table("tbl_Today")
    last = dict(zip(today.header, today.rows[-1], strict=True))
    assert last["Grade now"] != last["Grade at closing"]
    closing, now = (
        f"{last[f'Grade {when}']} {probability(last[f'PD to quote {when}'])}"
        for when in ("at closing", "now")
    )
    lines = {
        Path(line.split()[0]).name: " ".join(line.split()) for line in out.splitlines() if ".xlsm" in line
    }
    assert lines["deal.xlsm"].endswith(f" {closing} {now}")
    assert lines["unseen.xlsm"].endswith(f" {closing}")
    # Where nothing has been seen of any, there is no now.
    assert "now" in out
    out = run(capsys, "refresh", "--quick", unseen, shutil.copy(unseen, tmp_path / "other.xlsm"))[1]
    assert "unseen.xlsm" in out and "now" not in out


def test_show_prints_what_the_last_refresh_wrote_and_says_when_it_is_stale(
    capsys: pytest.CaptureFixture[str], book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    code, out, err = run(capsys, "show", book)
    assert (code, out) == (BAD_INPUT, "") and "deal.xlsm has no results yet: run  xlkmv refresh" in err
    run(capsys, "refresh", "--quick", book)
    before = book.read_bytes()
    monkeypatch.setattr("xlkmv.refresh.run.analyse", None)  # nothing computes
    code, out, err = run(capsys, "show", book)
    assert (code, err) == (0, "") and "stale" not in out
    written = FileBook(book)
    answer = written.table("tbl_Answer")
    for row in answer.rows:
        cells = dict(zip(answer.header, row, strict=True))
        line = next(line for line in out.splitlines() if line.strip().startswith(cells["Class"]))
        assert cells["Grade"] in line and probability(cells["PD to quote"]) in line
        assert f"{cells['Yield at par']:.2%}" in line
    assert written.name("out_ReadingPool").value in out and written.name("out_InputHash").value in out
    assert book.read_bytes() == before
    # What has been seen, and what each refresh found; a quick look leaves no grade there.
    for name, title in (("tbl_Today", "Each class at closing and now"), ("tbl_History", "What the last")):
        section = out[out.index(title) :]
        rows = [dict(zip(written.table(name).header, row, strict=True)) for row in written.table(name).rows]
        for row in rows:
            line = next(line for line in section.splitlines() if row["Class"] in line)
            assert row["Alert"] in line
            assert row["Grade now" if name == "tbl_Today" else "Grade then"] in line
    assert [row["Grade then"] for row in rows] == ["not run"] * len(rows)
    broken(book, 0.0121)
    assert run(capsys, "show", book)[1].startswith("stale: inputs have changed since the last refresh")
    broken(book, 2.0)
    assert run(capsys, "show", book)[1].startswith("stale: 1 input is wrong since the last refresh")


def test_show_has_who_drives_the_risk_and_what_the_cases_were(
    capsys: pytest.CaptureFixture[str], book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    opened = FileBook(book)
    terms = opened.table("tbl_Term")
    values = terms.column("Value")
    values[terms.column("Term").index("Simulated paths")] = 2_000.0
    opened.write_table("tbl_Term", {"Value": values})
    opened.save()
    run(capsys, "case", book)
    run(capsys, "refresh", book)
    run(capsys, "compare", "--write", book)
    out, written = run(capsys, "show", book)[1], FileBook(book)
    for title in (
        "How the pool is spread",
        "The same money spread otherwise",
        "Each class with its 90 % interval",
    ):
        assert title in out
    drivers = written.table("tbl_Driver")
    for row in drivers.rows:
        cells = dict(zip(drivers.header, row, strict=True))
        assert re.search(
            rf"{re.escape(cells['Obligor'])}.* {re.escape(change(cells['Change of the PD']))}", out
        )
    # An interval stands beside its PD, also where the table is too narrow and has a line a figure.
    answers = written.table("tbl_Answer")
    monkeypatch.setenv("COLUMNS", "80")
    narrow = run(capsys, "show", book)[1]
    for row in answers.rows:
        cells = dict(zip(answers.header, row, strict=True))
        pd, interval = probability(cells["PD to quote"]), cells["90 % interval"]
        line = rf"{re.escape(cells['Class'])} .* {re.escape(pd)} +{re.escape(interval)} "
        assert re.search(line, out)
        assert f"  PD to quote: {pd}\n  90 % interval: {interval}\n" in narrow
    assert "Where the classes stand, case by case" in out and "this workbook" in out
    assert "Default probabilities from the obligors' own data" not in out  # none has a source here
    tables = json.loads(run(capsys, "show", book, "--json")[1])["answers"][0]["tables"]
    assert [row["name"] for row in tables["tbl_Driver"]] == drivers.column("Obligor")
    assert [row["pd_without_change"] for row in tables["tbl_Driver"]] == drivers.column("Change of the PD")
    asked = written.table("tbl_Otherwise").column("Largest share at most")
    assert [row["cap"] for row in tables["tbl_Otherwise"]] == asked
    classes = written.table("tbl_Tranche").column("Tranche")
    assert {row["tranche"] for row in tables["tbl_Step"]} == set(classes)
    assert {row["name"] for row in tables["tbl_Interval"]} == set(classes)


@pytest.mark.parametrize("there", [True, False])
def test_show_speaks_of_an_undertaking_where_one_stands_behind_a_class(
    capsys: pytest.CaptureFixture[str], book: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    opened = FileBook(book)
    controls, terms = opened.table("tbl_Control"), opened.table("tbl_Term")
    support = controls.column("Control").index("Shortfall undertaking")
    opened.write_cell(controls.sheet, controls.cell(support, "On"), "yes" if there else "no")
    paths = terms.column("Term").index("Simulated paths")
    opened.write_cell(terms.sheet, terms.cell(paths, "Value"), 500.0)
    opened.save()
    run(capsys, "refresh", book)
    out = run(capsys, "show", book)[1]
    # All but the condition that switches it off.
    own = [line for line in out.splitlines() if not line.startswith(" Shortfall undertaking off")]
    assert ("ndertaking" in "\n".join(own)) == there
    assert ("Simulated, no" in out) == there


def test_programs_read_the_figures_of_the_sheets(capsys: pytest.CaptureFixture[str], book: Path) -> None:
    code, out, _ = run(capsys, "refresh", "--quick", "--json", book)
    found = json.loads(out)
    assert (code, found["schema"], found["command"], found["errors"]) == (0, SCHEMA, "refresh", [])
    (answer,) = found["answers"]
    written = FileBook(book)
    assert (answer["book"], answer["written"]) == (str(book), str(book))
    assert answer["inputs"] == written.name("out_InputHash").value
    table = written.table("tbl_Answer")
    assert [row["pd"] for row in answer["tables"]["tbl_Answer"]] == table.column("PD to quote")
    assert [row["name"] for row in answer["tables"]["tbl_Answer"]] == table.column("Class")
    assert found["units"]["tbl_Answer"]["pd"] == "probability"
    today, history = (answer["tables"][name] for name in ("tbl_Today", "tbl_History"))
    assert [row["grade"] for row in today] == written.table("tbl_Today").column("Grade now")
    assert [row["as_of"] for row in history] == [
        day.isoformat() for day in written.table("tbl_History").column("As of")
    ]
    assert found["units"]["tbl_Today"]["balance"] == "money"
    # The same in CSV, and without computing.
    code, out, _ = run(capsys, "show", "--csv", book)
    lines = list(csv.DictReader(io.StringIO(out)))
    assert code == 0 and {line["book"] for line in lines} == {str(book)}
    pds = [line for line in lines if (line["table"], line["key"]) == ("tbl_Answer", "pd")]
    assert [float(line["value"]) for line in pds] == table.column("PD to quote")
    assert {line["unit"] for line in pds} == {"probability"}
    assert {line["value"] for line in lines if line["key"] == "stale"} == {"False"}
    # What is wrong comes as data, too.
    code, out, _ = run(capsys, "refresh", "--json", broken(book, 2.0))
    (error,) = json.loads(out)["errors"]
    assert (code, json.loads(out)["answers"]) == (BAD_INPUT, [])
    assert error["problems"][0]["sheet"] == "Pool" and error["problems"][0]["count"] == 1


def test_pd_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "pd", 120, 100, 0.25, "--json")
    (row,) = json.loads(out)["answers"][0]["tables"]["pd"]
    assert code == 0
    assert (row["pd"], row["dd"]) == (KMV_PD(120, 100, 0.25), KMV_DD(120, 100, 0.25))


@pytest.mark.parametrize("early", [["-q"], ["--json"], ["--verbose", "--csv"]], ids=str)
def test_options_may_come_before_the_command(capsys: pytest.CaptureFixture[str], early: list[str]) -> None:
    firm = ("pd", 120, 100, 0.25)
    assert run(capsys, *early, *firm) == run(capsys, *firm, *early)


def test_pd_takes_percentages(capsys: pytest.CaptureFixture[str]) -> None:
    percent = run(capsys, "pd", 120, 100, "25%", "--drift", "2 %", "--json")
    assert percent == run(capsys, "pd", 120, 100, 0.25, "--drift", 0.02, "--json")
    assert percent[0] == 0


def test_doctor_for_programs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Finding("add-in", "wrong", "is old", "run it"), Finding("Python", "note", "is 3.11")]
    monkeypatch.setattr("xlkmv.install.doctor.doctor", lambda **options: found)
    code, out, _ = run(capsys, "doctor", "--json")
    (answer,) = json.loads(out)["answers"]
    assert (code, answer["findings"], answer["wrong"]) == (1, 2, 1)
    assert answer["tables"]["findings"] == [
        {"name": "add-in", "state": "wrong", "found": "is old", "cure": "run it"},
        {"name": "Python", "state": "note", "found": "is 3.11", "cure": ""},
    ]


def test_the_page_lists_every_key_that_programs_read() -> None:
    """docs/terminal.md is the schema: a key that goes or changes its unit is a new :data:`SCHEMA`."""
    page = (Path(__file__).parents[1] / "docs" / "terminal.md").read_text(encoding="utf-8")
    assert f'"schema": {SCHEMA}' in page
    listed = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", page, re.MULTILINE))
    specs = {s for c in ("refresh", "show", "solve", "compare", "models", "backtest") for s in tables_of(c)}
    wanted = {spec.name: keys(spec) for spec in specs} | {"pd": UNITS, "whatif": WHATIF, "findings": FINDINGS}
    assert listed == {
        name: ", ".join(f"`{key}`" + (f" {unit}" if unit else "") for key, unit in columns)
        for name, columns in wanted.items()
    }


@pytest.mark.parametrize("language", ["LANG", "LC_ALL"])
def test_the_terminal_speaks_the_language_of_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(language, "zh_CN.UTF-8")
    assert run(capsys, "pd", 120, 100, 0.25)[1].startswith("违约概率 0.27282668")
    assert "volatility 必须 > 0 且 <= 5" in run(capsys, "pd", 120, 100, 25)[2]
    assert run(capsys, "pd", 120, 100, 0.25, "--lang", "en")[1].startswith("PD 0.27282668")


def test_results_of_an_english_workbook_are_shown_in_chinese_but_for_names(
    capsys: pytest.CaptureFixture[str], shipped_book: Path
) -> None:
    said = run(capsys, "show", shipped_book, "--lang", "zh")[1]
    for word in ("模拟", "取消优先/次级分层", "Licensee 01", "Senior (优先级)", "条路径中无一不足"):
        assert word in said
    assert "任一兑付日违约  模拟任一兑付日" in said  # headings side by side: a table, on 80 columns
    names = "Licensee|Senior|Subordinate|Vtron|Group|Huayin|Medical|Electronics|KMV|AAA|BBB"
    kept = rf"(?<![A-Za-z])({names})(?![A-Za-z])"
    assert re.findall("[A-Za-z]{2,}", re.sub(rf"{kept}|[0-9a-f]{{12}}", "", said)) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_output_that_cannot_be_written_is_one_sentence() -> None:
    told = [sys.executable, "-m", "xlkmv", "pd", "120", "100", "0.25"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(told, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("xlkmv: ") and done.stderr.count("\n") == 1
    closed = subprocess.run(
        f"{shlex.join(told)} >&-", shell=True, stderr=subprocess.PIPE, text=True, check=False
    )
    assert (closed.returncode, closed.stderr) == (0, "")


def test_a_console_without_chinese_letters_is_spoken_to_in_english() -> None:
    told = [sys.executable, "-X", "utf8=0", "-m", "xlkmv", "pd", "120", "100", "0.25"]
    for encoding, word in (("cp1252", "PD "), ("cp936", "违约概率 ")):
        environment = {**os.environ, "PYTHONIOENCODING": encoding, "LC_ALL": "zh_CN"}
        done = subprocess.run(told, capture_output=True, env=environment, check=True)
        assert done.stdout.decode(encoding).startswith(word)


def test_wrong_cells_are_listed_in_chinese(
    capsys: pytest.CaptureFixture[str], book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    code, _, err = run(capsys, "refresh", broken(book, 2.0), "--lang", "zh")
    assert code == BAD_INPUT
    assert "1 项输入有误；没有写入任何内容" in err
    (line,) = (line for line in err.splitlines() if line.strip().startswith("Pool"))
    (name, *_) = FileBook(book).table("tbl_Pool").column("Obligor")
    rule = rf"Pool +[A-Z]+7 +2 +{re.escape(str(name))}: 必须 >= 0 且 < 1（小数：0.02 表示 2%）"
    assert re.fullmatch(rule, line.strip())


def test_verbose_says_when_each_step_began_and_quiet_nothing(
    capsys: pytest.CaptureFixture[str], book: Path
) -> None:
    code, _, err = run(capsys, "refresh", "--quick", "-v", book)
    steps = [line.split("%  ")[1] for line in err.splitlines()]
    assert code == 0
    assert steps[0] == "Reading and checking" and steps[-1] == "Writing" and len({*steps}) == len(steps)
    assert run(capsys, "refresh", "--quick", "-q", book) == (0, "", "")


@pytest.mark.parametrize("early", ["--lang zh", "--lang=zh", "-v --lang zh", "--lang zh -v"])
def test_the_language_may_stand_before_the_command(
    capsys: pytest.CaptureFixture[str], early: str, tmp_path: Path
) -> None:
    late = run(capsys, "show", tmp_path / "none.xlsm", "--lang", "zh")
    assert late[0] == BAD_INPUT and "不" in late[2]
    assert run(capsys, *early.split(), "show", tmp_path / "none.xlsm") == late


def test_no_colour_where_the_user_wants_none(
    capsys: pytest.CaptureFixture[str], book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xlkmv.cli.output.console", coloured)
    assert "\x1b[" in run(capsys, "refresh", "--quick", book)[1]
    monkeypatch.setenv("NO_COLOR", "1")
    out = run(capsys, "refresh", "--quick", book)[1]
    assert not re.search(r"\x1b\[[\d;]*3\dm", out)


# ------------------------------------------------------------------------------------ help, completion


COMMANDS = words(cli.parser())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_has_examples_that_are_commands(capsys: pytest.CaptureFixture[str], name: str) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([name, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert all(option in text for option in COMMANDS[name])
    examples = re.findall(r"xlkmv .*", text.split("examples:")[1])
    assert examples
    for told in examples:
        line = re.split(r'[|>#]|\)"', told)[0]
        assert cli.parser().parse_args(shlex.split(line)[1:]).command == name


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_of_completion_knows_every_command_and_option(
    capsys: pytest.CaptureFixture[str], shell: str
) -> None:
    code, out, _ = run(capsys, "completion", shell)
    assert code == 0
    known = {*re.findall(r"[\w-]+", out)}
    assert {*COMMANDS} <= known
    options = {option for found in COMMANDS.values() for option in found}
    assert {option.lstrip("-") if shell == "fish" else option for option in options} <= known


def completed(*typed: str) -> list[str]:
    """What bash offers after some words, the last of which is being typed."""
    line = " ".join(f"'{word}'" for word in typed)
    asked = f"COMP_WORDS=({line}); COMP_CWORD={len(typed) - 1}; _xlkmv; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run(
        ["bash", "-c", f"{script('bash', cli.parser())}\n{asked}"], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_completes_commands_and_options() -> None:
    assert completed("xlkmv", "re") == ["refresh", "report"]
    assert completed("xlkmv", "solve", "--c") == ["--csv", "--class"]
    assert completed("xlkmv", "refresh", "De") == []  # the shell's own: files


def test_a_distance_is_cut_at_the_same_bound_on_a_sheet_and_in_the_terminal() -> None:
    assert f'[<={FARTHEST:g}]0.00;"> {FARTHEST:g}"' == layout.DISTANCE
    assert [_shown(x, layout.DISTANCE) for x in (6127.1, 100.0, -250.0)] == ["> 100", "100.00", "-250.00"]
