"""A bulletin as an Excel workbook: every number as a number, with charts that Excel draws itself; one workbook a language."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import xlsxwriter

from hub.bulletin import HEADLINES, OF_A_LINE, Bulletin, Value
from hub.bulletin.words import LEVELS, WORDS, Language, figure_name, headline, line_name

#: Number formats by unit of a figure.
_FORMATS: Final = {"count": "#,##0", "per_10000": "#,##0.0", "share": "0.0%", "weighted": "0.0%", "hours": "#,##0.0"}


class _Sheets:
    """Sheets of tables. Text is written as text: what begins with = is no formula."""

    def __init__(self, book: Any) -> None:
        self.book = book
        self._head = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
        self._formats = {
            form: book.add_format({"num_format": form})
            for form in {*_FORMATS.values(), "+0.0;-0.0;0.0", "yyyy-mm-dd", "General"}
        }

    def table(self, name: str, head: Sequence[str], rows: Iterable[Sequence[tuple[Any, str]]]) -> Any:
        """A sheet with a head and rows of (value, number format)."""
        sheet = self.book.add_worksheet(name)
        sheet.freeze_panes(1, 1)
        sheet.set_column(0, 0, 28)
        sheet.set_column(1, max(len(head) - 1, 1), 16)
        for column, text in enumerate(head):
            sheet.write_string(0, column, text, self._head)
        for line, cells in enumerate(rows, start=1):
            for column, (value, form) in enumerate(cells):
                if value is None:
                    sheet.write_string(line, column, "-")
                elif isinstance(value, str):
                    sheet.write_string(line, column, value)
                elif isinstance(value, int | float):
                    sheet.write_number(line, column, value, self._formats[form])
                else:
                    sheet.write_datetime(line, column, value, self._formats["yyyy-mm-dd"])
        return sheet

    def chart(self, sheet: Any, kind: str, title: str, name: str, rows: int, column: int, at: str) -> None:
        """A chart of a column of a sheet over its first column, for `rows` rows."""
        drawn = self.book.add_chart({"type": kind})
        drawn.add_series(
            {
                "name": title,
                "categories": [name, 1, 0, rows, 0],
                "values": [name, 1, column, rows, column],
                "fill": {"color": "#1f6fa8"},
            }
        )
        drawn.set_title({"name": title, "name_font": {"size": 12}})
        drawn.set_legend({"none": True})
        sheet.insert_chart(at, drawn)


def write_workbook(bulletin: Bulletin, language: Language, path: Path) -> None:
    """Writes the workbook in a language."""
    w = WORDS[language]
    with xlsxwriter.Workbook(str(path)) as book:
        sheets = _Sheets(book)
        _summary(sheets, bulletin, language)
        days = sheets.table(
            w["days"], (w["name"], w["reports"]), ([(day, ""), (count, "#,##0")] for day, count in bulletin.days)
        )
        sheets.chart(days, "column", w["days"], w["days"], len(bulletin.days), 1, "D2")
        curve = [[(start, ""), (accepted, "#,##0"), (solved, "0.0%")] for start, accepted, solved in bulletin.curve]
        sheet = sheets.table(w["orders"], (w["name"], w["reports"], figure_name("solved", language)), curve)
        sheets.chart(sheet, "column", figure_name("accepted", language), w["orders"], len(curve), 1, "E2")
        sheets.chart(sheet, "line", figure_name("solved", language), w["orders"], len(curve), 2, "E18")
        for slice_ in ("matter_kind", "street", "channel", "family"):
            _lines(sheets, bulletin, slice_, language)
        _rest(sheets, bulletin, language)


def _cell(value: Value | None) -> tuple[Any, str]:
    return (None, "General") if value is None else (value.value, _FORMATS[value.unit])


def _summary(sheets: _Sheets, bulletin: Bulletin, language: Language) -> None:
    w = WORDS[language]
    figures = [(name, bulletin.district[name]) for name in HEADLINES if name in bulletin.district]
    head = (
        w["figure"],
        w["value"],
        *(w["parts"].split(" / ")),
        f"{w['before']} (%, {w['points']})",
        f"{w['year']} (%, {w['points']})",
    )
    rows = [
        [
            (figure_name(name, language), ""),
            _cell(value),
            (value.numerator if value.unit != "count" else None, "General"),
            (value.denominator, "#,##0"),
            (value.before_change, "+0.0;-0.0;0.0"),
            (value.year_change, "+0.0;-0.0;0.0"),
        ]
        for name, value in figures
    ]
    sheet = sheets.table(w["headline"], head, rows)
    place = bulletin.place_zh if language == "zh" else bulletin.place_en
    said = [
        f"{place} {bulletin.span.name}",
        *([w["made_up"]] if bulletin.made_up else []),
        *headline(bulletin, language),
        w["note"],
    ]
    for line, sentence in enumerate(said, start=len(rows) + 3):
        sheet.write_string(line, 0, sentence)


def _lines(sheets: _Sheets, bulletin: Bulletin, slice_: str, language: Language) -> None:
    w, lines = WORDS[language], bulletin.lines[slice_]
    columns = (*OF_A_LINE, "per_10000") if slice_ == "street" else OF_A_LINE
    head = (w["name"], *(figure_name(name, language) for name in columns), f"{w['before']} (%)", f"{w['year']} (%)")
    rows = [
        [
            (line_name(slice_, line, language), ""),
            *(_cell(line.values.get(name)) for name in columns),
            (line.values["accepted"].before_change, "+0.0;-0.0;0.0"),
            (line.values["accepted"].year_change, "+0.0;-0.0;0.0"),
        ]
        for line in lines
    ]
    sheet = sheets.table(w[f"by_{slice_}"], head, rows)
    if lines:
        sheets.chart(
            sheet,
            "bar",
            figure_name("accepted", language),
            w[f"by_{slice_}"],
            len(lines),
            1,
            f"{'ABCDEFGHIJ'[len(head) + 1]}2",
        )


def _rest(sheets: _Sheets, bulletin: Bulletin, language: Language) -> None:
    w, zh = WORDS[language], language == "zh"
    sheets.table(
        w["tiers"],
        (w["agency"], w["tier"], w["level"], w["orders"], w["score"]),
        (
            [
                (one.name_zh if zh else one.name_en, ""),
                (one.tier, ""),
                (LEVELS[language].get(one.level, one.level), ""),
                (one.orders, "#,##0"),
                (one.score, "#,##0.0"),
            ]
            for one in bulletin.tiers
        ),
    )
    sheets.table(
        w["rules"],
        (w["rule"], w["holds"]),
        ([(one.name_zh if zh else one.name_en, ""), (one.holds, "#,##0")] for one in bulletin.rules),
    )
    sheets.table(
        w["late"],
        (w["number"], w["kind"], w["agency"], w["due"], w["late_days"]),
        (
            [
                (one.number, ""),
                (one.kind_zh if zh else one.kind_en, ""),
                (one.agency, ""),
                (one.due_on, ""),
                (one.days, "#,##0"),
            ]
            for one in bulletin.late
        ),
    )
    sheets.table(
        w["warnings"],
        (w["kind"], w["what"], w["place"], w["reports"], w["usual"], w["until"]),
        (
            [
                (one.kind_zh if zh else one.kind_en, ""),
                (w[one.what], ""),
                (one.place or w["district"], ""),
                (one.reports, "#,##0.0"),
                (one.usual, "#,##0.0"),
                (one.until, ""),
            ]
            for one in bulletin.warnings
        ),
    )
