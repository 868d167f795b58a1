"""What runs inside LibreOffice: the worksheet functions and the KMV menu.

This file is copied into ``xlkmv.oxt`` by :mod:`xlkmv.build.calc_addin` and run by LibreOffice's own
Python. That Python has no numpy and does not know where xlkmv is installed, so the extension carries
``environment.json``: the folders of the environment that installed it, its Python version, and the
names of the functions. xlkmv is imported at the first call, not when LibreOffice starts.
"""

from __future__ import annotations

import functools
import json
import shutil
import struct
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uno
import unohelper
from com.sun.star.awt.MessageBoxType import ERRORBOX, INFOBOX
from com.sun.star.frame import XDispatch, XDispatchProvider
from com.sun.star.lang import XInitialization, XServiceInfo

if TYPE_CHECKING:  # LibreOffice's Python may be of any version, and looks for xlkmv at the first call
    from xlkmv.functions.registry import Function

    Row = tuple[float | str, ...]

__all__ = ["Menu", "make_functions"]

ENVIRONMENT: dict[str, Any] = json.loads(Path(__file__).with_name("environment.json").read_text("utf-8"))
# An error value is a NaN that carries LibreOffice's number for it.
CODES = {"#N/A": 32767, "#NUM!": 503, "#VALUE!": 519, "#NAME?": 525}
ERRORS = {
    name: struct.unpack("<d", struct.pack("<Q", 0x7FF8 << 48 | code))[0] for name, code in CODES.items()
}
FUNCTIONS_SERVICES = ("org.xlkmv.Functions",)
WORKBOOKS = (".xlsx", ".xlsm")
LONGEST_BOX = 25  # lines that fit on a small screen


class UnusableError(Exception):
    """Why xlkmv cannot run here, or why this document cannot be refreshed."""


# ------------------------------------------------------------------------------ finding xlkmv

_registry: Mapping[str, Function] | UnusableError | None = None


def registry() -> Mapping[str, Function]:
    """Return the worksheet functions by name, imported once; raise UnusableError with the reason."""
    global _registry
    if _registry is None:
        try:
            _registry = _import()
        except UnusableError as error:
            _registry = error
            print(f"xlkmv: {error}", file=sys.stderr)
    if isinstance(_registry, UnusableError):
        raise _registry
    return _registry


def _import() -> Mapping[str, Function]:
    here, there = f"{sys.version_info[0]}.{sys.version_info[1]}", ENVIRONMENT["python"]
    if here != there:
        raise UnusableError(
            f"LibreOffice runs Python {here}, but xlkmv was installed for it by Python {there} "
            f"({ENVIRONMENT['executable']}). Install xlkmv with a Python {here} "
            "and run its 'xlkmv install --libreoffice'."
        )
    # In front, because a numpy of the system may be older than the one xlkmv was installed with.
    sys.path[:0] = [folder for folder in ENVIRONMENT["folders"] if folder not in sys.path]
    try:
        from xlkmv.functions import FUNCTIONS
    except Exception as error:
        raise UnusableError(
            f"xlkmv cannot be loaded from {', '.join(ENVIRONMENT['folders'])} "
            f"({type(error).__name__}: {error}). Run 'xlkmv install --libreoffice' again."
        ) from error
    return FUNCTIONS


# ---------------------------------------------------------------------------- the functions


def cell_in(value: Any) -> Any:
    """One argument as Excel would hand it over: a number, a text, None, or rows of these."""
    if isinstance(value, tuple):
        rows = [[None if cell == "" else cell for cell in row] for row in value]
        return rows[0][0] if len(rows) == 1 and len(rows[0]) == 1 else rows
    return value


def cell_out(value: Any) -> float | str:
    """One result as a cell of Calc."""
    if isinstance(value, float):
        return value
    if isinstance(value, (bool, int)):
        return float(value)
    return value if isinstance(value, str) else ERRORS[str(value)]


