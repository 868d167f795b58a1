"""The classes as layers of notes over the loss of the pool."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from xlkmv.deal.questions.layers import LAYER_POINTS, loss_layers
from xlkmv.deal.terms import Deal, Pool, Terms, Tranche, payment_dates
from xlkmv.model.losses import LossDistribution


def deal(headline: str) -> Deal:
    closing = dt.date(2025, 1, 31)
    dates = payment_dates(closing, "quarter", 4)
    pool = Pool(("Claim",), np.array([100.0]), np.full((1, 4), 30.0), 0.02, 0.0, 0.0, 0.2)
    notes = (("A", 1, 50.0), ("B1", 2, 15.0), ("B2", 2, 15.0), ("C", 3, 20.0))
    classes = tuple(
        Tranche(name, rank, amount, 0.03, "bullet", dates[-1], pari_passu=rank == 2)
        for name, rank, amount in notes
    )
    return Deal(pool, classes, Terms(closing, dates, headline=headline))


def uniform(top: float) -> LossDistribution:
    """Losses of 0 to `top` in steps of 1, each as likely."""
    losses = np.arange(top + 1)
    none, even = np.zeros(0), np.full(losses.size, 1 / losses.size)
    return LossDistribution("any", losses, even, none, 0.0, 0.0, none, none, None, None, None)


@pytest.mark.parametrize(("headline", "bounds"), [("A", (50, 100)), ("B2", (20, 50)), ("C", (0, 20))])
def test_losses_climb_from_the_last_class_to_the_first(headline, bounds):
    loss, more, layer = loss_layers(deal(headline), uniform(92.0))
    assert loss == pytest.approx(np.arange(LAYER_POINTS) * 4.0)  # 92 in 23 steps
    assert more == pytest.approx((92.0 - loss) / 93.0)
    behind, own = bounds
    assert layer.tolist() == [0 if x < behind else 1 if x < own else 2 for x in loss]
