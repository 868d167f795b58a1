"""Results as pandas frames: one row per class, date, obligor or element, units beside the numbers."""

from __future__ import annotations

import datetime as dt
import functools
import typing
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import singledispatch
from typing import Any

import numpy as np
import pandas as pd

from xlkmv.deal.analysis import HIT, Analysis, model_table
from xlkmv.deal.answers import ClassAnswer, class_answers
from xlkmv.deal.checks import Check
from xlkmv.deal.kmv import KmvView, TrancheView
from xlkmv.deal.paths.measures import Measured, Simulation, TrancheMeasures, TrancheRisk
from xlkmv.deal.plan.covenants import CovenantPath
from xlkmv.deal.plan.waterfall import Waterfall
from xlkmv.deal.questions.attribution import Attribution
from xlkmv.deal.questions.backtest import Measures, PlanBacktest
from xlkmv.deal.questions.breakeven import BreakEven
from xlkmv.deal.questions.compare import Comparison
from xlkmv.deal.questions.conditions import ScenarioResult
from xlkmv.deal.questions.contributions import Contributions, Drivers
from xlkmv.deal.questions.diversification import Diversified
from xlkmv.deal.questions.leaveout import LeftOut
from xlkmv.deal.questions.structure import Answer, Frontier, Structure
from xlkmv.deal.questions.surveillance import Rerating, Surveillance
from xlkmv.deal.questions.uncertainty import ClassUncertainty, Spread, Uncertainty
from xlkmv.deal.standing import ClassToday
from xlkmv.deal.terms import (
    INPUTS,
    LOAN_NUMBERS,
    LOAN_WORDS,
    POOL_NUMBERS,
    POOL_WORDS,
    RANGE_NUMBERS,
    RECOVERY_NUMBERS,
    Covenant,
    Deal,
    Pool,
    Ranges,
    Recoveries,
    Tranche,
)
from xlkmv.errors import InputError
from xlkmv.model.losses import Contributions as LossContributions
from xlkmv.model.losses import LossDistribution, StandardErrors
from xlkmv.model.plan import PlanRisk
from xlkmv.model.private import PrivateFirm
from xlkmv.phrase import Phrase
from xlkmv.shown import Shown

__all__ = ["UNITS", "batch", "to_frame"]

