"""A deal as a document in JSON or YAML, its schema, and what is wrong with one.

The document follows the classes of :mod:`xlkmv.deal.terms` field by field: what is at its default is left
out, a claim is a row with its collections by date, and what a reader types wrong is named with its place.
"""

from __future__ import annotations

import datetime as dt
import inspect
import json
import re
import sys
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from xlkmv.deal.questions.diversification import OTHERWISE_RULES, Otherwise
from xlkmv.deal.stress import DEFAULT_POINTS, STRESS_RULES, Stress
from xlkmv.deal.terms import (
    AMORTISATIONS,
    CAP_UNITS,
    COLUMN_RULES,
    INPUTS,
    LOAN_NUMBERS,
    LOAN_WORDS,
    PAYMENT_TYPES,
    POOL_NUMBERS,
    POOL_WORDS,
    RANGE_NUMBERS,
    RECOVERY_NUMBERS,
    RESERVE_FUNDING,
    RESERVE_UNITS,
    SOURCE_NUMBERS,
    STATUSES,
    TERM_CHOICES,
    TERM_RULES,
    USUAL_LOAN,
    USUAL_RECOVERY,
    ClassScale,
    Controls,
    Covenant,
    Curve,
    Deal,
    Loans,
    Pool,
    Ranges,
    Record,
    Recoveries,
    Terms,
    Tranche,
)
from xlkmv.deal.terms.covenants import COVENANT_CHOICES
from xlkmv.environment import add
from xlkmv.errors import BookError, HostError, InputError, MissingError, near
from xlkmv.library.files import YAML, DealFile, as_file
from xlkmv.library.inputs import Claims, claims_from
from xlkmv.model.domain import INSIDE_PROBABILITY, PROBABILITY, Rule
from xlkmv.phrase import Phrase

__all__ = ["FORMAT", "from_document", "read_document", "schema", "to_document", "write_document"]

FORMAT = "xlkmv deal 1"
_TITLES = (
    "format",
    "title",
    "pool",
    "tranches",
    "terms",
    "controls",
    "covenants",
    "conditions",
    "actual",
    "ranges",
    "otherwise",
)
# Parts that are one mapping, and parts that are rows.
_PARTS: dict[str, type] = {"terms": Terms, "controls": Controls, "actual": Record, "otherwise": Otherwise}
_LISTS: dict[str, type] = {"tranches": Tranche, "covenants": Covenant, "conditions": Stress}
# What words a field may hold.
_CHOICES: dict[tuple[type, str], Sequence[str]] = {
    **{(Terms, name): words for name, words in TERM_CHOICES.items()},
    **{(Covenant, name): words for name, words in COVENANT_CHOICES.items()},
    (Tranche, "payment"): PAYMENT_TYPES,
    (Controls, "reserve_unit"): RESERVE_UNITS,
    (Controls, "reserve_funding"): RESERVE_FUNDING,
    (Controls, "support_cap_unit"): CAP_UNITS,
    (Stress, "default_point"): DEFAULT_POINTS,
    (Pool, "status"): STATUSES,
    (Loans, "amortisation"): AMORTISATIONS,
}
# Rules of figures; those of a column hold wherever it is.
_RULES: dict[type, Mapping[str, Rule]] = {
    Terms: TERM_RULES,
    Stress: STRESS_RULES,
    Otherwise: {{"cap": "caps"}.get(name, name): rule for name, rule in OTHERWISE_RULES.items()},
    Ranges: dict.fromkeys((*RANGE_NUMBERS, "pd_median"), INSIDE_PROBABILITY) | {"pd_shared": PROBABILITY},
}


# ------------------------------------------------------------------------------------ writing


def to_document(deal: Deal) -> dict[str, Any]:
    """Put a deal into plain mappings, lists, numbers and texts.

    Parameters
    ----------
    deal : Deal

    Returns
    -------
    dict

    Raises
    ------
    InputError
        When the pool holds worked-out interest and balances, for which a document has no place.
    """
    deal = as_file(deal)
    if deal.pool.interest is not None or deal.pool.claim is not None:
        rule = Phrase(
            "must come with schedules or loan terms: a document has no place for worked-out interest"
        )
        raise InputError("deal pool", rule, "interest, balance or claim")
    found: dict[str, Any] = {"format": FORMAT, "title": deal.title, "pool": _claims(deal)}
    found |= {name: list(map(_plain, getattr(deal, name))) for name in _LISTS}
    found |= {name: _plain(getattr(deal, name)) for name in _PARTS}
    # Of the inputs of the plan; those of the PDs of obligors stand beside their PDs.
    said = {name: getattr(deal.ranges, name) for name in INPUTS}
    found["ranges"] = {
        name: list(x) if isinstance(x, tuple) else x for name, x in said.items() if x is not None
    }
    return {name: found[name] for name in _TITLES if found[name] or name in ("title", "conditions")}


