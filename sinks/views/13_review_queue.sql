CREATE OR REPLACE VIEW bi.review_queue {on_cluster}
(
    report_id String COMMENT 'The report that a person is asked about (人工研判)',
    review_matter String COMMENT 'The matter that it may belong to',
    score Float64 COMMENT 'Score against that matter, 0 to 1: between the thresholds for review and for linking',
    reasons Array(String) COMMENT 'Parts of the score as name=value',
    title String COMMENT 'Title of the report, or the beginning of its text, personal data masked',
    matter_title String COMMENT 'The same of the first report of the matter',
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
        FROM hub.routed FINAL {of_reports}
        WHERE outcome = 'routed' AND relation != 'revision' AND review_matter IS NOT NULL AND review_score IS NOT NULL
            AND report_id NOT IN secrets AND assumeNotNull(review_matter) NOT IN secrets
        LIMIT 1 BY report_id
    ),
    -- By the primary key, and not bi.reports, which would be read whole.
    told AS
    (
        SELECT
            report_id,
            argMin(matter_id, (relation = 'revision', length(part_ids), received_at, _timestamp, intake_offset)) AS matter_id,
            argMin(reasons, (relation = 'revision', length(part_ids), received_at, _timestamp, intake_offset)) AS reasons,
            argMin(rule_version, (relation = 'revision', length(part_ids), received_at, _timestamp, intake_offset)) AS rule_version,
            argMax(
                tuple(if(empty(title), substringUTF8(content, 1, 40), title), matter_kind, street_code, feed, reported_at),
                (length(part_ids), received_at, _timestamp, intake_offset)
            ) AS latest
        FROM hub.routed FINAL {of_reports}
        WHERE outcome = 'routed' AND (report_id IN (SELECT report_id FROM asked) OR report_id IN (SELECT matter FROM asked))
        GROUP BY report_id
    ),
    shown AS
    (
        SELECT
            told.report_id AS report_id,
            ifNull(nullIf(moved.matter_id, ''), told.matter_id) AS known_as,
            ifNull(nullIf(heirs.heir, ''), known_as) AS matter_id,
            told.latest.1 AS title, told.latest.2 AS matter_kind, told.latest.3 AS street_code, told.latest.4 AS feed,
            told.latest.5 AS reported_at, told.reasons AS reasons, told.rule_version AS rule_version,
            ifNull(moved.ruling, '') AS ruling
        FROM told
        LEFT JOIN hub.moved_reports AS moved ON moved.report_id = told.report_id
        LEFT JOIN hub.heirs AS heirs ON heirs.matter_id = ifNull(nullIf(moved.matter_id, ''), told.matter_id)
    ),
    rejected AS
    (
        SELECT report_id, matter_id
        FROM hub.report_changes FINAL {of_reports}
        WHERE intake_topic = 'rulings' AND change = 'rejected'
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
WHERE mine.ruling = '' AND mine.known_as != other.known_as
    AND (asked.report_id, asked.matter) NOT IN (SELECT report_id, matter_id FROM rejected)
    AND (asked.report_id, other.known_as) NOT IN (SELECT report_id, matter_id FROM rejected)
COMMENT 'Open questions whether a report belongs to a matter: zhishu review answers them';
