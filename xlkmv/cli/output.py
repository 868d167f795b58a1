"""What commands print: sentences and tables for people, in their language, or one document for programs."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlkmv.errors import BookInputError, XlkmvError
from xlkmv.language import ENGLISH, LANGUAGES, catalogue
from xlkmv.phrase import Phrase, Say, said

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table

    from xlkmv.cli.document import Answer
    from xlkmv.workbook.book import Book
    from xlkmv.workbook.layout import Column

__all__ = ["ALARM", "BAD_INPUT", "Output", "console", "distance", "number", "table"]

BAD_INPUT = 2
# Characters that the first column of a table has at least, where it needs as many.
LABEL = 18
ALARM = "bold red"


class Output:
    """Where a command says what it has to say.

    Parameters
    ----------
    options : argparse.Namespace
        Its `form` ("text", "json", "csv") and `level` (-1: errors only, 0, 1: every step).

    Attributes
    ----------
    language : str
        Of the terminal: a key of :data:`~xlkmv.language.LANGUAGES`.
    say : callable
        Says a text in it.
    text : bool
        Whether people read.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.form: str = options.form
        self.level: int = options.level
        self.text: bool = self.form == "text"
        self._speak(_of_environment())
        self._asked = False
        self._answers: list[tuple[dict[str, Any], tuple[Answer, ...]]] = []
        self._errors: list[dict[str, Any]] = []

    def choose(self, language: str | None) -> None:
        """Speak the language that the user has asked for, if any.

        Raises
        ------
        InputError
            There is no such language.
        """
        if language is not None:
            self._speak(language)
            self._asked = True

    def speak(self, book: Book) -> None:
        """Speak the language of a workbook, unless it is English or the user has asked for another."""
        from xlkmv.refresh.wording import language_of

        language = language_of(book) or ENGLISH
        if not self._asked and language != ENGLISH and _shows(language):
            self._speak(language)

    def _speak(self, language: str) -> None:
        self.say: Say = catalogue(language).gettext
        self.language: str = language

    def heading(self, column: Column) -> str:
        """Say the heading of a column, by the catalogue or as its sheet has it."""
        said = self.say(column.header)
        return column.spoken(self.language) if said == column.header else said

    # -- for people

    def print(self, *what: RenderableType, style: str | None = None) -> None:
        """Print sentences, which are translated, or tables."""
        if self.text and self.level >= 0:
            for item in what:
                console().print(said(item, self.say) if isinstance(item, str) else item, style=style)

    def line(self, text: str) -> None:
        """Print one line, as it is: what answers at once needs no more than that."""
        if self.text and self.level >= 0:
            print(said(text, self.say))

    def warn(self, text: str) -> None:
        """Print a line where errors go."""
        print(text, file=sys.stderr)

    def fail(self, error: XlkmvError, book: Path | None = None) -> None:
        """Say why a command, or one workbook of several, comes to nothing."""
        _ = self.say
        problems = error.problems if isinstance(error, BookInputError) else ()
        listed = [
            {"sheet": p.sheet, "cells": p.cells, "count": p.count, "row": p.who}
            | {"holds": said(p.holds, _), "rule": said(p.rule, _)}
            for p in problems
        ]
        which = {} if book is None else {"book": str(book)}
        self._errors.append({**which, "message": error.said(_), "problems": listed})
        if isinstance(error, BookInputError):
            if book is not None:
                self.warn(f"xlkmv: {book}")
            title = said(Phrase("{count}; nothing was written", count=error.counted), _)
            found = table(title, _("Sheet"), _("Cell"), _("Value"), _("Rule"), words=True)
            for p in problems:
                rule = said(p.rule, _)
                found.add_row(p.sheet, p.cells, said(p.holds, _), f"{p.who}: {rule}" if p.who else rule)
            console(stderr=True).print(found)
        else:
            self.warn("xlkmv: " + ("" if book is None else f"{book}: ") + error.said(_))

    @contextlib.contextmanager
    def progress(self) -> Iterator[Callable[[str, float], None]]:
        """Show a bar while the terminal waits; every step where -v asks; nothing where nobody watches."""
        if self.level > 0:
            yield self._step_by_step()
            return
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        from xlkmv.refresh.timeleft import TimeLeft

        screen = console(stderr=True)
        bar = Progress(
            TextColumn("{task.description:<44.44}", markup=False),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}", markup=False),
            console=screen,
            transient=True,
            disable=self.level < 0 or not screen.is_terminal,
        )
        with bar:
            task = bar.add_task(said(Phrase("Opening"), self.say), total=1.0, left="")
            time_left = TimeLeft()
            yield lambda what, share: bar.update(
                task, description=said(what, self.say), completed=share, left=said(time_left(share), self.say)
            )

    def _step_by_step(self) -> Callable[[str, float], None]:
        start, last = time.monotonic(), ""

        def report(what: str, share: float) -> None:
            nonlocal last
            if what != last:
                self.warn(f"{time.monotonic() - start:7.1f} s  {share:4.0%}  {said(what, self.say)}")
                last = what

        return report

    # -- for programs

    def record(self, facts: dict[str, Any], *answers: Answer) -> None:
        """Keep what a command has found about a workbook, or at all."""
        self._answers.append((facts, answers))

    def close(self, command: str) -> None:
        """Print the document, where one is asked for."""
        if self.text:
            return
        from xlkmv.cli.document import as_csv, as_json

        if self.form == "json":
            print(as_json(command, self._answers, self._errors))
        else:
            if sys.stdout.encoding.lower() not in ("utf-8", "utf8"):
                sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # a file or console
            sys.stdout.write(as_csv(self._answers))


