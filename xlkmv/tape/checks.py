"""What a tape must have, and what its rows must hold: the rules of the deal, as a refresh applies them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from xlkmv.deal.terms.claims import LOAN_NUMBERS, POOL_NUMBERS, loan_faults, pool_faults, status_faults
from xlkmv.deal.terms.faults import Fault
from xlkmv.phrase import Phrase
from xlkmv.tape.headings import FIELDS
from xlkmv.tape.work import NO_DATE, Work

__all__ = ["by_loan_terms", "check_rows", "missing_columns"]

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

# One value for all rows may stand for a column that is not there.
FOR_ALL = ("pd", "recovery", "lag", "correlation")
BLANK = Phrase("must not be blank")


def missing_columns(work: Work, grades: Collection[str] | None) -> Iterator[str]:
    """Yield what the tape as a whole lacks, and what to do about it."""
    have = work.figures.keys()
    if "amount" not in have:
        yield _hinted(Phrase("there is no column of balances"), work, "original_amount")
    if "term" not in have and not work.dates:
        lacks = Phrase("there is no column of remaining terms or maturities, nor dates with collections")
        yield _hinted(lacks, work, "original_term")
    if not {"rate", "base"} & have and ("term" in have or not work.dates):
        yield Phrase("there is no column of rates, nor of base rates")
    absent = [f for f in FOR_ALL if f not in have and not (f == "pd" and "rating" in have)]
    if absent:
        names = ", ".join(Phrase("PD or Rating") if f == "pd" else FIELDS[f].title for f in absent)
        options = ", ".join(f"--{f}" for f in absent)
        yield Phrase(
            "there is no column of {names}: give one value for all ({options}), or name a column in a map",
            names=names,
            options=options,
        )
    if "rating" in have and "pd" not in have and grades is not None and not grades:
        yield Phrase(
            "there are ratings and no PDs, and the workbook has no rating scale that says what they mean"
        )


def _hinted(lacks: Phrase, work: Work, field: str) -> Phrase:
    """Add a hint at a column that is known, but speaks of the start of the loans."""
    if field not in work.sources:
        return lacks
    return Phrase(
        "{lacks} ({heading!r} is read as {title}; a map may say otherwise)",
        lacks=lacks,
        heading=work.sources[field].heading,
        title=FIELDS[field].title.lower(),
    )


def check_rows(work: Work, closing: dt.date | None, grades: Collection[str] | None) -> None:
    """Refuse every row that breaks a rule."""
    by_terms = by_loan_terms(work)
    for field, needed in _needed(work, by_terms):
        work.refuse(pd.isna(work.figures[field]) & needed & ~work.is_bad(field), field, BLANK)
    if grades is not None and "rating" in work.figures:
        known = (
            pd.Series(work.figures["rating"], dtype=object)
            .str.casefold()
            .isin([g.casefold() for g in grades])
        )
        used = ~pd.isna(work.figures["rating"]) & np.isnan(work.get("pd"))
        work.refuse(
            used & ~known.to_numpy(bool),
            "rating",
            Phrase("must be a grade of the scale: {options}", options=", ".join(grades)),
        )
    dates = {date.isoformat(): date for date in work.dates}
    for fault in _faults(work, by_terms, closing):
        if fault.row is not None:
            work.refuse_row(fault.row, dates.get(fault.column, fault.column), fault.rule)


def by_loan_terms(work: Work) -> Mask:
    """Rows that pay by loan terms: all, or, beside columns of scheduled collections, those with a term."""
    if not work.dates:
        return np.ones(work.size, np.bool_)
    return np.isfinite(work.get("term")) | work.is_bad("term")


def _needed(work: Work, by_terms: Mask) -> Iterator[tuple[str, Mask]]:
    """Yield the fields that must not be blank, and in which rows."""
    every = np.ones(work.size, np.bool_)
    yield from ((field, every) for field in ("name", "amount", "recovery", "lag", "correlation"))
    unrated = pd.isna(work.get("rating", None))
    yield ("pd", unrated) if "pd" in work.figures else ("rating", every)
    if "term" in work.figures:
        yield "term", by_terms
    if "rate" in work.figures:
        yield "rate", by_terms & pd.isna(work.get("base", None))
    elif "base" in work.figures:
        yield "base", by_terms


def _faults(work: Work, by_terms: Mask, closing: dt.date | None) -> Iterator[Fault]:
    names = [name or f"row {row}" for name, row in zip(work.figures["name"], work.rows.tolist(), strict=True)]
    numbers = {c: work.figures[c] for c in (*POOL_NUMBERS, "count") if c in work.figures}
    schedule = np.zeros((work.size, len(work.dates)))
    for k, date in enumerate(work.dates):
        schedule[:, k] = np.nan_to_num(work.figures[date])
    yield from pool_faults(names, numbers, schedule, [d.isoformat() for d in work.dates], loans=by_terms)
    if by_terms.any():
        columns = {c: work.get(c, 12.0 if c == "payments_per_year" else np.nan) for c in LOAN_NUMBERS}
        columns |= {c: work.get(c, None) for c in ("amortisation", "base")}
        columns["first"] = work.get("first", NO_DATE).astype(object)
        yield from loan_faults(columns, by_terms, closing)
    if "status" in work.figures:
        since = work.get("since", NO_DATE).astype(object).tolist()
        yield from status_faults(work.figures["status"].tolist(), since)
