"""What a class would be without the risk of one obligor: its defaults taken off the paths that have them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from xlkmv.deal.paths.cash import PoolEngine
from xlkmv.deal.paths.draws import Ints, Layout, layout_of
from xlkmv.deal.paths.engines import Engines, patterns_of
from xlkmv.deal.paths.patterns import Patterns, all_paths, find_patterns
from xlkmv.deal.plan.recovery import Returns
from xlkmv.deal.plan.stressed import Stressed, separate
from xlkmv.deal.plan.timing import plan_faults
from xlkmv.deal.stress import BASE, Stress, apply
from xlkmv.deal.terms import Deal
from xlkmv.deal.terms.faults import raise_first
from xlkmv.model.domain import Array
from xlkmv.shown import Shown

__all__ = ["Leaving", "LeftOut", "leave_one_out"]

# Paths that are paid anew, at most: beyond that fewer paths say as much as anybody reads.
MOST_PAID, FEWEST_PATHS = 100_000, 10_000
# Of a path as it is: no row has this place among those asked for, nor has who is not asked for.
NOBODY, WHOLE = -1, -2


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LeftOut(Shown):
    """What each of m rows of the pool adds to the risk of k classes.

    Figures are those of the classes with the whole pool less those if the row paid everything on schedule,
    all else as it is; NaN for rows that were not asked for. Of a row that stands for several obligors: if
    none of them could default.

    Attributes
    ----------
    paths : int
        Simulated for it.
    rows : tuple of int
        Those asked for.
    pd, pd_error : ndarray, shape (m, k)
        Added to the any-date PD of the class, and its standard error.
    expected_loss, expected_loss_error : ndarray, shape (m, k)
        Added to its expected loss, as a share of the class.
    """

    paths: int
    rows: tuple[int, ...]
    pd: Array
    pd_error: Array
    expected_loss: Array
    expected_loss_error: Array

    def of_class(self, row: int, tranche: int) -> list[float]:
        """Figures of a row for one class, in the order of the attributes."""
        figures = (self.pd, self.pd_error, self.expected_loss, self.expected_loss_error)
        return [float(figure[row, tranche]) for figure in figures]


def leave_one_out(
    deal: Deal,
    rows: Sequence[int],
    stress: Stress = BASE,
    *,
    paths: int | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> LeftOut:
    """Measure what rows of the pool add to the risk of each class, one by one.

    A path on which nobody of a row defaults is the same without its risk; only the others are paid
    anew, without those defaults. No row costs a simulation of its own, and all see the same random numbers:
    at equal paths the figures are those of two simulations, the second with a PD of 0.

    Parameters
    ----------
    deal : Deal
    rows : sequence of int
        Of the pool.
    stress : Stress
    paths : int, optional
        In place of those of the terms. Either way no more than have 100,000 paths paid anew, or 10,000.
    progress : callable
        Called with the share that is done; what it raises ends the computation.

    Returns
    -------
    LeftOut

    Raises
    ------
    InputError, DomainError
        When the plan of the deal has a fault.

    Notes
    -----
    The volatility that a covenant on the senior distance looks at stays that of the whole pool. Standard
    errors take paths as independent draws, and are upper bounds as far as the strata matter.
    """
    raise_first(plan_faults(deal))
    plan = separate(apply(deal, stress))
    leaving = Leaving(deal, plan, rows, paths)
    layout = layout_of(deal, leaving.paths, deal.terms.seed)
    engines = Engines([plan], whole=0)
    for block in range(layout.blocks):
        progress(block / layout.blocks)
        ((_, patterns),) = patterns_of(engines.pools, layout, block)
        leaving.add(patterns, layout, engines)
    progress(1.0)
    return leaving.figures()


class Leaving:
    """Sums over paths for :func:`leave_one_out`, block by block.

    Parameters
    ----------
    deal : Deal
    plan : Stressed
        With a row for every obligor.
    rows, paths
        As there.

    Attributes
    ----------
    paths : int
        That are to be simulated for it.
    """

    def __init__(self, deal: Deal, plan: Stressed, rows: Sequence[int], paths: int | None = None) -> None:
        obligors = deal.pool.obligors
        place = np.full(obligors.size, NOBODY)
        place[list(rows)] = np.arange(len(rows))
        self.asked = np.repeat(place, obligors.astype(np.int64))
        # Rows of a path with a default among their obligors, on average.
        alive = np.ones(len(rows) + 1)
        np.multiply.at(alive, self.asked, 1.0 - plan.default_by[:, -1])
        expected = float((1.0 - alive[:-1]).sum())
        wanted = deal.terms.paths if paths is None else int(paths)
        self.paths = int(min(wanted, max(MOST_PAID / max(expected, 1e-9), FEWEST_PATHS)))
        self.rows, self.of_pool, self.dates = rows, obligors.size, len(deal.terms.dates)
        shape = (2, len(deal.tranches), len(rows))
        self.sums, self.squares = np.zeros(shape), np.zeros(shape)

    def add(self, patterns: Patterns, layout: Layout, engines: Engines) -> None:
        """Add the paths of a block of the plan, which is the only one of the engines."""
        ((engine,), (pool,)) = engines.plans, engines.pools
        left = _left_out(patterns, self.asked, layout, pool)
        if left is None:
            return
        first_short, loss = engine.outcomes(left.patterns, pool.pool_state(left.patterns))
        short = (first_short < self.dates).astype(np.float64)
        for of_measure, square, measure in zip(self.sums, self.squares, (short, loss), strict=True):
            less = measure[:, left.whole] - measure[:, left.without]
            for c in range(len(less)):
                of_measure[c] += np.bincount(left.row, left.weight * less[c], len(self.rows))
                square[c] += np.bincount(left.row, left.weight * less[c] ** 2, len(self.rows))

    def figures(self) -> LeftOut:
        """Of all paths that were added."""
        mean = self.sums / self.paths
        error = np.sqrt(np.maximum(self.squares / self.paths - mean**2, 0.0) / self.paths)
        figures = np.full((4, self.of_pool, mean.shape[1]), np.nan)
        for at, found in enumerate((mean[0], error[0], mean[1], error[1])):
            figures[at, list(self.rows)] = found.T
        return LeftOut(self.paths, tuple(int(row) for row in self.rows), *figures)


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    """Patterns of a block as they are, and without the defaults of a row; a pair for each row in default.

    `whole` and `without` are the patterns of a pair, `row` the place of its row, `weight` its paths.
    """

    patterns: Patterns
    whole: Ints
    without: Ints
    row: Ints
    weight: Array


def _left_out(patterns: Patterns, asked: Ints, layout: Layout, pool: PoolEngine) -> _Pairs | None:
    """Leave the rows that are asked for out of the patterns that they default in; None where none does."""
    rows, place = int(asked.max()) + 1, asked.take(patterns.columns)
    hit = np.flatnonzero(place >= 0)
    if not hit.size:
        return None
    owner, row = np.divmod(np.unique(patterns.owner[hit] * rows + place[hit]), rows)
    hurt = np.unique(owner)
    # As they are, then without one row each: paths of a block of its own.
    source = np.concatenate([hurt, owner])
    gone = np.concatenate([np.full(hurt.size, WHOLE), row])
    by_owner = np.argsort(patterns.owner, kind="stable")
    size = np.bincount(patterns.owner, minlength=patterns.parent.size)
    start = np.cumsum(size) - size
    many = size[source]
    path = np.repeat(np.arange(source.size), many)
    event = by_owner[np.arange(path.size) - np.repeat(np.cumsum(many) - many - start[source], many)]
    kept = np.flatnonzero(place[event] != gone[path])
    path, event = path[kept], event[kept]
    defaults = path, patterns.columns[event], patterns.first[event]
    payer, dates = patterns.payer[source], patterns.active.size
    if layout.crowded:
        made = all_paths(*defaults, payer, layout.obligors, dates)
    else:
        made = find_patterns(source.size, *defaults, payer, layout.obligors, dates, not pool.drawn)
    if patterns.returns is not None:
        made = replace(made, returns=_returns(patterns, patterns.returns, made, source, layout.obligors))
    of_path = np.zeros(source.size, np.int64)
    of_path[made.rows] = made.index
    return _Pairs(
        patterns=made,
        whole=of_path[np.searchsorted(hurt, owner)],
        without=of_path[hurt.size :],
        row=row,
        weight=patterns.weights[-1][owner],
    )


def _returns(patterns: Patterns, known: Returns, made: Patterns, source: Ints, obligors: int) -> Returns:
    """What moves the recoveries of the defaults that are left: what moved them before."""
    default = patterns.owner * obligors + patterns.columns
    order = np.argsort(default)
    at = order[np.searchsorted(default, source[made.path] * obligors + made.columns, sorter=order)]
    return Returns(known.asset[at], known.factor[at], known.own[at])
