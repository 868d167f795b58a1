"""Asset correlation: the supervisor's published risk weights, simulated returns, the jackknife."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri

from xlkmv.errors import DomainError, InputError
from xlkmv.model.correlation import basel_correlation, basel_risk_weight, return_correlation

# Basel Committee (June 2006), Annex 5, corporate exposures, LGD 45 %, maturity 2.5 years, per cent:
# PD, risk weight at sales of 50 million euro, and of 5 million.
ANNEX_5 = np.array(
    [
        [0.03, 14.44, 11.30],
        [0.05, 19.65, 15.39],
        [0.10, 29.65, 23.30],
        [0.25, 49.47, 39.01],
        [0.40, 62.72, 49.49],
        [0.50, 69.61, 54.91],
        [0.75, 82.78, 65.14],
        [1.00, 92.32, 72.40],
        [1.30, 100.95, 78.77],
        [1.50, 105.59, 82.11],
        [2.00, 114.86, 88.55],
        [2.50, 122.16, 93.43],
    ]
)


def risk_weight(pd, sales):
    """Paragraph 272, without the scaling factor: the correlation is all of ours that it uses."""
    R = basel_correlation(pd, sales)
    b = (0.11852 - 0.05478 * np.log(pd)) ** 2
    stressed = ndtr((ndtri(pd) + np.sqrt(R) * ndtri(0.999)) / np.sqrt(1.0 - R))
    return 12.5 * 45.0 * (stressed - pd) / (1.0 - 1.5 * b)


@pytest.mark.parametrize(("sales", "column"), [(50.0, 1), (5.0, 2), (1e4, 1), (0.0, 2)])
def test_published_risk_weights(sales, column):
    assert risk_weight(ANNEX_5[:, 0] / 100.0, sales) == pytest.approx(ANNEX_5[:, column], abs=0.01)


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.floats(0.0, 200.0), st.floats(0.0, 200.0))
def test_safer_and_larger_firms_follow_the_economy_more(p, q, small, large):
    p, q, small, large = *sorted((p, q)), *sorted((small, large))
    assert 0.08 - 1e-12 <= basel_correlation(q, small) <= basel_correlation(p, large) + 1e-15 <= 0.24 + 1e-12


def test_ends_of_the_formula():
    assert basel_correlation([0.0, 1.0]) == pytest.approx([0.24, 0.12], rel=1e-15)


def factor_returns(rng, n, m, rho):
    return np.sqrt(rho) * rng.standard_normal((n, 1)) + np.sqrt(1.0 - rho) * rng.standard_normal((n, m))


def test_returns_of_two_firms_by_hand():
    x = np.array([[1.0, 2.0], [-1.0, -1.0], [2.0, 1.0], [-2.0, -2.0]] * 3)
    # Sums over one block of four: xx 10, yy 10, xy 9; both means are 0.
    found = return_correlation(x)
    assert found.average == pytest.approx(0.9, rel=1e-12)
    # Moves by date: u_x u_y - r (u_x^2 + u_y^2)/2 with u^2 = x^2/2.5.
    moves = (x[:, 0] * x[:, 1] - 0.45 * (x**2).sum(axis=1)) / 2.5
    assert found.standard_error == pytest.approx(np.sqrt(np.mean(moves**2) / 12), rel=1e-12)
    assert (found.pairs, found.observations) == (1, 12)


def test_standard_error_agrees_with_the_jackknife():
    x = factor_returns(np.random.default_rng(1), 300, 6, 0.25)
    found = return_correlation(x)
    n = len(x)
    r = np.corrcoef(x.T)
    assert found.average == pytest.approx(r[np.triu_indices(6, 1)].mean(), rel=1e-12)
    without = np.array(
        [np.corrcoef(np.delete(x, t, axis=0).T)[np.triu_indices(6, 1)].mean() for t in range(n)]
    )
    jackknife = np.sqrt((n - 1) * np.mean((without - without.mean()) ** 2))
    assert found.standard_error == pytest.approx(jackknife, rel=0.02)


def test_ninety_per_cent_intervals_hold_the_truth():
    rng = np.random.default_rng(2)
    found = [return_correlation(factor_returns(rng, 250, 8, 0.2)) for _ in range(500)]
    hits = [abs(f.average - 0.2) <= 1.645 * f.standard_error for f in found]
    assert 0.85 <= np.mean(hits) <= 0.95


def test_scale_of_a_series_does_not_matter():
    x = factor_returns(np.random.default_rng(4), 60, 4, 0.3)
    scaled = return_correlation(x * [1.0, 100.0, 1e-4, 7.0] + 3.0)
    assert scaled.average == pytest.approx(return_correlation(x).average, rel=1e-9)


def test_bad_input():
    x = factor_returns(np.random.default_rng(5), 12, 3, 0.3)
    with pytest.raises(InputError, match="returns must have 10 dates or more"):
        return_correlation(x[:9])
    # Ten dates are enough: of two firms that always move against each other.
    assert return_correlation(np.tile([[1.0, -1.0], [-1.0, 1.0]], (5, 1))).average == pytest.approx(-1.0)
    with pytest.raises(InputError, match="2 firms or more"):
        return_correlation(x[:, :1])
    x[:, 1] = 0.25
    with pytest.raises(DomainError, match=r"returns must move in every column.*\(got 2\)"):
        return_correlation(x)
    with pytest.raises(DomainError, match=r"sales must be >= 0 \(got -1\)"):
        basel_correlation(0.01, -1.0)


@pytest.mark.parametrize(
    ("pd", "weight"),
    [(0.0003, 14.44), (0.001, 29.65), (0.005, 69.61), (0.01, 92.32), (0.05, 149.86), (0.2, 238.23)],
)
def test_risk_weights_of_basel(pd, weight):
    """Basel Committee (2006), annex 5; 149.86 is printed 0.006 above the formula."""
    assert 100.0 * basel_risk_weight(pd) == pytest.approx(weight, abs=0.0101)
    with mp.workdps(30):
        p = mp.mpf(pd)
        w = (1 - mp.exp(-50 * p)) / (1 - mp.exp(-50))
        R = mp.mpf("0.12") * w + mp.mpf("0.24") * (1 - w)
        b = (mp.mpf("0.11852") - mp.mpf("0.05478") * mp.log(p)) ** 2
        inverse = lambda x: -mp.sqrt(2) * mp.erfinv(1 - 2 * x)  # noqa: E731
        bad = mp.ncdf((inverse(p) + mp.sqrt(R) * inverse(mp.mpf("0.999"))) / mp.sqrt(1 - R))
        for M in (1.0, 2.5, 5.0):
            K = mp.mpf("0.3") * (bad - p) * (1 + (M - mp.mpf("2.5")) * b) / (1 - mp.mpf("1.5") * b)
            assert basel_risk_weight(pd, 0.3, M) == pytest.approx(float(mp.mpf("12.5") * K), rel=1e-11)
