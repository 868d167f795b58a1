"""The sentences on Home say what the figures say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from xlkmv.deal.analysis import analyse
from xlkmv.deal.example import xingye_yuanrong
from xlkmv.deal.reading import READINGS, probability, read
from xlkmv.deal.stress import BASE
from xlkmv.deal.terms import CONTROLS, Controls, Deal, Tranche


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.0, "< 1E-10"), (1.0, "100.00%"), (0.0123, "1.23%"), (1e-4, "0.01%"), (3.2e-7, "3.2E-07")],
)
def test_probabilities_read_well(p: float, text: str) -> None:
    assert probability(p) == text
    assert probability(p, simulated=True) == ("none seen" if p == 0.0 else text)


def fast(deal: Deal, **changes: object) -> Deal:
    return replace(deal, terms=replace(deal.terms, paths=2000), **changes)


def test_every_line_of_the_deal() -> None:
    deal = fast(xingye_yuanrong())
    found = analyse(deal, [BASE], actual=deal.pool.collections[:10])
    lines = read(deal, found)
    assert list(lines) == list(READINGS)
    senior, junior = found.simulated_base.tranches
    assert lines["senior"].startswith(deal.tranches[0].name)
    assert probability(found.base.tranches[0].anydate_pd_at_maturity) in lines["senior"]
    share = probability(senior.anydate_pd) if senior.anydate_pd else "none of 2,000 paths (PD < 2E-03)"
    assert share in lines["senior"]
    assert lines["others"].startswith(f"{junior.name} loses principal on ")
    assert f"expected loss {probability(junior.expected_loss)}" in lines["others"]
    strongest = found.attribution.shapley[:, 0].max()
    assert f"{100 * strongest:.2f}, " in lines["controls"]
    cut = next(b for b in found.reverse if b.column == "pool_haircut").size
    assert f"collections {cut:.1%} below plan" in lines["breaks"]
    assert lines["actual"].startswith("After 10 of 20 dates collections are 100.0% of plan")
    assert lines["look"].startswith("nothing")


def test_what_goes_wrong_is_said_first() -> None:
    deal = fast(xingye_yuanrong())
    dead = analyse(deal, [BASE], actual=[0.0] * 4)
    text = read(deal, dead)["actual"]
    assert text.startswith("ALERT. After 4 of 20 dates collections are 0.0% of plan")
    # The reserve covers the first date.
    assert f"missed on {deal.terms.dates[1]}" in text and f"{deal.tranches[1].name} too" in text
    late = analyse(deal, [BASE], actual=[*deal.pool.collections[:3], 0.7 * deal.pool.collections[3]])
    text = read(deal, late)["actual"]
    assert text.startswith("ALERT. " if late.surveillance.alert[:, -1].any() else "Behind plan. ")
    assert read(deal, analyse(deal, [BASE]))["actual"] == "No actual collections yet."


def test_odd_inputs_are_named() -> None:
    deal = xingye_yuanrong()
    thousandth = tuple(replace(t, amount=t.amount / 1e4) for t in deal.tranches)
    odd = fast(deal, tranches=thousandth, controls=replace(deal.controls, reserve_size=100.0))
    found = analyse(odd, [BASE])
    warned = {c.name for c in found.checks if c.outcome == "look"}
    assert {"Financed amount / notes", "Senior coverage", "Reserve in periods"} <= warned
    look = read(odd, found)["look"]
    assert "Financed amount / notes 10,000 (usually at most 2)" in look and "more on Checks" in look
    assert not any(c.outcome == "FAILED" for c in found.checks)


def test_without_controls_and_with_one_tranche() -> None:
    deal = xingye_yuanrong()
    none = Controls().without(*CONTROLS)
    alone = fast(deal, controls=none, tranches=deal.tranches[:1])
    lines = read(alone, analyse(alone, [BASE]))
    assert lines["controls"] == "Every control is off."
    assert lines["others"] == "There is no other tranche."


def test_a_plan_that_fails_by_itself_says_so() -> None:
    deal = xingye_yuanrong()
    dear = tuple(replace(t, amount=1.3 * t.amount) for t in deal.tranches)
    short = fast(deal, tranches=dear, controls=deal.controls.without("support"))
    lines = read(short, analyse(short, [BASE]))
    assert lines["senior"].startswith("SHORT on 20") and "even if everybody pays" in lines["senior"]
    assert lines["others"].startswith("SHORT on 2024-09-11")
    assert lines["breaks"] == "Without the undertaking the senior tranche misses although everybody pays."


def test_who_cannot_default_needs_no_control() -> None:
    deal = fast(xingye_yuanrong())
    safe = replace(deal, pool=replace(deal.pool, pd=0.0))
    lines = read(safe, analyse(safe, [BASE]))
    assert lines["controls"] == "Without any control the senior tranche is never short, either."
    assert "Obligors with a PD of 0 11" in lines["look"]
    assert "none of 2,000 paths" in lines["senior"] and "none of 2,000 paths" in lines["others"]


def test_a_tranche_that_is_paid_late_is_named_beside_the_one_that_loses() -> None:
    deal = xingye_yuanrong()
    end = deal.terms.dates[-1]
    tranches = (
        Tranche("A", 1, 240e6, 0.04, "with collections", end),
        Tranche("B", 2, 20e6, 0.05, "with collections", end),
        Tranche("C", 3, 15e6, 0.0, "bullet", end),
    )
    three = fast(deal, tranches=tranches)
    found = analyse(three, [BASE])
    lines, runs = read(three, found), found.simulated_base.tranches
    assert runs[2].expected_loss > runs[1].expected_loss and runs[1].anydate_pd > runs[2].anydate_pd
    assert lines["others"].startswith("C loses principal on")
    late = f"B is paid late on {probability(runs[1].anydate_pd)}, mostly as a trigger holds its cash."
    assert late in lines["others"]
