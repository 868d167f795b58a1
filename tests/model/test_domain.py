"""One rule per argument name: what passes, what does not, and the sentence that says so."""

from __future__ import annotations

import math

import numpy as np
import pytest

from xlkmv.errors import DomainError, InputError
from xlkmv.model.domain import RULES, Rule, check, check_all, numbers

TINY, BELOW_1, ABOVE_1 = 5e-324, math.nextafter(1.0, 0.0), math.nextafter(1.0, 2.0)

# Extremes that each name takes, and neighbours that it refuses; written from the specification.
POSITIVE = ((TINY, 1e300), (0.0, -1.0))
NOT_NEGATIVE = ((0.0, 1e300), (-TINY,))
PROBABILITY = ((0.0, 1.0), (-TINY, ABOVE_1, 2.0))
INSIDE = ((TINY, BELOW_1), (0.0, 1.0))
SIGNED = ((-1.0, 0.0, 1.0), (-ABOVE_1, ABOVE_1, 5.0))
YEARS = ((TINY, 100.0), (0.0, -1.0, 100.1))
EXPECTED = {
    "asset_value": POSITIVE,
    "default_point": POSITIVE,
    "equity": POSITIVE,
    "debt": POSITIVE,
    "short_term": NOT_NEGATIVE,
    "long_term": NOT_NEGATIVE,
    "weight": PROBABILITY,
    "volatility": ((TINY, 5.0), (0.0, -0.2, 5.01, 25.0)),
    "equity_volatility": ((TINY, 19.99), (0.0, 20.0, 80.0)),
    "horizon": YEARS,
    "horizons": YEARS,
    "drift": SIGNED,
    "rate": SIGNED,
    "periods_per_year": ((TINY, 366.0), (0.0, 367.0)),
    "collections": NOT_NEGATIVE,
    "dues": NOT_NEGATIVE,
    "pd": PROBABILITY,
    "pds": PROBABILITY,
    "support_pd": PROBABILITY,
    "target_pd": INSIDE,
    "level": INSIDE,
    "levels": INSIDE,
    "correlation": SIGNED,
    "lgd": PROBABILITY,
    "recovery": PROBABILITY,
    "attach": PROBABILITY,
    "detach": PROBABILITY,
}


def test_every_rule_is_tested():
    assert EXPECTED.keys() == RULES.keys()


@pytest.mark.parametrize("name", RULES)
def test_rule(name):
    good, bad = EXPECTED[name]
    for value in good:
        assert check(name, value) == value
    np.testing.assert_array_equal(check(name, good), good)
    for value in (*bad, math.nan, math.inf, -math.inf):
        with pytest.raises(DomainError) as error:
            check(name, value)
        assert str(error.value) == f"{name} {RULES[name].text} (got {value:.10g})"
        # Inside an array the wrong element is found and shown.
        with pytest.raises(DomainError, match="got"):
            check(name, [[good[0], good[-1]], [value, good[0]]])


def test_first_wrong_element_is_shown():
    with pytest.raises(DomainError, match=r"^pd must be between 0 and 1 .* \(got 7\)$"):
        check("pd", [[0.1, 7.0], [8.0, 0.2]])


@pytest.mark.parametrize(
    "value", ["abc", None, True, np.True_, object(), [1.0, "x"], [[1.0, 2.0], [3.0]], {"a": 1}]
)
def test_what_is_no_number(value):
    with pytest.raises(InputError, match=r"^pd must be a number") as error:
        check("pd", value)
    assert not isinstance(error.value, DomainError)


def test_text_of_a_number_and_shapes():
    assert numbers("x", "2.5") == 2.5
    assert numbers("x", [[1, 2, 3]]).shape == (1, 3)
    assert check("pd", []).shape == (0,)


def test_rule_element_by_element():
    half_open = Rule("", 0.0, 1.0, high_open=True)
    np.testing.assert_array_equal(
        half_open.holds(np.array([-1.0, 0.0, 0.5, 1.0, np.nan, np.inf])),
        [False, True, True, False, False, False],
    )
    assert half_open.holds_all(np.array([0.0, 0.9])) and not half_open.holds_all(np.array([0.0, np.nan]))


def test_several_at_once_each_by_its_rule():
    pd, horizon = check_all("pd horizon", [0.0, 1.0], 2)
    assert pd.tolist() == [0.0, 1.0]
    assert horizon == 2.0
    with pytest.raises(DomainError, match="horizon must be"):
        check_all("pd horizon", 0.0, 0.0)
    with pytest.raises(ValueError, match="shorter"):
        check_all("pd horizon", 0.0)
