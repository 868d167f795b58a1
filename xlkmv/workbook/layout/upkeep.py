"""Tables of the workbook itself: checks, marks of the inputs, log."""

from __future__ import annotations

from xlkmv.workbook.layout.column import TEXT, WHOLE, TableSpec, formula, result

__all__ = ["CHECK", "INPUT", "LOG", "SAID", "TEXTS"]

CHECK = TableSpec(
    "tbl_Check",
    "Checks",
    "Checks of the last refresh",
    "校验",
    (
        result("Check", "校验", "check", TEXT, 66),
        result("Outcome", "结果", "outcome", TEXT, 12),
        result("Figure", "数值", "difference", TEXT, 14),
        result("Limit", "限值", "limit", TEXT, 12),
    ),
)

INPUT = TableSpec(
    "tbl_Input",
    "Changes",
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

# Texts that no refresh makes: what charts and cells link to, and macros look up. Its columns are the
# languages, then the one of the workbook.
TEXTS = TableSpec(
    "tbl_Text",
    "Texts",
    "Texts",
    "文本",
    (
        formula("English", "英文", "en", TEXT, 50),
        formula("中文", "中文", "zh", TEXT, 34),
        result("Shown", "显示", "shown", TEXT, 34),
    ),
)

# What refreshes, solves and comparisons have said and later ones leave in place, to be said again when the
# language is another.
SAID = TableSpec(
    "tbl_Said",
    "Texts",
    "Said so far",
    "已写入的文字",
    (result("English", "英文", "en", TEXT, 50), result("中文", "中文", "zh", TEXT, 34)),
)