PROBABILITY, SHARE, RATE, MONEY, YEARS = "probability", "share", "per annum", "money", "years"
DISTANCE, RATIO, NUMBER, MONTHS = "standard deviations", "ratio", "number", "months"
# What the figures of a column are, by its name; errors are in the unit of their figure.
UNITS: dict[str, str] = {
    name: unit
    for unit, names in {
        PROBABILITY: "pd anydate_pd kmv simulated mean median low high default_probability pd_at_maturity "
        "anydate_pd_at_maturity in_default short_given on_plan target alone_pd quote_pd without with_all "
        "shapley off_alone on_alone probability anydate_probability first_short probabilities level levels "
        "limit stacked change kmv_change support_pd unadjusted posterior p_value "
        "as_many as_few computed_pd computed_supported_pd computed_simulated shown_pd",
        SHARE: "recovery expected_loss loss_given_default pool_share loss_share largest five_largest "
        "ten_largest share accumulated_ratio closing_weight weight herfindahl industry_herfindahl spread "
        "sale_discount",
        RATE: "volatility drift coupon margin cap floor rate yield_at_par equity_volatility "
        "pledge_volatility pledge_growth",
        MONEY: "amount asset_value asset_values default_point accumulated_in accumulated_due interest_due "
        "interest_paid principal_due principal_paid deferred balance planned expected losses value_at_risk "
        "expected_shortfall pledge size setting expected_paid expected_collections expected_support "
        "collected money_expected money_seen",
        YEARS: "horizon average_life wal times lag",
        DISTANCE: "distance distance_at_maturity distance_to_default distance_low distance_high down up "
        "computed_distance pd_down pd_up expected_loss_down expected_loss_up",
        RATIO: "correlation tie coverage coverage_at_maturity auc accuracy_ratio ks brier",
        MONTHS: "term interest_only age",
        NUMBER: "band rank count obligors effective_number paths seed iterations peers changes "
        "payments_per_year maturity expected_maturity date status log_likelihood defaults_expected "
        "defaults_seen hosmer_lemeshow runs",
    }.items()
    for name in names.split()
}
# Where a name means something else.
AS_ASKED = "as the question says"
_LOSSES = dict.fromkeys(("expected_loss", "unexpected_loss"), MONEY) | {"hit_probability": PROBABILITY}
_OWN_UNITS: dict[type, dict[str, str]] = {
    Answer: dict.fromkeys(("now", "value", "low", "high", "kmv", "setting"), AS_ASKED),
    BreakEven: {"size": "as the stress says"},
    CovenantPath: dict.fromkeys(("values", "headroom", "threshold"), "as the metric says"),
    Covenant: {"threshold": "as the metric says"},
    ClassAnswer: {
        f"{name}_range{error}_{end}": unit
        for name, unit in (("pd", PROBABILITY), ("distance", DISTANCE), ("loss", SHARE))
        for error in ("", "_error")
        for end in ("low", "high")
    },
    Rerating: dict.fromkeys(("low", "high"), RATE) | {"level": SHARE},
    LossContributions: _LOSSES,
    StandardErrors: _LOSSES,
    Measures: dict.fromkeys(("seen", "expected"), NUMBER),
    PlanBacktest: dict.fromkeys(("low", "high"), MONEY),
    Spread: dict.fromkeys(("first", "total"), SHARE),
    Ranges: dict.fromkeys(("low", "high"), "as the input says"),
    Check: dict.fromkeys(("difference", "limit"), "as the check says"),
    PrivateFirm: {
        "multiple": RATIO,
        "multiple_spread": RATIO,
        "volatility_spread": RATIO,
        "size_slope": RATIO,
    },
}
# What stands for a result that has no figures of its own, or too many.
_ROWS: dict[type, str] = {
    Measured: "tranches",
    Simulation: "tranches",
    KmvView: "tranches",
    ScenarioResult: "simulation",
    Contributions: "obligors",
    Structure: "answers",
    Comparison: "steps",
    Uncertainty: "classes",
}
# Which field has the shape of the frame, and what its axes are.
_AXES: dict[type, tuple[str, ...]] = {
    Waterfall: ("balance", "class", "date"),
    Surveillance: ("pd", "class", "date"),
    Drivers: ("loss_share", "name", "class"),
    LeftOut: ("pd", "obligor", "class"),
    Attribution: ("shapley", "control", "class"),
    Frontier: ("pd", "reserve", "size"),
    CovenantPath: ("values", "date"),
    Diversified: ("simulated", "class"),
    PlanRisk: ("pd", "date"),
    LossDistribution: ("levels", "level"),
    PlanBacktest: ("planned", "date"),
    Spread: ("total", "group"),
    Recoveries: ("spread", "obligor"),
}
# Fields that hold positions of payment dates.
_POSITIONS = frozenset(("date", "maturity", "expected_maturity"))
# Results of a class of notes.
_CLASSES = (Tranche, TrancheMeasures, TrancheRisk, TrancheView, ClassAnswer, ClassToday, ClassUncertainty)
# Properties that belong to the row of a result.
_MORE: dict[type, tuple[str, ...]] = {
    TrancheView: (
        "coverage_at_maturity",
        "distance_at_maturity",
        "pd_at_maturity",
        "anydate_pd_at_maturity",
    ),
}


