"""Lattices against panels, their slow twin; against a closed form; and against finer lattices."""

from __future__ import annotations

import os
import subprocess
import sys
from math import comb

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from xlkmv.model import passage
from xlkmv.model.passage import discrete_first_passage


def on_panels(dd, t):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passage, "FEW_DATES", len(t))
        return discrete_first_passage(dd, t)


def on_lattices(dd, t):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passage, "FEW_DATES", 0)
        return discrete_first_passage(dd, t)


DAYS = [1, 3, 10, 30, 31, 90, 92, 182, 365, 1826]
WILD = [-np.inf, -1e300, -9.0, -3.0, 8.0, 20.0, 38.0, 77.0, 1e6, np.inf]
wild_plans = st.integers(2, 9).flatmap(
    lambda n: st.tuples(
        st.lists(st.floats(-2.0, 9.0) | st.floats(2.0, 38.0) | st.sampled_from(WILD), min_size=n, max_size=n),
        st.lists(st.sampled_from(DAYS), min_size=n, max_size=n).map(lambda d: np.cumsum(d) / 365),
    )
)


@settings(deadline=None, max_examples=100)
@given(wild_plans)
def test_lattices_agree_with_panels(plan):
    """The slow twin: whatever the barriers and the steps, to the last digits of the smallest number."""
    ours, twin = on_lattices(*plan), on_panels(*plan)
    np.testing.assert_allclose(ours, twin, rtol=2e-12, atol=1e-300)
    assert (np.diff(ours) >= 0).all()


MONTHS = np.arange(1, 55) / 12
UNEQUAL = np.cumsum(np.random.default_rng(1).choice([5, 28, 30, 31, 92, 365], 54)) / 365


@pytest.mark.parametrize("t", [MONTHS, UNEQUAL], ids=["months", "unequal"])
@pytest.mark.parametrize(
    "dd",
    [
        np.full(54, 2.5),
        np.full(54, 30.0),
        77 / np.arange(1, 55) ** 0.9,
        np.linspace(1.0, 30.0, 54),
        np.concatenate([[-4.0, -2.0, -6.0], np.linspace(4.0, 0.5, 51)]),
        np.where(np.arange(54) % 5, 12.0, 9.0),
        np.where(np.arange(54) % 7 == 3, np.inf, np.random.default_rng(2).uniform(1.0, 6.0, 54)),
    ],
    ids=["level", "deep", "falling", "rising", "deadly start", "jumping", "random with gaps"],
)
def test_many_dates_on_lattices_agree_with_panels(dd, t):
    np.testing.assert_allclose(on_lattices(dd, t), on_panels(dd, t), rtol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 25, 240])
def test_barrier_at_the_start_has_a_closed_form(n):
    """Sparre Andersen (1954): n steps of any one symmetric law stay above 0 with C(2n, n)/4^n."""
    stay = [comb(2 * k, k) / 4**k for k in range(1, n + 1)]
    ours = on_lattices(np.zeros(n), np.arange(1, n + 1) / 12)
    np.testing.assert_allclose(ours, 1 - np.array(stay), rtol=1e-13)


def test_finer_and_wider_lattices_change_nothing(monkeypatch):
    """240 dates, where panels take seconds."""
    t = np.arange(1, 241) / 12
    plans = [np.full(240, 3.0), np.full(240, 25.0), 60 / np.arange(1, 241) ** 0.6, np.linspace(0.5, 20, 240)]
    shipped = discrete_first_passage(plans, t)
    monkeypatch.setattr(passage, "SPACING", 0.35)
    monkeypatch.setattr(passage, "CORRIDOR", 10.0)
    np.testing.assert_allclose(shipped, discrete_first_passage(plans, t), rtol=1e-12)


def test_end_rule_made_anew():
    """Gauss nodes of the moments that the end of the trapezoidal rule has to meet, from many digits."""
    n = len(passage.END_RULE)
    with mp.workdps(100):
        moment = [mp.bernpoly(r + 1, passage.FIRST) / (r + 1) for r in range(2 * n)]
        hankel = mp.matrix(n, n)
        for i, j in np.ndindex(n, n):
            hankel[i, j] = moment[i + j]
        monic = mp.lu_solve(hankel, -mp.matrix(moment[n:]))
        nodes = [
            mp.findroot(lambda x: x**n + sum(monic[r] * x**r for r in range(n)), mp.mpf(x))
            for x in passage.END_RULE[:, 0]
        ]
        powers = mp.matrix(n, n)
        for i, j in np.ndindex(n, n):
            powers[i, j] = nodes[j] ** i
        weights = mp.lu_solve(powers, mp.matrix(moment[:n]))
    made = np.array([nodes, list(weights)], float).T
    np.testing.assert_array_max_ulp(made, passage.END_RULE, 1)


def test_end_rule_on_half_a_normal_density():
    z = 0.4 * passage.LATTICE[:200] - 1.0
    integral = 0.4 * passage.LATTICE_WEIGHTS[:200] @ np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    assert integral == pytest.approx(ndtr(1.0), rel=1e-14)


def test_dates_too_uneven_for_lattices_stay_on_panels(monkeypatch):
    dd, t = [3.0, 2.0, 2.5, 1.5, 1.0], [1.0, 1.1, 2.0, 3.0, 5.0]
    assert (on_lattices(dd, t) != on_panels(dd, t)).any()
    monkeypatch.setattr(passage, "LATTICE", passage.LATTICE[:40])
    np.testing.assert_array_equal(on_lattices(dd, t), on_panels(dd, t))


def test_barriers_along_further_axes_are_solved_one_by_one():
    rng = np.random.default_rng(5)
    t = np.cumsum(rng.uniform(0.1, 0.4, 30))
    dd = rng.uniform(0.5, 8.0, (2, 3, 30))
    together = discrete_first_passage(dd, t)
    assert together.shape == dd.shape
    for row in np.ndindex(2, 3):
        np.testing.assert_array_equal(together[row], discrete_first_passage(dd[row], t))
    assert discrete_first_passage(np.ones((0, 30)), t).shape == (0, 30)


def test_same_bits_on_any_number_of_threads():
    code = """if True:
        import numpy as np
        from xlkmv import discrete_first_passage
        rng = np.random.default_rng(7)
        t = np.cumsum(rng.choice([1, 30, 31, 92], 60)) / 365
        print(discrete_first_passage(rng.uniform(1, 30, (20, 60)), t).tobytes().hex())
    """
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads},
            capture_output=True,
            check=True,
        ).stdout
        for threads in ("1", "4")
    }
    assert len(found) == 1
