"""A workbook in Chinese: nothing is left in English, and nothing stays Chinese when it is English again."""

from __future__ import annotations

import datetime as dt
import re
import zipfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from xlkmv.build.filling import filling
from xlkmv.build.template import build_template
from xlkmv.deal.examples import EXAMPLES, example
from xlkmv.language import LANGUAGES, catalogue, retold
from xlkmv.phrase import Phrase
from xlkmv.refresh.run import refresh
from xlkmv.refresh.solving import solve_book
from xlkmv.refresh.wording import choose_language, remember, said_again, write_texts
from xlkmv.workbook import layout
from xlkmv.workbook.book import FileBook

NOW = dt.datetime(2026, 1, 2, 3, 4, 5)
CHINESE = LANGUAGES["zh"]
# Words of the market and of the product that Chinese texts use as they are.
WORDS = ("KMV", "Shapley", "CreditMetrics", "CreditRisk", "CreditPortfolioView", "CDR", "Checks")
# Tables that list tables, headings and texts of both languages by name.
LISTS = (layout.INPUT, layout.TEXTS, layout.SAID)
# Fields of results that hold marks and versions.
MARKS = ("hash", "version")
CHARTS = {"c": "http://schemas.openxmlformats.org/drawingml/2006/chart"}


def small(key: str) -> Any:
    """An example with few paths: what is said does not hang on their number."""
    found = example(key)
    return replace(found, deal=replace(found.deal, terms=replace(found.deal.terms, paths=400)))


