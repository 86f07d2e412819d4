"""The made-up sample year keeps what it promises."""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles import Profile, ProfileError, load_profile
from profiles.sample import write_sample
from profiles.sample.plan import metres
from profiles.sample.wire import gcj02
from tests.profiles.conftest import DEMO
from tests.profiles.written import Written, broken_rules, near_pairs, read_sample

GOLDEN_SEED_1_REPORTS_300 = "2c6131e06d38943adb8e81fd65a7e7ce24f7d6568d4b50761fd846e391e79ec0"
PHONE = re.compile(rb"(?<![0-9])1[3-9][0-9]{9}(?![0-9])")


def is_video(path: str) -> bool:
    return path.endswith(("/demo-hikvision.xml", "/demo-aibox.ndjson"))


def _digest(folder: Path) -> str:
    hasher = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name, data = path.relative_to(folder).as_posix().encode(), path.read_bytes()
        hasher.update(b"%d %s %d " % (len(name), name, len(data)) + data)
    return hasher.hexdigest()


def test_a_seed_gives_the_same_bytes_whatever_the_hash_seed_the_locale_and_the_zone(tmp_path: Path) -> None:
    """Changing the generator or the demo profile changes this hash: look at the difference, then take the new one."""
    for number, env in enumerate(
        ({"PYTHONHASHSEED": "1", "LC_ALL": "C", "TZ": "UTC"}, {"PYTHONHASHSEED": "2", "TZ": "America/New_York"})
    ):
        out = tmp_path / str(number)
        command = [sys.executable, "-m", "profiles.sample", str(out), "--seed", "1", "--reports", "300"]
        subprocess.run(command, check=True, env={**os.environ, **env}, cwd=DEMO.parents[1], stdout=subprocess.PIPE)
        assert _digest(out) == GOLDEN_SEED_1_REPORTS_300


def test_another_seed_gives_another_sample(demo: Profile, tmp_path: Path) -> None:
    for seed in (1, 2):
        write_sample(demo, tmp_path / str(seed), seed=seed, reports=60)
    assert _digest(tmp_path / "1") != _digest(tmp_path / "2")


