"""The lists of a profile that change while the hub runs."""

import logging
import os
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from profiles import Profile, load_profile
from streams.classify import ModelError
from streams.reload import ListWatch, ModelWatch
from streams.routing import Router
from tests.profiles.test_profile import copy_of_demo
from tests.streams.make import report
from tests.streams.test_classify import MODEL, told, with_parts


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


# -- the classifier's model ----------------------------------------------------------------------------------------------


@pytest.fixture
def modelled(profile: Profile) -> Profile:
    MODEL.save(profile.folder / "kinds.npz")
    return replace(profile, classifier="kinds.npz")


def put(profile: Profile, **changes: object) -> None:
    """Another model in place of the one there, by renaming."""
    path, other = profile.folder / "kinds.npz", profile.folder / "new.npz"
    MODEL.save(other)
    with_parts(other, told=told(other, **changes))
    before = path.stat().st_mtime_ns
    os.utime(other, ns=(before + 10**9, before + 10**9))
    other.rename(path)


def models(result: str) -> float:
    return REGISTRY.get_sample_value("zhishu_reloaded_models_total", {"result": result}) or 0.0


def test_a_profile_without_a_model_has_none_to_watch(profile: Profile) -> None:
    watch = ModelWatch(profile)
    assert (watch.classifier, watch.reloaded(profile)) == (None, False)


def test_a_changed_model_is_taken_once_and_told(modelled: Profile, caplog: pytest.LogCaptureFixture) -> None:
    watch, taken = ModelWatch(modelled), models("taken")
    assert not watch.reloaded(modelled)
    put(modelled, threshold=0.123, data_sha256="abcdef" * 8)
    with caplog.at_level(logging.INFO):
        assert watch.reloaded(modelled)
    assert watch.classifier is not None
    assert watch.classifier.threshold == 0.123
    assert "abcdef" in caplog.text
    assert models("taken") == taken + 1
    assert not watch.reloaded(modelled)


@pytest.mark.parametrize("changes", [{"version": 99}, {"classes": ["nothing", "of", "this"]}])
def test_a_model_that_cannot_be_used_leaves_the_old_one_in_force_and_is_told_once(
    modelled: Profile, changes: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    watch, refused = ModelWatch(modelled), models("refused")
    before = watch.classifier
    put(modelled, **changes)
    assert not watch.reloaded(modelled)
    assert not watch.reloaded(modelled)
    assert watch.classifier is before
    assert models("refused") == refused + 1
    assert "is not taken" in caplog.text
    put(modelled, threshold=0.321)
    assert watch.reloaded(modelled)


def test_a_model_file_that_is_gone_for_a_moment_changes_nothing(modelled: Profile) -> None:
    watch, path = ModelWatch(modelled), modelled.folder / "kinds.npz"
    before = watch.classifier
    path.rename(path.with_suffix(".away"))
    assert not watch.reloaded(modelled)
    assert watch.classifier is before
    path.with_suffix(".away").rename(path)
    assert watch.reloaded(modelled)


def test_a_model_that_cannot_be_used_at_the_start_is_an_error(modelled: Profile) -> None:
    (modelled.folder / "kinds.npz").write_bytes(b"no model")
    with pytest.raises(ModelError):
        ModelWatch(modelled)
