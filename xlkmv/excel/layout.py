"""The workbook's tables: sheet, name, columns, units. One description for all who need it.

The template is built from it, refresh reads and writes by it, and the messages about wrong
cells quote it. Users may move tables and columns, insert rows and add sheets: data is found
by table name and heading only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xlkmv.deal.reading import READINGS
from xlkmv.deal.sources import METHODS as SOURCE_METHODS
from xlkmv.deal.stress import DEFAULT_POINTS, STRESS_RULES
from xlkmv.deal.terms import (
    AMORTISATIONS,
    CAP_UNITS,
    COLUMN_RULES,
    CONSEQUENCES,
    CONTROLS,
    HORIZONS,
    INTERVALS,
    METRICS,
    PAYMENT_TYPES,
    RECORD_RULE,
    RESERVE_FUNDING,
    RESERVE_UNITS,
    STATUSES,
    TERM_CHOICES,
    TERM_RULES,
    horizon_field,
)
from xlkmv.deal.terms.plan import VECTOR_RULE
from xlkmv.language import Phrase, Say, said
from xlkmv.model.domain import INSIDE_PROBABILITY, NOT_NEGATIVE, POSITIVE, RULES, Rule
from xlkmv.model.domain import PROBABILITY as PROBABILITY_RULE
from xlkmv.model.private import DISTANCES

__all__ = [
    "ALL_NUMBERS",
    "ASSUMED_FILL",
    "CHARTS",
    "CONTROL_ROWS",
    "COUNT_OF_DATES",
    "CURRENCY",
    "DEAL_NAME",
    "HEADLINE_CLASS",
    "LANGUAGE",
    "MONEY_LABEL",
    "NAMES",
    "ONE_CELL",
    "OTHER_NUMBERS",
    "POOL_AMOUNT",
    "READINGS_CHINESE",
    "READING_NAMES",
    "TABLES",
    "TERM_ROWS",
    "TITLES",
    "UNIT",
    "UNNAMED",
    "Column",
    "ControlRow",
    "TableSpec",
    "TermRow",
    "input_columns",
    "of_class",
]

MONEY = "#,##0"
RATE = "0.00%"
# A probability is a percentage a banker reads at a glance, or a power of ten when it is small; below
# 1E-10 no model can tell. What no path of a simulation has shown may happen all the same.
PROBABILITY = '[<0.0000000001]"< 1E-10";[<0.0001]0.0E+00;0.00%'
SIMULATED = '[=0]"none seen";[<0.0001]0.0E+00;0.00%'
ERROR = '[=0]"-";[<0.0001]0.0E+00;0.00%'
# Sections with conditions lose the sign of what is negative.
CHANGE = "+0.000%;-0.000%;0%"
CHANGE_ERROR = "0.000%"
DISTANCE = "0.00"
RATIO = "0.000"
DATE = "yyyy-mm-dd"
WHOLE = "0"
TEXT = "General"
YES_NO = ("yes", "no")
# Fill of the cells of inputs that hold an assumption.
ASSUMED_FILL = "#FCE8D2"
# Where a title says this, refresh puts the name of the class.
THE_CLASS = "the headline class"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    header, chinese : str
    field : str
        Name in the deal or in the analysis.
    kind : {"text", "number", "date", "choice", "any", "shown", "result"}
        What an input may be; "shown": a formula of the sheet, never read; "result": filled by refresh.
    format : str
        Number format of the cells.
    width : int
        Characters.
    rule : Rule, optional
    choices : tuple of str
    note : str
        Shown when an input cell is selected.
    blank : bool
        Whether an input may be left blank, or a result has nothing to say.
    aliases : tuple of str
        Other headings under which the column is found: those of older workbooks, or of other habits.
    required : bool
        Whether the column has to be there although cells of it may be blank.
    """

    header: str
    chinese: str
    field: str
    kind: str = "result"
    format: str = TEXT
    width: int = 12
    rule: Rule | None = None
    choices: tuple[str, ...] = ()
    note: str = ""
    blank: bool = False
    aliases: tuple[str, ...] = ()
    required: bool = False

    def heading(self, has: Callable[[str], bool]) -> str:
        """Heading under which a table that `has` headings holds the column; its own, where none is there."""
        found = (name for name in (self.header, *self.aliases) if has(name))
        return next(found, self.header)

    @property
    def is_input(self) -> bool:
        """Whether the user fills it."""
        return self.kind not in ("shown", "result")


@dataclass(frozen=True, slots=True)
class TableSpec:
    """One table: where the template puts it, and its columns.

    Attributes
    ----------
    name, sheet, title, chinese : str
    columns : tuple of Column
    optional : bool
        Whether a workbook may be without this table of inputs.
    formerly : str
        Name of the table in workbooks of the first edition, if another.
    retired : tuple of str
        Headings of results that older workbooks have, and nobody fills any more.
    """

    name: str
    sheet: str
    title: str
    chinese: str
    columns: tuple[Column, ...]
    optional: bool = False
    formerly: str = ""
    retired: tuple[str, ...] = ()

    def column(self, field: str) -> Column:
        """Return the column that holds a field."""
        return next(c for c in self.columns if c.field == field)

    def index(self, field: str) -> int:
        """Return the place of the column that holds a field."""
        return self.columns.index(self.column(field))

    def heading(self, name: str = THE_CLASS, say: Say = str) -> str:
        """Title over the table, with the name of the class that headlines speak of.

        English has the Chinese title beside it; any other language stands for itself.
        """
        title = of_class(self.title, name)
        spoken = said(title, say)
        return f"{title}   {self.chinese}" if spoken == title else spoken

    @property
    def inputs(self) -> tuple[Column, ...]:
        """Columns that the user fills."""
        return tuple(c for c in self.columns if c.is_input)

    @property
    def results(self) -> tuple[Column, ...]:
        """Columns that refresh fills."""
        return tuple(c for c in self.columns if c.kind == "result")

    def headings(self, found: Sequence[str]) -> tuple[str, ...]:
        """Headings of a workbook's table, other names of a column replaced by its own."""
        plain = [_plain(h) for h in found]
        known = {
            _plain(alias): c.header
            for c in self.columns
            if _plain(c.header) not in plain
            for alias in c.aliases
        }
        return tuple(known.get(name, h) for name, h in zip(plain, found, strict=True))

    def describes(self, found: Sequence[str]) -> bool:
        """Whether a table with these headings has any of the columns."""
        plain = {_plain(h) for h in self.headings(found)}
        return any(_plain(c.header) in plain for c in self.columns)


def of_class(text: str, name: str) -> Phrase:
    """Put the name of the class that headlines speak of into a title."""
    return Phrase(text.replace(THE_CLASS, "{name}"), name=name)


def _plain(header: str) -> str:
    return " ".join(header.split()).casefold()


