"""Classes of a workbook: payment types, floating coupons, schedules, senior marks."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

NOTES, DUES = "tbl_Tranche", "tbl_Schedule"


def test_classes_are_read(loans: Any) -> None:
    deal = loans.read().deal
    first, second, third = deal.tranches
    assert (first.payment, first.maturity, first.legal_final) == ("pass-through", None, None)
    assert (second.base, second.margin, second.cap, second.floor) == ("SHIBOR", 0.02, 0.05, 0.0)
    assert second.coupon == 0.0
    assert second.legal_final == dt.date(2027, 1, 15)
    assert second.schedule == (*[0.0] * 5, 150.0, *[0.0] * 5, 250.0)
    assert (third.deferrable, third.senior, first.deferrable) == (True, None, False)
    assert deal.senior.tolist() == [True, False, False]


def test_senior_marks(loans: Any) -> None:
    loans.put(NOTES, 0, "Senior", "Yes")
    loans.put(NOTES, 1, "Senior", "yes")
    loans.put(NOTES, 2, "Senior", "no")
    deal = loans.read().deal
    assert deal.senior.tolist() == [True, True, False]
    assert [t.senior for t in deal.tranches] == [True, True, False]
    assert deal.tranches[deal.headline].name == "A-2"
    loans.put(NOTES, 0, "Senior", None)
    ((place, _, rule),) = loans.wrong()
    assert place == loans.place(NOTES, 0, "Senior")
    assert rule == "ranks with or ahead of a class that is marked senior, so it must be senior too"


def test_the_class_of_the_headlines(loans: Any) -> None:
    for given, name in ((None, ""), (" ", ""), ("B", "B"), ("a-2 ", "A-2")):
        loans.headline = given
        assert loans.read().deal.terms.headline == name
    loans.headline = "C"
    ((place, value, rule),) = loans.wrong()
    assert (place, value) == ("Home!K9", "C")
    assert rule == "must be blank, or a class of table tbl_Tranche (A-1, A-2, B)"


WRONG: dict[str, tuple[int, str, Any, str]] = {
    "unknown payment type": (
        0,
        "Payment type",
        "turbo",
        "must be one of: with collections, straight-line, bullet, schedule, pass-through",
    ),
    "no coupon and no curve": (
        0,
        "Coupon",
        None,
        "must not be blank: enter the coupon (0 for a residual class), or fill 'Base'",
    ),
    "unknown curve": (1, "Base", "EURIBOR", "must be the name of a curve (SHIBOR, LPR)"),
    "margin over nothing": (0, "Margin", 0.01, "must be blank: the coupon is fixed while the base is blank"),
    "cap over nothing": (0, "Cap", 0.05, "must be blank: the coupon is fixed while the base is blank"),
    "cap below zero": (1, "Cap", -0.01, "must be between 0 and 1 (a decimal: 0.04 means 4 %)"),
    "cap below the floor": (1, "Floor", 0.06, "must not be below the floor (0.06)"),
    "no maturity": (
        1,
        "Maturity",
        None,
        "must not be blank: only pass-through classes need no maturity",
    ),
    "maturity between dates": (0, "Maturity", dt.date(2025, 3, 1), "must be one of the payment dates"),
    "legal final before expected": (
        1,
        "Legal final",
        dt.date(2025, 12, 15),
        "must not be before the expected maturity (2026-01-15)",
    ),
    "legal final before the plan": (
        0,
        "Legal final",
        dt.date(2025, 1, 20),
        "must not be before the first payment date (2025-02-15)",
    ),
    "perhaps deferrable": (2, "Deferrable", "perhaps", "must be one of: yes, no"),
    "schedule of another type": (
        1,
        "Payment type",
        "bullet",
        "has a schedule of principal: its payment type must be 'schedule'",
    ),
    "type without a schedule": (
        0,
        "Payment type",
        "schedule",
        "needs the dates and amounts of the class in table tbl_Schedule",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_classes(loans: Any, case: str) -> None:
    row, header, value, rule = WRONG[case]
    loans.put(NOTES, row, header, value)
    if case == "type without a schedule":
        loans.put(NOTES, row, "Maturity", dt.date(2026, 1, 15))
    at = "Cap" if case == "cap below the floor" else header
    shown = loans.table(NOTES).rows[row][loans.table(NOTES).index(at)]
    assert loans.wrong() == [(loans.place(NOTES, row, at), shown, rule)]


WRONG_DUES: dict[str, tuple[int, dict[str, Any], str, str]] = {
    "that does not sum": (
        1,
        {"Amount": 249.0},
        "",
        "the schedule of 'A-2' must sum to the amount of the class (400); it has 399",
    ),
    "below zero": (1, {"Amount": -250.0}, "Amount", "must be >= 0"),
    "between dates": (1, {"Date": dt.date(2026, 1, 16)}, "Date", "must be one of the payment dates"),
    "of nobody": (
        1,
        {"Tranche": "C"},
        "Tranche",
        "must be the name of a class of table tbl_Tranche (A-1, A-2, B)",
    ),
    "twice": (
        1,
        {"Date": dt.date(2025, 7, 15)},
        "Date",
        "is there twice: a class has one figure on a date",
    ),
    "neither": (1, {"Amount": None}, "Amount", "must not be blank: enter it, or 'Share of class'"),
    "both": (1, {"Share of class": 0.5}, "Share of class", "must be blank: 'Amount' says it already"),
    "share 50 meaning 50 %": (
        1,
        {"Amount": None, "Share of class": 50.0},
        "Share of class",
        "must be between 0 and 1 (a decimal: 0.02 means 2 %)",
    ),
}


@pytest.mark.parametrize("case", WRONG_DUES)
def test_wrong_schedules(loans: Any, case: str) -> None:
    row, changes, header, rule = WRONG_DUES[case]
    for column, value in changes.items():
        loans.put(DUES, row, column, value)
    # What does not sum is told at the first row of the class.
    at = (0, "Amount") if case == "that does not sum" else (row, header)
    found = loans.wrong()
    assert found[0][::2] == (loans.place(DUES, *at), rule)
    # A row that belongs to no class, or to no date, leaves the class short of it.
    assert len(found) == (2 if case == "of nobody" else 1)


def test_schedules_by_share(loans: Any) -> None:
    before = loans.read()
    for row, share in ((0, 0.375), (1, 0.625)):
        loans.put(DUES, row, "Amount", None)
        loans.put(DUES, row, "Share of class", share)
    assert loans.read().digest == before.digest
    loans.put(DUES, 0, "Share of class", 0.5)
    ((place, _, rule),) = loans.wrong()
    assert place == loans.place(DUES, 0, "Share of class")
    assert rule == "the schedule of 'A-2' must sum to the amount of the class (400); it has 450"


def test_a_class_without_a_schedule_table(loans: Any) -> None:
    loans.drop(DUES)
    ((place, _, rule),) = loans.wrong()
    assert place == loans.place(NOTES, 1, "Payment type")
    assert rule.startswith("needs the dates and amounts of the class")
