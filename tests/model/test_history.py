"""Default probabilities from history: published tables, slow twins, and laws."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri

from xlkmv.errors import DomainError, InputError
from xlkmv.model.history import MOST_DEFAULTS, history_pd, most_prudent_pds

GRADES = [100, 400, 300]
CONFIDENCES = [0.5, 0.75, 0.9, 0.95, 0.99, 0.999]


def table(defaults, **kwargs):
    return 100.0 * np.array([most_prudent_pds(GRADES, defaults, g, **kwargs) for g in CONFIDENCES]).T


# --- published ------------------------------------------------------------------------------


# Pluto and Tasche (2005), arXiv:cond-mat/0411699v3, per cent, by grade and confidence, as read from the paper
# into data/derived/C05/ldp-published.json of the public repository fsantibanezleal/CAOS_Contraste.
NONE = [  # tables 1 to 3, no defaults
    [0.09, 0.17, 0.29, 0.37, 0.57, 0.86],
    [0.10, 0.20, 0.33, 0.43, 0.66, 0.98],
    [0.23, 0.46, 0.76, 0.99, 1.52, 2.28],
]
FEW = [  # tables 4 to 6, defaults 0, 2 and 1
    [0.46, 0.65, 0.83, 0.97, 1.25, 1.62],
    [0.52, 0.73, 0.95, 1.10, 1.43, 1.85],
    [0.56, 0.90, 1.29, 1.57, 2.19, 3.04],
]
NONE_CORRELATED = [  # table 7, asset correlation 12 %, simulated
    [0.15, 0.40, 0.86, 1.31, 2.65, 5.29],
    [0.17, 0.45, 0.96, 1.45, 2.92, 5.77],
    [0.37, 0.92, 1.89, 2.78, 5.30, 9.84],
]
FEW_CORRELATED = [  # table 8
    [0.72, 1.42, 2.50, 3.42, 5.88, 10.08],
    [0.81, 1.59, 2.77, 3.77, 6.43, 10.92],
    [0.84, 1.76, 3.19, 4.41, 7.68, 13.14],
]
# Tables 13 and 14, five years, correlation 12 %, that of the factor over time 30 %, up to confidence 99 %.
NONE_IN_FIVE_YEARS = [
    [0.03, 0.06, 0.11, 0.16, 0.30],
    [0.03, 0.07, 0.13, 0.18, 0.33],
    [0.07, 0.14, 0.26, 0.37, 0.67],
]
FEW_IN_FIVE_YEARS = [
    [0.12, 0.21, 0.33, 0.43, 0.70],
    [0.14, 0.24, 0.38, 0.49, 0.77],
    [0.15, 0.27, 0.46, 0.61, 1.01],
]


def test_pluto_and_tasche_without_defaults():
    assert table([0, 0, 0]) == pytest.approx(np.array(NONE), abs=0.00501)


def test_pluto_and_tasche_with_few_defaults():
    found, printed = table([0, 2, 1]), np.array(FEW)
    # Of grade A at 75 % they print 0.65, one unit too much for an exact bound.
    assert found[0, 1] == pytest.approx(0.65, abs=0.0151)
    found[0, 1] = printed[0, 1]
    assert found == pytest.approx(printed, abs=0.00501)


def test_pluto_and_tasche_with_correlation():
    # Simulated there: the last digit is uncertain, and with defaults never too small.
    assert table([0, 0, 0], correlation=0.12) == pytest.approx(np.array(NONE_CORRELATED), abs=0.0101)
    excess = np.array(FEW_CORRELATED) - table([0, 2, 1], correlation=0.12)
    assert (excess > -0.005).all()
    assert (excess < 0.0101).all()


@pytest.mark.parametrize(
    ("defaults", "printed"), [([0, 0, 0], NONE_IN_FIVE_YEARS), ([0, 2, 1], FEW_IN_FIVE_YEARS)]
)
def test_pluto_and_tasche_over_five_years(defaults, printed):
    # Simulated there: never below ours, and above by at most three units of the last digit printed.
    found = table(defaults, correlation=0.12, years=5, time_correlation=0.3)[:, :5]
    excess = np.array(printed) - found
    assert (excess > -0.005).all()
    assert (excess < 0.0301).all()


def test_an_example_of_another_package():
    # R package LDPD 1.1.2, PTOnePeriodPD(c(10,20,30,40,10), c(1,2,0,0,0), conf.interval = 0.5), worst
    # grade first; its root finder stops at 1e-4.
    printed = [0.16226172, 0.12106991, 0.06086968, 0.03659702, 0.03330381]
    found = most_prudent_pds([10, 40, 30, 20, 10], [0, 0, 0, 2, 1], 0.5)
    assert found[::-1] == pytest.approx(np.array(printed), abs=1e-4)


def test_several_years_of_a_simulation_by_others():
    # A. Djurovic, "Estimating probabilities of default for low default portfolios: Pluto-Tasche approach",
    # 10,000 simulations: five years, rho 12 %, theta 30 %, confidence 75 %; a digit or two of noise.
    printed = [0.38, 0.40, 0.53, 1.03, 3.43, 5.51, 10.44]
    found = most_prudent_pds([26, 122, 182, 123, 24, 14, 9], [0, 0, 0, 0, 1, 1, 2], 0.75, 0.12, 5, 0.3)
    assert 100.0 * found == pytest.approx(np.array(printed), rel=0.02)


# --- slow twins -----------------------------------------------------------------------------


def test_one_period_against_forty_digits():
    (p,) = most_prudent_pds([60], [2], 0.9, correlation=0.3)
    with mp.workdps(30):
        threshold = mp.sqrt(2) * mp.erfinv(2 * mp.mpf(p) - 1)

        def at_most_two(s):
            q = mp.ncdf((threshold - mp.sqrt(mp.mpf("0.3")) * s) / mp.sqrt(mp.mpf("0.7")))
            return mp.npdf(s) * sum(mp.binomial(60, j) * q**j * (1 - q) ** (60 - j) for j in range(3))

        tail = mp.quad(at_most_two, [-10, -4, -2, 0, 2, 10])
    assert float(tail) == pytest.approx(0.1, rel=1e-11)


def test_several_years_against_a_simulation():
    rho, theta, years, paths = 0.25, 0.6, 4, 400_000
    (p,) = most_prudent_pds([40], [3], 0.8, rho, years, theta)
    rng = np.random.default_rng(5)
    factor, alive = rng.standard_normal(paths), np.full(paths, 40)
    for year in range(years):
        if year:
            factor = theta * factor + np.sqrt(1.0 - theta**2) * rng.standard_normal(paths)
        alive -= rng.binomial(alive, ndtr((ndtri(p) - np.sqrt(rho) * factor) / np.sqrt(1.0 - rho)))
    share = np.mean(alive >= 37)
    assert share == pytest.approx(0.2, abs=4.0 * np.sqrt(0.2 * 0.8 / paths))


def test_posterior_is_the_beta_distribution():
    found = history_pd(2, 350, level=0.9)
    with mp.workdps(40):
        weights = [
            mp.betainc("2.5", "348.5", 0, mp.mpf(float(x)), regularized=True)
            for x in (found.low, found.median, found.high)
        ]
    assert [float(w) for w in weights] == pytest.approx([0.05, 0.5, 0.95], rel=1e-12)
    assert found.mean == pytest.approx(2.5 / 351, rel=1e-15)


def test_jeffreys_interval_of_brown_cai_and_dasgupta():
    # Statistical Science 16 (2001), table 5, n = 10 and x = 1 of the 95 % interval: [.011, .381].
    found = history_pd(1, 10, level=0.95)
    assert (float(found.low), float(found.high)) == pytest.approx((0.011, 0.381), abs=5.01e-4)


def test_jeffreys_test_of_deep_credit_risk():
    # D. Roesch and H. Scheule, Deep Credit Risk, training pages, chapter on Jeffreys' prior: 2 of 6 in
    # default; the posterior holds a PD of at most .0367 with probability .0044.
    found = history_pd(2, 6, level=1.0 - 2.0 * 0.0044)
    assert float(found.low) == pytest.approx(0.0367, abs=2e-4)


# --- laws -----------------------------------------------------------------------------------

POOLS = st.lists(st.tuples(st.integers(1, 300), st.integers(0, 3)), min_size=1, max_size=4).map(
    lambda rows: ([n for n, _ in rows], [min(d, n) for n, d in rows])
)


@settings(max_examples=30, deadline=None)
@given(POOLS, st.sampled_from([(0.0, 1, 0.0), (0.2, 1, 0.0), (0.0, 4, 0.0), (0.2, 3, 0.5)]))
def test_more_defaults_and_fewer_obligors_raise_the_bound(pool, law):
    obligors, defaults = pool
    bounds = most_prudent_pds(obligors, defaults, 0.8, *law)
    assert ((bounds > 0.0) & (bounds <= 1.0)).all()
    one_more = [min(d + 1, n) for n, d in zip(obligors, defaults, strict=True)]
    assert (most_prudent_pds(obligors, one_more, 0.8, *law) >= bounds - 1e-12).all()
    twice = [2 * n for n in obligors]
    assert (most_prudent_pds(twice, defaults, 0.8, *law) <= bounds + 1e-12).all()
    assert (most_prudent_pds(obligors, defaults, 0.9, *law) >= bounds - 1e-12).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 200), st.integers(0, 4), st.integers(2, 5))
def test_limits_of_correlation_and_time(n, d, years):
    d = min(d, n - 1)
    independent = most_prudent_pds([n], [d], 0.7, years=years)
    # Hardly any correlation is no correlation.
    assert most_prudent_pds([n], [d], 0.7, 1e-12, years, 0.4) == pytest.approx(independent, rel=1e-5)
    # Over several years, independent defaults are one period of the probability to default in any of them.
    once = most_prudent_pds([n], [d], 0.7)
    assert 1.0 - (1.0 - independent) ** years == pytest.approx(once, rel=1e-12)


@given(st.integers(0, 50), st.integers(50, 5000), st.floats(0.5, 0.99))
def test_posterior_moves_with_the_evidence(d, n, level):
    found, more, longer = (history_pd(*x, level) for x in ((d, n), (d + 1, n + 1), (d, 2 * n)))
    assert 0.0 < found.low < found.median < found.high < 1.0
    assert found.low < found.mean
    assert more.mean > found.mean > longer.mean
    assert more.high > found.high > longer.high


def test_all_obligors_in_default_bound_nothing():
    assert most_prudent_pds([5, 2], [1, 2], 0.5, 0.2)[1] == 1.0
    assert most_prudent_pds([2], [2], 0.5)[0] == 1.0


# --- bad input ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (([10], [11], 0.5), "defaults must not be above the 10 observed (got 11)"),
        (([10, 5], [1], 0.5), "defaults must be one number per grade (2) (got 1)"),
        (([10, 10.5], [0, 0], 0.5), "obligors must be a whole number, >= 1 (got 10.5)"),
        (([10], [-1], 0.5), "defaults must be a whole number, >= 0 (got -1)"),
        (([10], [0], 1.0), "confidence must be > 0 and < 1 (a decimal: 0.02 means 2 %) (got 1)"),
        (([10], [0], 0.5, 0.2, 0), "years must be a whole number, 1 to 50 (got 0)"),
        (([10], [0], 0.5, 0.97, 2), "correlation must be >= 0 and <= 0.95 over several years (got 0.97)"),
        (
            ([10], [0], 0.5, 0.2, 2, 1.0),
            "time_correlation must be >= 0 and <= 0.95 over several years (got 1)",
        ),
        (
            ([900], [MOST_DEFAULTS + 1], 0.5, 0.2, 2),
            "defaults must be at most 50 in all over several years with correlation (got 51)",
        ),
    ],
)
def test_bad_input_is_one_sentence(arguments, sentence):
    with pytest.raises(InputError) as caught:
        most_prudent_pds(*arguments)
    assert str(caught.value) == sentence


def test_more_defaults_than_obligor_years():
    with pytest.raises(DomainError, match="defaults must not be above the 3 observed"):
        history_pd([1, 4], 3)
