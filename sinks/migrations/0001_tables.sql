-- The rows of the log. Every table is keyed by an immutable identity, so that a record stored twice is one row on read:
-- ORDER BY and PARTITION BY hold nothing but functions of that identity. `_version` says which of two rows with one
-- identity stands. Reads go through FINAL (the views of 0003 do); nothing additive hangs on the raw inserts.

CREATE DATABASE IF NOT EXISTS bi {on_cluster};

CREATE TABLE IF NOT EXISTS hub.routed {on_cluster}
(
    intake_topic LowCardinality(String) COMMENT 'Topic of the intake record decided on',
    intake_partition UInt32 COMMENT 'Partition of the intake record decided on',
    intake_offset UInt64 COMMENT 'Offset of the intake record decided on; with topic and partition the identity of the decision',
    outcome LowCardinality(String) COMMENT 'routed, or replay (the very same upstream message again)',
    matter_id String COMMENT 'The matter: report_id of its first report',
    relation LowCardinality(String) COMMENT 'new, repeat, joined, rebound, episode, revision or replay',
    linked_to Nullable(String) COMMENT 'report_id it was linked to; NULL for new',
    score Nullable(Float64) COMMENT 'How sure the link is, 0 to 1; NULL for new',
    reasons Array(String) COMMENT 'Parts of the score as name=value',
    rule_version LowCardinality(String) COMMENT 'Version of the matching rules',
    agency_code LowCardinality(Nullable(String)) COMMENT '主办单位 code; NULL in the manual queue',
    agency_name LowCardinality(Nullable(String)) COMMENT '主办单位 name',
    co_agencies Array(LowCardinality(String)) COMMENT '协办单位 codes',
    level LowCardinality(Nullable(String)) COMMENT 'Level that must act: grid, community, street or district',
    due_at Nullable(DateTime64(3, 'UTC')) COMMENT '办理时限 by the responsibility list and the working calendar, UTC',
    time_limit LowCardinality(Nullable(String)) COMMENT 'The limit as number and unit, as in 5 work_day',
    list_version LowCardinality(Nullable(String)) COMMENT 'Version of the responsibility list (责任清单) that decided',
    list_row LowCardinality(Nullable(String)) COMMENT 'Row of the responsibility list that decided',
    manual_reason LowCardinality(Nullable(String)) COMMENT 'Why a person must route it (人工队列); NULL when it was routed',
    report_id String COMMENT 'Hub-wide id of the report',
    feed LowCardinality(String) COMMENT 'Feed that carried it',
    channel LowCardinality(String) COMMENT 'Channel that published it',
    place_key String COMMENT 'Kafka key: street code, or text: and a place name',
    matter_kind LowCardinality(String) COMMENT 'Kind of matter (hub.dim_matters); empty when unknown',
    reporter_key Nullable(String) COMMENT 'Keyed hash of the reporter, for joining only; never in bi',
    content_hash String COMMENT 'Hash over the meaning of the message: tells a replay from a revision',
    reported_at DateTime64(3, 'UTC') COMMENT 'When it happened or was accepted at the source, UTC',
    received_at DateTime64(3, 'UTC') COMMENT 'When the gateway received it, UTC',
    confidential Bool COMMENT '保密/匿名举报: the reporter is never shown',
    upstream_id String COMMENT 'The number the source gave it',
    via LowCardinality(Nullable(String)) COMMENT '诉求渠道 as the source names it',
    appeal_type LowCardinality(String) COMMENT '诉求类型: consult, help, complaint, report, suggestion, praise, case, alarm or other',
    family LowCardinality(Nullable(String)) COMMENT '诉求类别: livelihood, development or enforcement',
    kind_code LowCardinality(Nullable(String)) COMMENT 'Class code of the source with its whole key city/table/kind/code',
    category_path Array(String) COMMENT '诉求分类 from coarse to fine, as the source names it',
    title String COMMENT 'Title, personal data masked',
    content String COMMENT '诉求内容, personal data masked',
    reporter_mask Nullable(String) COMMENT 'Masked phone or id',
    address Nullable(String) COMMENT '事发地址, personal data masked',
    street_code LowCardinality(Nullable(String)) COMMENT '9-digit street code',
    community_code LowCardinality(Nullable(String)) COMMENT '12-digit community code',
    grid_code Nullable(String) COMMENT 'Unit grid code as the source gives it',
    lon Nullable(Float64) COMMENT 'Longitude, WGS-84, degrees',
    lat Nullable(Float64) COMMENT 'Latitude, WGS-84, degrees',
    source_lon Nullable(Float64) COMMENT 'Longitude as the source sent it, degrees in source_crs',
    source_lat Nullable(Float64) COMMENT 'Latitude as the source sent it, degrees in source_crs',
    source_crs LowCardinality(Nullable(String)) COMMENT 'Coordinate system of source_lon, source_lat',
    location_method LowCardinality(Nullable(String)) COMMENT 'How the place was found: coordinates, code, register, text; NULL when it was not',
    urgency LowCardinality(String) COMMENT '紧急程度: normal, urgent or critical',
    device_id Nullable(String) COMMENT 'Camera or sensor id',
    source_due_at Nullable(DateTime64(3, 'UTC')) COMMENT '办理时限 given by the source, UTC',
    related_upstream_ids Array(String) COMMENT '关联/重复/并单工单号 named by the source',
    attachments Array(String) COMMENT 'Media ids or addresses',
    extra Map(String, String) COMMENT 'Further fields of the source, personal data masked',
    _topic LowCardinality(String) COMMENT 'Kafka topic this row was read from',
    _partition UInt32 COMMENT 'Kafka partition this row was read from',
    _offset UInt64 COMMENT 'Kafka offset this row was read from',
    _timestamp DateTime64(3, 'UTC') COMMENT 'Broker time of the record, UTC',
    _ingested_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When ClickHouse took the row, UTC',
    _version UInt64 MATERIALIZED 18446744073709551615 - _offset COMMENT 'Falls with _offset: the first decision in the log stands'
)
ENGINE = {replicated}ReplacingMergeTree(_version)
PARTITION BY toYYYYMM(reported_at)
ORDER BY (report_id, intake_topic, intake_partition, intake_offset)
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Decisions of the worker with the report decided on, one row per intake record; topic routed';

