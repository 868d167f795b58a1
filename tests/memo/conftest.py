"""Every deal of the tests of the memo, with its analysis."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from memo_deals import DEALS, analysed

from xlkmv.deal.analysis import Analysis
from xlkmv.deal.terms import Deal


@pytest.fixture(scope="session", params=[*DEALS])
def each(request: pytest.FixtureRequest) -> tuple[Deal, Analysis]:
    return analysed(request.param)
