"""Intervals against what the answers are at the ends of the ranges, against brute force, and known truths."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import beta, binom, norm

from xlkmv.deal.examples import example
from xlkmv.deal.kmv import kmv_view
from xlkmv.deal.paths.measures import ENOUGH
from xlkmv.deal.paths.run import simulate
from xlkmv.deal.questions.uncertainty import ClassUncertainty, Spread, Uncertainty, _Inputs, uncertainty
from xlkmv.deal.terms import Controls, Recoveries, Tranche
from xlkmv.deal.terms.ranges import INPUTS, REACH, Ranges, varied
from xlkmv.errors import DomainError, InputError

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))

from uncertainty_study import study

BARE = Controls().without("reserve", "support", "repurchase", "pledge", "triggers")


@pytest.fixture(scope="module")
def one(build):
    """Obligors that owe 60 each on one date, and a class that is short when the first one defaults."""

    def made(pd, **more):
        date = build([[60.0]]).terms.dates[0]
        notes = (Tranche("Notes", 1, 50.0 + 60.0 * (len(pd) - 1), 0.0, "bullet", date),)
        rows = [[60.0]] * len(pd)
        return build(rows, pd=pd, correlation=0.0, tranches=notes, controls=BARE, fee_rate=0.0, **more)

    return made


@pytest.fixture(scope="module")
def pool(build):
    """Twelve obligors of several sizes, three dates, all that may be uncertain."""
    size = np.linspace(20.0, 75.0, 12)
    return build(
        size[:, None] * np.ones(3) / 3.0,
        pd=np.linspace(0.08, 0.01, 12),
        recovery=0.3,
        lag=0.5,
        correlation=0.2,
        senior=400.0,
        junior=80.0,
        coupon=0.04,
        controls=replace(BARE, support=True, support_pd=0.05),
        paths=100_000,
    )


def wide(deal):
    pd = deal.pool.pd
    return Ranges(
        pd=(0.6 * deal.pool.share @ pd, 1.6 * deal.pool.share @ pd),
        recovery=(0.2, 0.4),
        correlation=(0.12, 0.3),
        support_pd=(0.02, 0.12),
        pd_low=pd / 2.0,
        pd_high=pd * 2.0,
    )


def test_pds_that_move_together_are_no_farther_apart(pool):
    inputs = _Inputs(replace(pool, pool=replace(pool.pool, pd=pool.pool.pd * 1e-6)), wide(pool))
    shift = np.array([[0.5], [-1.0]]) * np.ones(12)
    np.testing.assert_allclose(
        inputs.figures([(slice(None), shift)]), [[0.5, 0.0, 0.0], [-1.0, 0.0, 0.0]], atol=1e-6
    )


def test_inputs_of_the_surfaces_have_a_spread_of_one(pool):
    even = Ranges(lag=0.1, support_pd=(0.02, 0.12))
    inputs = _Inputs(pool, even)
    normals = norm.ppf((np.arange(4000) + 0.5) / 4000)
    at = inputs.features(np.column_stack([normals] * len(inputs.plan)), np.zeros((4000, 3)))
    assert at.shape[1] == 2
    np.testing.assert_allclose(np.sqrt((at**2).mean(axis=0)), 1.0, rtol=0.01)


# ------------------------------------------------------------------------------- ranges


@given(
    figure=st.floats(0.001, 0.9),
    down=st.floats(0.1, 0.999),
    up=st.floats(0.001, 0.9),
    name=st.sampled_from(["pd", "recovery", "correlation"]),
)
@settings(max_examples=50, deadline=None)
def test_the_ends_of_a_range_are_its_quantiles_and_the_figure_its_median(build, figure, down, up, name):
    deal = build([[60.0], [40.0]], **{"pd": 0.02, "recovery": 0.3, "correlation": 0.2} | {name: figure})
    low, high = figure * down, figure + (1.0 - figure) * up
    spread = Ranges(**{name: (low, high)}).spread(name, deal)
    for side, end in ((-spread[0], low), (spread[1], high)):
        there = varied(deal, {name: norm.ppf(0.95) * side})
        assert getattr(there.pool, name) == pytest.approx(np.full(2, end), rel=1e-9)
    assert varied(deal, {name: 0.0}) == deal


@pytest.mark.parametrize(
    ("name", "figure", "error"), [("recovery", 0.4, 0.02), ("volatility", 0.2, 0.006), ("drift", -0.01, 0.02)]
)
def test_a_standard_error_is_the_deviation_of_what_is_drawn(build, name, figure, error):
    """By Gauss-Hermite quadrature over the draws: where it is small, their deviation is the one typed."""
    terms = {"volatility_source": "user", "volatility": 0.2, "drift": -0.01}
    deal = build([[60.0], [40.0]], **({"recovery": 0.4} | terms))
    down, up = Ranges(**{name: error}).spread(name, deal)
    assert down == up
    z, weights = np.polynomial.hermite_e.hermegauss(20)
    moved = [varied(deal, {name: x * up}) for x in z]
    values = np.array([d.pool.recovery[0] if name == "recovery" else getattr(d.terms, name) for d in moved])
    weights = weights / weights.sum()
    mean = weights @ values
    assert mean == pytest.approx(figure, abs=0.05 * error)
    assert np.sqrt(weights @ (values - mean) ** 2) == pytest.approx(error, rel=0.01)


def test_standard_errors_of_obligors_are_ranges_of_their_log_odds(build):
    """The variance of the log odds is s^2/(p (1 - p))^2, to first order."""
    deal = build([[60.0], [40.0], [30.0]], pd=[0.02, 0.04, 0.01])
    ranges = Ranges(
        pd_low=[np.nan, 0.03, np.nan], pd_high=[np.nan, 0.05, np.nan], pd_error=[0.005, np.nan, np.nan]
    )
    ranges.check(deal)
    middle, down, up = ranges.obligor_spread(deal.pool)
    assert middle.tolist() == [0.0, 0.0, 0.0]
    assert down[0] == up[0] == pytest.approx(0.005 / (0.02 * 0.98))
    assert (down[2], up[2]) == (0.0, 0.0)
    assert up[1] * norm.ppf(0.95) == pytest.approx(logit(0.05) - logit(0.04))


def test_obligors_that_differ_move_by_the_same_odds_and_certainties_stay(build):
    deal = build([[60.0], [40.0], [1.0]], pd=[0.1, 0.01, 0.0], recovery=[0.0, 0.5, 1.0])
    there = varied(deal, {"pd": 0.7, "recovery": -0.2}, np.array([0.0, 0.3, 1.0]))
    assert logit(there.pool.pd[:2]) == pytest.approx([logit(0.1) + 0.7, logit(0.01) + 1.0])
    assert there.pool.pd[2] == 0.0
    assert there.pool.recovery[[0, 2]].tolist() == [0.0, pytest.approx(1.0)]
    assert logit(there.pool.recovery[1]) == pytest.approx(-0.2)


@given(
    figures=st.lists(st.floats(0.01, 0.9), min_size=2, max_size=4),
    certain=st.sampled_from([None, 0.0, 1.0]),
    down=st.floats(0.3, 0.95),
    up=st.floats(0.05, 0.6),
    name=st.sampled_from(["pd", "recovery", "correlation", "sale_discount"]),
)
@settings(max_examples=40, deadline=None)
def test_where_obligors_differ_the_ends_are_of_their_mean(build, figures, certain, down, up, name):
    may = certain == 0.0 or (certain == 1.0 and name == "recovery")
    values = np.array([*figures, *([certain] if may else [])])
    amount = 20.0 + 10.0 * np.arange(values.size)
    drawn = None if name != "sale_discount" else Recoveries(pledge=amount, sale_discount=values)
    given = {} if drawn is not None else {name: values}
    deal = build(amount[:, None], **{"pd": 0.02, "recovery": 0.0, "correlation": 0.2} | given)
    deal = replace(deal, pool=replace(deal.pool, recoveries=drawn))
    weights = amount / amount.sum()

    def there(shift):
        moved = varied(deal, {name: shift}).pool
        return float(weights @ getattr(moved.recoveries if drawn is not None else moved, name))

    figure, free = float(weights @ values), (values > 0.0) & (values < 1.0)
    least, most = weights @ (values * ~free), weights @ (values * ~free + free)
    low, high = least + (figure - least) * down, figure + (most - figure) * up
    ranges = Ranges(**{name: (low, high)})
    ranges.check(deal)
    spread = ranges.spread(name, deal)
    for side, end in ((-spread[0], low), (spread[1], high)):
        assert there(norm.ppf(0.95) * side) == pytest.approx(end, rel=1e-9)
    # Delta method, by the difference quotient of the mean itself.
    error = 0.01 * np.sqrt(figure * (1.0 - figure))
    (one, other), step = Ranges(**{name: error}).spread(name, deal), 1e-5
    assert one == other == pytest.approx(error * 2.0 * step / (there(step) - there(-step)), rel=1e-5)


def test_a_mean_does_not_get_beyond_what_stays(build):
    """Of two equal obligors one recovers nothing: together they recover no more than a half."""
    deal = build([[50.0], [50.0]], pd=0.02, recovery=[0.0, 0.6])
    Ranges(recovery=(0.1, 0.49)).check(deal)
    rule = "must be what the mean can come to: figures of 0 and 1 in it stay"
    with pytest.raises(DomainError, match=f"^range of Recovery high {rule} .got 0.5.$"):
        Ranges(recovery=(0.1, 0.5)).check(deal)
    with pytest.raises(DomainError, match=f"^range of Recovery error {rule} .got 0.1.$"):
        Ranges(recovery=0.1).check(replace(deal, pool=replace(deal.pool, recovery=[0.0, 1.0])))


def test_terms_stay_within_their_rules(build):
    deal = build(volatility_source="user", volatility=4.0, drift=0.9)
    there = varied(deal, {"volatility": 1.0, "drift": 1.0})
    assert (there.terms.volatility, there.terms.drift) == (5.0, 1.0)
    # No more than all that is left prepays, but for the PSA standard, of which there may be several.
    for kind, most in (("CPR", 1.0), ("ABS", 1.0), ("of schedule", 1.0), ("PSA", 0.6 * np.exp(0.6))):
        fast = build(prepayment=0.6, prepayment_type=kind)
        assert varied(fast, {"prepayment": 0.6}).terms.prepayment == pytest.approx(most, rel=1e-12)
    # One draw in twenty lies beyond the high end, and some beyond all.
    fast = build(prepayment=0.6, prepayment_type="CPR", pd=0.02, recovery=0.4, paths=200)
    ranges = Ranges(prepayment=(0.2, 0.98), pd=(0.01, 0.03), recovery=(0.3, 0.5), correlation=(0.1, 0.3))
    assert uncertainty(fast, ranges).runs == 20


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"pd_low": [0.03, np.nan], "pd_high": [0.02, np.nan]},
            "'Obligor 1' pd low must not be above the h",
        ),
        (
            {"pd_low": [np.nan, 0.03], "pd_high": [np.nan, 0.05]},
            "'Obligor 2' pd low must not be above the f",
        ),
        ({"pd_low": [0.01, 0.01], "pd_high": [0.05, 0.015]}, "'Obligor 2' pd high must not be below the fig"),
        (
            {"pd_low": [0.01, np.nan], "pd_high": [np.nan, np.nan]},
            "pd high must not be blank: the low end i",
        ),
        ({"pd_low": [0.0, np.nan], "pd_high": [0.5, np.nan]}, "'Obligor 1' pd low must be > 0 and < 1"),
        ({"pd_low": [0.1]}, "pd low must have one value per obligor"),
        ({"recovery": (0.6, 0.2)}, "range of Recovery low must not be above the high end"),
        ({"correlation": (0.3, 0.4)}, "range of Asset correlation low must not be above the figure itself"),
        ({"recovery": (0.2, 0.4, 0.6)}, "range of recovery must be low and high, or a standard error"),
        ({"recovery": 0.0}, "range of Recovery error must be > 0"),
        ({"recovery": 0.5}, r"range of Recovery error must be below 0.4899, that of all or nothing with the"),
        (
            {"prepayment": 0.02},
            r"range of Prepayment error must be blank: the figure itself \(0\) is at an end",
        ),
        ({"pd_error": [np.nan, 0.2]}, "'Obligor 2' pd error must be below 0.14, that of all or nothing"),
        (
            {"pd_low": [0.01, np.nan], "pd_high": [0.03, np.nan], "pd_error": [0.01, np.nan]},
            "'Obligor 1' pd error must be blank: there are ends",
        ),
        (
            {"pd_low": [0.01, np.nan], "pd_high": [0.03, np.nan], "pd_median": [0.04, np.nan]},
            "'Obligor 1' pd median must be between the ends, which must be there",
        ),
        ({"pd_median": [np.nan, 0.02]}, "'Obligor 2' pd median must be between the ends, which must be th"),
        (
            {"pd_shared": [1.2, np.nan], "pd_group": [1, np.nan]},
            "'Obligor 1' pd shared must be between 0 and",
        ),
        ({"pd_group": [1, np.nan]}, "'Obligor 1' pd shared needs a group, and a group what is shared"),
    ],
)
def test_ranges_that_are_none(build, given, sentence):
    deal = build([[60.0], [40.0]], pd=0.02, recovery=0.4)
    with pytest.raises(InputError, match=sentence):
        uncertainty(deal, Ranges(**given))


# ------------------------------------------------------------------------------- intervals


def test_without_ranges_the_interval_is_the_figure(pool):
    idle = Ranges(volatility=(0.05, 0.2))  # the volatility is implied
    for ranges in (Ranges(), idle):
        found = uncertainty(pool, ranges)
        assert found.groups == () and found.runs == 0
        for c in found.classes:
            for spread in (c.pd, c.expected_loss):
                assert spread.around(0.03) == (0.03, 0.03)
                assert spread.first.size == spread.total.size == 0  # a share for each of no groups


def test_ranges_of_no_width_leave_the_figure(pool):
    ranges = Ranges(recovery=(0.3, 0.3), pd_low=pool.pool.pd, pd_high=pool.pool.pd)
    found = uncertainty(pool, ranges)
    for c in found.classes:
        assert c.pd.around(0.03) == pytest.approx((0.03, 0.03), rel=1e-6)


@pytest.mark.parametrize("name", ["obligors", "pd"])
def test_a_class_that_falls_with_one_obligor_has_its_range(one, name):
    """PD of the class is that of the obligor, on every draw."""
    deal = one([0.02], paths=200_000)
    ends = (0.007, 0.08)
    given = {"pd": ends} if name == "pd" else {"pd_low": [ends[0]], "pd_high": [ends[1]]}
    found = uncertainty(deal, Ranges(**given))
    assert found.groups == (name,)
    assert found.classes[0].pd.around(0.02) == pytest.approx(ends, rel=0.1)
    # All is lost of what the obligor does not pay.
    assert found.classes[0].expected_loss.around(0.02) == pytest.approx(ends, rel=0.1)
    shares = found.classes[0].pd
    assert shares.first == pytest.approx([1.0], abs=0.01)
    assert shares.total == pytest.approx([1.0], abs=0.05)


def test_ranges_that_are_as_wide_share_the_variance(one):
    """The log odds are a sum of two independent normals, of which the class' distance is nearly linear."""
    deal = one([0.02], paths=200_000)
    found = uncertainty(deal, Ranges(pd=(0.01, 0.04), pd_low=[0.01], pd_high=[0.04]))
    assert found.groups == ("pd", "obligors")
    assert found.classes[0].pd.first == pytest.approx([0.5, 0.5], abs=0.05)
    # Their sum is wider by the square root of 2.
    low, high = found.classes[0].pd.around(0.02)
    reach = np.sqrt(0.5) * (logit(high) - logit(low)) / 2.0
    assert reach == pytest.approx(0.5 * (logit(0.04) - logit(0.01)), rel=0.1)


