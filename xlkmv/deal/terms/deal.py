"""The deal: claims, notes, terms, controls and covenants together."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from xlkmv.deal.terms.claims import Pool, loan_faults
from xlkmv.deal.terms.controls import Controls
from xlkmv.deal.terms.covenants import Covenant, covenant_faults
from xlkmv.deal.terms.faults import Fault, raise_first
from xlkmv.deal.terms.notes import Tranche, tranche_faults
from xlkmv.deal.terms.plan import Terms
from xlkmv.deal.terms.record import Today
from xlkmv.errors import InputError
from xlkmv.kinds import check_kind, check_kinds
from xlkmv.model.domain import Array
from xlkmv.phrase import Phrase
from xlkmv.shown import Shown

if TYPE_CHECKING:
    import xlkmv

__all__ = ["Deal"]


@dataclass(frozen=True, slots=True, repr=False)
class Deal(Shown):
    """A plan: what pays, what is owed, and on what terms.

    Attributes
    ----------
    pool : Pool
    tranches : tuple of Tranche
        Ordered by rank on construction.
    terms : Terms
    controls : Controls
    covenants : tuple of Covenant
    today : Today or None
        Where the paths of a simulation begin, if not at closing.
    """

    pool: Pool
    tranches: tuple[Tranche, ...]
    terms: Terms
    controls: Controls = field(default_factory=Controls)
    covenants: tuple[Covenant, ...] = ()
    today: Today | None = None

    def __post_init__(self) -> None:
        check_kinds("deal", self)
        object.__setattr__(self, "tranches", tuple(sorted(self.tranches, key=lambda t: t.rank)))
        object.__setattr__(self, "covenants", tuple(self.covenants))
        names, terms = [t.name for t in self.tranches], self.terms
        if self.pool.schedule.shape[1] != len(terms.dates):
            raise InputError(
                "schedule",
                Phrase("must have one column per payment date ({count})", count=len(terms.dates)),
                self.pool.schedule.shape[1],
            )
        curves = [c.name for c in terms.curves]
        raise_first(tranche_faults(self.tranches, terms.dates, curves=curves), names)
        raise_first(covenant_faults(self.covenants), [c.name for c in self.covenants])
        raise_first(self._loan_faults(curves), self.pool.name)
        if terms.headline and terms.headline not in names:
            raise InputError(
                "terms headline",
                Phrase("must be one of: {options}", options=", ".join(names)),
                terms.headline,
            )

    @staticmethod
    def from_frames(pool: Any, notes: Any, *, closing: Any, **more: Any) -> Deal:
        """Build a deal from frames or rows of claims and notes: :func:`xlkmv.library.inputs.deal_from`."""
        import xlkmv

        return xlkmv.deal_from(pool, notes, closing=closing, **more)

    def analyse(
        self,
        stresses: Sequence[xlkmv.Stress] | None = None,
        progress: Callable[[str, float], None] = lambda what, share: None,
        *,
        actual: xlkmv.Record | Sequence[float] | Array | None = None,
        ranges: xlkmv.Ranges | None = None,
        otherwise: xlkmv.Otherwise | None = None,
        executor: xlkmv.Executor | None = None,
        quick: bool = False,
    ) -> xlkmv.Analysis:
        """Compute everything that the workbook shows: :func:`xlkmv.library.files.analyse`."""
        import xlkmv

        return xlkmv.analyse(
            self,
            stresses,
            progress,
            actual=actual,
            ranges=ranges,
            otherwise=otherwise,
            executor=executor,
            quick=quick,
        )

    def save(self, path: str | os.PathLike[str], *, refreshed: bool = False) -> Path:
        """Save as a workbook, JSON or YAML: :func:`xlkmv.library.files.save`."""
        import xlkmv

        return xlkmv.save(self, path, refreshed=refreshed)

    def _loan_faults(self, curves: list[str]) -> Iterator[Fault]:
        loans = self.pool.loans
        if loans is None:
            return
        columns = {c: getattr(loans, c) for c in loans.__dataclass_fields__}
        yield from loan_faults(columns, loans.given, self.terms.closing)
        unknown = set(loans.base) - {"", *curves}
        for row, name in enumerate(loans.base) if unknown else ():
            if name in unknown:
                known = ", ".join(curves) or Phrase("there is none")
                yield Fault(
                    "pool", row, "base", name, Phrase("must be the name of a curve ({known})", known=known)
                )

    @property
    def senior(self) -> npt.NDArray[np.bool_]:
        """Classes that count as senior: those marked, or the first rank; shape (k,)."""
        marked = [bool(t.senior) for t in self.tranches]
        return np.array(marked if any(marked) else [t.rank == self.tranches[0].rank for t in self.tranches])

    @property
    def acting(self) -> tuple[Covenant, ...]:
        """Covenants whose breach changes payments: those with a consequence, while triggers are on."""
        return tuple(c for c in self.covenants if c.consequence != "none" and self.controls.triggers)

    @property
    def headline(self) -> int:
        """Position of the class that headlines speak of: the user's, or the last senior one."""
        names = [t.name for t in self.tranches]
        return names.index(self.terms.headline) if self.terms.headline else int(self.senior.sum()) - 1

    @property
    def passes_through(self) -> npt.NDArray[np.bool_]:
        """Classes whose principal is passed through, shape (k,)."""
        return np.array([t.passes_through for t in self.tranches])

    def expected(self, tranche: Tranche) -> int:
        """Position of the expected maturity of a class; the last date where there is none.

        Raises
        ------
        InputError
            When it is no class of notes.
        """
        check_kind("tranche", Tranche, tranche)
        return self._position(tranche.maturity)

    def legal_final(self, tranche: Tranche) -> int:
        """Position of the date by which a class has to be repaid.

        Raises
        ------
        InputError
            When it is no class of notes.
        """
        check_kind("tranche", Tranche, tranche)
        scheduled = tranche.legal_final is None and not tranche.passes_through
        return self._position(tranche.maturity if scheduled else tranche.legal_final)

    def _position(self, date: dt.date | None) -> int:
        """First payment date not before a date; the last one if there is none, or no date."""
        dates = self.terms.dates
        after = (k for k, d in enumerate(dates) if date is not None and d >= date)
        return next(after, len(dates) - 1)
