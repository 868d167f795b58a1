"""The pages say what is so: names exist, worked values hold, generated pages are fresh, snippets run."""

from __future__ import annotations

import builtins
import importlib
import itertools
import re
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xlkmv.errors
from xlkmv.build.docs import functions_page
from xlkmv.model.comparison import compare_models
from xlkmv.model.creditmetrics import EXAMPLE_FORWARD_RATES, EXAMPLE_MATRIX, EXAMPLE_RATINGS, bond_values

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))
from surveillance_study import reactions, study

ROOT = Path(__file__).resolve().parents[1]

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
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
# All that a worked value may use besides the names of the page's own code.
SAFE = {name: getattr(builtins, name) for name in ("abs", "float", "len", "max", "min", "round", "sum")}


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


# ------------------------------------------------------------------------------------- the pages


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_dotted_name_exists(page: Path) -> None:
    missing = []
    for name in sorted(set(dotted_names(page.read_text(encoding="utf-8")))):
        try:
            resolve(name)
        except AttributeError:
            missing.append(name)
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    # Links to places on the web and within a page are not files.
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert not [link for link in links if not (page.parent / link).exists()]


@pytest.mark.parametrize("name", ["method.md", "models.md", "sources.md", "structures.md", "structure.md"])
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
        *rates, senior, senior_on_plan, other, other_on_plan = known.pop(x.seen)
        np.testing.assert_allclose([100 * x.volatility, 100 * x.conjugate, 100 * x.level], rates, atol=0.006)
        pds = [x.senior, x.senior_on_plan, x.subordinate, x.subordinate_on_plan]
        np.testing.assert_allclose(pds, [senior, senior_on_plan, other, other_on_plan], rtol=0.06)
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


def test_functions_page_is_what_the_registry_gives() -> None:
    assert (ROOT / "docs" / "functions.md").read_text(encoding="utf-8") == functions_page()


def test_readme_snippets_run_and_give_the_numbers_beside_them() -> None:
    blocks = python_blocks((ROOT / "README.md").read_text(encoding="utf-8"))
    assert blocks
    names: dict[str, Any] = {}
    for block in blocks:
        exec(block, names)
        for expression, digits in re.findall(r"^(\S.*?)\s+# (-?\d[\d.]*\d)\.\.\.", block, flags=re.M):
            assert str(float(eval(expression, names))).startswith(digits)


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
    "name", ["xlkmv.model.distance.no_such_name", "xlkmv.no_such_module", "xlkmv.model.Distance"]
)
def test_a_missing_name_is_found(name: str) -> None:
    with pytest.raises(AttributeError):
        resolve(name)


def test_a_file_is_no_name() -> None:
    assert dotted_names("`xlkmv.oxt` holds `xlkmv.excel.functions`") == ["xlkmv.excel.functions"]
