"""What the memo says: words, tables and figures of its two pages, ready for any kind of file.

Nothing is computed here: every figure is one of the analysis, written as a banker reads it.
"""

from __future__ import annotations

import datetime as dt
import itertools
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from xlkmv.deal.analysis import Analysis
from xlkmv.deal.answers import ClassAnswer, class_answers, range_text
from xlkmv.deal.figures import coupon, distance, figure, probability
from xlkmv.deal.questions.contributions import Drivers
from xlkmv.deal.questions.diversification import telling_class
from xlkmv.deal.reading import READINGS, alarming, read
from xlkmv.deal.sources import METHODS as SOURCE_METHODS
from xlkmv.deal.stress import expected_recovery
from xlkmv.deal.terms import CONTROLS, Deal
from xlkmv.language import ENGLISH, catalogue
from xlkmv.model.domain import Array
from xlkmv.phrase import Say, said

__all__ = ["Assumption", "Cover", "Memo", "Move", "Sentence", "Stamp", "Table", "cut", "memo"]

# What two pages hold: classes, conditions, obligors, ways to spread the pool.
CLASSES, MOVES, OBLIGORS, SPREADS = 10, 10, 6, 6
# With so few classes page one has room for the break-even sizes, and page two for more assumptions.
FEW = 3
ASSUMPTIONS = {True: 26, False: 15}
# Characters of a name and of a line, longer ones are cut; width of a line of running text beside a label.
NAME, LONG, PACKED = 34, 88, 104
NONE = "–"


@dataclass(frozen=True, slots=True)
class Assumption:
    """A figure of the deal that nobody knows: taken for the analysis, and to be looked at.

    Attributes
    ----------
    place : str
        Sheet and cells: ``"Pool!D7:D17"``.
    label : str
        What it is.
    value : str
        As it is shown; of several cells least and largest.
    basis : str
        Where it comes from; "" where nobody says.
    count : int
        Cells of the line.
    """

    place: str
    label: str
    value: str
    basis: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True)
class Stamp:
    """Which run a memo shows.

    Attributes
    ----------
    time : datetime
    title : str
        What the deal is.
    source : str
        Name of the workbook; "" where there is none.
    digest : str
        Mark of the inputs, as the log of the workbook has it.
    versions : tuple of (str, str)
        Programs and their versions.
    money : str
        Currency and unit of all amounts; "" where nobody says.
    """

    time: dt.datetime
    title: str = ""
    source: str = ""
    digest: str = ""
    versions: tuple[tuple[str, str], ...] = ()
    money: str = ""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A line of the reading: what it is about, what it says, whether it has to be seen."""

    label: str
    text: str
    alarm: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table as words: a heading, rows of as many cells, a line below.

    Attributes
    ----------
    heading : tuple of str
    rows : tuple of tuple of str
        A line break in a cell parts what is said first from what is said of it.
    note : str
    left : tuple of int
        Columns of words; all others are of figures.
    """

    heading: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    left: tuple[int, ...] = (0,)


@dataclass(frozen=True, slots=True, eq=False)
class Cover:
    """Accumulated collections against accumulated dues, for a chart.

    Attributes
    ----------
    dates : tuple of date
        Closing first.
    paid_in : ndarray, shape (n + 1,)
        Pool, and reserve where it protects the headline class, money.
    dues : tuple of (str, ndarray)
        By class: dues to it and to all that rank with it or ahead.
    """

    dates: tuple[dt.date, ...]
    paid_in: Array
    dues: tuple[tuple[str, Array], ...]


@dataclass(frozen=True, slots=True)
class Move:
    """A step of a chart from one probability to another.

    Attributes
    ----------
    name : str
    start, end : float
    """

    name: str
    start: float
    end: float


