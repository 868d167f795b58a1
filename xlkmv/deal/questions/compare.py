"""Two deals side by side: which terms differ, what moved each class, and why."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from xlkmv.deal.kmv import KmvView, kmv_view
from xlkmv.deal.paths.executors import Executor
from xlkmv.deal.paths.measures import Simulation
from xlkmv.deal.paths.run import simulate
from xlkmv.deal.paths.tally import group_error
from xlkmv.deal.plan.timing import plan_faults
from xlkmv.deal.terms import CONTROLS, Curve, Deal, Loans, Pool, Recoveries, Tranche
from xlkmv.deal.terms.faults import raise_first
from xlkmv.errors import InputError, XlkmvError
from xlkmv.model.domain import Array
from xlkmv.phrase import CLAUSES, LIST, Phrase, joined
from xlkmv.shown import Shown

__all__ = ["Comparison", "Difference", "Step", "compare", "differences", "labels"]


Groups = tuple[tuple[str, tuple[str, ...]], ...]
Line = tuple[str, str, str]

# What changes together, in the order in which changes are made: a label, and the fields.
POOL: Groups = (
    ("PDs of the obligors", ("pd",)),
    ("Recoveries", ("recovery", "lag", "recoveries")),
    ("Correlations and industries", ("correlation", "industry")),
    (
        "Amounts and schedules of the claims",
        ("amount", "schedule", "count", "loans", "interest", "balance", "claim"),
    ),
    ("What is known of the claims", ("status", "since")),
)
NOTES: Groups = (
    ("Amounts of the classes", ("amount", "schedule")),
    ("Ranks", ("rank", "pari_passu", "senior")),
    ("Coupons", ("coupon", "base", "margin", "cap", "floor", "deferrable")),
    ("Payment of principal", ("payment", "maturity", "legal_final")),
)
TERMS: Groups = (
    ("Base curves", ("curves",)),
    ("Senior fees", ("fee_rate", "fee_amount", "fee_base")),
    ("Order of payments", ("principal", "interest", "accounts")),
    ("Overcollateralisation", ("oc_target", "oc_floor")),
    ("Revolving period", ("revolving",)),
    ("Clean-up call", ("cleanup",)),
    ("Cure of triggers", ("cure",)),
    ("Correlation of the undertaking's payer", ("support_correlation",)),
    ("Prepayment", ("prepayment", "prepayment_type", "prepayment_vector")),
    ("Default timing", ("default_timing", "cdr", "loss_curve")),
    ("Industry correlation", ("industry_correlation", "between_industries")),
    ("Volatility of the pool", ("volatility_source", "volatility", "drift")),
    ("Default point", ("default_point",)),
    ("Copula", ("copula", "degrees_of_freedom")),
    ("Weight of what has come in", ("closing_periods", "surprise_tail")),
    ("Scale of the grades", ("class_scale",)),
    ("Headline class", ("headline",)),
    ("Paths and seed", ("paths", "seed")),
)
# What makes everything by date another.
DATED, WITH_DATES = ("closing", "dates", "day_count"), "Payment dates, with claims and classes"
LABELS = {
    "pd": "PD",
    "cdr": "CDR",
    "first": "first payment",
    "between_industries": "correlation between industries",
    "lag": "recovery lag",
    "oc_target": "overcollateralisation target",
    "oc_floor": "overcollateralisation floor",
    "support_pd": "PD of the payer",
    "support_correlation": "correlation with the pool",
    "support_cap": "cap of the undertaking",
    "support_cap_unit": "unit of the cap",
    **dict.fromkeys(CONTROLS, "on"),
}
# Shown in percent.
SHARES = {
    *("pd", "recovery", "correlation", "coupon", "margin", "cap", "floor", "rate"),
    *("fee_rate", "oc_target", "oc_floor", "cleanup", "prepayment", "industry_correlation", "volatility"),
    *("drift", "support_pd", "support_correlation", "repurchase_share", "unpledged_recovery"),
    *("prepayment_vector", "cdr", "loss_curve", "between_industries"),
    *("spread", "pledge_volatility", "pledge_growth", "sale_discount", "tie"),
}


@dataclass(frozen=True, slots=True, repr=False)
class Difference(Shown):
    """One term that differs.

    Attributes
    ----------
    part : str
        What changes together with it, and the label of the step.
    item : str
        The term.
    before, after : str
        As the first and the second deal have it.
    """

    part: str
    item: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, repr=False)
class Step(Shown):
    """A class after one more change.

    Attributes
    ----------
    name : str
        The class.
    label : str
        What was changed; of the first step: the first deal as it is.
    paths : int
        Simulated for it.
    simulated, simulated_error : float
        Simulated any-date PD of the class, and its standard error.
    kmv : float
        Any-date PD of the KMV view.
    expected_loss : float
        Simulated, share of the class.
    change, change_error : float
        Of the simulated PD against the step before; its error counts that both saw the same random
        numbers, where they did. NaN where the step before has no such class.
    kmv_change : float
    """

    name: str
    label: str
    paths: int
    simulated: float
    simulated_error: float
    kmv: float
    expected_loss: float
    change: float
    change_error: float
    kmv_change: float


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Comparison(Shown):
    """Two deals, and the way from the first to the second.

    Attributes
    ----------
    differences : tuple of Difference
    steps : tuple of Step
        Class by class: the first deal, then one change after the other up to the second. The changes of a
        class add up; one that the first deal has not begins with the change that brings it, one that the
        second has not ends before the change that takes it.
    headline : str
        Class that headlines of the second deal speak of.
    """

    differences: tuple[Difference, ...]
    steps: tuple[Step, ...]
    headline: str

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, those of the second deal first."""
        return tuple(dict.fromkeys(step.name for step in self.steps))

    def of_class(self, name: str) -> tuple[Step, ...]:
        """Return the steps of one class."""
        return tuple(step for step in self.steps if step.name == name)