def test_the_year_keeps_every_rule_of_the_truth_and_of_the_order_of_lines(year: Written, demo: Profile) -> None:
    assert broken_rules(year, demo) == []


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31), reports=st.integers(1, 150), in_year=st.sampled_from([2024, 2025, 2026, 2031]))
def test_any_sample_keeps_every_rule(demo: Profile, seed: int, reports: int, in_year: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "sample"
        written = read_sample(folder, write_sample(demo, folder, seed, in_year, reports))
    assert broken_rules(written, demo) == []
    assert len(written.truth) == reports


def test_matters_of_one_kind_in_neighbouring_communities_are_apart_in_time_too(year: Written, demo: Profile) -> None:
    spans: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for rows in year.matters().values():
        times = [int(row["reported_at"]) for row in rows]
        spans.setdefault((rows[0]["community"], rows[0]["matter_kind"]), []).append((min(times), max(times)))
    compared = 0
    for kind, matter in demo.matters.items():
        room = (matter.window_hours + 48) * 3_600_000
        for one, other in near_pairs(demo, matter.radius_m):
            for first, last in spans.get((one, kind), []):
                for other_first, other_last in spans.get((other, kind), []):
                    compared += 1
                    assert first - other_last > room or other_first - last > room
    assert compared > 1000


def test_the_year_has_the_size_and_the_mix_of_feeds_asked_for(year: Written) -> None:
    assert len(year.truth) == 26_700 == sum(year.manifest.reports.values())
    shares = {channel: count / 26_700 for channel, count in year.manifest.reports.items()}
    assert shares["demo-hotline"] == pytest.approx(0.62, abs=0.03)
    assert shares["demo-police"] == pytest.approx(0.14, abs=0.02)
    assert shares["demo-citymgmt"] == pytest.approx(0.16, abs=0.02)
    assert shares["demo-wechat"] == pytest.approx(0.08, abs=0.02)


def test_about_a_sixth_of_the_appeals_are_repeats_most_within_a_day(year: Written) -> None:
    relations = Counter(row["relation"] for row in year.truth)
    assert dict(relations) == year.manifest.relations
    assert 0.14 <= (relations["repeat"] + relations["joined"]) / 26_700 <= 0.18
    assert relations["joined"] > 1000
    gaps = [
        int(row["reported_at"]) - int(rows[0]["reported_at"])
        for rows in year.matters().values()
        for row in rows
        if row["relation"] == "repeat"
    ]
    assert sum(gap <= 86_400_000 for gap in gaps) / len(gaps) > 0.7


def test_some_matters_are_told_through_several_feeds_and_by_many_persons(year: Written) -> None:
    matters = year.matters().values()
    assert sum(len({row["feed"] for row in rows}) > 1 for rows in matters) > 300
    assert sum(sum(row["relation"] == "joined" for row in rows) >= 4 for rows in matters) > 20


def test_what_may_not_be_joined_stands_alone(year: Written) -> None:
    sizes = {rows[0]["matter"]: len(rows) for rows in year.matters().values()}
    matter_of = {row["upstream_id"]: row["matter"] for row in year.truth}
    alone = [
        line
        for line in year.orders()
        if line.body["appeal_type"] in ("咨询", "建议", "表扬", "举报") or line.body["is_secret"] == "是"
    ]
    assert len(alone) > 2000
    assert all(sizes[matter_of[line.case]] == 1 for line in alone)
    assert len({line.case for line in alone if line.body["is_secret"] == "是"}) == year.manifest.confidential > 250


def test_the_hotline_has_the_mix_of_appeal_types_asked_for(year: Written) -> None:
    orders = year.orders()
    types = Counter(line.body["appeal_type"] for line in orders)
    asked = {"求助": 40, "咨询": 15, "投诉": 38, "举报": 4, "建议": 2, "表扬": 1}
    for name, share in asked.items():
        assert 100 * types[name] / len(orders) == pytest.approx(share, abs=5)


def test_the_year_has_its_seasons_its_week_and_its_hours(year: Written) -> None:
    months = Counter((row["matter_kind"], int(row["reported_at"]) // 86_400_000) for row in year.truth)
    first = 1_735_660_800_000 // 86_400_000  # 2025-01-01 in Shanghai begins on the 31st UTC

    def share(kind: str, *days: tuple[int, int]) -> float:
        total = sum(count for (k, _), count in months.items() if k == kind)
        inside = sum(c for (k, d), c in months.items() if k == kind and any(a <= d - first < b for a, b in days))
        return inside / total

    assert share("heating", (0, 90), (304, 366)) > 0.85
    assert share("drainage", (151, 273)) > 0.6
    assert share("fireworks", (0, 59)) > 0.8
    assert share("school", (120, 243)) > 0.5
    local = [int(row["reported_at"]) // 3_600_000 + 8 for row in year.truth]
    hours = Counter(hour % 24 for hour in local)
    assert min(hours[9], hours[10], hours[15]) > 3 * max(hours[2], hours[3])
    weekdays = Counter((hour // 24 + 3) % 7 for hour in local)  # 1970-01-01 was a Thursday
    assert weekdays[6] < weekdays[5] < min(weekdays[day] for day in range(5))


def test_phones_are_of_the_made_up_range_and_nobody_shares_one(year: Written) -> None:
    owners: dict[str, set[str]] = {}
    found = 0
    for line in year.lines:
        for phone in PHONE.findall(line.raw):
            found += 1
            assert phone.startswith(year.manifest.phone_prefix.encode())
        if phone_of := line.body.get("caller_phone") or line.body.get("reporter_phone"):
            owners.setdefault(phone_of, set()).add(line.body.get("caller_name") or line.body["reporter"])
        if tag := re.search(r"#报警电话:(\d+)#", line.body.get("事件描述", "")):
            owners.setdefault(tag[1], set()).add(line.body["报警人"])
    assert found > 15_000
    assert all(len(names) == 1 for names in owners.values())


def test_points_lie_near_their_community_or_at_sea(year: Written, demo: Profile) -> None:
    communities = {row["upstream_id"]: row["community"] for row in year.truth}
    checked, at_sea, without = 0, 0, 0
    for line in year.lines:
        if not line.is_report or "MsgId" in line.body:
            continue
        lon = line.body.get("lng", line.body.get("经度"))
        lat = line.body.get("lat", line.body.get("纬度"))
        gcj = line.body["message"] == "order"
        if lon is None or lat is None:
            without += 1
            continue
        if community := demo.communities.get(communities[line.case]):
            centre = (community.lon, community.lat)
            assert metres(gcj02(*centre) if gcj else centre, (lon, lat)) < 110
            checked += 1
        else:
            at_sea += 1
            assert all(metres(gcj02(c.lon, c.lat), (lon, lat)) > 2000 for c in demo.communities.values())
    assert checked > 15_000
    assert 3 <= at_sea < 50
    assert without > 3000


def test_a_wechat_text_tells_its_kind_and_names_its_community_and_no_other(year: Written, demo: Profile) -> None:
    truth = {row["upstream_id"]: row for row in year.truth}
    read = 0
    for line in year.lines:
        text = line.body.get("Content") or line.body.get("Recognition")
        if not text:
            continue
        row = truth[line.case]
        kinds = [kind for kind, m in demo.matters.items() if any(word in text for word in m.keywords)]
        assert kinds == [row["matter_kind"]]
        own = demo.communities[row["community"]].name if row["community"] else ""
        assert own in text
        names = [c.name.removesuffix("社区") for c in demo.communities.values()]
        assert [name for name in names if name in text and name not in own] == []
        read += 1
    assert read > 1500


def test_a_report_without_a_place_names_no_community(year: Written, demo: Profile) -> None:
    lost = {row["upstream_id"] for row in year.truth if not row["community"]}
    names = [c.name.removesuffix("社区") for c in demo.communities.values()]
    told = [
        line.body["title"] + line.body["content"] + line.body["address"]
        for line in year.orders()
        if line.case in lost and len(line.body["admin_code"]) == 9
    ]
    assert len(told) > 100
    assert [text for text in told if any(name in text for name in names)] == []


def test_the_manifest_counts_what_was_written(year: Written) -> None:
    manifest = json.loads((year.folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["made_up"] is True
    assert manifest["files"] == dict(sorted(Counter(line.path for line in year.lines).items()))
    lines = Counter(line.raw for line in year.lines)
    replays = sum(lines.values()) - len(lines)
    assert replays == sum(manifest["replays"].values()) > 50
    assert len(year.matters()) == manifest["matters"]
    alarms = [line for line in year.lines if is_video(line.path)]
    beats = [line for line in alarms if line.body.get("eventType") in ("videoloss", "heartBeat")]
    assert len(alarms) - len(beats) - manifest["replays"]["alarm"] == manifest["alarms"]
    assert len(beats) == manifest["ignored"]["heartbeat"]
    assert sum(line.body.get("MsgType") == "event" for line in year.lines) == manifest["ignored"]["event"]


def test_a_rainy_evening_brings_a_storm_of_alarms_in_few_episodes(year: Written) -> None:
    days = Counter((line.at + 28_800_000) // 86_400_000 for line in year.lines if is_video(line.path))
    (_, most), (_, second) = days.most_common(2)
    assert most > 2000
    assert second > 1000
    assert most + second == pytest.approx(4000, rel=0.1)
    assert year.manifest.alarm_episodes < 0.15 * year.manifest.alarms


def test_cases_have_full_lives(year: Written) -> None:
    steps = Counter(line.body.get("pso_caption") for line in year.lines)
    assert all(steps[name] > 30 for name in ("退单", "改派", "延期", "重办", "评价", "督办"))
    nodes = Counter(line.body.get("node") for line in year.lines)
    assert all(nodes[name] > 5 for name in ("核实", "立案", "返工", "延期", "挂账", "作废"))
    closed = {line.case for line in year.lines if {"结案", "归档", "close"} & {*map(str, line.body.values())}}
    assert 0.95 < len(closed) / 26_700 < 0.998


def test_a_folder_that_holds_something_is_refused(demo: Profile, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep", encoding="utf-8")
    with pytest.raises(FileExistsError, match="not empty"):
        write_sample(demo, tmp_path, reports=10)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_more_appeals_than_the_communities_can_bear_are_refused(demo: Profile, tmp_path: Path) -> None:
    code = "370212001001"
    one = replace(demo, communities={code: demo.communities[code]})
    with pytest.raises(ProfileError, match="too few communities"):
        write_sample(one, tmp_path / "out", reports=5000)


def test_a_template_that_tells_another_kind_is_refused(tmp_path: Path) -> None:
    for path in DEMO.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    told = (tmp_path / "sample.toml").read_text(encoding="utf-8")
    (tmp_path / "sample.toml").write_text(told.replace("夜里唱歌扰民", "夜里唱歌扰民还放鞭炮"), encoding="utf-8")
    with pytest.raises(ProfileError, match="keywords of noise only"):
        write_sample(load_profile(tmp_path), tmp_path / "out", reports=10)


def test_progress_is_told_up_to_the_end(demo: Profile, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    write_sample(demo, tmp_path / "out", reports=1100, progress=lambda done, of: told.append((done, of)))
    assert told == [(500, 1100), (1000, 1100), (1100, 1100)]
