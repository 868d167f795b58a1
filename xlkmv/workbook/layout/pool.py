"""Tables of the pool: claims, and the data of obligors that default probabilities come from."""

from __future__ import annotations

from xlkmv.deal.sources import METHODS as SOURCE_METHODS
from xlkmv.deal.terms import AMORTISATIONS, COLUMN_RULES, STATUSES
from xlkmv.model.calibration import MAPPED_PD
from xlkmv.model.domain import (
    ASSET_CORRELATION,
    FINITE,
    INSIDE_PROBABILITY,
    NOT_NEGATIVE,
    POSITIVE,
    RULES,
    Rule,
)
from xlkmv.model.domain import PROBABILITY as PROBABILITY_RULE
from xlkmv.model.history import YEAR_TO_YEAR, YEARS
from xlkmv.model.private import DISTANCES
from xlkmv.workbook.layout.column import (
    DISTANCE,
    MONEY,
    PROBABILITY,
    RATE,
    TEXT,
    WHOLE,
    TableSpec,
    choice,
    date,
    formula,
    number,
    result,
    text,
)

__all__ = [
    "CORRELATION",
    "EDF",
    "FROM_SOURCE",
    "GROUP",
    "OBLIGOR",
    "PEER",
    "POOL",
    "PRICE",
    "RECOVERY",
    "SOURCE",
]

# Word in the column of ratings: the PD is that of sheet Obligor.
FROM_SOURCE = "source"
EQUITY_NOTE = "listed: market value and its volatility p.a., or a series in table tbl_Prices."
EQUITY_ERROR = "listed: of the volatility; blank: as of a year of daily prices, 4.5 % of it."
DEBT_NOTE = "listed, comparables: due within a year, and later. Money."
PD_ERROR = "Standard error of the PD, in place of its ends."
PD_MEDIAN = "What the PD is as likely above as below, between its ends; blank: the PD itself."
PD_SHARED = (
    "Share of the variance of the log odds that is one error of all claims of a group; with its group."
)
PD_GROUP = "Claims of one number share that part of their error, such as that of the same peers."
PD_RANGE = "Ends that hold the PD 9 times out of 10: both or none. Blank with source: those of sheet Obligor."
EARNINGS_NOTE = "comparables: the same of the firm and of all its peers. Money."

