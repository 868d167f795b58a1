"""The memo as a Word file: the same words, tables and charts as the page, on two pages A4."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from docx import Document
from docx.enum.table import WD_TABLE_ALIGNMENT
from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_LINE_SPACING
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Mm, Pt, RGBColor

from xlkmv.memo.charts import Picture
from xlkmv.memo.content import Memo, Table

__all__ = ["docx"]

LATIN, CHINESE = "Arial", "Microsoft YaHei"
INK: RGBColor = RGBColor(0x1F, 0x38, 0x64)
GREY: RGBColor = RGBColor(0x59, 0x59, 0x59)
ALARM: RGBColor = RGBColor(0xB0, 0x00, 0x20)
PALE, LINE = "DCE6F1", "BFC8D6"
TEXT, SMALL, HEADING = 8.5, 7.0, 9.5  # points
WIDTH = 182.0  # millimetres between the margins
HALF = 89.0
# Widths of the columns of the table of classes, with the PD without undertaking and without it.
CLASSES: dict[int, tuple[float, ...]] = {
    10: (55.0, 11.0, 21.0, 19.0, 14.5, 11.0, 16.0, 12.0, 10.5, 12.0),
    9: (58.0, 13.0, 32.0, 15.0, 12.0, 17.0, 12.0, 11.0, 12.0),
}
CELL_MARGIN = 1.2


def docx(memo: Memo, pictures: Mapping[str, Picture]) -> bytes:
    """Lay a memo out as a Word file.

    Parameters
    ----------
    memo : Memo
    pictures : mapping of str to Picture
        From :func:`~xlkmv.memo.charts.pictures`.

    Returns
    -------
    bytes
        The whole file.
    """
    document = Document()
    _set_up(document, memo)
    body, words = document, memo.headings
    _line(body, memo.title, size=14.0, bold=True, color=INK)
    _line(body, memo.subtitle, color=GREY)
    if memo.quick:
        _line(body, memo.quick, bold=True, color=ALARM)
    _heading(body, words["deal"])
    _pairs(body, memo.deal, 22.0, WIDTH)
    _heading(body, words["classes"])
    _table(body, memo.classes, WIDTH, strong=True, widths=CLASSES[len(memo.classes.heading)])
    _heading(body, words["reading"])
    _pairs(
        body,
        [(line.label, line.text) for line in memo.reading],
        30.0,
        WIDTH,
        alarms=[line.alarm for line in memo.reading],
    )
    _heading(body, words["cover"])
    _picture(body, pictures["cover"], WIDTH - 1.0, height=68.0)
    if memo.roomy:
        _sizes(body, memo)
    _close(body).paragraph_format.page_break_before = True
    controls, conditions = _columns(body, HALF + 2.0, WIDTH - HALF - 2.0)
    for cell, key, note in (
        (controls, "controls", memo.controls_note),
        (conditions, "conditions", memo.conditions_note),
    ):
        _heading(cell, words[key])
        if key in pictures:
            _picture(cell, pictures[key], HALF - 4.0, height=70.0)
        _line(cell, note, size=SMALL, color=GREY)
    left, right = _columns(body, 112.0, WIDTH - 112.0)
    _heading(left, words["drivers"])
    _table(left, memo.drivers, 108.0, first=36.0)
    _heading(right, words["concentration"])
    _pairs(right, memo.concentration, 28.0, WIDTH - 116.0)
    if not memo.roomy:
        _sizes(body, memo)
    _heading(body, words["assumptions"])
    few = len(memo.assumptions.heading) == 4  # a line each, and not running text
    widths = (26.0, 50.0, 36.0, 70.0) if few else (26.0, WIDTH - 26.0)
    _table(body, memo.assumptions, WIDTH, size=SMALL - 0.3, widths=widths)
    for text in memo.footer:
        _line(body, text, size=SMALL, color=GREY)
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def _set_up(document: Any, memo: Memo) -> None:
    """Paper, margins, fonts and properties; what Word's own template would have otherwise."""
    section = document.sections[0]
    section.page_width, section.page_height = Mm(210), Mm(297)
    section.left_margin = section.right_margin = Mm(14)
    section.top_margin, section.bottom_margin = Mm(11), Mm(9)
    section.header_distance = section.footer_distance = Mm(4)
    style = document.styles["Normal"]
    style.font.name, style.font.size = LATIN, Pt(TEXT)
    style.element.rPr.rFonts.set(qn("w:eastAsia"), CHINESE)
    style.element.rPr.append(_element("w:lang", val="en-GB", eastAsia="zh-CN"))
    properties = document.core_properties
    properties.title, properties.author, properties.comments = memo.title, "xlkmv", ""
    properties.language = memo.language


def _sizes(body: Any, memo: Memo) -> None:
    """Break-even sizes and the pool spread otherwise, side by side."""
    left, right = _columns(body, HALF + 2.0, WIDTH - HALF - 2.0)
    _heading(left, memo.headings["stress"])
    _table(left, memo.stress, HALF - 3.0, first=44.0)
    _heading(right, memo.headings["spread"])
    _table(right, memo.spread, HALF - 3.0, first=33.0)


# ------------------------------------------------------------------------------------ pieces


def _paragraph(body: Any) -> Any:
    """Add a paragraph; a cell begins with one that is used first."""
    found = getattr(body, "paragraphs", [])
    fresh = hasattr(body, "_tc") and len(found) == 1 and not found[0].runs and not body.tables
    paragraph = found[0] if fresh else body.add_paragraph()
    paragraph.paragraph_format.space_before = paragraph.paragraph_format.space_after = Pt(0)
    return paragraph


