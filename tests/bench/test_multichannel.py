"""The made-up benchmark of matching: the same seed, the same bytes; everything in it that it says it has."""

import csv
import itertools
import re
from collections import Counter, defaultdict
from pathlib import Path

import opencc
import pytest

from bench.multichannel import CLUSTER_COLUMNS, REPORT_COLUMNS, _Rows, write_benchmark
from bench.multichannel.plan import ALONE, NEGATIVES, Planner
from bench.multichannel.texts import CHANNELS, Texts
from profiles.sample.draw import Draw
from tests.streams.make import PROFILE

Rows = list[dict[str, str]]


def read(path: Path) -> Rows:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("benchmark") / "seed-5"
    write_benchmark(PROFILE, made, seed=5, reports=2500)
    return made


@pytest.fixture(scope="module")
def rows(folder: Path) -> Rows:
    """Each report with its labels."""
    labels = {row["report_id"]: row for row in read(folder / "clusters.csv")}
    return [
        row | {f"label_{k}": v for k, v in labels[row["report_id"]].items()} for row in read(folder / "reports.csv")
    ]


def events(rows: Rows) -> dict[str, Rows]:
    found = defaultdict(list)
    for row in rows:
        found[row["label_cluster"]].append(row)
    return found


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_names(folder: Path, tmp_path: Path) -> None:
    write_benchmark(PROFILE, tmp_path / "same", seed=5, reports=2500)
    write_benchmark(PROFILE, tmp_path / "other", seed=6, reports=2500)
    for name in ("reports.csv", "clusters.csv", "pairs.csv", "manifest.json"):
        assert (tmp_path / "same" / name).read_bytes() == (folder / name).read_bytes()
    estates = [
        set(
            re.findall(
                r"[\u4e00-\u9fff]{2,3}(?:花园|雅苑|新城|公馆|名邸)",
                " ".join(row["title"] for row in read(made / "reports.csv")),
            )
        )
        for made in (folder, tmp_path / "other")
    ]
    assert min(map(len, estates)) > 50
    assert len(estates[0] & estates[1]) < 0.1 * len(estates[0])


def test_a_folder_that_holds_something_is_left_alone(folder: Path) -> None:
    with pytest.raises(FileExistsError, match="not empty"):
        write_benchmark(PROFILE, folder, seed=1, reports=10)


def test_the_tables_have_their_columns_and_each_report_one_label(folder: Path) -> None:
    reports, labels = read(folder / "reports.csv"), read(folder / "clusters.csv")
    assert tuple(reports[0]) == REPORT_COLUMNS
    assert tuple(labels[0]) == CLUSTER_COLUMNS
    assert [row["report_id"] for row in reports] == [row["report_id"] for row in labels]
    assert len({row["report_id"] for row in reports}) == len(reports) >= 2500


def test_reports_stand_in_the_order_of_time(rows: Rows) -> None:
    times = [row["reported_at"] for row in rows]
    assert times == sorted(times)


def test_every_channel_relation_and_hard_negative_is_there(rows: Rows) -> None:
    assert {row["label_channel"] for row in rows} == set(CHANNELS)
    assert {row["label_relation"] for row in rows} == {"first", "joined", "repeat", "rebound", "alone"}
    assert {row["label_negative"] for row in rows} == {"", *itertools.chain(*NEGATIVES.values())}
    sizes = Counter(len(one) for one in events(rows).values())
    assert sizes[1] > 100
    assert sum(count for size, count in sizes.items() if size > 1) > 200


def test_an_event_is_told_by_several_channels(rows: Rows) -> None:
    mixed = [one for one in events(rows).values() if len({row["label_channel"] for row in one}) >= 3]
    assert len(mixed) > 50


def test_each_channel_tells_in_its_own_way(rows: Rows) -> None:
    by = {channel: [row for row in rows if row["label_channel"] == channel] for channel in CHANNELS}
    share = {
        column: {channel: sum(bool(row[column]) for row in found) / len(found) for channel, found in by.items()}
        for column in ("title", "lon", "code", "address")
    }
    assert {channel for channel, found in share["title"].items() if found} == {"hotline", "letter"}
    assert (share["lon"]["citymgmt"], share["lon"]["police"], share["code"]["wechat"]) == (1, 0, 0)
    assert share["code"]["police"] == share["code"]["citymgmt"] == share["address"]["citymgmt"] == 1
    assert 0.5 < share["code"]["hotline"] < 0.9
    length = {channel: sum(len(row["text"]) for row in found) / len(found) for channel, found in by.items()}
    assert max(length["citymgmt"], length["wechat"]) < length["hotline"] < length["letter"]
    assert all(
        "#非警务#" in row["text"] or "＃非警务＃" in row["text"] or "#非警務#" in row["text"] for row in by["police"]
    )


