"""Rows of a sheet as spreadsheets usually write them, read and written as text.

A tree of every cell would take many times as long; whatever is unusual in a row is left to
:mod:`xlkmv.workbook.sheet`, which reads trees.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape as escape_xml
from xml.sax.saxutils import unescape as unescape_xml

from xlkmv.errors import BookError
from xlkmv.phrase import Phrase
from xlkmv.workbook.address import LAST_COLUMN, column_letters, column_number
from xlkmv.workbook.markup import tags
from xlkmv.workbook.stored import escape

__all__ = ["COLUMNS", "Model", "Place", "PlainCells", "PlainRows"]


class _Columns(dict[str, int]):
    def __missing__(self, letters: str) -> int:
        number = column_number(letters)
        if number > LAST_COLUMN:
            raise BookError(
                Phrase("the workbook is broken: it has a cell in column {letters}", letters=letters)
            )
        self[letters] = number
        return number


class _Letters(dict[int, str]):
    def __missing__(self, number: int) -> str:
        self[number] = letters = column_letters(number)
        return letters


COLUMNS, _LETTERS = _Columns(), _Letters()
_QUOTES = {"&quot;": '"', "&apos;": "'"}
_LAYOUTS = 10_000  # that are remembered


class Place(NamedTuple):
    """What a cell is before its value: column, type and style as the file has them, number or not."""

    column: int
    kind: str
    style: str
    is_number: bool


class PlainCells(NamedTuple):
    """The cells of a row, each part of them in the order of the row."""

    places: tuple[Place, ...]
    whole: Sequence[bytes]
    formulas: Sequence[bytes]
    values: Sequence[bytes]
    texts: Sequence[bytes]  # of cells that hold a text of their own


class Model(NamedTuple):
    """What a new cell takes from another: style, kind and metadata of a formula, each as the file has it."""

    style: str | None
    kind: str = ""
    metadata: str | None = None


class PlainRows:
    """Reads and writes the XML of rows.

    Parameters
    ----------
    prefix : bytes
        Of the names of elements, with its colon; empty as a rule.
    date_styles : container of str
        Styles in which a number is a date.
    """

    def __init__(self, prefix: bytes, date_styles: frozenset[str]) -> None:
        self._bytes, self._prefix, self._dates = prefix, prefix.decode(), date_styles
        # Column, style and type, formula, value or a text of its own.
        self._cell = re.compile(
            (
                rb'(<@c r="([A-Z]{1,3})\d++"((?: s="\d++")?+(?: t="\w++")?+)'
                rb"(?:/>|>(<@f[^<>]*+>(?:(?<=/>)|[^<]*+</@f>))?+"
                rb"(?:<@v>([^<&]++)</@v>|<@is><@t[^<>]*+>([^<&\r]++)</@t></@is>)?+</@c>))"
            ).replace(b"@", re.escape(prefix))
        )
        self._formula = re.compile(rb"<@f([^<>]*+)>([^<]*+)".replace(b"@", re.escape(prefix)))
        self._of_formula = re.compile(rb'<@c r="([A-Z]{1,3})\d++"[^<>]*+>'.replace(b"@", re.escape(prefix)))
        self._attribute = re.compile(r'(?<!\w)(\w++)="([^"]*+)"')
        self._row = tags(re.escape(prefix + b"row"))
        # Rows of a table are laid out alike: letters and attributes of their cells -> places.
        self._layouts: dict[tuple[Sequence[bytes], Sequence[bytes]], tuple[Place, ...] | None] = {}

    def cells(self, raw: bytes) -> PlainCells | None:
        """Cells of a row; None when something in it is unusual."""
        found = self._cell.findall(raw)
        if len(found) != raw.count(b"<" + self._bytes + b"c"):
            return None
        whole, letters, attributes, *rest = zip(*found, strict=True) if found else [()] * 6
        key = letters, attributes
        if key not in self._layouts:
            if len(self._layouts) >= _LAYOUTS:
                self._layouts.clear()
            places = tuple(map(self._place, letters, attributes))
            in_order = all(a.column < b.column for a, b in itertools.pairwise(places))
            self._layouts[key] = places if in_order else None
        layout = self._layouts[key]
        return None if layout is None else PlainCells(layout, whole, *rest)

    def _place(self, letters: bytes, attributes: bytes) -> Place:
        said = dict(re.findall(r'(\w)="(\w+)"', attributes.decode()))
        kind, style = said.get("t", "n"), said.get("s", "")
        return Place(COLUMNS[letters.decode()], kind, style, kind == "n" and style not in self._dates)

    def around(self, raw: bytes, cells: PlainCells) -> tuple[bytes, bytes] | None:
        """XML of a row before and after its cells; None when there is any between them."""
        body = b"".join(cells.whole)
        if not body:
            tag = self._row.match(raw)
            if tag is None:
                return None
            start, end = raw[: tag.end()], raw[tag.end() :]
            closing = b"</" + self._bytes + b"row>"
            return (start[:-2] + b">", closing + end) if tag[2] else (start, end)
        first = raw.index(cells.whole[0])
        return (raw[:first], raw[first + len(body) :]) if raw.startswith(body, first) else None

    def formulas(self, raw: bytes) -> list[tuple[int, str, dict[str, str]]] | None:
        """Column, text and attributes of the formulas of a row; None when one of them is unusual."""
        found, start, last = [], b"<" + self._bytes + b"c ", 0
        for formula in self._formula.finditer(raw):
            before, last = raw.rfind(start, last, formula.start()), formula.end()
            cell = self._of_formula.fullmatch(raw, max(before, 0), formula.start())
            if cell is None or b"&#" in formula[2]:
                return None
            text = formula[2].decode()
            said = dict(self._attribute.findall(formula[1].decode())) if formula[1] else {}
            plain = unescape_xml(text, _QUOTES) if "&" in text else text
            found.append((COLUMNS[cell[1].decode()], plain, said))
        return found

    def cell(
        self, row: int, column: int, kind: str, text: str, style: str = "", formula: bytes = b""
    ) -> bytes:
        """XML of a cell with a value: its type and text as `stored.encode` gives them."""
        p, look = self._prefix, f' s="{style}"' if style else ""
        start = f'<{p}c r="{_LETTERS[column]}{row}"{look}'
        if kind == "n":
            inner = f"<{p}v>{text}</{p}v>"
        elif not kind:
            inner = ""
        else:
            space = ' xml:space="preserve"' if text != text.strip() else ""
            inline = kind == "str" and not formula
            start += ' t="inlineStr"' if inline else f' t="{kind}"'
            said = escape_xml(escape(text))
            inner = f"<{p}is><{p}t{space}>{said}</{p}t></{p}is>" if inline else f"<{p}v{space}>{said}</{p}v>"
        inner = formula.decode() + inner
        return (f"{start}>{inner}</{p}c>" if inner else f"{start}/>").encode()

    def row(self, number: str, models: Mapping[int, Model], texts: Mapping[int, str]) -> bytes:
        """XML of a new row without values: models of its cells and texts of their formulas, by column."""
        p, cells = self._prefix, []
        for column, model in models.items():
            place, inner = f"{_LETTERS[column]}{number}", ""
            look = "" if model.style is None else f' s="{model.style}"'
            if column in texts:
                array = model.kind == "array"
                if array and model.metadata is not None:
                    look += f' cm="{model.metadata}"'
                said = f' t="array" ref="{place}"' if array else ""
                inner = f"<{p}f{said}>{escape_xml(texts[column])}</{p}f>"
            cells.append(f'<{p}c r="{place}"{look}' + (f">{inner}</{p}c>" if inner else "/>"))
        return f'<{p}row r="{number}">{"".join(cells)}</{p}row>'.encode()
