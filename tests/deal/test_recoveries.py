"""Recoveries that are drawn: against closed forms, integrals, a plain simulation of its own, and limits."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from scipy.special import expit, logit, ndtr, ndtri

from xlkmv.deal.paths.cash import PoolEngine
from xlkmv.deal.paths.draws import draw, layout_of
from xlkmv.deal.paths.engines import patterns_of
from xlkmv.deal.paths.kept import KeptPaths
from xlkmv.deal.paths.patterns import all_paths
from xlkmv.deal.paths.run import simulate, simulate_stresses
from xlkmv.deal.plan.recovery import Returns
from xlkmv.deal.plan.stressed import separate
from xlkmv.deal.questions.breakeven import reverse_stress
from xlkmv.deal.questions.contributions import contributions
from xlkmv.deal.questions.uncertainty import uncertainty
from xlkmv.deal.stress import BASE, Stress, apply, expected_recovery
from xlkmv.deal.terms import Controls, Record, Recoveries, Today, Tranche
from xlkmv.deal.terms.ranges import REACH, Ranges, varied
from xlkmv.errors import DomainError, InputError
from xlkmv.model.pledge import pledge_recovery

PLAIN = Controls(reserve=False, support=False, triggers=False, repurchase=False, unpledged_recovery=0.1)
PATHS = 1 << 16
PATENT = {"pledge": 80.0, "pledge_volatility": 0.4, "pledge_growth": -0.1, "sale_discount": 0.2}


def within(value, error, expected, sigmas=4.5):
    assert error > 0.0
    assert abs(value - expected) < sigmas * error, (value, error, expected)


def drawn(build, recoveries, schedule=((50.0, 50.0, 50.0),), owed=None, **options):
    """A pool with drawn recoveries and one note that is owed all of it at the end."""
    deal = build(schedule, **{"controls": PLAIN, "fee_rate": 0.0, "pd": 0.05} | options)
    amount = float(np.sum(schedule)) if owed is None else owed
    note = Tranche("Note", 1, amount, 0.0, "bullet", deal.terms.dates[-1])
    return replace(deal, tranches=(note,), pool=replace(deal.pool, recoveries=recoveries))


def closed_form(claim, lag, tie, by, times, unpledged=0.1, **pledge):
    """Expected recovery by date, by differences of the closed form of :mod:`xlkmv.model.pledge`."""
    names = {"pledge": "pledge_value", "pledge_volatility": "volatility"}
    names |= {"pledge_growth": "drift", "sale_discount": "discount"}
    asset = {names[key]: value for key, value in pledge.items()}
    out, before = [], 0.0
    for k, t in enumerate(times):
        terms = {"horizon": t, "sale_time": lag, "correlation": tie} | asset
        up_to = by[k] * float(pledge_recovery(claim=claim[k], pd=by[k], **terms))
        less = before * float(pledge_recovery(claim=claim[k], pd=before, **terms)) if before else 0.0
        out.append(unpledged + (1.0 - unpledged) * (up_to - less) / (by[k] - before))
        before = by[k]
    return np.array(out)


# ------------------------------------------------------------------------------ the pledge


@pytest.mark.parametrize("copula", ["gaussian", "t"])
@pytest.mark.parametrize("tie", [0.6, 0.0, -0.5, 0.99])
def test_what_a_pledge_brings_on_average_is_the_closed_form(build, copula, tie):
    lag, owed = 1.5, np.array([150.0, 100.0, 50.0])
    deal = drawn(build, Recoveries(**PATENT, tie=tie), lag=lag, copula=copula)
    by = 1.0 - 0.95 ** np.arange(1.0, 4.0)
    rates = closed_form(owed, lag, tie, by, [1.0, 2.0, 3.0], **PATENT)
    weight = np.diff(by, prepend=0.0) * owed
    plan = apply(deal, BASE)
    assert plan.deal.pool.recovery[0] == pytest.approx(weight @ rates / weight.sum(), rel=1e-8)
    assert expected_recovery(deal)[0] == plan.deal.pool.recovery[0]
    # With the sale on the date itself all of it comes in time.
    prompt = drawn(build, Recoveries(**PATENT, tie=tie), lag=0.0, copula=copula)
    rates = closed_form(owed, 0.0, tie, by, [1.0, 2.0, 3.0], **PATENT)
    run = simulate(prompt, paths=PATHS).tranches[0]
    within(run.expected_loss, run.expected_loss_error, float(weight @ (1.0 - rates)) / 150.0)


def test_a_pledge_that_does_not_move_covers_its_part_of_the_claim(build):
    still = Recoveries(pledge=60.0, sale_discount=0.25)
    deal = drawn(build, still, [[0.0, 0.0, 90.0]], pd=[0.04])
    # 60 less 25 % against 90 is one half; a tenth of the other half comes anyway.
    typed = replace(deal, pool=replace(deal.pool, recovery=0.55, recoveries=None))
    one, other = simulate(deal, paths=PATHS), simulate(typed, paths=PATHS)
    assert expected_recovery(deal)[0] == pytest.approx(0.55, rel=1e-14)
    np.testing.assert_allclose(one.expected_collections, other.expected_collections, rtol=1e-14)
    # Equal defaults bring the same then, and are paid once.
    assert one.waterfalls == other.waterfalls
    assert one.tranches[0].pd == other.tranches[0].pd


def test_a_default_that_is_sure_within_rounding_brings_what_the_pledge_does(build):
    # 0.999 a year: by the fourth date 1 - 1e-12 are in default, by the sixth all, in floats.
    schedule = [[10.0] * 12]
    deal = drawn(build, Recoveries(**PATENT), schedule, pd=0.999)
    by = 1.0 - 0.001 ** np.arange(1.0, 5.0)
    owed = 120.0 - 10.0 * np.arange(4.0)
    rates = closed_form(owed, 0.0, 0.0, by, np.arange(1.0, 5.0), **PATENT)
    weights = np.diff(by, prepend=0.0)
    expected = (rates * weights * owed).sum() / (weights * owed).sum()
    assert expected_recovery(deal)[0] == pytest.approx(expected, rel=1e-6)


def test_a_spread_of_nothing_and_a_pledge_of_nobody_change_no_bit(build):
    deal = drawn(build, None, [[40.0, 60.0], [30.0, 30.0]], recovery=[0.4, 0.7])
    none = replace(deal, pool=replace(deal.pool, recoveries=Recoveries(spread=0.0, tie=0.5)))
    one, other = simulate(deal, paths=4096), simulate(none, paths=4096)
    np.testing.assert_array_equal(one.replicates, other.replicates)
    np.testing.assert_array_equal(one.expected_collections, other.expected_collections)
    assert one.waterfalls == other.waterfalls


def test_pledge_off_is_the_unpledged_rate(build):
    deal = drawn(build, Recoveries(**PATENT, tie=0.4), [[0.0, 70.0]])
    off = Stress("off", controls_off=("pledge",))
    typed = replace(deal, pool=replace(deal.pool, recovery=0.1, recoveries=None))
    with_pledge, without = simulate_stresses(deal, [BASE, off], paths=4096)
    np.testing.assert_array_equal(without.replicates, simulate(typed, paths=4096).replicates)
    assert with_pledge.tranches[0].expected_loss < without.tranches[0].expected_loss


@given(
    tie=st.floats(-1.0, 1.0),
    more=st.floats(0.0, 1.0),
    value=st.floats(0.0, 1e4),
    sigma=st.floats(0.0, 1.0),
    pd=st.sampled_from([0.0, 1e-9, 0.03, 0.9]),
)
@settings(max_examples=60, deadline=None)
def test_the_mean_is_between_unpledged_and_all_and_falls_as_the_value_follows_the_obligor(
    build, tie, more, value, sigma, pd
):
    def mean(r):
        pledge = Recoveries(pledge=value, pledge_volatility=sigma, tie=r)
        return float(expected_recovery(drawn(build, pledge, [[150.0]], pd=pd))[0])

    low, high = mean(min(tie + more, 1.0)), mean(tie)
    # As right as the quadrature is next to a correlation of 1.
    assert 0.1 - 1e-12 <= low <= high + 6e-3
    assert high <= 1.0 + 1e-12


# ------------------------------------------------------------------------------ PD and LGD together


def granular_loss(z, p, rho, tie, level, scale):
    """Loss of a pool of very many obligors on one date, given the common factor, by integration.

    X = sqrt(rho) z + sqrt(1 - rho) e; the value's driver has correlation `tie` with X and with Z.
    """
    a, b = math.sqrt(rho), math.sqrt(1.0 - rho)
    # Regression of the driver on (X, Z) from the three correlations, not as the code has it.
    on_x, on_z = np.linalg.solve(np.array([[1.0, a], [a, 1.0]]), np.array([tie, tie]))
    left = math.sqrt(1.0 - (on_x * tie + on_z * tie))

    def lost(e):
        x = a * z + b * e
        mean, s = level + scale * (on_x * x + on_z * z), scale * left
        covered = ndtr(mean / s) + math.exp(mean + 0.5 * s * s) * ndtr(-mean / s - s)
        return (1.0 - covered) * stats.norm.pdf(e)

    return integrate.quad(lost, -12.0, (ndtri(p) - a * z) / b, epsabs=1e-13)[0]


def test_a_large_pool_loses_in_bad_years_more_often_and_more_each_time(build):
    m, p, rho, tie, sigma = 2000, 0.05, 0.2, 0.5, 0.6
    pledge = Recoveries(pledge=1.2, pledge_volatility=sigma, tie=tie)
    controls = replace(PLAIN, unpledged_recovery=0.0)
    deal = drawn(build, pledge, np.full((m, 1), 1.0), pd=p, correlation=rho, controls=controls)
    run = simulate(deal, paths=1 << 14).tranches[0]
    level = math.log(1.2) - 0.5 * sigma**2
    for tail in (0.5, 0.9, 0.99):
        expected = granular_loss(float(ndtri(1.0 - tail)), p, rho, tie, level, sigma)
        # 2000 are not infinitely many; the loss is counted in thousandths.
        assert run.loss_quantile(tail) == pytest.approx(expected, abs=2.5e-3 + 0.03 * expected)
    untied = replace(deal, pool=replace(deal.pool, recoveries=replace(pledge, tie=0.0)))
    assert run.loss_quantile(0.99) > 1.5 * simulate(untied, paths=1 << 14).tranches[0].loss_quantile(0.99)


def test_a_plain_simulation_of_its_own_finds_the_same(build):
    """The slow twin: path by path in plain numbers, from the definitions, on other random numbers."""
    schedule, pds, lags, ties = (
        [[60.0, 40.0], [30.0, 50.0], [20.0, 0.0]],
        [0.2, 0.1, 0.3],
        [1.0, 0.0, 0.0],
        0.5,
    )
    recoveries = Recoveries(
        spread=[0.0, 0.2, 0.0],
        pledge=[70.0, math.nan, math.nan],
        pledge_volatility=[0.5, 0.0, 0.0],
        sale_discount=[0.1, 0.0, 0.0],
        tie=ties,
    )
    deal = drawn(
        build, recoveries, schedule, owed=170.0, pd=pds, lag=lags, recovery=[0.0, 0.6, 0.25], correlation=0.3
    )
    run = simulate(deal, paths=PATHS)
    rng, paths = np.random.default_rng(5), 20_000
    a, b = math.sqrt(0.3), math.sqrt(0.7)
    q = ties * (1.0 - a) / b
    beta = stats.beta(0.6 * 5.0, 0.4 * 5.0)  # mean .6, variance .24/6 = .2^2
    cash = np.zeros((paths, 2))
    for path in range(paths):
        z = rng.standard_normal()
        for i, pd in enumerate(pds):
            e, xi = rng.standard_normal(2)
            x = a * z + b * e
            first = next((k for k in range(2) if ndtr(x) <= 1.0 - (1.0 - pd) ** (k + 1)), 2)
            for k in range(first):
                cash[path, k] += schedule[i][k]
            if first == 2:
                continue
            owed, beyond = sum(schedule[i][first:]), b * z - a * e
            if i == 0:
                years = first + 1.0 + lags[i]
                r = ties * math.sqrt((first + 1.0) / years)
                qr = q * r / ties
                driver = r * x + qr * beyond + math.sqrt(1.0 - r * r - qr * qr) * xi
                value = 70.0 * 0.9 * math.exp(-0.125 * years + 0.5 * math.sqrt(years) * driver)
                rate = 0.1 + 0.9 * min(1.0, value / owed)
            elif i == 1:
                score = ndtri(ndtr(x) / (1.0 - 0.9**2))
                rate = beta.ppf(ndtr(ties * score + q * beyond + math.sqrt(1.0 - ties**2 - q * q) * xi))
            else:
                rate = 0.25
            arrives = first + int(lags[i])
            if arrives < 2:
                cash[path, arrives] += rate * owed
    total = cash.sum(axis=1)
    error = total.std() / math.sqrt(paths)
    assert run.expected_collections.sum() == pytest.approx(total.mean(), abs=5.0 * error)
    for k in range(2):
        spread = cash[:, k].std() / math.sqrt(paths)
        assert run.expected_collections[k] == pytest.approx(cash[:, k].mean(), abs=5.0 * spread)
    risk, loss = run.tranches[0], np.maximum(170.0 - total, 0.0) / 170.0
    joint = math.hypot(risk.expected_loss_error, loss.std() / math.sqrt(paths))
    within(risk.expected_loss, joint, loss.mean())
    short = (loss > 1e-9).mean()
    within(risk.pd, math.hypot(risk.pd_error, math.sqrt(short * (1.0 - short) / paths)), short)


# ------------------------------------------------------------------------------ the spread


@pytest.mark.parametrize("tie", [0.0, 0.7, -0.4])
@pytest.mark.parametrize("copula", ["gaussian", "t"])
def test_mean_and_spread_are_those_typed(build, tie, copula):
    deal = drawn(build, Recoveries(spread=0.25, tie=tie), [[10.0]], pd=0.4, recovery=0.35, copula=copula)
    run = simulate(deal, paths=PATHS).tranches[0]
    recovered = 1.0 - np.arange(1001) / 1000.0
    given_default = np.array(run.loss_probability)
    given_default[0] = 0.0  # who pays loses nothing
    given_default /= given_default.sum()
    mean = float(given_default @ recovered)
    spread = math.sqrt(float(given_default @ (recovered - mean) ** 2))
    assert mean == pytest.approx(0.35, abs=4.5 * 0.25 / math.sqrt(0.4 * PATHS) + 5e-4)
    assert spread == pytest.approx(0.25, abs=3e-3)


@pytest.mark.parametrize("factor", [0.5, 1.6, 20.0])
def test_a_factor_on_recoveries_stops_at_all(build, factor):
    deal = drawn(
        build,
        Recoveries(spread=[0.2, 0.0], pledge=[math.nan, 8.0], pledge_volatility=0.5),
        [[10.0], [10.0]],
        recovery=[0.3, 0.0],
    )
    beta = stats.beta(0.3 * 4.25, 0.7 * 4.25)  # variance .21/5.25 = .2^2
    pledge = stats.norm(math.log(0.8) - 0.125, 0.5)
    spread = integrate.quad(lambda x: min(1.0, factor * x) * beta.pdf(x), 0.0, 1.0, points=[1.0 / factor])[0]
    kinks = [0.0, math.log(max(1.0 / factor - 0.1, 1e-9) / 0.9)]
    covered = integrate.quad(
        lambda x: min(1.0, factor * (0.1 + 0.9 * min(1.0, math.exp(x)))) * pledge.pdf(x),
        -6.0,
        4.0,
        points=[k for k in kinks if -6.0 < k < 4.0],
    )[0]
    stress = Stress("more", recovery_multiplier=factor)
    mean = apply(deal, stress).deal.pool.recovery
    np.testing.assert_allclose(mean, [spread, covered], rtol=1e-6)
    run = simulate(deal, stress, paths=PATHS).tranches[0]
    within(run.expected_loss, run.expected_loss_error or 1e-12, 0.05 * float(np.mean(1.0 - mean)))


# ------------------------------------------------------------------------------ engines agree


def three(build, **options):
    recoveries = Recoveries(
        spread=[0.0, 0.3, 0.0], pledge=[70.0, math.nan, 9.0], pledge_volatility=0.4, tie=0.5
    )
    schedule = [[30.0, 30.0, 40.0], [50.0, 10.0, 20.0], [20.0, 20.0, 20.0]]
    usual = {"pd": [0.05, 0.1, 0.02], "recovery": 0.4, "lag": 1.0, "correlation": 0.25}
    return drawn(build, recoveries, schedule, owed=200.0, **usual | options)


def test_paths_computed_from_their_first_default_are_those_computed_whole(build):
    deal = three(build)
    pool = PoolEngine(separate(apply(deal, BASE)))
    layout = layout_of(deal, 4096, 3)
    draws = draw(layout, 0)
    ((_, linked),) = patterns_of([pool], layout, 0)
    rows, columns, first = pool.model.obligor_defaults(draws)
    payer = np.full(4096, 3)
    whole = all_paths(rows, columns, first, payer, 3, 3)
    whole = replace(whole, returns=pool.model.returns(draws, whole.path, whole.columns))
    of_path = np.zeros(4096, np.int64)
    of_path[linked.rows] = linked.index
    assert linked.parent.size == np.unique(rows).size + 1
    found = pool.pool_state(linked).collections[:, of_path]
    np.testing.assert_allclose(found, pool.pool_state(whole).collections, rtol=1e-12)
    # Of equal defaults hardly two bring the same.
    alone = np.bincount(rows, minlength=4096)[rows] == 1
    twice = alone & (columns == 0) & (first == 0)
    assert np.unique(pool.pool_state(whole).collections[1, rows[twice]]).size > 0.9 * twice.sum()


def test_kept_paths_are_the_same_paths(build):
    deal = three(build)
    kept = KeptPaths(deal, 4096)
    np.testing.assert_array_equal(
        kept.simulate(apply(deal, BASE)).replicates, simulate(deal, paths=4096).replicates
    )


def test_lines_of_several_and_their_single_obligors_are_one(build):
    deal = three(build)
    several = replace(deal, pool=replace(deal.pool, count=np.array([4.0, 2.0, 3.0])))
    rows = np.repeat([0, 1, 2], [4, 2, 3])
    single = replace(deal, pool=deal.pool.pick(rows, 1.0 / np.array([4.0, 2.0, 3.0])[rows]))
    np.testing.assert_array_equal(
        simulate(several, paths=4096).replicates, simulate(single, paths=4096).replicates
    )
    assert single.pool.recoveries.pledge[:4].tolist() == [17.5] * 4


def test_what_obligors_cost_counts_what_each_default_brings(build):
    deal = three(build, pd=[0.3, 0.2, 0.2])
    free = replace(deal.pool.recoveries, tie=np.array([0.5, 0.0, 0.5]))
    deal = replace(deal, pool=replace(deal.pool, recoveries=free))
    plan = apply(deal, BASE)
    weight = (np.diff(plan.default_by, axis=1, prepend=0.0) * plan.claim).sum(axis=1)
    cost = weight * (1.0 - plan.deal.pool.recovery)
    found = contributions(deal, paths=PATHS).obligors.pool_share
    np.testing.assert_allclose(found, cost / cost.sum(), atol=4e-3)


def test_a_deal_seen_from_today_draws_from_today_on(build):
    deal = three(build)
    seen = replace(deal, today=Today(Record((100.0,))))
    plan = apply(seen, BASE)
    assert plan.recovery_law.horizon.tolist() == [0.0, 1.0, 2.0]
    run = simulate(seen, paths=PATHS)
    assert run.expected_collections[0] == pytest.approx(100.0)
    # Given default on either date that is left, as from a new closing.
    by = 1.0 - 0.95 ** np.array([1.0, 2.0])
    owed = np.array([70.0, 40.0])
    pledge = {"pledge": 70.0, "pledge_volatility": 0.4}
    rates = closed_form(owed, 1.0, 0.5, by, [1.0, 2.0], **pledge)
    weight = np.diff(by, prepend=0.0) * owed
    assert plan.deal.pool.recovery[0] == pytest.approx(weight @ rates / weight.sum(), rel=1e-8)


# ------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("recoveries", "text"),
    [
        ({"spread": 0.5}, "spread"),
        ({"spread": 0.49}, "0.4899"),
        ({"pledge": -1.0}, "pledge"),
        ({"pledge": 10.0, "pledge_volatility": 1.1}, "volatility"),
        ({"pledge": 10.0, "sale_discount": 1.0}, "discount"),
        ({"pledge": 10.0, "tie": 1.1}, "tie"),
        ({"pledge": 10.0, "spread": 0.1}, "has a pledge"),
        ({"pledge": [1.0, 2.0]}, "one row per obligor"),
        ({"pledge": [1.0, 2.0], "tie": [0.0, 0.0, 0.0]}, "one value per row"),
    ],
)
def test_wrong_recoveries_are_named(build, recoveries, text):
    with pytest.raises((DomainError, InputError), match=text):
        drawn(build, Recoveries(**recoveries), recovery=0.4)


CURVE = (0.01, 0.03, 0.04)


def on_a_curve(build, tie, **options):
    """Twenty loans, all but five with a pledge, whose expected losses follow a curve."""
    pledges = Recoveries(
        pledge=np.where(np.arange(20) % 4, 25.0, np.nan),
        pledge_volatility=0.4,
        pledge_growth=-0.1,
        sale_discount=0.2,
        tie=tie,
    )
    curve = {"default_timing": "loss curve", "loss_curve": CURVE, "correlation": 0.15, "recovery": 0.3}
    return drawn(build, pledges, np.full((20, 3), 15.0), pd=np.linspace(0.01, 0.06, 20), **(curve | options))


@pytest.mark.parametrize("tie", [0.0, 0.6, -0.6])
def test_a_loss_curve_with_pledges_is_met_by_the_closed_form(build, tie):
    """The clock is our code's; what the defaults up to it lose is told by the closed form of a pledge."""
    plan = apply(on_a_curve(build, tie), BASE)
    pool, pledges = plan.deal.pool, on_a_curve(build, tie).pool.recoveries
    before = np.hstack([np.zeros((20, 1)), plan.default_by[:, :-1]])
    rate = np.full((20, 3), 0.3)
    for i in np.flatnonzero(pledges.pledged):
        terms = {"pledge": 25.0, "pledge_volatility": 0.4, "pledge_growth": -0.1, "sale_discount": 0.2}
        rate[i] = closed_form(
            plan.claim[i], pool.lag[i], tie, plan.default_by[i], plan.deal.terms.times, **terms
        )
    owed = pool.balance + pool.schedule - pool.interest
    lost = ((plan.default_by - before) * (1.0 - rate) * owed).sum(axis=0)
    assert np.cumsum(lost) / pool.amount.sum() == pytest.approx(CURVE, rel=1e-6)


