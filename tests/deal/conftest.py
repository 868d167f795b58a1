"""A small deal to vary: three yearly dates, two tranches, figures that can be worked out by hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from xlkmv.deal.terms import Controls, Covenant, Deal, Pool, Terms, Tranche

CLOSING = dt.date(2020, 1, 1)
ALL_OFF = Controls().without(
    "subordination", "excess_coverage", "reserve", "support", "triggers", "repurchase", "pledge"
)


def yearly(count: int) -> tuple[dt.date, ...]:
    return tuple(dt.date(2020 + k, 1, 1) for k in range(1, count + 1))


def make_deal(
    schedule: Any = ((50.0, 50.0, 50.0),),
    *,
    pd: Any = 0.0,
    recovery: Any = 0.0,
    lag: Any = 0.0,
    correlation: Any = 0.2,
    industry: Sequence[str] = (),
    senior: float = 90.0,
    junior: float = 10.0,
    coupon: float = 0.10,
    payment: str = "straight-line",
    tranches: Sequence[Tranche] | None = None,
    controls: Controls | None = None,
    covenants: Sequence[Covenant] = (),
    **terms: Any,
) -> Deal:
    rows = np.atleast_2d(np.asarray(schedule, float))
    m, n = rows.shape
    dates = yearly(n)
    pool = Pool(
        tuple(f"Obligor {i + 1}" for i in range(m)),
        rows.sum(axis=1),
        rows,
        pd,
        recovery,
        lag,
        correlation,
        tuple(industry),
    )
    if tranches is None:
        tranches = (
            Tranche("Senior", 1, senior, coupon, payment, dates[-1]),
            Tranche("Junior", 2, junior, 0.0, "bullet", dates[-1]),
        )
    options = {"fee_rate": 0.01, "seed": 7} | terms
    return Deal(
        pool,
        tuple(tranches),
        Terms(CLOSING, dates, **options),
        controls or Controls(reserve_size=0.5, support_pd=0.0),
        tuple(covenants),
    )


@pytest.fixture(scope="session")
def build() -> Callable[..., Deal]:
    return make_deal
