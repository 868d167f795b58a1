"""Two deals side by side: every term is seen, the way from one to the other adds up and ends there."""

from __future__ import annotations

import datetime as dt
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlkmv.deal.examples import example
from xlkmv.deal.kmv import kmv_view
from xlkmv.deal.paths.run import simulate
from xlkmv.deal.questions import compare as module
from xlkmv.deal.questions.compare import compare, differences
from xlkmv.deal.terms import Controls, Covenant, Curve, Deal, Loans, Pool, Recoveries, Terms, Tranche
from xlkmv.errors import InputError

PATHS = 2_000


@pytest.fixture(scope="module")
def base():
    deal = example("patents").deal
    return replace(deal, terms=replace(deal.terms, paths=PATHS))


# One change of every kind: the part that says so, the item, and both texts.
CHANGES = {
    "PDs of the obligors": (
        lambda d: replace(d, pool=replace(d.pool, pd=d.pool.pd * 2.0)),
        [("PD (11 of 11 rows)", "1.43023 % on average", "2.86047 % on average")],
    ),
    "Recoveries": (
        lambda d: replace(d, pool=replace(d.pool, recovery=np.append(d.pool.recovery[:-1], 0.1))),
        [("recovery (1 of 11 rows)", "40 % on average", "39.701 % on average")],
    ),
    "Amounts and schedules of the claims": (
        lambda d: replace(d, pool=replace(d.pool, schedule=d.pool.schedule * 1.1)),
        [("schedule (11 of 11 rows)", "354,975,144.2 in all", "390,472,658.62 in all")],
    ),
    "Amounts of the classes": (
        lambda d: replace(d, tranches=(replace(d.tranches[0], amount=280e6), d.tranches[1])),
        [("amount of Senior (优先级)", "285,950,000", "280,000,000")],
    ),
    "Coupons": (
        lambda d: replace(d, tranches=(replace(d.tranches[0], coupon=0.05), d.tranches[1])),
        [("coupon of Senior (优先级)", "4 %", "5 %")],
    ),
    "Classes": (
        lambda d: replace(d, tranches=d.tranches[:1]),
        [("class Subordinate (次级)", "rank 2, 15,050,000, 0 %, bullet, to 2024-09-11", "none")],
    ),
    "Reserve account": (
        lambda d: replace(d, controls=replace(d.controls, reserve_size=2.0)),
        [("reserve size", "1", "2")],
    ),
    "Shortfall undertaking": (
        lambda d: replace(d, controls=d.controls.without("support")),
        [("on", "yes", "no")],
    ),
    "Covenants": (lambda d: replace(d, covenants=d.covenants[:1]), None),
    "Senior fees": (
        lambda d: replace(d, terms=replace(d.terms, fee_rate=0.01)),
        [("fee rate", "0.2 %", "1 %")],
    ),
    "Copula": (
        lambda d: replace(d, terms=replace(d.terms, copula="t")),
        [("copula", "gaussian", "t")],
    ),
    "Paths and seed": (
        lambda d: replace(d, terms=replace(d.terms, seed=5)),
        [("seed", "2,019", "5")],
    ),
    "Payment dates, with claims and classes": (
        lambda d: replace(d, terms=replace(d.terms, closing=dt.date(2019, 9, 1))),
        [("closing", "2019-09-11", "2019-09-01")],
    ),
}


@pytest.mark.parametrize("part", CHANGES)
def test_a_change_is_named_and_measured(base, part):
    change, lines = CHANGES[part]
    other = change(base)
    found = differences(base, other)
    assert {d.part for d in found} == {part}
    if lines is not None:
        assert [(d.item, d.before, d.after) for d in found] == lines
    way = compare(base, other)
    assert way.headline == other.tranches[other.headline].name
    found = {(s.name, s.label): s for s in way.steps}
    assert {label for _, label in found} == {"as it is", part}
    for label, deal in (("as it is", base), (part, other)):
        runs, views = simulate(deal).tranches, kmv_view(deal).tranches
        assert [name for name, at in found if at == label] == [t.name for t in deal.tranches]
        for run, view in zip(runs, views, strict=True):
            step = found[run.name, label]
            assert (step.simulated, step.simulated_error) == (run.anydate_pd, run.anydate_pd_error)
            assert (step.kmv, step.expected_loss) == (view.anydate_pd_at_maturity, run.expected_loss)
            assert step.paths == PATHS


@given(st.sets(st.sampled_from([p for p in CHANGES if p != "Payment dates, with claims and classes"])))
@settings(max_examples=12, deadline=None)
def test_changes_add_up_to_the_other_deal_and_nothing_is_left(base, parts):
    other = base
    for part in parts:
        if part == "Classes" and parts & {"Amounts of the classes", "Coupons"}:
            continue  # these speak of two classes
        other = CHANGES[part][0](other)
    way = compare(base, other, paths=500)
    assert set(way.classes) == {t.name for t in base.tranches}
    runs = {t.name: t for t in simulate(other, paths=500).tranches}
    for name in way.classes:
        first, *steps = way.of_class(name)
        assert np.isnan([first.change, first.change_error, first.kmv_change]).all()
        last = [first, *steps][-1]
        moved, by_view = sum(s.change for s in steps), sum(s.kmv_change for s in steps)
        assert moved == pytest.approx(last.simulated - first.simulated, abs=1e-12)
        assert by_view == pytest.approx(last.kmv - first.kmv, abs=1e-12)
        if name in runs:
            assert last.simulated == runs[name].anydate_pd
    labels = {p for s in way.of_class(way.headline)[1:] for p in s.label.split("; ")}
    assert {d.part for d in way.differences} == labels


