"""What a simulation says: measures of each class with their standard errors, from sums over the paths."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from xlkmv.deal.paths.draws import Layout
from xlkmv.deal.paths.tally import LOSS_BINS, Tally, group_error
from xlkmv.deal.terms import Deal
from xlkmv.model.domain import Array
from xlkmv.shown import Shown

__all__ = [
    "ENOUGH",
    "Measured",
    "Simulation",
    "TallySum",
    "TrancheMeasures",
    "TrancheRisk",
    "measured_of",
    "result_of",
]

# Paths that are short from which on a share of them is a figure: its standard error is then a third of it
# at most (1/sqrt(10)).
ENOUGH = 10


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
        Expected collections and draws on the undertaking per date, money; where a trigger ends the
        revolving period, without claims that are not bought.
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
