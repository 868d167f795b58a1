"""What every deal and every result can do in a notebook: a line, a few lines, a frame, a picture.

The methods are doors: the work is done by :mod:`xlkmv.library`, which knows pandas and matplotlib and
is loaded on first use, so that the mathematics stays free of both.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from xlkmv.errors import show

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

    import xlkmv

__all__ = ["Results", "Shown", "whole"]

Item = TypeVar("Item", bound="Shown")

# Characters of a line.
LINE = 100


class Shown:
    """A class with a short representation, and doors to its summary, frame and chart."""

    __slots__ = ()

    def __repr__(self) -> str:
        name, said = type(self).__name__, []
        for item in fields(self):  # type: ignore[arg-type]  # every class that is shown is a dataclass
            if not item.name.startswith("_"):
                said.append(f"{item.name}={_short(getattr(self, item.name))}")
                if len(name) + sum(map(len, said)) + 2 * len(said) > LINE - 5:
                    return f"{name}({', '.join([*said[:-1], '...'])})"
        return f"{name}({', '.join(said)})"

    def _repr_html_(self) -> str:
        import xlkmv

        return xlkmv.summary(self, html=True)

    def summary(self) -> str:
        """Say in a few lines what it is.

        Returns
        -------
        str
        """
        import xlkmv

        return xlkmv.summary(self)

    def to_frame(self, deal: xlkmv.Deal | None = None) -> pandas.DataFrame:
        """Put the figures into a frame, one row per class, date, obligor or element.

        Parameters
        ----------
        deal : Deal, optional
            Whose classes and dates label the rows, where the result does not know them.

        Returns
        -------
        DataFrame
            Numbers as they are (rates and probabilities decimal); ``frame.attrs["units"]`` has the
            unit of each column.
        """
        import xlkmv

        return xlkmv.to_frame(self, deal)

    def plot(self, what: str = "", ax: Axes | None = None, **options: Any) -> Axes:
        """Draw it.

        Parameters
        ----------
        what : str
            Column of the frame, or chart of an analysis: "cover", "controls" or "conditions"; the one
            that matters most when left out.
        ax : Axes, optional
            Where to draw; axes of a new figure when left out.
        **options
            Of matplotlib.

        Returns
        -------
        Axes

        Raises
        ------
        HostError
            When the extra ``xlkmv[plot]`` is not installed.
        """
        import xlkmv

        return xlkmv.plot(self, what, ax, **options)


class Results(tuple[Item, ...], Shown):
    """Results of one kind, one for each class, condition, stress or obligor: a tuple that is shown."""

    __slots__ = ()

    def __repr__(self) -> str:
        kinds = dict.fromkeys(type(item).__name__ for item in self)
        return f"Results(<{len(self)} {', '.join(kinds)}>)"


def _short(value: Any) -> str:
    """A value in a representation: arrays and parts by their size."""
    shape = getattr(value, "shape", None)
    if shape:
        return f"<{' x '.join(map(str, shape))}>"
    if isinstance(value, (tuple, list, dict)) and value:
        return f"<{len(value)}>"
    if isinstance(value, Shown):
        return f"<{type(value).__name__}>"
    if value is None or isinstance(value, (bool, str)):
        return repr(value)
    return show(value.item() if hasattr(value, "item") else value)


def whole(value: Any) -> str:
    """Write all that a value says, to the last digit: equal texts, equal values.

    Parameters
    ----------
    value : object
        Numbers, words, dataclasses, and tuples of them.

    Returns
    -------
    str
    """
    if isinstance(value, (str, float)):  # by far the most
        return repr(value)
    if is_dataclass(value):
        said = (f"{item.name}={whole(getattr(value, item.name))}" for item in fields(value))
        return f"{type(value).__name__}({', '.join(said)})"
    if isinstance(value, (tuple, list)):
        # Names of a pool are many, and one by one they would take long.
        if {str, float}.issuperset(map(type, value)):
            return repr(list(value))
        return f"[{', '.join(map(whole, value))}]"
    return repr(value)
