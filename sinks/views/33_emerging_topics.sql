CREATE OR REPLACE VIEW bi.emerging_topics {on_cluster}
(
    matter_kind LowCardinality(String) COMMENT 'Kind of matter, see bi.matters; empty: no kind known',
    street_code LowCardinality(String) COMMENT '9-digit street code; empty when unknown',
    reports UInt64 COMMENT 'Reports in the span that ends today, alarms left out',
    matters UInt64 COMMENT 'Distinct matters among them',
    usual Float64 COMMENT 'Mean of the eight spans before',
    zscore Float64 COMMENT 'How many deviations above that',
    growth Nullable(Float64) COMMENT 'Share more than in the span before; NULL without any then',
    latest_at DateTime64(3, 'UTC') COMMENT 'Last report of it, UTC',
    report_ids Array(String) COMMENT 'At most 20 of them, confidential ones left out'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
WITH
    (SELECT CAST((groupArray(name), groupArray(toFloat64OrZero(value))), 'Map(String, Float64)') FROM hub.parameters FINAL) AS limits,
    ifNull(nullIf((SELECT value FROM hub.parameters FINAL WHERE name = 'timezone'), ''), 'UTC') AS zone,
    toDate(now64(3, 'UTC'), zone) AS today,
    toUInt32(greatest(limits['prevention.emerging_days'], 1)) AS days,
    spans AS
    (
        SELECT
            matter_kind, ifNull(street_code, '') AS street_code, intDiv(dateDiff('day', day, today), days) AS span,
            count() AS reports, uniqExact(matter_id) AS matters, max(reported_at) AS latest_at,
            groupArrayIf(20)(report_id, NOT confidential) AS report_ids
        FROM hub.cases FINAL
        WHERE day > today - 9 * days AND day <= today AND appeal_type != 'alarm'
        GROUP BY matter_kind, street_code, span
    )
SELECT
    matter_kind, street_code, now_reports AS reports, now_matters AS matters, round(mean, 2) AS usual, round(sigmas, 2) AS zscore,
    round((now_reports - before[1]) / nullIf(before[1], 0), 4) AS growth, at AS latest_at, ids AS report_ids
FROM
(
    SELECT
        matter_kind, street_code,
        sumIf(reports, span = 0) AS now_reports,
        sumIf(matters, span = 0) AS now_matters,
        arrayMap(s -> toFloat64(arraySum((n, at) -> if(at = s, n, 0), groupArray(reports), groupArray(span))), range(1, 9)) AS before,
        arrayAvg(before) AS mean,
        -- Counts vary by their square root by chance alone; of eight small numbers the deviation may well be 0.
        (now_reports - mean) / greatest(sqrt(arrayAvg(n -> (n - mean) * (n - mean), before)), sqrt(mean), 1.) AS sigmas,
        maxIf(latest_at, span = 0) AS at,
        anyIf(report_ids, span = 0) AS ids
    FROM spans
    GROUP BY matter_kind, street_code
    HAVING now_reports >= limits['prevention.emerging_at_least'] AND sigmas >= limits['prevention.emerging_sigmas']
)
COMMENT '苗头性话题: kinds that a street hears of far more than in the spans before; limits in [prevention] of the profile';
