"""A reader reads the database of its role, and nothing else of this machine: `bi` all of bi, `li` a part of it."""

from pathlib import Path
from typing import Any

import pytest

from hub.clickhouse_embedded import EmbeddedClickHouse
from tests.clickhouse_embedded.conftest import ask

pytestmark = pytest.mark.clickhouse


def test_a_definer_view_is_readable_while_its_table_is_not(clickhouse: EmbeddedClickHouse) -> None:
    assert ask(clickhouse, "SELECT place FROM places ORDER BY id", who="bi").body.decode() == "城关\n河东\n"
    assert ask(clickhouse, "SELECT count() FROM bi.places", who="bi", database="bi").body == b"2\n"
    assert ask(clickhouse, "SELECT count() FROM hub.secret", who="bi").code == 497
    assert ask(clickhouse, "SELECT count() FROM hub.secret").body == b"2\n"


def test_a_part_is_readable_while_the_whole_and_the_other_parts_are_not(clickhouse: EmbeddedClickHouse) -> None:
    assert ask(clickhouse, "SELECT place FROM places", who="li").body.decode() == "城关\n"
    assert ask(clickhouse, "SELECT place FROM bi_west.places", who="li", database="bi_west").body.decode() == "城关\n"
    for name in ("bi.places", "bi_east.places", "hub.secret"):
        assert ask(clickhouse, f"SELECT count() FROM {name}", who="li").code == 497
    for database in ("bi", "bi_east"):
        assert ask(clickhouse, "SELECT 1", who="li", database=database).code == 497
    assert ask(clickhouse, "SELECT place FROM places", who="wu").body.decode() == "河东\n"
    assert ask(clickhouse, "SELECT count() FROM bi_west.places", who="bi").code == 497


def test_a_part_is_told_of_no_other_database(clickhouse: EmbeddedClickHouse) -> None:
    assert set(ask(clickhouse, "SHOW DATABASES", who="li").body.split()) <= {
        b"bi_west",
        b"INFORMATION_SCHEMA",
        b"information_schema",
        b"system",
    }
    told = ask(clickhouse, "SELECT DISTINCT database FROM system.tables", who="li").body
    told += ask(clickhouse, "SELECT DISTINCT database FROM system.columns", who="li").body
    assert not set(told.split()) & {b"bi", b"bi_east", b"hub"}
    assert b"bi_west" in told.split()
    assert ask(clickhouse, "SHOW COLUMNS FROM bi_east.places", who="li").body == b""
    text = ask(clickhouse, "SHOW CREATE TABLE places FORMAT TSVRaw", who="li").body
    assert b"bi_west.places" in text
    assert b"bi_east" not in text
    # A name that is nearly right is not put right: that would tell which tables there are.
    for wrong in ("hub.secre", "bi.place", "bi_east.place"):
        reply = ask(clickhouse, f"SELECT * FROM {wrong}", who="li")
        assert reply.status in (403, 404)
        assert not {b"secret", b"places"} & set(reply.body.replace(b".", b" ").replace(b"`", b" ").split()), reply.body


def test_bi_sees_its_own_database_only(clickhouse: EmbeddedClickHouse) -> None:
    names = ask(clickhouse, "SELECT DISTINCT database FROM system.tables", who="bi").body.split()
    assert set(names) <= {b"bi", b"system", b"INFORMATION_SCHEMA", b"information_schema"}
    assert b"bi" in names
    assert b"hub" not in ask(clickhouse, "SHOW DATABASES", who="bi").body.split()
    assert ask(clickhouse, "SHOW TABLES FROM hub", who="bi").body == b""
    assert b"phone" not in ask(clickhouse, "SELECT name FROM system.columns", who="bi").body.split()


