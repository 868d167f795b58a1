"""Blocks in other processes: the same bits, nothing sent twice, nobody left behind when a run is stopped."""

from __future__ import annotations

import multiprocessing
import os
import time

import pytest

from xlkmv.deal.examples import example
from xlkmv.deal.paths.executors import process_executor
from xlkmv.deal.paths.run import simulate, simulate_stresses
from xlkmv.deal.stress import BASE, Stress
from xlkmv.errors import HostError

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


def test_a_deal_is_handed_over_once(executor, auto):
    first = executor.share(auto)
    assert executor.share(auto) is first
    assert executor.share(example("mortgage").deal) != first
    loaded = executor.submit(os.path.getsize, first.path).result()
    assert loaded > 1000


def test_one_processor_needs_no_other_process():
    with process_executor(1) as none:
        assert none is None


def test_a_process_that_dies_is_a_clear_error(auto):
    def kill(done, total):
        for child in multiprocessing.active_children():
            child.kill()

    with pytest.raises(HostError, match="ended by itself"), process_executor(2) as executor:
        simulate(auto, paths=100_000, executor=executor, progress=kill)


def test_whoever_stops_a_run_does_not_wait_for_it(auto):
    before = set(multiprocessing.active_children())
    started = []

    def stop(done, total):
        started.append(time.monotonic())
        if len(started) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), process_executor(2) as executor:
        simulate(auto, paths=2_000_000, executor=executor, progress=stop)
    assert not set(multiprocessing.active_children()) - before
