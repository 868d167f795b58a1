"""Tables of the deal since closing: what came in, the view from today, its history, the watch list."""

from __future__ import annotations

from xlkmv.deal.terms import RECORD_RULE
from xlkmv.workbook.layout.column import (
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
    Column,
    TableSpec,
    number,
    result,
    the_class,
)

__all__ = ["ACTUAL", "BACKTEST", "HISTORY", "MEASURE", "RERATE", "TODAY", "WATCH"]

# Inputs of surveillance that may stay blank: nobody knows.
_UNKNOWN = "Blank: not known."

ACTUAL = TableSpec(
    "tbl_Actual",
    "Surveillance",
    f"What came in, and {THE_CLASS} re-rated after each date",
    "实际回款与动态评级",
    (
        Column(
            "Payment date", "日期", "date", "date", DATE, 12, note="A payment date of the plan.", blank=True
        ),
        number(
            "Actual collections",
            "实际回款",
            "collections",
            MONEY,
            RECORD_RULE,
            14,
            "Blank: not yet. While the plan revolves: less what bought claims.",
            True,
        ),
        number(
            "Pool balance",
            "资产池余额",
            "balance",
            MONEY,
            RECORD_RULE,
            14,
            f"Principal that performs after the date. {_UNKNOWN}",
            True,
        ),
        number(
            "Defaults",
            "违约金额",
            "defaults",
            MONEY,
            RECORD_RULE,
            12,
            f"Balance of the claims that defaulted in the period, those with a status too. {_UNKNOWN}",
            True,
        ),
        number(
            "Prepayments",
            "提前还款",
            "prepayments",
            MONEY,
            RECORD_RULE,
            12,
            f"Principal ahead of the plan in the period, part of the collections. {_UNKNOWN}",
            True,
        ),
        number(
            "Reserve held",
            "储备余额",
            "reserve",
            MONEY,
            RECORD_RULE,
            12,
            f"Reserve account after the date. {_UNKNOWN}",
            True,
        ),
        result("Planned", "计划回款", "planned", MONEY, 14),
        result("Actual / plan, accumulated", "累计实际/计划", "ratio", RATIO, 12),
        result("Level expected from now on", "预计后续水平", "level", "0.0%", 13),
        result("Volatility then", "当时波动率", "volatility", RATE, 10, ("Volatility",)),
        result("Volatility from (90 %)", "90%区间下限", "low", RATE, 10),
        result("Volatility to (90 %)", "90%区间上限", "high", RATE, 10),
        result(
            "Weight of the view at closing", "设立时观点权重", "weight", "0%", 12, ("Weight of the prior",)
        ),
        result("DD then", "违约距离", "dd", DISTANCE, 9, ("DD", "Senior DD")),
        result("DD then, as computed", "违约距离(计算值)", "computed_dd", DISTANCE, 10),
        result(
            "Any-date PD by pool and reserve then",
            "仅池与储备任一日违约概率",
            "pd",
            PROBABILITY,
            17,
            (
                "Any-date PD without undertaking then",
                "Any-date PD without undertaking",
                "Any-date PD",
                "Senior any-date PD",
            ),
        ),
        result("The same, as computed", "计算值", "computed_pd", PROBABILITY, 11),
        result("The same, all as planned", "如按计划", "on_plan", PROBABILITY, 11),
        result("Alert", "预警", "alert", TEXT, 13),
    ),
    retired=("Growth of the median",),
)

# What a class is rated by today; where it is held at closing, what was computed stands beside it.
TODAY = TableSpec(
    "tbl_Today",
    "Today",
    "Each class at closing and now: grade and PD to quote",
    "各层级设立时与当前评级",
    (
        the_class(26),
        result("Outstanding now", "当前余额", "balance", MONEY, 15),
        result("Grade at closing", "设立时等级", "grade_closing", TEXT, 11),
        result("Grade now", "当前等级", "grade", TEXT, 11),
        result("PD to quote at closing", "设立时采用违约概率", "quote_closing", PROBABILITY, 13),
        result("PD to quote now", "当前采用违约概率", "quote", PROBABILITY, 13),
        result("Why now", "当前依据", "why", TEXT, 32),
        result("Grade now, as computed", "当前等级(计算值)", "computed_grade", TEXT, 14),
        result("PD to quote now, as computed", "当前采用违约概率(计算值)", "computed", PROBABILITY, 16),
        result("Alert", "预警", "alert", TEXT, 17),
    ),
)

RERATE = TableSpec(
    "tbl_Rerate",
    "Both views",
    "Each class at closing and now, the views side by side",
    "设立时与当前：两种视角",
    (
        the_class(26),
        result("Outstanding now", "当前余额", "balance", MONEY, 15),
        result("Coverage now", "当前覆盖倍数", "coverage", RATIO, 10),
        result("DD at closing", "设立时违约距离", "dd_closing", DISTANCE, 10),
        result("DD now", "当前违约距离", "dd_now", DISTANCE, 9),
        result("DD now, as computed", "当前违约距离(计算值)", "computed_dd", DISTANCE, 12),
        result(
            "Any-date PD by pool and reserve at closing",
            "设立时仅池与储备任一日违约概率",
            "pd_closing",
            PROBABILITY,
            22,
            ("Any-date PD without undertaking at closing", "Any-date PD at closing"),
        ),
        result(
            "Any-date PD by pool and reserve now",
            "当前仅池与储备任一日违约概率",
            "pd_now",
            PROBABILITY,
            22,
            ("Any-date PD without undertaking now", "Any-date PD now"),
        ),
        result("The same now, as computed", "当前计算值", "computed_pd", PROBABILITY, 14),
        result(
            "Simulated any-date PD at closing", "设立时模拟任一日违约概率", "simulated_closing", SIMULATED, 17
        ),
        result("Simulated any-date PD now", "当前模拟任一日违约概率", "simulated_now", SIMULATED, 15),
        result("Simulated now, as computed", "当前模拟计算值", "computed_simulated", SIMULATED, 14),
        result("s.e. now", "标准误", "simulated_error", ERROR, 9),
        result("Simulated expected loss now", "当前模拟预期损失", "loss_now", SIMULATED, 18),
    ),
    retired=("Grade now", "Alert"),
)

