"""Terms of a workbook, and payment dates by rows of its terms or by headings of its pool."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest

from xlkmv.deal.terms import Controls, Loans, Pool, Recoveries, Terms, Tranche, payment_dates
from xlkmv.workbook import layout

CLOSING = dt.date(2025, 1, 15)
LATER = [item for item in layout.TERM_ROWS if item.blank]


def test_terms_that_are_blank_or_not_there_are_the_first_editions(shipped: Any) -> None:
    before = shipped.read()
    usual, terms = Terms(before.deal.terms.closing, before.deal.terms.dates), before.deal.terms
    for item in LATER:
        part, whole = (terms, usual) if hasattr(usual, item.field) else (before.deal.controls, Controls())
        if hasattr(part, item.field):
            assert getattr(part, item.field) == getattr(whole, item.field), item.label
    shipped.labels("tbl_Term", *(item.label for item in LATER))
    for name in ("tbl_Schedule", "tbl_Curve", "tbl_Scale", "tbl_Vector"):
        shipped.drop(name)
    assert shipped.read().digest == before.digest


def test_everything_that_a_deal_can_say_has_its_place_in_the_workbook() -> None:
    places = {
        Terms: {item.field for item in layout.TERM_ROWS}
        | {c.field for c in layout.VECTOR.columns}
        | {"dates", "curves", "headline", "class_scale"},
        Controls: {item.field for item in layout.TERM_ROWS}
        | {field for item in layout.CONTROL_ROWS for field in (item.field, item.figure)},
        Tranche: {c.field for c in layout.TRANCHE.columns} | {"schedule"},
        Loans: {c.field for c in layout.POOL.columns},
        Recoveries: {c.field for c in layout.RECOVERY.columns},
        # What a plan without chance works out of the loans.
        Pool: {c.field for c in layout.POOL.columns}
        | {"schedule", "loans", "recoveries", "interest", "balance", "claim"},
    }
    for part, known in places.items():
        assert {f.name for f in dataclasses.fields(part)} <= known, part


def test_terms_are_read(loans: Any) -> None:
    said = {
        "Fee in money": ("fee_amount", 2.5),
        "Fee basis": ("fee_base", "pool"),
        "Order of interest": ("interest", "first"),
        "Accounts": ("accounts", "two"),
        "OC target": ("oc_target", 0.1),
        "OC floor": ("oc_floor", 0.01),
        "Clean-up call": ("cleanup", 0.1),
        "Default point of pass-through": ("default_point", "expected"),
        "Prepayment": ("prepayment", 1.65),
        "Prepayment type": ("prepayment_type", "PSA"),
        "Revolving until": ("revolving", dt.date(2025, 6, 15)),
        "Day count": ("day_count", "Act/360"),
    }
    held = {
        "Reserve unit": ("reserve_unit", "of pool"),
        "Reserve floor": ("reserve_floor", 0.005),
        "Reserve funding": ("reserve_funding", "built up"),
        "Undertaking cap": ("support_cap", 0.05),
        "Undertaking cap unit": ("support_cap_unit", "of notes"),
    }
    for label, (_, value) in (said | held).items():
        loans.term(label, value)
    loans.put("tbl_Control", "Reserve account", "Figure", 0.012)
    deal = loans.read().deal
    assert {f: getattr(deal.terms, f) for f, _ in said.values()} == dict(said.values())
    assert {f: getattr(deal.controls, f) for f, _ in held.values()} == dict(held.values())
    assert deal.controls.reserve_size == 0.012
    loans.term("OC target", "All")
    assert loans.read().deal.terms.oc_target == "all"


@pytest.mark.parametrize(
    ("label", "value", "rule"),
    [
        ("OC target", 1.5, "must be between 0 and 1 (a share of the pool), 'all' or blank"),
        ("OC target", "most", "must be between 0 and 1 (a share of the pool), 'all' or blank"),
        ("Clean-up call", 1.0, "must be >= 0 and < 1 (a share of the pool at closing)"),
        ("Accounts", "three", "must be one of: one, two"),
        ("Prepayment", 1.65, "must be between 0 and 1 (a decimal: 0.02 means 2 %)"),
        ("Undertaking cap", -1.0, "must be >= 0 (money, or a share of the notes)"),
        ("Reserve funding", "later", "must be one of: cash, built up"),
        (
            "Revolving until",
            dt.date(2026, 1, 15),
            "must end before the last payment date (2026-01-15): nobody would be repaid",
        ),
        ("Revolving until", dt.date(2025, 1, 15), "must be after closing (2025-01-15)"),
    ],
)
def test_wrong_terms(loans: Any, label: str, value: Any, rule: str) -> None:
    loans.term(label, value)
    assert loans.wrong() == [(loans.place("tbl_Term", label, "Value"), value, rule)]


def test_a_reserve_of_the_pool_is_a_share(loans: Any) -> None:
    loans.term("Reserve unit", "of pool")
    loans.put("tbl_Control", "Reserve account", "Figure", 1.2)
    rule = "must be between 0 and 1 (a share of the pool: 0.012 means 1.2 %)"
    assert loans.wrong() == [(loans.place("tbl_Control", "Reserve account", "Figure"), 1.2, rule)]
    loans.term("Reserve unit", "money")
    assert loans.read().deal.controls.reserve_size == 1.2


# ----------------------------------------------------------------------------- payment dates


def test_dates_follow_from_the_terms(loans: Any) -> None:
    assert loans.read().deal.terms.dates == payment_dates(CLOSING, "month", 12)
    loans.term("First payment date", dt.date(2025, 2, 28))
    loans.rows("tbl_Schedule", [])
    loans.put("tbl_Tranche", 1, "Payment type", "pass-through")
    loans.put("tbl_Tranche", 1, "Maturity", None)
    dates = loans.read().deal.terms.dates
    assert dates == payment_dates(CLOSING, "month", 12, dt.date(2025, 2, 28))
    assert dates[1] == dt.date(2025, 3, 31)


def test_headings_have_to_be_among_the_dates_of_the_terms(shipped: Any) -> None:
    dates = shipped.read().deal.terms.dates
    before = shipped.read().deal.pool.schedule
    for label, value in (("Payment every", "quarter"), ("Payment dates", 24.0)):
        shipped.term(label, value)
    deal = shipped.read().deal
    assert deal.terms.dates[:20] == dates
    assert (deal.pool.schedule[:, :20] == before).all()
    assert not deal.pool.schedule[:, 20:].any()
    shipped.term("Payment dates", 19.0)
    found = [problem for problem in shipped.wrong() if problem[0].startswith("Pool!")]
    assert [value for _, value, _ in found] == ["2024-09-11"]
    rule = "is none of the payment dates that follow from the terms (2019-12-11, 2020-03-11, 2020-06-11, ... "
    assert found[0][2] == f"{rule}2024-06-11)"


@pytest.mark.parametrize(
    ("changes", "label", "rule"),
    [
        ({"Payment dates": None}, "Payment dates", "must not be blank where 'Payment every' is filled"),
        ({"Payment every": None}, "Payment every", "must not be blank where 'Payment dates' is filled"),
        (
            {"Payment every": "week"},
            "Payment every",
            "must be one of: month, 2 months, quarter, half-year, year",
        ),
        ({"Payment dates": 0.0}, "Payment dates", "must be a whole number from 1 to 1200"),
        ({"Payment dates": 2.5}, "Payment dates", "must be a whole number from 1 to 1200"),
        (
            {"First payment date": CLOSING},
            "First payment date",
            "must be after the closing date (2025-01-15)",
        ),
        (
            {"Closing date": dt.date(9990, 1, 15), "Payment every": "year"},
            "Payment dates",
            "must lie before the year 10000",
        ),
    ],
)
def test_wrong_calendars(loans: Any, changes: dict[str, Any], label: str, rule: str) -> None:
    loans.put("tbl_Pool", 2, "First payment", None)
    loans.put("tbl_Pool", 2, "Since", None)
    loans.put("tbl_Pool", 2, "Status", None)
    for name, value in changes.items():
        loans.term(name, value)
    value = loans.table("tbl_Term").rows[[r.label for r in layout.TERM_ROWS].index(label)][1]
    assert (loans.place("tbl_Term", label, "Value"), value, rule) in loans.wrong()
    # What cannot be judged without dates is not called wrong.
    assert all(place.startswith("Terms!") for place, _, _ in loans.wrong())
    assert len(loans.wrong()) == 1


def test_half_a_calendar_of_an_old_workbook(loans: Any) -> None:
    loans.labels("tbl_Term", "Payment dates")
    ((place, _, rule),) = loans.wrong()
    assert place == loans.place("tbl_Term", "Payment every", "Value")
    assert rule == "needs a row 'Payment dates' in table tbl_Term"


def test_no_dates_at_all(loans: Any) -> None:
    loans.term("Payment every", None)
    loans.term("Payment dates", None)
    table = loans.table("tbl_Pool")
    places = [place for place, _, _ in loans.wrong()]
    assert places[0] == f"Pool!B{table.top - 1}"
    assert loans.wrong()[0][2] == (
        "the plan needs payment dates: columns of scheduled collections headed by a date, such as "
        "2019-12-11, or the terms 'Payment every' and 'Payment dates'"
    )
    assert len(places) == 1
