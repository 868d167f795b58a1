"""Arguments that several commands take."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from xlkmv.cli.output import Output

if TYPE_CHECKING:  # argparse has no other name for it
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["book", "command", "scheduler", "share", "writes"]

Run = Callable[[argparse.Namespace, Output], int | None]


def command(
    commands: Commands, name: str, run: Run, text: str, *examples: str, results: bool = False
) -> argparse.ArgumentParser:
    """Add a command.

    Parameters
    ----------
    commands : object
        From ``add_subparsers``.
    name : str
    run : callable
        Of the options and :class:`~xlkmv.cli.output.Output`; returns the exit code, None for 0.
    text : str
        What it does, in half a sentence.
    *examples : str
        Command lines for its help.
    results : bool
        Whether it answers with numbers, which programs read as well.

    Returns
    -------
    argparse.ArgumentParser
    """
    found = commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog="\n".join(["examples:", *(f"  {example}" for example in examples)]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.set_defaults(run=run, form="text", level=0)
    found.add_argument(
        "--lang", metavar="LANGUAGE", help="en or zh (default: that of the workbook, else of the environment)"
    )
    how_much = found.add_mutually_exclusive_group()
    how_much.add_argument(
        "-q", "--quiet", dest="level", action="store_const", const=-1, help="print errors only"
    )
    how_much.add_argument(
        "-v", "--verbose", dest="level", action="store_const", const=1, help="say when each step began"
    )
    if results:
        form = found.add_mutually_exclusive_group()
        for kind, what in (("json", "one JSON document"), ("csv", "CSV in UTF-8, a line a figure")):
            form.add_argument(
                f"--{kind}", dest="form", action="store_const", const=kind, help=f"print {what} instead"
            )
    return found


def book(parser: argparse.ArgumentParser, text: str = "a workbook made from the template") -> None:
    """Add the workbook that a command is about."""
    parser.add_argument("book", type=Path, help=text)


def writes(parser: argparse.ArgumentParser) -> None:
    """Add where a command writes the workbook."""
    parser.add_argument("--out", type=Path, help="write here instead, and leave the book as it is")
    parser.add_argument("--backup", action="store_true", help="keep the earlier file beside the new one")


def scheduler(parser: argparse.ArgumentParser) -> None:
    """Add how much is simulated, and where."""
    parser.add_argument("--quick", action="store_true", help="the KMV view and 10,000 paths only, in seconds")
    parser.add_argument("--scheduler", help="simulate on this Dask cluster, such as tcp://10.0.0.1:8786")


def share(text: str) -> float:
    """Read a ratio of the command line: 0.02 or 2%."""
    try:
        number = float(text.strip().removesuffix("%"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number such as 0.02 or 2% (got {text!r})") from None
    return number / 100.0 if text.strip().endswith("%") else number
