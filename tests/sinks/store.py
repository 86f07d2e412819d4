"""Facts into ClickHouse as the sink brings them there: rows, then the cases that they change."""

from collections.abc import Iterable
from typing import Any

from sinks.batches import split
from sinks.cases import Cases, touched
from sinks.rows import TABLES, Row
from sinks.writer import insert_batch


def store(client: Any, topic: str, rows: Iterable[Row]) -> None:
    """Stores rows of partition 0 of a topic in one go."""
    kept = list(rows)
    for batch in split(topic, 0, kept, 10_000):
        insert_batch(client, batch)
    Cases(client).refresh(touched(kept))


def empty(client: Any) -> None:
    """Empties all tables of facts, and what was computed from them."""
    for table in (*TABLES, "hub.cases", "hub.cases_built", "hub.hidden_reports"):
        client.command(f"TRUNCATE TABLE {table}")
