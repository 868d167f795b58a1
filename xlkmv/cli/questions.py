"""Commands that ask more of a deal: solve, whatif, compare, models, backtest."""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlkmv.cli import arguments
from xlkmv.cli.books import opened, other_file, say_blanked, written
from xlkmv.cli.output import Output, distance, number, table
from xlkmv.errors import InputError
from xlkmv.phrase import CLAUSES, Phrase, Say, joined, said, some

if TYPE_CHECKING:
    from rich.table import Table

    from xlkmv.deal.questions.backtest import Measures, PlanBacktest
    from xlkmv.deal.questions.compare import Comparison
    from xlkmv.deal.questions.structure import Structure
    from xlkmv.deal.terms import Deal
    from xlkmv.refresh.cases import Case

__all__ = ["add"]

HOW = ("exact", "simulated")


def add(commands: arguments.Commands) -> None:
    """Add the commands of this module to a parser."""
    solve = arguments.command(
        commands,
        "solve",
        _solve,
        "what the deal could be for a target PD of its classes",
        "xlkmv solve Deal.xlsm --target 0.1%",
        "xlkmv solve Deal.xlsm --target AA --class 'Senior (优先级)' --out Solved.xlsm",
        "xlkmv solve Deal.xlsm --target Senior=AAA --target Subordinate=5%",
        results=True,
    )
    arguments.book(solve)
    solve.add_argument(
        "--target",
        action="append",
        metavar="[CLASS=]TARGET",
        help="a PD (0.001 or 0.1%%) or a grade, in place of the targets of sheet Structure: for this class "
        "(give it again for others), for the one of --class, or for all but the most junior one",
    )
    solve.add_argument("--class", dest="name", metavar="NAME", help="solve for this class only")
    arguments.writes(solve)
    whatif = arguments.command(
        commands,
        "whatif",
        _whatif,
        "each class if an obligor defaults at closing, and if it cannot default",
        "xlkmv whatif Deal.xlsm --default 'Licensee 01'",
        "xlkmv whatif Deal.xlsm --default 'Licensee 01' --recovery 40%",
        results=True,
    )
    arguments.book(whatif, "a workbook made from the template; it stays as it is")
    whatif.add_argument(
        "--default", action="append", metavar="NAME", help="an obligor of sheet Pool (default: the largest)"
    )
    whatif.add_argument(
        "--recovery", type=arguments.share, help="share recovered (default: none, then as expected)"
    )
    compare = arguments.command(
        commands,
        "compare",
        _compare,
        "two or more workbooks of one deal side by side",
        "xlkmv compare Before.xlsm After.xlsm",
        "xlkmv compare --write Deal.xlsm",
        results=True,
    )
    compare.add_argument("books", nargs="+", type=Path, help="the last is where the others lead to")
    compare.add_argument(
        "--write", action="store_true", help="hold one workbook against its saved cases, on its sheet Compare"
    )
    models = arguments.command(
        commands,
        "models",
        _models,
        "the four portfolio models on a workbook's pool",
        "xlkmv models Deal.xlsm",
        results=True,
    )
    arguments.book(models)
    backtest = arguments.command(
        commands,
        "backtest",
        _backtest,
        "what was predicted at closing, and what has been seen",
        "xlkmv backtest Deal.xlsm",
        results=True,
    )
    arguments.book(backtest, "a workbook made from the template; it stays as it is")


# -------------------------------------------------------------------------------------- solve


def _target(text: str) -> float | str:
    """Read a target of the command line: 0.001, 0.1% or the name of a grade."""
    try:
        return arguments.share(text)
    except argparse.ArgumentTypeError:
        return text.strip()


def _targets(given: Sequence[str] | None) -> float | str | dict[str, float | str] | None:
    """Read the targets of the command line: one for all, or CLASS=TARGET for each class."""
    if not given:
        return None
    if len(given) == 1 and "=" not in given[0]:
        return _target(given[0])
    found: dict[str, float | str] = {}
    for text in given:
        # The name of a class may have the sign, a target has none.
        name, sign, target = text.rpartition("=")
        if not sign:
            raise InputError("target", "must be one for all, or CLASS=TARGET for each class", text)
        if name in found:
            raise InputError("target", "must be given once for each class", text)
        found[name] = _target(target)
    return found


def _solve(options: argparse.Namespace, out: Output) -> None:
    from xlkmv.refresh.solving import solve_book

    to = other_file(options, options.book)
    with out.progress() as progress:
        book = opened(options.book, out, live=to is None)
        done = solve_book(book, progress, target=_targets(options.target), name=options.name)
        saved = book.save(to, backup=options.backup)
    _print_structure(done.inputs.deal, done.structure, out)
    written(out, saved, done)
    if options.target:
        out.line(_asked(done.structure))
    say_blanked(out, book)
    if not out.text:
        from xlkmv.cli.document import of_book, tables_of

        facts = {"book": str(options.book), "written": str(saved), "inputs": done.inputs.digest}
        figures = {"seconds": done.seconds, "issuable": done.structure.issuable}
        out.record({**facts, **figures}, *of_book(book, tables_of("solve")))


