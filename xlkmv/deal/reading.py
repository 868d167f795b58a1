"""What the figures of an analysis say, in sentences: the lines that are read first."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from xlkmv.deal.analysis import NOT_IN_QUICK, Analysis
from xlkmv.deal.answers import Quote, class_answers, upper_bound
from xlkmv.deal.questions.attribution import Attribution
from xlkmv.deal.terms import CONTROLS, Deal

__all__ = ["ALARMS", "READINGS", "alarming", "probability", "read", "riskiest", "rounded_up"]

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
# How a line begins that has to be seen: it is shown in red.
ALARMS = ("POOL CANNOT PAY", "ALERT", "Behind plan", "SHORT")
# A tranche whose PD a control alone more than halves owes it to that control.
MOSTLY = 0.5
# Below this no model can tell.
LEAST = 1e-10

_BREAKS: dict[str, Callable[[float], str]] = {
    "pool_haircut": lambda x: f"collections {x:.1%} below plan",
    "pd_multiplier": lambda x: f"PDs x {x:.1f}" if x >= 1.05 else "the PDs as they are",
    "delay": lambda x: "payments 1 period late" if x == 1 else f"payments {x:.0f} periods late",
    "largest obligors": lambda x: (
        "the largest obligor in default" if x == 1 else f"the {x:.0f} largest obligors in default"
    ),
}
# Less of an expected loss than this is written as 0.00 points.
LEAST_POINTS = 5e-5
_LEFT_OUT = f"{NOT_IN_QUICK.capitalize()}: refresh for everything."
# A haircut up to this is no room, and one from the other on is no stress but another deal.
NO_ROOM, ANOTHER_DEAL = 5e-4, 0.995


def probability(p: float, simulated: bool = False) -> str:
    """Write a probability as a banker reads it: a percentage, or a power of ten when it is small.

    Parameters
    ----------
    p : float
    simulated : bool
        Whether 0 is a share of paths: that none was seen does not mean never.

    Returns
    -------
    str
    """
    if simulated and p == 0.0:
        return "none seen"
    if p < LEAST:
        return "< 1E-10"
    # As a sheet rounds: 48.635 % up, though its binary fraction lies below.
    return f"{100.0 * p + 1e-9:.2f}%" if p >= 1e-4 else f"{p:.1E}"


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
        One sentence for each key of :data:`READINGS`.
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

    Returns
    -------
    bool
    """
    return text.startswith(ALARMS)


def _pool(deal: Deal, analysis: Analysis) -> str:
    """Whether the pool can pay at all: no undertaking may hide that."""
    kmv = analysis.base.tranches[analysis.headline]
    held = " and reserve" if deal.controls.reserve and deal.senior[analysis.headline] else ""
    due = f"of what is due to {kmv.name} by {deal.terms.dates[kmv.maturity]}"
    share = kmv.coverage_at_maturity
    if analysis.pool_pays:
        return f"Collections{held} cover {share:.1%} {due}."
    through = deal.tranches[analysis.headline].passes_through
    final = ", the legal final" if through else ""
    # What does not pay all is never rounded up to all.
    return (
        f"POOL CANNOT PAY: collections{held} cover {min(share, 0.999):.1%} {due}; whatever supports it, "
        f"look at the units of the schedule{final} and the amounts."
    )


def _supported(deal: Deal) -> bool:
    """Whether the undertaking is there for the headline class."""
    return deal.controls.support and bool(deal.senior[deal.headline])


def _seen(analysis: Analysis, p: float) -> str:
    """Write a share of the paths; what none shows is below a bound (95 %)."""
    paths = analysis.simulated_base.paths
    if p > 0.0:
        return f"{probability(p)} of the paths"
    return f"none of {paths:,} paths (PD < {rounded_up(upper_bound(0, paths))})"


def rounded_up(p: float) -> str:
    """Write a bound in two digits, never below it.

    Parameters
    ----------
    p : float
        Above 0.

    Returns
    -------
    str
    """
    step = 10.0 ** (math.floor(math.log10(p)) - 1)
    return f"{math.ceil(p / step - 1e-9) * step:.1E}"


def _short_by_plan(deal: Deal, analysis: Analysis, k: int) -> str:
    """Say when a tranche is short although everybody pays, undertaking counted."""
    short = np.flatnonzero(analysis.planned.short[k])
    return f"SHORT on {deal.terms.dates[short[0]]} even if everybody pays. " if short.size else ""


def _headline(deal: Deal, analysis: Analysis) -> str:
    k = analysis.headline
    answer = class_answers(deal, analysis)[k]
    quote = answer.quote
    kmv = analysis.base.tranches[k].anydate_pd_at_maturity
    beside = "" if quote.pd == kmv else f", {probability(kmv)} in the KMV view"
    text = (
        f"{_short_by_plan(deal, analysis, k)}{answer.name}: {answer.grade}; "
        f"PD to quote {_quoted(quote)}{beside}."
    )
    return text if answer.alone is None else f"{text} Without the undertaking {_quoted(answer.alone)}."


