"""Would a test notice? Change the code in one place at a time, and see: ``make mutants``.

A fixed sample: of all changes that Cosmic Ray's operators make inside functions of the rooms below, those
whose fingerprint (module, function, operator, text of the line) is least, so that a change elsewhere leaves
the sample alone. Constants of modules are left out: they are tuned, not right or wrong. Each mutant meets the
tests that mirror its module first, then all that name it. ``make mutants ONLY=20``: fewer of them.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast_from_path
from cosmic_ray.ast.ast_query import ASTQuery
from cosmic_ray.mutating import use_mutation
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("model", "deal", "functions", "workbook", "tape", "refresh")
SAMPLE = 300
SHARE = 0.95  # of the sample that a test must notice
# One change of a kind: a sum into each of ten other operations would be ten times the same question.
OPERATORS = re.compile(
    r"core/(ReplaceBinaryOperator_(Add_Sub|Sub_Add|Mul_Div|Div_Mul|Pow_Mul|FloorDiv_Mul|Mod_Mul|BitAnd_BitOr)"
    r"|ReplaceComparisonOperator_(Lt_LtE|LtE_Lt|Gt_GtE|GtE_Gt|Eq_NotEq|NotEq_Eq|Is_IsNot|IsNot_Is)"
    r"|ReplaceUnaryOperator_(USub_UAdd|Delete_Not|Delete_Invert)|AddNot|ReplaceTrueWithFalse|ReplaceFalseWithTrue"
    r"|ReplaceAndWithOr|ReplaceOrWithAnd|ReplaceBreakWithContinue|ReplaceContinueWithBreak|NumberReplacer"
    r"|ZeroIterationForLoop)"
)
PATIENCE = 4.0  # a mutant that takes so many times as long, and a minute, hangs: that is noticed
EQUIVALENT = ROOT / "mutants" / "equivalent.txt"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: of a module, by an operator, at its n-th occurrence."""

    module: str
    operator: str
    occurrence: int
    line: int
    text: str
    key: str


def main() -> int:
    """Try the sample; the exit code is 1 when too many survive."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", type=int, default=SAMPLE, help="so many mutants of the sample")
    options = parser.parse_args()
    lines = EQUIVALENT.read_text(encoding="utf-8").splitlines()
    equivalent = dict(line.split(maxsplit=1) for line in lines if line and not line.startswith("#"))
    sample = sorted(mutants(), key=lambda m: m.key)[: options.only]
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        copy_tree(copy)
        for number, mutant in enumerate(sample, 1):
            state = "equivalent" if mutant.key in equivalent else trial(copy, mutant)
            counts[state] += 1
            name = mutant.operator.removeprefix("core/")
            print(
                f"{number:3} {state:10} {mutant.key} {mutant.module}:{mutant.line} {name}: {mutant.text}",
                flush=True,
            )
    judged = counts["noticed"] + counts["SURVIVED"]
    print(f"{counts['noticed']} of {judged} noticed, {counts['equivalent']} of no effect; aim: {SHARE:.0%}")
    return 0 if counts["noticed"] >= SHARE * judged else 1


def mutants() -> Iterator[Mutant]:
    """Every change inside a function of the rooms."""
    operators = [name for name in operator_names() if OPERATORS.fullmatch(name)]
    for path in sorted(path for room in ROOMS for path in (ROOT / "xlkmv" / room).rglob("*.py")):
        module = path.relative_to(ROOT).as_posix()
        tree, lines = get_ast_from_path(path), path.read_text(encoding="utf-8").splitlines()
        for name in operators:
            operator = get_operator(name)()
            seen: Counter[str] = Counter()
            places = (
                (node, start) for node in ast_nodes(tree) for start, _ in operator.mutation_positions(node)
            )
            for occurrence, (node, (line, _)) in enumerate(places):
                function = ASTQuery(node).get_definition_name()
                if function is None:
                    continue
                text = lines[line - 1].strip()
                about = f"{module} {function} {name} {text}"
                seen[about] += 1
                key = hashlib.sha256(f"{about} {seen[about]}".encode()).hexdigest()[:10]
                yield Mutant(module, name, occurrence, line, text, key)


def copy_tree(target: Path) -> None:
    """Copy what is kept of the repository: a mutant never touches the sources."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)


def trial(copy: Path, mutant: Mutant) -> str:
    """Make the change in the copy, and run the tests until one fails."""
    suites = tests(mutant.module)
    limits = [PATIENCE * seconds(copy, suite) + 60.0 for suite in suites]
    with use_mutation(copy / mutant.module, get_operator(mutant.operator)(), mutant.occurrence):
        passed = all(passes(copy, suite, limit) for suite, limit in zip(suites, limits, strict=True))
    return "SURVIVED" if passed else "noticed"


@functools.cache
def tests(module: str) -> tuple[tuple[str, ...], ...]:
    """Tests of a module: those that mirror it, then all others that name it."""
    dotted = module.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    parent, _, name = dotted.rpartition(".")
    files = sorted(f for f in ROOT.glob("tests/*/test_*.py") if f.parent.name not in ("hosts", "build"))
    mirror = [f for f in files if f.stem.startswith(f"test_{name}") and f.parent.name in module.split("/")]
    names = re.compile(rf"\b{re.escape(dotted)}\b|from {re.escape(parent)} import (\w+, )*{name}\b")
    others = [f for f in files if f not in mirror and names.search(f.read_text(encoding="utf-8"))]
    if not (mirror or others):  # reached through others only
        others = [f for f in files if f.parent.name == module.split("/")[1]]
    return tuple(tuple(str(f.relative_to(ROOT)) for f in suite) for suite in (mirror, others) if suite)


@functools.cache
def seconds(copy: Path, suite: tuple[str, ...]) -> float:
    """How long tests take that meet no mutant; they must pass."""
    started = time.monotonic()
    assert passes(copy, suite, 3600.0), f"without any change these fail: {' '.join(suite)}"
    return time.monotonic() - started


def passes(copy: Path, suite: tuple[str, ...], limit: float) -> bool:
    """Whether tests pass in time; the examples of hypothesis are the same each time."""
    variables = os.environ | {"PYTHONPATH": str(copy), "CI": "true", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *suite]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        command, cwd=copy, env=variables, stdout=quiet, stderr=quiet, start_new_session=True
    ) as process:
        try:
            return process.wait(limit) == 0
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)  # with the processes that it started
            return False


if __name__ == "__main__":
    sys.exit(main())
