"""What the claims pay by plan: interest and principal apart, date by date, prepayments included."""

from __future__ import annotations

import bisect
import datetime as dt
import operator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from xlkmv.deal.terms import Deal, Loans, Pool, Terms, months_after, without_risk
from xlkmv.kinds import altered
from xlkmv.model.domain import Array
from xlkmv.model.loans import (
    Flows,
    abs_smm,
    flows_by_date,
    implied_principal,
    period_smm,
    psa_cpr,
    revolved,
    smm_from_cpr,
)
from xlkmv.model.loans import Loans as LoanTerms

__all__ = ["Claims", "Owed", "needs_balance", "needs_split", "planned_claims", "pool_by_date", "summed"]

# Months of life for which speeds that depend on the age are worked out.
MONTHS_OF_LIFE = 1200


@dataclass(frozen=True, slots=True, eq=False)
class Claims:
    """The claims of a deal as they pay by plan.

    Attributes
    ----------
    pool : Pool
        With its schedule; with `interest` and `balance` where a term of the deal asks for them, and
        with `claim` where rows have loan terms.
    purchases : ndarray, shape (m, n), or None
        Claims bought per row and date while the plan revolves, money.
    unbought : tuple of ndarray, shapes (n, n + 1), or None
        Shares of what the pool collects on date k, and of its balance after it, that stem from
        claims bought on date e or later: what is missing where nothing is bought from date e on.
    """

    pool: Pool
    purchases: Array | None = None
    unbought: tuple[Array, Array] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Owed:
    """Claims as a key of what they pay: equal where all tables are the same ones, whatever the risk.

    Attributes
    ----------
    claims : Claims
    """

    claims: Claims

    def _tables(self) -> tuple[object, ...]:
        pool = self.claims.pool
        money = (pool.amount, pool.count, pool.schedule, pool.interest, pool.balance, pool.claim)
        return *money, pool.loans, self.claims.purchases, self.claims.unbought

    def __eq__(self, other: object) -> bool:
        """Compare tables by identity: a look at their figures would take as long as working them out."""
        return isinstance(other, Owed) and all(map(operator.is_, self._tables(), other._tables()))

    def __hash__(self) -> int:
        """Hash of the identities."""
        return hash(tuple(map(id, self._tables())))


def needs_balance(deal: Deal) -> bool:
    """Whether a term of the deal looks at the performing pool."""
    terms, metrics = deal.terms, {c.metric for c in deal.covenants}
    return (
        bool(deal.passes_through.any())
        or terms.fee_base == "pool"
        or terms.cleanup > 0.0
        or terms.revolving is not None
        or (deal.controls.reserve and deal.controls.reserve_unit == "of pool")
        or not metrics.isdisjoint({"overcollateralisation", "pool factor"})
    )


def needs_split(deal: Deal) -> bool:
    """Whether interest and principal of the claims have to be known apart."""
    terms = deal.terms
    typed = terms.prepayment_type != "of schedule" and (
        terms.prepayment > 0.0 or bool(terms.prepayment_vector)
    )
    curve = terms.default_timing == "loss curve"
    return needs_balance(deal) or terms.accounts == "two" or typed or curve or deal.pool.loans is not None


def pool_by_date(deal: Deal) -> tuple[Array, Array]:
    """Interest that the pool pays on each date by plan, and its balance after it.

    Parameters
    ----------
    deal : Deal

    Returns
    -------
    interest, balance : ndarray, shape (n,)
        Money; of scheduled collections by the claim's own yield.
    """
    pool = _split(deal).pool
    assert pool.interest is not None and pool.balance is not None
    return np.asarray(pool.interest.sum(axis=0)), np.asarray(pool.balance.sum(axis=0))


def planned_claims(deal: Deal) -> Claims:
    """Work out what the claims of a deal pay when nobody defaults.

    Rows with loan terms get their schedule from them, rows with scheduled collections their
    interest and principal from their own yield; then come prepayments, then buying of claims
    while the plan revolves.

    Parameters
    ----------
    deal : Deal

    Returns
    -------
    Claims
    """
    if not needs_split(deal):
        terms, pool = deal.terms, deal.pool
        if terms.prepayment == 0.0:
            return Claims(pool)
        return Claims(altered(pool, schedule=prepaid_schedule(pool.schedule, terms.times, terms.prepayment)))
    return _split(deal)


def _split(deal: Deal) -> Claims:
    """Claims with interest and principal apart; the overcollateralisation of the notes does not move them."""
    return _split_claims(deal.pool, altered(without_risk(deal.terms), oc_target=None, oc_floor=0.0))


