"""Loan tapes: read the loans of a deal from a file, and put them into the pool of a workbook.

:func:`read_tape` reads and cleans, :func:`group` makes representative lines, :func:`import_tape` writes
into a workbook; :mod:`xlkmv.tape.headings` is the one table of what columns are called.
"""

from xlkmv.tape.columns import read_map
from xlkmv.tape.lines import group
from xlkmv.tape.reading import read_tape
from xlkmv.tape.result import Report, Tape
from xlkmv.tape.writing import WorkbookTerms, import_tape, workbook_terms

__all__ = [
    "Report",
    "Tape",
    "WorkbookTerms",
    "group",
    "import_tape",
    "read_map",
    "read_tape",
    "workbook_terms",
]
