"""Rows of who drives the risk: obligors and industries, diversification, layers of loss, portfolio models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from xlkmv.deal.analysis import MODELS, Analysis
from xlkmv.deal.answers import upper_bound
from xlkmv.deal.questions.contributions import NAMED, Contributions
from xlkmv.deal.questions.diversification import telling_class
from xlkmv.deal.questions.layers import loss_layers
from xlkmv.deal.terms import Deal
from xlkmv.errors import XlkmvError
from xlkmv.model.losses import LossDistribution
from xlkmv.phrase import CLAUSES, LIST, Phrase, joined
from xlkmv.refresh.tables import NONE, SMALLEST_DRAWN, left_out
from xlkmv.workbook import layout

__all__ = [
    "all_driver_rows",
    "concentration_row",
    "diversification_rows",
    "driven_class",
    "driver_rows",
    "layer_rows",
    "model_rows",
    "spread_class",
]


def concentration_row(analysis: Analysis) -> list[Any]:
    found = analysis.concentration
    largest = found.industries[0] if found.industries else (Phrase("none named"), None)
    return [
        *largest,
        found.obligors,
        found.effective_number,
        found.herfindahl,
        found.largest,
        found.five_largest,
        found.ten_largest,
        len(found.industries),
        found.industry_herfindahl,
    ]


def diversification_rows(analysis: Analysis) -> list[list[Any]]:
    if analysis.quick:
        return left_out(layout.DIVERSIFICATION)
    k = spread_class(analysis)
    rows = []
    for d in analysis.diversification:
        # Where no path is short the chart shows what the PD is below.
        drawn = max(d.kmv[k], SMALLEST_DRAWN), d.simulated[k] or upper_bound(0, int(d.effective_paths[k]))
        figures = (d.kmv[k], d.simulated[k], d.simulated_error[k], d.distance[k], *drawn)
        rows.append([d.label, d.obligors, d.effective_number, d.largest, *figures])
    return rows


def spread_class(analysis: Analysis) -> int:
    """Class whose PD on pools that are spread otherwise is shown."""
    return telling_class(analysis.diversification, analysis.headline)


def driven_class(analysis: Analysis) -> int:
    """Class whose drivers are shown: the headline class; if that loses nothing, the most senior that does."""
    found, order = analysis.contributions, (analysis.headline, *range(len(analysis.base.tranches)))
    if found is None:
        return analysis.headline
    # Shares in a loss that there is not are NaN.
    return next((k for k in order if np.isfinite(found.obligors.loss_share[:, k]).any()), analysis.headline)


def driver_rows(deal: Deal, analysis: Analysis) -> list[list[Any]]:
    """The obligors that count most for one class."""
    found, pool = analysis.contributions, deal.pool
    if found is None:
        return left_out(layout.DRIVER)
    share, k = pool.share, driven_class(analysis)
    return [
        [
            pool.name[i],
            pool.industry[i] or None,
            share[i],
            pool.pd[i],
            found.obligors.pool_share[i],
            *found.obligors.of_class(i, k),
            *_without(analysis, found, i, k),
        ]
        for i in found.obligors.order(k)[:NAMED]
    ]


def _without(analysis: Analysis, found: Contributions, row: int, k: int) -> list[Any]:
    """Class k if a row of the pool could not default; blank where that was not asked."""
    now = analysis.simulated_unsupported.tranches[k]
    pd, pd_error, loss, loss_error = found.left_out.of_class(row, k)
    if pd != pd:
        return [None] * 5
    # Of fewer paths than the class now it may say a little less than nothing.
    then = [max(now.anydate_pd - pd, 0.0), max(now.expected_loss - loss, 0.0)]
    return [then[0], -pd, pd_error, then[1], loss_error]


def all_driver_rows(deal: Deal, analysis: Analysis) -> list[list[Any]]:
    """Industries and obligors that count most for each class; one line for a class that is never hurt."""
    found, pool = analysis.contributions, deal.pool
    if found is None:
        return left_out(layout.DRIVER_ALL)
    by_industry = dict(analysis.concentration.industries)
    kinds = (
        (Phrase("industry"), found.industries, [by_industry[name] for name in found.industries.name]),
        (Phrase("obligor"), found.obligors, pool.share),
    )
    rows: list[list[Any]] = []
    for k, tranche in enumerate(deal.tranches):
        if not found.short[k]:
            never = Phrase("never short on {paths:,} paths", paths=found.paths)
            rows.append([tranche.name, never, *[None] * (len(layout.DRIVER_ALL.columns) - 2)])
            continue
        for kind, drivers, share in kinds:
            for i in drivers.order(k)[:NAMED]:
                said = [share[i], drivers.pool_share[i], *drivers.of_class(i, k)]
                said += _without(analysis, found, i, k) if drivers is found.obligors else [None] * 5
                rows.append([tranche.name, drivers.name[i], kind, *said])
    return rows


def layer_rows(deal: Deal, analysis: Analysis) -> list[list[Any]]:
    """How likely losses of the pool are that reach into the classes."""
    if analysis.quick:
        return left_out(layout.LAYER)
    kmv = analysis.models[MODELS[0]]
    if isinstance(kmv, Exception):
        return [[NONE, *[None] * (len(layout.LAYER.columns) - 1)]]
    pool, rows = deal.pool.amount.sum(), []
    points, more, layers, bearers = loss_layers(deal, kmv)
    headline = deal.tranches[deal.headline].name
    own = next(k for k, names in enumerate(bearers) if headline in names)
    before = -1
    for loss, exceeded, layer in zip(points, more, layers, strict=True):
        # Once, as axes take what is blank under a name for more of the same.
        bearer = None
        if layer != before:
            bearer = joined(bearers[layer], LIST) if layer < len(bearers) else Phrase("no class is left")
        before = layer
        # Layers that touch are told apart: the class's own, and two colours in turn on either side of it.
        # A logarithmic axis has no zero.
        color = 0 if layer == own else 1 + (layer - own + 1) % 2
        drawn = [max(exceeded, SMALLEST_DRAWN) if k == color else None for k in range(3)]
        rows.append([bearer, loss / pool, loss, exceeded, *drawn])
    return rows


def model_rows(models: Mapping[str, LossDistribution | XlkmvError]) -> list[list[Any]]:
    """Write portfolio models as rows of table tbl_Model.

    Parameters
    ----------
    models : mapping
        From :func:`~xlkmv.deal.analysis.portfolio_models`.

    Returns
    -------
    list of list
    """
    rows: list[list[Any]] = []
    for name, found in models.items():
        if isinstance(found, XlkmvError):
            rows.append([name, *[NONE] * 8, found.sentence])
            continue
        errors = found.standard_errors
        unseen = errors is not None and found.hit_probability == 0.0
        rows.append(
            [
                name,
                found.expected_loss,
                found.unexpected_loss,
                found.value_at_risk[0],
                found.expected_shortfall[0],
                found.value_at_risk[1],
                found.expected_shortfall[1],
                0.0 if errors is None else errors.value_at_risk[1],
                Phrase("none seen") if unseen else found.hit_probability,
                joined([_noted(text) for text in found.method.split("; ")], CLAUSES),
            ]
        )
    return rows


def _noted(text: str) -> str:
    """Note of a model, which knows no language; a figure in it comes last."""
    what, _, figure = text.partition(" = ")
    return Phrase("{what} = {figure}", what=Phrase(what), figure=figure) if figure else Phrase(what)
