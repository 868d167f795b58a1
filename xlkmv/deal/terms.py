"""The deal as frozen, validated data: pool, tranches, plan terms, controls, covenants.

Money is in one currency unit of the user's choice, rates and probabilities are decimals,
times are years from closing. Each class has a ``faults`` function beside it that lists
everything that is wrong at once; the class itself raises on the first fault. A reader of
tables marks a cell that it has reported by None or NaN and the functions pass over it; in
`settled` data, which nobody has looked at before, it is a fault like any other.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from xlkmv.errors import DomainError, InputError
from xlkmv.model.domain import (
    ASSET_CORRELATION,
    NOT_NEGATIVE,
    POSITIVE,
    PROBABILITY,
    RULES,
    Array,
    Rule,
    numbers,
)

__all__ = [
    "CONSEQUENCES",
    "CONTROLS",
    "DAY_COUNTS",
    "METRICS",
    "PAYMENT_TYPES",
    "VOLATILITY_SOURCES",
    "Controls",
    "Covenant",
    "Deal",
    "Fault",
    "Pool",
    "Terms",
    "Tranche",
    "column_faults",
    "covenant_faults",
    "pool_faults",
    "terms_faults",
    "tranche_faults",
    "year_fraction",
]

# A payment is missed when more than this share of the tranche's amount is not paid.
TOLERANCE = 1e-9

DAY_COUNTS = ("30/360", "Act/365")
PAYMENT_TYPES = ("with collections", "straight-line", "bullet")
VOLATILITY_SOURCES = ("implied", "user")
METRICS = (
    "coverage",
    "period DSCR",
    "cumulative default ratio",
    "largest obligor share",
    "reserve ratio",
    "senior DD",
)
CONSEQUENCES = ("none", "trap", "turbo")

# A default within the year is never sure: PD 1 would leave no time at which it happens.
OBLIGOR_PD = Rule("must be >= 0 and < 1 (a decimal: 0.02 means 2 %)", 0.0, 1.0, high_open=True)

# What each numeric column of the deal may hold; every number goes through this table.
COLUMN_RULES: dict[str, Rule] = {
    "amount": POSITIVE,
    "pd": OBLIGOR_PD,
    "recovery": PROBABILITY,
    "lag": Rule("must be between 0 and 30 (years)", low=0.0, high=30.0),
    "correlation": ASSET_CORRELATION,
    "schedule": NOT_NEGATIVE,
    "share": PROBABILITY,
    "rank": Rule("must be a whole number from 1 on", low=1.0, high=100.0),
    "coupon": Rule("must be between 0 and 1 (a decimal: 0.04 means 4 %)", low=0.0, high=1.0),
    "fee_rate": Rule("must be between 0 and 1 (a decimal: 0.002 means 0.2 %)", low=0.0, high=1.0),
    "volatility": RULES["volatility"],
    "drift": RULES["drift"],
    "support_correlation": ASSET_CORRELATION,
    "reserve_periods": Rule(
        "must be between 0 and 100 (payment periods of senior dues)", low=0.0, high=100.0
    ),
    "support_pd": PROBABILITY,
    "repurchase_share": PROBABILITY,
    "unpledged_recovery": PROBABILITY,
    "threshold": Rule("must be a number", low=-1e12, high=1e12),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One wrong figure of a deal.

    Attributes
    ----------
    part : str
        "pool", "tranche", "terms", "control", "covenant" or "scenario".
    row : int or None
        Position within the part, from 0; None for a fault of the part as a whole.
    column : str
        Field name; for a schedule the ISO date of the column.
    value : object
        What was given.
    rule : str
        What it must be.
    """

    part: str
    row: int | None
    column: str
    value: Any
    rule: str


def _raise_first(faults: Iterable[Fault], names: Sequence[str] = ()) -> None:
    for f in faults:
        place = f"{f.part} " + (f"'{names[f.row]}' " if f.row is not None and f.row < len(names) else "")
        kind = DomainError if isinstance(f.value, (int, float)) else InputError
        raise kind(place + f.column.replace("_", " "), f.rule, f.value)


