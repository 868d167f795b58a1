"""This Windows machine as install and doctor see it: registry, folders, rights; and what they find.

All access to Windows goes through :class:`Machine`, so that what follows from a machine's
state can be tested without one.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xlkmv.errors import HostError
from xlkmv.hosts.server import CLSID, data_folder
from xlkmv.phrase import Phrase

__all__ = ["MACHINE", "OFFICE_VERSIONS", "USER", "VIEWS", "Finding", "Machine"]

USER, MACHINE = "HKEY_CURRENT_USER", "HKEY_LOCAL_MACHINE"
VIEWS = (64, 32)
"""Both views of the registry: Excel may be of the other bitness than Python."""

OFFICE_VERSIONS = ("16.0", "15.0", "14.0")

# Asks the server in a process of its own, so that one that hangs can be given up.
PROBE = f"""
import json, sys, time
import pythoncom
from win32com.client import dynamic
started = time.perf_counter()
raw = pythoncom.CoCreateInstance("{CLSID}", None, pythoncom.CLSCTX_LOCAL_SERVER, pythoncom.IID_IDispatch)
server = dynamic.Dispatch(raw)
server._FlagAsMethod("Call", "Version", "Check")
out = dict(version=server.Version(), check=server.Check(""), seconds=time.perf_counter() - started)
out["known"] = server.Call("KMV_SELFTEST", [])
print(json.dumps(out))
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    name : str
    state : {"ok", "note", "wrong"}
        A note need not be wrong; it says what to try if something fails.
    found : str
    cure : str
        What to do; empty when nothing needs to be done.
    mend : callable, optional
        Does it.
    """

    name: str
    state: str
    found: str
    cure: str = ""
    mend: Callable[[], None] | None = None


class Machine:
    """The real thing; needs Windows."""

    @property
    def python(self) -> Path:
        """The interpreter that runs now."""
        return Path(sys.executable)

    @property
    def server_python(self) -> Path:
        """The interpreter that runs the server: without a console window where there is one."""
        quiet = self.python.with_name("pythonw.exe")
        return quiet if quiet.exists() else self.python

    @property
    def base_python(self) -> Path:
        """Folder of the Python behind a virtual environment."""
        return Path(sys.base_prefix)

    @property
    def bits(self) -> int:
        """Bitness of this Python."""
        return struct.calcsize("P") * 8

    @property
    def elevated(self) -> bool:
        """Whether this process has administrator rights."""
        import ctypes

        return bool(ctypes.windll.shell32.IsUserAnAdmin())

    def startup_folder(self, *, all_users: bool = False) -> Path | None:
        """Folder from which Excel opens add-ins by itself; None where Excel's own is not found."""
        if not all_users:
            roaming = os.environ.get("APPDATA")
            if not roaming:
                raise HostError("the environment has no APPDATA: log in as the user who runs Excel")
            return Path(roaming) / "Microsoft" / "Excel" / "XLSTART"
        for version in OFFICE_VERSIONS:
            for view in VIEWS:
                root = self.read(
                    MACHINE, rf"Software\Microsoft\Office\{version}\Excel\InstallRoot", "Path", view
                )
                if root:
                    return Path(root) / "XLSTART"
        return None

    @property
    def data(self) -> Path:
        """Folder of log and template."""
        return data_folder()

    # -- registry ---------------------------------------------------------------------------------

    def _flags(self, view: int) -> int:
        import winreg

        return winreg.KEY_WOW64_64KEY if view == 64 else winreg.KEY_WOW64_32KEY

    def read(self, root: str, key: str, name: str = "", view: int = 64) -> Any:
        """Return a value, or None."""
        import winreg

        with contextlib.suppress(OSError):
            opened = winreg.OpenKey(getattr(winreg, root), key, 0, winreg.KEY_READ | self._flags(view))
            with opened:
                return winreg.QueryValueEx(opened, name)[0]
        return None

    def write(self, root: str, key: str, value: str, name: str = "", view: int = 64) -> None:
        """Write a text, making its key."""
        import winreg

        flags = winreg.KEY_WRITE | self._flags(view)
        with winreg.CreateKeyEx(getattr(winreg, root), key, 0, flags) as opened:
            winreg.SetValueEx(opened, name, 0, winreg.REG_SZ, value)

    def keys(self, root: str, key: str, view: int = 64) -> list[str] | None:
        """Names of the keys below one; None when it is not there."""
        import winreg

        with contextlib.suppress(OSError):
            opened = winreg.OpenKey(getattr(winreg, root), key, 0, winreg.KEY_READ | self._flags(view))
            with opened:
                return [winreg.EnumKey(opened, k) for k in range(winreg.QueryInfoKey(opened)[0])]
        return None

    def has_values(self, root: str, key: str, view: int = 64) -> bool:
        """Whether a key is there and holds any value."""
        import winreg

        with contextlib.suppress(OSError):
            opened = winreg.OpenKey(getattr(winreg, root), key, 0, winreg.KEY_READ | self._flags(view))
            with opened:
                return winreg.QueryInfoKey(opened)[1] > 0
        return False

    def delete(self, root: str, key: str, view: int = 64) -> bool:
        """Delete a key with all below it; tell whether it was there."""
        import winreg

        below = self.keys(root, key, view)
        if below is None:
            return False
        for name in below:
            self.delete(root, rf"{key}\{name}", view)
        winreg.DeleteKeyEx(getattr(winreg, root), key, self._flags(view), 0)
        return True

    # -- the rest ---------------------------------------------------------------------------------

    def marked_files(self, paths: Iterable[Path]) -> list[Path]:
        """Files that carry the Mark of the Web."""
        return [p for p in paths if Path(f"{p}:Zone.Identifier").exists()]

    def unmark(self, path: Path) -> None:
        """Take the Mark of the Web from a file."""
        Path(f"{path}:Zone.Identifier").unlink()

    def can_import(self, module: str) -> str | None:
        """Return why a module cannot be imported, or None."""
        try:
            __import__(module)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return None

    def probe(self, seconds: float = 90.0) -> dict[str, Any]:
        """Start the server as Excel does, through COM, and ask it.

        Raises
        ------
        HostError
            It does not start, does not answer in time, or fails.
        """
        command = [str(self.python), "-P", "-c", PROBE]
        # Keep Windows from opening a console for it.
        flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                encoding="utf-8",
                timeout=seconds,
                creationflags=flags,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise HostError(
                Phrase("the server did not answer within {seconds:.0f} s", seconds=seconds)
            ) from None
        if done.returncode:
            lines = done.stderr.strip().splitlines()
            raise HostError(lines[-1] if lines else f"the probe ended with code {done.returncode}")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer
