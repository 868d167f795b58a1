"""The terminal: ``xlkmv new FILE``, ``xlkmv import TAPE BOOK``, ``xlkmv refresh BOOK``, ``xlkmv pd ...``."""

from __future__ import annotations

import argparse
import datetime as dt
import io
import itertools
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xlkmv
from xlkmv.errors import OUT_OF_MEMORY, BookError, BookInputError, InputError, XlkmvError
from xlkmv.language import Say, catalogue, said

if TYPE_CHECKING:
    from xlkmv.workbook.book import Book

__all__ = ["main"]

BAD_INPUT, CANCELLED = 2, 130
ALARM = "bold red"
HOW = ("exact", "simulated")
REFUSED_SHOWN = 20  # cells of a tape; --report lists them all


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0, 2 for bad input, 130 after Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        # A console or pipe may know few letters: what it cannot show must not end a command.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options) or 0)
    except KeyboardInterrupt:
        print("Cancelled: nothing was changed.", file=sys.stderr)
        return CANCELLED
    except BookInputError as error:
        _problems(error)
        return BAD_INPUT
    except XlkmvError as error:
        print(f"xlkmv: {error}", file=sys.stderr)
        return BAD_INPUT
    except MemoryError:
        print(f"xlkmv: {OUT_OF_MEMORY}", file=sys.stderr)
        return BAD_INPUT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="xlkmv", description="The KMV model inside Excel, for a pool that pays tranches."
    )
    parser.add_argument("--version", action="version", version=f"xlkmv {xlkmv.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")

    refresh = commands.add_parser("refresh", help="compute a workbook's deal and write the results into it")
    refresh.add_argument("book", type=Path, help="a workbook made from the template")
    refresh.add_argument("--out", type=Path, help="write here instead, and leave the book as it is")
    refresh.add_argument("--backup", action="store_true", help="keep the earlier file beside the new one")
    refresh.add_argument(
        "--quick", action="store_true", help="the KMV view and 10,000 paths only, in seconds"
    )
    refresh.add_argument("--scheduler", help="simulate on this Dask cluster, such as tcp://10.0.0.1:8786")
    _language_option(refresh)
    refresh.set_defaults(run=_refresh)

    _memo_parser(commands)

    _import_parser(commands)
    _solve_parser(commands)

    models = commands.add_parser("models", help="the four portfolio models on a workbook's pool")
    models.add_argument("book", type=Path, help="a workbook made from the template")
    models.set_defaults(run=_models)

    backtest = commands.add_parser("backtest", help="what was predicted at closing, and what has been seen")
    backtest.add_argument("book", type=Path, help="a workbook made from the template; it stays as it is")
    backtest.set_defaults(run=_backtest)

    compare = commands.add_parser("compare", help="two or more workbooks of one deal side by side")
    compare.add_argument("books", nargs="+", type=Path, help="the last is where the others lead to")
    compare.add_argument(
        "--write", action="store_true", help="hold one workbook against its saved cases, on its sheet Compare"
    )
    compare.set_defaults(run=_compare)
    case = commands.add_parser("case", help="keep a workbook as it is as a case beside it")
    case.add_argument("book", type=Path, help="a workbook made from the template")
    case.set_defaults(run=_case)

    _new_parser(commands)
    _lite_parser(commands)

    install = commands.add_parser("install", help="put the functions into Excel (Windows) or LibreOffice")
    install.add_argument("--all-users", action="store_true", help="for every user, if elevated")
    install.add_argument("--libreoffice", action="store_true", help="into LibreOffice Calc instead")
    install.set_defaults(run=_install)
    uninstall = commands.add_parser("uninstall", help="remove every trace of it")
    uninstall.add_argument("--libreoffice", action="store_true", help="from LibreOffice Calc only")
    uninstall.set_defaults(run=_uninstall)
    doctor = commands.add_parser("doctor", help="say what is wrong with the installation, and mend it")
    doctor.add_argument("--fix", action="store_true", help="mend what can be mended")
    doctor.add_argument("books", nargs="*", type=Path, help="workbooks to look at, too")
    doctor.set_defaults(run=_doctor)
    self_test = commands.add_parser("self-test", help="compare with the published known answers")
    self_test.set_defaults(run=_self_test)

    pd = commands.add_parser("pd", help="answer one default probability")
    pd.add_argument("asset_value", type=float, help="what pays: asset value or accumulated collections")
    pd.add_argument("default_point", type=float, help="what must be paid: debt or accumulated dues")
    pd.add_argument("volatility", type=float, help="per annum, a decimal: 0.25 means 25 %%")
    pd.add_argument("--horizon", type=float, default=1.0, help="years (default 1)")
    pd.add_argument("--drift", type=float, default=0.0, help="per annum, a decimal (default 0)")
    pd.add_argument("--method", default="terminal", help="terminal, anytime or linear")
    pd.set_defaults(run=_pd)
    return parser


