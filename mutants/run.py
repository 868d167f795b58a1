"""Would a test notice? Change the code in one place at a time, and see: ``make mutants``.

A fixed sample: of all changes that Cosmic Ray's operators make inside functions of the rooms below, those
whose fingerprint (module, function, operator, text of the line) is least, so that a change elsewhere leaves
the sample alone. Constants of modules are left out: they are tuned, not right or wrong. Each mutant meets the
tests of its room that run its statement, those that take least first; as many mutants at a time as there
are processors, each in a copy of its own.
``make mutants ONLY='20 --room model'`` tries fewer.
"""

from __future__ import annotations

import argparse
import compileall
import contextlib
import functools
import hashlib
import importlib
import json
import multiprocessing
import os
import py_compile
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path

import coverage
import pytest
from cosmic_ray.ast import ast_nodes, get_ast_from_path
from cosmic_ray.ast.ast_query import ASTQuery
from cosmic_ray.mutating import use_mutation
from cosmic_ray.plugins import get_operator, operator_names
from parso.tree import NodeOrLeaf

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
# What most tests import, and no mutant touches: each process of tests begins with it.
WARM = ("numpy", "scipy.special", "scipy.sparse", "pandas", "lxml.etree", "mpmath", "hypothesis")
PATIENCE = 4.0  # a mutant that takes so many times as long, and a minute, hangs: that is noticed
EQUIVALENT = ROOT / "mutants" / "equivalent.txt"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: of a module, by an operator, at its n-th occurrence, in a statement of some lines."""

    module: str
    operator: str
    occurrence: int
    line: int
    statement: range
    text: str
    key: str

    @property
    def room(self) -> str:
        """Room of the module, whose tests it meets."""
        return self.module.split("/")[1]


def main() -> int:
    """Try the sample; the exit code is 1 when too many survive."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", type=int, default=SAMPLE, help="so many mutants of the sample")
    parser.add_argument("--room", choices=ROOMS, help="those in this room")
    options = parser.parse_args()
    lines = EQUIVALENT.read_text(encoding="utf-8").splitlines()
    equivalent = dict(line.split(maxsplit=1) for line in lines if line and not line.startswith("#"))
    sample = sorted(mutants(), key=lambda m: m.key)[:SAMPLE]
    inside = [m for m in sample if m.module.startswith(f"xlkmv/{options.room or ''}")][: options.only]
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder, ThreadPool() as pool:
        copies = pool.map(copy_tree, [Path(folder) / str(place) for place in range(os.cpu_count() or 1)])
        free: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for copy in copies:
            free.put(copy)
        rooms = sorted({mutant.room for mutant in inside if mutant.key not in equivalent})
        files = [file for room in rooms for file in sorted((ROOT / "tests" / room).glob("test_*.py"))]
        seen = {room: Seen({}, {}) for room in rooms}
        for file, of_file in zip(files, pool.imap(functools.partial(watched, free), files), strict=True):
            seen[file.parent.name].add(of_file)

        def outcome(mutant: Mutant) -> tuple[str, str]:
            if mutant.key in equivalent:
                return "equivalent", mutant.text
            return trial(free, mutant, seen[mutant.room].at(mutant))

        outcomes = pool.imap(outcome, inside)
        for number, (mutant, (state, text)) in enumerate(zip(inside, outcomes, strict=True), 1):
            counts[state] += 1
            place, name = f"{mutant.module}:{mutant.line}", mutant.operator.removeprefix("core/")
            print(f"{number:3} {state:10} {mutant.key} {place} {name}: {text}", flush=True)
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
                if function is None or node.parent.type == "parameters":  # that star is no product
                    continue
                text = lines[line - 1].strip()
                about = f"{module} {function} {name} {text}"
                seen[about] += 1
                key = hashlib.sha256(f"{about} {seen[about]}".encode()).hexdigest()[:10]
                yield Mutant(module, name, occurrence, line, statement(node), text, key)


def statement(node: NodeOrLeaf) -> range:
    """Lines of the least statement around a node: that of a default value is its function."""
    while not node.type.endswith(("stmt", "funcdef")):
        node = node.parent
    return range(node.start_pos[0], node.end_pos[0] + 1)


