"""When obligors default by assumption: at a constant rate, by CDR, or along a loss curve.

All three are one thing: obligor i has defaulted by date k with probability ``1 - (1 -
PD_i)^tau_k``. At a constant rate tau is the time; a CDR or a loss curve gives the times tau
at which the pool sees what they say. PDs keep their order, and stresses on PDs their meaning.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from xlkmv.deal.terms import Pool, Terms
from xlkmv.errors import DomainError, InputError
from xlkmv.kinds import altered
from xlkmv.model.domain import Array
from xlkmv.phrase import Phrase

__all__ = ["default_clock"]


def default_clock(pool: Pool, terms: Terms) -> tuple[Pool, Array | None]:
    """Pool and times at which its PDs say what the terms assume.

    Parameters
    ----------
    pool : Pool
        With `interest` and `balance` for a loss curve.
    terms : Terms

    Returns
    -------
    pool : Pool
        With one PD for all obligors under a CDR.
    clock : ndarray, shape (n,), or None
        tau, years; None at a constant rate.

    Raises
    ------
    InputError, DomainError
        When a loss curve asks for more defaults than there are obligors, or no obligor can default.
    """
    if terms.default_timing == "CDR":
        return _by_rate(pool, terms)
    if terms.default_timing == "loss curve":
        return pool, _by_losses(pool, terms)
    return pool, None


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
def _by_losses(pool: Pool, terms: Terms) -> Array:
    """Times at which the expected loss is what the curve says, found date by date.

    The expected loss of period k is ``sum_i [F_i(tau_k) - F_i(tau_{k-1})] (1 - R_i) B_i,k``, B the
    balance before the date.
    """
    assert pool.balance is not None and pool.interest is not None
    n = len(terms.dates)
    wanted = np.diff(_by_period(terms.loss_curve, n), prepend=0.0) * float(pool.amount.sum())
    lost = (pool.balance + pool.schedule - pool.interest) * (1.0 - pool.recovery)[:, None]
    if not (pool.pd > 0.0).any() and wanted.any():
        raise InputError("terms loss curve", "needs obligors with a PD: their PDs say who defaults first")
    survival, tau, clock = np.ones(len(pool.name)), 0.0, np.empty(n)
    log = np.log1p(-pool.pd)
    for k in range(n):
        most = float((survival * lost[:, k])[pool.pd > 0.0].sum())
        if wanted[k] > 0.0 and wanted[k] >= most * (1.0 - 1e-9):
            rule = Phrase(
                "asks for a loss of {wanted:.10g} up to {date}, more than obligors that can "
                "default still owe after recoveries ({most:.10g})",
                wanted=wanted[k],
                date=terms.dates[k],
                most=most,
            )
            raise DomainError(
                "terms loss curve", rule, float(terms.loss_curve[min(k, len(terms.loss_curve) - 1)])
            )
        step = 0.0
        # The loss is increasing and concave in the step: Newton from 0 climbs to the root.
        for _ in range(200):
            alive = survival * np.exp(log * step)
            gap = wanted[k] - float(((survival - alive) * lost[:, k]).sum())
            slope = float((-log * alive * lost[:, k]).sum())
            if slope <= 0.0 or gap <= 1e-14 * max(wanted[k], 1e-300):
                break
            step += gap / slope
        survival, tau = survival * np.exp(log * step), tau + step
        clock[k] = tau
    return clock
