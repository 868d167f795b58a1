"""The run: block after block through draws, defaults, patterns, cash and payments, whoever computes it."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import numpy as np

from xlkmv.deal.paths.cash import PoolEngine, Sums, matter_until, pool_key, with_shared
from xlkmv.deal.paths.defaults import DefaultModel, default_key
from xlkmv.deal.paths.draws import CROWDED, Ints, Layout, draw, layout_of
from xlkmv.deal.paths.executors import Executor, Handle, awaited, held, shared, unheard
from xlkmv.deal.paths.importance import DEAD, tilt_of, tilted
from xlkmv.deal.paths.patterns import Patterns, all_paths, find_patterns, joined
from xlkmv.deal.paths.sampling import PILOT, SMALLEST_THINNED, Sample, sampled, severe, telling
from xlkmv.deal.paths.tally import (
    LOSS_BINS,
    MOST_TOGETHER,
    Outcome,
    PlanEngine,
    Tally,
    group_error,
    outcomes_together,
    payment_key,
    plan_key,
)
from xlkmv.deal.plan.stressed import Stressed, pool_lognormal, separate
from xlkmv.deal.plan.timing import plan_faults
from xlkmv.deal.plan.waterfall import PoolState
from xlkmv.deal.stress import BASE, Stress, apply
from xlkmv.deal.terms import TERM_RULES, Deal
from xlkmv.deal.terms.faults import raise_first
from xlkmv.kinds import altered
from xlkmv.model.domain import Array, Rule, check_number
from xlkmv.shown import Shown

__all__ = [
    "ENOUGH",
    "Measured",
    "Progress",
    "Run",
    "Simulation",
    "TallySum",
    "TrancheMeasures",
    "TrancheRisk",
    "Wanted",
    "measured_of",
    "patterns_of",
    "pays_for_processes",
    "pool_states",
    "result_of",
    "simulate",
    "simulate_stresses",
    "steps_are_quick",
]

Progress = Callable[[int, int], object]
SEED = Rule("must be >= 0 and below 2^128", 0.0, 2.0**128, high_open=True)
Tick = Callable[[float], object]
# What a pool does on the patterns of a bundle.
_Held = tuple[PoolEngine, Patterns, PoolState]

# Paths that are short from which on a share of them is a figure: its standard error is then a third of it
# at most (1/sqrt(10)).
ENOUGH = 10
# Paths times dates that are held for plans to be paid together, at most.
MOST_HELD = 1 << 22
# A pilot run pays where there are as many times its paths; its own numbers have this part of the seed.
PILOT_PAYS, ANOTHER_SEED = 8, 1 << 127
# Less (paths times obligors times dates) is done before other processes have started.
FEWEST_FIGURES = 10_000_000
# Of a pool of more obligors times dates a step takes too long for who has to answer Esc meanwhile.
QUICK_STEPS = 1 << 14


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TrancheMeasures(Shown):
    """What a tranche is judged by; probabilities are decimals.

    Attributes
    ----------
    name : str
    pd, pd_error : float
        Probability that interest is missed on a date or principal at the legal maturity,
        and its standard error.
    anydate_pd, anydate_pd_error : float
        Probability that anything due by schedule is missed on at least one date.
    effective_paths : int
        How many paths, each for itself, would tell as much of `anydate_pd` as those that were paid: all, or
        fewer where some stand for others. By the number that those on which the class is short stand for,
        on average; where none is, the most that any stands for.
    expected_loss, expected_loss_error : float
        Principal never repaid, as a share of the tranche.
    """

    name: str
    pd: float
    pd_error: float
    anydate_pd: float
    anydate_pd_error: float
    effective_paths: int
    expected_loss: float
    expected_loss_error: float


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TrancheRisk(TrancheMeasures):
    """What the simulation says of one tranche; probabilities are decimals.

    Attributes
    ----------
    name, pd, pd_error, anydate_pd, anydate_pd_error, effective_paths, expected_loss, expected_loss_error
        As in :class:`TrancheMeasures`.
    wal, wal_error : float
        Weighted average life of the principal that is repaid, years.
    first_short : ndarray, shape (n,)
        Probability that the date is the first on which something due is missed.
    loss_probability : ndarray, shape (LOSS_BINS + 1,)
        Of no loss, then of a loss in each bin of 1/LOSS_BINS of the tranche.
    expected_paid : ndarray, shape (n,)
        Expected interest and principal paid on each date, money.
    """

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


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Measured(Shown):
    """Measures of every tranche of one plan, simulated.

    Attributes
    ----------
    paths, seed : int
    tranches : tuple of TrancheMeasures
    waterfalls : int
        Patterns that ran through the waterfall, summed over blocks: paths, where nearly all differ;
        fewer, or none, where some stand for others or the outcome follows from that of another plan.
    replicates : ndarray, shape (groups, 3 k)
        Means over independent groups of paths of default, any shortfall and loss, tranche
        after tranche: two runs with one seed can be compared group by group.
    replicate_paths : ndarray, shape (groups,)
        Paths of each group.
    """

    paths: int
    seed: int
    tranches: tuple[TrancheMeasures, ...]
    waterfalls: int
    replicates: Array
    replicate_paths: Array


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Simulation(Measured):
    """Result of simulating one plan.

    Attributes
    ----------
    paths, seed, waterfalls, replicates, replicate_paths
        As in :class:`Measured`.
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
    """

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


@dataclass(frozen=True, slots=True)
class Wanted:
    """Stresses that are simulated whole, and those of which the measures of each class will do."""

    whole: tuple[Stress, ...] = ()
    brief: tuple[Stress, ...] = ()


class Engines:
    """Plans of one deal, ready to run: equal pools are one, and pools with equal defaults share them.

    The first `whole` of them are asked for everything, the others for their measures only. `spared`: whether
    defaults of obligors that owe nothing any more are not looked for; they change nothing.
    """

    def __init__(self, plans: Sequence[Stressed], whole: int, spared: bool = False) -> None:
        self.plans: list[PlanEngine] = []
        models: dict[bytes, DefaultModel] = {}
        pools: dict[bytes, PoolEngine] = {}
        moments: dict[tuple[object, ...], tuple[float, float]] = {}
        claims: dict[int, Array] = {}  # of schedules, which are one where they are equal

        def claimed(plan: Stressed) -> Array:
            pool = plan.deal.pool
            if pool.claim is not None:
                return pool.claim
            if id(pool.schedule) not in claims:
                claims[id(pool.schedule)] = np.ascontiguousarray(pool.owed)
            return claims[id(pool.schedule)]

        keys = [(default_key(plan), pool_key(plan)) for plan in plans]
        matters: dict[bytes, Ints] = {}
        if spared:
            # Pools with the same defaults have all that one of them asks for.
            for (alike, _), plan in dict(zip(keys, plans, strict=True)).items():
                dates = matter_until(plan, claimed(plan))
                matters[alike] = np.maximum(dates, matters.get(alike, dates))
        for place, plan in enumerate(plans):
            alike, key = keys[place]
            if alike not in models:
                models[alike] = DefaultModel(plan, matters.get(alike))
            if key not in pools:
                pools[key] = PoolEngine(plan, models[alike], claimed(plan))
            lognormal = (0.0, 0.0)
            tested = plan.deal.covenants if place < whole else plan.deal.acting
            if any(c.metric == "senior DD" for c in tested):
                terms = plan.deal.terms
                given = (terms.volatility_source, terms.volatility, terms.drift)
                stretched = (key, plan.volatility_multiplier, *given)
                if stretched not in moments:
                    moments[stretched] = pool_lognormal(plan)
                lognormal = moments[stretched]
            self.plans.append(PlanEngine(plan, pools[key], *lognormal, brief=place >= whole))
        # Pools with the same defaults stand together, so that these need not be kept.
        for pool in pools.values():
            pool.costs = self.plans[0].pool.costs
        self._order: dict[int, int] = {id(model): at for at, model in enumerate(models.values())}
        self.pools: list[PoolEngine] = sorted(pools.values(), key=self._place)
        self.leader: dict[int, int] = _leaders(plans, whole)
        self.led: set[int] = set(self.leader.values())
        self.of_pool: dict[int, list[int]] = {}
        # Plans by whose outcome others follow come first.
        for place in sorted(range(len(plans)), key=lambda place: place in self.leader):
            self.of_pool.setdefault(id(self.plans[place].pool), []).append(place)

    def look_ahead(self, layout: Layout, tick: Tick) -> None:
        """Find out on a few other paths which ones matter to plans of which the measures will do."""
        pilot = replace(layout, paths=PILOT, seed=layout.seed ^ ANOTHER_SEED, piloted=False)
        # Of pools whose plans are asked for everything the state of all paths is there.
        whole = {id(plan.pool) for plan in self.plans if not plan.brief}
        severity: dict[int, list[Array]] = collections.defaultdict(list)
        fares: dict[int, list[Array]] = collections.defaultdict(list)
        sums: Sums | None = None
        for block in range(pilot.blocks):
            for same, patterns in patterns_of(self.pools, pilot, block):
                defaults = patterns.path, patterns.columns, patterns.first
                if sums is None or not sums.hold_for(patterns):
                    sums = Sums(patterns)
                lost = same[0].severity(defaults, pilot.size(block))
                for pool in same:
                    state = pool.pool_state(patterns, sums)
                    severity[id(pool)].append(state.severity if id(pool) in whole else lost)
                    for place in self.of_pool[id(pool)]:
                        tick(0.0)
                        plan = self.plans[place]
                        if plan.brief and place not in self.leader:
                            fares[place].append(plan.outcome(patterns.without_defaults(), state).values)
        for pool in self.pools:
            lost = np.concatenate(severity[id(pool)])
            told = [place for place in self.of_pool[id(pool)] if place in fares]
            each = [np.concatenate(fares[place], axis=1) for place in told]
            if id(pool) not in whole:
                pool.kept = telling(lost, each, layout.group)
                continue
            for place, of_plan in zip(told, each, strict=True):
                self.plans[place].kept = telling(lost, [of_plan], layout.group)
        self.pools.sort(key=self._place)

    def _place(self, pool: PoolEngine) -> tuple[object, ...]:
        """Place of a pool in the run: those that have the same patterns stand together."""
        return self._order[id(pool.model)], pool.kept is not None, pool.support, pool.drawn

    def run(self, layout: Layout, bundle: int, tick: Tick) -> list[Tally]:
        """Simulate the blocks of a bundle; all plans see the same random numbers.

        Parameters
        ----------
        layout : Layout
        bundle : int
        tick : callable
            Called as ``tick(share done)``; what it raises ends the run.

        Returns
        -------
        list of Tally
            In the order of the plans.
        """
        tallies: dict[int, Tally] = {}
        steps, done = len(layout.bundled(bundle)) * len(self.pools) + len(self.plans), 0

        def step() -> None:
            nonlocal done
            done += 1
            tick(done / steps)

        held: list[_Held] = []
        for each in pool_states(self.pools, layout, bundle, step):
            held.append(each)
            del each
            # One pool at a time, unless they are so small that plans of several are paid together.
            figures = sum(state.collections.size for _, _, state in held)
            if figures > MOST_HELD or not _few(held[-1][1], layout):
                tallies |= self._pay(held, layout, bundle, step)
                held = []
        tallies |= self._pay(held, layout, bundle, step)
        return [tallies[place] for place in range(len(self.plans))]

    def _pay(
        self, held: Sequence[_Held], layout: Layout, bundle: int, step: Callable[[], object]
    ) -> dict[int, Tally]:
        """Pay the plans of some pools, those by whose outcome others follow first."""
        tallies: dict[int, Tally] = {}
        led: dict[int, tuple[Outcome, Patterns, PoolState]] = {}
        for following in (False, True):
            for place, tally, outcome, patterns, state in self._paid(held, following, led, layout, bundle):
                tallies[place] = tally
                if place in self.led:
                    led[place] = outcome, patterns, state
                step()
        return tallies

    def _paid(
        self,
        held: Sequence[_Held],
        following: bool,
        led: dict[int, tuple[Outcome, Patterns, PoolState]],
        layout: Layout,
        bundle: int,
    ) -> Iterator[tuple[int, Tally, Outcome, Patterns, PoolState]]:
        """Yield the plans that follow others, or those that do not, with what they were paid on."""
        alike: dict[bytes, list[tuple[int, Patterns, PoolState]]] = {}
        for pool, patterns, state in held:
            for place in self.of_pool[id(pool)]:
                if (place in self.leader) is not following:
                    continue
                plan, known = self.plans[place], None
                paid, on = patterns, state
                if following:
                    leader = self.leader[place]
                    outcome, paid, on = led[leader]
                    known = self.plans[leader], outcome
                elif plan.kept is not None:
                    rng = np.random.default_rng([layout.seed, bundle])
                    sample = sampled(state.severity, layout.group, plan.kept, rng)
                    paid, on = patterns.sampled(sample), state.picked(sample[0])
                if plan.brief and _few(paid, layout) and (known is None or plan.differs(*known)):
                    alike.setdefault(plan.key, []).append((place, paid, on))
                else:
                    tally, outcome = plan.run(paid, on, layout, bundle, known)
                    yield place, tally, outcome, paid, on
        for waiting in alike.values():
            parts = [(self.plans[place], paid, on) for place, paid, on in waiting]
            for (place, paid, on), outcome in zip(waiting, outcomes_together(parts), strict=True):
                yield place, self.plans[place].tally(outcome, paid, layout, bundle), outcome, paid, on


def _few(patterns: Patterns, layout: Layout) -> bool:
    """Whether paying these patterns is mostly numpy's overhead."""
    return not layout.crowded and 2 * patterns.parent.size <= MOST_TOGETHER


