"""Time and error of the computed loss distributions, against a simulation of equal accuracy.

Run: python bench/bench_portfolio.py

The error of a computed figure is its change when the loss grid is made four times finer. The simulation draws
the same model obligor by obligor; its standard error falls with the square root of the scenarios, so the time
it would need for the computed figure's error is its time x (its error / that error)^2.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator

import numpy as np
from table import Row, main

from xlkmv.model.creditmetrics import creditmetrics
from xlkmv.model.creditriskplus import creditriskplus
from xlkmv.model.losses import LossDistribution, gaussian_copula_losses, simulated_losses

LEVEL = 0.99


def pool(count: int, grades: bool) -> tuple[np.ndarray, np.ndarray]:
    """Lognormal exposures; PDs of eight grades, or all different."""
    rng = np.random.default_rng(7)
    exposures = rng.lognormal(0.0, 1.0, count)
    pds = rng.choice(np.geomspace(0.0005, 0.1, 8), count) if grades else rng.uniform(0.002, 0.05, count)
    return exposures, pds


def timed(run: Callable[[], LossDistribution]) -> tuple[float, LossDistribution]:
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


def simulate_creditriskplus(
    exposures: np.ndarray, pds: np.ndarray, v: float, scenarios: int
) -> LossDistribution:
    """One gamma sector, Poisson defaults, no banding."""
    streams = np.random.SeedSequence(7)

    def scenario_losses(start: int, count: int) -> np.ndarray:
        rows = np.empty((count, exposures.size))
        for k in range(count):
            rng = np.random.default_rng([streams.entropy, start + k])
            rows[k] = exposures * rng.poisson(pds * rng.gamma(v**-2, v**2))
        return rows

    return simulated_losses(
        "simulation",
        scenario_losses,
        exposures.size,
        np.array([LEVEL]),
        None,
        scenarios=scenarios,
        block_size=256,
    )


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """Measure expected shortfall, computed and simulated, and the time to simulate it as well."""

    def row(name: str, run: Callable, fine: Callable, simulate: Callable) -> Row:
        seconds, result = timed(run)
        _, finer = timed(fine)
        simulation_seconds, simulation = timed(simulate)
        es = float(result.expected_shortfall[0])
        error = max(abs(es / float(finer.expected_shortfall[0]) - 1.0), 1e-12)
        simulation_error = float(simulation.standard_errors.expected_shortfall[0]) / es
        apart = abs(es / float(simulation.expected_shortfall[0]) - 1.0) / simulation_error
        assert apart < 4.0, f"{name}: {apart:.1f} standard errors apart"
        equal = simulation_seconds * (simulation_error / error) ** 2
        return Row(name, seconds, "s", "simulated to the same error", equal, 1e-3)

    exposures, pds = pool(100_000, grades=False)
    unit = float(exposures.max()) / 100
    yield row(
        "Loss distribution, CreditRisk+, 100,000 obligors",
        lambda: creditriskplus(exposures, pds, 0.8 * pds, [LEVEL]),
        lambda: creditriskplus(exposures, pds, 0.8 * pds, [LEVEL], unit=unit / 4),
        lambda: simulate_creditriskplus(exposures, pds, 0.8, 1000),
    )
    for grades in (True, False):
        amounts, chances = pool(10_000, grades)
        yield row(
            f"Loss distribution, KMV, 10,000 obligors, {'8 grades' if grades else 'all PDs different'}",
            lambda e=amounts, p=chances: gaussian_copula_losses(e, p, 0.2, [LEVEL]),
            lambda e=amounts, p=chances: gaussian_copula_losses(e, p, 0.2, [LEVEL], grid_points=160_000),
            lambda e=amounts, p=chances: creditmetrics(
                e, np.arange(e.size), np.column_stack([1 - p, p]), 0.2, [LEVEL], scenarios=5000
            ),
        )


if __name__ == "__main__":
    main(rows, __doc__)
