"""Playing a file: requests of bounded size, at most a second's worth at a rate, and answers counted for what they say."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import wechat, wechat_crypto
from connectors.auth import ChannelSecret, check_wechat
from hub.play import Answer, Played, PlayError, Request, _batches, _count, as_wechat, requests


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
        (Answer(200, "<xml><Encrypt>x</Encrypt></xml>", "accepted"), (2, 0, 0)),
        (Answer(200, '{"Encrypt": "x"}', "accepted"), (2, 0, 0)),
        (Answer(401, '{"code": "bad_signature", "reason": "x"}', "refused"), (0, 2, 0)),
    ],
)
def test_an_answer_is_counted_for_what_it_says(answer: Answer, counts: tuple[int, int, int]) -> None:
    played = Played()
    _count(played, answer, 2)
    assert (played.accepted, played.refused, played.ignored) == counts


KEY = "zhishuMadeUpEncodingAESKey0123456789abcdefg"
TOKEN = "a-made-up-token"
PLAIN = ChannelSecret(token=TOKEN)
SAFE = ChannelSecret(token=TOKEN, aes_keys=(KEY,), app_id="wx0000madeup000001")
XML = "<xml><ToUserName>gh_madeup</ToUserName><MsgType>text</MsgType><Content>路灯不亮</Content></xml>".encode()
JSON = '{"ToUserName":"gh_madeup","MsgType":"text","Content":"路灯不亮"}'.encode()


@pytest.mark.parametrize("body", [XML, JSON, b"no message"])
def test_a_wechat_message_is_signed_and_in_safe_mode_encrypted(body: bytes) -> None:
    sent, query = as_wechat(PLAIN, Request(body, "text/xml", 1))
    assert sent == body
    check_wechat(TOKEN, query["timestamp"], query["nonce"], query["signature"])
    assert "msg_signature" not in query
    sent, query = as_wechat(SAFE, Request(body, "text/xml", 1))
    check_wechat(TOKEN, query["timestamp"], query["nonce"], query["signature"])
    outer = wechat.read_fields(sent, "text/xml")
    assert wechat.is_json(sent) == wechat.is_json(body)
    wechat_crypto.check(SAFE, outer["Encrypt"], query)
    assert wechat_crypto.decrypt(SAFE, outer["Encrypt"]) == (body, KEY)


def test_a_letter_that_is_encrypted_already_is_signed_anew_and_sent_as_it_is() -> None:
    sealed, _ = as_wechat(SAFE, Request(XML, "text/xml", 1))
    for secret in (PLAIN, SAFE):
        sent, query = as_wechat(secret, Request(sealed, "text/xml", 1, replay_count=1))
        assert sent == sealed
        wechat_crypto.check(secret, wechat.read_fields(sent, "text/xml")["Encrypt"], query)
