"""Install, uninstall and doctor on a machine of dictionaries: every known failure is planted and found."""

from __future__ import annotations

import copy
import functools
from pathlib import Path

import pytest

import xlkmv
from xlkmv.errors import HostError
from xlkmv.functions import FUNCTIONS
from xlkmv.hosts.server import CLSID
from xlkmv.install import windows
from xlkmv.install.doctor import APP_PATHS, CLICK_TO_RUN, POLICIES, doctor
from xlkmv.install.machine import MACHINE, USER, VIEWS, Finding
from xlkmv.install.windows import ADDIN, CLASS_KEY, PROGID_KEY, install, self_test, uninstall

EXCEL = r"C:\Program Files\Microsoft Office\root\Office16\EXCEL.EXE"
NEW = b"the add-in of this version"


@functools.cache
def known() -> list:
    return FUNCTIONS["KMV_SELFTEST"]()


class Fake:
    """A machine with a healthy Excel; registry[root, view][key][name]."""

    def __init__(self, folder: Path) -> None:
        self.python = folder / "env" / "python.exe"
        self.server_python = folder / "env" / "pythonw.exe"
        for program in (self.python, self.server_python):
            program.parent.mkdir(exist_ok=True)
            program.touch()
        self.base_python = Path("C:/Python311")
        self.bits = 64
        self.elevated = False
        self.data = folder / "Local" / "xlkmv"
        self.roaming = folder / "XLSTART"
        self.locked: set[str] = set()
        self.registry: dict = {(r, v): {} for r in (USER, MACHINE) for v in VIEWS}
        for view in VIEWS:
            self.write(MACHINE, APP_PATHS, EXCEL, "", view)
        self.write(MACHINE, CLICK_TO_RUN, "x64", "Platform")
        self.marked: set[Path] = set()
        self.broken: dict[str, str] = {}
        self.server: dict | Exception | None = None

    def startup_folder(self, *, all_users: bool = False):
        return None if all_users else self.roaming

    def read(self, root, key, name="", view=64):
        return self.registry[root, view].get(key.lower(), {}).get(name.lower())

    def write(self, root, key, value, name="", view=64):
        if root in self.locked:
            raise PermissionError
        self.registry[root, view].setdefault(key.lower(), {})[name.lower()] = value

    def keys(self, root, key, view=64):
        found = {
            k[len(key) + 1 :].split("\\")[0]
            for k in self.registry[root, view]
            if k.startswith(key.lower() + "\\")
        }
        return sorted(found) if found or key.lower() in self.registry[root, view] else None

    def has_values(self, root, key, view=64):
        return bool(self.registry[root, view].get(key.lower()))

    def delete(self, root, key, view=64):
        table = self.registry[root, view]
        gone = [k for k in table if k == key.lower() or k.startswith(key.lower() + "\\")]
        if gone and root in self.locked:
            raise PermissionError
        for k in gone:
            del table[k]
        return bool(gone)

    def marked_files(self, paths):
        return [p for p in paths if p in self.marked]

    def unmark(self, path):
        self.marked.remove(path)

    def can_import(self, module):
        return self.broken.get(module)

    def probe(self, seconds=90.0):
        """As the real one: start whatever the registry says."""
        if isinstance(self.server, Exception):
            raise self.server
        if self.server is not None:
            return self.server
        command = self.read(USER, rf"{CLASS_KEY}\LocalServer32") or self.read(
            MACHINE, rf"{CLASS_KEY}\LocalServer32"
        )
        if not command or not Path(command.split('"')[1]).exists():
            raise HostError("class not registered")
        return {
            "version": xlkmv.__version__,
            "seconds": 1.0,
            "check": "",
            "known": copy.deepcopy(known()),
        }


@pytest.fixture
def machine(tmp_path):
    return Fake(tmp_path)


@pytest.fixture
def healthy(machine):
    assert install(NEW, b"template", say=[].append, machine=machine)
    return machine


def report(machine, **options) -> tuple[bool, str]:
    said: list[str] = []
    found = doctor(say=said.append, machine=machine, addin=NEW, **options)
    good = all(finding.state != "wrong" for finding in found)
    return good, "\n".join(said)