def column_faults(
    part: str, column: str, values: Iterable[Any], label: str | None = None, settled: bool = False
) -> Iterator[Fault]:
    """Yield a fault for each value that breaks the rule of its column; NaN only if `settled`."""
    x = numbers(f"{part} {column.replace('_', ' ')}", values)
    rule = COLUMN_RULES[column]
    wrong = ~rule.holds(x)
    if column == "rank":
        wrong |= x != np.floor(x)
    if not settled:
        wrong &= ~np.isnan(x)
    for row in np.flatnonzero(wrong).tolist():
        yield Fault(part, row, label or column, float(x[row]), rule.text)


def year_fraction(start: dt.date, end: dt.date, day_count: str = "30/360") -> float:
    """Years between two dates.

    Parameters
    ----------
    start, end : date
    day_count : {"30/360", "Act/365"}
        Months of 30 days in a year of 360 (30E/360, ISDA 2006 section 4.16(g)), or actual
        days over 365.

    Returns
    -------
    float

    Raises
    ------
    InputError
        When the day count is unknown.
    """
    if day_count not in DAY_COUNTS:
        raise InputError("day_count", f"must be one of: {', '.join(DAY_COUNTS)}", day_count)
    if day_count == "Act/365":
        return (end - start).days / 365.0
    days = min(end.day, 30) - min(start.day, 30)
    return (end.year - start.year) + (end.month - start.month) / 12.0 + days / 360.0


# ------------------------------------------------------------------------------------ pool


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """The claims, one row per obligor.

    Attributes
    ----------
    name : tuple of str, length m
    amount : ndarray, shape (m,)
        Financed amount, money.
    schedule : ndarray, shape (m, n)
        Scheduled collections on the n payment dates, money.
    pd, recovery, lag, correlation : ndarray, shape (m,)
        One-year default probability, recovery rate of what is still scheduled at default,
        years until it is recovered, asset correlation with the common factor.
    industry : tuple of str, length m
    """

    name: tuple[str, ...]
    amount: Array
    schedule: Array
    pd: Array
    recovery: Array
    lag: Array
    correlation: Array
    industry: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # An obligor may have nothing (left) to pay: late payments can fall outside the plan.
        m = len(self.name)
        if not m:
            _raise_first(pool_faults((), {}, np.empty((0, 0))))
        for column in POOL_NUMBERS:
            values = numbers(f"pool {column}", getattr(self, column))
            if values.ndim and values.shape != (m,):
                raise InputError(
                    f"pool {column}", f"must have one value per obligor ({m})", f"shape {values.shape}"
                )
            object.__setattr__(self, column, np.broadcast_to(values, (m,)).copy())
        object.__setattr__(self, "schedule", numbers("pool schedule", self.schedule).copy())
        object.__setattr__(self, "industry", tuple(self.industry) or ("",) * m)
        if self.schedule.ndim != 2 or self.schedule.shape[0] != m:
            raise InputError(
                "pool schedule",
                f"must have one row per obligor ({m})",
                f"shape {self.schedule.shape}",
            )
        if len(self.industry) != m:
            raise InputError(
                "pool industry", f"must have one value per obligor ({m})", f"{len(self.industry)} values"
            )
        columns = {c: getattr(self, c) for c in POOL_NUMBERS}
        _raise_first(pool_faults(self.name, columns, self.schedule, settled=True), self.name)

    @property
    def collections(self) -> Array:
        """Scheduled collections of the whole pool per date, shape (n,)."""
        return np.asarray(self.schedule.sum(axis=0))

    @property
    def owed(self) -> Array:
        """What each obligor still owes before each date, shape (m, n), money."""
        return np.asarray(np.cumsum(self.schedule[:, ::-1], axis=1)[:, ::-1])

    @property
    def share(self) -> Array:
        """Share of each obligor in the financed amount, shape (m,)."""
        return np.asarray(self.amount / self.amount.sum())


POOL_NUMBERS = ("amount", "pd", "recovery", "lag", "correlation")