@pytest.mark.parametrize("copula", ["gaussian", "t"])
def test_a_loss_curve_with_pledges_is_simulated_as_it_is_expected(build, copula):
    deal = on_a_curve(build, 0.6, copula=copula, degrees_of_freedom=5)
    run, schedule = simulate(deal, paths=PATHS), float(deal.pool.schedule.sum())
    # What is lost of a schedule is what does not come in.
    lost = CURVE[-1] * float(deal.pool.amount.sum())
    error = run.volatility * np.sqrt(deal.terms.times[-1] / PATHS) * schedule
    within(schedule - float(run.expected_collections.sum()), error, lost)
    assert error < 0.02 * lost


def test_many_spreads_are_drawn_as_few_are(build):
    """Quantiles read off a table against those worked out one by one."""
    m = 70  # more distributions than there are tables
    spreads = 0.1 + 0.002 * np.arange(m)
    deal = drawn(build, Recoveries(spread=spreads, tie=0.4), np.full((m, 1), 1.0), recovery=0.5)
    law = apply(deal, BASE).recovery_law
    rng = np.random.default_rng(2)
    row, returns = (
        rng.integers(m, size=5000),
        Returns(*rng.standard_normal((3, 5000)) - [[2.0], [0.0], [0.0]]),
    )
    exact = law.rates(row, np.zeros(5000, int), np.ones(5000), returns)
    assert law.tables.shape[0] == 0
    few = drawn(build, Recoveries(spread=spreads[:60], tie=0.4), np.full((60, 1), 1.0), recovery=0.5)
    kept = np.flatnonzero(row < 60)
    part = Returns(*(getattr(returns, name)[kept] for name in ("asset", "factor", "own")))
    read = apply(few, BASE).recovery_law
    assert read.tables.shape[0] == 60
    ones = np.ones(kept.size)
    np.testing.assert_allclose(
        read.rates(row[kept], np.zeros(kept.size, int), ones, part), exact[kept], atol=5e-6
    )