def test_install_then_uninstall_leaves_the_machine_as_it_was(machine):
    before = {place: dict(keys) for place, keys in machine.registry.items()}
    said: list[str] = []
    for _ in range(2):  # it can be run twice
        assert install(NEW, b"template", say=said.append, machine=machine)
        assert (machine.roaming / ADDIN).read_bytes() == NEW
        assert (machine.data / "KMV_Template.xlsm").read_bytes() == b"template"
    for view in VIEWS:
        command = machine.read(USER, rf"{CLASS_KEY}\LocalServer32", "", view)
        assert command == f'"{machine.server_python}" -P -m xlkmv.hosts.server'
        assert machine.read(USER, rf"{PROGID_KEY}\CLSID", "", view) == CLSID
    assert not any("xlkmv" in key for view in VIEWS for key in machine.registry[MACHINE, view])
    assert "Self-test:" in "\n".join(said)
    assert uninstall(say=said.append, machine=machine)
    assert machine.registry == before
    assert not (machine.roaming / ADDIN).exists()
    assert not machine.data.exists()
    again: list[str] = []
    assert uninstall(say=again.append, machine=machine)
    assert len(again) == 1


def test_install_for_all_users(machine):
    assert install(NEW, all_users=True, say=[].append, machine=machine)
    assert machine.read(MACHINE, rf"{CLASS_KEY}\LocalServer32")
    assert machine.read(USER, rf"{CLASS_KEY}\LocalServer32") is None
    machine.locked.add(MACHINE)
    said: list[str] = []
    assert not uninstall(say=said.append, machine=machine)
    assert "opened as administrator" in "\n".join(said)


def test_what_stops_an_install_is_said(machine):
    machine.locked.add(MACHINE)
    with pytest.raises(HostError, match="terminal opened as administrator"):
        install(NEW, all_users=True, say=[].append, machine=machine)
    machine.broken["pythoncom"] = "ImportError: DLL load failed"
    with pytest.raises(
        HostError,
        match=r"pywin32 is missing or broken \(ImportError: DLL.*pip install --force-reinstall pywin32",
    ):
        install(NEW, say=[].append, machine=machine)


def test_a_file_in_use_is_named(tmp_path, monkeypatch):
    def refuse(self, target):
        raise PermissionError

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(HostError, match=r"KMV\.xlam cannot be written: close Excel"):
        windows.put_file(tmp_path / ADDIN, NEW)
    assert list(tmp_path.iterdir()) == []


def test_a_healthy_machine(healthy):
    good, said = report(healthy)
    assert good, said
    assert "All is well." in said
    assert " wrong " not in said


def _store_excel(m):
    for view in VIEWS:
        m.write(MACHINE, APP_PATHS, r"C:\Program Files\WindowsApps\Microsoft.Office\EXCEL.EXE", "", view)


def _moved(m):
    m.server_python.unlink()
    m.server_python = m.python


def _other_environment(m):
    m.server_python = m.server_python.with_name("other.exe")


def _one_view(m):
    m.delete(USER, CLASS_KEY, 32)


def _old(m):
    m.write(USER, CLASS_KEY, "0.0.1", "xlkmv")


def _policy(m):
    m.write(USER, r"Software\Policies\Microsoft\Office\16.0\Excel\Security", 4, "VBAWarnings")


def _own_setting(m):
    m.write(USER, r"Software\Microsoft\Office\16.0\Excel\Security", 4, "VBAWarnings")


def _no_startup(m):
    (m.roaming / ADDIN).unlink()
    m.roaming.rmdir()


def _old_server(m):
    m.server = m.probe() | {"version": "0.0.1"}


