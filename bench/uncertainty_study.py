"""How often 90 % intervals hold a truth that is known: ``python bench/uncertainty_study.py [--deals N]``.

For each deal truth and data are drawn together: defaults of a history, a year of prices, listed peers, a
grade. The deal is answered for with the figures and ranges that the data give; its true answers are those
with the true inputs, simulated on other random numbers. Shares are printed with the standard error of so
many deals.
"""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, ndtr

from xlkmv.deal.kmv import kmv_view
from xlkmv.deal.paths.run import simulate
from xlkmv.deal.questions.uncertainty import uncertainty
from xlkmv.deal.sources import ObligorSource, PeerFirm, SourceTerms, obligor_pds, source_ranges
from xlkmv.deal.terms import Controls, Deal, Pool, Terms, Tranche, payment_dates
from xlkmv.deal.terms.ranges import Ranges
from xlkmv.model.history import history_pd

Array = npt.NDArray[np.float64]
Rng = np.random.Generator
# The true PDs of some obligors, what is known of them, and of what they share.
Known = tuple[Array, list[ObligorSource], SourceTerms]

OBLIGORS, DATES, PATHS, TRUE_PATHS = 40, 12, 60_000, 200_000
BARE = Controls().without("support", "reserve")
CLASSES = ("Senior", "Mezzanine")
# Means of the inputs over deals, and what their betas are worth: over deals, then within one.
RECOVERY, CORRELATION = (0.4, 30.0, 30.0), (0.15, 60.0, 80.0)
PD, SCATTER = 0.02, 0.4
# Of the history of all obligors together, of one obligor's own, and of a short one.
ALL_YEARS, OWN_YEARS, FEW_YEARS = 400, 60, 15
# Grades three times as likely to default as the one before, most obligors in the middle.
SCALE = tuple((f"G{k}", PD * 3.0**k) for k in range(-3, 4))
# Firms: median and scatter of the volatility of assets, true distance, prices a year.
VOLATILITY, VOLATILITY_SCATTER, DISTANCE, PRICES = 0.25, 0.15, 2.4, 250
# Industries of a pool, listed peers of each, and how far multiples lie apart within one.
INDUSTRIES, PEERS, MULTIPLE, MULTIPLE_SCATTER = 4, 8, 9.0, 0.2


@dataclass(frozen=True)
class Row:
    """Share of the deals of one kind whose interval holds the truth, for one class."""

    kind: str
    name: str
    pd: float
    expected_loss: float
    distance: float
    deals: int


def middle(rng: Rng) -> float:
    """Draw how likely obligors of one deal default."""
    return float(PD * np.exp(SCATTER * rng.standard_normal()))


def by_history(years: float) -> Callable[[Rng, int], Known]:
    """Each obligor stands on a history of its own, and its PD is drawn from what that leaves open."""

    def drawn(rng: Rng, count: int) -> Known:
        d = rng.binomial(int(years), middle(rng), count).astype(float)
        rows = [
            ObligorSource(f"History {k}", "history", defaults=x, obligor_years=years) for k, x in enumerate(d)
        ]
        return rng.beta(d + 0.5, years - d + 0.5), rows, SourceTerms()

    return drawn


def by_rating(rng: Rng, count: int) -> Known:
    """PDs lie anywhere in their grade, evenly in logs."""
    grade = np.clip(rng.binomial(4, 0.5, count) - 2, -2, 2)
    true = PD * 3.0 ** (grade + rng.uniform(-0.5, 0.5, count))
    rows = [ObligorSource(f"Rated {k}", "rating", rating=f"G{g}") for k, g in enumerate(grade)]
    return true, rows, SourceTerms(scale=SCALE)


def given(rng: Rng, count: int) -> Known:
    """Somebody types what to expect and the ends, both right: PDs are beta distributed."""
    mean, worth = middle(rng) * np.exp(SCATTER * rng.standard_normal(count)), rng.uniform(20.0, 200.0, count)
    a, b = mean * worth, (1.0 - mean) * worth
    rows = [
        ObligorSource(
            f"Given {k}",
            "given",
            pd=float(m),
            low=float(betaincinv(x, y, 0.05)),
            high=float(betaincinv(x, y, 0.95)),
        )
        for k, (m, x, y) in enumerate(zip(mean, a, b, strict=True))
    ]
    return rng.beta(a, b), rows, SourceTerms()


