"""Plans that pay alike on few patterns, paid together: numpy's overhead of each date once for all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from xlkmv.deal.paths.draws import Layout
from xlkmv.deal.paths.patterns import Patterns
from xlkmv.deal.paths.tally import Outcome, PlanEngine
from xlkmv.deal.plan.waterfall import PoolState

__all__ = ["Waiting", "few", "paid_together"]

T = TypeVar("T")

# Patterns that are paid together, at most: of more of them numpy's overhead is little.
MOST_TOGETHER = 1 << 14


@dataclass(frozen=True, slots=True, eq=False)
class Waiting(Generic[T]):
    """A plan that waits for others of equal :attr:`PlanEngine.key` to be paid with.

    Attributes
    ----------
    whose : object
        By which whoever waits knows it again.
    key : bytes
        That of the plan.
    plan : PlanEngine
    patterns : Patterns
    state : PoolState
        Of the patterns.
    """

    whose: T
    key: bytes
    plan: PlanEngine
    patterns: Patterns
    state: PoolState

    @property
    def size(self) -> int:
        return int(self.patterns.parent.size)


def few(patterns: Patterns, layout: Layout) -> bool:
    """Whether paying these patterns is mostly numpy's overhead."""
    return not layout.crowded and 2 * patterns.parent.size <= MOST_TOGETHER


def paid_together(plans: Iterable[Waiting[T]]) -> Iterator[tuple[Waiting[T], Outcome]]:
    """Pay plans, those of equal keys that stand together several at once.

    Parameters
    ----------
    plans : iterable of Waiting
        Taken one by one: no more of them are held than are paid at once, and the next.

    Yields
    ------
    plan : Waiting
    outcome : Outcome
        Of each plan in its turn, the same as it has by itself, bit for bit.
    """
    held: list[Waiting[T]] = []
    for plan in plans:
        if held and (held[0].key != plan.key or sum(x.size for x in [*held, plan]) > MOST_TOGETHER):
            yield from _paid(held)
            held = []
        held.append(plan)
    yield from _paid(held)


def _paid(held: list[Waiting[T]]) -> Iterator[tuple[Waiting[T], Outcome]]:
    if len(held) > 1:
        first = held[0]
        places, state = PoolState.woven([each.state for each in held])
        assert state.active is not None and state.parent is not None
        patterns = replace(first.patterns, active=state.active, parent=state.parent)
        yield from zip(held, map(first.plan.outcome(patterns, state).picked, places), strict=True)
    else:
        for each in held:
            yield each, each.plan.outcome(each.patterns, each.state)
