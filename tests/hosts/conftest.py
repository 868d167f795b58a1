"""Fixtures that start the real hosts once for a test run, or skip.

With XLKMV_REQUIRE_HOSTS=1 a missing host fails the test instead of skipping it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import calc as calc_rig
import wine as wine_rig

from xlkmv.build.template import build_template
from xlkmv.deal.examples.patents import xingye_yuanrong


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test in this folder that uses a host bears the mark ``host``."""
    for item in items:
        if {"calc", "wine"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("host")


def _need(reason: str | None) -> None:
    if reason is None:
        return
    if os.environ.get("XLKMV_REQUIRE_HOSTS") == "1":
        pytest.fail(f"host required: {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def calc() -> Iterator[calc_rig.Calc]:
    """One LibreOffice for the whole run; files open with their cached values."""
    _need(calc_rig.missing())
    with calc_rig.Calc() as office:
        yield office


@pytest.fixture(scope="session")
def wine() -> Iterator[wine_rig.Wine]:
    """One private Windows for the whole run."""
    _need(wine_rig.missing())
    with wine_rig.Wine() as windows:
        yield windows


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as it ships, but for a simulation with few paths, which every refresh repeats."""
    deal = xingye_yuanrong()
    few = replace(deal, terms=replace(deal.terms, paths=2000))
    return build_template(tmp_path_factory.mktemp("hosts") / "KMV_Template.xlsm", few)