@cache
def draft(key: str, folder: Path) -> Path:
    return build_template(folder / f"{key}.xlsm", small(key), refreshed=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("languages")


def refreshed(path: Path, target: Path, *languages: str | None) -> FileBook:
    """Refresh a workbook once in each language, as a file each time."""
    for language in languages:
        book = FileBook(path)
        book.write_name(layout.LANGUAGE, language)
        refresh(book, now=NOW)
        path = book.save(target)
    return FileBook(path)


@cache
def first(key: str, language: str | None, folder: Path) -> FileBook:
    """An example after its first refresh, in a language."""
    return refreshed(draft(key, folder), folder / f"{key} {language}.xlsm", language)


@cache
def solved(key: str, language: str | None, folder: Path) -> Path:
    """The same, solved: what :func:`first` and :func:`solve_book` leave."""
    book = FileBook(first(key, language, folder).path)
    solve_book(book, now=NOW, target=0.01, name=read_class(book))
    return book.save(folder / f"{key} {language} solved.xlsm")


def read_class(book: FileBook) -> str:
    return str(book.table(layout.TRANCHE.name).column("Tranche")[0])


def result_texts(book: FileBook) -> list[tuple[str, str]]:
    """Place and text of every result that is one."""
    found = []
    for spec in layout.TABLES.values():
        table = book.table(spec.name)
        for c in spec.results:
            if spec not in LISTS and c.field not in MARKS:
                cells = table.column(c.header)
                found += [(f"{spec.name}: {c.header}", x) for x in cells if isinstance(x, str)]
    for name in book.names():
        if name.startswith("out_") and name not in ("out_InputHash", "out_Version", "out_Money"):
            value = book.name(name).value if "Headline" not in name else None
            found += [(name, value)] if isinstance(value, str) else []
    return found


def names_of(book: FileBook) -> list[str]:
    """What users call things: longest first, so that none is cut by one in it."""
    cells: list[Any] = list(book.table(layout.CLASS_SCALE.name).column("Grade"))
    for spec, headers in ((layout.POOL, ("Obligor", "Industry")), (layout.TRANCHE, ("Tranche",))):
        cells += [x for header in headers for x in book.table(spec.name).column(header)]
    cells += book.table(layout.COVENANT.name).column("Test")
    return sorted({str(x) for x in cells if x is not None}, key=len, reverse=True)


def in_english(text: str, names: list[str]) -> list[str]:
    """Words of a text that are neither Chinese nor names, figures or words of the market."""
    for name in (*names, *WORDS):
        text = re.sub(rf"(?<![A-Za-z]){re.escape(name)}(?![A-Za-z])", "", text)
    return re.findall(r"[A-Za-z]{2,}", re.sub(r"\d(?:\.\d+)?E[-+]\d+", "", text))


@pytest.mark.parametrize("key", EXAMPLES)
def test_a_refresh_in_chinese_leaves_no_english_in_a_result(key: str, folder: Path) -> None:
    book = first(key, CHINESE, folder)
    texts, names = result_texts(book), names_of(book)
    assert len(texts) > 100
    assert [(place, text) for place, text in texts if in_english(text, names)] == []
    # What the same refresh has saved in English is told as it is said here.
    english = result_texts(first(key, None, folder))
    told = [retold(text.partition("   ")[0], "en", "zh", names) for _, text in english]
    assert told == [text for _, text in texts]


def titles(path: Path) -> list[str]:
    """What charts say: titles, axes and names of series."""
    with zipfile.ZipFile(path) as package:
        parts = [n for n in package.namelist() if re.fullmatch(r"xl/charts/chart\d+\.xml", n)]
        roots = [etree.fromstring(package.read(name)) for name in sorted(parts)]
    return [v.text or "" for root in roots for v in root.iterfind(".//c:tx//c:v", CHARTS)]


def shown(path: Path) -> dict[str, Any]:
    """Every cell of every sheet, and the titles of the charts."""
    book = FileBook(path)
    return {name: book.cells(name) for name in book.sheets()} | {"titles": titles(path)}


def test_charts_speak_chinese_and_every_link_has_its_text(folder: Path) -> None:
    path = first("patents", CHINESE, folder).path
    said = titles(path)
    assert len(said) > 60
    deal = example("patents").deal
    kept = ["RMB", "VaR", *deal.terms.class_scale.grades, *(t.name for t in deal.tranches)]
    assert [text for text in said if in_english(text, kept)] == []
    with zipfile.ZipFile(path) as package:
        for name in (n for n in package.namelist() if n.startswith("xl/worksheets/sheet")):
            for cell in etree.fromstring(package.read(name)).iter("{*}c"):
                if cell.find("{*}f") is not None:
                    assert cell.findtext("{*}v"), f"{name}: {cell.get('r')}"


# Charts that may have nothing to draw, and why: before any result, after a quick look and after a refresh. Of
# the example of car loans, which has no collections since closing, and no input with a range.
EMPTY = {
    "Accumulated in against due": ("no results yet", "", ""),
    "Accumulated collections, as a share of the plan": ("no results yet", *["nothing has come in yet"] * 2),
    "Obligors in default": ("no results yet", *["nothing has come in yet"] * 2),
    "Any-date PD (simulated) against the size of the class": ("not solved yet: press Solve",) * 3,
    "From all controls off to the deal as it is: any-date PD": ("no results yet", "not in a quick look", ""),
    "The conditions that move the PD to quote most": ("no results yet", "not in a quick look", ""),
    "Which input matters: share of the uncertainty of the class": (
        "no results yet",
        "not in a quick look",
        "no input has a range",
    ),
    "What moved the class, case by case": ("not compared yet: press Compare",) * 3,
}


def test_a_chart_without_figures_says_why_in_its_title(folder: Path, tmp_path: Path) -> None:
    source, full = draft("auto", folder), first("auto", None, folder).path
    quick = FileBook(source)
    refresh(quick, now=NOW, quick=True)
    for place, path in enumerate((source, quick.save(tmp_path / "quick.xlsm"), full)):
        book, said = FileBook(path), titles(path)
        cells = {str(book.name(name).value) for name in layout.DRAWN}
        for title, why in EMPTY.items():
            text = f"{title} - {why[place]}" if why[place] else title
            # The link of the title and what is saved beside it for spreadsheets that do not follow links.
            assert text in cells and text in said, (path.name, title)
    assert "Any-date PD (simulated) against the size of the class" in titles(solved("auto", None, folder))


def test_back_in_english_everything_is_as_if_it_had_never_been_chinese(folder: Path, tmp_path: Path) -> None:
    solved_in = {language: solved("patents", language, folder) for language in (None, CHINESE)}
    english = shown(refreshed(solved_in[None], tmp_path / "en.xlsm", None, None).path)
    back = shown(refreshed(solved_in[CHINESE], tmp_path / "back.xlsm", CHINESE, None).path)
    texts = FileBook(tmp_path / "back.xlsm").table(layout.SAID.name)
    assert len(texts.rows) > 5  # the solve was in Chinese
    for name, cells in english.items():
        assert back[name] == cells, name


def sheet_titles(book: FileBook) -> dict[str, Any]:
    """What is saved as the title of each sheet."""
    return {name: book.cells(name, 1)[0][1] for name in book.sheets() if not name.startswith("_")}


@pytest.mark.parametrize(
    ("currency", "unit", "in_english", "in_chinese"),
    [("USD", "million", "USD million", "USD million"), ("", "", "money", "金额")],
)
def test_titles_lead_with_chinese_where_the_workbook_speaks_it(
    currency: str, unit: str, in_english: str, in_chinese: str, tmp_path: Path
) -> None:
    """In viewers that do not compute, too: what is saved has to be right, there and back."""
    deal = replace(filling(small("lease")), currency=currency, unit=unit)
    path = build_template(tmp_path / "deal.xlsm", deal, refreshed=False)
    english = sheet_titles(FileBook(path))
    assert english["Pool"] == f"Pool   资产池   ({in_english})"
    assert english["Terms"] == f"Terms and controls   条款与风险控制   ({in_english})"
    assert english["Result"] == "Result   各层级结果"
    assert in_english in titles(path)  # of an axis
    for language, expected in (
        ("zh", {"Pool": f"资产池   Pool   ({in_chinese})", "Result": "各层级结果   Result"}),
        ("en", english),
    ):
        book = FileBook(path)
        choose_language(book, language)
        found = sheet_titles(FileBook(book.save(path)))
        assert {name: found[name] for name in expected} == expected
        assert all(re.match("[A-Z]" if language == "en" else "[\u4e00-\u9fff]", x) for x in found.values())
        assert {"en": in_english, "zh": in_chinese}[language] in titles(path)


def test_what_a_solve_has_said_follows_the_language(folder: Path, tmp_path: Path) -> None:
    english = FileBook(solved("patents", None, folder))
    questions = english.table(layout.STRUCTURE.name).column("Question")
    assert questions[0] == "Largest size, this class alone"
    chinese = refreshed(english.path, tmp_path / "zh.xlsm", CHINESE)
    say = catalogue("zh").gettext
    assert chinese.table(layout.STRUCTURE.name).column("Question") == [say(str(q)) for q in questions]
    assert str(chinese.name("out_TitleFrontier").value).startswith("前沿：")
    assert "条路径" in str(chinese.name("out_Solved").value)
    names = names_of(chinese)
    remarks = [x for x in chinese.table(layout.STRUCTURE.name).column("Remark") if x]
    assert remarks and not any(in_english(str(x), names) for x in remarks)


def test_phrases_are_remembered_once_and_found_in_any_language(folder: Path, tmp_path: Path) -> None:
    book, phrase = FileBook(draft("patents", folder)), Phrase("{name}, {date}", name="A", date="2020-01-01")
    remember(book, [phrase, 1.0, "a name", None])
    size = len(book.table(layout.SAID.name).rows)
    remember(book, [phrase])
    assert len(book.table(layout.SAID.name).rows) == size
    assert said_again(book)["A，2020-01-01"] == "A, 2020-01-01"
    assert "a name" not in said_again(book)
    book.write_name(layout.LANGUAGE, CHINESE)
    assert said_again(book)["A, 2020-01-01"] == "A，2020-01-01"


def test_texts_change_only_where_the_language_does(folder: Path, tmp_path: Path) -> None:
    source = draft("lease", folder)
    book = FileBook(source)
    write_texts(book)
    target = book.save(tmp_path / "same.xlsm")
    assert book.blanked == []
    with zipfile.ZipFile(source) as one, zipfile.ZipFile(target) as other:
        assert {name: one.read(name) for name in one.namelist()} == {
            name: other.read(name) for name in other.namelist()
        }


def test_a_workbook_without_the_sheet_of_texts_is_refreshed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of earlier editions are."""
    book = FileBook(draft("lease", folder))
    known = [name for name in book.tables() if name not in (layout.TEXTS.name, layout.SAID.name)]
    monkeypatch.setattr(book, "tables", lambda: known)
    book.write_name(layout.LANGUAGE, CHINESE)
    refresh(book, now=NOW)
    assert book.name("out_Checks").value == "全部通过"


@pytest.mark.parametrize("key", EXAMPLES)
def test_every_fixed_text_has_its_chinese(key: str, folder: Path) -> None:
    table = FileBook(draft(key, folder)).table(layout.TEXTS.name)
    pairs = list(zip(table.column("English"), table.column(CHINESE), strict=True))
    same = [a for a, b in pairs if a == b]
    assert set(same) <= {"Copula", "address", "CDR", "-", example(key).currency}
    assert not [b for _, b in pairs if not re.search(r"[\u4e00-\u9fff]", str(b)) and b not in same]


def test_every_language_has_its_columns() -> None:
    assert {c.field for c in layout.TEXTS.columns} == {*LANGUAGES, "shown"}
    assert {c.field for c in layout.SAID.columns} == {*LANGUAGES}