# "Then" is as of the date of the line, over what was still to come; Home's figures are those of closing.
HISTORY = TableSpec(
    "tbl_History",
    "History",
    "What each refresh found, class by class",
    "评级历史",
    (
        result("Refreshed", "刷新时间", "when", TEXT, 20),
        result("As of", "截至", "as_of", DATE, 12),
        the_class(26),
        result("Grade then", "当时等级", "grade", TEXT, 12, ("Grade",), blank=True),
        result("PD to quote then", "当时采用违约概率", "quote", PROBABILITY, 13, blank=True),
        result(
            "Simulated any-date PD then",
            "当时模拟任一日违约概率",
            "simulated",
            SIMULATED,
            15,
            ("Simulated any-date PD",),
        ),
        result(
            "Any-date PD by pool and reserve then",
            "当时仅池与储备任一日违约概率",
            "pd",
            PROBABILITY,
            18,
            ("Any-date PD by pool and reserve", "Any-date PD without undertaking"),
        ),
        result("Coverage then", "当时覆盖倍数", "coverage", RATIO, 10, ("Coverage",)),
        result("DD then", "当时违约距离", "dd", DISTANCE, 9, ("DD",)),
        result("Alert", "预警", "alert", TEXT, 17),
        result("Paths", "路径数", "paths", MONEY, 10),
        result("Input hash", "输入指纹", "hash", TEXT, 16),
    ),
)

WATCH = TableSpec(
    "tbl_Watch",
    "Rating",
    f"Rating over time: {THE_CLASS} as seen from each date",
    "评级走势",
    (
        result("As of", "截至", "date", DATE, 12),
        result("Grade then", "当时等级", "grade", TEXT, 14, blank=True),
        result("Alert", "预警", "alert", TEXT, 17, blank=True),
        result("PD to quote, drawn", "采用违约概率", "quote", "0.0E+00", 14, blank=True),
        result(
            "Any-date PD by pool and reserve, drawn",
            "仅池与储备任一日违约概率",
            "pd",
            "0.0E+00",
            20,
            ("Any-date PD without undertaking, drawn",),
            blank=True,
        ),
        result("The same, as computed, drawn", "计算值", "computed", "0.0E+00", 16, blank=True),
        result("Alert from", "预警线", "limit", "0.0E+00", 12, blank=True),
        result("Grade at closing up to", "设立时等级上限", "grade_limit", "0.0E+00", 14, blank=True),
    ),
    retired=("Simulated any-date PD, drawn",),
)

MEASURE = TableSpec(
    "tbl_Measure",
    "Backtest",
    "Did the predictions of closing hold?",
    "预测检验",
    (
        result("Verdict", "结论", "verdict", TEXT, 22),
        result("Obligors", "债务人数", "obligors", MONEY, 12, blank=True),
        result("Defaults seen", "实际违约数", "seen", MONEY, 12, blank=True),
        result("Defaults expected", "预期违约数", "expected", "0.00", 12, blank=True),
        result("Chance of as many or more", "至少同样多的概率", "as_many", PROBABILITY, 13, blank=True),
        result("Chance of as few or fewer", "至多同样多的概率", "as_few", PROBABILITY, 13, blank=True),
        result("Area under ROC", "ROC曲线下面积", "auc", "0.000", 11, blank=True),
        result("Accuracy ratio", "准确率比", "accuracy_ratio", "0.000", 11, blank=True),
        result("Kolmogorov-Smirnov", "KS统计量", "ks", "0.000", 12, blank=True),
        result("Brier score", "Brier评分", "brier", "0.0000", 11, blank=True),
        result("Hosmer-Lemeshow", "HL统计量", "hosmer_lemeshow", "0.00", 12, blank=True),
        result("p-value", "p值", "p_value", PROBABILITY, 10, blank=True),
    ),
)

BACKTEST = TableSpec(
    "tbl_Backtest",
    "Backtest",
    "Predicted at closing and seen, accumulated up to each date",
    "设立时预测与实际",
    (
        result("Payment date", "日期", "date", DATE, 22),
        result("Collections by plan", "计划回款", "planned", MONEY, 14),
        result("Expected, with defaults", "预期回款", "expected", MONEY, 14),
        result("Came in", "实际回款", "collected", MONEY, 14),
        result("Expected / plan", "预期/计划", "expected_share", "0.0%", 12),
        result("1 in 20 less / plan", "5%下限/计划", "low_share", "0.0%", 12),
        result("1 in 20 more / plan", "95%上限/计划", "high_share", "0.0%", 12),
        result("Came in / plan", "实际/计划", "seen_share", "0.0%", 12),
        result("Chance of less", "更低的概率", "level", PROBABILITY, 12),
        result("In default, expected", "预期违约户数", "defaults_expected", "0.00", 12),
        result("In default, seen", "实际违约户数", "defaults_seen", MONEY, 12, blank=True),
        result("Money in default, expected", "预期违约金额", "money_expected", MONEY, 15),
        result("Money in default, seen", "实际违约金额", "money_seen", MONEY, 15),
    ),
)
