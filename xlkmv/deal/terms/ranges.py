"""How well the inputs of a deal are known: a low and a high end that hold them 9 times out of 10.

A range becomes a distribution whose median is the figure itself, and whose 5 % and 95 % quantiles are
its ends: normal, with a spread of its own on either side of the figure, on the scale of the input
(:data:`INPUTS`): log odds of probabilities, recoveries and correlations, logs of volatilities and
speeds, the figure itself of drifts. A standard error s of the figure x stands for a range, too: on the
scale y(x) its spread is ``s |dy/dx|`` (delta method), s/(x (1 - x)) of log odds and s/x of logs, so that
no end leaves the scale. Where obligors differ, their mean is the figure: all move alike on the scale, as far
as brings the mean to its ends; of a standard error as far as the mean of x (1 - x) says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit, ndtri

from xlkmv.deal.terms.claims import Pool
from xlkmv.deal.terms.columns import Columns
from xlkmv.deal.terms.deal import Deal
from xlkmv.deal.terms.faults import COLUMN_RULES, Fault, raise_first
from xlkmv.deal.terms.plan import TERM_RULES, speed_rule
from xlkmv.errors import InputError
from xlkmv.kinds import altered
from xlkmv.model.domain import INSIDE_PROBABILITY, POSITIVE, PROBABILITY, SIGNED_RATE, Array, Rule, numbers
from xlkmv.phrase import Phrase
from xlkmv.shown import Shown

__all__ = [
    "INPUTS",
    "LEVEL",
    "RANGE_NUMBERS",
    "SOURCE_NUMBERS",
    "RangedInput",
    "Ranges",
    "obligor_range_faults",
    "range_at_level",
    "range_faults",
    "source_faults",
    "varied",
]

# Probability that a range holds, and the quantile of its high end.
LEVEL = 0.9
REACH = float(ndtri(0.5 * (1.0 + LEVEL)))
# Ends that each row of the pool may have, or the standard error in their place.
RANGE_NUMBERS = ("pd_low", "pd_high", "pd_error")
# What a source says of its ends besides.
SOURCE_NUMBERS = ("pd_median", "pd_shared", "pd_group")
LOWEST, HIGHEST = 1e-12, 1.0 - 1e-9
# What is farther on the scale of log odds is at its end.
FARTHEST = 60.0
# Of a recovery about 1/2 no spread is wider.
MOST_SPREAD = 0.5 - 1e-9


@dataclass(frozen=True, slots=True)
class Scale:
    """Where a range is normal: figures are moved there by adding, and their ends obey the rule.

    `pace` is how fast a figure follows what is added.
    """

    to: Callable[[Any], Any]
    back: Callable[[Any], Any]
    pace: Callable[[Any], Any]
    rule: Rule

    def moved(self, figures: Array, shift: Any) -> Array:
        """Move figures; what lies at the end of the scale (a recovery of 0) stays."""
        with np.errstate(divide="ignore"):
            return np.asarray(self.back(self.to(figures) + shift))

    def spread(self, low: Any, high: Any, error: Any, figure: Any) -> tuple[Array, Array]:
        """How far a figure reaches down and up, standard deviations on the scale; ends or error are NaN."""
        at, known = self.to(figure), np.isnan(error)
        by_error = error / self.pace(figure)
        down, up = (at - self.to(low)) / REACH, (self.to(high) - at) / REACH
        return np.where(known, down, by_error), np.where(known, up, by_error)


ODDS = Scale(logit, lambda x: np.minimum(expit(x), HIGHEST), lambda x: x * (1.0 - x), INSIDE_PROBABILITY)
LOG = Scale(np.log, np.exp, lambda x: x, POSITIVE)
PLAIN = Scale(lambda x: x, lambda x: x, np.ones_like, SIGNED_RATE)


@dataclass(frozen=True, slots=True)
class RangedInput:
    """An input of the plan as a whole that may have a range.

    Attributes
    ----------
    label : str
    scale : Scale
    figures : callable
        Deal -> the figures that move together, and the weights of the mean that the range is about, by
        financed amount where obligors differ; no weights: there is nothing to be moved.
    acts : callable
        Deal -> whether the figures are in use at all.
    """

    label: str
    scale: Scale
    figures: Callable[[Deal], tuple[Array, Array]]
    acts: Callable[[Deal], bool]

    def figure(self, deal: Deal) -> float:
        """Return what the range is about; NaN where there is nothing."""
        figures, weights = self.figures(deal)
        return float(np.average(figures, weights=weights)) if weights.any() else np.nan

    def spread(self, low: float, high: float, error: float, deal: Deal) -> tuple[float, float]:
        """How far the figures have to move for the mean to reach down and up, deviations on their scale.

        Ends or error are NaN. NaN or infinite where the mean does not get there, as what is 0 or 1 stays.
        """
        (figures, weights), figure = self.figures(deal), self.figure(deal)
        if self.scale is not ODDS or np.ptp(figures) == 0.0:
            down, up = self.scale.spread(low, high, error, figure)
            return float(down), float(up)
        if not np.isnan(error):
            # Delta method.
            with np.errstate(divide="ignore"):
                by_error = float(error / np.average(self.scale.pace(figures), weights=weights))
            return by_error, by_error
        return -_shift(figures, weights, low) / REACH, _shift(figures, weights, high) / REACH

    def faults(self, low: float, high: float, error: float, deal: Deal) -> Iterator[Fault]:
        """Yield everything that is wrong with a range of the deal; see :func:`range_faults`."""
        found = [*range_faults(low, high, error, self.figure(deal), self.scale.rule)]
        yield from found
        if found or not self.figures(deal)[1].any():
            return
        ends = (("error", error), ("error", error)) if np.isnan(low) else (("low", low), ("high", high))
        for (column, end), reach in zip(ends, self.spread(low, high, error, deal), strict=True):
            if not np.isfinite(reach):
                rule = Phrase("must be what the mean can come to: figures of 0 and 1 in it stay")
                yield Fault("range", None, column, end, rule)
                return


def _shift(figures: Array, weights: Array, end: float) -> float:
    """What has to be added to the log odds of figures for their mean to be there; NaN: nothing will do."""

    def mean(shift: float) -> float:
        return float(np.average(ODDS.moved(figures, shift), weights=weights))

    low, high = -FARTHEST, FARTHEST
    if np.average(figures, weights=weights) == end:
        return 0.0
    if not mean(low) <= end <= mean(high):
        return np.nan
    while low < (middle := 0.5 * (low + high)) < high:
        low, high = (middle, high) if mean(middle) < end else (low, middle)
    return middle


def _column(name: str) -> Callable[[Deal], tuple[Array, Array]]:
    return lambda deal: (getattr(deal.pool, name), deal.pool.amount)


def _one(figure: Callable[[Deal], float]) -> Callable[[Deal], tuple[Array, Array]]:
    return lambda deal: (np.array([figure(deal)]), np.ones(1))


def _term(name: str) -> Callable[[Deal], tuple[Array, Array]]:
    return _one(lambda deal: float(getattr(deal.terms, name)))


def _typed(pool: Pool) -> npt.NDArray[np.bool_]:
    """Rows whose recovery is typed, as no pledge says it, shape (m,)."""
    if pool.recoveries is None:
        return np.ones(pool.amount.size, np.bool_)
    return np.asarray(~pool.recoveries.pledged)


def _any_typed(deal: Deal) -> bool:
    return bool(_typed(deal.pool).any())


def _recoveries(deal: Deal) -> tuple[Array, Array]:
    typed = _typed(deal.pool)
    return deal.pool.recovery[typed], deal.pool.amount[typed]


def _user(deal: Deal) -> bool:
    return deal.terms.volatility_source == "user"


def _of_pledges(column: str) -> Callable[[Deal], tuple[Array, Array]]:
    """Column of the rows that have a pledge."""

    def figures(deal: Deal) -> tuple[Array, Array]:
        drawn = deal.pool.recoveries
        if drawn is None:
            return np.zeros(0), np.zeros(0)
        return getattr(drawn, column)[drawn.pledged], deal.pool.amount[drawn.pledged]

    return figures


def _cover(deal: Deal) -> tuple[Array, Array]:
    """Value of the pledges over what is financed against them."""
    values, financed = _of_pledges("pledge")(deal)
    return values / financed, financed


def _any_pledge(deal: Deal) -> bool:
    return not _typed(deal.pool).all()


def _industries(deal: Deal) -> bool:
    return any(deal.pool.industry)


INPUTS: dict[str, RangedInput] = {
    "pd": RangedInput(Phrase("PD of all obligors together"), ODDS, _column("pd"), lambda deal: True),
    "recovery": RangedInput(Phrase("Recovery"), ODDS, _recoveries, _any_typed),
    "correlation": RangedInput(Phrase("Asset correlation"), ODDS, _column("correlation"), lambda deal: True),
    "volatility": RangedInput(Phrase("Volatility of the pool"), LOG, _term("volatility"), _user),
    "drift": RangedInput(Phrase("Drift of the pool"), PLAIN, _term("drift"), _user),
    "prepayment": RangedInput(
        Phrase("Prepayment"),
        LOG,
        _term("prepayment"),
        lambda deal: deal.terms.prepayment_type != "vector",
    ),
    "support_pd": RangedInput(
        Phrase("PD of the undertaking's payer"),
        ODDS,
        _one(lambda deal: deal.controls.support_pd),
        lambda deal: deal.controls.support,
    ),
    "support_correlation": RangedInput(
        Phrase("Support correlation"),
        ODDS,
        _term("support_correlation"),
        lambda deal: deal.controls.support,
    ),
    "industry_correlation": RangedInput(
        Phrase("Industry correlation"), ODDS, _term("industry_correlation"), _industries
    ),
    "between_industries": RangedInput(
        Phrase("Correlation between industries"), ODDS, _term("between_industries"), _industries
    ),
    "lag": RangedInput(
        Phrase("Recovery lag, time to sale"),
        LOG,
        _column("lag"),
        lambda deal: bool((deal.pool.lag > 0.0).any()),
    ),
    "pledge": RangedInput(Phrase("Pledge value / financed"), LOG, _cover, _any_pledge),
    "pledge_volatility": RangedInput(
        Phrase("Pledge volatility"), LOG, _of_pledges("pledge_volatility"), _any_pledge
    ),
    "sale_discount": RangedInput(Phrase("Sale discount"), ODDS, _of_pledges("sale_discount"), _any_pledge),
}
# Those that are columns of the pledges.
OF_PLEDGES = ("pledge", "pledge_volatility", "sale_discount")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Ranges(Columns, Shown):
    """Ranges of the inputs of a deal, each held with a probability of 90 %, or standard errors.

    Attributes
    ----------
    pd, recovery, correlation, volatility, drift, prepayment, support_pd : (float, float), float or None
        Low and high end of :data:`INPUTS`, or the standard error; None: the figure counts as known. Where
        obligors differ, the range is that of their mean, and the odds of all of them move together.
    support_correlation, industry_correlation, between_industries : (float, float), float or None
        The same of the terms of these names.
    lag, pledge, pledge_volatility, sale_discount : (float, float), float or None
        The same of the recovery lag, which is also the time to the sale of a pledge; of the value of the
        pledges over what is financed against them; of their volatility; of the discount of their sale.
    pd_low, pd_high : ndarray, shape (m,), or None
        Ends of the one-year PD of each row of the pool, independent of the others' and on top of what
        moves all; NaN where it counts as known.
    pd_error : ndarray, shape (m,), or None
        Standard error of the PD of each row, in place of its ends.
    pd_median : ndarray, shape (m,), or None
        What the PD of each row is as likely above as below, where the source of its ends knows; NaN: the PD
        itself, and what many of these come to beyond their PDs is taken off.
    pd_shared, pd_group : ndarray, shape (m,), or None
        Share of the variance of each row that is one error of all rows of the same group, such as that of
        peers in common, and the number of the group; NaN: none.
    """

    pd: tuple[float, float] | float | None = None
    recovery: tuple[float, float] | float | None = None
    correlation: tuple[float, float] | float | None = None
    volatility: tuple[float, float] | float | None = None
    drift: tuple[float, float] | float | None = None
    prepayment: tuple[float, float] | float | None = None
    support_pd: tuple[float, float] | float | None = None
    support_correlation: tuple[float, float] | float | None = None
    industry_correlation: tuple[float, float] | float | None = None
    between_industries: tuple[float, float] | float | None = None
    lag: tuple[float, float] | float | None = None
    pledge: tuple[float, float] | float | None = None
    pledge_volatility: tuple[float, float] | float | None = None
    sale_discount: tuple[float, float] | float | None = None
    pd_low: Array | None = None
    pd_high: Array | None = None
    pd_error: Array | None = None
    pd_median: Array | None = None
    pd_shared: Array | None = None
    pd_group: Array | None = None

    def __post_init__(self) -> None:
        for name in INPUTS:
            given = getattr(self, name)
            if given is not None:
                said = numbers(f"range of {name.replace('_', ' ')}", given)
                if said.shape not in ((), (2,)):
                    rule = Phrase("must be low and high, or a standard error")
                    raise InputError(f"range of {name.replace('_', ' ')}", rule, given)
                object.__setattr__(self, name, tuple(said.tolist()) if said.ndim else float(said))
        for name in (*RANGE_NUMBERS, *SOURCE_NUMBERS):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, numbers(name.replace("_", " "), getattr(self, name)))

    def check(self, deal: Deal) -> None:
        """Raise on the first range that does not fit the deal, its obligor or input named."""
        self.check_obligors(deal.pool)
        for name, item in INPUTS.items():
            if getattr(self, name) is not None:
                # The label says more than a position.
                for fault in item.faults(*self.said(name), deal):
                    raise_first([replace(fault, part=f"range of {item.label}")])

    def check_obligors(self, pool: Pool) -> None:
        """Raise on the first range of an obligor's PD that does not fit the pool."""
        m = len(pool.name)
        for name in (*RANGE_NUMBERS, *SOURCE_NUMBERS):
            values = getattr(self, name)
            if values is not None and values.shape != (m,):
                raise InputError(
                    name.replace("_", " "),
                    Phrase("must have one value per obligor ({count})", count=m),
                    f"shape {values.shape}",
                )
        raise_first(obligor_range_faults(*self.obligors(m), pool.pd), pool.name)
        low, high, _ = self.obligors(m)
        raise_first(source_faults(low, high, *self.sourced(m)), pool.name)

    def said(self, name: str) -> tuple[float, float, float]:
        """Low and high end of an input of :data:`INPUTS`, and its standard error; NaN: there is none."""
        given = getattr(self, name)
        if given is None:
            return np.nan, np.nan, np.nan
        return (*given, np.nan) if isinstance(given, tuple) else (np.nan, np.nan, given)

    def obligors(self, rows: int) -> tuple[Array, Array, Array]:
        """Low and high ends of the PD of each row, and its standard error; NaN where there is none."""
        none = np.full(rows, np.nan)
        low, high, error = (none if x is None else x for x in (self.pd_low, self.pd_high, self.pd_error))
        return low, high, error

    def sourced(self, rows: int) -> tuple[Array, Array, Array]:
        """Median of each row, share of its variance that its group has in common, and the group; or NaN."""
        none = np.full(rows, np.nan)
        median, shared, group = (
            none if x is None else x for x in (self.pd_median, self.pd_shared, self.pd_group)
        )
        return median, shared, group

    def acting(self, deal: Deal) -> tuple[str, ...]:
        """Names of :data:`INPUTS` that have a range and are in use."""
        return tuple(n for n, item in INPUTS.items() if getattr(self, n) is not None and item.acts(deal))

    def any_acts(self, deal: Deal) -> bool:
        """Whether anything has a range that is in use."""
        return bool(self.acting(deal)) or not all(np.isnan(x).all() for x in self.obligors(1))

    def spread(self, name: str, deal: Deal) -> tuple[float, float]:
        """How far an input of :data:`INPUTS` reaches down and up, standard deviations on its scale."""
        return INPUTS[name].spread(*self.said(name), deal)

    def obligor_spread(self, pool: Pool) -> tuple[Array, Array, Array]:
        """Where the middle of the PD of each row is, and how far it reaches down and up from there.

        The middle less the figure, and standard deviations, of the log odds, shape (m,); 0 where the PD is
        known.
        """
        low, high, error = self.obligors(len(pool.name))
        rows = np.flatnonzero(~np.isnan(low) | ~np.isnan(error))
        figure, median = pool.pd[rows], self.sourced(low.size)[0][rows]
        median = np.where(np.isnan(median), figure, median)
        middle, down, up = np.zeros((3, low.size))
        middle[rows] = logit(median) - logit(figure)
        down[rows], up[rows] = ODDS.spread(low[rows], high[rows], error[rows], median)
        return middle, down, up


