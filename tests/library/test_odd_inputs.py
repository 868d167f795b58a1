"""Whatever an argument is, the answer is a result or an error of xlkmv that names it."""

from __future__ import annotations

import datetime as dt
import functools
import inspect
import re
import typing
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot

import xlkmv
from xlkmv.errors import InputError, XlkmvError
from xlkmv.kinds import has_kind

ODD = {
    "None": None,
    "a text": "abc",
    "a number as text": "1",
    "no text": "",
    "bytes": b"x",
    "NaN": float("nan"),
    "infinity": float("inf"),
    "negative": -1.0,
    "a percentage": 25.0,
    "huge": 1e300,
    "zero": 0.0,
    "a truth": True,
    "too large to be a float": 10**400,
    "complex": 1 + 2j,
    "an empty list": [],
    "a list of None": [None],
    "a list of texts": ["a"],
    "a ragged list": [[1, 2], [3]],
    "a mapping": {"a": 1},
    "an object": object(),
    "an empty array": np.array([]),
    "five figures": [1.0] * 5,
    "an array of three axes": np.ones((2, 3, 4)),
    "an array of texts": np.array([["x"]]),
    "NA": pd.NA,
    "NaT": pd.NaT,
    "a time": dt.datetime(2020, 1, 1, 12),
    "a timestamp": pd.Timestamp("2020-01-01"),
    "no date": "2020-13-45",
    "a Series of texts": pd.Series(["a", "b"]),
    "a DataFrame": pd.DataFrame({"a": [1]}),
}
DEAL = xlkmv.xingye_yuanrong()
DAY = dt.date(2020, 1, 1)
PARTS = {
    "pool": DEAL.pool,
    "terms": DEAL.terms,
    "notes": DEAL.tranches[0],
    "controls": DEAL.controls,
    "covenant": DEAL.covenants[0],
    "deal": DEAL,
    "scenario": xlkmv.PRESETS[1],
    "class scale": DEAL.terms.class_scale,
    "curve": xlkmv.Curve("base", (DAY,), (0.02,)),
    "record": xlkmv.Record((1.0, 2.0), (3.0, 2.0)),
    "loans": xlkmv.Loans(np.array([12.0]), np.array([0.05])),
    "peers": xlkmv.Peers([1.0] * 5, [1.0] * 5, [0.2] * 5),
    "source": xlkmv.ObligorSource("A", "typed", pd=0.01),
    "peer": xlkmv.PeerFirm("A", "x", 1.0, 0.3, 1.0, 1.0, 1.0),
    "source terms": xlkmv.SourceTerms(),
}


def attempt(call, **arguments):
    try:
        return call(**arguments)
    except XlkmvError as error:
        assert str(error)
    except TypeError as error:  # Python's own
        assert re.search("missing .* argument|unexpected keyword argument", str(error)), error
    return None


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_parts_of_a_deal(part, odd):
    given = {item.name: getattr(part, item.name) for item in fields(part)}
    for name in given:
        attempt(type(part), **given | {name: odd})


