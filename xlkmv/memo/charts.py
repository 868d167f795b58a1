"""The charts of the memo: coverage by date, controls as a waterfall, conditions as a tornado.

Colour is never the only sign: lines differ in their dashes and bear their names, bars bear their figures.
"""

from __future__ import annotations

import functools
import io
import logging
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, DateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from xlkmv.deal.figures import probability
from xlkmv.errors import InputError
from xlkmv.memo.content import Memo, Move
from xlkmv.phrase import Phrase

__all__ = ["CHINESE_FONTS", "Picture", "chinese_font", "draw", "drawable", "families", "pictures"]

log: logging.Logger = logging.getLogger("xlkmv")

INK, GREY, GRID = "#1F3864", "#595959", "#D9DEE7"
BLUE, RED, GREEN = "#1F5FA8", "#B2433F", "#3E7F57"
# Families that have Chinese glyphs, as systems bring them along; the first that is there is taken.
CHINESE_FONTS = (
    *("Microsoft YaHei", "PingFang SC", "Hiragino Sans GB", "Noto Sans CJK SC", "Noto Sans SC"),
    *("Source Han Sans SC", "Source Han Sans CN", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei"),
    *(
        "SimHei",
        "Heiti SC",
        "STHeiti",
        "Noto Sans CJK JP",
        "Droid Sans Fallback",
        "SimSun",
        "Arial Unicode MS",
    ),
)
# As the text around the charts; the last one comes with matplotlib.
LATIN_FONTS = ("Arial", "Liberation Sans", "Helvetica", "DejaVu Sans")
UNITS = ((1e9, "billions"), (1e6, "millions"), (1e3, "thousands"), (1.0, "money"))
INCH = 25.4  # millimetres


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart in two formats, and what it shows for those who cannot see it."""

    svg: str
    png: bytes
    text: str
    width: float  # millimetres
    height: float


@functools.cache
def chinese_font() -> str:
    """Family with Chinese glyphs on this machine; "" when there is none, and the log says so."""
    found = _first(CHINESE_FONTS)
    if not found:
        log.warning(
            "no font with Chinese glyphs is installed: charts leave Chinese characters out (any of: %s)",
            ", ".join(CHINESE_FONTS),
        )
    return found


def _first(families: Sequence[str]) -> str:
    """First family that is installed; "" when none is."""
    there = {font.name for font in font_manager.fontManager.ttflist}
    return next((family for family in families if family in there), "")


def drawable(memo: Memo) -> bool:
    """Whether the charts of a memo can be drawn in its language on this machine.

    Parameters
    ----------
    memo : Memo

    Returns
    -------
    bool
        False: a font with its characters is missing, and they should be drawn in English.
    """
    return _latin(memo.headings["date"]) or bool(chinese_font())


def pictures(memo: Memo) -> dict[str, Picture]:
    """Draw the charts of a memo.

    Parameters
    ----------
    memo : Memo

    Returns
    -------
    dict
        "cover", "controls" and "conditions"; the last two only where there is something to draw.
    """
    with mpl.rc_context(_settings(memo)):
        return {name: _picture(_figure(memo, name), memo.headings[name]) for name in _there(memo)}


def draw(memo: Memo, name: str, axes: Axes) -> None:
    """Draw one chart of a memo into given axes.

    Parameters
    ----------
    memo : Memo
    name : str
        "cover", "controls" or "conditions".
    axes : Axes

    Raises
    ------
    InputError
        When the memo has no such chart.
    """
    if name not in _there(memo):
        raise InputError("chart", Phrase("must be one of: {options}", options=", ".join(_there(memo))), name)
    with mpl.rc_context(_settings(memo)):
        _DRAWN[name](memo, axes)


def _there(memo: Memo) -> list[str]:
    """Charts for which there is something to draw."""
    return [name for name in _DRAWN if name == "cover" or getattr(memo, name)]


def _settings(memo: Memo) -> dict[Any, Any]:
    return {
        "font.family": families(_words(memo)),
        "font.size": 7.5,
        "axes.edgecolor": GREY,
        "axes.linewidth": 0.6,
        "axes.labelcolor": GREY,
        "xtick.color": GREY,
        "ytick.color": GREY,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "text.parse_math": False,  # a name may hold dollars
        "svg.fonttype": "path",  # looks the same on every machine
        "svg.hashsalt": "xlkmv",  # equal inputs, equal bytes
    }


def families(words: Sequence[str]) -> list[str]:
    """Families of fonts that can draw some words.

    Parameters
    ----------
    words : sequence of str

    Returns
    -------
    list of str
        The first of them is Latin; the second, where words need it and it is installed, Chinese.
    """
    needs_chinese = not all(map(_latin, words))
    return [_first(LATIN_FONTS), *filter(None, [chinese_font() if needs_chinese else ""])]


def _words(memo: Memo) -> list[str]:
    moves = [move.name for move in (*memo.controls, *memo.conditions)]
    return [*memo.headings.values(), *moves, memo.headline, *(name for name, _ in memo.cover.dues)]


def _latin(text: str) -> bool:
    return all(unicodedata.east_asian_width(c) not in "WF" for c in text)


def _drawable(text: str) -> str:
    """Leave out what no font can draw."""
    if _latin(text) or chinese_font():
        return text
    return " ".join("".join(filter(_latin, text)).replace("()", "").split())


def _figure(memo: Memo, name: str) -> Figure:
    width, height = HALF
    if name == "cover":
        width, height = 182.0, 56.0 if memo.roomy or len(memo.classes.rows) > 5 else 68.0
    figure = Figure(figsize=(width / INCH, height / INCH), layout="constrained")
    _DRAWN[name](memo, figure.add_subplot())
    return figure


def _picture(figure: Figure, text: str) -> Picture:
    svg, png = io.StringIO(), io.BytesIO()
    figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    figure.savefig(png, format="png", dpi=220, metadata={"Software": None})
    width, height = (float(x) * INCH for x in figure.get_size_inches())
    code = svg.getvalue()
    return Picture(code[code.index("<svg") :], png.getvalue(), text, width, height)


def _open(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _cover(memo: Memo, axes: Axes) -> None:
    """Accumulated collections and dues by date; dues as steps, as they fall due at once."""
    cover, words = memo.cover, memo.headings
    _open(axes)
    largest = max(float(cover.paid_in.max()), *(float(due.max()) for _, due in cover.dues))
    unit, label = next((pair for pair in UNITS if largest >= pair[0]), UNITS[-1])
    dates = date2num(cover.dates)
    axes.plot(dates, cover.paid_in / unit, color=BLUE, lw=1.8, label=_drawable(words["paid_in"]))
    for (name, due), dash, color in zip(cover.dues, ("--", ":"), (RED, GREY), strict=False):
        text = _drawable(words["due"].format(name=name))
        axes.step(dates, due / unit, color=color, lw=1.5, ls=dash, where="post", label=text)
    axes.set_xlabel(_drawable(words["date"]))
    axes.set_ylabel(_drawable(words[label]))
    axes.set_ylim(bottom=0.0)
    axes.set_xlim(dates[0], dates[-1] + 0.02 * (dates[-1] - dates[0]))
    axes.xaxis.set_major_locator(AutoDateLocator(minticks=4, maxticks=11))
    axes.xaxis.set_major_formatter(DateFormatter("%Y-%m"))
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.10g}"))
    axes.grid(axis="y", color=GRID, lw=0.5)
    axes.legend(loc="upper left", frameon=False, fontsize=7)


def _bars(axes: Axes, moves: Sequence[Move]) -> None:
    axes.set_yticks(range(len(moves)), [_drawable(_wrapped(move.name)) for move in moves])
    axes.set_ylim(max(len(moves), FEWEST_BARS) - 0.5, -0.6)
    axes.tick_params(axis="y", length=0)


def _wrapped(name: str, width: int = 26) -> str:
    """Break a long name in the middle."""
    if len(name) <= width or " " not in name:
        return name
    spaces = [k for k, c in enumerate(name) if c == " "]
    at = min(spaces, key=lambda k: abs(k - len(name) / 2))
    return f"{name[:at]}\n{name[at + 1 :]}"


def _power(p: float) -> str:
    """Write a power of ten as a percentage, or as a power when it is small."""
    return f"{100.0 * p:.4g}%" if p >= 1e-4 else f"{p:.0E}"


HALF = 89.0, 74.0  # millimetres: two charts side by side
FEWEST_BARS = 7  # fewer are drawn as thin as these


def _waterfall(memo: Memo, axes: Axes) -> None:
    """From no control to all: what each takes off, or adds."""
    moves, words = memo.controls, memo.headings
    _open(axes)
    top = max(max(move.start, move.end) for move in moves)
    for row, move in enumerate(moves):
        total = row in (0, len(moves) - 1)
        change = move.end - move.start
        color = INK if total else GREEN if change <= 0.0 else RED
        low, high = sorted((move.start, move.end))
        axes.barh(row, high - low, left=low, height=0.62, color=color)
        if total:
            said = probability(move.end) if move.end > 0.0 else words["none"]
        else:
            said = f"{100.0 * change:+.2f}" if abs(change) >= 5e-5 else "0.00"
        axes.text(high + 0.012 * top, row, _drawable(said), va="center", fontsize=6.8, color=INK)
        if row < len(moves) - 2:
            axes.plot([move.end] * 2, [row + 0.31, row + 0.69], color=GREY, lw=0.6)
    _bars(axes, moves)
    axes.set_xlim(0.0, 1.16 * top)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100.0 * x:.4g}%"))
    axes.set_xlabel(_drawable(words["pd_simulated"]))
    axes.grid(axis="x", color=GRID, lw=0.5)
    axes.set_axisbelow(True)


def _tornado(memo: Memo, axes: Axes) -> None:
    """From the PD of the plan to that under each condition; logarithmic, as they lie decades apart."""
    moves, words = memo.conditions, memo.headings
    _open(axes)
    kmv = bool(memo.quick)
    pds = [p for move in moves for p in (move.start, move.end)]
    # What no path shows is drawn at half a path.
    least = 1e-10 if kmv else 0.5 * memo.least
    low = 0.5 * max(min(pds), least)
    base = max(moves[0].start, least)
    for row, move in enumerate(moves):
        start, end = sorted((base, max(move.end, least)))
        color = RED if move.end > move.start else GREEN
        axes.barh(row, end - start, left=start, height=0.62, color=color)
        said = probability(move.end) if kmv or move.end > 0.0 else words["none"]
        axes.text(1.12 * end, row, _drawable(said), va="center", fontsize=6.8, color=INK)
    axes.axvline(base, color=INK, lw=0.8)
    said = probability(moves[0].start) if kmv or moves[0].start > 0.0 else words["none"]
    label = _drawable(f"{words['plan']}: {said}")
    axes.text(base, -0.75, label, va="bottom", fontsize=6.8, color=INK)
    _bars(axes, moves)
    axes.set_xscale("log")
    high = max(max(pds), least)
    axes.set_xlim(low, high * (high / low) ** 0.22)
    decades = int(np.ceil(np.log10(high / low) / 5.0))
    ticks = LogLocator(10.0 ** max(decades, 1), numticks=8).tick_values(low, high)
    axes.set_xticks([x for x in ticks if low <= x <= 1.0])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: _power(x)))
    title = words["pd_kmv" if kmv else "pd_simulated"]
    axes.set_xlabel(_drawable(f"{title}, {words['pd_log']}"))
    axes.grid(axis="x", color=GRID, lw=0.5)
    axes.set_axisbelow(True)


_DRAWN = {"cover": _cover, "controls": _waterfall, "conditions": _tornado}