CREATE TABLE IF NOT EXISTS hub.sealed_originals {on_cluster}
(
    report_id String COMMENT 'Report whose original message this is; additional data of the seal',
    intake_topic LowCardinality(String) COMMENT 'Topic of the intake record',
    intake_partition UInt32 COMMENT 'Partition of the intake record',
    intake_offset UInt64 COMMENT 'Offset of the intake record',
    reported_at DateTime64(3, 'UTC') COMMENT 'When it happened or was accepted at the source, UTC',
    sealed String COMMENT 'The original message, AES-256-GCM: 12-byte nonce, ciphertext, 16-byte tag',
    sealed_key_id Nullable(String) COMMENT 'Which key sealed it',
    _topic LowCardinality(String) COMMENT 'Kafka topic this row was read from',
    _partition UInt32 COMMENT 'Kafka partition this row was read from',
    _offset UInt64 COMMENT 'Kafka offset this row was read from',
    _timestamp DateTime64(3, 'UTC') COMMENT 'Broker time of the record, UTC',
    _ingested_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When ClickHouse took the row, UTC',
    _version UInt64 MATERIALIZED 18446744073709551615 - _offset COMMENT 'Falls with _offset: the first decision in the log stands'
)
ENGINE = {replicated}ReplacingMergeTree(_version)
PARTITION BY toYYYYMM(reported_at)
ORDER BY (report_id, intake_topic, intake_partition, intake_offset)
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Sealed original messages, apart from hub.routed so that reading reports never reads them; topic routed';

CREATE TABLE IF NOT EXISTS hub.progress {on_cluster}
(
    progress_id String COMMENT 'Hub-wide id of the step, made from report_id, step, time, number and content',
    report_id String COMMENT 'The report whose life this is',
    feed LowCardinality(String) COMMENT 'Feed that carried it',
    channel LowCardinality(String) COMMENT 'Channel that published it',
    upstream_id String COMMENT 'The number the source gave the case',
    step LowCardinality(String) COMMENT 'Kind of step, as in accept 受理, dispatch 派单, respond 响应, close 办结',
    occurred_at DateTime64(3, 'UTC') COMMENT 'When the step happened at the source, UTC',
    received_at DateTime64(3, 'UTC') COMMENT 'When the gateway received it, UTC',
    upstream_step_id Nullable(String) COMMENT 'The number the source gave the step',
    unit Nullable(String) COMMENT '经办单位 as the source names it',
    level LowCardinality(Nullable(String)) COMMENT 'Level that did the step: grid, community, street or district',
    contacted Nullable(Bool) COMMENT '是否联系',
    solved Nullable(Bool) COMMENT '是否解决, as the revisit heard it; NULL when it could not be asked',
    satisfaction LowCardinality(Nullable(String)) COMMENT '满意度: satisfied, basic, dissatisfied or unrated',
    extended_to Nullable(DateTime64(3, 'UTC')) COMMENT 'New due time granted by an extension, UTC',
    note Nullable(String) COMMENT '办理情况, personal data masked',
    extra Map(String, String) COMMENT 'Further fields of the source, personal data masked',
    _topic LowCardinality(String) COMMENT 'Kafka topic this row was read from',
    _partition UInt32 COMMENT 'Kafka partition this row was read from',
    _offset UInt64 COMMENT 'Kafka offset this row was read from',
    _timestamp DateTime64(3, 'UTC') COMMENT 'Broker time of the record, UTC',
    _ingested_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When ClickHouse took the row, UTC',
    _version UInt64 MATERIALIZED 18446744073709551615 - _offset COMMENT 'Falls with _offset: the first telling of a step stands'
)
ENGINE = {replicated}ReplacingMergeTree(_version)
PARTITION BY toYYYYMM(occurred_at)
ORDER BY (report_id, occurred_at, progress_id)
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Steps in the life of cases, one row per progress_id; topic progress';