def copy_tree(target: Path) -> Path:
    """Copy what is kept of the repository: a mutant never touches the sources."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)
    # By hash: a mutant can be as long as its original, and as old to the second.
    mode = py_compile.PycInvalidationMode.CHECKED_HASH
    compileall.compile_dir(target / "xlkmv", quiet=1, invalidation_mode=mode)
    return target


@contextlib.contextmanager
def one_of(free: queue.SimpleQueue[Path]) -> Iterator[Path]:
    """A copy that nobody else works with."""
    copy = free.get()
    try:
        yield copy
    finally:
        free.put(copy)


def trial(free: queue.SimpleQueue[Path], mutant: Mutant, chosen: dict[str, float]) -> tuple[str, str]:
    """Make the change in a copy, run tests until one fails; the outcome, and the line as changed."""
    files = sorted({test.partition("::")[0] for test in chosen})
    limit, operator = PATIENCE * sum(chosen.values()) + 60.0, get_operator(mutant.operator)()
    with one_of(free) as copy, use_mutation(copy / mutant.module, operator, mutant.occurrence) as codes:
        survived = not chosen or passes(copy, ["-x", *files], functools.partial(Chosen, chosen), limit)
        return "SURVIVED" if survived else "noticed", codes[1].splitlines()[mutant.line - 1].strip()


@dataclass(frozen=True, slots=True)
class Seen:
    """What tests did that met no mutant: seconds of each, and which of them ran each line of each module."""

    seconds: dict[str, float]
    lines: dict[str, dict[int, set[str]]]

    def add(self, other: Seen) -> None:
        """Add what other tests did."""
        self.seconds.update(other.seconds)
        for module, lines in other.lines.items():
            there = self.lines.setdefault(module, {})
            for line, names in lines.items():
                there.setdefault(line, set()).update(names)

    def at(self, mutant: Mutant) -> dict[str, float]:
        """The tests that run the statement of a mutant, or its module if importing that runs it."""
        lines = self.lines.get(mutant.module, {})
        ran = {test for line in mutant.statement for test in lines.get(line, ())}
        if ran == {""}:
            ran = {test for there in lines.values() for test in there}
        return {test: taken for test, taken in self.seconds.items() if test in ran}


def watched(free: queue.SimpleQueue[Path], file: Path) -> Seen:
    """Run the tests of a file without any change, and watch what they do."""
    with one_of(free) as copy:
        kept = copy.parent / f"{copy.name}.json"
        passes(copy, [file.relative_to(ROOT).as_posix()], functools.partial(Watcher, copy, kept), 3600.0)
        seconds, lines = json.loads(kept.read_text(encoding="utf-8"))
        of_module = {
            module: {int(line): set(names) for line, names in at.items()} for module, at in lines.items()
        }
        return Seen(seconds, of_module)


class Watcher:
    """A plugin of pytest: what Seen holds, as JSON; tests that fail without any change are left out."""

    def __init__(self, copy: Path, kept: Path) -> None:
        self.copy, self.kept = copy, kept
        self.coverage = coverage.Coverage(data_file=None, config_file=False, source=[str(copy / "xlkmv")])
        self.coverage.start()
        self.seconds: Counter[str] = Counter()
        self.failed: set[str] = set()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.coverage.switch_context(nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration
        if report.failed:
            self.failed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        self.coverage.stop()
        data = self.coverage.get_data()
        lines = {
            Path(file).relative_to(self.copy).as_posix(): data.contexts_by_lineno(file)
            for file in data.measured_files()
        }
        seconds = {test: taken for test, taken in self.seconds.items() if test not in self.failed}
        self.kept.write_text(json.dumps([seconds, lines]), encoding="utf-8")


class Chosen:
    """A plugin of pytest: only some tests, those first that take least."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self.seconds = seconds

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        chosen = (item for item in items if item.nodeid in self.seconds)
        items[:] = sorted(chosen, key=lambda item: self.seconds[item.nodeid])


def passes(copy: Path, arguments: list[str], plugin: Callable[[], object], limit: float) -> bool:
    """Whether tests pass in time, in a process of their own that has what they import already."""
    process = multiprocessing.get_context("fork").Process(target=run_tests, args=(copy, arguments, plugin))
    process.start()
    process.join(limit)
    if process.exitcode is None:
        os.killpg(process.pid, signal.SIGKILL)  # with the processes that it started
        process.join()
    return process.exitcode == 0


def run_tests(copy: Path, arguments: list[str], plugin: Callable[[], object]) -> None:
    """Run tests against the copy in this process; the examples of hypothesis are the same each time."""
    os.setsid()
    os.chdir(copy)
    os.environ["PYTHONPATH"] = str(copy)
    sys.path.insert(0, str(copy))
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(null, stream)
    imported = "-Wignore::pytest.PytestAssertRewriteWarning"  # hypothesis is, before pytest looks for it
    os._exit(pytest.main(["-q", "-p", "no:cacheprovider", imported, *arguments], plugins=[plugin()]))


if __name__ == "__main__":
    os.environ |= {"CI": "true", "PYTHONDONTWRITEBYTECODE": "1"}
    sys.dont_write_bytecode = True
    for module in WARM:
        importlib.import_module(module)
    sys.exit(main())
