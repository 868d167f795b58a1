"""Exact loss distribution of obligors that are independent once one common factor is known.

Given the factor z, obligor i loses its band (a whole number of units) with probability p_i(z), so the loss of
the pool has the generating function prod_i (1 + p_i(z) (x^band_i - 1)). It is evaluated at roots of unity
and inverted by FFT inside a window that holds all but 1e-16 of the conditional probability; the
windows are then mixed over the factor by the trapezoid rule, which converges geometrically here. Default
probabilities that jump from 0 to 1 within a small step of the factor get nodes of their own instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from xlkmv.model.domain import Array

__all__ = ["NARROW", "ConditionalPool", "conditional_pool", "dot", "loss_bands", "step_edges", "step_nodes"]

Integers = npt.NDArray[np.int64]
ConditionalPd = Callable[[float], Array]

# The factor outside [-7.5, 7.5] has probability 6e-14.
_REACH = 7.5
_MOST_NODES = 4096
# A step of the conditional PD narrower than this is a break point of the integral over the factor.
NARROW = 0.1
_PANEL, _PANEL_NODES = 0.5, 12
# N(x) at the outermost of these is 0 or 1 to the last digit.
_BREAKS = np.array([-8.0, -5.0, -3.0, 0.0, 3.0, 5.0, 8.0])
_MOST_STEPS = 24
# Variance of a default indicator that is taken for certain.
_CERTAIN = 1e-18
# Log of the conditional probability that may lie outside a window.
_WINDOW_LOG = 37.5
# Up to this many different PDs the generating function is a plain product of powers.
_FEW_PDS = 64
_MOST_TERMS = 48
_FEW_ACTIVE = 64
_DOT = 8192
_NEGLIGIBLE = 1e-16


def loss_bands(amounts: Array, points: int) -> tuple[float, Integers]:
    """Express loss amounts as whole numbers of one unit.

    If the amounts are multiples of a common amount and fit in `points`, that amount is the unit and nothing
    is rounded. Otherwise the unit is total / points and the rounding errors are carried from one obligor to
    the next, so that no sum of consecutive obligors is off by more than one unit.

    Parameters
    ----------
    amounts : (n,) array
        Loss amounts, >= 0, total > 0, in the order in which errors may be carried.
    points : int
        Largest grid wanted.

    Returns
    -------
    (float, (n,) int array)
        Unit and bands.
    """
    total = float(amounts.sum())
    unit = _common_unit(amounts, total / points) or total / points
    steps = np.rint(np.cumsum(amounts / unit))
    return unit, np.diff(steps, prepend=0.0).astype(np.int64)


def _common_unit(amounts: Array, smallest: float) -> float | None:
    """Return the largest amount, not below `smallest`, of which all amounts are multiples."""
    distinct = np.unique(amounts[amounts > 0.0])
    tolerance = 1e-9 * float(distinct[-1])
    unit = float(distinct[0])
    for amount in distinct[1:].tolist():
        a, b = amount, unit
        while b > tolerance:
            if b < smallest * (1.0 - 1e-9):
                return None
            a, b = b, abs(a - b * round(a / b))
        unit = a
    # Remainders carry the rounding of large amounts: the total gives the unit its digits back.
    total = float(amounts.sum())
    unit = total / round(total / unit)
    return unit if unit >= smallest * (1.0 - 1e-9) else None


@dataclass(frozen=True, slots=True, eq=False)
class ConditionalPool:
    """Conditional loss distributions on a grid, and their mixture over the factor.

    Attributes
    ----------
    bands : (n,) int array
        Loss of each obligor in units.
    nodes, weights : (m,) arrays
        Values of the standard normal factor and their probabilities.
    starts : (m,) int array
        First grid point of each conditional window.
    windows : list of arrays
        Conditional probabilities from that grid point on.
    probabilities : (sum of bands + 1,) array
        Unconditional probability of each number of units.
    kinds : (n,) int array
        Which of the k conditional default probabilities is that of each obligor.
    conditional_pd : callable
        Factor value -> (k,) default probabilities.
    """

    bands: Integers
    nodes: Array
    weights: Array
    starts: Integers
    windows: list[Array]
    probabilities: Array
    kinds: Integers
    conditional_pd: ConditionalPd

    def joint_with_default(self, point: int) -> tuple[Array, Array]:
        """Joint probabilities of each obligor's default and the loss of the pool.

        Parameters
        ----------
        point : int
            Loss in units.

        Returns
        -------
        at, above : ndarray, shape (n,)
            P(obligor defaults, loss = point) and P(obligor defaults, loss > point).
        """
        at = np.zeros(self.bands.size)
        above = np.zeros(self.bands.size)
        for z, weight, start, window in zip(
            self.nodes.tolist(), self.weights.tolist(), self.starts.tolist(), self.windows, strict=True
        ):
            if start + window.size <= point:
                continue
            p = self.conditional_pd(z)[self.kinds]
            if start > point:
                above += weight * p
                continue
            density = np.concatenate([[0.0], window, [0.0]])
            below = np.minimum(np.concatenate([[0.0], np.cumsum(window), [1.0]]), 1.0)
            tail = np.concatenate([[1.0], np.cumsum(window[::-1])[::-1], [0.0]])
            small = p < 0.5
            # The others' loss is at `point` less the band of the obligor that defaulted.
            others = _without_one(density, start, point - self.bands, p, self.bands)
            not_above = _without_one(below, start, point - self.bands, p, self.bands, only=small)
            others_above = _without_one(tail, start, point + 1 - self.bands, p, self.bands, only=~small)
            at += weight * p * others
            above += weight * p * np.where(small, 1.0 - not_above, others_above)
        return at, above


def _without_one(
    padded: Array,
    start: int,
    points: Integers,
    p: Array,
    bands: Integers,
    only: npt.NDArray[np.bool_] | None = None,
) -> Array:
    """Take each obligor in turn out of a pool's distribution and evaluate what is left at its own point.

    f(y) = (1 - p) q(y) + p q(y - band) is unrolled downwards for p < 1/2 and upwards otherwise, so that every
    step shrinks. `padded` holds f in the window with its values below and above at either end.
    """
    size = padded.size - 2
    small = p < 0.5
    step = np.where(small, -bands, bands)
    ratio = -np.where(small, p / np.where(small, 1.0 - p, 1.0), (1.0 - p) / np.where(small, 1.0, p))
    factor = 1.0 / np.where(small, 1.0 - p, p)
    y = np.where(small, points, points + bands)
    # An obligor that loses nothing leaves the distribution as it is.
    still = bands == 0
    ratio[still], factor[still], y[still] = 0.0, 1.0, points[still]
    out = np.zeros(p.size)
    active = np.arange(p.size) if only is None else np.flatnonzero(only)
    # Many obligors: one step for all of them at a time. Few: all steps of one at a time.
    while active.size > _FEW_ACTIVE:
        index = y[active] - start
        out[active] += factor[active] * padded[np.clip(index, -1, size) + 1]
        factor[active] *= ratio[active]
        y[active] += step[active]
        index = y[active] - start
        gone = np.where(small[active], index < 0, index >= size) | (np.abs(factor[active]) < _NEGLIGIBLE)
        active = active[~gone]
    for i in active.tolist():
        index = y[i] - start
        inside = (index if small[i] else size - 1 - index) // max(abs(step[i]), 1) + 1
        fades = np.log(_NEGLIGIBLE) / np.log(min(max(abs(ratio[i]), 1e-300), 0.999999))
        m = np.arange(int(max(min(inside, fades), 1)))
        out[i] += factor[i] * (padded[np.clip(index + step[i] * m, -1, size) + 1] @ ratio[i] ** m)
    return np.maximum(out, 0.0)


def step_edges(centres: Array, widths: Array, sizes: Array, reach: float, most: int) -> Array:
    """Cut [-reach, reach] so finely where steps N((centre - z)/width) are that each part is smooth.

    Parameters
    ----------
    centres, widths : (n,) arrays
        Steps; only those narrower than :data:`NARROW` need edges.
    sizes : (n,) array
        How much depends on each step: the `most` largest get their edges.
    reach : float
        Of the factor.
    most : int
        Bound on the work: steps that are cut out at most.

    Returns
    -------
    (m,) array
        Ascending edges.
    """
    near = (widths < NARROW) & (np.abs(centres) < reach + 8.0 * widths)
    steps, step_of = np.unique(np.stack([centres[near], widths[near]]), axis=1, return_inverse=True)
    weight = np.bincount(np.asarray(step_of).reshape(-1), sizes[near], steps.shape[1])
    steps = steps[:, np.argsort(-weight, kind="stable")[:most]]
    plain = np.linspace(-reach, reach, int(np.ceil(2.0 * reach / _PANEL)) + 1)
    cuts = steps[0] + steps[1] * _BREAKS[:, None]
    return np.unique(np.clip(np.concatenate([plain, cuts.ravel()]), -reach, reach))


def step_nodes(edges: Array) -> tuple[Array, Array]:
    """Gauss-Legendre nodes of the standard normal factor between `edges`, and their probabilities.

    Parameters
    ----------
    edges : ndarray, shape (m,)
        Ascending values of the factor.

    Returns
    -------
    nodes, probabilities : ndarray
        Of one shape; the probabilities sum to 1.
    """
    x, w = np.polynomial.legendre.leggauss(_PANEL_NODES)
    half = 0.5 * np.diff(edges)[:, None]
    nodes = (edges[:-1, None] + half * (1.0 + x)).ravel()
    weights = (half * w).ravel() * np.exp(-0.5 * nodes * nodes)
    return nodes, weights / weights.sum()


def conditional_pool(
    amounts: Array,
    bands: Integers,
    kinds: Integers,
    conditional_pd: ConditionalPd,
    steps: tuple[Array, Array] | None = None,
) -> ConditionalPool:
    """Compute the loss distribution of a pool with one standard normal factor.

    Parameters
    ----------
    amounts : (n,) array
        Loss amounts; only used to place the factor nodes.
    bands : (n,) int array
        Loss amounts in units.
    kinds : (n,) int array
        Which of the k conditional default probabilities is that of each obligor.
    conditional_pd : callable
        Factor value -> (k,) default probabilities, smooth in the factor.
    steps : (centres, widths), optional
        Where each probability falls from 1 to 0, and in what length of the factor, (k,) each.

    Returns
    -------
    ConditionalPool
    """
    if steps is not None and (steps[1] < NARROW).any():
        nodes, weights = _stepped_nodes(amounts, kinds, conditional_pd, *steps)
    else:
        nodes, weights = _factor_nodes(amounts, kinds, conditional_pd)
    distinct_bands, band_of = np.unique(bands, return_inverse=True)
    top = int(bands.sum())
    pgf = _Pgf(distinct_bands, band_of, kinds)
    # A pool of a hundred thousand has few kinds: what depends on the factor is summed kind by kind.
    units, squares = np.bincount(kinds, bands), np.bincount(kinds, bands.astype(float) ** 2)
    largest = np.zeros(units.size)
    np.maximum.at(largest, kinds, bands)
    starts = np.zeros(nodes.size, dtype=np.int64)
    windows: list[Array] = []
    probabilities = np.zeros(top + 1)
    for m, (z, weight) in enumerate(zip(nodes.tolist(), weights.tolist(), strict=True)):
        p = conditional_pd(z)
        mean, variance = dot(p, units), dot(p * (1.0 - p), squares)
        # Bernstein's inequality: outside mean -+ half lies less than 2 exp(-_WINDOW_LOG).
        linear = _WINDOW_LOG * float(np.max(largest, where=p * (1.0 - p) > _CERTAIN, initial=0)) / 3.0
        half = linear + np.sqrt(linear**2 + 2.0 * _WINDOW_LOG * variance)
        start, end = max(0, int(mean - half)), min(top, int(np.ceil(mean + half)))
        size = _fft_size(end - start + 1)
        window = np.fft.irfft(pgf(p, size), size)
        window = np.roll(window, -(start % size))[: end - start + 1]
        np.maximum(window, 0.0, out=window)
        starts[m] = start
        windows.append(window)
        probabilities[start : end + 1] += weight * window
    return ConditionalPool(bands, nodes, weights, starts, windows, probabilities, kinds, conditional_pd)


def _factor_nodes(amounts: Array, kinds: Integers, conditional_pd: ConditionalPd) -> tuple[Array, Array]:
    """Place trapezoid nodes so close that neighbouring conditional distributions overlap.

    Two neighbours whose means differ by one conditional standard deviation already mix
    with an error of 2 exp(-2 pi^2) = 5e-9; the mixture of a large pool would otherwise be a comb. No
    single obligor may move by more than half of its own either.
    """
    grid = np.linspace(-4.0, 4.0, 401)
    step = grid[1] - grid[0]
    money, squares = np.bincount(kinds, amounts), np.bincount(kinds, amounts**2)
    counts = money > 0.0
    last = conditional_pd(float(grid[0] - step))
    closest = np.inf
    for z in grid.tolist():
        p = conditional_pd(z)
        move = np.abs(p - last) / step
        own = np.sqrt(p * (1.0 - p))
        moving = counts & (move > 1e-9)
        if moving.any():
            pool = np.sqrt(dot(own * own, squares)) / dot(move, money)
            closest = min(closest, 0.9 * pool, 0.5 * float((own[moving] / move[moving]).min()))
        last = p
    if closest == np.inf:
        return np.zeros(1), np.ones(1)
    count = int(np.clip(np.ceil(2.0 * _REACH / np.clip(closest, 1e-9, 0.2)), 1, _MOST_NODES)) | 1
    nodes = np.linspace(-_REACH, _REACH, count)
    weights = np.exp(-0.5 * nodes**2)
    return nodes, weights / weights.sum()


def _stepped_nodes(
    amounts: Array, kinds: Integers, conditional_pd: ConditionalPd, centres: Array, widths: Array
) -> tuple[Array, Array]:
    """Place nodes between the edges of steps, with the overlap that :func:`_factor_nodes` asks for."""
    money, squares = (np.bincount(kinds, x).astype(float) for x in (amounts, amounts**2))
    edges = step_edges(centres, widths, money, _REACH, _MOST_STEPS)
    p = np.stack([conditional_pd(z) for z in edges.tolist()])
    spread = (p * (1.0 - p)) @ squares
    moved = np.abs(np.diff(p, axis=0)) @ money
    # Three nodes per conditional standard deviation, or loss of one obligor, by which the mean moves.
    deviation = np.sqrt(np.maximum(0.5 * (spread[1:] + spread[:-1]), amounts.max() ** 2))
    parts = np.maximum(3.0 * moved / (deviation * _PANEL_NODES), 1.0)
    share = min(_MOST_NODES / (_PANEL_NODES * float(parts.sum())), 1.0)
    parts = np.ceil(parts * share).astype(np.int64)
    cut = [np.linspace(a, b, c + 1)[:-1] for a, b, c in zip(edges[:-1], edges[1:], parts, strict=True)]
    return step_nodes(np.append(np.concatenate(cut), edges[-1]))


def _fft_size(least: int) -> int:
    """Return the next 2^k or 3 2^k: even, so that the last frequency is -1."""
    power = 1 << max(1, (least - 1).bit_length())
    return 3 * power // 4 if 3 * power // 4 >= least and power >= 8 else power


class _Pgf:
    """prod_i (1 + p_i (w^band_i - 1)) at w = exp(-2 pi i k / size), k = 0..size/2."""

    def __init__(self, bands: Integers, band_of: Integers, kind_of: Integers) -> None:
        self.bands, self.band_of, self.kind_of = bands, np.asarray(band_of).reshape(-1), kind_of
        self.per_band = np.bincount(self.band_of, minlength=bands.size).astype(float)
        kinds = int(kind_of.max()) + 1
        self.few = kinds <= _FEW_PDS
        if self.few:
            flat = np.bincount(self.band_of * kinds + kind_of, minlength=bands.size * kinds)
            self.counts = flat.reshape(bands.size, kinds).astype(float)
        self.folds: dict[int, tuple[Integers, Array]] = {}

    def __call__(self, p: Array, size: int) -> npt.NDArray[np.complex128]:
        half = size // 2
        x = np.expm1(-2j * np.pi * np.arange(half + 1) / size)
        x[half] = -2.0
        real, imaginary = self._plain(p, x) if self.few else self._series(p[self.kind_of], x)
        if size not in self.folds:
            turn = (self.bands[:, None] * np.arange(half + 1)) % size
            folded = turn > half
            index = np.where(folded, size - turn, turn) + (half + 1) * np.arange(self.bands.size)[:, None]
            self.folds[size] = index, np.where(folded, -1.0, 1.0)
        index, sign = self.folds[size]
        log = real.ravel()[index].sum(axis=0) + 1j * (sign * imaginary.ravel()[index]).sum(axis=0)
        return np.asarray(np.exp(log))

    def _plain(self, p: Array, x: npt.NDArray[np.complex128]) -> tuple[Array, Array]:
        """Log of the product, band by band, from the logs of the few different factors."""
        log = _safe_log(1.0 + p[:, None] * x)
        return _product(self.counts, log.real), _product(self.counts, log.imag)

    def _series(self, p: Array, x: npt.NDArray[np.complex128]) -> tuple[Array, Array]:
        """Sum over a band of log(1 + p x) by its Chebyshev series in p, whose coefficients are known.

        With p = c + h u and a = h x/(1 + c x) = -2r/(1 + r^2):
        log(1 + p x) = log(1 + c x) - log(1 + r^2) - 2 sum_{m>=1} (r^m / m) T_m(u).
        """
        low, high = float(p.min()), float(p.max())
        c, h = 0.5 * (low + high), max(0.5 * (high - low), 1e-300)
        u = np.clip((p - c) / h, -1.0, 1.0)
        centre = 1.0 + c * x
        centre[np.abs(centre) < 1e-12] = 1e-12
        a = h * x / centre
        r = -a / (1.0 + np.sqrt(1.0 - a * a))
        largest = float(np.abs(r).max())
        terms = _MOST_TERMS
        if largest < 1.0:
            terms = int(np.clip(np.ceil(-37.0 / np.log(max(largest, 1e-16))), 1, _MOST_TERMS))
        sums = np.empty((self.bands.size, terms))
        powers = np.empty((terms, x.size), dtype=np.complex128)
        previous, current, power = np.ones_like(u), u, r
        for m in range(terms):
            sums[:, m] = np.bincount(self.band_of, weights=current, minlength=self.bands.size)
            powers[m] = power * (-2.0 / (m + 1))
            previous, current = current, 2.0 * u * current - previous
            power = power * r
        base = _safe_log(centre) - _safe_log(1.0 + r * r)
        real = self.per_band[:, None] * base.real + _product(sums, powers.real)
        imaginary = self.per_band[:, None] * base.imag + _product(sums, powers.imag)
        return real, imaginary


def dot(a: Array, b: npt.NDArray[Any]) -> float:
    """a @ b of two vectors in blocks so small that BLAS stays on one thread, as in :func:`_product`.

    Parameters
    ----------
    a, b : ndarray, shape (n,)

    Returns
    -------
    float
    """
    return sum(float(a[k : k + _DOT] @ b[k : k + _DOT]) for k in range(0, a.size, _DOT))


def _product(a: Array, b: Array) -> Array:
    """a @ b in blocks so small that BLAS stays on one thread.

    The products are many and short: threads waiting for each other take several times longer on a busy
    machine.
    """
    out = np.empty((a.shape[0], b.shape[1]))
    width = max(200_000 // a.size, 32)
    for start in range(0, b.shape[1], width):
        out[:, start : start + width] = a @ np.ascontiguousarray(b[:, start : start + width])
    return out


def _safe_log(x: npt.NDArray[np.complex128]) -> npt.NDArray[np.complex128]:
    """Log with a floor: a factor of zero makes the product 1e-150 instead of a NaN.

    Modulus and argument apart are several times faster than the complex logarithm.
    """
    out = np.empty(x.shape, dtype=np.complex128)
    out.real = 0.5 * np.log(np.maximum(x.real**2 + x.imag**2, 1e-300))
    out.imag = np.arctan2(x.imag, x.real)
    return out
