"""The simulation against closed forms, enumeration, a path-by-path twin, and itself elsewhere."""

from __future__ import annotations

import itertools
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import ndtr, ndtri

from xlkmv.deal.examples import example
from xlkmv.deal.examples.patents import xingye_yuanrong
from xlkmv.deal.paths import engines
from xlkmv.deal.paths import run as run_module
from xlkmv.deal.paths.cash import Sums
from xlkmv.deal.paths.defaults import DefaultModel
from xlkmv.deal.paths.draws import draw, layout_of
from xlkmv.deal.paths.measures import Simulation
from xlkmv.deal.paths.patterns import all_paths, find_patterns
from xlkmv.deal.paths.run import Run, Wanted, simulate, simulate_stresses
from xlkmv.deal.paths.tally import group_error
from xlkmv.deal.plan.stressed import pool_lognormal
from xlkmv.deal.plan.waterfall import waterfall
from xlkmv.deal.stress import PRESETS, Stress, apply
from xlkmv.deal.terms import Controls, Covenant, Tranche
from xlkmv.errors import DomainError
from xlkmv.model.copula import bivariate_normal_cdf
from xlkmv.model.losses import gaussian_copula_losses

BASE = Stress("Base")
PLAIN = Controls(reserve=False, support=False, triggers=False, repurchase=False)
PATHS = 1 << 17


def within(value, error, expected, sigmas=4.5):
    """A sound estimate misses by this much once in 150,000 tests; the seeds are fixed."""
    assert error > 0.0
    assert abs(value - expected) < sigmas * error, (value, error, expected)


def bullet(build, schedule, amount, **options):
    """One note without coupon or fees, owed at the end: short exactly when the pool is."""
    deal = build(schedule, controls=PLAIN, fee_rate=0.0, **options)
    note = Tranche("Note", 1, amount, 0.0, "bullet", deal.terms.dates[-1])
    return replace(deal, tranches=(note,))


# ------------------------------------------------------------------------------ closed forms


def test_one_obligor_defaults_with_its_own_pd(build):
    deal = bullet(build, [[10.0, 10.0, 10.0]], 30.0, pd=0.03, recovery=0.25)
    risk = simulate(deal, paths=PATHS).tranches[0]
    survival = 0.97 ** np.arange(4)
    within(risk.pd, risk.pd_error, 1.0 - survival[-1])
    # Missing from year j on loses (3 - j) instalments less a quarter of them.
    loss = sum((survival[j] - survival[j + 1]) * (3 - j) / 3 * 0.75 for j in range(3))
    within(risk.expected_loss, risk.expected_loss_error, loss)


def test_no_correlation_is_the_binomial(build):
    m = 6
    deal = bullet(build, np.full((m, 1), 10.0), 10.0 * m - 20.0, pd=0.2, correlation=0.0)
    risk = simulate(deal, paths=PATHS).tranches[0]
    within(risk.pd, risk.pd_error, float(stats.binom.sf(2, m, 0.2)))


def test_full_correlation_is_one_obligor(build):
    deal = bullet(build, np.full((5, 1), 10.0), 50.0, pd=0.1, correlation=0.999999)
    risk = simulate(deal, paths=PATHS).tranches[0]
    # Nothing or everything; a breath of own risk is left between correlation .999999 and 1.
    assert risk.loss_probability[1:-1].sum() < 1e-3
    assert risk.pd == pytest.approx(0.1, abs=2e-3)


def test_large_pool_is_vasiceks(build):
    m, p, rho = 2000, 0.05, 0.2
    deal = bullet(build, np.full((m, 1), 1.0), 0.9 * m, pd=p, correlation=rho)
    risk = simulate(deal, paths=1 << 14).tranches[0]
    # P(share of defaults > x) = N[(N^-1(p) - sqrt(1 - rho) N^-1(x))/sqrt(rho)]  (Vasicek 1987)
    exact = float(ndtr((ndtri(p) - np.sqrt(1.0 - rho) * ndtri(0.1)) / np.sqrt(rho)))
    # 2000 obligors are not infinitely many: binomial noise shifts the tail by a percent of itself.
    assert risk.pd == pytest.approx(exact, abs=4.5 * risk.pd_error + 0.02 * exact)


def test_loss_distribution_is_the_exact_recursions(build):
    amounts = np.array([3.0, 5.0, 8.0, 2.0, 6.0, 4.0])
    pd = np.array([0.1, 0.05, 0.08, 0.2, 0.03, 0.15])
    deal = bullet(build, amounts[:, None], amounts.sum(), pd=pd, correlation=0.3)
    risk = simulate(deal, paths=PATHS).tranches[0]
    exact = gaussian_copula_losses(amounts, pd, lgd=1.0, correlation=0.3)
    within(risk.expected_loss * amounts.sum(), risk.expected_loss_error * amounts.sum(), exact.expected_loss)
    for loss in (0.0, 5.0, 10.0, 15.0):
        simulated = risk.loss_probability[int(np.ceil(loss / amounts.sum() * 1000 - 1e-9)) + 1 :].sum()
        expected = float(exact.exceedance(loss))
        assert simulated == pytest.approx(expected, abs=4.5 * np.sqrt(expected / PATHS))


