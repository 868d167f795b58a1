"""Columns and tables: what one is, how it is shown, and short ways to write one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xlkmv.model.domain import Rule
from xlkmv.phrase import Phrase, Say, said

__all__ = [
    "ASSUMED_FILL",
    "CHANGE",
    "DATE",
    "DISTANCE",
    "ERROR",
    "MONEY",
    "PROBABILITY",
    "RATE",
    "RATIO",
    "SIMULATED",
    "TEXT",
    "THE_CLASS",
    "TINY",
    "WHOLE",
    "YES_NO",
    "Column",
    "TableSpec",
    "choice",
    "date",
    "formula",
    "number",
    "of_class",
    "result",
    "text",
    "the_class",
]

MONEY = "#,##0"
RATE = "0.00%"
# A probability is a percentage a banker reads at a glance, whatever its size: a column has one unit. Powers of
# ten cannot be of per cent, so that a smaller one than one in a million is said to be that; its cell has it
# all the same. What no path of a simulation has shown may happen. Bands of more digits: see
# xlkmv.build.drawing.
TINY = '"< 0.0001%"'
PROBABILITY = f"[<0.000001]{TINY};[<0.0001]0.0000%;0.00%"
SIMULATED = '[=0]"none seen";[<0.0001]0.0000%;0.00%'
ERROR = '[=0]"-";[<0.0001]0.0000%;0.00%'
# Sections with conditions lose the sign of what is negative.
CHANGE = "+0.000%;-0.000%;0%"
# Beyond a hundred a distance is that of a plan that cannot fail; what is below the bound keeps its sign.
DISTANCE = '[<=100]0.00;"> 100"'
RATIO = "0.000"
DATE = "yyyy-mm-dd"
WHOLE = "0"
TEXT = "General"
YES_NO = ("yes", "no")
# Fill of the cells of inputs that hold an assumption.
ASSUMED_FILL = "#FCE8D2"
# Where a title says this, refresh puts the name of the class.
THE_CLASS = "the headline class"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    header, chinese : str
    field : str
        Name in the deal or in the analysis.
    kind : {"text", "number", "date", "choice", "any", "shown", "result"}
        What an input may be; "shown": a formula of the sheet, never read; "result": filled by refresh.
    format : str
        Number format of the cells.
    width : int
        Characters.
    rule : Rule, optional
    choices : tuple of str
    note : str
        Shown when an input cell is selected.
    blank : bool
        Whether an input may be left blank, or a result has nothing to say.
    aliases : tuple of str
        Other headings under which the column is found: those of older workbooks, or of other habits.
    required : bool
        Whether the column has to be there although cells of it may be blank.
    """

    header: str
    chinese: str
    field: str
    kind: str = "result"
    format: str = TEXT
    width: int = 12
    rule: Rule | None = None
    choices: tuple[str, ...] = ()
    note: str = ""
    blank: bool = False
    aliases: tuple[str, ...] = ()
    required: bool = False

    def heading(self, has: Callable[[str], bool]) -> str:
        """Heading under which a table that `has` headings holds the column; its own, where none is there."""
        found = (name for name in (self.header, *self.aliases) if has(name))
        return next(found, self.header)

    def spoken(self, language: str) -> str:
        """Heading in a language; in English where it has none of that language."""
        return self.chinese if language == "zh" else self.header

    @property
    def is_input(self) -> bool:
        """Whether the user fills it."""
        return self.kind not in ("shown", "result")


@dataclass(frozen=True, slots=True)
class TableSpec:
    """One table: where the template puts it, and its columns.

    Attributes
    ----------
    name, sheet, title, chinese : str
    columns : tuple of Column
    optional : bool
        Whether a workbook may be without this table of inputs.
    formerly : str
        Name of the table in workbooks of the first edition, if another.
    retired : tuple of str
        Headings of results that older workbooks have, and nobody fills any more.
    """

    name: str
    sheet: str
    title: str
    chinese: str
    columns: tuple[Column, ...]
    optional: bool = False
    formerly: str = ""
    retired: tuple[str, ...] = ()

    def column(self, field: str) -> Column:
        """Return the column that holds a field."""
        return next(c for c in self.columns if c.field == field)

    def index(self, field: str) -> int:
        """Return the place of the column that holds a field."""
        return self.columns.index(self.column(field))

    def heading(self, name: str = THE_CLASS, say: Say = str) -> str:
        """Title over the table, with the name of the class that headlines speak of.

        English has the Chinese title beside it; any other language stands for itself.
        """
        title = of_class(self.title, name)
        spoken = said(title, say)
        return f"{title}   {self.chinese}" if spoken == title else spoken

    def spoken(self, language: str) -> str:
        """Title in a language; in English where it has none of that language."""
        return self.chinese if language == "zh" else self.title

    @property
    def inputs(self) -> tuple[Column, ...]:
        """Columns that the user fills."""
        return tuple(c for c in self.columns if c.is_input)

    @property
    def results(self) -> tuple[Column, ...]:
        """Columns that refresh fills."""
        return tuple(c for c in self.columns if c.kind == "result")

    def headings(self, found: Sequence[str]) -> tuple[str, ...]:
        """Headings of a workbook's table, other names of a column replaced by its own."""
        plain = [_plain(h) for h in found]
        known = {
            _plain(alias): c.header
            for c in self.columns
            if _plain(c.header) not in plain
            for alias in c.aliases
        }
        return tuple(known.get(name, h) for name, h in zip(plain, found, strict=True))

    def describes(self, found: Sequence[str]) -> bool:
        """Whether a table with these headings has any of the columns."""
        plain = {_plain(h) for h in self.headings(found)}
        return any(_plain(c.header) in plain for c in self.columns)


def of_class(text: str, name: str) -> Phrase:
    """Put the name of the class that headlines speak of into a title."""
    return Phrase(text.replace(THE_CLASS, "{name}"), name=name)


def _plain(header: str) -> str:
    return " ".join(header.split()).casefold()


def text(
    header: str, chinese: str, field: str, width: int = 16, blank: bool = False, note: str = ""
) -> Column:
    return Column(header, chinese, field, "text", TEXT, width, blank=blank, note=note)


def number(
    header: str,
    chinese: str,
    field: str,
    shown: str,
    rule: Rule,
    width: int = 12,
    note: str = "",
    blank: bool = False,
    aliases: tuple[str, ...] = (),
    required: bool = False,
) -> Column:
    return Column(header, chinese, field, "number", shown, width, rule, (), note, blank, aliases, required)


def choice(
    header: str,
    chinese: str,
    field: str,
    choices: tuple[str, ...],
    width: int = 14,
    note: str = "",
    blank: bool = False,
) -> Column:
    return Column(header, chinese, field, "choice", TEXT, width, None, choices, note, blank)


def date(
    header: str, chinese: str, field: str, width: int = 12, note: str = "", blank: bool = False
) -> Column:
    return Column(header, chinese, field, "date", DATE, width, note=note, blank=blank)


def result(
    header: str,
    chinese: str,
    field: str,
    shown: str = TEXT,
    width: int = 12,
    aliases: tuple[str, ...] = (),
    blank: bool = False,
) -> Column:
    return Column(header, chinese, field, "result", shown, width, aliases=aliases, blank=blank)


def the_class(width: int) -> Column:
    """Column of results that names the class of each line."""
    return result("Class", "层级", "tranche", TEXT, width, ("Tranche",))


def formula(header: str, chinese: str, field: str, shown: str = TEXT, width: int = 12) -> Column:
    return Column(header, chinese, field, "shown", shown, width)
