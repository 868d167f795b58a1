"""The run: block after block through draws, defaults, patterns, cash and payments, whoever computes it."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Self

from xlkmv.deal.paths.cash import with_shared
from xlkmv.deal.paths.draws import Layout, layout_of
from xlkmv.deal.paths.engines import Engines, Tick, pool_states
from xlkmv.deal.paths.executors import Executor, Handle, awaited, held, shared, unheard
from xlkmv.deal.paths.importance import tilt_of
from xlkmv.deal.paths.measures import Measured, Simulation, TallySum, measured_of, result_of
from xlkmv.deal.paths.sampling import PILOT
from xlkmv.deal.paths.tally import Tally, plan_key
from xlkmv.deal.paths.together import Waiting, paid_together
from xlkmv.deal.plan.stressed import Stressed, separate
from xlkmv.deal.plan.timing import plan_faults
from xlkmv.deal.stress import BASE, Stress, apply
from xlkmv.deal.terms import TERM_RULES, Deal
from xlkmv.deal.terms.faults import raise_first
from xlkmv.kinds import altered
from xlkmv.model.domain import Array, Rule, check_number

__all__ = [
    "Progress",
    "Run",
    "Wanted",
    "measured_together",
    "pays_for_processes",
    "simulate",
    "simulate_stresses",
    "steps_are_quick",
]

Progress = Callable[[int, int], object]
SEED = Rule("must be >= 0 and below 2^128", 0.0, 2.0**128, high_open=True)

# A pilot run pays where there are as many times its paths.
PILOT_PAYS = 8
# Less (paths times obligors times dates) is done before other processes have started.
FEWEST_FIGURES = 10_000_000
# Of a pool of more obligors times dates a step takes too long for who has to answer Esc meanwhile.
QUICK_STEPS = 1 << 14
# Several pools of more rows times dates take too much memory at once.
LARGEST_POOL = 1 << 16


@dataclass(frozen=True, slots=True)
class Wanted:
    """Stresses that are simulated whole, and those of which the measures of each class will do."""

    whole: tuple[Stress, ...] = ()
    brief: tuple[Stress, ...] = ()


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

    @property
    def small(self) -> bool:
        """Whether the run is so small that it had better be paid together with others."""
        return not self.waiting and self.layout.bundles == 1 and self.deal.pool.schedule.size <= LARGEST_POOL

    def drawn(self) -> Waiting[Run]:
        """What the pool does on all paths of a run of one plan and one bundle, for who pays them."""
        engines = _made_ready(self.deal, self.wanted, self.layout).engines
        (one,) = engines.plans
        ((_, patterns, state),) = pool_states(engines.pools, self.layout, 0, lambda: None)
        return Waiting(self, one.key, one, patterns, state)

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


def measured_together(runs: Iterable[Run]) -> Iterator[Measured]:
    """Finish runs of which the measures of one plan are wanted.

    Parameters
    ----------
    runs : iterable of Run
        Each of one stress of which the measures will do; of any deals.

    Yields
    ------
    Measured
        Of each run in its turn, the same as it says by itself, bit for bit.
    """
    for small, some in itertools.groupby(runs, lambda run: run.small):
        if small:
            for one, outcome in paid_together(run.drawn() for run in some):
                yield one.whose.measured(one.plan.tally(outcome, one.patterns, one.whose.layout, 0))
        else:
            for run in some:
                yield from run.results()[1]
