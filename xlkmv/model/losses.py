"""Loss distribution of a pool: the result that all portfolio models share, and the KMV model of it.

KMV: obligor i defaults when its standardised asset return sqrt(rho_i) Z + sqrt(1 - rho_i) e_i falls below
N^-1(pd_i).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from xlkmv.errors import DomainError, InputError
from xlkmv.model.conditional import conditional_pool, dot, loss_bands
from xlkmv.model.domain import (
    ASSET_CORRELATION,
    NOT_NEGATIVE,
    POSITIVE,
    Array,
    Rule,
    check,
    check_number,
    numbers,
)
from xlkmv.phrase import Phrase
from xlkmv.shown import Shown

__all__ = [
    "LEVELS",
    "Contributions",
    "LossDistribution",
    "StandardErrors",
    "check_attachment",
    "check_levels",
    "conditional_pd_sd",
    "factor_losses",
    "gaussian_copula_losses",
    "grid_tail",
    "obligors",
    "per_obligor",
    "simulated_losses",
    "simulation_size",
    "uniforms",
]

LEVELS = (0.99, 0.999)
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(32)
# Scenarios over which a simulation adds up at a time.
_STEP = 256
SCENARIOS = Rule("must be between 100 and 100000000", low=100, high=1e8)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Contributions(Shown):
    """What each obligor adds to a risk figure; each row sums to the figure (Euler allocation).

    Attributes
    ----------
    expected_loss, unexpected_loss : (n,) arrays
    value_at_risk, expected_shortfall : (k, n) arrays
        One row per level.
    """

    expected_loss: Array
    unexpected_loss: Array
    value_at_risk: Array
    expected_shortfall: Array


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class StandardErrors(Shown):
    """Simulation error of each figure, one standard deviation; 0 where the figure is exact.

    Attributes
    ----------
    expected_loss, unexpected_loss : float
        Money.
    value_at_risk, expected_shortfall : ndarray, shape (k,)
        By level, money.
    hit_probability : float or None
        None without an attachment.
    """

    expected_loss: float
    unexpected_loss: float
    value_at_risk: Array
    expected_shortfall: Array
    hit_probability: float | None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LossDistribution(Shown):
    """Loss of a pool over one horizon, as one model sees it.

    Attributes
    ----------
    model : str
        Name of the model.
    losses, probabilities : (m,) arrays
        Ascending loss amounts (money) and their probabilities.
    levels : (k,) array
        Confidence levels.
    expected_loss, unexpected_loss : float
        Mean and standard deviation of the loss (money).
    value_at_risk, expected_shortfall : (k,) arrays
        Smallest loss not exceeded with at least the level's probability; mean loss of the worst (1 - level).
    attachment : float or None
        Amount of loss that the tranches below the senior absorb.
    hit_probability : float or None
        P(loss > attachment): the senior tranche loses money.
    contributions : Contributions or None
        Per obligor, in the order of the input; None when nobody asked for them.
    standard_errors : StandardErrors or None
        None: the model is computed, not simulated.
    notes : tuple of str
        What a reader of these figures should know.
    """

    model: str
    losses: Array
    probabilities: Array
    levels: Array
    expected_loss: float
    unexpected_loss: float
    value_at_risk: Array
    expected_shortfall: Array
    attachment: float | None
    hit_probability: float | None
    contributions: Contributions | None
    standard_errors: StandardErrors | None = None
    notes: tuple[str, ...] = ()

    @property
    def method(self) -> str:
        """How the figures were made, and what a reader should know of them."""
        return "; ".join(["exact" if self.standard_errors is None else "simulated", *self.notes])

    def exceedance(self, amount: npt.ArrayLike) -> Array:
        """Probability of a loss above an amount.

        Parameters
        ----------
        amount : array_like
            Money.

        Returns
        -------
        ndarray
            Probabilities, the shape of `amount`.

        Raises
        ------
        InputError
            When it is no number.
        """
        tails = np.append(np.cumsum(self.probabilities[::-1])[::-1], 0.0)
        slack = 1e-9 * float(np.abs(self.losses).max())
        return np.asarray(
            tails[np.searchsorted(self.losses, numbers("amount", amount) + slack, side="right")]
        )

    def quantile(self, level: npt.ArrayLike) -> Array:
        """Smallest loss that is not exceeded with at least the level's probability.

        Parameters
        ----------
        level : array_like
            Between 0 and 1 exclusive.

        Returns
        -------
        ndarray
            Money, the shape of `level`.

        Raises
        ------
        InputError, DomainError
            When an argument is no number or breaks its rule.
        """
        wanted = check("level", level)
        index = np.searchsorted(np.cumsum(self.probabilities), wanted - 1e-12)
        return np.asarray(self.losses[np.minimum(index, self.losses.size - 1)])


# --- the door -------------------------------------------------------------------------------------


def per_obligor(name: str, value: npt.ArrayLike, count: int, rule: Rule | None = None) -> Array:
    """Check a scalar or one value per obligor.

    Parameters
    ----------
    name : str
    value : array_like, shape () or (count,)
    count : int
        Number of obligors.
    rule : Rule, optional
        Overrides the rule of the name.

    Returns
    -------
    ndarray, shape (count,)

    Raises
    ------
    InputError, DomainError
        When the length differs, or a value breaks the rule.
    """
    x = check(name, value, rule)
    if x.ndim > 1 or (x.ndim == 1 and x.size not in (1, count)):
        raise InputError(name, Phrase("must be one number or {count}, one per obligor", count=count), x.shape)
    return np.broadcast_to(x.reshape(-1) if x.ndim else x, (count,)).astype(np.float64)


def obligors(
    exposures: npt.ArrayLike, pds: npt.ArrayLike, lgd: npt.ArrayLike, pd_rule: Rule | None = None
) -> tuple[Array, Array, Array]:
    """Check a pool.

    Parameters
    ----------
    exposures : array_like, shape (n,)
        Money, >= 0.
    pds, lgd : array_like, shape () or (n,)
        0 to 1.
    pd_rule : Rule, optional
        Overrides that of `pds`.

    Returns
    -------
    amounts, pds, lgds : ndarray, shape (n,)
        Amounts are exposure times LGD, money.

    Raises
    ------
    InputError
        When the pool is empty or the shapes differ.
    DomainError
        When a number breaks its rule, or no amount can be lost at all.
    """
    exposure = check("exposures", exposures, NOT_NEGATIVE)
    exposure = exposure.reshape(1) if exposure.ndim == 0 else exposure
    if exposure.ndim != 1:
        raise InputError("exposures", "must be one list, one number per obligor", exposure.shape)
    if exposure.size == 0:
        raise InputError("exposures", "must hold at least one obligor (the pool is empty)")
    pd = per_obligor("pds", pds, exposure.size, pd_rule)
    loss_given_default = per_obligor("lgd", lgd, exposure.size)
    amounts = exposure * loss_given_default
    if not amounts.sum() > 0.0:
        raise DomainError("exposures", "times lgd must add up to more than 0", float(amounts.sum()))
    return amounts, pd, loss_given_default


def check_levels(levels: npt.ArrayLike) -> Array:
    """Check confidence levels.

    Parameters
    ----------
    levels : array_like, shape () or (k,)
        Between 0 and 1 exclusive.

    Returns
    -------
    ndarray, shape (k,)

    Raises
    ------
    InputError, DomainError
        When they are no list, or one breaks its rule.
    """
    level = np.atleast_1d(check("levels", levels))
    if level.ndim != 1 or level.size == 0:
        raise InputError("levels", "must be one list of numbers", level.shape)
    return level


def check_attachment(attachment: float | None) -> float | None:
    """Check the attachment amount.

    Parameters
    ----------
    attachment : float or None
        Money, >= 0.

    Returns
    -------
    float or None

    Raises
    ------
    InputError, DomainError
        When an argument is no number or breaks its rule.
    """
    return None if attachment is None else check_number("attachment", attachment, NOT_NEGATIVE)


# --- exact grids -----------------------------------------------------------------------------------


# ES_a = (E[L; L > v] + v (1 - a - P(L > v))) / (1 - a), v = VaR_a  (Acerbi and Tasche 2002)
def grid_tail(losses: Array, probabilities: Array, level: float) -> tuple[int, float, float]:
    """Value at risk and expected shortfall of a distribution on a grid.

    Parameters
    ----------
    losses, probabilities : (m,) arrays
        Ascending losses and their probabilities.
    level : float
        Confidence level.

    Returns
    -------
    index : int
        Of VaR.
    share : float
        Part of P(loss = VaR) that lies in the worst (1 - level).
    shortfall : float
        Mean loss of the worst (1 - level), in the unit of the losses.
    """
    # Sum the tail from its thin end: the level then holds to the last digit.
    above = np.append(np.cumsum(probabilities[::-1])[::-1][1:], 0.0)
    index = int(np.argmax(above <= (1.0 - level) * (1.0 + 1e-12)))
    share = max(1.0 - level - float(above[index]), 0.0)
    mean = float(losses[index + 1 :] @ probabilities[index + 1 :]) + losses[index] * share
    return index, share, mean / (1.0 - level)


def factor_losses(
    model: str,
    amounts: Array,
    pds: Array,
    conditional_pd: Callable[[Array, float], Array],
    parameters: tuple[Array, ...],
    levels: Array,
    attachment: float | None,
    grid_points: int | None = None,
    steps: tuple[Array, Array] | None = None,
    contributions: bool = True,
    progress: Callable[[], None] = lambda: None,
) -> LossDistribution:
    """Loss distribution of obligors that default independently once one standard normal factor is known.

    Parameters
    ----------
    model : str
        Name for the result.
    amounts, pds : (n,) arrays
        Loss given default (money) and unconditional PD of each obligor.
    conditional_pd : callable
        ``conditional_pd(parameters (p, n), z) -> (n,)`` default probabilities given the factor.
    parameters : tuple of (n,) arrays
        What `conditional_pd` needs of each obligor.
    levels : (k,) array
    attachment : float or None
    grid_points : int, optional
        Grid of the loss distribution; by default 8192, or four points per obligor if that is more (at most
        131072). Amounts that are multiples of a common amount on a coarser grid are not rounded at all.
    steps : (centres, widths), optional
        Where each conditional PD falls from 1 to 0, and in what length of the factor, (n,) each.
    contributions : bool
        Whether they are wanted.
    progress : callable
        Called for every factor value; what it raises ends the computation.

    Returns
    -------
    LossDistribution
    """
    n = amounts.size
    # Amounts near 1 keep their squares within the range of numbers; a power of 2 keeps all digits.
    scale = 2.0 ** np.floor(np.log2(amounts.max()))
    amounts = amounts / scale
    # One order for one pool, whatever the order of the input: the result is then the same to the last bit.
    order = np.lexsort((amounts, *parameters))
    amount, pd, parameter = amounts[order], pds[order], np.stack(parameters)[:, order]
    points = int(min(max(2**13, 4 * n), 2**17)) if grid_points is None else grid_points
    unit, bands = loss_bands(amount, points)
    # Obligors with the same parameters stand together: a kind begins where one changes.
    begins = np.append(True, (parameter[:, 1:] != parameter[:, :-1]).any(axis=0))
    kind, parameter = np.cumsum(begins) - 1, parameter[:, begins]
    if steps is not None:
        steps = steps[0][order][begins], steps[1][order][begins]

    def by_kind(z: float) -> Array:
        progress()
        return conditional_pd(parameter, z)

    pool = conditional_pool(amount, bands, kind, by_kind, steps)

    # Mean and covariances come from the factor directly, without the grid.
    # Deviations are summed up: a pool that is certain has no variance, and not what rounding leaves.
    expected, money, mean_pd = float(pd @ amount), np.bincount(kind, amount), pd[begins]
    co_mean, shared = np.zeros((2, money.size))
    for z, weight in zip(pool.nodes.tolist(), pool.weights.tolist(), strict=True):
        p = by_kind(z)
        moved = p - mean_pd
        co_mean += (weight * dot(moved, money)) * moved
        shared += weight * moved * moved
    covariances = amount * (co_mean[kind] + amount * (mean_pd * (1.0 - mean_pd) - shared)[kind])
    variance = float(covariances.sum())
    sd = float(np.sqrt(variance))

    losses = unit * np.arange(pool.probabilities.size, dtype=np.float64)
    tails = [grid_tail(losses, pool.probabilities, level) for level in levels.tolist()]
    at_risk = np.array([losses[index] for index, _, _ in tails])
    shortfall = np.array([mean for _, _, mean in tails])
    parts = None
    if contributions:
        at_risk_parts, shortfall_parts = np.zeros((2, levels.size, n))
        _, same = np.unique(np.stack([amount, kind]), axis=1, return_inverse=True)
        same = np.asarray(same).reshape(-1)
        for k, (index, share, _) in enumerate(tails):
            at, above = pool.joint_with_default(index)
            at_risk_parts[k] = _spread(at, amount, same, at_risk[k])
            given = at / max(float(pool.probabilities[index]), 1e-300)
            shortfall_parts[k] = _spread(above + share * given, amount, same, shortfall[k])
        back = np.empty(n, dtype=np.int64)
        back[order] = np.arange(n)
        parts = Contributions(
            scale * (pd * amount)[back],
            scale * (covariances / sd if sd > 0.0 else np.zeros(n))[back],
            scale * at_risk_parts[:, back],
            scale * shortfall_parts[:, back],
        )
    hit = None
    if attachment is not None:
        above_it = losses > attachment / scale + 1e-9 * float(amounts.sum())
        hit = float(pool.probabilities[above_it].sum())
    last = int(np.flatnonzero(pool.probabilities > 0.0)[-1]) + 1
    return LossDistribution(
        model,
        scale * losses[:last],
        pool.probabilities[:last],
        levels,
        scale * expected,
        scale * sd,
        scale * at_risk,
        scale * shortfall,
        attachment,
        hit,
        parts,
    )


def _spread(weights: Array, amounts: Array, same: npt.NDArray[np.int64], total: float) -> Array:
    """Split a total over the obligors by weight x amount; obligors that are alike get the same."""
    average = np.bincount(same, weights) / np.bincount(same)
    parts = average[same] * amounts
    whole = float(parts.sum())
    return parts * (total / whole) if whole > 0.0 else np.zeros(amounts.size)


# p(z) = N((N^-1(pd) - sqrt(rho) z) / sqrt(1 - rho))  (Vasicek 1987; KMV Portfolio Manager's one-factor case)
def _conditional_pd(parameter: Array, z: float) -> Array:
    threshold, loading, rest = parameter
    return np.asarray(ndtr((threshold - loading * z) / rest))


def conditional_pd_sd(pds: npt.ArrayLike, correlation: npt.ArrayLike) -> Array:
    """Standard deviation of the default probability given the factor.

    sd^2 = N2(t, t; rho) - pd^2 = 1/(2 pi) integral from 0 to arcsin(rho) of exp(-t^2/(1 + sin a)) da,
    with t = N^-1(pd); the integral, by Plackett (1954), has no difference that loses digits.

    Parameters
    ----------
    pds : array_like
        Default probabilities, 0 to 1.
    correlation : array_like
        Asset correlation, 0 up to but not 1; broadcast against `pds`.

    Returns
    -------
    array
        What a model that needs the volatility of PDs has to be given to see the same default correlation.

    Raises
    ------
    InputError, DomainError
        When an argument is no number or breaks its rule.
    """
    pd, rho = np.broadcast_arrays(check("pds", pds), check("correlation", correlation, ASSET_CORRELATION))
    reach = np.arcsin(rho)[..., None]
    angle = 0.5 * reach * (_NODES + 1.0)
    density = np.exp(-(ndtri(pd)[..., None] ** 2) / (1.0 + np.sin(angle)))
    return np.asarray(np.sqrt((0.5 * reach * _WEIGHTS * density).sum(axis=-1) / (2.0 * np.pi)))


def gaussian_copula_losses(
    exposures: npt.ArrayLike,
    pds: npt.ArrayLike,
    correlation: npt.ArrayLike,
    levels: npt.ArrayLike = LEVELS,
    *,
    lgd: npt.ArrayLike = 1.0,
    attachment: float | None = None,
    grid_points: int | None = None,
    contributions: bool = True,
    progress: Callable[[], None] = lambda: None,
) -> LossDistribution:
    """KMV portfolio model: exact loss distribution under a one-factor Gaussian copula.

    Parameters
    ----------
    exposures : (n,) array_like
        Exposure at default of each obligor (money), >= 0.
    pds : (n,) array_like or float
        Default probabilities over the horizon, 0 to 1 (N(-DD) of each obligor); 0 never and 1 always
        defaults.
    correlation : (n,) array_like or float
        Share of the common factor in the variance of the asset return: the asset correlation of two obligors
        is sqrt(rho_i rho_j). From 0 up to but not 1.
    levels : (k,) array_like
        Confidence levels, > 0 and < 1.
    lgd : (n,) array_like or float
        Loss given default as a share of the exposure; 1 when exposures are already net of recovery.
    attachment : float, optional
        Loss amount at which the senior tranche is hit.
    grid_points : int, optional
        Size of the loss grid when the amounts have no common unit (default 8192, or 4 n if larger).
    contributions : bool
        Whether those of the obligors are wanted; they take longer than the rest.
    progress : callable
        Called many times; what it raises ends the computation.

    Returns
    -------
    LossDistribution
        Computed, not simulated. Expected and unexpected loss do not depend on the grid; quantiles are
        exact up to one grid step (none when the amounts are multiples of a common amount).

    Raises
    ------
    InputError, DomainError
        Naming the argument, its rule and the value.

    Notes
    -----
    Vasicek (1987, 2002); conditional independence as in Andersen, Sidenius and Basu (2003), with the
    recursion done on generating functions.
    """
    amounts, pd, _ = obligors(exposures, pds, lgd)
    rho = per_obligor("correlation", correlation, amounts.size, ASSET_CORRELATION)
    if grid_points is not None:
        grid_points = int(
            check_number("grid_points", grid_points, Rule("must be between 2 and 1048576", 2, 2**20))
        )
    threshold, loading, rest = ndtri(pd), np.sqrt(rho), np.sqrt(1.0 - rho)
    # Without loading the step is infinitely wide.
    slope = np.maximum(loading, 1e-150)
    return factor_losses(
        "KMV",
        amounts,
        pd,
        _conditional_pd,
        (threshold, loading, rest),
        check_levels(levels),
        check_attachment(attachment),
        grid_points,
        steps=(threshold / slope, rest / slope),
        contributions=contributions,
        progress=progress,
    )


# --- simulation --------------------------------------------------------------------------------------


def uniforms(seed: int, start: int, count: int, width: int) -> Array:
    """Return rows `start` to `start + count` of an endless (., width) table of uniform numbers.

    The table belongs to the seed alone (counter-based Philox generator, Salmon et al. 2011), so a
    simulation gives the same bits in blocks of any size and can return to any row.

    Parameters
    ----------
    seed : int
        0 to 2^64 - 1.
    start, count : int
        First row, and how many.
    width : int
        Numbers in a row.

    Returns
    -------
    ndarray, shape (count, width)
        Above 0 and below 1.
    """
    ticks = -(-width // 4)
    bits = np.random.Philox(key=seed)
    bits.advance(start * ticks)
    # Zero becomes half of the smallest step, so that every normal quantile is finite.
    return np.maximum(np.random.Generator(bits).random((count, 4 * ticks))[:, :width], 2.0**-54)


def simulated_losses(
    model: str,
    scenario_losses: Callable[[int, int], Array],
    count: int,
    levels: Array,
    attachment: float | None,
    *,
    scenarios: int,
    block_size: int,
    expected: Array | None = None,
    contributions: bool = True,
) -> LossDistribution:
    """Summarise a simulation whose scenarios can be visited again.

    Parameters
    ----------
    model : str
        Name for the result.
    scenario_losses : callable
        ``scenario_losses(start, count) -> (count, n)`` losses per obligor, a pure function of the row
        numbers.
    count : int
        Number of obligors n.
    levels : (k,) array
    attachment : float or None
    scenarios, block_size : int
        Number of scenarios, and how many to hold in memory at a time (no effect on the result).
    expected : (n,) array, optional
        Exact expected loss of each obligor, where the model knows it.
    contributions : bool
        Whether those of the obligors are wanted, for which scenarios in the tail are visited once more.

    Returns
    -------
    LossDistribution
        With standard errors. Tail contributions average the obligors' losses over the tail scenarios (ES) and
        over the scenarios around the quantile (VaR, scaled to sum to it).
    """
    totals = np.empty(scenarios)
    sums, products = np.zeros(count), np.zeros(count)
    block = -(-block_size // _STEP) * _STEP
    for start in range(0, scenarios, block):
        stop = min(start + block, scenarios)
        losses = scenario_losses(start, stop - start)
        totals[start:stop] = losses.sum(axis=1)
        # Sums over scenarios always go in the same steps, so that they do not depend on the block size.
        for low in range(0, stop - start, _STEP):
            part = losses[low : low + _STEP]
            if contributions:
                sums += part.sum(axis=0)
                products += totals[start + low : start + low + part.shape[0]] @ part
    rank = np.argsort(totals, kind="stable")
    ordered = totals[rank]
    mean, sd = float(totals.mean()), float(totals.std())
    centred = totals - mean

    k = levels.size
    figures = np.empty((4, k))
    near, tail = np.zeros((scenarios, k)), np.zeros((scenarios, k))
    for j, level in enumerate(levels.tolist()):
        figures[:, j], near[rank, j], tail[rank, j] = _tail(ordered, level)
    at_risk, at_risk_error, shortfall, shortfall_error = figures
    parts = None
    if contributions:
        at_risk_parts, shortfall_parts = _shares(scenario_losses, count, near, tail)
        for j in range(k):
            whole = float(at_risk_parts[j].sum())
            at_risk_parts[j] *= at_risk[j] / whole if whole else 0.0
        parts = Contributions(
            sums / scenarios if expected is None else expected,
            (products / scenarios - mean * sums / scenarios) / sd if sd > 0.0 else np.zeros(count),
            at_risk_parts,
            shortfall_parts,
        )
    root = float(np.sqrt(scenarios))
    fourth = float((centred**4).mean())
    hit = hit_error = None
    if attachment is not None:
        slack = 1e-9 * max(float(np.abs(ordered[[0, -1]]).max()), 1e-300)
        hit = float((totals > attachment + slack).mean())
        hit_error = float(np.sqrt(hit * (1.0 - hit)) / root)
    losses_seen, times = np.unique(ordered, return_counts=True)
    return LossDistribution(
        model,
        losses_seen,
        times / scenarios,
        levels,
        mean if expected is None else float(expected.sum()),
        sd,
        at_risk,
        shortfall,
        attachment,
        hit,
        parts,
        StandardErrors(
            sd / root if expected is None else 0.0,
            float(np.sqrt(max(fourth - sd**4, 0.0)) / (2.0 * sd) / root) if sd > 0.0 else 0.0,
            at_risk_error,
            shortfall_error,
            hit_error,
        ),
    )


def _tail(ordered: Array, level: float) -> tuple[Array, Array, Array]:
    """VaR, its standard error, ES, its standard error; weights of the scenarios near VaR, and in ES.

    Of ascending losses (m,): shapes (4,), (m,) and (m,).
    """
    scenarios = ordered.size
    index = min(int(np.ceil(level * scenarios - 1e-9)) - 1, scenarios - 1)
    at_risk = ordered[index]
    worst = (1.0 - level) * scenarios
    weight = np.zeros(scenarios)
    weight[index + 1 :] = 1.0
    weight[index] = max(worst - (scenarios - 1 - index), 0.0)
    shortfall = weight @ ordered / worst
    spread = weight @ (ordered - shortfall) ** 2 / worst
    # Manistre and Hancock (2005): variance of the estimated conditional tail expectation.
    shortfall_error = np.sqrt((spread + level * (shortfall - at_risk) ** 2) / worst)
    # Order statistics one binomial standard deviation either side.
    step = max(round(np.sqrt(worst * level)), 1)
    low, high = ordered[max(index - step, 0)], ordered[min(index + step, scenarios - 1)]
    near = (ordered >= low) & (ordered <= high) if high > low else ordered == at_risk
    figures = np.array([at_risk, 0.5 * (high - low), shortfall, shortfall_error])
    return figures, near / float(near.sum()), weight / worst


def _shares(
    scenario_losses: Callable[[int, int], Array], count: int, near: Array, tail: Array
) -> tuple[Array, Array]:
    """Visit the scenarios near a quantile or in a tail once more: weighted losses by obligor, (k, n) each."""
    scenarios, k = near.shape
    at_risk_parts, shortfall_parts = np.zeros((k, count)), np.zeros((k, count))
    touched = np.asarray((near + tail).any(axis=1))
    for start in range(0, scenarios, _STEP):
        rows = start + np.flatnonzero(touched[start : start + _STEP])
        if rows.size > _STEP // 8:
            losses = scenario_losses(start, min(_STEP, scenarios - start))[rows - start]
        elif rows.size:
            losses = np.concatenate([scenario_losses(row, 1) for row in rows.tolist()])
        else:
            continue
        at_risk_parts += near[rows].T @ losses
        shortfall_parts += tail[rows].T @ losses
    return at_risk_parts, shortfall_parts


def simulation_size(
    scenarios: float, block_size: float | None, seed: int, width: int
) -> tuple[int, int, int]:
    """Check the settings of a simulation; the default block holds about four million numbers.

    Parameters
    ----------
    scenarios : float
    block_size : float or None
        Scenarios computed at a time.
    seed : int
    width : int
        Random numbers of one scenario.

    Returns
    -------
    scenarios, block_size, seed : int

    Raises
    ------
    InputError, DomainError
        When one of them breaks its rule.
    """
    count = int(check_number("scenarios", scenarios, SCENARIOS))
    size = (
        max(4_000_000 // width, 1)
        if block_size is None
        else int(check_number("block_size", block_size, POSITIVE))
    )
    if isinstance(seed, bool) or int(check_number("seed", seed, NOT_NEGATIVE)) != seed or seed >= 2**64:
        raise InputError("seed", "must be a whole number >= 0 and < 2^64", seed)
    return count, max(size, 1), int(seed)
