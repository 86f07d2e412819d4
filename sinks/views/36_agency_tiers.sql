-- 分档, and no ranking: a month's agencies stand in four tiers by a weighted score, beside those of their own level, and inside a tier by
-- code. Weights, marks and the least number of rated orders stand in [tiers] of the profile.

CREATE OR REPLACE VIEW bi.agency_tiers {on_cluster}
(
    month Date COMMENT 'First day of the local month in which the orders were reported (cohort by acceptance)',
    is_running Bool COMMENT 'The month is not over',
    agency_code String COMMENT '主办单位 that has the orders now, see bi.agencies',
    agency String COMMENT 'Its name in Chinese; empty when it left the profile',
    level LowCardinality(String) COMMENT 'Its level: grid, community, street or district; agencies are to be compared within one. Empty when it left the profile',
    tier LowCardinality(String) COMMENT 'A, B, C or D; empty where too few orders were rated to say',
    tier_zh LowCardinality(String) COMMENT '好, 较好, 一般, 需改进 or 样本不足',
    score Nullable(Float64) COMMENT 'Weighted mean of the four rates, 0 to 100; a rate with denominator 0 is left out; NULL where too few orders were rated',
    level_score Nullable(Float64) COMMENT 'Mean score of the agencies of its level that stand in a tier in this month',
    level_agencies UInt64 COMMENT 'How many those are',
    orders UInt64 COMMENT 'Orders reported in the month',
    responded_numerator Float64 COMMENT '响应率: see bi.kpi_daily',
    responded_denominator UInt64 COMMENT '响应率: see bi.kpi_daily',
    on_time_numerator Float64 COMMENT '按时办结率: see bi.kpi_daily',
    on_time_denominator UInt64 COMMENT '按时办结率: see bi.kpi_daily',
    solved_numerator Float64 COMMENT '解决率: see bi.kpi_daily',
    solved_denominator UInt64 COMMENT '解决率: see bi.kpi_daily',
    satisfied_numerator Float64 COMMENT '满意率: see bi.kpi_daily',
    satisfied_denominator UInt64 COMMENT '满意率: see bi.kpi_daily. At least so many as [tiers] says must be rated'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
WITH
    (SELECT CAST((groupArray(name), groupArray(toFloat64OrZero(value))), 'Map(String, Float64)') FROM hub.parameters FINAL) AS limits,
    ifNull(nullIf((SELECT value FROM hub.parameters FINAL WHERE name = 'timezone'), ''), 'UTC') AS zone,
    toDate(now64(3, 'UTC'), zone) AS today,
    months AS
    (
        SELECT
            toStartOfMonth(day) AS month, agency_code, sum(accepted) AS orders,
            round(sum(days.responded_numerator), 6) AS responded_numerator, sum(days.responded_denominator) AS responded_denominator,
            round(sum(days.on_time_numerator), 6) AS on_time_numerator, sum(days.on_time_denominator) AS on_time_denominator,
            round(sum(days.solved_numerator), 6) AS solved_numerator, sum(days.solved_denominator) AS solved_denominator,
            round(sum(days.satisfied_numerator), 6) AS satisfied_numerator, sum(days.satisfied_denominator) AS satisfied_denominator
        FROM bi.kpi_daily AS days
        WHERE agency_code != ''
        GROUP BY month, agency_code
    ),
    scored AS
    (
        SELECT
            months.*,
            agencies.name_zh AS agency, agencies.level AS level,
            -- What has no denominator has no weight either.
            [
                (limits['tiers.responded'] * (responded_denominator > 0), responded_numerator / greatest(responded_denominator, 1)),
                (limits['tiers.on_time'] * (on_time_denominator > 0), on_time_numerator / greatest(on_time_denominator, 1)),
                (limits['tiers.solved'] * (solved_denominator > 0), solved_numerator / greatest(solved_denominator, 1)),
                (limits['tiers.satisfied'] * (satisfied_denominator > 0), satisfied_numerator / greatest(satisfied_denominator, 1))
            ] AS parts,
            arraySum(part -> part.1, parts) AS weight,
            if(
                weight > 0 AND satisfied_denominator >= limits['tiers.rated_at_least'],
                round(100 * arraySum(part -> part.1 * part.2, parts) / weight, 2), NULL
            ) AS score
        FROM months
        LEFT ANY JOIN bi.agencies AS agencies ON agencies.agency_code = months.agency_code
    )
SELECT
    month, toBool(month = toStartOfMonth(today)) AS is_running, agency_code, agency, level,
    multiIf(
        score IS NULL, '', score >= limits['tiers.mark_a'], 'A', score >= limits['tiers.mark_b'], 'B', score >= limits['tiers.mark_c'], 'C', 'D'
    ) AS tier,
    transform(tier, ['A', 'B', 'C', 'D'], ['好', '较好', '一般', '需改进'], '样本不足') AS tier_zh,
    score, round(avg(score) OVER of_level, 2) AS level_score, count(score) OVER of_level AS level_agencies, orders,
    responded_numerator, responded_denominator, on_time_numerator, on_time_denominator,
    solved_numerator, solved_denominator, satisfied_numerator, satisfied_denominator
FROM scored
WINDOW of_level AS (PARTITION BY month, level)
ORDER BY month DESC, level, tier = '', tier, agency_code
COMMENT '分档: agencies by month in tiers, to be compared within a level; inside a tier they stand by code, and there is no rank';
