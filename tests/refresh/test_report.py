"""What refresh writes: figures of the headline class, and marks that tell of changed inputs."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xlkmv.deal.analysis import Analysis, analyse
from xlkmv.deal.answers import class_answers
from xlkmv.deal.examples import example
from xlkmv.deal.examples.patents import xingye_yuanrong
from xlkmv.deal.plan.covenants import covenant_path
from xlkmv.deal.questions.contributions import contributions
from xlkmv.deal.questions.diversification import MOST_ASKED, Otherwise, telling_class
from xlkmv.deal.reading import riskiest
from xlkmv.deal.standing import classes_today
from xlkmv.deal.stress import PRESETS
from xlkmv.deal.terms import Controls, Covenant, Deal, Loans, Pool, Terms, Tranche, payment_dates
from xlkmv.errors import BookInputError
from xlkmv.refresh.report import write_report
from xlkmv.refresh.rows.cash import account_rows, covenant_row
from xlkmv.refresh.rows.conditions import worst_condition
from xlkmv.refresh.rows.drivers import concentration_row, driven_class, driver_rows, model_rows
from xlkmv.refresh.run import read_book, refresh
from xlkmv.refresh.tables import NONE, SMALLEST_DRAWN
from xlkmv.refresh.wording import language_of
from xlkmv.workbook import layout
from xlkmv.workbook.book import FileBook


def test_a_covenant_that_is_never_tested_says_so() -> None:
    deal = xingye_yuanrong()
    times = deal.terms.times
    never = covenant_path(np.full(times.size, np.nan), 1.0, 0.1, times)
    date, value, headroom, state, distance, probability, first = covenant_row(deal, never)
    assert (date, state, first) == (NONE, "not tested", NONE)
    assert np.isnan([value, headroom, distance, probability]).all()
    once = covenant_path(np.where(np.arange(times.size) == 3, 1.2, np.nan), 1.0, 0.1, times)
    date, value, headroom, state, *_ = covenant_row(deal, once)
    assert (date, value, headroom, state) == (deal.terms.dates[3], 1.2, pytest.approx(0.2), "ok")


def test_the_plans_cash_says_when_principal_goes_in_order_of_rank() -> None:
    """Pro rata once the pool has halved: a linear loan of 8 quarters has 1 - k/8 left after k of them."""
    dates = payment_dates("2025-01-15", "quarter", 8)
    loans = Loans(term=np.array([24.0]), rate=0.08, amortisation=("linear",))
    pool = Pool(("a",), [100.0], np.zeros((1, 8)), 0.02, 0.4, 1.0, 0.2, loans=loans)
    notes = (Tranche("A", 1, 80.0, 0.04, "pass-through"), Tranche("B", 2, 20.0, 0.05, "pass-through"))
    half = Covenant("Half", "pool factor", "max", 0.5, "sequential")
    terms = Terms("2025-01-15", dates, principal="pro rata", cure=True, paths=100)
    controls = Controls(reserve=False, support=False, repurchase=False)
    deal = Deal(pool, notes, terms, controls, (half,))
    words = [c.field for c in layout.ACCOUNT.columns].index("trigger")
    for cure, switched in ((True, 3), (False, 8)):
        told = replace(deal, terms=replace(terms, cure=cure))
        found = analyse(told, quick=True)
        rows = account_rows(told, found)
        assert [row[words] for row in rows] == ["sequential"] * switched + ["normal"] * (8 - switched)
        assert ((found.planned.principal_paid[1] > 1e-9)[:6] == (np.arange(6) >= switched)).all()
    off = replace(deal, controls=replace(controls, triggers=False))
    assert {row[words] for row in account_rows(off, analyse(off, quick=True))} == {"normal"}


@pytest.mark.parametrize("threshold", [0.0, 0.5], ids=["revolves", "ended by the plan itself"])
def test_the_plans_cash_balances_also_where_a_trigger_ends_the_revolving_period(threshold: float) -> None:
    dates = payment_dates("2025-01-15", "quarter", 12)
    loans = Loans(term=np.full(3, 24.0), rate=0.08)
    pool = Pool(("a", "b", "c"), [60.0, 30.0, 10.0], np.zeros((3, 12)), 0.0, 0.4, 1.0, 0.2, loans=loans)
    notes = (Tranche("A", 1, 80.0, 0.04, "pass-through"),)
    ends = Covenant("OC", "overcollateralisation", "min", threshold, "amortise")
    terms = Terms("2025-01-15", dates, interest="first", revolving=dates[3], paths=100)
    controls = Controls(reserve=False, support=False, repurchase=False)
    deal = Deal(pool, notes, terms, controls, (ends,))
    analysis = analyse(deal, quick=True)
    rows = account_rows(deal, analysis)
    columns = zip(*rows, strict=True)
    _, came, interest, balance, sale, fees, senior, others, residual, account, reserve, drawn, _, expected = (
        columns
    )
    paid = np.add(fees, senior) + others + residual + np.diff([0.0, *account]) + np.diff([0.0, *reserve])
    np.testing.assert_allclose(np.add(came, sale) + drawn, paid)
    # What comes in is interest and what the pool gets smaller by.
    np.testing.assert_allclose(np.subtract(came, interest), -np.diff([100.0, *balance]), atol=1e-9)
    assert bool(abs(balance[2] - 100.0) < 1e-9) is (threshold == 0.0)
    # Nobody can default.
    np.testing.assert_allclose(expected, came, rtol=1e-9)
    # The KMV view, which sees no trigger, is off by as much as Checks says.
    off = np.abs(np.cumsum(came) - analysis.base.tranches[0].risk.accumulated_in).max() / 100.0
    name = "Accumulated collections of Cashflow off those of the KMV view / financed amount"
    said = [check.difference for check in analysis.checks if check.name == name]
    assert said == ([pytest.approx(off, rel=1e-6)] if threshold else [])
    # Who records what the sheet says is not told that it is odd.
    told = analyse(deal, quick=True, actual=came[:2]).checks
    assert not [c for c in told if str(c.name).startswith("Collections since closing")]


# ------------------------------------------------------------------------------ the headline class

ENTRY = ["2026-01-02 03:04:05", 0.0, "0", "0123456789ab", 1, "test"]


@cache
def analysed(headline: str, undertaking: bool = True) -> tuple[Deal, Analysis]:
    """The shipped pool under four senior classes and one behind them."""
    deal = xingye_yuanrong()
    dates = deal.terms.dates
    classes = [
        Tranche(f"A-{k}", k, 60e6, 0.03, "with collections", dates[5 * k - 1], senior=True)
        for k in range(1, 5)
    ]
    deal = replace(
        deal,
        tranches=(*classes, Tranche("B", 5, 50e6, 0.05, "with collections", dates[-1])),
        terms=replace(deal.terms, headline=headline, paths=400),
        controls=deal.controls if undertaking else deal.controls.without("support"),
    )
    return deal, analyse(deal, PRESETS, actual=deal.pool.collections[:4] * 0.9)


def written(source: Path, target: Path, deal: Deal, analysis: Analysis) -> FileBook:
    book = FileBook(source)
    write_report(book, deal, analysis, ENTRY, ())
    return FileBook(book.save(target))


@pytest.mark.parametrize("named", [True, False])
def test_the_largest_industry_is_the_one_with_most_of_the_money(named: bool) -> None:
    deal, _ = analysed("")
    money, m = deal.pool.amount, len(deal.pool.name)
    deal = replace(deal, pool=replace(deal.pool, industry=("Ships", *("Cars",) * (m - 1)) if named else ()))
    name, share, *_, industries, _ = concentration_row(analyse(deal, PRESETS[:1], quick=True))
    found = (name, share, industries)
    assert found == (
        ("Cars", pytest.approx(money[1:].sum() / money.sum()), 2) if named else ("none named", None, 0)
    )


@pytest.mark.parametrize(("headline", "k"), [("A-1", 0), ("A-3", 2), ("", 3), ("B", 4)])
def test_titles_and_figures_are_those_of_the_headline_class(
    draft: Path, tmp_path: Path, headline: str, k: int
) -> None:
    deal, found = analysed(headline)
    book, name = written(draft, tmp_path / "book.xlsm", deal, found), deal.tranches[k].name
    assert book.name("out_Headline").value == name
    # Of other pools a class is shown that says something; of a comparison, what was compared.
    shown = deal.tranches[telling_class(found.diversification, k)].name
    assert shown in str(book.name("out_TitleDiversification").value)
    assert shown in str(book.name("out_DrawnSpread").value)
    # Of a class that loses nothing there are no drivers: of the most senior one that does.
    losing = [
        j for j in (k, *range(len(deal.tranches))) if found.simulated_unsupported.tranches[j].expected_loss
    ]
    for cell in (driven := {"out_TitleDriver", "out_ChartsDrivers"}):
        assert deal.tranches[(*losing, k)[0]].name in str(book.name(cell).value)
    named = {*layout.TITLES, *layout.CHARTS} - {"out_TitleDiversification", "out_ChartsMoved"} - driven
    for cell in named:
        text = book.name(cell).value
        assert name in text and "enior" not in text and layout.THE_CLASS not in text
    tables = {spec.name.removeprefix("tbl_") for spec in layout.TITLES.values()}
    assert tables == {
        "Chart", "Sigma", "Breakeven", "Scenario", "Attribution", "Reverse", "Actual", "Driver",
        "Diversification", "Tornado", "Watch", "Layer", "Matter",
    }  # fmt: skip

    def column(spec: layout.TableSpec, field: str) -> list[Any]:
        return book.table(spec.name).column(spec.column(field).header)

    on, simulated = found.base.tranches[k], found.simulated_base.tranches[k]
    assert column(layout.CHART, "due_senior") == on.risk.accumulated_due.tolist()
    assert column(layout.CHART, "anydate_pd") == np.maximum(on.anydate_pd, SMALLEST_DRAWN).tolist()
    # Where no path of 400 is short, what the PD is below with 95 %.
    drawn = np.maximum(np.cumsum(simulated.first_short), 1.0 - 0.05 ** (1 / 400))
    assert column(layout.CHART, "simulated") == pytest.approx(drawn)
    rows = [view.tranches[k].anydate_pd_at_maturity for view in found.scenarios]
    assert column(layout.SCENARIO, "anydate_pd") == rows
    runs = [row.simulation.tranches[k].anydate_pd for row in found.simulated]
    assert column(layout.SCENARIO, "simulated") == runs
    assert column(layout.ATTRIBUTION, "shapley") == found.attribution.shapley[:, k].tolist()
    assert column(layout.ATTRIBUTION, "off_alone") == found.attribution.off_alone[:, k].tolist()
    other = riskiest(found)
    assert column(layout.ATTRIBUTION, "other_off") == found.attribution.off_alone[:, other].tolist()
    watched = [x for x in column(layout.ACTUAL, "pd") if x is not None]
    assert watched == found.surveillance.pd[k, 1:].tolist()
    # A stress is a condition under which all controls are on.
    stressed = [
        (run, row.stress.name)
        for run, row in zip(runs[1:], found.simulated[1:], strict=True)
        if not row.stress.controls_off and row.stress.default_point == "own"
    ]
    worst = book.name("out_WorstPD").value
    assert worst == max(pd for pd, _ in stressed)
    assert (worst, book.name("out_WorstScenario").value) in stressed
    # Cash to senior classes is cash to those that are marked, whoever makes the headline.
    paid = (found.planned.interest_paid + found.planned.principal_paid)[:4].sum(axis=0)
    assert column(layout.ACCOUNT, "senior") == paid.tolist()
    others = (found.planned.interest_paid + found.planned.principal_paid)[4:].sum(axis=0)
    assert column(layout.ACCOUNT, "others") == others.tolist()


def test_drivers_are_listed_by_what_they_cost_each_class(draft: Path, tmp_path: Path) -> None:
    deal, found = analysed("B")
    # Times are bad enough for the last class to lose something, and not for the first.
    worse = replace(deal, pool=replace(deal.pool, pd=deal.pool.pd * 8.0))
    drivers = contributions(worse, paths=400)
    found = replace(found, contributions=drivers)
    book = written(draft, tmp_path / "book.xlsm", deal, found)
    table, names = book.table("tbl_Driver"), list(deal.pool.name)
    rows = [names.index(name) for name in table.column("Obligor")]
    assert sorted(rows) == list(range(11))
    for header, figures in (
        ("Share of the class's expected loss", drivers.obligors.loss_share[:, 4]),
        ("In default when the class is short", drivers.obligors.in_default[:, 4]),
        ("Class short if it defaults", drivers.obligors.short_given[:, 4]),
        ("Share of the pool's expected loss", drivers.obligors.pool_share),
    ):
        assert table.column(header) == figures[rows].tolist()
    shares = table.column("Share of the class's expected loss")
    assert shares == sorted(shares, reverse=True) and sum(shares) == pytest.approx(1.0)
    every = book.table("tbl_DriverAll")
    lines = list(zip(every.column("Class"), every.column("What it is"), every.column("Name"), strict=True))
    for k, tranche in enumerate(deal.tranches):
        of_class = [line[1:] for line in lines if line[0] == tranche.name]
        if drivers.short[k]:
            assert [kind for kind, _ in of_class] == ["industry"] * 11 + ["obligor"] * 11
        else:
            assert of_class == [(None, f"never short on {drivers.paths:,} paths")]
    # Without the risk of one obligor, all else as it is.
    now, left = found.simulated_unsupported.tranches[4], drivers.left_out
    assert table.column("Simulated PD if it cannot default") == [
        max(now.anydate_pd - left.pd[i, 4], 0.0) for i in rows
    ]
    assert table.column("Change of the PD") == [-left.pd[i, 4] for i in rows]
    assert table.column("Expected loss if it cannot default") == [
        max(now.expected_loss - left.expected_loss[i, 4], 0.0) for i in rows
    ]
    # The same beside the claims, in their order.
    pool = book.table("tbl_Pool")
    assert pool.column("Share of the class's expected loss") == drivers.obligors.loss_share[:, 4].tolist()
    assert pool.column("In default when the class is short") == drivers.obligors.in_default[:, 4].tolist()
    spread = book.table("tbl_Diversification")
    k = telling_class(found.diversification, 4)
    assert spread.column("Simulated, no undertaking") == [d.simulated[k] for d in found.diversification]
    assert spread.column("DD") == [d.distance[k] for d in found.diversification]
    # A class that is never short is drawn at the bound of its PD: no chart is empty.
    for seen, drawn in zip(
        spread.column("Simulated, no undertaking"), spread.column("Simulated, drawn"), strict=True
    ):
        assert drawn == (seen or pytest.approx(1.0 - 0.05 ** (1 / 400)))
    assert min(spread.column("KMV view, drawn")) >= SMALLEST_DRAWN
    assert book.table("tbl_Concentration").column("Effective number") == [
        found.concentration.effective_number
    ]


def test_a_class_that_is_short_is_less_so_if_an_obligor_cannot_default() -> None:
    deal = xingye_yuanrong()
    found = analyse(replace(deal, terms=replace(deal.terms, paths=2000)), PRESETS[:1])
    k, fields = driven_class(found), [c.field for c in layout.DRIVER.columns]
    now, left = found.simulated_unsupported.tranches[k].anydate_pd, found.contributions.left_out.pd[:, k]
    told = {row[0]: row[fields.index("pd_without")] for row in driver_rows(deal, found)}
    assert list(map(told.get, deal.pool.name)) == (now - left).tolist()
    assert 0.0 < left.max() < now


def test_of_conditions_that_hurt_nobody_none_is_the_worst() -> None:
    deal = example("auto").deal
    found = analyse(replace(deal, terms=replace(deal.terms, paths=200)), PRESETS[:2])
    assert worst_condition(found) == ("none", 0.0)


def test_pools_that_are_asked_about_are_answered_or_say_why_not(draft: Path, tmp_path: Path) -> None:
    source = FileBook(draft)
    asked = {"Largest share at most": [0.12, None, 0.05, 0.9], "Times as many obligors like these": [3.0] * 4}
    asked["New industry: correlation with the pool"] = [None] * 4
    source.write_table("tbl_Otherwise", asked)
    path = source.save(tmp_path / "asked.xlsm")
    inputs = read_book(FileBook(path))
    assert inputs.otherwise == Otherwise((0.12, 0.05, 0.9), (3, 3, 3, 3), None)
    # They are inputs: the mark of the deal is another, and the usual ones leave it as it was.
    usual = read_book(FileBook(draft))
    assert usual.otherwise == Otherwise() and usual.digest != inputs.digest
    deal, found = analysed("A-3")
    remarks = written(path, tmp_path / "book.xlsm", deal, found).table("tbl_Otherwise")
    assert remarks.column("Not beneath, because") == [
        *(None, None),
        *("5 %: takes 20 obligors", "90 %: no obligor has more"),
    ]
    # One reason for two questions of a row is said once.
    usual = replace(deal, pool=replace(deal.pool, count=np.full(len(deal.pool.name), 1000.0)))
    remarks = written(draft, tmp_path / "many.xlsm", usual, found).table("tbl_Otherwise")
    first = remarks.column("Not beneath, because")[0]
    assert first == "10 %: no obligor has more; more obligors: their size no longer matters"


def test_pools_that_cannot_be_asked_about_are_named(draft: Path, tmp_path: Path) -> None:
    source = FileBook(draft)
    given = {"Largest share at most": [0.1, 1.5, None, None]}
    given["Times as many obligors like these"] = [2.0, 2.5, None, 1.0]
    given["New industry: correlation with the pool"] = [0.5, None, 0.4, None]
    source.write_table("tbl_Otherwise", given)
    with pytest.raises(BookInputError) as caught:
        read_book(FileBook(source.save(tmp_path / "wrong.xlsm")))
    assert {(p.value, p.rule) for p in caught.value.problems} == {
        (1.5, "must be > 0 and <= 1 (a share: 0.05 means 5 %)"),
        (2.5, "must be a whole number from 2 to 1,000"),  # and 1, which is wrong alike
        (0.4, "must be said once: there is one new industry"),
    }


def test_more_pools_than_can_be_asked_about_are_too_many_from_the_last_row_on(
    draft: Path, tmp_path: Path
) -> None:
    source = FileBook(draft)
    rows = MOST_ASKED // 2 + 1
    given: dict[str, list[float | None]] = {"Largest share at most": [0.1] * rows}
    given["Times as many obligors like these"] = [2.0] * rows
    given["New industry: correlation with the pool"] = [None] * rows
    source.write_table("tbl_Otherwise", given, resize=True)
    table = source.table("tbl_Otherwise")
    with pytest.raises(BookInputError) as caught:
        read_book(FileBook(source.save(tmp_path / "many.xlsm")))
    found = {p.rule: (p.sheet, p.cell) for p in caught.value.problems}
    rule = f"caps and times must be no more than {MOST_ASKED} together"
    assert found[rule] == (table.sheet, table.cell(rows - 1, table.header[0]))


def test_the_results_beside_the_claims_make_no_inputs_stale(draft: Path, tmp_path: Path) -> None:
    deal, found = analysed("A-3")
    before = read_book(FileBook(draft))
    after = read_book(written(draft, tmp_path / "book.xlsm", deal, found))
    assert after.marks == before.marks and after.digest == before.digest


def test_a_breach_is_as_likely_as_by_the_last_date(draft: Path, tmp_path: Path) -> None:
    deal, found = analysed("A-3")
    table = written(draft, tmp_path / "book.xlsm", deal, found).table("tbl_Covenant")
    assert table.column("Probability of breach") == [
        None if np.isnan(c.probability).all() else c.anydate_probability[-1] for c in found.covenants
    ]
    assert any(c.anydate_probability[-1] > c.anydate_probability[1] for c in found.covenants)


def test_beside_each_pd_stands_the_one_without_the_undertaking(draft: Path, tmp_path: Path) -> None:
    deal, found = analysed("A-3")
    table = written(draft, tmp_path / "book.xlsm", deal, found).table("tbl_Headline")
    assert table.column("Any-date PD by pool and reserve") == [
        t.risk.anydate_pd[t.maturity] for t in found.base.tranches
    ]
    assert table.column("Simulated any-date PD without undertaking")[:4] == [
        t.anydate_pd for t in found.simulated_unsupported.tranches[:4]
    ]
    one, other = table.column("Any-date PD"), table.column("Any-date PD by pool and reserve")
    # It helps the classes that it protects: the last of them most, and B not at all.
    assert all(x <= y for x, y in zip(one[:4], other[:4], strict=True))
    assert one[3] < other[3] and one[4] == other[4]
    assert table.column("Simulated any-date PD without undertaking")[4] == "-"
    # Where there is none, nothing stands there that could be taken for a figure of another run.
    table = written(draft, tmp_path / "none.xlsm", *analysed("A-3", False)).table("tbl_Headline")
    assert table.column("Any-date PD by pool and reserve") == table.column("Any-date PD")
    assert table.column("Simulated any-date PD without undertaking") == ["-"] * 5


def test_the_cell_on_home_switches_the_class(draft: Path, tmp_path: Path) -> None:
    book = FileBook(draft)
    tranche = book.table("tbl_Tranche").column("Tranche")[1]
    book.write_name(layout.HEADLINE_CLASS, tranche.upper())
    book = FileBook(book.save(tmp_path / "book.xlsm"))
    done = refresh(book)
    book = FileBook(book.save())
    assert done.analysis.headline == 1
    assert book.name("out_Headline").value == tranche
    assert book.name("out_TitleScenario").value.startswith(
        f"Preset conditions and what they do to {tranche} "
    )
    rows = [view.tranches[1].anydate_pd_at_maturity for view in done.analysis.scenarios]
    assert book.table("tbl_Scenario").column("Any-date PD") == rows
    assert book.name("out_ReadingPool").value.startswith("Collections cover ")


@pytest.mark.parametrize("k", [0, 1])
def test_charts_by_date_draw_pass_through_principal_as_the_plan_pays_it(
    draft: Path, tmp_path: Path, k: int
) -> None:
    deal = xingye_yuanrong()
    classes = (Tranche("A", 1, 200e6, 0.03, "pass-through"), Tranche("B", 2, 60e6, 0.05, "pass-through"))
    terms = replace(deal.terms, headline="AB"[k], paths=400)
    deal = replace(deal, tranches=classes, terms=terms)
    found = analyse(deal, PRESETS)
    chart = written(draft, tmp_path / "book.xlsm", deal, found).table("tbl_Chart")
    plan = found.planned
    # Nothing is missed by plan: what is due to a class and those ahead of it is what they and the fees get.
    paid = plan.interest_paid + plan.principal_paid
    due = [np.cumsum(plan.fees_paid + paid[: j + 1].sum(axis=0)) for j in range(2)]
    assert chart.column("Due to the class") == pytest.approx(due[k])
    assert chart.column("Due to all") == pytest.approx(due[1])
    # By the legal final alone, half-way only fees and interest would be due.
    assert due[k][9] > 5.0 * found.base.tranches[k].risk.accumulated_due[9]


@pytest.mark.parametrize(("by", "other"), [("legal final", "expected dates"), ("expected", "legal final")])
def test_the_other_default_point_stands_beside_that_of_the_terms(
    draft: Path, tmp_path: Path, by: str, other: str
) -> None:
    deal = xingye_yuanrong()
    classes = (
        Tranche("A", 1, 200e6, 0.03, "pass-through"),
        Tranche("B", 2, 60e6, 0.05, "bullet", deal.terms.dates[-1]),
    )
    deal = replace(deal, tranches=classes, terms=replace(deal.terms, default_point=by, paths=400))
    found = analyse(deal, PRESETS, quick=True)
    table = written(draft, tmp_path / "book.xlsm", deal, found).table("tbl_Result")
    n, plan = len(deal.terms.dates), found.planned
    assert table.column("Other default point")[:n] == [other] * n
    # By the plan's dates class A owes what it is paid; by the legal final all principal at the end.
    ahead = np.cumsum(plan.fees_paid + plan.interest_paid[0])
    due = {
        "expected": ahead + np.cumsum(plan.principal_paid[0]),
        "legal final": ahead + np.where(np.arange(n) == n - 1, 200e6, 0.0),
    }
    sides = {"legal final": ("Accumulated due", "Accumulated due by it")}
    one, two = sides.get(by, ("Accumulated due by it", "Accumulated due"))
    assert table.column(one)[:n] == pytest.approx(due["legal final"])
    assert table.column(two)[:n] == pytest.approx(due["expected"])
    view = found.base.tranches[0].expected or found.base.tranches[0].legal
    for heading, figures in (("Coverage by it", view.coverage), ("DD by it", view.distance)):
        shown = [x if np.isfinite(x) else "covered" for x in figures.tolist()]
        assert table.column(heading)[:n] == shown
    assert table.column("Any-date PD by pool and reserve, by it")[:n] == view.anydate_pd.tolist()
    scheduled = written(draft, tmp_path / "plain.xlsm", *analysed("A-3")).table("tbl_Result")
    assert set(scheduled.column("Other default point")) == {None} == set(scheduled.column("DD by it"))


OLD = {
    "tbl_Chart": {
        "Due to the class": "Due to senior",
        "KMV view": "Senior any-date PD",
        "KMV view, controls off": "Senior any-date PD, controls off",
    },
    "tbl_Simulation": {"Simulated any-date PD": "Any-date PD", "Simulated PD": "PD"},
    "tbl_Attribution": {
        "Simulated PD, this off": "Senior any-date PD, this off",
        "Simulated PD, only this on": "Senior any-date PD, only this on",
        "Simulated PD, this and all above on": "Any-date PD, stacked",
        "Riskiest other class, this off": "Riskiest other tranche, this off",
    },
    "tbl_Actual": {"DD then": "Senior DD", "Any-date PD by pool and reserve then": "Senior any-date PD"},
    "tbl_Headline": {
        "Class": "Tranche",
        "Any-date PD by pool and reserve": "Any-date PD without undertaking",
    },
    "tbl_Result": {
        "PD by pool and reserve": "PD of the pool alone",
        "Any-date PD by pool and reserve": "Any-date PD of the pool alone",
    },
    "tbl_Sigma": {
        "PD by pool and reserve": "PD of the pool alone",
        "Any-date PD by pool and reserve": "Any-date PD of the pool alone",
    },
    "tbl_Rerate": {
        "Any-date PD by pool and reserve at closing": "Any-date PD without undertaking at closing",
        "Any-date PD by pool and reserve now": "Any-date PD without undertaking now",
    },
    "tbl_History": {
        "Class": "Tranche",
        "Any-date PD by pool and reserve then": "Any-date PD without undertaking",
        "Simulated any-date PD then": "Simulated any-date PD",
        "Coverage then": "Coverage",
        "DD then": "DD",
        "Grade then": "Grade",
    },
    "tbl_Watch": {"Any-date PD by pool and reserve, drawn": "Any-date PD without undertaking, drawn"},
}


def renamed(source: Path, target: Path, change: Callable[[str], str]) -> Path:
    """A copy of a workbook with its parts of tables and names rewritten."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            data = old.read(info)
            if info.filename.startswith("xl/tables/") or info.filename == "xl/workbook.xml":
                data = change(data.decode()).encode()
            new.writestr(info, data)
    return target


