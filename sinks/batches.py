"""Immutable batches: what is sent to ClickHouse in one insert, and sent again unchanged until it is acknowledged.

A batch holds rows of one topic-partition for one partition of one table, because ClickHouse makes an insert atomic per
part only, and one part holds one table partition. Its token names the offset range and a hash of the rows: the same
token means the same data, and other data (a bug) would be stored a second time, visibly, and never vanish silently.
"""

import hashlib
import marshal
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from sinks.rows import Row


@dataclass(frozen=True)
class Batch:
    """Rows of one topic-partition for one partition of one table, in the order of the log; never empty."""

    topic: str
    partition: int
    table: str
    table_partition: str
    rows: tuple[Row, ...]

    @cached_property
    def values(self) -> list[tuple[Any, ...]]:
        """The rows as ClickHouse's client takes them."""
        return [row.values for row in self.rows]

    @cached_property
    def token(self) -> str:
        """Insert token `topic/partition/table/table partition/first-last/hash`."""
        # Version 0 of marshal writes values and nothing else, at a fifth of the cost of repr().
        content = hashlib.sha256(marshal.dumps(self.values, 0)).hexdigest()[:32]
        first, last = self.rows[0].offset, self.rows[-1].offset
        return f"{self.topic}/{self.partition}/{self.table}/{self.table_partition}/{first}-{last}/{content}"

    def halves(self) -> tuple[Self, Self]:
        """The batch as two, to find the row that is refused or to send less at once; needs two rows or more."""
        middle = len(self.rows) // 2
        make = type(self)
        return (
            make(self.topic, self.partition, self.table, self.table_partition, self.rows[:middle]),
            make(self.topic, self.partition, self.table, self.table_partition, self.rows[middle:]),
        )


def split(topic: str, partition: int, rows: Iterable[Row], max_rows: int) -> list[Batch]:
    """Batches of at most `max_rows` rows, each of one table and one partition of it; rows keep the order of the log."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.table, row.table_partition), []).append(row)
    return [
        Batch(topic, partition, table, table_partition, tuple(group[start : start + max_rows]))
        for (table, table_partition), group in groups.items()
        for start in range(0, len(group), max_rows)
    ]
