"""What was predicted at closing against what has been seen, by hand and by distributions of others."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from xlkmv.deal.analysis import analyse, backtested
from xlkmv.deal.kmv import kmv_view
from xlkmv.deal.questions.backtest import backtest
from xlkmv.deal.stress import BASE, apply
from xlkmv.deal.terms import Record

HALF_YEAR = dt.date(2020, 7, 1)


def held(deal, *actual, **more):
    view = kmv_view(deal)
    return backtest(apply(deal, BASE), Record(actual, **more), view.volatility)


def with_status(deal, *words, since=HALF_YEAR):
    pool = deal.pool
    status = tuple(words) + ("",) * (len(pool.name) - len(words))
    return replace(deal, pool=replace(pool, status=status, since=tuple(since if w else None for w in status)))


@pytest.fixture
def ten(build):
    """Ten obligors of three yearly payments of 10 each."""
    return build(
        np.full((10, 3), 10.0), pd=np.linspace(0.01, 0.10, 10), correlation=0.0, recovery=0.5, lag=0.0
    )


def test_collections_are_held_against_what_is_expected_with_the_spread_of_the_kmv_view(ten):
    sigma = kmv_view(ten).volatility
    found = held(ten, 100.0, 80.0)
    # Who defaults before a date pays half of all that is owed then: of the first year 15 of 30.
    pd = np.linspace(0.01, 0.10, 10)
    one = float((10.0 * (1.0 - pd) + 15.0 * pd).sum())
    two = float((10.0 * (1.0 - pd) ** 2 + 10.0 * (pd - pd**2)).sum())
    np.testing.assert_allclose(found.expected, np.cumsum([one, two]), rtol=1e-12)
    law = [
        stats.lognorm(sigma * math.sqrt(t), scale=mean * math.exp(-(sigma**2) / 2.0 * t))
        for t, mean in ((1.0, one), (2.0, one + two))
    ]
    np.testing.assert_allclose([x.mean() for x in law], found.expected, rtol=1e-12)
    np.testing.assert_allclose(found.level, [law[0].cdf(100.0), law[1].cdf(180.0)], rtol=1e-9)
    np.testing.assert_allclose(found.low, [x.ppf(0.05) for x in law], rtol=1e-9)
    np.testing.assert_allclose(found.high, [x.ppf(0.95) for x in law], rtol=1e-9)
    np.testing.assert_allclose(found.collected, [100.0, 180.0])


def test_defaults_without_correlation_are_binomial(build):
    deal = build(np.full((40, 2), 1.0), pd=0.05, correlation=0.0)
    seen = with_status(deal, *["defaulted"] * 5)
    found = held(seen, 35.0).measures
    assert (found.obligors, found.seen) == (40, 5.0)
    assert found.expected == pytest.approx(2.0, rel=1e-12)
    assert found.as_many == pytest.approx(stats.binom.sf(4, 40, 0.05), rel=1e-6)
    assert found.as_few == pytest.approx(stats.binom.cdf(5, 40, 0.05), rel=1e-6)
    assert found.brier == pytest.approx((5 * 0.95**2 + 35 * 0.05**2) / 40, rel=1e-12)


def test_measures_rank_those_that_defaulted(ten):
    # The riskiest and the third riskiest default: of 16 pairs one is the wrong way round.
    pool = ten.pool
    status = ["", "", "", "", "", "", "", "defaulted", "", "defaulted"]
    seen = replace(ten, pool=replace(pool, status=status, since=[HALF_YEAR if w else None for w in status]))
    found = held(seen, 90.0)
    assert found.measures.auc == pytest.approx(15.0 / 16.0)
    assert found.measures.accuracy_ratio == pytest.approx(14.0 / 16.0)
    assert found.measures.ks == pytest.approx(7.0 / 8.0)
    assert found.defaults_seen.tolist() == [2.0]
    assert found.defaults_expected == pytest.approx([0.55])
    # Interest is what the claims pay above their balance: here nothing.
    assert found.money_seen == pytest.approx([60.0])
    assert found.money_expected == pytest.approx([0.55 * 30.0])


@pytest.mark.parametrize(("pd", "status"), [(0.0, ""), (1.0 - 1e-12, "defaulted")])
def test_who_was_certain_says_nothing_of_calibration(build, ten, pd, status):
    # Over two years 1e-24 are left: in floats nothing.
    words = ["", "", "", "", "", "", "", "defaulted", "", ""]
    eleven = build(
        np.full((11, 3), 10.0), pd=np.append(ten.pool.pd, pd), correlation=0.0, recovery=0.5, lag=0.0
    )
    alone = held(with_status(ten, *words), 90.0, 80.0).measures
    found = held(with_status(eleven, *words, status), 90.0, 80.0).measures
    assert (found.hosmer_lemeshow, found.p_value) == (alone.hosmer_lemeshow, alone.p_value)
    assert found.brier == pytest.approx(alone.brier * 10.0 / 11.0, rel=1e-12)


def test_who_was_prepaid_was_watched_until_then(ten):
    gone = with_status(ten, "prepaid", "repurchased", since=dt.date(2021, 6, 1))
    found = held(gone, 100.0, 100.0, 70.0).measures
    pd = np.linspace(0.01, 0.10, 10)
    # Both are gone from the second date on: they were watched for the first alone.
    expected = pd[:2].sum() + (1.0 - (1.0 - pd[2:]) ** 3).sum()
    assert (found.obligors, found.seen) == (10, 0.0)
    assert found.expected == pytest.approx(expected, rel=1e-12)
    assert (found.as_many, found.auc) == (1.0, pytest.approx(math.nan, nan_ok=True))


def test_defaults_that_nobody_is_named_for_count_in_money_alone(ten):
    found = held(ten, 95.0, 90.0, defaults=(None, 12.0))
    assert found.defaults_seen[0] == 0.0
    assert np.isnan(found.defaults_seen[1])
    assert found.money_seen.tolist() == [0.0, 12.0]
    assert all(math.isnan(getattr(found.measures, x)) for x in ("seen", "as_many", "auc", "brier", "p_value"))


def test_rows_of_several_are_as_many_obligors(build):
    deal = build([[40.0, 40.0], [60.0, 60.0]], pd=[0.02, 0.04], correlation=0.1)
    lines = replace(deal, pool=replace(deal.pool, count=np.array([4.0, 6.0])))
    found = held(with_status(lines, "defaulted"), 60.0).measures
    assert (found.obligors, found.seen) == (10, 4.0)
    assert found.expected == pytest.approx(4 * 0.02 + 6 * 0.04)


@pytest.mark.parametrize("lag", [0.0, 1.0, 2.0])
def test_what_comes_in_as_expected_speaks_against_nothing(build, lag):
    """Recoveries that lag leave less than the drift of the KMV view would have it, on early dates."""
    m, n = 400, 12
    deal = build(np.full((m, n), 1.0), pd=0.03, correlation=0.01, recovery=0.6, lag=lag)
    expected = np.diff(held(deal, *[1.0] * (n - 2)).expected, prepend=0.0)
    found = held(deal, *expected)
    assert ((found.low < found.expected) & (found.expected < found.high)).all()
    assert found.verdict == "as predicted"


def test_the_verdict_says_what_was_rare(ten):
    assert held(ten).verdict == "nothing has come in yet"
    assert held(ten, 100.0).verdict == "as predicted"
    assert held(ten, 70.0).verdict == "less came in than predicted"
    many = with_status(ten, *["defaulted"] * 5)
    assert held(many, 100.0).verdict == "more defaulted than predicted"
    assert held(many, 60.0).verdict == "less came in than predicted, and more defaulted"


def test_a_pool_that_cannot_default_is_short_or_it_is_not(build):
    deal = build([[50.0, 50.0]], pd=0.0)
    assert held(deal, 50.0).level.tolist() == [1.0]
    short = held(deal, 40.0)
    assert short.level.tolist() == [0.0]
    assert short.verdict == "less came in than predicted"
    assert math.isnan(short.measures.p_value)


def test_verdicts_are_as_rare_as_they_say(build):
    """Of pools drawn from their own PDs one in twenty, or less, has more defaults than predicted."""
    m, rng = 30, np.random.default_rng(8)
    pd = np.full(m, 0.08)
    deal = build(np.full((m, 2), 1.0), pd=pd, correlation=0.15)
    z, e = rng.standard_normal((400, 1)), rng.standard_normal((400, m))
    bad = stats.norm.cdf(math.sqrt(0.15) * z + math.sqrt(0.85) * e) < pd
    counts, chances = bad.sum(axis=1), {}
    for count in np.unique(counts).tolist():
        seen = with_status(deal, *["defaulted"] * count)
        chances[count] = held(seen, 1.0).measures.as_many
    rare = np.mean([chances[count] < 0.05 for count in counts])
    assert rare <= stats.binom.ppf(0.999, 400, 0.05) / 400
    # And the law is the one they were drawn from.
    middle = int(np.median(counts))
    assert chances[middle] == pytest.approx((counts >= middle).mean(), abs=4.0 * 0.5 / 20.0)


def test_a_refresh_and_python_find_the_same(ten):
    quick = with_status(replace(ten, terms=replace(ten.terms, paths=100)), "defaulted")
    record = Record((95.0, 90.0))
    one, other = analyse(quick, (BASE,), actual=record, quick=True).backtest, backtested(quick, record)
    np.testing.assert_array_equal(one.level, other.level)
    assert one.measures == other.measures


def test_by_date_too_nobody_is_expected_to_default_after_leaving(ten):
    gone = with_status(ten, "prepaid", "repurchased", since=dt.date(2021, 6, 1))
    found = held(gone, 100.0, 100.0, 70.0)
    pd = np.linspace(0.01, 0.10, 10)
    by = np.array([(1.0 - (1.0 - pd) ** k) for k in (1, 2, 3)])
    by[1:, :2] = by[0, :2]
    np.testing.assert_allclose(found.defaults_expected, by.sum(axis=1), rtol=1e-12)
    assert found.defaults_expected[-1] == pytest.approx(found.measures.expected, rel=1e-12)
    # Of each 30, 20 and 10 are owed before the three dates.
    comes = np.diff(by.sum(axis=1), prepend=0.0)
    np.testing.assert_allclose(found.money_expected, np.cumsum(comes * [30.0, 20.0, 10.0]), rtol=1e-12)


def test_a_date_that_tells_no_defaults_has_those_of_the_statuses(ten):
    # One is in default on the first date by its status, with 30; of the second 12 more are known.
    found = held(with_status(ten, "defaulted"), 95.0, 90.0, defaults=(None, 12.0))
    assert found.money_seen.tolist() == [30.0, 42.0]
    assert found.defaults_seen[0] == 1.0
    assert np.isnan(found.defaults_seen[1])
