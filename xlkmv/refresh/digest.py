"""A short mark of all inputs: equal inputs, equal mark, on any machine and in any later version."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any

import numpy as np

from xlkmv.deal.terms import USUAL_LOAN

__all__ = ["digest"]


def digest(*parts: Any) -> str:
    """Mark the parts of a deal by the fields that are not at their defaults.

    A term that a deal does not use leaves its mark alone, also when the term is older than the
    deal: terms may be added without a new mark for every workbook.

    Parameters
    ----------
    *parts
        Dataclasses, arrays, numbers, words, and tuples of them.

    Returns
    -------
    str
        Twelve hexadecimal digits.
    """
    mark = hashlib.sha256()
    for chunk in _told(parts):
        mark.update(chunk)
    return mark.hexdigest()[:12]


def _told(value: Any) -> Iterator[bytes]:
    """Yield what a value says, each piece with its end."""
    if is_dataclass(value):
        yield type(value).__name__.encode() + b"("
        for item in fields(value):
            told = getattr(value, item.name)
            if not _is_usual(item, told):
                yield item.name.encode() + b"="
                yield from _told(told)
        yield b")"
    elif isinstance(value, np.ndarray):
        yield repr(value.shape).encode()
        yield np.ascontiguousarray(value).tobytes()
    elif isinstance(value, (tuple, list)):
        yield b"["
        for part in value:
            yield from _told(part)
        yield b"]"
    else:
        yield repr(value.item() if isinstance(value, np.generic) else value).encode() + b";"


def _is_usual(item: Field[Any], value: Any) -> bool:
    """Whether a field says no more than if it had been left out."""
    usual = item.default_factory() if item.default_factory is not MISSING else item.default
    if usual is MISSING:
        return False
    if isinstance(value, np.ndarray):
        return usual is not None and bool(np.all(value == usual))
    if isinstance(value, tuple) and usual == ():
        # A column of words that is left out, or says what is usual.
        return set(map(repr, value)) <= {repr(None), repr(USUAL_LOAN.get(item.name, ""))}
    return bool(value == usual)
