"""Commands that compute a deal, or show what was computed: refresh, show, report."""

from __future__ import annotations

import argparse
import functools
import glob
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlkmv.cli import arguments
from xlkmv.cli.books import opened, other_file, say_blanked, written
from xlkmv.cli.output import ALARM, BAD_INPUT, Output, table
from xlkmv.errors import BookError, BookInputError, InputError, XlkmvError
from xlkmv.language import ENGLISH, retold
from xlkmv.phrase import Phrase, Say, said

if TYPE_CHECKING:
    from xlkmv.refresh.run import Refreshed
    from xlkmv.workbook.book import Book, Table
    from xlkmv.workbook.layout import TableSpec

__all__ = ["add"]


def add(commands: arguments.Commands) -> None:
    """Add the commands of this module to a parser."""
    refresh = arguments.command(
        commands,
        "refresh",
        _refresh,
        "compute the deals of workbooks and write the results into them",
        "xlkmv refresh Deal.xlsm",
        "xlkmv refresh --quick Deal.xlsm --out Draft.xlsm",
        "xlkmv refresh 'deals/*.xlsm' --json",
        results=True,
    )
    refresh.add_argument(
        "books", nargs="+", metavar="BOOK", help="workbooks made from the template, or patterns of names"
    )
    arguments.writes(refresh)
    arguments.scheduler(refresh)
    show = arguments.command(
        commands,
        "show",
        _show,
        "print the results of the last refresh, without computing",
        "xlkmv show Deal.xlsm",
        "xlkmv show Deal.xlsm --csv > deal.csv",
        results=True,
    )
    arguments.book(show)
    memo = arguments.command(
        commands,
        "report",
        _memo,
        "write a memo of two pages: the answer, charts, assumptions",
        "xlkmv report Deal.xlsm",
        "xlkmv report Deal.xlsm --html memo.html --docx memo.docx --lang zh",
    )
    arguments.book(memo, "a workbook made from the template; it stays as it is")
    memo.add_argument("--html", type=Path, help="write this page (BOOK.html when neither is given)")
    memo.add_argument("--docx", type=Path, help="write this Word file")
    arguments.scheduler(memo)


# ------------------------------------------------------------------------------------ refresh


def _refresh(options: argparse.Namespace, out: Output) -> int:
    books = _named(options.books)
    if len(books) == 1:
        _refreshed(books[0], options, out, whole=True)
        return 0
    if options.out is not None:
        raise InputError("--out", "is for one workbook", str(options.out))
    lines, code = [], 0
    for path in books:
        try:
            lines.append((path, *_outcome(_refreshed(path, options, out), out)))
        except XlkmvError as error:  # the others are none the worse for it
            out.fail(error, path)
            failed = error.counted if isinstance(error, BookInputError) else Phrase("failed")
            lines.append((path, said(failed, out.say), "", ("", ""), ("", "")))
            code = BAD_INPUT
    _ = out.say
    closing = (_("Grade"), _("PD to quote"))
    now: tuple[str, ...] = ()
    if any(any(today) for *_other, today in lines):
        closing = (_("Grade at\nclosing"), _("PD to quote\nat closing"))
        now = (_("Grade\nnow"), _("PD to quote\nnow"))
    found = table(_("Refreshed workbooks"), _("Workbook"), _("State"), _("Class"), *closing, *now)
    for words in found.columns[1:3]:
        words.justify = "left"
    for path, state, name, then, today in lines:
        found.add_row(str(path), state, name, *then, *(today if now else ()))
    out.print(found)
    return code


def _named(names: Sequence[str]) -> list[Path]:
    """Workbooks by name, or by a pattern, which not every shell resolves."""
    found: list[Path] = []
    for name in names:
        if Path(name).exists() or not glob.has_magic(name):
            found.append(Path(name))
            continue
        found_by = map(Path, glob.glob(name))  # noqa: PTH207  a pattern may be absolute
        # What begins so is the lock of an open workbook.
        fitting = sorted(path for path in found_by if not path.name.startswith("~$"))
        if not fitting:
            raise BookError(Phrase("no file is named like {name}", name=name))
        found += fitting
    return list(dict.fromkeys(found))


