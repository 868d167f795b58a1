"""Every module says what is public, and what is public says what it does."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import pkgutil
import re
from dataclasses import is_dataclass
from pathlib import Path

import mypy.api
import pytest

import xlkmv
from xlkmv.errors import XlkmvError

MODULES = sorted(
    m.name
    for m in pkgutil.walk_packages(xlkmv.__path__, "xlkmv.")
    if not m.ispkg and "__main__" not in m.name
)
# A docstring may send the reader to the function whose arguments it shares; not where the formulas are.
REFERENCE = re.compile(r":func:`|:class:`")


def load(name):
    try:
        return importlib.import_module(name)
    except ImportError as error:  # what needs Windows or an office program cannot be loaded elsewhere
        if (error.name or "").split(".")[0] == "xlkmv":
            raise
        pytest.skip(f"{name} needs {error.name}")


def public():
    for name in MODULES:
        if name.split(".")[1] in {"errors", "model", "deal"}:
            module = importlib.import_module(name)
            for item in getattr(module, "__all__", ()):
                yield pytest.param(module, getattr(module, item, None), id=f"{name}.{item}")


@pytest.mark.parametrize("name", MODULES)
def test_module_lists_what_is_public(name):
    module = load(name)
    assert module.__doc__ and module.__doc__.strip(), f"{name} has no docstring"
    assert hasattr(module, "__all__"), f"{name} has no __all__"
    assert len(set(module.__all__)) == len(module.__all__)
    missing = [item for item in module.__all__ if not hasattr(module, item)]
    assert not missing, f"{name} lists {missing} and does not have them"


@pytest.mark.parametrize(("module", "item"), list(public()))
def test_public_item_is_documented(module, item):
    if not (inspect.isfunction(item) or inspect.isclass(item)) or item.__module__ != module.__name__:
        return
    text = inspect.getdoc(item) or ""
    assert text and not text.startswith(f"{item.__name__}("), "no docstring"
    if inspect.isfunction(item):
        check_function(item, text)
    elif is_dataclass(item) and not issubclass(item, XlkmvError):
        for method in vars(item).values():
            if inspect.isfunction(method) and not method.__name__.startswith("_"):
                assert inspect.getdoc(method)


def check_function(function, text):
    """Arguments and result are described numpydoc's way, unless a few sentences say it all."""
    signature = inspect.signature(function)
    if "Parameters\n-" not in text:
        formulas = function.__module__.startswith(("xlkmv.model.", "xlkmv.deal.sources"))
        brief = not formulas and (len(text) < 400 or REFERENCE.search(text))
        assert brief or not signature.parameters, "no section Parameters"
        return
    section = re.split(r"^(?:Returns|Yields|Raises|Notes)\n-+$", text, flags=re.M)[0]
    heads = " ".join(re.findall(r"^\S.*$", section.split("----------\n", 1)[1], re.M))
    missing = [name for name in signature.parameters if not re.search(rf"\b{name}\b", heads)]
    assert not missing, f"not described: {missing}"
    # A result that is a class of ours is described there.
    kind = str(signature.return_annotation)
    plain = re.search(r"\b(Array|ndarray|NDArray|float|int|bool|tuple|str)\b", kind)
    said = re.search(r"^(Returns|Yields)\n-+$", text, re.M) or re.search(r"[Rr]eturn |^Whether|^Yield", text)
    assert said or not plain, f"no section Returns for {kind}"


def test_type_checkers_see_what_is_loaded_on_first_use(tmp_path):
    tree = ast.parse(Path(xlkmv.__file__).read_text())
    seen, hidden = [node for node in tree.body if isinstance(node, ast.If)]
    assert ast.unparse(hidden.test) == "not TYPE_CHECKING" and hidden.body[0].name == "__getattr__"
    names: dict[str, tuple[str, ...]] = {}
    for part in seen.body:
        names[part.module] = (*names.get(part.module, ()), *(alias.asname for alias in part.names))
    assert names == xlkmv._HOME
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "import xlkmv\n"
        "xlkmv.Stress(7)\n"
        "xlkmv.default_probabilty(1.0, 2.0, 0.2)\n"
        "xlkmv.simulate('deal')\n"
        "xlkmv.distance_to_default(1.0, 2.0, 0.2).upper()\n"
        "xlkmv.Terms(closing=None, dates=())\n"
        "xlkmv.invert(1.0, 2.0, 0.2).converge\n"
    )
    told = mypy.api.run([str(wrong), "--no-incremental", f"--config-file={os.devnull}"])[0]
    assert {int(line) for line in re.findall(r"wrong\.py:(\d+): error", told)} == {2, 3, 4, 5, 6, 7}, told


def test_the_version_is_said_alike():
    root = Path(xlkmv.__file__).resolve().parents[1]
    for name, pattern in (("CITATION.cff", r"^version: (.+)$"), ("CHANGELOG.md", r"\A# Changes\n\n## (.+)$")):
        (found,) = re.findall(pattern, (root / name).read_text(), re.MULTILINE)
        assert found == xlkmv.__version__, name
