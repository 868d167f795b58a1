"""Hostile workbooks against the reader, each in a process of its own with a limit of time and memory.

``python tests/workbook/fuzz.py [--changes N] [--seed S] [--seconds T] [CASE ...]`` runs the cases of
`hostile.py` (or those named), then N workbooks in which a few places were changed by chance, for T seconds
at most. A workbook may work or be refused with one sentence; the end is 1 if any did neither. Whatever is
found is kept in the folder that ``--keep`` names: the file, and how it ended.

Needs fork and resource limits: Linux or macOS.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from hostile import CASES, pack, parts, sound

from xlkmv.errors import BookError
from xlkmv.workbook.book import open_book

SECONDS = 60  # of the processor, for reading, writing and saving one workbook
MEMORY = 3 * 2**29  # 1.5 GB, the interpreter and numpy's 0.3 GB among them


@dataclass
class End:
    """How a case ended: works, refused (with the sentences), or what went wrong."""

    case: str
    how: str
    said: str
    seconds: float
    megabytes: float

    @property
    def good(self) -> bool:
        """Whether it worked or was refused as it should be."""
        return self.how in ("works", "refused")


def use(path: Path) -> list[str]:
    """Do with a workbook all that xlkmv does; the sentences of what was refused."""
    said: list[str] = []

    def attempt(step: Callable[[], object]) -> None:
        try:
            step()
        except BookError as error:
            said.append(str(error))

    def read_tables() -> None:
        book = open_book(path)
        for name in book.tables():
            book.table(name)
            book.coloured(name, "#FFFFCC")

    def read_names() -> None:
        book = open_book(path)
        for name in book.names():
            attempt(lambda name=name: book.name(name))

    def read_cells() -> None:
        book = open_book(path)
        for sheet in book.sheets():
            attempt(lambda sheet=sheet: book.cells(sheet))

    def write(length: int) -> None:
        book = open_book(path)
        for name in book.tables():
            book.write_table(name, {"Amount": [0.5] * length}, resize=True)
        book.save(path.with_stem("written"))
        open_book(path.with_stem("written"))

    for step in (read_tables, read_names, read_cells, lambda: write(9), lambda: write(1)):
        attempt(step)
    return said


def confined(case: str, path: Path) -> End:
    """Use a workbook in a process of its own, and say how that ended."""
    inlet, outlet = os.pipe()
    start = time.monotonic()
    child = os.fork()
    if not child:
        os.close(inlet)
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        try:
            said = use(path)
            long = [text for text in said if "\n" in text or len(text) > 400]
            how = "no sentence" if long else "refused" if said else "works"
            found = how, "; ".join(dict.fromkeys(long or said))
        except BaseException as error:
            found = type(error).__name__, traceback.format_exc()
        with os.fdopen(outlet, "w") as pipe:
            json.dump(found, pipe)
        os._exit(0)
    os.close(outlet)
    with os.fdopen(inlet) as pipe:
        text = pipe.read()
    _, _, usage = os.wait4(child, 0)
    how, said = json.loads(text) if text else ("killed", f"after {time.monotonic() - start:.0f} s")
    scale = 2**20 if sys.platform == "darwin" else 1024
    return End(case, how, said, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / scale)


# ------------------------------------------------------------------------------------- chance

_PLACES = (r"""\s[\w:]+="[^"]*\"""", r"<[^>]+>", r'(?<==")[^"]*(?=")', r"(?<=>)[^<]+(?=<)", r"[<>\"'&=/]")
_NEW = (
    "", "-1", "x", "0", "9" * 9, "9" * 5000, "A1:B2", "XFD1048576", "A1:XFD1048576", "nan", "1e999", "é",
    "<!-- -->", "<![CDATA[1]]>", "<?a?>", "&#0;", "&x;", "&lt;", "'", '"', "<", ">", " " * 9999, "\ud7ff",
    "'" * 999, "[" * 999, "t[" * 999, "(" * 999, "_x0000_", "_xD800_", "INDIRECT(A1)", "S!A1:Other!B2",
)  # fmt: skip


def changed(content: dict[str, bytes], dice: random.Random) -> dict[str, bytes]:
    """Parts with some places cut, doubled, taken from elsewhere or said otherwise."""
    names = [name for name in content if "theme" not in name and "docProps" not in name]
    content = dict(content)
    for _ in range(dice.choice((1, 1, 2, 4))):
        name = dice.choice(names)
        text = content[name].decode(errors="replace")
        places = list(re.finditer(dice.choice(_PLACES), text)) or [re.match("", text)]
        place, other = dice.choice(places), dice.choice(places)
        new = dice.choice((*_NEW, other[0], place[0] * dice.choice((2, 999, 20_000))))
        text = text[: place.start()] + new + text[place.end() :]
        content[name] = text.encode(errors="replace")[: 2**24]
    if dice.random() < 0.1:
        del content[dice.choice(names)]
    return content


def cases(options: argparse.Namespace, folder: Path) -> Iterator[tuple[str, Path]]:
    """Name and file of each case."""
    for name in options.case or CASES:
        path = folder / "hostile.xlsx"
        CASES[name](path)
        yield name, path
    if options.case:
        return
    sound(folder / "sound.xlsx")
    content = parts(folder / "sound.xlsx")
    for number in range(options.changes):
        path = folder / "changed.xlsx"
        pack(path, changed(content, random.Random(f"{options.seed} {number}")))
        yield f"change {number} of seed {options.seed}", path


def main() -> int:
    """Run all cases; 1 if one ended badly."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", nargs="*", choices=[*CASES, []], help="cases of hostile.py")
    parser.add_argument("--changes", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--json", action="store_true", help="a line of JSON for each case")
    parser.add_argument("--keep", type=Path, help="folder for what ends badly")
    options = parser.parse_args()
    count = bad = 0
    slowest = largest = 0.0
    until = time.monotonic() + options.seconds
    with tempfile.TemporaryDirectory() as folder:
        for name, path in cases(options, Path(folder)):
            end = confined(name, path)
            count, bad = count + 1, bad + (not end.good)
            slowest, largest = max(slowest, end.seconds), max(largest, end.megabytes)
            if options.json:
                print(json.dumps(asdict(end)), flush=True)
            elif not end.good or not name.startswith("change "):
                print(f"{end.how:12} {end.seconds:5.1f} s {end.megabytes:6.0f} MB  {name}: {end.said[-400:]}")
            if not end.good and options.keep:
                options.keep.mkdir(parents=True, exist_ok=True)
                stem = re.sub(r"\W+", "_", name)
                path.replace(options.keep / f"{stem}.xlsx")
                (options.keep / f"{stem}.txt").write_text(f"{end.how}\n{end.said}")
            if time.monotonic() > until:
                break
    if not options.json:
        print(f"{count:,} workbooks, {bad} ended badly; at most {slowest:.1f} s and {largest:.0f} MB")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