def test_looking_for_paths_that_are_alike_changes_no_number(monkeypatch):
    """Paths computed one by one, in one block or in many, date by date, give what patterns give."""
    deal = xingye_yuanrong()
    off = [Stress("off", controls_off="all"), Stress("alone", controls_off=("support",))]
    stresses = [BASE, Stress("x3", pd_multiplier=3.0), *off]
    alike = simulate_stresses(deal, stresses, paths=3000)
    monkeypatch.setattr("xlkmv.deal.paths.engines.CROWDED", 0)
    alone = simulate_stresses(deal, stresses, paths=3000)
    monkeypatch.setattr("xlkmv.deal.paths.draws.CROWDED", 0)
    monkeypatch.setattr("xlkmv.deal.paths.draws.BLOCK_NUMBERS", 1 << 13)
    short = simulate_stresses(deal, stresses, paths=3000)
    monkeypatch.setattr("xlkmv.deal.paths.draws.FEWEST_TOGETHER", 1 << 9)
    monkeypatch.setattr("xlkmv.deal.paths.patterns.LARGEST_TABLE", 1)
    apart = simulate_stresses(deal, stresses, paths=3000)
    for one, others in ((alike, alone), (short, apart)):
        for a, b in zip(one, others, strict=True):
            np.testing.assert_allclose(a.replicates, b.replicates, rtol=1e-12, atol=1e-15)
            np.testing.assert_allclose(a.breach, b.breach, rtol=1e-12)
            np.testing.assert_allclose(a.expected_collections, b.expected_collections, rtol=1e-12)
            assert [t.pd for t in a.tranches] == pytest.approx([t.pd for t in b.tranches], rel=1e-12)
            assert [t.wal for t in a.tranches] == pytest.approx([t.wal for t in b.tranches], rel=1e-12)
    assert all(a.waterfalls < b.waterfalls == 3000 for a, b in zip(alike, alone, strict=True))


def test_two_obligors_by_enumeration(build):
    schedule, pd, rho = np.array([[6.0, 6.0], [4.0, 4.0]]), np.array([0.1, 0.2]), np.array([0.3, 0.5])
    deal = build(
        schedule, pd=pd, correlation=rho, recovery=0.5, controls=PLAIN, senior=15.0, junior=2.0, fee_rate=0.0
    )
    plan = apply(deal, BASE)
    cuts = [np.concatenate([[-np.inf], ndtri(1 - (1 - p) ** np.array([1.0, 2.0])), [np.inf]]) for p in pd]
    rate = float(np.sqrt(rho[0] * rho[1]))

    def below(a, b):
        a, b = np.clip([a, b], -12.0, 12.0)
        return float(bivariate_normal_cdf(a, b, rate))

    expected = 0.0
    for i, j in itertools.product(range(3), repeat=2):
        (a0, a1), (b0, b1) = cuts[0][i : i + 2], cuts[1][j : j + 2]
        chance = below(a1, b1) - below(a0, b1) - below(a1, b0) + below(a0, b0)
        flows = np.zeros(2)
        for row, first in ((0, i), (1, j)):
            flows[:first] += schedule[row, :first]
            if first < 2:
                flows[first] += 0.5 * schedule[row, first:].sum()
        expected += chance * float(waterfall(plan, flows).balance[0, -1]) / 15.0
    risk = simulate(deal, paths=PATHS).tranches[0]
    within(risk.expected_loss, risk.expected_loss_error, expected)


def both_default(build, **options):
    deal = bullet(build, np.full((2, 1), 10.0), 5.0, pd=[0.05, 0.1], **options)
    return simulate(deal, paths=1 << 18).tranches[0]


def test_an_industry_adds_to_the_correlation(build):
    a, b = ndtri([0.05, 0.1])
    same = both_default(build, correlation=0.2, industry=("x", "x"), industry_correlation=0.3)
    within(same.pd, same.pd_error, float(bivariate_normal_cdf(a, b, 0.5)))
    other = both_default(build, correlation=0.2, industry=("x", "y"), industry_correlation=0.3)
    within(other.pd, other.pd_error, float(bivariate_normal_cdf(a, b, 0.2)))


@pytest.mark.parametrize(
    ("industry", "joint"),
    [
        (("x", "x"), 0.3),
        (("x", "y"), 0.4 * 0.3),
        (("x", ""), np.sqrt(0.4) * 0.3),
        (("", ""), 0.3),
    ],
)
def test_factors_of_industries_move_together_as_told(build, industry, joint):
    a, b = ndtri([0.05, 0.1])
    # A third obligor that cannot default, so that there are always two industries.
    three = {"pd": [0.05, 0.1, 0.0], "industry": (*industry, "z"), "correlation": 0.3}
    deal = bullet(build, np.full((3, 1), 10.0), 15.0, **three, between_industries=0.4)
    risk = simulate(deal, paths=1 << 18).tranches[0]
    within(risk.pd, risk.pd_error, float(bivariate_normal_cdf(a, b, joint)))
    # Each alone defaults as often as before.
    one = bullet(
        build, np.full((3, 1), 10.0), 30.0, **three | {"pd": [0.05, 0.0, 0.0]}, between_industries=0.4
    )
    alone = simulate(one, paths=1 << 16).tranches[0]
    within(alone.pd, alone.pd_error, 0.05)


