"""Backtests against counting by hand, pair by pair."""

from __future__ import annotations

import itertools

import mpmath as mp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from xlkmv.errors import DomainError, InputError
from xlkmv.model.validation import (
    area_under_curve,
    backtest,
    brier_score,
    hosmer_lemeshow,
    kolmogorov_smirnov,
)

records = st.lists(
    st.tuples(st.sampled_from([0.01, 0.02, 0.05, 0.1, 0.3]), st.booleans()), min_size=2, max_size=30
)


@settings(max_examples=150, deadline=None)
@given(records)
def test_ranks_against_counting_pairs(rows):
    bad = [p for p, d in rows if d]
    good = [p for p, d in rows if not d]
    assume(bad and good)
    pairs = [1.0 if b > g else 0.5 if b == g else 0.0 for b, g in itertools.product(bad, good)]
    p, d = [p for p, _ in rows], [int(d) for _, d in rows]
    assert area_under_curve(p, d) == pytest.approx(sum(pairs) / len(pairs), abs=1e-14)
    gaps = [abs(sum(b <= x for b in bad) / len(bad) - sum(g <= x for g in good) / len(good)) for x in p]
    assert kolmogorov_smirnov(p, d) == pytest.approx(max(gaps), abs=1e-14)
    assert brier_score(p, d) == pytest.approx(sum((a - b) ** 2 for a, b in zip(p, d, strict=True)) / len(p))
    # The order of the list is of no account.
    assert hosmer_lemeshow(p[::-1], d[::-1]) == pytest.approx(hosmer_lemeshow(p, d))


def test_hosmer_lemeshow_by_hand():
    # Two groups of four: expected 0.4 and 1.2, observed 1 and 2.
    p, d = [0.1] * 4 + [0.3] * 4, [1, 0, 0, 0, 1, 1, 0, 0]
    statistic, p_value, groups = hosmer_lemeshow(p, d, groups=2)
    by_hand = 0.6**2 / (0.4 * 0.9) + 0.8**2 / (1.2 * 0.7)
    assert groups == 2
    assert statistic == pytest.approx(by_hand)
    assert p_value == pytest.approx(float(mp.gammainc(1, by_hand / 2, mp.inf)))


def test_right_pds_are_not_rejected_and_wrong_ones_are():
    rng = np.random.default_rng(11)
    p = rng.uniform(0.01, 0.4, 20_000)
    d = rng.random(p.size) < p
    assert backtest(p, d).p_value > 0.01
    assert backtest(p / 2, d).p_value < 1e-10
    # Mann-Whitney cares about order only.
    assert backtest(p / 2, d).auc == backtest(p, d).auc


def test_perfect_reversed_and_refused():
    assert backtest([0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1]).accuracy_ratio == 1.0
    assert backtest([0.1, 0.2, 0.3, 0.4], [1, 1, 0, 0]).accuracy_ratio == -1.0
    with pytest.raises(InputError, match="at least one 1 and one 0"):
        backtest([0.1, 0.2], [0, 0])
    with pytest.raises(InputError, match="as many values"):
        backtest([0.1, 0.2], [0, 1, 1])
    with pytest.raises(InputError, match="must be 0 or 1"):
        backtest([0.1, 0.2], [0, 0.5])
    with pytest.raises(DomainError, match="pds"):
        backtest([0.1, 20], [0, 1])
    with pytest.raises(DomainError, match="Hosmer-Lemeshow"):
        backtest([0.1, 1.0], [0, 1])