def test_what_obligors_do_by_themselves_averages_out(build):
    """Of n equal obligors their own PDs have 1/n of the variance that one common move of that size has."""
    n = 25
    deal = build(np.full((n, 1), 4.0), pd=0.03, correlation=0.1, senior=80.0, junior=15.0, controls=BARE)
    own = {"pd_low": np.full(n, 0.025), "pd_high": np.full(n, 0.036)}
    found = uncertainty(deal, Ranges(pd=(0.025, 0.036), **own))
    common, each = found.classes[0].pd.first
    assert each / common == pytest.approx(1.0 / n, rel=0.15)


def test_what_obligors_of_a_group_share_does_not_average_out(build):
    """Equal obligors that have all of their error in common are one; what is half shared is half common."""
    n = 25
    notes = {"senior": 80.0, "junior": 15.0, "controls": BARE}
    deal = build(np.full((n, 1), 4.0), pd=0.03, correlation=0.1, paths=400_000, **notes)
    ends = {"pd_low": np.full(n, 0.015), "pd_high": np.full(n, 0.06), "pd_median": np.full(n, 0.03)}
    common = uncertainty(deal, Ranges(pd=(0.015, 0.06))).classes
    for share, groups, part in ((1.0, np.ones(n), 1.0), (0.5, np.ones(n), 0.52), (1.0, np.arange(n), 0.04)):
        own = uncertainty(deal, Ranges(**ends, pd_shared=np.full(n, share), pd_group=groups)).classes
        reach = (own[0].pd.up - own[0].pd.down) / (common[0].pd.up - common[0].pd.down)
        # Of n errors of variance 1, of which s is common: s + (1 - s)/n.
        assert reach == pytest.approx(np.sqrt(part), rel=0.07)