def test_a_workbook_with_the_headings_of_an_earlier_edition_is_filled(draft: Path, tmp_path: Path) -> None:
    def earlier(text: str) -> str:
        for table, headings in OLD.items():
            if f'displayName="{table}"' in text:
                for new, old in headings.items():
                    assert f'name="{new}"' in text
                    text = text.replace(f'name="{new}"', f'name="{old}"')
        return text.replace('name="out_ReadingPool"', 'name="mine"')

    deal, found = analysed("A-3")
    new = written(draft, tmp_path / "new.xlsm", deal, found)
    source = renamed(draft, tmp_path / "earlier.xlsm", earlier)
    book = written(source, tmp_path / "old.xlsm", deal, found)
    for table, headings in OLD.items():
        for now, then in headings.items():
            assert book.table(table).column(then) == new.table(table).column(now), then
            assert any(x is not None for x in book.table(table).column(then))
    # What earlier refreshes have left in the history stays, under whichever heading.
    again = written(book.path, tmp_path / "again.xlsm", deal, found).table("tbl_History")
    assert again.column("Any-date PD without undertaking")[: len(deal.tranches)] == book.table(
        "tbl_History"
    ).column("Any-date PD without undertaking")
    # It has no line of its own for the pool: a pool that cannot pay is said in its first one.
    assert book.name("out_ReadingActual").value == new.name("out_ReadingActual").value
    poor = replace(deal, pool=replace(deal.pool, schedule=deal.pool.schedule * 0.1))
    dead = written(source, tmp_path / "dead.xlsm", poor, analyse(poor, PRESETS))
    assert dead.name("out_ReadingActual").value.startswith("POOL CANNOT PAY: ")


