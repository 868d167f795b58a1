"""Auto loans: a Chinese deal with its real run-off, a senior class that takes all principal, a reserve.

盛世融迪2021年第二期个人汽车抵押贷款 (BYD Auto Finance), as it stood on 26 July 2022. Run-off, notes, fee
and reserve are public. What is said of defaults, recoveries and obligors is an assumption. What came in
in July 2022, before closing, counts as cash of the first payment date, as in the benchmark of AbsBox.
"""

from __future__ import annotations

import bisect
import datetime as dt

import numpy as np

from xlkmv.deal.examples.basis import Sources, fact, term
from xlkmv.deal.terms import OC_ALL, PASS_THROUGH, Controls, Deal, Pool, Terms, Tranche, payment_dates
from xlkmv.model.domain import Array

__all__ = ["AUTO_SOURCES", "RUN_OFF", "auto"]

# Scheduled principal and interest of the whole pool, RMB, from 1 July 2022 on, month by month.
RUN_OFF: tuple[tuple[float, float], ...] = (
    (78_501_963.04, 954_043.04),  # 2022-07
    (77_375_162.14, 891_648.43),
    (77_225_814.18, 852_731.81),
    (76_757_298.83, 813_484.98),
    (75_854_304.71, 774_101.65),
    (75_085_387.41, 734_796.34),
    (71_921_029.21, 695_343.12),  # 2023-01
    (68_041_465.05, 655_964.23),
    (65_889_427.70, 616_857.95),
    (61_713_579.70, 577_837.70),
    (56_909_482.63, 539_331.19),
    (56_930_610.58, 503_085.91),
    (56_905_368.58, 466_755.77),  # 2023-07
    (56_792_678.10, 430_516.11),
    (56_668_823.93, 394_715.61),
    (56_401_567.55, 359_341.72),
    (55_907_170.23, 324_663.69),
    (53_046_918.78, 290_675.76),
    (39_680_862.74, 257_752.51),  # 2024-01
    (27_352_311.28, 226_897.80),
    (20_699_206.58, 198_247.82),
    (11_069_432.69, 170_618.51),
    (4_762_807.53, 145_060.50),
    (4_781_719.39, 126_148.64),
    (4_787_232.22, 107_159.95),  # 2024-07
    (4_806_236.52, 88_155.65),
    (4_703_950.65, 69_099.78),
    (4_096_405.53, 50_432.44),
    (3_206_484.68, 34_157.10),
    (2_219_655.07, 21_390.56),
    (1_265_566.05, 12_491.46),  # 2025-01
    (810_423.47, 7_372.76),
    (618_354.67, 4_075.94),
    (353_663.75, 1_537.85),
)

CLOSING = dt.date(2022, 7, 26)
# Per annum, of the loans that bear interest: interest over balance when few others are left.
LOAN_RATE = 0.0522
OBLIGORS = np.array([250.0, 50.0])


def _lines() -> tuple[Array, Array]:
    """Split the run-off into loans without and with interest, months in columns, shapes (2,) and (2, 34).

    The balance that bears interest in a month is what brings the month's interest at the loan rate.
    """
    principal, interest = np.array(RUN_OFF).T
    owed = np.cumsum(principal[::-1])[::-1]
    bearing = 12.0 * interest / LOAN_RATE
    repaid = bearing - np.append(bearing[1:], 0.0)
    balance = np.array([owed[0] - bearing[0], bearing[0]])
    return balance, np.array([principal - repaid, repaid + interest])


AUTO_SOURCES = Sources(
    title="BYD auto loans, 盛世融迪2021年第二期, as it stood on 26 July 2022: real run-off, assumed defaults",
    pages=(
        "github.com/yellowbean/Hastructure, test/DealInputs/BYD.json, commit 59bc006",
        "github.com/yellowbean/AbsBox, absbox/tests/benchmark/china/test07.py, commit 879c75f",
    ),
    pool=tuple(
        fact(
            f"run-off of both rows together: fact; inferred: {what}; assumption: 300 obligors, "
            "PD (the CDR of the benchmark), recovery, correlation",
            "industry",
        )
        for what in (
            "principal that brings no interest",
            f"what pays the interest of the run-off at {LOAN_RATE:.2%}",
        )
    ),
    tranches=(
        fact(
            "fact: 716,739,000 left of 1,730,000,000 at 2.6 %; legal final not known: last payment date",
            *("name", "rank", "amount", "coupon", "payment"),
        ),
        fact("fact: gets what is left", "name", "rank", "amount", "coupon", "payment"),
    ),
    terms={
        "closing": term("fact: interest runs from 26 July 2022"),
        "dates": term("fact: the 26th of each month from 26 August 2022, as long as the run-off"),
        "fee_rate": term("fact: servicing; VAT of 3.26 % on interest is left out"),
        "fee_base": term("fact: balance of the pool"),
        "day_count": term("assumption: not stated"),
        "accounts": term("fact: income and principal account, what income leaves makes up principal"),
        "interest": term("fact: one class bears interest"),
        "oc_target": term("fact: principal goes to the senior class until it is repaid"),
        "principal": term("fact: sequential"),
        "prepayment": term("assumption: that of the benchmark; the run-off is without prepayments"),
        "prepayment_type": term("assumption"),
    },
    controls={
        "subordination": term("fact: the subordinate class is paid after the senior one"),
        "excess_coverage": term("follows from run-off, coupon and fees"),
        "reserve": term(
            "fact: 1.2 % of the pool of now, at least 0.5 % of the pool at closing; 15,757,708.38 held"
        ),
        "support": term("none is known"),
        "triggers": term("none is known"),
        "repurchase": term("none is known"),
        "pledge": term("assumption: recovery 30 % with the car as security, 10 % without"),
    },
)


def auto() -> Deal:
    """Build the deal in yuan: 33 monthly dates, what was collected up to a date is paid out on it.

    Returns
    -------
    Deal
    """
    dates = payment_dates(CLOSING, "month", 33)
    balance, collected = _lines()
    months = payment_dates(dt.date(2022, 6, 1), "month", len(RUN_OFF))
    schedule = np.zeros((2, len(dates)))
    for month, cash in zip(months, collected.T, strict=True):
        schedule[:, bisect.bisect_left(dates, month)] += cash
    pool = Pool(
        name=("Subsidised loans (贴息贷款)", "Loans with interest (付息贷款)"),
        amount=balance,
        schedule=schedule,
        pd=np.full(2, 0.01),
        recovery=np.full(2, 0.30),
        lag=np.full(2, 1.0),
        correlation=np.full(2, 0.05),
        industry=("Auto loans", "Auto loans"),
        count=OBLIGORS,
    )
    tranches = (
        Tranche("Senior (优先级)", 1, 716_739_000.0, 0.026, PASS_THROUGH),
        Tranche("Subordinate (次级)", 2, 270_000_000.0, 0.0, PASS_THROUGH),
    )
    terms = Terms(
        closing=CLOSING,
        dates=dates,
        fee_rate=0.0012,
        fee_base="pool",
        day_count="Act/365",
        accounts="two",
        oc_target=OC_ALL,
        prepayment=0.10,
        prepayment_type="CPR",
        paths=10_000,
        seed=2022,
    )
    controls = Controls(
        support=False,
        triggers=False,
        repurchase=False,
        reserve_size=0.012,
        reserve_unit="of pool",
        reserve_floor=0.005,
        unpledged_recovery=0.10,
    )
    return Deal(pool, tranches, terms, controls)
