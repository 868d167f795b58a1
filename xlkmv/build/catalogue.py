"""Catalogues of texts: ``python -m xlkmv.build.catalogue`` brings each ``.po`` up to date and compiles it.

What is to be translated is said in the sources as ``_("text")`` or ``Phrase("text")``, is the sentence of an
error, or listed where it is a name of the product (:func:`names`). Texts that are new come out blank; those
that are gone go.
"""

from __future__ import annotations

import ast
import functools
import struct
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from xlkmv.build.drawing import KEYS
from xlkmv.build.filling import filling
from xlkmv.build.ribbon import BUTTONS
from xlkmv.build.template import fixed_texts
from xlkmv.deal.analysis import HIT
from xlkmv.deal.examples import EXAMPLES, example
from xlkmv.deal.questions import compare, structure
from xlkmv.deal.reading import ALARMS, READINGS
from xlkmv.deal.terms import CONTROLS, RESERVE_UNITS
from xlkmv.functions import FUNCTIONS
from xlkmv.language import DOMAIN, ENGLISH, LANGUAGES, LOCALE
from xlkmv.model.comparison import MOST_SIMULATED
from xlkmv.model.distance import METHODS
from xlkmv.phrase import CLAUSES, LIST, ORDER, SENTENCES
from xlkmv.refresh.rows.conditions import UNITS
from xlkmv.workbook import layout

__all__ = ["compiled", "main", "names", "parse", "po_file", "texts", "written"]

HEADER = (
    "Project-Id-Version: xlkmv\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n"
    "Language: {language}\n"
)
# What marks a text, said at once or kept to be said later; errors and rules, which keep theirs by themselves.
# The number is the place of the text among the arguments.
MARKS = {"_": 0, "Phrase": 0, "Rule": 0, "Problem": 3, "Fault": 4}
MARKS |= dict.fromkeys(("XlkmvError", "BookError", "HostError", "ConvergenceError", "CancelledError"), 0)
MARKS |= dict.fromkeys(("InputError", "DomainError", "MissingError"), 1)
# Of the magic number of a .mo file, its revision and the place of its first table.
MAGIC, REVISION, START = 0x950412DE, 0, 28

# Modules whose errors only those who build the product can meet.
BUILDERS = {"ovba.py", "vba.py"}


# What states begin with, and are shown in red by; notes of cells of Home; outcomes of a check; messages of
# the log; what models say of their figures.
STATES = ("stale", "not solved")
NOTES_OF_CELLS = ("Any class of sheet Tranche. Blank: the last senior one. Refresh afterwards.",)
OUTCOMES = ("passed", "look", "ok", "note", "wrong")
MESSAGES = ("refreshed", "as shipped", "refreshed in LibreOffice")
NOTES_OF_MODELS = (
    "exact",
    "simulated",
    "with defaults alone it is KMV",
    f"not simulated beyond {MOST_SIMULATED} obligors",
    "CreditRisk+ lets an obligor default twice: P(loss > all that can be lost)",
)


def po_file(language: str) -> Path:
    """Path of the catalogue of a language."""
    return LOCALE / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def names() -> list[str]:
    """Names that the product gives to things, and that are looked up when they are shown."""
    titles = [*(spec.title for spec in layout.TITLES.values()), *layout.CHARTS.values()]
    found = [
        *(control.label for control in CONTROLS.values()),
        *READINGS.values(),
        *(layout.of_class(title, "").pattern for title in titles),
        *layout.DRAWN.values(),
        *(*ALARMS, "FAILED", *OUTCOMES, *MESSAGES, *NOTES_OF_MODELS),
        *compare.labels(),
        *(*structure.QUESTIONS.values(), *structure.UNITS.values(), *structure.WHOLE_RANGE.values()),
        *(layout.FRONTIER_TITLE, layout.QUICK, *STATES),
        *(text for spec in layout.TABLES.values() for c in spec.inputs for text in (*c.choices, c.note)),
        *NOTES_OF_CELLS,
        *(text for words in KEYS.values() for text in words),
        *(row.unit for row in layout.TERM_ROWS),
        *_bases(),
        *(*(row.meaning for row in layout.CONTROL_ROWS), *RESERVE_UNITS),
        *(text for _, label, _, tip in BUTTONS for text in (label, tip)),
        *(c.header for c in layout.SCENARIO.columns if c.field in UNITS),
        *(field.capitalize() for field in UNITS if " " in field),
        *(label for label, _ in layout.NAMES.values()),
        *(LIST, CLAUSES, SENTENCES, ORDER),
        *(spec.title for spec in layout.TABLES.values() if spec.inputs),
        *(c.header for spec in (layout.ANSWER, layout.HEADLINE, layout.SCENARIO) for c in spec.results),
        *(*METHODS, HIT),
        *(text for f in FUNCTIONS.values() for text in (*f.headings, *(a.text for a in f.arguments))),
    ]
    return [text for text in found if text]


