"""The workbook under construction: formats, tables from their layout, charts of their columns."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import xlsxwriter
from xlsxwriter.utility import xl_rowcol_to_cell

import xlkmv
from xlkmv.build.vba import said_texts
from xlkmv.deal.figures import LEAST, TWO_DECIMALS
from xlkmv.deal.stress import PRESETS
from xlkmv.deal.stress import TABLE as FROM_TABLE
from xlkmv.deal.terms import OC_ALL
from xlkmv.language import ENGLISH, LANGUAGES, catalogue
from xlkmv.phrase import Phrase, said
from xlkmv.refresh.tables import SMALLEST_DRAWN
from xlkmv.workbook import layout
from xlkmv.workbook.layout import Column, TableSpec

__all__ = [
    "CREATED",
    "FRONTIER",
    "KEYS",
    "LISTED_TOP",
    "NOT_COMPARED",
    "NO_MONEY",
    "SMALL_SHARES",
    "THE_MONEY",
    "WIDEST",
    "Sheets",
    "bars",
    "both",
    "fold_columns",
    "fold_rows",
    "hatched",
    "in_all_languages",
    "line",
    "pixels",
    "put",
    "widths",
]

# Stamps of the shipped file: fixed, so that the same sources give the same bytes.
CREATED = dt.datetime(2026, 1, 1)
NAVY, INK, PALE, GRID = "#1F3864", "#1F3864", "#DCE6F1", "#BFC8D6"
INPUT_FILL, INPUT_INK = "#FFFBE6", "#0000C8"
INPUT_TAB = "#F2C94C"
SENIOR, OFF, ALL, GREEN, LIGHT = "#1F5FA8", "#C0504D", "#7F7F7F", "#4F9D69", "#9DB8D9"
GOOD, BAD = "#C6E7CE", "#F4B6B6"
# Months between two labels of an axis of dates, and how many of them it bears.
MONTHS_APART, LABELS = (1, 2, 3, 6, 12, 24, 60), 14
GREY = "#595959"
FONT = "Calibri"
# Fields of results that hold a name of the user's, or a few words, of any length.
NAMED = {"name", "case", "tranche", "scenario", "condition", "test", "why", "pd_range", "most", "alert"}
NAMED |= {"label", "input", "grade", "grade_now", "grade_closing", "computed_grade"}
# Those whose format is that of the row, where a table has such.
BY_ROW = {"value", "figure", "low", "high", "error"}
# Those that hold a sentence, and those of one table.
WRAPPED = {"remark", "verdict", "said"}
WRAPPED_IN = {(layout.OBLIGOR.name, "note"), (layout.OTHERWISE.name, "why_not")}
# Upright labels of dates run into one another from some ten on.
SLANTED: dict[str, Any] = {"name": FONT, "size": 9, "rotation": -45}
# Stands in texts for what Terms says of currency and unit, or for a word where that says nothing.
THE_MONEY, NO_CURRENCY = "{money}", Phrase("money")
# A logarithmic axis of probabilities; smaller ones are drawn at its lower end.
LOG_RANGE: dict[str, Any] = {"min": SMALLEST_DRAWN, "max": 1, "crossing": SMALLEST_DRAWN}


# Most pixels of a sheet that prints on the width of A4 landscape at 60 % or more.
WIDEST = 1700
# Shares on an axis that may end at a fraction of a per cent: no two labels alike.
SMALL_SHARES = "[=0]0%;[<0.02]0.0#%;0%"
# Size of a chart of two abreast, in pixels, and the rows that it takes, one of them free.
WIDE, HIGH, ROWS = 690, 390, 21
# First row of a table that has a sheet for itself.
LISTED_TOP = 5
# Column of sheet Texts that says each text in the language of the workbook.
SHOWN = 1 + layout.TEXTS.index("shown")
# What cell out_Money says where neither currency nor unit is given.
NO_MONEY = "-"
# Column A, wide enough for the way back to Home.
MARGIN = 6
# Probabilities from, below, and how they are shown where the format of their cells has too few digits.
BANDS = (
    (1e-300, 1e-6, layout.TINY),
    (1e-6, 1e-5, "0.00000%"),
    (1e-4, TWO_DECIMALS, "0.000%"),
)
# Cells of results warn of a stray key. The sheets are not protected: on a protected one no table can grow.
KEPT: dict[str, Any] = {
    "validate": "custom",
    "value": "=FALSE",
    "ignore_blank": False,
    "error_type": "warning",
    "error_title": "A result / 结果",
    "error_message": "Refresh writes this cell: what is typed here lasts until then.\n"
    "此单元格由刷新写入：在此输入的内容只保留到下次刷新。",
}


# Whether the workbook speaks Chinese, for conditional formats, which take no array.
SPEAKS_CHINESE = "OR({})".format(
    ",".join(f'TRIM({layout.LANGUAGE})="{word}"' for word in ("zh", LANGUAGES["zh"]))
)
# Words of the product in columns of inputs without a list of their own.
KEYS: dict[tuple[str, str], Sequence[str]] = {
    (layout.POOL.name, "rating"): ["source"],
    (layout.TERM.name, "label"): [row.label for row in layout.TERM_ROWS],
    (layout.TERM.name, "value"): [
        *dict.fromkeys(word for row in layout.TERM_ROWS for word in (*row.choices, OC_ALL))
    ],
    (layout.CONTROL.name, "label"): [row.label for row in layout.CONTROL_ROWS],
    (layout.RANGE.name, "label"): [row.label for row in layout.RANGE_ROWS],
    (layout.SCENARIO.name, "name"): [stress.name for stress in PRESETS],
    (layout.SCENARIO.name, "obligor_recovery"): [FROM_TABLE],
    (layout.SCENARIO.name, "controls_off"): [*(row.label for row in layout.CONTROL_ROWS), "all"],
}
# What stands on What moved and Structure before they have answers.
NOT_COMPARED = Phrase("nothing compared yet")
FRONTIER = Phrase(layout.FRONTIER_TITLE, name=Phrase("the class"))
# What charts say before they have figures.
NO_RESULTS = Phrase("no results yet")
NOT_DRAWN = {"out_DrawnFrontier": layout.UNSOLVED, "out_DrawnMoved": layout.UNCOMPARED}
# Column of sheet Texts with the titles of charts that may have nothing to draw: the margin, free of tables.
DRAWN_LEFT = 0


class Sheets:
    """The workbook under construction: formats are made once, tables from their layout."""

    def __init__(self, path: Path, money: str, macros: bool = True) -> None:
        self.money = money  # currency and unit; may be blank
        self.macros = macros
        self.book: Any = xlsxwriter.Workbook(
            str(path), {"in_memory": True, "default_date_format": layout.DATE}
        )
        self.book.set_properties(
            {
                "title": "KMV credit risk of a securitisation plan",
                "comments": f"Generated by xlkmv.build.template, version {xlkmv.__version__}",
                "created": CREATED,
            }
        )
        self.book.set_calc_mode("auto", 191029)
        self.book.calc_on_load = False
        self.book.formats[0].set_font_name(FONT)
        self.book.formats[0].set_font_size(10)
        self._formats: dict[tuple[tuple[str, Any], ...], Any] = {}
        # What is said in the language of the workbook: text, and Chinese where it is given.
        self.texts: dict[tuple[str, str], None] = {}

    def style(self, **properties: Any) -> Any:
        """Return the format with these properties; one of each."""
        wanted = {"font_name": FONT, "font_size": 10, "valign": "vcenter", **properties}
        key = tuple(sorted(wanted.items()))
        if key not in self._formats:
            self._formats[key] = self.book.add_format(wanted)
        return self._formats[key]

    def input(self, shown: str, assumed: bool = False) -> Any:
        """Format of an input cell; assumptions have a fill of their own."""
        return self.style(
            num_format=shown,
            font_color=INPUT_INK,
            bg_color=layout.ASSUMED_FILL if assumed else INPUT_FILL,
            border=1,
            border_color=GRID,
            italic=assumed,
        )

    def result(self, shown: str, name: bool = False, sentence: bool = False) -> Any:
        """Format of a cell of results; figures and a long name shrink, a sentence wraps."""
        # Numbers are sometimes words (covered, none): both stand on the right. None ends as ####.
        place: dict[str, Any] = {"indent": 1} if shown == layout.TEXT else {"align": "right", "shrink": True}
        place |= {"shrink": True} if name else {"text_wrap": True} if sentence else {}
        return self.style(num_format=shown, border=1, border_color=GRID, **place)

    def sheet(
        self,
        name: str,
        title: str,
        chinese: str,
        note: str,
        columns: Sequence[Column] | int = 12,
        money: bool = False,
        least: int = 0,
    ) -> Any:
        """Add a sheet with its title band over columns, set up for print; one with money says which."""
        ws = self.book.add_worksheet(name)
        ws.hide_gridlines(2)
        ws.set_row(0, 26)
        width = max(columns if isinstance(columns, int) else len(columns), least)
        if not isinstance(columns, int):
            widths(ws, 1, columns)
        band = {"bg_color": NAVY, "font_color": "white"}
        for column in range(width + 1):
            ws.write_blank(0, column, None, self.style(**band))
        ws.set_column(0, 0, 2 if name == "Home" else MARGIN)
        if name != "Home":
            self.link(ws, 0, 0, "Home")
        look = self.style(**band, font_size=15, bold=True, indent=int(name != "Home"))
        shown, in_chinese = titled(name, title, chinese, money)
        self.speak(ws, 0, 1, shown, look, in_chinese)
        if note:
            self.speak(ws, 1, 1, note, self.style(font_color=GREY))
        if any(spec.sheet == name and spec.inputs for spec in layout.TABLES.values()):
            ws.set_tab_color(INPUT_TAB)
        ws.set_landscape()
        ws.set_paper(9)
        ws.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)
        ws.set_footer("&L&F, &A&C&D &T&R&P / &N", {"margin": 0.3})
        ws.fit_to_pages(1, 0)
        return ws

    def link(self, ws: Any, row: int, column: int, sheet: str) -> None:
        """Write the name of a sheet, which leads there."""
        look = {"bg_color": PALE, "font_color": NAVY, "underline": 1, "align": "center", "shrink": True}
        style = self.style(**look)
        ws.write_url(row, column, f"internal:'{sheet}'!A1", style, sheet, f"To sheet 转到 {sheet}")
        self.speak(ws, row, column, sheet, style)  # the link stays with the cell

    def listed(
        self,
        spec: TableSpec,
        title: str,
        chinese: str,
        note: str,
        rows: Sequence[Sequence[Any]] | None = None,
        labels: int = 1,
        money: bool = False,
    ) -> Any:
        """Add a sheet that is one long table; its headings and labels stay in sight and on each page."""
        ws = self.sheet(spec.sheet, title, chinese, note, spec.columns, money)
        self.table(ws, LISTED_TOP - 3, 1, spec, rows)
        self.frozen(ws, LISTED_TOP, labels)
        return ws

    def button(self, ws: Any, row: int, column: int, options: dict[str, Any]) -> None:
        """Put a button for a macro on a sheet, where the workbook has macros."""
        if self.macros:
            ws.insert_button(row, column, options)

    def frozen(self, ws: Any, top: int, labels: int = 1) -> None:
        """Keep a table's headings and columns of labels in sight, and print the headings on each page."""
        ws.freeze_panes(top, 1 + labels)
        ws.repeat_rows(top - 2, top - 1)

    def paged(self, ws: Any, scale: int, *breaks: int) -> None:
        """Print in pages side by side, at a scale in per cent, the first column of the table on each."""
        ws.set_print_scale(scale)
        ws.repeat_columns(1, 1)
        ws.set_v_pagebreaks(list(breaks))

    def heading(self, ws: Any, row: int, column: int, title: str, chinese: str) -> None:
        """Write a section heading."""
        style = self.style(bold=True, font_size=12, font_color=INK)
        self.speak(ws, row, column, f"{title}   {chinese}", style, chinese)

    def named_heading(self, ws: Any, row: int, column: int, last: int, text: str, name: str) -> None:
        """Write a heading that each refresh writes anew; what a long name makes longer shrinks."""
        style = self.style(bold=True, font_size=12, font_color=INK, shrink=True)
        ws.merge_range(row, column, row, last, text, style)
        self.book.define_name(name, f"='{ws.name}'!{xl_rowcol_to_cell(row, column, True, True)}")

    def table(
        self,
        ws: Any,
        row: int,
        column: int,
        spec: TableSpec,
        rows: Sequence[Sequence[Any]] | None = None,
        assumed: Sequence[Sequence[bool]] | None = None,
        extra: Sequence[Column] = (),
        formats: Sequence[str] | None = None,
    ) -> tuple[int, int]:
        """Write a table under its heading: Chinese row, header row, body. Returns the first body cell."""
        columns = [*spec.columns, *extra]
        name = next((name for name, titled in layout.TITLES.items() if titled is spec), "")
        if name:
            last = column + min(len(columns), 8) - 1
            self.named_heading(ws, row, column, last, spec.heading(), name)
        else:
            self.heading(ws, row, column, spec.title, spec.chinese)
        top = row + 3
        body = [list(r) for r in rows] if rows else [[None] * len(columns)]
        width = len(columns) - 1
        for k, c in enumerate(columns):
            ws.write(
                row + 1,
                column + k,
                c.chinese,
                self.style(font_color="#7F7F7F", font_size=9, align="center", text_wrap=True),
            )
        self.headed_in_chinese(ws, row + 1, column, columns)
        # Said, or Chinese is cut: a heading, then its two lines.
        for k, height in enumerate((18, 26, 30), row):
            ws.set_row(k, height)
        ws.add_table(
            top - 1,
            column,
            top + len(body) - 1,
            column + width,
            {
                "name": spec.name,
                "style": None,
                "autofilter": False,
                "columns": [
                    {
                        "header": c.header,
                        "header_format": self.style(
                            bold=True,
                            bg_color=NAVY if c.is_input else PALE,
                            font_color="white" if c.is_input else INK,
                            text_wrap=True,
                            align="center",
                            border=1,
                            border_color=GRID,
                        ),
                    }
                    for c in columns
                ],
            },
        )
        for i, values in enumerate(body):
            for k, (c, value) in enumerate(zip(columns, values, strict=True)):
                shown = formats[i] if formats and c.field in BY_ROW else c.format
                mark = bool(assumed and assumed[i][k])
                if c.field == "meaning" or (c.field == "unit" and value):
                    value = (self.said(value), value) if value else "-"
                if c.field in ("basis", "unit", "meaning"):
                    fits = {"text_wrap": True} if c.field == "basis" else {"shrink": True}
                    style = self.style(font_color=GREY, italic=True, indent=1, **fits)
                elif not c.is_input:
                    wrapped = c.field in WRAPPED or (spec.name, c.field) in WRAPPED_IN
                    style = self.result(shown, c.field in NAMED, wrapped)
                else:
                    style = self.input(shown, mark)
                put(ws, top + i, column + k, value, style)
        for k, c in enumerate(columns):
            self.validate(ws, c, top, top + len(body) - 1, column + k)
            keys = KEYS.get((spec.name, c.field), c.choices)
            if c.field == "basis":  # as the examples have it
                keys = [str(x) for x in dict.fromkeys(values[k] for values in body) if x]
            self.keys_in_chinese(ws, top, column + k, top + len(body) - 1, keys)
            if c.format in (layout.PROBABILITY, layout.SIMULATED, layout.ERROR, layout.CHANGE):
                self.probabilities(ws, top, column + k, top + len(body) - 1, c.format)
        places = enumerate(columns, column)
        for written, group in itertools.groupby(places, lambda place: not place[1].is_input):
            if written:
                run = [k for k, _ in group]
                ws.data_validation(top, run[0], top + len(body) - 1, run[-1], KEPT)
        return top, column

    # -- charts: titles and names are links, which follow the language -----------------------------

    def axis(self, title: str, shown: str, **more: Any) -> dict[str, Any]:
        """Axis of a chart with its title and number format."""
        return {
            "name": self.said(title),
            "name_font": {"name": FONT, "size": 9, "bold": False},
            "num_font": {"name": FONT, "size": 9},
            "num_format": shown,
            "major_gridlines": {"visible": True, "line": {"color": "#E3E7ED"}},
            **more,
        }

    def dates_axis(self, dates: Sequence[dt.date]) -> dict[str, Any]:
        """Axis of dates with a dozen labels, or so."""
        span = (dates[-1] - dates[0]).days / 30.4
        months = next((m for m in MONTHS_APART if span / m <= LABELS), MONTHS_APART[-1])
        apart = {"date_axis": True, "major_unit": months, "major_unit_type": "months"}
        return self.axis("Payment date", "yyyy-mm", **apart) | {
            "num_font": SLANTED,
            "major_gridlines": {"visible": False},
            # Logarithmic probabilities cross at the bottom.
            "label_position": "low",
        }

    def draw(
        self,
        chart: Any,
        place: tuple[TableSpec, int, int, int],
        by: str | tuple[str, str],
        *series: tuple[str, str, dict[str, Any]],
    ) -> None:
        """Draw columns of a table (its first body row, first column and rows) by another of its columns.

        Or by several, from the first to the last: groups, and what stands in them.
        """
        spec, top, left, rows = place

        def cells(*fields: str) -> list[Any]:
            first, *_, last = (left + spec.index(field) for field in (fields[0], *fields))
            return [spec.sheet, top, first, top + rows - 1, last]

        labels = (by,) if isinstance(by, str) else by
        for field, name, look in series:
            chart.add_series(
                {"name": self.said(name), "categories": cells(*labels), "values": cells(field), **look}
            )

    def scale(self, chart: Any) -> int:
        """Add a point at 100 % that is not seen: a chart of shares has a sensible scale without figures too.

        Returns the place of the series, which the legend leaves out.
        """
        cell = [layout.TEXTS.sheet, LISTED_TOP + len(layout.DRAWN), DRAWN_LEFT] * 2
        one = [cell[0], *cell[1:3], *cell[1:3]]
        chart.add_series(
            {"categories": one, "values": one, "line": {"none": True}, "marker": {"type": "none"}}
        )
        return len(chart.series) - 1

    def drawn(self, name: str) -> str:
        """Formula of the title of a chart that may have nothing to draw: the cell that refresh writes."""
        row = LISTED_TOP + list(layout.DRAWN).index(name)
        return f"={layout.TEXTS.sheet}!{xl_rowcol_to_cell(row, DRAWN_LEFT, True, True)}"

    def finish(self, chart: Any, title: str, *hidden: int) -> None:
        """Give a chart its title (a text, or a name of `layout.DRAWN`), legend and frame."""
        font = {"name": FONT, "size": 12, "color": INK}
        shown = self.drawn(title) if title in layout.DRAWN else self.said(title)
        chart.set_title({"name": shown, "name_font": font, "overlay": False})
        legend = {"position": "bottom", "font": {"name": FONT, "size": 9}}
        chart.set_legend(legend | ({"delete_series": list(hidden)} if hidden else {}))
        chart.set_chartarea({"border": {"color": GRID}})
        chart.show_na_as_empty_cell()

    def abreast(self, ws: Any, row: int, *charts: Any, high: int = HIGH) -> None:
        """Place charts two by two, each as wide as half a screen, pairs beneath one another."""
        for k, chart in enumerate(charts):
            chart.set_size({"width": WIDE, "height": high})
            ws.insert_chart(row + ROWS * (k // 2), 1, chart, {"x_offset": (WIDE + 10) * (k % 2)})

    def mark(self, ws: Any, top: int, column: int, last: int, **colors: str) -> None:
        """Colour the cells of a column that hold certain words, in any language."""
        for word, color in colors.items():
            shown = self.book.add_format({"bg_color": color})
            for here in in_all_languages(word):
                rule = {"type": "cell", "criteria": "==", "value": f'"{here}"', "format": shown}
                ws.conditional_format(top, column, last, column, rule)

    # -- texts in the language of the workbook ------------------------------------------------------

    def said(self, text: str, chinese: str = "") -> str:
        """Formula of a text in the language of the workbook; none of a blank one, or of a formula.

        The text goes on sheet Texts; `chinese` where no catalogue has it.
        """
        if not text or text.startswith("="):
            return text
        self.texts[text, chinese] = None
        row = LISTED_TOP + list(self.texts).index((text, chinese))
        return f"={layout.TEXTS.sheet}!{xl_rowcol_to_cell(row, SHOWN, True, True)}"

    def cell(self, text: str) -> str:
        """Reference to a text, for formulas."""
        return self.said(text).removeprefix("=")

    def speak(self, ws: Any, row: int, column: int, text: str, style: Any = None, chinese: str = "") -> None:
        """Write a text in the language of the workbook, at once and without a refresh."""
        value = text.replace(THE_MONEY, self.money or NO_CURRENCY)
        ws.write_formula(row, column, self.said(text, chinese), style, value)

    def spoken(self) -> None:
        """Add the sheet of all texts so far: what charts and cells link to, and macros look up."""
        spec = layout.TEXTS
        for text in said_texts():
            self.said(text)
        ws = self.listed(spec, "Texts", "文本", "What the workbook says, in each language.", self._texts())
        left, starts = 2 + len(spec.columns), [NOT_COMPARED, FRONTIER]
        widths(ws, left, layout.SAID.columns)
        rows = [[said(text, catalogue(c.field).gettext) for c in layout.SAID.columns] for text in starts]
        self.table(ws, LISTED_TOP - 3, left, layout.SAID, rows)
        for row, name in enumerate(layout.DRAWN, LISTED_TOP):
            ws.write_string(row, DRAWN_LEFT, layout.drawn_title(name, NOT_DRAWN.get(name, NO_RESULTS)))
            cell = xl_rowcol_to_cell(row, DRAWN_LEFT, True, True)
            self.book.define_name(name, f"={ws.name}!{cell}")
        ws.write_number(LISTED_TOP + len(layout.DRAWN), DRAWN_LEFT, 1.0)
        ws.hide()

    def _texts(self) -> list[list[Any]]:
        self.said("What the workbook says, in each language.")
        self.said(*titled("Texts", "Texts", "文本"))
        rows: list[list[Any]] = []
        for row, (text, chinese) in enumerate(self.texts, LISTED_TOP):
            spoken = []
            for key in LANGUAGES:
                say = catalogue(key).gettext
                words = text if key == ENGLISH else chinese or said(Phrase(text), say)
                spoken.append(self._with_money(words, say(NO_CURRENCY)) if THE_MONEY in words else str(words))
            formula = xl_rowcol_to_cell(row, 1)
            for column, (key, name) in enumerate(LANGUAGES.items(), 1):
                if key != ENGLISH:
                    cell = xl_rowcol_to_cell(row, column)
                    formula = f'IF(OR(TRIM({layout.LANGUAGE})={{"{key}","{name}"}}),{cell},{formula})'
            shown = spoken[0] if isinstance(spoken[0], str) else spoken[0][1]
            rows.append([*spoken, (f"={formula}", shown)])
        return rows

    def _with_money(self, text: str, otherwise: str) -> tuple[str, str]:
        """Formula of a text that follows currency and unit, and its value."""
        label = f'IF({layout.MONEY_LABEL}="{NO_MONEY}","{otherwise}",{layout.MONEY_LABEL})'
        before, after = (f'"{part}"' if part else "" for part in text.split(THE_MONEY))
        formula = "&".join(filter(None, (before, label, after)))
        return f"={formula}", text.replace(THE_MONEY, self.money or otherwise)

    def headed_in_chinese(self, ws: Any, row: int, column: int, columns: Sequence[Column]) -> None:
        """Let Chinese headings read where the workbook speaks it, and the English ones beneath recede.

        These stay in their cells: a table is read by them. A date reads as it is.
        """
        receding = {"bg_color": "white", "font_color": "#7F7F7F"}
        inputs = {"bold": True, "bg_color": NAVY, "font_color": "white"}
        results = {"bold": True, "bg_color": PALE, "font_color": INK}
        named = [(k, c.is_input) for k, c in enumerate(columns, column) if c.chinese]
        for look, cells in (
            (inputs, [xl_rowcol_to_cell(row, k) for k, is_input in named if is_input]),
            (results, [xl_rowcol_to_cell(row, k) for k, is_input in named if not is_input]),
            (receding, [xl_rowcol_to_cell(row + 1, k) for k, _ in named]),
        ):
            rule = {"type": "formula", "criteria": f"={SPEAKS_CHINESE}", "format": self.book.add_format(look)}
            if cells:
                ws.conditional_format(cells[0], rule | {"multi_range": " ".join(cells)})

    def keys_in_chinese(self, ws: Any, first: int, column: int, last: int, keys: Iterable[str]) -> None:
        """Show words that cells are read by in Chinese, where the workbook speaks it; the cells keep them."""
        cell = xl_rowcol_to_cell(first, column)
        for key in keys:
            if in_chinese(key) != key:
                shown = self.book.add_format({"num_format": f';;;"{in_chinese(key)}"'})
                rule = {"type": "formula", "criteria": f'=AND({SPEAKS_CHINESE},{cell}="{key}")'}
                ws.conditional_format(first, column, last, column, rule | {"format": shown})

    def probabilities(self, ws: Any, first: int, column: int, last: int, shown: str) -> None:
        """Add what the number format of probabilities cannot say: it has two conditions, and speaks English.

        A small percentage has as many decimals as two digits take, a small change its sign, and a simulated 0
        is "none seen" in Chinese, too.
        """
        if shown == layout.CHANGE:
            # What the format rounds to no change at all; below LEAST no model can tell.
            small, none = "+0.0000%;-0.0000%", "0%;0%"
            for low, high, form in ((-LEAST, LEAST, none), (-1e-4, -LEAST, small), (LEAST, 1e-4, small)):
                rule = {"type": "cell", "criteria": "between", "minimum": low, "maximum": high}
                look = self.book.add_format({"num_format": form})
                ws.conditional_format(first, column, last, column, rule | {"format": look})
            return
        for low, high, look in BANDS:
            band = {"type": "cell", "criteria": "between", "minimum": low, "maximum": high * (1.0 - 1e-12)}
            band["format"] = self.book.add_format({"num_format": look})
            ws.conditional_format(first, column, last, column, band)
        if shown != layout.SIMULATED:
            return
        cell = xl_rowcol_to_cell(first, column)
        never = {
            "type": "formula",
            "criteria": f"=AND({SPEAKS_CHINESE},ISNUMBER({cell}),{cell}=0)",
            "format": self.book.add_format({"num_format": f'"{in_chinese("none seen")}"'}),
        }
        ws.conditional_format(first, column, last, column, never)

    def whole(self, ws: Any, row: int, column: int) -> None:
        """Show whole numbers of a table's column, such as periods and obligors, without decimals."""
        cell = xl_rowcol_to_cell(row, column)
        rule = {"type": "formula", "criteria": f"=AND(ISNUMBER({cell}),{cell}=INT({cell}))"}
        ws.conditional_format(
            row, column, row, column, rule | {"format": self.book.add_format({"num_format": "#,##0"})}
        )

    def beside(self, ws: Any, row: int, left: int, specs: Sequence[TableSpec]) -> list[int]:
        """Write empty tables side by side, a narrow column between them; return their first columns."""
        lefts = []
        for spec in specs:
            ws.set_column(left - 1, left - 1, 3 if left > 1 else MARGIN)
            widths(ws, left, spec.columns)
            self.table(ws, row, left, spec)
            lefts.append(left)
            left += len(spec.columns) + 1
        return lefts

    def validate(self, ws: Any, c: Column, first: int, last: int, column: int) -> None:
        if c.choices:
            rule: dict[str, Any] = {"validate": "list", "source": list(c.choices)}
        elif c.kind == "number" and c.rule is not None:
            low, high = max(c.rule.low, -1e15), min(c.rule.high, 1e15)
            rule = {"validate": "decimal", "criteria": "between", "minimum": low, "maximum": high}
            says, chinese = f"{c.header} {c.rule.text}", f"{c.chinese} {in_chinese(c.rule.text)}"
            rule |= {"error_title": c.header[:32], "error_message": both(says, chinese)}
        else:
            return
        if c.note:
            rule |= {"input_title": both(c.header, c.chinese, 32), "input_message": both(c.note)}
        ws.data_validation(first, column, last, column, rule | {"ignore_blank": c.blank})


class Exact(float):
    """A number that is written to its last bit: XlsxWriter keeps 16 digits, of 17 that some need."""

    def __format__(self, spec: str) -> str:
        """Write the number as asked for, if that is the number."""
        short = float.__format__(self, spec)
        return short if float(short) == self else repr(float(self))


def put(ws: Any, row: int, column: int, value: Any, style: Any) -> None:
    if value is None:
        ws.write_blank(row, column, None, style)
    elif isinstance(value, tuple):  # a formula and its value
        ws.write_formula(row, column, value[0], style, value[1])
    elif isinstance(value, dt.date):
        ws.write_datetime(row, column, dt.datetime(value.year, value.month, value.day), style)
    elif isinstance(value, str):
        ws.write_string(row, column, value, style)
    else:
        ws.write_number(row, column, Exact(value), style)


def widths(ws: Any, column: int, columns: Sequence[Column]) -> None:
    for k, c in enumerate(columns):
        ws.set_column(column + k, column + k, c.width)


def pixels(width: float) -> int:
    """Pixels on a screen at 100 % of a column of some characters."""
    return int(7 * width + 5)


def fold_columns(ws: Any, left: int, columns: Sequence[Column], used: set[str]) -> None:
    """Set the widths of columns, and fold away those whose fields are not used, each group under a +."""
    folded = False
    for k, c in enumerate(columns, left):
        hidden = c.field not in used
        ws.set_column(k, k, c.width, None, _outline(hidden, folded))
        folded = hidden
    if folded:
        ws.set_column(left + len(columns), left + len(columns), None, None, _outline(False, True))


def fold_rows(ws: Any, top: int, hidden: Iterable[bool]) -> None:
    """Fold away the rows that are hidden; the row beneath each group bears its +."""
    folded, row = False, top
    for row, away in enumerate(hidden, top):
        ws.set_row(row, None, None, _outline(away, folded))
        folded = away
    if folded:
        ws.set_row(row + 1, None, None, _outline(False, True))


def _outline(hidden: bool, after_hidden: bool) -> dict[str, Any]:
    return {"level": 1, "hidden": True} if hidden else {"collapsed": True} if after_hidden else {}


# ------------------------------------------------------------------------------------ charts


def line(color: str, dash: str | None = "solid", marker: bool = False) -> dict[str, Any]:
    line: dict[str, Any] = {"color": color, "width": 2.0} | ({"dash_type": dash} if dash else {})
    fill = {"color": color}
    return {"line": line} | (
        {"marker": {"type": "circle", "size": 4, "fill": fill, "border": fill}} if marker else {}
    )


def dots(color: str, shape: str) -> dict[str, Any]:
    fill = {"color": color}
    return {"marker": {"type": shape, "size": 8, "fill": fill, "border": fill}}


def bars(color: str, gap: int) -> dict[str, Any]:
    return {"fill": {"color": color}, "gap": gap}


def hatched(color: str, gap: int) -> dict[str, Any]:
    """Bars that are told from full ones without their colour."""
    pattern = {"pattern": "wide_upward_diagonal", "fg_color": color, "bg_color": "white"}
    return {"pattern": pattern, "border": {"color": color}, "gap": gap}


def in_all_languages(*words: str) -> list[str]:
    """Give words as they stand in the cells of any language, each once."""
    says = [catalogue(language).gettext for language in LANGUAGES]
    return list(dict.fromkeys(say(word) for word in words for say in says))


def titled(sheet: str, title: str, chinese: str, money: bool = False) -> tuple[str, str]:
    """Title of a sheet in English, its Chinese beside it, and in Chinese, the name of its tab beside it."""
    label = f"   ({THE_MONEY})" if money else ""
    tab = "" if sheet == "Home" else f"   {sheet}"
    return f"{title}   {chinese}{label}", f"{chinese}{tab}{label}"


# Characters that Excel takes of the text beside an input.
LONGEST_MESSAGE = 255


def both(text: str, chinese: str = "", longest: int = LONGEST_MESSAGE) -> str:
    """Text in both languages, for what cannot follow a cell; in English where there is no room for both."""
    other = chinese or in_chinese(text)
    together = text if other == text else f"{text} {other}"
    return together if len(together) <= longest else text[:longest]


def in_chinese(text: str) -> str:
    """Text as the Chinese catalogue has it; as it is where that has none."""
    return catalogue("zh").gettext(text)
