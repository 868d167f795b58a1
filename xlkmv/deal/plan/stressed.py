"""A deal under a stress, with every control turned into figures: what the engines compute on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from xlkmv.deal.plan.dues import Dues
from xlkmv.deal.plan.factors import factor_loadings
from xlkmv.deal.plan.recovery import RecoveryLaw, recovery_law
from xlkmv.deal.terms import TOLERANCE, Deal, Recoveries
from xlkmv.kinds import altered
from xlkmv.model.domain import Array
from xlkmv.model.plan import (
    PlanRisk,
    accumulated_distance,
    arrival_date,
    default_probability_by,
    implied_lognormal,
    plan_risk,
    pool_moments,
)

__all__ = [
    "CERTAIN",
    "Stressed",
    "drawing",
    "pool_distance",
    "pool_lognormal",
    "pool_risk",
    "separate",
    "widened",
]

# Below this a volatility is rounding: nobody can default.
CERTAIN = 1e-7


@dataclass(frozen=True, slots=True, eq=False)
class Stressed:
    """A deal under a stress, with every control turned into figures.

    Attributes
    ----------
    deal : Deal
        Pool as it is expected to pay (loan terms, prepayment, excess coverage, haircut, delay,
        PD, recovery, pledge and correlation worked in), coupons and curves shifted, controls
        switched.
    dues : Dues
        What the plan owes; unchanged by haircut and delay. Without subordination all
        ranks are 1.
    reserve : float
        Reserve account at closing, money; 0 when off or still to be built up.
    senior : ndarray of bool, shape (k,)
        Senior classes by the documents, which reserve and undertaking protect.
    retained : ndarray, shape (n,)
        Cash that may stay in the account after each date, money: all of it with excess
        coverage, else what later dates need by plan.
    reserve_size : float
        Size of a reserve that does not follow the pool, money.
    support_cap : float or None
        Most that the undertaking pays in all, money; None: without limit.
    needs_balance : bool
        Whether a term looks at the performing pool.
    row_purchases : ndarray, shape (m, n), or None
        Claims that each row buys on each date while the plan revolves, money.
    unbought : tuple of three ndarrays, shapes (n, n + 1), or None
        What is missing where buying ends early: :class:`~xlkmv.deal.plan.claims.Claims`.
    clock : ndarray, shape (n,), or None
        Times at which the PDs of the obligors count, in place of those of the payment dates,
        where they do not default at a constant rate: :func:`~xlkmv.deal.plan.timing.default_clock`.
    volatility_multiplier : float
    default_point : {"own", "all"}
    defaulted : int or None
        Row whose obligor is in default from closing on.
    seen : int
        Dates that have passed: :func:`~xlkmv.deal.plan.today.as_seen`.
    sure : ndarray, shape (n,), or None
        Cash beside the schedules that no default takes away, money.
    known_claims : float or None
        All claims at closing, money, where those that are gone have left the table; None: the table's.
    known_defaults : ndarray, shape (n,), or None
        Accumulated known defaults, as a share of all claims at closing.
    known_there : ndarray, shape (m, n), or None
        Share of each row's balance before a date that has not defaulted by it, as far as is known; None: all.
    known_reserve : ndarray, shape (n,), or None
        Reserve after each date, money; NaN where the waterfall says it.
    recovery_law : RecoveryLaw or None
        How recoveries are drawn, whose means are those of the pool; None: they are its rates.
    line : ndarray of int, shape (m,), or None
        Line that each row was a part of, increasing: rows of one line owe the same; None: no row was.
    """

    deal: Deal
    dues: Dues
    reserve: float
    senior: npt.NDArray[np.bool_]
    retained: Array
    reserve_size: float = 0.0
    support_cap: float | None = None
    needs_balance: bool = False
    row_purchases: Array | None = None
    unbought: tuple[Array, Array, Array] | None = None
    clock: Array | None = None
    volatility_multiplier: float = 1.0
    default_point: str = "own"
    defaulted: int | None = None
    seen: int = 0
    sure: Array | None = None
    known_claims: float | None = None
    known_defaults: Array | None = None
    known_there: Array | None = None
    known_reserve: Array | None = None
    recovery_law: RecoveryLaw | None = None
    line: npt.NDArray[np.int64] | None = None

    @property
    def today(self) -> float:
        """Years from closing to the last date that has passed; 0 at closing."""
        return float(self.deal.terms.times[self.seen - 1]) if self.seen else 0.0

    @property
    def performing(self) -> npt.NDArray[np.bool_]:
        """Obligors that are not in default at closing, shape (m,)."""
        alive = np.ones(len(self.deal.pool.name), dtype=np.bool_)
        if self.defaulted is not None:
            alive[self.defaulted] = False
        return alive

    @property
    def repurchase_share(self) -> float:
        """Share of defaulted claims that the originator pays; 0 when off."""
        return self.deal.controls.repurchase_share if self.deal.controls.repurchase else 0.0

    @property
    def obligor_pd(self) -> Array:
        """One-year PD per obligor with the volatility multiplier, shape (m,)."""
        return widened(self.deal.pool.pd, self.volatility_multiplier)

    @property
    def default_by(self) -> Array:
        """Probability that each obligor has defaulted by each date, shape (m, n)."""
        times = self.deal.terms.times if self.clock is None else self.clock
        return default_probability_by(self.obligor_pd[:, None], times)

    @property
    def claim(self) -> Array:
        """What recovery and loss of a default before each date are counted on, shape (m, n), money."""
        pool = self.deal.pool
        return pool.owed if pool.claim is None else pool.claim

    @property
    def claimed(self) -> float:
        """All claims at closing, money: what is scheduled, or the balance of loans."""
        if self.known_claims is not None:
            return self.known_claims
        pool = self.deal.pool
        return float(pool.schedule.sum() if pool.claim is None else pool.claim[:, 0].sum())

    @property
    def collections(self) -> Array:
        """Planned collections per date, shape (n,), money.

        An obligor in default from closing brings what :meth:`in_default` says.
        """
        flows = self.deal.pool.schedule
        if self.defaulted is not None:
            flows, row = flows.copy(), slice(self.defaulted, self.defaulted + 1)
            flows[row] = self.in_default(row)
        total = flows.sum(axis=0)
        return np.asarray(total if self.sure is None else total + self.sure)

    def due_by(self, tranche: int, expected: bool | None = None) -> int:
        """Position of the date by which all that is due to a class has fallen due.

        `expected` None: by the default point of the terms.
        """
        deal, t, dues = self.deal, self.deal.tranches[tranche], self.dues
        early = deal.terms.default_point == "expected" if expected is None else expected
        if not t.passes_through:
            # Interest that waits falls due after the principal where the legal final is the later date.
            waits = dues.deferred is not None and (dues.deferred != dues.interest)[tranche].any()
            return deal.legal_final(t) if waits and not early else deal.expected(t)
        if not early or dues.expected is None:
            return deal.legal_final(t)
        paid = np.flatnonzero(dues.expected[tranche] > TOLERANCE * t.amount)
        return int(paid[-1]) if paid.size else deal.legal_final(t)

    def in_default(self, rows: slice) -> Array:
        """What rows bring that are in default from closing on, shape (rows, n), money.

        The repurchase share of their schedule, and on the first date not earlier than the first date
        plus the lag their recovery of the rest, of a pledge what its sale brings of the claim at closing.
        """
        pool, share = self.deal.pool, self.repurchase_share
        # The claim at closing; of a schedule that is its sum.
        claim = pool.schedule[rows].sum(axis=1) if pool.claim is None else pool.claim[rows, 0]
        flows = np.hstack([share * pool.schedule[rows], np.zeros((claim.size, 1))])
        arrival = arrival_date(self.deal.terms.times, pool.lag[rows, None])[:, 0]
        # What comes after the last date comes too late.
        recovery = pool.recovery[rows]
        if self.recovery_law is not None and self.defaulted is None:  # whose own rate is in the pool
            recovery = self.recovery_law.at_closing(np.arange(len(pool.name))[rows], claim)
        flows[np.arange(claim.size), arrival] += (1.0 - share) * recovery * claim
        return flows[:, :-1]

    @property
    def balance(self) -> Array:
        """Performing pool after each date by plan, shape (n,), money; 0 where no term asks for it."""
        pool = self.deal.pool
        if pool.balance is None:
            return np.zeros(len(self.deal.terms.dates))
        return np.asarray(pool.balance[self.performing].sum(axis=0))

    @property
    def row_outstanding(self) -> Array | None:
        """Balance of each row before each date, shape (m, n), money; None where no term asks for it.

        Without what is known to have defaulted by the date.
        """
        pool = self.deal.pool
        if pool.balance is None:
            return None
        rows = np.concatenate([pool.amount[:, None], pool.balance[:, :-1]], axis=1)
        return rows if self.known_there is None else rows * self.known_there

    @property
    def outstanding(self) -> Array:
        """Claims that perform, before the collections of each date, by plan, shape (n,), money."""
        rows = self.row_outstanding
        return np.zeros(len(self.deal.terms.dates)) if rows is None else rows[self.performing].sum(axis=0)

    @property
    def tests_outstanding(self) -> bool:
        """Whether a covenant looks at the claims before the collections of a date."""
        return any(c.metric == "overcollateralisation" for c in self.deal.covenants)

    @property
    def balance_at_closing(self) -> float:
        """Balance of the claims at closing, money."""
        return float(self.deal.pool.amount.sum())

    @property
    def principal(self) -> Array:
        """Part of the planned collections that is principal or recovered, shape (n,), money."""
        pool = self.deal.pool
        if pool.interest is None:
            return self.collections
        interest = pool.interest.copy()
        if self.defaulted is not None:
            interest[self.defaulted] *= self.repurchase_share
        return np.asarray(self.collections - interest.sum(axis=0))

    @property
    def purchases(self) -> Array | None:
        """Claims bought by plan on each date, shape (n,), money; None where the plan does not revolve."""
        if self.row_purchases is None:
            return None
        return np.asarray(self.row_purchases[self.performing].sum(axis=0))

    def reserve_target(self, pool: Array) -> Array | float:
        """Size of the reserve, given the performing pool of each path, money."""
        controls = self.deal.controls
        if not controls.reserve or controls.reserve_unit != "of pool":
            return self.reserve_size
        floor = controls.reserve_floor * self.balance_at_closing
        # Several times as fast against a row as against one number.
        return np.asarray(np.maximum(controls.reserve_size * pool, np.full(pool.shape, floor)))


def drawing(plan: Stressed, drawn: Recoveries, recovery: Array, multiplier: float = 1.0) -> Stressed:
    """Draw recoveries in a plan, and expect in its pool what they bring on average.

    Parameters
    ----------
    plan : Stressed
        All of its pool worked in but its recoveries.
    drawn : Recoveries
    recovery : ndarray, shape (m,)
        Typed rates, before the multiplier.
    multiplier : float
        On every recovery rate; no recovery is above 1.

    Returns
    -------
    Stressed
    """
    pool, terms = plan.deal.pool, plan.deal.terms
    common, shared = factor_loadings(pool, terms)
    law = recovery_law(
        drawn,
        recovery,
        pool.lag,
        np.maximum(terms.times - plan.today, 0.0),
        plan.default_by,
        plan.claim,
        common + shared,
        plan.deal.controls.unpledged_recovery,
        multiplier,
    )
    # The law has taken their place.
    expecting = altered(pool, recovery=law.mean, recoveries=None)
    return replace(plan, deal=altered(plan.deal, pool=expecting), recovery_law=law)


def widened(pd: Array, multiplier: float) -> Array:
    """PD of firms whose volatility is m times as large, ``N(N^{-1}(PD)/m)``.

    Parameters
    ----------
    pd : ndarray
    multiplier : float

    Returns
    -------
    ndarray
    """
    return pd if multiplier == 1.0 else np.asarray(ndtr(ndtri(pd) / multiplier))


def separate(plan: Stressed) -> Stressed:
    """Give every obligor a row of its own, where rows have a Count.

    Parameters
    ----------
    plan : Stressed

    Returns
    -------
    Stressed
        The same plan; lines with Count n have become n rows of an n-th of the money.
    """
    pool = plan.deal.pool
    if pool.count is None:
        return plan
    count = pool.count.astype(np.int64)
    rows = np.repeat(np.arange(count.size), count)
    share = 1.0 / pool.count[rows]
    bought = plan.row_purchases
    return replace(
        plan,
        deal=altered(plan.deal, pool=pool.pick(rows, share)),
        row_purchases=None if bought is None else bought[rows] * share[:, None],
        known_there=None if plan.known_there is None else plan.known_there[rows],
        recovery_law=None if plan.recovery_law is None else plan.recovery_law.pick(rows, share),
        # Its row stands for one obligor.
        defaulted=None if plan.defaulted is None else int(count[: plan.defaulted].sum()),
        line=rows,
    )


def pool_lognormal(plan: Stressed) -> tuple[float, float]:
    """Volatility and drift of the pool, by the source that the terms name.

    The user's figures, or those of the lognormal that has the mean and variance of what the
    obligors pay up to the last date (:func:`~xlkmv.model.plan.pool_moments`); the
    volatility times the multiplier of the stress.

    Parameters
    ----------
    plan : Stressed

    Returns
    -------
    volatility, drift : float
        Per annum; volatility 0 when nobody can default, or nothing comes in.
    """
    terms, pool = plan.deal.terms, plan.deal.pool
    if terms.volatility_source == "user":
        return terms.volatility * plan.volatility_multiplier, terms.drift
    # Without a default at closing nothing is copied.
    on = slice(None) if plan.defaulted is None else plan.performing
    planned, schedule = plan.collections, pool.schedule[on]
    mean, variance = pool_moments(
        schedule,
        terms.times,
        pool.pd[on],
        pool.recovery[on],
        pool.lag[on],
        pool.correlation[on],
        None if pool.claim is None else pool.claim[on],
        None if pool.count is None else pool.count[on],
        plan.clock,
    )
    # The repurchase share of everything is paid on schedule, whoever defaults.
    share = plan.repurchase_share
    certain = float(planned.sum() - schedule.sum())
    mean = certain + share * float(schedule.sum()) + (1.0 - share) * mean
    variance *= (1.0 - share) ** 2
    # Of a plan under which nothing comes in, something may be recovered all the same.
    if mean <= 0.0 or not planned.any():
        return 0.0, 0.0
    horizon = float(terms.times[-1])
    volatility, drift = implied_lognormal(float(planned.sum()), mean, variance, horizon)
    return volatility * plan.volatility_multiplier, drift


def pool_risk(
    collections: Array, dues: Array, volatility: float, times: Array, drift: float, reserve: float
) -> PlanRisk:
    """:func:`~xlkmv.model.plan.plan_risk`, also of a pool that cannot default and has no volatility.

    Such a pool is short where it misses more than :data:`~xlkmv.deal.terms.TOLERANCE`, for
    sure, and nowhere else; its distances are infinite.

    Parameters
    ----------
    collections, dues, volatility, times, drift, reserve
        As there; the volatility may be 0.

    Returns
    -------
    PlanRisk
    """
    if volatility >= CERTAIN:
        return plan_risk(collections, dues, volatility, times, drift, reserve)
    risk = plan_risk(collections * (1.0 + TOLERANCE), dues, 1e-3 * TOLERANCE, times, drift, reserve)
    return replace(risk, distance=np.copysign(np.inf, risk.distance))


def pool_distance(
    paid_in: Array, due: Array, volatility: float, times: Array, drift: float, reserve: Array
) -> Array:
    """Distances of :func:`pool_risk` alone, of accumulated figures, each on a date of its own.

    Parameters
    ----------
    paid_in, due, volatility, times, drift, reserve
        As in :func:`~xlkmv.model.plan.accumulated_distance`; the volatility may be 0.

    Returns
    -------
    ndarray
    """
    if volatility >= CERTAIN:
        return accumulated_distance(paid_in, due, volatility, times, drift, reserve)
    paid_in = paid_in * (1.0 + TOLERANCE)
    found = accumulated_distance(paid_in, due, 1e-3 * TOLERANCE, times, drift, reserve)
    return np.copysign(np.inf, found)
