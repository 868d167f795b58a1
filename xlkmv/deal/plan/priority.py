"""The priority of payments as data: a list of steps, built from the terms, run over all paths at once.

A :class:`Step` is a sentence and a function that moves money in a :class:`Ledger`, the state
of one payment date. :func:`priority` writes the list for a plan; a new term adds or changes a
step. The interpreter is the loop ``for step in steps: step.act(ledger, step.rows)``. What comes before all
payments of a date, the clean-up call, and what becomes of the cash that is left after them is the
waterfall's (:func:`~xlkmv.deal.plan.waterfall.payments`): their steps are sentences alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from xlkmv.model.domain import Array
from xlkmv.phrase import LIST, ORDER, Phrase, joined

if TYPE_CHECKING:
    from xlkmv.deal.plan.stressed import Stressed

__all__ = ["Ledger", "Step", "priority"]

Flags = npt.NDArray[np.bool_]


@dataclass(slots=True, eq=False)
class Ledger:
    """Money and claims on one payment date, over p paths; the steps change it in place.

    Attributes
    ----------
    plan : Stressed
    protected : slice
        Rows of the senior classes, which reserve and undertaking protect.
    last : bool
        Whether this is the last date.
    income, capital : ndarray, shape (p,)
        Cash of the income and of the principal account; one and the same array where the plan
        has one account.
    trap, turbo, ordered : ndarray of bool, shape (p,)
        Triggers that are on; `ordered`: principal goes in order of rank even if it is pro rata.
    balance : ndarray, shape (k, p)
        Principal outstanding before the date.
    rounding : ndarray, shape (k, 1)
        What is no more than this is paid.
    fees_due, fees : ndarray, shape (p,)
    interest_due, interest, principal_due, wanted, principal : ndarray, shape (k, p)
        Due and paid so far; `wanted` is the principal that the plan tries to pay, more than
        what is due under a turbo and in pass-through classes.
    reserve, target : ndarray, shape (p,)
        Reserve account and its size; the size may be one number.
    alive : ndarray of bool, shape (p,), or None
        Whether the payer of the undertaking can pay; None: always.
    purse : ndarray, shape (p,), or None
        What the undertaking may still pay; None: without limit.
    reserve_drawn, reserve_topped, reserve_released, support_drawn, trapped : ndarray, shape (p,)
    trapped_principal : ndarray, shape (p,)
        Part of what is trapped that comes from the principal account, of two.
    held : ndarray of bool, shape (p,)
        Whether a senior class is still outstanding after the senior classes were paid.
    """

    plan: Stressed
    protected: slice
    last: bool
    income: Array
    capital: Array
    trap: Flags
    turbo: Flags
    ordered: Flags
    balance: Array
    rounding: Array
    fees_due: Array
    interest_due: Array
    principal_due: Array
    wanted: Array
    interest: Array
    principal: Array
    fees: Array
    reserve: Array
    target: Array | float
    alive: Flags | None
    purse: Array | None
    reserve_drawn: Array
    reserve_topped: Array
    reserve_released: Array
    support_drawn: Array
    trapped: Array
    trapped_principal: Array
    held: Flags

    @property
    def one_account(self) -> bool:
        """Whether interest and principal come into one account."""
        return self.capital is self.income


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what it does in words ("": nothing that shows), the function that does it, its classes.

    Without a function it is done before or after the steps of a date.
    """

    text: str
    act: Callable[[Ledger, slice], None] | None = None
    rows: slice = field(default_factory=lambda: slice(None))


