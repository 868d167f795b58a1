"""The cash of simulated paths against a loop over obligors; whole simulations against the slow twin."""

from __future__ import annotations

import itertools
import math
import sys
from dataclasses import replace
from pathlib import Path as File

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from xlkmv.deal.paths.cash import PoolEngine
from xlkmv.deal.paths.draws import draw, layout_of
from xlkmv.deal.paths.engines import patterns_of
from xlkmv.deal.paths.run import simulate
from xlkmv.deal.plan.stressed import separate
from xlkmv.deal.stress import BASE, Stress, apply
from xlkmv.deal.terms import Controls, Covenant, Deal, Loans, Pool, Terms, Tranche, payment_dates
from xlkmv.model.copula import bivariate_normal_cdf

sys.path.insert(0, str(File(__file__).parent))
from drawn import CLOSING, deals
from twin import Path, Twin

PATHS = 128


def brute(plan, gone, dead):
    """One path in plain numbers: each obligor pays until the date it first misses, `gone[i]`; n: never.

    `dead` is the first date on which the payer of the undertaking cannot pay.
    """
    pool, times, n = plan.deal.pool, plan.deal.terms.times, len(plan.deal.terms.dates)
    rows, share = range(len(pool.name)), plan.repurchase_share
    gone = [0 if i == plan.defaulted else j for i, j in enumerate(gone)]
    still = [[sum(pool.schedule[i, k:]) for k in range(n)] for i in rows]
    claim = still if pool.claim is None else pool.claim
    total = sum(claim[i][0] for i in rows)
    path = Path(*([] for _ in range(8)))
    back = [0.0] * n
    for i in rows:
        if gone[i] < n:
            for k in range(n):
                if times[k] >= times[gone[i]] + pool.lag[i] - 1e-9:
                    back[k] += (1 - share) * pool.recovery[i] * claim[i][gone[i]]
                    break
    for k in range(n):
        on = [i for i in rows if gone[i] > k]
        off = [i for i in rows if gone[i] <= k]
        cash = sum(pool.schedule[i, k] for i in on) + share * sum(pool.schedule[i, k] for i in off) + back[k]
        path.cash.append(cash)
        interest = 0.0
        if pool.interest is not None:
            interest = sum(pool.interest[i, k] for i in on) + share * sum(pool.interest[i, k] for i in off)
        path.principal.append(cash - interest)
        if pool.balance is None:
            path.balance.append(0.0)
            path.outstanding.append(0.0)
        else:
            path.balance.append(sum(pool.balance[i, k] for i in on))
            before = pool.amount if k == 0 else pool.balance[:, k - 1]
            path.outstanding.append(sum(before[i] for i in on))
        bought = plan.row_purchases
        path.purchases.append(0.0 if bought is None else sum(bought[i, k] for i in on))
        path.alive.append(k < dead)
        path.default_ratio.append(sum(claim[i][gone[i]] for i in off) / total if total else 0.0)
        owed = [claim[i][k] for i in on]
        path.largest_share.append(max(owed) / sum(owed) if sum(owed) > 1e-12 * total else math.nan)
    return path


def defaults(plan, paths, seed):
    """First missed date of every obligor, and of the payer, on every path of a simulation."""
    layout = layout_of(plan.deal, paths, seed)
    engine = PoolEngine(plan)
    draws = draw(layout, 0)
    assert layout.blocks == 1
    gone = np.full((paths, layout.obligors), engine.n)
    row, column, first = engine.model.obligor_defaults(draws)
    gone[row, column] = first
    dead = engine.model.payer_default(draws) if engine.support else np.full(paths, engine.n)
    return engine, next(patterns_of([engine], layout, 0))[1], gone.tolist(), dead.tolist()


def by_path(values, patterns, paths):
    """A figure of patterns, (dates, patterns), path by path: of the pattern it is like until the date."""
    pattern = np.zeros(paths, np.int64)
    pattern[patterns.rows] = patterns.index
    out = np.empty((paths, len(values)))
    for k, row in enumerate(values):
        at = pattern.copy()
        while (late := at >= patterns.active[k]).any():
            at[late] = patterns.parent[at[late]]
        out[:, k] = row[at]
    return out