def _language_option(command: Any) -> None:
    command.add_argument(
        "--lang", metavar="LANGUAGE", help="en or zh (default: as cell Language of Home says)"
    )


def _new_parser(commands: Any) -> None:
    new = commands.add_parser("new", help="make a fresh workbook: the shipped deal, an example, or blank")
    new.add_argument("file", type=Path, help="the workbook to make: FILE.xlsm, or FILE.xlsx without macros")
    new.add_argument("--example", metavar="NAME", help="patents (the shipped deal), auto, mortgage or lease")
    new.add_argument("--blank", action="store_true", help="an empty deal; needs the three that follow")
    new.add_argument("--closing", metavar="DATE", help="of a blank deal: closing date, such as 2025-01-15")
    new.add_argument("--every", metavar="INTERVAL", help="month, '2 months', quarter, half-year or year")
    new.add_argument("--dates", metavar="NUMBER", help="how many payment dates")
    new.add_argument("--no-macros", action="store_true", help="FILE.xlsx, whatever FILE ends in")
    new.set_defaults(run=_new)


def _lite_parser(commands: Any) -> None:
    lite = commands.add_parser("lite", help="write the edition for xlwings Lite: Mac, browser, no macros")
    lite.add_argument("folder", type=Path, help="where to put script, requirements and workbook")
    lite.set_defaults(run=_lite)


def _solve_parser(commands: Any) -> None:
    solve = commands.add_parser("solve", help="what the deal could be for a target PD of its classes")
    solve.add_argument("book", type=Path, help="a workbook made from the template")
    solve.add_argument(
        "--target",
        type=_target,
        help="a PD (0.001 or 0.1%%) or a grade, in place of the targets of sheet Structure: for the class "
        "named, or all but the most junior one",
    )
    solve.add_argument("--class", dest="name", metavar="NAME", help="solve for this class only")
    solve.add_argument("--out", type=Path, help="write here instead, and leave the book as it is")
    solve.add_argument("--backup", action="store_true", help="keep the earlier file beside the new one")
    solve.set_defaults(run=_solve)


def _target(text: str) -> float | str:
    """Read a target of the command line: 0.001, 0.1% or the name of a grade."""
    try:
        return _share(text)
    except argparse.ArgumentTypeError:
        return text


def _memo_parser(commands: Any) -> None:
    memo = commands.add_parser("report", help="write a memo of two pages: the answer, charts, assumptions")
    memo.add_argument("book", type=Path, help="a workbook made from the template; it stays as it is")
    memo.add_argument("--html", type=Path, help="write this page (BOOK.html when neither is given)")
    memo.add_argument("--docx", type=Path, help="write this Word file")
    _language_option(memo)
    memo.add_argument("--quick", action="store_true", help="the KMV view and 10,000 paths only, marked so")
    memo.add_argument("--scheduler", help="simulate on this Dask cluster, such as tcp://10.0.0.1:8786")
    memo.set_defaults(run=_memo)


def _import_parser(commands: Any) -> None:
    tape = commands.add_parser("import", help="put the loans of a tape into a workbook's pool")
    tape.add_argument("tape", nargs="?", type=Path, help="CSV, Excel or Parquet, one row per loan")
    tape.add_argument("book", type=Path, help="a workbook made from the template")
    tape.add_argument(
        "--prices",
        type=Path,
        metavar="FILE",
        help="equity values of listed obligors, in place of a tape: a row a price, or a column a firm",
    )
    tape.add_argument("--map", type=Path, help="CSV or JSON: heading of the tape, heading of the pool")
    tape.add_argument(
        "--percent", action="store_true", help="columns with plain numbers above 1 are percentages"
    )
    tape.add_argument(
        "--percent-in", action="append", metavar="COLUMN", help="so is this one, whatever its numbers"
    )
    tape.add_argument("--sheet", help="sheet of an Excel tape")
    tape.add_argument("--encoding", help="of a text tape, if it is not recognised")
    tape.add_argument("--pd", type=_share, help="one-year PD of every loan: 0.02 or 2%%")
    tape.add_argument("--recovery", type=_share, help="recovery of every loan: 0.4 or 40%%")
    tape.add_argument("--lag", type=float, help="years from default to recovery, of every loan")
    tape.add_argument("--correlation", type=_share, help="asset correlation of every loan")
    tape.add_argument("--skip-bad", action="store_true", help="leave out rows that cannot be used")
    tape.add_argument(
        "--group", action="store_true", help="make representative lines of loans that are alike"
    )
    tape.add_argument("--report", type=Path, help="write what was taken, mended and refused as CSV")
    tape.add_argument("--dry-run", action="store_true", help="say what would be done, and write nothing")
    tape.add_argument("--out", type=Path, help="write here instead, and leave the book as it is")
    tape.add_argument("--backup", action="store_true", help="keep the earlier file beside the new one")
    tape.set_defaults(run=_import)


