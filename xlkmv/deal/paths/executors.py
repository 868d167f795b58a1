"""Where the blocks of a simulation run: in other processes of this machine, or on a cluster."""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import pickle
import signal
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from xlkmv.errors import HostError

__all__ = ["Executor", "Handle", "dask_executor", "process_executor"]


class Executor(Protocol):
    """What runs blocks elsewhere: an executor of ``concurrent.futures``, or one of this module.

    One that has a method ``share(x)`` is handed what many tasks need only once, and they what that returns.
    """

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Future[Any]:
        """Start ``fn(*args)`` and return its future."""


@dataclass(frozen=True, slots=True)
class Handle:
    """A file with something that other processes load once."""

    path: Path

    def load(self) -> Any:
        """What is in the file; the same object each time."""
        return _loaded(self.path)


@lru_cache(maxsize=1)
def _loaded(path: Path) -> Any:
    with path.open("rb") as file:
        return pickle.load(file)


def _begin() -> None:
    """Get ready; an interrupt in the terminal is for the process that started this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    importlib.import_module("xlkmv.deal.paths.run")


def _nothing() -> None:
    pass


@dataclass(slots=True, eq=False)
class _Processes:
    pool: ProcessPoolExecutor
    folder: Path
    shared: list[tuple[Any, Handle]] = field(default_factory=list)

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Future[Any]:
        return self.pool.submit(fn, *args)

    def share(self, what: Any) -> Handle:
        for known, handle in self.shared:
            if known is what:
                return handle
        handle = Handle(self.folder / f"{len(self.shared)}.pickle")
        with handle.path.open("wb") as file:
            pickle.dump(what, file, protocol=pickle.HIGHEST_PROTOCOL)
        self.shared.append((what, handle))
        return handle


@contextlib.contextmanager
def process_executor(workers: int | None = None) -> Iterator[Executor | None]:
    """Run blocks in other processes of this machine, which start at once.

    They are new interpreters on every system, so a script that uses this needs the usual
    ``if __name__ == "__main__":``.

    Parameters
    ----------
    workers : int, optional
        How many; one for each processor that this process may use when left out.

    Yields
    ------
    Executor or None
        For the `executor` argument of :func:`~xlkmv.deal.paths.run.simulate`; None where there is
        one processor only.
    """
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    count = usable if workers is None else workers
    if count < 2:
        yield None
        return
    others = multiprocessing.active_children()
    with tempfile.TemporaryDirectory(prefix="xlkmv-") as folder:
        pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _begin)
        try:
            for _ in range(count):
                pool.submit(_nothing)
            yield _Processes(pool, Path(folder))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            # Whoever stops a run does not wait for the blocks that are under way.
            for child in multiprocessing.active_children():
                if child not in others:
                    child.terminate()
                    child.join()


@dataclass(frozen=True, slots=True, eq=False)
class _Cluster:
    client: Any
    executor: Any

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Future[Any]:
        future: Future[Any] = self.executor.submit(fn, *args)
        return future

    def share(self, what: Any) -> Any:
        # Named anew: data of the same content may just be on its way out.
        return self.client.scatter(what, broadcast=True, hash=False)


@contextlib.contextmanager
def dask_executor(address: str, timeout: float = 5.0) -> Iterator[Executor]:
    """Run blocks on the workers of a Dask scheduler.

    A worker that dies loses nothing: the scheduler gives its blocks to the others.

    Parameters
    ----------
    address : str
        Of the scheduler, such as "tcp://10.0.0.1:8786".
    timeout : float
        Seconds to wait for the scheduler.

    Yields
    ------
    Executor
        For the `executor` argument of :func:`simulate`.

    Raises
    ------
    HostError
        When the scheduler cannot be reached, or Dask is not installed.
    """
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError:
        raise HostError("Dask is not installed: pip install xlkmv[dask]") from None
    try:
        client = distributed.Client(address, timeout=timeout, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise HostError(f"the Dask scheduler {address} cannot be reached ({error})") from None
    try:
        yield _Cluster(client, client.get_executor(pure=False, retries=3))
    finally:
        client.close()
