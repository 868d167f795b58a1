"""Where the figures of an example are from, row by row of the tables that show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Basis", "Sources"]


@dataclass(frozen=True, slots=True)
class Basis:
    """Where the figures of one row are from.

    Attributes
    ----------
    text : str
        In words, for column Basis.
    facts : frozenset of str
        Fields of the row that are public, or follow from what is; all others are assumptions.
    """

    text: str
    facts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the figures of a deal are from.

    Attributes
    ----------
    title : str
        What the deal is, in one line.
    pages : tuple of str
        What was read.
    pool, tranches : tuple of Basis
        One per row.
    terms, controls : mapping of str to Basis
        By field; a field of the deal that is not here has its default, which is an assumption.
    """

    title: str
    pages: tuple[str, ...]
    pool: tuple[Basis, ...]
    tranches: tuple[Basis, ...]
    terms: Mapping[str, Basis] = field(default_factory=dict)
    controls: Mapping[str, Basis] = field(default_factory=dict)


def fact(text: str, *fields: str) -> Basis:
    """Basis of a row whose named fields are facts."""
    return Basis(text, frozenset(fields))


def term(text: str) -> Basis:
    """Basis of a single figure, which is a fact if its text begins so."""
    return Basis(text, frozenset({"value"} if text.startswith("fact") else ()))
