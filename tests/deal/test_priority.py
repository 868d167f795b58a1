"""The priority of payments step by step, its sentences, and small plans worked out by hand."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from xlkmv.deal.plan import priority as steps
from xlkmv.deal.plan.priority import Ledger, priority
from xlkmv.deal.plan.waterfall import TRAP, TURBO, waterfall
from xlkmv.deal.stress import BASE, apply
from xlkmv.deal.terms import Controls, Covenant, Curve, Deal, Loans, Pool, Terms, Tranche, payment_dates

CLOSING = dt.date(2020, 1, 1)
YEARS = payment_dates(CLOSING, "year", 4)
PLAIN = Controls(reserve=False, support=False, triggers=False)
ALL, FIRST, SECOND = slice(0, 2), slice(0, 1), slice(1, 2)


def close(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


# ------------------------------------------------------------------------------------ the steps


def ledger(income, capital=None, **change):
    """Two classes of 100 and 50 on one path; nothing is due but what `change` says."""
    zero = np.zeros(1)
    cash = np.array([float(income)])
    off = np.zeros(1, bool)
    filled = {
        "plan": SimpleNamespace(
            deal=SimpleNamespace(controls=Controls()), dues=SimpleNamespace(ranks=np.array([1, 2]))
        ),
        "protected": FIRST,
        "last": False,
        "income": cash,
        "capital": cash if capital is None else np.array([float(capital)]),
        "trap": off,
        "turbo": off,
        "ordered": off,
        "balance": np.array([[100.0], [50.0]]),
        "rounding": np.full((2, 1), 1e-10),
        "fees_due": zero,
        "interest_due": np.zeros((2, 1)),
        "principal_due": np.zeros((2, 1)),
        "wanted": np.zeros((2, 1)),
        "interest": np.zeros((2, 1)),
        "principal": np.zeros((2, 1)),
        "fees": zero,
        "reserve": zero.copy(),
        "target": 0.0,
        "alive": None,
        "purse": None,
        "reserve_drawn": zero,
        "reserve_topped": zero,
        "reserve_released": zero,
        "support_drawn": zero,
        "trapped": zero,
        "trapped_principal": zero,
        "held": off,
    }
    for name, value in change.items():
        new = np.array(value)
        shape = np.shape(filled[name])
        filled[name] = value if name in ("last", "target", "protected") else new.reshape(shape or (1,))
    return Ledger(**filled)


def test_fees_come_from_income_then_from_principal():
    led = ledger(3.0, 4.0, fees_due=5.0)
    steps.pay_fees(led, ALL)
    assert (led.fees, led.income, led.capital) == (5.0, 0.0, 2.0)
    led = ledger(3.0, fees_due=5.0)
    steps.pay_fees(led, ALL)
    assert (led.fees, led.income) == (3.0, 0.0)


def test_interest_is_paid_from_income_and_shared_by_what_is_due():
    led = ledger(6.0, 100.0, interest_due=[8.0, 4.0])
    steps.pay_interest(led, ALL)
    close(led.interest.ravel(), [4.0, 2.0])
    assert (led.income, led.capital) == (0.0, 100.0)
    # What has been paid of it is not paid twice.
    led = ledger(6.0, interest_due=[8.0, 4.0], interest=[7.0, 0.0])
    steps.pay_missing_interest(led, ALL)
    close(led.interest.ravel(), [8.0, 4.0])
    close(led.income, 1.0)


@pytest.mark.parametrize("trigger", ["trap", "turbo"])
def test_interest_of_later_ranks_waits_where_a_trap_or_turbo_is_on(trigger):
    led = ledger(6.0, interest_due=[0.0, 4.0])
    steps.pay_interest_early(led, SECOND)
    assert (led.interest[1], led.income) == (4.0, 2.0)
    led = ledger(6.0, interest_due=[0.0, 4.0], **{trigger: True})
    steps.pay_interest_early(led, SECOND)
    assert (led.interest[1], led.income) == (0.0, 6.0)


def test_principal_pays_interest_that_income_did_not():
    led = ledger(0.0, 10.0, interest_due=[8.0, 0.0], interest=[5.0, 0.0])
    steps.lend(led, FIRST)
    assert (led.interest[0], led.capital) == (8.0, 7.0)


def test_income_makes_good_what_principal_lacks():
    led = ledger(9.0, 10.0, wanted=[14.0, 30.0], principal=[1.0, 0.0])
    steps.make_good(led, FIRST)
    assert (led.income, led.capital) == (6.0, 13.0)  # 13 of the 14 are still wanted
    steps.make_good(led, FIRST)
    assert (led.income, led.capital) == (6.0, 13.0)
    steps.make_good_early(led, ALL)  # 43 are wanted by both
    assert (led.income, led.capital) == (0.0, 19.0)
    led = ledger(9.0, 10.0, wanted=[14.0, 30.0], turbo=True)
    steps.make_good_early(led, ALL)
    assert (led.income, led.capital) == (9.0, 10.0)


def test_principal_is_shared_where_no_trigger_is_on():
    led = ledger(0.0, 12.0, wanted=[20.0, 4.0])
    steps.share_principal(led, ALL)
    close(led.principal.ravel(), [10.0, 2.0])
    assert led.capital == 0.0
    for trigger in ("trap", "turbo", "ordered"):
        led = ledger(0.0, 12.0, wanted=[20.0, 4.0], **{trigger: True})
        steps.share_principal(led, ALL)
        assert (led.principal == 0.0).all() and led.capital == 12.0


def test_principal_is_paid_as_far_as_it_is_wanted():
    led = ledger(5.0, 12.0, wanted=[20.0, 4.0], principal=[10.0, 0.0])
    steps.pay_principal(led, FIRST)
    steps.pay_principal(led, SECOND)
    close(led.principal.ravel(), [20.0, 2.0])
    assert (led.income, led.capital) == (5.0, 0.0)


def test_reserve_then_undertaking_pay_what_is_due_not_what_is_wanted():
    due = {"fees_due": 2.0, "interest_due": [5.0, 9.0], "principal_due": [10.0, 9.0], "wanted": [99.0, 9.0]}
    led = ledger(0.0, reserve=4.0, **due)
    steps.draw(led, FIRST)
    # 4 of the reserve: fees 2, interest 2. The undertaking: interest 3, principal 10. B gets nothing.
    assert (led.fees, led.reserve, led.reserve_drawn, led.support_drawn) == (2.0, 0.0, 4.0, 13.0)
    close(led.interest.ravel(), [5.0, 0.0])
    close(led.principal.ravel(), [10.0, 0.0])
    dead = ledger(0.0, reserve=4.0, **due, alive=[False])
    steps.draw(dead, FIRST)
    assert (dead.support_drawn, dead.interest[0]) == (0.0, 2.0)
    capped = ledger(0.0, reserve=4.0, **due, purse=[7.0])
    steps.draw(capped, FIRST)
    assert (capped.support_drawn, capped.purse, capped.interest[0], capped.principal[0]) == (7, 0, 5, 4)


def test_the_reserve_is_filled_while_senior_classes_are_outstanding_and_given_back_after():
    led = ledger(9.0, target=6.0, reserve=2.0)
    steps.fill_reserve(led, ALL)
    assert (led.reserve, led.reserve_topped, led.income, led.held) == (6.0, 4.0, 5.0, True)
    short = ledger(3.0, target=6.0, reserve=2.0)
    steps.fill_reserve(short, ALL)
    assert (short.reserve, short.income) == (5.0, 0.0)
    repaid = ledger(9.0, target=6.0, reserve=2.0, principal=[100.0, 0.0])
    steps.fill_reserve(repaid, ALL)
    assert (repaid.reserve, repaid.reserve_released, repaid.income, repaid.held) == (0.0, 2.0, 11.0, False)
    # Interest alone keeps a class outstanding; on the last date nothing is held back.
    late = {"principal": [100.0, 0.0], "interest_due": [1.0, 0.0], "reserve": 2.0, "target": 6.0}
    late_led = ledger(0.0, **late)
    steps.fill_reserve(late_led, ALL)
    assert (late_led.held, late_led.reserve) == (True, 2.0)
    last = ledger(0.0, **late, last=True)
    steps.fill_reserve(last, ALL)
    assert (last.reserve, last.income) == (0.0, 2.0)


def test_a_reserve_that_follows_the_pool_gives_back_what_is_above():
    led = ledger(0.0, target=np.array([3.0]), reserve=5.0)
    steps.fill_reserve(led, ALL)
    assert (led.reserve, led.reserve_released, led.income) == (3.0, 2.0, 2.0)
    led = ledger(1.5, target=np.array([3.0]), reserve=1.0)
    steps.fill_reserve(led, ALL)
    assert (led.reserve, led.reserve_topped, led.income) == (2.5, 1.5, 0.0)


def test_a_trap_keeps_both_accounts_while_a_senior_class_is_outstanding():
    led = ledger(3.0, 4.0, trap=True, held=True)
    steps.trap_cash(led, ALL)
    assert (led.trapped, led.trapped_principal, led.income, led.capital) == (7.0, 4.0, 0.0, 0.0)
    one = ledger(3.0, trap=True, held=True)
    steps.trap_cash(one, ALL)
    assert (one.trapped, one.trapped_principal, one.income) == (3.0, 0.0, 0.0)
    free = ledger(3.0, 4.0, trap=True, held=False)
    steps.trap_cash(free, ALL)
    assert (free.trapped, free.income, free.capital) == (0.0, 3.0, 4.0)


# --------------------------------------------------------------------------------- the sentences


def loan(amount=100.0, years=4, rate=0.0):
    """One claim that repays equal parts of its principal every year."""
    loans = Loans(np.array([12.0 * years]), rate, ("linear",), payments_per_year=1.0)
    return Pool(("Claim",), [amount], np.zeros((1, 4)), 0.0, 0.0, 0.0, 0.2, loans=loans)


def through(name, rank, amount, coupon=0.0, **change):
    return Tranche(name, rank, amount, coupon, "pass-through", **change)


def plan(*notes, controls=PLAIN, tests=(), pool=None, **terms):
    deal = Deal(pool or loan(), notes, Terms(CLOSING, YEARS, **terms), controls, tests)
    return apply(deal, BASE)


AB = (through("A", 1, 60.0), through("B", 2, 30.0))


REST = "What is left then goes to the holder of the residual."


def text(given):
    return [step.text for step in priority(given)]


def test_the_sentences_of_a_simple_plan():
    assert text(plan(*AB, controls=Controls())) == [
        "Senior fees, from cash.",
        "Interest of A, from cash.",
        "Principal of A, from cash.",
        "What fees and A still miss, from the reserve then the undertaking.",
        "The reserve up to its size; what is above, and all of it after A, back.",
        "Interest of B, from cash.",
        "Principal of B, from cash.",
        REST,
    ]
    trap = Covenant("Coverage", "coverage", "min", 1.0, "trap")
    held = "Under a trap all that is left stays in the plan while A is outstanding."
    assert held in text(plan(*AB, controls=Controls(), tests=(trap,)))
    # A switch that is off leaves nothing to say.
    assert held not in text(plan(*AB, controls=Controls(triggers=False), tests=(trap,)))


def test_the_sentences_of_two_accounts_and_several_senior_classes():
    notes = (
        through("A-1", 1, 30.0, senior=True, pari_passu=True),
        through("A-2", 1, 20.0, senior=True, pari_passu=True),
        through("A-3", 2, 20.0, senior=True),
        through("B", 3, 20.0),
    )
    trap = Covenant("Coverage", "coverage", "min", 1.0, "trap")
    controls = replace(PLAIN, support=True, triggers=True)
    given = plan(*notes, controls=controls, tests=(trap,), accounts="two", principal="pro rata")
    assert text(given) == [
        "Senior fees, from income then principal.",
        "Interest of A-1, A-2, from income.",
        "Interest of A-3, from income.",
        "Interest of A-1, A-2 that is still missing, from principal.",
        "Interest of A-3 that is still missing, from principal.",
        "Interest of B, from income, unless a trap or turbo is on.",
        "Income makes good what principal lacks for A-1, A-2, A-3.",
        "Income makes good what principal lacks for all classes, unless a trap or turbo is on.",
        "Principal of all classes, in proportion, unless a trigger is on.",
        "Principal of A-1, A-2, from principal.",
        "Principal of A-3, from principal.",
        "What fees and A-1, A-2, A-3 still miss, from the undertaking.",
        "",
        "Under a trap all that is left stays in the plan while A-1, A-2, A-3 are outstanding.",
        "Interest of B that is still missing, from income.",
        "Income makes good what principal lacks for B.",
        "Principal of B, from principal.",
        "Interest of B that is still missing, from principal that is left.",
        REST,
    ]


def test_the_sentences_of_a_reserve_that_follows_the_pool():
    controls = replace(PLAIN, reserve=True, reserve_unit="of pool", reserve_size=0.1)
    found = text(plan(*AB, controls=controls))
    at = found.index("The reserve up to its size; what is above, and all of it after A, back.")
    assert found[at + 1] == "Principal of A that is still wanted, from cash."
    # Of two accounts income fills it.
    assert "The reserve up to its size, from income." in text(plan(*AB, controls=controls, accounts="two"))


def test_the_call_stands_before_the_steps_and_what_becomes_of_the_rest_after_them():
    """Each sentence beside what the plan then pays."""
    called = plan(*AB, cleanup=0.3)
    assert text(called)[0] == (
        "Clean-up call at 30 % of the pool: its balance comes in as cash if that repays all."
    )
    close(waterfall(called).sale, [0.0, 0.0, 25.0, -25.0])  # nothing comes in from it any more
    assert "as principal if" in text(plan(*AB, cleanup=0.125, accounts="two"))[0]
    assert "at 12.5 %" in text(plan(*AB, cleanup=0.125, accounts="two"))[0]
    # 25 a year: A needs 60 on the third date, B gets 15 on the last; nothing of it is passed through.
    notes = (Tranche("A", 1, 60.0, 0.0, "bullet", YEARS[2]), Tranche("B", 2, 15.0, 0.0, "bullet", YEARS[3]))
    kept = plan(*notes)
    assert text(kept)[-2:] == [
        "What is left stays in the account while a class with a schedule is outstanding.",
        REST,
    ]
    close(waterfall(kept).account, [25.0, 50.0, 15.0, 0.0])
    close(waterfall(kept).residual, [0.0, 0.0, 0.0, 25.0])
    bare = plan(*notes, controls=PLAIN.without("excess_coverage"))
    only = (
        "Of what is left, what later dates need by plan stays in the account while a class with a schedule "
        "is outstanding."
    )
    assert text(bare)[-2:] == [only, REST]
    # Beside a class that is passed through it stays for the scheduled one alone.
    assert "while a class with a schedule is outstanding." in text(plan(notes[0], AB[1]))[-2]
    # Under a trap it stays, too, where nobody ranks behind.
    trap = Covenant("Coverage", "pool factor", "min", 0.9, "trap")
    alone = plan(AB[0], controls=replace(PLAIN, triggers=True), tests=(trap,))
    held = "Under a trap all that is left stays in the plan while A is outstanding."
    assert text(alone)[-2:] == [held, REST]
    # 60 % are owed: 15 of 25 are passed through, and what is left is kept until A is repaid.
    close(waterfall(alone).account, [10.0, 20.0, 30.0, 0.0])


def test_without_subordination_there_is_one_rank():
    found = text(plan(*AB, controls=PLAIN.without("subordination")))
    assert found[1:3] == ["Interest of A, B, from cash.", "Principal of A, B, from cash."]
    assert not any("trap" in sentence for sentence in found)


# --------------------------------------------------------------------- pass-through, worked by hand
# The claim pays 25 a year: balances 75, 50, 25, 0. Notes: A 60, B 30, without coupon unless said.


def test_pass_through_keeps_the_overcollateralisation_of_closing():
    paid = waterfall(plan(*AB))
    # 10 % of the pool: notes may be 67.5, 45, 22.5, 0. Each year 22.5 are paid, 2.5 are free.
    close(paid.principal_paid, [[22.5, 22.5, 15.0, 0.0], [0.0, 0.0, 7.5, 22.5]])
    close(paid.residual, [2.5] * 4)


def test_a_target_is_built_up_before_anything_is_free():
    paid = waterfall(plan(*AB, oc_target=0.2))
    # Notes may be 60, 40, 20, 0: 30 are wanted at first, 25 are there; then 25 of 25, 20 of 20, 20.
    close(paid.principal_paid, [[25.0, 25.0, 10.0, 0.0], [0.0, 0.0, 10.0, 20.0]])
    close(paid.residual, [0.0, 0.0, 5.0, 5.0])


def test_a_floor_of_the_overcollateralisation():
    paid = waterfall(plan(*AB, oc_target=0.1, oc_floor=0.15))
    # OC 15 throughout (7.5, 5, 2.5 are less): notes 60, 35, 10, 0.
    close(paid.balance.sum(axis=0), [65.0, 40.0, 15.0, 0.0])
    close(paid.residual, [0.0, 0.0, 0.0, 10.0])


def test_all_that_is_left_is_distributed_under_a_full_turbo():
    paid = waterfall(plan(*AB, oc_target="all"))
    close(paid.principal_paid, [[25.0, 25.0, 10.0, 0.0], [0.0, 0.0, 15.0, 15.0]])
    close(paid.residual, [0.0, 0.0, 0.0, 10.0])


def test_losses_are_repaid_from_the_excess():
    # Half of the claims are gone on the second date: 12.5 come in, the pool is 25 instead of 50, then 12.5.
    paid = waterfall(plan(*AB, oc_target=0.1), [25.0, 12.5, 20.0, 12.5], balance=[75.0, 25.0, 12.5, 0.0])
    # Notes may be 67.5, 22.5, 11.25, 0: 22.5; of 45 wanted 12.5; of 43.75 20; of 35 12.5.
    close(paid.principal_paid[0], [22.5, 12.5, 20.0, 5.0])
    close(paid.principal_paid[1], [0.0, 0.0, 0.0, 7.5])
    close(paid.balance[:, -1], [0.0, 22.5])
    assert paid.short.tolist() == [[False] * 4, [False, False, False, True]]


def test_pro_rata_until_a_test_puts_the_classes_in_order():
    test = Covenant("f", "pool factor", "min", 0.6, "sequential")
    controls = replace(PLAIN, triggers=True)
    paid = waterfall(plan(*AB, controls=controls, tests=(test,), principal="pro rata"))
    # 22.5 as 2 : 1; from the second date on the pool is below 60 % and A comes first.
    close(paid.principal_paid, [[15.0, 22.5, 22.5, 0.0], [7.5, 0.0, 0.0, 22.5]])
    assert paid.trigger.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("order", ["by rank", "first"])
def test_a_reserve_comes_before_principal_that_is_shared(order):
    controls = replace(
        PLAIN, reserve=True, reserve_unit="money", reserve_size=4.0, reserve_funding="built up"
    )
    paid = waterfall(plan(*AB, controls=controls, principal="pro rata", interest=order))
    # 4 of the first 25 fill the reserve: 21 of the 22.5 that are wanted, as 2 : 1; then all of 24.
    close(paid.reserve, [4.0, 4.0, 4.0, 0.0])
    close(paid.principal_paid[:, 0], [14.0, 7.0])
    close(paid.principal_paid[:, 1], [16.0, 8.0])


def test_scheduled_classes_come_out_of_what_is_distributable():
    notes = (Tranche("A", 1, 60.0, 0.0, "schedule", YEARS[3], schedule=(30.0, 0.0, 20.0, 10.0)), AB[1])
    paid = waterfall(plan(*notes))
    # Notes may be 67.5, 45, 22.5, 0. A is owed 30 and gets 25, then the 5 it missed, 20, 10; B gets the rest
    # of the 20, 22.5 and 22.5 that are distributable then.
    close(paid.principal_due[0], [30.0, 5.0, 20.0, 10.0])
    close(paid.principal_paid, [[25.0, 5.0, 20.0, 10.0], [0.0, 15.0, 2.5, 12.5]])


def test_cash_stays_for_a_class_with_a_schedule_and_not_for_one_that_is_passed_through():
    equal = {"pari_passu": True}
    notes = (
        Tranche("A-1", 1, 20.0, 0.0, "bullet", YEARS[1], **equal),
        through("A-2", 1, 40.0, **equal),
    )
    paid = waterfall(plan(*notes))
    # 40 % stay overcollateral: notes may be 45, 30, 15, 0. 15 for A-2, and 10 wait for A-1. Its 20 are more
    # than the 15 that are distributable then; what is left is nobody's, as A-2 gets no more than its part.
    close(paid.principal_paid, [[0.0, 20.0, 0.0, 0.0], [15.0, 0.0, 10.0, 15.0]])
    close(paid.account, [10.0, 0.0, 0.0, 0.0])
    close(paid.residual, [0.0, 15.0, 15.0, 10.0])


def test_principal_is_due_at_the_legal_final():
    notes = (through("A", 1, 60.0, legal_final=dt.date(2021, 6, 1)), AB[1])
    given = plan(*notes, oc_target="all")
    paid = waterfall(given)
    # The first payment date from June 2021 on is the second: 60 are due, 50 have come in.
    close(paid.principal_due, [[0.0, 35.0, 10.0, 0.0], [0.0, 0.0, 0.0, 15.0]])
    assert paid.short.tolist() == [[False, True, False, False], [False] * 4]
    close(given.dues.principal, [[0.0, 60.0, 0.0, 0.0], [0.0, 0.0, 0.0, 30.0]])
    # The undertaking pays what is due at the legal final, not before.
    close(waterfall(plan(*notes, controls=replace(PLAIN, support=True))).support_drawn, [0.0, 12.5, 0.0, 0.0])


# ------------------------------------------------------------------------------ interest and fees


def test_deferrable_interest_waits_and_bears_interest_while_a_better_class_is_outstanding():
    notes = (through("A", 1, 50.0, 0.1), through("B", 2, 40.0, 0.1, deferrable=True))
    paid = waterfall(plan(*notes, oc_target="all"), [5.0, 45.0, 14.0, 100.0])
    # A: interest 5; 5 and principal 40; 1 and 10. B: 4 wait; 4 more and .4 on the first 4 wait; on the third
    # date 3 are left for 8.4 + .84 + 4, and the rest waits as A was still outstanding before that payment.
    close(paid.interest_due[0], [5.0, 5.0, 1.0, 0.0])
    close(paid.principal_paid[0], [0.0, 40.0, 10.0, 0.0])
    close(paid.interest_due[1], [4.0, 8.4, 13.24, 10.24 * 1.1 + 4.0])
    close(paid.interest_paid[1], [0.0, 0.0, 3.0, 15.264])
    close(paid.deferred[1], [4.0, 8.4, 10.24, 0.0])
    assert not paid.short.any()
    plain = waterfall(
        plan(notes[0], replace(notes[1], deferrable=False), oc_target="all"), [5.0, 45.0, 14.0, 100.0]
    )
    close(plain.interest_due[1], [4.0, 8.0, 12.0, 13.0])  # no interest on it
    assert plain.short[1].tolist() == [True, True, True, False]


def test_interest_may_not_wait_at_the_legal_final_nor_in_the_best_class():
    notes = (
        through("A", 1, 50.0, 0.1, deferrable=True),
        through("B", 2, 40.0, 0.1, deferrable=True, legal_final=YEARS[1]),
    )
    paid = waterfall(plan(*notes, oc_target="all"), [0.0, 0.0, 0.0, 0.0])
    close(paid.deferred, [[0.0] * 4, [4.0, 0.0, 0.0, 0.0]])
    assert paid.short.tolist() == [[True] * 4, [False, True, True, True]]


def test_a_floating_coupon_within_floor_and_cap():
    # Set at the start of each year: 1 %, 3 %, 3 %, 9 %, and 2 % on top; not below 4 %, not above 7 %.
    curve = Curve("base", (dt.date(2019, 1, 1), dt.date(2020, 6, 1), dt.date(2023, 1, 1)), (0.01, 0.03, 0.09))
    note = Tranche("A", 1, 100.0, 0.5, "bullet", YEARS[3], base="base", margin=0.02, cap=0.07, floor=0.04)
    paid = waterfall(plan(note, curves=(curve,)), [10.0] * 4)
    close(paid.interest_due, [[4.0, 5.0, 5.0, 7.0]])
    negative = Curve("base", (CLOSING,), (-0.05,))
    close(waterfall(plan(replace(note, floor=None), curves=(negative,))).interest_due, [[0.0] * 4])


def test_interest_of_all_ranks_before_principal_of_any():
    notes = (through("A", 1, 60.0, 0.05), through("B", 2, 30.0, 0.10))
    by_rank = waterfall(plan(*notes, oc_target="all"))
    # 25: A takes 3 and the rest; B misses 3. First: 3, 3, and 19 of principal.
    close(by_rank.interest_paid[:, 0], [3.0, 0.0])
    close(by_rank.principal_paid[0, 0], 22.0)
    first = waterfall(plan(*notes, oc_target="all", interest="first"))
    close(first.interest_paid[:, 0], [3.0, 3.0])
    close(first.principal_paid[:, 0], [19.0, 0.0])
    # A turbo keeps the later rank's interest until A is repaid.
    turbo = Covenant("f", "pool factor", "max", 0.1, "turbo")
    controls = replace(PLAIN, triggers=True)
    held = waterfall(plan(*notes, oc_target="all", interest="first", controls=controls, tests=(turbo,)))
    assert held.trigger[0] == TURBO
    close(held.interest_paid[:, 0], [3.0, 0.0])


def test_fees_on_the_pool_and_in_money():
    paid = waterfall(plan(through("A", 1, 60.0), fee_rate=0.01, fee_base="pool", fee_amount=0.5))
    # 1 % of 100, 75, 50, 25 at the start of each year, and .5.
    close(paid.fees_due, [1.5, 1.25, 1.0, 0.75])
    notes = waterfall(plan(through("A", 1, 60.0), fee_rate=0.01, fee_amount=0.5, oc_target="all"))
    close(notes.fees_due[:2], [1.1, 0.5 + 0.01 * (60.0 - 25.0 + 1.1)])


def test_nobody_helps_with_fees_once_the_senior_classes_are_repaid():
    # 60 twice pay a fee of 30 and repay A; then 10 meet the fee, and nobody pays the rest.
    support = replace(PLAIN, support=True)
    given = plan(through("A", 1, 40.0), fee_amount=30.0, controls=support, oc_target="all")
    paid = waterfall(given, [60.0, 60.0, 10.0, 0.0])
    close(paid.balance[0], [10.0, 0.0, 0.0, 0.0])
    close(paid.support_drawn, [0.0] * 4)
    close(paid.fees_paid, [30.0, 30.0, 10.0, 0.0])


def test_a_period_is_tested_on_what_the_plan_pays_in_it():
    test = Covenant("DSCR", "period DSCR", "min", 1.0, "none")
    paid = waterfall(plan(*AB, tests=(test,)))
    # 25 come in; A gets 22.5 of what is passed through, then 15, and then nothing is due.
    close(paid.covenants[0, :3], [25.0 / 22.5, 25.0 / 22.5, 25.0 / 15.0])
    assert np.isinf(paid.covenants[0, 3]) and not paid.breaches.any()


# ------------------------------------------------------------------------------------ two accounts


def test_income_makes_defaults_good_and_principal_pays_senior_interest():
    notes = (through("A", 1, 60.0, 0.05), through("B", 2, 30.0, 0.10))
    given = plan(*notes, accounts="two", oc_target=0.1)
    # Year 1: income 8, principal 20, pool 70 instead of 75 (5 are lost). Interest 3 and 3 leaves 2 of income.
    # Notes may be 63: 27 wanted, 20 of principal and 2 of income are there.
    # Year 2: no income, principal 30, pool 40: A's interest of 1.9 comes from principal, B's 3 does not.
    # Notes may be 36 of 68: 32 wanted, 28.1 there.
    paid = waterfall(
        given, [28.0, 30.0, 0.0, 0.0], principal=[20.0, 30.0, 0.0, 0.0], balance=[70.0, 40.0, 40.0, 40.0]
    )
    close(paid.interest_paid[:, :2], [[3.0, 1.9], [3.0, 0.0]])
    close(paid.principal_paid[:, :2], [[22.0, 28.1], [0.0, 0.0]])
    close(paid.residual[:2], [0.0, 0.0])
    one = waterfall(
        plan(*notes, oc_target=0.1, interest="first"),
        [28.0, 30.0, 0.0, 0.0],
        balance=[70.0, 40.0, 40.0, 40.0],
    )
    close(one.interest_paid[:, 1], [1.9, 3.0])  # one account: B's interest comes before A's principal


def test_income_that_made_good_comes_back_to_the_later_rank_once_the_senior_is_repaid():
    """Under a turbo all principal is wanted; B's interest is still ahead of its principal."""
    notes = (through("A", 1, 20.0, 0.05), through("B", 2, 60.0, 0.10))
    turbo = Covenant("f", "pool factor", "max", 0.1, "turbo")
    controls = replace(PLAIN, triggers=True)
    given = plan(*notes, accounts="two", controls=controls, tests=(turbo,))
    paid = waterfall(given, [31.0, 31.0, 0.0, 0.0], principal=[25.0, 25.0, 0.0, 0.0])
    # Year 1: income 6, principal 25. A: interest 1, principal 20. B: 5 of its interest of 6, the other 5 of
    # principal. Year 2: interest of 5.5 and the 1 that is late, from income of 6; principal 25.
    close(paid.interest_paid[:, :2], [[1.0, 0.0], [5.0, 6.0]])
    close(paid.principal_paid[:, :2], [[20.0, 0.0], [5.0, 25.0]])


