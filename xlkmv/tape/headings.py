"""What the columns of a loan tape are called, and what the words in them mean: the one table of synonyms.

Headings are compared after folding: upper and lower case, full-width and half-width characters, spaces
and punctuation mean the same. Units, in brackets or at the end, are read and do not count.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = [
    "AMORTISATION_WORDS",
    "FIELDS",
    "FREQUENCY_WORDS",
    "STATUS_WORDS",
    "TOTAL_WORDS",
    "Field",
    "Key",
    "Match",
    "as_field",
    "dated_with_unit",
    "field_of",
    "fold",
    "heading_date",
    "recognise",
]

# What a column of a tape is: a field by its name, or the date of scheduled collections.
Key = str | dt.date


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that a tape may say of each loan.

    Attributes
    ----------
    name : str
        Column of the cleaned rows.
    title : str
        Heading in the table of the pool; of a field that only helps to find another, what it is called.
    kind : {"text", "money", "number", "ratio", "months", "years", "date", "word"}
        How its cells are read. A ratio may be a percentage.
    synonyms : tuple of str
        Headings that mean it, besides its title.
    helps : bool
        Whether it only helps: the pool has no such column.
    """

    name: str
    title: str
    kind: str
    synonyms: tuple[str, ...]
    helps: bool = False


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.replace("\n", ",").split(",") if word.strip())


def _field(name: str, title: str, kind: str, synonyms: str, helps: bool = False) -> Field:
    return Field(name, title, kind, _words(synonyms), helps)


