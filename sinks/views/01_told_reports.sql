-- The rules by which a report and its case stand as they do: hub.told_reports and hub.told_cases compute them from the facts, for
-- whoever is asked for (sinks/keyed.py); sinks/cases.py stores the answers in hub.cases, which bi.reports and bi.cases show.

CREATE OR REPLACE VIEW hub.told_reports {on_cluster}
DEFINER = {definer} SQL SECURITY DEFINER
AS
-- What the message says and who must act by when come from its latest revision; how it belongs to a matter was decided
-- on its first one: a later revision is no repeat of itself. Of a report assembled of several messages the revision with
-- most parts is the latest, in whatever order its partitions were read (docs/decisions/0016). A report that was
-- confidential in any revision stays so, and stands alone: neither its own link nor that of another report shows which
-- matter it told. A matter that such a report began goes by the id of the first other report in it. What a person
-- ruled and what steps of the case changed since then stands over both (00_current.sql).
WITH
    ifNull(nullIf((SELECT value FROM hub.parameters FINAL WHERE name = 'timezone'), ''), 'UTC') AS zone,
    secrets AS (SELECT report_id FROM hub.secret_reports),
    latest.report_id IN secrets AS secret,
    ifNull(moved.ruling, '') AS ruled,
    ifNull(nullIf(moved.matter_id, ''), first.matter_id) AS current,
    ifNull(cases.report_id, '') != '' AS stepped
SELECT
    latest.report_id AS report_id,
    latest.part_ids AS part_ids,
    latest.feed AS feed,
    latest.channel AS channel,
    latest.upstream_id AS upstream_id,
    latest.via AS via,
    latest.appeal_type AS appeal_type,
    latest.family AS family,
    latest.matter_kind AS matter_kind,
    latest.kind_code AS kind_code,
    latest.category_path AS category_path,
    latest.title AS title,
    latest.content AS content,
    latest.reporter_key AS reporter_key,
    if(secret OR latest.appeal_type = 'report', NULL, latest.reporter_mask) AS reporter_mask,
    toBool(secret) AS confidential,
    latest.address AS address,
    latest.place_key AS place_key,
    latest.street_code AS street_code,
    latest.community_code AS community_code,
    latest.grid_code AS grid_code,
    latest.professional_grids AS professional_grids,
    latest.lon AS lon,
    latest.lat AS lat,
    latest.location_method AS location_method,
    latest.location_confidence AS location_confidence,
    latest.urgency AS urgency,
    latest.device_id AS device_id,
    latest.related_upstream_ids AS related_upstream_ids,
    latest.attachments AS attachments,
    latest.extra AS extra,
    latest.reported_at AS reported_at,
    latest.received_at AS received_at,
    first._timestamp AS decided_at,
    latest.source_due_at AS source_due_at,
    if(stepped, cases.agency_code, latest.agency_code) AS agency_code,
    if(stepped, nullIf(ifNull(agencies.name_zh, ''), ''), latest.agency_name) AS agency_name,
    latest.co_agencies AS co_agencies,
    if(stepped, cases.level, latest.level) AS level,
    if(stepped, cases.due_at, latest.due_at) AS list_due_at,
    latest.time_limit AS time_limit,
    latest.list_version AS list_version,
    latest.list_row AS list_row,
    if(stepped, cases.manual_reason, latest.manual_reason) AS manual_reason,
    first.agency_code AS routed_agency_code,
    first.level AS routed_level,
    ifNull(cases.returns, 0) AS returns,
    cases.finished_at AS finished_at,
    latest.routed_kind AS routed_kind,
    latest.kind_by AS kind_by,
    latest.kind_confidence AS kind_confidence,
    latest.flow AS flow,
    latest.posts AS posts,
    latest.approval AS approval,
    if(latest.priority = '', 'normal', latest.priority) AS priority,
    latest.priority_reasons AS priority_reasons,
    latest.emergency AS emergency,
    latest.milestones AS milestones,
    if(secret, latest.report_id, ifNull(nullIf(heirs.heir, ''), current)) AS matter_id,
    multiIf(
        secret, 'new',
        ruled = '' OR (ruled = 'merged' AND first.relation != 'new'), first.relation,
        ifNull(moved.relation, '')
    ) AS relation,
    multiIf(
        secret OR relation = 'new', NULL,
        ruled != '', if(current IN secrets, NULL, current),
        ifNull(first.linked_to IN secrets, false), NULL,
        first.linked_to
    ) AS linked_to,
    if(secret OR ruled != '', NULL, first.score) AS score,
    if(secret, [], first.reasons) AS reasons,
    if(secret OR ifNull(first.review_matter IN secrets, true), NULL, first.review_matter) AS review_matter,
    if(review_matter IS NULL, NULL, first.review_score) AS review_score,
    if(secret, NULL, nullIf(ruled, '')) AS ruling,
    first.rule_version AS rule_version,
    toDate(latest.told_first.4) AS first_day
FROM
(
    -- The first in the log, whatever was told since: of a report assembled of parts another one may be `first` later.
    SELECT *, min((_timestamp, _partition, _offset, reported_at)) OVER (PARTITION BY report_id) AS told_first
    FROM hub.routed FINAL {of_reports}
    WHERE outcome = 'routed'
    ORDER BY report_id, length(part_ids) DESC, received_at DESC, _timestamp DESC, intake_offset DESC
    LIMIT 1 BY report_id
) AS latest
INNER JOIN
(
    SELECT *
    FROM hub.routed FINAL {of_reports}
    WHERE outcome = 'routed'
    ORDER BY report_id, relation = 'revision', length(part_ids), received_at, _timestamp, intake_offset
    LIMIT 1 BY report_id
) AS first ON first.report_id = latest.report_id
LEFT JOIN hub.moved_reports AS moved ON moved.report_id = latest.report_id
LEFT JOIN hub.heirs AS heirs ON heirs.matter_id = ifNull(nullIf(moved.matter_id, ''), first.matter_id)
LEFT JOIN hub.current_cases AS cases ON cases.report_id = latest.report_id
-- As it was called on the day of the report.
ASOF LEFT JOIN hub.dim_agency_editions AS agencies FINAL
    ON agencies.agency_code = ifNull(cases.agency_code, '') AND agencies.valid_from <= toDate(latest.reported_at, zone)
COMMENT 'Reports as the facts tell them: the latest revision of each, replays left out';
