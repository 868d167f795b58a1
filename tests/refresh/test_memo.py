"""A memo of a workbook: the figures of a refresh, and the workbook as it was."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from xlkmv.errors import BookInputError, InputError
from xlkmv.refresh import memo
from xlkmv.refresh.memo import write_memo
from xlkmv.refresh.run import refresh
from xlkmv.workbook import layout
from xlkmv.workbook.book import FileBook


@pytest.fixture
def book(draft: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(draft, tmp_path / "deal.xlsm"))


def test_the_page_is_written_beside_the_workbook_which_stays_as_it_is(book):
    before = book.read_bytes(), book.stat().st_mtime_ns
    done = write_memo(FileBook(book))
    assert done.written == (book.with_suffix(".html"),)
    assert (book.read_bytes(), book.stat().st_mtime_ns) == before
    text = done.written[0].read_text(encoding="utf-8")
    assert f"deal.xlsm · inputs {done.inputs.digest} · seed 2019 · 100 paths" in text
    assert "兴业圆融" in text  # its name, from Home
    assert "Senior fees" in text and "0.20% p.a. of fee basis" in text


def test_its_figures_are_those_of_a_refresh_to_the_last_bit(book, monkeypatch):
    analyses = []
    write = memo.report
    monkeypatch.setattr(
        memo, "report", lambda deal, found, *a, **k: analyses.append(found) or write(deal, found, *a, **k)
    )
    for quick in (False, True):
        done = write_memo(FileBook(book), quick=quick)
        known = refresh(FileBook(book), quick=quick)
        found = analyses.pop()
        assert done.inputs.digest == known.inputs.digest
        assert found.quick == known.analysis.quick == quick
        assert np.array_equal(found.simulated_base.replicates, known.analysis.simulated_base.replicates)
        assert found.base.tranches[0].risk.pd.tobytes() == known.analysis.base.tranches[0].risk.pd.tobytes()
        if not quick:
            assert found.attribution.shapley.tobytes() == known.analysis.attribution.shapley.tobytes()


def test_amounts_have_the_currency_and_the_unit_of_the_workbook(book, tmp_path):
    opened = FileBook(book)
    opened.write_name(layout.CURRENCY, "US$")
    opened.write_name(layout.UNIT, "thousand")
    given = FileBook(opened.save(tmp_path / "dollars.xlsm"))
    assert memo.money_of(given) == "US$ thousand"
    for language, sentence in (("en", "amounts in US$ thousand"), ("zh", "金额单位：US$ thousand")):
        page = write_memo(given, language=language, quick=True).written[0].read_text(encoding="utf-8")
        assert sentence in page
        assert "US$ thousand" in page.partition("<svg")[2]  # the axis, too
    opened.write_name(layout.CURRENCY, None)
    opened.write_name(layout.UNIT, None)
    assert memo.money_of(FileBook(opened.save(tmp_path / "none.xlsm"))) == ""


def test_a_deal_without_a_name_goes_by_that_of_its_file(book, tmp_path):
    opened = FileBook(book)
    for said in (None, layout.UNNAMED):
        opened.write_name(layout.DEAL_NAME, said)
        page = write_memo(FileBook(opened.save(tmp_path / "Our deal.xlsm")), quick=True).written[0]
        assert "<h1>Our deal</h1>" in page.read_text(encoding="utf-8")


def test_wrong_cells_are_listed_and_nothing_is_written(book, tmp_path):
    opened = FileBook(book)
    opened.write_cell("Pool", opened.table("tbl_Pool").cell(0, "PD"), 2.0)
    wrong = opened.save(tmp_path / "wrong.xlsm")
    with pytest.raises(BookInputError) as caught:
        write_memo(FileBook(wrong))
    with pytest.raises(BookInputError) as known:
        refresh(FileBook(wrong))
    assert caught.value.problems == known.value.problems
    assert sorted(tmp_path.glob("*.html")) == []


def test_what_cannot_be_written_is_said_before_anything_is_computed(book):
    seen = []
    with pytest.raises(InputError, match="must be in a folder that exists"):
        write_memo(FileBook(book), "nowhere/memo.html", progress=lambda *said: seen.append(said))
    with pytest.raises(InputError, match="language must be one of"):
        write_memo(FileBook(book), language="fr", progress=lambda *said: seen.append(said))
    assert seen == []


def test_cancelling_leaves_nothing(book, tmp_path):
    def stop(what: str, share: float) -> None:
        if share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_memo(FileBook(book), progress=stop)
    assert [*tmp_path.iterdir()] == [book]