# --------------------------------------------------------------------------------- commands


def _refresh(options: argparse.Namespace) -> int:
    from xlkmv.refresh.live import find_open
    from xlkmv.refresh.run import refresh
    from xlkmv.refresh.wording import speaker
    from xlkmv.workbook.book import open_book

    if options.lang is not None:
        catalogue(options.lang)
    if options.out is not None and options.out.resolve() == options.book.resolve():
        options.out = None
    with _progress() as progress:
        # A workbook that is open in Excel is refreshed there; saving it stays with the user.
        book = (None if options.out else find_open(options.book)) or open_book(options.book)
        done = refresh(book, progress, scheduler=options.scheduler, quick=options.quick)
        written = book.save(options.out, backup=options.backup)
    _report(done, speaker(book) if options.lang is None else catalogue(options.lang).gettext)
    print(f"\nWritten: {written}   inputs {done.inputs.digest}   {done.seconds:.1f} s")
    _say_blanked(book)
    return 0


# Formulas without a value of which the terminal says where they stand.
LISTED = 5


def _say_blanked(book: Book) -> None:
    """Say which formulas of the user's show no value until a spreadsheet computes them."""
    if book.blanked:
        cells = ", ".join(f"{sheet}!{cell}" for sheet, cell in book.blanked[:LISTED])
        more = ", ..." if len(book.blanked) > LISTED else ""
        count = "1 formula has" if len(book.blanked) == 1 else f"{len(book.blanked):,} formulas have"
        print(f"{count} no value until Excel or Calc opens the workbook: {cells}{more}")


def _solve(options: argparse.Namespace) -> int:
    from xlkmv.refresh.live import find_open
    from xlkmv.refresh.solving import solve_book
    from xlkmv.workbook.book import open_book

    if options.out is not None and options.out.resolve() == options.book.resolve():
        options.out = None
    with _progress() as progress:
        book = (None if options.out else find_open(options.book)) or open_book(options.book)
        done = solve_book(book, progress, target=options.target, name=options.name)
        written = book.save(options.out, backup=options.backup)
    _structure_report(done)
    print(f"\nWritten: {written}   inputs {done.inputs.digest}   {done.seconds:.1f} s")
    _say_blanked(book)
    return 0


def _memo(options: argparse.Namespace) -> int:
    from xlkmv.refresh.live import find_open
    from xlkmv.refresh.memo import write_memo
    from xlkmv.workbook.book import open_book

    with _progress() as progress:
        done = write_memo(
            find_open(options.book) or open_book(options.book),
            options.html,
            options.docx,
            options.lang,
            progress,
            scheduler=options.scheduler,
            quick=options.quick,
        )
    for path in done.written:
        print(f"Written: {path}")
    print(f"Inputs {done.inputs.digest}   {done.seconds:.1f} s")
    return 0


def _import_prices(options: argparse.Namespace) -> int:
    from xlkmv.refresh.live import find_open
    from xlkmv.tape import import_prices, listed_obligors, read_prices
    from xlkmv.workbook.book import open_book

    if options.tape is not None:
        raise InputError(
            "--prices", "stands in the place of a tape: import one after the other", options.prices
        )
    book = (None if options.out else find_open(options.book)) or open_book(options.book)
    found = read_prices(options.prices, listed_obligors(book), sheet=options.sheet, encoding=options.encoding)
    print(f"{options.prices.name}: {found.how}")
    table = _table("Equity values", "Obligor", "Prices", "From", "To", "Last value")
    for s in found.series:
        table.add_row(s.name, f"{s.values.size:,}", str(s.dates[0]), str(s.dates[-1]), f"{s.values[-1]:,.6g}")
    _console().print(table)
    for s in found.series:
        if s.hole:
            print(f"{s.name}: {s.hole}. The fit takes prices for evenly spaced.")
    if found.blanks:
        print(f"Days without a price are left out: {found.blanks:,}.")
    if found.strangers:
        print(f"No obligors of sheet Obligor, left out: {', '.join(found.strangers)}.")
    count = import_prices(found, book)
    if options.dry_run:
        print(f"{count:,} prices would be written; nothing was.")
        return 0
    written = book.save(options.out, backup=options.backup)
    print(f"Written: {written}, {count:,} prices. Now: xlkmv refresh {written.name}")
    return 0


