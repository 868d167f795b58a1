"""The priority of payments: what each party gets on each date, whatever comes in.

On every payment date the cash in hand (collections of the period and what the account
kept) goes through the steps of :func:`~xlkmv.deal.plan.priority.priority`: by default senior
fees; interest and principal of the senior classes, rank by rank, with the reserve and the
undertaking for what they still miss; the reserve up to its size; the following ranks. What is
left stays in the account while a class with a schedule is outstanding (without excess
coverage only as much as later dates need by plan); the rest goes to the holder of the residual.

Principal due on a date is what brings the balance down to plan, so what was missed stays
due; missed interest and fees are carried forward without interest on them, deferred interest
with. A pass-through class has principal due at its legal final only, and until then wants its
part of what is distributable, ``max(0, N - max(0, B - OC))`` with N the notes, B the performing
pool and ``OC = max(target B, floor B_0)``, less what is due to classes with a schedule.

A **trap** keeps all cash after the reserve in the account while a senior class is outstanding; a
**turbo** makes the whole balance wanted, rank by rank, so nothing passes the senior classes
until they are repaid. A trigger looks at its covenant on each date before anything is paid,
and stays on for good unless the terms allow a cure. The undertaking is not reimbursed; cash
earns nothing. On the **clean-up call** the originator pays the balance of the performing pool
for it, once that and the cash in hand repay all notes; what comes in later is the buyer's, and fees end.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from xlkmv.deal.plan.covenants import Observation, breached, metric_value
from xlkmv.deal.plan.dues import Dues, settled_dues
from xlkmv.deal.plan.priority import Ledger, above, priority, rank_rows
from xlkmv.deal.plan.stressed import Stressed, pool_lognormal
from xlkmv.deal.terms import CONSEQUENCES, OC_ALL, TOLERANCE, Controls, Deal
from xlkmv.errors import InputError
from xlkmv.kinds import altered
from xlkmv.model.domain import FINITE, NOT_NEGATIVE, Array, check, numbers
from xlkmv.phrase import Phrase
from xlkmv.shown import Shown

__all__ = [
    "NORMAL",
    "TRAP",
    "TURBO",
    "PoolState",
    "Waterfall",
    "payments",
    "planned_pool",
    "settled",
    "waterfall",
]

NORMAL, TRAP, TURBO = 0, 1, 2
# Less than this share of all that was scheduled is what rounding leaves.
DUST = 1e-12
# And less than this share of a class: far below what counts as missed.
ROUNDING = 1e-3 * TOLERANCE


@dataclass(slots=True)
class PoolState:
    """What the pool does on a set of paths, dates in rows and paths in columns.

    Attributes
    ----------
    collections : ndarray, shape (n, p)
        Per period, money.
    support_alive : ndarray of bool, shape (n, p), or None
        Whether the payer of the undertaking can pay; None: always.
    default_ratio : ndarray, shape (n, p), or None
        Accumulated defaults as a share of all scheduled collections; None: 0.
    largest_share : ndarray, shape (n, p), or None
        Share of the largest obligor in what performing obligors still owe.
    balance : ndarray, shape (n, p), or None
        Performing pool after the collections of the date, money; None where no term asks for it.
    outstanding : ndarray, shape (n, p), or None
        The same claims before the collections of the date, for tests of overcollateralisation.
    principal : ndarray, shape (n, p), or None
        Part of the collections that is principal or recovered; None where there is one account.
    purchases : ndarray, shape (n, p), or None
        Claims bought from principal while the plan revolves, money; None where it does not.
    active : ndarray of int, shape (n,), or None
        How many paths differ from each other up to each date: those come first, and only
        they are computed on that date. None: all.
    parent : ndarray of int, shape (p,), or None
        The path before, computed the date before, that each path is like until it is computed.
        None: the first.
    """

    collections: Array
    support_alive: npt.NDArray[np.bool_] | None = None
    default_ratio: Array | None = None
    largest_share: Array | None = None
    balance: Array | None = None
    outstanding: Array | None = None
    principal: Array | None = None
    purchases: Array | None = None
    active: npt.NDArray[np.int64] | None = None
    parent: npt.NDArray[np.int64] | None = None

    @property
    def severity(self) -> Array:
        """What is lost on each path, up to a constant, money."""
        return -np.asarray(self.collections.sum(axis=0))

    @staticmethod
    def joined(parts: list[PoolState]) -> PoolState:
        """Put sets of paths, all of them computed on all dates, one after the other."""
        if len(parts) == 1:
            return parts[0]
        figures: dict[str, Any] = {}
        for field in fields(PoolState):
            if field.name not in ("active", "parent"):
                each = [getattr(part, field.name) for part in parts]
                figures[field.name] = None if each[0] is None else np.concatenate(each, axis=1)
        return PoolState(**figures)

    @staticmethod
    def side_by_side(pools: Sequence[Mapping[str, Array]]) -> PoolState:
        """Put what pools do on one path each, as :func:`planned_pool` says it, side by side."""
        rows = {name: np.array([pool[name] for pool in pools]) for name in pools[0]}
        return PoolState(**{name: np.ascontiguousarray(each.T) for name, each in rows.items()})

    @staticmethod
    def woven(parts: list[PoolState]) -> tuple[list[npt.NDArray[np.int64]], PoolState]:
        """Put sets of paths together, each path computed from the same date on as before.

        Parameters
        ----------
        parts : list of PoolState
            With their `active` and `parent`.

        Returns
        -------
        places : list of ndarray of int
            Where the paths of each set are.
        state : PoolState
        """
        sizes = [part.collections.shape[1] for part in parts]
        starts = np.append(0, np.cumsum(sizes))
        born, parents = [], []
        for part, size, start in zip(parts, sizes, starts[:-1], strict=True):
            assert part.active is not None and part.parent is not None
            born.append(np.searchsorted(part.active, np.arange(size), side="right"))
            parents.append(part.parent + start)
        date = np.concatenate(born)
        order = np.argsort(date, kind="stable")
        place = np.empty_like(order)
        place[order] = np.arange(order.size)
        state = PoolState.joined([replace(part, active=None, parent=None) for part in parts]).picked(order)
        state.active = np.searchsorted(date[order], np.arange(len(state.collections)), side="right")
        state.parent = place.take(np.concatenate(parents).take(order))
        # Before the first date all are alike.
        state.parent[: state.active[0]] = 0
        return np.split(place, starts[1:-1]), state

    def picked(self, paths: npt.NDArray[np.int64]) -> PoolState:
        """State on some of the paths, where all are computed on all dates."""
        figures: dict[str, Any] = {}
        for field in fields(PoolState):
            each = getattr(self, field.name)
            if each is not None and field.name not in ("active", "parent"):
                figures[field.name] = each.take(paths, axis=1)
        return PoolState(**figures)

    def going_on(self, date: int, open_: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int64], PoolState]:
        """Leave out paths that are over, and those that would come from them later.

        Parameters
        ----------
        date : int
            The last one that was computed.
        open_ : ndarray of bool, shape (p,)
            Whether each path that is computed by then goes on.

        Returns
        -------
        paths : ndarray of int
            Positions of those that go on.
        state : PoolState
            On them.
        """
        everyone = self.collections.shape[1]
        active = np.full(len(self.collections), everyone) if self.active is None else self.active
        going = np.zeros(everyone, np.bool_)
        going[: open_.size] = open_
        for before, now in itertools.pairwise(active[date:].tolist()):
            if now > before:
                assert self.parent is not None
                going[before:now] = going.take(self.parent[before:now])
        paths, upto = np.flatnonzero(going), np.append(0, np.cumsum(going))
        state = self.picked(paths)
        state.active = upto.take(active)
        state.parent = np.zeros(paths.size, np.int64)
        if self.parent is not None:
            state.parent = upto.take(self.parent.take(paths))
        return paths, state


def grown(x: npt.NDArray[Any], parent: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """Lengthen the last axis to one entry per parent: each new one is a copy of its parent's."""
    new = parent[x.shape[-1] :]
    return np.concatenate([x, x.take(new, axis=-1)], axis=-1) if new.size else x


