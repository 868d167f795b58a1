"""The language that a workbook asks for, and its sentences in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from xlkmv.functions.cells import is_blank
from xlkmv.language import ENGLISH, LANGUAGES, catalogue
from xlkmv.phrase import Phrase, Say, said
from xlkmv.workbook import layout
from xlkmv.workbook.book import Book, has_table

__all__ = ["choose_language", "language_of", "remember", "said_again", "speaker", "write_texts"]

# Texts that a workbook remembers; of more the oldest go.
SAID_ROWS = 2_000


def language_of(book: Book) -> str | None:
    """Language of a workbook's sentences.

    Parameters
    ----------
    book : Book

    Returns
    -------
    str or None
        A key of :data:`~xlkmv.language.LANGUAGES`; English where the cell is blank or not there, None
        where it names no language that is known.
    """
    if layout.LANGUAGE not in book.names():
        return ENGLISH
    value = book.name(layout.LANGUAGE).value
    if is_blank(value):
        return ENGLISH
    wanted = str(value).strip().casefold()
    return next((key for key, name in LANGUAGES.items() if wanted in (key, name.casefold())), None)


def speaker(book: Book) -> Say:
    """Give what says texts in the language of a workbook; in English where that is not known.

    Parameters
    ----------
    book : Book

    Returns
    -------
    callable
        For :func:`xlkmv.phrase.said`.
    """
    return catalogue(language_of(book) or ENGLISH).gettext


def choose_language(book: Book, language: str) -> None:
    """Let a workbook speak a language: its texts at once, its results from the next refresh on.

    Parameters
    ----------
    book : Book
    language : str
        A key of :data:`~xlkmv.language.LANGUAGES`.
    """
    book.write_name(layout.LANGUAGE, LANGUAGES[language])
    write_texts(book)


def write_texts(book: Book) -> None:
    """Say the texts that no refresh makes, on sheets and in charts, in the language of a workbook.

    A spreadsheet does that by itself when cell Language changes; whoever changes it otherwise, and
    charts whose titles LibreOffice has saved as plain texts, need it here.

    Parameters
    ----------
    book : Book
    """
    spec = layout.TEXTS
    if not has_table(book, spec.name):
        return
    table, wanted = book.table(spec.name), language_of(book) or ENGLISH
    columns = {key: table.column(spec.column(key).header) for key in LANGUAGES}
    shown = columns[wanted]
    header = spec.column("shown").header
    if table.column(header) != shown:
        book.write_table(spec.name, {header: shown})
    pairs = (pair for texts in columns.values() for pair in zip(texts, shown, strict=True))
    book.retitle({str(text): str(said) for text, said in pairs if text != said})


def remember(book: Book, texts: Iterable[Any]) -> None:
    """Keep in every language what was written and later refreshes leave in place.

    Call it once for all that is written: an open workbook shows its writes only when they are done.

    Parameters
    ----------
    book : Book
    texts : iterable
        Phrases; whatever else is among them is passed over.
    """
    spec, columns = layout.SAID, [c.header for c in layout.SAID.columns]
    if not has_table(book, spec.name):
        return
    says = [catalogue(c.field).gettext for c in spec.columns]
    table = book.table(spec.name)
    before = [row for row in zip(*map(table.column, columns), strict=True) if row[0] is not None]
    new = [tuple(said(text, say) for say in says) for text in texts if isinstance(text, Phrase)]
    rows = list(dict.fromkeys([*before, *new]))[-SAID_ROWS:]
    if rows != before:
        book.write_table(spec.name, dict(zip(columns, zip(*rows, strict=True), strict=True)), resize=True)


def said_again(book: Book) -> dict[Any, Any]:
    """Give for each text that is remembered, in any language, what it is in the language of a workbook.

    Parameters
    ----------
    book : Book

    Returns
    -------
    dict
    """
    spec = layout.SAID
    if not has_table(book, spec.name):
        return {}
    table = book.table(spec.name)
    columns = {c.field: table.column(c.header) for c in spec.columns}
    shown = columns[language_of(book) or ENGLISH]
    return {text: now for texts in columns.values() for text, now in zip(texts, shown, strict=True)}
