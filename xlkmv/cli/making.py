"""Commands that make or fill workbooks: new, lite, import, case."""

from __future__ import annotations

import argparse
import datetime as dt
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import xlkmv
from xlkmv.cli import arguments
from xlkmv.cli.books import opened, other_file
from xlkmv.cli.output import Output, table
from xlkmv.errors import BookError, InputError
from xlkmv.phrase import Phrase, said

if TYPE_CHECKING:
    from xlkmv.build.filling import Filling
    from xlkmv.tape.result import Report

__all__ = ["add", "shipped_template"]

REFUSED_SHOWN = 20  # cells of a tape; --report lists them all


def add(commands: arguments.Commands) -> None:
    """Add the commands of this module to a parser."""
    new = arguments.command(
        commands,
        "new",
        _new,
        "make a fresh workbook: the shipped deal, an example, or blank",
        "xlkmv new Deal.xlsm",
        "xlkmv new Auto.xlsm --example auto",
        "xlkmv new Blank.xlsm --blank --closing 2025-01-15 --every quarter --dates 12",
        "xlkmv new Fees.xlsm --blank --closing 2025-01-15 --every quarter --dates 12 --schedule",
        "xlkmv new Deal.xlsx  # without macros",
    )
    new.add_argument("file", type=Path, help="the workbook to make: FILE.xlsm, or FILE.xlsx without macros")
    new.add_argument("--example", metavar="NAME", help="patents (the shipped deal), auto, mortgage or lease")
    new.add_argument("--blank", action="store_true", help="an empty deal; needs the three that follow")
    new.add_argument("--closing", metavar="DATE", help="of a blank deal: closing date, such as 2025-01-15")
    new.add_argument("--every", metavar="INTERVAL", help="month, '2 months', quarter, half-year or year")
    new.add_argument("--dates", metavar="NUMBER", help="how many payment dates")
    new.add_argument(
        "--schedule",
        action="store_true",
        help="of a blank deal: a column of collections for each payment date, in place of loan terms",
    )
    new.add_argument("--no-macros", action="store_true", help="FILE.xlsx, whatever FILE ends in")
    lite = arguments.command(
        commands,
        "lite",
        _lite,
        "write the edition for xlwings Lite: Mac, browser, no macros",
        "xlkmv lite Lite",
    )
    lite.add_argument("folder", type=Path, help="where to put script, requirements and workbook")
    _add_import(commands)
    case = arguments.command(
        commands,
        "case",
        _case,
        "keep a workbook as it is as a case beside it",
        "xlkmv case Deal.xlsm",
    )
    arguments.book(case)


def _add_import(commands: arguments.Commands) -> None:
    tape = arguments.command(
        commands,
        "import",
        _import,
        "put the loans of a tape into a workbook's pool",
        "xlkmv import Loans.csv Deal.xlsm --pd 2% --recovery 40% --lag 1 --correlation 0.1 --dry-run",
        "xlkmv import --prices Equity.csv Deal.xlsm",
        "xlkmv import Loans.xlsx Deal.xlsm --map headings.csv --group --report taken.csv",
        results=True,
    )
    tape.add_argument("tape", nargs="?", type=Path, help="CSV, Excel or Parquet, one row per loan")
    arguments.book(tape)
    tape.add_argument(
        "--prices",
        type=Path,
        metavar="FILE",
        help="equity values of listed obligors, in place of a tape: a row a price, or a column a firm",
    )
    tape.add_argument(
        "--map",
        type=Path,
        help="CSV or JSON: heading of the tape, heading of the pool; or word of the tape, known word",
    )
    tape.add_argument(
        "--percent", action="store_true", help="columns with plain numbers above 1 are percentages"
    )
    tape.add_argument(
        "--percent-in", action="append", metavar="COLUMN", help="so is this one, whatever its numbers"
    )
    tape.add_argument("--sheet", help="sheet of an Excel tape")
    tape.add_argument("--encoding", help="of a text tape, if it is not recognised")
    tape.add_argument("--pd", type=arguments.share, help="one-year PD of every loan: 0.02 or 2%%")
    tape.add_argument("--recovery", type=arguments.share, help="recovery of every loan: 0.4 or 40%%")
    tape.add_argument("--lag", type=float, help="years from default to recovery, of every loan")
    tape.add_argument("--correlation", type=arguments.share, help="asset correlation of every loan")
    tape.add_argument("--skip-bad", action="store_true", help="leave out rows that cannot be used")
    tape.add_argument(
        "--group", action="store_true", help="make representative lines of loans that are alike"
    )
    tape.add_argument("--report", type=Path, help="write what was taken, mended and refused as CSV")
    tape.add_argument("--dry-run", action="store_true", help="say what would be done, and write nothing")
    arguments.writes(tape)


