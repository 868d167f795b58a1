"""The memo as one HTML file: styles and charts inside, nothing fetched, two pages A4 when printed."""

from __future__ import annotations

from collections.abc import Mapping

from jinja2 import Environment, PackageLoader, StrictUndefined

from xlkmv.memo.charts import Picture
from xlkmv.memo.content import Memo

__all__ = ["html"]

TEMPLATE = "memo.html.j2"


def html(memo: Memo, pictures: Mapping[str, Picture]) -> str:
    """Lay a memo out as HTML.

    Parameters
    ----------
    memo : Memo
    pictures : mapping of str to Picture
        From :func:`~xlkmv.memo.charts.pictures`.

    Returns
    -------
    str
        The whole file; every text of the memo is escaped.
    """
    environment = Environment(
        loader=PackageLoader("xlkmv.memo", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    return environment.get_template(TEMPLATE).render(memo=memo, pictures=pictures)