ESCAPES = [
    "SELECT * FROM hub.secret",
    "SELECT * FROM `hub`.`secret`",
    "WITH x AS (SELECT * FROM hub.secret) SELECT * FROM x",
    "SELECT (SELECT any(phone) FROM hub.secret)",
    "SELECT id FROM places WHERE id IN (SELECT id FROM hub.secret)",
    "SELECT * FROM merge('hub', '.*')",
    "SELECT * FROM mergeTreeIndex('hub', 'secret')",
    "SELECT * FROM mergeTreeProjection('hub', 'secret', 'x')",
    "SELECT * FROM loop(hub.secret) LIMIT 1",
    "SELECT * FROM viewIfPermitted(SELECT * FROM hub.secret ELSE null('id UInt64'))",
    "SELECT * FROM cluster('default', hub.secret)",
    "SELECT * FROM remote('127.0.0.1', 'hub', 'secret')",
    "SELECT * FROM url('http://127.0.0.1:1/', CSV, 'a String')",
    "SELECT * FROM file('/etc/hostname', 'LineAsString', 'a String')",
    "SELECT * FROM sqlite('/x', 'y')",
    "SELECT * FROM executable('x', CSV, 'a String', (SELECT 1))",
    "SELECT * FROM Python(x)",
    "SELECT file('/etc/hostname')",
    "SELECT `file`('/etc/hostname')",
    "SELECT /* c */ file /* c */ ('/etc/hostname')",
    "SELECT arrayMap(file, ['/etc/hostname'])",
    "SELECT arrayMap(\"file\", ['/etc/hostname'])",
    "SELECT * APPLY(file) FROM (SELECT '/etc/hostname')",
    "SELECT * FROM eval('SELECT 1')",
    "SELECT * FROM default.`/etc/hostname`",
    "SELECT * FROM `/etc/hostname`",
    "SELECT * FROM system.users",
    "SELECT * FROM system.processes",
    'SELECT * FROM "system" . "processes"',
    "SELECT * FROM system.query_log",
    "SELECT * FROM {d:Identifier}.secret",
    "SELECT 1; DROP TABLE hub.secret",
    "SELECT 1;\n\nDROP TABLE hub.secret",
    "SET ROLE hub_admin",
    "SET ROLE ALL",
    "SET max_threads = 1",
    "EXECUTE AS default SELECT 1",
    "USE hub",
    "KILL QUERY WHERE 1",
    "SYSTEM SHUTDOWN",
    "SELECT 1 SETTINGS readonly = 0",
    "SELECT * FROM (SELECT 1 SETTINGS max_threads = 1)",
    "INSERT INTO hub.secret VALUES (9, 'x', 'y')",
    "INSERT INTO hub.secret SELECT 9, 'x', 'y'",
    "INSERT INTO FUNCTION file('/x', CSV, 'a Int8') SELECT 1",
    "CREATE TABLE bi.x (a Int8) ENGINE = Memory",
    "CREATE TEMPORARY TABLE x (a Int8)",
    "CREATE VIEW bi.x AS SELECT 1",
    "ALTER TABLE hub.secret DELETE WHERE 1",
    "TRUNCATE TABLE hub.secret",
    "DROP VIEW bi.places",
    "DROP DATABASE bi",
    "OPTIMIZE TABLE hub.secret",
    "BACKUP DATABASE hub TO File('/x')",
    "CHECK TABLE hub.secret",
    "DESCRIBE TABLE hub.secret",
    "EXISTS TABLE hub.secret",
    "SHOW CREATE TABLE hub.secret",
    "SHOW GRANTS",
    "SHOW PROCESSLIST",
    "EXPLAIN SELECT * FROM places",
    "SELECT * FROM (EXPLAIN SELECT * FROM places)",
    "SELECT hasColumnInTable('hub', 'secret', 'phone')",
    "SELECT dictGet('hub.secret', 'phone', 1)",
    "SELECT joinGet('hub.secret', 'phone', 1)",
    "SELECT * FROM bi_east.places",
    "SELECT * FROM merge('^bi', 'places')",
    "SELECT * FROM viewIfPermitted(SELECT * FROM bi_east.places ELSE null('id UInt64'))",
    "SHOW CREATE VIEW bi_east.places",
    "SELECT * FROM system.settings_profiles",
    "SELECT * FROM system.grants",
    "SELECT * FROM system.row_policies",
    "SELECT * FROM system.query_views_log",
    "SELECT getSetting('log_comment'), * FROM system.parts",
    "CREATE OR REPLACE VIEW bi_west.places AS SELECT 1",
    "GRANT SELECT ON hub.* TO default",
]


READERS = pytest.mark.parametrize("who", ["bi", "li"])


@pytest.mark.parametrize("sql", ESCAPES)
@pytest.mark.parametrize("session", ["", "bi-session"])
@READERS
def test_every_way_out_is_refused(clickhouse: EmbeddedClickHouse, sql: str, session: str, who: str) -> None:
    url = {"session_id": session} if session else {}
    reply = ask(clickhouse, sql, who=who, param_d="hub", **url)
    assert reply.status in (400, 403, 404), reply.body
    assert reply.code in (46, 60, 62, 81, 164, 497), reply.body
    assert b"138000" not in reply.body
    assert ask(clickhouse, "SELECT count() FROM hub.secret").body == b"2\n"


