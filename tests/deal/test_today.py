"""The plan as seen from today: itself at closing, its own rest on plan, worked by hand where it is not."""

from __future__ import annotations

import datetime as dt
import itertools
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from drawn import deals

from xlkmv.deal.examples.auto import auto
from xlkmv.deal.kmv import kmv_view
from xlkmv.deal.paths.run import simulate
from xlkmv.deal.plan.today import Outlook, as_seen, buying_ended, buying_until
from xlkmv.deal.plan.waterfall import Waterfall, waterfall
from xlkmv.deal.questions.surveillance import from_today
from xlkmv.deal.stress import BASE, apply
from xlkmv.deal.terms import (
    Controls,
    Covenant,
    Deal,
    Loans,
    Pool,
    Record,
    Terms,
    Today,
    Tranche,
    payment_dates,
)
from xlkmv.errors import DomainError, InputError

OFF = Controls(reserve=False, support=False, triggers=False)


def on_plan(plan, seen):
    return Record(tuple(plan.collections[:seen].tolist()))


def with_status(deal, *known, **change):
    """The deal with (row, status, date) of some obligors."""
    status, since = [""] * len(deal.pool.name), [None] * len(deal.pool.name)
    for row, word, date in known:
        status[row], since[row] = word, date
    return replace(deal, pool=replace(deal.pool, status=tuple(status), since=tuple(since), **change))


def test_while_nothing_is_seen_it_is_the_deal_itself(five):
    deal = five()
    plan = apply(deal, BASE)
    assert from_today(deal, Record()) is deal
    assert as_seen(plan, Record()) is plan


@settings(max_examples=40, deadline=None)
@given(deals(), st.data())
def test_on_plan_the_rest_is_the_plans_own_bit_for_bit(deal, data):
    plan = apply(deal, BASE)
    then, seen = waterfall(plan), data.draw(st.integers(1, len(deal.terms.dates)))
    came = then.collections + then.bought_less
    now = waterfall(as_seen(plan, Record(tuple(came[:seen].tolist()))))
    # Where the plan itself ends its revolving period, what is not bought leaves it: the same to rounding.
    if not (then.bought_less[:seen] > 0.0).any():
        for field in fields(Waterfall):
            np.testing.assert_array_equal(getattr(now, field.name), getattr(then, field.name), field.name)
        return
    # A test of cash that failed before its principal was kept may hold with it.
    assume(not {"coverage", "period DSCR"} & {c.metric for c in deal.covenants})
    tiny = 1e-9 * float(deal.pool.amount.sum())
    np.testing.assert_allclose(now.collections + now.bought_less, came, atol=tiny)
    for name in ("fees_paid", "interest_paid", "principal_paid", "balance", "account", "reserve", "residual"):
        np.testing.assert_allclose(getattr(now, name), getattr(then, name), atol=tiny, err_msg=name)


def rest_of(deal, seen, amounts):
    """The deal closed anew on a payment date, written down by hand."""
    dates = deal.terms.dates
    terms = replace(deal.terms, closing=dates[seen - 1], dates=dates[seen:])
    pool = replace(deal.pool, schedule=deal.pool.schedule[:, seen:])
    notes = [replace(t, amount=a) for t, a in zip(deal.tranches, amounts, strict=True)]
    return replace(deal, pool=pool, tranches=tuple(notes), terms=terms)


def test_it_is_a_deal_that_closes_today(build):
    """Fees 1, interest 9 and principal 30 leave nothing of 40; what follows is a new deal of 60 and 10."""
    deal = build([[20.0] * 3] * 5, pd=0.2, recovery=0.3, lag=1.0, controls=OFF, paths=4000)
    now = simulate(from_today(deal, Record((40.0,))))
    new = simulate(rest_of(deal, 1, (60.0, 10.0)))
    assert all(0.0 < t.anydate_pd < 1.0 for t in new.tranches)
    for one, other in zip(now.tranches, new.tranches, strict=True):
        assert one.anydate_pd == other.anydate_pd
        np.testing.assert_allclose(one.first_short, [0.0, *other.first_short], atol=1e-12)
        np.testing.assert_allclose(one.expected_paid[1:], other.expected_paid, rtol=1e-12)
    np.testing.assert_allclose(now.expected_collections, [40.0, *new.expected_collections], rtol=1e-12)