def firms(rng: Rng, count: int) -> tuple[Array, Array]:
    """Volatilities of the assets of firms, and ln(assets/default point) that is usual for them."""
    volatility = VOLATILITY * np.exp(VOLATILITY_SCATTER * rng.standard_normal(count))
    return volatility, VOLATILITY * (DISTANCE + 0.3 * rng.standard_normal(count)) + 0.5 * VOLATILITY**2


def equity_of(assets: Array, debt: Array | float, volatility: Array | float) -> tuple[Array, Array]:
    """Value and volatility of the equity one year before the debt is due, by Merton (1974), no interest."""
    d = np.log(assets / debt) / volatility + 0.5 * volatility
    equity = assets * ndtr(d) - debt * ndtr(d - volatility)
    return equity, ndtr(d) * volatility * assets / equity


def by_prices(rng: Rng, count: int) -> Known:
    """Equity of a firm is seen daily for a year, its assets move as Merton's do."""
    volatility, safe = firms(rng, count)
    debt = np.exp(-safe)
    steps = rng.standard_normal((count, PRICES)) / np.sqrt(PRICES)
    back = np.cumsum(steps, axis=1) - steps.sum(axis=1, keepdims=True)
    s = volatility[:, None]
    path = np.exp(s * back - 0.5 * s * s * (np.arange(PRICES) / PRICES - 1.0 + 1.0 / PRICES))
    seen, _ = equity_of(path, debt[:, None], s)
    rows = [
        ObligorSource(f"Listed {k}", "listed", prices=tuple(x), periods_per_year=PRICES, short_term=float(D))
        for k, (x, D) in enumerate(zip(seen, debt, strict=True))
    ]
    return ndtr(-(safe / volatility - 0.5 * volatility)), rows, SourceTerms()


def by_peers(rng: Rng, count: int) -> Known:
    """Multiples and volatilities of a firm are those of an industry, of which some firms are listed."""
    peers = []
    for g in range(INDUSTRIES):
        volatility, safe = firms(rng, PEERS)
        value = np.exp(rng.normal(0.0, 1.0, PEERS))
        debt = value * np.exp(-safe)
        earnings = value / MULTIPLE * np.exp(-MULTIPLE_SCATTER * rng.standard_normal(PEERS))
        figures = np.column_stack([*equity_of(value, debt, volatility), debt, 0.0 * debt, earnings])
        peers += [PeerFirm(f"Peer {g} {k}", f"Industry {g}", *x) for k, x in enumerate(figures.tolist())]
    volatility, safe = firms(rng, count)
    earnings = np.exp(rng.normal(0.0, 1.0, count)) / MULTIPLE
    debt = earnings * MULTIPLE * np.exp(-safe)
    value = earnings * MULTIPLE * np.exp(MULTIPLE_SCATTER * rng.standard_normal(count))
    rows = [
        ObligorSource(
            f"Compared {k}", "comparables", earnings=x, industry=f"Industry {k % INDUSTRIES}", short_term=D
        )
        for k, (x, D) in enumerate(zip(earnings.tolist(), debt.tolist(), strict=True))
    ]
    return ndtr(-(np.log(value / debt) / volatility - 0.5 * volatility)), rows, SourceTerms(peers=peers)


