"""The outcome of a reading: rows that can be used, and the report of all columns and rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from xlkmv.phrase import LIST, Phrase, joined
from xlkmv.tape.headings import FIELDS, Key
from xlkmv.tape.result import Refused, Report, Taken, Tape
from xlkmv.tape.work import Work, counted, plain

__all__ = ["finished"]


def finished(work: Work, name: str) -> Tape:
    """Usable rows and the finished report of a tape whose rows have been checked."""
    report = work.report
    usable = np.ones(work.size, np.bool_)
    for place, key, reason in sorted(work.faults, key=lambda fault: fault[0]):
        usable[place] = False
        report.refused.append(Refused(int(work.rows[place]), *_cell(work, place, key), reason))
    money = work.figures["amount"]
    report.refused_rows = int((~usable).sum())
    report.refused_money = float(np.nansum(money[~usable]))
    fields = [f for f in FIELDS.values() if not f.helps and f.name in work.figures]
    rows = {f.name: work.figures[f.name][usable] for f in fields}
    frame = pd.DataFrame(
        {key: v.astype(object) if v.dtype.kind == "M" else v for key, v in rows.items()},
        index=pd.Index(work.rows[usable], name="row"),
    )
    schedule = {date: np.nan_to_num(work.figures[date][usable]) for date in work.dates}
    flows = pd.DataFrame(schedule, index=frame.index, columns=work.dates)
    report.taken += [_taken(work, f.name, frame[f.name]) for f in fields]
    if work.dates:
        total = Phrase("{total:,.2f} in all", total=flows.to_numpy().sum())
        report.taken.append(
            Taken(
                Phrase("{count} dates", count=len(work.dates)),
                Phrase("{low} to {high}", low=work.dates[0], high=work.dates[-1]),
                total,
                Phrase("scheduled collections"),
            )
        )
    report.left_out += [
        Phrase("{heading} (not needed)", heading=work.sources[key].heading)
        for key in work.sources
        if isinstance(key, str) and FIELDS[key].helps and key not in work.used
    ]
    report.notes.insert(
        0, Phrase("Taken: {rows} with {money:,.2f}.", rows=counted(usable), money=money[usable].sum())
    )
    _note_usual(report, frame)
    return Tape(name, frame, flows, report)


def _cell(work: Work, place: int, key: Key) -> tuple[str, Any]:
    """Heading and content of a cell, as the file has them."""
    source = work.sources.get(key)
    if source is None:
        return FIELDS[key].title if isinstance(key, str) and key in FIELDS else str(key), None
    return source.heading, plain(work.figures[key][place]) if source.cells is None else source.cells[place]


def _note_usual(report: Report, frame: pd.DataFrame) -> None:
    """Say what the deal takes for terms that the tape has no column for."""
    if "term" in frame and "amortisation" not in frame:
        report.notes.append(Phrase("No column of amortisations: level instalments (annuity)."))
    if "term" in frame and "payments_per_year" not in frame:
        report.notes.append(Phrase("No column of payment frequencies: monthly."))


def _taken(work: Work, key: str, column: pd.Series[Any]) -> Taken:
    source, field = work.sources[key], FIELDS[key]
    return Taken(source.heading, field.title, _summary(field.kind, column), source.how)


def _summary(kind: str, column: pd.Series[Any]) -> str:
    """Range of a column, or its different values when they are few."""
    there = column.dropna()
    found = Phrase("none") if there.empty else _range(kind, there)
    if len(there) == len(column):
        return found
    return joined([found, Phrase("{count:,} blank", count=len(column) - len(there))], LIST)


def _range(kind: str, there: pd.Series[Any]) -> str:
    if kind in ("text", "word"):
        counts = there.value_counts()
        if len(counts) > 4 or (kind == "text" and len(counts) == len(there)):
            return Phrase("{count:,} different", count=len(counts))
        words = (f"{v:g}" if isinstance(v, float) else str(v) for v in counts.index)
        return ", ".join(f"{word} ({n:,})" for word, n in zip(words, counts, strict=True))
    low, high = there.min(), there.max()
    forms: dict[str, Callable[[Any], str]] = {"ratio": _percent, "money": "{:,.2f}".format, "date": str}
    shown = forms.get(kind, "{:g}".format)
    return shown(low) if low == high else Phrase("{low} to {high}", low=shown(low), high=shown(high))


def _percent(x: float) -> str:
    return f"{100.0 * x:.6g} %"
