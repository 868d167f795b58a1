"""A real LibreOffice Calc for tests: opens, recalculates, reads, edits, saves and shows workbooks.

The office runs in a helper process under the system's Python (``calc_worker.py``), because ``uno`` belongs to
that interpreter; the two talk JSON over a pipe. One :class:`Calc` serves a whole test run.

>>> with Calc() as calc, calc.open("book.xlsx") as book:   # doctest: +SKIP
...     book.recalculate()
...     book.read("Sheet1!A1:B2")
[[1.0, 'text'], [None, CellError(code=32767, text='#N/A')]]
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

__all__ = ["Book", "Calc", "CalcError", "CellError", "missing"]

NOT_A_WORD = re.compile(r"[^\w-]+")
GRID_GREY = 212
WORKER = Path(__file__).with_name("calc_worker.py")

Pixels = NDArray[np.uint8]


class CalcError(RuntimeError):
    """LibreOffice refused, failed, or did not answer in time."""


@dataclass(frozen=True, slots=True)
class CellError:
    """An error cell: LibreOffice's code (32767 #N/A, 503 #NUM!, 519 #VALUE!, 525 #NAME?) and its text."""

    code: int
    text: str


@functools.cache
def _soffice() -> str | None:
    return shutil.which("soffice") or shutil.which("libreoffice")


@functools.cache
def _python() -> str | None:
    """The interpreter that can import uno: the system's, never the one of a virtual environment."""
    for folder in os.defpath.split(os.pathsep):
        python = shutil.which("python3", path=folder) if folder else None
        if python and subprocess.run([python, "-c", "import uno"], capture_output=True).returncode == 0:
            return python
    return None


def missing() -> str | None:
    """Why Calc cannot run here, or None when it can."""
    if _soffice() is None:
        return "LibreOffice is not installed (tests/hosts/install.sh installs it)"
    if _python() is None:
        return "no system Python with uno (tests/hosts/install.sh installs python3-uno)"
    return None


