"""The large pool: published quantiles and tranches, 40-digit integrals, laws."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlkmv.errors import DomainError, InputError
from xlkmv.model.largepool import concentration, loss_quantile, tranche_expected_loss


def test_hull_quantile():
    # Hull, Risk Management and Financial Institutions: Vasicek's worst-case default rate.
    assert loss_quantile(0.02, 0.1, 0.999) == pytest.approx(0.1282371073, abs=5e-11)


# Basel II, paragraphs 272 and 273, LGD 45 %, M 2.5: PD, risk weight in %.
BASEL = [(0.0003, 14.44), (0.001, 29.65), (0.005, 69.61), (0.01, 92.32), (0.05, 149.86), (0.2, 238.23)]


@pytest.mark.parametrize(("pd", "weight"), BASEL)
def test_basel_corporate_risk_weights(pd, weight):
    fade = (1 - np.exp(-50 * pd)) / (1 - np.exp(-50))
    rho = 0.12 * fade + 0.24 * (1 - fade)
    b = (0.11852 - 0.05478 * np.log(pd)) ** 2
    capital = 0.45 * (loss_quantile(pd, rho, 0.999) - pd) / (1 - 1.5 * b)
    assert 12.5 * 100 * capital == pytest.approx(
        weight, abs=0.006
    )  # two printed decimals, one of them rounded early


def test_published_tranches():
    got = tranche_expected_loss([0, 0.05], [0.03, 1], 0.05, 0.2, 0.6)
    np.testing.assert_allclose(got, [0.627703421, 0.006395836], rtol=0, atol=5.1e-10)


def exact_tranche(A, D, pd, rho, lgd):
    """The payoff integrated over the common factor, 40 digits."""
    with mp.workdps(40):
        A, D, pd, rho, lgd = (mp.mpf(float(a)) for a in (A, D, pd, rho, lgd))
        c = mp.sqrt(2) * mp.erfinv(2 * pd - 1)

        def kink(x):  # the factor at which the loss is x
            return (c - mp.sqrt(1 - rho) * mp.sqrt(2) * mp.erfinv(2 * x / lgd - 1)) / mp.sqrt(rho)

        def payoff(z):
            loss = lgd * mp.ncdf((c - mp.sqrt(rho) * z) / mp.sqrt(1 - rho))
            return min(max(loss - A, 0), D - A) * mp.npdf(z)

        top = kink(A) if A > 0 else mp.mpf(14)
        bottom = kink(D) if lgd > D else mp.mpf(-14)
        points = [mp.mpf(-14), *sorted({min(max(p, -14), 14) for p in (bottom, top, 0)}), mp.mpf(14)]
        points = sorted(set(points) | {top - 1 for _ in (0,) if -13 < top < 14})
        return float(mp.quad(payoff, points) / (D - A))


@pytest.mark.parametrize(
    "args",
    [
        (0, 0.03, 0.05, 0.2, 0.6),
        (0.05, 1, 0.05, 0.2, 0.6),
        (0.1, 0.2, 0.01, 0.05, 0.45),
        (0.3, 0.4, 0.001, 0.15, 0.45),
        (0.02, 0.04, 0.03, 0.01, 0.9),
        (0.0, 1.0, 0.3, 0.9, 0.7),
        (0.25, 0.3, 0.02, 0.5, 1.0),
    ],
)
def test_tranches_against_40_digits(args):
    assert tranche_expected_loss(*args) == pytest.approx(exact_tranche(*args), rel=1e-9)


probability = st.floats(1e-4, 0.9)


@settings(max_examples=150, deadline=None)
@given(probability, st.floats(0.0, 0.99), st.floats(0.05, 1.0), st.floats(0.01, 0.99))
def test_tranches_add_up_to_the_pool(pd, rho, lgd, cut):
    junior, senior = tranche_expected_loss([0, cut], [cut, 1], pd, rho, lgd)
    assert cut * junior + (1 - cut) * senior == pytest.approx(lgd * pd, rel=1e-9)
    assert 0 <= senior <= junior * (1 + 1e-12) + 1e-15 <= 1 + 1e-9


@settings(max_examples=100, deadline=None)
@given(probability, st.floats(0.001, 0.95), st.floats(0.01, 0.99))
def test_quantile_turns_back_into_its_level(pd, rho, level):
    q = float(loss_quantile(pd, rho, level))
    if not 1e-300 < q < 0.999:
        return
    with mp.workdps(30):
        inverse = [mp.sqrt(2) * mp.erfinv(2 * mp.mpf(p) - 1) for p in (q, pd)] if q > 1e-12 else None
        if inverse:
            z = (mp.sqrt(1 - rho) * inverse[0] - inverse[1]) / mp.sqrt(rho)
            assert float(mp.ncdf(z)) == pytest.approx(level, abs=1e-8)
    assert loss_quantile(pd, rho, min(level + 0.005, 0.995)) >= q


def test_edges():
    assert loss_quantile([0.0, 1.0], 0.2, 0.999).tolist() == [0.0, 1.0]
    assert loss_quantile(0.07, 0.0, 0.999) == pytest.approx(0.07)
    assert tranche_expected_loss(0.1, 0.2, 0.5, 0.0, 0.3) == pytest.approx(0.5)
    assert tranche_expected_loss(0.5, 1, 0.2, 0.3, 0.45) == 0.0
    with pytest.raises(DomainError, match="detach must be > attach"):
        tranche_expected_loss(0.2, 0.2, 0.05, 0.2)
    with pytest.raises(DomainError, match="correlation must be >= 0 and < 1"):
        loss_quantile(0.02, 1.0, 0.99)


def test_concentration():
    assert concentration([5.0] * 8).effective_number == pytest.approx(8)
    got = concentration([4, 3, 1, 1, 1, 0, 0])
    assert got.hhi == pytest.approx(0.28)
    assert got.largest_share == pytest.approx(0.4)
    assert got.top5_share == pytest.approx(1.0)
    assert concentration([4e307, 4e307, 8e307]).hhi == pytest.approx(0.375)
    with pytest.raises(InputError, match="above zero"):
        concentration([0, 0])
    with pytest.raises(DomainError):
        concentration([1, -1])