def pool_faults(
    names: Sequence[str],
    columns: dict[str, Array],
    schedule: Array,
    dates: Sequence[str] = (),
    settled: bool = False,
) -> Iterator[Fault]:
    """Yield everything that is wrong with the pool; unless `settled`, every obligor must have to pay."""
    if not names:
        yield Fault("pool", None, "name", None, "the pool needs at least one obligor")
        return
    seen: set[str] = set()
    for row, name in enumerate(names):
        if name in seen:
            yield Fault("pool", row, "name", name, "is there twice: every obligor needs a name of its own")
        seen.add(name)
    for column, values in columns.items():
        yield from column_faults("pool", column, values, settled=settled)
    for k in range(schedule.shape[1]):
        label = dates[k] if dates else f"date {k + 1}"
        yield from column_faults("pool", "schedule", schedule[:, k], label, settled)
    if settled:
        return
    first = dates[0] if dates else "date 1"
    for empty in np.flatnonzero(schedule.sum(axis=1) == 0.0).tolist():
        yield Fault("pool", empty, first, 0.0, "the obligor has no scheduled collections")


# -------------------------------------------------------------------------------- tranches


@dataclass(frozen=True, slots=True)
class Tranche:
    """One class of notes.

    Attributes
    ----------
    name : str
    rank : int
        1 is paid first.
    amount : float
        Principal at closing, money.
    coupon : float
        Per annum on the opening balance; 0 for a tranche that gets the residual.
    payment : {"with collections", "straight-line", "bullet"}
        How principal falls due up to the maturity: in proportion to the scheduled
        collections, in equal parts, or all at the maturity.
    maturity : date
        A payment date.
    pari_passu : bool
        Whether the tranche may share its rank with others that say so too.
    """

    name: str
    rank: int
    amount: float
    coupon: float
    payment: str
    maturity: dt.date
    pari_passu: bool = False

    def __post_init__(self) -> None:
        _raise_first(tranche_faults([self], (), settled=True), [self.name])
        # Whole numbers would make whole-number arrays.
        object.__setattr__(self, "amount", float(self.amount))
        object.__setattr__(self, "coupon", float(self.coupon))


def tranche_faults(
    tranches: Sequence[Any], dates: Sequence[dt.date], settled: bool = False
) -> Iterator[Fault]:
    """Yield everything that is wrong with the tranches; `dates` empty leaves maturities unchecked."""
    if not tranches:
        yield Fault("tranche", None, "name", None, "the plan needs at least one tranche")
    for column in ("rank", "amount", "coupon"):
        values = [getattr(t, column) for t in tranches]
        yield from column_faults("tranche", column, values, settled=settled)
    for row, t in enumerate(tranches):
        if any(t.rank == o.rank and not (t.pari_passu and o.pari_passu) for o in tranches[:row]):
            rule = "is there twice: only tranches that are all marked pari passu may share a rank"
            yield Fault("tranche", row, "rank", t.rank, rule)
        if any(t.name == other.name for other in tranches[:row]):
            yield Fault(
                "tranche", row, "name", t.name, "is there twice: every tranche needs a name of its own"
            )
        if (t.payment is not None or settled) and t.payment not in PAYMENT_TYPES:
            yield Fault("tranche", row, "payment", t.payment, f"must be one of: {', '.join(PAYMENT_TYPES)}")
        if dates and t.maturity is not None and t.maturity not in dates:
            yield Fault("tranche", row, "maturity", t.maturity, "must be one of the payment dates")


# ------------------------------------------------------------------------------- plan terms


