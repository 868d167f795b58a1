"""Who drives the risk: each obligor's share in what a class loses, and how the two fall together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from xlkmv.deal.paths.draws import Ints, layout_of
from xlkmv.deal.paths.engines import Engines, patterns_of
from xlkmv.deal.paths.measures import ENOUGH
from xlkmv.deal.paths.patterns import Patterns
from xlkmv.deal.plan.stressed import separate
from xlkmv.deal.plan.timing import plan_faults
from xlkmv.deal.questions.leaveout import Leaving, LeftOut, leave_one_out
from xlkmv.deal.stress import BASE, Stress, apply
from xlkmv.deal.terms import Deal, Pool
from xlkmv.deal.terms.faults import raise_first
from xlkmv.model.domain import Array
from xlkmv.shown import Shown

__all__ = ["NAMED", "Concentration", "Contributions", "Drivers", "concentration", "contributions"]

# Defaults that are looked at, at most: beyond that fewer paths say as much as anybody reads.
MOST_DEFAULTS, FEWEST_PATHS = 5_000_000, 10_000
# Rows of a pool that are all left out one by one; of a longer pool the first of each class's ranking.
SMALL_POOL, NAMED = 40, 12


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Drivers(Shown):
    """What each of m names (rows of the pool, or industries) has to do with the risk of k classes.

    Attributes
    ----------
    name : tuple of str, length m
    pool_share : ndarray, shape (m,)
        Share in the expected loss of the pool, whatever the controls; NaN where nobody defaults.
    loss_share, loss_share_error : ndarray, shape (m, k)
        Share in the expected loss of the class, and its standard error; NaN where nothing is lost, or the
        class is short on fewer paths than make a figure (:data:`~xlkmv.deal.paths.measures.ENOUGH`).
    in_default, in_default_error : ndarray, shape (m, k)
        Probability of having defaulted by the first date on which the class is short, given that it
        is short; NaN where it is on fewer paths than that. Of a row that stands for several obligors the
        mean over them; of an industry, that any of its obligors has.
    short_given, short_given_error : ndarray, shape (m, k)
        Probability that the class is short at the default or later, given the default by its maturity
        (by the default point of the terms); NaN where there is none on any path. Of a row that stands
        for several: given the default of one of them; of an industry: given any.
    """

    name: tuple[str, ...]
    pool_share: Array
    loss_share: Array
    loss_share_error: Array
    in_default: Array
    in_default_error: Array
    short_given: Array
    short_given_error: Array

    def of_class(self, row: int, tranche: int) -> list[float]:
        """Figures of a name that depend on the class, in the order of the attributes."""
        return [getattr(self, f.name)[row, tranche] for f in fields(self)[2:]]

    def order(self, tranche: int) -> list[int]:
        """Names by their share in the expected loss of a class; where it loses nothing, of the pool."""
        by = self.loss_share[:, tranche]
        by = self.pool_share if np.isnan(by).all() else by
        return list(np.argsort(-np.nan_to_num(by), kind="stable").tolist())


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Contributions(Shown):
    """Who drives the risk of each class.

    Attributes
    ----------
    paths : int
        Simulated for it.
    obligors, industries : Drivers
        Rows of the pool, and industries in the order of their names; no industries where no claim
        names one.
    short : ndarray, shape (k,)
        Paths on which each class is short.
    unallocated : ndarray, shape (k,)
        Share in the expected loss that falls on paths on which no obligor costs anything: what the
        plan loses although everybody pays. With it the shares sum to 1.
    left_out : LeftOut
        Each class if one row of the pool could not default: all rows of a pool of up to 40, of a longer one
        the 12 that count most for each class.
    """

    paths: int
    obligors: Drivers
    industries: Drivers
    short: Array
    unallocated: Array
    left_out: LeftOut


def contributions(
    deal: Deal,
    stress: Stress = BASE,
    *,
    paths: int | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> Contributions:
    """Measure what each obligor has to do with the losses and shortfalls of each class.

    On a path the loss of a class is shared among the obligors in default in proportion to what
    each of them costs the pool, ``(1 - recovery) claim``: the shares of all paths sum to the
    expected loss, whatever the waterfall does in between.

    Parameters
    ----------
    deal : Deal
    stress : Stress
    paths : int, optional
        In place of those of the terms. Either way no more than bring 5 million defaults, or 10,000;
        they are those of :func:`~xlkmv.deal.paths.run.simulate` at that number.
    progress : callable
        Called with the share that is done; what it raises ends the computation.

    Returns
    -------
    Contributions

    Raises
    ------
    InputError, DomainError
        When the plan of the deal has a fault.

    Notes
    -----
    Standard errors take paths as independent draws: stratified as they are, the errors are upper
    bounds, as far as the strata matter. Of ratios they follow by the delta method.
    """
    raise_first(plan_faults(deal))
    plan = separate(apply(deal, stress))
    obligors = deal.pool.obligors
    row = np.repeat(np.arange(obligors.size), obligors.astype(np.int64))
    wanted = deal.terms.paths if paths is None else int(paths)
    expected = float(plan.default_by[:, -1].sum())
    count = int(min(wanted, max(MOST_DEFAULTS / max(expected, 1e-9), FEWEST_PATHS)))
    layout = layout_of(deal, count, deal.terms.seed)
    engines = Engines([plan], whole=0)
    ((engine,), (pool,)) = engines.plans, engines.pools
    names = sorted(set(deal.pool.industry) - {""})
    industry = np.array([names.index(word) if word else len(names) for word in deal.pool.industry])
    matured = np.array([plan.due_by(k) for k in range(len(deal.tranches))])
    rows = _Sums(obligors.size, matured, each=1.0 / obligors)
    groups = _Sums(len(names) + 1, matured)
    # Of a small pool all rows are left out, on the same paths unless that takes fewer.
    leaving = Leaving(deal, plan, range(obligors.size), count) if obligors.size <= SMALL_POOL else None
    if leaving is not None and leaving.paths < count:
        leaving = None
    for block in range(layout.blocks):
        progress((0.5 if leaving is None else 1.0) * block / layout.blocks)
        ((_, patterns),) = patterns_of([pool], layout, block)
        if leaving is not None:
            leaving.add(patterns, layout, engines)
        first_short, loss = engine.outcomes(patterns, pool.pool_state(patterns))
        claim = pool.claim[patterns.columns, patterns.first]
        cost = (1.0 - pool.rates(patterns, claim)) * claim
        of_row = row[patterns.columns]
        rows.add(patterns, of_row, cost, first_short, loss)
        groups.add(patterns, industry[of_row], cost, first_short, loss)
    named = slice(0, len(names))
    of_industries = groups.figures()
    drivers = Drivers(deal.pool.name, *rows.figures())
    if leaving is not None:
        left_out = leaving.figures()
        progress(1.0)
    else:
        left_out = leave_one_out(
            deal,
            _foremost(drivers, len(deal.tranches)),
            stress,
            paths=count,
            progress=lambda share: progress(0.5 + 0.5 * share),
        )
    return Contributions(
        paths=count,
        obligors=drivers,
        industries=Drivers(tuple(names), *(figure[named] for figure in of_industries)),
        short=rows.short,
        unallocated=rows.unallocated(),
        left_out=left_out,
    )


def _foremost(drivers: Drivers, classes: int) -> list[int]:
    """Rows that are left out one by one: all of a small pool, else those that are listed for any class."""
    if len(drivers.name) <= SMALL_POOL:
        return list(range(len(drivers.name)))
    return sorted({row for k in range(classes) for row in drivers.order(k)[:NAMED]})


class _Sums:
    """Sums over paths, name by name and class by class.

    `each`: part of a name that one of its obligors is; None: any of them stands for the name.
    """

    def __init__(self, names: int, matured: Ints, each: Array | None = None) -> None:
        self.matured, self.each = matured, each
        shape = names, matured.size
        # cost: what the name costs the pool.
        self.cost = np.zeros(names)
        # a: the name's part of the loss of the class, L: that loss.
        self.a, self.aa, self.aL = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        self.L, self.LL, self.short = np.zeros(shape[1]), np.zeros(shape[1]), np.zeros(shape[1])
        # f: defaults up to the date on which the class is short; d: up to its maturity; g: up to both.
        self.f, self.d, self.g = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        # Those of one path come together.
        self.ff, self.dd, self.gg, self.gd = (np.zeros(shape) for _ in range(4))

    def add(self, patterns: Patterns, name: Ints, cost: Array, first_short: Ints, loss: Array) -> None:
        """Add the paths of a block: names and costs of its defaults, how each class fares."""
        weight, owner, first = patterns.weights[-1], patterns.owner, patterns.first
        size, n = weight.size, patterns.active.size
        short: npt.NDArray[np.bool_] = np.asarray(first_short < n)
        self.cost += np.bincount(name, weight[owner] * cost, self.cost.size)
        by_then: dict[int, csr_array] = {}
        for last in np.unique(self.matured).tolist():
            due, of = np.flatnonzero(first <= last), self.matured == last
            there = by_then[last] = self._counted(owner[due], name[due], size)
            self.d[:, of] += (there.T @ weight)[:, None]
            self.dd[:, of] += (there.multiply(there).T @ weight)[:, None]
        # Most paths do nobody any harm.
        told = np.flatnonzero(np.any(short | (loss > 0.0), axis=0).take(owner))
        owner, name, first = owner[told], name[told], first[told]
        costs = csr_array((cost[told], (owner, name)), (size, len(self.a)))
        total = np.asarray(costs.sum(axis=1))
        squares = costs.multiply(costs)
        for k in range(self.matured.size):
            each = np.divide(loss[k], total, out=np.zeros_like(total), where=total > 0.0)
            self.a[:, k] += costs.T @ (weight * each)
            self.aa[:, k] += squares.T @ (weight * each**2)
            self.aL[:, k] += costs.T @ (weight * each * loss[k])
            self.L[k] += weight @ loss[k]
            self.LL[k] += weight @ loss[k] ** 2
            self.short[k] += weight @ short[k]
            before = np.flatnonzero(short[k, owner] & (first <= first_short[k, owner]))
            there = self._counted(owner[before], name[before], size)
            self.f[:, k] += there.T @ weight
            self.ff[:, k] += there.multiply(there).T @ weight
            due = before[first[before] <= self.matured[k]]
            there = self._counted(owner[due], name[due], size)
            self.g[:, k] += there.T @ weight
            self.gg[:, k] += there.multiply(there).T @ weight
            self.gd[:, k] += there.multiply(by_then[int(self.matured[k])]).T @ weight

    def _counted(self, owner: Ints, name: Ints, size: int) -> csr_array:
        """Defaults of each name in each pattern; whether there is one, where any stands for the name."""
        found = csr_array((np.ones(owner.size), (owner, name)), (size, len(self.a)))
        return found.astype(np.bool_).astype(float) if self.each is None else found

    def unallocated(self) -> Array:
        with np.errstate(invalid="ignore"):
            return np.asarray(1.0 - self.a.sum(axis=0) / self.L)

    def figures(self) -> tuple[Array, ...]:
        """Those of :class:`Drivers`, in their order."""
        part = np.ones((1, 1)) if self.each is None else self.each[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            share = self.a / self.L
            spread = self.aa - 2.0 * share * self.aL + share**2 * self.LL
            spread[spread < 1e-12 * self.LL] = 0.0  # rounding
            fallen = self.f * part / self.short
            scatter = self.ff * part**2 / self.short - fallen**2
            scatter[scatter < 1e-12] = 0.0  # rounding
            # A sum of weights may fall short of the paths it stands for by its rounding.
            few = self.short < ENOUGH - 0.5
            share[:, few] = fallen[:, few] = np.nan
            given = self.g / self.d
            apart = self.gg - 2.0 * given * self.gd + given**2 * self.dd
            apart[apart < 1e-12 * self.gg] = 0.0  # rounding
            return (
                self.cost / self.cost.sum(),
                share,
                np.where(few, np.nan, np.sqrt(spread) / self.L),
                fallen,
                np.where(few, np.nan, np.sqrt(scatter / self.short)),
                given,
                np.sqrt(apart) / self.d,
            )


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Concentration(Shown):
    """How a pool is spread over its obligors and industries; shares of the financed amount.

    Attributes
    ----------
    obligors : int
    herfindahl : float
        Sum of squared shares of the obligors.
    effective_number : float
        Its inverse: as many equal obligors are as concentrated.
    largest, five_largest, ten_largest : float
    industries : tuple of (str, float)
        Name and share, largest first; claims without an industry are left out.
    industry_herfindahl : float
        Of the industries; each claim without one counts as its own. NaN when no claim names one.
    """

    obligors: int
    herfindahl: float
    effective_number: float
    largest: float
    five_largest: float
    ten_largest: float
    industries: tuple[tuple[str, float], ...]
    industry_herfindahl: float


def concentration(pool: Pool) -> Concentration:
    """Measure the concentration of a pool.

    Parameters
    ----------
    pool : Pool

    Returns
    -------
    Concentration

    """
    count, share = pool.obligors, pool.share
    single = share / count
    order = np.argsort(-single, kind="stable")
    upto = np.cumsum(count[order])
    held = np.cumsum(share[order])

    def top(k: int) -> float:
        """Share of the k largest obligors, those of a row of several one by one."""
        place = int(np.searchsorted(upto, k))
        if place >= order.size:
            return 1.0
        over = upto[place] - k
        return float(held[place] - over * single[order[place]])

    herfindahl = float((count * single**2).sum())
    by_name: dict[str, float] = {}
    for word, part in zip(pool.industry, share.tolist(), strict=True):
        if word:
            by_name[word] = by_name.get(word, 0.0) + part
    alone = float((count * single**2)[[not word for word in pool.industry]].sum())
    spread = sum(part**2 for part in by_name.values()) + alone
    return Concentration(
        obligors=int(count.sum()),
        herfindahl=herfindahl,
        effective_number=1.0 / herfindahl,
        largest=top(1),
        five_largest=top(5),
        ten_largest=top(10),
        industries=tuple(sorted(by_name.items(), key=lambda pair: -pair[1])),
        industry_herfindahl=spread if by_name else float("nan"),
    )
