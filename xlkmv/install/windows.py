"""Install the Python server and the add-in for Excel on Windows, and remove them again.

For the user who runs it, without administrator rights: a COM class under HKEY_CURRENT_USER
that starts this very Python, ``KMV.xlam`` in Excel's start-up folder, the template beside
the log. Everything may be run twice; what is removed leaves no trace.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import xlkmv
from xlkmv.environment import repair
from xlkmv.errors import HostError
from xlkmv.hosts.server import CLSID, PROGID, TEMPLATE
from xlkmv.install.machine import MACHINE, USER, VIEWS, Machine
from xlkmv.phrase import Phrase

__all__ = ["ADDIN", "CLASS_KEY", "PROGID_KEY", "command", "install", "self_test", "supported", "uninstall"]

ADDIN = "KMV.xlam"
CLASSES = r"Software\Classes"
CLASS_KEY = rf"{CLASSES}\CLSID\{CLSID}"
PROGID_KEY = rf"{CLASSES}\{PROGID}"
DESCRIPTION = "xlkmv worksheet functions"

NOT_WINDOWS = Phrase("""\
Nothing was installed: typing =KMV_PD(...) into Excel needs Excel on Windows. What works here:
  xlkmv refresh BOOK.xlsm          computes a workbook, in Excel's own format, without Excel
  xlkmv install --libreoffice      the same functions in LibreOffice Calc (Linux)
  from xlkmv.functions import KMV_PD      the same functions in Python""")

Say = Callable[[str], None]


def supported() -> bool:
    """Whether this machine can run the functions in Excel."""
    return os.name == "nt"


def command(machine: Machine) -> str:
    """Command with which COM starts the server; -P keeps the current folder off the module path."""
    return f'"{machine.server_python}" -P -m xlkmv.hosts.server'


def install(
    addin: bytes,
    template: bytes | None = None,
    *,
    all_users: bool = False,
    say: Say = print,
    machine: Machine | None = None,
) -> bool:
    """Register the server, put the add-in into place, and end with a self-test.

    Parameters
    ----------
    addin : bytes
        The file KMV.xlam.
    template : bytes, optional
        The template workbook, for the ribbon's New workbook.
    all_users : bool
        Register for every user of the machine; needs an elevated terminal.
    say : callable
        Is told each step.
    machine : Machine, optional

    Returns
    -------
    bool
        Whether all is well.

    Raises
    ------
    HostError
        When a step cannot be done; the message says why and what to do.
    """
    if machine is None:
        if not supported():
            say(NOT_WINDOWS)
            return False
        machine = Machine()
    trouble = machine.can_import("pythoncom")
    if trouble:
        raise HostError(
            Phrase(
                "pywin32 is missing or broken ({trouble}): run  {command}",
                trouble=trouble,
                command=repair("pywin32", machine.python),
            )
        )
    register(machine, all_users=all_users)
    who = Phrase("all users") if all_users else Phrase("this user")
    say(Phrase("Registered the server for {who}: {python}", who=who, python=machine.server_python))
    folder = machine.startup_folder(all_users=all_users)
    if folder is None:
        say(Phrase("Excel was not found for all users: the add-in goes to this user only."))
        folder = machine.startup_folder()
    if folder is not None:
        put_file(folder / ADDIN, addin)
        say(Phrase("Add-in: {path}", path=folder / ADDIN))
    if template is not None:
        put_file(machine.data / TEMPLATE, template)
        say(Phrase("Template: {path}", path=machine.data / TEMPLATE))
    if not self_test(machine, say=say):
        say(Phrase("Run  xlkmv doctor  to see what is wrong."))
        return False
    say(Phrase("Done. Close and open Excel: the tab KMV is there, and =KMV_PD(120,100,0.25) gives 27.28 %."))
    return True


def register(machine: Machine, *, all_users: bool = False) -> None:
    """Write the COM class into both views of the registry."""
    root = MACHINE if all_users else USER
    entries = (
        (CLASS_KEY, DESCRIPTION, ""),
        (CLASS_KEY, xlkmv.__version__, "xlkmv"),
        (rf"{CLASS_KEY}\LocalServer32", command(machine), ""),
        (rf"{CLASS_KEY}\ProgID", PROGID, ""),
        (PROGID_KEY, DESCRIPTION, ""),
        (rf"{PROGID_KEY}\CLSID", CLSID, ""),
    )
    try:
        for view in VIEWS:
            for key, value, name in entries:
                machine.write(root, key, value, name, view)
    except PermissionError:
        rights = "run it in a terminal opened as administrator" if all_users else "ask your administrator"
        raise HostError(Phrase("the registry cannot be written: {rights}", rights=rights)) from None


def put_file(path: Path, content: bytes) -> None:
    """Write a file as a whole, unless it is there already."""
    if path.exists() and path.read_bytes() == content:
        return
    draft = path.with_name(f"~{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(content)
        draft.replace(path)
    except PermissionError:
        raise HostError(Phrase("{path} cannot be written: close Excel and run it again", path=path)) from None
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()


def uninstall(*, say: Say = print, machine: Machine | None = None) -> bool:
    """Remove everything that :func:`install` made, for this user and, with the rights, for all.

    Returns
    -------
    bool
        Whether nothing is left.
    """
    if machine is None:
        if not supported():
            say(Phrase("Nothing is installed in Excel on this machine."))
            return True
        machine = Machine()
    clean = True
    for root, who in ((USER, "this user"), (MACHINE, "all users")):
        try:
            gone = [machine.delete(root, key, view) for view in VIEWS for key in (CLASS_KEY, PROGID_KEY)]
            # Windows makes these keys with the first class of a user.
            for key, view in (
                (rf"{CLASSES}\CLSID", 64),
                (rf"{CLASSES}\CLSID", 32),
                (rf"{CLASSES}\Wow6432Node", 64),
            ):
                if root == USER and any(gone) and machine.keys(root, key, view) == []:
                    machine.delete(root, key, view)
        except PermissionError:
            say(
                Phrase(
                    "The server of {who} stays: run it again in a terminal opened as administrator.", who=who
                )
            )
            clean = False
        else:
            if any(gone):
                say(Phrase("Removed the server of {who}.", who=who))
    for folder in (machine.startup_folder(), machine.startup_folder(all_users=True)):
        path = folder / ADDIN if folder else None
        if path is not None and path.exists():
            try:
                path.unlink()
            except PermissionError:
                say(Phrase("{path} is in use or protected: close Excel and run it again.", path=path))
                clean = False
            else:
                say(Phrase("Removed {path}.", path=path))
    if machine.data.exists():
        if not _removed(machine.data):
            say(Phrase("{path} is in use: close Excel and run it again.", path=machine.data))
            clean = False
        else:
            say(Phrase("Removed {path}.", path=machine.data))
    if clean:
        say(Phrase("Nothing of xlkmv is left in Excel."))
    return clean


def _removed(folder: Path) -> bool:
    """Remove a folder; a server that is just ending may hold its log for a moment."""
    for _ in range(10):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return True
        time.sleep(0.3)
    return False


def self_test(machine: Machine, *, say: Say = print) -> bool:
    """Compute the published known answers through COM, as Excel does.

    Returns
    -------
    bool
        Whether the server answers and every answer agrees.
    """
    try:
        answer = machine.probe()
    except HostError as error:
        say(Phrase("Self-test: the server does not answer: {error}", error=error.sentence))
        return False
    say(
        Phrase(
            "Server {version} started and answered in {seconds:.1f} s.",
            version=answer["version"],
            seconds=answer["seconds"],
        )
    )
    header, *rows = answer["known"]
    agrees = header.index("Agrees")
    wrong = [row for row in rows if row[agrees] is not True]
    say(
        Phrase(
            "Self-test: {agree} of {count} published known answers agree.",
            agree=len(rows) - len(wrong),
            count=len(rows),
        )
    )
    for row in wrong:
        say(Phrase("  WRONG  {row}", row=row))
    return not wrong