def varied(deal: Deal, shifts: dict[str, float], obligors: Array | None = None) -> Deal:
    """Move inputs of a deal on their scales.

    Parameters
    ----------
    deal : Deal
    shifts : dict
        By name of :data:`INPUTS`; 0 leaves the figure as it is. A recovery without the pledge moves as
        the others do; the log of the value of a pledge moves by as much, unless pledges have a shift of
        their own, and a spread keeps its part of the widest one that its mean allows.
    obligors : ndarray, shape (m,), optional
        Of the PD of each row, on top of that of all.

    Returns
    -------
    Deal
    """
    pool, terms, controls = deal.pool, deal.terms, deal.controls
    rules = TERM_RULES | {"prepayment": speed_rule(terms.prepayment_type)}

    def moved(name: str, figures: Any, shift: Any) -> Any:
        scale = INPUTS[name].scale
        return figures if not np.any(shift) else scale.moved(np.asarray(figures, float), shift)

    def one(name: str, figure: float) -> float:
        there = moved(name, figure, shifts.get(name, 0.0))
        bounds = rules.get(name, PROBABILITY)
        most = np.nextafter(bounds.high, 0.0) if bounds.high_open else bounds.high
        return float(np.clip(there, bounds.low, most))

    def column(name: str, figures: Array) -> Array:
        there = moved(name, figures, shifts.get(name, 0.0))
        return np.asarray(np.minimum(there, COLUMN_RULES[name].high))

    own = 0.0 if obligors is None else obligors
    recovery = moved("recovery", pool.recovery, shifts.get("recovery", 0.0))
    drawn = pool.recoveries
    if drawn is not None and recovery is not pool.recovery:
        widest, before = recovery * (1.0 - recovery), pool.recovery * (1.0 - pool.recovery)
        scale = np.sqrt(np.divide(widest, before, out=np.ones_like(before), where=before > 0.0))
        value = drawn.pledge * (1.0 if "pledge" in shifts else np.exp(shifts["recovery"]))
        drawn = altered(drawn, spread=np.minimum(drawn.spread * scale, MOST_SPREAD), pledge=value)
    if drawn is not None and any(shifts.get(name) for name in OF_PLEDGES):
        drawn = altered(drawn, **{name: column(name, getattr(drawn, name)) for name in OF_PLEDGES})
    pool = altered(
        pool,
        recoveries=drawn,
        pd=moved("pd", pool.pd, shifts.get("pd", 0.0) + own),
        recovery=recovery,
        lag=column("lag", pool.lag),
        correlation=moved("correlation", pool.correlation, shifts.get("correlation", 0.0)),
    )
    terms = altered(
        terms,
        volatility=one("volatility", terms.volatility),
        drift=one("drift", terms.drift),
        prepayment=one("prepayment", terms.prepayment),
        support_correlation=one("support_correlation", terms.support_correlation),
        industry_correlation=one("industry_correlation", terms.industry_correlation),
        between_industries=one("between_industries", terms.between_industries),
    )
    controls = altered(
        controls,
        unpledged_recovery=one("recovery", controls.unpledged_recovery),
        support_pd=one("support_pd", controls.support_pd),
    )
    return altered(deal, pool=pool, terms=terms, controls=controls)