def _leaders(plans: Sequence[Stressed], whole: int) -> dict[int, int]:
    """Which plan each follows that pays like it but for triggers, and of which the measures will do."""
    groups: dict[bytes, list[int]] = {}
    for place, plan in enumerate(plans):
        groups.setdefault(payment_key(plan), []).append(place)
    leaders: dict[int, int] = {}
    for group in groups.values():
        # A plan with triggers tells on which paths they make a difference.
        first = min(group, key=lambda place: (not plans[place].deal.acting, place))
        leaders |= {place: first for place in group if place != first and place >= whole}
    return leaders


def pool_states(
    pools: Sequence[PoolEngine], layout: Layout, bundle: int, step: Callable[[], object]
) -> Iterator[tuple[PoolEngine, Patterns, PoolState]]:
    """Yield what each pool does on the paths of a bundle, as soon as its last block is there.

    Parameters
    ----------
    pools : sequence of PoolEngine
        Those with the same defaults stand together.
    layout : Layout
    bundle : int
    step : callable
        Called after each block of each pool; what it raises ends the run.

    Yields
    ------
    pool : PoolEngine
    patterns : Patterns
        Without their defaults.
    state : PoolState
    """
    blocks = layout.bundled(bundle)
    parts: dict[tuple[object, ...], list[tuple[int, Patterns]]] = {}
    states: dict[int, list[PoolState]] = {}
    last = {id(pool.model): pool for pool in pools}
    start, sums, full = 0, None, None
    for block in blocks:
        for same, patterns in patterns_of(pools, layout, block):
            like = _like(same[0])
            if sums is None or not sums.hold_for(patterns):
                sums = Sums(patterns, full if patterns.stands is not None else None)
                full = sums if patterns.stands is None else full
            parts.setdefault(like, []).append((start, patterns.without_defaults()))
            whole = joined(parts.pop(like)) if block == blocks[-1] else None
            for pool in same:
                states.setdefault(id(pool), []).append(pool.pool_state(patterns, sums))
                if pool is last[id(pool.model)]:
                    # Before its plans run, or the defaults of another model are found, these go.
                    sums = full = None
                step()
                if whole is not None:
                    # All paths of the pool are there: its plans run, and its state may go.
                    yield pool, whole, PoolState.joined(states.pop(id(pool)))
            del patterns
        start += layout.size(block)