def _of_environment() -> str:
    """Language of the environment, as POSIX says it; English where the console cannot show it."""
    value = next((v for v in map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG")) if v), "")
    language = value.replace("-", "_").partition("_")[0].lower()
    return language if language in LANGUAGES and _shows(language) else ENGLISH


def _shows(language: str) -> bool:
    """Whether the terminal has the letters of a language."""
    try:
        LANGUAGES[language].encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def console(**options: Any) -> Console:
    """Return a terminal that shows names and cells as they are, whatever brackets or colons they hold."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False, **options)


def number(x: float, shown: str, _: Say = str) -> str:
    """Write a figure of a table; infinite coverage is covered, none is short."""
    from xlkmv.deal.figures import figure

    if x in (float("inf"), float("-inf")):
        return _("covered") if x > 0 else _("short")
    return "-" if x != x else figure(x, shown)


def distance(x: float, _: Say = str) -> str:
    """Write a distance to default of a table, as :func:`number` does the other figures."""
    from xlkmv.deal import figures

    return figures.distance(x) if abs(x) < float("inf") else number(x, ".2f", _)


def _one_line(heading: Any, cell: Any) -> str:
    """Write a cell behind its heading; Chinese breaks anywhere, and is joined without a blank."""
    joined = re.sub(r"(?<=[^\x00-\x7f])\n(?=[^\x00-\x7f])", "", str(heading))
    return f"{joined.replace(chr(10), ' ')}: {cell}"


def table(title: str, *columns: str, words: bool = False) -> Table:
    """Return an empty table; row by row, a line a figure, where the terminal is too narrow for it.

    Parameters
    ----------
    title : str
    *columns : str
        Headings.
    words : bool
        Whether all columns hold words, which may break; else all but the first hold figures.

    Returns
    -------
    rich.table.Table
    """
    from rich import box
    from rich.measure import Measurement
    from rich.table import Table

    class Narrowing(Table):
        def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
            wide = options.update_width(1000)
            label, longest = self.columns[0], 0
            label.width = None
            for column in reversed(self.columns):  # the label last
                texts = (column.header, *column.cells)
                longest = max(Measurement.get(console, wide, text).maximum for text in texts)
                if column.no_wrap:  # what does not break needs its whole width
                    column.min_width = longest
            label.min_width = min(LABEL, longest)
            room = Measurement.get(console, wide, self)
            if room.minimum <= options.max_width:
                # Between figures and words that break a label would lose its own.
                label.width = max(label.min_width, longest - max(room.maximum - options.max_width, 0))
                yield from super().__rich_console__(console, options)
                return
            yield f"{self.title}\n"
            first, *others = self.columns
            for name, *cells in zip(first.cells, *(c.cells for c in others), strict=True):
                # Several rows are told apart by their first cells; that of a single one says what it is.
                yield _one_line(first.header, name) if self.row_count == 1 else str(name)
                deeper = " " * (2 + len(str(name)) - len(str(name).lstrip()))
                for column, cell in zip(others, cells, strict=True):
                    if cell:
                        yield f"{deeper}{_one_line(column.header, cell)}"
            yield ""

    look: dict[str, Any] = {"box": box.SIMPLE_HEAD, "pad_edge": False, "collapse_padding": True}
    found = Narrowing(title=title, title_justify="left", title_style="bold", **look)
    for k, column in enumerate(columns):
        figures = bool(k) and not words
        found.add_column(column, justify="right" if figures else "left", no_wrap=figures)
        if not figures:
            # rich counts a line of wide characters short, keeps the blank at its end, and would put an
            # ellipsis in place of the last word.
            found.columns[-1].overflow = "fold"
    return found