def differences(first: Deal, second: Deal) -> tuple[Difference, ...]:
    """List the terms that differ between two deals.

    Parameters
    ----------
    first, second : Deal

    Returns
    -------
    tuple of Difference
        In the order in which :func:`compare` changes them; none for equal deals.
    """
    return tuple(d for change in _changes(first, second) for d in change.differences)


def compare(
    first: Deal,
    second: Deal,
    *,
    paths: int | None = None,
    executor: Executor | None = None,
    progress: Callable[[str, float], None] = lambda what, share: None,
) -> Comparison:
    """Go from one deal to another, one change at a time, and see what each does to every class.

    The order is fixed: claims, notes, controls, covenants, terms, and the settings of the
    simulation last. What a change does depends on those before it; together they are the whole
    difference. Changes that make no deal without the next ones are made with them.

    Parameters
    ----------
    first, second : Deal
    paths : int, optional
        Of every step; the larger number of the two terms when left out, so that no bound moves because
        fewer paths were looked at.
    executor : Executor, optional
        Where the paths are simulated.
    progress : callable
        Called as ``progress(what, share_done)``; what it raises ends the computation.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        When the deals have no obligor in common: there is no way from one to the other.
    """
    if not {*first.pool.name} & {*second.pool.name}:
        names = f"{first.pool.name[0]} ... and {second.pool.name[0]} ..."
        raise InputError("cases", "must be of one deal: no obligor is in both", names)
    changes = _changes(first, second)
    stages: list[tuple[str, Deal]] = [(Phrase("as it is"), first)]
    pending: list[_Change] = []
    for place, change in enumerate(changes):
        pending.append(change)
        made = second
        if place < len(changes) - 1:
            try:
                made = _made(stages[-1][1], second, pending)
                raise_first(plan_faults(made))
            except XlkmvError:
                continue
        stages.append((joined([c.label for c in pending], CLAUSES), made))
        pending = []
    count = max(first.terms.paths, second.terms.paths) if paths is None else paths
    steps: dict[str, list[Step]] = {t.name: [] for t in (*second.tranches, *first.tranches)}
    before: Simulation | None = None
    for place, (label, deal) in enumerate(stages):
        progress(label, place / len(stages))
        run, view = simulate(deal, paths=count, executor=executor), kmv_view(deal, both=False)
        for k, tranche in enumerate(deal.tranches):
            of_class = steps[tranche.name]
            of_class.append(_step(label, k, run, view, *of_class[-1:], before=before))
        before = run
    progress(stages[-1][0], 1.0)
    told = tuple(d for change in changes for d in change.differences)
    return Comparison(told, tuple(itertools.chain(*steps.values())), second.tranches[second.headline].name)


def _step(
    label: str,
    k: int,
    run: Simulation,
    view: KmvView,
    last: Step | None = None,
    *,
    before: Simulation | None,
) -> Step:
    """Class k of a deal after a change; `last` is what it was before it."""
    t, kmv = run.tranches[k], view.tranches[k].anydate_pd_at_maturity
    change = error = kmv_change = np.nan
    if last is not None and before is not None:
        change, kmv_change = t.anydate_pd - last.simulated, kmv - last.kmv
        error = float(np.hypot(t.anydate_pd_error, last.simulated_error))
        if run.seed == before.seed and np.array_equal(run.replicate_paths, before.replicate_paths):
            then = [b.name for b in before.tranches].index(t.name) + len(before.tranches)
            difference = run.replicates[:, len(run.tranches) + k] - before.replicates[:, then]
            error = float(group_error(difference, run.replicate_paths))
    measured = (t.anydate_pd, t.anydate_pd_error, kmv, t.expected_loss)
    return Step(t.name, label, run.paths, *measured, change, error, kmv_change)


