"""Run every benchmark and print one table: ``make bench``, or ``python bench/run.py [--quick] [--large]``.

Each runs in a process of its own; the peers, which want other versions of what we use, and of what
the others use, each in an environment of its own, with xlkmv beside it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from table import Row, show

HERE = Path(__file__).resolve().parent
SCRIPTS = ("pd", "firms", "passage", "portfolio", "plan", "refresh", "solve", "book", "excel")
PEERS = ("merton", "financepy")


def measured(script: str, python: str, *arguments: str) -> Iterator[Row]:
    """Rows of one benchmark, as they come."""
    command = [python, str(HERE / f"bench_{script}.py"), "--json", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        for line in process.stdout:
            row = Row(**json.loads(line))
            print(f"  {row.work}", file=sys.stderr, flush=True)
            yield row
        said = process.stderr.read().strip()
    if process.returncode:
        reason = said.splitlines()[-1] if said else f"exit code {process.returncode}"
        yield Row(f"bench_{script}.py", math.nan, "s", "", math.nan, why=f"failed: {reason}")


def main() -> int:
    """Run what was asked for; 1 if a benchmark failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, small sizes only")
    parser.add_argument("--large", action="store_true", help="100,000 obligors, too")
    parser.add_argument("only", nargs="*", help=f"of: {', '.join(SCRIPTS)}")
    options = parser.parse_args()
    if unknown := set(options.only) - set(SCRIPTS):
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}")
    flags = [f"--{name}" for name in ("quick", "large") if getattr(options, name)]
    rows: list[Row] = []
    for script in options.only or SCRIPTS:
        print(f"bench_{script}.py", file=sys.stderr, flush=True)
        rows += measured(script, sys.executable, *flags)
        for peer in PEERS if script == "firms" else ():
            python = HERE.parent / f".venv-{peer}" / "bin" / "python"
            if python.exists():
                rows += measured(script, str(python), *flags, "--peer", peer)
            else:
                why = f"not installed: make {python.parents[1].name}/.ready"
                rows.append(Row("Assets from equity", math.nan, "s", peer, math.nan, 0.01, why))
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    show(rows)
    return any(row.why.startswith("failed") for row in rows)


if __name__ == "__main__":
    sys.exit(main())