# ---------------------------------------------------------------------------------------- new


def _new(options: argparse.Namespace, out: Output) -> None:
    from xlkmv.build.template import build_template

    if options.no_macros:
        options.file = options.file.with_suffix(".xlsx")
    if options.file.suffix.lower() not in (".xlsm", ".xlsx"):
        raise BookError(
            Phrase(
                "{file} must end in .xlsm, or in .xlsx for a workbook without macros", file=str(options.file)
            )
        )
    if options.file.exists():
        raise BookError(
            Phrase("{file} exists: choose another name, or remove it first", file=str(options.file))
        )
    folder = options.file.resolve().parent
    if not folder.is_dir():
        raise BookError(Phrase("there is no folder {folder}", folder=str(folder)))
    filling, what = _wanted(options)
    found = shipped_template()
    if filling is not None:
        build_template(options.file, filling, refreshed=False)
    elif found is None or options.file.suffix.lower() == ".xlsx":
        build_template(options.file)
    else:
        shutil.copyfile(found, options.file)
    if options.lang is not None:
        from xlkmv.refresh.wording import choose_language
        from xlkmv.workbook.book import open_book

        book = open_book(options.file)
        choose_language(book, options.lang)
        book.save()
    file = str(options.file)
    out.line(Phrase("Made {file}: {what} xlkmv refresh {file}", file=file, what=what))


def _lite(options: argparse.Namespace, out: Output) -> None:
    from xlkmv.build.lite import write_lite

    for path in write_lite(options.folder):
        out.line(Phrase("Made {path}", path=str(path)))
    out.line(Phrase("Five steps in Excel: docs/lite.md"))


def _wanted(options: argparse.Namespace) -> tuple[Filling | None, str]:
    """What the new workbook holds (None: the shipped deal), and what to do with it."""
    from xlkmv.build.filling import blank, filling
    from xlkmv.deal.examples import example
    from xlkmv.workbook import layout

    calendar = {"--closing": options.closing, "--every": options.every, "--dates": options.dates}
    given = [name for name, value in calendar.items() if value is not None]
    given += ["--schedule"] if options.schedule else []
    if options.example is not None:
        if options.blank or given:
            other = "--blank" if options.blank else given[0]
            rule = Phrase("is a deal of its own: leave out {other}", other=other)
            raise InputError("--example", rule, options.example)
        return filling(example(options.example)), Phrase("now run")
    if not options.blank:
        if given:
            raise InputError(given[0], "belongs to --blank: add it", *filter(None, [calendar.get(given[0])]))
        return None, Phrase("now run")
    if missing := [name for name in calendar if name not in given]:
        raise InputError("--blank", Phrase("needs {names}, too", names=" and ".join(missing)))
    try:
        closing = dt.date.fromisoformat(options.closing)
    except ValueError:
        raise InputError("--closing", "must be a date, such as 2025-01-15", options.closing) from None
    if not options.dates.isdecimal():
        raise InputError("--dates", layout.COUNT_OF_DATES.text, options.dates)
    wanted = blank(closing, options.every, int(options.dates), options.schedule)
    return wanted, Phrase("fill in pool, classes and terms, then run")


def shipped_template() -> Path | None:
    """Find the shipped template: inside the installed package, or beside it in a checkout."""
    from xlkmv.hosts.server import TEMPLATE

    package = Path(xlkmv.__file__).parent
    places = (package / TEMPLATE, package.parent / "workbook" / TEMPLATE)
    return next((path for path in places if path.is_file()), None)


# ------------------------------------------------------------------------------------- import


