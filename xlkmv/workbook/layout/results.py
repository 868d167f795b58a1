"""Tables that a refresh fills: answers, views, conditions, drivers, cash."""

from __future__ import annotations

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
    TableSpec,
    result,
    the_class,
)

__all__ = [
    "ACCOUNT",
    "ANSWER",
    "ATTRIBUTION",
    "BREAKEVEN",
    "CASHFLOW",
    "CHART",
    "CONCENTRATION",
    "DIVERSIFICATION",
    "DRIVER",
    "DRIVER_ALL",
    "HEADLINE",
    "LAYER",
    "MODEL",
    "PRIORITY",
    "REVERSE",
    "RISK",
    "SCENARIO_RESULT",
    "SIGMA",
    "SIMULATION",
    "TORNADO",
    "WATERFALL",
]

SCENARIO_RESULT = TableSpec(
    "tbl_ScenarioResult",
    "Conditions",
    "Every class under every preset condition",
    "各层级情景结果",
    (
        result("Scenario", "情景", "scenario", TEXT, 42),
        the_class(26),
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
        result("Class", "层级", "name", TEXT, 19),
        result("Grade", "等级", "grade", TEXT, 9),
        result("Grade now", "当前等级", "grade_now", TEXT, 8, blank=True),
        result("PD to quote", "采用违约概率", "pd", PROBABILITY, 11),
        result("90 % interval", "90%区间", "pd_range", TEXT, 13),
        result("Why", "依据", "why", TEXT, 20),
        result("PD without undertaking", "无差额支付违约概率", "alone", PROBABILITY, 11),
        result("Coverage", "覆盖倍数", "coverage", RATIO, 8),
        result("DD", "违约距离", "distance", DISTANCE, 8, blank=True),
        result("Expected loss", "预期损失", "expected_loss", SIMULATED, 9),
        result("Loss given default", "违约损失率", "loss_given_default", RATE, 9),
        result("Average life by plan", "平均期限", "average_life", "0.00", 9),
        result("Yield at par", "面值收益率", "yield_at_par", RATE, 9),
    ),
)

