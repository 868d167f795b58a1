"""When obligors default by assumption: at a constant rate, by CDR, or along a loss curve.

All three are one thing: obligor i has defaulted by date k with probability ``1 - (1 -
PD_i)^tau_k``. At a constant rate tau is the time; a CDR or a loss curve gives the times tau
at which the pool sees what they say. PDs keep their order, and stresses on PDs their meaning. What a
pledge brings depends on when its obligor fails: a loss curve takes what it is expected to bring of the
defaults of each period.

A loss curve may ask for more than those that can default still owe. Of a deal as it is given that is
a fault (:func:`plan_faults`); where a stress, a range or another pool makes it so, all of them default.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np

from xlkmv.deal.plan.claims import planned_claims
from xlkmv.deal.plan.factors import factor_loadings
from xlkmv.deal.plan.recovery import recovery_law
from xlkmv.deal.terms import Deal, Fault, Pool, Recoveries, Terms
from xlkmv.kinds import altered
from xlkmv.model.domain import Array
from xlkmv.phrase import Phrase

__all__ = ["default_clock", "plan_faults"]

# Of what can be lost at most a loss curve takes no more: to take the rest, time would have to end.
NEARLY_ALL = 1.0 - 1e-9


def default_clock(pool: Pool, terms: Terms, unpledged: float = 0.0) -> tuple[Pool, Array | None]:
    """Pool and times at which its PDs say what the terms assume.

    Parameters
    ----------
    pool : Pool
        With `interest` and `balance` for a loss curve.
    terms : Terms
    unpledged : float
        Recovery rate of what a pledge does not cover.

    Returns
    -------
    pool : Pool
        With one PD for all obligors under a CDR.
    clock : ndarray, shape (n,), or None
        tau, years; None at a constant rate.
    """
    if terms.default_timing == "CDR":
        return _by_rate(pool, terms)
    if terms.default_timing == "loss curve":
        return pool, _by_losses(pool, terms, unpledged)[0]
    return pool, None


def plan_faults(deal: Deal) -> Iterator[Fault]:
    """Yield what is wrong with a deal that only its plan shows, each with the row it comes from.

    Claims of which none pays up to the last payment date; a loss curve that asks for more than those
    that can default still owe.

    Parameters
    ----------
    deal : Deal
        As it is given.

    Yields
    ------
    Fault
    """
    claims, terms = planned_claims(deal), deal.terms
    loans = deal.pool.loans
    if loans is not None and not claims.pool.schedule.any():
        row = int(np.argmax(loans.given))
        column = "term" if loans.first[row] is None else "first"
        rule = Phrase(
            "must let a claim pay something up to the last payment date ({last}): none does",
            last=terms.dates[-1],
        )
        yield Fault("pool", row, column, getattr(loans, column)[row], rule)
    elif terms.default_timing == "loss curve":
        _, missing = _by_losses(claims.pool, terms, deal.controls.unpledged_recovery)
        if missing is not None:
            place, rule = missing
            row = min(place, len(terms.loss_curve) - 1)
            yield Fault("terms", row, "loss_curve", float(terms.loss_curve[row]), rule)


def _by_period(values: tuple[float, ...], count: int) -> Array:
    """One figure per period; the last one holds on."""
    return np.array([values[min(k, len(values) - 1)] for k in range(count)])


def _by_rate(pool: Pool, terms: Terms) -> tuple[Pool, Array | None]:
    """CDR: everybody has the largest rate as PD, and the clock runs slower where the rate is lower."""
    rates = _by_period(terms.cdr, len(terms.dates))
    top = float(rates.max())
    pool = altered(pool, pd=np.full(len(pool.name), top))
    if top == 0.0 or (rates == top).all():
        return pool, None
    steps = np.diff(terms.times, prepend=0.0)
    return pool, np.cumsum(np.log1p(-rates) * steps) / np.log1p(-top)


@lru_cache(maxsize=2)
def _by_losses(pool: Pool, terms: Terms, unpledged: float) -> tuple[Array, tuple[int, Phrase] | None]:
    """Times at which the expected loss is what the curve says, found date by date.

    Then the first date on which it asks for too much, and in which way, if there is one.

    The expected loss of period k is ``sum_i [F_i(tau_k) - F_i(tau_{k-1})] (1 - R_ik) B_i,k``, B the
    balance before the date, R_ik the mean recovery of the defaults of the period.
    """
    assert pool.balance is not None and pool.interest is not None
    n = len(terms.dates)
    wanted = np.diff(_by_period(terms.loss_curve, n), prepend=0.0) * float(pool.amount.sum())
    owed = pool.balance + pool.schedule - pool.interest
    claim = pool.owed if pool.claim is None else pool.claim
    common, shared = factor_loadings(pool, terms)
    law = recovery_law(
        Recoveries(spread=np.zeros(len(pool.name))) if pool.recoveries is None else pool.recoveries,
        pool.recovery,
        pool.lag,
        terms.times,
        np.zeros(owed.shape),
        claim,
        common + shared,
        unpledged,
    )
    tau, clock, missing = 0.0, np.empty(n), None
    log, can = np.log1p(-pool.pd), pool.pd > 0.0
    for k in range(n):
        before = -np.expm1(log * tau)

        def losses(step: float, k: int = k, before: Array = before) -> tuple[float, float]:
            """Expected loss of the period, money, and how fast it rises with the step of the clock."""
            by = before - (1.0 - before) * np.expm1(log * step)
            loss, slope = law.losses(k, before, by, claim[:, k])
            return float((loss * owed[:, k]).sum()), float((-log * (1.0 - by) * slope * owed[:, k]).sum())

        most = float((law.losses(k, before, np.where(can, 1.0, before), claim[:, k])[0] * owed[:, k]).sum())
        if wanted[k] > 0.0 and wanted[k] >= most * NEARLY_ALL and missing is None:
            rule = Phrase("needs obligors with a PD: their PDs say who defaults first")
            if can.any():
                rule = Phrase(
                    "asks for a loss of {wanted:.10g} up to {date}, more than obligors that can "
                    "default still owe after recoveries ({most:.10g})",
                    wanted=wanted[k],
                    date=terms.dates[k],
                    most=most,
                )
            missing = k, rule
        tau += _root(losses, min(wanted[k], most * NEARLY_ALL))
        clock[k] = tau
    return clock, missing


def _root(function: Callable[[float], tuple[float, float]], wanted: float) -> float:
    """Where a rising function with its slope, 0 at 0, reaches what is wanted: Newton's steps in a bracket."""
    low, high, x = 0.0, np.inf, 0.0
    for _ in range(200):
        value, slope = function(x)
        gap = wanted - value
        if slope <= 0.0 or abs(gap) <= 1e-14 * max(wanted, 1e-300):
            break
        low, high = (x, high) if gap > 0.0 else (low, x)
        last, x = x, x + gap / slope
        if not low < x < high:
            x = 0.5 * (low + high) if high < np.inf else 2.0 * low
        if x == last:
            break
    return x