def test_who_pays_the_shortfall_is_alive_today(build):
    deal = build([[40.0] * 3] * 2, controls=Controls(reserve=False, support_pd=0.5), support_correlation=0.3)
    deal = replace(deal, terms=replace(deal.terms, paths=4000))
    # Nothing comes in, and everything due is drawn: on date 1 always, then as long as the payer lives.
    now = simulate(from_today(deal, Record((0.0,)), 0.0))
    plan = apply(deal, BASE)
    assert now.tranches[0].first_short[0] == 0.0
    expected = 0.5 * plan.dues.ahead(0)[1]
    assert now.expected_support[1] == pytest.approx(expected, abs=4 * 0.5 * expected / np.sqrt(4000) * 2)


def test_a_known_default_brings_its_recovery_and_nothing_else(build):
    dates = build([[50.0] * 4]).terms.dates
    deal = build([[50.0] * 4, [30.0] * 4], pd=0.1, recovery=0.4, lag=1.0, controls=OFF)
    deal = with_status(deal, (1, "defaulted", dates[1]))
    plan = apply(deal, BASE)
    # Since date 2: 90 are outstanding before it, 36 come back on date 3.
    assert Outlook(plan, Record((80.0, 50.0))).expected.tolist() == [80.0, 50.0]
    now = as_seen(plan, Record((80.0, 47.0)))
    np.testing.assert_allclose(now.collections, [80.0, 47.0, 86.0, 50.0])
    np.testing.assert_allclose(now.known_defaults, [0.0, *[90.0 / 320.0] * 3])
    assert now.obligor_pd.tolist() == [0.1, 0.0]
    # The originator pays a quarter of what a defaulted claim was to pay.
    bought = replace(plan, deal=replace(deal, controls=replace(OFF, repurchase=True, repurchase_share=0.25)))
    np.testing.assert_allclose(as_seen(bought, Record((80.0, 47.0))).collections[2:], [50 + 7.5 + 27, 57.5])
    # Today it is known although no date has passed since; from date 1 it was not.
    early = with_status(deal, (1, "defaulted", dates[1] - dt.timedelta(30)))
    outlook = Outlook(apply(early, BASE), Record((80.0,)))
    np.testing.assert_allclose(sum(outlook.coming(1))[1:], [50.0, 86.0, 50.0])
    np.testing.assert_allclose(sum(outlook.coming(0)), [80.0] * 4)
    # After the last date there is nothing left that could be missed.
    over = apply(with_status(deal, (1, "defaulted", dates[3] + dt.timedelta(30))), BASE)
    assert Outlook(over, Record((80.0,) * 4)).claims.tolist() == [0.0]
    np.testing.assert_allclose(as_seen(over, Record((80.0,) * 4)).collections, [80.0] * 4)


def test_a_claim_paid_off_brings_its_balance(build):
    dates = build([[50.0] * 4]).terms.dates
    deal = with_status(build([[50.0] * 4, [30.0] * 4], controls=OFF), (1, "prepaid", dates[2]))
    # The claims bear no interest: 60 are outstanding before date 3.
    outlook = Outlook(apply(deal, BASE), Record((80.0, 80.0, 110.0)))
    np.testing.assert_allclose(outlook.expected, [80.0, 80.0, 110.0])
    np.testing.assert_allclose(outlook.coming(3)[0][3:] + outlook.coming(3)[1][3:], [50.0])


def linear(**known):
    """Two claims of 100 and 200 without interest, repaid in four parts; PD and recovery of their own."""
    dates = payment_dates(dt.date(2020, 1, 1), "year", 4)
    loans = Loans(np.array([48.0, 48.0]), 0.0, ("linear",) * 2, payments_per_year=1.0)
    pool = Pool(("a", "b"), [100.0, 200.0], np.zeros((2, 4)), 0.02, [0.2, 0.5], 1.0, 0.2, loans=loans)
    notes = (Tranche("A", 1, 250.0, 0.0, "pass-through"),)
    return Deal(pool, notes, Terms(dt.date(2020, 1, 1), dates), OFF), Record(**known)


