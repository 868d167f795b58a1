"""Deals from frames and rows: claims, notes, schedules as pandas users have them.

A table is anything with columns: a DataFrame, a mapping of columns, or a list of rows. Columns are found
by the field of the deal or by the heading of the workbook, in any case; those that are headed by a date
are scheduled collections. What is blank (None, NaN, NaT) is left out, and has its default.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any, NamedTuple, TypeVar

import numpy as np

from xlkmv.deal.terms import (
    LOAN_WORDS,
    POOL_NUMBERS,
    POOL_WORDS,
    RANGE_NUMBERS,
    RECOVERY_NUMBERS,
    SOURCE_NUMBERS,
    USUAL_LOAN,
    USUAL_RECOVERY,
    Controls,
    Covenant,
    Deal,
    Loans,
    Pool,
    Ranges,
    Recoveries,
    Terms,
    Tranche,
)
from xlkmv.deal.terms.dates import as_date
from xlkmv.errors import InputError, MissingError, near
from xlkmv.library.files import as_file
from xlkmv.model.domain import Array, numbers
from xlkmv.phrase import Phrase
from xlkmv.workbook import layout
from xlkmv.workbook.layout import TableSpec

__all__ = [
    "Claims",
    "Table",
    "claims_from",
    "covenants_from",
    "deal_from",
    "pool_from",
    "tranches_from",
]

# A DataFrame, a mapping of columns, or rows.
Table = Any
Row = TypeVar("Row", Tranche, Covenant)

_LOAN_FIELDS = tuple(f.name for f in fields(Loans))
_POOL_FIELDS = ("name", *POOL_NUMBERS)
_MAY_BE = ("count", *POOL_WORDS)
_WORDS = {"name", *POOL_WORDS, *LOAN_WORDS}


def pool_from(table: Table, schedule: Table = None, dates: Iterable[Any] | None = None) -> Pool:
    """Build a pool from a table of claims.

    Parameters
    ----------
    table : DataFrame, mapping of columns, or list of rows
        One row per claim. A column named "name", or else the index of the frame, names the obligors;
        "amount", "pd", "recovery", "lag" and "correlation" are needed; columns of loan terms ("term",
        "rate", ...) and of recoveries that are drawn ("pledge", "spread", ...), "count", "industry",
        "status" and "since" as far as there are any.
    schedule : DataFrame or mapping of columns, optional
        Collections by obligor (rows) and payment date (columns), money; columns of the table itself
        that are headed by dates when left out.
    dates : iterable of date, optional
        Payment dates; those of the schedule when left out.

    Returns
    -------
    Pool

    Raises
    ------
    InputError
        When a column is unknown or missing, or a figure breaks its rule; when there are ranges of PDs,
        which are those of a deal.
    """
    found = claims_from(table, schedule, dates)
    if found.ranges is not None:
        raise InputError("pool table", "must leave ranges of PDs to Deal.from_frames: a pool has none")
    return found.pool


class Claims(NamedTuple):
    """What a table of claims says: the pool, its payment dates, and ranges of its PDs where there are any."""

    pool: Pool
    dates: tuple[dt.date, ...]
    ranges: Ranges | None


def tranches_from(table: Table) -> tuple[Tranche, ...]:
    """Build the classes of notes from a table, one row per class: see :class:`Tranche`.

    Parameters
    ----------
    table : DataFrame, mapping of columns, or list of rows

    Returns
    -------
    tuple of Tranche

    Raises
    ------
    InputError
        When a column is unknown or missing, or a figure breaks its rule.
    """
    return _rows(Tranche, "tranche", table, layout.TRANCHE)


def covenants_from(table: Table) -> tuple[Covenant, ...]:
    """Build covenants from a table, one row per test: see :class:`Covenant`.

    Parameters
    ----------
    table : DataFrame, mapping of columns, or list of rows

    Returns
    -------
    tuple of Covenant

    Raises
    ------
    InputError
        When a column is unknown or missing, or a figure breaks its rule.
    """
    return _rows(Covenant, "covenant", table, layout.COVENANT)


def deal_from(
    pool: Table,
    notes: Table,
    *,
    closing: Any,
    dates: Iterable[Any] | None = None,
    schedule: Table = None,
    controls: Controls | None = None,
    covenants: Table = (),
    **terms: Any,
) -> Deal:
    """Build a deal from a table of claims and a table of notes.

    Parameters
    ----------
    pool, schedule, dates
        As in :func:`pool_from`; the pool may be a :class:`Pool`, and a table may have columns "pd_low"
        and "pd_high", the 90 % ranges of its PDs. Dates are needed where all claims have loan terms.
    notes : table, or sequence of Tranche
    closing : date
    controls : Controls, optional
    covenants : table, or sequence of Covenant
    **terms
        Of :class:`Terms`, such as ``fee_rate=0.002``.

    Returns
    -------
    Deal
        A :class:`~xlkmv.library.files.DealFile` where the claims have ranges.

    Raises
    ------
    InputError
        When a column is unknown or missing, or a figure breaks its rule.
    """
    if isinstance(pool, Pool):
        claims = Claims(pool, _days(() if dates is None else dates), None)
    else:
        claims = claims_from(pool, schedule, dates)
    if not claims.dates:
        raise MissingError("dates", "must be given: the claims come without a schedule of dates", None)
    known = {f.name for f in fields(Terms)} - {"closing", "dates"}
    for name in terms:
        if name not in known:
            raise InputError(f"terms {name}", near(Phrase("is no term of a deal"), name, known))
    deal = Deal(
        claims.pool,
        _made(Tranche, notes) or tranches_from(notes),
        Terms(closing, claims.dates, **terms),
        controls or Controls(),
        _made(Covenant, covenants) or covenants_from(covenants),
    )
    return deal if claims.ranges is None else as_file(deal, ranges=claims.ranges)


def _made(kind: type[Row], table: Table) -> tuple[Row, ...]:
    """Rows that are built already; none where the table holds columns or rows."""
    items = list(table) if isinstance(table, (list, tuple)) else []
    return tuple(items) if items and all(isinstance(item, kind) for item in items) else ()


def _days(dates: Iterable[Any]) -> tuple[dt.date, ...]:
    return tuple(as_date("dates", day) for day in dates)


def _columns(part: str, table: Table) -> dict[Any, list[Any]]:
    """Columns of a table by their headings; an index that is not just numbered is the column "name"."""
    if hasattr(table, "columns"):
        found = {name: table[name].tolist() for name in table.columns}
        if len(found) != len(table.columns):
            raise InputError(f"{part} table", "must have each column once", list(table.columns))
        plain = type(table.index).__name__ == "RangeIndex"
        return (
            found if plain or any(_key(c) in _NAMES for c in found) else {"name": list(table.index), **found}
        )
    if isinstance(table, Mapping):
        for name, values in table.items():
            if isinstance(values, str) or not isinstance(values, Iterable):
                raise InputError(
                    f"{part} table", Phrase("must have a list as column '{name}'", name=name), values
                )
        columns = {name: list(values) for name, values in table.items()}
        if len({len(values) for values in columns.values()}) > 1:
            raise InputError(f"{part} table", "must have columns of one length", list(columns))
        return columns
    if isinstance(table, (list, tuple)) and all(isinstance(row, Mapping) for row in table):
        names = dict.fromkeys(name for row in table for name in row)
        return {name: [row.get(name) for row in table] for name in names}
    raise InputError(f"{part} table", "must be a DataFrame, a mapping of columns or a list of rows", table)


_NAMES = {"name", "class", "tranche", "obligor"}


def _key(heading: Any) -> str:
    return " ".join(str(heading).replace("_", " ").casefold().split())


def _fields(
    part: str, columns: Mapping[Any, list[Any]], spec: TableSpec, known: Iterable[str]
) -> dict[str, Any]:
    """Columns by the fields of a deal; what a workbook shows beside them is passed over."""
    names = {_key(name): name for name in known}
    headings = {_key(h): c.field for c in spec.columns for h in (c.header, *c.aliases)}
    headings |= dict.fromkeys(_NAMES, "name")
    found: dict[str, Any] = {}
    for heading, values in columns.items():
        key = _key(heading)
        field = names.get(key) or headings.get(key)
        if field in names.values():
            if field in found:
                raise InputError(
                    f"{part} table", Phrase("must have one column for '{name}'", name=field), heading
                )
            found[str(field)] = [None if _is_blank(x) else x for x in values]
        elif field is None:
            raise InputError(f"{part} table", near(Phrase("has an unknown column"), key, names), heading)
    return found


def _is_blank(value: Any) -> bool:
    """None, NaN, NaT, pandas' NA, and a text of blanks."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return True
    if type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating, np.datetime64)) and value != value


