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
    place_key String COMMENT 'Street code, or text: and a place name',
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
    agency_code LowCardinality(Nullable(String)) COMMENT '主办单位, see bi.agencies; NULL in the manual queue',
    agency_name LowCardinality(Nullable(String)) COMMENT '主办单位 name',
    co_agencies Array(LowCardinality(String)) COMMENT '协办单位 codes',
    level LowCardinality(Nullable(String)) COMMENT 'Level that must act: grid 网格, community 社区, street 街道, district 区',
    due_at Nullable(DateTime64(3, 'UTC')) COMMENT '办理时限 by the responsibility list, UTC',
    time_limit LowCardinality(Nullable(String)) COMMENT 'The limit as number and unit, as in 5 work_day',
    list_version LowCardinality(Nullable(String)) COMMENT 'Version of the responsibility list that decided',
    list_row LowCardinality(Nullable(String)) COMMENT 'Row of the responsibility list that decided',
    manual_reason LowCardinality(Nullable(String)) COMMENT 'Why a person must route it (人工队列): no_kind, no_row; NULL when it was routed',
    matter_id String COMMENT 'The matter it belongs to: report_id of its first report that is not confidential',
    relation LowCardinality(String) COMMENT 'How it belongs to the matter: new 新, repeat 同一人重复, joined 他人同诉, rebound 办结后反弹, episode 同一告警持续',
    linked_to Nullable(String) COMMENT 'report_id it was linked to; NULL for new, and where that one became confidential',
    score Nullable(Float64) COMMENT 'How sure the link is, 0 to 1; NULL for new',
    reasons Array(String) COMMENT 'Parts of the score as name=value',
    rule_version LowCardinality(String) COMMENT 'Version of the matching rules'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
-- What the message says and who must act by when come from its latest revision; how it belongs to a matter was decided
-- on its first one: a later revision is no repeat of itself. Of a report assembled of several messages the revision with
-- most parts is the latest, in whatever order its partitions were read (docs/decisions/0016). A report that was
-- confidential in any revision stays so, and stands alone: neither its own link nor that of another report shows which
-- matter it told. A matter that such a report began goes by the id of the first other report in it.
WITH
    secrets AS (SELECT report_id FROM hub.routed FINAL WHERE outcome = 'routed' AND confidential),
    latest.report_id IN secrets AS secret
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
    latest.agency_code AS agency_code,
    latest.agency_name AS agency_name,
    latest.co_agencies AS co_agencies,
    latest.level AS level,
    latest.due_at AS due_at,
    latest.time_limit AS time_limit,
    latest.list_version AS list_version,
    latest.list_row AS list_row,
    latest.manual_reason AS manual_reason,
    if(secret, latest.report_id, ifNull(nullIf(heirs.heir, ''), first.matter_id)) AS matter_id,
    if(secret, 'new', first.relation) AS relation,
    if(secret OR ifNull(first.linked_to IN secrets, false), NULL, first.linked_to) AS linked_to,
    if(secret, NULL, first.score) AS score,
    if(secret, [], first.reasons) AS reasons,
    first.rule_version AS rule_version
FROM
(
    SELECT *
    FROM hub.routed FINAL
    WHERE outcome = 'routed'
    ORDER BY report_id, length(part_ids) DESC, received_at DESC, _timestamp DESC, intake_offset DESC
    LIMIT 1 BY report_id
) AS latest
INNER JOIN
(
    SELECT *
    FROM hub.routed FINAL
    WHERE outcome = 'routed'
    ORDER BY report_id, relation = 'revision', length(part_ids), received_at, _timestamp, intake_offset
    LIMIT 1 BY report_id
) AS first ON first.report_id = latest.report_id
LEFT JOIN
(
    SELECT matter_id, argMin(report_id, (reported_at, report_id)) AS heir
    FROM hub.routed FINAL
    WHERE outcome = 'routed' AND matter_id IN secrets AND report_id NOT IN secrets
    GROUP BY matter_id
) AS heirs ON heirs.matter_id = first.matter_id
COMMENT 'Reports: the latest revision of each, replays left out';
