"""`zhishu eval match`: figures that a hand can count, through the worker's own code."""

import csv
import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.multichannel import write_benchmark
from hub.evaluate import THRESHOLDS, decide, evaluate_matching, pairwise, read_reports, wrong_pairs
from hub.tables import TableError
from profiles.flows import Matching
from schemas.topics import PROGRESS
from tests.hub.test_cli import zhishu
from tests.streams.make import PROFILE

COLUMNS = ("report_id", "reporter", "title", "reported_at", "text")
LAMP = (
    "p1",
    "丹枫花园门口路灯不亮",
    "2025/6/5 10:30:00",
    "（虚构）丹枫花园门口的路灯不亮已有一周，晚上看不清路，请尽快维修",
)
NOISE = (
    "p2",
    "银杏家园楼下烧烤摊油烟大",
    "2025/6/7 21:00:00",
    "（虚构）银杏家园楼下烧烤摊每晚冒烟，油烟飘进家里，请查处",
)
WAGES = ("p3", "远帆装饰公司拖欠工资", "2025/6/9 08:00:00", "（虚构）远帆装饰公司三个月不发工资，找不到负责人，请帮忙")


def table(path: Path, columns: tuple[str, ...], *rows: tuple[str, ...]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
    return path


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """a and b are one text of one person, c and d too; e is alone."""
    rows = (("a", *LAMP), ("b", *LAMP), ("c", *NOISE), ("d", *NOISE), ("e", *WAGES))
    return table(tmp_path / "reports.csv", COLUMNS, *rows)


def clusters(folder: Path, **labels: str) -> Path:
    return table(folder / "clusters.csv", ("report_id", "cluster"), *labels.items())


def test_figures_are_those_counted_by_hand(tmp_path: Path, reports: Path) -> None:
    labels = clusters(tmp_path, a="X", b="X", e="X", c="Y", d="Z")
    pairs = table(tmp_path / "pairs.csv", ("a", "b"), ("a", "b"), ("a", "e"))
    wrong = tmp_path / "wrong.csv"
    found = evaluate_matching(PROFILE, reports, labels, pairs, wrong=wrong)
    # Linked: a-b, c-d. Should be: a-b, a-e, b-e.
    assert (found["precision"], found["recall"], found["f1"]) == (1 / 2, 1 / 3, 2 / 5)
    assert (found["reports"], found["matters"], found["linked_reports"]) == (5, 3, 2)
    assert (found["pairs"], found["pairs_recall"], found["review_share"]) == (2, 1 / 2, 0.0)
    assert wrong.read_text(encoding="utf-8").split() == ["wrong,a,b", "linked,c,d", "missed,a,e", "missed,b,e"]


def test_a_labelled_report_that_is_not_in_the_file_is_missed_and_counted(tmp_path: Path, reports: Path) -> None:
    found = evaluate_matching(PROFILE, reports, clusters(tmp_path, a="X", nowhere="X"))
    assert (found["labelled_unknown"], found["recall"], found["precision"]) == (1, 0.0, None)


def test_a_row_that_no_feed_would_take_is_counted_and_named(tmp_path: Path) -> None:
    rows = table(tmp_path / "reports.csv", COLUMNS, ("a", *LAMP), ("b", "p", "t", "yesterday", "text"))
    found = evaluate_matching(PROFILE, rows, clusters(tmp_path, a="X", b="X"))
    assert found["refused"] == 1
    assert found["refused_rows"][0].startswith("line 3: bad_time")
    assert "yesterday" not in found["refused_rows"][0]


def test_reports_are_decided_in_the_order_of_time_whatever_the_order_of_the_file(tmp_path: Path) -> None:
    later = ("p1", LAMP[1], "2025/6/6 10:30:00", LAMP[3])
    rows = table(tmp_path / "reports.csv", COLUMNS, ("later", *later), ("first", *LAMP))
    decided = decide(PROFILE, told := read_reports(PROFILE, rows))
    assert [one.number for one in told.arrivals] == [1, 0]
    assert decided.matters["later"] == decided.matters["first"]


def test_a_pair_that_the_key_separates_is_a_miss(reports: Path) -> None:
    told = read_reports(PROFILE, reports)
    assert decide(PROFILE, told).matters["a"] == decide(PROFILE, told).matters["b"]
    first, second, *rest = told.arrivals
    torn = replace(told, arrivals=[first, second._replace(key="370213"), *rest])
    matters = decide(PROFILE, torn).matters
    assert matters["a"] != matters["b"]


def test_the_closing_of_a_case_arrives_when_it_was(tmp_path: Path) -> None:
    again = ("p1", LAMP[1], "2025/6/8 10:30:00", LAMP[3])
    rows = (("a", *LAMP, "2025/6/6 12:00:00"), ("b", *again, ""))
    told = read_reports(PROFILE, table(tmp_path / "reports.csv", (*COLUMNS, "closed_at"), *rows))
    assert [one.topic for one in told.arrivals] == ["intake.eval", PROGRESS, "intake.eval"]
    assert len(set(decide(PROFILE, told).matters.values())) == 1


def test_channel_code_and_point_of_a_row_are_those_of_the_feed(tmp_path: Path) -> None:
    rows = (
        ("a", *LAMP, "demo-citymgmt", "component", "0118", "120.454731", "36.112034"),
        ("b", *LAMP, "demo-wechat", "", "", "", ""),
        ("c", *LAMP, "demo-citymgmt", "component", "9999", "", ""),
    )
    told = read_reports(PROFILE, table(tmp_path / "r.csv", (*COLUMNS, "channel", "kind", "code", "lon", "lat"), *rows))
    assert [one.topic for one in told.arrivals] == ["intake.citymgmt", "intake.wechat"]
    assert told.refused == [f"line 4: unknown_code, {told.refused[0].partition('unknown_code, ')[2]}"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("reports", "report_id,title\na,b\n", "needs rows with the column.s. reporter, reported_at, text"),
        ("reports", "report_id,reporter,title,reported_at,text\n", "needs rows"),
        ("reports", "report_id,reporter,title,reported_at,text\na,b,c,2025/1/1,t\na,b\n", "line 3: has another number"),
        ("reports", "report_id,reporter,title,reported_at,text\n,b,c,2025/1/1,t\n", "line 2: report_id is empty"),
        (
            "reports",
            "report_id,reporter,title,reported_at,text,channel\na,b,c,2025/1/1,t,moon\n",
            "line 2: channel is none of channels.toml",
        ),
        ("clusters", "report_id,cluster\na,X\nb,\n", "line 3: report_id or cluster is empty"),
        ("clusters", "report_id,cluster\na,X\nb,X\na,Y\n", "line 4: the report stands in another cluster already"),
        ("pairs", "a,b\na,a\n", "line 2: a and b must be two reports"),
        ("pairs", b"a,b\n\xff,b\n", "can't be read as CSV in UTF-8"),
    ],
)
def test_a_bad_file_is_told_with_its_line(
    tmp_path: Path, reports: Path, name: str, text: str | bytes, said: str
) -> None:
    files: dict[str, Any] = {"reports": reports, "clusters": clusters(tmp_path, a="X", b="X"), "pairs": None}
    files[name] = tmp_path / "bad.csv"
    files[name].write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(TableError, match=said) as caught:
        evaluate_matching(PROFILE, **files)
    assert "bad.csv" in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path, reports: Path) -> None:
    with pytest.raises(TableError, match="FileNotFoundError"):
        evaluate_matching(PROFILE, reports, tmp_path / "nowhere.csv")


