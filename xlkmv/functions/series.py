"""Volatility from a series of flows; the user's own maps from a distance to a PD, from a PD to a grade."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from xlkmv.errors import InputError
from xlkmv.functions.cells import is_blank
from xlkmv.functions.registry import (
    Answer,
    Fault,
    Figures,
    Rows,
    Step,
    Text,
    elementwise,
    needed_number,
    needed_text,
    table,
)
from xlkmv.model import calibration
from xlkmv.model.distance import log_ratio
from xlkmv.model.domain import FINITE, Array

__all__ = ["KMV_EDF", "KMV_RATING", "KMV_VOLATILITY"]


@table(
    "Volatility per annum of the flows of each period; refuses a cumulative series.",
    ((27.1, 28.4, 26.9, 27.8, 28.9, 27.2), 4.0),
    {
        "periods_per_year": Text("Flows per year. Blank: 1.", "scalar"),
        "plan": Text("What was planned for each period, if the flows are to be set against it.", "series"),
    },
)
def KMV_VOLATILITY(flows: Array, periods_per_year: float = 1.0, plan: Array | None = None) -> Any:
    return calibration.volatility_from_flows(flows, periods_per_year, plan).volatility


@KMV_VOLATILITY.explain
def _volatility_steps(flows: Array, periods_per_year: float, plan: Array | None) -> Iterator[Step]:
    fit = calibration.volatility_from_flows(flows, periods_per_year, plan)
    x = np.diff(np.log(flows)) if plan is None else log_ratio(flows, plan)
    yield Step("Log changes", "ln(C_(i+1)/C_i)" if plan is None else "ln(actual/plan)", fit.changes)
    yield Step("Standard deviation per period", "sd(x)", x.std(ddof=1))
    yield Step("Volatility per annum", "sd(x) sqrt(periods per year)", fit.volatility)
    yield Step("its standard error", "sigma / sqrt(2 (n - 1))", fit.volatility_error)
    yield Step("Drift per annum", "mean(x) periods per year + sigma^2/2", fit.drift)
    yield Step("its standard error", "about sigma / sqrt(years)", fit.drift_error)


def _two_columns(name: str, rows: Rows, first: str) -> list[Any]:
    """Columns of a user's table of two columns; a heading row of texts may stand above it."""
    if any(len(row) != 2 for row in rows):
        raise InputError(name, "must have two columns")
    if isinstance(rows[0][1], str):
        rows = rows[1:]
    rows = [row for row in rows if not all(map(is_blank, row))]
    columns: list[Any] = []
    for k in (0, 1):
        cells = [row[k] for row in rows]
        if k == 0 and first == "text":
            columns.append([needed_text(f"{name}, a name,", cell) for cell in cells])
        else:
            columns.append(np.array([needed_number(f"{name}, a number,", cell) for cell in cells]))
    return columns


EDF_EXAMPLE = (("DD", "EDF"), (1.0, 0.12), (2.0, 0.03), (4.0, 0.004), (6.0, 0.0004))
SCALE_EXAMPLE = (("Grade", "Highest PD"), ("A", 0.001), ("BBB", 0.005), ("BB", 0.02), ("B", 0.08), ("C", 1.0))


@elementwise(
    "Expected default frequency of a distance to default by the user's own table.",
    (3.0, EDF_EXAMPLE),
    texts={
        "dd": Text("Distance to default.", rule=FINITE),
        "mapping": Text("Two columns, DD and PD: the user's map. Between its rows ln PD is linear.", "grid"),
    },
)
def KMV_EDF(dd: Figures, mapping: Rows) -> Answer:
    return calibration.edf(dd, *_two_columns("mapping", mapping, "number"))


@KMV_EDF.explain
def _edf_steps(dd: float, mapping: Rows) -> Iterator[Step]:
    distances, pds = _two_columns("mapping", mapping, "number")
    order = np.argsort(distances)
    distances, pds = distances[order], pds[order]
    found = calibration.edf(dd, distances, pds)
    above = int(np.searchsorted(distances, dd))
    if above in (0, distances.size):
        end = min(above, distances.size - 1)
        yield Step("End of the map", "DD beyond which its last PD holds", distances[end])
        yield Step("Expected default frequency", "PD at the end of the map", found)
        return
    share = (dd - distances[above - 1]) / (distances[above] - distances[above - 1])
    yield Step("Point below", "DD1", distances[above - 1])
    yield Step("PD of the point below", "PD1", pds[above - 1])
    yield Step("Point above", "DD2", distances[above])
    yield Step("PD of the point above", "PD2", pds[above])
    yield Step("Share of the way", "w = (DD - DD1)/(DD2 - DD1)", share)
    yield Step("Expected default frequency", "exp[(1 - w) ln PD1 + w ln PD2]", found)


@elementwise(
    "Grade of a default probability on the user's own scale.",
    (0.012, SCALE_EXAMPLE),
    texts={"scale": Text("Two columns, grade and its highest PD, best grade first.", "grid")},
)
def KMV_RATING(pd: Figures, scale: Rows) -> Answer:
    grades, highest = _two_columns("scale", scale, "text")
    beyond = f"pd must be within the scale, which ends at {highest.max(initial=0.0):g}"
    return calibration.rating(pd, grades, highest), [Fault(pd > highest.max(initial=0.0), beyond, value=pd)]


@KMV_RATING.explain
def _rating_steps(pd: float, scale: Rows) -> Iterator[Step]:
    grades, highest = _two_columns("scale", scale, "text")
    grade = calibration.rating(pd, grades, highest)
    place = list(grades).index(grade)
    if place:
        yield Step("PD above", f"highest PD of the grade before, {grades[place - 1]}", highest[place - 1])
    yield Step("PD at most", f"highest PD of grade {grade}", highest[place])
    yield Step("Grade", "the best whose highest PD is not below the PD", grade)
