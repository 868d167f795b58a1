"""Checks of a refresh: laws that every result obeys, and inputs that are rarely meant."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from xlkmv.deal.kmv import KmvView
from xlkmv.deal.paths.measures import Simulation
from xlkmv.deal.plan.factors import industries
from xlkmv.deal.plan.stressed import Stressed
from xlkmv.deal.plan.waterfall import Waterfall
from xlkmv.deal.questions.attribution import Attribution
from xlkmv.deal.questions.breakeven import expected_collections
from xlkmv.deal.sources import HOLE, Prices
from xlkmv.deal.terms import TOLERANCE, Deal
from xlkmv.model.domain import Array
from xlkmv.model.plan import default_probability_by
from xlkmv.phrase import Phrase, some
from xlkmv.shown import Shown

__all__ = ["Check", "laws", "record_warnings", "source_warnings", "unused", "warnings"]

# Days from the last price to closing, beyond which it says little of the firm at closing: a quarter.
LATEST_PRICE = 92
# Names that a warning lists.
NAMED = 4


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Check(Shown):
    """One check: what, its figure, and how large that may be.

    A law that fails is a mistake of the program; a warning that fails is an input worth a
    second look.
    """

    name: str
    difference: float
    limit: float
    warning: bool = False

    @property
    def passed(self) -> bool:
        """Whether the figure is within the limit."""
        return abs(self.difference) <= self.limit

    @property
    def outcome(self) -> str:
        """Say it in a word: passed, look (a warning), or FAILED."""
        return "passed" if self.passed else "look" if self.warning else "FAILED"


def laws(
    plan: Stressed, base: KmvView, planned: Waterfall, run: Simulation, attribution: Attribution | None
) -> tuple[Check, ...]:
    """Laws that every result must obey, whatever the inputs."""
    deal, dues = plan.deal, plan.dues
    money = sum(t.amount for t in deal.tranches)
    last = base.tranches[-1].risk
    flow = planned.collections.sum() + planned.support_drawn.sum() + plan.reserve
    flow += planned.sale.sum() + planned.bought_less.sum()
    paid = planned.fees_paid.sum() + planned.interest_paid.sum() + planned.principal_paid.sum()
    kept = planned.residual.sum() + planned.account[-1] + planned.reserve[-1]
    attributed = []
    if attribution is not None:
        gained = attribution.without - attribution.with_all
        shares = float(np.abs(attribution.shapley.sum(axis=0) - gained).max())
        attributed = [Check(Phrase("Shapley shares sum to what the controls take off"), shares, 1e-9)]
    return (
        Check(
            Phrase("Cash in equals cash out along the planned waterfall"),
            float(flow - paid - kept) / money,
            1e-9,
        ),
        *attributed,
        Check(
            Phrase("Simulated volatility against the exact one, in standard errors"),
            _standard_errors(plan, base, run),
            5.0,
        ),
        Check(
            Phrase("Simulated collections against their expectation, in standard errors"),
            _errors_of_mean(plan, base, run),
            5.0,
        ),
        Check(Phrase("Principal due sums to the notes"), float(dues.principal.sum() - money) / money, 1e-9),
        Check(
            Phrase("Every balance ends at zero"),
            float(np.abs((dues.opening - dues.principal)[:, -1]).max()) / money,
            1e-9,
        ),
        Check(
            Phrase("Dues of the last rank are all dues"),
            float(last.accumulated_due[-1] - dues.total().sum()) / float(dues.total().sum()),
            1e-9,
        ),
        Check(
            Phrase("Any-date PD is never below the terminal PD"),
            max(0.0, *(float((t.risk.pd - t.risk.anydate_pd).max()) for t in base.tranches)),
            1e-12,
        ),
        Check(
            Phrase("A later rank is never safer by the pool alone"),
            max(
                [
                    0.0,
                    *(
                        float((a.risk.anydate_pd - b.risk.anydate_pd)[-1])
                        for a, b in itertools.pairwise(base.tranches)
                    ),
                ]
            ),
            1e-12,
        ),
    )


def warnings(plan: Stressed, base: KmvView, planned: Waterfall) -> tuple[Check, ...]:
    """What is rarely meant: figures of another unit, a plan that fails by itself."""
    deal, pool = plan.deal, plan.deal.pool
    notes, financed = sum(t.amount for t in deal.tranches), float(pool.amount.sum())
    by_period = deal.controls.reserve and deal.controls.reserve_unit == "periods"
    reserve = deal.controls.reserve_size if by_period else 0.0
    # Of a schedule all is collected; loans may run on after the last date.
    left = float(plan.balance[-1]) if pool.loans is not None else 0.0
    scheduled = max(float(pool.collections.sum()), 1e-300)
    headline = base.tranches[deal.headline]
    figures = (
        (Phrase("Notes / financed amount"), notes / financed, 1.2),
        (Phrase("Financed amount / notes"), financed / notes, 2.0),
        (Phrase("Financed amount / scheduled collections"), financed / scheduled, 1.0 + 1e-9),
        (Phrase("Share of the pool that falls due after the last payment date"), left / financed, 1e-6),
        (Phrase("Largest one-year PD of an obligor"), float(pool.pd.max()), 0.2),
        (Phrase("Obligors with a PD of 0"), float((pool.pd == 0.0).sum()), 0.0),
        (Phrase("Largest coupon p.a."), float(plan.dues.coupons.max()), 0.15),
        (Phrase("Senior fees p.a."), deal.terms.fee_rate, 0.03),
        (Phrase("Reserve in periods"), reserve, 4.0),
        (Phrase("Coverage of {name}", name=headline.name), headline.coverage_at_maturity, 3.0),
        (Phrase("Payment dates before anything is collected by plan"), _waits(planned), 0.0),
        (Phrase("Classes short although everybody pays"), float(planned.short.any(axis=-1).sum()), 0.0),
        (
            Phrase("Covenants in breach although everybody pays"),
            float(planned.breaches.any(axis=-1).sum()),
            0.0,
        ),
    )
    found = [Check(name, float(figure), limit, warning=True) for name, figure, limit in figures]
    if (unseen := float(np.abs(np.cumsum(planned.bought_less)).max()) / financed) > TOLERANCE:
        name = Phrase("Accumulated collections of Cashflow off those of the KMV view / financed amount")
        found.append(Check(name, unseen, 0.0, warning=True))
    return tuple(found)


# Metrics of covenants that are no more than 1.
SHARES = ("cumulative default ratio", "largest obligor share", "pool factor")
# A rate of a claim, and a reserve in periods, that were rather meant in another unit.
DEAR, SMALL = 0.4, 0.1


def unused(deal: Deal) -> tuple[Check, ...]:
    """What a deal says that counts for nothing, or not as it is said; only what there is.

    Parameters
    ----------
    deal : Deal

    Returns
    -------
    tuple of Check
    """
    terms, controls = deal.terms, deal.controls
    beyond = [t.name for t in deal.tranches if t.legal_final is not None and t.legal_final > terms.dates[-1]]
    best = min(t.rank for t in deal.tranches)
    waits = [t.name for t in deal.tranches if t.deferrable and t.rank == best]
    scheduled = not any(t.passes_through for t in deal.tranches)
    of_pool, by_vector = controls.reserve_unit == "of pool", terms.prepayment_type == "vector"
    stops, first = terms.revolving, terms.dates[0]
    odd_stop = stops is not None and stops not in terms.dates
    loans = deal.pool.loans
    rates = () if loans is None else np.broadcast_to(loans.rate, len(deal.pool.name)).tolist()
    dear = [name for name, rate in zip(deal.pool.name, rates, strict=bool(rates)) if rate > DEAR]
    never = [
        c.name
        for c in deal.covenants
        if c.metric in SHARES and c.side == "max" and c.threshold >= 1.0 and c.consequence != "none"
    ]
    idle = [
        c.name
        for c in deal.covenants
        if (c.consequence == "sequential" and terms.principal != "pro rata")
        or (c.consequence == "amortise" and stops is None)
    ]
    small = controls.reserve and controls.reserve_unit == "periods" and 0.0 < controls.reserve_size < SMALL
    figures = (
        (
            _named(Phrase("Classes held to the last payment date, before their legal final"), beyond),
            len(beyond),
        ),
        (Phrase("Claims marked late, which count as performing"), deal.pool.status.count("late")),
        (
            Phrase("Prepayment vector, not taken: the type is another"),
            _any(terms.prepayment_vector) and not by_vector,
        ),
        (Phrase("Prepayment speed, not taken: the type is vector"), by_vector * terms.prepayment),
        (
            Phrase("CDR, not taken: defaults follow another timing"),
            _any(terms.cdr) and terms.default_timing != "CDR",
        ),
        (
            Phrase("Loss curve, not taken: defaults follow another timing"),
            _any(terms.loss_curve) and terms.default_timing != "loss curve",
        ),
        (
            Phrase("OC target or floor, not taken: no class passes through"),
            scheduled * (terms.oc_target is not None or terms.oc_floor > 0.0),
        ),
        (
            Phrase("Floor of the reserve, not taken: its size is not of the pool"),
            (not of_pool) * controls.reserve_floor,
        ),
        (_named(Phrase("Deferrable, not taken: no better class is outstanding"), waits), len(waits)),
        (_named(Phrase("Claims at a rate above {rate:.0%}", rate=DEAR), dear), len(dear)),
        (_named(Phrase("Triggers at 1 or more of a share, which never sets them off"), never), len(never)),
        (_named(Phrase("Triggers that have nothing to switch"), idle), len(idle)),
        (
            Phrase("Reserve of less than a tenth of a period: its unit may be meant to be another"),
            small,
        ),
        (
            Phrase("Revolving ends on the payment date before {date}", date=stops)
            if stops is None or stops >= first
            else Phrase("Revolving ends before the first payment date: nothing is bought"),
            odd_stop,
        ),
    )
    return tuple(Check(name, float(figure), 0.0, warning=True) for name, figure in figures if figure > 0.0)


# What has come in, over what was to come in, from which on something else was rather typed.
MUCH = 1.5


def record_warnings(collected: Sequence[float], expected: Array) -> tuple[Check, ...]:
    """What of the record is rarely meant: principal that has bought claims again, or another unit.

    Parameters
    ----------
    collected : sequence of float of length j
    expected : ndarray, shape (j,)
        What came in on the dates that have passed, and what was to come in given what is known, money.

    Returns
    -------
    tuple of Check
        None while that is as it should be.
    """
    came, due = float(sum(collected)), float(expected.sum())
    if not came > MUCH * due > 0.0:
        return ()
    return (Check(Phrase("Collections since closing / expected by then"), came / due, MUCH, warning=True),)


def _any(values: Sequence[float]) -> bool:
    return any(x > 0.0 for x in values)


def _waits(planned: Waterfall) -> int:
    """Payment dates until the pool first pays, of a pool that does."""
    paying = planned.collections.ravel() > 0.0
    return int(paying.argmax())


def source_warnings(
    methods: Mapping[str, str],
    pool: Sequence[str],
    prices: Sequence[Prices],
    closing: dt.date,
    *,
    correlated: bool = False,
) -> tuple[Check, ...]:
    """What is rarely meant of the data that PDs and correlations come from.

    Parameters
    ----------
    methods : mapping of str to str
        Method of each obligor with data, by its name.
    pool : sequence of str
        Names of the pool.
    prices : sequence of Prices
        All that there are, also later than closing.
    closing : date
        Later prices are not used.
    correlated : bool
        Whether prices are used for a correlation of returns, too.

    Returns
    -------
    tuple of Check
        None where nothing is known of an obligor.
    """
    if not methods:
        return ()
    there = {name.strip().casefold() for name in pool}
    by_name = {name.strip().casefold(): method for name, method in methods.items()}
    strangers = [name for name in methods if name.strip().casefold() not in there]
    found: list[tuple[Phrase, float, float]] = [
        (_named(Phrase("Obligors with data that are not in the pool"), strangers), len(strangers), 0)
    ]
    if not prices:
        return tuple(Check(name, float(x), limit, warning=True) for name, x, limit in found)
    unused = [p.name for p in prices if by_name.get(p.name.strip().casefold()) != "listed" and not correlated]
    used = [(p, p.until(closing)) for p in prices if p.name not in unused]
    late = [p.name for p, known in used if known.dates.size < p.dates.size]
    found += [
        (_named(Phrase("Obligors with prices that nothing uses"), unused), len(unused), 0),
        (_named(Phrase("Obligors with prices after closing, left out"), late), len(late), 0),
    ]
    series = [known for _, known in used if known.dates.size]
    if series:
        old = max(series, key=lambda p: _age(p, closing))
        torn = max(series, key=lambda p: p.gap)
        found += [
            (
                _named(Phrase("Days between last price and closing"), [old.name]),
                _age(old, closing),
                LATEST_PRICE,
            ),
            (_named(Phrase("Widest step of prices, in usual steps"), [torn.name]), torn.gap, HOLE),
        ]
    return tuple(Check(name, float(x), limit, warning=True) for name, x, limit in found)


def _age(prices: Prices, closing: dt.date) -> int:
    """Days from the last price to closing."""
    return int((np.datetime64(closing, "D") - prices.dates[-1]).astype(np.int64))


def _named(what: Phrase, names: Sequence[str]) -> Phrase:
    """Put names behind what is said of them."""
    if not names:
        return what
    return Phrase("{what} ({names})", what=what, names=some(names, NAMED))


def _standard_errors(plan: Stressed, base: KmvView, run: Simulation) -> float:
    """How far the simulated volatility lies from the exact one; 0 where no exact one was computed."""
    deal = plan.deal
    exact = deal.terms.volatility_source == "implied" and deal.terms.copula == "gaussian"
    exact &= plan.recovery_law is None  # the pool of a plan has the means of what is drawn
    exact &= bool(deal.pool.schedule.any())
    if not exact or industries(deal.pool, deal.terms) or run.volatility_error <= 0.0:
        return 0.0
    # An event that nobody drew is not in the simulated error: defaults of single obligors add theirs,
    # var[v] about sum F l^4 / paths for what they lose.
    pool, T = deal.pool, float(deal.terms.times[-1])
    share = deal.controls.repurchase_share if deal.controls.repurchase else 0.0
    loss = (1.0 - share) * (1.0 - pool.recovery) * pool.owed[:, 0] / float(pool.schedule.sum())
    fourth = float((default_probability_by(pool.pd, np.array(T)) * loss**4).sum())
    variance = float(np.expm1(base.volatility**2 * T))
    unseen = 0.5 * base.volatility * np.sqrt(fourth / run.paths) / max(variance, 1e-300)
    return (run.volatility - base.volatility) / max(run.volatility_error, float(unseen))


def _errors_of_mean(plan: Stressed, base: KmvView, run: Simulation) -> float:
    """How far the simulated mean of all collections lies from the exact one, which no copula moves."""
    exact, planned = float(expected_collections(plan).sum()), float(plan.collections.sum())
    if exact <= 0.0 or not run.drift_error > 0.0:
        return 0.0
    T = float(plan.deal.terms.times[-1])
    # Of a rare default that nobody drew the simulated error knows nothing: the exact one does.
    error = max(run.drift_error, float(np.sqrt(np.expm1(base.volatility**2 * T) / run.paths)) / T, 1e-12)
    return float((run.drift - np.log(exact / planned) / T) / error)