@dataclass(frozen=True, slots=True, eq=False)
class Memo:
    """A memo, ready to be laid out.

    Attributes
    ----------
    language : str
    title, subtitle, quick : str
        `quick`: what has to be said of a quick look; "" of a whole run.
    headings : dict of str to str
        Headings of the parts and words of the charts, by key.
    deal : tuple of (str, str)
        What the deal is, in a few lines.
    classes : Table
    reading : tuple of Sentence
    headline : str
        Name of the class that the charts speak of.
    cover : Cover
    controls : tuple of Move
        From no control to all of them, each with its share; none where nothing is attributed.
    conditions : tuple of Move
        From the plan to each condition, those that move the PD most first.
    least : float
        Probability that one path of the simulation stands for.
    controls_note, conditions_note : str
    concentration : tuple of (str, str)
    drivers, spread, stress, assumptions : Table
    footer : tuple of str
    """

    language: str
    title: str
    subtitle: str
    quick: str
    headings: dict[str, str]
    deal: tuple[tuple[str, str], ...]
    classes: Table
    reading: tuple[Sentence, ...]
    headline: str
    cover: Cover
    controls: tuple[Move, ...]
    conditions: tuple[Move, ...]
    least: float
    controls_note: str
    conditions_note: str
    concentration: tuple[tuple[str, str], ...]
    drivers: Table
    spread: Table
    stress: Table
    assumptions: Table
    footer: tuple[str, ...]

    @property
    def roomy(self) -> bool:
        """Whether page one has room for the break-even sizes."""
        return _roomy(len(self.classes.rows))


def memo(
    deal: Deal,
    analysis: Analysis,
    stamp: Stamp,
    assumptions: Sequence[Assumption] = (),
    language: str = ENGLISH,
    pd_methods: Sequence[str] = (),
) -> Memo:
    """Put an analysis into the words of a memo.

    Parameters
    ----------
    deal : Deal
    analysis : Analysis
        Of the deal; a quick look is marked as one.
    stamp : Stamp
    assumptions : sequence of Assumption
    language : str
        A key of :data:`~xlkmv.language.LANGUAGES`. Names of the deal and what the workbook says of its
        assumptions stay as they are.
    pd_methods : sequence of str
        Where the PD of each row of the pool comes from, "typed" or a method of
        :data:`~xlkmv.deal.sources.METHODS`; nothing is said of it when left out.

    Returns
    -------
    Memo

    Raises
    ------
    InputError
        When the language is not known.
    """
    _ = catalogue(language).gettext
    k = analysis.headline
    name = cut(deal.tranches[k].name)
    lines = read(deal, analysis)
    return Memo(
        language=language,
        title=cut(stamp.title, 2 * LONG) or _("Securitisation"),
        subtitle=_subtitle(_, analysis, stamp),
        quick=_("QUICK LOOK: few paths, no attribution, simulated conditions, drivers or break-even sizes.")
        if analysis.quick
        else "",
        headings=_headings(_, name, cut(stamp.money)),
        deal=_deal(_, deal, analysis, pd_methods),
        classes=_classes(_, deal, analysis),
        reading=tuple(
            Sentence(_(label), said(lines[key], _), alarming(lines[key])) for key, label in READINGS.items()
        ),
        headline=name,
        cover=_cover(deal, analysis),
        controls=_controls(_, analysis),
        conditions=_conditions(_, analysis),
        least=1.0 / analysis.simulated_base.paths,
        controls_note=_controls_note(_, analysis),
        conditions_note=_conditions_note(_, analysis),
        concentration=_concentration(_, analysis),
        drivers=_drivers(_, deal, analysis),
        spread=_spread(_, deal, analysis),
        stress=_stress(_, deal, analysis),
        assumptions=_assumptions(_, assumptions, len(deal.tranches)),
        footer=_footer(_, deal, analysis, stamp),
    )


def _roomy(classes: int) -> bool:
    return classes <= FEW


def cut(text: str, length: int = NAME) -> str:
    """Cut a text to a length; what is cut ends in an ellipsis.

    Parameters
    ----------
    text : str
    length : int
        Characters.

    Returns
    -------
    str
    """
    plain = " ".join(text.split())
    return plain if len(plain) <= length else f"{plain[: length - 1].rstrip()}…"


def _subtitle(_: Say, analysis: Analysis, stamp: Stamp) -> str:
    of_run = _("Credit memo, {day}: KMV view and simulation of {paths:,} paths").format(
        day=stamp.time.date(), paths=analysis.simulated_base.paths
    )
    return (
        _("{run}; amounts in {money}").format(run=of_run, money=cut(stamp.money)) if stamp.money else of_run
    )