@lru_cache(maxsize=2)  # as of the claims themselves
def summed(claims: Claims) -> Claims:
    """Sum up the rows of a pool: those that have loan terms, and those that come with a schedule.

    Parameters
    ----------
    claims : Claims

    Returns
    -------
    Claims
        With one or two rows, which pay by plan what the pool pays; of PDs and recoveries they know nothing.
    """
    pool = claims.pool
    given = np.zeros(len(pool.name), np.bool_) if pool.loans is None else pool.loans.given
    kinds = [rows for rows in (np.flatnonzero(given), np.flatnonzero(~given)) if rows.size]
    kinds.sort(key=lambda rows: int(rows[0]))

    def together(values: Array | None) -> Any:
        return None if values is None else np.array([values[rows].sum(axis=0) for rows in kinds])

    first = pool.pick(np.array([rows[0] for rows in kinds]), np.ones(len(kinds)))
    money = {name: together(getattr(pool, name)) for name in ("schedule", "interest", "balance", "claim")}
    money |= {"amount": together(pool.amount), "count": together(pool.obligors), "recoveries": None}
    rows = altered(first, **money)
    return replace(claims, pool=rows, purchases=together(claims.purchases))


@lru_cache(maxsize=2)  # conditions and sets of controls of one deal have the same claims
def _split_claims(pool: Pool, terms: Terms) -> Claims:
    split = _split_tables(Owed(Claims(pool)), terms)
    money = {name: getattr(split.pool, name) for name in ("schedule", "interest", "balance", "claim")}
    return replace(split, pool=altered(pool, **money))


@lru_cache(maxsize=2)  # and so do deals that differ in the risk of their obligors
def _split_tables(owed: Owed, terms: Terms) -> Claims:
    pool = owed.claims.pool
    on = np.zeros(0, np.int64) if pool.loans is None else np.flatnonzero(pool.loans.given)
    if pool.loans is not None and on.size == len(pool.name):
        flows = _loan_flows(pool.amount, pool.loans, on, terms)
    else:
        if pool.interest is not None and pool.balance is not None:
            flows = Flows(pool.interest, pool.schedule - pool.interest, pool.balance)
        else:
            flows, _ = implied_principal(pool.amount, pool.schedule, terms.times)
        flows = _prepaid_flows(flows, terms)
        if pool.loans is not None and on.size:
            lent = _loan_flows(pool.amount[on], pool.loans, on, terms)
            flows = Flows(*(x.copy() for x in flows))
            for whole, part in zip(flows, lent, strict=True):
                whole[on] = part
    purchases = unbought = None
    if terms.revolving is not None:
        until = bisect.bisect_right(terms.dates, terms.revolving) - 1
        own = flows
        flows, purchases = revolved(*flows, until)
        unbought = _unbought(own, flows, purchases, until)
    schedule, claim = np.maximum(flows.interest + flows.principal, 0.0), None
    if on.size:
        claim = flows.balance + flows.principal
        by_schedule = np.setdiff1d(np.arange(len(pool.name)), on)
        claim[by_schedule] = np.cumsum(schedule[by_schedule, ::-1], axis=1)[:, ::-1]
    return Claims(
        altered(
            pool,
            schedule=schedule,
            interest=flows.interest,
            balance=flows.balance,
            claim=claim,
        ),
        purchases,
        unbought,
    )


def _unbought(own: Flows, flows: Flows, purchases: Array, until: int) -> tuple[Array, Array]:
    """Shares of collections and balance that claims bought from each date on stand for, shape (n, n + 1).

    Of row i claims bought on date j pay on date k what the row alone pays on date k - j - 1, per unit
    of its balance at closing.
    """
    n = len(purchases[0])
    start = own.balance[:, :1] + own.principal[:, :1]
    collected = (flows.interest + flows.principal + purchases).sum(axis=0)
    by_cohort = np.zeros((2, n, n + 1))  # collections and balance, date, date of purchase
    np.fill_diagonal(by_cohort[1], purchases.sum(axis=0))
    for each, table in zip((own.interest + own.principal, own.balance), by_cohort, strict=True):
        unit = np.divide(each, start, out=np.zeros_like(each), where=start > 0.0)
        for age in range(n - 1):
            bought = np.arange(min(n - age - 1, until + 1))
            table[bought + age + 1, bought] = np.einsum("i,ij->j", unit[:, age], purchases[:, : bought.size])
    total = np.array([collected, flows.balance.sum(axis=0)])[:, :, None]
    share = np.divide(by_cohort, total, out=np.zeros_like(by_cohort), where=total > 0.0)
    missing = np.cumsum(share[:, :, ::-1], axis=2)[:, :, ::-1]
    # Nothing but rounding is left where all claims of the first day have run off.
    missing[missing > 1.0 - 1e-12] = 1.0
    return missing[0], missing[1]