FIELDS: dict[str, Field] = {
    f.name: f
    for f in (
        _field(
            "name",
            "Obligor",
            "text",
            """name, obligor name, borrower, borrower name, customer, customer name, client, client name, debtor,
            debtor name, issuer, issuer name, lessee, lessee name, licensee, company, company name,
            债务人, 债务人名称, 借款人, 借款人名称, 借款人姓名, 客户, 客户名称, 客户姓名, 承租人, 承租人名称, 姓名, 名称,
            企业名称, 公司名称, 被许可人""",
        ),
        _field(
            "loan_id",
            "Loan id",
            "text",
            """loan, loan number, loan no, loan identifier, loan ref, loan reference, facility id,
            underlying exposure identifier, new underlying exposure identifier,
            贷款编号, 借据号, 借据编号""",
            helps=True,
        ),
        _field(
            "contract_id",
            "Contract",
            "text",
            """contract number, contract no, contract id, deal id,
            合同编号, 合同号, 借款合同编号, 贷款合同编号, 租赁合同编号""",
            helps=True,
        ),
        _field(
            "asset_id",
            "Asset id",
            "text",
            """id, asset number, asset no, receivable id, reference, account, account number, account no, account id,
            资产编号, 资产序号, 入池编号, 编号, 账号, 贷款账号""",
            helps=True,
        ),
        _field(
            "obligor_id",
            "Obligor id",
            "text",
            """borrower id, customer id, client id, debtor id, obligor number, borrower number, customer number,
            obligor identifier, new obligor identifier,
            客户编号, 客户号, 借款人编号, 债务人编号, 承租人编号""",
            helps=True,
        ),
        _field(
            "industry",
            "Industry",
            "text",
            "sector, industry sector, industry name, 行业, 所属行业, 行业分类, 所属行业分类, 借款人行业, 行业类别",
        ),
        _field(
            "count",
            "Count",
            "number",
            """number of loans, no of loans, loan count, loans, number of obligors, obligors, number of borrowers,
            户数, 笔数, 贷款笔数, 资产笔数, 借款人户数, 债务人户数""",
        ),
        _field(
            "amount",
            "Financed amount",
            "money",
            """balance, current balance, outstanding, outstanding balance, outstanding principal, principal,
            outstanding principal balance, principal outstanding, principal balance, current principal balance,
            current principal, current outstanding balance, remaining balance, remaining principal, unpaid balance,
            unpaid principal, unpaid principal balance, upb, current upb, cut-off balance, cut-off date balance,
            closing balance, loan balance, current loan balance, amount, amount outstanding, exposure, par,
            par amount, par balance, receivable balance, receivables balance, receivable amount,
            未偿本金余额, 未偿本金, 未偿还本金余额, 未偿还本金, 未偿余额, 剩余本金, 剩余本金余额, 剩余未还本金, 本金余额, 贷款余额,
            贷款本金余额, 当前余额, 当前本金余额, 余额, 融资金额, 入池金额, 入池本金余额, 封包日未偿本金余额,
            初始起算日未偿本金余额, 应收账款余额""",
        ),
        _field(
            "original_amount",
            "Original balance",
            "money",
            """original amount, original principal, original principal balance, original loan amount, loan amount,
            origination amount, initial balance, initial amount, contract amount, amount financed,
            合同金额, 贷款金额, 原始金额, 初始金额, 发放金额, 贷款发放金额, 放款金额, 贷款本金, 合同本金""",
            helps=True,
        ),
        _field(
            "rate",
            "Rate",
            "ratio",
            """interest rate, current rate, current interest rate, note rate, coupon, coupon rate, current coupon,
            loan rate, nominal rate, annual rate, annual interest rate, contract rate,
            利率, 年利率, 贷款利率, 贷款年利率, 执行利率, 当前利率, 现行利率, 当前执行利率, 当前贷款利率, 年化利率, 票面利率, 名义利率,
            合同利率, 租赁利率""",
        ),
        _field(
            "term",
            "Remaining term",
            "months",
            """remaining months, remaining maturity, months to maturity, remaining tenor, remaining term to maturity,
            rem term, rem months, remaining life, months remaining,
            剩余期限, 剩余月数, 剩余月份, 剩余还款月数, 剩余贷款期限, 合同剩余期限, 贷款剩余期限""",
        ),
        _field(
            "payments_left",
            "Remaining payments",
            "number",
            """remaining instalments, remaining installments, number of remaining payments, payments remaining,
            剩余期数, 剩余还款期数""",
            helps=True,
        ),
        _field(
            "original_term",
            "Original term",
            "months",
            """term, tenor, loan term, contract term, original tenor, original maturity, original loan term,
            期限, 贷款期限, 合同期限, 原始期限, 总期限, 租赁期限""",
            helps=True,
        ),
        _field(
            "origination",
            "Origination date",
            "date",
            """date of origination, loan origination date, start date, issue date, disbursement date, drawdown date,
            funding date, contract date, loan date, first draw date,
            发放日, 发放日期, 放款日, 放款日期, 贷款发放日, 贷款发放日期, 起始日, 起始日期, 贷款起始日, 贷款开始日, 合同起始日,
            合同起始日期, 起租日, 起息日, 借款日期""",
            helps=True,
        ),
        _field(
            "maturity",
            "Maturity date",
            "date",
            """maturity, date of maturity, final maturity, final maturity date, final payment date, loan maturity date,
            legal maturity, end date, expiry date,
            到期日, 到期日期, 贷款到期日, 贷款到期日期, 合同到期日, 合同到期日期, 终止日, 终止日期, 最后还款日""",
            helps=True,
        ),
        _field(
            "amortisation",
            "Amortisation",
            "word",
            """amortization, amortisation type, amortization type, amortisation method, repayment method,
            repayment type, payment type, principal payment type,
            还款方式, 还本方式, 偿还方式, 还款方法, 还款类型, 本金偿还方式, 还本付息方式""",
        ),
        _field(
            "interest_only",
            "Interest-only",
            "months",
            """interest only period, interest only term, interest only months, io, io period, io term, io months,
            grace period, 宽限期, 只付息期, 只付息月数, 只还息期""",
        ),
        _field(
            "first",
            "First payment",
            "date",
            """first payment date, first due date, first instalment date, first installment date,
            首次还款日, 首个还款日, 首期还款日, 首次付款日, 首次还款日期""",
        ),
        _field(
            "next",
            "Next payment",
            "date",
            """next payment date, next due date, next instalment date, next installment date,
            下次还款日, 下一还款日, 下期还款日, 下一次还款日, 下次还款日期""",
            helps=True,
        ),
        _field(
            "payments_per_year",
            "Payments p.a.",
            "word",
            """payments per year, payments per annum, payments a year, payment frequency, frequency,
            repayment frequency, instalment frequency, installment frequency,
            还款频率, 支付频率, 付款频率, 付息频率, 还款周期, 还本付息频率, 每年还款次数, 年还款次数""",
        ),
        _field(
            "age",
            "Age",
            "months",
            """seasoning, loan age, months seasoned, months on book, mob, months since origination,
            账龄, 贷款账龄, 已还月数, 已还期限""",
        ),
        _field(
            "base",
            "Base",
            "text",
            """base rate, base curve, reference rate, benchmark, interest index, rate index,
            interest rate index, current interest rate index, interest rate benchmark,
            基准, 基准利率, 参考利率, 利率基准, 挂钩利率, 基准利率类型""",
        ),
        _field(
            "margin",
            "Margin",
            "ratio",
            """spread, gross margin, margin over base, rate margin, interest rate margin, interest margin,
            current interest rate margin, 利差, 加点, 加点值, 浮动利差, 浮动点差""",
        ),
        _field(
            "pd",
            "PD",
            "ratio",
            """probability of default, default probability, one year pd, 1 year pd, pd 1y, 12 month pd, annual pd,
            违约概率, 违约率, 年违约概率, 一年期违约概率, 一年违约概率, 年化违约率""",
        ),
        _field(
            "rating",
            "Rating",
            "text",
            """grade, credit rating, credit grade, internal rating, rating grade, obligor rating,
            评级, 信用评级, 信用等级, 内部评级, 影子评级, 主体评级, 借款人评级""",
        ),
        _field("recovery", "Recovery", "ratio", "recovery rate, 回收率, 违约回收率, 预期回收率"),
        _field("lgd", "LGD", "ratio", "loss given default, 违约损失率", helps=True),
        _field(
            "lag",
            "Recovery lag",
            "years",
            "lag, recovery time, time to recovery, 回收时滞, 回收时间, 回收期, 回收滞后",
        ),
        _field(
            "correlation",
            "Correlation",
            "ratio",
            "asset correlation, rho, 相关性, 资产相关性, 相关系数, 资产相关系数",
        ),
        _field(
            "status",
            "Status",
            "word",
            "loan status, account status, payment status, asset status, 状态, 贷款状态, 资产状态, 还款状态",
        ),
        _field(
            "since",
            "Since",
            "date",
            "status date, status since, default date, date of default, 状态日期, 违约日期, 违约日, 逾期日期, 逾期起始日",
        ),
    )
}

