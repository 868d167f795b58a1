"""Tables of terms, controls, covenants and conditions, and the rows of the first two."""

from __future__ import annotations

from dataclasses import dataclass

from xlkmv.deal.correlations import CORRELATION_SOURCES
from xlkmv.deal.stress import DEFAULT_POINTS, STRESS_RULES
from xlkmv.deal.terms import (
    CAP_UNITS,
    COLUMN_RULES,
    CONSEQUENCES,
    CONTROLS,
    INTERVALS,
    METRICS,
    RESERVE_FUNDING,
    RESERVE_UNITS,
    TERM_CHOICES,
    TERM_RULES,
    Control,
)
from xlkmv.model.domain import PROBABILITY as PROBABILITY_RULE
from xlkmv.model.domain import Rule
from xlkmv.workbook.layout.column import (
    CHANGE,
    DATE,
    DISTANCE,
    ERROR,
    MONEY,
    PROBABILITY,
    RATE,
    RATIO,
    SIMULATED,
    TEXT,
    THE_CLASS,
    WHOLE,
    YES_NO,
    Column,
    TableSpec,
    choice,
    number,
    result,
    text,
)

__all__ = [
    "CONTROL",
    "CONTROL_ROWS",
    "COUNT_OF_DATES",
    "COVENANT",
    "SCENARIO",
    "TERM",
    "TERM_ROWS",
    "ControlRow",
    "TermRow",
]

TERM = TableSpec(
    "tbl_Term",
    "Terms",
    "Plan terms and model assumptions",
    "计划条款与模型假设",
    (
        text("Term", "条款", "label", 26),
        Column("Value", "取值", "value", "any", TEXT, 14),
        text("Unit", "单位", "unit", 18, blank=True),
        text("Basis", "依据", "basis", 44, blank=True),
    ),
)

CONTROL = TableSpec(
    "tbl_Control",
    "Terms",
    "Risk controls",
    "风险控制措施",
    (
        text("Control", "措施", "label", 26),
        choice("On", "启用", "on", YES_NO, 14, "no switches the control off."),
        Column(
            "Figure",
            "参数",
            "figure",
            "number",
            "0.0000",
            18,
            note="What the next column says.",
            blank=True,
            required=True,
        ),
        text("Figure is", "参数含义", "meaning", 12, blank=True),
        text("Basis", "依据", "basis", 44, blank=True),
    ),
)

COVENANT = TableSpec(
    "tbl_Covenant",
    "Covenant",
    "Covenants: tests on each payment date",
    "契约测试",
    (
        text("Test", "测试", "name", 26),
        choice("Metric", "指标", "metric", METRICS, 24),
        choice("Side", "方向", "side", ("min", "max"), 8, "min: a floor; max: a ceiling."),
        number("Threshold", "阈值", "threshold", "0.000", COLUMN_RULES["threshold"], 11),
        choice("Consequence", "后果", "consequence", CONSEQUENCES, 13, "What a breach switches on."),
        result("Tightest date", "最紧日期", "tightest", DATE, 13),
        result("Planned value then", "当日计划值", "value", RATIO, 11),
        result("Headroom then", "当日余量", "headroom", RATIO, 11),
        result("Status by plan", "计划状态", "status", TEXT, 11),
        result("Distance to breach", "违反距离", "distance", DISTANCE, 12),
        result("Probability of breach", "违反概率", "probability", PROBABILITY, 13),
        result("First breach by plan", "计划首次违反日", "first_breach", DATE, 14),
    ),
)

SCENARIO = TableSpec(
    "tbl_Scenario",
    "Scenario",
    f"Preset conditions and what they do to {THE_CLASS}",
    "预设情景与所选层级结果",
    (
        text("Scenario", "情景", "name", 42),
        number("Pool haircut", "资产池折减", "pool_haircut", "0%", STRESS_RULES["pool_haircut"], 9),
        number(
            "Volatility x",
            "波动率倍数",
            "volatility_multiplier",
            "0.00",
            STRESS_RULES["volatility_multiplier"],
            10,
        ),
        number("PD x", "违约率倍数", "pd_multiplier", "0.00", STRESS_RULES["pd_multiplier"], 8),
        number(
            "Recovery x", "回收率倍数", "recovery_multiplier", "0.00", STRESS_RULES["recovery_multiplier"], 10
        ),
        number(
            "Correlation add", "相关性增量", "correlation_add", "0.00", STRESS_RULES["correlation_add"], 11
        ),
        number("Delay", "延迟期数", "delay", WHOLE, STRESS_RULES["delay"], 7, "Whole payment periods."),
        number("Rate shift", "利率变动", "rate_shift", RATE, STRESS_RULES["rate_shift"], 8),
        Column(
            "Obligor recovery",
            "债务人违约回收率",
            "obligor_recovery",
            "any",
            "0%",
            10,
            STRESS_RULES["obligor_recovery"],
            note="An obligor defaults at closing, and this much is recovered. A number, or: table.",
            blank=True,
            aliases=("Largest obligor recovery",),
        ),
        text("Obligor", "债务人", "obligor", 16, True, "Who defaults at closing; blank: the largest."),
        text("Controls off", "关闭的措施", "controls_off", 26, True, "all, or controls separated by commas."),
        choice("Default point", "违约点", "default_point", DEFAULT_POINTS, 9, "own, or all tranches' dues."),
        result("Coverage", "覆盖倍数", "coverage", RATIO, 10),
        result("DD", "违约距离", "dd", DISTANCE, 8),
        result("PD", "违约概率", "pd", PROBABILITY, 10),
        result("Any-date PD", "任一日违约概率", "anydate_pd", PROBABILITY, 11),
        result(
            "Expected shortfall of dues", "应付预期不足", "expected_loss", PROBABILITY, 14, ("Expected loss",)
        ),
        result("First short date", "首次不足日", "first_short", DATE, 12),
        result("Change in any-date PD", "相对基准变动", "change", CHANGE, 12),
        result("Simulated any-date PD", "模拟任一日违约概率", "simulated", SIMULATED, 12),
        result("s.e.", "标准误", "simulated_error", ERROR, 10),
        result("Remark", "说明", "remark", TEXT, 62, blank=True),
    ),
)


