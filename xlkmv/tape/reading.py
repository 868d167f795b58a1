"""From the file of a loan tape to rows that the pool can take: what is mended, and what is refused.

Order of the work: find the columns; drop blank rows, sums and what is paid off; read the figures; fill in
what follows from others (:mod:`xlkmv.tape.terms`); hold every row to the rules
(:mod:`xlkmv.tape.checks`).
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas

from xlkmv.deal.terms.faults import COLUMN_RULES
from xlkmv.errors import BookError, InputError, show
from xlkmv.phrase import LIST, Phrase, joined
from xlkmv.tape import terms
from xlkmv.tape.checks import by_loan_terms, check_rows, missing_columns
from xlkmv.tape.columns import Columns, Matcher
from xlkmv.tape.figures import (
    Cells,
    Read,
    as_dates,
    as_numbers,
    as_texts,
    as_words,
    day_first,
    decimal_mark,
)
from xlkmv.tape.files import RawTape, read_file
from xlkmv.tape.headings import (
    AMORTISATION_WORDS,
    FIELDS,
    FREQUENCY_WORDS,
    STATUS_WORDS,
    TOTAL_WORDS,
    Key,
    Match,
    fold,
)
from xlkmv.tape.percent import Ask, Percent
from xlkmv.tape.result import Report, Tape
from xlkmv.tape.summary import finished
from xlkmv.tape.work import DATE, NUMBER, Source, Work, counted, scaled

__all__ = ["read_tape"]

Array = npt.NDArray[Any]

NUMERIC = ("money", "number", "ratio", "months", "years")
WORDS: dict[str, tuple[Mapping[str, Any], str]] = {
    "amortisation": (
        AMORTISATION_WORDS,
        Phrase("must be one of: annuity, linear, bullet, interest-only (or 等额本息 etc.)"),
    ),
    "payments_per_year": (
        FREQUENCY_WORDS,
        Phrase("must be 1, 2, 4, 6 or 12 payments a year, or a word such as monthly"),
    ),
    "status": (
        STATUS_WORDS,
        Phrase("must be one of: {options}", options="performing, late, defaulted, prepaid, repurchased"),
    ),
}
UNCLEAR = Phrase("{rule} (1/2/2025 can be read in two ways)", rule=DATE)
LOAN_FIELDS = ("rate", "amortisation", "interest_only", "first", "payments_per_year", "age", "base", "margin")
# Names of the loans, the better first.
NAMES = ("name", "loan_id", "contract_id", "asset_id", "obligor_id")
UNKNOWN = 40  # headings that a message lists
# What divisions leave behind is no part of a month.
TINY = 1e-6


def read_tape(
    path: str | os.PathLike[str],
    *,
    closing: dt.date | None = None,
    grades: Collection[str] | None = None,
    mapping: Mapping[str, str] | None = None,
    percent: bool = False,
    percent_in: Collection[str] = (),
    sheet: str | None = None,
    encoding: str | None = None,
    pd: float | None = None,
    recovery: float | None = None,
    lag: float | None = None,
    correlation: float | None = None,
    ask: Ask | None = None,
) -> Tape:
    """Read and clean a loan tape; nothing is written.

    Parameters
    ----------
    path : path-like
        CSV or other separated text, Excel (.xlsx, .xlsm) or Parquet.
    closing : date, optional
        Closing date of the deal: remaining terms and ages follow from it where the tape has dates.
    grades : collection of str, optional
        Grades of the rating scale: others are refused. None: any grade is taken.
    mapping : mapping of str to str, optional
        Heading of the tape -> heading of the pool, for headings that are not known; blank leaves a
        column out. Word of the tape -> word that is known, such as annuity, monthly or late.
    percent : bool
        Whether columns of rates, PDs, recoveries or correlations with plain numbers above 1 are
        percentages.
    percent_in : collection of str
        Columns whose plain numbers are percentages, also those below 1.
    sheet, encoding : str, optional
        See :func:`~xlkmv.tape.files.read_file`.
    pd, recovery, lag, correlation : float, optional
        One value for all rows where the tape has no column, or leaves a cell blank: decimals, years.
    ask : callable, optional
        Answers a yes-or-no question about percentages, once for each column in question.

    Returns
    -------
    Tape

    Raises
    ------
    BookError
        The file cannot be read, or as a whole not be understood; the message lists every reason. Rows
        that cannot be used are no errors but stand in the report.
    InputError
        A value for all breaks the rule of its column.
    """
    options = {"pd": pd, "recovery": recovery, "lag": lag, "correlation": correlation}
    for field, value in options.items():
        if value is not None and not COLUMN_RULES[field].holds(np.asarray(value, float)):
            raise InputError(field, COLUMN_RULES[field].text, value)
    file = Path(path)
    matcher = Matcher(mapping or {})
    raw = read_file(file, matcher.known, sheet, encoding)
    columns = matcher.match(raw)
    work = _begin(raw, columns, file.name)
    _read_figures(work, raw, columns, Percent(work, percent, percent_in, ask))
    _choose_names(work, "name" in columns.fields and columns.fields["name"][1].weak)
    _fill_in(work, options)
    terms.find_age(work, closing)
    terms.find_term(work, closing)
    terms.find_first_payment(work, closing)
    terms.fit_periods(work, closing)
    terms.fit_interest_only(work)
    _drop_what_does_not_count(work)
    work.problems += missing_columns(work, grades)
    if work.problems and columns.unknown:
        names = ", ".join(columns.unknown[:UNKNOWN]) + (" ..." if len(columns.unknown) > UNKNOWN else "")
        work.problems.append(
            Phrase("headings that nobody knows: {names}; a map (--map) says what they mean", names=names)
        )
    if work.problems:
        listed = work.problems[0]
        if len(work.problems) > 1:
            listed = joined(["", *work.problems], "{first}\n- {then}")
        raise BookError(Phrase("the tape {file} cannot be taken: {listed}", file=file.name, listed=listed))
    check_rows(work, closing, grades)
    return finished(work, file.name)


# ------------------------------------------------------------------------------------------ rows


def _begin(raw: RawTape, columns: Columns, name: str) -> Work:
    """Columns that mean something, without blank rows, sums and what is paid off."""
    places = {field: place for field, (place, _) in columns.fields.items()} | columns.dates
    work = Work(
        Report(Phrase("{name}: {how}", name=name, how=raw.how), left_out=columns.left_out),
        raw.rows,
        {key: Source(str(raw.headings[place]), raw.columns[place]) for key, place in places.items()},
        problems=columns.problems,
    )
    first = np.full(raw.rows.size, None, dtype=object)
    for column in raw.columns:
        first = np.where(pandas.isna(first), column, first)
    cells = Cells(first)
    sums = cells.spread(
        [isinstance(v, str) and fold(v) in TOTAL_WORDS for v in cells.different], False, np.bool_
    )
    if sums.any():
        found = zip(raw.rows[sums].tolist(), first[sums], strict=True)
        listed = joined([Phrase("row {row} ({value})", row=n, value=show(v)) for n, v in found], LIST)
        work.report.notes.append(Phrase("Left out as sums: {listed}.", listed=listed))
    work.keep(~pandas.isna(first) & ~sums)
    return work


def _drop_paid_off(work: Work, balances: Read) -> bool:
    """Leave out rows whose balance is zero; whether there are any."""
    paid_off = balances.values == 0.0
    if paid_off.any():
        work.report.notes.append(Phrase("Left out as paid off (balance 0): {rows}.", rows=counted(paid_off)))
        work.keep(~paid_off)
    return bool(paid_off.any())


def _refuse_torn(work: Work, raw: RawTape) -> None:
    if raw.torn:
        torn = np.isin(work.rows, list(raw.torn))
        count = len(raw.headings)
        work.refuse(
            torn,
            "",
            Phrase(
                "the row has more cells than there are headings ({count}): quote texts with separators",
                count=count,
            ),
        )


# --------------------------------------------------------------------------------------- figures


def _read_figures(work: Work, raw: RawTape, columns: Columns, in_percent: Percent) -> None:
    """Read every column by the kind of its field."""
    kinds = {key: FIELDS[key].kind if isinstance(key, str) else "money" for key in work.sources}
    cells = work.cells()
    mark = decimal_mark(cells[key] for key, kind in kinds.items() if kind in NUMERIC)
    if isinstance(mark, tuple):
        a, b = map(show, mark)
        work.problems.append(
            Phrase("numbers are written with decimal points and with decimal commas ({a}, {b})", a=a, b=b)
        )
        mark = "."
    if "amount" in work.sources and _drop_paid_off(work, as_numbers(cells["amount"], mark)):
        cells = work.cells()
    _refuse_torn(work, raw)
    days_first = day_first(cells[key] for key, kind in kinds.items() if kind == "date")
    if isinstance(days_first, tuple):
        a, b = map(show, days_first)
        work.problems.append(
            Phrase("dates are written with the day first and with the month first ({a}, {b})", a=a, b=b)
        )
        days_first = None
    for key, kind in kinds.items():
        if isinstance(key, dt.date):
            _take_number(work, key, as_numbers(cells[key], mark), columns.units.get(key))
            continue
        match = columns.fields[key][1]
        if kind == "text":
            work.take(key, as_texts(cells[key]), Phrase("must hold a value, not an error"))
        elif kind == "date":
            work.take(key, as_dates(cells[key], days_first), UNCLEAR if days_first is None else DATE)
        elif kind == "word":
            words, rule = WORDS[key]
            own = {word: words[meaning] for word, meaning in columns.words.items() if meaning in words}
            work.take(key, as_words(cells[key], {**words, **own}), rule)
        elif kind == "ratio":
            in_percent.take(key, as_numbers(cells[key], mark), match)
        else:
            _take_number(work, key, as_numbers(cells[key], mark), match)
    in_percent.note_decimals()
    if "payments_per_year" in work.figures:
        work.figures["payments_per_year"] = work.figures["payments_per_year"].astype(float)


def _take_number(work: Work, key: Key, read: Read, match: Match | None = None) -> None:
    """Take amounts, counts, months and years, in the units of the pool."""
    scale = match.scale if match else 1.0
    values = np.where(read.percent, np.nan, np.where(read.multiple, read.values, scaled(read.values, scale)))
    work.take(key, read._replace(bad=read.bad | read.percent, values=values), NUMBER)
    if match is not None and match.scale != 1.0:
        work.sources[key].how = Phrase("in {unit}: x {scale:,.6g}", unit=match.unit, scale=match.scale)
        work.mend(read.multiple, key, Phrase("in the unit of the cell, not that of the heading"))
    if match is not None and match.field.kind == "months":
        months = work.figures[key]
        # The month that has begun counts as one to come, and not as one that was lived.
        whole = np.floor(months + TINY) if key == "age" else np.ceil(months - TINY)
        work.figures[key] = whole
        if match.scale == 1.0:
            work.mend(np.abs(whole - months) > TINY, key, Phrase("whole months"))


# ------------------------------------------------------------------------------------ what is missing


def _choose_names(work: Work, weak: bool) -> None:
    """Name every row: by the obligor, or by the loan where obligors come twice; else by number.

    Where every column repeats something, the one that loses the fewest rows by repeats and blanks counts: a
    loan that is in a tape twice must not take the second loans of all other borrowers with it.
    Names under a weak heading, such as the issuer of the whole deal, count only where all are different.
    """
    columns = {key: pandas.Series(work.figures[key]) for key in NAMES if key in work.figures}
    there = [key for key, names in columns.items() if names.notna().any()] or [*columns]
    if weak and "name" in there and columns["name"].nunique() < work.size:
        work.report.left_out.append(work.sources["name"].heading)
        there.remove("name")
    if not there:
        names = np.array([f"Loan {k}" for k in range(1, work.size + 1)], dtype=object)
        work.put("name", names, Source(Phrase("(none)"), None, Phrase("numbered: the tape has no names")))
        return

    least = min(there, key=lambda key: work.size - columns[key].nunique())
    chosen = next((key for key in there if columns[key].dropna().is_unique), least)
    work.used.add(chosen)
    if chosen == "name":
        return
    source = work.sources[chosen]
    if "name" in there:
        other = work.sources["name"].heading
        work.report.notes.append(
            Phrase(
                "Obligors are named by {heading!r}, because {other!r} names some more than once: "
                "each row counts as an obligor of its own.",
                heading=source.heading,
                other=other,
            )
        )
        work.report.left_out.append(Phrase("{other} (names repeat)", other=other))
    work.put("name", work.figures[chosen], Source(source.heading, source.cells, source.how))
    work.bad["name"] = work.is_bad(chosen)


def _fill_in(work: Work, options: Mapping[str, float | None]) -> None:
    """Take recoveries from losses given default, and one value for all where nothing is said."""
    if "lgd" in work.figures:
        work.fill("recovery", "lgd", 1.0 - work.figures["lgd"], Phrase("1 less it"))
    for key, value in options.items():
        if value is None:
            continue
        blank = np.isnan(work.get(key)) & ~work.is_bad(key)
        if key == "pd":
            blank &= pandas.isna(work.get("rating", None))
        values = np.where(blank, value, work.get(key))
        if key in work.figures:
            work.figures[key] = values
            work.mend(blank, key, Phrase("blank: --{key}", key=key))
        elif blank.any():
            work.put(key, values, Source(f"--{key}", None, Phrase("one value for all")))


def _drop_what_does_not_count(work: Work) -> None:
    """Clear what the pool takes for a contradiction.

    A rating beside a PD, a margin without a base, loan terms beside a schedule.
    """
    notes = work.report.notes
    if {"rating", "pd"} <= work.figures.keys():
        both = ~np.isnan(work.figures["pd"]) & ~pandas.isna(work.figures["rating"])
        work.clear("rating", both)
        if both.any():
            notes.append(Phrase("PD and rating are both there in {rows}: the PD counts.", rows=counted(both)))
    if "since" in work.figures:
        work.clear("since", pandas.isna(work.get("status", None)))
    if "margin" in work.figures:
        fixed = pandas.isna(work.get("base", None)) & (np.nan_to_num(work.figures["margin"]) != 0.0)
        work.clear("margin", fixed)
        if fixed.any():
            notes.append(
                Phrase("{rows} at a fixed rate, without a base: no margin there.", rows=counted(fixed))
            )
    if "base" in work.figures:
        floats = ~pandas.isna(work.get("base", None)) & by_loan_terms(work)
        rated = floats & ~np.isnan(work.get("rate"))
        bare = floats & np.isnan(work.get("margin"))
        if rated.any():
            notes.append(
                Phrase("{rows} with a base: base and margin count, not the rate.", rows=counted(rated))
            )
        if bare.any():
            notes.append(Phrase("{rows} with a base and no margin: the base alone.", rows=counted(bare)))
    by_dates = ~by_loan_terms(work)
    cleared = [key for key in LOAN_FIELDS if key in work.figures and by_dates.any()]
    for key in cleared:
        work.clear(key, by_dates)
    if cleared:
        titles = ", ".join(FIELDS[key].title for key in cleared)
        notes.append(
            Phrase(
                "{rows} without a remaining term pay by the columns of dates: no {titles} there.",
                rows=counted(by_dates),
                titles=titles,
            )
        )
