"""A memo is written whole or not at all, and only where it may be."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from memo_deals import STAMP, analysed

import xlkmv
from xlkmv.environment import add
from xlkmv.errors import HostError, InputError
from xlkmv.memo import writing
from xlkmv.memo.writing import check, report


def test_both_files_are_written_and_nothing_is_left_beside_them(tmp_path):
    page, word = tmp_path / "memo.html", tmp_path / "memo.docx"
    page.write_text("old")
    assert xlkmv.report(*analysed("patents"), page, word, stamp=STAMP) == (page, word)
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert word.read_bytes().startswith(b"PK")
    assert sorted(tmp_path.iterdir()) == [word, page]


@pytest.mark.parametrize(
    ("html", "docx", "rule"),
    [
        ("memo.pdf", None, "html must be a file that ends in .html"),
        (None, "memo.doc", "docx must be a file that ends in .docx"),
        ("nowhere/memo.html", None, "html must be in a folder that exists"),
        ("folder.html", None, "html must be a file, not a folder"),
        ("open.html", None, r"html must not be open elsewhere: close it first, or delete .~lock.open.html#"),
        (None, "opened.docx", r"docx must not be open elsewhere: close it first, or delete ~\$ened.docx"),
        (None, None, "html, docx must name at least one file to write"),
    ],
)
def test_a_place_where_it_cannot_be_is_refused(tmp_path, html, docx, rule):
    (tmp_path / "folder.html").mkdir()
    for lock in (".~lock.open.html#", "~$ened.docx"):
        (tmp_path / lock).touch()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match=rule):
        report(*analysed("patents"), html and tmp_path / html, docx and tmp_path / docx)
    assert sorted(tmp_path.iterdir()) == before


def test_a_write_protected_file_is_refused(tmp_path, monkeypatch):
    page = tmp_path / "memo.html"
    page.touch()
    monkeypatch.setattr(writing.os, "access", lambda path, mode: False)  # root may write everything
    with pytest.raises(InputError, match="write-protected"):
        check(page, None)


def test_a_file_that_cannot_be_replaced_stays_as_it_was(tmp_path, monkeypatch):
    page = tmp_path / "memo.html"
    page.write_text("old")

    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(
        HostError, match=r"memo.html cannot be written \(Permission denied\); it is as it was"
    ):
        report(*analysed("patents"), page)
    assert page.read_text() == "old"
    assert [*tmp_path.iterdir()] == [page]


def test_without_the_extra_one_sentence_says_how_to_get_it(tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "docx" else found(name))
    with pytest.raises(HostError) as caught:
        report(*analysed("patents"), tmp_path / "memo.html")
    assert str(caught.value) == f"a memo needs python-docx: run  {add('report')}"
    assert [*tmp_path.iterdir()] == []


def test_without_a_chinese_font_the_charts_of_a_chinese_memo_are_english(tmp_path, monkeypatch):
    from xlkmv.memo import charts

    drawn = []
    pictures = charts.pictures
    monkeypatch.setattr(charts, "chinese_font", lambda: "")
    monkeypatch.setattr(charts, "pictures", lambda memo: drawn.append(memo) or pictures(memo))
    report(*analysed("patents"), tmp_path / "memo.html", language="zh", stamp=STAMP)
    assert drawn[0].headings["date"] == "Payment date"
    assert "兑付日" in (tmp_path / "memo.html").read_text(encoding="utf-8")


def test_the_versions_are_those_that_run():
    import numpy

    said = dict(writing.versions())
    assert said["numpy"] == numpy.__version__
    assert said["Python"] == ".".join(map(str, sys.version_info[:3]))
    assert said["xlkmv"] == xlkmv.__version__