def _asked(found: Structure) -> Phrase:
    """Say what the sheet asks for from now on, as the targets of a terminal stay there."""
    from xlkmv.refresh.solving import NAMED, told

    names: dict[str, list[str]] = {}
    for name in found.targets:
        names.setdefault(told(found, name), []).append(name)
    each = [Phrase("{target} of {names}", target=pd, names=some(who, NAMED)) for pd, who in names.items()]
    return Phrase("Sheet Structure now asks for {targets}.", targets=joined(each, CLAUSES))


def _print_structure(deal: Deal, found: Structure, out: Output) -> None:
    """Every answer as sheet Structure has it."""
    from xlkmv.deal.figures import probability
    from xlkmv.refresh.solving import answer_cells, issuable, told

    _ = out.say
    title = _("Any-date PD of each class by its maturity")
    now = table(title, _("Class"), _("Target"), _("Simulated"), _("KMV view"))
    for name in found.targets:
        simulated = said(probability(found.pd[name], simulated=True), _)
        now.add_row(name, said(told(found, name), _), simulated, probability(found.kmv[name]))
    columns = (_("Question"), _("Now"), _("Answer"), _("From"), _("To"), _("KMV view"), _("Enter"))
    could: dict[str, Table] = {}
    for answer in found.answers:
        pd = told(found, answer.name)
        if answer.unshown:
            pd = Phrase("{shown}, in place of {target},", shown=probability(answer.shown_pd), target=pd)
        asked = Phrase(
            "What the deal could be for a PD of {pd} of {name}, all else as it is", pd=pd, name=answer.name
        )
        could.setdefault(answer.name, table(said(asked, _), *columns))

    def shown(cell: Any) -> str:
        if isinstance(cell, str):
            return said(cell, _)
        return probability(cell) if cell else "0.00%"

    def entered(cell: Any) -> str:
        return said(cell, _) if isinstance(cell, str) else f"{cell:,.0f}" if cell >= 1e3 else f"{cell:.6g}"

    remarks = []
    for answer in found.answers:
        question, name, _pd, unit, *figures, setting, _then, _error, _remark = answer_cells(answer)
        asked = Phrase("{question} ({unit})", question=Phrase(question), unit=Phrase(unit))
        could[name].add_row(said(asked, _), *map(shown, figures), entered(setting))
        if answer.remark:
            question = Phrase(question)
            remarks.append(
                Phrase("{question}, {name}: {remark}", question=question, name=name, remark=answer.remark)
            )
    # Of all answers for a class the same.
    unshown = {
        a.name: Phrase("{name}: {remark}", name=a.name, remark=a.unshown) for a in found.answers if a.unshown
    }
    out.print(
        now,
        *could.values(),
        *unshown.values(),
        *remarks,
        Phrase(
            "From, to: the answers for a PD two standard errors less and more. {paths:,} paths.",
            paths=found.paths,
        ),
        Phrase("Issuable, one class after the other: {money}.", money=issuable(found, deal)),
    )


# ------------------------------------------------------------------------------------- whatif

# Keys and units of what programs read.
WHATIF = (
    *(("tranche", ""), ("condition", ""), ("pd", "probability"), ("why", ""), ("coverage", "number")),
    *(("dd", "number"), ("anydate_pd", "probability"), ("simulated", "probability")),
    *(("simulated_error", "probability"), ("expected_loss", "probability")),
)


