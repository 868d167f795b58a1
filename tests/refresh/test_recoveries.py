"""Sheet Obligor: pledges and spreads of recoveries, into the pool and onto the sheet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xlkmv.deal.stress import expected_recovery
from xlkmv.refresh.run import refresh
from xlkmv.workbook.book import FileBook

VTRON, FIRST = "Vtron Group (威创集团)", "Licensee 01"
ROWS = [
    {"Obligor": VTRON.upper(), "Pledge value": 5e7, "Pledge volatility": 0.4, "Growth": -0.1}
    | {"Sale discount": 0.3, "Correlation": 0.4},
    {"Obligor": FIRST, "Spread": 0.2},
]


@pytest.fixture
def pledged(shipped: Any) -> Any:
    shipped.rows("tbl_Recovery", ROWS)
    shipped.put("tbl_Pool", VTRON, "Recovery", None)
    return shipped


def test_the_pool_takes_its_recoveries_from_there(pledged: Any) -> None:
    pool = pledged.read().deal.pool
    vtron, first = pool.name.index(VTRON), pool.name.index(FIRST)
    assert np.flatnonzero(pool.recoveries.pledged).tolist() == [vtron]
    found = {c: getattr(pool.recoveries, c)[vtron] for c in ("pledge", "pledge_volatility", "sale_discount")}
    assert found == {"pledge": 5e7, "pledge_volatility": 0.4, "sale_discount": 0.3}
    assert (pool.recoveries.pledge_growth[vtron], pool.recoveries.tie[vtron]) == (-0.1, 0.4)
    assert np.flatnonzero(pool.recoveries.spread).tolist() == [first]
    assert pool.recoveries.spread[first] == 0.2
    assert pool.recovery[first] == 0.4


def test_a_table_that_nobody_filled_or_has_changes_nothing(shipped: Any) -> None:
    before = shipped.read()
    assert before.deal.pool.recoveries is None
    shipped.drop("tbl_Recovery")
    assert shipped.read().digest == before.digest


def test_refresh_writes_what_is_expected(draft: Path, tmp_path: Path) -> None:
    book = FileBook(draft)
    header = [h for h in book.table("tbl_Recovery").header if any(h in row for row in ROWS)]
    book.write_table("tbl_Recovery", {h: [row.get(h) for row in ROWS] for h in header}, resize=True)
    table = book.table("tbl_Pool")
    cells = list(table.column("Recovery"))
    cells[table.column("Obligor").index(VTRON)] = None
    book.write_table("tbl_Pool", {"Recovery": cells})
    done = refresh(book, quick=True)
    book.save(tmp_path / "b.xlsm")
    expected = expected_recovery(done.inputs.deal)
    found = FileBook(tmp_path / "b.xlsm").table("tbl_Recovery").column("Expected")
    names = done.inputs.deal.pool.name
    assert found == pytest.approx([expected[names.index(VTRON)], 0.4], rel=1e-12)
    assert 0.15 < found[0] < 1.0


@pytest.mark.parametrize(
    ("row", "header", "value", "at", "rule"),
    [
        (0, "Pledge value", -1.0, "Pledge value", "must be >= 0"),
        (0, "Pledge volatility", 40.0, "Pledge volatility", "must be between 0 and 1"),
        (0, "Pledge volatility", None, "Pledge volatility", "must not be blank beside a pledge"),
        (0, "Correlation", 1.5, "Correlation", "must be between -1 and 1"),
        (0, "Spread", 0.1, "Spread", "must be blank or 0: the row has a pledge"),
        (1, "Spread", 0.495, "Spread", "must be below 0.4899"),
        (1, "Spread", None, "Pledge value", "must not be blank where 'Spread' is"),
        (1, "Obligor", "Nobody", "Obligor", "must be an obligor of table tbl_Pool"),
        (1, "Obligor", VTRON, "Obligor", "is there twice"),
    ],
)
def test_a_wrong_input_is_told_at_its_cell(
    pledged: Any, row: int, header: str, value: Any, at: str, rule: str
) -> None:
    pledged.put("tbl_Recovery", row, header, value)
    assert [place for place, _, said in pledged.wrong() if said.startswith(rule)] == [
        pledged.place("tbl_Recovery", row, at)
    ]
    assert len(pledged.wrong()) == 1


def test_a_claim_has_a_rate_or_a_pledge(pledged: Any) -> None:
    pledged.put("tbl_Pool", VTRON, "Recovery", 0.4)
    pledged.put("tbl_Pool", FIRST, "Recovery", None)
    said = {place: rule for place, _, rule in pledged.wrong()}
    assert said == {
        pledged.place("tbl_Pool", FIRST, "Recovery"): "must not be blank: fill it, or clear the whole row",
        pledged.place(
            "tbl_Pool", VTRON, "Recovery"
        ): "must be blank: the obligor has a pledge in table tbl_Recovery",
    }
    # Two cells are one problem, which names both.
    both = [{"Obligor": n, "Pledge value": 1e7, "Pledge volatility": 0.4} for n in (VTRON, FIRST)]
    pledged.rows("tbl_Recovery", both)
    pledged.put("tbl_Pool", FIRST, "Recovery", 0.4)
    assert {rule for _, _, rule in pledged.wrong()} == {
        f"must be blank: {FIRST}, {VTRON} have pledges in table tbl_Recovery"
    }


def test_a_loss_curve_and_a_pledge_go_together(pledged: Any) -> None:
    pledged.put("tbl_Term", "Default timing", "Value", "loss curve")
    pledged.rows("tbl_Vector", [{"Period": 1.0, "Loss curve": 0.01}])
    deal = pledged.read().deal
    assert deal.terms.loss_curve == (0.01,) and deal.pool.recoveries.pledged.any()
