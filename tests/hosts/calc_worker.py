"""The LibreOffice side of :mod:`calc`: one private soffice, driven by JSON lines on stdin.

It runs under the system's Python (the one that owns ``uno``), answers one line per request, and ends its
soffice when stdin closes: however the test run dies, no office stays behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import traceback
import uuid
from pathlib import Path

import uno
import unohelper
from com.sun.star.beans import PropertyValue
from com.sun.star.connection import NoConnectException
from com.sun.star.table import CellRangeAddress
from com.sun.star.task import XInteractionHandler
from com.sun.star.ucb import XCommandEnvironment

CONTENT = 1 | 2 | 4 | 8 | 16  # com.sun.star.sheet.CellFlags: value, date, string, annotation, formula
FILTERS = {
    ".xlsx": "Calc MS Excel 2007 XML",
    ".xlsm": "Calc MS Excel 2007 VBA XML",
    ".ods": "calc8",
    ".csv": "Text - txt - csv (StarCalc)",
    ".pdf": "calc_pdf_Export",
}
SETTINGS = [  # what a private profile needs to start without a question
    ("/org.openoffice.Office.Common/Misc", "FirstRun", "false"),
    ("/org.openoffice.Office.Common/Misc", "ShowTipOfTheDay", "false"),
    ("/org.openoffice.Setup/Product", "ooSetupLastVersion", "99.9"),
    ("/org.openoffice.Setup/Product", "LastTimeDonateShown", "4102444800"),
    ("/org.openoffice.Setup/Product", "LastTimeGetInvolvedShown", "4102444800"),
    ("/org.openoffice.Office.Common/Security/Scripting", "MacroSecurityLevel", "0"),
]
EXCEL = 3  # com.sun.star.sheet.AddressConvention.XL_OOX: formulas as an .xlsx file stores them
LONGEST_PAGE = 500_000  # 1/100 mm; a PDF page ends at 5.08 m
RECALCULATE = {"always": "0", "never": "1"}


def properties(**values):
    return tuple(PropertyValue(name, 0, value, 0) for name, value in values.items())


def url_of(path):
    return uno.systemPathToFileUrl(str(Path(path).resolve()))


class Approve(unohelper.Base, XInteractionHandler, XCommandEnvironment):
    """Says yes to every question of the extension manager (``unopkg`` refuses to run as root)."""

    def getInteractionHandler(self):  # noqa: N802
        return self

    def getProgressHandler(self):  # noqa: N802
        return None

    def handle(self, request):
        wanted = uno.getTypeByName("com.sun.star.task.XInteractionApprove")
        for choice in request.getContinuations():
            if choice.queryInterface(wanted) is not None:
                choice.select()
                return


class Office:
    """One running soffice and its open documents."""

    def __init__(self):
        self.process = None
        self.books = {}
        self.count = 0

    # --- the office itself

    def start(self, soffice, profile, recalculate="never", timeout=90.0):
        self.soffice, self.profile = soffice, Path(profile)
        seed = self.profile / "user" / "registrymodifications.xcu"
        if not seed.exists():
            seed.parent.mkdir(parents=True, exist_ok=True)
            settings = [
                *SETTINGS,
                ("/org.openoffice.Office.Calc/Formula/Load", "OOXMLRecalcMode", RECALCULATE[recalculate]),
            ]
            items = "".join(
                f'<item oor:path="{path}"><prop oor:name="{name}" oor:op="fuse">'
                f"<value>{value}</value></prop></item>"
                for path, name, value in settings
            )
            seed.write_text(
                '<?xml version="1.0" encoding="UTF-8"?>\n'
                '<oor:items xmlns:oor="http://openoffice.org/2001/registry" '
                'xmlns:xs="http://www.w3.org/2001/XMLSchema" '
                f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">{items}</oor:items>\n',
                encoding="utf-8",
            )
        pipe = "xlkmv" + uuid.uuid4().hex[:12]
        with (self.profile / "soffice.err").open("ab") as errors:
            self.process = subprocess.Popen(
                [
                    soffice,
                    f"-env:UserInstallation={self.profile.resolve().as_uri()}",
                    f"--accept=pipe,name={pipe};urp;",
                    "--headless",
                    "--norestore",
                    "--nologo",
                    "--nodefault",
                    "--nolockcheck",
                ],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
            )
        local = uno.getComponentContext()
        resolver = local.ServiceManager.createInstance("com.sun.star.bridge.UnoUrlResolver")
        deadline = time.monotonic() + timeout
        while True:
            try:
                self.context = resolver.resolve(f"uno:pipe,name={pipe};urp;StarOffice.ComponentContext")
                break
            except NoConnectException:
                if self.process.poll() is not None:
                    raise RuntimeError(f"soffice ended with code {self.process.returncode}") from None
                if time.monotonic() > deadline:
                    raise RuntimeError(f"soffice did not answer within {timeout:g} s") from None
                time.sleep(0.05)
        self.desktop = self.service("com.sun.star.frame.Desktop")

    def service(self, name):
        return self.context.ServiceManager.createInstanceWithContext(name, self.context)

    def stop(self):
        if self.process is None:
            return
        for book in list(self.books):
            with contextlib.suppress(Exception):
                self.close(book)
        with contextlib.suppress(Exception):  # the bridge breaks while the office says goodbye
            self.desktop.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def version(self):
        provider = self.service("com.sun.star.configuration.ConfigurationProvider")
        node = provider.createInstanceWithArguments(
            "com.sun.star.configuration.ConfigurationAccess",
            (PropertyValue("nodepath", 0, "/org.openoffice.Setup/Product", 0),),
        )
        return node.getByName("ooSetupVersionAboutBox")

    def add_extension(self, path):
        manager = self.context.getValueByName("/singletons/com.sun.star.deployment.ExtensionManager")
        added = manager.addExtension(url_of(path), (), "user", None, Approve())
        name = added.getIdentifier().Value
        self.stop()  # functions of an add-in appear at the next start
        self.start(self.soffice, self.profile)
        return name

    # --- documents

    def open(self, path=None, macros=False, password=None):
        options = {"Hidden": True, "MacroExecutionMode": 4 if macros else 0, "UpdateDocMode": 0}
        if password:
            options["Password"] = password
        url = "private:factory/scalc" if path is None else url_of(path)
        document = self.desktop.loadComponentFromURL(url, "_blank", 0, properties(**options))
        if document is None:
            raise ValueError(f"LibreOffice does not open {path}")
        self.count += 1
        self.books[self.count] = document
        return self.count

    def close(self, book):
        self.books.pop(book).close(True)

    def save(self, book, path):
        suffix = Path(path).suffix.lower()
        self.books[book].storeToURL(url_of(path), properties(FilterName=FILTERS[suffix], Overwrite=True))

    def sheets(self, book):
        return list(self.books[book].Sheets.ElementNames)

    def is_visible(self, book, sheet):
        return self.books[book].Sheets.getByName(sheet).IsVisible

    def recalculate(self, book):
        self.books[book].calculateAll()

    def _range(self, book, address):
        """``Sheet!A1:B2`` (or ``'My sheet'!A1``), a defined name, or a database range (an Excel table)."""
        document = self.books[book]
        sheet, mark, cells = address.rpartition("!")
        if mark:
            name = sheet[1:-1].replace("''", "'") if sheet.startswith("'") else sheet
            return document.Sheets.getByName(name).getCellRangeByName(cells)
        if document.NamedRanges.hasByName(address):
            return document.NamedRanges.getByName(address).ReferredCells
        if document.DatabaseRanges.hasByName(address):
            return document.DatabaseRanges.getByName(address).ReferredCells
        return document.Sheets.getByIndex(0).getCellRangeByName(address)

    def read(self, book, address):
        cells = self._range(book, address)
        rows = []
        for r, row in enumerate(cells.getDataArray()):
            out = []
            for c, value in enumerate(row):
                out.append(self._slow(cells.getCellByPosition(c, r)) if value in ("", None) else value)
            rows.append(out)
        return rows

    @staticmethod
    def _slow(cell):
        """A cell that the data array shows as nothing: blank, empty text or an error."""
        if cell.getError():
            return {"error": cell.getError(), "text": cell.String}
        return None if cell.Type.value == "EMPTY" else cell.String

    def text(self, book, address):
        cells = self._range(book, address)
        count = cells.RangeAddress
        return [
            [cells.getCellByPosition(c, r).String for c in range(count.EndColumn - count.StartColumn + 1)]
            for r in range(count.EndRow - count.StartRow + 1)
        ]

    def _parser(self, book):
        parser = self.books[book].createInstance("com.sun.star.sheet.FormulaParser")
        parser.CompileEnglish = True
        parser.FormulaConvention = EXCEL
        return parser

    def formulas(self, book, address):
        """Formulas as Excel writes them, constants as they are typed."""
        cells, parser = self._range(book, address), self._parser(book)
        rows = [list(row) for row in cells.getFormulaArray()]
        for r, row in enumerate(rows):
            for c, typed in enumerate(row):
                cell = cells.getCellByPosition(c, r)
                if cell.Type.value == "FORMULA":
                    text = "=" + parser.printFormula(cell.getTokens(), cell.CellAddress)
                    row[c] = f"{{{text}}}" if typed.startswith("{") else text
        return rows

    def write(self, book, address, rows):
        """Numbers, text, blanks from an upper left corner; ``=`` begins a formula as in Excel."""
        cells, parser = self._range(book, address), self._parser(book)
        corner = cells.RangeAddress
        for r, row in enumerate(rows, corner.StartRow):
            for c, value in enumerate(row, corner.StartColumn):
                cell = cells.Spreadsheet.getCellByPosition(c, r)
                if value is None:
                    cell.setFormula("")
                elif isinstance(value, str) and value.startswith("="):
                    cell.setTokens(parser.parseFormula(value[1:], cell.CellAddress))
                elif isinstance(value, str):
                    cell.setString(value)
                else:
                    cell.setValue(float(value))

    def array_formula(self, book, address, formula):
        cells = self._range(book, address)
        corner = cells.getCellByPosition(0, 0).CellAddress
        cells.setArrayTokens(self._parser(book).parseFormula(formula.removeprefix("="), corner))

    def used(self, book, sheet):
        """Last used column and row, counted from 0, of the cells that hold something."""
        found = self.books[book].Sheets.getByName(sheet).queryContentCells(CONTENT).RangeAddresses
        return [max((a.EndColumn for a in found), default=-1), max((a.EndRow for a in found), default=-1)]

    def run_macro(self, book, name, arguments):
        document = self.books[book]
        provider = document.getScriptProvider()
        if name.count(".") == 1:  # the library bears the VBA project's name
            own = [library for library in document.BasicLibraries.ElementNames if library != "Standard"]
            name = f"{(own or ['Standard'])[0]}.{name}"
        script = provider.getScript(f"vnd.sun.star.script:{name}?language=Basic&location=document")
        result, _, _ = script.invoke(tuple(arguments), (), ())
        return plain(result)

    def dispatch(self, book, command):
        frame = self.books[book].CurrentController.Frame
        self.service("com.sun.star.frame.DispatchHelper").executeDispatch(frame, command, "", 0, ())

    # --- pictures

    def sheet_pdf(self, book, sheet, path, rows=400, grid=True, headings=True):
        """Print one sheet on one page of its own size: what a person sees at 100 %, charts included.

        The page setup of the open document changes; the file does not, unless it is saved afterwards.
        """
        document = self.books[book]
        this = document.Sheets.getByName(sheet)
        document.CurrentController.setActiveSheet(this)
        column, row = self.used(book, sheet)
        row = min(row, rows - 1)
        right = bottom = 0
        shapes = [this.DrawPage.getByIndex(i) for i in range(this.DrawPage.Count)]
        for shape in shapes:
            if shape.supportsService("com.sun.star.drawing.ControlShape"):
                shape.Control.Printable = True
            right = max(right, shape.Position.X + shape.Size.Width)
            bottom = max(bottom, shape.Position.Y + shape.Size.Height)
        while right > this.getCellByPosition(column + 1, 0).Position.X:
            column += 1
        while bottom > this.getCellByPosition(0, row + 1).Position.Y:
            row += 1
        corner = this.getCellByPosition(column + 2, row + 2).Position  # one empty column and row beyond
        for name in document.Sheets.ElementNames:  # with a print area anywhere, other sheets stay unprinted
            document.Sheets.getByName(name).setPrintAreas(())
        this.setPrintTitleRows(False)
        this.setPrintTitleColumns(False)
        this.setPrintAreas((CellRangeAddress(this.RangeAddress.Sheet, 0, 0, column + 1, row + 1),))
        page = document.StyleFamilies.getByName("PageStyles").getByName(this.PageStyle)
        margin = 300
        page.HeaderIsOn = page.FooterIsOn = page.CenterHorizontally = page.CenterVertically = False
        page.LeftMargin = page.RightMargin = page.TopMargin = page.BottomMargin = margin
        page.PrintGrid, page.PrintHeaders, page.PrintAnnotations = grid, headings, False
        page.PrintCharts = page.PrintObjects = page.PrintDrawing = True
        page.Width = min(corner.X + 2 * margin + (1200 if headings else 50), LONGEST_PAGE)
        page.Height = min(corner.Y + 2 * margin + (600 if headings else 50), LONGEST_PAGE)
        page.IsLandscape = page.Width > page.Height
        page.ScaleToPagesX = page.ScaleToPagesY = 1
        choice = uno.Any("[]com.sun.star.beans.PropertyValue", properties(IsSkipEmptyPages=False))
        document.storeToURL(url_of(path), properties(FilterName=FILTERS[".pdf"], FilterData=choice))
        return [page.Width, page.Height]


def plain(value):
    """A UNO value as JSON knows it."""
    if isinstance(value, (tuple, list)):
        return [plain(v) for v in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)


def main():
    """Answer requests until stdin closes."""
    os.setsid()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever else prints must not mix with the answers
    requests = queue.Queue()

    def listen():
        for line in sys.stdin:
            requests.put(line)
        requests.put(None)
        time.sleep(30)  # the driver is gone; if a call still hangs, end everything that this process started
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=listen, daemon=True).start()
    office = Office()
    try:
        while (line := requests.get()) is not None:
            request = json.loads(line)
            try:
                result = getattr(office, request["call"])(*request["args"], **request["kwargs"])
                answer = {"result": result}
            except Exception as error:
                message = getattr(error, "Message", "") or str(error)
                answer = {"error": f"{type(error).__name__}: {message}", "trace": traceback.format_exc()}
            answers.write(json.dumps(answer) + "\n")
            answers.flush()
    finally:
        office.stop()


if __name__ == "__main__":
    main()