ARGUMENTS = {
    "asset_value": 120.0,
    "default_point": 100.0,
    "volatility": 0.25,
    "horizon": 1.0,
    "drift": 0.0,
    "equity": 40.0,
    "debt": 100.0,
    "equity_volatility": 0.4,
    "equity_values": [40.0, 41.0, 39.0, 42.0, 40.0],
    "short_term": 50.0,
    "long_term": 30.0,
    "collections": [10.0, 10.0, 10.0],
    "dues": [8.0, 8.0, 8.0],
    "target_pd": 0.01,
    "times": [1.0, 2.0, 3.0],
    "count": 4,
    "periods_per_year": 4.0,
    "distance": [2.0, 2.0, 2.0],
    "pd": 0.02,
    "pds": [0.02, 0.03],
    "support_pd": 0.001,
    "correlation": 0.2,
    "defaults": 2,
    "obligors": [100, 50],
    "obligor_years": 100,
    "confidence": 0.9,
    "flows": [10.0, 11.0, 9.0, 10.0],
    "levels": [0.99],
    "exposures": [1.0, 2.0],
    "pledge_value": 80.0,
    "claim": 100.0,
    "mean": 0.4,
    "sd": 0.2,
    "sales": 50.0,
    "returns": [[0.1, 0.2], [0.0, 0.1], [0.2, -0.1], [0.1, 0.0], [0.3, 0.2]] * 2,
    "closing": DAY,
    "every": "quarter",
    "earnings": 20.0,
    "peers": PARTS["peers"],
    "ratings": ["A"],
    "scale": [("A", 0.01)],
}
SMALL = xlkmv.deal_from(
    {"name": ["A", "B"], "amount": [60, 40], "pd": [0.02, 0.03], "recovery": [0.4, 0.3], "lag": [1, 1]}
    | {"correlation": [0.2, 0.2]},
    [
        {"name": "S", "rank": 1, "amount": 60, "coupon": 0.04, "payment": "pass-through"},
        {"name": "J", "rank": 2, "amount": 20, "coupon": 0.05, "payment": "pass-through"},
    ],
    closing="2020-01-01",
    schedule={"2020-07-01": [30, 20], "2021-01-01": [30, 20]},
    paths=100,
)
QUICK = SMALL.analyse(quick=True)
DAYS = np.datetime64("2020-01-01") + np.arange(12)
PRICES = [xlkmv.Prices(name, DAYS, 10.0 + np.arange(12) % step) for name, step in (("A", 3), ("B", 6))]
SOURCES = {
    "given_pd": xlkmv.ObligorSource("A", "given", pd=0.01),
    "rated_pd": xlkmv.ObligorSource("A", "rating", rating="A"),
    "observed_pd": xlkmv.ObligorSource("A", "history", defaults=1, obligor_years=100),
    "listed_pd": xlkmv.ObligorSource("A", "listed", equity=40.0, equity_volatility=0.4, short_term=50.0),
    "compared_pd": xlkmv.ObligorSource("A", "comparables", earnings=20.0, short_term=50.0, industry="x"),
    "low_default_pd": xlkmv.ObligorSource("A", "low default", defaults=0, obligor_years=10),
}
FIRMS = [xlkmv.PeerFirm(str(i), "x", 40.0 + i, 0.3, 20.0, 20.0, 10.0) for i in range(6)]
TERMS = xlkmv.SourceTerms([("A", 0.01)], FIRMS, groups=[xlkmv.FewDefaults("low", 100, 1)])
ARGUMENTS |= {
    "deal": SMALL,
    "deals": [SMALL],
    "analysis": QUICK,
    "result": QUICK,
    "models": QUICK.models,
    "plan": xlkmv.apply(SMALL, xlkmv.PRESETS[1]),
    "stress": xlkmv.PRESETS[1],
    "stresses": xlkmv.PRESETS[:2],
    "record": xlkmv.Record((40.0,)),
    "actual": [40.0],
    "target": 0.01,
    "row": SOURCES["given_pd"],
    "rows": [SOURCES["given_pd"]],
    "terms": TERMS,
    "prices": PRICES,
    "notes": SMALL.tranches,
    "pool": SMALL.pool,
    "path": "deal.json",
    "said": xlkmv.to_document(SMALL),
    "quick": True,
    "contributions": False,
    "scenarios": 100,
}
CHOSEN = {
    "most_prudent_pds": {"obligors": [100, 50], "defaults": [1, 1], "correlation": 0.0},
    "correlation_of_returns": {"rows": 2, "terms": None},
    "volatility_from_flows": {"plan": None},
    "pool_from": {"table": SMALL.pool.to_frame(SMALL)},
    "tranches_from": {"table": SMALL.to_frame()},
    "deal_from": {"terms": {}, "dates": SMALL.terms.dates},
    "report": {"html": "memo.html"},
    "waterfall": {"collections": [50.0, 50.0]},
} | {name: {"row": row} for name, row in SOURCES.items()}
PUBLIC = {n: f for n in xlkmv.__all__ if inspect.isfunction(f := getattr(xlkmv, n))}


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_function(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # an odd name of a file may be one
    xlkmv.save(SMALL, "deal.json")
    parameters = inspect.signature(PUBLIC[name]).parameters
    known = ARGUMENTS | CHOSEN.get(name, {})
    given = {key: known[key] for key in parameters if key in known}
    options = given.pop("terms") if name == "deal_from" else {}
    assert PUBLIC[name](**given, **options) is not None  # all that it needs is there
    for key, parameter in parameters.items():
        named = "surprise" if parameter.kind is parameter.VAR_KEYWORD else key
        for odd in ODD.values():
            attempt(PUBLIC[name], **given | {named: odd})
            pyplot.close("all")


# Rows of the pool by arrays, that only the engine asks for.
INNER = ("pick",)
METHODS = {
    f"{type(owner).__name__}.{name}": method
    for owner in (QUICK, PRICES[0], *PARTS.values(), SMALL)  # of several of a kind the last
    for name, method in inspect.getmembers(owner, inspect.isroutine)
    if not name.startswith("_") and name not in INNER
}
ASKED = {  # what else a method cannot do without
    "Deal.analyse": {"quick": True},
    "Deal.expected": {"tranche": SMALL.tranches[0]},
    "Deal.from_frames": {"pool": SMALL.pool, "notes": SMALL.tranches, "closing": DAY},
    "Deal.legal_final": {"tranche": SMALL.tranches[0]},
    "ClassScale.grade": {"pd": 0.01, "years": 1.0},
    "ClassScale.limit": {"grade": DEAL.terms.class_scale.grades[0], "years": 1.0},
    "SourceTerms.distance": {"value": 120.0, "debt": 100.0, "volatility": 0.2, "drift": 0.0},
}


@pytest.mark.parametrize("name", METHODS)
def test_every_public_method(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for key, parameter in inspect.signature(METHODS[name]).parameters.items():
        for odd in ODD.values():
            if parameter.kind is parameter.VAR_POSITIONAL:
                attempt(functools.partial(METHODS[name], odd))
            else:
                named = "surprise" if parameter.kind is parameter.VAR_KEYWORD else key
                attempt(METHODS[name], **ASKED.get(name, {}) | {named: odd})
            pyplot.close("all")


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_functions_of_deals_say_which_argument_is_none(odd):
    for name in ("analyse", "simulate", "kmv_view", "run_scenarios", "reverse_stress", "attribute_controls"):
        with pytest.raises(xlkmv.errors.InputError, match=r"^deal must be a Deal"):
            getattr(xlkmv, name)(odd)
    for name in ("to_frame", "summary", "plot", "pool_from", "tranches_from", "from_document"):
        attempt(lambda name=name: getattr(xlkmv, name)(odd))


@pytest.mark.parametrize("name", PUBLIC)
def test_every_argument_that_is_a_text_or_a_part_of_a_deal_is_checked(name):
    bare = inspect.unwrap(PUBLIC[name])
    hints = typing.get_type_hints(bare, localns={"pandas": pd})
    for argument in inspect.signature(bare).parameters:
        if has_kind(hints[argument]):
            with pytest.raises(InputError, match=rf"^{argument} must "):
                PUBLIC[name](**{argument: object()})


def test_kinds_of_arguments_are_named(tmp_path):
    for call in (xlkmv.load, DEAL.save):
        with pytest.raises(InputError, match=r"^path must not be blank"):
            call(None)
    with pytest.raises(InputError, match=r"^paths must be a number \(got 'many'\)$"):
        xlkmv.simulate(DEAL, paths="many")
    with pytest.raises(InputError, match=r"^tranche 'S' rank must be a number \(got TRUE\)$"):
        xlkmv.Tranche("S", True, 1.0, 0.04, "pass-through")
    with pytest.raises(InputError, match=r"^progress must be a function \(got 1\)$"):
        xlkmv.analyse(DEAL, progress=1)
    with pytest.raises(InputError, match=r"^executor must be a Executor"):
        DEAL.analyse(executor="threads")


def test_slips_of_the_pen_name_field_value_and_rule():
    terms, senior = DEAL.terms, DEAL.tranches[0]
    with pytest.raises(XlkmvError, match=r"tranche 'Senior .*' rank must be a number \(got '1'\)"):
        replace(senior, rank="1")
    with pytest.raises(XlkmvError, match=r"terms volatility must be > 0 and <= 5 .*\(got 25\)"):
        replace(terms, volatility=25)
    with pytest.raises(XlkmvError, match=r"maturity must not be blank.*\(got blank\)"):
        replace(senior, maturity=None)
    with pytest.raises(XlkmvError, match=r"control reserve must be True or False \(got 'no'\)"):
        replace(DEAL.controls, reserve="no")
    with pytest.raises(XlkmvError, match=r"deal tranches must be a Tranche"):
        replace(DEAL, tranches=[{"name": "A"}])
