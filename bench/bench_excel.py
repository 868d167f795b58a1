"""What a worksheet function costs through COM, under Wine: ``python bench/bench_excel.py``.

Compared, call by call in turn, from one client process:

* ours: ``Call("KMV_PD", values)`` on the registered server;
* bare xlwings: ``CallUDF`` of an identity function on its own class, values only, no workbook, no caller.

Under Wine the numbers are those of Wine; the ratios are the point.
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path

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

started = time.perf_counter()
ours = server(OURS, "Call")
ours.Call("KMV_VERSION", [])
cold = time.perf_counter() - started
bare = server(BARE, "CallUDF")
args = [120.0, 100.0, 0.25]
calls = {
    "ours": lambda: ours.Call("KMV_PD", args),
    "bare": lambda: bare.CallUDF("identity", "same", [120.0]),
    "bare, three arguments": lambda: bare.CallUDF("identity", "same3", args),
}
for name in calls:
    timed(calls[name], 50)
out = {name: [] for name in calls}
for _ in range(20):  # in turn, so that a busy moment hits all
    for name, call in calls.items():
        out[name] += timed(call, 50)
big = [[100.0 + k / 1000] for k in range(100_000)]
column = timed(lambda: ours.Call("KMV_PD", [big, 100.0, 0.25]), 3)
with_error = timed(lambda: ours.Call("KMV_PD", [[*big[:-1], [-1.0]], 100.0, 0.25]), 3)
print(json.dumps([cold, out, column, with_error]))
"""
IDENTITY = """
import xlwings as xw

@xw.func
def same(x):
    return x

@xw.func
def same3(x, y, z):
    return x
"""


def main() -> int:
    """Measure and print."""
    reason = missing()
    if reason:
        print(reason)
        return 1
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
        from xlkmv.excel.server import CLSID

        head = f"OURS, BARE = {CLSID!r}, {BARE!r}\n"
        (folder / "client.py").write_text(head + CLIENT)
        said = wine.python(folder / "client.py").output
    cold, calls, column, with_error = json.loads(said.splitlines()[-1])
    bare = statistics.median(calls["bare"])
    print(f"cold start to first answer        {cold:8.2f} s")
    for name, times in calls.items():
        middle = statistics.median(times)
        print(f"{name:32s}  {1e3 * middle:8.3f} ms a call   {middle / bare:5.2f} x bare identity")
    print(f"KMV_PD of 100,000 rows            {min(column):8.2f} s")
    print(f"  with one error among them       {min(with_error):8.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