def test_what_the_record_says_of_the_pool_is_taken_off_all_claims():
    deal, half = linear(collections=(75.0,), balance=(112.5,))
    plan = apply(deal, BASE)
    np.testing.assert_allclose(plan.collections, [75.0] * 4)
    # 225 were to be left: every claim stands at half.
    now = as_seen(plan, half)
    np.testing.assert_allclose(now.deal.pool.schedule[:, 1:], [[12.5] * 3, [25.0] * 3])
    np.testing.assert_allclose(now.balance, [112.5, 75.0, 37.5, 0.0])
    # 30 of 300 defaulted: a tenth of each claim, of which 10 x .2 and 20 x .5 come back a year later.
    _, bad = linear(collections=(67.5,), defaults=(30.0,))
    outlook = Outlook(plan, bad)
    assert outlook.expected.tolist() == pytest.approx([67.5])
    np.testing.assert_allclose(as_seen(plan, bad).collections, [67.5, 67.5 + 12.0, 67.5, 67.5])
    assert as_seen(plan, bad).known_defaults.tolist() == pytest.approx([0.1] * 4)
    # 60 of the 225 that were to be left came in ahead: 300 are owed in all, so 165 are left.
    _, early = linear(collections=(135.0,), prepayments=(60.0,))
    assert Outlook(plan, early).expected.tolist() == pytest.approx([135.0])
    np.testing.assert_allclose(as_seen(plan, early).collections, [135.0, 55.0, 55.0, 55.0])
    # All of them, while some of the claims had defaulted before: nothing is left but recoveries.
    _, gone = linear(collections=(270.0,), defaults=(30.0,), prepayments=(202.5,))
    assert Outlook(plan, gone).expected.tolist() == pytest.approx([270.0])
    np.testing.assert_allclose(as_seen(plan, gone).collections, [270.0, 12.0, 0.0, 0.0], atol=1e-12)


def test_what_a_status_explains_is_not_taken_off_twice():
    deal, record = linear(collections=(25.0,), defaults=(200.0,))
    plan = apply(with_status(deal, (1, "defaulted", deal.terms.dates[0])), BASE)
    now = as_seen(plan, record)
    np.testing.assert_allclose(now.deal.pool.schedule[:, 1:], [[25.0] * 3, [0.0] * 3])
    np.testing.assert_allclose(now.collections, [25.0, 25.0 + 100.0, 25.0, 25.0])
    # 30 more are in default than the status says: three tenths of the claim that is left.
    _, more = linear(collections=(17.5,), defaults=(230.0,))
    np.testing.assert_allclose(as_seen(plan, more).collections, [17.5, 17.5 + 106.0, 17.5, 17.5])


@settings(max_examples=40, deadline=None)
@given(deals(), st.data())
def test_sums_and_rows_see_the_same(deal, data):
    """The slow twin: what comes in by the rows, one plan for each date, is what is summed up at once."""
    dates, rows = deal.terms.dates, range(len(deal.pool.name))
    words = data.draw(
        st.lists(
            st.tuples(
                st.sampled_from(rows),
                st.sampled_from(["defaulted", "prepaid", "repurchased", "late"]),
                st.sampled_from([deal.terms.closing, *dates]),
            ),
            max_size=2,
        )
    )
    deal = with_status(deal, *words)
    plan, j = apply(deal, BASE), data.draw(st.integers(1, len(dates)))
    size = float(deal.pool.amount.sum())
    column = st.lists(st.one_of(st.none(), st.floats(0.0, 0.4 * size)), min_size=j, max_size=j)
    more = {name: tuple(data.draw(column)) for name in ("balance", "defaults", "prepayments")}
    cash = data.draw(st.lists(st.floats(0.0, size), min_size=j, max_size=j))
    record, level = Record(tuple(cash), **more), data.draw(st.floats(0.3, 1.0))
    bought = buying_until(plan, buying_ended(plan, record))
    scheduled, sure = Outlook(bought, record).coming(j)
    now = as_seen(plan, record, level)
    np.testing.assert_allclose(now.collections[:j], cash, rtol=1e-9, atol=1e-9 * size)
    np.testing.assert_allclose(
        now.collections[j:], (scheduled * level + sure)[j:], rtol=1e-9, atol=1e-9 * size
    )


def test_a_balance_may_be_what_the_plan_lets_it_grow_to(build):
    # 160 in three years for 100: it grows by 1.6^(1/3) a year until it is paid.
    deal = build([[0.0, 0.0, 160.0]], senior=60.0, junior=5.0, coupon=0.0, fee_rate=0.0)
    deal = replace(deal, pool=replace(deal.pool, amount=np.array([100.0])))
    plan, grown = apply(deal, BASE), 100.0 * 1.6 ** (1.0 / 3.0)
    seen = as_seen(plan, Record((0.0,), balance=(grown,)))
    np.testing.assert_allclose(seen.collections, plan.collections, rtol=1e-9)
    with pytest.raises(DomainError, match=r"the pool by plan at its largest \(136\.79.*leave it blank where"):
        as_seen(plan, Record((0.0,), balance=(137.0,)))


