"""Deals to start from, one module each: public facts where there are any, and assumptions that say so.

``xlkmv new FILE --example NAME`` makes a workbook of one of :data:`EXAMPLES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from xlkmv.deal.examples.basis import Sources
from xlkmv.deal.terms import Deal, Ranges
from xlkmv.errors import InputError
from xlkmv.phrase import Phrase

__all__ = ["EXAMPLES", "Example", "example"]


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A deal to start from, and where its figures are from.

    Attributes
    ----------
    key : str
        Name for the terminal.
    title, chinese : str
        What the deal is, in one line.
    deal : Deal
    sources : Sources
    pool : mapping of str to tuple
        Further columns of the pool by field, one value per row.
    actual : tuple of float
        Collections that came in so far, from the first payment date on.
    notes : mapping of str to str
        What a sheet says under its title, by the name of the sheet.
    currency : str
        Of all its money.
    ranges : Ranges
        How well its inputs are known: assumptions.
    """

    key: str
    title: str
    chinese: str
    deal: Deal
    sources: Sources
    pool: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    actual: tuple[float, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)
    currency: str = ""
    ranges: Ranges = field(default_factory=Ranges)


def example(key: str) -> Example:
    """Build one of the examples.

    Parameters
    ----------
    key : str
        A key of :data:`EXAMPLES`.

    Returns
    -------
    Example

    Raises
    ------
    InputError
        When there is no such example.
    """
    if key not in EXAMPLES:
        raise InputError("example", Phrase("must be one of: {options}", options=", ".join(EXAMPLES)), key)
    return EXAMPLES[key]()


# A module is imported when its deal is asked for.


def _patents() -> Example:
    from xlkmv.deal.examples.patents import patents_example

    return patents_example()


def _auto() -> Example:
    from xlkmv.deal.examples.auto import AUTO_SOURCES, auto

    return Example(
        "auto",
        "BYD auto loans (2021-2) as of 26 July 2022, RMB.",
        "盛世融迪2021年第二期个人汽车抵押贷款资产支持证券",
        auto(),
        AUTO_SOURCES,
        currency="RMB",
        notes={
            "Pool": "The real run-off of the pool in two rows, by what bears interest: each of them stands "
            "for many equal obligors (Count).",
            "Surveillance": "What came in after closing is not public: nothing is entered.",
        },
    )


def _mortgage() -> Example:
    from xlkmv.deal.examples.mortgage import MORTGAGE_SOURCES, mortgage

    return Example(
        "mortgage",
        "FAJ-01: four sequential classes on mortgages, USD; quarters in place of months.",
        "按揭贷款顺序还本结构（教科书案例）",
        mortgage(),
        MORTGAGE_SOURCES,
        currency="USD",
        notes={"Pool": "One representative line: its schedule follows from the loan terms."},
    )


def _lease() -> Example:
    from xlkmv.deal.examples.lease import LEASE_SOURCES, lease

    return Example(
        "lease",
        "Ford Credit Auto Lease Trust 2011-A, USD.",
        "福特汽车租赁资产支持证券",
        lease(),
        LEASE_SOURCES,
        currency="USD",
        notes={
            "Pool": "The fall of the value of the leases, with its interest: one row for all of them.",
        },
    )


EXAMPLES: dict[str, Callable[[], Example]] = {
    "patents": _patents,
    "auto": _auto,
    "mortgage": _mortgage,
    "lease": _lease,
}
