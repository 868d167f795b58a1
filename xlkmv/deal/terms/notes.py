"""The classes of notes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xlkmv.deal.terms.dates import as_date
from xlkmv.deal.terms.faults import Fault, column_faults, raise_first, twice
from xlkmv.kinds import check_kinds
from xlkmv.phrase import Phrase
from xlkmv.shown import Shown

__all__ = ["PASS_THROUGH", "PAYMENT_TYPES", "SCHEDULE", "Tranche", "tranche_faults"]

PASS_THROUGH, SCHEDULE = "pass-through", "schedule"
PAYMENT_TYPES = ("with collections", "straight-line", "bullet", SCHEDULE, PASS_THROUGH)
# A schedule sums to the amount up to this share of it.
SCHEDULE_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True, repr=False)
class Tranche(Shown):
    """One class of notes.

    Attributes
    ----------
    name : str
    rank : int
        1 is paid first.
    amount : float
        Principal at closing, money.
    coupon : float
        Per annum on the opening balance; 0 for a tranche that gets the residual. Of a
        floating class ignored.
    payment : str
        One of :data:`PAYMENT_TYPES`: principal falls due up to the maturity in proportion to the
        scheduled collections, in equal parts, all at the maturity or by its own schedule; or
        it is passed through: what is distributable, and due at the legal final only.
    maturity : date or None
        Expected maturity, a payment date; None, for pass-through only: nobody says.
    pari_passu : bool
        Whether the tranche may share its rank with others that say so too.
    legal_final : date or None
        When principal of a pass-through class falls due; None: at the last payment date. Of a
        scheduled class the date by which it has to be repaid; None: the maturity. Tested on
        the first payment date from it on, or the last.
    base : str
        Name of the base curve of a floating coupon; "" for a fixed one.
    margin : float
        Over the base curve, per annum; 0 where there is none.
    cap, floor : float or None
        Bounds of a floating coupon, per annum; None for a fixed one.
    deferrable : bool
        Whether missed interest is added to what is owed, with interest on it, instead of
        being a default, while a better class is outstanding.
    senior : bool or None
        Whether the class counts as senior; None: if no class says so, those of the first rank.
    schedule : tuple of float
        Principal due on each payment date, money; for payment by schedule only.
    """

    name: str
    rank: int
    amount: float
    coupon: float
    payment: str
    maturity: dt.date | None = None
    pari_passu: bool = False
    legal_final: dt.date | None = None
    base: str = ""
    margin: float = 0.0
    cap: float | None = None
    floor: float | None = None
    deferrable: bool = False
    senior: bool | None = None
    schedule: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        check_kinds("tranche", self)
        object.__setattr__(self, "schedule", tuple(float(x) for x in self.schedule))
        for name in ("maturity", "legal_final"):
            if getattr(self, name) is not None:
                day = as_date(f"tranche '{self.name}' {name.replace('_', ' ')}", getattr(self, name))
                object.__setattr__(self, name, day)
        raise_first(tranche_faults([self], (), settled=True), [self.name])
        # Whole numbers would make whole-number arrays.
        object.__setattr__(self, "amount", float(self.amount))
        object.__setattr__(self, "coupon", float(self.coupon))

    @staticmethod
    def from_frame(frame: Any) -> tuple[Tranche, ...]:
        """Build classes from a frame or rows of notes: :func:`xlkmv.library.inputs.tranches_from`."""
        import xlkmv

        return xlkmv.tranches_from(frame)

    @property
    def passes_through(self) -> bool:
        """Whether principal is paid as it is distributable, without a schedule."""
        return self.payment == PASS_THROUGH


def tranche_faults(
    tranches: Sequence[Any],
    dates: Sequence[dt.date],
    settled: bool = False,
    curves: Sequence[str] | None = None,
) -> Iterator[Fault]:
    """Yield everything that is wrong with the tranches.

    `dates` empty leaves maturities and schedules unchecked, `curves` None the names of curves.
    """
    if not tranches:
        yield Fault("tranche", None, "name", None, "the plan needs at least one tranche")
    for column in ("rank", "amount", "coupon", "margin", "cap", "floor"):
        values = [
            _number(getattr(t, column, None), 0.0 if column in ("cap", "floor") else None) for t in tranches
        ]
        yield from column_faults("tranche", column, values, settled=settled)
    yield from twice("tranche", [t.name for t in tranches], Phrase("tranche"))
    shared: dict[float, bool] = {}  # ranks so far: whether all their classes are marked pari passu
    for row, t in enumerate(tranches):
        if t.rank in shared and not (shared[t.rank] and t.pari_passu):
            rule = Phrase("is there twice: only tranches that are all marked pari passu may share a rank")
            yield Fault("tranche", row, "rank", t.rank, rule)
        if t.rank == t.rank:
            shared[t.rank] = shared.get(t.rank, True) and t.pari_passu
        if (t.payment is not None or settled) and t.payment not in PAYMENT_TYPES:
            yield Fault(
                "tranche",
                row,
                "payment",
                t.payment,
                Phrase("must be one of: {options}", options=", ".join(PAYMENT_TYPES)),
            )
        yield from _coupon_faults(row, t, curves)
        yield from _date_faults(row, t, dates, settled)
        yield from _schedule_faults(row, t, dates, settled)
    yield from _senior_faults(tranches)


def _number(value: Any, blank: float | None) -> float:
    return (np.nan if blank is None else blank) if value is None else value


def _coupon_faults(row: int, t: Any, curves: Sequence[str] | None) -> Iterator[Fault]:
    base = getattr(t, "base", "") or ""
    if base and curves is not None and base not in curves:
        known = ", ".join(curves) or Phrase("there is none")
        yield Fault(
            "tranche", row, "base", base, Phrase("must be the name of a curve ({known})", known=known)
        )
    for name in () if base else ("margin", "cap", "floor"):
        value = getattr(t, name, None)
        if value is not None and value == value and not (name == "margin" and value == 0.0):
            rule = Phrase("must be blank: the coupon is fixed while the base is blank")
            yield Fault("tranche", row, name, value, rule)
    cap, floor = getattr(t, "cap", None), getattr(t, "floor", None)
    if cap is not None and floor is not None and cap < floor:
        yield Fault(
            "tranche", row, "cap", cap, Phrase("must not be below the floor ({floor:g})", floor=floor)
        )


def _date_faults(row: int, t: Any, dates: Sequence[dt.date], settled: bool) -> Iterator[Fault]:
    legal = getattr(t, "legal_final", None)
    if t.maturity is None and settled and t.payment != PASS_THROUGH:
        yield Fault(
            "tranche", row, "maturity", None, "must not be blank: only pass-through classes need no maturity"
        )
    if dates and t.maturity is not None and t.maturity not in dates:
        yield Fault("tranche", row, "maturity", t.maturity, "must be one of the payment dates")
    if t.maturity is not None and legal is not None and legal < t.maturity:
        yield Fault(
            "tranche",
            row,
            "legal_final",
            legal,
            Phrase("must not be before the expected maturity ({maturity})", maturity=t.maturity),
        )
    elif dates and legal is not None and legal < dates[0]:
        yield Fault(
            "tranche",
            row,
            "legal_final",
            legal,
            Phrase("must not be before the first payment date ({date})", date=dates[0]),
        )


def _schedule_faults(row: int, t: Any, dates: Sequence[dt.date], settled: bool) -> Iterator[Fault]:
    schedule = getattr(t, "schedule", ())
    if t.payment != SCHEDULE:
        if schedule:
            rule = Phrase(
                "has a schedule of principal: its payment type must be '{schedule}'", schedule=SCHEDULE
            )
            yield Fault("tranche", row, "payment", t.payment, rule)
        return
    total = sum(schedule)
    if dates and len(schedule) != len(dates):
        rule = Phrase("must have one figure per payment date ({count})", count=len(dates))
        yield Fault("tranche", row, "schedule", f"{len(schedule)} figures", rule)
    elif wrong := [x for x in schedule if not x >= 0.0 and (settled or x == x)]:
        yield Fault("tranche", row, "schedule", wrong[0], "must be >= 0 on every date")
    elif t.maturity in dates and (late := sum(schedule[list(dates).index(t.maturity) + 1 :])) > 0.0:
        rule = Phrase("must pay nothing after the expected maturity ({maturity})", maturity=t.maturity)
        yield Fault("tranche", row, "schedule", late, rule)
    elif t.amount == t.amount and abs(total - t.amount) > SCHEDULE_TOLERANCE * t.amount:
        yield Fault(
            "tranche",
            row,
            "schedule",
            total,
            Phrase("must sum to the amount of the class ({amount:.10g})", amount=t.amount),
        )


def _senior_faults(tranches: Sequence[Any]) -> Iterator[Fault]:
    marked = [t.rank for t in tranches if getattr(t, "senior", None)]
    if not marked or any(rank is None for rank in marked):
        return
    last = max(marked)
    for row, t in enumerate(tranches):
        if not t.senior and t.rank is not None and t.rank <= last:
            rule = Phrase("ranks with or ahead of a class that is marked senior, so it must be senior too")
            yield Fault("tranche", row, "senior", "no", rule)
