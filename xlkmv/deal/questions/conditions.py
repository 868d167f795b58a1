"""Preset conditions: every one simulated on the same random numbers, and its change against the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xlkmv.deal.kmv import KmvView
from xlkmv.deal.paths.executors import Executor
from xlkmv.deal.paths.measures import Measured
from xlkmv.deal.paths.run import Progress, Run, Wanted
from xlkmv.deal.paths.tally import group_error
from xlkmv.deal.plan.waterfall import waterfall
from xlkmv.deal.stress import PRESETS, Stress, apply
from xlkmv.deal.terms import Deal
from xlkmv.model.domain import Array
from xlkmv.phrase import LIST, Phrase, joined
from xlkmv.shown import Results, Shown

__all__ = ["MEASURES", "ScenarioResult", "measures", "run_scenarios", "scenario_results", "views_part"]

# What a tranche is judged by, in the order of Simulation.replicates.
MEASURES = ("pd", "anydate_pd", "expected_loss")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ScenarioResult(Shown):
    """One row of the scenario table.

    Attributes
    ----------
    stress : Stress
    simulation : Measured
    first_short : tuple of int or None
        Per tranche, position of the first date on which it is short although nobody
        defaults; None: never.
    change, change_error : ndarray, shape (3, k)
        Change of each of :data:`MEASURES` per tranche against the first row, and its standard
        error; both rows saw the same random numbers.
    """

    stress: Stress
    simulation: Measured
    first_short: tuple[int | None, ...]
    change: Array
    change_error: Array


def run_scenarios(
    deal: Deal,
    stresses: Sequence[Stress] = PRESETS,
    *,
    paths: int | None = None,
    seed: int | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Results[ScenarioResult]:
    """Simulate every preset condition on the same random numbers.

    Parameters
    ----------
    deal : Deal
    stresses : sequence of Stress
        The first is the base that the others are compared with.
    paths, seed, executor, progress
        As in :func:`~xlkmv.deal.paths.run.simulate`.

    Returns
    -------
    Results of ScenarioResult
        In the order of the stresses.
    """
    wanted = Wanted(brief=tuple(stresses))
    with Run(deal, wanted, paths=paths, seed=seed, executor=executor) as run:
        return scenario_results(deal, stresses, run.results(progress)[1])


def scenario_results(
    deal: Deal, stresses: Sequence[Stress], runs: Sequence[Measured]
) -> Results[ScenarioResult]:
    """Hold every preset condition against the first.

    Parameters
    ----------
    deal : Deal
    stresses : sequence of Stress
    runs : sequence of Measured
        One for each, on the same random numbers.

    Returns
    -------
    Results of ScenarioResult
        In the order of the stresses.
    """
    results = []
    for stress, run in zip(stresses, runs, strict=True):
        plan = apply(deal, stress)
        short = waterfall(plan).short
        if plan.default_point == "all":
            short = np.broadcast_to(short.any(axis=0), short.shape)
        first = tuple(_first(row) for row in short)
        difference = run.replicates - runs[0].replicates
        results.append(
            ScenarioResult(
                stress,
                run,
                first,
                measures(run) - measures(runs[0]),
                group_error(difference, run.replicate_paths).reshape(len(MEASURES), -1),
            )
        )
    return Results(results)


def views_part(deal: Deal, view: KmvView, found: ScenarioResult) -> str:
    """Say of which classes the two views part for sure, and why.

    The KMV view counts what is due ahead of a class, but neither reserve nor undertaking where they do not
    protect it: where collections are late it calls a class short on whose own dues nothing is missed yet.

    Parameters
    ----------
    deal : Deal
    view : KmvView
        Under the condition.
    found : ScenarioResult
        Under the same condition.

    Returns
    -------
    str
        A sentence (:class:`~xlkmv.phrase.Phrase`); "" where they agree.
    """
    apart: list[str] = [
        Phrase("{name} on {date}", name=seen.name, date=seen.first_short)
        for seen, paid, protected in zip(view.tranches, found.first_short, deal.senior, strict=True)
        if not protected and seen.first_short is not None and paid is None
    ]
    if not apart:
        return ""
    return Phrase(
        "Short in the KMV view alone, which counts what is due ahead of the class and no reserve: {names}.",
        names=joined(apart, LIST),
    )


def _first(short: npt.NDArray[np.bool_]) -> int | None:
    return int(np.argmax(short)) if short.any() else None


def measures(run: Measured) -> Array:
    """Put the measures of a simulation into rows, tranche by tranche.

    Parameters
    ----------
    run : Measured

    Returns
    -------
    ndarray, shape (3, k)
        In the order of :data:`MEASURES`.
    """
    return np.array([[getattr(t, measure) for t in run.tranches] for measure in MEASURES])
