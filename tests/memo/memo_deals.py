"""Deals of several shapes with analyses of few paths, made once for all tests of the memo."""

from __future__ import annotations

import datetime as dt
import functools
import sys
from dataclasses import replace
from pathlib import Path

from xlkmv.deal.analysis import Analysis, analyse
from xlkmv.deal.examples import example
from xlkmv.deal.terms import Deal
from xlkmv.memo.content import Stamp

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.deals import sequential

STAMP = Stamp(dt.datetime(2026, 3, 4, 5, 6), "A deal", "Deal.xlsm", "0123456789ab", (("xlkmv", "9.9"),))
HOSTILE = "<script>alert('&')</script>"


def _few(deal: Deal) -> Deal:
    return replace(deal, terms=replace(deal.terms, paths=1000))


def _hostile() -> Deal:
    """The shipped deal, its class and its largest obligor named by somebody who means no good."""
    deal = _few(example("patents").deal)
    senior, *rest = deal.tranches
    names = (HOSTILE, *deal.pool.name[1:])
    return replace(
        deal,
        tranches=(replace(senior, name=f"{HOSTILE} $x_1$ {{name}}"), *rest),
        pool=replace(deal.pool, name=names),
    )


DEALS = {
    "patents": lambda: _few(example("patents").deal),
    "auto": lambda: _few(example("auto").deal),
    "one class": lambda: _few(sequential(5, 12, 1)),
    "twelve classes": lambda: _few(sequential(20, 24, 12)),
    "hostile": _hostile,
}


@functools.cache
def analysed(name: str, quick: bool = False) -> tuple[Deal, Analysis]:
    deal = DEALS[name]()
    return deal, analyse(deal, quick=quick)