def test_principal_that_is_left_pays_interest_before_the_residual():
    notes = (Tranche("A", 1, 40.0, 0.0, "bullet", YEARS[0]), Tranche("B", 2, 20.0, 0.1, "bullet", YEARS[0]))
    paid = waterfall(plan(*notes, accounts="two"), [70.0, 0.0, 0.0, 0.0], principal=[69.0, 0.0, 0.0, 0.0])
    # B: 1 of its 2 from income, 20 of principal, the other 1 from the 9 of principal that are left.
    close(paid.interest_paid[1, 0], 2.0)
    close(paid.residual[0], 8.0)


# ------------------------------------------------------------------------- reserve and undertaking


def test_a_reserve_of_the_pool_shrinks_to_its_floor():
    controls = replace(PLAIN, reserve=True, reserve_unit="of pool", reserve_size=0.1, reserve_floor=0.04)
    given = plan(*AB, controls=controls)
    paid = waterfall(given)
    # 10 at closing; 7.5, 5, 4 (the floor) while A is outstanding, which it is until the third date.
    assert given.reserve == 10.0
    close(paid.reserve, [7.5, 5.0, 0.0, 0.0])
    close(paid.reserve_released, [2.5, 2.5, 5.0, 0.0])
    close(paid.residual, [5.0, 5.0, 7.5, 2.5])
    longer = waterfall(plan(through("A", 1, 90.0), controls=controls))
    close(longer.reserve, [7.5, 5.0, 4.0, 0.0])


