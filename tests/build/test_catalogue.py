"""Catalogues are complete, and what is shipped is what their sources compile to."""

from __future__ import annotations

import ast
import gettext
import io
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlkmv.build import catalogue
from xlkmv.build.catalogue import compiled, parse, po_file, texts, written
from xlkmv.deal.examples import EXAMPLES, example
from xlkmv.deal.questions.diversification import Otherwise, _variants
from xlkmv.deal.reading import ALARMS, alarming
from xlkmv.language import ENGLISH, LANGUAGES
from xlkmv.language import catalogue as catalogue_of
from xlkmv.phrase import parts
from xlkmv.workbook.layout import QUICK

OTHERS = [key for key in LANGUAGES if key != ENGLISH]


@pytest.mark.parametrize("language", OTHERS)
def test_no_text_is_missing_and_none_is_left_over(language):
    found = parse(po_file(language).read_text(encoding="utf-8"))
    assert [text for text in texts() if not found.get(text)] == []
    assert set(found) == {"", *texts()}


@pytest.mark.parametrize("language", OTHERS)
def test_the_shipped_catalogue_is_what_its_source_compiles_to(language):
    path = po_file(language)
    text = path.read_text(encoding="utf-8")
    assert written(language, parse(text)) == text
    assert path.with_suffix(".mo").read_bytes() == compiled(parse(text))


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_fills_in_what_its_text_does(language):
    def fields(text: str) -> list[tuple[str, str]]:
        return sorted(
            (name, shown) for _, name, shown, _ in string.Formatter().parse(text) if name is not None
        )

    for text, said in parse(po_file(language).read_text(encoding="utf-8")).items():
        if text:
            assert fields(said) == fields(text), text


def test_the_texts_of_the_memo_are_among_those_to_translate():
    assert {"The deal", "Who drives the risk of {name}", "Shortfall undertaking", "PD x 2"} <= {*texts()}


def test_the_texts_of_the_workbook_are_among_those_to_translate():
    known = {*texts()}
    assert {"{who} misses at: {sizes}.", "bound: {short} of {paths:,} paths", "Limits of {name}"} <= known
    assert {"It is off in this deal already.", "Coverage of {name}", "Worst stress", *ALARMS} <= known


@pytest.mark.parametrize("language", OTHERS)
def test_what_has_to_be_seen_begins_alike_in_every_language(language):
    """The workbook shows in red what begins with the translation of an alarm."""
    say = catalogue_of(language).gettext
    alarms = [text for text in texts() if alarming(text) and text not in ALARMS]
    assert len(alarms) >= len(ALARMS)
    for word in ("stale", "not solved", QUICK):
        begun = [text for text in texts() if text.startswith(word) and text != word]
        assert begun and all(say(text).startswith(say(word)) for text in begun), word
    for text in alarms:
        (word,) = [word for word in ALARMS if text.startswith(word)]
        assert say(text).startswith(say(word)), text


def test_every_way_to_spread_a_pool_has_a_name_to_translate():
    found = {label for key in EXAMPLES for label, _ in _variants(example(key).deal, Otherwise((0.1,)))}
    assert len(found) >= 4
    assert {pattern for label in found for pattern in parts(label)} - {*texts()} == set()


TEXT = st.text(st.characters(exclude_characters="\0\x04\r", exclude_categories=["Cs"]), min_size=1)


@given(st.dictionaries(TEXT, TEXT))
def test_gettext_reads_what_is_compiled(entries):
    head = {"": "Content-Type: text/plain; charset=UTF-8\n"}
    found = gettext.GNUTranslations(io.BytesIO(compiled(head | entries)))
    assert {text: found.gettext(text) for text in entries} == entries


@given(st.dictionaries(TEXT, TEXT))
def test_a_source_is_read_as_it_was_written(entries):
    lines = [f"msgid {catalogue._quoted(a)}\nmsgstr {catalogue._quoted(b)}\n" for a, b in entries.items()]
    assert parse("\n".join(lines)) == entries


def test_a_text_may_run_over_several_lines():
    assert parse('msgid ""\n"one "\n"two"\nmsgstr "eins "\n"zwei\\n"\n') == {"one two": "eins zwei\n"}


@pytest.mark.parametrize("path", catalogue._modules(), ids=lambda path: path.stem)
def test_no_sentence_is_put_together_before_it_can_be_said_in_another_language(path):
    for call in (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)):
        if isinstance(call.func, ast.Name) and call.func.id in catalogue.MARKS:
            place = catalogue.MARKS[call.func.id]
            for text in call.args[place : place + 1]:
                assert not isinstance(text, ast.JoinedStr | ast.BinOp), ast.unparse(call)
