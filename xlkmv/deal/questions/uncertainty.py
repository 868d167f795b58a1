"""How well the answers are known, given how well the inputs are: intervals, and which input matters.

Inputs are drawn from their ranges (:mod:`xlkmv.deal.terms.ranges`), evenly. At a few of the draws the
deal is looked at anew, by the KMV view and by a simulation with a fraction of the paths, each on random
numbers of its own. Those simulations draw the paths on which the pool loses much more often
(:mod:`xlkmv.deal.paths.importance`), so that a class which is short on a handful of plain paths is seen
to be so on hundreds. A surface (:mod:`xlkmv.model.surface`) through these and the deal as it is says
where the distance -N^{-1}(PD) of each class lies for each of the inputs, and is read at thousands of
draws; how far the runs lie from it says how well its ends and shares are known. All paths together are
:data:`EFFORT` times those of the deal as it is. Distances of the KMV view are inverse to the volatility of
the pool: there surfaces go through the distance times the volatility, and through the log of the
volatility.

The PDs of the obligors, however many there are, act through three figures: the log of the expected loss
of the pool, how far that moves more where single losses are large,

``h_1 = ln(sum_i w_i r_i/sum_i w_i)``, ``w_i = PD_i l_i`` and ``h_2``, ``w_i = PD_i l_i^2``,

r_i the PD of an obligor at a draw over PD_i, l_i what is lost of an obligor, and how far the PDs have come
apart, ``h_3 = h_1 - 2 ln(sum_i w_i r_i^(1/2)/sum_i w_i)``, w_i as in h_1. The first two are the first terms
of the odds that an obligor is in default given that the pool loses much (exponential tilting). In bad
years, and over many, PDs rise less where they are high: of two pools with the same mean the one whose PDs lie
apart loses less then. All draws have their PDs apart, and the deal as it is has not.

Errors of many obligors average out, but for what those of a group share. PDs that double and halve as
easily come to more than the figures. Where the source of a range knows its median, so be it; else this
surplus, the median of h_1, is taken off the log odds, so that typed figures of a pool are the middle of its
range as those of a single obligor are. The runs' draws of the obligors lie evenly over the quantiles of
h_1: where one range is very wide, few draws make most of the spread, and a chance draw misses them. There
h_2 and h_3 follow from h_1, and are left out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit, ndtr, ndtri

from xlkmv.deal.kmv import KmvView, TrancheView, kmv_view, maturity_risk
from xlkmv.deal.paths.executors import Executor
from xlkmv.deal.paths.measures import ENOUGH, Measured, Simulation
from xlkmv.deal.paths.run import Run, Wanted, measured_together, simulate
from xlkmv.deal.plan.stressed import CERTAIN
from xlkmv.deal.stress import BASE, expected_recovery
from xlkmv.deal.terms import Deal
from xlkmv.deal.terms.ranges import INPUTS, LEVEL, REACH, Ranges, varied
from xlkmv.model.domain import Array
from xlkmv.model.sobol import sobol_points, variance_shares
from xlkmv.model.surface import (
    Surface,
    count_terms,
    distance_of,
    evenness,
    fit_rates,
    fit_values,
    quadratic_terms,
)
from xlkmv.phrase import Phrase
from xlkmv.shown import Shown

__all__ = ["LEAST_FOREMOST", "OBLIGORS", "ClassUncertainty", "Spread", "Uncertainty", "uncertainty"]

# Name of the group of the obligors' own PDs, beside those of INPUTS.
OBLIGORS = "obligors"
# Paths of all runs together, in units of those of the deal as it is.
EFFORT = 0.75
FEWEST_PATHS = 100
# Short paths that a run is worth, on average, where its runs know a class.
SHORT = 0.5 * ENOUGH
# Runs that a surface has beyond its coefficients, at least, and runs at least; designs of which the one is
# taken that tells the coefficients apart best.
SPARE, FEWEST_RUNS, DESIGNS = 4, 8, 32
DRAWS = 1 << 11
# Standard errors of a share beyond which the shares of a class say nothing, and of an end, its logarithm.
MOST_SHARE_ERROR, MOST_END_ERROR = 0.25, 1.0
# Draws about an end that say how it moves with the surface, and draws for the errors of shares.
NEAR, FEW = 100, 1 << 8
# What weights leave of a certainty.
ROUNDING = 1e-12
# Share of the draws of the obligors, on either side, that count for no farther than the others.
FARTHEST_DRAWS = 0.005
# Of tilt and distance apart, what a curve through the level leaves, in units of the level.
LEAST_LEFT = 0.06
# PDs that are less far apart count as lying together.
LEAST_APART = 1e-3
# An obligor with less of what the ranges of obligors do is not named.
LEAST_FOREMOST, NEARLY_ALL = 0.2, 0.99
# Draws of obligors that are looked at together.
PIECE = 1 << 20


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Spread(Shown):
    """How a probability moves with the inputs, as its distance -N^{-1}(p) does.

    Attributes
    ----------
    down, up : float
        5 % and 95 % quantile of the distance, less the distance at the inputs as they are.
    first, total : ndarray, shape (g,)
        Share of each group of inputs in the variance of the distance: alone, and with all that it does
        together with others; NaN where nothing moves.
    down_error, up_error : float
        Standard errors of the quantiles, distances.
    first_error, total_error : ndarray, shape (g,)
        Of the shares.
    distance : float
        At the inputs as they are, as all runs know it; NaN where the probability is known as it is.
    """

    down: float
    up: float
    first: Array
    total: Array
    down_error: float = 0.0
    up_error: float = 0.0
    first_error: Array = field(default_factory=lambda: np.empty(0))
    total_error: Array = field(default_factory=lambda: np.empty(0))
    distance: float = np.nan

    def around(self, probability: float) -> tuple[float, float]:
        """Low and high end that belong to a probability at the inputs as they are.

        They hold it: what all runs together know better may lie beside it.
        """
        if self.down == 0.0 == self.up or (not 0.0 < probability < 1.0 and np.isnan(self.distance)):
            return probability, probability
        d = self._at(probability)
        low, high = float(ndtr(-d - self.up)), float(ndtr(-d - self.down))
        return (min(low, probability), max(high, probability)) if 0.0 < probability < 1.0 else (low, high)

    def errors(self, probability: float) -> tuple[float, float]:
        """Standard errors of the ends that belong to a probability, its own not counted twice."""
        if self.down == 0.0 == self.up or (not 0.0 < probability < 1.0 and np.isnan(self.distance)):
            return 0.0, 0.0
        d = self._at(probability)
        ends = ((d + self.up, self.up_error), (d + self.down, self.down_error))
        low, high = (float(np.exp(-0.5 * x * x) / np.sqrt(2.0 * np.pi) * error) for x, error in ends)
        return low, high

    def told(self, probability: float, least: float) -> bool:
        """Whether the ends are known to a factor e, by their standard errors; below `least` all are alike."""
        d = self._at(probability)
        ends = ((d + self.up, self.up_error), (d + self.down, self.down_error))
        return all(ndtr(error - x) <= np.exp(MOST_END_ERROR) * max(ndtr(-x), least) for x, error in ends)

    def _at(self, probability: float) -> float:
        return float(-ndtri(probability)) if np.isnan(self.distance) else self.distance


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ClassUncertainty(Shown):
    """How well the answers for one class are known.

    Attributes
    ----------
    name : str
    pd : Spread or None
        Of the any-date PD, the undertaking counted; None where too few paths are short for a spread, and
        too many for the KMV view's.
    simulated : bool
        Whether it is that of the simulated PD; else, where too few paths are short, of the KMV view's.
    expected_loss : Spread or None
        Of the simulated expected loss; None where the class loses on too few paths.
    distance : (float, float)
        Ends of the distance to default of the KMV view at the maturity; NaN where it is infinite.
    """

    name: str
    pd: Spread | None
    simulated: bool
    expected_loss: Spread | None
    distance: tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Uncertainty(Shown):
    """How well the answers of a deal are known.

    Attributes
    ----------
    groups : tuple of str
        Inputs that have a range and are in use: names of :data:`~xlkmv.deal.terms.ranges.INPUTS`, and
        "obligors" for the PDs of obligors, each by itself.
    classes : tuple of ClassUncertainty
        In the order of ``deal.tranches``.
    runs, paths : int
        How often the deal was looked at anew, and paths of each.
    foremost : (str, float) or None
        Of the obligors with a range of their own the one with most at stake, and its share in the variance
        of the expected loss of the pool by the obligors' own PDs: of the squares of loss given default x
        range of the PD. None where none has a range.
    """

    groups: tuple[str, ...]
    classes: tuple[ClassUncertainty, ...]
    runs: int
    paths: int
    foremost: tuple[str, float] | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """What the groups are called, with the obligor that is most of its group."""
        each: str = Phrase("PD of each obligor")
        if self.foremost is not None and self.foremost[1] >= LEAST_FOREMOST:
            name, share = self.foremost
            alone = share > NEARLY_ALL
            each = Phrase("PD of {name}", name=name) if alone else Phrase("PDs, {name} first", name=name)
        return tuple(each if g == OBLIGORS else INPUTS[g].label for g in self.groups)

    def vague(self, k: int) -> bool:
        """Whether the shares of a class are so little known that they say nothing."""
        shares = self.classes[k].pd
        errors = [] if shares is None else [*shares.first_error, *shares.total_error]
        return max(errors, default=0.0) > MOST_SHARE_ERROR

    def ranked(self, k: int) -> list[tuple[str, float, float, float, float]]:
        """Inputs by what they matter to the PD of a class.

        Label, share alone and its standard error, share with others and its. What the estimates say
        beyond 0 and 1 is their error. None of a class that nothing moves, or too few paths show, or where
        a standard error is above :data:`MOST_SHARE_ERROR`.
        """
        shares = self.classes[k].pd
        if shares is None or not shares.total.size or np.isnan(shares.total).any() or self.vague(k):
            return []
        first, total = np.clip(shares.first, 0.0, 1.0), np.clip(shares.total, 0.0, 1.0)
        total = np.maximum(first, total)
        figures = np.column_stack([first, shares.first_error, total, shares.total_error])
        return [(self.labels[g], *figures[g].tolist()) for g in np.argsort(-total, kind="stable")]


def uncertainty(
    deal: Deal,
    ranges: Ranges,
    *,
    base: KmvView | None = None,
    run: Simulation | None = None,
    executor: Executor | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> Uncertainty:
    """Turn ranges of the inputs into 90 % intervals of the answers, and say which input matters.

    Parameters
    ----------
    deal : Deal
        As at closing.
    ranges : Ranges
    base : KmvView, optional
        Of the deal as it is; computed when left out.
    run : Simulation, optional
        The same, simulated.
    executor : Executor, optional
        As in :func:`~xlkmv.deal.paths.run.simulate`; the result is the same, bit for bit.
    progress : callable
        Called with the share that is done; what it raises ends the computation.

    Returns
    -------
    Uncertainty
        Without a range in use all intervals are the figures themselves.

    Raises
    ------
    InputError, DomainError
        When a range does not fit the deal.
    """
    ranges.check(deal)
    base, inputs = base or kmv_view(deal, both=False), _Inputs(deal, ranges)
    if not inputs.groups:
        return Uncertainty((), tuple(_as_it_is(view) for view in base.tranches), 0, 0)
    run = run or simulate(deal, executor=executor)
    count, flat = inputs.runs, inputs.flat
    paths = max(int(EFFORT * run.paths / (count + 1)), FEWEST_PATHS)
    normals, own = inputs.design(count)
    few = [not _enough(t.anydate_pd, run) for t in run.tranches]
    # A PD below all numbers is as far away as its distance to default, which costs nothing.
    far = [v.anydate_pd_at_maturity == 0.0 and np.isfinite(v.distance_at_maturity) for v in base.tranches]
    views: list[tuple[float, Array, Array]] = [_at_maturity(base)]
    runs: list[Measured] = []
    with contextlib.ExitStack() as begun:
        # An executor begins with all of it at once.
        looks = []
        for j in range(count + 1):
            other = inputs.deal_at(normals[j - 1], own[j - 1]) if j else deal
            wanted, seed = Wanted(brief=(BASE,)), deal.terms.seed + 1 + j
            each = Run(other, wanted, paths=paths, seed=seed, executor=executor, apart=True, tilt=True)
            looks.append((other, begun.enter_context(each)))
        for j, measured in enumerate(measured_together(each for _, each in looks)):
            progress(j / len(looks))
            runs.append(measured)
    classes_seen = list(zip(*(r.tranches for r in runs), strict=True))
    short = [_known([(t.anydate_pd, t.anydate_pd_error) for t in seen]) for seen in classes_seen]
    lost = [_known([(t.expected_loss, t.expected_loss_error) for t in seen]) for seen in classes_seen]
    # Of other classes the KMV view is needed.
    viewed = [not (a or b) and c for a, b, c in zip(short, far, few, strict=True)]
    views += [maturity_risk(other, viewed) for other, _ in looks[1:]]
    progress(1.0)
    # The deal as it is, then the draws.
    at = inputs.features(normals, inputs.figures([(slice(None), own)]))
    at = np.vstack([np.zeros(at.shape[1]), at])
    # Of a pool that nobody's default can move distances are not inverse to anything.
    sigma, distances, pds = (np.array(figures) for figures in zip(*views, strict=True))
    sigma = sigma / sigma[0] if (sigma >= CERTAIN).all() else np.ones(len(views))
    surfaces = _Surfaces([fit_values(at, np.log(sigma), flat)])
    for k in range(len(deal.tranches)):
        distance = distances[:, k]
        finite = bool(np.isfinite(distance).all())
        seen, risks = run.tranches[k], [r.tranches[k] for r in runs]
        if short[k]:
            figures = [(r.anydate_pd, r.anydate_pd_error) for r in risks]
            fitted = _through(at, figures, paths, (seen.anydate_pd, run.paths), flat)
            surfaces.add("pd", k, fitted)
        elif few[k]:
            below = far[k] or bool((pds[:, k] == 0.0).any())
            moved = distance if finite and below else distance_of(pds[:, k])
            surfaces.add("view", k, fit_values(at, moved * sigma, flat), inverse=True)
        if finite:
            surfaces.add("distance", k, fit_values(at, distance * sigma, flat), inverse=True)
        if lost[k]:
            figures = [(r.expected_loss, r.expected_loss_error) for r in risks]
            plain = seen.expected_loss, run.paths / _dispersion(run, k)
            surfaces.add("loss", k, _through(at, figures, paths, plain, flat))
    spreads = dict(zip(surfaces.what, inputs.spreads(surfaces), strict=True))
    classes = []
    for k, view in enumerate(base.tranches):
        dd, moves = view.distance_at_maturity, spreads.get(("distance", k))
        ends = (np.nan, np.nan) if moves is None else (dd + moves.down, dd + moves.up)
        pd, loss = spreads.get(("pd" if short[k] else "view", k)), spreads.get(("loss", k))
        classes.append(ClassUncertainty(view.name, pd, short[k], loss, ends))
    return Uncertainty(inputs.groups, tuple(classes), count, paths, inputs.foremost)


def _at_maturity(view: KmvView) -> tuple[float, Array, Array]:
    """Figures of a view as :func:`~xlkmv.deal.kmv.maturity_risk` has them."""
    distance = [t.distance_at_maturity for t in view.tranches]
    return view.volatility, np.array(distance), np.array([t.anydate_pd_at_maturity for t in view.tranches])


def _enough(share: float, run: Simulation) -> bool:
    """Whether a share of the paths is a figure."""
    return min(share, 1.0 - share) * run.paths > ENOUGH - 0.5


def _dispersion(run: Simulation, k: int) -> float:
    """Variance of the loss of a class on a path, in units of that of all or nothing with the same mean."""
    risk = run.tranches[k]
    mean = risk.expected_loss
    if not _enough(1.0 - risk.loss_probability[0], run):
        return 1.0
    return min(run.paths * risk.expected_loss_error**2 / (mean * (1.0 - mean)), 1.0)


def _known(figures: list[tuple[float, float]]) -> bool:
    """Whether runs know a rate on average as well as :data:`SHORT` plain paths of the kind, by its errors."""
    worth = [
        (rare / error) ** 2 if error > 0.0 and (rare := min(rate, 1.0 - rate)) > ROUNDING else 0.0
        for rate, error in figures
    ]
    return sum(worth) > SHORT * len(worth)


def _through(
    at: Array, figures: list[tuple[float, float]], paths: float, plain: tuple[float, float], flat: int
) -> Surface:
    """Lay a surface through rates and their errors, and through that of the deal on so many plain paths."""
    rates, errors = np.array([(plain[0], np.nan), *figures]).T
    counts = np.append(plain[1], np.full(len(figures), float(paths)))
    return fit_rates(np.vstack([at[:1], at]), rates, counts, flat, errors=errors)


@dataclass(slots=True, eq=False)
class _Surfaces:
    """Surfaces, the first one of the log of the volatility; what each other one is of.

    `inverse` ones have to be divided by the volatility.
    """

    fitted: list[Surface]
    what: list[tuple[str, int]] = field(default_factory=list)
    inverse: list[bool] = field(default_factory=list)

    def add(self, what: str, k: int, fitted: Surface, *, inverse: bool = False) -> None:
        """Keep the surface of a figure of a class."""
        self.fitted.append(fitted)
        self.what.append((what, k))
        self.inverse.append(inverse)

    def read(self, terms: Array) -> Array:
        """Distances at the terms of some inputs, shape (n, r)."""
        read = np.einsum("nq,rq->nr", terms, np.array([each.coefficients for each in self.fitted]))
        return np.asarray(read[:, 1:] * np.where(self.inverse, np.exp(-read[:, :1]), 1.0))

    def slopes(self, r: int, terms: Array) -> Array:
        """How distances of a surface move with its coefficients at the terms of some inputs, shape (n, q)."""
        if not self.inverse[r]:
            return terms
        return np.asarray(terms * np.exp(-np.einsum("nq,q->n", terms, self.fitted[0].coefficients))[:, None])


def _as_it_is(view: TrancheView) -> ClassUncertainty:
    """Say of a class that nothing moves it."""
    still = Spread(0.0, 0.0, np.empty(0), np.empty(0))
    dd = view.distance_at_maturity
    return ClassUncertainty(view.name, still, False, still, (dd, dd))


class _Inputs:
    """The inputs of a deal that have a range and are in use, and what their draws come to."""

    def __init__(self, deal: Deal, ranges: Ranges) -> None:
        self.deal, self.plan = deal, ranges.acting(deal)
        self.spread = np.array([ranges.spread(name, deal) for name in self.plan]).reshape(-1, 2)
        middle, down, up = ranges.obligor_spread(deal.pool)
        self.rows = np.flatnonzero((down > 0.0) | (up > 0.0))
        self.middle, self.down, self.up = middle[self.rows], down[self.rows], up[self.rows]
        median, shared, group = (x[self.rows] for x in ranges.sourced(middle.size))
        # Of these the PD is taken for the middle of one alone, and of many.
        self.typed = np.isnan(median)
        self.shared, kinds = np.nan_to_num(shared), np.unique(group, return_inverse=True)
        self.kinds, self.kind = kinds[0].size, kinds[1]
        self.groups = (*self.plan, *((OBLIGORS,) if self.rows.size else ()))
        pool, loss = deal.pool, np.maximum(1.0 - expected_recovery(deal), 1e-6)
        self.pd = pool.pd[self.rows]
        lost = pool.amount / pool.obligors * loss
        weights = pool.pd * pool.amount * loss * np.array([lost**0, lost])
        total = weights.sum(axis=1, keepdims=True)
        self.weights = (weights / np.where(total > 0.0, total, 1.0))[:, self.rows]
        # The draws of the obligors, by their level.
        self.surplus, self.drawn, self.by_level = 0.0, np.zeros((DRAWS, 3)), np.arange(DRAWS)
        if self.rows.size:
            if self.typed.any():
                typed = ((at, x * self.typed[at]) for at, x in self._evenly())
                self.surplus = float(np.median(self.figures(typed)[:, 0]))
            drawn = self.figures(self._evenly())
            self.by_level = np.argsort(drawn[:, 0], kind="stable")
            drawn = drawn[self.by_level]
            # Where hardly a run can be, no surface is read.
            self.drawn = np.clip(drawn, *np.quantile(drawn, [FARTHEST_DRAWS, 1.0 - FARTHEST_DRAWS], axis=0))
        level, tilt, apart = np.sqrt(np.mean(self.drawn**2, axis=0)).tolist()
        common = self.plan.index("pd") if "pd" in self.plan else None
        if common is not None:
            level = float(np.hypot(level, np.sqrt(0.5 * (self.spread[common] ** 2).sum())))
        self.level, self.common = level, common
        # What is next to nothing beside the level, or follows from it, the level says: one wide range.
        follows = np.vander(self.drawn[:, 0], 3)
        left = self.drawn[:, 1:] - follows @ np.linalg.lstsq(follows, self.drawn[:, 1:], rcond=None)[0]
        tilted, parted = left.std(axis=0) > LEAST_LEFT * level
        self.tilt = tilt if tilted else 0.0
        self.apart = apart if apart > LEAST_APART and parted else 0.0
        self.others = [k for k in range(len(self.plan)) if k != common]

    @property
    def foremost(self) -> tuple[str, float] | None:
        """The obligor with most at stake, as :class:`Uncertainty` has it."""
        if not self.rows.size:
            return None
        pool, reach = self.deal.pool, REACH * np.array([-self.down, self.up])
        low, high = expit(logit(pool.pd[self.rows]) + self.middle + reach)
        stake = ((high - low) * pool.amount[self.rows] * (1.0 - expected_recovery(self.deal)[self.rows])) ** 2
        first = int(np.argmax(stake))
        return pool.name[self.rows[first]], float(stake[first] / max(stake.sum(), 1e-300))

    @property
    def terms(self) -> int:
        """Coefficients of a surface."""
        return count_terms(int(self.level > 0.0) + self.flat + len(self.others), self.flat)

    @property
    def runs(self) -> int:
        """How many draws the deal is looked at for."""
        wanted = self.terms + SPARE
        return max(wanted + wanted % 2, FEWEST_RUNS)

    @property
    def flat(self) -> int:
        """How many inputs of the surfaces are flat: what beside their level the PDs do is little."""
        return int(self.tilt > 0.0) + int(self.apart > 0.0)

    def design(self, count: int) -> tuple[Array, Array]:
        """Draws that the deal is looked at for: of the plan, and shifts of the PDs of `rows`."""
        # With runs to spare any design will do.
        tried = DESIGNS if count < 2 * self.terms else 1
        d, seed = len(self.plan), self.deal.terms.seed
        designs = [sobol_points(count, len(self.groups), seed + k) for k in range(tried)]
        best = max(designs, key=lambda at: evenness(self.features(ndtri(at[:, :d]), self.at(at)), self.flat))
        chosen = self.by_level[self._ranks(best)]
        own = [x[chosen] for _, x in self._evenly()] if self.rows.size else [np.empty((count, 0))]
        return ndtri(best[:, :d]), np.concatenate(own, axis=1)

    def at(self, points: Array) -> Array:
        """Figures of the obligors at points of the unit cube, one coordinate a group, the obligors' last."""
        return self.drawn[self._ranks(points)]

    def _ranks(self, points: Array) -> npt.NDArray[np.int64]:
        """Which of the draws of the obligors, by their level, a point stands for."""
        return (points[:, -1] * DRAWS).astype(np.int64)

    def _generator(self, number: int) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(key=self.deal.terms.seed, counter=[0, 0, number, 0]))

    def _shifts(self, normals: Array, at: slice) -> Array:
        middle = self.middle[at] - self.surplus * self.typed[at]
        return normals * np.where(normals > 0.0, self.up[at], self.down[at]) + middle

    def deal_at(self, normals: Array, own: Array) -> Deal:
        """Return the deal at one draw."""
        shifts = normals * np.where(normals > 0.0, self.spread[:, 1], self.spread[:, 0])
        obligors = np.zeros(len(self.deal.pool.name))
        obligors[self.rows] = own
        return varied(self.deal, dict(zip(self.plan, shifts.tolist(), strict=True)), obligors)

    def figures(self, parts: Iterable[tuple[slice, Array]]) -> Array:
        """Level, tilt and distance apart of the PDs, shape (n, 3), from shifts of `rows`, part by part."""
        moved = np.zeros(1)
        for at, x in parts:
            pd, odds, weights = self.pd[at], np.expm1(x), self.weights[:, at]
            # What a PD is in units of itself, less 1, and the root of that.
            whole = odds * (1.0 - pd) / (1.0 + pd * odds)
            half = whole / (1.0 + np.sqrt(1.0 + whole))
            moved = moved + np.stack(
                [
                    np.einsum("nm,m->n", y, w)
                    for y, w in zip((whole, whole, half), (*weights, weights[0]), strict=True)
                ]
            )
        level, heavy, root = np.log1p(moved)
        return np.column_stack([level, heavy - level, level - 2.0 * root])

    def _evenly(self) -> Iterator[tuple[slice, Array]]:
        """Shifts of the PDs of `rows`, part after part, each obligor's spread evenly over its range.

        A Latin hypercube (McKay, Beckman and Conover 1979).
        """
        rng, normals, step = self._generator(2), ndtri((np.arange(DRAWS) + 0.5) / DRAWS), PIECE // DRAWS
        together = np.empty((DRAWS, 0))
        if self.shared.any():
            every = np.repeat(normals[:, None], self.kinds, axis=1)
            together = self._generator(3).permuted(every, axis=0)
        for start in range(0, self.rows.size, step):
            at = slice(start, start + step)
            count = self.rows[at].size
            drawn = rng.permuted(np.repeat(normals[:, None], count, axis=1), axis=0)
            if together.size:
                own = np.sqrt(1.0 - self.shared[at])
                drawn = own * drawn + np.sqrt(self.shared[at]) * together[:, self.kind[at]]
            yield at, self._shifts(drawn, at)

    def features(self, normals: Array, figures: Array) -> Array:
        """Inputs of the surfaces, of spread 1, from draws of the plan and figures of the obligors."""
        shifts = normals * np.where(normals > 0.0, self.spread[:, 1], self.spread[:, 0])
        level = figures[:, 0] if self.common is None else figures[:, 0] + shifts[:, self.common]
        sizes = np.sqrt(0.5 * (self.spread**2).sum(axis=1))
        columns = [shifts[:, k] / sizes[k] for k in self.others if sizes[k] > 0.0]
        for figure, size in zip(figures[:, 1:].T, (self.tilt, self.apart), strict=True):
            if size > 0.0:
                columns.append(figure / size)
        if self.level > 0.0:
            columns.insert(0, level / self.level)
        return np.column_stack(columns) if columns else np.empty((len(normals), 0))

    def spreads(self, surfaces: _Surfaces) -> list[Spread]:
        """Read surfaces at many draws."""
        g, d = len(self.groups), len(self.plan)
        points = sobol_points(DRAWS, 2 * g, self.deal.terms.seed)
        one, other, groups = points[:, :g], points[:, g:], [[k] for k in range(g)]

        def terms(at: Array, of_obligors: Array | None = None) -> Array:
            if of_obligors is None:
                of_obligors = self.at(at)
            return quadratic_terms(self.features(ndtri(at[:, :d]), of_obligors), self.flat)

        shares = variance_shares(lambda at: surfaces.read(terms(at)), one, other, groups)
        here = terms(np.full((1, g), 0.5), np.zeros((1, 3)))
        there = terms(np.concatenate([one, other]))
        as_it_is, moved = surfaces.read(here)[0], surfaces.read(there)
        tail = 0.5 * (1.0 - LEVEL)
        ends = np.quantile(moved, [tail, 1.0 - tail], axis=0) - as_it_is
        # Each surface with shares, then as each of its runs moves it.
        moved_by = {
            r: fitted.coefficients + np.vstack([np.zeros(here.size), fitted.deviations])
            for r, fitted in enumerate(surfaces.fitted[1:])
            if surfaces.what[r][0] != "distance" and not np.isnan(shares.total[:, r]).any()
        }

        def each(at: Array) -> Array:
            read, by = terms(at), moved_by.items()
            return np.hstack([np.einsum("nq,jq->nj", surfaces.slopes(r, read), some) for r, some in by])

        by_run: dict[int, tuple[Array, Array]] = {}
        if moved_by:
            few = variance_shares(each, one[:FEW], other[:FEW], groups)
            edges = np.cumsum([len(some) for some in moved_by.values()])[:-1]
            parts = (np.split(x, edges, axis=1) for x in (few.first, few.total))
            for r, first, total in zip(moved_by, *parts, strict=True):
                by_run[r] = _size(first[:, 1:] - first[:, :1]), _size(total[:, 1:] - total[:, :1])
        spreads = []
        for r, (what, _) in enumerate(surfaces.what):
            simulated, fitted = what in ("pd", "loss"), surfaces.fitted[1 + r]
            deviations = fitted.deviations
            errors, by_rank = [], np.argsort(moved[:, r], kind="stable")
            for level in (tail, 1.0 - tail):
                place = int(level * by_rank.size)
                near = by_rank[max(place - NEAR, 0) : place + NEAR]
                slope = surfaces.slopes(r, there[near]).mean(axis=0)
                if not simulated:
                    slope = slope - surfaces.slopes(r, here)[0]
                # Coefficients may be right, and the surface beside what it stands for at this end.
                missed = fitted.lack if simulated else 0.0
                errors.append(np.hypot(_size(np.einsum("jq,q->j", deviations, slope)), missed))
            unknown = np.full(g, np.nan)
            first_error, total_error = by_run.get(r, (unknown, unknown))
            down_error, up_error = (float(x) for x in errors)
            spreads.append(
                Spread(
                    down=float(ends[0, r]),
                    up=float(ends[1, r]),
                    first=shares.first[:, r],
                    total=shares.total[:, r],
                    down_error=down_error,
                    up_error=up_error,
                    first_error=first_error,
                    total_error=total_error,
                    distance=float(as_it_is[r]) if simulated else np.nan,
                )
            )
        return spreads


def _size(deviations: Array) -> Array:
    """Length of what each run moves a figure by, last axis: its standard error."""
    return np.asarray(np.sqrt(np.sum(np.square(deviations), axis=-1)))
