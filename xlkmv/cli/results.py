"""What a refresh has found, for people: the answer, the views, the conditions, and what they mean."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from xlkmv.cli.output import ALARM, Output, distance, number, table
from xlkmv.phrase import CLAUSES, LIST, Phrase, Say, joined, said

if TYPE_CHECKING:
    from rich.table import Table

    from xlkmv.deal.analysis import Analysis
    from xlkmv.deal.kmv import TrancheView
    from xlkmv.deal.paths.measures import TrancheRisk
    from xlkmv.deal.questions.uncertainty import Uncertainty
    from xlkmv.deal.terms import Deal

__all__ = ["print_results"]


def print_results(deal: Deal, analysis: Analysis, out: Output) -> None:
    """Print the results of a deal.

    Parameters
    ----------
    deal : Deal
    analysis : Analysis
        Of the deal.
    out : Output
    """
    from xlkmv.deal.reading import READINGS, alarming, read

    _ = out.say
    lines = read(deal, analysis)
    if alarming(lines["pool"]):
        out.print(lines["pool"], "", style=ALARM)
    out.print(_answers(deal, analysis, _))
    if analysis.surveillance.seen:
        out.print(_today(deal, analysis, _))
    out.print(_views(deal, analysis, _), _conditions(deal, analysis, _))
    _legend(deal, analysis, out)
    for key, text in lines.items():
        sentence = Phrase("{about}: {sentence}", about=Phrase(READINGS[key]), sentence=text)
        out.print(sentence, style=ALARM if alarming(text) else None)
    if analysis.quick:
        out.print("", Phrase("A quick look: refresh without --quick for everything."), style=ALARM)


def _conditions(deal: Deal, analysis: Analysis, _: Say) -> Table:
    """The headline class under each preset condition."""
    from xlkmv.deal.figures import probability

    headline = deal.tranches[analysis.headline]
    title = _("{name} under each preset condition").format(name=headline.name)
    simulated = [] if analysis.quick else [_("Simulated")]
    found = table(title, _("Scenario"), _("DD"), _("PD"), _("Any date"), *simulated)
    # None of them is simulated for a quick look.
    runs = [row.simulation.tranches[analysis.headline].anydate_pd for row in analysis.simulated]
    for view, run in itertools.zip_longest(analysis.scenarios, runs):
        tranche = view.tranches[analysis.headline]
        found.add_row(
            _(view.stress.name),
            distance(tranche.distance_at_maturity, _),
            probability(tranche.pd_at_maturity),
            probability(tranche.anydate_pd_at_maturity),
            *[] if run is None else [said(probability(run, simulated=True), _)],
        )
    return found


def _legend(deal: Deal, analysis: Analysis, out: Output) -> None:
    """What the figures of the tables are, and whether the checks hold."""
    cover = Phrase("Coverage, DD: of the pool; senior classes with the reserve.")
    if deal.controls.support:
        cover = Phrase(
            "Coverage, DD: of the pool; senior classes with the reserve, and their PDs with the undertaking "
            "(by pool and reserve: without)."
        )
    out.print(
        Phrase(
            "Pool: volatility {sigma:.2%}, drift {drift:.2%} p.a. ({source}).",
            sigma=analysis.base.volatility,
            drift=analysis.base.drift,
            source=Phrase(deal.terms.volatility_source),
        ),
        cover,
        Phrase("PD: short at the maturity. Any date: short on at least one date."),
        Phrase(
            "Simulated: any date, every obligor may default, {paths:,} paths.",
            paths=analysis.simulated_base.paths,
        ),
    )
    if analysis.uncertainty is not None:
        _what_matters(deal.tranches[analysis.headline].name, analysis.uncertainty, analysis.headline, out)
    laws = [c for c in analysis.checks if not c.warning]
    checks = Phrase("Checks: all {count} laws hold", count=len(laws))
    if failed := [c.name for c in laws if not c.passed]:
        checks = Phrase("Checks: FAILED: {names}", names=joined(failed, CLAUSES))
    odd = sum(c.outcome == "look" for c in analysis.checks)
    more = Phrase("no inputs to look at again.")
    if odd == 1:
        more = Phrase("1 input to look at again.")
    elif odd:
        more = Phrase("{count} inputs to look at again.", count=odd)
    out.print(joined([checks, more], CLAUSES), "")


def _what_matters(name: str, known: Uncertainty, headline: int, out: Output) -> None:
    """What the intervals are of, and the inputs that matter most to the headline class."""
    ranked = known.ranked(headline)
    out.print(Phrase("90 %: interval of the PD to quote, by the ranges of the inputs."))
    if ranked:
        most = [
            Phrase("{label} {share:.0%}", label=label, share=share) for label, *_, share, _error in ranked[:3]
        ]
        out.print(Phrase("What matters most to {name}: {most}.", name=name, most=joined(most, LIST)))


def _answers(deal: Deal, analysis: Analysis, _: Say) -> Table:
    """Each class as sheet Home has it; a column without undertaking where one stands behind a class."""
    from xlkmv.deal.answers import class_answers, range_of
    from xlkmv.deal.figures import probability

    answers = class_answers(deal, analysis)
    supported, ranged = any(a.alone for a in answers), any(a.pd_range_of for a in answers)
    columns = (
        *(
            _("Grade"),
            _("PD to\nquote"),
            *[_("90 %")] * ranged,
            _("Why"),
            *[_("PD without\nundertaking")] * supported,
        ),
        *(_("Loss"), _("LGD"), _("Life"), _("Yield")),
    )
    found = table(_("Each class: grade by default rates of rated companies, no rating"), _("Class"), *columns)
    why = found.columns[3 + ranged]
    why.justify, why.no_wrap = "left", False
    for a in answers:
        alone = [probability(a.alone.pd) if a.alone else "-"] if supported else []
        found.add_row(
            a.name,
            said(a.grade, _),
            probability(a.quote.pd),
            *[said(range_of(a), _)] * ranged,
            said(a.quote.why, _),
            *alone,
            said(probability(a.expected_loss, simulated=True), _),
            number(a.loss_given_default, ".2%", _),
            number(a.average_life, ".2f", _),
            number(a.yield_at_par, ".2%", _),
        )
    return found


def _today(deal: Deal, analysis: Analysis, _: Say) -> Table:
    """Each class as sheet Today has it: by what has come in, beside closing."""
    from xlkmv.deal.figures import probability
    from xlkmv.deal.standing import classes_today

    columns = (
        *(_("Grade at\nclosing"), _("Grade\nnow"), _("PD to quote\nat closing"), _("PD to quote\nnow")),
        *(_("Why"), _("Alert")),
    )
    found = table(_("Each class at closing and now"), _("Class"), *columns)
    for place in (5, 6):
        found.columns[place].justify, found.columns[place].no_wrap = "left", False
    for c in classes_today(deal, analysis):
        grades = (said(c.closing.grade, _), said(c.grade, _))
        pds = (probability(c.closing.quote.pd), probability(c.quote.pd))
        found.add_row(c.name, *grades, *pds, said(c.quote.why, _), said(c.alert, _))
    return found


def _views(deal: Deal, analysis: Analysis, _: Say) -> Table:
    """Risk of each tranche as it is, without the undertaking where that protects it, without controls."""
    from xlkmv.deal.figures import probability

    columns = (_("Controls"), _("Coverage"), _("DD"), _("PD"), _("Any date"), _("Simulated"))
    found = table(_("Default risk of each class by its maturity"), _("Class"), *columns)
    found.columns[1].no_wrap = False

    def row(
        name: str, controls: str, view: TrancheView, pds: tuple[float, float], simulated: TrancheRisk
    ) -> None:
        found.add_row(
            name,
            controls,
            number(view.coverage_at_maturity, ".3f", _),
            distance(view.distance_at_maturity, _),
            *map(probability, pds),
            said(probability(simulated.anydate_pd, simulated=True), _),
        )

    for k, on in enumerate(analysis.base.tranches):
        off, m = analysis.controls_off.tranches[k], on.maturity
        alone, pool = analysis.simulated_unsupported.tranches[k], (on.risk.pd[m], on.risk.anydate_pd[m])
        as_is, bare = ((v.pd_at_maturity, v.anydate_pd_at_maturity) for v in (on, off))
        row(on.name, _("as is"), on, as_is, analysis.simulated_base.tranches[k])
        if deal.controls.support and deal.senior[k]:
            row("", _("by pool and reserve"), on, pool, alone)
        row("", _("all off"), off, bare, analysis.simulated_off.tranches[k])
    return found
