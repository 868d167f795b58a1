"""Published known answers: what a worksheet function must give, and who says so.

KMV_SELFTEST shows them in a sheet and the tests assert them. `expected` carries the digits of
the source; `tolerance` is relative, as far as those digits (or exact arithmetic) go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["KNOWN_ANSWERS", "KnownAnswer", "computed"]


@dataclass(frozen=True, slots=True)
class KnownAnswer:
    """One published number.

    Attributes
    ----------
    source, what : str
    function : str
    arguments : tuple
    expected, tolerance : float
        The published number, and the relative difference that its digits allow.
    row : int, str or None
        Its row in the function's table, from 0 or by the name in the first column; None for a single cell.
    column : int
        From 0.
    """

    source: str
    what: str
    function: str
    arguments: tuple[Any, ...]
    expected: float
    tolerance: float
    row: int | str | None = None
    column: int = 0


HULL = "Hull, Options, Futures and Other Derivatives: Merton's model"
MATHWORKS = "MathWorks Risk Management Toolbox: mertonmodel"
EXACT = "40-digit arithmetic"
CROUHY = "Crouhy, Galai and Mark (2000): FedEx"
NAIVE = "Bharath and Shumway (2008), naive model"
PLAN = "Plan of 12 level payments, 40-digit arithmetic"
LELAND = "Leland (1994), base case"
METRICS = "CreditMetrics Technical Document (1997), BBB bond"
BASEL = "Basel Committee (2006), annex 5: corporate, LGD 45 %, 2.5 years"
TRAP = "Cumulative series of 12 equal payments, read backwards: no risk"
CSFB = "CreditRisk+ (CSFB 1997), example 1A"

EQUITY = (3.0, 10.0, 0.8, 1.0, 0.05)
LELAND_ANSWERS = (
    ("Optimal coupon", 6.500969, 1e-7),
    ("Default boundary", 52.820375, 1e-8),
    ("Debt", 96.274221, 1e-8),
    ("Firm value", 128.441740, 1e-8),
    ("Leverage", 0.749556, 1e-6),
    ("Spread", 0.00752554, 1e-6),
)
# Value of the bond per unit of face in a year, AAA to CCC, and in default.
BBB_BOND = (
    100.0,
    "BBB",
    0.0,
    (0.99,),
    None,
    None,
    ((1.0937, 1.0919, 1.0866, 1.0755, 1.0202, 0.9810, 0.8364, 0.5113),),
)
FIRM = (12.3953871886, 10.0, 0.212304713423, 1.0, 0.05)
ROUND_TRIPS = (
    ((140.0, 0.25, 100.0, 0.05, 1.0), 45.6336337095747, 0.730645009466743, 0.0776745234578),
    ((110.0, 0.01, 100.0, 0.03, 1.0), 12.9554466451492, 0.0849063741397033, 2.6898319724e-36),
    ((100.0, 0.02, 99.0, 0.03, 0.25), 1.75555611113901, 1.09458072889368, 0.040056259295),
    ((60.0, 0.15, 100.0, 0.02, 1.0), 0.00162267026237914, 3.84873140908192, 0.99959179558),
    ((140.0, 0.25, 100.0, -0.01, 1.0), 40.3244017817855, 0.801795259833825, 0.118823421492),
)
TOOLBOX = (
    (2.6406e7, 0.7103, 4e7, 0.0306, 0.0638, 1.5237, 6.4210e7, 0.3010),
    (2.6817e7, 0.3929, 3.5e7, 0.0300, 0.0008, 3.1679, 6.0109e7, 0.1753),
    (3.977e7, 0.3121, 3.5e7, 0.0310, 0.0000, 4.4298, 7.3063e7, 0.1699),
    (2.947e7, 0.4595, 3.2e7, 0.0302, 0.0026, 2.7916, 5.9906e7, 0.2263),
    (2.528e7, 0.6181, 4e7, 0.0305, 0.0344, 1.8196, 6.3231e7, 0.2511),
)

# Fixture: 301 over 12 quarters at 6.5 % p.a.; senior 95 %, straight line, 1 % a quarter.
INSTALMENT = 301e6 * (0.065 / 4) / (1.0 - (1.0 + 0.065 / 4) ** -12)
NOTES = 0.95 * 301e6
COLLECTIONS = (INSTALMENT,) * 12
DUES = tuple(NOTES / 12 + 0.01 * (NOTES - NOTES / 12 * k) for k in range(12))

# Obligors of the CSFB document: exposure and rating; the default probability of each rating.
CSFB_POOL = [
    "358475H",
    "1089819H",
    "1799710F",
    "1933116G",
    "2317327G",
    "2410929G",
    "2652184H",
    "2957685G",
    "3137989D",
    "3204044D",
    "4727724A",
    "4830517D",
    "4912097D",
    "4928989H",
    "5042312F",
    "5320364E",
    "5435457D",
    "5517586C",
    "5764596E",
    "5847845C",
    "6466533H",
    "6480322H",
    "7727651B",
    "15410906F",
    "20238895E",
]
CSFB_PD = {"A": 0.015, "B": 0.016, "C": 0.03, "D": 0.05, "E": 0.075, "F": 0.10, "G": 0.15, "H": 0.30}
CSFB_ARGUMENTS = (
    tuple(float(x[:-1]) for x in CSFB_POOL),
    tuple(CSFB_PD[x[-1]] for x in CSFB_POOL),
    tuple(CSFB_PD[x[-1]] / 2 for x in CSFB_POOL),
    (0.99, 0.995),
    202389.0,
)


def _firm_answers() -> list[KnownAnswer]:
    answers = [
        KnownAnswer(HULL, "asset value", "KMV_ASSET_VALUE", EQUITY, 12.3953871886, 1e-10),
        KnownAnswer(HULL, "asset volatility", "KMV_ASSET_VOL", EQUITY, 0.212304713423, 1e-10),
        KnownAnswer(HULL, "risk-neutral PD", "KMV_PD", FIRM, 0.1269712411, 1e-8),
        KnownAnswer(HULL, "debt", "KMV_EXPLAIN", ("KMV_SPREAD", *FIRM), 9.395387, 6e-8, "Debt", 2),
        KnownAnswer(HULL, "recovery, 90.32 %", "KMV_RECOVERY", FIRM, 0.9032, 6e-5),
        KnownAnswer(HULL, "spread, 123.66 bp", "KMV_SPREAD", FIRM, 0.012366, 5e-5),
        KnownAnswer(CROUHY, "linear DD", "KMV_LINEAR_DD", (12.6, 3.4, 0.15), 4.8677, 1e-5),
        KnownAnswer(CROUHY, "linear DD", "KMV_LINEAR_DD", (12.2, 3.5, 0.17), 4.1948, 1e-5),
        KnownAnswer(NAIVE, "distance", "KMV_NAIVE_DD", EQUITY, 0.640259980, 1e-8),
        KnownAnswer(
            NAIVE,
            "asset volatility",
            "KMV_EXPLAIN",
            ("KMV_NAIVE_DD", *EQUITY),
            0.376923077,
            2e-9,
            "Asset volatility",
            2,
        ),
        KnownAnswer(NAIVE, "PD", "KMV_EXPLAIN", ("KMV_NAIVE_DD", *EQUITY), 0.261001797, 2e-9, "Naive PD", 2),
        KnownAnswer(
            "Black and Cox (1976)",
            "PD at any time",
            "KMV_PD",
            (100.0, 70.0, 0.25, 1.0, 0.05, "anytime"),
            0.13782391768,
            1e-10,
        ),
        KnownAnswer(
            "Black and Cox (1976)",
            "terminal PD",
            "KMV_PD",
            (100.0, 70.0, 0.25, 1.0, 0.05),
            0.06658733092,
            1e-9,
        ),
    ]
    for E, sigma_E, F, drift, pd, dd, V, sigma in TOOLBOX:
        given = (E, F, sigma_E, 1.0, 0.05)
        answers.append(KnownAnswer(MATHWORKS, "asset value", "KMV_ASSET_VALUE", given, V, 1e-4))
        answers.append(KnownAnswer(MATHWORKS, "asset volatility", "KMV_ASSET_VOL", given, sigma, 5e-4))
        # The printed V and sigma are rounded, and the distance computed from them with them.
        answers.append(
            KnownAnswer(MATHWORKS, "distance to default", "KMV_DD", (V, F, sigma, 1.0, drift), dd, 1e-3)
        )
        if pd > 0.0:
            answers.append(KnownAnswer(MATHWORKS, "PD", "KMV_PD", (V, F, sigma, 1.0, drift), pd, 0.05))
    for (V, sigma, F, r, T), E, sigma_E, pd in ROUND_TRIPS:
        answers.append(KnownAnswer(EXACT, "equity", "KMV_EQUITY", (V, F, sigma, T, r), E, 1e-12, 0, 0))
        answers.append(
            KnownAnswer(EXACT, "equity volatility", "KMV_EQUITY", (V, F, sigma, T, r), sigma_E, 1e-12, 0, 1)
        )
        answers.append(
            KnownAnswer(EXACT, "asset value from equity", "KMV_ASSETS", (E, F, sigma_E, T, r), V, 1e-8, 0, 0)
        )
        answers.append(
            KnownAnswer(
                EXACT, "volatility from equity", "KMV_ASSETS", (E, F, sigma_E, T, r), sigma, 1e-6, 0, 1
            )
        )
        answers.append(KnownAnswer(EXACT, "risk-neutral PD", "KMV_PD", (V, F, sigma, T, r), pd, 1e-9))
    for what, value, tolerance in LELAND_ANSWERS:
        answers.append(KnownAnswer(LELAND, what, "KMV_LELAND", (100.0, 0.2), value, tolerance, what, 1))
    # V and DP one standard deviation of size s apart give DD = x exactly when V/DP = exp(x s + s^2/2).
    for x, pd in ((5.0, 2.866515719e-7), (10.0, 7.619853024e-24), (37.0, 5.725571223e-300)):
        value = 2.718281828459045 ** (0.1 * x + 0.005)
        answers.append(KnownAnswer(EXACT, f"tail N(-{x:g})", "KMV_PD", (value, 1.0, 0.1), pd, 1e-9))
    return answers


def _pool_answers() -> list[KnownAnswer]:
    answers = [
        KnownAnswer(
            "Hull: Vasicek",
            "default rate, 99.9 %",
            "KMV_LOSS_QUANTILE",
            (0.02, 0.1, 0.999),
            0.1282371073,
            1e-9,
        ),
        KnownAnswer(
            "Large pool, 40-digit arithmetic",
            "loss of 0-3 %",
            "KMV_TRANCHE_EL",
            (0.0, 0.03, 0.05, 0.2, 0.6),
            0.627703421,
            1e-8,
        ),
        KnownAnswer(
            "Large pool, 40-digit arithmetic",
            "loss of 5-100 %",
            "KMV_TRANCHE_EL",
            (0.05, 1.0, 0.05, 0.2, 0.6),
            0.006395836,
            1e-6,
        ),
        KnownAnswer(CSFB, "expected loss", "KMV_CREDITRISKPLUS", CSFB_ARGUMENTS, 14221863.0, 1e-6, 1, 1),
        KnownAnswer(CSFB, "VaR 99 %", "KMV_CREDITRISKPLUS", CSFB_ARGUMENTS, 55311503.0, 1e-8, 3, 1),
        KnownAnswer(CSFB, "VaR 99.5 %", "KMV_CREDITRISKPLUS", CSFB_ARGUMENTS, 62033181.0, 1e-8, 5, 1),
    ]
    for sigma, first, fourth in (
        (0.05, 1.63521587, 1.06852494),
        (0.10, 0.79885793, 0.49676247),
        (0.15, 0.51173862, 0.28950831),
    ):
        given = (COLLECTIONS, DUES, sigma)
        answers.append(
            KnownAnswer(PLAN, f"DD on date 1, sigma {sigma:.0%}", "KMV_POOL", given, first, 1e-7, 1, 5)
        )
        answers.append(
            KnownAnswer(PLAN, f"DD on date 4, sigma {sigma:.0%}", "KMV_POOL", given, fourth, 1e-7, 4, 5)
        )
    given = (COLLECTIONS, DUES, 0.10)
    for row, coverage in ((1, 1.042053), (4, 1.056199)):
        what = f"coverage on date {row}"
        answers.append(KnownAnswer(PLAN, what, "KMV_POOL", given, coverage, 5e-7, row, 4))
    for name, value in (("Mean value", 107.09), ("Standard deviation", 2.99)):
        bond = ("KMV_CREDITMETRICS", *BBB_BOND)
        # Printed to a hundredth.
        answers.append(
            KnownAnswer(METRICS, name, "KMV_EXPLAIN", bond, value, 0.005 / value, f"{name}, first obligor", 2)
        )
    # Printed to a hundredth of a per cent; 149.86 is 0.006 above the formula.
    for pd, weight in ((0.03, 14.44), (0.1, 29.65), (0.5, 69.61), (1, 92.32), (5, 149.86), (20, 238.23)):
        what = f"risk weight, PD {pd:g} %"
        answers.append(
            KnownAnswer(BASEL, what, "KMV_RISK_WEIGHT", (pd / 100,), weight / 100, 0.0101 / weight)
        )
    running = tuple(float(k) for k in range(12, 0, -1))
    return [
        *answers,
        KnownAnswer(TRAP, "volatility that it would show", "KMV_VOLATILITY", (running,), 0.1823541, 3e-7),
        KnownAnswer(PLAN, "terminal PD on date 4", "KMV_POOL", given, 0.309678282, 1e-8, 4, 6),
        KnownAnswer(
            PLAN,
            "any-date PD on date 4",
            "KMV_ANYDATE_PD",
            (COLLECTIONS[:4], DUES[:4], 0.10),
            0.47190796,
            1e-8,
        ),
    ]


PLUTO_TASCHE = "Pluto and Tasche (2005), 100, 400 and 300 obligors, no default"
BROWN = "Brown, Cai and DasGupta (2001), Jeffreys' interval, 95 %"
GRADES, NO_DEFAULT = (100.0, 400.0, 300.0), (0.0, 0.0, 0.0)
# Median multiple 10 and volatility 25 %: assets 500 against 250.
PRIVATE = (50.0, 100.0, 300.0, tuple((m, 100.0, v) for m, v in ((800, 0.2), (1000, 0.25), (1200, 0.3))))


def _source_answers() -> list[KnownAnswer]:
    answers = []
    # Printed to a hundredth of a per cent: half of it is the tolerance.
    for confidence, *bounds in ((0.5, 0.0009, 0.0010, 0.0023), (0.9, 0.0029, 0.0033, 0.0076)):
        for row, bound in enumerate(bounds, 1):
            what = f"PD of grade {'ABC'[row - 1]}, {confidence:.0%}"
            given = (GRADES, NO_DEFAULT, confidence)
            tolerance = 0.0000501 / bound
            answers.append(
                KnownAnswer(PLUTO_TASCHE, what, "KMV_LOW_DEFAULT_PD", given, bound, tolerance, row, 3)
            )
    # Their table with asset correlation 12 % is simulated: the last digit may be off.
    for confidence, bound in ((0.5, 0.0037), (0.9, 0.0189), (0.999, 0.0984)):
        what = f"PD of grade C, rho 12 %, {confidence:.10g}"
        correlated = (GRADES, NO_DEFAULT, confidence, 0.12)
        answers.append(
            KnownAnswer(PLUTO_TASCHE, what, "KMV_LOW_DEFAULT_PD", correlated, bound, 0.000101 / bound, 3, 3)
        )
    pledged = (60.0, 100.0, 0.4, 2.5, -0.1, 0.25, 1.5, 0.015, 0.3)
    return [
        *answers,
        KnownAnswer(BROWN, "low end, 1 of 10", "KMV_HISTORY_PD", (1.0, 10.0, 0.95), 0.011, 0.05, 0, 2),
        KnownAnswer(BROWN, "high end, 1 of 10", "KMV_HISTORY_PD", (1.0, 10.0, 0.95), 0.381, 0.0015, 0, 3),
        KnownAnswer(EXACT, "pledge given default", "KMV_PLEDGE_RECOVERY", pledged, 0.18217983383841, 1e-12),
        KnownAnswer(EXACT, "PD by peers", "KMV_PRIVATE_PD", PRIVATE, 0.0040534042093310, 1e-12, 0, 0),
        KnownAnswer(EXACT, "Basel, PD 1 %", "KMV_ASSET_CORRELATION", (0.01,), 0.192783679165516, 1e-13),
        KnownAnswer(
            EXACT, "Basel, PD 2 %, small", "KMV_ASSET_CORRELATION", (0.02, 5.0), 0.124145532940573, 1e-13
        ),
    ]


KNOWN_ANSWERS: tuple[KnownAnswer, ...] = (*_firm_answers(), *_pool_answers(), *_source_answers())


def computed(answer: KnownAnswer, function: Any) -> Any:
    """Compute a known answer by its worksheet function."""
    arguments = [
        [list(x) if isinstance(x, tuple) else [x] for x in given] if isinstance(given, tuple) else given
        for given in answer.arguments
    ]
    result = function(*arguments)
    if answer.row is None or not isinstance(result, list):
        return result
    row = answer.row
    at = row if isinstance(row, int) else next(k for k, cells in enumerate(result) if cells[0] == row)
    return result[at][answer.column]
