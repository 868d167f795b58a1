"""What a worksheet function costs through COM, under Wine: ``python bench/bench_excel.py``.

Ours is ``Call("KMV_PD", values)`` on the registered server; bare xlwings is ``CallUDF`` of an identity
function on its own class, values only, no workbook, no caller. Both are called in turn, from one client
process. Under Wine the numbers are those of Wine; the ratios are the point.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

from table import Row, main

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "hosts"))

from wine import Wine, missing  # noqa: E402

BARE = "{0B7C2A52-9B64-4C0A-8E0B-5D2F4F6A1C11}"

CLIENT = """
import json, time
import pythoncom
from win32com.client import dynamic

def server(clsid, *methods):
    raw = pythoncom.CoCreateInstance(clsid, None, pythoncom.CLSCTX_LOCAL_SERVER, pythoncom.IID_IDispatch)
    found = dynamic.Dispatch(raw)
    found._FlagAsMethod(*methods)
    return found

def timed(call, count):
    times = []
    for _ in range(count):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return times

args = [120.0, 100.0, 0.25]

def ours_first():
    global ours
    ours = server(OURS, "Call")
    ours.Call("KMV_PD", args)

def bare_first():
    global bare
    bare = server(BARE, "CallUDF")
    bare.CallUDF("identity", "same3", args)

first = []
for _ in range(3):  # a server ends with its last client
    ours = bare = None
    time.sleep(5)
    first.append([timed(ours_first, 1)[0], timed(bare_first, 1)[0]])
big = [[100.0 + k / 1000] for k in range(100_000)]
pairs = {
    "call": (
        lambda: ours.Call("KMV_PD", args),
        lambda: bare.CallUDF("identity", "same3", args),
        20,
    ),
    "column": (
        lambda: ours.Call("KMV_PD", [big, 100.0, 0.25]),
        lambda: bare.CallUDF("identity", "same3", [big, 100.0, 0.25]),
        3,
    ),
}
out = {"first": first}
for name, (one, other, count) in pairs.items():
    timed(one, count), timed(other, count)
    out[name] = []
    for _ in range(count):  # in turn, so that a busy moment hits both
        out[name] += zip(timed(one, count), timed(other, count))
print(json.dumps(out))
"""
IDENTITY = """
import numpy, scipy.special
import xlwings as xw

@xw.func
def same3(x, y, z):
    return x
"""


# What is measured, and the largest ratio that is wanted.
WORKS = {
    "first": ("First cell of Excel, Python started", 1.25),
    "call": ("One call through COM", 1.25),
    "column": ("100,000 rows through COM", 1.25),
}


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """Measure first call, later calls and a long column."""
    against = "identity in bare xlwings"
    if reason := missing():
        for work, aim in WORKS.values():
            yield Row(work, math.nan, "s", against, math.nan, aim, why=reason)
        return
    found = _times()
    for name, (work, aim) in WORKS.items():
        ours, bare = (statistics.median(times) for times in zip(*found[name], strict=True))
        yield Row(work, ours, "s", against, bare, aim)


def _times() -> dict[str, list[list[float]]]:
    """Seconds of ours and of bare xlwings, pair by pair."""
    with Wine(timeout=300) as wine:
        folder = wine.prefix / "drive_c" / "bench"
        folder.mkdir()
        (folder / "identity.py").write_text(IDENTITY)
        (folder / "bare.py").write_text(f"import xlwings\nxlwings.serve({BARE!r})\n")
        (folder / "register.py").write_text(
            "from xlkmv.install.machine import MACHINE, USER, Machine\n"
            "from xlkmv.install.windows import register\n"
            "machine = Machine()\n"
            "for root in (MACHINE, USER):\n"
            "    register(machine, all_users=root == MACHINE)\n"
            f"    key = r'Software\\Classes\\CLSID\\{BARE}\\LocalServer32'\n"
            '    command = f\'"{machine.server_python}" "C:\\\\bench\\\\bare.py"\'\n'
            "    machine.write(root, key, command)\n"
        )
        wine.python(folder / "register.py")
        from xlkmv.hosts.server import CLSID

        head = f"OURS, BARE = {CLSID!r}, {BARE!r}\n"
        (folder / "client.py").write_text(head + CLIENT)
        said = wine.python(folder / "client.py").output
    return json.loads(said.splitlines()[-1])


if __name__ == "__main__":
    main(rows, __doc__)
