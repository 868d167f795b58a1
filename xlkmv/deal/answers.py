"""What an analyst takes home, class by class: the one place where these figures are defined.

Two views give a default probability for each class. Which of them is quoted, and why, is a rule
(:func:`quoted_pd`), not a choice of the reader's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from scipy.special import betaincinv

from xlkmv.deal.analysis import UNSUPPORTED, Analysis
from xlkmv.deal.kmv import KmvView, kmv_view
from xlkmv.deal.paths.executors import Executor
from xlkmv.deal.paths.measures import ENOUGH, Simulation
from xlkmv.deal.paths.run import Progress, simulate_stresses
from xlkmv.deal.plan.waterfall import waterfall
from xlkmv.deal.questions.uncertainty import ClassUncertainty, Uncertainty
from xlkmv.deal.stress import BASE, apply
from xlkmv.deal.terms import Deal
from xlkmv.model.domain import Array
from xlkmv.model.loans import internal_rate, weighted_average_life
from xlkmv.phrase import Phrase
from xlkmv.shown import Results, Shown

__all__ = [
    "CONFIDENCE",
    "ENOUGH",
    "SMALLEST_END",
    "TOO_FEW",
    "TOO_FEW_BRIEFLY",
    "TOO_WIDE",
    "ClassAnswer",
    "Quote",
    "Views",
    "class_answers",
    "condition_quotes",
    "loss_given_default",
    "quote_of",
    "quoted_pd",
    "range_of",
    "range_text",
    "rate",
    "strongest_conditions",
    "upper_bound",
]

# How sure it is that a probability lies below its bound.
CONFIDENCE = 0.95
# Ends of intervals below this are not told apart.
SMALLEST_END = 1e-6
# In place of an interval that the simulation does not show: where there is room, and where there is little.
TOO_FEW = Phrase("too few paths: raise them")
TOO_FEW_BRIEFLY = Phrase("too few paths")
# In place of one that is not known to a factor e, and of shares that say nothing.
TOO_WIDE = Phrase("too wide to say")


@runtime_checkable
class Views(Protocol):
    """What the answers are made of; see :class:`~xlkmv.deal.analysis.Analysis`, which has it all."""

    @property
    def base(self) -> KmvView:
        """The plan as it is, KMV view."""

    @property
    def simulated_base(self) -> Simulation:
        """The plan as it is, simulated."""

    @property
    def simulated_unsupported(self) -> Simulation:
        """The plan without the undertaking, simulated."""

    @property
    def average_life(self) -> Array:
        """Of each class when everybody pays, shape (k,), years."""

    @property
    def uncertainty(self) -> Uncertainty | None:
        """How well the answers are known; None where nobody says how well the inputs are."""


@dataclass(frozen=True, slots=True, repr=False)
class Quote(Shown):
    """A default probability to quote.

    Attributes
    ----------
    pd : float
    why : str
        Where it comes from, in a few words; a :class:`~xlkmv.phrase.Phrase`.
    source : {"simulated", "KMV", "bound", "held", "carried", "repaid"}
    """

    pd: float
    why: str
    source: str = "simulated"


@dataclass(frozen=True, slots=True, repr=False)
class ClassAnswer(Shown):
    """What there is to say of one class.

    Attributes
    ----------
    name : str
    grade : str
        Best grade of the terms' scale whose default rate by `horizon` is not below the quoted PD.
    horizon : float
        Years from closing to the date by which the class has to be repaid in the KMV view.
    quote : Quote
        Probability that anything due is missed on at least one date; the undertaking counted.
    alone : Quote or None
        The same without the undertaking; None where none stands behind the class.
    coverage, distance : float
        Of the KMV view at `horizon`: pool (and reserve, where it protects the class) against dues.
    expected_loss : float
        Simulated: principal never repaid, as a share of the class.
    loss_given_default : float
        As a share of the class; NaN where no path is short.
    average_life : float
        Of the principal when everybody pays, years; NaN where nothing is repaid.
    yield_at_par : float
        Annual rate at which the expected payments are worth the amount; NaN where nothing is paid.
    pd_range, distance_range, loss_range : (float, float) or None
        Ends of the 90 % intervals of quoted PD, distance and expected loss, as the ranges of the inputs
        give them; None where no input has one, of the PD and the loss also where too few paths are short,
        or an end is not known to a factor e.
    pd_range_error, loss_range_error : (float, float) or None
        Standard errors of these ends.
    pd_range_of : str
        Which view the interval of the PD is of, or why there is none; a :class:`~xlkmv.phrase.Phrase`. ""
        where no input has a range.
    """

    name: str
    grade: str
    horizon: float
    quote: Quote
    alone: Quote | None
    coverage: float
    distance: float
    expected_loss: float
    loss_given_default: float
    average_life: float
    yield_at_par: float
    pd_range: tuple[float, float] | None = None
    distance_range: tuple[float, float] | None = None
    loss_range: tuple[float, float] | None = None
    pd_range_error: tuple[float, float] | None = None
    loss_range_error: tuple[float, float] | None = None
    pd_range_of: str = ""


def class_answers(deal: Deal, analysis: Views) -> Results[ClassAnswer]:
    """Say of each class what an analyst asks first.

    Parameters
    ----------
    deal : Deal
    analysis : Views
        Such as the :class:`~xlkmv.deal.analysis.Analysis` of the deal; of a quick look, too.

    Returns
    -------
    Results of ClassAnswer
        In the order of ``deal.tranches``.
    """
    times, paths = deal.terms.times, analysis.simulated_base.paths
    answers = []
    for k, tranche in enumerate(deal.tranches):
        view, run = analysis.base.tranches[k], analysis.simulated_base.tranches[k]
        quote = quote_of(run.anydate_pd, paths, view.anydate_pd_at_maturity)
        alone = None
        if deal.controls.support and deal.senior[k]:
            unsupported = analysis.simulated_unsupported
            pool_pd = float(view.risk.anydate_pd[view.maturity])
            alone = quote_of(unsupported.tranches[k].anydate_pd, unsupported.paths, pool_pd)
        horizon = float(times[view.maturity])
        known = None if analysis.uncertainty is None else analysis.uncertainty.classes[k]
        answers.append(
            ClassAnswer(
                name=tranche.name,
                grade=deal.terms.class_scale.grade(quote.pd, horizon),
                horizon=horizon,
                quote=quote,
                alone=alone,
                coverage=view.coverage_at_maturity,
                distance=view.distance_at_maturity,
                expected_loss=run.expected_loss,
                loss_given_default=loss_given_default(run.expected_loss, run.anydate_pd),
                average_life=float(analysis.average_life[k]),
                yield_at_par=internal_rate(times, run.expected_paid, tranche.amount),
                **_ranges(known, quote, view.anydate_pd_at_maturity, run.expected_loss),
            )
        )
    return Results(answers)


def range_of(answer: ClassAnswer) -> str:
    """Interval of a PD where there is little room, or why there is none.

    Parameters
    ----------
    answer : ClassAnswer

    Returns
    -------
    str
        Empty without ranges.
    """
    if answer.pd_range is None and answer.pd_range_of:
        return TOO_WIDE if answer.pd_range_of == TOO_WIDE else TOO_FEW_BRIEFLY
    return range_text(answer.pd_range)


def _ranges(known: ClassUncertainty | None, quote: Quote, kmv: float, loss: float) -> dict[str, Any]:
    """Ends of the intervals of an answer, their errors, and which view they are of.

    An interval holds what is quoted. The simulation's does so by itself, but where the base run is short
    too seldom and a bound or the KMV view is quoted. A bound beside the KMV view is one over the whole
    range of the inputs, as the paths of all runs are short as seldom: below it anything is possible
    down to that view.
    """
    if known is None:
        return {}
    found: dict[str, Any] = {"distance_range": None if np.isnan(known.distance[0]) else known.distance}
    lost = known.expected_loss
    if lost is not None and lost.told(loss, SMALLEST_END):
        found |= {"loss_range": lost.around(loss), "loss_range_error": lost.errors(loss)}
    if known.pd is None:
        return found | {"pd_range_of": TOO_FEW}
    figure = kmv if quote.source == "bound" and not known.simulated else quote.pd
    if not known.pd.told(figure, SMALLEST_END):
        return found | {"pd_range_of": TOO_WIDE}
    low, high = known.pd.around(figure)
    if quote.source == "bound":
        low, high = min(low, quote.pd), max(high, quote.pd)
    of = _INTERVAL_OF[known.simulated, quote.source]
    return found | {"pd_range": (low, high), "pd_range_error": known.pd.errors(figure), "pd_range_of": of}


_INTERVAL_OF = {
    (True, "simulated"): Phrase("the simulation"),
    (True, "KMV"): Phrase("simulation to KMV view"),
    (True, "bound"): Phrase("the simulation"),
    (False, "simulated"): Phrase("the KMV view"),
    (False, "KMV"): Phrase("the KMV view"),
    (False, "bound"): Phrase("KMV view to the bound"),
}


def condition_quotes(analysis: Analysis, k: int) -> tuple[Quote, ...]:
    """PD to quote of one class under each preset condition; see :func:`quoted_pd`.

    Parameters
    ----------
    analysis : Analysis
    k : int
        Position of the class.

    Returns
    -------
    tuple of Quote
        In the order of the conditions; none of a quick look, which does not simulate them.
    """
    return tuple(
        quote_of(
            found.simulation.tranches[k].anydate_pd,
            found.simulation.tranches[k].effective_paths,
            view.tranches[k].anydate_pd_at_maturity,
        )
        for found, view in zip(analysis.simulated, analysis.scenarios, strict=False)
    )


def strongest_conditions(quotes: Sequence[Quote], most: int = 10) -> list[int]:
    """Positions of the conditions that move the quoted PD most, by its ratio to that of the first, the base.

    A bound moves nothing up: it tells how few paths were paid.

    Parameters
    ----------
    quotes : sequence of Quote
        The base first; see :func:`condition_quotes`.
    most : int
        How many positions to return.

    Returns
    -------
    list of int
        Highest PD first; conditions that leave it as it is are not among them.
    """
    base = quotes[0].pd
    moved = [
        0.0 if quote.source == "bound" and quote.pd > base else abs(math.log(quote.pd / base))
        for quote in quotes
    ]
    strongest = sorted(range(len(quotes)), key=lambda row: (-moved[row], row))[:most]
    return sorted((row for row in strongest if moved[row] > 0.0), key=lambda row: (-quotes[row].pd, row))


@dataclass(frozen=True, slots=True, eq=False)
class _Rated:
    """The views of a deal, and nothing else of its analysis."""

    base: KmvView
    simulated_base: Simulation
    simulated_unsupported: Simulation
    average_life: Array
    uncertainty: Uncertainty | None = None


def rate(
    deal: Deal,
    *,
    paths: int | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Results[ClassAnswer]:
    """Answer for a deal as it is, without its conditions: what :func:`class_answers` says of its analysis.

    Parameters
    ----------
    deal : Deal
    paths, executor, progress
        As in :func:`~xlkmv.deal.paths.run.simulate`.

    Returns
    -------
    Results of ClassAnswer
        In the order of ``deal.tranches``.
    """
    stresses = [BASE, UNSUPPORTED] if deal.controls.support else [BASE]
    runs = simulate_stresses(deal, stresses, paths=paths, executor=executor, progress=progress)
    base = kmv_view(deal)
    planned = waterfall(apply(deal, BASE), volatility=base.volatility, drift=base.drift)
    life = weighted_average_life(deal.terms.times, planned.principal_paid)
    return class_answers(deal, _Rated(base, runs[0], runs[-1], life))


def range_text(ends: tuple[float, float] | None) -> str:
    """Say an interval of probabilities in a few words, such as "0.003 to 0.06 %"; "" where there is none.

    Of a low end that is next to nothing the high one alone.

    Parameters
    ----------
    ends : (float, float) or None

    Returns
    -------
    str
        A :class:`~xlkmv.phrase.Phrase`.
    """
    if ends is None:
        return ""
    low, high = ends
    if low < SMALLEST_END and high > 0.0:
        return Phrase("below {high} %", high=_percent(max(high, SMALLEST_END)))
    return Phrase("{low} to {high} %", low=_percent(low), high=_percent(high))


def _percent(p: float) -> str:
    """Per cent to two digits; of what is nearly certain, to as many as tell it from 100."""
    return f"{100.0 * p:.2g}" if p < 0.99 else f"{100.0 * p:.4g}"


def quoted_pd(short: int, paths: int, kmv: float) -> Quote:
    """Default probability to quote of a class, and why.

    The simulation sees lumpy pools and controls that act along the path, so its share of short paths
    is quoted once it is a figure: from :data:`ENOUGH` short paths on. With fewer it says no more than
    an upper bound, and the smooth KMV view may lie on either side of it: the larger of the two is
    quoted, which nothing that was computed contradicts. The bound is never above the share that
    :data:`ENOUGH` paths are, or a plan with fewer short paths would be quoted worse than one with more.

    Parameters
    ----------
    short, paths : int
        Simulated paths on which something due is missed, and all of them.
    kmv : float
        Any-date PD of the KMV view.

    Returns
    -------
    Quote
    """
    if short >= ENOUGH:
        return Quote(short / paths, Phrase("simulated"))
    bound = min(upper_bound(short, paths), ENOUGH / paths)
    # Two phrases each: not every language can say none in the place of a number.
    if kmv > bound:
        seen = Phrase("KMV view; {short} of {paths:,} paths", short=short, paths=paths)
        return Quote(kmv, seen if short else Phrase("KMV view; none of {paths:,} paths", paths=paths), "KMV")
    seen = Phrase("bound: {short} of {paths:,} paths", short=short, paths=paths)
    return Quote(bound, seen if short else Phrase("bound: none of {paths:,} paths", paths=paths), "bound")


def upper_bound(short: int, paths: int) -> float:
    """Probability below which the true one lies, however it came to be, with confidence of 95 %.

    Of Clopper and Pearson: with it, as many short paths or fewer are seen in one run of twenty;
    ``1 - 0.05^(1/n)``, nearly 3/n, where none is.

    Parameters
    ----------
    short, paths : int
        Simulated paths that are short, and all of them.

    Returns
    -------
    float
    """
    return 1.0 if short >= paths else float(betaincinv(short + 1.0, paths - short, CONFIDENCE))


def loss_given_default(expected_loss: float, default_probability: float) -> float:
    """Expected loss of a class on the paths on which it misses anything, as a share of the class.

    Parameters
    ----------
    expected_loss, default_probability : float
        Of one simulation: what is lost on paths that miss nothing is nothing.

    Returns
    -------
    float
        NaN where no path is short.
    """
    return expected_loss / default_probability if default_probability > 0.0 else np.nan


def quote_of(share: float, paths: int, kmv: float) -> Quote:
    """Default probability to quote of a class, from the share of the paths that are short.

    Parameters
    ----------
    share : float
    paths : int
    kmv : float
        As in :func:`quoted_pd`.

    Returns
    -------
    Quote
    """
    return quoted_pd(round(share * paths), paths, kmv)
