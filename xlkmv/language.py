"""The languages of the product: a catalogue of gettext for each, domain ``xlkmv``, and what is said by them.

English is what stands in the sources; ``xlkmv/locale/LANGUAGE/LC_MESSAGES/xlkmv.po`` has the others, and
:mod:`xlkmv.build.catalogue` compiles it.
"""

from __future__ import annotations

import gettext
from pathlib import Path

from xlkmv.errors import InputError
from xlkmv.phrase import Phrase

__all__ = ["DOMAIN", "ENGLISH", "LANGUAGES", "LOCALE", "catalogue"]

DOMAIN, ENGLISH = "xlkmv", "en"
LANGUAGES = {ENGLISH: "English", "zh": "中文"}
LOCALE = Path(__file__).with_name("locale")


def catalogue(language: str) -> gettext.NullTranslations:
    """Catalogue of a language; that of English gives every text as it is.

    Parameters
    ----------
    language : str
        A key of :data:`LANGUAGES`.

    Returns
    -------
    gettext.NullTranslations

    Raises
    ------
    InputError
        When the language is not known.
    """
    if language not in LANGUAGES:
        known = ", ".join(f"{key} ({name})" for key, name in LANGUAGES.items())
        raise InputError("language", Phrase("must be one of: {known}", known=known), language)
    if language == ENGLISH:
        return gettext.NullTranslations()
    return gettext.translation(DOMAIN, LOCALE, [language])
