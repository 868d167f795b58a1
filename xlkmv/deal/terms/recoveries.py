"""What a default brings back where it is no fixed rate: a spread about it, or a pledged asset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from xlkmv.deal.terms.columns import Columns
from xlkmv.deal.terms.faults import Fault, column_faults, raise_first
from xlkmv.errors import InputError
from xlkmv.kinds import altered
from xlkmv.model.domain import Array, numbers
from xlkmv.phrase import Phrase
from xlkmv.shown import Shown

__all__ = ["RECOVERY_NUMBERS", "USUAL_RECOVERY", "Recoveries", "recovery_faults"]

RECOVERY_NUMBERS = ("spread", "pledge", "pledge_volatility", "pledge_growth", "sale_discount", "tie")
# What a blank figure means: no pledge, and nothing that is drawn.
USUAL_RECOVERY = dict.fromkeys(RECOVERY_NUMBERS, 0.0) | {"pledge": np.nan}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Recoveries(Columns, Shown):
    """Recoveries that are drawn, one row per row of the pool.

    Attributes
    ----------
    spread : ndarray, shape (m,)
        Standard deviation of the recovery rate about its mean; 0: the rate itself.
    pledge : ndarray, shape (m,)
        Value of the pledged asset on the day from which the paths begin, of the whole row, money; NaN:
        none. What it does not cover brings the unpledged recovery of the controls.
    pledge_volatility, pledge_growth : ndarray, shape (m,)
        Of the value, per annum.
    sale_discount : ndarray, shape (m,)
        What a forced sale loses and costs, a share of the value.
    tie : ndarray, shape (m,)
        Correlation, -1 to 1, of the value, or of the recovery that is spread, with the obligor's assets.
    """

    spread: Array = field(default_factory=lambda: np.zeros(()))
    pledge: Array = field(default_factory=lambda: np.full((), np.nan))
    pledge_volatility: Array = field(default_factory=lambda: np.zeros(()))
    pledge_growth: Array = field(default_factory=lambda: np.zeros(()))
    sale_discount: Array = field(default_factory=lambda: np.zeros(()))
    tie: Array = field(default_factory=lambda: np.zeros(()))

    def __post_init__(self) -> None:
        columns = {c: np.atleast_1d(numbers(f"pool {c}", getattr(self, c))) for c in RECOVERY_NUMBERS}
        try:
            together = np.broadcast_arrays(*columns.values())
        except ValueError:
            sizes = ", ".join(f"{c} {x.size}" for c, x in columns.items())
            raise InputError("pool recoveries", "must have one value per row each", sizes) from None
        for column, values in zip(columns, together, strict=True):
            object.__setattr__(self, column, values.copy())
        raise_first(recovery_faults({c: getattr(self, c) for c in RECOVERY_NUMBERS}, settled=True))

    def __hash__(self) -> int:
        return hash((self.spread.size, self.spread.tobytes()))

    @property
    def pledged(self) -> npt.NDArray[np.bool_]:
        """Rows whose recovery follows from a pledge, shape (m,)."""
        return ~np.isnan(self.pledge)

    def pick(self, rows: npt.NDArray[np.int64], share: Array) -> Recoveries:
        """Recoveries of some rows, in their order, each with a share of the row's pledge."""
        columns: dict[str, Any] = {c: getattr(self, c)[rows] for c in RECOVERY_NUMBERS}
        return altered(self, **columns | {"pledge": columns["pledge"] * share})


def recovery_faults(
    columns: Mapping[str, Array], recovery: Array | None = None, settled: bool = False
) -> Iterator[Fault]:
    """Yield everything that is wrong with recoveries that are drawn; `recovery`: their means, where known."""
    pledged = ~np.isnan(columns["pledge"])
    for column in RECOVERY_NUMBERS:
        # Of a row without a pledge nothing is asked.
        values = np.where(pledged, columns[column], 0.0) if column == "pledge" else columns[column]
        yield from column_faults("pool", column, values, settled=settled)
    spread = np.nan_to_num(columns["spread"])
    for row in np.flatnonzero(pledged & (spread > 0.0)).tolist():
        rule = Phrase("must be blank or 0: the row has a pledge, from which its recovery follows")
        yield Fault("pool", row, "spread", float(spread[row]), rule)
    if recovery is None:
        return
    most = np.sqrt(np.maximum(recovery * (1.0 - recovery), 0.0))
    for row in np.flatnonzero(~pledged & (spread > 0.0) & (spread >= most)).tolist():
        rule = Phrase(
            "must be below {most:.4g}, that of a recovery of all or nothing with mean {recovery:g}",
            most=most[row],
            recovery=recovery[row],
        )
        yield Fault("pool", row, "spread", float(spread[row]), rule)