def _headings(_: Say, name: str, money: str) -> dict[str, str]:
    money = money or _("Money")
    return {
        "deal": _("The deal"),
        "classes": _("The answer, class by class"),
        "reading": _("What it means"),
        "cover": _("Accumulated collections against accumulated dues, by plan"),
        "controls": _("What the controls do for {name}").format(name=name),
        "conditions": _("What moves the PD of {name} most").format(name=name),
        "drivers": _("Who drives the risk of {name}").format(name=name),
        "concentration": _("Concentration"),
        "spread": _("The pool spread otherwise"),
        "stress": _("Break-even stresses: {name} first misses").format(name=name),
        "assumptions": _("Assumptions"),
        # Words of the charts.
        "date": _("Payment date"),
        "money": money,
        "thousands": _("{money}, thousands").format(money=money),
        "millions": _("{money}, millions").format(money=money),
        "billions": _("{money}, billions").format(money=money),
        "paid_in": _("collections of the pool"),
        "due": _("due to {name} and what ranks ahead"),
        "pd_simulated": _("Any-date PD, simulated"),
        "pd_kmv": _("Any-date PD, KMV view"),
        "pd_log": _("logarithmic scale"),
        "none": _("none seen"),
        "plan": _("the plan"),
    }


# ------------------------------------------------------------------------------------ page one


def _deal(
    _: Say, deal: Deal, analysis: Analysis, pd_methods: Sequence[str] = ()
) -> tuple[tuple[str, str], ...]:
    pool, terms, c = deal.pool, deal.terms, analysis.concentration
    notes, weight = sum(t.amount for t in deal.tranches), pool.amount / pool.amount.sum()
    on = [_(control.label) for key, control in CONTROLS.items() if getattr(deal.controls, key)]
    lines = [
        (
            _("Pool"),
            _(
                "{obligors:,} obligors, financed {amount:,.0f}; average PD {pd} p.a., recovery {recovery:.0%}"
            ).format(
                obligors=c.obligors,
                amount=float(pool.amount.sum()),
                pd=probability(float(weight @ pool.pd)),
                recovery=float(weight @ expected_recovery(deal)),
            ),
        ),
        (
            _("Notes"),
            _("{classes} classes, {amount:,.0f} in all; fees {fees:.2%} p.a.").format(
                classes=len(deal.tranches), amount=notes, fees=terms.fee_rate
            ),
        ),
        (
            _("Dates"),
            _("closing {closing}; {count} payment dates, {first} to {last}").format(
                closing=terms.closing, count=len(terms.dates), first=terms.dates[0], last=terms.dates[-1]
            ),
        ),
        (_("Terms"), _("; ").join(_terms(_, deal))),
        (_("Controls"), _(", ").join(on) or _("none")),
        (
            _("Model"),
            _("volatility of the pool {sigma:.2%} p.a., drift {drift:.2%}; {copula} copula").format(
                sigma=analysis.base.volatility, drift=analysis.base.drift, copula=_(terms.copula)
            ),
        ),
    ]
    if pd_methods:
        lines.insert(1, (_("PDs"), _sources(_, deal, pd_methods)))
    return tuple(lines)


def _terms(_: Say, deal: Deal) -> list[str]:
    """How the plan pays, and what is tested, in a few words."""
    terms = deal.terms
    parts = [_("principal {order}").format(order=_(terms.principal))]
    if terms.revolving is not None:
        parts.append(_("revolving until {date}").format(date=terms.revolving))
    if terms.prepayment_type == "vector":
        parts.append(_("prepayment by vector"))
    elif terms.prepayment:
        kind = _(terms.prepayment_type)
        parts.append(_("prepayment {speed} {type}").format(speed=f"{terms.prepayment:.4g}", type=kind))
    if terms.cleanup:
        parts.append(_("clean-up call at {share:.4g}% of the pool").format(share=100.0 * terms.cleanup))
    for test in deal.covenants[:FEW]:
        sign = "≥" if test.side == "min" else "≤"
        parts.append(
            f"{cut(test.name)}: {_(test.metric)} {sign} {test.threshold:.4g} ({_(test.consequence)})"
        )
    if len(deal.covenants) > FEW:
        parts.append(_("... and {count} more").format(count=len(deal.covenants) - FEW))
    return parts


def _sources(_: Say, deal: Deal, methods: Sequence[str]) -> str:
    """Where the PDs of the pool come from: by method obligors, their share, least and largest PD."""
    pool, parts = deal.pool, []
    for method in dict.fromkeys(("typed", *SOURCE_METHODS)):
        rows = np.array([said_of == method for said_of in methods], bool)
        if rows.any():
            ends = dict.fromkeys(probability(float(x)) for x in (pool.pd[rows].min(), pool.pd[rows].max()))
            parts.append(
                _("{method}: {count:,} ({share:.0%} of the pool), {range}").format(
                    method=_(method),
                    count=int(pool.obligors[rows].sum()),
                    share=float(pool.share[rows].sum()),
                    range=" – ".join(ends),
                )
            )
    return _("; ").join(parts)


