"""Loan tapes: read the loans of a deal from a file, and put them into the pool of a workbook.

:func:`read_tape` reads and cleans, :func:`group` makes representative lines, :func:`import_tape` writes
into a workbook; :func:`read_prices` and :func:`import_prices` do so with series of equity values.
:mod:`xlkmv.tape.headings` is the one table of what columns are called.
"""

from xlkmv.tape.columns import read_map
from xlkmv.tape.lines import group
from xlkmv.tape.prices import PriceFile, import_prices, listed_obligors, read_prices
from xlkmv.tape.reading import read_tape
from xlkmv.tape.result import Report, Tape
from xlkmv.tape.writing import WorkbookTerms, import_tape, workbook_terms

__all__ = [
    "PriceFile",
    "Report",
    "Tape",
    "WorkbookTerms",
    "group",
    "import_prices",
    "import_tape",
    "listed_obligors",
    "read_map",
    "read_prices",
    "read_tape",
    "workbook_terms",
]