def test_no_older_heading_is_the_heading_of_another_column() -> None:
    for spec in layout.TABLES.values():
        names = [name for c in spec.columns for name in (c.header, *c.aliases)]
        assert len({name.casefold() for name in names}) == len(names), spec.name


# ------------------------------------------------------------------------------ surveillance


def of_class(book: FileBook, name: str, table: str) -> list[dict[str, Any]]:
    """Lines of a class in a table of results."""
    found = book.table(table)
    rows = [dict(zip(found.header, row, strict=True)) for row in found.rows]
    return [row for row in rows if row["Class"] == name]


def test_one_label_is_one_number_on_home_and_on_surveillance(draft: Path, tmp_path: Path) -> None:
    deal, found = analysed("A-3")
    book = written(draft, tmp_path / "book.xlsm", deal, found)
    for t in deal.tranches:
        ((home,), (watch,)) = (of_class(book, t.name, table) for table in ("tbl_Headline", "tbl_Rerate"))
        for label in ("DD", "Any-date PD by pool and reserve", "Simulated any-date PD"):
            assert watch[f"{label} at closing"] == home[label], label
        ((line,),) = (of_class(book, t.name, "tbl_History"),)
        for label in ("DD", "Any-date PD by pool and reserve", "Simulated any-date PD"):
            assert line[f"{label} then"] == watch[f"{label} now"], label
        ((now,), (answer,)) = (of_class(book, t.name, table) for table in ("tbl_Today", "tbl_Answer"))
        assert line["Coverage then"] == watch["Coverage now"] and line["Alert"] == now["Alert"]
        for label in ("Grade", "PD to quote"):
            assert line[f"{label} then"] == now[f"{label} now"], label
            assert now[f"{label} at closing"] == answer[label], label
        assert answer["Grade now"] == now["Grade now"]
        assert now["Outstanding now"] == watch["Outstanding now"]


