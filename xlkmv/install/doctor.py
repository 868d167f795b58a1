"""Tell what is wrong with an installation, why, and what to do; mend what can be mended.

Each check looks at one thing that fails in the field. A check is a function of the
:class:`Machine`; the names below in :data:`CHECKS` are the order of the report.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

import xlkmv
from xlkmv.environment import repair
from xlkmv.errors import HostError
from xlkmv.install import windows
from xlkmv.install.machine import MACHINE, OFFICE_VERSIONS, USER, VIEWS, Finding, Machine
from xlkmv.install.windows import ADDIN, CLASS_KEY, NOT_WINDOWS, Say
from xlkmv.phrase import Phrase

__all__ = ["CHECKS", "doctor", "examine"]

APP_PATHS = r"Software\Microsoft\Windows\CurrentVersion\App Paths\excel.exe"
CLICK_TO_RUN = r"Software\Microsoft\Office\ClickToRun\Configuration"
POLICIES = r"Software\Microsoft\Windows\CurrentVersion\Policies\System"
# VBAWarnings: 1 all macros run, 2 the user is asked, 3 only signed ones, 4 none.
ONLY_SIGNED, NO_MACROS = 3, 4


@dataclass(frozen=True, slots=True)
class Case:
    """What the checks look at: the machine, the add-in as it should be, and the user's workbooks."""

    machine: Machine
    addin: bytes | None = None
    books: Sequence[Path] = ()


def _python(case: Case) -> Iterator[Finding]:
    machine = case.machine
    if "WindowsApps" in PureWindowsPath(machine.base_python).parts:
        cure = Phrase("install Python from python.org, then xlkmv with it, and run  xlkmv install")
        yield Finding(
            "Python",
            "wrong",
            Phrase("is the Microsoft Store's: Windows hides what it registers from Excel"),
            cure,
        )
    else:
        yield Finding("Python", "ok", f"{machine.python} ({machine.bits} bit)")
    trouble = machine.can_import("pythoncom")
    if trouble:
        cure = Phrase("run  {command}", command=repair("pywin32", machine.python))
        yield Finding("pywin32", "wrong", Phrase("does not load: {trouble}", trouble=trouble), cure)


def _excel(case: Case) -> Iterator[Finding]:
    machine = case.machine
    place = next(
        (p for root in (MACHINE, USER) for view in VIEWS if (p := machine.read(root, APP_PATHS, "", view))),
        None,
    )
    if place is None:
        yield Finding(
            "Excel", "note", Phrase("was not found"), Phrase("xlkmv refresh BOOK.xlsm works without Excel")
        )
        return
    if "WindowsApps" in PureWindowsPath(place).parts:
        cure = Phrase(
            "uninstall Office in Settings > Apps and install it from office.com: same licence; "
            "the Store edition runs in a box that can keep COM servers out"
        )
        yield Finding("Excel", "wrong", Phrase("is the Microsoft Store edition ({place})", place=place), cure)
        return
    platform = machine.read(MACHINE, CLICK_TO_RUN, "Platform")
    bits = {"x86": 32, "x64": 64}.get(str(platform))
    if bits is not None and bits != machine.bits:
        found = Phrase(
            "{place} has {bits} bit, Python {ours}: that is fine, they run in two processes",
            place=place,
            bits=bits,
            ours=machine.bits,
        )
        yield Finding("Excel", "ok", found)
    else:
        yield Finding("Excel", "ok", place)


