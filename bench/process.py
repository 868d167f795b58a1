"""Work in a Python process of its own: seconds, peak memory of it and its children, and a limit."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

__all__ = ["Measured", "measure"]

INTERVAL = 0.05  # seconds between two looks at the memory


@dataclass(frozen=True, slots=True)
class Measured:
    """What a process took.

    Attributes
    ----------
    seconds, megabytes : float
        From start to end; peak of what it and its children held together.
    output : str
        What it printed.
    stopped : bool
        Whether it was ended at the limit.
    """

    seconds: float
    megabytes: float
    output: str
    stopped: bool


def measure(arguments: Sequence[str], limit: float) -> Measured:
    """Run Python and wait; what it holds is looked at time and again.

    Parameters
    ----------
    arguments : sequence of str
        Of the interpreter.
    limit : float
        Seconds after which it is ended.

    Returns
    -------
    Measured

    Raises
    ------
    RuntimeError
        When the process fails, with the last line of what it said.
    """
    peak, stopped = 0.0, False
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        start = time.perf_counter()
        process = subprocess.Popen([sys.executable, *arguments], stdout=out, stderr=err, text=True)
        family = psutil.Process(process.pid)
        while process.poll() is None:
            peak = max(peak, _held(family))
            if time.perf_counter() - start > limit:
                stopped = True
                _end(family)
            time.sleep(INTERVAL)
        taken = time.perf_counter() - start
        out.seek(0)
        err.seek(0)
        if process.returncode and not stopped:
            said = err.read().strip().splitlines() or [f"exit code {process.returncode}"]
            raise RuntimeError(said[-1])
        return Measured(taken, peak / 2**20, out.read(), stopped)


def _held(family: psutil.Process) -> float:
    """Bytes that a process holds now, and its children beside what they share, as libraries."""
    total = 0.0
    with contextlib.suppress(psutil.Error):
        total += family.memory_info().rss
        for child in family.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                total += child.memory_full_info().uss
    return total


def _end(family: psutil.Process) -> None:
    with contextlib.suppress(psutil.Error):
        for process in (*family.children(recursive=True), family):
            with contextlib.suppress(psutil.Error):
                process.kill()