def test_what_a_reserve_gives_back_is_for_senior_principal_under_a_turbo():
    controls = replace(PLAIN, triggers=True, reserve=True, reserve_unit="of pool", reserve_size=0.1)
    turbo = Covenant("f", "pool factor", "max", 0.1, "turbo")
    paid = waterfall(plan(*AB, controls=controls, tests=(turbo,)))
    # 25 and the 2.5 that the reserve gives back, twice; the third date repays A with 5.
    close(paid.principal_paid[:, :3], [[27.5, 27.5, 5.0], [0.0, 0.0, 25.0]])


def test_a_reserve_that_is_built_up():
    controls = replace(
        PLAIN, reserve=True, reserve_unit="money", reserve_size=4.0, reserve_funding="built up"
    )
    given = plan(*AB, controls=controls)
    assert (given.reserve, given.reserve_size) == (0.0, 4.0)
    paid = waterfall(given)
    # 2.5 are free each year: 2.5, then 1.5, and the rest.
    close(paid.reserve_topped, [2.5, 1.5, 0.0, 0.0])
    close(paid.residual, [0.0, 1.0, 6.5, 2.5])


@pytest.mark.parametrize(("unit", "cap"), [("money", 9.0), ("of notes", 0.1)])
def test_the_undertaking_pays_up_to_its_cap(unit, cap):
    note = Tranche("A", 1, 90.0, 0.0, "straight-line", YEARS[2])
    controls = replace(PLAIN, support=True, support_cap=cap, support_cap_unit=unit)
    given = plan(note, controls=controls)
    assert given.support_cap == 9.0
    paid = waterfall(given)
    # 30 are due, 25 come in: 5, then 4 of 5. Of the third 30 and the 1 that is late 25 come in.
    close(paid.support_drawn, [5.0, 4.0, 0.0, 0.0])
    close(paid.principal_missed[0], [0.0, 1.0, 6.0, 0.0])
    close(paid.balance[0], [60.0, 31.0, 6.0, 0.0])