CREATE TABLE IF NOT EXISTS hub.alerts {on_cluster}
(
    alert_id String COMMENT 'The same for the same rule, subject and onset',
    rule LowCardinality(String) COMMENT 'Name of the rule',
    severity LowCardinality(String) COMMENT 'info, warning or critical',
    subject_type LowCardinality(String) COMMENT 'matter, agency, channel or device',
    subject String COMMENT 'Id of the subject',
    place_key String COMMENT 'Place key of the subject; empty when it has none',
    raised_at DateTime64(3, 'UTC') COMMENT 'When the rule became true, UTC',
    cleared_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When it ceased to be true, UTC; NULL while it holds',
    value Nullable(Float64) COMMENT 'The figure that crossed the threshold',
    threshold Nullable(Float64) COMMENT 'The threshold in force',
    summary String COMMENT 'One sentence for the person who must act',
    report_ids Array(String) COMMENT 'Reports that made it true, at most 20',
    rule_version LowCardinality(String) COMMENT 'Version of the rule',
    _topic LowCardinality(String) COMMENT 'Kafka topic this row was read from',
    _partition UInt32 COMMENT 'Kafka partition this row was read from',
    _offset UInt64 COMMENT 'Kafka offset this row was read from',
    _timestamp DateTime64(3, 'UTC') COMMENT 'Broker time of the record, UTC',
    _ingested_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When ClickHouse took the row, UTC',
    _version UInt64 MATERIALIZED if(cleared_at IS NULL, 0, 9223372036854775808) + 9223372036854775807 - _offset COMMENT 'A clearing row stands over a raising one, then the first in the log'
)
ENGINE = {replicated}ReplacingMergeTree(_version)
PARTITION BY toYYYYMM(raised_at)
ORDER BY alert_id
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Alerts raised by streams and supervision, one row per alert_id; topic alerts';

-- Not partitioned: the time a connector refused a message is no function of the letter's identity.
CREATE TABLE IF NOT EXISTS hub.dead_letters {on_cluster}
(
    dead_letter_id String COMMENT 'The same for the same message and stage',
    stage LowCardinality(String) COMMENT 'Where it stopped: connector, worker or sink',
    feed LowCardinality(String) COMMENT 'Feed it came by; empty when unknown',
    channel LowCardinality(Nullable(String)) COMMENT 'Channel it came by; NULL when unknown',
    origin_topic LowCardinality(Nullable(String)) COMMENT 'Kafka topic it was read from; NULL for a connector',
    origin_partition Nullable(UInt32) COMMENT 'Kafka partition it was read from',
    origin_offset Nullable(UInt64) COMMENT 'Kafka offset it was read from',
    reason_code LowCardinality(String) COMMENT 'Bounded code of the reason',
    reason String COMMENT 'What is wrong, where, what to do',
    failed_at DateTime64(3, 'UTC') COMMENT 'When it stopped, UTC',
    key Nullable(String) COMMENT 'Kafka key of the original record; bytes',
    content_type LowCardinality(Nullable(String)) COMMENT 'Content-Type of the original request',
    original String COMMENT 'The original bytes, sealed when sealed_key_id is set; never in bi',
    sealed_key_id Nullable(String) COMMENT 'Which key sealed the original',
    replay_count UInt32 COMMENT 'How often it was played again before',
    _topic LowCardinality(String) COMMENT 'Kafka topic this row was read from',
    _partition UInt32 COMMENT 'Kafka partition this row was read from',
    _offset UInt64 COMMENT 'Kafka offset this row was read from; the last letter in the log stands',
    _timestamp DateTime64(3, 'UTC') COMMENT 'Broker time of the record, UTC',
    _ingested_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When ClickHouse took the row, UTC'
)
ENGINE = {replicated}ReplacingMergeTree(_offset)
ORDER BY dead_letter_id
SETTINGS non_replicated_deduplication_window = 1000
COMMENT 'Messages the hub could not take, one row per dead_letter_id; topic deadletter';
