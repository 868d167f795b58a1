"""CreditMetrics (J.P. Morgan, 1997): value of a portfolio after rating migrations.

Over the horizon each obligor moves to a rating, or to default, with the probabilities of its row of a
transition matrix. Thresholds cut a standard normal asset return into those moves; asset returns are
correlated; in each end state the obligor is worth its value there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from xlkmv.errors import DomainError, InputError
from xlkmv.model.domain import (
    ASSET_CORRELATION,
    FINITE,
    NOT_NEGATIVE,
    PROBABILITY,
    SIGNED_RATE,
    Array,
    check,
    check_number,
    numbers,
)
from xlkmv.model.losses import (
    LEVELS,
    LossDistribution,
    check_attachment,
    check_levels,
    obligors,
    per_obligor,
    simulated_losses,
    simulation_size,
    uniforms,
)
from xlkmv.phrase import Phrase

__all__ = [
    "EXAMPLE_DEFAULT_VALUE",
    "EXAMPLE_FORWARD_RATES",
    "EXAMPLE_MATRIX",
    "EXAMPLE_RATINGS",
    "bond_values",
    "creditmetrics",
    "migration_moments",
    "migration_thresholds",
    "rating_rows",
    "transition_matrix",
]

# An example, not advice: the tables of the CreditMetrics Technical Document (2 April 1997). One-year
# transition matrix, table 1.1 (source there: Standard & Poor's CreditWeek, 15 April 1996), as printed: B adds
# up to 0.9999 and CCC to 1.0001. Forward zero rates one year ahead for years 1 to 4, table 1.3. Value of a
# senior unsecured bond in default (mean and standard deviation, per unit of face), table 1.2. With these
# rates a bond is worth about 0.02 (of 100) less than the document prints.
EXAMPLE_RATINGS = ("AAA", "AA", "A", "BBB", "BB", "B", "CCC")
EXAMPLE_MATRIX = (
    (0.9081, 0.0833, 0.0068, 0.0006, 0.0012, 0.0000, 0.0000, 0.0000),
    (0.0070, 0.9065, 0.0779, 0.0064, 0.0006, 0.0014, 0.0002, 0.0000),
    (0.0009, 0.0227, 0.9105, 0.0552, 0.0074, 0.0026, 0.0001, 0.0006),
    (0.0002, 0.0033, 0.0595, 0.8693, 0.0530, 0.0117, 0.0012, 0.0018),
    (0.0003, 0.0014, 0.0067, 0.0773, 0.8053, 0.0884, 0.0100, 0.0106),
    (0.0000, 0.0011, 0.0024, 0.0043, 0.0648, 0.8346, 0.0407, 0.0520),
    (0.0022, 0.0000, 0.0022, 0.0130, 0.0238, 0.1124, 0.6486, 0.1979),
)
EXAMPLE_FORWARD_RATES = (
    (0.0360, 0.0417, 0.0473, 0.0512),
    (0.0365, 0.0422, 0.0478, 0.0517),
    (0.0372, 0.0432, 0.0493, 0.0532),
    (0.0410, 0.0467, 0.0525, 0.0563),
    (0.0555, 0.0602, 0.0678, 0.0727),
    (0.0605, 0.0702, 0.0803, 0.0852),
    (0.1505, 0.1502, 0.1403, 0.1352),
)
EXAMPLE_DEFAULT_VALUE = (0.5113, 0.2545)

# Published matrices are rounded to 0.01 %: a row may miss 1 by this much and is then scaled.
_ROW_TOLERANCE = 2e-4


def transition_matrix(matrix: npt.ArrayLike) -> Array:
    """Check a transition matrix and scale its rows to 1.

    Parameters
    ----------
    matrix : (r, s) array_like
        Row: rating now. Column: state at the horizon, best first, default last. Each row sums to 1; a miss of
        up to 0.0002, the rounding of published tables, is scaled away.

    Returns
    -------
    (r, s) ndarray
        Rows sum to 1.

    Raises
    ------
    InputError
        When it is no table with at least two columns.
    DomainError
        When an entry is no probability, or a row does not sum to 1.
    """
    table = check("matrix", matrix, PROBABILITY)
    if table.ndim != 2 or table.shape[0] < 1 or table.shape[1] < 2:
        raise InputError(
            "matrix", "must be a table: a row per rating, a column per end state, default last", table.shape
        )
    sums = table.sum(axis=1)
    wrong = np.flatnonzero(np.abs(sums - 1.0) > _ROW_TOLERANCE + 1e-12)
    if wrong.size:
        row = int(wrong[0])
        raise DomainError(
            "matrix", Phrase("must sum to 1 in each row (row {row})", row=row + 1), float(sums[row])
        )
    return np.asarray(table / sums[:, None])


def rating_rows(ratings: Sequence[str], names: Sequence[str] = EXAMPLE_RATINGS) -> npt.NDArray[np.int64]:
    """Row of each rating in the list of names.

    Parameters
    ----------
    ratings : sequence of str, length n
        In letters of any size.
    names : sequence of str
        Ratings as the matrix names them, best first.

    Returns
    -------
    ndarray of int, shape (n,)
        Rows, from 0.

    Raises
    ------
    InputError
        Naming the first rating that is not in the list.
    """
    rows = {name.strip().upper(): row for row, name in enumerate(names)}
    for rating in ratings:
        if str(rating).strip().upper() not in rows:
            raise InputError("ratings", Phrase("must be one of {options}", options=", ".join(names)), rating)
    return np.array([rows[str(rating).strip().upper()] for rating in ratings], dtype=np.int64)


# Z_j = N^-1(P(end state worse than j)): the asset return below which the obligor ends worse than j
# (CreditMetrics Technical Document 1997, chapter 8)
def migration_thresholds(matrix: npt.ArrayLike) -> Array:
    """Return the asset return thresholds of a transition matrix, (r, s - 1), falling along each row.

    The obligor ends in state j when exactly j of its thresholds lie above its asset return; the last
    threshold is that of default, N^-1(PD).

    Parameters
    ----------
    matrix : array_like, shape (r, s)
        As :func:`transition_matrix` takes it.

    Returns
    -------
    ndarray, shape (r, s - 1)

    Raises
    ------
    InputError, DomainError
        When it is no such matrix.
    """
    table = transition_matrix(matrix)
    # Summed from the default end, so that small default probabilities keep their digits.
    worse = np.cumsum(table[:, ::-1], axis=1)[:, ::-1][:, 1:]
    return np.asarray(ndtri(np.minimum(worse, 1.0)))


# V = c + sum_{t=1..m} c / (1 + f_t)^t + 1 / (1 + f_m)^m   (CreditMetrics 1997, chapter 1)
def bond_values(coupon: float, forward_rates: npt.ArrayLike, default_value: float) -> Array:
    """Value at the horizon of a bond in each end state, per unit of face.

    Parameters
    ----------
    coupon : float
        Annual coupon per unit of face (decimal); one is paid at the horizon.
    forward_rates : (r, m) array_like
        Zero rates seen from the horizon for years 1 to m (annual compounding), one row per rating; or a rate
        plus the spread of each rating.
    default_value : float
        Value in default per unit of face.

    Returns
    -------
    (r + 1,) array
        Best rating first, default last.

    Raises
    ------
    InputError, DomainError
        When the rates are no table, or an argument breaks its rule.
    """
    rates = check("forward_rates", forward_rates, SIGNED_RATE)
    if rates.ndim != 2 or rates.shape[1] < 1:
        raise InputError("forward_rates", "must be a table: a row per rating, a column per year", rates.shape)
    c = check_number("coupon", coupon, SIGNED_RATE)
    discount = (1.0 + rates) ** -np.arange(1.0, rates.shape[1] + 1.0)
    alive = c + c * discount.sum(axis=1) + discount[:, -1]
    return np.append(alive, check_number("default_value", default_value, PROBABILITY))


# mu = sum p_s V_s,  sigma^2 = sum p_s (V_s^2 + sd_s^2) - mu^2   (CreditMetrics 1997, chapter 1)
def migration_moments(
    probabilities: npt.ArrayLike, values: npt.ArrayLike, value_sds: npt.ArrayLike = 0.0
) -> tuple[Array, Array]:
    """Mean and standard deviation of the value of single bonds, exact.

    Parameters
    ----------
    probabilities : (..., s) array_like
        Probabilities of the end states; the last axis sums to 1.
    values : (..., s) array_like
        Value in each state.
    value_sds : (..., s) array_like, optional
        Standard deviation of the value in each state: zero but for default.

    Returns
    -------
    (array, array)
        Shape of the arguments broadcast together, without the last axis.

    Raises
    ------
    InputError, DomainError
        When the probabilities of a bond do not sum to 1, or an argument breaks its rule.
    """
    p = check("probabilities", probabilities, PROBABILITY)
    rows = transition_matrix(p.reshape(-1, p.shape[-1]) if p.ndim else p).reshape(p.shape)
    v, sd = check("values", values, FINITE), check("value_sds", value_sds, NOT_NEGATIVE)
    mean = (rows * v).sum(axis=-1)
    # Around the mean: a small deviation of a large value keeps its digits.
    variance = (rows * ((v - mean[..., None]) ** 2 + sd**2)).sum(axis=-1)
    return mean, np.asarray(np.sqrt(variance))


def creditmetrics(
    exposures: npt.ArrayLike,
    ratings: npt.ArrayLike,
    matrix: npt.ArrayLike,
    correlation: npt.ArrayLike,
    levels: npt.ArrayLike = LEVELS,
    *,
    values: npt.ArrayLike | None = None,
    lgd: npt.ArrayLike = 1.0,
    attachment: float | None = None,
    scenarios: int = 100_000,
    seed: int = 1997,
    block_size: int | None = None,
    contributions: bool = True,
) -> LossDistribution:
    """CreditMetrics: simulated loss distribution of a portfolio, marked to model at the horizon.

    Parameters
    ----------
    exposures : (n,) array_like
        Face amount of each obligor (money), >= 0.
    ratings : (n,) array_like of int
        Row of the matrix of each obligor, from 0 (:func:`rating_rows` turns names into rows).
    matrix : (r, s) array_like
        Transition probabilities, default last. For defaults alone give two columns, 1 - PD and PD, one
        row per obligor and ratings 0, 1, ..., n - 1.
    correlation : float, (n,) or (n, f) array_like
        Asset correlation as in the KMV model; or, as a table, the loadings of each obligor on f independent
        standard normal factors, squares adding up to at most 1 in each row.
    levels : (k,) array_like
        Confidence levels, > 0 and < 1.
    values : (s,) or (n, s) array_like, optional
        Value at the horizon per unit of exposure in each end state (:func:`bond_values`). Without it a state
        is worth 1, and default 1 - lgd, so that only defaults cost money. Losses are counted from the value
        with an unchanged rating.
    lgd : (n,) array_like or float
        Loss given default; used only without `values`.
    attachment : float, optional
        Loss amount at which the senior tranche is hit.
    scenarios : int
        Number of simulated scenarios.
    seed : int
        Same seed, same bits.
    block_size : int, optional
        Scenarios held in memory at a time; no effect on the result.
    contributions : bool
        Whether those of the obligors are wanted; they take about as long as the rest.

    Returns
    -------
    LossDistribution
        Losses below zero are gains from upgrades. The expected loss is exact; the other figures carry
        standard errors.

    Raises
    ------
    InputError, DomainError
        Naming the argument, its rule and the value.
    """
    table = transition_matrix(matrix)
    states = table.shape[1]
    exposure, _, _ = obligors(exposures, 0.0, 1.0)
    n = exposure.size
    row = _rows(ratings, n, table.shape[0])
    worth = np.column_stack([np.ones((n, states - 1)), 1.0 - per_obligor("lgd", lgd, n)])
    if values is not None:
        worth = check("values", values, FINITE)
        if worth.shape not in ((states,), (n, states)):
            raise InputError(
                "values",
                Phrase("must have {states} columns, one per end state of the matrix", states=states),
                worth.shape,
            )
        worth = np.broadcast_to(worth, (n, states))
    if states == 2:
        base = worth[:, 0]
    elif table.shape[0] == states - 1:
        base = worth[np.arange(n), row]
    else:
        raise InputError(
            "matrix", "must have a column for each of its rows, and one for default", table.shape
        )
    loss = exposure[:, None] * (base[:, None] - worth)
    flat = np.ascontiguousarray(loss).ravel()
    first = states * np.arange(n)
    loadings, rest = _loadings(correlation, n)
    factors = loadings.shape[1]
    # One line per end state: thresholds of all obligors.
    thresholds = np.ascontiguousarray(migration_thresholds(table)[row].T)
    count, block, seed = simulation_size(scenarios, block_size, seed, n + factors)

    def scenario_losses(start: int, rows: int) -> Array:
        normal = ndtri(uniforms(seed, start, rows, factors + n))
        returns = normal[:, factors:] * rest
        for f in range(factors):
            returns += normal[:, f : f + 1] * loadings[:, f]
        place = np.tile(first, (rows, 1))
        for threshold in thresholds:
            place += returns < threshold
        return np.asarray(flat.take(place))

    return simulated_losses(
        "CreditMetrics",
        scenario_losses,
        n,
        check_levels(levels),
        check_attachment(attachment),
        scenarios=count,
        block_size=block,
        expected=(table[row] * loss).sum(axis=1),
        contributions=contributions,
    )


def _rows(ratings: npt.ArrayLike, n: int, rows: int) -> npt.NDArray[np.int64]:
    rating = np.atleast_1d(numbers("ratings", ratings))
    if rating.shape not in ((n,), (1,)):
        raise InputError("ratings", Phrase("must be {count} numbers, one per obligor", count=n), rating.shape)
    wrong = ~((rating >= 0) & (rating < rows) & (rating == np.floor(rating)))
    if wrong.any():
        raise DomainError(
            "ratings",
            Phrase("must be a row of the matrix, 0 to {rows}", rows=rows - 1),
            float(rating[wrong][0]),
        )
    return np.broadcast_to(rating, (n,)).astype(np.int64)


def _loadings(correlation: npt.ArrayLike, n: int) -> tuple[Array, Array]:
    """Return factor loadings (n, f) and the weight of each obligor's own risk (n,)."""
    value = numbers("correlation", correlation)
    if value.ndim < 2:
        rho = per_obligor("correlation", value, n, ASSET_CORRELATION)
        return np.sqrt(rho)[:, None], np.sqrt(1.0 - rho)
    loadings = check("correlation", value)
    if loadings.ndim != 2 or loadings.shape[0] != n:
        raise InputError(
            "correlation",
            Phrase("must have {count} rows of factor loadings, one per obligor", count=n),
            loadings.shape,
        )
    squares = (loadings**2).sum(axis=1)
    if float(squares.max()) > 1.0 + 1e-12:
        row = int(np.argmax(squares))
        raise DomainError(
            "correlation",
            Phrase("must have loadings whose squares add up to at most 1 (row {row})", row=row + 1),
            float(squares[row]),
        )
    return loadings, np.sqrt(np.maximum(1.0 - squares, 0.0))
