"""The pool of a workbook: rows by scheduled collections, rows by loan terms, side by side."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from xlkmv.deal.terms import (
    COLUMN_RULES,
    LOAN_NUMBERS,
    LOAN_WORDS,
    POOL_NUMBERS,
    USUAL_LOAN,
    Fault,
    Loans,
    Pool,
    loan_faults,
    pool_faults,
    status_faults,
)
from xlkmv.errors import BookError, Problem
from xlkmv.functions.cells import is_blank
from xlkmv.model.domain import Array
from xlkmv.phrase import Phrase, some
from xlkmv.refresh.lookups import Curves, Scale
from xlkmv.refresh.reader import Reader, named
from xlkmv.refresh.recoveries import RecoveryRows
from xlkmv.refresh.sources import Sources
from xlkmv.refresh.terms import PayDates
from xlkmv.workbook import layout
from xlkmv.workbook.address import address
from xlkmv.workbook.book import Table
from xlkmv.workbook.layout import Column

__all__ = ["pd_methods", "read_pool"]

Mask = npt.NDArray[np.bool_]
SPEC = layout.POOL
# Obligors that one sentence names.
MOST_NAMED = 5
# A column of the pool that is headed by a payment date.
SCHEDULED = Column("", "", "schedule", "number", rule=COLUMN_RULES["schedule"])
LOAN_FIELDS = (*(n for n in LOAN_NUMBERS if n != "term"), *LOAN_WORDS)


def read_pool(
    reader: Reader,
    plan: PayDates,
    closing: dt.date | None,
    curves: Curves,
    scale: Scale,
    sources: Sources,
    drawn: RecoveryRows,
    *,
    typed: bool = True,
) -> Callable[[], Pool]:
    """Read the claims.

    Parameters
    ----------
    reader : Reader
        Keeps the problems.
    plan : PayDates
    closing : date or None
        None when nobody knows it.
    curves : Curves
        That floating claims may refer to.
    scale : Scale
        That ratings refer to.
    sources : Sources
        Obligors whose PD follows from their own data.
    drawn : RecoveryRows
        Obligors whose recovery is drawn.
    typed : bool
        Whether the column of correlations counts; else it may be blank, and is 0 here.

    Returns
    -------
    callable
        Builds the pool from a table without a fault.
    """
    table = reader.rows(SPEC, plan.headings)
    if table is None:
        return _no_pool
    numbers = {c.field: reader.numbers(table, c) for c in SPEC.inputs if c.kind == "number"}
    words = {c.field: reader.values(table, c) for c in SPEC.inputs if c.kind != "number"}
    by_terms = _filled(table, "term")
    schedule = _schedule(reader, table, plan, by_terms)
    names = named(words["name"])
    numbers["pd"] = _pds(reader, table, numbers["pd"], words["rating"], scale, names, sources)
    numbers["recovery"] = _recovery(reader, table, numbers["recovery"], names, drawn)
    numbers["correlation"] = _correlation(reader, table, numbers["correlation"], typed)
    counted = bool(_filled(table, "count").any())
    columns = {field: numbers[field] for field in POOL_NUMBERS}
    if counted:
        columns["count"] = np.where(np.isnan(numbers["count"]), 1.0, numbers["count"])
    faults = pool_faults(names, columns, schedule, plan.headings, loans=by_terms | (not plan.columns))
    reader.faults(table, SPEC, faults)
    loans = _loans(reader, table, numbers, words, by_terms, curves)
    reader.faults(table, SPEC, loan_faults(loans, by_terms, closing))
    reader.faults(table, SPEC, _loan_blanks(reader, table, by_terms, bool(plan.columns)))
    status, since = words["status"], words["since"]
    reader.faults(table, SPEC, status_faults(status, since, plan.dates[-1] if plan.dates else None))
    _since_without_status(reader, table)

    def made() -> Pool:
        known = any(status)
        collections = np.zeros((len(names), len(plan.dates)))
        collections[:, plan.places] = schedule
        return Pool(
            tuple(names),
            schedule=collections,
            industry=tuple(word or "" for word in words["industry"]),
            loans=Loans(**loans) if by_terms.any() else None,
            status=tuple(word or "" for word in status) if known else (),
            since=tuple(since) if known else (),
            recoveries=drawn.made(names),
            **columns,
        )

    return made


def pd_methods(reader: Reader, plan: PayDates, names: Sequence[str], sources: Sources) -> tuple[str, ...]:
    """Where the PD of each claim comes from.

    Parameters
    ----------
    reader : Reader
    plan : PayDates
    names : sequence of str
        Of a pool without a fault.
    sources : Sources

    Returns
    -------
    tuple of str
        "typed", "rating" where a grade stands beside it, or the method on sheet Obligor.
    """
    table = reader.rows(SPEC, plan.headings)
    ratings = [None] * len(names) if table is None else reader.values(table, SPEC.column("rating"))
    return tuple(
        "typed"
        if rating is None
        else sources.method(name)
        if rating.casefold() == layout.FROM_SOURCE
        else "rating"
        for name, rating in zip(names, ratings, strict=True)
    )


def _no_pool() -> NoReturn:
    raise BookError(Phrase("table {table} is missing", table=SPEC.name))


def _filled(table: Table, field: str) -> Mask:
    """Rows in which the cell of a field holds anything."""
    header = SPEC.column(field).header
    if not table.has(header):
        return np.zeros(len(table.rows), np.bool_)
    return np.array([not is_blank(cell) for cell in table.column(header)], np.bool_)


def _schedule(reader: Reader, table: Table, plan: PayDates, by_terms: Mask) -> Array:
    """Collections in the columns of dates; where a row has loan terms they are blank."""
    schedule = np.zeros((len(table.rows), len(plan.columns)))
    for rows, column in ((~by_terms, SCHEDULED), (by_terms, replace(SCHEDULED, blank=True))):
        places = _where(rows)
        part = table.only(places)
        for k, heading in enumerate(plan.headings if places else ()):
            found = reader.numbers(part, column, heading)
            schedule[rows, k] = np.nan_to_num(found) if column.blank else found
    return schedule


def _pds(
    reader: Reader,
    table: Table,
    pd: Array,
    ratings: Sequence[str | None],
    scale: Scale,
    names: Sequence[str],
    sources: Sources,
) -> Array:
    """One-year PDs, those of ratings by the scale or by the obligor's source; a row has one of them."""
    header, other = (SPEC.column(field).header for field in ("pd", "rating"))
    given, rated, found = _filled(table, "pd"), _filled(table, "rating"), pd.copy()
    for row in _where(rated & given):
        reader.fail(
            table,
            row,
            other,
            Phrase("must be blank: '{header}' is filled, and a claim has one of the two", header=header),
        )
    for row in _where(rated & ~given):
        grade = str(ratings[row]).casefold()
        if grade == layout.FROM_SOURCE:
            sourced = sources.pd(names[row])
            if sourced is None:
                rule = Phrase(
                    "needs the obligor in table {table}: it has no row named {name}",
                    table=layout.OBLIGOR.name,
                    name=names[row],
                )
                reader.fail(table, row, other, rule)
            else:
                found[row] = sourced
            continue
        found[row] = scale.pds.get(grade, np.nan)
        if ratings[row] is not None and grade not in scale.pds:
            reader.fail(table, row, other, scale.rule)
    either = Phrase("fill it")
    if scale.pds:
        either = Phrase("fill it or '{other}'", other=other)
    for row in _where(~rated & ~given):
        reader.fail(
            table, row, header, Phrase("must not be blank: {either}, or clear the whole row", either=either)
        )
    return found


