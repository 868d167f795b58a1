"""What an open Excel is given."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from xlkmv.workbook.stored import ErrorCell
from xlkmv.workbook.typed import cell_text, typed

DAY = dt.date(2019, 12, 11)


@pytest.mark.parametrize("text", ["fresh", "优先级", "", "all passed"])
def test_plain_text_needs_no_apostrophe(text):
    assert cell_text(text) == text


@pytest.mark.parametrize("text", ["=1+1", "2019-12-11", "TRUE", "1e5", "May 5", "'"])
def test_text_that_excel_would_read_gets_one(text):
    assert cell_text(text) == f"'{text}"


@pytest.mark.parametrize(
    ("value", "given"),
    [
        (np.float64(0.5), 0.5),
        (np.bool_(True), True),
        (np.datetime64("2019-12-11"), DAY),
        (DAY, DAY),
        (float("nan"), "#NUM!"),
        (np.float64("-inf"), "#NUM!"),
        (ErrorCell("#N/A"), "#N/A"),
        ("#N/A", "'#N/A"),
        (None, None),
    ],
)
def test_a_value_is_given_as_what_it_is(value, given):
    found = typed(value)
    assert found == given and type(found) is type(given)
