"""The classes as layers of notes over the loss of the pool."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

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


def test_losses_climb_from_the_last_class_to_the_first():
    loss, more, layer, bearers = loss_layers(deal("A"), uniform(92.0))
    # 92 in 23 steps, and where the layers of 20, 30 and 50 begin: 20 is a step, 50 is none.
    assert loss == pytest.approx(sorted([*np.arange(LAYER_POINTS) * 4.0, 50.0]))
    assert more == pytest.approx((92.0 - np.floor(loss)) / 93.0)
    assert bearers == (("C",), ("B1", "B2"), ("A",))
    assert layer.tolist() == [0 if x < 20 else 1 if x < 50 else 2 for x in loss]


def test_no_class_is_left_for_what_is_lost_beyond_all_notes():
    loss, _, layer, bearers = loss_layers(deal("A"), uniform(115.0))  # the notes are 100
    assert [x >= 100.0 for x in loss] == [k == len(bearers) for k in layer]
    assert loss[-1] > 100.0


def test_a_thin_layer_is_not_passed_over():
    thin = deal("A")
    notes = [replace(t, amount=0.1 if t.name == "C" else t.amount) for t in thin.tranches]
    assert set(loss_layers(replace(thin, tranches=tuple(notes)), uniform(92.0))[2].tolist()) == {0, 1, 2, 3}