def test_no_event_is_won_by_the_equality_of_its_texts(rows: Rows) -> None:
    assert len({row["text"] for row in rows}) > 0.97 * len(rows)
    for trouble in Texts().troubles.values():
        assert len(set(trouble.what)) >= 8, trouble.id


def test_every_pattern_of_a_channel_is_filled(rows: Rows) -> None:
    assert not [row["report_id"] for row in rows if re.search(r"[\[\]{}|]", row["title"] + row["text"])]


def test_points_of_an_event_lie_within_the_noise_of_a_receiver(rows: Rows) -> None:
    worst = 0.0
    for one in events(rows).values():
        points = [(float(row["lon"]), float(row["lat"])) for row in one if row["lon"]]
        for a, b in itertools.combinations(points, 2):
            worst = max(worst, ((a[0] - b[0]) ** 2 * 0.653 + (a[1] - b[1]) ** 2) ** 0.5 * 111_195)
    assert 100 < worst <= 161


def test_reports_come_minutes_to_weeks_after_the_first_and_after_closure(rows: Rows) -> None:
    gaps = []
    for one in events(rows).values():
        for row in one[1:]:
            same_day = row["reported_at"][:10] == one[0]["reported_at"][:10]
            gaps.append((same_day, row["reported_at"][:7] != one[0]["reported_at"][:7]))
            if row["label_relation"] == "rebound":
                assert any(before["closed_at"] and before["closed_at"] < row["reported_at"] for before in one)
    assert sum(near for near, _ in gaps) > 100
    assert sum(far for _, far in gaps) > 50


def test_texts_have_traditional_characters_full_width_digits_and_slips_of_the_pen(rows: Rows) -> None:
    texts = [row["text"] for row in rows]
    assert sum("號" in text or "區" in text or "來" in text for text in texts) > 30
    assert sum(bool(re.search("[０-９]", text)) for text in texts) > 30
    slipped = [row for row in rows if row["title"] and row["label_negative"] not in ALONE and row["admin_code"]]
    stems = [(re.search(r"[\u4e00-\u9fff]{2,3}(?=花园|雅苑|新城|公馆)", row["title"]), row["text"]) for row in slipped]
    assert sum(found is not None and found[0] not in text for found, text in stems) > 5


def test_questions_praise_and_tip_offs_stand_alone(rows: Rows) -> None:
    for one in events(rows).values():
        if one[0]["label_negative"] in ALONE:
            assert [row["label_relation"] for row in one] == ["alone"]
            assert one[0]["appeal_type"] == one[0]["label_negative"]


def test_pairs_are_of_one_event_each(folder: Path, rows: Rows) -> None:
    cluster = {row["report_id"]: row["label_cluster"] for row in rows}
    pairs = read(folder / "pairs.csv")
    assert len(pairs) > 100
    assert all(row["a"] < row["b"] and cluster[row["a"]] == cluster[row["b"]] for row in pairs)


def test_a_choice_in_a_choice_is_resolved() -> None:
    texts = Texts()
    assert {texts.chosen(Draw(seed), "甲[乙[丙|丁]|]戊") for seed in range(60)} == {"甲乙丙戊", "甲乙丁戊", "甲戊"}


def test_a_clerk_could_tell_what_each_report_belongs_to() -> None:
    texts = Texts()
    rows = _Rows(PROFILE, texts)
    plain = opencc.OpenCC("t2s")
    events = Planner(PROFILE, texts, Draw(8), 2025).plan(2000)
    for event in events:
        for telling in event.tellings:
            row = dict(zip(REPORT_COLUMNS[1:], rows.row(event, telling), strict=True))
            told = plain.convert(f"{row['title']} {row['text']} {row['address']}")
            named = any(plain.convert(part[:2]) in told for part in event.place.key.split())
            placed = bool(row["lon"]) or len(str(row["admin_code"])) == 12
            assert named or placed or telling.relation == "repeat", (event, row)
            if event.exact:
                assert named or row["lon"], (event, row)
