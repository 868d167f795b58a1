"""Ranges of the inputs: sheet Uncertainty, columns of the pool, and the sources of sheet Obligor."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import logit
from scipy.stats import norm

from xlkmv.deal.terms import INPUTS
from xlkmv.deal.terms.ranges import range_at_level
from xlkmv.model.history import history_pd
from xlkmv.refresh.rows.uncertainty import range_rows
from xlkmv.refresh.run import refresh
from xlkmv.workbook import layout
from xlkmv.workbook.book import FileBook

FIRST, SECOND = "Vtron Group (威创集团)", "Licensee 11"


def test_the_shipped_ranges_are_read(shipped: Any) -> None:
    ranges = shipped.read().ranges
    assert ranges.recovery == (0.20, 0.60) and ranges.correlation == (0.10, 0.35)
    assert ranges.volatility is None and ranges.pd_low is None


def test_ends_of_single_obligors(shipped: Any) -> None:
    shipped.put("tbl_Pool", FIRST, "PD low", 0.004)
    shipped.put("tbl_Pool", FIRST, "PD high", 0.06)
    inputs = shipped.read()
    row = inputs.deal.pool.name.index(FIRST)
    assert (inputs.ranges.pd_low[row], inputs.ranges.pd_high[row]) == (0.004, 0.06)
    assert np.isnan(np.delete(inputs.ranges.pd_low, row)).all()


def test_a_source_brings_its_range_and_typed_ends_go_before(shipped: Any) -> None:
    shipped.rows(
        "tbl_Obligor", [{"Obligor": SECOND, "Method": "history", "Defaults": 6.0, "Obligor-years": 410.0}]
    )
    shipped.put("tbl_Pool", SECOND, "Rating", "source")
    shipped.put("tbl_Pool", SECOND, "PD", None)
    inputs = shipped.read()
    row, found = inputs.deal.pool.name.index(SECOND), history_pd(6.0, 410.0)
    assert inputs.ranges.pd_low[row] == pytest.approx(float(found.low))
    assert inputs.ranges.pd_high[row] == pytest.approx(float(found.high))
    shipped.put("tbl_Pool", SECOND, "PD low", 0.01)
    shipped.put("tbl_Pool", SECOND, "PD high", 0.02)
    ranges = shipped.read().ranges
    assert (ranges.pd_low[row], ranges.pd_high[row]) == (0.01, 0.02)


def test_ends_of_another_level_are_brought_to_90_per_cent() -> None:
    """Of a normal distribution of the log odds: quantiles by its spread."""
    low, high = range_at_level(0.02, 0.01, 0.05, 0.5)
    for end, given, z in ((low, 0.01, -1), (high, 0.05, 1)):
        spread = (logit(given) - logit(0.02)) / (z * norm.ppf(0.75))
        assert logit(end) == pytest.approx(logit(0.02) + z * norm.ppf(0.95) * spread)
    assert range_at_level(0.0, 0.0, 0.01, 0.9) is None


def test_a_sheet_without_ends_or_gone_leaves_the_mark_as_it_was(shipped: Any) -> None:
    for item in layout.RANGE_ROWS:
        for header in ("Low", "High"):
            shipped.put("tbl_Range", item.label, header, None)
    inputs = shipped.read()
    assert not inputs.ranges.any_acts(inputs.deal)
    shipped.drop("tbl_Range")
    assert shipped.read().digest == inputs.digest


@pytest.mark.parametrize(
    ("label", "low", "high", "sentence"),
    [
        ("Recovery", 0.6, 0.2, "must not be above the high end (0.2)"),
        ("Recovery", 0.0, 0.6, "must be > 0 and < 1"),
        ("Recovery", None, 0.6, "must not be blank: the high end is there"),
        ("Recovery", 0.2, None, "must not be blank: the low end is there"),
    ],
)
def test_ranges_that_are_none(shipped: Any, label: str, low: Any, high: Any, sentence: str) -> None:
    shipped.put("tbl_Range", label, "Low", low)
    shipped.put("tbl_Range", label, "High", high)
    [(place, _, rule)] = shipped.wrong()
    assert place.startswith("Uncertainty!") and sentence in rule


def test_standard_errors_are_read(shipped: Any) -> None:
    shipped.put("tbl_Range", "Recovery", "Low", None)
    shipped.put("tbl_Range", "Recovery", "High", None)
    shipped.put("tbl_Range", "Recovery", "s.e.", 0.1)
    shipped.put("tbl_Pool", FIRST, "PD s.e.", 0.004)
    inputs = shipped.read()
    row = inputs.deal.pool.name.index(FIRST)
    assert inputs.ranges.recovery == 0.1 and inputs.ranges.correlation == (0.10, 0.35)
    assert inputs.ranges.pd_low is None and inputs.ranges.pd_error[row] == 0.004
    assert np.isnan(np.delete(inputs.ranges.pd_error, row)).all()


def test_a_typed_standard_error_goes_before_that_of_a_source(shipped: Any) -> None:
    shipped.rows(
        "tbl_Obligor", [{"Obligor": SECOND, "Method": "history", "Defaults": 6.0, "Obligor-years": 410.0}]
    )
    shipped.put("tbl_Pool", SECOND, "Rating", "source")
    shipped.put("tbl_Pool", SECOND, "PD", None)
    shipped.put("tbl_Pool", SECOND, "PD s.e.", 0.002)
    ranges = shipped.read().ranges
    assert ranges.pd_low is None
    assert np.nansum(ranges.pd_error) == 0.002


@pytest.mark.parametrize(
    ("cells", "at", "sentence"),
    [
        ({"PD median": 0.06}, "PD median", "must be between the ends, which must be there"),
        ({"PD low": None, "PD high": None, "PD median": 0.02}, "PD median", "must be between the ends"),
        ({"Shared error": 0.5}, "Shared error", "needs a group, and a group what is shared"),
        ({"Error group": 1.0}, "Shared error", "needs a group, and a group what is shared"),
        ({"Shared error": 1.5, "Error group": 1.0}, "Shared error", "must be between 0 and 1"),
    ],
)
def test_what_is_said_of_a_range_besides_its_ends(
    shipped: Any, cells: dict[str, Any], at: str, sentence: str
) -> None:
    for header, value in ({"PD": 0.02, "PD low": 0.01, "PD high": 0.05} | cells).items():
        shipped.put("tbl_Pool", FIRST, header, value)
    [(place, _, rule)] = shipped.wrong()
    assert place == shipped.place("tbl_Pool", FIRST, at) and sentence in rule


@pytest.mark.parametrize(
    ("cells", "at", "sentence"),
    [
        ({"s.e.": 0.1}, "s.e.", "must be blank: there are ends"),
        ({"Low": None, "High": None, "s.e.": 0.0}, "s.e.", "must be > 0"),
        ({"Low": None, "High": None, "s.e.": "wide"}, "s.e.", "must be a number"),
    ],
)
def test_standard_errors_that_are_none(shipped: Any, cells: dict[str, Any], at: str, sentence: str) -> None:
    for header, value in cells.items():
        shipped.put("tbl_Range", "Recovery", header, value)
    [(place, _, rule)] = shipped.wrong()
    assert place == shipped.place("tbl_Range", "Recovery", at) and sentence in rule


def test_a_standard_error_that_does_not_fit_its_figure_does_not_count(shipped: Any) -> None:
    """The recovery is 0.4, and no law on 0 to 1 with this mean is wider than .49."""
    shipped.put("tbl_Range", "Recovery", "Low", None)
    shipped.put("tbl_Range", "Recovery", "High", None)
    shipped.put("tbl_Range", "Recovery", "s.e.", 0.5)
    assert shipped.read().ranges.recovery is None


@pytest.mark.parametrize(("low", "high"), [(0.5, 0.6), (0.1, 0.3)])
def test_a_range_that_does_not_hold_its_figure_does_not_count(shipped: Any, low: float, high: float) -> None:
    """The recovery is 0.4."""
    shipped.put("tbl_Range", "Recovery", "Low", low)
    shipped.put("tbl_Range", "Recovery", "High", high)
    ranges = shipped.read().ranges
    assert ranges.recovery is None and ranges.correlation == (0.10, 0.35)


def test_the_obligor_of_a_wrong_range_is_the_cell_that_is_named(shipped: Any) -> None:
    shipped.put("tbl_Pool", FIRST, "PD low", 0.03)
    shipped.put("tbl_Pool", FIRST, "PD high", 0.02)
    [(place, value, rule)] = shipped.wrong()
    assert (place, value) == (shipped.place("tbl_Pool", FIRST, "PD low"), 0.03)
    assert rule == "must not be above the high end (0.02)"


def test_why_a_range_does_not_count_stands_beside_it(shipped: Any, shipped_book: Path) -> None:
    """Who brings .4 as a mean, half of the pool nothing, cannot bring .6."""
    inputs, table = shipped.read(), FileBook(shipped_book).table("tbl_Range")
    deal, at = inputs.deal, table.column("Input").index(INPUTS["recovery"].label)
    some = np.cumsum(deal.pool.share) <= 0.55
    for mean, said in ((0.4, "no: an end out of reach"), (0.1, "no: figure outside")):
        recovery = np.where(some, mean / deal.pool.share[some].sum(), 0.0)
        other = replace(deal, pool=replace(deal.pool, recovery=recovery))
        assert any(INPUTS["recovery"].faults(0.20, 0.60, np.nan, other))
        said_now, figure = range_rows(table, other, replace(inputs.ranges, recovery=None))[at]
        assert (said_now, figure) == (said, pytest.approx(mean))
    assert range_rows(table, deal, inputs.ranges)[at][0] == "yes"


def test_what_a_refresh_writes(shipped_book: Path, tmp_path: Path) -> None:
    book = FileBook(shipped_book)
    ends = {item.label: (None, None) for item in layout.RANGE_ROWS}
    ends[INPUTS["recovery"].label] = (0.3, 0.5)
    ends[INPUTS["volatility"].label] = (0.05, 0.2)
    ends[INPUTS["correlation"].label] = (0.3, 0.4)
    low, high = zip(*ends.values(), strict=True)
    book.write_table("tbl_Range", {"Low": low, "High": high})
    done = refresh(book)
    book = FileBook(book.save(tmp_path / "b.xlsm"))
    matter, table = book.table("tbl_Matter"), book.table("tbl_Range")
    assert matter.column("Input") == ["Recovery"]
    assert matter.column("By itself")[0] == pytest.approx(1.0, abs=0.02)
    counts = dict(zip(table.column("Input"), table.column("Counts"), strict=True))
    assert counts["Recovery"] == "yes"
    assert counts["Volatility of the pool"] == "no: the volatility is implied"
    assert counts["Prepayment"] is None
    assert counts["Asset correlation"] == "no: figure outside"
    # The volatility is implied, and so the drift: what their cells on Terms hold is not used.
    assert counts["Drift of the pool"] == "no: the drift is implied"
    now = dict(zip(table.column("Input"), table.column("Figure now"), strict=True))
    assert [label for label, figure in now.items() if figure is None] == [
        "Volatility of the pool",
        "Drift of the pool",
        "Pledge value / financed",
        "Pledge volatility",
        "Sale discount",
    ]
    intervals, risk = book.table("tbl_Interval"), done.analysis.simulated_base.tranches
    for k, tranche in enumerate(risk):
        low, high = intervals.column("PD, low")[k], intervals.column("PD, high")[k]
        assert low < tranche.anydate_pd < high
        assert intervals.column("Loss, low")[k] < tranche.expected_loss < intervals.column("Loss, high")[k]
        assert intervals.column("s.e. of the simulation")[k] == tranche.anydate_pd_error
        said = book.table("tbl_Answer").column("90 % interval")[k]
        ends = [float(word) for word in said.rstrip(" %").split(" to ")]
        assert ends == pytest.approx([100.0 * low, 100.0 * high], rel=0.06)


def test_without_ranges_and_in_a_quick_look_there_is_no_interval(shipped_book: Path) -> None:
    book = FileBook(shipped_book)
    nothing = [None] * len(layout.RANGE_ROWS)
    book.write_table("tbl_Range", {"Low": nothing, "High": nothing})
    terms = book.table("tbl_Term")
    book.write_cell(terms.sheet, terms.cell(terms.column("Term").index("Simulated paths"), "Value"), 100)
    done = refresh(book)
    assert done.analysis.uncertainty is None
    assert book.table("tbl_Matter").column("Input") == ["no input has a range"]
    assert book.table("tbl_Answer").column("90 % interval") == ["no ranges", "no ranges"]
    quick = FileBook(shipped_book)
    refresh(quick, quick=True)
    assert quick.table("tbl_Matter").column("Input") == ["not in a quick look"]
    assert quick.table("tbl_Interval").column("Class")[0] == "not in a quick look"
