"""Grades of classes: the largest default probability that each grade allows by a horizon."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xlkmv.deal.terms.faults import Fault, column_faults, raise_first
from xlkmv.errors import InputError
from xlkmv.kinds import check_kinds
from xlkmv.model.domain import POSITIVE, PROBABILITY, Array, check, check_number
from xlkmv.phrase import Phrase
from xlkmv.shown import Shown

__all__ = ["HORIZONS", "LONG_RUN", "NOT_PUBLISHED", "ClassScale", "class_scale_faults", "horizon_field"]

# Years after which agencies publish cumulative default rates, and sheets have a column.
HORIZONS = (1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 15.0, 20.0)


def horizon_field(years: float) -> str:
    """Name of the field that holds the rates after so many years."""
    return f"after {years:g} y"


@dataclass(frozen=True, slots=True, repr=False)
class ClassScale(Shown):
    """A scale of grades, each with its cumulative default rate by horizon.

    Attributes
    ----------
    grades : tuple of str
        Best grade first.
    horizons : tuple of float
        Years, > 0 and increasing.
    rates : tuple of tuple of float
        Of each grade, one rate per horizon: above that of the better grade, and not below that at
        a shorter horizon.
    """

    grades: tuple[str, ...]
    horizons: tuple[float, ...]
    rates: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        check_kinds("class scale", self)
        object.__setattr__(self, "grades", tuple(self.grades))
        object.__setattr__(self, "horizons", tuple(float(h) for h in self.horizons))
        object.__setattr__(self, "rates", tuple(tuple(float(r) for r in row) for row in self.rates))
        h = check("class scale horizons", self.horizons, POSITIVE)
        if h.size == 0 or (np.diff(h) <= 0.0).any():
            raise InputError("class scale horizons", "must be years that increase", self.horizons)
        if len(self.rates) != len(self.grades) or any(len(row) != h.size for row in self.rates):
            rule = Phrase(
                "must have one rate per horizon ({count}) for each of the {grades} grades",
                count=h.size,
                grades=len(self.grades),
            )
            raise InputError("class scale rates", rule, f"rows of {[len(row) for row in self.rates]}")
        raise_first(class_scale_faults(self.grades, self.horizons, self.rates, settled=True), self.grades)

    def limits(self, years: float) -> Array:
        """Cumulative default rate of each grade by a horizon.

        ``ln(1 - rate)`` is linear in time from 0 at closing to the first horizon and from each
        horizon to the next, so that between two of them defaults come at one rate; beyond the last
        one they go on at the average rate up to it. The order of the grades holds everywhere.

        Parameters
        ----------
        years : float
            From closing, > 0.

        Returns
        -------
        ndarray, shape (g,)
            Largest default probability of each grade, best grade first.
        """
        years = check_number("years", years, POSITIVE)
        h = np.array([0.0, *self.horizons])
        hazard = -np.log1p(-np.array(self.rates))
        by_then = [np.interp(min(years, h[-1]), h, [0.0, *row]) for row in hazard]
        return np.asarray(-np.expm1(-np.array(by_then) * max(years / h[-1], 1.0)))

    def known(self, text: str) -> str | None:
        """Grade that somebody names, upper and lower case meaning the same; None where there is no such."""
        wanted = str(text).strip().casefold()
        return next((grade for grade in self.grades if grade.casefold() == wanted), None)

    def limit(self, grade: str, years: float) -> float:
        """Largest default probability by a horizon that a grade allows.

        Parameters
        ----------
        grade : str
            Upper and lower case mean the same.
        years : float
            From closing, > 0.

        Returns
        -------
        float

        Raises
        ------
        InputError
            When the scale has no such grade.
        """
        known = self.known(grade)
        if known is None:
            raise InputError(
                "grade", Phrase("must be one of: {options}", options=", ".join(self.grades)), grade
            )
        return float(self.limits(years)[self.grades.index(known)])

    def grade(self, pd: float, years: float) -> str:
        """Best grade whose cumulative default rate by a horizon is not below a default probability.

        Parameters
        ----------
        pd : float
        years : float
            From closing, > 0.

        Returns
        -------
        str
            A grade, or "below" and the last one.

        Raises
        ------
        InputError, DomainError
            When the probability or the years are none.
        """
        place = int(np.searchsorted(self.limits(years), check_number("pd", pd, PROBABILITY)))
        if place < len(self.grades):
            return self.grades[place]
        return Phrase("below {grade}", grade=self.grades[-1])


def class_scale_faults(
    grades: Sequence[str | None],
    horizons: Sequence[float],
    rates: Sequence[Sequence[float]] | npt.NDArray[np.float64],
    settled: bool = False,
) -> Iterator[Fault]:
    """Yield everything that is wrong with a scale of classes: rates by grade and horizon."""
    if not len(grades):
        yield Fault("class scale", None, "grade", None, "a scale needs at least one grade")
    seen: set[str] = set()
    for row, grade in enumerate(grades):
        if grade is not None and grade.casefold() in seen:
            yield Fault("class scale", row, "grade", grade, "is there twice: every grade needs one row")
        seen.add((grade or "").casefold())
    for column, years in enumerate(horizons):
        name, values = horizon_field(years), [float(row[column]) for row in rates]
        yield from column_faults("class scale", "class_rate", values, name, settled)
        for row, (better, rate) in enumerate(itertools.pairwise(values), 1):
            if rate <= better:
                rule = Phrase(
                    "must be above the rate of the better grade {above} ({better:g}): rates increase down "
                    "the scale",
                    above=grades[row - 1] or Phrase("in the row above"),
                    better=better,
                )
                yield Fault("class scale", row, name, rate, rule)
        for row, rate in enumerate(values if column else ()):
            if rate < rates[row][column - 1]:
                rule = Phrase(
                    "must not be below the rate at the shorter horizon ({before:g} after {years:g} y)",
                    before=rates[row][column - 1],
                    years=horizons[column - 1],
                )
                yield Fault("class scale", row, name, rate, rule)


# Moody's, "Annual Default Study: Corporate Default and Recovery Rates, 1920-2013" (February 2014): average
# cumulative issuer-weighted global default rates, 1970-2013, per cent, by letter (Aaa, Aa, A, Baa, Ba, B,
# Caa-C), as reprinted in J. C. Hull, "Risk Management and Financial Institutions", 4th ed. (Wiley, 2015),
# table 19.1. It prints Aaa after 1 year as 0.000: taken as half of the last digit, so that the grade is
# there for a class of one year, too.
_PUBLISHED = {
    "AAA": (0.0005, 0.013, 0.013, 0.037, 0.104, 0.241, 0.489, 0.910, 1.073),
    "AA": (0.022, 0.068, 0.136, 0.260, 0.410, 0.682, 1.017, 1.871, 3.167),
    "A": (0.062, 0.199, 0.434, 0.679, 0.958, 1.615, 2.759, 4.583, 7.044),
    "BBB": (0.174, 0.504, 0.906, 1.373, 1.862, 2.872, 4.623, 8.306, 11.969),
    "BB": (1.110, 3.071, 5.371, 7.839, 10.065, 13.911, 19.323, 28.500, 35.410),
    "B": (3.904, 9.274, 14.723, 19.509, 23.869, 31.774, 40.560, 50.275, 55.892),
    "CCC/C": (15.894, 27.003, 35.800, 42.796, 48.828, 56.878, 66.212, 73.152, 74.946),
}
NOT_PUBLISHED = {("AAA", 1.0)}
LONG_RUN = ClassScale(
    tuple(_PUBLISHED), HORIZONS, tuple(tuple(round(x / 100.0, 8) for x in row) for row in _PUBLISHED.values())
)
