"""Columns of the rows of a pool, compared as a whole."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

__all__ = ["Columns"]


class Columns:
    """A dataclass of columns: equal when all of them are, to the last bit, blanks with blanks."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        own = fields(self)  # type: ignore[arg-type]  # whoever takes this in is a dataclass
        return all(_alike(getattr(self, f.name), getattr(other, f.name)) for f in own)

    def __hash__(self) -> int:
        """By the kind alone; a class says what of it is quick to hash."""
        return hash(type(self))


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one is other or np.array_equal(one, other, equal_nan=True)
    # A column may be there in one of them only.
    return not isinstance(one, np.ndarray) and not isinstance(other, np.ndarray) and bool(one == other)
