"""Training a category model, and how `zhishu eval route` judges one."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.evaluate_route import evaluate_files, evaluate_splits
from hub.labelled import Labelled, read_labelled
from hub.tables import TableError
from hub.train import TrainingError, folds_of, macro_f1, threshold_for, train
from tests.hub.test_cli import zhishu

#: Made up.
SAID = {
    "路灯": ("不亮", "坏了没人修", "一直闪", "杆子倒了", "太暗"),
    "流浪狗": ("咬人", "整夜叫", "在楼道里", "追着孩子跑", "没人管"),
}
PLACES = ("拟海花园", "虚岭路", "示范广场", "幻山小区", "假日公园", "空港大街")
ROWS = [(f"{place}的{what}{how}", what) for what in SAID for how in SAID[what] for place in PLACES]


def written(path: Path, rows: list[tuple[str, str]], header: str = "text,kind") -> Path:
    path.write_text("\n".join([header, *(",".join(row) for row in rows)]), encoding="utf-8")
    return path


def labelled(rows: list[tuple[str, str]]) -> Labelled:
    return Labelled([("", text) for text, _ in rows], [kind for _, kind in rows])


def test_the_order_of_the_rows_does_not_matter(tmp_path: Path) -> None:
    mixed = ROWS[::-1]
    files = []
    for name, rows in (("one", ROWS), ("other", mixed)):
        files.append(tmp_path / f"{name}.npz")
        train(labelled(rows)).save(files[-1])
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_changed_label_is_another_training_set() -> None:
    changed = [(ROWS[0][0], "流浪狗"), *ROWS[1:]]
    assert train(labelled(changed)).told.data_sha256 != train(labelled(ROWS)).told.data_sha256


def test_many_classes_and_two_are_learned_alike() -> None:
    three = [*ROWS, *((f"{place}{how}", "欠薪") for place in PLACES for how in ("拖欠工资", "不发工资", "讨薪"))]
    for rows in (ROWS, three):
        model = train(labelled(rows))
        assert all(model.predict("", text).kind == kind for text, kind in rows)
        assert model.told.cv_macro_f1 > 0.9


@pytest.mark.parametrize(
    "rows", [[], ROWS[:3], [*ROWS[:3], ("狗叫", "流浪狗")], [("", "路灯"), ("", "路灯"), *ROWS[-2:]]]
)
def test_too_few_rows_are_refused(rows: list[tuple[str, str]]) -> None:
    with pytest.raises(TrainingError, match="two classes at least, and two texts of each"):
        train(labelled(rows))


def test_without_scikit_learn_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.svm", None)
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(TrainingError, match=r"pip install '\.\[train\]'"):
        train(labelled(ROWS))


@given(
    st.lists(st.tuples(st.integers(0, 100), st.booleans()), min_size=1, max_size=300),
    st.sampled_from((0.8, 0.9, 0.97)),
)
def test_what_is_at_or_above_the_threshold_keeps_the_accuracy(rows: list[tuple[int, bool]], accuracy: float) -> None:
    confidence, right = np.array([at / 100 for at, _ in rows]), np.array([so for _, so in rows])
    sure = confidence >= threshold_for(confidence, right, accuracy)
    assert not sure.any() or right[sure].mean() >= accuracy


def test_the_threshold_is_the_lowest_that_keeps_the_accuracy() -> None:
    confidence = np.repeat([0.9, 0.8, 0.7], 100)
    right = np.concatenate((np.ones(200), np.zeros(100))).astype(bool)
    assert threshold_for(confidence, right, 0.97) == 0.8
    assert threshold_for(confidence, ~right, 0.97) > 1


def test_macro_f1_counts_each_class_alike() -> None:
    expected, told = np.array([*"aaab"]), np.array([*"aaba"])
    assert macro_f1(expected, told) == pytest.approx((2 * 2 / 6 + 0) / 2)


@given(st.lists(st.integers(0, 3), min_size=6, max_size=60), st.integers(2, 5), st.integers(0, 9))
def test_every_row_is_outside_of_one_fold_and_classes_are_spread(kinds: list[int], count: int, seed: int) -> None:
    y = np.array(kinds)
    folds = folds_of(y, count, seed)
    assert sorted(at for _, outside in folds for at in outside) == list(range(len(y)))
    for inside, outside in folds:
        assert not set(inside) & set(outside)
        assert len(inside) + len(outside) == len(y)
    for kind in set(kinds):
        sizes = [int(np.sum(y[outside] == kind)) for _, outside in folds]
        assert max(sizes) - min(sizes) <= 1


def test_held_out_thirds_are_judged_by_a_model_of_the_rest(tmp_path: Path) -> None:
    result = evaluate_splits(written(tmp_path / "rows.csv", ROWS), 2, 0.8)
    assert [split["seed"] for split in result["each"]] == [0, 1]
    for split in result["each"]:
        assert split["train"] + split["test"] == len(ROWS)
        assert split["test"] == len(ROWS) // 3
        assert 0 < split["latency_ms"]["p50"] <= split["latency_ms"]["p99"]
    shares = [point["automatic"] for point in result["curve"]]
    assert shares == sorted(shares, reverse=True)
    assert result["min"]["macro_f1"] <= result["mean"]["macro_f1"] <= 1


def test_a_text_the_model_was_taught_wrongly_counts_as_wrong(tmp_path: Path) -> None:
    right, swapped = ROWS, [(text, "路灯" if kind == "流浪狗" else "流浪狗") for text, kind in ROWS]
    learned = written(tmp_path / "train.csv", right, "text,class")
    assert evaluate_files(learned, written(tmp_path / "same.csv", right), 0.8)["accuracy"] == 1
    against = evaluate_files(learned, written(tmp_path / "against.csv", swapped), 0.8)
    assert against["accuracy"] == against["macro_f1"] == 0


def test_every_form_of_a_labelled_file_is_read(tmp_path: Path) -> None:
    both = read_labelled(
        written(tmp_path / "a.csv", [("灯坏", "路灯坏了", "路灯"), ("x", "y", "")], "title,content,kind")
    )
    assert (both.texts, both.kinds) == ([("灯坏", "路灯坏了")], ["路灯"])
    one = read_labelled(written(tmp_path / "b.csv", [("路灯坏了", "路灯")], "text,class"))
    assert (one.texts, one.kinds) == ([("", "路灯坏了")], ["路灯"])
    cut = read_labelled(written(tmp_path / "c.csv", [("路灯 坏", "路灯")], "segmented_text,class"))
    assert cut.words(0) == ["路灯", "坏"]


@pytest.mark.parametrize("text", ["", "text\nx\n", "kind\nx\n", "a,b\n1,2\n"])
def test_a_file_without_text_or_kind_is_refused_with_what_it_needs(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TableError, match=r"needs rows with the columns kind \(or class\) and text"):
        read_labelled(path)


def test_the_command_trains_a_file_and_tells_its_figures(tmp_path: Path) -> None:
    rows, out = written(tmp_path / "rows.csv", ROWS), tmp_path / "model.npz"
    done = zhishu(tmp_path, "train", str(rows), "--out", str(out), "--made-on", "2025-03-01", "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert (figures["texts"], figures["made_on"], figures["bytes"]) == (len(ROWS), "2025-03-01", out.stat().st_size)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["train", "none.csv", "--out", "model.npz"], "none.csv: can't be read"),
        (["eval", "route"], "name either one FILE, or --train FILE and --test FILE"),
        (["eval", "route", "a.csv", "--train", "b.csv"], "name either one FILE"),
    ],
)
def test_a_wrong_call_is_told_in_one_sentence(tmp_path: Path, arguments: list[str], told: str) -> None:
    done = zhishu(tmp_path, *arguments)
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