def call(name: str, arguments: Sequence[Any]) -> tuple[Row, ...]:
    """Compute a function as rows of cells; never raises, as nothing in a cell could show it.

    A single result is one row of one cell, because Python can put a table into a declared
    type only, not into an ``any``.
    """
    try:
        function = registry().get(name)
        if function is None:
            return ((ERRORS["#NAME?"],),)
        return (table if function.shape == "table" else compute)(name, arguments)
    except UnusableError:
        return ((ERRORS["#NAME?"],),)
    except Exception:
        traceback.print_exc()
        return ((ERRORS["#VALUE!"],),)


def compute(name: str, arguments: Sequence[Any]) -> tuple[Row, ...]:
    """Compute a function of the registry on the arguments of a cell."""
    function = registry()[name]
    if function.variadic:
        *arguments, more = arguments
        arguments = [*arguments, *more]
    result = function(*map(cell_in, arguments))
    rows = result if isinstance(result, list) else [[result]]
    return tuple(tuple(cell_out(cell) for cell in row) for row in rows)


# Where tables do not spill, each of their cells asks for the whole table.
table = functools.lru_cache(maxsize=32)(compute)


class Service(unohelper.Base, XServiceInfo):
    """What LibreOffice asks of every service, in its own spelling."""

    SERVICES: tuple[str, ...] = ()

    def __init__(self, context: Any) -> None:
        self.context = context

    def getImplementationName(self) -> str:  # noqa: N802
        return self.SERVICES[0]

    def supportsService(self, name: str) -> bool:  # noqa: N802
        return name in self.SERVICES

    def getSupportedServiceNames(self) -> tuple[str, ...]:  # noqa: N802
        return self.SERVICES


def _method(name: str) -> Callable[..., tuple[Row, ...]]:
    return lambda self, *arguments: call(name, arguments)


@functools.cache
def _functions_class() -> type[Service]:
    # The interface of XFunctions.idl; while the extension is being registered it is not known yet.
    from org.xlkmv import XFunctions

    methods = {internal: _method(name) for internal, name in ENVIRONMENT["functions"].items()}
    return type("Functions", (Service, XFunctions), {"SERVICES": FUNCTIONS_SERVICES, **methods})


def make_functions(context: Any) -> Service:
    """Make the add-in: an object with one method per function."""
    return _functions_class()(context)


# --------------------------------------------------------------------------------- the menu


