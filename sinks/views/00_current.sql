-- What the views of bi share: who is hidden, and where rulings and steps have taken reports and cases since they were decided
-- on. Changes of one report stand in one partition of the log, so that the one with the highest _offset is the last word.
--
-- FINAL merges whole parts. Where few rows are wanted, they are found without it, and of those that tell one decision twice the
-- first in the log stands (ORDER BY _offset LIMIT 1 BY the identity), as FINAL would say. The place {of_reports} is empty in a view;
-- sinks/keyed.py fills it to ask for some reports only.

CREATE OR REPLACE VIEW hub.secret_reports {on_cluster}
(
    report_id String COMMENT 'Report that was confidential (保密/匿名举报) in any of its revisions'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
SELECT DISTINCT report_id
FROM hub.routed {of_reports} -- two decisions on one record tell the same report
WHERE outcome = 'routed' AND confidential
COMMENT 'Reports that stand alone, whatever was decided on them';

CREATE OR REPLACE VIEW hub.last_rulings {on_cluster}
(
    report_id String COMMENT 'Report that a person put into another matter',
    matter_id String COMMENT 'The matter it is in now',
    ruling LowCardinality(String) COMMENT 'The last ruling: accepted, unlinked or merged'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
SELECT report_id, argMax(into, told_at) AS matter_id, argMax(word, told_at) AS ruling
FROM
(
    SELECT report_id, matter_id AS into, change AS word, _offset AS told_at
    FROM hub.report_changes FINAL {of_reports}
    -- The topic is the first column of the table's order: rulings are few, steps are many.
    WHERE intake_topic = 'rulings' AND change IN ('accepted', 'unlinked', 'merged')
)
GROUP BY report_id
COMMENT 'What persons said last on the matters of reports';

CREATE OR REPLACE VIEW hub.moved_reports {on_cluster}
(
    report_id String COMMENT 'Report that a person put into another matter',
    matter_id String COMMENT 'The matter it is in now',
    ruling LowCardinality(String) COMMENT 'The last ruling: accepted, unlinked or merged',
    relation LowCardinality(String) COMMENT 'How it belongs to the matter now: new, repeat or joined'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
SELECT report_id, matter_id, ruling, relation
FROM
(
    SELECT
        told.report_id AS report_id,
        ifNull(nullIf(last.matter_id, ''), told.decided) AS matter_id,
        ifNull(last.ruling, '') AS ruling,
        row_number() OVER (PARTITION BY matter_id, told.reporter_key ORDER BY told.reported_at, told.report_id) > 1 AS again,
        multiIf(
            ruling = 'unlinked' OR matter_id = told.report_id, 'new',
            told.reporter_key IS NOT NULL AND again, 'repeat',
            'joined'
        ) AS relation
    FROM
    (
        SELECT report_id, matter_id AS decided, reporter_key, reported_at
        FROM hub.routed {of_reports}
        WHERE outcome = 'routed' AND relation != 'revision'
            AND (
                report_id IN (SELECT report_id FROM hub.last_rulings)
                OR hub.routed.matter_id IN (SELECT matter_id FROM hub.last_rulings)
            )
        ORDER BY _offset
        LIMIT 1 BY report_id
    ) AS told
    LEFT JOIN hub.last_rulings AS last ON last.report_id = told.report_id
)
WHERE ruling != ''
COMMENT 'Reports whose matter a person changed: the last word';

CREATE OR REPLACE VIEW hub.heirs {on_cluster}
(
    matter_id String COMMENT 'Matter that a confidential report began',
    heir String COMMENT 'Its first report that is not confidential, by whose id it goes'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
SELECT matter_id, argMin(report_id, (reported_at, report_id)) AS heir
FROM
(
    SELECT told.report_id AS report_id, told.reported_at AS reported_at, ifNull(nullIf(last.matter_id, ''), told.decided) AS matter_id
    FROM
    (
        SELECT report_id, matter_id AS decided, reported_at
        FROM hub.routed {of_reports}
        WHERE outcome = 'routed'
            AND (
                hub.routed.matter_id IN (SELECT report_id FROM hub.secret_reports)
                OR report_id IN (SELECT report_id FROM hub.last_rulings)
            )
            AND report_id NOT IN (SELECT report_id FROM hub.secret_reports)
        ORDER BY _offset
        LIMIT 1 BY report_id, intake_topic, intake_partition, intake_offset
    ) AS told
    LEFT JOIN hub.last_rulings AS last ON last.report_id = told.report_id
)
WHERE matter_id IN (SELECT report_id FROM hub.secret_reports)
GROUP BY matter_id
COMMENT 'The names of matters whose first report is hidden';

CREATE OR REPLACE VIEW hub.current_cases {on_cluster}
(
    report_id String COMMENT 'Report whose case it is',
    agency_code Nullable(String) COMMENT 'Who has the case; NULL when nobody',
    level Nullable(String) COMMENT 'Level that must act',
    due_at Nullable(DateTime64(3, 'UTC')) COMMENT 'End of the time limit, UTC, without extensions',
    finished_at Nullable(DateTime64(3, 'UTC')) COMMENT '结案, UTC; NULL while it is not finished',
    returns UInt32 COMMENT 'How often it was returned (退单)',
    manual_reason Nullable(String) COMMENT 'Why a person must decide who acts; NULL when nobody must'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
SELECT
    report_id, last.1 AS agency_code, last.2 AS level, last.3 AS due_at, last.4 AS finished_at, last.5 AS returns, last.6 AS manual_reason
FROM
(
    SELECT
        report_id,
        argMax(
            tuple(
                nullIf(toString(case_path[-1]), ''), CAST(case_level, 'Nullable(String)'), case_due_at, case_finished_at, case_returns,
                CAST(case_waits, 'Nullable(String)')
            ),
            _offset
        ) AS last
    FROM hub.report_changes FINAL {of_reports}
    -- What is only noted, and what is void, moves no case.
    WHERE intake_topic = 'progress' AND has_case AND change NOT IN ('noted', 'void')
    GROUP BY report_id
)
COMMENT 'Cases that a step has moved, as they stand now';
