"""Copies of checked data with figures that follow from it."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from xlkmv.deal.examples.patents import xingye_yuanrong
from xlkmv.errors import DomainError
from xlkmv.kinds import altered


def test_a_copy_has_the_new_figures_and_the_very_objects_of_the_others():
    pool = xingye_yuanrong().pool
    twice = altered(pool, pd=2.0 * pool.pd)
    np.testing.assert_array_equal(twice.pd, 2.0 * pool.pd)
    assert type(twice) is type(pool)
    for field in fields(pool):
        assert (getattr(twice, field.name) is getattr(pool, field.name)) == (field.name != "pd")


def test_a_copy_is_not_checked_and_has_no_field_of_its_own():
    pool = xingye_yuanrong().pool
    with pytest.raises(DomainError, match="pd"):
        replace(pool, pd=pool.pd + 1.0)
    assert (altered(pool, pd=pool.pd + 1.0).pd > 1.0).all()
    assert (pool.pd < 1.0).all()
    with pytest.raises(AttributeError):
        altered(pool, price=1.0)
