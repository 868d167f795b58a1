"""The door of the library: arguments that are parts of a deal are, and labels go through."""

from __future__ import annotations

import functools
import inspect
import sys
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np

from xlkmv.errors import InputError
from xlkmv.kinds import check_kind, has_kind
from xlkmv.phrase import Phrase

__all__ = ["checked", "labelled"]

F = TypeVar("F", bound=Callable[..., Any])


def checked(function: F) -> F:
    """Let a function say which of its arguments is of another kind than it asks for.

    Parameters
    ----------
    function : callable

    Returns
    -------
    callable
        The same; an argument of another kind than its annotation says is an InputError. Arrays have
        checks of their own.
    """
    # What it gives back may be of a type that only type checkers load.
    given = {name: hint for name, hint in inspect.get_annotations(function).items() if name != "return"}
    home = vars(sys.modules[function.__module__])
    hints = typing.get_type_hints(types.SimpleNamespace(__annotations__=given), home)
    names = list(inspect.signature(function).parameters)
    wanted = {name: hint for name, hint in hints.items() if has_kind(hint)}
    if not wanted:
        return function

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        for name, value in (*zip(names, args, strict=False), *options.items()):
            if name in wanted:
                check_kind(name, wanted[name], value)
        return function(*args, **options)

    return call  # type: ignore[return-value]  # as it is called


def labelled(function: F) -> F:
    """Let a function of arrays take pandas Series and DataFrames, and give its answers their labels.

    Parameters
    ----------
    function : callable
        Of arrays that broadcast.

    Returns
    -------
    callable
        The same: arrays of a result that have the shape of the labelled arguments are Series or
        DataFrames with their index (and columns). Arguments with the same labels in another order are
        put in order; other labels are an InputError, and so are shapes that do not broadcast.
    """
    broadcast = _broadcasting(function)

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        pandas = sys.modules.get("pandas")  # without it nothing has labels
        kinds = () if pandas is None else (pandas.Series, pandas.DataFrame)
        given = [x for x in (*args, *options.values()) if isinstance(x, kinds)]
        if not given:
            return broadcast(*args, **options)
        leading = max(given, key=lambda x: x.ndim)
        bare = functools.partial(_bare, leading, kinds)
        found = broadcast(*map(bare, args), **{name: bare(x) for name, x in options.items()})
        return _with_labels(found, leading, pandas)

    return call  # type: ignore[return-value]  # what it is called with and gives back is wider


def _broadcasting(function: F) -> F:
    """Let a function say which argument has another shape than those before it, in place of numpy."""
    names = list(inspect.signature(function).parameters)

    def call(*args: Any, **options: Any) -> Any:
        try:
            return function(*args, **options)
        except ValueError as error:
            if isinstance(error, InputError):
                raise
            shape: tuple[int, ...] = ()
            for name, value in (*zip(names, args, strict=False), *options.items()):
                own = np.shape(value)
                try:
                    shape = np.broadcast_shapes(shape, own)
                except ValueError:
                    rule = Phrase("must have the shape {shape} or one that broadcasts with it", shape=shape)
                    raise InputError(name, rule, own) from None
            raise

    return call  # type: ignore[return-value]  # as it is called


def _bare(leading: Any, kinds: tuple[type, ...], value: Any) -> Any:
    """The array of an argument, in the order of the leading one."""
    if not isinstance(value, kinds):
        return value
    found: Any = value
    for axis in range(found.ndim):
        own, wanted = found.axes[axis], leading.axes[axis]
        if not own.equals(wanted):
            if not (own.is_unique and len(own) == len(wanted) and own.isin(wanted).all()):
                raise InputError(
                    "index", "must have the same labels in every Series or DataFrame", list(own)[:3]
                )
            found = found.reindex(wanted, axis=axis)
    array = found.to_numpy()
    return array[:, None] if array.ndim < leading.ndim else array


def _with_labels(found: Any, leading: Any, pandas: Any) -> Any:
    """Give an answer the labels of the leading argument wherever it has its shape."""
    if isinstance(found, np.ndarray) and found.shape == leading.shape:
        if found.ndim == 1:
            return pandas.Series(found, leading.index)
        return pandas.DataFrame(found, leading.index, leading.columns)
    if is_dataclass(found) and not isinstance(found, type):
        public = {f.name: getattr(found, f.name) for f in fields(found) if not f.name.startswith("_")}
        named = {name: _with_labels(x, leading, pandas) for name, x in public.items()}
        return replace(found, **named)
    if isinstance(found, tuple):
        return tuple(_with_labels(x, leading, pandas) for x in found)
    if isinstance(found, Mapping):
        return {name: _with_labels(x, leading, pandas) for name, x in found.items()}
    return found
