"""Worksheet functions of firms, series and pools: published answers, and figures worked out beside them."""

from __future__ import annotations

import itertools
import math
import statistics
from dataclasses import replace
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from xlkmv.functions import (
    KMV_ASSET_CORRELATION,
    KMV_ASSETS,
    KMV_BACKTEST,
    KMV_CONCENTRATION,
    KMV_COVENANT,
    KMV_CREDITMETRICS,
    KMV_DD,
    KMV_EDF,
    KMV_EQUITY,
    KMV_FIT,
    KMV_GUARANTEE,
    KMV_HISTORY_PD,
    KMV_LELAND,
    KMV_LOSSES,
    KMV_LOW_DEFAULT_PD,
    KMV_PD,
    KMV_PLEDGE_RECOVERY,
    KMV_PORTFOLIOVIEW,
    KMV_PRIVATE_PD,
    KMV_RATING,
    KMV_RISK_WEIGHT,
    KMV_SCENARIO,
    KMV_SELFTEST,
    KMV_SENSITIVITY,
    KMV_TERM,
    KMV_TRANCHE_EL,
    KMV_VOLATILITY,
    KMV_WATERFALL,
    about,
    selftest,
)
from xlkmv.functions.cells import ExcelError
from xlkmv.functions.registry import FUNCTIONS
from xlkmv.functions.selftest import KNOWN_ANSWERS, KnownAnswer, computed

N = NormalDist().cdf


def error(result: Any, code: str, *reasons: str) -> None:
    assert isinstance(result, ExcelError)
    assert str(result) == code
    for reason in reasons:
        assert reason in result.reason


# ------------------------------------------------------------------------ published answers


@pytest.mark.parametrize("answer", KNOWN_ANSWERS, ids=lambda a: f"{a.function} {a.what}")
def test_known_answer(answer: KnownAnswer) -> None:
    assert computed(answer, FUNCTIONS[answer.function]) == pytest.approx(
        answer.expected, rel=answer.tolerance
    )


def test_selftest_shows_them_all() -> None:
    header, *rows = KMV_SELFTEST()
    assert header == ["Source", "What", "Function", "Expected", "Computed", "Relative difference", "Agrees"]
    assert [row[3] for row in rows] == [a.expected for a in KNOWN_ANSWERS]
    assert all(row[6] is True for row in rows)
    assert all(row[4] == pytest.approx(row[3] * (1.0 + row[5]), rel=1e-12) for row in rows)


def test_selftest_notices_a_figure_that_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    # The coarsest is printed as 0.0008, half a digit of which is 6 %; of 40 digits a millionth is told.
    off = [
        replace(a, expected=a.expected * (1.000002 if "arithmetic" in a.source else 1.07))
        for a in KNOWN_ANSWERS
    ]
    monkeypatch.setattr(selftest, "KNOWN_ANSWERS", off)
    _, *rows = about._self_test.__wrapped__()
    assert len(rows) == len(off) and [row[1] for row in rows if row[6] is not False] == []


# ---------------------------------------------------------------------------------- one firm


@pytest.mark.parametrize("drift", [0.0, 0.05])
def test_term_structure(drift: float) -> None:
    header, *rows = KMV_TERM(120.0, 100.0, 0.25, [[1.0, 2.0, 5.0]], drift)
    assert header == ["Horizon", "DD", "PD", "Marginal PD", "Hazard rate"]
    before, start = 0.0, 0.0
    for (t, dd, pd, marginal, hazard), horizon in zip(rows, (1.0, 2.0, 5.0), strict=True):
        distance = (math.log(1.2) + (drift - 0.03125) * horizon) / (0.25 * math.sqrt(horizon))
        assert (t, dd, pd) == pytest.approx((horizon, distance, N(-distance)), rel=1e-12)
        assert marginal == pytest.approx(pd - before, rel=1e-12)
        assert math.exp(-hazard * (horizon - start)) == pytest.approx((1.0 - pd) / (1.0 - before), rel=1e-12)
        before, start = pd, horizon
    anytime = KMV_TERM(120.0, 100.0, 0.25, [[1.0], [2.0]], drift, "anytime")
    assert [row[2] for row in anytime[1:]] == [
        KMV_PD(120.0, 100.0, 0.25, t, drift, "anytime") for t in (1.0, 2.0)
    ]
    error(KMV_TERM(120.0, 100.0, 0.25, [[2.0, 1.0]]), "#VALUE!", "horizons must increase (got 1)")


