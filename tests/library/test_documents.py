"""Deals as documents: nothing lost, nothing wrong taken, and a schema that is the classes'."""

from __future__ import annotations

import copy
import datetime as dt
import inspect
import itertools
import json
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "deal"))

from drawn import deals
from hypothesis import given, settings
from hypothesis import strategies as st

import xlkmv
from xlkmv.deal.examples import EXAMPLES, example
from xlkmv.deal.terms import Ranges, Recoveries
from xlkmv.errors import BookError, InputError
from xlkmv.workbook import layout

ROOT = Path(__file__).resolve().parents[2]


ENDS = ["json", "yaml", "xlsm", "xlsx"]


def full():
    """A deal that says something in every column of a claim, and how well its inputs are known."""
    dates = xlkmv.payment_dates(dt.date(2025, 1, 31), "quarter", 8)
    nan = np.nan
    pool = xlkmv.Pool(
        ("Dated", "Pledged", "Spread", "Rate"),
        np.array([100.0, 200.0, 300.0, 70.0]) / 3,
        np.array([np.full(8, 13.1), np.zeros(8), np.zeros(8), np.zeros(8)]),
        np.array([0.01, 0.02, 0.03, 0.04]),
        np.array([0.4, 0.9, 0.35, 0.5]),  # beside a pledge it says nothing
        np.array([1.0, 0.5, 2.0, 1.0]),
        np.array([0.1, 0.2, 0.3, 0.15]),
        industry=("Trade", "", "Housing", "Trade"),
        count=np.array([1.0, 1.0, 7.0, 2.0]),
        loans=xlkmv.Loans(
            np.array([nan, 24.0, 24.0, 12.0]),
            np.array([0.0, 0.05, 0.0, 0.07]),
            ("annuity", "interest-only", "bullet", "linear"),
            interest_only=np.array([0.0, 6.0, 0.0, 0.0]),
            first=(None, dt.date(2025, 3, 1), None, None),
            payments_per_year=np.array([12.0, 12.0, 4.0, 12.0]),
            age=np.array([0.0, 3.0, 0.0, 9.0]),
            base=("", "", "Index", ""),
            margin=np.array([0.0, 0.0, 0.01, 0.0]),
        ),
        status=("", "late", "defaulted", ""),
        since=(None, dt.date(2025, 2, 1), dt.date(2025, 3, 1), None),
        recoveries=Recoveries(
            spread=np.array([0.0, 0.0, 0.25, 0.0]),
            pledge=np.array([nan, 150.0 / 7.0, nan, nan]),
            pledge_volatility=np.array([0.0, 0.2, 0.0, 0.0]),
            pledge_growth=np.array([0.0, -0.05, 0.0, 0.0]),
            sale_discount=np.array([0.0, 0.1, 0.0, 0.0]),
            tie=np.array([0.0, 0.4, -0.3, 0.0]),
        ),
    )
    return xlkmv.DealFile(
        pool,
        (
            xlkmv.Tranche("A", 1, 120.0, 0.03, "pass-through"),
            xlkmv.Tranche("B", 2, 60.0, 0.0, "pass-through"),
        ),
        xlkmv.Terms(dt.date(2025, 1, 31), dates, curves=(xlkmv.Curve("Index", dates[:1], (0.03,)),)),
        title="Everything",
        ranges=Ranges(
            pd=(0.015, 0.06),
            recovery=(0.2, 0.6),
            correlation=0.05,
            pd_low=np.array([nan, 0.01, 0.03, nan]),
            pd_high=np.array([nan, 0.05, 1.0 / 30.0, nan]),
            pd_error=np.array([0.002, nan, nan, nan]),
        ),
        otherwise=xlkmv.Otherwise((0.3, 1.0 / 7.0), (3,), None),
    )


@pytest.mark.parametrize("end", ENDS)
def test_what_is_drawn_and_how_well_it_is_known_comes_back(end, tmp_path):
    deal = full()
    deal.save(tmp_path / f"deal.{end}")
    again = xlkmv.load(tmp_path / f"deal.{end}")
    assert again == deal


