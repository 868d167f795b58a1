"""Small runs of deals that pay alike, paid together: numpy's overhead of each date once, not once a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from xlkmv.deal.paths.patterns import Patterns
from xlkmv.deal.paths.run import Measured, Run
from xlkmv.deal.paths.tally import MOST_TOGETHER, PlanEngine, outcomes_together
from xlkmv.deal.plan.waterfall import PoolState

__all__ = ["measured_together"]

# Rows times dates of a pool: several larger ones take much memory.
LARGEST_POOL = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A run whose paths wait for others to be paid with."""

    run: Run
    key: bytes
    engine: PlanEngine
    patterns: Patterns
    state: PoolState

    @property
    def size(self) -> int:
        return int(self.patterns.parent.size)


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
    waiting: list[_Waiting] = []
    for run in runs:
        if run.waiting or run.layout.bundles > 1 or run.deal.pool.schedule.size > LARGEST_POOL:
            yield from _paid(waiting)
            waiting = []
            yield from run.results()[1]
            continue
        engine, patterns, state = run.drawn()
        new = _Waiting(run, engine.key, engine, patterns, state)
        if waiting and (waiting[0].key != new.key or sum(x.size for x in [*waiting, new]) > MOST_TOGETHER):
            yield from _paid(waiting)
            waiting = []
        waiting.append(new)
    yield from _paid(waiting)


def _paid(waiting: list[_Waiting]) -> Iterator[Measured]:
    found = outcomes_together([(x.engine, x.patterns, x.state) for x in waiting])
    for x, outcome in zip(waiting, found, strict=True):
        yield x.run.measured(x.engine.tally(outcome, x.patterns, x.run.layout, 0))