def test_term_structure_of_the_linear_distance_is_flat() -> None:
    # (120 - 100)/(120 x 0.25) = 2/3 at every horizon.
    _, *rows = KMV_TERM(120.0, 100.0, 0.25, [[1.0, 2.0, 5.0]], 0.1, "linear")
    for t, (horizon, dd, pd, marginal, hazard) in zip((1.0, 2.0, 5.0), rows, strict=True):
        assert (horizon, dd, pd) == pytest.approx((t, 2 / 3, N(-2 / 3)), rel=1e-12)
        assert marginal == pytest.approx(N(-2 / 3) if t == 1.0 else 0.0, rel=1e-12)
        assert hazard == pytest.approx(-math.log(N(2 / 3)) if t == 1.0 else 0.0, rel=1e-12)


def test_one_unsolvable_firm_leaves_the_others_right() -> None:
    rows = KMV_ASSETS([[3.0], [1e-300], [3.0], [None]], 10.0, [[0.8], [0.8], [80.0], [0.8]], 1.0, 0.05)
    assert rows[0] == pytest.approx([12.3953871886, 0.212304713423], rel=1e-10)
    assert [[str(cell) for cell in row] for row in rows[1:]] == [["#NUM!"] * 2, ["#NUM!"] * 2, ["#N/A"] * 2]
    assert "no information" in rows[1][0].reason and "0.25 means 25 %" in rows[2][0].reason


def test_guarantee_and_equity_obey_put_call_parity() -> None:
    ((equity, _),) = KMV_EQUITY(140.0, 100.0, 0.25, 2.0, 0.03)
    parity = equity - 140.0 + 100.0 * math.exp(-0.06)
    assert KMV_GUARANTEE(140.0, 100.0, 0.25, 2.0, 0.03) == pytest.approx(parity, rel=1e-12)


def test_sensitivities_are_differences() -> None:
    firm = [120.0, 100.0, 0.25, 2.0, 0.03]
    header, *rows = KMV_SENSITIVITY(*firm)
    assert header == ["Input", "Change of DD", "Change of PD"]
    assert [row[0] for row in rows] == ["asset_value", "default_point", "volatility", "horizon", "drift"]
    for k, (_, of_distance, of_pd) in enumerate(rows):
        step = 1e-5 * firm[k]
        up, down = ([x + s * step if i == k else x for i, x in enumerate(firm)] for s in (1, -1))
        assert of_distance == pytest.approx((KMV_DD(*up) - KMV_DD(*down)) / (2 * step), rel=1e-7)
        assert of_pd == pytest.approx((KMV_PD(*up) - KMV_PD(*down)) / (2 * step), rel=1e-7)


# ------------------------------------------------------------------------------- from series


@pytest.mark.parametrize("method", ["mle", "iterative"])
def test_fit_of_a_firm_without_debt_to_speak_of(method: str) -> None:
    """With next to no debt the assets are the equity, and the figures those of a lognormal path."""
    x = np.cumsum(np.random.default_rng(3).normal(0.001, 0.02, 251))
    header, *rows = KMV_FIT([[v] for v in 100.0 * np.exp(x)], 1e-6, 0.02, 250.0, 1.0, method)
    assert header == ["Figure", "Value", "Standard error"]
    assert [row[0] for row in rows] == [
        "Asset value",
        "Volatility",
        "Drift",
        "Distance to default",
        "Default probability",
        "Converged",
    ]
    moves = np.diff(x)
    # Maximum likelihood divides by n, the iteration by n - 1.
    sigma = moves.std(ddof=0 if method == "mle" else 1) * math.sqrt(250.0)
    drift = moves.mean() * 250.0 + 0.5 * sigma**2
    assert rows[0][1] == pytest.approx(100.0 * math.exp(x[-1]), rel=1e-6)
    assert rows[1][1:] == pytest.approx([sigma, sigma / math.sqrt(500.0)], rel=1e-3)
    assert rows[2][1:] == pytest.approx([drift, sigma], rel=2e-2)  # one year: its error is sigma
    assert rows[3][1] == pytest.approx(KMV_DD(rows[0][1], 1e-6, rows[1][1], 1.0, rows[2][1]), rel=1e-9)
    assert rows[5][1] is True
    error(KMV_FIT([[5.0], [5.0], [5.0]], 1.0), "#VALUE!", "must move")
    error(KMV_FIT([[5.0], [-1.0], [5.0]], 1.0), "#NUM!", "equity_values, value 2, must be > 0")


