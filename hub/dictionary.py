"""`zhishu schema dictionary`: the data dictionary of this release, read from an engine made for it."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hub.clickhouse_embedded import EmbeddedClickHouse
from hub.endpoints import embedded_clickhouse_url
from profiles.retention import Retention
from sinks.migrate import migrate
from sinks.retention import keep
from sinks.schema import dictionary
from sinks.writer import open_clickhouse


def fresh_dictionary() -> str:
    """Markdown; takes some seconds and leaves nothing behind. Raises EmbeddedClickHouseError."""
    with TemporaryDirectory(prefix="zhishu-") as folder, EmbeddedClickHouse(Path(folder)) as engine:
        client = open_clickhouse(embedded_clickhouse_url(engine.port, "hub", engine.passwords["hub"]))
        try:
            migrate(client)
            keep(client, Retention())
            return dictionary(client)
        finally:
            client.close()
