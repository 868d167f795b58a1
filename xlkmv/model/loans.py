"""What loans pay: prepayment speeds, amortisation, and the cash of claims by month and by payment date.

Months are counted from closing: month 1 ends one month after it. Money is in any one unit. Prepayment is a
single monthly mortality (SMM), the share of what is left after the month's instalment that is repaid early.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp, softmax

from xlkmv.errors import ConvergenceError, DomainError, InputError, show
from xlkmv.model.domain import (
    FINITE,
    NOT_NEGATIVE,
    POSITIVE,
    PROBABILITY,
    SIGNED_RATE,
    Array,
    Rule,
    check,
    check_number,
    numbers,
)
from xlkmv.phrase import Phrase

__all__ = [
    "AMORTISATIONS",
    "PAYMENTS_PER_YEAR",
    "Flows",
    "Loans",
    "Revolved",
    "abs_smm",
    "cpr_from_smm",
    "flows_by_date",
    "implied_principal",
    "internal_rate",
    "monthly_flows",
    "period_smm",
    "psa_cpr",
    "revolved",
    "smm_from_cpr",
    "weighted_average_life",
]

Integers = npt.NDArray[np.int32]

AMORTISATIONS = ("annuity", "linear", "bullet", "interest-only")
PAYMENTS_PER_YEAR = (1, 2, 4, 6, 12)

ABS_SPEED = Rule("must be between 0 and 1 (a decimal: 0.015 means 1.5 % ABS)", 0.0, 1.0)
# A speed of 16 is 96 % CPR once the loans are seasoned; 165 is a percentage.
PSA_SPEED = Rule("must be between 0 and 16 (1.65 means 165 PSA)", 0.0, 16.0)
MONTH_OF_LIFE = Rule("must be >= 1 (the first month of life is 1)", low=1.0)
FIXED_RATE = Rule("must be between 0 and 1 for a fixed loan (a decimal: 0.05 means 5 %)", 0.0, 1.0)
TERM = Rule("must be a whole number between 1 and 1200 (payments)", 1.0, 1200.0)
FIRST = Rule("must be a whole number between 1 and 1200 (months from closing)", 1.0, 1200.0)
PAYMENTS = Rule("must be a whole number between 0 and 1200 (payments)", 0.0, 1200.0)
AGE = Rule("must be a whole number between 0 and 1200 (months)", 0.0, 1200.0)
CURVE = Rule("must be a whole number, -1 for a fixed rate", -1.0, 100_000.0)
COUNT = Rule("must be a whole number between 1 and 100000", 1.0, 100_000.0)

# Elements of one temporary: a chunk of rows stays near the processor's cache.
_CHUNK = 250_000
# The rate of a schedule: |ln(present value/amount)| at most, and the steps that Newton may take.
_CLOSE = 1e-13
_MOST_STEPS = 200


# ------------------------------------------------------------------------------ prepayment speeds


def smm_from_cpr(cpr: npt.ArrayLike) -> Array:
    """Single monthly mortality of a conditional prepayment rate, ``SMM = 1 - (1 - CPR)^(1/12)``.

    The same turns a yearly default rate (CDR) into a monthly one (MDR).

    Parameters
    ----------
    cpr : array_like
        Per year, 0 to 1.

    Returns
    -------
    ndarray
        Per month; small rates keep their digits.

    Raises
    ------
    InputError, DomainError
        When an argument is no number or breaks its rule.

    Notes
    -----
    SIFMA, Standard formulas for the analysis of mortgage-backed securities, section B.
    """
    with np.errstate(divide="ignore"):
        return np.asarray(-np.expm1(np.log1p(-check("cpr", cpr, PROBABILITY)) / 12.0))


def cpr_from_smm(smm: npt.ArrayLike) -> Array:
    """Conditional prepayment rate of a single monthly mortality, ``CPR = 1 - (1 - SMM)^12``.

    Parameters
    ----------
    smm : array_like
        Per month, 0 to 1.

    Returns
    -------
    ndarray
        Per year.

    Raises
    ------
    InputError, DomainError
        When an argument is no number or breaks its rule.

    Notes
    -----
    SIFMA, Standard formulas for the analysis of mortgage-backed securities, section B.
    """
    with np.errstate(divide="ignore"):
        return np.asarray(-np.expm1(12.0 * np.log1p(-check("smm", smm, PROBABILITY))))


def psa_cpr(speed: npt.ArrayLike, age: npt.ArrayLike) -> Array:
    """CPR of the PSA benchmark, ``CPR = speed x min(0.2 % x age, 6 %)``.

    Parameters
    ----------
    speed : array_like
        1 is 100 PSA; 0 to 16.
    age : array_like
        Month of life, 1 in the first.

    Returns
    -------
    ndarray
        Per year.

    Raises
    ------
    InputError, DomainError
        When an argument is no number or breaks its rule.

    Notes
    -----
    SIFMA, Standard formulas, section B.
    """
    multiple, month = check("speed", speed, PSA_SPEED), check("age", age, MONTH_OF_LIFE)
    return np.asarray(multiple * np.minimum(0.002 * month, 0.06))


def abs_smm(speed: npt.ArrayLike, age: npt.ArrayLike) -> Array:
    """SMM of an absolute prepayment speed, ``SMM_m = a / (1 - a (m - 1))``, at most 1.

    ABS counts the loans that prepay each month as a share of the *original* number, so ``1 - a m``
    of them are left after m months and none from month 1/a on.

    Parameters
    ----------
    speed : array_like
        a, 0 to 1.
    age : array_like
        m, month of life, 1 in the first.

    Returns
    -------
    ndarray
        Per month.

    Raises
    ------
    InputError, DomainError
        When an argument is no number or breaks its rule.

    Notes
    -----
    SIFMA, Standard formulas, section B.4.
    """
    a, month = check("speed", speed, ABS_SPEED), check("age", age, MONTH_OF_LIFE)
    # Where fewer loans are left than are to prepay, all of them do.
    return np.asarray(a / np.maximum(1.0 - a * (month - 1.0), a))


def period_smm(cpr: npt.ArrayLike, date_of_month: npt.ArrayLike) -> Array:
    """SMM by month of a vector of CPR by payment period.

    Parameters
    ----------
    cpr : array_like, shape (k,)
        Per year, one value per period; the last one holds afterwards.
    date_of_month : array_like of int, shape (months,)
        Position of the period of each month, as in :func:`flows_by_date`.

    Returns
    -------
    ndarray, shape (months,)

    Raises
    ------
    InputError, DomainError
        When the vector is empty, or an argument breaks its rule.
    """
    smm = smm_from_cpr(cpr)
    if smm.ndim != 1 or smm.size == 0:
        raise InputError("cpr", "must have one value per period", f"shape {smm.shape}")
    return np.asarray(smm[np.minimum(_positions(date_of_month), smm.size - 1)])


# ------------------------------------------------------------------------------------------ loans


class Flows(NamedTuple):
    """Cash of m claims by month or by payment date; every field has shape (m, n), money.

    Attributes
    ----------
    interest, principal : ndarray
        Collected in each month, or on each date.
    balance : ndarray
        Outstanding just after it.
    """

    interest: Array
    principal: Array
    balance: Array


@dataclass(frozen=True, slots=True, eq=False)
class Loans:
    """Terms of m loans at closing; every field has shape (m,). Made by :meth:`of`, which checks them.

    Attributes
    ----------
    balance : ndarray
        Outstanding at closing, money.
    rate : ndarray
        Nominal rate per year; of a floating loan the margin over its curve.
    term : ndarray of int
        Payments that remain.
    interval : ndarray of int
        Months between payments.
    first : ndarray of int
        Month of the first payment.
    grace : ndarray of int
        Payments, of those that remain, that bring interest alone.
    linear : ndarray of bool
        Principal in equal parts instead of level payments.
    curve : ndarray of int
        Position of the base curve; -1 for a fixed rate.
    """

    balance: Array
    rate: Array
    term: Integers
    interval: Integers
    first: Integers
    grace: Integers
    linear: npt.NDArray[np.bool_]
    curve: Integers

    @classmethod
    def of(
        cls,
        balance: npt.ArrayLike,
        rate: npt.ArrayLike,
        term: npt.ArrayLike,
        amortisation: npt.ArrayLike = "annuity",
        *,
        payments_per_year: npt.ArrayLike = 12,
        first: npt.ArrayLike = 1,
        interest_only: npt.ArrayLike = 0,
        curve: npt.ArrayLike = -1,
    ) -> Loans:
        """Check the terms of m loans and put them into columns.

        Parameters
        ----------
        balance : array_like, shape (m,)
            Outstanding at closing, money, >= 0. The other arguments have one value each, or one for all.
        rate : array_like
            Nominal rate per year, 0 to 1; of a floating loan the margin, -1 to 1.
        term : array_like of int
            Payments that remain, 1 to 1200.
        amortisation : array_like of str
            ``annuity`` (level payments), ``linear`` (principal in equal parts), ``bullet`` (all
            principal with the last payment) or ``interest-only`` (at first interest alone, then an annuity).
        payments_per_year : array_like of int
            1, 2, 4, 6 or 12. Each payment, the first one too, brings interest of one whole period.
        first : array_like of int
            Month of the first payment; 1 is one month after closing.
        interest_only : array_like of int
            Payments of interest alone of an ``interest-only`` loan, fewer than its term; 0 for the others.
        curve : array_like of int
            Position of the loan's base rate among the curves; -1 for a fixed rate.

        Returns
        -------
        Loans

        Raises
        ------
        InputError, DomainError
            When shapes differ or a value breaks its rule.
        """
        money = np.atleast_1d(check("balance", balance, NOT_NEGATIVE))
        if money.ndim != 1:
            raise InputError("balance", "must have one value per loan", f"shape {money.shape}")
        size = money.size
        kind = _column("amortisation", np.asarray(amortisation, dtype=np.str_), size)
        _one_of("amortisation", kind, AMORTISATIONS)
        yearly = _column("payments_per_year", numbers("payments_per_year", payments_per_year), size)
        _one_of("payments_per_year", yearly, PAYMENTS_PER_YEAR)
        payments = _whole("term", term, TERM, size)
        base = _whole("curve", curve, CURVE, size)
        alone = _whole("interest_only", interest_only, PAYMENTS, size)
        _only_interest(alone, payments, kind == "interest-only")
        price = _column("rate", check("rate", rate, SIGNED_RATE), size)
        check("rate", price[base < 0], FIXED_RATE)
        return cls(
            money,
            price,
            payments,
            (12 // yearly).astype(np.int32),
            _whole("first", first, FIRST, size),
            # A bullet is a loan that brings interest alone until its last payment.
            np.where(kind == "bullet", payments - 1, alone).astype(np.int32),
            np.asarray(kind == "linear"),
            base,
        )

    def __len__(self) -> int:
        """Count the loans."""
        return int(self.balance.size)

    def part(self, rows: slice | npt.NDArray[np.int64]) -> Loans:
        """Take some of the loans.

        Parameters
        ----------
        rows : slice or ndarray of int

        Returns
        -------
        Loans
        """
        return Loans(*(getattr(self, field.name)[rows] for field in fields(self)))


def flows_by_date(
    loans: Loans,
    date_of_month: npt.ArrayLike,
    dates: int,
    smm: npt.ArrayLike = 0.0,
    age: npt.ArrayLike = 0,
    curves: npt.ArrayLike | None = None,
) -> Flows:
    """Interest and principal that loans pay by payment date, and what is outstanding after it.

    A payment of a loan with n payments left, this one included, repays the share s of its balance:

    ``s = r / ((1 + r)^n - 1)`` (annuity; ``1/n`` if r = 0), ``s = 1/n`` (linear), ``s = 0`` while
    interest alone is due, ``s = 1`` with the last payment,

    r being the rate per period, so that a level payment is set anew whenever the rate changes. With
    b_t the scheduled balance, i_t the scheduled interest, and the survivors ``Q_t = prod (1 - SMM)``,

    ``interest_t = Q_{t-1} i_t``, ``balance_t = Q_t b_t``,
    ``principal_t = Q_{t-1} (b_{t-1} - b_t) + (Q_{t-1} - Q_t) b_t``

    in month t, summed over the months that are paid out on each date.

    Parameters
    ----------
    loans : Loans
    date_of_month : array_like of int, shape (months,)
        Position, from 0, of the first payment date not earlier than the end of each month; `dates` after
        the last one, that cash being lost to the plan. Never falling.
    dates : int
        n, payment dates.
    smm : array_like, optional
        Single monthly mortality by month of life, shape (k,), the first month of life first; the last
        value holds afterwards. With `age` 0 it is by month from closing.
    age : array_like of int, optional
        Months that each loan had lived at closing: shape (m,), or one for all.
    curves : array_like, shape (c, months) or (months,), optional
        Base rates in force in each month, per year. A payment bears the rate of the first month of its
        period (of month 1 where the period began before closing). Base plus margin is at least 0.

    Returns
    -------
    Flows
        Arrays of shape (m, n). The balance is the one after the last month paid out on the date or
        before; where there is none, the balance at closing.

    Raises
    ------
    InputError, DomainError
        When shapes differ, a value breaks its rule, or a floating loan has no curve.

    Notes
    -----
    Loans go through in chunks, so that their months never are in memory all at once. Who prepays between
    two payments pays the interest that has run up since the last one; with monthly payments there is none.
    SIFMA, Standard formulas, section B.1; F. J. Fabozzi, Bond Markets, Analysis, and Strategies.
    """
    positions = _positions(date_of_month, dates)
    months = positions.size
    mortality = np.atleast_1d(check("smm", smm, PROBABILITY))
    if mortality.ndim != 1 or mortality.size == 0:
        raise InputError("smm", "must have one value per month of life", f"shape {mortality.shape}")
    lived = _whole("age", age, AGE, len(loans))
    base = np.zeros((0, months)) if curves is None else np.atleast_2d(check("curves", curves, SIGNED_RATE))
    if base.ndim != 2 or base.shape[1] < months:
        raise InputError(
            "curves", Phrase("must have one value per month ({months})", months=months), f"shape {base.shape}"
        )
    if (loans.curve >= len(base)).any():
        number = int(loans.curve.max())
        raise InputError(
            "curve", Phrase("must be the position of one of {count} curves", count=len(base)), number
        )

    def cash(rows: slice) -> Flows:
        survivors = _survivors(mortality, lived[rows], months)
        return _bucketed(_by_month(loans.part(rows), survivors, base), positions, dates)

    return _in_chunks(cash, len(loans), dates, width=months)


def monthly_flows(
    loans: Loans,
    months: int,
    smm: npt.ArrayLike = 0.0,
    age: npt.ArrayLike = 0,
    curves: npt.ArrayLike | None = None,
) -> Flows:
    """Interest, principal and balance of loans by month: :func:`flows_by_date` with a date every month.

    Parameters
    ----------
    loans, smm, age, curves
        As in :func:`flows_by_date`.
    months : int
        How many, from closing; >= 1.

    Returns
    -------
    Flows
        Shape (m, months), money.

    Raises
    ------
    InputError, DomainError
        When an argument breaks its rule.
    """
    count = int(_whole("months", months, COUNT, 1)[0])
    return flows_by_date(loans, np.arange(count), count, smm, age, curves)


def weighted_average_life(times: npt.ArrayLike, principal: npt.ArrayLike) -> Array:
    """Average time until principal is repaid, ``sum t_k P_k / sum P_k``.

    Parameters
    ----------
    times : array_like, shape (n,)
        Years.
    principal : array_like, shape (n,) or (m, n)
        Paid at each time, money.

    Returns
    -------
    ndarray
        Years, shape () or (m,); NaN where no principal is paid at all.

    Raises
    ------
    InputError, DomainError
        When the shapes differ, or an argument is not finite.
    """
    t, paid = check("times", times, FINITE), check("principal", principal, FINITE)
    if t.ndim != 1 or paid.ndim not in (1, 2) or paid.shape[-1:] != t.shape:
        raise InputError(
            "principal", Phrase("must have one value per time ({count})", count=t.size), f"shape {paid.shape}"
        )
    total = np.asarray(paid.sum(axis=-1))
    life = np.full(total.shape, np.nan)
    return np.asarray(np.divide((paid * t).sum(axis=-1), total, out=life, where=total != 0.0))


def internal_rate(times: npt.ArrayLike, payments: npt.ArrayLike, price: float) -> float:
    """Annual rate at which payments are worth their price: ``sum_k c_k (1 + y)^-t_k = price``.

    Parameters
    ----------
    times : array_like, shape (n,)
        Years from the day of the price, > 0.
    payments : array_like, shape (n,)
        c_k, money, >= 0.
    price : float
        Money, > 0.

    Returns
    -------
    float
        y, compounded once a year, > -1: negative where the payments sum to less than the price. NaN
        where nothing is paid: no rate makes that worth anything.

    Raises
    ------
    InputError, DomainError
        When shapes differ or a value breaks its rule.

    Notes
    -----
    The logarithm of the present value falls in ln(1 + y) and is convex: Newton's method passes the root
    once at most, and then climbs to it.
    """
    t, c = check("times", times, POSITIVE), check("payments", payments, NOT_NEGATIVE)
    if t.ndim != 1 or c.shape != t.shape:
        raise InputError(
            "payments", Phrase("must have one value per time ({count})", count=t.size), f"shape {c.shape}"
        )
    paid = c > 0.0
    if not paid.any():
        return np.nan
    logs, t, rate = np.log(c[paid]) - np.log(check_number("price", price, POSITIVE)), t[paid], 0.0
    for _ in range(_MOST_STEPS):
        worth = logs - rate * t
        excess = float(logsumexp(worth))
        if abs(excess) <= _CLOSE * max(1.0, float(np.abs(rate * t).max())):  # digits that are there
            return float(np.expm1(rate))
        rate += excess / float(softmax(worth) @ t)
    raise ConvergenceError(
        Phrase("no internal rate found for payments of {value}", value=show(c.sum().item()))
    )


# ------------------------------------------------------------------- claims that come as a schedule


def implied_principal(
    amount: npt.ArrayLike, schedule: npt.ArrayLike, times: npt.ArrayLike
) -> tuple[Flows, Array]:
    """Split scheduled collections into interest and principal at each claim's own internal rate.

    The rate solves ``sum_k c_k e^(-y t_k) = amount``; interest on date k is ``B_{k-1} (e^(y (t_k -
    t_{k-1})) - 1)``, the rest of c_k is principal. If the collections sum to no more than the amount
    there is no interest: all of them are principal, and the balance is what is still scheduled.

    Parameters
    ----------
    amount : array_like, shape (m,)
        Outstanding at closing, money, > 0 unless nothing is scheduled.
    schedule : array_like, shape (m, n)
        Collections c_k, money, >= 0.
    times : array_like, shape (n,)
        Years from closing, > 0 and increasing.

    Returns
    -------
    flows : Flows
        Interest and principal of a date sum to its collection. Principal is negative, and the balance
        grows, where a collection does not cover the interest; the balance is never negative.
    rate : ndarray, shape (m,)
        y, continuously compounded per year, >= 0. The principal sums to the amount within 1e-12 of the
        sum of the collections; a rate that does not do so is never returned.

    Raises
    ------
    InputError, DomainError
        When shapes differ or a value breaks its rule.
    ConvergenceError
        When no rate reprices a row.

    Notes
    -----
    ``ln sum c_k e^(-y t_k)`` falls in y and is convex, so that Newton's method from y = 0 climbs to the
    root and never passes it. Balances are the present values of what is still to come, from the last
    date backwards, which keeps their digits at any rate.
    """
    a = np.atleast_1d(check("amount", amount, NOT_NEGATIVE))
    c, t = check("schedule", schedule, NOT_NEGATIVE), check("times", times, POSITIVE)
    if c.ndim != 2 or t.shape != c.shape[1:] or t.size == 0:
        raise InputError(
            "schedule", Phrase("must have one column per date ({count})", count=t.size), f"shape {c.shape}"
        )
    if a.shape != c.shape[:1]:
        raise InputError(
            "amount", Phrase("must have one value per claim ({count})", count=len(c)), f"shape {a.shape}"
        )
    steps = np.diff(t, prepend=0.0)
    if not (steps > 0.0).all():
        raise DomainError("times", "must be > 0 and increasing", t[int(np.argmin(steps > 0.0))].item())
    total = c.sum(axis=1)
    if ((a == 0.0) & (total > 0.0)).any():
        raise DomainError("amount", "must be > 0 where collections are scheduled", 0.0)
    rate = np.zeros(a.size)

    def cash(rows: slice) -> Flows:
        earning = np.flatnonzero(total[rows] > a[rows]) + rows.start
        rate[earning] = _internal_rate(c[earning], a[earning], t)
        return _split(c[rows], rate[rows], steps)

    return _in_chunks(cash, a.size, t.size, width=t.size), rate


class Revolved(NamedTuple):
    """Claims of a pool that revolves.

    Attributes
    ----------
    flows : Flows
        Of shape (m, n): interest, principal that is left after the purchases (0 on the dates up to the
        last one on which claims are bought), and the balance, which stays at that of closing up to it.
    purchases : ndarray, shape (m, n)
        V by date, money: principal collected less principal distributed.
    bought : ndarray, shape (3, n, n)
        What all claims bought on date s (last axis) pay on date k, their balance after it, and how much of
        the payment is interest, money.
    """

    flows: Flows
    purchases: Array
    bought: Array


def revolved(
    interest: npt.ArrayLike,
    principal: npt.ArrayLike,
    balance: npt.ArrayLike,
    until: int,
    paid_at: npt.ArrayLike | None = None,
    dates: npt.ArrayLike | None = None,
) -> Revolved:
    """Let the principal collected up to a date buy claims like each row's own, instead of paying it out.

    A claim bought on date s pays, per unit of what was paid for it, what the row has paid per unit of its
    balance at closing after the same time. With V_0 the balance at closing (t_0 = 0), V_s the purchases on
    date s, and F(t) a flow per unit accumulated up to a time t after closing,

    ``X_k = sum_{s < k} V_s (F(t_k - t_s) - F(t_{k-1} - t_s))``,
    ``V_k = principal collected on date k`` up to `until`, then 0.

    Between two times of `paid_at` F is linear.

    Parameters
    ----------
    interest, principal, balance : array_like, shape (m, p)
        As in :class:`Flows`, of the row alone. The balance at closing is the first balance and the first
        principal together. Where principal is negative, nothing is bought.
    until : int
        Position of the last date on which principal is reinvested; -1 for none.
    paid_at : array_like, shape (p,), optional
        Months from closing to each column, > 0 and increasing; 1, 2, ... p when left out.
    dates : array_like, shape (n,), optional
        t, months from closing to each payment date, >= 0 and never falling; `paid_at` when left out.

    Returns
    -------
    Revolved

    Raises
    ------
    InputError, DomainError
        When shapes differ or a value breaks its rule.
    """
    i, p = check("interest", interest, FINITE), check("principal", principal, FINITE)
    b = check("balance", balance, NOT_NEGATIVE)
    if b.ndim != 2 or b.shape[1] == 0 or not i.shape == p.shape == b.shape:
        raise InputError(
            "balance", "must have the shape of interest and principal", f"{i.shape}, {p.shape}, {b.shape}"
        )
    at = check("paid_at", np.arange(1.0, b.shape[1] + 1.0) if paid_at is None else paid_at, POSITIVE)
    if at.shape != b.shape[1:]:
        raise InputError(
            "paid_at", Phrase("must have one value per time ({count})", count=b.shape[1]), f"shape {at.shape}"
        )
    if (fallen := np.diff(at) <= 0.0).any():
        raise DomainError("paid_at", "must be > 0 and increasing", at[1:][fallen][0].item())
    t = check("dates", at if dates is None else dates, NOT_NEGATIVE)
    if t.ndim != 1 or t.size == 0:
        raise InputError("dates", "must have one value per payment date", f"shape {t.shape}")
    if (fallen := np.diff(t) < 0.0).any():
        raise DomainError("dates", "must never fall", t[1:][fallen][0].item())
    n = t.size
    rule = Rule(
        Phrase("must be a whole number between -1 and {last} (position of a date)", last=n - 1), -1.0, n - 1.0
    )
    last = int(_whole("until", until, rule, 1)[0])
    spans, which = _lives(at, t, last)
    purchases, bought = np.empty((len(b), n)), np.zeros((3, n, n))

    def cash(rows: slice) -> Flows:
        unit = _per_unit(Flows(i[rows], p[rows], b[rows]), spans)
        closing = b[rows, :1] + p[rows, :1]
        flows, purchases[rows] = _reinvested(unit, closing, which, last, bought)
        return flows

    return Revolved(_in_chunks(cash, len(b), n, width=max(b.shape[1], len(spans))), purchases, bought)


# ---------------------------------------------------------------------------------------- the work


def _in_chunks(cash: Callable[[slice], Flows], m: int, n: int, width: int) -> Flows:
    """Collect (m, n) flows from a function of some rows, whose temporaries are `width` wide."""
    found = Flows(np.empty((m, n)), np.empty((m, n)), np.empty((m, n)))
    size = max(_CHUNK // width, 1)
    for start in range(0, m, size):
        rows = slice(start, min(start + size, m))
        for column, values in zip(found, cash(rows), strict=True):
            column[rows] = values
    return found


def _survivors(smm: Array, age: Integers, months: int) -> Array:
    """Share of each loan that has not prepaid by the end of each month."""
    life = np.minimum(age[:, None] + np.arange(months), smm.size - 1)
    return np.asarray(np.cumprod(1.0 - smm[life], axis=1))


def _by_month(loans: Loans, survivors: Array, curves: Array) -> Flows:
    """Flows of a chunk of loans, shape (m, months) like their survivors."""
    month = np.arange(1, survivors.shape[1] + 1, dtype=np.int32)
    since_first, interval = month - loans.first[:, None], loans.interval[:, None]
    number, since_last = np.divmod(since_first, interval)
    due = (since_last == 0) & (number >= 0)
    accrued = np.where(since_last == 0, interval, since_last)  # months of interest that have run up
    accrued[since_first <= -interval] = 0  # interest starts one period before the first payment
    rate = _rates(loans, curves, month, accrued)

    left = np.maximum(loans.term[:, None] - number, 1)  # payments left, this one included
    share = _repaid(np.where(loans.linear[:, None], 0.0, rate * interval / 12.0), left)
    share *= due & (number >= loans.grace[:, None])
    scheduled = loans.balance[:, None] * np.cumprod(1.0 - share, axis=1)
    alive = _before(survivors, 1.0)
    # Those who prepay in a month without payment settle what has run up.
    paying = np.where(due, alive, alive - survivors)
    interest = paying * _before(scheduled, loans.balance[:, None]) * (rate * accrued / 12.0)
    balance = survivors * scheduled
    return Flows(interest, _before(balance, loans.balance[:, None]) - balance, balance)


def _bucketed(flows: Flows, positions: Integers, dates: int) -> Flows:
    """Sum monthly flows by payment date."""
    kept = int(np.searchsorted(positions, dates))
    used, starts = np.unique(positions[:kept], return_index=True)
    interest, principal = np.zeros((2, len(flows.balance), dates))
    if kept:
        interest[:, used] = np.add.reduceat(flows.interest[:, :kept], starts, axis=1)
        principal[:, used] = np.add.reduceat(flows.principal[:, :kept], starts, axis=1)
    at_closing = flows.balance[:, :1] + flows.principal[:, :1]
    months = np.searchsorted(positions, np.arange(dates), side="right")  # paid out up to each date
    balance = np.where(months > 0, flows.balance[:, np.maximum(months - 1, 0)], at_closing)
    return Flows(interest, principal, balance)


def _rates(loans: Loans, curves: Array, month: Integers, accrued: Integers) -> Array:
    """Yearly rate of the running period, (m, 1) if all are fixed, else (m, months)."""
    fixed = loans.curve[:, None] < 0
    margin = loans.rate[:, None]
    if fixed.all():
        return margin
    set_in = np.maximum(month - np.maximum(accrued, 1), 0)  # column of the period's first month
    base = curves[np.maximum(loans.curve, 0)[:, None], set_in]
    return np.where(fixed, margin, np.maximum(margin + base, 0.0))


def _repaid(rate: Array, left: Integers) -> Array:
    """Share of the balance that the first of `left` level payments repays; `rate` per period."""
    with np.errstate(over="ignore"):
        growth = np.expm1(left * np.log1p(rate))
    share = np.divide(rate, growth, out=1.0 / left, where=growth > 0.0)
    share[left == 1] = 1.0  # to the last bit: nothing may be left
    return share


def _internal_rate(schedule: Array, amount: Array, times: Array) -> Array:
    """y with ``sum c_k e^(-y t_k) = amount`` in each row, whose sum exceeds the amount."""
    rate = np.zeros(amount.size)
    with np.errstate(over="ignore", invalid="ignore"):
        share = schedule / amount[:, None]
        for _ in range(_MOST_STEPS):
            worth = share * np.exp(-rate[:, None] * times)
            value = worth.sum(axis=1)
            excess = np.log(value)
            # A row that has arrived stays, so that it does not depend on its neighbours.
            moving = ~(np.abs(excess) <= _CLOSE)
            if not moving.any():
                return rate
            rate = np.where(moving, rate + excess * value / (worth * times).sum(axis=1), rate)
    worst = int(np.argmax(moving))
    raise ConvergenceError(
        Phrase(
            "no internal rate found for a claim of {amount} that is to collect {total}",
            amount=show(amount[worst].item()),
            total=show(schedule[worst].sum().item()),
        )
    )


def _split(schedule: Array, rate: Array, steps: Array) -> Flows:
    """Flows of a schedule at a given rate, from the last date backwards."""
    discount = -np.expm1(-rate[:, None] * steps)
    interest, balance = np.empty(schedule.shape), np.empty(schedule.shape)
    still = np.zeros(len(schedule))
    for k in range(schedule.shape[1] - 1, -1, -1):
        balance[:, k] = still
        still = still + schedule[:, k]
        interest[:, k] = still * discount[:, k]
        still -= interest[:, k]
    return Flows(interest, schedule - interest, balance)


def _lives(paid_at: Array, dates: Array, until: int) -> tuple[Array, npt.NDArray[np.int64]]:
    """Spans of life of a claim that fall between two dates, each once.

    Returns the spans, shape (u, 2), from and to in columns of the row's own flows, and the one of each
    date (first axis) and each cohort: that of closing, then those bought on each date.
    """
    t = np.concatenate([[0.0], dates])
    k, s = np.tril_indices(dates.size)
    k, s = k[s <= until + 1], s[s <= until + 1]
    ages = np.column_stack([t[k] - t[s], t[k + 1] - t[s]])
    # Times are differences: what differs by rounding alone is the same.
    _, kept, inverse = np.unique(np.round(ages, 9), axis=0, return_index=True, return_inverse=True)
    which = np.zeros((dates.size, until + 2), np.int64)
    which[k, s] = inverse.reshape(-1)
    spans = np.interp(ages[kept], np.concatenate([[0.0], paid_at]), np.arange(paid_at.size + 1.0))
    return np.where(np.abs(spans - np.rint(spans)) < 1e-9, np.rint(spans), spans), which


def _per_unit(own: Flows, spans: Array) -> Flows:
    """Flows of a chunk of rows within each span of life, and balance at its end, per unit at closing."""
    closing = own.balance[:, :1] + own.principal[:, :1]
    balance = np.concatenate([closing, own.balance], axis=1)
    found = Flows(*np.empty((3, len(closing), len(spans))))
    for u, (start, end) in enumerate(spans.tolist()):
        columns = slice(int(start), math.ceil(end))
        column = np.arange(columns.start, columns.stop)
        share = np.clip(np.minimum(end, column + 1.0) - np.maximum(start, column), 0.0, 1.0)
        found.interest[:, u] = (own.interest[:, columns] * share).sum(axis=1)
        found.principal[:, u] = (own.principal[:, columns] * share).sum(axis=1)
        before, part = int(end), end % 1.0
        found.balance[:, u] = balance[:, before]
        if part > 0.0:
            found.balance[:, u] += part * (balance[:, before + 1] - balance[:, before])
    for x in found:
        np.divide(x, closing, out=x, where=closing > 0.0)
    return found


def _reinvested(
    unit: Flows, closing: Array, which: npt.NDArray[np.int64], until: int, sums: Array
) -> tuple[Flows, Array]:
    """Flows with reinvestment, and purchases, of a chunk of rows; `sums` by date of purchase grow."""
    m, n = len(closing), len(which)
    bought = np.zeros((m, n + 1))  # at closing, then on each date
    bought[:, :1] = closing
    interest, principal, balance = np.empty((3, m, n))
    for k in range(n):
        cohorts = min(k, until + 1) + 1
        lives = [bought[:, :cohorts] * x[:, which[k, :cohorts]] for x in unit]
        interest[:, k], principal[:, k], balance[:, k] = (x.sum(axis=1) for x in lives)
        sums[0, k, : cohorts - 1] += (lives[0] + lives[1])[:, 1:].sum(axis=0)
        sums[1, k, : cohorts - 1] += lives[2][:, 1:].sum(axis=0)
        sums[2, k, : cohorts - 1] += lives[0][:, 1:].sum(axis=0)
        if k <= until:
            bought[:, k + 1] = np.maximum(principal[:, k], 0.0)
            principal[:, k] -= bought[:, k + 1]
            balance[:, k] += bought[:, k + 1]
            sums[1, k, k] += bought[:, k + 1].sum()
    return Flows(interest, principal, balance), bought[:, 1:]


def _before(x: Array, start: npt.ArrayLike) -> Array:
    """Values one month earlier, `start` in the first month."""
    earlier = np.empty(x.shape)
    earlier[:, :1] = start
    earlier[:, 1:] = x[:, :-1]
    return earlier


# -------------------------------------------------------------------------------------- the rules


def _column(name: str, x: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    """One value per loan, of one each or one for all."""
    if x.ndim and x.shape != (size,):
        raise InputError(name, Phrase("must have one value per loan ({size})", size=size), f"shape {x.shape}")
    return np.broadcast_to(x, (size,))


def _whole(name: str, value: npt.ArrayLike, rule: Rule, size: int) -> Integers:
    """Whole numbers that obey a rule, one per loan."""
    x = _column(name, check(name, value, rule), size)
    broken = x != np.rint(x)
    if broken.any():
        raise DomainError(name, rule.text, x[broken][0].item())
    return x.astype(np.int32)


def _one_of(name: str, x: npt.NDArray[np.generic], options: tuple[str, ...] | tuple[int, ...]) -> None:
    unknown = ~np.isin(x, options)
    if unknown.any():
        raise InputError(
            name,
            Phrase("must be one of {options}", options=", ".join(map(str, options))),
            x[unknown][0].item(),
        )


def _only_interest(payments: Integers, term: Integers, allowed: npt.NDArray[np.bool_]) -> None:
    for broken, rule in (
        (~allowed & (payments > 0), "must be 0 unless the amortisation is interest-only"),
        (payments >= term, "must be below the term"),
    ):
        if broken.any():
            raise DomainError("interest_only", rule, int(payments[broken][0]))


def _positions(date_of_month: npt.ArrayLike, dates: int | None = None) -> Integers:
    """Position of the payment date of each month, never falling."""
    most = int(_whole("dates", COUNT.high if dates is None else dates, COUNT, 1)[0])
    name, x = "date_of_month", np.atleast_1d(numbers("date_of_month", date_of_month))
    if x.ndim != 1 or x.size == 0:
        raise InputError(name, "must have one value per month", f"shape {x.shape}")
    rule = Rule(
        Phrase("must be a whole number between 0 and {most} (position of a date)", most=most), 0.0, most
    )
    positions = _whole(name, x, rule, x.size)
    falls = np.diff(positions) < 0
    if falls.any():
        raise DomainError(name, "must never fall", int(positions[1:][falls][0]))
    return positions
