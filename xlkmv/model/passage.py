"""First passage on a list of dates: the chance of being short on at least one of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from xlkmv.errors import DomainError, InputError
from xlkmv.model.domain import Array, numbers

__all__ = ["discrete_first_passage"]

# Reach of the standard normal density: what lies beyond weighs less than 1e-23.
REACH = 10.0
# Gauss-Legendre rule of one panel; a panel is at most PANEL kernel widths wide.
NODES, WEIGHTS = np.polynomial.legendre.leggauss(16)
PANEL = 4.0
MAX_PANELS = 20_000


def discrete_first_passage(distance: npt.ArrayLike, times: npt.ArrayLike) -> Array:
    """Probability that a Brownian path is below its barrier on at least one date so far.

    The path is ``W``, the barrier at ``t_k`` is ``-DD_k sqrt(t_k)``, so that being below it
    on date k alone has probability ``N(-DD_k)``. With ``g`` the density of the paths that
    never were below,

    ``p_k = integral g_{k-1}(u) N((b_k - u)/s_k) du``, ``g_k(w) = integral g_{k-1}(u)
    phi((w - u)/s_k)/s_k du`` for ``w > b_k``, ``s_k = sqrt(t_k - t_{k-1})``,

    each by composite Gauss-Legendre quadrature. Every term is positive, so small
    probabilities keep their digits.

    Parameters
    ----------
    distance : array_like, shape (n,)
        Distances to default DD_k at the dates. ``inf``: nothing can fall short on that
        date; ``-inf``: a shortfall is certain.
    times : array_like, shape (n,)
        Years, > 0 and increasing.

    Returns
    -------
    ndarray, shape (n,)
        Cumulative probabilities, increasing, the first equal to ``N(-DD_1)``.

    Raises
    ------
    InputError
        When the shapes differ.
    DomainError
        When the times are not positive and increasing, when two of them lie so close together
        that the grid would become too large (a millionth of a year after years; no two days
        are), or when a distance is NaN.

    Notes
    -----
    Recursive quadrature for a barrier watched on discrete dates: AitSahlia and Lai (1997).
    """
    dd = np.atleast_1d(numbers("distance", distance))
    t = np.atleast_1d(numbers("times", times))
    if dd.ndim != 1 or dd.shape != t.shape:
        raise InputError("distance", f"must have one value per date ({t.size} dates)", f"shape {dd.shape}")
    if np.isnan(dd).any():
        raise DomainError("distance", "must be a number", float("nan"))
    steps = np.diff(t, prepend=0.0)
    if not (np.isfinite(t).all() and (steps > 0.0).all()):
        raise DomainError("times", "must be > 0 and increasing", t[int(np.argmin(steps > 0.0))].item())

    short = np.zeros(t.size)  # probability of the first shortfall on each date
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
    return np.minimum(np.cumsum(short), 1.0)


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