@st.composite
def risky(draw):
    """A deal of up to six obligors that default often, with repurchases and lines of several.

    Every recovery is a rate: the slow twin draws none.
    """
    deal = draw(deals(recoveries=False))
    m = len(deal.pool.name)
    pool = replace(
        deal.pool,
        pd=np.array([0.3, 0.15, 0.5])[:m],
        recovery=np.array([0.4, 0.0, 0.9])[:m],
        lag=np.array([0.0, 0.5, 1.2])[:m],
        count=draw(st.sampled_from([None, np.array([1.0, 3.0, 2.0])[:m]])),
    )
    controls = replace(deal.controls, repurchase_share=draw(st.sampled_from([0.0, 0.3])), support_pd=0.2)
    return replace(deal, pool=pool, controls=controls)


STRESSES = st.sampled_from(
    [
        BASE,
        Stress("gone", obligor_recovery=0.3),
        Stress("late", delay=1, pool_haircut=0.2),
        Stress("all", default_point="all", pd_multiplier=1.5, rate_shift=0.01),
        Stress("off", controls_off="all"),
    ]
)


@given(risky(), STRESSES)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_pool_of_every_path_is_the_sum_of_its_obligors(deal, stress):
    plan = separate(apply(deal, stress))
    engine, patterns, gone, dead = defaults(plan, PATHS, 3)
    state, money = engine.pool_state(patterns), float(plan.deal.pool.amount.sum())
    paths = [brute(plan, g, d) for g, d in zip(gone, dead, strict=True)]
    figures = {
        "cash": (state.collections, money),
        "principal": (state.principal, money),
        "balance": (state.balance, money),
        "outstanding": (state.outstanding, money),
        "purchases": (state.purchases, money),
        "default_ratio": (state.default_ratio, 1.0),
        "largest_share": (state.largest_share, 1.0),
        "alive": (state.support_alive, 1.0),
    }
    asked = {c.metric for c in deal.covenants}
    assert (state.balance is not None) == plan.needs_balance
    assert (state.principal is not None) == (deal.terms.accounts == "two")
    assert (state.purchases is not None) == (deal.terms.revolving is not None)
    assert (state.default_ratio is not None) == ("cumulative default ratio" in asked)
    assert (state.largest_share is not None) == ("largest obligor share" in asked)
    for name, (found, unit) in figures.items():
        if found is not None:
            plain = np.array([getattr(p, name) for p in paths], float)
            np.testing.assert_allclose(
                by_path(found, patterns, PATHS), plain, rtol=1e-9, atol=1e-9 * unit, err_msg=name
            )


def judged(plan, payments, times):
    """Of each class on one path: default, anything missed, loss, principal by time, first missed date."""
    rows, deal = range(len(plan.deal.tranches)), plan.deal
    out = []
    for i in rows:
        t = deal.tranches[i]
        floor = 1e-9 * t.amount
        missed = [p["interest_due"][i] - p["interest_paid"][i] - p["deferred"][i] for p in payments]
        short = [
            late + max(p["principal_due"][i] - p["principal_paid"][i], 0.0) > floor
            for late, p in zip(missed, payments, strict=True)
        ]
        final = payments[deal.legal_final(t)]["balance"][i]
        default = any(late > floor for late in missed) or final > floor
        dated = sum(s * p["principal_paid"][i] for s, p in zip(times, payments, strict=True))
        first = short.index(True) if any(short) else len(short)
        out.append((default, any(short), payments[-1]["balance"][i] / t.amount, dated, first))
    if plan.default_point == "all":
        ever, first = any(o[0] for o in out), min(o[4] for o in out)
        out = [(ever, first < len(payments), o[2], o[3], first) for o in out]
    return out


