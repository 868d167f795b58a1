"""Workbooks made to hurt their reader work or are refused with a sentence, within limits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hostile import CASES, LARGE

pytest.importorskip("resource", reason="needs limits of memory and time, which Windows has not")
SMALL = [case for case in CASES if case not in LARGE]
SENTENCES = {
    "blanks in a row": "bad XML in a row of sheet S",
    "blanks in a conditional format": "bad XML in its part xl/worksheets/sheet1.xml",
    "rows that do not close": "bad XML in a row of sheet S",
    "row number of 5,000 digits": "row 999",
    "column beyond all": "widths of sheet S are out of order",
    "cell of 100,000 letters": "is no column",
    "cell beyond the last column": "a cell in column ZZZ",
    "text before the first": "the missing text '-1",
    "table of 100,000 rows and 16,384 columns": "S!A2:XFD100000 has 1,638,383,616 cells",
    "cell beyond the table": "S!A1:XFD1048576 has 17,179,869,184 cells",
    "20,000 namespaces": "20,002 namespaces",
    "one part for 1,000 sheets": "two of its sheets are one part",
    "packed in another way": "packed in a way that no spreadsheet uses",
    "20,000 parts": "more than 10,000 parts",
}


@pytest.fixture(scope="module")
def ends() -> dict[str, dict[str, Any]]:
    """How each case ended."""
    command = [
        sys.executable,
        "-W",
        "ignore",
        str(Path(__file__).with_name("fuzz.py")),
        "--json",
        "--changes",
        "0",
    ]
    done = subprocess.run([*command, *SMALL], capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    return {end["case"]: end for end in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("case", SMALL)
def test_it_works_or_is_refused_with_a_sentence(ends: dict[str, dict[str, Any]], case: str) -> None:
    end = ends[case]
    assert end["how"] in ("works", "refused"), end["said"]
    assert SENTENCES.get(case, "") in end["said"]


@pytest.mark.parametrize(
    "case", ["sound", "an instruction among relationships", "an instruction among types"]
)
def test_what_is_sound_works(ends: dict[str, dict[str, Any]], case: str) -> None:
    assert ends[case]["how"] == "works"
