"""What one obligor adds to the risk of a class: pools by hand, and two simulations as the slow way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from xlkmv.deal.examples import example
from xlkmv.deal.examples.patents import xingye_yuanrong
from xlkmv.deal.paths.run import simulate
from xlkmv.deal.questions.contributions import NAMED, contributions
from xlkmv.deal.questions.leaveout import leave_one_out
from xlkmv.deal.stress import BASE, Stress
from xlkmv.deal.terms import Deal, Recoveries

UNSUPPORTED = Stress("x", controls_off=("support",))
PD_A, PD_B = 0.2, 0.1


def test_two_obligors_by_hand(two: Deal) -> None:
    found = leave_one_out(two, [0, 1])
    # Without A's risk nothing is missed; without B's the class still loses 10 of 50 when A defaults.
    pd = (PD_A, 0.0)
    loss = (PD_A * (0.2 * (1.0 - PD_B) + PD_B), PD_A * PD_B * 0.8)
    for figures, errors, truth in (
        (found.pd, found.pd_error, pd),
        (found.expected_loss, found.expected_loss_error, loss),
    ):
        assert (np.abs(figures[:, 0] - truth) <= 4.0 * errors[:, 0]).all()
        assert (errors[:, 0] < 0.002).all()
    assert found.pd[1, 0] == found.pd_error[1, 0] == 0.0


def test_standard_errors_are_those_of_repeated_runs(two: Deal) -> None:
    runs = [
        leave_one_out(replace(two, terms=replace(two.terms, seed=k)), [0, 1], paths=2_000) for k in range(60)
    ]
    for name in ("pd", "expected_loss"):
        spread = np.std([getattr(r, name)[0, 0] for r in runs], ddof=1)
        said = np.mean([getattr(r, f"{name}_error")[0, 0] for r in runs])
        assert 0.7 < spread / said < 1.3  # the sd of 60 figures has an error of 9 %


def granular(build) -> Deal:
    """Sixty obligors, so many defaults that hardly two paths are alike; one row stands for five."""
    rng = np.random.default_rng(3)
    schedule = rng.uniform(5.0, 20.0, (60, 1)) * np.ones(3)
    deal = build(schedule, pd=0.08, senior=0.6 * schedule.sum(), junior=0.2 * schedule.sum(), paths=3_000)
    return replace(deal, pool=replace(deal.pool, count=np.append(np.ones(59), 5.0)))


def drawn(build) -> Deal:
    """Recoveries that differ on equal defaults."""
    deal = build([[30.0, 30.0], [20.0, 20.0], [30.0, 10.0]], pd=0.2, recovery=0.4, senior=80.0, paths=4_000)
    return replace(deal, pool=replace(deal.pool, recoveries=Recoveries(spread=[0.2, 0.1, 0.0])))


def student(build) -> Deal:
    deal = example("patents").deal
    return replace(deal, terms=replace(deal.terms, copula="t", paths=5_000))


@pytest.mark.parametrize("stress", [BASE, UNSUPPORTED, Stress("y", pd_multiplier=5.0, obligor_recovery=0.0)])
@pytest.mark.parametrize("made", [student, granular, drawn])
def test_figures_are_those_of_two_simulations(build, made, stress: Stress) -> None:
    deal = made(build)
    rows = [1, len(deal.pool.name) - 1]
    found = leave_one_out(deal, rows, stress)
    assert (found.paths, found.rows) == (deal.terms.paths, tuple(rows))
    whole = simulate(deal, stress).tranches
    for row in rows:
        pd = deal.pool.pd.copy()
        pd[row] = 0.0
        without = simulate(replace(deal, pool=replace(deal.pool, pd=pd)), stress).tranches
        for k, (a, b) in enumerate(zip(whole, without, strict=True)):
            assert found.pd[row, k] == pytest.approx(a.anydate_pd - b.anydate_pd, abs=1e-12)
            assert found.expected_loss[row, k] == pytest.approx(a.expected_loss - b.expected_loss, abs=1e-12)
    others = np.setdiff1d(np.arange(len(deal.pool.name)), rows)
    assert np.isnan(found.pd[others]).all() and np.isnan(found.expected_loss_error[others]).all()


def test_nobody_to_leave_out_is_no_cost(two: Deal) -> None:
    safe = replace(two, pool=replace(two.pool, pd=np.array([0.0, PD_B])))
    found = leave_one_out(safe, [0], paths=1_000)
    assert found.pd[0, 0] == found.expected_loss[0, 0] == 0.0


def test_of_a_long_pool_those_are_left_out_that_count_most(build) -> None:
    deal = granular(build)
    found = contributions(deal)
    expected = {row for k in range(2) for row in found.obligors.order(k)[:NAMED]}
    assert set(found.left_out.rows) == expected and len(expected) < len(deal.pool.name)
    assert contributions(drawn(build)).left_out.rows == (0, 1, 2)


@pytest.mark.parametrize("times", [1.0, 6.0])
def test_rows_left_out_beside_the_contributions_are_those_left_out_by_themselves(times: float) -> None:
    """Where defaults are many, the rows are left out on fewer paths, and by themselves."""
    deal = xingye_yuanrong()
    pool = replace(deal.pool, pd=np.minimum(deal.pool.pd * times, 0.5))
    deal = replace(deal, pool=pool, terms=replace(deal.terms, paths=50_000))
    found = contributions(deal).left_out
    alone = leave_one_out(deal, range(len(pool.name)))
    assert found.rows == alone.rows and found.paths == alone.paths
    assert (found.paths == 50_000) == (times == 1.0)
    for name in ("pd", "pd_error", "expected_loss", "expected_loss_error"):
        np.testing.assert_array_equal(getattr(found, name), getattr(alone, name))
