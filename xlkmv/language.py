"""The languages of the product: a catalogue of gettext for each, domain ``xlkmv``, and what is said by them.

English is what stands in the sources; ``xlkmv/locale/LANGUAGE/LC_MESSAGES/xlkmv.po`` has the others, and
:mod:`xlkmv.build.catalogue` compiles it.
"""

from __future__ import annotations

import contextlib
import functools
import gettext
import re
import string
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from xlkmv.errors import InputError
from xlkmv.phrase import LIST, SENTENCES, Phrase

__all__ = ["DOMAIN", "ENGLISH", "LANGUAGES", "LOCALE", "catalogue", "retold"]

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


# A figure as formats of Python write it; what a language writes its words in, and how sentences end.
_NUMBER = r"[-+]?(?:[\d,]+\.?\d*(?:[Ee][-+]?\d+)?|inf|nan)%?"
_WORDS = {ENGLISH: re.compile("[A-Za-z]{2,}"), "zh": re.compile("[\u4e00-\u9fff]")}
# A letter or digit of another script than Chinese.
_LATIN = r"[^\W\u4e00-\u9fff]"
_ENDS = {ENGLISH: ".!?", "zh": "。！？"}
# Letters of the longest text that is told in another language: no sentence of the product comes near.
LONGEST = 2_000
# Characters of Unicode that stand for nothing: names stand aside as them.
_ASIDE = 0xE000


class _Pattern(NamedTuple):
    """A text with placeholders: what finds it, what has to be in it, and the same in another language."""

    found: re.Pattern[str]
    literals: list[str]
    other: str


def retold(text: str, source: str, target: str, names: Iterable[str] = ()) -> str:
    """Say a text that was saved in one language in another, by the patterns of the catalogue.

    A :class:`~xlkmv.phrase.Phrase` knows its pattern, and is better said by :func:`xlkmv.phrase.said`.

    Parameters
    ----------
    text : str
    source, target : str
        Keys of :data:`LANGUAGES`, one of them English.
    names : iterable of str
        What stays as it is, such as the names of the classes.

    Returns
    -------
    str
        The text with the fewest words left in its own language; what no catalogue has stays as it is.
    """
    known = _texts(source, target)
    if source == target or text in known or len(text) > LONGEST:
        return known.get(text, text)
    aside = sorted({x for x in names if x and x in text and x not in known}, key=len, reverse=True)
    for place, name in enumerate(aside):
        text = re.sub(_apart(name), chr(_ASIDE + place), text)
    with contextlib.suppress(RecursionError):  # a list of hundreds: no text of ours
        text, _ = _retold(text, source, target)
    for place, name in enumerate(aside):
        text = text.replace(chr(_ASIDE + place), name)
    return text


def _apart(name: str) -> str:
    """Pattern of a name that is no part of a longer word; Chinese needs no space beside other letters."""
    edges = (r"\w" if _WORDS["zh"].match(letter) else _LATIN for letter in (name[0], name[-1]))
    return f"(?<!{next(edges)}){re.escape(name)}(?!{next(edges)})"


@functools.lru_cache(maxsize=10_000)
def _retold(text: str, source: str, target: str) -> tuple[str, int]:
    """Say a text in another language, and count the patterns that it takes: the fewer, the surer."""
    known, words = _texts(source, target), _WORDS[source]
    if text in known:
        return known[text], 0
    items = text.split(_comma(source))
    if len(items) > 1 and all(len(item) == 1 and item >= chr(_ASIDE) for item in items):
        return _comma(target).join(items), 0  # names
    best, taken, left = text, 0, len(words.findall(text))
    for pattern in _patterns(source, target) if left else ():
        match = all(part in text for part in pattern.literals) and pattern.found.fullmatch(text)
        if not match or text in match.groups():  # or nothing but itself
            continue
        values = {key: _retold(value, source, target) for key, value in match.groupdict().items()}
        now = pattern.other.format(**{key: value for key, (value, _) in values.items()})
        uses, count = 1 + sum(used for _, used in values.values()), len(words.findall(now))
        if (count, uses) < (left, taken or uses):
            best, taken, left = now, uses, count
    return best, taken


@functools.cache
def _comma(language: str) -> str:
    """What stands between the items of a list."""
    return catalogue(language).gettext(LIST).format(first="", then="")


@functools.cache
def _texts(source: str, target: str) -> dict[str, str]:
    """What the catalogue has, from one language to the other; of two with one translation the first."""
    if source == target:
        return {}
    entries = catalogue(target if source == ENGLISH else source)._catalog  # type: ignore[attr-defined]
    pairs = [(english, other) for english, other in entries.items() if english]
    return dict(pairs if source == ENGLISH else [(other, english) for english, other in reversed(pairs)])


@functools.cache
def _patterns(source: str, target: str) -> list[_Pattern]:
    """Texts with placeholders, those first that say most by themselves."""
    found = []
    for text, other in _texts(source, target).items():
        pieces = [(literal, field, spec) for literal, field, spec, _ in string.Formatter().parse(text)]
        if all(field is None for _, field, _ in pieces):
            continue
        ends = rf".*?[^\s.]{{2}}[{_ENDS[source]}]" if SENTENCES in (text, other) else ""
        seen: set[str] = set()
        wanted = ""
        for place, (literal, field, spec) in enumerate(pieces):
            within = 0 < place < len(pieces) - 1
            wanted += re.escape(literal) + (")" if literal and within else "")
            if field is not None:
                # What stands behind a value ends it where it comes first, and is looked for once: to try all
                # places again and again would never end on a text that somebody made for it.
                wanted += "(?>" if place + 2 < len(pieces) and pieces[place + 1][0] else ""
                value = ends or (_NUMBER if spec else ".*?")
                wanted += f"(?P={field})" if field in seen else f"(?P<{field}>{value})"
                seen.add(field)
                ends = ""
        plain = "".join(
            literal.replace("{", "{{").replace("}", "}}") + (f"{{{field}}}" if field else "")
            for literal, field, *_ in string.Formatter().parse(other)
        )
        literals = [literal for literal, *_ in pieces if literal]
        found.append(_Pattern(re.compile(wanted, re.DOTALL), literals, plain))
    return sorted(found, key=lambda pattern: -sum(map(len, pattern.literals)))
