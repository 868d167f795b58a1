"""Labels go through, frames are tidy and say their units, lines are short."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass, replace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

import xlkmv
from xlkmv.deal.questions.backtest import Measures, PlanBacktest
from xlkmv.deal.questions.uncertainty import ClassUncertainty, Spread, Uncertainty
from xlkmv.errors import InputError, MissingError, XlkmvError
from xlkmv.library import frames
from xlkmv.shown import LINE, Shown

mpl.use("Agg")
DEAL = xlkmv.xingye_yuanrong()
PLAN = {"closing": DEAL.terms.closing, "dates": DEAL.terms.dates, "paths": 400}
SMALL = xlkmv.Deal.from_frames(DEAL.pool, DEAL.tranches, covenants=DEAL.covenants, **PLAN)


RANGES = xlkmv.Ranges(
    pd=(0.01, 0.05),
    recovery=(0.2, 0.6),
    pd_low=np.where(np.arange(len(DEAL.pool.name)) == 1, 0.9 * DEAL.pool.pd, np.nan),
    pd_high=np.where(np.arange(len(DEAL.pool.name)) == 1, 1.1 * DEAL.pool.pd, np.nan),
)
# Dataclasses in an analysis that are no results: why there are no figures.
NOT_SHOWN = (XlkmvError,)


@pytest.fixture(scope="module")
def analysis():
    return SMALL.analyse(actual=SMALL.pool.collections[:2], ranges=RANGES)


def results(value, seen):
    """Every dataclass in an analysis, once a kind."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        for item in value:
            results(item, seen)
    elif is_dataclass(value) and not isinstance(value, (type, *NOT_SHOWN)):
        seen.setdefault(type(value), value)
        for item in fields(value):
            results(getattr(value, item.name), seen)
    return seen


def test_every_result_has_a_line_a_summary_and_a_frame_with_units(analysis):
    found = results(analysis, {})
    extra = (RANGES, xlkmv.Recoveries(spread=np.full(len(DEAL.pool.name), 0.1)))
    found |= {type(x): x for x in (*extra, xlkmv.solve(SMALL, 0.01, paths=200))}
    assert len(found) > 32 and {PlanBacktest, Measures, Uncertainty, ClassUncertainty, Spread} <= set(found)
    for kind, result in found.items():
        assert isinstance(result, Shown), kind
        assert len(repr(result)) <= LINE and "\n" not in repr(result), kind
        assert result.summary().count("\n") < 45 and "<" in result._repr_html_(), kind
        frame = result.to_frame(SMALL)
        assert isinstance(frame, pd.DataFrame), kind
        if len(frame) and len(frame.select_dtypes("number").columns):
            result.plot()
            mpl.pyplot.close("all")
        for name in frame.columns:
            if frame[name].dtype.kind == "f" and isinstance(name, str) and frame[name].notna().any():
                assert name in frame.attrs["units"] or kind in UNITLESS, (kind, name)


# Rows of settings: what each is stands in its docstring and in the schema.
UNITLESS = {xlkmv.Terms, xlkmv.Controls, xlkmv.Stress, xlkmv.DealFile}


def test_a_frame_of_classes_and_dates_holds_the_array_it_is_made_of(analysis):
    frame = analysis.planned.to_frame(SMALL)
    for k, tranche in enumerate(SMALL.tranches):
        for n, day in enumerate(SMALL.terms.dates):
            assert frame.loc[(tranche.name, pd.Timestamp(day)), "balance"] == analysis.planned.balance[k, n]


def test_a_frame_of_the_backtest_has_the_dates_that_have_passed(analysis):
    frame = analysis.backtest.to_frame(SMALL)
    assert list(frame.index) == list(pd.DatetimeIndex(SMALL.terms.dates[:2]))
    assert frame["collected"].tolist() == pytest.approx(np.cumsum(SMALL.pool.collections[:2]).tolist())
    (row,) = analysis.backtest.measures.to_frame().to_dict("records")
    assert row["obligors"] == len(SMALL.pool.name) and row["seen"] == 0.0


def test_a_frame_of_uncertainty_has_the_ends_of_each_class(analysis):
    frame = analysis.uncertainty.to_frame()
    assert list(frame.index) == [t.name for t in SMALL.tranches] and frame.index.name == "class"
    for row, known in zip(frame.itertuples(), analysis.uncertainty.classes, strict=True):
        for name in ("down", "up", "down_error", "up_error"):
            expected = np.nan if known.pd is None else getattr(known.pd, name)
            assert getattr(row, f"pd_{name}") == pytest.approx(expected, rel=0.0, nan_ok=True)
        assert (row.distance_low, row.distance_high) == known.distance
    spread = analysis.uncertainty.classes[0].pd
    assert spread.to_frame()["total"].tolist() == spread.total.tolist()


