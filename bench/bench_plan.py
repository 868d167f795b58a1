"""What simulating a plan costs: against drawing its normals, by size, in memory, and on workers.

Run: python bench/bench_plan.py [--quick]
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator

import numpy as np
from deals import sequential
from process import measure
from table import Row, in_turn, main, seconds

from xlkmv.deal.examples.patents import xingye_yuanrong
from xlkmv.deal.paths.executors import dask_executor
from xlkmv.deal.paths.run import simulate

TEMPLATE = """
from xlkmv.deal.examples.patents import xingye_yuanrong
from xlkmv.deal.paths.run import simulate
simulate(xingye_yuanrong(), paths={paths})
"""


def draw_normals(paths: int, count: int) -> None:
    """Draw as many normals as the simulation does, in blocks."""
    rng = np.random.Generator(np.random.Philox(1))
    for start in range(0, paths, 1 << 16):
        rng.standard_normal((min(1 << 16, paths - start), count))


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """Measure the template's deal, then larger ones."""
    scale = 10 if options.quick else 1
    deal, paths = xingye_yuanrong(), 1_000_000 // scale
    count = len(deal.pool.name) + 2  # obligors, common factor, payer of the undertaking
    ours, normals = in_turn(5, lambda: simulate(deal, paths=paths), lambda: draw_normals(paths, count))
    yield Row(f"Template, {paths:,} paths", ours, "s", f"drawing its {count} normals a path", normals, 2.0)
    twice = seconds(lambda: simulate(deal, paths=2 * paths))
    yield Row("... twice the paths", twice, "s", "half of them", ours, 2.2)
    pools = [sequential(obligors, 24, 3) for obligors in (1500, 3000)]
    half, whole = in_turn(2, *(lambda p=p: simulate(p, paths=10_000) for p in pools))
    yield Row("3,000 obligors x 24 dates, 10,000 paths", whole, "s", "1,500 obligors", half, 2.2)

    paths = 10_000_000 // scale
    peak = measure(["-c", TEMPLATE.format(paths=paths)], limit=300.0).megabytes
    yield Row(f"Template, {paths:,} paths: memory", peak, "MB", "limit", 500.0, 1.0)
    yield _workers(8_000_000 // scale)


def _workers(paths: int) -> Row:
    work, against, aim = f"Dask, {paths:,} paths, 2 workers", "1 worker", 1 / 1.7
    try:
        import distributed
    except ImportError as error:
        return Row(work, math.nan, "s", against, math.nan, aim, why=str(error))
    deal, times, runs = xingye_yuanrong(), [], []
    for count in (1, 2):
        with (
            distributed.LocalCluster(
                n_workers=count, threads_per_worker=1, dashboard_address=":0", silence_logs=50
            ) as cluster,
            dask_executor(cluster.scheduler_address) as executor,
        ):
            simulate(deal, paths=4 << 18, executor=executor)  # workers import what they need
            times.append(seconds(lambda e=executor: runs.append(simulate(deal, paths=paths, executor=e))))
    np.testing.assert_array_equal(runs[0].replicates, runs[1].replicates)
    return Row(work, times[1], "s", against, times[0], aim)


if __name__ == "__main__":
    main(rows, __doc__)