def _whatif(options: argparse.Namespace, out: Output) -> None:
    from xlkmv.deal.answers import quote_of
    from xlkmv.deal.figures import probability
    from xlkmv.deal.questions.whatif import what_if
    from xlkmv.refresh.run import read_book

    names = options.default or [""]
    if len(names) > 1:
        raise InputError("default", "must be one obligor at a time", ", ".join(names))
    book = opened(options.book, out)
    _ = out.say
    with out.progress() as progress:
        deal = read_book(book).deal
        found = what_if(deal, names[0], options.recovery, progress=progress)
    columns = (_("PD to\nquote"), _("Why"), _("Coverage"), _("DD"), _("Simulated"), _("Loss"))
    title = Phrase("What if: {name}", name=found[0].obligor)
    shown = table(said(title, _), _("Class"), *columns)
    shown.columns[2].justify, shown.columns[2].no_wrap = "left", False
    rows: list[list[Any]] = []
    for k, tranche in enumerate(deal.tranches):
        shown.add_row(tranche.name)
        for case in found:
            view, run = case.view.tranches[k], case.simulation.tranches[k]
            quote = quote_of(run.anydate_pd, case.simulation.paths, view.anydate_pd_at_maturity)
            seen = (view.coverage_at_maturity, view.distance_at_maturity)
            shown.add_row(
                f"  {said(case.label, _)}",
                probability(quote.pd),
                said(quote.why, _),
                number(seen[0], ".3f", _),
                distance(seen[1], _),
                said(probability(run.anydate_pd, simulated=True), _),
                said(probability(run.expected_loss, simulated=True), _),
            )
            figures = (view.anydate_pd_at_maturity, run.anydate_pd, run.anydate_pd_error, run.expected_loss)
            rows.append([tranche.name, case.label, quote.pd, quote.why, *seen, *figures])
    out.print(shown)
    if not out.text:
        from xlkmv.cli.document import Answer

        facts = {"book": str(options.book), "obligor": found[0].obligor}
        out.record(facts, Answer("whatif", WHATIF, rows))


# ------------------------------------------------------------------------------------ compare


def _compare(options: argparse.Namespace, out: Output) -> None:
    from xlkmv.refresh.cases import compare_book, compare_deals
    from xlkmv.refresh.run import read_book
    from xlkmv.workbook.book import open_book

    if (len(options.books) == 1) != options.write:
        rule = Phrase("must be one with --write, which takes its saved cases, or two and more without")
        raise InputError("books", rule, len(options.books))
    books = [open_book(path) for path in options.books]
    out.speak(books[-1])
    with out.progress() as progress:
        if options.write:
            found = compare_book(books[0], progress)
            books[0].save()
        else:
            names = [path.name for path in options.books]
            names = names if len({*names}) == len(names) else [str(path) for path in options.books]
            found = compare_deals(names, [read_book(book).deal for book in books], progress)
    out.print(_standing(found.cases, out))
    for one, way in zip(found.cases, found.ways, strict=False):
        _print_way(one.name, found.cases[-1].name, way, out)
    if found.remark:
        out.print(found.remark)
    if options.write:
        out.line(Phrase("Written: {path}, sheet Compare", path=str(options.books[0])))
    if not out.text:
        from xlkmv.cli.document import of_rows, tables_of
        from xlkmv.refresh.cases import standing, steps

        facts = {"book": str(options.books[-1]), "seconds": found.seconds}
        rows = zip(tables_of("compare"), (standing(found.cases), steps(found)), strict=True)
        out.record(facts, *(of_rows(spec, lines) for spec, lines in rows))


def _standing(cases: Sequence[Case], out: Output) -> Table:
    """Every class of every case: grade, PD to quote, and what stands behind it."""
    from xlkmv.deal.figures import probability

    _ = out.say
    columns = (_("Grade"), _("PD to quote"), _("Coverage"), _("DD"), _("Expected loss"), _("Life"))
    found = table(_("Where the classes stand"), _("Class"), *columns)
    for name in dict.fromkeys(a.name for c in cases for a in c.answers):
        found.add_row(name)
        for label, a in [(c.name, a) for c in cases for a in c.answers if a.name == name]:
            found.add_row(
                f"  {said(label, _)}",
                said(a.grade, _),
                probability(a.quote.pd),
                number(a.coverage, ".3f", _),
                distance(a.distance, _),
                said(probability(a.expected_loss, simulated=True), _),
                number(a.average_life, ".2f", _),
            )
    return found


def _print_way(first: str, second: str, way: Comparison, out: Output) -> None:
    """What differs between two cases, and what each change did to each class."""
    from xlkmv.deal.answers import quote_of
    from xlkmv.deal.figures import change, probability

    _ = out.say
    names = {"first": first, "second": second}
    if not way.differences:
        out.print(Phrase("{second} is the same deal as {first}.", **names), "")
        return
    title = said(Phrase("What differs: {first}, and {second}", **names), _)
    differs = table(title, _("Term"), _("Before"), _("After"))
    for d in way.differences:
        place = Phrase("{about}: {sentence}", about=Phrase(d.part), sentence=Phrase(d.item))
        differs.add_row(said(place, _), said(d.before, _), said(d.after, _))
    columns = (_("PD to quote"), _("Simulated"), _("Change"), _("s.e."), _("KMV view"), _("Change"))
    title = _("Any-date PD of each class, one change after the other")
    steps = table(title, _("Change"), *columns)
    for name in way.classes:
        steps.add_row(name)
        for step in way.of_class(name):
            quote = quote_of(step.simulated, step.paths, step.kmv)
            begins = step.change != step.change
            moved = ("", "") if begins else (change(step.change), change(step.change_error).lstrip("+"))
            steps.add_row(
                f"  {said(Phrase(step.label), _)}",
                probability(quote.pd),
                said(probability(step.simulated, simulated=True), _),
                *moved,
                probability(step.kmv),
                "" if begins else change(step.kmv_change),
            )
    note = Phrase(
        "Changes in percentage points; what one does depends on those before it. PD to quote: as on Home."
    )
    out.print(differs, steps, note, "")