def _recovery(
    reader: Reader, table: Table, recovery: Array, names: Sequence[str], drawn: RecoveryRows
) -> Array:
    """Recovery rates; that of a row with a pledge, which follows from it, is 0 here."""
    header, filled = SPEC.column("recovery").header, _filled(table, "recovery")
    pledged = np.array([name.casefold() in drawn.pledged for name in names], np.bool_)
    rows = _where(pledged & filled)
    rule = Phrase("must be blank: the obligor has a pledge in table {table}", table=layout.RECOVERY.name)
    if len(rows) > 1:  # of several cells the reader names none
        rule = Phrase(
            "must be blank: {names} have pledges in table {table}",
            names=some([names[row] for row in rows], MOST_NAMED),
            table=layout.RECOVERY.name,
        )
    for row in rows:
        reader.fail(table, row, header, rule)
    for row in _where(~pledged & ~filled):
        reader.fail(table, row, header, Phrase("must not be blank: fill it, or clear the whole row"))
    drawn.report(reader, names, recovery)
    return np.where(pledged, 0.0, recovery)


def _correlation(reader: Reader, table: Table, correlation: Array, typed: bool) -> Array:
    """Typed correlations; 0 where they come from elsewhere."""
    if not typed:
        return np.zeros(correlation.shape)
    for row in _where(~_filled(table, "correlation")):
        rule = Phrase("must not be blank: fill it, or clear the whole row")
        reader.fail(table, row, SPEC.column("correlation").header, rule)
    return correlation