def _import(options: argparse.Namespace) -> int:
    if options.prices is not None:
        return _import_prices(options)
    if options.tape is None:
        raise InputError("tape", "must be a file: xlkmv import TAPE BOOK, or --prices FILE BOOK")
    from xlkmv.refresh.live import find_open
    from xlkmv.tape import group, import_tape, read_map, read_tape, workbook_terms
    from xlkmv.workbook.book import open_book

    book = (None if options.out else find_open(options.book)) or open_book(options.book)
    closing, grades = workbook_terms(book)
    tape = read_tape(
        options.tape,
        closing=closing,
        grades=grades,
        mapping=read_map(options.map) if options.map else None,
        percent=options.percent,
        percent_in=options.percent_in or (),
        sheet=options.sheet,
        encoding=options.encoding,
        pd=options.pd,
        recovery=options.recovery,
        lag=options.lag,
        correlation=options.correlation,
        ask=_yes if sys.stdin.isatty() else None,
    )
    if options.group:
        tape = group(tape)
    _tape_report(tape.report)
    if options.report:
        print(f"Report: {tape.report.write_csv(options.report)}")
    count = import_tape(tape, book, skip_bad=options.skip_bad)
    if options.dry_run:
        print(f"{count:,} rows would be written; nothing was.")
        return 0
    written = book.save(options.out, backup=options.backup)
    print(f"Written: {written}, {count:,} rows of the pool. Now: xlkmv refresh {written.name}")
    return 0


def _compare(options: argparse.Namespace) -> int:
    from xlkmv.refresh.cases import compare_book, compare_deals
    from xlkmv.refresh.run import read_book
    from xlkmv.workbook.book import open_book

    if (len(options.books) == 1) != options.write:
        rule = "must be one with --write, which takes its saved cases, or two and more without"
        raise InputError("books", rule, len(options.books))
    with _progress() as progress:
        if options.write:
            book = open_book(options.books[0])
            found = compare_book(book, progress)
            book.save()
        else:
            names = [path.name for path in options.books]
            names = names if len({*names}) == len(names) else [str(path) for path in options.books]
            deals = [read_book(open_book(path)).deal for path in options.books]
            found = compare_deals(names, deals, progress)
    console = _console()
    console.print(_standing(found.cases))
    for one, way in zip(found.cases, found.ways, strict=False):
        _way(console, one.name, found.cases[-1].name, way)
    if options.write:
        print(f"Written: {options.books[0]}, sheet Compare")
    return 0


def _case(options: argparse.Namespace) -> int:
    from xlkmv.refresh.cases import save_case
    from xlkmv.workbook.book import open_book

    book = open_book(options.book)
    path = save_case(book, lambda case: shutil.copy2(options.book, case))
    book.save()
    print(f"Saved: {path}. Now change the deal, then: xlkmv compare --write {options.book.name}")
    return 0


def _standing(cases: Sequence[Any]) -> Any:
    """Every class of every case: grade, PD to quote, and what stands behind it."""
    from xlkmv.deal.reading import probability

    columns = ("Grade", "PD to quote", "Coverage", "DD", "Expected loss", "Life")
    table = _table("Where the classes stand", "Class", *columns)
    for name in dict.fromkeys(a.name for c in cases for a in c.answers):
        table.add_row(name)
        for label, a in [(c.name, a) for c in cases for a in c.answers if a.name == name]:
            pds = probability(a.quote.pd), probability(a.expected_loss, simulated=True)
            figures = _number(a.coverage, ".3f"), _number(a.distance, ".2f")
            table.add_row(f"  {label}", a.grade, pds[0], *figures, pds[1], f"{a.average_life:.2f}")
    return table


def _way(console: Any, first: str, second: str, way: Any) -> None:
    """What differs between two cases, and what each change did to the headline class."""
    from xlkmv.deal.reading import probability

    if not way.differences:
        console.print(f"{second} is the same deal as {first}.\n")
        return
    table = _table(f"What differs: {first}, and {second}", "Term", "Before", "After")
    for d in way.differences:
        table.add_row(f"{d.part}: {d.item}", d.before, d.after)
    console.print(table)
    columns = ("Simulated", "Change", "s.e.", "KMV view", "Change")
    table = _table("Any-date PD of the headline class, one change after the other", "Change", *columns)
    for k, step in enumerate(way.steps):
        moved = (f"{100.0 * step.change:+.3f}", f"{100.0 * step.change_error:.3f}") if k else ("", "")
        by_view = f"{100.0 * step.kmv_change:+.3f}" if k else ""
        pds = probability(step.simulated, simulated=True), probability(step.kmv)
        table.add_row(step.label, pds[0], *moved, pds[1], by_view)
    console.print(table)
    console.print("Changes in points of a percent; what one does depends on those before it.\n")


