"""Terms of the plan and assumptions of the model."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from xlkmv.deal.terms.curves import Curve
from xlkmv.deal.terms.dates import DAY_COUNTS, as_date, year_fraction
from xlkmv.deal.terms.faults import COLUMN_RULES, Fault, raise_first, twice
from xlkmv.deal.terms.scale import LONG_RUN, ClassScale
from xlkmv.errors import InputError
from xlkmv.kinds import altered, check_kind, check_kinds
from xlkmv.model.domain import ASSET_CORRELATION, NOT_NEGATIVE, PROBABILITY, Array, Rule, numbers
from xlkmv.model.robust import FREEDOM, STRENGTH
from xlkmv.phrase import Phrase
from xlkmv.shown import Shown

__all__ = [
    "OC_ALL",
    "TERM_CHOICES",
    "TERM_RULES",
    "VECTORS",
    "VOLATILITY_SOURCES",
    "Terms",
    "speed_rule",
    "terms_faults",
    "without_risk",
]

VOLATILITY_SOURCES = ("implied", "user")
# An overcollateralisation target that no pool meets: everything is distributed, a full turbo.
OC_ALL = "all"
# Terms that say how the pool moves and who defaults together, and of no claim or note what it pays by plan.
RISK = ("volatility", "drift", "support_correlation", "industry_correlation", "between_industries")


@dataclass(frozen=True, slots=True, repr=False)
class Terms(Shown):
    """Terms of the plan and assumptions of the model.

    Attributes
    ----------
    closing : date
    dates : tuple of date
        Payment dates, increasing, all after closing.
    fee_rate : float
        Senior fees per annum on what `fee_base` says.
    day_count : {"30/360", "Act/365", "Act/360"}
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
    between_industries : float
        Correlation of the factors of two industries; 1: all obligors have one factor.
    prepayment : float
        Speed of prepayment by obligors that have not defaulted, as `prepayment_type` counts it.
    cure : bool
        Whether a trigger is lifted once its covenant is met again.
    principal : {"sequential", "pro rata"}
        How principal is shared over the ranks while no trigger is on.
    fee_amount : float
        Senior fee on every payment date, money, on top of the rate.
    fee_base : {"notes", "pool"}
        Outstanding notes, or performing pool, before the payment of the date.
    interest : {"by rank", "first"}
        Whether the interest of a rank comes just before its principal, or the interest of all
        ranks before principal of any, as it also does with two accounts or principal "pro rata".
    accounts : {"one", "two"}
        Whether interest and principal collections come into one account, or into an income
        and a principal account: principal may pay senior interest, income makes defaults good.
    oc_target : float, "all" or None
        Overcollateralisation that pass-through principal aims at, as a share of the performing
        pool; "all": everything that is left is distributed; None: that of closing.
    oc_floor : float
        Least overcollateralisation, as a share of the pool at closing.
    default_point : {"legal final", "expected"}
        When principal of pass-through classes counts as due in the KMV view: at the legal
        final, or as the plan without defaults pays it.
    revolving : date or None
        Last payment date on which principal collected buys claims like the pool's.
    cleanup : float
        Share of the pool at closing at which the originator buys back what is left; 0: never.
    prepayment_type : {"of schedule", "CPR", "ABS", "PSA", "vector"}
        Share per annum of the remaining schedule, interest and all; conditional prepayment
        rate of the balance; absolute speed per month of the original number; multiple of the
        PSA standard (1 is 100 PSA); CPR by payment period in `prepayment_vector`.
    default_timing : {"PD", "CDR", "loss curve"}
        Whether obligors default at a constant rate by their PDs, at the rates of `cdr` for all
        of them, or such that the pool's expected loss follows `loss_curve`.
    prepayment_vector, cdr : tuple of float
        Per annum, by payment period; the last one holds on.
    loss_curve : tuple of float
        Accumulated net loss by payment date, as a share of the pool at closing, never falling;
        the last one holds on.
    curves : tuple of Curve
        Base rates that floating claims and notes refer to.
    closing_periods : float
        Surveillance: payment periods that the view at closing is worth beside what has come in since.
    surprise_tail : float
        Surveillance: degrees of freedom of a surprise in the collections; the smaller, the less a
        single one counts.
    headline : str
        Class that headlines speak of; "": the last of the senior classes.
    class_scale : ClassScale
        Grades of classes by default probability and horizon; the published long-run average
        default rates of rated companies when left out.
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
    between_industries: float = 1.0
    prepayment: float = 0.0
    cure: bool = False
    principal: str = "sequential"
    fee_base: str = "notes"
    fee_amount: float = 0.0
    interest: str = "by rank"
    accounts: str = "one"
    oc_target: float | str | None = None
    oc_floor: float = 0.0
    default_point: str = "legal final"
    revolving: dt.date | None = None
    cleanup: float = 0.0
    prepayment_type: str = "of schedule"
    default_timing: str = "PD"
    prepayment_vector: tuple[float, ...] = ()
    cdr: tuple[float, ...] = ()
    loss_curve: tuple[float, ...] = ()
    curves: tuple[Curve, ...] = ()
    closing_periods: float = 8.0
    surprise_tail: float = 4.0
    headline: str = ""
    class_scale: ClassScale = LONG_RUN

    def __post_init__(self) -> None:
        check_kinds("terms", self)
        for name in ("dates", "curves", *VECTORS):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "closing", as_date("terms closing", self.closing))
        object.__setattr__(self, "dates", tuple(as_date("terms dates", day) for day in self.dates))
        if self.revolving is not None:
            object.__setattr__(self, "revolving", as_date("terms revolving", self.revolving))
        raise_first(terms_faults(self, settled=True))

    @property
    def times(self) -> Array:
        """Years from closing to each payment date, shape (n,)."""
        return _years(self.closing, self.dates, self.day_count)

    @property
    def interest_leads(self) -> bool:
        """Whether interest of all ranks comes before principal of any.

        By its order; out of an income account of its own; or as principal that is shared over the ranks
        comes after all interest.
        """
        return self.interest == "first" or self.accounts == "two" or self.principal == "pro rata"

    def curve(self, name: str) -> Curve:
        """Return the curve of this name.

        Raises
        ------
        InputError
            When there is none.
        """
        check_kind("curve", str, name)
        for curve in self.curves:
            if curve.name == name:
                return curve
        options = ", ".join(c.name for c in self.curves)
        raise InputError("curve", Phrase("must be one of: {options}", options=options), name)