# ------------------------------------------------------------------------------ ranges


def test_a_range_of_recoveries_moves_means_spreads_and_pledges(build):
    deal = three(build, recovery=[0.0, 0.4, 0.0], paths=2000)
    with_range = Ranges(recovery=(0.25, 0.6))
    # The figure is the mean of what is typed: that of the second obligor.
    assert with_range.spread("recovery", deal)[1] == pytest.approx((logit(0.6) - logit(0.4)) / REACH)
    moved = varied(deal, {"recovery": 0.7})
    assert moved.pool.recovery[1] == pytest.approx(expit(logit(0.4) + 0.7))
    ratio = moved.pool.recoveries.pledge / deal.pool.recoveries.pledge
    np.testing.assert_allclose(ratio[[0, 2]], math.exp(0.7))
    part = [
        d.pool.recoveries.spread[1] / math.sqrt(d.pool.recovery[1] * (1.0 - d.pool.recovery[1]))
        for d in (deal, moved)
    ]
    assert part[0] == pytest.approx(part[1])
    assert (expected_recovery(moved) > expected_recovery(deal)).all()
    for shift in (-12.0, 12.0):  # at the ends of the scale no spread is left, and no pledge
        assert np.isfinite(expected_recovery(varied(deal, {"recovery": shift}))).all()
    (note,) = uncertainty(deal, with_range).classes
    assert note.pd.down < 0.0 < note.pd.up


