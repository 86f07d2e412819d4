"""Dead letters are listed, kept from readers, and played again once their cause is mended."""

from datetime import UTC, datetime

import pytest
from confluent_kafka import Producer

from hub.deadletters import ReplayError, read_letters, replay
from hub.up import Hub
from schemas.codec import Codec
from schemas.ids import digest_id
from schemas.registry import FileRegistry
from schemas.topics import intake_topic
from tests.e2e.hubs import query, settle, url, wait_until
from tests.e2e.test_bad_input import WECHAT, post

pytestmark = pytest.mark.e2e
CODEC = Codec(FileRegistry())
SEALED_ELSEWHERE = "it is sealed with the key seal-of-last-year: give the secrets file that has it"


def poison(hub: Hub, value: bytes) -> None:
    """A value that no worker can read, written as a source with Kafka would."""
    producer = Producer({"bootstrap.servers": hub.settings.kafka_bootstrap})
    producer.produce(intake_topic("other"), value, b"370212001")
    assert producer.flush(30) == 0


def test_a_letter_that_fails_again_comes_back_with_a_higher_count_and_one_that_is_mended_does_not(played: Hub) -> None:
    bootstrap = str(played.settings.kafka_bootstrap)
    poison(played, b"no avro")
    status, _ = post(played, "demo-wechat", WECHAT.format(time=1757643068, id="no-digits").encode(), "text/xml")
    assert status == 200
    wait_until(
        lambda: any(x.record["original"] == b"no avro" for x in read_letters(bootstrap, CODEC)),
        "the poison has its letter",
    )
    before = [x.record for x in read_letters(bootstrap, CODEC)]
    connector = [r for r in before if r["stage"] == "connector"]
    assert connector
    assert all(r["sealed_key_id"] for r in connector)
    assert not any(b"oDEMO" in r["original"] for r in connector)

    answers = replay(bootstrap, url(played), CODEC, played.profile, played.secrets)
    assert answers.played.messages == len(before)
    assert answers.skipped == {}
    wait_until(
        lambda: any(x.record["replay_count"] == 1 for x in read_letters(bootstrap, CODEC)),
        "the poison comes back, counted",
    )
    again = [x.record for x in read_letters(bootstrap, CODEC)]
    assert b"no avro" in [r["original"] for r in again if r["stage"] == "worker" and r["replay_count"] == 1]
    assert all(r["replay_count"] > 0 for r in again)
    assert settle(played).good


def test_a_mended_letter_becomes_a_report(played: Hub) -> None:
    bootstrap = str(played.settings.kafka_bootstrap)
    now = int(datetime.now(UTC).timestamp())
    message = WECHAT.format(time=now - 60, id="880088").encode()
    # Sealed as the gateway seals it, but for a message that is good now: the cause is mended.
    privacy = played.secrets.privacy()
    identity = digest_id("connector", "demo-wechat", "mended")
    letter = {
        "dead_letter_id": identity,
        "stage": "connector",
        "feed": "wechat",
        "channel": "demo-wechat",
        "origin_topic": None,
        "origin_partition": None,
        "origin_offset": None,
        "reason_code": "unknown_code",
        "reason": "made for this test",
        "failed_at": now * 1000,
        "key": None,
        "content_type": "text/xml",
        "original": privacy.seal(message, identity),
        "sealed_key_id": privacy.seal_key_id,
        "replay_count": 0,
    }
    producer = Producer({"bootstrap.servers": bootstrap})
    producer.produce("deadletter", CODEC.encode("dead_letter", letter), b"demo-wechat")
    assert producer.flush(30) == 0

    answers = replay(bootstrap, url(played), CODEC, played.profile, played.secrets, frozenset({identity}))
    assert (answers.played.accepted, answers.played.refused) == (1, 0)
    wait_until(
        lambda: query(played, "SELECT count() FROM hub.routed FINAL WHERE upstream_id = '880088'") == [(1,)],
        "the mended message is a report",
    )
    # Once more by its id: the very same message, counted once.
    replay(bootstrap, url(played), CODEC, played.profile, played.secrets, frozenset({identity}))
    assert settle(played).good
    assert query(played, "SELECT count() FROM bi.reports WHERE upstream_id = '880088'") == [(1,)]


def test_a_letter_whose_original_was_not_kept_says_so_instead_of_being_sent(played: Hub) -> None:
    bootstrap = str(played.settings.kafka_bootstrap)
    now = int(datetime.now(UTC).timestamp())
    identity = digest_id("connector", "demo-police", "not kept")
    letter = {
        "dead_letter_id": identity,
        "stage": "connector",
        "feed": "police110",
        "channel": "demo-police",
        "origin_topic": None,
        "origin_partition": None,
        "origin_offset": None,
        "reason_code": "forbidden_class",
        "reason": "made for this test",
        "failed_at": now * 1000,
        "key": None,
        "content_type": "application/json",
        "original": b"",
        "sealed_key_id": None,
        "replay_count": 0,
    }
    producer = Producer({"bootstrap.servers": bootstrap})
    producer.produce("deadletter", CODEC.encode("dead_letter", letter), b"demo-police")
    assert producer.flush(30) == 0

    answers = replay(bootstrap, url(played), CODEC, played.profile, played.secrets)
    assert answers.skipped == {identity: "its original was not kept (forbidden_class): there is nothing to send again"}


def test_an_unknown_id_is_an_error_that_says_where_to_look(played: Hub) -> None:
    with pytest.raises(ReplayError, match="deadletter list --all"):
        replay(
            str(played.settings.kafka_bootstrap),
            url(played),
            CODEC,
            played.profile,
            played.secrets,
            frozenset({"none"}),
        )


def test_analysts_see_why_but_not_what(played: Hub) -> None:
    columns = query(played, "SELECT name FROM system.columns WHERE database = 'bi' AND table = 'dead_letters'")
    assert ("reason_code",) in columns
    assert ("original",) not in columns


def test_a_letter_under_another_key_is_told_and_keeps_no_other_back(played: Hub) -> None:
    bootstrap = str(played.settings.kafka_bootstrap)
    producer = Producer({"bootstrap.servers": bootstrap})
    producer.produce("deadletter", b"foreign", b"x")
    for name, key_id in (("old", "seal-of-last-year"), ("fine", None)):
        letter = {
            "dead_letter_id": digest_id("worker", name),
            "stage": "worker",
            "feed": "other",
            "channel": None,
            "origin_topic": intake_topic("other"),
            "origin_partition": 0,
            "origin_offset": 10**12,  # of no record: the account of offsets must stay true
            "reason_code": "bad_record",
            "reason": "made for this test",
            "failed_at": 1757643068000,
            "key": b"370212001",
            "content_type": None,
            "original": name.encode(),
            "sealed_key_id": key_id,
            "replay_count": 4,
        }
        producer.produce("deadletter", CODEC.encode("dead_letter", letter), name.encode())
    assert producer.flush(30) == 0
    result = replay(bootstrap, url(played), CODEC, played.profile, played.secrets)
    assert result.skipped == {digest_id("worker", "old"): SEALED_ELSEWHERE}
    wait_until(
        lambda: (
            [x.record["replay_count"] for x in read_letters(bootstrap, CODEC) if x.record["original"] == b"fine"] == [5]
        ),
        "the other letter was sent, and came back counted",
    )
