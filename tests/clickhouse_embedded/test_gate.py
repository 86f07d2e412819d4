"""What the gate reads out of SQL text, without an engine."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.clickhouse_embedded import gate
from hub.clickhouse_embedded.errors import ClickHouseError

TABLE_FUNCTIONS = frozenset((b"numbers", b"file", b"merge", b"mergetreeindex", b"format", b"newthing"))


@given(st.binary(max_size=300), st.sampled_from(["\n", " ", "\r\n", ""]))
def test_rows_behind_format_reach_the_engine_byte_for_byte_and_never_as_sql(rows: bytes, gap: str) -> None:
    # A blank, a line end and SETTINGS at the start belong to the statement.
    rows = b"1" + rows
    text = b"INSERT INTO hub.t (a, b) FORMAT CSV" + (gap.encode() or b" ") + rows
    insert = gate.split_insert(text)
    assert insert is not None
    assert insert.statement == b"INSERT INTO hub.t (a, b) FORMAT CSV"
    assert bytes(insert.data) == rows


@given(st.binary(max_size=200))
def test_reading_tokens_never_fails_and_skips_nothing_but_blanks_and_comments(text: bytes) -> None:
    end = 0
    for token in gate.tokens(text):
        assert token.start >= end
        assert token.text == text[token.start : token.end]
        assert token.end > token.start
        end = token.end
    assert end <= len(text)


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=40))
def test_a_string_literal_is_one_token_whatever_it_holds(value: str) -> None:
    literal = b"'" + value.encode().replace(b"\\", b"\\\\").replace(b"'", b"\\'") + b"'"
    assert [token.text for token in gate.tokens(literal)] == [literal]


@pytest.mark.parametrize(
    ("text", "target", "settings", "form", "rows"),
    [
        (b"INSERT INTO t VALUES (1)", b"INSERT INTO t ", b"", b"Values", b" (1)"),
        (b"insert into hub.values(a)values(1)", b"insert into hub.values(a)", b"", b"Values", b"(1)"),
        (b"INSERT INTO `format` (`values`) FORMAT TSV\n1", b"INSERT INTO `format` (`values`) ", b"", b"TSV", b"1"),
        (
            b"/* VALUES */ INSERT INTO t -- FORMAT X\n FORMAT `CSV`\n\n1",
            b"/* VALUES */ INSERT INTO t -- FORMAT X\n ",
            b"",
            b"`CSV`",
            b"\n1",
        ),
        (
            b"INSERT INTO t (a) SETTINGS a = 'FORMAT x', b = 1 FORMAT CSV 1",
            b"INSERT INTO t (a) ",
            b"SETTINGS a = 'FORMAT x', b = 1 ",
            b"CSV",
            b"1",
        ),
        (b"INSERT INTO hub.settings FORMAT CSV 1", b"INSERT INTO hub.settings ", b"", b"CSV", b"1"),
        (
            b"INSERT INTO FUNCTION file('VALUES') FORMAT CSV\n1",
            b"INSERT INTO FUNCTION file('VALUES') ",
            b"",
            b"CSV",
            b"1",
        ),
        (
            b"WITH x AS (SELECT 1) INSERT INTO t FORMAT CSV\n1",
            b"WITH x AS (SELECT 1) INSERT INTO t ",
            b"",
            b"CSV",
            b"1",
        ),
        (b"INSERT INTO t\xc2\xa0FORMAT CSV\n1", b"INSERT INTO t\xc2\xa0", b"", b"CSV", b"1"),
    ],
)
def test_an_insert_is_split_where_its_rows_begin(
    text: bytes, target: bytes, settings: bytes, form: bytes, rows: bytes
) -> None:
    insert = gate.split_insert(text)
    assert insert is not None
    assert (insert.target, insert.settings, insert.format, bytes(insert.data)) == (target, settings, form, rows)


def test_the_file_of_the_rows_is_named_where_the_grammar_has_it() -> None:
    insert = gate.split_insert(b"INSERT INTO t (a) SETTINGS b = 1 FORMAT CSV\n1")
    assert insert is not None
    words = insert.from_file("/x").split()
    assert words == b"INSERT INTO t (a) FROM INFILE '/x' COMPRESSION 'none' SETTINGS b = 1 FORMAT CSV".split()


@pytest.mark.parametrize(
    "text",
    [
        b"INSERT INTO t SELECT 1 FORMAT CSV",
        b"SELECT 1 FORMAT CSV",
        b"INSERT INTO t WITH 1 AS x SELECT x",
        b"WITH 1 AS insert SELECT 'INSERT INTO t FORMAT CSV'",
        b"INSERT",
        b"",
    ],
)
def test_a_statement_without_rows_is_not_split(text: bytes) -> None:
    assert gate.split_insert(text) is None


@pytest.mark.parametrize(
    "text",
    [
        b"INSERT INTO t VALUES (1); DROP TABLE t",
        b"INSERT INTO t FORMAT Values (1);;x",
        b"INSERT INTO t FORMAT values (1); (2)",
    ],
)
def test_a_statement_behind_values_is_refused(text: bytes) -> None:
    with pytest.raises(ClickHouseError, match="Multi-statements"):
        gate.split_insert(text)


@pytest.mark.parametrize(
    "sql",
    [
        b"INSERT INTO t FROM INFILE '/etc/passwd' FORMAT LineAsString",
        b"INSERT INTO t (a) from /* x */ infile '/etc/passwd' SELECT a FROM s",
        b"WITH (SELECT 1) AS x INSERT INTO t FROM INFILE 'x' FORMAT CSV",
        b"INSERT INTO t SELECT a FROM input('a Int64') FORMAT CSV\n1",
        b"INSERT INTO t SELECT a FROM `input` ('a Int64') FORMAT CSV\n1",
        b"WITH 1 AS x INSERT INTO t SELECT x FROM input('a Int64') FORMAT CSV\n1",
        b"INSERT INTO t",
    ],
)
def test_an_insert_whose_rows_would_come_another_way_is_refused(sql: bytes) -> None:
    with pytest.raises(ClickHouseError, match="INSERT needs") as caught:
        gate.refuse_unseen_rows(sql)
    assert caught.value.code == 62


@pytest.mark.parametrize(
    "sql",
    [
        b"INSERT INTO t SELECT 'FROM INFILE', input FROM s",
        b"INSERT INTO hub.input (a) SELECT 1",
        b"INSERT INTO input (a) SELECT 1",
        b"INSERT INTO TABLE input (a) SELECT 1",
        b"WITH 1 AS x INSERT INTO t SELECT x",
        b"CREATE TABLE input (infile String) ENGINE = Memory",
    ],
)
def test_a_plain_insert_select_and_what_is_no_insert_are_let_through(sql: bytes) -> None:
    gate.refuse_unseen_rows(sql)


def test_settings_between_format_and_rows_are_refused_instead_of_read_as_rows() -> None:
    with pytest.raises(ClickHouseError, match="before FORMAT"):
        gate.split_insert(b"INSERT INTO t FORMAT LineAsString SETTINGS max_threads = 1\nx")


@pytest.mark.parametrize(
    ("sql", "verb", "form", "core"),
    [
        (b"SELECT 1\n FORMAT Native;", b"SELECT", "Native", b"SELECT 1\n "),
        (b"(select 1) format `Null` settings a=1", b"SELECT", "Null", b"(select 1) "),
        (b"SELECT 'x FORMAT CSV' AS format", b"SELECT", None, b"SELECT 'x FORMAT CSV' AS format"),
        (b"SELECT 1 -- FORMAT CSV", b"SELECT", None, b"SELECT 1"),
        (b"", b"", None, b""),
    ],
)
def test_the_format_clause_is_found_only_where_it_closes_the_statement(
    sql: bytes, verb: bytes, form: str | None, core: bytes
) -> None:
    seen = gate.outline(sql)
    assert (seen.verb, seen.format, seen.core) == (verb, form, core)


@pytest.mark.parametrize(
    "sql",
    [
        b"CREATE TABLE t (a Int) ENGINE = Kafka('h', 't', 'g', 'CSV')",
        b"create table t (a Int) engine=kafka settings x=1",
        b"CREATE TABLE t (a Int) ENGINE /* x */ `Kafka`",
        b"CREATE TABLE t (a Int) ENGINE RabbitMQ",
    ],
)
def test_engines_that_would_break_the_data_directory_are_refused(sql: bytes) -> None:
    with pytest.raises(ClickHouseError, match="refused by the embedded"):
        gate.refuse_broken_engines(sql)


def test_the_name_of_a_refused_engine_elsewhere_is_no_offence() -> None:
    gate.refuse_broken_engines(b"CREATE TABLE kafka (engine String DEFAULT 'ENGINE = Kafka') ENGINE = MergeTree")


@pytest.mark.parametrize(
    "sql",
    [
        b"INSERT INTO bi.x SELECT 1",
        b"SET ROLE hub_admin",
        b"EXPLAIN SELECT 1",
        b"SHOW PROCESSLIST",
        b"SHOW GRANTS",
        b"SELECT 1 SETTINGS max_threads = 1",
        b"SELECT 1 INTO OUTFILE 'x' FORMAT CSV",
        b"SELECT file('/x')",
        b"SELECT `file`('/x')",
        b"SELECT arrayMap(file, ['/x'])",
        b"SELECT * APPLY file FROM x",
        b"SELECT aiGenerate('x')",
        b"SELECT * FROM merge('hub', 'x')",
        b"SELECT * FROM mergeTreeIndex('hub', 'x')",
        b"SELECT * FROM newThing('of a later release')",
        b"SELECT * FROM {db:Identifier}.x",
        b"SELECT * FROM system.processes",
        b"SELECT * FROM `system`.`users`",
    ],
)
def test_what_a_bi_user_may_not_run_is_refused(sql: bytes) -> None:
    with pytest.raises(ClickHouseError) as caught:
        gate.check_bi(sql, TABLE_FUNCTIONS)
    assert caught.value.code == 497


@pytest.mark.parametrize(
    "sql",
    [
        b"SELECT count() FROM places WHERE place = 'file(x) SETTINGS INTO OUTFILE'",
        b"WITH 1 AS x SELECT x FROM numbers(10)",
        b"SELECT format('{}', 'a') FROM x",
        b"SHOW TABLES FROM bi",
        b"SHOW CREATE VIEW bi.places",
        b"DESCRIBE TABLE bi.places",
        b"EXISTS TABLE bi.places",
        b"SELECT name, value FROM system.settings LIMIT 10000 FORMAT Native",
    ],
)
def test_what_bi_clients_ask_is_let_through(sql: bytes) -> None:
    gate.check_bi(sql, TABLE_FUNCTIONS)


def test_bi_limits_can_be_lowered_and_never_raised_or_lifted() -> None:
    limits = {"max_execution_time": 30}
    for asked, runs in (("5", "5"), ("300", "30"), ("0", "30"), ("-1", "30"), ("x", "30")):
        assert gate.bi_settings({"max_execution_time": asked}, limits) == {"max_execution_time": runs}
    assert gate.bi_settings({}, limits) == {"max_execution_time": "30"}


@pytest.mark.parametrize(
    "name", ["readonly", "format_schema", "allow_introspection_functions", "dialect", "max_threadz"]
)
def test_bi_settings_outside_the_list_are_refused(name: str) -> None:
    with pytest.raises(ClickHouseError) as caught:
        gate.bi_settings({name: "1"}, {})
    assert caught.value.code == 164