def text(
    header: str, chinese: str, field: str, width: int = 16, blank: bool = False, note: str = ""
) -> Column:
    return Column(header, chinese, field, "text", TEXT, width, blank=blank, note=note)


def number(
    header: str,
    chinese: str,
    field: str,
    shown: str,
    rule: Rule,
    width: int = 12,
    note: str = "",
    blank: bool = False,
    aliases: tuple[str, ...] = (),
    required: bool = False,
) -> Column:
    return Column(header, chinese, field, "number", shown, width, rule, (), note, blank, aliases, required)


def choice(
    header: str,
    chinese: str,
    field: str,
    choices: tuple[str, ...],
    width: int = 14,
    note: str = "",
    blank: bool = False,
) -> Column:
    return Column(header, chinese, field, "choice", TEXT, width, None, choices, note, blank)


def date(
    header: str, chinese: str, field: str, width: int = 12, note: str = "", blank: bool = False
) -> Column:
    return Column(header, chinese, field, "date", DATE, width, note=note, blank=blank)


def result(
    header: str,
    chinese: str,
    field: str,
    shown: str = TEXT,
    width: int = 12,
    aliases: tuple[str, ...] = (),
    blank: bool = False,
) -> Column:
    return Column(header, chinese, field, "result", shown, width, aliases=aliases, blank=blank)


def formula(header: str, chinese: str, field: str, shown: str = TEXT, width: int = 12) -> Column:
    return Column(header, chinese, field, "shown", shown, width)


# Word in the column of ratings: the PD is that of sheet Obligor.
FROM_SOURCE = "source"
EQUITY_NOTE = "listed: market value and its volatility p.a., or a series in table tbl_Prices."
DEBT_NOTE = "listed, comparables: due within a year, and later. Money."
EARNINGS_NOTE = "or book assets, if all peers give these. Money."

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
        number(
            "Recovery",
            "回收率",
            "recovery",
            RATE,
            COLUMN_RULES["recovery"],
            10,
            "Share of the claim that is recovered.",
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
            "Asset correlation with the common factor.",
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
            "Months of interest alone; blank: none.",
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
        number("Typed PD", "给定PD", "pd", RATE, PROBABILITY_RULE, 9, "given: one year.", blank=True),
        number("Typed low", "给定下限", "low", RATE, PROBABILITY_RULE, 9, "given, if known.", blank=True),
        number("Typed high", "给定上限", "high", RATE, PROBABILITY_RULE, 9, "given, if known.", blank=True),
        text("Grade", "等级", "rating", 9, True, "rating: a grade of table tbl_Scale."),
        number("Equity", "股权市值", "equity", MONEY, POSITIVE, 14, EQUITY_NOTE, blank=True),
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
        number("Short-term debt", "短期债务", "short_term", MONEY, NOT_NEGATIVE, 14, DEBT_NOTE, blank=True),
        number("Long-term debt", "长期债务", "long_term", MONEY, NOT_NEGATIVE, 14, DEBT_NOTE, blank=True),
        number(
            "Drift", "资产增长", "drift", RATE, RULES["drift"], 8, "Of the assets p.a.; blank: 0.", blank=True
        ),
        number(
            "EBITDA",
            "息税折旧前利润",
            "earnings",
            MONEY,
            POSITIVE,
            14,
            f"comparables: {EARNINGS_NOTE}",
            blank=True,
        ),
        text("Industry", "行业", "industry", 18, True, "comparables: as in table tbl_Peers."),
        number(
            "Defaults",
            "违约数",
            "defaults",
            WHOLE,
            NOT_NEGATIVE,
            9,
            "history: of obligors like it.",
            blank=True,
        ),
        number(
            "Obligor-years",
            "户年数",
            "obligor_years",
            MONEY,
            POSITIVE,
            10,
            "history: obligors x years.",
            blank=True,
        ),
        result("Rests on", "依据", "note", TEXT, 104, blank=True),
    ),
    optional=True,
)

SOURCE = TableSpec(
    "tbl_Source",
    "Obligor",
    "For all of them",
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
    ),
    optional=True,
)

PEER = TableSpec(
    "tbl_Peers",
    "Obligor",
    "Listed peers, for obligors without a price",
    "可比上市公司",
    (
        text("Peer", "公司", "name", 22),
        text("Industry", "行业", "industry", 18),
        number("Equity", "股权市值", "equity", MONEY, POSITIVE, 14),
        number("Equity volatility", "股权波动率", "equity_volatility", RATE, RULES["equity_volatility"], 10),
        number("Short-term debt", "短期债务", "short_term", MONEY, NOT_NEGATIVE, 14),
        number("Long-term debt", "长期债务", "long_term", MONEY, NOT_NEGATIVE, 14),
        number("EBITDA", "息税折旧前利润", "earnings", MONEY, POSITIVE, 14, EARNINGS_NOTE),
    ),
    optional=True,
)

PRICE = TableSpec(
    "tbl_Prices",
    "Obligor",
    "Equity values of listed obligors",
    "上市债务人股权市值序列",
    (
        text("Obligor", "债务人", "name", 24, note="Of table tbl_Obligor, method listed."),
        date("Date", "日期", "date", note="Increasing, evenly spaced: daily, weekly, monthly."),
        number("Equity", "股权市值", "equity", MONEY, POSITIVE, 14, "Market value, money."),
    ),
    optional=True,
)

TRANCHE = TableSpec(
    "tbl_Tranche",
    "Tranche",
    "Tranches",
    "证券分层",
    (
        text("Tranche", "层级", "name", 26),
        number("Rank", "顺序", "rank", WHOLE, COLUMN_RULES["rank"], 14, "1 is paid first."),
        number("Amount", "金额", "amount", MONEY, COLUMN_RULES["amount"], 18, "Principal at closing."),
        formula("Share", "占比", "share", RATE, 12),
        number(
            "Coupon",
            "票面利率",
            "coupon",
            RATE,
            COLUMN_RULES["coupon"],
            12,
            "Per annum; 0 for a residual tranche. Not needed where Base is filled.",
            blank=True,
            required=True,
        ),
        choice("Payment type", "还本方式", "payment", PAYMENT_TYPES, 18, "How principal falls due."),
        Column(
            "Maturity",
            "到期日",
            "maturity",
            "date",
            DATE,
            note="Expected maturity, a payment date. A pass-through class may have none.",
            blank=True,
            required=True,
        ),
        choice("Pari passu", "同顺位", "pari_passu", YES_NO, 11, "yes: may share its rank.", blank=True),
        choice(
            "Senior",
            "优先",
            "senior",
            YES_NO,
            9,
            "yes: the class counts as senior. All blank: those of the first rank.",
            blank=True,
        ),
        date(
            "Legal final",
            "法定到期日",
            "legal_final",
            note="By when the class has to be repaid. Blank: at its maturity, pass-through at the last date.",
            blank=True,
        ),
        text("Base", "基准利率", "base", 10, True, "Floating: name of a curve of table tbl_Curve."),
        number(
            "Margin",
            "利差",
            "margin",
            RATE,
            COLUMN_RULES["margin"],
            9,
            "Over the base, per annum; blank: 0.",
            blank=True,
        ),
        number("Cap", "利率上限", "cap", RATE, COLUMN_RULES["cap"], 9, "Most that it pays p.a.", blank=True),
        number(
            "Floor",
            "利率下限",
            "floor",
            RATE,
            COLUMN_RULES["floor"],
            9,
            "Least that it pays p.a.",
            blank=True,
        ),
        choice(
            "Deferrable",
            "可递延",
            "deferrable",
            YES_NO,
            11,
            "yes: missed interest is added to what is owed while a better class is outstanding.",
            blank=True,
        ),
        text("Basis", "依据", "basis", 44, blank=True),
    ),
)

