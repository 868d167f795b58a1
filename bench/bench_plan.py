"""What the plan engine costs: time against drawing normals, memory, slopes, and workers.

``python bench/bench_plan.py [--quick]`` prints one table. Every figure is measured in this
run; memory and large runs have a process of their own, so that peaks do not mix.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from xlkmv.deal.examples.patents import xingye_yuanrong
from xlkmv.deal.paths.executors import dask_executor
from xlkmv.deal.paths.run import simulate
from xlkmv.deal.plan.waterfall import waterfall
from xlkmv.deal.questions.attribution import attribute_controls
from xlkmv.deal.questions.breakeven import reverse_stress
from xlkmv.deal.questions.conditions import run_scenarios
from xlkmv.deal.stress import PRESETS, apply
from xlkmv.deal.terms import Controls, Deal, Pool, Terms, Tranche


def row(what: str, value: str, goal: str = "") -> None:
    print(f"{what:<66} {value:>22}  {goal}", flush=True)


def best(work: Callable[[], object], repeats: int = 3) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def draw_normals(paths: int, count: int) -> None:
    rng = np.random.Generator(np.random.Philox(1))
    for start in range(0, paths, 1 << 16):
        rng.standard_normal((min(1 << 16, paths - start), count))


def large_deal(obligors: int, dates: int) -> Deal:
    """Quarterly level instalments, every obligor its own size and PD; all controls on."""
    rng = np.random.default_rng(1)
    template = xingye_yuanrong()
    closing = template.terms.closing
    months = [closing.month - 1 + 3 * k for k in range(1, dates + 1)]
    days = tuple(closing.replace(year=closing.year + m // 12, month=m % 12 + 1) for m in months)
    amount = rng.lognormal(0.0, 1.0, obligors)
    pool = Pool(
        tuple(f"Obligor {i}" for i in range(obligors)),
        amount,
        np.repeat(amount[:, None] / dates * 1.15, dates, axis=1),
        rng.uniform(0.005, 0.03, obligors),
        0.4,
        1.0,
        0.2,
    )
    total = float(amount.sum())
    tranches = (
        Tranche("Senior", 1, 0.85 * total, 0.02, "with collections", days[-1]),
        Tranche("Mezzanine", 2, 0.10 * total, 0.04, "with collections", days[-1]),
        Tranche("Junior", 3, 0.05 * total, 0.0, "bullet", days[-1]),
    )
    terms = Terms(closing, days, fee_rate=0.002, support_correlation=0.3)
    controls = Controls(repurchase_share=0.2, unpledged_recovery=0.2)
    return Deal(pool, tranches, terms, controls, template.covenants[:3])


def slope(sizes: list[int], seconds: list[float]) -> float:
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def in_its_own_process(task: str) -> tuple[float, float]:
    """Seconds and peak memory in MB of one task of this file."""
    out = subprocess.run(
        [sys.executable, __file__, "--task", task], check=True, capture_output=True, text=True
    )
    seconds, peak = out.stdout.split()
    return float(seconds), float(peak)


def peak_memory() -> float:
    """Peak resident memory of this process in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count what the parent held before exec
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return float(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run_task(task: str) -> None:
    kind, paths, obligors, dates = task.split(":")
    deal = xingye_yuanrong() if kind == "template" else large_deal(int(obligors), int(dates))
    start = time.perf_counter()
    if int(paths):
        simulate(deal, paths=int(paths))
    print(time.perf_counter() - start, peak_memory())


def workers(paths: int) -> None:
    try:
        import distributed
    except ImportError:
        row("Dask", "not installed")
        return
    deal, times, runs = xingye_yuanrong(), [], []
    for count in (1, 2):
        with (
            distributed.LocalCluster(
                n_workers=count, threads_per_worker=1, dashboard_address=":0", silence_logs=50
            ) as cluster,
            dask_executor(cluster.scheduler_address) as executor,
        ):
            simulate(deal, paths=4 << 18, executor=executor)  # workers import what they need
            start = time.perf_counter()
            runs.append(simulate(deal, paths=paths, executor=executor))
            times.append(time.perf_counter() - start)
    same = bool((runs[0].replicates == runs[1].replicates).all())
    row(f"Dask, {paths:.0e} paths, 2 workers against 1", f"{times[0] / times[1]:.2f} x", "at least 1.7 x")
    row("Dask, same bits with 1 and 2 workers", str(same), "True")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the paths")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        run_task(options.task)
        return
    scale = 10 if options.quick else 1
    deal = xingye_yuanrong()
    print(f"numpy {np.__version__}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")

    paths = 1_000_000 // scale
    count = len(deal.pool.name) + 2  # obligors, common factor, payer of the undertaking
    normals, whole = [], []
    for _ in range(5):  # taken in turns, so that other load on the machine hits both
        normals.append(best(lambda: draw_normals(paths, count), 1))
        whole.append(best(lambda: simulate(deal, paths=paths), 1))
    row(f"Drawing the {count} normals of {paths:.0e} paths", f"{min(normals):.3f} s")
    row(f"Template, all controls, {paths:.0e} paths", f"{min(whole):.3f} s")
    row("... against drawing the normals", f"{min(whole) / min(normals):.2f} x", "at most 2 x")
    with ThreadPoolExecutor(2) as threads:
        two = best(lambda: simulate(deal, paths=paths, executor=threads))
    row("... on two threads, against drawing the normals on one", f"{two / min(normals):.2f} x")
    row("... different default patterns paid out", f"{simulate(deal, paths=paths).waterfalls:,}")

    sizes = [n // scale for n in (500_000, 1_000_000, 2_000_000, 4_000_000)]
    row(
        "Slope of time in paths (log-log)",
        f"{slope(sizes, [best(lambda n=n: simulate(deal, paths=n)) for n in sizes]):.2f}",
        "1",
    )
    obligors = [625, 1250, 2500, 5000]
    deals = [large_deal(m, 20) for m in obligors]
    seconds = [best(lambda d=d: simulate(d, paths=10_000), 2) for d in deals]
    row("Slope of time in obligors (log-log), 1e4 paths x 20 dates", f"{slope(obligors, seconds):.2f}", "1")

    _, floor = in_its_own_process("template:0:0:0")
    seconds_7, peak_7 = in_its_own_process(f"template:{10_000_000 // scale}:0:0")
    row(f"Template, {10_000_000 // scale:.0e} paths: time", f"{seconds_7:.2f} s")
    row("... peak memory (imports alone)", f"{peak_7:.0f} MB ({floor:.0f} MB)", "at most 500 MB")
    seconds_5, peak_5 = in_its_own_process(f"large:{100_000 // scale}:10000:60")
    row(f"10,000 obligors x 60 dates x {100_000 // scale:.0e} paths: time", f"{seconds_5:.1f} s")
    row("... peak memory", f"{peak_5:.0f} MB")

    plan = apply(deal, PRESETS[0])
    flows = plan.collections * np.random.default_rng(1).uniform(0.6, 1.1, (20_000, 20))
    row("Waterfall, 20,000 paths kept whole", f"{best(lambda: waterfall(plan, flows)):.3f} s")
    row(
        f"All {len(PRESETS)} preset conditions, 1e5 paths",
        f"{best(lambda: run_scenarios(deal, paths=100_000), 1):.2f} s",
    )
    row(
        "Shapley, 128 sets of controls, 2e4 paths",
        f"{best(lambda: attribute_controls(deal, paths=20_000), 1):.2f} s",
    )
    row("Reverse stress", f"{best(lambda: reverse_stress(deal), 1):.2f} s")
    workers(8_000_000 // scale)


if __name__ == "__main__":
    main()
