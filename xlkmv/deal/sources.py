"""Default probabilities of obligors, each by the method that its data allow, in one table.

=========== ============================================================ ==========================
method      needs                                                        its range comes from
=========== ============================================================ ==========================
given       pd; low and high if known                                    low and high
rating      a grade of the user's scale                                  the grades beside it
listed      equity and its volatility, or a series of equity values;     standard error of the
            debt                                                         volatility, from a series
comparables earnings (EBITDA or book assets), debt, listed peers of      how far the peers lie apart
            its industry
history     defaults in obligor-years                                    posterior distribution
=========== ============================================================ ==========================
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from xlkmv.deal.terms.curves import graded
from xlkmv.errors import ConvergenceError, DomainError, InputError, MissingError
from xlkmv.kinds import check_kinds
from xlkmv.model.calibration import edf, fit_series
from xlkmv.model.distance import default_point, distance_to_default, linear_distance_to_default
from xlkmv.model.domain import POSITIVE, PROBABILITY, Array, check, check_number
from xlkmv.model.history import history_pd
from xlkmv.model.merton import asset_value_at_volatility, assets
from xlkmv.model.private import DISTANCES, MIN_PEERS, Peers, private_firm
from xlkmv.phrase import CLAUSES, Phrase, joined
from xlkmv.shown import Shown

__all__ = ["METHODS", "ObligorPd", "ObligorSource", "PeerFirm", "SourceTerms", "obligor_pd", "obligor_pds"]


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
    equity, equity_volatility : float or None
        Market value, money; per annum.
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
    """

    scale: Sequence[tuple[str, float]] = ()
    peers: Sequence[PeerFirm] = ()
    rate: float = 0.0
    weight: float = 0.5
    convention: str = "log"
    mapping: tuple[Sequence[float], Sequence[float]] | None = None
    level: float = 0.9

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
        """Distance to default over one year, by the convention."""
        if self.convention == "linear":
            return linear_distance_to_default(value, debt, volatility)
        return distance_to_default(value, debt, volatility, 1.0, drift)

    def probability(self, distance: Array) -> Array:
        """PD of a distance, by the map where there is one."""
        return np.asarray(ndtr(-distance)) if self.mapping is None else edf(distance, *self.mapping)


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
    """

    name: str
    method: str
    pd: float
    distance: float
    low: float | None
    high: float | None
    note: str


def obligor_pds(rows: Sequence[ObligorSource], terms: SourceTerms | None = None) -> tuple[ObligorPd, ...]:
    """Default probability of each obligor by its own method.

    Parameters
    ----------
    rows : sequence of ObligorSource
    terms : SourceTerms, optional
        Scale, peers, rate, conventions; by default none of the first two.

    Returns
    -------
    tuple of ObligorPd
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
    return tuple(found)


def obligor_pd(row: ObligorSource, terms: SourceTerms) -> ObligorPd:
    """Default probability of one obligor by its method.

    Parameters
    ----------
    row : ObligorSource
    terms : SourceTerms

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


# ------------------------------------------------------------------------------- one method each


def _given(row: ObligorSource, terms: SourceTerms) -> ObligorPd:
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


def _rated(row: ObligorSource, terms: SourceTerms) -> ObligorPd:
    grade = str(_needed(row, "rating"))
    if not terms.scale:
        raise InputError("rating", "needs a scale of grades and PDs", grade)
    pd = float(graded([grade], terms.scale)[0])
    place = [g.casefold() for g, _ in terms.scale].index(grade.casefold())
    pds = [p for _, p in terms.scale]
    # Half way, in logs, to the grade beside it; beyond the ends of the scale as far as on the other side.
    better = np.sqrt(pd / pds[place - 1]) if place and pds[place - 1] > 0.0 else None
    worse = np.sqrt(pds[place + 1] / pd) if place + 1 < len(pds) and pd > 0.0 else None
    down, up = better or worse or 1.0, worse or better or 1.0
    note = Phrase("grade {grade} of the scale; range half way to the grades beside it", grade=grade)
    return ObligorPd(
        row.name, row.method, pd, float(-ndtri(pd)), float(pd / down), float(min(pd * up, 1.0)), note
    )


def _listed(row: ObligorSource, terms: SourceTerms) -> ObligorPd:
    debt = _debt(row, terms)
    if row.prices:
        fit = fit_series(row.prices, debt, terms.rate, row.periods_per_year)
        if not fit.converged:
            raise ConvergenceError(
                Phrase(
                    "prices must determine the assets (stopped after {iterations} steps)",
                    iterations=fit.iterations,
                )
            )
        reach = float(-ndtri(0.5 * (1.0 - terms.level))) * fit.volatility_error / fit.volatility
        sigma = fit.volatility * np.exp(np.array([0.0, -reach, reach]))
        value = asset_value_at_volatility(row.prices[-1], debt, sigma, 1.0, terms.rate)
        source = Phrase("{count} prices", count=len(row.prices))
    else:
        value, sigma = assets(
            _needed(row, "equity"), debt, _needed(row, "equity_volatility"), 1.0, terms.rate
        )
        source = Phrase("equity and its volatility, typed: no range")
    distance = np.atleast_1d(terms.distance(value, debt, sigma, row.drift))
    pds = terms.probability(distance)
    low, high = (float(pds.min()), float(pds.max())) if row.prices else (None, None)
    note = joined([source, _assets(value.flat[0], sigma.flat[0], debt)], CLAUSES)
    return ObligorPd(row.name, row.method, float(pds[0]), float(distance[0]), low, high, note)


def _compared(row: ObligorSource, terms: SourceTerms) -> ObligorPd:
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
    return ObligorPd(
        row.name, row.method, float(firm.pd), float(firm.distance), float(firm.low), float(firm.high), note
    )


def _observed(row: ObligorSource, terms: SourceTerms) -> ObligorPd:
    d, n = _needed(row, "defaults"), _needed(row, "obligor_years")
    found = history_pd(d, n, terms.level)
    pd = float(found.mean)
    note = Phrase("{d:g} of {n:g} obligor-years in default, Jeffreys' prior", d=d, n=n)
    return ObligorPd(row.name, row.method, pd, float(-ndtri(pd)), float(found.low), float(found.high), note)


METHODS: dict[str, Callable[[ObligorSource, SourceTerms], ObligorPd]] = {
    "given": _given,
    "rating": _rated,
    "listed": _listed,
    "comparables": _compared,
    "history": _observed,
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
        raise InputError("short_term and long_term", "must leave a default point > 0: no debt, no default")
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
