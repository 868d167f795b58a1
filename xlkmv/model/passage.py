"""First passage on a list of dates: the chance of being short on at least one of them.

One recursion over the dates, and two ways to place the nodes of its integrals. Panels are fitted to
each date anew and take any steps, but every kernel between two dates is then computed in full. On
lattices of one spacing the kernel is a convolution, several times faster over 20 dates and some hundred
times over many. Panels are for a few dates, where they take no longer, and for dates so unevenly spaced
that a lattice would need too many nodes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from xlkmv.errors import DomainError, InputError
from xlkmv.model.domain import Array, numbers
from xlkmv.phrase import Phrase

__all__ = ["discrete_first_passage"]

# So many dates stay on panels; of more, lattices are the faster.
FEW_DATES = 4

# Panels. Reach of the standard normal density: what lies beyond weighs less than 1e-23.
REACH = 10.0
# Gauss-Legendre rule of one panel; a panel is at most PANEL kernel widths wide.
NODES, WEIGHTS = np.polynomial.legendre.leggauss(16)
PANEL = 4.0
MAX_PANELS = 20_000

# Lattices. Spacing, in standard deviations of a bridge over two steps; 0.7 would err by 1e-12.
SPACING = 0.5
# What lies so many standard deviations away from the paths that matter weighs less than 1e-17.
CORRIDOR = 8.5
NEGLIGIBLE = 1e-17
# Few enough for a dot product to stay on one thread, so that its digits do not depend on threads.
MAX_NODES = 10_000
# Nodes and weights of a trapezoidal rule near an end at 0; from FIRST on they are whole, and 1.
# Alpert (1999): sum of weight * node^r = B_{r+1}(FIRST)/(r + 1) for r < 32, B the Bernoulli polynomials.
FIRST = 13
END_RULE = np.array(
    [
        [0.030796665684275255, 0.0827398129753312],
        [0.18443488348267953, 0.23027825275168978],
        [0.4957551519078529, 0.39207117935689645],
        [0.9654506951182381, 0.5448873097312491],
        [1.5795195487776912, 0.6797759557392],
        [2.3173385334180776, 0.7917379606530518],
        [3.1543706676641183, 0.8779028588987157],
        [4.064341374034119, 0.9377595061646207],
        [5.021901117073155, 0.9737594910370322],
        [6.005728971061063, 0.9914291508979008],
        [7.0010705936062045, 0.9979951674401649],
        [8.000131316387666, 0.9996926157178673],
        [9.000009545187684, 0.9999720800772917],
        [10.000000357049052, 0.9999986844986068],
        [11.000000005399436, 0.9999999741878357],
        [12.000000000018533, 0.999999999872546],
    ]
)
END = len(END_RULE)
# A lattice with its end at 0, in spacings.
LATTICE = np.concatenate([END_RULE[:, 0], FIRST + np.arange(MAX_NODES)])
LATTICE_WEIGHTS = np.concatenate([END_RULE[:, 1], np.ones(MAX_NODES)])
ROOT_TWO_PI = np.sqrt(2.0 * np.pi)


def discrete_first_passage(distance: npt.ArrayLike, times: npt.ArrayLike) -> Array:
    """Probability that a Brownian path is below its barrier on at least one date so far.

    The path is ``W``, the barrier at ``t_k`` is ``-DD_k sqrt(t_k)``, so that being below it
    on date k alone has probability ``N(-DD_k)``. With ``g`` the density of the paths that
    never were below,

    ``p_k = integral g_{k-1}(u) N((b_k - u)/s_k) du``, ``g_k(w) = integral g_{k-1}(u)
    phi((w - u)/s_k)/s_k du`` for ``w > b_k``, ``s_k = sqrt(t_k - t_{k-1})``,

    each by quadrature: composite Gauss-Legendre for few dates, the trapezoidal rule with its end
    corrected at the barrier for many. Every term is positive, so small probabilities keep
    their digits.

    Parameters
    ----------
    distance : array_like, shape (..., n)
        Distances to default DD_k at the dates. ``inf``: nothing can fall short on that
        date; ``-inf``: a shortfall is certain. Along further axes stand other barriers on the
        same dates; each is solved by itself, to the same bits as alone.
    times : array_like, shape (n,)
        Years, > 0 and increasing.

    Returns
    -------
    ndarray, shape (..., n)
        Cumulative probabilities, increasing, the first equal to ``N(-DD_1)``.

    Raises
    ------
    InputError
        When the shapes differ.
    DomainError
        When the times are not positive and increasing, when two of them lie so close together
        that both grids would become too large (a millionth of a year after years; no two days
        are), or when a distance is NaN.

    Notes
    -----
    Recursive quadrature for a barrier watched on discrete dates: AitSahlia and Lai (1997); the end
    of the trapezoidal rule: Alpert (1999).
    """
    dd = np.atleast_1d(numbers("distance", distance))
    t = np.atleast_1d(numbers("times", times))
    if t.ndim != 1 or dd.shape[-1:] != t.shape:
        raise InputError(
            "distance",
            Phrase("must have one value per date ({count} dates)", count=t.size),
            f"shape {dd.shape}",
        )
    if np.isnan(dd).any():
        raise DomainError("distance", "must be a number", float("nan"))
    steps = np.diff(t, prepend=0.0)
    if not (np.isfinite(t).all() and (steps > 0.0).all()):
        raise DomainError("times", "must be > 0 and increasing", t[int(np.argmin(steps > 0.0))].item())

    short = np.empty(dd.shape)  # probability of the first shortfall on each date
    for row in np.ndindex(dd.shape[:-1]):
        found = _on_lattices(dd[row], t) if t.size > FEW_DATES else None
        short[row] = _on_panels(dd[row], t) if found is None else found
    return np.minimum(np.cumsum(short, axis=-1), 1.0)


# ------------------------------------------------------------------------------------ panels


def _on_panels(dd: Array, t: Array) -> Array:
    """Probability of the first shortfall on each date, each with a grid fitted to it."""
    short = np.zeros(t.size)
    nodes, mass = np.zeros(1), np.ones(1)  # surviving paths: one point at W = 0, then a grid
    since = 0.0  # date of the grid
    relevant = np.flatnonzero(dd < np.inf)
    for position, k in enumerate(relevant):
        s = np.sqrt(t[k] - since)
        barrier = -dd[k] * np.sqrt(t[k])
        short[k] = mass @ ndtr((barrier - nodes) / s)
        following = relevant[position + 1 :]
        if following.size == 0 or barrier == np.inf:
            break
        # The next kernel and this density must both be resolved by the panels.
        finest = min(s, np.sqrt(t[following[0]] - t[k]))
        nodes, mass = _survivors(nodes, mass, s, barrier, np.sqrt(t[k]), finest)
        since = t[k]
    return short


def _survivors(
    nodes: Array, mass: Array, s: float, barrier: float, spread: float, finest: float
) -> tuple[Array, Array]:
    """Carry the surviving paths one date on: quadrature nodes and the probability at each."""
    low = max(barrier, -40.0 * spread)
    high = max(REACH * spread, low + REACH * s)
    panels = max(int(np.ceil((high - low) / (PANEL * finest))), 1)
    if panels > MAX_PANELS:
        raise DomainError("times", "must lie further apart for the any-date probability", spread**2)
    edges = np.linspace(low, high, panels + 1)
    half = 0.5 * np.diff(edges)[:, None]
    new = (edges[:-1, None] + half * (1.0 + NODES)).ravel()
    weight = (half * WEIGHTS).ravel()
    density = np.empty(new.size)
    # Both grids increase and the kernel is narrow: only near nodes count, in blocks.
    for block in range(0, new.size, 512):
        w = new[block : block + 512]
        first, last = np.searchsorted(nodes, [w[0] - 39.0 * s, w[-1] + 39.0 * s])
        z = (w[:, None] - nodes[None, first:last]) / s
        density[block : block + 512] = np.exp(-0.5 * z * z) @ mass[first:last]
    return new, density * weight / (s * np.sqrt(2.0 * np.pi))


# ---------------------------------------------------------------------------------- lattices


def _on_lattices(dd: Array, t: Array) -> Array | None:
    """Probability of the first shortfall on each date; None if a lattice would become too large.

    All lattices have one spacing, and each begins at the barrier of its date: from date to date
    only the origin moves.
    """
    short = np.zeros(t.size)
    alone = ndtr(-dd)
    sure = np.flatnonzero(alone == 1.0)
    if sure.size:
        short[sure[0]] = 1.0
        alone[sure[0] :] = 0.0  # nothing is left to happen
    # A date that adds nothing to those before it is as good as absent.
    dates = np.flatnonzero(alone > NEGLIGIBLE * np.maximum.accumulate(np.append(0.0, alone[:-1])))
    short[dates[:1]] = alone[dates[:1]]
    if dates.size < 2:
        return short

    t, barrier = t[dates], -dd[dates] * np.sqrt(t[dates])
    s = np.sqrt(np.diff(t, prepend=0.0))
    spacing = SPACING * (s[:-1] * s[1:] / np.hypot(s[:-1], s[1:])).min()
    scale = spacing / s
    low, high, slope = _corridor(barrier, t)
    sizes = END + np.maximum(np.ceil((high - low) / spacing) - FIRST, 1.0)
    if sizes.max() > LATTICE.size:
        return None
    origin, rise = low / spacing, CORRIDOR / scale
    fall = rise[:-1] + slope * s[:-1] ** 2 / spacing

    nodes = LATTICE[: int(sizes[0])]
    density = np.exp(-0.5 * (scale[0] * (origin[0] + nodes)) ** 2)
    for k in range(1, dates.size):
        mass = LATTICE_WEIGHTS[: nodes.size] * density * (scale[k - 1] / ROOT_TWO_PI)
        below = ndtr(barrier[k] / s[k] - scale[k] * (origin[k - 1] + nodes))
        short[dates[k]] = np.einsum("u,u->", mass, below)
        if k < sizes.size:
            old, nodes = nodes, LATTICE[: int(sizes[k])]
            density = _carry(mass, old, nodes, origin[k] - origin[k - 1], scale[k], fall[k], rise[k])
    return short


def _corridor(barrier: Array, t: Array) -> tuple[Array, Array, Array]:
    """Lowest and highest position that matters on each date but the last, and the steepest way down.

    Of the paths with ``W(t_j) < b_j`` all but a share of N(-CORRIDOR) come to ``t_k`` at most
    CORRIDOR standard deviations of a bridge, ``sqrt(t_k (t_j - t_k)/t_j)``, above the line from 0
    to b_j, and all but twice that share at most CORRIDOR ``sqrt t_k`` below the line to ``min(b_j,
    0)``. The share is one of ``P[W(t_j) < b_j]``, and the any-date PD at t_j is not less. In the
    same way they rise in one step by at most CORRIDOR ``s_k``, and fall by at most that and the
    fall of the line. The third result is the steepest fall per year, >= 0, to a later barrier.
    """
    start, root = t[:-1, None], np.sqrt(t[:-1])
    bridge = np.sqrt(start * np.maximum(1.0 - start / t, 0.0))
    above = np.where(start < t, start * (barrier / t) + CORRIDOR * bridge, -np.inf).max(axis=1)
    slope = np.maximum.accumulate(np.maximum(-barrier / t, 0.0)[:0:-1])[::-1]
    low = np.maximum(barrier[:-1], -slope * t[:-1] - CORRIDOR * root)
    return low, np.minimum(above, CORRIDOR * root), slope


def _carry(
    mass: Array, old: Array, new: Array, shift: float, scale: float, fall: float, rise: float
) -> Array:
    """``sum_u mass_u exp(-(w - u)^2/(2 s^2))`` at all new nodes w: the kernel between two lattices.

    Lengths are in spacings: `old` and `new` nodes from their own origin, the `shift` of the
    origin, how far paths `fall` and `rise` in the step; `scale` is a spacing in units of s.
    """
    # From regular to regular nodes only the number of spacings between them counts: a convolution.
    whole, deepest = int(np.rint(shift)), int(np.ceil(fall))
    z = scale * (np.arange(-deepest, int(np.ceil(rise)) + 1) + (shift - whole))
    spread = np.convolve(mass[END:], np.exp(-0.5 * z * z))
    density = np.zeros(new.size)
    lead = whole + deepest  # where the first regular node stands in what was spread
    first = max(lead, 0)
    last = max(min(lead + new.size - END, spread.size), first)
    density[END + first - lead : END + last - lead] = spread[first:last]
    # To the end from all nodes within reach; from the end to all regular nodes within reach.
    first, last = np.searchsorted(old, [shift - rise, shift + FIRST + fall])
    density[:END] = _kernel_sum(mass[first:last], old[first:last], new[:END] + shift, scale)
    first, last = END + np.searchsorted(new[END:], [-shift - fall, FIRST - shift + rise])
    density[first:last] += _kernel_sum(mass[:END], old[:END], new[first:last] + shift, scale)
    return density


def _kernel_sum(mass: Array, old: Array, new: Array, scale: float) -> Array:
    """Sum of the kernel over old nodes at each new one; not by BLAS, whose digits depend on threads."""
    z = scale * (new[:, None] - old)
    return np.asarray(np.einsum("wu,u->w", np.exp(-0.5 * z * z), mass))