def test_the_middle_of_a_range_need_not_be_its_figure(build):
    """Posteriors after no default: the pool is that whose PDs are a mean of as many beta draws.

    By the medians alone it would lose half as much. Normal log odds have heavier tails than the beta.
    """
    n, after = 60, beta(0.5, 30.5)
    notes = {"senior": 225.0, "junior": 15.0, "coupon": 0.0, "fee_rate": 0.0, "controls": BARE}
    deal = build(np.full((n, 1), 4.0), pd=after.mean(), correlation=0.05, paths=200_000, **notes)
    levels = {"low": 0.05, "median": 0.5, "high": 0.95}
    ends = {f"pd_{name}": np.full(n, after.ppf(q)) for name, q in levels.items()}
    found = uncertainty(deal, Ranges(**ends)).classes[1].expected_loss
    said = found.around(simulate(deal).tranches[1].expected_loss)
    means = np.quantile(after.rvs((20_000, n), random_state=1).mean(axis=1), [0.05, 0.95])
    there = [replace(deal, pool=replace(deal.pool, pd=np.full(n, mean))) for mean in means]
    truth = [simulate(each).tranches[1].expected_loss for each in there]
    assert np.prod(said) == pytest.approx(np.prod(truth), rel=0.08)
    assert 1.0 < np.log(said[1] / said[0]) / np.log(truth[1] / truth[0]) < 1.5