def test_the_curve_has_a_run_for_each_threshold_and_links_less_as_it_rises(tmp_path: Path) -> None:
    write_benchmark(PROFILE, tmp_path / "made", seed=3, reports=250)
    found = evaluate_matching(PROFILE, tmp_path / "made/reports.csv", tmp_path / "made/clusters.csv", curve=True)
    curve = found["curve"]
    assert [row["link"] for row in curve] == list(THRESHOLDS)
    assert (THRESHOLDS[0], THRESHOLDS[-1]) == (0.3, 0.8)
    assert curve[0]["linked_reports"] > curve[-1]["linked_reports"]
    asked = {name: value for name, value in curve[0].items() if name != "link"}
    lowest = replace(PROFILE, matching=Matching(link=0.3, review=0.3))
    alone = evaluate_matching(lowest, tmp_path / "made/reports.csv", tmp_path / "made/clusters.csv")
    assert asked == {name: alone[name] for name in asked}


def test_wrong_links_are_counted_by_what_they_should_have_been_told_apart_by(tmp_path: Path, reports: Path) -> None:
    rows = (("a", "X", ""), ("b", "Y", "year_later"), ("c", "Z", ""), ("d", "W", ""))
    labels = table(tmp_path / "clusters.csv", ("report_id", "cluster", "negative"), *rows)
    assert evaluate_matching(PROFILE, reports, labels)["wrongly_linked"] == {"chance": 1, "year_later": 1}


def test_the_command_prints_json_and_tells_a_bad_file_in_one_line(tmp_path: Path, reports: Path) -> None:
    labels = clusters(tmp_path, a="X", b="X", c="Y")
    done = zhishu(tmp_path, "eval", "match", "--reports", str(reports), "--clusters", str(labels), "--json")
    assert json.loads(done.stdout)["f1"] == 1.0
    done = zhishu(tmp_path, "eval", "match", "--reports", str(reports), "--clusters", str(labels), "--curve")
    assert "by threshold" in done.stdout
    assert done.stdout.count("1.0000") > 3 * len(THRESHOLDS)
    done = zhishu(tmp_path, "eval", "match", "--reports", str(labels), "--clusters", str(labels))
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "needs rows with the column(s) reporter, title" in done.stderr


names = st.sampled_from([f"r{number}" for number in range(9)])
groups = st.sampled_from("ABCD")


@given(st.dictionaries(names, groups), st.dictionaries(names, groups))
def test_figures_equal_a_naive_recount_and_the_wrong_pairs(labels: dict[str, str], found: dict[str, str]) -> None:
    true, linked, same = 0, 0, 0
    for a, b in combinations(labels, 2):
        is_same = labels[a] == labels[b]
        is_linked = a in found and b in found and found[a] == found[b]
        true, linked, same = true + (is_same and is_linked), linked + is_linked, same + is_same
    precision, recall = true / linked if linked else None, true / same if same else None
    f1 = 2 * true / (linked + same) if linked + same else None
    assert pairwise(labels, found) == {"precision": precision, "recall": recall, "f1": f1}
    wrong = [kind for kind, _, _ in wrong_pairs(labels, found)]
    assert (wrong.count("linked"), wrong.count("missed")) == (linked - true, same - true)
