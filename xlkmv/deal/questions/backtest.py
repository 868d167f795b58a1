"""Backtest: what was predicted at closing, against what has come in and who has defaulted since."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from xlkmv.deal.plan.stressed import CERTAIN, Stressed
from xlkmv.deal.plan.today import balance_before, fitting, gone_by_status
from xlkmv.deal.questions.breakeven import expected_collections
from xlkmv.deal.terms import Record
from xlkmv.model import validation
from xlkmv.model.domain import Array
from xlkmv.model.losses import gaussian_copula_losses
from xlkmv.phrase import Phrase
from xlkmv.shown import Shown

__all__ = ["RARE", "Measures", "PlanBacktest", "backtest"]

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

# Obligors in a group of the Hosmer-Lemeshow test, at least, and groups at most.
GROUPED, GROUPS = 20, 10
# What happens less often than this, by what was predicted, speaks against it.
RARE = 0.05


@dataclass(frozen=True, slots=True, repr=False)
class Measures(Shown):
    """How PDs given at closing did, obligor by obligor, over the dates that have passed.

    Attributes
    ----------
    obligors : int
    seen : float
        In default by now; NaN where defaults are known that no obligor is named for.
    expected : float
        By the PDs.
    as_many, as_few : float
        Probability of at least, and of at most, as many defaults, by PDs and correlations (Gaussian, one
        factor); NaN where `seen` is.
    auc, accuracy_ratio, ks : float
        Whether those that defaulted had the higher PDs (:mod:`xlkmv.model.validation`); NaN unless some have
        defaulted and some have not.
    brier : float
    hosmer_lemeshow, p_value : float
        Of observed against expected defaults by group of PD, obligors that cannot default left out.
    """

    obligors: int
    seen: float
    expected: float
    as_many: float
    as_few: float
    auc: float
    accuracy_ratio: float
    ks: float
    brier: float
    hosmer_lemeshow: float
    p_value: float


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PlanBacktest(Shown):
    """Predicted at closing, and seen, accumulated up to each of the j dates that have passed.

    Attributes
    ----------
    planned, expected, collected : ndarray, shape (j,)
        Collections by plan, as expected with defaults, and as they came, money.
    low, high : ndarray, shape (j,)
        Between them collections were to be with probability 1 - 2 x :data:`RARE`: lognormal, by the
        volatility of the KMV view, with what is expected for their mean, money.
    level : ndarray, shape (j,)
        Probability, by the same law, that less comes in than did.
    defaults_expected, defaults_seen : ndarray, shape (j,)
        Obligors in default, of those watched: until they were prepaid or repurchased. Seen: NaN where
        defaults are known that no obligor is named for.
    money_expected, money_seen : ndarray, shape (j,)
        Balance of the claims that defaulted, money.
    measures : Measures or None
        None while nothing has been seen.
    """

    planned: Array
    expected: Array
    collected: Array
    low: Array
    high: Array
    level: Array
    defaults_expected: Array
    defaults_seen: Array
    money_expected: Array
    money_seen: Array
    measures: Measures | None

    @property
    def verdict(self) -> Phrase:
        """What it comes to, in a few words."""
        if self.measures is None:
            return Phrase("nothing has come in yet")
        less, more = self.level[-1] < RARE, self.measures.as_many < RARE
        if less and more:
            return Phrase("less came in than predicted, and more defaulted")
        if less:
            return Phrase("less came in than predicted")
        return Phrase("more defaulted than predicted") if more else Phrase("as predicted")


def backtest(plan: Stressed, record: Record, volatility: float) -> PlanBacktest:
    """Hold what a plan predicted at closing against what has been seen since.

    Accumulated collections are lognormal, ``E_k exp[-sigma^2/2 t_k + sigma sqrt(t_k) x]``. The spread is
    that of the KMV view; the mean E_k is what is expected with defaults, exact. The one drift of the KMV view
    has that mean at the end only: where recoveries lag, less is to come in before, where they come while
    a pool revolves, more, and what comes in as expected must not speak against what was predicted.
    Defaults are those of obligors whose status says so, and
    the balances that the record tells. An obligor that was prepaid or repurchased was watched until then.

    Parameters
    ----------
    plan : Stressed
        As seen from closing.
    record : Record
        Of the first j dates.
    volatility : float
        sigma of the pool at closing, per annum.

    Returns
    -------
    PlanBacktest

    Raises
    ------
    InputError, DomainError
        When the record does not fit the plan.
    """
    j, terms, pool = len(fitting(plan, record)), plan.deal.terms, plan.deal.pool
    times, planned = terms.times[:j], np.cumsum(plan.collections[:j])
    collected = np.cumsum(np.array(record.collections))
    spread = volatility * np.sqrt(times)
    expected = np.cumsum(expected_collections(plan)[:j])
    middle = expected * np.exp(-0.5 * volatility**2 * times)
    reach = np.exp(float(ndtri(1.0 - RARE)) * spread)
    with np.errstate(divide="ignore", invalid="ignore"):
        away = np.log(collected / middle)
        score = np.where(spread > CERTAIN, away / spread, np.copysign(np.inf, away + 1e-9))
    gone, defaulted = _statuses(plan)
    # Who left without a default was watched until then.
    watched = np.where(defaulted, j, np.minimum(gone, j)).astype(np.int64)
    comes = np.diff(plan.default_by[:, :j], axis=1, prepend=0.0) * (np.arange(j) < watched[:, None])
    by, count, before = np.cumsum(comes, axis=1), pool.obligors, balance_before(plan)
    bad = defaulted[:, None] & (gone[:, None] <= np.arange(j))
    seen, lost = (count @ bad).astype(np.float64), _lost(before, gone, defaulted, j)
    told = record.known("defaults")
    # A blank says nothing beyond the statuses.
    told = np.cumsum(np.where(np.isnan(told), np.diff(lost, prepend=0.0), told))
    # Defaults that the record knows of, and no status names.
    seen[told > lost * (1.0 + 1e-6) + 1e-9] = np.nan
    return PlanBacktest(
        planned=planned,
        expected=expected,
        collected=collected,
        low=middle / reach,
        high=middle * reach,
        level=np.asarray(ndtr(score)),
        defaults_expected=np.asarray(count @ by),
        defaults_seen=seen,
        money_expected=np.cumsum((comes * before[:, :j]).sum(axis=0)),
        money_seen=np.maximum(told, lost),
        measures=_measures(plan, by, watched, bad, float(seen[-1])) if j else None,
    )


def _statuses(plan: Stressed) -> tuple[Ints, Flags]:
    """First date on which each row pays nothing more (far off: it pays), and whether it defaulted."""
    gone = np.full(len(plan.deal.pool.name), np.iinfo(np.int64).max)
    defaulted = np.zeros(gone.size, np.bool_)
    rows, first, bad = gone_by_status(plan.deal)
    gone[rows], defaulted[rows] = first, bad
    return gone, defaulted


def _lost(before: Array, gone: Ints, defaulted: Flags, j: int) -> Array:
    """Balance of the rows that are in default by status, accumulated, shape (j,), money."""
    by_date = np.zeros(j)
    for row in np.flatnonzero(defaulted & (gone < j)).tolist():
        by_date[gone[row]] += before[row, gone[row]]
    return np.cumsum(by_date)


def _measures(plan: Stressed, by: Array, watched: Ints, in_default: Flags, number: float) -> Measures:
    pool, nan = plan.deal.pool, float("nan")
    rows = np.flatnonzero(watched > 0)
    each = np.repeat(rows, pool.obligors[rows].astype(np.int64))
    pds, bad = by[each, -1], in_default[each, -1]
    as_many = as_few = nan
    if number == number and each.size:
        law = gaussian_copula_losses(np.ones(each.size), pds, pool.correlation[each], contributions=False)
        as_many, as_few = (
            (float(law.exceedance(number - 1.0)) if number else 1.0),
            1.0 - float(law.exceedance(number)),
        )
    named = number == number
    auc = validation.area_under_curve(pds, bad) if named and 0 < bad.sum() < bad.size else nan
    ks = validation.kolmogorov_smirnov(pds, bad) if named and 0 < bad.sum() < bad.size else nan
    can = (pds > 0.0) & (pds < 1.0)
    statistic = p_value = nan
    if named and can.any():
        groups = int(np.clip(can.sum() // GROUPED, 2, GROUPS))
        statistic, p_value, _ = validation.hosmer_lemeshow(pds[can], bad[can], groups)
    return Measures(
        obligors=each.size,
        seen=number,
        expected=float(pds.sum()),
        as_many=as_many,
        as_few=as_few,
        auc=auc,
        accuracy_ratio=2.0 * auc - 1.0,
        ks=ks,
        brier=validation.brier_score(pds, bad) if named and each.size else nan,
        hosmer_lemeshow=statistic,
        p_value=p_value,
    )
