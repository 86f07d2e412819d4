"""ClickHouse's HTTP interface as plain HTTP clients use it."""

import base64
import gzip
import json
import socket
import time
import zlib
from collections.abc import Callable

import lz4.frame
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.clickhouse_embedded import EmbeddedClickHouse
from hub.process import LOOPBACK
from tests.clickhouse_embedded.conftest import Reply, ask

pytestmark = pytest.mark.clickhouse

Make = Callable[..., str]


def rows(server: EmbeddedClickHouse, sql: str) -> bytes:
    reply = ask(server, sql)
    assert reply.status == 200, reply.body
    return reply.body


def refused(reply: Reply, status: int, code: int, name: str) -> None:
    assert (reply.status, reply.code) == (status, code), reply.body
    assert reply.body.startswith(b"Code: %d. DB::Exception: " % code)
    assert b"(%b) (version " % name.encode() in reply.body
    assert "content-encoding" not in reply.headers


def test_ping_answers_everyone(clickhouse: EmbeddedClickHouse) -> None:
    for path in ("/ping", "/"):
        assert ask(clickhouse, method="GET", who=None, path=path).body == b"Ok.\n"


def test_a_query_may_stand_in_the_url_in_the_body_or_begin_in_one_and_end_in_the_other(
    clickhouse: EmbeddedClickHouse,
) -> None:
    assert ask(clickhouse, method="GET", query="SELECT 1").body == b"1\n"
    assert ask(clickhouse, "SELECT 1").body == b"1\n"
    assert ask(clickhouse, "1 + 1", query="SELECT").body == b"2\n"


def test_the_answer_tells_query_id_format_zone_server_and_summary(clickhouse: EmbeddedClickHouse) -> None:
    reply = ask(clickhouse, "SELECT number FROM numbers(3)", query_id="q-7", wait_end_of_query=1)
    assert reply.headers["x-clickhouse-query-id"] == "q-7"
    assert reply.headers["x-clickhouse-format"] == "TabSeparated"
    assert reply.headers["x-clickhouse-timezone"] == "UTC"
    assert reply.headers["x-clickhouse-server-display-name"]
    summary = json.loads(reply.headers["x-clickhouse-summary"])
    assert (summary["read_rows"], summary["result_rows"]) == ("3", "3")


def test_a_query_without_an_id_gets_one_of_its_own(clickhouse: EmbeddedClickHouse) -> None:
    ids = {ask(clickhouse, "SELECT 1").headers["x-clickhouse-query-id"] for _ in range(3)}
    assert len(ids) == 3


def test_a_statement_without_a_result_names_no_format(clickhouse: EmbeddedClickHouse, table: Make) -> None:
    reply = ask(clickhouse, f"OPTIMIZE TABLE {table()}")
    assert reply.status == 200
    assert "x-clickhouse-format" not in reply.headers


def test_format_comes_from_the_query_else_from_the_request(clickhouse: EmbeddedClickHouse) -> None:
    assert ask(clickhouse, "SELECT 1 AS a", default_format="JSONEachRow").body == b'{"a":1}\n'
    assert ask(clickhouse, "SELECT 1 AS a", headers={"X-ClickHouse-Format": "CSVWithNames"}).body == b'"a"\n1\n'
    reply = ask(clickhouse, "SELECT 1 AS a FORMAT JSONEachRow", default_format="CSV")
    assert (reply.body, reply.headers["x-clickhouse-format"]) == (b'{"a":1}\n', "JSONEachRow")


@pytest.mark.parametrize("form", ["TSV", "CSV", "CSVWithNames", "JSONEachRow", "TSVWithNamesAndTypes"])
def test_a_result_of_many_blocks_is_one_document_streamed_or_not(clickhouse: EmbeddedClickHouse, form: str) -> None:
    sql = f"SELECT number FROM numbers(200000) FORMAT {form}"
    whole = ask(clickhouse, sql, wait_end_of_query=1).body
    assert ask(clickhouse, sql).body == whole
    assert whole.count(b"\n") >= 200_000


