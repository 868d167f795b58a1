"""Warnings about what PDs and correlations come from."""

from __future__ import annotations

import datetime as dt

import numpy as np

from xlkmv.deal.checks import source_warnings
from xlkmv.deal.sources import Prices

CLOSING = dt.date(2020, 6, 30)
POOL = ("Alpha", "Beta", "Gamma")


def weekly(name, last, count=20, hole=0):
    """Prices of every seventh day up to the last, the later half `hole` days later than the first."""
    days = np.datetime64(last) - 7 * np.arange(count)[::-1]
    days[: count // 2] -= np.timedelta64(hole, "D")
    return Prices(name, days, np.ones(count))


def figures(checks):
    return {check.name: (check.difference, check.outcome) for check in checks}


def test_nothing_is_said_where_nothing_is_known():
    assert source_warnings({}, POOL, [], CLOSING) == ()


def test_what_is_in_order_passes():
    found = figures(source_warnings({"alpha": "listed"}, POOL, [weekly("Alpha", "2020-06-26")], CLOSING))
    assert found == {
        "Obligors on sheet Obligor that are not in the pool": (0.0, "passed"),
        "Obligors with prices that their method does not use": (0.0, "passed"),
        "Obligors with prices after closing, which are not used": (0.0, "passed"),
        "Days from the last price to closing, at most (Alpha)": (4.0, "passed"),
        "Widest step between prices, in usual steps (Alpha)": (1.0, "passed"),
    }


def test_what_is_odd_is_named():
    methods = {"Alpha": "listed", "Beta": "history", "Gamma": "listed", "Delta": "given"}
    prices = [
        weekly("alpha", "2020-07-31"),  # five of them after closing
        weekly("Beta", "2020-06-26"),
        weekly("Gamma", "2020-03-27", hole=28),
    ]
    found = figures(source_warnings(methods, POOL, prices, CLOSING))
    assert found == {
        "Obligors on sheet Obligor that are not in the pool (Delta)": (1.0, "look"),
        "Obligors with prices that their method does not use (Beta)": (1.0, "look"),
        "Obligors with prices after closing, which are not used (alpha)": (1.0, "look"),
        "Days from the last price to closing, at most (Gamma)": (95.0, "look"),
        "Widest step between prices, in usual steps (Gamma)": (5.0, "look"),
    }


def test_a_correlation_uses_all_prices():
    prices = [weekly("Beta", "2020-06-26")]
    found = figures(source_warnings({"Beta": "history"}, POOL, prices, CLOSING, correlated=True))
    assert found["Obligors with prices that their method does not use"] == (0.0, "passed")
    assert found["Days from the last price to closing, at most (Beta)"] == (4.0, "passed")


def test_long_lists_are_cut():
    methods = dict.fromkeys("ABCDE", "given")
    (check,) = source_warnings(methods, (), [], CLOSING)
    assert check.name == "Obligors on sheet Obligor that are not in the pool (A, B, C, D, ...)"
    assert check.difference == 5.0
