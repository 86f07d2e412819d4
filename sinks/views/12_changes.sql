CREATE OR REPLACE VIEW bi.changes {on_cluster}
(
    changed_at DateTime64(3, 'UTC') COMMENT 'When it happened, UTC',
    change LowCardinality(String) COMMENT 'closed 办结, finished 结案, reopened 重办, reassigned 改派, escalated 提级, returned 退单, extended 延期; accepted, rejected, unlinked, merged by a person; void: no effect, see reason',
    report_id String COMMENT 'The report it is about; empty for a merge without effect',
    matter_id String COMMENT 'The matter after the change',
    from_matter_id Nullable(String) COMMENT 'The matter before the change, where it is another',
    agency_code LowCardinality(Nullable(String)) COMMENT 'Who must act from then on, see bi.agencies; NULL when that stayed',
    agency_name LowCardinality(Nullable(String)) COMMENT 'Its name',
    level LowCardinality(Nullable(String)) COMMENT 'Level that must act from then on',
    due_at Nullable(DateTime64(3, 'UTC')) COMMENT 'Due time from then on, UTC; NULL when it stayed',
    manual_reason LowCardinality(Nullable(String)) COMMENT 'Why a person must say who acts: ping_pong 循环交办, top_level; NULL when the hub said',
    ruled_by LowCardinality(Nullable(String)) COMMENT 'Code of the operator who ruled; NULL for a step',
    reason String COMMENT 'Of a step a bounded word, of a ruling the words of the person, or why it is void',
    cause_id String COMMENT 'The step (bi.progress) or the ruling that led to it',
    list_version LowCardinality(Nullable(String)) COMMENT 'Version of the responsibility list in force; NULL for a ruling',
    rule_version LowCardinality(String) COMMENT 'Version of the rules'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
-- A confidential report shows the life of its case and no matter but its own; which matters it was ruled to be in or not in
-- is told nowhere. A matter that such a report began goes by its heir, as in bi.reports.
WITH
    hidden AS (SELECT report_id, heir FROM hub.hidden_reports FINAL),
    secrets AS (SELECT report_id FROM hidden),
    changes.report_id IN secrets AS secret
SELECT
    changes.changed_at AS changed_at,
    changes.change AS change,
    changes.report_id AS report_id,
    if(secret, changes.report_id, ifNull(nullIf(heirs.heir, ''), changes.matter_id)) AS matter_id,
    multiIf(
        secret OR changes.from_matter_id IS NULL, NULL,
        changes.from_matter_id IN secrets, nullIf(ifNull(from_heirs.heir, ''), ''),
        changes.from_matter_id
    ) AS from_matter_id,
    changes.agency_code AS agency_code,
    changes.agency_name AS agency_name,
    changes.level AS level,
    changes.due_at AS due_at,
    changes.manual_reason AS manual_reason,
    changes.ruled_by AS ruled_by,
    changes.reason AS reason,
    changes.cause_id AS cause_id,
    changes.list_version AS list_version,
    changes.rule_version AS rule_version
FROM
(
    SELECT *, report AS report_id
    FROM hub.changes FINAL
    LEFT ARRAY JOIN report_ids AS report
    WHERE change NOT IN ('noted', 'early')
) AS changes
LEFT JOIN hidden AS heirs ON heirs.report_id = changes.matter_id
LEFT JOIN hidden AS from_heirs ON from_heirs.report_id = changes.from_matter_id
WHERE NOT (secret AND changes.ruled_by IS NOT NULL)
    AND NOT (changes.matter_id IN secrets AND NOT secret AND ifNull(heirs.heir, '') = '')
COMMENT 'The history of cases and matters: what steps and rulings changed, one row per change and report';
