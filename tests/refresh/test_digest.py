"""The mark of the inputs: what is at its default says nothing, everything else does."""

from __future__ import annotations

import dataclasses
import datetime as dt
from dataclasses import dataclass, replace

import numpy as np

from xlkmv.deal.terms import Controls, Covenant, Curve, Deal, Loans, Pool, Terms, Tranche
from xlkmv.refresh.digest import digest

DATES = (dt.date(2020, 1, 1), dt.date(2021, 1, 1))
NOTES = (Tranche("A", 1, 50.0, 0.02, "bullet", DATES[1]), Tranche("B", 2, 50.0, 0.0, "pass-through"))


def deal(**parts: object) -> Deal:
    pool = Pool(("x", "y"), [60.0, 40.0], [[30.0, 33.0], [20.0, 23.0]], 0.01, 0.4, 1.0, 0.2)
    whole = Deal(pool, NOTES, Terms(dt.date(2019, 1, 1), DATES))
    return replace(whole, **parts)


def test_figures_at_their_defaults_say_nothing() -> None:
    mark = digest(deal())
    assert mark == digest(
        deal(
            pool=replace(deal().pool, industry=("", ""), status=(), loans=None),
            controls=Controls(reserve_unit="periods", support_cap=None),
            terms=replace(deal().terms, oc_floor=0.0, headline="", cdr=()),
            covenants=(),
        )
    )
    assert len(mark) == 12


def test_everything_else_does() -> None:
    pool, terms = deal().pool, deal().terms
    loans, by_terms = Loans([6.0, np.nan], [0.05, 0.0]), replace(pool, schedule=[[0.0, 0.0], [20.0, 23.0]])
    curve = Curve("c", (DATES[0],), (0.01,))
    changed = [
        deal(),
        deal(pool=replace(pool, pd=[0.01, 0.02])),
        deal(pool=replace(pool, schedule=[[30.0, 33.0], [23.0, 20.0]])),
        deal(pool=replace(pool, name=("x", "z"))),
        deal(pool=replace(pool, count=[1.0, 1.0])),
        deal(pool=replace(pool, industry=("", "i"))),
        deal(pool=replace(by_terms, loans=loans)),
        deal(pool=replace(by_terms, loans=replace(loans, age=[3.0, 0.0]))),
        deal(pool=replace(by_terms, loans=replace(loans, amortisation=("bullet", "annuity")))),
        deal(tranches=(replace(NOTES[0], senior=True), NOTES[1])),
        deal(tranches=(NOTES[0], replace(NOTES[1], maturity=DATES[1]))),
        deal(tranches=(NOTES[0], replace(NOTES[1], legal_final=DATES[1]))),
        deal(controls=Controls(support_cap=0.0)),
        deal(covenants=(Covenant("t", "coverage", "min", 1.0),)),
        deal(terms=replace(terms, seed=2)),
        deal(terms=replace(terms, curves=(curve,))),
        deal(terms=replace(terms, cdr=(0.01,))),
        deal(terms=replace(terms, loss_curve=(0.01,))),
    ]
    assert len({digest(d) for d in changed}) == len(changed)
    assert digest(deal(), (), (1.0,)) != digest(deal(), (1.0,), ())


def test_a_term_that_comes_later_leaves_the_mark_alone() -> None:
    @dataclass(frozen=True)
    class Plan:
        rate: float

    rate = digest(Plan(0.02))
    later = dataclasses.make_dataclass("Plan", [("rate", float), ("call", float, 0.0)], frozen=True)
    assert digest(later(0.02)) == rate
    assert digest(later(0.02, 0.1)) != rate


def test_numbers_mean_the_same_whoever_made_them() -> None:
    assert digest(np.float64(0.1), 2) == digest(0.1, np.int64(2))