@given(risky(), STRESSES, st.integers(0, 1000))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_simulation_is_the_slow_twin_path_by_path(deal, stress, seed):
    plan = separate(apply(deal, stress))
    _, _, gone, dead = defaults(plan, PATHS, seed)
    times, n = deal.terms.times, len(deal.terms.dates)
    twin = Twin(plan, deal, stress.delay)
    outcome = {}
    for key in {(*g, d) for g, d in zip(gone, dead, strict=True)}:
        payments = twin.run(brute(plan, key[:-1], key[-1]))
        outcome[key] = payments, judged(plan, payments, times)
    runs = [outcome[(*g, d)] for g, d in zip(gone, dead, strict=True)]
    risk = simulate(deal, stress, paths=PATHS, seed=seed)
    for i, (t, found) in enumerate(zip(plan.deal.tranches, risk.tranches, strict=True)):
        default, short, loss, dated, first = (np.array(x) for x in zip(*(j[i] for _, j in runs), strict=True))
        assert found.pd == pytest.approx(default.mean(), abs=1e-12)
        assert found.anydate_pd == pytest.approx(short.mean(), abs=1e-12)
        assert found.expected_loss == pytest.approx(loss.mean(), abs=1e-9)
        np.testing.assert_allclose(found.first_short, np.bincount(first, minlength=n + 1)[:n] / PATHS)
        if loss.mean() < 1.0 - 1e-9:
            assert found.wal == pytest.approx(dated.mean() / t.amount / (1.0 - loss.mean()), rel=1e-7)
        paid = np.mean(
            [[p["interest_paid"][i] + p["principal_paid"][i] for p in ps] for ps, _ in runs], axis=0
        )
        np.testing.assert_allclose(found.expected_paid, paid, atol=1e-7 * t.amount)
    support = np.mean([[p["support_drawn"] for p in ps] for ps, _ in runs], axis=0)
    np.testing.assert_allclose(risk.expected_support, support, atol=1e-7)
    breaches = np.array([[p["breaches"] for p in ps] for ps, _ in runs]).reshape(PATHS, n, -1)
    np.testing.assert_allclose(risk.breach, breaches.mean(axis=0).T, atol=1e-12)
    triggers = np.array([[p["trigger"] for p in ps] for ps, _ in runs])
    for word in range(3):
        np.testing.assert_allclose(risk.trigger[word], (triggers == word).mean(axis=0), atol=1e-12)


def test_two_obligors_by_enumeration():
    """All default dates of two obligors with their exact chances, each paid by the slow twin."""
    dates = payment_dates(CLOSING, "year", 2)
    pd, rho = np.array([0.1, 0.2]), np.array([0.3, 0.5])
    loans = Loans(np.array([24.0, 24.0]), 0.06, ("annuity", "linear"), payments_per_year=1.0)
    pool = Pool(("a", "b"), [60.0, 40.0], np.zeros((2, 2)), pd, 0.5, 0.0, rho, loans=loans)
    notes = (
        Tranche("A", 1, 70.0, 0.04, "pass-through"),
        Tranche("B", 2, 25.0, 0.08, "pass-through", deferrable=True),
    )
    test = Covenant("OC", "overcollateralisation", "min", 0.0, "sequential")
    terms = Terms(CLOSING, dates, principal="pro rata", accounts="two", oc_target=0.1, fee_amount=0.2)
    deal = Deal(pool, notes, terms, Controls(reserve=False, support=False), (test,))
    plan = apply(deal, BASE)
    cuts = [np.concatenate([[-12.0], ndtri(1 - (1 - p) ** np.array([1.0, 2.0])), [12.0]]) for p in pd]
    together = float(np.sqrt(rho[0] * rho[1]))
    expected, default, chances = np.zeros(2), np.zeros(2), 0.0
    for gone in itertools.product(range(3), repeat=2):
        (a0, a1), (b0, b1) = cuts[0][gone[0] : gone[0] + 2], cuts[1][gone[1] : gone[1] + 2]
        corners = ((a1, b1, 1), (a0, b1, -1), (a1, b0, -1), (a0, b0, 1))
        chance = sum(sign * float(bivariate_normal_cdf(a, b, together)) for a, b, sign in corners)
        payments = Twin(plan, deal).run(brute(plan, gone, 2))
        for i, (failed, _, loss, _, _) in enumerate(judged(plan, payments, terms.times)):
            expected[i] += chance * loss
            default[i] += chance * failed
        chances += chance
    assert chances == pytest.approx(1.0, abs=1e-9)
    run = simulate(deal, paths=1 << 16)
    for i, risk in enumerate(run.tranches):
        assert risk.expected_loss_error > 0.0
        assert abs(risk.expected_loss - expected[i]) < 4.0 * risk.expected_loss_error
        assert abs(risk.pd - default[i]) < 4.0 * risk.pd_error
    assert 0.0 < default[0] < default[1] < 0.6
