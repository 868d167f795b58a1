"""Default times of the obligors and of the payer of the undertaking, from random numbers.

Obligor i defaults when its latent variable

``X_i = sqrt(rho_i) Z + sqrt(w_i) Y_industry(i) + sqrt(1 - rho_i - w_i) e_i``

falls below ``N^{-1}(F_i(t))``, ``F_i(t) = 1 - (1 - PD_i)^t``, Z common to all, Y common to
an industry (Li 2000). Under the Student-t copula ``X_i sqrt(nu/chi^2_nu)`` and the quantile
of t take their place. The payer of the shortfall undertaking has a latent variable too,
correlated with Z. Most obligors survive on most paths: one bound per path shows which few
can be in default, and most of these are dated by the first 16 bits of their uniform alone.
"""

from __future__ import annotations

import hashlib

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from xlkmv.deal.paths.draws import COARSE, EDGES, STEPS, Draws, Ints
from xlkmv.deal.plan.stressed import Stressed
from xlkmv.model.domain import Array
from xlkmv.model.plan import default_probability_by

__all__ = ["DefaultModel", "Defaults", "default_key"]

# Rows (paths, increasing), columns (obligors) and first missed dates.
Defaults = tuple[Ints, Ints, Ints]


def default_key(plan: Stressed) -> bytes:
    """Mark of all that default times depend on: equal marks, equal defaults on equal random numbers."""
    pool, terms = plan.deal.pool, plan.deal.terms
    mark = hashlib.blake2b(digest_size=20)
    for figure in (plan.obligor_pd, pool.correlation, terms.times, plan.clock):
        mark.update(b"-" if figure is None else np.ascontiguousarray(figure).tobytes())
    payer = (plan.deal.controls.support_pd, terms.support_correlation)
    copula = (terms.copula, terms.degrees_of_freedom, terms.industry_correlation, pool.industry)
    mark.update(repr((payer, copula, plan.defaulted)).encode())
    return mark.digest()


class DefaultModel:
    """Default times of the obligors and of the payer of the undertaking."""

    def __init__(self, plan: Stressed) -> None:
        terms, pool = plan.deal.terms, plan.deal.pool
        self.times = terms.times
        self.freedom = terms.degrees_of_freedom if terms.copula == "t" else 0
        support, loading = plan.deal.controls.support_pd, terms.support_correlation
        names = sorted(set(pool.industry) - {""})
        self.industry = np.array([names.index(i) if i else 0 for i in (*pool.industry, "")])
        # Obligors, and the payer in the last place.
        rho = np.append(pool.correlation, loading**2)
        extra = np.array([terms.industry_correlation if i else 0.0 for i in (*pool.industry, "")])
        # Something of its own stays with every obligor.
        extra = np.minimum(extra, 0.999 * (1.0 - rho))
        self.common, self.shared = np.sqrt(rho), np.sqrt(extra)
        self.own = np.sqrt(1.0 - rho - extra)
        pd = plan.obligor_pd.copy()
        if plan.defaulted is not None:
            pd[plan.defaulted] = 0.0  # its default is no news
        yearly = np.append(pd, support)
        clock = self.times if plan.clock is None else plan.clock
        by_date = default_probability_by(pd[:, None], clock)
        thresholds = self._quantile(np.vstack([by_date, default_probability_by(support, self.times)]))
        self.limit = np.ascontiguousarray(thresholds[:, -1])
        # Rows of a power of 2, for bisection.
        self.width = 1 << self.times.size.bit_length()
        self.thresholds = np.full((yearly.size, self.width), np.inf)
        self.thresholds[:, : self.times.size] = thresholds

    def _quantile(self, p: Array) -> Array:
        if not self.freedom:
            return np.asarray(ndtri(p))
        x = stdtrit(self.freedom, p)
        # For tiny probabilities it gives plus infinity.
        return np.where((x > 0.0) & (p < 0.5), -np.inf, x)

    def _latent(self, draws: Draws, e: Array, row: Ints | slice, column: Ints | int) -> Array:
        x = self.own[column] * e + self.common[column] * draws.common[row]
        if draws.industry.size:
            x += self.shared[column] * draws.industry[row, self.industry[column]]
        return np.asarray(x if draws.scale is None else x / draws.scale[row])

    def _first_missed(self, x: Array, column: Ints) -> Ints:
        """Position of the first date whose threshold is not below x; n: after the last date."""
        first, step = np.zeros(x.size, np.int64), self.width >> 1
        before = column * self.width - 1
        while step:
            first += step * (x > self.thresholds.take(first + (before + step)))
            step >>= 1
        return first

    def _dated(self, draws: Draws, at: Ints, row: Ints, column: Ints) -> tuple[Ints, Ints, Ints]:
        """Of uniforms at some positions, in rows (paths) and columns: those in default, and when."""
        coarse = draws.coarse.take(at)
        x = self._latent(draws, EDGES[coarse], row, column)
        real = np.flatnonzero(x <= self.limit[column])
        at, row, column, coarse, x = at[real], row[real], column[real], coarse[real], x[real]
        first = self._first_missed(x, column)
        step = self.own[column] * STEPS[coarse]
        x += step if draws.scale is None else step / draws.scale[row]
        unsure = np.flatnonzero(x >= self.thresholds.take(column * self.width + first))
        e = np.asarray(ndtri(draws.uniform(at[unsure])))
        x = self._latent(draws, e, row[unsure], column[unsure])
        first[unsure] = self._first_missed(x, column[unsure])
        real = np.flatnonzero(first < self.times.size)
        return row[real], column[real], first[real]

    def obligor_defaults(self, draws: Draws) -> Defaults:
        """Rows (paths, increasing), columns (obligors) and first missed dates of all defaults."""
        z, own = draws.common, self.own[:-1]
        # No obligor's e_i can be in default above this bound, path by path.
        top = float((self.limit[:-1] / own).max())
        if top == -np.inf:
            empty = np.empty(0, np.int64)
            return empty, empty, empty
        slope = self.common[:-1] / own
        bound = top * draws.scale if draws.scale is not None else top
        bound = bound - np.where(z > 0.0, slope.min(), slope.max()) * z
        if draws.industry.size:
            bound = bound + (self.shared[:-1] / own).max() * np.maximum(-draws.industry.min(axis=1), 0.0)
        possible = np.minimum(COARSE * (1.0 + 1e-12) * ndtr(bound), COARSE - 1).astype(np.uint16)
        at = np.flatnonzero(draws.coarse[: z.size * own.size].reshape(z.size, -1) <= possible[:, None])
        row = at // own.size
        return self._dated(draws, at, row, at - row * own.size)

    def payer_default(self, draws: Draws) -> Ints:
        """First date on which the payer is dead, shape (paths,); n: never."""
        paths, payer = draws.common.size, self.own.size - 1
        first = np.full(paths, self.times.size, np.int64)
        least = EDGES[draws.coarse[paths * payer :]]
        row = np.flatnonzero(self._latent(draws, least, slice(None), payer) <= self.limit[payer])
        dead, _, dates = self._dated(draws, paths * payer + row, row, np.full(row.size, payer))
        first[dead] = dates
        return first
