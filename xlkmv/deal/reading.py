"""What the figures of an analysis say, in sentences: the lines that are read first."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from xlkmv.deal.analysis import Analysis
from xlkmv.deal.terms import CONTROLS, Deal

__all__ = ["READINGS", "probability", "read", "riskiest"]

# Lines of a reading, in order, and what each is about.
READINGS = {
    "senior": "Senior tranche",
    "riskiest": "Riskiest tranche",
    "controls": "Strongest controls",
    "breaks": "Breaks first",
    "actual": "Since closing",
    "look": "Look again at",
}
# A tranche whose PD a control alone more than halves owes it to that control.
MOSTLY = 0.5
# Below this no model can tell.
LEAST = 1e-10

_BREAKS: dict[str, Callable[[float], str]] = {
    "pool_haircut": lambda x: f"collections {x:.1%} below plan",
    "pd_multiplier": lambda x: f"PDs x {x:.1f}",
    "delay": lambda x: f"payments {x:.0f} periods late",
    "largest obligors": lambda x: f"the {x:.0f} largest obligors in default",
}


def probability(p: float, simulated: bool = False) -> str:
    """Write a probability as a banker reads it: a percentage, or a power of ten when it is small."""
    if simulated and p == 0.0:
        return "none seen"
    if p < LEAST:
        return "< 1E-10"
    return f"{p:.2%}" if p >= 1e-4 else f"{p:.1E}"


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
        "senior": _senior(analysis),
        "riskiest": _riskiest(analysis),
        "controls": _controls(analysis),
        "breaks": _breaks(deal, analysis),
        "actual": _actual(deal, analysis),
        "look": _look(analysis),
    }


def _seen(analysis: Analysis, p: float) -> str:
    """Write a share of the paths; what none shows is below 3 in their number (95 %)."""
    paths = analysis.simulated_base.paths
    return (
        f"none of {paths:,} paths (PD < {3.0 / paths:.0E})" if p == 0.0 else f"{probability(p)} of the paths"
    )


def _senior(analysis: Analysis) -> str:
    kmv, simulated = analysis.base.tranches[0], analysis.simulated_base.tranches[0]
    return (
        f"{kmv.name}: short on {_seen(analysis, simulated.anydate_pd)}; "
        f"any-date PD {probability(kmv.anydate_pd_at_maturity)} in the KMV view. Take the larger."
    )


def riskiest(analysis: Analysis) -> int:
    """Position of the tranche that misses most often, the first one apart; 0 if there is no other."""
    runs = analysis.simulated_base.tranches
    others = range(1, len(runs))
    return max(others, key=lambda i: (runs[i].anydate_pd, runs[i].expected_loss), default=0)


def _riskiest(analysis: Analysis) -> str:
    k = riskiest(analysis)
    if not k:
        return "There is one tranche only."
    run, kmv = analysis.simulated_base.tranches[k], analysis.base.tranches[k]
    why, found = "", analysis.attribution
    if found is not None and "triggers" in found.controls:
        without = found.off_alone[found.controls.index("triggers"), k]
        if without < MOSTLY * run.anydate_pd:
            why = ", mostly what a trigger holds back"
    lost = 1.0 - float(run.loss_probability[0])
    return (
        f"{run.name}: short on {_seen(analysis, run.anydate_pd)}{why}; "
        f"any-date PD {probability(kmv.anydate_pd_at_maturity)} in the KMV view. "
        f"Loses principal on {_seen(analysis, lost if lost > 1e-12 else 0.0)}."
    )


def _controls(analysis: Analysis) -> str:
    found = analysis.attribution
    if found is None:
        return "Every control is off."
    total = float(found.without[0] - found.with_all[0])
    order = np.argsort(-found.shapley[:, 0], kind="stable")[:3]
    shares = ", ".join(f"{CONTROLS[found.controls[c]]} {100.0 * found.shapley[c, 0]:.2f}" for c in order)
    return f"They take {100.0 * total:.2f} points off the senior any-date PD (simulated): {shares}."


def _breaks(deal: Deal, analysis: Analysis) -> str:
    found = {b.column: b for b in analysis.reverse if b.size is not None and b.column in _BREAKS}
    cut = found.get("pool_haircut")
    if cut is not None and cut.size == 0.0 and cut.date is not None:
        return f"Senior misses a payment on {deal.terms.dates[cut.date]} although everybody pays."
    sizes = "; ".join(_BREAKS[column](found[column].size or 0.0) for column in _BREAKS if column in found)
    return f"Without the undertaking senior misses at: {sizes}." if sizes else "No single stress does."


def _actual(deal: Deal, analysis: Analysis) -> str:
    s = analysis.surveillance
    seen = s.actual.size
    if not seen:
        return "No actual collections yet."
    alerts = np.flatnonzero(s.alert[:, -1])
    worst = int(alerts[0]) if alerts.size else 0
    mark = "ALERT. " if alerts.size else "Behind plan. " if s.behind[-1] else ""
    return (
        f"{mark}After {seen} of {len(deal.terms.dates)} dates collections are {s.accumulated_ratio[-1]:.1%} "
        f"of plan; {deal.tranches[worst].name}: any-date PD {probability(s.pd[worst, -1])}, "
        f"{probability(s.pd[worst, 0])} at closing, by pool and reserve."
    )


def _look(analysis: Analysis) -> str:
    odd = [c for c in analysis.checks if c.warning and not c.passed]
    shown = "; ".join(f"{c.name} {c.difference:.4g} (usually at most {c.limit:g})" for c in odd[:2])
    more = f"; {len(odd) - 2} more on Checks" if len(odd) > 2 else ""
    return f"{shown}{more}." if odd else "nothing: all inputs are in the usual range."
