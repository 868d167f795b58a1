"""Obligor-level simulation: default times, collections by path, the waterfall by path.

Obligor i defaults when its latent variable

``X_i = sqrt(rho_i) Z + sqrt(w_i) Y_industry(i) + sqrt(1 - rho_i - w_i) e_i``

falls below ``N^{-1}(F_i(t))``, ``F_i(t) = 1 - (1 - PD_i)^t``, Z common to all, Y common to
an industry (Li 2000). Under the Student-t copula ``X_i sqrt(nu/chi^2_nu)`` and the quantile
of t take their place. The payer of the shortfall undertaking has a latent variable too,
correlated with Z. An obligor in default misses every instalment from the next date on; the
originator pays the repurchase share of them on schedule, the recovery rate of the rest
arrives on the first date not earlier than the missed date plus the lag.

How it stays cheap and reproducible:

- Paths come in blocks whose size depends on the deal alone. Block b draws from a
  counter-based generator (Philox) with the seed as key and b in its counter, so the numbers
  are the same whoever computes the block.
- Most obligors survive on most paths. e_i is the quantile of a uniform, of which 16 bits are
  drawn: one bound per path shows which few can be in default, and most of these are dated by
  the 16 bits alone. Where a threshold lies between them and the next ones, the other bits
  follow, from a hash of their position (SplitMix64, Steele, Lea and Flood 2014).
- Paths with the same defaults have the same cash: each pattern runs through the waterfall
  once per block, and only from the date on which it parts from the pattern that it is like
  until then.
- Z is stratified within groups of paths; the groups are independent replicates, from which
  the standard errors follow.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri, stdtrit

from xlkmv.deal.plan.stressed import Stressed, pool_lognormal, separate
from xlkmv.deal.stress import BASE, Stress, apply
from xlkmv.deal.terms import TOLERANCE, Deal
from xlkmv.deal.waterfall import DUST, PoolState, grown, payments, planned_state
from xlkmv.errors import DomainError, HostError, InputError
from xlkmv.model.domain import Array
from xlkmv.model.plan import arrival_date, default_probability_by

__all__ = [
    "LOSS_BINS",
    "Executor",
    "Progress",
    "Simulation",
    "TrancheRisk",
    "dask_executor",
    "group_error",
    "simulate",
    "simulate_plans",
]

Progress = Callable[[int, int], object]
Ints = npt.NDArray[np.int64]

# Losses are counted in bins of a tenth of a percent of the tranche, apart from no loss at all.
LOSS_BINS = 1000
# Values of coarse uniforms, and the quantiles at their edges: no uniform is below 2^-69.
COARSE = 1 << 16
EDGES = ndtri(np.concatenate([[0.5**69], np.arange(1, COARSE + 1) / COARSE]))
STEPS = np.diff(EDGES)
# Random numbers of one block: enough to amortise numpy's overhead, few enough for its memory.
BLOCK_NUMBERS, LARGEST_BLOCK, SMALLEST_BLOCK = 1 << 23, 1 << 19, 1 << 8
# Paths over which Z is stratified, at most, and groups that the standard errors want at least.
LARGEST_GROUP, FEWEST_GROUPS = 1 << 10, 64


class Executor(Protocol):
    """What runs blocks elsewhere: ``concurrent.futures`` executors, or :func:`dask_executor`."""

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Any:
        """Start ``fn(*args)`` and return its future."""


# ----------------------------------------------------------------------------------- results


@dataclass(frozen=True, slots=True, eq=False)
class TrancheRisk:
    """What the simulation says of one tranche; probabilities are decimals.

    Attributes
    ----------
    name : str
    pd, pd_error : float
        Probability that interest is missed on a date or principal at the legal maturity,
        and its standard error.
    anydate_pd, anydate_pd_error : float
        Probability that anything due by schedule is missed on at least one date.
    expected_loss, expected_loss_error : float
        Principal never repaid, as a share of the tranche.
    wal, wal_error : float
        Weighted average life of the principal that is repaid, years.
    first_short : ndarray, shape (n,)
        Probability that the date is the first on which something due is missed.
    loss_probability : ndarray, shape (LOSS_BINS + 1,)
        Of no loss, then of a loss in each bin of 1/LOSS_BINS of the tranche.
    expected_paid : ndarray, shape (n,)
        Expected interest and principal paid on each date, money.
    """

    name: str
    pd: float
    pd_error: float
    anydate_pd: float
    anydate_pd_error: float
    expected_loss: float
    expected_loss_error: float
    wal: float
    wal_error: float
    first_short: Array
    loss_probability: Array
    expected_paid: Array

    def loss_quantile(self, level: float) -> float:
        """Loss, as a share of the tranche, not exceeded with probability `level` (upper bin edge)."""
        # Sums of probabilities fall short of 1 by rounding.
        reached = np.cumsum(self.loss_probability) >= level - 1e-12
        return float(np.argmax(reached)) / LOSS_BINS

    def expected_shortfall(self, level: float) -> float:
        """Mean loss, as a share of the tranche, in the worst ``1 - level`` of the paths (upper bin edges)."""
        tail = np.clip(np.cumsum(self.loss_probability) - level, 0.0, self.loss_probability)
        return float(tail @ np.arange(LOSS_BINS + 1) / LOSS_BINS / (1.0 - level))


@dataclass(frozen=True, slots=True, eq=False)
class Simulation:
    """Result of simulating one plan.

    Attributes
    ----------
    paths, seed : int
    tranches : tuple of TrancheRisk
    volatility, volatility_error, drift, drift_error : float
        sigma and mu per annum of the lognormal pool with the simulated mean and variance of
        what comes in up to the last date.
    expected_collections, expected_support : ndarray, shape (n,)
        Expected collections and draws on the undertaking per date, money.
    breach, anydate_breach : ndarray, shape (c, n)
        Share of paths on which each covenant is in breach on the date, and on at least one
        date so far.
    trigger : ndarray, shape (3, n)
        Share of paths that are normal, trapping and in turbo on each date.
    waterfalls : int
        Different patterns that ran through the waterfall, summed over blocks.
    replicates : ndarray, shape (groups, 3 k)
        Means over independent groups of paths of default, any shortfall and loss, tranche
        after tranche: two runs with one seed can be compared group by group.
    replicate_paths : ndarray, shape (groups,)
        Paths of each group.
    """

    paths: int
    seed: int
    tranches: tuple[TrancheRisk, ...]
    volatility: float
    volatility_error: float
    drift: float
    drift_error: float
    expected_collections: Array
    expected_support: Array
    breach: Array
    anydate_breach: Array
    trigger: Array
    waterfalls: int
    replicates: Array
    replicate_paths: Array


# ------------------------------------------------------------------------------- random part


@dataclass(frozen=True, slots=True)
class Layout:
    """How paths are cut and which random numbers a block draws; fixed by deal, paths and seed."""

    obligors: int
    industries: int
    degrees_of_freedom: int  # 0: Gaussian
    paths: int
    seed: int
    block: int
    group: int

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return -(-self.paths // self.block)

    def size(self, block: int) -> int:
        """Paths of a block."""
        return min(self.block, self.paths - block * self.block)

    def group_sizes(self, block: int) -> Array:
        """Paths of each group of a block; the last one takes what is left."""
        paths = self.size(block)
        sizes = np.full(-(-paths // self.group), float(self.group))
        sizes[-1] = paths - (sizes.size - 1) * self.group
        return sizes


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """Random numbers of one block.

    Attributes
    ----------
    common : ndarray, shape (paths,)
    industry : ndarray, shape (paths, industries)
    scale : ndarray, shape (paths,), or None
        Of the Student-t copula.
    coarse : ndarray of uint16, shape (paths (obligors + 1),)
        First bits of the uniforms behind e: path by path one per obligor, then, for all
        paths, those of the payer of the undertaking.
    salt : int
        Of the hash that gives the other bits.
    """

    common: Array
    industry: Array
    scale: Array | None
    coarse: npt.NDArray[np.uint16]
    salt: int

    def uniform(self, at: Ints) -> Array:
        """Uniforms with all their bits, for the given positions in `coarse`."""
        x = (at.astype(np.uint64) + np.uint64(self.salt)) * np.uint64(0x9E3779B97F4A7C15)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
        rest = ((x ^ (x >> np.uint64(31))) >> np.uint64(11) | np.uint64(1)) * 0.5**53
        return np.asarray((self.coarse[at] + rest) / COARSE)


def _layout(plan: Stressed, paths: int, seed: int) -> Layout:
    """Cut the paths of a plan into blocks and groups.

    Parameters
    ----------
    plan : Stressed
    paths, seed : int

    Returns
    -------
    Layout
    """
    terms, pool = plan.deal.terms, plan.deal.pool
    obligors = len(pool.name)
    block = 1 << int(np.log2(np.clip(BLOCK_NUMBERS // obligors, SMALLEST_BLOCK, LARGEST_BLOCK)))
    group = 1 << int(np.log2(np.clip(paths // FEWEST_GROUPS, 1, min(LARGEST_GROUP, block))))
    industries = len(set(pool.industry) - {""}) if terms.industry_correlation > 0.0 else 0
    freedom = terms.degrees_of_freedom if terms.copula == "t" else 0
    return Layout(obligors, industries, freedom, paths, seed, block, group)


def draw(layout: Layout, block: int) -> Draws:
    """Draw the numbers of a block; they depend on the layout and the block only."""
    rng = np.random.Generator(np.random.Philox(key=layout.seed, counter=[0, 0, 0, block]))
    paths = layout.size(block)
    u = rng.random(paths)
    strata = u[: paths - paths % layout.group].reshape(-1, layout.group)
    strata += np.arange(layout.group)
    strata /= layout.group
    numbers = paths * (layout.obligors + 1)
    bits = rng.bit_generator.random_raw(-(-numbers // 4)).astype("<u8", copy=False)
    freedom = layout.degrees_of_freedom
    return Draws(
        common=np.asarray(ndtri(np.clip(u, 1e-18, 1.0 - 1e-16, out=u))),
        industry=rng.standard_normal((paths, layout.industries)),
        scale=np.sqrt(rng.chisquare(freedom, paths) / freedom) if freedom else None,
        coarse=bits.view("<u2")[:numbers],
        salt=rng.bit_generator.random_raw(),
    )


class DefaultModel:
    """Default times of the obligors and of the payer of the undertaking."""

    def __init__(self, plan: Stressed) -> None:
        terms, pool = plan.deal.terms, plan.deal.pool
        self.times = terms.times
        self.freedom = terms.degrees_of_freedom if terms.copula == "t" else 0
        support, loading = plan.deal.controls.support_pd, terms.support_correlation
        names = sorted(set(pool.industry) - {""})
        self.industry = np.array([names.index(i) if i else 0 for i in (*pool.industry, "")])
        # Obligors, and the payer in the last place.
        rho = np.append(pool.correlation, loading**2)
        extra = np.array([terms.industry_correlation if i else 0.0 for i in (*pool.industry, "")])
        # Something of its own stays with every obligor.
        extra = np.minimum(extra, 0.999 * (1.0 - rho))
        self.common, self.shared = np.sqrt(rho), np.sqrt(extra)
        self.own = np.sqrt(1.0 - rho - extra)
        pd = plan.obligor_pd.copy()
        if plan.defaulted is not None:
            pd[plan.defaulted] = 0.0  # its default is no news
        yearly = np.append(pd, support)
        clock = self.times if plan.clock is None else plan.clock
        by_date = default_probability_by(pd[:, None], clock)
        thresholds = self._quantile(np.vstack([by_date, default_probability_by(support, self.times)]))
        self.limit = np.ascontiguousarray(thresholds[:, -1])
        # Rows of a power of 2, for bisection.
        self.width = 1 << self.times.size.bit_length()
        self.thresholds = np.full((yearly.size, self.width), np.inf)
        self.thresholds[:, : self.times.size] = thresholds

    def _quantile(self, p: Array) -> Array:
        if not self.freedom:
            return np.asarray(ndtri(p))
        x = stdtrit(self.freedom, p)
        # For tiny probabilities it gives plus infinity.
        return np.where((x > 0.0) & (p < 0.5), -np.inf, x)

    def _latent(self, draws: Draws, e: Array, row: Ints | slice, column: Ints | int) -> Array:
        x = self.own[column] * e + self.common[column] * draws.common[row]
        if draws.industry.size:
            x += self.shared[column] * draws.industry[row, self.industry[column]]
        return np.asarray(x if draws.scale is None else x / draws.scale[row])

    def _first_missed(self, x: Array, column: Ints) -> Ints:
        """Position of the first date whose threshold is not below x; n: after the last date."""
        first, step = np.zeros(x.size, np.int64), self.width >> 1
        before = column * self.width - 1
        while step:
            first += step * (x > self.thresholds.take(first + (before + step)))
            step >>= 1
        return first

    def _dated(self, draws: Draws, at: Ints, row: Ints, column: Ints) -> tuple[Ints, Ints, Ints]:
        """Of uniforms at some positions, in rows (paths) and columns: those in default, and when."""
        coarse = draws.coarse.take(at)
        x = self._latent(draws, EDGES[coarse], row, column)
        real = np.flatnonzero(x <= self.limit[column])
        at, row, column, coarse, x = at[real], row[real], column[real], coarse[real], x[real]
        first = self._first_missed(x, column)
        step = self.own[column] * STEPS[coarse]
        x += step if draws.scale is None else step / draws.scale[row]
        unsure = np.flatnonzero(x >= self.thresholds.take(column * self.width + first))
        e = np.asarray(ndtri(draws.uniform(at[unsure])))
        x = self._latent(draws, e, row[unsure], column[unsure])
        first[unsure] = self._first_missed(x, column[unsure])
        real = np.flatnonzero(first < self.times.size)
        return row[real], column[real], first[real]

    def obligor_defaults(self, draws: Draws) -> tuple[Ints, Ints, Ints]:
        """Rows (paths, increasing), columns (obligors) and first missed dates of all defaults."""
        z, own = draws.common, self.own[:-1]
        # No obligor's e_i can be in default above this bound, path by path.
        top = float((self.limit[:-1] / own).max())
        if top == -np.inf:
            empty = np.empty(0, np.int64)
            return empty, empty, empty
        slope = self.common[:-1] / own
        bound = top * draws.scale if draws.scale is not None else top
        bound = bound - np.where(z > 0.0, slope.min(), slope.max()) * z
        if draws.industry.size:
            bound = bound + (self.shared[:-1] / own).max() * np.maximum(-draws.industry.min(axis=1), 0.0)
        possible = np.minimum(COARSE * (1.0 + 1e-12) * ndtr(bound), COARSE - 1).astype(np.uint16)
        at = np.flatnonzero(draws.coarse[: z.size * own.size].reshape(z.size, -1) <= possible[:, None])
        row = at // own.size
        return self._dated(draws, at, row, at - row * own.size)

    def payer_default(self, draws: Draws) -> Ints:
        """First date on which the payer is dead, shape (paths,); n: never."""
        paths, payer = draws.common.size, self.own.size - 1
        first = np.full(paths, self.times.size, np.int64)
        least = EDGES[draws.coarse[paths * payer :]]
        row = np.flatnonzero(self._latent(draws, least, slice(None), payer) <= self.limit[payer])
        dead, _, dates = self._dated(draws, paths * payer + row, row, np.full(row.size, payer))
        first[dead] = dates
        return first


@dataclass(frozen=True, slots=True, eq=False)
class Patterns:
    """Different default patterns of a block, by the date from which they differ from those before.

    Pattern 0 is nobody in default. Every other one is like its parent, which comes before it,
    up to a date: from that date on it has to be computed.

    Attributes
    ----------
    columns, first, owner : ndarray, shape (events,)
        Obligor, first missed date and pattern of each default, by the date on which it enters
        the computation: its own, or that of the pattern if that is later.
    entered : ndarray, shape (n,)
        Defaults that have entered up to each date.
    payer : ndarray, shape (u,)
        First date on which the payer of the undertaking is dead.
    parent : ndarray, shape (u,)
    active : ndarray, shape (n,)
        Patterns that are computed on each date; they come first.
    weights : list of ndarray, shapes (active,)
        Paths that are, up to each date, as the pattern is.
    rows, index : ndarray, shape (paths with events,)
        Paths that do not have pattern 0, and the pattern of each.
    """

    columns: Ints
    first: Ints
    owner: Ints
    entered: Ints
    payer: Ints
    parent: Ints
    active: Ints
    weights: list[Array]
    rows: Ints
    index: Ints


def find_patterns(
    paths: int, rows: Ints, columns: Ints, first: Ints, payer: Ints, obligors: int, dates: int
) -> Patterns:
    """Group the paths of a block that have the same defaults on the same dates, and link the groups.

    A default is a number, larger the earlier it is. The earliest of a path, in this order,
    make its key: sorted by key, paths with the same first defaults stand together, and the
    first one of them has no other default until they part. Paths whose defaults fill a key
    are taken for different.
    """
    slots = obligors + 1  # the payer is one more
    bits = int(slots * dates).bit_length()
    held, mask = 64 // bits, (1 << bits) - 1
    dead = np.flatnonzero(payer < dates)
    code = np.concatenate(
        [(dates - 1 - first) * slots + columns, (dates - 1 - payer[dead]) * slots + obligors]
    )
    events = np.sort(np.concatenate([rows, dead]) << bits | code + 1)
    path, code = events >> bits, events & mask
    counts = np.bincount(path, minlength=paths)
    ends = np.cumsum(counts)
    touched = np.flatnonzero(counts > 0)
    place = ends[path] - 1 - np.arange(path.size)  # 0: the earliest of its path
    parts = np.where(place < held, code << np.maximum(bits * (held - 1 - place), 0), 0).view(np.uint64)
    key = np.add.reduceat(parts, (ends - counts)[touched]) if touched.size else parts
    order = np.argsort(key)
    key, by_key = np.append(np.uint64(0), key[order]), touched[order]
    new = (key[1:] != key[:-1]) | (key[1:] & np.uint64(mask) != 0)
    chosen, key = by_key[new], key[np.append(True, new)]
    # They part at the earlier date of the first defaults that differ, which is in the larger key.
    differ, part = key[1:] ^ key[:-1], key[1:] & np.uint64(mask)
    for shift in range(bits, bits * held, bits):
        apart = differ >> np.uint64(shift) != 0
        part[apart] = (key[1:][apart] >> np.uint64(shift)) & np.uint64(mask)
    born = np.append(-1, dates - 1 - (part.astype(np.int64) - 1) // slots)
    # The parent is the nearest one before that was born earlier.
    parent = np.maximum(np.arange(born.size) - 1, 0)
    late = np.flatnonzero(born[parent] >= born)[1:]
    while late.size:
        parent[late] = parent[parent[late]]
        late = late[born[parent[late]] >= born[late]]
    by_birth = np.argsort(born.astype(np.int16), kind="stable")
    position = np.empty_like(by_birth)
    position[by_birth] = np.arange(by_birth.size)
    born, parent = born[by_birth], position[parent[by_birth]]
    active = np.searchsorted(born, np.arange(dates), side="right")
    index = np.empty(touched.size, np.int64)
    index[order] = position[np.cumsum(new)]
    weight = np.bincount(index, minlength=born.size).astype(np.float64)
    weight[0] = paths - touched.size
    # Defaults of the chosen paths, the payer's apart.
    size = counts[chosen]
    last = np.cumsum(size)
    which = np.repeat(ends[chosen] - last, size) + np.arange(last[-1] if last.size else 0)
    owner = np.repeat(position[1:], size)
    late_by, column = np.divmod(np.arange(slots * dates), slots)
    code = code[which] - 1
    column, date = column[code], (dates - 1 - late_by)[code]
    entry = np.where(column < obligors, np.maximum(date, born[owner]), dates).astype(np.int16)
    kept = np.argsort(entry, kind="stable")
    entered = np.searchsorted(entry[kept], np.arange(dates), side="right")
    kept = kept[: entered[-1]]
    return Patterns(
        columns=column[kept],
        first=date[kept],
        owner=owner[kept],
        entered=entered,
        payer=np.append(dates, payer[chosen])[by_birth],
        parent=parent,
        active=active,
        weights=_weights(weight, parent, active),
        rows=touched,
        index=index,
    )


def _weights(weight: Array, parent: Ints, active: Ints) -> list[Array]:
    """Paths on which each pattern stands for what has happened, date by date."""
    out = []
    for count, before in zip(active[::-1].tolist(), [*active[-2::-1].tolist(), 1], strict=True):
        out.append(weight)
        weight = weight[:before] + np.bincount(parent[before:count], weight[before:count], before)
    return out[::-1]


# ----------------------------------------------------------------------------------- payments


@dataclass(slots=True, eq=False)
class Tally:
    """Sums over the paths of one block."""

    first_short: Array  # (k, n)
    loss_bins: Array  # (k, LOSS_BINS + 1)
    breach: Array  # (c, n)
    first_breach: Array  # (c, n)
    trigger: Array  # (3, n)
    collections: Array  # (n,)
    support: Array  # (n,)
    paid: Array  # (k, n)
    sums: Array  # (q,)
    groups: Array  # (groups, q)
    waterfalls: int


def pool_key(plan: Stressed) -> bytes:
    """Mark of all that default patterns and the state of the pool depend on: equal marks, equal states."""
    deal, pool, terms = plan.deal, plan.deal.pool, plan.deal.terms
    mark = hashlib.blake2b(digest_size=20)
    given = (pool.schedule, plan.obligor_pd, pool.recovery, pool.lag, pool.correlation, terms.times)
    optional = (pool.interest, pool.balance, pool.claim, plan.row_purchases, plan.clock)
    for figure in (*given, *optional):
        mark.update(b"-" if figure is None else np.ascontiguousarray(figure).tobytes())
    metrics = sorted({c.metric for c in deal.covenants})
    payer = (deal.controls.support, deal.controls.support_pd, terms.support_correlation)
    copula = (terms.copula, terms.degrees_of_freedom, terms.industry_correlation, pool.industry)
    other = (plan.repurchase_share, plan.defaulted, plan.needs_balance, terms.accounts)
    mark.update(repr((metrics, payer, copula, other)).encode())
    return mark.digest()


class PoolEngine:
    """The pool of one or more plans, ready to turn default patterns into what it does on each date."""

    def __init__(self, plan: Stressed) -> None:
        deal, pool = plan.deal, plan.deal.pool
        self.plan = plan
        self.model = DefaultModel(plan)
        self.times = deal.terms.times
        self.n = self.times.size
        self.support = deal.controls.support
        self.schedule = pool.schedule
        self.claim, self.claimed = plan.claim, plan.claimed
        self.running = pool.claim is None  # what is claimed falls by what is scheduled
        self.balance = pool.balance if plan.needs_balance else None
        self.outstanding = plan.row_outstanding if plan.tests_outstanding else None
        self.interest = pool.interest if deal.terms.accounts == "two" else None
        self.arrival = arrival_date(self.times, pool.lag[:, None])
        self.base = plan.collections
        metrics = {c.metric for c in deal.covenants}
        self.needs_ratio = "cumulative default ratio" in metrics
        self.needs_share = "largest obligor share" in metrics
        self.ratio, _ = planned_state(plan)
        self.performing = self.claim[plan.performing].sum(axis=0)
        self.dust = DUST * self.claimed
        self.by_size = np.argsort(-self.claim, axis=0, kind="stable")
        level = (np.diff(pool.schedule, axis=1) == 0.0).all(axis=0)
        self.level = np.concatenate([[False], level])  # date k pays what date k - 1 paid

    def pool_state(self, patterns: Patterns) -> PoolState:
        """Collections and tests' inputs of every pattern, dates in rows.

        Date by date, defaults that enter are added to what is lost; the others only matter
        where the schedule changes. So the cost does not grow with defaults times dates.
        """
        n, size, share = self.n, patterns.parent.size, self.plan.repurchase_share
        columns, first, owner = patterns.columns, patterns.first, patterns.owner
        claimed = self.claim[columns, first]
        arrival = self.arrival[columns, first]
        back = np.flatnonzero(arrival < n)
        recovered = (1.0 - share) * self.plan.deal.pool.recovery[columns[back]] * claimed[back]
        arrived = np.bincount(arrival[back] * size + owner[back], recovered, n * size)
        cash: Array = np.asarray(arrived, np.float64).reshape(n, size)
        cash += self.base[:, None]
        state = PoolState(cash, active=patterns.active, parent=patterns.parent)
        if self.needs_ratio:
            state.default_ratio = np.empty((n, size))
        if self.needs_share:
            state.largest_share = np.empty((n, size))
            # Date of default of every obligor in every pattern.
            when = np.full((len(self.schedule), size), n, np.int16)
            when[columns, owner] = first
            if self.plan.defaulted is not None:
                when[self.plan.defaulted] = 0
        total = self.claimed or 1.0
        lost, ratio, gone = np.zeros(size), np.zeros(size), np.zeros(size)
        start = 0
        for k, end in enumerate(patterns.entered.tolist()):
            active = int(patterns.active[k])
            new = slice(start, end)
            if state.largest_share is not None:
                if self.running:
                    gone[:active] += (
                        np.bincount(owner[new], self.claim[columns[new], k], active) - lost[:active]
                    )
                else:
                    gone[:active] = np.bincount(owner[:end], self.claim[columns[:end], k], active)
                self._largest_share(k, when[:, :active], gone[:active], state.largest_share[k, :active])
            if self.level[k]:
                lost[:active] += np.bincount(owner[new], self.schedule[columns[new], k], active)
            else:
                lost[:active] = np.bincount(owner[:end], self.schedule[columns[:end], k], active)
            cash[k, :active] -= (1.0 - share) * lost[:active]
            if state.default_ratio is not None:
                ratio[:active] += np.bincount(owner[new], claimed[new] / total, active)
                np.add(ratio[:active], self.ratio[k], out=state.default_ratio[k, :active])
            start = end
        # Sums of what is lost may pass what there was by rounding.
        np.maximum(cash, 0.0, out=cash)
        if self.balance is not None:
            state.balance = self._performing(self.plan.balance, self.balance, patterns)
        if self.outstanding is not None:
            state.outstanding = self._performing(self.plan.outstanding, self.outstanding, patterns)
        if self.interest is not None:
            interest = self.plan.collections - self.plan.principal
            state.principal = cash - self._performing(interest, (1.0 - share) * self.interest, patterns)
        if self.plan.row_purchases is not None and self.plan.purchases is not None:
            state.purchases = self._performing(self.plan.purchases, self.plan.row_purchases, patterns)
        if self.support:
            state.support_alive = np.arange(n)[:, None] < patterns.payer
        return state

    def _performing(self, planned: Array, each: Array, patterns: Patterns) -> Array:
        """Planned figure of the pool less that of the obligors in default, dates in rows."""
        columns, owner = patterns.columns, patterns.owner
        out = np.empty((self.n, patterns.parent.size))
        for k, end in enumerate(patterns.entered.tolist()):
            active = int(patterns.active[k])
            out[k, :active] = planned[k] - np.bincount(owner[:end], each[columns[:end], k], active)
        # What is left of a sum by rounding is no claim.
        out[out < DUST * max(float(planned.max()), 0.0)] = 0.0
        return out

    def _largest_share(self, k: int, when: npt.NDArray[np.int16], gone: Array, share: Array) -> None:
        """Write the share of the largest performing obligor in what performing obligors owe on date k."""
        # The largest that performs is found by going down the list until everyone has one.
        largest = np.empty(gone.size)
        waiting: slice | Ints = slice(None)
        for obligor in self.by_size[:, k]:
            largest[waiting] = self.claim[obligor, k]
            gone_too = np.flatnonzero(when[obligor, waiting] <= k)
            waiting = gone_too if isinstance(waiting, slice) else waiting[gone_too]
            if not waiting.size:
                break
        largest[waiting] = 0.0
        left = self.performing[k] - gone
        # Where little is left, the difference has lost its digits.
        little = np.flatnonzero(left < 1e-3 * self.performing[k])
        left[little] = np.where(when[:, little] > k, self.claim[:, k, None], 0.0).sum(axis=0)
        share.fill(np.nan)
        np.divide(largest, left, out=share, where=left > self.dust)


class PlanEngine:
    """One plan, ready to turn the state of its pool into what every tranche gets."""

    def __init__(self, plan: Stressed, pool: PoolEngine, volatility: float, drift: float) -> None:
        deal = plan.deal
        self.plan, self.pool, self.volatility, self.drift = plan, pool, volatility, drift
        self.times, self.n = pool.times, pool.n
        self.planned = float(pool.base.sum())
        self.amount = np.array([t.amount for t in deal.tranches])
        self.maturity = np.array([deal.legal_final(t) for t in deal.tranches])

    def run(self, patterns: Patterns, state: PoolState, layout: Layout, block: int) -> Tally:
        """Pay every pattern through the waterfall and add up over the paths of the block."""
        n, k, parent = self.n, self.amount.size, patterns.parent
        weight, covenants = patterns.weights[-1], len(self.plan.deal.covenants)
        floor = TOLERANCE * self.amount[:, None]
        served = np.ones((k, 1), np.bool_)
        defaulted = np.zeros((k, 1), np.bool_)
        dated = np.zeros((k, 1))
        balance = np.zeros((k, 1))
        collected = np.zeros(1)
        never = np.ones((covenants, 1), np.bool_)
        together = self.plan.default_point == "all"
        tally = Tally(
            first_short=np.zeros((k, n)),
            loss_bins=np.zeros((k, LOSS_BINS + 1)),
            breach=np.zeros((covenants, n)),
            first_breach=np.zeros((covenants, n)),
            trigger=np.zeros((3, n)),
            collections=np.zeros(n),
            support=np.zeros(n),
            paid=np.zeros((k, n)),
            sums=np.zeros(0),
            groups=np.zeros(0),
            waterfalls=parent.size,
        )
        for date, p in enumerate(payments(self.plan, state, self.volatility, self.drift)):
            weight, like = patterns.weights[date], parent[: patterns.active[date]]
            served, defaulted = grown(served, like), grown(defaulted, like)
            dated, never = grown(dated, like), grown(never, like)
            defaulted = np.asarray(defaulted | (p.interest_missed > floor))
            short = p.missed > floor
            if short.any():
                if together:
                    short = np.repeat(short.any(axis=0, keepdims=True), k, axis=0)
                tally.first_short[:, date] = _over_paths(short & served, weight)
                served = np.asarray(served & ~short)
            at_maturity = np.asarray(self.maturity == date)
            if at_maturity.any():
                defaulted |= at_maturity[:, None] & (p.balance > floor)
            dated = dated + self.times[date] * p.principal_paid
            balance = p.balance
            came_in = state.collections[date, : weight.size]
            tally.collections[date] = _over_paths(came_in, weight)
            collected = grown(collected, like) + came_in
            tally.support[date] = _over_paths(p.support_drawn, weight)
            tally.paid[:, date] = _over_paths(p.interest_paid + p.principal_paid, weight)
            tally.trigger[:, date] = np.bincount(p.trigger, weight, 3)
            for c, bad in enumerate(p.breaches):
                if bad.any():
                    tally.breach[c, date] = _over_paths(bad, weight)
                    tally.first_breach[c, date] = _over_paths(bad & never[c], weight)
                    never[c] &= ~bad
        if together:
            defaulted = np.repeat(defaulted.any(axis=0, keepdims=True), k, axis=0)
        loss = balance / self.amount[:, None]
        bins = np.ceil(np.minimum(loss, 1.0) * LOSS_BINS - 1e-9).astype(np.int64)
        for i in range(k):
            tally.loss_bins[i] = np.bincount(np.maximum(bins[i], 0), weight, LOSS_BINS + 1)
        total = collected / (self.planned or 1.0)
        values = np.concatenate(
            [defaulted, ~served, loss, dated / self.amount[:, None], total[None], total[None] ** 2]
        )
        tally.sums = _over_paths(values, weight)
        tally.groups = _group_sums(values, patterns, layout, block)
        return tally


def _over_paths(values: npt.NDArray[Any], weight: Array) -> Array:
    """Sum over paths in the last axis; not by BLAS, whose digits depend on its threads."""
    return np.asarray(np.einsum("...u,u->...", values, weight, dtype=np.float64))


def _group_sums(values: Array, patterns: Patterns, layout: Layout, block: int) -> Array:
    """Means of each value over the groups of paths of the block, shape (groups, q)."""
    sizes = layout.group_sizes(block)
    sums = np.zeros((sizes.size, len(values)))
    # Rows are increasing, so the paths of a group stand together.
    group = patterns.rows // layout.group
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    for column, row in enumerate(values - values[:, :1]):
        if row.any():
            sums[group[starts], column] = np.add.reduceat(row.take(patterns.index), starts)
    return np.asarray(sums / sizes[:, None] + values[:, 0])


def group_error(groups: Array, sizes: Array) -> Array:
    """Standard error of the mean over all paths, from the means of independent groups.

    ``sqrt[G/(G - 1) sum w_g^2 (x_g - xbar)^2]``, w_g the share of the paths in group g; for
    equal groups the usual ``sd/sqrt(G)``.

    Parameters
    ----------
    groups : ndarray, shape (G,) or (G, q)
    sizes : ndarray, shape (G,)
        Paths of each group.

    Returns
    -------
    ndarray, shape () or (q,)
    """
    w = sizes / sizes.sum()
    x = groups - groups[0]  # equal groups have no error, not one of rounding
    spread = np.einsum("g,g...->...", w**2, (x - np.einsum("g,g...->...", w, x)) ** 2)
    return np.asarray(np.sqrt(spread * w.size / (w.size - 1)))


def run_blocks(engines: Sequence[PlanEngine], layout: Layout, blocks: Iterable[int]) -> Iterator[list[Tally]]:
    """Simulate the plans block by block; plans see the same random numbers.

    Plans of one pool share its default patterns and its state, which go before the next pool comes.
    """
    shared: dict[int, list[int]] = {}
    for place, engine in enumerate(engines):
        shared.setdefault(id(engine.pool), []).append(place)
    for block in blocks:
        draws = draw(layout, block)
        found: dict[int, Tally] = {}
        for places in shared.values():
            pool = engines[places[0]].pool
            patterns = _patterns(pool, draws, layout)
            state = pool.pool_state(patterns)
            for place in places:
                found[place] = engines[place].run(patterns, state, layout, block)
        yield [found[place] for place in range(len(engines))]


def _patterns(pool: PoolEngine, draws: Draws, layout: Layout) -> Patterns:
    """Find the different default patterns of a block.

    Parameters
    ----------
    pool : PoolEngine
    draws : Draws
    layout : Layout

    Returns
    -------
    Patterns
    """
    paths = draws.common.size
    payer = pool.model.payer_default(draws) if pool.support else np.full(paths, pool.n, np.int64)
    defaults = pool.model.obligor_defaults(draws)
    return find_patterns(paths, *defaults, payer, layout.obligors, pool.n)


def _engines(plans: Sequence[Stressed]) -> list[PlanEngine]:
    engines = []
    pools: dict[bytes, PoolEngine] = {}
    moments: dict[tuple[object, ...], tuple[float, float]] = {}
    for plan in plans:
        key = pool_key(plan)
        if key not in pools:
            pools[key] = PoolEngine(plan)
        lognormal = (0.0, 0.0)
        if any(c.metric == "senior DD" for c in plan.deal.covenants):
            terms = plan.deal.terms
            given = (terms.volatility_source, terms.volatility, terms.drift)
            stretched = (key, plan.volatility_multiplier, *given)
            if stretched not in moments:
                moments[stretched] = pool_lognormal(plan)
            lognormal = moments[stretched]
        engines.append(PlanEngine(plan, pools[key], *lognormal))
    return engines


def _run_task(plans: Sequence[Stressed], layout: Layout, first: int, last: int) -> list[list[Tally]]:
    return list(run_blocks(_engines(plans), layout, range(first, last)))


# ------------------------------------------------------------------------------------- the run


def simulate(
    deal: Deal,
    stress: Stress | None = None,
    *,
    paths: int | None = None,
    seed: int | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Simulation:
    """Simulate a deal, under a stress if one is given.

    Parameters
    ----------
    deal : Deal
    stress : Stress, optional
    paths, seed : int, optional
        In place of those of the terms.
    executor : Executor, optional
        Runs the blocks in other processes or on other machines; in this process when left
        out. The result is the same, bit for bit.
    progress : callable, optional
        Called as ``progress(paths done, paths in all)`` between blocks; an exception that it
        raises, KeyboardInterrupt too, ends the run.

    Returns
    -------
    Simulation
    """
    plan = apply(deal, stress or BASE)
    return simulate_plans([plan], paths=paths, seed=seed, executor=executor, progress=progress)[0]


def simulate_plans(
    plans: Sequence[Stressed],
    *,
    paths: int | None = None,
    seed: int | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
    blocks_per_task: int | None = None,
) -> tuple[Simulation, ...]:
    """Simulate several versions of one deal on the same random numbers.

    Parameters
    ----------
    plans : sequence of Stressed
        Of one pool: same obligors, copula and dates.
    paths, seed, executor, progress
        As in :func:`simulate`.
    blocks_per_task : int, optional
        Blocks handed to the executor at a time.

    Returns
    -------
    tuple of Simulation
        In the order of the plans.

    Raises
    ------
    InputError, DomainError
        When the plans do not belong together, or there are less than 100 paths.
    """
    if not plans:
        return ()
    terms = plans[0].deal.terms
    count = terms.paths if paths is None else int(paths)
    start = terms.seed if seed is None else int(seed)
    if count < 100:
        raise DomainError("paths", "must be at least 100", count)
    if start < 0:
        raise DomainError("seed", "must be >= 0", start)
    plans = [separate(plan) for plan in plans]
    layout = _layout(plans[0], count, start)
    if any(_layout(plan, count, start) != layout for plan in plans):
        raise InputError("plans", "must have the same obligors and copula")
    sums: list[_Sum] = [_Sum() for _ in plans]
    for done, tallies in enumerate(_in_order(plans, layout, executor, blocks_per_task), 1):
        for total, tally in zip(sums, tallies, strict=True):
            total.add(tally)
        if progress is not None:
            progress(min(done * layout.block, count), count)
    return tuple(_result(plan, layout, total) for plan, total in zip(plans, sums, strict=True))


def _in_order(
    plans: Sequence[Stressed], layout: Layout, executor: Executor | None, blocks_per_task: int | None
) -> Iterator[list[Tally]]:
    """Tallies of all blocks, in the order of the blocks whoever computes them."""
    if executor is None:
        yield from run_blocks(_engines(plans), layout, range(layout.blocks))
        return
    step = blocks_per_task or max(1, -(-layout.blocks // 32))
    futures = [
        executor.submit(_run_task, tuple(plans), layout, first, min(first + step, layout.blocks))
        for first in range(0, layout.blocks, step)
    ]
    futures.reverse()
    try:
        while futures:
            yield from futures.pop().result()
    finally:
        for future in futures:
            future.cancel()


@dataclass(slots=True, eq=False)
class _Sum:
    """Tallies added up in the order of the blocks."""

    tally: Tally | None = None
    groups: list[Array] = field(default_factory=list)

    def add(self, tally: Tally) -> None:
        self.groups.append(tally.groups)
        if self.tally is None:
            self.tally = tally
            return
        for name in Tally.__dataclass_fields__:
            if name != "groups":
                setattr(self.tally, name, getattr(self.tally, name) + getattr(tally, name))


def _result(plan: Stressed, layout: Layout, total: _Sum) -> Simulation:
    tally = total.tally
    assert tally is not None
    paths, k = layout.paths, len(plan.deal.tranches)
    mean = tally.sums / paths
    groups = np.concatenate(total.groups)

    sizes = np.concatenate([layout.group_sizes(block) for block in range(layout.blocks)])

    def error(of_groups: Array) -> float:
        return float(group_error(of_groups, sizes))

    errors = [error(groups[:, q]) for q in range(3 * k)]
    tranches = []
    for i, tranche in enumerate(plan.deal.tranches):
        repaid = 1.0 - mean[2 * k + i]
        wal = mean[3 * k + i] / repaid if repaid > 0.0 else np.nan
        wal_error = (
            error(groups[:, 3 * k + i] + wal * groups[:, 2 * k + i]) / repaid if repaid > 0.0 else np.nan
        )
        tranches.append(
            TrancheRisk(
                name=tranche.name,
                pd=float(mean[i]),
                pd_error=errors[i],
                anydate_pd=float(mean[k + i]),
                anydate_pd_error=errors[k + i],
                expected_loss=float(mean[2 * k + i]),
                expected_loss_error=errors[2 * k + i],
                wal=float(wal),
                wal_error=float(wal_error),
                first_short=tally.first_short[i] / paths,
                loss_probability=tally.loss_bins[i] / paths,
                expected_paid=tally.paid[i] / paths,
            )
        )
    # sigma = sqrt[ln(m2/m1^2)/T], mu = ln(m1)/T, errors by their derivatives.
    first, second = float(mean[4 * k]), float(mean[4 * k + 1])
    horizon = float(plan.deal.terms.times[-1])
    sigma = drift = sigma_error = drift_error = np.nan
    if first > 0.0:
        sigma = float(np.sqrt(max(np.log(second / first**2), 0.0) / horizon))
        drift, drift_error = np.log(first) / horizon, error(groups[:, 4 * k]) / (first * horizon)
        slope = groups[:, 4 * k + 1] / second - 2.0 * groups[:, 4 * k] / first
        sigma_error = error(slope) / (2.0 * sigma * horizon) if sigma > 0.0 else 0.0
    return Simulation(
        paths=paths,
        seed=layout.seed,
        tranches=tuple(tranches),
        volatility=sigma,
        volatility_error=sigma_error,
        drift=float(drift),
        drift_error=float(drift_error),
        expected_collections=tally.collections / paths,
        expected_support=tally.support / paths,
        breach=tally.breach / paths,
        anydate_breach=np.cumsum(tally.first_breach, axis=1) / paths,
        trigger=tally.trigger / paths,
        waterfalls=tally.waterfalls,
        replicates=groups[:, : 3 * k],
        replicate_paths=sizes,
    )


@contextlib.contextmanager
def dask_executor(address: str, timeout: float = 5.0) -> Iterator[Executor]:
    """Run blocks on the workers of a Dask scheduler.

    A worker that dies loses nothing: the scheduler gives its blocks to the others.

    Parameters
    ----------
    address : str
        Of the scheduler, such as "tcp://10.0.0.1:8786".
    timeout : float
        Seconds to wait for the scheduler.

    Yields
    ------
    Executor
        For the `executor` argument of :func:`simulate`.

    Raises
    ------
    HostError
        When the scheduler cannot be reached, or Dask is not installed.
    """
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError:
        raise HostError("Dask is not installed: pip install xlkmv[dask]") from None
    try:
        client = distributed.Client(address, timeout=timeout, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise HostError(f"the Dask scheduler {address} cannot be reached ({error})") from None
    try:
        yield client.get_executor(pure=False, retries=3)
    finally:
        client.close()
