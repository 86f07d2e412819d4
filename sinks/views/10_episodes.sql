CREATE OR REPLACE VIEW bi.episodes {on_cluster}
(
    matter_id String COMMENT 'The matter it is: report_id of its first alarm, see bi.reports',
    camera String COMMENT 'Camera or sensor id, as in the register where it is registered',
    feed LowCardinality(String) COMMENT 'Feed of the first alarm',
    channel LowCardinality(String) COMMENT 'Channel of the first alarm',
    kind String COMMENT 'Name of the kind of alarm',
    kind_code LowCardinality(Nullable(String)) COMMENT 'Class code of the source: city/table/kind/code',
    matter_kind LowCardinality(String) COMMENT 'Kind of matter, see bi.matters; empty when it tells none',
    started_at DateTime64(3, 'UTC') COMMENT 'First alarm, UTC',
    ended_at DateTime64(3, 'UTC') COMMENT 'Last alarm so far, UTC; the same as started_at for a single one',
    alarms UInt64 COMMENT 'Alarms in it, revisions and replays left out',
    street_code LowCardinality(Nullable(String)) COMMENT '9-digit street code; NULL for a camera that is not registered',
    community_code LowCardinality(Nullable(String)) COMMENT '12-digit community code, see bi.communities',
    community Nullable(String) COMMENT 'Name of the community'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
-- An alarm belongs to the episode of its camera and kind that it was linked to when it came (relation episode); alarms stop,
-- and an episode ends, without a message that says so. bi.reports shows a confidential alarm alone, and so does this.
SELECT
    alarms.matter_id AS matter_id,
    alarms.camera AS camera,
    alarms.feed AS feed,
    alarms.channel AS channel,
    alarms.kind AS kind,
    alarms.kind_code AS kind_code,
    alarms.matter_kind AS matter_kind,
    alarms.started_at AS started_at,
    alarms.ended_at AS ended_at,
    alarms.alarms AS alarms,
    alarms.street_code AS street_code,
    alarms.community_code AS community_code,
    nullIf(communities.community, '') AS community
FROM
(
    SELECT
        matter_id,
        assumeNotNull(device_id) AS camera,
        argMin(feed, (reported_at, report_id)) AS feed,
        argMin(channel, (reported_at, report_id)) AS channel,
        argMin(title, (reported_at, report_id)) AS kind,
        -- In a tuple: argMin alone leaves out what is NULL.
        argMin(tuple(kind_code), (reported_at, report_id)).1 AS kind_code,
        argMin(matter_kind, (reported_at, report_id)) AS matter_kind,
        min(reported_at) AS started_at,
        max(reported_at) AS ended_at,
        count() AS alarms,
        argMin(tuple(street_code), (reported_at, report_id)).1 AS street_code,
        argMin(tuple(community_code), (reported_at, report_id)).1 AS community_code
    FROM bi.reports
    WHERE appeal_type = 'alarm' AND device_id IS NOT NULL
    GROUP BY matter_id, camera
) AS alarms
ASOF LEFT JOIN hub.dim_community_editions AS communities FINAL
    ON communities.community_code = ifNull(alarms.community_code, '')
    AND communities.valid_from <= toDate(alarms.started_at, ifNull(nullIf((SELECT value FROM hub.parameters FINAL WHERE name = 'timezone'), ''), 'UTC'))
COMMENT 'Video alarms folded: the same alarm of one camera going on is one row, with its start, end and count';
