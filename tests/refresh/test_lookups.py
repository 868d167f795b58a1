"""Curves, rating scale and figures by period of a workbook."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from xlkmv.deal.terms import LONG_RUN, ClassScale, Curve


def test_curves_are_read_under_their_first_spelling(loans: Any) -> None:
    first, second = loans.read().deal.terms.curves
    assert first == Curve("SHIBOR", (dt.date(2025, 1, 1), dt.date(2025, 7, 1)), (0.02, 0.025))
    assert second == Curve("LPR", (dt.date(2025, 1, 1),), (0.03,))


@pytest.mark.parametrize(
    ("table", "row", "header", "value", "rule"),
    [
        ("tbl_Curve", 1, "Rate", 3.0, "must be between -1 and 1 (a decimal: 0.05 means 5 %)"),
        (
            "tbl_Curve",
            1,
            "Date",
            dt.date(2025, 1, 1),
            "dates of a curve must increase (2025-01-01 comes before it)",
        ),
        ("tbl_Curve", 2, "Curve", None, "must not be blank: fill it, or clear the whole row"),
        ("tbl_Scale", 1, "PD", 2.0, "must be >= 0 and < 1 (a decimal: 0.02 means 2 %)"),
        (
            "tbl_Scale",
            1,
            "PD",
            0.001,
            "must not be below the PD of the better grade above (0.002)",
        ),
    ],
)
def test_wrong_lookups(loans: Any, table: str, row: int, header: str, value: Any, rule: str) -> None:
    loans.put(table, row, header, value)
    assert loans.wrong() == [(loans.place(table, row, header), value, rule)]


def test_a_grade_that_is_there_twice(loans: Any) -> None:
    loans.rows("tbl_Scale", [{"Grade": g, "PD": 0.01} for g in ("A", "BB", "a")])
    assert loans.wrong() == [
        (loans.place("tbl_Scale", 2, "Grade"), "a", "is there twice: every grade needs one PD")
    ]


# ----------------------------------------------------------------------------- grades of classes


def grades(loans: Any, **rows: list[float | None]) -> None:
    loans.rows(
        "tbl_ClassScale",
        [{"Grade": grade} | dict(zip(("1 y", "5 y"), rates, strict=True)) for grade, rates in rows.items()],
    )


def test_the_scale_of_the_classes_is_read(loans: Any) -> None:
    grades(loans, good=[0.01, 0.02], poor=[0.1, 0.3])
    scale = ClassScale(("good", "poor"), (1.0, 5.0), ((0.01, 0.02), (0.1, 0.3)))
    assert loans.read().deal.terms.class_scale == scale


@pytest.mark.parametrize("gone", [True, False])
def test_without_a_scale_the_shipped_one_holds(loans: Any, gone: bool) -> None:
    if gone:
        loans.drop("tbl_ClassScale")
    else:
        loans.rows("tbl_ClassScale", [{}])
    assert loans.read().deal.terms.class_scale == LONG_RUN


@pytest.mark.parametrize(
    ("rows", "at", "value", "rule"),
    [
        (
            {"a": [0.02, 0.03], "b": [0.01, 0.05]},
            (1, "1 y"),
            0.01,
            "must be above the rate of the better grade a (0.02): rates increase down the scale",
        ),
        (
            {"a": [0.02, 0.01], "b": [0.03, 0.05]},
            (0, "5 y"),
            0.01,
            "must not be below the rate at the shorter horizon (0.02 after 1 y)",
        ),
        (
            {"a": [0.01, 0.02], "b": [0.03, None]},
            (1, "5 y"),
            None,
            "must not be blank: other grades have a rate in this column",
        ),
        ({"a": [1.0, None]}, (0, "1 y"), 1.0, "must be > 0 and < 1 (a decimal: 0.02 means 2 %)"),
        ({"a": [None, None]}, (0, "Grade"), "a", "needs default rates by horizon beside it"),
        ({"a": [0.1, 0.2], "A": [0.2, 0.3]}, (1, "Grade"), "A", "is there twice: every grade needs one row"),
    ],
)
def test_wrong_grades(loans: Any, rows: dict[str, Any], at: tuple[int, str], value: Any, rule: str) -> None:
    grades(loans, **rows)
    assert loans.wrong() == [(loans.place("tbl_ClassScale", *at), value, rule)]


# ----------------------------------------------------------------------------------- vectors


def vector(loans: Any, **columns: list[float | None]) -> None:
    count = max(map(len, columns.values()))
    rows = [{"Period": k + 1.0} for k in range(count)]
    for header, values in columns.items():
        for row, value in zip(rows, values, strict=False):
            row[header.replace("_", " ")] = value
    loans.rows("tbl_Vector", rows)


def test_figures_by_period(loans: Any) -> None:
    vector(loans, Prepayment=[0.02, 0.0, 0.1], CDR=[0.01], Loss_curve=[0.0, 0.005])
    terms = loans.read().deal.terms
    assert (terms.prepayment_vector, terms.cdr, terms.loss_curve) == ((0.02, 0.0, 0.1), (0.01,), (0.0, 0.005))


@pytest.mark.parametrize(
    ("columns", "row", "header", "rule"),
    [
        ({"CDR": [1.0]}, 0, "CDR", "must be >= 0 and < 1 (a decimal: 0.02 means 2 %)"),
        (
            {"CDR": [0.01, None, 0.02]},
            1,
            "CDR",
            "must not be blank between two figures: only after the last one it may be",
        ),
        ({"Loss_curve": [0.02, 0.01]}, 1, "Loss curve", "must never fall: losses accumulate"),
    ],
)
def test_wrong_figures_by_period(
    loans: Any, columns: dict[str, Any], row: int, header: str, rule: str
) -> None:
    vector(loans, **columns)
    value = loans.table("tbl_Vector").rows[row][loans.table("tbl_Vector").index(header)]
    assert loans.wrong() == [(loans.place("tbl_Vector", row, header), value, rule)]


def test_periods_count_from_one(loans: Any) -> None:
    vector(loans, CDR=[0.01, 0.02])
    loans.put("tbl_Vector", 1, "Period", 3.0)
    ((place, value, rule),) = loans.wrong()
    assert (place, value) == (loans.place("tbl_Vector", 1, "Period"), 3.0)
    assert rule == "periods must count 1, 2, 3 ... (here 2)"


@pytest.mark.parametrize(
    ("label", "word", "header"),
    [
        ("Prepayment type", "vector", "Prepayment"),
        ("Default timing", "CDR", "CDR"),
        ("Default timing", "loss curve", "Loss curve"),
    ],
)
@pytest.mark.parametrize("missing", [False, True])
def test_a_choice_that_needs_figures(loans: Any, label: str, word: str, header: str, missing: bool) -> None:
    loans.term(label, word)
    if missing:
        loans.drop("tbl_Vector")
    rule = f"needs figures in column '{header}' of table tbl_Vector"
    assert loans.wrong() == [(loans.place("tbl_Term", label, "Value"), word, rule)]


@pytest.mark.parametrize(
    ("pd", "curve", "row", "rule"),
    [
        (
            0.01,
            [0.01, 0.9],
            1,
            "asks for a loss of 890 up to 2025-03-15, more than obligors that can default",
        ),
        (0.0, [0.0, 0.01], 1, "needs obligors with a PD: their PDs say who defaults first"),
    ],
)
def test_a_loss_curve_beyond_what_can_be_lost_is_told_at_its_figure(
    loans: Any, pd: float, curve: list[float | None], row: int, rule: str
) -> None:
    loans.term("Default timing", "loss curve")
    for obligor in range(3):
        loans.put("tbl_Pool", obligor, "Rating", None)
        loans.put("tbl_Pool", obligor, "PD", pd)
    vector(loans, Loss_curve=curve)
    ((place, value, told),) = loans.wrong()
    assert (place, value) == (loans.place("tbl_Vector", row, "Loss curve"), curve[row])
    assert told.startswith(rule)


def test_claims_of_which_none_pays_within_the_plan_are_told_at_the_first(loans: Any) -> None:
    for obligor in range(3):
        loans.put("tbl_Pool", obligor, "First payment", dt.date(2030, 1, 1))
    ((place, value, rule),) = loans.wrong()
    assert (place, value) == (loans.place("tbl_Pool", 0, "First payment"), dt.date(2030, 1, 1))
    assert rule == "must let a claim pay something up to the last payment date (2026-01-15): none does"
    loans.put("tbl_Pool", 1, "First payment", None)
    loans.read()