SCHEDULE = TableSpec(
    "tbl_Schedule",
    "Curves",
    "Principal of classes that pay by schedule",
    "按计划还本",
    (
        text("Tranche", "层级", "tranche", 26, note="A class whose payment type is schedule."),
        date("Date", "日期", "date", note="A payment date."),
        number(
            "Amount",
            "金额",
            "amount",
            MONEY,
            Rule("must be >= 0", 0.0),
            16,
            "Principal due on the date, money; or its share in the next column.",
            blank=True,
        ),
        number(
            "Share of class",
            "占该层级比例",
            "share",
            RATE,
            PROBABILITY_RULE,
            10,
            "Principal due on the date, as a share of the class.",
            blank=True,
        ),
    ),
    optional=True,
)

CURVE = TableSpec(
    "tbl_Curve",
    "Curves",
    "Base rates",
    "基准利率曲线",
    (
        text("Curve", "曲线", "curve", 14, note="Name that the columns Base refer to."),
        date("Date", "日期", "date", note="From when the rate is in force."),
        number("Rate", "利率", "rate", RATE, COLUMN_RULES["curve_rate"], 10, "Per annum."),
    ),
    optional=True,
)

SCALE = TableSpec(
    "tbl_Scale",
    "Curves",
    "Rating scale of obligors",
    "债务人评级",
    (
        text("Grade", "等级", "grade", 10, note="Name that the column Rating refers to; best grade first."),
        number("PD", "违约概率", "pd", RATE, COLUMN_RULES["pd"], 18, "One-year default probability."),
    ),
    optional=True,
)

CLASS_SCALE = TableSpec(
    "tbl_ClassScale",
    "Curves",
    "Grades of classes: cumulative default rates by horizon",
    "证券分层等级：各期限累计违约率",
    (
        text("Grade", "等级", "grade", 10, note="Best grade first. Blank table: the shipped scale."),
        *(
            number(
                f"{years:g} y",
                f"{years:g}年",
                horizon_field(years),
                "0.000#%",
                COLUMN_RULES["class_rate"],
                9,
                f"Default rate accumulated over {years:g} years; the whole column may be blank.",
                blank=True,
            )
            for years in HORIZONS
        ),
    ),
    optional=True,
)

VECTOR = TableSpec(
    "tbl_Vector",
    "Curves",
    "Figures by payment period",
    "按期向量",
    (
        number(
            "Period",
            "期数",
            "period",
            WHOLE,
            Rule("must be >= 1", 1.0),
            9,
            "1, 2, 3 ... in order; the last figure holds on.",
        ),
        number(
            "Prepayment",
            "提前还款率",
            "prepayment_vector",
            RATE,
            VECTOR_RULE,
            12,
            "CPR, per annum. For prepayment type: vector.",
            blank=True,
        ),
        number(
            "CDR",
            "违约率",
            "cdr",
            RATE,
            VECTOR_RULE,
            10,
            "Default rate per annum of all obligors. For default timing: CDR.",
            blank=True,
        ),
        number(
            "Loss curve",
            "累计损失",
            "loss_curve",
            RATE,
            VECTOR_RULE,
            11,
            "Accumulated net loss, share of the pool at closing. For default timing: loss curve.",
            blank=True,
        ),
    ),
    optional=True,
)

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
        result("Remark", "说明", "remark", TEXT, 44, blank=True),
    ),
)

SCENARIO_RESULT = TableSpec(
    "tbl_ScenarioResult",
    "Conditions",
    "Every tranche under every preset condition",
    "各层级情景结果",
    (
        result("Scenario", "情景", "scenario", TEXT, 42),
        result("Tranche", "层级", "tranche", TEXT, 26),
        result("Coverage", "覆盖倍数", "coverage", RATIO),
        result("DD", "违约距离", "dd", DISTANCE),
        result("PD", "违约概率", "pd", PROBABILITY),
        result("Any-date PD", "任一日违约概率", "anydate_pd", PROBABILITY),
        result(
            "Expected shortfall of dues", "应付预期不足", "expected_loss", PROBABILITY, 14, ("Expected loss",)
        ),
        result("First short date", "首次不足日", "first_short", DATE),
        result("Change in any-date PD", "相对基准变动", "change", CHANGE),
        result("Simulated any-date PD", "模拟任一日违约概率", "simulated", SIMULATED),
        result("s.e.", "标准误", "simulated_error", ERROR),
        result("Simulated expected loss", "模拟预期损失", "simulated_loss", SIMULATED),
        result("Simulated change", "模拟变动", "simulated_change", CHANGE),
        result("s.e. of change", "变动标准误", "change_error", ERROR),
    ),
)

ANSWER = TableSpec(
    "tbl_Answer",
    "Home",
    "Each class",
    "各层级结论",
    (
        result("Class", "层级", "name", TEXT, 23),
        result("Grade", "等级", "grade", TEXT, 12),
        result("PD to quote", "采用违约概率", "pd", PROBABILITY, 11),
        result("Why", "依据", "why", TEXT, 27),
        result("PD without undertaking", "无差额支付违约概率", "alone", PROBABILITY, 13),
        result("Coverage", "覆盖倍数", "coverage", RATIO, 9),
        result("DD", "违约距离", "distance", DISTANCE, 8, blank=True),
        result("Expected loss", "预期损失", "expected_loss", SIMULATED, 10),
        result("Loss given default", "违约损失率", "loss_given_default", RATE, 10),
        result("Average life by plan", "计划平均期限", "average_life", "0.00", 11),
        result("Yield at par", "面值收益率", "yield_at_par", RATE, 9),
    ),
)

