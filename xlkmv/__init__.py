"""xlkmv: the KMV model inside Excel, for a pool that pays tranches.

The names below are the public Python API; each is loaded when it is first used, so that
``import xlkmv`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "xlkmv.model.distance": (
        "breakeven_volatility",
        "default_point",
        "default_probability",
        "distance_to_default",
        "first_passage_probability",
        "linear_distance_to_default",
        "safe_issue",
    ),
    "xlkmv.model.merton": ("assets", "equity", "invert"),
    "xlkmv.model.calibration": ("fit_series", "volatility_from_flows"),
    "xlkmv.model.plan": ("minimum_coverage", "payment_times", "plan_risk"),
    "xlkmv.model.passage": ("discrete_first_passage",),
    "xlkmv.model.copula": ("joint_default_probability",),
    "xlkmv.model.comparison": ("compare_models",),
    "xlkmv.deal.answers": ("class_answers",),
    "xlkmv.deal.terms": (
        "ClassScale",
        "Controls",
        "Covenant",
        "Curve",
        "Deal",
        "Loans",
        "Pool",
        "Record",
        "Terms",
        "Tranche",
        "graded",
        "payment_dates",
    ),
    "xlkmv.deal.plan.waterfall": ("waterfall",),
    "xlkmv.deal.stress": ("PRESETS", "Stress", "apply"),
    "xlkmv.deal.analysis": ("analyse", "model_table", "portfolio_models"),
    "xlkmv.deal.kmv": ("kmv_view",),
    "xlkmv.deal.reading": ("read",),
    "xlkmv.deal.paths.run": ("simulate",),
    "xlkmv.deal.questions.attribution": ("attribute_controls",),
    "xlkmv.deal.questions.breakeven": ("reverse_stress",),
    "xlkmv.deal.questions.conditions": ("run_scenarios",),
    "xlkmv.deal.questions.surveillance": ("from_today", "rerate"),
    "xlkmv.deal.examples.patents": ("xingye_yuanrong",),
}
_WHERE = {name: module for module, names in _HOME.items() for name in names}

__all__ = ["__version__", *sorted(_WHERE)]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'xlkmv' has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