def test_several_senior_ranks_are_protected_together():
    notes = (
        Tranche("A-1", 1, 30.0, 0.0, "bullet", YEARS[0], senior=True),
        Tranche("A-2", 2, 30.0, 0.0, "bullet", YEARS[1], senior=True),
        Tranche("B", 3, 30.0, 0.0, "bullet", YEARS[2]),
    )
    controls = replace(PLAIN, reserve=True, reserve_unit="money", reserve_size=7.0)
    paid = waterfall(plan(*notes, controls=controls))
    # 5 for A-1, 2 for A-2, which misses 3; B gets the third year's 25 less those 3.
    close(paid.reserve_drawn, [5.0, 2.0, 0.0, 0.0])
    close(paid.principal_paid, [[30.0, 0.0, 0.0, 0.0], [0.0, 27.0, 3.0, 0.0], [0.0, 0.0, 22.0, 8.0]])
    trap = Covenant("f", "pool factor", "max", 0.1, "trap")
    triggers = replace(controls, triggers=True)
    held = waterfall(plan(*notes, controls=triggers, tests=(trap,)), [60.0, 25.0, 25.0, 25.0])
    # The trap holds 30 back until A-2 is repaid; then B's schedule keeps 25 and the 7 of the reserve.
    assert held.trigger[0] == TRAP
    close(held.account, [30.0, 32.0, 0.0, 0.0])
    close(held.principal_paid[2], [0.0, 0.0, 30.0, 0.0])


