"""Where the blocks of a simulation run: in other processes of this machine, or on a cluster."""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import pickle
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any, Protocol

from xlkmv.errors import HostError

__all__ = ["Executor", "Handle", "dask_executor", "process_executor"]

ENDED = "a process that simulates has ended by itself: is memory short?"


class Executor(Protocol):
    """What runs blocks elsewhere: an executor of ``concurrent.futures``, or one of this module.

    One that has a method ``share(x)`` is handed what many tasks need once, and the tasks what that
    returns; others carry the deal in each task, whose process then prepares it anew.
    """

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Future[Any]:
        """Start ``fn(*args)`` and return its future."""


@dataclass(frozen=True, slots=True)
class Handle:
    """Stands for something that a process was handed once."""

    key: int

    def load(self) -> Any:
        """What it stands for; the same object each time."""
        return _kept[self.key]


# In a process that simulates: what it was handed last.
_kept: dict[int, Any] = {}


def _serve(pipe: Connection) -> None:
    """Do what comes through the pipe, until the process at its other end closes it or is no more."""
    # An interrupt in the terminal is for the process that started this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    importlib.import_module("xlkmv.deal.paths.run")
    with contextlib.suppress(EOFError, OSError):
        while True:
            fn, args = pipe.recv()
            try:
                answer = True, fn(*args)
            except Exception as error:
                answer = False, error
            pipe.send(answer)


def _keep(key: int, pickled: bytes) -> None:
    _kept.clear()
    _kept[key] = pickle.loads(pickled)


class _Processes:
    """Interpreters that wait for tasks, each with a pipe of its own and a thread that feeds it.

    Simpler than ``ProcessPoolExecutor``, and what it does not do: a process ends with the one that
    started it, however that ends, and one that ends by itself is an error at once.
    """

    def __init__(self, count: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.tasks: queue.SimpleQueue[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]] | None]
        self.tasks = queue.SimpleQueue()
        self.shared: list[tuple[Any, Handle, bytes]] = []
        self.processes: list[SpawnProcess] = []
        self.threads: list[threading.Thread] = []
        self.ended = False  # whether a process has, by itself
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs,), daemon=True)
            process.start()
            theirs.close()
            thread = threading.Thread(target=self._feed, args=(ours,), daemon=True)
            thread.start()
            self.processes.append(process)
            self.threads.append(thread)

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.tasks.put((future, fn, args))
        # Looked at after the task is there: whoever sees last that a process has ended clears up.
        if self.ended:
            self._drop()
        return future

    def share(self, what: Any) -> Handle:
        for known, handle, _ in self.shared:
            if known is what:
                return handle
        handle = Handle(len(self.shared))
        self.shared.append((what, handle, pickle.dumps(what, protocol=pickle.HIGHEST_PROTOCOL)))
        return handle

    def close(self) -> None:
        """End the processes; whoever stops a run does not wait for the blocks that are under way."""
        for _ in self.threads:
            self.tasks.put(None)
        for process in self.processes:
            process.terminate()
            process.join()
        for thread in self.threads:
            thread.join()

    def _drop(self) -> None:
        """Fail the tasks that wait, as nobody may be left to do them."""
        with contextlib.suppress(queue.Empty):
            while (task := self.tasks.get_nowait()) is not None:
                if task[0].set_running_or_notify_cancel():
                    task[0].set_exception(HostError(ENDED))
            self.tasks.put(None)  # it is for a thread

    def _feed(self, pipe: Connection) -> None:
        given = None
        with pipe:
            while (task := self.tasks.get()) is not None:
                future, fn, args = task
                if not future.set_running_or_notify_cancel():
                    continue
                try:
                    if self.shared and self.shared[-1][1] != given:
                        _, given, pickled = self.shared[-1]
                        _asked(pipe, _keep, (given.key, pickled))
                    future.set_result(_asked(pipe, fn, args))
                except (EOFError, OSError):
                    self.ended = True
                    future.set_exception(HostError(ENDED))
                    self._drop()
                    return
                except Exception as error:
                    future.set_exception(error)


def _asked(pipe: Connection, fn: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    pipe.send((fn, args))
    good, found = pipe.recv()
    if not good:
        raise found
    return found


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
    processes = _Processes(count)
    try:
        yield processes
    finally:
        processes.close()


@dataclass(frozen=True, slots=True, eq=False)
class _Cluster:
    client: Any
    executor: Any

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Future[Any]:
        future: Future[Any] = self.executor.submit(fn, *args)
        return future

    def share(self, what: Any) -> Any:
        # Named anew: data of the same content may just be on its way out.
        try:
            return self.client.scatter(what, broadcast=True, hash=False)
        except TimeoutError:
            raise HostError("the Dask scheduler has no workers") from None


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
