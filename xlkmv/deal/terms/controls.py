"""The plan's risk controls, with a switch each.

A new control is an entry of :data:`CONTROLS`, its switch and its figures among the fields of
:class:`Controls`, and what it does in :mod:`xlkmv.deal.plan`: sheet, conditions, attribution and
comparison take it from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from xlkmv.deal.terms.faults import COLUMN_RULES, column_faults, raise_first
from xlkmv.errors import DomainError, InputError
from xlkmv.kinds import altered, check_kind, check_kinds
from xlkmv.phrase import Phrase
from xlkmv.shown import Shown

__all__ = ["CAP_UNITS", "CONTROLS", "RESERVE_FUNDING", "RESERVE_UNITS", "Control", "Controls"]


@dataclass(frozen=True, slots=True)
class Control:
    """A risk control by name.

    Attributes
    ----------
    label : str
    figures : tuple of str
        Fields of :class:`Controls` that say how much there is of it. The first has a cell in the control's
        own row of the table of controls, the others are terms.
    unit : str
        What the first figure is counted in.
    former : str
        Label under which older workbooks have it.
    """

    label: str
    figures: tuple[str, ...] = ()
    unit: str = ""
    former: str = ""


CONTROLS: dict[str, Control] = {
    "subordination": Control("Subordination"),
    "excess_coverage": Control("Excess coverage"),
    "reserve": Control(
        "Reserve account", ("reserve_size", "reserve_unit", "reserve_floor", "reserve_funding"), "periods"
    ),
    "support": Control("Shortfall undertaking", ("support_pd", "support_cap", "support_cap_unit"), "PD p.a."),
    "triggers": Control("Credit triggers"),
    "repurchase": Control("Repurchase of defaulted claims", ("repurchase_share",), "of a claim"),
    "pledge": Control("Pledge", ("unpledged_recovery",), "recovery", "Patent pledge"),
}
RESERVE_UNITS = ("periods", "money", "of pool")
RESERVE_FUNDING = ("cash", "built up")
CAP_UNITS = ("money", "of notes")


@dataclass(frozen=True, slots=True, repr=False)
class Controls(Shown):
    """The plan's risk controls: a switch for each, and its figures where it has some.

    Attributes
    ----------
    subordination, excess_coverage, reserve, support, triggers, repurchase, pledge : bool
        Switches.
    reserve_size : float
        Size of the reserve account, in `reserve_unit`.
    support_pd : float
        One-year default probability of the payer of the shortfall undertaking.
    repurchase_share : float
        Share of a defaulted claim that the originator buys back at its scheduled amount.
    unpledged_recovery : float
        Recovery rate of an obligor when nothing is pledged (at most the pool's own).
    reserve_unit : {"periods", "money", "of pool"}
        Multiples of the senior dues of the first period, money, or a share of the performing
        pool of the date.
    reserve_floor : float
        Least size of a reserve "of pool", as a share of the pool at closing.
    reserve_funding : {"cash", "built up"}
        Whether the reserve is there at closing, or filled from what comes in.
    support_cap : float or None
        Most that the undertaking pays in all, in `support_cap_unit`; None: without limit.
    support_cap_unit : {"money", "of notes"}
    """

    subordination: bool = True
    excess_coverage: bool = True
    reserve: bool = True
    support: bool = True
    triggers: bool = True
    repurchase: bool = True
    pledge: bool = True
    reserve_size: float = 1.0
    support_pd: float = 0.001
    repurchase_share: float = 0.0
    unpledged_recovery: float = 0.0
    reserve_unit: str = "periods"
    reserve_floor: float = 0.0
    reserve_funding: str = "cash"
    support_cap: float | None = None
    support_cap_unit: str = "money"

    def __post_init__(self) -> None:
        check_kinds("control", self)
        for name in (n for control in CONTROLS.values() for n in control.figures if n in COLUMN_RULES):
            if getattr(self, name) is not None:
                raise_first(column_faults("control", name, [getattr(self, name)], settled=True))
        choices = {
            "reserve_unit": RESERVE_UNITS,
            "reserve_funding": RESERVE_FUNDING,
            "support_cap_unit": CAP_UNITS,
        }
        for name, words in choices.items():
            if getattr(self, name) not in words:
                raise InputError(
                    f"control {name.replace('_', ' ')}",
                    Phrase("must be one of: {options}", options=", ".join(words)),
                    getattr(self, name),
                )
        if self.reserve_unit == "of pool" and self.reserve_size > 1.0:
            rule = Phrase("must be between 0 and 1 (a share of the pool: 0.012 means 1.2 %)")
            raise DomainError("control reserve size", rule, self.reserve_size)

    def without(self, *names: str) -> Controls:
        """Return the controls with the named ones switched off.

        Raises
        ------
        InputError
            When a name is no control.
        """
        for name in names:
            check_kind("control", str, name)
            if name not in CONTROLS:
                raise InputError(
                    "control", Phrase("must be one of {options}", options=", ".join(CONTROLS)), name
                )
        switched: dict[str, Any] = dict.fromkeys(names, False)
        return altered(self, **switched)