@pytest.mark.parametrize("wait", [0, 1])
@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("SELECT number AS n, 'x' AS `b c` FROM numbers(0)", b"\x02\x00\x01n\x06UInt64\x03b c\x06String"),
        ("WITH 1 AS x SELECT {p:UInt8} AS n WHERE 0 -- end", b"\x01\x00\x01n\x05UInt8"),
        ("SHOW TABLES FROM bi LIKE 'none'", b"\x01\x00\x04name\x06String"),
    ],
)
def test_an_empty_native_result_still_tells_its_columns(
    clickhouse: EmbeddedClickHouse, sql: str, columns: bytes, wait: int
) -> None:
    assert ask(clickhouse, sql + "\n FORMAT Native", wait_end_of_query=wait, param_p=1).body == columns


def test_totals_are_not_lost(clickhouse: EmbeddedClickHouse) -> None:
    sql = "SELECT number % 2 AS k, count() FROM numbers(10) GROUP BY k WITH TOTALS ORDER BY k"
    assert ask(clickhouse, sql).body == b"0\t5\n1\t5\n\n0\t10\n"


@pytest.mark.parametrize(
    ("sql", "status", "code", "name"),
    [
        ("SELECT * FROM hub.no_such_table", 404, 60, "UNKNOWN_TABLE"),
        ("SELECT no_such_column FROM hub.secret", 404, 47, "UNKNOWN_IDENTIFIER"),
        ("SELECT * FROM no_such_database.x", 404, 81, "UNKNOWN_DATABASE"),
        ("SELEC 1,,", 400, 62, "SYNTAX_ERROR"),
        ("1 + 1", 400, 62, "SYNTAX_ERROR"),
        ("SELECT {p:Int32}", 400, 456, "UNKNOWN_QUERY_PARAMETER"),
        ("SELECT 1 FORMAT NoSuch", 404, 73, "UNKNOWN_FORMAT"),
        ("SELECT toInt32('x')", 400, 6, "CANNOT_PARSE_TEXT"),
        ("SELECT throwIf(1)", 500, 395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"),
        ("INSERT INTO hub.secret (id) FORMAT CSV\nx", 400, 117, "INCORRECT_DATA"),
        ("", 400, 62, "SYNTAX_ERROR"),
    ],
)
@pytest.mark.parametrize("coding", ["", "gzip"])
def test_errors_have_the_status_code_and_text_of_a_server(
    clickhouse: EmbeddedClickHouse, sql: str, status: int, code: int, name: str, coding: str
) -> None:
    refused(ask(clickhouse, sql, headers={"Accept-Encoding": coding}), status, code, name)


def test_an_unknown_setting_is_refused_by_name(clickhouse: EmbeddedClickHouse) -> None:
    refused(ask(clickhouse, "SELECT 1", no_such_setting=1), 404, 115, "UNKNOWN_SETTING")
    refused(ask(clickhouse, "SELECT 1", **{"max_threads=1, x": 1}), 404, 115, "UNKNOWN_SETTING")


def test_settings_of_a_request_reach_the_query_and_no_other(clickhouse: EmbeddedClickHouse) -> None:
    sql = "SELECT getSetting('max_block_size'), getSetting('count_distinct_implementation')"
    tricky = "uniqExact"
    assert ask(clickhouse, sql, max_block_size=1234, count_distinct_implementation=tricky).body == b"1234\tuniqExact\n"
    assert not ask(clickhouse, sql).body.startswith(b"1234")


def test_a_setting_value_is_data_and_not_sql(clickhouse: EmbeddedClickHouse) -> None:
    value = "x', max_threads = 1, log_queries = '\\"
    assert ask(clickhouse, "SELECT getSetting('format_csv_null_representation')", format_csv_null_representation=value)
    reply = ask(
        clickhouse,
        "SELECT getSetting('format_csv_null_representation') FORMAT TSVRaw",
        format_csv_null_representation=value,
    )
    assert reply.body.decode() == value + "\n"


def test_get_reads_only(clickhouse: EmbeddedClickHouse, table: Make) -> None:
    name = table()
    for sql in (f"DROP TABLE {name}", f"INSERT INTO {name} VALUES (1, 'x')", "CREATE DATABASE x"):
        refused(ask(clickhouse, method="GET", query=sql), 403, 164, "READONLY")
    refused(ask(clickhouse, f"DROP TABLE {name}", readonly=1), 403, 164, "READONLY")
    assert rows(clickhouse, f"SELECT count() FROM {name}") == b"0\n"


@pytest.mark.parametrize("where", ["headers", "basic", "url"])
def test_credentials_come_in_headers_basic_or_url(clickhouse: EmbeddedClickHouse, where: str) -> None:
    password = clickhouse.passwords["bi"]
    basic = base64.b64encode(f"bi:{password}".encode()).decode()
    headers, url = {
        "headers": ({"X-ClickHouse-User": "bi", "X-ClickHouse-Key": password}, {}),
        "basic": ({"Authorization": f"Basic {basic}"}, {}),
        "url": ({}, {"user": "bi", "password": password}),
    }[where]
    reply = ask(clickhouse, "SELECT currentDatabase()", who=None, headers=headers, **url)
    assert reply.body == b"bi\n"


@pytest.mark.parametrize(
    ("headers", "url", "code"),
    [
        ({}, {}, 194),
        ({"X-ClickHouse-User": "hub", "X-ClickHouse-Key": "wrong"}, {}, 516),
        ({"X-ClickHouse-User": "hub"}, {}, 516),
        ({"X-ClickHouse-User": "nobody", "X-ClickHouse-Key": ""}, {}, 516),
        ({"X-ClickHouse-User": "default"}, {}, 516),
        ({"Authorization": "Basic ???"}, {}, 516),
        ({"Authorization": "Basic aHViOndyb25n"}, {}, 516),
        ({}, {"user": "hub", "password": "wrong"}, 516),
        ({}, {"user": "hub"}, 516),
    ],
)
def test_without_the_right_password_nothing_runs(
    clickhouse: EmbeddedClickHouse, headers: dict[str, str], url: dict[str, str], code: int
) -> None:
    reply = ask(clickhouse, "SELECT 1", who=None, headers=headers, **url)
    assert (reply.status, reply.code) == (401, code)
    assert reply.headers["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize(
    ("coding", "decompress"),
    [
        ("gzip", gzip.decompress),
        ("deflate", zlib.decompress),
        ("zstd", lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data)),
        ("lz4", lz4.frame.decompress),
    ],
)
@pytest.mark.parametrize("wait", [0, 1])
def test_answers_are_compressed_as_the_client_asks(
    clickhouse: EmbeddedClickHouse, coding: str, decompress: Callable[[bytes], bytes], wait: int
) -> None:
    sql = "SELECT number FROM numbers(150000)"
    reply = ask(clickhouse, sql, headers={"Accept-Encoding": coding}, wait_end_of_query=wait)
    assert reply.headers["content-encoding"] == coding
    assert decompress(reply.body) == b"".join(b"%d\n" % number for number in range(150_000))
    plain = ask(clickhouse, sql, headers={"Accept-Encoding": coding}, wait_end_of_query=wait, enable_http_compression=0)
    assert "content-encoding" not in plain.headers