@dataclass(frozen=True, slots=True)
class TermRow:
    """One row of the table of terms."""

    label: str
    field: str
    kind: str
    unit: str
    format: str = TEXT
    rule: Rule | None = None
    choices: tuple[str, ...] = ()
    blank: bool = False


COUNT_OF_DATES = Rule("must be a whole number from 1 to 1200", low=1.0, high=1200.0)


def _term(label: str, field: str, kind: str, unit: str = "", shown: str = TEXT) -> TermRow:
    """One of the first edition's rows, with the rule and the choices of its field."""
    choices = YES_NO if kind == "yesno" else TERM_CHOICES.get(field, ())
    return TermRow(label, field, kind, unit, shown, TERM_RULES.get(field), choices)


def _more(
    label: str,
    field: str,
    kind: str,
    unit: str = "",
    shown: str = TEXT,
    choices: tuple[str, ...] = (),
) -> TermRow:
    """One of the rows that came later: a workbook may lack it, or leave it blank for what was before."""
    rule = COUNT_OF_DATES if field == "count" else TERM_RULES.get(field, COLUMN_RULES.get(field))
    return TermRow(label, field, kind, unit, shown, rule, choices or TERM_CHOICES.get(field, ()), True)


# As an analyst reads them: dates; notes and cash; pool; model.
TERM_ROWS: tuple[TermRow, ...] = (
    _term("Closing date", "closing", "date", "date", DATE),
    _more("Payment every", "every", "choice", "interval", choices=tuple(INTERVALS)),
    _more("First payment date", "first", "date", "date", DATE),
    _more("Payment dates", "count", "number", "how many", WHOLE),
    _term("Day count", "day_count", "choice", "30/360, Act/365, Act/360"),
    _term("Senior fees", "fee_rate", "number", "p.a. of fee basis", RATE),
    _more("Fee in money", "fee_amount", "number", "on every payment date", MONEY),
    _more("Fee basis", "fee_base", "choice", "notes or pool"),
    _term("Order of principal", "principal", "choice", "sequential or pro rata"),
    _more("Order of interest", "interest", "choice", "by rank or first"),
    _more("Accounts", "accounts", "choice", "one or two"),
    _more("OC target", "oc_target", "any", "of pool, or all", RATE),
    _more("OC floor", "oc_floor", "number", "of pool at closing", RATE),
    _more("Reserve unit", "reserve_unit", "choice", "periods, money, of pool", choices=RESERVE_UNITS),
    _more("Reserve floor", "reserve_floor", "number", "of pool at closing", RATE),
    _more("Reserve funding", "reserve_funding", "choice", "cash or built up", choices=RESERVE_FUNDING),
    _more("Undertaking cap", "support_cap", "number", "by its unit", "#,##0.####"),
    _more("Undertaking cap unit", "support_cap_unit", "choice", "money or of notes", choices=CAP_UNITS),
    _more("Clean-up call", "cleanup", "number", "of pool at closing", RATE),
    _term("Cure of triggers", "cure", "yesno", "yes or no"),
    _more("Revolving until", "revolving", "date", "date", DATE),
    _term("Prepayment", "prepayment", "number", "by its type", RATE),
    _more("Prepayment type", "prepayment_type", "choice", "how it is counted"),
    _more("Default timing", "default_timing", "choice", "when obligors default"),
    _more(
        "Correlation from",
        "correlation_source",
        "choice",
        "typed, Basel, returns",
        choices=CORRELATION_SOURCES,
    ),
    _term("Industry correlation", "industry_correlation", "number", "added", "0.00"),
    _more("Correlation between industries", "between_industries", "number", "of their factors", "0.00"),
    _term("Volatility source", "volatility_source", "choice", "implied or user"),
    _term("Volatility", "volatility", "number", "p.a., if user", RATE),
    _term("Drift", "drift", "number", "p.a., if user", RATE),
    _term("Support correlation", "support_correlation", "number", "with the pool", "0.00"),
    _more("Default point of pass-through", "default_point", "choice", "legal final or expected"),
    _term("Copula", "copula", "choice", "gaussian or t"),
    _term("Degrees of freedom", "degrees_of_freedom", "number", "if t", WHOLE),
    _term("Simulated paths", "paths", "number", "how many", MONEY),
    _term("Seed", "seed", "number", "whole number", WHOLE),
    _more("Weight of the view at closing", "closing_periods", "number", "payment periods", WHOLE),
    _more("Tail of surprises", "surprise_tail", "number", "degrees of freedom", WHOLE),
    _more("Scheduler", "scheduler", "text", "address"),
)


@dataclass(frozen=True, slots=True)
class ControlRow:
    """One row of the table of controls."""

    label: str
    field: str
    figure: str = ""
    meaning: str = ""
    format: str = "0.00"

    @property
    def rule(self) -> Rule | None:
        """Rule of the figure, if the control has one."""
        return COLUMN_RULES[self.figure] if self.figure else None


def _control_row(field: str, control: Control) -> ControlRow:
    figure = control.figures[0] if control.figures else ""
    shown = RATE if figure and COLUMN_RULES[figure] is PROBABILITY_RULE else "0.00"
    return ControlRow(control.label, field, figure, control.unit, shown)


CONTROL_ROWS: tuple[ControlRow, ...] = tuple(_control_row(key, control) for key, control in CONTROLS.items())