def test_volatility_of_flows() -> None:
    flows, plan = [27.1, 28.4, 26.9, 27.8], [27.0, 28.0, 28.0, 27.0]
    moves = [math.log(b / a) for a, b in itertools.pairwise(flows)]
    assert KMV_VOLATILITY([flows], 4) == pytest.approx(2.0 * statistics.stdev(moves), rel=1e-12)
    misses = [math.log(a / b) for a, b in zip(flows, plan, strict=True)]
    assert KMV_VOLATILITY([flows], None, [plan]) == pytest.approx(statistics.stdev(misses), rel=1e-12)
    error(KMV_VOLATILITY([[27.8 * k for k in range(1, 13)]], 4), "#VALUE!", "not a cumulative total")


# -------------------------------------------------------------------------- the user's tables


@pytest.mark.parametrize("head", [[], [["DD", "EDF"]]])
def test_edf_is_log_linear_in_the_users_map(head: list[list[Any]]) -> None:
    mapping = [*head, [2.0, 0.03], [4.0, 0.004]]
    assert KMV_EDF(3.0, mapping) == pytest.approx(math.sqrt(0.03 * 0.004), rel=1e-12)
    assert KMV_EDF([[0.0, 9.0]], mapping) == [pytest.approx([0.03, 0.004])]
    error(KMV_EDF(3.0, [*head, [2.0, 0.03], [4.0, 0.3]]), "#VALUE!", "do not rise")


def test_grades_of_the_users_scale() -> None:
    scale = [["Grade", "Highest PD"], ["A", 0.001], ["B", 0.05], ["C", 0.2]]
    [grades] = KMV_RATING([[0.0, 0.001, 0.0011, 0.05, 0.2, 0.9]], scale)
    assert grades[:5] == ["A", "A", "B", "B", "C"]
    assert str(grades[5]) == "#NUM!"
    assert "ends at 0.2" in grades[5].reason
    error(KMV_RATING(2.0, scale), "#NUM!", "0.02 means 2 %")


# ------------------------------------------------------------------------------------- plans


def test_a_date_on_which_nothing_falls_due_has_no_principal_but_zero() -> None:
    tranches = [
        ["Tranche", "Rank", "Amount", "Coupon", "Payment type"],
        ["A", 1, 142.7, 0.0, "with collections"],
    ]
    _, *rows = KMV_WATERFALL([[64.0, 66.9, 0.0, 11.0, 16.7]], tranches)
    assert rows[2][2:7] == [0.0, 0.0, 0.0, 0.0, 0.0]
    assert sum(row[5] for row in rows) == pytest.approx(142.7, rel=1e-12)


def test_waterfall_worked_by_hand() -> None:
    """Two years of 60 and 50: the senior 100 at 10 % in two parts, then a bullet of 5 behind it."""
    tranches = [
        ["Tranche", "Rank", "Amount", "Coupon", "Payment type"],
        ["Senior", 1, 100.0, 0.10, "Straight-line"],
        ["Junior", 2, 5.0, None, "bullet"],
    ]
    error(KMV_WATERFALL([[60.0, 50.0]], tranches), "#N/A", "coupon")
    tranches[2][3] = 0.0
    header, *rows = KMV_WATERFALL([[60.0, 50.0]], tranches, [["Periods per year", 1]])
    assert header == [
        "Date",
        "Tranche",
        "Interest due",
        "Interest paid",
        "Principal due",
        "Principal paid",
        "Missed",
        "Balance",
    ]
    expected = [
        [1, "Senior", 10.0, 10.0, 50.0, 50.0, 0.0, 50.0],
        [1, "Junior", 0.0, 0.0, 0.0, 0.0, 0.0, 5.0],
        [2, "Senior", 5.0, 5.0, 50.0, 45.0, 5.0, 5.0],
        [2, "Junior", 0.0, 0.0, 5.0, 0.0, 5.0, 5.0],
    ]
    for row, wanted in zip(rows, expected, strict=True):
        assert row[:2] == wanted[:2]
        assert row[2:] == pytest.approx(wanted[2:], abs=1e-9)
    # A reserve of one period's senior dues, 60, pays what is missed.
    held = KMV_WATERFALL([[60.0, 50.0]], tranches, [["Periods per year", 1], ["Reserve periods", 1]])
    assert [row[6] for row in held[1:]] == pytest.approx([0.0] * 4, abs=1e-9)
    tranches[2][1] = 1.5
    error(KMV_WATERFALL([[60.0, 50.0]], tranches), "#NUM!", "must be a whole number")
    error(KMV_WATERFALL([[60.0, 50.0]], tranches[:2], [["Reserve", 1]]), "#VALUE!", "options must be")
    for incomplete in (tranches[:1], [row[:-1] for row in tranches[:2]]):
        error(
            KMV_WATERFALL([[60.0, 50.0]], incomplete),
            "#VALUE!",
            "must have the headings tranche",
            "a row below",
        )