@pytest.mark.parametrize("end", ENDS)
def test_what_sources_say_of_ranges_comes_back(end, tmp_path):
    deal, nan = full(), np.nan
    said = {
        "pd_median": [nan, 0.02, nan, nan],
        "pd_shared": [nan, 0.2, 0.0, nan],
        "pd_group": [nan, 1, 2, nan],
    }
    deal = replace(deal, ranges=replace(deal.ranges, **said))
    deal.save(tmp_path / f"deal.{end}")
    assert xlkmv.load(tmp_path / f"deal.{end}") == deal


@pytest.mark.parametrize(
    "change",
    [
        {"pd": (0.015, 0.07)},
        {"drift": (-0.1, 0.1)},
        {"pd_low": None},
        {"correlation": 0.06},
        {"pd_error": None},
    ],
)
def test_deals_differ_by_their_ranges(change):
    deal = full()
    assert deal == full() and hash(deal) == hash(full())
    assert replace(deal, ranges=replace(deal.ranges, **change)) != deal


def test_every_field_of_a_pool_has_a_place_in_document_workbook_and_frame():
    """But what is worked out from loan terms, which files refuse."""
    deal, names = full(), set()
    for item in fields(xlkmv.Pool):
        part = getattr(deal.pool, item.name)
        names |= {f.name for f in fields(part)} if item.name in ("loans", "recoveries") else {item.name}
    names -= {"interest", "balance", "claim"}
    ends = {"pd_low", "pd_high", "pd_error"}
    rows = xlkmv.to_document(deal)["pool"]
    assert set().union(*rows) == names | ends
    ends |= {"pd_median", "pd_shared", "pd_group"}
    assert set(xlkmv.schema()["properties"]["pool"]["items"]["properties"]) == names | ends
    columns = {c.field for spec in (layout.POOL, layout.RECOVERY) for c in spec.inputs}
    assert columns >= (names - {"schedule"}) | ends
    frame = deal.pool.to_frame(deal)
    plain = {name for name in frame.columns if isinstance(name, str)} | {frame.index.name}
    assert plain == names - {"schedule"} and len(frame.columns) == len(plain) - 1 + len(deal.terms.dates)
    assert xlkmv.Pool.from_frame(frame, dates=deal.terms.dates) == deal.pool


@pytest.mark.parametrize("end", ["json", "xlsm"])
def test_ranges_that_do_not_fit_the_pool_are_not_written(end, tmp_path):
    deal, path = full(), tmp_path / f"deal.{end}"
    with pytest.raises(InputError, match=r"^pd low must have one value per obligor \(4\)"):
        replace(deal, ranges=Ranges(pd_low=[0.01], pd_high=[0.02])).save(path)
    far = Ranges(pd_low=np.full(4, 0.02), pd_high=np.full(4, 0.05))
    with pytest.raises(InputError, match=r"^pool 'Dated' pd low must not be above the figure itself"):
        replace(deal, ranges=far).save(path)
    assert not path.exists()


def said():
    return copy.deepcopy(xlkmv.to_document(xlkmv.xingye_yuanrong()))


@pytest.mark.parametrize("key", EXAMPLES)
@pytest.mark.parametrize("end", ENDS)
def test_examples_come_back_as_they_were(key, end, tmp_path):
    shipped = example(key)
    deal = xlkmv.DealFile(
        *(getattr(shipped.deal, name) for name in shipped.deal.__dataclass_fields__),
        title=shipped.title,
        actual=xlkmv.Record(shipped.actual),
        ranges=shipped.ranges,
    )
    deal.save(tmp_path / f"deal.{end}")
    assert xlkmv.load(tmp_path / f"deal.{end}") == deal


ASKED = st.builds(
    xlkmv.Otherwise,
    st.lists(st.floats(0.0, 1.0, exclude_min=True), max_size=5).map(tuple),
    st.lists(st.integers(2, 1000), max_size=3).map(tuple),
    st.none() | st.floats(0.0, 1.0),
)


