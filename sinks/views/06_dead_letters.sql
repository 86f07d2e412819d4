CREATE OR REPLACE VIEW bi.dead_letters {on_cluster}
(
    dead_letter_id String COMMENT 'The same for the same message and stage',
    stage LowCardinality(String) COMMENT 'Where it stopped: connector, worker or sink',
    feed LowCardinality(String) COMMENT 'Feed it came by; empty when unknown',
    channel LowCardinality(Nullable(String)) COMMENT 'Channel it came by; NULL when unknown',
    origin_topic LowCardinality(Nullable(String)) COMMENT 'Kafka topic it was read from; NULL for a connector',
    origin_partition Nullable(UInt32) COMMENT 'Kafka partition it was read from',
    origin_offset Nullable(UInt64) COMMENT 'Kafka offset it was read from',
    reason_code LowCardinality(String) COMMENT 'Bounded code of the reason, as in bad_xml',
    reason String COMMENT 'What is wrong, where, what to do',
    failed_at DateTime64(3, 'UTC') COMMENT 'When it stopped, UTC',
    content_type LowCardinality(Nullable(String)) COMMENT 'Content-Type of the original request',
    original_bytes UInt64 COMMENT 'Size of the original message in bytes; 0 when it was not kept, or is no longer (retention)',
    replay_count UInt32 COMMENT 'How often it was played again before'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
SELECT
    dead_letter_id, stage, feed, channel, origin_topic, origin_partition, origin_offset, reason_code, reason, failed_at,
    content_type, length(original) AS original_bytes, replay_count
FROM hub.dead_letters FINAL
COMMENT 'Messages the hub could not take, without their bytes';