@pytest.mark.parametrize(
    ("coding", "compress"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("zstd", zstandard.compress), ("lz4", lz4.frame.compress)],
)
def test_compressed_bodies_are_read(
    clickhouse: EmbeddedClickHouse, table: Make, coding: str, compress: Callable[[bytes], bytes]
) -> None:
    name = table()
    headers = {"Content-Encoding": coding}
    assert ask(clickhouse, compress(b"SELECT 1"), headers=headers).body == b"1\n"
    body = compress(b"".join(b"%d,x\n" % number for number in range(10_000)))
    reply = ask(clickhouse, body, headers=headers, query=f"INSERT INTO {name} FORMAT CSV")
    assert reply.status == 200, reply.body
    assert json.loads(reply.headers["x-clickhouse-summary"])["written_rows"] == "10000"
    assert rows(clickhouse, f"SELECT count(), sum(a) FROM {name}") == b"10000\t49995000\n"


def test_a_damaged_or_unknown_coding_inserts_nothing(clickhouse: EmbeddedClickHouse, table: Make) -> None:
    name = table()
    insert = f"INSERT INTO {name} FORMAT CSV"
    cut = gzip.compress(b"1,a\n" * 1000)[:-9]
    assert ask(clickhouse, cut, headers={"Content-Encoding": "gzip"}, query=insert).code == 33
    assert ask(clickhouse, b"1,a\n", headers={"Content-Encoding": "br"}, query=insert).code == 48
    assert rows(clickhouse, f"SELECT count() FROM {name}") == b"0\n"