def _share(text: str) -> float:
    """Read a ratio of the command line: 0.02 or 2%."""
    try:
        number = float(text.strip().removesuffix("%"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number such as 0.02 or 2% (got {text!r})") from None
    return number / 100.0 if text.strip().endswith("%") else number


def _yes(question: str) -> bool:
    """Ask until the answer is yes or no; the end of the input is a no."""
    try:
        while (answer := input(f"{question} [y/n] ").strip().casefold()) not in ("y", "yes", "n", "no"):
            pass
    except EOFError:
        return False
    return answer in ("y", "yes")


def _backtest(options: argparse.Namespace) -> int:
    from xlkmv.deal.analysis import backtested
    from xlkmv.refresh.run import read_book
    from xlkmv.workbook.book import open_book

    inputs = read_book(open_book(options.book))
    found = backtested(inputs.deal, inputs.actual)
    console = _console()
    console.print(f"Predicted at closing, and seen: {found.verdict}.")
    if found.measures is None:
        return 0
    columns = ("Expected", "1 in 20\nis less", "Came in", "Chance\nof less", "Defaults\nexpected", "Seen")
    table = _table("Accumulated collections, of the plan, and obligors in default", "Payment date", *columns)
    shares = (x / found.planned for x in (found.expected, found.low, found.collected))
    for date, *row in zip(
        inputs.deal.terms.dates,
        *shares,
        found.level,
        found.defaults_expected,
        found.defaults_seen,
        strict=False,
    ):
        expected, low, came, level, defaults, seen = row
        percent = (_number(x, ".1%") for x in (expected, low, came, level))
        table.add_row(str(date), *percent, _number(defaults, ".2f"), _number(seen, ",.0f"))
    console.print(table)
    m = found.measures
    table = _table("Obligor by obligor", "Measure", "Value")
    for name, value, shown in (
        ("Obligors", m.obligors, ",.0f"),
        ("Defaults seen", m.seen, ",.0f"),
        ("Defaults expected", m.expected, ".2f"),
        ("Chance of as many or more", m.as_many, ".1%"),
        ("Chance of as few or fewer", m.as_few, ".1%"),
        ("Area under ROC", m.auc, ".3f"),
        ("Accuracy ratio", m.accuracy_ratio, ".3f"),
        ("Kolmogorov-Smirnov", m.ks, ".3f"),
        ("Brier score", m.brier, ".4f"),
        ("Hosmer-Lemeshow", m.hosmer_lemeshow, ".2f"),
        ("p-value", m.p_value, ".1%"),
    ):
        table.add_row(name, _number(value, shown))
    console.print(table)
    return 0


def _models(options: argparse.Namespace) -> int:
    from xlkmv.deal.analysis import model_table, portfolio_models
    from xlkmv.deal.reading import probability
    from xlkmv.refresh.run import read_book
    from xlkmv.workbook.book import open_book

    deal = read_book(open_book(options.book)).deal
    found = model_table(portfolio_models(deal))
    table = _table("Loss of the pool over one year", "Measure", *map(str, found.index))
    for measure in found.columns[:-1]:
        shown = probability if measure == "loss above junior notes" else "{:,.0f}".format
        table.add_row(measure, *("" if x != x else shown(x) for x in found[measure]))
    table.add_row("how", *(note if note in HOW else "none" for note in found["note"]))
    console = _console()
    console.print(table)
    for name, note in found["note"].items():
        if note not in HOW:
            console.print(f"{name}: {note}")
    return 0


def _new(options: argparse.Namespace) -> int:
    from xlkmv.build.template import build_template

    if options.no_macros:
        options.file = options.file.with_suffix(".xlsx")
    if options.file.suffix.lower() not in (".xlsm", ".xlsx"):
        raise BookError(f"{options.file} must end in .xlsm, or in .xlsx for a workbook without macros")
    if options.file.exists():
        raise BookError(f"{options.file} exists: choose another name, or remove it first")
    if not options.file.resolve().parent.is_dir():
        raise BookError(f"there is no folder {options.file.resolve().parent}")
    filling, what = _wanted(options)
    found = _shipped_template()
    if filling is not None:
        build_template(options.file, filling, refreshed=False)
    elif found is None or options.file.suffix.lower() == ".xlsx":
        build_template(options.file)
    else:
        shutil.copyfile(found, options.file)
    print(f"Made {options.file}: {what} xlkmv refresh {options.file}")
    return 0


def _lite(options: argparse.Namespace) -> int:
    from xlkmv.build.lite import write_lite

    for path in write_lite(options.folder):
        print(f"Made {path}")
    print("Five steps in Excel: docs/lite.md")
    return 0


def _wanted(options: argparse.Namespace) -> tuple[Any, str]:
    """What the new workbook holds (None: the shipped deal), and what to do with it."""
    from xlkmv.build.filling import blank, filling
    from xlkmv.deal.examples import example
    from xlkmv.workbook import layout

    calendar = {"--closing": options.closing, "--every": options.every, "--dates": options.dates}
    given = [name for name, value in calendar.items() if value is not None]
    if options.example is not None:
        if options.blank or given:
            other = "--blank" if options.blank else given[0]
            raise InputError("--example", f"is a deal of its own: leave out {other}", options.example)
        return filling(example(options.example)), "now run"
    if not options.blank:
        if given:
            raise InputError(given[0], "belongs to --blank: add it", calendar[given[0]])
        return None, "fill in your deal, then run"
    if missing := [name for name in calendar if name not in given]:
        raise InputError("--blank", f"needs {' and '.join(missing)}, too")
    try:
        closing = dt.date.fromisoformat(options.closing)
    except ValueError:
        raise InputError("--closing", "must be a date, such as 2025-01-15", options.closing) from None
    if not options.dates.isdecimal():
        raise InputError("--dates", layout.COUNT_OF_DATES.text, options.dates)
    return blank(closing, options.every, int(options.dates)), "fill in pool, classes and terms, then run"


def _shipped_template() -> Path | None:
    """Find the shipped template: inside the installed package, or beside it in a checkout."""
    from xlkmv.hosts.server import TEMPLATE

    package = Path(xlkmv.__file__).parent
    places = (package / TEMPLATE, package.parent / "workbook" / TEMPLATE)
    return next((path for path in places if path.is_file()), None)


def _install(options: argparse.Namespace) -> int:
    if options.libreoffice:
        from xlkmv.build.calc_addin import build_addin
        from xlkmv.install import libreoffice

        print(libreoffice.install(build_addin))
        return 0
    from xlkmv.build import ribbon
    from xlkmv.install import windows

    template = _shipped_template()
    content = template.read_bytes() if template else None
    return 0 if windows.install(ribbon.build_addin(), content, all_users=options.all_users) else 1


def _uninstall(options: argparse.Namespace) -> int:
    from xlkmv.environment import remove
    from xlkmv.install import libreoffice, windows

    if options.libreoffice:
        print(libreoffice.uninstall())
        return 0
    clean = windows.uninstall()
    if libreoffice.find_office() is not None:
        print(libreoffice.uninstall())
    if clean:
        print(f"Nothing of xlkmv is left but the Python package: {remove()}")
    return 0 if clean else 1


def _doctor(options: argparse.Namespace) -> int:
    from xlkmv.build import ribbon
    from xlkmv.install import doctor, libreoffice
    from xlkmv.install.books import examine_books

    sound = doctor.doctor(
        fix=options.fix,
        addin=ribbon.build_addin(),
        books=options.books,
        others=lambda: [*libreoffice.checks(), *examine_books(options.books)],
    )
    return 0 if sound else 1


def _self_test(options: argparse.Namespace) -> int:
    from xlkmv.functions import KMV_SELFTEST
    from xlkmv.install import windows
    from xlkmv.install.machine import Machine

    header, *rows = KMV_SELFTEST()
    failed = [row for row in rows if row[-1] is not True]
    table = _table("Published known answers that disagree", *header[:-1])
    for row in failed:
        table.add_row(*(x if isinstance(x, str) else f"{x:.10g}" for x in row[:-1]))
    if failed:
        _console().print(table)
    print(f"{len(rows) - len(failed)} of {len(rows)} published known answers agree.")
    answers = windows.self_test(Machine()) if windows.supported() else True
    return 0 if answers and not failed else 1


def _pd(options: argparse.Namespace) -> int:
    from xlkmv.model.distance import default_probability, distance_to_default, linear_distance_to_default

    firm = (options.asset_value, options.default_point, options.volatility)
    pd = default_probability(*firm, options.horizon, options.drift, options.method)
    if options.method == "linear":
        dd = linear_distance_to_default(*firm)
    else:
        dd = distance_to_default(*firm, options.horizon, options.drift)
    print(f"PD {pd:.10g}   ({options.method})")
    print(f"DD {dd:.10g}   ({'linear' if options.method == 'linear' else 'log'})")
    return 0


# ----------------------------------------------------------------------------------- report


def _console(**options: Any) -> Any:
    from rich.console import Console

    # Names and cells are shown as they are, whatever brackets or colons they hold.
    return Console(highlight=False, markup=False, emoji=False, **options)


class _progress:  # noqa: N801  a context manager reads as a verb
    """A bar while the terminal waits; silent where nobody watches."""

    def __enter__(self) -> Callable[[str, float], None]:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        from xlkmv.refresh.timeleft import TimeLeft

        console = _console(stderr=True)
        self.bar = Progress(
            TextColumn("{task.description:<44.44}", markup=False),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}", markup=False),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.bar.start()
        task, time_left = self.bar.add_task("Opening", total=1.0, left=""), TimeLeft()
        return lambda what, share: self.bar.update(
            task, description=what, completed=share, left=time_left(share)
        )

    def __exit__(self, *failure: object) -> None:
        self.bar.stop()


def _number(x: float, shown: str, _: Say = str) -> str:
    if x in (float("inf"), float("-inf")):
        return _("covered") if x > 0 else _("short")
    return "-" if x != x else format(x, shown)


def _table(title: str, *columns: str) -> Any:
    from rich import box
    from rich.measure import Measurement
    from rich.table import Table

    class Narrowing(Table):
        """A table; row by row, a line a figure, where the terminal is too narrow for it."""

        def __rich_console__(self, console: Any, options: Any) -> Any:
            if Measurement.get(console, options.update_width(1000), self).minimum <= options.max_width:
                yield from super().__rich_console__(console, options)
                return
            yield f"{self.title}\n"
            first, *others = self.columns
            for name, *cells in zip(first.cells, *(c.cells for c in others), strict=True):
                yield str(name) if name else ""
                for column, cell in zip(others, cells, strict=True):
                    if cell:
                        yield f"  {str(column.header).replace(chr(10), ' ')}: {cell}"
            yield ""

    look = {"box": box.SIMPLE_HEAD, "pad_edge": False, "collapse_padding": True}
    table = Narrowing(title=title, title_justify="left", title_style="bold", **look)
    for k, column in enumerate(columns):
        table.add_column(column, justify="right" if k else "left", no_wrap=bool(k))
    return table


def _report(done: Any, _: Say = str) -> None:
    from xlkmv.deal.reading import READINGS, alarming, probability, read

    deal, analysis, console = done.inputs.deal, done.analysis, _console()
    lines = read(deal, analysis)
    if alarming(lines["pool"]):
        console.print(f"{said(lines['pool'], _)}\n", style=ALARM)
    console.print(_answer_table(deal, analysis, _))
    console.print(_headline_table(deal, analysis, _))
    headline = deal.tranches[analysis.headline]
    title = _("{name} under each preset condition").format(name=headline.name)
    simulated = [] if analysis.quick else [_("Simulated")]
    table = _table(title, _("Scenario"), _("DD"), _("PD"), _("Any date"), *simulated)
    # None of them is simulated for a quick look.
    runs = [row.simulation.tranches[analysis.headline].anydate_pd for row in analysis.simulated]
    for view, run in itertools.zip_longest(analysis.scenarios, runs):
        tranche = view.tranches[analysis.headline]
        table.add_row(
            _(view.stress.name),
            _number(tranche.distance_at_maturity, ".2f", _),
            probability(tranche.pd_at_maturity),
            probability(tranche.anydate_pd_at_maturity),
            *[] if run is None else [said(probability(run, simulated=True), _)],
        )
    console.print(table)
    _legend(console, deal, analysis, _)
    for key, text in lines.items():
        console.print(
            _("{about}: {sentence}").format(about=_(READINGS[key]), sentence=said(text, _)),
            style=ALARM if alarming(text) else None,
        )
    if analysis.quick:
        console.print(f"\n{_('A quick look: refresh without --quick for everything.')}", style=ALARM)


def _legend(console: Any, deal: Any, analysis: Any, _: Say) -> None:
    """What the figures of the tables are, and whether the checks hold."""
    if deal.controls.support:
        cover = _(
            "Coverage, DD: of the pool; senior classes with the reserve, and their PDs with the undertaking "
            "(unsupported, alone: without)."
        )
    else:
        cover = _("Coverage, DD: of the pool; senior classes with the reserve.")
    lines = (
        _("Pool: volatility {sigma:.2%}, drift {drift:.2%} p.a. ({source}).").format(
            sigma=analysis.base.volatility, drift=analysis.base.drift, source=_(deal.terms.volatility_source)
        ),
        cover,
        _("PD: short at the maturity. Any date: short on at least one date."),
        _("Simulated: any date, every obligor may default, {paths:,} paths.").format(
            paths=analysis.simulated_base.paths
        ),
    )
    console.print("\n".join(lines))
    if analysis.uncertainty is not None:
        _what_matters(console, deal, analysis, _)
    laws = [c for c in analysis.checks if not c.warning]
    failed = [said(c.name, _) for c in laws if not c.passed]
    if failed:
        checks = _("Checks: FAILED: {names}").format(names="; ".join(failed))
    else:
        checks = _("Checks: all {count} laws hold").format(count=len(laws))
    odd = sum(c.outcome == "look" for c in analysis.checks)
    if odd == 1:
        more = _("1 input to look at again.")
    elif odd:
        more = _("{count} inputs to look at again.").format(count=odd)
    else:
        more = _("no inputs to look at again.")
    console.print(_("{first}; {then}").format(first=checks, then=f"{more}\n"))


def _what_matters(console: Any, deal: Any, analysis: Any, _: Say) -> None:
    """What the intervals are of, and the inputs that matter most to the headline class."""
    ranked = analysis.uncertainty.ranked(analysis.headline)
    console.print(_("90 %: interval of the PD to quote, by the ranges of the inputs."))
    if ranked:
        most = ", ".join(f"{said(label, _)} {share:.0%}" for label, _first, share in ranked[:3])
        name = deal.tranches[analysis.headline].name
        console.print(_("What matters most to {name}: {most}.").format(name=name, most=most))


def _structure_report(done: Any) -> None:
    """Every answer as sheet Structure has it."""
    from xlkmv.deal.reading import probability
    from xlkmv.refresh.solving import answer_cells

    found, console = done.structure, _console()
    table = _table("Any-date PD of each class by its maturity", "Class", "Target", "Simulated", "KMV view")
    for name, target in found.targets.items():
        simulated = probability(found.pd[name], simulated=True)
        table.add_row(name, probability(target), simulated, probability(found.kmv[name]))
    console.print(table)
    columns = ("Class", "Now", "Answer", "From", "To", "KMV view", "Enter")
    table = _table("What the deal could be for these targets, all else as it is", "Question", *columns)
    table.columns[1].justify = "left"

    def shown(cell: Any) -> str:
        if isinstance(cell, str):
            return cell
        return f"{cell:.2%}" if cell >= 1e-4 or cell == 0.0 else f"{cell:.1E}"

    def entered(cell: Any) -> str:
        return cell if isinstance(cell, str) else f"{cell:,.0f}" if cell >= 1e3 else f"{cell:.6g}"

    remarks = []
    for answer in found.answers:
        question, name, unit, *figures, setting, _, _, remark = answer_cells(answer)
        table.add_row(f"{question} ({unit})", name, *map(shown, figures), entered(setting))
        if remark:
            remarks.append(f"{question}, {name}: {remark}")
    console.print(table)
    for remark in remarks:
        console.print(remark)
    console.print(
        f"From, to: the answers for a target two standard errors less and more. {found.paths:,} paths.\n"
        f"Issuable, class after class: {found.issuable:,.0f}."
    )


def _answer_table(deal: Any, analysis: Any, _: Say) -> Any:
    """Each class as sheet Home has it; a column without undertaking where one stands behind a class."""
    from xlkmv.deal.answers import class_answers, range_text
    from xlkmv.deal.reading import probability

    answers = class_answers(deal, analysis)
    supported, ranged = any(a.alone for a in answers), any(a.pd_range for a in answers)
    columns = (
        *(_("Grade"), _("PD to\nquote"), *[_("90 %")] * ranged, _("Why"), *[_("Alone")] * supported),
        *(_("Loss"), _("LGD"), _("Life"), _("Yield")),
    )
    title = _("Each class: grade by default rates of rated companies, no rating")
    table = _table(title, _("Class"), *columns)
    why = table.columns[3 + ranged]
    why.justify, why.no_wrap = "left", False
    for a in answers:
        alone = [probability(a.alone.pd) if a.alone else "-"] if supported else []
        table.add_row(
            a.name,
            said(a.grade, _),
            probability(a.quote.pd),
            *[said(range_text(a.pd_range), _)] * ranged,
            said(a.quote.why, _),
            *alone,
            said(probability(a.expected_loss, simulated=True), _),
            _number(a.loss_given_default, ".0%", _),
            _number(a.average_life, ".2f", _),
            _number(a.yield_at_par, ".2%", _),
        )
    return table


def _headline_table(deal: Any, analysis: Any, _: Say) -> Any:
    """Risk of each tranche as it is, without the undertaking where that protects it, without controls."""
    from xlkmv.deal.reading import probability

    columns = (_("Controls"), _("Coverage"), _("DD"), _("PD"), _("Any date"), _("Simulated"))
    table = _table(_("Default risk of each tranche by its maturity"), _("Tranche"), *columns)

    def row(name: str, controls: str, view: Any, pds: tuple[float, float], simulated: Any) -> None:
        table.add_row(
            name,
            controls,
            _number(view.coverage_at_maturity, ".3f", _),
            _number(view.distance_at_maturity, ".2f", _),
            *map(probability, pds),
            said(probability(simulated.anydate_pd, simulated=True), _),
        )

    for k, on in enumerate(analysis.base.tranches):
        off, m = analysis.controls_off.tranches[k], on.maturity
        alone, pool = analysis.simulated_unsupported.tranches[k], (on.risk.pd[m], on.risk.anydate_pd[m])
        as_is, bare = ((v.pd_at_maturity, v.anydate_pd_at_maturity) for v in (on, off))
        row(on.name, _("as is"), on, as_is, analysis.simulated_base.tranches[k])
        if deal.controls.support and deal.senior[k]:
            row("", _("unsupported"), on, pool, alone)
        row("", _("all off"), off, bare, analysis.simulated_off.tranches[k])
    return table


def _tape_report(report: Any) -> None:
    console = _console()
    console.print(report.source)
    for section in report.sections(refused=REFUSED_SHOWN):
        table = _table(section.title, *section.header)
        for row in section.rows:
            table.add_row(*row)
        for column in table.columns:
            column.justify, column.no_wrap = "left", False
        console.print(table)
    for note in report.notes:
        console.print(note)


def _problems(error: BookInputError) -> None:
    console = _console(stderr=True)
    table = _table(f"{error.counted}; nothing was written", "Sheet", "Cell", "Value", "Rule")
    for problem in error.problems:
        table.add_row(problem.sheet, problem.cells, problem.holds, problem.rule)
    for column in table.columns:
        column.justify, column.no_wrap = "left", False
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
