"""Dues of a small deal, worked out by hand."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from xlkmv.deal.plan.dues import planned_dues, settled_dues
from xlkmv.deal.terms import Deal, Pool, Terms, Tranche

CLOSING = dt.date(2020, 1, 15)
DATES = (dt.date(2020, 4, 15), dt.date(2020, 7, 15), dt.date(2021, 1, 15))


def deal(**terms):
    """Three dates after 1/4, 1/2 and 1 year; 60, 30 and 10 come in; notes of 60, 30 and 10."""
    pool = Pool(("A", "B"), (70.0, 30.0), [[40.0, 20.0, 10.0], [20.0, 10.0, 0.0]], 0.01, 0.4, 0.5, 0.2)
    tranches = (
        Tranche("junior", 3, 10.0, 0.0, "bullet", DATES[2]),
        Tranche("senior", 1, 60.0, 0.04, "with collections", DATES[1]),
        Tranche("mezzanine", 2, 30.0, 0.08, "straight-line", DATES[2]),
    )
    return Deal(pool, tranches, Terms(closing=CLOSING, dates=DATES, **terms))


def test_by_hand():
    dues = planned_dues(deal(fee_rate=0.01))
    np.testing.assert_array_equal(dues.ranks, [1, 2, 3])
    # Senior: 60 in proportion to 60 and 30 collected up to its maturity. Mezzanine: thirds.
    np.testing.assert_allclose(dues.principal, [[40, 20, 0], [10, 10, 10], [0, 0, 10]], rtol=1e-14)
    np.testing.assert_allclose(dues.opening, [[60, 20, 0], [30, 20, 10], [10, 10, 10]], rtol=1e-14)
    # 4 % and 8 % on the opening balance for 1/4, 1/4 and 1/2 year.
    np.testing.assert_allclose(dues.interest, [[0.6, 0.2, 0], [0.6, 0.4, 0.4], [0, 0, 0]], rtol=1e-14)
    # 1 % on 100, 50 and 20.
    np.testing.assert_allclose(dues.fees, [0.25, 0.125, 0.1], rtol=1e-14)
    np.testing.assert_allclose(dues.ahead(0), [40.85, 20.325, 0.1], rtol=1e-14)
    np.testing.assert_allclose(dues.ahead(1), [51.45, 30.725, 10.5], rtol=1e-14)
    np.testing.assert_allclose(dues.ahead(2), [51.45, 30.725, 20.5], rtol=1e-14)
    np.testing.assert_array_equal(dues.ahead(2), dues.total())


def test_actual_days():
    dues = planned_dues(deal(day_count="Act/365"))
    # 91, 91 and 184 days; 2020 has a 29 February.
    np.testing.assert_allclose(dues.interest[0], [60 * 0.04 * 91 / 365, 20 * 0.04 * 91 / 365, 0], rtol=1e-13)
    np.testing.assert_allclose(
        dues.interest[1], 0.08 * np.array([30 * 91, 20 * 91, 10 * 184]) / 365, rtol=1e-13
    )
    np.testing.assert_array_equal(dues.fees, 0.0)


def test_equal_ranks_are_counted_together():
    base = deal()
    twins = (
        Tranche("A1", 1, 30.0, 0.04, "bullet", DATES[1], pari_passu=True),
        Tranche("A2", 1, 30.0, 0.02, "straight-line", DATES[2], pari_passu=True),
        Tranche("B", 2, 10.0, 0.0, "bullet", DATES[2]),
    )
    dues = planned_dues(replace(base, tranches=twins))
    np.testing.assert_array_equal(dues.ahead(0), dues.ahead(1))
    np.testing.assert_allclose(dues.ahead(0), [0.3 + 10.15, 30.3 + 10.1, 10.1], rtol=1e-14)
    np.testing.assert_allclose(dues.ahead(2) - dues.ahead(0), [0, 0, 10], rtol=1e-14)


def test_nothing_collected_before_the_maturity():
    """In proportion to nothing means: all at the maturity."""
    base = deal()
    pool = replace(base.pool, schedule=[[0.0, 0.0, 70.0], [0.0, 0.0, 30.0]])
    dues = planned_dues(replace(base, pool=pool))
    np.testing.assert_array_equal(dues.principal[0], [0.0, 60.0, 0.0])


@pytest.mark.parametrize("payment", ["with collections", "straight-line", "bullet"])
@pytest.mark.parametrize("last", range(3))
def test_principal_is_repaid_by_the_maturity_and_not_after(payment, last):
    base = deal()
    only = (Tranche("only", 1, 99.9, 0.05, payment, DATES[last]),)
    dues = planned_dues(replace(base, tranches=only))
    assert dues.principal.sum() == pytest.approx(99.9, rel=1e-14)
    assert (dues.principal[0, last + 1 :] == 0).all() and (dues.opening[0, last + 1 :] == 0).all()
    assert dues.opening[0, 0] == 99.9


def test_unit_of_money():
    base = deal(fee_rate=0.01)
    big = replace(
        base,
        pool=replace(base.pool, amount=base.pool.amount * 1024, schedule=base.pool.schedule * 1024),
        tranches=tuple(replace(t, amount=t.amount * 1024) for t in base.tranches),
    )
    np.testing.assert_array_equal(planned_dues(big).total(), planned_dues(base).total() * 1024)


def test_rounding_is_not_due_at_the_legal_final():
    dates = tuple(dt.date(2021 + k, 1, 1) for k in range(4))
    pool = Pool(("Claim",), [1.0], [[0.7, 0.2, 0.1, 0.1]], 0.0, 0.0, 0.0, 0.2)
    given = Deal(pool, (Tranche("A", 1, 1.0, 0.0, "pass-through"),), Terms(dt.date(2020, 1, 1), dates))
    paid = np.array([[0.7, 0.2, 0.1, 0.0]])
    assert paid.sum() < 1.0  # to the last digit
    opening = np.array([[1.0, 0.3, 0.1, 0.0]])
    found = settled_dues(given, planned_dues(given), opening, paid, None)
    np.testing.assert_array_equal(found.expected, paid)
    # What is not repaid is.
    late = settled_dues(given, planned_dues(given), opening, np.array([[0.7, 0.2, 0.0, 0.0]]), None)
    np.testing.assert_allclose(late.expected, [[0.7, 0.2, 0.0, 0.1]])
