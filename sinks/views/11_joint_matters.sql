CREATE OR REPLACE VIEW bi.joint_matters {on_cluster}
(
    matter_id String COMMENT 'The matter: report_id of its first report that is not confidential',
    title String COMMENT 'Title of its first report, personal data masked',
    matter_kind LowCardinality(String) COMMENT 'Kind of matter of its first report, see bi.matters; empty when unknown',
    reports UInt64 COMMENT 'Reports in it now: what a person took out, or put into another matter, is counted there',
    persons UInt64 COMMENT 'Persons who reported it, those who gave no name or number left out',
    channels Array(LowCardinality(String)) COMMENT 'Channels it came by',
    first_at DateTime64(3, 'UTC') COMMENT 'Event time of its first report, UTC',
    last_at DateTime64(3, 'UTC') COMMENT 'Event time of its last report, UTC',
    street_code LowCardinality(Nullable(String)) COMMENT '9-digit street code of the first report that tells one',
    community_code LowCardinality(Nullable(String)) COMMENT '12-digit community code of the first report that tells one, see bi.communities',
    agency_code LowCardinality(Nullable(String)) COMMENT '主办单位 that has its last report now; NULL in the manual queue',
    ruled UInt64 COMMENT 'Reports that a person put into it (accepted, merged)'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
SELECT
    reports.matter_id AS matter_id,
    argMin(reports.title, (reports.reported_at, reports.report_id)) AS title,
    argMin(reports.matter_kind, (reports.reported_at, reports.report_id)) AS matter_kind,
    count() AS reports,
    uniqExact(nullIf(ifNull(reports.reporter_key, ''), '')) AS persons,
    arraySort(groupUniqArray(reports.channel)) AS channels,
    min(reports.reported_at) AS first_at,
    max(reports.reported_at) AS last_at,
    -- Alone, argMin leaves out what is NULL, and that is wanted here.
    argMin(reports.street_code, (reports.reported_at, reports.report_id)) AS street_code,
    argMin(reports.community_code, (reports.reported_at, reports.report_id)) AS community_code,
    argMax(tuple(reports.agency_code), (reports.reported_at, reports.report_id)).1 AS agency_code,
    countIf(ifNull(reports.ruling IN ('accepted', 'merged'), false)) AS ruled
FROM hub.cases AS reports FINAL
WHERE reports.appeal_type != 'alarm'
GROUP BY matter_id
COMMENT 'Matters with the reports that are in them now, one row each; alarms are folded in bi.episodes';
