"""The ClickHouse engine for one machine without a server: chDB in a child process, behind ClickHouse's HTTP interface.

Start it with :class:`EmbeddedClickHouse`, or by ``python -m hub.clickhouse_embedded --data DIR --port N`` with the
users' passwords in the environment; talk to it with any client of ClickHouse's HTTP interface. Only that process
imports chDB. ``docs/decisions/0005-embedded-clickhouse.md`` says why it is built this way.
"""

from hub.clickhouse_embedded.child import EmbeddedClickHouse, EmbeddedClickHouseError, password_variable

__all__ = ["EmbeddedClickHouse", "EmbeddedClickHouseError", "password_variable"]
