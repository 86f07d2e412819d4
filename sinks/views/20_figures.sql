-- One row per order with every figure as a value of it: sum(x) over count(x) is the rate of whatever is selected. The figures are
-- defined in sinks/figures.py.

CREATE OR REPLACE VIEW bi.figures {on_cluster}
(
    report_id String COMMENT 'The order, see bi.cases',
    day Date COMMENT 'Local day of reported_at: the cohort by acceptance',
    due_day Nullable(Date) COMMENT 'Local day of the effective due time: the cohort by due time',
    hour DateTime('UTC') COMMENT 'Hour in which it was reported, UTC',
    local_hour UInt8 COMMENT 'Local hour of the day, 0 to 23',
    feed LowCardinality(String) COMMENT 'Feed that carried it',
    channel LowCardinality(String) COMMENT 'Channel that published it',
    appeal_type LowCardinality(String) COMMENT '诉求类型; alarms are no orders',
    family LowCardinality(String) COMMENT '诉求类别: livelihood, development or enforcement; empty when unknown',
    flow LowCardinality(String) COMMENT '流程; empty where nothing is to be handled',
    matter_kind LowCardinality(String) COMMENT 'Kind of matter, see bi.matters; empty when unknown',
    agency_code LowCardinality(String) COMMENT '主办单位 that has it now, see bi.agencies; empty in the manual queue',
    street_code LowCardinality(String) COMMENT '9-digit street code; empty when unknown',
    community_code LowCardinality(String) COMMENT '12-digit community code; empty when unknown',
    grid_code String COMMENT 'Base grid in force when it was reported; empty when unknown',
    relation LowCardinality(String) COMMENT 'How it belongs to its matter: new, repeat, joined or rebound',
    matter_id String COMMENT 'Its matter, see bi.joint_matters',
{figure_columns}
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
WITH
    (SELECT CAST((groupArray(name), groupArray(toFloat64OrZero(value))), 'Map(String, Float64)') FROM hub.parameters FINAL) AS limits,
    ifNull(nullIf((SELECT value FROM hub.parameters FINAL WHERE name = 'timezone'), ''), 'UTC') AS zone,
    now64(3, 'UTC') AS now,
    limits['respond_within_hours'] AS respond_hours,
    limits['sign_within_hours'] AS sign_hours,
    limits['basic_satisfied_weight'] AS basic_weight,
    toIntervalSecond(toUInt64(limits['prevention.false_closure_days'] * 86400)) AS watched,
    -- Working minutes since 2000 at a moment: those of the days before, and of its own day the spans up to its minute.
    toDate('2000-01-01') AS first_day_known,
    (SELECT groupArray((working_minutes, is_working)) FROM (SELECT * FROM hub.dim_days FINAL ORDER BY day)) AS calendar,
    JSONExtract(ifNull((SELECT value FROM hub.parameters FINAL WHERE name = 'work_spans'), '[]'), 'Array(Tuple(UInt16, UInt16))') AS work_spans,
    ifNull(accepted_at, reported_at) AS begun_at,
    calendar[toUInt32(toDate(begun_at, zone) - first_day_known) + 1] AS begun_day,
    dateDiff('second', toStartOfDay(begun_at, zone), begun_at) / 60 AS begun_minute,
    calendar[toUInt32(toDate(ifNull(closed_at, reported_at), zone) - first_day_known) + 1] AS ended_day,
    dateDiff('second', toStartOfDay(ifNull(closed_at, reported_at), zone), ifNull(closed_at, reported_at)) / 60 AS ended_minute,
    begun_day.1 + if(begun_day.2, arraySum(s -> greatest(0., least(begun_minute, toFloat64(s.2)) - s.1), work_spans), 0.) AS worked_at_start,
    ended_day.1 + if(ended_day.2, arraySum(s -> greatest(0., least(ended_minute, toFloat64(s.2)) - s.1), work_spans), 0.) AS worked_at_end
SELECT
    report_id, day, toDate(due_at, zone) AS due_day, toStartOfHour(reported_at) AS hour, toHour(toTimeZone(reported_at, zone)) AS local_hour,
    feed, channel, appeal_type, ifNull(family, '') AS family, flow, matter_kind, ifNull(agency_code, '') AS agency_code,
    ifNull(street_code, '') AS street_code, ifNull(community_code, '') AS community_code, ifNull(grid_code, '') AS grid_code,
    relation, matter_id,
{figure_values}
FROM hub.cases AS cases FINAL
WHERE appeal_type != 'alarm'
COMMENT 'Orders with every figure as a value of each: sum over count is the rate; docs/kpi.md';