def _claims(deal: DealFile) -> list[dict[str, Any]]:
    """Claims row by row: what is blank or usual is left out."""
    pool, days = deal.pool, [day.isoformat() for day in deal.terms.dates]
    deal.ranges.check_obligors(pool)
    m = len(pool.name)
    names, said = (*RANGE_NUMBERS, *SOURCE_NUMBERS), (*deal.ranges.obligors(m), *deal.ranges.sourced(m))
    ends = dict(zip(names, said, strict=True))
    words = {word: values for word in POOL_WORDS if any(values := getattr(pool, word))}
    rows: list[dict[str, Any]] = []
    for k, name in enumerate(pool.name):
        row: dict[str, Any] = {"name": name}
        row |= {column: float(getattr(pool, column)[k]) for column in POOL_NUMBERS}
        if pool.count is not None:
            row["count"] = float(pool.count[k])
        row |= {word: _text(values[k]) for word, values in words.items()}
        if pool.loans is not None:
            loan = {n: float(getattr(pool.loans, n)[k]) for n in LOAN_NUMBERS}
            loan |= {n: _text(getattr(pool.loans, n)[k]) for n in LOAN_WORDS}
            row |= {n: x for n, x in loan.items() if x == x and x != USUAL_LOAN.get(n)}
        if pool.recoveries is not None:
            drawn = {n: float(getattr(pool.recoveries, n)[k]) for n in RECOVERY_NUMBERS}
            row |= {n: x for n, x in drawn.items() if x == x and x != USUAL_RECOVERY[n]}
        row |= {n: float(x[k]) for n, x in ends.items() if x[k] == x[k]}
        if pool.loans is None or not pool.loans.given[k]:
            paid = pool.schedule[k].tolist()
            row["schedule"] = {day: x for day, x in zip(days, paid, strict=True) if x}
        rows.append({column: x for column, x in row.items() if x not in ("", None)})
    return rows


def _text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, dt.date) else value


def _plain(value: Any) -> Any:
    """What a part of a deal says, without what is at its default."""
    if is_dataclass(value):
        return {
            item.name: _plain(getattr(value, item.name))
            for item in fields(value)
            if getattr(value, item.name) != _default(item)
        }
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else _text(value)


def _default(item: Field[Any]) -> Any:
    return item.default if item.default_factory is MISSING else item.default_factory()


def write_document(deal: DealFile, path: Path) -> Path:
    """Write a deal in JSON, or in YAML by the end of the name.

    Parameters
    ----------
    deal : DealFile
    path : Path
        What is there is replaced.

    Returns
    -------
    Path
    """
    said = to_document(deal)
    if path.suffix.lower() in YAML:
        text = _yaml().safe_dump(said, allow_unicode=True, sort_keys=False)
    else:
        text = json.dumps(said, ensure_ascii=False, indent=1) + "\n"
    try:
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise HostError(
            Phrase("cannot write {path}: {error}", path=str(path), error=error.strerror)
        ) from None
    return path


def _yaml() -> Any:
    try:
        import yaml
    except ImportError:
        raise HostError(Phrase("YAML needs pyyaml: run  {command}", command=add("yaml"))) from None
    return yaml


# ------------------------------------------------------------------------------------ reading


