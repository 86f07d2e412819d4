CREATE OR REPLACE VIEW bi.review_queue {on_cluster}
(
    report_id String COMMENT 'The report that a person is asked about (人工研判)',
    review_matter String COMMENT 'The matter that it may belong to',
    score Float64 COMMENT 'Score against that matter, 0 to 1: between the thresholds for review and for linking',
    reasons Array(String) COMMENT 'Parts of the score as name=value',
    title String COMMENT 'Title of the report, personal data masked',
    matter_title String COMMENT 'Title of the first report of the matter, personal data masked',
    matter_kind LowCardinality(String) COMMENT 'Kind of matter of the report, see bi.matters; empty when unknown',
    street_code LowCardinality(Nullable(String)) COMMENT '9-digit street code of the report',
    feed LowCardinality(String) COMMENT 'Feed that carried the report',
    reported_at DateTime64(3, 'UTC') COMMENT 'Event time of the report, UTC',
    asked_at DateTime64(3, 'UTC') COMMENT 'When the hub asked, UTC',
    age_hours Float64 COMMENT 'Hours since it asked',
    rule_version LowCardinality(String) COMMENT 'Version of the matching rules'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
-- A question is open until a person accepted the report into any matter, rejected it from this one, unlinked or merged it;
-- until both stand in one matter; and while neither is confidential.
WITH
    secrets AS (SELECT report_id FROM hub.secret_reports),
    asked AS
    (
        SELECT report_id, assumeNotNull(review_matter) AS matter, assumeNotNull(review_score) AS score, _timestamp
        FROM hub.routed FINAL
        WHERE outcome = 'routed' AND relation != 'revision' AND review_matter IS NOT NULL AND review_score IS NOT NULL
            AND report_id NOT IN secrets AND assumeNotNull(review_matter) NOT IN secrets
        LIMIT 1 BY report_id
    ),
    shown AS
    (
        SELECT report_id, matter_id, title, matter_kind, street_code, feed, reported_at, reasons, ruling, rule_version
        FROM bi.reports
        WHERE report_id IN (SELECT report_id FROM asked) OR report_id IN (SELECT matter FROM asked)
    ),
    rejected AS
    (
        SELECT arrayJoin(report_ids) AS report_id, matter_id
        FROM hub.changes FINAL
        WHERE change = 'rejected'
    )
SELECT
    asked.report_id AS report_id,
    other.matter_id AS review_matter,
    asked.score AS score,
    mine.reasons AS reasons,
    mine.title AS title,
    other.title AS matter_title,
    mine.matter_kind AS matter_kind,
    mine.street_code AS street_code,
    mine.feed AS feed,
    mine.reported_at AS reported_at,
    asked._timestamp AS asked_at,
    round(dateDiff('second', asked._timestamp, now64(3, 'UTC')) / 3600, 1) AS age_hours,
    mine.rule_version AS rule_version
FROM asked
INNER JOIN shown AS mine ON mine.report_id = asked.report_id
INNER JOIN shown AS other ON other.report_id = asked.matter
WHERE mine.ruling IS NULL AND mine.matter_id != other.matter_id
    AND (asked.report_id, asked.matter) NOT IN (SELECT report_id, matter_id FROM rejected)
    AND (asked.report_id, other.matter_id) NOT IN (SELECT report_id, matter_id FROM rejected)
COMMENT 'Open questions whether a report belongs to a matter: zhishu review answers them';
