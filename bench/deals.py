"""Deals of any size for the benchmarks: loans by terms, classes in sequence, the last one with a cushion."""

from __future__ import annotations

import datetime as dt

import numpy as np

from xlkmv.deal.terms import (
    OC_ALL,
    PASS_THROUGH,
    Controls,
    Covenant,
    Deal,
    Pool,
    Terms,
    Tranche,
    payment_dates,
)
from xlkmv.deal.terms.claims import Loans

__all__ = ["sequential"]

CLOSING = dt.date(2025, 1, 15)


def sequential(obligors: int, dates: int, classes: int, *, paths: int = 100_000, seed: int = 1) -> Deal:
    """Build a sequential deal of monthly loans.

    Parameters
    ----------
    obligors, dates, classes : int
    paths, seed : int
        Of the simulation; the seed draws the loans, too.

    Returns
    -------
    Deal
        All controls are on but the undertaking; two covenants are tested.
    """
    rng = np.random.default_rng(seed)
    amount = np.round(rng.lognormal(11.0, 0.8, obligors), 2)
    grades = rng.integers(4, size=obligors)
    loans = Loans(
        term=rng.integers(dates // 2, dates, size=obligors, endpoint=True).astype(float),
        rate=np.round(rng.uniform(0.05, 0.09, obligors), 4),
        amortisation=("annuity",) * obligors,
    )
    pool = Pool(
        name=tuple(f"Loan {i + 1}" for i in range(obligors)),
        amount=amount,
        schedule=np.zeros((obligors, dates)),
        pd=np.array([0.003, 0.01, 0.02, 0.04])[grades],
        recovery=np.array([0.5, 0.45, 0.4, 0.35])[grades],
        lag=np.full(obligors, 0.5),
        correlation=np.full(obligors, 0.08),
        loans=loans,
    )
    # Nine tenths of the pool in notes; better classes are larger.
    weight = 0.6 ** np.arange(classes)
    size = 0.9 * amount.sum() * weight / weight.sum()
    tranches = tuple(
        Tranche(f"Class {chr(65 + k)}", k + 1, float(round(size[k], 2)), 0.03 + 0.004 * k, PASS_THROUGH)
        for k in range(classes)
    )
    terms = Terms(
        closing=CLOSING,
        dates=payment_dates(CLOSING, "month", dates),
        fee_rate=0.005,
        fee_base="pool",
        interest="first",
        oc_target=OC_ALL,
        paths=paths,
        seed=seed,
    )
    controls = Controls(
        support=False,
        reserve_size=0.01,
        reserve_unit="of pool",
        repurchase_share=0.1,
        unpledged_recovery=0.2,
    )
    covenants = (
        Covenant("Defaults", "cumulative default ratio", "max", 0.12, "turbo"),
        Covenant("Coverage", "coverage", "min", 1.0, "trap"),
    )
    return Deal(pool, tranches, terms, controls, covenants)