def _needed(part: str, found: Mapping[str, Any], names: Iterable[str]) -> None:
    for name in names:
        if name not in found:
            raise MissingError(f"{part} table", Phrase("must have a column '{name}'", name=name))


def _rows(kind: type[Row], part: str, table: Table, spec: TableSpec) -> tuple[Row, ...]:
    known = [f.name for f in fields(kind)]
    columns = _fields(part, _columns(part, table), spec, known)
    if not columns:
        return ()
    needed = [f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING]
    _needed(part, columns, needed)
    made: list[Row] = []
    for row in zip(*columns.values(), strict=True):
        given = {name: x for name, x in zip(columns, row, strict=True) if x is not None}
        for name in needed:
            if name not in given:
                raise MissingError(f"{part} {len(made) + 1} {name}", "must not be blank", None)
        made.append(kind(**given))
    return tuple(made)


def claims_from(table: Table, schedule: Table = None, dates: Iterable[Any] | None = None) -> Claims:
    """Read a table of claims, as :func:`pool_from` does, with the ranges of their PDs.

    Parameters
    ----------
    table, schedule, dates
        As in :func:`pool_from`; and columns "pd_low", "pd_high" and the like.

    Returns
    -------
    Claims

    Raises
    ------
    InputError
        When a column is unknown or missing, or a figure breaks its rule.
    """
    columns = _columns("pool", table)
    dated = {heading: day for heading in columns if (day := _date_of(heading)) is not None}
    own = {day: columns.pop(heading) for heading, day in dated.items()}
    known = (*_POOL_FIELDS, *_MAY_BE, *_LOAN_FIELDS, *RECOVERY_NUMBERS, *RANGE_NUMBERS, *SOURCE_NUMBERS)
    found = _fields("pool", columns, layout.POOL, known)
    _needed("pool", found, _POOL_FIELDS)
    names = ["" if x is None else str(x) for x in found["name"]]
    if "" in names:
        raise MissingError(f"pool name {names.index('') + 1}", "must not be blank", None)
    if schedule is not None:
        if own:
            raise InputError("schedule", "is there twice: the claims have columns of dates, too")
        own = _by_name(schedule, names)
    days = tuple(sorted(own)) if dates is None else _days(dates)
    if strange := sorted(set(own) - set(days)):
        raise InputError("schedule", "must have payment dates only", strange[0])
    collections = np.zeros((len(names), len(days)))
    for place, day in enumerate(days):
        if day in own:
            collections[:, place] = _money(day, own[day])
    given: dict[str, Any] = {
        name: _column(name, found[name]) for name in (*_POOL_FIELDS[1:], *_MAY_BE) if name in found
    }
    if "count" in given:
        given["count"] = np.where(np.isnan(given["count"]), 1.0, given["count"])
    parts: dict[str, Any] = {"loans": _loans(found), "recoveries": _recoveries(found)}
    pool = Pool(tuple(names), schedule=collections, **parts, **given)
    ends = {
        name: _column(name, found[name])
        for name in (*RANGE_NUMBERS, *SOURCE_NUMBERS)
        if any(_there(found.get(name)))
    }
    ranges = Ranges(**ends) if ends else None
    if ranges is not None:
        ranges.check_obligors(pool)
    return Claims(pool, days, ranges)


