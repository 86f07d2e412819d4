-- Two ways in which a place is hot. callers: so many persons on one kind within so many metres; of all points of a kind in one
-- community the one with most persons stands for it. grid: so many reports of one kind in one grid, that far above the spans before;
-- a span of whole weeks compares like weekdays.

CREATE OR REPLACE VIEW bi.hot_points {on_cluster}
(
    method String COMMENT 'callers: persons near one point; grid: reports in one grid against the spans before',
    matter_kind LowCardinality(String) COMMENT 'Kind of matter, see bi.matters; empty when unknown',
    street_code LowCardinality(Nullable(String)) COMMENT '9-digit street code',
    community_code LowCardinality(Nullable(String)) COMMENT '12-digit community code, see bi.communities',
    grid_code Nullable(String) COMMENT 'Base grid in force when it was reported; of callers that of the middle report',
    lon Nullable(Float64) COMMENT 'Longitude of the middle, WGS-84, degrees; of a grid the mean of its reports',
    lat Nullable(Float64) COMMENT 'Latitude of the middle, WGS-84, degrees',
    reports UInt64 COMMENT 'Reports in the span, confidential ones and alarms left out',
    callers UInt64 COMMENT 'Distinct persons among them, those who gave no name or number left out',
    usual Nullable(Float64) COMMENT 'Mean of the eight spans before; NULL for callers',
    zscore Nullable(Float64) COMMENT 'How many deviations above that; NULL for callers',
    growth Nullable(Float64) COMMENT 'Share more than in the span before; NULL without any then, and for callers',
    rank UInt64 COMMENT '1 for the hottest by this method',
    latest_at DateTime64(3, 'UTC') COMMENT 'Last report of it, UTC',
    report_ids Array(String) COMMENT 'At most 20 of them'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
WITH
    (SELECT CAST((groupArray(name), groupArray(toFloat64OrZero(value))), 'Map(String, Float64)') FROM hub.parameters FINAL) AS limits,
    ifNull(nullIf((SELECT value FROM hub.parameters FINAL WHERE name = 'timezone'), ''), 'UTC') AS zone,
    toDate(now64(3, 'UTC'), zone) AS today,
    toUInt32(greatest(limits['prevention.hot_days'], 1)) AS days,
    greatest(limits['prevention.hot_metres'], 20) AS metres,
    recent AS
    (
        SELECT
            matter_kind, street_code, community_code, grid_code, report_id, reported_at, assumeNotNull(lon) AS x, assumeNotNull(lat) AS y,
            nullIf(ifNull(reporter_key, ''), '') AS person,
            -- Cells of a grid of our own, as wide as the radius: what is near lies in the same or the next one.
            toInt64(floor(x * 111320 * cos(radians(y)) / metres)) AS column,
            toInt64(floor(y * 111320 / metres)) AS line
        FROM hub.cases FINAL
        WHERE day > today - days AND day <= today AND appeal_type != 'alarm' AND NOT confidential AND lon IS NOT NULL AND lat IS NOT NULL
    ),
    near AS
    (
        SELECT
            middle.matter_kind AS matter_kind, middle.street_code AS street_code, middle.community_code AS community_code,
            middle.grid_code AS grid_code, middle.x AS lon, middle.y AS lat,
            count() AS reports, uniqExact(other.person) AS callers, max(other.reported_at) AS latest_at,
            groupArray(20)(other.report_id) AS report_ids, middle.report_id AS middle_id
        FROM recent AS middle
        INNER JOIN
        (
            SELECT *, column + arrayJoin([-1, 0, 1]) AS beside, line + arrayJoin([[-1], [0], [1]])[1] AS over
            FROM recent
        ) AS other
            ON other.matter_kind = middle.matter_kind AND other.beside = middle.column AND other.over = middle.line
        WHERE geoDistance(middle.x, middle.y, other.x, other.y) <= metres
        GROUP BY matter_kind, street_code, community_code, grid_code, lon, lat, middle_id
        HAVING callers >= limits['prevention.hot_callers']
        ORDER BY callers DESC, reports DESC, middle_id
        LIMIT 1 BY matter_kind, community_code
    ),
    spans AS
    (
        SELECT
            matter_kind, grid_code, intDiv(dateDiff('day', day, today), days) AS span,
            count() AS reports, uniqExact(nullIf(ifNull(reporter_key, ''), '')) AS callers,
            any(street_code) AS street_code, any(community_code) AS community_code, avg(lon) AS lon, avg(lat) AS lat,
            max(reported_at) AS latest_at, groupArray(20)(report_id) AS report_ids
        FROM hub.cases FINAL
        WHERE day > today - 9 * days AND day <= today AND appeal_type != 'alarm' AND NOT confidential AND grid_code IS NOT NULL
        GROUP BY matter_kind, grid_code, span
    ),
    grids AS
    (
        SELECT
            matter_kind, grid_code,
            sumIf(reports, span = 0) AS now_reports,
            sumIf(callers, span = 0) AS now_callers,
            arrayMap(s -> toFloat64(arraySum((n, at) -> if(at = s, n, 0), groupArray(reports), groupArray(span))), range(1, 9)) AS before,
            arrayAvg(before) AS usual,
            -- Counts vary by their square root by chance alone; of eight small numbers the deviation may well be 0.
            (now_reports - usual) / greatest(sqrt(arrayAvg(n -> (n - usual) * (n - usual), before)), sqrt(usual), 1.) AS zscore,
            before[1] AS last_span,
            anyIf(street_code, span = 0) AS street, anyIf(community_code, span = 0) AS community,
            anyIf(lon, span = 0) AS x, anyIf(lat, span = 0) AS y, maxIf(latest_at, span = 0) AS at, anyIf(report_ids, span = 0) AS ids
        FROM spans
        GROUP BY matter_kind, grid_code
        HAVING zscore >= limits['prevention.hot_sigmas'] AND now_reports >= limits['prevention.emerging_at_least']
    )
SELECT
    'callers' AS method, matter_kind, street_code, community_code, grid_code, lon, lat, reports, callers, NULL AS usual, NULL AS zscore,
    NULL AS growth, row_number() OVER (ORDER BY callers DESC, reports DESC, middle_id) AS rank, latest_at, report_ids
FROM near
UNION ALL
SELECT
    'grid', matter_kind, street, community, grid_code, x, y, now_reports, now_callers, round(usual, 2), round(zscore, 2),
    round((now_reports - last_span) / nullIf(last_span, 0), 4), row_number() OVER (ORDER BY zscore DESC, now_reports DESC, grid_code), at, ids
FROM grids
COMMENT '高发点位: where one kind of trouble gathers now; limits in [prevention] of the profile';
