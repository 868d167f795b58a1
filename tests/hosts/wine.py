"""A Windows Python, COM and VBScript for tests, under Wine.

``tests/hosts/install.sh`` builds the Windows Python and a clean Wine prefix. A :class:`Wine` runs on a copy
of that prefix, so that tests may register, install and break what they like; it ends with everything in it,
even when the test run is killed.

>>> with Wine() as wine:                                         # doctest: +SKIP
...     wine.python("-c", "import sys; print(sys.platform)").output
'win32\\n'
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

__all__ = ["Result", "Wine", "WineError", "missing"]

ROOT = Path(__file__).resolve().parents[2]
# Microsoft's C runtime beside python.exe comes before Wine's; no Mono, no browser.
OVERRIDES = "mscoree,mshtml=;ucrtbase,vcruntime140,vcruntime140_1=n,b"

# A program that was just starting brings up a new server after the kill: repeat until there is none.
GUARD = r"""
cat > /dev/null
prefix=$WINEPREFIX quiet=0
while [ $quiet -lt 3 ]; do
    busy=
    wineserver -k && busy=1
    # A program that was just starting would bring up a server of its own: end it, too.
    for place in /proc/[0-9]*; do
        [ "$place" = "/proc/$$" ] && continue
        if tr '\0' '\n' < "$place/environ" | grep -qxF "WINEPREFIX=$prefix"; then
            kill -9 "${place#/proc/}" && busy=1
        fi
    done
    if [ "$busy" ]; then quiet=0; else quiet=$((quiet + 1)); fi
    sleep 0.2
done
rm -rf "$prefix"
"""


class WineError(RuntimeError):
    """A Windows program failed, or did not end in time."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a Windows program left: its exit code and all that it wrote."""

    code: int
    output: str


def home() -> Path:
    """Where ``install.sh`` put the Windows Python: XLKMV_HOSTS or ``.hosts`` in the checkout."""
    return Path(os.environ.get("XLKMV_HOSTS") or ROOT / ".hosts") / "windows"


def missing() -> str | None:
    """Why Wine cannot run here, or None when it can."""
    if shutil.which("wine") is None or shutil.which("wineserver") is None:
        return "Wine is not installed (tests/hosts/install.sh installs it)"
    if not (home() / "stamp").exists():
        return f"no Windows Python in {home()} (tests/hosts/install.sh builds it)"
    return None


