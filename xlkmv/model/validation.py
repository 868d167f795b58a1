"""Did the default probabilities hold? Discrimination and calibration of a list of PDs.

References
----------
Basel Committee, "Studies on the validation of internal rating systems", Working Paper 14 (2005).
D. Hosmer and S. Lemeshow, "Applied Logistic Regression" (1989).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import chdtrc

from xlkmv.errors import InputError
from xlkmv.model.domain import Array, Rule, check
from xlkmv.phrase import Phrase
from xlkmv.shown import Shown

__all__ = ["Backtest", "area_under_curve", "backtest", "brier_score", "hosmer_lemeshow", "kolmogorov_smirnov"]

# A certainty cannot be tested by a chi-square: a single surprise makes it infinite.
_OPEN = Rule("must be > 0 and < 1 for the Hosmer-Lemeshow test", 0.0, 1.0, low_open=True, high_open=True)


@dataclass(frozen=True, slots=True, repr=False)
class Backtest(Shown):
    """Measures of a list of PDs against what happened.

    Attributes
    ----------
    observations, defaults : int
    auc : float
        Probability that a defaulter had the higher PD; ties count one half.
    accuracy_ratio : float
        2 AUC - 1: 0 without skill, 1 perfect, negative when the sign is reversed.
    ks : float
        Kolmogorov-Smirnov distance between the PDs of defaulters and of survivors.
    brier : float
        Mean squared error of the PD; 0 is perfect.
    hosmer_lemeshow : float
        Chi-square statistic of observed against expected defaults by group of PD.
    p_value : float
        Probability of a larger statistic when the PDs are right: small means they are not.
    groups : int
        Groups that the statistic used.
    """

    observations: int
    defaults: int
    auc: float
    accuracy_ratio: float
    ks: float
    brier: float
    hosmer_lemeshow: float
    p_value: float
    groups: int


def backtest(pds: Any, defaults: Any, groups: int = 10) -> Backtest:
    """All measures at once.

    Parameters
    ----------
    pds : array_like, shape (n,)
        Default probabilities given beforehand, > 0 and < 1.
    defaults : array_like, shape (n,)
        1 where the obligor defaulted, 0 where not.
    groups : int
        Groups of about equal size for the Hosmer-Lemeshow test.

    Returns
    -------
    Backtest

    Raises
    ------
    InputError, DomainError
        When lengths differ, a value is no PD or no 0/1, or one of the two outcomes never happens.
    """
    p, d = _pairs(pds, defaults)
    auc = area_under_curve(p, d)
    statistic, p_value, used = hosmer_lemeshow(p, d, groups)
    return Backtest(
        observations=p.size,
        defaults=int(d.sum()),
        auc=auc,
        accuracy_ratio=2.0 * auc - 1.0,
        ks=kolmogorov_smirnov(p, d),
        brier=brier_score(p, d),
        hosmer_lemeshow=statistic,
        p_value=p_value,
        groups=used,
    )


def area_under_curve(pds: Any, defaults: Any) -> float:
    """Area under the ROC curve: the Mann-Whitney statistic with ties counted one half.

    AUC = [sum of the defaulters' mid-ranks - m(m + 1)/2]/(m k), m defaulters and k survivors.

    Parameters
    ----------
    pds, defaults : array_like, shape (n,)
        As in :func:`backtest`; PDs of 0 and 1 are allowed.

    Returns
    -------
    float

    Raises
    ------
    InputError, DomainError
        As in :func:`backtest`.
    """
    survivors, defaulters = _by_pd(*_both(pds, defaults))
    below = np.cumsum(survivors) - survivors
    return float(defaulters @ (below + 0.5 * survivors) / (defaulters.sum() * survivors.sum()))


def kolmogorov_smirnov(pds: Any, defaults: Any) -> float:
    """Largest distance between the distributions of PD among defaulters and among survivors.

    Parameters
    ----------
    pds, defaults : array_like, shape (n,)
        As in :func:`backtest`; PDs of 0 and 1 are allowed.

    Returns
    -------
    float

    Raises
    ------
    InputError, DomainError
        As in :func:`backtest`.
    """
    survivors, defaulters = _by_pd(*_both(pds, defaults))
    gap = np.cumsum(survivors) / survivors.sum() - np.cumsum(defaulters) / defaulters.sum()
    return float(np.abs(gap).max())


def brier_score(pds: Any, defaults: Any) -> float:
    """Mean of (PD - default)^2 (Brier 1950).

    Parameters
    ----------
    pds, defaults : array_like, shape (n,)
        As in :func:`backtest`; PDs of 0 and 1 are allowed.

    Returns
    -------
    float

    Raises
    ------
    InputError, DomainError
        As in :func:`backtest`.
    """
    p, d = _pairs(pds, defaults)
    return float(np.mean((p - d) ** 2))


def hosmer_lemeshow(pds: Any, defaults: Any, groups: int = 10) -> tuple[float, float, int]:
    """Chi-square test of observed against expected defaults by group of PD.

    X^2 = sum over groups of (O - E)^2/[E (1 - E/n)], E the sum of the group's n PDs. Equal PDs
    share a group, so that the order of the list does not matter. There are as many degrees of
    freedom as groups, because nothing was fitted to the list.

    Parameters
    ----------
    pds, defaults, groups
        As in :func:`backtest`.

    Returns
    -------
    statistic, p_value : float
    groups : int
        Groups in fact used; ties can merge some.

    Raises
    ------
    InputError, DomainError
        As of :func:`backtest`, and where there are fewer than two groups or a PD is 0 or 1.
    """
    p, d = _pairs(pds, defaults)
    check("pds", p, _OPEN)
    if groups < 2:
        raise InputError("groups", "must be at least 2", groups)
    order = np.argsort(p, kind="stable")
    values, start = np.unique(p[order], return_index=True)
    # Each distinct PD goes, whole, to the group in which its middle member falls.
    count = np.diff(np.append(start, p.size))
    middle = start + 0.5 * (count - 1)
    label = np.minimum((middle * groups / p.size).astype(np.intp), groups - 1)
    hits = np.add.reduceat(d[order], start)
    n, expected, observed = (
        np.bincount(label, weights=w, minlength=groups) for w in (count, count * values, hits)
    )
    filled = n > 0
    n, expected, observed = n[filled], expected[filled], observed[filled]
    used = int(filled.sum())
    statistic = float(np.sum((observed - expected) ** 2 / (expected * (1.0 - expected / n))))
    return statistic, float(chdtrc(used, statistic)), used


def _pairs(pds: Any, defaults: Any) -> tuple[Array, Array]:
    p = check("pds", pds).ravel()
    d = check("defaults", defaults, Rule("must be 0 or 1", 0.0, 1.0)).ravel()
    if p.size != d.size:
        raise InputError(
            "defaults", Phrase("must have as many values as pds, which has {count}", count=p.size), d.size
        )
    if p.size == 0:
        raise InputError("pds", "must not be empty")
    between = (d != 0.0) & (d != 1.0)
    if between.any():
        raise InputError("defaults", "must be 0 or 1", float(d[between][0]))
    return p, d


def _both(pds: Any, defaults: Any) -> tuple[Array, Array]:
    p, d = _pairs(pds, defaults)
    if not 0 < d.sum() < d.size:
        raise InputError("defaults", "must hold at least one 1 and one 0")
    return p, d


def _by_pd(p: Array, d: Array) -> tuple[Array, Array]:
    """Survivors and defaulters at each distinct PD, lowest first."""
    index = np.unique(p, return_inverse=True)[1].ravel()
    survivors, defaulters = (np.bincount(index, weights=w).astype(np.float64) for w in (1.0 - d, d))
    return survivors, defaulters
