"""The run: block after block through draws, defaults, patterns, cash and payments, whoever computes it."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from xlkmv.deal.paths.cash import PoolEngine, patterns_of, pool_key
from xlkmv.deal.paths.draws import Layout, draw, layout_of
from xlkmv.deal.paths.tally import LOSS_BINS, PlanEngine, Tally, group_error, plan_key
from xlkmv.deal.plan.stressed import Stressed, pool_lognormal, separate
from xlkmv.deal.stress import BASE, Stress, apply
from xlkmv.deal.terms import Deal
from xlkmv.errors import DomainError, HostError, InputError
from xlkmv.model.domain import Array

__all__ = ["Executor", "Progress", "Simulation", "TrancheRisk", "dask_executor", "simulate", "simulate_plans"]

Progress = Callable[[int, int], object]


class Executor(Protocol):
    """What runs blocks elsewhere: ``concurrent.futures`` executors, or :func:`dask_executor`."""

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Any:
        """Start ``fn(*args)`` and return its future."""


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
            patterns = patterns_of(pool, draws, layout)
            state = pool.pool_state(patterns)
            for place in places:
                found[place] = engines[place].run(patterns, state, layout, block)
        yield [found[place] for place in range(len(engines))]


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
    layout = layout_of(plans[0], count, start)
    if any(layout_of(plan, count, start) != layout for plan in plans):
        raise InputError("plans", "must have the same obligors and copula")
    # Conditions and sets of controls that come to the same plan are simulated once.
    keys = [plan_key(plan) for plan in plans]
    different = dict(zip(keys, plans, strict=True))
    sums: list[_Sum] = [_Sum() for _ in different]
    for done, tallies in enumerate(_in_order([*different.values()], layout, executor, blocks_per_task), 1):
        for total, tally in zip(sums, tallies, strict=True):
            total.add(tally)
        if progress is not None:
            progress(min(done * layout.block, count), count)
    found = dict(zip(different, sums, strict=True))
    return tuple(_result(plan, layout, found[key]) for plan, key in zip(plans, keys, strict=True))


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
