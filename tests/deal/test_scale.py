"""Grades of classes: rates by horizon, the grade of a default probability, every fault of a scale."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlkmv.deal.terms import LONG_RUN, ClassScale, class_scale_faults
from xlkmv.errors import DomainError, InputError

TWO = ClassScale(("good", "poor"), (1.0, 3.0), ((0.01, 0.02), (0.10, 0.40)))
YEARS = st.floats(0.01, 60.0)


def test_the_shipped_rates_are_the_published_ones() -> None:
    # Hull (2015), table 19.1: rows Aa, Baa and Caa-C in per cent.
    rates = dict(zip(LONG_RUN.grades, LONG_RUN.rates, strict=True))
    assert LONG_RUN.horizons == (1, 2, 3, 4, 5, 7, 10, 15, 20)
    assert [100 * x for x in rates["AA"]] == pytest.approx(
        [0.022, 0.068, 0.136, 0.260, 0.410, 0.682, 1.017, 1.871, 3.167], abs=1e-12
    )
    assert [100 * x for x in rates["BBB"]] == pytest.approx(
        [0.174, 0.504, 0.906, 1.373, 1.862, 2.872, 4.623, 8.306, 11.969], abs=1e-12
    )
    assert [100 * x for x in rates["CCC/C"]] == pytest.approx(
        [15.894, 27.003, 35.800, 42.796, 48.828, 56.878, 66.212, 73.152, 74.946], abs=1e-12
    )


@pytest.mark.parametrize(
    ("years", "poor"),
    [
        (1.0, 0.10),
        (3.0, 0.40),
        (0.5, 1.0 - math.sqrt(0.9)),  # of ten of a hundred in a year, as many survive each half of it
        (2.0, 1.0 - math.sqrt(0.9 * 0.6)),
        (6.0, 1.0 - 0.6**2),
    ],
)
def test_between_horizons_and_beyond_them(years: float, poor: float) -> None:
    assert TWO.limits(years)[1] == pytest.approx(poor, rel=1e-14)
    assert TWO.limit("POOR", years) == TWO.limits(years)[1]


@given(YEARS, YEARS)
def test_rates_increase_along_the_scale_and_never_fall_with_the_horizon(one: float, other: float) -> None:
    early, late = LONG_RUN.limits(min(one, other)), LONG_RUN.limits(max(one, other))
    assert (early[1:] > early[:-1]).all()
    assert (late >= early * (1.0 - 1e-14)).all()


@given(YEARS, st.integers(0, 6))
def test_a_grade_holds_up_to_its_rate_and_no_further(years: float, place: int) -> None:
    limit = float(LONG_RUN.limits(years)[place])
    assert LONG_RUN.grade(limit, years) == LONG_RUN.grades[place]
    after = [*LONG_RUN.grades, "below CCC/C"][place + 1]
    assert LONG_RUN.grade(math.nextafter(limit, 1.0), years) == after
    assert LONG_RUN.grade(0.0, years) == "AAA"


def test_a_grade_that_is_not_on_the_scale() -> None:
    with pytest.raises(InputError, match=r"^grade must be one of: good, poor \(got 'AA\+'\)$"):
        TWO.limit("AA+", 1.0)
    with pytest.raises(DomainError, match=r"^years must be > 0 \(got 0\)$"):
        TWO.limits(0.0)


@pytest.mark.parametrize(
    ("rates", "kind", "message"),
    [
        (
            ((0.02, 0.03), (0.02, 0.04)),
            DomainError,
            r"^class scale 'b' after 1 y must be above the rate of the better grade a \(0.02\): "
            r"rates increase down the scale \(got 0.02\)$",
        ),
        (
            ((0.02, 0.01), (0.03, 0.04)),
            DomainError,
            r"^class scale 'a' after 2 y must not be below the rate at the shorter horizon "
            r"\(0.02 after 1 y\) \(got 0.01\)$",
        ),
        (
            ((0.0, 0.01), (0.03, 0.04)),
            DomainError,
            r"^class scale 'a' after 1 y must be > 0 and < 1 .*got 0\)$",
        ),
        (((0.01,), (0.03, 0.04)), InputError, r"^class scale rates must have one rate per horizon \(2\) for"),
    ],
)
def test_a_scale_refuses(rates: tuple[tuple[float, ...], ...], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        ClassScale(("a", "b"), (1.0, 2.0), rates)


def test_a_scale_refuses_horizons_and_grades() -> None:
    with pytest.raises(InputError, match=r"^class scale horizons must be years that increase"):
        ClassScale(("a",), (2.0, 1.0), ((0.01, 0.02),))
    with pytest.raises(InputError, match=r"^class scale 'A' grade is there twice: every grade needs one row"):
        ClassScale(("a", "A"), (1.0,), ((0.01,), (0.02,)))
    with pytest.raises(InputError, match=r"^class scale grade a scale needs at least one grade"):
        ClassScale((), (1.0,), ())


def test_cells_that_have_been_reported_are_passed_over() -> None:
    rows = [[0.01, math.nan], [math.nan, 0.05], [0.02, 0.04]]
    found = class_scale_faults(("a", None, "c"), (1.0, 2.0), rows)
    assert [(f.row, f.column) for f in found] == [(2, "after 2 y")]
