"""The deals to start from: their public figures, what they pay by plan, and that they can be analysed."""

from __future__ import annotations

import datetime as dt
from dataclasses import fields, replace

import numpy as np
import pytest

from xlkmv.deal.analysis import analyse
from xlkmv.deal.examples import EXAMPLES as SHIPPED
from xlkmv.deal.examples import example as shipped
from xlkmv.deal.examples.auto import AUTO_SOURCES, CLOSING, RUN_OFF, auto
from xlkmv.deal.examples.basis import Sources
from xlkmv.deal.examples.lease import CUT_OFF_VALUE, LEASE_SOURCES, VALUES, lease
from xlkmv.deal.examples.mortgage import MORTGAGE_SOURCES, mortgage
from xlkmv.deal.plan.waterfall import Waterfall, waterfall
from xlkmv.deal.stress import BASE, apply
from xlkmv.deal.terms import CONTROLS, LOAN_NUMBERS, Deal, Pool, Terms, Tranche
from xlkmv.model.loans import weighted_average_life

EXAMPLES = {
    "auto": (auto(), AUTO_SOURCES),
    "lease": (lease(), LEASE_SOURCES),
    "mortgage": (mortgage(), MORTGAGE_SOURCES),
}


@pytest.fixture(params=EXAMPLES)
def example(request: pytest.FixtureRequest) -> tuple[Deal, Sources]:
    return EXAMPLES[request.param]


def planned(deal: Deal) -> Waterfall:
    return waterfall(apply(deal, BASE))


def lives(deal: Deal) -> np.ndarray:
    return weighted_average_life(deal.terms.times, planned(deal).principal_paid)


# ---------------------------------------------------------------------------------- all of them


def test_every_law_holds_in_its_analysis(example: tuple[Deal, Sources]) -> None:
    deal, _ = example
    found = analyse(replace(deal, terms=replace(deal.terms, paths=200)), (BASE,))
    assert [c.name for c in found.checks if not c.warning and not c.passed] == []
    assert [t.name for t in found.base.tranches] == [t.name for t in deal.tranches]


def test_nobody_is_short_and_everybody_is_repaid_when_all_pay(example: tuple[Deal, Sources]) -> None:
    deal, _ = example
    run = planned(deal)
    assert not run.short.any()
    assert (run.balance[:, -1] == 0.0).all()
    assert run.principal_paid.sum(axis=1) == pytest.approx([t.amount for t in deal.tranches], rel=1e-12)


def test_a_simulation_of_its_obligors_stays_cheap(example: tuple[Deal, Sources]) -> None:
    deal, sources = example
    assert deal.pool.obligors.sum() <= 300
    assert len(deal.terms.dates) <= 240
    assert any("300 obligors" in row.text and "assumption" in row.text for row in sources.pool)


def test_every_figure_says_where_it_is_from(example: tuple[Deal, Sources]) -> None:
    deal, sources = example
    columns = {f.name for f in fields(Pool)} | set(LOAN_NUMBERS) | {"amortisation", "first"}
    for rows, names, known in (
        (sources.pool, deal.pool.name, columns),
        (sources.tranches, [t.name for t in deal.tranches], {f.name for f in fields(Tranche)}),
    ):
        assert len(rows) == len(names)
        assert all(row.text and row.facts <= known for row in rows)
    assert set(sources.controls) == set(CONTROLS)
    terms = {f.name for f in fields(Terms)}
    assert set(sources.terms) <= terms
    # What is not as in a plan that says nothing has a basis of its own, but for the figures of the model.
    plain = Terms(deal.terms.closing, deal.terms.dates)
    said = {name for name in terms if getattr(deal.terms, name) != getattr(plain, name)}
    assert said - {"paths", "seed", "curves"} <= set(sources.terms)
    assert sources.title
    assert sources.pages


def test_a_fact_says_so(example: tuple[Deal, Sources]) -> None:
    _, sources = example
    for basis in (*sources.terms.values(), *sources.controls.values()):
        assert bool(basis.facts) is basis.text.startswith("fact")


@pytest.mark.parametrize("key", SHIPPED)
def test_what_ships_names_itself_and_fits_its_sources(key: str) -> None:
    found = shipped(key)
    assert found.key == key
    assert found.title
    assert found.chinese
    assert len(found.sources.pool) == len(found.deal.pool.name)
    assert len(found.sources.tranches) == len(found.deal.tranches)
    assert set(found.sources.controls) == set(CONTROLS)
    assert all(len(values) == len(found.deal.pool.name) for values in found.pool.values())
    assert len(found.actual) <= len(found.deal.terms.dates)


# ---------------------------------------------------------------------------------- auto loans


def test_run_off_of_the_auto_loans_is_the_published_one() -> None:
    deal = auto()
    principal, interest = np.array(RUN_OFF).sum(axis=0)
    assert principal == pytest.approx(1_313_142_365.17, abs=0.005)
    assert interest == pytest.approx(12_396_494.28, abs=0.005)
    assert deal.pool.amount.sum() == pytest.approx(principal, abs=0.005)
    assert (deal.pool.schedule >= 0.0).all()
    # July comes in before closing and is paid out with August; from then on a row is a date.
    by_month = np.array(RUN_OFF).sum(axis=1)
    assert deal.pool.collections == pytest.approx([by_month[0] + by_month[1], *by_month[2:]], abs=0.01)
    assert deal.pool.schedule[0].sum() == pytest.approx(deal.pool.amount[0], abs=0.01)