def test_the_obligor_with_most_at_stake(build):
    """Losses given default 60, 28 and 40; ranges of 1, 4 and 1 %: squares of .6, 1.12 and .4."""
    deal = build([[60.0], [40.0], [40.0]], pd=0.02, recovery=[0.0, 0.3, 0.0], controls=BARE, paths=200)
    ranges = Ranges(pd_low=[0.015, 0.01, 0.015], pd_high=[0.025, 0.05, 0.025])
    found = uncertainty(deal, ranges)
    name, share = found.foremost
    assert name == deal.pool.name[1] and name in found.labels[0]
    assert share == pytest.approx(1.12**2 / (0.6**2 + 1.12**2 + 0.4**2))
    assert uncertainty(deal, Ranges(recovery=(0.05, 0.2))).foremost is None


@pytest.fixture(scope="module")
def pledged(pool):
    """The same pool, each claim with a pledge of half of what is financed, and industries of two kinds."""
    drawn = Recoveries(
        pledge=0.5 * pool.pool.amount, pledge_volatility=0.3, sale_discount=0.2, tie=np.full(12, 0.3)
    )
    return replace(
        pool,
        pool=replace(pool.pool, recovery=np.zeros(12), recoveries=drawn, industry=("a", "b") * 6, lag=1.0),
        controls=replace(pool.controls, pledge=True, unpledged_recovery=0.1),
        terms=replace(pool.terms, support_correlation=0.3, industry_correlation=0.1, between_industries=0.6),
    )


