"""The reference of the Python API, from ``__all__`` and docstrings; pages that name a function link to it."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import shutil
from pathlib import Path
from types import ModuleType

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

import xlkmv

ROOMS = {
    "xlkmv.model": "Mathematics",
    "xlkmv.deal": "Deals",
    "xlkmv.memo.writing": "Memo",
    "xlkmv.errors": "Errors",
}
NAME = re.compile(r"xlkmv(\.\w+)+")


def modules(room: str) -> list[ModuleType]:
    """All modules of a room that offer something, by name."""
    root = importlib.import_module(room)
    below = pkgutil.walk_packages(getattr(root, "__path__", ()), f"{room}.")
    found = [root, *(importlib.import_module(name) for _, name, _ in below)]
    return sorted((m for m in found if offers(m)), key=lambda m: m.__name__)


def offers(module: ModuleType) -> list[str]:
    """Public names that are at home in a module; constants are at home where they are named."""
    names = getattr(module, "__all__", ())
    return [n for n in names if getattr(getattr(module, n), "__module__", module.__name__) == module.__name__]


def page(module: ModuleType) -> str:
    """Page of one module: its docstring, then what it offers in the order of its ``__all__``."""
    title = module.__name__.removeprefix("xlkmv.")
    lines = [title, "=" * len(title), "", f".. automodule:: {module.__name__}", ""]
    for name in offers(module):
        thing = getattr(module, name)
        kind = "class" if inspect.isclass(thing) else "function" if callable(thing) else "data"
        # A constant without a docstring of its own would show that of its type.
        lines += [f".. auto{kind}:: {module.__name__}.{name}"]
        lines += {"class": ["   :members:"], "data": ["   :no-value:"]}.get(kind, [])
        lines += [""]
    return "\n".join(lines)


def front() -> str:
    """Page of the names of ``import xlkmv``, each with the first line of its docstring."""
    lines = [
        "Python API",
        "==========",
        "",
        ".. automodule:: xlkmv",
        "",
        ".. list-table::",
        "   :widths: auto",
        "",
    ]
    for name in sorted(set(xlkmv.__all__) - {"__version__"}):
        thing = getattr(xlkmv, name)
        home = next(m for m, names in xlkmv._HOME.items() if name in names)
        home = getattr(thing, "__module__", home) if callable(thing) else home
        text = (inspect.getdoc(thing) or "").splitlines()[0] if callable(thing) else ""
        lines += [f"   * - :py:obj:`xlkmv.{name} <{home}.{name}>`", f"     - {text}".rstrip()]
    for room, title in ROOMS.items():
        lines += ["", ".. toctree::", f"   :caption: {title}", ""]
        lines += [f"   {module.__name__}" for module in modules(room)]
    return "\n".join([*lines, ""])


def write(app: Sphinx) -> None:
    """Write the pages beside the others; they are not kept."""
    folder = Path(app.srcdir) / "api"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for room in ROOMS:
        for module in modules(room):
            (folder / f"{module.__name__}.rst").write_text(page(module), encoding="utf-8")
    (folder / "index.rst").write_text(front(), encoding="utf-8")


def link(app: Sphinx, tree: nodes.document) -> None:
    """Make each name of ours between backquotes a link, where the reference has it."""
    for node in list(tree.findall(nodes.literal)):
        if NAME.fullmatch(node.astext()) and not isinstance(node.parent, addnodes.pending_xref):
            about = {"refdomain": "py", "reftype": "obj", "reftarget": node.astext(), "refexplicit": True}
            node.replace_self(addnodes.pending_xref("", node.deepcopy(), refdoc=app.env.docname, **about))


def setup(app: Sphinx) -> dict[str, bool]:
    """Run both as part of a build."""
    app.connect("builder-inited", write)
    app.connect("doctree-read", link)
    return {"parallel_read_safe": True}
