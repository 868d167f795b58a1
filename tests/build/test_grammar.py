"""The VBA by the grammar of its specification, [MS-VBAL]: every module is a sentence of the language.

Excel compiles VBA when it runs it; a grammar says beforehand that there is nothing to trip over, and finds
what is left out or misspelled. What it cannot see, the compiler's look at names and types, is a step of
docs/confirm.md.
"""

from __future__ import annotations

from typing import Any

import pytest

from xlkmv.build.vba import modules

antlr4 = pytest.importorskip("antlr4")
vba = pytest.importorskip("antlr4_vba.vbaParser")
lexer = pytest.importorskip("antlr4_vba.vbaLexer")
SOURCES = {module.name: module.source.replace("\r\n", "\n") for module in modules()}


class _Mistakes:
    """Collects what lexer and parser complain of; the other calls of an error listener say nothing."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def syntaxError(self, _: Any, __: Any, line: int, column: int, message: str, ___: Any) -> None:  # noqa: N802
        self.found.append(f"line {line}, column {column}: {message}")

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


def mistakes(source: str) -> list[str]:
    """Where a module is no VBA; lines end as they do in a project."""
    listener = _Mistakes()
    tokens = lexer.vbaLexer(antlr4.InputStream(source.replace("\n", "\r\n")))
    parser = vba.vbaParser(antlr4.CommonTokenStream(tokens))
    for part in (tokens, parser):
        part.removeErrorListeners()
        part.addErrorListener(listener)
    parser.startRule()
    return listener.found


@pytest.mark.parametrize("name", SOURCES)
def test_each_module_is_vba(name: str) -> None:
    assert mistakes(SOURCES[name]) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("    End If\n", ""),
        ("    Next column\n", "    Next\n    Next column\n"),
        (" Then Exit Function", " Exit Function"),
        ("Private mServer As Object", "Private mServer As As Object"),
        ("KmvCall = KmvCells(KmvConnect().Call(functionName, arguments))", "KmvCall = KmvCells(KmvConnect("),
    ],
)
def test_a_mistake_is_found(right: str, wrong: str) -> None:
    source = SOURCES["KmvServer"]
    assert right in source
    assert mistakes(source.replace(right, wrong, 1)) != []