def test_a_pool_of_one_industry_knows_no_other(build):
    deal = build(np.full((3, 2), 10.0), pd=0.1, industry=("x", "x", "x"), senior=20.0)
    told = replace(deal, terms=replace(deal.terms, between_industries=0.2))
    one, other = simulate(deal, paths=4096), simulate(told, paths=4096)
    np.testing.assert_array_equal(one.replicates, other.replicates)


def test_industries_and_the_t_copula_and_more_inside_an_industry(build):
    nu, a, b = 4, *stats.t.ppf([0.05, 0.1], 4)
    options = {
        "copula": "t",
        "degrees_of_freedom": nu,
        "industry_correlation": 0.1,
        "between_industries": 0.5,
    }
    for industry, rho in ((("x", "x"), 0.3), (("x", "y"), 0.1)):
        risk = both_default(build, correlation=0.2, industry=industry, **options)
        chance = integrate.quad(
            lambda w, rho=rho: (
                float(bivariate_normal_cdf(a * np.sqrt(w / nu), b * np.sqrt(w / nu), rho))
                * stats.chi2.pdf(w, nu)
            ),
            0.0,
            60.0,
        )[0]
        within(risk.pd, risk.pd_error, chance)


def test_student_t_defaults_together_more_often(build):
    nu, rho = 4, 0.3
    risk = both_default(build, correlation=rho, copula="t", degrees_of_freedom=nu)
    a, b = stats.t.ppf([0.05, 0.1], nu)

    def given_scale(w):
        s = np.sqrt(w / nu)
        return float(bivariate_normal_cdf(a * s, b * s, rho)) * stats.chi2.pdf(w, nu)

    exact = integrate.quad(given_scale, 0.0, 60.0)[0]
    within(risk.pd, risk.pd_error, exact)
    assert exact > 1.3 * float(bivariate_normal_cdf(*ndtri([0.05, 0.1]), rho))


def test_the_payer_of_the_undertaking_may_fail_with_the_pool(build):
    controls = replace(PLAIN, support=True, support_pd=0.08)
    deal = bullet(build, [[10.0]], 10.0, pd=0.1, correlation=0.49, support_correlation=0.5)
    deal = replace(deal, controls=controls)
    risk = simulate(deal, paths=PATHS).tranches[0]
    exact = float(bivariate_normal_cdf(ndtri(0.1), ndtri(0.08), 0.7 * 0.5))
    within(risk.pd, risk.pd_error, exact)


@pytest.mark.parametrize("stress", [BASE, Stress("s", pd_multiplier=3.0, obligor_recovery=0.2)])
def test_sigma_and_mu_of_the_pool_are_the_moments(stress):
    deal = xingye_yuanrong()
    run = simulate(deal, stress, paths=PATHS)
    sigma, mu = pool_lognormal(apply(deal, stress))
    within(run.volatility, run.volatility_error, sigma)
    within(run.drift, run.drift_error, mu)


def test_standard_errors_are_those_of_repetition(build):
    deal = build(
        np.full((8, 3), 5.0), pd=0.06, correlation=0.3, senior=85.0, coupon=0.0, controls=PLAIN, fee_rate=0.0
    )
    runs = [simulate(deal, paths=8192, seed=s) for s in range(60)]
    for value, error in (("pd", "pd_error"), ("expected_loss", "expected_loss_error"), ("wal", "wal_error")):
        seen = np.std([getattr(r.tranches[0], value) for r in runs], ddof=1)
        said = np.sqrt(np.mean([getattr(r.tranches[0], error) ** 2 for r in runs]))
        # The sample deviation of 60 has a standard error of 9 %.
        assert seen == pytest.approx(said, rel=0.4), value
    seen = np.std([r.volatility for r in runs], ddof=1)
    assert seen == pytest.approx(np.mean([r.volatility_error for r in runs]), rel=0.4)
    senior = runs[0].tranches[0]
    plain = np.sqrt(senior.pd * (1.0 - senior.pd) / 8192)
    assert senior.pd_error < 0.9 * plain  # stratifying the common factor pays


# ------------------------------------------------------------------------------------- a twin


