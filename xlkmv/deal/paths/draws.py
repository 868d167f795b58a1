"""Random numbers in blocks: which ones a block draws is fixed by the deal, the paths and the seed.

- Paths come in blocks whose size depends on the deal alone. Block b draws from a
  counter-based generator (Philox) with the seed as key and b in its counter, so the numbers
  are the same whoever computes the block.
- e_i is the quantile of a uniform, of which 16 bits are drawn; the other bits follow, where
  they matter, from a hash of their position (SplitMix64, Steele, Lea and Flood 2014).
- Z is stratified within groups of paths; the groups are independent replicates, from which
  the standard errors follow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from xlkmv.deal.plan.factors import industries
from xlkmv.deal.terms import Deal
from xlkmv.model.domain import Array

__all__ = ["CROWDED", "Draws", "Layout", "draw", "layout_of"]

Ints = npt.NDArray[np.int64]

# Values of coarse uniforms, and the quantiles at their edges: no uniform is below 2^-69.
COARSE = 1 << 16
EDGES: Array = ndtri(np.concatenate([[0.5**69], np.arange(1, COARSE + 1) / COARSE]))
STEPS: Array = np.diff(EDGES)
# Random numbers of one block: enough to amortise numpy's overhead, few enough for its memory.
BLOCK_NUMBERS, LARGEST_BLOCK, SMALLEST_BLOCK = 1 << 23, 1 << 19, 1 << 8
# Paths that go through the payments together, at least: less would cost numpy's overhead anew.
FEWEST_TOGETHER = 1 << 13
# Times as many where they are thinned out: all of them, or those of some plans.
THINNED, PILOTED = 8, 2
# With more defaults per path than this hardly two paths are alike, however large the block.
CROWDED = 6
# Paths over which Z is stratified, at most, and groups that the standard errors want at least.
LARGEST_GROUP, FEWEST_GROUPS = 1 << 10, 64


@dataclass(frozen=True, slots=True)
class Layout:
    """How paths are cut and which random numbers a block draws; fixed by deal, paths and seed.

    `crowded`: so many defaults are expected that nearly all paths differ. `thin`: of those of a
    crowded layout, most on which little is lost are left out. `piloted`: those are, of which a pilot run
    tells that they make no difference. `tilt`: whereto draws are moved
    (:mod:`xlkmv.deal.paths.importance`); () where they are not.
    """

    obligors: int
    industries: int
    degrees_of_freedom: int  # 0: Gaussian
    paths: int
    seed: int
    block: int
    group: int
    crowded: bool
    thin: bool
    tilt: tuple[float, ...] = ()
    piloted: bool = False

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return -(-self.paths // self.block)

    def size(self, block: int) -> int:
        """Paths of a block."""
        return min(self.block, self.paths - block * self.block)

    @property
    def together(self) -> int:
        """Blocks whose paths are paid together: a bundle."""
        if not self.crowded:
            return 1
        # Of thinned ones more, in bundles of one size: others may wait for the largest.
        times = THINNED if self.thin else PILOTED if self.piloted else 1
        most = max(1, times * FEWEST_TOGETHER // self.block)
        return -(-self.blocks // -(-self.blocks // most))

    @property
    def bundles(self) -> int:
        """How many bundles there are."""
        return -(-self.blocks // self.together)

    def bundled(self, bundle: int) -> range:
        """Blocks of a bundle."""
        return range(bundle * self.together, min((bundle + 1) * self.together, self.blocks))

    def bundle_size(self, bundle: int) -> int:
        """Paths of a bundle."""
        return sum(map(self.size, self.bundled(bundle)))

    def group_sizes(self, bundle: int) -> Array:
        """Paths of each group of a bundle; the last one takes what is left."""
        paths = self.bundle_size(bundle)
        sizes = np.full(-(-paths // self.group), float(self.group))
        sizes[-1] = paths - (sizes.size - 1) * self.group
        return sizes


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """Random numbers of one block.

    Attributes
    ----------
    common : ndarray, shape (paths,)
    industry : ndarray, shape (paths, industries)
    scale : ndarray, shape (paths,), or None
        Of the Student-t copula.
    coarse : ndarray of uint16, shape (paths (obligors + 1),)
        First bits of the uniforms behind e: path by path one per obligor, then, for all
        paths, those of the payer of the undertaking.
    salt : int
        Of the hash that gives the other bits.
    weight : ndarray, shape (paths,), or None
        What each path counts for, where they were moved.
    dead : ndarray of bool, shape (paths,), or None
        Where they were moved: paths on which the payer of the undertaking is dead for sure.
    """

    common: Array
    industry: Array
    scale: Array | None
    coarse: npt.NDArray[np.uint16]
    salt: int
    weight: Array | None = None
    dead: npt.NDArray[np.bool_] | None = None

    def uniform(self, at: Ints) -> Array:
        """Uniforms with all their bits, for the given positions in `coarse`."""
        return np.asarray((self.coarse[at] + self._hashed(at, self.salt)) / COARSE)

    def another(self, at: Ints) -> Array:
        """Uniforms beside those, independent of them: what a position draws if it needs two."""
        # Half of the counter's way apart, so that no position of the one is one of the other.
        return self._hashed(at, self.salt ^ 1 << 63)

    @staticmethod
    def _hashed(at: Ints, salt: int) -> Array:
        x = (at.astype(np.uint64) + np.uint64(salt)) * np.uint64(0x9E3779B97F4A7C15)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
        return np.asarray(((x ^ (x >> np.uint64(31))) >> np.uint64(11) | np.uint64(1)) * 0.5**53)


def layout_of(deal: Deal, paths: int, seed: int, thin: bool = False) -> Layout:
    """Cut the paths of a deal into blocks and groups.

    Parameters
    ----------
    deal : Deal
    paths, seed : int
    thin : bool

    Returns
    -------
    Layout
    """
    terms, pool = deal.terms, deal.pool
    obligors = int(pool.obligors.sum())
    expected = float(pool.obligors @ (1.0 - (1.0 - pool.pd) ** terms.times[-1]))
    crowded = expected > CROWDED
    largest = FEWEST_TOGETHER if crowded else LARGEST_BLOCK
    block = 1 << int(np.log2(np.clip(BLOCK_NUMBERS // obligors, SMALLEST_BLOCK, largest)))
    group = 1 << int(np.log2(np.clip(paths // FEWEST_GROUPS, 1, min(LARGEST_GROUP, block))))
    freedom = terms.degrees_of_freedom if terms.copula == "t" else 0
    factors = industries(pool, terms)
    return Layout(obligors, factors, freedom, paths, seed, block, group, crowded, thin)


def draw(layout: Layout, block: int) -> Draws:
    """Draw the numbers of a block; they depend on the layout and the block only."""
    rng = np.random.Generator(np.random.Philox(key=layout.seed, counter=[0, 0, 0, block]))
    paths = layout.size(block)
    u = rng.random(paths)
    strata = u[: paths - paths % layout.group].reshape(-1, layout.group)
    strata += np.arange(layout.group)
    strata /= layout.group
    numbers = paths * (layout.obligors + 1)
    bits = rng.bit_generator.random_raw(-(-numbers // 4)).astype("<u8", copy=False)
    freedom = layout.degrees_of_freedom
    return Draws(
        common=np.asarray(ndtri(np.clip(u, 1e-18, 1.0 - 1e-16, out=u))),
        industry=rng.standard_normal((paths, layout.industries)),
        scale=np.sqrt(rng.chisquare(freedom, paths) / freedom) if freedom else None,
        coarse=bits.view("<u2")[:numbers],
        salt=rng.bit_generator.random_raw(),
    )
