"""The deal that the template ships with: China's first securitisation on patents alone.

Xingye Yuanrong - Guangzhou Development Zone Patent Licence Asset-Backed Special Plan
(2019-1): RMB 301 million, launched on 11 September 2019 on the Shenzhen Stock Exchange, 11
private technology companies, 140 patents, senior notes at 4 %. Size, coupon, number of
obligors and patents, the largest and smallest amount and those of Huayin Medical are public;
everything else here is an assumption and says so.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np

from xlkmv.deal.examples import Example
from xlkmv.deal.examples.basis import Basis, Sources, fact, term
from xlkmv.deal.terms import Controls, Covenant, Deal, Pool, Ranges, Terms, Tranche
from xlkmv.phrase import Phrase

__all__ = ["LICENSEES", "PATENT_SOURCES", "Licensee", "patents_example", "xingye_yuanrong"]


@dataclass(frozen=True, slots=True)
class Licensee:
    """One obligor as the deal's documents and our assumptions describe it; amount in RMB million."""

    name: str
    industry: str
    invention: int
    utility: int
    amount: float
    pd: float
    basis: str


LICENSEES: tuple[Licensee, ...] = (
    Licensee("Licensee 01", "Electronics", 16, 5, 45.0, 0.012, "assumption (largest amount is a fact)"),
    Licensee("Licensee 02", "Software", 10, 2, 42.0, 0.014, "assumption"),
    Licensee("Licensee 03", "New materials", 9, 4, 38.0, 0.016, "assumption"),
    Licensee(
        "Vtron Group (威创集团)", "Display systems", 22, 0, 36.0, 0.010, "22 patents: fact; rest assumed"
    ),
    Licensee("Licensee 05", "Medical devices", 8, 3, 32.0, 0.012, "assumption"),
    Licensee("Licensee 06", "Telecom equipment", 11, 3, 28.0, 0.016, "assumption"),
    Licensee("Huayin Medical (华银医学)", "Medical laboratories", 4, 0, 23.0, 0.010, "amount, patents: fact"),
    Licensee("Licensee 08", "Smart manufacturing", 7, 6, 22.0, 0.018, "assumption"),
    Licensee("Licensee 09", "Biotech", 6, 2, 18.0, 0.022, "assumption"),
    Licensee("Licensee 10", "Environmental technology", 6, 7, 14.0, 0.020, "assumption"),
    Licensee(
        "Licensee 11", "Industrial software", 4, 5, 3.0, 0.025, "assumption (smallest amount is a fact)"
    ),
)

CLOSING = dt.date(2019, 9, 11)
QUARTERS = 20
POOL_YIELD = 0.065


