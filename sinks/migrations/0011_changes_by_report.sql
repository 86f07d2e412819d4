-- What rulings and steps changed, by the report that it is about: whoever asks for one report need not read all changes. Written by the
-- sink with hub.changes.

CREATE TABLE IF NOT EXISTS hub.report_changes {on_cluster}
(
    intake_topic LowCardinality(String) COMMENT 'Topic of the record that led to it: progress or rulings',
    report_id String COMMENT 'Report that it is about',
    intake_partition UInt32 COMMENT 'Partition of that record',
    intake_offset UInt64 COMMENT 'Offset of that record; with topic, partition, number and report the identity',
    number UInt32 COMMENT 'Tells the changes apart that one record led to',
    change LowCardinality(String) COMMENT 'What changed, as in hub.changes',
    matter_id String COMMENT 'The matter after the change',
    from_matter_id Nullable(String) COMMENT 'The matter before the change, where it is another',
    changed_at DateTime64(3, 'UTC') COMMENT 'When it happened, UTC',
    has_case Bool COMMENT 'Whether it tells the case after the change, in the columns case_*',
    case_path Array(LowCardinality(String)) COMMENT 'Codes of the agencies that had the case lately, the last has it now',
    case_level LowCardinality(Nullable(String)) COMMENT 'Level that must act',
    case_due_at Nullable(DateTime64(3, 'UTC')) COMMENT 'End of the time limit, UTC',
    case_finished_at Nullable(DateTime64(3, 'UTC')) COMMENT '结案, UTC',
    case_returns UInt32 COMMENT 'How often it was returned (退单)',
    case_waits LowCardinality(Nullable(String)) COMMENT 'Why a person must decide who acts; NULL when nobody must',
    _topic LowCardinality(String) COMMENT 'Kafka topic this row was read from',
    _partition UInt32 COMMENT 'Kafka partition this row was read from',
    _offset UInt64 COMMENT 'Kafka offset this row was read from',
    _timestamp DateTime64(3, 'UTC') COMMENT 'Broker time of the record, UTC',
    _version UInt64 MATERIALIZED 18446744073709551615 - _offset COMMENT 'Falls with _offset: the first telling of a change stands'
)
ENGINE = {replicated}ReplacingMergeTree(_version)
PARTITION BY toYear(changed_at)
ORDER BY (intake_topic, report_id, intake_partition, intake_offset, number, changed_at)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 1000
COMMENT 'Changes by the reports that they are about, one row each';

INSERT INTO hub.report_changes
(
    intake_topic, report_id, intake_partition, intake_offset, number, change, matter_id, from_matter_id, changed_at, has_case, case_path,
    case_level, case_due_at, case_finished_at, case_returns, case_waits, _topic, _partition, _offset, _timestamp
)
SELECT
    intake_topic, report_id, intake_partition, intake_offset, number, change, matter_id, from_matter_id, changed_at, has_case, case_path,
    case_level, case_due_at, case_finished_at, case_returns, case_waits, _topic, _partition, _offset, _timestamp
FROM hub.changes
ARRAY JOIN report_ids AS report_id
SETTINGS max_partitions_per_insert_block = 0;