def test_home_says_nothing_of_today_while_nothing_has_been_seen(draft: Path, tmp_path: Path) -> None:
    deal, _ = analysed("A-3")
    book = written(draft, tmp_path / "book.xlsm", deal, analyse(deal, PRESETS, quick=True))
    assert set(book.table("tbl_Answer").column("Grade now")) == {None}
    today = book.table("tbl_Today")
    assert today.column("Grade now") == today.column("Grade at closing")
    assert set(today.column("Alert")) == {"none"}


def test_a_quick_look_leaves_no_grade_in_the_history_nor_in_the_chart(draft: Path, tmp_path: Path) -> None:
    deal, found = analysed("A-1")
    quick = analyse(deal, PRESETS, actual=deal.pool.collections[:5] * 0.9, quick=True)
    full = written(draft, tmp_path / "full.xlsm", deal, found)
    book = written(full.path, tmp_path / "quick.xlsm", deal, quick)
    history, classes = book.table("tbl_History"), len(deal.tranches)
    for header in ("Grade then", "PD to quote then"):
        assert history.column(header)[:classes] == full.table("tbl_History").column(header)
        assert set(history.column(header)[classes:]) == {"not run"}
    rating = book.table("tbl_Watch")
    # Four dates were seen by the full refresh; the fifth, by the quick look alone.
    assert [k for k, x in enumerate(rating.column("PD to quote, drawn")) if x is not None] == [4]
    assert [k for k, x in enumerate(rating.column("Grade then")) if x is not None] == [4]
    assert rating.column("Any-date PD by pool and reserve, drawn")[5] is not None


