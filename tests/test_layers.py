"""Imports point one way: each room of the house imports from the floors below it only."""

from __future__ import annotations

import ast
import fnmatch
import subprocess
import sys
from pathlib import Path

import pytest

import xlkmv

PACKAGE = Path(xlkmv.__file__).parent
FLOORS = {"phrase": 0, "environment": 0, "errors": 1, "kinds": 1.5, "shown": 1.5}
FLOORS |= {"model": 2, "language": 3, "deal": 3, "memo": 4}
FLOORS |= {"functions": 5, "workbook": 6, "tape": 7, "refresh": 7, "hosts": 8}
FLOORS |= {"build": 9, "install": 9, "library": 10, "cli": 11}
# What each floor may take from outside the standard library; what is not listed is free.
OUTSIDE = {
    "phrase": set(),
    "errors": set(),
    "environment": set(),
    "language": set(),
    "model": {"numpy", "scipy.special"},
    "deal": {"numpy", "pandas", "scipy.sparse", "scipy.special", "dask", "distributed"},
    "memo": {"numpy", "matplotlib", "jinja2", "docx"},
}
# Files, clocks, processes and networks have no place in mathematics.
INSIDE_MODEL = {
    "__future__",
    "abc",
    "collections",
    "dataclasses",
    "enum",
    "functools",
    "itertools",
    "math",
    "operator",
    "types",
    "typing",
}
MODULES = sorted(PACKAGE.rglob("*.py"))


def dotted(path: Path) -> list[str]:
    parts = list(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    return parts[:-1] if parts[-1] == "__init__" else parts


def imports(source: str, module: list[str], is_package: bool) -> set[str]:
    """Full names of all that a module imports, at any depth."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [node.module] if node.module else []
            if node.level:
                home = module if is_package else module[:-1]
                base = [*home[: len(home) - node.level + 1], *base]
            found.update(".".join([*base, alias.name]) for alias in node.names)
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in {"__import__", "import_module", "importlib.import_module"} and node.args:
                target = node.args[0]
                if isinstance(target, ast.Constant) and isinstance(target.value, str):
                    found.add(target.value)
    return found


def names_of(path: Path) -> set[str]:
    return imports(path.read_text(encoding="utf-8"), dotted(path), path.name == "__init__.py")


def room(parts: list[str]) -> str:
    return parts[1] if len(parts) > 1 else ""


def ids(path: Path) -> str:
    return ".".join(dotted(path))


def test_the_parser_sees_every_kind_of_import():
    source = """
import numpy as np, os.path
from scipy import special
def f():
    from ..deal.terms import Pool
    from . import plan
    import_module("pandas")
"""
    assert imports(source, ["xlkmv", "model", "x"], False) == {
        "numpy",
        "os.path",
        "scipy.special",
        "xlkmv.deal.terms.Pool",
        "xlkmv.model.plan",
        "pandas",
    }


# Methods of a deal and of a result that open the front door: what they do is done upstairs.
DOORS = {"shown", "deal.terms.claims", "deal.terms.notes", "deal.terms.deal"}


@pytest.mark.parametrize("path", [p for p in MODULES if room(dotted(p)) not in ("", "cli")], ids=ids)
def test_nobody_else_goes_upstairs_by_the_front_door(path):
    """All that other rooms may ask of the package itself is its version."""
    source = path.read_text(encoding="utf-8")
    asked = {
        node.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "xlkmv"
    }
    if ".".join(dotted(path)[1:]) not in DOORS:
        assert asked <= {"__version__", "__file__"} | FLOORS.keys()


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_imports_point_down(path):
    parts = dotted(path)
    here = room(parts)
    if not here:  # the package itself: a front door to Python that may open on all but the terminal
        floor = FLOORS["cli"]
    else:
        assert here in FLOORS or here == "__main__", f"{here} is no room of the house"
        floor = FLOORS.get(here, 12)
    for name in names_of(path):
        target = name.split(".")
        if target[0] != "xlkmv" or room(target) in ("", here, "__version__"):
            continue
        assert room(target) in FLOORS, f"{name} is in no room of the house"
        assert FLOORS[room(target)] < floor, f"{'.'.join(parts)} imports {name} from above or beside"


@pytest.mark.parametrize("path", [p for p in MODULES if room(dotted(p)) in OUTSIDE], ids=ids)
def test_lower_floors_need_little_from_outside(path):
    here = room(dotted(path))
    for name in names_of(path):
        top = name.split(".")[0]
        if top == "xlkmv":
            continue
        if top in sys.stdlib_module_names:
            assert here != "model" or top in INSIDE_MODEL, f"model imports {name}"
            continue
        allowed = OUTSIDE[here]
        assert any(name == a or name.startswith(a + ".") for a in allowed), f"{here} imports {name}"


# Inside the deal: what it says, without chance, conditions, chance, questions, the call, answers, words.
DEAL_FLOORS = {"terms": 0, "plan": 1, "examples": 1, "stress": 2, "paths": 3, "kmv": 3, "questions": 4}
DEAL_FLOORS |= {"figures": 0, "sources": 1, "correlations": 2, "checks": 5, "analysis": 6}
DEAL_FLOORS |= {"answers": 7, "standing": 8, "reading": 9}


@pytest.mark.parametrize(
    "path", [p for p in MODULES if dotted(p)[1:2] == ["deal"] and dotted(p)[2:]], ids=ids
)
def test_inside_the_deal_imports_point_down(path):
    here = dotted(path)[2]
    for name in names_of(path):
        target = name.split(".")
        if target[:2] != ["xlkmv", "deal"] or len(target) < 3 or target[2] == here:
            continue
        assert DEAL_FLOORS[target[2]] < DEAL_FLOORS[here], f"{'.'.join(dotted(path))} imports {name}"


# What a call needs beside the standard library, as a fresh process finds it loaded afterwards.
SLOW = {"lxml", "openpyxl", "pandas", "rich", "xlsxwriter", "xlwings", "xlkmv.build", "xlkmv.deal"}


@pytest.mark.parametrize(
    ("code", "more"),
    [
        (
            "from xlkmv.cli import main; main(['pd', '120', '100', '0.25'])",
            {"xlkmv.functions", "xlkmv.workbook"},
        ),
        ("from xlkmv.functions import KMV_PD; KMV_PD(120.0, 100.0, 0.25)", set()),
    ],
    ids=["xlkmv pd", "the first cell"],
)
def test_the_first_number_waits_for_nothing_that_it_does_not_need(code, more):
    told = f"{code}; import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "scipy.special" in loaded
    assert loaded & (SLOW | more) == set()


def test_no_test_is_passed_over(pytestconfig: pytest.Config) -> None:
    """Pytest goes past directories with some names; no room of the tests may have one."""
    tests = Path(__file__).parent
    rooms = {path.parent.relative_to(tests) for path in tests.rglob("test_*.py")}
    names = {part for room in rooms for part in room.parts}
    assert "build" in names
    assert not [(n, p) for n in names for p in pytestconfig.getini("norecursedirs") if fnmatch.fnmatch(n, p)]