def _import_prices(options: argparse.Namespace, out: Output) -> None:
    from xlkmv.tape import import_prices, listed_obligors, read_prices

    if options.tape is not None:
        rule = Phrase("stands in the place of a tape: import one after the other")
        raise InputError("--prices", rule, options.prices)
    to = other_file(options, options.book)
    book = opened(options.book, out, live=to is None)
    found = read_prices(options.prices, listed_obligors(book), sheet=options.sheet, encoding=options.encoding)
    out.line(Phrase("{name}: {how}", name=options.prices.name, how=found.how))
    _ = out.say
    columns = (_("Obligor"), _("Number of\nprices"), _("From"), _("To"), _("Last value"))
    shown = table(_("Equity values"), *columns)
    for s in found.series:
        figures = (f"{s.values.size:,}", str(s.dates[0]), str(s.dates[-1]), f"{s.values[-1]:,.6g}")
        shown.add_row(s.name, *figures)
    out.print(shown)
    for s in found.series:
        if s.hole:
            hole = Phrase("{name}: {hole}. The fit takes prices for evenly spaced.", name=s.name, hole=s.hole)
            out.line(hole)
    if found.blanks:
        out.line(Phrase("Days without a price are left out: {count:,}.", count=found.blanks))
    if found.strangers:
        names = ", ".join(found.strangers)
        out.line(Phrase("No obligors of sheet Obligor, left out: {names}.", names=names))
    count = import_prices(found, book)
    facts = {"book": str(options.book), "prices": count}
    if options.dry_run:
        out.line(Phrase("{count:,} prices would be written; nothing was.", count=count))
        out.record({**facts, "written": None})
        return
    written = book.save(to, backup=options.backup)
    done = {"path": str(written), "count": count, "name": written.name}
    out.line(Phrase("Written: {path}, {count:,} prices. Now: xlkmv refresh {name}", **done))
    out.record({**facts, "written": str(written)})


def _import(options: argparse.Namespace, out: Output) -> None:
    if options.prices is not None:
        _import_prices(options, out)
        return
    if options.tape is None:
        raise InputError("tape", "must be a file: xlkmv import TAPE BOOK, or --prices FILE BOOK")
    from xlkmv.tape import group, import_tape, read_map, read_tape, workbook_terms

    to = other_file(options, options.book)
    book = opened(options.book, out, live=to is None)
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
        ask=_asking(out) if sys.stdin.isatty() else None,
    )
    if options.group:
        tape = group(tape)
    _print_report(tape.report, out)
    if options.report:
        out.line(Phrase("Report: {path}", path=str(tape.report.write_csv(options.report))))
    count = import_tape(tape, book, skip_bad=options.skip_bad)
    money = float(tape.rows["amount"].sum())
    refused = {"refused": tape.report.refused_rows, "refused_money": tape.report.refused_money}
    facts = {"book": str(options.book), "rows": count, "money": money, **refused}
    if options.dry_run:
        out.line(Phrase("{count:,} rows would be written; nothing was.", count=count))
        out.record({**facts, "written": None})
        return
    written = book.save(to, backup=options.backup)
    out.line(
        Phrase(
            "Written: {path}, {count:,} rows of the pool. Now: xlkmv refresh {name}",
            path=str(written),
            count=count,
            name=written.name,
        )
    )
    out.record({**facts, "written": str(written)})


def _asking(out: Output) -> Callable[[str], bool]:
    """Return what asks until the answer is yes or no; the end of the input is a no."""

    def ask(question: str) -> bool:
        shown, known = f"{said(question, out.say)} [y/n] ", ("y", "yes", "n", "no")
        try:
            while (answer := input(shown).strip().casefold()) not in known:
                pass
        except EOFError:
            return False
        return answer in ("y", "yes")

    return ask


def _print_report(report: Report, out: Output) -> None:
    out.print(report.source)
    for section in report.sections(refused=REFUSED_SHOWN):
        found = table(said(section.title, out.say), *(said(x, out.say) for x in section.header), words=True)
        for row in section.rows:
            found.add_row(*(said(cell, out.say) for cell in row))
        out.print(found)
    out.print(*report.notes)


# --------------------------------------------------------------------------------------- case


def _case(options: argparse.Namespace, out: Output) -> None:
    from xlkmv.refresh.cases import save_case

    book = opened(options.book, out)
    path = save_case(book, lambda case: shutil.copy2(options.book, case))
    book.save()
    out.line(
        Phrase(
            "Saved: {path}. Now change the deal, then: xlkmv compare --write {name}",
            path=str(path),
            name=options.book.name,
        )
    )