def test_what_ranges_of_pledges_and_terms_move(pledged):
    """Figures by hand: times e^x of what lies on logs, odds times e^x of what lies on log odds."""
    shifts = {"pledge": np.log(2.0), "pledge_volatility": np.log(1.5), "lag": np.log(3.0)}
    shifts |= {"sale_discount": np.log(4.0), "support_correlation": np.log(7.0 / 3.0)}
    shifts |= {"industry_correlation": np.log(9.0), "between_industries": -np.log(1.5)}
    there = varied(pledged, shifts)
    drawn = there.pool.recoveries
    assert drawn.pledge == pytest.approx(pledged.pool.amount, rel=1e-12)
    assert drawn.pledge_volatility == pytest.approx(np.full(12, 0.45), rel=1e-12)
    assert drawn.sale_discount == pytest.approx(np.full(12, 0.5), rel=1e-12)
    assert there.pool.lag == pytest.approx(np.full(12, 3.0), rel=1e-12)
    terms = there.terms
    assert (terms.support_correlation, terms.industry_correlation, terms.between_industries) == pytest.approx(
        (0.5, 0.5, 0.5), rel=1e-12
    )
    # No figure leaves its rule, and what is certain stays so.
    far = varied(pledged, {"pledge_volatility": 9.0, "lag": 9.0})
    assert (far.pool.recoveries.pledge_volatility.max(), far.pool.lag.max()) == (1.0, 30.0)
    at_once = replace(pledged, pool=replace(pledged.pool, lag=np.zeros(12)))
    assert varied(at_once, {"lag": 1.0}).pool.lag.max() == 0.0


def test_a_range_of_the_recovery_moves_pledges_that_have_none_of_their_own(pledged):
    moved = varied(pledged, {"recovery": 0.5}).pool.recoveries.pledge
    assert moved == pytest.approx(pledged.pool.recoveries.pledge * np.exp(0.5), rel=1e-12)
    kept = varied(pledged, {"recovery": 0.5, "pledge": 0.0}).pool.recoveries.pledge
    assert kept == pytest.approx(pledged.pool.recoveries.pledge, rel=1e-12)


def test_figures_of_the_ranges_of_pledges(pledged):
    figures = {
        name: INPUTS[name].figure(pledged) for name in ("pledge", "pledge_volatility", "sale_discount")
    }
    assert figures == pytest.approx(
        {"pledge": 0.5, "pledge_volatility": 0.3, "sale_discount": 0.2}, rel=1e-12
    )
    bare = replace(pledged, pool=replace(pledged.pool, recoveries=None, industry=()))
    ranges = Ranges(pledge=(0.4, 0.6), between_industries=(0.5, 0.7), support_correlation=(0.2, 0.4))
    assert ranges.acting(pledged) == ("support_correlation", "between_industries", "pledge")
    assert ranges.acting(bare) == ("support_correlation",)


@pytest.mark.parametrize(
    ("name", "ends"), [("industry_correlation", (0.02, 0.35)), ("between_industries", (0.2, 0.9))]
)
def test_ranges_that_only_paths_know_move_the_simulated_interval(pledged, name, ends):
    found = uncertainty(pledged, Ranges(**{name: ends}))
    assert found.groups == (name,)
    moves = [c.pd for c in found.classes if c.simulated]
    assert moves and any(m.down < 0.0 < m.up for m in moves)


