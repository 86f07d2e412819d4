-- One row per report with its case, computed from the facts by hub.told_cases whenever a fact about it is stored (sinks/cases.py,
-- docs/decisions/0024): what figures and lists read. It holds no time that depends on now.

CREATE TABLE IF NOT EXISTS hub.cases {on_cluster}
(
    first_day Date COMMENT 'Day, UTC, of the first decision on it: it never changes, and so a report has one place in the table',
    report_id String COMMENT 'Hub-wide id of the report',
    part_ids Array(String) COMMENT 'report_id of each message it was assembled from, in order; empty when it is one message',
    feed LowCardinality(String) COMMENT 'Feed that carried it, as in hotline12345',
    channel LowCardinality(String) COMMENT 'Channel that published it',
    upstream_id String COMMENT 'The number the source gave it (工单编号)',
    via LowCardinality(Nullable(String)) COMMENT '诉求渠道 as the source names it',
    appeal_type LowCardinality(String) COMMENT '诉求类型: consult 咨询, help 求助, complaint 投诉, report 举报, suggestion 建议, praise 表扬, case 案件, alarm 告警, other 其他',
    family LowCardinality(Nullable(String)) COMMENT '诉求类别: livelihood 民生, development 发展, enforcement 执法',
    matter_kind LowCardinality(String) COMMENT 'Kind of matter, see bi.matters; empty when unknown',
    kind_code LowCardinality(Nullable(String)) COMMENT 'Class code of the source: city/table/kind/code',
    category_path Array(String) COMMENT '诉求分类 from coarse to fine, as the source names it',
    title String COMMENT 'Title, personal data masked',
    content String COMMENT '诉求内容, personal data masked',
    reporter_key Nullable(String) COMMENT 'Keyed hash of the reporter, for counting persons; never in bi',
    reporter_mask Nullable(String) COMMENT 'Masked phone or id; NULL for 保密 and 举报',
    confidential Bool COMMENT '保密/匿名举报 in any of its revisions; such a report stands alone',
    address Nullable(String) COMMENT '事发地址, personal data masked',
    place_key String COMMENT 'County code; of an alarm its device',
    street_code LowCardinality(Nullable(String)) COMMENT '9-digit street code',
    community_code LowCardinality(Nullable(String)) COMMENT '12-digit community code, see bi.communities',
    grid_code Nullable(String) COMMENT 'Base grid in force at reported_at that holds the point, else as the source gives it',
    professional_grids Array(String) COMMENT 'Professional grids (专业网格) in force at reported_at that hold the point',
    lon Nullable(Float64) COMMENT 'Longitude, WGS-84, degrees',
    lat Nullable(Float64) COMMENT 'Latitude, WGS-84, degrees',
    location_method LowCardinality(Nullable(String)) COMMENT 'How the place was found: code, register, coordinates, name, gazetteer, text, sea, outside; NULL when it was not',
    location_confidence Nullable(Float64) COMMENT 'How sure the place is, 0 to 1; NULL when none was found',
    urgency LowCardinality(String) COMMENT '紧急程度: normal, urgent, critical',
    device_id Nullable(String) COMMENT 'Camera or sensor id',
    related_upstream_ids Array(String) COMMENT '关联/重复/并单工单号 named by the source',
    attachments Array(String) COMMENT 'Media ids or addresses',
    extra Map(String, String) COMMENT 'Further fields of the source, personal data masked',
    reported_at DateTime64(3, 'UTC') COMMENT 'When it happened or was accepted at the source, UTC',
    received_at DateTime64(3, 'UTC') COMMENT 'When the gateway received the latest revision, UTC',
    source_due_at Nullable(DateTime64(3, 'UTC')) COMMENT '办理时限 given by the source, UTC',
    agency_code LowCardinality(Nullable(String)) COMMENT '主办单位 that has it now, see bi.agencies; NULL in the manual queue',
    agency_name LowCardinality(Nullable(String)) COMMENT '主办单位 name',
    co_agencies Array(LowCardinality(String)) COMMENT '协办单位 codes',
    level LowCardinality(Nullable(String)) COMMENT 'Level that must act now: grid 网格, community 社区, street 街道, district 区',
    list_due_at Nullable(DateTime64(3, 'UTC')) COMMENT '办理时限 in force by the responsibility list, UTC, without extensions',
    time_limit LowCardinality(Nullable(String)) COMMENT 'The limit as number and unit, as in 5 work_day',
    list_version LowCardinality(Nullable(String)) COMMENT 'Version of the responsibility list that decided',
    list_row LowCardinality(Nullable(String)) COMMENT 'Row of the responsibility list that decided',
    manual_reason LowCardinality(Nullable(String)) COMMENT 'Why a person must say who acts (人工队列): no_kind, unsure, no_area, no_row, ping_pong, top_level; NULL when the hub said',
    routed_agency_code LowCardinality(Nullable(String)) COMMENT '主办单位 by the list, before any step moved the case',
    routed_level LowCardinality(Nullable(String)) COMMENT 'Level by the list, before any step moved the case',
    returns UInt32 COMMENT 'How often it was returned (退单)',
    finished_at Nullable(DateTime64(3, 'UTC')) COMMENT '结案, UTC: rated, or nobody rated in time; NULL before',
    routed_kind LowCardinality(Nullable(String)) COMMENT 'Kind of matter it was routed by: its own or the one of the model; NULL when there is none',
    kind_by LowCardinality(Nullable(String)) COMMENT 'Who named routed_kind: source, keywords, model; NULL when nobody could',
    kind_confidence Nullable(Float64) COMMENT 'How sure the model is, 0 to 1; NULL when it was not asked',
    flow LowCardinality(String) COMMENT '流程: livelihood 民生, development 发展, enforcement 执法, dispute 矛盾纠纷, case 城管案件, alarm 告警, consult 咨询; empty where nothing is to be handled',
    posts Array(LowCardinality(String)) COMMENT 'Posts (一核八翼) or industry boards that take a dispute',
    approval LowCardinality(Nullable(String)) COMMENT 'Whose approval the routing needs before it takes effect; NULL when none',
    priority LowCardinality(String) COMMENT 'normal, high or top',
    priority_reasons Array(LowCardinality(String)) COMMENT 'Why it is not normal: urgent, critical, leader_call, mass_appeal, emergency',
    emergency LowCardinality(Nullable(String)) COMMENT 'Number that must be told at once, since life may be in danger; NULL when none',
    milestones Array(Tuple(name String, due_at DateTime64(3, 'UTC'), time_limit String)) COMMENT 'Several limits of one row of the list, in order',
    matter_id String COMMENT 'The matter it belongs to now: report_id of its first report that is not confidential, or an id of its own where a person took that report out',
    relation LowCardinality(String) COMMENT 'How it belongs to the matter: new 新, repeat 同一人重复, joined 他人同诉, rebound 办结后反弹, episode 同一告警持续',
    linked_to Nullable(String) COMMENT 'report_id it was linked to, of a ruling the matter; NULL for new, and where that one became confidential',
    score Nullable(Float64) COMMENT 'How sure the hub was of the link, 0 to 1; NULL for new, and where a person put it',
    reasons Array(String) COMMENT 'Parts of the score as name=value; of a new report those against the best partner',
    review_matter Nullable(String) COMMENT 'Matter that a person was asked to compare it with (人工研判); bi.review_queue has what is open',
    review_score Nullable(Float64) COMMENT 'Score against review_matter, 0 to 1',
    ruling LowCardinality(Nullable(String)) COMMENT 'What a person said last on its matter: accepted, unlinked or merged; NULL when nobody did',
    rule_version LowCardinality(String) COMMENT 'Version of the matching rules',
    registered_at Nullable(DateTime64(3, 'UTC')) COMMENT 'First 立案, UTC',
    accepted_at Nullable(DateTime64(3, 'UTC')) COMMENT 'First 受理, UTC',
    dispatched_at Nullable(DateTime64(3, 'UTC')) COMMENT 'First 派单, UTC',
    signed_at Nullable(DateTime64(3, 'UTC')) COMMENT 'First 签收, UTC',
    responded_at Nullable(DateTime64(3, 'UTC')) COMMENT 'First 响应 that does not say 未联系 (nobody reached), UTC',
    handled_at Nullable(DateTime64(3, 'UTC')) COMMENT 'First 办理 or 反馈, UTC',
    first_closed_at Nullable(DateTime64(3, 'UTC')) COMMENT 'First 办结, UTC',
    closed_at Nullable(DateTime64(3, 'UTC')) COMMENT 'Last 办结, UTC; NULL while it was never closed, and after a 重办 that no 办结 followed',
    reopened_at Nullable(DateTime64(3, 'UTC')) COMMENT 'Last 重办, UTC',
    cancelled_at Nullable(DateTime64(3, 'UTC')) COMMENT 'Last 作废, UTC',
    revisited_at Nullable(DateTime64(3, 'UTC')) COMMENT 'Last 回访, UTC',
    rated_at Nullable(DateTime64(3, 'UTC')) COMMENT 'Last 评价, UTC',
    suspended_at Nullable(DateTime64(3, 'UTC')) COMMENT 'Last 挂账, UTC',
    resumed_at Nullable(DateTime64(3, 'UTC')) COMMENT 'Last 恢复, UTC',
    collected_at Nullable(DateTime64(3, 'UTC')) COMMENT 'First 采集, UTC',
    verified_at Nullable(DateTime64(3, 'UTC')) COMMENT 'First 核实, UTC',
    checked_at Nullable(DateTime64(3, 'UTC')) COMMENT 'First 核查, UTC',
    retold_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When another report of its matter first told it again after its last 办结, UTC; NULL when none did',
    matter_orders UInt32 COMMENT 'How many reports its matter has, camera alarms left out',
    first_unit Nullable(String) COMMENT '经办单位 of the first 派单, as the source names it',
    sign_steps UInt32 COMMENT 'How many distinct 签收 steps are known',
    revisit_steps UInt32 COMMENT 'How many distinct 回访 steps are known',
    return_steps UInt32 COMMENT 'How many distinct 退单 steps are known',
    redispatch_steps UInt32 COMMENT 'How many distinct 改派 steps are known',
    extend_steps UInt32 COMMENT 'How many distinct 延期 steps are known',
    redo_steps UInt32 COMMENT 'How many distinct 重办 steps are known',
    rework_steps UInt32 COMMENT 'How many distinct 返工 steps are known',
    supervise_steps UInt32 COMMENT 'How many distinct 督办 steps are known',
    object_steps UInt32 COMMENT 'How many distinct 申诉 steps are known',
    dissatisfactions UInt32 COMMENT 'How many revisits and ratings say 不满意',
    steps UInt32 COMMENT 'Distinct steps known',
    base_due_at Nullable(DateTime64(3, 'UTC')) COMMENT 'Due time given by the source, else by the responsibility list, UTC',
    due_at Nullable(DateTime64(3, 'UTC')) COMMENT 'Effective due time: the latest of the extensions granted before the base due time, else that, UTC',
    max_level LowCardinality(Nullable(String)) COMMENT 'Highest level that did a step; where no step names one, that which must act or had to',
    satisfaction LowCardinality(Nullable(String)) COMMENT 'Latest 满意度 that is a rating: satisfied, basic, dissatisfied',
    solved Nullable(Bool) COMMENT '解决率: what the latest 回访, 评价 or 重办 that could tell says; NULL when none could',
    is_open Bool COMMENT 'Neither closed nor cancelled',
    day Date COMMENT 'Local day of reported_at: the day the figures count it on',
    _version UInt64 COMMENT 'Time at which the facts were read, microseconds since 1970 by the server\'s clock: the newest reading stands',
    INDEX day day TYPE minmax GRANULARITY 1,
    INDEX reported_at reported_at TYPE minmax GRANULARITY 1,
    INDEX report_id report_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX is_open is_open TYPE minmax GRANULARITY 1
)
ENGINE = {replicated}ReplacingMergeTree(_version)
PARTITION BY toYear(first_day)
ORDER BY (first_day, report_id)
SETTINGS non_replicated_deduplication_window = 0, min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1
COMMENT 'Reports with their cases as the facts told them last, one row each';

-- Which reports were ever told to be in a matter: the others of a matter are found by it, and computed anew with the one that changed.
CREATE TABLE IF NOT EXISTS hub.members {on_cluster}
(
    matter_id String COMMENT 'The matter, as decided or ruled',
    report_id String COMMENT 'A report that is or was in it; camera alarms are left out',
    _topic LowCardinality(String) COMMENT 'Kafka topic this row was read from',
    _partition UInt32 COMMENT 'Kafka partition this row was read from',
    _offset UInt64 COMMENT 'Kafka offset this row was read from',
    _timestamp DateTime64(3, 'UTC') COMMENT 'Broker time of the record, UTC'
)
ENGINE = {replicated}ReplacingMergeTree
ORDER BY (matter_id, report_id)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 1000
COMMENT 'Reports by the matters that they are or were in';

CREATE TABLE IF NOT EXISTS hub.cases_built {on_cluster}
(
    rules String COMMENT 'Hash of the views and the time zone by which every row of hub.cases was computed',
    built_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When the last row was, UTC'
)
ENGINE = {replicated}ReplacingMergeTree(built_at)
ORDER BY tuple()
COMMENT 'By which rules hub.cases stands; where they changed, a sink computes it anew';
