"""Follow a page of the documentation as a reader would: save its files, type its tables, run its commands.

What a command or an expression prints must be what the page shows beneath it; ``...`` stands for anything.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from xlkmv import cli
from xlkmv.workbook.book import FileBook

BLOCK = re.compile(
    r"^```(text|console|pycon)\n(.*?)^```|^\| sheet \|[^\n]*\n\|---[^\n]*\n((?:\|[^\n]*\n)+)", re.M | re.S
)


class Checker(doctest.OutputChecker):
    """Words as shown, blanks and lengths of rules as they come, ``...`` for anything, nothing too."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        """Compare what is shown with what is said."""
        words = [re.sub("─+", "─+", re.escape(word)).replace(r"\.\.\.", ".*") for word in want.split()]
        pattern = r"\s*".join(word if word == ".*" else rf"(?<!\S){word}(?!\S)" for word in words)
        return re.fullmatch(rf"\s*{pattern}\s*", got, re.S) is not None


def follow(page: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Follow a page in an empty folder; return how many outputs agreed; the first that does not fails."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "80")
    names: dict[str, Any] = {}
    agreed = 0
    for block in BLOCK.finditer(page):
        kind, text, rows = block.groups()
        mentioned = re.findall(r"`([^`\s]+\.(?:csv|xlsm))`", page[: block.start()])
        if kind == "text":
            Path(mentioned[-1]).write_text(text, encoding="utf-8")
        elif kind == "console":
            agreed += _commands(text)
        elif kind == "pycon":
            agreed += _expressions(text, names)
        else:
            _type([name for name in mentioned if name.endswith(".xlsm")][-1], rows)
    return agreed


def _commands(text: str) -> int:
    shown = re.split(r"^\$ xlkmv ", text, flags=re.M)
    assert not shown[0], "a block of the terminal begins with a command"
    for part in shown[1:]:
        command, _, expected = part.partition("\n")
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            cli.main(shlex.split(command))
        assert Checker().check_output(expected, said.getvalue(), 0), f"xlkmv {command}\n{said.getvalue()}"
    return len(shown) - 1


def _expressions(text: str, names: dict[str, Any]) -> int:
    test = doctest.DocTestParser().get_doctest(text, names, "page", None, 0)
    said = io.StringIO()
    result = doctest.DocTestRunner(Checker()).run(test, out=said.write, clear_globs=False)
    assert not result.failed, said.getvalue()
    names.update(test.globs)
    return sum(bool(example.want) for example in test.examples)


def _type(book: str, rows: str) -> None:
    """Type the rows of a table ``sheet, row, column, type``; a row is a number, or its first cell."""
    file = FileBook(Path(book))
    grown: dict[str, dict[str, list[Any]]] = {}
    for line in rows.splitlines():
        sheet, row, header, typed = (cell.strip() for cell in line.strip("|").split("|"))
        table = next(
            t
            for t in map(file.table, file.tables())
            if t.sheet == sheet and header in t.header and (row.isdigit() or row in t.column(t.header[0]))
        )
        if not row.isdigit():
            file.write_cell(
                sheet, table.cell(table.column(table.header[0]).index(row), header), _value(typed)
            )
            continue
        columns = grown.setdefault(table.name, {})
        column = columns.setdefault(header, list(table.column(header)))
        column += [None] * (int(row) - len(column))
        column[int(row) - 1] = _value(typed)
    for name, columns in grown.items():
        file.write_table(name, columns, resize=True)
    file.save()


def _value(typed: str) -> Any:
    """What a spreadsheet makes of it."""
    with contextlib.suppress(ValueError):
        return float(typed.rstrip("%")) / (100.0 if typed.endswith("%") else 1.0)
    return typed
