"""What if an obligor defaults, or cannot: the same as a condition, and as a PD of 0."""

from __future__ import annotations

from dataclasses import replace

import pytest

from xlkmv.deal.examples import example
from xlkmv.deal.kmv import kmv_view
from xlkmv.deal.paths.run import simulate
from xlkmv.deal.questions.whatif import what_if
from xlkmv.deal.stress import BASE, Stress
from xlkmv.deal.terms import Deal
from xlkmv.errors import DomainError, InputError

PATHS = 2_000


@pytest.fixture(scope="module")
def deal() -> Deal:
    return example("patents").deal


def test_each_case_is_what_a_condition_or_a_pd_of_nothing_says(deal: Deal) -> None:
    name, row = deal.pool.name[4], 4
    found = what_if(deal, f" {name.upper()} ", paths=PATHS)
    assert {case.obligor for case in found} == {name}
    pd = deal.pool.pd.copy()
    pd[row] = 0.0
    safe = replace(deal, pool=replace(deal.pool, pd=pd))
    slow = [
        (deal, BASE),
        (deal, Stress("a", obligor_recovery=0.0, obligor=name)),
        (deal, Stress("b", obligor_recovery="table", obligor=name)),
        (safe, BASE),
    ]
    for case, (given, stress) in zip(found, slow, strict=True):
        run, view = simulate(given, stress, paths=PATHS), kmv_view(given, stress)
        for k in range(len(deal.tranches)):
            assert case.simulation.tranches[k].anydate_pd == run.tranches[k].anydate_pd
            assert case.view.tranches[k].anydate_pd_at_maturity == view.tranches[k].anydate_pd_at_maturity
    # The less of an obligor there is to lose, the safer the class.
    as_it_is, nothing, expected, cannot = (case.simulation.tranches[1].anydate_pd for case in found)
    assert cannot < as_it_is < expected < nothing


def test_left_out_the_largest_defaults_and_a_recovery_may_be_given(deal: Deal) -> None:
    found = what_if(deal, recovery=0.25, paths=PATHS)
    assert found[1].obligor == deal.pool.name[int(deal.pool.amount.argmax())]
    run = simulate(deal, Stress("a", obligor_recovery=0.25), paths=PATHS)
    assert found[1].simulation.tranches[0].anydate_pd == run.tranches[0].anydate_pd
    assert found[1].label == "it defaults, 25 % recovered"


def test_where_pds_do_not_say_who_defaults_nobody_is_safe_by_one(deal: Deal) -> None:
    terms = replace(deal.terms, default_timing="CDR", cdr=(0.02,))
    assert len(what_if(replace(deal, terms=terms), paths=100)) == 3


def test_who_is_not_there_and_what_is_no_share_is_named(deal: Deal) -> None:
    with pytest.raises(InputError, match=r"obligor must be the name of an obligor of the pool \(got 'X'\)"):
        what_if(deal, "X")
    with pytest.raises(DomainError, match="obligor recovery must be between 0 and 1"):
        what_if(deal, recovery=2.0)