def _bases() -> Iterator[str]:
    """Yield what the examples say of where their figures are from."""
    for key in EXAMPLES:
        for name, filled in filling(example(key)).tables.items():
            for c, *cells in zip(layout.TABLES[name].columns, *filled.rows, strict=False):
                if c.field == "basis":
                    yield from filter(None, cells)


@functools.cache
def texts() -> tuple[str, ...]:
    """All texts to translate, in the order of the modules, each once."""
    found = [text for path in _modules() for text in _marked(path)]
    return tuple(dict.fromkeys([*found, *names(), *fixed_texts()]))


def _modules() -> list[Path]:
    return sorted(path for path in LOCALE.parent.rglob("*.py") if path.name not in BUILDERS)


def _marked(path: Path) -> Iterator[str]:
    """Yield the texts that a module marks, in its order."""
    source = path.read_text(encoding="utf-8")
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda node: (node.lineno, node.col_offset)):
        place = MARKS.get(call.func.id) if isinstance(call.func, ast.Name) else None
        for argument in call.args[place : place + 1] if place is not None else ():
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                yield argument.value  # else a phrase, marked itself, or a name, from the list above


def parse(text: str) -> dict[str, str]:
    """Read a ``.po`` file: text to translation, of what it has of the format."""
    found: dict[str, str] = {}
    entry = {"msgid": "", "msgstr": ""}
    part = ""
    for line in [*text.split("\n"), "msgid"]:
        key, _, rest = line.partition(" ")
        if key == "msgid":
            if part == "msgstr":
                found[entry["msgid"]] = entry["msgstr"]
            entry = {"msgid": "", "msgstr": ""}
        if key in entry:
            part, line = key, rest
        if line.startswith('"'):
            entry[part] += ast.literal_eval(line)
    return found


def written(language: str, translations: Mapping[str, str]) -> str:
    """Write a ``.po`` file; texts that are not translated are blank."""
    entries = {"": HEADER.format(language=language)} | {text: translations.get(text, "") for text in texts()}
    return "\n".join(f"msgid {_quoted(text)}\nmsgstr {_quoted(said)}\n" for text, said in entries.items())


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def compiled(translations: Mapping[str, str]) -> bytes:
    """Write a ``.mo`` file: GNU's format, texts in order, blank translations left out."""
    entries = sorted((a.encode(), b.encode()) for a, b in translations.items() if b)
    tables, strings = [b"", b""], b""
    place = START + 16 * len(entries)
    for column in (0, 1):
        for entry in entries:
            tables[column] += struct.pack("<2I", len(entry[column]), place + len(strings))
            strings += entry[column] + b"\0"
    second = START + 8 * len(entries)
    head = struct.pack("<7I", MAGIC, REVISION, len(entries), START, second, 0, place)
    return head + tables[0] + tables[1] + strings


def main() -> int:
    """Bring every catalogue up to date; the exit code is 1 when a text is not translated yet."""
    blank = 0
    for language in LANGUAGES:
        if language == ENGLISH:
            continue
        path = po_file(language)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = written(language, parse(path.read_text(encoding="utf-8")) if path.exists() else {})
        translations = parse(text)
        path.write_text(text, encoding="utf-8")
        path.with_suffix(".mo").write_bytes(compiled(translations))
        missing = [text for text, said in translations.items() if not said]
        blank += len(missing)
        print(f"{path.name} ({language}): {len(translations) - 1} texts, {len(missing)} not translated")
        for text in missing:
            print(f"  {text}")
    return 1 if blank else 0


if __name__ == "__main__":
    sys.exit(main())
