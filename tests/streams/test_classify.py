"""The category model at run time: what it reads, what a damaged file says, whose word rules."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.labelled import Labelled
from hub.train import train
from profiles import ProfileError, load_profile
from streams.classify import READ, Classified, Classifier, ModelError, classifier_of, kind_of, words_of
from streams.routing import RoutedKind
from tests.streams.make import PROFILE, report

#: Made up.
SAID = {
    "street_light": ("路灯不亮", "路灯坏了没人修", "晚上路灯一直闪", "巷子里没有路灯", "路灯杆倒了"),
    "stray_dog": ("流浪狗咬人", "遛狗不拴绳", "邻居的狗整夜叫", "小区里有大狗", "狗在楼道里撒尿"),
    "wages": ("工地拖欠工资", "老板不发工资", "工资欠了三个月", "农民工讨薪", "离职后工资没结清"),
}
PLACES = ("拟海花园", "虚岭路", "示范广场", "幻山小区", "假日公园", "空港大街")
ROWS = [
    (kind, f"{place}{words}", f"{words}，请到{place}看看") for kind in SAID for words in SAID[kind] for place in PLACES
]
MODEL = train(Labelled([(title, content) for _, title, content in ROWS], [kind for kind, _, _ in ROWS]), accuracy=0.8)


def saved(folder: Path) -> Path:
    path = folder / "kinds.npz"
    MODEL.save(path)
    return path


def with_parts(path: Path, **changes: object) -> None:
    """The file with some of its arrays changed."""
    with np.load(path) as data:
        parts = {name: data[name] for name in data.files}
    np.savez_compressed(path, **(parts | changes))


def told(path: Path, **changes: object) -> np.ndarray:
    with np.load(path) as data:
        return np.frombuffer(json.dumps(json.loads(data["told"].tobytes()) | changes).encode(), dtype=np.uint8)


def test_texts_like_those_it_learned_from_are_told_with_confidence() -> None:
    assert MODEL.predict("模拟新村路灯坏了", "门口的路灯不亮，走路害怕").kind == "street_light"
    assert MODEL.predict("", "老板欠我们工资").kind == "wages"
    assert 1 / 3 < MODEL.predict("", "有人遛狗不拴绳子").confidence <= 1


def test_traditional_and_full_width_letters_read_as_their_plain_ones() -> None:
    assert MODEL.predict("", "拖欠ＡＢ工資，農民工討薪") == MODEL.predict("", "拖欠ab工资，农民工讨薪")


@pytest.mark.parametrize("text", ["", " \n\t", "😀🚧🔥", "\x00\x00", "？！……", "\ud800\udfff", "鐨勮矾鐏潖浜�锟斤拷"])
def test_a_text_that_holds_nothing_known_has_no_kind(text: str) -> None:
    assert MODEL.predict(text, text) == Classified("", 0.0)


def test_what_stands_behind_the_part_that_is_read_changes_nothing() -> None:
    start = "路灯坏了" * (READ // 4)
    assert MODEL.predict("", start + "拖欠工资" * 250_000) == MODEL.predict("", start)


@given(st.text(max_size=300), st.text(max_size=3000))
def test_any_text_gets_a_class_of_the_model_and_a_share_or_neither(title: str, content: str) -> None:
    kind, confidence = MODEL.predict(title, content)
    assert (kind in MODEL.told.classes and 0 < confidence <= 1) or (kind, confidence) == ("", 0.0)
    assert MODEL.predict(title, content) == (kind, confidence)


@given(st.lists(st.sampled_from([words for kind in SAID.values() for words in kind] + list(PLACES))))
def test_a_model_gives_the_same_answers_after_it_was_saved_and_loaded(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "same.npz"
    if not path.exists():
        MODEL.save(path)
    assert Classifier.load(path).predict("", "，".join(parts)) == MODEL.predict("", "，".join(parts))


def test_a_loaded_model_tells_its_figures_and_the_data_it_came_from(tmp_path: Path) -> None:
    loaded = Classifier.load(saved(tmp_path)).told
    assert loaded == MODEL.told
    assert loaded.texts == len(ROWS)
    assert len(loaded.data_sha256) == 64


def test_a_model_file_holds_no_pickle_and_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    path = saved(tmp_path)
    first = path.read_bytes()
    MODEL.save(path)
    assert path.read_bytes() == first
    with np.load(path, allow_pickle=False) as data:
        assert all(data[name].dtype != object for name in data.files)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"there is no model file .*zhishu train"):
        Classifier.load(tmp_path / "none.npz")


def test_a_damaged_file_is_refused_wherever_it_was_cut(tmp_path: Path) -> None:
    path = saved(tmp_path)
    whole = path.read_bytes()
    for size in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ModelError, match=r"kinds\.npz is no model file, or is damaged"):
            Classifier.load(path)


@pytest.mark.parametrize("garbage", [b"kind,text\n", b"\x80\x04\x95pickle", b"\x93NUMPY\x01\x00"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, garbage: bytes) -> None:
    path = tmp_path / "other.npz"
    path.write_bytes(garbage)
    with pytest.raises(ModelError, match=r"other\.npz is no model file, or is damaged"):
        Classifier.load(path)


def test_a_pickle_in_a_model_file_is_not_opened(tmp_path: Path) -> None:
    path = saved(tmp_path)
    with_parts(path, table=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ModelError, match="no model file"):
        Classifier.load(path)


def test_a_model_of_another_version_or_with_tables_that_do_not_fit_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path)
    with_parts(path, told=told(path, version=99))
    with pytest.raises(ModelError, match="version 99"):
        Classifier.load(path)
    path = saved(tmp_path)
    with_parts(path, idf=np.zeros(3, dtype=np.float32))
    with pytest.raises(ModelError, match="do not fit together"):
        Classifier.load(path)


def test_a_profile_that_names_no_model_has_none() -> None:
    assert classifier_of(PROFILE) is None


def test_a_profile_names_its_model_in_profile_toml(tmp_path: Path) -> None:
    folder = tmp_path / "county"
    shutil.copytree(PROFILE.folder, folder)
    saved(folder)
    with (folder / "profile.toml").open("a", encoding="utf-8") as file:
        file.write('\n[classifier]\nfile = "kinds.npz"\n')
    found = classifier_of(load_profile(folder))
    assert found is not None
    assert found.told == MODEL.told


def test_a_model_whose_classes_are_no_kinds_of_the_profile_is_refused_by_name(tmp_path: Path) -> None:
    saved(tmp_path)
    matters = {kind: matter for kind, matter in PROFILE.matters.items() if kind != "wages"}
    with pytest.raises(ProfileError, match=r"kinds\.npz knows classes .*: wages;"):
        classifier_of(replace(PROFILE, folder=tmp_path, classifier="kinds.npz", matters=matters))


def test_the_sources_code_rules_over_keywords_and_these_over_the_model() -> None:
    text = {"title": "路灯坏了", "content": "路灯不亮"}
    coded = report(matter_kind="noise", kind_code="demo/t/event/1", **text)
    assert kind_of(coded, MODEL) == RoutedKind("noise", "source")
    assert kind_of(report(matter_kind="noise", kind_code=None, **text), MODEL) == RoutedKind("noise", "keywords")
    asked = kind_of(report(matter_kind="", kind_code=None, **text), MODEL)
    assert asked is not None
    assert (asked.kind, asked.by) == ("street_light", "model")
    coarse = kind_of(report(matter_kind="", kind_code="demo/t/event/2", **text), MODEL)
    assert coarse == asked


def test_a_model_is_sure_from_its_threshold_on() -> None:
    said = report(matter_kind="", kind_code=None, title="路灯坏了", content="路灯不亮")
    confidence = MODEL.predict(said["title"], said["content"]).confidence
    for threshold, sure in ((confidence, True), (confidence + 0.0001, False), (1.01, False)):
        model = Classifier(replace(MODEL.told, threshold=threshold), MODEL.model, MODEL.scale)
        assert kind_of(said, model) == RoutedKind("street_light", "model", confidence, sure)


def test_nobody_tells_the_kind_of_an_alarm_or_of_nothing_known_or_without_a_model() -> None:
    blank = report(matter_kind="", kind_code=None, title="路灯坏了", content="路灯不亮")
    assert kind_of(blank, None) is None
    assert kind_of({**blank, "appeal_type": "alarm"}, MODEL) is None
    assert kind_of({**blank, "title": "", "content": "……"}, MODEL) is None


def test_words_are_those_of_the_pinned_dictionary_without_punctuation() -> None:
    assert words_of("路灯坏了", "請來修理！ＡＢＣ") == ["路灯", "坏", "了", "请来", "修理", "abc"]
