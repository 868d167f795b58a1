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


def loss_layers(
    deal: Deal, losses: LossDistribution
) -> tuple[Array, Array, npt.NDArray[np.intp], tuple[tuple[str, ...], ...]]:
    """Probability that the pool loses more, and which classes bear what comes next, by their principal.

    Subordination alone: claims beyond the notes, spread, reserve and undertaking are not counted.

    Parameters
    ----------
    deal : Deal
    losses : LossDistribution
        Of its pool.

    Returns
    -------
    loss : ndarray, shape (p,)
        Money: from 0 in equal steps to what is exceeded once in a million, and wherever a layer begins.
    more : ndarray, shape (p,)
        P(the pool loses more than that).
    layer : ndarray of int, shape (p,)
        Who bears the next loss: position in `bearers`; behind the last one where no class is left.
    bearers : tuple of tuple of str
        Classes of each rank, those that bear losses first in front.
    """
    ranks = sorted({t.rank for t in deal.tranches}, reverse=True)
    bearers = tuple(tuple(t.name for t in deal.tranches if t.rank == rank) for rank in ranks)
    size = [sum(t.amount for t in deal.tranches if t.rank == rank) for rank in ranks]
    ends, top = np.cumsum(size), float(losses.quantile(1.0 - RAREST))
    loss = np.union1d(np.linspace(0.0, top, LAYER_POINTS), ends[ends < top])
    return loss, losses.exceedance(loss), np.searchsorted(ends, loss, side="right"), bearers
