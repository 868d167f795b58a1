"""Rows of the plan's cash: accounts, payments and covenants by date."""

from __future__ import annotations

from typing import Any

import numpy as np

from xlkmv.deal.analysis import Analysis
from xlkmv.deal.plan.covenants import CovenantPath
from xlkmv.deal.terms import Deal
from xlkmv.phrase import Phrase
from xlkmv.refresh.tables import NONE

__all__ = ["account_rows", "cashflow_rows", "covenant_row"]

TRIGGERS = (Phrase("normal"), Phrase("trap"), Phrase("turbo"))
# Consequences that leave all cash in its order; a trap or turbo has them, too.
MILD = ("sequential", "amortise")


def account_rows(deal: Deal, analysis: Analysis) -> list[list[Any]]:
    w = analysis.planned
    paid, senior = w.interest_paid + w.principal_paid, deal.senior
    series = (
        w.collections + w.bought_less,
        analysis.pool_interest,
        analysis.pool_balance,
        w.sale,
        w.fees_paid,
        paid[senior].sum(axis=0),
        paid[~senior].sum(axis=0),
        w.residual,
        w.account,
        w.reserve,
        w.support_drawn,
    )
    expected = analysis.simulated_base.expected_collections
    states = _triggers(deal, analysis)
    return [
        [date, *(s[k] for s in series), states[k], expected[k]] for k, date in enumerate(deal.terms.dates)
    ]


def _triggers(deal: Deal, analysis: Analysis) -> list[str]:
    """What is on at each date: a turbo or trap, else a milder consequence, the first of the covenants'."""
    w = analysis.planned
    on = w.breaches if deal.terms.cure else np.logical_or.accumulate(w.breaches, axis=-1)
    mild = [(c, Phrase(x.consequence)) for c, x in enumerate(deal.covenants) if x.consequence in MILD]
    found: list[str] = []
    for k, state in enumerate(w.trigger):
        words = [word for c, word in mild if deal.controls.triggers and not state and on[c, k]]
        found.append(words[0] if words else TRIGGERS[int(state)])
    return found


def cashflow_rows(deal: Deal, analysis: Analysis) -> list[list[Any]]:
    w, rows = analysis.planned, []
    for k, tranche in enumerate(deal.tranches):
        expected = analysis.simulated_base.tranches[k].expected_paid
        for n, date in enumerate(deal.terms.dates):
            missed = w.missed[k, n]
            due = (w.interest_due[k, n], w.interest_paid[k, n], w.principal_due[k, n], w.principal_paid[k, n])
            rows.append([tranche.name, date, *due, missed, w.balance[k, n], expected[n]])
    return rows


def covenant_row(deal: Deal, path: CovenantPath) -> list[Any]:
    """What the test looks like by plan on the date closest to a breach; its probability up to the end."""
    tested = np.flatnonzero(~np.isnan(path.probability))
    broken = None if path.first_breach is None else deal.terms.dates[path.first_breach]
    if not tested.size:
        return [NONE, np.nan, np.nan, Phrase("not tested"), np.nan, np.nan, broken or NONE]
    tightest = int(tested[np.argmax(path.probability[tested])])
    return [
        deal.terms.dates[tightest],
        path.values[tightest],
        path.headroom[tightest],
        Phrase("breach") if broken else Phrase("ok"),
        path.distance[tightest],
        path.anydate_probability[-1],
        broken or NONE,
    ]
