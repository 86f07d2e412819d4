INSERT INTO hub.routed
(
    intake_topic, intake_partition, intake_offset, outcome, matter_id, relation, linked_to, score, reasons, rule_version,
    agency_code, agency_name, level, due_at, time_limit, list_version, list_row, flow, priority, report_id, feed, channel,
    place_key, matter_kind, reporter_key, content_hash, reported_at, received_at, confidential, upstream_id, via,
    appeal_type, family, title, content, street_code, community_code, grid_code, lon, lat, urgency, device_id, _topic,
    _partition, _offset, _timestamp
)
{numbered}
SELECT
    concat('intake.', feed), n % 12, n, 'routed', if(linked, partner_id, report_id),
    multiIf(NOT linked, 'new', cityHash64(n, 'how') % 4 = 0, 'repeat', cityHash64(n, 'how') % 4 = 1, 'rebound', 'joined'),
    if(linked, partner_id, NULL), if(linked, 0.7, NULL), ['words=0.50', 'place=0.20'], '2025.1',
    agencies[cityHash64(place.1, kind.1) % length(agencies) + 1], '承办单位',
    ['grid', 'community', 'street', 'district'][cityHash64(n, 'level') % 4 + 1],
    told_at + toIntervalHour(24 + cityHash64(n, 'due') % 240), '5 work_day', 'demo', 'R1',
    multiIf(feed = 'citymgmt', 'case', feed = 'video', 'alarm', feed = 'police110', 'dispute', 'livelihood'), 'normal',
    report_id, feed, concat('demo-', feed), '370212', kind.1, hex(cityHash64(cityHash64(n, 'who') % 4000000)), hex(cityHash64(n, 'content')),
    told_at, told_at, cityHash64(n, 'secret') % 100 = 0, toString(n), '电话',
    multiIf(feed = 'citymgmt', 'case', feed = 'video', 'alarm', cityHash64(n, 'type') % 9 = 0, 'consult', 'complaint'), kind.2,
    concat(kind.1, '问题 ', toString(n % 5000)), concat('市民反映', kind.1, '问题已经多日，要求处理。编号', toString(n)),
    place.2, place.1, concat(place.1, '000', toString(cityHash64(n, 'grid') % 4 + 1)),
    place.3 + (toFloat64(cityHash64(n, 'x') % 1000) - 500) / 400000, place.4 + (toFloat64(cityHash64(n, 'y') % 1000) - 500) / 400000, 'normal',
    if(feed = 'video', concat('cam', toString(cityHash64(n, 'camera') % 400)), NULL), 'routed', n % 12, n, told_at
FROM numbers({first}, {rows})