def _like(pool: PoolEngine) -> tuple[object, ...]:
    """Pools of which this is equal have the same patterns."""
    return id(pool.model), id(pool.kept), pool.support, pool.drawn


def patterns_of(
    pools: Sequence[PoolEngine], layout: Layout, block: int
) -> Iterator[tuple[list[PoolEngine], Patterns]]:
    """Find the default patterns of a block, with all pools that have them."""
    draws, paths = draw(layout, block), layout.size(block)
    if layout.tilt:
        draws = tilted(draws, layout, block)
    sample: Sample | None = None
    for model, alike in itertools.groupby(pools, lambda pool: pool.model):
        defaults = [model.obligor_defaults(draws)]
        kinds = [[*same] for _, same in itertools.groupby(alike, _like)]
        all_differ, of_kept, lost = None, None, None
        for same in kinds:
            support, drawn = same[0].support, same[0].drawn
            kept = severe(layout.group) if layout.thin else same[0].kept
            n, obligors = model.times.size, layout.obligors
            payer = model.payer_default(draws) if support else np.full(paths, n, np.int64)
            # Before the last patterns are computed on, the defaults that they are made of may go.
            rows, columns, first = defaults.pop() if same is kinds[-1] else defaults[0]
            weight = draws.weight
            if weight is not None:
                weight = weight * model.payer_weight(draws, payer, DEAD) if support else weight
                weight = weight * (paths / weight.sum())
            if all_differ is not None and of_kept is kept and weight is None:
                # The payer is all in which they differ from those before.
                patterns = replace(all_differ, payer=payer.take(all_differ.rows), returns=None)
            elif not layout.crowded and rows.size <= CROWDED * paths:
                patterns = find_patterns(paths, rows, columns, first, payer, obligors, n, not drawn, weight)
            else:
                if kept is None or layout.group < SMALLEST_THINNED:
                    sample = None
                elif sample is None or not layout.thin:  # one for all pools, or one a pool
                    rng = np.random.default_rng([layout.seed, block])
                    lost = same[0].severity((rows, columns, first), paths) if lost is None else lost
                    sample = sampled(lost, layout.group, kept, rng)
                counted = sample
                if weight is not None:
                    chosen, stands = sample or (np.arange(paths), np.ones(paths))
                    counted = chosen, stands * weight[chosen]
                patterns = all_differ = all_paths(rows, columns, first, payer, obligors, n, counted)
                of_kept = kept
            del rows, columns, first
            if same is kinds[-1]:
                all_differ = None
            if drawn:
                patterns = replace(patterns, returns=model.returns(draws, patterns.path, patterns.columns))
            yield same, patterns
            del patterns


