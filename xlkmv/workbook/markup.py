"""Tags in the bytes of a part, found without a tree, so that all that is not asked for stays as it is.

No pattern crosses a ``<``, which well-formed XML has at the start of a tag only, and repeats give nothing
back (``*+``): whatever a part holds, reading it takes time in proportion to its length.
"""

from __future__ import annotations

import re

__all__ = ["PREFIX", "attributes", "is_plain", "renewed", "tags"]

PREFIX = rb"(?:[\w.-]++:)?+"
"""Pattern of a namespace prefix, or of none."""
_ATTRIBUTE = rb"""\s++([^\s=<>/"']++)\s*+=\s*+("[^"<]*+"|'[^'<]*+')"""
_ATTRIBUTES = _ATTRIBUTE.replace(b"(", b"(?:")
_ONE = re.compile(_ATTRIBUTE)


def tags(name: bytes) -> re.Pattern[bytes]:
    """Start tags of elements; the last two groups are their attributes and the slash of an empty element.

    Parameters
    ----------
    name : bytes
        Pattern of the name.
    """
    return re.compile(rb"<" + name + rb"((?:" + _ATTRIBUTES + rb")*+)\s*+(/?)>")


def attributes(said: bytes) -> dict[str, str]:
    """Attributes of a tag that :func:`tags` found, as they are written there."""
    return {name.decode(): value[1:-1].decode() for name, value in _ONE.findall(said)}


def renewed(tag: bytes, name: str, value: str) -> bytes:
    """Give an attribute of a tag another value; all else stays as it is."""
    for found in _ONE.finditer(tag):
        if found[1] == name.encode():
            return tag[: found.start(2) + 1] + value.encode() + tag[found.end(2) - 1 :]
    return tag


def is_plain(data: bytes) -> bool:
    """Whether a part is UTF-8 without comments, CDATA and whatever else spreadsheets never write."""
    if b"<!" in data or b"<?" in data[5:]:
        return False
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return False
    declared = re.match(rb"""(?:\xef\xbb\xbf)?<\?xml[^>]*?\sencoding\s*+=\s*+["']([\w.-]++)""", data[:200])
    return declared is None or declared[1].lower() in (b"utf-8", b"us-ascii")