HEADLINE = TableSpec(
    "tbl_Headline",
    "Result",
    f"Each class by its maturity, the views side by side (in the charts: {THE_CLASS})",
    "各层级违约风险",
    (
        result("Tranche", "层级", "tranche", TEXT, 26),
        result("Coverage", "覆盖倍数", "coverage", RATIO, 11),
        result("DD", "违约距离", "dd", DISTANCE, 9),
        result("PD", "期末违约概率", "pd", PROBABILITY, 11),
        result("Any-date PD", "任一日违约概率", "anydate_pd", PROBABILITY, 12),
        result(
            "Any-date PD without undertaking", "无差额支付任一日违约概率", "anydate_alone", PROBABILITY, 19
        ),
        result("Simulated any-date PD", "模拟任一日违约概率", "simulated", SIMULATED, 13),
        result(
            "Simulated any-date PD without undertaking",
            "无差额支付模拟任一日违约概率",
            "simulated_alone",
            SIMULATED,
            21,
        ),
        result("Simulated expected loss", "模拟预期损失", "expected_loss", SIMULATED, 13),
        result("DD, controls off", "无控制违约距离", "dd_off", DISTANCE, 11),
        result("PD, controls off", "无控制违约概率", "pd_off", PROBABILITY, 12),
        result("Any-date PD, controls off", "无控制任一日违约概率", "anydate_off", PROBABILITY, 13),
        result("Average life by plan", "计划平均期限", "life", "0.00", 11),
    ),
)

RISK = TableSpec(
    "tbl_Result",
    "Classes by date",
    "Each tranche on each date",
    "各层级逐日结果",
    (
        result("Tranche", "层级", "tranche", TEXT, 26),
        result("Date", "日期", "date", DATE, 12),
        result("t", "年", "time", "0.00", 7),
        result("Accumulated in", "累计回款", "accumulated_in", MONEY, 16),
        result("Accumulated due", "累计应付", "accumulated_due", MONEY, 16),
        result("Coverage", "覆盖倍数", "coverage", RATIO, 10),
        result("DD", "违约距离", "dd", DISTANCE, 9),
        result("PD of the pool alone", "池自身违约概率", "pool_pd", PROBABILITY, 12),
        result("Any-date PD of the pool alone", "池自身任一日违约概率", "pool_anydate", PROBABILITY, 13),
        result("PD", "违约概率", "pd", PROBABILITY, 11),
        result("Any-date PD", "任一日违约概率", "anydate_pd", PROBABILITY, 12),
        # Blank where principal falls due as it is expected to be paid.
        result("Coverage, expected dates", "覆盖倍数(预期)", "coverage_expected", RATIO, 12, blank=True),
        result("DD, expected dates", "违约距离(预期)", "dd_expected", DISTANCE, 12, blank=True),
        result(
            "Any-date PD of the pool, expected dates",
            "任一日违约概率(预期)",
            "pd_expected",
            PROBABILITY,
            19,
            blank=True,
        ),
    ),
)

CHART = TableSpec(
    "tbl_Chart",
    "By date",
    f"Figures of the charts: {THE_CLASS} (a probability below one in ten billion is drawn as that)",
    "图表数据",
    (
        result("Payment date", "日期", "date", DATE, 12),
        result("Accumulated in", "累计回款", "accumulated_in", MONEY, 16),
        result("Due to the class", "所选层级累计应付", "due_senior", MONEY, 16, ("Due to senior",)),
        result("Due to all", "全部累计应付", "due_all", MONEY, 16),
        result("KMV view", "KMV", "anydate_pd", PROBABILITY, 12, ("Any-date PD", "Senior any-date PD")),
        result("Simulated", "模拟", "simulated", PROBABILITY, 12, ("... simulated",)),
        result(
            "KMV view, controls off",
            "无控制KMV",
            "anydate_off",
            PROBABILITY,
            12,
            ("Any-date PD, controls off", "Senior any-date PD, controls off"),
        ),
        result(
            "Simulated, controls off",
            "无控制模拟",
            "simulated_off",
            PROBABILITY,
            12,
            ("... simulated, controls off",),
        ),
        result("Coverage, drawn to 4", "覆盖倍数", "coverage", RATIO, 12),
        result("1 in 20 is less", "覆盖倍数5%分位", "coverage_low", RATIO, 14),
        result("1 in 20 is more", "覆盖倍数95%分位", "coverage_high", RATIO, 14),
    ),
    formerly="tbl_Curve",
)

SIGMA = TableSpec(
    "tbl_Sigma",
    "Controls",
    f"PD of {THE_CLASS} by volatility",
    "波动率敏感性",
    (
        result("Volatility", "波动率", "volatility", RATE, 14),
        result("PD of the pool alone", "池自身违约概率", "pd", PROBABILITY, 14),
        result("Any-date PD of the pool alone", "任一日违约概率", "anydate_pd", PROBABILITY, 14),
    ),
)

BREAKEVEN = TableSpec(
    "tbl_Breakeven",
    "Controls",
    f"Limits of {THE_CLASS}",
    "所选层级极限",
    (
        result("Target PD", "目标违约概率", "target", PROBABILITY, 12),
        result("Largest volatility", "最大波动率", "volatility", RATE, 12),
        result("Largest dues", "最大应付", "dues", MONEY, 16),
        result("Least coverage", "最低覆盖倍数", "coverage", RATIO, 12),
    ),
)

SIMULATION = TableSpec(
    "tbl_Simulation",
    "Simulated",
    "Simulated: every obligor may default (PD: interest missed on a date, or principal at maturity)",
    "债务人层面模拟",
    (
        result("Tranche", "层级", "tranche", TEXT, 26),
        result("Simulated PD", "模拟违约概率", "pd", SIMULATED, 11, ("PD",)),
        result("s.e. of PD", "标准误", "pd_error", ERROR, 10),
        result("Simulated any-date PD", "模拟任一日违约概率", "anydate_pd", SIMULATED, 12, ("Any-date PD",)),
        result("s.e. of any-date PD", "标准误", "anydate_error", ERROR, 10),
        result("Expected loss", "预期损失", "expected_loss", SIMULATED, 11),
        result("s.e. of loss", "标准误", "loss_error", ERROR, 10),
        result("Simulated average life", "模拟平均期限", "wal", "0.00", 11, ("Average life",)),
        result("Loss 99.9 %", "99.9%损失", "quantile", RATE, 10),
        result("Most likely first short date", "最可能首次不足日", "first_short", DATE, 13),
    ),
)

ATTRIBUTION = TableSpec(
    "tbl_Attribution",
    "Controls",
    f"What each control takes off the any-date PD and the expected loss of {THE_CLASS} (simulated)",
    "控制措施贡献",
    (
        result("Control", "措施", "control", TEXT, 30),
        result(
            "Any-date PD, this off",
            "仅关闭此项",
            "off_alone",
            SIMULATED,
            16,
            ("Senior any-date PD, this off",),
        ),
        result(
            "Any-date PD, only this on",
            "仅启用此项",
            "on_alone",
            SIMULATED,
            16,
            ("Senior any-date PD, only this on",),
        ),
        result(
            "Any-date PD, this and all above on",
            "逐项启用",
            "stacked",
            SIMULATED,
            18,
            ("Any-date PD, stacked", "Senior any-date PD, stacked"),
        ),
        result("Share (Shapley)", "夏普利份额", "shapley", "0.00%", 12),
        result("s.e. of share", "标准误", "shapley_error", "0.000%", 10),
        result("Expected loss, this off", "仅关闭此项预期损失", "loss_off", SIMULATED, 12),
        result("Loss share (Shapley)", "预期损失份额", "loss_shapley", "0.00%", 14),
        result("Riskiest other tranche, this off", "最高风险层级仅关闭此项", "other_off", SIMULATED, 16),
        result("Riskiest other tranche, share", "最高风险层级份额", "other_shapley", "0.00%", 16),
    ),
)

