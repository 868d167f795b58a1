"""Loan terms that follow from others: age, remaining term, first payment, months of interest alone."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from xlkmv.phrase import Phrase
from xlkmv.tape.work import NO_DATE, Source, Work

__all__ = ["find_age", "find_first_payment", "find_term", "fit_interest_only", "fit_periods"]

Array = npt.NDArray[Any]


def find_age(work: Work, closing: dt.date | None) -> None:
    """Age where the tape does not give it: whole months from the origination to closing."""
    if "origination" not in work.figures:
        return
    if closing is None:
        work.report.notes.append(
            Phrase("Ages do not follow from the origination: the closing date is not known.")
        )
        return
    origination = work.figures["origination"]
    lived = -_months(closing, origination)
    blank = np.isnan(work.get("age"))
    work.fill("age", "origination", lived, Phrase("whole months up to {closing}", closing=closing))
    work.refuse(
        blank & (lived < 0), "age", Phrase("must not be after the closing date ({closing})", closing=closing)
    )


def find_term(work: Work, closing: dt.date | None) -> None:
    """Remaining term where the tape does not give it: from the maturity, else from the payments that
    remain, else from the original term and the age."""
    if "maturity" in work.figures and closing is not None:
        maturity = work.figures["maturity"]
        blank = np.isnan(work.get("term"))
        work.fill(
            "term",
            "maturity",
            _months(closing, maturity),
            Phrase("months from {closing}, rounded up", closing=closing),
        )
        early = blank & (maturity <= np.datetime64(closing))
        work.refuse(
            early & ~work.is_bad("term"),
            "term",
            Phrase("must be after the closing date ({closing})", closing=closing),
        )
    elif "maturity" in work.figures and "term" not in work.figures:
        heading = work.sources["maturity"].heading
        work.problems.append(
            Phrase(
                "remaining terms follow from {heading!r} and the closing date, which is not known",
                heading=heading,
            )
        )
    if "payments_left" in work.figures:
        months = 12.0 / _payments(work)
        work.fill("term", "payments_left", work.figures["payments_left"] * months, Phrase("as months"))
    if "original_term" in work.figures and "age" in work.figures:
        left, blank = work.figures["original_term"] - work.figures["age"], np.isnan(work.get("term"))
        work.fill("term", "original_term", left, Phrase("less the age"))
        over = blank & (left <= 0.0) & ~work.is_bad("term")
        work.refuse(over, "term", Phrase("must be longer than the age: nothing remains of it"))


def find_first_payment(work: Work, closing: dt.date | None) -> None:
    """First payment after closing: the next one where the tape says it; a past one moves on."""
    if "next" in work.figures:
        following, first = work.figures["next"], work.get("first", NO_DATE)
        work.refuse(work.is_bad("next"), "next", work.rules["next"])
        source = work.sources["next"]
        work.put(
            "first", np.where(np.isnat(following), first, following), Source(source.heading, source.cells)
        )
        work.used.add("next")
    if "first" not in work.figures or closing is None:
        return
    first, closed = work.figures["first"], np.datetime64(closing, "D")
    past = first <= closed
    if past.any():
        step = (12.0 / _payments(work)[past]).astype(int)
        missed = (_month(closed) - _month(first[past])).astype(int) // step * step
        moved = _after(first[past], missed)
        first = first.copy()
        first[past] = np.where(moved <= closed, _after(first[past], missed + step), moved)
        work.figures["first"] = first
        work.mend(past, "first", Phrase("first payment date after {closing}", closing=closing))


def fit_periods(work: Work, closing: dt.date | None) -> None:
    """Let remaining terms that end within a payment period be whole ones, by an earlier first payment.

    35 months of quarterly payments are 12 payments, the first after 2 months: a term of 36 months whose
    first payment says when they fall.
    """
    if "term" not in work.figures:
        return
    term, step = work.figures["term"], 12.0 / _payments(work)
    with np.errstate(invalid="ignore"):
        count = np.ceil(term / step)
        within = np.isfinite(term) & (term > 0) & (count * step != term)
    first = work.get("first", NO_DATE)
    given = ~np.isnat(first)
    if closing is None:
        within &= given
    if not within.any():
        return
    work.figures["term"] = np.where(within, count * step, term)
    what = Phrase("whole payment periods, the first payment to match")
    work.mend(within, "term", what)
    unset = within & ~given
    if unset.any():
        start = np.full(int(unset.sum()), np.datetime64(closing, "D"))
        first = first.copy()
        first[unset] = _after(start, (term - (count - 1) * step)[unset].astype(int))
        source = work.sources.get("first") or Source(work.sources["term"].heading, None, what)
        work.put("first", first, source)


def fit_interest_only(work: Work) -> None:
    """Bring amortisation and months of interest alone together.

    A loan that pays interest alone to its end is a bullet; months of interest alone before level
    instalments make the amortisation "interest-only"; level principal cannot follow them.
    """
    kind, alone = work.get("amortisation", None), np.nan_to_num(work.get("interest_only", 0.0))
    if "amortisation" not in work.figures and not alone.any():
        return
    to_the_end = (kind == "interest-only") & (alone == 0.0) & ~work.is_bad("interest_only")
    before = (pd.isna(kind) | (kind == "annuity")) & (alone > 0.0)
    bullet = (kind == "bullet") & (alone > 0.0)
    kind = np.where(to_the_end, "bullet", np.where(before, "interest-only", kind))
    work.put(
        "amortisation",
        kind,
        work.sources.get("amortisation") or Source(work.sources["interest_only"].heading),
    )
    work.mend(to_the_end, "amortisation", Phrase("interest alone to the end, no months given"))
    work.mend(before, "amortisation", Phrase("months of interest alone before level instalments"))
    if bullet.any():
        work.figures["interest_only"] = np.where(bullet, 0.0, work.figures["interest_only"])
        work.mend(bullet, "interest_only", Phrase("a bullet pays interest alone anyway"))
    linear = (kind == "linear") & (alone > 0.0)
    work.refuse(
        linear,
        "interest_only",
        Phrase("must be 0: after interest alone come level instalments, not level principal"),
    )


def _payments(work: Work) -> Array:
    """Payments per year of each row; those that are no number of the rules count as monthly."""
    often = np.nan_to_num(work.get("payments_per_year", 12.0), nan=12.0)
    return np.where(np.isin(often, (1, 2, 4, 6, 12)), often, 12.0)


def _month(dates: Any) -> Any:
    return dates.astype("datetime64[M]")


def _months(start: dt.date, ends: Array) -> Array:
    """Months from a date to others, rounded up: those since an earlier one are whole, and negative."""
    begin = np.datetime64(start, "D")
    months = (_month(ends) - _month(begin)).astype(float)
    later_in_month = (ends - _month(ends)) > (begin - _month(begin))
    return np.asarray(np.where(np.isnat(ends), np.nan, months + later_in_month))


def _after(dates: Array, months: Array) -> Array:
    """Same day some months later, or the last day of a month that is too short."""
    month = _month(dates) + months
    last = (month + 1).astype("datetime64[D]") - 1
    return np.asarray(np.minimum(month.astype("datetime64[D]") + (dates - _month(dates)), last))
