"""The sentences on Home say what the figures say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from xlkmv.deal.analysis import analyse
from xlkmv.deal.example import xingye_yuanrong
from xlkmv.deal.reading import READINGS, probability, read
from xlkmv.deal.stress import BASE
from xlkmv.deal.terms import CONTROLS, Controls, Deal


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
    assert lines["senior"].startswith(deal.senior.name)
    assert probability(found.base.tranches[0].anydate_pd_at_maturity) in lines["senior"]
    share = probability(senior.anydate_pd) if senior.anydate_pd else "none of 2,000 paths (PD < 2E-03)"
    assert share in lines["senior"]
    assert lines["riskiest"].startswith(junior.name) and probability(junior.anydate_pd) in lines["riskiest"]
    strongest = found.attribution.shapley[:, 0].max()
    assert f"{100 * strongest:.2f}, " in lines["controls"]
    cut = next(b for b in found.reverse if b.column == "pool_haircut").size
    assert f"collections {cut:.1%} below plan" in lines["breaks"]
    assert lines["actual"].startswith("After 10 of 20 dates collections are 100.0% of plan")
    assert lines["look"].startswith("nothing")


def test_what_goes_wrong_is_said_first() -> None:
    deal = fast(xingye_yuanrong())
    dead = analyse(deal, [BASE], actual=[0.0] * 4)
    assert read(deal, dead)["actual"].startswith("ALERT. After 4 of 20 dates collections are 0.0% of plan")
    late = analyse(deal, [BASE], actual=[*deal.pool.collections[:3], 0.7 * deal.pool.collections[3]])
    text = read(deal, late)["actual"]
    assert text.startswith("ALERT. " if late.surveillance.alert[:, -1].any() else "Behind plan. ")
    assert read(deal, analyse(deal, [BASE]))["actual"] == "No actual collections yet."


def test_odd_inputs_are_named() -> None:
    deal = xingye_yuanrong()
    thousandth = tuple(replace(t, amount=t.amount / 1e4) for t in deal.tranches)
    odd = fast(deal, tranches=thousandth, controls=replace(deal.controls, reserve_periods=100.0))
    found = analyse(odd, [BASE])
    warned = {c.name for c in found.checks if c.outcome == "look"}
    assert {"Financed amount / notes", "Senior coverage", "Reserve in periods"} <= warned
    look = read(odd, found)["look"]
    assert "Financed amount / notes 1e+04 (usually at most 2)" in look and "more on Checks" in look
    assert not any(c.outcome == "FAILED" for c in found.checks)


def test_without_controls_and_with_one_tranche() -> None:
    deal = xingye_yuanrong()
    none = Controls().without(*CONTROLS)
    alone = fast(deal, controls=none, tranches=deal.tranches[:1])
    lines = read(alone, analyse(alone, [BASE]))
    assert lines["controls"] == "Every control is off."
    assert lines["riskiest"] == "There is one tranche only."
