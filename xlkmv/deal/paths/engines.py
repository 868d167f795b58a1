"""Plans made ready to run, and what each makes of the paths of a bundle of blocks."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from xlkmv.deal.paths.cash import PoolEngine, Sums, matter_until, pool_key
from xlkmv.deal.paths.defaults import DefaultModel, default_key
from xlkmv.deal.paths.draws import CROWDED, Ints, Layout, draw
from xlkmv.deal.paths.importance import DEAD, tilted
from xlkmv.deal.paths.patterns import Patterns, all_paths, find_patterns, joined
from xlkmv.deal.paths.sampling import PILOT, SMALLEST_THINNED, Sample, sampled, severe, telling
from xlkmv.deal.paths.tally import Outcome, PlanEngine, Tally, payment_key
from xlkmv.deal.paths.together import Waiting, few, paid_together
from xlkmv.deal.plan.stressed import Stressed, pool_lognormal
from xlkmv.deal.plan.waterfall import PoolState
from xlkmv.model.domain import Array

__all__ = ["Engines", "Tick", "patterns_of", "pool_states"]

Tick = Callable[[float], object]
# What a pool does on the patterns of a bundle.
_Held = tuple[PoolEngine, Patterns, PoolState]

# Paths times dates that are held for plans to be paid together, at most.
MOST_HELD = 1 << 22
# The own numbers of a pilot run have this part of the seed.
ANOTHER_SEED = 1 << 127


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
            if figures > MOST_HELD or not few(held[-1][1], layout):
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
        alike: dict[bytes, list[Waiting[int]]] = {}
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
                if plan.brief and few(paid, layout) and (known is None or plan.differs(*known)):
                    waiting = Waiting(place, plan.key, plan, paid, on)
                    alike.setdefault(waiting.key, []).append(waiting)
                else:
                    tally, outcome = plan.run(paid, on, layout, bundle, known)
                    yield place, tally, outcome, paid, on
        for one, outcome in paid_together(itertools.chain.from_iterable(alike.values())):
            tally = one.plan.tally(outcome, one.patterns, layout, bundle)
            yield one.whose, tally, outcome, one.patterns, one.state


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
