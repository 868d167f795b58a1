"""Table of recoveries on sheet Sources: pledges and spreads by obligor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from xlkmv.deal.terms import RECOVERY_NUMBERS, USUAL_RECOVERY, Recoveries, recovery_faults
from xlkmv.model.domain import Array
from xlkmv.phrase import Phrase
from xlkmv.refresh.reader import Reader
from xlkmv.workbook import layout
from xlkmv.workbook.book import Table

__all__ = ["RecoveryRows", "read_recoveries"]

SPEC = layout.RECOVERY


@dataclass(frozen=True, slots=True)
class RecoveryRows:
    """What the table gives.

    Attributes
    ----------
    names : tuple of str
        Obligors of its rows, in one case.
    pledged : frozenset of str
        Those that have a pledge.
    columns : dict of str to ndarray
        Figures of :class:`~xlkmv.deal.terms.Recoveries`, as far as they are right.
    table : Table or None
    """

    names: tuple[str, ...] = ()
    pledged: frozenset[str] = frozenset()
    columns: dict[str, Array] = field(default_factory=dict)
    table: Table | None = None

    def report(self, reader: Reader, pool: Sequence[str], recovery: Array) -> None:
        """Report rows whose obligor is not in the pool, and spreads that its recovery does not allow."""
        place = {name.casefold(): k for k, name in enumerate(pool)}
        for k, name in enumerate(self.names):
            if name not in place:
                rule = Phrase("must be an obligor of table {table}", table=layout.POOL.name)
                reader.fail(self.table, k, SPEC.column("name").header, rule)
        means = np.array([recovery[place[name]] if name in place else np.nan for name in self.names])
        reader.faults(self.table, SPEC, recovery_faults(self.columns, means))

    def made(self, pool: Sequence[str]) -> Recoveries | None:
        """Recoveries of the obligors of a pool, None where the table has no row."""
        if not self.names:
            return None
        place = {name: k for k, name in enumerate(self.names)}
        rows = np.array([place.get(name.casefold(), -1) for name in pool])
        columns = {c: np.where(rows < 0, USUAL_RECOVERY[c], x[rows]) for c, x in self.columns.items()}
        return Recoveries(**columns)


def read_recoveries(reader: Reader) -> RecoveryRows:
    """Read the recoveries that are drawn.

    Parameters
    ----------
    reader : Reader
        Keeps the problems.

    Returns
    -------
    RecoveryRows
    """
    table, rows = reader.records(SPEC)
    if table is None:
        return RecoveryRows()
    names = tuple(row.name.casefold() for row in rows)
    for k, name in enumerate(names):
        if name in names[:k]:
            reader.fail(
                table, k, SPEC.column("name").header, Phrase("is there twice: every obligor needs one row")
            )
    pledge, spread, scatter = (SPEC.column(name).header for name in ("pledge", "spread", "pledge_volatility"))
    pledged = set()
    for k, name in enumerate(names):
        has = [table.has(x) and not reader.is_blank(table, k, x) for x in (pledge, spread)]
        if has[0]:
            pledged.add(name)
            if not table.has(scatter) or reader.is_blank(table, k, scatter):
                rule = Phrase("must not be blank beside a pledge: 0 says that its value is certain")
                reader.fail(table, k, scatter if table.has(scatter) else pledge, rule)
        if not any(has):
            where = pledge if table.has(pledge) else SPEC.column("name").header
            reader.fail(
                table,
                k,
                where,
                Phrase("must not be blank where '{spread}' is: fill one of the two", spread=spread),
            )
    columns = {
        c: np.array([USUAL_RECOVERY[c] if getattr(row, c) is None else getattr(row, c) for row in rows])
        for c in RECOVERY_NUMBERS
    }
    return RecoveryRows(names, frozenset(pledged), columns, table)
