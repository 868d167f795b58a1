"""Warnings about what PDs and correlations come from."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from xlkmv.deal.analysis import analyse
from xlkmv.deal.checks import laws, source_warnings, unused, warnings
from xlkmv.deal.examples import EXAMPLES, example
from xlkmv.deal.examples.patents import xingye_yuanrong
from xlkmv.deal.kmv import kmv_view
from xlkmv.deal.paths.run import simulate
from xlkmv.deal.plan.waterfall import waterfall
from xlkmv.deal.sources import Prices
from xlkmv.deal.stress import BASE, Stress, apply
from xlkmv.deal.terms import Covenant, Deal, Loans, Pool, Recoveries, Terms, Tranche, payment_dates

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


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_input_of_the_examples_counts(name):
    assert unused(example(name).deal) == ()


def test_inputs_that_count_for_nothing_are_said():
    deal = xingye_yuanrong()
    terms, senior, pool = deal.terms, deal.tranches[0], deal.pool
    last = terms.dates[-1]

    def of_terms(**change):
        return replace(deal, terms=replace(terms, **change))

    late = replace(senior, legal_final=last + dt.timedelta(days=365))
    by_vector = {"prepayment_type": "vector", "prepayment_vector": (0.01,) * len(terms.dates)}
    status = ("late", "late") + ("",) * (len(pool.name) - 2)
    cases = [
        (
            replace(deal, tranches=(late, *deal.tranches[1:])),
            f"Classes held to the last payment date, before their legal final ({senior.name})",
            1.0,
        ),
        (
            replace(deal, pool=replace(pool, status=status)),
            "Claims marked late, which count as performing",
            2.0,
        ),
        (
            of_terms(prepayment_vector=(0.01,) * len(terms.dates)),
            "Prepayment vector, not taken: the type is another",
            1.0,
        ),
        (
            of_terms(**by_vector, prepayment=0.05),
            "Prepayment speed, not taken: the type is vector",
            0.05,
        ),
        (
            of_terms(cdr=(0.01,) * len(terms.dates)),
            "CDR, not taken: defaults follow another timing",
            1.0,
        ),
        (
            of_terms(loss_curve=(0.01,) * len(terms.dates)),
            "Loss curve, not taken: defaults follow another timing",
            1.0,
        ),
        (
            of_terms(oc_target=0.1),
            "OC target or floor, not taken: no class passes through",
            1.0,
        ),
        (
            replace(deal, controls=replace(deal.controls, reserve_floor=0.01)),
            "Floor of the reserve, not taken: its size is not of the pool",
            0.01,
        ),
        (
            replace(deal, tranches=(replace(senior, deferrable=True), *deal.tranches[1:])),
            f"Deferrable, not taken: no better class is outstanding ({senior.name})",
            1.0,
        ),
        (
            of_terms(revolving=terms.dates[1] + dt.timedelta(days=1)),
            f"Revolving ends on the payment date before {terms.dates[1] + dt.timedelta(days=1)}",
            1.0,
        ),
        (
            of_terms(revolving=terms.dates[0] - dt.timedelta(days=1)),
            "Revolving ends before the first payment date: nothing is bought",
            1.0,
        ),
        (
            # 8 % typed as 8: no share of the pool is ever above 1.
            replace(deal, covenants=(Covenant("CDR", "cumulative default ratio", "max", 8.0, "turbo"),)),
            "Triggers at 1 or more of a share, which never sets them off (CDR)",
            1.0,
        ),
        (
            replace(
                deal,
                covenants=(
                    Covenant("Order", "cumulative default ratio", "max", 0.08, "sequential"),
                    Covenant("Buying", "cumulative default ratio", "max", 0.08, "amortise"),
                ),
            ),
            "Triggers that have nothing to switch (Order, Buying)",
            2.0,
        ),
        (
            # 2 % of the pool, its unit left blank.
            replace(deal, controls=replace(deal.controls, reserve=True, reserve_size=0.02)),
            "Reserve of less than a tenth of a period: its unit may be meant to be another",
            1.0,
        ),
    ]
    for other, name, figure in cases:
        assert figures(unused(other)) == {name: (figure, "look")}
    assert unused(of_terms(**by_vector)) == unused(of_terms(revolving=terms.dates[3])) == ()


def test_claims_at_a_rate_that_nobody_pays_are_said():
    """5.5 % typed as .55."""
    dates = payment_dates(CLOSING, "month", 12)
    loans = Loans(term=np.array([12.0, 12.0]), rate=np.array([0.55, 0.36]))
    pool = Pool(("X", "Y"), np.array([50.0, 50.0]), np.zeros((2, 12)), 0.02, 0.4, 1.0, 0.1, loans=loans)
    deal = Deal(pool, (Tranche("A", 1, 90.0, 0.04, "pass-through"),), Terms(CLOSING, dates))
    assert figures(unused(deal)) == {"Claims at a rate above 40% (X)": (1.0, "look")}


def test_payment_dates_that_come_before_the_first_instalment_are_counted():
    """Closing on the 20th, notes on the 15th: loans without a day pay on the 20th, a date later."""
    closing = dt.date(2025, 1, 20)
    dates = payment_dates(closing, "month", 12, dt.date(2025, 2, 15))
    name = "Payment dates before anything is collected by plan"
    for first, often, count in ((None, 12.0, 1), (None, 4.0, 3), (dt.date(2025, 2, 1), 12.0, 0)):
        loans = Loans(np.array([12.0]), np.array([0.06]), first=(first,), payments_per_year=often)
        pool = Pool(("A",), 100.0, np.zeros((1, 12)), 0.01, 0.4, 0.0, 0.1, loans=loans)
        note = Tranche("N", 1, 50.0, 0.03, "pass-through")
        deal = Deal(pool, (note,), Terms(closing, dates))
        plan = apply(deal, BASE)
        assert figures(warnings(plan, kmv_view(deal), waterfall(plan)))[name] == (
            count,
            "look" if count else "passed",
        )


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


def test_a_record_of_far_more_than_was_to_come_in_is_named():
    """Of a plan that revolves, principal that has bought claims is no collection."""
    deal = xingye_yuanrong()
    plan = apply(deal, BASE).collections[:3]
    quick = replace(deal, terms=replace(deal.terms, paths=100))
    for times, there in ((0.9, False), (1.49, False), (1.51, True), (3.8, True)):
        checks = analyse(quick, (), actual=tuple(times * plan), quick=True).checks
        found = [c for c in checks if c.name == "Collections since closing / expected by then"]
        assert [(c.warning, c.passed, c.difference) for c in found] == (
            [(True, False, pytest.approx(times))] if there else []
        )