def test_waterfall_names_a_column_that_would_count_for_nothing() -> None:
    table = [["Tranche", "Rank", "Amount", "Coupon", "Payment type"], ["A", 1, 100.0, 0.1, "bullet"]]
    plain = KMV_WATERFALL([[60.0, 70.0]], table)
    known = "each once and no other, and a row below (got"
    for heading, value in (("Legal final", 3.0), ("Legal final", None), ("rank ", 2), (None, 5.0)):
        wide = [[*table[0], heading], [*table[1], value]]
        shown = "blank" if heading is None else repr("Rank" if heading == "rank " else heading)
        error(KMV_WATERFALL([[60.0, 70.0]], wide), "#VALUE!", "tranche, rank, amount, coupon, payment type, ")
        error(KMV_WATERFALL([[60.0, 70.0]], wide), "#VALUE!", f"{known} {shown})")
    twice = [[*table[0], "Final", "Final"], [*table[1], 1.0, 1.0]]
    error(KMV_WATERFALL([[60.0, 70.0]], twice), "#VALUE!", f"{known} 'Final')")
    # An empty column beside the table holds nothing.
    assert KMV_WATERFALL([[60.0, 70.0]], [[*table[0], None], [*table[1], ""]]) == plain
    error(KMV_WATERFALL([[60.0, 70.0]], [[None, None], [None, None]]), "#VALUE!", "must have the headings")


@pytest.mark.parametrize(("side", "sign"), [("min", 1.0), ("max", -1.0)])
def test_covenant_by_date(side: str, sign: float) -> None:
    header, *rows = KMV_COVENANT([[1.05, 0.98]], 1.0, 0.05, 2, 0.01, side)
    assert header == [
        "k",
        "t",
        "Value",
        "Headroom",
        "Status",
        "Distance to breach",
        "Probability",
        "Any-date probability",
    ]
    assert [row[4] for row in rows] == (["ok", "breach"] if side == "min" else ["breach", "ok"])
    for k, (value, t) in enumerate(((1.05, 0.5), (0.98, 1.0))):
        distance = sign * (math.log(value) + (0.01 - 0.00125) * t) / (0.05 * math.sqrt(t))
        assert rows[k][:4] == pytest.approx([k + 1, t, value, sign * (value - 1.0)], rel=1e-12)
        assert rows[k][5:7] == pytest.approx([distance, N(-distance)], rel=1e-12)
    assert rows[0][7] == pytest.approx(rows[0][6], rel=1e-12)
    assert rows[1][7] > max(rows[0][6], rows[1][6])


# ------------------------------------------------------------------------------------- pools


def test_concentration() -> None:
    rows = KMV_CONCENTRATION([[5.0, 1.0, 1.0, 1.0, 1.0, 1.0]])
    assert rows[0] == ["Measure", "Value"]
    assert dict(rows[1:]) == pytest.approx(
        {"HHI": 0.3, "Effective number": 1 / 0.3, "Largest share": 0.5, "Top 5 share": 0.9}
    )