def to_frame(result: Any, deal: Deal | None = None) -> pd.DataFrame:
    """Put deals and results into a frame.

    Parameters
    ----------
    result : Deal, Pool, a result of xlkmv, or a sequence of one kind of them
        An analysis has one row per class, the answers that are quoted; a deal its classes, a pool its
        claims.
    deal : Deal, optional
        Whose classes and dates label the rows, where the result does not know them.

    Returns
    -------
    DataFrame
        ``frame.attrs["units"]`` has the unit of each column.

    Raises
    ------
    InputError
        When there is no frame of it.
    """
    return _frame(result, deal)


@singledispatch
def _frame(result: Any, deal: Deal | None) -> pd.DataFrame:
    raise InputError("result", "must be a deal, a result of xlkmv, or several of one kind", result)


@_frame.register
def _(result: Shown, deal: Deal | None) -> pd.DataFrame:
    if (part := _ROWS.get(type(result))) is not None:
        return to_frame(getattr(result, part), deal)
    return _finished(_table(result, deal), type(result))


@_frame.register
def _(result: Analysis, deal: Deal | None) -> pd.DataFrame:
    frame = to_frame(class_answers(result.deal, result))
    frame.insert(0, "amount", [t.amount for t in result.deal.tranches])
    return _finished(frame, ClassAnswer)


@_frame.register
def _(result: Deal, deal: Deal | None) -> pd.DataFrame:
    return to_frame(result.tranches)


@_frame.register
def _(result: Pool, deal: Deal | None) -> pd.DataFrame:
    columns: dict[str, Any] = {name: getattr(result, name) for name in POOL_NUMBERS}
    if result.count is not None:
        columns["count"] = result.count
    for name in POOL_WORDS:
        if any(getattr(result, name)):
            columns[name] = list(getattr(result, name))
    if result.loans is not None:
        for name in (*LOAN_NUMBERS, *LOAN_WORDS):
            columns[name] = list(getattr(result.loans, name))
    if result.recoveries is not None:
        columns |= {name: getattr(result.recoveries, name) for name in RECOVERY_NUMBERS}
    dates = _dates(deal, result.schedule.shape[1])
    if result.loans is None or not result.loans.given.all():
        columns |= dict(zip(dates, result.schedule.T, strict=True))
    return _finished(pd.DataFrame(columns, index=pd.Index(result.name, name="name")))


@_frame.register
def _(result: Ranges, deal: Deal | None) -> pd.DataFrame:
    given: dict[str, Sequence[float]] = {
        name: result.said(name) for name in INPUTS if getattr(result, name) is not None
    }
    columns = [x for name in RANGE_NUMBERS if (x := getattr(result, name)) is not None]
    count = columns[0].size if columns else 0
    names = range(1, count + 1) if deal is None else deal.pool.name
    for name, *said in zip(names, *result.obligors(count), strict=True):
        if not np.isnan(said).all():
            given[f"pd of {name}"] = said
    headings = ["low", "high", "standard error"]
    frame = pd.DataFrame(list(given.values()), pd.Index(given, name="input"), headings, float)
    return _finished(frame, Ranges)


@_frame.register(dict)
def _(result: Mapping[str, Any], deal: Deal | None) -> pd.DataFrame:
    frame = model_table(result)
    units = dict.fromkeys(frame.select_dtypes("number"), MONEY) | {HIT: PROBABILITY}
    frame.attrs["units"] = units
    return frame.rename_axis("model")


@_frame.register(tuple)
@_frame.register(list)
def _(result: Sequence[Any], deal: Deal | None) -> pd.DataFrame:
    if not result:
        return pd.DataFrame()
    if any(not isinstance(item, Shown) for item in result):
        raise InputError("result", "must hold deals or results of xlkmv", result[0])
    if not any(type(item) in {*_ROWS, *_AXES} for item in result):  # a row each
        frame = pd.DataFrame([_scalars(item) for item in result])
        if deal is not None:
            for name in _POSITIONS.intersection(frame):
                frame[name] = _days(deal, frame[name])
        named = next((name for name in ("name", "label", "column") if name in frame), None)
        if named:
            frame = frame.set_index(named).rename_axis("class" if type(result[0]) in _CLASSES else named)
        return _finished(frame, type(result[0]))
    labels = [_label(item, row) for row, item in enumerate(result)]
    frames = [to_frame(item, deal) for item in result]
    return _finished(
        pd.concat(frames, keys=labels, names=["condition", *frames[0].index.names]), type(result[0])
    )