def _line(
    body: Any,
    text: str,
    size: float = TEXT,
    bold: bool = False,
    color: RGBColor | None = None,
    right: bool = False,
) -> Any:
    """Add a line of text, as high as its letters whatever font they are in."""
    paragraph = _paragraph(body)
    run = paragraph.add_run(text)
    run.font.size, run.bold = Pt(size), bold
    if color is not None:
        run.font.color.rgb = color
    layout = paragraph.paragraph_format
    layout.line_spacing_rule, layout.line_spacing = WD_LINE_SPACING.EXACTLY, Pt(1.24 * size)
    if right:
        paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT
    return paragraph


def _heading(body: Any, text: str) -> None:
    paragraph = _line(body, text, size=HEADING, bold=True, color=INK)
    paragraph.paragraph_format.space_before, paragraph.paragraph_format.space_after = Pt(6), Pt(3)
    paragraph.paragraph_format.keep_with_next = True
    border = _element("w:pBdr")
    border.append(_element("w:bottom", val="single", sz="6", space="1", color="1F3864"))
    # The border comes before what is set later in Word's order of properties.
    paragraph._p.get_or_add_pPr().insert_element_before(
        border, "w:shd", "w:tabs", "w:spacing", "w:ind", "w:jc", "w:rPr"
    )


def _picture(body: Any, picture: Picture, width: float, height: float) -> None:
    """Add a chart as wide as it may be at this height, with its text for those who cannot see it."""
    scale = min(width / picture.width, height / picture.height)
    paragraph = _paragraph(body)
    paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
    shown = paragraph.add_run().add_picture(io.BytesIO(picture.png), width=Mm(scale * picture.width))
    shown._inline.docPr.set("descr", picture.text)


def _grid(body: Any, rows: int, widths: Sequence[float], high: float = 0.0) -> Any:
    """Add a table of fixed widths without borders; `high`: room over and under its lines, millimetres."""
    table = body.add_table(rows, len(widths))
    table.autofit, table.alignment = False, WD_TABLE_ALIGNMENT.LEFT
    for column, width in zip(table.columns, widths, strict=True):
        column.width = Mm(width)
    margins = _element("w:tblCellMar")
    for side, size in (("top", high), ("left", CELL_MARGIN), ("bottom", high), ("right", CELL_MARGIN)):
        margins.append(_element(f"w:{side}", w=_twips(size), type="dxa"))
    table._tbl.tblPr.append(margins)
    for row in table.rows:
        for cell, width in zip(row.cells, widths, strict=True):
            cell.width = Mm(width)
    return table


def _columns(body: Any, left: float, right: float) -> tuple[Any, Any]:
    """Add two columns side by side."""
    one, other = _grid(body, 1, (left, right)).rows[0].cells
    _close(body)
    return one, other


def _pairs(
    body: Any,
    pairs: Sequence[tuple[str, str]],
    label: float,
    width: float,
    alarms: Sequence[bool] = (),
) -> None:
    table = _grid(body, len(pairs), (label, width - label))
    for k, (row, (name, text)) in enumerate(zip(table.rows, pairs, strict=True)):
        alarm = bool(alarms) and alarms[k]
        _line(row.cells[0], name, color=GREY)
        _line(row.cells[1], text, bold=alarm, color=ALARM if alarm else None)
    _close(body)


def _table(
    body: Any,
    found: Table,
    width: float,
    first: float = 0.0,
    size: float = TEXT - 0.5,
    strong: bool = False,
    widths: Sequence[float] = (),
) -> None:
    """Add a table of the memo: heading shaded, a line under each row."""
    if found.rows:
        others = len(found.heading) - 1
        shares = widths or (first, *[(width - first) / others] * others)
        table = _grid(body, len(found.rows) + 1, shares, high=0.3)
        if not hasattr(body, "_tc"):  # its shade begins at the margin, as the lines of headings do
            before = table._tbl.tblPr.find(qn("w:tblLayout"))
            before.addprevious(_element("w:tblInd", w=_twips(CELL_MARGIN), type="dxa"))
        for cells, texts in zip((row.cells for row in table.rows), (found.heading, *found.rows), strict=True):
            head = texts is found.heading
            for k, (cell, text) in enumerate(zip(cells, texts, strict=True)):
                said, *more = text.split("\n")
                right = k not in found.left
                if head:
                    _line(cell, said, size=SMALL, bold=True, color=INK, right=right)
                else:
                    _line(cell, said, size=size, bold=strong, right=right)
                for part in more:
                    _line(cell, part, size=SMALL - 0.6, color=GREY, right=right)
                _frame(cell, PALE if head else None)
        _close(body)
    if found.note:
        _line(body, found.note, size=SMALL, color=GREY)


def _close(body: Any) -> Any:
    """End a table with a low paragraph: cells end with one, and without it two tables in a row are one."""
    paragraph = body.paragraphs[-1] if hasattr(body, "_tc") else body.add_paragraph()
    layout = paragraph.paragraph_format
    layout.space_before = layout.space_after = Pt(0)
    layout.line_spacing_rule, layout.line_spacing = WD_LINE_SPACING.EXACTLY, Pt(1)
    return paragraph


def _frame(cell: Any, fill: str | None) -> None:
    properties = cell._tc.get_or_add_tcPr()
    borders = _element("w:tcBorders")
    borders.append(_element("w:bottom", val="single", sz="2", space="0", color=LINE))
    properties.append(borders)
    if fill is not None:
        properties.append(_element("w:shd", val="clear", color="auto", fill=fill))


def _twips(millimetres: float) -> str:
    return str(round(millimetres * 1440.0 / 25.4))


def _element(name: str, **attributes: str) -> Any:
    element = OxmlElement(name)
    for key, value in attributes.items():
        element.set(qn(f"w:{key}"), value)
    return element