def _quoted(quote: Quote) -> str:
    return f"{probability(quote.pd)} ({quote.why})"


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
        return "There is no other tranche."
    lost = 1.0 - float(runs[k].loss_probability[0])
    text = (
        f"{_short_by_plan(deal, analysis, k)}{runs[k].name} loses principal on "
        f"{_seen(analysis, lost if lost > 1e-12 else 0.0)} (expected loss "
        f"{probability(runs[k].expected_loss, simulated=True)}); "
        f"any-date PD {probability(analysis.base.tranches[k].anydate_pd_at_maturity)} in the KMV view."
    )
    late = max(_others_than(analysis), key=lambda i: runs[i].anydate_pd)
    if runs[late].anydate_pd > runs[k].anydate_pd:
        found, why = analysis.attribution, ""
        if found is not None and "triggers" in found.controls:
            without = found.off_alone[found.controls.index("triggers"), late]
            why = ", mostly as a trigger holds its cash" if without < MOSTLY * runs[late].anydate_pd else ""
        text += f" {runs[late].name} is paid late on {probability(runs[late].anydate_pd)}{why}."
    return text


def _controls(deal: Deal, analysis: Analysis) -> str:
    if analysis.quick:
        return _LEFT_OUT
    found, k = analysis.attribution, analysis.headline
    name = deal.tranches[k].name
    if found is None:
        return "Every control is off."
    if found.without[k] == 0.0:
        return f"Without any control {name} is never short, either."
    total = float(found.without[k] - found.with_all[k])
    order = _strongest(found, k)
    if not order:
        return f"None lowers the any-date PD of {name} (simulated)."
    text = f"They take {100.0 * total:.2f} points off the any-date PD of {name} ({_shares(found, k, order)})"
    # Short by a cent is short: where everybody is, only what is lost tells the controls apart.
    losses = analysis.loss_attribution
    assert losses is not None
    lost = float(losses.without[k] - losses.with_all[k])
    most = _strongest(losses, k)[:1]
    return f"{text}, {100.0 * lost:.2f} off its expected loss" + (
        f" ({_shares(losses, k, most)})." if most and lost >= LEAST_POINTS else "."
    )


def _strongest(found: Attribution, k: int) -> list[int]:
    """Up to two controls that lower a measure of a tranche, the strongest first."""
    order = np.argsort(-found.shapley[:, k], kind="stable")[:2].tolist()
    return [c for c in order if found.shapley[c, k] > 0.0]


def _shares(found: Attribution, k: int, controls: list[int]) -> str:
    return ", ".join(f"{CONTROLS[found.controls[c]]} {100.0 * found.shapley[c, k]:.2f}" for c in controls)


def _breaks(deal: Deal, analysis: Analysis) -> str:
    if analysis.quick:
        return _LEFT_OUT
    found = {b.column: b.size for b in analysis.reverse if b.size is not None and b.column in _BREAKS}
    cut = found.get("pool_haircut", 1.0)
    name = deal.tranches[analysis.headline].name
    alone = f"Without the undertaking {name}" if _supported(deal) else name
    if cut == 0.0:
        return f"{alone} misses although everybody pays."
    if cut < NO_ROOM:
        return f"No room at all. {alone} misses as soon as collections fall short."
    if cut > ANOTHER_DEAL:
        found.pop("pool_haircut", None)
    sizes = "; ".join(_BREAKS[column](found[column]) for column in _BREAKS if column in found)
    return f"{alone} misses at: {sizes}." if sizes else "No single stress does."


def _actual(deal: Deal, analysis: Analysis) -> str:
    s, run = analysis.surveillance, analysis.simulated_now
    if run is None:
        return "No actual collections yet."
    marked = np.flatnonzero(s.alert[:, -1] | s.missed[:, -1])
    k = analysis.headline
    if marked.size and k not in marked:
        k = int(marked[0])
    missed = np.flatnonzero(s.missed[k, 1:])
    mark = "ALERT. " if marked.size else "Behind plan. " if s.behind[-1] else ""
    then, now = (x.tranches[k].anydate_pd for x in (analysis.simulated_base, run))
    helped = ", with the undertaking," if deal.controls.support and deal.senior[k] else ""
    text = (
        f"any-date PD by pool and reserve {probability(s.pd[k, -1])} ({probability(s.pd[k, 0])} at closing), "
        f"simulated{helped} {probability(now, simulated=True)} ({probability(then, simulated=True)})"
    )
    if missed.size:
        text = f"missed on {deal.terms.dates[missed[0]]}"
    more = f"; {', '.join(deal.tranches[i].name for i in marked if i != k)} too" if marked.size > 1 else ""
    ratio = s.accumulated_ratio[-1]
    share = f"are {ratio:.1%} of plan" if np.isfinite(ratio) else "were not planned"
    dates = f"{s.seen} of {len(deal.terms.dates)} dates"
    return f"{mark}After {dates} collections {share}; {deal.tranches[k].name}: {text}{more}."


def _look(analysis: Analysis) -> str:
    odd = [c for c in analysis.checks if c.warning and not c.passed]
    shown = "; ".join(
        f"{c.name} {_figure(c.difference)}" + (f" (usually at most {c.limit:.4g})" if c.limit else "")
        for c in odd[:2]
    )
    more = f"; {len(odd) - 2} more on Checks" if len(odd) > 2 else ""
    return f"{shown}{more}." if odd else "nothing: all inputs are in the usual range."


def _figure(x: float) -> str:
    return f"{x:,.0f}" if abs(x) >= 1000.0 or x == int(x) else f"{x:.4g}"
