"""Where each class stands today: the dynamic rating, beside that of closing.

The last date of the record is seen as a new closing, and rated by the rules that hold at closing
(:mod:`xlkmv.deal.answers`). While cash is missing that nothing known explains, no class is rated better
than at closing in either view: it is held there, and what was computed is told beside it. What the record
teaches of level and volatility moves the KMV view alone, the simulation knows defaults only: so the PD to
quote follows where the KMV view is worse than at closing, by as many standard deviations, up to that view.
"""

from __future__ import annotations

from dataclasses import dataclass

from scipy.special import ndtr, ndtri

from xlkmv.deal.analysis import Analysis
from xlkmv.deal.answers import ClassAnswer, Quote, class_answers, quote_of
from xlkmv.deal.questions.surveillance import Surveillance
from xlkmv.deal.terms import TOLERANCE, ClassScale, Deal
from xlkmv.phrase import Phrase
from xlkmv.shown import Results, Shown

__all__ = ["HELD", "REPAID", "ClassToday", "alert", "classes_today"]

HELD, REPAID = Phrase("held at closing"), Phrase("repaid")


@dataclass(frozen=True, slots=True, repr=False)
class ClassToday(Shown):
    """One class as seen from the last date of the record; as at closing while nothing has been seen.

    Attributes
    ----------
    name : str
    balance : float
        Outstanding, money.
    closing : ClassAnswer
        As at closing.
    grade : str
        Of the PD to quote over the years that are left, by the terms' scale; "repaid" for a class of
        which nothing is outstanding. Held at that of closing where it would be better.
    quote : Quote
        PD to quote from today, by the rule that holds at closing; as much worse as the KMV view, and held
        likewise. 0 of a class that is repaid.
    simulated : float
        Simulated any-date PD from today, held likewise.
    computed_grade, computed, computed_simulated : str, Quote, float
        The same three before they are held.
    held : bool
        Whether any figure of it, in either view, stands as at closing because cash is missing.
    alert : str
        What is wrong with it, in a word; see :func:`alert`.
    """

    name: str
    balance: float
    closing: ClassAnswer
    grade: str
    quote: Quote
    simulated: float
    computed_grade: str
    computed: Quote
    computed_simulated: float
    held: bool
    alert: str


def classes_today(deal: Deal, analysis: Analysis) -> Results[ClassToday]:
    """Rate each class from the last date of the record.

    Parameters
    ----------
    deal : Deal
    analysis : Analysis
        Of the deal; of a quick look, too.

    Returns
    -------
    Results of ClassToday
        In the order of ``deal.tranches``.
    """
    s, times, scale = analysis.surveillance, deal.terms.times, deal.terms.class_scale
    run, found = analysis.simulated_now or analysis.simulated_base, []
    passed = float(times[s.seen - 1]) if s.seen else 0.0
    for k, closing in enumerate(class_answers(deal, analysis)):
        share, then = run.tranches[k].anydate_pd, analysis.simulated_base.tranches[k].anydate_pd
        computed = closing.quote
        if s.seen:
            computed = quote_of(share, run.paths, float(s.computed_supported_pd[k]))
        left = closing.horizon - passed
        # A payment that was missed has been missed over any horizon.
        over = left if left > 0.0 else passed
        repaid = s.balance[k] <= TOLERANCE * deal.tranches[k].amount and share == 0.0
        if repaid:  # nothing is left that it could miss, whoever has paid it
            computed = Quote(0.0, REPAID, "repaid")
        computed_grade: str = REPAID if repaid else scale.grade(computed.pd, over)
        if computed.source == "bound":
            # A bound of so many paths may be above what a grade allows over few years: that is no downgrade.
            by_view = scale.grade(float(s.computed_supported_pd[k]), over)
            computed_grade = _ordered(scale, by_view, closing.grade, computed_grade)[1]
        grade, quote, simulated = computed_grade, computed, share
        # As computed: the view that is held at closing may be above it by rounding.
        view = float(s.computed_supported_pd[k])
        worse = _carried(closing.quote.pd, analysis.base.tranches[k].anydate_pd_at_maturity, view)
        if s.seen and not repaid and worse > computed.pd:
            quote = Quote(worse, Phrase("as much worse as the KMV view"), "carried")
            grade = _ordered(scale, grade, scale.grade(worse, over))[-1]
        if s.holds[k, -1]:
            # Each grade is over its own years, all of them or those that are left: the worse one holds.
            grade, simulated = _ordered(scale, closing.grade, grade)[-1], max(share, then)
            if quote.pd < closing.quote.pd:
                quote = Quote(closing.quote.pd, Phrase("held: cash is missing"), "held")
        moved = (grade, quote, simulated) != (computed_grade, computed, share)
        held = bool(s.held[k, -1]) or (bool(s.holds[k, -1]) and moved)
        found.append(
            ClassToday(
                name=closing.name,
                balance=float(s.balance[k]),
                closing=closing,
                grade=grade,
                quote=quote,
                simulated=simulated,
                computed_grade=computed_grade,
                computed=computed,
                computed_simulated=share,
                held=held,
                alert=alert(s, k, s.seen, held),
            )
        )
    return Results(found)


def alert(seen: Surveillance, k: int, dates: int, held: bool | None = None) -> str:
    """Say what is wrong with a class after some dates, in a few words.

    Parameters
    ----------
    seen : Surveillance
    k : int
        Position of the class.
    dates : int
        Dates that have passed, 0 to those that have been seen.
    held : bool, optional
        Whether a figure of it is held at closing; by the KMV view when left out.

    Returns
    -------
    str
        "missed by pool and reserve", "alert", "behind plan, held", "behind plan", "held at closing" or
        "none".
    """
    if seen.missed[k, dates]:
        return Phrase("missed by pool and reserve")
    if seen.alert[k, dates]:
        return Phrase("alert")
    held = bool(seen.held[k, dates]) if held is None else held
    if dates and seen.behind[dates - 1]:
        return Phrase("behind plan, held") if held else Phrase("behind plan")
    return HELD if held else Phrase("none")


def _carried(quoted: float, then: float, now: float) -> float:
    """PD that was quoted when the KMV view had another, as much nearer to default as that has come, up to it.

    0 where the KMV view is no worse now.
    """
    if now <= then:
        return 0.0
    return now if then == 0.0 else min(now, float(ndtr(ndtri(quoted) + ndtri(now) - ndtri(then))))


def _ordered(scale: ClassScale, *grades: str) -> list[str]:
    """Grades of a scale, the best first; one below its last is the worst."""
    order = {grade: place for place, grade in enumerate(scale.grades)}
    return sorted(grades, key=lambda grade: order.get(grade, len(order)))