FAILURES = {
    "store excel": (_store_excel, "Microsoft Store edition", "office.com", False),
    "store python": (
        lambda m: setattr(m, "base_python", Path("C:/Program Files/WindowsApps/Python")),
        "is the Microsoft Store's",
        "python.org",
        False,
    ),
    "pywin32": (
        lambda m: m.broken.update(pythoncom="DLL load failed"),
        "does not load",
        "force-reinstall",
        False,
    ),
    "not registered": (
        lambda m: [m.delete(USER, CLASS_KEY, v) for v in VIEWS],
        "not registered",
        "install",
        True,
    ),
    "one bitness": (_one_view, "one bitness", "install", True),
    "moved": (_moved, "points to a Python that is gone", "install", True),
    "other environment": (_other_environment, "points to another Python", "install", None),
    "old registration": (_old, "was made by version 0.0.1", "install", True),
    "policy": (_policy, "switched off by your organisation", "administrator", False),
    "trust center": (_own_setting, "switched off in Excel's Trust Center", "Macro Settings", False),
    "no startup folder": (_no_startup, "start-up folder is missing", "install", True),
    "no add-in": (lambda m: (m.roaming / ADDIN).unlink(), "is not in", "install", True),
    "old add-in": (
        lambda m: (m.roaming / ADDIN).write_bytes(b"old"),
        "is of another version",
        "close Excel",
        True,
    ),
    "blocked": (lambda m: m.marked.add(m.roaming / ADDIN), "comes from the internet", "Unblock", True),
    "hanging server": (
        lambda m: setattr(m, "server", HostError("no answer")),
        "does not answer",
        "server.log",
        False,
    ),
    "old server": (_old_server, "is of version 0.0.1", "close Excel", False),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_known_failures_are_found_and_cured(healthy, failure):
    plant, found, cure, mends = FAILURES[failure]
    plant(healthy)
    good, said = report(healthy)
    assert not good
    line = next(k for k, text in enumerate(said.splitlines()) if found in text)
    assert said.splitlines()[line].startswith(" wrong")
    assert cure in said.splitlines()[line + 1]
    if mends is not None:
        assert report(healthy, fix=True)[0] is mends
        assert report(healthy)[0] is mends


def test_notes_do_not_fail(healthy, tmp_path):
    healthy.write(MACHINE, CLICK_TO_RUN, "x86", "Platform")
    healthy.elevated = True
    healthy.data = tmp_path / "用户" / "xlkmv"
    healthy.write(USER, r"Software\Microsoft\Office\16.0\Excel\Resiliency\DisabledItems", "x", "a")
    good, said = report(healthy)
    assert good, said
    assert "32 bit, Python 64: that is fine" in said
    assert "letters beyond ASCII" in said and "administrator" in said and "--all-users" in said
    assert "disabled items" in said
    healthy.elevated = False
    healthy.write(MACHINE, POLICIES, 0, "EnableLUA")
    assert "user account control is off" in report(healthy)[1]


def test_books_are_looked_at_for_the_mark(healthy, tmp_path):
    book = tmp_path / "Deal.xlsm"
    healthy.marked.add(book)
    good, said = report(healthy, books=[book])
    assert not good and "Deal.xlsm comes from the internet" in said


def test_a_check_that_fails_is_a_finding(healthy):
    healthy.startup_folder = lambda **_: 1 / 0
    good, said = report(healthy)
    assert not good and "cannot be checked: ZeroDivisionError" in said


def test_without_excel(healthy):
    for view in VIEWS:
        healthy.delete(MACHINE, APP_PATHS, view)
    good, said = report(healthy)
    assert good and "was not found" in said and "without Excel" in said


def test_other_systems_say_what_works_there(monkeypatch):
    monkeypatch.setattr(windows.os, "name", "posix")
    said: list[str] = []
    assert not install(NEW, say=said.append)
    assert uninstall(say=said.append)
    assert not [finding for finding in doctor(say=said.append) if finding.state == "wrong"]
    assert "xlkmv refresh BOOK.xlsm" in said[0] and "LibreOffice" in said[0]


def test_checks_of_other_hosts_are_reported(healthy):
    finding = Finding("LibreOffice add-in", "wrong", "not installed", "install it")
    good, said = report(healthy, others=lambda: [finding])
    assert not good
    assert " wrong  LibreOffice add-in: not installed\n        -> install it" in said


def test_a_wrong_answer_fails_the_self_test(healthy):
    answer = healthy.probe()
    answer["known"][3][-1] = False
    healthy.server = answer
    said: list[str] = []
    assert not self_test(healthy, say=said.append)
    assert any("WRONG" in line for line in said)
