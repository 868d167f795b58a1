"""PDs of obligors by their own methods: worked values, published firms, known truth, refusals."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri, stdtrit

from xlkmv.deal.sources import (
    METHODS,
    FewDefaults,
    ObligorSource,
    PeerFirm,
    SourceTerms,
    compared_pd,
    given_pd,
    group_pds,
    listed_pd,
    obligor_pd,
    obligor_pds,
    observed_pd,
    rated_pd,
)
from xlkmv.deal.terms.ranges import range_at_level
from xlkmv.errors import ConvergenceError, InputError, MissingError
from xlkmv.model.merton import equity

SCALE = (("A", 0.001), ("BBB", 0.004), ("BB", 0.016), ("B", 0.064))


def peer(k, value, sigma, earnings=100.0, industry="Software"):
    """A listed firm whose equity implies these assets, by the forward model; due 60 within a year."""
    E, sigma_E = equity(value, 100.0, sigma)
    return PeerFirm(f"Peer {k}", industry, float(E), float(sigma_E), 60.0, 80.0, earnings)


PEERS = tuple(
    peer(k, value, sigma)
    for k, (value, sigma) in enumerate([(800, 0.2), (1000, 0.25), (1200, 0.3), (900, 0.22), (1100, 0.28)])
)


def one(source, **terms):
    (found,) = obligor_pds([source], SourceTerms(**terms))
    return found


def test_given():
    found = one(ObligorSource("A", "given", pd=0.02, low=0.01, high=0.05))
    assert (found.pd, found.low, found.high) == (0.02, 0.01, 0.05)
    assert ndtr(-found.distance) == pytest.approx(0.02, rel=1e-12)
    assert one(ObligorSource("A", "given", pd=0.02)).high is None


@pytest.mark.parametrize(
    ("grade", "low", "pd", "high"),
    [("bbb", 0.002, 0.004, 0.008), ("A", 0.0005, 0.001, 0.002), ("B", 0.032, 0.064, 0.128)],
)
def test_rating_ranges_half_way_to_its_neighbours(grade, low, pd, high):
    # The scale rises fourfold from grade to grade: half of that, in logs, is twofold.
    found = one(ObligorSource("A", "rating", rating=grade), scale=SCALE)
    assert (found.low, found.pd, found.high) == pytest.approx((low, pd, high), rel=1e-12)


def test_the_only_grade_has_no_neighbours():
    found = one(ObligorSource("A", "rating", rating="X"), scale=[("X", 0.01)])
    assert (found.low, found.pd, found.high) == (0.01, 0.01, 0.01)


def test_listed_firm_of_hull():
    # Hull's firm: equity 3, volatility 80 %, debt 10, rate 5 %: risk-neutral PD 12.7 %.
    row = ObligorSource("Hull", "listed", equity=3.0, equity_volatility=0.8, short_term=10.0, drift=0.05)
    found = one(row, rate=0.05)
    assert found.pd == pytest.approx(0.127, abs=5e-4)
    assert found.low < found.pd < found.high
    assert "typed" in found.note


def test_a_typed_volatility_has_a_standard_error():
    # Of a firm without much debt equity is assets: the DD is ln(100/10)/sigma - sigma/2 of the equity's.
    row = ObligorSource("L", "listed", equity=90.0, equity_volatility=0.4, short_term=10.0)
    firm = dataclasses.replace(row, equity_volatility_error=0.05)
    one_and_a_half = ndtri(0.95) * 0.05 / 0.4
    for found, reach in ((one(firm), one_and_a_half), (one(row), ndtri(0.95) / np.sqrt(500.0))):
        sigma = 0.9 * 0.4 * np.exp([0.0, -reach, reach])
        pd, low, high = ndtr(-(np.log(10.0) / sigma - 0.5 * sigma))
        # Normal odds between the two ends, wherever they are: 2 % of a distance of 5 to 8.
        assert ndtri([found.pd, found.low, found.high]) == pytest.approx(ndtri([pd, low, high]), rel=1e-3)
    known = one(dataclasses.replace(row, equity_volatility_error=0.0))
    assert known.low == known.pd == known.high == one(row).pd


def test_listed_firms_of_mathworks():
    # MathWorks Risk Management Toolbox, mertonmodel: DD with the firm's drift.
    for E, sigma_E, F, drift, dd in (
        (2.6406e7, 0.7103, 4e7, 0.0306, 1.5237),
        (2.6817e7, 0.3929, 3.5e7, 0.0300, 3.1679),
        (2.528e7, 0.6181, 4e7, 0.0305, 1.8196),
    ):
        row = ObligorSource("M", "listed", equity=E, equity_volatility=sigma_E, short_term=F, drift=drift)
        assert one(row, rate=0.05).distance == pytest.approx(dd, abs=2e-4)


def simulated_prices(rng, sigma, days=250, drift=0.05):
    steps = rng.normal((drift - 0.5 * sigma**2) / 250, sigma / np.sqrt(250), days)
    return equity(140.0 * np.exp(np.cumsum(steps)), 100.0, sigma)[0], 140.0 * np.exp(steps.sum())


def test_ranges_from_prices_hold_the_truth():
    rng = np.random.default_rng(11)
    hits = []
    for _ in range(200):
        prices, value = simulated_prices(rng, 0.25)
        found = one(ObligorSource("S", "listed", prices=tuple(prices), short_term=100.0))
        true = ndtr(-(np.log(value / 100.0) - 0.5 * 0.25**2) / 0.25)
        assert found.low <= found.pd <= found.high
        hits.append(found.low <= true <= found.high)
    assert 0.84 <= np.mean(hits) <= 0.96


def test_comparables_by_hand():
    row = ObligorSource(
        "P", "comparables", earnings=50.0, industry="software ", short_term=100.0, long_term=300.0
    )
    found = one(row, peers=(*PEERS, peer(9, 5.0e5, 0.9, industry="Mining")))
    # Median multiple 10 and volatility 0.25: assets 500 against 250.
    assert found.distance == pytest.approx((np.log(2.0) - 0.03125) / 0.25, rel=1e-7)
    one_firm = np.sqrt(1.0 + np.pi / 10.0) / ndtri(0.75)
    error = np.hypot(-np.log(0.9) / 0.25, np.log(0.25 / 0.22) * (found.distance + 0.25)) * one_firm
    assert found.high == pytest.approx(ndtr(-found.distance + stdtrit(4, 0.95) * error), rel=1e-6)
    assert found.note.startswith("5 peers of software ")
    # All of it due within the year is the same default point.
    short = dataclasses.replace(row, short_term=250.0, long_term=None)
    assert one(short, peers=PEERS).distance == pytest.approx(found.distance, rel=1e-12)


def test_conventions_and_map_are_those_of_the_terms():
    row = ObligorSource(
        "P", "comparables", earnings=50.0, industry="Software", short_term=100.0, long_term=300.0
    )
    listed = ObligorSource(
        "L",
        "listed",
        equity=PEERS[1].equity,
        equity_volatility=PEERS[1].equity_volatility,
        short_term=60.0,
        long_term=80.0,
    )
    terms = SourceTerms(peers=PEERS, convention="linear", mapping=([1.0, 3.0, 4.0], [0.04, 0.01, 0.001]))
    compared, priced = obligor_pds([row, listed], terms)
    assert (compared.distance, compared.pd) == pytest.approx((2.0, 0.02), rel=1e-7)
    # 1000 against 100 at 25 %: (1 - 0.1)/0.25.
    assert (priced.distance, priced.pd) == pytest.approx((3.6, 0.01 * 0.1**0.6), rel=1e-7)


@pytest.mark.parametrize("pd", [0.0, 1.0])
def test_a_certain_pd_has_no_odds_and_no_range(pd):
    assert range_at_level(pd, 0.0, 1.0, 0.5) is None


def test_history():
    found = one(ObligorSource("H", "history", defaults=2, obligor_years=350))
    assert found.pd == pytest.approx(2.5 / 351, rel=1e-12)
    assert found.low < found.pd < found.high


# Pluto and Tasche (2005), tables 1, 3 and 5: 100, 400 and 300 obligors; per cent.
PUBLISHED = [
    ((0, 0, 0), 0.5, 0.0, (0.09, 0.10, 0.23)),
    ((0, 0, 0), 0.9, 0.0, (0.29, 0.33, 0.76)),
    ((0, 2, 1), 0.5, 0.0, (0.46, 0.52, 0.56)),
    ((0, 2, 1), 0.9, 0.0, (0.83, 0.95, 1.29)),
]


@pytest.mark.parametrize(("defaults", "confidence", "correlation", "published"), PUBLISHED)
def test_groups_with_few_defaults_have_the_published_bounds(defaults, confidence, correlation, published):
    groups = [FewDefaults(n, m, d) for n, m, d in zip("ABC", (100, 400, 300), defaults, strict=True)]
    terms = SourceTerms(groups=groups, confidence=confidence, correlation=correlation)
    found = [
        one(ObligorSource("x", "low default", rating=n), groups=groups, confidence=confidence) for n in "abc"
    ]
    assert [100 * f.pd for f in found] == pytest.approx(published, abs=0.005)
    assert [f.pd for f in group_pds(terms)] == [f.pd for f in found]


def test_a_bound_without_defaults_by_hand():
    # (1 - p)^n = 1 - confidence; over five years (1 - p)^(5 n).
    row = ObligorSource("H", "low default", defaults=0, obligor_years=400)
    for years in (1.0, 5.0):
        found = one(row, confidence=0.6, years=years)
        hand = [1.0 - (1.0 - c) ** (1.0 / 400.0) for c in (0.6, 0.05, 0.95)]
        assert [found.pd, found.low, found.high] == pytest.approx(hand, rel=1e-9)
    # What comes together may also stay away together: correlation says that less is known.
    assert one(row, confidence=0.9, correlation=0.2).pd > 1.5 * one(row, confidence=0.9).pd
    assert found.note.startswith("0 of 80 obligors in default, bound of 60% confidence")


@pytest.mark.parametrize(
    ("row", "terms", "sentence"),
    [
        ({"rating": "D"}, {}, r"H: rating must be a group with few defaults \(A\) \(got 'D'\)"),
        ({"defaults": 0, "obligor_years": 7}, {"years": 2.0},
         r"H: obligor_years must be a whole number of obligors in each of 2 years \(got 7\)"),
        ({"rating": "A"}, {"years": 51.0}, r"H: A: years must be a whole number, 1 to 50 \(got 51\)"),
        ({"rating": "A"}, {"groups": [FewDefaults("A", 5, 6)]},
         r"H: A: defaults must not be above the 5 observed \(got 6\)"),
        ({"rating": "A"}, {"groups": [FewDefaults("A", 5, 0), FewDefaults("B", 2.5, 0)]},
         r"H: B: obligors must be a whole number, >= 1 \(got 2.5\)"),
        ({}, {}, r"H: defaults is needed by the method low default \(got blank\)"),
    ],
)  # fmt: skip
def test_refusals_of_groups(row, terms, sentence):
    shared = SourceTerms(**{"groups": [FewDefaults("A", 5, 0)]} | terms)
    with pytest.raises(InputError, match=f"^{sentence}$"):
        obligor_pds([ObligorSource("H", "low default", **row)], shared)


def test_each_method_is_a_function_of_its_own():
    row = ObligorSource("A", "given", pd=0.02)
    assert given_pd(row) == obligor_pd(row)
    rated = ObligorSource("A", "rating", rating="BB")
    assert rated_pd(rated, SourceTerms(scale=SCALE)).pd == 0.016
    history = ObligorSource("A", "history", defaults=2, obligor_years=350)
    assert observed_pd(history).pd == pytest.approx(2.5 / 351, rel=1e-12)
    assert listed_pd(LISTED) == obligor_pd(LISTED)
    assert compared_pd(PRIVATE, SourceTerms(peers=PEERS)) == obligor_pd(PRIVATE, SourceTerms(peers=PEERS))


@given(st.permutations(range(4)))
def test_rows_keep_their_order_and_do_not_disturb_each_other(order):
    rows = [
        ObligorSource("a", "given", pd=0.01),
        ObligorSource("b", "rating", rating="BB"),
        ObligorSource("c", "history", defaults=0, obligor_years=40),
        ObligorSource("d", "comparables", earnings=50.0, industry="Software", short_term=200.0),
    ]
    terms = SourceTerms(scale=SCALE, peers=PEERS)
    alone = [obligor_pds([row], terms)[0] for row in rows]
    assert obligor_pds([rows[k] for k in order], terms) == tuple(alone[k] for k in order)


LISTED = ObligorSource("Vtron", "listed", equity=3.0, equity_volatility=0.8, short_term=10.0)
PRIVATE = ObligorSource("Vtron", "comparables", earnings=5.0, industry="Software", short_term=10.0)


@pytest.mark.parametrize(
    ("source", "changes", "sentence"),
    [
        (LISTED, {"method": "guess"}, f"Vtron: method must be one of {', '.join(METHODS)} (got 'guess')"),
        (LISTED, {"equity": None}, "Vtron: equity is needed by the method listed (got blank)"),
        (LISTED, {"short_term": None},
         "Vtron: short_term and long_term must leave a default point > 0: no debt, no default"),
        (LISTED, {"prices": (3.0, 3.1)}, "Vtron: prices must hold at least 3 values (got 2)"),
        (LISTED, {"equity_volatility": 80.0},
         "Vtron: equity_volatility must be > 0 and < 20 (a decimal: 0.25 means 25 %) (got 80)"),
        (PRIVATE, {"earnings": -5.0}, "Vtron: earnings must be > 0 (got -5)"),
        (PRIVATE, {"industry": "Biotech"},
         "Vtron: industry must have 3 listed peers or more, and has 0 (got 'Biotech')"),
        (LISTED, {"method": "rating", "rating": "AAA"},
         "Vtron: rating must be a grade of the scale: A, BBB, BB, B (got 'AAA')"),
        (LISTED, {"method": "history", "defaults": 9, "obligor_years": 3},
         "Vtron: defaults must not be above the 3 observed (got 9)"),
        (LISTED, {"method": "given", "pd": 0.02, "low": 0.03},
         "Vtron: low must not be above the PD (0.02) (got 0.03)"),
        (LISTED, {"method": "given", "pd": 0.02, "high": 0.01},
         "Vtron: high must not be below the PD (0.02) (got 0.01)"),
    ],
)  # fmt: skip
def test_refusals_name_the_obligor_the_input_and_the_rule(source, changes, sentence):
    with pytest.raises(InputError) as caught:
        obligor_pds([dataclasses.replace(source, **changes)], SourceTerms(scale=SCALE, peers=PEERS))
    assert str(caught.value) == sentence


def test_a_peer_that_is_wrong_is_named_with_the_obligor():
    wrong = (*PEERS, dataclasses.replace(PEERS[0], name="Odd Ltd", earnings=-1.0))
    with pytest.raises(InputError, match=r"^Vtron: peer Odd Ltd: earnings must be > 0 \(got -1\)$"):
        obligor_pds([PRIVATE], SourceTerms(peers=wrong))


def test_equity_that_says_nothing_is_an_error_with_a_name():
    with pytest.raises(ConvergenceError, match=r"^Vtron: equity carries no information"):
        obligor_pds([dataclasses.replace(LISTED, equity=1e-300)])


def test_a_rating_without_a_scale_and_a_missing_grade():
    with pytest.raises(InputError, match="A: rating needs a scale"):
        obligor_pds([ObligorSource("A", "rating", rating="BB")])
    with pytest.raises(MissingError, match="A: rating is needed by the method rating"):
        obligor_pds([ObligorSource("A", "rating")])
