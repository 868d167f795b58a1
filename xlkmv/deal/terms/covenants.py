"""Covenants: what is tested on each payment date."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from xlkmv.deal.terms.faults import Fault, column_faults, raise_first, twice
from xlkmv.kinds import check_kinds
from xlkmv.phrase import Phrase
from xlkmv.shown import Shown

__all__ = ["CONSEQUENCES", "METRICS", "Covenant", "covenant_faults"]

METRICS = (
    "coverage",
    "period DSCR",
    "cumulative default ratio",
    "largest obligor share",
    "reserve ratio",
    "senior DD",
    "overcollateralisation",
    "pool factor",
)
CONSEQUENCES = ("none", "trap", "turbo", "sequential", "amortise")


@dataclass(frozen=True, slots=True, repr=False)
class Covenant(Shown):
    """One test made on each payment date.

    Attributes
    ----------
    name : str
    metric : str
        One of :data:`METRICS`.
    side : {"min", "max"}
        Whether the threshold is a floor or a ceiling.
    threshold : float
    consequence : str
        What a breach switches on, one of :data:`CONSEQUENCES`: nothing, trapping of subordinate
        cash, full turbo to the senior classes, principal in order of rank where it was pro
        rata, or the end of the revolving period. Trap and turbo do the last two, too.
    """

    name: str
    metric: str
    side: str
    threshold: float
    consequence: str = "none"

    def __post_init__(self) -> None:
        check_kinds("covenant", self)
        raise_first(covenant_faults([self], settled=True), [self.name])


# A ratio of claims to notes above this was typed in per cent.
LARGEST_RATIO = 10.0

COVENANT_CHOICES: dict[str, tuple[str, ...]] = {
    "metric": METRICS,
    "side": ("min", "max"),
    "consequence": CONSEQUENCES,
}


def covenant_faults(covenants: Sequence[Any], settled: bool = False) -> Iterator[Fault]:
    """Yield everything that is wrong with the covenants; None and NaN only if `settled`."""
    thresholds = [c.threshold for c in covenants]
    yield from column_faults("covenant", "threshold", thresholds, settled=settled)
    yield from twice("covenant", [c.name for c in covenants], Phrase("test"))
    for row, covenant in enumerate(covenants):
        if _never_met(covenant):
            # Who types 104 % means claims of 1.04 x the notes.
            typed = covenant.threshold
            cover = typed if typed <= LARGEST_RATIO else typed / 100.0
            rule = Phrase(
                "must be at most 1: (claims - notes)/claims, "
                "{share:.4g} for claims of {cover:.4g} x the notes",
                share=1.0 - 1.0 / cover,
                cover=cover,
            )
            yield Fault("covenant", row, "threshold", covenant.threshold, rule)
        for name, choices in COVENANT_CHOICES.items():
            value = getattr(covenant, name)
            if (value is not None or settled) and value not in choices:
                yield Fault(
                    "covenant",
                    row,
                    name,
                    value,
                    Phrase("must be one of: {options}", options=", ".join(choices)),
                )


def _never_met(covenant: Any) -> bool:
    """Whether a floor of the overcollateralisation is a ratio to the notes, which no pool reaches."""
    threshold = covenant.threshold
    asked = covenant.metric == "overcollateralisation" and covenant.side == "min"
    return asked and isinstance(threshold, int | float) and 1.0 < threshold < math.inf
