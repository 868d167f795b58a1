"""What the benchmarks share: rows of one table, and work in a process of its own."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))

from process import measure
from table import Row, show


@pytest.mark.parametrize(
    ("ours", "theirs", "aim", "why", "met"),
    [
        (2.0, 1.0, 2.0, "", "yes"),
        (2.1, 1.0, 2.0, "", "NO"),
        (0.0, 1.5, 0.0, "", "yes"),
        (2.0, 1.0, None, "", ""),
        (math.nan, 1.0, 2.0, "", "NO"),
        (math.nan, math.nan, 2.0, "not installed", "not installed"),
    ],
)
def test_an_aim_is_met_or_not_or_it_is_said_why_nobody_knows(ours, theirs, aim, why, met):
    assert Row("work", ours, "s", "peer", theirs, aim, why).met == met


def test_the_table_has_one_line_a_row(capsys):
    show(
        [
            Row("fast", 2e-7, "s", "slow", 4e-4, 0.01),
            Row("memory", 1234.0, "MB", "limit", 1000.0, 1.0),
            Row("answer", 0.5, "s", "a peer", math.nan, 0.01, "not installed"),
        ]
    )
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "fast 200 ns slow 400 us 1/2,000 at most 1/100 yes" in lines
    assert "memory 1,234 MB limit 1,000 MB 1.23 at most 1 NO" in lines
    assert "answer 500 ms a peer at most 1/100 not installed" in lines
    assert "1 of 3 aims are met. Ratio: ours to theirs." in lines


def test_long_rows_leave_room_for_whether_the_aim_is_met(capsys):
    work, peer = (
        "100,000 rows by loan terms, imported from a CSV into a template",
        "merton 1.0.2: its Excel function",
    )
    show(
        [
            Row(work, 9000.0, "s", peer, 2.5e9, 1e-6),
            Row("refresh", math.nan, "s", "limit", 2.0, 1.0, "NO: late"),
        ]
    )
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert f"{work} 9,000 s {peer} 694,444 h 1/280,000 at most 1/1,000,000 NO" in lines
    assert "refresh limit 2 s at most 1 NO: late" in lines


def test_work_in_a_process_of_its_own():
    done = measure(["-c", "x = bytearray(64 << 20); import time; time.sleep(0.5); print(len(x))"], limit=60.0)
    assert (done.output, done.stopped) == (f"{64 << 20}\n", False)
    assert done.megabytes > 64.0
    assert measure(["-c", "while True: pass"], limit=0.2).stopped
    with pytest.raises(RuntimeError, match=r"^ValueError: why$"):
        measure(["-c", "raise ValueError('why')"], limit=60.0)
