"""Auto leases: an American deal with five classes in sequence and overcollateralisation held constant.

Ford Credit Auto Lease Trust 2011-A from its closing on. Classes, coupons, the value of the leases up to
April 2012 and their schedule as of June 2012 are public; with them the plan pays on its first eleven
dates what the trust paid, to the cent. Defaults, fees and the number of leases are assumptions.
"""

from __future__ import annotations

import datetime as dt

import numpy as np

from xlkmv.deal.examples.basis import Sources, fact, term
from xlkmv.deal.terms import (
    PASS_THROUGH,
    Controls,
    Curve,
    Deal,
    Pool,
    Terms,
    Tranche,
    payment_dates,
    year_fraction,
)
from xlkmv.model.domain import Array

__all__ = ["LEASE_SOURCES", "VALUES", "lease"]

CLOSING = dt.date(2011, 7, 5)
CUT_OFF_VALUE = 1_262_497_868.06
# Value of the leases at the end of each month from June 2011 on, USD.
VALUES: tuple[float, ...] = (
    # reported each month
    1_237_063_006.89,
    1_204_393_291.74,
    1_166_532_746.04,
    1_133_349_399.20,
    1_105_186_325.66,
    1_079_492_441.74,
    1_053_330_167.74,
    1_023_084_479.26,
    989_129_718.93,
    953_627_153.42,
    918_246_717.06,
    # May 2012, not known: half of the fall of two months
    884_297_832.08,
    # leases that remained on 30 June 2012, and their schedule
    850_348_947.09,
    824_254_013.51,
    800_488_398.11,
    771_692_559.67,
    756_114_975.25,
    741_806_489.98,
    723_174_003.19,
    670_121_438.57,
    584_778_729.06,
    494_719_470.21,
    469_992_816.22,
    449_746_208.24,
    428_573_281.35,
    407_267_269.13,
)
# The rest of that schedule is not known: from July 2013 on it runs off like the schedule of 30 June 2013.
LATER: tuple[float, ...] = (
    347_064_567.31,
    332_012_058.41,
    313_918_066.63,
    295_246_095.53,
    277_238_431.06,
    258_857_335.72,
    221_834_710.73,
    151_882_347.80,
    83_584_767.67,
    63_107_253.69,
    28_768_030.51,
    706_512.31,
    0.0,
)
# Per annum, compounded monthly: what value, payments and residual values of the schedules imply.
RATE = 0.0579
# A-1 pays interest on the actual days between payments, which are on the next business day after the 15th.
ACTUAL_DATES = {
    dt.date(2011, 10, 15): dt.date(2011, 10, 17),
    dt.date(2012, 1, 15): dt.date(2012, 1, 17),
    dt.date(2012, 4, 15): dt.date(2012, 4, 16),
}
A1_COUPON = 0.0026061
CLASSES: tuple[tuple[str, float, float], ...] = (
    ("A-1", 246_000_000.0, A1_COUPON),
    ("A-2", 390_000_000.0, 0.0074),
    ("A-3", 305_000_000.0, 0.0103),
    ("A-4", 65_841_000.0, 0.0134),
    ("B", 44_188_000.0, 0.0192),
)


def _collections(times: Array) -> Array:
    """What brings the value from date to date: with interest at the rate, shape (n,), USD."""
    later = np.array(LATER[1:]) * VALUES[-1] / LATER[0]
    value = np.array([CUT_OFF_VALUE, *VALUES, *later])
    grown = value[:-1] * (1.0 + RATE / 12.0) ** (12.0 * np.diff(times, prepend=0.0))
    return np.asarray(grown - value[1:])


def _actual_days(dates: tuple[dt.date, ...]) -> Curve:
    """Coupon of A-1, on actual days over 360, as rates that give the same interest by months of 30 days."""
    starts = (CLOSING, *dates[:-1])
    rates = []
    for start, end in zip(starts, dates, strict=True):
        actual = year_fraction(ACTUAL_DATES.get(start, start), ACTUAL_DATES.get(end, end), "Act/360")
        rates.append(A1_COUPON * actual / year_fraction(start, end, "30/360"))
    return Curve("A-1", starts, tuple(rates))


