"""How figures are written: by the rule of their docstring, worked by hand."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlkmv.deal.figures import LEAST, change, coupon, distance, figure, probability, rounded_up


@pytest.mark.parametrize(
    ("p", "text"),
    [
        *((0.0, "< 1E-08%"), (9.9e-11, "< 1E-08%"), (1e-10, "1.0E-08%"), (3.2e-7, "3.2E-05%")),
        *(
            (9.9e-7, "9.9E-05%"),
            (1e-6, "0.00010%"),
            (8.2e-5, "0.0082%"),
            (9.96e-5, "0.010%"),
            (1e-4, "0.010%"),
            (1.25e-4, "0.013%"),
            (9.4e-4, "0.094%"),
        ),
        *((1e-3, "0.10%"), (0.0123, "1.23%"), (0.48635, "48.64%"), (1.0, "100.00%")),
    ],
)
def test_probabilities_read_well(p: float, text: str) -> None:
    assert probability(p) == text
    assert probability(p, simulated=True) == ("none seen" if p == 0.0 else text)


@pytest.mark.parametrize(
    ("x", "text"),
    [(2.624999999999999, "2.63"), (2.625, "2.63"), (2.6249999, "2.62"), (-2.625, "-2.63"), (0.0, "0.00")],
)
def test_figures_are_rounded_as_a_sheet_rounds_them(x: float, text: str) -> None:
    """Excel keeps fifteen digits and rounds half up: 2.624999999999999 is 2.63."""
    assert figure(x, ".2f") == text


@pytest.mark.parametrize(
    ("x", "text"),
    [(6127.1, "> 100"), (100.0, "100.00"), (1.545, "1.55"), (-3.2, "-3.20"), (-250.0, "-250.00")],
)
def test_a_distance_beyond_a_hundred_is_that(x: float, text: str) -> None:
    assert distance(x) == text


@given(st.floats(LEAST, 1.0))
def test_a_probability_is_read_back_to_two_digits_in_per_cent(p: float) -> None:
    text = probability(p)
    assert re.fullmatch(r"\d{1,3}\.\d+(E-0[5-8])?%", text)
    assert float(text[:-1]) / 100.0 == pytest.approx(p, rel=0.05)


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (1.4968e-3, "0.15%"),
        (1.41e-4, "0.015%"),
        (1.5e-4, "0.015%"),
        (9.91e-5, "0.010%"),
        (2e-5, "0.0020%"),
    ],
)
def test_a_bound_is_never_rounded_down(p: float, text: str) -> None:
    assert rounded_up(p) == text


@pytest.mark.parametrize(
    ("x", "shown"),
    [(0.0, "0"), (1.4e-4, "+0.014%"), (-0.0123, "-1.23%"), (-3.1e-9, "-3.1E-07%"), (1e-12, "0")],
)
def test_a_change_has_two_digits_and_its_sign(x: float, shown: str) -> None:
    assert change(x) == shown


def test_a_coupon_says_what_it_floats_over():
    assert coupon(0.04) == "4.00%"
    assert coupon(0.0, "SOFR3M", 0.0135) == "SOFR3M + 1.35%"
    assert coupon(0.0, "LPR5Y", -0.002) == "LPR5Y - 0.20%"