# ------------------------------------------------------------------------------------- models


def _models(options: argparse.Namespace, out: Output) -> None:
    from xlkmv.deal.analysis import HIT, model_table, portfolio_models
    from xlkmv.deal.figures import probability
    from xlkmv.refresh.run import read_book

    book = opened(options.book, out)
    _ = out.say
    models = portfolio_models(read_book(book).deal)
    found = model_table(models)
    shown = table(_("Loss of the pool over one year"), _("Measure"), *map(str, found.index))
    for measure in found.columns[:-1]:
        form = probability if measure == HIT else "{:,.0f}".format
        shown.add_row(_(measure), *("" if x != x else form(x) for x in found[measure]))
    shown.add_row(_("how"), *(_(note if note in HOW else "none") for note in found["note"]))
    reasons = [
        Phrase("{who}: {reason}", who=name, reason=note)
        for name, note in found["note"].items()
        if note not in HOW
    ]
    out.print(shown, *reasons)
    if not out.text:
        from xlkmv.cli.document import of_rows, tables_of
        from xlkmv.refresh.rows.drivers import model_rows

        (spec,) = tables_of("models")
        out.record({"book": str(options.book)}, of_rows(spec, model_rows(models)))


# ----------------------------------------------------------------------------------- backtest


def _backtest(options: argparse.Namespace, out: Output) -> None:
    from xlkmv.deal.analysis import backtested
    from xlkmv.refresh.run import read_book

    book = opened(options.book, out)
    _ = out.say
    inputs = read_book(book)
    found = backtested(inputs.deal, inputs.actual)
    out.print(Phrase("Predicted at closing, and seen: {verdict}.", verdict=found.verdict))
    if found.measures is not None:
        dates = inputs.deal.terms.dates
        out.print(_by_date(found, dates, _), _by_obligor(found.measures, _))
    if not out.text:
        from xlkmv.cli.document import of_rows, tables_of
        from xlkmv.refresh.rows.watch import backtest_rows, measure_row

        rows = zip(
            tables_of("backtest"), ([measure_row(found)], backtest_rows(inputs.deal, found)), strict=True
        )
        facts = {"book": str(options.book), "verdict": found.verdict}
        out.record(facts, *(of_rows(spec, lines) for spec, lines in rows))


def _by_date(found: PlanBacktest, dates: Sequence[dt.date], _: Say) -> Table:
    """Collections and defaults on each date that has passed."""
    headings = (_("Expected"), _("1 in 20\nis less"), _("Came in"), _("Chance\nof less"))
    defaults = (_("Defaults\nexpected"), _("Seen"))
    title = _("Accumulated collections, of the plan, and obligors in default")
    shown = table(title, _("Payment date"), *headings, *defaults)
    shares = (x / found.planned for x in (found.expected, found.low, found.collected))
    columns = (*shares, found.level, found.defaults_expected, found.defaults_seen)
    for date, *percents, expected, seen in zip(dates, *columns, strict=False):
        cells = (number(x, ".1%", _) for x in percents)
        shown.add_row(str(date), *cells, number(expected, ".2f", _), number(seen, ",.0f", _))
    return shown


def _by_obligor(m: Measures, _: Say) -> Table:
    """Measures of how well the PDs told who would default."""
    shown = table(_("Obligor by obligor"), _("Measure"), _("Value"))
    for name, value, form in (
        (_("Obligors"), m.obligors, ",.0f"),
        (_("Defaults seen"), m.seen, ",.0f"),
        (_("Defaults expected"), m.expected, ".2f"),
        (_("Chance of as many or more"), m.as_many, ".1%"),
        (_("Chance of as few or fewer"), m.as_few, ".1%"),
        (_("Area under ROC"), m.auc, ".3f"),
        (_("Accuracy ratio"), m.accuracy_ratio, ".3f"),
        (_("Kolmogorov-Smirnov"), m.ks, ".3f"),
        (_("Brier score"), m.brier, ".4f"),
        (_("Hosmer-Lemeshow"), m.hosmer_lemeshow, ".2f"),
        (_("p-value"), m.p_value, ".1%"),
    ):
        shown.add_row(name, number(value, form, _))
    return shown