def test_backtest_against_counting() -> None:
    pds, defaults = [0.01, 0.02, 0.02, 0.05, 0.2], [0, 0, 1, 0, 1]
    sick = [p for p, d in zip(pds, defaults, strict=True) if d]
    sound = [p for p, d in zip(pds, defaults, strict=True) if not d]
    pairs = list(itertools.product(sick, sound))
    auc = sum((p > q) + 0.5 * (p == q) for p, q in pairs) / len(pairs)
    table = KMV_BACKTEST([pds], [defaults])
    assert table[0] == ["Measure", "Value"]
    found = dict(table[1:])
    assert list(found) == [
        "Observations",
        "Defaults",
        "AUC",
        "Accuracy ratio",
        "Kolmogorov-Smirnov",
        "Brier score",
        "Hosmer-Lemeshow",
        "Hosmer-Lemeshow p-value",
    ]
    assert (found["Observations"], found["Defaults"]) == (5, 2)
    assert found["AUC"] == pytest.approx(auc)
    assert found["Accuracy ratio"] == pytest.approx(2 * auc - 1)
    # Up to a PD of 0.01: a third of the sound and none of the sick; up to 0.05: all and a half.
    assert found["Kolmogorov-Smirnov"] == pytest.approx(0.5)
    brier = sum((p - d) ** 2 for p, d in zip(pds, defaults, strict=True)) / 5
    assert found["Brier score"] == pytest.approx(brier)
    assert KMV_BACKTEST([pds], [defaults], "brier") == found["Brier score"]
    error(KMV_BACKTEST([pds], [[0] * 5]), "#VALUE!", "at least one 1")


def test_expected_loss_of_a_tranche_that_is_none() -> None:
    good, bad = KMV_TRANCHE_EL(0.0, [[0.03], [0.0]], 0.05, 0.2, 0.6)
    assert good[0] == pytest.approx(0.627703421, rel=1e-8)
    error(bad[0], "#NUM!", "detach must be above attach (got 0)")


POOL = ([[10.0, 20.0]], [[0.1, 0.2]])


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("KMV_LOSSES", ([[0.0]], [[0.95]])), ("KMV_PORTFOLIOVIEW", ([[1e-9]], [[0.95]]))],
)
def test_two_independent_obligors(name: str, arguments: tuple[Any, ...]) -> None:
    """Losses 0, 10, 20 and 30 have the probabilities 0.72, 0.08, 0.18 and 0.02."""
    header, *rows = FUNCTIONS[name](*POOL, *arguments)
    assert header == ["Measure", {"KMV_LOSSES": "KMV"}.get(name, "CreditPortfolioView")]
    assert dict(rows) == pytest.approx(
        {
            "Expected loss": 5.0,
            "Unexpected loss": math.sqrt(100 * 0.09 + 400 * 0.16),
            "VaR 0.95": 20.0,
            "Expected shortfall 0.95": (30 * 0.02 + 20 * 0.03) / 0.05,
        },
        rel=1e-6,
    )


def test_loss_given_default_scales_the_losses() -> None:
    whole, part = (KMV_LOSSES(*POOL, 0.2, [[0.95]], lgd) for lgd in (None, 0.6))
    for one, other in zip(whole[1:], part[1:], strict=True):
        assert other[1] == pytest.approx(0.6 * one[1], rel=1e-9)


def test_creditmetrics_uses_the_row_of_each_rating() -> None:
    table = KMV_CREDITMETRICS([[100.0, 50.0]], [["bb", "B"]], 0.2, [[0.99]], 0.6)
    assert table[0] == ["Measure", "CreditMetrics"]
    # Default probabilities of the 1997 matrix; its row of B adds up to 0.9999.
    assert table[1] == [
        "Expected loss",
        pytest.approx(0.6 * (100 * 0.0106 + 50 * 0.0520 / 0.9999), rel=1e-12),
    ]
    assert KMV_CREDITMETRICS([[100.0, 50.0]], [["bb", "B"]], 0.2, [[0.99]], 0.6, 1997) == table
    error(KMV_CREDITMETRICS([[100.0]], [["BBBB"]], 0.2), "#VALUE!", "ratings must be one of")
    error(KMV_CREDITMETRICS([[100.0]], [["BB"]], 0.2, None, None, 1.5), "#VALUE!", "seed")


BOND = [1.0937, 1.0919, 1.0866, 1.0755, 1.0202, 0.9810, 0.8364, 0.5113]