def test_an_insert_with_one_bad_row_inserts_nothing(clickhouse: EmbeddedClickHouse, table: Make) -> None:
    name = table()
    good = b"".join(b"%d,x\n" % number for number in range(100_000))
    assert ask(clickhouse, good + b"not a number,x\n", query=f"INSERT INTO {name} FORMAT CSV").status == 400
    assert rows(clickhouse, f"SELECT count() FROM {name}") == b"0\n"


def test_an_insert_whose_sender_dies_inserts_nothing(clickhouse: EmbeddedClickHouse, table: Make) -> None:
    name = table()
    body = f"INSERT INTO {name} FORMAT CSV\n1,a\n2,b\n".encode()
    head = (
        "POST / HTTP/1.1\r\nHost: x\r\nX-ClickHouse-User: hub\r\n"
        f"X-ClickHouse-Key: {clickhouse.passwords['hub']}\r\nContent-Length: {len(body) + 4}\r\n\r\n"
    )
    with socket.create_connection((LOOPBACK, clickhouse.port)) as sender:
        sender.sendall(head.encode() + body)
        sender.shutdown(socket.SHUT_WR)
        sender.settimeout(10)
        while sender.recv(4096):
            pass
    assert rows(clickhouse, f"SELECT count() FROM {name}") == b"0\n"


def test_a_huge_body_is_inserted_whole(clickhouse: EmbeddedClickHouse, table: Make) -> None:
    name = table()
    line = b"x" * 1_000_000
    body = b"".join(b"%d\t%b\n" % (number, line) for number in range(60))
    assert ask(clickhouse, body, query=f"INSERT INTO {name} FORMAT TSV").status == 200
    assert rows(clickhouse, f"SELECT count(), sum(length(b)) FROM {name}") == b"60\t60000000\n"


def test_bytes_that_are_not_utf8_are_kept(clickhouse: EmbeddedClickHouse, table: Make) -> None:
    name = table()
    assert ask(clickhouse, b"1\t\xff\xfe\x00\n", query=f"INSERT INTO {name} FORMAT TSV").status == 200
    assert rows(clickhouse, f"SELECT hex(b) FROM {name}") == b"FFFE00\n"
    assert ask(clickhouse, b"SELECT hex('\xff')").body == b"FF\n"
    assert ask(clickhouse, b"SELECT unhex('FF')").body == b"\xff\n"


def test_bytes_that_are_not_utf8_in_a_wrong_query_give_its_error(clickhouse: EmbeddedClickHouse) -> None:
    refused(ask(clickhouse, b"SELECT '\xff' + 1"), 500, 43, "ILLEGAL_TYPE_OF_ARGUMENT")
    refused(ask(clickhouse, "SELECT {p:String}", param_p=b"\xff"), 400, 457, "BAD_QUERY_PARAMETER")