def batch(deals: Mapping[str, Deal] | Iterable[Deal], **options: Any) -> pd.DataFrame:
    """Analyse many deals, and put their answers into one frame.

    Parameters
    ----------
    deals : mapping of str to Deal, or iterable of Deal
    **options
        Of :func:`~xlkmv.library.files.analyse`, such as ``quick=True``.

    Returns
    -------
    DataFrame
        One row per deal and class: those of ``analysis.to_frame()``.

    Raises
    ------
    InputError
        When there is no deal.
    """
    if isinstance(deals, Mapping):
        named = list(deals.items())
    else:
        named = [(getattr(deal, "title", "") or row, deal) for row, deal in enumerate(deals, 1)]
    if not named:
        raise InputError("deals", "must be at least one deal")
    for _, deal in named:
        if not isinstance(deal, Deal):
            raise InputError("deals", "must be deals, such as xlkmv.load gives", deal)
    frames = [deal.analyse(**options).to_frame() for _, deal in named]
    return _finished(pd.concat(frames, keys=[name for name, _ in named], names=["deal", "class"]))


def _finished(frame: pd.DataFrame, kind: type = object) -> pd.DataFrame:
    """Say the unit of each column that holds figures."""
    units = UNITS | _OWN_UNITS.get(kind, {})
    found: dict[Any, str] = {}
    for name, column in frame.items():
        if _holds_dates(column):
            frame[name] = pd.to_datetime(column)
        elif not isinstance(name, str):  # a payment date
            found[name] = MONEY
        elif pd.api.types.is_numeric_dtype(column) and column.dtype != bool:
            found[name] = units.get(name.removesuffix("_error"), "")
    frame.attrs["units"] = {name: unit for name, unit in found.items() if unit}
    return frame


def _holds_dates(column: pd.Series) -> bool:
    known = column[column.notna()]
    return column.dtype == object and len(known) > 0 and all(isinstance(x, dt.date) for x in known)


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, (str, bool, int, float, dt.date, np.generic))


def _scalars(item: Shown) -> dict[str, Any]:
    """Figures and words of a result; those of a part of it with its name before theirs."""
    if isinstance(item, ClassUncertainty):
        return _ends(item)
    found: dict[str, Any] = {}
    kind: type = type(item)
    for field in fields(item):  # type: ignore[arg-type]  # every class that is shown is a dataclass
        value = getattr(item, field.name)
        if field.name.startswith("_"):
            continue
        part = _part(kind, field.name)
        if part is tuple:
            found |= zip((f"{field.name}_low", f"{field.name}_high"), value or (np.nan, np.nan), strict=True)
        elif value is None and part is not None:
            found |= {f"{field.name}_{f.name}": "" if f.type == "str" else np.nan for f in fields(part)}
        elif _is_scalar(value):
            found[field.name] = value
        elif np.shape(value) == () and hasattr(value, "item"):
            found[field.name] = value.item()
        elif is_dataclass(value) and all(_is_scalar(getattr(value, f.name)) for f in fields(value)):
            found |= {f"{field.name}_{f.name}": getattr(value, f.name) for f in fields(value)}
    return found | {name: getattr(item, name) for name in _MORE.get(type(item), ())}


@functools.cache
def _part(kind: type, name: str) -> Any:
    """What a field of a result holds besides figures and words, or may: a pair of ends, a dataclass."""
    annotation = typing.get_type_hints(kind)[name]
    for hint in (annotation, *typing.get_args(annotation)):
        if hint == tuple[float, float]:
            return tuple
        if is_dataclass(hint):
            return hint
    return None