@settings(max_examples=40, deadline=None)
@given(deals(), ASKED)
def test_any_deal_comes_back_as_it_was(deal, asked):
    parts = {item.name: getattr(deal, item.name) for item in fields(xlkmv.Deal)}
    deal = xlkmv.DealFile(**parts, otherwise=asked)
    again = xlkmv.from_document(json.loads(json.dumps(xlkmv.to_document(deal))))
    for name in ("pool", "tranches", "terms", "controls", "covenants", "otherwise"):
        assert getattr(again, name) == getattr(deal, name), name


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(
    "asked",
    [
        xlkmv.Otherwise((), (), None),
        xlkmv.Otherwise((), (), 0.25),
        xlkmv.Otherwise((0.5, 0.4, 0.3, 0.2, 0.1, 0.05), (2, 1000), 0.0),
    ],
    ids=lambda asked: f"{len(asked.caps)} caps, {asked.between}",
)
def test_other_ways_to_spread_the_pool_come_back_however_many(asked, end, tmp_path):
    deal = replace(full(), otherwise=asked)
    deal.save(tmp_path / f"deal.{end}")
    assert xlkmv.load(tmp_path / f"deal.{end}") == deal != full()


def broken(path, value):
    document = said()
    place = document
    for key in path[:-1]:
        place = place[key]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("tranches", 0, "cupon"), 0.04, r"^tranches\[0\] cupon is no field; did you mean 'coupon'\?"),
        (("tranches", 1, "rank"), "2", r"^tranches\[1\] rank must be a whole number \(got '2'\)"),
        (("tranches", 1, "rank"), 1, r"tranche 'Subordinate \(次级\)' rank is there twice"),
        (
            ("tranches", 1, "coupon"),
            4.0,
            r"^tranches\[1\]: .* coupon must be between 0 and 1 .*",
        ),
        (("tranches", 1, "amount"), ..., r"^tranches\[1\] amount must not be missing"),
        (("pool", 3, "pd"), None, r"^pool\[3\] pd must be a number \(got blank\)"),
        (("pool", 3, "pd"), 1.2, r"^pool 'Vtron Group \(威创集团\)' pd must be >= 0 and < 1"),
        (("pool", 3, "pd_low"), 0.001, r"pool 'Vtron Group \(威创集团\)' pd high must not be blank"),
        (("pool", 3, "pd_low"), "low", r"^pool\[3\] pd_low must be a number"),
        (("pool", 3, "spread"), 0.4999, r"pool 'Vtron Group \(威创集团\)' spread must be below"),
        (("pool", 3, "name"), ..., r"name 4 must not be blank"),
        (("pool", 0, "schedule"), {"2020-01-01": 5.0}, r"^schedule must have payment dates only"),
        (("pool",), {}, r"^pool must be a list"),
        (("terms", "dates"), "2020-01-01", r"^terms dates must be a list"),
        (("terms", "dates", 0), "soon", r"terms dates must be a date, such as 2025-01-15 \(got 'soon'\)"),
        (("terms", "seed"), True, r"^terms seed must be a whole number \(got TRUE\)"),
        (("terms", "curves"), [{"name": "base"}], r"^terms curves\[0\] dates must not be missing"),
        (("conditions", 1, "name"), 7, r"^conditions\[1\] name must be a text \(got 7\)"),
        (("terms",), ..., r"^document terms must not be missing"),
        (("otherwise",), {"caps": [5.0]}, r"otherwise cap must be > 0 and <= 1 .* \(got 5\)"),
        (("otherwise",), {"times": 2}, r"^otherwise times must be a list"),
        (("otherwise",), {"times": ["2"]}, r"^otherwise times\[0\] must be a whole number"),
        (("otherwise",), {"cap": [0.1]}, r"^otherwise cap is no field; did you mean 'caps'\?"),
        (("format",), "xlkmv deal 2", r"^document format must be 'xlkmv deal 1'"),
        (("notes",), [], r"^document notes is no field"),
    ],
    ids=lambda x: ".".join(map(str, x)) if isinstance(x, tuple) else None,
)
def test_what_is_wrong_is_named_with_its_place(path, value, message):
    with pytest.raises(InputError, match=message):
        xlkmv.from_document(broken(path, value))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", '{"pool": [', "is no JSON: .*, line 1"),
        ("a.yaml", "pool: [", "is no YAML: .*, line"),
        ("a.yaml", "!!python/object:os.system []", "is no YAML: could not determine a constructor"),
        ("a.json", b"\xff\xfe\x00", "is no text in UTF-8"),
    ],
)
def test_what_is_no_document_is_one_sentence(name, text, message, tmp_path):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(BookError, match=message):
        xlkmv.load(path)


