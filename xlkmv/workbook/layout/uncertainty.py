"""Tables of sheet Uncertainty: how well the inputs are known, and so the answers."""

from __future__ import annotations

from xlkmv.deal.terms import INPUTS
from xlkmv.model.domain import POSITIVE, Rule
from xlkmv.workbook.layout.column import (
    DISTANCE,
    ERROR,
    PROBABILITY,
    RATE,
    SIMULATED,
    TEXT,
    THE_CLASS,
    TableSpec,
    number,
    result,
    text,
)
from xlkmv.workbook.layout.terms import TermRow

__all__ = ["INTERVAL", "MATTER", "RANGE", "RANGE_ROWS"]

# Of a share of the variance.
SHARE_ERROR = "0.0%"
# What an end may be depends on its row: a probability, a volatility, a drift.
END = Rule("must be a number (a decimal: 0.02 means 2 %)", low=-100.0, high=100.0)

RANGE = TableSpec(
    "tbl_Range",
    "Uncertainty",
    "How well the inputs are known: 90 % ranges, or standard errors",
    "输入的90%区间",
    (
        text("Input", "输入", "label", 30),
        number("Low", "下限", "low", RATE, END, 12, "Exceeded 95 times in 100; blank: known.", blank=True),
        number("High", "上限", "high", RATE, END, 12, "Exceeded 5 times in 100; blank: known.", blank=True),
        number("s.e.", "标准误", "error", RATE, POSITIVE, 10, "In place of low and high.", blank=True),
        result("Counts", "是否计入", "state", TEXT, 28, blank=True),
        result("Figure now", "当前取值", "figure", RATE, 12, blank=True),
    ),
    optional=True,
)

# Of what is no rate.
FORMATS = {"lag": "0.00"}
RANGE_ROWS: tuple[TermRow, ...] = tuple(
    TermRow(item.label, name, "number", "", FORMATS.get(name, RATE), blank=True)
    for name, item in INPUTS.items()
)

MATTER = TableSpec(
    "tbl_Matter",
    "Uncertainty",
    f"Which input matters to {THE_CLASS}",
    "哪个输入最重要",
    (
        result("Input", "输入", "input", TEXT, 36),
        result("By itself", "单独影响", "first", "0%", 12, ("Alone",), True),
        result(
            *("With others", "连同影响", "total", "0%", 12),
            ("Together with the others", "Together with others"),
            True,
        ),
        result("s.e. by itself", "单独标准误", "first_error", SHARE_ERROR, 12, blank=True),
        result("s.e. with others", "连同标准误", "total_error", SHARE_ERROR, 12, blank=True),
        result("One obligor", "单一债务人", "foremost", "0%", 12, ("Of it one obligor",), True),
        result("Most at stake", "影响最大", "obligor", TEXT, 36, ("Obligor with most at stake",), True),
    ),
)

INTERVAL = TableSpec(
    "tbl_Interval",
    "Uncertainty",
    "Each class with its 90 % intervals",
    "各层级90%区间",
    (
        result("Class", "层级", "name", TEXT, 25),
        result("PD to quote", "采用违约概率", "pd", PROBABILITY, 9),
        result("PD, low", "违约概率下限", "pd_low", PROBABILITY, 9, blank=True),
        result("PD, high", "违约概率上限", "pd_high", PROBABILITY, 9, blank=True),
        result("Matters most", "最重要的输入", "most", TEXT, 29, blank=True),
        result("s.e. of low PD", "概率下限标准误", "pd_low_error", ERROR, 8, blank=True),
        result("s.e. of high PD", "概率上限标准误", "pd_high_error", ERROR, 8, blank=True),
        # As wide as the names of what matters, which stand above it.
        result("Interval of", "区间口径", "source", TEXT, 25, blank=True),
        result("s.e. of the simulation", "模拟标准误", "error", ERROR, 9),
        result("DD", "违约距离", "distance", DISTANCE, 9),
        result("DD, low", "违约距离下限", "distance_low", DISTANCE, 8, blank=True),
        result("DD, high", "违约距离上限", "distance_high", DISTANCE, 8, blank=True),
        result("Expected loss", "预期损失", "loss", SIMULATED, 9),
        result("Loss, low", "损失下限", "loss_low", PROBABILITY, 8, blank=True),
        result("Loss, high", "损失上限", "loss_high", PROBABILITY, 8, blank=True),
        result("s.e. of low loss", "损失下限标准误", "loss_low_error", ERROR, 8, blank=True),
        result("s.e. of high loss", "损失上限标准误", "loss_high_error", ERROR, 8, blank=True),
        result("s.e. of the loss", "损失标准误", "loss_error", ERROR, 8),
        result("Low, drawn", "图中下限", "low_drawn", "0.0E+00", 7, blank=True),
        result("Width, drawn", "图中区间", "range_drawn", "0.0E+00", 7, blank=True),
        result("PD, drawn", "图中取值", "pd_drawn", PROBABILITY, 7),
    ),
)
