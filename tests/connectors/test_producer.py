"""The producer and the gateway on a real broker."""

import asyncio
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from connectors import auth
from connectors.auth import ChannelSecret
from connectors.producer import KafkaRecord, KafkaSink, UnavailableError
from hub.kafka_embedded import EmbeddedKafka
from schemas.codec import Codec
from schemas.topics import MAX_RECORD_BYTES
from tests.connectors import make
from tests.connectors.make import NOW, as_json
from tests.connectors.served import gateway

pytestmark = pytest.mark.kafka

KEY = b"a made-up channel key"


def create(broker: EmbeddedKafka, topic: str, partitions: int = 12) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    for future in admin.create_topics([NewTopic(topic, partitions, 1)]).values():
        future.result(30)


# A partition made a moment ago may have no leader yet.
@retry(retry=retry_if_exception_type(KafkaException), stop=stop_after_delay(30), wait=wait_fixed(0.1), reraise=True)
def stored(broker: EmbeddedKafka, topic: str) -> list[tuple[int, bytes, bytes]]:
    """Partition, key and value of everything in a topic."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "reader", "enable.auto.commit": False})
    found: list[tuple[int, bytes, bytes]] = []
    try:
        partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
        ends = {number: consumer.get_watermark_offsets(TopicPartition(topic, number))[1] for number in partitions}
        consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        deadline = time.monotonic() + 30
        while len(found) < sum(ends.values()) and time.monotonic() < deadline:
            for message in consumer.consume(1000, 0.5):
                assert message.error() is None
                found.append((message.partition() or 0, message.key() or b"", message.value() or b""))
    finally:
        consumer.close()
    return found


@pytest.fixture
def lone_broker(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """A broker that the test may stop."""
    with EmbeddedKafka(tmp_path / "kafka") as broker:
        yield broker


def test_every_record_of_a_batch_is_acknowledged_and_read_back(kafka: EmbeddedKafka) -> None:
    create(kafka, "batch")
    records: list[KafkaRecord] = [("batch", f"key-{n % 50}".encode(), f"value-{n}".encode()) for n in range(5000)]
    with KafkaSink(kafka.bootstrap) as sink:
        asyncio.run(sink.send(records))
        found = stored(kafka, "batch")
        assert sorted((key, value) for _, key, value in found) == sorted((key, value) for _, key, value in records)
        assert all(
            len({partition for partition, key, _ in found if key == one}) == 1 for one in {k for _, k, _ in found}
        )
        assert asyncio.run(sink.ready())


def test_a_record_of_the_largest_size_is_taken_however_badly_it_packs(kafka: EmbeddedKafka) -> None:
    create(kafka, "largest")
    value = os.urandom(MAX_RECORD_BYTES)
    with KafkaSink(kafka.bootstrap) as sink:
        asyncio.run(sink.send([("largest", "大".encode() * 69, value)]))
    assert [found for _, _, found in stored(kafka, "largest")] == [value]


def test_keys_land_where_java_puts_them(kafka: EmbeddedKafka) -> None:
    create(kafka, "keys")
    with KafkaSink(kafka.bootstrap) as sink:
        asyncio.run(sink.send([("keys", b"370212001", b"")]))
    (found,) = stored(kafka, "keys")
    assert found[0] == murmur2(b"370212001") % 12


def murmur2(data: bytes) -> int:
    """Kafka's partitioning hash, positive part, as the protocol's documentation of its Java client defines it."""
    m, h = 0x5BD1E995, 0x9747B28C ^ len(data)
    for start in range(0, len(data) // 4 * 4, 4):
        k = int.from_bytes(data[start : start + 4], "little") * m & 0xFFFFFFFF
        k = (k ^ k >> 24) * m & 0xFFFFFFFF
        h = h * m & 0xFFFFFFFF ^ k
    tail = data[len(data) // 4 * 4 :]
    if tail:
        h = (h ^ int.from_bytes(tail, "little")) * m & 0xFFFFFFFF
    h = (h ^ h >> 13) * m & 0xFFFFFFFF
    return (h ^ h >> 15) & 0x7FFFFFFF


def test_batches_sent_at_once_are_told_apart(kafka: EmbeddedKafka) -> None:
    create(kafka, "atonce")

    async def scenario(sink: KafkaSink) -> list[BaseException | None]:
        good = [sink.send([("atonce", b"k", b"v")] * 100) for _ in range(20)]
        bad = sink.send([("atonce", b"k", b"v"), ("no-such-topic", b"k", b"v")])
        return await asyncio.gather(*good, bad, return_exceptions=True)

    with KafkaSink(kafka.bootstrap, timeout_s=5) as sink:
        results = asyncio.run(scenario(sink))
    assert results[:20] == [None] * 20
    assert isinstance(results[20], UnavailableError)


def test_without_a_broker_the_send_ends_within_its_bound(lone_broker: EmbeddedKafka) -> None:
    create(lone_broker, "bound")
    with KafkaSink(lone_broker.bootstrap, timeout_s=2) as sink:
        asyncio.run(sink.send([("bound", b"k", b"before")]))
        lone_broker.stop()
        began = time.monotonic()
        with pytest.raises(UnavailableError):
            asyncio.run(sink.send([("bound", b"k", b"during")]))
        assert time.monotonic() - began < 8
        assert not asyncio.run(sink.ready())


def test_the_gateway_answers_503_while_kafka_is_away_and_2xx_only_with_the_record_in_kafka(
    lone_broker: EmbeddedKafka, codec: Codec
) -> None:
    create(lone_broker, "intake.hotline12345")

    async def scenario(sink: KafkaSink) -> list[int]:
        app = gateway(codec, sink, {"demo-hotline": ChannelSecret((KEY,))})
        statuses = []
        async with TestClient(TestServer(app)) as client:
            for number in range(3):
                if number == 1:
                    await asyncio.to_thread(lone_broker.stop)
                if number == 2:
                    await asyncio.to_thread(lone_broker.start)
                body = as_json(make.ORDER | {"record_number": f"{250912101108000000 + number}"})
                stamp = str(NOW // 1000)
                headers = {
                    "Content-Type": "application/json",
                    auth.TIME_HEADER: stamp,
                    auth.SIGNATURE_HEADER: auth.signature(KEY, "POST", "/intake/demo-hotline", stamp, body),
                }
                async with client.post("/intake/demo-hotline", data=body, headers=headers) as answer:
                    statuses.append(answer.status)
                    text = json.loads(await answer.read())
                    assert (text.get("code") == "unavailable") == (answer.status == 503)
        return statuses

    with KafkaSink(lone_broker.bootstrap, timeout_s=4) as sink:
        assert asyncio.run(scenario(sink)) == [200, 503, 200]
    numbers = {codec.report(value)["upstream_id"] for _, _, value in stored(lone_broker, "intake.hotline12345")}
    assert {"250912101108000000", "250912101108000002"} <= numbers