# ----------------------------------------------------------------------------- call and revolving


def test_the_clean_up_call_repays_what_is_left():
    paid = waterfall(plan(*AB, cleanup=0.3, fee_amount=0.5))
    # Pool 25 after the third date, below 30: sold for 25. Notes 45 before it and fees .5; 25 + 25 in hand.
    close(paid.sale, [0.0, 0.0, 25.0, -25.0])
    close(paid.balance.sum(axis=0), [67.5, 45.0, 0.0, 0.0])
    close(paid.fees_due, [0.5, 0.5, 0.5, 0.0])
    close(paid.residual, [2.0, 2.0, 25.0 + 25.0 - 45.0 - 0.5, 0.0])
    assert not paid.short.any()
    # Notes of 110 could not be repaid: no call.
    large = waterfall(plan(through("A", 1, 110.0), cleanup=0.3))
    close(large.sale, [0.0] * 4)


def test_nothing_runs_up_after_the_call():
    """Fees on a pool that was sold were asked from the undertaking."""
    controls = replace(PLAIN, support=True)
    paid = waterfall(plan(*AB, controls=controls, cleanup=0.6, fee_rate=0.01, fee_base="pool"))
    close(paid.sale, [0.0, 50.0, -25.0, -25.0])
    close(paid.fees_due, [1.0, 0.75, 0.0, 0.0])
    close(paid.support_drawn, [0.0] * 4)


