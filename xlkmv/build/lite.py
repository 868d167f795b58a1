"""Writes the edition for xlwings Lite: its script from the registry of functions, requirements, workbook."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from pathlib import Path

import xlkmv
from xlkmv.build.template import build_template
from xlkmv.errors import HostError, InputError
from xlkmv.functions import FUNCTIONS
from xlkmv.functions.registry import Function
from xlkmv.phrase import Phrase

__all__ = ["requirements", "script", "write_lite"]

HEAD = '''"""KMV functions and refresh for xlwings Lite: written by  xlkmv lite  of xlkmv {version}."""

import xlwings as xw
from xlwings import arg, func, script

from xlkmv.hosts.lite import answer, refresh_open


@script
def refresh(book: xw.Book):
    """Read the deal, check it, compute, write every result."""
    print(refresh_open(book))


@script
def quick_look(book: xw.Book):
    """The KMV view and 10,000 paths only, in seconds."""
    print(refresh_open(book, quick=True))
'''


def script(functions: Mapping[str, Function] = FUNCTIONS) -> str:
    """Write the script: every worksheet function with its texts, and the buttons.

    Parameters
    ----------
    functions : mapping of str to Function

    Returns
    -------
    str
        Python for the tab ``main.py`` of xlwings Lite.
    """
    return "\n\n".join([HEAD.format(version=xlkmv.__version__), *map(_function, functions.values())])


def _function(function: Function) -> str:
    """One function: Lite takes name, arguments and help from it."""
    arguments = function.arguments
    lines = ["@func"]
    lines += [f"@arg({a.name!r}, ndim=2, err_to_str=True, doc={_plain(a.text)!r})" for a in arguments]
    needed = [a.name if a.default is inspect.Parameter.empty else f"{a.name}=None" for a in arguments]
    names = ", ".join([repr(function.name), *(a.name for a in arguments)])
    return "\n".join(
        [
            *lines,
            f"def {function.name}({', '.join(needed)}):",
            f'    """{_plain(function.text)}"""',
            f"    return answer({names})",
            "",
        ]
    )


def _plain(text: str) -> str:
    return " ".join(text.split())


def requirements() -> str:
    """Name the packages for the tab ``requirements.txt`` of xlwings Lite.

    Returns
    -------
    str
        What Lite's Python brings along is not pinned: its versions are fixed there.
    """
    return f"xlwings\nnumpy\nscipy\npandas\nlxml\nxlkmv=={xlkmv.__version__}\n"


def write_lite(folder: str | os.PathLike[str]) -> tuple[Path, ...]:
    """Write the edition: ``main.py``, ``requirements.txt`` and the template without macros.

    Parameters
    ----------
    folder : path-like
        Made if need be; files of these names in it are replaced.

    Returns
    -------
    tuple of Path
        What was written.

    Raises
    ------
    InputError
        When there is a file of that name.
    HostError
        When a file cannot be written.
    """
    target = Path(folder)
    if target.exists() and not target.is_dir():
        raise InputError("folder", "must not be a file", str(target))
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name, text in (("main.py", script()), ("requirements.txt", requirements())):
            (target / name).write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise HostError(
            Phrase("cannot write into {target}: {error}", target=str(target), error=error.strerror)
        ) from None
    book = build_template(target / "KMV_Template.xlsx")
    return target / "main.py", target / "requirements.txt", book
