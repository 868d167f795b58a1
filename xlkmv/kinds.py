"""What kind of value each field of a dataclass takes, by its annotation: checked where data comes in."""

from __future__ import annotations

import copy
import datetime as dt
import functools
import os
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np

from xlkmv.errors import InputError
from xlkmv.phrase import Phrase

Item = TypeVar("Item")

__all__ = ["altered", "broken_kind", "check_kind", "check_kinds", "has_kind"]

_VALUES = (str, bool, int, float)
# What a value must be of these kinds, which have no name that a user knows.
_WORDS: dict[Any, Phrase] = {
    Callable: Phrase("must be a function"),
    Iterable: Phrase("must be a list"),
    Mapping: Phrase("must map names to values"),
    os.PathLike: Phrase("must be a path"),
}


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


def check_kind(name: str, hint: Any, value: Any) -> None:
    """Check that one value is of a kind, as :func:`check_kinds` does with each field.

    Parameters
    ----------
    name : str
        What the value is, for the error.
    hint : type
        As it stands in an annotation.
    value : object

    Raises
    ------
    InputError
        When it is not.
    """
    if broken := broken_kind(hint, value):
        raise InputError(name, *broken)


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
        if value is None:
            return None if type(None) in options else (Phrase("must not be blank"), value)
        found = [broken_kind(option, value) for option in options if option is not type(None)]
        return None if None in found else found[0]
    if _is_list(hint):
        return _broken_items(options[0], value)
    if origin is tuple:
        if not isinstance(value, (tuple, list)) or len(value) != len(options):
            return Phrase("must hold {count} values", count=len(options)), value
        pairs = zip(options, value, strict=True)
        return next(filter(None, (broken_kind(option, item) for option, item in pairs)), None)
    rule, kind = Phrase(""), origin or hint
    if hint is str and not isinstance(value, str) and value is not None:
        rule = Phrase("must be a text")
    elif hint is bool and type(value).__name__ not in ("bool", "bool_"):
        rule = Phrase("must be True or False")
    elif hint in (float, int) and not _is_number(value):
        rule = Phrase("must be a number")
    elif kind in _WORDS and not isinstance(value, kind):
        rule = _WORDS[kind]
    elif _is_class(hint) and not isinstance(value, hint):
        rule = Phrase("must be a {kind}", kind=hint.__name__)
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
    if isinstance(value, (str, bytes, bool, np.bool_)) or getattr(value, "ndim", 0) != 0:
        return False
    try:
        float(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def has_kind(hint: Any) -> bool:
    """Whether an annotation asks for something that :func:`broken_kind` knows: anything but arrays and dates.

    Parameters
    ----------
    hint : type

    Returns
    -------
    bool
    """
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return all(option is type(None) or has_kind(option) for option in options)
    if _is_list(hint) or origin is tuple:
        return all(option is ... or has_kind(option) for option in options)
    return hint in _VALUES or (origin or hint) in _WORDS or _is_class(hint)


def _is_class(hint: Any) -> bool:
    """Whether an annotation asks for an object of one class; dates have a check of their own."""
    return isinstance(hint, type) and hint not in (Any, object, dt.date, *_VALUES)


def _is_list(hint: Any) -> bool:
    """Whether an annotation asks for any number of items of one kind."""
    origin = typing.get_origin(hint)
    return origin is Sequence or (origin is tuple and typing.get_args(hint)[-1] is ...)
