"""Deals and results in a few lines: what they are, and the figures one asks for first."""

from __future__ import annotations

import textwrap
from functools import singledispatch
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from xlkmv.deal.analysis import Analysis
from xlkmv.deal.figures import coupon
from xlkmv.deal.reading import READINGS, read
from xlkmv.deal.terms import CONTROLS, Deal, Pool
from xlkmv.library.frames import to_frame
from xlkmv.model.merton import Inversion

__all__ = ["summary"]

# Rows of a frame that a summary shows, and characters of its lines.
ROWS, WIDTH = 12, 100
# Firms without an answer that it names.
NAMED = 5


def summary(result: Any, *, html: bool = False) -> str:
    """Say in a few lines what a deal or a result is.

    Parameters
    ----------
    result : Deal, Pool, or a result of xlkmv
    html : bool
        Whether to mark it up for a notebook.

    Returns
    -------
    str

    Raises
    ------
    InputError
        When it is neither.
    """
    lines, shown = _lines(result), _few(result)
    if html:
        marked = "<br>".join(map(escape, lines))
        return f"<p>{marked}</p>{shown.to_html(max_rows=ROWS, float_format=_figure, na_rep='')}"
    table = shown.to_string(max_rows=ROWS, float_format=_figure, line_width=WIDTH, na_rep="")
    said = [part for line in lines for part in textwrap.wrap(line, WIDTH, subsequent_indent="  ")]
    return "\n".join([*said, "", table])


# Columns that are shown of a wide frame.
_SHOWN: dict[type, str] = {
    Deal: "rank amount coupon payment maturity",
    Pool: "amount pd recovery correlation industry term rate",
    Analysis: "grade quote_pd quote_why coverage expected_loss average_life",
}


def _few(result: Any) -> pd.DataFrame:
    """A frame as a summary has it: no schedule, nothing that is blank, a single row upright."""
    frame = to_frame(result)
    if isinstance(result, Deal):
        frame["coupon"] = [coupon(t.coupon, t.base, t.margin) for t in result.tranches]
    kind = next((kind for kind in _SHOWN if isinstance(result, kind)), None)
    names = _SHOWN[kind].split() if kind else [name for name in frame.columns if isinstance(name, str)]
    frame = frame[[name for name in names if name in frame]].dropna(axis="columns", how="all")
    return frame.T.rename(columns=str) if len(frame) == 1 and kind is None else frame


def _figure(x: float) -> str:
    """Write a figure: money in full, small ones with four digits."""
    return f"{x:,.0f}" if abs(x) >= 1e4 else f"{x:.4g}"


@singledispatch
def _lines(result: Any) -> list[str]:
    """What is said above the figures."""
    if isinstance(result, (tuple, list, dict)):
        return [f"{len(result)} results"]
    return [repr(result)]


@_lines.register
def _(result: Deal) -> list[str]:
    pool, terms = result.pool, result.terms
    on = [control.label for key, control in CONTROLS.items() if getattr(result.controls, key)]
    title, notes = getattr(result, "title", ""), sum(t.amount for t in result.tranches)
    classes = _counted(len(result.tranches), "class", "classes")
    dates = _counted(len(terms.dates), "payment date", "payment dates")
    return [
        *([title] if title else []),
        f"{pool.obligors.sum():,.0f} obligors, financed {pool.amount.sum():,.0f}; "
        f"notes {notes:,.0f} in {classes}.",
        f"Closing {terms.closing}; {dates} to {terms.dates[-1]}.",
        f"Controls: {', '.join(on) or 'none'}; {_counted(len(result.covenants), 'covenant', 'covenants')}.",
    ]


@_lines.register
def _(result: Pool) -> list[str]:
    weight = result.share
    return [
        f"{result.obligors.sum():,.0f} obligors in {_counted(len(result.name), 'row', 'rows')}, financed "
        f"{result.amount.sum():,.0f}; by amount: PD {weight @ result.pd:.2%} p.a., recovery "
        f"{weight @ result.recovery:.0%}."
    ]


@_lines.register
def _(result: Analysis) -> list[str]:
    said = read(result.deal, result)
    return [f"{label}: {said[key]}" for key, label in READINGS.items() if said[key]]


@_lines.register
def _(result: Inversion) -> list[str]:
    status: Any = result.status  # an array, or what has labels
    wrong = np.flatnonzero(status)
    said = [f"{np.size(status) - wrong.size:,} of {np.size(status):,} have an answer that can be trusted."]
    for index in wrong[:NAMED]:
        place = np.unravel_index(index, np.shape(status))
        axes = getattr(status, "axes", None) or [range(size) for size in np.shape(status)]
        row = ", ".join(str(axis[at]) for axis, at in zip(axes, place, strict=True))
        said.append(f"{row}: {result.error(int(index))}" if row else str(result.error()))
    return [*said, *(["..."] if wrong.size > NAMED else [])]


def _counted(count: int, one: str, more: str) -> str:
    return f"{count:,} {one if count == 1 else more}"
