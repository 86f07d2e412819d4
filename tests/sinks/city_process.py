"""An engine of two shards that are both this machine, for test_cluster.py: the embedded one of the hub has no remote_servers.

Run as a process of its own, since an engine takes one path for the life of its process. Prints JSON.
"""

import json
import sys
from pathlib import Path

import clickhouse_connect

from profiles import load_profile
from sinks.city import make_city
from sinks.dimensions import load_dimensions
from sinks.migrate import migrate

_SHARD = "<shard><replica><host>{}</host><port>9000</port></replica></shard>"
_CONFIG = "<clickhouse><tcp_port>9000</tcp_port><remote_servers><town>{}{}</town></remote_servers></clickhouse>"


def main(folder: Path) -> None:
    """Two cases in the district, told by both shards."""
    config = folder / "config.xml"
    config.write_text(_CONFIG.format(_SHARD.format("localhost"), _SHARD.format("127.0.0.1")))
    client = clickhouse_connect.get_client(
        interface="chdb", path=str(folder / "engine"), chdb_options={"config-file": str(config)}
    )
    migrate(client)
    load_dimensions(client, load_profile(Path(__file__).parents[2] / "profiles" / "demo"))
    for _ in range(2):  # the same rows twice are one
        client.command(
            "INSERT INTO hub.cases (report_id, first_day, day, reported_at, is_open, _version) "
            "SELECT toString(number), '2025-03-01', '2025-03-01', '2025-03-01', number = 1, 1 FROM numbers(2)"
        )
    made = make_city(client, "town")
    make_city(client, "town")
    tables = client.query("SELECT name FROM system.tables WHERE database = 'city' ORDER BY name").result_rows
    told = {}
    for (table,) in tables:
        told[table] = client.query(f"SELECT count() FROM city.{table}").result_rows[0][0]
    orders = client.query("SELECT _shard_num, count(), countIf(is_open) FROM city.cases GROUP BY ALL ORDER BY ALL")
    daily = client.query("SELECT sum(accepted) FROM city.kpi_daily WHERE day = '2025-03-01'").result_rows
    print(json.dumps({"made": made, "tables": told, "orders": orders.result_rows, "daily": daily}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
