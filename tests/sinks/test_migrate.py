"""Migrations: applied once, in order, never after an edit, and harmless when two processes start at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.clickhouse_embedded import EmbeddedClickHouse
from profiles import Profile
from sinks.dimensions import load_dimensions
from sinks.migrate import Ddl, MigrationError, migrate, read_migrations, read_views, statements
from sinks.writer import open_clickhouse
from tests.sinks.conftest import url

QUOTED = st.sampled_from(["'a;b'", "'it''s;'", r"'\';'", "`a;b`", '"a;b"', "1", "x", " ", "\n"])


@given(st.lists(st.lists(QUOTED, min_size=1).map("".join).map(lambda text: f"SELECT {text}"), min_size=1))
def test_a_semicolon_ends_a_statement_only_outside_quotes(parts: list[str]) -> None:
    assert statements(";\n-- a comment; with 'quotes\n".join(parts) + ";") == [part.strip() for part in parts]


def test_comments_are_left_out_of_statements() -> None:
    assert statements("/* a; 'b */ SELECT 1 -- c;\n;;\n-- d") == ["SELECT 1"]


def test_the_files_are_numbered_without_a_gap() -> None:
    assert [found.number for found in read_migrations()] == list(range(1, len(read_migrations()) + 1))


def test_a_gap_in_the_numbers_is_refused(tmp_path: Path) -> None:
    (tmp_path / "0002_b.sql").write_text("SELECT 1;")
    with pytest.raises(MigrationError, match="numbered 0001"):
        read_migrations(tmp_path)


def test_a_file_with_an_odd_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "first.sql").write_text("SELECT 1;")
    with pytest.raises(MigrationError, match=r"first\.sql"):
        read_migrations(tmp_path)


def test_one_template_serves_a_machine_and_a_cluster() -> None:
    template = "CREATE TABLE a {on_cluster} ENGINE = {replicated}MergeTree"
    assert Ddl().fill(template) == "CREATE TABLE a  ENGINE = MergeTree"
    cluster = Ddl(on_cluster="ON CLUSTER hub", replicated="Replicated", definer="hub")
    assert cluster.fill(template) == "CREATE TABLE a ON CLUSTER hub ENGINE = ReplicatedMergeTree"
    with pytest.raises(MigrationError, match="zone"):
        cluster.fill("{zone}")


@pytest.mark.parametrize("migration", read_migrations(), ids=lambda migration: migration.name)
def test_every_statement_runs_on_a_cluster_and_twice(migration: Any) -> None:
    for statement in statements(migration.text):
        done = statement.split("\nDO ")[-1]
        # What is inserted has identities: twice is once.
        assert "{on_cluster}" in statement or done.startswith("INSERT INTO")
        guards = ("IF NOT EXISTS", "IF EXISTS", "OR REPLACE", "INSERT INTO", "WHEN SELECT")
        assert any(guard in statement for guard in guards)
        assert ("ENGINE" in statement) == ("{replicated}" in statement)
        assert ("VIEW" in statement.split("\n")[0]) == ("DEFINER = {definer} SQL SECURITY DEFINER" in statement)
        Ddl().fill(statement)


@pytest.mark.parametrize("statement", read_views(), ids=lambda statement: statement.split()[4])
def test_every_view_is_made_anew_with_its_definers_rights(statement: str) -> None:
    assert statement.startswith(("CREATE OR REPLACE VIEW bi.", "CREATE OR REPLACE VIEW hub."))
    assert "{on_cluster}" in statement
    assert "DEFINER = {definer} SQL SECURITY DEFINER" in statement
    Ddl().fill(statement)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[EmbeddedClickHouse]:
    with EmbeddedClickHouse(tmp_path / "fresh") as server:
        yield server


@pytest.mark.clickhouse
def test_migrations_are_applied_once_and_an_edit_or_a_newer_schema_is_refused(
    fresh: EmbeddedClickHouse, tmp_path: Path
) -> None:
    client = open_clickhouse(url(fresh))
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_a.sql").write_text(
        "CREATE TABLE IF NOT EXISTS hub.a (n UInt8) ENGINE = {replicated}MergeTree ORDER BY n;"
    )
    views = tmp_path / "views"
    views.mkdir()
    assert migrate(client, folder=folder, views=views) == [1]
    assert migrate(client, folder=folder, views=views) == []
    second = folder / "0002_b.sql"
    second.write_text("ALTER TABLE hub.a ADD COLUMN IF NOT EXISTS m UInt8; INSERT INTO hub.a SELECT 1, 2;")
    assert migrate(client, folder=folder, views=views) == [2]
    assert client.query("SELECT n, m FROM hub.a").result_rows == [(1, 2)]
    second.write_text(second.read_text() + "\n")
    with pytest.raises(MigrationError, match=r"0002_b\.sql was edited"):
        migrate(client, folder=folder, views=views)
    second.unlink()
    with pytest.raises(MigrationError, match="newer release"):
        migrate(client, folder=folder, views=views)


@pytest.mark.clickhouse
def test_facts_stored_by_month_are_kept_whole_and_stand_by_year(fresh: EmbeddedClickHouse, tmp_path: Path) -> None:
    client = open_clickhouse(url(fresh))
    old, none = tmp_path / "migrations", tmp_path / "views"
    old.mkdir(), none.mkdir()
    for migration in read_migrations()[:9]:
        (old / migration.name).write_text(migration.text, "utf-8")
    migrate(client, folder=old, views=none)
    client.command(
        "INSERT INTO hub.routed (report_id, intake_topic, intake_offset, outcome, reported_at, _offset) "
        "SELECT toString(number % 70), 'intake.a', number % 70, 'routed', "
        "toDateTime64('2015-01-15', 3) + number % 70 * 4000000, number FROM numbers(140)",
        settings={"max_partitions_per_insert_block": 0},
    )
    client.command(
        "INSERT INTO hub.changes (intake_topic, intake_offset, change, matter_id, report_ids, changed_at, _offset) "
        "VALUES ('rulings', 1, 'merged', 'm', ['1', '2'], '2024-12-31 23:00:00', 3), "
        "('progress', 1, 'closed', 'm', ['1'], '2025-01-01', 4)"
    )
    before = client.query("SELECT * FROM hub.routed FINAL ORDER BY report_id").result_rows
    migrate(client, views=none)
    assert client.query("SELECT * FROM hub.routed FINAL ORDER BY report_id").result_rows == before
    assert client.query(
        "SELECT intake_topic, report_id, change FROM hub.report_changes FINAL ORDER BY ALL"
    ).result_rows == [
        ("progress", "1", "closed"),
        ("rulings", "1", "merged"),
        ("rulings", "2", "merged"),
    ]
    layouts = client.query(
        "SELECT DISTINCT partition_key LIKE 'toYear(%' FROM system.tables "
        "WHERE database = 'hub' AND name IN ('routed', 'changes', 'progress')"
    )
    assert layouts.result_rows == [(1,)]
    assert client.query(
        "SELECT count() FROM system.tables WHERE name LIKE '%_by_month' OR name LIKE '%_by_year'"
    ).result_rows == [(0,)]


@pytest.mark.clickhouse
def test_a_changed_view_stands_after_the_next_start(fresh: EmbeddedClickHouse, tmp_path: Path) -> None:
    client = open_clickhouse(url(fresh))
    for value in (1, 2):
        (tmp_path / "01_a.sql").write_text(f"CREATE OR REPLACE VIEW hub.a AS SELECT {value} AS n;")
        migrate(client, views=tmp_path)
        assert client.query("SELECT n FROM hub.a").result_rows == [(value,)]


@pytest.mark.clickhouse
def test_two_processes_that_start_at_once_leave_one_schema(fresh: EmbeddedClickHouse, profile: Profile) -> None:
    def start(_: int) -> list[int]:
        client = open_clickhouse(url(fresh))
        applied = migrate(client)
        load_dimensions(client, profile)
        return applied

    with ThreadPoolExecutor(3) as pool:
        assert [migration.number for migration in read_migrations()] in pool.map(start, range(3))
    client = open_clickhouse(url(fresh))
    assert migrate(client) == []
    assert client.query("SELECT count() FROM hub.migrations FINAL").result_rows == [(len(read_migrations()),)]
    assert client.query("SELECT count() FROM bi.communities").result_rows == [(len(profile.communities),)]


@pytest.mark.clickhouse
def test_every_table_view_and_column_says_what_it_is(migrated: Any) -> None:
    # What hub.told_* compute is what the columns of hub.cases say.
    columns = "SELECT table, name FROM system.columns WHERE database IN ('hub', 'bi') AND comment = ''"
    nameless = f"{columns} AND table NOT LIKE 'told%'"
    assert migrated.query(nameless).result_rows == []
    nameless = "SELECT name FROM system.tables WHERE database IN ('hub', 'bi') AND comment = ''"
    assert migrated.query(nameless).result_rows == []


@pytest.mark.clickhouse
def test_every_table_keeps_tokens_and_is_keyed_by_identity(migrated: Any) -> None:
    found = migrated.query(
        "SELECT name, engine, engine_full FROM system.tables WHERE database = 'hub' AND name IN "
        "('routed', 'sealed_originals', 'progress', 'alerts', 'dead_letters')"
    ).result_rows
    assert len(found) == 5
    for name, engine, full in found:
        assert engine == "ReplacingMergeTree", name
        assert "non_replicated_deduplication_window = 1000" in full, name


@pytest.mark.clickhouse
def test_the_profile_tables_hold_what_the_profile_holds_and_forget_what_left_it(
    migrated: Any, profile: Profile
) -> None:
    gone, *kept = profile.communities
    smaller = replace(
        profile, communities={code: profile.communities[code] for code in kept}, basic_satisfied_weight=0.25
    )
    try:
        load_dimensions(migrated, smaller)
        codes = {code for (code,) in migrated.query("SELECT community_code FROM bi.communities").result_rows}
        assert codes == set(kept)
        weight = "SELECT value FROM hub.parameters FINAL WHERE name = 'basic_satisfied_weight'"
        assert migrated.query(weight).result_rows == [("0.25",)]
    finally:
        load_dimensions(migrated, profile)
    codes = {code for (code,) in migrated.query("SELECT community_code FROM bi.communities").result_rows}
    assert codes == {gone, *kept}


def test_a_profile_loaded_by_a_clock_that_was_set_back_stands_all_the_same(
    migrated: Any, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def weight() -> str:
        query = "SELECT value FROM hub.parameters FINAL WHERE name = 'basic_satisfied_weight'"
        return str(migrated.query(query).result_rows[0][0])

    try:
        with monkeypatch.context() as patch:
            patch.setattr("sinks.dimensions.time.time_ns", lambda: 1_000_000)
            load_dimensions(migrated, replace(profile, basic_satisfied_weight=0.7))
            assert weight() == "0.7"
            load_dimensions(migrated, replace(profile, basic_satisfied_weight=0.9))
            assert weight() == "0.9"
    finally:
        load_dimensions(migrated, profile)
    assert weight() == str(profile.basic_satisfied_weight)