def range_at_level(
    pd: float, low: float, high: float, level: float, median: float | None = None
) -> tuple[float, float] | None:
    """Ends that hold a PD with 90 %, from ends that hold it with another probability.

    Parameters
    ----------
    pd, low, high : float
    level : float
        Probability that the given ends hold.
    median : float, optional
        What the ends lie about; the PD itself when left out.

    Returns
    -------
    (float, float) or None
        None of a PD that is 0 or 1: such a one has no odds.
    """
    if not 0.0 < pd < HIGHEST:
        return None
    reach = REACH / float(ndtri(0.5 * (1.0 + level)))
    at, ends = logit(pd if median is None else median), logit(np.clip([low, high], LOWEST, HIGHEST))
    moved = expit(at + (ends - at) * reach)
    return min(float(moved[0]), pd), max(float(moved[1]), pd)


def obligor_range_faults(low: Array, high: Array, error: Array, pd: Array) -> Iterator[Fault]:
    """Yield everything that is wrong with the ranges of the PDs of obligors.

    Parameters
    ----------
    low, high, error, pd : ndarray, shape (m,)
        NaN where a cell is blank; where a PD is NaN it has been reported.

    Yields
    ------
    Fault
        Of part "pool" and column "pd_low", "pd_high" or "pd_error".
    """
    for row in np.flatnonzero(~np.isnan([low, high, error]).all(axis=0)).tolist():
        said = float(low[row]), float(high[row]), float(error[row])
        for fault in range_faults(*said, float(pd[row]), INSIDE_PROBABILITY):
            yield replace(fault, part="pool", row=row, column=f"pd_{fault.column}")


