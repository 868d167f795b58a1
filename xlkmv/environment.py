"""The tool that keeps this Python environment, and the commands by which it changes xlkmv there."""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["add", "remove", "repair", "tool"]

# What a tool leaves in an environment of its own; a pip there would be missing or undone by the next upgrade.
MARKS = {"uv": "uv-receipt.toml", "pipx": "pipx_metadata.json"}
ADD = {
    "uv": 'uv tool install "xlkmv[{extra}]"',
    "pipx": 'pipx install --force "xlkmv[{extra}]"',
    "pip": 'pip install "xlkmv[{extra}]"',
}
REPAIR = {
    "uv": "uv tool upgrade --reinstall xlkmv",
    "pipx": "pipx reinstall xlkmv",
    "pip": "{python} -m pip install --force-reinstall {package}",
}
REMOVE = {"uv": "uv tool uninstall xlkmv", "pipx": "pipx uninstall xlkmv", "pip": "pip uninstall xlkmv"}


def tool(prefix: str | Path | None = None) -> str:
    """Name the tool that made an environment.

    Parameters
    ----------
    prefix : path, optional
        Folder of the environment; by default the running one.

    Returns
    -------
    {"uv", "pipx", "pip"}
        The last when it is neither of the others'.
    """
    folder = Path(prefix or sys.prefix)
    return next((name for name, mark in MARKS.items() if (folder / mark).exists()), "pip")


def add(extra: str) -> str:
    """Command that adds an optional part of xlkmv, such as ``"report"``, to this environment."""
    return ADD[tool()].format(extra=extra)


def repair(package: str, python: str | Path) -> str:
    """Command that installs a package anew in the environment of an interpreter."""
    return REPAIR[tool()].format(package=package, python=python)


def remove() -> str:
    """Command that takes xlkmv out of this environment."""
    return REMOVE[tool()]