def everything_deal(build):
    rng = np.random.default_rng(5)
    schedule = rng.uniform(5.0, 20.0, (6, 4))
    covenants = (
        Covenant("coverage", "coverage", "min", 1.0, "turbo"),
        Covenant("dscr", "period DSCR", "min", 0.9, "trap"),
        Covenant("ratio", "cumulative default ratio", "max", 0.25, "turbo"),
        Covenant("share", "largest obligor share", "max", 0.35, "trap"),
        Covenant("reserve", "reserve ratio", "min", 0.5, "none"),
        Covenant("dd", "senior DD", "min", 0.0, "none"),
    )
    return build(
        schedule,
        pd=[0.05, 0.1, 0.02, 0.15, 0.08, 0.03],
        recovery=[0.2, 0.5, 0.4, 0.0, 0.3, 0.6],
        lag=[0.0, 1.0, 0.5, 2.0, 1.0, 9.0],
        correlation=[0.2, 0.3, 0.1, 0.4, 0.0, 0.2],
        industry=("a", "b", "a", "", "b", "b"),
        senior=0.75 * schedule.sum(),
        junior=0.15 * schedule.sum(),
        payment="with collections",
        controls=Controls(reserve_size=0.7, support_pd=0.05, repurchase_share=0.2),
        covenants=covenants,
        industry_correlation=0.15,
        support_correlation=0.4,
        prepayment=0.05,
        cure=True,
        copula="t",
        degrees_of_freedom=5,
    )


STRESSES = [BASE, Stress("largest", obligor_recovery=0.3, delay=1), Stress("off", controls_off="all")]


@pytest.mark.parametrize("stress", STRESSES, ids=lambda s: s.name)
def test_the_path_by_path_twin_agrees(build, stress):
    deal, paths = everything_deal(build), 1000
    plan = apply(deal, stress)
    run = simulate(deal, stress, paths=paths)
    pool, times, terms = plan.deal.pool, deal.terms.times, deal.terms
    m, n = pool.schedule.shape
    draws = draw(layout_of(plan.deal, paths, terms.seed), 0)
    e = ndtri(draws.uniform(np.arange(paths * (m + 1))))
    own, payer = e[: paths * m].reshape(paths, m), e[paths * m :]
    nu, share = terms.degrees_of_freedom, plan.repurchase_share
    flows, ratio, largest = np.zeros((paths, n)), np.zeros((paths, n)), np.full((paths, n), np.nan)
    alive = np.ones((paths, n), bool)
    for path in range(paths):
        scale = draws.scale[path]
        g = terms.support_correlation
        x = (g * draws.common[path] + np.sqrt(1 - g * g) * payer[path]) / scale
        alive[path] = x > stats.t.ppf(1 - (1 - deal.controls.support_pd) ** times, nu)
        gone = np.full(m, n)
        for i in range(m):
            w = terms.industry_correlation if pool.industry[i] else 0.0
            y = draws.industry[path, "ab".index(pool.industry[i])] if w else 0.0
            rho = pool.correlation[i]
            x = np.sqrt(rho) * draws.common[path] + np.sqrt(w) * y + np.sqrt(1 - rho - w) * own[path, i]
            cuts = stats.t.ppf(1 - (1 - pool.pd[i]) ** times, nu)
            j = next((k for k in range(n) if x / scale <= cuts[k]), n)
            j = 0 if i == plan.defaulted else j
            gone[i] = j
            flows[path] += pool.schedule[i]
            if j < n:
                left = pool.schedule[i, j:].sum()
                flows[path, j:] -= (1 - share) * pool.schedule[i, j:]
                arrives = next((k for k in range(n) if times[k] >= times[j] + pool.lag[i] - 1e-9), None)
                if arrives is not None:
                    flows[path, arrives] += (1 - share) * pool.recovery[i] * left
                ratio[path, j:] += left / pool.schedule.sum()
        for k in range(n):
            owed = [pool.schedule[i, k:].sum() for i in range(m) if gone[i] > k]
            if sum(owed) > 0:
                largest[path, k] = max(owed) / sum(owed)
    flows = np.maximum(flows, 0.0)
    sigma, mu = pool_lognormal(plan)
    paid = waterfall(plan, flows, alive, ratio, largest, sigma, mu)
    short = paid.short
    missed = (paid.interest_missed > 1e-9 * 100).any(axis=2)
    for i, risk in enumerate(run.tranches):
        amount = deal.tranches[i].amount
        assert risk.anydate_pd == pytest.approx(short[:, i].any(axis=1).mean())
        assert risk.pd == pytest.approx((missed[:, i] | (paid.balance[:, i, -1] > 1e-9 * amount)).mean())
        assert risk.expected_loss == pytest.approx((paid.balance[:, i, -1] / amount).mean())
        first = np.array([np.argmax(s) if s.any() else n for s in short[:, i]])
        np.testing.assert_allclose(risk.first_short, np.bincount(first, minlength=n + 1)[:n] / paths)
        principal = paid.principal_paid[:, i].sum(axis=0)
        assert risk.wal == pytest.approx(principal @ times / principal.sum())
        np.testing.assert_allclose(
            risk.expected_paid, (paid.interest_paid + paid.principal_paid)[:, i].mean(axis=0)
        )
        assert risk.loss_probability.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(run.expected_collections, flows.mean(axis=0))
    np.testing.assert_allclose(run.expected_support, paid.support_drawn.mean(axis=0))
    np.testing.assert_allclose(run.breach, paid.breaches.mean(axis=0))
    ever = np.logical_or.accumulate(paid.breaches, axis=2)
    np.testing.assert_allclose(run.anydate_breach, ever.mean(axis=0))
    for state in range(3):
        np.testing.assert_allclose(run.trigger[state], (paid.trigger == state).mean(axis=0))


