"""What has come in since closing, date by date: collections and, where known, what lies behind them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from xlkmv.deal.terms.faults import TOLERANCE, Fault, raise_first
from xlkmv.errors import InputError
from xlkmv.kinds import check_kind, check_kinds
from xlkmv.model.domain import NOT_NEGATIVE, Array, numbers
from xlkmv.phrase import Phrase
from xlkmv.shown import Shown

__all__ = ["RECORD_RULE", "Record", "Today", "record_faults"]

RECORD_RULE = NOT_NEGATIVE


@dataclass(frozen=True, slots=True, repr=False)
class Record(Shown):
    """What is known of the first j payment dates.

    Attributes
    ----------
    collections : tuple of float, length j
        What came in on each date, money.
    balance : tuple of (float or None), length j or 0
        Performing pool after each date, money; None where nobody knows.
    defaults : tuple of (float or None), length j or 0
        Balance of the claims that defaulted in each period, money; what the status of an obligor
        explains is part of it.
    prepayments : tuple of (float or None), length j or 0
        Principal that came in ahead of the plan in each period, money; part of the collections.
    reserve : tuple of (float or None), length j or 0
        Reserve account after each date, money.
    """

    collections: tuple[float, ...] = ()
    balance: tuple[float | None, ...] = ()
    defaults: tuple[float | None, ...] = ()
    prepayments: tuple[float | None, ...] = ()
    reserve: tuple[float | None, ...] = ()

    def __post_init__(self) -> None:
        check_kinds("actual", self)
        object.__setattr__(self, "collections", tuple(numbers("actual", self.collections).ravel().tolist()))
        j = len(self.collections)
        for name in self.more():
            given = tuple(getattr(self, name))
            if given and len(given) != j:
                rule = Phrase("must have one value per date of the collections ({count})", count=j)
                raise InputError(f"actual {name}", rule, f"{len(given)} values")
            known = tuple(None if x is None or x != x else float(x) for x in given)
            object.__setattr__(self, name, known if any(x is not None for x in known) else ())
        columns = {f.name: getattr(self, f.name) for f in fields(self)}
        raise_first(record_faults(columns, settled=True))

    @staticmethod
    def of(given: Record | npt.ArrayLike) -> Record:
        """Take collections alone as a record of them."""
        if isinstance(given, Record):
            return given
        return Record(tuple(np.atleast_1d(numbers("actual", given)).tolist()))

    @staticmethod
    def more() -> tuple[str, ...]:
        """Return the names of what may be known besides the collections."""
        return tuple(f.name for f in fields(Record))[1:]

    def __len__(self) -> int:
        return len(self.collections)

    @property
    def collections_only(self) -> bool:
        """Whether nothing else is known."""
        return not any(getattr(self, name) for name in self.more())

    def known(self, name: str) -> Array:
        """Figures of one column, shape (j,), NaN where nobody knows.

        Raises
        ------
        InputError
            When a record has no such column.
        """
        check_kind("name", str, name)
        columns = [f.name for f in fields(self)]
        if name not in columns:
            raise InputError("name", Phrase("must be one of: {options}", options=", ".join(columns)), name)
        given = getattr(self, name) or (None,) * len(self)
        return np.array([np.nan if x is None else x for x in given])


def record_faults(
    columns: Mapping[str, Sequence[Any]],
    limits: Mapping[str, tuple[float, str]] | None = None,
    settled: bool = False,
) -> Iterator[Fault]:
    """Yield everything that is wrong with a record; unless `settled`, NaN has been reported.

    Parameters
    ----------
    columns : mapping
        Figures by the fields of :class:`Record`; None where a cell is blank.
    limits : mapping, optional
        What the figures of a field cannot exceed, money, and what that is in words.
    settled : bool
        Whether nobody has looked at the figures before.

    Yields
    ------
    Fault
        Of part "actual".
    """
    for name, given in columns.items():
        most, words = (limits or {}).get(name, (np.inf, ""))
        for row, x in enumerate(given):
            if x is None or (x != x and not settled):
                continue
            if not 0.0 <= x < np.inf:
                yield Fault("actual", row, name, float(x), RECORD_RULE.text)
            elif x > most * (1.0 + TOLERANCE):
                rule = Phrase("must not be above {words} ({most:,.10g})", words=words, most=most)
                if name == "balance":
                    rule = Phrase(
                        "{rule}: leave it blank where claims were added that Pool does not have", rule=rule
                    )
                yield Fault("actual", row, name, float(x), rule)


@dataclass(frozen=True, slots=True)
class Today:
    """From where a deal is seen that has been running for a while.

    Attributes
    ----------
    record : Record
        Of the dates that have passed, one at least.
    level : float
        Share of what is still scheduled that is expected to come in, 0 to 1, defaults apart.
    """

    record: Record
    level: float = 1.0