@pytest.mark.parametrize(
    ("name", "ends"),
    [
        ("pd", (0.02, 0.09)),
        ("recovery", (0.2, 0.4)),
        ("correlation", (0.1, 0.35)),
        ("support_pd", (0.02, 0.12)),
        ("support_correlation", (0.1, 0.5)),
        ("pledge", (0.35, 0.7)),
        ("pledge_volatility", (0.15, 0.6)),
        ("sale_discount", (0.1, 0.4)),
    ],
)
def test_one_range_alone_reaches_as_far_as_the_view_at_its_ends(pool, pledged, name, ends):
    """Of a monotone function the quantiles are its values at the quantiles."""
    ranges = Ranges(**{name: ends})
    pool = pool if getattr(INPUTS[name].figure(pool), "real", np.nan) > 0.0 else pledged
    found, base = uncertainty(pool, ranges), kmv_view(pool)
    down, up = ranges.spread(name, pool)
    at_ends = [kmv_view(varied(pool, {name: REACH * side})) for side in (-down, up)]
    for k, c in enumerate(found.classes):
        expected = sorted(view.tranches[k].anydate_pd_at_maturity for view in at_ends)
        if not c.simulated:
            assert c.pd.around(base.tranches[k].anydate_pd_at_maturity) == pytest.approx(expected, rel=0.06)
        distances = sorted(view.tranches[k].distance_at_maturity for view in at_ends)
        assert c.distance == pytest.approx(distances, abs=0.03)


def test_a_range_of_the_lag_reaches_as_far_as_the_view_at_its_ends():
    """Recoveries come on payment dates: where these are close to each other the lag acts evenly."""
    deal = example("patents").deal
    deal, ranges = replace(deal, terms=replace(deal.terms, paths=5000)), Ranges(lag=(0.6, 1.6))
    down, up = ranges.spread("lag", deal)
    at_ends = [kmv_view(varied(deal, {"lag": REACH * side})) for side in (-down, up)]
    for k, c in enumerate(uncertainty(deal, ranges).classes):
        distances = sorted(view.tranches[k].distance_at_maturity for view in at_ends)
        assert c.distance == pytest.approx(distances, abs=0.04)


def test_volatility_and_drift_of_the_user_in_closed_form(pool):
    """DD = [ln(V/DP) + (mu - sigma^2/2) T]/(sigma sqrt T), at sigma's ends and at mu's."""
    terms = replace(pool.terms, volatility_source="user", volatility=0.08, drift=-0.01)
    deal = replace(pool, terms=terms)
    view, T = kmv_view(deal).tranches[1], float(terms.times[-1])
    found = uncertainty(deal, Ranges(volatility=(0.05, 0.12))).classes[1]
    A = view.distance_at_maturity * 0.08 * np.sqrt(T) - (-0.01 - 0.5 * 0.08**2) * T

    def distance(sigma, mu):
        return (A + (mu - 0.5 * sigma**2) * T) / (sigma * np.sqrt(T))

    assert found.distance == pytest.approx((distance(0.12, -0.01), distance(0.05, -0.01)), abs=0.01)
    drifts = uncertainty(deal, Ranges(drift=(-0.03, 0.0))).classes[1]
    assert drifts.distance == pytest.approx((distance(0.08, -0.03), distance(0.08, 0.0)), abs=0.01)


def test_brute_force(pool):
    """Nested: 500 draws of all inputs, each simulated; their quantiles have errors of .03 themselves."""
    ranges, rng = wide(pool), np.random.default_rng(8)
    found, base = uncertainty(pool, ranges), simulate(pool)
    names = ranges.acting(pool)
    _, down, up = ranges.obligor_spread(pool.pool)
    e = rng.standard_normal((100_000, 12))
    weights = pool.pool.pd * pool.pool.amount
    # Recoveries are alike: the expected loss of the pool goes with PDs and amounts.
    surplus = np.log(np.median(np.exp(e * np.where(e > 0.0, up, down)) @ weights / weights.sum()))
    pds, losses = [], []
    for j in range(500):
        u = rng.standard_normal(len(names))
        shifts = {name: x * ranges.spread(name, pool)[int(x > 0.0)] for name, x in zip(names, u, strict=True)}
        e = rng.standard_normal(12)
        run = simulate(
            varied(pool, shifts, e * np.where(e > 0.0, up, down) - surplus), paths=5000, seed=1000 + j
        )
        pds.append([t.anydate_pd for t in run.tranches])
        losses.append([t.expected_loss for t in run.tranches])
    for k, c in enumerate(found.classes):
        risk = base.tranches[k]
        for spread, figure, brute, error in (
            (c.pd, risk.anydate_pd, pds, 0.12),
            (c.expected_loss, risk.expected_loss, losses, 0.15),
        ):
            ends = np.quantile(np.array(brute)[:, k], [0.05, 0.95])
            assert norm.isf(spread.around(figure)) == pytest.approx(norm.isf(ends), abs=error)


def ten(build, pd, paths):
    """Ten obligors that owe as much each; classes of 40 and 30, nothing but the pool for them."""
    notes = {"senior": 40.0, "junior": 30.0, "coupon": 0.0, "fee_rate": 0.0, "controls": BARE}
    return build(np.full((10, 1), 10.0), pd=pd, correlation=0.2, recovery=0.0, paths=paths, **notes)


def quadrature(deal):
    """PDs given each node of the common factor, by PD and correlation; weights of the nodes."""
    z, weights = np.polynomial.hermite_e.hermegauss(120)
    years = deal.terms.times[-1]

    def given(pd, rho):
        limit = norm.ppf(1.0 - (1.0 - pd) ** years)
        return norm.cdf((limit - np.sqrt(rho) * z) / np.sqrt(1.0 - rho))

    return given, weights / weights.sum()


