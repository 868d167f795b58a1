"""Where the blocks of a simulation run: in other processes of this machine, or on a cluster."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import queue
import signal
import sys
import threading
import time
import types
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Future, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar, runtime_checkable

from xlkmv.environment import add
from xlkmv.errors import HostError
from xlkmv.phrase import Phrase

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

__all__ = [
    "Executor",
    "Handle",
    "Questions",
    "awaited",
    "can_start_processes",
    "dask_executor",
    "held",
    "process_executor",
    "shared",
    "unheard",
]

Answer = TypeVar("Answer")

NOBODY = Phrase("the Dask scheduler has no workers")
# Seconds after which a cluster is asked again who is there.
LOOKS_APART = 2.0
# Seconds after which whoever waits for a task, or does one, looks whether somebody wants it to stop.
PATIENCE = 0.2
ENDED = Phrase("a process that simulates has ended by itself: is memory short?")
DROPPED = Phrase("the cluster has dropped the simulation: are its scheduler or all its workers gone?")


def can_start_processes() -> bool:
    """Whether this Python can start others: inside a browser it cannot."""
    return sys.platform != "emscripten" and importlib.util.find_spec("_multiprocessing") is not None


@runtime_checkable
class Executor(Protocol):
    """What runs blocks elsewhere: an executor of ``concurrent.futures``, or one of this module.

    One that has a method ``share(x)`` is handed what many tasks need once, and the tasks what that
    returns; others carry the deal in each task, whose process then prepares it anew. One that has a
    method ``check()`` is asked now and then while tasks are awaited, and raises when nobody is left to do
    them. One that has a method ``help(progress)`` is asked to let whoever waits do a task that nobody has
    begun; it returns whether there was one.
    """

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Future[Any]:
        """Start ``fn(*args)`` and return its future."""


@dataclass(frozen=True, slots=True)
class Handle:
    """Stands for something that a process was handed once; a task has one at most."""

    key: int

    def load(self) -> Any:
        """What it stands for; the same object each time."""
        return _kept[self.key]


# In a process that computes: what it was handed last.
_kept: dict[int, Any] = {}


def unheard(share: float) -> None:
    """Stand for progress among the arguments of a task; where whoever waits does it, its own is told."""


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


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Let a process start without running the script that starts it, as tasks want nothing of it.

    So a script needs no ``if __name__ == "__main__":``, and nobody waits for what it imports.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _keep(key: int, what: Any) -> None:
    _kept.clear()
    _kept[key] = what


class _Processes:
    """Interpreters that wait for tasks, each with a pipe of its own and a thread that feeds it.

    Simpler than ``ProcessPoolExecutor``, and what it does not do: a process ends with the one that
    started it, however that ends, and one that ends by itself is an error at once. Where it `helps`, whoever
    waits for a task does what no process has begun.
    """

    def __init__(self, count: int, helps: bool = False) -> None:
        from multiprocessing import get_context  # not everywhere: see can_start_processes

        context = get_context("spawn")
        self.helps = helps
        self.tasks: queue.SimpleQueue[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]] | None]
        self.tasks = queue.SimpleQueue()
        # Threads that still take tasks, and what makes counting them and leaving a task one step.
        self.feeding, self.lock = count, threading.Lock()
        self.shared: list[Any] = []
        self.processes: list[SpawnProcess] = []
        self.threads: list[threading.Thread] = []
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs,), daemon=True)
            with _without_main():
                process.start()
            theirs.close()
            thread = threading.Thread(target=self._feed, args=(ours,), daemon=True)
            thread.start()
            self.processes.append(process)
            self.threads.append(thread)

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Future[Any]:
        future: Future[Any] = Future()
        with self.lock:
            if self.feeding:
                self.tasks.put((future, fn, args))
                return future
        future.set_exception(HostError(ENDED))
        return future

    def share(self, what: Any) -> Handle:
        for key, known in enumerate(self.shared):
            if known is what:
                return Handle(key)
        self.shared.append(what)
        return Handle(len(self.shared) - 1)

    def help(self, progress: Callable[[], object]) -> bool:
        """Do the first task that no process has begun, if there is one, with what is shared as it is."""
        if not self.helps:
            return False
        try:
            task = self.tasks.get_nowait()
        except queue.Empty:
            return False
        if task is None:  # for a thread, to end
            self.tasks.put(None)
            return False
        future, fn, args = task
        if not future.set_running_or_notify_cancel():
            return True
        stop: BaseException | None = None
        heard = time.monotonic()

        def tick(share: float) -> None:
            nonlocal stop, heard
            if time.monotonic() - heard >= PATIENCE:
                try:
                    progress()
                except BaseException as error:
                    stop = error
                    raise
                heard = time.monotonic()

        def here(arg: Any) -> Any:
            return self.shared[arg.key] if isinstance(arg, Handle) else tick if arg is unheard else arg

        try:
            answer = fn(*map(here, args))
        except BaseException as error:
            # What the task raises is for whoever awaits it; what stops the waiting is not.
            future.set_exception(error)
            if not isinstance(error, Exception):
                raise
        else:
            future.set_result(answer)
        if stop is not None:
            raise stop
        return True

    def close(self) -> None:
        """End the processes; whoever stops a run does not wait for the blocks that are under way."""
        for _ in self.threads:
            self.tasks.put(None)
        for process in self.processes:
            process.terminate()
            process.join()
        for thread in self.threads:
            thread.join()

    def _feed(self, pipe: Connection) -> None:
        given = -1
        with pipe:
            while (task := self.tasks.get()) is not None:
                future, fn, args = task
                if not future.set_running_or_notify_cancel():
                    continue
                try:
                    for key in (x.key for x in args if isinstance(x, Handle) and x.key != given):
                        _asked(pipe, _keep, (key, self.shared[key]))
                        given = key
                    future.set_result(_asked(pipe, fn, args))
                except (EOFError, OSError):
                    self._leave()
                    future.set_exception(HostError(ENDED))
                    return
                except Exception as error:
                    future.set_exception(error)

    def _leave(self) -> None:
        """Take no more tasks; the last thread to leave answers those that nobody will take."""
        with self.lock:
            self.feeding -= 1
            with contextlib.suppress(queue.Empty):
                while not self.feeding:
                    task = self.tasks.get_nowait()
                    if task is not None and task[0].set_running_or_notify_cancel():
                        task[0].set_exception(HostError(ENDED))


def awaited(
    executor: Executor, future: Future[Answer], progress: Callable[[], object] = lambda: None
) -> Answer:
    """Wait for a task, do others meanwhile where the executor wants help, and let somebody stop that.

    Parameters
    ----------
    executor : Executor
        That has the task.
    future : Future
    progress : callable
        Called now and then; what it raises ends the waiting.

    Returns
    -------
    object
        What the task returns.

    Raises
    ------
    HostError
        When nobody is left to do it; else what the task raises.
    """
    check = getattr(executor, "check", lambda: None)
    helped = getattr(executor, "help", lambda progress: False)
    try:
        while not future.done():
            progress()
            if not helped(progress):
                wait([future], PATIENCE)
            check()
        return future.result()
    except BrokenExecutor:
        raise HostError(ENDED) from None
    except CancelledError:
        raise HostError(DROPPED) from None


def shared(executor: Executor, what: Any) -> Any:
    """What stands for an object in the tasks of an executor: a handle, or the object itself."""
    share = getattr(executor, "share", None)
    return what if share is None else share(what)


def held(what: Any) -> Any:
    """What something stands for where a task runs."""
    return what.load() if isinstance(what, Handle) else what


class Questions:
    """Questions about one deal: answered by an executor from now on, or here when the answer is wanted.

    A context; whoever leaves it drops what is not answered yet.

    Parameters
    ----------
    deal : object
    executor : Executor or None
    """

    def __init__(self, deal: Any, executor: Executor | None) -> None:
        self.deal: Any = deal
        self.executor = executor
        self.asked: list[Future[Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for future in self.asked:
            future.cancel()

    def ask(self, question: Callable[..., Answer], *args: Any) -> Callable[[Callable[[float], None]], Answer]:
        """Ask ``question(deal, *args, progress=...)``.

        Parameters
        ----------
        question : callable
            Of a module; its answer and arguments have to go from process to process.
        *args

        Returns
        -------
        callable
            Called with the progress of this question (share done; what it raises ends the waiting), it
            returns the answer.
        """
        executor = self.executor
        if executor is None:
            return lambda progress: question(self.deal, *args, progress=progress)
        future = executor.submit(_answer, shared(executor, self.deal), question, args, unheard)
        self.asked.append(future)
        return lambda progress: awaited(executor, future, lambda: progress(0.0))


def _answer(
    deal: Any, question: Callable[..., Any], args: tuple[Any, ...], progress: Callable[[float], None]
) -> Any:
    return question(held(deal), *args, progress=progress)


def _asked(pipe: Connection, fn: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    pipe.send((fn, args))
    good, found = pipe.recv()
    if not good:
        raise found
    return found


@contextlib.contextmanager
def process_executor(workers: int | None = None, *, helps: bool = False) -> Iterator[Executor | None]:
    """Run blocks in other processes of this machine, which start at once.

    They are new interpreters on every system, which do not run the script that starts them.

    Parameters
    ----------
    workers : int, optional
        How many work; one for each processor that this process may use when left out.
    helps : bool
        Whether this process is one of them: while it waits it does what no other has begun. That saves the
        memory of a process; progress is told, and may stop it, between the steps of what it does.

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
    processes = _Processes(count - helps, helps)
    try:
        yield processes
    finally:
        processes.close()


