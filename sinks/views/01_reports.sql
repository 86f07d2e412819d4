-- What analysts read: database bi, definer views only. The reader is granted bi.*, never hub.*.

CREATE OR REPLACE VIEW bi.reports {on_cluster}
(
    report_id String COMMENT 'Hub-wide id of the report',
    part_ids Array(String) COMMENT 'report_id of each message it was assembled from, in order; empty when it is one message',
    feed LowCardinality(String) COMMENT 'Feed that carried it, as in hotline12345',
    channel LowCardinality(String) COMMENT 'Channel that published it',
    upstream_id String COMMENT 'The number the source gave it (工单编号)',
    via LowCardinality(Nullable(String)) COMMENT '诉求渠道 as the source names it',
    appeal_type LowCardinality(String) COMMENT '诉求类型: consult 咨询, help 求助, complaint 投诉, report 举报, suggestion 建议, praise 表扬, case 案件, alarm 告警, other 其他',
    family LowCardinality(Nullable(String)) COMMENT '诉求类别: livelihood 民生, development 发展, enforcement 执法',
    matter_kind LowCardinality(String) COMMENT 'Kind of matter, see bi.matters; empty when unknown',
    kind_code LowCardinality(Nullable(String)) COMMENT 'Class code of the source: city/table/kind/code',
    category_path Array(String) COMMENT '诉求分类 from coarse to fine, as the source names it',
    title String COMMENT 'Title, personal data masked',
    content String COMMENT '诉求内容, personal data masked',
    reporter_mask Nullable(String) COMMENT 'Masked phone or id; NULL for 保密 and 举报',
    confidential Bool COMMENT '保密/匿名举报 in any of its revisions; such a report stands alone',
    address Nullable(String) COMMENT '事发地址, personal data masked',
    place_key String COMMENT 'County code; of an alarm its device',
    street_code LowCardinality(Nullable(String)) COMMENT '9-digit street code',
    community_code LowCardinality(Nullable(String)) COMMENT '12-digit community code, see bi.communities',
    grid_code Nullable(String) COMMENT 'Base grid in force at reported_at that holds the point, else as the source gives it',
    professional_grids Array(String) COMMENT 'Professional grids (专业网格) in force at reported_at that hold the point',
    lon Nullable(Float64) COMMENT 'Longitude, WGS-84, degrees',
    lat Nullable(Float64) COMMENT 'Latitude, WGS-84, degrees',
    location_method LowCardinality(Nullable(String)) COMMENT 'How the place was found: code, register, coordinates, name, gazetteer, text, sea, outside; NULL when it was not',
    location_confidence Nullable(Float64) COMMENT 'How sure the place is, 0 to 1; NULL when none was found',
    urgency LowCardinality(String) COMMENT '紧急程度: normal, urgent, critical',
    device_id Nullable(String) COMMENT 'Camera or sensor id',
    related_upstream_ids Array(String) COMMENT '关联/重复/并单工单号 named by the source',
    attachments Array(String) COMMENT 'Media ids or addresses',
    extra Map(String, String) COMMENT 'Further fields of the source, personal data masked',
    reported_at DateTime64(3, 'UTC') COMMENT 'When it happened or was accepted at the source, UTC',
    received_at DateTime64(3, 'UTC') COMMENT 'When the gateway received the latest revision, UTC',
    source_due_at Nullable(DateTime64(3, 'UTC')) COMMENT '办理时限 given by the source, UTC',
    agency_code LowCardinality(Nullable(String)) COMMENT '主办单位 that has it now, see bi.agencies; NULL in the manual queue',
    agency_name LowCardinality(Nullable(String)) COMMENT '主办单位 name',
    co_agencies Array(LowCardinality(String)) COMMENT '协办单位 codes',
    level LowCardinality(Nullable(String)) COMMENT 'Level that must act now: grid 网格, community 社区, street 街道, district 区',
    due_at Nullable(DateTime64(3, 'UTC')) COMMENT '办理时限 in force by the responsibility list, UTC, without extensions',
    time_limit LowCardinality(Nullable(String)) COMMENT 'The limit as number and unit, as in 5 work_day',
    list_version LowCardinality(Nullable(String)) COMMENT 'Version of the responsibility list that decided',
    list_row LowCardinality(Nullable(String)) COMMENT 'Row of the responsibility list that decided',
    manual_reason LowCardinality(Nullable(String)) COMMENT 'Why a person must say who acts (人工队列): no_kind, unsure, no_area, no_row, ping_pong, top_level; NULL when the hub said',
    routed_agency_code LowCardinality(Nullable(String)) COMMENT '主办单位 by the list, before any step moved the case',
    routed_level LowCardinality(Nullable(String)) COMMENT 'Level by the list, before any step moved the case',
    returns UInt32 COMMENT 'How often it was returned (退单)',
    finished_at Nullable(DateTime64(3, 'UTC')) COMMENT '结案, UTC: rated, or nobody rated in time; NULL before',
    routed_kind LowCardinality(Nullable(String)) COMMENT 'Kind of matter it was routed by: its own or the one of the model; NULL when there is none',
    kind_by LowCardinality(Nullable(String)) COMMENT 'Who named routed_kind: source, keywords, model; NULL when nobody could',
    kind_confidence Nullable(Float64) COMMENT 'How sure the model is, 0 to 1; NULL when it was not asked',
    flow LowCardinality(String) COMMENT '流程: livelihood 民生, development 发展, enforcement 执法, dispute 矛盾纠纷, case 城管案件, alarm 告警, consult 咨询; empty where nothing is to be handled',
    posts Array(LowCardinality(String)) COMMENT 'Posts (一核八翼) or industry boards that take a dispute',
    approval LowCardinality(Nullable(String)) COMMENT 'Whose approval the routing needs before it takes effect; NULL when none',
    priority LowCardinality(String) COMMENT 'normal, high or top',
    priority_reasons Array(LowCardinality(String)) COMMENT 'Why it is not normal: urgent, critical, leader_call, mass_appeal, emergency',
    emergency LowCardinality(Nullable(String)) COMMENT 'Number that must be told at once, since life may be in danger; NULL when none',
    milestones Array(Tuple(name String, due_at DateTime64(3, 'UTC'), time_limit String)) COMMENT 'Several limits of one row of the list, in order',
    matter_id String COMMENT 'The matter it belongs to now: report_id of its first report that is not confidential, or an id of its own where a person took that report out',
    relation LowCardinality(String) COMMENT 'How it belongs to the matter: new 新, repeat 同一人重复, joined 他人同诉, rebound 办结后反弹, episode 同一告警持续',
    linked_to Nullable(String) COMMENT 'report_id it was linked to, of a ruling the matter; NULL for new, and where that one became confidential',
    score Nullable(Float64) COMMENT 'How sure the hub was of the link, 0 to 1; NULL for new, and where a person put it',
    reasons Array(String) COMMENT 'Parts of the score as name=value; of a new report those against the best partner',
    review_matter Nullable(String) COMMENT 'Matter that a person was asked to compare it with (人工研判); bi.review_queue has what is open',
    review_score Nullable(Float64) COMMENT 'Score against review_matter, 0 to 1',
    ruling LowCardinality(Nullable(String)) COMMENT 'What a person said last on its matter: accepted, unlinked or merged; NULL when nobody did',
    rule_version LowCardinality(String) COMMENT 'Version of the matching rules'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
-- What the message says and who must act by when come from its latest revision; how it belongs to a matter was decided
-- on its first one: a later revision is no repeat of itself. Of a report assembled of several messages the revision with
-- most parts is the latest, in whatever order its partitions were read (docs/decisions/0016). A report that was
-- confidential in any revision stays so, and stands alone: neither its own link nor that of another report shows which
-- matter it told. A matter that such a report began goes by the id of the first other report in it. What a person
-- ruled and what steps of the case changed since then stands over both (00_current.sql).
WITH
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
    latest.source_due_at AS source_due_at,
    if(stepped, cases.agency_code, latest.agency_code) AS agency_code,
    if(stepped, nullIf(ifNull(agencies.name_zh, ''), ''), latest.agency_name) AS agency_name,
    latest.co_agencies AS co_agencies,
    if(stepped, cases.level, latest.level) AS level,
    if(stepped, cases.due_at, latest.due_at) AS due_at,
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
    first.rule_version AS rule_version
FROM
(
    SELECT *
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
LEFT JOIN hub.dim_agencies AS agencies FINAL ON agencies.agency_code = cases.agency_code
COMMENT 'Reports: the latest revision of each, replays left out';