def priority(plan: Stressed) -> tuple[Step, ...]:
    """Write the priority of payments of a plan.

    Parameters
    ----------
    plan : Stressed

    Returns
    -------
    tuple of Step
        In order; each moves money in the ledger of a date.
    """
    deal, terms = plan.deal, plan.deal.terms
    ranks = rank_rows(plan.dues.ranks)
    protected = int(plan.senior.sum())
    # Without subordination there is one rank, which the senior classes share with the others.
    seniors = [r for r in ranks if r.start < protected]
    others = [r for r in ranks if r.start >= protected]
    shared = terms.principal == "pro rata" and len(ranks) > 1
    two = terms.accounts == "two"
    money = (Phrase("income"), Phrase("principal")) if two else (Phrase("cash"), Phrase("cash"))

    triggers = {c.consequence for c in deal.covenants if deal.controls.triggers} - {"none"}
    unless = Phrase(", unless a trap or turbo is on") if triggers & {"trap", "turbo"} else ""

    def named(rows: slice) -> str:
        names = [t.name for t in deal.tranches[rows]]
        return joined(names, LIST) if names else ""

    def interest(rows: slice) -> Step:
        text = Phrase("Interest of {who}, from {money}.", who=named(rows), money=money[0])
        return Step(text, pay_interest, rows)

    def principal(rows: slice) -> Step:
        text = Phrase("Principal of {who}, from {money}.", who=named(rows), money=money[1])
        return Step(text, pay_principal, rows)

    order = joined([*dict.fromkeys(money)], ORDER)
    steps = []
    if terms.cleanup > 0.0:
        text = Phrase(
            "Clean-up call at {share:.4g} % of the pool: its balance comes in as {money} if that repays all.",
            share=100.0 * terms.cleanup,
            money=money[1],
        )
        steps.append(Step(text))
    steps += [Step(Phrase("Senior fees, from {money}.", money=order), pay_fees)]
    early = terms.interest_leads
    if early:
        steps += [interest(r) for r in seniors]
        if two:
            steps += [
                Step(
                    Phrase("Interest of {who} that is still missing, from principal.", who=named(r)), lend, r
                )
                for r in seniors
            ]
        for r in others:
            text = Phrase(
                "Interest of {who}, from {money}{unless}.", who=named(r), money=money[0], unless=unless
            )
            steps.append(Step(text, pay_interest_early, r))
        if deal.controls.reserve:
            steps.append(Step(Phrase("The reserve up to its size, from {money}.", money=money[0]), top_up))
        if two:
            aim = slice(0, seniors[-1].stop)
            text = Phrase("Income makes good what principal lacks for {who}.", who=named(aim))
            steps.append(Step(text, make_good, aim))
            if others:
                text = Phrase(
                    "Income makes good what principal lacks for all classes{unless}.", unless=unless
                )
                steps.append(Step(text, make_good_early))
        if shared:
            trigger = Phrase(", unless a trigger is on") if triggers else ""
            text = Phrase("Principal of all classes, in proportion{unless}.", unless=trigger)
            steps.append(Step(text, share_principal))
        steps += [principal(r) for r in seniors]
    else:
        steps += itertools.chain.from_iterable((interest(r), principal(r)) for r in seniors)
    whom = named(slice(0, protected))
    sources = [
        s
        for s, on in (
            (Phrase("the reserve"), deal.controls.reserve),
            (Phrase("the undertaking"), deal.controls.support),
        )
        if on
    ]
    if sources:
        text = Phrase(
            "What fees and {who} still miss, from {sources}.", who=whom, sources=joined(sources, ORDER)
        )
        steps.append(Step(text, draw, slice(0, protected)))
    filled = Phrase("The reserve up to its size; what is above, and all of it after {who}, back.", who=whom)
    steps.append(Step(filled if deal.controls.reserve else "", fill_reserve))
    if deal.controls.reserve and deal.controls.reserve_unit == "of pool":
        # A reserve that shrinks with the pool gives back while senior classes want principal.
        aim = slice(0, seniors[-1].stop)
        if two:
            text = Phrase("Income makes good what principal still lacks for {who}.", who=named(aim))
            steps.append(Step(text, make_good, aim))
        for r in seniors:
            text = Phrase(
                "Principal of {who} that is still wanted, from {money}.", who=named(r), money=money[1]
            )
            steps.append(Step(text, pay_principal, r))
        steps.append(Step("", fill_reserve))  # all of it is given back where that has repaid them
    owed = Phrase("{who} are outstanding", who=whom)
    if protected == 1:
        owed = Phrase("{who} is outstanding", who=whom)
    trapped = Phrase("Under a trap all that is left stays in the plan while {owed}.", owed=owed)
    if others and "trap" in triggers:
        steps.append(Step(trapped, trap_cash))

    def again(rows: slice) -> Step:
        """Interest of a later rank where it did not come before principal; else nothing is left to say."""
        if not early:
            return interest(rows)
        if not unless:
            return Step("", pay_missing_interest, rows)
        text = Phrase(
            "Interest of {who} that is still missing, from {money}.", who=named(rows), money=money[0]
        )
        return Step(text, pay_missing_interest, rows)

    if two and others:
        aim = slice(others[0].start, others[-1].stop)
        steps += [again(r) for r in others]
        text = Phrase("Income makes good what principal lacks for {who}.", who=named(aim))
        steps.append(Step(text, make_good, aim))
        steps += [principal(r) for r in others]
        for r in others:
            text = Phrase(
                "Interest of {who} that is still missing, from principal that is left.", who=named(r)
            )
            steps.append(Step(text, lend, r))
    else:
        steps += itertools.chain.from_iterable((again(r), principal(r)) for r in others)
    if not others and "trap" in triggers:
        steps.append(Step(trapped))
    if not deal.passes_through.all():
        text = Phrase("What is left stays in the account while a class with a schedule is outstanding.")
        if not deal.controls.excess_coverage:
            text = Phrase(
                "Of what is left, what later dates need by plan stays in the account while a class with a "
                "schedule is outstanding."
            )
        steps.append(Step(text))
    steps.append(Step(Phrase("What is left then goes to the holder of the residual.")))
    return tuple(steps)


