CREATE OR REPLACE VIEW bi.firing {on_cluster}
(
    rule String COMMENT 'Rule, see bi.supervision_rules',
    severity String COMMENT 'info, warning or critical',
    subject_type String COMMENT 'report, matter or place',
    subject String COMMENT 'report_id, matter_id, or kind of matter and code of the place',
    place_key String COMMENT 'Code of the place; empty when unknown',
    onset String COMMENT 'Tells two occurrences of one rule on one subject apart; empty where only the telling does',
    raised_at DateTime64(3, 'UTC') COMMENT 'When it became true, UTC; of places and seasons now',
    value Float64 COMMENT 'The figure that crossed the threshold',
    threshold Float64 COMMENT 'The threshold in force',
    summary String COMMENT 'One sentence in Chinese for the person who must act; holds no personal data',
    report_ids Array(String) COMMENT 'Reports that make it true, at most 20',
    rule_version String COMMENT 'Version of the rule: a hash of the limits in force'
)
DEFINER = {definer} SQL SECURITY DEFINER
AS
WITH
    (SELECT CAST((groupArray(name), groupArray(toFloat64OrZero(value))), 'Map(String, Float64)') FROM hub.parameters FINAL) AS limits,
    assumeNotNull((
        SELECT hex(cityHash64(groupArray((name, value))))
        FROM (SELECT name, value FROM hub.parameters FINAL WHERE name LIKE 'supervision.%' OR name LIKE 'prevention.%' ORDER BY name)
    )) AS version,
    now64(3, 'UTC') AS now,
    (SELECT CAST((groupArray(matter_kind), groupArray(name_zh)), 'Map(String, String)') FROM hub.dim_matters FINAL) AS kinds,
    (
        SELECT CAST((groupArray(code), groupArray(name)), 'Map(String, String)')
        FROM
        (
            SELECT community_code AS code, community AS name FROM hub.dim_communities FINAL
            UNION DISTINCT
            SELECT street_code, street FROM hub.dim_communities FINAL
        )
    ) AS places,
    fired AS
    (
        SELECT
            rule, subject_type, subject, ifNull(community_code, ifNull(street_code, '')) AS place_key, onset, since AS raised_at, value, threshold,
            concat(
                if(subject_type = 'matter', '事项最近工单 ', '工单 '), upstream_id,
                if(ifNull(agency_name, '') = '', '', concat('（', assumeNotNull(agency_name), '）')), '：<fires>，现为 ', toString(value), ' ',
                transform(unit, ['hours', 'days', 'working_days', 'times', 'persons'], ['小时', '天', '个工作日', '次', '人'], '')
            ) AS told,
            report_ids
        FROM bi.supervision
        UNION ALL
        SELECT
            'hot_point', 'place', concat(matter_kind, '/', ifNull(if(method = 'grid', grid_code, community_code), '')),
            ifNull(community_code, ifNull(street_code, '')), '', now,
            if(method = 'grid', ifNull(zscore, 0.), toFloat64(callers)),
            if(method = 'grid', limits['prevention.hot_sigmas'], limits['prevention.hot_callers']),
            concat(
                places[ifNull(community_code, '')], if(method = 'grid', concat('（网格 ', ifNull(grid_code, ''), '）'), ''), '“', kinds[matter_kind], '”：',
                toString(limits['prevention.hot_days']), ' 天内 ', toString(reports), ' 件、', toString(callers), ' 人反映'
            ),
            report_ids
        FROM bi.hot_points
        UNION ALL
        SELECT
            'emerging', 'place', concat(matter_kind, '/', street_code), street_code, '', now, zscore, limits['prevention.emerging_sigmas'],
            concat(
                if(street_code = '', '位置不详', places[street_code]), '“', if(matter_kind = '', '未归类事项', kinds[matter_kind]), '”：',
                toString(limits['prevention.emerging_days']), ' 天内 ', toString(reports), ' 件，往期平均 ', toString(usual), ' 件'
            ),
            report_ids
        FROM bi.emerging_topics
        UNION ALL
        SELECT
            'seasonal', 'place', concat(matter_kind, '/', area), area, toString(starts_on), toDateTime64(warn_from, 3, 'UTC'), expected, usual,
            concat(
                if(area = '', '全区', places[area]), '“', kinds[matter_kind], '”：预计 ', toString(starts_on), ' 至 ', toString(ends_on), ' 高发，每周约 ',
                toString(expected), ' 件，全年平均 ', toString(usual), ' 件'
            ),
            []
        FROM bi.seasonal_warnings
        WHERE is_due
    )
SELECT
    fired.rule AS rule, rules.severity AS severity, subject_type, subject, place_key, onset, raised_at, value, threshold,
    concat('【', rules.name_zh, '】', replaceOne(told, '<fires>', rules.fires_zh), '。') AS summary, report_ids, version AS rule_version
FROM fired
INNER JOIN bi.supervision_rules AS rules ON rules.rule = fired.rule
COMMENT 'Alerts of 督办 and 未诉先办 as they should stand now; zhishu supervise tells them';
