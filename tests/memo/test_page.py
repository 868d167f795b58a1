"""The page is one file that fetches nothing, and shows every name as it is."""

from __future__ import annotations

import re

import pytest
from lxml import etree, html
from memo_deals import HOSTILE, STAMP, analysed

from xlkmv.language import LANGUAGES
from xlkmv.memo.charts import pictures
from xlkmv.memo.content import Assumption, Memo, memo
from xlkmv.memo.page import html as page

FOUND = [Assumption("Pool!D7", HOSTILE, HOSTILE, HOSTILE)]


def laid_out(name: str, language: str = "en", quick: bool = False) -> tuple[Memo, str]:
    said = memo(*analysed(name, quick), STAMP, FOUND, language)
    return said, page(said, pictures(said))


@pytest.mark.parametrize("language", [*LANGUAGES])
def test_every_text_of_the_memo_is_on_the_page(each, language):
    said = memo(*each, STAMP, FOUND, language)
    root = html.fromstring(page(said, pictures(said)))
    shown = " ".join(" ".join(root.itertext()).split())
    texts = [said.title, said.subtitle, *said.footer, said.controls_note, said.conditions_note]
    texts += [line.text for line in said.reading]
    for table in (said.classes, said.drivers, said.spread, said.stress, said.assumptions):
        texts += [*table.heading, table.note]
        texts += [part for row in table.rows for cell in row for part in cell.split("\n")]
    assert [text for text in texts if " ".join(text.split()) not in shown] == []
    assert root.get("lang") == language


def test_no_name_becomes_part_of_the_page():
    _, text = laid_out("hostile")
    root = html.fromstring(text)
    assert [*root.iter("script")] == []
    assert HOSTILE in "".join(root.itertext())
    # As text only: its brackets are escaped wherever they stand, pictures included.
    assert "<script" not in text


def test_nothing_is_fetched():
    _, text = laid_out("patents")
    root = html.fromstring(text)
    links = {
        value for item in root.iter() for key, value in item.items() if key.split(":")[-1] in ("src", "href")
    }
    links |= {value for item in root.iter("{*}use") for key, value in item.items() if key.endswith("href")}
    assert all(link.startswith("#") for link in links)
    assert re.findall(r"url\((?!#)", text) == []
    assert [*root.iter("link", "iframe", "img")] == []


def test_there_are_two_pages_of_paper():
    for name in ("one class", "twelve classes"):
        _, text = laid_out(name)
        root = html.fromstring(text)
        assert len(root.find_class("page")) == 2
        assert "size: A4" in text and "overflow: hidden" in text


def test_a_quick_look_is_marked_on_the_page():
    _, text = laid_out("patents", quick=True)
    assert html.fromstring(text).find_class("quick")[0].text.startswith("QUICK LOOK")
    assert not html.fromstring(laid_out("patents")[1]).find_class("quick")


def test_equal_memos_are_equal_bytes():
    assert laid_out("patents")[1] == laid_out("patents")[1]


def test_the_pictures_are_well_formed_and_told():
    said, text = laid_out("hostile")
    for key, picture in pictures(said).items():
        root = etree.fromstring(picture.svg.encode())
        assert etree.QName(root).localname == "svg"
        assert picture.png.startswith(b"\x89PNG")
        assert html.fromstring(text).find_class(key)[0].get("aria-label") == picture.text
