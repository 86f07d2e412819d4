"""hub.cases and hub.hidden_reports kept as the facts tell: whenever a fact about a report is stored, its row is computed anew
from all facts.

A row depends on the facts of its report and on the others of its matter: whether one is confidential, what a person ruled,
who told it again. So the reports that are or were in a matter are computed together. What is computed comes of facts only,
never of the row before: the same facts in any order, twice, or after a crash give the same row.

Every fact that is stored is followed by a reading that begins later, and the newest reading stands (_version): whatever
several sinks do at once, the last row has seen everything. docs/decisions/0024-cases.md.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final

from sinks.keyed import keyed
from sinks.rows import CHANGES, PROGRESS, ROUTED, TABLES, Row

_log: Final = logging.getLogger(__name__)

#: Reports computed in one statement: enough to spread its cost, few enough for its memory.
CHUNK: Final = 5_000

#: Those that may change with {ids}: the reports that are or were in a matter with one of them. What a confidential report began
#: is shown by another name, also to whoever was asked to compare with it.
_TOUCHED: Final = """
WITH
    decided AS (SELECT report_id, matter_id FROM hub.routed PREWHERE report_id IN {ids:Array(String)} WHERE outcome = 'routed'),
    ruled AS
    (
        SELECT arrayJoin([matter_id, ifNull(from_matter_id, '')]) AS matter_id FROM hub.report_changes
        WHERE intake_topic = 'rulings' AND report_id IN {ids:Array(String)}
    )
SELECT report_id FROM decided
UNION DISTINCT
SELECT report_id FROM hub.members WHERE matter_id IN (SELECT matter_id FROM decided UNION ALL SELECT matter_id FROM ruled)
"""
_SECRETS: Final = """
SELECT DISTINCT report_id FROM hub.routed PREWHERE report_id IN {ids:Array(String)} WHERE outcome = 'routed' AND confidential
"""
_ASKED_ABOUT: Final = """
SELECT DISTINCT report_id FROM hub.routed WHERE review_matter IN {ids:Array(String)}
"""
#: Those whose confidentiality shows in the rows of {ids}.
_REFERRED: Final = """
SELECT DISTINCT arrayJoin(arrayFilter(x -> x != '', [ifNull(linked_to, ''), ifNull(review_matter, ''), matter_id]))
FROM hub.routed PREWHERE report_id IN {ids:Array(String)} WHERE outcome = 'routed'
"""
_COLUMNS: Final = """
SELECT name FROM system.columns WHERE database = 'hub' AND table = 'cases' AND name != '_version' ORDER BY position
"""
_TOLD: Final = "SELECT * FROM hub.told_cases"
_HIDDEN: Final = """
SELECT secret.report_id AS report_id, ifNull(heirs.heir, '') AS heir
FROM hub.secret_reports AS secret LEFT JOIN hub.heirs AS heirs ON heirs.matter_id = secret.report_id
"""
_BUILT: Final = "SELECT rules FROM hub.cases_built FINAL"
_ZONE: Final = "SELECT value FROM hub.parameters FINAL WHERE name = 'timezone'"
#: What facts told before there was hub.members.
_MEMBERS: Final = (
    """
INSERT INTO hub.members (matter_id, report_id, _topic, _partition, _offset, _timestamp)
SELECT matter_id, report_id, _topic, _partition, _offset, _timestamp FROM hub.routed
WHERE outcome = 'routed' AND relation != 'revision' AND appeal_type != 'alarm'
""",
    """
