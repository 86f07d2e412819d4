CREATE OR REPLACE VIEW bi.cases {on_cluster}
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
    matter_id String COMMENT 'The matter it belongs to now, see bi.joint_matters',
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
    finished_at Nullable(DateTime64(3, 'UTC')) COMMENT '结案, UTC: rated, or nobody rated in time; NULL before',
    steps UInt64 COMMENT 'Distinct steps known',
    base_due_at Nullable(DateTime64(3, 'UTC')) COMMENT 'Due time given by the source, else by the responsibility list, UTC',
    due_at Nullable(DateTime64(3, 'UTC')) COMMENT 'Effective due time: the latest of the extensions granted before the base due time, else that, UTC',
    max_level LowCardinality(Nullable(String)) COMMENT 'Highest level that did a step; where no step names one, that which must act or had to',
    satisfaction LowCardinality(Nullable(String)) COMMENT 'Latest 满意度 that is a rating: satisfied, basic, dissatisfied',
    is_closed Bool COMMENT 'It has a 办结 step',
    is_open Bool COMMENT 'Neither closed nor cancelled',
    is_overdue Bool COMMENT 'Open, and its effective due time has passed',
    is_repeat Bool COMMENT 'relation is repeat, joined or rebound',
    responded_in_time Nullable(Bool) COMMENT '响应率: first response within the hours of the profile after the first dispatch; NULL when never dispatched',
    closed_on_time Nullable(Bool) COMMENT '按时办结率: closed by the effective due time; NULL without a due time, and while open before it',
    solved Nullable(Bool) COMMENT '解决率: what the latest 回访, 评价 or 重办 that could tell says; NULL when none could',
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
    if(
        step_level = 0,
        greatest(indexOf(levels, ifNull(reports.level, '')), indexOf(levels, ifNull(reports.routed_level, ''))),
        step_level
    ) AS highest
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
    reports.finished_at AS finished_at,
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
            hub.progress.solved, (occurred_at, received_at, progress_id), step IN ('revisit', 'rate', 'redo') AND hub.progress.solved IS NOT NULL
        ) AS solved,
        argMaxOrNullIf(
            toNullable(toString(hub.progress.satisfaction)),
            (occurred_at, received_at, progress_id),
            step IN ('revisit', 'rate', 'redo') AND hub.progress.satisfaction IN ('satisfied', 'basic', 'dissatisfied')
        ) AS satisfaction
    FROM hub.progress FINAL {of_reports}
    GROUP BY report_id
) AS life ON life.report_id = reports.report_id
COMMENT 'Cases: one row per report with its decision, milestones, due time and what the figures count; docs/kpi.md';