def _classes(_: Say, deal: Deal, analysis: Analysis) -> Table:
    answers = class_answers(deal, analysis)
    total = sum(t.amount for t in deal.tranches)
    rows: list[tuple[str, ...]] = []
    for answer, tranche in [*zip(answers, deal.tranches, strict=True)][:CLASSES]:
        due = deal.terms.dates[deal.legal_final(tranche)]
        terms = _("{amount:,.0f} ({share:.0%}), coupon {coupon}, due {due}").format(
            amount=tranche.amount,
            share=tranche.amount / total,
            coupon=coupon(tranche.coupon, tranche.base, tranche.margin),
            due=due,
        )
        rows.append(
            (
                f"{cut(answer.name)}\n{terms}",
                said(answer.grade, _),
                f"{probability(answer.quote.pd)}\n{_why(_, answer)}",
                NONE if answer.alone is None else probability(answer.alone.pd),
                _ratio(_, answer.coverage, "{:.3f}".format),
                _ratio(_, answer.distance, distance),
                _simulated(_, answer.expected_loss),
                _share(answer.loss_given_default, ".2%"),
                _share(answer.average_life, ".2f"),
                _share(answer.yield_at_par, ".2%"),
            )
        )
    heading: tuple[str, ...] = (
        _("Class"),
        _("Grade"),
        _("PD to quote"),
        _("PD without undertaking"),
        _("Coverage"),
        _("DD"),
        _("Expected loss"),
        _("LGD"),
        _("WAL, years"),
        _("Yield at par"),
    )
    if not deal.controls.support:
        heading, rows = _without(heading, 3), [_without(row, 3) for row in rows]
    note = _(
        "PD: anything due is missed on one date or more. Coverage, DD: KMV view, at maturity. "
        "Grade: by the scale of the workbook."
    )
    return Table(heading, tuple(rows), " ".join(filter(None, [_more(_, len(answers), CLASSES), note])))


def _why(_: Say, answer: ClassAnswer) -> str:
    """Where a PD comes from, and its interval where there is one."""
    why = said(answer.quote.why, _)
    if answer.pd_range is None:
        return why
    # No line ends within it, nor before a sign.
    interval = said(range_text(answer.pd_range), _).replace(" ", "\u00a0")
    return _("{why}; 90 %: {range}").format(why=why, range=interval).replace(" %", "\u00a0%")


def _without(row: tuple[str, ...], column: int) -> tuple[str, ...]:
    return row[:column] + row[column + 1 :]


def _simulated(_: Say, p: float) -> str:
    """Write a simulated probability: that none was seen does not mean never."""
    return _("none seen") if p == 0.0 else probability(p)


def _ratio(_: Say, x: float, shown: Callable[[float], str]) -> str:
    """Write a coverage or a distance, which may be without end."""
    if np.isnan(x):
        return NONE
    return shown(x) if np.isfinite(x) else _("covered") if x > 0 else _("short")


def _share(x: float, shown: str = ".1%") -> str:
    return NONE if np.isnan(x) else figure(x, shown)


def _more(_: Say, count: int, shown: int) -> str:
    return _("And {count:,} more.").format(count=count - shown) if count > shown else ""


def _cover(deal: Deal, analysis: Analysis) -> Cover:
    """Lines of the chart: the headline class, and the last class where that is another."""
    k, views = analysis.headline, analysis.base.tranches
    drawn = [views[k], *([views[-1]] if k != len(views) - 1 else [])]
    # What a pass-through class waits for until its legal final says little: its expected payments do.
    dues = [(view.expected or view.risk).accumulated_due for view in drawn]
    return Cover(
        (deal.terms.closing, *deal.terms.dates),
        np.concatenate([[0.0], views[k].risk.accumulated_in]),
        tuple((cut(view.name), np.concatenate([[0.0], due])) for view, due in zip(drawn, dues, strict=True)),
    )


# ------------------------------------------------------------------------------------ page two


def _controls(_: Say, analysis: Analysis) -> tuple[Move, ...]:
    found, k = analysis.attribution, analysis.headline
    if found is None or not found.without[k] > 0.0:
        return ()
    moves, level = [], float(found.without[k])
    for c in np.argsort(-found.shapley[:, k], kind="stable"):
        after = level - float(found.shapley[c, k])
        moves.append(Move(_(CONTROLS[found.controls[c]].label), level, after))
        level = after
    # The shares add up to rounding; the last level is the figure of the plan.
    return (
        Move(_("No control"), 0.0, float(found.without[k])),
        *moves,
        Move(_("All controls"), 0.0, float(found.with_all[k])),
    )