INSERT INTO hub.members (matter_id, report_id, _topic, _partition, _offset, _timestamp)
SELECT matter_id, report_id, _topic, _partition, _offset, _timestamp FROM hub.changes ARRAY JOIN report_ids AS report_id
WHERE change IN ('accepted', 'unlinked', 'merged') AND matter_id != ''
""",
)
#: In the order of the table, so that a chunk stands together in every part.
_NEXT: Final = """
SELECT DISTINCT report_id FROM hub.routed WHERE report_id > {last:String} AND outcome = 'routed'
ORDER BY report_id LIMIT {limit:UInt32}
"""


def touched(rows: Iterable[Row]) -> set[str]:
    """The reports that rows of facts are about."""
    return {report_id for row in rows for report_id in _reports(row)}


def _reports(row: Row) -> Iterable[str]:
    if row.table in (ROUTED.name, PROGRESS.name):
        return (row.values[_PLACES[row.table]],)
    if row.table == CHANGES.name:
        return tuple(row.values[_PLACES[row.table]])
    return ()


_PLACES: Final = {
    table.name: list(TABLES[table.name].columns).index("report_ids" if table is CHANGES else "report_id")
    for table in (ROUTED, PROGRESS, CHANGES)
}


class Cases:
    """The writer of hub.cases and hub.hidden_reports, over a clickhouse-connect client of one thread."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._columns = ", ".join(name for (name,) in client.query(_COLUMNS).result_rows)
        ((newest,),) = client.query("SELECT max(_version) FROM hub.cases").result_rows
        # A clock that was set back must not make what is read now the older row.
        self._least_version = newest + 1

    def refresh(self, report_ids: Iterable[str]) -> None:
        """Computes the rows of these reports, and of those that change with them; raises what ClickHouse raises."""
        for ids in _chunks(sorted(report_ids)):
            targets = self._ids(_TOUCHED, ids)
            if secrets := self._ids(_SECRETS, ids):
                targets |= self._ids(_ASKED_ABOUT, sorted(secrets))
            for part in _chunks(sorted(targets)):
                self._store(part)

    def rebuild(self, going_on: Callable[[], bool] = lambda: True) -> bool:
        """Computes all rows anew where the rules or the time zone are others than those they stand by; True when it did.

        It may run beside refreshes. Stopped in the middle (`going_on` false), it begins anew the next time.
        """
        zone = self._client.query(_ZONE).result_rows
        rules = hashlib.sha256(f"{keyed(_TOLD)}\n{keyed(_HIDDEN)}\n{zone}".encode()).hexdigest()
        if self._client.query(_BUILT).result_rows == [(rules,)]:
            return False
        for statement in _MEMBERS:
            self._client.command(statement)
        last, done = "", 0
        while going_on():
            found = self._client.query(_NEXT, parameters={"last": last, "limit": CHUNK}).result_rows
            if not found:
                self._client.command(
                    "INSERT INTO hub.cases_built (rules) VALUES ({rules:String})", parameters={"rules": rules}
                )
                return True
            ids = [row[0] for row in found]
            self.refresh(ids)
            last, done = ids[-1], done + len(ids)
            _log.info("cases computed anew: %d", done)
        return False

    def _store(self, targets: list[str]) -> None:
        context = set(targets) | self._ids(_REFERRED, targets)
        context |= self._ids(_TOUCHED, sorted(targets))
        ids = sorted(context)
        self._insert("hub.cases", self._columns, _TOLD, ids, targets)
        if self._ids(_SECRETS, targets):
            self._insert("hub.hidden_reports", "report_id, heir", _HIDDEN, ids, targets)

    def _insert(self, table: str, columns: str, question: str, ids: list[str], targets: list[str]) -> None:
        self._client.command(
            f"INSERT INTO {table} ({columns}, _version) "  # noqa: S608 - the tables' columns and our views
            f"SELECT {columns}, greatest({{least:UInt64}}, toUnixTimestamp64Micro(now64(6))) "
            f"FROM ({keyed(question)}) WHERE report_id IN {{targets:Array(String)}}",
            parameters={"ids": ids, "targets": targets, "least": self._least_version},
            settings={"async_insert": 0},
        )

    def _ids(self, query: str, ids: list[str]) -> set[str]:
        return {row[0] for row in self._client.query(query, parameters={"ids": ids}).result_rows}


def _chunks(ids: list[str]) -> Iterator[list[str]]:
    rest = iter(ids)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk
