"""Representative lines: loans that are alike become one row of the pool with a Count.

Loans are alike when they agree in the steps of :data:`GRID`, in amortisation, payments per year, month of
the first payment, base, rating (without one: PD, by a factor of 1.5), industry and status. A line has the sum
of their balances and scheduled collections, and averages weighted by balance of all else: the balance that is
expected to default is kept, and so are interest and recoveries on average.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from xlkmv.deal.terms import POOL_WORDS, USUAL_LOAN
from xlkmv.tape.headings import FIELDS
from xlkmv.tape.result import Tape

__all__ = ["GRID", "group"]

Array = npt.NDArray[Any]

# Width of the steps of what a line averages.
GRID = {"rate": 0.0025, "margin": 0.0025, "term": 6.0, "interest_only": 6.0}
PD_FACTOR = 1.5
# What a blank cell of a row means.
USUAL: dict[str, Any] = {"count": 1.0, **USUAL_LOAN}
SAME = ("amortisation", "payments_per_year", "base", "rating", *POOL_WORDS)
AVERAGED = ("rate", "margin", "term", "interest_only", "age", "pd", "recovery", "lag", "correlation")


def group(tape: Tape) -> Tape:
    """Group the loans of a tape into representative lines.

    Parameters
    ----------
    tape : Tape

    Returns
    -------
    Tape
        One row per line, the largest balance first, indexed from 1. Its report compares the averages
        before and after.
    """
    if tape.rows.empty:
        return tape
    loans = _filled(tape.rows)
    codes = _alike(loans)
    lines = _lines(loans, codes)
    order = np.argsort(-lines["amount"].to_numpy(), kind="stable")
    lines = lines.iloc[order].reset_index(drop=True)
    lines.index = pd.RangeIndex(1, len(lines) + 1, name="line")
    lines.insert(0, "name", _names(lines))
    flows = tape.schedule.groupby(codes).sum().iloc[order].set_index(lines.index)
    report = replace(tape.report, averages=_averages(loans, lines))
    return Tape(tape.name, lines, flows, report)


def _filled(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows without blanks that mean something: one obligor, and the usual loan terms of a loan."""
    filled = rows.drop(columns="name")
    filled["count"] = filled["count"].fillna(1.0) if "count" in filled else 1.0
    by_terms = filled["term"].notna() if "term" in filled else False
    for field, usual in USUAL.items():
        if field in filled:
            filled[field] = filled[field].mask(filled[field].isna() & by_terms, usual)
    if {"rate", "base"} <= {*filled}:  # the rate of a floating claim is its curve's
        filled["rate"] = filled["rate"].mask(filled["base"].notna())
    return filled


def _alike(loans: pd.DataFrame) -> Array:
    """Number of the line of each loan, in the order in which lines first appear."""
    keys = loans[[field for field in SAME if field in loans]].copy()
    for field, step in GRID.items():
        if field in loans:
            # A term of 7 to 12 months is the second step; a rate is rounded to the nearest.
            steps = loans[field] / step
            keys[field] = np.ceil(steps) if step >= 1.0 else np.rint(steps)
    if "pd" in loans:
        with np.errstate(divide="ignore"):
            keys["pd"] = np.rint(np.log(loans["pd"]) / math.log(PD_FACTOR))
    if "first" in loans:
        keys["first"] = [None if day is None else (day.year, day.month) for day in loans["first"]]
    keys["by terms"] = loans["term"].notna() if "term" in loans else False
    return np.asarray(keys.groupby(list(keys), dropna=False, sort=False).ngroup())


def _lines(loans: pd.DataFrame, codes: Array) -> pd.DataFrame:
    """One row per line, without names."""
    balance = loans["amount"].to_numpy()
    _, one = np.unique(codes, return_index=True)
    lines = loans.iloc[one].reset_index(drop=True)  # what all loans of a line have in common
    lines["count"] = np.bincount(codes, loans["count"])
    lines["amount"] = _sums(balance, codes)
    parts = loans.groupby(codes)
    for field in AVERAGED:
        if field in loans:
            average = np.bincount(codes, loans[field] * balance) / np.bincount(codes, balance)
            # Rounding must not move what the loans of a line agree in.
            lines[field] = np.clip(average, parts[field].min(), parts[field].max())
    if "first" in loans:
        lines["first"] = _average_dates(loans["first"], balance, codes)
    _whole_periods(lines)
    return lines


def _sums(balance: Array, codes: Array) -> Array:
    """Sum of balances by line, to the last cent where they are in cents."""
    order = np.argsort(codes, kind="stable")
    parts = np.split(balance[order], np.flatnonzero(np.diff(codes[order])) + 1)
    cents = bool(np.all(np.abs(balance * 100.0 - np.rint(balance * 100.0)) < 1e-6 * np.maximum(balance, 1.0)))
    return np.array([round(math.fsum(part), 2) if cents else math.fsum(part) for part in parts])


def _average_dates(dates: pd.Series[Any], balance: Array, codes: Array) -> Array:
    """First payment of each line: the average one, in the month that its loans share."""
    days = dates.to_numpy().astype("datetime64[D]")
    numbers = np.where(np.isnat(days), 0, days.astype(int))
    average = np.rint(np.bincount(codes, numbers * balance) / np.bincount(codes, balance))
    found = average.astype(int).astype("datetime64[D]").astype(object)
    found[np.bincount(codes, np.isnat(days)) > 0] = None
    return found


def _whole_periods(lines: pd.DataFrame) -> None:
    """Round averages that count months: terms to whole payment periods, with a payment of principal left."""
    if "age" in lines:
        lines["age"] = np.rint(lines["age"])
    if "term" not in lines:
        return
    step = 12.0 / lines.get("payments_per_year", 12.0)
    alone = lines.get("interest_only", 0.0)
    periods = np.maximum(np.rint(lines["term"] / step), np.where(alone > 0.0, 2.0, 1.0))
    lines["term"] = periods * step
    if "interest_only" in lines:
        whole = np.clip(np.rint(lines["interest_only"] / step), 1.0, periods - 1.0) * step
        lines["interest_only"] = lines["interest_only"].mask(alone > 0.0, whole)


def _names(lines: pd.DataFrame) -> list[str]:
    """Names that say what a line stands for."""
    digits = max(3, len(str(len(lines))))
    return [f"Line {k:0{digits}}: {_described(line)}" for k, line in enumerate(lines.to_dict("records"), 1)]


def _described(line: dict[str, Any]) -> str:
    count = int(line["count"])
    by_terms = pd.notna(line.get("term"))
    words = [f"{count:,} {'loan' if by_terms else 'claim'}{'' if count == 1 else 's'}"]
    if line.get("base"):
        words.append(f"{line['base']} + {line.get('margin') or 0.0:.2%}")
    elif by_terms:
        words.append(f"{line['rate']:.2%}")
    if by_terms:
        words += [f"{line['term']:.0f} months", line.get("amortisation") or "annuity"]
    words += [str(line[field]) for field in ("rating", "industry") if line.get(field)]
    return ", ".join(words)


def _averages(loans: pd.DataFrame, lines: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Totals and averages by balance, before and after."""
    found = [("Rows", f"{len(loans):,}", f"{len(lines):,}")]
    for field, title in (("count", "Obligors"), ("amount", "Balance")):
        shown = "{:,.0f}" if field == "count" else "{:,.2f}"
        before, after = (shown.format(math.fsum(frame[field])) for frame in (loans, lines))
        found.append((title, before, after))
    for field in AVERAGED:
        if field in loans:
            kind = FIELDS[field].kind
            shown = "{:.4%}" if kind == "ratio" else "{:.2f}"
            before, after = (shown.format(_average(frame, field)) for frame in (loans, lines))
            found.append((FIELDS[field].title, before, after))
    return found


def _average(frame: pd.DataFrame, field: str) -> float:
    there = frame[field].notna()
    return float(np.average(frame[field][there], weights=frame["amount"][there])) if there.any() else math.nan
