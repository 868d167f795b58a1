"""The sentences on Home say what the figures say."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from xlkmv.deal.analysis import Analysis, analyse
from xlkmv.deal.answers import class_answers
from xlkmv.deal.examples import example
from xlkmv.deal.examples.patents import xingye_yuanrong
from xlkmv.deal.figures import probability
from xlkmv.deal.reading import READINGS, alarming, read, riskiest
from xlkmv.deal.stress import BASE
from xlkmv.deal.terms import CONTROLS, Controls, Deal, Tranche
from xlkmv.language import catalogue
from xlkmv.phrase import said


def fast(deal: Deal, **changes: object) -> Deal:
    return replace(deal, terms=replace(deal.terms, paths=2000), **changes)


def test_every_line_of_the_deal() -> None:
    deal = fast(xingye_yuanrong())
    found = analyse(deal, [BASE], actual=deal.pool.collections[:10])
    lines = read(deal, found)
    assert list(lines) == list(READINGS)
    senior, junior = found.simulated_base.tranches
    assert lines["senior"].startswith(deal.tranches[0].name)
    answer = class_answers(deal, found)[0]
    kmv = probability(found.base.tranches[0].anydate_pd_at_maturity)
    assert lines["senior"] == (
        f"{senior.name}: {answer.grade}; PD to quote {probability(answer.quote.pd)} ({answer.quote.why}), "
        f"{kmv} in the KMV view. Without the undertaking {probability(answer.alone.pd)} ({answer.alone.why})."
    )
    assert lines["others"].startswith(f"{junior.name} loses principal on ")
    assert f"expected loss {probability(junior.expected_loss)}" in lines["others"]
    strongest, lost = found.attribution.shapley[:, 0].max(), found.loss_attribution
    assert f"{100 * strongest:.2f}, " in lines["controls"]
    points = 100 * (lost.without[0] - lost.with_all[0])
    assert lines["controls"].endswith(
        f"{points:.2f} off its expected loss (Shortfall undertaking {100 * lost.shapley[:, 0].max():.2f})."
    )
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
    coverage = f"Coverage of {deal.tranches[0].name}"
    assert {"Financed amount / notes", coverage, "Reserve in periods"} <= warned
    look = read(odd, found)["look"]
    assert "Financed amount / notes 10,000 (usually at most 2)" in look and "more on Checks" in look
    assert not any(c.outcome == "FAILED" for c in found.checks)


def test_without_controls_and_with_one_tranche() -> None:
    deal = xingye_yuanrong()
    none = Controls().without(*CONTROLS)
    alone = fast(deal, controls=none, tranches=deal.tranches[:1])
    lines = read(alone, analyse(alone, [BASE]))
    assert lines["controls"] == "Every control is off."
    assert lines["others"] == "There is no other class."


def test_a_plan_that_fails_by_itself_says_so() -> None:
    deal = xingye_yuanrong()
    dear = tuple(replace(t, amount=1.3 * t.amount) for t in deal.tranches)
    short = fast(deal, tranches=dear, controls=deal.controls.without("support"))
    lines = read(short, analyse(short, [BASE]))
    assert lines["senior"].startswith("SHORT on 20") and "even if everybody pays" in lines["senior"]
    assert lines["others"].startswith("SHORT on 2024-09-11")
    assert lines["breaks"] == f"{deal.tranches[0].name} misses although everybody pays."
    assert lines["pool"].startswith("POOL CANNOT PAY: collections and reserve cover 91.4% of what is due to ")


def test_who_cannot_default_needs_no_control() -> None:
    deal = fast(xingye_yuanrong())
    safe = replace(deal, pool=replace(deal.pool, pd=0.0))
    lines = read(safe, analyse(safe, [BASE]))
    assert lines["controls"] == f"Without any control {deal.tranches[0].name} is never short, either."
    assert "Obligors with a PD of 0 11" in lines["look"]
    # 1 - 0.05^(1/2000) = 0.0014968, and no bound is rounded down.
    assert "(bound: none of 2,000 paths)" in lines["senior"]
    assert "none of 2,000 paths (PD < 0.15%)" in lines["others"]


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


def test_of_a_class_that_loses_on_no_path_no_loss_is_told() -> None:
    deal = fast(example("auto").deal)
    found = analyse(deal, [BASE], quick=True)
    junior = found.simulated_base.tranches[1]
    assert junior.expected_loss == 0.0
    bound = probability(3.0 / 2000)
    told = f"{junior.name} loses principal on none of 2,000 paths (PD < {bound}); PD to quote {bound} ("
    assert read(deal, found)["others"].startswith(told)


# ------------------------------------------------------------------------------ the headline class


@pytest.mark.parametrize("headline", ["A-1", "A-3", "A-4", "B"])
def test_every_line_names_the_headline_class(five, headline: str) -> None:
    deal = five(headline)
    found = analyse(deal, [BASE])
    lines, k = read(deal, found), deal.headline
    kmv, simulated = found.base.tranches[k], found.simulated_base.tranches[k]
    coverage = f"{kmv.coverage_at_maturity:.1%} of what is due to {headline} by {deal.tranches[k].maturity}."
    held = " and reserve" if k < 4 else ""
    assert lines["pool"] == f"Collections{held} cover {coverage}"
    assert f"{headline}: " in lines["senior"]
    if simulated.anydate_pd >= 10 / 2000:
        assert f"PD to quote {probability(simulated.anydate_pd)} (simulated)" in lines["senior"]
        assert f"{probability(kmv.anydate_pd_at_maturity)} in the KMV view" in lines["senior"]
    taken = 100.0 * (found.attribution.without[k] - found.attribution.with_all[k])
    points = f"The controls take {taken:.2f} points off the any-date PD of {headline} ("
    assert lines["controls"].startswith(points)
    assert f"{headline} misses " in lines["breaks"]
    # The others are all but this one.
    other = riskiest(found)
    losses = [run.expected_loss for run in found.simulated_base.tranches]
    assert other != k and losses[other] == max(losses[:k] + losses[k + 1 :])
    assert f"{deal.tranches[other].name} loses principal on " in lines["others"]
    assert not any("enior" in line for line in lines.values())


def test_beside_the_pd_with_the_undertaking_stands_the_one_without(five) -> None:
    deal = five()
    found = analyse(deal, [BASE])
    alone = found.simulated_unsupported.tranches[3].anydate_pd
    expected = f"Without the undertaking {probability(alone)} (simulated)."
    lines = read(deal, found)
    assert lines["senior"].endswith(expected)
    assert lines["breaks"].startswith("Without the undertaking A-4 misses at: ")
    # Nothing is said of an undertaking that is not there, or does not protect the class.
    off = replace(deal, controls=deal.controls.without("support"))
    behind = five("B")
    for other in (off, behind):
        lines = read(other, analyse(other, [BASE]))
        assert not any("ithout the undertaking" in line for line in lines.values())


def test_a_pool_that_cannot_pay_is_said_first_whatever_supports_it() -> None:
    deal = fast(xingye_yuanrong())
    # A schedule typed in millions, of which the reserve alone is left; and one that brings little more.
    for scale, share in ((1e-6, "5.4%"), (0.0324, "9.1%")):
        poor = replace(deal, pool=replace(deal.pool, schedule=deal.pool.schedule * scale))
        found = analyse(poor, [BASE])
        covered = found.base.tranches[0].coverage_at_maturity
        # The undertaking keeps the PD of the class low.
        assert found.base.tranches[0].anydate_pd_at_maturity < 0.2
        key, text = next(iter(read(poor, found).items()))
        assert key == "pool" and alarming(text)
        assert text == (
            f"POOL CANNOT PAY: collections and reserve cover {covered:.1%} of what is due to "
            f"{deal.tranches[0].name} by 2024-09-11; whatever supports it, look at the units of the "
            "schedule and the amounts."
        )
        assert f"cover {share}" in text
    assert not alarming(read(deal, analyse(deal, [BASE]))["pool"])


def test_a_pool_that_all_but_pays_is_not_rounded_up(five) -> None:
    deal = replace(five("A-1"), controls=Controls(reserve=False, support_pd=0.02))
    short = replace(deal, pool=replace(deal.pool, schedule=deal.pool.schedule * 106.59 / 120.0))
    assert (
        "POOL CANNOT PAY: collections cover 99.9% of what is due to A-1"
        in read(short, analyse(short, [BASE]))["pool"]
    )
    exact = replace(deal, pool=replace(deal.pool, schedule=deal.pool.schedule * 106.6 / 120.0))
    assert read(exact, analyse(exact, [BASE]))["pool"].startswith(
        "Collections cover 100.0% of what is due to A-1"
    )


# ------------------------------------------------------------------------------ in Chinese


def chinese(deal: Deal, analysis: Analysis) -> dict[str, str]:
    say = catalogue("zh").gettext
    return {key: said(text, say) for key, text in read(deal, analysis).items()}


def test_every_line_in_chinese() -> None:
    deal = fast(xingye_yuanrong())
    found = analyse(deal, [BASE], actual=deal.pool.collections[:10])
    lines = chinese(deal, found)
    name = deal.tranches[0].name
    share = found.base.tranches[0].coverage_at_maturity
    assert lines["pool"] == f"截至 2024-09-11，回款与储备账户对{name}应付的覆盖率为 {share:.1%}。"
    assert lines["actual"].startswith(f"20 个兑付日已过 10 个，回款为计划的 100.0%；{name}：")
    answer = class_answers(deal, found)[0]
    kmv = probability(found.base.tranches[0].anydate_pd_at_maturity)
    bounds = {"bound: none of 2,000 paths": "无一", "bound: 5 of 2,000 paths": " 5 条"}
    quotes = (answer.quote, answer.alone)
    quoted, alone = (f"{probability(q.pd)}（上限：2,000 条路径中{bounds[q.why]}不足）" for q in quotes)
    assert lines["senior"] == (
        f"{name}：{answer.grade}；采用的违约概率 {quoted}，KMV 视角为 {kmv}。不计差额支付承诺为 {alone}。"
    )
    assert lines["look"] == "全部输入均在通常范围内。"


def test_no_line_has_english_left_in_it_whatever_the_deal(five) -> None:
    deal = fast(xingye_yuanrong())
    dear = tuple(replace(t, amount=1.3 * t.amount) for t in deal.tranches)
    poor = replace(deal, pool=replace(deal.pool, schedule=deal.pool.schedule * 1e-6))
    cases = [
        (deal, [0.0] * 4, False),
        (deal, [], True),
        (fast(deal, tranches=dear, controls=deal.controls.without("support")), [], False),
        (replace(deal, pool=replace(deal.pool, pd=0.0)), [], False),
        (replace(deal, controls=Controls().without(*CONTROLS), tranches=deal.tranches[:1]), [], False),
        (poor, [], False),
        (five("B"), [], False),
    ]
    # Names of classes and of a sheet, the view; capitals may be those of grades and of 1E-10.
    kept = r"Senior \(优先级\)|Subordinate \(次级\)|KMV|Checks"
    for case, actual, quick in cases:
        for line in chinese(case, analyse(case, [BASE], actual=actual, quick=quick)).values():
            assert not re.search("[F-Za-z]", re.sub(kept, "", line)), line