class Menu(Service, XDispatchProvider, XDispatch, XInitialization):
    """Runs the entries of the KMV menu: ``org.xlkmv.menu:refresh``, ``quick``, ``solve`` and so on."""

    SERVICES: tuple[str, ...] = ("org.xlkmv.Menu", "com.sun.star.frame.ProtocolHandler")
    PROTOCOL = "org.xlkmv.menu:"
    frame: Any = None

    def initialize(self, arguments: Sequence[Any]) -> None:
        """Take the window that the menu belongs to."""
        if arguments:
            self.frame = arguments[0]

    def queryDispatch(self, url: Any, target: str, flags: int) -> Menu | None:  # noqa: N802
        return self if url.Complete.startswith(self.PROTOCOL) else None

    def queryDispatches(self, requests: Sequence[Any]) -> tuple[Menu | None, ...]:  # noqa: N802
        return tuple(self.queryDispatch(r.FeatureURL, r.FrameName, r.SearchFlags) for r in requests)

    def addStatusListener(self, listener: Any, url: Any) -> None:  # noqa: N802
        pass

    def removeStatusListener(self, listener: Any, url: Any) -> None:  # noqa: N802
        pass

    def dispatch(self, url: Any, arguments: Sequence[Any]) -> None:
        """Run a menu entry; whatever goes wrong is said in a message box."""
        try:
            command = url.Complete.removeprefix(self.PROTOCOL)
            if command == "check":
                self.check()
            else:
                self.compute(command)
        except UnusableError as error:
            self.say(ERRORBOX, str(error))
        except Exception as error:
            # The errors of xlkmv are sentences for the user; any other is a fault to report.
            own = type(error).__module__ == "xlkmv.errors"
            self.say(ERRORBOX, str(error) if own else traceback.format_exc())

    def say(self, kind: Any, message: str) -> None:
        """Show a message box; the whole text also goes to the terminal."""
        print(f"xlkmv: {message}", file=sys.stderr, flush=True)
        lines = message.splitlines()
        if len(lines) > LONGEST_BOX:
            message = "\n".join([*lines[:LONGEST_BOX], f"... and {len(lines) - LONGEST_BOX} more lines"])
        window = self.frame.getContainerWindow()
        box = window.getToolkit().createMessageBox(window, kind, 1, "KMV", message)
        box.execute()
        box.dispose()

    def check(self) -> None:
        """Tell which xlkmv serves the functions."""
        functions = registry()
        lines = [
            f"xlkmv {functions['KMV_VERSION']()} works: {len(functions)} functions.",
            f"It is loaded from {ENVIRONMENT['folders'][0]}.",
        ]
        if sorted(functions) != sorted(ENVIRONMENT["functions"].values()):
            lines.append("It has other functions than this extension: run 'xlkmv install --libreoffice'.")
        self.say(INFOBOX, "\n".join(lines))

    def compute(self, command: str) -> None:
        """Save the workbook; refresh, solve or compare its file and show it here, or write its memo."""
        registry()
        from xlkmv.refresh.cases import compare_book, save_case
        from xlkmv.refresh.memo import write_memo
        from xlkmv.refresh.run import refresh
        from xlkmv.refresh.solving import solve_book
        from xlkmv.refresh.timeleft import TimeLeft
        from xlkmv.workbook.book import open_book

        document = self.frame.getController().getModel()
        url = document.getURL()
        path = Path(uno.fileUrlToSystemPath(url)) if url.startswith("file:") else None
        if path is None or path.suffix.lower() not in WORKBOOKS:
            raise UnusableError("KMV works on a saved .xlsx or .xlsm workbook: save it as one first.")
        if document.isModified():
            document.store()
        status = self.frame.createStatusIndicator()
        status.start("KMV", 100)
        time_left = TimeLeft()

        def progress(what: str, share: float) -> None:
            status.setText(", ".join(filter(None, [f"KMV: {what}", time_left(share)])))
            status.setValue(round(100 * share))

        try:
            with tempfile.TemporaryDirectory() as folder:
                # The workbook itself is locked by this very window.
                copy = Path(shutil.copy2(path, folder))
                book = open_book(copy)
                if command == "memo":
                    (page,) = write_memo(book, path.with_suffix(".html"), progress=progress).written
                    self.say(INFOBOX, f"The memo is written: {page}")
                    return
                if command == "solve":
                    solve_book(book, progress)
                elif command == "case":
                    save_case(book, lambda case: shutil.copy2(path, case), folder=path.parent)
                elif command == "compare":
                    compare_book(book, progress, folder=path.parent)
                else:
                    refresh(book, progress, message="refreshed in LibreOffice", quick=command == "quick")
                fresh = shutil.copy2(book.save(), path.with_name(f".{path.name}.refreshed"))
            Path(fresh).replace(path)
        finally:
            status.end()
        helper = self.context.ServiceManager.createInstanceWithContext(
            "com.sun.star.frame.DispatchHelper", self.context
        )
        helper.executeDispatch(self.frame, ".uno:Reload", "", 0, ())


g_ImplementationHelper: Any = unohelper.ImplementationHelper()  # noqa: N816  (LibreOffice looks for this name)
g_ImplementationHelper.addImplementation(make_functions, FUNCTIONS_SERVICES[0], FUNCTIONS_SERVICES)
g_ImplementationHelper.addImplementation(Menu, Menu.SERVICES[0], Menu.SERVICES)
