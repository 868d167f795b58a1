"""The law of what a default brings back: a rate, a spread about it, or the sale of a pledged asset.

Of obligor i, which defaults on date k and owes C then, the pledge brings a share of the claim, the
unpledged rate u the rest, as in :mod:`xlkmv.model.pledge`::

    R = u + (1 - u) min(1, e^U),    U = ln[(1 - delta) V/C] + (mu - sigma^2/2) T + sigma sqrt(T) Z_V

T being the years to the date and from there to the sale, which is the recovery lag. The value moves
with the obligor and with the factor that obligors share (Frye 2000, Pykhtin 2003)::

    Z_V = r X + q D + sqrt(1 - r^2 - q^2) xi

X is the obligor's asset return, as a standard normal, r its correlation with the value; D is what the
common factor says beyond X, standardised, and independent of X. With q = r (1 - sqrt rho)/sqrt(1 - rho) the
value has the correlation r with the factor, too, as far as r^2 + q^2 may go. As (X, Z_V) is bivariate
normal whatever q is, the mean given default is that of the closed form.

A spread recovery is the quantile of a beta distribution at N(Z), Z of the same form with, in place of
X, the normal score of X among the defaults of the obligor: given default, mean and spread are as typed.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import betainc, betaincinv, ndtr, ndtri

from xlkmv.deal.terms import Recoveries
from xlkmv.model.domain import Array
from xlkmv.model.pledge import beta_recovery

__all__ = ["RecoveryLaw", "Returns", "recovery_law"]

Ints = npt.NDArray[np.int64]

# Of the quadrature over asset returns that default in a period; w^3 takes the sting out of the far end.
# Right to 5e-8 up to |r| = .95, to 2e-4 where 99.9 % default in one period; to .003 where |r| = 1 leaves the
# expected share a kink.
NODES, WEIGHTS = np.polynomial.legendre.leggauss(16)
POINTS = (0.5 * (NODES + 1.0)) ** 3
MASSES = 1.5 * WEIGHTS * (0.5 * (NODES + 1.0)) ** 2
# Numbers that are integrated together.
PIECE = 1 << 15
# Quantiles of a beta distribution are read off a table where few of them are asked for many times: between
# its points, 1/256 standard deviations apart, they are right to some 1e-6, at a hundredth of the cost.
STEP, MOST_TABLES = 1.0 / 256.0, 64
GRID = np.arange(-8.5, 8.5 + STEP, STEP)


@dataclass(frozen=True, slots=True, eq=False)
class Returns:
    """Independent standard normals behind the recoveries of some defaults, of shape (events,) each.

    Attributes
    ----------
    asset : ndarray
        X, the obligor's asset return.
    factor : ndarray
        D, what the common factor says beyond it.
    own : ndarray
        xi, of the recovery alone.
    """

    asset: Array
    factor: Array
    own: Array


@dataclass(frozen=True, slots=True, eq=False)
class RecoveryLaw:
    """Recoveries of a plan, by row.

    Attributes
    ----------
    mean : ndarray, shape (m,)
        Expected recovery rate given default: of a pledge by all dates, each with its claim and its
        probability.
    pledged, spread : ndarray of bool, shape (m,)
        Rows with a pledge, and rows with a spread; of the others the mean is the rate.
    log_value, growth, volatility, lag : ndarray, shape (m,)
        Of a pledge: log of what its sale would bring now, money; drift of the log and volatility of the
        value; years from default to the sale.
    horizon : ndarray, shape (n,)
        Years to each date.
    low, high, shift : float
        The pledge brings low + (high - low) min(1, e^(U + shift)).
    a, b : ndarray, shape (m,)
        Parameters of the beta distribution of a spread recovery, which is multiplied by `factor`.
    kind, tables : ndarray, shapes (m,), (kinds, points)
        Which table each row reads its quantiles from; no tables where there are too many kinds.
    factor : float
    tie, ahead : ndarray, shape (m,)
        r, and q/r.
    default : ndarray, shape (m,)
        Probability of default by the last date.
    """

    mean: Array
    pledged: npt.NDArray[np.bool_]
    spread: npt.NDArray[np.bool_]
    log_value: Array
    growth: Array
    volatility: Array
    lag: Array
    horizon: Array
    low: float
    high: float
    shift: float
    a: Array
    b: Array
    kind: Ints
    tables: Array
    factor: float
    tie: Array
    ahead: Array
    default: Array

    @property
    def random(self) -> bool:
        """Whether equal defaults may bring different recoveries."""
        return bool(self.spread.any() or (self.volatility[self.pledged] > 0.0).any())

    def pick(self, rows: Ints, share: Array) -> RecoveryLaw:
        """Law of some rows, each with a share of the row's pledge."""
        columns: dict[str, Any] = {
            f.name: value[rows]
            for f in fields(RecoveryLaw)
            if f.name not in ("horizon", "tables") and isinstance(value := getattr(self, f.name), np.ndarray)
        }
        return replace(self, **columns | {"log_value": columns["log_value"] + np.log(share)})

    def mark(self) -> bytes:
        """All that the law says: equal marks, equal laws."""
        values = (getattr(self, f.name) for f in fields(RecoveryLaw))
        return b"".join(np.ascontiguousarray(value).tobytes() for value in values)

    def rates(self, row: Ints, date: Ints, claim: Array, returns: Returns | None) -> Array:
        """Recovery rates of some defaults.

        Parameters
        ----------
        row, date : ndarray of int, shape (events,)
            Obligors and first missed dates.
        claim : ndarray, shape (events,)
            What each owes then, money.
        returns : Returns or None
            Of these defaults; None where the law is not :attr:`random`.

        Returns
        -------
        ndarray, shape (events,)
        """
        out = self.mean.take(row)
        at = np.flatnonzero(self.pledged.take(row))
        if at.size:
            level, scale, r = self._value(row.take(at), self.horizon.take(date.take(at)), claim.take(at))
            if returns is not None:
                level += scale * self._driver(returns, returns.asset.take(at), at, r, row.take(at))
            share = np.exp(np.minimum(level + self.shift, 0.0))
            out[at] = self.low + (self.high - self.low) * share
        at = np.flatnonzero(self.spread.take(row))
        if at.size and returns is not None:
            rows = row.take(at)
            # Among its defaults the one at the edge is the safest, but not infinitely safe.
            place = np.minimum(ndtr(returns.asset.take(at)) / self.default.take(rows), 1.0 - 1e-15)
            z = self._driver(returns, ndtri(place), at, self.tie.take(rows), rows)
            out[at] = np.minimum(self.factor * self._quantile(rows, z), 1.0)
        return out

    def _quantile(self, row: Ints, z: Array) -> Array:
        """Quantile of each row's beta distribution at N(z)."""
        if not self.tables.size:
            return np.asarray(betaincinv(self.a.take(row), self.b.take(row), ndtr(z)))
        at = np.clip((z - GRID[0]) / STEP, 0.0, GRID.size - 1.001)
        left = at.astype(np.int64)
        place = self.kind.take(row) * GRID.size + left
        low = self.tables.take(place)
        return np.asarray(low + (at - left) * (self.tables.take(place + 1) - low))

    def _value(self, row: Ints, horizon: Array | float, claim: Array) -> tuple[Array, Array, Array]:
        """Mean and deviation of U, and the correlation of its driver with X."""
        sigma, years = self.volatility.take(row), horizon + self.lag.take(row)
        with np.errstate(divide="ignore"):  # nothing owed is covered
            level = self.log_value.take(row) - np.log(claim) + self.growth.take(row) * years
        # What happens after default is news of the asset alone.
        part = np.divide(horizon, years, out=np.zeros_like(years), where=years > 0.0)
        return level, sigma * np.sqrt(years), self.tie.take(row) * np.sqrt(part)

    def _driver(self, returns: Returns, first: Array, at: Ints, r: Array, row: Ints) -> Array:
        q = np.minimum(np.abs(r) * self.ahead.take(row), np.sqrt(1.0 - r * r)) * np.sign(r)
        rest = np.sqrt(np.maximum(1.0 - r * r - q * q, 0.0))
        return np.asarray(r * first + q * returns.factor.take(at) + rest * returns.own.take(at))

    def expected(self, rows: Ints, by: Array, claim: Array) -> Array:
        """Expected recovery rate of pledges given default, dates in proportion to claim and probability.

        Parameters
        ----------
        rows : ndarray of int, shape (p,)
        by, claim : ndarray, shape (p, n)
            Probability of default by each date, and what is owed before it, money.

        Returns
        -------
        ndarray, shape (p,)
        """
        before = np.hstack([np.zeros((rows.size, 1)), by[:, :-1]])
        weight = np.maximum(by - before, 0.0) * claim
        level, scale, r = self._value(rows[:, None], self.horizon, claim)
        level = level + self.shift
        total = (weight * self._between(level, scale, r, before, by)).sum(axis=1)
        sums = weight.sum(axis=1)
        # Sums of shares may pass 1 by rounding.
        share = np.minimum(np.divide(total, sums, out=np.zeros(rows.size), where=sums > 0.0), 1.0)
        rates = self.low + (self.high - self.low) * share
        # Who cannot default has the recovery of a default at closing.
        return np.where(sums > 0.0, rates, self.at_closing(rows, claim[:, 0]))

    def at_closing(self, rows: Ints, claim: Array) -> Array:
        """Recovery rate that a default at closing is expected to bring, which is no news of the value.

        Parameters
        ----------
        rows : ndarray of int, shape (p,)
        claim : ndarray, shape (p,)
            What is owed before the first date, money.

        Returns
        -------
        ndarray, shape (p,)
        """
        level, scale, _ = self._value(rows, self.horizon[0], claim)
        share = self._given(level + self.shift, scale, np.zeros(rows.size), 0.0)
        return np.where(self.pledged[rows], self.low + (self.high - self.low) * share, self.mean[rows])

    def losses(self, date: int, before: Array, by: Array, claim: Array) -> tuple[Array, Array]:
        """Expected loss of defaults in one period, by row, and how fast it rises with the end of the period.

        Parameters
        ----------
        date : int
        before, by : ndarray, shape (m,)
            Probability of default before the period, and by its end.
        claim : ndarray, shape (m,)
            What is owed in the period, money.

        Returns
        -------
        loss, slope : ndarray, shape (m,)
            Shares of what is owed: E[1 - R, default in the period], and E[1 - R | default at its end].
        """
        lost = 1.0 - self.mean
        loss, slope = (by - before) * lost, lost.copy()
        rows = np.flatnonzero(self.pledged)
        level, scale, r = self._value(rows, self.horizon[date], claim[rows])
        level, before, by = level + self.shift, before[rows], by[rows]
        width = self.high - self.low
        covered = self._between(level, scale, r, before, by)
        loss[rows] = (by - before) * (1.0 - self.low - width * covered)
        slope[rows] = 1.0 - self.low - width * self._given(level, scale, r, _asset_return(by))
        return loss, slope

    def _between(self, level: Array, scale: Array, r: Array, before: Array, by: Array) -> Array:
        """E[min(1, e^U) | default in the period], by Gauss-Legendre over F = before + (by - before) w^3."""
        total = np.zeros(np.broadcast_shapes(level.shape, by.shape))
        for point, mass in zip(POINTS, MASSES, strict=True):
            x = np.where(by > before, _asset_return(before + (by - before) * point), 0.0)
            total += mass * self._given(level, scale, r, x)
        return total

    @staticmethod
    def _given(level: Array, scale: Array, r: Array, x: Array | float) -> Array:
        """E[min(1, e^U) | X = x]."""
        mean, deviation = level + scale * r * x, scale * np.sqrt(1.0 - r * r)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            k = np.where(deviation > 0.0, mean / deviation, np.copysign(np.inf, mean))
        # Where the exponential overflows, its probability is 0.
        partly = np.exp(np.minimum(mean + 0.5 * deviation**2, 700.0)) * ndtr(-k - deviation)
        return np.asarray(np.minimum(ndtr(k) + np.where(np.isfinite(mean), partly, 0.0), 1.0))


