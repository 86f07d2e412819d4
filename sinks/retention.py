"""Retention: how long rows stay, set from the profile at every start and altered only where it differs.

Every clock is the broker's time of the record (`_timestamp`; of a case the day of its first record), never the time that a
source tells: a report that is told years late is as fresh as any other. Facts go by whole years, so that a figure of a
year is whole or gone, and a part is dropped at once instead of being written anew; sealed originals go by the day.
docs/decisions/0030-schema.md.
"""

import logging
import re
from typing import Any, Final

from profiles.retention import Retention
from sinks.migrate import Ddl
from sinks.schema import read_schema

_log: Final = logging.getLogger(__name__)

#: Tables of facts with the column that says when a row came.
_FACTS: Final = {
    "hub.routed": "_timestamp",
    "hub.progress": "_timestamp",
    "hub.changes": "_timestamp",
    "hub.report_changes": "_timestamp",
    "hub.members": "_timestamp",
    "hub.alerts": "_timestamp",
    "hub.dead_letters": "_timestamp",
    "hub.cases": "first_day",
}
#: Where the broker gave no time (1970), a fact must not go as it comes; an original goes by when ClickHouse took it.
_NEVER: Final = "toDate('2149-06-06')"
_ORIGINALS: Final = "hub.sealed_originals"
_LETTERS: Final = "hub.dead_letters"
#: Not in partitions by year: rows go one by one, since a part always holds some that stay.
_MIXED: Final = ("hub.members", "hub.dead_letters")
#: A TTL that is changed reads one column of old parts instead of writing them anew.
_CHEAP: Final = {"materialize_ttl_recalculate_only": "1"}
#: A part is dropped, never written anew.
_WHOLE: Final = _CHEAP | {"ttl_only_drop_parts": "1"}


def wanted(retention: Retention) -> dict[tuple[str, str], tuple[str, str]]:
    """By table and piece (sinks.schema.Shape) what must stand there, and the template that puts it."""
    made: dict[tuple[str, str], tuple[str, str]] = {}
    for table in (*_FACTS, _ORIGINALS):
        for name, value in (_CHEAP if table in (*_MIXED, _ORIGINALS) else _WHOLE).items():
            statement = f"ALTER TABLE {table} {{on_cluster}} MODIFY SETTING {name} = {value}"
            made[table, f"setting {name}"] = (value, statement)
    for table, clock in _FACTS.items():
        rule = f"if(toYear({clock}) = 1970, {_NEVER}, toStartOfYear({clock}) + toIntervalYear({retention.facts_years + 1}))"
        made[table, "TTL"] = (rule, f"ALTER TABLE {table} {{on_cluster}} MODIFY TTL {rule}")
    rule = (
        f"toDate(if(toYear(_timestamp) = 1970, _ingested_at, _timestamp)) + toIntervalDay({retention.originals_days})"
    )
    made[_ORIGINALS, "TTL"] = (rule, f"ALTER TABLE {_ORIGINALS} {{on_cluster}} MODIFY TTL {rule}")
    made[_LETTERS, "column original"] = (
        f"TTL {rule}",
        f"ALTER TABLE {_LETTERS} {{on_cluster}} MODIFY COLUMN original TTL {rule}",
    )
    return made


def templates(retention: Retention) -> list[str]:
    """Every statement of the retention, for a schema that has none yet."""
    return [template for _, template in wanted(retention).values()]


def keep(client: Any, retention: Retention, ddl: Ddl | None = None) -> list[str]:
    """Sets what is not as the profile says, and returns the statements; none where nothing changed.

    `client` is a clickhouse-connect client of a user that may do everything, of a migrated database. What has expired by a new
    rule goes with the next merges, in the background. Raises what ClickHouse raises.
    """
    ddl = ddl or Ddl()
    running = read_schema(client, ["hub"])
    done = []
    for (table, piece), (rule, template) in wanted(retention).items():
        now = _plain(running[table].pieces.get(piece, ""))
        # Of a column its rule stands at the end of its declaration.
        if not (now.endswith(_plain(rule)) if piece.startswith("column ") else now == _plain(rule)):
            client.command(ddl.fill(template))
            done.append(ddl.fill(template))
    if done:
        _log.info("retention set in %s", ", ".join(sorted({statement.split()[2] for statement in done})))
    return done


def _plain(text: str) -> str:
    """Without the brackets and blanks that the engine puts in its own way."""
    return re.sub(r"[()\s]", "", text)