def _quarter(k: int) -> dt.date:
    months = CLOSING.month - 1 + 3 * k
    return CLOSING.replace(year=CLOSING.year + months // 12, month=months % 12 + 1)


def xingye_yuanrong() -> Deal:
    """Build the deal in yuan: 20 level quarterly instalments at 6.5 % p.a., notes split 95/5.

    Returns
    -------
    Deal
    """
    amounts = np.array([x.amount for x in LICENSEES]) * 1e6
    r = POOL_YIELD / 4
    # Level instalment of an annuity, in whole fen as a contract would have it.
    instalments = np.round(amounts * r / (1.0 - (1.0 + r) ** -QUARTERS), 2)
    dates = tuple(_quarter(k) for k in range(1, QUARTERS + 1))
    pool = Pool(
        name=tuple(x.name for x in LICENSEES),
        amount=amounts,
        schedule=np.repeat(instalments[:, None], QUARTERS, axis=1),
        pd=np.array([x.pd for x in LICENSEES]),
        recovery=np.full(len(LICENSEES), 0.40),
        lag=np.full(len(LICENSEES), 1.0),
        correlation=np.full(len(LICENSEES), 0.20),
        industry=tuple(x.industry for x in LICENSEES),
    )
    total = float(amounts.sum())
    tranches = (
        Tranche("Senior (优先级)", 1, 0.95 * total, 0.04, "with collections", dates[-1]),
        Tranche("Subordinate (次级)", 2, 0.05 * total, 0.0, "bullet", dates[-1]),
    )
    terms = Terms(closing=CLOSING, dates=dates, fee_rate=0.002, support_correlation=0.3, seed=2019)
    controls = Controls(reserve_size=1.0, support_pd=0.001, repurchase_share=0.25, unpledged_recovery=0.15)
    covenants = (
        Covenant("Accumulated coverage", "coverage", "min", 1.0, "turbo"),
        Covenant("Debt service of the period", "period DSCR", "min", 1.0, "trap"),
        Covenant("Defaults so far", "cumulative default ratio", "max", 0.10, "turbo"),
        Covenant("Largest obligor", "largest obligor share", "max", 0.20, "none"),
        Covenant("Reserve account", "reserve ratio", "min", 0.50, "trap"),
        Covenant("Senior distance to default", "senior DD", "min", 1.0, "none"),
    )
    return Deal(pool, tranches, terms, controls, covenants)


# What is public of the obligors: amounts in RMB million, and names with their patents.
KNOWN_AMOUNTS = (45.0, 23.0, 3.0)
KNOWN_NAMES = ("Vtron", "Huayin")


def _basis(x: Licensee) -> Basis:
    """Say which figures of an obligor are public."""
    amount = ("amount",) if x.amount in KNOWN_AMOUNTS else ()
    named = ("industry", "invention", "utility") if x.name.startswith(KNOWN_NAMES) else ()
    return fact(x.basis, "name", *amount, *named)


PATENT_SOURCES = Sources(
    title="Xingye Yuanrong, Guangzhou Development Zone patent licences (2019-1): public facts, else assumed",
    pages=(Phrase("public reports of the deal, from its launch on 11 September 2019 on"),),
    pool=tuple(map(_basis, LICENSEES)),
    tranches=(
        fact("4 %, AAA: fact; the rest: assumption", "name", "rank", "coupon"),
        fact("assumption: residual after senior", "name", "rank"),
    ),
    terms={
        "closing": term("fact: launched on 11 September 2019"),
        "dates": term("assumption: 20 quarters"),
        "fee_rate": term("assumption"),
        "day_count": term("assumption"),
        "principal": term("assumption"),
        "support_correlation": term("assumption: pool and payer of the undertaking"),
        "prepayment": term("assumption: none"),
        "cure": term("assumption: whether a trigger ends when its test is met again"),
    },
    controls={
        "subordination": term("assumption: split 95/5"),
        "excess_coverage": term("follows from pool, coupon and fees"),
        "reserve": term("assumption: one period of senior dues, held as cash"),
        "support": term("by the originator's parent; its PD is an assumption"),
        "triggers": term("assumption: see sheet Covenant"),
        "repurchase": term("assumption: share of a defaulted claim that the originator buys back"),
        "pledge": term("assumption: recovery 40 % with, 15 % without"),
    },
)

# PDs that nobody has published: half to double. Recoveries on patents have no history at all.
RANGES = Ranges(pd=(0.01, 0.04), recovery=(0.20, 0.60), correlation=(0.10, 0.35), support_pd=(0.0003, 0.003))

# All obligors paid on schedule until the plan ended in 2022: that much is public.
QUARTERS_PAID = 10


def patents_example() -> Example:
    """Build the deal that ships, with its patents and what came in.

    Returns
    -------
    Example
    """
    deal = xingye_yuanrong()
    return Example(
        "patents",
        "Xingye Yuanrong, Guangzhou Development Zone patent licences (2019-1), RMB.",
        "兴业圆融-广州开发区专利许可资产支持专项计划",
        deal,
        PATENT_SOURCES,
        currency="RMB",
        pool={
            "invention": tuple(x.invention for x in LICENSEES),
            "utility": tuple(x.utility for x in LICENSEES),
        },
        actual=tuple(deal.pool.collections[:QUARTERS_PAID].tolist()),
        ranges=RANGES,
        notes={
            "Pool": "One row per obligor; as shipped level quarterly instalments at 6.5 % p.a. over "
            "20 quarters (assumption).",
            "Covenant": "Thresholds are assumptions.",
            "Uncertainty": "As shipped: assumptions.",
            "Surveillance": "As shipped: on schedule, as all obligors paid (fact).",
        },
    )