def two_years():
    """50 and 50; what they buy pays 25 and 25."""
    return loan(years=2)


def test_a_revolving_pool_buys_until_its_date():
    given = plan(*AB, pool=two_years(), revolving=YEARS[1])
    # Date 1 buys for 50, which pay 25 on dates 2 and 3; date 2 collects 50 + 25 and buys for 75: 37.5 twice.
    close(given.purchases, [50.0, 75.0, 0.0, 0.0])
    close(given.collections, [0.0, 0.0, 25.0 + 37.5, 37.5])
    close(given.balance, [100.0, 100.0, 37.5, 0.0])
    paid = waterfall(given)
    close(paid.principal_paid.sum(axis=0), [0.0, 0.0, 90.0 - 0.9 * 37.5, 0.9 * 37.5])


def test_a_trigger_ends_the_buying_on_its_date():
    ends = Covenant("f", "cumulative default ratio", "max", 0.1, "amortise")
    given = plan(
        *AB, pool=two_years(), revolving=YEARS[1], tests=(ends,), controls=replace(PLAIN, triggers=True)
    )
    # The test fails on the second date: its 75 are not spent, so that 37.5 do not come on each later date.
    paid = waterfall(given, default_ratio=[0.0, 0.2, 0.2, 0.2])
    close(paid.bought_less, [0.0, 75.0, -37.5, -37.5])
    # Pool 100, 25, 0: notes 90, 22.5, 0.
    close(paid.balance.sum(axis=0), [90.0, 22.5, 0.0, 0.0])
    close(paid.residual, [0.0, 7.5, 2.5, 0.0])
    # On the first date: 50, then 50, and that is all of the claim.
    first = waterfall(given, default_ratio=[0.2] * 4)
    close(first.bought_less, [50.0, 50.0, -62.5, -37.5])
    close(first.balance.sum(axis=0), [45.0, 0.0, 0.0, 0.0])
    # One of two obligors is gone: half of everything.
    half = waterfall(
        given,
        given.collections / 2,
        default_ratio=[0.2] * 4,
        balance=given.balance / 2,
        purchases=given.purchases / 2,
    )
    close(half.bought_less, first.bought_less / 2)


