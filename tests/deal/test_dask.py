"""The same blocks on a real Dask cluster of two worker processes: same bits, and nothing lost."""

from __future__ import annotations

import os
import signal
import time
from types import SimpleNamespace

import pytest

from xlkmv.deal.examples.patents import xingye_yuanrong
from xlkmv.deal.paths import executors
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


def test_a_scheduler_without_workers_is_a_sentence_and_no_wait_for_ever():
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=":0", silence_logs=50) as cluster,
        pytest.raises(HostError, match=r"has no workers: start one with  dask worker tcp://"),
        dask_executor(cluster.scheduler_address, timeout=1.0),
    ):
        pass


def test_the_death_of_the_last_worker_ends_a_run():
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
    ) as cluster:

        def lose_all(so_far, total):
            cluster.scale(0)

        with (
            # What the workers were handed is lost with the last of them, or nobody comes to take its place.
            pytest.raises(HostError, match=r"all its workers gone|gone for 1 seconds"),
            dask_executor(cluster.scheduler_address, patience=1.0) as executor,
        ):
            simulate(xingye_yuanrong(), paths=1 << 23, executor=executor, progress=lose_all)


def test_a_cluster_is_given_some_time_to_find_another_worker(monkeypatch):
    monkeypatch.setattr(executors, "LOOKS_APART", 0.0)
    workers = {"one": 1}
    client = SimpleNamespace(scheduler_info=lambda n_workers: {"workers": workers})
    cluster = executors._Cluster(client, None, 0.2, [0.0, 0.0])
    cluster.check()
    workers.clear()
    cluster.check()
    workers["two"] = 2
    time.sleep(0.3)
    cluster.check()
    workers.clear()
    time.sleep(0.3)
    with pytest.raises(HostError, match="has no workers: the last one has been gone"):
        cluster.check()


def test_an_unreachable_scheduler_is_a_clear_error_at_once():
    start = time.monotonic()
    with (
        pytest.raises(HostError, match=r"scheduler tcp://127\.0\.0\.1:9 cannot be reached"),
        dask_executor("tcp://127.0.0.1:9", timeout=1.0),
    ):
        pass
    assert time.monotonic() - start < 20.0
