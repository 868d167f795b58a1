"""Blocks in other processes: the same bits, nothing sent twice, nobody left behind when a run is stopped."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from xlkmv.deal.analysis import analyse
from xlkmv.deal.examples import example
from xlkmv.deal.examples.patents import xingye_yuanrong
from xlkmv.deal.paths import run
from xlkmv.deal.paths.executors import PATIENCE, Questions, held, process_executor
from xlkmv.deal.paths.run import Run, Wanted, simulate, simulate_stresses
from xlkmv.deal.stress import BASE, Stress
from xlkmv.errors import DomainError, HostError
from xlkmv.model.domain import NOT_NEGATIVE, check
from xlkmv.refresh.run import _executor as refreshing

STRESSES = (BASE, Stress("x2", pd_multiplier=2.0), Stress("off", controls_off="all"))


@pytest.fixture(scope="module")
def executor():
    with process_executor(2) as found:
        yield found


@pytest.fixture
def auto():
    """A deal of 300 obligors, in several bundles."""
    return example("auto").deal


@pytest.mark.parametrize("thin", [False, True])
def test_processes_give_the_same_bits(executor, auto, thin):
    options = {"paths": 70_000 if thin else 20_000, "thin": thin}
    here = simulate_stresses(auto, STRESSES, **options)
    there = simulate_stresses(auto, STRESSES, **options, executor=executor)
    for a, b in zip(here, there, strict=True):
        assert (a.replicates == b.replicates).all()
        assert (a.expected_collections == b.expected_collections).all()
        for one, other in zip(a.tranches, b.tranches, strict=True):
            assert one.pd == other.pd
            assert one.wal == other.wal
            assert (one.loss_probability == other.loss_probability).all()


def test_processes_find_the_same_paths_by_a_pilot_run(executor, auto):
    found = []
    for where in (None, executor):
        with Run(auto, Wanted(STRESSES[:1], STRESSES[1:]), paths=40_000, executor=where, piloted=True) as run:
            found.append(run.results())
    ((base,), few), ((other,), others) = found
    assert (base.replicates == other.replicates).all()
    assert min(run.waterfalls for run in few) < 10_000
    for a, b in zip(few, others, strict=True):
        assert a.waterfalls == b.waterfalls
        assert (a.replicates == b.replicates).all()


def test_a_deal_is_handed_over_once(executor, auto):
    first = executor.share(auto)
    assert executor.share(auto) == first
    ask = [executor.submit(_mark, first).result() for _ in range(8)]
    assert len(set(ask)) <= 2  # one object in each of two processes
    assert executor.share(example("mortgage").deal) != first


def _mark(handle):
    return os.getpid(), id(handle.load())


def test_what_fails_there_fails_here(executor):
    with pytest.raises(ZeroDivisionError):
        executor.submit(divmod, 1, 0).result()
    assert executor.submit(divmod, 7, 2).result() == (3, 1)


def test_one_processor_needs_no_other_process():
    with process_executor(1) as none:
        assert none is None


def test_a_process_that_dies_is_a_clear_error_at_once_and_later(auto):
    def kill(done, total):
        for process in executor.processes:
            process.kill()

    with process_executor(2) as executor:
        for _ in range(2):
            with pytest.raises(HostError, match="ended by itself"):
                simulate(auto, paths=100_000, executor=executor, progress=kill)


def test_tasks_that_no_process_is_left_for_are_answered():
    with process_executor(2) as executor:
        for process in executor.processes:
            process.kill()
            process.join()
        asked = [executor.submit(os.getpid) for _ in range(8)]
        assert all("ended by itself" in str(future.exception(60)) for future in asked)


def test_what_is_asked_just_after_a_process_died_is_answered():
    for _ in range(5):
        with process_executor(2) as executor:
            for process in executor.processes:
                process.kill()
            for _ in range(50):  # some while its thread has not noticed yet
                assert isinstance(executor.submit(divmod, 7, 2).exception(timeout=60), HostError)


ORPHANS = """
import os, signal, sys
from xlkmv.deal.paths.executors import process_executor

