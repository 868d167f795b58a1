"""Warnings about what PDs and correlations come from."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np

from xlkmv.deal.checks import laws, source_warnings, warnings
from xlkmv.deal.examples.patents import xingye_yuanrong
from xlkmv.deal.kmv import kmv_view
from xlkmv.deal.paths.run import simulate
from xlkmv.deal.plan.waterfall import waterfall
from xlkmv.deal.sources import Prices
from xlkmv.deal.stress import BASE, Stress, apply
from xlkmv.deal.terms import Recoveries

CLOSING = dt.date(2020, 6, 30)
SHORT = "Classes short although everybody pays"
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


def test_classes_that_are_short_by_plan_are_counted_once_each():
    deal = xingye_yuanrong()
    plan, base = apply(deal, Stress("x", pool_haircut=0.6, controls_off=("support",))), kmv_view(deal)
    assert figures(warnings(apply(deal, BASE), base, waterfall(apply(deal, BASE))))[SHORT] == (0.0, "passed")
    planned = waterfall(plan)
    dates = [sum(bool(x) for x in row) for row in planned.short]
    assert min(dates) > 0 and max(dates) > 2
    assert figures(warnings(plan, base, planned))[SHORT] == (2.0, "look")


def test_recoveries_that_are_drawn_leave_no_exact_volatility_to_hold_the_simulated_one_against():
    deal = xingye_yuanrong()
    drawn = replace(deal, pool=replace(deal.pool, recoveries=Recoveries(spread=0.25, tie=0.5)))
    plan, base, run = apply(drawn, BASE), kmv_view(drawn), simulate(drawn)
    # A bad year brings less from each default, which the volatility of means does not have.
    assert run.volatility - base.volatility > 10.0 * run.volatility_error
    check = laws(plan, base, waterfall(plan), run, None)[1]
    assert str(check.name).startswith("Simulated volatility") and check.difference == 0.0
    plan, base, run = apply(deal, BASE), kmv_view(deal), simulate(deal)
    assert 0.0 < abs(laws(plan, base, waterfall(plan), run, None)[1].difference) < 5.0


def test_what_is_in_order_passes():
    found = figures(source_warnings({"alpha": "listed"}, POOL, [weekly("Alpha", "2020-06-26")], CLOSING))
    assert found == {
        "Obligors with data that are not in the pool": (0.0, "passed"),
        "Obligors with prices that nothing uses": (0.0, "passed"),
        "Obligors with prices after closing, left out": (0.0, "passed"),
        "Days between last price and closing (Alpha)": (4.0, "passed"),
        "Widest step of prices, in usual steps (Alpha)": (1.0, "passed"),
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
        "Obligors with data that are not in the pool (Delta)": (1.0, "look"),
        "Obligors with prices that nothing uses (Beta)": (1.0, "look"),
        "Obligors with prices after closing, left out (alpha)": (1.0, "look"),
        "Days between last price and closing (Gamma)": (95.0, "look"),
        "Widest step of prices, in usual steps (Gamma)": (5.0, "look"),
    }


def test_a_correlation_uses_all_prices():
    prices = [weekly("Beta", "2020-06-26")]
    found = figures(source_warnings({"Beta": "history"}, POOL, prices, CLOSING, correlated=True))
    assert found["Obligors with prices that nothing uses"] == (0.0, "passed")
    assert found["Days between last price and closing (Beta)"] == (4.0, "passed")


def test_long_lists_are_cut():
    methods = dict.fromkeys("ABCDE", "given")
    (check,) = source_warnings(methods, (), [], CLOSING)
    assert check.name == "Obligors with data that are not in the pool (A, B, C, D, ...)"
    assert check.difference == 5.0
