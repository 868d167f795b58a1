"""Importance sampling: paths are drawn where the pool loses much, and count for less there.

What obligors share is drawn from an even mixture of four laws: its own, and three whose common factors
are moved down, where few ordinary paths go, along the line on which the pool loses most. Under the
Student-t copula the scale that all latent variables are divided by is smaller there, too. On a part
of the paths the payer of the undertaking is dead for sure. A path weighs

``w = f(x)/g(x)``

f and g the densities of what it drew, by its own law and by the mixture (Glasserman and Li 2005, with
the own law in the mixture as a defence: Hesterberg 1995). A weight is never above :data:`MOST`, so
that what is frequent is known nearly as well as without.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import ndtr, stdtrit

from xlkmv.deal.paths.draws import Draws, Layout
from xlkmv.deal.plan.factors import factor_loadings
from xlkmv.deal.terms import Deal
from xlkmv.model.domain import Array

__all__ = ["DEAD", "MOST", "tilt_of", "tilted"]

# How far each law of the mixture is moved down, standard deviations.
MOVED: Array = np.array([0.0, 1.0, 2.0, 3.0])
# Share of the paths on which the payer is dead for sure.
DEAD = 0.25
MOST = MOVED.size / (1.0 - DEAD)


def tilt_of(deal: Deal) -> tuple[float, ...]:
    """Direction in which the pool loses most.

    Parameters
    ----------
    deal : Deal

    Returns
    -------
    tuple of float
        Of length 1, one figure for Z and one for the factor of each industry: the loadings of the
        obligors, weighted by their expected loss, downwards. () of a pool that shares nothing.
    """
    pool = deal.pool
    common, shared = factor_loadings(pool, deal.terms)
    lost = pool.amount * pool.pd * (1.0 - pool.recovery)
    industry = np.array(pool.industry)
    loads = [lost @ np.sqrt(common)]
    loads += [(lost * np.sqrt(shared))[industry == name].sum() for name in sorted({*pool.industry} - {""})]
    size = float(np.sqrt(np.sum(np.square(loads))))
    return tuple(-float(x) / size for x in loads) if size > 0.0 else ()


def tilted(draws: Draws, layout: Layout, block: int) -> Draws:
    """Move the draws of a block, and weigh its paths.

    Parameters
    ----------
    draws : Draws
    layout : Layout
        With a tilt.
    block : int

    Returns
    -------
    Draws
        With the weight of each path, and those on which the payer has to be dead.
    """
    paths = draws.common.size
    rng = np.random.Generator(np.random.Philox(key=layout.seed, counter=[0, 0, 1, block]))
    # The laws take turns, so that each has Z stratified; who begins is random, group by group.
    turn = rng.integers(MOVED.size, size=-(-paths // layout.group))
    law = (np.arange(paths) + turn.repeat(layout.group)[:paths]) % MOVED.size
    toward = np.array(layout.tilt[: 1 + draws.industry.shape[1]])
    moved, narrower, freedom = MOVED, np.ones(MOVED.size), layout.degrees_of_freedom
    if freedom:
        # Of t with that quantile, chi^2/nu has the mode of Gamma((nu + 1)/2, (nu + t^2)/2) about it.
        quantile = -stdtrit(freedom, ndtr(-MOVED))
        narrower = np.minimum((freedom + 1.0) / (freedom + quantile**2), 1.0)
        moved = quantile * np.sqrt(narrower)
    common = draws.common + moved[law] * toward[0]
    industry = draws.industry + moved[law, None] * toward[1:]
    along = common * toward[0] + np.einsum("pg,g->p", industry, toward[1:])
    # Logarithms of the densities of the laws, over that of the own one.
    density = moved * along[:, None] - 0.5 * moved**2 * float(toward @ toward)
    scale = draws.scale
    if scale is not None:
        scale = scale * np.sqrt(narrower)[law]
        density -= 0.5 * freedom * (np.log(narrower) + scale[:, None] ** 2 * (1.0 / narrower - 1.0))
    weight = MOVED.size / np.exp(density).sum(axis=1)
    dead = rng.random(paths) < DEAD
    return replace(draws, common=common, industry=industry, scale=scale, weight=weight, dead=dead)