@dataclass(frozen=True, slots=True, eq=False)
class _Change:
    """What is taken over from the second deal in one go: fields of its parts, or whole parts (None)."""

    label: str
    take: Mapping[str, tuple[str, ...] | None]
    differences: tuple[Difference, ...]


def _made(deal: Deal, second: Deal, changes: Sequence[_Change]) -> Deal:
    """Take over some changes; every part is put together once, so that only the whole has to be valid."""
    parts: dict[str, Any] = {}
    for part in ("pool", "tranches", "terms", "controls", "covenants"):
        takes = [change.take[part] for change in changes if part in change.take]
        names = {name for take in takes if take is not None for name in take}
        one, other = getattr(deal, part), getattr(second, part)
        if None in takes:
            parts[part] = other
        elif not names:
            parts[part] = one
        elif part == "tranches":
            parts[part] = tuple(_with(a, b, names) for a, b in zip(one, other, strict=True))
        else:
            parts[part] = _with(one, other, names)
    return Deal(**parts, today=second.today)


def _with(one: Any, other: Any, names: Iterable[str]) -> Any:
    return replace(one, **{name: getattr(other, name) for name in names})


def _changes(first: Deal, second: Deal) -> list[_Change]:
    """List what differs, in the order in which it is changed."""
    found: list[_Change] = []

    def add(label: str, take: Mapping[str, tuple[str, ...] | None], said: Iterable[Line]) -> None:
        label = Phrase(label)
        if lines := tuple(Difference(label, *line) for line in said):
            found.append(_Change(label, take, lines))

    dated = [*_fields(first.terms, second.terms, DATED)]
    claims, notes = (_names(first), _names(second)), [[t.name for t in x.tranches] for x in (first, second)]
    if dated:
        # What is said by date goes with the dates.
        whole = (*DATED, "curves", "headline", "revolving")
        more = [*_pools(first.pool, second.pool, claims), *_classes(first, second)]
        take: dict[str, tuple[str, ...] | None] = {"pool": None, "tranches": None, "terms": whole}
        add(WITH_DATES, take, [*dated, *more])
    elif claims[0] != claims[1]:
        add("Claims", {"pool": None}, _pools(first.pool, second.pool, claims))
    else:
        for label, names in POOL:
            add(label, {"pool": names}, _columns(first.pool, second.pool, names))
    if not dated and notes[0] != notes[1]:
        add("Classes", {"tranches": None, "terms": ("headline",)}, _classes(first, second))
    elif not dated:
        for label, names in NOTES:
            lines = [
                (Phrase("{item} of {name}", item=item, name=a.name), before, after)
                for a, b in zip(first.tranches, second.tranches, strict=True)
                for item, before, after in _fields(a, b, names)
            ]
            add(label, {"tranches": names}, lines)
    for key, control in CONTROLS.items():
        names = (key, *control.figures)
        add(control.label, {"controls": names}, _fields(first.controls, second.controls, names))
    if first.covenants != second.covenants:
        one, other = (", ".join(c.name for c in x.covenants) or Phrase("none") for x in (first, second))
        add("Covenants", {"covenants": None}, [(Phrase("tests"), one, other)])
    for label, names in TERMS:
        add(label, {"terms": names}, _fields(first.terms, second.terms, names))
    return found


def _fields(one: Any, other: Any, names: Iterable[str]) -> Iterator[Line]:
    """Yield the fields that differ: what they are, and how each deal has them."""
    for name in names:
        a, b = getattr(one, name), getattr(other, name)
        if a != b:
            yield _label(name), _text(name, a), _text(name, b)


def labels() -> list[str]:
    """List what steps and terms that differ may be called: what catalogues translate.

    Returns
    -------
    list of str
    """
    groups = [*POOL, *NOTES, *TERMS, (WITH_DATES, DATED)]
    named = [name for _, names in groups for name in names]
    named += [name for key, control in CONTROLS.items() for name in (key, *control.figures)]
    named += [field.name for field in fields(Loans)]
    said = ["Claims", "Classes", "Covenants", *(label for label, _ in groups)]
    return [*said, *(_label(name) for name in named)]