# A condition of the reader's own is not asked of rows that are not its own: an error would tell of them.
def test_an_error_that_a_reader_provokes_tells_nothing_of_rows_it_may_not_see(clickhouse: EmbeddedClickHouse) -> None:
    for probe in (
        "SELECT count() FROM places WHERE throwIf(place = '河东') = 0 AND id = 2",
        "SELECT count() FROM places WHERE NOT throwIf(place = '河东')",
        "SELECT count() FROM places WHERE id = 2 AND toUInt8(place) = 1",
        "SELECT count() FROM places WHERE intDiv(1, id - 2) = 5",
        "SELECT sum(throwIf(place = '河东')) FROM places",
        "SELECT a.id FROM places AS a JOIN places AS b ON a.id = b.id WHERE throwIf(b.id = 2)",
        "SELECT id FROM places GROUP BY id HAVING throwIf(id = 2)",
    ):
        reply = ask(clickhouse, probe, who="li")
        assert reply.status == 200, reply.body
        assert reply.body in (b"0\n", b"1\n", b""), probe


# Trap 5: the engine writes this file even with readonly = 1 and a SELECT grant only.
@READERS
def test_into_outfile_writes_nothing(clickhouse: EmbeddedClickHouse, tmp_path: Path, who: str) -> None:
    target = tmp_path / "out.csv"
    assert ask(clickhouse, f"SELECT * FROM places INTO OUTFILE '{target}' FORMAT CSV", who=who).code == 497
    assert not target.exists()


# Trap 5: neither through settings in the URL.
@pytest.mark.parametrize(
    "setting", ["allow_experimental_eval_table_function", "format_schema", "dialect", "implicit_select", "log_comment"]
)
@READERS
def test_settings_outside_the_list_are_refused(clickhouse: EmbeddedClickHouse, setting: str, who: str) -> None:
    reply = ask(clickhouse, "SELECT 1", who=who, **{setting: "1"})
    if setting == "log_comment":
        assert reply.body == b"1\n"  # dropped: the hub itself marks its queries with it
    else:
        assert (reply.status, reply.code) == (403, 164)


@pytest.mark.parametrize("database", ["hub", "default", "system", "bi`; SET ROLE hub_admin; USE `hub"])
def test_bi_connects_to_no_other_database(clickhouse: EmbeddedClickHouse, database: str) -> None:
    assert ask(clickhouse, "SELECT 1", who="bi", database=database).code == 497
    assert ask(clickhouse, "SELECT 1", who="bi", headers={"X-ClickHouse-Database": database}).code == 497


def test_a_bi_query_has_limits_of_time_rows_and_memory(clickhouse: EmbeddedClickHouse) -> None:
    assert ask(clickhouse, "SELECT number FROM numbers(2000000)", who="bi", wait_end_of_query=1).code == 396
    endless = "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))"
    reply = ask(clickhouse, endless, who="bi", max_execution_time=1)
    assert (reply.status, reply.code) == (408, 159)
    limits = "SELECT getSetting('max_execution_time'), getSetting('max_memory_usage'), getSetting('readonly')"
    assert ask(clickhouse, limits, who="bi", max_execution_time=0).body == b"30\t1073741824\t1\n"


def test_each_role_has_limits_of_its_own(clickhouse: EmbeddedClickHouse) -> None:
    limits = "SELECT getSetting('max_execution_time'), getSetting('max_result_rows'), getSetting('max_memory_usage')"
    assert ask(clickhouse, limits, who="li").body == b"5\t10000\t67108864\n"
    assert ask(clickhouse, limits, who="li", max_result_rows=20000, max_memory_usage=0).body == b"5\t10000\t67108864\n"
    assert ask(clickhouse, limits, who="li", max_result_rows=10).body == b"5\t10\t67108864\n"
    assert ask(clickhouse, "SELECT number FROM numbers(20000)", who="li", wait_end_of_query=1).code == 396
    assert ask(clickhouse, "SELECT number FROM numbers(20000)", who="bi", wait_end_of_query=1).status == 200
    wide = "SELECT length(groupArray(number)) FROM numbers(20000000)"
    assert ask(clickhouse, wide, who="li").code == 241
    assert ask(clickhouse, wide, who="bi").status == 200


def test_a_quota_counts_a_users_queries_of_the_hour(clickhouse: EmbeddedClickHouse) -> None:
    codes = [ask(clickhouse, "SELECT 1", who="wu").code for _ in range(25)]  # the hour may turn once meanwhile
    assert 201 in codes
    assert codes.count(None) <= 20
    assert ask(clickhouse, "SELECT 1", who="li").status == 200


def test_what_one_bi_request_may_do_does_not_leak_to_the_next_user(clickhouse: EmbeddedClickHouse) -> None:
    for _ in range(20):
        assert ask(clickhouse, "SELECT currentRoles()", who="bi").body == b"['bi_reader']\n"
        assert ask(clickhouse, "SELECT currentRoles()", who="li").body == b"['bi_west_reader']\n"
        assert ask(clickhouse, "SELECT getSetting('readonly')").body == b"0\n"


def test_a_bi_client_sees_why_it_was_refused(bi: Any) -> None:
    with pytest.raises(Exception, match=r"file.*not open to this user"):
        bi.query("SELECT file('/etc/hostname')")
