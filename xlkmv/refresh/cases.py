"""Saved cases: the state of a workbook kept beside it, and sheet Compare, which holds them against it.

A case is an ordinary workbook, a copy with the time in its name: it can be opened, read and refreshed. The
buttons, the ribbon, Calc's menu and ``xlkmv case`` and ``xlkmv compare --write`` all come here.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from xlkmv.deal.answers import ClassAnswer, quote_of, rate
from xlkmv.deal.questions.compare import Comparison, Step, compare
from xlkmv.deal.terms import Deal
from xlkmv.errors import BookError, BookInputError
from xlkmv.functions.cells import is_blank
from xlkmv.phrase import CLAUSES, LIST, Phrase, joined
from xlkmv.refresh.reader import Reader
from xlkmv.refresh.report import AT_COMPARE, not_moved
from xlkmv.refresh.run import Inputs, Progress, read_book
from xlkmv.refresh.tables import write_name, write_rows, write_title
from xlkmv.refresh.wording import remember
from xlkmv.workbook import layout
from xlkmv.workbook.book import Book, FileBook, has_table
from xlkmv.workbook.layout import TableSpec

__all__ = [
    "HERE",
    "Case",
    "Compared",
    "bridge",
    "compare_book",
    "compare_deals",
    "save_case",
    "standing",
    "steps",
]

# How this workbook is called among its cases.
HERE = Phrase("this workbook")


@dataclass(frozen=True, slots=True)
class Case:
    """A deal under a name, and where its classes stand."""

    name: str
    answers: tuple[ClassAnswer, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """What a comparison did: each earlier case, this workbook last, and the way from each to it.

    `paths` is how many were simulated for each of them, `fewer` the names of those that ask for fewer.
    """

    cases: tuple[Case, ...]
    ways: tuple[Comparison, ...]
    seconds: float
    paths: int
    fewer: tuple[str, ...] = ()

    @property
    def remark(self) -> str:
        """Why the figures of some cases are not those of their own sheets; "" where they are."""
        if not self.fewer:
            return ""
        names = joined(self.fewer, LIST)
        return Phrase(
            "All cases are simulated on {paths:,} paths here. With fewer by itself, other bounds: {names}.",
            paths=self.paths,
            names=names,
        )


def save_case(
    book: Book,
    copy: Callable[[Path], object],
    now: dt.datetime | None = None,
    *,
    folder: Path | None = None,
) -> Path:
    """Keep the state of a workbook as a case beside it, and list it on sheet Compare.

    Parameters
    ----------
    book : Book
        The listing is among its writes; the caller saves it.
    copy : callable
        Called with the path: writes the workbook as it is there.
    now : datetime, optional
        For the name of the case; the clock by default.
    folder : Path, optional
        Where cases are, if not beside `book`.

    Returns
    -------
    Path

    Raises
    ------
    BookError
        When the workbook has no table of cases, or was never saved.
    """
    spec, here = _table_of_cases(book), book.path
    if not here.is_file():
        raise BookError("a case is saved beside the workbook: save the workbook itself first")
    here = here if folder is None else folder / here.name
    stem = f"{here.stem} case {now or dt.datetime.now():%Y-%m-%d %H%M}"
    names = (f"{stem}{'' if k == 1 else f' ({k})'}{here.suffix}" for k in count(1))
    path = next(p for p in (here.with_name(name) for name in names) if not p.exists())
    header = spec.column("name").header
    listed = [name for name in book.table(spec.name).column(header) if not is_blank(name)]
    book.write_table(spec.name, {header: [*listed, path.name]}, resize=True)
    copy(path)
    return path


def compare_book(
    book: Book,
    progress: Progress | None = None,
    now: dt.datetime | None = None,
    *,
    folder: Path | None = None,
) -> Compared:
    """Hold the cases that a workbook lists against it, and write sheet Compare; the caller saves it.

    Parameters
    ----------
    book : Book
    progress : callable, optional
        Called as ``progress(what, share_done)``; may raise to cancel, and nothing is written.
    now : datetime, optional
        Time stamp on the sheet; the clock by default.
    folder : Path, optional
        Where cases are, if not beside `book`.

    Returns
    -------
    Compared

    Raises
    ------
    BookInputError
        With every wrong cell, here or the names of cases that cannot be read; nothing is written.
    BookError
        When there is no case, or no table for it.
    """
    started = time.perf_counter()
    report = progress or (lambda what, share: None)
    report(Phrase("Reading and checking"), 0.0)
    inputs = read_book(book)
    names, deals = _listed(book, inputs.deal, folder or book.path.parent)
    found = compare_deals([*names, HERE], [*deals, inputs.deal], report)
    report(Phrase("Writing"), 1.0)
    _write(book, inputs, found, f"{now or dt.datetime.now():%Y-%m-%d %H:%M:%S}")
    return replace(found, seconds=time.perf_counter() - started)


def compare_deals(names: Sequence[str], deals: Sequence[Deal], progress: Progress) -> Compared:
    """Rate some deals, and go from each but the last to the last one.

    All are simulated on as many paths as the one that asks for most: else a bound of what no path has shown
    would move with their number.

    Parameters
    ----------
    names : sequence of str
    deals : sequence of Deal
    progress : callable
        As in :func:`compare_book`.

    Returns
    -------
    Compared

    Raises
    ------
    InputError
        When two of them have no obligor in common.
    """
    started, steps = time.perf_counter(), 2 * len(deals) - 1

    def part(k: int) -> Progress:
        return lambda what, share: progress(what, (k + share) / steps)

    paths = max(deal.terms.paths for deal in deals)
    ways = tuple(compare(deal, deals[-1], paths=paths, progress=part(k)) for k, deal in enumerate(deals[:-1]))
    cases = []
    for k, (name, deal) in enumerate(zip(names, deals, strict=True), len(ways)):
        part(k)(f"Rating {name}", 0.0)
        cases.append(Case(name, rate(deal, paths=paths)))
    fewer = tuple(name for name, deal in zip(names, deals, strict=True) if deal.terms.paths < paths)
    return Compared(tuple(cases), ways, time.perf_counter() - started, paths, fewer)


def _table_of_cases(book: Book) -> TableSpec:
    spec = layout.CASE
    if not has_table(book, spec.name):
        raise BookError(
            Phrase(
                "it has no table {table}: take sheet {sheet} from a new workbook",
                table=spec.name,
                sheet=spec.sheet,
            )
        )
    return spec


def _listed(book: Book, here: Deal, folder: Path) -> tuple[list[str], list[Deal]]:
    """Names and deals of the cases that a workbook lists."""
    spec = _table_of_cases(book)
    reader, header = Reader(book), spec.column("name").header
    table, rows = reader.records(spec)
    names: list[str] = []
    deals: list[Deal] = []
    for row, given in enumerate(rows):
        if table is None or given.name is None:
            continue
        path = folder / given.name
        if not path.is_file():
            reader.fail(
                table, row, header, Phrase("must be the name of a workbook in {folder}", folder=folder)
            )
            continue
        try:
            deal = read_book(FileBook(path)).deal
        except BookInputError as error:
            reader.fail(
                table,
                row,
                header,
                Phrase("has {count} wrong inputs: open it, and refresh it", count=error.count),
            )
        except BookError as error:
            reader.fail(
                table, row, header, Phrase("must be a workbook of this kind: {reason}", reason=error.sentence)
            )
        else:
            if {*deal.pool.name} & {*here.pool.name}:
                names.append(given.name)
                deals.append(deal)
            else:
                reader.fail(table, row, header, Phrase("must be a case of this deal: no obligor is in both"))
    if problems := reader.problems():
        raise BookInputError(problems)
    if not names:
        raise BookError(
            Phrase("there is no case to compare with: save one first (table {table})", table=spec.name)
        )
    return names, deals


def _write(book: Book, inputs: Inputs, found: Compared, stamp: str) -> None:
    tables = {
        layout.CASE_RESULT: standing(found.cases),
        layout.STEP: steps(found),
        layout.BRIDGE: bridge(found),
    }
    for spec, rows in tables.items():
        write_rows(book, spec, rows)
    if inputs.marks:
        book.write_table(layout.INPUT.name, {AT_COMPARE: [mark for *_, mark in inputs.marks]})
    done = Phrase("{when}, inputs {digest}", when=stamp, digest=inputs.digest)
    write_name(book, "out_Comparison", layout.COMPARED)
    write_name(book, "out_Compared", done)
    write_name(book, "out_ComparedPaths", found.remark or None)
    drawn = layout.of_class(layout.CHARTS["out_ChartsMoved"], found.ways[-1].headline)
    write_name(book, "out_ChartsMoved", drawn)
    changes = (x for _, *moves in tables[layout.BRIDGE] for x in moves)
    write_title(book, "out_DrawnMoved", not_moved(changes))
    said = [done, found.remark, drawn, *(cell for rows in tables.values() for row in rows for cell in row)]
    remember(book, said)


def standing(cases: Sequence[Case]) -> list[list[Any]]:
    """Write cases as rows of table tbl_CaseResult: every class in every case, class by class.

    Parameters
    ----------
    cases : sequence of Case

    Returns
    -------
    list of list
    """
    return [
        [
            label,
            name,
            a.grade,
            a.quote.pd,
            a.quote.why,
            a.coverage,
            a.distance,
            a.expected_loss,
            a.average_life,
            a.yield_at_par,
        ]
        for name in dict.fromkeys(a.name for c in reversed(cases) for a in c.answers)
        for label, a in [(c.name, a) for c in cases for a in c.answers if a.name == name]
    ]


def steps(found: Compared) -> list[list[Any]]:
    """Write a comparison as rows of table tbl_Step: what moved each class on the way from each case.

    Parameters
    ----------
    found : Compared

    Returns
    -------
    list of list
    """
    rows: list[list[Any]] = []
    for start, way in zip(found.cases, found.ways, strict=False):
        for name in way.classes:
            before: float | None = None
            for step in way.of_class(name):
                differ = [
                    Phrase("{item}: {before} -> {after}", item=d.item, before=d.before, after=d.after)
                    for d in way.differences
                    if d.part in step.label.split("; ")
                ]
                said = joined(differ, CLAUSES) if differ else None
                quote = quote_of(step.simulated, step.paths, step.kmv)
                quoted = [quote.pd, None if before is None else quote.pd - before, quote.why]
                simulated = [step.simulated, *map(_known, (step.change, step.change_error))]
                by_view = [step.kmv, _known(step.kmv_change)]
                rows.append([start.name, name, step.label, *quoted, *simulated, *by_view, said])
                before = quote.pd
    return rows


def _known(x: float) -> float | None:
    return None if x != x else x


# What the chart of what moved has room for: cases, the latest, and changes of each.
CASES_DRAWN, CHANGES_DRAWN = 3, 6


def bridge(found: Compared) -> list[list[Any]]:
    """Write what moved the headline class as rows of table tbl_Bridge, of which the chart is.

    Parameters
    ----------
    found : Compared

    Returns
    -------
    list of list
        Of the last cases; of each the changes that move most in either view, the others together.
    """
    rows: list[list[Any]] = []
    for start, way in [*zip(found.cases, found.ways, strict=False)][-CASES_DRAWN:]:
        moved = [s for s in way.of_class(way.headline) if s.change == s.change]
        rows.append([Phrase("Since {case}:", case=start.name), None, None])
        if not moved:
            rows.append([Phrase("nothing has changed"), 0.0, 0.0])
        room = CHANGES_DRAWN if len(moved) <= CHANGES_DRAWN else CHANGES_DRAWN - 1
        kept = sorted(moved, key=_size, reverse=True)[:room]
        rows += [[s.label, s.change, s.kmv_change] for s in moved if s in kept]
        if rest := [s for s in moved if s not in kept]:
            others = [sum(s.change for s in rest), sum(s.kmv_change for s in rest)]
            rows.append([Phrase("{count} others", count=len(rest)), *others])
    return rows


def _size(step: Step) -> float:
    """How far a change moves a class, in the view that it moves further."""
    return max(abs(step.change), abs(step.kmv_change))
