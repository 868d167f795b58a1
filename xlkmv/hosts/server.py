"""The Python behind the sheets: a COM server that Windows starts by itself.

``xlkmv install`` registers the class for the user; the first formula or button makes Windows
start ``pythonw -P -m xlkmv.hosts.server`` under the Python that installed it. The server is
xlwings' own: its COM loop, its dispatch of worksheet functions, its decorators. But instead
of xlwings' class, which would also evaluate any text as Python, it publishes :class:`Server`,
which can do only what the sheets need. It ends when the last workbook lets go of it.

The VBA side is ``xlkmv/build/vba_src/KmvServer.bas``.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlkmv.errors import OUT_OF_MEMORY, BookInputError, XlkmvError
from xlkmv.phrase import Phrase, Say, said

if TYPE_CHECKING:  # what the first cell need not wait for
    from xlkmv.refresh.run import Progress
    from xlkmv.workbook.book import Book

__all__ = ["CLSID", "PROGID", "TEMPLATE", "Server", "data_folder", "main", "serve"]

CLSID = "{6B9D2C1E-3F54-4A0B-9C77-0E5D8A41B2F6}"
PROGID = "xlkmv.Server"
FUNCTION_MODULE = "xlkmv.functions"
TEMPLATE = "KMV_Template.xlsm"
# A message box shows little more than this.
LONGEST_MESSAGE = 900
# What is left of a message of Excel for why a tape was refused.
LONGEST_IMPORT = 800
PROBLEMS_SHOWN = 8
SLOW_SECONDS = 2.0

log: logging.Logger = logging.getLogger("xlkmv")

Rows = list[list[Any]]
Dispatch = Callable[[str, Sequence[Any]], Rows]


def data_folder() -> Path:
    """Folder of the user's log and template: %LOCALAPPDATA%\\xlkmv, or ~/.xlkmv elsewhere."""
    local = os.environ.get("LOCALAPPDATA")
    return Path(local) / "xlkmv" if local else Path.home() / ".xlkmv"


