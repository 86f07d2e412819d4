"""Playing a file: requests of bounded size, at most a second's worth at a rate, and answers counted for what they say."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.play import Answer, Played, PlayError, _batches, _count, requests


@given(st.lists(st.binary(min_size=1, max_size=30)), st.integers(1, 10), st.integers(1, 100))
def test_batches_keep_order_and_bounds(items: list[bytes], most: int, max_bytes: int) -> None:
    found = list(_batches(items, most, max_bytes))
    assert [item for batch in found for item in batch] == items
    for batch in found:
        assert len(batch) <= most
        assert len(batch) == 1 or sum(len(item) + 1 for item in batch) <= max_bytes


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


FILES: dict[str, Callable[[Path], Path]] = {
    "a.ndjson": lambda f: write(f / "a.ndjson", "\n".join(json.dumps({"n": n}) for n in range(10)) + "\n\n"),
    "a.xml": lambda f: write(f / "a.xml", "".join(f"<xml>{n}</xml>\n" for n in range(10))),
    "a.json": lambda f: write(f / "a.json", json.dumps([{"n": n} for n in range(10)])),
    "a.csv": lambda f: write(f / "a.csv", "n,text\n" + "".join(f'{n},"zwei\nZeilen"\n' for n in range(10))),
}


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_kind_of_file_is_cut_into_requests_within_the_limit(tmp_path: Path, name: str) -> None:
    found = list(requests(FILES[name](tmp_path), 60, 3))
    assert sum(request.messages for request in found) == 10
    assert all(request.messages <= 3 for request in found)
    assert all(len(request.body) <= 60 or request.messages == 1 for request in found)
    if name == "a.csv":
        assert all(request.body.startswith(b"n,text\r\n") for request in found)


def test_a_json_file_of_one_object_is_one_message(tmp_path: Path) -> None:
    (found,) = requests(write(tmp_path / "one.json", '{"n": 1, "m": 2}'), 1000)
    assert json.loads(found.body) == {"n": 1, "m": 2}
    assert found.messages == 1


def test_a_file_of_another_kind_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(PlayError, match=r"a\.doc: a feed file ends in"):
        list(requests(tmp_path / "a.doc", 1000))


@pytest.mark.parametrize(
    ("answer", "counts"),
    [
        (Answer(200, '{"accepted": 1, "ids": ["x"]}', ""), (1, 0, 0)),
        (Answer(200, '{"accepted": 0, "ignored": 1, "ids": []}', ""), (0, 0, 1)),
        (
            Answer(
                207, '{"accepted":1,"refused":1,"ignored":0,"outcomes":[{"status":"refused","code":"bad_time"}]}', ""
            ),
            (1, 1, 0),
        ),
        (Answer(422, '{"code": "bad_time", "reason": "x"}', ""), (0, 2, 0)),
        (Answer(422, '{"code":"bad_time","accepted":0,"refused":2,"ignored":0,"outcomes":[]}', ""), (0, 2, 0)),
        (Answer(500, "not json", ""), (0, 2, 0)),
        (Answer(200, "success", "accepted"), (2, 0, 0)),
        (Answer(200, "success", "ignored"), (0, 0, 2)),
        (Answer(200, "success", "refused"), (0, 2, 0)),
    ],
)
def test_an_answer_is_counted_for_what_it_says(answer: Answer, counts: tuple[int, int, int]) -> None:
    played = Played()
    _count(played, answer, 2)
    assert (played.accepted, played.refused, played.ignored) == counts