def read_document(path: Path) -> DealFile:
    """Read a deal from JSON, or from YAML by the end of the name.

    Parameters
    ----------
    path : Path

    Returns
    -------
    DealFile

    Raises
    ------
    BookError
        When there is no such file, or it is no JSON or YAML.
    InputError
        When what it says is no deal: the place, what stands there and the rule.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BookError(Phrase("cannot read {path}: {error}", path=str(path), error=error.strerror)) from None
    except UnicodeDecodeError:
        raise BookError(Phrase("{path} is no text in UTF-8", path=str(path))) from None
    return from_document(_parsed(path, text))


def _parsed(path: Path, text: str) -> Any:
    if path.suffix.lower() not in YAML:
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BookError(
                Phrase(
                    "{path} is no JSON: {error}",
                    path=str(path),
                    error=str(error).partition(": line")[0] + _line(error),
                )
            ) from None
    yaml = _yaml()
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        raise BookError(
            Phrase(
                "{path} is no YAML: {error}",
                path=str(path),
                error=f"{getattr(error, 'problem', None) or error}{where}",
            )
        ) from None


def _line(error: Exception) -> str:
    return f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""


def from_document(said: Any) -> DealFile:
    """Build a deal from the mappings and lists of a document.

    Parameters
    ----------
    said : mapping
        As :func:`to_document` makes it, and :func:`schema` describes.

    Returns
    -------
    DealFile

    Raises
    ------
    InputError
        When it is no deal: the place, what stands there and the rule.
    """
    document = _mapping("document", said)
    _known("document", document, _TITLES)
    for name in ("pool", "tranches", "terms"):
        if name not in document:
            raise MissingError(f"document {name}", "must not be missing")
    if document.get("format", FORMAT) != FORMAT:
        raise InputError("document format", Phrase("must be '{text}'", text=FORMAT), document["format"])
    parts: dict[str, Any] = {}
    for name, kind in _PARTS.items():
        if name in document:
            parts[name] = _made(kind, document[name], name)
    for name, kind in _LISTS.items():
        if name in document:
            rows = _list(name, document[name])
            parts[name] = tuple(_made(kind, row, f"{name}[{k}]") for k, row in enumerate(rows))
    ranges = _mapping("ranges", document.get("ranges", {}))
    _known("ranges", ranges, INPUTS)
    ends: dict[str, Any] = {
        name: _value(tuple[float, ...] if isinstance(x, (list, tuple)) else float, x, f"ranges {name}")
        for name, x in ranges.items()
    }
    claims = _claims_of(document["pool"], parts["terms"])
    parts["ranges"] = replace(claims.ranges or Ranges(), **ends)
    title = document.get("title", "")
    if not isinstance(title, str):
        raise InputError("document title", "must be a text", title)
    return DealFile(pool=claims.pool, title=title, **parts)


def _claims_of(said: Any, terms: Terms) -> Claims:
    """The claims, and the ranges of their PDs."""
    rows, allowed = [], _pool_hints()
    for k, row in enumerate(_list("pool", said)):
        where = f"pool[{k}]"
        given = dict(_mapping(where, row))
        _known(where, given, (*allowed, "schedule"))
        for name in given.keys() & allowed.keys():
            given[name] = _value(allowed[name], given[name], f"{where} {name}")
        dated = _mapping(f"{where} schedule", given.pop("schedule", {}))
        rows.append(given | {str(day): x for day, x in dated.items()})
    return claims_from(rows, dates=terms.dates)


def _pool_hints() -> dict[str, Any]:
    """What a claim may say, and what each of it is."""
    words: dict[str, Any] = dict.fromkeys(("name", *POOL_WORDS, *LOAN_WORDS), str)
    numbers = (*POOL_NUMBERS, *RANGE_NUMBERS, *SOURCE_NUMBERS, "count", *LOAN_NUMBERS, *RECOVERY_NUMBERS)
    figures: dict[str, Any] = dict.fromkeys(numbers, float)
    return words | figures | dict.fromkeys(("since", "first"), dt.date)


def _mapping(where: str, said: Any) -> Mapping[str, Any]:
    if not isinstance(said, Mapping):
        raise InputError(where, "must be a mapping of fields", said)
    return said


def _list(where: str, said: Any) -> list[Any]:
    if not isinstance(said, (list, tuple)):
        raise InputError(where, "must be a list", said)
    return list(said)


def _known(where: str, said: Mapping[str, Any], names: Iterable[str]) -> None:
    allowed = list(names)
    for name in said:
        if name not in allowed:
            raise InputError(f"{where} {name}", near(Phrase("is no field"), str(name), allowed))


def _made(kind: type, said: Any, where: str) -> Any:
    """Build one part of a deal, and name the place of what is wrong."""
    given, hints = _mapping(where, said), typing.get_type_hints(kind)
    _known(where, given, hints)
    for item in fields(kind):
        if item.name not in given and item.default is MISSING and item.default_factory is MISSING:
            raise MissingError(f"{where} {item.name}", "must not be missing")
    values = {name: _value(hints[name], x, f"{where} {name}") for name, x in given.items()}
    try:
        return kind(**values)
    except InputError as error:
        raise type(error)(f"{where}: {error.argument}", error.rule, error.value) from None


def _value(hint: Any, said: Any, where: str) -> Any:
    """Check that a value is of the kind of its field, and build what is a part of its own."""
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if said is None and type(None) in options:
            return None
        kinds = [option for option in options if option is not type(None)]
        fits = [kind for kind in kinds if _fits(kind, said)]
        return _value((fits or kinds)[0], said, where)
    if origin is tuple:
        return tuple(_value(options[0], x, f"{where}[{k}]") for k, x in enumerate(_list(where, said)))
    if is_dataclass(hint):
        return _made(typing.cast(type, hint), said, where)
    if not _fits(hint, said):
        raise InputError(where, Phrase("must be {kind}", kind=_NAMES[hint]), said)
    return said


_NAMES = {
    str: Phrase("a text"),
    bool: Phrase("true or false"),
    int: Phrase("a whole number"),
    float: Phrase("a number"),
    dt.date: Phrase("a date, such as 2025-01-15"),
}


def _fits(kind: Any, said: Any) -> bool:
    if kind is bool or isinstance(said, bool):
        return kind is bool and isinstance(said, bool)
    if kind is float:
        return isinstance(said, (int, float))
    if kind is int:
        return isinstance(said, int) or (isinstance(said, float) and said.is_integer())
    if kind is dt.date:
        return isinstance(said, (str, dt.date))
    return isinstance(said, str) if kind is str else isinstance(said, (list, tuple, Mapping))


# ------------------------------------------------------------------------------------- schema


def schema() -> dict[str, Any]:
    """Describe a document as a JSON Schema (2020-12), made from the classes of the deal and their rules.

    Returns
    -------
    dict
    """
    claim: dict[str, Any] = {}
    for name, hint in _pool_hints().items():
        owner = next(kind for kind in (Pool, Loans, Recoveries, Ranges) if hasattr(kind, name))
        claim[name] = _said(owner, name, hint)
    claim["schedule"] = {
        "type": "object",
        "description": "Scheduled collections by payment date, money; none for a claim with loan terms.",
        "additionalProperties": {"type": "number", "minimum": 0},
    }
    parts = {name: {"$ref": f"#/$defs/{kind.__name__}"} for name, kind in _PARTS.items()}
    lists = {
        name: {"type": "array", "items": {"$ref": f"#/$defs/{kind.__name__}"}}
        for name, kind in _LISTS.items()
    }
    row = _object(claim, ("name", *POOL_NUMBERS))
    own: dict[str, Any] = {"format": {"const": FORMAT}, "title": {"type": "string"}}
    own |= {"pool": {"type": "array", "minItems": 1, "items": row}, **parts, **lists}
    two = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
    error = {"type": "number", "exclusiveMinimum": 0, "description": "Standard error."}
    own["ranges"] = _object({name: {"anyOf": [two, error]} for name in INPUTS}, ())
    kinds = (*_PARTS.values(), *_LISTS.values(), Curve, ClassScale)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A deal for xlkmv",
        **_object({name: own[name] for name in _TITLES}, ("pool", "tranches", "terms")),
        "$defs": {kind.__name__: _described(kind) for kind in kinds},
    }


def _object(properties: Mapping[str, Any], required: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


def _described(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    needed = [f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING]
    return _object({f.name: _said(kind, f.name, hints[f.name]) for f in fields(kind)}, needed)


def _said(kind: type, name: str, hint: Any) -> dict[str, Any]:
    """One field: its kind, its bounds, its words, and what the docstring says of it."""
    found = _kind_of(hint)
    if words := _CHOICES.get((kind, name)):
        found["enum"] = list(words)
    rule = _RULES.get(kind, {}).get(name) or COLUMN_RULES.get(name)
    if rule is not None:
        for figure in _figures(found):
            for bound, is_open, key in (
                (rule.low, rule.low_open, "Minimum"),
                (rule.high, rule.high_open, "Maximum"),
            ):
                if np.isfinite(bound):
                    figure[f"exclusive{key}" if is_open else key.lower()] = bound
    if text := _attribute(kind, name):
        found["description"] = text
    return found


def _figures(said: dict[str, Any]) -> list[dict[str, Any]]:
    """Figures of a field, which a rule binds: itself, those of a list, one that may be left open."""
    parts = [said, said.get("items", {}), *said.get("anyOf", ())]
    return [part for part in parts if part.get("type") in ("number", "integer")]


def _kind_of(hint: Any) -> dict[str, Any]:
    plain = {str: "string", bool: "boolean", int: "integer", float: "number"}
    if hint in plain:
        return {"type": plain[hint]}
    if hint is dt.date:
        return {"type": "string", "format": "date"}
    if is_dataclass(hint):
        return {"$ref": f"#/$defs/{typing.cast(type, hint).__name__}"}
    if typing.get_origin(hint) is tuple:
        return {"type": "array", "items": _kind_of(typing.get_args(hint)[0])}
    if hint is type(None):
        return {"type": "null"}
    return {"anyOf": [_kind_of(option) for option in typing.get_args(hint)]}


def _attribute(kind: type, name: str) -> str:
    """What the section Attributes of a docstring says of a field."""
    lines = inspect.cleandoc(kind.__doc__ or "").splitlines()
    for at, line in enumerate(lines):
        if name in re.split(r",\s*", line.partition(" : ")[0]) and " : " in line:
            said = []
            for more in lines[at + 1 :]:
                if not more.startswith("    "):
                    break
                said.append(more.strip())
            return " ".join(said)
    return ""


if __name__ == "__main__":
    _written = json.dumps(schema(), ensure_ascii=False, indent=1) + "\n"
    Path(sys.argv[1]).write_text(_written, encoding="utf-8", newline="\n")
