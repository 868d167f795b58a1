"""Deals from and to files: a workbook, JSON or YAML, by the end of the name."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xlkmv.deal import analysis
from xlkmv.deal.analysis import Analysis
from xlkmv.deal.paths.executors import Executor
from xlkmv.deal.questions.diversification import Otherwise
from xlkmv.deal.stress import PRESETS, Stress
from xlkmv.deal.terms import Deal, Ranges, Record
from xlkmv.errors import InputError
from xlkmv.model.domain import Array
from xlkmv.phrase import Phrase

__all__ = ["DealFile", "analyse", "as_file", "load", "save"]

BOOKS, JSON, YAML = (".xlsm", ".xlsx"), (".json",), (".yaml", ".yml")


@dataclass(frozen=True, slots=True, repr=False)
class DealFile(Deal):
    """A deal as a file has it: with its name, preset conditions, what has come in and what is asked.

    Attributes
    ----------
    title : str
        What the deal is called.
    conditions : tuple of Stress
        Preset conditions; the first is the base that the others are compared with.
    actual : Record
        What is known of the first payment dates.
    ranges : Ranges
        How well the inputs are known.
    otherwise : Otherwise
        Other ways to spread the pool that are asked about.
    """

    title: str = ""
    conditions: tuple[Stress, ...] = PRESETS
    actual: Record = field(default_factory=Record)
    ranges: Ranges = field(default_factory=Ranges)
    otherwise: Otherwise = field(default_factory=Otherwise)

    def __post_init__(self) -> None:
        # super() does not know a class that slots have made anew.
        Deal.__post_init__(self)
        object.__setattr__(self, "conditions", tuple(self.conditions))
        object.__setattr__(self, "actual", Record.of(self.actual))


def analyse(
    deal: Deal,
    stresses: Sequence[Stress] | None = None,
    progress: Callable[[str, float], None] = lambda what, share: None,
    *,
    actual: Record | Sequence[float] | Array | None = None,
    ranges: Ranges | None = None,
    otherwise: Otherwise | None = None,
    executor: Executor | None = None,
    quick: bool = False,
) -> Analysis:
    """Compute everything that the workbook shows.

    Parameters
    ----------
    deal : Deal
        What a :class:`DealFile` says besides counts where an argument is left out.
    stresses : sequence of Stress, optional
        Preset conditions; the first is the base that the others are compared with. Left out: those of
        the file, or the usual ones.
    progress : callable
        Called as ``progress(what, share_done)``; what it raises ends the computation.
    actual : Record, or sequence of float of length j, optional
        What is known of the first j periods; collections alone as they came in, money.
    ranges : Ranges, optional
        How well the inputs are known; as figures that are certain when nothing says so.
    otherwise : Otherwise, optional
        Other ways to spread the pool: :class:`xlkmv.deal.questions.diversification.Otherwise`.
    executor : Executor, optional
        Where the paths are simulated; in this process when left out.
    quick : bool
        As of :func:`xlkmv.deal.analysis.analyse`.

    Returns
    -------
    Analysis
    """
    whole = as_file(deal)
    return analysis.analyse(
        deal,
        whole.conditions if stresses is None else stresses,
        progress,
        actual=whole.actual if actual is None else actual,
        ranges=whole.ranges if ranges is None else ranges,
        otherwise=whole.otherwise if otherwise is None else otherwise,
        executor=executor,
        quick=quick,
    )


def load(path: str | os.PathLike[str]) -> DealFile:
    """Load a deal from a workbook, or from a document in JSON or YAML.

    Parameters
    ----------
    path : path-like
        ``Deal.xlsm``, ``Deal.xlsx``, ``deal.json`` or ``deal.yaml``.

    Returns
    -------
    DealFile

    Raises
    ------
    BookInputError
        With every wrong cell of a workbook.
    BookError
        When the file cannot be used.
    InputError
        When a document breaks a rule, or a name ends otherwise.
    HostError
        When YAML is asked for and the extra ``xlkmv[yaml]`` is not installed.
    """
    file = Path(path)
    if _kind(file) not in BOOKS:
        from xlkmv.library.documents import read_document

        return read_document(file)
    from xlkmv.refresh.memo import title_of
    from xlkmv.refresh.run import read_book
    from xlkmv.workbook.book import open_book

    book = open_book(file)
    found = read_book(book)
    return as_file(found.deal, title_of(book), found.stresses, found.actual, found.ranges, found.otherwise)


def save(deal: Deal, path: str | os.PathLike[str], *, refreshed: bool = False) -> Path:
    """Save a deal as a workbook that refreshes to the same numbers, or as a document.

    Parameters
    ----------
    deal : Deal
    path : path-like
        ``Deal.xlsm``, ``Deal.xlsx`` (without macros), ``deal.json`` or ``deal.yaml``; what is there is
        replaced.
    refreshed : bool
        Whether the workbook gets its results, too.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        When the deal holds something for which the file has no place, or a name ends otherwise.
    """
    file, whole = Path(path), as_file(deal)
    if whole.today is not None:
        raise InputError("deal", "must be as at closing: a file says what has come in, not where paths begin")
    if _kind(file) not in BOOKS:
        from xlkmv.library.documents import write_document

        return write_document(whole, file)
    from xlkmv.build.filling import filling
    from xlkmv.build.template import build_template

    cells = filling(
        whole,
        title=whole.title,
        conditions=whole.conditions,
        actual=whole.actual,
        ranges=whole.ranges,
        otherwise=whole.otherwise,
    )
    return build_template(file, cells, refreshed=refreshed)


def as_file(
    deal: Deal,
    title: str = "",
    conditions: Sequence[Stress] = PRESETS,
    actual: Record | None = None,
    ranges: Ranges | None = None,
    otherwise: Otherwise | None = None,
) -> DealFile:
    """Give a deal what a file says besides; one from a file keeps what it has.

    Parameters
    ----------
    deal : Deal
    title : str
    conditions : sequence of Stress
    actual : Record, optional
    ranges : Ranges, optional
    otherwise : Otherwise, optional

    Returns
    -------
    DealFile
    """
    if isinstance(deal, DealFile):
        return deal
    parts: dict[str, Any] = {name: getattr(deal, name) for name in Deal.__dataclass_fields__}
    return DealFile(
        **parts,
        title=title,
        conditions=tuple(conditions),
        actual=actual or Record(),
        ranges=ranges or Ranges(),
        otherwise=otherwise or Otherwise(),
    )


def _kind(file: Path) -> str:
    suffix, known = file.suffix.lower(), (*BOOKS, *JSON, *YAML)
    if suffix not in known:
        raise InputError("file", Phrase("must end in one of: {options}", options=", ".join(known)), str(file))
    return suffix
