"""The errors of xlkmv: one small tree.

::

    XlkmvError
    ├── InputError            an argument of the wrong type, shape or option   (#VALUE!)
    │   ├── DomainError       a number outside the domain of the formula       (#NUM!)
    │   └── MissingError      a needed input is blank                          (#N/A)
    ├── ConvergenceError      no solution, or none that can be trusted         (#NUM!)
    ├── BookError             a file that cannot be used as a workbook
    │   └── BookInputError    a workbook with wrong cells, all listed at once
    ├── HostError             a program or service outside Python is missing or fails
    └── CancelledError        the user pressed Esc (in xlkmv.refresh.live)

The message of an InputError names the argument, the rule it breaks and the value that was given; the
other messages are sentences for the user. Each is a :class:`~xlkmv.phrase.Phrase`: ``error.said(say)`` gives
it in another language.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from xlkmv.phrase import Phrase, Say, said

__all__ = [
    "OUT_OF_MEMORY",
    "BookError",
    "BookInputError",
    "ConvergenceError",
    "DomainError",
    "HostError",
    "InputError",
    "MissingError",
    "Problem",
    "XlkmvError",
    "near",
]


OUT_OF_MEMORY = Phrase(
    "there is not enough memory for this: close other programs, or make the workbook smaller"
)
"""What a user reads in place of a MemoryError."""


_LONGEST_SENTENCE = 1_000


class XlkmvError(Exception):
    """Base of every error that xlkmv raises on purpose.

    Parameters
    ----------
    sentence : str
        For the user; a :class:`~xlkmv.phrase.Phrase` where something is filled in.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(Phrase(sentence))

    @property
    def sentence(self) -> Phrase:
        """The message."""
        found: Phrase = self.args[0]
        return found

    def said(self, say: Say) -> str:
        """Message in a language.

        Parameters
        ----------
        say : callable
            ``catalogue(language).gettext``.

        Returns
        -------
        str
        """
        return said(self.sentence, say)


class InputError(XlkmvError, ValueError):
    """An argument that cannot be used.

    Parameters
    ----------
    argument : str
        Name of the argument, as the caller wrote it.
    rule : str
        What the argument must be, as the end of a sentence: ``"must be > 0"``.
    value : object, optional
        The value that was given; left out of the message when omitted.
    """

    def __init__(self, argument: str, rule: str, value: Any = ...) -> None:
        self.argument = argument
        self.rule: Phrase = Phrase(rule)
        self.value = value
        sentence = Phrase("{argument} {rule}", argument=argument, rule=self.rule)
        if value is not ...:
            sentence = Phrase("{sentence} (got {value})", sentence=sentence, value=show(value))
        super().__init__(sentence)

    def __reduce__(self) -> tuple[Any, ...]:
        """Be raised alike where another process has met it."""
        return type(self), (self.argument, self.rule, self.value)


class DomainError(InputError):
    """A number outside the domain of the formula."""


class MissingError(InputError):
    """A needed input is blank or not available."""


class ConvergenceError(XlkmvError, ArithmeticError):
    """A solver found no answer, or none that can be trusted."""


class HostError(XlkmvError):
    """A program or service outside Python is missing, or fails."""


class BookError(XlkmvError):
    """A file that cannot be used as a workbook; the message is one clear sentence.

    What the file holds may be part of it: a sentence of more than 1,000 letters loses its middle.
    """

    def __init__(self, message: str) -> None:
        if len(message) > _LONGEST_SENTENCE and "\n" not in message:
            message = f"{message[:400]} ... {message[-400:]}"
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Problem:
    """One wrong input of a workbook, or many that are wrong alike: where, what they hold, what to do.

    Attributes
    ----------
    sheet : str
    cell : str
        The first of the cells: where a link leads.
    value : object
        What it holds.
    rule : str
        What it must be, and how to mend it where that is not obvious.
    count : int
        How many cells break the rule.
    cells : str
        All of them: ``"G7:G106, G109"``; by default the one.
    who : str
        Whose row it is: an obligor, a class; "" where there is no one such.
    """

    sheet: str
    cell: str
    value: Any
    rule: str
    count: int = 1
    cells: str = ""
    who: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "cells", self.cells or self.cell)
        object.__setattr__(self, "rule", Phrase(self.rule))

    @property
    def holds(self) -> str:
        """What the cells hold, in words: the first value stands for all."""
        if self.count == 1:
            return show(self.value)
        if self.value is None or not str(self.value).strip():
            return Phrase("{count:,} cells are blank", count=self.count)
        return Phrase("{count:,} cells, the first holds {value}", count=self.count, value=show(self.value))

    @property
    def sentence(self) -> Phrase:
        """Where, what it holds, and the rule."""
        place = f"{self.sheet}!{self.cells}" + (f" ({self.who})" if self.who else "")
        found = {"place": place, "holds": self.holds, "rule": self.rule}
        if self.count == 1:
            return Phrase("{place}: {holds}: {rule}", **found)
        return Phrase("{place}: {holds}; {rule}", **found)

    def __str__(self) -> str:
        return str(self.sentence)


class BookInputError(BookError):
    """A workbook whose inputs are wrong: :attr:`problems` lists all, :attr:`count` wrong cells."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        self.count: int = sum(problem.count for problem in self.problems)
        super().__init__(Phrase("\n".join([f"{self.counted}:", *map(str, self.problems)])))

    def said(self, say: Say) -> str:
        """Message in a language; see :meth:`XlkmvError.said`."""
        head = Phrase("{count}:", count=self.counted)
        return "\n".join(said(text, say) for text in (head, *(p.sentence for p in self.problems)))

    @property
    def counted(self) -> Phrase:
        """How many cells are wrong, as the start of a sentence."""
        if self.count == 1:
            return Phrase("1 input is wrong")
        return Phrase("{count:,} inputs are wrong", count=self.count)


# Guesses at what was meant, and letters from which on a part of a name is a hint at it.
GUESSES, PART = 3, 3


def near(rule: str, name: str, known: Iterable[str]) -> Phrase:
    """Guess what was meant by a name that is none.

    Parameters
    ----------
    rule : str
        What is wrong with it, or what it must be.
    name : str
        In any case; a part of a name is near to it.
    known : iterable of str

    Returns
    -------
    Phrase
        The rule, and the nearest names where any is near.
    """
    names, text = {one.casefold(): one for one in known}, name.strip().casefold()
    holding = [key for key in names if text in key] if len(text) >= PART else []
    close = dict.fromkeys([*holding, *difflib.get_close_matches(text, list(names), GUESSES)])
    if not close:
        return Phrase(rule)
    guesses = ", ".join(repr(names[key]) for key in [*close][:GUESSES])
    return Phrase("{rule}; did you mean {names}?", rule=Phrase(rule), names=guesses)


def show(value: Any) -> str:
    """Write a value for a message: short, and numbers as a person would."""
    if isinstance(value, Phrase):
        return value
    if value is None:
        return Phrase("blank")
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float) or (isinstance(value, int) and abs(value) < 10**300):
        return f"{value:.10g}"
    text = value if isinstance(value, str) else str(value)
    text = text if len(text) <= 60 else text[:57] + "..."
    return repr(text) if isinstance(value, str) else text
