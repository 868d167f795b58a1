"""Quasi-random points, and the shares of a result's variance that its inputs have: Sobol indices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xlkmv.errors import DomainError
from xlkmv.model.domain import Array
from xlkmv.phrase import Phrase

__all__ = ["MOST_DIMENSIONS", "Shares", "sobol_points", "variance_shares"]

# Primitive polynomials, their leading and last bits included, and first direction numbers of Joe and
# Kuo (2008), by dimension; the first one is van der Corput's sequence.
DIRECTIONS: tuple[tuple[int, tuple[int, ...]], ...] = (
    (1, ()),
    (3, (1,)),
    (7, (1, 3)),
    (11, (1, 3, 1)),
    (13, (1, 1, 1)),
    (19, (1, 1, 3, 3)),
    (25, (1, 3, 5, 13)),
    (37, (1, 1, 5, 5, 17)),
    (41, (1, 1, 5, 5, 5)),
    (47, (1, 1, 7, 11, 19)),
    (55, (1, 1, 5, 1, 1)),
    (59, (1, 1, 1, 3, 11)),
    (61, (1, 3, 5, 5, 31)),
    (67, (1, 3, 3, 9, 7, 49)),
    (91, (1, 1, 1, 15, 21, 21)),
    (97, (1, 3, 1, 13, 27, 49)),
    (103, (1, 1, 1, 15, 7, 5)),
    (109, (1, 3, 1, 15, 13, 25)),
    (115, (1, 1, 5, 5, 19, 61)),
    (131, (1, 3, 7, 11, 23, 15, 103)),
)
MOST_DIMENSIONS = len(DIRECTIONS)
BITS = 32


def sobol_points(count: int, dimensions: int, seed: int) -> Array:
    """Points that fill the unit cube evenly: Sobol's sequence, shifted digitally.

    The shift (exclusive or of all points with one random number per dimension) keeps the evenness,
    makes means over the points unbiased and no coordinate 0 or 1.

    Parameters
    ----------
    count : int
        A power of 2 for the evenness, at most 2^32.
    dimensions : int
        1 to :data:`MOST_DIMENSIONS`.
    seed : int
        >= 0; the same seed gives the same bits.

    Returns
    -------
    ndarray, shape (count, dimensions)
        Inside (0, 1).

    Raises
    ------
    DomainError
        When there are too many dimensions, or none.

    Notes
    -----
    Sobol (1967) with the direction numbers of Joe and Kuo (2008), in the order of Gray codes (Antonov
    and Saleev 1979).
    """
    if not 1 <= dimensions <= MOST_DIMENSIONS:
        raise DomainError(
            "dimensions",
            Phrase("must be from 1 to {most_dimensions}", most_dimensions=MOST_DIMENSIONS),
            dimensions,
        )
    rng = np.random.Generator(np.random.Philox(key=seed))
    points = np.zeros((count, dimensions), np.uint64)
    index = np.arange(count, dtype=np.uint64)
    gray = index ^ (index >> np.uint64(1))
    for bit in range(int(count - 1).bit_length()):
        on = (gray >> np.uint64(bit)) & np.uint64(1) == 1
        points[on] ^= _DIRECTION_NUMBERS[bit, :dimensions]
    points ^= rng.integers(1 << BITS, size=dimensions, dtype=np.uint64)
    return np.asarray((points + 0.5) / float(1 << BITS))


def _direction_numbers() -> npt.NDArray[np.uint64]:
    """Direction numbers of all dimensions, shape (bits, dimensions), in the recurrence of Sobol."""
    out = np.zeros((BITS, MOST_DIMENSIONS), np.uint64)
    for k, (polynomial, first) in enumerate(DIRECTIONS):
        degree = polynomial.bit_length() - 1
        m = list(first)
        for bit in range(degree, BITS):
            if not degree:
                m.append(1)
                continue
            new = m[bit - degree] ^ m[bit - degree] << degree
            for j in range(1, degree):
                if polynomial >> (degree - j) & 1:
                    new ^= m[bit - j] << j
            m.append(new)
        out[:, k] = [number << (BITS - 1 - bit) for bit, number in enumerate(m[:BITS])]
    return out


_DIRECTION_NUMBERS = _direction_numbers()


@dataclass(frozen=True, slots=True, eq=False)
class Shares:
    """Shares of the variance of r results that g groups of inputs have; NaN of a result without any.

    Attributes
    ----------
    first : ndarray, shape (g, r)
        Of the group alone: what the variance would lose if the group were known.
    total : ndarray, shape (g, r)
        Of the group and all that it does together with others: what would be left if all others
        were known.
    """

    first: Array
    total: Array


def variance_shares(
    function: Callable[[Array], Array], one: Array, other: Array, groups: Sequence[Sequence[int]]
) -> Shares:
    """Sobol indices of groups of independent inputs.

    With f(A), f(B) on two independent samples, and A_B^g the first with the inputs of group g from
    the second::

        first = E[f(B) (f(A_B^g) - f(A))]/Var f        total = E[(f(A) - f(A_B^g))^2]/(2 Var f)

    Parameters
    ----------
    function : callable
        Inputs, shape (n, d), to results, shape (n, r).
    one, other : ndarray, shape (n, d)
        A and B: two halves of the coordinates of one quasi-random sequence.
    groups : sequence of sequence of int
        Columns of each group; every column in one of them.

    Returns
    -------
    Shares
        As estimated: by its error a share may lie outside 0 to 1.

    Notes
    -----
    Saltelli and others (2010), equation (16), which is sharp where a share is small; Jansen (1999).
    """
    at_one, at_other = function(one), function(other)
    both = np.concatenate([at_one, at_other])
    variance, centred = np.var(both, axis=0), at_other - both.mean(axis=0)
    # What rounding leaves of equal results is no variance.
    variance[variance < 1e-24 * (1.0 + np.max(both**2, axis=0))] = np.nan
    first, total = (np.empty((len(groups), at_one.shape[1])) for _ in range(2))
    for g, columns in enumerate(groups):
        mixed = one.copy()
        mixed[:, columns] = other[:, columns]
        at_mixed = function(mixed)
        first[g] = np.mean(centred * (at_mixed - at_one), axis=0) / variance
        total[g] = np.mean((at_one - at_mixed) ** 2, axis=0) / (2.0 * variance)
    return Shares(first, total)