CONCENTRATION = TableSpec(
    "tbl_Concentration",
    "Drivers",
    "How the pool is spread (shares of the financed amount)",
    "集中度",
    (
        result("Largest industry", "最大行业", "industry", TEXT, 34),
        result("its share", "占比", "industry_share", RATE, 28),
        result("Obligors", "债务人数", "obligors", MONEY, 12),
        result("Effective number", "有效数目", "effective_number", "#,##0.0", 12),
        result("Herfindahl index", "赫芬达尔指数", "herfindahl", "0.0000", 12),
        result("Largest obligor", "最大债务人", "largest", RATE, 12),
        result("Five largest", "前五大", "five_largest", RATE, 12),
        result("Ten largest", "前十大", "ten_largest", RATE, 12),
        result("Industries", "行业数", "industries", WHOLE, 12),
        result("Herfindahl index of industries", "行业赫芬达尔指数", "industry_herfindahl", "0.0000", 12),
    ),
)

DIVERSIFICATION = TableSpec(
    "tbl_Diversification",
    "Drivers",
    f"The same money spread otherwise: any-date PD of {THE_CLASS} without the undertaking",
    "分散化的效果",
    (
        result("Pool", "资产池", "label", TEXT, 34),
        result("Obligors", "债务人数", "obligors", MONEY, 28),
        result("Effective number", "有效数目", "effective_number", "#,##0.0", 12),
        result("Largest share", "最大占比", "largest", RATE, 12),
        result("KMV view", "KMV", "kmv", PROBABILITY, 12),
        result("Simulated", "模拟", "simulated", SIMULATED, 12),
        result("s.e.", "标准误", "simulated_error", ERROR, 12),
        result("KMV view, drawn", "图中KMV", "kmv_drawn", "0.0E+00", 12),
        result("Simulated, drawn", "图中模拟", "simulated_drawn", "0.0E+00", 12),
    ),
)

# What the tables of drivers say of each name.
DRIVEN = (
    result("Share of the class's expected loss", "占该层级预期损失", "loss_share", RATE, 12),
    result("s.e.", "标准误", "loss_share_error", ERROR, 9),
    result("In default when the class is short", "该层级不足时已违约", "in_default", RATE, 12),
    result("s.e. of that", "标准误", "in_default_error", ERROR, 9),
    result("Class short if it defaults", "其违约时该层级不足", "short_given", RATE, 12),
    result("s.e. of this", "标准误", "short_given_error", ERROR, 9),
)

DRIVER = TableSpec(
    "tbl_Driver",
    "Drivers",
    f"Who drives the risk of {THE_CLASS}: the obligors that count most (simulated, undertaking not called)",
    "风险来源",
    (
        result("Obligor", "债务人", "name", TEXT, 34),
        result("Industry", "行业", "industry", TEXT, 28, blank=True),
        result("Share of the pool", "占比", "share", RATE, 12),
        result("PD", "违约概率", "pd", RATE, 12),
        result("Share of the pool's expected loss", "占资产池预期损失", "pool_share", RATE, 12),
        *DRIVEN,
    ),
)

DRIVER_ALL = TableSpec(
    "tbl_DriverAll",
    "Drivers",
    "The same for every class, by industry and by obligor",
    "各层级风险来源",
    (
        result("Tranche", "层级", "tranche", TEXT, 34),
        result("Name", "名称", "name", TEXT, 28),
        result("What it is", "类别", "kind", TEXT, 12),
        result("Share of the pool", "占比", "share", RATE, 12, blank=True),
        result("Share of the pool's expected loss", "占资产池预期损失", "pool_share", RATE, 12, blank=True),
        *DRIVEN,
    ),
)

REVERSE = TableSpec(
    "tbl_Reverse",
    "Controls",
    f"Break-even stresses: {THE_CLASS} first misses",
    "反向压力测试",
    (
        result("Stress", "压力", "column", TEXT, 30),
        result("Break-even size", "临界值", "size", "0.000", 12),
        result("Unit", "单位", "measure", TEXT, 20),
        result("Date missed", "首次不足日", "date", DATE, 12),
    ),
)

TORNADO = TableSpec(
    "tbl_Tornado",
    "Controls",
    f"The conditions that move the PD to quote of {THE_CLASS} most",
    "影响最大的情景",
    (
        result("Condition", "情景", "condition", TEXT, 42),
        result("PD to quote", "采用违约概率", "pd", PROBABILITY, 12),
        result("As it is", "基准", "base", PROBABILITY, 12),
        result("Why", "依据", "why", TEXT, 28),
    ),
)

WATERFALL = TableSpec(
    "tbl_Waterfall",
    "Controls",
    "Figures of the first chart",
    "图表数据",
    (
        result("Step", "步骤", "label", TEXT, 28),
        result("Any-date PD then", "届时任一日违约概率", "level", SIMULATED, 12),
        result("Bar from", "起点", "low", SIMULATED, 10, blank=True),
        result("Taken off", "降低", "less", SIMULATED, 12, blank=True),
        result("Added", "增加", "more", SIMULATED, 14, blank=True),
        result("End", "端点", "end", SIMULATED, 16, blank=True),
    ),
)

LAYER = TableSpec(
    "tbl_Layer",
    "Models",
    f"How deep a loss of one year goes: the classes as layers (KMV; {THE_CLASS})",
    "损失分布与分层",
    (
        result("Loss of the pool", "资产池损失", "share", RATE, 26),
        result("in money", "金额", "loss", MONEY, 14),
        result("Probability of more", "超过概率", "more", PROBABILITY, 14),
        result("Classes behind it", "次级承担", "behind", PROBABILITY, 14, blank=True),
        result("The class and its equals", "所选层级承担", "own", PROBABILITY, 14, blank=True),
        result("Classes ahead", "更优先层级承担", "ahead", PROBABILITY, 14, blank=True),
    ),
)

