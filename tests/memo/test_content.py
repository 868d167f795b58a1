"""What the memo says is what the analysis found, in words that fit two pages."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from memo_deals import STAMP, analysed

from xlkmv.deal.answers import class_answers
from xlkmv.deal.terms import Covenant, Curve
from xlkmv.errors import InputError
from xlkmv.language import LANGUAGES
from xlkmv.memo.content import CLASSES, MOVES, Assumption, cut, memo


def test_every_class_has_its_row_or_is_counted(each):
    deal, analysis = each
    said = memo(deal, analysis, STAMP).classes
    assert len(said.rows) == min(len(deal.tranches), CLASSES)
    assert all(len(row) == len(said.heading) for row in said.rows)
    left_out = len(deal.tranches) - CLASSES
    assert (f"And {left_out} more." in said.note) == (left_out > 0)


def test_the_row_of_a_class_holds_its_answer():
    deal, analysis = analysed("patents")
    row = memo(deal, analysis, STAMP).classes.rows[1]
    answer = class_answers(deal, analysis)[1]
    assert row[0].split("\n") == ["Subordinate (次级)", "15,050,000 (5%), coupon 0.00%, due 2024-09-11"]
    assert row[1] == answer.grade
    assert float(row[2].split("%")[0]) / 100 == pytest.approx(answer.quote.pd, abs=6e-5)
    assert [float(x.rstrip("%")) for x in row[4:6]] == pytest.approx(
        [answer.coverage, answer.distance], abs=6e-3
    )


def test_the_undertaking_has_a_column_where_there_is_one():
    for name, there in (("patents", True), ("auto", False)):
        assert ("PD without undertaking" in memo(*analysed(name), STAMP).classes.heading) == there


def test_a_figure_without_the_undertaking_says_so_where_there_is_one():
    for name, there in (("patents", True), ("auto", False)):
        made = memo(*analysed(name), STAMP)
        assert made.spread.heading[2:] == (
            ("Simulated, no undertaking", "KMV view, no undertaking") if there else ("Simulated", "KMV view")
        )
        for note in (made.drivers.note, made.stress.note):
            assert ("ndertaking not called" in note) == there


def test_the_waterfall_leads_from_no_control_to_all(each):
    deal, analysis = each
    moves, found, k = memo(deal, analysis, STAMP).controls, analysis.attribution, analysis.headline
    if found is None or found.without[k] == 0.0:
        assert moves == ()
        return
    first, *steps, last = moves
    assert (first.start, first.end) == (0.0, found.without[k])
    assert (last.start, last.end) == (0.0, found.with_all[k])
    levels = [first.end, *(step.end for step in steps)]
    assert [step.start for step in steps] == levels[:-1]
    assert levels[-1] == pytest.approx(last.end, abs=1e-12)
    assert len(steps) == len(found.controls)
    falls = [step.start - step.end for step in steps]
    assert falls == sorted(falls, reverse=True)


def test_the_conditions_are_those_that_move_the_pd_most(each):
    deal, analysis = each
    k = analysis.headline
    pds = [row.simulation.tranches[k].anydate_pd for row in analysis.simulated]
    changes = sorted((abs(pd - pds[0]) for pd in pds[1:] if pd != pds[0]), reverse=True)
    said = memo(deal, analysis, STAMP)
    assert [abs(move.end - move.start) for move in said.conditions] == changes[:MOVES]
    shown = [len(changes[:MOVES])] * bool(changes) + [len(pds) - 1]
    assert [int(word) for word in said.conditions_note.split() if word.isdigit()] == shown


def test_collections_and_dues_add_up_over_the_dates(each):
    deal, analysis = each
    cover = memo(deal, analysis, STAMP).cover
    assert len(cover.dates) == len(deal.terms.dates) + 1 == cover.paid_in.size
    assert np.all(np.diff(cover.paid_in) >= 0.0)
    assert cover.paid_in[-1] == pytest.approx(analysis.scheduled.sum())
    assert all(np.all(np.diff(due) >= -1e-6) for _, due in cover.dues)
    # What is due to the last class and ahead of it is never less than what is due to a better one.
    assert np.all(cover.dues[-1][1] >= cover.dues[0][1] - 1e-6)


def test_a_quick_look_says_so_and_leaves_out_what_it_has_not_computed():
    said = memo(*analysed("patents", quick=True), STAMP)
    assert "QUICK LOOK" in said.quick and "1,000 paths" in said.subtitle
    assert said.controls == () and said.controls_note == "Not in a quick look."
    for table in (said.drivers, said.spread, said.stress):
        assert table.rows == () and table.note == "Not in a quick look."
    # Conditions are looked at all the same, by formula.
    assert said.conditions and said.conditions_note.endswith("KMV view.")
    assert not memo(*analysed("patents"), STAMP).quick


def assumed(count, label="Term", value="1"):
    """So many assumptions, on three sheets, two cells each."""
    sheets = np.array_split(np.arange(count), 3)
    return [
        Assumption(f"{sheet}!C{k}", f"{label} {k}", value, count=2)
        for sheet, rows in zip(("Pool", "Terms", "Curves"), sheets, strict=True)
        for k in rows.tolist()
    ]


def test_what_is_assumed_is_listed_a_line_each_while_there_is_room():
    deal, analysis = analysed("patents")
    said = memo(deal, analysis, STAMP, assumed(26)).assumptions
    assert said.rows[0][:3] == ("Pool!C0", "Term 0 × 2", "1")
    assert (len(said.rows), said.note) == (26, "52 orange cells of the workbook.")
    assert memo(deal, analysis, STAMP).assumptions.rows == ()


@pytest.mark.parametrize(
    ("count", "value"),
    [(27, "1,000,000 – 2,000,000"), (100, "1"), (100, "1,000,000 – 2,000,000"), (60, "按计划摊还")],
)
def test_where_there_is_none_every_assumption_is_there_in_running_text(count, value):
    found = assumed(count, value=value)
    for name in ("patents", "twelve classes"):
        said = memo(*analysed(name), STAMP, found).assumptions
        assert [sheet for sheet, _ in said.rows if sheet] == ["Pool", "Terms", "Curves"]
        told = [text for _, line in said.rows for text in line.rstrip(";").split("; ")]
        alone = [f"Term {k} × 2" for k in range(count)]
        assert told in (alone, [f"{text} = {value}" for text in alone])
        assert said.note == f"{2 * count} orange cells of the workbook."


def test_what_no_page_holds_is_cut_and_counted():
    deal, analysis = analysed("patents")
    said = memo(deal, analysis, STAMP, assumed(1000)).assumptions
    left = int(re.search(r"workbook\. ([\d,]+) more lines", said.note)[1])
    each = len("Term 500 × 2; ")
    assert left + len(said.rows) == pytest.approx(1000 / (104 // each), rel=0.05)


def test_the_foot_tells_the_run_apart():
    deal, analysis = analysed("patents")
    line, programs = memo(deal, analysis, STAMP).footer
    assert programs == "xlkmv 9.9"
    for part in (
        "Deal.xlsm",
        "inputs 0123456789ab",
        f"seed {deal.terms.seed}",
        "1,000 paths",
        "2026-03-04 05:06",
    ):
        assert part in line.split(" · ")


@pytest.mark.parametrize("language", [*LANGUAGES])
def test_every_text_keeps_its_figures_in_every_language(language):
    deal, analysis = analysed("patents")
    said = memo(deal, analysis, STAMP, language=language)
    assert sum("301,000,000" in text for _, text in said.deal) == 2  # pool and notes
    english = memo(deal, analysis, STAMP)
    assert [row[3:] for row in said.drivers.rows] == [row[3:] for row in english.drivers.rows]
    assert not any("{" in text or "}" in text for _, text in said.deal)


def test_in_chinese_nothing_of_the_memo_stays_english_but_names_and_sentences():
    said = memo(*analysed("auto"), STAMP, language="zh")
    own = [*said.headings.values(), *said.classes.heading, *said.drivers.heading, *said.stress.heading]
    own += [*said.assumptions.heading, *(move.name for move in (*said.controls, *said.conditions))]
    own += [label for label, _ in (*said.deal, *said.concentration)]
    own += [
        said.controls_note,
        said.conditions_note,
        said.stress.note,
        said.spread.note,
        said.assumptions.note,
    ]
    assert [text for text in own if text.isascii()] == []


def test_an_unknown_language_is_refused():
    with pytest.raises(
        InputError, match=r"language must be one of: en \(English\), zh \(中文\) \(got 'fr'\)"
    ):
        memo(*analysed("patents"), STAMP, language="fr")


def test_a_cut_name_is_no_longer_than_it_may_be():
    assert cut("x" * 100, 10) == "x" * 9 + "…"
    assert cut("two\nlines   of text") == "two lines of text"
    assert cut("exactly 10", 10) == "exactly 10"


def test_the_deal_says_what_floats_what_is_tested_and_for_how_long_it_revolves():
    deal, analysis = analysed("patents")
    curve = Curve("LPR", (deal.terms.closing,), (0.03,))
    terms = replace(deal.terms, curves=(curve,), revolving=deal.terms.dates[3], prepayment=0.2, cleanup=0.1)
    terms = replace(terms, prepayment_type="CPR", principal="pro rata")
    first = replace(deal.tranches[0], coupon=0.0, base="LPR", margin=0.0135)
    tests = tuple(
        Covenant(name, "overcollateralisation", "min", -0.04, "amortise") for name in ("A", "B", "C", "D")
    )
    floating = replace(deal, tranches=(first, *deal.tranches[1:]), terms=terms, covenants=tests)
    made = memo(floating, analysis, STAMP)
    assert ", coupon LPR + 1.35%, due " in made.classes.rows[0][0]
    assert dict(made.deal)["Terms"].split("; ") == [
        "principal pro rata",
        f"revolving until {deal.terms.dates[3]}",
        "prepayment 0.2 CPR",
        "clean-up call at 10% of the pool",
        *(f"{name}: overcollateralisation ≥ -0.04 (amortise)" for name in "ABC"),
        "... and 1 more",
    ]