POOL = TableSpec(
    "tbl_Pool",
    "Pool",
    "Claims: by scheduled collections on dates, or by loan terms",
    "债权：按日期的计划回款，或按贷款条款",
    (
        text("Obligor", "债务人", "name", 26),
        text("Industry", "行业", "industry", 24, blank=True),
        number(
            "Invention patents", "发明专利", "invention", WHOLE, Rule("must be >= 0", 0.0), 10, blank=True
        ),
        number("Utility patents", "实用新型", "utility", WHOLE, Rule("must be >= 0", 0.0), 10, blank=True),
        number(
            "Count",
            "笔数",
            "count",
            MONEY,
            COLUMN_RULES["count"],
            8,
            "Equal, separate obligors in the row; blank: 1. Amounts are totals of the row.",
            blank=True,
        ),
        number(
            "Financed amount",
            "融资金额",
            "amount",
            MONEY,
            COLUMN_RULES["amount"],
            15,
            "Money, any currency unit; of a loan its balance at closing.",
            aliases=("Balance",),
        ),
        formula("Share", "占比", "share", RATE, 9),
        text(
            "Rating",
            "评级",
            "rating",
            9,
            True,
            "In place of the PD: a grade of table tbl_Scale, or source: the PD of sheet Obligor.",
        ),
        number(
            "PD",
            "违约概率",
            "pd",
            RATE,
            COLUMN_RULES["pd"],
            9,
            "One-year default probability, a decimal. Blank where there is a rating.",
            blank=True,
            required=True,
        ),
        number("PD low", "违约概率下限", "pd_low", RATE, INSIDE_PROBABILITY, 9, PD_RANGE, blank=True),
        number("PD high", "违约概率上限", "pd_high", RATE, INSIDE_PROBABILITY, 9, PD_RANGE, blank=True),
        number("PD s.e.", "违约概率标准误", "pd_error", RATE, POSITIVE, 9, PD_ERROR, blank=True),
        number(
            "PD median", "违约概率中位数", "pd_median", RATE, INSIDE_PROBABILITY, 9, PD_MEDIAN, blank=True
        ),
        number("Shared error", "共同误差占比", "pd_shared", RATE, PROBABILITY_RULE, 9, PD_SHARED, blank=True),
        number("Error group", "误差分组", "pd_group", WHOLE, FINITE, 9, PD_GROUP, blank=True),
        number(
            "Recovery",
            "回收率",
            "recovery",
            RATE,
            COLUMN_RULES["recovery"],
            10,
            "Share of the claim that is recovered. Blank where sheet Sources has a pledge.",
            blank=True,
            required=True,
        ),
        number(
            "Recovery lag",
            "回收时滞",
            "lag",
            "0.00",
            COLUMN_RULES["lag"],
            10,
            "Years from default to the recovery.",
        ),
        number(
            "Correlation",
            "相关性",
            "correlation",
            "0.00",
            COLUMN_RULES["correlation"],
            11,
            "Asset correlation with the common factor. May be blank where it does not come from here (Terms).",
            blank=True,
            required=True,
        ),
        number(
            "Sales (EUR million)",
            "年销售额（百万欧元）",
            "sales",
            MONEY,
            NOT_NEGATIVE,
            11,
            "Of the group, a year; for Basel's correlation. Blank: 50 or more.",
            blank=True,
        ),
        number(
            "Remaining term (months)",
            "剩余期限（月）",
            "term",
            WHOLE,
            COLUMN_RULES["term"],
            15,
            "Months. Filled: the schedule follows from the loan terms; the columns of dates stay blank.",
            blank=True,
            aliases=("Remaining term",),
        ),
        number(
            "Rate",
            "利率",
            "rate",
            RATE,
            COLUMN_RULES["loan_rate"],
            8,
            "Nominal, per annum. Not needed where Base is filled.",
            blank=True,
        ),
        text("Base", "基准利率", "base", 10, True, "Floating: name of a curve of table tbl_Curve."),
        number(
            "Margin",
            "利差",
            "margin",
            RATE,
            COLUMN_RULES["loan_margin"],
            8,
            "Over the base, per annum; blank: 0.",
            blank=True,
        ),
        choice("Amortisation", "还款方式", "amortisation", AMORTISATIONS, 13, "Blank: annuity.", blank=True),
        number(
            "Interest-only (months)",
            "只付息期（月）",
            "interest_only",
            WHOLE,
            COLUMN_RULES["interest_only"],
            11,
            "Months of interest alone before an annuity (amortisation interest-only); blank: none.",
            blank=True,
            aliases=("Interest-only",),
        ),
        date(
            "First payment", "首次还款日", "first", 12, "Blank: one payment period after closing.", blank=True
        ),
        number(
            "Payments p.a.",
            "年还款次数",
            "payments_per_year",
            WHOLE,
            COLUMN_RULES["payments_per_year"],
            10,
            "1, 2, 4, 6 or 12; blank: 12.",
            blank=True,
        ),
        number(
            "Age (months)",
            "账龄（月）",
            "age",
            WHOLE,
            COLUMN_RULES["age"],
            8,
            "Months since origination, at closing; blank: 0. Speeds ABS and PSA depend on it.",
            blank=True,
            aliases=("Age",),
        ),
        choice("Status", "状态", "status", STATUSES, 12, "As known today; blank: performing.", blank=True),
        date("Since", "起始日", "since", 12, "Since when the claim has its status.", blank=True),
        text("Basis", "依据", "basis", 36, blank=True),
        # As on sheet Drivers, of the headline class.
        result("Share of the class's expected loss", "占该层级预期损失", "loss_share", RATE, 17, blank=True),
        result(
            "In default when the class is short", "该层级不足时已违约", "in_default", RATE, 17, blank=True
        ),
    ),
)

