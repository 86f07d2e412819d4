"""The whole city over its districts: each district is a hub of its own, with its own ClickHouse, and is a shard of the city's.

Database `city` holds for each view of `bi` a Distributed table over that view of every district. A report lives in one
district, so that rows of two never speak of one order, and counts and numerators of `city.kpi_daily` add up.
docs/decisions/0029-cluster.md.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

from sinks.access import View, bi_views

_NAME: Final = re.compile(r"[A-Za-z_]\w*")


class CityError(ValueError):
    """The name of the cluster can't be one; the message says what to give."""


def city_statements(cluster: str, views: Iterable[View] | None = None) -> list[str]:
    """What makes database `city` on the server that is asked for it, each statement repeatable; raises CityError.

    `cluster` is the name in `remote_servers` of that server: one shard for each district.
    """
    if not _NAME.fullmatch(cluster):
        raise CityError(
            f"{cluster!r} is no name of a cluster: give the one that remote_servers of the city's server has"
        )
    made = ["CREATE DATABASE IF NOT EXISTS city"]
    for view in bi_views() if views is None else views:
        comment = view.comment.replace("COMMENT '", "COMMENT 'All districts, _shard_num tells which. ", 1)
        made.append(
            f"CREATE OR REPLACE TABLE city.{view.name}\n({view.columns}\n)\n"
            f"ENGINE = Distributed('{cluster}', 'bi', '{view.name}')\n{comment}"
        )
    return made


def make_city(client: Any, cluster: str) -> int:
    """Makes database `city` and returns how many tables it has; raises CityError, and what ClickHouse raises."""
    statements = city_statements(cluster)
    for statement in statements:
        client.command(statement)
    return len(statements) - 1