def test_frames_of_ranges_and_recoveries_go_by_input_and_obligor():
    name, pd_ = SMALL.pool.name[1], SMALL.pool.pd[1]
    frame = RANGES.to_frame(SMALL)
    assert list(frame.index) == ["pd", "recovery", f"pd of {name}"]
    assert frame.loc["recovery", ["low", "high"]].tolist() == [0.2, 0.6]
    assert frame.loc[f"pd of {name}", ["low", "high"]].tolist() == [0.9 * pd_, 1.1 * pd_]
    assert frame["standard error"].isna().all()
    errors = xlkmv.Ranges(recovery=0.05, pd_error=[0.01]).to_frame()["standard error"]
    assert errors.to_dict() == {"recovery": 0.05, "pd of 1": 0.01}
    assert list(RANGES.to_frame().index)[-1] == "pd of 2" and xlkmv.Ranges().to_frame().empty
    drawn = xlkmv.Recoveries(spread=[0.1] * len(SMALL.pool.name)).to_frame(SMALL)
    assert drawn.loc[name, "spread"] == 0.1 and drawn.attrs["units"]["pledge"] == "money"


def test_a_frame_of_the_shares_of_controls_sums_to_what_they_do(analysis):
    shares = analysis.attribution.to_frame(SMALL)["shapley"].groupby(level="class", sort=False).sum()
    gone = analysis.attribution.without - analysis.attribution.with_all
    assert shares.to_numpy() == pytest.approx(gone, abs=1e-12)


def test_labels_in_another_order_are_put_in_order():
    value = pd.Series([120.0, 90.0], ["a", "b"])
    debt = pd.Series([80.0, 100.0], ["b", "a"])
    pd_ = xlkmv.default_probability(value, debt, 0.25)
    assert list(pd_.index) == ["a", "b"]
    assert pd_.tolist() == xlkmv.default_probability([120.0, 90.0], [100.0, 80.0], 0.25).tolist()


@pytest.mark.parametrize("labels", [["a", "c"], ["a", "a"], ["a"]])
def test_other_labels_are_refused(labels):
    value = pd.Series([120.0, 90.0], ["a", "b"])
    with pytest.raises(InputError, match="index must have the same labels"):
        xlkmv.default_probability(value, pd.Series(100.0, labels), 0.25)


def test_frames_keep_index_and_columns():
    value = pd.DataFrame([[120.0, 110.0], [90.0, 95.0]], ["a", "b"], ["x", "y"])
    debt = pd.Series([100.0, 80.0], ["a", "b"])
    found = xlkmv.invert(value, debt, 0.4)
    assert found.asset_value.shape == (2, 2) and list(found.asset_value.columns) == ["x", "y"]
    assert found.asset_value.loc["b", "y"] == xlkmv.invert(95.0, 80.0, 0.4).asset_value
    assert found.error(0) is None


def test_plain_arrays_stay_arrays():
    assert type(xlkmv.default_probability([120.0], 100.0, 0.25)) is np.ndarray


def test_numpy_pandas_and_text_dates_are_one():
    row = {"name": "A", "amount": 1.0, "pd": 0.01, "recovery": 0.0, "lag": 0.0, "correlation": 0.1}
    heads = ("2025-06-30", pd.Timestamp("2025-06-30"), np.datetime64("2025-06-30"))
    pools = [xlkmv.Pool.from_frame([row | {head: 5.0}]) for head in heads]
    assert pools[0] == pools[1] == pools[2]
    assert pools[0].schedule.tolist() == [[5.0]]


def test_headings_of_the_workbook_are_understood():
    table = pd.DataFrame(
        {"Obligor": ["A"], "Financed amount": [9.0], "PD": [0.01], "Recovery": [0.4], "Recovery lag": [1.0]}
    ).assign(Correlation=0.2, Share=1.0, **{"2025-06-30": 10.0})
    assert xlkmv.Pool.from_frame(table).amount.tolist() == [9.0]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"recovry": 0.4}, InputError, r"unknown column; did you mean 'recovery'\?"),
        ({"PD": 0.2}, InputError, "must have one column for 'pd'"),
        ({"amount": None}, InputError, "pool 'A' amount must be > 0"),
        ({"name": None}, MissingError, "pool name 1 must not be blank"),
        ({"pd": ["x"]}, InputError, "pool pd must be a number"),
    ],
)
def test_what_is_wrong_with_a_frame_of_claims_is_said(change, error, message):
    row = {"name": "A", "amount": 1.0, "pd": 0.01, "recovery": 0.0, "lag": 0.0, "correlation": 0.1}
    with pytest.raises(error, match=message):
        xlkmv.Pool.from_frame([row | change])