# ------------------------------------------------------------------------------------------ tests


def test_the_values_of_the_tests_on_the_pool():
    tests = (
        Covenant("OC", "overcollateralisation", "min", 0.05),
        Covenant("factor", "pool factor", "min", 0.3),
    )
    paid = waterfall(plan(*AB, tests=tests))
    # Claims of the date before its collections, notes before its payments: 10 of 100, 7.5 of 75, ...
    close(paid.covenants[0], [0.1, 0.1, 0.1, 0.1])
    close(paid.covenants[1], [0.75, 0.5, 0.25, 0.0])
    assert paid.breaches.tolist() == [[False] * 4, [False, False, True, True]]
    # Half of the claims default before the second date: 37.5 against 67.5 of notes.
    half = waterfall(
        plan(*AB, tests=tests),
        [25.0, 12.5, 12.5, 12.5],
        balance=[75.0, 25.0, 12.5, 0.0],
        outstanding=[100.0, 37.5, 25.0, 12.5],
    )
    close(half.covenants[0, :2], [0.1, (37.5 - 67.5) / 37.5])


def test_a_reserve_is_built_up_before_principal_where_interest_comes_first(build):
    # 24 a year: interest 5 % of 80 = 4, reserve 10, principal 10; then 5 % of 70 = 3.5, principal 20.5.
    classes = (Tranche("A", 1, 80.0, 0.05, "pass-through"), Tranche("B", 2, 20.0, 0.0, "pass-through"))
    deal = build(
        [[24.0] * 5],
        tranches=classes,
        fee_rate=0.0,
        oc_target="all",
        interest="first",
        controls=Controls(reserve_size=10.0, reserve_unit="money", reserve_funding="built up", support=False),
    )
    run = waterfall(apply(deal, BASE))
    assert run.reserve_topped[:2] == pytest.approx([10.0, 0.0])
    assert run.principal_paid[0, :2] == pytest.approx([10.0, 20.5])
    by_rank = replace(deal, terms=replace(deal.terms, interest="by rank"))
    # A turbo by rank leaves nothing for the reserve while A is outstanding.
    assert waterfall(apply(by_rank, BASE)).reserve_topped[:3] == pytest.approx([0.0, 0.0, 0.0])


