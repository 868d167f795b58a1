"""Charts draw what the memo holds, with glyphs that are there."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from memo_deals import STAMP, analysed

from xlkmv.memo import charts
from xlkmv.memo.content import Move, memo


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were drawn, before they became pictures."""
    figures: list[Figure] = []
    picture = charts._picture

    def keep(figure, text):
        figures.append(figure)
        return picture(figure, text)

    monkeypatch.setattr(charts, "_picture", keep)
    return figures


def words(figure: Figure) -> list[str]:
    axes = figure.axes[0]
    labels = [label.get_text() for label in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    legend = axes.get_legend()
    named = [] if legend is None else [label.get_text() for label in legend.get_texts()]
    return [axes.get_xlabel(), axes.get_ylabel(), *labels, *(text.get_text() for text in axes.texts), *named]


def test_the_first_chart_draws_collections_and_dues(each, drawn):
    said = memo(*each, STAMP)
    charts.pictures(said)
    axes = drawn[0].axes[0]
    collections, *dues = axes.lines
    scale = said.cover.paid_in[-1] / collections.get_ydata()[-1]
    assert scale in (1.0, 1e3, 1e6, 1e9)
    assert np.asarray(collections.get_ydata()) * scale == pytest.approx(said.cover.paid_in)
    for line, (name, due) in zip(dues, said.cover.dues, strict=True):
        assert np.asarray(line.get_ydata()) * scale == pytest.approx(due)
        assert name in line.get_label()
    assert len({line.get_linestyle() for line in axes.lines}) == len(axes.lines)  # also without colour
    assert axes.get_xlabel() and axes.get_ylabel()


def test_bars_end_where_the_figures_do(drawn):
    said = memo(*analysed("patents"), STAMP)
    charts.pictures(said)
    _, waterfall, tornado = (figure.axes[0] for figure in drawn)
    floor = 0.5 / 1000  # of the logarithmic axis: half a path
    for axes, moves, least in ((waterfall, said.controls, -1.0), (tornado, said.conditions, floor)):
        ends = np.array([(bar.get_x(), bar.get_x() + bar.get_width()) for bar in axes.patches])
        wanted = np.array([sorted((max(m.start, least), max(m.end, least))) for m in moves])
        assert ends == pytest.approx(wanted, abs=1e-12)
    assert tornado.get_xscale() == "log" and "logarithmic" in tornado.get_xlabel()
    for axes in (waterfall, tornado):
        assert len(axes.get_yticklabels()) == len(axes.patches)


def test_a_bar_bears_its_change_with_its_sign(drawn):
    moves = (
        Move("No control", 0.0, 0.4),
        Move("Better", 0.4, 0.1),
        Move("Worse", 0.1, 0.15),
        Move("Nothing", 0.15, 0.15),
        Move("All controls", 0.0, 0.15),
    )
    charts.pictures(replace(memo(*analysed("patents"), STAMP), controls=moves))
    shown = [text.get_text() for text in drawn[1].axes[0].texts]
    assert shown == ["40.00%", "-30.00", "+5.00", "0.00", "15.00%"]


def test_what_no_path_shows_is_said_and_not_drawn_as_a_probability(drawn):
    said = replace(memo(*analysed("patents"), STAMP), conditions=(Move("Mild", 0.01, 0.0),))
    charts.pictures(said)
    assert "none seen" in words(drawn[2])


def test_there_is_no_chart_where_there_is_nothing_to_draw():
    said = replace(memo(*analysed("patents"), STAMP), controls=(), conditions=())
    assert set(charts.pictures(said)) == {"cover"}


def test_without_a_chinese_font_nothing_is_drawn_that_is_not_there(monkeypatch, caplog, drawn):
    monkeypatch.setattr(charts, "CHINESE_FONTS", ("No such family",))
    charts.chinese_font.cache_clear()
    try:
        with caplog.at_level(logging.WARNING, logger="xlkmv"):
            assert not charts.drawable(memo(*analysed("patents"), STAMP, language="zh"))
            english = memo(*analysed("patents"), STAMP)
            assert charts.drawable(english)
            charts.pictures(english)
        # Missing glyphs would be a warning of matplotlib, and an error here.
        shown = [text for figure in drawn for text in words(figure)]
        assert "due to Senior and what ranks ahead" in shown
        assert all(text.isascii() for text in shown)
        assert len(caplog.records) == 1 and "No such family" in caplog.text
    finally:
        charts.chinese_font.cache_clear()
