"""Default probability from what happened: d defaults of n obligors, also where d is small or zero.

Two answers to two questions. *What should I expect?* Bayes' rule with Jeffreys' prior, which needs no
opinion and gives a probability above zero without a single default. *What can I rule out?* The most
prudent estimation of Pluto and Tasche: the largest PD at which so few defaults are still as likely as
one minus the confidence, grade by grade, each grade taken together with all that are worse.

References
----------
K. Pluto and D. Tasche, "Thinking positively", Risk 18(8) (2005); "Estimating probabilities of default
for low default portfolios", arXiv:cond-mat/0411699v3 (2005).
L. D. Brown, T. T. Cai and A. DasGupta, "Interval estimation for a binomial proportion", Statistical
Science 16 (2001).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import betainc, betaincinv, gammaln, log_ndtr, ndtri

from xlkmv.errors import DomainError, InputError
from xlkmv.model.domain import ASSET_CORRELATION, POSITIVE, RULES, Array, Rule, check, check_number
from xlkmv.model.normal import density
from xlkmv.phrase import Phrase
from xlkmv.shown import Shown

__all__ = [
    "MOST_DEFAULTS",
    "MOST_YEARS",
    "YEARS",
    "YEAR_TO_YEAR",
    "HistoryPd",
    "history_pd",
    "most_prudent_pds",
]

MOST_YEARS = 50
"""Years of history that :func:`most_prudent_pds` takes."""
MOST_DEFAULTS = 50
"""Defaults, all grades together, that it takes over several years: its cost rises with their square."""

YEARS = Rule(Phrase("must be a whole number, 1 to {most_years}", most_years=MOST_YEARS), 1.0, MOST_YEARS)
"""What the years of a history may be."""
# Both correlations make the integrand of several years steep: up to here the grid below resolves it.
YEAR_TO_YEAR = Rule("must be >= 0 and <= 0.95 over several years", 0.0, 0.95)
"""What the correlation from year to year may be, and that of the obligors over several years."""
# The normal factor beyond which nothing is left in double precision, and nodes per width of a step.
_REACH = 9.0
_PER_WIDTH = 3.0


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class HistoryPd(Shown):
    """Posterior of a default probability, arrays of one shape.

    Attributes
    ----------
    mean : ndarray
        Posterior mean, the PD to use.
    median : ndarray
    low, high : ndarray
        Ends of the equal-tailed interval that holds the PD with probability `level`.
    level : float
    """

    mean: Array
    median: Array
    low: Array
    high: Array
    level: float


def history_pd(defaults: Any, obligor_years: Any, level: float = 0.9) -> HistoryPd:
    """Annual default probability after d defaults in n obligor-years, by Jeffreys' prior.

    The prior Beta(1/2, 1/2) becomes Beta(d + 1/2, n - d + 1/2), with mean (d + 1/2)/(n + 1). Obligors
    and years are taken as independent: where a common factor moved them, the interval is too short.

    Parameters
    ----------
    defaults : array_like
        d, whole numbers, 0 to `obligor_years`.
    obligor_years : array_like
        n, > 0: obligors at the start of each year, summed over the years.
    level : float
        Probability that the interval holds, > 0 and < 1.

    Returns
    -------
    HistoryPd
        Decimals per annum, of the broadcast shape.

    Raises
    ------
    DomainError
        When an input breaks its rule, or there are more defaults than obligor-years.
    """
    d, n = _counts(defaults, check("obligor_years", obligor_years, POSITIVE))
    tail = 0.5 * (1.0 - check_number("level", level))
    a, b = d + 0.5, n - d + 0.5
    low, median, high = (betaincinv(a, b, q) for q in (tail, 0.5, 1.0 - tail))
    return HistoryPd(a / (n + 1.0), median, low, high, float(level))


def most_prudent_pds(
    obligors: Any,
    defaults: Any,
    confidence: float,
    correlation: float = 0.0,
    years: int = 1,
    time_correlation: float = 0.0,
) -> Array:
    """Upper bound of the annual PD of each grade of a pool with few or no defaults.

    Grades stand from best to worst, so the PD of a grade is at most that of a worse one. Its bound is
    therefore the largest PD p that all obligors from this grade down may have had in common, n in
    number with d defaults, before so few defaults become improbable::

        P(at most d of n default within `years`; p) = 1 - confidence

    Obligors follow one common factor S_t each year, p(S) = N[(N^{-1}(p) - sqrt(rho) S)/sqrt(1 - rho)],
    and the factor remembers: corr(S_s, S_t) = theta^|s - t|.

    Parameters
    ----------
    obligors : array_like, shape (g,)
        Whole numbers, > 0, by grade, best first, at the start.
    defaults : array_like, shape (g,)
        Whole numbers, 0 to `obligors`, by grade at the start, over all the years.
    confidence : float
        Between 0 and 1 exclusive: 0.5 to 0.75 for an estimate, 0.9 and more for a bound.
    correlation : float
        Asset correlation rho, 0 <= rho < 1; at most 0.95 over several years.
    years : int
        1 to :data:`MOST_YEARS`; nobody joins or leaves but by default.
    time_correlation : float
        theta, 0 to 0.95.

    Returns
    -------
    ndarray, shape (g,)
        Annual PDs, decimals; they never fall from better to worse by more than rounding when the
        defaults do not. 1 where all obligors defaulted.

    Raises
    ------
    InputError, DomainError
        When lengths differ or an input breaks its rule.

    Notes
    -----
    Pluto and Tasche (2005), sections 2 to 5. Without correlation the bound is a quantile of a beta
    distribution. With it, the number of defaults and the factor form a Markov chain, which is carried
    from year to year on a grid of the factor (trapezoidal rule, exponentially accurate for smooth
    integrands): no simulation, and the same bits every time.
    """
    n = _whole("obligors", obligors, Rule("must be a whole number, >= 1", 1.0))
    d, _ = _counts(defaults, n)
    if n.ndim != 1 or n.size == 0 or np.shape(defaults) != n.shape:
        raise InputError(
            "defaults", Phrase("must be one number per grade ({count})", count=n.size), np.size(defaults)
        )
    tail = 1.0 - check_number("confidence", confidence, RULES["level"])
    T = int(check_number("years", _whole("years", years, YEARS), YEARS))
    rho = check_number("correlation", correlation, ASSET_CORRELATION if T == 1 else YEAR_TO_YEAR)
    theta = check_number("time_correlation", time_correlation, YEAR_TO_YEAR)
    pooled_n, pooled_d = (np.cumsum(x[::-1])[::-1] for x in (n, d))
    if T > 1 and rho > 0.0 and pooled_d[0] > MOST_DEFAULTS:
        rule = Phrase(
            "must be at most {most_defaults} in all over several years with correlation",
            most_defaults=MOST_DEFAULTS,
        )
        raise DomainError("defaults", rule, float(pooled_d[0]))
    if rho == 0.0:
        alive = np.where(pooled_d < pooled_n, pooled_n - pooled_d, 1.0)
        ever = np.where(pooled_d < pooled_n, betaincinv(pooled_d + 1.0, alive, confidence), 1.0)
        if T == 1:
            return np.asarray(ever)
        with np.errstate(divide="ignore"):  # certain default over all years is certain in each
            return np.asarray(-np.expm1(np.log1p(-ever) / T))
    chain = [_Chain(int(a), int(b), rho, T, theta) for a, b in zip(pooled_n, pooled_d, strict=True)]
    return np.array([c.bound(tail) for c in chain])


class _Chain:
    """Defaults of one pool over the years, as a Markov chain with the common factor."""

    def __init__(self, n: int, d: int, rho: float, T: int, theta: float) -> None:
        self.n, self.d, self.rho, self.T = n, d, rho, T
        # The likelihood steps within this width of the factor, the more sharply the more defaults it counts.
        width = min(1.0, np.sqrt((1.0 - rho) / rho)) / np.sqrt(1.0 + d)
        if T > 1:
            width = min(width, np.sqrt(1.0 - theta * theta))
        half = int(np.ceil(_REACH * _PER_WIDTH / width))
        self.z = np.linspace(-_REACH, _REACH, 2 * half + 1)
        step = _REACH / half
        self.weights = step * density(self.z)
        self.kernel = np.empty((0, 0))
        if T > 1:
            spread = np.sqrt(1.0 - theta * theta)
            self.kernel = step * density((self.z[:, None] - theta * self.z) / spread) / spread

    def bound(self, tail: float) -> float:
        """Largest annual PD at which no more than d defaults have the probability `tail`."""
        if self.d >= self.n:
            return 1.0
        # N^{-1}(at_most) is close to a straight line in N^{-1}(p): secants, kept inside a bracket.
        target = float(ndtri(tail))
        low, high = -38.0, 38.0  # N^{-1}(p): beyond, p is 0 or 1 in double precision
        x, last, miss_last = -2.0, np.nan, np.nan
        for _ in range(100):
            miss = float(ndtri(min(self.at_most(x), 1.0))) - target  # rounding may sum to more than 1
            low, high = (x, high) if miss > 0.0 else (low, x)
            step = -miss * (x - last) / (miss - miss_last) if miss != miss_last else np.nan
            last, miss_last = x, miss
            x = x + step if low < x + step < high else 0.5 * (low + high)
            if abs(x - last) <= 1e-14 * max(1.0, abs(x)):
                break
        return float(np.exp(log_ndtr(x)))

    def at_most(self, threshold: float) -> float:
        """P(at most d defaults of n over the years) when the annual PD is N(threshold)."""
        x = (threshold - np.sqrt(self.rho) * self.z) / np.sqrt(1.0 - self.rho)
        log_p, log_q = log_ndtr(x), log_ndtr(-x)
        if self.T == 1:
            # Bin(d; n, p) = I_{1-p}(n - d, d + 1)
            return float(self.weights @ betainc(self.n - self.d, self.d + 1.0, np.exp(log_q)))
        moves = [self._binomial(self.n - a, self.d - a, log_p, log_q) for a in range(self.d + 1)]
        held = self.weights * moves[0]  # by defaults so far and factor
        for _ in range(1, self.T):
            before = held @ self.kernel.T
            held = np.zeros_like(before)
            for a, move in enumerate(moves):
                held[a:] += before[a] * move
        return float(held.sum())

    def _binomial(self, n: int, most: int, log_p: Array, log_q: Array) -> Array:
        """P(j of n default), j = 0..most by row, given the factor, by column."""
        j = np.arange(most + 1.0)[:, None]
        ways = gammaln(n + 1.0) - gammaln(j + 1.0) - gammaln(n - j + 1.0)
        return np.asarray(np.exp(ways + j * log_p + (n - j) * log_q))


def _whole(name: str, value: Any, rule: Rule) -> Array:
    x = check(name, value, rule)
    if (x % 1.0).any():
        raise DomainError(name, rule.text, float(x[x % 1.0 > 0.0].flat[0]) if x.ndim else float(x))
    return x


def _counts(defaults: Any, n: Array) -> tuple[Array, Array]:
    d = _whole("defaults", defaults, Rule("must be a whole number, >= 0", 0.0))
    try:
        d, n = np.broadcast_arrays(d, n)
    except ValueError:
        raise InputError(
            "defaults", Phrase("must be one number per grade ({count})", count=n.size), d.size
        ) from None
    if (d > n).any():
        worst = d > n
        raise DomainError(
            "defaults",
            Phrase("must not be above the {observed:g} observed", observed=n[worst].flat[0]),
            d[worst].flat[0],
        )
    return d, n