OBLIGOR = TableSpec(
    "tbl_Obligor",
    "Obligor",
    "Default probabilities from the obligors' own data",
    "债务人违约概率的来源",
    (
        text("Obligor", "债务人", "name", 24, note="As on sheet Pool, where Rating says source."),
        choice(
            "Method",
            "方法",
            "method",
            tuple(SOURCE_METHODS),
            13,
            "How the PD follows from the inputs beside.",
        ),
        result("PD", "违约概率", "found_pd", PROBABILITY, 10, blank=True),
        result("PD, low", "下限", "found_low", PROBABILITY, 10, blank=True),
        result("PD, high", "上限", "found_high", PROBABILITY, 10, blank=True),
        result("DD", "违约距离", "distance", DISTANCE, 8, blank=True),
        result("Rests on", "依据", "note", TEXT, 62, blank=True),
        number("Typed PD", "给定PD", "pd", RATE, PROBABILITY_RULE, 9, "given: one year.", blank=True),
        number("Typed low", "给定下限", "low", RATE, PROBABILITY_RULE, 9, "given, if known.", blank=True),
        number("Typed high", "给定上限", "high", RATE, PROBABILITY_RULE, 9, "given, if known.", blank=True),
        text("Grade", "等级", "rating", 9, True, "rating: a grade of table tbl_Scale; low default: a group."),
        number("Equity", "股权市值", "equity", MONEY, POSITIVE, 12, EQUITY_NOTE, blank=True),
        number(
            "Equity volatility",
            "股权波动率",
            "equity_volatility",
            RATE,
            RULES["equity_volatility"],
            10,
            EQUITY_NOTE,
            blank=True,
        ),
        number(
            "Volatility s.e.",
            "波动率标准误",
            "equity_volatility_error",
            RATE,
            NOT_NEGATIVE,
            10,
            EQUITY_ERROR,
            blank=True,
        ),
        number("Short-term debt", "短期债务", "short_term", MONEY, NOT_NEGATIVE, 14, DEBT_NOTE, blank=True),
        number("Long-term debt", "长期债务", "long_term", MONEY, NOT_NEGATIVE, 14, DEBT_NOTE, blank=True),
        number(
            "Drift", "资产增长", "drift", RATE, RULES["drift"], 8, "Of the assets p.a.; blank: 0.", blank=True
        ),
        number(
            "EBITDA or book assets",
            "EBITDA或账面资产",
            "earnings",
            MONEY,
            POSITIVE,
            14,
            EARNINGS_NOTE,
            blank=True,
            aliases=("EBITDA",),
        ),
        text("Industry", "行业", "industry", 15, True, "comparables: as in table tbl_Peers."),
        number(
            "Defaults",
            "违约数",
            "defaults",
            WHOLE,
            NOT_NEGATIVE,
            9,
            "history, low default: of obligors like it.",
            blank=True,
        ),
        number(
            "Obligor-years",
            "户年数",
            "obligor_years",
            MONEY,
            POSITIVE,
            10,
            "history, low default: obligors x years.",
            blank=True,
        ),
    ),
    optional=True,
)

SPREAD_NOTE = "Standard deviation about the Recovery of sheet Pool, which is the mean. Blank: none."
TIE_NOTE = "Of the value, or of a recovery with a spread, with the obligor's assets; blank: 0."

RECOVERY = TableSpec(
    "tbl_Recovery",
    "Sources",
    "Recoveries that are drawn: from a pledge, or with a spread",
    "随机回收：质押物或回收率波动",
    (
        text("Obligor", "债务人", "name", 24, note="As on sheet Pool."),
        result("Expected", "期望回收率", "expected", RATE, 10, blank=True),
        number(
            "Pledge value",
            "质押物价值",
            "pledge",
            MONEY,
            COLUMN_RULES["pledge"],
            14,
            "Of the whole row, today, money. What it does not cover brings the recovery without pledge.",
            blank=True,
        ),
        number(
            "Pledge volatility",
            "质押物波动率",
            "pledge_volatility",
            RATE,
            COLUMN_RULES["pledge_volatility"],
            10,
            "Of the value p.a.; 0: the value is certain.",
            blank=True,
        ),
        number(
            "Growth",
            "价值增长",
            "pledge_growth",
            RATE,
            COLUMN_RULES["pledge_growth"],
            9,
            "Of the value p.a., negative where it wears out; blank: 0.",
            blank=True,
        ),
        number(
            "Sale discount",
            "变现折扣",
            "sale_discount",
            RATE,
            COLUMN_RULES["sale_discount"],
            10,
            "What a forced sale loses and costs; blank: 0. It takes the recovery lag.",
            blank=True,
        ),
        number("Spread", "回收率波动", "spread", RATE, COLUMN_RULES["spread"], 9, SPREAD_NOTE, blank=True),
        number("Correlation", "与债务人相关性", "tie", "0.00", COLUMN_RULES["tie"], 11, TIE_NOTE, blank=True),
    ),
    optional=True,
)

