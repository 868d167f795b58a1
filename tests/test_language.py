"""Every language says everything."""

from __future__ import annotations

import copy
import gettext
import pickle
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlkmv.build.catalogue import parse, po_file
from xlkmv.errors import InputError
from xlkmv.language import ENGLISH, LANGUAGES, catalogue, retold
from xlkmv.phrase import LIST, Phrase, joined, said


def test_english_is_what_the_sources_say():
    assert catalogue(ENGLISH).gettext("Assumptions") == "Assumptions"


def test_an_unknown_language_is_refused_with_those_that_are_known():
    with pytest.raises(InputError, match=r"language must be one of: en .*zh.* \(got 'de'\)"):
        catalogue("de")


@pytest.mark.parametrize("language", [key for key in LANGUAGES if key != ENGLISH])
def test_a_catalogue_says_for_what_language_it_is(language):
    found = catalogue(language)
    assert isinstance(found, gettext.GNUTranslations)
    assert found.info()["language"] == language


# ------------------------------------------------------------------------------ saved texts

TRANSLATED = parse(po_file("zh").read_text(encoding="utf-8"))
FIGURES = st.floats(0.001, 9e5)
NAMES = ("Senior (优先级)", "Loan 7, GmbH", "甲")


@st.composite
def filled_in(draw: st.DrawFn, pattern: str) -> Phrase:
    """A text of the catalogue with figures where it formats them, else names and words of the product."""
    values = {}
    for _, field, spec, _ in string.Formatter().parse(pattern):
        if field is not None:
            text = st.sampled_from(NAMES) | st.sampled_from((Phrase("Reserve account"), Phrase("simulated")))
            if ", " not in pattern:  # which would not tell where the list ends
                text |= st.lists(st.sampled_from(NAMES), min_size=2, max_size=3).map(
                    lambda x: joined(x, LIST)
                )
            values[field] = draw(FIGURES if spec else text)
    return Phrase(pattern, **values)


def is_sentence(pattern: str) -> bool:
    """Whether a text says something by itself, and its values can be told from one another."""
    pieces = list(string.Formatter().parse(pattern))
    words = "".join(literal for literal, *_ in pieces)
    between = [literal for literal, field, *_ in pieces[1:] if field is not None]
    fields = [field for _, field, *_ in pieces if field is not None]
    plain = all(field.isidentifier() for field in fields) and all(quoted is None for *_, quoted in pieces)
    return len(words) > 12 and bool(fields) and plain and all(map(str.strip, between))


# Errors, which no workbook keeps, that read as another text with this in it.
ALIKE = ("(got within", "it has no table")
SENTENCES = [x for x in TRANSLATED if is_sentence(x) and not any(y in x for y in ALIKE)]


@settings(deadline=None)  # whoever comes first makes the patterns
@given(st.data())
def test_a_saved_text_is_told_in_chinese_as_it_would_have_been_said(data):
    text = data.draw(filled_in(data.draw(st.sampled_from(SENTENCES))))
    assert retold(str(text), ENGLISH, "zh", NAMES) == said(text, catalogue("zh").gettext)


def test_every_text_without_figures_is_told_as_the_catalogue_has_it():
    for english, chinese in TRANSLATED.items():
        assert not english or retold(english, ENGLISH, "zh") == chinese


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        (
            "A loses principal on 1.44% of the paths (expected loss 0.78%); PD to quote 1.44% (simulated).",
            "A：1.44% 的路径损失本金（预期损失 0.78%）；采用的违约概率 1.44%（模拟）。",
        ),
        ("bound: none of 100,000 paths", "上限：100,000 条路径中无一不足"),
        ("PD of all obligors together (51%)", "全体债务人违约概率（51%）"),
        ("must be between 6.352e+05 (1 / obligors) and 1", "须在 6.352e+05（1 / 债务人数）与 1 之间"),
        # Nothing that a catalogue has: a name is not touched, its comma and brackets neither.
        ("Medical, Inc (华银医学)", "Medical, Inc (华银医学)"),
        ("", ""),
    ],
)
def test_a_saved_text_changes_its_language(english, chinese):
    assert retold(english, ENGLISH, "zh") == chinese
    assert retold(chinese, "zh", ENGLISH).casefold() == english.casefold()
    assert retold(english, ENGLISH, ENGLISH) == english