def _controls_note(_: Say, analysis: Analysis) -> str:
    found, k = analysis.attribution, analysis.headline
    if analysis.quick:
        return _("Not in a quick look.")
    if found is None:
        return _("Every control is off.")
    if not found.without[k] > 0.0:
        return _("Without any control the class is never short, either.")
    return _("Each control's share, in percentage points, does not depend on their order (Shapley).")


def _conditions(_: Say, analysis: Analysis) -> tuple[Move, ...]:
    """Conditions by what they do to the PD: the simulated one, in a quick look that of the KMV view."""
    k = analysis.headline
    if analysis.quick:
        pds = [(v.stress.name, v.tranches[k].anydate_pd_at_maturity) for v in analysis.scenarios]
    else:
        pds = [(r.stress.name, r.simulation.tranches[k].anydate_pd) for r in analysis.simulated]
    base = pds[0][1] if pds else 0.0
    moved = sorted((pair for pair in pds[1:] if pair[1] != base), key=lambda pair: -abs(pair[1] - base))
    return tuple(Move(cut(_(name), 46), base, pd) for name, pd in moved[:MOVES])


def _conditions_note(_: Say, analysis: Analysis) -> str:
    moved, all_of_them = len(_conditions(_, analysis)), len(analysis.scenarios) - 1
    if not moved:
        return _("None of {count} conditions moves it by a single path.").format(count=all_of_them)
    text = _("{shown} of {count} conditions, by the size of the change.").format(
        shown=moved, count=all_of_them
    )
    return f"{text} {_('KMV view.')}" if analysis.quick else text


def _concentration(_: Say, analysis: Analysis) -> tuple[tuple[str, str], ...]:
    c = analysis.concentration
    lines = [
        (_("Obligors"), f"{c.obligors:,}"),
        (_("Effective number"), f"{c.effective_number:,.1f}"),
        (_("Largest"), f"{c.largest:.1%}"),
        (_("Largest five"), f"{c.five_largest:.1%}"),
        (_("Largest ten"), f"{c.ten_largest:.1%}"),
    ]
    if c.industries:
        name, share = c.industries[0]
        lines.append((_("Largest industry"), f"{cut(name, 24)} {share:.1%}"))
    return tuple(lines)


def _drivers(_: Say, deal: Deal, analysis: Analysis) -> Table:
    heading = (
        _("Obligor"),
        _("Share of pool"),
        _("PD p.a."),
        _("Share of pool loss"),
        _("Share of class loss"),
        _("In default when short"),
    )
    found, k, pool = analysis.contributions, analysis.headline, deal.pool
    if found is None:
        return Table(heading, (), _("Not in a quick look."))
    drivers: Drivers = found.obligors
    rows = tuple(
        (
            cut(pool.name[i]),
            f"{pool.share[i]:.1%}",
            probability(float(pool.pd[i])),
            _share(float(drivers.pool_share[i])),
            _share(float(drivers.loss_share[i, k])),
            _share(float(drivers.in_default[i, k])),
        )
        for i in drivers.order(k)[:OBLIGORS]
    )
    if found.short[k]:
        note = _("Short on {short:,.0f} of {paths:,} paths.")
        uncalled = _("Undertaking not called: short on {short:,.0f} of {paths:,} paths.")
    else:
        note = _("Never short on {paths:,} paths, so by the loss of the pool.")
        uncalled = _("Undertaking not called: never short on {paths:,} paths, so by the loss of the pool.")
    note = uncalled if deal.controls.support else note
    said = note.format(short=float(found.short[k]), paths=found.paths)
    return Table(heading, rows, " ".join(filter(None, [_more(_, len(pool.name), OBLIGORS), said])))


def _spread(_: Say, deal: Deal, analysis: Analysis) -> Table:
    simulated, kmv = _("Simulated, no undertaking"), _("KMV view, no undertaking")
    if not deal.controls.support:
        simulated, kmv = _("Simulated"), _("KMV view")
    heading = (_("Pool"), _("Effective number"), simulated, kmv)
    if not analysis.diversification:
        return Table(heading, (), _("Not in a quick look."))
    k = telling_class(analysis.diversification, analysis.headline)
    rows = tuple(
        (
            cut(said(d.label, _)),
            f"{d.effective_number:,.1f}",
            _simulated(_, float(d.simulated[k])),
            probability(float(d.kmv[k])),
        )
        for d in analysis.diversification[:SPREADS]
    )
    note = _("Any-date PD of {name}.").format(name=cut(deal.tranches[k].name))
    return Table(heading, rows, note)


