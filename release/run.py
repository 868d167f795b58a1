"""Build what is published, check it, use it in fresh environments: ``make release``; ends with one table.

Each Python at hand that xlkmv supports gets the wheel twice, with the lowest allowed and with the newest
dependencies, and works there as a user would, away from the sources. The version stands in the sources,
because workbooks and macros are generated from it; a tag on this commit must say the same. ``--few``: the
oldest Python with the lowest and the newest Python with the newest dependencies only.
"""

from __future__ import annotations

import argparse
import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
TOOLS = Path(sys.executable).parent
OLDEST, LATEST = 11, 14  # minor versions of Python 3
RESOLUTIONS = ("lowest-direct", "highest")
# The index wants both of a project, and xlkmv has no public address yet: none is better than a false one.
UNKNOWN = "AuthorEmail,Url"
WORK = (
    ("self-test", ("self-test",), ""),
    ("new", ("new", "Deal.xlsm"), "Deal.xlsm"),
    ("refresh", ("refresh", "--quick", "Deal.xlsm"), ""),
    ("report", ("report", "--quick", "Deal.xlsm", "--html", "M.html", "--docx", "M.docx"), "M.html M.docx"),
)
LIMIT = 900.0  # seconds that one step may take


class StepError(Exception):
    """A step that did not end well; its message is the row's."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    name: str
    found: str
    seconds: float
    passed: bool


def main() -> int:
    """Take every step, also after one that failed; the exit code is 1 if any did."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--few", action="store_true", help="two environments instead of all")
    options = parser.parse_args()
    rows: list[Row] = []

    def step(name: str, work: Callable[[], str]) -> None:
        print(f"{name} ...", flush=True)
        started = time.perf_counter()
        try:
            found, passed = work(), True
        except StepError as error:
            print(error)
            found, passed = str(error).splitlines()[0], False
        rows.append(Row(name, found, time.perf_counter() - started, passed))

    step("tag", tag)
    step("build", build)
    if rows[-1].passed:
        wheel, source = next(DIST.glob("*.whl")), next(DIST.glob("*.tar.gz"))
        step("twine", lambda: last_line(tool("twine", "--no-color", "check", "--strict", wheel, source)))
        step("check-wheel-contents", lambda: last_line(tool("check-wheel-contents", wheel)))
        step("pyroma", lambda: pyroma(source))
        for python, resolution in environments(pythons(), few=options.few):
            step(f"Python {python[0]}, {resolution}", lambda p=python[1], r=resolution: use(wheel, p, r))  # type: ignore[misc]
        step("uv tool install", lambda: install_as_tool(wheel, "uv"))
        step("pipx install", lambda: install_as_tool(wheel, "pipx"))
    print("\n" + "\n".join(table(rows)))
    return 0 if all(row.passed for row in rows) else 1


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    """Run a command and return what it says; a failure shows the end of that."""
    # Nothing of the sources may be found from the environments that are tried.
    inherited = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=inherited | environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace",
        timeout=LIMIT, check=False,
    )  # fmt: skip
    if done.returncode:
        raise StepError(
            f"{Path(command[0]).name} {command[1]}: exit code {done.returncode}\n{done.stdout[-4000:]}"
        )
    return done.stdout


