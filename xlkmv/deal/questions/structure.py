"""Structuring: how large a class may be, and how little of each support will do, for a target PD.

Every question has candidates, the safest first, and the answer is the last one up to which the simulated
any-date PD of the class stays within its target. All candidates see the same paths.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from xlkmv.deal.figures import figure, probability
from xlkmv.deal.paths.measures import ENOUGH
from xlkmv.deal.plan.timing import plan_faults
from xlkmv.deal.questions.candidates import (
    Question,
    coupon_question,
    moved,
    notes_question,
    recovery_question,
    reserve_question,
    reserved,
    resized,
    size_question,
    support_question,
)
from xlkmv.deal.questions.search import WIDTH, Curve, Trials
from xlkmv.deal.stress import BASE, apply
from xlkmv.deal.terms import TERM_RULES, ClassScale, Deal
from xlkmv.deal.terms.faults import raise_first
from xlkmv.errors import DomainError, InputError
from xlkmv.model.domain import Array, check_number
from xlkmv.phrase import Phrase, joined
from xlkmv.shown import Shown

__all__ = [
    "QUESTIONS",
    "UNITS",
    "Answer",
    "Frontier",
    "Structure",
    "Target",
    "asked_classes",
    "class_named",
    "solve",
    "target_pd",
    "targets_by_class",
]

Target = float | str
"""A PD, or a grade."""

QUESTIONS: dict[str, str] = {
    "size": "Largest size, this class alone",
    "stack": "Largest size, class after class from the top",
    "reserve": "Least reserve",
    "notes": "Least pool over notes",
    "coupon": "Largest coupon",
    "recovery": "Least recovery",
    "support": "Largest PD of the undertaking",
}
# What the figures of an answer are.
UNITS: dict[str, str] = {
    "size": "of all notes now",
    "stack": "of all notes now",
    "reserve": "of all notes now",
    "notes": "pool / notes",
    "coupon": "per annum",
    "recovery": "of what is owed",
    "support": "one-year PD",
}
# A target that leaves nothing to ask for.
CERTAIN = 1.0 - 1e-12
# Figures of a table of the paths kept (four paths of a crowded pool are one), times classes.
MOST_FIGURES, FEWEST_PATHS = 1 << 24, 2_000
# Of the frontier: sizes, the least and the largest of them as shares of the answer, and reserves as shares
# of the notes beside that of the deal.
SIZES, AROUND, RESERVES = 7, (0.85, 1.1), (0.0, 0.02, 0.05)


@dataclass(frozen=True, slots=True, repr=False)
class Answer(Shown):
    """Answer to one question for one class.

    Attributes
    ----------
    question : str
        A key of :data:`QUESTIONS`.
    name : str
        Of the class.
    target : float
        Largest any-date PD up to its maturity that is asked for.
    shown_pd : float
        The PD that the answer keeps to: the target, or where the paths cannot show so small a PD the
        least one that they can, of :data:`~xlkmv.deal.paths.measures.ENOUGH` paths.
    now : float
        The figure as the deal has it. Sizes and reserve (at closing) as a share of all notes as they are,
        pool over notes as a ratio, coupon (of a floating class: margin) and PD of the payer per annum,
        recovery as the mean of the pool's rates by amount.
    value : float or None
        The answer in the same unit; None: out of reach.
    low, high : float or None
        The answers for two standard errors of the PD less and more than `shown_pd`, in order of size; None
        where the paths cannot bound it.
    kmv : float or None
        What the KMV view answers for the target; None: out of reach.
    setting : float or None
        The answer as the deal has to be given it: money, coupon, size of the reserve in its own unit;
        for pool over notes all notes, money; for recovery the factor on all rates.
    pd, pd_error : float
        Simulated any-date PD of the class at the answer, or at the safest candidate where the
        target is out of reach, and its standard error.
    unshown : str
        Why the answer is not for the target; "" where it is.
    remark : str
        What else there is to know.
    """

    question: str
    name: str
    target: float
    shown_pd: float
    now: float
    value: float | None
    low: float | None
    high: float | None
    kmv: float | None
    setting: float | None
    pd: float
    pd_error: float
    unshown: str
    remark: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Frontier(Shown):
    """Size of one class against its any-date PD, reserve by reserve.

    Attributes
    ----------
    name : str
    target : float
    size : ndarray, shape (s,)
        Money.
    reserve : tuple of (float or None), length r
        Cash at closing as a share of the notes; None: the reserve as the deal has it.
    pd, pd_error : ndarray, shape (r, s)
        Simulated, with standard errors.
    kmv : ndarray, shape (s,)
        The KMV view with the reserve as the deal has it.
    """

    name: str
    target: float
    size: Array
    reserve: tuple[float | None, ...]
    pd: Array
    pd_error: Array
    kmv: Array


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Structure(Shown):
    """What a deal could be for its targets.

    Attributes
    ----------
    targets : dict
        Class -> largest any-date PD, in order of rank.
    grades : dict
        Class -> the grade that its target was given as; without those whose target was a PD.
    pd, pd_error, kmv : dict
        Class -> simulated any-date PD of the deal as it is, on the same paths, its standard error, and
        the any-date PD in the KMV view.
    answers : tuple of Answer
    issuable : float
        What the classes with a target come to, one after the other at their largest, money.
    frontier : Frontier
    paths, seed : int
    """

    targets: dict[str, float]
    grades: dict[str, str]
    pd: dict[str, float]
    pd_error: dict[str, float]
    kmv: dict[str, float]
    answers: tuple[Answer, ...]
    issuable: float
    frontier: Frontier
    paths: int
    seed: int


# ------------------------------------------------------------------------------------- targets


def target_pd(given: float | str, scale: ClassScale, years: float) -> float:
    """Turn a target into the default probability up to a horizon.

    Parameters
    ----------
    given : float or str
        A probability, or the name of a grade, in any case.
    scale : ClassScale
    years : float
        Horizon of a grade, > 0.

    Returns
    -------
    float

    Raises
    ------
    InputError
        When it is neither a probability above 0 and below 1 nor a grade.
    """
    rule = Phrase(
        "must be a probability above 0 and below 1, or a grade ({options})", options=", ".join(scale.grades)
    )
    if isinstance(given, str):
        if scale.known(given) is None:
            raise InputError("target", rule, given)
        return scale.limit(given, years)
    if not 0.0 < given < 1.0:
        raise DomainError("target", rule, given)
    return float(given)


def asked_classes(deal: Deal) -> tuple[str, ...]:
    """Classes that one target for all is meant for: all but the most junior one, which loses first."""
    names = tuple(t.name for t in deal.tranches)
    return names[:-1] or names


def class_named(deal: Deal, given: str) -> str:
    """Class that a user names: by its name, or the beginning of it where one class alone has that.

    Parameters
    ----------
    deal : Deal
    given : str

    Returns
    -------
    str
        The name of the class.

    Raises
    ------
    InputError
        When it is none, or may be several.
    """
    known = {t.name.casefold(): t.name for t in deal.tranches}
    text = str(given).strip().casefold()
    # Names may go on in Chinese.
    begin = [name for key, name in known.items() if text and key.startswith(text)]
    if text not in known and len(begin) != 1:
        rule = Phrase("must be one of: {options}", options=", ".join(known.values()))
        raise InputError("class", rule, given)
    return known.get(text, begin[0])


def targets_by_class(deal: Deal, given: Mapping[str, Target]) -> dict[str, Target]:
    """Targets by the names of their classes, however a user names these.

    Parameters
    ----------
    deal : Deal
    given : mapping

    Returns
    -------
    dict

    Raises
    ------
    InputError
        When a class is none, or has several targets.
    """
    wanted = {class_named(deal, name): x for name, x in given.items()}
    if len(wanted) < len(given):
        raise InputError("target", "must be given once for each class", ", ".join(given))
    return wanted


def _targets(deal: Deal, given: Target | Mapping[str, Target]) -> tuple[dict[str, float], dict[str, str]]:
    """Targets as PDs, and the grades that were given, by class in order of rank."""
    names = [t.name for t in deal.tranches]
    each = given if isinstance(given, Mapping) else dict.fromkeys(asked_classes(deal), given)
    wanted = targets_by_class(deal, each)
    if not wanted:
        raise InputError("target", "must be given for one class at least", None)
    plan, times, scale = apply(deal, BASE, by_plan=True), deal.terms.times, deal.terms.class_scale
    pds = {
        name: target_pd(wanted[name], scale, float(times[plan.due_by(k)]))
        for k, name in enumerate(names)
        if name in wanted
    }
    grades = {name: scale.known(x) for name in pds if isinstance(x := wanted[name], str)}
    return pds, {name: grade for name, grade in grades.items() if grade is not None}


# ------------------------------------------------------------------------------------ answers


def _answer(question: Question, asked: float, trials: Trials, room: int, scale: ClassScale) -> Answer:
    curve, view = Curve(trials.simulated, question), Curve(trials.kmv, question)
    # A share of fewer paths is no figure: even if none is short, the PD may be a good part of it.
    target = max(asked, ENOUGH / trials.paths)
    place, last = curve.last_within(target), question.candidates.size - 1
    pd, error = curve.at(max(place, 0))
    least = most = place
    if place >= 0:
        # Paths that are short only just beyond the answer make its error, too.
        error = max(error, curve.at(min(place + 1, last))[1])
        most = curve.last_within(min(target + WIDTH * error, CERTAIN), near=place)
        least = curve.last_within(target - WIDTH * error, near=place) if target > WIDTH * error else -1

    def shown(k: int) -> float | None:
        return None if k < 0 else question.shown(float(question.candidates[k]))

    # Of these the safest is the largest.
    low, high = (most, least) if question.key in ("reserve", "notes", "recovery") else (least, most)
    return Answer(
        question.key,
        question.name,
        asked,
        target,
        question.now,
        shown(place),
        shown(low),
        shown(high),
        shown(view.last_within(asked)),
        None if place < 0 else float(question.candidates[place]),
        pd,
        error,
        _unshown(asked, trials.paths, room) if place >= 0 else "",
        _in_one(_remarks(question, curve, place, least, target <= WIDTH * error, scale)),
    )


def _unshown(target: float, paths: int, room: int) -> str:
    """Say that the paths cannot show a target, and how many could; "" where they can."""
    least, needed = ENOUGH / paths, math.ceil(round(ENOUGH / target, 6))
    if target >= least:
        return ""
    sentence = Phrase(
        "The target of {target} is less than {paths:,} paths can show: the answer is for {least}, the least "
        "that they can; only that of the KMV view is for the target.",
        target=probability(target),
        paths=paths,
        least=probability(least),
    )
    if needed > room:
        return joined([sentence, Phrase("No more than {room:,} paths can be kept.", room=room)])
    return joined([sentence, Phrase("The target takes {needed:,} paths.", needed=needed)])


def _remarks(
    question: Question, curve: Curve, place: int, least: int, few: bool, scale: ClassScale
) -> Iterator[str]:
    """Say what else there is to know; `least`: where the interval begins, `few`: paths for the target."""
    key = question.key
    if place < 0:
        yield Phrase("Out of reach: {at_best}.", at_best=_at_best(question, curve))
        if curve.flat and key in ("reserve", "coupon", "recovery", "support"):
            yield Phrase("It makes no difference to this class.")
    elif place == question.candidates.size - 1:
        yield Phrase(WHOLE_RANGE[key])
        if key != "support" and _supported(question):
            yield Phrase("The undertaking pays what the pool does not.")
    elif place == 0 and key == "coupon":
        step, pd = figure(float(question.candidates[1]), ".2%"), probability(curve.at(1)[0])
        yield Phrase("Any coupon is too much: at {step} the PD is {pd}.", step=step, pd=pd)
    if least < 0 <= place:
        if few:
            yield Phrase("One end is open: too few paths for so small a target.")
        else:
            yield Phrase("One end is open: out of reach for a PD two errors less.")
    if curve.falls:
        yield Phrase("The PD does not rise throughout: the answer is where it first exceeds the target.")
    if key == "support" and place >= 0:
        yield _rated(float(question.candidates[place]), scale)
    if place >= 0:
        yield question.remark(float(question.candidates[place]))


def _in_one(remarks: Iterator[str]) -> str:
    said = [text for text in remarks if text]
    return joined(said) if said else ""


WHOLE_RANGE = {
    "size": "All that the pool brings could be of this class.",
    "stack": "All that the pool brings could be of this class.",
    "reserve": "It needs no reserve.",
    "notes": "All that the pool brings could be notes.",
    "coupon": "At any coupon.",
    "recovery": "Whatever defaults bring.",
    "support": "It needs no undertaking.",
}


def _supported(question: Question) -> bool:
    """Whether the undertaking protects the class."""
    deal = question.trial(float(question.candidates[-1]))
    place = [t.name for t in deal.tranches].index(question.name)
    return deal.controls.support and bool(deal.senior[place])


def _at_best(question: Question, curve: Curve) -> str:
    pd, error = curve.at(0)
    figures = {"pd": probability(pd), "error": probability(error)}
    if question.key in ("size", "stack"):
        return Phrase("even of the smallest piece the PD is {pd} (s.e. {error})", **figures)
    if question.key == "notes":
        return Phrase("even on next to no notes the PD is {pd} (s.e. {error})", **figures)
    at = figure(question.shown(float(question.candidates[0])), ".2%")
    return Phrase("even at {at} the PD is {pd} (s.e. {error})", at=at, **figures)


def _rated(pd: float, scale: ClassScale) -> str:
    """Worst grade that is good enough for a payer with this PD in a year."""
    enough = int(np.searchsorted(scale.limits(1.0), pd, side="right"))
    if not enough:
        return Phrase("No grade is enough.")
    return Phrase("A payer of grade {grade} will do.", grade=scale.grades[enough - 1])


# ------------------------------------------------------------------------------------ the question


def solve(
    deal: Deal,
    target: float | str | Mapping[str, float | str],
    *,
    paths: int | None = None,
    progress: Callable[[float], object] = lambda share: None,
) -> Structure:
    """Solve a deal for target default probabilities of its classes.

    For each class with a target, everything else as the deal has it: the largest size (alone, and
    class after class from the most senior one on, each given the sizes of those before), the least
    reserve, the least pool over notes with all classes in proportion, the largest coupon, the least
    recovery with all rates in proportion, and the largest PD of the payer of the undertaking. Only the
    PD of the class itself is looked at. Reserve and undertaking are asked about for senior classes,
    which they protect.

    Parameters
    ----------
    deal : Deal
    target : float, str or mapping
        Largest any-date PD up to the maturity, or a grade of the terms' scale, by class; one for all
        is for :func:`asked_classes`.
    paths : int, optional
        In place of those of the terms. Very long plans of many classes see fewer.
    progress : callable
        Called with the share that is done, often; what it raises ends the computation.

    Returns
    -------
    Structure

    Raises
    ------
    InputError, DomainError
        When a class is unknown, a target neither a probability nor a grade, or the plan has a fault.

    Notes
    -----
    A share of fewer paths than :data:`~xlkmv.deal.paths.measures.ENOUGH` is no figure: for a target below
    it the answer keeps to it, and says so. The simulation of what is answered is then quoted
    (:func:`~xlkmv.deal.answers.quoted_pd`) with no more than :attr:`Answer.shown_pd`.

    Candidates are 1/10,000 of their range apart (coupons a basis point), payers 0.7 %. The safest
    candidates are tried first; where the PD falls again for riskier ones, the first crossing is the
    answer, and the remark says so. Reserves in periods grow with the senior class, and triggers may make
    a larger class safer, so that this happens.
    """
    raise_first(plan_faults(deal))
    (targets, grades), scale = _targets(deal, target), deal.terms.class_scale
    tally = _Share(progress)
    room = _room(deal)
    trials = Trials(deal, _paths(deal, paths, room), tally.more)
    sizes = {t.name: t.amount for t in deal.tranches}
    pays = float(apply(deal, BASE, by_plan=True).collections.sum())
    now = {name: trials.simulated(deal, name) for name in targets}
    senior = {t.name for t, on in zip(deal.tranches, deal.senior, strict=True) if on}
    alone = [q for name in targets for q in _alone(deal, sizes, name, pays, name in senior)]
    parts = len(alone) + len(targets) + 1
    answers, stack = [], dict(sizes)
    for k, question in enumerate(alone):
        tally.stage(k / parts, (k + 1) / parts)
        answers.append(_answer(question, targets[question.name], trials, room, scale))
    for k, name in enumerate(targets, len(alone)):
        tally.stage(k / parts, (k + 1) / parts)
        question = size_question("stack", deal, stack, name, pays)
        found = _answer(question, targets[name], trials, room, scale)
        answers.append(found)
        stack = moved(deal, stack, name, found.setting or 0.0)
    tally.stage((parts - 1) / parts, 1.0)
    headline = deal.tranches[deal.headline].name
    drawn = headline if headline in targets else next(iter(targets))
    largest = next(a.setting for a in answers if (a.question, a.name) == ("size", drawn))
    frontier = _frontier(deal, drawn, targets[drawn], largest, pays, trials)
    progress(1.0)
    order = {key: place for place, key in enumerate(QUESTIONS)}
    return Structure(
        targets,
        grades,
        {name: pd for name, (pd, _) in now.items()},
        {name: error for name, (_, error) in now.items()},
        {name: trials.kmv(deal, name)[0] for name in targets},
        tuple(sorted(answers, key=lambda a: order[a.question])),
        sum(stack[name] for name in targets),
        frontier,
        trials.paths,
        deal.terms.seed,
    )


def _room(deal: Deal) -> int:
    """Paths whose tables stay small."""
    return max(4 * MOST_FIGURES // (len(deal.terms.dates) * len(deal.tranches)), FEWEST_PATHS)


def _paths(deal: Deal, wanted: int | None, room: int) -> int:
    """Paths that are kept: those of the terms, or as many as there is room for."""
    paths = int(check_number("paths", deal.terms.paths if wanted is None else wanted, TERM_RULES["paths"]))
    return min(paths, room)


def _alone(
    deal: Deal, sizes: Mapping[str, float], name: str, pays: float, senior: bool
) -> Iterator[Question]:
    """Questions about one class, each with all else as it is."""
    notes = sum(sizes.values())
    yield size_question("size", deal, sizes, name, pays)
    if senior:
        yield reserve_question(deal, name, notes)
    yield notes_question(deal, name, notes, pays)
    yield coupon_question(deal, name)
    if (recovery := recovery_question(deal, name)) is not None:
        yield recovery
    if senior and deal.controls.support:
        yield support_question(deal, name)


def _frontier(
    deal: Deal, name: str, target: float, largest: float | None, pays: float, trials: Trials
) -> Frontier:
    """Sizes around the answer, and the one now where it is larger, up to what the pool brings."""
    sizes = {t.name: t.amount for t in deal.tranches}
    own, notes, middle = sizes[name], sum(sizes.values()), largest or sizes[name]
    most = float(size_question("size", deal, sizes, name, pays).candidates[-1])
    drawn = np.linspace(AROUND[0] * middle, min(max(AROUND[1] * middle, own), most), SIZES)
    reserves: tuple[float | None, ...] = (*RESERVES, None)
    found = np.array(
        [
            [trials.simulated(resized(reserved(deal, share, notes), name, float(x)), name) for x in drawn]
            for share in reserves
        ]
    )
    kmv = [trials.kmv(resized(deal, name, float(x)), name)[0] for x in drawn]
    return Frontier(name, target, drawn, reserves, found[..., 0], found[..., 1], np.array(kmv))


class _Share:
    """Share of a computation that is done: stages of known length, each of some steps."""

    def __init__(self, progress: Callable[[float], object]) -> None:
        self.progress, self.start, self.end, self.steps = progress, 0.0, 0.0, 0

    def stage(self, start: float, end: float) -> None:
        """Begin a stage."""
        self.start, self.end, self.steps = start, end, 0
        self.more()

    def more(self) -> None:
        """Report a step: each brings the stage nearer to its end, and none reaches it."""
        self.steps += 1
        self.progress(self.start + (self.end - self.start) * self.steps / (self.steps + STEPS_OF_STAGE))


# Steps after which a stage is half done, about.
STEPS_OF_STAGE = 20
