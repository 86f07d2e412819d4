"""Looks reports up in ClickHouse for the gateway: by id, and page by page.

By id it reads hub.routed, hub.progress and hub.report_changes by their keys (25 ms among 2 million reports, measured
before there were changes); bi.reports, whose rules it follows, reads the whole table for one report. tests/hub/test_status.py
holds the two against each other.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from queue import Empty, LifoQueue
from typing import Any, Final, TypeVar

from clickhouse_connect.driver.exceptions import ClickHouseError

from connectors.reports import ENDING, REOPENING, Search, StoredReport, StoredStep, StoreUnavailableError
from hub.endpoints import EndpointError
from hub.secrets import SecretsError
from profiles import Channel

#: Questions asked at once by one process, and seconds that a further one waits for its turn.
_AT_ONCE: Final = 4
_TURN_S: Final = 2.0
#: Seconds of one question, by ClickHouse's own clock.
_ASK_S: Final = 5
#: Steps read of one case, the last ones; no real case has a tenth of it.
_STEPS: Final = 500

# The latest revision says what is asked and who must act; how it belongs to a matter was decided on the first one.
_REPORTS: Final = """
SELECT
    report_id,
    max(confidential),
    toUnixTimestamp64Milli(min(received_at)),
    argMax(
        (upstream_id, part_ids, kind_code, matter_kind, content, address, lon, lat, attachments,
         toUnixTimestamp64Milli(reported_at), toUnixTimestamp64Milli(source_due_at), toUnixTimestamp64Milli(due_at),
         agency_code, agency_name, level, manual_reason),
        (length(part_ids), received_at, _timestamp, intake_offset)
    ),
    argMin((matter_id, relation, linked_to), (relation = 'revision', length(part_ids), received_at, _timestamp, intake_offset))
FROM hub.routed FINAL
WHERE outcome = 'routed' AND channel = {channel:String} AND report_id IN {ids:Array(String)}
GROUP BY report_id
"""
_WHOLES: Final = """
SELECT DISTINCT report_id FROM hub.routed FINAL
WHERE outcome = 'routed' AND channel = {channel:String} AND hasAny(part_ids, {ids:Array(String)})
"""
_STEPS_OF: Final = """
SELECT report_id, step, toUnixTimestamp64Milli(occurred_at), unit, level, toUnixTimestamp64Milli(extended_to)
FROM hub.progress FINAL
WHERE report_id IN {ids:Array(String)}
ORDER BY report_id, occurred_at DESC, received_at DESC, progress_id DESC
LIMIT {steps:UInt32} BY report_id
"""
_HIDDEN: Final = """
SELECT DISTINCT report_id FROM hub.routed FINAL
WHERE outcome = 'routed' AND confidential AND report_id IN {ids:Array(String)}
"""
# A matter that a confidential report began goes by the first other report in it.
_HEIRS: Final = """
SELECT report_id, heir FROM hub.hidden_reports FINAL WHERE report_id IN {ids:Array(String)} AND heir != ''
"""
# What persons ruled and steps changed since; few reports are ever ruled on, so that the view of them is seldom read.
_RULED: Final = """
SELECT DISTINCT report_id FROM hub.report_changes
WHERE intake_topic = 'rulings' AND change IN ('accepted', 'unlinked', 'merged') AND report_id IN {ids:Array(String)}
"""
_MOVED: Final = (
    "SELECT report_id, matter_id, ruling, relation FROM hub.moved_reports WHERE report_id IN {ids:Array(String)}"
)
_CASES: Final = """
SELECT cases.report_id, cases.last.1, nullIf(ifNull(agencies.name_zh, ''), ''), cases.last.2, cases.last.3, cases.last.4
FROM
(
    SELECT
        report_id,
        argMax(
            tuple(
                nullIf(toString(case_path[-1]), ''), CAST(case_level, 'Nullable(String)'),
                toUnixTimestamp64Milli(case_due_at), CAST(case_waits, 'Nullable(String)')
            ),
            _offset
        ) AS last
    FROM hub.report_changes FINAL
    WHERE intake_topic = 'progress' AND has_case AND change NOT IN ('noted', 'void') AND report_id IN {ids:Array(String)}
    GROUP BY report_id
) AS cases
LEFT JOIN hub.dim_agencies AS agencies FINAL ON agencies.agency_code = cases.last.1
"""
_SEARCH: Final = """
WITH
    mine AS
    (
        SELECT report_id FROM hub.routed FINAL
        WHERE outcome = 'routed' AND channel = {channel:String}
            AND reported_at BETWEEN fromUnixTimestamp64Milli({start:Int64}) AND fromUnixTimestamp64Milli({end:Int64})
    ),
    ended AS
    (
        SELECT report_id FROM hub.progress FINAL
        WHERE report_id IN mine AND step IN {turns:Array(String)}
        GROUP BY report_id
        HAVING argMax(step, (occurred_at, received_at, progress_id)) IN {ending:Array(String)}
    )
