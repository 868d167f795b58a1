"""Asset correlation with a source: published values, firms of known correlation, refusals."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from xlkmv.deal.correlations import basel_correlations, correlation_of_returns, typed_correlations
from xlkmv.deal.sources import ObligorSource, Prices
from xlkmv.errors import DomainError, InputError
from xlkmv.model.merton import equity

DAYS = np.datetime64("2018-01-05") + 7 * np.arange(600)


def firms_of(correlation, firms=6, sigma=0.25, seed=3):
    """Weekly asset values with one correlation, (600, m)."""
    rng = np.random.default_rng(seed)
    common, own = rng.standard_normal((600, 1)), rng.standard_normal((600, firms))
    steps = np.sqrt(correlation) * common + np.sqrt(1.0 - correlation) * own
    return 200.0 * np.exp(np.cumsum(steps * sigma / np.sqrt(52.0), axis=0))


def series_of(values, days=DAYS):
    return [Prices(f"Firm {k}", days, column) for k, column in enumerate(values.T)]


def test_basels_formula_at_its_ends_and_by_hand():
    # CRE31.5: 24 % of PD 0, 12 % of PD 1; e^{-0.5} of the way between at 1 %. CRE31.8: 4 points at 5 million.
    found = basel_correlations([0.0, 1.0, 0.01, 0.01, 0.01], [np.nan, np.nan, np.nan, 5.0, 27.5])
    middle = 0.12 + 0.12 * np.exp(-0.5)
    hand = [0.24, 0.12, middle, middle - 0.04, middle - 0.02]
    assert found.values == pytest.approx(hand, rel=1e-12)
    assert found.error is None
    assert "2 of 5" in found.note
    assert basel_correlations([0.01]).values == pytest.approx([middle], rel=1e-12)


@pytest.mark.parametrize("correlation", [0.1, 0.3])
def test_returns_find_the_correlation_of_the_assets_behind_levered_equity(correlation):
    values = firms_of(correlation)
    # Debts of 20 to 160 against 200: equity of the last firms moves twice as much as their assets.
    debts = np.linspace(20.0, 120.0, values.shape[1])
    prices = np.array([equity(v, d, 0.25)[0] for v, d in zip(values.T, debts, strict=True)]).T
    firms = [ObligorSource(f"firm {k}", "listed", short_term=d) for k, d in enumerate(debts.tolist())]
    found = correlation_of_returns(series_of(prices), 3, firms)
    assert found.values.shape == (3,)
    assert abs(found.values[0] - correlation) < 3.0 * found.error
    # They are the returns of the assets themselves, as far as the fit finds these.
    behind = correlation_of_returns(series_of(values), 3)
    assert found.values[0] == pytest.approx(behind.values[0], abs=0.2 * found.error)
    assert "by assets 6, by equity 0" in found.note
    assert "by assets 0, by equity 6" in behind.note
    # Without debt the equity is the assets.
    without = [ObligorSource(f"firm {k}", "listed", equity=1.0) for k in range(6)]
    assert correlation_of_returns(series_of(values), 3, without).note == behind.note


def test_only_common_dates_count():
    values = firms_of(0.3, 2)
    first, second = series_of(values)
    late = Prices(second.name, second.dates[40:], second.values[40:])
    found = correlation_of_returns([first, late], 1)
    by_hand = np.corrcoef(np.diff(np.log(values[40:]), axis=0).T)[0, 1]
    assert found.values[0] == pytest.approx(by_hand, rel=1e-10)
    assert "560 common dates" in found.note


def test_the_error_is_the_spread_of_many_histories():
    found = [correlation_of_returns(series_of(firms_of(0.2, 4, seed=s)), 1) for s in range(60)]
    spread = np.std([f.values[0] for f in found], ddof=1)
    assert np.mean([f.error for f in found]) == pytest.approx(spread, rel=0.3)


def test_refusals():
    one, two = series_of(firms_of(0.3, 2))
    with pytest.raises(InputError, match="prices must be of 2 listed obligors or more, and are of 1"):
        correlation_of_returns([one], 1)
    other = Prices("Other", two.dates + np.timedelta64(1, "D"), two.values)
    with pytest.raises(InputError, match=r"11 dates or more in common, and have 0 \(Firm 0, Other\)"):
        correlation_of_returns([one, other], 1)
    against = Prices("Mirror", one.dates, 1.0 / one.values)
    with pytest.raises(DomainError, match=r"average correlation of the returns must be >= 0 .* \(got -1\)"):
        correlation_of_returns([one, against], 1)
    still = Prices("Still", one.dates, np.ones(600))
    with pytest.raises(InputError, match="returns must move in every column"):
        correlation_of_returns([one, still], 1)
    with pytest.raises(InputError, match="Still: prices must move"):
        correlation_of_returns([one, still], 1, [ObligorSource("still", "listed", long_term=3.0)])
    with pytest.raises(DomainError, match="correlation must be >= 0 and < 1"):
        typed_correlations([0.2, 1.0])


def test_prices_know_their_steps():
    days = np.datetime64("2020-01-03") + np.array([0, 7, 14, 21, 63])
    series = Prices("A", days, np.arange(1.0, 6.0))
    assert series.gap == 6.0
    assert series.hole.startswith("nothing between 2020-01-24 and 2020-03-06")
    assert series.per_year == pytest.approx(4 * 365.25 / 63)
    until = series.until(dt.date(2020, 1, 24))
    assert (until.values.tolist(), until.gap, until.hole) == ([1.0, 2.0, 3.0, 4.0], 1.0, "")
    assert np.isnan(series.until(dt.date(2020, 1, 3)).per_year)