def test_names_stay_as_they_are_within_a_sentence():
    text = "Any-date PD of {name} - nothing has come in yet"
    told = retold(text.format(name="Recovery, Pledge"), ENGLISH, "zh", ["Recovery, Pledge"])
    assert "Recovery, Pledge" in told and "尚无回款" in told


def test_lists_of_names_are_told_with_the_comma_of_the_language():
    text = Phrase(
        "Short in the KMV view alone, which counts what is due ahead of the class and no reserve: {names}.",
        names=joined(["Class A", "B", "C+"], LIST),
    )
    names = ["Class A", "B", "C+", "D"]
    chinese = said(text, catalogue("zh").gettext)
    assert "Class A、B、C+" in chinese
    assert retold(str(text), ENGLISH, "zh", names) == chinese
    assert retold(chinese, "zh", ENGLISH, names) == text
    # Not where it is a part of a word, nor what nobody named.
    assert retold("B, Cat", ENGLISH, "zh", ["B", "C"]) == "B, Cat"
    assert retold("B, C", ENGLISH, "zh", ["B"]) == "B, C"


def test_a_name_beside_chinese_letters_is_a_name():
    assert retold("Pledge级", "zh", ENGLISH, ["Pledge"]) == "Pledge级"
    text = Phrase("Any-date PD of {name} - nothing has come in yet", name="Pledge B")
    chinese = said(text, catalogue("zh").gettext)
    assert retold(chinese, "zh", ENGLISH, ["Pledge B"]) == text


# ------------------------------------------------------------------------------ phrases


def german(text: str) -> str:
    """A language made up for the tests: what it does not know stays as it is."""
    return {
        "{name} pays {pd:.1%} ({why}).": "({why}) {pd:.2%} zahlt {name}.",
        "none of {paths:,}": "keiner von {paths:,}",
        "{first} {then}": "{first}{then}",
        "Late.": "Spät.",
    }.get(text, text)


@pytest.mark.parametrize("text", [t for t in catalogue("zh")._catalog if t.count("{") > 3])
def test_a_text_made_to_fit_nearly_comes_to_an_end(text):
    """All words of a pattern, many times over, and one letter too many: to try all ways would take days."""
    pieces = [literal for literal, *_ in string.Formatter().parse(text) if literal]
    made = "".join(f"{piece}x" * max(1, 1500 // len(pieces) // len(piece)) for piece in pieces) + "\0"
    for one in (made, made * 100):
        assert "\0" in retold(one, ENGLISH, "zh")


def test_a_phrase_is_its_english_text_and_is_said_with_all_that_is_in_it():
    text = Phrase(
        "{name} pays {pd:.1%} ({why}).", name="A", pd=0.25, why=Phrase("none of {paths:,}", paths=1e6)
    )
    assert text == "A pays 25.0% (none of 1,000,000.0)."
    assert said(text, german) == "(keiner von 1,000,000.0) 25.00% zahlt A."
    assert said(text, catalogue(ENGLISH).gettext) == text


def test_sentences_stand_together_as_the_language_has_it():
    text = joined([Phrase("Late."), Phrase("Late."), "{name}"])
    assert text == "Late. Late. {name}"
    assert said(text, german) == "Spät.Spät.{name}"
    assert joined(["one"], LIST) == "one"


@given(st.text(), st.text())
def test_names_are_filled_in_as_they_are(name: str, other: str):
    """Braces and the texts of a catalogue in a name are nothing to fill in or to translate."""
    assert said(name, german) == name
    # The header of a catalogue is what gettext has for the empty text.
    assert said(Phrase(name), catalogue("zh").gettext) == (catalogue("zh").gettext(name) if name else "")
    text = Phrase("{first}: {other}", first=name, other=other)
    assert said(text, german) == text == f"{name}: {other}"


def test_a_phrase_of_a_phrase_is_said_as_that():
    why = Phrase("because of {pd:.1%}", pd=0.25)
    assert Phrase(why) is why
    assert said(Phrase(Phrase(why)), lambda text: text.upper().replace("{PD", "{pd")) == "BECAUSE OF 25.0%"


def test_a_phrase_survives_a_copy_and_the_way_to_another_process():
    text = Phrase("{name} pays", name="{A}")
    for copied in (copy.deepcopy(text), pickle.loads(pickle.dumps(text))):
        assert copied == "{A} pays"
        assert (copied.pattern, copied.values) == (text.pattern, text.values)
