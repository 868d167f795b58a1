"""The search for the last candidate that keeps a target, all of them on the same paths."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from xlkmv.deal.kmv import tranche_view
from xlkmv.deal.paths.kept import KeptPaths
from xlkmv.deal.plan.claims import needs_balance
from xlkmv.deal.plan.stressed import Stressed, pool_lognormal
from xlkmv.deal.questions.candidates import Question
from xlkmv.deal.stress import BASE, apply
from xlkmv.deal.terms import Deal

__all__ = ["WIDTH", "Curve", "Trials"]

# Steps of the first look at the candidates.
SCAN = 5
# An end of the interval of an answer is found to this share of its distance from the answer.
COARSE = 0.1
# Standard errors of the PD that count as a difference.
WIDTH = 2.0


class Trials:
    """Structures of one deal: their simulated PDs on the same paths, and those of the KMV view."""

    def __init__(self, deal: Deal, paths: int, progress: Callable[[], object]) -> None:
        self.paths = paths
        self.progress = progress
        self._kept: dict[object, KeptPaths] = {}
        self._first = self._key(deal)

    @staticmethod
    def _key(deal: Deal) -> object:
        """Mark of what the pool does on the paths: structures of equal marks share them."""
        controls = deal.controls
        if not controls.excess_coverage:
            return object()  # what is left of the collections depends on the dues
        return needs_balance(deal), controls.support_pd if controls.support else None

    def _paths_of(self, deal: Deal) -> KeptPaths:
        key = self._key(deal)
        if key not in self._kept:
            # Those of the deal as it is come back, those of another payer do not.
            self._kept = {k: kept for k, kept in self._kept.items() if k == self._first}
            self._kept[key] = KeptPaths(deal, self.paths, self.progress)
        return self._kept[key]

    def simulated(self, deal: Deal, name: str, recovered: float = 1.0) -> tuple[float, float]:
        """Any-date PD of a class, and its standard error; `recovered`: :attr:`Question.recovered`."""
        kept = self._paths_of(deal)
        run = kept.simulate(self._plan(deal), recovered, self._lognormal(deal, kept, recovered))
        risk = next(t for t in run.tranches if t.name == name)
        return risk.anydate_pd, risk.anydate_pd_error

    def kmv(self, deal: Deal, name: str, recovered: float = 1.0) -> tuple[float, float]:
        """Any-date PD of a class in the KMV view; it has no error."""
        kept, k = self._paths_of(deal), [t.name for t in deal.tranches].index(name)
        view = tranche_view(self._plan(deal), k, *self._lognormal(deal, kept, recovered), both=False)
        return view.anydate_pd_at_maturity, 0.0

    def _lognormal(self, deal: Deal, kept: KeptPaths, recovered: float) -> tuple[float, float]:
        """Volatility and drift of the pool, which its recoveries move."""
        return (kept.volatility, kept.drift) if recovered == 1.0 else pool_lognormal(apply(deal, BASE))

    def _plan(self, deal: Deal) -> Stressed:
        return apply(deal, BASE, by_plan=True)


class Curve:
    """PD by candidate; each is worked out once."""

    def __init__(self, pd_of: Callable[[Deal, str, float], tuple[float, float]], question: Question) -> None:
        self.pd_of = pd_of
        self.question = question
        self.seen: dict[int, tuple[float, float]] = {}

    def at(self, place: int) -> tuple[float, float]:
        """PD and standard error of a candidate."""
        if place not in self.seen:
            q, candidate = self.question, float(self.question.candidates[place])
            self.seen[place] = self.pd_of(q.trial(candidate), q.name, q.recovered(candidate))
        return self.seen[place]

    def last_within(self, target: float, near: int | None = None) -> int:
        """Last candidate up to which the PD stays within a target; -1 where the safest one does not.

        Candidates are scanned from the safest on in a few steps; between the last one within and the first
        one beyond, the next is guessed by a straight line through the logarithms of their PDs, or
        halfway where guesses advance slowly. `near`: how far away the answer may be found coarsely.
        """
        count = self.question.candidates.size
        low, high = -1, count
        for place in np.linspace(0, count - 1, SCAN + 1).astype(int).tolist():
            if self.at(place)[0] > target:
                high = place
                break
            low = place
        if low < 0 or high == count:
            return low
        halve = False
        while high - low > 1:
            if near is not None and high - low <= COARSE * min(abs(near - low), abs(near - high)):
                break
            known = [place for place in self.seen if low < place < high]
            middle = (low + high) // 2
            place = min(known, key=lambda k: abs(k - middle)) if known else middle
            if not known and not halve:
                place = self._guess(low, high, target)
            before = high - low
            low, high = (place, high) if self.at(place)[0] <= target else (low, place)
            halve = not halve and high - low > before / 2
        return low

    def _guess(self, low: int, high: int, target: float) -> int:
        ends = np.log(np.maximum([self.at(low)[0], self.at(high)[0], target], 1e-12))
        share = (ends[2] - ends[0]) / (ends[1] - ends[0]) if ends[1] > ends[0] else 0.5
        return int(np.clip(round(low + share * (high - low)), low + 1, high - 1))

    @property
    def falls(self) -> bool:
        """Whether the PD falls somewhere from one candidate seen to a riskier one, by more than its error."""
        seen = [self.seen[place] for place in sorted(self.seen)]
        most = -np.inf
        for pd, error in seen:
            if pd < most - WIDTH * error - 1e-12:
                return True
            most = max(most, pd)
        return False

    @property
    def flat(self) -> bool:
        """Whether the safest candidate and the riskiest have the same PD."""
        return self.at(0)[0] == self.at(self.question.candidates.size - 1)[0]
