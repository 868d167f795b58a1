"""What the claims pay by plan: interest and principal apart, date by date, prepayments included."""

from __future__ import annotations

import bisect
import calendar
import datetime as dt
import itertools
import operator
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from xlkmv.deal.terms import Deal, Pool, Terms, months_after, without_risk
from xlkmv.kinds import altered
from xlkmv.model.domain import Array
from xlkmv.model.loans import (
    Flows,
    abs_smm,
    flows_by_date,
    implied_principal,
    monthly_flows,
    period_smm,
    psa_cpr,
    revolved,
    smm_from_cpr,
)
from xlkmv.model.loans import Loans as LoanTerms

__all__ = ["Claims", "Owed", "needs_balance", "needs_split", "planned_claims", "pool_by_date", "summed"]

# Months of life for which speeds that depend on the age are worked out.
MONTHS_OF_LIFE = 1200
# Months of all loans whose flows by month are in memory at once.
MONTHS_AT_ONCE = 2_000_000


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
    unbought : tuple of three ndarrays, shapes (n, n + 1), or None
        Shares of what the pool collects on date k, of its balance after it and of the interest of the
        date that stem from claims bought on date e or later: what is missing where nothing is bought from
        date e on.
    """

    pool: Pool
    purchases: Array | None = None
    unbought: tuple[Array, Array, Array] | None = None


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


class _Part(NamedTuple):
    """Rows of a pool as they pay alone, and the months from closing to each column and to each date."""

    rows: npt.NDArray[np.int64]
    flows: Flows
    paid_at: Array | None = None
    dates: Array | None = None


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
    """Whether interest and principal of the claims have to be known apart.

    With prepayment they do not follow from what is collected: the yield is that of the claim without it.
    """
    terms = deal.terms
    prepaying = terms.prepayment > 0.0 or bool(terms.prepayment_vector)
    curve = terms.default_timing == "loss curve"
    return needs_balance(deal) or terms.accounts == "two" or prepaying or curve or deal.pool.loans is not None


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
    return _split(deal) if needs_split(deal) else Claims(deal.pool)


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
    m, n = pool.schedule.shape
    on = np.zeros(0, np.int64) if pool.loans is None else np.flatnonzero(pool.loans.given)
    by_schedule = np.setdiff1d(np.arange(m), on)
    flows, purchases, bought = Flows(*np.empty((3, m, n))), None, np.zeros((3, n, n))
    if terms.revolving is not None:
        purchases, until = np.empty((m, n)), bisect.bisect_right(terms.dates, terms.revolving) - 1
    for rows, own, paid_at, dates in (*_by_schedule(pool, by_schedule, terms), *_by_terms(pool, on, terms)):
        if purchases is not None:
            own, purchases[rows], part = revolved(*own, until, paid_at, dates)
            bought += part
        for whole, values in zip(flows, own, strict=True):
            whole[rows] = values
    schedule, claim = np.maximum(flows.interest + flows.principal, 0.0), None
    if on.size:
        claim = flows.balance + flows.principal
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
        None if purchases is None else _unbought(bought, flows, purchases),
    )


def _unbought(bought: Array, flows: Flows, purchases: Array) -> tuple[Array, Array, Array]:
    """Shares of collections, balance and interest of claims bought from each date on, shape (n, n + 1)."""
    collected = (flows.interest + flows.principal + purchases).sum(axis=0)
    total = np.array([collected, flows.balance.sum(axis=0), flows.interest.sum(axis=0)])[:, :, None]
    by_cohort = np.pad(bought, ((0, 0), (0, 0), (0, 1)))  # nothing is bought after the last date
    share = np.divide(by_cohort, total, out=np.zeros_like(by_cohort), where=total > 0.0)
    missing = np.cumsum(share[:, :, ::-1], axis=2)[:, :, ::-1]
    # Nothing but rounding is left where all claims of the first day have run off.
    missing[missing > 1.0 - 1e-12] = 1.0
    return missing[0], missing[1], missing[2]


def prepaid_schedule(schedule: Array, times: Array, rate: float) -> Array:
    """Schedule when a share of what remains, `rate` per annum, is paid early on each date."""
    kept = (1.0 - rate) ** times
    kept_before = np.concatenate([[1.0], kept[:-1]])
    total = schedule.sum(axis=1, keepdims=True)
    remaining = np.maximum(total - np.cumsum(schedule, axis=1), 0.0)
    # What is left of a sum by rounding is no claim.
    remaining[remaining < 1e-12 * total] = 0.0
    return np.asarray(kept_before * schedule + (kept_before - kept) * remaining)


def _months(terms: Terms, day: int) -> tuple[list[dt.date], npt.NDArray[np.int64]]:
    """Ends of the months after closing, each on a day of the month, and the position of each payment date."""
    ends: list[dt.date] = []
    before = int(months_after(terms.closing, 0, day) > terms.closing)  # one ends in the month of closing
    while not ends or ends[-1] < terms.dates[-1]:
        ends.append(months_after(terms.closing, len(ends) + 1 - before, day))
    return ends, np.array([bisect.bisect_left(terms.dates, end) for end in ends])


def _elapsed(terms: Terms) -> Array:
    """Months from closing to each payment date, shape (n,)."""
    steps = []
    for a, b in itertools.pairwise((terms.closing, *terms.dates)):
        to_end = [d.day == calendar.monthrange(d.year, d.month)[1] for d in (a, b)]
        whole = a.day == b.day or (to_end[0] and b.day > a.day) or (to_end[1] and a.day > b.day)
        months = 12 * (b.year - a.year) + b.month - a.month
        steps.append(months if whole else months + (min(b.day, 30) - min(a.day, 30)) / 30.0)
    elapsed = np.cumsum(steps)
    whole = np.rint(elapsed)
    # Where a holiday moves dates by some days, claims pay as if it had not.
    moved = np.abs(elapsed - whole).max() <= 1.0 / 6.0 and (np.diff(whole, prepend=0.0) > 0.0).all()
    return np.asarray(whole if moved else elapsed)


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


def _by_schedule(pool: Pool, rows: npt.NDArray[np.int64], terms: Terms) -> Iterator[_Part]:
    """Yield the rows that come with a schedule, which they pay evenly between two dates."""
    if not rows.size:
        return
    schedule = pool.schedule[rows]
    if pool.interest is not None and pool.balance is not None:
        flows = Flows(pool.interest[rows], schedule - pool.interest[rows], pool.balance[rows])
    else:
        flows, _ = implied_principal(pool.amount[rows], schedule, terms.times)
    yield _Part(rows, _prepaid_flows(flows, terms), elapsed := _elapsed(terms), elapsed)


def _by_terms(pool: Pool, on: npt.NDArray[np.int64], terms: Terms) -> Iterator[_Part]:
    """Yield the rows that have loan terms, by the day of the month on which they pay.

    Flows are by month where claims are bought, which pay by months of life, else by payment date.
    """
    if pool.loans is None or not on.size:
        return
    loans = pool.loans
    names = [c.name for c in terms.curves]
    curve = np.array([names.index(loans.base[i]) if loans.base[i] else -1 for i in on])
    often = loans.payments_per_year[on]
    interval = (12 / often).astype(np.int64)
    starts = [loans.first[i] for i in on]
    days = np.array([terms.closing.day if start is None else start.day for start in starts])
    calendars = {day: _months(terms, day) for day in np.unique(days).tolist()}
    first = []
    for each, start in zip(interval.tolist(), starts, strict=True):
        if start is not None:
            end = calendars[start.day][0][0]
            each = 1 + 12 * (start.year - end.year) + start.month - end.month
        first.append(min(each, MONTHS_OF_LIFE))
    amortisation = np.array([loans.amortisation[i] for i in on])
    made = LoanTerms.of(
        pool.amount[on],
        np.where(curve >= 0, loans.margin[on], loans.rate[on]),
        loans.term[on] // interval,
        amortisation,
        payments_per_year=often,
        first=first,
        interest_only=np.where(amortisation == "interest-only", loans.interest_only[on] // interval, 0),
        curve=curve,
    )
    age = loans.age[on] if terms.prepayment_type in ("ABS", "PSA") else np.zeros(on.size)
    for day, (ends, positions) in calendars.items():
        begun = [terms.closing, *ends[:-1]]
        curves = np.array([c.at(begun) for c in terms.curves]) if names else None
        smm = _mortality(terms, positions)
        rows, n = np.flatnonzero(days == day), len(terms.dates)
        if terms.revolving is None:
            flows = flows_by_date(made.part(rows), positions, n, smm, age[rows], curves)
            yield _Part(on[rows], flows)
            continue
        paid_out = np.searchsorted(positions, np.arange(n), side="right")
        for some in np.array_split(rows, -(-rows.size * len(ends) // MONTHS_AT_ONCE)):
            flows = monthly_flows(made.part(some), len(ends), smm, age[some], curves)
            yield _Part(on[some], flows, dates=paid_out.astype(float))


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
    _, positions = _months(terms, terms.closing.day)
    smm = _mortality(terms, positions)
    by_month = smm[np.minimum(np.arange(positions.size), smm.size - 1)]
    survival = np.cumprod(1.0 - by_month)
    # Of the months that are paid out on a date or before, the last one counts.
    reached = np.searchsorted(positions, np.arange(len(terms.dates)), side="right") - 1
    left = np.where(reached >= 0, survival[reached], 1.0)
    before = np.concatenate([[1.0], left[:-1]])
    principal = before * flows.principal + (before - left) * flows.balance
    return Flows(before * flows.interest, principal, left * flows.balance)