def _ends(item: ClassUncertainty) -> dict[str, Any]:
    """How far the figures of a class reach: what its parts say, an end or its standard error a column."""
    parts = {"pd": item.pd, "expected_loss": item.expected_loss}
    return {
        "name": item.name,
        "simulated": item.simulated,
        **{
            f"{name}_{end}": np.nan if part is None else getattr(part, end)
            for name, part in parts.items()
            for end in ("down", "up", "down_error", "up_error")
        },
        **dict(zip(("distance_low", "distance_high"), item.distance, strict=True)),
    }


def _table(result: Shown, deal: Deal | None) -> pd.DataFrame:
    """Arrays of one shape as columns; a result without arrays is one row."""
    names = [f.name for f in fields(result) if not f.name.startswith("_")]  # type: ignore[arg-type]  # as above
    arrays = {n: getattr(result, n) for n in names if isinstance(getattr(result, n), (np.ndarray, pd.Series))}
    arrays = {name: x for name, x in arrays.items() if x.ndim}
    leading, *axes = _AXES.get(type(result), ("",))
    shapes = Counter(x.shape for x in arrays.values())
    if not shapes:
        return pd.DataFrame([_scalars(result)])
    shape = np.shape(getattr(result, leading)) if leading else shapes.most_common(1)[0][0]
    if len(axes) not in (0, len(shape)):
        rule = Phrase(
            "has one more axis than a frame of {axes}: take one path of it", axes=" and ".join(axes)
        )
        raise InputError(type(result).__name__, rule, f"shape {shape}")
    columns = {name: np.ravel(x) for name, x in arrays.items() if x.shape == shape}
    series = next((x for x in arrays.values() if isinstance(x, pd.Series)), None)
    if series is not None:
        index = series.index
    elif not axes:
        index = pd.RangeIndex(int(np.prod(shape)))
    else:
        labels = [_labels(result, axis, size, deal) for axis, size in zip(axes, shape, strict=True)]
        index = (
            pd.MultiIndex.from_product(labels, names=axes)
            if len(axes) > 1
            else pd.Index(*labels, name=axes[0])
        )
        columns.pop(axes[0], None)
    return pd.DataFrame(columns, index=index)


def _labels(result: Any, axis: str, size: int, deal: Deal | None) -> Sequence[Any]:
    """What stands for the rows along an axis: what the result knows, what the deal says, or 1, 2, 3."""
    own = {"name": "name", "control": "controls", "reserve": "reserve", "size": "size", "level": "levels"}
    if axis in own:
        return list(getattr(result, own[axis]))
    if deal is not None and axis == "class" and len(deal.tranches) == size:
        return [t.name for t in deal.tranches]
    if deal is not None and axis == "obligor" and len(deal.pool.name) == size:
        return deal.pool.name
    if axis == "date":
        return _dates(deal, size, isinstance(result, Surveillance))
    return range(1, size + 1)


def _dates(deal: Deal | None, size: int, since_closing: bool = False) -> Sequence[Any]:
    """Payment dates, or closing and the first of them."""
    if deal is None:
        return range(size) if since_closing else range(1, size + 1)
    days = deal.terms.dates
    return list(pd.DatetimeIndex((deal.terms.closing, *days)[:size] if since_closing else days[:size]))


def _days(deal: Deal, positions: pd.Series) -> pd.Series:
    """Payment dates by their positions; other figures stay as they are."""
    if not pd.api.types.is_numeric_dtype(positions):
        return positions
    days = pd.Series(pd.DatetimeIndex(deal.terms.dates))
    return positions.map(days)  # NaN, no date, is NaT


def _label(item: Any, row: int) -> str:
    stress = getattr(item, "stress", None)
    named = getattr(item, "label", None) or getattr(item, "name", None)
    return stress.name if stress is not None else named if isinstance(named, str) else str(row + 1)