def _stress(_: Say, deal: Deal, analysis: Analysis) -> Table:
    heading = (_("Stress"), _("Size"), _("First missed"))
    if analysis.quick:
        return Table(heading, (), _("Not in a quick look."))
    shown: dict[str, tuple[str, str]] = {
        "pool_haircut": (_("Collections below plan"), "{:.1%}"),
        "volatility_multiplier": (_("Volatility, times"), "{:.1f}"),
        "pd_multiplier": (_("PDs, times"), "{:.1f}"),
        "recovery_multiplier": (_("Recoveries, times"), "{:.2f}"),
        "rate_shift": (_("Coupons, added"), "{:.2%}"),
        "delay": (_("Payments late, periods"), "{:.0f}"),
        "largest obligors": (_("Largest obligors in default"), "{:.0f}"),
    }
    rows = []
    for b in analysis.reverse:
        label, form = shown[b.column]
        size = _("none does") if b.size is None else form.format(b.size)
        rows.append((label, size, NONE if b.date is None else f"{deal.terms.dates[b.date]}"))
    uncalled = _("One at a time; the undertaking not called.")
    return Table(heading, tuple(rows), uncalled if deal.controls.support else _("One at a time."))


def _assumptions(_: Say, found: Sequence[Assumption], classes: int) -> Table:
    """List all that is assumed: a line each, or, where these are too many, sheet by sheet in running text."""
    note = _("{cells:,} orange cells of the workbook.").format(cells=sum(a.count for a in found))
    if not found:
        note = _("No cell of the inputs is marked as an assumption.")
    room = ASSUMPTIONS[_roomy(classes)]
    if len(found) <= room:
        rows = [(a.place, _counted(a), a.value, a.basis) for a in found]
        cells = tuple(tuple(map(cut, row, (24, 46, 30, 62))) for row in rows)
        return Table((_("Where"), _("What"), _("Value"), _("Basis")), cells, note, (0, 1, 2, 3))
    packed = _packed(found, lambda a: f"{_counted(a)} = {cut(a.value, 30)}")
    if len(packed) > room:
        packed = _packed(found, _counted)
    if len(packed) > room:
        note += " " + _("{lines:,} more lines are in the workbook.").format(lines=len(packed) - room)
    return Table((_("Where"), _("What")), tuple(packed[:room]), note, (0, 1))


def _counted(assumption: Assumption) -> str:
    """What is assumed, and in how many cells."""
    times = f" × {assumption.count:,}" if assumption.count > 1 else ""
    return cut(assumption.label, 40) + times


def _packed(found: Sequence[Assumption], told: Callable[[Assumption], str]) -> list[tuple[str, str]]:
    """Put as many assumptions of a sheet on a line as it holds."""
    lines: list[tuple[str, str]] = []
    for sheet, group in itertools.groupby(found, key=lambda a: a.place.rpartition("!")[0]):
        line = ""
        for text in map(told, group):
            longer = f"{line}; {text}" if line else text
            if line and _wide(longer) > PACKED:
                lines.append((sheet, f"{line};"))
                longer = text
            line = longer
        lines.append((sheet, line))
    before = ["", *(sheet for sheet, _ in lines[:-1])]
    # A sheet is named once.
    return [("" if sheet == last else sheet, text) for last, (sheet, text) in zip(before, lines, strict=True)]


def _wide(text: str) -> int:
    """How wide a text is: a Chinese character counts twice."""
    return sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def _footer(_: Say, deal: Deal, analysis: Analysis, stamp: Stamp) -> tuple[str, ...]:
    versions = ", ".join(f"{name} {version}" for name, version in stamp.versions)
    failed = [said(c.name, _) for c in analysis.checks if not c.warning and not c.passed]
    checks = _("Checks FAILED: {names}").format(names="; ".join(failed)) if failed else _("All checks passed")
    parts = [
        cut(stamp.source, LONG),
        _("inputs {digest}").format(digest=stamp.digest) if stamp.digest else "",
        _("seed {seed}").format(seed=deal.terms.seed),
        _("{paths:,} paths").format(paths=analysis.simulated_base.paths),
        f"{stamp.time:%Y-%m-%d %H:%M}",
    ]
    return (" · ".join(filter(None, [*parts, checks])), versions)
