"""Tables of the notes, and those that others refer to: schedules, curves, scales, vectors."""

from __future__ import annotations

from xlkmv.deal.terms import COLUMN_RULES, HORIZONS, PAYMENT_TYPES, horizon_field
from xlkmv.deal.terms.plan import VECTOR_RULE
from xlkmv.model.domain import PROBABILITY as PROBABILITY_RULE
from xlkmv.model.domain import Rule
from xlkmv.workbook.layout.column import (
    DATE,
    MONEY,
    RATE,
    WHOLE,
    YES_NO,
    Column,
    TableSpec,
    choice,
    date,
    formula,
    number,
    text,
)

__all__ = ["CLASS_SCALE", "CURVE", "SCALE", "SCHEDULE", "TRANCHE", "VECTOR"]

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
