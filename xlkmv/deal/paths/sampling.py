"""Paths that stand for others: in order of severity, those are paid whose neighbours fare otherwise.

Paths on which about as much is lost mostly fare alike: on the mild ones nobody misses anything. So all
paths are kept only where it matters which of them is paid, and some of the others, chosen at random, stand
for the rest: estimates stay unbiased, and their standard errors count it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from xlkmv.deal.paths.draws import Ints
from xlkmv.model.domain import Array

__all__ = ["PILOT", "SMALLEST_THINNED", "Kept", "Sample", "sampled", "severe", "telling"]

# Paths that stand for others, and how many others.
Sample = tuple[Ints, Array]
# Of a group of paths, the most severe one first: which places are kept, whoever has them.
Kept = npt.NDArray[np.bool_]
# Of a group one path in SEVERE is kept as severe, of the rest one in STRIDE; groups are larger powers of 2.
SEVERE, STRIDE = 32, 8
# Groups of fewer paths are not thinned out.
SMALLEST_THINNED = 1 << 8
# Paths that are looked at to find out where it matters which one is paid; neighbours are as many of them as
# one in MARGIN on both sides.
PILOT, MARGIN = 1 << 11, 16
# A stretch of paths that fare alike is long if it is as many times as long as those beside it.
LONG = 4
# Losses that differ by less are equal.
ROUNDING = 1e-9


@lru_cache(maxsize=16)
def severe(group: int) -> Kept:
    """Keep the most severe ones of a group of paths."""
    return np.arange(group) < group // SEVERE


def telling(severity: Array, fares: Sequence[Array], group: int) -> Kept | None:
    """Find the places of a group, in order of severity, where it matters which path is paid.

    Elsewhere all paths fare alike that were looked at, so that any of them may stand for its
    neighbours, if their stretch is long beside those between the last changes on each side of it:
    changes that are scattered tell that there are more.

    Parameters
    ----------
    severity : ndarray, shape (PILOT,)
        What is lost on each path of a pilot run.
    fares : sequence of ndarray, shape (q, PILOT)
        How the classes fare on it: one array a plan that is paid.
    group : int
        Paths of a group, at most :data:`PILOT`; a power of 2.

    Returns
    -------
    ndarray of bool, shape (group,), or None
        None: nearly all have to be kept.
    """
    order = np.argsort(-severity, kind="stable")
    differ = np.zeros(severity.size - 1, np.bool_)
    for each in fares:
        differ |= (np.abs(np.diff(each.take(order, axis=1), axis=1)) > ROUNDING).any(axis=0)
    ends = np.concatenate([[0], np.flatnonzero(differ) + 1, [severity.size]])
    stretch, kept = np.diff(ends), np.ones(severity.size, np.bool_)

    def margin(beside: Ints) -> int:
        """Paths that are kept between a change and a long stretch; `beside`: the two on its other side."""
        if not beside.size:
            return 0
        least = severity.size // MARGIN
        return max(least, LONG * int(beside.max())) if beside.size == 2 else least

    for at, (start, end) in enumerate(itertools.pairwise(ends.tolist())):
        from_ = start + margin(stretch[max(at - 2, 0) : at])
        kept[from_ : max(end - margin(stretch[at + 1 : at + 3]), from_)] = False
    near = kept.reshape(group, -1).any(axis=1) | severe(group)
    return None if STRIDE * np.count_nonzero(~near) < group else near


def sampled(severity: Array, group: int, kept: Kept, rng: np.random.Generator) -> Sample:
    """Choose paths that stand for all: those at the places that are kept, and a few of the others.

    Group by group, paths in order of severity; of those that are thinned out a random one of
    each :data:`STRIDE` remains and stands for it, so that means over a group stay unbiased
    (systematic sampling, Madow and Madow 1944).

    Parameters
    ----------
    severity : ndarray, shape (paths,)
        What is lost on each path.
    group : int
        Paths of a group; what is left over at the end is kept.
    kept : ndarray of bool, shape (group,)
    rng : numpy.random.Generator

    Returns
    -------
    chosen : ndarray of int, shape (s,)
        Increasing.
    stands : ndarray, shape (s,)
        How many paths each stands for.
    """
    groups = severity.size // group
    if not groups:
        return np.arange(severity.size), np.ones(severity.size)
    order = np.argsort(-severity[: groups * group].reshape(groups, group), axis=1, kind="stable")
    order += group * np.arange(groups)[:, None]
    others = np.flatnonzero(~kept)
    # Of a stride that is not full all are kept.
    others = others[others.size % STRIDE :]
    alone = np.ones(group, np.bool_)
    alone[others] = False
    strides = order[:, others].reshape(groups, -1, STRIDE)
    at = rng.integers(STRIDE, size=(groups, 1, 1))
    one = np.take_along_axis(strides, np.broadcast_to(at, (*strides.shape[:2], 1)), axis=2)
    all_of_it = np.concatenate([order[:, alone].ravel(), np.arange(groups * group, severity.size)])
    chosen = np.concatenate([all_of_it, one.ravel()])
    stands = np.repeat([1.0, float(STRIDE)], [all_of_it.size, one.size])
    by_path = np.argsort(chosen)
    return chosen[by_path], stands[by_path]