def test_a_class_that_hardly_a_plain_path_is_short_of(build):
    """Ten obligors, short if seven default: by quadrature over the common factor, at 20,000 draws."""
    deal = ten(build, 0.03, 200_000)
    ranges = Ranges(pd=(0.015, 0.06), correlation=(0.1, 0.35))
    given, weights = quadrature(deal)

    def truth(pd, rho):
        return binom.sf(6, 10, given(pd[:, None], rho[:, None])) @ weights

    rng, inputs = np.random.default_rng(9), []
    for name, figure in (("pd", 0.03), ("correlation", 0.2)):
        down, up = ranges.spread(name, deal)
        u = rng.standard_normal(20_000)
        inputs.append(expit(logit(figure) + u * np.where(u > 0.0, up, down)))
    expected = np.quantile(truth(*inputs), [0.05, 0.95])
    run = simulate(deal)
    assert run.tranches[0].anydate_pd * run.paths < 2 * ENOUGH
    found = uncertainty(deal, ranges, run=run).classes[0]
    assert found.simulated and found.expected_loss is not None
    ends, errors = found.pd.around(run.tranches[0].anydate_pd), found.pd.errors(run.tranches[0].anydate_pd)
    distances = found.pd.up_error, found.pd.down_error
    for end, true, error, distance in zip(ends, expected, errors, distances, strict=True):
        assert abs(norm.isf(end) - norm.isf(true)) < 3.0 * distance + 0.03
        assert 0.0 < distance < 0.25
        assert error == pytest.approx(norm.pdf(norm.isf(end)) * distance)


def test_one_very_wide_range_among_obligors(build):
    """Ten obligors, the PD of one .13 %, or anything from next to nothing to 18 %: by quadrature.

    Classes are short if four and if seven default: of the nine alike, or one less and the wide one.
    """
    low, high, figure, others = 1.5e-7, 0.18, 0.0013, 0.02
    deal = ten(build, [figure, *[others] * 9], 100_000)
    none = np.full(9, np.nan)
    ranges = Ranges(correlation=(0.15, 0.27), pd_low=[low, *none], pd_high=[high, *none])
    given, weights = quadrature(deal)
    u = norm.ppf((np.arange(400) + 0.5) / 400)

    def drawn(middle, ends):
        down, up = ((logit(end) - logit(middle)) / norm.ppf(0.95) for end in ends)
        return expit(logit(middle) + np.where(u > 0.0, u * up, -u * down))

    rho = drawn(0.2, (0.15, 0.27))[:, None, None]

    wide = given(drawn(figure, (low, high))[:, None], rho)
    alike = given(np.full((1, 1), others), rho)
    seeds = [replace(deal, terms=replace(deal.terms, seed=seed)) for seed in range(1, 5)]
    said = [(simulate(each), uncertainty(each, ranges)) for each in seeds]
    assert {found.groups for _, found in said} == {("correlation", "obligors")}
    for k, most in enumerate((7, 4)):
        short = wide * binom.sf(most - 2, 9, alike) + (1.0 - wide) * binom.sf(most - 1, 9, alike)
        truth = norm.isf(short @ weights)
        for run, found in said:
            ends = norm.isf(found.classes[k].pd.around(run.tranches[k].anydate_pd))
            assert ends == pytest.approx(np.quantile(truth, [0.95, 0.05]), abs=0.25)
            assert found.ranked(k)
        shares = np.array([truth.mean(axis=axis).var() for axis in (1, 0)]) / truth.var()
        assert np.mean([f.classes[k].pd.first for _, f in said], axis=0) == pytest.approx(shares, abs=0.15)


def test_errors_say_how_far_ends_and_shares_scatter(pool):
    """Of 12 seeds the deviation has an error of a fifth itself; those of single runs are averaged."""
    ranges, ends, errors, shares, share_errors = wide(pool), [], [], [], []
    for seed in range(12):
        terms = replace(pool.terms, seed=100 * seed, paths=20_000)
        spread = uncertainty(replace(pool, terms=terms), ranges).classes[0].pd
        ends.append((spread.distance + spread.down, spread.distance + spread.up))
        errors.append((spread.down_error, spread.up_error))
        shares.append(spread.total)
        share_errors.append(spread.total_error)
    for found, said in ((ends, errors), (shares, share_errors)):
        ratio = np.std(found, axis=0, ddof=1) / np.sqrt(np.mean(np.square(said), axis=0))
        assert 0.5 < np.sqrt(np.mean(ratio**2)) < 1.8