def test_the_reserve_is_what_it_is_said_to_be(build):
    deal = build(controls=Controls(reserve_size=30.0, reserve_unit="money", support=False))
    plan = apply(deal, BASE)
    run = waterfall(as_seen(plan, Record((50.0, 50.0), reserve=(None, 12.0))))
    assert run.reserve[:2].tolist() == [30.0, 12.0]
    with pytest.raises(
        DomainError, match=r"actual '2021-01-01' reserve must not be above the size of the reserve \(30\)"
    ):
        as_seen(plan, Record((50.0,), reserve=(30.1,)))


def test_a_record_that_cannot_be_is_refused(build):
    with pytest.raises(DomainError, match="actual collections must be >= 0"):
        Record((1.0, -1.0))
    with pytest.raises(DomainError, match="actual defaults must be >= 0"):
        Record((1.0,), defaults=(-1.0,))
    with pytest.raises(InputError, match=r"actual balance must have one value per date .*\(2\)"):
        Record((1.0, 1.0), balance=(1.0,))
    with pytest.raises(InputError, match="at most one value per payment date"):
        as_seen(apply(build(), BASE), Record((1.0,) * 4))
    with pytest.raises(InputError, match="must be as at closing"):
        kmv_view(from_today(build(), Record((1.0,))))
    with pytest.raises(InputError, match="it matters which claims are gone"):
        apply(from_today(build(), Record((1.0,))), BASE, by_plan=True)


@pytest.mark.parametrize("make", [auto, None], ids=["auto", "five classes"])
def test_less_cash_is_never_better_on_the_same_random_numbers(make, five):
    deal = make() if make else five(paths=2000, seed=3)
    deal = replace(deal, controls=deal.controls.without("support", "triggers"))
    plan, risks = apply(deal, BASE), []
    for share in (1.0, 0.9, 0.6):
        record = Record(tuple((share * plan.collections[:2]).tolist()))
        risks.append(simulate(from_today(deal, record, share), paths=2000, seed=3).tranches)
    for better, worse in itertools.pairwise(risks):
        for a, b in zip(better, worse, strict=True):
            assert b.anydate_pd >= a.anydate_pd and b.expected_loss >= a.expected_loss - 1e-12
    assert risks[-1][-1].anydate_pd > risks[0][-1].anydate_pd


def test_the_same_seed_has_the_same_bits(five):
    deal = from_today(five(), Record((110.0, 120.0)), 0.98)
    assert deal.today == Today(Record((110.0, 120.0)), 0.98)
    one, other = (simulate(deal, paths=1000, seed=5) for _ in range(2))
    assert one.tranches[0].anydate_pd == other.tranches[0].anydate_pd
    np.testing.assert_array_equal(one.replicates, other.replicates)


def test_a_default_that_is_known_has_left_the_claims_of_its_date():
    """As on a path: overcollateralisation counts what performs, before what the date collects."""
    dates = payment_dates(dt.date(2025, 1, 1), "month", 4)
    pool = Pool(("A", "B"), [120.0, 80.0], np.zeros((2, 4)), 0.0, 0.0, 0.5, 0.2, loans=Loans([4.0, 4.0], 0.0))
    deal = Deal(
        pool,
        (Tranche("Notes", 1, 90.0, 0.0, "pass-through"),),
        Terms(dt.date(2025, 1, 1), dates, oc_target="all"),
        OFF,
        (Covenant("OC", "overcollateralisation", "min", 0.1, "trap"),),
    )
    # By plan 30 + 20 a date. B fails in the second period, known by its status, or half of it by the record.
    seen = (50.0, 30.0)
    gone = with_status(deal, (1, "defaulted", dates[1]))
    run = waterfall(as_seen(apply(gone, BASE), Record(seen)))
    assert run.covenants[0, :2] == pytest.approx([1 - 90 / 200, 1 - 40 / 90])
    run = waterfall(as_seen(apply(deal, BASE), Record((50.0, 40.0), defaults=(0.0, 30.0))))
    assert run.covenants[0, :2] == pytest.approx([1 - 90 / 200, 1 - 40 / 120])


