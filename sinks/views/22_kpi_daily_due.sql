CREATE OR REPLACE VIEW bi.kpi_daily_due {on_cluster}
(
    day Date COMMENT 'Local day of the effective due time',
    feed LowCardinality(String) COMMENT 'Feed that carried the orders',
    channel LowCardinality(String) COMMENT 'Channel that published them',
    family LowCardinality(String) COMMENT '诉求类别: livelihood, development or enforcement; empty when unknown',
    matter_kind LowCardinality(String) COMMENT 'Kind of matter, see bi.matters; empty when unknown',
    agency_code LowCardinality(String) COMMENT '主办单位 that has them now, see bi.agencies; empty in the manual queue',
    street_code LowCardinality(String) COMMENT '9-digit street code; empty when unknown',
    community_code LowCardinality(String) COMMENT '12-digit community code; empty when unknown',
    accepted UInt64 COMMENT '受理量: orders, that is distinct reports, alarms left out',
    matters UInt64 COMMENT '事项量: matters, each counted with its first order',
{figure_sum_columns}
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
SELECT
    assumeNotNull(due_day) AS day, feed, channel, family, matter_kind, agency_code, street_code, community_code,
    count() AS accepted, countIf(relation = 'new') AS matters,
{figure_sums}
FROM bi.figures
WHERE due_day IS NOT NULL
GROUP BY day, feed, channel, family, matter_kind, agency_code, street_code, community_code
COMMENT 'Figures of the orders due on each day (cohort by due time), orders without one left out; docs/kpi.md';