@pytest.mark.parametrize("values", [[BOND], [[v] for v in BOND]])
def test_creditmetrics_marks_the_published_bond_to_model(values: list[list[float]]) -> None:
    """CreditMetrics (1997), BBB bond: worth 107.55 if nothing changes, mean 107.09, sd 2.99."""
    table = KMV_CREDITMETRICS(100.0, "BBB", 0.2, 0.99, values=values)
    assert table[0] == ["Measure", "CreditMetrics (migration)"]
    found = dict(table[1:])
    assert found["Expected loss"] == pytest.approx(107.55 - 107.09, abs=0.005)
    assert found["Unexpected loss"] == pytest.approx(2.99, abs=0.15)  # simulated: its error is 0.07
    # CCC or default have 0.30 %, B or worse 1.47 %: at 99 % the bond is one of B.
    assert found["VaR 0.99"] == pytest.approx(107.55 - 98.10, rel=1e-12)
    assert dict(KMV_CREDITMETRICS(100.0, "BBB", 0.2, 0.99)[1:])["VaR 0.99"] == 0.0


MOVES = [["", "Good", "Bad", "D"], ["Good", 0.9, 0.09, 0.01], ["Bad", 0.2, 0.7, 0.1]]


@pytest.mark.parametrize("matrix", [MOVES, [r[1:] for r in MOVES], MOVES[1:]])
def test_creditmetrics_by_the_users_matrix(matrix: list[list[Any]]) -> None:
    pool = ([[100.0, 50.0]], [["good", "BAD"]], 0.2, 0.99)
    table = KMV_CREDITMETRICS(*pool, 0.6, matrix=matrix)
    assert table[1] == ["Expected loss", pytest.approx(0.6 * (100 * 0.01 + 50 * 0.1), rel=1e-12)]
    each = [[1.0, 0.9, 0.3], [1.0, 0.8, 0.4]]  # a row per obligor
    table = KMV_CREDITMETRICS(*pool, values=each, matrix=matrix)
    wanted = 100 * (0.09 * 0.1 + 0.01 * 0.7) + 50 * (0.2 * -0.2 + 0.1 * 0.4)
    assert table[1] == ["Expected loss", pytest.approx(wanted, rel=1e-12)]


def test_creditmetrics_says_what_is_wrong_with_values_and_matrix() -> None:
    pool = ([[100.0, 50.0]], [["Good", "Bad"]], 0.2, 0.99)
    headings = "must have its ratings, all different, as headings above or on the left"
    for code, reason, given in (
        ("#VALUE!", "lgd must be blank where values are given", {"lgd": 0.6, "values": [BOND]}),
        ("#VALUE!", "values must have 3 columns", {"values": [BOND], "matrix": MOVES}),
        ("#N/A", "values is needed", {"values": [[1.0, None, 0.3]], "matrix": MOVES}),
        ("#VALUE!", "ratings must be one of AAA", {}),
        ("#VALUE!", headings, {"matrix": [r[1:] for r in MOVES[1:]]}),
        ("#VALUE!", headings, {"matrix": [MOVES[1], ["good", 0.2, 0.7, 0.1]]}),
        ("#VALUE!", headings, {"matrix": [["", "Bad", "Good", "D"], *MOVES[1:]]}),
        ("#VALUE!", headings, {"matrix": [["a"]]}),
        ("#NUM!", "must sum to 1 in each row (row 2)", {"matrix": [MOVES[1], ["Bad", 0.2, 0.7, 0.2]]}),
        ("#N/A", "matrix is needed", {"matrix": [MOVES[1], ["Bad", 0.2, None, 0.2]]}),
        (
            "#VALUE!",
            "a column for each of its rows",
            {"matrix": [["Good", 0.9, 0.05, 0.05, 0.0], ["Bad", 1, 0, 0, 0]]},
        ),
    ):
        error(KMV_CREDITMETRICS(*pool, **given), code, reason)


def test_a_cumulative_series_is_refused_and_backwards_shows_the_trap() -> None:
    """Twelve equal payments: ln(k + 1) - ln(k) have the sd 0.1823541 a period, and no risk at all."""
    running = [float(k) for k in range(1, 13)]
    assert statistics.stdev(math.log((k + 1) / k) for k in running[:-1]) == pytest.approx(0.1823541, abs=1e-7)
    error(KMV_VOLATILITY([running]), "#VALUE!", "not a cumulative total")
    assert KMV_VOLATILITY([running[::-1]]) == pytest.approx(0.1823541, abs=1e-7)


