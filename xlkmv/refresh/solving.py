"""Solve: read the deal and the targets of a workbook, ask what it could be for them, write sheet Structure.

The button, the ribbon, Calc's menu and ``xlkmv solve`` all come here. A refresh leaves the sheet as it is,
and says whether it is still of the same inputs.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xlkmv.deal.figures import probability
from xlkmv.deal.questions.structure import (
    QUESTIONS,
    UNITS,
    Answer,
    Frontier,
    Structure,
    Target,
    class_named,
    solve,
    targets_by_class,
)
from xlkmv.deal.terms import Deal
from xlkmv.errors import BookError, BookInputError, InputError
from xlkmv.phrase import Phrase, joined, some
from xlkmv.refresh.reader import Reader
from xlkmv.refresh.report import AT_SOLVE, TARGET_MARK, target_mark
from xlkmv.refresh.run import Inputs, Progress, read_book
from xlkmv.refresh.tables import write_name, write_rows, write_title
from xlkmv.refresh.targets import read_targets
from xlkmv.refresh.wording import remember
from xlkmv.workbook import layout
from xlkmv.workbook.book import Book

__all__ = ["NAMED", "Solved", "answer_cells", "issuable", "solve_book", "told"]

OPEN, NONE = Phrase("open"), Phrase("out of reach")
# Classes that a sentence names.
NAMED = 3
# Smaller PDs are not drawn in the frontier.
SMALLEST_FRONTIER = 1e-8


@dataclass(frozen=True, slots=True)
class Solved:
    """What a solve did."""

    inputs: Inputs
    structure: Structure
    seconds: float


def solve_book(
    book: Book,
    progress: Progress | None = None,
    now: dt.datetime | None = None,
    *,
    target: Target | Mapping[str, Target] | None = None,
    name: str | None = None,
) -> Solved:
    """Read, check, solve and write one workbook; the caller saves it.

    Parameters
    ----------
    book : Book
    progress : callable, optional
        Called as ``progress(what, share_done)``; may raise to cancel, and nothing is written.
    now : datetime, optional
        Time stamp on the sheet; the clock by default.
    target : float, str or mapping, optional
        A PD or a grade in place of the targets of the workbook, which it then writes there, too: by
        class, or one for the named class or all but the most junior one.
    name : str, optional
        The one class to solve for; by default all that have a target.

    Returns
    -------
    Solved

    Raises
    ------
    BookInputError
        With every wrong cell; nothing is written.
    InputError
        When the target or the class that is asked for is none.
    BookError
        When the workbook cannot be used.
    """
    started = time.perf_counter()
    report = progress or (lambda what, share: None)
    report(Phrase("Reading and checking"), 0.0)
    inputs, reader = read_book(book), Reader(book)
    if layout.STRUCTURE.name.casefold() not in {table.casefold() for table in book.tables()}:
        rule = Phrase(
            "it has no table {table}: take sheet Structure from a new workbook",
            table=layout.STRUCTURE.name,
        )
        raise BookError(Phrase("the answers cannot be written: {rule}", rule=rule))
    targets = _wanted(inputs.deal, reader, target, name)
    structure = solve(inputs.deal, targets, progress=lambda share: report(Phrase("Solving"), share))
    report(Phrase("Writing"), 1.0)
    _write_targets(book, reader, inputs.deal, structure, None if target is None else targets)
    _write(book, inputs, structure, now or dt.datetime.now())
    return Solved(inputs, structure, time.perf_counter() - started)


# ---------------------------------------------------------------------------------- reading


def _wanted(
    deal: Deal, reader: Reader, target: Target | Mapping[str, Target] | None, name: str | None
) -> Target | dict[str, Target]:
    """Targets by class, or one for all."""
    chosen = None if name is None else class_named(deal, name)
    if isinstance(target, Mapping):
        if chosen is not None:
            raise InputError("class", "must be left out where each target names its class", name)
        return targets_by_class(deal, target)
    if target is not None:
        return target if chosen is None else {chosen: target}
    given = read_targets(reader, deal)
    if problems := reader.problems():
        raise BookInputError(problems)
    if chosen is not None:
        given = {c: x for c, x in given.items() if c == chosen}
    if not given:
        who = Phrase("no class has a target")
        if chosen is not None:
            who = Phrase("{name} has no target", name=chosen)
        where = Phrase(
            "column 'Target' of table {table} on sheet {sheet}",
            table=layout.TARGET.name,
            sheet=layout.TARGET.sheet,
        )
        raise BookError(
            Phrase(
                "{who}: enter a PD or a grade in {where}, or give --target in a terminal",
                who=who,
                where=where,
            )
        )
    return dict(given)


# ---------------------------------------------------------------------------------- writing


def _write_targets(
    book: Book, reader: Reader, deal: Deal, found: Structure, given: Target | Mapping[str, Target] | None
) -> None:
    """Write how each class stands against its target, and the targets that came from a terminal."""
    spec, table = layout.TARGET, reader.found(layout.TARGET.name)
    if table is None:
        return
    name, target = (spec.column(field).header for field in ("name", "target"))
    if given is None:
        names, targets = table.column(name), table.column(target)
    else:
        every = given if isinstance(given, Mapping) else dict.fromkeys(found.targets, given)
        names = [t.name for t in deal.tranches]
        targets = [every.get(t.name) for t in deal.tranches]
    classes = {t.name.casefold(): t.name for t in deal.tranches}
    rows = [_standing(found, classes.get(str(x or "").strip().casefold(), "")) for x in names]
    columns: Iterable[Sequence[Any]] = zip(*rows, strict=True)
    cells = {c.header: column for c, column in zip(spec.results, columns, strict=True)}
    if given is not None:
        cells |= {name: names, target: targets}
    book.write_table(spec.name, {h: c for h, c in cells.items() if table.has(h)}, resize=given is not None)
    if TARGET_MARK in book.names():
        book.write_name(TARGET_MARK, target_mark(names, targets))


def _standing(found: Structure, name: str) -> list[float | None]:
    """Target of a class as a PD, and its PDs now; blank where none was asked for."""
    figures = (found.targets, found.pd, found.pd_error, found.kmv)
    return [figure.get(name) for figure in figures]


def _write(book: Book, inputs: Inputs, found: Structure, now: dt.datetime) -> None:
    answers = [answer_cells(answer) for answer in found.answers]
    write_rows(book, layout.STRUCTURE, answers)
    write_rows(book, layout.FRONTIER, _frontier(inputs.deal, found.frontier))
    if inputs.marks and book.table(layout.INPUT.name).has(AT_SOLVE):
        book.write_table(layout.INPUT.name, {AT_SOLVE: [mark for *_, mark in inputs.marks]})
    values = {
        "out_Structure": layout.SOLVED,
        "out_Solved": Phrase(
            "{when}, inputs {digest}, {paths:,} paths, seed {seed}",
            when=f"{now:%Y-%m-%d %H:%M:%S}",
            digest=inputs.digest,
            paths=found.paths,
            seed=found.seed,
        ),
        "out_Issuable": issuable(found, inputs.deal),
        "out_TitleFrontier": Phrase(layout.FRONTIER_TITLE, name=found.frontier.name),
    }
    for name, value in values.items():
        write_name(book, name, value)
    write_title(book, "out_DrawnFrontier")
    remember(book, [*values.values(), *(cell for row in answers for cell in row)])


def issuable(found: Structure, deal: Deal) -> Phrase:
    """Say what the classes with a target come to, and where that is not for the targets.

    Parameters
    ----------
    found : Structure
    deal : Deal

    Returns
    -------
    Phrase
    """
    money = Phrase(
        "{money:,.0f}, {share:.1%} of all notes now, {of_pool:.1%} of the pool",
        money=found.issuable,
        share=found.issuable / sum(t.amount for t in deal.tranches),
        of_pool=found.issuable / float(deal.pool.amount.sum()),
    )
    stack = [answer for answer in found.answers if answer.question == "stack"]
    above = [answer for answer in stack if answer.unshown]
    if not above:
        return money
    pd = probability(above[0].shown_pd)  # what the paths can show is the same for all
    if len(above) == len(stack):
        return Phrase("{money}; for a PD of {pd}, which is above the target", money=money, pd=pd)
    names = some([answer.name for answer in above], NAMED)
    return Phrase(
        "{money}; of {names} for a PD of {pd}, which is above the target", money=money, names=names, pd=pd
    )


def told(found: Structure, name: str) -> str:
    """Say a target: a PD, and beside a grade the PD that it stands for.

    Parameters
    ----------
    found : Structure
    name : str
        Of a class with a target.

    Returns
    -------
    str
    """
    pd = probability(found.targets[name])
    return Phrase("{pd} ({grade})", pd=pd, grade=found.grades[name]) if name in found.grades else pd


def answer_cells(answer: Answer) -> list[Any]:
    """Write an answer as a row of table tbl_Structure.

    Parameters
    ----------
    answer : Answer

    Returns
    -------
    list
        In the order of the columns.
    """
    remarks = [remark for remark in (answer.unshown, answer.remark) if remark]
    ends = [NONE if answer.value is None else OPEN if x is None else x for x in (answer.low, answer.high)]
    return [
        Phrase(QUESTIONS[answer.question]),
        answer.name,
        answer.shown_pd,
        Phrase(UNITS[answer.question]),
        answer.now,
        NONE if answer.value is None else answer.value,
        *ends,
        NONE if answer.kmv is None else answer.kmv,
        NONE if answer.setting is None else answer.setting,
        answer.pd,
        answer.pd_error,
        joined(remarks) if remarks else None,
    ]


def _frontier(deal: Deal, found: Frontier) -> list[list[Any]]:
    """Sizes with their PDs; blank where no path is short, or the PD is too small to be drawn."""
    notes = sum(t.amount for t in deal.tranches)
    drawn = [[p if p >= SMALLEST_FRONTIER else None for p in row] for row in (*found.pd, found.kmv)]
    return [
        [size, size / notes, *(row[k] for row in drawn), found.target]
        for k, size in enumerate(found.size.tolist())
    ]