# ---------------------------------------------------------------------------------- words in cells

# Words of four letters without a meaning of their own, such as frxx and mnth, are the codes of the templates
# in Delegated Regulation (EU) 2020/1224. Its DEXX is no linear loan: the first instalment is interest alone.
# An interest-only loan without a number of months is a bullet: see xlkmv.tape.reading.
_AMORTISATIONS = {
    "annuity": """annuity, level, level payment, level payments, level instalments, level installments,
        equal instalments, equal installments, equal payments, equal instalment, equal installment, emi, french,
        constant payment, fully amortising, fully amortizing, repayment, repayment mortgage,
        capital and interest, capital & interest, principal and interest, principal & interest, frxx,
        等额本息, 等额还款, 等额本息还款, 等额本息还款法, 按月等额本息, 按季等额本息, 等额租金""",
    "linear": """linear, straight-line, straight line, equal principal, level principal, constant principal, fixe,
        等额本金, 等额本金还款, 等额本金还款法, 按月等额本金, 按季等额本金""",
    "bullet": """bullet, balloon at maturity, bullet repayment, principal at maturity, bllt,
        到期一次还本, 一次还本, 一次性还本, 到期还本, 到期一次性还本, 按期付息到期还本, 按月付息到期还本, 按季付息到期还本,
        按月付息到期一次还本, 按季付息到期一次还本, 分期付息到期还本, 分期付息到期一次还本, 定期付息到期还本""",
    "interest-only": """interest-only, interest only, io, interest first, 先息后本, 先息后本还款""",
}
_FREQUENCIES = {
    12: "monthly, month, every month, m, mnth, 12, 按月, 月, 月付, 每月, 按月还款, 按月支付, 每月一次",
    6: "bimonthly, every two months, every 2 months, 6, 双月, 每两月, 每两个月, 按双月",
    4: "quarterly, quarter, every quarter, q, qutr, 4, 按季, 季, 季付, 季度, 每季, 每季度, 按季度, 按季还款, 按季支付",
    2: """semi-annual, semi-annually, semiannual, half-yearly, half year, half-year, biannual, s, sa, h, semi, 2,
        半年, 按半年, 每半年, 半年付, 按半年支付""",
    1: "annual, annually, yearly, year, every year, a, y, 1, 按年, 年, 年付, 每年, 按年支付, 按年还款",
}
_STATUSES = {
    "performing": "performing, perf, current, normal, good, active, ok, 正常, 正常还款, 未逾期",
    "late": "late, arre, delinquent, in arrears, arrears, overdue, past due, 逾期, 拖欠",
    "defaulted": "defaulted, dflt, default, in default, charged off, written off, 违约, 已违约, 核销, 已核销",
    "prepaid": "prepaid, rdmd, paid off, repaid, closed, redeemed, 提前还款, 提前结清, 结清, 已结清, 早偿",
    "repurchased": "repurchased, bought back, 回购, 已回购",
}


