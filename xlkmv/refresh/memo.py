"""A memo of a workbook: read and checked as for a refresh, computed to the same bits, written beside it."""

from __future__ import annotations

import datetime as dt
import os
import time
from dataclasses import dataclass
from pathlib import Path

from xlkmv.errors import BookError
from xlkmv.functions.cells import is_blank
from xlkmv.language import ENGLISH
from xlkmv.memo.content import Stamp
from xlkmv.memo.writing import check, report, versions
from xlkmv.phrase import Phrase
from xlkmv.refresh.assumptions import read_assumptions
from xlkmv.refresh.run import Inputs, Progress, compute
from xlkmv.refresh.wording import language_of
from xlkmv.workbook import layout
from xlkmv.workbook.book import Book

__all__ = ["Reported", "money_of", "title_of", "write_memo"]

Target = str | os.PathLike[str] | None


@dataclass(frozen=True, slots=True)
class Reported:
    """A memo that was written: its files, what they are of, how long it took."""

    inputs: Inputs
    written: tuple[Path, ...]
    seconds: float


def write_memo(
    book: Book,
    html: Target = None,
    docx: Target = None,
    language: str | None = None,
    progress: Progress | None = None,
    *,
    scheduler: str | None = None,
    quick: bool = False,
) -> Reported:
    """Compute a workbook and write its memo; the workbook stays as it is.

    Parameters
    ----------
    book : Book
    html, docx : path-like, optional
        Files to write; the page beside the workbook, under its name, when neither is given.
    language : str, optional
        A key of :data:`~xlkmv.language.LANGUAGES`; that of the workbook when left out.
    progress, scheduler, quick
        As in :func:`~xlkmv.refresh.run.refresh`.

    Returns
    -------
    Reported

    Raises
    ------
    BookInputError
        With every wrong cell; nothing is written.
    BookError, InputError, HostError
        When the workbook cannot be used or the files cannot be written.
    """
    started = time.perf_counter()
    if html is None and docx is None:
        if not book.path.is_absolute() or not book.path.parent.is_dir():  # new, or in a cloud
            raise BookError("the memo is written beside the workbook: save that on this computer first")
        html = book.path.with_suffix(".html")
    language = language or language_of(book) or ENGLISH
    check(html, docx, language)
    told = progress or (lambda what, share: None)
    inputs, analysis = compute(book, told, scheduler, quick=quick)
    told(Phrase("Writing"), 1.0)
    stamp = Stamp(
        dt.datetime.now(), title_of(book), book.path.name, inputs.digest, versions(), money_of(book)
    )
    written = report(
        inputs.deal,
        analysis,
        html,
        docx,
        language=language,
        assumptions=read_assumptions(book, language),
        stamp=stamp,
        pd_methods=inputs.sources.methods,
    )
    return Reported(inputs, written, time.perf_counter() - started)


def title_of(book: Book) -> str:
    """What the workbook calls the deal; its own name where it says nothing."""
    said = book.name(layout.DEAL_NAME).value if layout.DEAL_NAME in book.names() else None
    return book.path.stem if is_blank(said) or said == layout.UNNAMED else str(said)


def money_of(book: Book) -> str:
    """Currency and unit of the workbook's amounts; "" where it says nothing."""
    known = [name for name in (layout.CURRENCY, layout.UNIT) if name in book.names()]
    said = [book.name(name).value for name in known]
    return " ".join(str(x).strip() for x in said if not is_blank(x))