def test_a_class_that_comes_or_goes_has_the_steps_it_is_there_for(base):
    other = CHANGES["Classes"][0](CHANGES["PDs of the obligors"][0](base))
    gone = base.tranches[1].name
    to, back = compare(base, other, paths=500), compare(other, base, paths=500)
    assert [s.label for s in to.of_class(gone)] == ["as it is", "PDs of the obligors"]
    (only,) = back.of_class(gone)
    assert only.label == "Classes" and np.isnan(only.change)
    assert to.classes[-1] == gone and back.classes == tuple(t.name for t in base.tranches)


def test_both_deals_see_as_many_paths_as_the_one_that_asks_for_more(base):
    other = replace(base, terms=replace(base.terms, paths=2 * PATHS))
    for way in (compare(base, other), compare(other, base)):
        assert {s.paths for s in way.steps} == {2 * PATHS}
        assert {s.label for s in way.steps} == {"as it is", "Paths and seed"}
        # The number of paths is no reason for anything then.
        assert {s.change for s in way.steps if s.label != "as it is"} == {0.0}


def test_equal_deals_have_no_differences(base):
    same = replace(base, pool=replace(base.pool), terms=replace(base.terms))
    assert differences(base, same) == ()
    assert {s.label for s in compare(base, same).steps} == {"as it is"}


def test_every_term_that_a_deal_can_say_belongs_to_a_change():
    def listed(groups):
        return {name for _, names in groups for name in names}

    assert listed(module.POOL) == {f.name for f in fields(Pool)} - {"name"}
    assert listed(module.NOTES) == {f.name for f in fields(Tranche)} - {"name"}
    terms = {f.name for f in fields(Terms)} - {"closing", "dates", "day_count"}
    assert listed(module.TERMS) == terms
    figures = {name for control in module.CONTROLS.values() for name in control.figures}
    assert figures | set(module.CONTROLS) == {f.name for f in fields(Controls)}
    assert {f.name for f in fields(Deal)} == {"pool", "tranches", "terms", "controls", "covenants", "today"}


def test_loan_terms_are_compared_column_by_column(build):
    loans = Loans(term=np.array([24.0, 36.0]), rate=np.array([0.06, 0.08]))
    deal = build([[50.0] * 3] * 2)
    pool = replace(deal.pool, schedule=np.zeros((2, 3)), loans=loans)
    deal = replace(deal, pool=pool)
    other = replace(deal, pool=replace(pool, loans=replace(loans, rate=np.array([0.06, 0.09]))))
    (found,) = differences(deal, other)
    assert (found.item, found.before, found.after) == (
        "rate (1 of 2 rows)",
        "7 % on average",
        "7.5 % on average",
    )


def test_recoveries_that_are_drawn_are_compared_column_by_column(build):
    first = build([[30.0, 30.0], [20.0, 20.0]], recovery=[0.4, 0.0])
    pool = replace(first.pool, recoveries=Recoveries(pledge=[np.nan, 25.0], spread=[0.1, 0.0]))
    second = replace(first, pool=pool)
    found = {d.item: (d.before, d.after) for d in differences(first, second)}
    assert found == {
        "spread (1 of 2 rows)": ("0 % on average", "6 % on average"),
        "pledge (1 of 2 rows)": ("0 in all", "25 in all"),
    }
    assert {d.part for d in differences(second, first)} == {"Recoveries"}
    assert differences(second, replace(second)) == ()


def test_what_makes_no_deal_alone_is_changed_together(build):
    deal = build()
    curve = Curve("base", (deal.terms.closing,), (0.03,))
    senior = replace(deal.tranches[0], base="base", margin=0.01)
    other = replace(
        deal,
        terms=replace(deal.terms, curves=(curve,), fee_rate=0.02),
        tranches=(senior, deal.tranches[1]),
    )
    # A floating class needs its curve, which comes later in the order.
    way = compare(deal, other, paths=100)
    labels = [s.label for s in way.of_class(way.headline)]
    assert labels == ["as it is", "Coupons; Base curves", "Senior fees"]


def test_a_curve_and_the_recoveries_that_it_needs_are_changed_together(build):
    def deal(recovery, *curve):
        terms = {"default_timing": "loss curve", "loss_curve": curve, "fee_rate": 0.01 + recovery / 100.0}
        return build([[50.0, 50.0, 50.0]], pd=0.05, recovery=recovery, **terms)

    # Of .7 recovered no half of the pool can be lost.
    poor, good = deal(0.0, 0.2, 0.4, 0.5), deal(0.7, 0.03, 0.05, 0.06)
    for one, other, labels in (
        (poor, good, ["as it is", "Recoveries; Senior fees; Default timing"]),
        (good, poor, ["as it is", "Recoveries", "Senior fees", "Default timing"]),
    ):
        way = compare(one, other, paths=100)
        assert [s.label for s in way.of_class(way.headline)] == labels


def test_different_deals_are_not_compared(base):
    with pytest.raises(InputError, match="cases must be of one deal: no obligor is in both"):
        compare(base, example("auto").deal)


def test_covenants_are_named(base):
    one = Covenant("Only", "coverage", "min", 1.0)
    (found,) = differences(replace(base, covenants=()), replace(base, covenants=(one,)))
    assert (found.item, found.before, found.after) == ("tests", "none", "Only")
