"""What an open Excel is given: it reads an assigned value like one that is typed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from xlkmv.workbook.stored import ErrorCell

__all__ = ["cell_text", "typed"]


def typed(value: Any) -> Any:
    """Give a value so that Excel takes it for what it is.

    Parameters
    ----------
    value : object
        Number, text, TRUE or FALSE, date, error value, or None.

    Returns
    -------
    object
        Python's own; texts by :func:`cell_text`, error values by their name, and #NUM! for what is no
        finite number.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return "#NUM!"
    if isinstance(value, str):
        return cell_text(value)
    return str(value) if isinstance(value, ErrorCell) else value


def cell_text(text: str) -> str:
    """Write a text so that Excel takes it as text, whatever it looks like.

    Excel reads an assigned text like a typed one: ``=1+1`` becomes a formula, ``2019-12-11`` a
    date. An apostrophe in front, which no cell shows, prevents that.
    """
    plain = (
        text[:1].isalpha() and not any(c.isdigit() for c in text) and text.upper() not in ("TRUE", "FALSE")
    )
    return text if plain or not text else f"'{text}"
