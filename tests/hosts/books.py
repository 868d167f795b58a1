"""Workbooks for the tests in real hosts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from xlkmv.build.template import build_template
from xlkmv.deal.examples.patents import xingye_yuanrong

__all__ = ["quick_template"]


def quick_template(path: Path) -> Path:
    """Build the template as it ships, but for a simulation with few paths, which every refresh repeats."""
    deal = xingye_yuanrong()
    return build_template(path, replace(deal, terms=replace(deal.terms, paths=2000)))
