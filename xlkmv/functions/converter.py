"""xlwings' converter of the worksheet functions; loaded when xlwings asks for it, which is slow to load."""

from __future__ import annotations

from typing import Any

from xlwings.conversion import Accessor, Pipeline

from xlkmv.functions.com import from_com, to_com

__all__ = ["CellsAccessor"]


class _Read:
    def __call__(self, context: Any) -> None:
        if context.range is not None:  # plain xlwings passes ranges; .Value would cut currency to 4 decimals
            context.value = context.range.api.Value2
        context.value = from_com(context.value)


class _Write:
    def __call__(self, context: Any) -> None:
        context.value = to_com(context.value)


class CellsAccessor(Accessor):
    """xlwings' converter of the worksheet functions, in place of its own clean-up.

    That one turns error cells into None, and what is no number into empty text.
    """

    @classmethod
    def reader(cls, options: Any) -> Pipeline:
        """Read one argument."""
        return Pipeline([_Read()])

    @classmethod
    def writer(cls, options: Any) -> Pipeline:
        """Write the result."""
        return Pipeline([_Write()])
