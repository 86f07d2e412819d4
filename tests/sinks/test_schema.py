"""The running schema: written down as it is, and told where it is not what the release makes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from hub.clickhouse_embedded import EmbeddedClickHouse
from profiles import Profile
from profiles.retention import Retention
from sinks.migrate import Ddl, migrate
from sinks.retention import keep, templates
from sinks.run import look_at_schema
from sinks.schema import Difference, Shape, compare, drift, shape
from sinks.writer import SinkConfig, open_clickhouse
from tests.sinks.conftest import url

ROOT = Path(__file__).parents[2]
RULES = templates(Retention())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A schema as a start leaves it; each test puts right what it changes."""
    with EmbeddedClickHouse(tmp_path_factory.mktemp("schema")) as server:
        client = open_clickhouse(url(server))
        migrate(client)
        keep(client, Retention())
        yield client


def sentences(client: Any) -> list[str]:
    return [difference.sentence for difference in drift(client, further=RULES)]


def databases(client: Any) -> set[str]:
    return {name for (name,) in client.query("SELECT name FROM system.databases").result_rows}


@pytest.mark.clickhouse
def test_what_the_release_makes_is_no_drift_and_a_look_leaves_nothing_behind(made: Any) -> None:
    before = databases(made)
    assert sentences(made) == []
    assert databases(made) == before


#: What somebody does by hand: the table and the piece of it that must be told, and part of the remedy.
BY_HAND = {
    "ALTER TABLE hub.progress MODIFY COLUMN received_at DateTime64(6, 'UTC')": (
        ("hub.progress", "column received_at"),
        "MODIFY COLUMN `received_at`",
    ),
    "ALTER TABLE hub.routed ADD COLUMN mine UInt8": (("hub.routed", "column mine"), "DROP COLUMN mine"),
    "ALTER TABLE hub.routed DROP COLUMN title": (("hub.routed", "column title"), "ADD COLUMN `title`"),
    "ALTER TABLE hub.routed COMMENT COLUMN lat 'x: y'": (("hub.routed", "column lat"), "MODIFY COLUMN `lat`"),
    "ALTER TABLE hub.routed DROP INDEX matter_id": (("hub.routed", "index matter_id"), "ADD INDEX matter_id"),
    "ALTER TABLE hub.routed ADD INDEX mine feed TYPE minmax": (("hub.routed", "index mine"), "DROP INDEX mine"),
    "ALTER TABLE hub.cases MODIFY SETTING min_age_to_force_merge_seconds = 1": (
        ("hub.cases", "setting min_age_to_force_merge_seconds"),
        "MODIFY SETTING min_age_to_force_merge_seconds = 3600",
    ),
    "ALTER TABLE hub.alerts MODIFY SETTING min_rows_for_wide_part = 5": (
        ("hub.alerts", "setting min_rows_for_wide_part"),
        "RESET SETTING min_rows_for_wide_part",
    ),
    "ALTER TABLE hub.cases MODIFY COMMENT 'x'": (("hub.cases", "COMMENT"), "MODIFY COMMENT 'Reports with"),
    "ALTER TABLE hub.progress REMOVE TTL": (("hub.progress", "TTL"), "zhishu init"),
    "ALTER TABLE hub.dead_letters MODIFY COLUMN original REMOVE TTL": (
        ("hub.dead_letters", "column original"),
        "zhishu init",
    ),
}


@pytest.mark.clickhouse
def test_what_is_altered_by_hand_is_told_and_what_the_sentence_says_puts_it_right(made: Any) -> None:
    for statement in BY_HAND:
        made.command(statement)
    found = {(one.name, one.piece): one.sentence for one in drift(made, further=RULES)}
    assert found.keys() == {place for place, _ in BY_HAND.values()}
    for place, remedy in BY_HAND.values():
        assert remedy in found[place]
        if remedy != "zhishu init":
            made.command(found[place].rsplit("Put it right: ", 1)[-1].rsplit("reads it: ", 1)[-1].removesuffix("."))
    keep(made, Retention())
    assert sentences(made) == []