def test_the_best_debt_of_a_firm_by_table() -> None:
    header, *rows = KMV_LELAND(100.0, 0.2)
    assert header == ["Figure", "Value"]
    # Leland (1994), base case.
    assert dict(rows) == pytest.approx(
        {
            "Optimal coupon": 6.500969,
            "Default boundary": 52.820375,
            "Debt": 96.274221,
            "Firm value": 128.441740,
            "Leverage": 0.749556,
            "Spread": 0.00752554,
        },
        rel=1e-6,
    )
    error(KMV_LELAND(100.0, 20.0), "#NUM!", "volatility must be > 0", "got 20")
    error(KMV_LELAND(100.0, 0.2, 0.0), "#NUM!", "rate must be >= 0.0001")
    error(KMV_LELAND(100.0, 0.2, None, None, 0.0), "#NUM!", "tax must be >= 0.0001")


def test_risk_weight_cell_by_cell() -> None:
    # Basel Committee (2006), annex 5: corporate, LGD 45 %, 2.5 years; and small firms of 5 million.
    found = KMV_RISK_WEIGHT([[0.01, 0.01, 0.0, 1.0]], None, None, [[None, 5.0, None, None]])[0]
    assert found[:2] == pytest.approx([0.9232, 0.7240], abs=1.01e-4)
    error(found[2], "#NUM!", "pd must be >= 0.0003")
    error(found[3], "#NUM!", "pd must be >= 0.0003 and < 1")
    error(KMV_RISK_WEIGHT(0.01, None, 6.0), "#NUM!", "maturity must be between 1 and 5")


def test_portfolioview_needs_a_sensitivity_or_series() -> None:
    error(KMV_PORTFOLIOVIEW(*POOL), "#N/A", "sensitivity is needed")
    rates, macro = [[0.02], [0.03], [0.025]], [[1.0], [2.0], [1.5]]
    error(KMV_PORTFOLIOVIEW(*POOL, default_rates=rates), "#VALUE!", "given together")
    error(KMV_PORTFOLIOVIEW(*POOL, default_rates=rates, macro=macro), "#VALUE!", "at least 6 periods")


# ------------------------------------------------------------------------ where inputs come from

PEERS = [[1000.0 * k, 100.0, v] for k, v in ((0.8, 0.2), (1.0, 0.25), (1.2, 0.3))]


def test_private_pd_row_by_row() -> None:
    found = KMV_PRIVATE_PD([[50.0], [-1.0], [50.0], [50.0]], 100.0, [[300.0], [300.0], [None], [-5.0]], PEERS)
    assert found[0][0] == pytest.approx(N(-(math.log(2.0) - 0.03125) / 0.25), rel=1e-12)
    error(found[1][0], "#NUM!", "earnings must be > 0")
    error(found[2][3], "#N/A", "long_term is needed")
    error(found[3][1], "#NUM!", "long_term must be >= 0")
    low, high = found[0][2:]
    assert 0.0 < low < found[0][0] < high < 1.0
    # In thousands: a default point of 0.25 is debt, too.
    assert KMV_PRIVATE_PD(0.05, 0.1, 0.3, PEERS)[0] == pytest.approx(found[0], rel=1e-12)


def test_private_pd_takes_headings_and_blank_rows_and_names_what_is_wrong() -> None:
    plain = KMV_PRIVATE_PD(50.0, 100.0, 300.0, PEERS)
    headed = [["Assets", "EBITDA", "Volatility"], *PEERS, [None, None, None]]
    assert KMV_PRIVATE_PD(50.0, 100.0, 300.0, headed) == plain
    error(KMV_PRIVATE_PD(50.0, 100.0, 300.0, PEERS[:2]), "#VALUE!", "peers must be 3 or more (got 2)")
    error(KMV_PRIVATE_PD(50.0, 100.0, 300.0, [r[:2] for r in PEERS]), "#VALUE!", "must have three columns")
    wrong = [*PEERS, [500.0, -20.0, 0.2]]
    error(KMV_PRIVATE_PD(50.0, 100.0, 300.0, wrong), "#NUM!", "peers' earnings must be > 0 (got -20)")
    (free,) = KMV_PRIVATE_PD([[50.0]], 0.0, 0.0, PEERS)
    error(free[0], "#NUM!", "no debt, no default")


