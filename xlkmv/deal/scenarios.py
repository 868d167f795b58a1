"""Preset conditions through the simulation, break-even stresses, and what each control is worth."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import comb
from typing import Any

import numpy as np
import numpy.typing as npt

from xlkmv.deal.simulation import Executor, Progress, Simulation, group_error, simulate_plans
from xlkmv.deal.stress import BASE, PRESETS, Stress, Stressed, apply
from xlkmv.deal.terms import CONTROLS, Deal
from xlkmv.deal.waterfall import TOLERANCE, PoolState, payments, planned_state, waterfall
from xlkmv.errors import InputError
from xlkmv.model.domain import Array
from xlkmv.model.plan import arrival_date, default_probability_by

__all__ = [
    "MEASURES",
    "Attribution",
    "BreakEven",
    "ScenarioResult",
    "attribute_controls",
    "expected_collections",
    "reverse_stress",
    "run_scenarios",
]

# What a tranche is judged by, in the order of Simulation.replicates.
MEASURES = ("pd", "anydate_pd", "expected_loss")


def expected_collections(plan: Stressed) -> Array:
    """Expected collections per date from the obligors' PDs, recoveries and lags.

    ``E[C_k] = sum_i c_ik [s + (1 - s) S_i(t_k)] + (1 - s) rec_i sum_j P(first missed = j)
    owed_ij 1(arrives on k)`` with survival ``S_i(t) = (1 - PD_i)^t`` and s the repurchase
    share. No correlation enters.

    Parameters
    ----------
    plan : Stressed

    Returns
    -------
    ndarray, shape (n,)
        Money.
    """
    pool, times, share = plan.deal.pool, plan.deal.terms.times, plan.repurchase_share
    survival = 1.0 - default_probability_by(plan.obligor_pd[:, None], times)
    if plan.defaulted is not None:
        survival[plan.defaulted] = 0.0
    first_missed = -np.diff(survival, axis=1, prepend=1.0)
    flows = (pool.schedule * (share + (1.0 - share) * survival)).sum(axis=0)
    arrival = arrival_date(times, pool.lag[:, None])
    back = (1.0 - share) * pool.recovery[:, None] * first_missed * pool.owed
    recovered = np.bincount(arrival.ravel(), back.ravel(), times.size + 1)[:-1]
    return np.asarray(flows + recovered)


# ------------------------------------------------------------------------------------ the table


@dataclass(frozen=True, slots=True, eq=False)
class ScenarioResult:
    """One row of the scenario table.

    Attributes
    ----------
    stress : Stress
    simulation : Simulation
    first_short : tuple of int or None
        Per tranche, position of the first date on which it is short although nobody
        defaults; None: never.
    change, change_error : ndarray, shape (3, k)
        Change of each of :data:`MEASURES` per tranche against the first row, and its standard
        error; both rows saw the same random numbers.
    """

    stress: Stress
    simulation: Simulation
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
) -> tuple[ScenarioResult, ...]:
    """Simulate every preset condition on the same random numbers.

    Parameters
    ----------
    deal : Deal
    stresses : sequence of Stress
        The first is the base that the others are compared with.
    paths, seed, executor, progress
        As in :func:`~xlkmv.deal.simulation.simulate`.

    Returns
    -------
    tuple of ScenarioResult
        In the order of the stresses.
    """
    plans = [apply(deal, stress) for stress in stresses]
    runs = simulate_plans(plans, paths=paths, seed=seed, executor=executor, progress=progress)
    results = []
    for stress, plan, run in zip(stresses, plans, runs, strict=True):
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
                _measures(run) - _measures(runs[0]),
                group_error(difference, run.replicate_paths).reshape(len(MEASURES), -1),
            )
        )
    return tuple(results)


def _measures(run: Simulation) -> Array:
    return np.array([[getattr(t, measure) for t in run.tranches] for measure in MEASURES])


# ------------------------------------------------------------------------------ reverse stress


@dataclass(frozen=True, slots=True)
class BreakEven:
    """Size of one stress at which the senior tranche first misses a payment.

    Attributes
    ----------
    column : str
        Field of :class:`~xlkmv.deal.stress.Stress`, or "largest obligors" for the number of
        largest obligors that default at closing, with the recovery of the table.
    size : float or None
        Break-even size; None: no size within the bounds of the field does it.
    date : int or None
        Position of the date that is missed first.
    """

    column: str
    size: float | None
    date: int | None


def reverse_stress(deal: Deal) -> tuple[BreakEven, ...]:
    """Break-even size of each stress for the senior tranche, before the undertaking is called.

    Haircut, delay, rate shift and defaults of the largest obligors are tried on the planned
    collections; PD, volatility and recovery on the expected collections
    (:func:`expected_collections`), which they move. Correlation moves neither, and has no
    break-even size.

    Parameters
    ----------
    deal : Deal

    Returns
    -------
    tuple of BreakEven
    """
    # Tests without a consequence change no payment.
    acting = tuple(c for c in deal.covenants if c.consequence != "none")
    deal = replace(deal, controls=deal.controls.without("support"), covenants=acting)

    def first_miss(stress: Stress, expected: bool) -> int | None:
        plan = apply(deal, stress)
        flows = expected_collections(plan) if expected else plan.collections
        return _first_miss(plan, flows)

    # Where each stress starts, where it ends, and whether expected collections feel it.
    ranges: dict[str, tuple[float, float, bool]] = {
        "pool_haircut": (0.0, 1.0, False),
        "volatility_multiplier": (1.0, 100.0, True),
        "pd_multiplier": (1.0, 10_000.0, True),
        "recovery_multiplier": (1.0, 0.0, True),
        "rate_shift": (0.0, 1.0, False),
    }
    out = []
    for column, (start, end, expected) in ranges.items():

        def miss(size: float, column: str = column, expected: bool = expected) -> int | None:
            field: dict[str, Any] = {column: size}
            return first_miss(Stress("reverse", **field), expected)

        out.append(_bisect(column, miss, start, end))
    delays = ((n, first_miss(Stress("reverse", delay=n), False)) for n in range(len(deal.terms.dates) + 1))
    out.append(_smallest("delay", delays))
    out.append(_smallest("largest obligors", _largest_gone(deal)))
    return tuple(out)


def _first_miss(plan: Stressed, collections: Array) -> int | None:
    """First date on which the senior tranche misses something; later dates are not computed."""
    ratio, share = planned_state(plan)
    state = PoolState(collections[:, None], default_ratio=ratio[:, None], largest_share=share[:, None])
    floor = TOLERANCE * plan.deal.tranches[0].amount
    dates = enumerate(payments(plan, state, volatility=0.1, drift=0.0))
    return next((date for date, paid in dates if paid.missed[0, 0] > floor), None)


def _first(short: npt.NDArray[np.bool_]) -> int | None:
    return int(np.argmax(short)) if short.any() else None


def _bisect(column: str, miss: Callable[[float], int | None], start: float, end: float) -> BreakEven:
    if miss(end) is None:
        return BreakEven(column, None, None)
    if (date := miss(start)) is not None:
        return BreakEven(column, start, date)
    safe, short = start, end
    for _ in range(60):
        middle = 0.5 * (safe + short)
        if miss(middle) is None:
            safe = middle
        else:
            short = middle
        if abs(short - safe) <= 1e-10 * max(abs(short), 1e-3):
            break
    return BreakEven(column, short, miss(short))


def _smallest(column: str, tries: Iterable[tuple[int, int | None]]) -> BreakEven:
    for size, date in tries:
        if date is not None:
            return BreakEven(column, float(size), date)
    return BreakEven(column, None, None)


def _largest_gone(deal: Deal) -> list[tuple[int, int | None]]:
    plan = apply(deal, Stress("reverse"))
    tries = []
    flows = plan.collections
    for count, obligor in enumerate([None, *np.argsort(-deal.pool.amount, kind="stable").tolist()]):
        if obligor is not None:
            alone = replace(plan, defaulted=obligor)
            flows = flows + alone.collections - plan.collections
        tries.append((count, _first_miss(plan, np.maximum(flows, 0.0))))
    return tries


# -------------------------------------------------------------------------------- attribution


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
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
    simulated, on the same random numbers.

    Parameters
    ----------
    deal : Deal
    measure : {"pd", "anydate_pd", "expected_loss"}
    stress : Stress, optional
        Condition under which the controls are judged.
    paths, seed, executor, progress
        As in :func:`~xlkmv.deal.simulation.simulate`.

    Returns
    -------
    Attribution

    Raises
    ------
    InputError
        When the measure is not known or no control is on.
    """
    if measure not in MEASURES:
        raise InputError("measure", f"must be one of: {', '.join(MEASURES)}", measure)
    stress = stress or BASE
    players = tuple(c for c in CONTROLS if getattr(deal.controls, c) and c not in stress.controls_off)
    if not players:
        raise InputError("controls", "must have at least one that is on")
    count, everything = len(players), (1 << len(players)) - 1
    plans = []
    for mask in range(everything + 1):
        off = tuple(c for bit, c in enumerate(players) if not mask >> bit & 1)
        plans.append(apply(deal, replace(stress, controls_off=stress.controls_off + off)))
    runs = simulate_plans(plans, paths=paths, seed=seed, executor=executor, progress=progress)
    row, k = MEASURES.index(measure), len(deal.tranches)
    value = np.array([_measures(run)[row] for run in runs])
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