def test_too_few_short_paths_have_no_interval(build):
    """Obligors that share nothing cannot be moved: what 20,000 paths show, a fraction of them does not."""
    six = np.full((6, 1), 10.0)
    deal = build(
        six, pd=0.1, correlation=0.0, senior=30.0, coupon=0.0, fee_rate=0.0, controls=BARE, paths=20_000
    )
    run = simulate(deal)
    assert ENOUGH < run.tranches[0].anydate_pd * run.paths < 60
    found = uncertainty(deal, Ranges(pd=(0.05, 0.2)), run=run)
    assert found.classes[0].pd is None and not found.classes[0].simulated
    assert found.ranked(0) == []


def test_the_figures_are_inside_the_interval_of_many_obligors(build):
    """PDs that double and halve as easily come to more than the figures in the mean; not so here."""
    n = 60
    deal = build(np.full((n, 1), 4.0), pd=0.03, correlation=0.1, senior=200.0, junior=25.0, controls=BARE)
    found = uncertainty(deal, Ranges(pd_low=np.full(n, 0.008), pd_high=np.full(n, 0.1)))
    for c, view in zip(found.classes[:1], kmv_view(deal).tranches[:1], strict=True):
        dd = view.distance_at_maturity
        assert c.distance[0] + 0.1 < dd < c.distance[1] - 0.1


def test_same_bits_for_the_same_seed_and_others_for_another(pool):
    ranges = wide(pool)

    def digits(found):
        return [
            (x.down, x.up, *x.first.tolist(), *x.total.tolist())
            for c in found.classes
            for x in (c.pd, c.expected_loss)
        ]

    first = digits(uncertainty(pool, ranges))
    with ThreadPoolExecutor(2) as executor:
        assert digits(uncertainty(pool, ranges, executor=executor)) == first
    base, run = kmv_view(pool), simulate(pool)
    assert digits(uncertainty(pool, ranges, base=base, run=run)) == first
    other = replace(pool, terms=replace(pool.terms, seed=pool.terms.seed + 100))
    assert digits(uncertainty(other, ranges)) != first


def test_a_class_that_is_never_short_has_the_views_interval_only():
    deal = example("auto").deal
    mean = float(deal.pool.share @ deal.pool.pd)
    found = uncertainty(deal, Ranges(pd=(0.5 * mean, 2.0 * mean)))
    for c in found.classes:
        assert not c.simulated and c.expected_loss is None
        assert c.distance[0] < c.distance[1]
        assert c.pd.first == pytest.approx([1.0], abs=1e-3)


def test_a_pool_that_cannot_default_has_nothing_to_move(build):
    found = uncertainty(build(pd=0.0, recovery=0.4), Ranges(recovery=(0.2, 0.6)))
    for c in found.classes:
        assert c.pd.around(0.0) == (0.0, 0.0)
        assert np.isnan(c.pd.first).all() and np.isnan(c.distance).all()


def test_spread_around_certainties():
    spread = Spread(-0.5, 0.4, np.empty(0), np.empty(0))
    assert spread.around(0.0) == (0.0, 0.0) and spread.around(1.0) == (1.0, 1.0)
    low, high = spread.around(norm.sf(2.0))
    assert (low, high) == pytest.approx((norm.sf(2.4), norm.sf(1.5)))


def test_shares_with_a_large_error_are_not_ranked():
    view = uncertainty_of_one(0.2)
    assert [row[0] for row in view.ranked(0)] == ["Recovery", "Asset correlation"] and not view.vague(0)
    view = uncertainty_of_one(0.3)
    assert view.ranked(0) == [] and view.vague(0)


def uncertainty_of_one(error):
    shares, small = np.array([0.7, 0.3]), np.array([0.1, 0.1])
    spread = Spread(-0.5, 0.5, shares, shares, 0.1, 0.1, small, np.array([0.1, error]), 2.0)
    one = ClassUncertainty("Notes", spread, True, None, (2.0, 3.0))
    return Uncertainty(("recovery", "correlation"), (one,), 8, 100)


@pytest.mark.parametrize(("error", "told"), [(0.3, True), (0.5, False)])
def test_ends_that_are_known_to_a_factor(error, told):
    """N(-2.5 + .3)/N(-2.5) is 2.2, N(-2.5 + .5)/N(-2.5) 3.7; what is below the least is all alike."""
    none = np.empty(0)
    assert Spread(-0.5, 0.5, none, none, 0.0, error).told(norm.sf(2.0), 1e-6) == told
    assert Spread(-0.5, 0.5, none, none, 0.0, error).told(norm.sf(5.0), 1e-6)


def test_intervals_hold_truths_that_are_known():
    """A small part of bench/uncertainty_study.py: 15 deals of each of two kinds, two classes, seeds fixed."""
    rows = [*study(15, paths=8_000, true_paths=20_000, kinds=("one history for all", "all methods"))]
    assert len(rows) == 4
    for figure in ("pd", "expected_loss", "distance"):
        # Of 60 intervals that hold with 90 %, fewer than 47 do in 1 of 1,000 cases.
        assert sum(getattr(row, figure) * row.deals for row in rows) >= 47, figure


def test_every_input_is_called_something():
    assert len({item.label for item in INPUTS.values()}) == len(INPUTS)
