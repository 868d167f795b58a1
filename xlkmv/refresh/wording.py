"""The language that a workbook asks for, and its sentences in it."""

from __future__ import annotations

from xlkmv.functions.cells import is_blank
from xlkmv.language import ENGLISH, LANGUAGES, Say, catalogue
from xlkmv.workbook import layout
from xlkmv.workbook.book import Book

__all__ = ["language_of", "speaker"]


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
