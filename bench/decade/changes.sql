INSERT INTO {table}
(
    {columns}, intake_topic, intake_partition, intake_offset, number, change, matter_id, changed_at, has_case, case_path, case_level,
    case_due_at, case_returns, _topic, _partition, _offset, _timestamp
)
{numbered},
    [('closed', 90000 + cityHash64(n, 'close') % 700000), ('finished', 900000 + cityHash64(n, 'visit') % 300000)] AS life,
    arrayJoin(arrayConcat(
        arrayMap(s -> (s.1, 'progress', told_at + toIntervalSecond(s.2)), arrayFilter(s -> cityHash64(n, 'open') % 1000 >= 8, life)),
        if(linked AND cityHash64(n, 'ruled') % 13 = 0, [('accepted', 'rulings', told_at + toIntervalDay(1))], [])
    )) AS one
SELECT
    {values}, one.2, n % 12, n * 8 + cityHash64(one.1) % 8, 0, one.1, if(linked, partner_id, report_id), one.3, one.2 = 'progress',
    [agencies[cityHash64(place.1, kind.1) % length(agencies) + 1]], ['grid', 'community', 'street', 'district'][cityHash64(n, 'level') % 4 + 1],
    told_at + toIntervalHour(24 + cityHash64(n, 'due') % 240), 0, 'routed', n % 12, n * 8 + cityHash64(one.1) % 8, one.3
FROM numbers({first}, {rows})
WHERE feed != 'video' AND one.3 < now64(3, 'UTC')