def tool(name: str, *arguments: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    """Run one of the tools that stand beside this Python; they find each other."""
    path = os.pathsep.join([str(TOOLS), os.environ["PATH"]])
    return run(TOOLS / name, *arguments, cwd=cwd, **{"PATH": path, "NO_COLOR": "1"} | environment)


def last_line(text: str) -> str:
    """Return the verdict of a tool that ends with it."""
    return text.strip().splitlines()[-1].replace(f"{DIST}/", "").strip()


# ------------------------------------------------------------------------------------- what is built


def version() -> str:
    """Version that the sources say."""
    found = re.search(r'^__version__ = "(.+)"$', (ROOT / "xlkmv" / "__init__.py").read_text(), re.MULTILINE)
    assert found
    return found[1]


def tag() -> str:
    """Hold a tag on this commit, if there is one, against the version of the sources."""
    try:
        tags = run("git", "tag", "--points-at", "HEAD").split()
    except StepError:
        return f"{version()}, no repository"
    if tags and f"v{version()}" not in tags:
        raise StepError(f"the tag is {', '.join(tags)}, the sources say {version()}")
    return f"{version()}, tagged" if tags else f"{version()}, no tag here: a rehearsal"


def build() -> str:
    """Build the sdist, and the wheel from the sdist."""
    shutil.rmtree(DIST, ignore_errors=True)
    tool("pyproject-build", "--installer", "uv", "--outdir", DIST)
    wrong = [path.name for path in DIST.iterdir() if not path.name.startswith(f"xlkmv-{version()}")]
    if wrong:
        raise StepError(f"not of version {version()}: {', '.join(wrong)}")
    return ", ".join(f"{path.name} ({path.stat().st_size / 1024:.0f} kB)" for path in sorted(DIST.iterdir()))


def pyroma(source: Path) -> str:
    """Rate the metadata; only ten out of ten passes."""
    said = tool("pyroma", "--min", "10", "--skip-tests", UNKNOWN, source)
    rating = re.search(r"Final rating: (\S+)", said)
    return f"{rating[1] if rating else said}, but for {UNKNOWN}"


# ------------------------------------------------------------------------------------ where it is used


@functools.cache
def pythons() -> list[tuple[str, Path]]:
    """Version and path of each supported Python at hand, oldest first, one a minor version."""
    roots = [Path(folder) for folder in os.environ["PATH"].split(os.pathsep)]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    roots += sorted(pyenv.glob("versions/3.*/bin"), reverse=True)
    found = []
    for minor in range(OLDEST, LATEST + 1):
        for program in (root / f"python3.{minor}" for root in roots):
            ask = "import sys; print('.'.join(map(str, sys.version_info[:3])))"
            try:  # a shim may stand for a Python that is not there
                found.append((run(program, "-c", ask).strip(), program.resolve()))
            except (StepError, OSError):
                continue
            break
    return found


def environments(found: list[tuple[str, Path]], *, few: bool) -> Iterator[tuple[tuple[str, Path], str]]:
    """Every Python with each set of dependencies; or the two corners of that."""
    if few:
        yield from zip((found[0], found[-1]), RESOLUTIONS, strict=True)
        return
    yield from ((python, resolution) for python in found for resolution in RESOLUTIONS)


def use(wheel: Path, python: Path, resolution: str) -> str:
    """Install the wheel into a fresh environment and work with it there."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        tool("uv", "venv", "--quiet", "--python", python, place / "env")
        interpreter = _program(place / "env", "python")
        # Wheels only: a release may be older than the Python, and nothing is compiled here.
        options = ("--only-binary", ":all:", "--resolution", resolution, "--python", interpreter)
        # The project's own list makes its dependencies direct ones, whose lowest release is meant.
        direct = ("-r", ROOT / "pyproject.toml", "--extra", "report")
        tool("uv", "pip", "install", "--quiet", *options, *direct, f"xlkmv[report] @ {wheel.as_uri()}")
        listed = tool("uv", "pip", "freeze", "--python", interpreter)
        work(_program(place / "env", "xlkmv"), place)
    pins = dict(line.split("==") for line in listed.splitlines() if "==" in line)
    return "works, " + ", ".join(f"{name} {pins[name]}" for name in ("numpy", "scipy", "pandas", "lxml"))


def work(xlkmv: Path, folder: Path) -> None:
    """Do what a new user does, in an empty folder."""
    folder = folder / "work"
    folder.mkdir()
    for name, arguments, makes in WORK:
        run(xlkmv, *arguments, cwd=folder)
        if missing := [file for file in makes.split() if not (folder / file).stat().st_size]:
            raise StepError(f"{name}: nothing in {', '.join(missing)}")


def install_as_tool(wheel: Path, name: str) -> str:
    """Install the wheel as a tool of its own; what its install commands name must be that place."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder).resolve()
        home = {"uv": ("UV_TOOL_DIR", "UV_TOOL_BIN_DIR"), "pipx": ("PIPX_HOME", "PIPX_BIN_DIR")}[name]
        where = {home[0]: str(place / "tools"), home[1]: str(place / "bin")}
        base = pythons()[-1][1]
        command = ("tool", "install") if name == "uv" else ("install",)
        tool(name, *command, "--python", base, f"{wheel}[report]", **where)
        work(place / "bin" / "xlkmv", place)
        (inside,) = place.glob("tools/**/bin/python")
        ask = "from {} import {} as a; print(a)"
        holder = run(inside, "-c", ask.format("xlkmv.environment", "tool") + "; print(a())").split()[-1]
        executable = run(inside, "-c", "import sys; print(sys.executable)").strip()
        if holder != name or Path(executable) != inside:
            raise StepError(f"the environment takes itself for {holder}'s, with {executable}")
        removal = ("tool", "uninstall") if name == "uv" else ("uninstall",)
        tool(name, *removal, "xlkmv", **where)
    return "works, and is removed again"


def _program(environment: Path, name: str) -> Path:
    return environment / ("Scripts" if os.name == "nt" else "bin") / name


def table(rows: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of the table."""
    rows = list(rows)
    width = max(len(row.name) for row in rows)
    for row in rows:
        yield f"{'ok' if row.passed else 'FAILED':6}  {row.name:{width}}  {row.seconds:5.0f} s  {row.found}"
    failed = sum(not row.passed for row in rows)
    yield f"{len(rows) - failed} of {len(rows)} steps passed"


if __name__ == "__main__":
    sys.exit(main())