def _there(values: Sequence[Any] | None) -> Iterator[bool]:
    """Which values of a column are there; none of a column that is not."""
    return (x is not None for x in values or ())


def _column(name: str, values: Sequence[Any]) -> Any:
    """Figures with NaN, words with "" where nothing stands."""
    if name in ("since", "first"):
        return tuple(values)
    if name in _WORDS:
        return tuple("" if x is None else x for x in values)
    return numbers(f"pool {name}", [np.nan if x is None else x for x in values])


def _loans(found: Mapping[str, list[Any]]) -> Loans | None:
    """Loan terms of the rows that have some; what is blank is usual."""
    if all(x is None for x in found.get("term", ())):
        return None
    given: dict[str, Any] = {}
    for name in _LOAN_FIELDS:
        if name not in found:
            continue
        usual = USUAL_LOAN.get(name)
        given[name] = _column(name, [usual if x is None else x for x in found[name]])
    if "rate" not in given and not any(given.get("base", ())):
        raise MissingError("pool table", "must have a column 'rate' beside 'term'")
    given.setdefault("rate", np.full(len(given["term"]), np.nan))
    return Loans(**given)


def _recoveries(found: Mapping[str, list[Any]]) -> Recoveries | None:
    """Recoveries that are drawn, where a row has any; what is blank is usual."""
    columns: dict[str, Any] = {
        name: _column(name, [USUAL_RECOVERY[name] if x is None else x for x in found[name]])
        for name in RECOVERY_NUMBERS
        if any(_there(found.get(name)))
    }
    return Recoveries(**columns) if columns else None


def _money(day: dt.date, values: Sequence[Any]) -> Array:
    return numbers(f"schedule {day}", [0.0 if _is_blank(x) else x for x in values])


def _by_name(schedule: Table, names: Sequence[str]) -> dict[dt.date, list[Any]]:
    """Columns of a schedule by date, its rows in the order of the obligors."""
    columns = _columns("schedule", schedule)
    rows = [str(name) for name in columns.pop("name", names)]
    place = {name: row for row, name in enumerate(rows)}
    if set(rows) != set(names) or len(place) != len(rows):
        odd = sorted(set(rows) ^ set(names)) or rows
        raise InputError("schedule", "must have one row for each obligor of the claims", odd[0])
    found = {}
    for heading, values in columns.items():
        day = _date_of(heading)
        if day is None:
            raise InputError("schedule", "must have columns headed by dates", heading)
        found[day] = [values[place[name]] for name in names]
    return found


def _date_of(heading: Any) -> dt.date | None:
    """The date that heads a column; None where none does."""
    try:
        return as_date("heading", heading)
    except InputError:
        return None