def test_few_bits_date_every_default_as_all_of_them_do(build):
    deal = build(np.full((5, 40), 1.0), pd=[0.3, 0.01, 1e-5, 0.0, 0.1], correlation=[0.2, 0.5, 0.1, 0.2, 0.0])
    layout = layout_of(deal, 50_000, 3)
    draws, model = draw(layout, 0), DefaultModel(apply(deal, BASE))
    u = draws.uniform(np.arange(draws.coarse.size))
    assert (np.abs(u * 65536 - draws.coarse - 0.5) <= 0.5).all()
    for part in (u, u * 65536 % 1.0):  # all bits, and those of the hash
        assert stats.kstest(part, "uniform").pvalue > 1e-4
        assert abs(np.corrcoef(part[1:], part[:-1])[0, 1]) < 4.5 / np.sqrt(part.size)
    own = ndtri(u[: 5 * 50_000]).reshape(50_000, 5)
    x = np.sqrt(deal.pool.correlation) * draws.common[:, None] + np.sqrt(1.0 - deal.pool.correlation) * own
    cuts = ndtri(1.0 - (1.0 - deal.pool.pd[:, None]) ** deal.terms.times)
    first = (x[:, :, None] > cuts).sum(axis=2)
    rows, columns = np.nonzero(first < 40)
    found = model.obligor_defaults(draws)
    for one, other in zip(found, (rows, columns, first[rows, columns]), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("obligors", "dates", "share"),
    [(1, 1, 0.3), (3, 4, 0.2), (11, 20, 0.1), (5, 3, 0.0), (12, 20, 0.9), (300, 60, 0.05)],
)
def test_patterns_stand_for_their_paths_on_every_date(obligors, dates, share):
    """Followed up to its parents, the pattern of a path has the defaults of the path up to each date."""
    rng, paths = np.random.default_rng(obligors), 1500
    rows, columns = np.nonzero(rng.random((paths, obligors)) < share * rng.random((paths, 1)))
    first = rng.integers(0, dates, rows.size)
    payer = np.where(rng.random(paths) < 0.1 * (share > 0), rng.integers(0, dates, paths), dates)
    found = find_patterns(paths, rows, columns, first, payer, obligors, dates)
    events = [{("payer", int(payer[path]))} if payer[path] < dates else set() for path in range(paths)]
    for path, obligor, date in zip(rows.tolist(), columns.tolist(), first.tolist(), strict=True):
        events[path].add((obligor, date))
    pattern = np.zeros(paths, int)
    pattern[found.rows] = found.index
    computed = [[set() for _ in found.parent] for _ in range(dates)]
    spans = found.first // found.span
    assert (np.lexsort((found.owner, spans)) == np.arange(spans.size)).all()
    assert found.happened.tolist() == [(spans <= j).sum() for j in range(-(-dates // found.span))]
    for k in range(dates):
        if k:
            for i in range(len(found.parent)):
                computed[k][i] = set(computed[k - 1][i])
        for e in np.flatnonzero(found.first == k):
            computed[k][found.owner[e]].add((int(found.columns[e]), int(found.first[e])))
        joined = range(found.active[k - 1] if k else 1, found.active[k])
        for i in joined:
            assert found.parent[i] < (found.active[k - 1] if k else 1)
            before = {e for e in computed[k][i] if e[1] < k}
            assert before == (set(computed[k - 1][found.parent[i]]) if k else set())
        standing = np.zeros(found.active[k])
        for path in range(paths):
            i = pattern[path]
            while i >= found.active[k]:
                i = found.parent[i]
            standing[i] += 1
            so_far = {e for e in events[path] if e[1] <= k}
            known = {("payer", int(found.payer[i]))} if found.payer[i] <= k else set()
            assert computed[k][i] | known == so_far
        np.testing.assert_array_equal(found.weights[k], standing)
    assert found.active[-1] == found.parent.size
    if obligors * dates < 255 and max(map(len, events)) < 8:  # short enough to be told apart
        assert found.parent.size == len({frozenset(e) for e in events} | {frozenset()})


@pytest.mark.parametrize("counts", [None, (1, 1, 5, 1), (7,) * 9, (30, 1, 2, 60)])
@pytest.mark.parametrize("largest", [1 << 19, 5000, 1])
def test_what_is_missed_is_the_sum_over_who_is_in_default(monkeypatch, counts, largest):
    """However the dates are cut, and whether rows of one line are read as one."""
    monkeypatch.setattr("xlkmv.deal.paths.patterns.LARGEST_TABLE", largest)
    rng, paths, dates = np.random.default_rng(5), 40, 13
    line = None if counts is None else np.repeat(np.arange(len(counts)), counts)
    obligors = 50 if line is None else line.size
    each = rng.random((obligors if line is None else len(counts), dates))
    each = each if line is None else each[line]
    rows, columns = np.nonzero(rng.random((paths, obligors)) < 0.5)
    first = rng.integers(0, dates, rows.size)
    found = all_paths(rows, columns, first, np.full(paths, dates), obligors, dates)
    missed = np.zeros((dates, paths))
    for path, obligor, date in zip(rows, columns, first, strict=True):
        missed[date:, path] += each[obligor, date:]
    np.testing.assert_allclose(Sums(found).total(each, line), missed, rtol=1e-13)


def test_who_cannot_default_does_not_under_student_t(build):
    deal = bullet(build, np.full((3, 2), 10.0), 60.0, pd=[0.0, 0.2, 0.0], copula="t", degrees_of_freedom=3)
    risk = simulate(deal, paths=PATHS).tranches[0]
    within(risk.pd, risk.pd_error, 1.0 - 0.8**2)
    assert risk.loss_probability[334 + 1 :].sum() == 0.0  # the loss of the one, a third, at most


def test_plans_of_different_pools_do_not_share_their_volatility(build):
    deal = everything_deal(build)
    stresses = [BASE, Stress("twice", pd_multiplier=2.0), Stress("off", controls_off="pledge")]
    together = simulate_stresses(deal, stresses, paths=400)
    for stress, run in zip(stresses, together, strict=True):
        assert bits(run) == bits(simulate(deal, stress, paths=400))


def test_plans_of_one_pool_keep_the_volatility_that_each_has(build):
    distance = (Covenant("dd", "senior DD", "min", 1.0, "turbo"),)
    given = {"volatility_source": "user", "volatility": 0.5}
    deal = build(pd=0.0, covenants=distance, **given)  # nobody defaults, so the pool is the same
    stresses = [BASE, Stress("tenth", volatility_multiplier=0.1)]
    together = simulate_stresses(deal, stresses, paths=400)
    assert (together[0].breach != together[1].breach).any()
    for stress, run in zip(stresses, together, strict=True):
        assert bits(run) == bits(simulate(deal, stress, paths=400))


def test_judged_by_all_dues_no_tranche_is_safer(build):
    deal = everything_deal(build)
    own, every = simulate(deal, paths=5000), simulate(deal, Stress("all", default_point="all"), paths=5000)
    worst = max(t.anydate_pd for t in own.tranches)
    for a, b in zip(own.tranches, every.tranches, strict=True):
        assert b.anydate_pd >= worst >= a.anydate_pd
        assert b.expected_loss == a.expected_loss


# ------------------------------------------------------------------------- the same everywhere


def bits(run):
    return pickle.dumps(
        [run.replicates, run.expected_collections, run.breach, run.trigger, run.volatility, run.drift]
        + [[getattr(t, name) for name in t.__dataclass_fields__] for t in run.tranches]
    )


@pytest.mark.parametrize("crowded", [0, 100])
def test_same_seed_same_bits_whoever_computes(monkeypatch, crowded):
    # Small blocks make many of them.
    for name, value in {"CROWDED": crowded, "BLOCK_NUMBERS": 1 << 13, "FEWEST_TOGETHER": 1 << 10}.items():
        monkeypatch.setattr(f"xlkmv.deal.paths.draws.{name}", value)
    deal, stresses = xingye_yuanrong(), (BASE, Stress("off", controls_off="all"))
    here = simulate_stresses(deal, stresses, paths=9999)
    with ThreadPoolExecutor(3) as executor:
        for tasks in (1, 3, 100):
            there = simulate_stresses(deal, stresses, paths=9999, executor=executor, tasks=tasks)
            assert [bits(r) for r in there] == [bits(r) for r in here]
    assert bits(simulate(deal, paths=9999)) == bits(here[0])
    assert bits(simulate(deal, paths=9999, seed=1)) != bits(here[0])


@pytest.mark.parametrize(("pd", "crowded"), [(0.26, False), (0.27, True)])
def test_a_pool_is_crowded_by_all_who_default_until_the_end(build, pd, crowded):
    # Of ten obligors 10 [1 - (1 - p)^3] by the third year: 5.95 and 6.11, where more than 6 are many.
    assert layout_of(build([[50.0] * 3] * 10, pd=pd), 1000, 1).crowded == crowded


def test_who_owes_nothing_any_more_is_not_looked_for_and_nothing_changes(build, monkeypatch):
    """Half of the obligors have paid after the first year: their later defaults are nobody's business."""
    monkeypatch.setattr("xlkmv.deal.paths.draws.CROWDED", 0)
    deal = build([[100.0, 0.0, 0.0], [20.0, 50.0, 40.0]] * 10, pd=0.2)
    stresses = (BASE, *PRESETS)
    found = []
    for spares in (True, False):
        defaults = 0

        def count(model, draws, real=DefaultModel.obligor_defaults):
            nonlocal defaults
            seen = real(model, draws)
            defaults += seen[0].size
            return seen

        with monkeypatch.context() as patch:
            patch.setattr(DefaultModel, "obligor_defaults", count)
            if not spares:
                patch.setattr(engines, "matter_until", lambda plan, claim: np.full(len(claim), 3))
            runs = simulate_stresses(deal, stresses, paths=300)
        found.append((defaults, runs))
    (few, fast), (all_of_them, slow) = found
    assert few < all_of_them
    assert [bits(run) for run in fast] == [bits(run) for run in slow]


def test_paths_left_over_count_in_the_errors(build):
    deal = bullet(build, np.full((1, 1), 10.0), 10.0, pd=0.3, correlation=0.0)
    run = simulate(deal, paths=127 * 8 + 5, seed=3)
    sizes, pd = run.replicate_paths, run.replicates[:, 0]
    assert sizes[-1] == 127 * 8 + 5 - sizes[:-1].sum() > 0
    assert run.tranches[0].pd == pytest.approx(pd @ sizes / run.paths)
    assert run.tranches[0].pd_error == pytest.approx(np.sqrt(0.21 / run.paths), rel=0.3)
    equal = group_error(np.array([1.0, 3.0, 8.0]), np.full(3, 16.0))
    assert equal == pytest.approx(np.std([1.0, 3.0, 8.0], ddof=1) / np.sqrt(3))


def test_plans_see_the_same_draws(build):
    deal = bullet(build, np.full((4, 1), 10.0), 40.0, pd=0.1)
    a, b = simulate_stresses(deal, [BASE, Stress("x2", pd_multiplier=2.0)], paths=4096)
    # Whoever defaults at one PD defaults at twice the PD too, group by group.
    assert (b.replicates >= a.replicates).all()


def test_nobody_can_default(build):
    run = simulate(build(pd=0.0), paths=500)
    assert [t.pd for t in run.tranches] == [0.0, 0.0]
    assert run.waterfalls == 1
    assert run.volatility == 0.0
    assert run.tranches[0].wal == pytest.approx(2.0)
    assert run.tranches[0].loss_quantile(0.999) == 0.0


def test_quantiles_and_shortfall_of_the_loss(build):
    deal = bullet(build, np.full((1, 1), 10.0), 10.0, pd=0.2, recovery=0.5)
    risk = simulate(deal, paths=PATHS).tranches[0]
    assert risk.loss_quantile(0.5) == 0.0
    assert risk.loss_quantile(0.9) == pytest.approx(0.5)
    assert risk.expected_shortfall(0.9) == pytest.approx(0.5, abs=1e-3)


def test_progress_is_told_and_may_stop_the_run(monkeypatch):
    monkeypatch.setattr("xlkmv.deal.paths.draws.LARGEST_BLOCK", 1 << 10)
    told = []
    simulate(xingye_yuanrong(), paths=2500, progress=lambda *a: told.append(a))
    assert [*dict.fromkeys(done for done, _ in told)] == [0, 512, 1024, 1536, 2048, 2274, 2500]
    assert {total for _, total in told} == {2500}

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(xingye_yuanrong(), paths=2500, progress=stop)
    with ThreadPoolExecutor(1) as executor, pytest.raises(KeyboardInterrupt):
        simulate(xingye_yuanrong(), paths=2500, progress=stop, executor=executor)


def test_what_cannot_be_simulated_is_refused(build):
    with pytest.raises(DomainError, match="paths must be a whole number from 100"):
        simulate(build(), paths=10)
    for seed in (-1, 1 << 128):
        with pytest.raises(DomainError, match="seed must be >= 0 and below"):
            simulate(build(), seed=seed)


def test_a_payer_that_is_sure_to_fail_has_failed(build):
    options = {"pd": 0.5, "fee_rate": 0.0, "payment": "straight-line"}
    dead = build([[10.0, 10.0]] * 3, controls=Controls(reserve=False, support_pd=1.0), **options)
    none = build([[10.0, 10.0]] * 3, controls=Controls(reserve=False, support=False), **options)
    a, b = simulate(dead, paths=5000), simulate(none, paths=5000)
    assert (a.expected_support == 0.0).all()
    assert a.tranches[0].first_short.tolist() == b.tranches[0].first_short.tolist()


def test_shortfall_is_not_below_the_quantile(build):
    deal = bullet(build, [[30.0] * 5], 150.0, pd=0.05, recovery=0.4)
    risk = simulate(deal, paths=5000).tranches[0]
    for level in (0.0, 0.5, 0.9, 0.99, 0.999):
        assert risk.expected_shortfall(level) >= risk.loss_quantile(level) - 1e-12
    assert risk.expected_loss <= risk.expected_shortfall(0.0) <= risk.expected_loss + 1e-3


def test_the_share_of_the_largest_keeps_its_digits_when_a_giant_has_gone(build):
    test = Covenant("largest", "largest obligor share", "max", 0.5, "turbo")
    schedule = [[33333.3] * 5, [0.7] * 5, [0.7] * 5]
    deal = build(schedule, pd=[0.5, 0.0, 0.0], correlation=0.0, senior=1e5, junior=10.0, covenants=[test])
    # With the giant gone two equal ones are left, at exactly a half.
    breach = simulate(deal, paths=4000).breach[0]
    np.testing.assert_allclose(breach, 0.5 ** np.arange(1, 6), atol=0.02)


def test_conditions_that_come_to_one_plan_are_simulated_once_and_others_are_not(build, monkeypatch):
    deal = build(pd=0.1, controls=Controls(reserve_size=0.5, repurchase_share=0.0))
    stresses = [
        Stress("base"),
        Stress("nothing is repurchased anyway", controls_off="repurchase"),
        Stress("no test has a consequence", controls_off="triggers"),
        Stress("no reserve", controls_off="reserve"),
        Stress("PD x 2", pd_multiplier=2.0),
        Stress("coupon", rate_shift=0.01),
        Stress("all", default_point="all"),
    ]
    seen = []
    once = run_module.Engines
    monkeypatch.setattr(
        run_module, "Engines", lambda *plans, **how: seen.append(len(plans[0])) or once(*plans, **how)
    )
    together = simulate_stresses(deal, stresses, paths=1000, seed=3)
    assert seen == [5]
    for stress, found in zip(stresses, together, strict=True):
        alone = simulate(deal, stress, paths=1000, seed=3)
        np.testing.assert_array_equal(alone.replicates, found.replicates)
        assert [t.expected_loss for t in alone.tranches] == [t.expected_loss for t in found.tranches]


@pytest.mark.parametrize(
    ("key", "paths"), [("patents", 1000), ("auto", 10_000), ("lease", 1000), ("mortgage", 1000)]
)
def test_measures_alone_are_those_of_the_whole_simulation_to_the_last_bit(key, paths):
    """What is left out (flows, tests without a consequence, paths that are repaid) moves none of them."""
    deal = example(key).deal
    watched = Covenant("Watched", "coverage", "min", 5.0)
    deal = replace(deal, covenants=(*deal.covenants, watched))
    stresses = (BASE, Stress("Triggers off", controls_off="triggers"), Stress("All", default_point="all"))
    whole = simulate_stresses(deal, stresses, paths=paths)
    with Run(deal, Wanted(brief=stresses), paths=paths) as run:
        _, brief = run.results()
    for one, other in zip(whole, brief, strict=True):
        assert isinstance(one, Simulation)
        assert not isinstance(other, Simulation)
        np.testing.assert_array_equal(one.replicates, other.replicates)
        for a, b in zip(one.tranches, other.tranches, strict=True):
            for field in fields(b):
                assert getattr(a, field.name) == getattr(b, field.name)


@pytest.mark.parametrize("paths", [3000, 20_000])
@pytest.mark.parametrize(("key", "most"), [("patents", 0.1), ("auto", 0.02), ("lease", 0.04)])
def test_a_plan_that_follows_another_is_what_it_is_alone(key, most, paths):
    """Without triggers only paths on which one was on are paid anew; the default point costs nothing."""
    deal = example(key).deal
    tests = (
        Covenant("Defaults", "cumulative default ratio", "max", most, "turbo"),
        Covenant("Coverage", "coverage", "min", 0.9, "trap"),
        Covenant("Coverage, watched", "coverage", "min", 2.0),
    )
    deal = replace(deal, covenants=tests, controls=replace(deal.controls, triggers=True))
    without = ("triggers", "reserve")
    stresses = (
        BASE,
        Stress("No triggers", controls_off="triggers"),
        Stress("All dues", default_point="all"),
        Stress("All dues, no triggers", controls_off="triggers", default_point="all"),
        Stress("Neither", controls_off=without),
        Stress("No reserve", controls_off="reserve"),
    )
    with Run(deal, Wanted((BASE,), stresses), paths=paths) as run:
        (whole,), together = run.results()
    assert together[0] is whole
    for stress, found in zip(stresses, together, strict=True):
        alone = simulate(deal, stress, paths=paths)
        np.testing.assert_array_equal(alone.replicates, found.replicates)
        for one, other in zip(alone.tranches, found.tranches, strict=True):
            assert one.anydate_pd == other.anydate_pd
            assert one.expected_loss == other.expected_loss
    assert together[2].waterfalls == 0
    with Run(deal, Wanted((), stresses), paths=paths) as run:
        _, measured = run.results()
    for brief, found in zip(measured, together, strict=True):
        np.testing.assert_array_equal(brief.replicates, found.replicates)
    if key != "patents":  # there paths hang together, and all of them are paid
        for runs in (together, measured):
            assert 0 < runs[1].waterfalls < 0.5 * whole.waterfalls