@settings(max_examples=25, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
def test_every_text_passes_through_a_parameter(clickhouse: EmbeddedClickHouse, value: str) -> None:
    escaped = value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
    reply = ask(clickhouse, "SELECT hex({p:String})", param_p=escaped)
    assert bytes.fromhex(reply.body.decode()) == value.encode()


def test_parameters_come_in_form_fields_and_in_inserts(clickhouse: EmbeddedClickHouse, table: Make) -> None:
    name = table()
    part = '--B\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    form = part % ("query", "SELECT {p:Array(String)} FORMAT TSV") + part % ("param_p", "['城','it\\'s']") + "--B--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=B"}
    assert ask(clickhouse, form, headers=headers).body.decode() == "['城','it\\'s']\n"
    insert = "INSERT INTO {t:Identifier}.{u:Identifier} FORMAT CSV"
    database, _, short = name.partition(".")
    assert ask(clickhouse, b"1,x\n", query=insert, param_t=database, param_u=short).status == 200
    assert rows(clickhouse, f"SELECT * FROM {name}") == b"1\tx\n"


def test_what_is_not_offered_is_refused_clearly(clickhouse: EmbeddedClickHouse) -> None:
    form = '--B\r\nContent-Disposition: form-data; name="t"; filename="t"\r\n\r\n1\r\n--B--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=B"}
    refused(ask(clickhouse, form, headers=headers, query="SELECT 1"), 501, 48, "NOT_IMPLEMENTED")
    refused(ask(clickhouse, "SELECT 1", compress=1), 501, 48, "NOT_IMPLEMENTED")
    refused(ask(clickhouse, "SELECT 1", role="x"), 501, 48, "NOT_IMPLEMENTED")
    refused(ask(clickhouse, "INSERT INTO hub.secret FROM INFILE 'x' FORMAT CSV"), 400, 62, "SYNTAX_ERROR")


def test_a_session_is_free_as_soon_as_its_client_has_seen_the_end_of_the_answer(clickhouse: EmbeddedClickHouse) -> None:
    for number in range(100):
        reply = ask(clickhouse, f"SELECT {number}", session_id="at-once")
        assert (reply.status, reply.body) == (200, b"%d\n" % number)


def test_a_session_keeps_temporary_tables_and_its_own_settings(clickhouse: EmbeddedClickHouse) -> None:
    def say(sql: str, **url: object) -> bytes:
        reply = ask(clickhouse, sql, session_id="s1", **url)
        assert reply.status == 200, reply.body
        return reply.body

    say("CREATE TEMPORARY TABLE mine (a Int64)")
    say("INSERT INTO mine VALUES (1), (2)")
    assert say("SELECT sum(a) FROM mine") == b"3\n"
    say("SET max_block_size = 777")
    assert say("SELECT getSetting('max_block_size')", max_block_size=5) == b"5\n"
    assert say("SELECT getSetting('max_block_size')") == b"777\n"
    say("USE bi")
    assert say("SELECT currentDatabase()", database="hub") == b"hub\n"
    assert say("SELECT currentDatabase()") == b"bi\n"
    refused(ask(clickhouse, "SELECT * FROM mine", session_id="s2"), 404, 60, "UNKNOWN_TABLE")
    refused(ask(clickhouse, "SELECT * FROM mine"), 404, 60, "UNKNOWN_TABLE")


def test_an_error_leaves_a_session_usable(clickhouse: EmbeddedClickHouse) -> None:
    assert ask(clickhouse, "SELECT 1", session_id="s3", no_such_setting=1).code == 115
    assert ask(clickhouse, "SELECT 1", session_id="s3", database="no_such").code == 81
    assert ask(clickhouse, "SELEC", session_id="s3").code == 62
    assert ask(clickhouse, "SELECT 1", session_id="s3").body == b"1\n"


