"""`zhishu explain`: everything that was decided about one report and why, on one page for a clerk.

It reads ClickHouse, where all of it stands side by side, and there the views of database bi, so that it shows what an
analyst may see and follows the same rules: personal data masked, a confidential report without its matter. The views are
asked of the reports of one matter alone (sinks/keyed.py): reading them whole takes seconds. Names of agencies and kinds,
thresholds and the legal basis of a row are the profile's.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from clickhouse_connect.driver.client import Client
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from hub import wording
from hub.review import Answer, ReviewError, matter_of
from hub.wording import Language, word
from profiles import Profile
from sinks.keyed import keyed

#: Members of the matter, and lines of the history, that are shown; the first and the last ones count most.
_MEMBERS: Final = 50
_LINES: Final = 100

#: Reports of a matter that are read.
_READ: Final = 5_000

# Who is or was in a matter, and who was ruled on with it; the indexes of both tables find them.
_OF_MATTER: Final = """
SELECT DISTINCT id
FROM
(
    SELECT report_id AS id FROM hub.routed WHERE matter_id = {matter:String}
    UNION ALL
    SELECT arrayJoin(report_ids) AS id FROM hub.changes
    WHERE intake_topic = 'rulings' AND (matter_id = {matter:String} OR ifNull(from_matter_id = {matter:String}, false))
)
LIMIT {most:UInt32}
"""
# What these reports are linked to or compared with, and what is compared with them.
_NEAR: Final = """
SELECT id, max(asked) AS asked
FROM
(
    SELECT arrayJoin([matter_id, ifNull(linked_to, ''), ifNull(review_matter, '')]) AS id, review_matter IS NOT NULL AS asked
    FROM hub.routed WHERE report_id IN {ids:Array(String)}
    UNION ALL
    SELECT report_id AS id, true AS asked FROM hub.routed WHERE review_matter IN {ids:Array(String)}
)
WHERE id != ''
GROUP BY id
LIMIT {most:UInt32}
"""
# The report, and the others of its matter without their texts; those without a title by the beginning of theirs.
_REPORTS: Final = """
SELECT * REPLACE(
    if(report_id = {id:String}, told.content, '') AS content,
    if(report_id != {id:String} AND empty(told.title), substringUTF8(told.content, 1, 40), told.title) AS title,
    toUnixTimestamp64Milli(reported_at) AS reported_at, toUnixTimestamp64Milli(received_at) AS received_at,
    toUnixTimestamp64Milli(source_due_at) AS source_due_at, toUnixTimestamp64Milli(due_at) AS due_at,
    toUnixTimestamp64Milli(finished_at) AS finished_at,
    arrayMap(one -> (one.name, toUnixTimestamp64Milli(one.due_at), one.time_limit), milestones) AS milestones
)
FROM bi.reports AS told ORDER BY told.reported_at, report_id
"""
_CASE: Final = """
SELECT toUnixTimestamp64Milli(due_at) AS due_at, is_overdue, is_closed FROM bi.cases WHERE report_id = {id:String}
"""
_QUESTIONS: Final = """
SELECT report_id, review_matter, score, title, matter_title FROM bi.review_queue
WHERE report_id = {id:String} OR review_matter = {matter:String} ORDER BY asked_at, report_id
"""
_HISTORY: Final = """
SELECT at, kind, what, about, matter_id, unit, level, due_at, by, reason
FROM
(
    SELECT
        toUnixTimestamp64Milli(changed_at) AS at, 'change' AS kind, toString(change) AS what, report_id AS about, matter_id,
        CAST(agency_name, 'Nullable(String)') AS unit, CAST(level, 'Nullable(String)') AS level,
        toUnixTimestamp64Milli(due_at) AS due_at, CAST(ruled_by, 'Nullable(String)') AS by, reason
    FROM bi.changes
    WHERE report_id = {id:String}
        OR (ruled_by IS NOT NULL AND (matter_id = {matter:String} OR from_matter_id = {matter:String}))
    UNION ALL
    SELECT
        toUnixTimestamp64Milli(occurred_at), 'step', toString(step), report_id, '', unit, CAST(level, 'Nullable(String)'),
        toUnixTimestamp64Milli(extended_to), NULL, ''
    FROM bi.progress WHERE report_id = {id:String}
    UNION ALL
    SELECT
        toUnixTimestamp64Milli(received_at), 'message', if(relation = 'revision', 'revised', 'decided'), report_id, '',
        NULL, NULL, NULL, NULL, ''
    FROM hub.routed FINAL WHERE report_id = {id:String} AND outcome = 'routed'
)
ORDER BY at, what
"""
#: Words of the history, by what a line tells of.
_WORDS: Final = {"change": wording.CHANGES, "step": wording.STEPS, "message": wording.MESSAGES}


class ExplainError(RuntimeError):
    """There is nothing to explain; the message says why and what to do."""


@dataclass(frozen=True)
class Explanation:
    """What the hub knows of a report, as rows of the views; times are milliseconds since 1970, UTC."""

    report: dict[str, Any]
    case: dict[str, Any]
    members: list[dict[str, Any]]
    questions: list[dict[str, Any]]
    history: list[dict[str, Any]]


def explain(client: Client, report_id: str) -> Explanation:
    """Reads it; raises ExplainError for a report that is not there."""

    def ask(question: str, **parameters: Any) -> list[dict[str, Any]]:
        return list(client.query(keyed(question), parameters=parameters).named_results())

    found: dict[str, dict[str, Any]] = {}
    with suppress(ReviewError):  # nobody by that id: nothing is found
        of_matter = ask(_OF_MATTER, matter=matter_of(client, report_id), most=_READ)
        about = sorted({report_id, *(one["id"] for one in of_matter)})
        near = ask(_NEAR, ids=about, most=_READ)
        ids = sorted({*about, *(one["id"] for one in near)})
        found = {one["report_id"]: one for one in ask(_REPORTS, id=report_id, ids=ids)}
    if report_id not in found:
        raise ExplainError(
            f"no report has the id {report_id}: ids are in bi.reports and `zhishu review list`; one that was sent just now "
            "is stored within seconds"
        )
    matter = found[report_id]["matter_id"]
    cases = ask(_CASE, id=report_id, ids=ids)
    return Explanation(
        found[report_id],
        cases[0] if cases else {},
        [one for one in found.values() if one["matter_id"] == matter],
        ask(_QUESTIONS, id=report_id, matter=matter, ids=ids) if any(one["asked"] for one in near) else [],
        ask(_HISTORY, id=report_id, matter=matter, ids=ids),
    )


class Page:
    """Shows an explanation in one language, with the names and thresholds of a profile."""

    def __init__(self, profile: Profile, lang: Language) -> None:
        self._profile = profile
        self._lang = lang
        self._zone = ZoneInfo(profile.timezone)
        self._basis = {row.row: row for row in profile.responsibilities}

    def shown(self, found: Explanation) -> Group:
        """The whole page."""
        parts: list[RenderableType] = []
        for title, body in (
            (self._say("诉求", "Report"), self._report(found)),
            (self._say("归入哪个事项，为什么", "Which matter, and why"), self._link(found)),
            (self._say("人工研判", "Question for a person"), self._review(found)),
            (self._say("由谁办理，为什么", "Who acts, and why"), self._routing(found)),
            (self._say("事项的全部诉求", "All reports of the matter"), self._members(found)),
            (self._say("经过", "History"), self._history(found)),
        ):
            parts += [Rule(title, align="left", style="bold"), Padding(body, (0, 0, 1, 2))]
        return Group(*parts)

    def _say(self, zh: str, en: str) -> str:
        return zh if self._lang == "zh" else en

    def _time(self, at: int | None) -> str:
        return "-" if at is None else f"{datetime.fromtimestamp(at / 1000, self._zone):%Y-%m-%d %H:%M}"

    def _agency(self, code: str | None, name: str | None = None) -> str:
        agency = self._profile.agencies.get(code or "")
        if agency is None:
            return name or code or "-"
        return agency.name_zh if self._lang == "zh" else agency.name_en or agency.name_zh

    def _kind(self, kind: str | None) -> str:
        found = self._profile.matters.get(kind or "")
        if found is None:
            return kind or self._say("未知", "not known")
        return found.name_zh if self._lang == "zh" else found.name_en

    def _fields(self, rows: list[tuple[str, str | None]]) -> Table:
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(overflow="fold")
        for name, value in rows:
            if value:
                grid.add_row(name, Text(value))
        return grid

    def _report(self, found: Explanation) -> RenderableType:
        r, say = found.report, self._say
        community = self._profile.communities.get(r["community_code"] or "")
        place = f"{community.street}{community.name}" if community else r["street_code"]
        shown = r["title"] or r["content"][:60]
        return self._fields(
            [
                (say("编号", "id"), r["report_id"]),
                (say("来源", "from"), f"{r['channel']}  {r['upstream_id']}"),
                (say("时间", "reported"), self._time(r["reported_at"])),
                (say("标题", "title"), shown),
                (say("内容", "text"), r["content"] if r["title"] else None),
                (say("诉求人", "reporter"), r["reporter_mask"]),
                (say("地点", "place"), "  ".join(filter(None, (place, r["address"])))),
                (
                    say("保密", "confidential"),
                    say("是：单独办理，不并单", "yes: stands alone") if r["confidential"] else None,
                ),
            ]
        )

    def _link(self, found: Explanation) -> RenderableType:
        r, say, rules = found.report, self._say, self._profile.matching
        score = None
        if r["score"] is not None:
            score = say(
                f"{r['score']:.2f}，达到并单门槛 {rules.link:.2f}", f"{r['score']:.2f}, at least {rules.link:.2f} links"
            )
        elif r["review_score"] is not None:
            score = say(
                f"{r['review_score']:.2f}，在研判门槛 {rules.review:.2f} 与并单门槛 {rules.link:.2f} 之间",
                f"{r['review_score']:.2f}, between {rules.review:.2f} (a person is asked) and {rules.link:.2f} (links)",
            )
        elif r["reasons"] and r["ruling"] is None:
            score = say(
                f"与最接近的事项低于研判门槛 {rules.review:.2f}",
                f"the matter most like it stays below {rules.review:.2f}, from which a person is asked",
            )
        relation = word(wording.RELATIONS, r["relation"], self._lang)
        ruled = word(wording.CHANGES, r["ruling"], self._lang) if r["ruling"] else None
        parts = "\n".join(f"· {wording.part(one, self._lang)}" for one in r["reasons"])
        if len(found.members) > 1:
            relation += say(f"（事项共 {len(found.members)} 件）", f" ({len(found.members)} reports in all)")
        return self._fields(
            [
                (say("事项", "matter"), r["matter_id"]),
                (say("关系", "relation"), relation),
                (say("关联到", "linked to"), r["linked_to"]),
                (say("人工决定", "ruled"), ruled),
                (say("得分", "score"), score),
                (say("依据", "because"), parts),
                (say("规则版本", "rules"), r["rule_version"]),
            ]
        )

    def _review(self, found: Explanation) -> RenderableType:
        r, say = found.report, self._say
        lines = []
        for one in found.questions:
            if one["report_id"] == r["report_id"]:
                lines.append(
                    say(
                        f"待研判：是否与“{one['matter_title']}”（{one['review_matter']}）为同一事项，得分 {one['score']:.2f}",
                        f"open: is it the matter of “{one['matter_title']}” ({one['review_matter']})? score {one['score']:.2f}",
                    )
                )
                lines.append(f"zhishu review accept|reject {r['report_id']}")
            else:
                lines.append(
                    say(
                        f"待研判：“{one['title']}”（{one['report_id']}）是否属于本事项，得分 {one['score']:.2f}",
                        f"open: does “{one['title']}” ({one['report_id']}) belong to this matter? score {one['score']:.2f}",
                    )
                )
        if r["review_matter"] and all(one["report_id"] != r["report_id"] for one in found.questions):
            lines.append(
                say(
                    f"已有答复：曾询问是否属于 {r['review_matter']}（见经过）",
                    f"answered: whether it belongs to {r['review_matter']} (see history)",
                )
            )
        return Text("\n".join(lines or [say("没有待研判的问题", "nothing is asked")]))

    def _routing(self, found: Explanation) -> RenderableType:
        r, say, lang = found.report, self._say, self._lang
        lead = self._agency(r["agency_code"], r["agency_name"]) if r["agency_code"] else say("尚未确定", "nobody yet")
        if r["level"]:
            lead += say(f"（{word(wording.LEVELS, r['level'], lang)}）", f" ({word(wording.LEVELS, r['level'], lang)})")
        if r["agency_code"] != r["routed_agency_code"] and r["routed_agency_code"]:
            first = self._agency(r["routed_agency_code"])
            lead += say(f"，最初派给{first}", f", first sent to {first}")
        kind = self._kind(r["routed_kind"])
        if r["kind_by"]:
            kind += f" ({word(wording.KIND_BY, r['kind_by'], lang)}"
            kind += f" {r['kind_confidence']:.0%})" if r["kind_confidence"] is not None else ")"
        flow = self._profile.flows.get(r["flow"])
        names = [self._post(code) for code in r["posts"]]
        milestones = "\n".join(
            f"{name}: {self._time(due)} ({wording.limit(text, lang)})"
            for name, due, text in map(tuple, r["milestones"])
        )
        reasons = [word(wording.PRIORITY_REASONS, one, lang) for one in r["priority_reasons"]]
        priority = word(wording.PRIORITIES, r["priority"], lang) + (f" ({', '.join(reasons)})" if reasons else "")
        return self._fields(
            [
                (say("主办", "agency"), lead),
                (say("协办", "helping"), ", ".join(map(self._agency, r["co_agencies"]))),
                (
                    say("人工队列", "waits"),
                    word(wording.MANUAL, r["manual_reason"], lang) if r["manual_reason"] else None,
                ),
                (say("类别", "kind"), kind),
                (say("清单", "list"), self._row(r)),
                (say("时限", "limit"), self._due(found)),
                (say("节点", "milestones"), milestones),
                (say("流程", "flow"), (flow.name_zh if lang == "zh" else flow.name_en) if flow else None),
                (say("岗位", "posts"), ", ".join(names)),
                (say("须经审批", "approval"), word(wording.APPROVALS, r["approval"], lang) if r["approval"] else None),
                (say("优先级", "priority"), priority),
                (
                    say("紧急", "emergency"),
                    say(f"立即转 {r['emergency']}", f"tell {r['emergency']} at once") if r["emergency"] else None,
                ),
                (say("退单次数", "returned"), str(r["returns"]) if r["returns"] else None),
                (say("结案", "finished"), self._time(r["finished_at"]) if r["finished_at"] else None),
            ]
        )

    def _post(self, code: str) -> str:
        post = self._profile.posts.get(code)
        return code if post is None else post.name_zh if self._lang == "zh" else post.name_en

    def _row(self, r: dict[str, Any]) -> str | None:
        """Version and row of the list, and the legal basis where the list of today is the one that decided."""
        if not r["list_row"]:
            return None
        text = self._say(f"{r['list_version']} 第 {r['list_row']} 行", f"{r['list_version']}, row {r['list_row']}")
        row = self._basis.get(r["list_row"])
        if r["list_version"] == self._profile.named_list and row is not None:
            return f"{text}\n{row.basis}" if row.basis else text
        return text + self._say(
            f"\n（现行清单为 {self._profile.named_list}，法定依据请查当时的清单）",
            f"\n(the list is {self._profile.named_list} now; look up the legal basis in the one of then)",
        )

    def _due(self, found: Explanation) -> str:
        r, case, say = found.report, found.case, self._say
        due = case.get("due_at") or r["source_due_at"] or r["due_at"]
        if due is None:
            return say("没有时限", "none")
        text = self._time(due)
        if r["source_due_at"]:
            text += say("（来源系统给定）", " (given by the source)")
        elif r["time_limit"]:
            spans = ", ".join(f"{start:%H:%M}-{end:%H:%M}" for start, end in self._profile.work_time.spans)
            limit = wording.limit(r["time_limit"], self._lang)
            if r["time_limit"].partition(" ")[2] in ("work_day", "work_hour"):
                limit += say(f"，按工作日历（含调休），工作时间 {spans}", f" by the working calendar, {spans}")
            text += f" ({limit})"
        if case.get("due_at") not in (None, r["source_due_at"] or r["due_at"]):
            text += say("，含延期", ", extended")
        if case.get("is_overdue"):
            text += say("，已超期", ", overdue")
        return text

    def _members(self, found: Explanation) -> RenderableType:
        say = self._say
        table = Table(box=None, padding=(0, 1), header_style="dim")
        table.add_column(say("时间", "reported"), no_wrap=True)
        table.add_column(say("标题", "title"), ratio=1, overflow="fold")
        table.add_column(say("得分", "score"), justify="right")
        for one in found.members[:_MEMBERS]:
            mine = one["report_id"] == found.report["report_id"]
            told = Text(f"{one['title']}\n", style="bold" if mine else "").append(one["report_id"], style="dim")
            relation = word(wording.RELATIONS, one["relation"], self._lang)
            score = "" if one["score"] is None else f"{one['score']:.2f}"
            table.add_row(f"{self._time(one['reported_at'])}\n{relation}", told, score)
        if (more := len(found.members) - _MEMBERS) > 0:
            table.add_row("", say(f"另有 {more} 件", f"{more} more"), "")
        return table

    def _history(self, found: Explanation) -> RenderableType:
        say, lang = self._say, self._lang
        table = Table(box=None, padding=(0, 1), header_style="dim")
        table.add_column(say("时间", "when"), no_wrap=True)
        table.add_column(say("何事", "what"), overflow="fold")
        table.add_column(say("详情", "details"), ratio=1, overflow="fold")
        for one in found.history[-_LINES:]:
            what = word(_WORDS[one["kind"]], one["what"], lang)
            details = [
                one["unit"],
                word(wording.LEVELS, one["level"], lang) if one["level"] else None,
                say(f"期限 {self._time(one['due_at'])}", f"due {self._time(one['due_at'])}") if one["due_at"] else None,
                one["by"],
                word(wording.REASONS, one["reason"], lang) if one["reason"] not in ("", "step") else None,
                one["about"] if one["about"] not in ("", found.report["report_id"]) else None,
            ]
            # A ruling names the matter that it leads to; a step leads to none.
            if one["by"] and one["matter_id"] not in ("", one["about"]):
                details.append(f"→ {one['matter_id']}")
            source = say("（来源）", " (source)") if one["kind"] == "step" else ""
            table.add_row(self._time(one["at"]), what + source, Text("  ".join(filter(None, details))))
        return table


def questions(rows: list[dict[str, Any]], lang: Language) -> Group:
    """Open questions (hub.review.open_questions) for a person to answer: both titles, and what speaks for one matter.

    An id stands on a line of its own, so that it can be copied whole.
    """
    zh = lang == "zh"
    parts: list[RenderableType] = []
    for row in rows:
        why = [f"{row['score']:.2f}", *(wording.part(one, lang) for one in row["reasons"])]
        hours = f"{row['age_hours']:,.0f} {'小时' if zh else 'h'}"
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(overflow="fold")
        grid.add_row("诉求" if zh else "report", Text(f"{row['title']}\n{row['report_id']}"))
        grid.add_row("可能属于" if zh else "may belong to", Text(f"{row['matter_title']}\n{row['review_matter']}"))
        grid.add_row("得分与依据" if zh else "score, and why", Text(("；" if zh else "; ").join(why)))
        grid.add_row("已等待" if zh else "waits", hours)
        parts += [Rule(style="dim"), grid]
    return Group(*parts, Rule(style="dim"))


def told(answer: Answer, lang: Language) -> str:
    """One or two lines about what a ruling did."""
    change = answer.change
    text = word(wording.CHANGES, change["change"], lang)
    if answer.void:
        return (
            f"{text}：{word(wording.REASONS, change['reason'], lang)}"
            if lang == "zh"
            else f"{text}: {change['reason']}"
        )
    count = len(change["report_ids"])
    told = f"{text} → {change['matter_id']}" + (f"（{count} 件诉求）" if lang == "zh" else f" ({count} report(s))")
    if answer.again:
        told += "\n" + ("此前已作同样决定，未重复记录" if lang == "zh" else "ruled before: nothing was written again")
    return told
