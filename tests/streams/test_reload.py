"""The lists of a profile that change while the hub runs."""

import logging
import os
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from profiles import Profile, load_profile
from streams.reload import ListWatch
from streams.routing import Router
from tests.profiles.test_profile import copy_of_demo
from tests.streams.make import report


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    return load_profile(copy_of_demo(tmp_path))


def change(path: Path, old: str, new: str) -> None:
    """Another content by renaming, with a time of its own whatever the file system's resolution."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    other = path.with_suffix(".new")
    other.write_text(text.replace(old, new, 1), encoding="utf-8")
    before = path.stat().st_mtime_ns
    os.utime(other, ns=(before + 10**9, before + 10**9))
    other.rename(path)


def counted(result: str) -> float:
    return REGISTRY.get_sample_value("zhishu_reloaded_lists_total", {"result": result}) or 0.0


def test_nothing_is_read_again_while_nothing_changes(profile: Profile) -> None:
    watch = ListWatch(profile)
    assert watch.reloaded(profile) is None
    os.utime(profile.folder / "responsibility.csv")  # touched, same content
    assert watch.reloaded(profile) is None


def test_a_changed_list_routes_from_then_on_and_names_its_content(profile: Profile) -> None:
    watch, taken = ListWatch(profile), counted("taken")
    change(profile.folder / "responsibility.csv", "R0001,noise,*,*,zhifa", "R0001,noise,*,*,zhujian")
    new = watch.reloaded(profile)
    assert new is not None
    somewhere = report(street_code=None, community_code=None)
    before, after = Router(profile).route(somewhere), Router(new).route(somewhere)
    assert (before.agency_code, after.agency_code) == ("zhifa", "zhujian")
    assert before.list_version != after.list_version
    assert counted("taken") == taken + 1
    assert watch.reloaded(new) is None


def test_a_list_that_changed_under_the_same_version_is_told(profile: Profile, caplog: pytest.LogCaptureFixture) -> None:
    watch = ListWatch(profile)
    change(profile.folder / "responsibility.csv", "5 work_day", "6 work_day")
    with caplog.at_level(logging.WARNING):
        assert watch.reloaded(profile) is not None
    assert f"under the same list_version {profile.list_version}" in caplog.text


def test_a_broken_list_leaves_the_old_one_in_force_and_is_told_once_with_its_lines(
    profile: Profile, caplog: pytest.LogCaptureFixture
) -> None:
    watch, refused = ListWatch(profile), counted("refused")
    path = profile.folder / "responsibility.csv"
    change(path, "R0001,noise,*,*,zhifa", "R0001,noise,*,*,nobody")
    with caplog.at_level(logging.ERROR):
        assert watch.reloaded(profile) is None
        assert watch.reloaded(profile) is None
    assert caplog.text.count("responsibility.csv, line 2: agencies.csv has no agency nobody") == 1
    assert counted("refused") == refused + 1
    change(path, "R0001,noise,*,*,nobody", "R0001,noise,*,*,zhujian")
    assert watch.reloaded(profile) is not None


@pytest.mark.parametrize("name", ["agencies.csv", "profile.toml"])
def test_a_file_that_is_gone_for_a_moment_changes_nothing(profile: Profile, name: str) -> None:
    watch, path = ListWatch(profile), profile.folder / name
    path.rename(path.with_suffix(".away"))
    assert watch.reloaded(profile) is None
    path.with_suffix(".away").rename(path)
    found = watch.reloaded(profile)
    assert found is None or found.list_hash == profile.list_hash


def test_limits_of_cases_are_read_again_too(profile: Profile) -> None:
    watch = ListWatch(profile)
    change(profile.folder / "profile.toml", 'return_within = "2 work_day"', 'return_within = "1 work_day"')
    new = watch.reloaded(profile)
    assert new is not None
    assert new.cases.return_within == "1 work_day"
    assert new.communities is profile.communities


def test_a_change_between_loading_and_watching_is_not_missed(profile: Profile) -> None:
    change(profile.folder / "responsibility.csv", "5 work_day", "6 work_day")
    watch = ListWatch(profile)
    new = watch.reloaded(profile)
    assert new is not None
    assert new.list_hash != profile.list_hash
    assert watch.reloaded(new) is None