class Calc:
    """One private soffice with its own profile; a context manager.

    Parameters
    ----------
    recalculate : {"never", "always"}
        What happens to formulas when a file opens; ``never`` shows the cached values.
    extensions : sequence of path
        Extension files (.oxt) to install into the private profile at the start.
    environment : mapping, optional
        Variables to add to the office's environment (PYTHONPATH of an add-in, for one).
    timeout : float
        Seconds to wait for any one answer; then the office is ended and :class:`CalcError` raised.
    """

    def __init__(
        self,
        *,
        recalculate: str = "never",
        extensions: Sequence[Path | str] = (),
        environment: Mapping[str, str] | None = None,
        timeout: float = 120.0,
    ) -> None:
        reason = missing()
        if reason:
            raise CalcError(reason)
        self.timeout = timeout
        self.profile = Path(tempfile.mkdtemp(prefix="xlkmv-calc-"))
        # A virtual environment's variables would mislead the system's Python.
        base = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON") and k != "VIRTUAL_ENV"}
        self._errors = (self.profile / "worker.err").open("wb")
        self._process = subprocess.Popen(
            [str(_python()), str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=base | dict(environment or {}),
        )
        try:
            self.call("start", str(_soffice()), str(self.profile), recalculate)
            for path in extensions:
                self.add_extension(path)
        except BaseException:
            self.close()
            raise

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Ask the worker; see ``Office`` in calc_worker.py for what it can do."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        try:
            stdin.write(json.dumps({"call": name, "args": args, "kwargs": kwargs}).encode() + b"\n")
            stdin.flush()
        except OSError as error:
            raise CalcError(f"LibreOffice is gone: {self.log()}") from error
        if not select.select([stdout], [], [], self.timeout)[0]:
            self._kill()
            raise CalcError(f"LibreOffice did not answer {name} within {self.timeout:g} s: {self.log()}")
        line = stdout.readline()
        if not line:
            raise CalcError(f"LibreOffice ended during {name}: {self.log()}")
        answer = json.loads(line)
        if "error" in answer:
            raise CalcError(f"{name}: {answer['error']}")
        return answer["result"]

    def log(self) -> str:
        """The last words of the worker and the office."""
        texts = [
            path.read_text("utf-8", "replace").strip()
            for path in (self.profile / "worker.err", self.profile / "soffice.err")
            if path.exists()
        ]
        return "\n".join(text[-2000:] for text in texts if text) or "no message"

    def version(self) -> str:
        """Version of LibreOffice, such as ``25.2.3.2``."""
        return str(self.call("version"))

    def add_extension(self, path: Path | str) -> str:
        """Install an .oxt into the private profile and start again (books close); returns its name."""
        return str(self.call("add_extension", str(path)))

    def open(self, path: Path | str | None = None, *, macros: bool = False) -> Book:
        """Open a file (None: a new empty workbook)."""
        if path is not None and not Path(path).is_file():
            raise FileNotFoundError(path)
        number = self.call("open", None if path is None else str(Path(path).resolve()), macros)
        return Book(self, number, None if path is None else Path(path))

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):  # the worker leads its own process group
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """End the office and remove its profile; safe to call twice."""
        if self._process.stdin and not self._process.stdin.closed:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(40)
        except subprocess.TimeoutExpired:
            self._kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
        self._errors.close()
        shutil.rmtree(self.profile, ignore_errors=True)

    def __enter__(self) -> Calc:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Book:
    """An open workbook. Addresses are ``Sheet!A1:B2``, a defined name, or the name of an Excel table."""

    def __init__(self, calc: Calc, number: int, path: Path | None) -> None:
        self.calc, self.number, self.path = calc, number, path

    def _call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return self.calc.call(name, self.number, *args, **kwargs)

    @property
    def sheets(self) -> list[str]:
        """Names of the sheets, in order."""
        return list(self._call("sheets"))

    def recalculate(self) -> None:
        """Compute every formula anew, whatever the cached values say."""
        self._call("recalculate")

    def read(self, address: str) -> list[list[Any]]:
        """Values of a range: float, str, None for blank, :class:`CellError`."""
        return [
            [CellError(v["error"], v["text"]) if isinstance(v, dict) else v for v in row]
            for row in self._call("read", address)
        ]

    def value(self, address: str) -> Any:
        """Value of one cell."""
        return self.read(address)[0][0]

    def text(self, address: str) -> list[list[str]]:
        """What the cells show, after number formats."""
        return list(self._call("text", address))

    def formulas(self, address: str) -> list[list[str]]:
        """The cells as one would type them in Excel; an array formula stands in braces."""
        return list(self._call("formulas", address))

    def write(self, address: str, rows: Any) -> None:
        """Type a value, or rows of values from an upper left corner.

        Text that starts with ``=`` is a formula as Excel would take it; None clears the cell.
        """
        table = rows if isinstance(rows, (list, tuple)) else [[rows]]
        self._call("write", address, table)

    def array_formula(self, address: str, formula: str) -> None:
        """Enter an array formula (Ctrl+Shift+Enter) over a range."""
        self._call("array_formula", address, formula)

    def used(self, sheet: str) -> tuple[int, int]:
        """Number of columns and rows up to the last cell that holds something."""
        column, row = self._call("used", sheet)
        return column + 1, row + 1

    def run_macro(self, name: str, *args: Any) -> Any:
        """Run a macro of the book, ``Module1.Main``; the book must be opened with macros=True."""
        return self._call("run_macro", name, args)

    def dispatch(self, command: str) -> None:
        """Send a menu command: ``.uno:Calculate`` or the URL of an extension's entry."""
        self._call("dispatch", command)

    def save(self, path: Path | str) -> Path:
        """Write a copy; the suffix chooses the format (.xlsx .xlsm .ods .csv .pdf)."""
        self._call("save", str(Path(path).resolve()))
        return Path(path)

    def picture(self, sheet: str, path: Path | str, *, dpi: int = 96, rows: int = 400) -> Path:
        """Write one sheet as a PNG picture, near to what the screen shows at 100 %; changes the page setup.

        Parameters
        ----------
        sheet : str
        path : path
            Where the picture goes.
        dpi : int
            96 shows the sheet at 100 %.
        rows : int
            Longer sheets are cut here (charts are never cut).
        """
        target = Path(path)
        grid, headings = _view(self.path).get(sheet, (True, True))
        plain = self._pixels(sheet, dpi, rows, headings, grid=False)
        if grid:  # print shows a black grid over everything, the screen a pale one on unfilled cells
            lined = self._pixels(sheet, dpi, rows, headings, grid=True)
            line = (lined != plain).any(axis=2) & (plain == 255).all(axis=2)
            plain[line] = GRID_GREY
        target.write_bytes(_png(plain))
        return target

    def printed(self, sheet: str) -> str:
        """Text of a sheet as it is printed, number formats of conditions and all; changes the page setup."""
        with tempfile.TemporaryDirectory(prefix="xlkmv-pdf-") as folder:
            pdf = Path(folder) / "sheet.pdf"
            self._call("sheet_pdf", sheet, str(pdf), headings=False, grid=False)
            command = ["pdftotext", "-layout", str(pdf), "-"]
            return subprocess.run(command, check=True, capture_output=True).stdout.decode()

    def _pixels(self, sheet: str, dpi: int, rows: int, headings: bool, grid: bool) -> Pixels:
        """One sheet as an array of height x width x 3 bytes."""
        with tempfile.TemporaryDirectory(prefix="xlkmv-pdf-") as folder:
            pdf = Path(folder) / "sheet.pdf"
            self._call("sheet_pdf", sheet, str(pdf), rows, grid, headings)
            command = ["pdftoppm", "-singlefile", "-r", str(dpi), str(pdf)]
            image = subprocess.run(command, check=True, capture_output=True).stdout
        magic, width, height, depth, body = re.match(
            rb"(P6)\s(\d+)\s(\d+)\s(\d+)\s(.*)", image, re.S
        ).groups()
        assert (magic, depth) == (b"P6", b"255")
        return np.frombuffer(body, np.uint8).reshape(int(height), int(width), 3).copy()

    def pictures(
        self,
        folder: Path | str,
        *,
        dpi: int = 96,
        rows: int = 400,
        only: Sequence[str] | None = None,
    ) -> list[Path]:
        """Write the visible sheets as ``01_Home.png``, ``02_Pool.png``, ...; ``only`` chooses some."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        names = [(i, name) for i, name in enumerate(self.sheets, 1) if self._call("is_visible", name)]
        return [
            self.picture(name, target / f"{i:02d}_{NOT_A_WORD.sub('_', name)}.png", dpi=dpi, rows=rows)
            for i, name in names
            if only is None or name in only
        ]

    def close(self) -> None:
        """Close without saving."""
        self._call("close")

    def __enter__(self) -> Book:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(CalcError):
            self.close()


def _png(pixels: Pixels) -> bytes:
    """Pixels as a PNG file (ISO/IEC 15948): 8 bits a channel, no filter."""
    height, width, _ = pixels.shape

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    scanlines = np.zeros((height, 1 + 3 * width), np.uint8)
    scanlines[:, 1:] = pixels.reshape(height, 3 * width)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
            chunk(b"IDAT", zlib.compress(scanlines.tobytes(), 6)),
            chunk(b"IEND", b""),
        )
    )


def _view(path: Path | None) -> dict[str, tuple[bool, bool]]:
    """Whether each sheet of an .xlsx file shows its grid and its headings; headless Calc forgets it."""
    if path is None or not zipfile.is_zipfile(path):
        return {}
    main = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    relation = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
    with zipfile.ZipFile(path) as package:
        if "xl/workbook.xml" not in package.namelist():
            return {}
        targets = {
            node.get("Id"): node.get("Target", "")
            for node in ElementTree.fromstring(package.read("xl/_rels/workbook.xml.rels"))
        }
        views = {}
        for node in ElementTree.fromstring(package.read("xl/workbook.xml")).iter(f"{main}sheet"):
            target = targets[node.get(relation)]
            part = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
            view = ElementTree.fromstring(package.read(part)).find(f"{main}sheetViews/{main}sheetView")
            shown = {} if view is None else view.attrib
            views[str(node.get("name"))] = (
                shown.get("showGridLines", "1") in ("1", "true"),
                shown.get("showRowColHeaders", "1") in ("1", "true"),
            )
        return views