def source_faults(low: Array, high: Array, median: Array, shared: Array, group: Array) -> Iterator[Fault]:
    """Yield everything that is wrong with what is said of the ranges of obligors besides their ends.

    Parameters
    ----------
    low, high, median, shared, group : ndarray, shape (m,)
        NaN where a cell is blank.

    Yields
    ------
    Fault
        Of part "pool" and column "pd_median" or "pd_shared".
    """
    between = Phrase("must be between the ends, which must be there")
    together = Phrase("needs a group, and a group what is shared")
    for column, wrong, values, text in (
        ("pd_median", ~np.isnan(median) & ~((low <= median) & (median <= high)), median, between),
        ("pd_shared", ~np.isnan(shared) & ~PROBABILITY.holds(shared), shared, PROBABILITY.text),
        ("pd_shared", np.isnan(shared) != np.isnan(group), shared, together),
    ):
        for row in np.flatnonzero(wrong).tolist():
            value = float(values[row])
            yield Fault("pool", row, column, None if np.isnan(value) else value, text)


def range_faults(low: float, high: float, error: float, figure: float, rule: Rule) -> Iterator[Fault]:
    """Yield everything that is wrong with one range; a NaN figure has been reported.

    Parameters
    ----------
    low, high, error : float
        Ends, or a standard error; NaN where a cell is blank.
    figure : float
        That the range is about.
    rule : Rule
        Of both ends.

    Yields
    ------
    Fault
        Of column "low", "high" or "error".
    """

    def fault(column: str, value: float | None, text: Phrase | str) -> Fault:
        return Fault("range", None, column, value, text)

    ends = {"low": low, "high": high}
    if not np.isnan(error):
        if not np.isnan([low, high]).all():
            yield fault("error", error, Phrase("must be blank: there are ends"))
        elif not POSITIVE.holds(np.asarray(error)):
            yield fault("error", error, POSITIVE.text)
        elif not np.isnan(figure) and not rule.holds(np.asarray(figure)):
            text = Phrase(
                "must be blank: the figure itself ({figure:g}) is at an end of what it can be", figure=figure
            )
            yield fault("error", error, text)
        elif rule is INSIDE_PROBABILITY and error >= (most := np.sqrt(figure * (1.0 - figure))):
            text = Phrase(
                "must be below {most:.4g}, that of all or nothing with the mean {figure:g}",
                most=most,
                figure=figure,
            )
            yield fault("error", error, text)
        return
    for name, other in (("low", Phrase("high")), ("high", Phrase("low"))):
        if np.isnan(ends[name]):
            text = Phrase("must not be blank: the {other} end is there", other=other)
            yield fault(name, None, text)
            return
        if not rule.holds(np.asarray(ends[name])):
            yield fault(name, ends[name], rule.text)
            return
    if low > high:
        yield fault("low", low, Phrase("must not be above the high end ({high:g})", high=high))
    elif low > figure:
        yield fault("low", low, Phrase("must not be above the figure itself ({figure:g})", figure=figure))
    elif high < figure:
        yield fault("high", high, Phrase("must not be below the figure itself ({figure:g})", figure=figure))