SELECT report_id FROM
(
    SELECT
        report_id,
        max(confidential) AS secret,
        argMax(
            (kind_code, matter_kind, toUnixTimestamp64Milli(reported_at)),
            (length(part_ids), received_at, _timestamp, intake_offset)
        ) AS latest
    FROM hub.routed FINAL
    WHERE outcome = 'routed' AND channel = {channel:String} AND report_id IN mine
    GROUP BY report_id
)
WHERE NOT secret AND latest.3 BETWEEN {start:Int64} AND {end:Int64}
    AND ({any_code:Bool} OR ifNull(latest.1, '') IN {codes:Array(String)})
    AND ({any_kind:Bool} OR latest.2 IN {kinds:Array(String)})
    AND ({closed:Int8} < 0 OR (report_id IN ended) = {closed:Int8})
ORDER BY latest.3 DESC, report_id
LIMIT {limit:UInt32} OFFSET {offset:UInt32}
"""

T = TypeVar("T")


class ClickHouseReports:
    """The store of connectors.reports over a ClickHouse user that may read hub.routed and hub.progress.

    connect: a clickhouse-connect client for one thread; called when a question needs one, so that a gateway starts
    without ClickHouse.
    """

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._idle: LifoQueue[Any] = LifoQueue()
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def find(self, channel: Channel, ids: Sequence[str]) -> list[StoredReport]:
        """See ReportStore."""
        return await self._ask(lambda client: _find(client, channel, list(ids)))

    async def search(self, channel: Channel, wanted: Search) -> list[StoredReport]:
        """See ReportStore."""
        return await self._ask(lambda client: _search(client, channel, wanted))

    async def _ask(self, question: Callable[[Any], T]) -> T:
        async with self._turn():
            return await asyncio.to_thread(self._answer, question)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        try:
            await asyncio.wait_for(self._turns.acquire(), _TURN_S)
        except TimeoutError:
            raise StoreUnavailableError("too many look-ups at once") from None
        try:
            yield
        finally:
            self._turns.release()

    def _answer(self, question: Callable[[Any], T]) -> T:
        """In a thread of its own, with a client that no other thread has."""
        client: Any = None
        try:
            with suppress(Empty):
                client = self._idle.get_nowait()
            client = client or self._connect()
            found = question(client)
        except (ClickHouseError, EndpointError, SecretsError, OSError, KeyError) as error:
            if client is not None:  # it may be the connection that is broken
                client.close()
            raise StoreUnavailableError(f"ClickHouse does not answer ({type(error).__name__})") from None
        self._idle.put(client)
        return found


def _rows(client: Any, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
    found = client.query(sql, parameters=parameters, settings={"max_execution_time": _ASK_S})
    return [tuple(row) for row in found.result_rows]


def _search(client: Any, channel: Channel, wanted: Search) -> list[StoredReport]:
    rows = _rows(
        client,
        _SEARCH,
        channel=channel.id,
        start=wanted.start,
        end=wanted.end,
        turns=sorted({*ENDING, REOPENING}),
        ending=sorted(ENDING),
        any_code=wanted.kind_codes is None,
        codes=list(wanted.kind_codes or ()),
        any_kind=wanted.matter_kinds is None,
        kinds=list(wanted.matter_kinds or ()),
        closed=-1 if wanted.closed is None else int(wanted.closed),
        limit=wanted.limit,
        offset=wanted.offset,
    )
    ids = [report_id for (report_id,) in rows]
    found = {report.report_id: report for report in _stored(client, channel, ids)}
    return [found[report_id] for report_id in ids if report_id in found]


def _find(client: Any, channel: Channel, ids: list[str]) -> list[StoredReport]:
    if channel.assemble_minutes and ids:
        wholes = _rows(client, _WHOLES, channel=channel.id, ids=ids)
        ids = list(dict.fromkeys((*ids, *(report_id for (report_id,) in wholes))))
    return _stored(client, channel, ids)


def _stored(client: Any, channel: Channel, ids: list[str]) -> list[StoredReport]:
    if not ids:
        return []
    rows = _rows(client, _REPORTS, channel=channel.id, ids=ids)
    steps: dict[str, list[StoredStep]] = {}
    for report_id, *step in reversed(_rows(client, _STEPS_OF, ids=[row[0] for row in rows], steps=_STEPS)):
        steps.setdefault(report_id, []).append(StoredStep(*step))
    known = [row[0] for row in rows]
    ruled = {name for (name,) in _rows(client, _RULED, ids=known)}.intersection(known)
    moved = {name: tuple(rest) for name, *rest in _rows(client, _MOVED, ids=sorted(ruled))} if ruled else {}
    cases = {name: tuple(rest) for name, *rest in _rows(client, _CASES, ids=known)}
    rows = [_now(row, moved.get(row[0]), cases.get(row[0])) for row in rows]
    named = {name for row in rows for name in (row[4][0], row[4][2]) if name}
    secret = {name for (name,) in _rows(client, _HIDDEN, ids=sorted(named))} if named else set()
    begun = sorted({row[4][0] for row in rows if not row[1]} & secret)
    heirs: dict[str, str] = dict(_rows(client, _HEIRS, ids=begun)) if begun else {}
    return [_report(row, tuple(steps.get(row[0], ())), secret, heirs) for row in rows]


def _now(row: tuple[Any, ...], moved: tuple[Any, ...] | None, case: tuple[Any, ...] | None) -> tuple[Any, ...]:
    """A row of _REPORTS with the matter that a person put the report into, and with who has its case now."""
    report_id, confidential, accepted_at, latest, link = row
    if moved is not None:
        matter_id, ruling, relation = moved
        if ruling == "merged" and link[1] != "new":
            relation = link[1]
        link = (matter_id, relation, None if relation == "new" else matter_id)
    if case is not None:
        agency_code, agency_name, level, due_at, waits = case
        latest = (*latest[:-5], due_at, agency_code, agency_name, level, waits)
    return report_id, confidential, accepted_at, latest, link


def _report(
    row: tuple[Any, ...], steps: tuple[StoredStep, ...], secret: set[str], heirs: dict[str, str]
) -> StoredReport:
    report_id, confidential, accepted_at, latest, (matter_id, relation, linked_to) = row
    upstream_id, part_ids, kind_code, matter_kind, content, address, lon, lat, attachments, *rest = latest
    reported_at, source_due_at, due_at, agency_code, agency_name, level, manual_reason = rest
    return StoredReport(
        report_id=report_id,
        upstream_id=upstream_id,
        part_ids=tuple(part_ids),
        confidential=bool(confidential),
        kind_code=kind_code,
        matter_kind=matter_kind,
        content=content,
        address=address,
        lon=lon,
        lat=lat,
        attachments=tuple(attachments),
        reported_at=reported_at,
        accepted_at=accepted_at,
        source_due_at=source_due_at,
        due_at=due_at,
        agency_code=agency_code,
        agency_name=agency_name,
        level=level,
        manual_reason=manual_reason,
        matter_id=report_id if confidential else heirs.get(matter_id, matter_id),
        relation="new" if confidential else relation,
        linked_to=None if confidential or linked_to in secret else linked_to,
        steps=steps,
    )