@pytest.mark.clickhouse
def test_a_view_replaced_or_dropped_by_hand_is_told_and_the_next_start_makes_it_anew(made: Any) -> None:
    made.command("CREATE OR REPLACE VIEW bi.matters AS SELECT 1 AS n")
    made.command("DROP VIEW bi.agencies")
    told = sentences(made)
    assert [sentence.split(" (")[0] for sentence in told] == [
        "bi.agencies is missing: run `zhishu init`, which makes the views anew.",
        "The view bi.matters was changed by hand",
    ]
    migrate(made)
    assert sentences(made) == []


@pytest.mark.clickhouse
def test_a_sink_logs_each_difference_and_counts_them(
    made: Any, profile: Profile, caplog: pytest.LogCaptureFixture
) -> None:
    config = SinkConfig("unused:1", "http://unused:1", profile)
    made.command("DROP VIEW bi.agencies")
    look_at_schema(made, config)
    assert REGISTRY.get_sample_value("zhishu_schema_drift") == 1
    assert "bi.agencies is missing" in caplog.text
    migrate(made)
    look_at_schema(made, config)
    assert REGISTRY.get_sample_value("zhishu_schema_drift") == 0


@pytest.mark.clickhouse
def test_a_table_of_another_engine_order_or_partition_is_told(made: Any) -> None:
    comment = "COMMENT 'By which rules hub.cases stands; where they changed, a sink computes it anew'"
    made.command("RENAME TABLE hub.cases_built TO hub.kept")
    try:
        made.command(
            "CREATE TABLE hub.cases_built AS hub.kept ENGINE = MergeTree PARTITION BY toYear(built_at) ORDER BY rules "
            + comment
        )
        found = drift(made, further=RULES)
        assert {(one.name, one.piece) for one in found} == {
            ("hub.cases_built", "ENGINE"),
            ("hub.cases_built", "ORDER BY"),
            ("hub.cases_built", "PARTITION BY"),
            ("hub.kept", ""),
        }
        assert "hub.kept is not of this release" in found[-1].sentence
    finally:
        made.command("DROP TABLE hub.cases_built SYNC")
        made.command("RENAME TABLE hub.kept TO hub.cases_built")
    assert sentences(made) == []


@pytest.mark.clickhouse
def test_a_migration_that_is_missing_is_told_before_all_else(tmp_path: Path) -> None:
    with EmbeddedClickHouse(tmp_path) as server:
        client = open_clickhouse(url(server))
        first, *others = sentences(client)
        assert first == "Migration 0001_tables.sql was not applied here: run `zhishu init`, then look again."
        assert all(sentence.startswith("Migration 00") for sentence in others)
        assert "hub" not in databases(client)


def test_a_replica_reads_as_the_plain_table_and_settings_in_any_order_are_the_same() -> None:
    plain = "CREATE TABLE hub.a\n(\n    `n` UInt8\n)\nENGINE = ReplacingMergeTree(v)\nORDER BY n\nSETTINGS a = 1, b = 'x, y'"
    engine = "ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}', v)"
    replica = plain.replace("ReplacingMergeTree(v)", engine).replace("a = 1, b = 'x, y'", "b = 'x, y', a = 1")
    assert shape(replica) == shape(plain)
    assert shape(plain).pieces["ENGINE"] == "ReplacingMergeTree(v)"
    bare = plain.replace("ReplacingMergeTree(v)", "ReplacingMergeTree")
    assert shape(replica.replace("}', v)", "}')")) == shape(bare)


def test_a_view_in_the_place_of_a_table_is_told_as_such() -> None:
    assert compare({"hub.a": Shape(True)}, {"hub.a": Shape(False)}) == [
        Difference("hub.a", "", "hub.a should be a table: rename what is there now, then run `zhishu init`.")
    ]


@pytest.mark.clickhouse
def test_what_a_killed_check_left_goes_with_a_later_one(made: Any) -> None:
    made.command("CREATE DATABASE IF NOT EXISTS passing_1000000000_0a_hub")
    assert drift(made, Ddl(), RULES) == []
    assert "passing_1000000000_0a_hub" not in databases(made)
