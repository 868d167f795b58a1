"""One figure, one definition: wherever a workbook shows a label for the same thing, it shows the same."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from xlkmv.build.template import build_template
from xlkmv.deal.examples import Example, example
from xlkmv.deal.terms import Controls, Deal, Loans, Pool, Terms, Tranche, payment_dates
from xlkmv.refresh.run import Refreshed, refresh
from xlkmv.workbook import layout
from xlkmv.workbook.book import FileBook

# What a row is about, by heading; a row that names no class is about the headline class.
CLASS, CONDITION, DATE = {"Tranche", "Class"}, {"Scenario", "Condition"}, {"Date", "Payment date", "As of"}
OTHERS = {
    "Input",
    "Control",
    "Stress",
    "Model",
    "Test",
    "Target PD",
    "Step",
    "Pool",
    "Obligor",
    "Name",
    "Loss of the pool",
}

Key = tuple[Any, ...]


def ten_classes() -> Deal:
    """Ten classes over lines of loans; the last ones are short."""
    closing = dt.date(2025, 1, 31)
    dates = payment_dates(closing, "quarter", 12)
    loans = Loans(np.full(4, 36.0), np.full(4, 0.07))
    pool = Pool(
        tuple(f"Line {k}" for k in range(4)),
        np.full(4, 250.0),
        np.zeros((4, 12)),
        0.03,
        0.4,
        0.5,
        0.15,
        count=np.full(4, 5.0),
        loans=loans,
    )
    classes = tuple(
        Tranche(f"Class {k}", k + 1, 100.0, 0.02 + 0.005 * k, "pass-through", senior=k < 3) for k in range(10)
    )
    return Deal(pool, classes, Terms(closing, dates, interest="first"), Controls(support_pd=0.05))


def fast(deal: Deal) -> Deal:
    return dataclasses.replace(deal, terms=dataclasses.replace(deal.terms, paths=1_000))


def shipped() -> Example:
    """The shipped deal, with what has come in since closing."""
    found = example("patents")
    return dataclasses.replace(found, deal=fast(found.deal))


def late() -> Example:
    """The shipped deal after three dates, 1 % of what was to come in by then missing."""
    found = shipped()
    came_in = found.deal.pool.collections[:3] * [1.0, 0.97, 1.0]
    return dataclasses.replace(found, actual=tuple(came_in.tolist()))


# Tables with a line for each date from which classes have been seen.
SEEN_FROM = {"tbl_Actual", "tbl_History", "tbl_Watch"}

DEALS = {
    "patents": shipped,
    "late": late,
    "auto": lambda: fast(example("auto").deal),
    "ten": lambda: fast(ten_classes()),
}


@pytest.fixture(scope="module", params=DEALS)
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[FileBook, Refreshed]:
    """A refreshed workbook, and what it shows."""
    target = tmp_path_factory.mktemp("agree") / "book.xlsm"
    book = FileBook(build_template(target, DEALS[request.param](), refreshed=False))
    done = refresh(book)
    return FileBook(book.save()), done


def figures(book: FileBook, done: Refreshed) -> Iterator[tuple[Key, str, Any, str]]:
    """Yield what each cell of a result is about, its label, its value and its table."""
    deal, analysis = done.inputs.deal, done.analysis
    names = [t.name for t in deal.tranches]
    maturity = {t.name: deal.terms.dates[t.maturity] for t in analysis.base.tranches}
    base = book.table("tbl_Scenario").column("Scenario")[0]
    seen = analysis.surveillance.seen
    last = deal.terms.dates[seen - 1] if seen else deal.terms.closing
    # Of a headline class that loses nothing another one's drivers are shown: the title says whose.
    driven = max((n for n in names if f" {n}:" in str(book.name("out_TitleDriver").value)), key=len)
    for spec in layout.TABLES.values():
        if not spec.results or spec.sheet in ("Checks", "Changes", "Texts"):  # no figures of the deal
            continue
        if spec is layout.OTHERWISE:  # of each line why it has no answer
            continue
        table = book.table(spec.name)
        shown = [c.header for c in spec.results]
        for row in table.rows:
            cells = dict(zip(table.header, row, strict=True))
            about = {"class": names[analysis.headline], "condition": "", "date": None, "other": None}
            if spec is layout.DRIVER:
                about["class"] = driven
            for header, value in cells.items():
                if header in CLASS and spec.sheet != "Tranche":
                    about["class"] = value
                elif header in CONDITION:
                    about["condition"] = "" if value == base else value
                elif header in DATE:
                    about["date"] = value
                elif header in OTHERS or (spec is layout.SIGMA and header == "Volatility"):
                    about["other"] = value
            if spec is layout.SIGMA and about["other"] == analysis.base.volatility:
                about["other"] = None
            places = [tuple(about.values())]
            # What was seen from the last date stands beside what is said of the class now and by plan.
            if spec.name in SEEN_FROM and about["date"] == last:
                places.append((*places[0][:2], None, None))
            # What a class risks by its maturity is what the date of the maturity shows.
            if spec is layout.RISK and about["date"] == maturity[about["class"]]:
                places.append((*places[0][:2], None, None))
            for header in shown:
                if header in CLASS | CONDITION | DATE | OTHERS or cells.get(header) is None:
                    continue
                for key in places:
                    yield key, header.casefold(), cells[header], spec.name


def test_a_label_shows_one_figure_on_all_sheets(made: tuple[FileBook, Refreshed]) -> None:
    found: dict[tuple[Key, str], dict[str, Any]] = defaultdict(dict)
    for key, label, value, table in figures(*made):
        assert found[key, label].setdefault(table, value) == value, (key, label, table)
    apart = {
        (key, label): values
        for (key, label), values in found.items()
        if len({repr(x) for x in values.values()}) > 1
    }
    assert not apart
    # The comparison has something to compare: the same labels on Home, Result and Scenario.
    together: dict[str, set[str]] = defaultdict(set)
    for (_, label), values in found.items():
        if len(values) > 1:
            together[label] |= set(values)
    assert together["coverage"] >= {"tbl_Answer", "tbl_Headline", "tbl_Result", "tbl_ScenarioResult"}
    assert together["simulated any-date pd"] >= {"tbl_Headline", "tbl_Simulation", "tbl_ScenarioResult"}
    assert together["any-date pd by pool and reserve"] == {"tbl_Headline", "tbl_Result", "tbl_Sigma"}
    if made[1].analysis.surveillance.seen:
        assert together["grade now"] == {"tbl_Answer", "tbl_Today"}
        assert together["grade then"] == {"tbl_History", "tbl_Watch"}
        assert together["dd then"] == {"tbl_Actual", "tbl_History"}
        assert together["alert"] == {"tbl_Actual", "tbl_History", "tbl_Today", "tbl_Watch"}
    assert together["expected loss"] == {"tbl_Answer", "tbl_Interval", "tbl_Simulation"}


def test_different_labels_of_one_figure_agree(made: tuple[FileBook, Refreshed]) -> None:
    book, done = made
    answers, headline = book.table("tbl_Answer"), done.analysis.headline
    for row in book.table("tbl_Tornado").rows:
        assert row[2] == answers.column("PD to quote")[headline]
    assert book.table("tbl_Headline").column("Simulated expected loss") == answers.column("Expected loss")
    for why, pd, simulated in zip(
        answers.column("Why"),
        answers.column("PD to quote"),
        book.table("tbl_Headline").column("Simulated any-date PD"),
        strict=True,
    ):
        assert pd == simulated if why == "simulated" else pd >= simulated


def test_what_a_class_risks_by_pool_and_reserve_is_a_figure_of_every_class(
    made: tuple[FileBook, Refreshed],
) -> None:
    """By one name on all sheets; where no undertaking stands behind a class it is the any-date PD itself."""
    book, done = made
    deal, label = done.inputs.deal, "Any-date PD by pool and reserve"
    headline, rerated, history = (book.table(f"tbl_{x}") for x in ("Headline", "Rerate", "History"))
    found = headline.column(label)
    assert found == rerated.column(f"{label} at closing")
    assert history.column(f"{label} then") == rerated.column(f"{label} now")
    for own, senior, pd in zip(found, deal.senior, headline.column("Any-date PD"), strict=True):
        assert own >= pd if deal.controls.support and senior else own == pd
    shown = [c.header for spec in layout.TABLES.values() for c in spec.results]
    for older in ("pool alone", "Any-date PD of the pool", "Any-date PD without"):
        assert not [header for header in shown if older in header]


def test_nothing_is_said_of_an_undertaking_that_is_not_there(made: tuple[FileBook, Refreshed]) -> None:
    book, done = made
    deal = done.inputs.deal
    for table, header in (
        ("tbl_Answer", "PD without undertaking"),
        ("tbl_Headline", "Simulated any-date PD without undertaking"),
    ):
        for tranche, senior, alone in zip(
            deal.tranches, deal.senior, book.table(table).column(header), strict=True
        ):
            behind = deal.controls.support and bool(senior)
            assert isinstance(alone, float) if behind else alone == "-", (table, tranche.name)
    if not deal.controls.support:
        said = [str(book.name(cell).value) for cell in layout.READING_NAMES.values()]
        assert not any("ndertaking" in text for text in said)
