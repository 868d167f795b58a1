"""What there is to say of a workbook before anybody works with it: format, tables, deal, state, version."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import xlkmv
from xlkmv.deal.terms import Deal
from xlkmv.errors import BookError, BookInputError
from xlkmv.install.machine import Finding
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
        yield Finding(name, "wrong", str(error), "name a workbook that Excel opens, .xlsm or .xlsx")
        return
    here = {table.casefold() for table in book.tables()}
    known = {spec.name: spec for spec in layout.TABLES.values()}
    there = [spec for spec in known.values() if {spec.name.casefold(), spec.formerly.casefold()} & here]
    found = f"{path.suffix.lower().removeprefix('.')}, {len(there)} of {len(known)} tables of a KMV workbook"
    if not there:
        yield Finding(name, "wrong", found, "make one:  xlkmv new FILE.xlsm")
        return
    missing = sorted(known.keys() - {spec.name for spec in there})
    lacks = f"it lacks {', '.join(missing)}: results that it has no table for are left out" if missing else ""
    yield Finding(name, "note" if missing else "ok", found, lacks)
    yield from _state(name, book)
    if "out_Version" in book.names():
        version = book.name("out_Version").value
        if version and version != xlkmv.__version__:
            cure = "a refresh computes it with this one"
            yield Finding(
                name, "note", f"results are of version {version}, this is {xlkmv.__version__}", cure
            )
        elif version:
            yield Finding(name, "ok", f"results are of this version, {version}")


def _state(name: str, book: FileBook) -> Iterator[Finding]:
    """Yield the deal in one line, and whether the results are those of its inputs."""
    try:
        inputs = read_book(book)
    except BookInputError as error:
        first = error.problems[0]
        more = f"{error.counted}; the first: {first.sheet} {first.cells} {first.rule}"
        yield Finding(name, "wrong", more, f"xlkmv refresh {name}  lists all of them")
        return
    yield Finding(name, "ok", _one_line(inputs.deal))
    names = set(book.names())
    then = book.name("out_InputHash").value if "out_InputHash" in names else None
    scope = str(book.name("out_Scope").value or "") if "out_Scope" in names else ""
    refresh = f"run  xlkmv refresh {name}"
    if not then:
        yield Finding(name, "note", "has not been refreshed yet", refresh)
    elif then != inputs.digest:
        yield Finding(name, "note", "stale: inputs have changed since the last refresh", refresh)
    elif scope.startswith(layout.QUICK):
        yield Finding(name, "note", f"fresh, but {scope}", f"{refresh}  for everything")
    else:
        yield Finding(name, "ok", f"fresh: {scope or 'results are those of its inputs'}")


def _one_line(deal: Deal) -> str:
    dates, notes = deal.terms.dates, sum(t.amount for t in deal.tranches)
    claims, classes = int(deal.pool.obligors.sum()), len(deal.tranches)
    return (
        f"{claims:,} obligor{'s' if claims > 1 else ''}, {deal.pool.amount.sum():,.0f} financed; "
        f"{classes} class{'es' if classes > 1 else ''}, {notes:,.0f}; "
        f"{len(dates)} payment date{'s' if len(dates) > 1 else ''}, {dates[0]} to {dates[-1]}"
    )