def _itself(what: Any) -> Any:
    return what


@dataclass(frozen=True, slots=True, eq=False)
class _Cluster:
    client: Any
    executor: Any
    patience: float
    # When it was last looked, and when a worker was last there.
    looked: list[float]

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Future[Any]:
        future: Future[Any] = self.executor.submit(fn, *args)
        return future

    def share(self, what: Any) -> Any:
        # The result of a task, not scattered data: what is lost with a worker the scheduler has made anew.
        # It goes there once, which is what Dask asks of what is large.
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sending large graph", UserWarning)
            return self.client.submit(_itself, what, pure=False)

    def check(self) -> None:
        """Raise when no worker has been there for a while: a scheduler waits for one for ever."""
        now = time.monotonic()
        if now - self.looked[0] < LOOKS_APART:
            return
        self.looked[0] = now
        if self.client.scheduler_info(n_workers=-1)["workers"]:
            self.looked[1] = now
        elif now - self.looked[1] > self.patience:
            raise HostError(
                Phrase(
                    "{nobody}: the last one has been gone for {patience:.0f} seconds",
                    nobody=NOBODY,
                    patience=self.patience,
                )
            )


@contextlib.contextmanager
def dask_executor(address: str, timeout: float = 5.0, patience: float = 30.0) -> Iterator[Executor]:
    """Run blocks on the workers of a Dask scheduler.

    A worker that dies loses nothing: the scheduler gives its blocks to the others.

    Parameters
    ----------
    address : str
        Of the scheduler, such as "tcp://10.0.0.1:8786".
    timeout : float
        Seconds to wait for the scheduler, and for a first worker.
    patience : float
        Seconds to wait for another worker once the last one is gone.

    Yields
    ------
    Executor
        For the `executor` argument of :func:`simulate`.

    Raises
    ------
    HostError
        When the scheduler cannot be reached or has no workers, or Dask is not installed.
    """
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError:
        raise HostError(Phrase("Dask is not installed: {command}", command=add("dask"))) from None
    try:
        client = distributed.Client(address, timeout=timeout, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise HostError(
            Phrase(
                "the Dask scheduler {address} cannot be reached ({reason})",
                address=address,
                reason=str(error),
            )
        ) from None
    try:
        try:
            client.wait_for_workers(1, timeout=timeout)
        except TimeoutError:
            raise HostError(
                Phrase("{nobody}: start one with  dask worker {address}", nobody=NOBODY, address=address)
            ) from None
        now = time.monotonic()
        yield _Cluster(client, client.get_executor(pure=False, retries=3), patience, [now, now])
    finally:
        client.close()
