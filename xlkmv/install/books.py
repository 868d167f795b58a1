"""What there is to say of a workbook before anybody works with it: format, tables, deal, state, version."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import xlkmv
from xlkmv.deal.terms import Deal
from xlkmv.errors import BookError, BookInputError
from xlkmv.install.machine import Finding
from xlkmv.language import LANGUAGES, catalogue
from xlkmv.phrase import Phrase
from xlkmv.refresh.run import read_book
from xlkmv.workbook import layout
from xlkmv.workbook.book import FileBook, open_book

__all__ = ["examine_books"]


def examine_books(paths: Iterable[Path]) -> list[Finding]:
    """Look at workbooks; nothing is written.

    Parameters
    ----------
    paths : iterable of Path

    Returns
    -------
    list of Finding
        Under the name of each file.
    """
    return [finding for path in paths for finding in _examine(path)]


def _examine(path: Path) -> Iterator[Finding]:
    name = path.name
    try:
        book = open_book(path)
    except (BookError, OSError) as error:
        found = error.sentence if isinstance(error, BookError) else str(error)
        yield Finding(name, "wrong", found, Phrase("name a workbook that Excel opens, .xlsm or .xlsx"))
        return
    here = {table.casefold() for table in book.tables()}
    known = {spec.name: spec for spec in layout.TABLES.values()}
    there = [spec for spec in known.values() if {spec.name.casefold(), spec.formerly.casefold()} & here]
    found = Phrase(
        "{kind}, {there} of {known} tables of a KMV workbook",
        kind=path.suffix.lower().removeprefix("."),
        there=len(there),
        known=len(known),
    )
    if not there:
        yield Finding(name, "wrong", found, Phrase("make one:  xlkmv new FILE.xlsm"))
        return
    missing = ", ".join(sorted(known.keys() - {spec.name for spec in there}))
    lacks = Phrase("it lacks {tables}: results that it has no table for are left out", tables=missing)
    yield Finding(name, "note" if missing else "ok", found, lacks if missing else "")
    yield from _state(name, book)
    if "out_Version" in book.names():
        version = book.name("out_Version").value
        if version and version != xlkmv.__version__:
            found = Phrase(
                "results are of version {version}, this is {ours}", version=version, ours=xlkmv.__version__
            )
            yield Finding(name, "note", found, Phrase("a refresh computes it with this one"))
        elif version:
            yield Finding(name, "ok", Phrase("results are of this version, {version}", version=version))


def _state(name: str, book: FileBook) -> Iterator[Finding]:
    """Yield the deal in one line, and whether the results are those of its inputs."""
    try:
        inputs = read_book(book)
    except BookInputError as error:
        first = error.problems[0]
        more = Phrase(
            "{count}; the first: {place} {rule}",
            count=error.counted,
            place=f"{first.sheet} {first.cells}",
            rule=first.rule,
        )
        yield Finding(name, "wrong", more, Phrase("xlkmv refresh {name}  lists all of them", name=name))
        return
    yield Finding(name, "ok", _one_line(inputs.deal))
    names = set(book.names())
    then = book.name("out_InputHash").value if "out_InputHash" in names else None
    scope = str(book.name("out_Scope").value or "") if "out_Scope" in names else ""
    refresh = Phrase("run  xlkmv refresh {name}", name=name)
    if not then:
        yield Finding(name, "note", Phrase("has not been refreshed yet"), refresh)
    elif then != inputs.digest:
        yield Finding(name, "note", Phrase("stale: inputs have changed since the last refresh"), refresh)
    elif scope.startswith(tuple(catalogue(language).gettext(layout.QUICK) for language in LANGUAGES)):
        everything = Phrase("run  xlkmv refresh {name}  for everything", name=name)
        yield Finding(name, "note", Phrase("fresh, but {scope}", scope=scope), everything)
    else:
        scope = scope or Phrase("results are those of its inputs")
        yield Finding(name, "ok", Phrase("fresh: {scope}", scope=scope))


def _one_line(deal: Deal) -> str:
    dates, notes = deal.terms.dates, sum(t.amount for t in deal.tranches)
    claims, classes = int(deal.pool.obligors.sum()), len(deal.tranches)
    return Phrase(
        "{claims}, {financed:,.0f} financed; {classes}, {notes:,.0f}; {dates}, {first} to {last}",
        claims=Phrase("1 obligor") if claims == 1 else Phrase("{count:,} obligors", count=claims),
        financed=deal.pool.amount.sum(),
        classes=Phrase("1 class") if classes == 1 else Phrase("{count} classes", count=classes),
        notes=notes,
        dates=Phrase("1 payment date")
        if len(dates) == 1
        else Phrase("{count} payment dates", count=len(dates)),
        first=f"{dates[0]}",
        last=f"{dates[-1]}",
    )
