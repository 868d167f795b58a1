"""Targets of classes on sheet Structure: what Solve asks for, and what a refresh says of wrong ones."""

from __future__ import annotations

from xlkmv.deal.checks import Check
from xlkmv.deal.questions.structure import Target, target_pd
from xlkmv.deal.terms import Deal
from xlkmv.errors import InputError
from xlkmv.phrase import Phrase, some
from xlkmv.refresh.reader import Reader
from xlkmv.workbook import layout
from xlkmv.workbook.book import Book

__all__ = ["read_targets", "target_warnings"]

# Cells that a check names.
NAMED = 3


def read_targets(reader: Reader, deal: Deal) -> dict[str, Target]:
    """Read the targets of the classes; a class without one is not asked about.

    Parameters
    ----------
    reader : Reader
        Keeps the problems.
    deal : Deal

    Returns
    -------
    dict
        Class -> PD or grade.
    """
    spec = layout.TARGET
    table, rows = reader.records(spec)
    if table is None:
        return {}
    known = {t.name.casefold(): t.name for t in deal.tranches}
    found: dict[str, Target] = {}
    for row, given in enumerate(rows):
        if given.name is None:
            continue
        name = known.get(given.name.casefold())
        if name is None:
            rule = Phrase(
                "must be a class of table {table} ({options})",
                table=layout.TRANCHE.name,
                options=", ".join(known.values()),
            )
            reader.fail(table, row, spec.column("name").header, rule)
        elif name in found:
            reader.fail(
                table, row, spec.column("name").header, Phrase("is there twice: one target is enough")
            )
        elif given.target is not None:
            found[name] = given.target
            try:
                target_pd(given.target, deal.terms.class_scale, 1.0)
            except InputError as error:
                reader.fail(table, row, spec.column("target").header, error.rule)
    return found


def target_warnings(book: Book, deal: Deal) -> tuple[Check, ...]:
    """Name the targets that Solve would refuse; a refresh needs none, and is not stopped by them.

    Parameters
    ----------
    book : Book
    deal : Deal

    Returns
    -------
    tuple of Check
        None where all can be asked for.
    """
    reader = Reader(book)
    read_targets(reader, deal)
    cells = [f"{p.sheet} {p.cell}: {p.value}" for p in reader.problems()]
    if not cells:
        return ()
    name = Phrase("Targets that Solve would refuse ({cells})", cells=some(cells, NAMED))
    return (Check(name, float(len(cells)), 0.0, warning=True),)
