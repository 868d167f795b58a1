"""Every language says everything."""

from __future__ import annotations

import copy
import gettext
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlkmv.errors import InputError
from xlkmv.language import ENGLISH, LANGUAGES, catalogue
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


# ------------------------------------------------------------------------------ phrases


def german(text: str) -> str:
    """A language made up for the tests: what it does not know stays as it is."""
    return {
        "{name} pays {pd:.1%} ({why}).": "({why}) {pd:.2%} zahlt {name}.",
        "none of {paths:,}": "keiner von {paths:,}",
        "{first} {then}": "{first}{then}",
        "Late.": "Spät.",
    }.get(text, text)


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
