"""The classes of notes of a workbook, and the schedules of those that pay by schedule."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from xlkmv.deal.terms import PASS_THROUGH, Fault, Tranche, tranche_faults
from xlkmv.phrase import Phrase
from xlkmv.refresh.lookups import Curves
from xlkmv.refresh.reader import Reader
from xlkmv.refresh.terms import defaults
from xlkmv.workbook import layout
from xlkmv.workbook.book import Table

__all__ = ["read_tranches"]

SENIOR: dict[str | None, bool | None] = {"yes": True, "no": False, None: None}


def read_tranches(
    reader: Reader, dates: Sequence[dt.date], curves: Curves
) -> tuple[list[str], Callable[[], tuple[Tranche, ...]]]:
    """Read the classes.

    Parameters
    ----------
    reader : Reader
        Keeps the problems.
    dates : sequence of date
        Payment dates; none when nobody knows them.
    curves : Curves
        That floating coupons may refer to.

    Returns
    -------
    list of str
        Names of the classes.
    callable
        Builds them from tables without a fault.
    """
    spec = layout.TRANCHE
    table, rows = reader.records(spec)
    if table is None:
        return [], tuple
    reader.faults(table, spec, _blank_faults(reader, table, rows))
    for row in rows:
        _settle(row, curves)
    names = [row.name for row in rows]
    schedules = _read_schedules(reader, names, dates)
    for row in rows:
        row.schedule = schedules.of(row.name, row.amount, len(dates))
    faults = list(tranche_faults(rows, dates, curves=curves.names))
    reader.faults(table, spec, (fault for fault in faults if fault.column != "schedule"))
    for fault in (fault for fault in faults if fault.column == "schedule" and dates):
        row = rows[fault.row or 0]
        if row.schedule:
            schedules.report(reader, row.name, fault)
        else:
            rule = Phrase(
                "needs the dates and amounts of the class in table {table}", table=layout.SCHEDULE.name
            )
            reader.fail(table, fault.row or 0, spec.column("payment").header, rule)
    return names, lambda: tuple(_made(row) for row in rows)


def _settle(row: SimpleNamespace, curves: Curves) -> None:
    """Put defaults into blank cells; numbers that every class needs are NaN where they are missing."""
    row.pari_passu, row.deferrable = row.pari_passu == "yes", row.deferrable == "yes"
    row.senior = SENIOR[row.senior]
    row.base = curves.named(row.base)
    for name, usual in defaults(Tranche).items():
        if getattr(row, name, None) is None:
            setattr(row, name, usual)
    if row.coupon is None and row.base:
        row.coupon = 0.0
    for name in ("rank", "amount", "coupon"):
        if getattr(row, name) is None:
            setattr(row, name, np.nan)


def _made(row: SimpleNamespace) -> Tranche:
    given = {name: value for name, value in vars(row).items() if name != "basis"}
    return Tranche(**{**given, "rank": int(row.rank)})


def _blank_faults(reader: Reader, table: Table, rows: Sequence[SimpleNamespace]) -> Iterator[Fault]:
    """Yield cells that other cells of their row do not allow to be blank, or to be filled."""
    for k, row in enumerate(rows):
        coupon, maturity, base = (layout.TRANCHE.column(f).header for f in ("coupon", "maturity", "base"))
        floats = not reader.is_blank(table, k, base)
        if not floats and reader.is_blank(table, k, coupon):
            rule = Phrase(
                "must not be blank: enter the coupon (0 for a residual class), or fill '{base}'", base=base
            )
            yield Fault("tranche", k, "coupon", None, rule)
        if reader.is_blank(table, k, maturity) and row.payment not in (None, PASS_THROUGH):
            rule = Phrase(
                "must not be blank: only {pass_through} classes need no maturity", pass_through=PASS_THROUGH
            )
            yield Fault("tranche", k, "maturity", None, rule)


# -------------------------------------------------------------------------------- schedules


class _Due(NamedTuple):
    """One row of the table of schedules; None stands for what is blank, or wrong and reported."""

    tranche: str | None
    place: int | None  # of the date among the payment dates
    amount: float | None
    share: float | None


@dataclass(frozen=True, slots=True)
class _Schedules:
    """Principal of classes by date, and where it stands."""

    table: Table | None = None
    rows: tuple[_Due, ...] = ()

    def of(self, name: str, amount: float, dates: int) -> tuple[float, ...]:
        """Principal of a class on each date, money; NaN where a figure is wrong; () without a row."""
        rows = [row for row in self.rows if row.tranche == name]
        due = np.zeros(dates if rows else 0)
        for row in rows:
            part = amount * (np.nan if row.share is None else row.share)
            # A date that is not known leaves no figure that can be judged.
            due[slice(None) if row.place is None else row.place] += (
                np.nan if row.place is None else part if row.amount is None else row.amount
            )
        return tuple(due.tolist())

    def report(self, reader: Reader, name: str, fault: Fault) -> None:
        """Report a fault of the schedule of a class at its first row."""
        if self.table is not None:
            row = next(k for k, due in enumerate(self.rows) if due.tranche == name)
            field = "share" if self.rows[row].amount is None else "amount"
            total = f"{fault.value:.10g}" if isinstance(fault.value, float) else fault.value
            rule = Phrase(
                "the schedule of '{name}' {rule}; it has {total}", name=name, rule=fault.rule, total=total
            )
            reader.fail(self.table, row, layout.SCHEDULE.column(field).header, rule)


def _read_schedules(reader: Reader, classes: Sequence[str], dates: Sequence[dt.date]) -> _Schedules:
    spec = layout.SCHEDULE
    table = reader.rows(spec)
    if table is None:
        return _Schedules()
    columns = (reader.values(table, column) for column in spec.columns)
    known = {c.casefold(): c for c in classes}
    place = {day: k for k, day in enumerate(dates)}
    rows, days = [], []
    for of, day, amount, share in zip(*columns, strict=True):
        tranche = known.get((of or "").casefold())
        rows.append(_Due(tranche, None if day is None else place.get(day), amount, share))
        days.append(day)
    reader.faults(table, spec, _schedule_faults(reader, table, rows, days, classes, known=bool(dates)))
    return _Schedules(table, tuple(rows))


def _schedule_faults(
    reader: Reader,
    table: Table,
    rows: Sequence[_Due],
    days: Sequence[dt.date | None],
    classes: Sequence[str],
    known: bool,
) -> Iterator[Fault]:
    """Yield everything that is wrong with rows of schedules; dates only if the payment dates are known."""
    name, _, amount, share = (c.header for c in layout.SCHEDULE.columns)
    seen: set[tuple[str, dt.date]] = set()
    for k, (row, day) in enumerate(zip(rows, days, strict=True)):
        if row.tranche is None and not reader.is_blank(table, k, name):
            rule = Phrase(
                "must be the name of a class of table {table} ({options})",
                table=layout.TRANCHE.name,
                options=", ".join(classes),
            )
            yield Fault("schedule", k, "tranche", None, rule)
        if known and day is not None and row.place is None:
            yield Fault("schedule", k, "date", day, "must be one of the payment dates")
        if row.tranche is not None and day is not None:
            if (row.tranche, day) in seen:
                yield Fault("schedule", k, "date", day, "is there twice: a class has one figure on a date")
            seen.add((row.tranche, day))
        blank = [reader.is_blank(table, k, header) for header in (amount, share)]
        if all(blank):
            yield Fault(
                "schedule",
                k,
                "amount",
                None,
                Phrase("must not be blank: enter it, or '{share}'", share=share),
            )
        elif not any(blank):
            yield Fault(
                "schedule",
                k,
                "share",
                row.share,
                Phrase("must be blank: '{amount}' says it already", amount=amount),
            )