class Server:
    """What Excel may ask for. Every answer is a value, rows of values, or a text; nothing raises.

    Parameters
    ----------
    dispatch : callable, optional
        Calls a worksheet function by name with raw COM values; by default without xlwings.
    """

    _public_methods_ = (
        "Call",
        "Refresh",
        "Solve",
        "SaveCase",
        "Memo",
        "Compare",
        "Import",
        "Version",
        "Check",
        "Template",
        "ProcessId",
    )

    def __init__(self, dispatch: Dispatch | None = None) -> None:
        self._dispatch = dispatch or _plain_dispatch

    def Call(self, name: str, arguments: Sequence[Any] | None) -> Any:  # noqa: N802
        """Call a worksheet function.

        Parameters
        ----------
        name : str
            Such as ``KMV_PD``.
        arguments : sequence
            Values as COM delivers them, in the order of the signature.

        Returns
        -------
        object
            See :func:`xlkmv.functions.com.marked`.
        """
        from xlkmv.functions.com import ErrorText, marked

        started = time.perf_counter()
        try:
            answer = marked(self._dispatch(name, tuple(arguments or ())))
        except Exception:
            log.exception("call of %s failed", name)
            return marked([[ErrorText("#VALUE!")]])
        seconds = time.perf_counter() - started
        if seconds > SLOW_SECONDS:
            log.warning("call of %s took %.1f s", name, seconds)
        return answer

    def Refresh(self, workbook: Any, quick: bool = False) -> Rows:  # noqa: N802
        """Refresh a workbook that is open in Excel.

        Parameters
        ----------
        workbook : object
            Excel's Workbook.
        quick : bool
            Whether a quick look is enough: the KMV view and 10,000 paths.

        Returns
        -------
        list of list
            First ``[outcome, message, ""]``; outcome is done, wrong, stopped or failed. After
            "wrong" come the wrong cells, in one row if they are wrong alike: a link, what they
            hold, the rule.
        """
        return _tried("Refresh", lambda: _refresh(workbook, bool(quick)))

    def Solve(self, workbook: Any) -> Rows:  # noqa: N802
        """Solve a workbook that is open in Excel for the targets on its sheet Structure.

        Parameters
        ----------
        workbook : object
            Excel's Workbook.

        Returns
        -------
        list of list
            As :meth:`Refresh`.
        """
        return _tried("Solve", lambda: _solve(workbook))

    def SaveCase(self, workbook: Any) -> Rows:  # noqa: N802
        """Keep the state of an open workbook as a case beside it.

        Parameters
        ----------
        workbook : object
            Excel's Workbook.

        Returns
        -------
        list of list
            As :meth:`Refresh`.
        """
        return _tried("Save case", lambda: _save_case(workbook))

    def Compare(self, workbook: Any) -> Rows:  # noqa: N802
        """Hold the cases that an open workbook lists against it, on its sheet Compare.

        Parameters
        ----------
        workbook : object
            Excel's Workbook.

        Returns
        -------
        list of list
            As :meth:`Refresh`.
        """
        return _tried("Compare", lambda: _compare(workbook))

    def Memo(self, workbook: Any) -> Rows:  # noqa: N802
        """Write the memo of a workbook that is open in Excel, as a page beside its file.

        Parameters
        ----------
        workbook : object
            Excel's Workbook.

        Returns
        -------
        list of list
            As :meth:`Refresh`; the message says where the memo is.
        """
        return _tried("Memo", lambda: _memo(workbook), "written")

    def Import(self, workbook: Any, tape: str) -> Rows:  # noqa: N802
        """Put the loans of a tape into the pool of a workbook that is open in Excel.

        Parameters
        ----------
        workbook : object
            Excel's Workbook.
        tape : str
            Path of a CSV, Excel or Parquet file.

        Returns
        -------
        list of list
            One row ``[outcome, message, ""]``; outcome is done or failed.
        """
        return _tried("Import", lambda: _import(workbook, tape))

    def Version(self) -> str:  # noqa: N802
        """Version of xlkmv."""
        import xlkmv

        return xlkmv.__version__

    def Check(self, build: str = "") -> str:  # noqa: N802
        """Say what a user needs to know of this server; `build` is the version of the VBA that asks."""
        import xlkmv

        known = self.Call("KMV_PD", (120.0, 100.0, 0.25))
        right = isinstance(known, float) and abs(known - 0.2728266808) < 1e-9
        lines = [
            f"xlkmv {xlkmv.__version__} answers; KMV_PD(120, 100, 0.25) is {'right' if right else 'WRONG'}.",
            f"Python {sys.version.split()[0]}: {sys.executable}",
            f"Log: {log_file()}",
        ]
        if build and build != xlkmv.__version__:
            lines.append(
                f"The macros of this workbook or add-in are of version {build}: run  xlkmv install  again."
            )
        return "\n".join(lines)

    def Template(self) -> str:  # noqa: N802
        """Return the path of the template workbook; empty when it is not installed."""
        path = data_folder() / TEMPLATE
        return str(path) if path.exists() else ""

    def ProcessId(self) -> int:  # noqa: N802
        """Number of the process, by which doctor tells a server that hangs."""
        return os.getpid()


def _plain_dispatch(name: str, arguments: Sequence[Any]) -> Rows:
    from xlkmv.functions import FUNCTIONS
    from xlkmv.functions.com import from_com, to_com

    return to_com(FUNCTIONS[name](*map(from_com, arguments)))


@contextlib.contextmanager
def _hidden(module: str) -> Iterator[None]:
    """Let what is imported meanwhile do without a module that nobody has imported yet."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]  # what an import takes for: there is none
    try:
        yield
    finally:
        del sys.modules[module]


def _xlwings_dispatch() -> Dispatch:
    """Return xlwings' dispatch of decorated functions, for ours only."""
    # xlwings takes pandas along where there is one: half of the wait for the first cell, and for nothing.
    with _hidden("pandas"):
        from xlwings import udfs

    from xlkmv import functions

    # Without a time stamp xlwings does not look at the file on each call, nor loads it anew.
    udfs.udf_modules[FUNCTION_MODULE] = {
        "module": functions,
        "filename": functions.__file__,
        "filetime": None,
    }

    def dispatch(name: str, arguments: Sequence[Any]) -> Rows:
        if name not in functions.FUNCTIONS:
            raise LookupError(f"no worksheet function {name!r}")
        rows: Rows = udfs.call_udf(FUNCTION_MODULE, name, arguments)
        return rows

    return dispatch


def _tried(what: str, work: Callable[[], Rows], done: str = "changed") -> Rows:
    """Answer, whatever goes wrong."""
    try:
        return work()
    except Exception as error:
        log.exception("%s failed", what)
        out_of_memory = isinstance(error, MemoryError)
        reason = OUT_OF_MEMORY if out_of_memory else _short(f"{type(error).__name__}: {error}")
        return [["failed", f"{what} failed; nothing was {done}.\n\n{reason}\n\nLog: {log_file()}", ""]]


