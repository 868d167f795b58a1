"""Sheet Obligor: PDs from the obligors' own data, into the pool and onto the sheet."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xlkmv.deal.examples.patents import xingye_yuanrong
from xlkmv.deal.sources import METHODS, ObligorSource, PeerFirm, SourceTerms, obligor_pds
from xlkmv.errors import BookInputError
from xlkmv.refresh.run import refresh
from xlkmv.workbook.book import FileBook

VTRON, HUAYIN, SMALL = "Vtron Group (威创集团)", "Huayin Medical (华银医学)", "Licensee 11"
LABORATORIES = [(5200.0, 0.38, 600.0, 900.0, 480.0), (2300.0, 0.45, 250.0, 500.0, 240.0)]
LABORATORIES += [(9800.0, 0.33, 1500.0, 2200.0, 1050.0)]
EARNINGS = "EBITDA or book assets"
FIRM = ("Equity", "Equity volatility", "Short-term debt", "Long-term debt", "EBITDA or book assets")
PEERS = [
    {"Peer": f"Peer {k}", "Industry": "Laboratories"} | dict(zip(FIRM, x, strict=True))
    for k, x in enumerate(LABORATORIES)
]
OBLIGORS = [
    {
        "Obligor": VTRON,
        "Method": "listed",
        "Short-term debt": 800.0,
        "Long-term debt": 400.0,
        "Equity": 3400.0,
    }
    | {"Equity volatility": 0.46},
    {"Obligor": HUAYIN, "Method": "comparables", "EBITDA or book assets": 105.0, "Industry": "laboratories"}
    | {"Short-term debt": 320.0},
    {"Obligor": SMALL.upper(), "Method": "history", "Defaults": 6.0, "Obligor-years": 410.0},
]


def expected() -> list[float]:
    rows = [
        ObligorSource(VTRON, "listed", equity=3400, equity_volatility=0.46, short_term=800, long_term=400),
        ObligorSource(HUAYIN, "comparables", earnings=105, industry="Laboratories", short_term=320),
        ObligorSource(SMALL, "history", defaults=6, obligor_years=410),
    ]
    peers = [PeerFirm(f"Peer {k}", "Laboratories", *x) for k, x in enumerate(LABORATORIES)]
    return [found.pd for found in obligor_pds(rows, SourceTerms(peers=peers, rate=0.025))]


def say_source(book: Any, *names: str) -> None:
    for name in names:
        book.put("tbl_Pool", name, "Rating", "Source")
        book.put("tbl_Pool", name, "PD", None)


@pytest.fixture
def sourced(shipped: Any) -> Any:
    shipped.rows("tbl_Obligor", OBLIGORS)
    shipped.rows("tbl_Peers", PEERS)
    shipped.rows("tbl_Source", [{"Risk-free rate": 0.025}])
    say_source(shipped, VTRON, HUAYIN, SMALL)
    return shipped


def test_the_pool_takes_pds_from_their_sources(sourced: Any) -> None:
    inputs = sourced.read()
    pds = dict(zip(inputs.deal.pool.name, inputs.deal.pool.pd.tolist(), strict=True))
    assert [pds[name] for name in (VTRON, HUAYIN, SMALL)] == pytest.approx(expected(), rel=1e-14)
    assert pds["Licensee 01"] == 0.012  # typed, as before
    assert [found.method for found in inputs.sources.rows] == ["listed", "comparables", "history"]


def test_what_sources_share_is_no_group_that_somebody_typed(sourced: Any) -> None:
    sourced.put("tbl_Pool", "Licensee 01", "PD low", 0.006)
    sourced.put("tbl_Pool", "Licensee 01", "PD high", 0.03)
    sourced.put("tbl_Pool", "Licensee 01", "PD median", 0.011)
    sourced.put("tbl_Pool", "Licensee 01", "Shared error", 0.4)
    sourced.put("tbl_Pool", "Licensee 01", "Error group", 1.0)
    inputs = sourced.read()
    said, names = inputs.ranges, inputs.deal.pool.name
    typed, compared, listed = (names.index(name) for name in ("Licensee 01", HUAYIN, VTRON))
    assert (said.pd_median[typed], said.pd_shared[typed], said.pd_group[typed]) == (0.011, 0.4, 1.0)
    assert said.pd_group[compared] == 2.0 and 0.0 < said.pd_shared[compared] < 1.0
    assert np.isnan(said.pd_group[listed])


def test_a_sheet_that_nobody_filled_or_has_changes_nothing(shipped: Any) -> None:
    before = shipped.read()
    assert before.sources.rows == ()
    for name in ("tbl_Obligor", "tbl_Source", "tbl_Peers", "tbl_Prices"):
        shipped.drop(name)
    assert shipped.read().digest == before.digest


def test_prices_go_before_a_typed_volatility_and_tell_their_frequency(sourced: Any) -> None:
    rng = np.random.default_rng(4)
    values = (3400.0 * np.exp(np.cumsum(rng.normal(0.0, 0.06, 60)))).tolist()
    days = [dt.date(2018, 1, 5) + dt.timedelta(days=7 * k) for k in range(60)]
    sourced.rows(
        "tbl_Prices",
        [{"Obligor": VTRON, "Date": d, "Equity": v} for d, v in zip(days, values, strict=True)],
    )
    found = sourced.read().sources.rows[0]
    # Weeks: 59 steps in 413 days.
    row = ObligorSource(VTRON, "listed", prices=values, periods_per_year=59 / (413 / 365.25),
                        short_term=800, long_term=400)  # fmt: skip
    (same,) = obligor_pds([row], SourceTerms(rate=0.025))
    assert (found.pd, found.low, found.high) == pytest.approx((same.pd, same.low, same.high), rel=1e-12)


def test_refresh_writes_pd_range_and_note(draft: Path, tmp_path: Path) -> None:
    book = FileBook(draft)
    for name, rows in (
        ("tbl_Obligor", OBLIGORS),
        ("tbl_Peers", PEERS),
        ("tbl_Source", [{"Risk-free rate": 0.025}]),
    ):
        header = [h for h in book.table(name).header if any(h in row for row in rows)]
        book.write_table(name, {h: [row.get(h) for row in rows] for h in header}, resize=True)
    refresh(book, quick=True)
    book.save(tmp_path / "b.xlsm")
    table = FileBook(tmp_path / "b.xlsm").table("tbl_Obligor")
    assert table.column("PD") == pytest.approx(expected(), rel=1e-12)
    low, high = table.column("PD, low"), table.column("PD, high")
    assert all(a < p < b for a, p, b in zip(low, table.column("PD"), high, strict=True))
    assert table.column("Rests on")[2] == "6 of 410 obligor-years in default, Jeffreys' prior"
    # They count nowhere unless the pool asks for them.
    assert refresh(book, quick=True).inputs.deal.pool.pd[10] == 0.025


@pytest.mark.parametrize(
    ("row", "header", "value", "at", "rule"),
    [
        (1, EARNINGS, -5.0, EARNINGS, "must be > 0"),
        (1, EARNINGS, None, EARNINGS, "is needed by the method comparables"),
        (1, "Industry", "Biotech", "Industry", "must have 3 listed peers or more, and has 0"),
        (0, "Equity volatility", 46.0, "Equity volatility",
         "must be > 0 and < 20 (a decimal: 0.25 means 25 %)"),
        (0, "Equity", 1e-200, "Method", "equity carries no information about the assets"),
        (2, "Defaults", 500.0, "Defaults", "must not be above the 410 observed"),
        (2, "Method", "guess", "Method", f"must be one of: {', '.join(METHODS)}"),
        (2, "Method", "rating", "Grade", "is needed by the method rating"),
        (2, "Obligor", VTRON, "Obligor", "is there twice: every obligor needs one row"),
    ],
)  # fmt: skip
def test_a_wrong_input_is_told_at_its_cell(
    sourced: Any, row: int, header: str, value: Any, at: str, rule: str
) -> None:
    sourced.put("tbl_Obligor", row, header, value)
    if header == "Obligor":
        sourced.put("tbl_Pool", SMALL, "Rating", None)
        sourced.put("tbl_Pool", SMALL, "PD", 0.02)
    ((place, _, said),) = sourced.wrong()
    assert place == sourced.place("tbl_Obligor", row, at)
    assert said.startswith(rule)


def test_a_wrong_peer_is_told_once(sourced: Any) -> None:
    sourced.put("tbl_Peers", 1, EARNINGS, -240.0)
    assert sourced.wrong() == [(sourced.place("tbl_Peers", 1, EARNINGS), -240.0, "must be > 0")]


def test_a_source_without_a_row(sourced: Any) -> None:
    say_source(sourced, "Licensee 02")
    rule = "needs the obligor in table tbl_Obligor: it has no row named Licensee 02"
    assert sourced.wrong() == [(sourced.place("tbl_Pool", "Licensee 02", "Rating"), "Source", rule)]


def test_prices_of_strangers_and_out_of_order(sourced: Any) -> None:
    prices = [(VTRON, 5, 3400.0), (VTRON, 3, 3300.0), ("Nobody", 4, 10.0)]
    rows = [{"Obligor": n, "Date": dt.date(2019, 1, d), "Equity": v} for n, d, v in prices]
    sourced.rows("tbl_Prices", [rows[0], rows[2]])
    stranger = sourced.wrong()
    assert (
        sourced.place("tbl_Prices", 1, "Obligor"),
        "Nobody",
        "must be an obligor of table tbl_Obligor",
    ) in stranger
    sourced.rows("tbl_Prices", rows[:2])
    late = "dates of the prices of an obligor must increase (2019-01-05 comes before it)"
    assert (sourced.place("tbl_Prices", 1, "Date"), dt.date(2019, 1, 3), late) in sourced.wrong()


def test_terms_have_one_row(sourced: Any) -> None:
    sourced.rows("tbl_Source", [{"Risk-free rate": 0.025}, {"Risk-free rate": 0.03}])
    rule = "must be blank: the table has one row"
    assert sourced.wrong() == [(sourced.place("tbl_Source", 1, "Risk-free rate"), 0.03, rule)]


def test_a_map_of_the_users_own_turns_distances_into_pds(sourced: Any) -> None:
    rows = [{"Distance": 8.0, "PD": 2e-4}, {"Distance": 1.0, "PD": 0.08}, {"Distance": 6.0, "PD": 0.004}]
    sourced.rows("tbl_Edf", rows)
    listed, compared, history = sourced.read().sources.rows
    # Linear in ln PD between the points beside it: 1 and 6.
    for found in (listed, compared):
        assert 1.0 < found.distance < 6.0
        share = (found.distance - 1.0) / 5.0
        assert found.pd == pytest.approx(0.08 ** (1.0 - share) * 0.004**share, rel=1e-12)
    assert history.pd == pytest.approx(expected()[2], rel=1e-14)


@pytest.mark.parametrize(
    ("row", "header", "value", "rule"),
    [
        (1, "PD", 0.0, "must be > 0 and <= 1 (a decimal: 0.02 means 2 %)"),
        (1, "PD", 0.5, "must have PDs that do not rise with the distance"),
        (1, "Distance", 1.0, "must have different distances"),
    ],
)
def test_a_wrong_map_is_told_at_its_cell(
    sourced: Any, row: int, header: str, value: float, rule: str
) -> None:
    sourced.rows("tbl_Edf", [{"Distance": 1.0, "PD": 0.08}, {"Distance": 4.0, "PD": 0.004}])
    sourced.put("tbl_Edf", row, header, value)
    assert sourced.wrong() == [(sourced.place("tbl_Edf", row, header), value, rule)]


def test_a_map_of_one_row_is_none(sourced: Any) -> None:
    sourced.rows("tbl_Edf", [{"Distance": 1.0, "PD": 0.08}])
    ((place, _, rule),) = sourced.wrong()
    assert place == sourced.place("tbl_Edf", 0, "PD")
    assert rule.endswith("two rows or more")


# ------------------------------------------------------------- prices, closing, groups, correlation


def weekly(name: str, count: int, last: dt.date, seed: int = 4) -> list[dict[str, Any]]:
    """Prices of every seventh day up to a day."""
    values = 3400.0 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0.0, 0.06, count)))
    days = [last - dt.timedelta(days=7 * k) for k in range(count)][::-1]
    return [{"Obligor": name, "Date": d, "Equity": v} for d, v in zip(days, values.tolist(), strict=True)]


CLOSING = xingye_yuanrong().terms.closing


def test_prices_after_closing_are_not_used_and_told(sourced: Any) -> None:
    before, after = weekly(VTRON, 40, CLOSING), weekly(VTRON, 10, CLOSING + dt.timedelta(days=70), 5)
    sourced.rows("tbl_Prices", before)
    known = sourced.read()
    sourced.rows("tbl_Prices", before + after)
    found = sourced.read()
    assert found.sources.rows[0] == known.sources.rows[0]
    told = {check.name: check.outcome for check in found.noticed}
    assert told[f"Obligors with prices after closing, left out ({VTRON})"] == "look"
    assert told[f"Days between last price and closing ({VTRON})"] == "passed"
    assert [c.outcome for c in known.noticed] == ["passed"] * 5


def test_too_few_prices_name_obligor_number_and_rule(sourced: Any) -> None:
    sourced.rows("tbl_Prices", weekly(VTRON, 2, CLOSING))
    rule = "must be one of 3 prices or more up to closing, and there are 2"
    ((place, _, said),) = sourced.wrong()
    assert (place, said) == (sourced.place("tbl_Prices", 0, "Equity"), rule)
    # Prices that all come later are no reason to fall back on what is typed.
    sourced.rows("tbl_Prices", weekly(VTRON, 20, CLOSING + dt.timedelta(days=500)))
    ((_, _, said),) = sourced.wrong()
    assert said == rule.replace("are 2", "are 0")
    sourced.rows("tbl_Prices", [row | {"Equity": 5.0} for row in weekly(VTRON, 20, CLOSING)])
    ((place, _, said),) = sourced.wrong()
    assert place == sourced.place("tbl_Prices", 0, "Equity")
    assert said == "prices must move: a constant series has no volatility"


def test_what_is_wrong_names_the_obligor(sourced: Any) -> None:
    sourced.put("tbl_Obligor", 1, EARNINGS, -5.0)
    with pytest.raises(BookInputError, match=rf"\({re.escape(HUAYIN)}\): -5: must be > 0"):
        sourced.read()


def test_an_obligor_that_is_not_in_the_pool_is_told(sourced: Any) -> None:
    sourced.rows("tbl_Obligor", [*OBLIGORS, {"Obligor": "Next deal", "Method": "given", "Typed PD": 0.01}])
    (check,) = sourced.read().noticed
    assert check.name == "Obligors with data that are not in the pool (Next deal)"
    assert check.outcome == "look"


GROUPS = [
    {"Group": g, "Obligors": n, "Defaulted": 0.0} for g, n in (("A", 100.0), ("B", 400.0), ("C", 300.0))
]


def test_groups_with_few_defaults_give_the_published_bounds(sourced: Any) -> None:
    rows = [{"Obligor": SMALL, "Method": "low default", "Grade": "b"}]
    sourced.rows("tbl_Obligor", [*OBLIGORS[:2], *rows])
    sourced.rows("tbl_Group", GROUPS)
    sourced.rows("tbl_Source", [{"Bound: confidence": 0.9}])
    found = sourced.read().sources
    # Pluto and Tasche (2005), no default, confidence 90 %.
    assert [100 * group.pd for group in found.groups] == pytest.approx([0.29, 0.33, 0.76], abs=0.005)
    assert found.rows[2].pd == found.groups[1].pd
    assert found.methods.count("low default") == 1
    sourced.put("tbl_Group", 2, "Defaulted", 301.0)
    ((place, _, rule),) = sourced.wrong()
    assert (place, rule) == (sourced.place("tbl_Group", 2, "Defaulted"), "must not be above the 300 observed")
    sourced.put("tbl_Group", 2, "Defaulted", 0.0)
    sourced.rows("tbl_Source", [{"Bound: years": 2.5}])
    ((place, _, rule),) = sourced.wrong()
    assert (place, rule) == (
        sourced.place("tbl_Source", 0, "Bound: years"),
        "must be a whole number, 1 to 50",
    )


def test_correlation_by_basel(sourced: Any) -> None:
    sourced.put("tbl_Term", "Correlation from", "Value", "basel")
    sourced.put("tbl_Pool", VTRON, "Correlation", None)
    sourced.put("tbl_Pool", "Licensee 01", "Sales (EUR million)", 5.0)
    inputs = sourced.read()
    pool, found = inputs.deal.pool, inputs.sources.correlation
    # The formula as it is printed: 12 to 24 %, 4 points less for the smallest.
    weight = (1.0 - np.exp(-50.0 * pool.pd)) / (1.0 - np.exp(-50.0))
    expected = 0.12 * weight + 0.24 * (1.0 - weight)
    expected[pool.name.index("Licensee 01")] -= 0.04
    assert pool.correlation == pytest.approx(expected, rel=1e-12)
    assert (found.source, found.error) == ("Basel", None)
    sourced.put("tbl_Term", "Correlation from", "Value", None)
    rule = "must not be blank: fill it, or clear the whole row"
    assert sourced.wrong() == [(sourced.place("tbl_Pool", VTRON, "Correlation"), None, rule)]


def test_correlation_of_returns_sets_its_range(sourced: Any) -> None:
    listed = [OBLIGORS[0], OBLIGORS[1] | {"Method": "listed"}, OBLIGORS[2]]
    sourced.rows("tbl_Obligor", listed)
    first = weekly(VTRON, 120, CLOSING)
    own = weekly(HUAYIN, 120, CLOSING, 9)
    mixed = [
        b | {"Equity": 0.5 * np.sqrt(a["Equity"] * b["Equity"])} for a, b in zip(first, own, strict=True)
    ]
    sourced.rows("tbl_Prices", [*first, *mixed])
    sourced.put("tbl_Term", "Correlation from", "Value", "returns")
    sourced.rows("tbl_Range", [])
    inputs = sourced.read()
    found = inputs.sources.correlation
    # Equal parts of two independent series: 1/sqrt(2) of the equities', and much the same of the assets'.
    assert abs(found.values[0] - np.sqrt(0.5)) < 3.0 * found.error
    assert inputs.deal.pool.correlation.tolist() == [found.values[0]] * 11
    assert inputs.ranges.correlation == found.error
    sourced.rows(
        "tbl_Prices", [*first, *(row | {"Date": row["Date"] + dt.timedelta(days=1)} for row in mixed)]
    )
    ((_, _, rule),) = sourced.wrong()
    assert rule.startswith("cannot be used: prices must have 11 dates or more in common, and have 0")
