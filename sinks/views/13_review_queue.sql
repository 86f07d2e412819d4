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
    hidden AS (SELECT report_id, heir FROM hub.hidden_reports FINAL),
    -- Of hidden reports, and against them, hub.cases keeps no question.
    asked AS
    (
        SELECT
            report_id, assumeNotNull(review_matter) AS matter, assumeNotNull(review_score) AS score, reasons, title, content, matter_id,
            matter_kind, street_code, feed, reported_at, decided_at, rule_version
        FROM hub.cases FINAL {of_reports}
        WHERE review_matter IS NOT NULL AND review_score IS NOT NULL AND ruling IS NULL
    ),
    others AS
    (
        SELECT report_id, matter_id, title, content
        FROM hub.cases FINAL {of_reports}
        WHERE report_id IN (SELECT matter FROM asked)
    ),
    rejected AS
    (
        SELECT changes.report_id AS report_id, arrayJoin([changes.matter_id, ifNull(nullIf(heirs.heir, ''), changes.matter_id)]) AS matter_id
        FROM
        (
            SELECT report_id, matter_id
            FROM hub.report_changes FINAL {of_reports}
            WHERE intake_topic = 'rulings' AND change = 'rejected'
        ) AS changes
        LEFT JOIN hidden AS heirs ON heirs.report_id = changes.matter_id
    )
SELECT
    asked.report_id AS report_id,
    others.matter_id AS review_matter,
    asked.score AS score,
    asked.reasons AS reasons,
    if(empty(asked.title), substringUTF8(asked.content, 1, 40), asked.title) AS title,
    if(empty(others.title), substringUTF8(others.content, 1, 40), others.title) AS matter_title,
    asked.matter_kind AS matter_kind,
    asked.street_code AS street_code,
    asked.feed AS feed,
    asked.reported_at AS reported_at,
    asked.decided_at AS asked_at,
    round(dateDiff('second', asked.decided_at, now64(3, 'UTC')) / 3600, 1) AS age_hours,
    asked.rule_version AS rule_version
FROM asked
INNER JOIN others ON others.report_id = asked.matter
WHERE asked.matter_id != others.matter_id
    AND (asked.report_id, asked.matter) NOT IN (SELECT report_id, matter_id FROM rejected)
    AND (asked.report_id, others.matter_id) NOT IN (SELECT report_id, matter_id FROM rejected)
COMMENT 'Open questions whether a report belongs to a matter: zhishu review answers them';