def test_history_pd_row_by_row() -> None:
    found = KMV_HISTORY_PD([[0.0], [1.5], [9.0], [2.0]], [[49.0], [49.0], [3.0], [350.0]])
    assert found[0][0] == pytest.approx(0.01, rel=1e-14)  # (0 + 1/2)/(49 + 1)
    error(found[1][0], "#NUM!", "defaults must be a whole number, >= 0 (got 1.5)")
    error(found[2][0], "#NUM!", "defaults must not be above obligor_years (got 9)")
    assert found[3][0] == pytest.approx(2.5 / 351.0, rel=1e-14)


def test_low_default_pd_is_a_table_by_grade() -> None:
    header, *rows = KMV_LOW_DEFAULT_PD([[100.0, 400.0, 300.0]], [[0.0, 2.0, 1.0]], 0.5)
    assert header[0] == "Grade"
    assert [row[:3] for row in rows] == [[1, 800.0, 3.0], [2, 700.0, 3.0], [3, 300.0, 1.0]]
    # Pluto and Tasche (2005), table 4: 0.46 %.
    assert rows[0][3] == pytest.approx(0.0046, abs=5.01e-5)
    error(KMV_LOW_DEFAULT_PD([[10.0]], [[11.0]], 0.5), "#NUM!", "must not be above the 10 observed")
    error(KMV_LOW_DEFAULT_PD([[10.0]], [[0.0]], 0.5, 0.2, 2.5), "#NUM!", "years must be a whole number")


def test_pledge_recovery_and_its_refusals() -> None:
    # Nothing moves: 100 less a quarter, against 120.
    assert KMV_PLEDGE_RECOVERY(100.0, 120.0, 0.0, None, None, 0.25) == pytest.approx(75.0 / 120.0, rel=1e-14)
    error(KMV_PLEDGE_RECOVERY(100.0, 0.0, 0.3), "#NUM!", "claim must be > 0")
    error(KMV_PLEDGE_RECOVERY(100.0, 120.0, 0.3, correlation=0.2), "#NUM!", "pd must be given and < 1")
    error(KMV_PLEDGE_RECOVERY(100.0, 120.0, 4.0), "#NUM!", "volatility must be between 0 and 1")
    late = KMV_PLEDGE_RECOVERY(100.0, 120.0, 1.0, 90.0, sale_time=60.0)
    error(late, "#NUM!", "volatility must be at most 10/sqrt")


def test_asset_correlation_with_and_without_size() -> None:
    # At PD 0 the ends of the formula: 0.24, and 0.04 less for the smallest.
    assert KMV_ASSET_CORRELATION([[0.0, 0.0]], [[None, 3.0]])[0] == pytest.approx([0.24, 0.20], rel=1e-14)


def test_each_metric_of_a_backtest_asks_for_its_own_conditions() -> None:
    pds, hit = [[0.0, 0.1, 0.2]], [[0.0, 1.0, 0.0]]
    # One of the two pairs of a defaulter and a survivor is in order.
    assert KMV_BACKTEST(pds, hit, "auc") == 0.5
    assert KMV_BACKTEST(pds, hit, "accuracy_ratio") == 0.0
    assert KMV_BACKTEST(pds, hit, "ks") == pytest.approx(0.5)
    assert KMV_BACKTEST([[0.1, 0.2]], [[0.0, 0.0]], "brier") == pytest.approx(0.025)
    # (0 - 0.1)^2/(0.1 0.9) + (0 - 0.2)^2/(0.2 0.8)
    assert KMV_BACKTEST([[0.1, 0.2]], [[0.0, 0.0]], "hosmer_lemeshow") == pytest.approx(1 / 9 + 1 / 4)
    error(KMV_BACKTEST(pds, hit, "p_value"), "#NUM!", "Hosmer-Lemeshow")
    error(KMV_BACKTEST(pds, [[0.0, 0.0, 0.0]], "auc"), "#VALUE!", "at least one 1")


def test_blank_rows_of_scenarios_do_not_count() -> None:
    plan = [[60.0, 60.0]], [[50.0, 50.0]], 0.1
    rows: list[list[Any]] = [["Scenario", "Pool haircut"], ["Base", 0.0], ["Haircut", 0.05]]
    assert KMV_SCENARIO(*plan, [*rows, [None, ""]]) == KMV_SCENARIO(*plan, rows)
    error(KMV_SCENARIO(*plan, [rows[0], [None, None]]), "#VALUE!", "row below the headings")
