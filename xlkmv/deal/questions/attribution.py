"""What each control is worth: an attribution that does not depend on their order."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import comb
from typing import Self

import numpy as np

from xlkmv.deal.paths.executors import Executor
from xlkmv.deal.paths.measures import Measured
from xlkmv.deal.paths.run import Progress, Run, Wanted
from xlkmv.deal.paths.tally import group_error
from xlkmv.deal.plan.timing import plan_faults
from xlkmv.deal.questions.conditions import MEASURES, measures
from xlkmv.deal.stress import BASE, Stress
from xlkmv.deal.terms import CONTROLS, Deal
from xlkmv.deal.terms.faults import raise_first
from xlkmv.errors import InputError
from xlkmv.model.domain import Array
from xlkmv.phrase import Phrase
from xlkmv.shown import Shown

__all__ = ["Attributing", "Attribution", "attribute_controls", "attribute_measures"]

# Less than this part of what there is without controls is rounding.
ROUNDING = 1e-12
# An attribution on few paths that says so many times as much as all paths, or as much less, says too
# little to be held to them.
FARTHEST = 2.0


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Attribution(Shown):
    """What the controls take off a measure of risk, per tranche.

    Attributes
    ----------
    measure : str
        One of :data:`MEASURES`.
    controls : tuple of str
        Keys of the controls that are on in the deal, c of them.
    without, with_all : ndarray, shape (k,)
        The measure with none and with all of them.
    shapley, shapley_error : ndarray, shape (c, k)
        Order-free share of each control; the rows sum to ``without - with_all``.
    off_alone : ndarray, shape (c, k)
        The measure with this control off and all others on.
    on_alone : ndarray, shape (c, k)
        The measure with only this control on.
    stacked : ndarray, shape (c + 1, k)
        The measure as the controls are switched on one after the other, in their order.
    """

    measure: str
    controls: tuple[str, ...]
    without: Array
    with_all: Array
    shapley: Array
    shapley_error: Array
    off_alone: Array
    on_alone: Array
    stacked: Array

    def levels(self, k: int) -> Array:
        """Return the measure of class k with no control, then less each one's share, shape (c + 1,)."""
        taken = np.concatenate([[0.0], np.cumsum(self.shapley[:, k])])
        levels = np.asarray(self.without[k] - taken)
        # A level of nothing is nothing, not what is left of sums.
        levels[np.abs(levels) < ROUNDING * self.without[k]] = 0.0
        return levels

    def held_to(self, runs: Mapping[frozenset[str], Measured]) -> Attribution:
        """Hold the attribution to runs of more paths of some of its sets, so that both say the same.

        Of each class the measures of all sets are moved along a straight line, ``v + (v(S) - v(all)) b``, so
        that without controls and with all of them they are those of the runs. The law of shares is linear:
        they are multiplied by b, still sum to what there is to share, and who adds nothing still has
        none. A set that has a run of its own is as that says.

        Parameters
        ----------
        runs : mapping of frozenset of str to Measured
            By the controls of :attr:`controls` that are off; none and all of them must be there.

        Returns
        -------
        Attribution
            The same where it was made on the same paths; a class of which it says less than half or more
            than double of what the runs say is left as it is.
        """
        row = MEASURES.index(self.measure)
        value = {off: measures(run)[row] for off, run in runs.items()}
        all_off, none_off = value[frozenset(self.controls)], value[frozenset()]
        gained, there = self.without - self.with_all, all_off - none_off
        factor = np.divide(there, gained, out=np.zeros_like(there), where=gained != 0.0)
        near = (factor >= 1.0 / FARTHEST) & (factor <= FARTHEST)
        moved = near & ((all_off != self.without) | (none_off != self.with_all))

        def held(sets: Array, offs: Iterable[Iterable[str]]) -> Array:
            line = none_off + (sets - self.with_all) * factor
            # What is worse than none of them, or better than all, may be moved too far.
            line = np.clip(line, 0.0, np.maximum(sets, 1.0))
            own = [value.get(frozenset(off), v) for off, v in zip(offs, line, strict=True)]
            return np.where(moved, own, sets)

        controls = self.controls
        return replace(
            self,
            without=np.where(moved, all_off, self.without),
            with_all=np.where(moved, none_off, self.with_all),
            shapley=np.where(moved, self.shapley * factor, self.shapley),
            shapley_error=np.where(moved, self.shapley_error * factor, self.shapley_error),
            off_alone=held(self.off_alone, ([one] for one in controls)),
            on_alone=held(self.on_alone, ([c for c in controls if c != one] for one in controls)),
            stacked=held(self.stacked, (controls[on:] for on in range(len(controls) + 1))),
        )


