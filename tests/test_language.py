"""Every language says everything."""

from __future__ import annotations

import gettext

import pytest

from xlkmv.errors import InputError
from xlkmv.language import ENGLISH, LANGUAGES, catalogue


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