def _refreshed(path: Path, options: argparse.Namespace, out: Output, whole: bool = False) -> Refreshed:
    """Refresh one workbook; `whole`: print all of its results."""
    from xlkmv.cli.results import print_results
    from xlkmv.refresh.run import refresh

    to = other_file(options, path)
    with out.progress() as progress:
        book = opened(path, out, live=to is None)
        done = refresh(book, progress, scheduler=options.scheduler, quick=options.quick)
        saved = book.save(to, backup=options.backup)
    if whole:
        print_results(done.inputs.deal, done.analysis, out)
        written(out, saved, done)
        say_blanked(out, book)
    _record("refresh", out, book, path, written=str(saved), inputs=done.inputs.digest, seconds=done.seconds)
    return done


def _outcome(done: Refreshed, out: Output) -> tuple[str, str, tuple[str, str], tuple[str, str]]:
    """State of a workbook's results; the headline class, its grade and PD to quote at closing and now.

    Those of now are blank while nothing has been seen.
    """
    from xlkmv.deal.figures import probability
    from xlkmv.deal.standing import classes_today

    analysis = done.analysis
    state = Phrase("all checks passed")
    if not all(c.passed for c in analysis.checks):
        state = Phrase("CHECKS FAILED: see sheet Checks")
    now = classes_today(done.inputs.deal, analysis)[analysis.headline]
    closing, today = ((said(x.grade, out.say), probability(x.quote.pd)) for x in (now.closing, now))
    seen = analysis.surveillance.seen
    return said(state, out.say), now.closing.name, closing, today if seen else ("", "")


def _record(command: str, out: Output, book: Book, path: Path, **facts: Any) -> None:
    """Keep the results in a workbook for programs; people have been told."""
    if not out.text:
        from xlkmv.cli.document import of_book, tables_of

        out.record({"book": str(path), **facts}, *of_book(book, tables_of(command)))


# --------------------------------------------------------------------------------------- show

# Lines of the history, the last ones: a workbook keeps up to 2,000.
LINES_SHOWN = 40


