"""Show every sheet of a workbook as a PNG picture: ``python tests/hosts/render.py BOOK.xlsm OUTDIR``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import calc


def main() -> int:
    """Render the workbook named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("book", type=Path)
    parser.add_argument("outdir", type=Path)
    parser.add_argument("--dpi", type=int, default=96, help="96 is the screen at 100 %% (default)")
    parser.add_argument("--rows", type=int, default=400, help="cut longer sheets here (default 400)")
    parser.add_argument("--sheet", action="append", help="only this sheet (may be repeated)")
    parser.add_argument("--oxt", type=Path, action="append", default=[], help="install this extension first")
    parser.add_argument("--recalculate", action="store_true", help="compute every formula, forget the cache")
    options = parser.parse_args()
    reason = calc.missing()
    if reason:
        parser.exit(1, f"{reason}\n")
    with calc.Calc(extensions=options.oxt) as office, office.open(options.book) as book:
        if options.recalculate:
            book.recalculate()
        for path in book.pictures(options.outdir, dpi=options.dpi, rows=options.rows, only=options.sheet):
            print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