def _registered(case: Case) -> Iterator[Finding]:
    machine = case.machine
    mend = lambda: windows.register(machine)  # noqa: E731
    again = Phrase("run  xlkmv install")
    wanted = windows.command(machine)
    commands = {
        (root, view): machine.read(root, rf"{CLASS_KEY}\LocalServer32", "", view)
        for root in (USER, MACHINE)
        for view in VIEWS
    }
    found = {place: c for place, c in commands.items() if c}
    if not found:
        yield Finding("Registration", "wrong", Phrase("the server is not registered"), again, mend)
        return
    root = USER if any(r == USER for r, _ in found) else MACHINE
    fix = mend if root == USER else None
    if any((root, view) not in found for view in VIEWS):
        yield Finding("Registration", "wrong", Phrase("is there for one bitness of Excel only"), again, fix)
        return
    current = found[root, machine.bits]
    program = re.match(r'"([^"]+)"', current)
    where = Path(program[1]) if program else Path(current)
    version = machine.read(root, CLASS_KEY, "xlkmv")
    if not where.exists():
        gone = Phrase(
            "points to a Python that is gone: {where} (environment moved, renamed or deleted)", where=where
        )
        yield Finding("Registration", "wrong", gone, again, fix)
    elif current != wanted:
        other = Phrase("points to another Python: {where}", where=where)
        cure = Phrase("if Excel shall use {python}, run  xlkmv install", python=machine.python)
        yield Finding("Registration", "wrong", other, cure, fix)
    elif version != xlkmv.__version__:
        old = Phrase("was made by version {version}, this is {ours}", version=version, ours=xlkmv.__version__)
        yield Finding("Registration", "wrong", old, again, fix)
    else:
        yield Finding(
            "Registration",
            "ok",
            Phrase(
                "{who}: {command}",
                who=Phrase("this user") if root == USER else Phrase("all users"),
                command=current,
            ),
        )


def _paths(case: Case) -> Iterator[Finding]:
    machine = case.machine
    for path in {str(machine.server_python), str(machine.data)}:
        if not path.isascii():
            cure = Phrase(
                "it usually works; if the server does not start, install Python (or make the environment) "
                "in a folder such as C:\\xlkmv and run  xlkmv install  there"
            )
            yield Finding("Paths", "note", Phrase("{path} has letters beyond ASCII", path=path), cure)


def _elevated(case: Case) -> Iterator[Finding]:
    machine = case.machine
    if machine.read(MACHINE, POLICIES, "EnableLUA") == 0:
        cure = Phrase(
            "run  xlkmv install --all-users  (user account control is off: all programs are elevated)"
        )
    elif machine.elevated:
        cure = Phrase("start Excel without 'Run as administrator', or run  xlkmv install --all-users")
    else:
        return
    if machine.read(MACHINE, rf"{CLASS_KEY}\LocalServer32") is None:
        found = Phrase("an Excel that runs as administrator does not see what is registered for one user")
        yield Finding("Rights", "note", found, cure)


def _server(case: Case) -> Iterator[Finding]:
    if any(finding.state == "wrong" for finding in _registered(case)):
        return  # COM would wait half a minute for what cannot come
    try:
        answer = case.machine.probe()
    except HostError as error:
        cure = Phrase("see the end of {log}; then run  xlkmv install", log=case.machine.data / "server.log")
        yield Finding("Server", "wrong", Phrase("does not answer: {error}", error=error), cure)
        return
    if answer["version"] != xlkmv.__version__:
        cure = Phrase("close Excel, so that the old server ends; then open it again")
        yield Finding(
            "Server",
            "wrong",
            Phrase("is of version {version}, not {ours}", version=answer["version"], ours=xlkmv.__version__),
            cure,
        )
    else:
        yield Finding(
            "Server", "ok", Phrase("answers in {seconds:.1f} s from a cold start", seconds=answer["seconds"])
        )


