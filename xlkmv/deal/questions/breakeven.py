"""Break-even stresses: the size of each at which the headline class first misses a payment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from xlkmv.deal.plan.stressed import Stressed, pool_lognormal, widened
from xlkmv.deal.plan.timing import plan_faults
from xlkmv.deal.plan.waterfall import DUST, PoolState, payments, planned_pool, planned_state
from xlkmv.deal.stress import (
    BASE,
    Stress,
    apply,
    apply_all,
    expected_recovery,
    stressed_pd,
    stressed_recovery,
)
from xlkmv.deal.terms import TOLERANCE, Deal, Pool
from xlkmv.deal.terms.faults import raise_first
from xlkmv.kinds import altered
from xlkmv.model.domain import Array
from xlkmv.model.plan import arrival_date, default_probability_by
from xlkmv.shown import Results, Shown

__all__ = ["BreakEven", "expected_collections", "reverse_stress"]

# Steps of the scan over the sizes of a stress, of each closer look by batches, and where it stops.
SCAN, ZOOM, PRECISION = 100, 16, 1e-10
# Sizes that go through the waterfall together, shifts of the rates, which owe more work each, and numbers of
# obligors in default.
BATCH, RATES, OBLIGORS = 100, 25, 1000
# Rows times dates of the plans that are held at once, where sums over the rows will not do.
HELD = 1 << 22
# Numbers of a chunk of rows and dates, small enough to stay near the processor.
CHUNK = 2**15


def expected_collections(plan: Stressed) -> Array:
    """Expected collections per date from the obligors' PDs, recoveries and lags.

    ``E[C_k] = sum_i c_ik [s + (1 - s) S_i(t_k)] + (1 - s) rec_i sum_j P(first missed = j)
    owed_ij 1(arrives on k)`` with survival ``S_i(t) = (1 - PD_i)^t`` and s the repurchase
    share. No correlation enters.

    Parameters
    ----------
    plan : Stressed

    Returns
    -------
    ndarray, shape (n,)
        Money.
    """
    pd = plan.obligor_pd.copy()
    if plan.defaulted is not None:
        pd[plan.defaulted] = 1.0
    return _expected(plan, pd)["collections"]


@dataclass(frozen=True, slots=True, repr=False)
class BreakEven(Shown):
    """Size of one stress at which the headline class first misses a payment, undertaking not called.

    Attributes
    ----------
    column : str
        Field of :class:`~xlkmv.deal.stress.Stress`, or "largest obligors" for the number of
        largest obligors that default at closing, with the recovery of the table.
    size : float or None
        Break-even size; None: no size that is tried does it.
    date : int or None
        Position of the date that is missed first.
    """

    column: str
    size: float | None
    date: int | None


def reverse_stress(deal: Deal, progress: Callable[[float], None] = lambda share: None) -> Results[BreakEven]:
    """Break-even size of each stress for the headline class, before the undertaking is called.

    Haircut, delay, rate shift and defaults of the largest obligors are tried on the planned
    collections; PD, volatility and recovery on the expected collections
    (:func:`expected_collections`), which they move, and the default ratio expected then. Correlation moves
    neither, and has no break-even size.

    Parameters
    ----------
    deal : Deal
        Its :attr:`~xlkmv.deal.terms.Deal.headline` says whose payments count.
    progress : callable
        Called with the share that is done, many times; what it raises ends the computation.

    Returns
    -------
    Results of BreakEven

    Raises
    ------
    InputError, DomainError
        When the plan of the deal has a fault.

    Notes
    -----
    A trap or turbo that a larger stress sets off keeps cash for the senior, so that a haircut
    of 0.31 may miss a payment and one of 0.38 none. Each range is therefore scanned from its
    mild end, in 100 steps: of 0.01 for haircut, recovery and rate shift, in equal ratios for
    volatility (1 to 100) and PD (1 to 10,000). The size reported misses; the size just below it
    (by 1e-10 of it) and the milder sizes of the scan do not. Misses that begin and end
    between two neighbours of the scan are not seen. Of delays and numbers of obligors
    every one is tried.
    """
    raise_first(plan_faults(deal))
    # Tests without a consequence change no payment.
    deal = altered(deal, controls=deal.controls.without("support"), covenants=deal.acting)
    even, ratios = np.linspace(0.0, 1.0, SCAN + 1), np.geomspace(1.0, 100.0, SCAN + 1)
    # The sizes of each stress, mildest first, and whether expected collections feel it.
    ranges: dict[str, tuple[Array, bool]] = {
        "pool_haircut": (even, False),
        "volatility_multiplier": (ratios, True),
        "pd_multiplier": (ratios**2, True),
        "recovery_multiplier": (1.0 - even, True),
        "rate_shift": (even, False),
    }
    delays = np.arange(len(deal.terms.dates) + 1)
    trials, stages = _Trials(deal), len(ranges) + 2
    out: list[BreakEven] = []
    for column, (sizes, expected) in ranges.items():
        trials.report = _rising(progress, len(out), stages)
        out.append(_break_even(trials, column, sizes, expected))
    trials.report = _rising(progress, len(out), stages)
    out.append(_smallest("delay", trials.missed_dates("delay", delays, False)))
    report = _rising(progress, len(out), stages)
    out.append(_smallest("largest obligors", _largest_gone(trials.plan, report)))
    return Results(out)


def _rising(progress: Callable[[float], None], stage: int, stages: int) -> Callable[[float], None]:
    """Turn the share of a stage, which starts again with each closer look, into that of the whole."""
    most = 0.0

    def report(share: float) -> None:
        nonlocal most
        most = max(most, share)
        progress((stage + most) / stages)

    return report


def _break_even(trials: _Trials, column: str, sizes: Array, expected: bool) -> BreakEven:
    """First of the sizes that misses a date, then the first on ever finer scans of the step before it."""
    at, date = _first_missed(trials.missed_dates(column, sizes, expected))
    # One by one, halves are the fewest to try.
    steps = 2 if trials.batch(column) == 1 else ZOOM
    while at and abs(sizes[at] - sizes[at - 1]) > PRECISION * max(sizes[at], 1e-3):
        sizes, end = np.linspace(sizes[at - 1], sizes[at], steps + 1), (steps, date)
        at, date = _first_missed(trials.missed_dates(column, sizes[1:-1], expected), start=1, default=end)
    return BreakEven(column, None if at is None else float(sizes[at]), date)


def _smallest(column: str, dates: Iterable[int | None]) -> BreakEven:
    """Break-even of a stress that comes in the sizes 0, 1, 2, ..."""
    size, date = _first_missed(dates)
    return BreakEven(column, None if size is None else float(size), date)


def _first_missed(
    dates: Iterable[int | None],
    start: int = 0,
    default: tuple[int | None, int | None] = (None, None),
) -> tuple[int | None, int | None]:
    """Position, counted from `start`, and value of the first date that is not None."""
    return next(((at, date) for at, date in enumerate(dates, start) if date is not None), default)


class _Trials:
    """The sizes of stresses, tried on one deal."""

    def __init__(self, deal: Deal) -> None:
        self.deal = deal
        self.report: Callable[[float], None] = lambda share: None
        self.plan = apply(deal, BASE)
        # Unless a test asks who owes what, sums over the rows will do.
        self.sums = {c.metric for c in deal.covenants}.isdisjoint({"senior DD", "largest obligor share"})
        self.rows = _Expecting(self.plan, self.plan.deal.pool.pd, expected_recovery(deal))
        # What a pledge brings moves with the PD.
        self.shortcut = self.sums and self.plan.recovery_law is None

    def batch(self, column: str) -> int:
        """How many sizes of a stress are tried at once."""
        rates = column == "rate_shift"
        # One waterfall serves plans whose claims were bought at the same times and for the same rates.
        if (rates or column == "delay") and self.deal.terms.revolving is not None:
            return 1
        most = RATES if rates else BATCH
        # Plans with all their rows are large, and each is held until its batch is paid.
        return most if self.sums else max(1, min(most, HELD // self.plan.deal.pool.schedule.size))

    def missed_dates(self, column: str, sizes: npt.NDArray[Any], expected: bool) -> Iterator[int | None]:
        """First date that the headline class misses, size by size; one after the other or in batches."""
        batch = self.batch(column)
        for start in range(0, sizes.size, batch):
            stresses = [altered(BASE, **{column: size}) for size in sizes[start : start + batch].tolist()]
            if column == "rate_shift":
                self.report(start / sizes.size)
                plans = apply_all(self.deal, stresses, by_plan=self.sums)
                state = PoolState.side_by_side([planned_pool(plan) for plan in plans])
                yield from _first_misses(plans, state, _lognormals(plans))
                continue
            plans, pools = [], []
            for at, stress in enumerate(stresses, start):
                self.report(at / sizes.size)
                plan, pool = self._tried(stress, expected)
                plans.append(plan)
                pools.append(pool)
            # All of them owe the same.
            yield from _first_misses(plans[:1], PoolState.side_by_side(pools), _lognormals(plans))

    def _tried(self, stress: Stress, expected: bool) -> tuple[Stressed, dict[str, Array]]:
        """Plan under a stress, and what the pool does, by field of PoolState."""
        if not expected:
            plan = apply(self.deal, stress, by_plan=self.sums)
            return plan, planned_pool(plan)
        if not self.shortcut:
            plan = apply(self.deal, stress)
            return plan, _expected(plan, plan.obligor_pd)
        # PD, volatility and recovery move nothing but what is expected.
        pd = widened(stressed_pd(self.rows.pd, stress), stress.volatility_multiplier)
        recovery = stressed_recovery(self.rows.recovery, stress, self.deal.controls)
        return self.plan, self.rows.state(pd, recovery)


def _expected(plan: Stressed, pd: Array) -> dict[str, Array]:
    """What the pool is expected to do, by field of PoolState; `pd`: of its rows."""
    rows = _Expecting(plan, pd, plan.deal.pool.recovery)
    return rows.state(rows.pd, rows.recovery)


def _tests_distance(deal: Deal) -> bool:
    return any(covenant.metric == "senior DD" for covenant in deal.covenants)


def _lognormals(plans: Iterable[Stressed]) -> tuple[Array, Array] | None:
    """Volatility and drift of the pool under each plan, shape (plans,) each.

    None where nobody tests the senior DD, which alone they serve: each costs an integration.
    """
    both: list[tuple[float, float]] = []
    for plan in plans:
        if not _tests_distance(plan.deal):
            return None
        both.append(pool_lognormal(plan))
    volatility, drift = np.array(both).T
    return volatility, drift


class _Expecting:
    """What the obligors of a plan are expected to bring; rows with one PD, recovery and lag are one here.

    Attributes
    ----------
    pd, recovery : ndarray, shape (r,)
        Of the rows that are left.
    """

    def __init__(self, plan: Stressed, pd: Array, recovery: Array) -> None:
        pool, terms = plan.deal.pool, plan.deal.terms
        self.share, self.claimed = plan.repurchase_share, plan.claimed or 1.0
        self.ratio, self.largest = planned_state(plan)
        self.times = terms.times if plan.clock is None else plan.clock
        self.money = {"schedule": pool.schedule, "claim": plan.claim, **_performing(plan)}
        if terms.accounts == "two" and pool.interest is not None:
            self.money["interest"] = pool.interest
        self.pd, self.recovery, lag = pd, recovery, pool.lag
        kinds, kind = np.unique(np.stack([pd, recovery, lag]), axis=1, return_inverse=True)
        if kinds.shape[1] < lag.size:
            self.pd, self.recovery, lag = kinds
            order = np.argsort(kind.reshape(-1), kind="stable")
            starts = np.searchsorted(kind.reshape(-1)[order], np.arange(lag.size))
            self.money = {name: np.add.reduceat(x[order], starts) for name, x in self.money.items()}
        lags, self.lag = np.unique(lag, return_inverse=True)
        self.arrival = arrival_date(terms.times, lags[:, None])

    def state(self, pd: Array, recovery: Array) -> dict[str, Array]:
        """What they bring at other PDs and recoveries, by field of PoolState, shape (n,) each.

        Expected claims are those of obligors that have survived, ``sum_i x_ik S_i(t_k)``; the default ratio
        is that of the others, the largest share is by plan.
        """
        n, share = self.times.size, self.share
        sums, recovered = {name: np.zeros(n) for name in self.money}, np.zeros(n + 1)
        defaulted = np.zeros(n)
        size = max(CHUNK // n, 1)
        for rows in (slice(start, start + size) for start in range(0, pd.size, size)):
            survival = 1.0 - default_probability_by(pd[rows, None], self.times)
            # What is paid on schedule by the obligor or, for it, by the originator.
            paid = share + (1.0 - share) * survival
            for name, values in self.money.items():
                weight = paid if name in ("schedule", "interest") else survival
                sums[name] += np.einsum("ij,ij->j", values[rows], weight)
            first_missed = -np.diff(survival, axis=1, prepend=1.0)
            lost = first_missed * self.money["claim"][rows]
            back = (1.0 - share) * recovery[rows, None] * lost
            recovered += np.bincount(self.arrival[self.lag[rows]].ravel(), back.ravel(), n + 1)
            defaulted += lost.sum(axis=0)
        del sums["claim"]
        state = sums | {"collections": sums.pop("schedule") + recovered[:-1], "largest_share": self.largest}
        state["default_ratio"] = self.ratio + np.cumsum(defaulted) / self.claimed
        if "interest" in state:
            state["principal"] = state["collections"] - state.pop("interest")
        return state


def _performing(plan: Stressed) -> dict[str, Array]:
    """Rows of what only obligors that perform count in, where a term asks for it; by field of PoolState."""
    rows = {
        "balance": plan.deal.pool.balance if plan.needs_balance else None,
        "outstanding": plan.row_outstanding if plan.tests_outstanding else None,
        "purchases": plan.row_purchases,
    }
    return {name: values for name, values in rows.items() if values is not None}


def _first_misses(
    plans: Sequence[Stressed], state: PoolState, lognormals: tuple[Array, Array] | None
) -> list[int | None]:
    """First date that the headline class misses, per path; the plan of all of them, or one each."""
    headline = plans[0].deal.headline
    floor = TOLERANCE * plans[0].deal.tranches[headline].amount
    first: list[int | None] = [None] * state.collections.shape[1]
    for date, paid in enumerate(payments(plans, state, *(lognormals or (0.0, 0.0)))):
        for row in np.flatnonzero(paid.missed[headline] > floor).tolist():
            if first[row] is None:
                first[row] = date
        if None not in first:
            break  # later dates are not computed
    return first


def _largest_gone(plan: Stressed, report: Callable[[float], None]) -> Iterator[int | None]:
    """First date missed when the 0, 1, 2, ... largest obligors are in default from closing on."""
    pool = _Descending(plan, report)
    # sigma and mu move with each obligor that is gone, and cost more than the payments.
    batch = BATCH if _tests_distance(plan.deal) else OBLIGORS

    def without(gone: Iterable[int]) -> Iterator[Stressed]:
        for count in gone:
            report(count / (pool.obligors + 1))
            yield pool.without(count)

    for start in range(0, pool.obligors + 1, batch):
        report(start / (pool.obligors + 1))
        gone = np.arange(start, min(start + batch, pool.obligors + 1))
        yield from _first_misses([plan], pool.state(gone), _lognormals(without(gone.tolist())))


class _Descending:
    """A pool whose obligors go into default one after the other, the largest first.

    A row of several obligors gives them up one by one, an equal part of the row each: whatever is
    summed over the rows is linear in the number g that are gone while it passes through a row.
    """

    def __init__(self, plan: Stressed, report: Callable[[float], None] = lambda share: None) -> None:
        self.plan, self.report, pool = plan, report, plan.deal.pool
        self.order = np.argsort(-pool.amount / pool.obligors, kind="stable")
        # How many are gone before each row, and after the last.
        self.before = np.append(0.0, np.cumsum(pool.obligors[self.order]))
        self.obligors = int(self.before[-1])
        self.in_default = plan.in_default(slice(None))
        nothing = np.zeros_like(pool.schedule)
        lost = np.broadcast_to(plan.claim[:, :1] / max(plan.claimed, 1e-300), nothing.shape)
        # Of each row: what it is when it is gone, and when it is there.
        rows = {"collections": (self.in_default, pool.schedule), "default_ratio": (lost, nothing)}
        rows |= {name: (nothing, values) for name, values in _performing(plan).items()}
        if plan.deal.terms.accounts == "two" and pool.interest is not None:
            interest = plan.repurchase_share * pool.interest
            rows["principal"] = (self.in_default - interest, pool.schedule - pool.interest)
        self._edges = {name: self._at_edges(*values) for name, values in rows.items()}
        self._owed = self._at_edges(nothing, plan.claim)
        one = (plan.claim / pool.obligors[:, None])[self.order]
        self._largest = np.maximum.accumulate(one[::-1])[::-1]

    def _at_edges(self, gone: Array, there: Array) -> Array:
        """Sum over the rows at the edges between them, where each is gone or there as a whole."""
        self.report(0.0)
        edge = np.zeros_like(gone[:1])
        before = np.vstack([edge, np.cumsum(gone[self.order], axis=0)])
        behind = np.vstack([np.cumsum(there[self.order][::-1], axis=0)[::-1], edge])
        return np.asarray(before + behind)

    def state(self, gone: npt.NDArray[np.int64]) -> PoolState:
        """What the pool does without its g largest obligors, for each g a path."""
        # The row that gives up the next obligor, and how much of it is gone.
        row = np.minimum(np.searchsorted(self.before, gone, side="right"), self.order.size) - 1
        part = ((gone - self.before[row]) / (self.before[row + 1] - self.before[row]))[:, None]

        def between(edges: Array) -> Array:
            return np.asarray(edges[row] * (1.0 - part) + edges[row + 1] * part)

        owed = between(self._owed)
        share = np.full_like(owed, np.nan)
        np.divide(self._largest[row], owed, out=share, where=owed > DUST * self.plan.claimed)
        rows: dict[str, Any] = {name: between(edges) for name, edges in self._edges.items()}
        rows["largest_share"] = share
        return PoolState(**{name: np.ascontiguousarray(each.T) for name, each in rows.items()})

    def without(self, gone: int) -> Stressed:
        """Return the plan with the pool that is left, for its volatility and drift.

        What the others still bring comes for sure: a row of its own that cannot default.
        """
        pool, left = self.plan.deal.pool, np.empty(self.order.size)
        left[self.order] = np.clip((self.before[1:] - gone) / np.diff(self.before), 0.0, 1.0)
        certain = ((1.0 - left)[:, None] * self.in_default).sum(axis=0)
        rest = Pool(
            tuple(map(str, range(left.size + 1))),
            np.append(pool.amount, 1.0),
            np.vstack([pool.schedule * left[:, None], certain]),
            np.append(np.where(left > 0.0, pool.pd, 0.0), 0.0),
            np.append(pool.recovery, 0.0),
            np.append(pool.lag, 0.0),
            np.append(pool.correlation, 0.0),
            count=None if pool.count is None else np.append(np.maximum(np.rint(left * pool.count), 1.0), 1.0),
            claim=None if pool.claim is None else np.vstack([pool.claim * left[:, None], certain]),
        )
        return replace(self.plan, deal=altered(self.plan.deal, pool=rest))
