"""What kind of value each field of a dataclass takes, by its annotation: checked where data comes in."""

from __future__ import annotations

import copy
import datetime as dt
import functools
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from xlkmv.errors import InputError
from xlkmv.phrase import Phrase

Item = TypeVar("Item")

__all__ = ["altered", "broken_kind", "check_kinds", "is_word_or_part"]


def altered(item: Item, **figures: Any) -> Item:
    """Copy a dataclass with other figures in some fields, and check nothing.

    For figures that follow from checked ones: :func:`dataclasses.replace` would check all of them again, and
    copy the tables of a pool.

    Parameters
    ----------
    item : dataclass
    **figures
        By field.

    Returns
    -------
    dataclass
        Of the same kind; other fields hold the same objects.
    """
    out = copy.copy(item)
    for name, value in figures.items():
        object.__setattr__(out, name, value)
    return out


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
    named = getattr(item, "name", None)
    place = f"{part} '{named}'" if isinstance(named, str) else part
    for name, hint in _hints(kind).items():
        if name not in but and (broken := broken_kind(hint, getattr(item, name))):
            raise InputError(f"{place} {name.replace('_', ' ')}", *broken)


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {item.name: hints[item.name] for item in fields(kind)}


def broken_kind(hint: Any, value: Any) -> tuple[str, Any] | None:
    """Rule that a value breaks.

    Parameters
    ----------
    hint : type
        As it stands in an annotation.
    value : object

    Returns
    -------
    (str, object) or None
        The rule, as the end of a sentence, and what breaks it: the value, or an item of it.
    """
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        found = [broken_kind(option, value) for option in options if option is not type(None)]
        return None if value is None or None in found else found[0]
    if _is_list(hint):
        return _broken_items(options[0], value)
    rule = Phrase("")
    if hint is str and not isinstance(value, str) and value is not None:
        rule = Phrase("must be a text")
    elif hint is bool and type(value).__name__ not in ("bool", "bool_"):
        rule = Phrase("must be True or False")
    elif hint in (float, int) and not _is_number(value):
        rule = Phrase("must be a number")
    elif is_dataclass(hint) and not isinstance(value, typing.cast(type, hint)):
        rule = Phrase("must be a {kind}", kind=typing.cast(type, hint).__name__)
    return (rule, value) if rule else None


def _broken_items(hint: Any, value: Any) -> tuple[str, Any] | None:
    is_list = isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping))
    if not is_list or getattr(value, "ndim", 1) != 1:
        return Phrase("must be a list"), value
    if hint in (Any, dt.date) or (hint is float and hasattr(value, "dtype") and value.dtype.kind in "fiu"):
        return None
    items = value if isinstance(value, (tuple, list)) else list(value)
    if {type(item) for item in items} == {hint}:
        return None
    if hint is str and None in items:
        return Phrase("must be a text"), None
    return next(filter(None, (broken_kind(hint, item) for item in items)), None)


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