def _label(name: str) -> str:
    return Phrase(LABELS.get(name, name.replace("_", " ")))


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return Phrase("yes") if value else Phrase("no")
    if value is None or value == "" or value == ():
        return Phrase("none")
    if isinstance(value, (int, float)):
        return f"{100.0 * value:,.6g} %" if name in SHARES else f"{value:,.12g}"
    if isinstance(value, tuple):
        ends = [_text(name, x) for x in (value[0], value[-1])]
        return Phrase("{count}: {first} to {last}", count=len(value), first=ends[0], last=ends[1])
    if isinstance(value, Curve):
        return value.name
    return str(value) if isinstance(value, (str, dt.date)) else Phrase("another")


def _names(deal: Deal) -> tuple[Any, ...]:
    """Claims that can be compared row by row have these in common."""
    loans = deal.pool.loans
    given = () if loans is None else tuple(loans.given.tolist())
    return deal.pool.name, given


def _columns(one: Pool, other: Pool, names: Iterable[str]) -> Iterator[Line]:
    """Yield the columns of the pool that differ, each in a word: how many rows, and what they come to."""
    for name in names:
        a, b = getattr(one, name), getattr(other, name)
        if isinstance(a, Loans) and isinstance(b, Loans):
            yield from _columns_of_terms(a, b, np.ones(len(one.name)))
            continue
        if isinstance(a, Recoveries) or isinstance(b, Recoveries):
            none = Recoveries(spread=np.zeros(len(one.name)))
            yield from _columns_of_terms(a or none, b or none, one.amount)
            continue
        rows = _rows_that_differ(a, b, len(one.name))
        if rows:
            item = _counted(_label(name), rows, len(one.name))
            yield item, _sum(name, a, one.amount), _sum(name, b, other.amount)


def _counted(item: str, rows: int, size: int) -> str:
    return Phrase("{item} ({rows:,} of {size:,} rows)", item=item, rows=rows, size=size)


def _columns_of_terms(one: Any, other: Any, weights: Array) -> Iterator[Line]:
    """Yield what differs in loan terms, or in recoveries that are drawn."""
    size = weights.size
    for field in fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if rows := _rows_that_differ(a, b, size):
            label = Phrase("pledge") if field.name == "pledge" else _label(field.name)
            yield (
                _counted(label, rows, size),
                _sum(field.name, a, weights),
                _sum(field.name, b, weights),
            )


def _rows_that_differ(a: Any, b: Any, size: int) -> int:
    if (a is None) != (b is None) or (a is not None and len(a) != len(b)):
        return size
    if a is None or a is b:
        return 0
    if isinstance(a, tuple):
        return sum(x != y for x, y in zip(a, b, strict=True))
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    return int((~same.reshape(size, -1).all(axis=1)).sum())


def _sum(name: str, values: Any, weights: Array) -> str:
    """What a column comes to: money in all, other numbers on average by amount, words not at all."""
    if values is None or isinstance(values, tuple):
        return "" if values else Phrase("none")
    if name == "pledge":
        return Phrase("{amount:,.12g} in all", amount=float(np.nansum(values)))
    if name in ("amount", "schedule", "count", "interest", "balance", "claim"):
        return Phrase("{amount:,.12g} in all", amount=float(np.sum(values)))
    known = ~np.isnan(values)
    if not known.any() or not weights[known].sum() > 0.0:
        return Phrase("none")
    mean = _text(name, float(np.average(values[known], weights=weights[known])))
    return Phrase("{figure} on average", figure=mean)


def _pools(one: Pool, other: Pool, names: Sequence[Any]) -> Iterator[Line]:
    """Yield what two pools come to that cannot be compared row by row."""
    if names[0] != names[1] or one.schedule.shape != other.schedule.shape:
        before, after = (
            Phrase("{rows:,} rows, {amount:,.12g}", rows=len(x.name), amount=float(x.amount.sum()))
            for x in (one, other)
        )
        yield Phrase("claims"), before, after
    else:
        for _, columns in POOL:
            yield from _columns(one, other, columns)


def _classes(first: Deal, second: Deal) -> Iterator[Line]:
    """Yield the classes that differ in anything; those that one deal has alone, too."""
    one, other = ({t.name: t for t in deal.tranches} for deal in (first, second))
    for name in dict.fromkeys((*one, *other)):
        if one.get(name) != other.get(name):
            yield Phrase("class {name}", name=name), _class(one.get(name)), _class(other.get(name))


def _class(t: Tranche | None) -> str:
    if t is None:
        return Phrase("none")
    coupon = _text("coupon", t.coupon) if not t.base else f"{t.base} + {_text('margin', t.margin)}"
    said = [Phrase("rank {rank}", rank=t.rank), f"{t.amount:,.12g}", coupon, t.payment]
    return joined([*said, *([Phrase("to {date}", date=t.maturity)] if t.maturity else [])], LIST)
