"""CreditRisk+ (Credit Suisse First Boston, 1997).

Defaults are Poisson with a rate that gamma distributed sectors share; the loss is a whole number of units L:

    G(x) = exp(A_0(x) - A_0(1)) prod_k (1 + v_k^2 (A_k(1) - A_k(x)))^(-1 / v_k^2)
    A_k(x) = sum_i w_ik p_i x^band_i

with v_k the relative standard deviation of sector k and k = 0 the specific risk. An obligor's
band is its loss amount in units, rounded up, and p_i = amount_i PD_i / (band_i L) keeps its expected loss.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import log1p

from xlkmv.errors import DomainError, InputError
from xlkmv.model.domain import NOT_NEGATIVE, POSITIVE, Array, Rule, check, check_number
from xlkmv.model.losses import (
    LEVELS,
    Contributions,
    LossDistribution,
    check_attachment,
    check_levels,
    grid_tail,
    obligors,
    per_obligor,
)
from xlkmv.phrase import Phrase

__all__ = ["creditriskplus", "panjer", "transform"]

Integers = npt.NDArray[np.int64]

POISSON_PD = Rule(
    "must be >= 0 and < 1 (a decimal: 0.02 means 2 %; CreditRisk+ counts defaults by a Poisson law, which "
    "knows no certain default)",
    low=0.0,
    high=1.0,
    high_open=True,
)
# Up to this grid the recursion is used (its work grows with the square), beyond it the transform.
_RECURSION_POINTS = 4096
_MOST_POINTS = 2**22
# Log of the probability that may lie beyond the grid.
_TAIL_LOG = -36.0
_LEAST_DEVIATION = 1e-150


def creditriskplus(
    exposures: npt.ArrayLike,
    pds: npt.ArrayLike,
    pd_sds: npt.ArrayLike,
    levels: npt.ArrayLike = LEVELS,
    *,
    lgd: npt.ArrayLike = 1.0,
    sector_weights: npt.ArrayLike | None = None,
    unit: float | None = None,
    attachment: float | None = None,
    method: str = "auto",
) -> LossDistribution:
    """CreditRisk+: exact loss distribution and risk contributions.

    Parameters
    ----------
    exposures : (n,) array_like
        Exposure of each obligor (money), >= 0.
    pds : (n,) array_like or float
        Default probabilities over the horizon, >= 0 and < 1.
    pd_sds : (n,) array_like or float
        Standard deviation of each PD, >= 0. A sector's relative deviation is
        v_k = sum_i w_ik sd_i / sum_i w_ik PD_i; 0 leaves a Poisson law.
    levels : (k,) array_like
        Confidence levels, > 0 and < 1.
    lgd : (n,) array_like or float
        Loss given default as a share of the exposure; 1 when exposures are already net of recovery.
    sector_weights : (n, s) array_like, optional
        Share of each obligor's risk in each sector; rows add up to at most 1 and the rest is specific risk.
        One sector holds everything by default.
    unit : float, optional
        Loss unit L (money). By default 1/100 of the largest loss amount, or more where the grid
        would pass four million points. The unit moves the VaR: it is part of the definition.
    attachment : float, optional
        Loss amount at which the senior tranche is hit.
    method : {"auto", "panjer", "transform"}
        Recursion, Fourier transform, or by size of the grid.

    Returns
    -------
    LossDistribution
        VaR is interpolated within its unit as in the CSFB document (point i, reached at
        fraction f of its probability, is (i - 1 + f) L); expected shortfall is that of the grid. Expected and
        unexpected loss come from the unrounded amounts.

    Raises
    ------
    InputError, DomainError
        Naming the argument, its rule and the value.

    Notes
    -----
    CSFB, *CreditRisk+: A Credit Risk Management Framework* (1997), appendix A. Recursion: nested evaluation
    with positive terms only (Haaf, Reiss and Schoenmakers 2003). Contributions: Haaf and Tasche (2002).
    """
    amounts, pd, _ = obligors(exposures, pds, lgd, POISSON_PD)
    n = amounts.size
    sd = per_obligor("pd_sds", pd_sds, n, NOT_NEGATIVE)
    weights = _sector_weights(sector_weights, n)
    level = check_levels(levels)
    attachment = check_attachment(attachment)
    if method not in ("auto", "panjer", "transform"):
        raise InputError("method", 'must be "auto", "panjer" or "transform"', method)

    deviations = _sector_deviations(pd, sd, weights)
    specific = 1.0 - weights.sum(axis=1)
    expected = amounts * pd
    size, bands, rates, points = _grid(amounts, expected, weights, specific, deviations, unit)
    # Var L = sum a_i^2 PD_i + sum_k (v_k sum_i w_ik EL_i)^2   (CSFB 1997, appendix A)
    sector_el = expected @ weights
    covariances = amounts * expected + expected * (weights @ (deviations**2 * sector_el))
    unexpected = float(np.sqrt(covariances.sum()))

    severities: Array = np.stack(
        [
            np.bincount(bands, rates * share, minlength=int(bands.max()) + 1).astype(np.float64)
            for share in np.column_stack([specific, weights]).T
        ]
    )
    shapes = np.array([np.inf if v == 0.0 else v**-2.0 for v in deviations.tolist()])
    recursion = method == "panjer" or (method == "auto" and points <= _RECURSION_POINTS)
    distribution = panjer if recursion else transform
    probabilities = distribution(severities, shapes, points)
    # An obligor that defaults makes its sectors' gamma laws one step fatter: shape + 1, same scale.
    biased = [probabilities] + [
        distribution(severities, shapes, points, extra) if np.isfinite(shapes[extra]) else probabilities
        for extra in range(shapes.size)
    ]
    shares = np.column_stack([specific, weights])
    cumulated = np.cumsum(probabilities)
    losses = size * np.arange(points, dtype=np.float64)
    at_risk, shortfall = np.empty(level.size), np.empty(level.size)
    at_risk_parts, shortfall_parts = np.empty((level.size, n)), np.empty((level.size, n))
    for k, a in enumerate(level.tolist()):
        index, share, shortfall[k] = grid_tail(losses, probabilities, a)
        before = float(cumulated[index - 1]) if index else 0.0
        fraction = float(np.clip((a - before) / probabilities[index], 0.0, 1.0)) if index else 0.0
        at_risk[k] = max(index - 1 + fraction, 0.0) * size
        here = _losses_given(index, bands, rates, shares, biased)
        lower = _losses_given(index - 1, bands, rates, shares, biased) if index > 1 else np.zeros(n)
        at_risk_parts[k] = size * (fraction * here + (1.0 - fraction) * lower)
        above = sum(rates * bands * shares[:, j] * _tail(law, index - bands) for j, law in enumerate(biased))
        shortfall_parts[k] = size * (above + share * here) / (1.0 - a)
        # The grid ends at 1e-15 and sums are rounded: the parts are made to add up to the last digit.
        at_risk_parts[k] = _whole(at_risk_parts[k], at_risk[k])
        shortfall_parts[k] = _whole(shortfall_parts[k], shortfall[k])

    beyond = _above(losses, probabilities, float(amounts.sum()))
    notes = (
        (f"CreditRisk+ lets an obligor default twice: P(loss > all that can be lost) = {beyond:.2g}",)
        if beyond > 1e-6
        else ()
    )
    last = int(np.flatnonzero(probabilities > 0.0)[-1]) + 1
    return LossDistribution(
        "CreditRisk+",
        losses[:last],
        probabilities[:last],
        level,
        float(expected.sum()),
        unexpected,
        at_risk,
        shortfall,
        attachment,
        None if attachment is None else _above(losses, probabilities, attachment),
        Contributions(
            expected,
            covariances / unexpected if unexpected > 0.0 else np.zeros(n),
            at_risk_parts,
            shortfall_parts,
        ),
        notes=notes,
    )


def _sector_weights(sector_weights: npt.ArrayLike | None, n: int) -> Array:
    if sector_weights is None:
        return np.ones((n, 1))
    weights = check("sector_weights", sector_weights, Rule("must be between 0 and 1", 0.0, 1.0))
    weights = weights[:, None] if weights.ndim == 1 else weights
    if weights.ndim != 2 or weights.shape[0] != n:
        raise InputError(
            "sector_weights", Phrase("must have {count} rows, one per obligor", count=n), weights.shape
        )
    sums = weights.sum(axis=1)
    if float(sums.max()) > 1.0 + 1e-9:
        row = int(np.argmax(sums))
        raise DomainError(
            "sector_weights",
            Phrase("must add up to at most 1 in each row (row {row})", row=row + 1),
            float(sums[row]),
        )
    return np.asarray(weights / np.maximum(sums, 1.0)[:, None])


# v_k = sigma_k / mu_k, mu_k = sum_i w_ik PD_i, sigma_k = sum_i w_ik sd_i   (CSFB 1997, appendix A)
def _sector_deviations(pd: Array, sd: Array, weights: Array) -> Array:
    # One beyond all numbers is refused with the grid; one whose square is below them leaves a Poisson law.
    with np.errstate(over="ignore"):
        mean, deviation = pd @ weights, sd @ weights
        relative = np.where(mean > 0.0, deviation / np.where(mean > 0.0, mean, 1.0), 0.0)
    return np.where(relative < _LEAST_DEVIATION, 0.0, relative)


def _grid(
    amounts: Array, expected: Array, weights: Array, specific: Array, deviations: Array, unit: float | None
) -> tuple[float, Integers, Array, int]:
    """Return unit, bands, adjusted default rates, and the number of grid points that hold all but e^-36."""
    size = float(amounts.max()) / 100.0 if unit is None else check_number("unit", unit, POSITIVE)
    while True:
        with np.errstate(over="ignore"):
            # A tiny slack keeps an exact multiple in its own band.
            bands = np.ceil(amounts / size - 1e-9)
        if float(bands.max()) < _MOST_POINTS:
            rates = np.divide(expected, bands * size, out=np.zeros_like(bands), where=bands > 0.0)
            points = _points(bands, rates, weights, specific, deviations)
            if points <= _MOST_POINTS:
                return size, bands.astype(np.int64), rates, points
        if unit is not None:
            raise DomainError(
                "unit",
                Phrase("must leave a loss grid of at most {most_points} points", most_points=_MOST_POINTS),
                unit,
            )
        size *= 2.0
        if size > float(amounts.sum()):
            # No unit helps: the law of a sector has a tail beyond all that can be lost.
            limit = Phrase(
                "must leave a loss grid of at most {most_points} points (largest sd/PD of a sector given)",
                most_points=_MOST_POINTS,
            )
            raise DomainError("pd_sds", limit, float(deviations.max()))


# P(L >= x) <= exp(K(s) - s x), K the cumulant generating function  (Chernoff)
def _points(bands: Array, rates: Array, weights: Array, specific: Array, deviations: Array) -> int:
    top = float(bands.max())
    severity = np.bincount(bands.astype(np.int64), rates * specific)
    sectors = [np.bincount(bands.astype(np.int64), rates * w) for w in weights.T]
    grid = np.arange(severity.size)
    best = np.inf
    for s in (np.geomspace(1e-10, 30.0, 240) / max(top, 1.0)).tolist():
        growth = np.expm1(s * grid)
        log = float(severity @ growth)
        for sector, v in zip(sectors, deviations.tolist(), strict=True):
            term = float(sector @ growth)
            if v * v * term >= 1.0:
                log = np.inf
                break
            log += term if v == 0.0 else -np.log1p(-v * v * term) / (v * v)
        if log == np.inf:
            break
        best = min(best, (log - _TAIL_LOG) / s)
    return int(min(best, 1e12) + top) + 2


# With a(x) = delta A(x)/A(1): -log(1 - a) = sum g_n x^n, n g_n = n a_n + sum_j j g_j a_(n-j);
# G = exp(h): n G_n = sum_j j h_j G_(n-j).   All terms are positive, so nothing cancels.
def panjer(severities: Array, shapes: Array, points: int, extra: int | None = None) -> Array:
    """Loss probabilities by recursion.

    Parameters
    ----------
    severities : (s + 1, b) array
        Expected number of defaults by band, first for the specific risk, then for each sector.
    shapes : (s,) array
        1 / v_k^2 of each sector; infinity makes it Poisson.
    points : int
        Grid points wanted: losses 0 to points - 1 units.
    extra : int, optional
        Sector whose shape is raised by one at the same scale (size-biased law).

    Returns
    -------
    (points,) array
    """
    top = severities.shape[1]
    # h holds n h_n; row 0 is Poisson.
    h = np.zeros(max(points, top))
    h[:top] = severities[0] * np.arange(top)
    log_first = -float(severities[0].sum()) + float(severities[0, 0])
    for k, shape in enumerate(shapes.tolist()):
        rate, sector = float(severities[k + 1].sum()), severities[k + 1]
        if np.isinf(shape):
            h[:top] += sector * np.arange(top)
            log_first += float(sector[0]) - rate
            continue
        # Band 0 costs nothing and drops out: the rate that matters is that of the other bands.
        ratio = (rate - float(sector[0])) / shape
        a = sector / (shape * (1.0 + ratio))
        a[0] = 0.0
        power = shape + (1.0 if extra == k else 0.0)
        log_first -= power * float(np.log1p(ratio))
        reversed_a = np.ascontiguousarray(a[:0:-1])
        g = np.zeros(h.size)
        for n in range(1, h.size):
            low = max(0, n - top + 1)
            own = n * a[n] if n < top else 0.0
            g[n] = own + g[low:n] @ reversed_a[top - 1 - (n - low) :]
        h += power * g
    out = np.zeros(points)
    out[0], log_scale = 1.0, log_first
    reversed_h = np.ascontiguousarray(h[points - 1 : 0 : -1]) if points > 1 else np.zeros(0)
    for n in range(1, points):
        out[n] = (out[:n] @ reversed_h[points - 1 - n :]) / n
        if out[n] > 1e200:
            # Keep the numbers in range: P(no loss) of a large pool is below the smallest float.
            out[: n + 1] *= 1e-200
            log_scale += 200.0 * np.log(10.0)
    with np.errstate(under="ignore", divide="ignore"):
        return np.asarray(np.exp(np.log(out) + log_scale))


def transform(severities: Array, shapes: Array, points: int, extra: int | None = None) -> Array:
    """Loss probabilities by inverting the generating function with an FFT.

    Absolute accuracy 1e-15 or so: the work for a large grid, where the recursion would take minutes.

    Parameters
    ----------
    severities, shapes, points, extra
        As in :func:`panjer`.

    Returns
    -------
    ndarray, shape (points,)
        Probabilities of a loss of 0, 1, ... units.
    """
    size = 1 << max(int(points - 1).bit_length(), 1)
    log = np.fft.rfft(severities[0], size) - severities[0].sum()
    for k, shape in enumerate(shapes.tolist()):
        change = np.fft.rfft(severities[k + 1], size) - severities[k + 1].sum()
        power = shape + (1.0 if extra == k else 0.0)
        # That of numpy loses the digits of small complex numbers.
        log = log + (change if np.isinf(shape) else -power * log1p(-change / shape))
    return np.asarray(np.maximum(np.fft.irfft(np.exp(log), size)[:points], 0.0))


# E[L_i | L = x] = band_i p_i sum_k w_ik P_k(L = x - band_i) / P(L = x), P_k the size-biased law of sector k
def _losses_given(index: int, bands: Integers, rates: Array, shares: Array, biased: list[Array]) -> Array:
    probability = float(biased[0][index])
    if index <= 0 or probability <= 0.0:
        return np.zeros(bands.size)
    at = index - bands
    fits = at >= 0
    parts = sum(shares[:, j] * np.where(fits, law[np.maximum(at, 0)], 0.0) for j, law in enumerate(biased))
    return np.asarray(rates * bands * parts / probability)


def _tail(law: Array, above: Integers) -> Array:
    """P(L > above) for each entry of `above`."""
    tails = np.append(np.cumsum(law[::-1])[::-1], 0.0)
    return np.asarray(tails[np.clip(above + 1, 0, law.size)])


def _above(losses: Array, probabilities: Array, amount: float) -> float:
    return float(probabilities[losses > amount * (1.0 + 1e-9)].sum())


def _whole(parts: Array, total: float) -> Array:
    whole = float(parts.sum())
    return parts * (total / whole) if whole > 0.0 else parts
