"""What the LibreOffice extension and its installer agree on: its name and the Python it runs in."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xlkmv
from xlkmv.functions import FUNCTIONS
from xlkmv.functions.registry import Function

__all__ = ["IDENTIFIER", "describe", "environment"]

IDENTIFIER = "org.xlkmv.calc"
# Packages that functions, refresh and memo import; folders of those that are there go into the extension.
NEEDED = ("xlkmv", "numpy", "scipy", "lxml", "xlwings", "jinja2", "matplotlib", "docx")


def environment() -> dict[str, Any]:
    """Describe the running Python: what LibreOffice needs to find xlkmv in it.

    Returns
    -------
    dict
        ``python`` (major.minor), ``executable``, ``folders`` to put on the path.
    """
    folders = []
    for name in NEEDED:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            folders.append(str(Path(spec.origin).resolve().parents[1]))
    return {
        "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "executable": sys.executable,
        "folders": list(dict.fromkeys(folders)),
    }


def describe(found: Mapping[str, Any], functions: Mapping[str, Function] = FUNCTIONS) -> str:
    """Say in one line what the extension holds and where it runs; its mark in the extension manager."""
    return (
        f"{len(functions)} worksheet functions of xlkmv {xlkmv.__version__}, "
        f"run by Python {found['python']} from {', '.join(found['folders'])}"
    )