SOURCE = TableSpec(
    "tbl_Source",
    "Sources",
    "What methods share",
    "共同参数",
    (
        number(
            "Risk-free rate", "无风险利率", "rate", RATE, RULES["rate"], 10, "p.a.; blank: 0.", blank=True
        ),
        number(
            "Share of long-term debt",
            "长期债务比例",
            "weight",
            "0%",
            RULES["weight"],
            12,
            "In the default point; blank: 50 %.",
            blank=True,
        ),
        choice("Distance", "距离口径", "convention", DISTANCES, 10, "Convention; blank: log.", blank=True),
        number("Range holds", "区间概率", "level", "0%", RULES["level"], 10, "Blank: 90 %.", blank=True),
        number(
            "Bound: confidence",
            "上限：置信水平",
            "confidence",
            "0%",
            RULES["level"],
            12,
            "low default: of the bound. 50 to 75 % for an estimate; blank: 75 %.",
            blank=True,
        ),
        number(
            "Bound: correlation",
            "上限：相关性",
            "correlation",
            "0.00",
            ASSET_CORRELATION,
            12,
            "low default: of the obligors of the history; blank: 0.",
            blank=True,
        ),
        number(
            "Bound: years",
            "上限：年数",
            "years",
            WHOLE,
            YEARS,
            10,
            "low default: of the history; blank: 1.",
            blank=True,
        ),
        number(
            "Bound: year to year",
            "上限：跨年相关",
            "time_correlation",
            "0.00",
            YEAR_TO_YEAR,
            12,
            "low default: correlation of the factor of one year with that of the next; blank: 0.",
            blank=True,
        ),
    ),
    optional=True,
)

GROUP = TableSpec(
    "tbl_Group",
    "Sources",
    "Groups with few defaults, the best first",
    "低违约分组",
    (
        text("Group", "分组", "name", 18, note="As in the column Grade of the obligors, method low default."),
        number("Obligors", "户数", "obligors", MONEY, POSITIVE, 10, "At the start."),
        number("Defaulted", "违约数", "defaults", WHOLE, NOT_NEGATIVE, 9, "Of these, over all the years."),
        result("Upper bound", "违约概率上限", "bound", PROBABILITY, 11, blank=True),
        result("PD, low", "下限", "low", PROBABILITY, 10, blank=True),
        result("PD, high", "上限", "high", PROBABILITY, 10, blank=True),
    ),
    optional=True,
)

CORRELATION = TableSpec(
    "tbl_Correlation",
    "Sources",
    "Asset correlation, by the choice on sheet Terms",
    "资产相关性及其来源",
    (
        result("Correlation from", "相关性来源", "source", TEXT, 16),
        result("Mean by amount", "加权平均", "mean", "0.000", 11),
        result("Least", "最低", "least", "0.000", 9),
        result("Largest", "最高", "largest", "0.000", 9),
        result("s.e.", "标准误", "error", "0.000", 9, blank=True),
        result("Rests on", "依据", "note", TEXT, 54, blank=True),
    ),
)

PEER = TableSpec(
    "tbl_Peers",
    "Prices",
    "Listed peers, for obligors without a price",
    "可比上市公司",
    (
        text("Peer", "公司", "name", 22),
        text("Industry", "行业", "industry", 18),
        number("Equity", "股权市值", "equity", MONEY, POSITIVE, 14),
        number("Equity volatility", "股权波动率", "equity_volatility", RATE, RULES["equity_volatility"], 10),
        number("Short-term debt", "短期债务", "short_term", MONEY, NOT_NEGATIVE, 14),
        number("Long-term debt", "长期债务", "long_term", MONEY, NOT_NEGATIVE, 14),
        number(
            "EBITDA or book assets",
            "EBITDA或账面资产",
            "earnings",
            MONEY,
            POSITIVE,
            14,
            EARNINGS_NOTE,
            aliases=("EBITDA",),
        ),
    ),
    optional=True,
)

EDF = TableSpec(
    "tbl_Edf",
    "Prices",
    "Your map to PDs",
    "违约概率映射",
    (
        number(
            "Distance",
            "违约距离",
            "distance",
            DISTANCE,
            FINITE,
            18,
            "To default, by the convention beside. Blank: the PD is N(-DD).",
        ),
        number("PD", "违约概率", "pd", PROBABILITY, MAPPED_PD, 18, "Does not rise with the distance."),
    ),
    optional=True,
)

PRICE = TableSpec(
    "tbl_Prices",
    "Prices",
    "Equity values of listed obligors",
    "上市债务人股权市值序列",
    (
        text("Obligor", "债务人", "name", 24, note="Of table tbl_Obligor, method listed."),
        date(
            "Date",
            "日期",
            "date",
            note="Increasing, evenly spaced: daily, weekly, monthly. Those after closing are not used.",
        ),
        number("Equity", "股权市值", "equity", MONEY, POSITIVE, 14, "Market value, money."),
    ),
    optional=True,
)