def _addin(case: Case) -> Iterator[Finding]:
    machine = case.machine
    folder = machine.startup_folder()
    assert folder is not None
    places = [p for p in (folder, machine.startup_folder(all_users=True)) if p is not None]
    there = [p / ADDIN for p in places if (p / ADDIN).exists()]
    content = case.addin
    mend = (lambda: windows.put_file(folder / ADDIN, content)) if content is not None else None
    if not folder.exists() and not there:
        found = Phrase("Excel's start-up folder is missing: {folder}", folder=folder)
        yield Finding("Add-in", "wrong", found, Phrase("run  xlkmv install"), mend)
    elif not there:
        yield Finding(
            "Add-in",
            "wrong",
            Phrase("{addin} is not in {folder}", addin=ADDIN, folder=folder),
            Phrase("run  xlkmv install"),
            mend,
        )
    elif content is not None and _digest(there[0].read_bytes()) != _digest(content):
        found = Phrase(
            "{place} is of another version than this xlkmv {ours}", place=there[0], ours=xlkmv.__version__
        )
        yield Finding("Add-in", "wrong", found, Phrase("close Excel and run  xlkmv install"), mend)
    else:
        yield Finding("Add-in", "ok", str(there[0]))
    for path in machine.marked_files([*there, *case.books]):
        cure = Phrase("right click the file > Properties > Unblock")
        found = Phrase("{path} comes from the internet by its mark: Excel blocks its macros", path=path)
        yield Finding("Macros", "wrong", found, cure, functools.partial(machine.unmark, path))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _macros(case: Case) -> Iterator[Finding]:
    machine = case.machine
    for version in OFFICE_VERSIONS:
        policy = machine.read(
            USER, rf"Software\Policies\Microsoft\Office\{version}\Excel\Security", "VBAWarnings"
        )
        own = machine.read(USER, rf"Software\Microsoft\Office\{version}\Excel\Security", "VBAWarnings")
        if policy in (ONLY_SIGNED, NO_MACROS):
            cure = Phrase(
                "ask your administrator to trust the folder of the add-in (Trust Center > Trusted Locations)"
            )
            yield Finding("Macros", "wrong", Phrase("are switched off by your organisation"), cure)
        elif own in (ONLY_SIGNED, NO_MACROS):
            cure = Phrase("File > Options > Trust Center > Macro Settings > Disable with notification")
            yield Finding("Macros", "wrong", Phrase("are switched off in Excel's Trust Center"), cure)
        key = rf"Software\Microsoft\Office\{version}\Excel\Resiliency\DisabledItems"
        if machine.has_values(USER, key):
            cure = Phrase("File > Options > Add-ins > Manage: Disabled Items > Go")
            yield Finding(
                "Add-in", "note", Phrase("Excel has disabled items after a crash; KMV may be one"), cure
            )


CHECKS: tuple[Callable[[Case], Iterator[Finding]], ...] = (
    _python,
    _excel,
    _registered,
    _paths,
    _elevated,
    _addin,
    _macros,
    _server,
)


def examine(case: Case, checks: Iterable[Callable[[Case], Iterator[Finding]]] = CHECKS) -> list[Finding]:
    """Make every check; one that fails itself is a finding, too."""
    findings: list[Finding] = []
    for check in checks:
        try:
            findings += check(case)
        except Exception as error:
            name = check.__name__.strip("_").capitalize()
            findings.append(
                Finding(
                    name,
                    "wrong",
                    Phrase("cannot be checked: {kind}: {error}", kind=type(error).__name__, error=error),
                )
            )
    return findings


def doctor(
    *,
    fix: bool = False,
    addin: bytes | None = None,
    books: Sequence[Path] = (),
    say: Say = print,
    machine: Machine | None = None,
    others: Callable[[], Iterable[Finding]] = tuple,
) -> list[Finding]:
    """Check the installation and report.

    Parameters
    ----------
    fix : bool
        Mend what can be mended, then look again.
    addin : bytes, optional
        KMV.xlam as this version has it, to find and replace an older one.
    books : sequence of Path
        Workbooks that do not work; looked at for the Mark of the Web.
    say : callable
        Is told each finding.
    machine : Machine, optional
    others : callable
        More checks: those of LibreOffice.

    Returns
    -------
    list of Finding
        What was found after mending; all is well where none is wrong.
    """
    say(f"xlkmv {xlkmv.__version__}, Python {sys.version.split()[0]}")
    findings: list[Finding] = []
    if machine is None and os.name == "nt":
        machine = Machine()
    if machine is None:
        say(NOT_WINDOWS)
    else:
        case = Case(machine, addin, tuple(books))
        findings = examine(case)
        if fix:
            mended = [(f, f.mend) for f in findings if f.state == "wrong" and f.mend is not None]
            for finding, mend in mended:
                say(Phrase("mending: {name} {found}", name=finding.name, found=finding.found))
                try:
                    mend()
                except (OSError, HostError) as error:
                    say(Phrase("  not mended: {error}", error=error))
            if mended:
                findings = examine(case)
    findings += others()
    for finding in findings:
        found = {"state": Phrase(finding.state), "name": Phrase(finding.name), "found": finding.found}
        say(Phrase("{state:>6}  {name}: {found}", **found))
        if finding.cure and finding.state != "ok":
            say(Phrase("        -> {cure}", cure=finding.cure))
    wrong = [f for f in findings if f.state == "wrong"]
    to_mend = (
        Phrase("1 thing to mend.") if len(wrong) == 1 else Phrase("{count} things to mend.", count=len(wrong))
    )
    say(to_mend if wrong else Phrase("All is well."))
    return findings
