"""The snippets of docs/python.md run as they stand there, and give what they should."""

from __future__ import annotations

import math
import os
import re
import shutil
from pathlib import Path
from statistics import NormalDist

import matplotlib as mpl
import mypy.api
import numpy as np
import pytest

from xlkmv.deal.terms import Deal

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
SNIPPETS = {
    int(number): code
    for number, code in re.findall(r"^## (\d+)\. .*?^```python\n(.*?)^```$", PAGE, re.M | re.S)
}


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mpl.use("Agg")
    shutil.copy(ROOT / "workbook" / "KMV_Template.xlsm", tmp_path / "Deal.xlsm")

    def snippet(number):
        names: dict = {}
        exec(compile(SNIPPETS[number], f"python.md, snippet {number}", "exec"), names)
        return names

    return snippet


def test_there_are_ten():
    assert sorted(SNIPPETS) == list(range(1, 11))


def test_types_are_as_they_stand(tmp_path):
    for page in ("docs/python.md", "README.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        snippets = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
        assert snippets, page
        for number, code in enumerate(snippets):
            (tmp_path / f"{Path(page).stem}_{number}.py").write_text(code, encoding="utf-8")
    silent = ("--strict", "--ignore-missing-imports", "--follow-imports=silent", "--no-incremental")
    files = sorted(map(str, tmp_path.glob("*.py")))
    said, _, code = mypy.api.run([*files, *silent, f"--config-file={os.devnull}"])
    assert files and code == 0, said


def test_columns_in_the_same_index_out(run):
    firms = run(1)["firms"]
    for firm in firms.itertuples():
        dd = (math.log(firm.assets / firm.debt) - 0.5 * firm.sigma**2) / firm.sigma
        assert firm.dd == pytest.approx(dd, rel=1e-12)
        assert firm.pd == pytest.approx(NormalDist().cdf(-dd), rel=1e-12)
    assert list(firms["pd"].index) == ["Alpha", "Beta", "Gamma"]


def test_assets_from_equity(run):
    frame = run(2)["frame"]
    cdf = NormalDist().cdf
    for equity, firm in zip((40.0, 55.0, 12.0), frame.itertuples(), strict=True):
        d1 = math.log(firm.asset_value / 100.0) / firm.volatility + 0.5 * firm.volatility
        value = firm.asset_value * cdf(d1) - 100.0 * cdf(d1 - firm.volatility)
        assert value == pytest.approx(equity, rel=1e-10)
        assert cdf(d1) * firm.volatility * firm.asset_value / equity == pytest.approx(0.4, rel=1e-10)
    assert list(frame.index) == ["Alpha", "Beta", "Gamma"]
    assert frame.attrs["units"]["asset_value"] == "money"


def test_a_workbook_into_python(run, capsys):
    names = run(3)
    claims, notes = names["claims"], names["notes"]
    # What is public of the deal: 11 obligors, 301 million, senior notes of 95 % at 4 %.
    assert len(claims) == 11 and claims["amount"].sum() == 301e6
    assert notes["amount"].tolist() == pytest.approx([285.95e6, 15.05e6])
    assert notes["coupon"].iloc[0] == 0.04
    assert [day.isoformat()[:10] for day in claims.columns[-20:][:2]] == ["2019-12-11", "2020-03-11"]
    assert "11 obligors, financed 301,000,000" in capsys.readouterr().out


def test_everything_that_a_refresh_computes(run):
    names = run(4)
    answers, by_date, conditions = names["answers"], names["by_date"], names["conditions"]
    assert answers.index.name == "class" and answers.attrs["units"]["quote_pd"] == "probability"
    repaid = by_date["principal_paid"].groupby(level="class", sort=False).sum()
    assert repaid.tolist() == pytest.approx(answers["amount"].tolist())
    base = conditions.loc["Base"]
    assert base["coverage_at_maturity"].tolist() == pytest.approx(answers["coverage"].tolist())
    assert len(conditions) == 2 * len(names["deal"].conditions)


def test_a_deal_from_frames(run):
    names = run(5)
    deal = names["deal"]
    assert deal.pool.collections.tolist() == [265.0] * 4
    assert [day.isoformat() for day in deal.terms.dates][-1] == "2025-12-31"
    # Coverage of the junior class: all collections against principal, coupons and fees of the plan.
    share = np.cumsum([265.0] * 4) / 1060.0
    senior = 900.0 * (1.0 - np.concatenate([[0.0], share[:-1]]))
    notes = senior + 100.0
    due = 1000.0 + (0.04 * senior / 4.0).sum() + (0.002 * notes / 4.0).sum()
    assert names["answers"].loc["Junior", "coverage"] == pytest.approx(1060.0 / due, rel=1e-9)


def test_claims_by_their_loan_terms(run):
    paid_in = run(6)["paid_in"]

    def annuity(amount, rate, months):
        return amount * rate / 12.0 / (1.0 - (1.0 + rate / 12.0) ** -months)

    one, two = annuity(1000.0, 0.06, 24), annuity(500.0, 0.05, 12)
    assert paid_in == pytest.approx([one + two] * 12 + [one] * 12)


def test_a_workbook_from_a_deal(run):
    names = run(7)
    assert names["again"] == names["deal"]
    assert names["again"].title.startswith("Xingye Yuanrong")


def test_json_and_yaml(run):
    names = run(8)
    import xlkmv

    assert names["again"] == names["deal"] == xlkmv.load("deal.json")


def test_many_deals_as_one_frame(run):
    names = run(9)
    table = names["table"]
    assert table.index.names == ["deal", "class"] and len(table) == 4
    assert isinstance(names["half"], Deal)
    alone = names["deal"].analyse(quick=True).to_frame()
    assert table.loc["as it is", "quote_pd"].tolist() == alone["quote_pd"].tolist()


def test_charts(run, tmp_path):
    names = run(10)
    bars = names["axes"].patches
    coverage = [view.coverage_at_maturity for view in names["analysis"].base.tranches]
    assert [bar.get_width() for bar in bars] == pytest.approx(coverage)
    assert len(names["left"].lines) == 3  # collections, and what is due to two classes
    assert (tmp_path / "deal.png").stat().st_size > 10_000