def prepaid_schedule(schedule: Array, times: Array, rate: float) -> Array:
    """Schedule when a share of what remains, `rate` per annum, is paid early on each date."""
    kept = (1.0 - rate) ** times
    kept_before = np.concatenate([[1.0], kept[:-1]])
    total = schedule.sum(axis=1, keepdims=True)
    remaining = np.maximum(total - np.cumsum(schedule, axis=1), 0.0)
    # What is left of a sum by rounding is no claim.
    remaining[remaining < 1e-12 * total] = 0.0
    return np.asarray(kept_before * schedule + (kept_before - kept) * remaining)


def _months(terms: Terms) -> tuple[list[dt.date], npt.NDArray[np.int64]]:
    """Ends of the months from closing on, and the position of the payment date of each."""
    ends: list[dt.date] = []
    while not ends or ends[-1] < terms.dates[-1]:
        ends.append(months_after(terms.closing, len(ends) + 1))
    return ends, np.array([bisect.bisect_left(terms.dates, end) for end in ends])


def _mortality(terms: Terms, positions: npt.NDArray[np.int64]) -> Array:
    """SMM by month of life (ABS, PSA) or, for speeds that do not depend on it, by month from closing."""
    life = np.arange(1.0, MONTHS_OF_LIFE + 1.0)
    if terms.prepayment_type == "vector":
        return period_smm(terms.prepayment_vector, positions)
    if terms.prepayment_type == "PSA":
        return smm_from_cpr(np.minimum(psa_cpr(terms.prepayment, life), 1.0))
    if terms.prepayment_type == "ABS":
        return abs_smm(terms.prepayment, life)
    return np.atleast_1d(smm_from_cpr(terms.prepayment))


def _loan_flows(balance: Array, loans: Loans, on: npt.NDArray[np.int64], terms: Terms) -> Flows:
    ends, positions = _months(terms)
    names = [c.name for c in terms.curves]
    curve = np.array([names.index(loans.base[i]) if loans.base[i] else -1 for i in on])
    rate = np.where(curve >= 0, loans.margin[on], loans.rate[on])
    often = loans.payments_per_year[on]
    interval = (12 / often).astype(np.int64)
    first = np.array(
        [
            interval[j] if (start := loans.first[i]) is None else bisect.bisect_left(ends, start) + 1
            for j, i in enumerate(on)
        ]
    )
    amortisation = np.array([loans.amortisation[i] for i in on])
    alone = np.where(amortisation == "interest-only", loans.interest_only[on] // interval, 0)
    made = LoanTerms.of(
        balance,
        rate,
        loans.term[on] // interval,
        amortisation,
        payments_per_year=often,
        first=first,
        interest_only=alone,
        curve=curve,
    )
    starts = [terms.closing, *ends[:-1]]
    curves = np.array([c.at(starts) for c in terms.curves]) if names else None
    age = loans.age[on] if terms.prepayment_type in ("ABS", "PSA") else 0
    smm = _mortality(terms, positions)
    return flows_by_date(made, positions, len(terms.dates), smm, age, curves)


def _prepaid_flows(flows: Flows, terms: Terms) -> Flows:
    """Claims that come as a schedule, prepaying: what is left on a date pays in proportion."""
    if terms.prepayment_type == "of schedule":
        if terms.prepayment == 0.0:
            return flows
        interest, principal = (
            prepaid_schedule(x, terms.times, terms.prepayment) for x in (flows.interest, flows.principal)
        )
        start = flows.balance[:, :1] + flows.principal[:, :1]
        return Flows(interest, principal, np.maximum(start - np.cumsum(principal, axis=1), 0.0))
    _, positions = _months(terms)
    smm = _mortality(terms, positions)
    by_month = smm[np.minimum(np.arange(positions.size), smm.size - 1)]
    survival = np.cumprod(1.0 - by_month)
    # Of the months that are paid out on a date or before, the last one counts.
    reached = np.searchsorted(positions, np.arange(len(terms.dates)), side="right") - 1
    left = np.where(reached >= 0, survival[reached], 1.0)
    before = np.concatenate([[1.0], left[:-1]])
    principal = before * flows.principal + (before - left) * flows.balance
    return Flows(before * flows.interest, principal, left * flows.balance)