def test_files_are_told_by_their_ends(tmp_path):
    with pytest.raises(InputError, match=r"file must end in one of: \.xlsm, \.xlsx, \.json, \.yaml, \.yml"):
        xlkmv.load(tmp_path / "deal.csv")
    with pytest.raises(BookError, match="cannot read"):
        xlkmv.load(tmp_path / "none.json")


def test_the_schema_is_the_one_that_is_kept():
    kept = (ROOT / "docs" / "deal.schema.json").read_text(encoding="utf-8")
    made = json.dumps(xlkmv.schema(), ensure_ascii=False, indent=1) + "\n"
    assert kept == made, "run  python -m xlkmv.library.documents docs/deal.schema.json"


def test_the_schema_knows_every_field_and_its_rules():
    schema = xlkmv.schema()
    notes = schema["$defs"]["Tranche"]
    assert set(notes["properties"]) == set(xlkmv.Tranche.__dataclass_fields__)
    assert notes["properties"]["coupon"] | {"description": ""} == {
        "type": "number",
        "minimum": 0.0,
        "maximum": 1.0,
        "description": "",
    }
    assert "residual" in notes["properties"]["coupon"]["description"]
    assert "pass-through" in notes["properties"]["payment"]["enum"]
    assert schema["required"] == ["pool", "tranches", "terms"]
    document = said()
    assert set(document) <= set(schema["properties"])
    assert set(document["pool"][0]) <= set(schema["properties"]["pool"]["items"]["properties"])


def test_paths_that_begin_later_have_no_place_in_a_file(tmp_path):
    deal = xlkmv.xingye_yuanrong()
    today = xlkmv.from_today(deal, xlkmv.Record(tuple(deal.pool.collections[:3])))
    with pytest.raises(InputError, match="deal must be as at closing"):
        today.save(tmp_path / "deal.json")


def test_the_method_of_a_deal_hands_everything_on(monkeypatch):
    monkeypatch.setattr(xlkmv, "analyse", lambda *given, **named: (given, named))
    deal = xlkmv.xingye_yuanrong()
    names = [*inspect.signature(deal.analyse).parameters]
    first, named = names[:2], dict(zip(names[2:], itertools.count(), strict=False))
    assert named.keys() == {"actual", "ranges", "otherwise", "executor", "quick"}
    assert deal.analyse(*first, **named) == ((deal, *first), named)


def test_what_a_file_says_besides_the_deal_is_analysed_unless_another_is_given():
    deal = full()
    mine, record = (xlkmv.Stress("Base"), xlkmv.Stress("Worse", pd_multiplier=3.0)), (deal.pool.amount[0],)
    terms = replace(deal.terms, paths=200)
    deal = replace(deal, terms=terms, conditions=mine, actual=xlkmv.Record(record))
    found = xlkmv.analyse(deal)
    assert found.deal is deal and [s.stress for s in found.simulated] == list(mine)
    assert len(found.backtest.collected) == 1 and found.simulated_now is not None
    assert found.uncertainty.groups == ("pd", "recovery", "correlation", "obligors")
    assert (
        len(found.diversification) == 1 + 2
    )  # the pool, the cap below its largest share, three times as many
    bare = xlkmv.analyse(
        deal, stresses=mine[:1], actual=(), ranges=Ranges(), otherwise=xlkmv.Otherwise((), (2,), None)
    )
    assert len(bare.diversification) == 1 + 1
    assert len(bare.scenarios) == 1 and len(bare.backtest.collected) == 0 and bare.uncertainty is None
    plain = xlkmv.Deal(deal.pool, deal.tranches, terms)
    assert len(xlkmv.analyse(plain, quick=True).scenarios) == len(xlkmv.PRESETS)


def test_conditions_and_record_are_part_of_the_file(tmp_path):
    deal = xlkmv.xingye_yuanrong()
    mine = (xlkmv.Stress("Base"), xlkmv.Stress("Worse", pd_multiplier=3.0, controls_off="support"))
    record = xlkmv.Record(tuple(deal.pool.collections[:2]), balance=(2.8e8, None))
    kept = replace(xlkmv.DealFile(deal.pool, deal.tranches, deal.terms), conditions=mine, actual=record)
    kept.save(tmp_path / "deal.xlsm")
    again = xlkmv.load(tmp_path / "deal.xlsm")
    assert again.conditions == mine and again.actual == record