@dataclass(frozen=True, slots=True)
class Controls:
    """The plan's risk controls: a switch for each, and its figure where it has one.

    Attributes
    ----------
    subordination, excess_coverage, reserve, support, triggers, repurchase, pledge : bool
        Switches.
    reserve_periods : float
        Reserve account at closing, in multiples of the senior dues of the first period.
    support_pd : float
        One-year default probability of the payer of the shortfall undertaking.
    repurchase_share : float
        Share of a defaulted claim that the originator buys back at its scheduled amount.
    unpledged_recovery : float
        Recovery rate of an obligor when the patents are not pledged (at most the pool's own).
    """

    subordination: bool = True
    excess_coverage: bool = True
    reserve: bool = True
    support: bool = True
    triggers: bool = True
    repurchase: bool = True
    pledge: bool = True
    reserve_periods: float = 1.0
    support_pd: float = 0.001
    repurchase_share: float = 0.0
    unpledged_recovery: float = 0.0

    def __post_init__(self) -> None:
        for name in CONTROLS:
            # "no" would count as on.
            if not isinstance(getattr(self, name), (bool, np.bool_)):
                raise InputError(f"control {name}", "must be True or False", getattr(self, name))
        for name in ("reserve_periods", "support_pd", "repurchase_share", "unpledged_recovery"):
            _raise_first(column_faults("control", name, [getattr(self, name)], settled=True))

    def without(self, *names: str) -> Controls:
        """Return the controls with the named ones switched off.

        Raises
        ------
        InputError
            When a name is no control.
        """
        for name in names:
            if name not in CONTROLS:
                raise InputError("control", f"must be one of {', '.join(CONTROLS)}", name)
        return replace(self, **dict.fromkeys(names, False))


CONTROLS: dict[str, str] = {
    "subordination": "Subordination",
    "excess_coverage": "Excess coverage",
    "reserve": "Reserve account",
    "support": "Shortfall undertaking",
    "triggers": "Credit triggers",
    "repurchase": "Repurchase of defaulted claims",
    "pledge": "Patent pledge",
}


@dataclass(frozen=True, slots=True)
class Terms:
    """Terms of the plan and assumptions of the model.

    Attributes
    ----------
    closing : date
    dates : tuple of date
        Payment dates, increasing, all after closing.
    fee_rate : float
        Senior fees per annum on the outstanding notes.
    day_count : {"30/360", "Act/365"}
    volatility_source : {"implied", "user"}
        Where sigma and mu of the pool come from: the obligors' own default risk, or the
        user's figures below.
    volatility, drift : float
        Used when the source is "user".
    support_correlation : float
        Correlation between the pool and the payer of the shortfall undertaking.
    paths, seed : int
        Of the simulation.
    copula : {"gaussian", "t"}
    degrees_of_freedom : int
        Of the Student-t copula.
    industry_correlation : float
        Extra asset correlation of obligors of one industry.
    prepayment : float
        Share of the remaining schedule prepaid per annum by obligors that have not defaulted.
    cure : bool
        Whether a trigger is lifted once its covenant is met again.
    principal : {"sequential", "pro rata"}
        How principal is shared over the ranks while no trigger is on.
    """

    closing: dt.date
    dates: tuple[dt.date, ...]
    fee_rate: float = 0.0
    day_count: str = "30/360"
    volatility_source: str = "implied"
    volatility: float = 0.10
    drift: float = 0.0
    support_correlation: float = 0.0
    paths: int = 100_000
    seed: int = 1
    copula: str = "gaussian"
    degrees_of_freedom: int = 4
    industry_correlation: float = 0.0
    prepayment: float = 0.0
    cure: bool = False
    principal: str = "sequential"

    def __post_init__(self) -> None:
        _raise_first(terms_faults(self, settled=True))

    @property
    def times(self) -> Array:
        """Years from closing to each payment date, shape (n,)."""
        return np.array([year_fraction(self.closing, d, self.day_count) for d in self.dates])


TERM_RULES: dict[str, Rule] = {
    "fee_rate": COLUMN_RULES["fee_rate"],
    "volatility": COLUMN_RULES["volatility"],
    "drift": COLUMN_RULES["drift"],
    "support_correlation": ASSET_CORRELATION,
    "paths": Rule("must be a whole number from 100 to 10,000,000", low=100, high=1e7),
    "seed": Rule("must be a whole number from 0 on", low=0, high=2**53),
    "degrees_of_freedom": Rule("must be a whole number from 3 to 1000", low=3, high=1000),
    "industry_correlation": ASSET_CORRELATION,
    "prepayment": PROBABILITY,
}
TERM_CHOICES = {
    "day_count": DAY_COUNTS,
    "volatility_source": VOLATILITY_SOURCES,
    "copula": ("gaussian", "t"),
    "principal": ("sequential", "pro rata"),
}