TARGET = TableSpec(
    "tbl_Target",
    "Structure",
    "Targets of the classes",
    "各层级目标",
    (
        text("Tranche", "层级", "name", 26),
        Column(
            "Target",
            "目标",
            "target",
            "any",
            PROBABILITY,
            11,
            INSIDE_PROBABILITY,
            note="A PD such as 0.001 (0.1 %), or a grade of table tbl_ClassScale. Blank: not asked.",
            blank=True,
        ),
        result("As a PD", "目标概率", "target_pd", PROBABILITY, 9, blank=True),
        result("Simulated now", "当前模拟", "pd", SIMULATED, 11, blank=True),
        result("s.e.", "标准误", "pd_error", ERROR, 9, blank=True),
        result("KMV view now", "当前KMV", "kmv", PROBABILITY, 11, blank=True),
    ),
    optional=True,
)

# Shares of which none is nothing to hide.
SHARE = "[=0]0.00%;[<0.0001]0.0E+00;0.00%"

STRUCTURE = TableSpec(
    "tbl_Structure",
    "Solutions",
    "What the deal could be, all else as it is",
    "结构求解",
    (
        result("Question", "问题", "question", TEXT, 37),
        result("Tranche", "层级", "tranche", TEXT, 24),
        result("Figures are", "单位", "unit", TEXT, 17),
        result("Now", "当前", "now", SHARE, 15),
        result("Answer", "答案", "value", SHARE, 12),
        result("From", "下限", "low", SHARE, 12),
        result("To", "上限", "high", SHARE, 12),
        result("KMV view", "KMV视角", "kmv", SHARE, 12),
        result("Enter in the deal", "填入数值", "setting", "[>=1000]#,##0;0.0000##", 17),
        result("Simulated PD then", "届时模拟违约概率", "pd", SIMULATED, 11),
        result("s.e.", "标准误", "pd_error", ERROR, 9),
        result("Remark", "说明", "remark", TEXT, 52, blank=True),
    ),
)

FRONTIER = TableSpec(
    "tbl_Frontier",
    "Structure",
    "Figures of the chart (blank: no path is short, or below 1E-08)",
    "规模与违约概率",
    (
        result("Size", "规模", "size", MONEY, 16),
        result("Of all notes now", "占当前总额", "share", "0.0%", 11),
        result("No reserve", "无储备", "reserve_0", PROBABILITY, 12, blank=True),
        result("Reserve 2 % of notes", "储备2%", "reserve_2", PROBABILITY, 12, blank=True),
        result("Reserve 5 % of notes", "储备5%", "reserve_5", PROBABILITY, 12, blank=True),
        result("Reserve as it is", "储备不变", "reserve_now", PROBABILITY, 12, blank=True),
        result("KMV view, as it is", "KMV视角", "kmv", PROBABILITY, 12, blank=True),
        result("Target", "目标", "target", PROBABILITY, 10),
    ),
)

CASE = TableSpec(
    "tbl_Case",
    "Compare",
    "Cases of this deal",
    "已保存的情形",
    (
        text("Case", "情形", "name", 42, True, "A workbook beside this one: Save case makes it."),
        text("Note", "备注", "note", 30, True),
    ),
    optional=True,
)

CASE_RESULT = TableSpec(
    "tbl_CaseResult",
    "Compare",
    "Where the classes stand",
    "各情形结果",
    (
        result("Case", "情形", "case", TEXT, 42),
        result("Class", "层级", "name", TEXT, 30),
        result("Grade", "等级", "grade", TEXT, 10),
        result("PD to quote", "采用违约概率", "pd", PROBABILITY, 11),
        result("Why", "依据", "why", TEXT, 24),
        result("Coverage", "覆盖倍数", "coverage", RATIO, 10),
        result("DD", "违约距离", "dd", DISTANCE, 9),
        result("Expected loss", "预期损失", "loss", SIMULATED, 10),
        result("Average life by plan", "计划平均期限", "life", "0.00", 11),
        result("Yield at par", "面值收益率", "par_yield", RATE, 9),
    ),
)

STEP = TableSpec(
    "tbl_Step",
    "What moved",
    "What moved the headline class, from each case to this workbook, one change after the other",
    "变动原因",
    (
        result("Case", "情形", "case", TEXT, 30),
        result("Changed", "变动项", "label", TEXT, 34),
        result("What differs", "差异", "said", TEXT, 52, blank=True),
        result("Simulated any-date PD then", "届时模拟违约概率", "simulated", SIMULATED, 12),
        result("Change", "变动", "change", CHANGE, 10, blank=True),
        result("s.e. of change", "变动标准误", "change_error", CHANGE_ERROR, 10, blank=True),
        result("KMV view then", "届时KMV", "kmv", PROBABILITY, 12),
        result("Change, KMV view", "KMV变动", "kmv_change", CHANGE, 10, blank=True),
    ),
)

BRIDGE = TableSpec(
    "tbl_Bridge",
    "What moved",
    "Figures of the chart: the last case",
    "图表数据",
    (
        result("Changed", "变动项", "label", TEXT, 27),
        result("Simulated any-date PD then", "届时模拟违约概率", "simulated", SIMULATED, 12),
        result("Change", "变动", "change", CHANGE, 10),
        result("Change, KMV view", "KMV变动", "kmv_change", CHANGE, 10),
    ),
)

ACCOUNT = TableSpec(
    "tbl_Account",
    "Cashflow",
    "The plan when everybody pays on schedule",
    "计划现金流",
    (
        result("Payment date", "日期", "date", DATE, 13),
        result("Collections", "回款", "collections", MONEY, 15),
        result("of it interest", "其中利息", "interest", MONEY, 13),
        result("Pool balance", "资产池余额", "pool", MONEY, 16),
        result("Clean-up call", "清仓回购", "sale", MONEY, 13),
        result("Fees", "费用", "fees", MONEY, 12),
        result("Paid to senior", "支付优先级", "senior", MONEY, 15),
        result("Paid to others", "支付其他层级", "others", MONEY, 15),
        result("Residual", "剩余", "residual", MONEY, 15),
        result("Cash kept", "留存现金", "account", MONEY, 15),
        result("Reserve", "储备账户", "reserve", MONEY, 15),
        result("Undertaking drawn", "差额支付", "support", MONEY, 13),
        result("Trigger", "触发状态", "trigger", TEXT, 10),
        result("Expected collections", "预期回款", "expected", MONEY, 15),
    ),
)

PRIORITY = TableSpec(
    "tbl_Priority",
    "Waterfall",
    "The priority of payments, as the terms make it",
    "支付顺序",
    (
        result("Step", "步骤", "step", WHOLE, 8),
        result("What is paid", "内容", "text", TEXT, 80),
    ),
)

CASHFLOW = TableSpec(
    "tbl_Cashflow",
    "Payments",
    "What each tranche gets and misses",
    "各层级兑付",
    (
        result("Tranche", "层级", "tranche", TEXT, 26),
        result("Date", "日期", "date", DATE, 13),
        result("Interest due", "应付利息", "interest_due", MONEY, 14),
        result("Interest paid", "已付利息", "interest_paid", MONEY, 14),
        result("Principal due", "应付本金", "principal_due", MONEY, 14),
        result("Principal paid", "已付本金", "principal_paid", MONEY, 14),
        result("Missed", "未付", "missed", MONEY, 12),
        result("Balance", "余额", "balance", MONEY, 15),
        result("Expected paid", "预期兑付", "expected", MONEY, 14),
    ),
)