def test_each_refresh_adds_its_lines_to_the_history_up_to_a_bound(
    draft: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deal, found = analysed("A-3")
    source = written(draft, tmp_path / "one.xlsm", deal, found)
    two = written(source.path, tmp_path / "two.xlsm", deal, found)
    lines = two.table("tbl_History")
    assert lines.column("Class") == [t.name for t in deal.tranches] * 2
    assert set(lines.column("As of")) == {deal.terms.dates[3]}
    assert set(lines.column("Input hash")) == {ENTRY[3]} and set(lines.column("Paths")) == {400}
    assert lines.column("Grade then") == [c.grade for c in classes_today(deal, found)] * 2
    monkeypatch.setattr("xlkmv.refresh.rows.watch.HISTORY_ROWS", 7)
    three = written(two.path, tmp_path / "three.xlsm", deal, found)
    assert three.table("tbl_History").column("Class") == ["A-4", "B", *[t.name for t in deal.tranches]]


def test_the_chart_of_the_rating_starts_at_closing_and_keeps_what_was_simulated(
    draft: Path, tmp_path: Path
) -> None:
    deal, found = analysed("A-1")
    new = analyse(deal, PRESETS)
    book = written(draft, tmp_path / "closing.xlsm", deal, new)
    dates = [deal.terms.closing, *deal.terms.dates]
    at_closing = book.table("tbl_Watch")
    assert at_closing.column("As of") == dates
    # Nothing has been seen: one point of each view, and the line of the alarm.
    for header in ("Any-date PD by pool and reserve, drawn", "PD to quote, drawn"):
        first, *later = at_closing.column(header)
        assert first > 0.0 and set(later) == {None}
    assert set(at_closing.column("Alert from")) == {new.surveillance.limit[0]}
    grades = [answer.grade for answer in class_answers(deal, new)]
    assert book.table("tbl_History").column("Grade then") == grades
    then_book = written(book.path, tmp_path / "then.xlsm", deal, found)
    then = then_book.table("tbl_Watch")
    pds = np.maximum(found.surveillance.pd[0], SMALLEST_DRAWN).tolist()
    assert then.column("Any-date PD by pool and reserve, drawn") == [*pds, *[None] * 16]
    quoted, now = then.column("PD to quote, drawn"), classes_today(deal, found)[0]
    assert [k for k, x in enumerate(quoted) if x is not None] == [0, 4]
    # What is repaid has a PD of 0, which a logarithmic axis draws at its least.
    assert (quoted[4], then.column("Grade then")[4]) == (max(now.quote.pd, 1e-10), now.grade)
    title = then_book.name("out_DrawnRating").value
    assert title == f"Any-date PD from each date - grade {grades[0]} at closing, {now.grade} now"
    # Up to where the grade of closing holds: over the years that are left to the class.
    scale, horizon = deal.terms.class_scale, now.closing.horizon
    limits = then.column("Grade at closing up to")
    assert limits[0] == scale.limit(grades[0], horizon)
    assert limits[4] == scale.limit(grades[0], horizon - deal.terms.times[3])
    assert set(limits[5:]) == {None}  # A-1 matures on the fifth date


def test_a_workbook_without_the_new_columns_and_tables_is_filled(draft: Path, tmp_path: Path) -> None:
    """No history, nothing known beside collections, and a column of results that nobody fills any more."""
    deal, found = analysed("A-3")

    def earlier(text: str) -> str:
        for name in ("tbl_History", "tbl_Watch", "tbl_Otherwise"):
            text = text.replace(f'displayName="{name}"', f'displayName="my_{name}"')
        for header in ("Pool balance", "Defaults", "Prepayments", "Reserve held"):
            text = text.replace(f'name="{header}"', f'name="My {header}"')
        return text.replace('name="Level expected from now on"', 'name="Growth of the median"')

    source = FileBook(renamed(draft, tmp_path / "source.xlsm", earlier))
    rows = len(source.table("tbl_Actual").rows)
    source.write_table("tbl_Actual", {"Growth of the median": [0.01] * rows}, resize=False)
    old = written(source.save(tmp_path / "old.xlsm"), tmp_path / "filled.xlsm", deal, found)
    new = written(draft, tmp_path / "new.xlsm", deal, found)
    table = old.table("tbl_Actual")
    assert set(table.column("Growth of the median")) == {None}
    for header in ("Volatility then", "DD then", "Any-date PD by pool and reserve then"):
        assert table.column(header) == new.table("tbl_Actual").column(header)
    assert read_book(old).actual.collections_only


def test_figures_by_expected_dates_of_an_earlier_edition_do_not_stay_behind(
    draft: Path, tmp_path: Path
) -> None:
    """They would be taken for those of the refresh."""

    def earlier(text: str) -> str:
        return text.replace('name="DD by it"', 'name="DD, expected dates"')

    source = FileBook(renamed(draft, tmp_path / "source.xlsm", earlier))
    source.write_table(
        "tbl_Result", {"DD, expected dates": [7.0] * len(source.table("tbl_Result").rows)}, resize=False
    )
    old = written(source.save(tmp_path / "old.xlsm"), tmp_path / "filled.xlsm", *analysed("A-3"))
    assert set(old.table("tbl_Result").column("DD, expected dates")) == {None}


def test_the_bars_of_the_controls_lead_from_all_off_to_the_deal_as_it_is(draft: Path, tmp_path: Path) -> None:
    deal, found = analysed("A-1")
    book = written(draft, tmp_path / "book.xlsm", deal, found)
    steps, controls = book.table("tbl_Waterfall"), book.table("tbl_Attribution")
    rows = [dict(zip(steps.header, row, strict=True)) for row in steps.rows]
    assert [r["Step"] for r in rows[1:-1]] == controls.column("Control")
    level = rows[0]["Simulated PD then"]
    for row, share in zip(rows[1:-1], controls.column("Share (Shapley)"), strict=True):
        bar = row["Taken off"] or row["Added"] or 0.0
        assert bar == pytest.approx(abs(share), abs=1e-15)
        # The bar spans the level before and the level after.
        ends = sorted((level, row["Simulated PD then"]))
        assert (row["Bar from"], row["Bar from"] + bar) == pytest.approx(ends, abs=1e-15)
        level = row["Simulated PD then"]
    assert level == pytest.approx(rows[-1]["Simulated PD then"], abs=1e-12)
    assert rows[-1]["Simulated PD then"] == pytest.approx(
        found.simulated_base.tranches[0].anydate_pd, abs=1e-12
    )


# ------------------------------------------------------------------------------ languages


def test_the_sentences_come_in_the_language_of_the_workbook(draft: Path, tmp_path: Path) -> None:
    book = FileBook(draft)
    assert book.name(layout.LANGUAGE).value is None
    before = read_book(book)
    book.write_name(layout.LANGUAGE, "中文")
    # It is a choice of how results are shown: no mark of the inputs knows of it.
    after = read_book(FileBook(book.save(tmp_path / "chinese.xlsm")))
    assert (after.digest, after.marks) == (before.digest, before.marks)
    deal, found = analysed("A-3")
    english = written(draft, tmp_path / "english.xlsm", deal, found)
    chinese = written(tmp_path / "chinese.xlsm", tmp_path / "written.xlsm", deal, found)
    assert english.name("out_ReadingPool").value.startswith("Collections and reserve cover ")
    assert chinese.name("out_ReadingPool").value.startswith("截至 ")
    assert english.name("out_TitleBreakeven").value == "Limits of A-3   所选层级极限"
    assert chinese.name("out_TitleBreakeven").value == "A-3的极限"
    why = chinese.table("tbl_Answer").column("Why")
    assert {*why} <= {"模拟", *(w for w in why if "400 条路径" in w)}
    # Figures are the same in both.
    for name in ("tbl_Headline", "tbl_Result", "tbl_Scenario", "tbl_Rerate", "tbl_Check"):
        for one, other in zip(english.table(name).rows, chinese.table(name).rows, strict=True):
            assert [x for x in one if isinstance(x, float)] == [x for x in other if isinstance(x, float)]
    words = {"passed": "通过", "look": "复核"}
    outcomes = english.table("tbl_Check").column("Outcome")
    assert chinese.table("tbl_Check").column("Outcome") == [words[str(x)] for x in outcomes]
    assert (english.name("out_State").value, chinese.name("out_State").value) == ("fresh", "最新")


@pytest.mark.parametrize("given", ["Deutsch", 1.0])
def test_a_language_that_there_is_not_is_refused(draft: Path, tmp_path: Path, given: Any) -> None:
    book = FileBook(draft)
    book.write_name(layout.LANGUAGE, given)
    with pytest.raises(BookInputError) as caught:
        refresh(FileBook(book.save(tmp_path / "other.xlsm")))
    (problem,) = caught.value.problems
    cell = book.name(layout.LANGUAGE)
    assert (problem.sheet, problem.cell) == ("Home", cell.cell)
    assert problem.rule == "must be blank, or one of: English, 中文"


@pytest.mark.parametrize("given", ["ZH", " 中文 "])
def test_a_language_is_known_by_its_key_and_its_name(draft: Path, given: str) -> None:
    book = FileBook(draft)
    book.write_name(layout.LANGUAGE, given)
    assert language_of(book) == "zh"


def test_a_quick_look_is_told_by_its_word_in_any_language(draft: Path, tmp_path: Path) -> None:
    book = FileBook(draft)
    book.write_name(layout.LANGUAGE, "中文")
    refresh(book, quick=True)
    said = FileBook(book.save(tmp_path / "quick.xlsm"))
    assert said.name("out_Scope").value.startswith("速览")
    assert said.name("out_State").value == "速览：完整刷新以获得全部结果"
    with zipfile.ZipFile(said.path) as package:  # the formula of the state reads the word, in both languages
        home = package.read("xl/worksheets/sheet1.xml").decode()
    assert 'LEFT(out_Scope,10)="quick look"' in home and 'LEFT(out_Scope,2)="速览"' in home
    assert said.name("out_ReadingBreaks").value == "速览不含此项：请完整刷新。"


def test_what_no_path_of_a_model_has_shown_is_not_called_impossible() -> None:
    models = analysed("A-1")[1].models
    never = {name: replace(found, hit_probability=0.0) for name, found in models.items()}
    said = {row[9].split("; ")[0]: row[8] for row in model_rows(never)}
    assert said == {"exact": 0.0, "simulated": "none seen"}
    # A share that was seen stays a number.
    assert all(isinstance(row[8], float) for row in model_rows(models) if row[8] != "none seen")
