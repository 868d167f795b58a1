"""Default probabilities of obligors, each by the method that its data allow, in one table.

=========== ============================================================ ==========================
method      needs                                                        its range comes from
=========== ============================================================ ==========================
given       pd; low and high if known                                    low and high
rating      a grade of the user's scale                                  the grades beside it
listed      equity and its volatility, or a series of equity values;     standard error of the
            debt                                                         volatility
comparables earnings (EBITDA or book assets), debt, listed peers of      how far the peers lie apart
            its industry
history     defaults in obligor-years                                    posterior distribution
low default the same, or a group of obligors; confidence, correlation    bounds of other confidence
=========== ============================================================ ==========================
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from xlkmv.deal.terms.curves import graded
from xlkmv.deal.terms.dates import as_date
from xlkmv.deal.terms.ranges import range_at_level
from xlkmv.errors import ConvergenceError, DomainError, InputError, MissingError
from xlkmv.kinds import check_kinds
from xlkmv.model.calibration import SeriesFit, edf, fit_series
from xlkmv.model.distance import default_point, distance_to_default, linear_distance_to_default
from xlkmv.model.domain import NOT_NEGATIVE, POSITIVE, PROBABILITY, RULES, Array, check, check_number, numbers
from xlkmv.model.history import YEARS, history_pd, most_prudent_pds
from xlkmv.model.merton import asset_value_at_volatility, assets
from xlkmv.model.private import DISTANCES, MIN_PEERS, Peers, private_firm
from xlkmv.phrase import CLAUSES, Phrase, joined
from xlkmv.shown import Results, Shown

__all__ = [
    "DEBT",
    "HOLE",
    "LOW_DEFAULT",
    "METHODS",
    "FewDefaults",
    "ObligorPd",
    "ObligorSource",
    "PeerFirm",
    "Prices",
    "SourceTerms",
    "asset_fit",
    "compared_pd",
    "given_pd",
    "group_pds",
    "listed_pd",
    "low_default_pd",
    "obligor_pd",
    "obligor_pds",
    "observed_pd",
    "rated_pd",
    "source_ranges",
]

# A typed volatility without a standard error counts as one of so many daily prices, a year's.
USUAL_PRICES = 250
DAYS_PER_YEAR = 365.25
DEBT = "short_term and long_term"
"""What is wrong where a firm has no debt, as its error names it."""
HOLE = 4.0
"""Dates of prices further apart than this many times the usual step are a hole."""


@dataclass(frozen=True, slots=True, repr=False)
class ObligorSource(Shown):
    """What is known of one obligor; a method uses its own fields and leaves the others alone.

    Attributes
    ----------
    name : str
    method : str
        One of :data:`METHODS`.
    pd, low, high : float or None
        Annual default probability, and its range.
    rating : str or None
        Grade of the scale; of the method "low default" a group of the terms.
    equity, equity_volatility : float or None
        Market value, money; per annum.
    equity_volatility_error : float or None
        Standard error of the typed volatility; None: that of a year of daily prices, 4.5 % of it.
    prices : sequence of float
        Market values of the equity, oldest first, evenly spaced; they go before the two above.
    periods_per_year : float
        Prices per year.
    short_term, long_term : float or None
        Debt due within a year and later, money; one of them may be blank for none.
    earnings : float or None
        EBITDA or book assets, as of the peers, money.
    industry : str or None
        Of its peers.
    defaults, obligor_years : float or None
        What happened to obligors like it.
    drift : float
        Growth of the assets per annum.
    """

    name: str
    method: str
    pd: float | None = None
    low: float | None = None
    high: float | None = None
    rating: str | None = None
    equity: float | None = None
    equity_volatility: float | None = None
    equity_volatility_error: float | None = None
    prices: Sequence[float] = ()
    periods_per_year: float = 250.0
    short_term: float | None = None
    long_term: float | None = None
    earnings: float | None = None
    industry: str | None = None
    defaults: float | None = None
    obligor_years: float | None = None
    drift: float = 0.0

    def __post_init__(self) -> None:
        check_kinds("obligor", self)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Prices(Shown):
    """Series of equity values of one obligor.

    Attributes
    ----------
    name : str
    dates : ndarray of datetime64[D], shape (n,)
        Increasing.
    values : ndarray, shape (n,)
        Market values of the equity, money.
    """

    name: str
    dates: npt.NDArray[np.datetime64]
    values: Array

    def until(self, day: dt.date) -> Prices:
        """Prices up to a day, itself included.

        Parameters
        ----------
        day : date

        Returns
        -------
        Prices
            Of the same name.

        Raises
        ------
        InputError
            When it is no date.
        """
        known = self.dates <= np.datetime64(as_date("day", day), "D")
        return Prices(self.name, self.dates[known], self.values[known])

    @property
    def per_year(self) -> float:
        """Prices a year; NaN where there is no step."""
        years = (self.dates[-1] - self.dates[0]).astype(np.int64) / DAYS_PER_YEAR if self.dates.size else 0.0
        return (self.dates.size - 1) / years if years > 0.0 else np.nan

    @property
    def gap(self) -> float:
        """Widest step between two dates, in usual (median) steps; 1 where there is none."""
        steps = np.diff(self.dates).astype(np.int64)
        return float(steps.max() / np.median(steps)) if steps.size else 1.0

    @property
    def hole(self) -> str:
        """Days between two prices that are much further apart than usual; "" where there are none."""
        if self.gap <= HOLE:
            return ""
        steps = np.diff(self.dates).astype(np.int64)
        k = int(steps.argmax())
        return Phrase(
            "nothing between {one} and {other}, where steps are of {usual:g} days",
            one=self.dates[k],
            other=self.dates[k + 1],
            usual=float(np.median(steps)),
        )


@dataclass(frozen=True, slots=True, repr=False)
class FewDefaults(Shown):
    """A group of obligors of which few or none defaulted.

    Attributes
    ----------
    name : str
    obligors, defaults : float
        At the start, and of these over all the years; whole numbers.
    """

    name: str
    obligors: float
    defaults: float

    def __post_init__(self) -> None:
        check_kinds("group", self)


@dataclass(frozen=True, slots=True, repr=False)
class PeerFirm(Shown):
    """A listed firm that obligors without a price are compared with.

    Attributes
    ----------
    name, industry : str
    equity, equity_volatility : float
        Market value, money; per annum.
    short_term, long_term : float
        Debt due within a year and later, money.
    earnings : float
        EBITDA or book assets, money.
    """

    name: str
    industry: str
    equity: float
    equity_volatility: float
    short_term: float
    long_term: float
    earnings: float

    def __post_init__(self) -> None:
        check_kinds("peer", self)


@dataclass(frozen=True, slots=True, repr=False)
class SourceTerms(Shown):
    """What all obligors share.

    Attributes
    ----------
    scale : sequence of (str, float)
        Grade and annual PD, best grade first.
    peers : sequence of PeerFirm
    rate : float
        Continuously compounded risk-free rate per annum, for the inversion of equity.
    weight : float
        Share of the long-term debt that counts in the default point.
    convention : {"log", "linear"}
        Of the distance to default.
    mapping : pair of sequences, optional
        Distances and PDs of the user's own EDF map; without it the PD is N(-DD).
    level : float
        Probability that a range holds.
    groups : sequence of FewDefaults
        Of the method "low default", the best group first.
    confidence, correlation, time_correlation : float
        Of its bounds: :func:`~xlkmv.model.history.most_prudent_pds`.
    years : float
        Of its history, a whole number.
    """

    scale: Sequence[tuple[str, float]] = ()
    peers: Sequence[PeerFirm] = ()
    rate: float = 0.0
    weight: float = 0.5
    convention: str = "log"
    mapping: tuple[Sequence[float], Sequence[float]] | None = None
    level: float = 0.9
    groups: Sequence[FewDefaults] = ()
    confidence: float = 0.75
    correlation: float = 0.0
    years: float = 1.0
    time_correlation: float = 0.0

    def __post_init__(self) -> None:
        check_kinds("terms", self)
        if self.convention not in DISTANCES:
            raise InputError(
                "convention",
                Phrase("must be one of {options}", options=", ".join(DISTANCES)),
                self.convention,
            )
        check("level", self.level)

    def distance(self, value: Array, debt: Array, volatility: Array, drift: float) -> Array:
        """Distance to default over one year, by the convention.

        Parameters
        ----------
        value, debt : ndarray
            Assets and default point, money.
        volatility : ndarray
            Of the assets, per annum.
        drift : float
            Of the assets, per annum.

        Returns
        -------
        ndarray
            In standard deviations, broadcast.

        Raises
        ------
        InputError, DomainError
            When one of them breaks its rule.
        """
        if self.convention == "linear":
            return linear_distance_to_default(value, debt, volatility)
        return distance_to_default(value, debt, volatility, 1.0, drift)

    def probability(self, distance: Array) -> Array:
        """PD of a distance, by the map where there is one.

        Parameters
        ----------
        distance : ndarray

        Returns
        -------
        ndarray
            Annual PDs, its shape.

        Raises
        ------
        InputError, DomainError
            When the map is no such map, or a distance no number.
        """
        if self.mapping is None:
            return np.asarray(ndtr(-numbers("distance", distance)))
        return edf(distance, *self.mapping)


@dataclass(frozen=True, slots=True, repr=False)
class ObligorPd(Shown):
    """Where the PD of one obligor comes from, and how well it is known.

    Attributes
    ----------
    name, method : str
    pd : float
        Annual default probability.
    distance : float
        To default; -N^{-1}(PD) where the method has no assets, infinite where that PD is 0 or 1.
    low, high : float or None
        Range that holds the PD with the probability of the terms; None where the method has none.
    note : str
        What the number rests on.
    median : float or None
        What the PD is as likely above as below; None where whoever gave the range does not tell.
    shared : float
        Share of the variance of the range that is one error of all obligors of the same peers.
    peers : str
        The industry of these; "" without.
    """

    name: str
    method: str
    pd: float
    distance: float
    low: float | None
    high: float | None
    note: str
    median: float | None = None
    shared: float = 0.0
    peers: str = ""


def obligor_pds(rows: Sequence[ObligorSource], terms: SourceTerms | None = None) -> Results[ObligorPd]:
    """Default probability of each obligor by its own method.

    Parameters
    ----------
    rows : sequence of ObligorSource
    terms : SourceTerms, optional
        Scale, peers, rate, conventions; by default none of the first two.

    Returns
    -------
    Results of ObligorPd
        In the order of the rows.

    Raises
    ------
    InputError, DomainError, MissingError, ConvergenceError
        For the first row that cannot be computed; the message starts with the obligor's name.
    """
    shared = terms or SourceTerms()
    found = []
    for row in rows:
        with _named(row.name):
            found.append(obligor_pd(row, shared))
    return Results(found)


def obligor_pd(row: ObligorSource, terms: SourceTerms | None = None) -> ObligorPd:
    """Default probability of one obligor by its method.

    Parameters
    ----------
    row : ObligorSource
    terms : SourceTerms, optional
        As of :func:`obligor_pds`.

    Returns
    -------
    ObligorPd

    Raises
    ------
    InputError, DomainError, MissingError, ConvergenceError
        When it cannot be computed; the message starts with the field.
    """
    if row.method not in METHODS:
        raise InputError("method", Phrase("must be one of {options}", options=", ".join(METHODS)), row.method)
    return METHODS[row.method](row, terms)


def source_ranges(rows: Sequence[ObligorPd | None], level: float = 0.9) -> dict[str, Array]:
    """Columns of :class:`~xlkmv.deal.terms.ranges.Ranges` that sources say of obligors.

    Parameters
    ----------
    rows : sequence of ObligorPd or None
        By row of the pool; None where the PD has another source.
    level : float
        Probability that their ends hold, as of the terms.

    Returns
    -------
    dict
        Of "pd_low", "pd_high", "pd_median", "pd_shared" and "pd_group", shape (m,), NaN where nothing is
        said. Obligors of the same peers are one group.
    """
    names = ("pd_low", "pd_high", "pd_median", "pd_shared", "pd_group")
    said, groups = np.full((len(rows), len(names)), np.nan), dict[str, int]()
    for k, row in enumerate(rows):
        if row is None or row.low is None or row.high is None:
            continue
        ends = range_at_level(row.pd, row.low, row.high, level, row.median)
        if ends is None:
            continue
        said[k, :2] = ends
        if row.median is not None:
            said[k, 2] = row.median
        if row.peers:
            said[k, 3:] = row.shared, groups.setdefault(row.peers, len(groups) + 1)
    return dict(zip(names, said.T, strict=True))


# ------------------------------------------------------------------------------- one method each


def given_pd(row: ObligorSource, terms: SourceTerms | None = None) -> ObligorPd:
    """PD, low and high end as somebody else answers for them.

    Parameters
    ----------
    row : ObligorSource
        With `pd`, and `low` and `high` where they are known: annual, decimals.
    terms : SourceTerms, optional
        Not used.

    Returns
    -------
    ObligorPd

    Raises
    ------
    MissingError, InputError, DomainError
        When the PD is blank, is not between its ends, or one of the three breaks its rule.
    """
    pd = check_number("pd", _needed(row, "pd"))
    low, high = (
        None if x is None else check_number(n, x, PROBABILITY)
        for n, x in (("low", row.low), ("high", row.high))
    )
    if low is not None and low > pd:
        raise DomainError("low", Phrase("must not be above the PD ({pd:g})", pd=pd), low)
    if high is not None and high < pd:
        raise DomainError("high", Phrase("must not be below the PD ({pd:g})", pd=pd), high)
    return ObligorPd(row.name, row.method, pd, float(-ndtri(pd)), low, high, Phrase("typed"))


def rated_pd(row: ObligorSource, terms: SourceTerms | None = None) -> ObligorPd:
    """PD of a grade of the terms' scale, its range half way, in logs, to the grades beside it.

    Beyond the ends of the scale it reaches as far as on the other side.

    Parameters
    ----------
    row : ObligorSource
        With `rating`.
    terms : SourceTerms, optional
        With the scale.

    Returns
    -------
    ObligorPd

    Raises
    ------
    MissingError, InputError, DomainError
        When the grade is blank or none of the scale, or there is no scale.
    """
    scale = (terms or SourceTerms()).scale
    grade = str(_needed(row, "rating"))
    if not scale:
        raise InputError("rating", "needs a scale of grades and PDs", grade)
    pd = float(graded([grade], scale)[0])
    place = [g.casefold() for g, _ in scale].index(grade.casefold())
    pds = [p for _, p in scale]
    better = np.sqrt(pd / pds[place - 1]) if place and pds[place - 1] > 0.0 else None
    worse = np.sqrt(pds[place + 1] / pd) if place + 1 < len(pds) and pd > 0.0 else None
    down, up = better or worse or 1.0, worse or better or 1.0
    note = Phrase("grade {grade} of the scale; range half way to the grades beside it", grade=grade)
    low, high = float(pd / down), float(min(pd * up, 1.0))
    return ObligorPd(row.name, row.method, pd, float(-ndtri(pd)), low, high, note, median=pd)


def listed_pd(row: ObligorSource, terms: SourceTerms | None = None) -> ObligorPd:
    """PD of a firm with a price: its assets by Merton's model, then distance and PD.

    From a series the assets come by :func:`~xlkmv.model.calibration.fit_series`, else by
    :func:`~xlkmv.model.merton.assets` from the last equity value and its volatility. The range takes the
    volatility a normal quantile of its standard error up and down, in logs: that of the fit, or that of
    the equity's, by default sigma/sqrt(2 x 250).

    Parameters
    ----------
    row : ObligorSource
        With `prices`, or `equity` and `equity_volatility`; and with debt.
    terms : SourceTerms, optional
        Rate, weight of the long-term debt, convention, map, level.

    Returns
    -------
    ObligorPd

    Raises
    ------
    MissingError, InputError, DomainError, ConvergenceError
        When one of these is blank or breaks its rule, there is no debt, or no assets reprice the equity.
    """
    terms = terms or SourceTerms()
    debt, reach = _debt(row, terms), float(-ndtri(0.5 * (1.0 - terms.level)))
    ends = np.array([0.0, -1.0, 1.0])
    if row.prices:
        fit = asset_fit(row, terms)
        sigma = fit.volatility * np.exp(ends * reach * fit.volatility_error / fit.volatility)
        value = asset_value_at_volatility(row.prices[-1], debt, sigma, 1.0, terms.rate)
        source = Phrase("{count} prices", count=len(row.prices))
    else:
        E, typed = _needed(row, "equity"), _needed(row, "equity_volatility")
        typed = check_number("equity_volatility", typed)
        error = row.equity_volatility_error
        usual = error is None
        error = typed / np.sqrt(2.0 * USUAL_PRICES) if error is None else error
        check_number("equity_volatility_error", error, NOT_NEGATIVE)
        most = np.nextafter(RULES["equity_volatility"].high, 0.0)
        moved = np.minimum(typed * np.exp(ends * reach * error / typed), most)
        value, sigma = assets(E, debt, moved, 1.0, terms.rate)
        source = Phrase("equity and its volatility, typed")
        if usual:
            source = Phrase("equity and its volatility, typed: s.e. as of a year of daily prices")
    distance = np.atleast_1d(terms.distance(value, debt, sigma, row.drift))
    pds = terms.probability(distance)
    note = joined([source, _assets(value.flat[0], sigma.flat[0], debt)], CLAUSES)
    pd, low, high = float(pds[0]), float(pds.min()), float(pds.max())
    return ObligorPd(row.name, row.method, pd, float(distance[0]), low, high, note, median=pd)


def asset_fit(row: ObligorSource, terms: SourceTerms | None = None) -> SeriesFit:
    """Assets of a firm behind its series of equity values.

    Parameters
    ----------
    row : ObligorSource
        With prices and debt.
    terms : SourceTerms, optional
        Rate, and weight of the long-term debt.

    Returns
    -------
    SeriesFit
        By maximum likelihood.

    Raises
    ------
    InputError, DomainError, ConvergenceError
        When there are fewer than three prices, none moves, there is no debt, or the fit does not converge.
    """
    terms = terms or SourceTerms()
    debt = _debt(row, terms)
    try:
        fit = fit_series(row.prices, debt, terms.rate, row.periods_per_year)
    except InputError as error:
        if error.argument != "equity_values":
            raise
        raise type(error)("prices", error.rule, error.value) from None
    if not fit.converged:
        raise ConvergenceError(
            Phrase(
                "prices must determine the assets (stopped after {iterations} steps)",
                iterations=fit.iterations,
            )
        )
    return fit


def compared_pd(row: ObligorSource, terms: SourceTerms | None = None) -> ObligorPd:
    """PD of a firm without a price, by the listed peers of its industry.

    :func:`~xlkmv.model.private.private_firm` of the assets that the peers' equity implies.

    Parameters
    ----------
    row : ObligorSource
        With `earnings`, `industry` and debt.
    terms : SourceTerms, optional
        With the peers; rate, weight of the long-term debt, convention, map, level.

    Returns
    -------
    ObligorPd

    Raises
    ------
    MissingError, InputError, DomainError, ConvergenceError
        When one of these is blank or breaks its rule, the industry has fewer than three peers, or there is no
        debt.
    """
    terms = terms or SourceTerms()
    earnings = _needed(row, "earnings")
    _debt(row, terms)
    industry = str(_needed(row, "industry"))
    alike = [p for p in terms.peers if p.industry.strip().casefold() == industry.strip().casefold()]
    if len(alike) < MIN_PEERS:
        raise InputError(
            "industry",
            Phrase(
                "must have {min_peers} listed peers or more, and has {count}",
                min_peers=MIN_PEERS,
                count=len(alike),
            ),
            industry,
        )
    firm = private_firm(
        earnings,
        row.short_term or 0.0,
        row.long_term or 0.0,
        _peers(alike, terms),
        drift=row.drift,
        weight=terms.weight,
        convention=terms.convention,
        mapping=terms.mapping,
        level=terms.level,
    )
    assets_in_words = _assets(firm.asset_value, firm.volatility, firm.default_point)
    peers = Phrase(
        "{count} peers of {industry}, multiple {multiple:.3g}",
        count=firm.peers,
        industry=industry,
        multiple=float(firm.multiple),
    )
    note = joined([peers, assets_in_words], CLAUSES)
    pd, low, high = float(firm.pd), float(firm.low), float(firm.high)
    return ObligorPd(
        *(row.name, row.method, pd, float(firm.distance), low, high, note),
        median=pd,
        shared=firm.shared,
        peers=industry.strip().casefold(),
    )


def observed_pd(row: ObligorSource, terms: SourceTerms | None = None) -> ObligorPd:
    """PD from the defaults of obligors like it: :func:`~xlkmv.model.history.history_pd`.

    Parameters
    ----------
    row : ObligorSource
        With `defaults` and `obligor_years`.
    terms : SourceTerms, optional
        Level of the range.

    Returns
    -------
    ObligorPd

    Raises
    ------
    MissingError, InputError, DomainError
        When one of these is blank, no whole number of defaults, or above the obligor-years.
    """
    d, n = _needed(row, "defaults"), _needed(row, "obligor_years")
    found = history_pd(d, n, (terms or SourceTerms()).level)
    pd = float(found.mean)
    note = Phrase("{d:g} of {n:g} obligor-years in default, Jeffreys' prior", d=d, n=n)
    low, high, median = float(found.low), float(found.high), float(found.median)
    return ObligorPd(row.name, row.method, pd, float(-ndtri(pd)), low, high, note, median=median)


def low_default_pd(row: ObligorSource, terms: SourceTerms | None = None) -> ObligorPd:
    """Upper bound of the PD where few defaulted, or none: :func:`~xlkmv.model.history.most_prudent_pds`.

    Of the group of the terms that the row's rating names, taken together with all that are worse; or of
    the row's own defaults, its obligor-years being as many obligors in each of the terms' years. The
    range is from the bound of confidence (1 - level)/2 to that of (1 + level)/2.

    Parameters
    ----------
    row : ObligorSource
        With `rating`, or `defaults` and `obligor_years`.
    terms : SourceTerms, optional
        Groups, confidence, correlation, years, time correlation, level of the range.

    Returns
    -------
    ObligorPd

    Raises
    ------
    MissingError, InputError, DomainError
        When the rating names no group, what is needed is blank, or the obligor-years are no whole number of
        obligors a year.
    """
    terms = terms or SourceTerms()
    if row.rating is not None:
        names = [group.name.strip().casefold() for group in terms.groups]
        if row.rating.strip().casefold() not in names:
            known = ", ".join(group.name for group in terms.groups) or Phrase("there is none")
            raise InputError(
                "rating", Phrase("must be a group with few defaults ({known})", known=known), row.rating
            )
        place = names.index(row.rating.strip().casefold())
        found = group_pds(terms)[place]
        return replace(found, name=row.name, method=row.method)
    d, n = _needed(row, "defaults"), _needed(row, "obligor_years") / check_number("years", terms.years, YEARS)
    if n % 1.0:
        rule = Phrase("must be a whole number of obligors in each of {years:g} years", years=terms.years)
        raise DomainError("obligor_years", rule, row.obligor_years)
    return _bound(row.name, ((n, d),), terms)


def group_pds(terms: SourceTerms) -> Results[ObligorPd]:
    """Upper bound of the PD of each group with few defaults, as of :func:`low_default_pd`.

    Parameters
    ----------
    terms : SourceTerms

    Returns
    -------
    Results of ObligorPd
        In the order of the groups: each is bounded together with all that stand behind it.

    Raises
    ------
    InputError, DomainError
        For the first group that is wrong, by its name.
    """
    for group in terms.groups:  # together with the others nobody would know whose figure is wrong
        with _named(group.name):
            _bound(group.name, ((group.obligors, group.defaults),), terms)
    counts = [(group.obligors, group.defaults) for group in terms.groups]
    return Results(_bound(group.name, tuple(counts[k:]), terms) for k, group in enumerate(terms.groups))


def _bound(name: str, counts: tuple[tuple[float, float], ...], terms: SourceTerms) -> ObligorPd:
    tail = 0.5 * (1.0 - terms.level)
    said = (terms.correlation, terms.years, terms.time_correlation)
    pd, low, median, high = (_prudent(counts, c, *said) for c in (terms.confidence, tail, 0.5, 1.0 - tail))
    note = Phrase(
        "{d:g} of {n:g} obligors in default, bound of {confidence:.0%} confidence (Pluto-Tasche)",
        d=sum(d for _, d in counts),
        n=sum(n for n, _ in counts),
        confidence=terms.confidence,
    )
    low, high = min(low, pd), max(high, pd)
    return ObligorPd(name, LOW_DEFAULT, pd, float(-ndtri(pd)), low, high, note, median=median)


@lru_cache(maxsize=256)  # one group is that of many obligors
def _prudent(
    counts: tuple[tuple[float, float], ...], confidence: float, correlation: float, years: Any, again: float
) -> float:
    n, d = zip(*counts, strict=True)
    return float(most_prudent_pds([sum(n)], [sum(d)], confidence, correlation, years, again)[0])


LOW_DEFAULT = "low default"
"""Name of the method of :func:`low_default_pd`."""
METHODS: dict[str, Callable[[ObligorSource, SourceTerms | None], ObligorPd]] = {
    "given": given_pd,
    "rating": rated_pd,
    "listed": listed_pd,
    "comparables": compared_pd,
    "history": observed_pd,
    LOW_DEFAULT: low_default_pd,
}
"""How the PD of an obligor can be had, by the name a user gives it."""


# --------------------------------------------------------------------------------------- helpers


def _needed(row: ObligorSource, field: str) -> Any:
    value = getattr(row, field)
    if value is None:
        raise MissingError(field, Phrase("is needed by the method {method}", method=row.method), None)
    return value


def _assets(value: Any, volatility: Any, debt: Any) -> str:
    amounts = [f"{float(x):,.0f}" if x >= 1000.0 else f"{float(x):.4g}" for x in (value, debt)]
    return Phrase(
        "assets {assets}, volatility {volatility:.1%}, default point {point}",
        assets=amounts[0],
        volatility=float(volatility),
        point=amounts[1],
    )


def _debt(firm: ObligorSource | PeerFirm, terms: SourceTerms) -> Array:
    debt = default_point(firm.short_term or 0.0, firm.long_term or 0.0, terms.weight)
    if debt <= 0.0:
        raise InputError(DEBT, "must leave a default point > 0: no debt, no default")
    return debt


def _peers(firms: Sequence[PeerFirm], terms: SourceTerms) -> Peers:
    """Assets of the peers as their equity implies them."""
    implied = []
    for firm in firms:
        with _named(f"peer {firm.name}"):
            check("earnings", firm.earnings, POSITIVE)
            implied.append(assets(firm.equity, _debt(firm, terms), firm.equity_volatility, 1.0, terms.rate))
    values, volatilities = zip(*implied, strict=True)
    return Peers(np.array(values), np.array([firm.earnings for firm in firms]), np.array(volatilities))


@contextmanager
def _named(who: str) -> Iterator[None]:
    """Put the firm's name before whatever is wrong with its inputs."""
    try:
        yield
    except InputError as error:
        raise type(error)(f"{who}: {error.argument}", error.rule, error.value) from None
    except ConvergenceError as error:
        raise ConvergenceError(Phrase("{who}: {reason}", who=who, reason=error.sentence)) from None
