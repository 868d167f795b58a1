"""The same blocks on a real Dask cluster of two worker processes: same bits, and nothing lost."""

from __future__ import annotations

import os
import signal
import time

import pytest

from xlkmv.deal.examples.patents import xingye_yuanrong
from xlkmv.deal.paths.executors import dask_executor
from xlkmv.deal.paths.run import simulate
from xlkmv.errors import HostError

distributed = pytest.importorskip("distributed", reason="Dask is an extra: pip install xlkmv[dask]")

# Dask's own housekeeping, not ours.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def address():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
    ) as cluster:
        yield cluster.scheduler_address


def test_workers_give_the_same_bits_and_a_killed_one_loses_nothing(address):
    paths = 1 << 20
    here = simulate(xingye_yuanrong(), paths=paths)
    with distributed.Client(address, set_as_default=False) as watcher:
        victims = list(watcher.run(os.getpid).values())
    assert len(set(victims)) == 2
    done = []

    def kill_one_worker(so_far, total):
        if not done:
            os.kill(victims[0], signal.SIGKILL)
        done.append(so_far)

    with dask_executor(address) as executor:
        there = simulate(xingye_yuanrong(), paths=paths, executor=executor, progress=kill_one_worker)
        again = simulate(xingye_yuanrong(), paths=paths, executor=executor)
    assert done[-1] == paths
    assert (again.replicates == here.replicates).all()
    assert (there.replicates == here.replicates).all()
    assert (there.expected_collections == here.expected_collections).all()
    assert [t.pd for t in there.tranches] == [t.pd for t in here.tranches]
    assert [t.wal for t in there.tranches] == [t.wal for t in here.tranches]


def test_an_unreachable_scheduler_is_a_clear_error_at_once():
    start = time.monotonic()
    with (
        pytest.raises(HostError, match=r"scheduler tcp://127\.0\.0\.1:9 cannot be reached"),
        dask_executor("tcp://127.0.0.1:9", timeout=1.0),
    ):
        pass
    assert time.monotonic() - start < 20.0
