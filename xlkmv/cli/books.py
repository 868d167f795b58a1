"""The workbook of a command: opened where it is, written where it goes, and what is said of that."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from xlkmv.cli.output import Output
from xlkmv.phrase import Phrase

if TYPE_CHECKING:
    from xlkmv.refresh.run import Refreshed
    from xlkmv.refresh.solving import Solved
    from xlkmv.workbook.book import Book

__all__ = ["opened", "other_file", "say_blanked", "written"]

# Formulas without a value of which the terminal says where they stand.
LISTED = 5


def opened(path: Path, out: Output, *, live: bool = False) -> Book:
    """Open a workbook and speak its language.

    Parameters
    ----------
    path : Path
    out : Output
    live : bool
        Whether to work in Excel on one that is open there; saving it then stays with the user.

    Returns
    -------
    Book

    Raises
    ------
    BookError
        The file cannot be used.
    """
    from xlkmv.refresh.live import find_open
    from xlkmv.workbook.book import open_book

    book = (find_open(path) if live else None) or open_book(path)
    out.speak(book)
    return book


def other_file(options: argparse.Namespace, path: Path) -> Path | None:
    """File that a command writes instead of the workbook, as `--out` says; None: the workbook itself."""
    same = options.out is None or options.out.resolve() == path.resolve()
    return None if same else options.out


def written(out: Output, path: Path, done: Refreshed | Solved) -> None:
    """Say where results went, what inputs they are of, and how long it took."""
    out.line(
        Phrase(
            "\nWritten: {path}   inputs {digest}   {seconds:.1f} s",
            path=str(path),
            digest=done.inputs.digest,
            seconds=done.seconds,
        ),
    )


def say_blanked(out: Output, book: Book) -> None:
    """Say which formulas of the user's show no value until a spreadsheet computes them."""
    if book.blanked:
        cells = ", ".join(f"{sheet}!{cell}" for sheet, cell in book.blanked[:LISTED])
        cells += ", ..." if len(book.blanked) > LISTED else ""
        count = Phrase("{count:,} formulas have", count=len(book.blanked))
        if len(book.blanked) == 1:
            count = Phrase("1 formula has")
        out.line(
            Phrase(
                "{count} no value until Excel or Calc opens the workbook: {cells}", count=count, cells=cells
            )
        )