def rank_rows(ranks: Array) -> list[slice]:
    """Rows of each rank; classes come ordered by rank, so that they are slices."""
    edges = [0, *(np.flatnonzero(np.diff(ranks)) + 1).tolist(), ranks.size]
    return [slice(a, b) for a, b in itertools.pairwise(edges)]


# ------------------------------------------------------------------------------------- the steps


def pay(cash: Array, due: Array, paid: Array) -> None:
    """Pay what is due from the cash, pari passu over the rows; add to `paid`, reduce the cash."""
    if len(due) == 1:
        _pay_one(cash, due[0].copy(), paid[0])
        return
    total = due.sum(axis=0)
    short = total > cash
    if not short.any():
        paid += due
        cash -= total
        return
    share = np.divide(cash, total, out=np.ones_like(total), where=short)
    paid += due * share
    cash -= total
    np.copyto(cash, 0.0, where=short)  # to the last digit


def _pay_one(cash: Array, due: Array, paid: Array) -> None:
    """Pay one class what is due, which is written over."""
    given = np.minimum(due, cash, out=due)
    paid += given
    cash -= given


def above(x: Array | float, y: Array) -> Array:
    """How far x is above y, ``max(x - y, 0)``."""
    out: Array = np.subtract(x, y)
    # Several times as fast against a row of zeros as against one number.
    return np.maximum(out, np.zeros(out.shape[-1]), out=out)


def without(x: Array, where: Flags) -> Array:
    """The same money, but none where the flag is up; few flags are, and then `numpy.where` is slower."""
    out = x.copy()
    np.copyto(out, 0.0, where=where)
    return out


def _pay_left(cash: Array, due: Array, paid: Array) -> None:
    """Pay what an earlier step left, if it left any."""
    if len(due) > 1:
        if (due > paid).any():
            pay(cash, above(due, paid), paid)
        return
    left = due[0] - paid[0]
    if (left > 0.0).any():
        _pay_one(cash, np.maximum(left, np.zeros(left.size), out=left), paid[0])


def pay_fees(led: Ledger, rows: slice) -> None:
    """Pay fees from income, then from principal."""
    for cash in (led.income,) if led.one_account else (led.income, led.capital):
        given = np.minimum(led.fees_due - led.fees, cash)
        led.fees = led.fees + given
        cash -= given


def pay_interest(led: Ledger, rows: slice) -> None:
    """Pay interest from income; nothing of it is paid yet."""
    pay(led.income, led.interest_due[rows], led.interest[rows])


def pay_missing_interest(led: Ledger, rows: slice) -> None:
    """Pay interest from income where an earlier step left some."""
    _pay_left(led.income, led.interest_due[rows], led.interest[rows])


def pay_interest_early(led: Ledger, rows: slice) -> None:
    """Pay interest of a later rank before principal of an earlier one, where no trap or turbo is on."""
    pay(led.income, without(led.interest_due[rows], led.trap | led.turbo), led.interest[rows])


def lend(led: Ledger, rows: slice) -> None:
    """Pay interest that income did not cover from principal."""
    _pay_left(led.capital, led.interest_due[rows], led.interest[rows])


def make_good(led: Ledger, rows: slice) -> None:
    """Move income to the principal account, as far as that falls short of the principal wanted."""
    _move(led, led.income, rows)


def make_good_early(led: Ledger, rows: slice) -> None:
    """Move income to the principal account for later ranks too, where no trap or turbo is on."""
    _move(led, without(led.income, led.trap | led.turbo), rows)


def _move(led: Ledger, cash: Array, rows: slice) -> None:
    missing = above(led.wanted[rows], led.principal[rows]).sum(axis=0)
    moved = np.minimum(above(missing, led.capital), cash)
    led.capital += moved
    led.income -= moved


def share_principal(led: Ledger, rows: slice) -> None:
    """Pay principal of all classes in proportion to what is wanted, where no trigger is on."""
    pay(led.capital, without(led.wanted, led.trap | led.turbo | led.ordered), led.principal)