def _refresh(workbook: Any, quick: bool) -> Rows:
    from xlkmv.refresh.report import scope
    from xlkmv.refresh.run import refresh

    def work(book: Book, progress: Progress) -> Phrase:
        done = refresh(book, progress, quick=quick)
        passed = all(c.passed for c in done.analysis.checks)
        checks = Phrase("all checks passed") if passed else Phrase("CHECKS FAILED: see sheet Checks")
        found: dict[str, Any] = {"seconds": done.seconds, "checks": checks}
        if quick:
            return Phrase("KMV: {scope}, in {seconds:.1f} s, {checks}", scope=scope(done.analysis), **found)
        return Phrase("KMV: refreshed in {seconds:.1f} s, {checks}", **found)

    return _worked(workbook, "refresh", work)


def _solve(workbook: Any) -> Rows:
    from xlkmv.refresh.solving import solve_book

    def work(book: Book, progress: Progress) -> Phrase:
        done = solve_book(book, progress)
        return Phrase(
            "KMV: solved in {seconds:.1f} s, {count} answers on sheet Structure",
            seconds=done.seconds,
            count=len(done.structure.answers),
        )

    return _worked(workbook, "solve", work, stale=False)


def _save_case(workbook: Any) -> Rows:
    from xlkmv.refresh.cases import save_case

    excel = _opened(workbook).api

    def work(book: Book, progress: Progress) -> Phrase:
        case = save_case(book, lambda path: excel.SaveCopyAs(str(path)))
        return Phrase("KMV: saved as {name}", name=case.name)

    return _worked(workbook, "save case", work, stale=False)


def _compare(workbook: Any) -> Rows:
    from xlkmv.refresh.cases import compare_book

    def work(book: Book, progress: Progress) -> Phrase:
        done = compare_book(book, progress)
        return Phrase(
            "KMV: compared with {count} cases in {seconds:.1f} s, on sheet Compare",
            count=len(done.ways),
            seconds=done.seconds,
        )

    return _worked(workbook, "compare", work, stale=False)


def _memo(workbook: Any) -> Rows:
    from xlkmv.refresh.memo import write_memo

    def work(book: Book, progress: Progress) -> Phrase:
        done = write_memo(book, progress=progress)
        return Phrase(
            "KMV: memo written in {seconds:.1f} s: {path}", seconds=done.seconds, path=str(done.written[0])
        )

    return _worked(workbook, "memo", work, stale=False)


def _worked(workbook: Any, what: str, work: Callable[[Book, Progress], Phrase], stale: bool = True) -> Rows:
    """Compute on an open workbook, and say how it ended; `stale`: wrong inputs make its results so."""
    from xlkmv.refresh.live import CancelledError, LiveBook, escape_pressed, progress_of
    from xlkmv.refresh.wording import speaker

    opened = _opened(workbook)
    excel = opened.api.Application
    book = LiveBook(opened)
    say = speaker(book)
    log.info("%s of %s", what, book.path)
    try:
        escape = escape_pressed(excel) if os.name == "nt" else None
        message = work(book, progress_of(excel, escape, say))
        book.save()
    except BookInputError as error:
        if stale:
            _mark_stale(opened, error.count)
        log.info("%d wrong inputs", error.count)
        return _problems(str(opened.api.Name), error, say)
    except CancelledError as error:
        return [["stopped", error.said(say), ""]]
    except XlkmvError as error:
        log.info("refused: %s", error)
        return [["failed", _short(error.said(say)), ""]]
    log.info("%s", message)
    return [["done", said(message, say), ""]]