def test_ranges_of_pds_come_with_the_claims_and_go_where_a_deal_is_saved(tmp_path):
    claims = SMALL.pool.to_frame(SMALL).assign(pd_low=RANGES.pd_low, **{"PD high": RANGES.pd_high})
    deal = xlkmv.Deal.from_frames(claims, SMALL.tranches, covenants=SMALL.covenants, **PLAN)
    assert deal.pool == SMALL.pool and deal.terms == SMALL.terms
    assert deal.ranges == xlkmv.Ranges(pd_low=RANGES.pd_low, pd_high=RANGES.pd_high)
    assert xlkmv.load(deal.save(tmp_path / "deal.json")) == deal
    without = xlkmv.Deal.from_frames(claims.assign(pd_low=None, **{"PD high": None}), SMALL.tranches, **PLAN)
    assert type(without) is xlkmv.Deal
    with pytest.raises(InputError, match=f"pool '{re.escape(SMALL.pool.name[1])}' pd high must not be blank"):
        xlkmv.Deal.from_frames(claims.drop(columns="PD high"), SMALL.tranches, **PLAN)
    with pytest.raises(InputError, match=r"ranges of PDs to Deal\.from_frames"):
        xlkmv.Pool.from_frame(claims)


@pytest.mark.parametrize("typed", [0.4, None])
def test_beside_a_pledge_no_recovery_counts(typed):
    row = {"name": "A", "amount": 1.0, "pd": 0.01, "recovery": 0.3, "lag": 0.0, "correlation": 0.1}
    pledged = row | {"name": "B", "recovery": typed, "pledge": 0.8}
    pool = xlkmv.Pool.from_frame([row, pledged])
    assert pool.recovery.tolist() == [0.3, 0.0] and pool.recoveries.pledge.tolist()[1] == 0.8
    assert xlkmv.Pool.from_frame(pool.to_frame()) == pool
    with pytest.raises(XlkmvError, match="pool 'B' recovery must be between 0 and 1"):
        xlkmv.Pool.from_frame([row, pledged | {"recovery": 40.0, "pledge": None}])


def test_a_schedule_goes_by_the_names_of_the_obligors():
    claims = pd.DataFrame({"amount": [1.0, 2.0], "pd": 0.01, "recovery": 0.0, "lag": 0.0}, ["A", "B"])
    claims = claims.assign(correlation=0.1)
    paid = pd.DataFrame({"2025-01-01": [7.0, 3.0]}, ["B", "A"])
    assert xlkmv.Pool.from_frame(claims, paid).schedule.tolist() == [[3.0], [7.0]]
    with pytest.raises(InputError, match="one row for each obligor"):
        xlkmv.Pool.from_frame(claims, paid.rename({"B": "C"}))


def test_a_deal_without_dates_says_so():
    row = {"name": "A", "amount": 1.0, "pd": 0.01, "recovery": 0.0, "lag": 0.0, "correlation": 0.1}
    with pytest.raises(MissingError, match="must have a column 'rate' beside 'term'"):
        xlkmv.Pool.from_frame([row | {"term": 12}])
    claims = [row | {"term": 12, "rate": 0.05}]
    with pytest.raises(MissingError, match="dates must be given"):
        xlkmv.Deal.from_frames(claims, DEAL.tranches, closing="2025-01-01")
    with pytest.raises(InputError, match=r"terms fee is no term of a deal"):
        xlkmv.Deal.from_frames(DEAL.pool, DEAL.tranches, fee=0.01, **PLAN)


def test_many_deals_keep_their_names():
    table = xlkmv.batch([SMALL, SMALL], quick=True)
    assert list(table.index.get_level_values("deal").unique()) == [1, 2]
    assert table.loc[1].equals(table.loc[2])
    with pytest.raises(InputError, match="deals must be deals"):
        xlkmv.batch(["Deal.xlsm"])


