"""The firm that chooses its debt: Leland's numbers, and the best coupon found by looking for it."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlkmv.errors import DomainError
from xlkmv.model.leland import optimal_debt


def test_the_base_case_of_the_paper():
    found = optimal_debt(100.0, 0.2)
    assert found.coupon == pytest.approx(6.500969, abs=5e-7)
    assert found.boundary == pytest.approx(52.820375, abs=5e-7)
    assert found.debt == pytest.approx(96.274221, abs=5e-7)
    assert found.firm_value == pytest.approx(128.441740, abs=5e-7)
    assert 100.0 * found.leverage == pytest.approx(74.9556, abs=5e-5)
    assert 1e4 * found.spread == pytest.approx(75.2554, abs=5e-5)


def closed_forms(V, sigma, r, alpha, tau, C):
    """Boundary, debt and firm value at any coupon, as the paper writes them."""
    X = 2 * r / sigma**2
    V_B = (1 - tau) * C / r * X / (1 + X)
    q = (V / V_B) ** -X
    debt = C / r + ((1 - alpha) * V_B - C / r) * q
    return V_B, debt, V + tau * C / r * (1 - q) - alpha * V_B * q


@pytest.mark.parametrize(
    "firm",
    [
        (100, 0.2, 0.06, 0.5, 0.35),
        (50, 0.4, 0.03, 0.2, 0.25),
        (1e6, 0.1, 0.08, 1.0, 0.2),
        (3, 0.8, 0.01, 0.0, 0.6),
        (100, 0.03, 0.06, 0.5, 0.35),
    ],
)
def test_no_other_coupon_makes_the_firm_worth_more(firm):
    with mp.workdps(40):
        V, sigma, r, alpha, tau = map(mp.mpf, firm)
        found = optimal_debt(*firm)
        X = 2 * r / sigma**2
        m = ((1 - tau) * X / (r * (1 + X))) ** X / (1 + X)
        h = (1 + X + alpha * (1 - tau) * X / tau) * m
        assert found.coupon == pytest.approx(float(V * ((1 + X) * h) ** (-1 / X)), rel=1e-13)
        # Where the slope of the firm value is zero, by search from near by; and less on both sides of it.
        best = mp.findroot(
            lambda c: mp.diff(lambda x: closed_forms(V, sigma, r, alpha, tau, x)[2], c),
            mp.mpf(float(found.coupon)) * mp.mpf("1.001"),
        )
        assert found.coupon == pytest.approx(float(best), rel=1e-10)
        V_B, debt, value = closed_forms(V, sigma, r, alpha, tau, best)
        for other in (best * mp.mpf("0.98"), best * mp.mpf("1.01")):
            assert closed_forms(V, sigma, r, alpha, tau, other)[2] < value
        for one, wanted in (
            (found.boundary, V_B),
            (found.debt, debt),
            (found.firm_value, value),
            (found.leverage, debt / value),
            (found.spread, best / debt - r),
        ):
            assert one == pytest.approx(float(wanted), rel=1e-9)


def test_owners_default_where_equity_leaves_zero_smoothly():
    with mp.workdps(30):
        V, sigma, r, tau = (mp.mpf(x) for x in ("100", "0.2", "0.06", "0.35"))
        found = optimal_debt(100.0, 0.2)
        C, V_B = mp.mpf(float(found.coupon)), mp.mpf(float(found.boundary))
        X = 2 * r / sigma**2

        def equity(v):
            return v - (1 - tau) * C / r + ((1 - tau) * C / r - V_B) * (v / V_B) ** -X

        assert abs(equity(V_B)) < 1e-10 and abs(mp.diff(equity, V_B)) < 1e-10
        assert float(equity(V)) == pytest.approx(float(found.firm_value - found.debt), rel=1e-12)


@settings(max_examples=200, deadline=None)
@given(
    st.floats(1e-9, 1e9),
    st.floats(1e-300, 5.0),
    st.floats(1e-4, 1.0),
    st.floats(0.0, 1.0),
    st.floats(1e-4, 0.999),
    st.floats(1e-6, 1e6),
)
def test_laws_of_the_best_debt(V, sigma, r, alpha, tau, scale):
    one, many = optimal_debt(V, sigma, r, alpha, tau), optimal_debt(V * scale, sigma, r, alpha, tau)
    assert many.debt == pytest.approx(scale * one.debt, rel=1e-12)
    assert many.leverage == pytest.approx(one.leverage, rel=1e-12, abs=1e-300)
    assert many.spread == one.spread
    assert 0.0 <= one.boundary <= V and one.spread >= 0.0
    assert 0.0 <= one.debt <= one.firm_value * (1.0 + 1e-12)
    assert one.firm_value >= V * (1.0 - 1e-12)


def test_arrays_and_refusals():
    found = optimal_debt([100.0, 50.0], [[0.2], [0.3]])
    assert found.spread.shape == (2, 2)
    assert np.allclose(found.debt[:, 0], 2.0 * found.debt[:, 1], rtol=1e-14)
    for name, value in (("tax", 0.0), ("tax", 35.0), ("rate", 0.0), ("bankruptcy_cost", 50.0)):
        with pytest.raises(DomainError, match=name):
            optimal_debt(100.0, 0.2, **{name: value})