@dataclass(frozen=True, slots=True, eq=False)
class Payment:
    """Payments of one date, over paths; or of all dates, in :class:`Waterfall`. Money, unless said otherwise.

    Attributes
    ----------
    fees_due, fees_paid : ndarray, shape (p,)
    interest_due, interest_paid, principal_due, principal_paid : ndarray, shape (k, p)
        What is due includes what was missed before. Paid principal exceeds what was due
        under a turbo and in pass-through classes, which are paid what there is.
    deferred : ndarray, shape (k, p)
        Interest due and not paid that may wait, and bears interest.
    balance : ndarray, shape (k, p)
        Principal outstanding after the date.
    account, reserve : ndarray, shape (p,)
        Cash kept after the date.
    reserve_drawn, reserve_topped, reserve_released, support_drawn, residual : ndarray
        Flows of the date, shape (p,).
    sale : ndarray, shape (p,)
        Price of the pool in the clean-up call; after it, less what the buyer collects.
    bought_less : ndarray, shape (p,)
        Cash of the date that differs from the collections because a trigger ended the
        revolving period: principal that bought no claims, less what those would have paid.
    trigger : ndarray of int, shape (p,)
        0 normal, 1 trap, 2 turbo.
    covenants : ndarray, shape (c, p)
        Values of the covenants' metrics; NaN where a test does not apply.
    breaches : ndarray of bool, shape (c, p)
        Tests that fail on the date.
    """

    fees_due: Array
    fees_paid: Array
    interest_due: Array
    interest_paid: Array
    principal_due: Array
    principal_paid: Array
    deferred: Array
    balance: Array
    account: Array
    reserve: Array
    reserve_drawn: Array
    reserve_topped: Array
    reserve_released: Array
    support_drawn: Array
    residual: Array
    sale: Array
    bought_less: Array
    trigger: npt.NDArray[np.int8]
    covenants: Array
    breaches: npt.NDArray[np.bool_]

    @property
    def interest_missed(self) -> Array:
        """Interest due and neither paid nor deferred; missed before and still unpaid included."""
        return np.asarray(self.interest_due - self.interest_paid - self.deferred)

    @property
    def principal_missed(self) -> Array:
        """Principal due and not paid."""
        return above(self.principal_due, self.principal_paid)

    @property
    def missed(self) -> Array:
        """Interest and principal due and not paid."""
        return np.asarray(self.interest_missed + self.principal_missed)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Waterfall(Shown, Payment):
    """What happened on all dates; leading axes are those of the collections before their dates.

    For collections of shape (..., n): per plan (..., n), per tranche (..., k, n), per
    covenant (..., c, n).

    Attributes
    ----------
    collections : ndarray, shape (..., n)
    """

    collections: Array

    @property
    def _amount(self) -> Array:
        """Of each class at the start, shape (..., k, 1)."""
        return np.asarray((self.balance + self.principal_paid)[..., :1])

    @property
    def missed(self) -> Array:
        """Interest and principal due and not paid; nothing where rounding is all that is missing."""
        missed = self.interest_missed + self.principal_missed
        return np.where(missed < ROUNDING * self._amount, 0.0, missed)

    @property
    def short(self) -> npt.NDArray[np.bool_]:
        """Whether a tranche misses anything on a date, shape (..., k, n)."""
        return np.asarray(self.missed > TOLERANCE * self._amount)