@dataclass(frozen=True, slots=True)
class _Ready:
    """What a run needs where it runs: different plans ready to run, and which of them each stress has."""

    deal: Deal
    wanted: Wanted
    layout: Layout
    engines: Engines
    places: list[int]

    def serves(self, deal: Deal, wanted: Wanted, layout: Layout) -> bool:
        """Whether it is ready for this run."""
        return self.deal is deal and self.wanted == wanted and self.layout == layout


@dataclass(frozen=True, slots=True)
class _Part:
    """Tallies of some bundles, one a different plan; which plan each stress has."""

    places: list[int]
    bundles: list[list[Tally]]


# Kept in a process for its next blocks.
_ready: _Ready | None = None


def _made_ready(deal: Deal, wanted: Wanted, layout: Layout, tick: Tick = unheard) -> _Ready:
    plans, whole, places = _different(deal, wanted, tick)
    # Where paths are grouped by their defaults, the order of the sums would change with the plans of a run.
    engines = Engines(plans, whole, spared=layout.crowded)
    if layout.piloted:
        engines.look_ahead(layout, tick)
    return _Ready(deal, wanted, layout, engines, places)


def _run_task(
    shared_deal: Deal | Handle, wanted: Wanted, layout: Layout, first: int, last: int, tick: Tick
) -> _Part:
    global _ready
    deal: Deal = held(shared_deal)
    ready = _ready
    if ready is None or not ready.serves(deal, wanted, layout):
        ready = _ready = None  # its memory first
        _ready = ready = _made_ready(deal, wanted, layout, tick)
    bundles = [ready.engines.run(layout, bundle, tick) for bundle in range(first, last)]
    return _Part(ready.places, bundles)