MODEL = TableSpec(
    "tbl_Model",
    "Models",
    "Loss of the pool over one year, four models on one pool",
    "四模型比较",
    (
        result("Model", "模型", "model", TEXT, 26),
        result("Expected loss", "预期损失", "expected_loss", MONEY, 14),
        result("Unexpected loss", "非预期损失", "unexpected_loss", MONEY, 14),
        result("VaR 99 %", "99%在险值", "var_low", MONEY, 14),
        result("Shortfall 99 %", "99%预期短缺", "es_low", MONEY, 14),
        result("VaR 99.9 %", "99.9%在险值", "var_high", MONEY, 14),
        result("Shortfall 99.9 %", "99.9%预期短缺", "es_high", MONEY, 14),
        result("s.e. of VaR 99.9 %", "标准误", "var_error", MONEY, 12),
        result("Loss above junior notes", "损失超过次级", "hit", PROBABILITY, 12),
        result("Method", "方法", "method", TEXT, 60),
    ),
)

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
            "Actual collections", "实际回款", "collections", MONEY, RECORD_RULE, 14, "Blank: not yet.", True
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
        result("Level expected from now on", "预计后续水平", "level", "0.0%", 14),
        result("Volatility", "波动率", "volatility", RATE, 10),
        result("Volatility from (90 %)", "90%区间下限", "low", RATE, 10),
        result("Volatility to (90 %)", "90%区间上限", "high", RATE, 10),
        result(
            "Weight of the view at closing", "发行时观点权重", "weight", "0%", 12, ("Weight of the prior",)
        ),
        result("DD then", "违约距离", "dd", DISTANCE, 9, ("DD", "Senior DD")),
        result(
            "Any-date PD without undertaking then",
            "无差额支付任一日违约概率",
            "pd",
            PROBABILITY,
            17,
            ("Any-date PD without undertaking", "Any-date PD", "Senior any-date PD"),
        ),
        result("The same, all as planned", "如按计划", "on_plan", PROBABILITY, 12),
        result("Alert", "预警", "alert", TEXT, 12),
    ),
    retired=("Growth of the median",),
)

RERATE = TableSpec(
    "tbl_Rerate",
    "Today",
    "Each tranche at closing and now",
    "发行时与当前",
    (
        result("Tranche", "层级", "tranche", TEXT, 26),
        result("Outstanding now", "当前余额", "balance", MONEY, 15),
        result("Coverage now", "当前覆盖倍数", "coverage", RATIO, 10),
        result("DD at closing", "发行时违约距离", "dd_closing", DISTANCE, 10),
        result("DD now", "当前违约距离", "dd_now", DISTANCE, 9),
        result(
            "Any-date PD without undertaking at closing",
            "发行时无差额支付任一日违约概率",
            "pd_closing",
            PROBABILITY,
            22,
            ("Any-date PD at closing",),
        ),
        result(
            "Any-date PD without undertaking now",
            "当前无差额支付任一日违约概率",
            "pd_now",
            PROBABILITY,
            22,
            ("Any-date PD now",),
        ),
        result(
            "Simulated any-date PD at closing", "发行时模拟任一日违约概率", "simulated_closing", SIMULATED, 17
        ),
        result("Simulated any-date PD now", "当前模拟任一日违约概率", "simulated_now", SIMULATED, 15),
        result("s.e. now", "标准误", "simulated_error", ERROR, 9),
        result("Simulated expected loss now", "当前模拟预期损失", "loss_now", SIMULATED, 18),
        result("Grade now", "当前评级", "grade", TEXT, 12),
        result("Alert", "预警", "alert", TEXT, 12),
    ),
)

HISTORY = TableSpec(
    "tbl_History",
    "History",
    "What each refresh found, class by class",
    "评级历史",
    (
        result("Refreshed", "刷新时间", "when", TEXT, 20),
        result("As of", "截至", "as_of", DATE, 12),
        result("Tranche", "层级", "tranche", TEXT, 26),
        result("Simulated any-date PD", "模拟任一日违约概率", "simulated", SIMULATED, 13),
        result("Any-date PD without undertaking", "无差额支付任一日违约概率", "pd", PROBABILITY, 18),
        result("Coverage", "覆盖倍数", "coverage", RATIO, 10),
        result("DD", "违约距离", "dd", DISTANCE, 9),
        result("Grade", "评级", "grade", TEXT, 12, blank=True),
        result("Alert", "预警", "alert", TEXT, 12),
        result("Paths", "路径数", "paths", MONEY, 10),
        result("Input hash", "输入指纹", "hash", TEXT, 16),
    ),
)

WATCH = TableSpec(
    "tbl_Watch",
    "History",
    f"Figures of the chart: {THE_CLASS} as seen from each date",
    "图表数据",
    (
        result("As of", "截至", "date", DATE, 12),
        result(
            "Any-date PD without undertaking, drawn",
            "无差额支付任一日违约概率",
            "pd",
            "0.0E+00",
            18,
            blank=True,
        ),
        result("Simulated any-date PD, drawn", "模拟任一日违约概率", "simulated", "0.0E+00", 16, blank=True),
        result("Alert from", "预警线", "limit", "0.0E+00", 12, blank=True),
    ),
)

CHECK = TableSpec(
    "tbl_Check",
    "Checks",
    "Checks of the last refresh",
    "校验",
    (
        result("Check", "校验", "check", TEXT, 54),
        result("Outcome", "结果", "outcome", TEXT, 12),
        result("Figure", "数值", "difference", TEXT, 14),
        result("Limit", "限值", "limit", TEXT, 12),
    ),
)

INPUT = TableSpec(
    "tbl_Input",
    "Checks",
    "Inputs now and at the last refresh",
    "输入是否已变",
    (
        result("Table", "表", "table", TEXT, 14),
        result("Column", "列", "column", TEXT, 22),
        result("Now", "当前", "now", "General", 14),
        result("At refresh", "刷新时", "then", "General", 14),
        result("Same", "一致", "same", TEXT, 8),
        # Written by a solve, which is another thing than a refresh.
        formula("At solve", "求解时", "solved", "General", 14),
        formula("At compare", "对比时", "compared", "General", 14),
    ),
)

LOG = TableSpec(
    "tbl_Log",
    "Log",
    "Log of refreshes",
    "刷新日志",
    (
        result("Refreshed", "时间", "when", TEXT, 22),
        result("Seconds", "秒", "seconds", "0.0", 12),
        result("Version", "版本", "version", TEXT, 12),
        result("Input hash", "输入指纹", "hash", TEXT, 18),
        result("Seed", "种子", "seed", WHOLE, 10),
        result("Message", "信息", "message", TEXT, 60),
    ),
)