LEASE_SOURCES = Sources(
    title="Ford Credit Auto Lease Trust 2011-A: real classes and values of the leases, assumed defaults",
    pages=(
        "SEC, CIK 1524342: monthly investor reports, July 2011 to May 2012 (exhibit 99), the first "
        "sec.gov/Archives/edgar/data/1524342/000095012311068081/k50582exv99.htm",
        "SEC, CIK 1524342: schedules of the remaining leases as of 30 June 2012 and 30 June 2013 "
        "(exhibit 99.2, 0001524342-12-000014 and 0001524342-13-000020)",
    ),
    pool=(
        fact(
            "fact: values to April 2012 and as scheduled from June 2012 to July 2013; inferred: 5.79 % "
            "a year; assumption: later values, 300 obligors, the rest. Residual values are market risk",
            *("industry", "amount"),
        ),
    ),
    tranches=tuple(
        fact(
            f"fact: {amount:,.0f} at {100 * coupon:.6g} % {basis}; assumption: legal final at the last date",
            *("name", "rank", "amount", "coupon", "payment"),
        )
        for name, amount, coupon in CLASSES
        for basis in ("actual/360, as curve A-1 restates it" if name == "A-1" else "30/360",)
    ),
    terms={
        "closing": term("inferred: the first interest is of ten days"),
        "dates": term("fact: the 15th of each month; actually the next business day"),
        "fee_rate": term("assumption: servicing of 1 %, as is usual"),
        "fee_base": term("assumption"),
        "day_count": term("fact: of all classes but A-1"),
        "interest": term("fact: interest of all classes is paid each month"),
        "accounts": term("assumption"),
        "oc_target": term("fact: none beyond the floor"),
        "oc_floor": term(
            "fact: 211,468,868.06 of overcollateralisation in every report, over the pool at closing"
        ),
        "principal": term("fact: sequential"),
        "prepayment": term("assumption: none beyond what the values show"),
    },
    controls={
        "subordination": term("fact: class B is paid after the classes A"),
        "excess_coverage": term("follows from values, rate and coupons"),
        "reserve": term("assumption: none; what there was is not known"),
        "support": term("none is known"),
        "triggers": term("none is known"),
        "repurchase": term("none is known"),
        "pledge": term("assumption: recovery 55 % with the cars, 10 % without"),
    },
)


def lease() -> Deal:
    """Build the deal in dollars: 38 monthly dates, each for the month before it.

    Returns
    -------
    Deal
    """
    dates = payment_dates(CLOSING, "month", len(VALUES) + len(LATER) - 1, dt.date(2011, 7, 15))
    notes = sum(amount for _, amount, _ in CLASSES)
    terms = Terms(
        closing=CLOSING,
        dates=dates,
        fee_rate=0.01,
        fee_base="pool",
        interest="first",
        # Constant in money: no share of the pool of the date, but one of the pool at closing.
        oc_target=0.0,
        oc_floor=1.0 - notes / CUT_OFF_VALUE,
        curves=(_actual_days(dates),),
        paths=10_000,
        seed=2011,
    )
    pool = Pool(
        name=("Leases: payments and residual values",),
        amount=np.array([CUT_OFF_VALUE]),
        schedule=_collections(terms.times)[None],
        pd=np.array([0.01]),
        recovery=np.array([0.55]),
        lag=np.array([0.5]),
        correlation=np.array([0.06]),
        industry=("Auto leases",),
        count=np.array([300.0]),
    )
    tranches = tuple(
        Tranche(
            name,
            rank,
            amount,
            coupon,
            PASS_THROUGH,
            senior=name.startswith("A"),
            base="A-1" if name == "A-1" else "",
        )
        for rank, (name, amount, coupon) in enumerate(CLASSES, 1)
    )
    controls = Controls(
        reserve=False, support=False, triggers=False, repurchase=False, unpledged_recovery=0.10
    )
    return Deal(pool, tranches, terms, controls)