def pays_for_processes(deal: Deal) -> bool:
    """Whether all that a refresh asks of a deal takes longer than other processes need to start."""
    return deal.terms.paths * _figures(deal) >= FEWEST_FIGURES


def steps_are_quick(deal: Deal) -> bool:
    """Whether who simulates the deal, on a free processor, can still answer within half a second."""
    return _figures(deal) <= QUICK_STEPS


def _figures(deal: Deal) -> float:
    return float(deal.pool.obligors.sum()) * len(deal.terms.dates)


def _different(deal: Deal, wanted: Wanted, tick: Tick) -> tuple[list[Stressed], int, list[int]]:
    """Plans of the stresses, equal ones once, those wanted whole first; how many these are.

    Then which of the plans each stress has, in the order of the stresses.
    """
    plans: dict[bytes, Stressed] = {}
    tables: dict[float, list[Array]] = {}
    keys, whole = [], 0
    for stress in (*wanted.whole, *wanted.brief):
        tick(0.0)
        plan = with_shared(separate(apply(deal, stress)), tables)
        if not wanted.whole:
            # A test without a consequence is nobody's business: its pool need not know what it looks at. One
            # whose consequence is off stays, so that the plan is like that in which it is on.
            plan = replace(plan, deal=altered(plan.deal, covenants=deal.acting))
        keys.append(plan_key(plan))
        plans.setdefault(keys[-1], plan)
        if len(keys) == len(wanted.whole):
            whole = len(plans)
    places = {key: place for place, key in enumerate(plans)}
    return [*plans.values()], whole, [places[key] for key in keys]


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
        Called as ``progress(paths done, paths in all)``, often; an exception that it raises,
        KeyboardInterrupt too, ends the run.

    Returns
    -------
    Simulation
    """
    stresses = [stress or BASE]
    return simulate_stresses(deal, stresses, paths=paths, seed=seed, executor=executor, progress=progress)[0]


def simulate_stresses(
    deal: Deal,
    stresses: Sequence[Stress],
    *,
    paths: int | None = None,
    seed: int | None = None,
    thin: bool = False,
    executor: Executor | None = None,
    progress: Progress | None = None,
    tasks: int = 256,
) -> tuple[Simulation, ...]:
    """Simulate a deal under several stresses, on the same random numbers.

    Parameters
    ----------
    deal : Deal
    stresses : sequence of Stress
    paths, seed, executor, progress
        As in :func:`simulate`.
    thin : bool
        Of paths on which little is lost, pay only some, which stand for the others; the standard
        errors say what that costs. Pools in which many paths are alike need it not, and have all.
    tasks : int
        Parts into which an executor gets the run, at most.

    Returns
    -------
    tuple of Simulation
        In the order of the stresses.

    Raises
    ------
    InputError, DomainError
        When there are less than 100 paths or more than 10,000,000, the seed is negative or takes more than
        128 bits, or the plan of the deal has a fault.
    """
    raise_first(plan_faults(deal))
    wanted = Wanted(tuple(stresses))
    with Run(deal, wanted, paths=paths, seed=seed, thin=thin, executor=executor, tasks=tasks) as run:
        return run.results(progress)[0]


class Run:
    """A simulation of a deal under some stresses, and of the measures of its classes under others.

    An executor begins at once; without one all is done when the results are wanted. A context: whoever
    leaves it drops what has not begun.

    Parameters
    ----------
    deal : Deal
    wanted : Wanted
    paths, seed, thin, executor, tasks, and what is raised
        As in :func:`simulate_stresses`.
    apart : bool
        Whether the executor gets a run in one part, too, while this process does other things.
    tilt : bool
        Whether paths on which the pool loses much are drawn more often, and count for less
        (:mod:`xlkmv.deal.paths.importance`).
    piloted : bool
        Whether, of plans of which the measures will do, some paths may stand for others, once a pilot run has
        told which ones make a difference (:mod:`xlkmv.deal.paths.sampling`). Pools in which many paths are
        alike need it not, and have all.
    """

    def __init__(
        self,
        deal: Deal,
        wanted: Wanted,
        *,
        paths: int | None = None,
        seed: int | None = None,
        thin: bool = False,
        executor: Executor | None = None,
        tasks: int = 256,
        apart: bool = False,
        tilt: bool = False,
        piloted: bool = False,
    ) -> None:
        terms = deal.terms
        count = int(check_number("paths", terms.paths if paths is None else paths, TERM_RULES["paths"]))
        start = terms.seed if seed is None else seed
        check_number("seed", start, SEED)
        self.deal = deal
        self.wanted = wanted
        self.executor = executor
        self.layout: Layout = layout_of(deal, count, int(start), thin)
        if piloted and self.layout.crowded and count >= PILOT_PAYS * PILOT:
            self.layout = replace(self.layout, piloted=True)
        if tilt:
            self.layout = replace(self.layout, tilt=tilt_of(deal))
        self.waiting: collections.deque[Future[_Part]] = collections.deque()
        bundles = self.layout.bundles if wanted.whole or wanted.brief else 0
        if executor is None or bundles < (1 if apart else 2):
            return
        step, sent = -(-bundles // tasks), shared(executor, deal)
        for first in range(0, bundles, step):
            last = min(first + step, bundles)
            self.waiting.append(executor.submit(_run_task, sent, wanted, self.layout, first, last, unheard))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        global _ready
        for future in self.waiting:
            future.cancel()
        # Where this process has helped.
        if _ready is not None and _ready.serves(self.deal, self.wanted, self.layout):
            _ready = None

    def results(
        self, progress: Progress | None = None
    ) -> tuple[tuple[Simulation, ...], tuple[Measured, ...]]:
        """Finish the run.

        Parameters
        ----------
        progress : callable, optional
            As in :func:`simulate`.

        Returns
        -------
        simulations : tuple of Simulation
            In the order of the stresses that are wanted whole.
        measured : tuple of Measured
            In the order of those of which the measures will do; a Simulation, where one of the whole
            ones is the same plan.
        """
        if not (self.wanted.whole or self.wanted.brief):
            return (), ()
        # Conditions and sets of controls that come to the same plan are simulated once.
        sums: dict[int, TallySum] = collections.defaultdict(TallySum)
        places: list[int] = []
        for part in self._there(progress) if self.waiting else self._here(progress):
            places = part.places
            for place, tally in itertools.chain.from_iterable(map(enumerate, part.bundles)):
                sums[place].add(tally)
        if progress is not None:
            progress(self.layout.paths, self.layout.paths)
        whole = len(self.wanted.whole)
        found = {place: self._found(total) for place, total in sums.items()}
        simulations = [found[place] for place in places[:whole]]
        measured = [found[place] for place in places[whole:]]
        return tuple(x for x in simulations if isinstance(x, Simulation)), tuple(measured)

    def drawn(self) -> tuple[PlanEngine, Patterns, PoolState]:
        """What the pool does on all paths of a run of one plan and one bundle, for who pays them."""
        engines = _made_ready(self.deal, self.wanted, self.layout).engines
        (one,) = engines.plans
        ((_, patterns, state),) = pool_states(engines.pools, self.layout, 0, lambda: None)
        return one, patterns, state

    def measured(self, tally: Tally) -> Measured:
        """Turn the tally of a run of one bundle into the measures of each class."""
        total = TallySum()
        total.add(tally)
        return self._found(total)

    def _found(self, total: TallySum) -> Measured:
        with_flows = total.tally is not None and total.tally.flows is not None
        return (result_of if with_flows else measured_of)(self.deal, self.layout, total)

    def _there(self, progress: Progress | None) -> Iterator[_Part]:
        """Tallies of all bundles, in their order whoever computes them."""
        assert self.executor is not None
        waiting, count, paths = self.waiting, len(self.waiting), self.layout.paths

        def tick() -> None:
            if progress is not None:
                left = sum(not future.done() for future in waiting)
                progress(paths * (count - left) // count, paths)

        while waiting:
            yield awaited(self.executor, waiting[0], tick)
            waiting.popleft()

    def _here(self, progress: Progress | None) -> Iterator[_Part]:
        layout, done = self.layout, 0
        begun = unheard if progress is None else lambda share: progress(0, layout.paths)
        ready = _made_ready(self.deal, self.wanted, layout, begun)
        for bundle in range(layout.bundles):
            size = layout.bundle_size(bundle)

            def tick(share: float, done: int = done, size: int = size) -> None:
                if progress is not None:
                    progress(done + int(share * size), layout.paths)

            yield _Part(ready.places, [ready.engines.run(layout, bundle, tick)])
            done += size


@dataclass(slots=True, eq=False)
class TallySum:
    """Tallies added up in the order of the blocks."""

    tally: Tally | None = None
    groups: list[Array] = field(default_factory=list)

    def add(self, tally: Tally) -> None:
        """Add the tally of a bundle; of the first one the figures are taken over."""
        self.groups.append(tally.groups)
        if self.tally is None:
            self.tally = tally
            return
        self.tally.sums = self.tally.sums + tally.sums
        self.tally.short = self.tally.short + tally.short
        self.tally.heaviest = max(self.tally.heaviest, tally.heaviest)
        self.tally.waterfalls += tally.waterfalls
        if self.tally.flows is not None and tally.flows is not None:
            self.tally.flows.add(tally.flows)


def measured_of(deal: Deal, layout: Layout, total: TallySum) -> Measured:
    """Turn the tallies of all bundles into the measures of each class with their standard errors.

    Parameters
    ----------
    deal : Deal
    layout : Layout
    total : TallySum

    Returns
    -------
    Measured
    """
    assert total.tally is not None
    k = len(deal.tranches)
    mean, groups, sizes = _means(layout, total)
    errors = [float(group_error(groups[:, q], sizes)) for q in range(3 * k)]
    stands = np.full(k, total.tally.heaviest)
    np.divide(total.tally.sums[k : 2 * k], total.tally.short, out=stands, where=total.tally.short > 0.0)
    tranches = [
        TrancheMeasures(
            name=tranche.name,
            pd=float(mean[i]),
            pd_error=errors[i],
            anydate_pd=float(mean[k + i]),
            anydate_pd_error=errors[k + i],
            effective_paths=round(layout.paths / float(stands[i])),
            expected_loss=float(mean[2 * k + i]),
            expected_loss_error=errors[2 * k + i],
        )
        for i, tranche in enumerate(deal.tranches)
    ]
    return Measured(
        paths=layout.paths,
        seed=layout.seed,
        tranches=tuple(tranches),
        waterfalls=total.tally.waterfalls,
        replicates=groups[:, : 3 * k],
        replicate_paths=sizes,
    )


def _means(layout: Layout, total: TallySum) -> tuple[Array, Array, Array]:
    """Means of all values over all paths, and over each group; paths of each group."""
    assert total.tally is not None
    sizes = np.concatenate([layout.group_sizes(bundle) for bundle in range(layout.bundles)])
    return total.tally.sums / layout.paths, np.concatenate(total.groups), sizes


def result_of(deal: Deal, layout: Layout, total: TallySum) -> Simulation:
    """Turn the tallies of all bundles into all that a simulation says.

    Parameters
    ----------
    deal : Deal
    layout : Layout
    total : TallySum
        With flows.

    Returns
    -------
    Simulation
    """
    assert total.tally is not None and total.tally.flows is not None
    flows, measured = total.tally.flows, measured_of(deal, layout, total)
    paths, k = layout.paths, len(deal.tranches)
    mean, groups, sizes = _means(layout, total)

    def error(of_groups: Array) -> float:
        return float(group_error(of_groups, sizes))

    tranches = []
    for i, measures in enumerate(measured.tranches):
        repaid = 1.0 - mean[2 * k + i]
        wal = mean[3 * k + i] / repaid if repaid > 0.0 else np.nan
        wal_error = (
            error(groups[:, 3 * k + i] + wal * groups[:, 2 * k + i]) / repaid if repaid > 0.0 else np.nan
        )
        tranches.append(
            TrancheRisk(
                **_fields(measures),
                wal=float(wal),
                wal_error=float(wal_error),
                first_short=flows.first_short[i] / paths,
                loss_probability=flows.loss_bins[i] / paths,
                expected_paid=flows.paid[i] / paths,
            )
        )
    # sigma = sqrt[ln(m2/m1^2)/T], mu = ln(m1)/T, errors by their derivatives.
    first, second = float(mean[4 * k]), float(mean[4 * k + 1])
    horizon = float(deal.terms.times[-1])
    sigma = drift = sigma_error = drift_error = np.nan
    if first > 0.0:
        spread = float(np.log(second / first**2))
        # Below this it is what rounding leaves of nothing.
        sigma = float(np.sqrt(spread / horizon)) if spread > 1e-14 else 0.0
        drift, drift_error = np.log(first) / horizon, error(groups[:, 4 * k]) / (first * horizon)
        slope = groups[:, 4 * k + 1] / second - 2.0 * groups[:, 4 * k] / first
        sigma_error = error(slope) / (2.0 * sigma * horizon) if sigma > 0.0 else 0.0
    return Simulation(
        **_fields(measured) | {"tranches": tuple(tranches)},
        volatility=sigma,
        volatility_error=sigma_error,
        drift=float(drift),
        drift_error=float(drift_error),
        expected_collections=flows.collections / paths,
        expected_support=flows.support / paths,
        breach=flows.breach / paths,
        anydate_breach=np.cumsum(flows.first_breach, axis=1) / paths,
        trigger=flows.trigger / paths,
    )


def _fields(of: Any) -> dict[str, Any]:
    """Fields of a dataclass by name, as they are."""
    return {each.name: getattr(of, each.name) for each in fields(of)}