def _asset_return(default_by: Array) -> Array:
    """Asset return at which an obligor defaults; nobody is so safe, or so certain, that it is infinite."""
    return np.asarray(ndtri(np.clip(default_by, 1e-300, 1.0 - 1e-16)))


def recovery_law(
    drawn: Recoveries,
    recovery: Array,
    lag: Array,
    horizon: Array,
    default_by: Array,
    claim: Array,
    shared: Array,
    unpledged: float = 0.0,
    multiplier: float = 1.0,
) -> RecoveryLaw:
    """Work out how recoveries are drawn.

    Parameters
    ----------
    drawn : Recoveries
        Of m rows.
    recovery : ndarray, shape (m,)
        Typed rates, before the multiplier; of a row with a pledge not looked at.
    lag : ndarray, shape (m,)
        Years from default to the recovery.
    horizon : ndarray, shape (n,)
        Years from the day on which the paths begin to each date.
    default_by, claim : ndarray, shape (m, n)
        Probability of default by each date, and what is owed before it, money.
    shared : ndarray, shape (m,)
        Share of its variance that each obligor has in common with others.
    unpledged : float
        Recovery rate of what a pledge does not cover.
    multiplier : float
        On every recovery rate; no recovery is above 1.

    Returns
    -------
    RecoveryLaw
    """
    pledged, c = drawn.pledged, multiplier
    spread = (drawn.spread > 0.0) & ~pledged
    sigma = np.where(pledged, drawn.pledge_volatility, 0.0)
    # min(1, c [u + (1 - u) min(1, e^U)]) is of the same form with other ends.
    low, high, shift = c * unpledged, c, 0.0
    if c > 1.0:
        low, high = min(low, 1.0), 1.0
        shift = float(np.log(c * (1.0 - unpledged) / (1.0 - low))) if low < 1.0 else 0.0
    with np.errstate(divide="ignore", invalid="ignore"):  # a pledge worth nothing covers nothing
        log_value = np.where(pledged, np.log(drawn.pledge * (1.0 - drawn.sale_discount)), 0.0)
    a, b = np.ones(spread.size), np.ones(spread.size)
    kind, tables = np.zeros(spread.size, np.int64), np.empty((0, GRID.size))
    if spread.any():
        beta = beta_recovery(recovery[spread], drawn.spread[spread])
        a[spread], b[spread] = beta.a, beta.b
        laws, kind = np.unique(np.stack([a, b]), axis=1, return_inverse=True)
        if len(laws.T) <= MOST_TABLES:
            tables = betaincinv(laws[0][:, None], laws[1][:, None], ndtr(GRID))
    mean = np.clip(c * recovery, 0.0, 1.0)
    if c > 1.0:  # E[min(1, c B)]
        bounded = c * recovery * betainc(a + 1.0, b, 1.0 / c) + 1.0 - betainc(a, b, 1.0 / c)
        mean = np.where(spread, bounded, mean)
    law = RecoveryLaw(
        mean=mean,
        pledged=pledged,
        spread=spread,
        log_value=log_value,
        growth=drawn.pledge_growth - 0.5 * sigma * sigma,
        volatility=sigma,
        lag=lag,
        horizon=horizon,
        low=low,
        high=high,
        shift=shift,
        a=a,
        b=b,
        kind=kind.reshape(-1),
        tables=tables,
        factor=c,
        tie=drawn.tie,
        ahead=(1.0 - np.sqrt(shared)) / np.sqrt(1.0 - shared),
        default=default_by[:, -1],
    )
    rows = np.flatnonzero(pledged)
    step = max(PIECE // horizon.size, 1)
    for start in range(0, rows.size, step):
        part = rows[start : start + step]
        mean[part] = law.expected(part, default_by[part], claim[part])
    return law