def test_where_every_recovery_follows_from_a_pledge_a_range_of_it_is_not_in_use(build):
    deal = drawn(build, Recoveries(**PATENT))
    unused = Ranges(recovery=(0.2, 0.6))
    assert unused.acting(deal) == ()
    assert uncertainty(deal, unused).groups == ()


# ---------------------------------------------------------------- an obligor in default at closing


@pytest.mark.parametrize("tie", [0.6, 0.0, -0.6])
@pytest.mark.parametrize("factor", [1.0, 0.5, 1.4])
def test_a_pledge_is_sold_against_the_claim_at_closing_where_its_obligor_is_in_default_then(
    build, tie, factor
):
    """Against an integral over the value: not the mean over all dates, on which less and less is owed."""
    deal = drawn(build, Recoveries(**PATENT, tie=tie), lag=0.5)
    stress = Stress("gone", obligor_recovery="table", recovery_multiplier=factor)
    years = 1.5
    centre = math.log(80.0 * 0.8 / 150.0) + (-0.1 - 0.08) * years

    def brings(z):
        share = 0.1 + 0.9 * min(math.exp(centre + 0.4 * math.sqrt(years) * z), 1.0)
        return min(factor * share, 1.0) * stats.norm.pdf(z)

    expected = integrate.quad(brings, -9.0, 9.0, limit=999, epsabs=1e-13, epsrel=1e-13)[0]
    plan = apply(deal, stress)
    assert plan.deal.pool.recovery[0] == pytest.approx(expected, rel=1e-7)
    # On the second date, the first one not earlier than 1 + 0.5.
    assert plan.collections == pytest.approx([0.0, 150.0 * expected, 0.0])
    found = simulate(deal, stress, paths=1000)
    assert found.expected_collections == pytest.approx([0.0, 150.0 * expected, 0.0])


def test_the_largest_obligors_bring_what_their_pledges_bring_at_closing(build):
    """Two obligors owe 150 each; a pledge that never moves sells for 60 of 150, and more than all later."""
    steady = Recoveries(pledge=60.0, pledge_volatility=0.0, pledge_growth=0.0, sale_discount=0.0)
    options = {"lag": 0.0, "controls": replace(PLAIN, unpledged_recovery=0.0), "recovery": 0.0}
    for owed, obligors in ((209.0, 2), (211.0, 1), (119.0, None), (121.0, 2)):
        deal = drawn(build, steady, [[50.0] * 3] * 2, owed=owed, **options)
        sizes = {b.column: b.size for b in reverse_stress(deal)}
        assert sizes["largest obligors"] == obligors, owed