def test_reserve_of_the_auto_loans_is_the_one_held() -> None:
    assert apply(auto(), BASE).reserve == pytest.approx(15_757_708.38, abs=0.01)


def test_senior_class_of_the_auto_loans_against_a_loop() -> None:
    deal = auto()
    deal = replace(deal, terms=replace(deal.terms, prepayment=0.0))
    plan = apply(deal, BASE)
    pool, reserve, owed, before = plan.balance_at_closing, plan.reserve, deal.tranches[0].amount, CLOSING
    floor, paid = 0.005 * pool, []
    for date, cash, left in zip(deal.terms.dates, plan.collections, plan.balance, strict=True):
        years = (date - before).days / 365
        kept = max(0.012 * left, floor)
        principal = min(cash - (0.0012 * pool + 0.026 * owed) * years + reserve - kept, owed)
        pool, reserve, owed, before = left, kept, owed - principal, date
        paid.append(principal)
    assert waterfall(plan).principal_paid[0] == pytest.approx(paid, abs=0.01)


def test_the_auto_loans_are_repaid_in_april_and_september_2023() -> None:
    deal = auto()
    deal = replace(deal, terms=replace(deal.terms, prepayment=0.0))
    run = planned(deal)
    last = [deal.terms.dates[np.flatnonzero(row > 0.01)[-1]] for row in run.principal_paid]
    assert last == [dt.date(2023, 4, 26), dt.date(2023, 9, 26)]
    # Computed elsewhere with another floor of the reserve and with VAT.
    assert lives(deal)[0] == pytest.approx(0.3609, abs=0.002)


# ---------------------------------------------------------------------------------- auto leases

# Investor reports, July 2011 to May 2012: interest and principal of.
REPORTED = (
    (17_808.35, 25_434_861.17, 80_166.67, 0.0),
    (49_497.94, 32_669_715.15, 240_500.00, 0.0),
    (42_166.39, 37_860_545.70, 240_500.00, 0.0),
    (34_756.08, 33_183_346.84, 240_500.00, 0.0),
    (24_531.32, 28_163_073.54, 240_500.00, 0.0),
    (19_260.92, 25_693_883.92, 240_500.00, 0.0),
    (15_048.93, 26_162_274.00, 240_500.00, 0.0),
    (7_732.42, 30_245_688.48, 240_500.00, 0.0),
    (1_382.77, 6_586_611.20, 240_500.00, 27_368_149.13),
    (0.0, 0.0, 223_622.97, 35_502_565.51),
    (0.0, 0.0, 201_729.73, 35_380_436.36),
)
# Interest of and B: of ten days, then of a month.
REPORTED_INTEREST = ((87_263.89, 24_507.48, 23_566.93), (261_791.67, 73_522.45, 70_700.80))


def test_leases_pay_what_the_trust_reported_to_the_cent() -> None:
    run = planned(lease())
    first = run.interest_paid[:2, : len(REPORTED)], run.principal_paid[:2, : len(REPORTED)]
    ours = np.stack([first[0][0], first[1][0], first[0][1], first[1][1]], axis=1)
    # Half a cent of rounding, and the last digits of the run-off.
    assert np.abs(ours - np.array(REPORTED)).max() < 0.0051
    rest = run.interest_paid[2:, : len(REPORTED)].T
    wanted = np.array([REPORTED_INTEREST[0], *[REPORTED_INTEREST[1]] * (len(REPORTED) - 1)])
    assert np.abs(rest - wanted).max() < 0.0051


def test_overcollateralisation_of_the_leases_stays_the_same_in_money() -> None:
    deal = lease()
    plan = apply(deal, BASE)
    notes = planned(deal).balance.sum(axis=0)
    assert CUT_OFF_VALUE - sum(t.amount for t in deal.tranches) == pytest.approx(211_468_868.06, abs=0.005)
    owing = notes > 0.0
    assert plan.balance[owing] - notes[owing] == pytest.approx(np.full(owing.sum(), 211_468_868.06), abs=0.01)
    assert plan.balance[: len(VALUES)] == pytest.approx(VALUES, abs=0.005)


def test_classes_of_the_leases() -> None:
    deal = lease()
    assert [t.name for t in deal.tranches] == ["A-1", "A-2", "A-3", "A-4", "B"]
    assert sum(t.amount for t in deal.tranches) == 1_051_029_000.0
    assert deal.senior.tolist() == [True, True, True, True, False]


# ---------------------------------------------------------------------------------- mortgages


def test_average_lives_of_the_mortgages_are_the_published_ones_by_the_quarter() -> None:
    """Waiting for the end of its quarter takes a month's principal one month on average."""
    published = np.array([3.48, 7.49, 11.19, 20.27])
    assert (np.abs(lives(mortgage()) - published - 1 / 12) < 0.02).all()


def test_classes_of_the_mortgages_are_the_pool() -> None:
    deal = mortgage()
    assert sum(t.amount for t in deal.tranches) == deal.pool.amount.sum() == 400e6
    assert deal.senior.tolist() == [True, True, True, False]
