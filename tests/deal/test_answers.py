"""The figures of each class: which PD is quoted and why, loss given default, yield, grade."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlkmv.deal.analysis import analyse
from xlkmv.deal.answers import (
    Quote,
    class_answers,
    condition_quotes,
    loss_given_default,
    quoted_pd,
    range_of,
    range_text,
    rate,
    strongest_conditions,
    upper_bound,
)
from xlkmv.deal.examples import EXAMPLES, example
from xlkmv.deal.questions.uncertainty import Spread
from xlkmv.deal.stress import BASE, Stress
from xlkmv.deal.terms import CONTROLS, ClassScale, Controls, Deal, Ranges


@given(st.integers(0, 9), st.sampled_from([100, 2_000, 100_000]))
def test_the_bound_leaves_one_run_in_twenty_with_so_few(short: int, paths: int) -> None:
    p = upper_bound(short, paths)
    chance = sum(
        math.comb(paths, i) * p**i * math.exp((paths - i) * math.log1p(-p)) for i in range(short + 1)
    )
    assert chance == pytest.approx(0.05, rel=1e-9)


def test_the_bound_of_none_and_of_all() -> None:
    assert upper_bound(0, 20_000) == pytest.approx(1.0 - 0.05 ** (1 / 20_000), rel=1e-12)
    assert upper_bound(0, 20_000) < 3.0 / 20_000  # the rule of three lies above it
    assert upper_bound(7, 7) == 1.0


@pytest.mark.parametrize(
    ("short", "kmv", "pd", "why"),
    [
        (10, 0.9, 1e-4, "simulated"),
        (2_500, 0.0, 0.025, "simulated"),
        (4, 1e-9, upper_bound(4, 100_000), "bound: 4 of 100,000 paths"),
        (9, 1e-9, 1e-4, "bound: 9 of 100,000 paths"),
        (0, 1e-9, upper_bound(0, 100_000), "bound: none of 100,000 paths"),
        (0, 1e-3, 1e-3, "KMV view; none of 100,000 paths"),
        (3, 1e-3, 1e-3, "KMV view; 3 of 100,000 paths"),
    ],
)
def test_the_pd_to_quote(short: int, kmv: float, pd: float, why: str) -> None:
    quote = quoted_pd(short, 100_000, kmv)
    assert (quote.pd, quote.why) == (pd, why)


@given(st.integers(0, 2_000), st.floats(0.0, 1.0))
def test_what_is_quoted_contradicts_nothing_that_was_seen(short: int, kmv: float) -> None:
    quote = quoted_pd(short, 2_000, kmv)
    assert short / 2_000 <= quote.pd <= 1.0
    if short < 10:
        assert quote.pd >= kmv


@given(st.integers(0, 1_998))
def test_more_short_paths_are_never_quoted_better(short: int) -> None:
    assert quoted_pd(short, 2_000, 0.0).pd <= quoted_pd(short + 1, 2_000, 0.0).pd


def test_loss_given_default() -> None:
    assert loss_given_default(0.006, 0.02) == pytest.approx(0.3)
    assert math.isnan(loss_given_default(0.0, 0.0))


def test_the_conditions_that_move_it_most_worst_first() -> None:
    quotes = [Quote(pd, "") for pd in (0.01, 0.02, 0.01, 0.0001, 0.03, 0.009, 0.5)]
    # Ratios 2, 1, 1/100, 3, 1/1.1 and 50: by size 6, 3, 4, 1, 5; the third is as the base.
    assert strongest_conditions(quotes, 3) == [6, 4, 3]
    assert strongest_conditions(quotes) == [6, 4, 1, 5, 3]
    assert strongest_conditions(quotes[:1]) == []
    # A bound that is higher tells of fewer paths, not of more risk; one that is lower tells of less.
    bounds = [quotes[0], *(Quote(pd, "", "bound") for pd in (0.02, 0.001)), Quote(0.02, "", "KMV")]
    assert strongest_conditions(bounds) == [3, 2]


# ------------------------------------------------------------------------------------- whole deals


def fast(deal: Deal, paths: int = 2_000) -> Deal:
    return replace(deal, terms=replace(deal.terms, paths=paths))


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_class_of_every_example(name: str) -> None:
    deal = fast(example(name).deal)
    analysis = analyse(deal, quick=True)
    answers = class_answers(deal, analysis)
    assert [a.name for a in answers] == [t.name for t in deal.tranches]
    for k, (answer, tranche) in enumerate(zip(answers, deal.tranches, strict=True)):
        run = analysis.simulated_base.tranches[k]
        assert answer.horizon == deal.terms.times[analysis.base.tranches[k].maturity]
        grades, limits = deal.terms.class_scale.grades, deal.terms.class_scale.limits(answer.horizon)
        allowed = [g for g, limit in zip(grades, limits, strict=True) if limit >= answer.quote.pd]
        assert answer.grade == (allowed or ["below CCC/C"])[0]
        # An undertaking is spoken of where one stands behind the class.
        assert (answer.alone is None) == (not deal.controls.support or not deal.senior[k])
        if answer.alone is not None:
            assert answer.alone.pd >= run.anydate_pd
        value = run.expected_paid @ (1.0 + answer.yield_at_par) ** -deal.terms.times
        assert value == pytest.approx(tranche.amount, rel=1e-9)


def test_a_note_that_nobody_can_miss_yields_its_coupon(build: Callable[..., Any]) -> None:
    # Yearly dates, 10 % on what is outstanding, everybody pays: the rate of return is the coupon.
    deal = build([[100.0, 100.0, 100.0]], day_count="30/360", paths=1_000)
    senior, junior = class_answers(deal, analyse(deal, quick=True))
    assert senior.yield_at_par == pytest.approx(0.10, rel=1e-12)
    assert junior.yield_at_par == pytest.approx(0.0, abs=1e-12)  # its coupon is 0
    assert senior.average_life == 2.0 and junior.average_life == 3.0
    assert senior.expected_loss == 0.0 and math.isnan(senior.loss_given_default)
    assert senior.quote.why == "bound: none of 1,000 paths"


def test_a_class_that_is_short_when_its_only_obligor_defaults(build: Callable[..., Any]) -> None:
    deal = build([[50.0, 50.0, 50.0]], pd=0.1, paths=10_000, controls=Controls().without(*CONTROLS))
    senior = class_answers(deal, analyse(deal, quick=True))[0]
    assert senior.quote.why == "simulated" and senior.alone is None
    # One in ten defaults each year; the tolerance is four standard errors.
    assert senior.quote.pd == pytest.approx(1.0 - 0.9**3, abs=0.018)


def test_the_grade_is_that_of_the_users_scale(five: Callable[..., Any]) -> None:
    one = ClassScale(("only",), (5.0,), ((0.999999,),))
    deal = five()
    mine = replace(deal, terms=replace(deal.terms, class_scale=one))
    assert {a.grade for a in class_answers(mine, analyse(mine, quick=True))} == {"only"}


def test_each_condition_is_quoted_by_the_same_rule(five: Callable[..., Any]) -> None:
    deal = five()
    stresses = (BASE, Stress("PD x 3", pd_multiplier=3.0))
    found = analyse(deal, stresses)
    base, worse = condition_quotes(found, 3)
    assert base == class_answers(deal, found)[3].quote
    run = found.simulated[1].simulation.tranches[3].anydate_pd
    assert run >= 10 / 2000 and (worse.pd, worse.why) == (pytest.approx(run), "simulated")
    assert condition_quotes(analyse(deal, stresses, quick=True), 3) == ()


def test_ranges_go_round_the_figures(five: Callable[..., Any]) -> None:
    deal = five()
    without = class_answers(deal, analyse(deal, [BASE], quick=True))
    assert {(a.pd_range, a.distance_range, a.loss_range) for a in without} == {(None, None, None)}
    found = class_answers(deal, analyse(deal, [BASE], ranges=Ranges(recovery=(0.2, 0.6))))
    for answer in found:
        assert answer.pd_range is not None and answer.distance_range is not None
        assert answer.pd_range[0] <= answer.quote.pd <= answer.pd_range[1]
        assert answer.distance_range[0] < answer.distance < answer.distance_range[1]


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        (None, ""),
        ((0.00003, 0.0006), "0.003 to 0.06 %"),
        ((0.14, 0.9934), "14 to 99.34 %"),
        ((0.0, 0.0003), "below 0.03 %"),
        ((9e-7, 0.0003), "below 0.03 %"),
        ((1e-9, 1e-8), "below 0.0001 %"),
        ((0.0, 0.0), "0 to 0 %"),
    ],
)
def test_intervals_in_words(ends: tuple[float, float] | None, words: str) -> None:
    assert str(range_text(ends)) == words


def test_a_rare_class_has_the_interval_of_the_simulation_whichever_view_is_quoted() -> None:
    """The shipped deal with seeds that show 8 short paths of 100,000, and 18: the one interval, nearly."""
    shipped, found = example("patents"), []
    for seed, short in ((4007, 8), (1007, 18)):
        deal = replace(shipped.deal, terms=replace(shipped.deal.terms, seed=seed))
        analysis = analyse(deal, [BASE], ranges=shipped.ranges)
        answer, run = class_answers(deal, analysis)[0], analysis.simulated_base
        assert round(run.tranches[0].anydate_pd * run.paths) == short
        assert answer.quote.source == ("simulated" if short >= 10 else "bound")
        assert answer.pd_range_of == "the simulation"
        assert answer.pd_range is not None and answer.loss_range is not None
        assert answer.pd_range[0] <= answer.quote.pd <= answer.pd_range[1]
        found.append((*answer.pd_range, *answer.loss_range))
    assert np.log(found[0]) == pytest.approx(np.log(found[1]), abs=1.0)


def test_where_too_few_paths_are_short_no_interval_is_said(five: Callable[..., Any]) -> None:
    deal = five()
    analysis = analyse(deal, [BASE], ranges=Ranges(recovery=(0.2, 0.6)))
    assert analysis.uncertainty is not None
    unknown = [replace(c, pd=None, simulated=False) for c in analysis.uncertainty.classes]
    without = replace(analysis, uncertainty=replace(analysis.uncertainty, classes=tuple(unknown)))
    for answer in class_answers(deal, without):
        assert answer.pd_range is None and answer.pd_range_error is None
        assert answer.pd_range_of == "too few paths: raise them"


@pytest.mark.parametrize(("error", "told"), [(0.1, True), (1.0, False)])
def test_an_end_that_is_not_known_to_a_factor_is_not_said(
    five: Callable[..., Any], error: float, told: bool
) -> None:
    """About PDs of 1 % and more a distance of 1.0 is more than a factor e, and .1 is less."""
    deal = five()
    analysis = analyse(deal, [BASE], ranges=Ranges(recovery=(0.2, 0.6)))
    assert analysis.uncertainty is not None
    spread = Spread(-0.5, 0.5, np.ones(1), np.ones(1), error, error, np.zeros(1), np.zeros(1))
    classes = tuple(
        replace(c, pd=spread, expected_loss=spread, simulated=True) for c in analysis.uncertainty.classes
    )
    known = replace(analysis, uncertainty=replace(analysis.uncertainty, classes=classes))
    seen = [a for a in class_answers(deal, known) if 1e-4 < a.quote.pd < 0.1]
    assert seen
    for answer in seen:
        assert (answer.pd_range is not None) == told == (answer.pd_range_error is not None)
        assert str(range_of(answer)) == (str(range_text(answer.pd_range)) if told else "too wide to say")


def test_a_bound_is_one_over_the_whole_range() -> None:
    auto = example("auto").deal
    mean = float(auto.pool.share @ auto.pool.pd)
    answer = class_answers(auto, analyse(auto, [BASE], ranges=Ranges(pd=(0.5 * mean, 2.0 * mean))))[0]
    assert answer.quote.source == "bound" and answer.pd_range is not None
    assert answer.pd_range[0] < 1e-10 and answer.pd_range[1] == answer.quote.pd
    assert answer.pd_range_of == "KMV view to the bound" and answer.loss_range is None


def test_a_deal_is_rated_as_a_refresh_does_it():
    deal = example("patents").deal
    deal = replace(deal, terms=replace(deal.terms, paths=2_000))
    assert rate(deal) == class_answers(deal, analyse(deal, quick=True))
    unsupported = replace(deal, controls=deal.controls.without("support"))
    assert rate(unsupported)[0].alone is None
