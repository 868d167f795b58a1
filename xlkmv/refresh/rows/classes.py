"""Rows of where the classes stand: what is quoted, both views, curves by date."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from xlkmv.deal.analysis import Analysis
from xlkmv.deal.answers import ClassAnswer, range_of, upper_bound
from xlkmv.deal.kmv import LEAST_VOLATILITY, TrancheView
from xlkmv.deal.paths.measures import Simulation
from xlkmv.deal.standing import ClassToday
from xlkmv.deal.terms import Deal
from xlkmv.model.plan import coverage_quantile
from xlkmv.phrase import Phrase
from xlkmv.refresh.rows.uncertainty import NO_RANGES
from xlkmv.refresh.tables import NONE, NOT_RUN, SMALLEST_DRAWN

__all__ = ["answer_rows", "curve_rows", "final", "headline_rows", "risk_rows", "simulation_rows"]

# The band of coverage in its chart, and the most that it draws: more is drawn as that.
BAND, MOST_COVERAGE = (0.05, 0.95), 4.0

# The default points of the KMV view.
EXPECTED_DATES, LEGAL_FINAL = Phrase("expected dates"), Phrase("legal final")


def final(tranche: TrancheView) -> list[float]:
    """Coverage, distance, PD and any-date PD when the tranche has to be repaid."""
    return [
        tranche.coverage_at_maturity,
        tranche.distance_at_maturity,
        tranche.pd_at_maturity,
        tranche.anydate_pd_at_maturity,
    ]


# Stands where there is nothing to say.
NOTHING = "-"


def answer_rows(
    analysis: Analysis, answers: Sequence[ClassAnswer], today: Sequence[ClassToday]
) -> list[list[Any]]:
    """Each class on Home; its grade now once something has been seen."""
    no_range = NOT_RUN if analysis.quick else NO_RANGES
    seen = bool(analysis.surveillance.seen)
    return [_answer(a, c.grade if seen else None, no_range) for a, c in zip(answers, today, strict=True)]


def _answer(a: ClassAnswer, grade_now: str | None, no_range: Phrase) -> list[Any]:
    """One class on Home; in place of an interval that is not known it says why."""
    alone = NOTHING if a.alone is None else a.alone.pd
    lgd = NOTHING if np.isnan(a.loss_given_default) else a.loss_given_default
    kept = [a.coverage, a.distance, a.expected_loss, lgd, a.average_life, a.yield_at_par]
    interval = range_of(a) or no_range
    grades = [a.grade, grade_now]
    return [a.name, *grades, a.quote.pd, interval, a.quote.why, alone, *kept]


def headline_rows(deal: Deal, analysis: Analysis) -> list[list[Any]]:
    rows: list[list[Any]] = []
    runs = zip(analysis.simulated_base.tranches, analysis.simulated_unsupported.tranches, strict=True)
    views = zip(analysis.base.tranches, analysis.controls_off.tranches, strict=True)
    for (base, off), (run, unsupported), senior in zip(views, runs, deal.senior, strict=True):
        by_pool, alone = float(base.risk.anydate_pd[base.maturity]), unsupported.anydate_pd
        without = alone if deal.controls.support and senior else NOTHING
        simulated = [by_pool, run.anydate_pd, without, run.expected_loss]
        rows.append([base.name, *final(base), *simulated, *final(off)[1:]])
    return [[*row, life] for row, life in zip(rows, analysis.average_life.tolist(), strict=True)]


def risk_rows(deal: Deal, analysis: Analysis) -> list[list[Any]]:
    return [
        [
            tranche.name,
            date,
            *(
                series[k]
                for series in (
                    tranche.risk.times,
                    tranche.risk.accumulated_in,
                    tranche.risk.accumulated_due,
                    tranche.risk.coverage,
                    tranche.risk.distance,
                    tranche.risk.pd,
                    tranche.risk.anydate_pd,
                    tranche.pd,
                    tranche.anydate_pd,
                )
            ),
            *_otherwise(tranche, k),
        ]
        for tranche in analysis.base.tranches
        for k, date in enumerate(deal.terms.dates)
    ]


def _otherwise(tranche: TrancheView, k: int) -> list[Any]:
    """Dues, coverage, distance and any-date PD by the other default point; blank where it says the same."""
    for point, risk in ((EXPECTED_DATES, tranche.expected), (LEGAL_FINAL, tranche.legal)):
        if risk is not None:
            return [point, risk.accumulated_due[k], risk.coverage[k], risk.distance[k], risk.anydate_pd[k]]
    return [None] * 5


def curve_rows(deal: Deal, analysis: Analysis) -> list[list[Any]]:
    k = analysis.headline
    on, last, off = analysis.base.tranches[k], analysis.base.tranches[-1], analysis.controls_off.tranches[k]
    simulated, simulated_off = (
        np.maximum(np.cumsum(run.tranches[k].first_short), upper_bound(0, run.paths))
        for run in (analysis.simulated_base, analysis.simulated_off)
    )
    drawn = (on.anydate_pd, simulated, off.anydate_pd, simulated_off)
    # Of a pass-through class next to nothing falls due before its legal final.
    faced, all_due = on.expected or on.risk, last.expected or last.risk
    sigma, mu = max(analysis.base.volatility, LEAST_VOLATILITY), analysis.base.drift
    low, high = (coverage_quantile(faced, p, sigma, mu) for p in BAND)
    series = (
        faced.accumulated_in,
        faced.accumulated_due,
        all_due.accumulated_due,
        *(np.maximum(p, SMALLEST_DRAWN) for p in drawn),
        *(np.minimum(c, MOST_COVERAGE) for c in (faced.coverage, low, high)),
    )
    return [[date, *(s[k] for s in series)] for k, date in enumerate(deal.terms.dates)]


def simulation_rows(deal: Deal, run: Simulation) -> list[list[Any]]:
    rows = []
    for t in run.tranches:
        likely = int(np.argmax(t.first_short))
        rows.append(
            [
                t.name,
                t.pd,
                t.pd_error,
                t.anydate_pd,
                t.anydate_pd_error,
                t.expected_loss,
                t.expected_loss_error,
                t.wal,
                t.loss_quantile(0.999),
                deal.terms.dates[likely] if t.first_short[likely] > 0.0 else NONE,
            ]
        )
    return rows
