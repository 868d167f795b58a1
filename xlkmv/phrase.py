"""A text that can be said in another language later: errors, results and headings are made of them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["CLAUSES", "LIST", "ORDER", "SENTENCES", "Phrase", "Say", "joined", "parts", "said", "some"]

# How texts follow one another: as items of a list, as clauses, as sentences, as what comes first and later.
LIST, CLAUSES, SENTENCES = "{first}, {then}", "{first}; {then}", "{first} {then}"
ORDER = "{first} then {then}"

Say = Callable[[str], str]
"""What gives a text in a language: ``catalogue(language).gettext``."""


class Phrase(str):
    """A text in English that can be said in another language later: it keeps its pattern and its figures.

    Parameters
    ----------
    pattern : str
        The English text, a placeholder for each value: what catalogues translate. Without values it is
        taken as it is, braces and all; a phrase is then itself.
    **values
        What is filled in; texts among them are translated with the whole.
    """

    pattern: str
    values: dict[str, Any]

    def __new__(cls, pattern: str, /, **values: Any) -> Phrase:
        """Fill in the English text."""
        if isinstance(pattern, Phrase) and not values:
            return pattern
        text = super().__new__(cls, pattern.format(**values) if values else pattern)
        text.pattern, text.values = pattern, values
        return text

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, Any]]:
        """Copies and other processes make it anew."""
        return (self.pattern,), self.values


def said(text: str, say: Say) -> str:
    """Say a text in a language.

    Parameters
    ----------
    text : str
        A :class:`Phrase`; any other string, such as a name, stays as it is.
    say : callable
        ``catalogue(language).gettext``.

    Returns
    -------
    str
    """
    if not isinstance(text, Phrase) or not text.pattern:
        return text
    if not text.values:
        return say(text.pattern)
    values = {key: said(x, say) if isinstance(x, str) else x for key, x in text.values.items()}
    return say(text.pattern).format(**values)


def parts(text: str) -> list[str]:
    """List what catalogues have of a text: of a :class:`Phrase` with values its pattern and theirs.

    Parameters
    ----------
    text : str

    Returns
    -------
    list of str
    """
    if not isinstance(text, Phrase):
        return [text]
    return [text.pattern, *(p for x in text.values.values() if isinstance(x, Phrase) for p in parts(x))]


def some(names: Sequence[str], most: int) -> str:
    """List the first of some names, and dots for the others.

    Parameters
    ----------
    names : sequence of str
    most : int
        How many are named.

    Returns
    -------
    str
    """
    return ", ".join([*names[:most], *(["..."] if len(names) > most else [])])


def joined(texts: Sequence[str], pattern: str = SENTENCES) -> str:
    """Put texts one after the other.

    Parameters
    ----------
    texts : sequence of str
        One or more.
    pattern : str
        :data:`LIST`, :data:`CLAUSES`, :data:`SENTENCES` or :data:`ORDER`.

    Returns
    -------
    str
    """
    return functools.reduce(lambda first, then: Phrase(pattern, first=first, then=then), texts)
