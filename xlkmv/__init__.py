"""xlkmv: the KMV model inside Excel, for a pool that pays tranches.

The names below are the public Python API; each is loaded when it is first used, so that
``import xlkmv`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # What the names below are, for those who read and check types; a test keeps the two lists alike.
    from xlkmv.errors import (
        BookError as BookError,
        BookInputError as BookInputError,
        DomainError as DomainError,
        HostError as HostError,
        InputError as InputError,
        XlkmvError as XlkmvError,
    )
    from xlkmv.model.distance import (
        breakeven_volatility as breakeven_volatility,
        default_point as default_point,
        default_probability as default_probability,
        distance_to_default as distance_to_default,
        first_passage_probability as first_passage_probability,
        linear_distance_to_default as linear_distance_to_default,
        safe_issue as safe_issue,
    )
    from xlkmv.model.merton import (
        assets as assets,
        equity as equity,
        invert as invert,
    )
    from xlkmv.model.calibration import (
        fit_series as fit_series,
        volatility_from_flows as volatility_from_flows,
    )
    from xlkmv.model.plan import (
        minimum_coverage as minimum_coverage,
        payment_times as payment_times,
        plan_risk as plan_risk,
    )
    from xlkmv.model.passage import (
        discrete_first_passage as discrete_first_passage,
    )
    from xlkmv.model.copula import (
        joint_default_probability as joint_default_probability,
    )
    from xlkmv.model.history import (
        history_pd as history_pd,
        most_prudent_pds as most_prudent_pds,
    )
    from xlkmv.model.private import (
        Peers as Peers,
        private_firm as private_firm,
    )
    from xlkmv.model.pledge import (
        beta_recovery as beta_recovery,
        pledge_recovery as pledge_recovery,
    )
    from xlkmv.model.correlation import (
        basel_correlation as basel_correlation,
        return_correlation as return_correlation,
    )
    from xlkmv.model.comparison import (
        compare_models as compare_models,
    )
    from xlkmv.deal.sources import (
        ObligorSource as ObligorSource,
        PeerFirm as PeerFirm,
        SourceTerms as SourceTerms,
        FewDefaults as FewDefaults,
        Prices as Prices,
        compared_pd as compared_pd,
        given_pd as given_pd,
        group_pds as group_pds,
        listed_pd as listed_pd,
        low_default_pd as low_default_pd,
        obligor_pd as obligor_pd,
        obligor_pds as obligor_pds,
        observed_pd as observed_pd,
        rated_pd as rated_pd,
    )
    from xlkmv.deal.correlations import (
        PoolCorrelation as PoolCorrelation,
        basel_correlations as basel_correlations,
        correlation_of_returns as correlation_of_returns,
    )
    from xlkmv.deal.answers import (
        class_answers as class_answers,
    )
    from xlkmv.deal.standing import (
        classes_today as classes_today,
    )
    from xlkmv.deal.terms import (
        ClassScale as ClassScale,
        Controls as Controls,
        Covenant as Covenant,
        Curve as Curve,
        Deal as Deal,
        Loans as Loans,
        Pool as Pool,
        Ranges as Ranges,
        Record as Record,
        Recoveries as Recoveries,
        Terms as Terms,
        Tranche as Tranche,
        graded as graded,
        payment_dates as payment_dates,
    )
    from xlkmv.deal.plan.waterfall import (
        waterfall as waterfall,
    )
    from xlkmv.deal.stress import (
        PRESETS as PRESETS,
        Stress as Stress,
        apply as apply,
    )
    from xlkmv.deal.analysis import (
        Analysis as Analysis,
        model_table as model_table,
        portfolio_models as portfolio_models,
    )
    from xlkmv.deal.kmv import (
        kmv_view as kmv_view,
    )
    from xlkmv.deal.reading import (
        read as read,
    )
    from xlkmv.deal.paths.executors import (
        Executor as Executor,
    )
    from xlkmv.deal.paths.run import simulate as simulate
    from xlkmv.deal.questions.attribution import (
        attribute_controls as attribute_controls,
    )
    from xlkmv.deal.questions.breakeven import (
        reverse_stress as reverse_stress,
    )
    from xlkmv.deal.questions.conditions import (
        run_scenarios as run_scenarios,
    )
    from xlkmv.deal.questions.diversification import (
        Otherwise as Otherwise,
    )
    from xlkmv.deal.questions.structure import (
        solve as solve,
    )
    from xlkmv.deal.questions.surveillance import (
        from_today as from_today,
        rerate as rerate,
    )
    from xlkmv.memo.writing import (
        report as report,
    )
    from xlkmv.deal.examples.patents import (
        xingye_yuanrong as xingye_yuanrong,
    )
    from xlkmv.library.files import (
        DealFile as DealFile,
        analyse as analyse,
        load as load,
        save as save,
    )
    from xlkmv.library.inputs import (
        deal_from as deal_from,
        pool_from as pool_from,
        tranches_from as tranches_from,
    )
    from xlkmv.library.documents import (
        from_document as from_document,
        schema as schema,
        to_document as to_document,
    )
    from xlkmv.library.frames import (
        batch as batch,
        to_frame as to_frame,
    )
    from xlkmv.library.words import (
        summary as summary,
    )
    from xlkmv.library.plots import (
        plot as plot,
    )

__version__ = "0.1.0"

_HOME = {
    "xlkmv.errors": (
        "BookError",
        "BookInputError",
        "DomainError",
        "HostError",
        "InputError",
        "XlkmvError",
    ),
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
    "xlkmv.model.history": ("history_pd", "most_prudent_pds"),
    "xlkmv.model.private": ("Peers", "private_firm"),
    "xlkmv.model.pledge": ("beta_recovery", "pledge_recovery"),
    "xlkmv.model.correlation": ("basel_correlation", "return_correlation"),
    "xlkmv.model.comparison": ("compare_models",),
    "xlkmv.deal.sources": (
        "ObligorSource",
        "PeerFirm",
        "SourceTerms",
        "FewDefaults",
        "Prices",
        "compared_pd",
        "given_pd",
        "group_pds",
        "listed_pd",
        "low_default_pd",
        "obligor_pd",
        "obligor_pds",
        "observed_pd",
        "rated_pd",
    ),
    "xlkmv.deal.correlations": (
        "PoolCorrelation",
        "basel_correlations",
        "correlation_of_returns",
    ),
    "xlkmv.deal.answers": ("class_answers",),
    "xlkmv.deal.standing": ("classes_today",),
    "xlkmv.deal.terms": (
        "ClassScale",
        "Controls",
        "Covenant",
        "Curve",
        "Deal",
        "Loans",
        "Pool",
        "Ranges",
        "Record",
        "Recoveries",
        "Terms",
        "Tranche",
        "graded",
        "payment_dates",
    ),
    "xlkmv.deal.plan.waterfall": ("waterfall",),
    "xlkmv.deal.stress": ("PRESETS", "Stress", "apply"),
    "xlkmv.deal.analysis": ("Analysis", "model_table", "portfolio_models"),
    "xlkmv.deal.kmv": ("kmv_view",),
    "xlkmv.deal.reading": ("read",),
    "xlkmv.deal.paths.executors": ("Executor",),
    "xlkmv.deal.paths.run": ("simulate",),
    "xlkmv.deal.questions.attribution": ("attribute_controls",),
    "xlkmv.deal.questions.breakeven": ("reverse_stress",),
    "xlkmv.deal.questions.conditions": ("run_scenarios",),
    "xlkmv.deal.questions.diversification": ("Otherwise",),
    "xlkmv.deal.questions.structure": ("solve",),
    "xlkmv.deal.questions.surveillance": ("from_today", "rerate"),
    "xlkmv.memo.writing": ("report",),
    "xlkmv.deal.examples.patents": ("xingye_yuanrong",),
    "xlkmv.library.files": ("DealFile", "analyse", "load", "save"),
    "xlkmv.library.inputs": ("deal_from", "pool_from", "tranches_from"),
    "xlkmv.library.documents": ("from_document", "schema", "to_document"),
    "xlkmv.library.frames": ("batch", "to_frame"),
    "xlkmv.library.words": ("summary",),
    "xlkmv.library.plots": ("plot",),
}
# Rooms of functions of arrays: through the names below they take Series and frames, too.
_OF_ARRAYS = {
    f"xlkmv.model.{name}"
    for name in ("distance", "merton", "plan", "passage", "copula", "history", "private", "pledge")
}
_WHERE = {name: module for module, names in _HOME.items() for name in names}

__all__ = ["__version__", *sorted(_WHERE)]


if not TYPE_CHECKING:  # who checks types must not take a misspelt name for one of these

    def __getattr__(name: str) -> Any:
        if name not in _WHERE:
            raise AttributeError(f"module 'xlkmv' has no attribute {name!r}")
        found = getattr(importlib.import_module(_WHERE[name]), name)
        if callable(found) and not isinstance(found, type):
            from xlkmv.library.door import checked, labelled

            found = checked(found)
            found = labelled(found) if _WHERE[name] in _OF_ARRAYS else found
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted(__all__)