def test_what_a_claim_that_is_gone_does_not_pay_is_no_interest():
    """A, 120, and B, 80, pay a quarter of it and 1 % on each of four dates; principal has its own account."""
    dates = payment_dates(dt.date(2025, 1, 1), "month", 4)
    loans = Loans([4.0, 4.0], 0.12, ("linear", "linear"))
    pool = Pool(("A", "B"), [120.0, 80.0], np.zeros((2, 4)), 0.0, 0.0, 0.0, 0.2, loans=loans)
    notes = (Tranche("Notes", 1, 90.0, 0.0, "pass-through"),)
    terms = Terms(dt.date(2025, 1, 1), dates, accounts="two")
    deal = Deal(pool, notes, terms, replace(OFF, repurchase_share=0.5))
    prepaid = apply(with_status(deal, (1, "prepaid", dates[0])), BASE)
    plan = as_seen(prepaid, Record((111.2, 30.9)))
    assert plan.principal == pytest.approx([110.0, 30.0, 30.0, 30.0])
    # The originator pays half of what B owes on its dates, interest too.
    gone = apply(with_status(deal, (1, "defaulted", dates[0])), BASE)
    plan = as_seen(gone, Record((41.6, 41.2)))
    assert plan.collections == pytest.approx([41.6, 41.2, 40.8, 40.4])
    assert plan.principal == pytest.approx([40.0] * 4)
    # A fifth of both has failed by the first date; the originator pays half of what it owes.
    plan = as_seen(apply(deal, BASE), Record((46.8,), defaults=(40.0,)))
    assert plan.collections == pytest.approx([46.8, 46.35, 45.9, 45.45])
    assert plan.principal == pytest.approx([45.0] * 4)
    # The same if he pays nothing.
    plan = as_seen(apply(replace(deal, controls=OFF), BASE), Record((41.6,), defaults=(40.0,)))
    assert plan.principal == pytest.approx([40.0] * 4)


def test_a_claim_with_a_status_is_followed_by_itself_before_it_is_gone():
    deal, record = linear(collections=(105.0, 40.0), prepayments=(30.0, None))
    plan = apply(with_status(deal, (0, "defaulted", deal.terms.dates[1])), BASE)
    # 30 of the 150 that b owes after date 1 came in ahead; a owes 75 when it fails: a fifth comes back.
    outlook = Outlook(plan, record)
    assert outlook.left.tolist() == pytest.approx([1.0, 0.8, 0.8])
    assert outlook.expected.tolist() == pytest.approx([105.0, 40.0])
    now = as_seen(plan, record)
    np.testing.assert_allclose(now.collections, [105.0, 40.0, 40.0 + 15.0, 40.0])
    np.testing.assert_allclose(now.balance, [75.0 + 120.0, 80.0, 40.0, 0.0], atol=1e-12)
    # 135 perform after date 1, 75 of them a's.
    _, record = linear(collections=(75.0, 20.0), balance=(135.0, None))
    assert Outlook(plan, record).left.tolist() == pytest.approx([1.0, 0.4, 0.4])
    np.testing.assert_allclose(as_seen(plan, record).balance, [135.0, 40.0, 20.0, 0.0], atol=1e-12)


def test_who_is_gone_before_the_first_date_is_not_its_largest_obligor():
    deal, _ = linear()
    deal = replace(deal, covenants=(Covenant("Largest", "largest obligor share", "max", 0.9, "trap"),))
    plan = apply(with_status(deal, (1, "defaulted", deal.terms.dates[0])), BASE)
    now = as_seen(plan, Record((25.0,)))
    assert waterfall(now).covenants[0, :2].tolist() == [1.0, 1.0]
    # Shares of all claims at closing stay what they were.
    assert now.known_defaults.tolist() == pytest.approx([200.0 / 300.0] * 4)
    # Who pays off performs until the money is there.
    early = apply(with_status(deal, (1, "prepaid", deal.terms.dates[0])), BASE)
    shares = waterfall(as_seen(early, Record((225.0,)))).covenants[0, :2]
    assert shares.tolist() == pytest.approx([200.0 / 300.0, 1.0])


@pytest.mark.parametrize("cleanup", [0.0, 0.01])
def test_the_balance_of_what_prepays_is_that_of_its_own_yield(cleanup):
    """100 at 10 % a year brings 55 and 60.5: 55 are left after the first, 44 where a fifth prepays a year."""
    dates = payment_dates(dt.date(2025, 1, 1), "year", 2)
    pool = Pool(("a",), [100.0], [[55.0, 60.5]], 0.02, 0.4, 1.0, 0.2)
    terms = Terms(dt.date(2025, 1, 1), dates, day_count="30/360", prepayment=0.2, cleanup=cleanup)
    plan = apply(Deal(pool, (Tranche("A", 1, 50.0, 0.0, "bullet", dates[1]),), terms, OFF), BASE)
    # 55 + 11 + 1.1 of interest on them come by plan; 22 of the 44 that stay ahead of it.
    outlook = Outlook(plan, Record((89.1,), prepayments=(22.0,)))
    assert outlook.left.tolist() == pytest.approx([1.0, 0.5])
    assert outlook.expected.tolist() == pytest.approx([89.1])
