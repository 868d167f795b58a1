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


def five_classes(headline: str = "", **changes: Any) -> Deal:
    """Four senior classes repaid year after year, and one behind them: any of them may be the headline."""
    dates = yearly(5)
    classes = [Tranche(f"A-{k}", k, 100.0, 0.02, "bullet", dates[k - 1], senior=True) for k in range(1, 5)]
    usual = {
        "pd": 0.03,
        "recovery": 0.4,
        "tranches": (*classes, Tranche("B", 5, 60.0, 0.04, "bullet", dates[4])),
        "controls": Controls(reserve_size=0.1, support_pd=0.02),
        "support_correlation": 0.3,
        "paths": 2000,
    }
    return make_deal([[30.0] * 5] * 4, headline=headline, **usual | changes)


@pytest.fixture(scope="session")
def five() -> Callable[..., Deal]:
    return five_classes


@pytest.fixture(scope="session")
def two() -> Deal:
    """A owes 60 and B 40, independently, on one date; a class of 50 is short when A defaults."""
    claims = [[60.0], [40.0]]
    return make_deal(
        claims,
        pd=[0.2, 0.1],
        correlation=0.0,
        tranches=(Tranche("Notes", 1, 50.0, 0.0, "bullet", yearly(1)[0]),),
        controls=Controls().without("reserve", "support", "repurchase", "pledge", "triggers"),
        fee_rate=0.0,
        paths=100_000,
        industry=("one", "two"),
    )