def terms_faults(terms: Any, settled: bool = False) -> Iterator[Fault]:
    """Yield everything that is wrong with the plan terms; None only if `settled`."""
    for name, bounds in TERM_RULES.items():
        value = getattr(terms, name)
        if value is None and not settled:
            continue
        whole = name in {"paths", "seed", "degrees_of_freedom"}
        if not bounds.holds(numbers(f"terms {name.replace('_', ' ')}", value)) or (
            whole and value != int(value)
        ):
            yield Fault("terms", None, name, value, bounds.text)
    for name, choices in TERM_CHOICES.items():
        value = getattr(terms, name)
        if (value is not None or settled) and value not in choices:
            yield Fault("terms", None, name, value, f"must be one of: {', '.join(choices)}")
    if not terms.dates:
        yield Fault("terms", None, "dates", None, "the plan needs at least one payment date")
    previous = terms.closing
    for row, date in enumerate(terms.dates):
        if previous is not None and date <= previous:
            rule = "must be after the closing date" if row == 0 else "payment dates must increase"
            yield Fault("terms", row, "dates", date, f"{rule} ({previous} comes before it)")
        elif (
            previous is not None
            and terms.day_count in DAY_COUNTS
            and year_fraction(previous, date, terms.day_count) <= 0.0
        ):
            rule = f"is not later than {previous} by the day count: {terms.day_count} sees no day between"
            yield Fault("terms", row, "dates", date, rule)
        previous = date


# -------------------------------------------------------------------------------- covenants


@dataclass(frozen=True, slots=True)
class Covenant:
    """One test made on each payment date.

    Attributes
    ----------
    name : str
    metric : str
        One of :data:`METRICS`.
    side : {"min", "max"}
        Whether the threshold is a floor or a ceiling.
    threshold : float
    consequence : {"none", "trap", "turbo"}
        What a breach switches on: nothing, trapping of subordinate cash, or full turbo to
        the senior tranche.
    """

    name: str
    metric: str
    side: str
    threshold: float
    consequence: str = "none"

    def __post_init__(self) -> None:
        _raise_first(covenant_faults([self], settled=True), [self.name])


COVENANT_CHOICES = {"metric": METRICS, "side": ("min", "max"), "consequence": CONSEQUENCES}


def covenant_faults(covenants: Sequence[Any], settled: bool = False) -> Iterator[Fault]:
    """Yield everything that is wrong with the covenants; None and NaN only if `settled`."""
    thresholds = [c.threshold for c in covenants]
    yield from column_faults("covenant", "threshold", thresholds, settled=settled)
    for row, covenant in enumerate(covenants):
        if any(covenant.name == other.name for other in covenants[:row]):
            yield Fault(
                "covenant", row, "name", covenant.name, "is there twice: every test needs a name of its own"
            )
        for name, choices in COVENANT_CHOICES.items():
            value = getattr(covenant, name)
            if (value is not None or settled) and value not in choices:
                yield Fault("covenant", row, name, value, f"must be one of: {', '.join(choices)}")


# ------------------------------------------------------------------------------------- deal


@dataclass(frozen=True, slots=True, eq=False)
class Deal:
    """A plan: what pays, what is owed, and on what terms.

    Attributes
    ----------
    pool : Pool
    tranches : tuple of Tranche
        Ordered by rank on construction.
    terms : Terms
    controls : Controls
    covenants : tuple of Covenant
    """

    pool: Pool
    tranches: tuple[Tranche, ...]
    terms: Terms
    controls: Controls = field(default_factory=Controls)
    covenants: tuple[Covenant, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "tranches", tuple(sorted(self.tranches, key=lambda t: t.rank)))
        object.__setattr__(self, "covenants", tuple(self.covenants))
        if self.pool.schedule.shape[1] != len(self.terms.dates):
            raise InputError(
                "schedule",
                f"must have one column per payment date ({len(self.terms.dates)})",
                self.pool.schedule.shape[1],
            )
        _raise_first(tranche_faults(self.tranches, self.terms.dates), [t.name for t in self.tranches])
        _raise_first(covenant_faults(self.covenants), [c.name for c in self.covenants])

    @property
    def senior(self) -> Tranche:
        """The tranche that is paid first."""
        return self.tranches[0]