def _import(workbook: Any, path: str) -> Rows:
    from xlkmv.refresh.live import LiveBook
    from xlkmv.refresh.wording import speaker
    from xlkmv.tape import import_tape, read_tape, workbook_terms

    book = LiveBook(_opened(workbook))
    _ = speaker(book)
    log.info("import of %s into %s", path, book.path)
    try:
        closing, grades = workbook_terms(book)
        tape = read_tape(path, closing=closing, grades=grades)
        count = import_tape(tape, book)
        book.save()
    except XlkmvError as error:
        log.info("refused: %s", error)
        reason = _short(error.said(_))[:LONGEST_IMPORT]
        more = _("A terminal has more ways:  xlkmv import --help")
        return [["failed", f"{_('Nothing was changed.')}\n\n{reason}\n\n{more}", ""]]
    notes = [Phrase("{count:,} rows are in the pool. Now: Refresh.", count=count)]
    if mended := sum(m.cells for m in tape.report.mended):
        notes.append(Phrase("{count:,} cells were mended.", count=mended))
    if tape.report.left_out:
        notes.append(Phrase("Columns left out: {names}.", names=", ".join(tape.report.left_out)))
    text = "\n".join(said(note, _) for note in (*notes, *tape.report.notes))
    return [["done", _short(text), ""]]


def _opened(workbook: Any) -> Any:
    """Return a workbook as xlwings wraps it; late bound, so that no cache of types can be stale."""
    if os.name != "nt":
        return workbook
    import xlwings as xw
    from win32com.client import dynamic
    from xlwings import _xlwindows

    excel_book = _xlwindows.COMRetryObjectWrapper(dynamic.Dispatch(workbook))
    return xw.Book(impl=_xlwindows.Book(xl=excel_book))


def _mark_stale(opened: Any, count: int) -> None:
    """The results on the sheets are older than the inputs; say so where the state stands."""
    from xlkmv.refresh.live import LiveBook

    with contextlib.suppress(Exception):
        book = LiveBook(opened)
        if "out_State" in book.names():
            book.write_name("out_State", f"stale: {count} wrong input{'s' if count > 1 else ''}")
            book.save()


def _problems(book: str, error: BookInputError, say: Say) -> Rows:
    """Wrong cells for the message box and for the list with links."""
    from xlkmv.workbook.typed import cell_text

    problems = error.problems
    lines = [p.sentence for p in problems[:PROBLEMS_SHOWN]]
    if len(problems) > PROBLEMS_SHOWN:
        lines.append(Phrase("... and {count} more", count=len(problems) - PROBLEMS_SHOWN))
    count = said(Phrase("{count}; nothing was changed.", count=error.counted), say)
    listed = "\n".join(said(line, say) for line in lines)
    end = say("OK lists them with links in a new workbook.")
    message = f"{count}\n\n{listed[: LONGEST_MESSAGE - len(count) - len(end)]}\n\n{end}"
    rows = [["wrong", message, ""]]
    for p in problems:
        target = f"[{book}]{p.sheet}".replace("'", "''").replace('"', '""')
        label = f"{p.sheet}!{p.cells}".replace('"', '""')
        link = f'=HYPERLINK("#\'{target}\'!{p.cell}","{label}")'
        rows.append([link, cell_text(said(p.holds, say)), cell_text(said(p.rule, say))])
    return rows


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_MESSAGE else f"{text[: LONGEST_MESSAGE - 4]} ..."


# ------------------------------------------------------------------------------- the process


def log_file() -> Path:
    """Where the server writes what happened."""
    return data_folder() / "server.log"


def start_log() -> None:
    """Log to a file of the user that never grows beyond three times half a megabyte."""
    import logging.handlers

    data_folder().mkdir(parents=True, exist_ok=True)
    handler = logging.handlers.RotatingFileHandler(
        log_file(), maxBytes=500_000, backupCount=2, encoding="utf-8", delay=True
    )
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.raiseExceptions = False  # a log that cannot be written must not disturb the sheets


def serve(clsid: str = CLSID) -> None:
    """Run the COM server until Excel needs it no more (Windows)."""
    dispatch = _xlwings_dispatch()
    from xlwings import com_server

    # xlwings' server makes one object of the class of this name for each client that connects; ours
    # takes its place, and needs nothing of it.
    com_server.XLPython = lambda: Server(dispatch)  # type: ignore[misc,assignment,return-value]
    com_server.serve(clsid)


def main() -> None:
    """Entry point of the process that COM starts."""
    if (Path(sys.prefix) / "conda-meta").exists():
        # A conda Python that nobody activated does not find the libraries of numpy.
        extra = [str(Path(sys.prefix) / folder) for folder in ("", "Library/mingw-w64/bin", "Library/bin")]
        os.environ["PATH"] = os.pathsep.join([*extra, os.environ.get("PATH", "")])
    start_log()
    try:
        log.info("start: %s", sys.executable)
        serve()
        log.info("end")
    except BaseException:
        log.exception("the server cannot run")
        raise


if __name__ == "__main__":
    main()
