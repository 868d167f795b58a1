"""What kind of value each field of a dataclass takes, by its annotation: checked where data comes in."""

from __future__ import annotations

import datetime as dt
import functools
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from xlkmv.errors import InputError

__all__ = ["broken_kind", "check_kinds", "is_word_or_part"]


def check_kinds(part: str, item: Any, *, but: Iterable[str] = ()) -> None:
    """Check that each field holds a value of its kind; whether the value is right is another question.

    Arrays and dates pass: they have a check of their own.

    Parameters
    ----------
    part : str
        What the item is, for the error.
    item : dataclass
    but : iterable of str
        Fields that take more than their annotation says.

    Raises
    ------
    InputError
        When a field holds something else.
    """
    kind: type = type(item)
    for name, hint in _hints(kind).items():
        if name not in but and (rule := broken_kind(hint, getattr(item, name))):
            raise InputError(f"{part} {name.replace('_', ' ')}", rule, getattr(item, name))


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {item.name: hints[item.name] for item in fields(kind)}


def broken_kind(hint: Any, value: Any) -> str:
    """Rule that a value breaks.

    Parameters
    ----------
    hint : type
        As it stands in an annotation.
    value : object

    Returns
    -------
    str
        The end of a sentence; "" when it is of its kind.
    """
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        rules = [broken_kind(option, value) for option in options if option is not type(None)]
        return "" if value is None or "" in rules else rules[0]
    if hint is str:
        return "" if isinstance(value, str) else "must be a text"
    if hint is bool:
        return "" if type(value).__name__ in ("bool", "bool_") else "must be True or False"
    if hint in (float, int):
        return "" if _is_number(value) else "must be a number"
    if _is_list(hint):
        return _broken_items(options[0], value)
    if is_dataclass(hint):
        kind = typing.cast(type, hint)
        return "" if isinstance(value, kind) else f"must be a {kind.__name__}"
    return ""


def _broken_items(hint: Any, value: Any) -> str:
    if (
        isinstance(value, (str, bytes, Mapping))
        or not isinstance(value, Iterable)
        or getattr(value, "ndim", 1) != 1
    ):
        return "must be a list"
    if hint in (Any, dt.date) or (hint is float and hasattr(value, "dtype") and value.dtype.kind in "fiu"):
        return ""
    items = value if isinstance(value, (tuple, list)) else list(value)
    if {type(item) for item in items} == {hint}:
        return ""
    return next(
        (f"must be a list; an item {rule}" for rule in (broken_kind(hint, x) for x in items) if rule), ""
    )


def _is_number(value: Any) -> bool:
    if isinstance(value, (str, bytes)) or getattr(value, "ndim", 0) != 0:
        return False
    try:
        float(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def is_word_or_part(hint: Any) -> bool:
    """Whether an annotation asks for a text, texts, or a dataclass: what arrays of figures are not.

    Parameters
    ----------
    hint : type

    Returns
    -------
    bool
    """
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return all(option is type(None) or is_word_or_part(option) for option in options)
    return hint is str or is_dataclass(hint) or (_is_list(hint) and is_word_or_part(options[0]))


def _is_list(hint: Any) -> bool:
    """Whether an annotation asks for any number of items of one kind."""
    origin = typing.get_origin(hint)
    return origin is Sequence or (origin is tuple and typing.get_args(hint)[-1] is ...)