class Wine:
    """A private Windows: its own drive C and registry; a context manager.

    Parameters
    ----------
    timeout : float
        Seconds that a program may take unless a call says otherwise.
    """

    def __init__(self, *, timeout: float = 120.0) -> None:
        reason = missing()
        if reason:
            raise WineError(reason)
        self.timeout = timeout
        self.python_folder = home() / "python"
        self.prefix = home() / f"session-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        shutil.copytree(home() / "prefix", self.prefix, symlinks=True, copy_function=self._copy)
        inherited = {
            k: v
            for k, v in os.environ.items()
            if not k.startswith(("PYTHON", "WINE", "COV_", "PYTEST")) and k not in ("DISPLAY", "VIRTUAL_ENV")
        }
        self.environment = inherited | {
            "WINEPREFIX": str(self.prefix),
            "WINEARCH": "win64",
            "WINEDEBUG": "-all",
            "WINEDLLOVERRIDES": OVERRIDES,
            "PYTHONPATH": self.windows_path(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        # The guard outlives us by a moment: when its stdin closes, for whatever reason, it ends this Windows.
        self._guard = subprocess.Popen(
            ["sh", "-c", GUARD],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self.environment,
            start_new_session=True,
        )
        try:
            # Services must start here, on no pipe of ours, or the pipes of the first program never close.
            for command in (["wineserver", "-p"], ["wine", "wineboot"]):
                subprocess.run(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=self.environment,
                    check=True,
                    timeout=60,
                )
        except BaseException:
            self.close()
            raise

    def _copy(self, source: str, target: str) -> str:
        """Share the files of C:\\windows; copy the registry and the user's folders."""
        if "/drive_c/windows/" in source:
            os.link(source, target)
            return target
        return shutil.copy2(source, target)

    @staticmethod
    def windows_path(path: Path | str) -> str:
        """A Unix path as Windows programs see it, on drive Z."""
        return str(PureWindowsPath("Z:/", *PurePosixPath(Path(path).resolve()).parts[1:]))

    def unix_path(self, path: str) -> Path:
        """A Windows path on drive C or Z as a Unix path."""
        drive, *parts = PureWindowsPath(path).parts
        return Path("/" if drive[:1].upper() == "Z" else self.prefix / f"drive_{drive[0].lower()}", *parts)

    def start(
        self, *command: str | Path, cwd: Path | str | None = None, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a Windows program; read its output with :meth:`finish`."""
        return subprocess.Popen(
            ["wine", *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,  # a pipe: Windows Python fails at start-up on a file or /dev/null
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=self.environment | dict(env or {}),
        )

    def finish(
        self,
        process: subprocess.Popen[bytes],
        *,
        check: bool = True,
        timeout: float | None = None,
        encoding: str = "utf-8",
    ) -> Result:
        """Wait for a started program.

        Raises
        ------
        WineError
            If it takes too long; with ``check``, also if its exit code is not 0.
        """
        assert process.stdout is not None
        limit = self.timeout if timeout is None else timeout
        deadline, pipe, raw = time.monotonic() + limit, process.stdout.fileno(), b""
        while True:
            # What it started may hold the pipe open after its end: then an empty pipe is the end of it.
            ended = process.poll() is not None
            if select.select([pipe], [], [], 0.1)[0]:
                more = os.read(pipe, 1 << 16)
                raw += more
                ended = ended or not more
                if more:
                    continue
            if ended or time.monotonic() > deadline:
                break
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(deadline - time.monotonic(), 0.0))
        process.stdout.close()
        if process.returncode is None:
            process.kill()
            process.wait()
            said = raw.decode(encoding, "replace")
            raise WineError(f"{_shown(process)} did not end within {limit:g} s:\n{said}")
        result = Result(process.returncode, raw.decode(encoding, "replace").replace("\r\n", "\n"))
        if check and result.code:
            raise WineError(f"{_shown(process)} ended with code {result.code}:\n{result.output}")
        return result

    def run(
        self,
        *command: str | Path,
        cwd: Path | str | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = True,
        timeout: float | None = None,
    ) -> Result:
        """Run a Windows program to its end: ``wine.run("reg", "query", r"HKCU\\Software")``."""
        return self.finish(self.start(*command, cwd=cwd, env=env), check=check, timeout=timeout)

    def python(
        self,
        *arguments: str | Path,
        cwd: Path | str | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = True,
        timeout: float | None = None,
    ) -> Result:
        """Run the Windows Python; the checkout is on its path."""
        return self.run(self.python_exe, "-u", *arguments, cwd=cwd, env=env, check=check, timeout=timeout)

    @property
    def python_exe(self) -> str:
        """The Windows Python, as a Windows path."""
        return self.windows_path(self.python_folder) + "\\python.exe"

    def cscript(
        self,
        body: str,
        procedures: str = "",
        *,
        chinese: bool = False,
        check: bool = True,
        timeout: float | None = None,
    ) -> Result:
        """Run VBScript: ``body`` inside a Sub, which may call the Subs and Functions in ``procedures``.

        Wine's cscript ends silently, with code 0, at an error; here it ends with code 1 and the error's
        number and text. Script and output are ASCII, or with ``chinese`` code page 936 in a
        Chinese Windows.
        """
        done = f"done {uuid.uuid4().hex}"
        script = (
            f"{procedures}\nSub Main_()\n{body}\nEnd Sub\n"
            "On Error Resume Next\nMain_\n"
            'If Err.Number <> 0 Then\nWScript.Echo "error " & Err.Number & ": " & Err.Description\n'
            f'WScript.Quit 1\nEnd If\nWScript.Echo "{done}"\n'
        )
        path = self.prefix / "drive_c" / f"{uuid.uuid4().hex}.vbs"
        encoding, env = ("cp936", {"LC_ALL": "zh_CN.UTF-8"}) if chinese else ("ascii", {})
        path.write_text(script, encoding=encoding, newline="\r\n")
        process = self.start("cscript", "//nologo", f"C:\\{path.name}", env=env)
        result = self.finish(process, check=check, timeout=timeout, encoding=encoding)
        path.unlink()
        output = result.output.removesuffix(f"{done}\n")
        if result.code == 0 and output == result.output:
            result = Result(1, f"{output}the script stopped before its end (wrong syntax?)\n")
            if check:
                raise WineError(f"{result.output}{script}")
        return Result(result.code, output) if result.code == 0 else result

    def registry(self, key: str) -> str:
        """A key of the registry with all below it, as ``reg export`` writes it; empty when absent."""
        path = self.prefix / "drive_c" / f"{uuid.uuid4().hex}.reg"
        done = self.run("reg", "export", key, f"C:\\{path.name}", "/y", check=False)
        if done.code or not path.exists():
            return ""
        text = path.read_text("utf-16")
        path.unlink()
        return text

    def kill(self, image: str) -> None:
        """End every process of a program, such as ``pythonw.exe``, the hard way."""
        self.run("taskkill", "/f", "/im", image, check=False)

    def close(self) -> None:
        """End this Windows and remove it; safe to call twice."""
        if self._guard.stdin and not self._guard.stdin.closed:
            self._guard.stdin.close()
        self._guard.wait(60)

    def __enter__(self) -> Wine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _shown(process: subprocess.Popen[bytes]) -> str:
    return " ".join(map(str, process.args)) if isinstance(process.args, list) else str(process.args)
