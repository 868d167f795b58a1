"""How deep a loss of the pool goes: the classes as layers of notes over its loss distribution."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from xlkmv.deal.terms import Deal
from xlkmv.model.domain import Array
from xlkmv.model.losses import LossDistribution

__all__ = ["LAYER_POINTS", "loss_layers"]

LAYER_POINTS = 24
# Losses less likely than this are off the picture.
RAREST = 1e-6


def loss_layers(deal: Deal, losses: LossDistribution) -> tuple[Array, Array, npt.NDArray[np.intp]]:
    """Probability that the pool loses more, and which classes bear what comes next, by their principal.

    Subordination alone: spread, reserve and undertaking are not counted.

    Parameters
    ----------
    deal : Deal
    losses : LossDistribution
        Of its pool.

    Returns
    -------
    loss : ndarray, shape (LAYER_POINTS,)
        Money, from 0 in equal steps to what is exceeded once in a million.
    more : ndarray, shape (LAYER_POINTS,)
        P(the pool loses more than that).
    layer : ndarray of int, shape (LAYER_POINTS,)
        Who bears the next loss: 0 classes behind the headline class, 1 the class and its equals, 2
        classes ahead, who bear what no class is left for, too.
    """
    rank = deal.tranches[deal.headline].rank
    behind = sum(t.amount for t in deal.tranches if t.rank > rank)
    own = sum(t.amount for t in deal.tranches if t.rank == rank)
    loss = np.linspace(0.0, float(losses.quantile(1.0 - RAREST)), LAYER_POINTS)
    layer = np.searchsorted(np.array([behind, behind + own]), loss, side="right")
    return loss, losses.exceedance(loss), layer
