"""One parser, one way in and out: what a command prints, and how it ends."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import xlkmv
from xlkmv.cli import deals, firm, machine, making, questions
from xlkmv.cli.output import BAD_INPUT, Output
from xlkmv.errors import OUT_OF_MEMORY, XlkmvError

__all__ = ["CANCELLED", "main", "parser"]

CANCELLED = 130
# Options of most commands: as good before the command as after it.
EARLY = {"-q", "--quiet", "-v", "--verbose", "--json", "--csv"}
LANGUAGE = "--lang"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process by default.

    Returns
    -------
    int
        0, 1 where something is wrong with an installation or nobody reads on, 2 for bad input, 130 after
        Ctrl-C.
    """
    # A shell may have closed them; nobody reads then.
    sys.stdout, sys.stderr = (x or Path(os.devnull).open("w") for x in (sys.stdout, sys.stderr))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        # A console or pipe may know few letters: what it cannot show must not end a command.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    words = list(sys.argv[1:] if arguments is None else arguments)
    early = _early(words)
    options = parser().parse_args([*words[early:], *words[:early]])
    try:
        code = _run(options)
        sys.stdout.flush()
    except (
        BrokenPipeError
    ):  # head has seen enough: what is left must go nowhere, or Python says so at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1  # as rich has it
    except OSError as error:  # a full disk, say, where the output goes
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(f"xlkmv: {error}", file=sys.stderr)
        code = 1
    return code


def _early(words: Sequence[str]) -> int:
    """Count the words of the options that stand before the command."""
    count = 0
    while count < len(words):
        if words[count] == LANGUAGE:
            count += 2
        elif words[count] in EARLY or words[count].startswith(f"{LANGUAGE}="):
            count += 1
        else:
            break
    return count


def _run(options: argparse.Namespace) -> int:
    out = Output(options)
    try:
        out.choose(options.lang)
        code = int(options.run(options, out) or 0)
    except KeyboardInterrupt:
        _ = out.say
        out.warn(_("Cancelled: nothing was changed."))
        code = CANCELLED
    except XlkmvError as error:
        out.fail(error)
        code = BAD_INPUT
    except MemoryError:
        out.fail(XlkmvError(OUT_OF_MEMORY))
        code = BAD_INPUT
    out.close(options.command)
    return code


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands.

    Returns
    -------
    argparse.ArgumentParser
    """
    found = argparse.ArgumentParser(
        prog="xlkmv", description="The KMV model inside Excel, for a pool that pays tranches."
    )
    found.add_argument("--version", action="version", version=f"xlkmv {xlkmv.__version__}")
    commands = found.add_subparsers(dest="command", required=True, metavar="command")
    for group in (deals, making, questions, machine, firm):
        group.add(commands)
    return found
