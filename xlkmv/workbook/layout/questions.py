"""Tables of what is asked: structure for a target, comparison, other ways to spread the pool."""

from __future__ import annotations

from xlkmv.deal.questions.diversification import OTHERWISE_RULES
from xlkmv.model.domain import INSIDE_PROBABILITY
from xlkmv.workbook.layout.column import (
    CHANGE,
    DISTANCE,
    ERROR,
    MONEY,
    PROBABILITY,
    RATE,
    RATIO,
    SIMULATED,
    TEXT,
    WHOLE,
    Column,
    TableSpec,
    number,
    result,
    text,
    the_class,
)

__all__ = ["BRIDGE", "CASE", "CASE_RESULT", "FRONTIER", "OTHERWISE", "STEP", "STRUCTURE", "TARGET"]

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
SHARE = "[=0]0.00%;[<0.0001]0.0000%;0.00%"

STRUCTURE = TableSpec(
    "tbl_Structure",
    "Solutions",
    "What the deal could be, all else as it is",
    "结构求解",
    (
        result("Question", "问题", "question", TEXT, 37),
        the_class(24),
        result("For a PD of", "对应违约概率", "shown_pd", PROBABILITY, 9),
        result("Figures are", "单位", "unit", TEXT, 17),
        result("Now", "当前", "now", SHARE, 15),
        result("Answer", "答案", "value", SHARE, 12),
        result("From", "下限", "low", SHARE, 12),
        result("To", "上限", "high", SHARE, 12),
        result("KMV view", "KMV视角", "kmv", SHARE, 12),
        result("Enter in the deal", "填入数值", "setting", "[>=1000]#,##0;0.0000##", 17),
        result("Simulated PD then", "届时模拟违约概率", "pd", SIMULATED, 11),
        result("s.e.", "标准误", "pd_error", ERROR, 9),
        result("Remark", "说明", "remark", TEXT, 45, blank=True),
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
        text("Case", "情形", "name", 36, True, "A workbook beside this one: Save case makes it."),
        text("Note", "备注", "note", 24, True),
    ),
    optional=True,
)

CASE_RESULT = TableSpec(
    "tbl_CaseResult",
    "Compare",
    "Where the classes stand",
    "各情形结果",
    (
        result("Case", "情形", "case", TEXT, 36),
        result("Class", "层级", "name", TEXT, 26),
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
    "What moved each class, from each case to this workbook, one change after the other",
    "各层级变动原因",
    (
        result("Case", "情形", "case", TEXT, 34),
        the_class(20),
        result("Changed", "变动项", "label", TEXT, 30),
        result("PD to quote then", "届时采用违约概率", "pd", PROBABILITY, 11),
        result("Change of that", "其变动", "pd_change", CHANGE, 10, blank=True),
        result("Why", "依据", "why", TEXT, 24),
        result("Simulated any-date PD then", "届时模拟违约概率", "simulated", SIMULATED, 12),
        result("Change", "变动", "change", CHANGE, 10, blank=True),
        result("s.e. of change", "变动标准误", "change_error", ERROR, 10, blank=True),
        result("KMV view then", "届时KMV", "kmv", PROBABILITY, 12),
        result("Change, KMV view", "KMV变动", "kmv_change", CHANGE, 10, blank=True),
        result("What differs", "差异", "said", TEXT, 50, blank=True),
    ),
)

BRIDGE = TableSpec(
    "tbl_Bridge",
    "What moved",
    "Figures of the chart: the last cases, one class",
    "图表数据",
    (
        result("Changed", "变动项", "label", TEXT, 34),
        result("Change", "变动", "change", CHANGE, 10, blank=True),
        result("Change, KMV view", "KMV变动", "kmv_change", CHANGE, 10, blank=True),
    ),
)

OTHERWISE = TableSpec(
    "tbl_Otherwise",
    "Drivers",
    "Ask: the same money spread otherwise",
    "分散化假设",
    (
        number(
            "Largest share at most",
            "最大占比上限",
            "cap",
            "0.##%",
            OTHERWISE_RULES["cap"],
            34,
            "Of one obligor in the pool; the others grow in proportion. Blank: not asked.",
            blank=True,
        ),
        # Sentences: in a wide column of its sheet.
        result("Not beneath, because", "未列出的原因", "why_not", TEXT, 28, blank=True),
        number(
            "Times as many obligors like these",
            "同类债务人倍数",
            "times",
            WHOLE,
            OTHERWISE_RULES["times"],
            12,
            "k more than the n obligors there are: (n + k)/n times. Blank: not asked.",
            blank=True,
        ),
        number(
            "New industry: correlation with the pool",
            "新行业与资产池相关性",
            "between",
            "0.00",
            OTHERWISE_RULES["between"],
            12,
            "Of their factors, an assumption; counts where the terms know no industries. Blank: not asked.",
            blank=True,
        ),
    ),
    optional=True,
)
