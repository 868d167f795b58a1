"""What the figures of an analysis say, in sentences: the lines that are read first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from xlkmv.deal.analysis import Analysis
from xlkmv.deal.answers import Quote, class_answers, upper_bound
from xlkmv.deal.figures import points, probability, rounded_up
from xlkmv.deal.questions.attribution import Attribution
from xlkmv.deal.standing import REPAID, classes_today
from xlkmv.deal.terms import CONTROLS, Deal
from xlkmv.phrase import CLAUSES, LIST, Phrase, joined

__all__ = ["ALARMS", "READINGS", "alarming", "read", "riskiest"]

# Lines of a reading, in order, and what each is about.
READINGS = {
    "pool": "Pool, by plan",
    "actual": "Since closing",
    "senior": "Headline class",
    "others": "Other classes",
    "controls": "What protects",
    "breaks": "What breaks",
    "look": "Look again at",
}
# How a line begins that has to be seen, in any language: it is shown in red.
ALARMS = ("POOL CANNOT PAY", "ALERT", "Behind plan", "SHORT")
# A tranche whose PD a control alone more than halves owes it to that control.
MOSTLY = 0.5

_BREAKS: dict[str, Callable[[float], Phrase]] = {
    "pool_haircut": lambda x: Phrase("collections {x:.1%} below plan", x=x),
    "pd_multiplier": lambda x: Phrase("PDs x {x:.1f}", x=x) if x >= 1.05 else Phrase("the PDs as they are"),
    "delay": lambda x: (
        Phrase("payments 1 period late") if x == 1 else Phrase("payments {x:.0f} periods late", x=x)
    ),
    "largest obligors": lambda x: (
        Phrase("the largest obligor in default")
        if x == 1
        else Phrase("the {x:.0f} largest obligors in default", x=x)
    ),
}
# Less of an expected loss than this is written as 0.00 points.
LEAST_POINTS = 5e-5
_LEFT_OUT = Phrase("Not in a quick look: refresh for everything.")
# A haircut up to this is no room, and one from the other on is no stress but another deal.
NO_ROOM, ANOTHER_DEAL = 5e-4, 0.995


def read(deal: Deal, analysis: Analysis) -> dict[str, str]:
    """Say what an analysis means.

    Parameters
    ----------
    deal : Deal
    analysis : Analysis
        Of the deal.

    Returns
    -------
    dict
        One sentence for each key of :data:`READINGS`, to be said in any language by
        :func:`~xlkmv.phrase.said`.
    """
    return {
        "pool": _pool(deal, analysis),
        "actual": _actual(deal, analysis),
        "senior": _headline(deal, analysis),
        "others": _others(deal, analysis),
        "controls": _controls(deal, analysis),
        "breaks": _breaks(deal, analysis),
        "look": _look(analysis),
    }


def alarming(text: str) -> bool:
    """Whether a line of a reading has to be seen.

    Parameters
    ----------
    text : str
        In English.

    Returns
    -------
    bool
    """
    return text.startswith(ALARMS)


def _pool(deal: Deal, analysis: Analysis) -> str:
    """Whether the pool can pay at all: no undertaking may hide that."""
    kmv = analysis.base.tranches[analysis.headline]
    held = bool(deal.controls.reserve and deal.senior[analysis.headline])
    share = kmv.coverage_at_maturity
    due: dict[str, Any] = {"name": kmv.name, "date": deal.terms.dates[kmv.maturity]}
    if analysis.pool_pays:
        if held:
            return Phrase(
                "Collections and reserve cover {share:.1%} of what is due to {name} by {date}.",
                share=share,
                **due,
            )
        return Phrase("Collections cover {share:.1%} of what is due to {name} by {date}.", share=share, **due)
    through = deal.tranches[analysis.headline].passes_through
    return Phrase(
        "POOL CANNOT PAY: {what} cover {share:.1%} of what is due to {name} by {date}; whatever supports it, "
        "look at {places}.",
        what=Phrase("collections and reserve") if held else Phrase("collections"),
        share=min(share, 0.999),  # what does not pay all is never rounded up to all
        places=Phrase("the units of the schedule, the legal final and the amounts")
        if through
        else Phrase("the units of the schedule and the amounts"),
        **due,
    )


def _supported(deal: Deal) -> bool:
    """Whether the undertaking is there for the headline class."""
    return deal.controls.support and bool(deal.senior[deal.headline])


def _seen(analysis: Analysis, p: float) -> str:
    """Write a share of the paths; what none shows is below a bound (95 %)."""
    paths = analysis.simulated_base.paths
    if p > 0.0:
        return Phrase("{p} of the paths", p=probability(p))
    bound = rounded_up(upper_bound(0, paths))
    return Phrase("none of {paths:,} paths (PD < {bound})", paths=paths, bound=bound)


def _short_by_plan(deal: Deal, analysis: Analysis, k: int) -> list[str]:
    """Say when a tranche is short although everybody pays, undertaking counted; nothing where it is not."""
    short = np.flatnonzero(analysis.planned.short[k])
    dates = [deal.terms.dates[n] for n in short[:1]]
    return [Phrase("SHORT on {date} even if everybody pays.", date=date) for date in dates]


def _headline(deal: Deal, analysis: Analysis) -> str:
    k = analysis.headline
    answer = class_answers(deal, analysis)[k]
    quote = answer.quote
    kmv = analysis.base.tranches[k].anydate_pd_at_maturity
    quoted: dict[str, str] = {"name": answer.name, "grade": answer.grade, "quote": _quoted(quote)}
    if quote.pd == kmv:
        text = Phrase("{name}: {grade}; PD to quote {quote}.", **quoted)
    else:
        text = Phrase(
            "{name}: {grade}; PD to quote {quote}, {kmv} in the KMV view.", kmv=probability(kmv), **quoted
        )
    texts = [*_short_by_plan(deal, analysis, k), text]
    if answer.alone is not None:
        texts.append(Phrase("Without the undertaking {quote}.", quote=_quoted(answer.alone)))
    return joined(texts)


def _quoted(quote: Quote) -> Phrase:
    return Phrase("{pd} ({why})", pd=probability(quote.pd), why=quote.why)


def riskiest(analysis: Analysis) -> int:
    """Position of the tranche with the largest expected loss, the headline class apart.

    Parameters
    ----------
    analysis : Analysis

    Returns
    -------
    int
        That of the headline class if there is no other tranche.
    """
    runs = analysis.simulated_base.tranches
    return max(
        _others_than(analysis),
        key=lambda i: (runs[i].expected_loss, runs[i].anydate_pd, i),
        default=analysis.headline,
    )


def _others_than(analysis: Analysis) -> list[int]:
    """Positions of all tranches but the headline class."""
    return [k for k in range(len(analysis.base.tranches)) if k != analysis.headline]


def _others(deal: Deal, analysis: Analysis) -> str:
    k, runs = riskiest(analysis), analysis.simulated_base.tranches
    if k == analysis.headline:
        return Phrase("There is no other class.")
    lost, quote = 1.0 - float(runs[k].loss_probability[0]), class_answers(deal, analysis)[k].quote
    seen = _seen(analysis, lost if lost > 1e-12 else 0.0)
    told = {"name": runs[k].name, "seen": seen, "pd": probability(quote.pd), "why": quote.why}
    if runs[k].expected_loss > 0.0:
        line = Phrase(
            "{name} loses principal on {seen} (expected loss {loss}); PD to quote {pd} ({why}).",
            loss=probability(runs[k].expected_loss),
            **told,
        )
    else:
        line = Phrase("{name} loses principal on {seen}; PD to quote {pd} ({why}).", **told)
    texts = [*_short_by_plan(deal, analysis, k), line]
    late = max(_others_than(analysis), key=lambda i: runs[i].anydate_pd)
    if runs[late].anydate_pd > runs[k].anydate_pd:
        said = {"name": runs[late].name, "pd": probability(runs[late].anydate_pd)}
        if _held_back(analysis, late):
            texts.append(Phrase("{name} is paid late on {pd}, mostly as a trigger holds its cash.", **said))
        else:
            texts.append(Phrase("{name} is paid late on {pd}.", **said))
    return joined(texts)


def _held_back(analysis: Analysis, k: int) -> bool:
    """Whether a tranche would mostly be paid in time without the triggers."""
    found = analysis.attribution
    if found is None or "triggers" not in found.controls:
        return False
    without = found.off_alone[found.controls.index("triggers"), k]
    return bool(without < MOSTLY * analysis.simulated_base.tranches[k].anydate_pd)


def _controls(deal: Deal, analysis: Analysis) -> str:
    if analysis.quick:
        return _LEFT_OUT
    found, k = analysis.attribution, analysis.headline
    name = deal.tranches[k].name
    if found is None:
        return Phrase("Every control is off.")
    if found.without[k] == 0.0:
        return Phrase("Without any control {name} is never short, either.", name=name)
    total = float(found.without[k] - found.with_all[k])
    order = _strongest(found, k)
    if not order:
        return Phrase("None lowers the any-date PD of {name} (simulated).", name=name)
    # Short by a cent is short: where everybody is, only what is lost tells the controls apart.
    losses = analysis.loss_attribution
    assert losses is not None
    lost = float(losses.without[k] - losses.with_all[k])
    most = _strongest(losses, k)[:1]
    taken: dict[str, Any] = {
        "points": points(total),
        "name": name,
        "shares": _shares(found, k, order),
        "lost": points(lost),
    }
    if most and lost >= LEAST_POINTS:
        return Phrase(
            "The controls take {points:.2f} points off the any-date PD of {name} ({shares}), {lost:.2f} off "
            "its expected loss ({most}).",
            most=_shares(losses, k, most),
            **taken,
        )
    return Phrase(
        "The controls take {points:.2f} points off the any-date PD of {name} ({shares}), {lost:.2f} off its "
        "expected loss.",
        **taken,
    )


def _strongest(found: Attribution, k: int) -> list[int]:
    """Up to two controls that lower a measure of a tranche, the strongest first."""
    order = np.argsort(-found.shapley[:, k], kind="stable")[:2].tolist()
    return [c for c in order if found.shapley[c, k] > 0.0]


def _shares(found: Attribution, k: int, controls: list[int]) -> str:
    return joined(
        [
            Phrase(
                "{control} {points:.2f}",
                control=Phrase(CONTROLS[found.controls[c]].label),
                points=points(float(found.shapley[c, k])),
            )
            for c in controls
        ],
        LIST,
    )


def _breaks(deal: Deal, analysis: Analysis) -> str:
    if analysis.quick:
        return _LEFT_OUT
    found = {b.column: b.size for b in analysis.reverse if b.size is not None and b.column in _BREAKS}
    cut = found.get("pool_haircut", 1.0)
    name = deal.tranches[analysis.headline].name
    who = Phrase("Without the undertaking {name}", name=name) if _supported(deal) else name
    if cut == 0.0:
        return Phrase("{who} misses although everybody pays.", who=who)
    if cut < NO_ROOM:
        return Phrase("No room at all. {who} misses as soon as collections fall short.", who=who)
    if cut > ANOTHER_DEAL:
        found.pop("pool_haircut", None)
    sizes = [_BREAKS[column](found[column]) for column in _BREAKS if column in found]
    if not sizes:
        return Phrase("No single stress does.")
    return Phrase("{who} misses at: {sizes}.", who=who, sizes=joined(sizes, CLAUSES))


def _actual(deal: Deal, analysis: Analysis) -> str:
    s, run = analysis.surveillance, analysis.simulated_now
    if run is None:
        return Phrase("No actual collections yet.")
    marked = np.flatnonzero(s.alert[:, -1] | s.missed[:, -1])
    k = analysis.headline
    if marked.size and k not in marked:
        k = int(marked[0])
    state = _state(deal, analysis, k)
    if others := [deal.tranches[i].name for i in marked if i != k]:
        state = joined([state, Phrase("{names} too", names=joined(others, LIST))], CLAUSES)
    ratio = float(s.accumulated_ratio[-1])
    now: dict[str, Any] = {
        "seen": s.seen,
        "dates": len(deal.terms.dates),
        "name": deal.tranches[k].name,
        "state": state,
    }
    if np.isfinite(ratio):
        text = Phrase(
            "After {seen} of {dates} dates collections are {ratio:.1%} of plan; {name}: {state}.",
            ratio=ratio,
            **now,
        )
    else:
        text = Phrase("After {seen} of {dates} dates collections were not planned; {name}: {state}.", **now)
    mark = [Phrase("ALERT.")] if marked.size else [Phrase("Behind plan.")] if s.behind[-1] else []
    return joined([*mark, text])


def _state(deal: Deal, analysis: Analysis, k: int) -> str:
    """Say how a tranche stands on the last date of the record."""
    s, now = analysis.surveillance, classes_today(deal, analysis)[k]
    missed = np.flatnonzero(s.missed[k, 1:])
    if missed.size:
        state = Phrase("missed on {date}", date=deal.terms.dates[missed[0]])
        if now.closing.alone is None:
            return state
        paid = {"grade": now.grade, "pd": probability(now.quote.pd)}
        paid_for = Phrase("grade {grade}, PD to quote {pd} if the undertaking has paid it", **paid)
        return joined([state, paid_for], CLAUSES)
    if now.grade == REPAID:
        return REPAID
    return Phrase(
        "grade {grade} ({grade_then} at closing), PD to quote {pd} ({pd_then} at closing; {why})",
        grade=now.grade,
        grade_then=now.closing.grade,
        pd=probability(now.quote.pd),
        pd_then=probability(now.closing.quote.pd),
        why=now.quote.why,
    )


def _look(analysis: Analysis) -> str:
    odd = [c for c in analysis.checks if c.warning and not c.passed]
    if not odd:
        return Phrase("nothing: all inputs are in the usual range.")
    shown: list[str] = []
    for c in odd[:2]:
        found: dict[str, Any] = {"check": c.name, "figure": _figure(c.difference)}
        if c.limit:
            shown.append(Phrase("{check} {figure} (usually at most {limit:.4g})", limit=c.limit, **found))
        else:
            shown.append(Phrase("{check} {figure}", **found))
    if len(odd) > 2:
        shown.append(Phrase("{count} more on Checks", count=len(odd) - 2))
    return Phrase("{what}.", what=joined(shown, CLAUSES))


def _figure(x: float) -> str:
    return f"{x:,.0f}" if abs(x) >= 1000.0 or x == int(x) else f"{x:.4g}"