def _folded(words: dict[Any, str]) -> dict[str, Any]:
    return {fold(word): meaning for meaning, text in words.items() for word in _words(text)}


def fold(text: str) -> str:
    """Letters and digits of a text, as headings and words are compared."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text).casefold())


AMORTISATION_WORDS: dict[str, str] = _folded(_AMORTISATIONS)
FREQUENCY_WORDS: dict[str, int] = _folded(_FREQUENCIES)
STATUS_WORDS: dict[str, str] = _folded(_STATUSES)
TOTAL_WORDS = frozenset(
    map(fold, _words("total, totals, grand total, sub total, sum, summe, 合计, 总计, 小计, 汇总, 共计"))
)

# -------------------------------------------------------------------------------------- headings

# Units that a heading may name, in those of the pool: money as it is, decimals, months, years.
_MONTH = ("months", "month", "mths", "mth", "mo", "m", "月", "个月")
_YEAR = ("years", "year", "yrs", "yr", "y", "年")
_DAY = ("days", "day", "d", "天", "日")
_UNITS: dict[str, dict[str, float]] = {
    "money": {
        **dict.fromkeys(("元", "圆"), 1.0),
        **dict.fromkeys(("000", "000s", "k", "tsd", "thousand", "thousands", "千", "千元"), 1e3),
        **dict.fromkeys(("万", "万元"), 1e4),
        **dict.fromkeys(("m", "mn", "mm", "mln", "mio", "million", "millions", "百万", "百万元"), 1e6),
        **dict.fromkeys(("亿", "亿元"), 1e8),
        **dict.fromkeys(("bn", "mrd", "billion", "billions", "十亿", "十亿元"), 1e9),
    },
    "ratio": {
        **dict.fromkeys(("%", "percent", "percentage", "pct", "百分比", "百分数"), 1.0 / 100.0),
        **dict.fromkeys(("bp", "bps", "basispoints", "基点"), 1.0 / 10_000.0),
    },
    "months": {
        **dict.fromkeys(_MONTH, 1.0),
        **dict.fromkeys(("quarters", "quarter", "季", "季度"), 3.0),
        **dict.fromkeys(_YEAR, 12.0),
        **dict.fromkeys(_DAY, 12.0 / 365.25),
    },
    "years": {
        **dict.fromkeys(_YEAR, 1.0),
        **dict.fromkeys(_MONTH, 1.0 / 12.0),
        **dict.fromkeys(_DAY, 1.0 / 365.25),
    },
}
# Ends of a heading that may be units, the longer first; letters alone are units in brackets only.
_PER_YEAR = {"pa", "perannum"}
_ENDS = sorted(
    {u for units in _UNITS.values() for u in units if len(u) > 1 or u > "z"} | _PER_YEAR,
    key=lambda unit: (-len(unit), unit),
)
_CURRENCY = re.compile(r"人民币|rmb|cny|usd|eur|gbp|hkd|jpy|chf|(?:美|欧|港|日|澳|加)元|英镑|[¥$€£]")
_BRACKETS = re.compile(r"[(\[{]([^()\[\]{}]*)[)\]}]")
_CHINESE_BRACKETS = str.maketrans("【】〔〕", "[][]")
# Kinds of field that are no percentage.
_AMOUNTS = ("money", "number", "months", "years")
# Remarks in brackets that make a heading mean something else.
_AT_START = re.compile(r"origin|initial|原始|初始|发放")


class Match(NamedTuple):
    """What a heading means.

    Attributes
    ----------
    field : Field
    unit : str
        The unit that the heading names, folded; "" when there is none.
    scale : float
        What the numbers are multiplied by to be money, decimals, months or years.
    weak : bool
        Whether it counts only where no other heading means the field.
    """

    field: Field
    unit: str = ""
    scale: float = 1.0
    weak: bool = False


def _known() -> dict[str, Field]:
    known: dict[str, Field] = {}
    for field in FIELDS.values():
        for heading in (field.title, *field.synonyms):
            if known.setdefault(fold(heading), field) is not field:
                raise ValueError(f"{heading!r} means {known[fold(heading)].title} and {field.title}")
    return known


_KNOWN = _known()
# Beside a borrower the issuer is somebody else, and par beside a balance is another amount.
_WEAK = frozenset(map(fold, ("issuer", "issuer name", "par", "par amount", "par balance")))


def field_of(name: str) -> Field | None:
    """Field of a name as a user writes it, title or synonym; None if unknown."""
    return _KNOWN.get(fold(name))


def recognise(heading: str) -> Match | None:
    """Return what a heading of a tape means, or None when nobody knows."""
    name, remark = _named(heading)
    # In percent an amount is a share or a price, and a number or a time a share.
    if name not in _KNOWN or (
        (name in _WEAK or _KNOWN[name].kind in _AMOUNTS) and re.search("%|percent|pct|百分", remark)
    ):
        return None
    return _with_unit(_KNOWN[name], remark)._replace(weak=name in _WEAK)


def _named(heading: str) -> tuple[str, str]:
    """Known name in a heading, folded ("" for none), and the remark that may hold its unit."""
    text, remark = _parted(heading)
    if fold(heading) in _KNOWN:
        return fold(heading), remark
    if _AT_START.search(remark):
        return "", remark
    bare = _CURRENCY.sub("", fold(text))
    for name in (fold(text), bare):
        if name in _KNOWN:
            return name, remark
    for unit in _ENDS:
        for name in (bare.removesuffix(unit), bare.removesuffix(f"in{unit}")):
            if name in _KNOWN and unit in (_UNITS.get(_KNOWN[name].kind, {}).keys() | _PER_YEAR):
                return name, remark or unit
    return "", remark


def as_field(heading: str, field: Field) -> Match:
    """Match of a heading that the user says means a field; its unit is still read."""
    return _with_unit(field, _parted(heading)[1])


def _parted(heading: str) -> tuple[str, str]:
    """Heading without what is in brackets, and that; a percent sign always counts as a remark."""
    text = unicodedata.normalize("NFKC", heading).translate(_CHINESE_BRACKETS).casefold()
    remarks = _BRACKETS.findall(text)
    return _BRACKETS.sub(" ", text), " ".join([*remarks, "%"] if "%" in text else remarks)


def _with_unit(field: Field, remark: str) -> Match:
    """Read the unit in a remark; a remark that names no unit of the field counts for nothing."""
    units = _UNITS.get(field.kind, {})
    if "%" in remark and "%" in units:
        return Match(field, "%", units["%"])
    plain = _CURRENCY.sub(" ", remark)
    unit = next((u for u in (fold(plain), *_tokens(plain)) if u in units), "")
    return Match(field, unit, units.get(unit, 1.0))


def _tokens(remark: str) -> list[str]:
    """Words of a remark, folded."""
    return [fold(token) for token in re.split(r"[\s,;/']+", remark)]


def heading_date(heading: Any) -> dt.date | None:
    """Date that heads a column of scheduled collections, or None: ISO, 2025/1/15, 2025年1月15日 or a date."""
    if isinstance(heading, dt.datetime):
        return heading.date()
    if isinstance(heading, dt.date):
        return heading
    text = unicodedata.normalize("NFKC", str(heading)).strip()
    found = re.fullmatch(
        r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})日?(?:[ T]00:00(?::00)?)?", text
    )
    if found is None:
        return None
    try:
        return dt.date(*map(int, found.groups()))
    except ValueError:
        return None


def dated_with_unit(heading: str) -> tuple[dt.date, Match] | None:
    """Date and unit of a heading such as 2025-06-20（万元）, which speaks of money alone; None of any other."""
    text, remark = _parted(heading)
    date = heading_date(text) if remark else None
    # A rating, a balance or the days late of a date are no collections.
    money = _UNITS["money"].keys() | {"", "in"}
    if date is None or "%" in remark or not money >= set(_tokens(_CURRENCY.sub(" ", remark))):
        return None
    return date, _with_unit(FIELDS["amount"], remark)
