"""What the tables of inputs of a new workbook hold: a deal, an example with its sources, or nothing yet.

Cells are worked out here and drawn by :mod:`xlkmv.build.template`. Terms that a deal leaves at their
defaults stay blank, but for those that every workbook shows.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from xlkmv.deal.examples import Example
from xlkmv.deal.examples.basis import Basis, Sources
from xlkmv.deal.questions.diversification import Otherwise
from xlkmv.deal.questions.structure import asked_classes
from xlkmv.deal.stress import PRESETS, Stress
from xlkmv.deal.terms import (
    CONTROLS,
    HORIZONS,
    INTERVALS,
    LOAN_NUMBERS,
    LONG_RUN,
    NOT_PUBLISHED,
    POOL_NUMBERS,
    POOL_WORDS,
    RANGE_NUMBERS,
    RECOVERY_NUMBERS,
    SOURCE_NUMBERS,
    USUAL_LOAN,
    USUAL_RECOVERY,
    ClassScale,
    Controls,
    Deal,
    Pool,
    Ranges,
    Record,
    Terms,
    payment_dates,
)
from xlkmv.errors import InputError
from xlkmv.phrase import Phrase, joined
from xlkmv.workbook import layout
from xlkmv.workbook.layout import Column, TableSpec

__all__ = ["Filled", "Filling", "blank", "calendar", "filling"]

# Said of terms whose meaning is not plain, where no source says more.
MEANINGS = {
    "volatility_source": "implied: from the obligors' PD, recovery and correlation",
    "volatility": "used when the source is user",
    "drift": "used when the source is user",
    "support_correlation": "pool and payer of the undertaking",
    "copula": "of the simulation",
    "degrees_of_freedom": "of the t copula",
    "correlation_source": "typed: sheet Pool; what it comes to: sheet Sources",
    "industry_correlation": "extra correlation inside an industry",
    "between_industries": "of the factors of two industries; blank: 1, one factor for all",
    "cure": "whether a trigger ends when its test is met again",
    "closing_periods": "surveillance: the larger, the less collections since closing move the view",
    "surprise_tail": "surveillance: the smaller, the less a single surprise counts; 1000: in full",
    "paths": "of the simulation",
    "seed": "same seed, same numbers",
    "scheduler": "tcp://host:port of a Dask cluster; blank: this computer",
}
# Figures of the model, not of the deal: no source says them, and they are no guess.
OF_MODEL = {
    *("volatility_source", "volatility", "drift", "copula", "degrees_of_freedom"),
    *(
        "correlation_source",
        "industry_correlation",
        "paths",
        "seed",
        "scheduler",
        "closing_periods",
        "surprise_tail",
    ),
}
# Later terms that are shown with their defaults, too: what they are set to is part of the answer.
SHOWN = {"closing_periods", "surprise_tail"}
DEFAULT = "assumption: default"
# Terms that belong to a control.
OF_CONTROL = {
    "reserve_unit": "reserve",
    "reserve_floor": "reserve",
    "reserve_funding": "reserve",
    "support_cap": "support",
    "support_cap_unit": "support",
    "support_correlation": "support",
    "cure": "triggers",
}
# Columns that every deal uses, and those that a deal of loans starts with.
OF_EVERY_POOL = {"name", "share", *POOL_NUMBERS}
OF_LOANS = {"count", "term", "rate", "amortisation"}
OF_EVERY_TRANCHE = {"name", "rank", "amount", "share", "coupon", "payment", "maturity"}
# A switch that nobody has set up stays off.
UNSET = Controls(reserve=False, support=False, repurchase=False)


@dataclass(frozen=True, slots=True)
class Filled:
    """Cells of one table of inputs.

    Attributes
    ----------
    rows : list of list
        In the order of the columns; a formula is a pair of its text and its value.
    marks : list of list of bool
        Which of them are assumptions.
    used : set
        Fields of the columns (of labelled rows: of the rows) that the deal uses.
    extra : tuple of Column
        Further columns, right of those of the layout.
    formats : list of str, optional
        Of the rows, where they differ.
    """

    rows: list[list[Any]]
    marks: list[list[bool]]
    used: set[str] = field(default_factory=set)
    extra: tuple[Column, ...] = ()
    formats: list[str] | None = None

    def head(self, count: int) -> Filled:
        """Return the table with its first rows only."""
        return replace(self, rows=self.rows[:count], marks=self.marks[:count])


@dataclass(frozen=True, slots=True)
class Filling:
    """Everything that a new workbook says before its first refresh.

    Attributes
    ----------
    title : str
        What the deal is.
    dates : tuple of date
        Payment dates, which the charts are laid out for.
    pages : tuple of str
        What was read.
    notes : mapping of str to str
        What sheets say under their title, by their names.
    tables : mapping of str to Filled
        By the name of the table; those that are left out stay blank.
    currency, unit : str
        Of all money, such as RMB and million; labels only.
    headline : str
        Class that headlines speak of; "": the last senior one.
    """

    title: str
    dates: tuple[dt.date, ...]
    pages: tuple[str, ...]
    notes: Mapping[str, str]
    tables: Mapping[str, Filled]
    currency: str = ""
    unit: str = ""
    headline: str = ""

    @property
    def money_label(self) -> str:
        """What titles and axes of money say; they have a word of their own where it is blank."""
        return f"{self.currency} {self.unit}".strip()

    def note(self, sheet: str, text: str) -> str:
        """Line under the title of a sheet: what always holds, and what this deal adds."""
        more = self.notes.get(sheet, "")
        return joined([Phrase(text), Phrase(more)]) if more else text


def filling(
    deal: Deal | Example,
    *,
    title: str = "",
    conditions: Sequence[Stress] = PRESETS,
    actual: Record | None = None,
    ranges: Ranges | None = None,
    otherwise: Otherwise | None = None,
) -> Filling:
    """Cells of a deal, or of an example with its sources.

    Parameters
    ----------
    deal : Deal or Example
    title : str
        What a deal is called; an example has its own.
    conditions : sequence of Stress
    actual : Record, optional
        What is known of the first payment dates of a deal; an example has its own.
    ranges : Ranges, optional
        How well the inputs of a deal are known; an example has its own.
    otherwise : Otherwise, optional
        Other ways to spread the pool that are asked about; the usual ones when left out.

    Returns
    -------
    Filling

    Raises
    ------
    InputError
        When the pool holds worked-out interest and balances, for which a workbook has no columns.
    """
    if isinstance(deal, Example):
        sources, found = deal.sources, deal.deal
        title, pages, notes = f"{deal.title}  {deal.chinese}", sources.pages, deal.notes
        more, actual, currency, ranges = deal.pool, Record(deal.actual), deal.currency, deal.ranges
    else:
        sources, found = None, deal
        title, pages, notes, more, currency = title or layout.UNNAMED, (), {}, {}, ""
    if found.pool.interest is not None or found.pool.claim is not None:
        rule = Phrase(
            "must come with schedules or loan terms: a workbook has no columns for worked-out interest"
        )
        raise InputError("deal pool", rule, "interest, balance or claim")
    by_terms, ranges = _by_terms(found), ranges or Ranges()
    ranges.check_obligors(found.pool)
    tables = {
        layout.POOL.name: _pool(found, sources, more, by_terms, ranges),
        layout.TRANCHE.name: _tranches(found, sources),
        layout.TERM.name: _terms(found.terms, found.controls, sources, by_terms),
        layout.CONTROL.name: _controls(found.controls, sources),
        layout.COVENANT.name: _covenants(found, sources),
        layout.ACTUAL.name: _actual(found.terms.dates, actual or Record(), sources),
        layout.SCENARIO.name: _conditions(conditions),
        layout.SCHEDULE.name: _schedule(found),
        layout.CURVE.name: _plain(
            [c.name, *point] for c in found.terms.curves for point in zip(c.dates, c.rates, strict=True)
        ),
        layout.VECTOR.name: _vectors(found.terms),
        layout.CLASS_SCALE.name: _class_scale(found.terms.class_scale),
        layout.TARGET.name: _target(found, sources),
        layout.RANGE.name: _ranges(ranges),
        layout.OTHERWISE.name: _otherwise(otherwise or Otherwise()),
        layout.RECOVERY.name: _recoveries(found.pool),
    }
    filled = {name: table for name, table in tables.items() if table.rows}
    return Filling(title, found.terms.dates, pages, notes, filled, currency, headline=found.terms.headline)


# Excel's calendar begins with 1900, and has a day in it that never was.
EARLIEST = dt.date(1901, 1, 1)


def blank(closing: dt.date, every: str, count: int, scheduled: bool = False) -> Filling:
    """Cells of a deal that is still to be entered: its calendar, and the defaults of its terms.

    Parameters
    ----------
    closing : date
    every : str
        A key of :data:`~xlkmv.deal.terms.INTERVALS`.
    count : int
        Number of payment dates, 1 to 1200.
    scheduled : bool
        Whether the pool has a column of collections for each payment date; else loan terms are asked for.

    Returns
    -------
    Filling

    Raises
    ------
    InputError
        When there is no such calendar.
    """
    if not layout.COUNT_OF_DATES.holds(count):
        raise InputError("dates", layout.COUNT_OF_DATES.text, count)
    if closing < EARLIEST:
        raise InputError(
            "closing",
            Phrase("must not be before {earliest}: Excel knows no earlier dates", earliest=EARLIEST),
            closing,
        )
    dates = payment_dates(closing, every, count)
    if scheduled:
        pool = _empty(layout.POOL, OF_EVERY_POOL, _date_columns(dates))
    else:
        pool = _empty(layout.POOL, OF_EVERY_POOL | OF_LOANS)
    tables = {
        layout.POOL.name: pool,
        layout.TRANCHE.name: _empty(layout.TRANCHE, OF_EVERY_TRANCHE | {"senior"}),
        layout.TERM.name: _terms(Terms(closing, dates), UNSET, None, (every, None, count)),
        layout.CONTROL.name: _controls(UNSET, None),
        layout.ACTUAL.name: _actual(dates, Record(), None),
        layout.SCENARIO.name: _conditions(PRESETS),
        layout.CLASS_SCALE.name: _class_scale(LONG_RUN),
        layout.RANGE.name: _ranges(Ranges()),
        layout.OTHERWISE.name: _otherwise(Otherwise()),
    }
    notes = {
        "Pool": "For scheduled collections in place of loan terms add columns headed by payment dates.",
    }
    return Filling(layout.UNNAMED, dates, (), {} if scheduled else notes, tables)


def calendar(closing: dt.date, dates: Sequence[dt.date]) -> tuple[str, dt.date | None, int] | None:
    """Interval, first date (None: one interval after closing) and number of dates; None if irregular."""
    for every, first in itertools.product(INTERVALS, (None, dates[0])):
        if payment_dates(closing, every, len(dates), first) == tuple(dates):
            return every, first, len(dates)
    return None


def _by_terms(deal: Deal) -> tuple[str, dt.date | None, int] | None:
    """Calendar of a deal whose claims all have loan terms: it needs no columns of dates."""
    loans = deal.pool.loans
    if loans is None or not loans.given.all():
        return None
    return calendar(deal.terms.closing, deal.terms.dates)


# ------------------------------------------------------------------------------------- tables


def _plain(rows: Iterable[Sequence[Any]]) -> Filled:
    """Rows of a table without a single assumption that is marked."""
    cells = [list(row) for row in rows]
    return Filled(cells, [[False] * len(row) for row in cells])


def _empty(spec: TableSpec, used: set[str], extra: tuple[Column, ...] = ()) -> Filled:
    """One blank row; shares are worked out in it from the start."""
    row = [_share(spec, 0.0) if c.field == "share" else None for c in (*spec.columns, *extra)]
    return Filled([row], [[False] * len(row)], used, extra)


def _date_columns(dates: Iterable[dt.date]) -> tuple[Column, ...]:
    """Columns of scheduled collections."""
    return tuple(Column(d.isoformat(), "", "schedule", "number", layout.MONEY, 13) for d in dates)


def _share(spec: TableSpec, value: float) -> tuple[str, float]:
    amount = spec.column("amount").header
    total = layout.POOL_AMOUNT if spec is layout.POOL else f"SUM({spec.name}[{amount}])"
    return f"=IFERROR({spec.name}[[#This Row],[{amount}]]/{total},0)", value


def _filled(
    spec: TableSpec,
    rows: Iterable[dict[str, Any]],
    bases: Sequence[Basis] | None,
    always: set[str],
    extra: tuple[Column, ...] = (),
) -> Filled:
    """Table of rows by field; what no basis calls a fact is an assumption, where there are bases."""
    columns = (*spec.columns, *extra)
    names = [*(c.field for c in spec.columns), *(c.header for c in extra)]
    cells = [[row.get(name) for name in names] for row in rows]
    columns_used = {name for k, name in enumerate(names) if any(row[k] is not None for row in cells)}
    marks = [[False] * len(names)] * len(cells)
    for k, basis in enumerate(bases or ()):
        known = [c.field in basis.facts | {"name", "share", "basis"} for c in columns]
        marks[k] = [x is not None and not fact for x, fact in zip(cells[k], known, strict=True)]
    return Filled(cells, marks, always | columns_used, extra)


def _pool(
    deal: Deal,
    sources: Sources | None,
    more: Mapping[str, tuple[Any, ...]],
    by_terms: tuple[str, dt.date | None, int] | None,
    ranges: Ranges,
) -> Filled:
    pool, terms = deal.pool, deal.terms
    extra = _date_columns(() if by_terms else terms.dates)
    dates = [c.header for c in extra]
    columns = {name: getattr(pool, name).tolist() for name in POOL_NUMBERS}
    m = len(pool.name)
    ends = zip((*RANGE_NUMBERS, *SOURCE_NUMBERS), (*ranges.obligors(m), *ranges.sourced(m)), strict=True)
    columns |= {name: [_known(x) for x in values.tolist()] for name, values in ends}
    if pool.recoveries is not None:  # the recovery of a pledge follows from it
        pledged = pool.recoveries.pledged.tolist()
        columns["recovery"] = [None if p else x for p, x in zip(pledged, columns["recovery"], strict=True)]
    columns["name"] = list(pool.name)
    formula, _ = _share(layout.POOL, 0.0)
    columns["share"] = [(formula, share) for share in pool.share.tolist()]
    if pool.count is not None:
        columns["count"] = pool.count.tolist()
    for words in POOL_WORDS:
        if any(getattr(pool, words)):
            columns[words] = [word or None for word in getattr(pool, words)]

    by_loan_terms = [False] * len(pool.name) if pool.loans is None else pool.loans.given.tolist()

    def row(k: int) -> dict[str, Any]:
        found = {c: values[k] for c, values in (*columns.items(), *more.items())}
        if sources:
            found["basis"] = sources.pool[k].text
        if by_loan_terms[k]:
            return found | _loan(pool, k)
        return found | dict(zip(dates, pool.schedule[k].tolist(), strict=True))

    rows = map(row, range(len(pool.name)))
    return _filled(layout.POOL, rows, sources.pool if sources else None, OF_EVERY_POOL, extra)


def _known(x: float) -> float | None:
    return x if x == x else None


def _recoveries(pool: Pool) -> Filled:
    """Rows of the obligors whose recovery is drawn; a spread of 0 stands where there is no pledge."""
    drawn = pool.recoveries
    if drawn is None:
        return Filled([], [])
    rows = []
    for k, name in enumerate(pool.name):
        figures = {c: _known(float(getattr(drawn, c)[k])) for c in RECOVERY_NUMBERS}
        said = {c: x for c, x in figures.items() if x is not None and x != USUAL_RECOVERY[c]}
        if said:
            rows.append({"name": name, **({} if "pledge" in said else {"spread": 0.0}), **said})
    return _filled(layout.RECOVERY, rows, None, set())


def _ranges(ranges: Ranges) -> Filled:
    """Rows of what may have a range; what is there is an assumption."""
    said = [[_known(x) for x in ranges.said(item.field)] for item in layout.RANGE_ROWS]
    rows = [[item.label, *cells, None, None] for item, cells in zip(layout.RANGE_ROWS, said, strict=True)]
    marks = [[False, *(x is not None for x in cells), False, False] for cells in said]
    return Filled(rows, marks, formats=[item.format for item in layout.RANGE_ROWS])


# Rows to ask in that there are at least.
ASKED = 4


def _otherwise(asked: Otherwise) -> Filled:
    """Rows of the pools to ask about; what a new industry has in common is an assumption."""
    place, room = layout.OTHERWISE.index("between"), [None] * ASKED
    rows = [[*row] for row in itertools.zip_longest(asked.caps, room, asked.times, [asked.between])]
    return Filled(rows, [[k == place and x is not None for k, x in enumerate(row)] for row in rows])


def _loan(pool: Pool, k: int) -> dict[str, Any]:
    """Loan terms of a row; what is usual stays blank, but for the way it is repaid."""
    loans = pool.loans
    assert loans is not None
    floats = bool(loans.base[k])
    usual = {**USUAL_LOAN, **({"rate": 0.0} if floats else {})}  # its curve's
    found = {name: float(getattr(loans, name)[k]) for name in LOAN_NUMBERS}
    row: dict[str, Any] = {name: x for name, x in found.items() if x != usual.get(name)}
    return row | {
        "amortisation": loans.amortisation[k],
        "first": loans.first[k],
        "base": loans.base[k] or None,
    }


def _tranches(deal: Deal, sources: Sources | None) -> Filled:
    total = sum(t.amount for t in deal.tranches)
    shared = any(t.pari_passu for t in deal.tranches)
    rows = []
    for k, t in enumerate(deal.tranches):
        row: dict[str, Any] = {"share": _share(layout.TRANCHE, t.amount / total)}
        row |= {
            name: getattr(t, name)
            for name in ("name", "rank", "amount", "payment", "maturity", "legal_final")
        }
        if not t.base or t.coupon:
            row["coupon"] = t.coupon
        if shared:
            row["pari_passu"] = _yes(t.pari_passu)
        if t.senior is not None:
            row["senior"] = _yes(t.senior)
        if t.deferrable:
            row["deferrable"] = "yes"
        if t.base:
            row |= {"base": t.base, "margin": t.margin or None, "cap": t.cap, "floor": t.floor}
        if sources:
            row["basis"] = sources.tranches[k].text
        rows.append(row)
    return _filled(layout.TRANCHE, rows, sources.tranches if sources else None, OF_EVERY_TRANCHE)


def _yes(on: bool) -> str:
    return "yes" if on else "no"


def _terms(
    terms: Terms,
    controls: Controls,
    sources: Sources | None,
    by_terms: tuple[str, dt.date | None, int] | None,
) -> Filled:
    """Rows of terms: those of every plan, and of the others what the deal says."""
    every, first, count = by_terms or (None, None, None)
    said: dict[str, Any] = {"every": every, "first": first, "count": count, "scheduler": None}
    said["correlation_source"] = "typed"
    bases = dict(sources.terms) if sources else {}
    if by_terms and "dates" in bases:
        bases["every"] = bases["dates"]
    usual = {f.name: f.default for part in (Terms, Controls) for f in fields(part)}
    rows, marks, used = [], [], set()
    for item in layout.TERM_ROWS:
        name = item.field
        value = said[name] if name in said else getattr(controls if hasattr(controls, name) else terms, name)
        value = _yes(value) if item.kind == "yesno" else value
        if item.blank and name not in SHOWN and name not in bases and value == usual.get(name):
            value = None
        basis, text = bases.get(name), MEANINGS.get(name)
        guess = sources is not None and value is not None and name not in OF_MODEL | {"first", "count"}
        if name in OF_CONTROL:  # of one that is off nobody has guessed anything
            guess = guess and getattr(controls, OF_CONTROL[name])
            basis = basis or (sources.controls[OF_CONTROL[name]] if guess and sources and not text else None)
        if basis is not None:
            guess, text = guess and not basis.facts, basis.text
        elif guess:
            text = text or DEFAULT
        rows.append([item.label, value, item.unit or None, text])
        marks.append([False, guess, False, False])
        if value is not None or name in bases:
            used.add(name)
    return Filled(rows, marks, used, formats=[item.format for item in layout.TERM_ROWS])


# How the size of the reserve is shown.
RESERVE_FORMATS = {"periods": "0.00", "money": layout.MONEY, "of pool": layout.RATE}


def _controls(controls: Controls, sources: Sources | None) -> Filled:
    rows, marks, formats = [], [], []
    for item in layout.CONTROL_ROWS:
        on = getattr(controls, item.field)
        figure = getattr(controls, item.figure) if item.figure else None
        reserve = item.field == "reserve"
        meaning = controls.reserve_unit if reserve else item.meaning or None
        basis = sources.controls[item.field] if sources else None
        rows.append([item.label, _yes(on), figure, meaning, basis and basis.text])
        guess = basis is not None and not basis.facts and on and figure is not None
        marks.append([False, False, guess, False, False])
        formats.append(RESERVE_FORMATS[controls.reserve_unit] if reserve else item.format)
    return Filled(rows, marks, formats=formats)


def _covenants(deal: Deal, sources: Sources | None) -> Filled:
    results = len(layout.COVENANT.results)
    rows = [[c.name, c.metric, c.side, c.threshold, c.consequence, *[None] * results] for c in deal.covenants]
    marks = [False, False, False, *[sources is not None] * 2, *[False] * results]
    return Filled(rows, [list(marks) for _ in rows])


def _actual(dates: Sequence[dt.date], actual: Record, sources: Sources | None) -> Filled:
    """Payment dates, and what is known of the first of them."""
    results = [None] * len(layout.ACTUAL.results)
    known = [getattr(actual, name) for name in ("collections", *Record.more())]
    rows = [
        [d, *(column[k] if k < len(column) else None for column in known), *results]
        for k, d in enumerate(dates)
    ]
    guess = sources is not None and not ("dates" in sources.terms and sources.terms["dates"].facts)
    # That obligors paid on schedule may be known, and the schedule an assumption.
    rest = [False] * (len(Record.more()) + len(results))
    marks = [[guess, guess and row[1] is not None, *rest] for row in rows]
    return Filled(rows, marks)


def _conditions(conditions: Sequence[Stress]) -> Filled:
    results = [None] * len(layout.SCENARIO.results)
    return _plain([*_condition(x), *results] for x in conditions)


def _condition(x: Stress) -> list[Any]:
    off = ", ".join(CONTROLS[k].label for k in x.controls_off)
    off = "all" if len(x.controls_off) == len(CONTROLS) else off
    return [
        x.name,
        x.pool_haircut,
        x.volatility_multiplier,
        x.pd_multiplier,
        x.recovery_multiplier,
        x.correlation_add,
        x.delay,
        x.rate_shift,
        x.obligor_recovery,
        x.obligor or None,
        off or None,
        x.default_point,
    ]


def _schedule(deal: Deal) -> Filled:
    due = ((t, zip(deal.terms.dates, t.schedule, strict=True)) for t in deal.tranches if t.schedule)
    return _plain([[t.name, date, x, None] for t, dated in due for date, x in dated if x])


# Any-date PDs by maturity that a new workbook asks for: of senior classes, and of others but the last one.
TARGETS = (0.001, 0.01)


def _target(deal: Deal, sources: Sources | None) -> Filled:
    """A target for all classes but the most junior one, which loses first."""
    asked, results = asked_classes(deal), [None] * len(layout.TARGET.results)
    rows = [
        [t.name, TARGETS[not senior] if t.name in asked else None, *results]
        for t, senior in zip(deal.tranches, deal.senior.tolist(), strict=True)
    ]
    marks = [[False, sources is not None and row[1] is not None, *[False] * len(results)] for row in rows]
    return Filled(rows, marks)


def _vectors(terms: Terms) -> Filled:
    vectors = itertools.zip_longest(terms.prepayment_vector, terms.cdr, terms.loss_curve)
    return _plain([[float(k), *row] for k, row in enumerate(vectors, 1)])


def _class_scale(scale: ClassScale) -> Filled:
    """Grades with their rates; what is not published, but ours, is marked."""
    if unknown := sorted(set(scale.horizons) - set(HORIZONS)):
        rule = Phrase(
            "must be among {options}: a workbook has no other columns",
            options=", ".join(f"{h:g}" for h in HORIZONS),
        )
        raise InputError("class scale horizons", rule, unknown[0])
    rows = []
    for grade, rates in zip(scale.grades, scale.rates, strict=True):
        by_horizon = dict(zip(scale.horizons, rates, strict=True))
        rows.append([grade, *(by_horizon.get(years) for years in HORIZONS)])
    shipped = scale == LONG_RUN
    marks = [[shipped and (row[0], years) in NOT_PUBLISHED for years in (0.0, *HORIZONS)] for row in rows]
    return Filled(rows, marks)
