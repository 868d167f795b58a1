"""What if one obligor defaults, and what if it cannot: the classes as they are, and then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from xlkmv.deal.kmv import KmvView, kmv_view
from xlkmv.deal.paths.executors import Executor
from xlkmv.deal.paths.measures import Measured
from xlkmv.deal.paths.run import Run, Wanted
from xlkmv.deal.stress import BASE, TABLE, Stress
from xlkmv.deal.terms import Deal
from xlkmv.errors import InputError, near
from xlkmv.kinds import altered
from xlkmv.phrase import Phrase
from xlkmv.shown import Shown

__all__ = ["WhatIf", "what_if"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class WhatIf(Shown):
    """A deal under one thing that may happen to an obligor.

    Attributes
    ----------
    obligor : str
    label : str
        What happens to it.
    view : KmvView
    simulation : Measured
        Of the classes, the random numbers those of the deal as it is.
    """

    obligor: str
    label: str
    view: KmvView
    simulation: Measured


def what_if(
    deal: Deal,
    obligor: str = "",
    recovery: float | None = None,
    *,
    paths: int | None = None,
    executor: Executor | None = None,
    progress: Callable[[str, float], None] = lambda what, share: None,
) -> tuple[WhatIf, ...]:
    """Rate the classes if an obligor defaults at closing, and if it cannot default.

    Parameters
    ----------
    deal : Deal
    obligor : str
        Its name, in any case; the one with the largest financed amount when left out. Of a row that stands
        for several one defaults, and none of them can.
    recovery : float, optional
        Share of its claim that is recovered; when left out nothing, and what the deal expects.
    paths, executor
        As in :func:`~xlkmv.deal.paths.run.simulate`.
    progress : callable
        Called as ``progress(what, share_done)``; what it raises ends the computation.

    Returns
    -------
    tuple of WhatIf
        First the deal as it is. That the obligor cannot default comes last, where obligors default by their
        PDs; else no PD of 0 keeps one from it.

    Raises
    ------
    InputError
        When the obligor is not in the pool.
    DomainError
        When the recovery is none.
    """
    pool = deal.pool
    known = {name.casefold(): row for row, name in reversed([*enumerate(pool.name)])}
    row = known.get(obligor.strip().casefold()) if obligor else int(np.argmax(pool.amount / pool.obligors))
    if row is None:
        rule = near("must be the name of an obligor of the pool", obligor, pool.name)
        raise InputError("obligor", rule, obligor)
    name = pool.name[row]
    cases: list[tuple[str, Stress]] = [(Phrase("as it is"), BASE)]
    if recovery is None:
        nothing, expected = (
            Phrase("it defaults, nothing recovered"),
            Phrase("it defaults, recovery as expected"),
        )
        cases.append((nothing, Stress("nothing", obligor_recovery=0.0, obligor=name)))
        cases.append((expected, Stress("expected", obligor_recovery=TABLE, obligor=name)))
    else:
        some = Phrase("it defaults, {share:.6g} % recovered", share=100.0 * recovery)
        cases.append((some, Stress("some", obligor_recovery=recovery, obligor=name)))
    found = _rated(deal, name, cases, paths, executor, progress)
    if deal.terms.default_timing == "PD":
        pd = pool.pd.copy()
        pd[row] = 0.0
        safe, label = altered(deal, pool=replace(pool, pd=pd)), Phrase("it cannot default")
        found += _rated(safe, name, [(label, BASE)], paths, executor, progress)
    return tuple(found)


def _rated(
    deal: Deal,
    name: str,
    cases: list[tuple[str, Stress]],
    paths: int | None,
    executor: Executor | None,
    progress: Callable[[str, float], None],
) -> list[WhatIf]:
    what, wanted = cases[-1][0], Wanted(brief=tuple(stress for _, stress in cases))
    with Run(deal, wanted, paths=paths, executor=executor) as run:
        _, runs = run.results(lambda done, total: progress(what, done / total))
    views = [kmv_view(deal, stress, both=False) for _, stress in cases]
    return [WhatIf(name, label, v, r) for (label, _), v, r in zip(cases, views, runs, strict=True)]
