"""What a deal could be for a target: worked by hand, plugged back, against the formula, and as laws."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path as File

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xlkmv.deal import terms
from xlkmv.deal.answers import quote_of
from xlkmv.deal.examples import example
from xlkmv.deal.kmv import kmv_view
from xlkmv.deal.paths.kept import KeptPaths
from xlkmv.deal.paths.run import simulate
from xlkmv.deal.plan.stressed import pool_lognormal
from xlkmv.deal.questions.candidates import (
    Question,
    coupon_question,
    moved,
    notes_question,
    recovery_question,
    reserve_question,
    resized,
    size_question,
    support_question,
    with_sizes,
)
from xlkmv.deal.questions.search import Curve, Trials
from xlkmv.deal.questions.structure import solve, target_pd
from xlkmv.deal.stress import BASE, Stress, apply
from xlkmv.deal.terms import ClassScale, Controls, Deal, Loans, Pool, Terms, Tranche, payment_dates
from xlkmv.errors import DomainError, InputError
from xlkmv.model.distance import safe_issue

sys.path.insert(0, str(File(__file__).parent))
from conftest import ALL_OFF, CLOSING, make_deal, yearly
from drawn import deals

SUBORDINATED = replace(ALL_OFF, subordination=True, excess_coverage=True, pledge=True)
# Of a payer with a PD of 2 % a year, within three years.
GONE = 1.0 - 0.98**3


def lump(**changes):
    """One obligor that owes 100 in three years and brings 40 in default: a PD is 0 or :data:`GONE`."""
    usual = {"pd": 0.02, "recovery": 0.4, "senior": 60.0, "junior": 40.0, "coupon": 0.0, "fee_rate": 0.0}
    usual |= {"payment": "bullet", "controls": SUBORDINATED, "paths": 20_000}
    return make_deal([[0.0, 0.0, 100.0]], **usual | changes)


def patents(paths):
    """The shipped deal, on fewer paths."""
    deal = example("patents").deal
    return replace(deal, terms=replace(deal.terms, paths=paths))


def answers(deal, target=0.01, **more):
    return {a.question: a for a in solve(deal, target, **more).answers}


# ------------------------------------------------------------------------------ worked by hand


def test_the_largest_size_is_what_a_default_leaves():
    found = solve(lump(), 0.01)
    for question in ("size", "stack"):
        answer = next(a for a in found.answers if a.question == question)
        assert answer.setting == pytest.approx(40.0, abs=0.011)
        assert (answer.now, answer.value) == (pytest.approx(0.6), pytest.approx(0.4, abs=1.1e-4))
        # The PD jumps past either end of the interval, and at the answer nothing is lost.
        assert answer.low == answer.value == answer.high
        assert answer.pd == 0.0
    assert found.pd["Senior"] == pytest.approx(GONE, abs=4 * np.sqrt(GONE / 20_000))
    assert found.issuable == pytest.approx(40.0, abs=0.011)


def test_a_reserve_has_to_bring_what_the_default_lacks():
    answer = answers(lump(controls=replace(SUBORDINATED, reserve_unit="money")))["reserve"]
    assert answer.setting == pytest.approx(20.0, abs=0.011)
    assert (answer.now, answer.value) == (0.0, pytest.approx(0.2, abs=1.1e-4))
    assert "There is no reserve now." in answer.remark


def test_notes_in_proportion_leave_the_senior_class_what_a_default_brings():
    answer = answers(lump())["notes"]
    assert answer.setting == pytest.approx(40.0 / 0.6, abs=0.011)
    assert (answer.now, answer.value) == (1.0, pytest.approx(1.5, abs=3e-4))


def test_the_largest_coupon_is_what_the_first_date_can_bear():
    deal = make_deal(senior=90.0, fee_rate=0.0, controls=SUBORDINATED, coupon=0.05, paths=1000)
    # 50 come in, 30 of principal and 90 c of interest are due; later dates are easier.
    assert answers(deal)["coupon"].setting == pytest.approx(np.floor(20 / 90 * 1e4) / 1e4)


def test_a_payer_may_be_as_bad_as_the_target_allows():
    controls = replace(SUBORDINATED, support=True, support_pd=0.5)
    scale = ClassScale(("A", "BB", "B"), (1.0,), ((0.001,), (0.05,), (0.2,)))
    answer = answers(lump(controls=controls, class_scale=scale))["support"]
    # Both gone by the third year, each for itself: GONE (1 - (1 - g)^3) = 1 %.
    payer = 1.0 - (1.0 - 0.01 / GONE) ** (1.0 / 3.0)
    assert answer.low <= payer <= answer.high
    assert answer.high / answer.low < 2.0
    assert answer.kmv is not None
    assert "grade BB will do" in answer.remark


def test_classes_behind_are_sized_on_what_those_ahead_leave():
    """Two obligors that owe 50 each: 40 are always there, a third is there unless both default."""
    dates = yearly(1)
    classes = [Tranche(n, k, a, 0.0, "bullet", dates[0]) for k, (n, a) in enumerate(SIZES, 1)]
    deal = make_deal(
        [[50.0], [50.0]],
        pd=0.1,
        recovery=0.4,
        correlation=0.0,
        fee_rate=0.0,
        tranches=classes,
        controls=SUBORDINATED,
        paths=20_000,
    )
    # Both default with 1 %, one at least with 19 %: 40, 70 and 100 come in.
    found = solve(deal, {"A": 0.005, "B": 0.05, "C": 0.5})
    stack = {a.name: a for a in found.answers if a.question == "stack"}
    assert [stack[n].setting for n in "ABC"] == pytest.approx([40.0, 30.0, 30.0], abs=0.02)
    assert found.issuable == pytest.approx(100.0, abs=0.05)
    alone = {a.name: a for a in found.answers if a.question == "size"}
    # With 50 ahead of it nothing of B is there when one defaults but 20.
    assert alone["B"].setting == pytest.approx(20.0, abs=0.011)
    last = "No class ranks below: all notes change."
    assert [last in alone[n].remark for n in "ABC"] == [False, False, True]


SIZES = (("A", 50.0), ("B", 25.0), ("C", 25.0))


def test_out_of_reach_says_how_close_it_gets():
    answer = answers(lump(recovery=0.0))["size"]
    assert (answer.value, answer.setting, answer.low) == (None, None, None)
    assert answer.pd == pytest.approx(GONE, abs=4 * np.sqrt(GONE / 20_000))
    close = f"Out of reach: even of the smallest piece the PD is {answer.pd:.2%} (s.e. "
    assert answer.remark.startswith(close)


def test_a_target_that_everything_meets_is_said_to_be_one():
    said = {question: answer.remark for question, answer in answers(lump(), target=0.9).items()}
    whole = "All that the pool brings could be"
    assert (said["size"], said["notes"]) == (f"{whole} of this class.", f"{whole} notes.")
    assert said["reserve"].startswith("It needs no reserve.")
    assert whole not in answers(lump())["size"].remark


def test_a_coupon_out_of_reach_may_still_matter():
    """Without a coupon the class is short when the obligor defaults, with one on the first date already."""
    found = answers(lump(recovery=0.0))["coupon"]
    assert found.remark.startswith("Out of reach") and "no difference" not in found.remark
    # Nothing reaches the notes: then it is indeed all the same.
    nothing = answers(lump(recovery=0.0, pd=1.0 - 1e-12))["coupon"]
    assert nothing.pd == 1.0 and "It makes no difference to this class." in nothing.remark


def test_why_no_coupon_is_small_enough():
    """Nothing comes in before the last date: without a coupon the class lives with its obligor."""
    found = answers(lump(), 0.1)["coupon"]
    assert (found.now, found.value) == (0.0, 0.0)
    assert found.pd == pytest.approx(GONE, abs=4 * np.sqrt(GONE / 20_000))
    assert found.remark == "Any coupon is too much: at 0.01% the PD is 100.00%."


def test_a_target_below_what_the_paths_show_is_answered_for_what_they_do_and_never_called_reached():
    deal, target = patents(2_000), 1e-5
    found, least = answers(deal, target), answers(deal, 10 / 2_000)
    said = (
        "The target of 0.0010% is less than 2,000 paths can show: the answer is for 0.50%, the least that "
        "they can; only that of the KMV view is for the target. The target takes 1,000,000 paths."
    )
    for question, answer in found.items():
        assert (answer.target, answer.shown_pd, answer.unshown) == (target, 0.005, said)
        same = least[question]
        assert (answer.value, answer.low, answer.high) == (same.value, same.low, same.high)
        assert (same.shown_pd, same.unshown) == (0.005, "")
    assert found["size"].kmv < least["size"].kmv


def test_more_paths_are_not_asked_for_than_can_be_kept():
    answer = answers(lump(paths=500), 1e-9)["size"]
    room = 4 * (1 << 24) // (3 * 2)
    assert answer.unshown.endswith(f"No more than {room:,} paths can be kept.")
    assert answer.unshown.startswith("The target of 1.0E-07% is less than 500 paths can show")


def test_a_class_is_named_by_its_beginning_where_that_is_its_own():
    deal = patents(2_000)
    assert solve(deal, {"senior": 0.1}).targets == {deal.tranches[0].name: 0.1}
    for unknown in ("S", "", "B"):  # S begins both
        with pytest.raises(InputError, match=rf"^class must be one of: Senior .* \(got '{unknown}'\)$"):
            solve(deal, {unknown: 0.1})


# ------------------------------------------------------------------------------ against the formula


@pytest.mark.parametrize("target", [1e-6, 1e-3, 0.2])
@pytest.mark.parametrize("drift", [0.0, -0.05])
def test_on_one_date_the_kmv_answer_is_the_safe_issue(target, drift):
    deal = make_deal(
        [[100.0]],
        pd=0.02,
        senior=50.0,
        junior=50.0,
        coupon=0.0,
        fee_rate=0.0,
        payment="bullet",
        controls=SUBORDINATED,
        volatility_source="user",
        volatility=0.2,
        drift=drift,
        paths=1_000,
    )
    answer = answers(deal, target)["size"]
    exact = float(safe_issue(100.0, target, 0.2, 1.0, drift))
    assert exact - 0.0101 <= 100.0 * answer.kmv <= exact * (1.0 + 1e-9)


# ------------------------------------------------------------------------------ plugged back


def bonds():
    """Sixty loans over twelve months, three classes of pass-through notes and a reserve of the pool."""
    dates = payment_dates(CLOSING, "month", 12)
    loans = Loans(term=np.full(60, 12.0), rate=0.08, amortisation=("annuity",) * 60)
    names = tuple(map(str, range(60)))
    pool = Pool(names, np.full(60, 10.0), np.zeros((60, 12)), 0.05, 0.3, 0.25, 0.15, loans=loans)
    notes = (("A", 400.0, 0.03), ("B", 100.0, 0.05), ("C", 80.0, 0.0))
    tranches = [Tranche(n, k, a, c, "pass-through") for k, (n, a, c) in enumerate(notes, 1)]
    controls = replace(SUBORDINATED, reserve=True, reserve_unit="of pool", reserve_size=0.01)
    rest = Terms(CLOSING, dates, oc_target="all", interest="first", paths=4_000, seed=5)
    return Deal(pool, tuple(tranches), rest, controls)


@pytest.mark.parametrize(
    ("deal", "targets"),
    [(patents(10_000), {"Senior (优先级)": 0.002}), (bonds(), {"A": 0.01, "B": 0.05})],
    ids=["patents", "bonds"],
)
def test_the_deal_with_the_answer_meets_the_target_and_one_step_more_does_not(deal, targets):
    sizes = {t.name: t.amount for t in deal.tranches}
    notes, pays = sum(sizes.values()), float(apply(deal, BASE).collections.sum())
    tried = 0
    for answer in solve(deal, targets).answers:
        question = {
            "size": lambda n: size_question("size", deal, sizes, n, pays),
            "reserve": lambda n: reserve_question(deal, n, notes),
            "notes": lambda n: notes_question(deal, n, notes, pays),
            "coupon": lambda n: coupon_question(deal, n),
            "support": lambda n: support_question(deal, n),
        }.get(answer.question)
        if question is None or answer.setting is None:
            continue
        asked = question(answer.name)
        at = int(np.argmin(abs(asked.candidates - answer.setting)))
        assert asked.candidates[at] == answer.setting

        def pd(place, asked=asked, name=answer.name):
            run = simulate(asked.trial(float(asked.candidates[place])))
            return next(t.anydate_pd for t in run.tranches if t.name == name)

        assert pd(at) == answer.pd <= answer.target
        if at + 1 < asked.candidates.size:
            assert pd(at + 1) > answer.target
            tried += 1
    assert tried >= 4


def test_each_class_has_its_own_target_and_a_grid_search_finds_the_same_stack():
    deal = bonds()
    deal = replace(deal, terms=replace(deal.terms, paths=1_000, class_scale=SCALE))
    grade = SCALE.limit("BB", 1.0)
    assert grade == pytest.approx(0.02)
    targets, limits = {"A": "BB", "B": 0.05, "C": 0.3}, {"A": grade, "B": 0.05, "C": 0.3}
    found = solve(deal, targets)
    assert found.targets == limits
    stack = {a.name: a for a in found.answers if a.question == "stack"}
    sizes = {t.name: t.amount for t in deal.tranches}
    pays = float(apply(deal, BASE).collections.sum())
    for name, limit in limits.items():
        assert stack[name].target == limit
        # Every hundredth of all that the class could be, one after the other from the smallest.
        most = pays - sum(size for other, size in sizes.items() if other in limits and other < name)
        grid = most * np.arange(1, 101) / 100
        within = 0.0
        for size in grid:
            run = simulate(with_sizes(deal, moved(deal, sizes, name, float(size))))
            if next(t.anydate_pd for t in run.tranches if t.name == name) > limit:
                break
            within = float(size)
        assert within <= stack[name].setting < within + most / 100
        sizes = moved(deal, sizes, name, stack[name].setting)
    assert found.issuable == pytest.approx(sum(sizes.values()))


# ------------------------------------------------------------------------------ laws


@settings(deadline=None, max_examples=60)
@given(deals(), st.data())
def test_a_class_grows_at_the_cost_of_those_below_and_no_other(deal, data):
    own = data.draw(st.sampled_from(deal.tranches))
    below = sum(t.amount for t in deal.tranches if t.rank > own.rank)
    amount = data.draw(st.floats(0.01, 1.0)) * (own.amount + below)
    sizes = {t.name: t.amount for t in resized(deal, own.name, amount).tranches}
    assert sizes[own.name] == pytest.approx(amount)
    for t in deal.tranches:
        if t.rank <= own.rank and t is not own:
            assert sizes[t.name] == t.amount
    before = sum(t.amount for t in deal.tranches)
    assert sum(sizes.values()) == pytest.approx(before if below else before - own.amount + amount)
    # The most junior class gives first: whoever has given something, those below it have given all.
    given_up = [t.amount - sizes.get(t.name, 0.0) for t in deal.tranches if t.rank > own.rank]
    left = [sizes.get(t.name, 0.0) for t in deal.tranches if t.rank > own.rank]
    for k in range(len(given_up)):
        if given_up[k] > 1e-6 * before:
            assert max(left[k + 1 :], default=0.0) <= 1e-6 * before


@settings(deadline=None, max_examples=40)
@given(deals(), st.data())
def test_kept_paths_say_what_a_simulation_of_the_structure_says(deal, data):
    deal = replace(
        deal,
        terms=replace(deal.terms, paths=300),
        controls=replace(deal.controls, excess_coverage=True),
    )
    own = data.draw(st.sampled_from(deal.tranches))
    other = resized(deal, own.name, data.draw(st.floats(0.3, 1.5)) * own.amount)
    other = replace(other, controls=replace(other.controls, support_cap=None))
    base = replace(deal, controls=replace(deal.controls, support_cap=None))
    kept = KeptPaths(base, 300).simulate(apply(other, BASE, by_plan=True))
    # Sums of 300 paths, taken in another order.
    for a, b in zip(kept.tranches, simulate(other).tranches, strict=True):
        figures = b.anydate_pd, b.pd, b.expected_loss
        assert (a.anydate_pd, a.pd, a.expected_loss) == pytest.approx(figures, rel=1e-12, abs=1e-15)


@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.too_slow])
@given(deals(), st.sampled_from([1e-5, 0.01, 0.1, 0.5]))
def test_any_deal_has_answers_that_hold(deal, target):
    deal = replace(deal, terms=replace(deal.terms, paths=100))
    found = solve(deal, dict.fromkeys([t.name for t in deal.tranches], target))
    for answer in found.answers:
        assert answer.shown_pd == max(target, 10 / found.paths)
        if answer.value is None:
            assert answer.pd > answer.shown_pd
            assert not answer.unshown
            assert answer.remark.startswith("Out of reach: even ")
            continue
        # What Home would quote of the paths alone is no worse than what the answer says it is for.
        assert quote_of(answer.pd, found.paths, 0.0).pd <= answer.shown_pd
        assert bool(answer.unshown) == (answer.shown_pd > target)
        assert answer.low is None or answer.low <= answer.value
        assert answer.high is None or answer.high >= answer.value
        if answer.question == "size":
            run = simulate(resized(deal, answer.name, answer.setting))
            assert next(t.anydate_pd for t in run.tranches if t.name == answer.name) == answer.pd


@settings(deadline=None, max_examples=6)
@given(st.floats(1e-3, 0.5), st.floats(1e-3, 0.5))
def test_a_looser_target_never_asks_for_more(p, q):
    strict, loose = (answers(small(), x) for x in sorted((p, q)))
    for question, better in (("size", 1), ("notes", -1), ("coupon", 1), ("reserve", -1)):
        a, b = (strict[question], loose[question])
        if a.value is not None:
            assert better * b.value >= better * a.value
        if a.kmv is not None:
            assert better * b.kmv >= better * a.kmv


def small():
    return make_deal(
        [[20.0, 20.0, 20.0]] * 5,
        pd=0.06,
        recovery=0.3,
        senior=200.0,
        junior=70.0,
        controls=RESERVE,
        paths=500,
    )


RESERVE = replace(SUBORDINATED, reserve=True, reserve_unit="money", reserve_size=5.0)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=400), st.floats(0.01, 0.99), st.booleans())
def test_the_search_finds_the_last_candidate_within_the_target(pds, target, coarse):
    rising = np.sort(pds)
    question = Question("size", "A", np.arange(rising.size, dtype=float), 0.0, lambda x: x, lambda x: x)
    curve = Curve(lambda place, name, recovered: (float(rising[int(place)]), 0.0), question)
    exact = int(np.searchsorted(rising, target, side="right")) - 1
    assert curve.last_within(target) == exact
    assert not curve.falls
    if coarse:
        near = curve.last_within(0.5 * target, near=exact)
        other = int(np.searchsorted(rising, 0.5 * target, side="right")) - 1
        assert near <= other
        assert other - near <= max(0.1 * abs(exact - near), 0)


def test_a_pd_that_falls_for_riskier_candidates_is_told():
    pds = [0.0, 0.0, 0.3, 0.0, 0.0, 0.0]
    question = Question("size", "A", np.arange(6.0), 0.0, lambda x: x, lambda x: x)
    curve = Curve(lambda place, name, recovered: (pds[int(place)], 0.001), question)
    assert curve.last_within(0.1) == 1
    curve.at(3)
    assert curve.falls


# ------------------------------------------------------------------------------ targets and bad input


SCALE = ClassScale(("AA", "BB"), (1.0, 3.0), ((0.001, 0.004), (0.02, GONE)))


def test_a_grade_is_its_default_rate_up_to_the_maturity():
    assert target_pd("bb", SCALE, 3.0) == pytest.approx(GONE)
    assert target_pd("AA", SCALE, 1.0) == pytest.approx(0.001)
    assert target_pd(0.25, SCALE, 3.0) == 0.25
    found = solve(lump(class_scale=SCALE, paths=500), {"Senior": "bb ", "Junior": 0.3})
    assert found.targets == {"Senior": pytest.approx(GONE), "Junior": 0.3}
    assert found.grades == {"Senior": "BB"}  # as the scale writes it


@pytest.mark.parametrize(
    ("target", "error", "sentence"),
    [
        (0.0, DomainError, r"target must be a probability above 0 and below 1, or .* \(got 0\)"),
        (1.0, DomainError, r"target must be .* \(got 1\)"),
        (float("nan"), DomainError, r"target must be .* \(got nan\)"),
        ("AAAA", InputError, r"target must be .*, or a grade \(AA, BB\) \(got 'AAAA'\)"),
        ({"Mezzanine": 0.1}, InputError, r"class must be one of: Senior, Junior \(got 'Mezzanine'\)"),
        ({}, InputError, "target must be given for one class at least"),
    ],
)
def test_bad_targets_are_one_sentence(target, error, sentence):
    with pytest.raises(error, match=sentence):
        solve(lump(class_scale=SCALE), target)


def test_paths_that_are_too_few_are_refused():
    with pytest.raises(DomainError, match="paths must be a whole number from 100"):
        solve(lump(), 0.1, paths=99)


def test_progress_rises_to_one_and_may_stop_it():
    seen: list[float] = []
    solve(lump(paths=500), 0.01, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0

    def stop(share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        solve(lump(paths=500), 0.01, progress=stop)


def test_without_excess_coverage_the_pool_follows_each_structure():
    """What is not due is not kept: the answer is still what a simulation of that structure says."""
    deal = replace(small(), controls=replace(RESERVE, excess_coverage=False))
    answer = answers(deal, 0.2)["size"]
    run = simulate(resized(deal, "Senior", answer.setting))
    assert run.tranches[0].anydate_pd == answer.pd <= 0.2


def test_a_floating_class_is_asked_for_its_margin():
    dates = yearly(3)
    curve = terms.Curve("base", (CLOSING,), (0.03,))
    notes = (
        Tranche("Senior", 1, 90.0, 0.0, "straight-line", dates[-1], base="base", margin=0.01),
        Tranche("Junior", 2, 10.0, 0.0, "bullet", dates[-1]),
    )
    deal = make_deal(tranches=notes, fee_rate=0.0, controls=SUBORDINATED, curves=(curve,), paths=500)
    answer = answers(deal, 0.02)["coupon"]
    # The coupon of the fixed class above, less the base.
    assert answer.setting == pytest.approx(np.floor((20 / 90 - 0.03) * 1e4) / 1e4)
    assert answer.remark == "Margin over base."


def test_controls_that_protect_others_are_not_asked_about():
    asked = {(a.name, a.question) for a in solve(lump(controls=Controls()), {"Junior": 0.3}).answers}
    assert {q for _, q in asked} == {"size", "stack", "notes", "coupon", "recovery"}


# ------------------------------------------------------------------------------ least recovery


def test_the_least_recovery_is_what_the_class_lacks_when_its_obligor_defaults():
    """60 are due and 100 owed: with 60 % of it the class is whole."""
    answer = answers(lump())["recovery"]
    assert (answer.now, answer.value) == (pytest.approx(0.4), pytest.approx(0.6, abs=1.1e-4))
    assert answer.setting == pytest.approx(1.5, abs=3e-4)
    assert answer.pd == 0.0 and answer.low == answer.value == answer.high
    assert answers(lump(senior=30.0, junior=70.0))["recovery"].value == pytest.approx(0.3, abs=1.1e-4)
    whole = answers(lump(), target=0.9)["recovery"]
    assert (whole.value, whole.remark) == (0.0, "Whatever defaults bring.")
    # Of a class beyond what the pool owes not even all of it is enough.
    beyond = answers(lump(senior=100.5, junior=10.0))["recovery"]
    assert beyond.remark.startswith("Out of reach: even at 100.00% the PD is 100.00%")


@pytest.mark.parametrize(
    ("deal", "targets"),
    [(patents(10_000), {"Senior (优先级)": 0.002}), (bonds(), {"B": 0.003, "C": 0.02})],
    ids=["patents", "bonds"],
)
def test_a_simulation_of_the_deal_with_the_least_recovery_meets_the_target(deal, targets):
    deal = replace(deal, controls=deal.controls.without("support"))
    found = [a for a in solve(deal, targets).answers if a.question == "recovery"]
    assert len(found) == len(targets)
    for answer in found:
        candidates = recovery_question(deal, answer.name).candidates
        at = int(np.argmin(abs(candidates - answer.setting)))
        assert candidates[at] == answer.setting > 0.0
        mean = np.average(deal.pool.recovery, weights=deal.pool.amount)
        assert (answer.now, answer.value) == pytest.approx((mean, answer.setting * mean))
        for factor, within in ((candidates[at], True), (candidates[at + 1], False)):
            other = replace(deal, pool=replace(deal.pool, recovery=factor * deal.pool.recovery))
            pd = next(t.anydate_pd for t in simulate(other).tranches if t.name == answer.name)
            assert (pd <= answer.target) == within
            assert not within or pd == pytest.approx(answer.pd, abs=1.1 / deal.terms.paths)
        # The condition "recovery times this" is the same deal.
        stressed = kmv_view(deal, Stress("x", recovery_multiplier=answer.setting)).tranches
        other = replace(deal, pool=replace(deal.pool, recovery=answer.setting * deal.pool.recovery))
        for a, b in zip(stressed, kmv_view(other).tranches, strict=True):
            assert a.anydate_pd_at_maturity == pytest.approx(b.anydate_pd_at_maturity, rel=1e-9)


@settings(deadline=None, max_examples=30)
@given(deals(), st.floats(0.0, 1.0))
def test_kept_paths_recover_what_a_simulation_with_other_rates_recovers(deal, share):
    controls = replace(deal.controls, excess_coverage=True, pledge=True)
    deal = replace(deal, terms=replace(deal.terms, paths=300), controls=controls)
    question = recovery_question(deal, deal.tranches[0].name)
    if question is None:
        return
    factor = share * float(question.candidates[0])
    other = question.trial(factor)
    kept = KeptPaths(deal, 300)
    run = kept.simulate(apply(deal, BASE, by_plan=True), factor, pool_lognormal(apply(other, BASE)))
    for a, b in zip(run.tranches, simulate(other).tranches, strict=True):
        # A payment that is missed by the last digits of a sum may be missed here and not there.
        assert a.expected_loss == pytest.approx(b.expected_loss, rel=1e-9, abs=1e-12)
        assert (a.anydate_pd, a.pd) == pytest.approx((b.anydate_pd, b.pd), abs=1.1 / 300)


def test_recoveries_that_are_none_or_drawn_or_make_the_defaults_are_not_asked_about():
    deal = lump()
    assert recovery_question(lump(recovery=0.0), "Senior") is None
    curve = replace(deal.terms, default_timing="loss curve", loss_curve=(0.001, 0.002, 0.005))
    assert recovery_question(replace(deal, terms=curve), "Senior") is None
    unpledged = replace(deal.controls, pledge=False, unpledged_recovery=0.3)
    assert recovery_question(replace(deal, controls=unpledged), "Senior") is None
    low = recovery_question(replace(deal, controls=replace(unpledged, unpledged_recovery=0.5)), "Senior")
    assert low.candidates[0] == pytest.approx(0.5 / 0.4)


def test_a_question_says_by_how_much_its_recoveries_move():
    deal = lump(senior=30.0, junior=70.0)
    sizes = {t.name: t.amount for t in deal.tranches}
    assert recovery_question(deal, "Senior").recovered(0.75) == 0.75
    assert size_question("size", deal, sizes, "Senior", 100.0).recovered(0.75) == 1.0
    trials = Trials(deal, 4000, lambda: None)
    less = replace(deal, pool=replace(deal.pool, recovery=0.5 * deal.pool.recovery))
    # A default brings 40, or 20, of the 30 that are owed.
    assert trials.simulated(deal, "Senior")[0] == 0.0
    pd, error = trials.simulated(less, "Senior", 0.5)
    assert pd == pytest.approx(GONE, abs=4.0 * error) and error < 0.005
