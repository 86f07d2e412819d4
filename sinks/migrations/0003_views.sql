-- What analysts read: database bi, definer views only. The reader is granted bi.*, never hub.*.

CREATE VIEW IF NOT EXISTS bi.reports {on_cluster}
(
    report_id String COMMENT 'Hub-wide id of the report',
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
    reporter_mask Nullable(String) COMMENT 'Masked phone or id; NULL for 保密 and 举报',
    confidential Bool COMMENT '保密/匿名举报 in any of its revisions; such a report stands alone',
    address Nullable(String) COMMENT '事发地址, personal data masked',
    place_key String COMMENT 'Street code, or text: and a place name',
    street_code LowCardinality(Nullable(String)) COMMENT '9-digit street code',
    community_code LowCardinality(Nullable(String)) COMMENT '12-digit community code, see bi.communities',
    grid_code Nullable(String) COMMENT 'Unit grid code as the source gives it',
    lon Nullable(Float64) COMMENT 'Longitude, WGS-84, degrees',
    lat Nullable(Float64) COMMENT 'Latitude, WGS-84, degrees',
    location_method LowCardinality(Nullable(String)) COMMENT 'How the place was found: coordinates, code, register, text; NULL when it was not',
    urgency LowCardinality(String) COMMENT '紧急程度: normal, urgent, critical',
    device_id Nullable(String) COMMENT 'Camera or sensor id',
    related_upstream_ids Array(String) COMMENT '关联/重复/并单工单号 named by the source',
    attachments Array(String) COMMENT 'Media ids or addresses',
    extra Map(String, String) COMMENT 'Further fields of the source, personal data masked',
    reported_at DateTime64(3, 'UTC') COMMENT 'When it happened or was accepted at the source, UTC',
    received_at DateTime64(3, 'UTC') COMMENT 'When the gateway received the latest revision, UTC',
    source_due_at Nullable(DateTime64(3, 'UTC')) COMMENT '办理时限 given by the source, UTC',
    agency_code LowCardinality(Nullable(String)) COMMENT '主办单位, see bi.agencies; NULL in the manual queue',
    agency_name LowCardinality(Nullable(String)) COMMENT '主办单位 name',
    co_agencies Array(LowCardinality(String)) COMMENT '协办单位 codes',
    level LowCardinality(Nullable(String)) COMMENT 'Level that must act: grid 网格, community 社区, street 街道, district 区',
    due_at Nullable(DateTime64(3, 'UTC')) COMMENT '办理时限 by the responsibility list, UTC',
    time_limit LowCardinality(Nullable(String)) COMMENT 'The limit as number and unit, as in 5 work_day',
    list_version LowCardinality(Nullable(String)) COMMENT 'Version of the responsibility list that decided',
    list_row LowCardinality(Nullable(String)) COMMENT 'Row of the responsibility list that decided',
    manual_reason LowCardinality(Nullable(String)) COMMENT 'Why a person must route it (人工队列): no_kind, no_row; NULL when it was routed',
    matter_id String COMMENT 'The matter it belongs to: report_id of its first report that is not confidential',
    relation LowCardinality(String) COMMENT 'How it belongs to the matter: new 新, repeat 同一人重复, joined 他人同诉, rebound 办结后反弹, episode 同一告警持续',
    linked_to Nullable(String) COMMENT 'report_id it was linked to; NULL for new, and where that one became confidential',
    score Nullable(Float64) COMMENT 'How sure the link is, 0 to 1; NULL for new',
    reasons Array(String) COMMENT 'Parts of the score as name=value',
    rule_version LowCardinality(String) COMMENT 'Version of the matching rules'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
-- What the message says and who must act by when come from its latest revision; how it belongs to a matter was decided
-- on its first one: a later revision is no repeat of itself. A report that was confidential in any revision stays so, and
-- stands alone: neither its own link nor that of another report shows which matter it told. A matter that such a report
-- began goes by the id of the first other report in it.
WITH
    secrets AS (SELECT report_id FROM hub.routed FINAL WHERE outcome = 'routed' AND confidential),
    latest.report_id IN secrets AS secret
SELECT
    latest.report_id AS report_id,
    latest.feed AS feed,
    latest.channel AS channel,
    latest.upstream_id AS upstream_id,
    latest.via AS via,
    latest.appeal_type AS appeal_type,
    latest.family AS family,
    latest.matter_kind AS matter_kind,
    latest.kind_code AS kind_code,
    latest.category_path AS category_path,
    latest.title AS title,
    latest.content AS content,
    if(secret OR latest.appeal_type = 'report', NULL, latest.reporter_mask) AS reporter_mask,
    toBool(secret) AS confidential,
    latest.address AS address,
    latest.place_key AS place_key,
    latest.street_code AS street_code,
    latest.community_code AS community_code,
    latest.grid_code AS grid_code,
    latest.lon AS lon,
    latest.lat AS lat,
    latest.location_method AS location_method,
    latest.urgency AS urgency,
    latest.device_id AS device_id,
    latest.related_upstream_ids AS related_upstream_ids,
    latest.attachments AS attachments,
    latest.extra AS extra,
    latest.reported_at AS reported_at,
    latest.received_at AS received_at,
    latest.source_due_at AS source_due_at,
    latest.agency_code AS agency_code,
    latest.agency_name AS agency_name,
    latest.co_agencies AS co_agencies,
    latest.level AS level,
    latest.due_at AS due_at,
    latest.time_limit AS time_limit,
    latest.list_version AS list_version,
    latest.list_row AS list_row,
    latest.manual_reason AS manual_reason,
    if(secret, latest.report_id, ifNull(nullIf(heirs.heir, ''), first.matter_id)) AS matter_id,
    if(secret, 'new', first.relation) AS relation,
    if(secret OR ifNull(first.linked_to IN secrets, false), NULL, first.linked_to) AS linked_to,
    if(secret, NULL, first.score) AS score,
    if(secret, [], first.reasons) AS reasons,
    first.rule_version AS rule_version
FROM
(
    SELECT *
    FROM hub.routed FINAL
    WHERE outcome = 'routed'
    ORDER BY report_id, received_at DESC, _timestamp DESC, intake_offset DESC
    LIMIT 1 BY report_id
) AS latest
INNER JOIN
(
    SELECT *
    FROM hub.routed FINAL
    WHERE outcome = 'routed'
    ORDER BY report_id, relation = 'revision', received_at, _timestamp, intake_offset
    LIMIT 1 BY report_id
) AS first ON first.report_id = latest.report_id
LEFT JOIN
(
    SELECT matter_id, argMin(report_id, (reported_at, report_id)) AS heir
    FROM hub.routed FINAL
    WHERE outcome = 'routed' AND matter_id IN secrets AND report_id NOT IN secrets
    GROUP BY matter_id
) AS heirs ON heirs.matter_id = first.matter_id
COMMENT 'Reports: the latest revision of each, replays left out';

CREATE VIEW IF NOT EXISTS bi.progress {on_cluster}
(
    progress_id String COMMENT 'Hub-wide id of the step',
    report_id String COMMENT 'The report whose life this is',
    feed LowCardinality(String) COMMENT 'Feed that carried it',
    channel LowCardinality(String) COMMENT 'Channel that published it',
    upstream_id String COMMENT 'The number the source gave the case',
    step LowCardinality(String) COMMENT 'accept 受理, register 立案, dispatch 派单, sign 签收, respond 响应, handle 办理, feedback 反馈, revisit 回访, close 办结, rate 评价, return 退单, redispatch 改派, extend 延期, redo 重办, verify 核实, check 核查, rework 返工, suspend 挂账, supervise 督办, cancel 作废',
    occurred_at DateTime64(3, 'UTC') COMMENT 'When the step happened at the source, UTC',
    received_at DateTime64(3, 'UTC') COMMENT 'When the gateway received it, UTC',
    unit Nullable(String) COMMENT '经办单位 as the source names it',
    level LowCardinality(Nullable(String)) COMMENT 'Level that did the step: grid, community, street, district',
    contacted Nullable(Bool) COMMENT '是否联系',
    solved Nullable(Bool) COMMENT '是否解决; NULL when it could not be asked',
    satisfaction LowCardinality(Nullable(String)) COMMENT '满意度: satisfied 满意, basic 基本满意, dissatisfied 不满意, unrated 未评价',
    extended_to Nullable(DateTime64(3, 'UTC')) COMMENT 'New due time granted by an extension, UTC',
    note Nullable(String) COMMENT '办理情况, personal data masked',
    extra Map(String, String) COMMENT 'Further fields of the source, personal data masked'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
SELECT
    progress_id, report_id, feed, channel, upstream_id, step, occurred_at, received_at, unit, level, contacted, solved,
    satisfaction, extended_to, note, extra
FROM hub.progress FINAL
COMMENT 'Steps in the life of cases';

CREATE VIEW IF NOT EXISTS bi.cases {on_cluster}
(
    report_id String COMMENT 'Hub-wide id of the report',
    feed LowCardinality(String) COMMENT 'Feed that carried it',
    channel LowCardinality(String) COMMENT 'Channel that published it',
    upstream_id String COMMENT 'The number the source gave it (工单编号)',
    appeal_type LowCardinality(String) COMMENT '诉求类型; the headline figures leave alarm out',
    matter_kind LowCardinality(String) COMMENT 'Kind of matter, see bi.matters; empty when unknown',
    title String COMMENT 'Title, personal data masked',
    street_code LowCardinality(Nullable(String)) COMMENT '9-digit street code',
    community_code LowCardinality(Nullable(String)) COMMENT '12-digit community code, see bi.communities',
    lon Nullable(Float64) COMMENT 'Longitude, WGS-84, degrees',
    lat Nullable(Float64) COMMENT 'Latitude, WGS-84, degrees',
    urgency LowCardinality(String) COMMENT '紧急程度: normal, urgent, critical',
    matter_id String COMMENT 'The matter it belongs to: report_id of its first report',
    relation LowCardinality(String) COMMENT 'How it belongs to the matter: new, repeat, joined, rebound, episode',
    agency_code LowCardinality(Nullable(String)) COMMENT '主办单位, see bi.agencies; NULL in the manual queue',
    agency_name LowCardinality(Nullable(String)) COMMENT '主办单位 name',
    level LowCardinality(Nullable(String)) COMMENT 'Level that must act',
    manual_reason LowCardinality(Nullable(String)) COMMENT 'Why a person must route it (人工队列); NULL when it was routed',
    day Date COMMENT 'Local day of reported_at: the day the figures count it on',
    reported_at DateTime64(3, 'UTC') COMMENT 'When it happened or was accepted at the source, UTC',
    accepted_at Nullable(DateTime64(3, 'UTC')) COMMENT 'First 受理, UTC',
    dispatched_at Nullable(DateTime64(3, 'UTC')) COMMENT 'First 派单, UTC',
    responded_at Nullable(DateTime64(3, 'UTC')) COMMENT 'First 响应 that does not say 未联系 (nobody reached), UTC',
    closed_at Nullable(DateTime64(3, 'UTC')) COMMENT 'Last 办结, UTC; NULL while it was never closed',
    cancelled_at Nullable(DateTime64(3, 'UTC')) COMMENT 'Last 作废, UTC',
    steps UInt64 COMMENT 'Distinct steps known',
    base_due_at Nullable(DateTime64(3, 'UTC')) COMMENT 'Due time given by the source, else by the responsibility list, UTC',
    due_at Nullable(DateTime64(3, 'UTC')) COMMENT 'Effective due time: the latest of the extensions granted before the base due time, else that, UTC',
    max_level LowCardinality(Nullable(String)) COMMENT 'Highest level that did a step; the routed level where no step names one',
    satisfaction LowCardinality(Nullable(String)) COMMENT 'Latest 满意度 that is a rating: satisfied, basic, dissatisfied',
    is_closed Bool COMMENT 'It has a 办结 step',
    is_open Bool COMMENT 'Neither closed nor cancelled',
    is_overdue Bool COMMENT 'Open, and its effective due time has passed',
    is_repeat Bool COMMENT 'relation is repeat, joined or rebound',
    responded_in_time Nullable(Bool) COMMENT '响应率: first response within the hours of the profile after the first dispatch; NULL when never dispatched',
    closed_on_time Nullable(Bool) COMMENT '按时办结率: closed by the effective due time; NULL without a due time, and while open before it',
    solved Nullable(Bool) COMMENT '解决率: what the latest 回访 or 评价 that could tell says; NULL when none could',
    closed_in_grid Nullable(Bool) COMMENT '网格内办结率: closed and never above the grid; NULL while not closed'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
WITH
    -- A scalar subquery is Nullable, and so is what a reader's join_use_nulls = 1 makes of the right side of the join.
    assumeNotNull((SELECT value FROM hub.parameters FINAL WHERE name = 'timezone')) AS zone,
    assumeNotNull((SELECT toFloat64(value) FROM hub.parameters FINAL WHERE name = 'respond_within_hours')) AS respond_within_hours,
    ifNull(life.level, 0) AS step_level,
    ['grid', 'community', 'street', 'district'] AS levels,
    coalesce(reports.source_due_at, reports.due_at) AS base_due,
    arrayMap(x -> x.2, arrayFilter(x -> x.1 <= base_due, life.extensions)) AS extended,
    if(empty(extended), base_due, arrayMax(extended)) AS effective_due,
    if(step_level = 0, indexOf(levels, ifNull(reports.level, '')), step_level) AS highest
SELECT
    reports.report_id AS report_id,
    reports.feed AS feed,
    reports.channel AS channel,
    reports.upstream_id AS upstream_id,
    reports.appeal_type AS appeal_type,
    reports.matter_kind AS matter_kind,
    reports.title AS title,
    reports.street_code AS street_code,
    reports.community_code AS community_code,
    reports.lon AS lon,
    reports.lat AS lat,
    reports.urgency AS urgency,
    reports.matter_id AS matter_id,
    reports.relation AS relation,
    reports.agency_code AS agency_code,
    reports.agency_name AS agency_name,
    reports.level AS level,
    reports.manual_reason AS manual_reason,
    toDate(reports.reported_at, zone) AS day,
    reports.reported_at AS reported_at,
    life.accepted_at AS accepted_at,
    life.dispatched_at AS dispatched_at,
    life.responded_at AS responded_at,
    life.closed_at AS closed_at,
    life.cancelled_at AS cancelled_at,
    ifNull(life.steps, 0) AS steps,
    base_due AS base_due_at,
    effective_due AS due_at,
    if(highest = 0, NULL, levels[highest]) AS max_level,
    life.satisfaction AS satisfaction,
    toBool(life.closed_at IS NOT NULL) AS is_closed,
    toBool(life.closed_at IS NULL AND life.cancelled_at IS NULL) AS is_open,
    toBool(is_open AND ifNull(effective_due < now64(3, 'UTC'), false)) AS is_overdue,
    toBool(reports.relation IN ('repeat', 'joined', 'rebound')) AS is_repeat,
    -- The declared types of a view do not turn a number into a Bool; the casts do.
    CAST(
        if(
            life.dispatched_at IS NULL,
            NULL,
            ifNull(
                dateDiff('millisecond', life.dispatched_at, life.responded_at) BETWEEN 0 AND respond_within_hours * 3600000,
                false
            )
        ),
        'Nullable(Bool)'
    ) AS responded_in_time,
    CAST(
        multiIf(
            effective_due IS NULL, NULL,
            life.closed_at IS NOT NULL, life.closed_at <= effective_due,
            effective_due <= now64(3, 'UTC'), false,
            NULL
        ),
        'Nullable(Bool)'
    ) AS closed_on_time,
    life.solved AS solved,
    CAST(if(life.closed_at IS NULL, NULL, highest = 1), 'Nullable(Bool)') AS closed_in_grid
FROM bi.reports AS reports
LEFT JOIN
(
    SELECT
        report_id,
        count() AS steps,
        minOrNullIf(occurred_at, step = 'accept') AS accepted_at,
        minOrNullIf(occurred_at, step = 'dispatch') AS dispatched_at,
        minOrNullIf(occurred_at, step = 'respond' AND ifNull(hub.progress.contacted, true)) AS responded_at,
        maxOrNullIf(occurred_at, step = 'close') AS closed_at,
        maxOrNullIf(occurred_at, step = 'cancel') AS cancelled_at,
        groupArrayIf((occurred_at, assumeNotNull(extended_to)), step = 'extend' AND extended_to IS NOT NULL) AS extensions,
        max(indexOf(['grid', 'community', 'street', 'district'], ifNull(hub.progress.level, ''))) AS level,
        argMaxOrNullIf(
            hub.progress.solved, (occurred_at, received_at, progress_id), step IN ('revisit', 'rate') AND hub.progress.solved IS NOT NULL
        ) AS solved,
        argMaxOrNullIf(
            toNullable(toString(hub.progress.satisfaction)),
            (occurred_at, received_at, progress_id),
            step IN ('revisit', 'rate') AND hub.progress.satisfaction IN ('satisfied', 'basic', 'dissatisfied')
        ) AS satisfaction
    FROM hub.progress FINAL
    GROUP BY report_id
) AS life ON life.report_id = reports.report_id
COMMENT 'Cases: one row per report with its decision, milestones, due time and what the figures count; docs/kpi.md';

CREATE VIEW IF NOT EXISTS bi.kpi_daily {on_cluster}
(
    day Date COMMENT 'Local day of reported_at',
    feed LowCardinality(String) COMMENT 'Feed that carried the orders',
    street_code LowCardinality(String) COMMENT '9-digit street code; empty when unknown',
    accepted UInt64 COMMENT 'Orders: distinct reports, alarms left out',
    responded_numerator UInt64 COMMENT '响应率: first response in time after the first dispatch',
    responded_denominator UInt64 COMMENT '响应率: orders dispatched',
    on_time_numerator UInt64 COMMENT '按时办结率: closed by the effective due time',
    on_time_denominator UInt64 COMMENT '按时办结率: orders with a due time that are closed or past it',
    closed_numerator UInt64 COMMENT '办结率: closed orders',
    closed_denominator UInt64 COMMENT '办结率: orders',
    solved_numerator UInt64 COMMENT '解决率: the latest revisit or rating that could tell says solved',
    solved_denominator UInt64 COMMENT '解决率: orders with a revisit or rating that could tell',
    satisfied_numerator Float64 COMMENT '满意率: satisfied + basic x weight of the profile',
    satisfied_denominator UInt64 COMMENT '满意率: orders rated satisfied, basic or dissatisfied',
    in_grid_numerator UInt64 COMMENT '网格内办结率: closed orders that never went above the grid',
    in_grid_denominator UInt64 COMMENT '网格内办结率: closed orders',
    repeats_numerator UInt64 COMMENT '重复诉求率: orders that are repeat, joined or rebound',
    repeats_denominator UInt64 COMMENT '重复诉求率: orders'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
WITH
    assumeNotNull((SELECT toFloat64(value) FROM hub.parameters FINAL WHERE name = 'basic_satisfied_weight')) AS basic_weight
SELECT
    cases.day AS day,
    cases.feed AS feed,
    ifNull(cases.street_code, '') AS street_code,
    count() AS accepted,
    countIf(cases.responded_in_time) AS responded_numerator,
    count(cases.responded_in_time) AS responded_denominator,
    countIf(cases.closed_on_time) AS on_time_numerator,
    count(cases.closed_on_time) AS on_time_denominator,
    countIf(cases.is_closed) AS closed_numerator,
    count() AS closed_denominator,
    countIf(cases.solved) AS solved_numerator,
    count(cases.solved) AS solved_denominator,
    countIf(cases.satisfaction = 'satisfied') + basic_weight * countIf(cases.satisfaction = 'basic') AS satisfied_numerator,
    count(cases.satisfaction) AS satisfied_denominator,
    countIf(cases.closed_in_grid) AS in_grid_numerator,
    count(cases.closed_in_grid) AS in_grid_denominator,
    countIf(cases.is_repeat) AS repeats_numerator,
    count() AS repeats_denominator
FROM bi.cases AS cases
WHERE cases.appeal_type != 'alarm'
GROUP BY day, feed, street_code
COMMENT 'Headline figures by day, feed and street: numerators and denominators to be summed before dividing; docs/kpi.md';

CREATE VIEW IF NOT EXISTS bi.alerts {on_cluster}
(
    alert_id String COMMENT 'The same for the same rule, subject and onset',
    rule LowCardinality(String) COMMENT 'Name of the rule, as in mass_appeal 群诉',
    severity LowCardinality(String) COMMENT 'info, warning or critical',
    subject_type LowCardinality(String) COMMENT 'matter, agency, channel or device',
    subject String COMMENT 'Id of the subject',
    place_key String COMMENT 'Place key of the subject; empty when it has none',
    raised_at DateTime64(3, 'UTC') COMMENT 'When the rule became true, UTC',
    cleared_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When it ceased to be true, UTC; NULL while it holds',
    is_open Bool COMMENT 'Not cleared',
    value Nullable(Float64) COMMENT 'The figure that crossed the threshold',
    threshold Nullable(Float64) COMMENT 'The threshold in force',
    summary String COMMENT 'One sentence for the person who must act',
    report_ids Array(String) COMMENT 'Reports that made it true, at most 20',
    rule_version LowCardinality(String) COMMENT 'Version of the rule'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
SELECT
    alert_id, rule, severity, subject_type, subject, place_key, raised_at, cleared_at, toBool(cleared_at IS NULL) AS is_open,
    value, threshold, summary, report_ids, rule_version
FROM hub.alerts FINAL
COMMENT 'Alerts, one row each, cleared or not';

CREATE VIEW IF NOT EXISTS bi.dead_letters {on_cluster}
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
    original_bytes UInt64 COMMENT 'Size of the original message in bytes',
    replay_count UInt32 COMMENT 'How often it was played again before'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
SELECT
    dead_letter_id, stage, feed, channel, origin_topic, origin_partition, origin_offset, reason_code, reason, failed_at,
    content_type, length(original) AS original_bytes, replay_count
FROM hub.dead_letters FINAL
COMMENT 'Messages the hub could not take, without their bytes';

CREATE VIEW IF NOT EXISTS bi.matters {on_cluster}
(
    matter_kind String COMMENT 'Kind of matter',
    name_zh String COMMENT 'Name in Chinese',
    name_en String COMMENT 'Name in English',
    family LowCardinality(String) COMMENT '诉求类别: livelihood, development or enforcement'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
SELECT matter_kind, name_zh, name_en, family
FROM hub.dim_matters FINAL
COMMENT 'Kinds of matter of this deployment';

CREATE VIEW IF NOT EXISTS bi.communities {on_cluster}
(
    community_code String COMMENT '12-digit community code',
    community String COMMENT 'Name of the community',
    street_code LowCardinality(String) COMMENT '9-digit street code',
    street LowCardinality(String) COMMENT 'Name of the street',
    lon Float64 COMMENT 'Longitude of the point that stands for it, WGS-84, degrees',
    lat Float64 COMMENT 'Latitude of the point that stands for it, WGS-84, degrees',
    population UInt32 COMMENT 'Inhabitants'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
SELECT community_code, community, street_code, street, lon, lat, population
FROM hub.dim_communities FINAL
COMMENT 'Communities of this deployment';

CREATE VIEW IF NOT EXISTS bi.agencies {on_cluster}
(
    agency_code String COMMENT 'Code of the unit',
    name_zh String COMMENT 'Name in Chinese',
    name_en String COMMENT 'Name in English',
    level LowCardinality(String) COMMENT 'grid, community, street or district'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
SELECT agency_code, name_zh, name_en, level
FROM hub.dim_agencies FINAL
COMMENT 'Units of this deployment that can be given a case';