def test_a_reserve_that_repays_the_senior_classes_as_it_shrinks_is_given_back():
    controls = replace(PLAIN, reserve=True, reserve_unit="of pool", reserve_size=0.2)
    paid = waterfall(plan(through("A", 1, 40.0), through("B", 2, 50.0), controls=controls, oc_target="all"))
    # The reserve shrinks from 20 to 15: A has 25 and 5, then 10. B has the rest of 25 and all of the reserve.
    close(paid.principal_paid, [[30.0, 10.0, 0.0, 0.0], [0.0, 30.0, 20.0, 0.0]])
    close(paid.reserve, [15.0, 0.0, 0.0, 0.0])
    # The 5 of the first date repay an A of 28: B has the other 2 and the 15.
    at_once = waterfall(
        plan(through("A", 1, 28.0), through("B", 2, 50.0), controls=controls, oc_target="all")
    )
    close(at_once.principal_paid[:, 0], [28.0, 17.0])
    close(at_once.reserve, [0.0] * 4)
    close(at_once.reserve_released, [20.0, 0.0, 0.0, 0.0])


@pytest.mark.parametrize("unit", [1.0, 1e6 / 3.0])
@pytest.mark.parametrize("months", [5, 10, 20])
def test_rounding_does_not_decide_when_the_pool_is_called(months, unit):
    dates = payment_dates(CLOSING, "month", months)
    claim = Loans(np.array([float(months)]), 0.06, ("linear",))
    pool = Pool(("Claim",), [100.0 * unit], np.zeros((1, months)), 0.0, 0.0, 0.0, 0.2, loans=claim)
    notes = (through("A", 1, 60.0 * unit), through("B", 2, 40.0 * unit))
    for left in range(1, months):
        # After all payments but `left` exactly that share of the pool is there, and exactly repays the notes.
        terms = Terms(CLOSING, dates, cleanup=left / months)
        paid = waterfall(apply(Deal(pool, notes, terms, PLAIN), BASE))
        assert np.flatnonzero(paid.sale > 0.0).tolist() == [months - left - 1]
        close(paid.sale[months - left - 1], 100.0 * unit * left / months)


def test_principal_that_is_kept_stays_principal():
    notes = (
        Tranche("A", 1, 60.0, 0.0, "schedule", YEARS[3], schedule=(0.0, 60.0, 0.0, 0.0)),
        Tranche("B", 2, 30.0, 0.3, "bullet", YEARS[3]),
    )
    paid = waterfall(plan(*notes, pool=loan(rate=0.1), accounts="two"))
    # Income is 10, 7.5, 5, 2.5 and B is owed 9 a year: 1 is left, and 8.5 are paid on the second date, while
    # the 25 of each date are A's. Then B gets what income lacks from principal that A leaves.
    close(paid.principal_paid, [[0.0, 50.0, 10.0, 0.0], [0.0, 0.0, 0.0, 30.0]])
    close(paid.interest_paid[1], [9.0, 8.5, 9.5, 8.0])
    close(paid.account, [26.0, 0.0, 10.5, 0.0])


def test_claims_that_were_not_bought_bring_no_interest():
    ends = Covenant("f", "cumulative default ratio", "max", 0.1, "amortise")
    notes = (through("A", 1, 60.0), through("B", 2, 40.0, 0.3))
    more = {"accounts": "two", "revolving": YEARS[1], "controls": replace(PLAIN, triggers=True)}
    given = plan(*notes, pool=loan(years=2, rate=0.1), tests=(ends,), **more)
    paid = waterfall(given, default_ratio=[0.2] * 4)
    # It ends at once, and the claim pays 50 + 10 and 50 + 5. B is owed 12, then 14: it gets the income of 10,
    # then that of 5, and nothing of the principal of either date, which repays both classes.
    close(paid.interest_paid[1], [10.0, 5.0, 0.0, 0.0])
    close(paid.principal_paid, [[50.0, 10.0, 0.0, 0.0], [0.0, 40.0, 0.0, 0.0]])