def test_charts_draw_the_figures_of_the_frame(analysis):
    axes = analysis.attribution.plot()
    drawn = sorted(bar.get_width() for bar in axes.patches)
    assert drawn == pytest.approx(sorted(analysis.attribution.shapley.ravel()))
    lines = analysis.base.tranches[0].risk.plot().lines
    assert lines[0].get_ydata() == pytest.approx(analysis.base.tranches[0].risk.accumulated_in)
    assert len(analysis.plot("controls").patches) == len(analysis.attribution.controls) + 2
    with pytest.raises(InputError, match="what must be a column of figures"):
        analysis.base.plot("nothing")
    with pytest.raises(InputError, match="chart must be one of: cover, controls, conditions"):
        analysis.plot("nothing")
    mpl.pyplot.close("all")


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    import sys

    monkeypatch.delitem(sys.modules, "xlkmv.library.plots", raising=False)
    monkeypatch.delitem(vars(xlkmv), "plot", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(xlkmv.errors.HostError, match=r'install .*"xlkmv\[plot\]"'):
        SMALL.plot()


def test_several_results_are_shown_like_one(analysis):
    stresses, answers = xlkmv.reverse_stress(SMALL), xlkmv.class_answers(SMALL, analysis)
    assert isinstance(stresses, tuple) and stresses == analysis.reverse
    for results, line in ((stresses, "Results(<7 BreakEven>)"), (answers, "Results(<2 ClassAnswer>)")):
        assert repr(results) == line
        assert len(results.to_frame()) == len(results)
        assert f"{len(results)} results" in results.summary()
        assert results.plot().patches
    assert stresses.to_frame()["size"].dropna().tolist() == [x.size for x in stresses if x.size is not None]
    days = [pd.NaT if x.date is None else pd.Timestamp(SMALL.terms.dates[x.date]) for x in stresses]
    assert stresses.to_frame(SMALL)["date"].tolist() == days and pd.NaT in days and len({*days}) > 2
    assert answers.to_frame()["quote_pd"].tolist() == [x.quote.pd for x in answers]
    mpl.pyplot.close("all")


def test_models_are_shown_side_by_side(analysis):
    models, frame = analysis.models, analysis.models.to_frame()
    assert isinstance(models, dict) and repr(models) == f"Models({', '.join(models)})"
    assert frame["EL"].tolist() == [model.expected_loss for model in models.values()]
    assert frame.attrs["units"]["EL"] == "money"
    assert frame.attrs["units"]["loss above junior notes"] == "probability"
    widths = [bar.get_width() for bar in models.plot("UL").patches]
    assert widths == pytest.approx(frame["UL"].tolist())
    assert "CreditRisk+" in models.summary()
    mpl.pyplot.close("all")


@pytest.mark.parametrize("support", [True, False])
def test_every_column_of_an_analysis_is_a_figure_with_its_unit_or_a_text(analysis, support):
    controls = xlkmv.Controls(support=support)
    one = analysis if support else replace(SMALL, controls=controls).analyse(quick=True)
    frame = one.to_frame()
    for name, column in frame.items():
        if pd.api.types.is_numeric_dtype(column):
            assert frame.attrs["units"][name], name
        else:
            assert all(isinstance(x, str) for x in column), name
    ends = [c.pd_range or (np.nan, np.nan) for c in xlkmv.class_answers(one.deal, one)]
    np.testing.assert_array_equal(frame[["pd_range_low", "pd_range_high"]], ends)


def test_a_summary_of_many_firms_names_those_without_an_answer():
    equity = pd.Series(40.0, [f"Firm {i}" for i in range(1000)])
    equity.iloc[500], equity.iloc[700] = 0.0, np.nan
    said = xlkmv.invert(equity, 100.0, 0.4).summary()
    assert said.startswith(
        "998 of 1,000 have an answer that can be trusted.\nFirm 500: equity must be > 0 (got 0)\n"
    )
    assert "\nFirm 700: equity must be > 0 (got nan)\n" in said
    assert "\n1, 0: equity must be > 0 (got -1)\n" in xlkmv.invert([[40.0], [-1.0]], 100.0, 0.4).summary()
    many = xlkmv.invert(np.zeros(7), 100.0, 0.4).summary()
    assert "\n4: equity" in many and "\n5: equity" not in many and "\n...\n" in many


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(
        InputError, match=r"^default_point must have the shape \(3,\) or one .* \(got \(2,\)\)$"
    ):
        xlkmv.default_probability([1.0, 2.0, 3.0], [1.0, 2.0], 0.25)
    with pytest.raises(InputError, match=r"^horizon must have the shape \(2,\)"):
        xlkmv.invert([40.0, 50.0], 100.0, 0.4, horizon=[1.0, 2.0, 3.0])


def test_units_are_said_once():
    assert all(unit and isinstance(unit, str) for unit in frames.UNITS.values())
