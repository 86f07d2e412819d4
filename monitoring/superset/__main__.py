"""Puts the hub's datasets and dashboard into Apache Superset: `python -m monitoring.superset http://127.0.0.1:8088`.

It asks for two passwords, of the Superset user and of the ClickHouse user; where the input is no terminal, it reads them from
its first two lines. Running it again puts the same objects right. It ends with the rows that each chart got, and with 1 where
one got none.
"""

import argparse
import asyncio
import json
import sys
from datetime import UTC, datetime
from getpass import getpass
from typing import Any, Final

import aiohttp

from monitoring.superset import CHARTS, CONNECTION, SLUG, bundle, named, uuid_of

_PATIENCE_S: Final = 120


class SupersetError(RuntimeError):
    """Superset refused something; the message says what and what to do."""


class Superset:
    """Superset's REST API, as one user of it."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        """`url` without a path at the end."""
        self._session = session
        self._api = f"{url.rstrip('/')}/api/v1"
        self._headers: dict[str, str] = {}

    async def log_in(self, user: str, password: str) -> None:
        """Takes a token; raises SupersetError."""
        body = {"username": user, "password": password, "provider": "db", "refresh": False}
        token = (await self.ask("POST", "/security/login", json=body))["access_token"]
        self._headers["Authorization"] = f"Bearer {token}"
        self._headers["X-CSRFToken"] = (await self.ask("GET", "/security/csrf_token/"))["result"]

    async def ask(self, method: str, path: str, **named: Any) -> Any:
        """The answer's JSON; raises SupersetError."""
        headers = self._headers | {"Referer": self._api}
        async with self._session.request(method, self._api + path, headers=headers, **named) as answer:
            text = await answer.text()
            if answer.status == 401:
                raise SupersetError(
                    "Superset does not know this user with this password: give another --user, or try again"
                )
            if answer.status >= 400:
                told = text[:500] if answer.content_type == "application/json" else "its log says why"
                raise SupersetError(f"Superset answered {method} {path} with {answer.status}: {told}")
            return json.loads(text)

    async def all(self, what: str) -> dict[str, int]:
        """Number of every dataset or chart by its uuid."""
        found = await self.ask("GET", f"/{what}/", params={"q": "(columns:!(id,uuid),page_size:1000)"})
        return {str(one["uuid"]): int(one["id"]) for one in found["result"]}


async def provision(
    url: str, user: str, password: str, database: str, address: str, clickhouse_password: str
) -> dict[str, int]:
    """Makes the connection, the datasets, the charts and the dashboard, and returns the rows of each chart's answer."""
    timeout = aiohttp.ClientTimeout(_PATIENCE_S)
    # Superset's CSRF token is bound to a cookie; an address without a name is as good as one with.
    async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        superset = Superset(session, url)
        await superset.log_in(user, password)
        form = aiohttp.FormData()
        form.add_field("passwords", json.dumps({CONNECTION: clickhouse_password}))
        form.add_field("bundle", bundle(database, address, datetime.now(UTC).isoformat()), filename="zhishu.zip")
        await superset.ask("POST", "/assets/import/", data=form)
        datasets, charts = await superset.all("dataset"), await superset.all("chart")
        # What columns a question has, Superset asks ClickHouse itself.
        for name in {chart.dataset.name for chart in CHARTS}:
            await superset.ask("PUT", f"/dataset/{datasets[uuid_of(database, name)]}/refresh")
        rows = {}
        for chart in CHARTS:
            number = charts[uuid_of(database, "chart", chart.title)]
            answer = await superset.ask("GET", f"/chart/{number}/data/")
            rows[chart.title] = int(answer["result"][0]["rowcount"])
        return rows


def _passwords() -> tuple[str, str]:
    if sys.stdin.isatty():
        return getpass("Password of the Superset user: "), getpass("Password of the ClickHouse user: ")
    superset, clickhouse = (sys.stdin.readline().rstrip("\n") for _ in range(2))
    return superset, clickhouse


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m monitoring.superset", description=__doc__)
    parser.add_argument("url", help="of Superset, as in http://127.0.0.1:8088")
    parser.add_argument("--user", default="admin", help="user of Superset who may import")
    parser.add_argument(
        "--clickhouse", default="bi@127.0.0.1:8123", help="user@host:port of ClickHouse, as Superset reaches it"
    )
    parser.add_argument("--database", default="bi", help="database of that user: bi, or bi_<role>")
    given = parser.parse_args()
    password, clickhouse_password = _passwords()
    try:
        rows = asyncio.run(
            provision(given.url, given.user, password, given.database, given.clickhouse, clickhouse_password)
        )
    except (SupersetError, aiohttp.ClientError, TimeoutError) as error:
        sys.stderr.write(f"error: {error or type(error).__name__}\n")
        return 1
    for title, count in rows.items():
        sys.stdout.write(f"{count:>7}  {title}\n")
    sys.stdout.write(f"{given.url.rstrip('/')}/superset/dashboard/{named(SLUG, given.database)}/\n")
    return 0 if all(rows.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