def pay_principal(led: Ledger, rows: slice) -> None:
    """Pay the principal that is wanted from the principal account."""
    _pay_left(led.capital, led.wanted[rows], led.principal[rows])


def draw(led: Ledger, rows: slice) -> None:
    """Pay what fees and senior classes still miss from the reserve, then from the undertaking."""
    support = led.plan.deal.controls.support
    missing = (led.interest_due[rows] > led.interest[rows]) | (led.principal_due[rows] > led.principal[rows])
    # Nobody helps with the fees of a plan whose senior classes are repaid.
    open_ = (led.balance[rows] > 0.0).any(axis=0)
    needy = np.flatnonzero(missing.any(axis=0) | ((led.fees_due > led.fees) & open_))
    if not needy.size:
        return
    ranks = rank_rows(led.plan.dues.ranks[rows])
    accounts: list[tuple[Array, Array]] = [(led.fees_due[None], led.fees[None])]
    accounts += [(led.interest_due[rank], led.interest[rank]) for rank in ranks]
    accounts += [(led.principal_due[rank], led.principal[rank]) for rank in ranks]
    due, paid = ([account[side][:, needy] for account in accounts] for side in (0, 1))
    left = led.reserve[needy]
    led.reserve_drawn = _spread(needy, _drawn(left, due, paid), led.reserve.size)
    led.reserve[needy] = left
    if support:
        purse = np.full(needy.size, np.inf) if led.purse is None else led.purse[needy]
        if led.alive is not None:
            purse = np.where(led.alive[needy], purse, 0.0)
        got = _drawn(purse, due, paid)
        led.support_drawn = _spread(needy, got, led.reserve.size)
        if led.purse is not None:
            led.purse[needy] -= got
    for (_, each), got in zip(accounts, paid, strict=True):
        each[:, needy] = got


def _spread(at: npt.NDArray[np.int64], values: Array, size: int) -> Array:
    out = np.zeros(size)
    out[at] = values
    return out


def _drawn(source: Array, due: list[Array], paid: list[Array]) -> Array:
    """Pay from `source` what is still missing, rank by rank, pari passu; return what was drawn."""
    drawn = np.zeros_like(source)
    for owed, got in zip(due, paid, strict=True):
        missing = above(owed, got)
        total = missing.sum(axis=0)
        extra = np.minimum(total, source)
        if len(got) == 1:
            got += extra
        else:
            got += missing * np.divide(extra, total, out=np.zeros_like(total), where=total > 0.0)
        source -= extra
        drawn += extra
    return drawn


def top_up(led: Ledger, rows: slice) -> None:
    """Fill the reserve from income before principal is paid, while a senior class is outstanding."""
    if led.last:
        return
    mine = led.protected
    repaid = ~(led.balance[mine] > led.rounding[mine]).any(axis=0)
    topped = np.minimum(above(led.target, led.reserve), led.income)
    np.putmask(topped, repaid, 0.0)
    led.reserve = led.reserve + topped
    led.income -= topped
    led.reserve_topped = led.reserve_topped + topped


def fill_reserve(led: Ledger, rows: slice) -> None:
    """Fill the reserve from income, or release what is not needed; note who is still outstanding."""
    mine = led.protected
    owed = led.balance[mine] - led.principal[mine] + (led.interest_due[mine] - led.interest[mine])
    if not led.last:
        led.held = np.asarray((owed > led.rounding[mine]).any(axis=0))
    target = led.target
    if not isinstance(target, np.ndarray):
        if target == 0.0:
            return
        released = without(led.reserve, led.held)
        topped = np.minimum(target - led.reserve, led.income)
    else:
        released = above(led.reserve, target)
        np.putmask(released, ~led.held, led.reserve)
        topped = np.minimum(above(target, led.reserve), led.income)
    np.putmask(topped, ~led.held, 0.0)
    led.reserve = led.reserve + (topped - released)
    led.income += released - topped
    led.reserve_released = led.reserve_released + released
    led.reserve_topped = led.reserve_topped + topped


def trap_cash(led: Ledger, rows: slice) -> None:
    """Keep all cash in the plan where a trap is on and a senior class is outstanding."""
    if not led.trap.any():
        return
    caught = led.trap & led.held
    for cash in (led.income,) if led.one_account else (led.income, led.capital):
        taken = np.where(caught, cash, 0.0)
        led.trapped = led.trapped + taken
        if cash is not led.income:
            led.trapped_principal = taken
        cash -= taken
