"""Paths of one pool that are drawn once and then paid to one structure after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from xlkmv.deal.paths.cash import PoolEngine
from xlkmv.deal.paths.draws import Layout, layout_of
from xlkmv.deal.paths.engines import pool_states
from xlkmv.deal.paths.measures import Measured, TallySum, measured_of
from xlkmv.deal.paths.patterns import Patterns
from xlkmv.deal.paths.tally import PlanEngine
from xlkmv.deal.plan.stressed import Stressed, pool_lognormal, separate
from xlkmv.deal.plan.waterfall import PoolState
from xlkmv.deal.stress import BASE, apply
from xlkmv.deal.terms import Deal
from xlkmv.kinds import altered

__all__ = ["KeptPaths"]


class KeptPaths:
    """What the pool of a deal does on every path, kept for all structures of notes that it may pay.

    Of a crowded pool those paths are kept that stand for all:
    :func:`~xlkmv.deal.paths.sampling.sampled`.

    Parameters
    ----------
    deal : Deal
    paths : int
    progress : callable
        Called now and then; what it raises ends the run.

    Attributes
    ----------
    volatility, drift : float
        Of the pool, per annum.
    """

    volatility: float
    drift: float

    def __init__(self, deal: Deal, paths: int, progress: Callable[[], object] = lambda: None) -> None:
        self.deal = deal
        whole = apply(deal, BASE)
        self.volatility, self.drift = pool_lognormal(whole)
        self.progress = progress
        self.plan: Stressed = separate(whole)
        self.layout: Layout = layout_of(deal, paths, deal.terms.seed, thin=True)

    @cached_property
    def _drawn(self) -> tuple[PoolEngine, list[tuple[Patterns, PoolState]]]:
        """What the pool does, bundle after bundle; who asks for the KMV view alone needs no path."""
        pool, bundles = PoolEngine(self.plan), range(self.layout.bundles)
        drawn = (pool_states([pool], self.layout, bundle, self.progress) for bundle in bundles)
        return pool, [(patterns, state) for states in drawn for _, patterns, state in states]

    @cached_property
    def _bare(self) -> list[PoolState]:
        """What the pool does on the same paths if nothing is recovered, bundle after bundle."""
        pool, _ = self._drawn
        rows = altered(self.deal.pool, recovery=np.zeros_like(self.deal.pool.recovery))
        bare = PoolEngine(separate(apply(replace(self.deal, pool=rows), BASE)), pool.model)
        # The pool as it is comes first, so that the same paths stand for all.
        bundles = range(self.layout.bundles)
        drawn = (pool_states([pool, bare], self.layout, bundle, self.progress) for bundle in bundles)
        return [state for states in drawn for engine, _, state in states if engine is bare]

    def _recovering(self, bundle: int, state: PoolState, share: float) -> PoolState:
        """What the pool does if all rates of recovery are `share` times what they are: linear in it."""
        if share == 1.0:
            return state
        bare, moved = self._bare[bundle], dict[str, Any]()
        for name in ("collections", "principal"):
            each, without = getattr(state, name), getattr(bare, name)
            moved[name] = None if each is None else without + share * (each - without)
        return replace(state, **moved)

    def simulate(
        self, plan: Stressed, recovered: float = 1.0, lognormal: tuple[float, float] | None = None
    ) -> Measured:
        """Pay the paths to a structure of notes and controls.

        Parameters
        ----------
        plan : Stressed
            Of a deal with the same claims, terms and payer of the undertaking, which keeps its
            excess coverage: the rows of its pool are not looked at, sums of them will do.
        recovered : float
            Factor on all rates of recovery, where these are no random numbers; none may come to exceed 1.
        lognormal : tuple of float, optional
            Volatility and drift of the pool with it; those of the pool as it is when left out.

        Returns
        -------
        Measured
        """
        plan = replace(
            self.plan,
            deal=altered(self.plan.deal, tranches=plan.deal.tranches, controls=plan.deal.controls),
            dues=plan.dues,
            reserve=plan.reserve,
            reserve_size=plan.reserve_size,
            senior=plan.senior,
            support_cap=plan.support_cap,
            retained=plan.retained,
        )
        pool, bundles = self._drawn
        volatility, drift = lognormal or (self.volatility, self.drift)
        engine, total = PlanEngine(plan, pool, volatility, drift, brief=True), TallySum()
        for bundle, (patterns, state) in enumerate(bundles):
            state = self._recovering(bundle, state, recovered)
            total.add(engine.run(patterns, state, self.layout, bundle)[0])
            self.progress()
        return measured_of(plan.deal, self.layout, total)
