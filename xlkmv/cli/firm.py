"""Commands that answer for one firm: pd."""

from __future__ import annotations

import argparse
from math import isfinite

from xlkmv.cli import arguments
from xlkmv.cli.output import Output
from xlkmv.errors import DomainError
from xlkmv.phrase import Phrase

__all__ = ["add"]

UNITS = (
    *(("asset_value", "money"), ("default_point", "money"), ("volatility", "decimal"), ("horizon", "years")),
    *(("drift", "decimal"), ("method", "text"), ("pd", "probability"), ("dd", "number")),
)


def add(commands: arguments.Commands) -> None:
    """Add the commands of this module to a parser."""
    pd = arguments.command(
        commands,
        "pd",
        _pd,
        "answer one default probability",
        "xlkmv pd 120 100 25%",
        "xlkmv pd 120 100 0.25 --horizon 3 --drift 0.02 --method anytime",
        results=True,
    )
    pd.add_argument("asset_value", type=float, help="what pays: asset value or accumulated collections")
    pd.add_argument("default_point", type=float, help="what must be paid: debt or accumulated dues")
    pd.add_argument("volatility", type=arguments.share, help="per annum: 0.25 or 25%%")
    pd.add_argument("--horizon", type=float, default=1.0, help="years (default 1)")
    pd.add_argument("--drift", type=arguments.share, default=0.0, help="per annum: 0.02 or 2%% (default 0)")
    pd.add_argument("--method", default="terminal", help="terminal, anytime or linear (one year, no drift)")


def _pd(options: argparse.Namespace, out: Output) -> None:
    from xlkmv.model.distance import default_probability, distance_to_default, linear_distance_to_default
    from xlkmv.model.domain import FINITE

    firm = (options.asset_value, options.default_point, options.volatility)
    pd = default_probability(*firm, options.horizon, options.drift, options.method)
    linear = options.method == "linear"
    if linear:
        dd = linear_distance_to_default(*firm)
    else:
        dd = distance_to_default(*firm, options.horizon, options.drift)
    if not isfinite(dd):
        raise DomainError("distance to default", FINITE.text, float(dd))
    out.line(Phrase("PD {pd:.10g}   ({method})", pd=float(pd), method=Phrase(options.method)))
    out.line(
        Phrase("DD {dd:.10g}   ({kind})", dd=float(dd), kind=Phrase("linear") if linear else Phrase("log"))
    )
    if linear and (options.horizon, options.drift) != (1.0, 0.0):
        out.line(
            Phrase(
                "The linear distance is over one year and has no drift: --horizon and --drift change nothing."
            )
        )
    if not out.text:
        from xlkmv.cli.document import Answer

        given = vars(options) | {"pd": float(pd), "dd": float(dd)}
        out.record({}, Answer("pd", UNITS, [[given[key] for key, _ in UNITS]]))
