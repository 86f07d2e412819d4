-- What version 3 of the Avro RoutedReport adds: the question for a person, who named the kind, the flow, priority, milestones;
-- and the table of changes, the other kind of record in topic routed.

ALTER TABLE hub.routed {on_cluster}
    ADD COLUMN IF NOT EXISTS review_matter Nullable(String) COMMENT 'Matter with which a person must compare it (人工研判); NULL when there is none' AFTER manual_reason,
    ADD COLUMN IF NOT EXISTS review_score Nullable(Float64) COMMENT 'Score against review_matter, 0 to 1' AFTER review_matter,
    ADD COLUMN IF NOT EXISTS kind_by LowCardinality(Nullable(String)) COMMENT 'Who named the kind it was routed by: source, keywords, model; NULL when nobody could' AFTER review_score,
    ADD COLUMN IF NOT EXISTS kind_confidence Nullable(Float64) COMMENT 'How sure the model is of routed_kind, 0 to 1; NULL when it was not asked' AFTER kind_by,
    ADD COLUMN IF NOT EXISTS routed_kind LowCardinality(Nullable(String)) COMMENT 'Kind of matter it was routed by; NULL when there is none' AFTER kind_confidence,
    ADD COLUMN IF NOT EXISTS flow LowCardinality(String) COMMENT '流程: livelihood, development, enforcement, dispute, case, alarm, consult; empty where nothing is to be handled' AFTER routed_kind,
    ADD COLUMN IF NOT EXISTS posts Array(LowCardinality(String)) COMMENT 'Posts (一核八翼) or industry boards that take a dispute' AFTER flow,
    ADD COLUMN IF NOT EXISTS approval LowCardinality(Nullable(String)) COMMENT 'Whose approval the routing needs; NULL when none' AFTER posts,
    ADD COLUMN IF NOT EXISTS priority LowCardinality(String) COMMENT 'normal, high or top; empty for decisions before version 3' AFTER approval,
    ADD COLUMN IF NOT EXISTS priority_reasons Array(LowCardinality(String)) COMMENT 'Why it is not normal' AFTER priority,
    ADD COLUMN IF NOT EXISTS emergency LowCardinality(Nullable(String)) COMMENT 'Number that must be told at once, since life may be in danger; NULL when none' AFTER priority_reasons,
    ADD COLUMN IF NOT EXISTS milestones Array(Tuple(name String, due_at DateTime64(3, 'UTC'), time_limit String)) COMMENT 'Several limits of one row of the list, in order' AFTER emergency,
    -- The members of a matter are looked up by it.
    ADD INDEX IF NOT EXISTS matter_id matter_id TYPE bloom_filter(0.01) GRANULARITY 1,
    COMMENT COLUMN place_key 'Kafka key: the county code, of an alarm its device';

CREATE TABLE IF NOT EXISTS hub.changes {on_cluster}
(
    intake_topic LowCardinality(String) COMMENT 'Topic of the record that led to it: progress or rulings',
    intake_partition UInt32 COMMENT 'Partition of that record',
    intake_offset UInt64 COMMENT 'Offset of that record; with topic, partition and number the identity of the change',
    number UInt32 COMMENT 'Tells the changes apart that one record led to',
    change LowCardinality(String) COMMENT 'What changed: closed, finished, reopened, reassigned, escalated, returned, extended, noted, early, accepted, rejected, unlinked, merged or void',
    matter_id String COMMENT 'The matter after the change; empty for a report that was not decided on yet',
    from_matter_id Nullable(String) COMMENT 'The matter before the change, where it is another',
    report_ids Array(String) COMMENT 'Reports that the change is about',
    agency_code LowCardinality(Nullable(String)) COMMENT 'Who must act from now on; NULL when that stays',
    agency_name LowCardinality(Nullable(String)) COMMENT 'Its name in Chinese',
    level LowCardinality(Nullable(String)) COMMENT 'Level that must act from now on: grid, community, street or district',
    due_at Nullable(DateTime64(3, 'UTC')) COMMENT 'Due time from now on, UTC; NULL when it stays',
    manual_reason LowCardinality(Nullable(String)) COMMENT 'Why a person must decide who acts; NULL when the hub decided',
    cause_id String COMMENT 'ruling_id or progress_id of the record that led to it',
    ruled_by LowCardinality(Nullable(String)) COMMENT 'Code of the operator who ruled; NULL for a step',
    reason String COMMENT 'Of a step a bounded word, of a ruling the words of the person, or why it is void',
    changed_at DateTime64(3, 'UTC') COMMENT 'When it happened, UTC',
    place_key String COMMENT 'Kafka key',
    rule_version LowCardinality(String) COMMENT 'Version of the rules',
    list_version LowCardinality(Nullable(String)) COMMENT 'Version of the responsibility list in force for a step',
    has_case Bool COMMENT 'Whether it tells the case after the change, in the columns case_*',
    case_path Array(LowCardinality(String)) COMMENT 'Codes of the agencies that had the case lately, the last has it now',
    case_level LowCardinality(Nullable(String)) COMMENT 'Level that must act',
    case_due_at Nullable(DateTime64(3, 'UTC')) COMMENT 'End of the time limit, UTC',
    case_extended_to Nullable(DateTime64(3, 'UTC')) COMMENT 'A later end that was granted in time, UTC',
    case_closed_at Nullable(DateTime64(3, 'UTC')) COMMENT '办结, UTC',
    case_finished_at Nullable(DateTime64(3, 'UTC')) COMMENT '结案, UTC: rated, or nobody rated in time',
    case_returns UInt32 COMMENT 'How often it was returned (退单)',
    case_moves UInt32 COMMENT 'How often it went sideways or down since it was opened or went up',
    case_waits LowCardinality(Nullable(String)) COMMENT 'Why a person must decide who acts; NULL when nobody must',
    _topic LowCardinality(String) COMMENT 'Kafka topic this row was read from',
    _partition UInt32 COMMENT 'Kafka partition this row was read from',
    _offset UInt64 COMMENT 'Kafka offset this row was read from',
    _timestamp DateTime64(3, 'UTC') COMMENT 'Broker time of the record, UTC',
    _ingested_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When ClickHouse took the row, UTC',
    _version UInt64 MATERIALIZED 18446744073709551615 - _offset COMMENT 'Falls with _offset: the first telling of a change stands',
    INDEX report_ids report_ids TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = {replicated}ReplacingMergeTree(_version)
PARTITION BY toYYYYMM(changed_at)
ORDER BY (intake_topic, intake_partition, intake_offset, number)
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'What steps and rulings changed in matters and cases, one row each; topic routed, beside hub.routed';