def without_risk(terms: Terms) -> Terms:
    """Terms as far as what claims and notes pay by plan depends on them: equal ones, equal plans.

    Parameters
    ----------
    terms : Terms

    Returns
    -------
    Terms
    """
    return altered(terms, **dict.fromkeys(RISK, 0.0))


@lru_cache(maxsize=8)  # asked for time and again, and of one deal the same
def _years(closing: dt.date, dates: tuple[dt.date, ...], day_count: str) -> Array:
    years = np.array([year_fraction(closing, day, day_count) for day in dates])
    years.setflags(write=False)
    return years


TERM_RULES: dict[str, Rule] = {
    "fee_rate": COLUMN_RULES["fee_rate"],
    "volatility": COLUMN_RULES["volatility"],
    "drift": COLUMN_RULES["drift"],
    "support_correlation": ASSET_CORRELATION,
    "paths": Rule("must be a whole number from 100 to 10,000,000", low=100, high=1e7),
    "seed": Rule("must be a whole number from 0 on", low=0, high=2**53),
    "degrees_of_freedom": Rule("must be a whole number from 3 to 1000", low=3, high=1000),
    "industry_correlation": ASSET_CORRELATION,
    "between_industries": Rule("must be between 0 and 1 (a decimal: 0.6 means 60 %)", 0.0, 1.0),
    "closing_periods": STRENGTH,
    "surprise_tail": FREEDOM,
    "prepayment": Rule("must be between 0 and 16 (a decimal: 0.06 means 6 %; 1.65 means 165 PSA)", 0.0, 16.0),
    "fee_amount": NOT_NEGATIVE,
    "oc_floor": PROBABILITY,
    "cleanup": Rule("must be >= 0 and < 1 (a share of the pool at closing)", 0.0, 1.0, high_open=True),
}
OC_TARGET = Rule(
    Phrase("must be between 0 and 1 (a share of the pool), '{oc_all}' or blank", oc_all=OC_ALL), 0.0, 1.0
)
TERM_CHOICES: dict[str, tuple[str, ...]] = {
    "day_count": DAY_COUNTS,
    "volatility_source": VOLATILITY_SOURCES,
    "copula": ("gaussian", "t"),
    "principal": ("sequential", "pro rata"),
    "fee_base": ("notes", "pool"),
    "interest": ("by rank", "first"),
    "accounts": ("one", "two"),
    "default_point": ("legal final", "expected"),
    "prepayment_type": ("of schedule", "CPR", "ABS", "PSA", "vector"),
    "default_timing": ("PD", "CDR", "loss curve"),
}
# Figures by payment period, and the choice that needs each.
VECTORS = {
    "prepayment_vector": ("prepayment_type", "vector"),
    "cdr": ("default_timing", "CDR"),
    "loss_curve": ("default_timing", "loss curve"),
}
VECTOR_RULE = Rule("must be >= 0 and < 1 (a decimal: 0.02 means 2 %)", 0.0, 1.0, high_open=True)


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
            yield Fault(
                "terms", None, name, value, Phrase("must be one of: {options}", options=", ".join(choices))
            )
    yield from twice("curve", [c.name for c in terms.curves], Phrase("curve"))
    yield from _date_faults(terms)
    yield from _oc_faults(terms)
    yield from _prepayment_faults(terms)
    yield from _vector_faults(terms, settled)