def _loans(
    reader: Reader,
    table: Table,
    numbers: dict[str, Array],
    words: dict[str, list[Any]],
    by_terms: Mask,
    curves: Curves,
) -> dict[str, Any]:
    """Fields of :class:`Loans`, with defaults in blank cells."""
    base = tuple(curves.named(word) for word in words["base"])
    for row in (row for row, name in enumerate(base) if name and name not in curves.names):
        known = ", ".join(curves.names) or Phrase("there is none")
        reader.fail(
            table,
            row,
            SPEC.column("base").header,
            Phrase("must be the name of a curve ({known})", known=known),
        )
    found: dict[str, Any] = {field: numbers[field] for field in LOAN_NUMBERS}
    found["term"] = np.where(by_terms, numbers["term"], np.nan)
    # The rate of a floating claim is its curve's; that of a row by dates is in its schedule.
    floats = np.array([bool(name) for name in base], np.bool_)
    unsaid = np.isnan(numbers["rate"]) & (floats | ~by_terms)
    found["rate"] = np.where(unsaid, 0.0, numbers["rate"])
    for field in LOAN_NUMBERS:
        if field in USUAL_LOAN:
            found[field] = np.where(np.isnan(numbers[field]), USUAL_LOAN[field], numbers[field])
    found["amortisation"] = tuple(word or USUAL_LOAN["amortisation"] for word in words["amortisation"])
    return found | {"first": tuple(words["first"]), "base": base}


def _loan_blanks(reader: Reader, table: Table, by_terms: Mask, dated: bool) -> Iterator[Fault]:
    """Yield cells that the loan terms of their row do not allow to be blank."""
    rate, base = _filled(table, "rate"), _filled(table, "base")
    for row in _where(by_terms & ~rate & ~base):
        rule = Phrase(
            "must not be blank: a loan has a rate, or floats over a '{column}'",
            column=SPEC.column("base").header,
        )
        yield Fault("pool", row, "rate", None, rule)
    undated = Phrase("no column is headed by a payment date")
    missing = [] if dated else [(row, undated) for row in _where(~by_terms)]
    for field in LOAN_FIELDS:
        reason = Phrase("'{column}' is filled", column=SPEC.column(field).header)
        missing += [(row, reason) for row in _where(_filled(table, field) & ~by_terms)]
    term = SPEC.column("term").header
    if missing and not table.has(term):
        where = address(table.top - 1, table.left)
        rule = Phrase(
            "table {table} has no column '{term}', but {reason}",
            table=SPEC.name,
            term=term,
            reason=missing[0][1],
        )
        reader.report(Problem(table.sheet, where, None, rule))
    for row, reason in missing:
        yield Fault(
            "pool",
            row,
            "term",
            None,
            Phrase("must not be blank: {reason}, so the claim needs loan terms", reason=reason),
        )


def _where(rows: Mask) -> list[int]:
    return [int(row) for row in np.flatnonzero(rows)]


def _since_without_status(reader: Reader, table: Table) -> None:
    status, since = (SPEC.column(field).header for field in ("status", "since"))
    for row in _where(_filled(table, "since") & ~_filled(table, "status")):
        reader.fail(table, row, status, Phrase("must not be blank where '{since}' is filled", since=since))
