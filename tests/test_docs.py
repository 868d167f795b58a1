"""The pages say what is so: names exist, worked values hold, generated pages are fresh, snippets run."""

from __future__ import annotations

import ast
import builtins
import importlib
import itertools
import re
import shlex
import sys
from calendar import month_name
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xlkmv.errors
from xlkmv.build.docs import functions_page
from xlkmv.build.home import HEADLINE_FIGURES
from xlkmv.cli import parser
from xlkmv.model.comparison import compare_models
from xlkmv.model.creditmetrics import EXAMPLE_FORWARD_RATES, EXAMPLE_MATRIX, EXAMPLE_RATINGS, bond_values
from xlkmv.workbook import layout

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from pages import Checker, follow
from surveillance_study import reactions, study

ROOT = Path(__file__).resolve().parents[1]

ENGLISH = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs").glob("examples/*.md")),
]
# Each page in Chinese beside the English one that it says the same as; of the method it is an overview.
CHINESE = {ROOT / "README.zh.md": ROOT / "README.md"}
ZH = ROOT / "docs" / "zh"
CHINESE |= {page: ROOT / "docs" / page.relative_to(ZH) for page in sorted(ZH.rglob("*.md"))}
WHOLE = {page: english for page, english in CHINESE.items() if english.name != "method.md"}
PAGES = [*ENGLISH, *CHINESE]
FILES = {
    "conf",
    "git",
    "log",
    "md",
    "oxt",
    "po",
    "py",
    "xlam",
    "xlsm",
    "xlsx",
}  # xlkmv.oxt is a file, no name
HEADING = "| expression | value |"
# All that a worked value may use besides the names of the page's own code; numpy imports parts late.
ALLOWED = ("abs", "float", "len", "max", "min", "round", "sum", "__import__")
SAFE = {name: getattr(builtins, name) for name in ALLOWED}


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def dotted_names(text: str) -> list[str]:
    found = re.findall(r"\bxlkmv(?:\.[A-Za-z_]\w*)+", text)
    return [name for name in found if name.rsplit(".", 1)[1] not in FILES]


def resolve(name: str) -> Any:
    """Import as much of a dotted name as is a module and look up the rest."""
    parts = name.split(".")
    for size in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:size]))
        except ModuleNotFoundError as error:
            if error.name is None or not name.startswith(error.name):
                raise  # a module that exists and lacks something of its own
            continue
        for part in parts[size:]:
            # A field without a default is no attribute of its class, but an annotation.
            fields = getattr(found, "__annotations__", {})
            found = fields[part] if part in fields and not hasattr(found, part) else getattr(found, part)
        return found
    raise AttributeError(name)


def python_blocks(text: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", text, flags=re.M | re.S)


def holds(expected: str, value: Any) -> bool:
    """Compare a printed value: as far as its digits go, or within four of its standard errors."""
    figure, _, error = expected.partition("±")
    try:
        number = Decimal(figure.strip())
    except ArithmeticError:
        return str(value) == expected
    if error:
        tolerance = 4.0 * float(error)
    elif number == 0:
        tolerance = 1e-12
    else:
        tolerance = 0.5001 * float(Decimal(1).scaleb(int(number.as_tuple().exponent)))
    return value is not None and abs(float(value) - float(number)) <= tolerance


def worked_values(text: str) -> list[str]:
    """Run a page from top to bottom; return the rows of its value tables that do not hold."""
    names: dict[str, Any] = {}
    wrong, block, inside, rows = [], None, False, 0
    for line in text.splitlines():
        if line == "```python":
            block = ""
        elif line == "```" and block is not None:
            exec(block, names)
            block = None
        elif block is not None:
            block += line + "\n"
        elif line == HEADING:
            inside = True
        elif not line.startswith("|"):
            inside = False
        elif inside and not line.startswith("|---"):
            row = re.fullmatch(r"\| `(.+)` \| (.+) \|", line)
            assert row, f"not a row of a value table: {line}"
            expression, expected = row.groups()
            rows += 1
            restricted = {**names, "__builtins__": SAFE}
            if expected.startswith("raises "):
                with pytest.raises(getattr(xlkmv.errors, expected.removeprefix("raises "))):
                    eval(expression, restricted)
            elif not holds(expected, value := eval(expression, restricted)):
                wrong.append(f"{expression} is {value}, not {expected}")
    assert rows, "the page has no worked values"
    return wrong


def commands(text: str) -> set[tuple[str, ...]]:
    """Words of each command of xlkmv, in blocks and between backquotes, without what stands beside it."""
    lines = re.findall(r"^(?:    )?(xlkmv [a-z].*?)(?: {3,}.*)?$", text, flags=re.M)
    found = lines + re.findall(r"`(xlkmv [a-z][^`\n]*)`", text)
    return {tuple(shlex.split(command, comments=True)) for command in found}


def value_rows(text: str) -> list[str]:
    """Rows of the tables of worked values, whose heading may be in Chinese."""
    tables = re.findall(
        r"^\| (?:expression \| value|表达式 \| 值) \|\n\|---\|---\|\n((?:\|.*\n)+)", text, flags=re.M
    )
    return "".join(tables).splitlines()


BLOCK = re.compile(r"^```.*?^```|^(?: {4}|\|).*?$", flags=re.M | re.S)


def set_off_and_prose(text: str) -> tuple[str, str]:
    """A page's blocks and tables, and its prose; without targets of links, which are tested as such."""
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return "\n".join(BLOCK.findall(text)), BLOCK.sub("", text)


NUMBER = re.compile(
    r"(?<![A-Za-z0-9_.])((?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+)([eE][-+]?[0-9]+)?"
    r"(?: ?(million|billion|万|亿))?"
)
UNITS = {"": 1, "million": 10**6, "billion": 10**9, "万": 10**4, "亿": 10**8}
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven")


def numbers(text: str) -> list[Decimal]:
    """What is written in digits: 3.01 亿 and 301 million are one number."""
    found = NUMBER.findall(text)
    return [Decimal(digits.replace(",", "") + power) * UNITS[unit] for digits, power, unit in found]


def number_words(text: str) -> set[Decimal]:
    """Numbers that an English page writes in letters; months, too, which have a number in Chinese."""
    found = {Decimal(k) for k, word in enumerate(WORDS) if re.search(rf"\b{word}\b", text, flags=re.I)}
    months = [k for k, name in enumerate(month_name) if name and re.search(rf"\b{name} \d{{4}}\b", text)]
    return found | set(map(Decimal, months))


# ------------------------------------------------------------------------------------- the pages


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_dotted_name_exists(page: Path) -> None:
    missing = []
    for name in sorted(set(dotted_names(page.read_text(encoding="utf-8")))):
        try:
            resolve(name)
        except AttributeError:
            missing.append(name)
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_link_leads_somewhere(page: Path) -> None:
    # Links to places on the web and within a page are not files.
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert not [link for link in links if not (page.parent / link).exists()]


def test_every_page_stands_in_the_contents_of_the_site() -> None:
    contents = (ROOT / "docs" / "index.rst").read_text(encoding="utf-8").split()
    pages = [
        page.relative_to(ROOT / "docs").with_suffix("").as_posix() for page in PAGES if page.parent != ROOT
    ]
    assert not set(pages) - set(contents)


@pytest.mark.parametrize(
    "name", ["method.md", "models.md", "sources.md", "structures.md", "structure.md", "limits.md"]
)
def test_worked_values(name: str) -> None:
    assert worked_values((ROOT / "docs" / name).read_text(encoding="utf-8")) == []


def table_rows(text: str, above: str) -> dict[str, list[float]]:
    """Numbers of the first table below a line, by the words in its first column."""
    lines = text[text.index(above) :].splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith("|"))
    rows = {}
    for line in itertools.takewhile(lambda line: line.startswith("|"), lines[start + 2 :]):
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        rows[name] = [float(cell.rstrip(" %")) for cell in cells]
    return rows


def test_the_study_of_surveillance() -> None:
    """The page says what the study finds: 1,000 deals with a known truth, and the shipped one."""
    page = (ROOT / "docs" / "surveillance.md").read_text(encoding="utf-8")
    known = table_rows(page, "| truth |")
    for row in study(1000):
        found = [100.0 * row.covered, row.median, row.high, row.old_median, row.old_high, row.forecast]
        # A deal at the edge of its interval may fall on its other side on another machine.
        np.testing.assert_allclose(found, known.pop(row.truth), rtol=1e-3, atol=0.11, err_msg=row.truth)
    assert not known
    known = table_rows(page, "| % of plan |")
    for x in reactions():
        row = known.pop(x.seen or "at closing")
        rates, pds = row[:3], row[3:]
        np.testing.assert_allclose([100 * x.volatility, 100 * x.conjugate, 100 * x.level], rates, atol=0.006)
        senior = [x.senior, x.senior_computed, x.senior_on_plan]
        other = [x.subordinate, x.subordinate_computed, x.subordinate_on_plan]
        np.testing.assert_allclose([*senior, *other], pds, rtol=0.06)
    assert not known


@pytest.mark.parametrize(
    ("above", "parts"), [("**Pool of 11**", 1), ("**The same 301 million cut into 10,000", 909)]
)
def test_tables_of_the_models(above: str, parts: int) -> None:
    page = table_rows((ROOT / "docs" / "models.md").read_text(encoding="utf-8"), above)
    cut = np.full(11, parts)
    cut[0] += parts > 1  # 10 x 909 + 910
    exposures = np.repeat(np.array([45, 42, 38, 36, 32, 28, 23, 22, 18, 14, 3]) / cut, cut)
    found = compare_models(
        exposures,
        np.repeat(np.linspace(0.01, 0.03, 11), cut),
        0.20,
        lgd=0.6,
        attachment=15.05,
        ratings=np.full(exposures.size, EXAMPLE_RATINGS.index("BB")),
        matrix=EXAMPLE_MATRIX,
        values=bond_values(0.06, EXAMPLE_FORWARD_RATES, 0.4),
        scenarios=100_000 if parts == 1 else 100,  # migrations of the large pool are not on the page
    )
    names = {"CreditMetrics": "CreditMetrics, defaults alone"}
    names["CreditMetrics (migration)"] = "CreditMetrics, migrations"
    compared = 0
    for name, result in found.items():
        if parts > 1 and result.standard_errors is not None:
            continue
        (var, var_high), (es, es_high) = result.value_at_risk, result.expected_shortfall
        figures = [result.expected_loss, result.unexpected_loss, var, var_high, es, es_high]
        shown = page[names.get(name, name)]
        assert shown == pytest.approx([*figures, 100.0 * result.hit_probability], abs=0.0501), name
        assert shown[:2] == pytest.approx(figures[:2], abs=0.00501)
        compared += 1
    assert compared == (5 if parts == 1 else 4)


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_command_is_one_of_the_terminal(page: Path) -> None:
    for command in commands(page.read_text(encoding="utf-8")):
        if len(command) == 2:  # spoken of, without its arguments
            with pytest.raises(SystemExit) as ended:
                parser().parse_args([command[1], "--help"])
            assert ended.value.code == 0, command
        else:
            parser().parse_args(command[1:])  # exits where there is no such command or option


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_table_and_name_is_one_of_the_workbook(page: Path) -> None:
    known = {*layout.TABLES, *layout.NAMES, *HEADLINE_FIGURES}
    found = set(re.findall(r"\b(?:tbl|out)_\w+", page.read_text(encoding="utf-8"), flags=re.A))
    assert found <= known


# ----------------------------------------------------------------------------- the pages in Chinese


@pytest.mark.parametrize(("page", "english"), CHINESE.items(), ids=page_id)
def test_a_page_and_its_translation_lead_to_each_other(page: Path, english: Path) -> None:
    for here, there in ((page, english), (english, page)):
        links = re.findall(r"\]\(([^)]+)\)", here.read_text(encoding="utf-8"))
        assert there in [(here.parent / link).resolve() for link in links[:1]]


@pytest.mark.parametrize("page", CHINESE, ids=page_id)
def test_a_page_in_chinese_leads_to_pages_in_chinese(page: Path) -> None:
    """Where there is one; else, or where the whole text is meant, the link says that it is English."""
    translated = {english: chinese for chinese, english in CHINESE.items()}
    lines = page.read_text(encoding="utf-8").splitlines()[3:]
    for line in lines:
        for link in re.findall(r"\]\(([^)#:\s]+\.md)\)", line):
            target = (page.parent / link).resolve()
            assert target in CHINESE or "英文" in line, link
            assert target not in translated or translated[target] not in WHOLE, link


@pytest.mark.parametrize(("page", "english"), WHOLE.items(), ids=page_id)
def test_a_page_in_chinese_has_the_same_code(page: Path, english: Path) -> None:
    here, there = page.read_text(encoding="utf-8"), english.read_text(encoding="utf-8")
    # Comments are translated, and no part of the tree.
    trees = [[ast.dump(ast.parse(block)) for block in python_blocks(text)] for text in (here, there)]
    assert trees[0] == trees[1]
    assert value_rows(here) == value_rows(there)
    assert commands(here) == commands(there)


@pytest.mark.parametrize(("page", "english"), WHOLE.items(), ids=page_id)
def test_a_page_in_chinese_has_the_same_numbers(page: Path, english: Path) -> None:
    texts = [p.read_text(encoding="utf-8") for p in (page, english)]
    (set_off, prose), (set_off_there, prose_there) = map(set_off_and_prose, texts)
    assert Counter(numbers(set_off)) == Counter(numbers(set_off_there))
    said, said_there = set(numbers(prose)), set(numbers(prose_there))
    assert said_there <= said <= said_there | number_words(prose_there)


def test_the_overview_of_the_method_has_no_number_of_its_own() -> None:
    page, english = (
        (ROOT / "docs" / folder / "method.md").read_text(encoding="utf-8") for folder in ("zh", "")
    )
    assert set(numbers(page)) <= set(numbers(english)) | number_words(english)


@pytest.mark.parametrize("page", CHINESE, ids=page_id)
def test_columns_bear_the_chinese_heading_of_the_workbook(page: Path) -> None:
    headings: dict[str, set[str]] = {}
    for table in layout.TABLES.values():
        for column in table.columns:
            headings.setdefault(column.header, set()).add(column.chinese)
    pairs = re.findall(r"\*([A-Z][^*\n]*)\*（([^（），；：]+)", page.read_text(encoding="utf-8"))
    assert not [(name, said) for name, said in pairs if name in headings and said not in headings[name]]


@pytest.mark.parametrize(("language", "folder"), [("en", "docs"), ("zh", "docs/zh")])
def test_functions_page_is_what_the_registry_gives(language: str, folder: str) -> None:
    assert (ROOT / folder / "functions.md").read_text(encoding="utf-8") == functions_page(language)


def test_readme_snippets_run_and_give_the_numbers_beside_them() -> None:
    blocks = python_blocks((ROOT / "README.md").read_text(encoding="utf-8"))
    assert blocks
    names: dict[str, Any] = {}
    for block in blocks:
        exec(block, names)
        for expression, digits in re.findall(r"^(\S.*?)\s+# (-?\d[\d.]*\d)\.\.\.", block, flags=re.M):
            assert str(float(eval(expression, names))).startswith(digits)


@pytest.mark.parametrize(("name", "outputs"), [("tutorial.md", 12), ("cookbook.md", 24)])
def test_a_page_that_can_be_followed(
    name: str, outputs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert follow((ROOT / "docs" / name).read_text(encoding="utf-8"), tmp_path, monkeypatch) == outputs


def test_the_snippet_of_the_memo_writes_both_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for block in python_blocks((ROOT / "docs" / "memo.md").read_text(encoding="utf-8")):
        exec(block, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Memo.docx", "Memo.html"]


# ------------------------------------------------------------------------ the tests can fail


def test_a_wrong_value_is_found() -> None:
    page = (
        f"```python\nx = 2.0\n```\n{HEADING}\n|---|---|\n| `x` | 2.00 |\n| `x / 3` | 0.67 |\n| `x` | 2.01 |"
    )
    assert worked_values(page) == ["x is 2.0, not 2.01"]


@pytest.mark.parametrize(
    ("expected", "value", "result"),
    [
        ("0.27", 0.2749, True),
        ("0.27", 0.2751, False),
        ("1.6e-07", 1.64e-7, True),
        ("1.6e-07", 1.66e-7, False),
        ("5.726e-300", 5.7256e-300, True),
        ("5.726e-300", 0.0, False),
        ("1e-4 ± 3e-5", 2.1e-4, True),
        ("1e-4 ± 3e-5", 2.3e-4, False),
        ("0", 1e-15, True),
        ("0", 1e-3, False),
        ("None", None, True),
        ("None", 1.0, False),
        ("2", None, False),
        ("27810000.0", float("nan"), False),
    ],
)
def test_how_a_value_is_compared(expected: str, value: Any, result: bool) -> None:
    assert holds(expected, value) is result


@pytest.mark.parametrize(
    ("shown", "said", "same"),
    [
        ("a  b\n", "a b", True),
        ("──── 1", "── 1", True),
        ("a\n...\nd", "a\nb\nc\nd\n", True),
        ("Saved: ...Deal.xlsm.", "Saved: out/x/Deal.xlsm.", True),
        ("a ... d", "a b c e", False),
        ("1.5", "1.55", False),
        ("1.5", "145", False),
        ("", "a", False),
    ],
)
def test_how_an_output_is_compared(shown: str, said: str, same: bool) -> None:
    assert Checker().check_output(shown, said, 0) is same


@pytest.mark.parametrize(
    "name", ["xlkmv.model.distance.no_such_name", "xlkmv.no_such_module", "xlkmv.model.Distance"]
)
def test_a_missing_name_is_found(name: str) -> None:
    with pytest.raises(AttributeError):
        resolve(name)


def test_a_number_is_one_whatever_its_unit() -> None:
    assert numbers("3.01 亿元，120万，第 14 节，.1 与 1E-04") == numbers(
        "301 million, 1,200,000, 14, 0.1, 0.0001"
    )
    assert numbers("A4, KMV_1, utf8, 1.2.3") == [Decimal("1.2")]
    assert numbers("13 亿") == numbers("1.3 billion")
    assert number_words("Eleven of one, none of them") == {Decimal(11), Decimal(1)}
    assert number_words("What may be on 26 May 2023") == {Decimal(5)}


def test_blocks_and_tables_are_told_from_prose() -> None:
    set_off, prose = set_off_and_prose("1 [2](3.md)\n```\n4\n```\n| 5 |\n    6\n7")
    assert (numbers(set_off), numbers(prose)) == ([4, 5, 6], [1, 2, 7])


def test_commands_are_found_without_the_words_beside_them() -> None:
    text = "    xlkmv case A.xlsm    keep it\nxlkmv models A.xlsm  # all four\nRun `xlkmv pd 1 2 3`."
    found = {" ".join(command) for command in commands(text)}
    assert found == {"xlkmv case A.xlsm", "xlkmv models A.xlsm", "xlkmv pd 1 2 3"}


def test_a_file_is_no_name() -> None:
    assert dotted_names("`xlkmv.oxt` holds `xlkmv.functions`") == ["xlkmv.functions"]
