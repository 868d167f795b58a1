"""The language that a workbook asks for, and its sentences in it."""

from __future__ import annotations

from xlkmv.functions.cells import is_blank
from xlkmv.language import ENGLISH, LANGUAGES, Say, catalogue
from xlkmv.workbook import layout
from xlkmv.workbook.book import Book

__all__ = ["language_of", "speaker", "write_texts"]


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
        For :func:`xlkmv.language.said`.
    """
    return catalogue(language_of(book) or ENGLISH).gettext


def write_texts(book: Book) -> None:
    """Say the texts that no refresh makes, on sheets and in charts, in the language of a workbook.

    A spreadsheet does that by itself when cell Language changes; whoever changes it otherwise, and
    charts whose titles LibreOffice has saved as plain texts, need it here.

    Parameters
    ----------
    book : Book
    """
    spec = layout.TEXTS
    if spec.name.casefold() not in {name.casefold() for name in book.tables()}:
        return
    table, wanted = book.table(spec.name), language_of(book) or ENGLISH
    columns = {key: table.column(spec.column(key).header) for key in LANGUAGES}
    shown = columns[wanted]
    header = spec.column("shown").header
    if table.column(header) != shown:
        book.write_table(spec.name, {header: shown})
    pairs = (pair for texts in columns.values() for pair in zip(texts, shown, strict=True))
    book.retitle({str(text): str(said) for text, said in pairs if text != said})
