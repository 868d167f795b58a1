"""Structures that a deal could have: its classes, reserve, coupons and payer in other sizes.

The candidates of each question stand in order, the safest first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from xlkmv.deal.stress import BASE, apply
from xlkmv.deal.terms import Deal, Tranche
from xlkmv.kinds import altered
from xlkmv.model.domain import Array
from xlkmv.phrase import Phrase, joined

__all__ = [
    "Question",
    "coupon_question",
    "moved",
    "notes_question",
    "recovery_question",
    "reserve_question",
    "reserved",
    "resized",
    "size_question",
    "support_question",
    "with_sizes",
]

# Candidates of a question.
STEPS = 10_000
# PDs of a payer: closer ones cannot be told apart.
PAYERS = np.geomspace(1e-6, 0.9999, 2_000)
# A class of a smaller share of the notes is gone.
NOTHING = 1e-12


def resized(deal: Deal, name: str, amount: float) -> Deal:
    """Give a class another size.

    Notes in all stay: what the class gains is taken from the classes that rank below it, the most
    junior one first, down to nothing; what it loses goes to the most junior one. Once nothing is left
    below, or where no class ranks below, all notes change.

    Parameters
    ----------
    deal : Deal
    name : str
        Of the class.
    amount : float
        Its principal at closing, money.

    Returns
    -------
    Deal
        Without the classes of which nothing is left.
    """
    return with_sizes(deal, moved(deal, {t.name: t.amount for t in deal.tranches}, name, amount))


def moved(deal: Deal, sizes: Mapping[str, float], name: str, amount: float) -> dict[str, float]:
    """Sizes of all classes once one has another.

    Parameters
    ----------
    deal : Deal
    sizes : mapping of str to float
        Class -> money, of all classes; 0: nothing is left.
    name : str
    amount : float
        New size of the class, money.

    Returns
    -------
    dict
    """
    out = dict(sizes)
    gain, out[name] = amount - out[name], amount
    for junior in reversed(_below(deal, name)):
        taken = min(gain, out[junior])
        out[junior], gain = out[junior] - taken, gain - taken
        if gain <= 0.0:
            break
    return out


def _below(deal: Deal, name: str) -> list[str]:
    """Classes that rank below one, the most junior one last."""
    rank = next(t.rank for t in deal.tranches if t.name == name)
    return [t.name for t in deal.tranches if t.rank > rank]


def with_sizes(deal: Deal, sizes: Mapping[str, float]) -> Deal:
    """Give all classes other sizes; schedules of principal grow and shrink with them.

    Parameters
    ----------
    deal : Deal
    sizes : mapping of str to float
        As in :func:`moved`.

    Returns
    -------
    Deal
        Without the classes of which nothing is left.
    """
    least = NOTHING * sum(sizes.values())
    tranches = tuple(_sized(t, sizes[t.name]) for t in deal.tranches if sizes[t.name] > least)
    terms = deal.terms
    if terms.headline and terms.headline not in {t.name for t in tranches}:
        terms = replace(terms, headline="")
    return replace(deal, tranches=tranches, terms=terms)


def _sized(tranche: Tranche, amount: float) -> Tranche:
    if amount == tranche.amount:
        return tranche
    share = amount / tranche.amount
    return replace(tranche, amount=amount, schedule=tuple(share * x for x in tranche.schedule))


def reserved(deal: Deal, share: float | None, notes: float) -> Deal:
    """Give a deal a reserve of cash at closing.

    Parameters
    ----------
    deal : Deal
    share : float or None
        Of `notes`; None: the reserve as the deal has it.
    notes : float
        Money.

    Returns
    -------
    Deal
    """
    if share is None:
        return deal
    controls = replace(
        deal.controls,
        reserve=share > 0.0,
        reserve_unit="money",
        reserve_size=share * notes,
        reserve_funding="cash",
    )
    return replace(deal, controls=controls)


@dataclass(frozen=True, slots=True)
class Question:
    """Candidates of a question about one class.

    Attributes
    ----------
    key : str
        A key of :data:`~xlkmv.deal.questions.structure.QUESTIONS`.
    name : str
        Of the class.
    candidates : ndarray
        As the deal is given them, the safest first.
    now : float
        As shown.
    trial : callable
        Deal of a candidate.
    shown : callable
        Candidate as a share of the notes, a ratio or a rate.
    remark : callable
        What there is to say of a candidate.
    recovered : callable
        Factor of a candidate on all rates of recovery of the deal as it is.
    """

    key: str
    name: str
    candidates: Array
    now: float
    trial: Callable[[float], Deal]
    shown: Callable[[float], float]
    remark: Callable[[float], str] = lambda x: ""
    recovered: Callable[[float], float] = lambda x: 1.0


def size_question(key: str, deal: Deal, sizes: Mapping[str, float], name: str, pays: float) -> Question:
    """Ask how large a class may be, given the sizes of all.

    Parameters
    ----------
    key : str
        "size" or "stack".
    deal : Deal
    sizes : mapping of str to float
        As in :func:`moved`.
    name : str
    pays : float
        What the pool brings by plan, money.

    Returns
    -------
    Question
    """
    notes, below = sum(t.amount for t in deal.tranches), _below(deal, name)
    own = next(t.amount for t in deal.tranches if t.name == name)
    room = sizes[name] + sum(sizes[junior] for junior in below)
    # No class is repaid more than the pool brings and the others leave; where that is next to nothing, its
    # own size is tried.
    most = max(pays - sum(sizes.values()) + room, room)
    most = most if most > 100 * STEPS * NOTHING * notes else own

    def remark(amount: float) -> str:
        if not below:
            return Phrase("No class ranks below: all notes change.")
        if amount > room * (1.0 + NOTHING):
            return Phrase("Nothing is left below it, and notes grow.")
        return ""

    return Question(
        key,
        name,
        most * np.arange(1, STEPS + 1) / STEPS,
        own / notes,
        lambda amount: with_sizes(deal, moved(deal, sizes, name, amount)),
        lambda amount: amount / notes,
        remark,
    )


def reserve_question(deal: Deal, name: str, notes: float) -> Question:
    """Ask how small the reserve may be, in the unit of the deal; shown as a share of `notes` at closing.

    Parameters
    ----------
    deal : Deal
    name : str
    notes : float
        Money.

    Returns
    -------
    Question
    """
    controls = replace(deal.controls, reserve=True)

    def trial(size: float) -> Deal:
        return replace(deal, controls=replace(controls, reserve_size=size))

    # Money of a reserve of size 1.
    one = apply(trial(1.0), BASE, by_plan=True).reserve_size
    of_pool = controls.reserve_unit == "of pool"
    most = 1.0 if of_pool else max(notes / one, controls.reserve_size) if one > 0.0 else 1.0
    remarks = [] if deal.controls.reserve else [Phrase("There is no reserve now.")]
    if of_pool and controls.reserve_floor > 0.0:
        floor = Phrase("Its floor of {share:.2%} of the pool stays.", share=controls.reserve_floor)
        remarks.insert(0, floor)
    remark = joined(remarks) if remarks else ""
    now = apply(deal, BASE, by_plan=True).reserve_size / notes
    candidates = most * np.arange(STEPS, -1, -1) / STEPS
    return Question("reserve", name, candidates, now, trial, lambda x: x * one / notes, lambda x: remark)


def notes_question(deal: Deal, name: str, notes: float, pays: float) -> Question:
    """Ask how much may be issued on the pool, all classes in proportion; shown as pool over notes.

    Parameters
    ----------
    deal : Deal
    name : str
    notes, pays : float
        All notes, and what the pool brings by plan, money.

    Returns
    -------
    Question
    """
    pool = float(deal.pool.amount.sum())
    candidates = max(pays, notes) * np.arange(1, STEPS + 1) / STEPS

    def trial(money: float) -> Deal:
        return with_sizes(deal, {t.name: t.amount * money / notes for t in deal.tranches})

    return Question("notes", name, candidates, pool / notes, trial, lambda x: pool / x)


def coupon_question(deal: Deal, name: str) -> Question:
    """Ask how large the coupon of a class may be, or the margin of a floating one.

    Parameters
    ----------
    deal : Deal
    name : str

    Returns
    -------
    Question
    """
    own = next(t for t in deal.tranches if t.name == name)
    now, remark = own.coupon, ""
    if own.base:
        now, remark = own.margin, Phrase("Margin over {base}.", base=own.base)

    def trial(rate: float) -> Deal:
        other = replace(own, margin=rate) if own.base else replace(own, coupon=rate)
        return replace(deal, tranches=tuple(other if t is own else t for t in deal.tranches))

    candidates = np.arange(STEPS + 1) / STEPS
    return Question("coupon", name, candidates, now, trial, lambda x: x, lambda x: remark)


def recovery_question(deal: Deal, name: str) -> Question | None:
    """Ask how little defaults may bring, all rates of recovery moving together; shown as their mean.

    Parameters
    ----------
    deal : Deal
    name : str

    Returns
    -------
    Question or None
        Candidates are factors on the rates. None where nothing is recovered, recoveries are drawn or
        follow from a pledge, or defaults follow from recoveries (a loss curve).
    """
    pool, controls = deal.pool, deal.controls
    most = float(pool.recovery.max())
    limit = 1.0 if controls.pledge else controls.unpledged_recovery
    if pool.recoveries is not None or deal.terms.default_timing == "loss curve" or not 0.0 < most <= limit:
        return None
    mean = float(np.average(pool.recovery, weights=pool.amount))

    def trial(factor: float) -> Deal:
        return replace(deal, pool=altered(pool, recovery=factor * pool.recovery))

    candidates = limit / most * np.arange(STEPS, -1, -1) / STEPS
    return Question(
        "recovery", name, candidates, mean, trial, lambda x: x * mean, recovered=lambda factor: factor
    )


def support_question(deal: Deal, name: str) -> Question:
    """Ask how large the one-year PD of the payer of the undertaking may be.

    Parameters
    ----------
    deal : Deal
    name : str

    Returns
    -------
    Question
    """

    def trial(pd: float) -> Deal:
        return replace(deal, controls=replace(deal.controls, support_pd=pd))

    return Question("support", name, PAYERS, deal.controls.support_pd, trial, lambda x: x)