HEADLINE = TableSpec(
    "tbl_Headline",
    "Result",
    "Each class by its maturity, the views side by side",
    "各层级违约风险",
    (
        the_class(26),
        result("Coverage", "覆盖倍数", "coverage", RATIO, 11),
        result("DD", "违约距离", "dd", DISTANCE, 9),
        result("PD", "期末违约概率", "pd", PROBABILITY, 11),
        result("Any-date PD", "任一日违约概率", "anydate_pd", PROBABILITY, 12),
        result(
            "Any-date PD by pool and reserve",
            "仅池与储备任一日违约概率",
            "anydate_alone",
            PROBABILITY,
            19,
            ("Any-date PD without undertaking",),
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
    "Each class on each date",
    "各层级逐日结果",
    (
        the_class(26),
        result("Date", "日期", "date", DATE, 12),
        result("t", "年", "time", "0.00", 7),
        result("Accumulated in", "累计回款", "accumulated_in", MONEY, 16),
        result("Accumulated due", "累计应付", "accumulated_due", MONEY, 16),
        result("Coverage", "覆盖倍数", "coverage", RATIO, 10),
        result("DD", "违约距离", "dd", DISTANCE, 9),
        result(
            "PD by pool and reserve",
            "仅池与储备违约概率",
            "pool_pd",
            PROBABILITY,
            12,
            ("PD of the pool alone",),
        ),
        result(
            "Any-date PD by pool and reserve",
            "仅池与储备任一日违约概率",
            "pool_anydate",
            PROBABILITY,
            16,
            ("Any-date PD of the pool alone",),
        ),
        result("PD", "违约概率", "pd", PROBABILITY, 11),
        result("Any-date PD", "任一日违约概率", "anydate_pd", PROBABILITY, 12),
        # Blank where both default points say the same.
        result("Other default point", "另一违约点", "other", TEXT, 15, blank=True),
        result("Accumulated due by it", "另一点累计应付", "due_other", MONEY, 16, blank=True),
        result("Coverage by it", "另一点覆盖倍数", "coverage_other", RATIO, 10, blank=True),
        result("DD by it", "另一点违约距离", "dd_other", DISTANCE, 10, blank=True),
        result(
            "Any-date PD by pool and reserve, by it",
            "另一点仅池与储备任一日违约概率",
            "pd_other",
            PROBABILITY,
            20,
            blank=True,
        ),
    ),
    # They were blank where the terms ask for expected dates, and would say the legal final there.
    retired=(
        "Coverage, expected dates",
        "DD, expected dates",
        "Any-date PD by pool and reserve, expected dates",
        "Any-date PD of the pool, expected dates",
    ),
)

CHART = TableSpec(
    "tbl_Chart",
    "By date",
    f"Figures of the charts: {THE_CLASS} (a PD below 1E-10 is drawn as that, none seen as its bound)",
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
        result(
            "PD by pool and reserve", "仅池与储备违约概率", "pd", PROBABILITY, 14, ("PD of the pool alone",)
        ),
        result(
            "Any-date PD by pool and reserve",
            "仅池与储备任一日违约概率",
            "anydate_pd",
            PROBABILITY,
            14,
            ("Any-date PD of the pool alone",),
        ),
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
        the_class(26),
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
            "Simulated PD, this off",
            "仅关闭此项",
            "off_alone",
            SIMULATED,
            16,
            (
                "Any-date PD, this off",
                "Senior any-date PD, this off",
            ),
        ),
        result(
            "Simulated PD, only this on",
            "仅启用此项",
            "on_alone",
            SIMULATED,
            16,
            (
                "Any-date PD, only this on",
                "Senior any-date PD, only this on",
            ),
        ),
        result(
            "Simulated PD, this and all above on",
            "逐项启用",
            "stacked",
            SIMULATED,
            18,
            ("Any-date PD, this and all above on", "Any-date PD, stacked", "Senior any-date PD, stacked"),
        ),
        result("Share (Shapley)", "夏普利份额", "shapley", "0.00%", 12),
        result("s.e. of share", "标准误", "shapley_error", "0.000%", 10),
        result("Expected loss, this off", "仅关闭此项预期损失", "loss_off", SIMULATED, 12),
        result("Loss share (Shapley)", "预期损失份额", "loss_shapley", "0.00%", 14),
        result(
            "Riskiest other class, this off",
            "最高风险层级仅关闭此项",
            "other_off",
            SIMULATED,
            16,
            ("Riskiest other tranche, this off",),
        ),
        result(
            "Riskiest other class, share",
            "最高风险层级份额",
            "other_shapley",
            "0.00%",
            16,
            ("Riskiest other tranche, share",),
        ),
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
    f"The same money spread otherwise: any-date PD of {THE_CLASS}",
    "分散化的效果",
    (
        result("Pool", "资产池", "label", TEXT, 34),
        result("Obligors", "债务人数", "obligors", MONEY, 28),
        result("Effective number", "有效数目", "effective_number", "#,##0.0", 12),
        result("Largest share", "最大占比", "largest", RATE, 12),
        result("KMV view, no undertaking", "KMV，无承诺", "kmv", PROBABILITY, 12, ("KMV view",)),
        result("Simulated, no undertaking", "模拟，无承诺", "simulated", SIMULATED, 12, ("Simulated",)),
        result("s.e.", "标准误", "simulated_error", ERROR, 9),
        result("DD", "违约距离", "distance", DISTANCE, 12),
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
    result("Class short if it defaults", "其违约时该层级不足", "short_given", SIMULATED, 12),
    result("s.e. of this", "标准误", "short_given_error", ERROR, 9),
    # Without its risk: it pays everything on schedule. Blank where that was not asked.
    result(
        "Simulated PD if it cannot default", "其不违约时模拟违约概率", "pd_without", SIMULATED, 12, blank=True
    ),
    result("Change of the PD", "变动", "pd_without_change", CHANGE, 11, blank=True),
    result("s.e. of the change", "变动标准误", "pd_without_error", ERROR, 9, blank=True),
    result(
        "Expected loss if it cannot default", "其不违约时预期损失", "loss_without", SIMULATED, 12, blank=True
    ),
    result("s.e. of its change", "变动标准误", "loss_without_error", ERROR, 9, blank=True),
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
        the_class(34),
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
        result("Simulated PD then", "届时模拟违约概率", "level", SIMULATED, 12, ("Any-date PD then",)),
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
        result("From here on borne by", "自此由该层级承担", "bearer", TEXT, 26, blank=True),
        result("Loss of the pool", "资产池损失", "share", RATE, 14),
        result("in money", "金额", "loss", MONEY, 14),
        result("Probability of more", "超过概率", "more", PROBABILITY, 14),
        result("The class and its equals", "所选层级承担", "own", PROBABILITY, 14, blank=True),
        result("Other classes", "其他层级承担", "others", PROBABILITY, 14, blank=True),
        result("Other classes, in turn", "其他层级交替承担", "in_turn", PROBABILITY, 14, blank=True),
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
    "What each class gets and misses",
    "各层级兑付",
    (
        the_class(26),
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
