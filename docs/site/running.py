"""Pages whose Python runs when the site is made: what it prints and draws stands beneath, never stale.

Each is a notebook as well, to download at its end.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from sphinx.application import Sphinx

FOLDERS = ("examples", "zh/examples")
PICTURES = "pictures"
NOTEBOOK = {"examples": "This page as a notebook", "zh/examples": "本页的 notebook"}
BLOCK = re.compile(r"^```python\n(.*?)^```\n", flags=re.M | re.S)
STYLE = {
    "figure.figsize": (7.5, 3.6),
    "figure.dpi": 110,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def run(app: Sphinx, name: str, source: list[str]) -> None:
    """Run the blocks of a page in one namespace, from top to bottom; an error in one ends the build."""
    within, _, page = name.rpartition("/")
    if within not in FOLDERS:
        return
    folder = Path(app.srcdir) / within / PICTURES
    folder.mkdir(exist_ok=True)
    names: dict[str, Any] = {}
    cells: list[dict[str, Any]] = []
    at = 0

    def text(end: int) -> None:
        cells.append({"cell_type": "markdown", "metadata": {}, "source": source[0][at:end].strip()})

    def output(block: re.Match[str]) -> str:
        nonlocal at
        text(block.start())
        at = block.end()
        said, shown = io.StringIO(), []
        with contextlib.redirect_stdout(said), plt.rc_context(STYLE):
            exec(compile(block[1], f"{name}.md", "exec"), names)
        parts = [block[0]]
        if said.getvalue():
            parts.append(f"```text\n{said.getvalue().rstrip()}\n```\n")
            shown.append({"output_type": "stream", "name": "stdout", "text": said.getvalue()})
        for number in plt.get_fignums():
            figure = plt.figure(number)
            title = figure.axes[0].get_title(loc="left")
            assert title, f"{name}: a chart needs a title"
            picture = f"{page}-{block.start()}-{number}.svg"
            figure.savefig(folder / picture, bbox_inches="tight", metadata={"Date": None})
            plt.close(figure)
            drawn = {"image/svg+xml": (folder / picture).read_text(encoding="utf-8")}
            shown.append({"output_type": "display_data", "metadata": {}, "data": drawn})
            parts.append(f"![{title}]({PICTURES}/{picture})\n")
        cell = {"cell_type": "code", "metadata": {}, "source": block[1].rstrip(), "outputs": shown}
        cells.append(cell | {"execution_count": sum(c["cell_type"] == "code" for c in cells) + 1})
        return "\n".join(parts)

    page_run = BLOCK.sub(output, source[0])
    text(len(source[0]))
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 4}
    (folder / f"{page}.ipynb").write_text(json.dumps(notebook, ensure_ascii=False), encoding="utf-8")
    source[0] = f"{page_run}\n{{download}}`{NOTEBOOK[within]} <{PICTURES}/{page}.ipynb>`\n"


def clear(app: Sphinx) -> None:
    """Begin without the pictures of an earlier build."""
    for within in FOLDERS:
        shutil.rmtree(Path(app.srcdir) / within / PICTURES, ignore_errors=True)


def always(app: Sphinx, *_: object) -> list[str]:
    """Read these pages anew in every build: what they show depends on more than their text."""
    return [name for name in app.env.found_docs if name.rpartition("/")[0] in FOLDERS]


def setup(app: Sphinx) -> dict[str, bool]:
    """Run the pages as they are read."""
    app.connect("builder-inited", clear)
    app.connect("env-get-outdated", always)
    app.connect("source-read", run)
    return {"parallel_read_safe": False}
