"""Charts of deals and results, drawn into matplotlib axes."""

from __future__ import annotations

import datetime as dt
from functools import singledispatch
from typing import Any

import pandas as pd

from xlkmv.deal.analysis import Analysis
from xlkmv.deal.plan.claims import pool_by_date
from xlkmv.deal.terms import Deal
from xlkmv.environment import add
from xlkmv.errors import HostError, InputError, XlkmvError
from xlkmv.library.frames import MONEY, PROBABILITY, RATE, SHARE, to_frame
from xlkmv.memo.content import Stamp, memo
from xlkmv.phrase import Phrase

try:
    import matplotlib as mpl
    from matplotlib import pyplot
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.ticker import EngFormatter, MaxNLocator, PercentFormatter

    from xlkmv.memo.charts import draw, families
except ImportError:
    raise HostError(Phrase("a chart needs matplotlib: run  {command}", command=add("plot"))) from None

__all__ = ["plot"]

# What is drawn of a frame when nobody says: the first of these that it has.
_FIRST = (
    *("accumulated_in accumulated_due", "anydate_pd_at_maturity", "quote_pd", "anydate_pd", "pd"),
    *("simulated", "balance", "shapley", "loss_share", "value_at_risk expected_shortfall", "mean"),
    *("default_probability", "asset_values", "amount", "planned expected collected", "pd_down pd_up"),
    *("first total", "low high"),
)


def plot(result: Any, what: str = "", ax: Axes | None = None, **options: Any) -> Axes:
    """Draw a deal or a result.

    Parameters
    ----------
    result : Deal, Pool, or a result of xlkmv
    what : str
        Column of the frame (several with blanks between), or chart of an analysis: "cover",
        "controls" or "conditions"; what matters most when left out.
    ax : Axes, optional
        Where to draw; axes of a new figure when left out.
    **options
        Of ``DataFrame.plot``; charts of an analysis have none.

    Returns
    -------
    Axes

    Raises
    ------
    HostError
        When the extra ``xlkmv[plot]`` is not installed.
    InputError
        When there is no such column or chart.
    """
    figure, axes = (None, ax) if ax is not None else pyplot.subplots(layout="constrained")
    try:
        _draw(result, what, axes, **options)
    except Exception as error:
        if figure is not None:
            pyplot.close(figure)
        if options and not isinstance(error, XlkmvError):
            rule = Phrase("must be options of DataFrame.plot: {error}", error=str(error))
            raise InputError("options", rule, ", ".join(options)) from error
        raise
    return axes


@singledispatch
def _draw(result: Any, what: str, ax: Axes, **options: Any) -> None:
    frame = to_frame(result)
    figures = frame.select_dtypes("number")
    figures = figures.drop(columns=[name for name in figures if isinstance(name, dt.date)])
    if what:
        names = what.split()
    else:
        fit = (row.split() for row in _FIRST if set(row.split()) <= set(figures))
        names = next(fit, [str(name) for name in figures.columns[:1]])
    missing = [name for name in names if name not in figures]
    if missing or not names:
        known = ", ".join(map(str, figures.columns)) or "there is none"
        raise InputError(
            "what",
            Phrase("must be a column of figures ({known})", known=known),
            missing[0] if missing else what,
        )
    shown, units = figures[names], {frame.attrs.get("units", {}).get(name, "") for name in names}
    if isinstance(shown.index, pd.MultiIndex) and len(names) == 1:
        # A line for each class, or for what is not the date.
        shown = shown[names[0]].unstack("class" if "class" in shown.index.names else -1, sort=False)
    elif "times" in frame and "times" not in names:
        shown = shown.set_index(frame["times"]).rename_axis("years")
    by_time = len(shown) > 1 and not pd.api.types.is_string_dtype(shown.index)
    words = [str(x) for x in (*shown.columns, *([] if by_time else shown.index))]
    shown.plot(ax=ax, kind=options.pop("kind", "line" if by_time else "barh"), **options)
    legend = ax.get_legend()
    for text in (*ax.get_yticklabels(), *(legend.get_texts() if legend else ())):
        text.set_fontfamily(families(words))
    if not by_time:
        ax.invert_yaxis()
        ax.set_ylabel("")
    _measured(ax.yaxis if by_time else ax.xaxis, " / ".join(sorted(filter(None, units))))


def _measured(axis: Axis, unit: str) -> None:
    """Write the figures of an axis as their unit wants it."""
    axis.set_label_text("" if unit in (PROBABILITY, SHARE) else unit)
    axis.set_major_locator(MaxNLocator(6))
    if unit in (PROBABILITY, SHARE, RATE):
        axis.set_major_formatter(PercentFormatter(1.0))
    elif unit == MONEY:
        axis.set_major_formatter(EngFormatter())


@_draw.register(Deal)
def _(result: Deal, what: str, ax: Axes, **options: Any) -> None:
    """Balance of the pool by date, beside the notes."""
    _, balance = pool_by_date(result)
    days = pd.DatetimeIndex(result.terms.dates)
    with mpl.rc_context({"font.family": families([t.name for t in result.tranches])}):
        pd.Series(balance, days).plot(ax=ax, label="balance of the pool, by plan", **options)
        for tranche in result.tranches:
            ax.axhline(tranche.amount, ls=":", lw=1.0, color="grey")
            ax.annotate(tranche.name, (days[-1], tranche.amount), ha="right", va="bottom", fontsize="small")
        ax.legend(frameon=False)
    ax.set_ylim(bottom=0.0)
    _measured(ax.yaxis, MONEY)


@_draw.register(Analysis)
def _(result: Analysis, what: str, ax: Axes, **options: Any) -> None:
    """Charts of the memo."""
    draw(memo(result.deal, result, Stamp(dt.datetime.min)), what or "cover", ax)
