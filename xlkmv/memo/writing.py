"""Writes a memo: checks where it shall go before anything is computed, then writes it in one stroke."""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib.util
import os
import platform
import uuid
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import xlkmv
from xlkmv.deal.analysis import Analysis
from xlkmv.deal.terms import Deal
from xlkmv.environment import add
from xlkmv.errors import HostError, InputError
from xlkmv.language import ENGLISH, catalogue
from xlkmv.memo.content import Assumption, Stamp, memo
from xlkmv.phrase import Phrase

__all__ = ["check", "report", "versions"]

# Packages of the extra "report", by what they are imported as.
NEEDED = {"jinja2": "jinja2", "matplotlib": "matplotlib", "docx": "python-docx"}
SUFFIXES: dict[str, tuple[str, ...]] = {"html": (".html", ".htm"), "docx": (".docx",)}

Target = str | os.PathLike[str] | None


def report(
    deal: Deal,
    analysis: Analysis,
    html: Target = None,
    docx: Target = None,
    *,
    language: str = ENGLISH,
    assumptions: Sequence[Assumption] = (),
    stamp: Stamp | None = None,
    pd_methods: Sequence[str] = (),
) -> tuple[Path, ...]:
    """Write a memo of two pages for a credit committee.

    Parameters
    ----------
    deal : Deal
    analysis : Analysis
        Of the deal, from :func:`~xlkmv.deal.analysis.analyse`.
    html, docx : path-like, optional
        Files to write; at least one. What is there is replaced.
    language : str
        A key of :data:`~xlkmv.language.LANGUAGES`.
    assumptions : sequence of Assumption
        Figures to be listed as assumed.
    stamp : Stamp, optional
        What the deal is called, and which run this is; of now when left out.
    pd_methods : sequence of str
        Where the PD of each row of the pool comes from, as of :func:`~xlkmv.memo.content.memo`.

    Returns
    -------
    tuple of Path
        What was written.

    Raises
    ------
    InputError
        When the language is not known, or a file cannot be where it is wanted.
    HostError
        When the extra ``xlkmv[report]`` is not installed, or a file cannot be written: it is then as
        it was.
    """
    targets = check(html, docx, language)
    from xlkmv.memo.charts import drawable, pictures
    from xlkmv.memo.document import docx as word_file
    from xlkmv.memo.page import html as page

    made = stamp or Stamp(dt.datetime.now(), versions=versions())
    assumed, methods = tuple(assumptions), tuple(pd_methods)
    content = memo(deal, analysis, made, assumed, language, methods)
    drawn = pictures(content if drawable(content) else memo(deal, analysis, made, assumed))
    files = {
        path: page(content, drawn).encode() if kind == "html" else word_file(content, drawn)
        for kind, path in targets.items()
    }
    _write(files)
    return tuple(files)


def check(html: Target, docx: Target, language: str = ENGLISH) -> dict[str, Path]:
    """Check that a memo can be written: language, packages, places.

    Parameters
    ----------
    html, docx, language
        As in :func:`report`.

    Returns
    -------
    dict of str to Path
        What to write, by "html" and "docx".

    Raises
    ------
    InputError, HostError
        As :func:`report` does.
    """
    catalogue(language)
    targets = {
        kind: Path(path).absolute() for kind, path in (("html", html), ("docx", docx)) if path is not None
    }
    if not targets:
        raise InputError("html, docx", "must name at least one file to write")
    for kind, path in targets.items():
        if rule := _fault(path, SUFFIXES[kind]):
            raise InputError(kind, rule, str(path))
    if missing := [package for name, package in NEEDED.items() if importlib.util.find_spec(name) is None]:
        raise HostError(
            Phrase("a memo needs {names}: run  {command}", names=", ".join(missing), command=add("report"))
        )
    return targets


def _fault(path: Path, suffixes: Sequence[str]) -> str:
    """Rule that a file to be written breaks; "" when it may be written."""
    if path.suffix.lower() not in suffixes:
        return f"must be a file that ends in {suffixes[0]}"
    if not path.parent.is_dir():
        return "must be in a folder that exists"
    if path.is_dir():
        return "must be a file, not a folder"
    if path.exists() and not os.access(path, os.W_OK):
        return "must be a file that may be written; this one is write-protected"
    # Of LibreOffice, and of Word for short and for long names.
    for lock in (f".~lock.{path.name}#", f"~${path.name}", f"~${path.name[2:]}"):
        if path.with_name(lock).exists():
            return f"must not be open elsewhere: close it first, or delete {lock} beside it"
    return ""


def versions() -> tuple[tuple[str, str], ...]:
    """Programs that make the figures, and their versions."""
    packages = tuple((name, version(name)) for name in ("numpy", "scipy"))
    return ("xlkmv", xlkmv.__version__), ("Python", platform.python_version()), *packages


def _write(files: dict[Path, bytes]) -> None:
    """Write all files beside where they belong, then rename them."""
    fresh = {path: path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp") for path in files}
    path = next(iter(files))
    try:
        for path, data in files.items():
            fresh[path].write_bytes(data)
        for path, beside in fresh.items():
            beside.replace(path)
    except OSError as error:
        raise HostError(
            Phrase("{path} cannot be written ({reason}); it is as it was", path=path, reason=error.strerror)
        ) from error
    finally:
        for beside in fresh.values():
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)
