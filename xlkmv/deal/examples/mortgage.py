"""Mortgages: the sequential structure of the textbooks, with the default risk that its agency takes away.

FAJ-01 of Fabozzi, Bond Markets, Analysis, and Strategies: 400 million of mortgages, four classes one
after another, 165 PSA. There an agency guarantees every payment; here nobody does, and what is said of
defaults, recoveries and obligors is an assumption. Months are put together to quarters.
"""

from __future__ import annotations

import datetime as dt

import numpy as np

from xlkmv.deal.examples.basis import Sources, fact, term
from xlkmv.deal.terms import PASS_THROUGH, Controls, Deal, Loans, Pool, Terms, Tranche, payment_dates

__all__ = ["MORTGAGE_SOURCES", "mortgage"]

CLOSING = dt.date(2025, 1, 1)
MONTHS = 357
CLASSES: tuple[tuple[str, float], ...] = (
    ("A", 194_500_000.0),
    ("B", 36_000_000.0),
    ("C", 96_500_000.0),
    ("D", 73_000_000.0),
)


MORTGAGE_SOURCES = Sources(
    title="FAJ-01, four sequential classes on mortgages: structure of the textbook, assumed defaults",
    pages=("F. J. Fabozzi: Bond Markets, Analysis, and Strategies, collateralised mortgage obligations",),
    pool=(
        fact(
            "fact: balance, rate 8.125 %, 357 months, three months old; assumption: paid by the quarter, "
            "300 obligors, PD, recovery, correlation",
            *("amount", "rate", "term", "amortisation", "age"),
        ),
    ),
    tranches=tuple(
        fact(f"fact: {amount:,.0f} at 7.5 %{more}", "name", "rank", "amount", "coupon", "payment")
        for (_, amount), more in zip(
            CLASSES, ("", "", "; A, B, C senior: assumption", "; loses first: assumption"), strict=True
        )
    ),
    terms={
        "closing": term("assumption"),
        "dates": term("assumption: quarters in place of 357 months"),
        "fee_rate": term(
            "assumption: servicing; the rest of 8.125 % less 7.5 % covers losses, as no agency does"
        ),
        "fee_base": term("assumption"),
        "day_count": term("fact: months of equal length"),
        "interest": term("fact: interest of all classes is paid each period"),
        "oc_target": term("fact: none; principal is passed through"),
        "principal": term("fact: sequential"),
        "prepayment": term("fact: 165 PSA"),
        "prepayment_type": term("fact: PSA"),
    },
    controls={
        "subordination": term("assumption: losses go to the last class first"),
        "excess_coverage": term("follows from rates and fees"),
        "reserve": term("none"),
        "support": term("none: the agency's guarantee is left out"),
        "triggers": term("none"),
        "repurchase": term("none"),
        "pledge": term("assumption: recovery 75 % with the houses, 25 % without"),
    },
)


def mortgage() -> Deal:
    """Build the deal: 119 quarterly dates.

    Returns
    -------
    Deal
    """
    quarters = MONTHS // 3
    pool = Pool(
        name=("Mortgages",),
        amount=np.array([400_000_000.0]),
        schedule=np.zeros((1, quarters)),
        pd=np.array([0.005]),
        recovery=np.array([0.75]),
        lag=np.array([1.5]),
        correlation=np.array([0.15]),
        industry=("Housing",),
        count=np.array([300.0]),
        loans=Loans(
            term=np.array([float(MONTHS)]),
            rate=np.array([0.08125]),
            payments_per_year=np.array([4.0]),
            age=np.array([3.0]),
        ),
    )
    tranches = tuple(
        Tranche(name, rank, amount, 0.075, PASS_THROUGH, senior=name != "D")
        for rank, (name, amount) in enumerate(CLASSES, 1)
    )
    terms = Terms(
        closing=CLOSING,
        dates=payment_dates(CLOSING, "quarter", quarters),
        fee_rate=0.0025,
        fee_base="pool",
        interest="first",
        prepayment=1.65,
        prepayment_type="PSA",
        paths=10_000,
        seed=1994,
    )
    controls = Controls(
        reserve=False, support=False, triggers=False, repurchase=False, unpledged_recovery=0.25
    )
    return Deal(pool, tranches, terms, controls)
