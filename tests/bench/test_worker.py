"""What the worker's bench sends."""

from bench.worker import TEXT_LENGTH, messages
from schemas.ids import report_id
from tests.streams.make import CODEC, PROFILE


def test_texts_and_alarms_are_as_many_and_as_long_as_the_target_says() -> None:
    made = messages(PROFILE, texts=300, alarms=2_000)
    texts = [CODEC.report(value) for _, _, value in made["texts"]]
    alarms = [CODEC.report(value) for _, _, value in made["alarms"]]
    assert (len(texts), len(alarms)) == (300, 2_000)
    assert {one["appeal_type"] for one in alarms} == {"alarm"}
    assert all(one["device_id"] for one in alarms)
    assert not any(one["device_id"] for one in texts)
    assert {len(one["content"]) for one in texts} == {TEXT_LENGTH}


def test_each_record_is_one_that_a_worker_takes_and_stands_in_the_order_of_time() -> None:
    for records in messages(PROFILE, texts=300, alarms=2_000).values():
        reports = [CODEC.report(value) for _, _, value in records]
        times = [one["reported_at"] for one in reports]
        assert times == sorted(times)
        assert len({one["report_id"] for one in reports}) == len(reports)
        for (topic, key, _), one in zip(records, reports, strict=True):
            assert topic == f"intake.{one['feed']}"
            assert key == one["place_key"].encode()
            assert one["report_id"] == report_id(one["feed"], one["channel"], one["upstream_id"])
