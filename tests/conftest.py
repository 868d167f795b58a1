"""Workbooks that several tests share: built once for a run, never changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from xlkmv.build import template as template_module
from xlkmv.workbook.book import FileBook


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where several processes test, a file stays in one, and so do all that ask a host: it is there once."""
    hosts = Path(__file__).parent / "hosts"
    for item in items:
        room = hosts if hosts in item.path.parents else item.path
        item.add_marker(pytest.mark.xdist_group(str(room)))


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template workbook as the sources build it: filled with the deal, and refreshed."""
    return template_module.build_template(tmp_path_factory.mktemp("template") / "KMV_Template.xlsm")


@pytest.fixture(scope="session")
def draft(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template before its first refresh, with as few simulated paths as the rules allow."""
    target = tmp_path_factory.mktemp("draft") / "draft.xlsm"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(template_module, "refresh", lambda *a, **k: None)
        patch.setattr(template_module, "solve_book", lambda *a, **k: None)
        book = FileBook(template_module.build_template(target))
    terms = book.table("tbl_Term")
    book.write_cell(terms.sheet, terms.cell(terms.column("Term").index("Simulated paths"), "Value"), 100)
    return book.save()
