"""The schema on a cluster: the same templates, filled for replicas, and the city over its districts.

No ClickHouse server is at hand, and the embedded engine has no Keeper: what a server would be sent is read by the engine's own
parser here, and only the city's tables run.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from hub.clickhouse_embedded import EmbeddedClickHouse
from hub.endpoints import schema_form
from hub.settings import Settings
from profiles import Profile
from profiles.retention import Retention
from sinks import access, retention
from sinks.city import CityError, city_statements
from sinks.migrate import Ddl, templates
from sinks.writer import open_clickhouse
from tests.sinks.conftest import url

CLUSTER = Ddl(on_cluster="ON CLUSTER county", replicated="Replicated")


def parsed(client: Any, statement: str) -> str:
    """The statement as the engine's parser understands it."""
    question = "SELECT formatQuerySingleLine({q:String})"
    return str(client.query(question, parameters={"q": statement}).result_rows[0][0])


def sent(profile: Profile) -> list[str]:
    """Every statement that a start sends to a cluster, without the conditions of WHEN."""
    views = access.bi_views()
    parts = [
        text for role, part in profile.access.role.items() for text in access.part_views(role, part, views).values()
    ]
    every = [*templates(), *retention.templates(Retention()), *parts]
    return [CLUSTER.fill(re.sub(r"\AWHEN .*?\sDO ", "", template, flags=re.DOTALL)) for template in every]


@pytest.mark.clickhouse
def test_every_statement_for_a_cluster_is_one_that_the_engines_parser_takes(migrated: Any, profile: Profile) -> None:
    statements = sent(profile)
    assert len(statements) > 100
    for statement in statements:
        text = parsed(migrated, statement)
        assert " ON CLUSTER county" in text or text.startswith("INSERT INTO "), text
        if found := re.search(r"ENGINE = (\w+)", text):
            assert found[1].startswith("Replicated"), text


@pytest.mark.clickhouse
def test_a_cluster_that_is_not_there_is_refused_and_not_taken_for_one_machine(migrated: Any) -> None:
    with pytest.raises(Exception, match="county"):
        migrated.command(CLUSTER.fill("CREATE DATABASE IF NOT EXISTS elsewhere {on_cluster}"))
    assert migrated.query("EXISTS DATABASE elsewhere").result_rows == [(0,)]


def test_the_setting_decides_which_form_the_templates_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZHISHU_CLICKHOUSE_CLUSTER", raising=False)
    assert schema_form(Settings()) == Ddl()
    monkeypatch.setenv("ZHISHU_CLICKHOUSE_CLUSTER", "county")
    assert schema_form(Settings()) == CLUSTER
    monkeypatch.setenv("ZHISHU_CLICKHOUSE_CLUSTER", "county; DROP DATABASE hub")
    with pytest.raises(ValidationError, match="clickhouse_cluster"):
        Settings()


@pytest.mark.clickhouse
def test_replicas_are_read_as_one_server_and_a_single_server_as_it_is(engine: EmbeddedClickHouse) -> None:
    question = "SELECT getSetting('select_sequential_consistency'), toString(getSetting('insert_quorum'))"
    assert open_clickhouse(url(engine), ddl=CLUSTER).query(question).result_rows == [(True, "auto")]
    assert open_clickhouse(url(engine), ddl=Ddl()).query(question).result_rows == [(False, "0")]


@pytest.mark.clickhouse
def test_the_city_shows_every_view_of_all_districts_and_counts_add_up(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.sinks.city_process", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["tables"].keys() == {view.name for view in access.bi_views()}
    assert told["made"] == len(told["tables"])
    assert told["orders"] == [[1, 2, 1], [2, 2, 1]]
    assert told["daily"] == [[4]]


@pytest.mark.clickhouse
def test_statements_of_the_city_are_as_the_engines_parser_has_them(migrated: Any) -> None:
    first, *tables = [parsed(migrated, statement) for statement in city_statements("town")]
    assert first == "CREATE DATABASE IF NOT EXISTS city"
    for text in tables:
        assert re.search(r"^CREATE OR REPLACE TABLE city\.(\w+) .*ENGINE = Distributed\('town', 'bi', '\1'\)", text), (
            text
        )


def test_a_name_that_can_be_no_cluster_is_refused() -> None:
    with pytest.raises(CityError, match="remote_servers"):
        city_statements("town', 'hub")