def _date_faults(terms: Any) -> Iterator[Fault]:
    if not terms.dates:
        yield Fault("terms", None, "dates", None, "the plan needs at least one payment date")
    previous = terms.closing
    for row, date in enumerate(terms.dates):
        if previous is not None and date <= previous:
            first = Phrase("must be after the closing date")
            rule = first if row == 0 else Phrase("payment dates must increase")
            yield Fault(
                "terms",
                row,
                "dates",
                date,
                Phrase("{rule} ({previous} comes before it)", rule=rule, previous=previous),
            )
        elif (
            previous is not None
            and terms.day_count in DAY_COUNTS
            and year_fraction(previous, date, terms.day_count) <= 0.0
        ):
            rule = Phrase(
                "is not later than {previous} by the day count: {day_count} sees no day between",
                previous=previous,
                day_count=terms.day_count,
            )
            yield Fault("terms", row, "dates", date, rule)
        previous = date
    if terms.revolving is None:
        return
    if terms.dates and terms.revolving >= terms.dates[-1]:
        rule = Phrase(
            "must end before the last payment date ({date}): nobody would be repaid", date=terms.dates[-1]
        )
        yield Fault("terms", None, "revolving", terms.revolving, rule)
    elif terms.closing is not None and terms.revolving <= terms.closing:
        yield Fault(
            "terms",
            None,
            "revolving",
            terms.revolving,
            Phrase("must be after closing ({closing})", closing=terms.closing),
        )


def _oc_faults(terms: Any) -> Iterator[Fault]:
    target = terms.oc_target
    if target is None or target == OC_ALL:
        return
    if isinstance(target, str) or not OC_TARGET.holds(numbers("terms oc target", target)):
        yield Fault("terms", None, "oc_target", target, OC_TARGET.text)


def speed_rule(kind: str) -> Rule:
    """Return the rule of a speed of prepayment, by the type of :class:`Terms`."""
    if kind == "PSA":
        return TERM_RULES["prepayment"]
    return VECTOR_RULE if kind == "CPR" else PROBABILITY


def _prepayment_faults(terms: Any) -> Iterator[Fault]:
    speed, rule = terms.prepayment, speed_rule(terms.prepayment_type)
    if speed is None or not isinstance(speed, (int, float)):
        return
    if TERM_RULES["prepayment"].holds(np.asarray(speed, float)) and not rule.holds(np.asarray(speed, float)):
        yield Fault("terms", None, "prepayment", speed, rule.text)


def _vector_faults(terms: Any, settled: bool) -> Iterator[Fault]:
    for name, (choice, word) in VECTORS.items():
        values = getattr(terms, name)
        if getattr(terms, choice) == word and not values:
            yield Fault(
                "terms",
                None,
                name,
                None,
                Phrase("must not be blank: {term} is '{word}'", term=choice.replace("_", " "), word=word),
            )
        for k, value in enumerate(values):
            if value is None and not settled:
                continue
            if not VECTOR_RULE.holds(numbers(f"terms {name.replace('_', ' ')}", value)):
                yield Fault("terms", k, name, value, VECTOR_RULE.text)
            elif name == "loss_curve" and k and values[k - 1] is not None and value < values[k - 1]:
                yield Fault("terms", k, name, value, "must never fall: losses accumulate")