def test_sessions_end_and_can_be_checked_for(clickhouse: EmbeddedClickHouse) -> None:
    assert ask(clickhouse, "SELECT 1", session_id="s4", session_check=1).code == 372
    assert ask(clickhouse, "SELECT 1", session_id="s4", session_timeout="x").code == 374
    assert ask(clickhouse, "SELECT 1", session_id="s4", session_timeout=99999).code == 374
    assert ask(clickhouse, "SELECT 1", session_id="s4").status == 200
    assert ask(clickhouse, "SELECT 1", session_id="s4", session_check=1, close_session=1).status == 200
    assert ask(clickhouse, "SELECT 1", session_id="s4", session_check=1).code == 372


class Slow:
    """A query that runs until it is cancelled, and the connection that asked for it."""

    def __init__(self, server: EmbeddedClickHouse, mark: str, sql: str, **url: str) -> None:
        self.server, self.mark = server, mark
        body = f"{sql} /* {mark} */".encode()
        extra = "".join(f"&{name}={value}" for name, value in url.items())
        head = (
            f"POST /?wait_end_of_query=1{extra} HTTP/1.1\r\nHost: x\r\nX-ClickHouse-User: hub\r\n"
            f"X-ClickHouse-Key: {server.passwords['hub']}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.socket = socket.create_connection((LOOPBACK, server.port))
        self.socket.sendall(head.encode() + body)
        self.wait(running=True)

    def wait(self, *, running: bool) -> None:
        sql = f"SELECT count() FROM system.processes WHERE query LIKE '%{self.mark}%' AND query NOT LIKE '%processes%'"
        end = time.monotonic() + 15
        while (rows(self.server, sql) != b"0\n") is not running:
            assert time.monotonic() < end, f"the query did not {'start' if running else 'end'}"


ENDLESS = "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))"


def test_a_query_is_cancelled_when_its_client_leaves(clickhouse: EmbeddedClickHouse) -> None:
    slow = Slow(clickhouse, "leaving", ENDLESS)
    slow.socket.close()
    slow.wait(running=False)


def test_a_stream_is_cancelled_when_its_client_leaves(clickhouse: EmbeddedClickHouse) -> None:
    slow = Slow(clickhouse, "streaming", "SELECT number FROM numbers(1000000000000) FORMAT TSV", wait_end_of_query="0")
    assert slow.socket.recv(1000)
    slow.socket.close()
    slow.wait(running=False)


def test_a_session_and_a_query_id_are_locked_while_in_use(clickhouse: EmbeddedClickHouse) -> None:
    slow = Slow(clickhouse, "locking", ENDLESS, session_id="s5", query_id="q5")
    try:
        refused(ask(clickhouse, "SELECT 1", session_id="s5"), 500, 373, "SESSION_IS_LOCKED")
        refused(ask(clickhouse, "SELECT 1", query_id="q5"), 500, 216, "QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING")
        assert ask(clickhouse, "SELECT 1", who="bi", session_id="s5").status == 200  # another user's session
    finally:
        slow.socket.close()
    end = time.monotonic() + 15
    while ask(clickhouse, "SELECT 1", session_id="s5", query_id="q5").status != 200:
        assert time.monotonic() < end, "the session stayed locked"


def test_an_error_on_the_way_is_told_behind_the_rows_already_sent(clickhouse: EmbeddedClickHouse) -> None:
    sql = "SELECT number, throwIf(number = 3000000) FROM numbers(4000000) FORMAT TSV"
    reply = ask(clickhouse, sql, max_threads=1)
    tag = reply.headers["x-clickhouse-exception-tag"].encode()
    assert reply.status == 200
    assert reply.body.startswith(b"0\t0\n1\t0\n")
    before, _, told = reply.body.partition(b"\r\n__exception__\r\n" + tag + b"\r\n")
    text, _, tail = told.partition(b"\r\n__exception__\r\n")
    assert before
    assert not tail
    assert b"Code: 395" in text
    assert text.endswith(b" " + tag)


def test_an_error_before_the_first_row_has_its_own_status(clickhouse: EmbeddedClickHouse) -> None:
    refused(
        ask(clickhouse, "SELECT throwIf(number = 0) FROM numbers(10)"), 500, 395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"
    )