def _show(options: argparse.Namespace, out: Output) -> None:
    from xlkmv.deal.reading import READINGS, alarming
    from xlkmv.refresh.wording import language_of
    from xlkmv.workbook import layout

    book = opened(options.book, out)
    spoken = language_of(book) or ENGLISH
    say = functools.partial(retold, source=spoken, target=out.language, names=_names_in(book))
    there = set(book.names())

    def cell(name: str) -> str:
        return str(book.name(name).value or "") if name in there else ""

    if not cell("out_InputHash"):
        raise BookError(
            Phrase("{book} has no results yet: run  xlkmv refresh {book}", book=options.book.name)
        )
    stale = _stale(book, cell("out_InputHash"))
    if stale:
        out.print(stale, "", style=ALARM)
    supported = _supported(book)
    without = " alone" if supported else ""
    for title, spec, fields in (
        (
            Phrase("Each class: grade by default rates of rated companies, no rating"),
            layout.ANSWER,
            f"name grade pd pd_range why{without} expected_loss loss_given_default average_life yield_at_par",
        ),
        (
            Phrase("Default risk of each class by its maturity"),
            layout.HEADLINE,
            "tranche coverage dd pd anydate_pd simulated",
        ),
        (
            Phrase("The headline class under each preset condition"),
            layout.SCENARIO,
            "name dd pd anydate_pd simulated",
        ),
        (
            Phrase("Each class at closing and now"),
            layout.TODAY,
            "tranche grade_closing grade quote_closing quote why alert",
        ),
        (Phrase("What the last refreshes found"), layout.HISTORY, "as_of tranche grade quote alert"),
    ):
        if spec is not layout.TODAY or _anything_seen(book):
            _print_table(title, book, spec, fields.split(), out, say)
    # English titles have the Chinese beside them.
    spread = say(cell("out_TitleDiversification").partition("   ")[0])
    answers: tuple[tuple[str, TableSpec, str], ...] = (
        (
            Phrase("How the pool is spread"),
            layout.CONCENTRATION,
            "industry industry_share obligors effective_number largest five_largest ten_largest",
        ),
        (
            Phrase("The obligors that count most for the headline class (simulated, undertaking not called)")
            if supported
            else Phrase("The obligors that count most for the headline class (simulated)"),
            layout.DRIVER,
            "name share pd loss_share in_default pd_without pd_without_change",
        ),
        (
            spread,
            layout.DIVERSIFICATION,
            "label obligors effective_number largest distance kmv simulated simulated_error",
        ),
        (
            Phrase("Each class with its 90 % interval"),
            layout.INTERVAL,
            "name pd pd_low pd_high source most",
        ),
        (
            Phrase("Which input matters: shares of the uncertainty of the headline class"),
            layout.MATTER,
            " ".join(c.field for c in layout.MATTER.columns),
        ),
        (
            Phrase("Default probabilities from the obligors' own data"),
            layout.OBLIGOR,
            "name method found_pd found_low found_high distance",
        ),
        (
            Phrase("Where the classes stand, case by case"),
            layout.CASE_RESULT,
            "case name grade pd coverage dd loss",
        ),
        (
            Phrase("What moved each class since each case"),
            layout.STEP,
            "case tranche label pd simulated change change_error kmv kmv_change",
        ),
    )
    for what, spec, fields in answers:
        called = PLAIN.get(spec.name, {}) if not supported else {}
        _print_table(what, book, spec, fields.split(), out, say, NEEDED.get(spec.name, ""), called)
    for key, name in layout.READING_NAMES.items():
        if text := cell(name):
            about = said(Phrase(READINGS[key]), out.say)
            sentence = Phrase("{about}: {sentence}", about=about, sentence=say(text))
            out.print(sentence, style=ALARM if alarming(text) else None)
    names = ("out_Refreshed", "out_Scope", "out_InputHash")
    out.line("\n" + "   ".join(say(cell(name)) for name in names if cell(name)))
    _record(
        "show",
        out,
        book,
        options.book,
        inputs=cell("out_InputHash"),
        refreshed=cell("out_Refreshed"),
        scope=cell("out_Scope"),
        stale=bool(stale),
    )


def _names_in(book: Book) -> set[str]:
    """Names that sentences of a workbook mention, and that are the same in every language."""
    from xlkmv.workbook import layout
    from xlkmv.workbook.book import has_table

    found = set()
    for spec, field in (
        (layout.TRANCHE, "name"),
        (layout.COVENANT, "name"),
        (layout.CLASS_SCALE, "grade"),
        (layout.DRIVER, "name"),
        (layout.CONCENTRATION, "industry"),
        (layout.CASE_RESULT, "case"),
    ):
        cells = _column(book.table(spec.name), spec, field) if has_table(book, spec.name) else ()
        found |= {x for x in cells if isinstance(x, str)}
    return found


def _stale(book: Book, then: str) -> str:
    """Say why results are not those of the inputs, if they are not."""
    from xlkmv.refresh.run import read_book

    try:
        digest = read_book(book).digest
    except BookInputError as error:
        return Phrase("stale: {count} since the last refresh", count=error.counted)
    return "" if digest == then else Phrase("stale: inputs have changed since the last refresh")


def _supported(book: Book) -> bool:
    """Whether an undertaking stood behind a class at the last refresh."""
    from xlkmv.workbook import layout
    from xlkmv.workbook.book import has_table

    if not has_table(book, layout.ANSWER.name):
        return True
    return any(isinstance(x, float) for x in _column(book.table(layout.ANSWER.name), layout.ANSWER, "alone"))


def _anything_seen(book: Book) -> bool:
    """Whether classes had a rating of today, beside that of closing, at the last refresh."""
    from xlkmv.workbook import layout
    from xlkmv.workbook.book import has_table

    now = layout.ANSWER.column("grade_now").header
    if not has_table(book, layout.ANSWER.name) or not book.table(layout.ANSWER.name).has(now):
        return False
    return any(book.table(layout.ANSWER.name).column(now))


