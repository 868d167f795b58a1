"""Default times of the obligors and of the payer of the undertaking, from random numbers.

Obligor i defaults when its latent variable

``X_i = sqrt(a_i) Z + sqrt(b_i) Y_industry(i) + sqrt(1 - a_i - b_i) e_i``

falls below ``N^{-1}(F_i(t))``, ``F_i(t) = 1 - (1 - PD_i)^t``, Z common to all, Y common to
an industry (Li 2000; a and b: :mod:`xlkmv.deal.plan.factors`). Under the Student-t copula
``X_i sqrt(nu/chi^2_nu)`` and the quantile of t take their place. The payer of the shortfall
undertaking has a latent variable too, correlated with Z. Most obligors survive on most paths: a
bound per path and class of obligors shows which few can be in default, and most of these are dated
by the first 16 bits of their uniform alone.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from xlkmv.deal.paths.draws import COARSE, EDGES, STEPS, Draws, Ints
from xlkmv.deal.plan.factors import factor_loadings
from xlkmv.deal.plan.recovery import Returns
from xlkmv.deal.plan.stressed import Stressed
from xlkmv.model.domain import Array
from xlkmv.model.plan import default_probability_by
from xlkmv.shown import whole

__all__ = ["DefaultModel", "Defaults", "default_key"]

# Uniforms that are looked at together.
PIECE = 1 << 18
# Bounds on who can be in default, at most.
CLASSES = 16
# Rows (paths, increasing), columns (obligors) and first missed dates.
Defaults = tuple[Ints, Ints, Ints]


def default_key(plan: Stressed) -> bytes:
    """Mark of all that default times depend on: equal marks, equal defaults on equal random numbers."""
    pool, terms = plan.deal.pool, plan.deal.terms
    mark = hashlib.blake2b(digest_size=20)
    for figure in (plan.obligor_pd, pool.correlation, terms.times, plan.clock):
        mark.update(b"-" if figure is None else np.ascontiguousarray(figure).tobytes())
    payer = (plan.deal.controls.support_pd, terms.support_correlation, plan.today)
    copula = (terms.copula, terms.degrees_of_freedom, plan.defaulted)
    factors = (terms.industry_correlation, terms.between_industries, pool.industry)
    mark.update(whole((payer, copula, factors)).encode())
    return mark.digest()


class DefaultModel:
    """Default times of the obligors and of the payer of the undertaking.

    Parameters
    ----------
    plan : Stressed
    matters : ndarray of int, shape (m,), optional
        Date of each obligor from which on its default is nobody's business, as it owes nothing any more:
        then it is not looked for. All dates matter when left out.
    """

    def __init__(self, plan: Stressed, matters: Ints | None = None) -> None:
        terms, pool = plan.deal.terms, plan.deal.pool
        self.times: Array = terms.times
        self.freedom: int = terms.degrees_of_freedom if terms.copula == "t" else 0
        support, loading = plan.deal.controls.support_pd, terms.support_correlation
        names = sorted(set(pool.industry) - {""})
        industry = np.array([names.index(i) if i else 0 for i in (*pool.industry, "")])
        # Obligors, and the payer in the last place.
        common, shared = factor_loadings(pool, terms)
        rho, extra = np.append(common, loading**2), np.append(shared, 0.0)
        common, shared, own = np.sqrt(rho), np.sqrt(extra), np.sqrt(1.0 - rho - extra)
        pd = plan.obligor_pd.copy()
        if plan.defaulted is not None:
            pd[plan.defaulted] = 0.0  # its default is no news
        clock = self.times if plan.clock is None else plan.clock
        dates = self.times.size
        matters = np.full(pd.size, dates) if matters is None else matters
        # Obligors of one grade are alike; the payer is the last grade.
        alike = np.column_stack([pd, common[:-1], shared[:-1], industry[:-1], matters])
        _, one, grade = np.unique(alike, axis=0, return_index=True, return_inverse=True)
        one = np.append(one, pd.size)
        self.grade: Ints = grade.reshape(-1)
        self.payer: int = one.size - 1
        self.industry: Ints = industry[one]
        self.common: Array = common[one]
        self.shared: Array = shared[one]
        self.own: Array = own[one]
        by_date = default_probability_by(pd[one[:-1], None], clock)
        payer_by = default_probability_by(support, np.maximum(self.times - plan.today, 0.0))
        thresholds = self._quantile(np.vstack([by_date, payer_by]))
        # Of a grade: its last date that matters, and the threshold of that date.
        self.last: Ints = np.append(matters, dates)[one] - 1
        self.limit: Array = np.where(self.last < 0, -np.inf, thresholds[np.arange(one.size), self.last])
        # Rows of a power of 2, for bisection.
        self.width: int = 1 << self.times.size.bit_length()
        self.thresholds: Array = np.full((one.size, self.width), np.inf)
        self.thresholds[:, : self.times.size] = thresholds
        # Grades by how likely they default, in classes with one bound each.
        riskier = np.argsort(-self.limit[: self.payer] / self.own[: self.payer], kind="stable")
        self.classes: list[Ints] = np.array_split(riskier, min(CLASSES, self.payer))
        of_grade = np.empty(self.payer, np.int64)
        for k, members in enumerate(self.classes):
            of_grade[members] = k
        self.of_obligor: Ints = of_grade[self.grade]

    def _quantile(self, p: Array) -> Array:
        if not self.freedom:
            return np.asarray(ndtri(p))
        x = stdtrit(self.freedom, p)
        # For tiny probabilities it gives plus infinity.
        return np.where((x > 0.0) & (p < 0.5), -np.inf, x)

    def _latent(self, draws: Draws, e: Array, row: Ints, grade: Ints | int) -> Array:
        x = self.own.take(grade) * e + self.common.take(grade) * draws.common.take(row)
        if draws.industry.size:
            x += self.shared.take(grade) * draws.industry[row, self.industry.take(grade)]
        return np.asarray(x if draws.scale is None else x / draws.scale.take(row))

    def _first_missed(self, x: Array, grade: Ints) -> Ints:
        """Position of the first date whose threshold is not below x; n: after the last date."""
        first, step = np.zeros(x.size, np.int64), self.width >> 1
        before = grade * self.width - 1
        while step:
            first += step * (x > self.thresholds.take(first + (before + step)))
            step >>= 1
        return first

    def _dated(self, draws: Draws, at: Ints, row: Ints, grade: Ints) -> tuple[Ints, Ints]:
        """Of uniforms at some positions, in rows (paths): which are in default, and when."""
        coarse = draws.coarse.take(at)
        x = self._latent(draws, EDGES.take(coarse), row, grade)
        real = np.flatnonzero(x <= self.limit.take(grade))
        if real.size < x.size:
            at, row, grade = at.take(real), row.take(real), grade.take(real)
            coarse, x = coarse.take(real), x.take(real)
        first = self._first_missed(x, grade)
        step = self.own.take(grade) * STEPS.take(coarse)
        x += step if draws.scale is None else step / draws.scale.take(row)
        unsure = np.flatnonzero(x >= self.thresholds.take(grade * self.width + first))
        e = np.asarray(ndtri(draws.uniform(at[unsure])))
        x = self._latent(draws, e, row[unsure], grade[unsure])
        first[unsure] = self._first_missed(x, grade[unsure])
        sure = np.flatnonzero(first <= self.last.take(grade))
        return real[sure], first[sure]

    def _possible(self, draws: Draws) -> npt.NDArray[np.uint16]:
        """First bits of the uniforms above which nobody of a class is in default, shape (paths, classes)."""
        z = draws.common
        out = np.empty((z.size, len(self.classes)), np.uint16)
        for k, members in enumerate(self.classes):
            own, top = self.own[members], float((self.limit[members] / self.own[members]).max())
            if top == -np.inf:
                out[:, k] = 0
                continue
            slope = self.common[members] / own
            bound = top * draws.scale if draws.scale is not None else top
            bound = bound - np.where(z > 0.0, slope.min(), slope.max()) * z
            if draws.industry.size:
                lowest = draws.industry[:, np.unique(self.industry[members])].min(axis=1)
                shared = self.shared[members] / own
                bound = bound - np.where(lowest > 0.0, shared.min(), shared.max()) * lowest
            out[:, k] = np.minimum(COARSE * (1.0 + 1e-12) * ndtr(bound), COARSE - 1)
        return out

    def obligor_defaults(self, draws: Draws) -> Defaults:
        """Rows (paths, increasing), columns (obligors) and first missed dates of all defaults."""
        paths, obligors = draws.common.size, self.grade.size
        if (self.limit[: self.payer] == -np.inf).all():
            empty = np.empty(0, np.int64)
            return empty, empty, empty
        possible = self._possible(draws)
        found: list[Defaults] = [(np.empty(0, np.int64),) * 3]
        # Piece by piece, so that the figures of a piece stay at hand.
        step = max(1, PIECE // obligors)
        for start in range(0, paths, step):
            bound = possible[start : start + step]
            if bound.shape[1] > 1:
                # Places are known to be good: to look at each of them would cost as much again.
                bound = bound.take(self.of_obligor, axis=1, mode="clip")
            cells = slice(start * obligors, (start + len(bound)) * obligors)
            can = draws.coarse[cells].reshape(len(bound), obligors) <= bound
            at = np.flatnonzero(can)
            row = at // obligors
            column = at - row * obligors
            row += start
            sure, first = self._dated(draws, at + cells.start, row, self.grade.take(column))
            found.append((row.take(sure), column.take(sure), first))
        rows, columns, dates = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return rows, columns, dates

    def returns(self, draws: Draws, path: Ints, column: Ints) -> Returns:
        """What moves the recoveries of some defaults, given by path and obligor."""
        at, grade = path * self.grade.size + column, self.grade.take(column)
        e, own = np.asarray(ndtri(draws.uniform(at))), self.own.take(grade)
        x = self._latent(draws, e, path, grade)
        gaussian = x
        if draws.scale is not None:
            gaussian = x * draws.scale.take(path)
            x = np.asarray(ndtri(stdtr(self.freedom, x)))
        # The factor of the obligor, S: X = sqrt(1 - own^2) S + own e, so that own S - sqrt(1 - own^2) e
        # is independent of X. Who shares nothing with anybody looks at the common one.
        loading = np.sqrt((1.0 - own) * (1.0 + own))
        factor = draws.common.take(path)
        np.divide(gaussian - own * e, loading, out=factor, where=loading > 0.0)
        return Returns(x, own * factor - loading * e, np.asarray(ndtri(draws.another(at))))

    def payer_default(self, draws: Draws) -> Ints:
        """First date on which the payer is dead, shape (paths,); n: never.

        Where it has to be dead, its uniform is that of the law given its death.
        """
        paths, payer = draws.common.size, self.payer
        first = np.full(paths, self.times.size, np.int64)
        start = paths * self.grade.size
        least = EDGES[draws.coarse[start:]]
        row = np.flatnonzero(self._latent(draws, least, np.arange(paths), payer) <= self.limit[payer])
        dead, dates = self._dated(draws, start + row, row, np.full(row.size, payer))
        first[row[dead]] = dates
        if draws.dead is not None:
            risk, last = self._payer_risk(draws), self.times.size - 1
            row = np.flatnonzero(draws.dead & (risk > 0.0))
            e, of = np.asarray(ndtri(draws.uniform(start + row) * risk[row])), np.full(row.size, payer)
            # Where the product has lost a digit, the last date is near enough.
            first[row] = np.minimum(self._first_missed(self._latent(draws, e, row, of), of), last)
        return first

    def _payer_risk(self, draws: Draws) -> Array:
        """Probability that the payer is dead by the last date, given what it shares, shape (paths,)."""
        limit = self.limit[self.payer] * (1.0 if draws.scale is None else draws.scale)
        return np.asarray(ndtr((limit - self.common[self.payer] * draws.common) / self.own[self.payer]))

    def payer_weight(self, draws: Draws, first: Ints, share: float) -> Array:
        """What paths count for on a share of which the payer has to be dead, shape (paths,).

        Parameters
        ----------
        draws : Draws
        first : ndarray of int, shape (paths,)
            As :meth:`payer_default` says.
        share : float

        Returns
        -------
        ndarray
            f/g, ``g/f = 1 - share + share/P(dead)`` where it is dead, else ``1 - share``.
        """
        risk, dead = self._payer_risk(draws), first < self.times.size
        return 1.0 / (1.0 - share + share * np.divide(dead, risk, out=np.zeros(risk.size), where=risk > 0.0))
