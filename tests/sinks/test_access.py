"""What a part of the readers sees: its cases and their figures, whatever view asks, and nothing of others."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hub.clickhouse_embedded import EmbeddedClickHouse
from profiles import Profile
from profiles.access import Part, SecuritySpec
from schemas.topics import ALERTS, DEADLETTER, PROGRESS, ROUTED
from sinks.access import AccessError, View, bi_views, open_databases, part_views, server_statements
from sinks.migrate import Ddl
from sinks.writer import open_clickhouse
from tests.sinks.conftest import url
from tests.sinks.records import HOUR, NOON, alert, letter, report, routed, step

AGENCIES = ("zhujian", "zhifa", None)
STREETS = ("370212001", "370212002", None)
PART = Part(agencies=("a", "b'c"))


def ask(client: Any, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in client.query(sql).result_rows]


def view(name: str, text: str, columns: str = "    n UInt8 COMMENT 'x'") -> View:
    return View(name, columns, text, "COMMENT 'x'")


def shown(*views: View) -> dict[str, str]:
    """The question behind each view of a part of the role `r`."""
    root = view("cases", "SELECT report_id FROM hub.cases FINAL")
    made = part_views("r", PART, [*views, root])
    return {name.removeprefix("bi_r."): text.split("\nAS\n")[-1].split("\nCOMMENT")[0] for name, text in made.items()}


def test_every_view_of_bi_is_read_from_its_file() -> None:
    names = [one.name for one in bi_views()]
    assert {"cases", "reports", "kpi_daily", "communities", "alerts"} <= set(names)
    for one in bi_views():
        assert one.names, one.name


def test_a_figure_of_cases_is_the_same_figure_of_the_parts_cases() -> None:
    made = shown(
        view("one", "SELECT count() FROM hub.cases AS c FINAL WHERE hub.cases.day > 1"),
        view("two", "SELECT n FROM bi.one JOIN hub.dim_days FINAL USING n, (SELECT 1 FROM bi.cases)"),
    )
    assert made["one"] == "SELECT count() FROM hub_parts.r AS c WHERE hub_parts.r.day > 1"
    assert made["two"] == "SELECT n FROM bi_r.one JOIN hub.dim_days FINAL USING n, (SELECT 1 FROM bi_r.cases)"
    assert made["cases"] == "SELECT report_id FROM hub_parts.r"


def test_what_tells_its_report_is_filtered_by_it_and_what_holds_none_is_shown_whole() -> None:
    made = shown(
        view("steps", "SELECT report_id FROM hub.progress FINAL", "    report_id String COMMENT 'x'"),
        view("names", "SELECT n FROM hub.dim_agencies FINAL"),
        view("words", "SELECT arrayJoin([1, 2]) AS n"),
        view("spread", "SELECT n FROM (SELECT [1] AS m) ARRAY JOIN arrayFilter(x -> x > 0, m) AS n"),
    )
    assert made["steps"].startswith(
        "SELECT * FROM bi.steps WHERE report_id IN (SELECT report_id FROM bi_r.cases) LIMIT "
    )
    assert made["names"] == "SELECT * FROM bi.names"
    assert made["words"] == "SELECT * FROM bi.words"
    assert made["spread"] == "SELECT * FROM bi.spread"


@pytest.mark.parametrize(
    "text",
    [
        "SELECT n FROM hub.alerts FINAL",
        "SELECT n FROM hub.cases FINAL JOIN hub.routed USING n",
        "SELECT n FROM bi.letters",
        "SELECT n FROM `bi`.`cases`",
        "SELECT n FROM bi . cases",
        "SELECT n FROM hub.`cases` FINAL",
        "SELECT n FROM merge('^bi$', 'cases')",
        "SELECT n FROM loop(hub.cases)",
        "SELECT n FROM (SELECT 1) JOIN viewIfPermitted(SELECT 1 ELSE null('n UInt8')) USING n",
        "SELECT dictGet('hub.something', 'n', 1) AS n",
    ],
)
def test_what_cannot_be_told_apart_by_case_is_not_there(text: str) -> None:
    made = shown(view("letters", "SELECT n FROM hub.dead_letters FINAL"), view("mine", text))
    assert not {"letters", "mine"} & made.keys()


def test_a_view_that_shows_other_reports_beside_its_own_is_not_there() -> None:
    assert "bi_r.review_queue" not in part_views("r", PART, bi_views())


def test_the_filter_quotes_codes_and_has_both_lists_fit() -> None:
    part = Part(agencies=("a", "b'c"), streets=("1",))
    cases = part_views("r", part, [])["hub_parts.r"]
    assert "WHERE ifNull(agency_code IN ('a', 'b\\'c'), false) AND ifNull(street_code IN ('1'), false) LIMIT" in cases


@pytest.fixture
def stored(put: Callable[..., None]) -> None:
    """Nine reports: each agency or none in each street or none; one step each, an alert and a letter."""
    reports = []
    for n, (agency, street) in enumerate((a, s) for a in AGENCIES for s in STREETS):
        one = report(
            f"r{n}", street_code=street, title=f"{agency} {street}", upstream_id=f"r{n}", reporter_key=f"{n}" * 32
        )
        reports.append(
            routed(one, agency_code=agency, agency_name=agency, intake_offset=n, matter_id=f"hotline12345-r{n % 2}")
        )
    put(ROUTED, reports)
    put(
        PROGRESS,
        [step(f"r{n}", kind, NOON + hours * HOUR) for n in range(9) for kind, hours in (("dispatch", 1), ("close", 9))],
    )
    put(ALERTS, [alert("one")])
    put(DEADLETTER, [letter("one")])


@pytest.fixture(params=[("zhujian_fenxi", "agency_code = 'zhujian'"), ("zhonghan_daping", "street_code = '370212001'")])
def reader(request: pytest.FixtureRequest, stored: None, engine: EmbeddedClickHouse) -> Iterator[tuple[Any, str]]:
    """A client of a part, and which of bi.cases are its own."""
    user, own = request.param
    client = open_clickhouse(url(engine, user))
    yield client, own
    client.close()


@pytest.mark.clickhouse
def test_a_part_sees_its_cases_and_the_rest_of_them_in_every_view(reader: tuple[Any, str], bi: Any) -> None:
    client, own = reader
    mine = ask(bi, f"SELECT report_id FROM bi.cases WHERE {own} ORDER BY 1")
    assert len(mine) == 3
    assert ask(client, "SELECT report_id FROM cases ORDER BY 1") == mine
    for name, columns in (
        ("reports", "report_id"),
        ("progress", "DISTINCT report_id"),
        ("changes", "DISTINCT report_id"),
    ):
        found = ask(client, f"SELECT {columns} FROM {name} ORDER BY 1")
        assert set(found) <= set(mine)
        assert found == [row for row in ask(bi, f"SELECT {columns} FROM bi.{name} ORDER BY 1") if row in mine]
    assert ask(client, "SELECT * FROM reports ORDER BY report_id") == ask(
        bi, f"SELECT * FROM bi.reports WHERE {own} ORDER BY report_id"
    )


@pytest.mark.clickhouse
def test_figures_of_a_part_are_those_of_its_cases(reader: tuple[Any, str], bi: Any) -> None:
    client, own = reader
    of_cases = "count(), countIf(closed_on_time), count(closed_on_time), countIf(is_closed)"
    of_days = "sum(accepted), sum(on_time_numerator), sum(on_time_denominator), sum(closed_numerator)"
    assert ask(client, f"SELECT {of_days} FROM kpi_daily") == ask(bi, f"SELECT {of_cases} FROM bi.cases WHERE {own}")
    matters = ask(client, "SELECT sum(reports), sum(persons) FROM joint_matters")
    assert matters == [(3, 3)]
    assert ask(bi, "SELECT sum(reports), sum(persons) FROM bi.joint_matters") == [(9, 9)]
    titles = {title for (title,) in ask(client, "SELECT title FROM joint_matters")}
    assert titles <= {title for (title,) in ask(client, "SELECT title FROM cases")}


@pytest.mark.clickhouse
def test_no_view_of_a_part_holds_a_word_of_others(reader: tuple[Any, str], hub: Any, bi: Any) -> None:
    client, own = reader
    database = ask(client, "SELECT currentDatabase()")[0][0]
    views = [name for (name,) in ask(client, "SHOW TABLES")]
    wanted = {
        "cases",
        "reports",
        "progress",
        "changes",
        "kpi_daily",
        "kpi_hourly",
        "joint_matters",
        "supervision",
        "hot_points",
    }
    assert {*wanted, "communities"} <= set(views)
    assert not {"alerts", "dead_letters", "review_queue"} & set(views)
    others = [f"hotline12345-r{n}" for n in range(9)]
    for (one,) in ask(bi, f"SELECT report_id FROM bi.cases WHERE {own}"):
        others.remove(one)
    # A matter goes by the id of its first report, which tells nothing of it.
    others = [one for one in others if one not in ("hotline12345-r0", "hotline12345-r1")]
    assert len(others) >= 4
    for name in views:
        text = hub.raw_query(f"SELECT * FROM {database}.{name}", fmt="JSONEachRow").decode()
        assert not [one for one in others if f'"{one}"' in text], name


@pytest.mark.clickhouse
@pytest.mark.parametrize("name", ["cases", "reports", "progress", "kpi_daily", "joint_matters"])
def test_a_condition_of_a_reader_is_never_asked_of_rows_of_others(
    stored: None, engine: EmbeddedClickHouse, name: str
) -> None:
    client = open_clickhouse(url(engine, "zhujian_fenxi"))
    column = {"kpi_daily": "street_code", "joint_matters": "title"}.get(name, "report_id")
    seen = {text for (text,) in ask(client, f"SELECT {column} FROM {name}")}
    known = ", ".join(f"'{text}'" for text in seen)
    foreign = f"{column} NOT IN ({known})"
    assert ask(client, f"SELECT count() FROM {name} WHERE throwIf({foreign}) = 1") == [(0,)]
    assert ask(client, f"SELECT sum(throwIf({foreign})) FROM {name}") == [(0,)]
    client.close()


@pytest.mark.clickhouse
def test_every_column_of_a_part_has_its_comment(hub: Any) -> None:
    sql = "SELECT table, name FROM system.columns WHERE database = '{}' ORDER BY 1, 2"
    for database in ("bi_zhujian", "bi_zhonghan"):
        assert ask(hub, f"SELECT table, name FROM system.columns WHERE database = '{database}' AND comment = ''") == []
        assert set(ask(hub, sql.format(database))) <= set(ask(hub, sql.format("bi")))


@pytest.mark.clickhouse
def test_parts_that_left_the_file_are_dropped_and_their_views_follow_the_release(hub: Any, profile: Profile) -> None:
    def databases() -> set[str]:
        return {name for (name,) in ask(hub, "SELECT name FROM system.databases WHERE name LIKE 'bi%'")}

    hub.command("CREATE DATABASE IF NOT EXISTS bi_somebodys_own")
    hub.command("CREATE VIEW bi_zhujian.of_an_older_release AS SELECT 1")
    more = SecuritySpec.model_validate({"role": {"passing": {"streets": ["370212001"]}}})
    open_databases(hub, more)
    assert databases() == {"bi", "bi_passing", "bi_somebodys_own"}
    open_databases(hub, profile.access)
    open_databases(hub, profile.access)
    assert databases() == {"bi", "bi_zhujian", "bi_zhonghan", "bi_somebodys_own"}
    hub.command("CREATE VIEW bi_zhujian.of_an_older_release AS SELECT 1")
    open_databases(hub, profile.access)
    assert ask(hub, "EXISTS bi_zhujian.of_an_older_release") == [(0,)]
    hub.command("DROP DATABASE bi_somebodys_own")


SPEC = SecuritySpec.model_validate(
    {
        "limits": {"seconds": 20},
        "role": {"a": {"agencies": ["x"], "limits": {"queries_per_hour": 10}}},
        "user": {"li": {"role": "a"}},
    }
)


@pytest.mark.clickhouse
@pytest.mark.parametrize("on_cluster", ["", "ON CLUSTER hub"])
def test_statements_for_a_server_are_as_the_engines_parser_has_them(migrated: Any, on_cluster: str) -> None:
    ddl = Ddl(on_cluster=on_cluster)
    for template in server_statements(SPEC, {"bi": "secret-1", "li": "secret-2"}):
        statement = " ".join(ddl.fill(template).split())
        ((printed,),) = migrated.query(
            "SELECT formatQuerySingleLine({q:String})", parameters={"q": statement}
        ).result_rows
        assert printed.replace("`", "") == statement
        assert ("ON CLUSTER hub" in statement) == bool(on_cluster)


def test_a_server_gets_roles_limits_quotas_and_users_and_no_password_in_clear() -> None:
    told = list(server_statements(SPEC, {"bi": "secret-1", "li": "secret-2"}))
    text = "\n".join(told)
    assert "secret" not in text
    (grant,) = [one for one in told if one.startswith("GRANT") and one.endswith("TO bi_a_reader WITH REPLACE OPTION")]
    assert "ON bi_a.*" in grant
    assert not re.search(r"\bON (bi|hub|hub_parts)\.|\bALL\b|INSERT|system\.\*", grant)
    assert (
        "CREATE QUOTA OR REPLACE bi_a_reader {on_cluster} KEYED BY user_name FOR INTERVAL 1 hour MAX queries = 10"
        in text
    )
    assert "max_execution_time = 20 MIN 1 MAX 20" in text
    assert "ALTER USER li {on_cluster} IDENTIFIED WITH sha256_hash" in text
    assert text.count("DEFAULT DATABASE bi_a DEFAULT ROLE bi_a_reader") == 1
    assert list(server_statements(SPEC, {"bi": "x", "li": "y"})) != list(
        server_statements(SPEC, {"bi": "x", "li": "y"})
    )


def test_users_and_passwords_must_fit_together() -> None:
    with pytest.raises(AccessError, match="no password for li"):
        list(server_statements(SPEC, {"bi": "x"}))
    with pytest.raises(AccessError, match="names wu"):
        list(server_statements(SPEC, {"bi": "x", "li": "y", "wu": "z"}))