# Characters of a line of a heading; Chinese ones are as wide as two, and break anywhere.
HEADING, HEADING_IN_CHINESE = 18, 7
# Columns of names that the user gives.
NAMES = {"name", "tranche", "obligor"}
# Columns without which a table has not been asked for, or not answered.
NEEDED = {
    "tbl_Driver": "share",
    "tbl_Diversification": "obligors",
    "tbl_Interval": "pd_low",
    "tbl_Matter": "total",
    "tbl_Obligor": "found_pd",
}

# Headings where no undertaking stands behind a class.
PLAIN = {"tbl_Diversification": {"kmv": "KMV view", "simulated": "Simulated"}}


def _print_table(
    title: str,
    book: Book,
    spec: TableSpec,
    fields: Sequence[str],
    out: Output,
    say: Say,
    needs: str = "",
    called: Mapping[str, str] | None = None,
) -> None:
    """Print some columns of a table of results, those that say something; nothing without what it `needs`.

    Of the history its last lines. What is not a name of the user's is what `say` makes of it. `called`: other
    headings than the sheet's, by column.
    """
    from xlkmv.workbook.book import has_table

    if not out.text or not has_table(book, spec.name):
        return
    from xlkmv.refresh.reader import filled
    from xlkmv.workbook import layout

    found = book.table(spec.name)
    if any(c.kind not in ("result", "shown") for c in spec.columns):
        found = filled(found, spec)
    columns = [c for c in spec.columns if c.field in fields and found.has(c.heading(found.has))]
    cells = {c.field: [_shown(x, c.format) for x in found.column(c.heading(found.has))] for c in columns}
    columns = [c for c in columns if any(cells[c.field])]
    if not columns or (needs and not any(x is not None for x in _column(found, spec, needs))):
        return
    other = called or {}
    headings = (out.say(other[c.field]) if c.field in other else out.heading(c) for c in columns)
    shown = table(said(title, out.say), *map(_in_lines, headings))
    for place, column in enumerate(columns):
        if place and column.format == "General":
            shown.columns[place].justify, shown.columns[place].no_wrap = "left", False
    rows = [*zip(*(cells[c.field] for c in columns), strict=True)]
    for row in rows[-LINES_SHOWN:] if spec is layout.HISTORY else rows:
        own = (c.field in NAMES and spec is not layout.SCENARIO for c in columns)
        shown.add_row(*(x if users or not x else say(x) for users, x in zip(own, row, strict=True)))
    out.print(shown)


def _in_lines(heading: str) -> str:
    """Break a heading, so that figures stand close to each other."""
    return "\n".join(textwrap.wrap(heading, HEADING if heading.isascii() else HEADING_IN_CHINESE))


def _column(found: Table, spec: TableSpec, field: str) -> Sequence[Any]:
    """Cells of a column; none where it is not there."""
    heading = spec.column(field).heading(found.has)
    return found.column(heading) if found.has(heading) else ()


def _shown(value: Any, form: str) -> str:
    """Write a cell as its sheet shows it."""
    from xlkmv.deal.figures import change, distance, figure, probability
    from xlkmv.workbook.layout import column

    if not isinstance(value, float):
        return "" if value is None else str(value)
    if form == column.CHANGE:
        return change(value)
    if form == column.ERROR:
        return change(value).lstrip("+") if value else "-"
    if form in (column.PROBABILITY, column.SIMULATED):
        return probability(value, simulated=form == column.SIMULATED)
    if form == column.DISTANCE:
        return distance(value)
    return figure(
        value, {column.RATE: ".2%", column.RATIO: ".3f", column.MONEY: ",.0f", "0%": ".0%"}.get(form, ".2f")
    )


# ------------------------------------------------------------------------------------- report


def _memo(options: argparse.Namespace, out: Output) -> None:
    from xlkmv.refresh.memo import write_memo

    with out.progress() as progress:
        book = opened(options.book, out, live=True)
        done = write_memo(
            book,
            options.html,
            options.docx,
            options.lang,
            progress,
            scheduler=options.scheduler,
            quick=options.quick,
        )
    for path in done.written:
        out.line(Phrase("Written: {path}", path=str(path)))
    out.line(Phrase("Inputs {digest}   {seconds:.1f} s", digest=done.inputs.digest, seconds=done.seconds))
