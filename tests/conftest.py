"""Workbooks that several tests share: built once for a run, never changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from xlkmv.build import template as template_module
from xlkmv.workbook.book import FileBook

HOSTS = "tests/hosts/"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Where several processes test, a file stays in one, and so do all that ask a host: it is there once.

    As ``--dist loadgroup`` had it with marks, until xdist 3.8 no longer read them from pytest 9.2
    (https://github.com/pytest-dev/pytest-xdist/issues/1386).
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByRoom(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return HOSTS if nodeid.startswith(HOSTS) else nodeid.split("::")[0]

    return ByRoom(config, log)


@pytest.fixture(scope="session")
def shipped_book() -> Path:
    """The template as it is shipped, refreshed; ``build/test_template.py`` holds it against the sources."""
    return Path(__file__).resolve().parents[1] / "workbook" / "KMV_Template.xlsm"


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
