"""The sample year through the whole hub: nothing lost, nothing twice, and every figure as computed by hand."""

import csv
from datetime import date
from pathlib import Path

import pytest

from hub.endpoints import clickhouse_client
from hub.evaluate import pairwise
from hub.sample_year import play_year
from hub.up import Hub
from sinks.kpi import Cohort, headline
from tests.e2e.hubs import query, settle, url
from tests.kpi_by_hand import Link, figures_by_hand

pytestmark = pytest.mark.e2e


def test_every_intake_offset_has_exactly_one_outcome(year: Hub) -> None:
    account = settle(year)
    assert account.good
    assert sum(topic.records for topic in account.topics) > 7_000
    assert sum(topic.replay for topic in account.topics) > 0  # the sample holds retries; none seen would prove nothing


PERIODS = (
    (date(2025, 1, 1), date(2025, 12, 31)),
    (date(2025, 2, 1), date(2025, 2, 28)),
    (date(2025, 7, 14), date(2025, 7, 14)),
)
#: What hangs on links: which report of a matter is its first, who told it again, whose agency and clock a report shares, and, of
#: a case without steps, the level of that agency.
LINKED = {
    **dict.fromkeys(("repeats", "on_time", "first_time", "pre_resolved", "archived_on_time"), 0.05),
    # A few orders in a hundred: of a matter that is one link too large several were told again.
    "false_closure": 0.08,
    **dict.fromkeys(("matters", "matters_closed", "matters_solved"), 0.02),
    "in_grid": 0.005,
}


def found(year: Hub, first: date, last: date, cohort: Cohort = "accepted") -> dict[str, tuple[float, float]]:
    client = clickhouse_client(str(year.settings.clickhouse_url))
    try:
        return {f.name: (f.numerator, f.denominator) for f in headline(client, first, last, cohort)}
    finally:
        client.close()


def links(year: Hub) -> dict[tuple[str, str], Link]:
    """What the hub decided belongs together, and what is due when by that."""
    rows = query(
        year,
        "SELECT channel, upstream_id, matter_id, relation, toUnixTimestamp64Milli(base_due_at) FROM bi.cases "
        "WHERE appeal_type != 'alarm'",
    )
    return {(row[0], row[1]): Link(row[2], row[3], None if row[4] is None else row[4] / 1000) for row in rows}


@pytest.mark.parametrize(("first", "last"), PERIODS)
def test_the_figures_equal_those_computed_by_hand_with_the_made_up_links(
    year: Hub, sample: Path, first: date, last: date
) -> None:
    expected = figures_by_hand(sample, year.profile.folder, first, last)
    theirs = found(year, first, last)
    assert set(theirs) == set(expected)
    # Matching finds all links but a few, and some more (one estate, two houses).
    for name, tolerance in LINKED.items():
        mine = expected.pop(name)
        if (first.month, last.month) == (1, 12):
            # Which report of a matter is its first is decided by arrival, and the feeds of a month arrive side by side: a
            # shorter period may count the repeat a day off. Over the year it can't.
            assert theirs[name] == pytest.approx(mine, rel=tolerance), name
    for name, pair in expected.items():
        assert theirs[name] == pytest.approx(pair, abs=1e-3), name


@pytest.mark.parametrize(("first", "last"), PERIODS)
@pytest.mark.parametrize("cohort", ["accepted", "due"])
def test_the_figures_equal_those_computed_by_hand_with_the_links_that_were_decided(
    year: Hub, sample: Path, first: date, last: date, cohort: Cohort
) -> None:
    expected = figures_by_hand(sample, year.profile.folder, first, last, links=links(year), by_due=cohort == "due")
    theirs = found(year, first, last, cohort)
    # By hand the level of a case without steps is that of its own row of the list, and not of its matter's.
    assert theirs.pop("in_grid") == pytest.approx(expected.pop("in_grid"), rel=0.005)
    for name, pair in expected.items():
        assert theirs[name] == pytest.approx(pair, abs=1e-3), name


def test_what_is_stored_of_every_case_is_what_the_facts_tell(year: Hub) -> None:
    ((columns,),) = query(
        year,
        "SELECT arrayStringConcat(groupArray(name), ', ') FROM system.columns "
        "WHERE database = 'hub' AND table = 'cases' AND name != '_version'",
    )
    stored, told = f"SELECT {columns} FROM hub.cases FINAL", f"SELECT {columns} FROM hub.told_cases"
    assert query(year, f"SELECT count() FROM ({stored} EXCEPT {told})") == [(0,)]
    assert query(year, f"SELECT count() FROM ({told} EXCEPT {stored})") == [(0,)]
    assert query(year, "SELECT count() > 7000, count() = uniqExact(report_id) FROM hub.cases FINAL") == [(True, True)]


def test_nearly_every_link_is_of_the_made_up_truth(year: Hub, sample: Path) -> None:
    rows = query(
        year,
        "SELECT matter_id, channel, upstream_id FROM hub.routed FINAL WHERE outcome = 'routed' AND appeal_type != 'alarm'",
    )
    found = {f"{channel} {upstream_id}": matter for matter, channel, upstream_id in rows}
    with (sample / "truth.csv").open(encoding="utf-8", newline="") as file:
        truth = {f"{row['channel']} {row['upstream_id']}": row["matter"] for row in csv.DictReader(file)}
    assert found.keys() == truth.keys()
    figures = pairwise(truth, found)
    assert figures["precision"] >= 0.93
    assert figures["recall"] >= 0.97


def test_playing_again_plays_nothing_twice(year: Hub, sample: Path) -> None:
    before = query(year, "SELECT count() FROM hub.routed")
    answers, _ = play_year(
        url(year), year.profile, year.secrets, year.settings.data_dir, sample, lambda *_: None, lambda *_: None
    )
    assert answers.messages == 0
    assert query(year, "SELECT count() FROM hub.routed") == before


def test_a_year_sent_again_from_the_start_changes_no_figure(year: Hub, sample: Path, tmp_path: Path) -> None:
    client = clickhouse_client(str(year.settings.clickhouse_url))
    first, last = date(2025, 1, 1), date(2025, 12, 31)
    before = headline(client, first, last)
    month = tmp_path / "sample" / "2025-03"
    month.parent.mkdir()
    month.symlink_to(sample / "2025-03")
    answers, _ = play_year(
        url(year), year.profile, year.secrets, tmp_path, month.parent, lambda *_: None, lambda *_: None
    )
    assert answers.accepted > 100
    account = settle(year)
    assert sum(topic.replay for topic in account.topics) > 100
    assert headline(client, first, last) == before
    client.close()


def test_no_personal_data_of_the_sample_is_readable_past_the_gateway(year: Hub, sample: Path) -> None:
    phone = r"15400\\d{6}"
    for table in ("hub.routed", "hub.progress", "hub.alerts"):
        ((columns,),) = query(
            year,
            f"SELECT arrayStringConcat(groupArray(name), ',') FROM system.columns WHERE database = '{table.split('.')[0]}' "
            f"AND table = '{table.split('.')[1]}' AND type LIKE '%String%'",
        )
        told = "), toString(".join(columns.split(","))
        assert query(year, f"SELECT countIf(match(concat(toString({told})), '{phone}')) FROM {table}") == [(0,)]