def waterfall(
    plan: Stressed,
    collections: npt.ArrayLike | None = None,
    support_alive: npt.ArrayLike | None = None,
    default_ratio: npt.ArrayLike | None = None,
    largest_share: npt.ArrayLike | None = None,
    volatility: float | None = None,
    drift: float | None = None,
    balance: npt.ArrayLike | None = None,
    outstanding: npt.ArrayLike | None = None,
    principal: npt.ArrayLike | None = None,
    purchases: npt.ArrayLike | None = None,
) -> Waterfall:
    """Run the priority of payments and keep everything.

    Parameters
    ----------
    plan : Stressed
        From :func:`~xlkmv.deal.stress.apply`.
    collections : array_like, shape (..., n), optional
        What comes in per period, money, >= 0; as planned when left out.
    support_alive : array_like of bool, default_ratio, largest_share : array_like, optional
        State of the payer of the undertaking and of the pool, of the shape of the
        collections: see :class:`PoolState`. As planned when left out.
    volatility, drift : float, optional
        sigma and mu of the pool, used by a covenant on the senior DD only; those of
        :func:`~xlkmv.deal.plan.stressed.pool_lognormal` when left out.
    balance, outstanding, principal, purchases : array_like, optional
        Performing pool after and before the collections of the date, principal part of the
        collections and claims bought, of the shape of the collections: see :class:`PoolState`.
        As planned when left out.

    Returns
    -------
    Waterfall

    Raises
    ------
    InputError, DomainError
        When the collections do not fit the payment dates, or are negative.
    """
    deal, n = plan.deal, len(plan.deal.terms.dates)
    cash = check("collections", plan.collections if collections is None else collections, NOT_NEGATIVE)
    if cash.ndim == 0 or cash.shape[-1] != n:
        raise InputError(
            "collections",
            Phrase("must have one value per payment date ({count})", count=n),
            f"shape {cash.shape}",
        )
    lead = cash.shape[:-1]

    def by_date(name: str, values: npt.ArrayLike | None) -> Array | None:
        if values is None:
            return None
        # The largest of nobody has no share.
        given = numbers(name, values) if name == "largest_share" else check(name, values, FINITE)
        try:
            spread = np.broadcast_to(given, cash.shape).reshape(-1, n)
        except ValueError:
            rule = Phrase("must have the shape of the collections ({shape})", shape=cash.shape)
            raise InputError(name, rule, f"shape {given.shape}") from None
        return np.ascontiguousarray(spread.T)

    def as_planned(values: Array) -> Array:
        return np.repeat(values[:, None], cash.size // n, axis=1)

    alive, planned = by_date("support_alive", support_alive), planned_pool(plan)
    given = {
        "default_ratio": default_ratio,
        "largest_share": largest_share,
        "balance": balance,
        "outstanding": outstanding,
        "principal": principal,
        "purchases": purchases,
    }
    asked: dict[str, Any] = {
        name: as_planned(planned[name]) if values is None else by_date(name, values)
        for name, values in given.items()
        if name in planned
    }
    asked["collections"] = np.ascontiguousarray(cash.reshape(-1, n).T)
    state = PoolState(support_alive=None if alive is None else alive.astype(np.bool_), **asked)
    sigma, mu = (0.0, 0.0)
    if any(c.metric == "senior DD" for c in deal.covenants):
        sigma, mu = pool_lognormal(plan) if volatility is None else (volatility, drift or 0.0)
    dates = list(payments(plan, state, sigma, mu))

    def gather(name: str) -> Any:
        stacked = np.stack([getattr(p, name) for p in dates], axis=-1)  # ([rows,] paths, dates)
        if stacked.ndim == 3:
            stacked = np.moveaxis(stacked, 0, 1)
        return stacked.reshape(*lead, *stacked.shape[1:])

    return Waterfall(collections=cash, **{f.name: gather(f.name) for f in fields(Payment)})


def planned_pool(plan: Stressed) -> dict[str, Array]:
    """What the pool does by plan, where the waterfall asks for it, shape (n,) each; by field of PoolState."""
    ratio, largest = planned_state(plan)
    state = {"collections": plan.collections, "default_ratio": ratio, "largest_share": largest}
    if plan.needs_balance:
        state["balance"] = plan.balance
    if plan.tests_outstanding:
        state["outstanding"] = plan.outstanding
    if plan.deal.terms.accounts == "two":
        state["principal"] = plan.principal
    if plan.purchases is not None:
        state["purchases"] = plan.purchases
    return state


def settled(plans: Sequence[Stressed]) -> list[Dues]:
    """Dues of plans as they pay them without defaults: without support and reserve, and to their end.

    No covenant is tested, and nobody calls the pool: its price is no collection.

    Parameters
    ----------
    plans : sequence of Stressed
        Whose dues are those of :func:`~xlkmv.deal.plan.dues.planned_dues`; they differ in nothing but what
        those of :func:`payments` may.

    Returns
    -------
    list of Dues
    """
    alone = []
    for plan in plans:
        terms = altered(plan.deal.terms, cleanup=0.0)
        controls = Controls(support=False, reserve=False)
        deal = altered(plan.deal, terms=terms, controls=controls, covenants=())
        everything = np.full(len(terms.dates), np.inf)
        bare = replace(plan, deal=deal, reserve=0.0, reserve_size=0.0, support_cap=None)
        alone.append(replace(bare, retained=everything))
    state = PoolState.side_by_side([planned_pool(plan) for plan in alone])
    paid = [(date.balance, date.principal_paid) for date in payments(alone, state, 0.0, 0.0)]
    after, principal = (np.stack(x, axis=-1) for x in zip(*paid, strict=True))
    found = []
    for path, plan in enumerate(alone):
        before = plan.outstanding if plan.deal.pool.balance is not None else None
        opening = after[:, path] + principal[:, path]
        found.append(settled_dues(plan.deal, plan.dues, opening, principal[:, path], before))
    return found


def planned_state(plan: Stressed) -> tuple[Array, Array]:
    """Default ratio and largest share per date when nobody defaults after closing, shape (n,) each."""
    pool, owed, on = plan.deal.pool, plan.claim, plan.performing
    total = plan.claimed
    lost = 0.0 if plan.defaulted is None else float(owed[plan.defaulted, 0])
    performing = owed[on]
    remaining = performing.sum(axis=0)
    if pool.count is not None:  # the largest is one obligor of its line
        performing = performing / pool.count[on, None]
    largest = performing.max(axis=0, initial=0.0)
    share = np.full(remaining.size, np.nan)
    np.divide(largest, remaining, out=share, where=remaining > DUST * total)
    ratio = np.full(remaining.size, lost / total if total > 0.0 else 0.0)
    return ratio if plan.known_defaults is None else ratio + plan.known_defaults, share


@dataclass(slots=True, eq=False)
class _Carried:
    """What one date hands to the next; the last axis of every array is the paths.

    `account` is all cash, `capital` what of it is principal, where that has an account of its own, `before`
    the performing pool, `ended` the date from which on nothing is bought (n: none yet),
    `left` the share of the pool that is there although buying has ended.
    """

    balance: Array
    arrears: Array
    fee_arrears: Array
    account: Array
    capital: Array
    reserve: Array
    accumulated_in: Array
    on: npt.NDArray[np.bool_]
    purse: Array
    before: Array
    called: npt.NDArray[np.bool_]
    ended: npt.NDArray[np.int64]
    left: Array
    idle: frozenset[str] = frozenset()

    @classmethod
    def at_closing(cls, plan: Stressed, amount: Array, *, revolving: bool) -> _Carried:
        """State at closing, of one path; `idle` names what the plan has no use for."""
        terms, covenants = plan.deal.terms, plan.deal.covenants
        used = {
            "on": bool(covenants),
            "capital": terms.accounts == "two",
            "purse": plan.support_cap is not None,
            "before": terms.fee_base == "pool",
            "called": terms.cleanup > 0.0,
            "ended": revolving,
            "left": revolving,
        }
        return cls(
            balance=amount[:, None],
            arrears=np.zeros((amount.size, 1)),
            fee_arrears=np.zeros(1),
            account=np.zeros(1),
            capital=np.zeros(1),
            reserve=np.full(1, plan.reserve),
            accumulated_in=np.zeros(1),
            on=np.zeros((len(covenants), 1), dtype=np.bool_),
            purse=np.full(1, np.inf if plan.support_cap is None else plan.support_cap),
            before=np.full(1, plan.balance_at_closing),
            called=np.zeros(1, np.bool_),
            ended=np.full(1, len(terms.dates)),
            left=np.ones(1),
            idle=frozenset(["idle", *(name for name, needed in used.items() if not needed)]),
        )

    def grow(self, parent: npt.NDArray[np.int64]) -> None:
        """Give every new path the state of its parent."""
        if parent.size > self.account.size:
            for field in fields(self):
                if field.name not in self.idle:
                    setattr(self, field.name, grown(getattr(self, field.name), parent))

    def pick(self, paths: npt.NDArray[np.int64]) -> None:
        """Go on with some of the paths."""
        for field in fields(self):
            if field.name not in self.idle:
                setattr(self, field.name, getattr(self, field.name).take(paths, axis=-1))


@dataclass(slots=True)
class _Tests:
    """Outcome of the covenants on one date, per test and path, and the triggers that are on."""

    values: Array
    fails: npt.NDArray[np.bool_]
    triggers: dict[str, npt.NDArray[np.bool_]]


def _tested(
    deal: Deal, seen: Observation, on: npt.NDArray[np.bool_], called: npt.NDArray[np.bool_]
) -> _Tests:
    """Test every covenant, and update where it is `on`; after the call there is nothing to test."""
    paths = seen.notes.shape[1]
    values = np.empty((len(deal.covenants), paths))
    fails = np.empty(values.shape, np.bool_)
    triggers = {word: np.zeros(paths, np.bool_) for word in CONSEQUENCES[1:]}
    for c, covenant in enumerate(deal.covenants):
        values[c] = metric_value(covenant.metric, seen)
        if deal.terms.cleanup > 0.0:
            values[c, called] = np.nan
        fails[c] = breached(values[c], covenant.threshold, covenant.side)
        if covenant.consequence != "none" and deal.controls.triggers:
            on[c] = fails[c] if deal.terms.cure else on[c] | fails[c]
            triggers[covenant.consequence] |= on[c]
    for milder in ("sequential", "amortise"):
        triggers[milder] |= triggers["trap"] | triggers["turbo"]
    return _Tests(values, fails, triggers)


class _Plan:
    """Figures of a plan that are the same on all paths, and the rules of one date that need them.

    What is owed and the reserve may be of one plan a path: then their last axis is the paths, else 1.
    """

    def __init__(self, plans: Sequence[Stressed], volatility: Array | float, drift: Array | float) -> None:
        plan = plans[0]
        deal, owed = plan.deal, [each.dues for each in plans]
        self.plan, self.deal, self.terms = plan, deal, deal.terms
        self.volatility, self.drift, self.times = volatility, drift, deal.terms.times
        self.protected = slice(0, int(plan.senior.sum()))
        # A period is tested on what the plan pays in it, all so far on what has fallen due by then.
        last = self.protected.stop - 1
        early = deal.terms.default_point == "expected"
        self.senior_due = _of_each(dues.ahead(last, expected=True) for dues in owed)
        self.fallen_due = _of_each(np.cumsum(dues.ahead(last, expected=early)) for dues in owed)
        self.coupons = _of_each(dues.coupons for dues in owed)
        self.retained = _of_each(each.retained for each in plans)
        self.reserve = np.array([each.reserve for each in plans])
        self.reserve_size: Array | float = plan.reserve_size
        if len(plans) > 1:
            self.reserve_size = np.array([each.reserve_size for each in plans])
        self.amount = np.array([t.amount for t in deal.tranches])
        self.rounding = ROUNDING * self.amount[:, None]
        self.dust = TOLERANCE * float(self.amount.sum())
        self.closing = _of_each(dues.opening - dues.principal for dues in owed)
        self.closing[self.closing < TOLERANCE * self.amount[:, None, None]] = 0.0
        # Dates on which the plan lets every class have its whole amount.
        self.free = np.asarray((self.closing >= self.amount[:, None, None]).all(axis=(0, 2)))
        self.through = deal.passes_through
        self.ranks = rank_rows(owed[0].ranks)
        self.scheduled = ~self.through
        self.deferrable = np.array([t.deferrable for t in deal.tranches])
        self.legal = np.array([deal.legal_final(t) for t in deal.tranches])
        self.size = float(plan.balance_at_closing)
        target = deal.terms.oc_target
        self.everything = target == OC_ALL
        closing_oc = max(1.0 - float(self.amount.sum()) / self.size, 0.0) if self.size > 0.0 else 0.0
        self.oc = closing_oc if target is None or isinstance(target, str) else float(target)
        self.oc_floor = deal.terms.oc_floor * self.size
        self.revolves = -1
        if deal.terms.revolving is not None:
            self.revolves = sum(d <= deal.terms.revolving for d in deal.terms.dates) - 1

    def reserve_target(self, pool: Array) -> Array | float:
        """Size of the reserve, given the performing pool of each path, money."""
        by_pool = self.plan.reserve_target(pool)
        return by_pool if isinstance(by_pool, np.ndarray) else self.reserve_size

    def tested(
        self,
        k: int,
        state: PoolState,
        led: _Carried,
        collected: Array,
        claims: Array,
        pool: Array,
        target: Array | float,
    ) -> _Tests:
        """Test the covenants on what is seen of a date before anything is paid."""
        paths, nothing = collected.size, np.zeros(collected.size)
        seen = Observation(
            time=float(self.times[k]),
            collections=collected,
            accumulated_in=led.accumulated_in,
            due=self.senior_due[k],
            accumulated_due=self.fallen_due[k],
            default_ratio=nothing if state.default_ratio is None else state.default_ratio[k, :paths],
            largest_share=nothing if state.largest_share is None else state.largest_share[k, :paths],
            reserve=led.reserve,
            reserve_target=target,
            reserve_at_closing=self.reserve,
            senior_outstanding=led.balance[self.protected].sum(axis=0) > 0.0,
            volatility=self.volatility,
            drift=self.drift,
            pool=pool,
            claims=claims,
            pool_at_closing=self.size,
            notes=led.balance,
        )
        return _tested(self.deal, seen, led.on, led.called)

    def fees(self, accrual: float, led: _Carried) -> Array:
        """Fees due, with what was missed before."""
        terms = self.terms
        due = (
            terms.fee_rate * accrual * (led.balance.sum(axis=0) if terms.fee_base == "notes" else led.before)
        )
        if terms.fee_amount > 0.0:
            due = due + terms.fee_amount
        if terms.cleanup > 0.0:  # after the call there is nothing to look after
            due = np.where(led.called, 0.0, due)
        return np.asarray(due + led.fee_arrears)

    def interest(self, k: int, accrual: float, led: _Carried) -> Array:
        """Interest due per class, with what was missed before; deferred interest bears interest."""
        rate = self.coupons[:, k]
        due = rate * accrual * led.balance
        due += led.arrears
        if self.deferrable.any():
            due[self.deferrable] += (rate * accrual * led.arrears)[self.deferrable]
        return np.asarray(due)

    def may_wait(self, k: int, balance: Array) -> npt.NDArray[np.bool_]:
        """Classes and paths whose interest may be deferred: a better class is outstanding."""
        waits = np.zeros(balance.shape, np.bool_)
        for row in np.flatnonzero(self.deferrable & (self.legal > k)).tolist():
            better = self.plan.dues.ranks < self.plan.dues.ranks[row]
            waits[row] = (balance[better] > self.rounding[better]).any(axis=0)
        return waits

    def principal(
        self,
        k: int,
        balance: Array,
        pool: Array,
        triggers: dict[str, npt.NDArray[np.bool_]],
        still: list[bool],
        bought_up: npt.NDArray[np.bool_] | None,
    ) -> tuple[Array, Array]:
        """Principal due per class, and what the plan tries to pay; `bought_up`: where buying has ended."""
        due = np.zeros(balance.shape)
        if not self.free[k]:
            due = above(balance, self.closing[:, k])
            # Repaid up to the plan but for rounding is repaid up to the plan.
            np.copyto(due, 0.0, where=due < self.rounding)
        wanted = due
        if self.through.any():
            flows = self.passed_through(balance, due, pool, triggers["sequential"], still)
            flows = flows if bought_up is None else np.where(bought_up, flows, 0.0)
            wanted = flows if self.free[k] else np.maximum(wanted, flows)
        if triggers["turbo"].any():
            wanted = wanted.copy()
            np.copyto(wanted, balance, where=triggers["turbo"])
        return due, wanted

    def may_call(self, balance: Array, pool: Array, pays: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Paths on which the pool is small enough to be called; `pays`: where that repays all classes."""
        small = (pool <= (self.terms.cleanup + TOLERANCE) * self.size) & (pool > 0.0)
        return np.asarray(small & pays & (balance > self.rounding).any(axis=0))

    def passed_through(
        self,
        balance: Array,
        due: Array,
        pool: Array,
        ordered: npt.NDArray[np.bool_],
        still: list[bool],
    ) -> Array:
        """Principal that pass-through classes want, by rank or in proportion, shape (k, p)."""
        notes = balance.sum(axis=0)
        if self.everything:
            left = notes
        else:
            left = notes - above(pool, np.maximum(self.oc * pool, np.full(pool.size, self.oc_floor)))
        eligible = balance
        if self.scheduled.any():
            left = left - due[self.scheduled].sum(axis=0)
            eligible = np.where(self.through[:, None], balance, 0.0)
        left = np.maximum(left, np.zeros(left.size))
        wanted = np.zeros(balance.shape)
        if self.terms.principal == "pro rata":
            total = eligible.sum(axis=0)
            part = np.divide(left, total, out=np.zeros_like(total), where=total > 0.0)
            wanted = np.where(ordered, 0.0, eligible * np.minimum(part, 1.0))
            left = np.where(ordered, left, 0.0)
        for rank in self.ranks:
            if not any(still[rank]):
                continue
            if rank.stop - rank.start == 1:
                given = np.minimum(left, eligible[rank.start])
                wanted[rank.start] += given
                left -= given
                continue
            total = eligible[rank].sum(axis=0)
            given = np.minimum(left, total)
            part = np.divide(given, total, out=np.zeros_like(total), where=total > 0.0)
            wanted[rank] += eligible[rank] * part
            left = left - given
        return wanted

    def kept(self, k: int, left: Array, balance: Array, arrears: Array, led: Ledger) -> Array:
        """What stays in the account of what is left after a date, given balances and arrears then."""
        kept = np.zeros(left.size)
        if led.trap.any() or self.scheduled.any():
            waits = ((balance > 0.0) | (arrears > self.rounding))[self.scheduled].any(axis=0)
            if self.scheduled[led.protected].all():
                waits |= led.held
            kept = np.where(waits, np.minimum(left, self.retained[k]), 0.0)
            if led.trap.any():
                kept = np.where(led.trap & led.held, left, kept)
        return kept

    def unbought(self, k: int, ended: npt.NDArray[np.int64]) -> tuple[Array, Array, Array]:
        """Share of the collections that is missing, of the pool that is there, and of the interest missing.

        What was not bought would have paid its part of all that comes in, and been its part of the pool.
        """
        assert self.plan.unbought is not None
        paid, worth, interest = (table[k].take(ended) for table in self.plan.unbought)
        return paid, 1.0 - worth, interest


def _state(trap: npt.NDArray[np.bool_], turbo: npt.NDArray[np.bool_]) -> npt.NDArray[np.int8]:
    return np.maximum(TRAP * trap.view(np.int8), TURBO * turbo.view(np.int8))


def _of_each(figures: Iterable[Array]) -> Array:
    return np.stack([*figures], axis=-1)


def payments(
    plans: Stressed | Sequence[Stressed],
    state: PoolState,
    volatility: Array | float,
    drift: Array | float,
) -> Generator[Payment, tuple[npt.NDArray[np.int64], PoolState] | None, None]:
    """Yield the payments date by date for many paths at once.

    Sent what :meth:`PoolState.going_on` says after a date, it goes on with these paths only.

    Parameters
    ----------
    plans : Stressed or sequence of Stressed
        One for all paths, or one a path: these may differ in what they owe and in the reserve, in nothing
        else but what the state has, too, and all paths are computed on every date.
    state : PoolState
        Dates in rows, paths in columns.
    volatility, drift : ndarray, shape (p,), or float
        Of the pool, for a covenant on the senior DD; of each path where all are computed on every date.

    Yields
    ------
    Payment
        Its arrays are not touched again.
    """
    plans = [plans] if isinstance(plans, Stressed) else plans
    plan, fixed = plans[0], _Plan(plans, volatility, drift)
    deal = plan.deal
    terms, steps = deal.terms, [(step.act, step.rows) for step in priority(plan) if step.act is not None]
    n, everyone = state.collections.shape
    active = np.full(n, everyone) if state.active is None else state.active
    parent = np.zeros(everyone, np.int64) if state.parent is None else state.parent
    accrual = np.diff(terms.times, prepend=0.0)
    capped, revolving = plan.support_cap is not None, state.purchases is not None
    still = [True] * fixed.amount.size
    carried = _Carried.at_closing(plan, fixed.amount, revolving=revolving)
    if len(plans) > 1:
        carried.grow(parent)
        carried.reserve = fixed.reserve

    for k in range(n):
        last, paths = k == n - 1, int(active[k])
        carried.grow(parent[:paths])
        nothing = np.zeros(paths)
        collected = state.collections[k, :paths]
        pool = nothing if state.balance is None else state.balance[k, :paths]
        claims = pool if state.outstanding is None else state.outstanding[k, :paths]
        sale = less_bought = less_interest = nothing
        balance, reserve = carried.balance, carried.reserve.copy()
        if revolving:
            assert state.purchases is not None
            bought, whole = state.purchases[k, :paths], pool
            missing, left, unearned = fixed.unbought(k, carried.ended)
            less_bought = np.where(carried.ended < k, bought, 0.0)
            less_bought = less_bought - missing * (collected + less_bought)
            if state.principal is not None:
                less_interest = unearned * above(collected, state.principal[k, :paths])
            claims, pool, collected = claims * carried.left, pool * left, collected + less_bought
        if terms.cleanup > 0.0:
            sale = np.where(carried.called, -collected, 0.0)
            pool, claims = np.where(carried.called, 0.0, pool), np.where(carried.called, 0.0, claims)
            collected = collected + sale
        carried.accumulated_in = carried.accumulated_in + collected
        target = fixed.reserve_target(pool)
        tests = fixed.tested(k, state, carried, collected, claims, pool, target)
        trap, turbo = tests.triggers["trap"], tests.triggers["turbo"]
        if revolving:
            ends = (carried.ended > k) & (tests.triggers["amortise"] | (k > fixed.revolves))
            carried.ended = np.where(ends, k, carried.ended)
            # The principal of the date buys nothing any more.
            spared = np.where(ends & ~carried.called, bought, 0.0)
            collected, less_bought = collected + spared, less_bought + spared
            carried.accumulated_in = carried.accumulated_in + spared
            _, carried.left, _ = fixed.unbought(k, carried.ended)
            pool = np.where(carried.called, 0.0, whole * carried.left)
            target = fixed.reserve_target(pool)

        income = carried.account + collected
        capital = income
        if state.principal is not None:
            # What triggers and the call change of the collections is principal, but for interest of
            # claims that were not bought.
            capital = np.maximum(state.principal[k, :paths] + sale + less_bought + less_interest, 0.0)
            capital += carried.capital
            income = above(income, capital)
        fees_due = fixed.fees(float(accrual[k]), carried)
        interest_due = fixed.interest(k, float(accrual[k]), carried)
        # Nothing is paid to a class that is repaid on all paths.
        still = [s and bool((balance[i] != 0.0).any() or interest_due[i].any()) for i, s in enumerate(still)]
        bought_up = carried.ended <= k if revolving else None
        principal_due, wanted = fixed.principal(k, balance, pool, tests.triggers, still, bought_up)
        if terms.cleanup > 0.0:
            owed = balance.sum(axis=0) + interest_due.sum(axis=0) + fees_due
            cash = income if capital is income else income + capital
            # Rounding must not decide: pools reach a round share of themselves exactly.
            pays = pool + cash + reserve >= owed - fixed.dust
            now = ~carried.called & fixed.may_call(balance, pool, pays)
            sale = sale + np.where(now, pool, 0.0)
            capital += np.where(now, pool, 0.0)
            wanted = np.where(now, balance, wanted)
            principal_due = np.where(now, balance, principal_due)
            carried.called = carried.called | now
        ledger = Ledger(
            plan=plan,
            protected=fixed.protected,
            last=last,
            income=income,
            capital=capital,
            trap=trap,
            turbo=turbo,
            ordered=tests.triggers["sequential"],
            balance=balance,
            rounding=fixed.rounding,
            fees_due=fees_due,
            interest_due=interest_due,
            principal_due=principal_due,
            wanted=wanted,
            interest=np.zeros(balance.shape),
            principal=np.zeros(balance.shape),
            fees=nothing,
            reserve=reserve,
            target=target,
            alive=None if state.support_alive is None else state.support_alive[k, :paths],
            purse=carried.purse.copy() if capped else None,
            reserve_drawn=nothing,
            reserve_topped=nothing,
            reserve_released=nothing,
            support_drawn=nothing,
            trapped=nothing,
            trapped_principal=nothing,
            held=np.zeros(paths, np.bool_),
        )
        for act, rows in steps:
            if rows.stop is None or any(still[rows]):
                act(ledger, rows)
        if plan.known_reserve is not None and plan.known_reserve[k] >= 0.0:
            ledger.reserve = np.full(paths, plan.known_reserve[k])

        balance = balance - ledger.principal
        # Of classes that are repaid there is nothing to write.
        np.copyto(balance, 0.0, where=(balance < fixed.rounding) & (balance != 0.0))
        arrears = above(interest_due, ledger.interest)
        deferred = np.zeros(arrears.shape)
        if fixed.deferrable.any():
            deferred = np.where(fixed.may_wait(k, carried.balance), arrears, 0.0)
        # The account, then the residual: cash of early dates is for all who have still to be paid.
        left = ledger.income if ledger.one_account else ledger.income + ledger.capital
        kept = nothing if last else fixed.kept(k, left, balance, arrears, ledger)
        carried.balance, carried.arrears = balance, arrears
        carried.account, carried.reserve = ledger.trapped + kept, ledger.reserve
        if not ledger.one_account:  # what leaves is income first
            carried.capital = ledger.trapped_principal + np.minimum(ledger.capital, kept)
        carried.fee_arrears, carried.before = fees_due - ledger.fees, pool
        if ledger.purse is not None:
            carried.purse = ledger.purse
        sent = yield Payment(
            fees_due=fees_due,
            fees_paid=ledger.fees,
            interest_due=interest_due,
            interest_paid=ledger.interest,
            principal_due=principal_due,
            principal_paid=ledger.principal,
            deferred=deferred,
            balance=balance,
            account=carried.account,
            reserve=ledger.reserve,
            reserve_drawn=ledger.reserve_drawn,
            reserve_topped=ledger.reserve_topped,
            reserve_released=ledger.reserve_released,
            support_drawn=ledger.support_drawn,
            residual=left - kept,
            sale=sale,
            bought_less=less_bought,
            trigger=_state(trap, turbo),
            covenants=tests.values,
            breaches=tests.fails,
        )
        if sent is not None:
            paths_on, state = sent
            assert state.active is not None and state.parent is not None
            active, parent = state.active, state.parent
            carried.pick(paths_on[: active[k]])
