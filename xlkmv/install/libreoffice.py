"""Put the worksheet functions into LibreOffice Calc, and tell what is wrong with them there.

The extension is built for the running Python and added with LibreOffice's own ``unopkg``, for this
user only. LibreOffice refuses that to root; there it goes to all users of the machine.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xlkmv
from xlkmv.errors import HostError
from xlkmv.hosts.calc import IDENTIFIER, describe, environment
from xlkmv.install.machine import Finding
from xlkmv.phrase import Phrase

__all__ = ["Office", "checks", "find_office", "install", "installed", "uninstall"]

# Where LibreOffice puts itself when it is not on the path.
PLACES = (
    "/opt/libreoffice*/program",
    "/usr/lib*/libreoffice/program",
    "/Applications/LibreOffice.app/Contents/MacOS",
    "C:/Program Files/LibreOffice/program",
)
LIMIT = 180.0


@dataclass(frozen=True, slots=True)
class Office:
    """A LibreOffice on this machine.

    Attributes
    ----------
    program : Path
        The folder of its programs.
    python : str or None
        Version (major.minor) of the Python that it runs; None when it has none.
    """

    program: Path
    python: str | None

    @property
    def unopkg(self) -> Path:
        """Its extension manager."""
        return self.program / ("unopkg.com" if os.name == "nt" else "unopkg")


def find_office() -> Office | None:
    """Find LibreOffice: the one on the path, else at its usual places."""
    for program in _programs():
        office = Office(program, _python_of(program))
        if office.unopkg.exists():
            return office
    return None


def _programs() -> Iterator[Path]:
    for name in ("soffice", "libreoffice"):
        if (found := shutil.which(name)) is not None:
            yield Path(found).resolve().parent
    for pattern in PLACES:
        anchor = Path(pattern).anchor
        if Path(anchor).is_absolute():
            yield from sorted(Path(anchor).glob(str(Path(pattern).relative_to(anchor))), reverse=True)


def _python_of(program: Path) -> str | None:
    """Version of the Python that this LibreOffice runs, from its bridge or from its own copy."""
    for bridge in ("libpyuno.so", "pyuno.so"):
        path = program / bridge
        if path.exists() and (match := re.search(rb"libpython(3\.\d+)", path.read_bytes())):
            return match[1].decode()
    roots = (program, program.parent / "Resources", program.parent / "Frameworks")
    for root in roots:
        for folder in sorted(root.glob("python-core-3.*")):
            return ".".join(folder.name.removeprefix("python-core-").split(".")[:2])
        for folder in sorted(root.glob("LibreOfficePython.framework/Versions/3.*")):
            return folder.name
    return None


def _need_office() -> Office:
    office = find_office()
    if office is None:
        raise HostError("LibreOffice is not on this machine (no soffice with unopkg beside it)")
    return office


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _unopkg(office: Office, command: str, *arguments: str, options: Sequence[str] = ()) -> tuple[int, str]:
    """Run the extension manager; returns its exit code and all it said."""
    line = [str(office.unopkg), command, *(("--shared",) if _is_root() else ()), *options, *arguments]
    # LibreOffice's own Python must not be misled to ours.
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON") and k != "VIRTUAL_ENV"}
    try:
        done = subprocess.run(
            line, env=clean, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=LIMIT, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as late:
        raise HostError(
            Phrase(
                "{unopkg} did not end within {limit:g} s; is LibreOffice open?",
                unopkg=office.unopkg,
                limit=LIMIT,
            )
        ) from late
    return done.returncode, done.stdout.decode("utf-8", "replace").strip()


def installed(options: Sequence[str] = ()) -> str | None:
    """Tell what the installed extension says of itself, or None when there is none.

    Parameters
    ----------
    options : sequence of str
        Further options for ``unopkg``, such as ``-env:UserInstallation=file:///...``.

    Raises
    ------
    HostError
        LibreOffice is missing, or its extension manager hangs.
    """
    code, said = _unopkg(_need_office(), "list", IDENTIFIER, options=options)
    if code:
        return None
    if "is registered: yes" not in said:
        return Phrase("it is not registered")
    found = re.search(r"^  Description: (.*)$", said, re.MULTILINE)
    return found[1].strip() if found else ""


def install(build: Callable[[Path, Mapping[str, Any]], Path], options: Sequence[str] = ()) -> str:
    """Build the extension for the running Python and add it to LibreOffice; may be run again.

    Parameters
    ----------
    build : callable
        Writes the extension for a Python environment:
        :func:`xlkmv.build.calc_addin.build_addin`.
    options : sequence of str
        Further options for ``unopkg``.

    Returns
    -------
    str
        What was done, for the user.

    Raises
    ------
    HostError
        LibreOffice is missing, runs another Python, or refuses the extension.
    """
    office = _need_office()
    place = environment()
    if fault := _python_fault(office, place["python"]):
        raise HostError(fault)
    with tempfile.TemporaryDirectory() as folder:
        extension = build(Path(folder) / "xlkmv.oxt", place)
        code, said = _unopkg(office, "add", "--force", str(extension), options=options)
    if code:
        raise HostError(
            Phrase("LibreOffice refused the extension; close LibreOffice and try again. {said}", said=said)
        )
    who = Phrase("all users of this machine (you are root)") if _is_root() else Phrase("this user")
    return Phrase(
        "LibreOffice Calc: {functions}; installed for {who}. Start LibreOffice anew to see them.",
        functions=describe(place),
        who=who,
    )


def uninstall(options: Sequence[str] = ()) -> str:
    """Remove the extension; nothing happens when it is not there.

    Raises
    ------
    HostError
        LibreOffice is missing, or refuses.
    """
    if installed(options) is None:
        return Phrase("LibreOffice Calc: xlkmv is not installed there.")
    code, said = _unopkg(_need_office(), "remove", IDENTIFIER, options=options)
    if code:
        raise HostError(
            Phrase("LibreOffice did not remove xlkmv; close LibreOffice and try again. {said}", said=said)
        )
    return Phrase("LibreOffice Calc: xlkmv was removed.")


def _python_fault(office: Office, ours: str) -> str | None:
    if office.python is None:
        return Phrase(
            "LibreOffice in {program} cannot run Python: install its Python support "
            "(on Debian and Ubuntu: python3-uno)",
            program=office.program,
        )
    if office.python != ours:
        return Phrase(
            "LibreOffice in {program} runs Python {python}, xlkmv is installed for Python {ours}: "
            "install xlkmv with Python {python} and run its 'xlkmv install --libreoffice'",
            program=office.program,
            python=office.python,
            ours=ours,
        )
    return None


def checks(options: Sequence[str] = ()) -> list[Finding]:
    """Look whether Calc has the functions and can run them; never raises.

    Returns
    -------
    list of Finding
        Empty when there is no LibreOffice on this machine.
    """
    office = find_office()
    if office is None:
        return []
    place = environment()
    if fault := _python_fault(office, place["python"]):
        python = Finding("LibreOffice's Python", "wrong", Phrase("does not fit"), fault)
    else:
        python = Finding(
            "LibreOffice's Python", "ok", Phrase("runs Python {python}, as xlkmv does", python=office.python)
        )
    return [python, _add_in(describe(place), options)]


def _add_in(wanted: str, options: Sequence[str]) -> Finding:
    name, again = "LibreOffice add-in", Phrase("run 'xlkmv install --libreoffice'")
    try:
        said = installed(options)
    except HostError as error:
        return Finding(name, "wrong", error.sentence, Phrase("close LibreOffice and try again"))
    if said is None:
        return Finding(name, "note", Phrase("not installed"), again)
    if said != wanted:
        return Finding(name, "wrong", Phrase("is another one ({said})", said=said), again)
    return Finding(name, "ok", Phrase("xlkmv {ours} is installed", ours=xlkmv.__version__))
