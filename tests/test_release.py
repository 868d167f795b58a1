"""The release is tried in every environment that it should be, and a step that fails is seen."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
spec = importlib.util.spec_from_file_location("release_run", ROOT / "release" / "run.py")
assert spec is not None and spec.loader is not None
release = importlib.util.module_from_spec(spec)
sys.modules["release_run"] = release  # dataclasses look their module up
spec.loader.exec_module(release)

FOUND = [("3.11.7", Path("a")), ("3.12.1", Path("b")), ("3.13.0", Path("c"))]


def test_every_python_gets_both_sets_of_dependencies() -> None:
    every = list(release.environments(FOUND, few=False))
    assert len(every) == 6 and every[0] == (FOUND[0], "lowest-direct") and every[-1] == (FOUND[2], "highest")
    assert list(release.environments(FOUND, few=True)) == [every[0], every[-1]]


def test_this_python_is_found() -> None:
    minors = [version.rsplit(".", 1)[0] for version, _ in release.pythons()]
    assert "{}.{}".format(*sys.version_info) in minors
    assert len(set(minors)) == len(minors)


def test_a_failure_is_told_and_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def broken() -> str:
        raise release.StepError("no backend\nand why")

    monkeypatch.setattr(release, "build", broken)
    monkeypatch.setattr(sys, "argv", ["run.py"])
    assert release.main() == 1
    *_, last, count = capsys.readouterr().out.strip().splitlines()
    assert last.startswith("FAILED  build") and last.endswith("no backend") and count == "1 of 2 steps passed"


def test_a_tag_must_say_the_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "run", lambda *command: "v0.0.1\n")
    with pytest.raises(release.StepError, match=r"the tag is v0\.0\.1, the sources say \d"):
        release.tag()
    monkeypatch.setattr(release, "run", lambda *command: f"v{release.version()}\n")
    assert release.tag() == f"{release.version()}, tagged"
