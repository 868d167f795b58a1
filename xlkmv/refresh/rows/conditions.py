"""Rows of conditions, break-even stresses and controls: what each does to the classes."""

from __future__ import annotations

from typing import Any

from xlkmv.deal.analysis import NOT_IN_QUICK, Analysis
from xlkmv.deal.answers import condition_quotes, strongest_conditions
from xlkmv.deal.questions.conditions import MEASURES
from xlkmv.deal.reading import riskiest
from xlkmv.deal.terms import CONTROLS, Deal
from xlkmv.phrase import Phrase
from xlkmv.refresh.rows.classes import final
from xlkmv.refresh.tables import NONE, NOT_RUN, left_out
from xlkmv.workbook import layout

__all__ = [
    "CONDITIONS_SHOWN",
    "UNITS",
    "attribution_rows",
    "condition_row",
    "condition_rows",
    "reverse_rows",
    "step_rows",
    "tornado_rows",
    "worst_condition",
]

# Conditions of the chart of those that matter most.
CONDITIONS_SHOWN = 10


def worst_condition(analysis: Analysis) -> tuple[str, float | str]:
    """Condition with the largest simulated any-date PD of the headline class, if any has one, and that PD."""
    if analysis.quick:
        return NOT_IN_QUICK, NOT_RUN
    # A control that is off and another default point are no stress.
    stresses = [
        r for r in analysis.simulated[1:] if not r.stress.controls_off and r.stress.default_point == "own"
    ] or analysis.simulated
    found = [(r.simulation.tranches[analysis.headline].anydate_pd, Phrase(r.stress.name)) for r in stresses]
    pd, name = max(found, key=lambda pair: pair[0])
    return name if pd > 0.0 else NONE, pd


def condition_row(analysis: Analysis, row: int, k: int) -> list[Any]:
    """One tranche under one condition: KMV view, then simulated."""
    tranche = analysis.scenarios[row].tranches[k]
    view = [
        *final(tranche),
        tranche.expected_loss,
        tranche.first_short or NONE,
        tranche.anydate_pd_at_maturity - analysis.scenarios[0].tranches[k].anydate_pd_at_maturity,
    ]
    if analysis.quick:
        return [*view, *[NOT_RUN] * 5]
    run, measure = analysis.simulated[row], MEASURES.index("anydate_pd")
    simulated = run.simulation.tranches[k]
    return [
        *view,
        simulated.anydate_pd,
        simulated.anydate_pd_error,
        simulated.expected_loss,
        run.change[measure, k],
        run.change_error[measure, k],
    ]


def condition_rows(analysis: Analysis) -> list[list[Any]]:
    return [
        [Phrase(view.stress.name), tranche.name, *condition_row(analysis, row, k)]
        for row, view in enumerate(analysis.scenarios)
        for k, tranche in enumerate(view.tranches)
    ]


def attribution_rows(analysis: Analysis) -> list[list[Any]]:
    """Each control for the headline class, and for the riskiest other one."""
    if analysis.quick:
        return left_out(layout.ATTRIBUTION)
    found, losses = analysis.attribution, analysis.loss_attribution
    k, other = analysis.headline, riskiest(analysis)
    if found is None or losses is None:
        return []
    return [
        [
            Phrase(CONTROLS[control].label),
            found.off_alone[c, k],
            found.on_alone[c, k],
            found.stacked[c + 1, k],
            found.shapley[c, k],
            found.shapley_error[c, k],
            losses.off_alone[c, k],
            losses.shapley[c, k],
            found.off_alone[c, other],
            found.shapley[c, other],
        ]
        for c, control in enumerate(found.controls)
    ]


def tornado_rows(analysis: Analysis) -> list[list[Any]]:
    """The conditions that matter most to the headline class."""
    if analysis.quick:
        return left_out(layout.TORNADO)
    quotes = condition_quotes(analysis, analysis.headline)
    return [
        [Phrase(analysis.simulated[row].stress.name), quotes[row].pd, quotes[0].pd, quotes[row].why]
        for row in strongest_conditions(quotes, CONDITIONS_SHOWN)
    ]


def step_rows(analysis: Analysis) -> list[list[Any]]:
    """Bars of the chart from all controls off to all on."""
    if analysis.quick:
        return left_out(layout.WATERFALL)
    found, k = analysis.attribution, analysis.headline
    if found is None:
        return [[Phrase("no control is on"), *[None] * (len(layout.WATERFALL.columns) - 1)]]
    levels = found.levels(k)
    rows: list[list[Any]] = [[Phrase("All off"), levels[0], None, None, None, levels[0]]]
    for control, before, after in zip(found.controls, levels, levels[1:], strict=False):
        less, more = max(before - after, 0.0), max(after - before, 0.0)
        bar = [min(before, after), less or None, more or None, None]
        rows.append([Phrase(CONTROLS[control].label), after, *bar])
    return [*rows, [Phrase("As it is"), found.with_all[k], None, None, None, found.with_all[k]]]


UNITS = {
    "pool_haircut": Phrase("of all collections"),
    "volatility_multiplier": Phrase("times"),
    "pd_multiplier": Phrase("times"),
    "recovery_multiplier": Phrase("times"),
    "rate_shift": Phrase("added to coupons"),
    "delay": Phrase("payment periods"),
    "largest obligors": Phrase("obligors in default"),
}


def reverse_rows(deal: Deal, analysis: Analysis) -> list[list[Any]]:
    if analysis.quick:
        return left_out(layout.REVERSE)
    labels = {c.field: c.header for c in layout.SCENARIO.columns}
    return [
        [
            Phrase(labels.get(b.column, b.column.capitalize())),
            NONE if b.size is None else b.size,
            UNITS[b.column],
            NONE if b.date is None else deal.terms.dates[b.date],
        ]
        for b in analysis.reverse
    ]