with process_executor(2) as executor:  # and no guard for processes that would run this, too
    print(*{executor.submit(os.getpid).result() for _ in range(40)}, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of Unix")
def test_nobody_outlives_the_one_that_started_it(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(ORPHANS)
    said = subprocess.run(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, check=False
    ).stdout
    others = [int(number) for number in said.split()]
    deadline = time.monotonic() + 30
    while any(map(_runs, others)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert others
    assert not any(map(_runs, others))


def _runs(process):
    """Whether it is there, and not only waiting to be noticed as dead."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


INTERRUPTED = """
import signal, time
from xlkmv.deal.examples import example
from xlkmv.deal.paths.executors import process_executor
from xlkmv.deal.paths.run import simulate

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background may ignore it
    try:
        with process_executor(2) as executor:
            for future in [executor.submit(time.sleep, 1) for _ in range(2)]:
                future.result()  # both have begun
            started = lambda done, total: print("started", flush=True)
            simulate(example("auto").deal, paths=5_000_000, executor=executor, progress=started)
    except KeyboardInterrupt:
        print("stopped", flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="a terminal of Unix")
def test_an_interrupt_in_the_terminal_is_heard_once(tmp_path):
    """The terminal tells all processes; the others leave it to the one that started them."""
    script = tmp_path / "script.py"
    script.write_text(INTERRUPTED)
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout.readline() == "started\n"
        os.killpg(process.pid, signal.SIGINT)
        out, errors = process.communicate(timeout=60)
    assert out.splitlines()[-1] == "stopped"
    assert errors == ""


def test_whoever_stops_a_run_does_not_wait_for_it(auto):
    mine = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))
    mine.start()
    told = []

    def stop(done, total):
        told.append(done)
        if len(told) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), process_executor(2) as executor:
        simulate(auto, paths=2_000_000, executor=executor, progress=stop)
    assert not any(process.is_alive() for process in executor.processes)
    assert mine.is_alive()  # not ours to end
    mine.kill()
    mine.join()


def test_things_shared_are_told_apart_whatever_the_order_of_tasks(executor):
    first, second = (executor.share(thing) for thing in (["first"], ["second"]))
    asked = [executor.submit(held, handle) for handle in (first, second, second, first, first, second)]
    assert [future.result()[0] for future in asked] == [
        "first",
        "second",
        "second",
        "first",
        "first",
        "second",
    ]


def test_an_error_of_the_product_comes_back_as_it_was(executor):
    with pytest.raises(DomainError) as met:
        executor.submit(check, "amount", -1.0, NOT_NEGATIVE).result()
    with pytest.raises(DomainError) as here:
        check("amount", -1.0, NOT_NEGATIVE)
    assert str(met.value) == str(here.value)
    assert (met.value.argument, met.value.rule, met.value.value) == ("amount", here.value.rule, -1.0)


def test_an_analysis_is_the_same_whoever_answers_its_questions(executor):
    """Today's deal is shared while questions about the one at closing wait."""
    deal = xingye_yuanrong()
    deal = replace(deal, terms=replace(deal.terms, paths=500))
    options = {"actual": deal.pool.collections[:2]}
    here, there = (analyse(deal, STRESSES, **options, executor=who) for who in (None, executor))
    assert _plain(here) == _plain(there)


def _plain(answer):
    """Figures and texts of an answer, to the last bit."""
    if is_dataclass(answer):
        return [_plain(getattr(answer, field.name)) for field in fields(answer)]
    if isinstance(answer, np.ndarray):
        return answer.dtype.str, answer.tobytes()
    if isinstance(answer, (tuple, list)):
        return [_plain(part) for part in answer]
    if isinstance(answer, dict):
        return [(key, _plain(part)) for key, part in answer.items()]
    return repr(answer)


def test_whoever_leaves_drops_the_questions_that_nobody_has_begun():
    with process_executor(2) as executor:
        with Questions(1, executor) as questions:
            for _ in range(4):
                questions.ask(_slow)
            answers = questions.asked
        assert sum(future.cancelled() for future in answers) >= 1


