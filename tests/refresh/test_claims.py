"""Claims of a workbook: by dates and by loan terms side by side, PD or rating, count, status."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest

POOL = "tbl_Pool"
BLANK = "must not be blank: fill it, or clear the whole row"
TERM = "Remaining term (months)"


def test_loan_terms_are_read(loans: Any) -> None:
    pool = loans.read().deal.pool
    assert pool.name == ("A", "B", "C")
    np.testing.assert_array_equal(pool.count, [1.0, 1.0, 100.0])
    np.testing.assert_array_equal(pool.pd, [0.01, 0.02, 0.002])
    assert pool.schedule.shape == (3, 12)
    assert not pool.schedule.any()
    terms = pool.loans
    assert terms is not None
    np.testing.assert_array_equal(terms.term, [12.0, 6.0, 12.0])
    np.testing.assert_array_equal(terms.rate[:2], [0.06, 0.05])
    assert terms.base == ("", "", "SHIBOR")
    np.testing.assert_array_equal(terms.margin, [0.0, 0.0, 0.01])
    assert terms.amortisation == ("annuity", "annuity", "interest-only")
    np.testing.assert_array_equal(terms.interest_only, [0.0, 0.0, 3.0])
    np.testing.assert_array_equal(terms.payments_per_year, [12.0] * 3)
    np.testing.assert_array_equal(terms.age, [0.0, 0.0, 5.0])
    assert terms.first == (None, None, dt.date(2025, 2, 15))
    assert pool.status == ("", "", "late")
    assert pool.since == (None, None, dt.date(2025, 3, 1))


def test_blank_columns_mean_what_the_first_edition_did(shipped: Any) -> None:
    pool = shipped.read().deal.pool
    assert (pool.count, pool.loans, pool.status, pool.since) == (None, None, (), ())


@pytest.mark.parametrize("alias", ["Balance", "balance "])
def test_a_balance_is_a_financed_amount(loans: Any, alias: str) -> None:
    before = loans.read()
    loans.rename(POOL, Financed_amount=alias, Remaining_term_=alias)
    assert loans.read().digest == before.digest
    loans.put(POOL, 1, alias, -3.0)
    ((place, value, rule),) = loans.wrong()
    assert (place, value, rule) == (loans.place(POOL, 1, alias), -3.0, "must be > 0")


def test_two_columns_that_mean_the_same_are_told(loans: Any) -> None:
    loans.rename(POOL, Industry="Balance")
    ((place, value, rule),) = loans.wrong()
    table = loans.table(POOL)
    assert place == f"Pool!{table.cell(0, 'Balance')[0]}{table.top - 1}"
    assert (value, rule) == ("Balance", "is the same as column 'Financed amount': keep one of the two")


def test_rows_by_dates_and_by_terms_stand_side_by_side(loans: Any) -> None:
    header = [*loans.table(POOL).header, "2025-02-15", "2025/8/15"]
    rows = [dict(zip(loans.table(POOL).header, row, strict=True)) for row in loans.table(POOL).rows]
    rows[0] |= {TERM: None, "Rate": None, "2025-02-15": 400.0, "2025/8/15": 230.0}
    loans.rows(POOL, rows, header)
    pool = loans.read().deal.pool
    wanted = np.zeros((3, 12))
    wanted[0, [0, 6]] = 400.0, 230.0
    np.testing.assert_array_equal(pool.schedule, wanted)
    np.testing.assert_array_equal(pool.loans.given, [False, True, True])
    # A row has one kind of schedule.
    loans.put(POOL, 1, "2025-02-15", 5.0)
    loans.put(POOL, 0, "2025/8/15", None)
    both, blank = sorted(loans.wrong(), key=lambda p: p[1] is None)
    rule = "must be blank: the row has loan terms, from which its schedule follows"
    assert both == (loans.place(POOL, 1, "2025-02-15"), 5.0, rule)
    assert blank == (loans.place(POOL, 0, "2025/8/15"), None, BLANK)


WRONG: dict[str, tuple[int, str, Any, str]] = {
    "no count": (2, "Count", 0.0, "must be a whole number of obligors from 1 to 100,000"),
    "half an obligor": (2, "Count", 2.5, "must be a whole number of obligors from 1 to 100,000"),
    "rate 6 meaning 6 %": (0, "Rate", 6.0, "must be between 0 and 1 (a decimal: 0.04 means 4 %)"),
    "rate without balance": (
        0,
        "Financed amount",
        None,
        "must not be blank: fill it, or clear the whole row",
    ),
    "rate without term": (
        0,
        TERM,
        None,
        "must not be blank: no column is headed by a payment date, so the claim needs loan terms",
    ),
    "term without rate": (0, "Rate", None, "must not be blank: a loan has a rate, or floats over a 'Base'"),
    "a month and a half": (0, TERM, 1.5, "must be a whole number of months from 1 to 1200"),
    "unknown curve": (2, "Base", "EURIBOR", "must be the name of a curve (SHIBOR, LPR)"),
    "unknown kind of loan": (
        2,
        "Amortisation",
        "balloon",
        "must be one of: annuity, linear, bullet, interest-only",
    ),
    "interest alone to the end": (
        2,
        "Interest-only (months)",
        12.0,
        "must be shorter than the remaining term (12 months)",
    ),
    "interest alone before level instalments": (
        1,
        "Interest-only (months)",
        3.0,
        "must be blank unless the amortisation is 'interest-only' (interest alone, then an annuity)",
    ),
    "margin over nothing": (
        0,
        "Margin",
        0.01,
        "must be blank: the rate is fixed while the base is blank",
    ),
    "paid before it is lent": (
        2,
        "First payment",
        dt.date(2025, 1, 15),
        "must be after the closing date (2025-01-15)",
    ),
    "five payments a year": (2, "Payments p.a.", 5.0, "must be 1, 2, 4, 6 or 12 (payments a year)"),
    "unknown grade": (1, "Rating", "B", "must be a grade of table tbl_Scale (A, BB)"),
    "PD and rating": (1, "PD", 0.01, "must be blank: 'PD' is filled, and a claim has one of the two"),
    "neither": (1, "Rating", None, "must not be blank: fill it or 'Rating', or clear the whole row"),
    "unknown status": (
        2,
        "Status",
        "gone",
        "must be one of: performing, late, defaulted, prepaid, repurchased",
    ),
    "status later than the plan": (
        2,
        "Since",
        dt.date(2026, 2, 1),
        "must not be after the last payment date (2026-01-15)",
    ),
    "since when nothing": (2, "Status", None, "must not be blank where 'Since' is filled"),
}
ELSEWHERE = {"PD and rating": "Rating", "neither": "PD"}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_claims(loans: Any, case: str) -> None:
    row, header, value, rule = WRONG[case]
    loans.put(POOL, row, header, value)
    at = ELSEWHERE.get(case, header)
    shown = loans.table(POOL).rows[row][loans.table(POOL).index(at)]
    found = loans.wrong()
    assert found[0] == (loans.place(POOL, row, at), shown, rule)
    # A rate without a term is a fault of its own, and a month and a half is no payment period either.
    # Of an unknown kind of loan nobody knows that it begins with interest alone.
    assert len(found) == (
        2 if case in ("rate without term", "a month and a half", "unknown kind of loan") else 1
    )


def test_a_rate_without_a_term_among_dates(shipped: Any) -> None:
    shipped.put(POOL, 3, "Rate", 0.05)
    ((place, value, rule),) = shipped.wrong()
    assert (place, value) == (shipped.place(POOL, 3, TERM), None)
    assert rule == "must not be blank: 'Rate' is filled, so the claim needs loan terms"
    shipped.drop(POOL, TERM)
    ((_, _, rule),) = shipped.wrong()
    assert rule == "table tbl_Pool has no column 'Remaining term (months)', but 'Rate' is filled"


def test_a_default_needs_its_date(loans: Any) -> None:
    loans.put(POOL, 2, "Status", "defaulted")
    loans.put(POOL, 2, "Since", None)
    ((place, _, rule),) = loans.wrong()
    assert (place, rule) == (
        loans.place(POOL, 2, "Since"),
        "a claim that is defaulted needs the date since when",
    )


def test_a_rating_without_a_scale(loans: Any) -> None:
    loans.drop("tbl_Scale")
    ((place, _, rule),) = loans.wrong()
    assert place == "Pool!" + ":".join(loans.place(POOL, k, "Rating").split("!")[1] for k in (1, 2))
    assert rule == "must be a grade of table tbl_Scale (it is empty)"


def test_a_pool_of_nobody(loans: Any) -> None:
    loans.rows(POOL, [{}])
    ((place, _, rule),) = loans.wrong()
    assert (place, rule) == (
        loans.place(POOL, 0, "Obligor"),
        "the pool needs at least one obligor",
    )