def attribute_controls(
    deal: Deal,
    measure: str = "pd",
    stress: Stress | None = None,
    *,
    paths: int | None = None,
    seed: int | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Attribution:
    """Shapley attribution of the reduction of risk to the controls that are on.

    ``phi_i = sum over sets S without i of |S|! (c - |S| - 1)!/c! [v(S) - v(S + i)]`` with
    v(S) the measure when only the controls in S are on (Shapley 1953). All ``2^c`` sets are
    simulated, on the same random numbers; where nearly all paths differ, on the worst paths and some
    of the others, which stand for the rest: the standard errors count that.

    Parameters
    ----------
    deal : Deal
    measure : {"pd", "anydate_pd", "expected_loss"}
    stress : Stress, optional
        Condition under which the controls are judged.
    paths, seed, executor, progress
        As in :func:`~xlkmv.deal.paths.run.simulate`.

    Returns
    -------
    Attribution

    Raises
    ------
    InputError, DomainError
        When the measure is not known, no control is on, or the plan of the deal has a fault.
    """
    return attribute_measures(
        deal, (measure,), stress, paths=paths, seed=seed, executor=executor, progress=progress
    )[0]


def attribute_measures(
    deal: Deal,
    names: Sequence[str] = MEASURES,
    stress: Stress | None = None,
    *,
    paths: int | None = None,
    seed: int | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> tuple[Attribution, ...]:
    """Attribute several measures of risk to the controls, from one simulation.

    Parameters
    ----------
    deal : Deal
    names : sequence of {"pd", "anydate_pd", "expected_loss"}
    stress, paths, seed, executor, progress
        As in :func:`attribute_controls`.

    Returns
    -------
    tuple of Attribution
        One for each measure.

    Raises
    ------
    InputError, DomainError
        When a measure is not known, no control is on, or the plan of the deal has a fault.
    """
    with Attributing(deal, names, stress, paths=paths, seed=seed, executor=executor) as run:
        return run.results(progress)


class Attributing:
    """An attribution that an executor begins at once; a context, as the run is that it needs.

    Parameters
    ----------
    deal, names, stress, paths, seed, executor, and what is raised
        As in :func:`attribute_measures`.
    """

    def __init__(
        self,
        deal: Deal,
        names: Sequence[str] = MEASURES,
        stress: Stress | None = None,
        *,
        paths: int | None = None,
        seed: int | None = None,
        executor: Executor | None = None,
    ) -> None:
        for measure in names:
            if measure not in MEASURES:
                raise InputError(
                    "measure", Phrase("must be one of: {options}", options=", ".join(MEASURES)), measure
                )
        raise_first(plan_faults(deal))
        stress = stress or BASE
        players = tuple(c for c in CONTROLS if getattr(deal.controls, c) and c not in stress.controls_off)
        if not players:
            raise InputError("controls", "must have at least one that is on")
        self.deal = deal
        self.names = names
        self.players: tuple[str, ...] = players
        sets = []
        for mask in range(1 << len(players)):
            off = tuple(c for bit, c in enumerate(players) if not mask >> bit & 1)
            sets.append(replace(stress, controls_off=stress.controls_off + off))
        wanted = Wanted(brief=tuple(sets))
        self.run: Run = Run(deal, wanted, paths=paths, seed=seed, thin=True, executor=executor, apart=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.run.__exit__()

    def results(self, progress: Progress | None = None) -> tuple[Attribution, ...]:
        """Finish the attribution.

        Parameters
        ----------
        progress : callable, optional
            As in :func:`attribute_measures`.

        Returns
        -------
        tuple of Attribution
            One for each measure.
        """
        _, runs = self.run.results(progress)
        return tuple(_attribution(self.deal, measure, self.players, runs) for measure in self.names)


def _attribution(deal: Deal, measure: str, players: tuple[str, ...], runs: Sequence[Measured]) -> Attribution:
    """Shares of each control in one measure, from the runs of all sets of them."""
    count, everything = len(players), (1 << len(players)) - 1
    row, k = MEASURES.index(measure), len(deal.tranches)
    value = np.array([measures(run)[row] for run in runs])
    sizes = runs[0].replicate_paths
    groups = np.array([run.replicates[:, row * k : (row + 1) * k] for run in runs])

    def share(v: Array, bit: int) -> Array:
        total = np.zeros(v.shape[1:])
        for mask in range(everything + 1):
            if not mask >> bit & 1:
                weight = 1.0 / (count * comb(count - 1, mask.bit_count()))
                total += weight * (v[mask] - v[mask | 1 << bit])
        return total

    bits = range(count)
    return Attribution(
        measure=measure,
        controls=players,
        without=value[0],
        with_all=value[everything],
        shapley=np.array([share(value, bit) for bit in bits]),
        shapley_error=np.array([group_error(share(groups, bit), sizes) for bit in bits]),
        off_alone=np.array([value[everything ^ 1 << bit] for bit in bits]),
        on_alone=np.array([value[1 << bit] for bit in bits]),
        stacked=value[[0, *itertools.accumulate((1 << bit for bit in bits), int.__or__)]],
    )
