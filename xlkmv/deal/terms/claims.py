"""The claims: what obligors owe, by a schedule of dates or by loan terms."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from xlkmv.deal.terms.columns import Columns
from xlkmv.deal.terms.dates import as_date
from xlkmv.deal.terms.faults import MOST_OBLIGORS, Fault, column_faults, raise_first, twice
from xlkmv.deal.terms.recoveries import RECOVERY_NUMBERS, Recoveries, recovery_faults
from xlkmv.errors import InputError
from xlkmv.kinds import altered, check_kinds
from xlkmv.model.domain import Array, numbers
from xlkmv.phrase import Phrase
from xlkmv.shown import Shown

__all__ = [
    "AMORTISATIONS",
    "LOAN_NUMBERS",
    "LOAN_WORDS",
    "POOL_NUMBERS",
    "POOL_WORDS",
    "STATUSES",
    "USUAL_LOAN",
    "Loans",
    "Pool",
    "loan_faults",
    "pool_faults",
    "status_faults",
]

AMORTISATIONS = ("annuity", "linear", "bullet", "interest-only")
STATUSES = ("performing", "late", "defaulted", "prepaid", "repurchased")
POOL_NUMBERS = ("amount", "pd", "recovery", "lag", "correlation")
POOL_WORDS = ("industry", "status", "since")
LOAN_NUMBERS = ("rate", "margin", "term", "interest_only", "payments_per_year", "age")
LOAN_WORDS = ("amortisation", "first", "base")
# What a blank loan term means; one that is not here is needed, or may be absent.
USUAL_LOAN: Mapping[str, Any] = {
    "margin": 0.0,
    "interest_only": 0.0,
    "payments_per_year": 12.0,
    "age": 0.0,
    "amortisation": "annuity",
}
# Rules of the loan terms that have the name of another column.
LOAN_RULES = {"rate": "loan_rate", "margin": "loan_margin"}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Loans(Columns, Shown):
    """Loan terms, one row per row of the pool; a row without a term comes with a schedule.

    Attributes
    ----------
    term : ndarray, shape (m,)
        Remaining term in months; NaN for a row that comes with a schedule.
    rate : ndarray, shape (m,)
        Nominal rate per annum; of a floating claim ignored.
    amortisation : tuple of str, length m
        One of :data:`AMORTISATIONS`: level instalments, level principal, all principal with
        the last payment, or interest alone for a while and level instalments after that.
    interest_only : ndarray, shape (m,)
        Months of interest alone; 0 unless the amortisation is interest-only.
    first : tuple of (date or None), length m
        First payment; None: one payment period after closing.
    payments_per_year : ndarray, shape (m,)
        1, 2, 4, 6 or 12.
    age : ndarray, shape (m,)
        Months since origination, at closing; prepayment speeds depend on it.
    base : tuple of str, length m
        Name of the base curve of a floating claim; "" for a fixed one.
    margin : ndarray, shape (m,)
        Over the base curve, per annum; 0 where there is none.
    """

    term: Array
    rate: Array
    amortisation: tuple[str, ...] = ()
    interest_only: Array = field(default_factory=lambda: np.full((), USUAL_LOAN["interest_only"]))
    first: tuple[dt.date | None, ...] = ()
    payments_per_year: Array = field(default_factory=lambda: np.full((), USUAL_LOAN["payments_per_year"]))
    age: Array = field(default_factory=lambda: np.full((), USUAL_LOAN["age"]))
    base: tuple[str, ...] = ()
    margin: Array = field(default_factory=lambda: np.full((), USUAL_LOAN["margin"]))

    def __post_init__(self) -> None:
        check_kinds("pool", self)
        m = numbers("pool term", self.term).size
        for column in LOAN_NUMBERS:
            values = numbers(f"pool {column}", getattr(self, column))
            if values.ndim and values.shape != (m,):
                raise InputError(
                    f"pool {column}",
                    Phrase("must have one value per row ({count})", count=m),
                    f"shape {values.shape}",
                )
            object.__setattr__(self, column, np.broadcast_to(values, (m,)).copy())
        for column in LOAN_WORDS:
            usual = None if column == "first" else USUAL_LOAN.get(column, "")
            words = tuple(getattr(self, column)) or (usual,) * m
            if column == "first":
                words = _days("pool first payment", words)
            if len(words) != m:
                raise InputError(
                    f"pool {column}",
                    Phrase("must have one value per row ({count})", count=m),
                    f"{len(words)} values",
                )
            object.__setattr__(self, column, words)
        columns = {c: getattr(self, c) for c in (*LOAN_NUMBERS, *LOAN_WORDS)}
        raise_first(loan_faults(columns, self.given, settled=True))

    def __hash__(self) -> int:
        return hash((self.term.size, self.amortisation))

    def pick(self, rows: npt.NDArray[np.int64]) -> Loans:
        """Loan terms of some rows, in their order."""
        columns: dict[str, Any] = {c: getattr(self, c)[rows] for c in LOAN_NUMBERS}
        for column in LOAN_WORDS:
            values = getattr(self, column)
            columns[column] = tuple(values[i] for i in rows.tolist())
        return altered(self, **columns)

    @property
    def given(self) -> npt.NDArray[np.bool_]:
        """Rows that have loan terms, shape (m,)."""
        return ~np.isnan(self.term)


def _days(name: str, words: Iterable[Any]) -> tuple[dt.date | None, ...]:
    """Dates of the rows that have one."""
    return tuple(None if word is None else as_date(name, word) for word in words)


def loan_faults(
    columns: Mapping[str, Any], given: Any, closing: dt.date | None = None, settled: bool = False
) -> Iterator[Fault]:
    """Yield everything that is wrong with the loan terms of the rows where `given`."""
    on = np.flatnonzero(given)
    words = {c: np.asarray(columns[c], object)[on] for c in LOAN_WORDS}
    figures = {}
    for column in LOAN_NUMBERS:
        values = figures[column] = np.asarray(columns[column], float)[on]
        if column == "rate":  # a floating claim has a margin instead
            values = np.where(words["base"].astype(np.bool_), 0.0, values)
        for fault in column_faults("pool", LOAN_RULES.get(column, column), values, column, settled):
            yield Fault("pool", int(on[fault.row or 0]), column, fault.value, fault.rule)
    # Rule by rule over all rows at once: there may be a hundred thousand, and few are wrong.
    found: list[Fault] = []

    def fail(column: str, wrong: Any, rule: str | Callable[[int], str]) -> None:
        for i in on[np.asarray(wrong, np.bool_)].tolist():
            value, text = columns[column][i], rule if isinstance(rule, str) else rule(i)
            found.append(Fault("pool", i, column, float(value) if column in LOAN_NUMBERS else value, text))

    def periods(row: int) -> str:
        often = columns["payments_per_year"][row]
        return Phrase("must be a whole number of payment periods ({months:g} months each)", months=12 / often)

    kinds = words["amortisation"]
    unknown = [word not in AMORTISATIONS and bool(word or settled) for word in kinds.tolist()]
    fail("amortisation", unknown, Phrase("must be one of: {options}", options=", ".join(AMORTISATIONS)))
    early = [day is not None and closing is not None and day <= closing for day in words["first"].tolist()]
    fail("first", early, Phrase("must be after the closing date ({closing})", closing=closing))
    term, often, alone = figures["term"], figures["payments_per_year"], figures["interest_only"]
    whole = np.isin(often, (1, 2, 4, 6, 12))
    fail("term", whole & (np.nan_to_num(term * often % 12) != 0.0), periods)
    odd = ~whole & (often >= 1) & (often <= 12)
    fail("payments_per_year", odd, Phrase("must be 1, 2, 4, 6 or 12 (payments a year)"))
    fail(
        "margin",
        (figures["margin"] != 0.0) & ~np.isnan(figures["margin"]) & ~words["base"].astype(np.bool_),
        Phrase("must be blank: the rate is fixed while the base is blank"),
    )
    first_alone = kinds == "interest-only"
    fail(
        "interest_only",
        ~first_alone & ~np.array(unknown, np.bool_) & (alone > 0.0),
        Phrase("must be blank unless the amortisation is 'interest-only' (interest alone, then an annuity)"),
    )
    none = first_alone & (alone == 0.0)
    text = Phrase("must say for how many months interest alone is paid (to the end: amortisation 'bullet')")
    fail("interest_only", none, text)
    part = first_alone & whole & (np.nan_to_num(alone * often % 12) != 0.0)
    fail("interest_only", part, periods)
    fail(
        "interest_only",
        (alone >= term) & ~none & ~part,
        lambda row: Phrase(
            "must be shorter than the remaining term ({months:g} months)", months=columns["term"][row]
        ),
    )
    yield from sorted(found, key=lambda fault: fault.row or 0)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Pool(Columns, Shown):
    """The claims. A row is an obligor, or a representative line that stands for several.

    Attributes
    ----------
    name : tuple of str, length m
    amount : ndarray, shape (m,)
        Financed amount, or balance at closing, of the whole row, money.
    schedule : ndarray, shape (m, n)
        Scheduled collections on the n payment dates, money; zero in rows with loan terms,
        whose schedule follows from them.
    pd, recovery, lag, correlation : ndarray, shape (m,)
        One-year default probability, recovery rate, years until it is recovered, asset
        correlation with the common factor. What is recovered of is `claim`.
    industry : tuple of str, length m
    count : ndarray, shape (m,), or None
        Equal, separate obligors in the row; they default one by one. None: one in each.
    loans : Loans or None
        Loan terms, where rows have them; None when no row does.
    interest : ndarray, shape (m, n), or None
        Part of the schedule that is interest; None: the claim's own yield says it
        (:func:`~xlkmv.model.loans.implied_principal`).
    balance : ndarray, shape (m, n), or None
        Principal outstanding after each date when everybody pays; with `interest` only.
    claim : ndarray, shape (m, n), or None
        What recovery and loss of a default before each date are counted on: the balance of a
        loan; None: all that is still scheduled.
    status : tuple of str, length m or 0
        One of :data:`STATUSES`, since a date: what is known of the claim today, for
        surveillance. "" is performing.
    since : tuple of (date or None), length m or 0
    recoveries : Recoveries or None
        Recoveries that are drawn, where rows have them: about `recovery`, which is their mean, or from
        a pledge, beside which no rate counts: `recovery` is then 0. None: every recovery is its rate.
    """

    name: tuple[str, ...]
    amount: Array
    schedule: Array
    pd: Array
    recovery: Array
    lag: Array
    correlation: Array
    industry: tuple[str, ...] = ()
    count: Array | None = None
    loans: Loans | None = None
    interest: Array | None = None
    balance: Array | None = None
    claim: Array | None = None
    status: tuple[str, ...] = ()
    since: tuple[dt.date | None, ...] = ()
    recoveries: Recoveries | None = None

    def __post_init__(self) -> None:
        check_kinds("pool", self)
        # An obligor may have nothing (left) to pay: late payments can fall outside the plan.
        object.__setattr__(self, "name", tuple(self.name))
        m = len(self.name)
        for name in self.name:
            if not isinstance(name, str):
                raise InputError("pool name", "must be a text for every obligor", name)
        if not m:
            raise_first(pool_faults((), {}, np.empty((0, 0))))
        given = POOL_NUMBERS if self.count is None else (*POOL_NUMBERS, "count")
        for column in given:
            values = numbers(f"pool {column}", getattr(self, column))
            if values.ndim and values.shape != (m,):
                raise InputError(
                    f"pool {column}",
                    Phrase("must have one value per obligor ({count})", count=m),
                    f"shape {values.shape}",
                )
            object.__setattr__(self, column, np.broadcast_to(values, (m,)).copy())
        object.__setattr__(self, "schedule", numbers("pool schedule", self.schedule).copy())
        if self.schedule.ndim != 2 or self.schedule.shape[0] != m:
            raise InputError(
                "pool schedule",
                Phrase("must have one row per obligor ({count})", count=m),
                f"shape {self.schedule.shape}",
            )
        for column in ("interest", "balance", "claim"):
            if getattr(self, column) is None:
                continue
            values = numbers(f"pool {column}", getattr(self, column))
            if values.shape != self.schedule.shape:
                raise InputError(
                    f"pool {column}",
                    Phrase("must have the shape of the schedule {shape}", shape=self.schedule.shape),
                    values.shape,
                )
            if not np.isfinite(values).all():
                raise InputError(f"pool {column}", "must be a number on every date")
            object.__setattr__(self, column, values)
        if (self.interest is None) != (self.balance is None):
            missing = "balance" if self.balance is None else "interest"
            raise InputError(f"pool {missing}", "must not be blank: interest and balance come together", None)
        for column in POOL_WORDS:
            usual, words = ("",) * m if column == "industry" else (), tuple(getattr(self, column))
            if column == "since":
                words = _days("pool since", words)
            if words and len(words) != m:
                raise InputError(
                    f"pool {column}",
                    Phrase("must have one value per obligor ({count})", count=m),
                    f"{len(words)} values",
                )
            object.__setattr__(self, column, words or usual)
        if self.loans is not None and self.loans.term.shape != (m,):
            raise InputError(
                "pool loans",
                Phrase("must have one row per obligor ({count})", count=m),
                f"{self.loans.term.size} rows",
            )
        if self.recoveries is not None:
            self._settle(self.recoveries)
        columns = {c: getattr(self, c) for c in given}
        raise_first(pool_faults(self.name, columns, self.schedule, settled=True), self.name)
        if self.loans is not None and self.interest is None:  # not worked out yet
            raise_first(_both_faults(self.schedule, self.loans.given), self.name)
        if self.status:
            raise_first(status_faults(self.status, self.since or (None,) * m), self.name)
        if self.recoveries is not None:
            drawn = {c: getattr(self.recoveries, c) for c in RECOVERY_NUMBERS}
            raise_first(recovery_faults(drawn, self.recovery, settled=True), self.name)

    def _settle(self, drawn: Recoveries) -> None:
        """Give every row its recovery: one line is for all, and beside a pledge no rate counts."""
        m = len(self.name)
        if drawn.spread.size not in (1, m):
            raise InputError(
                "pool recoveries",
                Phrase("must have one row per obligor ({count})", count=m),
                f"{drawn.spread.size} rows",
            )
        if drawn.spread.size < m:
            columns: dict[str, Any] = {c: np.broadcast_to(getattr(drawn, c), (m,)) for c in RECOVERY_NUMBERS}
            drawn = Recoveries(**columns)
            object.__setattr__(self, "recoveries", drawn)
        object.__setattr__(self, "recovery", np.where(drawn.pledged, 0.0, self.recovery))

    def __hash__(self) -> int:
        return hash((self.name, self.schedule.shape))

    @staticmethod
    def from_frame(frame: Any, schedule: Any = None, dates: Iterable[Any] | None = None) -> Pool:
        """Build a pool from a frame or rows of claims: :func:`xlkmv.library.inputs.pool_from`."""
        import xlkmv

        return xlkmv.pool_from(frame, schedule, dates)

    @property
    def collections(self) -> Array:
        """Scheduled collections of the whole pool per date, shape (n,)."""
        return np.asarray(self.schedule.sum(axis=0))

    @property
    def owed(self) -> Array:
        """What each row still owes before each date, shape (m, n), money."""
        return np.asarray(np.cumsum(self.schedule[:, ::-1], axis=1)[:, ::-1])

    @property
    def obligors(self) -> Array:
        """Separate obligors in each row, shape (m,)."""
        return np.ones(len(self.name)) if self.count is None else self.count

    def pick(self, rows: npt.NDArray[np.int64], share: Array, count: Array | None = None) -> Pool:
        """Rows of this pool, each with a share of its money; rows that are there again get a number.

        Parameters
        ----------
        rows : ndarray of int, shape (r,)
            Increasing, repeats allowed.
        share : ndarray, shape (r,)
            Of the money of the row, 0 to 1.
        count : ndarray, shape (r,), optional
            Obligors of the new rows; one in each when left out.

        Returns
        -------
        Pool
        """
        columns: dict[str, Any] = {c: getattr(self, c)[rows] for c in POOL_NUMBERS}
        columns["amount"] = columns["amount"] * share
        for name in ("schedule", "interest", "balance", "claim"):
            money = getattr(self, name)
            columns[name] = None if money is None else money[rows] * share[:, None]
        words = {name: getattr(self, name) for name in ("name", *POOL_WORDS)}
        columns |= {k: tuple(w[i] for i in rows.tolist()) if w else () for k, w in words.items()}
        columns["name"] = self._numbered(rows)
        loans = None if self.loans is None else self.loans.pick(rows)
        drawn = None if self.recoveries is None else self.recoveries.pick(rows, share)
        return altered(self, **columns, count=count, loans=loans, recoveries=drawn)

    def _numbered(self, rows: npt.NDArray[np.int64]) -> tuple[str, ...]:
        """Names of some rows; one that is there again gets the next number that makes no other name."""
        taken, out, number, before = set(self.name), [], 1, -1
        for row in rows.tolist():
            number = number + 1 if row == before else 1
            name = self.name[row]
            while number > 1 and (name := f"{self.name[row]} ({number})") in taken:
                number += 1
            taken.add(name)
            out.append(name)
            before = row
        return tuple(out)

    @property
    def share(self) -> Array:
        """Share of each row in the financed amount, shape (m,)."""
        return np.asarray(self.amount / self.amount.sum())


def pool_faults(
    names: Sequence[str],
    columns: dict[str, Array],
    schedule: Array,
    dates: Sequence[str] = (),
    settled: bool = False,
    loans: Any = None,
) -> Iterator[Fault]:
    """Yield everything that is wrong with the pool; unless `settled`, every obligor must have to pay.

    `loans` marks rows that have loan terms: their schedule has to be empty.
    """
    if not names:
        yield Fault("pool", None, "name", None, "the pool needs at least one obligor")
        return
    yield from twice("pool", names, Phrase("obligor"))
    for column, values in columns.items():
        yield from column_faults("pool", column, values, settled=settled)
    count = np.nan_to_num(np.asarray(columns.get("count", 1.0), float), nan=1.0)
    total = float(np.broadcast_to(count, (len(names),)).sum())
    if total > MOST_OBLIGORS >= max(count.max(), len(names)):
        rule = Phrase(
            "the lines stand for {total:,.0f} obligors: at most {most_obligors:,} are simulated one by one",
            total=total,
            most_obligors=MOST_OBLIGORS,
        )
        yield Fault("pool", int(np.argmax(count)), "count", float(count.max()), rule)
    for k in range(schedule.shape[1]):
        label = dates[k] if dates else f"date {k + 1}"
        yield from column_faults("pool", "schedule", schedule[:, k], label, settled)
    if settled:
        return
    by_terms = np.zeros(len(names), np.bool_) if loans is None else np.asarray(loans)
    first = dates[0] if dates else "date 1"
    for empty in np.flatnonzero((schedule.sum(axis=1) == 0.0) & ~by_terms).tolist():
        rule = Phrase("the obligor has no scheduled collections")
        yield Fault("pool", empty, first if schedule.shape[1] else "term", 0.0, rule)
    yield from _both_faults(schedule, by_terms, dates)


def _both_faults(schedule: Array, by_terms: Any, dates: Sequence[str] = ()) -> Iterator[Fault]:
    """Yield every figure of a schedule in rows with loan terms."""
    for row, k in zip(*np.nonzero((schedule > 0.0) & by_terms[:, None]), strict=True):
        rule = Phrase("must be blank: the row has loan terms, from which its schedule follows")
        yield Fault("pool", int(row), dates[k] if dates else f"date {k + 1}", float(schedule[row, k]), rule)


def status_faults(
    status: Sequence[str | None], since: Sequence[dt.date | None], last: dt.date | None = None
) -> Iterator[Fault]:
    """Yield everything that is wrong with what is known of the claims; no date may be after `last`."""
    for row, (word, date) in enumerate(zip(status, since, strict=True)):
        if word and word not in STATUSES:
            yield Fault(
                "pool", row, "status", word, Phrase("must be one of: {options}", options=", ".join(STATUSES))
            )
        if word in STATUSES[2:] and date is None:
            yield Fault(
                "pool",
                row,
                "since",
                None,
                Phrase("a claim that is {word} needs the date since when", word=word),
            )
        if date is not None and last is not None and date > last:
            yield Fault(
                "pool",
                row,
                "since",
                date,
                Phrase("must not be after the last payment date ({last})", last=last),
            )
