"""The commands that change an environment are those of the tool that made it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from xlkmv import environment


@pytest.mark.parametrize(
    ("mark", "name", "added", "repaired", "removed"),
    [
        (
            "uv-receipt.toml",
            "uv",
            "uv tool install ",
            "uv tool upgrade --reinstall xlkmv",
            "uv tool uninstall ",
        ),
        ("pipx_metadata.json", "pipx", "pipx install --force ", "pipx reinstall xlkmv", "pipx uninstall "),
        (
            "pyvenv.cfg",
            "pip",
            "pip install ",
            "py -m pip install --force-reinstall pywin32",
            "pip uninstall ",
        ),
    ],
)
def test_each_tool_is_known_by_what_it_leaves(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mark: str,
    name: str,
    added: str,
    repaired: str,
    removed: str,
) -> None:
    (tmp_path / mark).touch()
    assert environment.tool(tmp_path) == name
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert environment.add("report") == f'{added}"xlkmv[report]"'
    assert environment.repair("pywin32", "py") == repaired
    assert environment.remove() == f"{removed}xlkmv"
