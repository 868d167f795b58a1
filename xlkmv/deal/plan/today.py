"""The plan as seen from a date that has passed: what is known to be gone, and what is still to come.

Claims of which the status says so are gone one by one. What the record says beyond them (defaults,
prepayments, the balance of the pool) is taken off all other claims in proportion. Cash and reserve
need nothing of their own: the waterfall runs from closing with what really came in, and arrives today
with the balances, the account, the reserve, the triggers and the arrears as they stand. Where a trigger has
ended the revolving period, all that came in since is there, and what was not bought is not to come.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from xlkmv.deal.plan.stressed import Stressed
from xlkmv.deal.plan.waterfall import settled, waterfall
from xlkmv.deal.terms import TOLERANCE, Deal
from xlkmv.deal.terms.faults import raise_first
from xlkmv.deal.terms.record import Record, record_faults
from xlkmv.errors import InputError
from xlkmv.kinds import altered
from xlkmv.model.domain import Array
from xlkmv.model.loans import implied_principal
from xlkmv.model.plan import arrival_date
from xlkmv.phrase import Phrase

__all__ = [
    "GONE",
    "Outlook",
    "as_seen",
    "balance_before",
    "buying_ended",
    "buying_until",
    "fitting",
    "gone_by_status",
    "owing",
    "record_limits",
]

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

# Claims of these statuses pay nothing more of their schedule.
GONE = ("defaulted", "prepaid", "repurchased")


def gone_by_status(deal: Deal) -> tuple[Ints, Ints, Flags]:
    """Find the claims that are gone by their status.

    Parameters
    ----------
    deal : Deal

    Returns
    -------
    rows : ndarray of int, shape (g,)
    first : ndarray of int, shape (g,)
        First payment date on which each pays nothing more, from 0.
    defaulted : ndarray of bool, shape (g,)
        Whether by a default.
    """
    pool, dates = deal.pool, deal.terms.dates
    found = [
        (row, sum(date < since for date in dates), word == "defaulted")
        for row, (word, since) in enumerate(zip(pool.status, pool.since, strict=False))
        if word in GONE and since is not None
    ]
    rows, first, defaulted = zip(*found, strict=True) if found else ((), (), ())
    return np.array(rows, np.int64), np.array(first, np.int64), np.array(defaulted, np.bool_)


def record_limits(plan: Stressed) -> Mapping[str, tuple[float, str]]:
    """What the figures of a record cannot exceed in a plan.

    Parameters
    ----------
    plan : Stressed

    Returns
    -------
    dict
        Field of :class:`~xlkmv.deal.terms.record.Record` -> money, and what that is in words.
    """
    closing, peak = plan.balance_at_closing, float(balance_before(plan).sum(axis=0).max())
    pool = closing, Phrase("the pool at closing")
    if peak > closing * (1.0 + TOLERANCE):  # claims that pay less than their interest at first
        pool = peak, Phrase("the pool by plan at its largest")
    most = float(np.max(plan.reserve_target(np.array([pool[0]]))))
    return dict.fromkeys(("balance", "defaults", "prepayments"), pool) | {
        "reserve": (most, Phrase("the size of the reserve"))
    }


def fitting(plan: Stressed, record: Record) -> Record:
    """Return a record after holding it against the plan.

    Parameters
    ----------
    plan : Stressed
    record : Record

    Returns
    -------
    Record

    Raises
    ------
    InputError, DomainError
        When there are more figures than dates, or one is larger than it can be.
    """
    dates = plan.deal.terms.dates
    if len(record) > len(dates):
        raise InputError(
            "actual",
            Phrase("must have at most one value per payment date ({count})", count=len(dates)),
            len(record),
        )
    columns = {name: getattr(record, name) for name in Record.more()}
    raise_first(record_faults(columns, record_limits(plan)), [str(date) for date in dates])
    return record


def balance_before(plan: Stressed) -> Array:
    """Balance of each claim before each date by plan, money.

    Parameters
    ----------
    plan : Stressed

    Returns
    -------
    ndarray, shape (m, n)
        Of scheduled collections by the claim's own yield.
    """
    rows = plan.row_outstanding
    if rows is not None:
        return rows
    pool = plan.deal.pool
    after = implied_principal(pool.amount, pool.schedule, plan.deal.terms.times)[0].balance
    return np.concatenate([pool.amount[:, None], after[:, :-1]], axis=1)


def _part(money: float, whole: float) -> float:
    """Share of something that some money is, at most all of it."""
    if whole <= 0.0:
        return 0.0
    return 1.0 if money >= whole else money / whole


class Outlook:
    """What the pool was to bring, given what is known of its claims.

    Parameters
    ----------
    plan : Stressed
    record : Record
        Of the first j dates.

    Attributes
    ----------
    expected : ndarray, shape (j,)
        What was to come in on each date that has passed, given what is known of its defaults and
        prepayments, money.
    left : ndarray, shape (j + 1,)
        Share of the claims without a status that is still there at closing and after each date. A claim
        with one is followed by itself, also before it is gone: nothing else is taken off it.
    bad : ndarray, shape (j,)
        What of `left` defaulted in each period.
    rows, first : ndarray of int, shape (g,)
        Claims that are gone by their status, and the first date on which they pay nothing.
    """

    rows: Ints
    first: Ints
    known: Ints
    defaulted: Array
    _own: Array
    _others: Array
    lost: Array
    brings: Array
    claims: Array

    def __init__(self, plan: Stressed, record: Record) -> None:
        self.plan = plan
        self.record = record
        self._find_gone()
        j = len(record)
        self.left: Array = np.ones(j + 1)
        # Cash on and after each date from what is gone of claims without a status.
        self._from_shares = np.zeros((j, plan.collections.size))
        # What defaulted of them in each period: its share of all claims without a status, and money.
        self.bad, self.defaulted = np.zeros(j), np.zeros(j)
        if not record.collections_only:
            self._take_off_shares()
        self.expected: Array = np.array([self._expected(k) for k in range(j)])

    def _find_gone(self) -> None:
        """Find the claims that are gone by their status, what they leave out and what they bring."""
        plan, pool, terms = self.plan, self.plan.deal.pool, self.plan.deal.terms
        n, j = len(terms.dates), len(self.record)
        self.rows, self.first, defaulted = gone_by_status(plan.deal)
        early = np.array([pool.since[row] <= terms.closing for row in self.rows.tolist()], np.bool_)
        # What has become known after the last date counts today.
        known = np.minimum(self.first + 1, j) if j else self.first + 1
        self.known = np.where(early, 0, known)
        after = np.arange(n) >= self.first[:, None]
        share = plan.repurchase_share
        self._own = pool.schedule[self.rows]
        self._others = plan.collections - self._own.sum(axis=0)
        self.lost = np.where(after, self._own, 0.0)
        self.brings = np.where(defaulted[:, None], share * self.lost, 0.0)
        self.claims = np.zeros(self.rows.size)
        pays = np.flatnonzero(self.first < n)
        at = self.rows[pays], self.first[pays]
        if pays.size:
            self.claims[pays] = plan.claim[at]
        recovered = (1.0 - share) * pool.recovery[at[0]] * self.claims[pays]
        waits = arrival_date(terms.times, pool.lag[at[0], None])[np.arange(pays.size), at[1]]
        arrives = np.where(defaulted[pays], waits, at[1])
        paid_off = recovered if defaulted[pays].all() else balance_before(plan)[at]
        amount = np.where(defaulted[pays], recovered, paid_off)
        in_time = arrives < n
        np.add.at(self.brings, (pays[in_time], arrives[in_time]), amount[in_time])
        self.is_default = defaulted

    def _take_off_shares(self) -> None:
        """Work out date by date what the record takes off the claims without a status."""
        plan, record, j = self.plan, self.record, len(self.record)
        n, pool, share = plan.collections.size, plan.deal.pool, plan.repurchase_share
        rows, claims = balance_before(plan), plan.claim
        # After the last date everything has been paid, or is lost.
        before = np.append(rows.sum(axis=0), 0.0)
        own = np.hstack([rows[self.rows], np.zeros((self.rows.size, 1))])
        arrives = arrival_date(plan.deal.terms.times, pool.lag[:, None])
        defaults, prepaid = (np.nan_to_num(record.known(name)) for name in ("defaults", "prepayments"))
        balance, stays = record.known("balance"), np.ones(len(pool.name), np.bool_)
        stays[self.rows] = False
        others = np.maximum(before - own.sum(axis=0), 0.0)
        for k in range(j):
            here, there = self.first == k, self.left[k] * float(others[k])
            by_status = [float(own[here & of, k].sum()) for of in (self.is_default, ~self.is_default)]
            taken = [
                max(x - known, 0.0) for x, known in zip((defaults[k], prepaid[k]), by_status, strict=True)
            ]
            planned = float(others[k + 1])
            # Those that did not default pay what is scheduled; principal ahead of it is a part of the rest.
            lost = _part(taken[0], there)
            after = self.left[k] * (1.0 - lost) * planned
            self.bad[k] = bad = self.left[k] * lost
            claim = claims[:, k] * stays
            self.defaulted[k] = bad * float(claim.sum())
            flows = np.bincount(arrives[:, k], (1.0 - share) * pool.recovery * bad * claim, n + 1)[:n]
            if share:
                flows[k:] += share * bad * (pool.schedule[:, k:] * stays[:, None]).sum(axis=0)
            flows[k] += min(taken[1], after)
            self._from_shares[k] = flows
            self.left[k + 1] = self.left[k] * (1.0 - lost) * (1.0 - _part(taken[1], after))
            if not np.isnan(balance[k]) and planned > 0.0:
                self.left[k + 1] = max(balance[k] - float(own[self.first > k, k + 1].sum()), 0.0) / planned

    def _expected(self, k: int) -> float:
        """What was to come in on a date, given all that is known by then."""
        followed = float((self._own - self.lost + self.brings)[:, k].sum())
        cash = followed + float(self._from_shares[: k + 1, k].sum())
        return max(float(self._others[k] * (self.left[k] - self.bad[k])) + cash, 0.0)

    def coming(self, seen: int) -> tuple[Array, Array]:
        """What is to come in as seen from a date, money; figures of dates that have passed mean nothing.

        Parameters
        ----------
        seen : int
            Dates that have passed, 0 to j.

        Returns
        -------
        scheduled : ndarray, shape (n,)
            From claims that may still default.
        sure : ndarray, shape (n,)
            From what is gone: recoveries, claims paid off.
        """
        gone = self.known <= seen
        followed = self._own.sum(axis=0) - self.lost[gone].sum(axis=0)
        scheduled = self.left[seen] * self._others + followed
        sure = self.brings[gone].sum(axis=0) + self._from_shares[:seen].sum(axis=0)
        return np.maximum(scheduled, 0.0), sure


def as_seen(plan: Stressed, record: Record, level: float = 1.0) -> Stressed:
    """See a plan from the last date of a record.

    Parameters
    ----------
    plan : Stressed
        As seen from closing.
    record : Record
        Of the first j dates.
    level : float
        Share of what is still scheduled that is expected to come in, defaults apart.

    Returns
    -------
    Stressed
        On the first j dates comes in what did, and nobody defaults; from then on every obligor that is
        not known to be gone may, by its one-year PD as from a new closing. The plan itself for j = 0.

    Raises
    ------
    InputError, DomainError
        When the record does not fit the plan.
    """
    if not len(fitting(plan, record)):
        return plan
    return _as_known(buying_until(plan, buying_ended(plan, record)), record, level)


def buying_ended(plan: Stressed, record: Record) -> int:
    """Find the date of a record on which a trigger ended the revolving period.

    Parameters
    ----------
    plan : Stressed
        As seen from closing.
    record : Record
        Of the first j dates.

    Returns
    -------
    int
        Position of the first date on which nothing was bought that was to be by plan; n: there is none.
    """
    n, j = len(plan.deal.terms.dates), len(record)
    if not j or plan.row_purchases is None or not plan.deal.acting:
        return n
    spared = np.flatnonzero(waterfall(_as_known(plan, record)).bought_less[:j] > 0.0)
    return int(spared[0]) if spared.size else n


def buying_until(plan: Stressed, end: int) -> Stressed:
    """Take out of a plan the claims that it was to buy from a date on.

    All rows lose the same share of what they bring, as on the paths of a simulation.

    Parameters
    ----------
    plan : Stressed
    end : int
        Position of the date; n: the plan itself.

    Returns
    -------
    Stressed
        Whose revolving period is over before the date.
    """
    terms, pool = plan.deal.terms, plan.deal.pool
    if end >= len(terms.dates) or plan.row_purchases is None or plan.unbought is None:
        return plan
    assert pool.interest is not None and pool.balance is not None
    since, sooner = np.arange(len(terms.dates)) >= end, np.arange(len(terms.dates) + 1) < end
    paid, worth, earned = (np.where(since, 1.0 - table[:, end], 1.0) for table in plan.unbought)
    of_cash, of_pool, of_interest = (table * sooner for table in plan.unbought)
    schedule = (pool.schedule + np.where(since, plan.row_purchases, 0.0)) * paid
    claim = pool.claim
    if claim is not None:
        claim = claim * np.append(1.0, worth[:-1])
        if pool.loans is not None:  # of scheduled collections it is what is still to come of them
            rest = np.cumsum(schedule[:, ::-1], axis=1)[:, ::-1]
            claim = np.where(pool.loans.given[:, None], claim, rest)
    ended = altered(
        pool, schedule=schedule, interest=pool.interest * earned, balance=pool.balance * worth, claim=claim
    )
    until = altered(terms, revolving=(terms.closing, *terms.dates)[end])
    return replace(
        plan,
        deal=altered(plan.deal, pool=ended, terms=until),
        row_purchases=np.where(since, 0.0, plan.row_purchases),
        unbought=(of_cash, of_pool, of_interest),
    )


def owing(plan: Stressed) -> Stressed:
    """Give a plan whose revolving period has ended early the dues that it has then.

    Principal of classes with a schedule falls due as at closing, and tests hold what comes in against the
    dues of closing, too: this is for the KMV view.

    Parameters
    ----------
    plan : Stressed
        From :func:`buying_until`.

    Returns
    -------
    Stressed
    """
    if not plan.deal.passes_through.any():
        return plan
    ranks = np.array([float(t.rank) for t in plan.deal.tranches])
    (dues,) = settled([replace(plan, dues=replace(plan.dues, ranks=ranks))])
    waits = None if plan.dues.deferred is None else dues.deferred
    return replace(plan, dues=replace(dues, ranks=plan.dues.ranks, deferred=waits))


def _as_known(plan: Stressed, record: Record, level: float = 1.0) -> Stressed:
    """:func:`as_seen` of a plan that buys as far as it is known to have bought."""
    j = len(record)
    outlook, pool, terms = Outlook(plan, record), plan.deal.pool, plan.deal.terms
    n, m = len(terms.dates), len(pool.name)
    dates = np.arange(n)
    here = dates < outlook.first[:, None]
    # What is left on each date of what a claim pays, of its balance, and of what its loss is counted on.
    paid = np.ones((m, n))
    paid[:, j:] = outlook.left[j] * level
    paid[outlook.rows, j:] = here[:, j:] * level
    # Interest comes from what is there, and from the originator; the rest of what came in is principal.
    earned = paid.copy()
    earned[:, :j] = outlook.left[:j] - outlook.bad
    earned += plan.repurchase_share * np.cumsum(np.append(outlook.bad, np.zeros(n - j)))
    bought_back = plan.repurchase_share * outlook.is_default[:, None]
    earned[outlook.rows] = np.where(here, paid[outlook.rows], bought_back)
    balance = np.ones((m, n))
    balance[:, :j] = outlook.left[1 : j + 1]
    balance[:, j:] = outlook.left[j]
    balance[outlook.rows] = here
    claim = plan.claim.copy()
    claim[:, :j] *= outlook.left[:j] - outlook.bad
    claim[:, j:] *= outlook.left[j]
    # Who pays off performs until the date on which the money comes.
    owes = here | ((dates == outlook.first[:, None]) & ~outlook.is_default[:, None])
    claim[outlook.rows] = plan.claim[outlook.rows] * owes
    pd = pool.pd.copy()
    pd[outlook.rows] = 0.0
    now = altered(
        pool,
        schedule=pool.schedule * paid,
        pd=pd,
        interest=None if pool.interest is None else pool.interest * earned,
        balance=None if pool.balance is None else pool.balance * balance,
        claim=claim,
    )
    there = np.ones((m, n))
    there[:, :j] = 1.0 - np.divide(
        outlook.bad, outlook.left[:j], out=np.zeros(j), where=outlook.left[:j] > 0.0
    )
    there[outlook.rows] = here | ~outlook.is_default[:, None]
    clock = terms.times if plan.clock is None else plan.clock
    defaults, reserve = np.zeros(n + 1), np.full(n, np.nan)
    defaults[:j] = outlook.defaulted
    np.add.at(defaults, outlook.first, outlook.claims * outlook.is_default)
    reserve[:j] = record.known("reserve")
    seen = replace(
        plan,
        deal=altered(plan.deal, pool=now),
        row_purchases=None if plan.row_purchases is None else plan.row_purchases * paid,
        clock=np.maximum(clock - clock[j - 1], 0.0),
        seen=j,
        known_claims=plan.claimed,
        known_defaults=np.cumsum(defaults[:n]) / (plan.claimed or 1.0),
        known_there=there if (there < 1.0).any() else None,
        known_reserve=reserve,
    )
    # On dates that have passed: what makes the collections those of the record.
    _, sure = outlook.coming(j)
    sure[:j] = np.array(record.collections) - seen.collections[:j]
    return replace(seen, sure=sure)
