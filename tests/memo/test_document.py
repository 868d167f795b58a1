"""The Word file holds what the page holds."""

from __future__ import annotations

import io
import itertools
import zipfile

import pytest
from docx import Document
from docx.oxml.ns import qn
from docx.shared import Mm
from lxml import etree
from memo_deals import HOSTILE, STAMP, analysed

from xlkmv.language import LANGUAGES
from xlkmv.memo.charts import pictures
from xlkmv.memo.content import Assumption, memo
from xlkmv.memo.document import docx

FOUND = [Assumption("Pool!D7", "PD", "1.00%", HOSTILE)]


def texts(data: bytes) -> str:
    body = Document(io.BytesIO(data)).element.body
    return "\n".join("".join(t.text or "" for t in p.iter(qn("w:t"))) for p in body.iter(qn("w:p")))


@pytest.mark.parametrize("language", [*LANGUAGES])
def test_every_text_of_the_memo_is_in_the_file(each, language):
    said = memo(*each, STAMP, FOUND, language)
    shown = texts(docx(said, pictures(said))).split("\n")
    wanted = [said.title, said.subtitle, *said.footer, said.controls_note, said.conditions_note]
    wanted += [line.text for line in said.reading]
    wanted += [text for pair in (*said.deal, *said.concentration) for text in pair]
    for table in (said.classes, said.drivers, said.spread, said.stress, said.assumptions):
        wanted += [*(table.heading if table.rows else ()), table.note]
        wanted += [part for row in table.rows for cell in row for part in cell.split("\n")]
    assert [text for text in wanted if text and text not in shown] == []


def test_it_is_a4_with_the_charts_inside_the_margins(each):
    said = memo(*each, STAMP)
    drawn = pictures(said)
    document = Document(io.BytesIO(docx(said, drawn)))
    (section,) = document.sections
    assert (section.page_width, section.page_height) == pytest.approx((Mm(210), Mm(297)), rel=1e-4)
    extents = [int(item.get("cx")) for item in document.element.body.iter(qn("wp:extent"))]
    assert len(extents) == len(drawn)
    assert max(extents) <= section.page_width - section.left_margin - section.right_margin
    breaks = [*document.element.body.iter(qn("w:pageBreakBefore"))]
    assert len(breaks) == 1  # two pages


def test_tables_do_not_touch_or_word_would_make_one_of_them():
    said = memo(*analysed("patents"), STAMP, FOUND)
    body = Document(io.BytesIO(docx(said, pictures(said)))).element.body
    for holder in (body, *body.iter(qn("w:tc"))):
        kinds = [etree.QName(item).localname for item in holder]
        assert ("tbl", "tbl") not in {*itertools.pairwise(kinds)}
        if etree.QName(holder).localname == "tc":
            assert kinds[-1] == "p"


def test_every_part_is_well_formed_and_no_name_is_markup():
    said = memo(*analysed("hostile"), STAMP, FOUND)
    data = docx(said, pictures(said))
    assert HOSTILE in texts(data)
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        assert package.testzip() is None
        for name in package.namelist():
            if name.endswith((".xml", ".rels")):
                etree.fromstring(package.read(name))
        assert b"<script" not in package.read("word/document.xml")
