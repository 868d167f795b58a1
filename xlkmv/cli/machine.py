"""Commands about this machine: install, uninstall, doctor, self-test, completion."""

from __future__ import annotations

import argparse
from pathlib import Path

from xlkmv.cli import arguments
from xlkmv.cli.completion import SHELLS, script
from xlkmv.cli.document import Answer
from xlkmv.cli.making import shipped_template
from xlkmv.cli.output import Output, table
from xlkmv.phrase import Phrase, said

__all__ = ["add"]

FINDINGS = tuple((key, "text") for key in ("name", "state", "found", "cure"))


def add(commands: arguments.Commands) -> None:
    """Add the commands of this module to a parser."""
    install = arguments.command(
        commands,
        "install",
        _install,
        "put the functions into Excel (Windows) or LibreOffice",
        "xlkmv install",
        "xlkmv install --libreoffice",
    )
    install.add_argument("--all-users", action="store_true", help="for every user, if elevated")
    install.add_argument("--libreoffice", action="store_true", help="into LibreOffice Calc instead")
    uninstall = arguments.command(
        commands, "uninstall", _uninstall, "remove every trace of it", "xlkmv uninstall"
    )
    uninstall.add_argument("--libreoffice", action="store_true", help="from LibreOffice Calc only")
    doctor = arguments.command(
        commands,
        "doctor",
        _doctor,
        "say what is wrong with the installation, and mend it",
        "xlkmv doctor",
        "xlkmv doctor --fix Deal.xlsm",
        results=True,
    )
    doctor.add_argument("--fix", action="store_true", help="mend what can be mended")
    doctor.add_argument("books", nargs="*", type=Path, help="workbooks to look at, too")
    arguments.command(
        commands,
        "self-test",
        _self_test,
        "compare with the published known answers",
        "xlkmv self-test",
        results=True,
    )
    completion = arguments.command(
        commands,
        "completion",
        _completion,
        "print what makes a shell complete commands and options",
        'eval "$(xlkmv completion bash)"  # a line for ~/.bashrc; zsh likewise',
        "xlkmv completion fish > ~/.config/fish/completions/xlkmv.fish",
        "xlkmv completion powershell | Out-String | Invoke-Expression  # a line for $PROFILE",
    )
    completion.add_argument("shell", choices=SHELLS)


def _install(options: argparse.Namespace, out: Output) -> int:
    if options.libreoffice:
        from xlkmv.build.calc_addin import build_addin
        from xlkmv.install import libreoffice

        out.line(libreoffice.install(build_addin))
        return 0
    from xlkmv.build import ribbon
    from xlkmv.install import windows

    template = shipped_template()
    content = template.read_bytes() if template else None
    return (
        0 if windows.install(ribbon.build_addin(), content, say=out.line, all_users=options.all_users) else 1
    )


def _uninstall(options: argparse.Namespace, out: Output) -> int:
    from xlkmv.environment import remove
    from xlkmv.install import libreoffice, windows

    if options.libreoffice:
        out.line(libreoffice.uninstall())
        return 0
    clean = windows.uninstall(say=out.line)
    if libreoffice.find_office() is not None:
        out.line(libreoffice.uninstall())
    if clean:
        left = Phrase("Nothing of xlkmv is left but the Python package: {command}", command=remove())
        out.line(left)
    return 0 if clean else 1


def _doctor(options: argparse.Namespace, out: Output) -> int:
    from xlkmv.build import ribbon
    from xlkmv.install import doctor, libreoffice
    from xlkmv.install.books import examine_books

    findings = doctor.doctor(
        fix=options.fix,
        addin=ribbon.build_addin(),
        books=options.books,
        say=out.line,
        others=lambda: [*libreoffice.checks(), *examine_books(options.books)],
    )
    wrong = [finding for finding in findings if finding.state == "wrong"]
    told = Answer(
        "findings",
        FINDINGS,
        [(f.name, f.state, said(f.found, out.say), said(f.cure, out.say)) for f in findings],
    )
    out.record({"findings": len(findings), "wrong": len(wrong)}, told)
    return 1 if wrong else 0


def _self_test(options: argparse.Namespace, out: Output) -> int:
    from xlkmv.functions import KMV_SELFTEST
    from xlkmv.install import windows
    from xlkmv.install.machine import Machine

    header, *rows = KMV_SELFTEST()
    failed = [row for row in rows if row[-1] is not True]
    _ = out.say
    found = table(_("Published known answers that disagree"), *map(_, header[:-1]))
    for row in failed:
        found.add_row(*(x if isinstance(x, str) else f"{x:.10g}" for x in row[:-1]))
    if failed:
        out.print(found)
    agree = len(rows) - len(failed)
    out.line(Phrase("{agree} of {count} published known answers agree.", agree=agree, count=len(rows)))
    out.record({"answers": len(rows), "agree": agree})
    answers = windows.self_test(Machine(), say=out.line) if windows.supported() else True
    return 0 if answers and not failed else 1


def _completion(options: argparse.Namespace, out: Output) -> None:
    from xlkmv.cli.commands import parser

    out.line(script(options.shell, parser()))