def _slow(deal, progress):
    time.sleep(0.5)


@pytest.fixture
def busy():
    """One other process, which has begun something that takes long."""
    with process_executor(2, helps=True) as found:
        begun = found.submit(time.sleep, 60)
        while not begun.running():
            time.sleep(0.01)
        yield found


def _seen(deal, progress):
    return os.getpid(), id(deal)


def _telling(deal, progress):
    while True:
        time.sleep(0.01)
        progress(0.5)


def _failing(deal, progress):
    raise ZeroDivisionError


def test_as_many_work_as_there_are_processors(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1, 2}, raising=False)
    with process_executor() as three, process_executor(helps=True) as two:
        assert (len(three.processes), len(two.processes)) == (3, 2)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0})
    with process_executor() as none:
        assert none is None


@pytest.mark.parametrize(("key", "helps"), [("patents", True), ("lease", True), ("mortgage", False)])
def test_a_refresh_helps_where_it_still_answers_at_once(monkeypatch, key, helps):
    """Obligors by dates: 220, 11,400 and 35,700."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1}, raising=False)
    with refreshing(None, example(key).deal, quick=False) as found:
        assert (found.helps, len(found.processes)) == (helps, 2 - helps)


def test_whoever_waits_does_what_nobody_has_begun_with_the_deal_itself(busy):
    deal = ["a deal"]
    with Questions(deal, busy) as questions:
        answers = [questions.ask(_seen) for _ in range(3)]
        assert [answer(lambda share: None) for answer in answers] == 3 * [(os.getpid(), id(deal))]


def test_tasks_that_are_done_here_give_the_same_bits_and_leave_nothing(busy, auto):
    here = simulate_stresses(auto, STRESSES, paths=20_000)
    helped = simulate_stresses(auto, STRESSES, paths=20_000, executor=busy)
    assert _plain(here) == _plain(helped)
    assert run._ready is None


def test_whoever_does_a_task_meanwhile_is_asked_whether_to_stop(busy):
    asked = []

    def stop(share):
        asked.append(time.monotonic())
        if len(asked) == 4:
            raise KeyboardInterrupt

    with Questions(1, busy) as questions:
        questions.ask(_telling)
        wanted = questions.ask(_sum, 5)
        with pytest.raises(KeyboardInterrupt):
            wanted(stop)
        apart = np.diff(asked)
        assert (apart >= PATIENCE).all()
        assert apart.min() < PATIENCE + 0.2  # others may want the processor, too
        # Whoever goes on after all does not wait for what was stopped.
        assert isinstance(questions.asked[0].exception(timeout=0), KeyboardInterrupt)
        assert wanted(lambda share: None) == 6


def _deaf(deal, progress):
    try:
        _telling(deal, progress)
    except InterruptedError:
        return "went on"


def test_a_task_that_takes_no_notice_hides_no_wish_to_stop(busy):
    def stop(share):
        if share is None:
            raise InterruptedError

    with Questions(1, busy) as questions:
        questions.ask(_deaf)
        wanted = questions.ask(_sum, 5)
        begun = time.monotonic()
        with pytest.raises(InterruptedError):
            wanted(lambda share: stop(None if time.monotonic() - begun > 0.1 else share))
        assert questions.asked[0].result(timeout=0) == "went on"


def test_what_fails_meanwhile_is_for_whoever_waits_for_it(busy):
    with Questions(1, busy) as questions:
        first, second = questions.ask(_failing), questions.ask(_sum, 5)
        assert second(lambda share: None) == 6
        with pytest.raises(ZeroDivisionError):
            first(lambda share: None)


def test_without_an_executor_a_question_is_answered_when_its_answer_is_wanted():
    told = []
    with Questions(7, None) as questions:
        answer = questions.ask(_sum, 5)
    assert answer(told.append) == 12
    assert told == [1.0]


def _sum(deal, other, progress):
    progress(1.0)
    return deal + other
