"""Intervals of the shipped deal against brute force: ``python bench/uncertainty_nested.py [--plain]``.

Nested simulation: the inputs are drawn from their ranges hundreds of times, evenly, and the deal is
simulated at each draw; the 5 % and 95 % quantiles are the ends. Then the same question is asked with
several seeds: how far the answers lie from these ends, how far they scatter, and what error they say
themselves.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import ndtri

from xlkmv.deal.examples import example
from xlkmv.deal.paths.run import Run, Wanted, simulate
from xlkmv.deal.questions.uncertainty import uncertainty
from xlkmv.deal.stress import BASE
from xlkmv.deal.terms import Deal
from xlkmv.deal.terms.ranges import Ranges, varied
from xlkmv.model.sobol import sobol_points

FIGURES = ("anydate_pd", "expected_loss")


def nested(
    deal: Deal, ranges: Ranges, draws: int, paths: int, *, tilt: bool = True, seed: int = 12345
) -> Any:
    """Figures of each class at draws of its inputs, shape (draws, classes, 2)."""
    names = ranges.acting(deal)
    found = []
    for j, z in enumerate(ndtri(sobol_points(draws, len(names), seed))):
        shifts = {name: x * ranges.spread(name, deal)[int(x > 0.0)] for name, x in zip(names, z, strict=True)}
        run = Run(varied(deal, shifts), Wanted(brief=(BASE,)), paths=paths, seed=10**6 + j, tilt=tilt)
        measured = run.results()[1][0]
        found.append([[getattr(t, figure) for figure in FIGURES] for t in measured.tranches])
    return np.array(found)


def main() -> None:
    """Print, for each class and figure, the ends by brute force and those of several seeds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=1024)
    parser.add_argument("--paths", type=int, default=50_000, help="at each draw")
    parser.add_argument("--plain", action="store_true", help="no path drawn more often: take 400,000 of them")
    parser.add_argument("--seeds", type=int, default=16)
    options = parser.parse_args()
    shipped = example("patents")
    deal, ranges = shipped.deal, shipped.ranges
    brute = nested(deal, ranges, options.draws, options.paths, tilt=not options.plain)
    ends = np.quantile(brute, [0.05, 0.95], axis=0)
    said, errors, shares, share_errors, simulated = [], [], [], [], []
    for seed in range(options.seeds):
        one = replace(deal, terms=replace(deal.terms, seed=1000 * seed + 7))
        run = simulate(one)
        found = uncertainty(one, ranges, run=run)
        each = [
            [(c.pd, t.anydate_pd), (c.expected_loss, t.expected_loss)]
            for c, t in zip(found.classes, run.tranches, strict=True)
        ]
        said.append([[spread.around(p) for spread, p in row] for row in each])
        errors.append([[spread.errors(p) for spread, p in row] for row in each])
        shares.append(found.classes[0].pd.total)
        share_errors.append(found.classes[0].pd.total_error)
        simulated.append([c.simulated for c in found.classes])
    print(
        "| class | figure | end | brute force | mean of seeds | scatter | error said |\n"
        "|---|---|---|---|---|---|---|"
    )
    for k, tranche in enumerate(deal.tranches):
        for f, figure in enumerate(("PD", "EL")):
            for e, end in enumerate(("low", "high")):
                x, error = np.array(said)[:, k, f, e], np.array(errors)[:, k, f, e]
                print(
                    f"| {tranche.name} | {figure} | {end} | {ends[e, k, f]:.2g} | {x.mean():.2g} "
                    f"| {x.std(ddof=1) / x.mean():.0%} | {np.sqrt((error**2).mean()) / x.mean():.0%} |"
                )
    print(f"Of the simulation: {np.mean(simulated, axis=0)} of the seeds, class by class.")
    total, error = np.array(shares), np.sqrt(np.square(share_errors).mean(axis=0))
    for g, label in enumerate(found.labels):
        column = total[:, g]
        print(
            f"{label}: {column.mean():.0%}, {column.min():.0%} to {column.max():.0%}, "
            f"error said {error[g]:.1%}"
        )


if __name__ == "__main__":
    main()