TABLES: dict[str, TableSpec] = {
    t.name: t
    for t in (
        POOL,
        OBLIGOR,
        SOURCE,
        PEER,
        PRICE,
        TRANCHE,
        TERM,
        CONTROL,
        COVENANT,
        SCENARIO,
        SCHEDULE,
        CURVE,
        SCALE,
        CLASS_SCALE,
        VECTOR,
        SCENARIO_RESULT,
        ANSWER,
        HEADLINE,
        RISK,
        CHART,
        SIGMA,
        BREAKEVEN,
        SIMULATION,
        ATTRIBUTION,
        REVERSE,
        CONCENTRATION,
        DIVERSIFICATION,
        DRIVER,
        DRIVER_ALL,
        TORNADO,
        WATERFALL,
        ACCOUNT,
        CASHFLOW,
        PRIORITY,
        MODEL,
        LAYER,
        ACTUAL,
        RERATE,
        HISTORY,
        WATCH,
        CASE,
        CASE_RESULT,
        STEP,
        BRIDGE,
        TARGET,
        STRUCTURE,
        FRONTIER,
        CHECK,
        INPUT,
        LOG,
    )
}


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
    _term("Industry correlation", "industry_correlation", "number", "added", "0.00"),
    _term("Volatility source", "volatility_source", "choice", "implied or user"),
    _term("Volatility", "volatility", "number", "p.a., if user", RATE),
    _term("Drift", "drift", "number", "p.a., if user", RATE),
    _term("Support correlation", "support_correlation", "number", "", "0.00"),
    _more("Default point of pass-through", "default_point", "choice", "legal final or expected"),
    _term("Copula", "copula", "choice", "gaussian or t"),
    _term("Degrees of freedom", "degrees_of_freedom", "number", "if t", WHOLE),
    _term("Simulated paths", "paths", "number", "count", MONEY),
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


CONTROL_ROWS: tuple[ControlRow, ...] = (
    ControlRow(CONTROLS["subordination"], "subordination"),
    ControlRow(CONTROLS["excess_coverage"], "excess_coverage"),
    ControlRow(CONTROLS["reserve"], "reserve", "reserve_size", "periods", "0.00"),
    ControlRow(CONTROLS["support"], "support", "support_pd", "PD p.a.", RATE),
    ControlRow(CONTROLS["triggers"], "triggers"),
    ControlRow(CONTROLS["repurchase"], "repurchase", "repurchase_share", "of a claim", RATE),
    ControlRow(CONTROLS["pledge"], "pledge", "unpledged_recovery", "recovery", RATE),
)


# In the place of a heading: numbers of columns that have no line of their own (in the first edition all
# numbers), the cell of a name.
OTHER_NUMBERS, ALL_NUMBERS, ONE_CELL = "other numbers", "all numbers", "the cell"


# The cell over the pool that adds up its amounts: shares by a sum of their own would take a time that grows
# with the square of the rows.
POOL_AMOUNT = "out_PoolAmount"

# The cell of Home that says which class headlines speak of.
HEADLINE_CLASS = "in_Headline"

# The cell of Home that says in which language sentences come. It moves no number: no mark is of it.
LANGUAGE = "in_Language"

# The cell of Home that says what the deal is, and what a new workbook has there.
DEAL_NAME, UNNAMED = "in_Deal", "Name of the deal"

# Tables that a user may give further columns of money, those of dates above all.
OPEN_TABLES = (POOL, TRANCHE, SCHEDULE)


def input_columns() -> tuple[tuple[str, str], ...]:
    """Return table and heading of every column that moves a number; no heading: its other numbers.

    Money of an open table is marked as a whole; what is small beside it, column by column.
    """
    notes = {"basis", "unit", "meaning"}
    columns = [
        (spec, c)
        for spec in (
            *(POOL, TRANCHE, TERM, CONTROL, COVENANT, SCENARIO, ACTUAL),
            *(SCHEDULE, CURVE, SCALE, CLASS_SCALE, VECTOR),
            *(OBLIGOR, SOURCE, PEER, PRICE),
        )
        for c in spec.inputs
        if c.field not in notes
    ]
    found = [(spec.name, c.header) for spec, c in columns if spec not in OPEN_TABLES or c.format != MONEY]
    return (*found, *((spec.name, "") for spec in OPEN_TABLES), (HEADLINE_CLASS, ONE_CELL))


# How cell out_Scope begins after a quick look, and the state of its results.
QUICK = "quick look"
QUICK_STATE = f"{QUICK}: Refresh for everything"

# What sheets Compare and Structure say of their answers.
COMPARED, COMPARED_BEFORE, UNCOMPARED = "fresh", "stale: compare again", "not compared yet: press Compare"
SOLVED, SOLVED_BEFORE, UNSOLVED = "fresh", "stale: solve again", "not solved yet: press Solve"
FRONTIER_TITLE = "Frontier: size of {} against its any-date PD, reserve by reserve"

# One-cell names: what refresh writes on the Home sheet, and the format it is shown in.
NAMES: dict[str, tuple[str, str]] = {
    "out_State": ("State of the results", TEXT),
    "out_Scope": ("Computed", TEXT),
    "out_Checks": ("Checks", TEXT),
    "out_Refreshed": ("Refreshed", TEXT),
    "out_Volatility": ("Pool volatility p.a.", RATE),
    "out_Drift": ("Pool drift p.a.", RATE),
    "out_Version": ("xlkmv version", TEXT),
    "out_Headline": ("Headline class", TEXT),
    "out_WorstScenario": ("Worst stress", TEXT),
    "out_WorstPD": ("Short then (paths)", SIMULATED),
    "out_PlanShort": ("Short by plan", TEXT),
    "out_InputHash": ("Input hash", TEXT),
}

# Titles that name the class, by the name of their cell; and lines over the charts that speak of it.
TITLES = {f"out_Title{name.removeprefix('tbl_')}": t for name, t in TABLES.items() if THE_CLASS in t.title}
CHARTS = {
    f"out_Charts{x}": f"In the charts: {THE_CLASS}" for x in ("Result", "Scenario", "Drivers", "Surveillance")
}

# Currency and unit of money: labels that titles and axes show, and that no figure depends on.
CURRENCY, UNIT, MONEY_LABEL = "in_Currency", "in_Unit", "out_Money"

# The lines of Home that say in words what the figures mean, and their labels in Chinese.
READING_NAMES = {key: f"out_Reading{key.capitalize()}" for key in READINGS}
READINGS_CHINESE = {
    "pool": "资产池",
    "actual": "发行以来",
    "senior": "所选层级",
    "others": "其他层级",
    "controls": "主要增信",
    "breaks": "首先失守",
    "look": "请复核",
}
