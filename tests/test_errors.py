"""The error tree and the wording of its messages."""

from __future__ import annotations

import re

import numpy as np
import pytest

from xlkmv import errors
from xlkmv.errors import (
    BookError,
    BookInputError,
    ConvergenceError,
    DomainError,
    HostError,
    InputError,
    MissingError,
    Problem,
    XlkmvError,
    near,
    show,
)


def test_one_tree():
    kinds = [getattr(errors, name) for name in errors.__all__ if name.endswith("Error")]
    assert all(issubclass(kind, XlkmvError) for kind in kinds)
    assert issubclass(DomainError, InputError) and issubclass(MissingError, InputError)
    assert issubclass(BookInputError, BookError)
    # So that a caller who knows nothing of xlkmv catches them as what they are.
    assert issubclass(InputError, ValueError) and issubclass(ConvergenceError, ArithmeticError)
    assert not issubclass(ConvergenceError, InputError) and not issubclass(HostError, InputError)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (DomainError("volatility", "must be > 0", 0.0), "volatility must be > 0 (got 0)"),
        (InputError("pd", "must be a number", "high"), "pd must be a number (got 'high')"),
        (MissingError("drift", "must be given"), "drift must be given"),
        (MissingError("drift", "must be given", None), "drift must be given (got blank)"),
    ],
)
def test_message_names_argument_rule_and_value(error, message):
    assert str(error) == message
    assert message.startswith(f"{error.argument} {error.rule}")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "blank"),
        (True, "TRUE"),
        (False, "FALSE"),
        (25, "25"),
        (0.1, "0.1"),
        (1e300, "1e+300"),
        (float("nan"), "nan"),
        (np.float64(0.25), "0.25"),
        ("text", "'text'"),
        ("x" * 61, repr("x" * 57 + "...")),
        ([1, 2], "[1, 2]"),
    ],
)
def test_show(value, text):
    assert show(value) == text


def test_book_input_error_lists_every_problem():
    first = Problem("Pool", "C4", -1.0, "must be >= 0")
    second = Problem("Pool", "D9", "abc", "must be a number")
    assert str(BookInputError([first])) == "1 input is wrong:\nPool!C4: -1: must be >= 0"
    both = BookInputError([first, second])
    assert str(both).splitlines() == ["2 inputs are wrong:", str(first), "Pool!D9: 'abc': must be a number"]
    assert both.problems == (first, second)


def test_problems_that_are_alike_are_one_sentence():
    blank = Problem("Pool", "G7", None, "must not be blank", 290, "G7:G106, G109:G298")
    assert str(blank) == "Pool!G7:G106, G109:G298: 290 cells are blank; must not be blank"
    spaces = Problem("Pool", "G7", "  ", "must not be blank", 2, "G7:G8")
    assert spaces.holds == "2 cells are blank"
    wrong = Problem("Pool", "D9", "abc", "must be a number", 1200, "D9:D1208")
    assert str(wrong) == "Pool!D9:D1208: 1,200 cells, the first holds 'abc'; must be a number"
    # The cell alone stands for itself.
    assert Problem("Pool", "C4", -1.0, "must be >= 0").cells == "C4"
    error = BookInputError([blank, wrong])
    assert error.count == 1490
    assert str(error).startswith("1,490 inputs are wrong:\nPool!G7")


def test_a_sentence_about_a_file_stays_one():
    long = "x.xlsx is broken: its part " + "a" * 5_000 + " is missing"
    assert len(str(BookError(long))) < 1_000
    assert str(BookError(long)).startswith("x.xlsx is broken") and str(BookError(long)).endswith("is missing")
    assert str(BookError("b" * 1_000)) == "b" * 1_000


@pytest.mark.parametrize(
    ("name", "guesses"),
    [
        ("licensee 1", {"Licensee 01", "Licensee 10", "Licensee 11"}),  # each one letter away
        ("LICENSEE 02", {"Licensee 02"}),
        ("huayin", {"Huayin Medical (华银医学)"}),
        ("华银医学", {"Huayin Medical (华银医学)"}),
        ("y", set()),  # in one of the names, and no hint at it
        ("", set()),
        ("Mezzanine", set()),
    ],
)
def test_near_names_what_may_have_been_meant(name, guesses):
    known = ("Huayin Medical (华银医学)", "Licensee 01", "Licensee 02", "Licensee 10", "Licensee 11")
    text = near("must be an obligor", name, known)
    rule, _, said = text.partition("; did you mean ")
    assert rule == "must be an obligor"
    assert set(re.findall(r"'(.*?)'", said)) >= guesses and bool(said) == bool(guesses)
    assert said == "" or said.endswith("'?")