def mixed(rng: Rng, count: int) -> Known:
    """Obligors of every method."""
    methods = (given, by_rating, by_prices, by_peers, by_history(OWN_YEARS))
    parts = [method(rng, count // len(methods)) for method in methods]
    true, rows = np.concatenate([p[0] for p in parts]), [row for p in parts for row in p[1]]
    return true, rows, SourceTerms(scale=SCALE, peers=parts[3][2].peers)


KINDS: dict[str, Callable[[Rng, int], Known] | None] = {
    "one history for all": None,
    "given": given,
    "rating": by_rating,
    "listed": by_prices,
    "comparables": by_peers,
    "history": by_history(OWN_YEARS),
    "short history": by_history(FEW_YEARS),
    "all methods": mixed,
}
"""How the PDs of a pool are known, by name; None is drawn in :func:`drawn` itself."""


def deal_of(pd: Array, recovery: float, correlation: float, seed: int, paths: int = PATHS) -> Deal:
    """Build a pool of forty obligors of several sizes that pays two classes."""
    closing = dt.date(2020, 1, 1)
    dates = payment_dates(closing, "quarter", DATES)
    size = np.linspace(0.5, 1.5, OBLIGORS)
    schedule = np.repeat(size[:, None] / DATES, DATES, axis=1)
    names = tuple(f"Obligor {k + 1}" for k in range(OBLIGORS))
    pool = Pool(names, size, schedule, pd, recovery, 0.5, correlation)
    notes = (
        Tranche(CLASSES[0], 1, 36.0, 0.0, "bullet", dates[-1]),
        Tranche(CLASSES[1], 2, 2.0, 0.0, "bullet", dates[-1]),
    )
    return Deal(pool, notes, Terms(closing, dates, paths=paths, seed=seed), BARE)


def known(rng: Rng, input: tuple[float, float, float]) -> tuple[float, float, float, float]:
    """Draw the beta that says what is known of an input: its median, its ends, and the truth from it."""
    mean, over, within = input
    m = rng.beta(mean * over, (1.0 - mean) * over)
    a, b = m * within, (1.0 - m) * within
    low, median, high = (float(betaincinv(a, b, q)) for q in (0.05, 0.5, 0.95))
    return median, low, high, float(rng.beta(a, b))


def drawn(rng: Rng, kind: str, seed: int, paths: int) -> tuple[Deal, Deal, Ranges]:
    """Draw a deal with its true inputs, as an analyst sees it, and how well it is known."""
    recovery, *ends_r, true_recovery = known(rng, RECOVERY)
    correlation, *ends_c, true_correlation = known(rng, CORRELATION)
    ranges = Ranges(recovery=tuple(ends_r), correlation=tuple(ends_c))
    method = KINDS[kind]
    if method is None:
        d, n = float(rng.binomial(ALL_YEARS, middle(rng))), float(ALL_YEARS)
        history = history_pd(d, n)
        true_pd, pd = (np.full(OBLIGORS, float(x)) for x in (rng.beta(d + 0.5, n - d + 0.5), history.mean))
        ranges = replace(ranges, pd=(float(history.low), float(history.high)))
    else:
        true_pd, rows, terms = method(rng, OBLIGORS)
        order = rng.permutation(OBLIGORS)
        found = obligor_pds([rows[k] for k in order], terms)
        true_pd, pd = true_pd[order], np.array([each.pd for each in found])
        ranges = replace(ranges, **source_ranges(found))
    truth = deal_of(true_pd, true_recovery, true_correlation, seed)
    return truth, deal_of(pd, recovery, correlation, seed, paths), ranges


def study(
    deals: int,
    seed: int = 1,
    paths: int = PATHS,
    true_paths: int = TRUE_PATHS,
    kinds: Iterable[str] = KINDS,
) -> Iterator[Row]:
    """Yield one row for each kind of deal and class."""
    for kind in kinds:
        held: list[list[list[bool]]] = []
        for k in range(deals):
            rng = np.random.default_rng([seed, list(KINDS).index(kind), k])
            truth, deal, ranges = drawn(rng, kind, k, paths)
            base, run = kmv_view(deal, both=False), simulate(deal)
            found = uncertainty(deal, ranges, base=base, run=run)
            true_view = kmv_view(truth, both=False)
            true_run = simulate(truth, paths=true_paths, seed=10**6 + k)
            held.append([])
            for c, answer, t, view in zip(
                found.classes, run.tranches, true_run.tranches, true_view.tranches, strict=True
            ):
                ends = [
                    c.pd.around(answer.anydate_pd) if c.simulated else (0.0, 1.0),
                    (0.0, 1.0) if c.expected_loss is None else c.expected_loss.around(answer.expected_loss),
                    c.distance,
                ]
                truths = (t.anydate_pd, t.expected_loss, view.distance_at_maturity)
                held[-1].append([low <= x <= high for (low, high), x in zip(ends, truths, strict=True)])
        for name, shares in zip(CLASSES, np.mean(np.array(held, float), axis=0).tolist(), strict=True):
            yield Row(kind, name, *shares, deals)


def main() -> None:
    """Print the study as a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--deals", type=int, default=125, help="of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", choices=KINDS, nargs="*", default=[*KINDS])
    options = parser.parse_args()
    print("| deals | class | PD held | EL held | DD held |\n|---|---|---|---|---|")
    for r in study(options.deals, options.seed, kinds=options.kind):
        shares = np.array([r.pd, r.expected_loss, r.distance])
        errors = np.sqrt(shares * (1.0 - shares) / r.deals)
        figures = " | ".join(f"{x:.1%} ± {e:.1%}" for x, e in zip(shares, errors, strict=True))
        print(f"| {r.deals}, {r.kind} | {r.name} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
