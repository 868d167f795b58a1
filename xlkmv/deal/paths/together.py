"""Small runs of deals that pay alike, paid together: numpy's overhead of each date once, not once a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from xlkmv.deal.paths.patterns import Patterns
from xlkmv.deal.paths.run import Measured, Run
from xlkmv.deal.paths.tally import PlanEngine
from xlkmv.deal.plan.waterfall import PoolState

__all__ = ["measured_together"]

# Patterns that are paid together, at most, and rows times dates of a pool: of larger ones the overhead is
# little, and several of them take much memory.
MOST_PATTERNS, LARGEST_POOL = 1 << 14, 1 << 16


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
        if waiting and (waiting[0].key != new.key or sum(x.size for x in [*waiting, new]) > MOST_PATTERNS):
            yield from _paid(waiting)
            waiting = []
        waiting.append(new)
    yield from _paid(waiting)


def _paid(waiting: list[_Waiting]) -> Iterator[Measured]:
    if not waiting:
        return
    first, one = waiting[0], [x.state for x in waiting]
    places, state = PoolState.woven(one)
    assert state.active is not None and state.parent is not None
    patterns = replace(first.patterns, active=state.active, parent=state.parent)
    found = first.engine.outcome(patterns, state)
    for x, at in zip(waiting, places, strict=True):
        yield x.run.measured(x.engine.tally(found.picked(at), x.patterns, x.run.layout, 0))
